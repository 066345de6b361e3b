#include "tools/bench/dialogs.h"

#include "tests/tools/bench/run_bench.h"

static int setup(void **state)
{
    static char kind[] = "commits";
    *state = run_bench_new(kind);
    return 0;
}

/* Connections that ask for the offset of a partition, each a number of times at most. */
struct asking {
    struct dialogs dialogs;
    uint32_t asked, answered, most;
    uint32_t warm_at; /* Answers. */
};

static bool ask_next(struct dialogs *dialogs, uint32_t index)
{
    struct asking *asking = CONTAINER_OF(dialogs, struct asking, dialogs);
    if (dialogs->stopping || asking->asked == asking->most) {
        return false;
    }
    struct peer_request *request = peer_begin(&dialogs->peers[index]);
    requests_fetch(request, dialogs->run->options->topic, 0, 0, 1000, 0);
    request->intended_ns = usage_now_ns();
    peer_end(&dialogs->peers[index]);
    asking->asked++;
    return true;
}

static bool ask_answer(struct dialogs *dialogs, uint32_t index, const struct peer_request *request,
                       struct bytes frame)
{
    struct asking *asking = CONTAINER_OF(dialogs, struct asking, dialogs);
    (void)index;
    assert_true(frame.len > 0);
    asking->answered++;
    dialogs->warming = asking->answered < asking->warm_at;
    dialogs_count(dialogs, request->intended_ns);
    return true;
}

static struct asking asking_of(struct bench *bench)
{
    return (struct asking){.dialogs = {.run = &bench->run, .next = ask_next, .answer = ask_answer},
                           .most = UINT32_MAX};
}

static void what_ends_in_the_measured_time_counts(void **state)
{
    struct bench *bench = *state;
    bench->options.connections = 3;
    struct asking asking = asking_of(bench);
    asking.dialogs.warming = true;
    asking.warm_at = 10;
    fake_broker_start(bench->broker);
    assert_true(dialogs_open(&asking.dialogs, 1 << 16));
    assert_true(dialogs_run(&asking.dialogs));
    dialogs_close(&asking.dialogs);
    assert_int_equal(asking.asked, asking.answered);
    assert_true(bench->report.requests > 0);
    /* The ten that warmed it up do not, nor what was under way at the end. */
    assert_true(bench->report.requests + 10 <= asking.answered);
    assert_int_equal(bench->report.latency_ns.count, bench->report.requests);
    assert_true(bench->report.after.at_ns > bench->report.before.at_ns);
}

static void a_run_counts_something_however_short_it_is(void **state)
{
    struct bench *bench = *state;
    struct asking asking = asking_of(bench);
    bench->options.seconds = 0;
    fake_broker_start(bench->broker);
    assert_true(dialogs_open(&asking.dialogs, 1 << 16));
    assert_true(dialogs_run(&asking.dialogs));
    dialogs_close(&asking.dialogs);
    assert_true(bench->report.requests > 0);
}

static void a_connection_that_has_nothing_to_ask_ends_nothing(void **state)
{
    struct bench *bench = *state;
    struct asking asking = asking_of(bench);
    asking.most = 5;
    fake_broker_start(bench->broker);
    assert_true(dialogs_open(&asking.dialogs, 1 << 16));
    assert_true(dialogs_run(&asking.dialogs));
    dialogs_close(&asking.dialogs);
    assert_int_equal(asking.answered, 5);
}

static void a_connection_that_is_closed_ends_the_run(void **state)
{
    struct bench *bench = *state;
    struct asking asking = asking_of(bench);
    bench->broker->lose_answer[API_FETCH] = true;
    fake_broker_start(bench->broker);
    assert_true(dialogs_open(&asking.dialogs, 1 << 16));
    assert_false(dialogs_run(&asking.dialogs));
    dialogs_close(&asking.dialogs);
}

static void coordinators_that_come_are_told_from_errors(void **state)
{
    (void)state;
    assert_true(dialogs_coordinator_comes(ERROR_NOT_COORDINATOR));
    assert_true(dialogs_coordinator_comes(ERROR_COORDINATOR_NOT_AVAILABLE));
    assert_true(dialogs_coordinator_comes(ERROR_COORDINATOR_LOAD_IN_PROGRESS));
    assert_false(dialogs_coordinator_comes(ERROR_NONE));
    assert_false(dialogs_coordinator_comes(ERROR_UNKNOWN_MEMBER_ID));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, run_bench_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_ends_in_the_measured_time_counts),
        TEST(a_run_counts_something_however_short_it_is),
        TEST(a_connection_that_has_nothing_to_ask_ends_nothing),
        TEST(a_connection_that_is_closed_ends_the_run),
        cmocka_unit_test(coordinators_that_come_are_told_from_errors),
    };
    return cmocka_run_group_tests_name("bench_dialogs", tests, NULL, NULL);
}
