#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/base/random.h"
#include "storage/log/engine.h"

enum { BASE = 1000, BATCHES = 2000, INTERVAL = 300 };

/* A partition whose index is all there is of it, and the batches it was told of. */
struct world {
    struct log log;
    struct partition partition;
    struct segment segment;
    void *chunks;
    uint32_t count;
    int64_t last_offset[BATCHES];
    uint32_t position[BATCHES + 1];
    bool indexed[BATCHES];
};

static struct world world;

static void world_make(uint32_t chunk_count)
{
    free(world.chunks);
    memset(&world, 0, sizeof(world));
    const uint32_t bytes = sizeof(struct index_chunk);
    assert_int_equal(posix_memalign(&world.chunks, 64, pool_memory_bytes(bytes, chunk_count)), 0);
    pool_init(&world.log.chunk_pool, world.chunks, bytes, chunk_count);
    world.partition.log = &world.log;
    world.partition.active = &world.segment;
    world.partition.config.index_interval_bytes = INTERVAL;
    world.segment.base_offset = BASE;
    world.segment.peak = (struct peak){-1, BASE};
    world.segment.first_timestamp_ms = -1;
    index_begin_segment(&world.partition);
}

static int teardown(void **state)
{
    (void)state;
    index_release(&world.log, world.partition.index_first);
    assert_int_equal(world.log.chunk_pool.used, 0);
    free(world.chunks);
    world.chunks = NULL;
    return 0;
}

static void note(uint32_t size, int32_t records, int64_t timestamp_ms)
{
    const uint32_t i = world.count++;
    const struct batch_header header = {
        .base_offset = i == 0 ? BASE : world.last_offset[i - 1] + 1,
        .last_offset_delta = records - 1,
        .size_bytes = size,
        .max_timestamp_ms = timestamp_ms,
    };
    const uint32_t before = world.partition.index_count;
    index_note(&world.partition, &header, world.position[i]);
    world.last_offset[i] = batch_last_offset(&header);
    world.position[i + 1] = world.position[i] + size;
    world.indexed[i] = world.partition.index_count > before;
}

static void note_many(uint32_t count, struct random *random)
{
    for (uint32_t i = 0; i < count; i++) {
        note(61 + (uint32_t)random_below(random, 500), 1 + (int32_t)random_below(random, 9),
             (int64_t)random_below(random, 100000));
    }
}

/* What an index that only knows the indexed batches would answer. */
static void check_lookups(void)
{
    const int64_t end = world.count == 0 ? BASE : world.last_offset[world.count - 1] + 2;
    uint32_t next = 0;
    uint32_t want = 0;
    for (int64_t offset = BASE; offset < end; offset++) {
        while (next < world.count && world.last_offset[next] <= offset) {
            want = world.indexed[next] ? world.position[next] : want;
            next++;
        }
        uint32_t position = UINT32_MAX;
        assert_true(index_lookup(&world.partition, offset, &position));
        assert_int_equal(position, want);
    }
}

static void an_entry_comes_when_more_than_the_interval_lies_behind_the_last(void **state)
{
    (void)state;
    static const struct {
        uint32_t sizes[6];
        bool indexed[6];
    } cases[] = {
        {{100, 100, 100, 100, 100, 100}, {false, false, false, false, true, false}},
        {{301, 61, 61, 300, 61, 61}, {false, true, false, false, true, false}},
        {{300, 61, 61, 61, 61, 61}, {false, false, true, false, false, false}},
        {{5000, 5000, 61, 61, 5000, 61}, {false, true, true, false, false, true}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        world_make(4);
        for (uint32_t j = 0; j < 6; j++) {
            note(cases[i].sizes[j], 1, 5);
            assert_int_equal(world.indexed[j], cases[i].indexed[j]);
        }
        index_release(&world.log, world.partition.index_first);
        world.partition.index_first = NULL;
    }
}

static void a_lookup_finds_the_last_entry_that_is_not_behind_the_offset(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random;
        random_init(&random, seed);
        world_make(64);
        note_many((uint32_t)random_below(&random, BATCHES), &random);
        check_lookups();
        index_release(&world.log, world.partition.index_first);
        world.partition.index_first = NULL;
    }
}

static void entries_are_left_out_when_memory_runs_out(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 3);
    world_make(2);
    note_many(BATCHES, &random);
    assert_int_equal(world.partition.index_count, 2 * INDEX_CHUNK_ENTRIES);
    check_lookups();
}

static void the_time_index_counts_the_entries_that_raise_the_time(void **state)
{
    (void)state;
    static const int64_t times[] = {7, 5, 9, 9, 8, 20, 3};
    static const uint32_t counts[] = {0, 1, 2, 2, 2, 3, 3};
    world_make(4);
    for (uint32_t i = 0; i < ARRAY_SIZE(times); i++) {
        note(INTERVAL + 1, 2, times[i]);
        assert_int_equal(world.partition.time_count, counts[i]);
    }
    assert_int_equal(world.partition.time_last_ms, 20);
    assert_int_equal(world.segment.first_timestamp_ms, 7);
    assert_int_equal(world.segment.peak.timestamp_ms, 20);
    assert_int_equal(world.segment.peak.offset, BASE + 11); /* Last offset of the sixth batch. */
}

/* Counters after a cut are those of a partition that never had what was cut off. */
static void a_cut_leaves_what_was_there_before(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct random random;
        random_init(&random, seed);
        world_make(64);
        note_many(1 + (uint32_t)random_below(&random, BATCHES - 200), &random);
        const uint32_t keep = (uint32_t)random_below(&random, world.count + 1);
        uint32_t entries = 0;
        for (uint32_t i = 0; i < keep; i++) {
            entries += world.indexed[i];
        }
        index_truncate(&world.partition, world.position[keep]);
        world.count = keep;
        assert_int_equal(world.partition.index_count, entries);
        check_lookups();
        note_many(100, &random); /* And it goes on. */
        check_lookups();
        index_truncate(&world.partition, 0);
        world.count = 0;
        assert_int_equal(world.partition.index_count, 0);
        assert_int_equal(world.partition.time_count, 0);
        assert_int_equal(world.partition.time_last_ms, -1);
        note(5000, 1, 5);
        assert_false(world.indexed[0]); /* A segment's first batch never gets an entry. */
        index_release(&world.log, world.partition.index_first);
        world.partition.index_first = NULL;
    }
}

static void what_only_the_file_knows_is_not_answered(void **state)
{
    (void)state;
    world_make(4);
    world.partition.index_count = 10; /* Entries in the file. */
    uint32_t position;
    assert_false(index_lookup(&world.partition, BASE + 5, &position));
    world.count = 1;
    world.last_offset[0] = BASE + 99;
    world.position[1] = 50000;
    note(INTERVAL + 1, 1, 1);
    note(61, 1, 1);
    assert_int_equal(world.partition.index_first_number, 10);
    assert_false(index_lookup(&world.partition, BASE + 50, &position));
    assert_true(index_lookup(&world.partition, BASE + 101, &position));
    assert_int_equal(position, world.position[2]);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_comes_when_more_than_the_interval_lies_behind_the_last),
        TEST(a_lookup_finds_the_last_entry_that_is_not_behind_the_offset),
        TEST(entries_are_left_out_when_memory_runs_out),
        TEST(the_time_index_counts_the_entries_that_raise_the_time),
        TEST(a_cut_leaves_what_was_there_before),
        TEST(what_only_the_file_knows_is_not_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
