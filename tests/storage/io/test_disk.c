/* disk.c over a ring that ends requests as the test wants. Real files: test_disk_ring.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "storage/io/disk_ring.h"
#include "tests/storage/io/fake_ring.h"

enum {
    BLOCK = DISK_BLOCK_BYTES,
    OPERATIONS = 4,
};

static uint8_t memory[16 * BLOCK] __attribute__((aligned(4096)));

struct world {
    struct ring ring;
    struct disk *disk;
    struct disk_op op;
};

static void world_open(struct world *world, const struct disk_options *options)
{
    *world = (struct world){0};
    struct disk_options all = *options;
    all.operation_count_max = OPERATIONS;
    all.slot_count = 2;
    world->disk = disk_create(&world->ring, memory, sizeof(memory), &all);
    assert_non_null(world->disk);
    assert_int_equal(disk_add_file(world->disk, 0, false), 0);
    (void)disk_advance(world->disk, 1000);
}

static void world_close(struct world *world)
{
    assert_int_equal(disk_counters(world->disk)->under_way, 0);
    assert_int_equal(disk_room(world->disk), OPERATIONS);
    disk_destroy(world->disk);
}

static void submit(struct world *world, enum disk_op_kind kind, uint32_t blocks)
{
    world->op = (struct disk_op){
        .kind = kind, .offset = 8 * BLOCK, .buffer = memory, .len = blocks * BLOCK};
    disk_submit(world->disk, &world->op);
}

/* Ends the request noted as number `index`. */
static void end(struct world *world, uint32_t index, int32_t result, uint64_t now_ns)
{
    assert_true(index < world->ring.count);
    const struct ring_event event = {.op = world->ring.requests[index].op, .result = result};
    disk_complete(world->disk, &event, now_ns);
}

static void expect_done(struct world *world, int32_t result, uint64_t done_ns)
{
    assert_ptr_equal(disk_done(world->disk), &world->op);
    assert_int_equal(world->op.result, result);
    assert_int_equal(world->op.done_ns, done_ns);
    assert_null(disk_done(world->disk));
}

static void a_short_transfer_goes_on_where_it_stopped(void **state)
{
    (void)state;
    static const enum disk_op_kind kinds[] = {DISK_READ, DISK_WRITE, DISK_WRITE_DURABLE};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct world world;
        world_open(&world, &(struct disk_options){0});
        submit(&world, kinds[i], 4);
        end(&world, 0, BLOCK, 2000);
        assert_null(disk_done(world.disk));
        assert_int_equal(world.ring.count, 2);
        const struct fake_request *rest = &world.ring.requests[1];
        assert_int_equal(rest->kind, world.ring.requests[0].kind);
        assert_ptr_equal(rest->buffer, memory + BLOCK);
        assert_int_equal(rest->offset, 9 * BLOCK);
        assert_int_equal(rest->len, 3 * BLOCK);
        end(&world, 1, 3 * BLOCK, 3000);
        expect_done(&world, 4 * BLOCK, 3000);
        assert_int_equal(disk_counters(world.disk)->continued, 1);
        assert_int_equal(disk_counters(world.disk)->kinds[kinds[i]].bytes, 4 * BLOCK);
        world_close(&world);
    }
}

/* clang-format off */
static const struct {
    const char *what; int32_t first; int32_t second; uint32_t zeros_from;
} ends[] = {
    {"nothing there",              0,           -1, 0},
    {"ends at a block",            BLOCK,        0, BLOCK},
    {"ends inside a block",        BLOCK + 7,   -1, BLOCK + 7},
};
/* clang-format on */

static void a_read_behind_the_end_of_the_file_brings_zeros(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct world world;
        world_open(&world, &(struct disk_options){0});
        memset(memory, 0xaa, 3 * BLOCK);
        submit(&world, DISK_READ, 2);
        end(&world, 0, ends[i].first, 2000);
        if (ends[i].second >= 0) {
            end(&world, 1, ends[i].second, 2000);
        }
        expect_done(&world, 2 * BLOCK, 2000);
        for (uint32_t b = 0; b < 3 * BLOCK; b++) {
            assert_int_equal(memory[b], b >= ends[i].zeros_from && b < 2 * BLOCK ? 0 : 0xaa);
        }
        world_close(&world);
    }
}

static void a_write_that_moves_nothing_is_an_error(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &(struct disk_options){0});
    submit(&world, DISK_WRITE, 2);
    end(&world, 0, 0, 2000);
    expect_done(&world, -EIO, 2000);
    assert_int_equal(disk_counters(world.disk)->kinds[DISK_WRITE].errors, 1);
    world_close(&world);
}

static void eagain_is_tried_again_but_not_forever(void **state)
{
    (void)state;
    static const enum disk_op_kind kinds[] = {DISK_READ, DISK_WRITE, DISK_FLUSH};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct world world;
        world_open(&world, &(struct disk_options){0});
        submit(&world, kinds[i], 1);
        uint32_t tries = 0;
        while (world.ring.count > tries) {
            end(&world, tries, tries % 2 == 0 ? -EAGAIN : -EINTR, 2000);
            tries++;
        }
        assert_int_equal(tries, 17);
        expect_done(&world, -EAGAIN, 2000);
        world_close(&world);
    }
}

static void an_error_is_handed_back_as_it_is(void **state)
{
    (void)state;
    static const int32_t errors[] = {-EIO, -ENOSPC, -EROFS, -EDQUOT};
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        struct world world;
        world_open(&world, &(struct disk_options){0});
        submit(&world, DISK_WRITE, 1);
        end(&world, 0, errors[i], 2000);
        expect_done(&world, errors[i], 2000);
        world_close(&world);
    }
}

/* clang-format off */
static const struct { const char *what; int32_t write; int32_t flush; int32_t want; } pairs[] = {
    {"both fine",       2 * BLOCK, 0,          2 * BLOCK},
    {"flush fails",     2 * BLOCK, -EIO,       -EIO},
    {"write fails",     -ENOSPC,   -ECANCELED, -ENOSPC},
};
/* clang-format on */

static void a_linked_durable_write_is_done_with_its_flush(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct world world;
        world_open(&world, &(struct disk_options){.durable_way = DISK_DURABLE_LINKED});
        submit(&world, DISK_WRITE_DURABLE, 2);
        assert_int_equal(world.ring.count, 2);
        assert_int_equal(world.ring.requests[0].kind, FAKE_WRITE);
        assert_int_equal(world.ring.requests[1].kind, FAKE_FLUSH);
        end(&world, 0, pairs[i].write, 2000);
        assert_null(disk_done(world.disk));
        end(&world, 1, pairs[i].flush, 3000);
        expect_done(&world, pairs[i].want, 3000);
        world_close(&world);
    }
}

static void a_short_linked_write_is_continued_with_a_new_flush(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &(struct disk_options){.durable_way = DISK_DURABLE_LINKED});
    submit(&world, DISK_WRITE_DURABLE, 2);
    end(&world, 0, BLOCK, 2000);
    end(&world, 1, -ECANCELED, 2000);
    assert_null(disk_done(world.disk));
    assert_int_equal(world.ring.count, 4);
    assert_int_equal(world.ring.requests[2].len, BLOCK);
    end(&world, 2, BLOCK, 3000);
    end(&world, 3, 0, 3000);
    expect_done(&world, 2 * BLOCK, 3000);
    world_close(&world);
}

static void flushes_are_not_done_before_the_injected_delay(void **state)
{
    (void)state;
    static const enum disk_op_kind kinds[] = {DISK_FLUSH, DISK_WRITE_DURABLE};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct world world;
        world_open(&world, &(struct disk_options){.flush_delay_us = 5});
        submit(&world, kinds[i], 1); /* At 1000. */
        end(&world, 0, kinds[i] == DISK_FLUSH ? 0 : BLOCK, 2000);
        assert_null(disk_done(world.disk));
        assert_int_equal(disk_next_deadline_ns(world.disk), 6000);
        assert_int_equal(disk_advance(world.disk, 5999), 0);
        assert_int_equal(disk_advance(world.disk, 6000), 1);
        expect_done(&world, kinds[i] == DISK_FLUSH ? 0 : BLOCK, 6000);
        assert_true(disk_next_deadline_ns(world.disk) == UINT64_MAX);
        world_close(&world);
    }
}

static void a_slow_flush_is_not_delayed_further_and_writes_never_are(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &(struct disk_options){.flush_delay_us = 5});
    submit(&world, DISK_FLUSH, 0);
    end(&world, 0, 0, 6000);
    expect_done(&world, 0, 6000);
    submit(&world, DISK_WRITE, 1);
    end(&world, 1, BLOCK, 6001);
    expect_done(&world, BLOCK, 6001);
    world_close(&world);
}

static void delayed_flushes_come_back_in_the_order_of_their_deadlines(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &(struct disk_options){.flush_delay_us = 10});
    struct disk_op ops[3];
    for (uint32_t i = 0; i < 3; i++) {
        (void)disk_advance(world.disk, 1000 + i * 1000);
        ops[i] = (struct disk_op){.kind = DISK_FLUSH};
        disk_submit(world.disk, &ops[i]);
    }
    end(&world, 2, 0, 4000);
    end(&world, 0, 0, 4000);
    end(&world, 1, -EIO, 4000);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(disk_next_deadline_ns(world.disk), 11000 + i * 1000);
        assert_int_equal(disk_advance(world.disk, 11000 + i * 1000), 1);
        assert_ptr_equal(disk_done(world.disk), &ops[i]);
        assert_int_equal(ops[i].result, i == 1 ? -EIO : 0);
    }
    world_close(&world);
}

static void room_and_slots_are_bounded(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &(struct disk_options){0});
    assert_int_equal(disk_add_file(world.disk, 0, false), 1);
    assert_int_equal(disk_add_file(world.disk, 0, false), -ENOSPC);
    disk_remove_file(world.disk, 1);
    assert_int_equal(disk_add_file(world.disk, 0, true), 1);
    assert_false(disk_flush_covers_device(world.disk, 0)); /* As was said of each. */
    assert_true(disk_flush_covers_device(world.disk, 1));
    struct disk_op ops[OPERATIONS];
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        assert_int_equal(disk_room(world.disk), OPERATIONS - i);
        ops[i] = (struct disk_op){.kind = DISK_WRITE, .buffer = memory, .len = BLOCK};
        disk_submit(world.disk, &ops[i]);
    }
    assert_int_equal(disk_room(world.disk), 0);
    for (uint32_t i = OPERATIONS; i-- > 0;) {
        end(&world, i, BLOCK, 2000);
        assert_ptr_equal(disk_done(world.disk), &ops[i]);
    }
    world_close(&world);
}

static void memory_that_cannot_be_registered_is_no_error(void **state)
{
    (void)state;
    struct ring ring = {.add_memory_result = -ENOMEM};
    struct disk *disk = disk_create(&ring, memory, sizeof(memory),
                                    &(struct disk_options){.operation_count_max = 1});
    assert_non_null(disk);
    disk_destroy(disk);
}

static void latencies_are_counted_from_submit_to_done(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &(struct disk_options){0});
    submit(&world, DISK_WRITE, 1);
    end(&world, 0, BLOCK, 1100);
    assert_non_null(disk_done(world.disk));
    const struct disk_kind_counters *counters = &disk_counters(world.disk)->kinds[DISK_WRITE];
    assert_int_equal(counters->operations, 1);
    assert_int_equal(counters->latency_ns.count, 1);
    assert_int_equal(counters->latency_ns.max, 100);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_transfer_goes_on_where_it_stopped),
        cmocka_unit_test(a_read_behind_the_end_of_the_file_brings_zeros),
        cmocka_unit_test(a_write_that_moves_nothing_is_an_error),
        cmocka_unit_test(eagain_is_tried_again_but_not_forever),
        cmocka_unit_test(an_error_is_handed_back_as_it_is),
        cmocka_unit_test(a_linked_durable_write_is_done_with_its_flush),
        cmocka_unit_test(a_short_linked_write_is_continued_with_a_new_flush),
        cmocka_unit_test(flushes_are_not_done_before_the_injected_delay),
        cmocka_unit_test(a_slow_flush_is_not_delayed_further_and_writes_never_are),
        cmocka_unit_test(delayed_flushes_come_back_in_the_order_of_their_deadlines),
        cmocka_unit_test(room_and_slots_are_bounded),
        cmocka_unit_test(memory_that_cannot_be_registered_is_no_error),
        cmocka_unit_test(latencies_are_counted_from_submit_to_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
