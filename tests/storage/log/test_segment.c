#include <errno.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

enum { BASES = 4, KIB = 1 << 10 };

static const int64_t bases[BASES] = {10, 20, 25, 1000};

/* A partition of which only the segments are real. */
struct world {
    struct log log;
    struct partition partition;
    struct segment segments[BASES];
};

static struct world world;

static void world_make(void)
{
    world = (struct world){0};
    world.partition.log = &world.log;
    world.partition.end = 1100;
    list_init(&world.partition.segments);
    for (uint32_t i = 0; i < BASES; i++) {
        world.segments[i].partition = &world.partition;
        world.segments[i].base_offset = bases[i];
        list_push_back(&world.partition.segments, &world.segments[i].node);
    }
    world.partition.active = &world.segments[BASES - 1];
}

static void an_offset_is_found_in_the_segment_that_begins_at_or_before_it(void **state)
{
    (void)state;
    world_make();
    for (int64_t offset = 0; offset < 1200; offset++) {
        uint32_t want = 0; /* Before all of them: the first. */
        for (uint32_t i = 0; i < BASES; i++) {
            want = bases[i] <= offset ? i : want;
        }
        assert_ptr_equal(segment_find(&world.partition, offset), &world.segments[want]);
    }
    list_init(&world.partition.segments);
    assert_null(segment_find(&world.partition, 5));
}

static void a_segment_ends_where_the_next_begins(void **state)
{
    (void)state;
    world_make();
    for (uint32_t i = 0; i + 1 < BASES; i++) {
        assert_ptr_equal(segment_next(&world.segments[i]), &world.segments[i + 1]);
        assert_int_equal(segment_end(&world.segments[i]), bases[i + 1]);
    }
    assert_null(segment_next(&world.segments[BASES - 1]));
    assert_int_equal(segment_end(&world.segments[BASES - 1]), 1100);
}

/* One condition at a time against a segment that a batch of 100 bytes still fits in. */
static void a_segment_is_rolled_when_kafka_would(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t size;
        int64_t end;
        int64_t first_ms, batch_ms, wall_ms, created_ms;
        uint32_t index_count, time_count;
        bool log_append_time;
        bool roll;
    } cases[] = {
        {"it fits", 900, 1100, 0, 0, 0, 0, 0, 0, false, false},
        {"to the last byte", 999900, 1100, 0, 0, 0, 0, 0, 0, false, false},
        {"one byte too many", 999901, 1100, 0, 0, 0, 0, 0, 0, false, true},
        {"the last offset that has a place", 900, 1000 + (int64_t)INT32_MAX - 9, 0, 0, 0, 0, 0, 0,
         false, false},
        {"an offset too far", 900, 1000 + (int64_t)INT32_MAX - 8, 0, 0, 0, 0, 0, 0, false, true},
        {"room for one more entry", 900, 1100, 0, 0, 0, 0, 99, 0, false, false},
        {"a full index", 900, 1100, 0, 0, 0, 0, 100, 0, false, true},
        {"room for one and the closing time", 900, 1100, 0, 0, 0, 0, 0, 64, false, false},
        {"a full time index", 900, 1100, 0, 0, 0, 0, 0, 65, false, true},
        {"as old as it may be", 900, 1100, 5000, 15000, 99999, 0, 0, 0, false, false},
        {"too old by the batch's time", 900, 1100, 5000, 15001, 0, 0, 0, 0, false, true},
        {"young by the clock", 900, 1100, 5000, 99999, 15000, 0, 0, 0, true, false},
        {"too old by the clock", 900, 1100, 5000, 0, 15001, 0, 0, 0, true, true},
        {"without times since it was made", 900, 1100, -1, 0, 15001, 5000, 0, 0, false, true},
        {"without times, young", 900, 1100, -1, 99999, 15000, 5000, 0, 0, false, false},
        {"a time before all others", 900, 1100, 5000, -1, 0, 0, 0, 0, false, false},
        {"times that wrap", 900, 1100, 5000, INT64_MIN, 0, 0, 0, 0, false, true},
        {"an empty one, never", 0, INT64_MAX / 2, 0, INT64_MAX, INT64_MAX, 0, 500, 500, false,
         false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        world_make();
        struct partition *p = &world.partition;
        const struct batch_header header = {
            .size_bytes = 100, .last_offset_delta = 9, .max_timestamp_ms = cases[i].batch_ms};
        p->config.segment_bytes = 1000000;
        p->config.segment_index_bytes = 800;
        p->config.segment_ms = 10000;
        p->rules.log_append_time = cases[i].log_append_time;
        p->end = cases[i].end;
        p->index_count = cases[i].index_count;
        p->time_count = cases[i].time_count;
        p->active->size = cases[i].size;
        p->active->first_timestamp_ms = cases[i].first_ms;
        p->active->created_wall_ms = cases[i].created_ms;
        world.log.wall_ms = cases[i].wall_ms;
        if (segment_must_roll(p, &header) != cases[i].roll) {
            fail_msg("%s", cases[i].name);
        }
    }
}

static void jitter_rolls_earlier_and_never_by_more_than_it_says(void **state)
{
    (void)state;
    uint32_t early = 0;
    for (uint32_t partition = 0; partition < 200; partition++) {
        world_make();
        struct partition *p = &world.partition;
        p->id.index = partition;
        p->config.segment_bytes = 1000000;
        p->config.segment_index_bytes = 800;
        p->config.segment_ms = 10000;
        p->config.segment_jitter_ms = 4000;
        p->active->size = 100;
        struct batch_header header = {.size_bytes = 100, .max_timestamp_ms = 6000};
        assert_false(segment_must_roll(p, &header));
        header.max_timestamp_ms = 8000;
        early += segment_must_roll(p, &header);
        header.max_timestamp_ms = 10001;
        assert_true(segment_must_roll(p, &header));
    }
    assert_in_range(early, 60, 140); /* Half of them. */
}

/* ---- Reserving, on a machine ---------------------------------------------------------------- */

static struct rig rig;

static void H8_what_is_reserved_grows_with_demand(void **state)
{
    (void)state;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    assert_null(rig.partitions[0]->active); /* An idle partition holds nothing. */
    uint32_t reserved = 0;
    for (uint32_t i = 0; i < 60; i++) {
        const struct rig_batch batch = {.records = 1, .value_bytes = 100 * KIB};
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
        const struct segment *s = rig.partitions[0]->active;
        assert_true(s->reserved >= s->size);
        assert_true(s->reserved >= reserved);
        assert_true(s->reserved <= 4 * s->size + 4 * RESERVE_FIRST);
        assert_int_equal(s->reserved % BLOCK, 0);
        reserved = s->reserved;
    }
    assert_true(reserved >=
                rig.partitions[0]->active->size + MIB); /* Ahead by more than at first. */
    rig_check(&rig);
    rig_destroy(&rig);
}

static void no_more_than_a_segment_is_reserved(void **state)
{
    (void)state;
    struct rig_options options = rig_options(2);
    options.config.segment_bytes = 1 << 20;
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 30; i++) {
        const struct rig_batch batch = {.records = 1, .value_bytes = 100 * KIB};
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
        assert_true(rig.partitions[0]->active->reserved <= 1 << 20);
    }
    assert_true(rig.partitions[0]->segment_count > 1);
    rig_check(&rig);
    rig_destroy(&rig);
}

/* Less than wanted is taken where the device has no more; then appends fail, and heal. */
static void a_full_device_refuses_only_what_does_not_fit(void **state)
{
    (void)state;
    const struct rig_options options = rig_options(3);
    rig_create(&rig, &options);
    sim_device_set_capacity(rig.machine, 0, 3 << 20, ENOSPC);
    enum log_status status = LOG_OK;
    uint32_t taken = 0;
    for (; taken < 100 && status == LOG_OK; taken++) {
        const struct rig_batch batch = {.records = 1, .value_bytes = 100 * KIB};
        status = rig_append_wait(&rig, &batch)->append.status;
    }
    assert_int_equal(status, LOG_NO_SPACE);
    assert_in_range(taken, 20, 31);
    sim_device_set_capacity(rig.machine, 0, 64 << 20, ENOSPC);
    rig_run_ms(&rig, 3000);
    const struct rig_batch batch = {.records = 1, .value_bytes = 100 * KIB};
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    rig_settle(&rig);
    rig_check(&rig);
    rig_destroy(&rig);
}

/* A reader that cannot have an old segment is told so, and appends go on. */
static void a_segment_that_cannot_be_opened_stops_no_append(void **state)
{
    (void)state;
    struct rig_options options = rig_options(1);
    options.config.segment_bytes = 32768;
    rig_create(&rig, &options);
    const struct rig_batch batch = {.records = 1, .value_bytes = 5000, .ack = APPEND_ACK_WRITTEN};
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    }
    rig_run_ms(&rig, 12000); /* Idle: nothing of it is open. */
    assert_int_equal(rig.log->handle_pool.used, 0);
    assert_true(rig.partitions[0]->segment_count > 1);
    const struct sim_fault fault = {
        .operation = SIM_OPEN, .error = EIO, .path = "00000000000000000000.log"};
    sim_machine_add_fault(rig.machine, &fault);
    uint32_t len;
    enum log_status status;
    free(rig_read(&rig, 0, 0, 1, 1, &len, &status));
    assert_int_equal(status, LOG_IO_ERROR);
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    sim_machine_clear_faults(rig.machine);
    rig_check(&rig);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offset_is_found_in_the_segment_that_begins_at_or_before_it),
        cmocka_unit_test(a_segment_ends_where_the_next_begins),
        cmocka_unit_test(a_segment_is_rolled_when_kafka_would),
        cmocka_unit_test(jitter_rolls_earlier_and_never_by_more_than_it_says),
        cmocka_unit_test(H8_what_is_reserved_grows_with_demand),
        cmocka_unit_test(no_more_than_a_segment_is_reserved),
        cmocka_unit_test(a_full_device_refuses_only_what_does_not_fit),
        cmocka_unit_test(a_segment_that_cannot_be_opened_stops_no_append),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
