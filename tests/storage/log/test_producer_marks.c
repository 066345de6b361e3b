#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/log/producer_marks.h"

enum { PRODUCERS = 12, CRC = 0x12345678, OFFSET = 4711 };

struct world {
    struct producer_pool pool;
    struct producer_state state;
    void *memory;
};

static void world_make(struct world *world)
{
    world->memory = NULL;
    assert_int_equal(posix_memalign(&world->memory, 64, producer_pool_memory_bytes(64, 16)), 0);
    producer_pool_init(&world->pool, world->memory, 64, 16);
    producer_state_init(&world->state, &world->pool, 0);
}

static void append(struct world *world, int64_t producer_id, int32_t sequence, int64_t offset)
{
    const struct batch_header header = {.magic = 2,
                                        .producer_id = producer_id,
                                        .producer_epoch = (int16_t)(producer_id % 3),
                                        .base_sequence = sequence,
                                        .base_offset = offset,
                                        .last_offset_delta = 1,
                                        .max_timestamp_ms = 1000 + offset};
    assert_int_equal(producer_state_append(&world->state, &header, false), PRODUCER_OK);
}

/* Producer n has n batches, of which five are remembered. */
static void fill(struct world *world)
{
    int64_t offset = 0;
    for (int32_t batch = 0; batch < PRODUCERS; batch++) {
        for (int64_t id = batch + 1; id <= PRODUCERS; id++, offset += 2) {
            append(world, id, 2 * batch, offset);
        }
    }
}

static uint32_t export_all(struct world *world, uint8_t *file)
{
    const uint32_t len = producer_marks_export(&world->state, OFFSET, file);
    assert_true(len > 0 && len <= producer_marks_bytes_max(world->state.count));
    producer_marks_seal(file, len, CRC);
    return len;
}

/* What recovery has before: the last batch of each, by way of a snapshot. */
static void load_last(struct world *from, struct world *to)
{
    static uint8_t snapshot[4096];
    producer_state_export(&from->state, snapshot);
    for (uint32_t i = 0; i < from->state.count; i++) {
        const struct bytes file = {snapshot, (uint32_t)producer_snapshot_bytes(from->state.count)};
        const struct producer_snapshot_entry entry = producer_snapshot_read(file, i);
        assert_int_equal(producer_state_load(&to->state, &entry), PRODUCER_OK);
    }
}

static uint32_t marks_of(const struct world *world, int64_t id)
{
    struct producer_values values;
    return producer_state_find(&world->state, id, &values) ? values.batch_count : 0;
}

static void all_batches_of_all_producers_come_back(void **state)
{
    (void)state;
    static uint8_t file[4096];
    struct world before;
    struct world after;
    world_make(&before);
    world_make(&after);
    fill(&before);
    const uint32_t len = export_all(&before, file);
    load_last(&before, &after);
    assert_int_equal(marks_of(&after, PRODUCERS), 1);
    assert_true(producer_marks_load((struct bytes){file, len}, OFFSET, CRC, &after.state));
    for (int64_t id = 1; id <= PRODUCERS; id++) {
        struct producer_values wanted;
        struct producer_values got;
        assert_true(producer_state_find(&before.state, id, &wanted));
        assert_true(producer_state_find(&after.state, id, &got));
        assert_int_equal(got.batch_count, min_u32((uint32_t)id, PRODUCER_BATCHES));
        assert_memory_equal(got.batches, wanted.batches, got.batch_count * sizeof(got.batches[0]));
        assert_int_equal(got.epoch, wanted.epoch);
        assert_int_equal(got.last_timestamp_ms, wanted.last_timestamp_ms);
    }
    assert_true(producer_pool_invariants(&after.pool));
    free(before.memory);
    free(after.memory);
}

static void producers_with_one_batch_need_no_file(void **state)
{
    (void)state;
    static uint8_t file[4096];
    struct world world;
    world_make(&world);
    assert_int_equal(producer_marks_export(&world.state, OFFSET, file), 0);
    append(&world, 7, 0, 0);
    append(&world, 8, 0, 2);
    assert_int_equal(producer_marks_export(&world.state, OFFSET, file), 0);
    free(world.memory);
}

static void a_damaged_or_foreign_file_changes_nothing(void **state)
{
    (void)state;
    static uint8_t file[4096];
    struct world before;
    struct world after;
    world_make(&before);
    world_make(&after);
    fill(&before);
    const uint32_t len = export_all(&before, file);
    load_last(&before, &after);
    for (uint32_t cut = 0; cut < len; cut++) {
        assert_false(producer_marks_load((struct bytes){file, cut}, OFFSET, CRC, &after.state));
    }
    for (uint32_t bit = 0; bit < len * 8; bit++) {
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(producer_marks_load((struct bytes){file, len}, OFFSET, CRC, &after.state));
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    const struct bytes whole = {file, len};
    assert_false(producer_marks_load(whole, OFFSET + 1, CRC, &after.state));
    assert_false(producer_marks_load(whole, OFFSET, CRC + 1, &after.state));
    assert_int_equal(marks_of(&after, PRODUCERS), 1);
    assert_true(producer_marks_load(whole, OFFSET, CRC, &after.state));
    free(before.memory);
    free(after.memory);
}

static void a_producer_that_is_not_as_the_snapshot_says_stays_as_it_is(void **state)
{
    (void)state;
    static uint8_t file[4096];
    struct world before;
    struct world after;
    world_make(&before);
    world_make(&after);
    fill(&before);
    const uint32_t len = export_all(&before, file);
    append(&after, 9, 0, 500); /* Another last batch; the others are not known at all. */
    assert_true(producer_marks_load((struct bytes){file, len}, OFFSET, CRC, &after.state));
    assert_int_equal(marks_of(&after, 9), 1);
    assert_int_equal(after.state.count, 1);
    free(before.memory);
    free(after.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_batches_of_all_producers_come_back),
        cmocka_unit_test(producers_with_one_batch_need_no_file),
        cmocka_unit_test(a_damaged_or_foreign_file_changes_nothing),
        cmocka_unit_test(a_producer_that_is_not_as_the_snapshot_says_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
