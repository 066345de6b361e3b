#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static uint32_t unanswered(const struct rig *rig)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig->append_count; i++) {
        count += !rig->appends[i].answered;
    }
    return count;
}

/* Appends count batches of one record, so many of them always on their way. */
static void stream(struct rig *rig, uint32_t count, uint32_t value_bytes, uint32_t in_flight)
{
    for (uint32_t i = 0; i < count; i++) {
        while (unanswered(rig) >= in_flight) {
            assert_true(rig_turn(rig));
        }
        (void)rig_put(rig, value_bytes, APPEND_ACK_WRITTEN);
    }
    rig_settle(rig);
    assert_int_equal(unanswered(rig), 0);
}

/* clang-format off */
static const struct {
    const char *what;
    uint32_t count, value_bytes, in_flight;
    uint32_t written_percent_max; /* Bytes written, zeros included, of 100 bytes of batches. */
    uint32_t writes_percent_max;  /* Writes of 100 batches. */
} streams[] = {
    {"large batches, five on their way",   400, 100000, 5,   105, 60},
    {"large batches, one by one",          100, 100000, 1,   110, 230},
    {"16 KB, forty on their way",          500, 16000,  40,  240, 20},
    {"100 bytes, all at once",             500, 100,    500, 200, 3},
};
/* clang-format on */

static void streams_cost_so_many_writes_and_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
        static struct rig rig;
        struct rig_options options = rig_options(10 + i);
        options.arena_bytes = 32 << 20;
        options.config.segment_bytes = 256 << 20;
        rig_create(&rig, &options);
        stream(&rig, streams[i].count, streams[i].value_bytes, streams[i].in_flight);
        const struct log_counters *counters = log_counters(rig.log);
        const uint64_t bytes = counters->written_bytes + counters->zeroed_bytes;
        print_message("# %s: %llu bytes for 100, %llu writes for 100\n", streams[i].what,
                      (unsigned long long)(100 * bytes / counters->appended_bytes),
                      (unsigned long long)(100 * counters->write_count / streams[i].count));
        assert_true(100 * bytes <= streams[i].written_percent_max * counters->appended_bytes);
        assert_true(100 * counters->write_count <=
                    (uint64_t)streams[i].writes_percent_max * streams[i].count);
        rig_check(&rig);
        rig_destroy(&rig);
    }
}

/* As coordinators write: a few hundred bytes to each of several partitions, again and again, and
 * each time into the block that was flushed before. */
static void small_flushed_appends_of_several_partitions_share_a_flush(void **state)
{
    (void)state;
    enum { ROUNDS = 20, VALUE_BYTES = 100 };
    static struct rig rig;
    struct rig_options options = rig_options(5);
    options.sim.flush_covers_device = true;
    options.partitions = RIG_PARTITIONS;
    rig_create(&rig, &options);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < RIG_PARTITIONS; i++) {
            const struct rig_batch batch = {.partition = i,
                                            .records = 1,
                                            .value_bytes = VALUE_BYTES,
                                            .ack = APPEND_ACK_FLUSHED};
            (void)rig_append(&rig, &batch);
        }
        while (unanswered(&rig) > 0) {
            assert_true(rig_turn(&rig));
        }
    }
    const uint64_t flushes = log_counters(rig.log)->flush_count;
    print_message("# %llu flushes for %u appends\n", (unsigned long long)flushes,
                  ROUNDS * RIG_PARTITIONS);
    assert_in_range(flushes, ROUNDS / 2, ROUNDS); /* Some rounds need none: durable writes. */
    /* But for a file's own, they go by a file that has nothing to write itself. */
    assert_in_range(sim_machine_counters(rig.machine)->flushes_of_written, 0, RIG_PARTITIONS);
    rig_power_cut(&rig);
    assert_true(rig_start(&rig));
    rig_check_after(&rig, true);
    rig_destroy(&rig);
}

static void a_durable_write_does_not_vouch_for_others_before_it(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static struct rig rig;
        struct rig_options options = rig_options(seed);
        options.arena_bytes = 32 << 20;
        options.config.segment_bytes = 64 << 20;
        options.config.max_message_bytes = 8 << 20;
        rig_create(&rig, &options);
        /* More than one commit takes: the second one is small enough for a durable write. */
        const struct rig_append *last =
            rig_put(&rig, (4 << 20) + (uint32_t)seed * 1500, APPEND_ACK_FLUSHED);
        while (!last->answered) {
            assert_true(rig_turn(&rig));
        }
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        rig_check_after(&rig, true);
        rig_stop(&rig);
        rig_destroy(&rig);
    }
}

/* Others took all operations, or the descriptor, just before the turn's writes are planned. */
enum taken { TAKEN_OPERATIONS, TAKEN_DESCRIPTOR };

static void turn_without(struct rig *rig, enum taken taken)
{
    struct log *log = rig->log;
    struct partition *p = rig->partitions[0];
    const uint64_t now_ns = sim_machine_now_ns(rig->machine);
    static void *ios[1024];
    uint32_t count = 0;
    (void)log_done_turn(log, now_ns, rig->wall_ms, 64);
    if (taken == TAKEN_DESCRIPTOR && p->io_count == 0) {
        handle_close(log, p->active->handle);
    }
    while (taken == TAKEN_OPERATIONS && log->io_stock.used < log->io_stock.capacity) {
        struct io *io = stock_take(&log->io_stock);
        io->op = (struct disk_op){0}; /* As whoever takes one. */
        ios[count++] = io;
    }
    (void)log_submit_turn(log, now_ns);
    while (count > 0) {
        stock_give(&log->io_stock, ios[--count]);
    }
    sim_machine_advance(rig->machine, now_ns);
    (void)sim_machine_step(rig->machine);
}

/* Two commits: a small one, and one beside it whose first block waits. With `whole` that one ends
 * with a block, so that nothing is left to be planned. Returns the append of the second. */
static const struct rig_append *two_commits(struct rig *rig, bool whole)
{
    enum { LARGE = 400000, TIMES = 5 };
    const struct partition *p = rig->partitions[0];
    for (uint32_t i = 0; i < TIMES; i++) { /* Until room is reserved ahead. */
        (void)rig_put(rig, LARGE, APPEND_ACK_WRITTEN);
        rig_settle(rig);
    }
    const uint32_t bytes = p->active->size / TIMES;
    (void)rig_put(rig, 100, APPEND_ACK_WRITTEN);
    (void)log_submit_turn(rig->log, sim_machine_now_ns(rig->machine));
    const uint32_t more = whole ? BLOCK - (p->active->size + bytes) % BLOCK : 0;
    const struct rig_append *second = rig_put(rig, LARGE + more, APPEND_ACK_WRITTEN);
    (void)log_submit_turn(rig->log, sim_machine_now_ns(rig->machine));
    assert_int_equal(p->commit_count, 2);
    assert_true(CONTAINER_OF(p->commits.head.prev, struct commit, node)->head_waits);
    assert_int_equal(p->planned_position == p->active->size, whole);
    return second;
}

static void a_first_block_waits_for_the_commit_before_and_for_nothing_else(void **state)
{
    (void)state;
    enum { SEEDS = 20 };
    uint32_t waited[2] = {0};
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        static struct rig rig;
        const enum taken taken = seed < SEEDS ? TAKEN_OPERATIONS : TAKEN_DESCRIPTOR;
        const struct rig_options options = rig_options(seed);
        rig_create(&rig, &options);
        const struct rig_append *second = two_commits(&rig, seed % 2 == 0);
        while (rig.partitions[0]->io_count > 0) {
            turn_without(&rig, taken);
        }
        waited[taken] += rig.partitions[0]->commit_count == 1;
        for (uint32_t turns = 0; turns < 1000 && !second->answered; turns++) {
            assert_true(rig_turn(&rig));
        }
        assert_true(second->answered);
        rig_check(&rig);
        rig_destroy(&rig);
    }
    assert_int_equal(waited[TAKEN_OPERATIONS], SEEDS);
    assert_in_range(waited[TAKEN_DESCRIPTOR], 1, SEEDS); /* Where the first was done last. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_cost_so_many_writes_and_bytes),
        cmocka_unit_test(small_flushed_appends_of_several_partitions_share_a_flush),
        cmocka_unit_test(a_durable_write_does_not_vouch_for_others_before_it),
        cmocka_unit_test(a_first_block_waits_for_the_commit_before_and_for_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
