#include <stdio.h>

#include "tests/control/group/consumer_bench.h"

/* The values are what Kafka's own library makes of the same topic. */
static void the_hash_of_topics_is_that_of_kafka(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "topic-\xc3\xa9", 3);
    const struct uuid id = {{1, 2, 3, 4, 5, 6, 7, 8, 17, 18, 19, 20, 21, 22, 23, 24}};
    bench->topic_items[0].id = id;
    BEAT(.topics = "nothing");
    assert_int_equal(bench->metadata_hash, 0);
    BEAT(.topics = "topic-\xc3\xa9", .epoch = 1);
    assert_true((uint64_t)bench->metadata_hash == 0xa7cde8c08b99748b);
}

static void racks_are_in_the_hash(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    const struct uuid id = {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2}};
    bench->topic_items[0].id = id;
    bench->all_topics.rack = bytes_of_string("r1");
    BEAT(.topics = "t");
    assert_true((uint64_t)bench->metadata_hash == 0x882650f801f07cca);
}

static void a_topic_that_grows_goes_or_comes_begins_an_epoch(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.topics = "t u");
    bench_forget(bench);
    bench_topic(bench, "other", 1);
    BEAT(.epoch = 1);
    bench_expect(bench, "a: beat NONE epoch 1\n");
    bench_topic(bench, "t", 2);
    BEAT(.epoch = 1);
    bench_expect(bench, "a: beat NONE epoch 2 [t/0 t/1]\n"
                        "+ epoch g 2\n"
                        "+ target g a [t/0 t/1]\n"
                        "+ targets g 2\n"
                        "+ has g a 2<1 stable [t/0 t/1]\n");
    bench_topic(bench, "u", 1);
    BEAT(.epoch = 2);
    bench_expect(bench, "a: beat NONE epoch 3 [t/0 t/1 u/0]\n"
                        "+ epoch g 3\n"
                        "+ target g a [t/0 t/1 u/0]\n"
                        "+ targets g 3\n"
                        "+ has g a 3<2 stable [t/0 t/1 u/0]\n");
    bench_topic(bench, "t", 0);
    BEAT(.epoch = 3, .owned = "t/0 t/1 u/0");
    bench_expect(bench, "a: beat NONE epoch 3 [u/0]\n"
                        "+ epoch g 4\n"
                        "+ target g a [u/0]\n"
                        "+ targets g 4\n"
                        "+ has g a 3<3 unrevoked [u/0] -[t/0 t/1]\n");
    BEAT(.epoch = 3, .owned = "u/0");
    bench_expect(bench, "a: beat NONE epoch 4\n"
                        "+ has g a 4<3 stable [u/0]\n");
}

static void a_regular_expression_wants_what_matches(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t1", 1);
    bench_topic(bench, "t2", 1);
    bench_topic(bench, "u", 1);
    BEAT(.member = "a", .regex = "t\\d");
    bench_expect(bench, "a: beat NONE epoch 1 [t1/0 t2/0]\n"
                        "+ member g a  ~t\\d\n"
                        "+ regex g t\\d = t1+t2\n"
                        "+ epoch g 1\n"
                        "+ target g a [t1/0 t2/0]\n"
                        "+ targets g 1\n"
                        "+ has g a 1<0 stable [t1/0 t2/0]\n");
    BEAT(.member = "b", .regex = "t\\d", .topics = "u");
    bench_expect(bench, "b: beat NONE epoch 2 [u/0]\n"
                        "+ member g b u ~t\\d\n"
                        "+ epoch g 2\n"
                        "+ target g b [u/0]\n"
                        "+ targets g 2\n"
                        "+ has g b 2<0 stable [u/0]\n");
    BEAT(.member = "a", .epoch = 1, .regex = "");
    BEAT(.member = "a", .epoch = 1, .owned = "");
    bench_expect(bench, "a: beat NONE epoch 1 []\n"
                        "+ member g a \n"
                        "+ epoch g 3\n"
                        "+ target g a []\n"
                        "+ target g b [t1/0 t2/0 u/0]\n"
                        "+ targets g 3\n"
                        "+ has g a 1<1 unrevoked [] -[t1/0 t2/0]\n"
                        "a: beat NONE epoch 3\n"
                        "+ has g a 3<1 stable []\n");
    BEAT(.member = "b", .epoch = -1);
    bench_expect(bench, "b: beat NONE epoch -1\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "- regex g t\\d\n"
                        "+ epoch g 4\n");
}

static void a_member_may_take_another_expression(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    bench_topic(bench, "u", 1);
    BEAT(.regex = "t");
    bench_forget(bench);
    BEAT(.epoch = 1, .regex = "u(");
    bench_expect(bench, "a: beat INVALID_REGULAR_EXPRESSION\n");
    BEAT(.epoch = 1, .regex = "u", .owned = "t/0");
    bench_expect(bench, "a: beat NONE epoch 1 []\n"
                        "+ member g a  ~u\n"
                        "- regex g t\n"
                        "+ regex g u = u\n"
                        "+ epoch g 2\n"
                        "+ target g a [u/0]\n"
                        "+ targets g 2\n"
                        "+ has g a 1<1 unrevoked [] -[t/0]\n");
    BEAT(.epoch = 1, .owned = "");
    bench_expect(bench, "a: beat NONE epoch 2 [u/0]\n"
                        "+ has g a 2<1 stable [u/0]\n");
    BEAT(.epoch = 2, .regex = "u");
    bench_expect(bench, "a: beat NONE epoch 2\n");
}

static void new_topics_are_looked_at_every_ten_seconds(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t1", 1);
    BEAT(.regex = "t.");
    bench_forget(bench);
    bench_topic(bench, "t2", 1);
    bench_run_to(bench, 10000);
    BEAT(.epoch = 1);
    bench_expect(bench, "a: beat NONE epoch 1\n");
    bench_run_to(bench, 10001);
    BEAT(.epoch = 1);
    bench_expect(bench, "a: beat NONE epoch 2 [t1/0 t2/0]\n"
                        "+ regex g t. = t1+t2\n"
                        "+ epoch g 2\n"
                        "+ target g a [t1/0 t2/0]\n"
                        "+ targets g 2\n"
                        "+ has g a 2<1 stable [t1/0 t2/0]\n");
    /* One that is gone is taken out at once, and of the expression at the next look. */
    bench_topic(bench, "t1", 0);
    BEAT(.epoch = 2, .owned = "t2/0");
    bench_expect(bench, "a: beat NONE epoch 3 [t2/0]\n"
                        "+ epoch g 3\n"
                        "+ target g a [t2/0]\n"
                        "+ targets g 3\n"
                        "+ has g a 3<2 stable [t2/0]\n");
    bench_run_to(bench, 40000);
    BEAT(.epoch = 3);
    bench_run_to(bench, 610002);
    BEAT(.epoch = 0, .regex = "t.");
    bench_expect(bench, "a: beat NONE epoch 3\n"
                        "@85000\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "- regex g t.\n"
                        "+ epoch g 4\n"
                        "a: beat NONE epoch 5 [t2/0]\n"
                        "+ member g a  ~t.\n"
                        "+ regex g t. = t2\n"
                        "+ epoch g 5\n"
                        "+ target g a [t2/0]\n"
                        "+ targets g 5\n"
                        "+ has g a 5<0 stable [t2/0]\n");
}

static void an_expression_is_looked_at_again_after_a_restart(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t1", 1);
    BEAT(.regex = "t.");
    bench_topic(bench, "t2", 1);
    bench_restart(bench);
    bench_forget(bench);
    BEAT(.epoch = 1);
    bench_expect(bench, "a: beat NONE epoch 2 [t1/0 t2/0]\n"
                        "+ regex g t. = t1+t2\n"
                        "+ epoch g 2\n"
                        "+ target g a [t1/0 t2/0]\n"
                        "+ targets g 2\n"
                        "+ has g a 2<1 stable [t1/0 t2/0]\n");
}

static uint32_t expressions_recorded(struct group_bench *bench)
{
    uint32_t count = 0;
    for (const char *at = strstr(bench->trace, "+ regex"); at != NULL;
         at = strstr(at + 1, "+ regex")) {
        count++;
    }
    bench_forget(bench);
    return count;
}

/* 250 members with an expression each, 501 topics: one step looks at 100,000 names again. */
static void many_expressions_are_looked_at_again_in_several_steps(void **state)
{
    enum { MEMBERS = 250, TOPICS = 500, AT_ONCE = 200 };
    struct group_bench *bench = *state;
    bench_topics(bench, "t", TOPICS);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        char name[16];
        char regex[16];
        (void)snprintf(name, sizeof(name), "m%u", i);
        (void)snprintf(regex, sizeof(regex), "new|x%u", i);
        BEAT(.member = name, .regex = regex);
        assert_int_equal(expressions_recorded(bench), 1); /* What is new does not wait. */
    }
    bench_topic(bench, "new", 1);
    bench_run_to(bench, 10001);
    BEAT(.member = "m0", .epoch = 1);
    assert_int_equal(expressions_recorded(bench), AT_ONCE);
    BEAT(.member = "m1", .epoch = 1);
    assert_int_equal(expressions_recorded(bench), MEMBERS - AT_ONCE);
    BEAT(.member = "m2", .epoch = 1);
    assert_int_equal(expressions_recorded(bench), 0);
}

static void offsets_of_topics_that_are_wanted_stay(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    bench_topic(bench, "u", 1);
    COMMIT(.topics = "t/0=1 u/0=1 v/0=1", .generation = -1);
    BEAT(.member = "a", .topics = "t");
    BEAT(.member = "b", .regex = "u");
    bench_forget(bench);
    bench_offset_delete(bench, (struct said){.topics = "t/0 u/0 v/0"});
    bench_expect(bench, "a: forget NONE GROUP_SUBSCRIBED_TO_TOPIC GROUP_SUBSCRIBED_TO_TOPIC NONE\n"
                        "- offset g v/0\n");
}

/* A record that is larger than a batch would take the whole coordinator away. */
static void what_matches_is_recorded_as_far_as_it_fits(void **state)
{
    enum { TOPICS = 6000, NAME_BYTES = 249, RECORD_BYTES_MAX = 1024 * 1024 };
    static char names[TOPICS][NAME_BYTES + 1];
    static struct group_topic items[TOPICS];
    static uint32_t by_id[TOPICS];
    struct group_bench *bench = *state;
    struct consumer_group_heartbeat_request request = consumer_group_heartbeat_request_default;
    const struct group_topics all = {
        .version = 1, .created = 1, .items = items, .by_id = by_id, .count = TOPICS};
    for (uint32_t i = 0; i < TOPICS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "t%0248u", i);
        items[i] = (struct group_topic){.name = bytes_of_string(names[i]), .partition_count = 1};
        items[i].id.bytes[14] = (uint8_t)(i >> 8);
        items[i].id.bytes[15] = (uint8_t)i;
        by_id[i] = i;
    }
    request.group_id = CHAIN_TEXT("g");
    request.member_id = CHAIN_TEXT("a");
    request.subscribed_topic_regex = CHAIN_TEXT("t.*");
    request.subscribed_topic_names.count = -1;
    request.rebalance_timeout_ms = 60000;
    request.topic_partitions.count = 0;
    const struct group_event event = {.kind = GROUP_CONSUMER_HEARTBEAT,
                                      .version = 1,
                                      .consumer_heartbeat = &request,
                                      .all_topics = &all};
    struct arena arena = {0};
    struct group_update update = {.arena = &arena};
    group_step(bench->coordinator, &event, &update);
    const struct consumer_group_heartbeat_response *answer = update.replies[0].answer;
    assert_int_equal(answer->error_code, ERROR_NONE);
    assert_int_equal(answer->assignment.topic_partitions.count, TOPICS); /* All of them. */
    for (uint32_t i = 0; i < update.record_count; i++) {
        assert_true(update.records[i].key.len + update.records[i].value.len < RECORD_BYTES_MAX);
    }
    arena_free(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_hash_of_topics_is_that_of_kafka),
        TEST(racks_are_in_the_hash),
        TEST(a_topic_that_grows_goes_or_comes_begins_an_epoch),
        TEST(a_regular_expression_wants_what_matches),
        TEST(a_member_may_take_another_expression),
        TEST(new_topics_are_looked_at_every_ten_seconds),
        TEST(an_expression_is_looked_at_again_after_a_restart),
        TEST(what_matches_is_recorded_as_far_as_it_fits),
        TEST(many_expressions_are_looked_at_again_in_several_steps),
        TEST(offsets_of_topics_that_are_wanted_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
