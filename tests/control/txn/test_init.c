#include "tests/control/txn/bench.h"

static void a_new_id_gets_a_producer_and_its_first_epoch(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_init(bench, "y", -1, -1);
    bench_init(bench, "x", -1, -1);
    bench_expect(bench, "init NONE 1000/0\n+ x Empty 1000/0 tv 0 []\n"
                        "init NONE 1001/0\n+ y Empty 1001/0 tv 0 []\n"
                        "init NONE 1000/1\n+ x Empty 1000/1 tv 0 []\n");
}

static void a_request_is_checked(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "", -1, -1);
    bench_init(bench, "x", 5, -1);
    bench_init(bench, "x", -1, 5);
    bench_init_version(bench, 5, "x", -1, -1, 0);
    bench_init_version(bench, 5, "x", -1, -1, 900001);
    bench_expect(bench, "init INVALID_REQUEST -1/-1\n"
                        "init INVALID_REQUEST -1/-1\n"
                        "init INVALID_REQUEST -1/-1\n"
                        "init INVALID_TRANSACTION_TIMEOUT -1/-1\n"
                        "init INVALID_TRANSACTION_TIMEOUT -1/-1\n");
    assert_int_equal(txn_coordinator_count(bench->coordinator), 0);
    assert_int_equal(bench->fresh_producer_id, 1000);
}

static void who_says_what_it_has_is_fenced_when_it_is_old(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", 77, 5); /* Expired meanwhile: begins anew. */
    bench_init(bench, "x", 1000, 0);
    bench_init(bench, "x", 1000, 0); /* The answer was lost. */
    bench_forget(bench);
    bench_init(bench, "x", 1000, 1);
    bench_init(bench, "x", 1000, 0);
    bench_init(bench, "x", 999, 2);
    bench_init_version(bench, 3, "x", 999, 2, 60000);
    bench_expect(bench, "init NONE 1000/2\n+ x Empty 1000/2 tv 0 []\n"
                        "init PRODUCER_FENCED -1/-1\n"
                        "init PRODUCER_FENCED -1/-1\n"
                        "init INVALID_PRODUCER_EPOCH -1/-1\n");
}

static void an_open_transaction_is_fenced_and_aborted_first(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_add(bench, 3, "x", 1000, 0, "t/0");
    bench_forget(bench);
    bench_init(bench, "x", -1, -1);
    bench_init(bench, "x", -1, -1);
    bench_expect(bench, "init CONCURRENT_TRANSACTIONS -1/-1\n"
                        "+ x PrepareAbort 1000/1 tv 2 [t/0]\n"
                        "! x abort 1000/1 tv 2 [t/0]\n"
                        "init CONCURRENT_TRANSACTIONS -1/-1\n");
    bench_end(bench, 3, "x", 1000, 0, true); /* The one that was fenced. */
    bench_written(bench);
    bench_init(bench, "x", -1, -1);
    bench_expect(bench, "end PRODUCER_FENCED -1/-1\n"
                        "+ x CompleteAbort 1000/1 tv 2 []\n"
                        "init NONE 1000/2\n+ x Empty 1000/2 tv 2 []\n");
}

static void without_bumps_the_fence_is_the_same(void **state)
{
    struct txn_bench *bench = *state;
    bench->settings.version = 0;
    bench_init(bench, "x", -1, -1);
    bench_add(bench, 3, "x", 1000, 0, "t/0");
    bench_init(bench, "x", -1, -1);
    bench_written(bench);
    bench_expect(bench, "init NONE 1000/0\n+ x Empty 1000/0 tv 0 []\n"
                        "add NONE\n+ x Ongoing 1000/0 tv 0 [t/0]\n"
                        "init CONCURRENT_TRANSACTIONS -1/-1\n"
                        "+ x PrepareAbort 1000/1 tv 0 [t/0]\n"
                        "! x abort 1000/1 tv 0 [t/0]\n"
                        "+ x CompleteAbort 1000/1 tv 0 []\n");
}

static void an_exhausted_epoch_gets_a_new_producer(void **state)
{
    struct txn_bench *bench = *state;
    bench->quiet = true;
    bench_init(bench, "x", -1, -1);
    for (int16_t epoch = 0; epoch < INT16_MAX - 1; epoch++) {
        bench_init(bench, "x", 1000, epoch);
        assert_int_equal(bench->error_code, ERROR_NONE);
        assert_int_equal(bench->epoch, epoch + 1);
    }
    bench->quiet = false;
    bench_init(bench, "x", 1000, INT16_MAX - 1);
    bench_expect(bench, "init NONE 1001/0\n+ x Empty 1001/0 prev 1000 tv 0 []\n");
    bench_init(bench, "x", 1000, INT16_MAX - 1); /* The answer was lost. */
    bench_init(bench, "x", 1000, INT16_MAX - 2);
    bench_expect(bench, "init NONE 1001/0\n+ x Empty 1001/0 tv 0 []\n"
                        "init PRODUCER_FENCED -1/-1\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, txn_bench_up, txn_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_new_id_gets_a_producer_and_its_first_epoch),
        CASE(a_request_is_checked),
        CASE(who_says_what_it_has_is_fenced_when_it_is_old),
        CASE(an_open_transaction_is_fenced_and_aborted_first),
        CASE(without_bumps_the_fence_is_the_same),
        CASE(an_exhausted_epoch_gets_a_new_producer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
