/* Writes a metadata log as the control process would, for Kafka's tools to read:
 *
 *     golden_metadata_log DIRECTORY
 *
 * One file that starts at 0 with every kind of record, then a checkpoint and a file behind it. The
 * older file is kept under another name, because a checkpoint removes it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "control/arena.h"
#include "control/metadata/store.h"

enum { NODE = 1, WALL_MS = 1700000000 };

static const struct uuid directory_id = {.bytes = {0xd1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10}};

static void check(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

static void commit(struct store *store)
{
    metadata_apply(store);
    check(metadata_commit(store, WALL_MS) == METADATA_OK, store->log.reason);
}

static void broker_write(struct store *store)
{
    const struct broker_registration registration = {
        .node_id = NODE,
        .incarnation = {.bytes = {9, 9}},
        .epoch = 1,
        .host = bytes_of_string("broker.example"),
        .port = 9092,
        .rack = bytes_of_string("rack-a"),
        .directories = &directory_id,
        .directory_count = 1,
        .metadata_version_min = 7,
        .metadata_version_max = 25,
    };
    changes_feature(&store->staged, bytes_of_string("metadata.version"), 25);
    changes_broker(&store->staged, &registration);
    commit(store);
}

static void topic_write(struct store *store, const char *name, uint8_t number, int32_t partitions)
{
    const struct uuid id = {.bytes = {number, 1, 2, 3, 4, 5, 0x46, 7, 0x88}};
    changes_topic(&store->staged, bytes_of_string(name), id);
    changes_config(&store->staged, RESOURCE_TOPIC, bytes_of_string(name),
                   bytes_of_string("retention.ms"), bytes_of_string("86400000"));
    for (int32_t i = 0; i < partitions; i++) {
        const struct partition_row row = {.topic_id = id, .index = i, .node_id = NODE};
        changes_partition(&store->staged, &row);
    }
    commit(store);
    for (int32_t i = 0; i < partitions; i++) {
        changes_directory(&store->staged, id, i, directory_id);
    }
    changes_leader(&store->staged, id, 0, NODE);
    commit(store);
}

static void rest_write(struct store *store)
{
    const struct uuid gone = {.bytes = {77, 1, 2, 3, 4, 5, 0x46, 7, 0x88}};
    topic_write(store, "gone", 77, 1);
    changes_topic_removed(&store->staged, gone);
    changes_config(&store->staged, RESOURCE_BROKER, bytes_of_string(""),
                   bytes_of_string("log.retention.ms"), bytes_of_string("1000"));
    changes_config(&store->staged, RESOURCE_BROKER, bytes_of_string("1"),
                   bytes_of_string("log.retention.ms"), bytes_of_string("2000"));
    changes_config(&store->staged, RESOURCE_BROKER, bytes_of_string("1"),
                   bytes_of_string("log.retention.ms"), (struct bytes){0});
    changes_producer_ids(&store->staged, NODE, 1, 4000);
    commit(store);
}

int main(int argc, char **argv)
{
    static struct store store;
    static _Atomic uint32_t flushes_failed;
    struct file_system *files = file_system_real(0);
    check(argc == 2, "usage: golden_metadata_log DIRECTORY:");
    const enum metadata_status status =
        metadata_open(&store, files, argv[1], NODE, &flushes_failed, WALL_MS);
    check(status == METADATA_OK, store.log.reason);
    broker_write(&store);
    topic_write(&store, "orders", 11, 3);
    topic_write(&store, "payments.eu", 12, 1);
    rest_write(&store);

    static char from[4200];
    static char to[4200];
    (void)snprintf(from, sizeof(from), "%.4000s/__cluster_metadata-0/%020d.log", argv[1], 0);
    (void)snprintf(to, sizeof(to), "%.4000s/%020d.log", argv[1], 0);
    static uint8_t copy[1 << 20];
    const int64_t size = file_read_all(files, from, copy, sizeof(copy));
    check(size > 0 && file_replace(files, to, copy, (uint64_t)size, false) == 0, "the copy");
    store.log.checkpoint_after_bytes = 1;
    metadata_checkpoint_turn(&store);
    check(store.checkpoints == 1, "the checkpoint");
    topic_write(&store, "later", 13, 2);
    (void)printf("%lld\n", (long long)store.log.end_offset);
    metadata_close(&store);
    return 0;
}
