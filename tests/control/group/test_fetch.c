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
        .name = bytes_of_string("t"), .id = {.bytes = {1}}, .partition_count = 1};
    const struct group_topic two = {
        .name = bytes_of_string("t"), .id = {.bytes = {2}}, .partition_count = 1};
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

static void what_many_offsets_take_is_little_more_than_they_are(void **state)
{
    enum { OFFSETS = 20000, EACH_BYTES = 100 };
    struct group_bench *bench = *state;
    static struct offset_commit_request_partition partitions[OFFSETS];
    const struct bytes name = bytes_of_string("g");
    for (int32_t i = 0; i < OFFSETS; i++) {
        partitions[i] = offset_commit_request_partition_default;
        partitions[i].partition_index = i;
        partitions[i].committed_metadata = CHAIN_EMPTY;
    }
    const struct offset_commit_request_topic topic = {
        .name = chain_of(&name), .partitions = {.items = partitions, .count = OFFSETS}};
    struct offset_commit_request request = offset_commit_request_default;
    request.group_id = chain_of(&name);
    request.generation_id_or_member_epoch = -1;
    request.topics.items = &topic;
    request.topics.count = 1;
    const struct group_event commit = {
        .kind = GROUP_OFFSET_COMMIT, .version = 8, .commit = &request};
    struct arena arena = {0};
    struct group_update update = {.arena = &arena};
    group_step(bench->coordinator, &commit, &update);
    arena_free(&arena);
    struct offset_fetch_request_group all = offset_fetch_request_group_default;
    all.group_id = chain_of(&name);
    all.topics.count = -1;
    const struct group_event fetch = {
        .kind = GROUP_OFFSET_FETCH, .version = 8, .fetch = {.group = &all}};
    group_step(bench->coordinator, &fetch, &update);
    const struct offset_fetch_response_group *answer = update.replies[0].answer;
    assert_int_equal(answer->topics.count, 1);
    assert_true(arena.total < (size_t)OFFSETS * EACH_BYTES);
    arena_free(&arena);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_not_known_is_no_error),
        CASE(all_are_told_by_topic_and_partition),
        CASE(what_a_transaction_holds_is_unstable_for_who_asks),
        CASE(an_offset_of_a_topic_made_anew_is_not_told),
        CASE(what_many_offsets_take_is_little_more_than_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
