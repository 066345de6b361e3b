#include "dataplane/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static const char *cluster_of(const struct recover *recover, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!recover->failed[i]) {
            return recover->directories[i].cluster_id;
        }
    }
    return "";
}

static void directories_close(struct recover *recover, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!recover->failed[i]) {
            data_directory_close(recover->fs, &recover->directories[i]);
        }
    }
}

enum recover_status recover_open(struct recover *recover, const struct recover_options *options,
                                 char *reason, size_t reason_bytes)
{
    ASSERT(options->directory_count > 0 && options->directory_count <= LOG_DIRECTORIES_MAX);
    *recover = (struct recover){.fs = options->fs,
                                .journal = options->journal,
                                .directory_count = options->directory_count,
                                .began_ns = clock_ns()};
    uint32_t good = 0;
    for (uint32_t i = 0; i < options->directory_count; i++) {
        const enum directory_status status =
            data_directory_open(options->fs, options->directory_paths[i], cluster_of(recover, i),
                                options->node_id, options->seed + i, options->lock_wait_ms,
                                &recover->directories[i], reason, reason_bytes);
        recover->failed[i] = status != DIRECTORY_OK;
        good += status == DIRECTORY_OK;
        if (status == DIRECTORY_IO_ERROR) {
            char quoted[256];
            journal_say(options->journal, JOURNAL_ERROR, "directory_failed", "index=%u reason=%s",
                        i, journal_quote(quoted, sizeof(quoted), reason, strlen(reason)));
            (void)snprintf(recover->directories[i].path, sizeof(recover->directories[i].path), "%s",
                           options->directory_paths[i]);
        } else if (status != DIRECTORY_OK) {
            directories_close(recover, i);
            return RECOVER_REFUSED;
        }
    }
    return good > 0 ? RECOVER_OK : RECOVER_FAILED;
}

/* ---- Recovering ---- */

static void directory_list(struct recover *recover, uint32_t index)
{
    struct found_partition *found = NULL;
    const int64_t count = data_directory_list(recover->fs, &recover->directories[index], &found);
    if (count < 0) {
        journal_say(recover->journal, JOURNAL_ERROR, "directory_failed", "index=%u error=%" PRId64,
                    index, -count);
        data_directory_close(recover->fs, &recover->directories[index]);
        recover->failed[index] = true;
        return;
    }
    const uint64_t all = recover->partition_count + (uint64_t)count;
    struct recover_partition *grown =
        realloc(recover->partitions, (all + 1) * sizeof(*recover->partitions));
    ASSERT(grown != NULL); /* Start only: a machine without a few megabytes runs nothing. */
    recover->partitions = grown;
    for (int64_t i = 0; i < count; i++) {
        recover->partitions[recover->partition_count++] = (struct recover_partition){
            .found = found[i], .directory = (uint16_t)index, .status = LOG_PENDING};
    }
    free(found);
}

static void partition_turn(struct recover *recover, struct recover_partition *partition)
{
    char quoted[2 * sizeof(partition->found.name)];
    if (partition->found.id_error != 0) {
        partition->status = LOG_IO_ERROR;
        journal_say(recover->journal, JOURNAL_ERROR, "partition_not_named",
                    "partition=%s directory=%u error=%d",
                    journal_quote(quoted, sizeof(quoted), partition->found.name,
                                  strlen(partition->found.name)),
                    partition->directory, -partition->found.id_error);
        return;
    }
    if (!partition->found.has_id) {
        partition->status = LOG_CORRUPT; /* No name for good: it can only be set aside. */
        return;
    }
    partition->status =
        partition_recover(recover->fs, &recover->directories[partition->directory],
                          &partition->found, &partition->recovered, &partition->report);
    if (partition->status != LOG_OK) {
        partition->recovered = NULL;
        journal_say(recover->journal, JOURNAL_ERROR, "partition_not_recovered",
                    "partition=%s directory=%u status=%d",
                    journal_quote(quoted, sizeof(quoted), partition->found.name,
                                  strlen(partition->found.name)),
                    partition->directory, partition->status);
    } else if (partition->report.cut_bytes > 0) {
        journal_say(recover->journal, JOURNAL_WARNING, "partition_cut",
                    "partition=%s cut_bytes=%" PRIu64 " read_bytes=%" PRIu64,
                    journal_quote(quoted, sizeof(quoted), partition->found.name,
                                  strlen(partition->found.name)),
                    partition->report.cut_bytes, partition->report.read_bytes);
    }
}

static void *recover_thread(void *argument)
{
    struct recover *recover = argument;
    uint64_t index;
    while ((index = atomic_fetch_add(&recover->next, 1)) < recover->partition_count) {
        partition_turn(recover, &recover->partitions[index]);
    }
    return NULL;
}

void recover_begin(struct recover *recover, uint32_t thread_count)
{
    ASSERT(thread_count <= RECOVER_THREADS_MAX);
    for (uint32_t i = 0; i < recover->directory_count; i++) {
        if (!recover->failed[i]) {
            directory_list(recover, i);
        }
    }
    for (uint32_t i = 0; i < thread_count && i < recover->partition_count; i++) {
        if (pthread_create(&recover->threads[i], NULL, recover_thread, recover) != 0) {
            break; /* recover_wait does the rest by itself. */
        }
        recover->thread_count++;
    }
}

void recover_wait(struct recover *recover)
{
    (void)recover_thread(recover); /* Help, or do all of it. */
    uint64_t read_bytes = 0;
    for (uint32_t i = 0; i < recover->thread_count; i++) {
        (void)pthread_join(recover->threads[i], NULL);
    }
    recover->thread_count = 0;
    for (uint64_t i = 0; i < recover->partition_count; i++) {
        read_bytes += recover->partitions[i].report.read_bytes;
    }
    journal_say(recover->journal, JOURNAL_INFO, "recovered",
                "partitions=%" PRIu64 " read_bytes=%" PRIu64 " took_ms=%" PRIu64,
                recover->partition_count, read_bytes,
                (clock_ns() - recover->began_ns) / (1000 * 1000));
}

/* ---- Adopting ---- */

static void set_stray(struct recover *recover, struct recover_partition *partition)
{
    char quoted[2 * sizeof(partition->found.name)];
    const enum log_status status = data_directory_set_stray(
        recover->fs, &recover->directories[partition->directory], &partition->found);
    journal_say(
        recover->journal, JOURNAL_WARNING, "partition_stray",
        "partition=%s directory=%u renamed=%s",
        journal_quote(quoted, sizeof(quoted), partition->found.name, strlen(partition->found.name)),
        partition->directory, status == LOG_OK ? "yes" : "no");
    if (partition->recovered != NULL) {
        recovered_partition_free(partition->recovered);
        partition->recovered = NULL;
    }
}

static void adopt(struct recover *recover, struct recover_partition *partition,
                  const struct snapshot_topic *topic, struct log *log)
{
    const uint32_t index = partition->found.id.index;
    const struct partition_spec spec = {
        .id = partition->found.id,
        .topic_name = topic->name,
        .directory = partition->directory,
        .leader_epoch = topic->partitions[index].leader_epoch,
        .config = topic->config,
    };
    struct partition *adopted = NULL;
    if (log_adopt(log, partition->recovered, &spec, &adopted) == LOG_OK) {
        partition->recovered = NULL; /* Given. */
        return;
    }
    journal_say(recover->journal, JOURNAL_ERROR, "partition_not_adopted",
                "index=%u reason=partition_count_max", index);
}

/* The same partition lies in the directory that the snapshot names, too: that one counts (H18). */
static bool superseded(const struct recover *recover, const struct recover_partition *partition,
                       uint16_t named)
{
    if (partition->directory == named) {
        return false;
    }
    for (uint64_t i = 0; i < recover->partition_count; i++) {
        const struct recover_partition *other = &recover->partitions[i];
        if (other->directory == named && other->found.has_id &&
            other->found.id.index == partition->found.id.index &&
            uuid_equal(other->found.id.topic_id, partition->found.id.topic_id)) {
            return true;
        }
    }
    return false;
}

void recover_adopt(struct recover *recover, const struct snapshot *snapshot,
                   struct log *const *logs, uint32_t core_count)
{
    for (uint64_t i = 0; i < recover->partition_count; i++) {
        struct recover_partition *partition = &recover->partitions[i];
        const struct partition_id *id = &partition->found.id;
        if (partition->found.id_error != 0) {
            continue; /* Whose it is the next start may find out: it keeps its name. */
        }
        const struct snapshot_topic *topic =
            partition->found.has_id ? snapshot_topic_by_id(snapshot, &id->topic_id) : NULL;
        if (topic == NULL || id->index >= topic->partition_count ||
            superseded(recover, partition, topic->partitions[id->index].directory)) {
            set_stray(recover, partition);
            continue;
        }
        struct log *log = logs[snapshot_partition_core(&id->topic_id, id->index, core_count)];
        if (partition->recovered == NULL) {
            continue; /* Its files are there and cannot be read: the broker finds it missing. */
        }
        if (log_find(log, id) != NULL) {
            set_stray(recover, partition); /* The same partition in two directories. */
            continue;
        }
        if (!topic->partitions[id->index].exists &&
            recovered_partition_fresh(partition->recovered)) {
            recovered_partition_free(partition->recovered); /* The broker makes it anew. */
            partition->recovered = NULL;
            continue;
        }
        adopt(recover, partition, topic, log);
    }
}

void recover_tell(const struct recover *recover, struct session_setup *setup,
                  struct session_directory *directories, struct session_partition *partitions)
{
    uint32_t count = 0;
    for (uint64_t i = 0; i < recover->partition_count; i++) {
        const struct recover_partition *partition = &recover->partitions[i];
        if (partition->found.has_id) {
            partitions[count++] = (struct session_partition){
                .topic_id = partition->found.id.topic_id,
                .index = partition->found.id.index,
                .leader_epoch = partition->recovered != NULL
                                    ? recovered_partition_epoch(partition->recovered)
                                    : -1,
                .directory = partition->directory,
                .fresh =
                    partition->recovered != NULL && recovered_partition_fresh(partition->recovered),
            };
        }
    }
    for (uint32_t i = 0; i < recover->directory_count; i++) {
        const struct data_directory *from = &recover->directories[i];
        directories[i] = (struct session_directory){
            .directory_id = from->directory_id, .clean = from->clean, .failed = recover->failed[i]};
        memcpy(directories[i].path, from->path, sizeof(directories[i].path));
        if (!recover->failed[i] && setup->cluster_id[0] == '\0') {
            memcpy(setup->cluster_id, from->cluster_id, sizeof(setup->cluster_id));
        }
    }
    setup->directory_count = recover->directory_count;
    setup->directories = directories;
    setup->partition_count = count;
    setup->partitions = partitions;
}

void recover_close(struct recover *recover, bool clean)
{
    for (uint64_t i = 0; i < recover->partition_count; i++) {
        if (recover->partitions[i].recovered != NULL) {
            recovered_partition_free(recover->partitions[i].recovered);
        }
    }
    free(recover->partitions);
    recover->partitions = NULL;
    recover->partition_count = 0;
    for (uint32_t i = 0; i < recover->directory_count; i++) {
        if (clean && !recover->failed[i] &&
            data_directory_mark_clean(recover->fs, &recover->directories[i]) != DIRECTORY_OK) {
            journal_say(recover->journal, JOURNAL_ERROR, "clean_mark_failed", "directory=%u", i);
        }
    }
    directories_close(recover, recover->directory_count);
}
