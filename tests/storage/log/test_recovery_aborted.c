/* Transactions in the engine and over its crashes: what is open, what was aborted, and the
 * .txnindex files that say so. rig_check holds both against the log itself. */
#include <errno.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

enum { PRODUCER = 1000 };

static struct rig rig;

static void create(uint64_t seed)
{
    const struct rig_options options = rig_options(seed);
    memset(&rig, 0, sizeof(rig));
    rig_create(&rig, &options);
}

static struct rig_batch data(int64_t producer, int32_t sequence)
{
    return (struct rig_batch){.records = 2,
                              .value_bytes = 100,
                              .ack = APPEND_ACK_FLUSHED,
                              .producer_id = PRODUCER + producer,
                              .sequence = sequence,
                              .attributes = BATCH_TRANSACTIONAL};
}

static enum log_status put(int64_t producer, int32_t sequence)
{
    const struct rig_batch batch = data(producer, sequence);
    return rig_append_wait(&rig, &batch)->append.status;
}

static struct rig_marker marker_of(int64_t producer, bool commit)
{
    return (struct rig_marker){
        .ack = APPEND_ACK_FLUSHED, .producer_id = PRODUCER + producer, .commit = commit};
}

static enum log_status mark_with(const struct rig_marker *marker)
{
    const struct rig_append *slot = rig_mark(&rig, marker);
    while (slot->lent && rig_turn(&rig)) {
    }
    return slot->append.status;
}

static enum log_status mark(int64_t producer, bool commit)
{
    const struct rig_marker marker = marker_of(producer, commit);
    return mark_with(&marker);
}

static int64_t stable(void)
{
    return partition_last_stable(rig.partitions[0]);
}

static void the_last_stable_offset_stops_at_the_oldest_open_transaction(void **state)
{
    (void)state;
    create(1);
    assert_int_equal(put(0, 0), LOG_OK); /* 0, 1 */
    assert_int_equal(put(1, 0), LOG_OK); /* 2, 3 */
    assert_int_equal(put(0, 2), LOG_OK); /* 4, 5 */
    assert_int_equal(stable(), 0);
    assert_int_equal(mark(0, true), LOG_OK); /* 6 */
    assert_int_equal(stable(), 2);
    assert_int_equal(mark(1, false), LOG_OK); /* 7 */
    assert_int_equal(stable(), 8);
    rig_check(&rig);
    rig_destroy(&rig);
}

/* What it ends may still be rolled back: nobody reads it as committed before. */
static void a_marker_ends_its_transaction_when_it_is_written(void **state)
{
    (void)state;
    create(2);
    assert_int_equal(put(0, 0), LOG_OK);
    const struct rig_marker marker = marker_of(0, true);
    const struct rig_append *slot = rig_mark(&rig, &marker);
    bool waited = false;
    while (slot->lent) {
        const bool written = partition_high_watermark(rig.partitions[0]) == 3;
        assert_int_equal(stable(), written ? 3 : 0);
        waited |= !written;
        assert_true(rig_turn(&rig));
    }
    assert_true(waited);
    assert_int_equal(stable(), 3);
    rig_destroy(&rig);
}

static void a_marker_that_could_not_be_written_ends_nothing(void **state)
{
    (void)state;
    create(3);
    assert_int_equal(put(0, 0), LOG_OK);
    const struct sim_fault fault = {
        .operation = SIM_WRITE, .error = EIO, .count = 1, .path = ".log"};
    sim_machine_add_fault(rig.machine, &fault);
    assert_int_not_equal(mark(0, false), LOG_OK);
    sim_machine_clear_faults(rig.machine);
    assert_int_equal(stable(), 0);
    assert_int_equal(partition_aborted(rig.partitions[0], 0, INT64_MAX, NULL, 0), 0);
    rig_settle(&rig);
    assert_int_equal(mark(0, false), LOG_OK);
    assert_int_equal(partition_aborted(rig.partitions[0], 0, INT64_MAX, NULL, 0), 1);
    rig_check(&rig);
    rig_destroy(&rig);
}

/* ProducerAppendInfo.checkProducerEpoch and checkCoordinatorEpoch. */
static void markers_are_judged_by_both_epochs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int16_t epoch;
        int32_t coordinator_epoch;
        bool epoch_each;
        bool open;
        enum log_status want;
    } cases[] = {
        {"of the transaction's epoch", 5, 7, false, true, LOG_OK},
        {"above it", 6, 7, false, true, LOG_OK},
        {"below it", 4, 7, false, true, LOG_INVALID_PRODUCER_EPOCH},
        {"version 2, above it", 6, 7, true, true, LOG_OK},
        {"version 2, equal", 5, 7, true, true, LOG_INVALID_PRODUCER_EPOCH},
        {"version 2, equal, again", 5, 7, true, false, LOG_OK},
        {"version 2, below, again", 4, 7, true, false, LOG_INVALID_PRODUCER_EPOCH},
        {"a later coordinator", 5, 8, false, true, LOG_OK},
        {"a former coordinator", 5, 6, false, true, LOG_COORDINATOR_FENCED},
    };
    create(4);
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig_marker first = marker_of(i, true);
        first.producer_epoch = 5;
        first.coordinator_epoch = 7;
        assert_int_equal(mark_with(&first), LOG_OK);
        if (cases[i].open) {
            struct rig_batch batch = data(i, 0);
            batch.producer_epoch = 5;
            assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
        }
        struct rig_marker second = marker_of(i, false);
        second.producer_epoch = cases[i].epoch;
        second.coordinator_epoch = cases[i].coordinator_epoch;
        second.epoch_each = cases[i].epoch_each;
        if (mark_with(&second) != cases[i].want) {
            fail_msg("%s", cases[i].name);
        }
    }
    rig_check(&rig);
    rig_destroy(&rig);
}

static void a_transaction_begins_only_when_the_coordinator_was_asked(void **state)
{
    (void)state;
    create(5);
    struct rig_batch batch = data(0, 0);
    batch.unverified = true;
    const struct rig_append *refused = rig_append_wait(&rig, &batch);
    assert_int_equal(refused->append.status, LOG_TXN_UNVERIFIED);
    assert_int_equal(refused->append.txn.asked_at, 0);
    assert_int_equal(put(0, 0), LOG_OK);
    batch.sequence = 2; /* It is open: nobody is asked again. */
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    batch.sequence = 4;
    batch.attributes = 0;
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_INVALID_TXN_STATE);
    assert_int_equal(mark(0, true), LOG_OK);
    batch.attributes = BATCH_TRANSACTIONAL;
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_TXN_UNVERIFIED);
    rig_destroy(&rig);
}

/* Clients do not wait for the first batch's answer before they send the second. */
static void what_follows_a_batch_that_asks_asks_too(void **state)
{
    (void)state;
    create(9);
    assert_int_equal(put(0, 0), LOG_OK);
    assert_int_equal(mark(0, true), LOG_OK);
    struct rig_batch second = data(0, 4); /* The first, of sequence 2, asks just now. */
    second.unverified = true;
    assert_int_equal(rig_append_wait(&rig, &second)->append.status, LOG_TXN_UNVERIFIED);
    second.unverified = false;
    assert_int_equal(rig_append_wait(&rig, &second)->append.status, LOG_OUT_OF_ORDER_SEQUENCE);
    assert_int_equal(put(0, 2), LOG_OK);
    assert_int_equal(rig_append_wait(&rig, &second)->append.status, LOG_OK);
    second.sequence = 8; /* It is open: nobody is asked. */
    second.unverified = true;
    assert_int_equal(rig_append_wait(&rig, &second)->append.status, LOG_OUT_OF_ORDER_SEQUENCE);
    rig_check(&rig);
    rig_destroy(&rig);
}

/* The answer came, then the transaction ended: what was asked for must not open it again. */
static void an_answer_is_worth_nothing_behind_a_marker(void **state)
{
    (void)state;
    create(6);
    assert_int_equal(put(0, 0), LOG_OK);
    assert_int_equal(mark(0, false), LOG_OK);
    const struct rig_batch batch = data(0, 2);
    struct rig_append *slot = rig_append(&rig, &batch); /* Asked at INT64_MAX: good. */
    while (slot->lent && rig_turn(&rig)) {
    }
    assert_int_equal(slot->append.status, LOG_OK);
    assert_int_equal(mark(0, false), LOG_OK);
    struct rig_batch late = data(0, 4);
    late.asked_end = 5; /* Before the second marker. */
    assert_int_equal(rig_append_wait(&rig, &late)->append.status, LOG_INVALID_TXN_STATE);
    rig_destroy(&rig);
}

/* Version 2: a producer begins its next transaction while the markers of the last one are on their
 * way. They may come while the coordinator is asked, and have the epoch of the next. */
static void a_marker_of_the_transaction_before_undoes_no_answer(void **state)
{
    (void)state;
    create(8);
    assert_int_equal(put(0, 0), LOG_OK);
    struct rig_marker marker = marker_of(0, true);
    marker.producer_epoch++;
    marker.epoch_each = true;
    assert_int_equal(mark_with(&marker), LOG_OK);
    struct rig_batch batch = data(0, 0);
    batch.producer_epoch = marker.producer_epoch;
    batch.epoch_each = true;
    batch.asked_end = 1; /* Before the marker. */
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    marker.producer_epoch++;
    assert_int_equal(mark_with(&marker), LOG_OK);
    batch.sequence = 2; /* Its own marker: too late. */
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_INVALID_PRODUCER_EPOCH);
    rig_check(&rig);
    rig_destroy(&rig);
}

static uint8_t *txn_index(const char *path, uint32_t *len)
{
    uint8_t *file = rig_file(&rig, path, len);
    *len = file == NULL ? 0 : *len;
    return file;
}

#define TXN_INDEX_PATH "/data0/orders-0/00000000000000000000.txnindex"

static void a_stop_leaves_the_index_that_kafka_expects(void **state)
{
    (void)state;
    create(7);
    assert_int_equal(put(0, 0), LOG_OK);
    assert_int_equal(put(1, 0), LOG_OK);
    assert_int_equal(mark(0, false), LOG_OK); /* 4 */
    assert_int_equal(mark(1, true), LOG_OK);
    rig_stop(&rig);
    uint32_t len;
    uint8_t *file = txn_index(TXN_INDEX_PATH, &len);
    assert_int_equal(len, TXN_INDEX_ENTRY_BYTES);
    const struct aborted_txn txn = txn_index_read(file);
    assert_int_equal(txn.producer_id, PRODUCER);
    assert_int_equal(txn.first_offset, 0);
    assert_int_equal(txn.last_offset, 4);
    assert_int_equal(txn.last_stable_offset, 2);
    free(file);
    assert_true(rig_start(&rig));
    rig_check(&rig);
    rig_destroy(&rig);
}

static void a_log_without_aborts_has_no_such_file(void **state)
{
    (void)state;
    create(8);
    assert_int_equal(put(0, 0), LOG_OK);
    assert_int_equal(mark(0, true), LOG_OK);
    rig_stop(&rig);
    uint32_t len;
    assert_null(txn_index(TXN_INDEX_PATH, &len));
    assert_true(rig_start(&rig));
    rig_destroy(&rig);
}

/* What was aborted is told all the same, from the log. */
static void an_index_that_cannot_be_hides_no_abort(void **state)
{
    (void)state;
    for (uint32_t at = 0; at < TXN_INDEX_ENTRY_BYTES; at++) {
        const bool seen = at < 2 || (at >= 18 && at < 24) || (at >= 26 && at < 32);
        create(9);
        assert_int_equal(put(0, 0), LOG_OK);
        assert_int_equal(mark(0, false), LOG_OK);
        assert_int_equal(put(1, 0), LOG_OK);
        rig_stop(&rig);
        assert_int_equal(sim_machine_flip_bit(rig.machine, TXN_INDEX_PATH, at, 0), 0);
        assert_true(rig_start(&rig));
        assert_int_equal(partition_aborted(rig.partitions[0], 0, 2, NULL, 0), 1);
        if (seen) { /* The others cannot be told from what Kafka may write. */
            rig_check(&rig);
        }
        rig_destroy(&rig);
    }
}

/* ---- Crashes -------------------------------------------------------------------------------- */

#ifdef __SANITIZE_ADDRESS__
enum { SEEDS = 1, STRIDE = 5 };
#else
enum { SEEDS = 2, STRIDE = 1 };
#endif
enum { PRODUCERS = 3, STEPS = 24 };

/* Recovery makes the index of the last segment without a sync; what comes to stand on it must not
 * take that for durable. */
static void an_index_made_by_recovery_is_durable_before_its_segment_is_left(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) { /* A cut may keep what is not durable. */
        struct rig_options options = rig_options(seed);
        options.config.segment_ms = 1000;
        memset(&rig, 0, sizeof(rig));
        rig_create(&rig, &options);
        assert_int_equal(put(0, 0), LOG_OK);
        assert_int_equal(mark(0, false), LOG_OK);
        rig_kill(&rig);
        assert_true(rig_start(&rig));
        rig_run_ms(&rig, 2000);
        assert_int_equal(put(1, 0), LOG_OK); /* In the next segment. */
        rig_settle(&rig);
        rig_stop(&rig);
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        assert_int_equal(partition_aborted(rig.partitions[0], 0, 2, NULL, 0), 1);
        rig_check(&rig);
        rig_destroy(&rig);
    }
}

/* Transactions of a few producers, over several segments. False: the process died. */
static bool tell(struct random *random)
{
    int32_t sequences[PRODUCERS] = {0};
    for (uint32_t i = 0; i < STEPS; i++) {
        const uint32_t producer = (uint32_t)random_below(random, PRODUCERS);
        const enum append_ack ack =
            random_one_in(random, 3) ? APPEND_ACK_WRITTEN : APPEND_ACK_FLUSHED;
        const struct rig_append *slot;
        if (random_one_in(random, 3)) {
            struct rig_marker marker = marker_of(producer, random_one_in(random, 3));
            marker.ack = ack;
            slot = rig_mark(&rig, &marker);
        } else {
            struct rig_batch batch = data(producer, sequences[producer]);
            sequences[producer] += 2;
            batch.value_bytes = 12 + (uint32_t)random_below(random, 4000);
            batch.ack = ack;
            slot = rig_append(&rig, &batch);
        }
        if (!sim_process_alive(rig.process)) {
            return false;
        }
        while (i % 3 == 2 && slot->lent) {
            if (!rig_turn(&rig)) {
                return false;
            }
        }
    }
    rig_settle(&rig);
    return sim_process_alive(rig.process);
}

static bool crash_at(uint64_t seed, uint64_t at, enum sim_crash crash)
{
    struct random random;
    struct rig_options options = rig_options(seed);
    options.config.segment_bytes = 32768;
    options.sim.garbage = seed % 2 == 1;
    options.arena_bytes = 2 << 20;
    random_init(&random, seed);
    memset(&rig, 0, sizeof(rig));
    rig_create(&rig, &options);
    const uint64_t first = sim_machine_boundary_count(rig.machine);
    sim_machine_crash_at(rig.machine, first + at, crash);
    const bool finished = tell(&random);
    if (!finished) {
        rig_kill(&rig);
        for (uint32_t i = 0; i < 2; i++) { /* And again on the way up. */
            sim_machine_crash_at(
                rig.machine, sim_machine_boundary_count(rig.machine) + random_below(&random, 10),
                crash);
            if (rig_start(&rig)) {
                rig_settle(&rig);
            }
            rig_kill(&rig);
        }
        sim_machine_crash_at(rig.machine, UINT64_MAX, crash);
        assert_true(rig_start(&rig));
        rig_check_after(&rig, crash == SIM_CRASH_POWER);
        rig_stop(&rig);
        assert_true(rig_start(&rig)); /* Now from the files. */
        rig_check_after(&rig, crash == SIM_CRASH_POWER);
    } else {
        sim_machine_crash_at(rig.machine, UINT64_MAX, crash);
        rig_check(&rig);
    }
    rig_destroy(&rig);
    return !finished;
}

static void crash_everywhere(enum sim_crash crash)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t at = 0;
        while (crash_at(seed, at, crash)) {
            at += STRIDE;
        }
        print_message("# seed %lu: %lu crashes\n", (unsigned long)seed, (unsigned long)at);
        assert_true(at > 10);
    }
}

static void a_kill_at_any_boundary_hides_no_abort(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_KILL);
}

static void a_power_cut_at_any_boundary_hides_no_abort(void **state)
{
    (void)state;
    crash_everywhere(SIM_CRASH_POWER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_stable_offset_stops_at_the_oldest_open_transaction),
        cmocka_unit_test(a_marker_ends_its_transaction_when_it_is_written),
        cmocka_unit_test(a_marker_that_could_not_be_written_ends_nothing),
        cmocka_unit_test(markers_are_judged_by_both_epochs),
        cmocka_unit_test(a_transaction_begins_only_when_the_coordinator_was_asked),
        cmocka_unit_test(what_follows_a_batch_that_asks_asks_too),
        cmocka_unit_test(an_answer_is_worth_nothing_behind_a_marker),
        cmocka_unit_test(a_marker_of_the_transaction_before_undoes_no_answer),
        cmocka_unit_test(a_stop_leaves_the_index_that_kafka_expects),
        cmocka_unit_test(a_log_without_aborts_has_no_such_file),
        cmocka_unit_test(an_index_that_cannot_be_hides_no_abort),
        cmocka_unit_test(an_index_made_by_recovery_is_durable_before_its_segment_is_left),
        cmocka_unit_test(a_kill_at_any_boundary_hides_no_abort),
        cmocka_unit_test(a_power_cut_at_any_boundary_hides_no_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
