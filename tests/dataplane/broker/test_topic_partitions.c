#include "tests/dataplane/broker/rig.h"

#include <stdio.h>

static struct rig *rig_of_three(void)
{
    struct rig *rig = rig_create(&(struct rig_options){.seed = 3});
    rig_topic(rig, "c", 3);
    rig_topic(rig, "a", 4);
    rig_topic(rig, "b", 5);
    rig_publish(rig);
    return rig;
}

/* Writes what a page says as "a:0,1 b:0 |b:1": topics, partitions, the cursor. */
static const char *page(struct client *client,
                        const struct describe_topic_partitions_request *request)
{
    static char text[512];
    struct describe_topic_partitions_response response;
    struct describe_topic_partitions_response_topic topic;
    struct describe_topic_partitions_response_partition partition;
    size_t at = 0;
    text[0] = 0;
    CALL(client, DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions, 0, request, &response);
    while (describe_topic_partitions_response_topic_array_next(&response.topics, &topic)) {
        char name[8] = "";
        chain_copy(topic.name, name, topic.name.len);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s:", name);
        if (topic.error_code != ERROR_NONE) {
            at += (size_t)snprintf(text + at, sizeof(text) - at, "!%d", topic.error_code);
        }
        while (describe_topic_partitions_response_partition_array_next(&topic.partitions,
                                                                       &partition)) {
            assert_int_equal(partition.leader_id, RIG_NODE_ID);
            assert_int_equal(partition.leader_epoch, 5);
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%d", partition.partition_index);
        }
        at += (size_t)snprintf(text + at, sizeof(text) - at, " ");
    }
    if (response.has_next_cursor) {
        char name[8] = "";
        chain_copy(response.next_cursor.topic_name, name, response.next_cursor.topic_name.len);
        (void)snprintf(text + at, sizeof(text) - at, "|%s:%d", name,
                       response.next_cursor.partition_index);
    }
    return text;
}

/* clang-format off */
static const struct {
    const char *what;
    const char *names[4]; /* None: all. */
    int32_t limit;
    const char *cursor;
    int32_t cursor_index;
    const char *want;
} cases[] = {
    {"all",                           {NULL},           2000, NULL, 0, "a:0123 b:01234 c:012 "},
    {"the limit cuts inside a topic", {NULL},           6,    NULL, 0, "a:0123 b:01 |b:2"},
    {"the limit cuts between topics", {NULL},           4,    NULL, 0, "a:0123 |b:0"},
    {"a limit below one is one",      {NULL},           -5,   NULL, 0, "a:0 |a:1"},
    {"a cursor goes on",              {NULL},           6,    "b",  2, "b:234 c:012 "},
    {"a cursor between topics",       {NULL},           2,    "aa", 7, "b:01 |b:2"},
    {"a cursor behind the end",       {NULL},           2,    "z",  0, ""},
    {"names are sorted, each once",   {"c", "a", "c"},  2000, NULL, 0, "a:0123 c:012 "},
    {"missing and bad names",         {"x", "b/", "a"}, 2000, NULL, 0, "a:0123 b/:!17 x:!3 "},
    {"names from the cursor on",      {"a", "b", "c"},  4,    "b",  3, "b:34 c:01 |c:2"},
    {"the cursor's index over all",   {"a", "b"},       9,    "a",  9, "a: b:01234 "},
};
/* clang-format on */

static void B15_pages_follow_each_other_by_name_and_partition(void **state)
{
    (void)state;
    struct rig *rig = rig_of_three();
    struct client *client = client_connect(rig, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct describe_topic_partitions_request_topic topics[4];
        struct describe_topic_partitions_request request =
            describe_topic_partitions_request_default;
        request.topics.items = topics;
        request.topics.count = 0;
        while (request.topics.count < 4 && cases[i].names[request.topics.count] != NULL) {
            topics[request.topics.count].name = text_chain(cases[i].names[request.topics.count]);
            request.topics.count++;
        }
        request.response_partition_limit = cases[i].limit;
        if (cases[i].cursor != NULL) {
            request.has_cursor = true;
            request.cursor.topic_name = text_chain(cases[i].cursor);
            request.cursor.partition_index = cases[i].cursor_index;
        }
        assert_string_equal(page(client, &request), cases[i].want);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B15_the_brokers_limit_cuts_too(void **state)
{
    (void)state;
    struct rig *rig = rig_of_three();
    struct client *client = client_connect(rig, 0);
    struct describe_topic_partitions_request request = describe_topic_partitions_request_default;
    rig->next.settings.partition_page_max = 5;
    rig_publish(rig);
    assert_string_equal(page(client, &request), "a:0123 b:0 |b:1");
    client_free(client);
    rig_destroy(rig);
}

static void B15_a_cursor_that_fits_nothing_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_of_three();
    struct client *client = client_connect(rig, 0);
    struct describe_topic_partitions_request_topic topic = {.name = text_chain("a")};
    struct describe_topic_partitions_request request = describe_topic_partitions_request_default;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.has_cursor = true;
    request.cursor.topic_name = text_chain("b");
    assert_string_equal(page(client, &request), "a:!42 ");
    request.cursor.topic_name = text_chain("a");
    request.cursor.partition_index = -1;
    assert_string_equal(page(client, &request), "a:!42 ");
    client_free(client);
    rig_destroy(rig);
}

static void a_topic_is_told_when_it_can_be_written_to(void **state)
{
    (void)state;
    struct rig *rig = rig_of_three();
    struct describe_topic_partitions_request_topic topic =
        describe_topic_partitions_request_topic_default;
    struct describe_topic_partitions_request request = describe_topic_partitions_request_default;
    rig_topic(rig, "bb", 1);
    rig_publish_only(rig);
    rig_run_ms(rig, 500);
    struct client *client = client_connect(rig, 0);
    topic.name = text_chain("bb");
    request.topics.items = &topic;
    request.response_partition_limit = 2000;
    request.topics.count = 1;
    assert_string_equal(page(client, &request), "bb:!3 ");
    request.topics.count = 0; /* All. */
    assert_string_equal(page(client, &request), "a:0123 b:01234 c:012 ");
    request.response_partition_limit = 10;
    assert_string_equal(page(client, &request), "a:0123 b:01234 c:0 |c:1");
    rig_publish(rig);
    assert_string_equal(page(client, &request), "a:0123 b:01234 bb:0 |c:0");
    request.topics.count = 1;
    assert_string_equal(page(client, &request), "bb:0 ");
    client_free(client);
    rig_destroy(rig);
}

static void added_partitions_are_told_when_they_can_be_written_to(void **state)
{
    (void)state;
    struct rig *rig = rig_of_three();
    struct describe_topic_partitions_request request = describe_topic_partitions_request_default;
    request.response_partition_limit = 2000;
    rig_find(rig, "a")->partitions[2].exists = false;
    rig_find(rig, "a")->partitions[3].exists = false;
    rig_publish_only(rig);
    rig_run_ms(rig, 500);
    struct client *client = client_connect(rig, 0);
    assert_string_equal(page(client, &request), "a:01 b:01234 c:012 ");
    request.response_partition_limit = 3; /* What is not told does not count. */
    assert_string_equal(page(client, &request), "a:01 b:0 |b:1");
    rig_find(rig, "a")->partitions[2].exists = true;
    rig_find(rig, "a")->partitions[3].exists = true;
    rig_publish_only(rig);
    rig_run_ms(rig, 500);
    assert_string_equal(page(client, &request), "a:012 |a:3");
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_is_told_when_it_can_be_written_to),
        cmocka_unit_test(added_partitions_are_told_when_they_can_be_written_to),
        cmocka_unit_test(B15_pages_follow_each_other_by_name_and_partition),
        cmocka_unit_test(B15_the_brokers_limit_cuts_too),
        cmocka_unit_test(B15_a_cursor_that_fits_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
