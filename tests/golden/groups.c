/* Writes what the coordinator of groups records, as a segment of __consumer_offsets:
 *
 *     golden_groups FILE
 *
 * Every kind of record: a new group, a stable one with a static member, offsets with and without a
 * note and an expiry, an empty group, tombstones; a group of the consumer protocol, and one that
 * goes over to it and back.
 */
#include <stdio.h>

#include "storage/record/record.h"
#include "tests/control/group/consumer_bench.h"

enum { BATCH_BYTES_MAX = 1 << 16 };

static void group_live(struct group_bench *bench)
{
    JOIN(.client = "a", .instance = "i", .version = 5, .protocols = "range:@t+u");
    JOIN(.client = "b", .protocols = "range:@t");
    bench_run_to(bench, 6000);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    SYNC(.client = "a", .member = "i#01", .generation = 1);
    COMMIT(.member = "b#02", .generation = 1, .topics = "t/0=5:note t/1=6");
    LEAVE(.member = "i#01 b#02");
    COMMIT(.group = "simple", .generation = -1, .topics = "t/3=9", .version = 4,
           .retention_ms = 1000);
    bench_group(bench, GROUP_DELETE, (struct said){.group = "simple"});
}

/* Of the consumer protocol: members with all that they may say, partitions that one gives up to the
 * other, a regular expression, who leaves, the whole group gone. */
static void consumer_group_live(struct group_bench *bench)
{
    bench_topic(bench, "t", 2);
    BEAT(.group = "c", .member = "m1", .instance = "i", .rack = "r", .client = "one",
         .assignor = "range", .topics = "t");
    BEAT(.group = "c", .member = "m2", .client = "two", .regex = "t.*", .topics = "");
    BEAT(.group = "c", .member = "m1", .instance = "i", .epoch = 1, .owned = "t/0 t/1");
    BEAT(.group = "c", .member = "m2", .epoch = -1);
    BEAT(.group = "c", .member = "m1", .instance = "i", .epoch = -1);
    bench_group(bench, GROUP_DELETE, (struct said){.group = "c"});
}

/* A classic group, with a member of the consumer protocol for a while. */
static void mixed_group_live(struct group_bench *bench)
{
    JOIN(.group = "x", .client = "old", .member = "", .version = 3, .protocols = "range:@t");
    bench_run_to(bench, bench->now_ms + 3000);
    SYNC(.group = "x", .client = "old", .member = "old#03", .generation = 1,
         .assign = "old#03=@t/0+t/1");
    BEAT(.group = "x", .member = "new");
    BEAT(.group = "x", .member = "new", .epoch = -1);
}

int main(int argc, char **argv)
{
    static uint8_t buffer[BATCH_BYTES_MAX];
    struct group_bench *bench = group_bench_new();
    struct batch_builder builder;
    struct batch_options options = batch_options_none();
    options.leader_epoch = 0;
    group_live(bench);
    consumer_group_live(bench);
    mixed_group_live(bench);
    batch_builder_init(&builder, buffer, sizeof(buffer), &options);
    for (uint32_t i = 0; i < bench->log_count; i++) {
        const struct group_bench_record *record = &bench->log[i];
        ASSERT(batch_builder_add(&builder, bench->wall_ms, record->key, record->value, NULL, 0));
    }
    const struct bytes batch = batch_builder_finish(&builder);
    FILE *file = argc == 2 ? fopen(argv[1], "wb") : NULL;
    const bool good = file != NULL && fwrite(batch.ptr, 1, batch.len, file) == batch.len;
    group_bench_free(bench);
    return file != NULL && fclose(file) == 0 && good ? 0 : 1;
}
