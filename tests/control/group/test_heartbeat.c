#include "tests/control/group/consumer_bench.h"

static void the_first_member_gets_all_of_its_topics(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    bench_topic(bench, "u", 1);
    BEAT(.member = "a", .topics = "u t nothing t", .rack = "r");
    bench_expect(bench, "a: beat NONE epoch 1 [t/0 t/1 u/0]\n"
                        "+ member g a nothing+t+u in r\n"
                        "+ epoch g 1\n"
                        "+ target g a [t/0 t/1 u/0]\n"
                        "+ targets g 1\n"
                        "+ has g a 1<0 stable [t/0 t/1 u/0]\n");
    BEAT(.member = "a", .epoch = 1);
    bench_expect(bench, "a: beat NONE epoch 1\n");
}

static void two_members_share_in_three_steps(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 4);
    BEAT(.member = "a");
    bench_forget(bench);
    BEAT(.member = "b");
    bench_expect(bench, "b: beat NONE epoch 2 []\n"
                        "+ member g b t\n"
                        "+ epoch g 2\n"
                        "+ target g a [t/0 t/1]\n"
                        "+ target g b [t/2 t/3]\n"
                        "+ targets g 2\n"
                        "+ has g b 2<0 unreleased []\n");
    BEAT(.member = "a", .epoch = 1);
    BEAT(.member = "b", .epoch = 2);
    bench_expect(bench, "a: beat NONE epoch 1 [t/0 t/1]\n"
                        "+ has g a 1<1 unrevoked [t/0 t/1] -[t/2 t/3]\n"
                        "b: beat NONE epoch 2\n"
                        "+ has g b 2<2 unreleased []\n");
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1 t/2");
    bench_expect(bench, "a: beat NONE epoch 1\n");
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1");
    BEAT(.member = "b", .epoch = 2);
    bench_expect(bench, "a: beat NONE epoch 2\n"
                        "+ has g a 2<1 stable [t/0 t/1]\n"
                        "b: beat NONE epoch 2 [t/2 t/3]\n"
                        "+ has g b 2<2 stable [t/2 t/3]\n");
}

static void who_leaves_makes_room(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    BEAT(.member = "b");
    BEAT(.member = "a", .epoch = 1, .owned = "t/0");
    BEAT(.member = "b", .epoch = 2);
    bench_forget(bench);
    BEAT(.member = "a", .epoch = -1);
    BEAT(.member = "b", .epoch = 2);
    bench_expect(bench, "a: beat NONE epoch -1\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 3\n"
                        "b: beat NONE epoch 3 [t/0 t/1]\n"
                        "+ target g b [t/0 t/1]\n"
                        "+ targets g 3\n"
                        "+ has g b 3<2 stable [t/0 t/1]\n");
    BEAT(.member = "b", .epoch = -1);
    bench_expect(bench, "b: beat NONE epoch -1\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ epoch g 4\n");
    BEAT(.member = "b", .epoch = -1);
    bench_expect(bench, "b: beat UNKNOWN_MEMBER_ID\n");
}

static void a_static_member_comes_back_to_what_it_had(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a", .instance = "i");
    BEAT(.member = "x", .instance = "i");
    bench_expect(bench, "a: beat NONE epoch 1 [t/0 t/1]\n"
                        "+ member g a t as i\n"
                        "+ epoch g 1\n"
                        "+ target g a [t/0 t/1]\n"
                        "+ targets g 1\n"
                        "+ has g a 1<0 stable [t/0 t/1]\n"
                        "x: beat UNRELEASED_INSTANCE_ID\n");
    BEAT(.member = "a", .instance = "i", .epoch = -2);
    bench_expect(bench, "a: beat NONE epoch -2\n"
                        "+ has g a -2<0 stable [t/0 t/1]\n");
    BEAT(.member = "b", .instance = "i");
    bench_expect(bench, "b: beat NONE epoch 1 [t/0 t/1]\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ member g b t as i\n"
                        "+ target g b [t/0 t/1]\n"
                        "+ has g b 0<0 stable [t/0 t/1]\n"
                        "+ has g b 1<0 stable [t/0 t/1]\n");
    BEAT(.member = "a", .instance = "i", .epoch = 1);
    BEAT(.member = "a", .instance = "i", .epoch = -1);
    BEAT(.member = "b", .instance = "j", .epoch = 1);
    BEAT(.member = "b", .instance = "i", .epoch = 1);
    bench_expect(bench, "a: beat FENCED_INSTANCE_ID\n"
                        "a: beat FENCED_INSTANCE_ID\n"
                        "b: beat UNKNOWN_MEMBER_ID\n"
                        "b: beat NONE epoch 1\n");
    BEAT(.member = "b", .instance = "i", .epoch = -2);
    bench_forget(bench);
    bench_run_to(bench, bench->now_ms + 45000);
    bench_expect(bench, "@45000\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ epoch g 2\n");
}

static void who_is_silent_for_a_session_is_out(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.member = "a");
    bench_run_to(bench, 44999);
    BEAT(.member = "a", .epoch = 1);
    bench_forget(bench);
    bench_run_to(bench, 44999 + 44999);
    bench_expect(bench, "");
    bench_run_to(bench, 44999 + 45000);
    bench_expect(bench, "@89999\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 2\n");
}

static void a_group_may_have_a_session_of_its_own(void **state)
{
    struct group_bench *bench = *state;
    const struct group_config configs[] = {{bytes_of_string("g"), 0, 7000, 1234},
                                           {bytes_of_string("h"), 0, 8000, 0}};
    bench->settings.configs = configs;
    bench->settings.config_count = 2;
    BEAT(.member = "a");
    const struct consumer_group_heartbeat_response *answer = bench->update.replies[0].answer;
    assert_int_equal(answer->heartbeat_interval_ms, 1234);
    BEAT(.member = "b", .group = "h");
    BEAT(.member = "c", .group = "i");
    answer = bench->update.replies[0].answer;
    assert_int_equal(answer->heartbeat_interval_ms, 5000);
    bench_forget(bench);
    bench_run_to(bench, 44999);
    bench_expect(bench, "@7000\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 2\n"
                        "@8000\n"
                        "- has h b\n"
                        "- target h b\n"
                        "- member h b\n"
                        "+ epoch h 2\n");
}

static void who_does_not_give_up_in_time_is_out(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a", .rebalance_ms = 10000);
    BEAT(.member = "b");
    BEAT(.member = "a", .epoch = 1);
    bench_run_to(bench, 5000);
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/1");
    bench_forget(bench);
    bench_run_to(bench, 9999);
    bench_expect(bench, "");
    bench_run_to(bench, 10000);
    bench_expect(bench, "@10000\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 3\n");
    BEAT(.member = "b", .epoch = 2);
    bench_expect(bench, "b: beat NONE epoch 3 [t/0 t/1]\n"
                        "+ target g b [t/0 t/1]\n"
                        "+ targets g 3\n"
                        "+ has g b 3<2 stable [t/0 t/1]\n");
    BEAT(.member = "a", .epoch = 1);
    bench_expect(bench, "a: beat UNKNOWN_MEMBER_ID\n");
}

static void who_gives_up_in_time_stays(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a", .rebalance_ms = 10000);
    BEAT(.member = "b");
    BEAT(.member = "a", .epoch = 1);
    BEAT(.member = "a", .epoch = 1, .owned = "t/0");
    bench_forget(bench);
    bench_run_to(bench, 20000);
    bench_expect(bench, "");
}

static void a_lost_answer_is_given_again(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    BEAT(.member = "b");
    BEAT(.member = "b", .epoch = -1);
    BEAT(.member = "a", .epoch = 1);
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1, .topics = "t", .owned = "t/0 t/1", .rebalance_ms = 60000);
    bench_expect(bench, "a: beat NONE epoch 3 [t/0 t/1]\n");
    BEAT(.member = "a", .epoch = 1);
    BEAT(.member = "a", .epoch = 1, .owned = "t/0 t/7");
    BEAT(.member = "a", .epoch = 2, .owned = "");
    BEAT(.member = "a", .epoch = 4, .owned = "");
    bench_expect(bench, "a: beat FENCED_MEMBER_EPOCH\n"
                        "a: beat FENCED_MEMBER_EPOCH\n"
                        "a: beat FENCED_MEMBER_EPOCH\n"
                        "a: beat FENCED_MEMBER_EPOCH\n");
    BEAT(.member = "a");
    bench_expect(bench, "a: beat NONE epoch 3 [t/0 t/1]\n");
}

static void what_cannot_be_is_refused(void **state)
{
    struct group_bench *bench = *state;
    const struct {
        struct beat_said said;
        const char *error;
    } cases[] = {
        {{.member = " "}, "INVALID_REQUEST"},
        {{.member = "", .epoch = 1, .version = -1}, "INVALID_REQUEST"},
        {{.member = "", .epoch = -1, .version = -1}, "INVALID_REQUEST"},
        {{.group = " "}, "INVALID_REQUEST"},
        {{.instance = ""}, "INVALID_REQUEST"},
        {{.rack = ""}, "INVALID_REQUEST"},
        {{.rebalance_ms = -1}, "INVALID_REQUEST"},
        {{.owned = "t/0"}, "INVALID_REQUEST"},
        {{.epoch = -2}, "INVALID_REQUEST"},
        {{.epoch = -3, .instance = "i"}, "INVALID_REQUEST"},
        {{.assignor = "sticky"}, "UNSUPPORTED_ASSIGNOR"},
        {{.regex = "a("}, "INVALID_REGULAR_EXPRESSION"},
        {{.epoch = 1}, "GROUP_ID_NOT_FOUND"},
        {{.epoch = -1}, "GROUP_ID_NOT_FOUND"},
        {{.epoch = -2, .instance = "i"}, "GROUP_ID_NOT_FOUND"},
    };
    bench_topic(bench, "t", 1);
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bench_beat(bench, cases[i].said);
        const struct consumer_group_heartbeat_response *answer = bench->update.replies[0].answer;
        assert_string_equal(error_name(answer->error_code), cases[i].error);
        assert_false(chain_is_null(answer->error_message));
        assert_int_equal(bench->update.record_count, 0);
    }
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
}

static void old_members_are_given_their_id(void **state)
{
    struct group_bench *bench = *state;
    BEAT(.member = "", .version = -1);
    const struct consumer_group_heartbeat_response *answer = bench->update.replies[0].answer;
    assert_int_equal(answer->error_code, ERROR_NONE);
    assert_int_equal(answer->member_id.len, 22);
}

static void a_full_group_takes_nobody_else(void **state)
{
    struct group_bench *bench = *state;
    bench->settings.consumer_members_max = 2;
    BEAT(.member = "a");
    BEAT(.member = "b");
    bench_forget(bench);
    BEAT(.member = "c");
    BEAT(.member = "a");
    bench_expect(bench, "c: beat GROUP_MAX_SIZE_REACHED\n"
                        "a: beat NONE epoch 2 []\n"
                        "+ has g a 2<1 stable []\n");
}

static void an_empty_group_changes_its_protocol(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    COMMIT(.topics = "t/0=5", .generation = -1);
    bench_forget(bench);
    BEAT(.member = "a");
    bench_expect(bench, "a: beat NONE epoch 1 [t/0]\n"
                        "- group g\n"
                        "+ member g a t\n"
                        "+ epoch g 1\n"
                        "+ target g a [t/0]\n"
                        "+ targets g 1\n"
                        "+ has g a 1<0 stable [t/0]\n");
    JOIN(.client = "b", .type = "connect");
    bench_expect(bench, "b: join INCONSISTENT_GROUP_PROTOCOL as \n");
    BEAT(.member = "a", .epoch = -1);
    bench_forget(bench);
    JOIN(.client = "b");
    bench_expect(bench, "- targets g\n"
                        "- partitions g\n"
                        "- epoch g\n");
    BEAT(.member = "a");
    bench_expect(bench, "a: beat GROUP_ID_NOT_FOUND\n");
    FETCH(.topics = "t/0");
    bench_expect(bench, "a: fetch t/0=5\n");
}

static void classic_requests_find_no_member(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.member = "a");
    bench_forget(bench);
    SYNC(.member = "a", .generation = 1);
    HEARTBEAT(.member = "a", .generation = 1);
    bench_expect(bench, "a: sync UNKNOWN_MEMBER_ID\n"
                        "a: heartbeat UNKNOWN_MEMBER_ID\n");
}

static void members_commit_in_their_epoch(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.member = "a");
    bench_forget(bench);
    COMMIT(.member = "a", .generation = 1, .version = 9, .topics = "t/0=7");
    COMMIT(.member = "a", .generation = 2, .version = 9, .topics = "t/0=8");
    COMMIT(.member = "b", .generation = 1, .version = 9, .topics = "t/0=8");
    COMMIT(.member = "a", .generation = 1, .version = 8, .topics = "t/0=8");
    COMMIT(.generation = -1, .version = 9, .topics = "t/0=8");
    TXN(.member = "a", .generation = 2, .topics = "t/0=8");
    TXN(.member = "b", .generation = 2, .topics = "t/0=8");
    bench_expect(bench, "a: commit NONE\n"
                        "+ offset g t/0 = 7 \"\"\n"
                        "a: commit STALE_MEMBER_EPOCH\n"
                        "a: commit UNKNOWN_MEMBER_ID\n"
                        "a: commit UNSUPPORTED_VERSION\n"
                        "a: commit UNKNOWN_MEMBER_ID\n"
                        "a: txn ILLEGAL_GENERATION\n"
                        "a: txn UNKNOWN_MEMBER_ID\n");
    FETCH(.member = "a", .generation = 1, .version = 9, .topics = "t/0");
    FETCH(.member = "a", .generation = 0, .version = 9, .topics = "t/0");
    FETCH(.member = "b", .generation = 1, .version = 9, .topics = "t/0");
    FETCH(.topics = "t/0");
    bench_expect(bench, "a: fetch t/0=7\n"
                        "a: fetch STALE_MEMBER_EPOCH\n"
                        "a: fetch UNKNOWN_MEMBER_ID\n"
                        "a: fetch t/0=7\n");
}

static void a_deleted_group_leaves_no_record(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    BEAT(.member = "a", .regex = "t");
    bench_forget(bench);
    bench_group(bench, GROUP_DELETE, (struct said){0});
    bench_expect(bench, "a: delete NON_EMPTY_GROUP\n");
    BEAT(.member = "a", .epoch = -1);
    bench_forget(bench);
    bench_group(bench, GROUP_DELETE, (struct said){0});
    bench_expect(bench, "a: delete NONE\n"
                        "- targets g\n"
                        "- partitions g\n"
                        "- epoch g\n");
    bench_restart(bench);
    assert_int_equal(group_coordinator_counts(bench->coordinator).groups, 0);
}

static void expiry_takes_what_nobody_wants(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    COMMIT(.topics = "t/0=5 u/0=6", .generation = -1);
    BEAT(.member = "a");
    bench_forget(bench);
    bench->wall_ms += 8LL * 24 * 3600 * 1000;
    bench_event(bench, GROUP_EXPIRE);
    bench_expect(bench, "- offset g u/0\n");
    BEAT(.member = "a", .epoch = -1);
    bench_forget(bench);
    bench_event(bench, GROUP_EXPIRE);
    bench_expect(bench, "- offset g t/0\n"
                        "- targets g\n"
                        "- partitions g\n"
                        "- epoch g\n");
}

static void what_fits_into_no_record_is_refused(void **state)
{
    enum { NAME_BYTES = 30000, LONG = 34, HALF = 20 };
    static uint8_t text[LONG][NAME_BYTES];
    struct group_bench *bench = *state;
    const struct bytes group_id = bytes_of_string("g");
    const struct bytes member_id = bytes_of_string("a");
    struct consumer_group_heartbeat_request request = consumer_group_heartbeat_request_default;
    struct bytes pieces[LONG];
    struct chain names[LONG];
    for (uint32_t i = 0; i < LONG; i++) {
        text[i][0] = (uint8_t)i;
        pieces[i] = (struct bytes){text[i], NAME_BYTES};
        names[i] = chain_of(&pieces[i]);
    }
    request.group_id = chain_of(&group_id);
    request.member_id = chain_of(&member_id);
    request.rebalance_timeout_ms = 60000;
    request.topic_partitions.count = 0;
    /* The same again is not twice as much. */
    static const struct {
        int32_t names;
        int32_t epoch;
        int16_t error;
    } steps[] = {{LONG, 0, ERROR_UNKNOWN_SERVER_ERROR},
                 {HALF, 0, ERROR_NONE},
                 {HALF, 1, ERROR_NONE},
                 {LONG, 1, ERROR_UNKNOWN_SERVER_ERROR}};
    for (uint32_t i = 0; i < ARRAY_SIZE(steps); i++) {
        request.subscribed_topic_names =
            (struct string_array){.items = names, .count = steps[i].names};
        request.member_epoch = steps[i].epoch;
        const struct group_event event = {
            .kind = GROUP_CONSUMER_HEARTBEAT, .version = 1, .consumer_heartbeat = &request};
        struct arena arena = {0};
        struct group_update update = {.arena = &arena};
        group_step(bench->coordinator, &event, &update);
        const struct consumer_group_heartbeat_response *answer = update.replies[0].answer;
        assert_int_equal(answer->error_code, steps[i].error);
        assert_int_equal(group_coordinator_counts(bench->coordinator).groups, i > 0);
        arena_free(&arena);
    }
}

/* Kafka's log takes no record of that size, and nothing of the heartbeat is done. */
static void more_partitions_than_a_record_holds_are_refused_and_nothing_has_changed(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    bench_topic(bench, "big", 260000);
    BEAT(.member = "b", .topics = "big");
    BEAT(.group = "h", .member = "b", .topics = "", .regex = "b.*");
    bench_list(bench, NULL, NULL);
    BEAT(.member = "a");
    bench_forget(bench);
    BEAT(.member = "b", .topics = "big");
    BEAT(.member = "b", .topics = "", .regex = "b.*");
    BEAT(.member = "a", .epoch = 1, .topics = "big t");
    BEAT(.member = "a", .epoch = 1, .regex = "b.*");
    BEAT(.member = "a", .epoch = 1);
    bench_expect(bench, "b: beat UNKNOWN_SERVER_ERROR\n"
                        "b: beat UNKNOWN_SERVER_ERROR\n"
                        "a: beat UNKNOWN_SERVER_ERROR\n"
                        "a: beat UNKNOWN_SERVER_ERROR\n"
                        "a: beat NONE epoch 1\n");
    BEAT(.member = "b", .topics = "t");
    bench_expect(bench, "b: beat NONE epoch 2 []\n"
                        "+ member g b t\n"
                        "+ epoch g 2\n"
                        "+ target g a [t/0]\n"
                        "+ target g b [t/1]\n"
                        "+ targets g 2\n"
                        "+ has g b 2<0 unreleased []\n");
}

static void members_who_share_what_one_cannot_have_get_it(void **state)
{
    struct group_bench *bench = *state;
    bench->quiet = true;
    bench_topic(bench, "big", 200000);
    BEAT(.member = "a", .topics = "big");
    BEAT(.member = "b", .topics = "big", .instance = "i");
    bench_topic(bench, "big", 260000);
    BEAT(.member = "c", .topics = "big");
    BEAT(.member = "b", .instance = "i", .epoch = -2);
    BEAT(.member = "d", .topics = "big", .instance = "i");
    bench->quiet = false;
    bench_list(bench, NULL, NULL);
    bench_expect(bench, "admin: list g=Reconciling/consumer\n");
}

/* It is as if its members had not been heard, but for their sessions. */
static void a_topic_that_grows_beyond_a_record_moves_nobody(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    bench_topic(bench, "t", 260000);
    bench_forget(bench);
    BEAT(.member = "a", .epoch = 1);
    bench_run_to(bench, bench->now_ms + 40000);
    BEAT(.member = "a", .epoch = 1);
    bench_run_to(bench, bench->now_ms + 40000);
    COMMIT(.client = "a", .member = "a", .generation = 1, .version = 9, .topics = "t/0=5");
    bench_expect(bench, "a: beat UNKNOWN_SERVER_ERROR\n"
                        "+ epoch g 2\n"
                        "a: beat UNKNOWN_SERVER_ERROR\n"
                        "a: commit NONE\n"
                        "+ offset g t/0 = 5 \"\"\n");
    bench_restart(bench);
    bench_topic(bench, "t", 3);
    BEAT(.member = "a", .epoch = 1);
    bench_expect(bench, "a: beat NONE epoch 3 [t/0 t/1 t/2]\n"
                        "+ epoch g 3\n"
                        "+ target g a [t/0 t/1 t/2]\n"
                        "+ targets g 3\n"
                        "+ has g a 3<1 stable [t/0 t/1 t/2]\n");
}

static void an_administrator_removes_members_the_classic_way(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 3);
    BEAT(.member = "a");
    BEAT(.member = "b", .instance = "i");
    BEAT(.member = "c");
    bench_forget(bench);
    LEAVE(.client = "admin", .member = "nobody");
    LEAVE(.client = "admin", .instance = "j");
    LEAVE(.client = "admin", .member = "a", .instance = "i");
    LEAVE(.client = "admin", .version = 2, .member = "nobody");
    bench_expect(bench, "admin: leave NONE UNKNOWN_MEMBER_ID\n"
                        "admin: leave NONE UNKNOWN_MEMBER_ID\n"
                        "admin: leave NONE FENCED_INSTANCE_ID\n"
                        "admin: leave UNKNOWN_MEMBER_ID\n");
    LEAVE(.client = "admin", .instance = "i");
    bench_expect(bench, "admin: leave NONE NONE\n"
                        "- has g b\n"
                        "- target g b\n"
                        "- member g b\n"
                        "+ epoch g 4\n");
    LEAVE(.client = "admin", .version = 2, .member = "a");
    bench_expect(bench, "admin: leave NONE\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 5\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_member_gets_all_of_its_topics),
        TEST(two_members_share_in_three_steps),
        TEST(who_leaves_makes_room),
        TEST(a_static_member_comes_back_to_what_it_had),
        TEST(who_is_silent_for_a_session_is_out),
        TEST(a_group_may_have_a_session_of_its_own),
        TEST(who_does_not_give_up_in_time_is_out),
        TEST(who_gives_up_in_time_stays),
        TEST(a_lost_answer_is_given_again),
        TEST(what_cannot_be_is_refused),
        TEST(old_members_are_given_their_id),
        TEST(a_full_group_takes_nobody_else),
        TEST(an_empty_group_changes_its_protocol),
        TEST(classic_requests_find_no_member),
        TEST(members_commit_in_their_epoch),
        TEST(a_deleted_group_leaves_no_record),
        TEST(expiry_takes_what_nobody_wants),
        TEST(what_fits_into_no_record_is_refused),
        TEST(more_partitions_than_a_record_holds_are_refused_and_nothing_has_changed),
        TEST(members_who_share_what_one_cannot_have_get_it),
        TEST(a_topic_that_grows_beyond_a_record_moves_nobody),
        TEST(an_administrator_removes_members_the_classic_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
