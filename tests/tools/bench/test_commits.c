#include "tests/tools/bench/run_bench.h"

static struct {
    int64_t committed;
    uint32_t forgets_from; /* Acknowledges from that commit on what it does not keep; 0: never. */
} group;

static void answer_commit(struct fake_broker *broker, int16_t version, struct reader *reader,
                          struct writer *writer)
{
    struct offset_commit_request request;
    struct offset_commit_request_topic topic;
    struct offset_commit_request_partition asked;
    assert_int_equal(offset_commit_request_decode(reader, version, &request), CODEC_OK);
    assert_true(offset_commit_request_topic_array_next(&request.topics, &topic));
    assert_true(offset_commit_request_partition_array_next(&topic.partitions, &asked));
    struct offset_commit_response_partition partition = offset_commit_response_partition_default;
    struct offset_commit_response_topic topic_out = offset_commit_response_topic_default;
    struct offset_commit_response response = offset_commit_response_default;
    partition.error_code = fake_broker_error(broker, API_OFFSET_COMMIT);
    if (partition.error_code == ERROR_NONE &&
        (group.forgets_from == 0 || broker->requests[API_OFFSET_COMMIT] < group.forgets_from)) {
        group.committed = asked.committed_offset;
    }
    topic_out.name = topic.name;
    topic_out.partitions.items = &partition;
    topic_out.partitions.count = 1;
    response.topics.items = &topic_out;
    response.topics.count = 1;
    assert_int_equal(offset_commit_response_encode(writer, version, &response), CODEC_OK);
}

static void answer_fetch(struct fake_broker *broker, int16_t version, struct writer *writer)
{
    const struct bytes name = bytes_of_string(broker->topic);
    struct offset_fetch_response_partition partition = offset_fetch_response_partition_default;
    struct offset_fetch_response_topic topic = offset_fetch_response_topic_default;
    struct offset_fetch_response response = offset_fetch_response_default;
    partition.committed_offset = group.committed;
    topic.name = chain_of(&name);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    response.topics.items = &topic;
    response.topics.count = 1;
    assert_int_equal(offset_fetch_response_encode(writer, version, &response), CODEC_OK);
}

static bool any_group(struct fake_broker *broker, int16_t key, int16_t version,
                      struct reader *reader, struct writer *writer)
{
    if (key == API_OFFSET_COMMIT) {
        answer_commit(broker, version, reader, writer);
    } else if (key == API_OFFSET_FETCH) {
        answer_fetch(broker, version, writer);
    }
    return key == API_OFFSET_COMMIT || key == API_OFFSET_FETCH;
}

static int setup(void **state)
{
    static char kind[] = "commits";
    struct bench *bench = run_bench_new(kind);
    memset(&group, 0, sizeof(group));
    bench->broker->other = any_group;
    *state = bench;
    return 0;
}

static void what_was_acknowledged_is_what_the_group_has(void **state)
{
    struct bench *bench = *state;
    fake_broker_start(bench->broker);
    assert_true(run_commits(&bench->run));
    fake_broker_stop(bench->broker);
    assert_false(bench->report.verify_failed);
    assert_true(bench->report.requests > 0);
    assert_int_equal(bench->report.latency_ns.count, bench->report.requests);
    assert_int_equal(group.committed + 1, bench->broker->requests[API_OFFSET_COMMIT]);
}

static void a_commit_that_was_forgotten_is_told(void **state)
{
    struct bench *bench = *state;
    group.forgets_from = 3;
    fake_broker_start(bench->broker);
    assert_true(run_commits(&bench->run));
    assert_true(bench->report.verify_failed);
    assert_non_null(strstr(bench->report.verify_note, "has committed 1, not "));
}

static void a_coordinator_that_loads_is_asked_again(void **state)
{
    struct bench *bench = *state;
    bench->broker->error[API_OFFSET_COMMIT] = ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    bench->broker->times[API_OFFSET_COMMIT] = 3;
    fake_broker_start(bench->broker);
    assert_true(run_commits(&bench->run));
    assert_false(bench->report.verify_failed);
    assert_true(bench->report.requests > 0);
}

static void any_other_error_ends_the_run(void **state)
{
    struct bench *bench = *state;
    bench->broker->error[API_OFFSET_COMMIT] = ERROR_ILLEGAL_GENERATION;
    fake_broker_start(bench->broker);
    assert_false(run_commits(&bench->run));
    assert_int_equal(bench->broker->requests[API_OFFSET_COMMIT], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, run_bench_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_acknowledged_is_what_the_group_has),
        TEST(a_commit_that_was_forgotten_is_told),
        TEST(a_coordinator_that_loads_is_asked_again),
        TEST(any_other_error_ends_the_run),
    };
    return cmocka_run_group_tests_name("bench_commits", tests, NULL, NULL);
}
