/* Failed writes and flushes (H4, H5): what was acknowledged stays, what failed is answered with an
 * error and taken back, producers included; nothing old comes alive again; it heals. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

struct run {
    struct rig rig;
    struct random random;
    int32_t sequence[RIG_PARTITIONS];
    uint32_t failed;
};

enum { ANSWERED_SECONDS_MAX = 600 };

/* Whatever fails, an answer comes. */
static bool turn_until_answered(struct run *run)
{
    const uint64_t until_ns = sim_machine_now_ns(run->rig.machine) + ANSWERED_SECONDS_MAX * SEC_NS;
    for (uint32_t i = 0; i < run->rig.append_count; i++) {
        while (run->rig.appends[i].lent) {
            assert_true(sim_machine_now_ns(run->rig.machine) < until_ns);
            if (!rig_turn(&run->rig)) {
                return false;
            }
        }
    }
    return true;
}

static struct rig_append *append_one(struct run *run, uint32_t partition, uint32_t value_bytes,
                                     enum append_ack ack)
{
    const struct rig_batch batch = {.partition = partition,
                                    .records = 1,
                                    .value_bytes = value_bytes,
                                    .ack = ack,
                                    .producer_id = 77,
                                    .sequence = run->sequence[partition]++};
    return rig_append(&run->rig, &batch);
}

/* As an idempotent client: each batch again, in order, until it is there. */
static void send_until_there(struct run *run)
{
    struct rig *rig = &run->rig;
    const uint32_t count = rig->append_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct rig_append *first = &rig->appends[i];
        if (first->answered && first->append.status == LOG_OK) {
            continue;
        }
        run->failed++;
        bool there = false;
        for (uint32_t j = i + 1; j < rig->append_count && !there; j++) {
            const struct rig_append *later = &rig->appends[j];
            there = later->number == first->number && later->partition == first->partition &&
                    later->append.status == LOG_OK;
        }
        for (uint32_t tries = 0; !there; tries++) {
            assert_true(tries < 200);
            const struct rig_append *again = rig_repeat(rig, first, APPEND_ACK_FLUSHED);
            assert_true(turn_until_answered(run));
            there = again->append.status == LOG_OK;
            if (!there) {
                if (again->append.status != LOG_IO_ERROR && again->append.status != LOG_NO_SPACE &&
                    again->append.status != LOG_READ_ONLY) {
                    (void)fprintf(stderr, "batch %ld: status %d\n", (long)first->number,
                                  again->append.status);
                }
                assert_true(again->append.status == LOG_IO_ERROR ||
                            again->append.status == LOG_NO_SPACE ||
                            again->append.status == LOG_READ_ONLY);
                rig_run_ms(rig, 500);
            }
        }
    }
}

struct fault_case {
    const char *name;
    enum sim_operation operation;
    int error;
    uint32_t count;
    uint32_t ack_flushed_percent;
    uint32_t segment_bytes;
    bool covers_device;
    uint32_t value_bytes_max;
    bool idle; /* Sealed and taken up again in the middle. */
};

/* clang-format off */
static const struct fault_case fault_cases[] = {
    {"write EIO, all durable",      SIM_WRITE,   EIO,    1, 100, 1 << 20, false, 6000, false},
    {"write EIO, mixed",            SIM_WRITE,   EIO,    1,  50, 1 << 20, true, 6000, false},
    {"writes EIO for a while",      SIM_WRITE,   EIO,    6,  50, 1 << 20, false, 6000, false},
    {"write ENOSPC",                SIM_WRITE,   ENOSPC, 1,  50, 1 << 20, false, 6000, false},
    {"flush EIO, all durable",      SIM_FLUSH,   EIO,    1, 100, 1 << 20, false, 90000, false},
    {"flush EIO, mixed",            SIM_FLUSH,   EIO,    1,  50, 1 << 20, false, 6000, false},
    {"flush EIO, whole device",     SIM_FLUSH,   EIO,    1,  50, 1 << 20, true, 6000, false},
    {"flush EIO for a while",       SIM_FLUSH,   EIO,    4, 100, 1 << 20, true, 90000, false},
    {"write EIO among rolls",       SIM_WRITE,   EIO,    1,  70,   32768, false, 6000, false},
    {"flush EIO among rolls",       SIM_FLUSH,   EIO,    1,  70,   32768, false, 6000, false},
    {"flush EIO among acks=1 rolls",SIM_FLUSH,   EIO,    1,   0,   32768, false, 6000, false},
    {"reserve ENOSPC",              SIM_RESERVE, ENOSPC, 3,  50,   32768, false, 6000, false},
    {"rename EIO among rolls",      SIM_RENAME,  EIO,    1,  70,   32768, false, 6000, false},
    {"directory EIO among rolls",   SIM_SYNC_DIRECTORY, EIO, 1, 70, 32768, false, 6000, false},
    {"create EROFS among rolls",    SIM_CREATE,  EROFS,  2,  70,   32768, false, 6000, false},
    {"read EIO",                    SIM_READ,    EIO,    1,  70,   32768, false, 6000, true},
    {"truncate EIO",                SIM_TRUNCATE, EIO,   2,  70,   32768, false, 6000, true},
    {"zero EIO",                    SIM_ANY,     EIO,    1, 100, 1 << 20, true,  300, false},
    {"anything EIO",                SIM_ANY,     EIO,    2,  70,   32768, true,  6000, true},
};
/* clang-format on */

static void story(struct run *run, const struct fault_case *c)
{
    for (uint32_t i = 0; i < 24; i++) {
        const uint32_t bytes = 12 + (uint32_t)random_below(&run->random, c->value_bytes_max);
        (void)append_one(run, i % 2, bytes,
                         random_below(&run->random, 100) < c->ack_flushed_percent
                             ? APPEND_ACK_FLUSHED
                             : APPEND_ACK_WRITTEN);
        if (c->idle && i == 12) {
            rig_run_ms(&run->rig, 12000);
        }
        if (i % 3 == 2) { /* As a client: no more than a few in flight, no gaps. */
            assert_true(turn_until_answered(run));
            send_until_there(run);
        }
    }
    assert_true(turn_until_answered(run));
}

/* One fault at the skip-th operation of its kind. Returns false when it was never reached. */
static bool fault_at(const struct fault_case *c, uint64_t seed, uint32_t skip)
{
    if (getenv("CRASH_TRACE") != NULL) {
        (void)fprintf(stderr, "%s seed %lu skip %u\n", c->name, (unsigned long)seed, skip);
    }
    static struct run run;
    memset(&run, 0, sizeof(run));
    random_init(&run.random, seed);
    struct rig_options options = rig_options(seed);
    options.partitions = 2;
    options.config.segment_bytes = c->segment_bytes;
    options.sim.flush_covers_device = c->covers_device;
    options.arena_bytes = 2 << 20;
    rig_create(&run.rig, &options);
    for (uint32_t i = 0; i < options.partitions; i++) { /* A producer unknown may begin anywhere. */
        (void)append_one(&run, i, 20, APPEND_ACK_FLUSHED);
    }
    assert_true(turn_until_answered(&run));
    const uint64_t before = sim_machine_counters(run.rig.machine)->failed_operations;
    const struct sim_fault fault = {.operation = c->operation,
                                    .error = c->error,
                                    .skip = skip,
                                    .count = c->count,
                                    .path = "orders-0"};
    sim_machine_add_fault(run.rig.machine, &fault);
    story(&run, c);
    const bool reached = sim_machine_counters(run.rig.machine)->failed_operations > before;
    sim_machine_clear_faults(run.rig.machine);
    send_until_there(&run);
    rig_check(&run.rig);
    for (uint32_t i = 0; partition_state(run.rig.partitions[0]) != LOG_OK; i++) {
        assert_true(i < 20); /* Nothing fails any more: it heals by itself. */
        rig_run_ms(&run.rig, 500);
    }
    rig_settle(&run.rig);
    if (skip % 2 == 0) { /* And all of it is really there. */
        const bool all_flushed = c->ack_flushed_percent == 100;
        if (all_flushed) {
            rig_power_cut(&run.rig);
        } else {
            rig_kill(&run.rig);
        }
        assert_true(rig_start(&run.rig));
        rig_check_after(&run.rig, all_flushed);
        rig_check(&run.rig);
    }
    rig_destroy(&run.rig);
    return reached;
}

static void one_failed_operation_loses_and_doubles_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fault_cases); i++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            uint32_t skip = 0;
            while (fault_at(&fault_cases[i], seed, skip)) {
                skip++;
            }
            print_message("# %s, seed %lu: %u places\n", fault_cases[i].name, (unsigned long)seed,
                          skip);
            assert_true(skip > 0);
        }
    }
}

/* An offset that a consumer may have read stays that record's, whatever becomes of the answer. */
static void what_could_be_read_stays_when_its_flush_fails(void **state)
{
    (void)state;
    static struct run run;
    memset(&run, 0, sizeof(run));
    const struct rig_options options = rig_options(1);
    rig_create(&run.rig, &options);
    const struct sim_fault fault = {.operation = SIM_FLUSH, .error = EIO, .count = 1};
    sim_machine_add_fault(run.rig.machine, &fault);
    const struct rig_append *first = append_one(&run, 0, 90000, APPEND_ACK_FLUSHED);
    int64_t seen = 0;
    while (first->lent) {
        assert_true(rig_turn(&run.rig));
        const int64_t now = partition_high_watermark(run.rig.partitions[0]);
        assert_true(now >= seen);
        seen = now;
    }
    assert_int_equal(first->append.status, LOG_IO_ERROR);
    assert_int_equal(seen, 1);
    rig_run_ms(&run.rig, 3000);
    const struct rig_append *again = rig_repeat(&run.rig, first, APPEND_ACK_FLUSHED);
    const struct rig_append *next = append_one(&run, 0, 100, APPEND_ACK_FLUSHED);
    assert_true(turn_until_answered(&run));
    assert_int_equal(again->append.status, LOG_OK);
    assert_int_equal(again->append.base_offset, 0);
    assert_int_equal(next->append.base_offset, 1);
    rig_destroy(&run.rig);
}

/* Lent to the network, the end of the log is not zeroed under it but let go: what was copied behind
 * it goes as well. */
static void what_fails_behind_lent_bytes_is_taken_back(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    const struct rig_batch large = {.records = 1, .value_bytes = 90000, .ack = APPEND_ACK_WRITTEN};
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 3; i++) {
        (void)rig_put(&rig, 1000, APPEND_ACK_WRITTEN);
    }
    rig_settle(&rig);
    struct log_read read = {.upper_offset = INT64_MAX, .bytes_max = 1 << 20};
    assert_int_equal(log_read(rig.log, rig.partitions[0], &read), LOG_OK);
    assert_true(read.extent_count > 0);
    sim_machine_add_fault(
        rig.machine,
        &(struct sim_fault){.operation = SIM_WRITE, .error = EIO, .count = 1, .path = "orders-0"});
    assert_int_equal(rig_append_wait(&rig, &large)->append.status, LOG_IO_ERROR);
    rig_run_ms(&rig, 3000);
    assert_int_equal(rig_append_wait(&rig, &large)->append.status, LOG_OK);
    for (uint32_t i = 0; i < read.extent_count; i++) {
        log_extent_release(rig.log, read.extents[i].hold);
    }
    rig_check(&rig);
    rig_destroy(&rig);
}

/* H4: of a write that failed any part may be on the device. When it is taken back, what it left
 * must not follow a batch that comes in its place. */
static void what_a_failed_write_left_does_not_come_back(void **state)
{
    (void)state;
    enum { VALUE_BYTES = 8121, BATCH_BYTES = 8192, BATCHES = 3 };
    const struct rig_batch batch = {
        .records = 1, .value_bytes = VALUE_BYTES, .ack = APPEND_ACK_WRITTEN};
    const struct sim_fault fault = {
        .operation = SIM_WRITE, .error = EIO, .count = 1, .path = "orders-0"};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static struct rig rig;
        const struct rig_options options = rig_options(seed);
        rig_create(&rig, &options);
        assert_int_equal(rig_append_wait(&rig, &batch)->piece.len, BATCH_BYTES);
        sim_machine_add_fault(rig.machine, &fault);
        const struct rig_append *failed[BATCHES];
        for (uint32_t i = 0; i < BATCHES; i++) {
            failed[i] = rig_append(&rig, &batch);
        }
        for (uint32_t i = 0; i < BATCHES; i++) {
            while (failed[i]->lent) {
                assert_true(rig_turn(&rig));
            }
            assert_int_equal(failed[i]->append.status, LOG_IO_ERROR);
        }
        sim_machine_clear_faults(rig.machine);
        rig_run_ms(&rig, 3000);
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
        rig_kill(&rig);
        assert_true(rig_start(&rig));
        assert_int_equal(partition_end(rig.partitions[0]), 2);
        rig_kill(&rig);
        rig_destroy(&rig);
    }
}

/* What was taken back counts for no index entry: above all a segment's first batch has none. */
static void what_is_taken_back_makes_no_index_entry(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    const struct rig_batch batch = {.records = 1, .value_bytes = 6000, .ack = APPEND_ACK_FLUSHED};
    const struct sim_fault fault = {
        .operation = SIM_WRITE, .error = EIO, .count = 1, .path = "orders-0"};
    rig_create(&rig, &options);
    sim_machine_add_fault(rig.machine, &fault);
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_IO_ERROR);
    rig_run_ms(&rig, 3000);
    for (int64_t offset = 0; offset < 3; offset++) {
        const struct rig_append *there = rig_append_wait(&rig, &batch);
        assert_int_equal(there->append.status, LOG_OK);
        assert_int_equal(there->append.base_offset, offset);
    }
    rig_stop(&rig);
    rig_check_segment(&rig, 0, 0);
    rig_destroy(&rig);
}

/* A segment whose file gets no name is dropped, with its index. */
static void a_nameless_segment_leaves_no_index(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.config.segment_bytes = 32768;
    const struct rig_batch batch = {.records = 1, .value_bytes = 5000, .ack = APPEND_ACK_WRITTEN};
    const struct sim_fault fault = {.operation = SIM_RENAME, .error = EIO, .path = "millrace.next"};
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 6; i++) { /* Nearly full: the next file is made ready. */
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    }
    for (uint32_t round = 0; round < 4; round++) {
        const struct rig_append *appends[4];
        rig_run_ms(&rig, 100);
        assert_non_null(rig.partitions[0]->prepared);
        sim_machine_add_fault(rig.machine, &fault);
        for (uint32_t i = 0; i < ARRAY_SIZE(appends); i++) {
            appends[i] = rig_append(&rig, &batch);
        }
        bool failed = false;
        for (uint32_t i = 0; i < ARRAY_SIZE(appends); i++) {
            while (appends[i]->lent) {
                assert_true(rig_turn(&rig));
            }
            failed = failed || appends[i]->append.status == LOG_IO_ERROR;
        }
        assert_true(failed);
        sim_machine_clear_faults(rig.machine);
        rig_run_ms(&rig, 3000);
        for (uint32_t i = 0; i < 6; i++) {
            assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
        }
    }
    rig_run_ms(&rig, 15000); /* Sealed: index entries leave memory. */
    assert_int_equal(rig.log->chunk_pool.used, 0);
    rig_destroy(&rig);
}

/* H5: the segment before is written anew also when the roll left no active one. */
static void a_flush_that_fails_at_a_roll_is_not_believed_later(void **state)
{
    (void)state;
    const struct rig_batch written = {.records = 1, .value_bytes = 5000, .ack = APPEND_ACK_WRITTEN};
    const struct rig_batch flushed = {.records = 1, .value_bytes = 5000, .ack = APPEND_ACK_FLUSHED};
    const struct sim_fault name = {.operation = SIM_RENAME, .error = EIO, .path = "millrace.next"};
    const struct sim_fault flush = {
        .operation = SIM_FLUSH, .error = EIO, .count = 1, .path = "orders-0"};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static struct rig rig;
        struct rig_options options = rig_options(seed);
        options.config.segment_bytes = 32768;
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 6; i++) { /* Nearly full: the next file is made ready. */
            assert_int_equal(rig_append_wait(&rig, &written)->append.status, LOG_OK);
        }
        rig_run_ms(&rig, 100);
        assert_non_null(rig.partitions[0]->prepared);
        if (seed % 2 == 0) { /* Else the segment has its name, and nothing in it yet. */
            sim_machine_add_fault(rig.machine, &name);
        }
        sim_machine_add_fault(rig.machine, &flush);
        (void)rig_append_wait(&rig, &written);
        rig_run_ms(&rig, 100);
        sim_machine_clear_faults(rig.machine);
        rig_run_ms(&rig, 5000);
        const struct rig_append *last = rig_append_wait(&rig, &flushed);
        assert_int_equal(last->append.status, LOG_OK);
        const int64_t promised = last->append.base_offset + 1;
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        assert_int_equal(partition_end(rig.partitions[0]), promised);
        rig_stop(&rig);
        rig_check_segment(&rig, 0, 0);
        rig_destroy(&rig);
    }
}

/* A mark may vouch for a full segment whose roll is not over when a flush of the device fails, and
 * a start takes the end of such a file on trust: it must not grow while it is written again. */
static void a_kill_while_a_full_segment_is_written_again_leaves_its_end(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_batch written = {
        .records = 1, .value_bytes = 20000, .ack = APPEND_ACK_WRITTEN};
    const struct rig_batch other = {
        .partition = 1, .records = 1, .value_bytes = 90000, .ack = APPEND_ACK_FLUSHED};
    uint32_t rolling = 0;
    for (uint64_t seed = 1; seed <= 256; seed++) {
        struct rig_options options = rig_options(seed);
        options.partitions = 2;
        options.config.segment_bytes = 131072;
        options.sim.flush_covers_device = true;
        options.sim.call = (struct sim_range){200000, 1000000};
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 6; i++) {
            assert_int_equal(rig_append_wait(&rig, &written)->append.status, LOG_OK);
        }
        rig_run_ms(&rig, 100);
        rig_fail_once(&rig, SIM_FLUSH, "orders-1");
        (void)rig_append(&rig, &other);
        for (uint64_t turn = 0; turn < seed % 16; turn++) {
            assert_true(rig_turn(&rig));
        }
        (void)rig_append(&rig, &written); /* It rolls. */
        while (log_counters(rig.log)->io_errors == 0) {
            assert_true(rig_turn(&rig));
        }
        rolling += rig.partitions[0]->roll_job != NULL;
        sim_machine_crash_at(rig.machine, sim_machine_boundary_count(rig.machine) + 1 + seed / 16,
                             SIM_CRASH_KILL);
        rig_run_ms(&rig, 3000);
        sim_machine_crash_at(rig.machine, UINT64_MAX, SIM_CRASH_KILL);
        sim_machine_clear_faults(rig.machine);
        rig_kill(&rig);
        assert_true(rig_start(&rig));
        rig_settle(&rig);
        rig_stop(&rig);
        rig_check_segment(&rig, 0, 0);
        rig_destroy(&rig);
    }
    print_message("# %u of 256 in the middle of a roll\n", rolling);
    assert_true(rolling > 64);
}

enum device_failure {
    OTHERS_FLUSH,
    OTHERS_DURABLE_WRITE,
    FLUSH_OF_ALL,
    FLUSH_BESIDE_A_REPAIR,
    ANOTHER_CORES_FLUSH,
    DEVICE_FAILURES
};

/* Something that flushes the whole device fails, and orders-0 has nothing to do with it. */
static void device_failure(struct rig *rig, enum device_failure failure)
{
    const struct rig_batch large = {
        .partition = 1, .records = 1, .value_bytes = 90000, .ack = APPEND_ACK_FLUSHED};
    const struct rig_batch small = {
        .partition = 1, .records = 1, .value_bytes = 100, .ack = APPEND_ACK_FLUSHED};
    struct partition_spec spec = {
        .topic_name = {(const uint8_t *)"orders", 6}, .id.index = 3, .config = kafka_config()};
    memset(spec.id.topic_id.bytes, 0x42, 16); /* As the rig would make it. */
    struct log_operation operation;
    switch (failure) {
    case FLUSH_BESIDE_A_REPAIR:
        rig_fail_once(rig, SIM_WRITE, "orders-0");
        (void)rig_put(rig, 100, APPEND_ACK_WRITTEN);
        rig_fail_once(rig, SIM_FLUSH, "orders-1");
        assert_int_equal(rig_append_wait(rig, &large)->append.status, LOG_IO_ERROR);
        break;
    case OTHERS_FLUSH:
        rig_fail_once(rig, SIM_FLUSH, "orders-1");
        assert_int_equal(rig_append_wait(rig, &large)->append.status, LOG_IO_ERROR);
        break;
    case OTHERS_DURABLE_WRITE:
        rig_fail_once(rig, SIM_WRITE, "orders-1");
        assert_int_equal(rig_append_wait(rig, &small)->append.status, LOG_IO_ERROR);
        break;
    case FLUSH_OF_ALL:
        rig_fail_once(rig, SIM_SYNC_DIRECTORY, "");
        assert_int_equal(log_open(rig->log, &spec, &operation), LOG_PENDING);
        while (operation.status == LOG_PENDING && rig_turn(rig)) {
            (void)log_operation_done(rig->log);
        }
        assert_int_equal(operation.status, LOG_IO_ERROR);
        break;
    case ANOTHER_CORES_FLUSH: rig_other_core_fails(rig); break;
    case DEVICE_FAILURES: fail(); break;
    }
}

/* H5: the kernel tells one caller that a flush failed, and the device forgets for all. */
static void a_failed_flush_is_that_of_every_partition_on_the_device(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 1; seed <= 80; seed++) {
        struct rig_options options = rig_options(seed);
        options.partitions = 2;
        options.sim.flush_covers_device = true;
        options.sim.call = (struct sim_range){200000, 1000000}; /* A repair takes its time. */
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 3; i++) {
            const struct rig_batch batch = {
                .partition = i % 2, .records = 1, .value_bytes = 100, .ack = APPEND_ACK_FLUSHED};
            assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
        }
        const struct rig_batch batch = {
            .records = 1, .value_bytes = 6000, .ack = APPEND_ACK_WRITTEN};
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
        const uint32_t told = atomic_load(&rig.log_shared.flushes_failed[0]);
        device_failure(&rig, (enum device_failure)(seed % DEVICE_FAILURES));
        assert_true(atomic_load(&rig.log_shared.flushes_failed[0]) > told); /* To other cores. */
        sim_machine_clear_faults(rig.machine);
        rig_run_ms(&rig, 3000);
        const struct rig_append *last = rig_put(&rig, 100, APPEND_ACK_FLUSHED);
        while (last->lent) {
            assert_true(rig_turn(&rig));
        }
        assert_int_equal(last->append.status, LOG_OK);
        const int64_t promised = last->append.base_offset + 1;
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        if (partition_end(rig.partitions[0]) < promised) {
            fail_msg("seed %lu: ends at %ld, promised %ld", (unsigned long)seed,
                     (long)partition_end(rig.partitions[0]), (long)promised);
        }
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_flush_is_that_of_every_partition_on_the_device),
        cmocka_unit_test(one_failed_operation_loses_and_doubles_nothing),
        cmocka_unit_test(what_could_be_read_stays_when_its_flush_fails),
        cmocka_unit_test(what_fails_behind_lent_bytes_is_taken_back),
        cmocka_unit_test(what_a_failed_write_left_does_not_come_back),
        cmocka_unit_test(what_is_taken_back_makes_no_index_entry),
        cmocka_unit_test(a_nameless_segment_leaves_no_index),
        cmocka_unit_test(a_flush_that_fails_at_a_roll_is_not_believed_later),
        cmocka_unit_test(a_kill_while_a_full_segment_is_written_again_leaves_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
