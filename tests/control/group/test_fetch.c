#include "tests/control/group/bench.h"

static void what_is_not_known_is_no_error(void **state)
{
    struct group_bench *bench = *state;
    FETCH(.topics = "t/0 t/1");
    FETCH(.topics = NULL);
    COMMIT(.generation = -1, .topics = "t/1=5:note");
    FETCH(.topics = "t/0 t/1 u/0");
    bench_expect(bench, "a: fetch t/0=-1 t/1=-1\n"
                        "a: fetch\n"
                        "a: commit NONE\n+ offset g t/1 = 5 \"note\"\n"
                        "a: fetch t/0=-1 t/1=5:note u/0=-1\n");
}

static void all_are_told_by_topic_and_partition(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = -1, .topics = "u/1=4 t/10=3 t/2=2 u/0=1 t/2=7");
    TXN(.generation = -1, .topics = "x/0=1", .producer_id = 1);
    bench_forget(bench);
    FETCH(.topics = NULL);
    bench_expect(bench, "a: fetch t/2=7 t/10=3 u/0=1 u/1=4\n");
}

static void what_a_transaction_holds_is_unstable_for_who_asks(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = -1, .topics = "t/0=1 t/1=1");
    TXN(.generation = -1, .topics = "t/0=2 t/2=2", .producer_id = 7);
    bench_forget(bench);
    FETCH(.topics = "t/0 t/1 t/2");
    FETCH(.topics = "t/0 t/1 t/2", .require_stable = true);
    FETCH(.topics = NULL, .require_stable = true);
    bench_txn_end(bench, 7, true);
    FETCH(.topics = "t/0 t/1 t/2", .require_stable = true);
    bench_expect(bench, "a: fetch t/0=1 t/1=1 t/2=-1\n"
                        "a: fetch t/0=-1 UNSTABLE_OFFSET_COMMIT t/1=1 "
                        "t/2=-1 UNSTABLE_OFFSET_COMMIT\n"
                        "a: fetch t/0=-1 UNSTABLE_OFFSET_COMMIT t/1=1\n"
                        "a: fetch t/0=2 t/1=1 t/2=2\n");
}

static void an_offset_of_a_topic_made_anew_is_not_told(void **state)
{
    struct group_bench *bench = *state;
    const struct group_topic one = {
        .name = bytes_of("t"), .id = {.bytes = {1}}, .partition_count = 1};
    const struct group_topic two = {
        .name = bytes_of("t"), .id = {.bytes = {2}}, .partition_count = 1};
    const struct group_topic gone = {.id = {.bytes = {3}}, .error_code = ERROR_UNKNOWN_TOPIC_ID};
    COMMIT(.generation = -1, .topics = "t/0=5", .known = &one, .version = 10);
    bench_forget(bench);
    FETCH(.topics = "t/0", .known = &one, .version = 10);
    FETCH(.topics = "t/0", .known = &two, .version = 10);
    FETCH(.topics = "t/0", .known = &gone, .version = 10);
    FETCH(.topics = "t/0");
    bench_expect(bench, "a: fetch t/0=5\n"
                        "a: fetch t/0=-1\n"
                        "a: fetch /0=-1 UNKNOWN_TOPIC_ID\n"
                        "a: fetch t/0=5\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_not_known_is_no_error),
        CASE(all_are_told_by_topic_and_partition),
        CASE(what_a_transaction_holds_is_unstable_for_who_asks),
        CASE(an_offset_of_a_topic_made_anew_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
