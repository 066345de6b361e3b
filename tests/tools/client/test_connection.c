#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/tools/client/fake_broker.h"
#include "tools/client/connection.h"

enum { SHORT_MS = 100, LONG_MS = 10000 };

static struct fake_broker *broker;
static struct connection connection;
static struct problem problem;

static uint64_t in_ms(uint32_t ms)
{
    return connection_now_ns() + (uint64_t)ms * 1000000;
}

static int setup(void **state)
{
    (void)state;
    broker = fake_broker_new();
    connection_init(&connection);
    problem = (struct problem){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    connection_close(&connection);
    fake_broker_free(broker);
    return 0;
}

static bool connect_to_broker(void)
{
    fake_broker_start(broker);
    return connection_open(&connection, "127.0.0.1", broker->port, in_ms(LONG_MS), &problem);
}

/* Asks for all topics. */
static bool ask(uint32_t wait_ms, struct metadata_response *response)
{
    int16_t version;
    struct writer *writer = connection_begin(&connection, API_METADATA, 4096, &version, &problem);
    assert_non_null(writer);
    struct metadata_request request = metadata_request_default;
    request.topics.count = -1;
    (void)metadata_request_encode(writer, version, &request);
    struct reader reader;
    return connection_call(&connection, in_ms(wait_ms), &reader, &problem) &&
           metadata_response_decode(&reader, version, response) == CODEC_OK;
}

static void the_highest_common_version_is_taken(void **state)
{
    (void)state;
    broker->version_max[API_METADATA] = 7;
    broker->version_max[API_FETCH] = 30;  /* Newer than this program. */
    broker->version_max[API_PRODUCE] = 1; /* Older. */
    broker->version_max[API_DESCRIBE_CLUSTER] = -1;
    assert_true(connect_to_broker());
    assert_int_equal(connection_version(&connection, API_METADATA), 7);
    assert_int_equal(connection_version(&connection, API_FETCH), api_find(API_FETCH)->version_max);
    assert_int_equal(connection_version(&connection, API_PRODUCE), -1);
    assert_int_equal(connection_version(&connection, API_DESCRIBE_CLUSTER), -1);
    assert_int_equal(connection_version(&connection, -1), -1);
    struct metadata_response response;
    assert_true(ask(LONG_MS, &response));
    int16_t version;
    assert_null(connection_begin(&connection, API_PRODUCE, 100, &version, &problem));
    assert_non_null(strstr(problem.text, "does not serve Produce"));
}

static void an_old_broker_is_asked_again_with_its_version(void **state)
{
    (void)state;
    broker->old_versions_max = 2; /* KIP-511: error 35, version 0, its own range. */
    assert_true(connect_to_broker());
    struct metadata_response response;
    assert_true(ask(LONG_MS, &response));
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_API_VERSIONS], 2);
    assert_int_equal(broker->versions[API_API_VERSIONS], 2);
}

static void nobody_there_is_said_with_a_remedy(void **state)
{
    (void)state;
    fake_broker_start(broker);
    assert_false(connection_open(&connection, "127.0.0.1", 1, in_ms(LONG_MS), &problem));
    assert_int_equal(problem.kind, PROBLEM_UNREACHABLE);
    assert_non_null(strstr(problem.text, "127.0.0.1:1: Connection refused"));
    assert_non_null(strstr(problem.text, "`millrace up`"));
    assert_false(connection_open(&connection, "no.such.host.invalid", 1, in_ms(LONG_MS), &problem));
    assert_int_equal(problem.kind, PROBLEM_UNREACHABLE);
}

static void a_silent_peer_ends_at_the_deadline(void **state)
{
    (void)state;
    int ends[2];
    fake_broker_start(broker);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const uint64_t before_ns = connection_now_ns();
    assert_false(connection_adopt(&connection, ends[0], "peer", in_ms(SHORT_MS), &problem));
    assert_true(connection_now_ns() - before_ns >= SHORT_MS * 1000000ull);
    assert_int_equal(problem.kind, PROBLEM_UNREACHABLE);
    assert_non_null(strstr(problem.text, "is that a plaintext Kafka listener?"));
    assert_false(connection_is_open(&connection));
    (void)close(ends[1]);
}

static void something_else_than_kafka_is_recognised(void **state)
{
    (void)state;
    static const char banner[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    int ends[2];
    fake_broker_start(broker);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(write(ends[1], banner, sizeof(banner)), sizeof(banner));
    assert_false(connection_adopt(&connection, ends[0], "peer", in_ms(LONG_MS), &problem));
    assert_non_null(strstr(problem.text, "does not speak Kafka's protocol"));
    (void)close(ends[1]);
}

static void a_lost_answer_and_a_late_one_are_told_as_lost(void **state)
{
    (void)state;
    struct metadata_response response;
    broker->lose_answer[API_METADATA] = true;
    assert_true(connect_to_broker());
    assert_false(ask(LONG_MS, &response));
    assert_int_equal(problem.kind, PROBLEM_LOST);
    assert_non_null(strstr(problem.text, "while waiting for Metadata"));
    assert_false(ask(LONG_MS, &response)); /* Stays closed until it is opened again. */
    assert_int_equal(problem.kind, PROBLEM_LOST);
    assert_true(connection_open(&connection, "127.0.0.1", broker->port, in_ms(LONG_MS), &problem));
    assert_true(ask(LONG_MS, &response));
    broker->silent[API_METADATA] = true;
    assert_false(ask(SHORT_MS, &response));
    assert_non_null(strstr(problem.text, "no answer in time"));
}

static void a_malformed_answer_is_no_answer(void **state)
{
    (void)state;
    struct metadata_response response;
    broker->bad_answer[API_METADATA] = true;
    assert_true(connect_to_broker());
    assert_false(ask(LONG_MS, &response));
    assert_true(problem.kind != PROBLEM_NONE || connection_is_open(&connection));
    assert_false(connection_bad_answer(&connection, &problem));
    assert_non_null(strstr(problem.text, "malformed answer to Metadata"));
    assert_false(connection_is_open(&connection));
}

static void a_request_that_does_not_fit_is_not_sent(void **state)
{
    (void)state;
    int16_t version;
    assert_true(connect_to_broker());
    struct writer *writer = connection_begin(&connection, API_METADATA, 0, &version, &problem);
    assert_non_null(writer);
    for (int i = 0; i < 1000; i++) {
        writer_i64(writer, i);
    }
    assert_false(connection_send(&connection, in_ms(LONG_MS), &problem));
    assert_int_equal(problem.kind, PROBLEM_LOCAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_highest_common_version_is_taken),
        TEST(an_old_broker_is_asked_again_with_its_version),
        TEST(nobody_there_is_said_with_a_remedy),
        TEST(a_silent_peer_ends_at_the_deadline),
        TEST(something_else_than_kafka_is_recognised),
        TEST(a_lost_answer_and_a_late_one_are_told_as_lost),
        TEST(a_malformed_answer_is_no_answer),
        TEST(a_request_that_does_not_fit_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
