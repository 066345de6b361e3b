#include "control/reconcile.h"

void directories_of(const struct session_hello *hello, struct directories *directories)
{
    memset(directories, 0, sizeof(*directories));
    directories->count = hello->directory_count;
    for (uint32_t i = 0; i < hello->directory_count; i++) {
        directories->id[i] = hello->directories[i].directory_id;
        directories->clean[i] = hello->directories[i].clean != 0;
        directories->failed[i] = hello->directories[i].failed != 0;
    }
}

static uint16_t directory_find(const struct directories *directories, struct uuid id)
{
    for (uint32_t i = 0; i < directories->count; i++) {
        if (uuid_equal(directories->id[i], id)) {
            return (uint16_t)i;
        }
    }
    return SNAPSHOT_DIRECTORY_NONE;
}

/* ---- The start of a session ------------------------------------------------------------------ */

static void notes_clear(struct image *image)
{
    for (uint32_t i = 0; i < image->topic_count; i++) {
        struct image_topic *topic = image->topics[i];
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            topic->partitions[j].placed = SNAPSHOT_DIRECTORY_NONE;
            topic->partitions[j].offline = false;
            topic->partitions[j].found_epoch = -1;
            topic->partitions[j].fresh = false;
            topic->partitions[j].placed_version = 0;
        }
    }
}

/* Of a partition that lies in two directories, the one that the records name counts. */
static void found_note(struct image *image, const struct directories *directories,
                       const struct session_partition *found, struct reconcile_report *report)
{
    struct image_topic *topic = image_topic_by_id(image, &found->topic_id);
    if (topic == NULL || found->index >= topic->partition_count) {
        report->strays++;
        return;
    }
    struct image_partition *partition = &topic->partitions[found->index];
    if (partition->placed != SNAPSHOT_DIRECTORY_NONE &&
        !uuid_equal(partition->directory, directories->id[found->directory])) {
        return;
    }
    report->found += partition->placed == SNAPSHOT_DIRECTORY_NONE;
    partition->placed = found->directory;
    partition->found_epoch = found->leader_epoch;
    partition->fresh = found->fresh != 0;
}

/* The records that a partition with files needs. */
static void found_settle(const struct image *image, const struct image_topic *topic, uint32_t index,
                         const struct directories *directories, struct changes *changes,
                         struct reconcile_report *report)
{
    const struct image_partition *partition = &topic->partitions[index];
    const struct uuid directory = directories->id[partition->placed];
    const bool moved = !uuid_equal(partition->directory, directory);
    const bool unclean = !directories->clean[partition->placed];
    report->moved += moved && !uuid_is_zero(partition->directory);
    if (partition->found_epoch > partition->leader_epoch) {
        /* The files know a newer epoch than the records: no batch may be stamped with an older. */
        const struct partition_row row = {
            .topic_id = topic->id,
            .index = (int32_t)index,
            .node_id = image->node_id,
            .leader_epoch = partition->found_epoch + (unclean ? 1 : 0),
            .partition_epoch = partition->partition_epoch + 1,
            .directory = directory,
        };
        changes_partition(changes, &row);
        report->epochs_raised++;
        return;
    }
    if (moved) {
        changes_directory(changes, topic->id, (int32_t)index, directory);
    }
    if (unclean) {
        changes_leader(changes, topic->id, (int32_t)index, image->node_id);
        report->epochs_raised++;
    }
}

void reconcile_start(struct image *image, const struct directories *directories,
                     const struct session_partition *partitions, uint32_t partition_count,
                     struct changes *changes, struct reconcile_report *report)
{
    memset(report, 0, sizeof(*report));
    notes_clear(image);
    for (uint32_t i = 0; i < partition_count; i++) {
        found_note(image, directories, &partitions[i], report);
    }
    for (uint32_t i = 0; i < image->topic_count; i++) {
        struct image_topic *topic = image->topics[i];
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            struct image_partition *partition = &topic->partitions[j];
            const bool recorded = !uuid_is_zero(partition->directory);
            if (partition->placed == SNAPSHOT_DIRECTORY_NONE && recorded) {
                partition->placed = directory_find(directories, partition->directory);
                partition->offline = true;
                report->vanished++;
            } else if (partition->placed == SNAPSHOT_DIRECTORY_NONE ||
                       (partition->fresh && !recorded)) {
                report->unplaced++; /* Made, or made anew where it lies: reconcile_assign. */
            } else {
                found_settle(image, topic, j, directories, changes, report);
                partition->offline = directories->failed[partition->placed];
            }
        }
    }
}

/* ---- Placement ------------------------------------------------------------------------------ */

static void places_count(const struct image *image, uint32_t counts[LOG_DIRECTORIES_MAX])
{
    for (uint32_t i = 0; i < image->topic_count; i++) {
        const struct image_topic *topic = image->topics[i];
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            if (topic->partitions[j].placed < LOG_DIRECTORIES_MAX) {
                counts[topic->partitions[j].placed]++;
            }
        }
    }
}

static uint16_t place_choose(const struct directories *directories, const uint32_t *counts)
{
    uint16_t best = SNAPSHOT_DIRECTORY_NONE;
    for (uint32_t i = 0; i < directories->count; i++) {
        if (!directories->failed[i] &&
            (best == SNAPSHOT_DIRECTORY_NONE || counts[i] < counts[best])) {
            best = (uint16_t)i;
        }
    }
    return best;
}

static bool is_new(const struct image_partition *partition)
{
    return uuid_is_zero(partition->directory);
}

void reconcile_place(struct image *image, const struct directories *directories)
{
    uint32_t counts[LOG_DIRECTORIES_MAX] = {0};
    places_count(image, counts);
    for (uint32_t i = 0; i < image->topic_count; i++) {
        struct image_topic *topic = image->topics[i];
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            struct image_partition *partition = &topic->partitions[j];
            if (partition->placed != SNAPSHOT_DIRECTORY_NONE || !is_new(partition) ||
                partition->offline) {
                continue;
            }
            partition->placed = place_choose(directories, counts);
            partition->placed_version = 0;
            if (partition->placed != SNAPSHOT_DIRECTORY_NONE) {
                counts[partition->placed]++;
            }
        }
    }
}

/* ---- What became of them -------------------------------------------------------------------- */

uint32_t reconcile_directory_failed(struct image *image, uint16_t directory)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < image->topic_count; i++) {
        struct image_topic *topic = image->topics[i];
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            if (topic->partitions[j].placed == directory && !topic->partitions[j].offline) {
                topic->partitions[j].offline = true;
                count++;
            }
        }
    }
    image->visible_changes += count > 0;
    return count;
}

bool reconcile_partition_failed(struct image *image, const struct session_failure *failure)
{
    struct image_topic *topic = image_topic_by_id(image, &failure->topic_id);
    if (topic == NULL || failure->index >= topic->partition_count) {
        return false; /* Deleted since. */
    }
    struct image_partition *partition = &topic->partitions[failure->index];
    if (!partition->offline) {
        partition->offline = true;
        image->visible_changes++;
    }
    if (!is_new(partition)) {
        return false;
    }
    if (failure->directory < LOG_DIRECTORIES_MAX) {
        /* Made, and maybe written to, before that is recorded: never made anew elsewhere (H18). */
        partition->placed = failure->directory;
        return false;
    }
    partition->placed = SNAPSHOT_DIRECTORY_NONE;
    partition->placed_version = 0;
    return true;
}

uint32_t reconcile_assign(const struct image *image, const struct directories *directories,
                          uint64_t version, struct changes *changes)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < image->topic_count; i++) {
        const struct image_topic *topic = image->topics[i];
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            const struct image_partition *partition = &topic->partitions[j];
            if (is_new(partition) && partition->placed != SNAPSHOT_DIRECTORY_NONE &&
                partition->placed_version != 0 && partition->placed_version <= version) {
                changes_directory(changes, topic->id, (int32_t)j,
                                  directories->id[partition->placed]);
                count++;
            }
        }
    }
    return count;
}

uint32_t reconcile_retry(struct image *image)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < image->topic_count; i++) {
        struct image_topic *topic = image->topics[i];
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            struct image_partition *partition = &topic->partitions[j];
            if (is_new(partition) && partition->placed == SNAPSHOT_DIRECTORY_NONE) {
                partition->offline = false;
                partition->placed_version = 0;
                count++;
            }
        }
    }
    image->visible_changes += count > 0;
    return count;
}
