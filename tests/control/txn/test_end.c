#include "tests/control/txn/bench.h"

static void opened(struct txn_bench *bench, int16_t version)
{
    bench_init(bench, "x", -1, -1);
    bench_add(bench, version, "x", 1000, 0, "t/0");
    bench_forget(bench);
}

static void a_commit_is_complete_when_its_markers_are_written(void **state)
{
    struct txn_bench *bench = *state;
    opened(bench, 3);
    bench_end(bench, 3, "x", 1000, 0, true);
    bench_expect(bench, "end NONE -1/-1\n"
                        "+ x PrepareCommit 1000/0 tv 0 [t/0]\n"
                        "! x commit 1000/0 tv 0 [t/0]\n");
    bench_end(bench, 3, "x", 1000, 0, true);
    bench_end(bench, 3, "x", 1000, 0, false);
    bench_written(bench);
    bench_end(bench, 3, "x", 1000, 0, true);
    bench_end(bench, 3, "x", 1000, 0, false);
    bench_expect(bench, "end CONCURRENT_TRANSACTIONS -1/-1\n"
                        "end CONCURRENT_TRANSACTIONS -1/-1\n"
                        "+ x CompleteCommit 1000/0 tv 0 []\n"
                        "end NONE -1/-1\n"
                        "end INVALID_TXN_STATE -1/-1\n");
}

static void an_abort_goes_the_same_way(void **state)
{
    struct txn_bench *bench = *state;
    opened(bench, 3);
    bench_end(bench, 3, "x", 1000, 0, false);
    bench_end(bench, 3, "x", 1000, 0, false);
    bench_end(bench, 3, "x", 1000, 0, true);
    bench_written(bench);
    bench_end(bench, 3, "x", 1000, 0, false);
    bench_end(bench, 3, "x", 1000, 0, true);
    bench_expect(bench, "end NONE -1/-1\n"
                        "+ x PrepareAbort 1000/0 tv 0 [t/0]\n"
                        "! x abort 1000/0 tv 0 [t/0]\n"
                        "end CONCURRENT_TRANSACTIONS -1/-1\n"
                        "end CONCURRENT_TRANSACTIONS -1/-1\n"
                        "+ x CompleteAbort 1000/0 tv 0 []\n"
                        "end NONE -1/-1\n"
                        "end INVALID_TXN_STATE -1/-1\n");
}

static void who_ends_is_checked(void **state)
{
    struct txn_bench *bench = *state;
    bench_end(bench, 3, "", 1000, 0, true);
    bench_end(bench, 3, "x", 1000, 0, true);
    opened(bench, 3);
    bench_end(bench, 3, "x", 1001, 0, true);
    bench_end(bench, 3, "x", 1000, 1, true);
    bench_end(bench, 1, "x", 1000, 1, true);
    bench_end(bench, 5, "x", 1001, 0, true);
    bench_end(bench, 5, "x", 1000, 1, true);
    bench_expect(bench, "end INVALID_PRODUCER_ID_MAPPING -1/-1\n"
                        "end PRODUCER_FENCED -1/-1\n"
                        "end INVALID_PRODUCER_EPOCH -1/-1\n"
                        "end INVALID_PRODUCER_ID_MAPPING -1/-1\n"
                        "end PRODUCER_FENCED -1/-1\n");
}

static void nothing_open_is_nothing_to_end(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_forget(bench);
    bench_end(bench, 3, "x", 1000, 0, true);
    bench_end(bench, 3, "x", 1000, 0, false);
    bench_expect(bench, "end INVALID_TXN_STATE -1/-1\nend INVALID_TXN_STATE -1/-1\n");
}

/* --- transaction.version 2: the table in TransactionCoordinator.scala ---------------------------
 */

static void every_end_raises_the_epoch(void **state)
{
    struct txn_bench *bench = *state;
    opened(bench, 5);
    bench_end(bench, 5, "x", 1000, 0, true);
    bench_end(bench, 5, "x", 1000, 0, true);
    bench_end(bench, 5, "x", 1000, 0, false);
    bench_end(bench, 5, "x", 1000, 1, true);
    bench_written(bench);
    bench_expect(bench, "end NONE 1000/1\n"
                        "+ x PrepareCommit 1000/1 tv 2 [t/0]\n"
                        "! x commit 1000/1 tv 2 [t/0]\n"
                        "end CONCURRENT_TRANSACTIONS -1/-1\n"
                        "end CONCURRENT_TRANSACTIONS -1/-1\n"
                        "end CONCURRENT_TRANSACTIONS -1/-1\n"
                        "+ x CompleteCommit 1000/1 tv 2 []\n");
}

static void after_a_commit(void **state)
{
    struct txn_bench *bench = *state;
    opened(bench, 5);
    bench_end(bench, 5, "x", 1000, 0, true);
    bench_written(bench);
    bench_forget(bench);
    bench_end(bench, 5, "x", 1000, 0, true);  /* A repeat. */
    bench_end(bench, 5, "x", 1000, 0, false); /* A repeat of something else. */
    bench_end(bench, 5, "x", 1000, 1, true);
    bench_expect(bench, "end NONE 1000/1\n"
                        "end INVALID_TXN_STATE -1/-1\n"
                        "end INVALID_TXN_STATE -1/-1\n");
    bench_end(bench, 5, "x", 1000, 1, false); /* Its client may not know that nothing is open. */
    bench_expect(bench, "end NONE 1000/2\n"
                        "+ x PrepareAbort 1000/2 tv 2 []\n"
                        "+ x CompleteAbort 1000/2 tv 2 []\n");
}

static void after_an_abort(void **state)
{
    struct txn_bench *bench = *state;
    opened(bench, 5);
    bench_end(bench, 5, "x", 1000, 0, false);
    bench_written(bench);
    bench_forget(bench);
    bench_end(bench, 5, "x", 1000, 0, false);
    bench_end(bench, 5, "x", 1000, 0, true);
    bench_end(bench, 5, "x", 1000, 1, true);
    bench_end(bench, 5, "x", 1000, 1, false);
    bench_expect(bench, "end NONE 1000/1\n"
                        "end INVALID_TXN_STATE -1/-1\n"
                        "end INVALID_TXN_STATE -1/-1\n"
                        "end NONE 1000/2\n"
                        "+ x PrepareAbort 1000/2 tv 2 []\n"
                        "+ x CompleteAbort 1000/2 tv 2 []\n");
}

static void of_an_id_that_is_empty(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_init(bench, "x", -1, -1);
    bench_forget(bench);
    bench_end(bench, 5, "x", 1000, 0, false);
    bench_end(bench, 5, "x", 1000, 0, true);
    bench_end(bench, 5, "x", 1000, 1, true);
    bench_end(bench, 5, "x", 1000, 1, false);
    bench_expect(bench, "end PRODUCER_FENCED -1/-1\n"
                        "end PRODUCER_FENCED -1/-1\n"
                        "end INVALID_TXN_STATE -1/-1\n"
                        "end NONE 1000/2\n"
                        "+ x PrepareAbort 1000/2 tv 2 []\n"
                        "+ x CompleteAbort 1000/2 tv 2 []\n");
}

static void an_exhausted_epoch_ends_with_a_new_producer(void **state)
{
    struct txn_bench *bench = *state;
    bench->quiet = true;
    bench_init(bench, "x", -1, -1);
    for (int16_t epoch = 0; epoch < INT16_MAX - 1; epoch++) {
        bench_add(bench, 5, "x", 1000, epoch, "t/0");
        bench_end(bench, 5, "x", 1000, epoch, epoch % 2 == 0);
        assert_int_equal(bench->epoch, epoch + 1);
        bench_written(bench);
    }
    bench_add(bench, 5, "x", 1000, INT16_MAX - 1, "t/0");
    bench->quiet = false;
    bench_end(bench, 5, "x", 1000, INT16_MAX - 1, true);
    bench_end(bench, 5, "x", 1000, INT16_MAX - 1, true);
    /* It was told of the new one, and uses it at once. */
    bench_add(bench, 5, "x", 1001, 0, "t/0");
    bench_add_offsets(bench, 4, "x", 1001, 0);
    bench_end(bench, 5, "x", 1001, 0, false);
    bench_init(bench, "x", 1001, 0);
    bench_written(bench);
    bench_end(bench, 5, "x", 1000, INT16_MAX - 1, true);
    bench_end(bench, 5, "x", 1000, INT16_MAX - 1, false);
    bench_add(bench, 5, "x", 1001, 0, "t/0");
    bench_expect(bench, "end NONE 1001/0\n"
                        "+ x PrepareCommit 1000/32767 next 1001 tv 2 [t/0]\n"
                        "! x commit 1000/32767 tv 2 [t/0]\n"
                        "end CONCURRENT_TRANSACTIONS -1/-1\n"
                        "add CONCURRENT_TRANSACTIONS\n"
                        "offsets CONCURRENT_TRANSACTIONS\n"
                        "end CONCURRENT_TRANSACTIONS -1/-1\n"
                        "init CONCURRENT_TRANSACTIONS -1/-1\n"
                        "+ x CompleteCommit 1001/0 prev 1000 tv 2 []\n"
                        "end NONE 1001/0\n"
                        "end INVALID_TXN_STATE -1/-1\n"
                        "add NONE\n+ x Ongoing 1001/0 tv 2 [t/0]\n");
}

static void the_last_epoch_is_for_fencing_alone(void **state)
{
    struct txn_bench *bench = *state;
    bench->quiet = true;
    bench_init(bench, "x", -1, -1);
    for (int16_t epoch = 0; epoch < INT16_MAX - 1; epoch++) {
        bench_init(bench, "x", -1, -1);
    }
    bench_add(bench, 5, "x", 1000, INT16_MAX - 1, "t/0");
    bench->quiet = false;
    bench_init(bench, "x", -1, -1);
    bench_written(bench);
    bench_end(bench, 5, "x", 1000, INT16_MAX - 1, false); /* Learns of the fence's epoch. */
    bench_add(bench, 5, "x", 1000, INT16_MAX, "t/0");
    bench_end(bench, 5, "x", 1000, INT16_MAX, false);
    bench_init(bench, "x", 1000, INT16_MAX);
    bench_expect(bench, "init CONCURRENT_TRANSACTIONS -1/-1\n"
                        "+ x PrepareAbort 1000/32767 tv 2 [t/0]\n"
                        "! x abort 1000/32767 tv 2 [t/0]\n"
                        "+ x CompleteAbort 1000/32767 tv 2 []\n"
                        "end NONE 1000/32767\n"
                        "add PRODUCER_FENCED\n"
                        "end PRODUCER_FENCED -1/-1\n"
                        "init NONE 1001/0\n+ x Empty 1001/0 prev 1000 tv 2 []\n");
}

/* --- what happens by itself ---------------------------------------------------------------------
 */

static void a_transaction_that_takes_too_long_is_aborted(void **state)
{
    struct txn_bench *bench = *state;
    opened(bench, 5);
    bench->wall_ms += 60000;
    bench_event(bench, TXN_TIME);
    bench_expect(bench, "");
    bench->wall_ms += 1;
    bench_event(bench, TXN_TIME);
    bench_event(bench, TXN_TIME);
    bench_expect(bench, "+ x PrepareAbort 1000/1 tv 2 [t/0]\n"
                        "! x abort 1000/1 tv 2 [t/0]\n");
    bench_add(bench, 5, "x", 1000, 0, "t/1");
    bench_written(bench);
    bench_add(bench, 5, "x", 1000, 0, "t/1");
    bench_expect(bench, "add CONCURRENT_TRANSACTIONS\n"
                        "+ x CompleteAbort 1000/1 tv 2 []\n"
                        "add PRODUCER_FENCED\n");
}

static void time_in_which_nobody_ran_does_not_count(void **state)
{
    struct txn_bench *bench = *state;
    opened(bench, 5);
    bench->wall_ms += 600000;
    bench_event(bench, TXN_RESUME);
    bench_event(bench, TXN_TIME);
    bench->wall_ms += 60000;
    bench_event(bench, TXN_TIME);
    bench_expect(bench, "");
    bench->wall_ms += 1;
    bench_event(bench, TXN_TIME);
    assert_int_equal(bench->marker_count, 1);
}

static void ids_that_nobody_uses_expire(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_init(bench, "y", -1, -1);
    bench_add(bench, 3, "y", 1001, 0, "t/0");
    bench_forget(bench);
    bench->wall_ms += bench->settings.id_expiration_ms - 1;
    bench_event(bench, TXN_EXPIRE);
    bench_expect(bench, "");
    bench->wall_ms += 1;
    bench_event(bench, TXN_EXPIRE);
    bench_expect(bench, "- x\n");
    assert_int_equal(txn_coordinator_count(bench->coordinator), 1);
}

static void markers_of_an_older_end_complete_nothing(void **state)
{
    struct txn_bench *bench = *state;
    opened(bench, 5);
    bench_end(bench, 5, "x", 1000, 0, true);
    bench->markers[bench->marker_count++] = bench->markers[0];
    bench_written(bench);
    bench_add(bench, 5, "x", 1000, 1, "t/0");
    bench_end(bench, 5, "x", 1000, 1, true);
    bench_forget(bench);
    bench_written(bench);
    bench_expect(bench, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, txn_bench_up, txn_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_commit_is_complete_when_its_markers_are_written),
        CASE(an_abort_goes_the_same_way),
        CASE(who_ends_is_checked),
        CASE(nothing_open_is_nothing_to_end),
        CASE(every_end_raises_the_epoch),
        CASE(after_a_commit),
        CASE(after_an_abort),
        CASE(of_an_id_that_is_empty),
        CASE(an_exhausted_epoch_ends_with_a_new_producer),
        CASE(the_last_epoch_is_for_fencing_alone),
        CASE(a_transaction_that_takes_too_long_is_aborted),
        CASE(time_in_which_nobody_ran_does_not_count),
        CASE(ids_that_nobody_uses_expire),
        CASE(markers_of_an_older_end_complete_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
