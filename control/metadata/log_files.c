#include "control/metadata/log_files.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/text.h"

enum {
    OFFSET_DIGITS = 20,
    EPOCH_DIGITS = 10,
    QUORUM_STATE_BYTES_MAX = 4096,
};

void log_path(const struct metadata_log *log, char path[METADATA_PATH_BYTES], const char *name)
{
    (void)snprintf(path, METADATA_PATH_BYTES, "%.1100s/%.80s", log->directory, name);
}

void log_segment_name_write(char name[LOG_NAME_BYTES], int64_t base)
{
    (void)snprintf(name, LOG_NAME_BYTES, "%020lld.log", (long long)base);
}

void log_checkpoint_name_write(char name[LOG_NAME_BYTES], const struct checkpoint_name *checkpoint)
{
    (void)snprintf(name, LOG_NAME_BYTES, "%020lld-%010ld.checkpoint",
                   (long long)checkpoint->end_offset, (long)checkpoint->epoch);
}

/* ---- Syncs ---------------------------------------------------------------------------------- */

int log_sync(const struct metadata_log *log)
{
    bool told;
    return file_sync_tell(log->files, log->segment, log->flushes_failed, &told);
}

int log_sync_directory(const struct metadata_log *log, const char *path)
{
    bool told;
    return file_sync_directory_tell(log->files, path, log->flushes_failed, &told);
}

int log_replace(const struct metadata_log *log, const char *path, struct bytes content)
{
    bool told;
    return file_replace_tell(log->files, path, content.ptr, content.len, true, log->flushes_failed,
                             &told);
}

/* ---- Names ---------------------------------------------------------------------------------- */

static bool digits_parse(const char *text, uint32_t count, int64_t *value)
{
    if (strlen(text) < count || text[0] == '-') {
        return false;
    }
    return text_parse_i64((struct bytes){(const uint8_t *)text, count}, value);
}

bool log_segment_name_parse(const char *name, int64_t *base)
{
    return digits_parse(name, OFFSET_DIGITS, base) && strcmp(name + OFFSET_DIGITS, ".log") == 0;
}

bool log_checkpoint_name_parse(const char *name, struct checkpoint_name *checkpoint)
{
    int64_t epoch;
    if (!digits_parse(name, OFFSET_DIGITS, &checkpoint->end_offset) || name[OFFSET_DIGITS] != '-' ||
        !digits_parse(name + OFFSET_DIGITS + 1, EPOCH_DIGITS, &epoch) || epoch > INT32_MAX) {
        return false;
    }
    checkpoint->epoch = (int32_t)epoch;
    return strcmp(name + OFFSET_DIGITS + 1 + EPOCH_DIGITS, ".checkpoint") == 0;
}

static int name_take(void *context, const struct file_entry *entry)
{
    struct log_names *names = context;
    struct checkpoint_name checkpoint;
    int64_t base;
    if (entry->directory) {
        return 0;
    }
    if (log_segment_name_parse(entry->name, &base)) {
        if (names->segment_count == LOG_NAMES_MAX) {
            return -EFBIG;
        }
        names->segments[names->segment_count++] = base;
    } else if (log_checkpoint_name_parse(entry->name, &checkpoint)) {
        if (names->checkpoint_count == LOG_NAMES_MAX) {
            return -EFBIG;
        }
        names->checkpoints[names->checkpoint_count++] = checkpoint;
    }
    return 0;
}

static int base_compare(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left;
    const int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static int checkpoint_compare(const void *left, const void *right)
{
    const struct checkpoint_name *a = left;
    const struct checkpoint_name *b = right;
    return a->end_offset != b->end_offset ? (a->end_offset > b->end_offset ? 1 : -1)
                                          : (a->epoch > b->epoch) - (a->epoch < b->epoch);
}

int log_names_list(const struct metadata_log *log, struct log_names *names)
{
    names->segment_count = 0;
    names->checkpoint_count = 0;
    const int result = file_list(log->files, log->directory, name_take, names);
    qsort(names->segments, names->segment_count, sizeof(names->segments[0]), base_compare);
    qsort(names->checkpoints, names->checkpoint_count, sizeof(names->checkpoints[0]),
          checkpoint_compare);
    return result;
}

void log_file_remove(const struct metadata_log *log, const char *name)
{
    char path[METADATA_PATH_BYTES];
    log_path(log, path, name);
    const int result = file_unlink(log->files, path);
    (void)result; /* Superfluous either way; the next checkpoint tries again. */
}

int quorum_state_read(const struct metadata_log *log, int32_t *epoch)
{
    char path[METADATA_PATH_BYTES];
    char content[QUORUM_STATE_BYTES_MAX];
    log_path(log, path, "quorum-state");
    const int64_t size = file_read_all(log->files, path, content, sizeof(content));
    if (size < 0) {
        return size == -ENOENT || size == -EFBIG ? 0 : (int)size;
    }
    json_t *root = json_loadb(content, (size_t)size, 0, NULL);
    const json_int_t value = json_integer_value(json_object_get(root, "leaderEpoch"));
    if (value > 0 && value < INT32_MAX) {
        *epoch = (int32_t)value;
    }
    json_decref(root);
    return 0;
}

int quorum_state_write(const struct metadata_log *log)
{
    char path[METADATA_PATH_BYTES];
    char content[QUORUM_STATE_BYTES_MAX];
    log_path(log, path, "quorum-state");
    const int len = snprintf(content, sizeof(content),
                             "{\"clusterId\":\"\",\"leaderId\":%ld,\"leaderEpoch\":%ld,"
                             "\"votedId\":-1,\"appliedOffset\":0,"
                             "\"currentVoters\":[{\"voterId\":%ld}],\"data_version\":0}",
                             (long)log->node_id, (long)log->epoch, (long)log->node_id);
    return log_replace(log, path, (struct bytes){(const uint8_t *)content, (uint32_t)len});
}
