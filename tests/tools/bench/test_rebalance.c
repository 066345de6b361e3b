#include "tests/tools/bench/run_bench.h"

enum { ID_REQUIRED_JOINS = 1 };

/* A group of one, as Kafka's: the first join is told an id, each later one makes a generation. */
static struct {
    uint32_t joins, syncs, assigned;
    int32_t generation;
    uint64_t last_metadata;
    bool same_metadata, sync_fails;
    uint32_t loads; /* So often the coordinator is not there. */
} seen;

static void answer_join(int16_t version, struct reader *reader, struct writer *writer)
{
    struct join_group_request request;
    struct join_group_request_protocol protocol;
    struct join_group_response response = join_group_response_default;
    struct join_group_response_member member = join_group_response_member_default;
    uint8_t metadata[8] = {0};
    assert_int_equal(join_group_request_decode(reader, version, &request), CODEC_OK);
    assert_true(join_group_request_protocol_array_next(&request.protocols, &protocol));
    if (seen.loads > 0) {
        seen.loads--;
        response.error_code = ERROR_NOT_COORDINATOR;
        assert_int_equal(join_group_response_encode(writer, version, &response), CODEC_OK);
        return;
    }
    chain_copy(protocol.metadata, metadata, sizeof(metadata));
    const bool first = seen.joins++ < ID_REQUIRED_JOINS;
    assert_int_equal(request.member_id.len == 0, first);
    if (!first) {
        seen.same_metadata = seen.same_metadata ||
                             (seen.generation > 0 && load_be64(metadata) == seen.last_metadata);
        seen.last_metadata = load_be64(metadata);
        seen.generation++;
    }
    member.member_id = CHAIN_TEXT("m-1");
    member.metadata = CHAIN_EMPTY;
    response.error_code = first ? ERROR_MEMBER_ID_REQUIRED : ERROR_NONE;
    response.generation_id = seen.generation;
    response.protocol_name = CHAIN_TEXT("range");
    response.leader = CHAIN_TEXT("m-1");
    response.member_id = CHAIN_TEXT("m-1");
    response.members.items = &member;
    response.members.count = first ? 0 : 1;
    assert_int_equal(join_group_response_encode(writer, version, &response), CODEC_OK);
}

static void answer_sync(int16_t version, struct reader *reader, struct writer *writer)
{
    struct sync_group_request request;
    struct sync_group_request_assignment assignment;
    struct sync_group_response response = sync_group_response_default;
    assert_int_equal(sync_group_request_decode(reader, version, &request), CODEC_OK);
    assert_int_equal(request.generation_id, seen.generation);
    while (sync_group_request_assignment_array_next(&request.assignments, &assignment)) {
        assert_true(chain_equals(assignment.member_id, (struct bytes){(const uint8_t *)"m-1", 3}));
        response.assignment = assignment.assignment;
        seen.assigned++;
    }
    seen.syncs++;
    response.error_code = seen.sync_fails ? ERROR_UNKNOWN_MEMBER_ID : ERROR_NONE;
    assert_int_equal(sync_group_response_encode(writer, version, &response), CODEC_OK);
}

static bool group_of_one(struct fake_broker *broker, int16_t key, int16_t version,
                         struct reader *reader, struct writer *writer)
{
    (void)broker;
    if (key == API_JOIN_GROUP) {
        answer_join(version, reader, writer);
    } else if (key == API_SYNC_GROUP) {
        answer_sync(version, reader, writer);
    }
    return key == API_JOIN_GROUP || key == API_SYNC_GROUP;
}

static int setup(void **state)
{
    static char kind[] = "rebalance";
    struct bench *bench = run_bench_new(kind);
    memset(&seen, 0, sizeof(seen));
    bench->broker->other = group_of_one;
    *state = bench;
    return 0;
}

static void each_round_is_a_generation_and_the_first_is_not_counted(void **state)
{
    struct bench *bench = *state;
    fake_broker_start(bench->broker);
    assert_true(run_rebalance(&bench->run));
    fake_broker_stop(bench->broker);
    assert_true(bench->report.requests > 0);
    assert_int_equal(seen.joins, seen.syncs + ID_REQUIRED_JOINS);
    assert_int_equal(seen.assigned, seen.syncs);
    assert_true(bench->report.requests < seen.syncs);
    assert_false(seen.same_metadata);
}

static void a_coordinator_that_is_not_there_yet_is_asked_again(void **state)
{
    struct bench *bench = *state;
    seen.loads = 3;
    fake_broker_start(bench->broker);
    assert_true(run_rebalance(&bench->run));
    assert_true(bench->report.requests > 0);
}

static void an_error_of_the_group_ends_the_run(void **state)
{
    struct bench *bench = *state;
    seen.sync_fails = true;
    fake_broker_start(bench->broker);
    assert_false(run_rebalance(&bench->run));
    assert_int_equal(seen.syncs, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, run_bench_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_round_is_a_generation_and_the_first_is_not_counted),
        TEST(a_coordinator_that_is_not_there_yet_is_asked_again),
        TEST(an_error_of_the_group_ends_the_run),
    };
    return cmocka_run_group_tests_name("bench_rebalance", tests, NULL, NULL);
}
