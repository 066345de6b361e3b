#include "dataplane/apply.h"

static enum log_status state_of(struct log *log, const struct partition_id *id)
{
    const struct partition *partition = log_find(log, id);
    return partition == NULL ? LOG_FENCED : partition_state(partition);
}

static uint16_t files_at(struct log *log, const struct partition_id *id)
{
    const struct partition *partition = log_find(log, id);
    return partition != NULL && partition_made(partition) ? partition_directory(partition)
                                                          : (uint16_t)LOG_DIRECTORY_NONE;
}

/* LOG_NO_SPACE and the like heal by themselves and are told to clients where they happen. */
static bool failed(enum log_status status)
{
    return status == LOG_FENCED || status == LOG_IO_ERROR || status == LOG_CORRUPT;
}

uint32_t apply_failures(const struct snapshot *snapshot, struct log *log, uint32_t core,
                        uint32_t core_count, struct session_failure *to, uint32_t capacity)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < snapshot->topic_count; i++) {
        const struct snapshot_topic *topic = &snapshot->topics[i];
        for (uint32_t index = 0; index < topic->partition_count && count < capacity; index++) {
            const struct partition_id id = {.topic_id = topic->id, .index = index};
            if (topic->partitions[index].directory == SNAPSHOT_DIRECTORY_NONE ||
                topic->partitions[index].offline ||
                snapshot_partition_core(&topic->id, index, core_count) != core) {
                continue;
            }
            const enum log_status status = state_of(log, &id);
            if (failed(status)) {
                to[count++] = (struct session_failure){.topic_id = topic->id,
                                                       .index = index,
                                                       .status = status,
                                                       .directory = files_at(log, &id)};
            }
        }
    }
    return count;
}
