#include "tests/control/group/bench.h"

static void a_group_without_members_stores_offsets(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = -1, .topics = "t/0=5:note t/1=6 u/0=1");
    bench_expect(bench, "a: commit NONE NONE NONE\n"
                        "+ offset g t/0 = 5 \"note\"\n"
                        "+ offset g t/1 = 6 \"\"\n"
                        "+ offset g u/0 = 1 \"\"\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 1);
    assert_int_equal(group_coordinator_counts(bench->coordinator).offsets, 3);
}

static void a_generation_without_its_group_is_refused(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = 0, .topics = "t/0=5", .version = 8);
    COMMIT(.generation = 0, .topics = "t/0=5", .version = 9);
    TXN(.generation = 0, .topics = "t/0=5", .version = 5);
    bench_expect(bench, "a: commit ILLEGAL_GENERATION\n"
                        "a: commit GROUP_ID_NOT_FOUND\n"
                        "a: txn ILLEGAL_GENERATION\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
}

static void only_members_of_the_generation_commit(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    COMMIT(.member = "a#01", .generation = 1, .topics = "t/0=5");
    COMMIT(.member = "a#01", .generation = 0, .topics = "t/0=5");
    COMMIT(.member = "nobody", .generation = 1, .topics = "t/0=5");
    COMMIT(.generation = -1, .topics = "t/0=5");
    COMMIT(.member = "a#01", .instance = "i", .generation = 1, .topics = "t/0=5");
    bench_expect(bench, "a: commit NONE\n"
                        "+ offset g t/0 = 5 \"\"\n"
                        "a: commit ILLEGAL_GENERATION\n"
                        "a: commit UNKNOWN_MEMBER_ID\n"
                        "a: commit UNKNOWN_MEMBER_ID\n"
                        "a: commit UNKNOWN_MEMBER_ID\n");
    JOIN(.client = "c");
    COMMIT(.member = "a#01", .generation = 1, .topics = "t/0=6"); /* Before it gives them up. */
    JOIN(.client = "a", .member = "a#01");
    JOIN(.client = "b", .member = "b#02");
    bench_forget(bench);
    COMMIT(.member = "a#01", .generation = 2, .topics = "t/0=7");
    TXN(.member = "a#01", .generation = 2, .topics = "t/0=8", .producer_id = 1);
    bench_expect(bench, "a: commit REBALANCE_IN_PROGRESS\n"
                        "a: txn NONE\n"
                        "+ offset g t/0 = 8 \"\"\n");
}

static void a_commit_is_a_heartbeat(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    bench_run_to(bench, 15000);
    COMMIT(.member = "a#01", .generation = 1, .topics = "t/0=5");
    bench_forget(bench);
    bench_run_to(bench, 20000);
    bench_expect(bench, "@16000\n"); /* b. */
    HEARTBEAT(.member = "a#01", .generation = 1);
    bench_expect(bench, "a: heartbeat REBALANCE_IN_PROGRESS\n");
}

static void topics_that_are_not_there_are_named(void **state)
{
    struct group_bench *bench = *state;
    const struct group_topic known[] = {
        {.name = bytes_of_string("t"), .partition_count = 2},
        {.name = bytes_of_string("t"), .partition_count = 2},
        {.name = bytes_of_string("u"), .error_code = ERROR_TOPIC_AUTHORIZATION_FAILED}};
    COMMIT(.generation = -1, .topics = "t/2=5 t/-1=5 u/0=5", .known = known);
    bench_expect(bench, "a: commit UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_OR_PARTITION "
                        "TOPIC_AUTHORIZATION_FAILED\n");
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
    COMMIT(.generation = -1, .topics = "t/1=5 t/2=5", .known = known);
    bench_expect(bench, "a: commit NONE UNKNOWN_TOPIC_OR_PARTITION\n"
                        "+ offset g t/1 = 5 \"\"\n");
    COMMIT(.generation = 7, .topics = "t/1=5 t/2=5", .known = known); /* Before who commits. */
    bench_expect(bench, "a: commit UNKNOWN_MEMBER_ID UNKNOWN_TOPIC_OR_PARTITION\n");
}

static void notes_are_bounded_in_chars(void **state)
{
    struct group_bench *bench = *state;
    bench->settings.offset_metadata_chars_max = 4;
    COMMIT(.generation = -1, .topics = "t/0=5:abcde t/1=5:\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc "
                                       "t/2=5:\xf0\x9f\x98\x80\xf0\x9f\x98\x80 "
                                       "t/3=5:\xf0\x9f\x98\x80\xf0\x9f\x98\x80x");
    bench_expect(bench, "a: commit OFFSET_METADATA_TOO_LARGE NONE NONE OFFSET_METADATA_TOO_LARGE\n"
                        "+ offset g t/1 = 5 \"\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\"\n"
                        "+ offset g t/2 = 5 \"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"\n");
}

static void a_transaction_says_whose_it_is(void **state)
{
    struct group_bench *bench = *state;
    TXN(.group = "", .generation = -1, .topics = "t/0=5", .producer_id = 77);
    bench_expect(bench, "a: txn INVALID_GROUP_ID\n");
    assert_int_equal(bench->update.producer_id, -1);
    TXN(.generation = -1, .topics = "t/0=5", .producer_id = 77);
    bench_expect(bench, "a: txn NONE\n+ offset g t/0 = 5 \"\"\n");
    assert_int_equal(bench->update.producer_id, 77);
    COMMIT(.generation = -1, .topics = "t/0=5");
    assert_int_equal(bench->update.producer_id, -1);
}

/* One name in the request is one in each record: little said must not become much to write. */
static void what_one_commit_writes_is_bounded(void **state)
{
    enum { PARTITIONS = 300, NAME_BYTES = 30000, FIT = 8 * 1024 * 1024 / (NAME_BYTES + 1 + 64) };
    struct group_bench *bench = *state;
    static uint8_t name[NAME_BYTES];
    memset(name, 'g', sizeof(name));
    const struct bytes group_id = {name, sizeof(name)};
    const struct bytes topic_name = bytes_of_string("t");
    static struct offset_commit_request_partition partitions[PARTITIONS];
    for (int32_t i = 0; i < PARTITIONS; i++) {
        partitions[i] = offset_commit_request_partition_default;
        partitions[i].partition_index = i;
        partitions[i].committed_metadata = CHAIN_EMPTY;
    }
    const struct offset_commit_request_topic topic = {
        .name = chain_of(&topic_name), .partitions = {.items = partitions, .count = PARTITIONS}};
    struct offset_commit_request request = offset_commit_request_default;
    request.group_id = chain_of(&group_id);
    request.generation_id_or_member_epoch = -1;
    request.retention_time_ms = INT64_MAX; /* That is long. */
    request.topics.items = &topic;
    request.topics.count = 1;
    const struct group_event event = {
        .kind = GROUP_OFFSET_COMMIT, .version = 4, .wall_ms = 1000, .commit = &request};
    struct arena arena = {0};
    struct group_update update = {.arena = &arena};
    group_step(bench->coordinator, &event, &update);
    struct offset_commit_response *answer = update.replies[0].answer;
    struct offset_commit_response_topic told;
    struct offset_commit_response_partition one;
    assert_true(offset_commit_response_topic_array_next(&answer->topics, &told));
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_true(offset_commit_response_partition_array_next(&told.partitions, &one));
        assert_int_equal(one.error_code, i < FIT ? ERROR_NONE : ERROR_INVALID_COMMIT_OFFSET_SIZE);
    }
    assert_int_equal(update.record_count, FIT);
    arena_free(&arena);
    const struct group_event expire = {.kind = GROUP_EXPIRE, .wall_ms = INT64_MAX - 1};
    struct group_update gone = {.arena = &arena};
    group_step(bench->coordinator, &expire, &gone);
    assert_int_equal(gone.record_count, 0); /* It lasts as long as was asked. */
    arena_free(&arena);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_group_without_members_stores_offsets),
        CASE(a_generation_without_its_group_is_refused),
        CASE(only_members_of_the_generation_commit),
        CASE(a_commit_is_a_heartbeat),
        CASE(topics_that_are_not_there_are_named),
        CASE(notes_are_bounded_in_chars),
        CASE(a_transaction_says_whose_it_is),
        CASE(what_one_commit_writes_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
