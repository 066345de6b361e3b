/* Crashes at every I/O boundary of small runs: what was acknowledged is there, once, in order, and
 * idempotent producers that send the rest again lose nothing and double nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

#ifdef __SANITIZE_ADDRESS__
enum { SEEDS = 1, STRIDE = 3 }; /* Ten times slower: a sample. */
#else
enum { SEEDS = 2, STRIDE = 1 };
#endif
enum { PRODUCERS = 2 };

struct story {
    const char *name;
    uint32_t appends;
    uint32_t value_bytes_max;
    uint32_t segment_bytes;
    uint32_t ack_flushed_percent;
    uint32_t partitions;
    bool covers_device;
    bool idle;     /* Long enough for a seal in the middle. */
    bool turns;    /* Several batches per turn. */
    bool restarts; /* A clean stop in the middle. */
    bool codecs;   /* Any, where the topic wants none: they are made anew. */
};

/* clang-format off */
static const struct story stories[] = {
    {"small durable batches",        14,   300, 1 << 20, 100, 1, false, false, true,  false, false},
    {"small batches of both kinds",  14,   300, 1 << 20,  50, 1, true,  false, true,  false, false},
    {"blocks and parts of blocks",   10, 12000, 1 << 20, 100, 1, false, false, false, false, false},
    {"rolls",                        10,  9000,   32768, 100, 1, false, false, true,  false, false},
    {"rolls with acks=1",            10,  9000,   32768,  30, 1, true,  false, true,  false, false},
    {"rolls into prepared files",    18,  9000,   32768, 100, 1, false, false, false, false, false},
    {"two partitions",               12,  5000, 1 << 20, 100, 2, true,  false, true,  false, false},
    {"sealed when idle, then more",   6,  2000, 1 << 20, 100, 1, false, true,  false, false, false},
    {"stopped and started again",     6,  6000,   32768, 100, 1, false, false, false, true,  false},
    {"made anew without a codec",     8,  9000,   32768, 100, 1, true,  false, true,  false, true},
};
/* clang-format on */

struct run {
    struct rig rig;
    struct random random;
    int32_t sequence[RIG_PARTITIONS][PRODUCERS];
    bool died;
};

static struct rig_options options_of(const struct story *story, uint64_t seed)
{
    struct rig_options options = rig_options(seed);
    options.config.segment_bytes = story->segment_bytes;
    options.partitions = story->partitions;
    options.sim.flush_covers_device = story->covers_device;
    options.sim.garbage = seed % 2 == 1;
    if (seed % 2 == 0) {
        options.sim.pause = (struct sim_range){100000, 20000000};
    }
    options.arena_bytes = 2 << 20;
    if (story->codecs) {
        options.config.compression = BATCH_CODEC_NONE;
    }
    return options;
}

static void append_one(struct run *run, const struct story *story)
{
    const uint32_t partition = (uint32_t)random_below(&run->random, story->partitions);
    const uint32_t producer = (uint32_t)random_below(&run->random, PRODUCERS);
    int32_t *sequence = &run->sequence[partition][producer];
    const struct rig_batch batch = {
        .partition = partition,
        .records = 1 + (uint32_t)random_below(&run->random, 3),
        .value_bytes = 12 + (uint32_t)random_below(&run->random, story->value_bytes_max),
        .ack = random_below(&run->random, 100) < story->ack_flushed_percent ? APPEND_ACK_FLUSHED
                                                                            : APPEND_ACK_WRITTEN,
        .producer_id = 1000 + producer,
        .sequence = *sequence,
        .codec = story->codecs ? (enum batch_codec)random_below(&run->random, BATCH_CODECS)
                               : BATCH_CODEC_NONE};
    *sequence += (int32_t)batch.records;
    (void)rig_append(&run->rig, &batch);
}

static bool answered_all(const struct rig *rig)
{
    for (uint32_t i = 0; i < rig->append_count; i++) {
        if (rig->appends[i].lent) {
            return false;
        }
    }
    return true;
}

/* At most five of a producer may be in flight: wait when there are more. */
static bool turn_until_answered(struct run *run)
{
    while (!answered_all(&run->rig)) {
        if (!rig_turn(&run->rig)) {
            return false;
        }
    }
    return true;
}

static bool tell(struct run *run, const struct story *story)
{
    struct rig *rig = &run->rig;
    for (uint32_t i = 0; i < story->appends; i++) {
        append_one(run, story);
        if (!sim_process_alive(rig->process)) {
            return false;
        }
        if (!story->turns || i % 4 == 3) {
            if (!turn_until_answered(run)) {
                return false;
            }
        }
        if (story->idle && i == story->appends / 2) {
            rig_run_ms(rig, 12000);
            if (!sim_process_alive(rig->process)) {
                return false;
            }
        }
        if (story->restarts && i == story->appends / 2) {
            struct log_operation operation = {0};
            assert_int_equal(log_finish(rig->log, &operation), LOG_PENDING);
            while (operation.status == LOG_PENDING) {
                if (!rig_turn(rig)) {
                    return false;
                }
                (void)log_operation_done(rig->log);
            }
            rig_kill(rig);
            if (!rig_start(rig)) {
                return false;
            }
        }
    }
    return turn_until_answered(run);
}

/* What an idempotent client does after a lost connection: everything without an answer again, in
 * order. Acknowledged or not, afterwards each batch is there once. */
static void send_again(struct run *run)
{
    struct rig *rig = &run->rig;
    const uint32_t count = rig->append_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct rig_append *lost = &rig->appends[i];
        if (lost->answered && lost->append.status == LOG_OK) {
            continue;
        }
        const struct rig_append *again = rig_repeat(rig, lost, APPEND_ACK_FLUSHED);
        assert_true(turn_until_answered(run));
        if (again->append.status != LOG_OK) {
            (void)fprintf(stderr, "batch %ld again: status %d\n", (long)lost->number,
                          again->append.status);
        }
        assert_int_equal(again->append.status, LOG_OK);
    }
}

/* A repeat of what was acknowledged last is recognised. */
static void repeat_acknowledged(struct run *run, bool flushed_only)
{
    struct rig *rig = &run->rig;
    const struct rig_append *last[RIG_PARTITIONS] = {0};
    for (uint32_t i = 0; i < rig->append_count; i++) {
        const struct rig_append *a = &rig->appends[i];
        if (a->answered && a->append.status == LOG_OK) {
            if (last[a->partition] == NULL ||
                a->append.base_offset > last[a->partition]->append.base_offset) {
                last[a->partition] = a;
            }
        }
    }
    for (uint32_t p = 0; p < rig->options.partitions; p++) {
        if (last[p] == NULL || (flushed_only && last[p]->append.ack == APPEND_ACK_WRITTEN)) {
            continue;
        }
        const struct rig_append *again = rig_repeat(rig, last[p], APPEND_ACK_FLUSHED);
        assert_true(turn_until_answered(run));
        assert_int_equal(again->append.status, LOG_OK);
        assert_int_equal(again->append.base_offset, last[p]->append.base_offset);
    }
}

static void survive(struct run *run, enum sim_crash crash)
{
    struct rig *rig = &run->rig;
    const bool power = crash == SIM_CRASH_POWER;
    for (uint32_t i = 0; i < 3; i++) { /* It dies again on the way up, at different places. */
        sim_machine_crash_at(
            rig->machine, sim_machine_boundary_count(rig->machine) + random_below(&run->random, 12),
            crash);
        if (rig_start(rig)) {
            rig_settle(rig);
        }
        rig_kill(rig);
    }
    sim_machine_crash_at(rig->machine, UINT64_MAX, crash);
    assert_true(rig_start(rig));
    rig_check_after(rig, power);
    repeat_acknowledged(run, power);
}

/* Runs the story with a crash before boundary `at`. Returns false when it ended before. */
static bool crash_at(const struct story *story, uint64_t seed, uint64_t at, enum sim_crash crash)
{
    static struct run run;
    memset(&run, 0, sizeof(run));
    random_init(&run.random, seed);
    const struct rig_options options = options_of(story, seed);
    rig_create(&run.rig, &options);
    const uint64_t first = sim_machine_boundary_count(run.rig.machine);
    sim_machine_crash_at(run.rig.machine, first + at, crash);
    const bool finished = tell(&run, story);
    sim_machine_crash_at(run.rig.machine, UINT64_MAX, crash);
    const bool power = crash == SIM_CRASH_POWER;
    if (!finished) {
        if (getenv("CRASH_TRACE") != NULL) {
            (void)fprintf(stderr, "%s seed %lu at %lu\n", story->name, (unsigned long)seed,
                          (unsigned long)at);
        }
        rig_kill(&run.rig);
        survive(&run, crash);
    }
    bool lost_acks = false; /* acks=1 may be gone after a power cut: sequences do not fit then. */
    for (uint32_t i = 0; power && i < run.rig.append_count; i++) {
        lost_acks = lost_acks || run.rig.appends[i].append.ack == APPEND_ACK_WRITTEN;
    }
    if (!lost_acks) {
        send_again(&run);
        rig_check(&run.rig);
    }
    rig_destroy(&run.rig);
    return !finished;
}

static void crash_everywhere(enum sim_crash crash)
{
    for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            uint64_t at = 0;
            while (crash_at(&stories[i], seed, at, crash)) {
                at += STRIDE;
            }
            print_message("# %s, seed %lu: %lu crashes\n", stories[i].name, (unsigned long)seed,
                          (unsigned long)at);
            assert_true(at > 10);
        }
    }
}

static void a_kill_at_any_boundary_loses_nothing_acknowledged(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_KILL);
}

static void a_power_cut_at_any_boundary_loses_nothing_flushed(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_POWER);
}

/* What a start found, the next power cut must leave: names that the killed process had made and
 * not yet made durable. */
static void cut_the_power_after_a_start(struct run *run)
{
    struct rig *rig = &run->rig;
    assert_true(rig_start(rig));
    for (uint32_t p = 0; p < rig->options.partitions; p++) {
        const struct rig_batch batch = {
            .partition = p, .records = 1, .value_bytes = 100, .ack = APPEND_ACK_FLUSHED};
        assert_int_equal(rig_append_wait(rig, &batch)->append.status, LOG_OK);
    }
    rig_power_cut(rig);
    assert_true(rig_start(rig));
    rig_check_after(rig, true);
    rig_destroy(rig);
}

static bool kill_then_cut(const struct story *story, uint64_t seed, uint64_t at)
{
    static struct run run;
    memset(&run, 0, sizeof(run));
    random_init(&run.random, seed);
    const struct rig_options options = options_of(story, seed + at);
    rig_create(&run.rig, &options);
    const uint64_t first = sim_machine_boundary_count(run.rig.machine);
    sim_machine_crash_at(run.rig.machine, first + at, SIM_CRASH_KILL);
    const bool finished = tell(&run, story);
    sim_machine_crash_at(run.rig.machine, UINT64_MAX, SIM_CRASH_KILL);
    rig_kill(&run.rig);
    cut_the_power_after_a_start(&run);
    return !finished;
}

static void a_power_cut_after_a_kill_loses_nothing_flushed(void **state)
{
    (void)state;
    const struct story story = {"rolls", 6, 9000, 32768, 100, 1, false, false, true, false, false};
    uint64_t at = 0;
    while (kill_then_cut(&story, 1, at)) {
        at++;
    }
    assert_true(at > 10);
}

/* The process dies while it makes a second partition; the next one finds it. */
static bool die_creating(uint64_t seed, uint64_t at)
{
    static struct run run;
    memset(&run, 0, sizeof(run));
    const struct rig_options options = options_of(&stories[0], seed);
    rig_create(&run.rig, &options);
    rig_kill(&run.rig);
    run.rig.options.partitions = 2;
    const uint64_t first = sim_machine_boundary_count(run.rig.machine);
    sim_machine_crash_at(run.rig.machine, first + at, SIM_CRASH_KILL);
    const bool died = !rig_start(&run.rig);
    sim_machine_crash_at(run.rig.machine, UINT64_MAX, SIM_CRASH_KILL);
    rig_kill(&run.rig);
    cut_the_power_after_a_start(&run);
    return died;
}

static void a_partition_that_a_start_found_survives_a_power_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t at = 0;
        while (die_creating(seed, at)) {
            at++;
        }
        assert_true(at > 3);
    }
}

/* H4: a batch behind the cut comes alive again as soon as one of the same size ends where it
 * begins; whole blocks, so that nothing but the cut removes it. */
static void damage_cut_and_append(uint32_t damaged)
{
    enum { VALUE_BYTES = 8121, BATCH_BYTES = 8192 };
    static struct rig rig;
    const struct rig_options options = rig_options(7);
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 4; i++) {
        const struct rig_batch batch = {
            .records = 1, .value_bytes = VALUE_BYTES, .ack = APPEND_ACK_FLUSHED};
        assert_int_equal(rig_append_wait(&rig, &batch)->piece.len, BATCH_BYTES);
    }
    rig_kill(&rig);
    const int flipped = sim_machine_flip_bit(
        rig.machine, "/data0/orders-0/00000000000000000000.log", damaged * BATCH_BYTES + 500, 3);
    assert_int_equal(flipped, 0);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), damaged);
    const struct rig_batch batch = {
        .records = 1, .value_bytes = VALUE_BYTES, .ack = APPEND_ACK_WRITTEN};
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), damaged + 1);
    rig_kill(&rig);
    rig_destroy(&rig);
}

static void what_lay_behind_a_cut_does_not_come_back(void **state)
{
    (void)state;
    damage_cut_and_append(1);
}

/* Nothing whole is behind the mark, so that nothing is written again before the append: the start's
 * own cut is the only one. */
static void what_lay_behind_a_cut_at_the_mark_does_not_come_back(void **state)
{
    (void)state;
    damage_cut_and_append(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_at_any_boundary_loses_nothing_acknowledged),
        cmocka_unit_test(a_power_cut_at_any_boundary_loses_nothing_flushed),
        cmocka_unit_test(a_power_cut_after_a_kill_loses_nothing_flushed),
        cmocka_unit_test(a_partition_that_a_start_found_survives_a_power_cut),
        cmocka_unit_test(what_lay_behind_a_cut_does_not_come_back),
        cmocka_unit_test(what_lay_behind_a_cut_at_the_mark_does_not_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
