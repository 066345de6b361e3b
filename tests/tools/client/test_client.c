#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/kafka/errors.h"
#include "tests/tools/client/client_bench.h"

static void addresses_that_are_none_are_told(void **state)
{
    (void)state;
    static const char *const bad[] = {"",        "host",     "host:", ":9092", "host:0",
                                      "h:70000", "::1:9092", "[::1]", "h:9x",  "h:-1"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(client_open(&client, bad[i], TIMEOUT_MS));
        if (client.problem.kind != PROBLEM_LOCAL) {
            fail_msg("'%s' was taken", bad[i]);
        }
        client_close(&client);
    }
}

static void the_next_bootstrap_address_is_tried(void **state)
{
    (void)state;
    char list[64];
    fake_broker_start(broker);
    (void)snprintf(list, sizeof(list), "127.0.0.1:1,%s", broker->bootstrap);
    assert_true(client_open(&client, list, TIMEOUT_MS));
    assert_string_equal(client.first.name, broker->bootstrap);
}

enum { AWAY_MS = 400 };

/* Nobody listens at the broker's port, until now. */
static void *come_back(void *context)
{
    (void)context;
    const struct timespec away = {.tv_nsec = AWAY_MS * 1000000L};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(broker->port)};
    const int on = 1;
    (void)nanosleep(&away, NULL);
    broker->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(broker->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(broker->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(broker->listener, FAKE_PEERS_MAX), 0);
    fake_broker_start(broker);
    return NULL;
}

static pthread_t go_away(void)
{
    pthread_t thread;
    fake_broker_stop(broker);
    for (int i = 0; i < FAKE_PEERS_MAX; i++) {
        if (broker->peers[i] >= 0) {
            (void)close(broker->peers[i]);
            broker->peers[i] = -1;
        }
    }
    (void)close(broker->listener);
    assert_int_equal(pthread_create(&thread, NULL, come_back, NULL), 0);
    return thread;
}

static void a_node_that_is_started_again_is_waited_for(void **state)
{
    (void)state;
    struct client_topic topic;
    pthread_t thread = go_away();
    assert_true(client_open(&client, broker->bootstrap, TIMEOUT_MS));
    (void)pthread_join(thread, NULL);
    thread = go_away(); /* And also in the middle. */
    assert_true(client_topic(&client, "orders", CLIENT_TOPIC_LED, &topic));
    client_topic_free(&topic);
    (void)pthread_join(thread, NULL);
}

static void a_connection_that_closes_at_its_start_is_made_again(void **state)
{
    (void)state;
    broker->lose_answer[API_API_VERSIONS] = true;
    begin();
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_API_VERSIONS], 2);
}

static void nobody_there_is_told_soon(void **state)
{
    (void)state;
    /* Waited for to its end, that would be over this test's own limit. */
    assert_false(client_open(&client, "127.0.0.1:1", 3600 * 1000));
    assert_int_equal(client.problem.kind, PROBLEM_UNREACHABLE);
    assert_non_null(strstr(client.problem.text, "127.0.0.1:1: Connection refused"));
}

static uint32_t told_count;
static uint32_t told_last;

static void hear(uint32_t seconds)
{
    told_count += seconds > 0 ? 1 : 0;
    told_last = seconds;
}

static void long_waits_are_told_and_short_ones_are_not(void **state)
{
    (void)state;
    struct client_topic topic;
    fake_broker_start(broker);
    connection_tell_waits(hear);
    assert_true(client_open(&client, broker->bootstrap, 3500));
    fake_broker_stop(broker);
    broker->error[API_METADATA] = ERROR_LEADER_NOT_AVAILABLE;
    broker->times[API_METADATA] = 5;
    fake_broker_start(broker);
    assert_true(client_topic(&client, "orders", CLIENT_TOPIC_LED, &topic));
    client_topic_free(&topic);
    assert_int_equal(told_count, 0);
    fake_broker_stop(broker);
    broker->silent[API_METADATA] = true;
    fake_broker_start(broker);
    assert_false(client_topic(&client, "orders", CLIENT_TOPIC_LED, &topic));
    connection_tell_waits(NULL);
    assert_in_range(told_count, 2, 5); /* At 2, 2.5, 3 and 3.5 s. */
    assert_int_equal(told_last, 0);
}

static void a_topic_comes_with_partitions_and_leaders(void **state)
{
    (void)state;
    struct client_topic topic;
    begin();
    assert_true(client_topic(&client, "orders", CLIENT_TOPIC_LED, &topic));
    assert_string_equal(topic.name, "orders");
    assert_int_equal(topic.partition_count, FAKE_PARTITIONS);
    for (uint32_t i = 0; i < topic.partition_count; i++) {
        assert_true(topic.partitions[i].exists);
        assert_int_equal(topic.partitions[i].leader, 5);
        assert_int_equal(topic.partitions[i].replica_count, 1);
    }
    assert_ptr_equal(client_broker(&client, 5), &client.first); /* No second connection. */
    assert_null(client_broker(&client, 6));
    client_topic_free(&topic);
}

static void every_version_of_metadata_gives_the_topic(void **state)
{
    (void)state;
    const struct api_info *api = api_find(API_METADATA);
    for (int16_t version = 1; version <= api->version_max; version++) {
        struct client_topic topic;
        struct client_topic *topics;
        uint32_t count;
        broker->version_max[API_METADATA] = version;
        begin();
        assert_true(client_topic(&client, "orders", CLIENT_TOPIC_LED, &topic));
        client_topic_free(&topic);
        assert_true(client_topics(&client, &topics, &count));
        assert_int_equal(count, 1);
        assert_string_equal(topics[0].name, "orders");
        client_topics_free(topics, count);
        client_close(&client);
        fake_broker_stop(broker);
        assert_int_equal(broker->versions[API_METADATA], version);
    }
}

static void an_unknown_topic_is_told_at_once(void **state)
{
    (void)state;
    struct client_topic topic;
    begin();
    assert_false(client_topic(&client, "nope", CLIENT_TOPIC_LED, &topic));
    assert_int_equal(client.problem.code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_non_null(strstr(client.problem.text, "`millrace topic create nope`"));
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_METADATA], 1);
}

static void errors_that_pass_are_waited_for(void **state)
{
    (void)state;
    struct client_topic topic;
    broker->error[API_METADATA] = ERROR_LEADER_NOT_AVAILABLE;
    broker->times[API_METADATA] = 2;
    begin();
    assert_true(client_topic(&client, "orders", CLIENT_TOPIC_LED, &topic));
    client_topic_free(&topic);
    fake_broker_stop(broker);
    assert_int_equal(broker->requests[API_METADATA], 3);
}

static void a_lost_connection_is_made_again(void **state)
{
    (void)state;
    struct client_topic topic;
    broker->lose_answer[API_METADATA] = true;
    begin();
    assert_true(client_topic(&client, "orders", CLIENT_TOPIC_LED, &topic));
    client_topic_free(&topic);
}

static void offsets_of_all_partitions_are_told(void **state)
{
    (void)state;
    struct client_topic topic;
    int64_t offsets[FAKE_PARTITIONS];
    for (int i = 0; i < FAKE_PARTITIONS; i++) {
        broker->partitions[i].start = 10 * i;
        broker->partitions[i].end = 100 + i;
    }
    broker->error[API_LIST_OFFSETS] = ERROR_NOT_LEADER_OR_FOLLOWER;
    broker->times[API_LIST_OFFSETS] = 1;
    begin();
    assert_true(client_topic(&client, "orders", CLIENT_TOPIC_LED, &topic));
    assert_true(client_offsets(&client, &topic, CLIENT_OFFSET_EARLIEST, offsets));
    for (int i = 0; i < FAKE_PARTITIONS; i++) {
        assert_int_equal(offsets[i], 10 * i);
    }
    assert_true(client_offsets(&client, &topic, CLIENT_OFFSET_LATEST, offsets));
    assert_int_equal(offsets[2], 102);
    assert_true(client_offsets(&client, &topic, 123, offsets));
    assert_int_equal(offsets[0], -1);
    client_topic_free(&topic);
}

static void the_newest_time_is_told_by_brokers_that_know_it(void **state)
{
    (void)state;
    struct client_topic topic;
    int64_t times[FAKE_PARTITIONS];
    broker->partitions[1].newest_ms = 1234;
    begin();
    assert_true(client_topic(&client, "orders", CLIENT_TOPIC_LED, &topic));
    assert_true(client_newest(&client, &topic, times));
    assert_int_equal(times[0], -1);
    assert_int_equal(times[1], 1234);
    client_topic_free(&topic);
    client_close(&client);
    fake_broker_stop(broker);
    broker->version_max[API_LIST_OFFSETS] = 6;
    begin();
    assert_true(client_topic(&client, "orders", CLIENT_TOPIC_LED, &topic));
    assert_true(client_newest(&client, &topic, times));
    assert_int_equal(times[1], -1);
    client_topic_free(&topic);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, client_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(addresses_that_are_none_are_told),
        TEST(the_next_bootstrap_address_is_tried),
        TEST(a_node_that_is_started_again_is_waited_for),
        TEST(a_connection_that_closes_at_its_start_is_made_again),
        TEST(nobody_there_is_told_soon),
        TEST(long_waits_are_told_and_short_ones_are_not),
        TEST(a_topic_comes_with_partitions_and_leaders),
        TEST(every_version_of_metadata_gives_the_topic),
        TEST(an_unknown_topic_is_told_at_once),
        TEST(errors_that_pass_are_waited_for),
        TEST(a_lost_connection_is_made_again),
        TEST(offsets_of_all_partitions_are_told),
        TEST(the_newest_time_is_told_by_brokers_that_know_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
