#include "tests/control/bench.h"

#include "control/step.h"

static int bench_up(void **state)
{
    struct step_bench *bench = step_bench_new(NULL);
    step_bench_topic(bench, "a", 2);
    bench->image.topics[0]->partitions[1].offline = true;
    *state = bench;
    return 0;
}

static struct step elect(struct step_bench *bench, int16_t version, int8_t type, const char *name,
                         int32_t index)
{
    const struct bytes text = bytes_of_string(name);
    struct elect_leaders_request_topic topic = elect_leaders_request_topic_default;
    topic.topic = chain_of(&text);
    topic.partitions.items = &index;
    topic.partitions.count = 1;
    struct elect_leaders_request request = elect_leaders_request_default;
    request.election_type = version == 0 ? 0 : type;
    request.topic_partitions.items = &topic;
    request.topic_partitions.count = name == NULL ? -1 : 1;
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    assert_int_equal(elect_leaders_request_encode(&writer, version, &request), CODEC_OK);
    struct step step = step_bench_step(bench, version, &writer);
    elect_leaders_step(&step);
    return step;
}

static void one_node_has_nothing_to_elect(void **state)
{
    struct step_bench *bench = *state;
    const struct {
        int8_t type;
        const char *name;
        int32_t index;
        int16_t code;
    } cases[] = {
        {0, "a", 0, ERROR_ELECTION_NOT_NEEDED},
        {1, "a", 0, ERROR_ELECTION_NOT_NEEDED},
        {0, "a", 1, ERROR_PREFERRED_LEADER_NOT_AVAILABLE},
        {1, "a", 1, ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE},
        {0, "a", 2, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {0, "a", -1, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {0, "b", 0, ERROR_UNKNOWN_TOPIC_OR_PARTITION},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct step step = elect(bench, 2, cases[i].type, cases[i].name, cases[i].index);
        const struct elect_leaders_response *answer = step.answer;
        const struct elect_leaders_response_topic *topic =
            &answer->replica_election_results.items[0];
        assert_true(chain_is(topic->topic, cases[i].name));
        assert_int_equal(topic->partition_result.items[0].error_code, cases[i].code);
        assert_true(topic->partition_result.items[0].error_message.len > 0);
    }
    assert_int_equal(elect(bench, 2, 7, "a", 0).whole_error, ERROR_INVALID_REQUEST);
    assert_int_equal(elect(bench, 2, 7, NULL, 0).whole_error, ERROR_INVALID_REQUEST);
}

static void of_all_partitions_only_the_unelected_are_told(void **state)
{
    struct step_bench *bench = *state;
    const struct step step = elect(bench, 0, 0, NULL, 0);
    const struct elect_leaders_response *answer = step.answer;
    assert_int_equal(answer->replica_election_results.count, 1);
    const struct elect_leaders_response_topic *topic = &answer->replica_election_results.items[0];
    assert_int_equal(topic->partition_result.count, 1);
    assert_int_equal(topic->partition_result.items[0].partition_id, 1);
}

static int16_t reassign(struct step_bench *bench, const char *name, int32_t index,
                        const int32_t *nodes, int32_t count)
{
    const struct bytes text = bytes_of_string(name);
    struct alter_partition_reassignments_request_partition partition =
        alter_partition_reassignments_request_partition_default;
    partition.partition_index = index;
    partition.replicas.items = nodes;
    partition.replicas.count = count;
    struct alter_partition_reassignments_request_topic topic =
        alter_partition_reassignments_request_topic_default;
    topic.name = chain_of(&text);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    struct alter_partition_reassignments_request request =
        alter_partition_reassignments_request_default;
    request.topics.items = &topic;
    request.topics.count = 1;
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    assert_int_equal(alter_partition_reassignments_request_encode(&writer, 1, &request), CODEC_OK);
    struct step step = step_bench_step(bench, 1, &writer);
    alter_reassignments_step(&step);
    const struct alter_partition_reassignments_response *answer = step.answer;
    return answer->responses.items[0].partitions.items[0].error_code;
}

static void partitions_can_be_moved_to_where_they_are_only(void **state)
{
    struct step_bench *bench = *state;
    static const int32_t here[] = {1};
    static const int32_t there[] = {2};
    assert_int_equal(reassign(bench, "a", 0, here, 1), ERROR_NONE);
    assert_int_equal(reassign(bench, "a", 0, there, 1), ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(reassign(bench, "a", 0, NULL, -1), ERROR_NO_REASSIGNMENT_IN_PROGRESS);
    assert_int_equal(reassign(bench, "a", 5, here, 1), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(reassign(bench, "b", 0, here, 1), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(bench->changes.count, 0);
}

static void nothing_is_ever_moving(void **state)
{
    struct step_bench *bench = *state;
    const struct list_partition_reassignments_request request =
        list_partition_reassignments_request_default;
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    assert_int_equal(list_partition_reassignments_request_encode(&writer, 0, &request), CODEC_OK);
    struct step step = step_bench_step(bench, 0, &writer);
    list_reassignments_step(&step);
    const struct list_partition_reassignments_response *answer = step.answer;
    assert_int_equal(answer->error_code, ERROR_NONE);
    assert_int_equal(answer->topics.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, step_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_node_has_nothing_to_elect),
        TEST(of_all_partitions_only_the_unelected_are_told),
        TEST(partitions_can_be_moved_to_where_they_are_only),
        TEST(nothing_is_ever_moving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
