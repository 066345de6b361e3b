#include "control/serve/groups.h"

#include "dataplane/mail/ring.h"
#include "tests/control/serve/serve_bench.h"

static struct bench *restarted(struct bench *bench)
{
    bench_stop_control(bench);
    bench_start_control(bench);
    bench_turns(bench, 100);
    return bench;
}

static void committed_offsets_are_there_after_control_was_killed(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    int16_t error;
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(commit_offset(bench, "g", "t", i, 100 + i), ERROR_NONE);
        assert_int_equal(commit_offset(bench, "other", "t", i, 200 + i), ERROR_NONE);
    }
    restarted(bench);
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(fetch_offset(bench, "g", "t", i, &error), 100 + i);
        assert_int_equal(fetch_offset(bench, "other", "t", i, &error), 200 + i);
    }
    assert_true(groups_counters(bench->control->groups).records_replayed >= 8);
    bench_free(bench);
}

/* Does not wait for the answer. */
static uint64_t commit_begin(struct bench *bench, const char *group, int64_t offset)
{
    static uint8_t body[256];
    struct writer writer;
    struct offset_commit_request_partition item = {.partition_index = 1,
                                                   .committed_offset = offset};
    struct offset_commit_request_topic named = offset_commit_request_topic_default;
    struct offset_commit_request request = offset_commit_request_default;
    item.committed_metadata = text_of("");
    named.name = text_of("t");
    named.partitions.items = &item;
    named.partitions.count = 1;
    request.group_id = text_of(group);
    request.topics.items = &named;
    request.topics.count = 1;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(offset_commit_request_encode(&writer, 8, &request), CODEC_OK);
    return bench_send(bench, API_OFFSET_COMMIT, 8, (struct bytes){body, writer_used(&writer)});
}

static void no_commit_is_answered_before_it_is_durable(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    int16_t error;
    bench->holds_appends = true;
    const uint64_t number = commit_begin(bench, "g", 7);
    bench_turns(bench, 20);
    assert_int_not_equal(bench->reply_number, number);
    assert_int_equal(bench->held_count, 1);
    bench_release(bench);
    bench_turns(bench, 3);
    assert_int_equal(bench->reply_number, number);
    bench->holds_appends = false;
    assert_int_equal(fetch_offset(bench, "g", "t", 1, &error), 7);
    bench_free(bench);
}

enum { GATHERED = 40 };

/* Commits of so many groups, of which the first one's is out, for each core. */
static void commits_begin_behind_others(struct bench *bench, uint32_t *out)
{
    char group[16];
    const uint32_t replies = bench->replies;
    bench->holds_appends = true;
    for (uint32_t i = 0; i < GATHERED; i++) {
        (void)snprintf(group, sizeof(group), "g%u", i);
        (void)commit_begin(bench, group, i);
        bench_turns(bench, i == 0 ? 2 : 0);
    }
    bench_turns(bench, 2); /* They arrive, and go on the way. */
    *out = bench->held_count;
    assert_int_equal(bench->replies, replies);
}

/* Of each core; at most the other core's were not held up. */
static void records_that_come_beside_others_leave_together(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    uint32_t out;
    int16_t error;
    bench_turns(bench, 10);
    const uint64_t appends = groups_counters(bench->control->groups).appends;
    const uint32_t replies = bench->replies;
    commits_begin_behind_others(bench, &out);
    assert_in_range(out, 1, GATHERED / 2 + 10);
    bench_release(bench);
    bench_turn(bench); /* The answers arrive, */
    bench_turn(bench); /* and what has gathered leaves at once, a batch of each partition. */
    assert_in_range(bench->held_count, 5, GATHERED - 1);
    const uint32_t together = bench->held_count;
    bench_turns(bench, 20);
    assert_int_equal(bench->held_count, together);
    bench_release(bench);
    bench_turns(bench, 3);
    assert_int_equal(bench->replies, replies + GATHERED);
    assert_int_equal(groups_counters(bench->control->groups).appends, appends + out + together);
    bench->holds_appends = false;
    for (uint32_t i = 0; i < GATHERED; i++) {
        char group[16];
        (void)snprintf(group, sizeof(group), "g%u", i);
        assert_int_equal(fetch_offset(bench, group, "t", 1, &error), i);
    }
    bench_free(bench);
}

static void a_stuck_device_does_not_hold_up_records_of_others(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    uint32_t out;
    bench_turns(bench, 10);
    commits_begin_behind_others(bench, &out);
    bench_turns(bench, GROUP_GATHER_MS_MAX + 2);
    assert_true(bench->held_count > out + 5);
    bench->holds_appends = false;
    bench_release(bench);
    bench_turns(bench, 10);
    bench_free(bench);
}

static void H17_a_failed_append_is_answered_and_the_coordinator_read_anew(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    int16_t error;
    assert_int_equal(commit_offset(bench, "g", "t", 0, 5), ERROR_NONE);
    const uint64_t loads = groups_counters(bench->control->groups).loads;
    bench->append_error = ERROR_KAFKA_STORAGE_ERROR;
    assert_int_equal(commit_offset(bench, "g", "t", 0, 6), ERROR_NOT_COORDINATOR);
    assert_int_equal(fetch_offset(bench, "g", "t", 0, &error), -1);
    assert_int_equal(error, ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    bench->append_error = ERROR_NONE;
    bench_turns(bench, 100);
    assert_int_equal(groups_counters(bench->control->groups).loads, loads + 1);
    assert_int_equal(fetch_offset(bench, "g", "t", 0, &error), 5);
    assert_int_equal(commit_offset(bench, "g", "t", 0, 6), ERROR_NONE);
    bench_free(bench);
}

/* All of it is read with each try: less and less often, but as soon as there is room it goes on. */
static void a_full_device_has_the_log_read_anew_ever_less_often(void **state)
{
    (void)state;
    enum { TRY_MS = 40, TRIES = 1000 };
    struct bench *bench = bench_with_groups(NULL);
    int16_t error = ERROR_NONE;
    bool unavailable = false;
    assert_int_equal(commit_offset(bench, "g", "t", 0, 5), ERROR_NONE);
    const uint64_t loads = groups_counters(bench->control->groups).loads;
    bench->append_error = ERROR_KAFKA_STORAGE_ERROR;
    for (uint32_t i = 0; i < TRIES; i++) {
        error = commit_offset(bench, "g", "t", 0, 6);
        assert_int_not_equal(error, ERROR_NONE);
        unavailable = unavailable || error == ERROR_COORDINATOR_NOT_AVAILABLE;
        bench_turns(bench, TRY_MS);
    }
    assert_true(unavailable);
    assert_in_range(groups_counters(bench->control->groups).loads - loads, 8, 20);
    bench->append_error = ERROR_NONE;
    bench_turns(bench, 5000); /* Once the longest pause is over. */
    assert_int_equal(fetch_offset(bench, "g", "t", 0, &error), 5);
    assert_int_equal(commit_offset(bench, "g", "t", 0, 6), ERROR_NONE);
    /* A later failure is one by itself. */
    bench->append_error = ERROR_KAFKA_STORAGE_ERROR;
    assert_int_equal(commit_offset(bench, "g", "t", 0, 7), ERROR_NOT_COORDINATOR);
    bench->append_error = ERROR_NONE;
    bench_turns(bench, 100);
    assert_int_equal(fetch_offset(bench, "g", "t", 0, &error), 6);
    bench_free(bench);
}

/* All of it is read with each try, and each says a line: not twenty times a second. */
static void a_damaged_log_is_read_again_once_a_second(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    assert_int_equal(commit_offset(bench, "g", "t", 0, 41), ERROR_NONE);
    for (uint32_t i = 0; i < bench->log_count; i++) {
        if (bench->logs[i].len > 0) {
            bench->logs[i].bytes[bench->logs[i].len - 1] ^= 1;
        }
    }
    (void)restarted(bench);
    const uint64_t before = groups_counters(bench->control->groups).load_failures;
    assert_int_equal(before, 1);
    bench_turns(bench, 3000);
    assert_in_range(groups_counters(bench->control->groups).load_failures, 3, 5);
    int16_t error;
    (void)fetch_offset(bench, "g", "t", 0, &error);
    assert_int_equal(error, ERROR_COORDINATOR_NOT_AVAILABLE);
    bench_free(bench);
}

static void H17_a_new_dataplane_is_read_from_the_start(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    int16_t error;
    assert_int_equal(commit_offset(bench, "g", "t", 0, 5), ERROR_NONE);
    bench_stop_dataplane(bench);
    bench_turns(bench, 5);
    bench_start_dataplane(bench);
    bench_turns(bench, 100);
    assert_int_equal(fetch_offset(bench, "g", "t", 0, &error), 5);
    bench_free(bench);
}

static uint64_t join_send(struct bench *bench, const char *member_id, int32_t session_ms)
{
    static uint8_t body[512];
    struct writer writer;
    struct join_group_request_protocol protocol = {.name = text_of("range"),
                                                   .metadata = text_of("any")};
    struct join_group_request request = join_group_request_default;
    request.group_id = text_of("g");
    request.member_id = text_of(member_id);
    request.session_timeout_ms = session_ms;
    request.rebalance_timeout_ms = 60000;
    request.protocol_type = text_of("consumer");
    request.protocols.items = &protocol;
    request.protocols.count = 1;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(join_group_request_encode(&writer, 3, &request), CODEC_OK);
    return bench_send(bench, API_JOIN_GROUP, 3, (struct bytes){body, writer_used(&writer)});
}

/* The counters of a ring from core 1, as a wild write would change them. */
static void ring_break(struct bench *bench)
{
    const uint64_t size = session_memory_bytes(BENCH_CORES, 2 << 20, 256 << 10);
    const uint64_t at = session_ring_to_control_at(1, 2 << 20, 256 << 10);
    for (int handle = 0; handle < 100; handle++) {
        uint8_t *mapped = link_memory_map(bench->dataplane_world, handle, size, true);
        if (mapped != NULL) {
            memset(mapped + at + RING_LINE_BYTES, 0xff, 8);
            link_memory_unmap(bench->dataplane_world, mapped, size);
        }
    }
}

static void H17_a_session_that_ends_within_a_turn_takes_along_what_is_staged(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    assert_int_equal(commit_offset(bench, "h", "t", 0, 41), ERROR_NONE);
    /* Core 0 is the next whose ring is looked at. */
    const struct slow_header header = {.kind = SLOW_PRODUCER_IDS_WANTED};
    assert_true(channel_send(session_channel(bench->session, 1), &header, CHAIN_EMPTY));
    bench_turns(bench, 2);
    const uint64_t number = join_send(bench, "", 30000); /* Its group's record is staged. */
    ring_break(bench);
    bench_turns(bench, 1000);
    assert_int_not_equal(bench->reply_number, number);
    assert_int_equal(peer_counters(bench->control->peer)->lost, 1);
    int16_t error;
    assert_int_equal(fetch_offset(bench, "h", "t", 0, &error), 41);
    bench_free(bench);
}

static void offsets_go_with_their_topic(void **state)
{
    (void)state;
    struct bench *bench = bench_with_groups(NULL);
    int16_t error;
    assert_int_equal(commit_offset(bench, "g", "t", 0, 5), ERROR_NONE);
    assert_int_equal(bench_delete_topic(bench, "t"), ERROR_NONE);
    bench_turns(bench, 10);
    assert_int_equal(fetch_offset(bench, "g", "t", 0, &error), -1);
    assert_int_equal(groups_counters(bench->control->groups).offsets, 0);
    assert_int_equal(commit_offset(bench, "g", "t", 0, 5), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    bench_free(bench);
}

/* Joined, as the only member, into a generation whose sync is still to come. */
static void join_wait(struct bench *bench, uint64_t number)
{
    for (uint32_t i = 0; bench->reply_number != number; i++) {
        assert_true(i < 10000);
        bench_turn(bench);
    }
    assert_int_equal(bench->reply_error, ERROR_NONE);
}

static void a_join_waits_for_others_and_cores_hear_that_control_is_alive(void **state)
{
    (void)state;
    const char *const delay[] = {"--set", "kafka.group.initial.rebalance.delay.ms=6000", NULL};
    struct bench *bench = bench_with_groups(delay);
    const uint64_t number = join_send(bench, "", 30000);
    bench_turns(bench, 5500);
    assert_int_not_equal(bench->reply_number, number);
    assert_int_equal(groups_counters(bench->control->groups).waiting, 1);
    for (uint32_t i = 0; i < BENCH_CORES; i++) {
        assert_true(bench->alive[i] >= 1);
    }
    assert_int_equal(groups_counters(bench->control->groups).states[GROUP_SHOWN_PREPARING], 1);
    join_wait(bench, number);
    assert_int_equal(groups_counters(bench->control->groups).members, 1);
    bench_free(bench);
}

static void a_silent_member_is_out_and_a_pause_of_control_counts_against_nobody(void **state)
{
    (void)state;
    static const struct {
        uint64_t away_ms;
        bool noticed;
    } rows[] = {{8000, true}, {6200, true}, {6050, false}}; /* Of a session of 6,000. */
    const char *const delay[] = {"--set", "kafka.group.initial.rebalance.delay.ms=0", NULL};
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bench *bench = bench_with_groups(delay);
        join_wait(bench, join_send(bench, "", 6000));
        struct groups *groups = bench->control->groups;
        bench->now_ns += rows[i].away_ms * 1000000; /* Stopped meanwhile, or asleep. */
        bench_turns(bench, 10);
        assert_int_equal(groups_counters(groups).pauses, rows[i].noticed);
        assert_int_equal(groups_counters(groups).members, rows[i].noticed);
        bench_turns(bench, 5500);
        assert_int_equal(groups_counters(groups).members, rows[i].noticed);
        bench_turns(bench, 1000);
        assert_int_equal(groups_counters(groups).members, 0);
        assert_int_equal(groups_counters(groups).pauses, rows[i].noticed);
        bench_free(bench);
    }
}

/* The coordinator counts in milliseconds, and hears it in the midst of one. */
static void a_session_is_never_short(void **state)
{
    (void)state;
    const char *const delay[] = {"--set", "kafka.group.initial.rebalance.delay.ms=0", NULL};
    struct bench *bench = bench_with_groups(delay);
    bench->now_ns += 900000;
    const uint64_t number = join_send(bench, "", 6000);
    for (uint32_t i = 0; groups_counters(bench->control->groups).members == 0; i++) {
        assert_true(i < 1000);
        bench_turn(bench);
    }
    const uint64_t heard_ns = bench->now_ns;
    join_wait(bench, number);
    bench->now_ns += 100000;
    while (groups_counters(bench->control->groups).members > 0) {
        bench_turn(bench);
        assert_true(bench->now_ns < heard_ns + 7000000000);
    }
    assert_true(bench->now_ns >= heard_ns + 6000000000);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_offsets_are_there_after_control_was_killed),
        cmocka_unit_test(no_commit_is_answered_before_it_is_durable),
        cmocka_unit_test(records_that_come_beside_others_leave_together),
        cmocka_unit_test(a_stuck_device_does_not_hold_up_records_of_others),
        cmocka_unit_test(H17_a_failed_append_is_answered_and_the_coordinator_read_anew),
        cmocka_unit_test(a_full_device_has_the_log_read_anew_ever_less_often),
        cmocka_unit_test(a_damaged_log_is_read_again_once_a_second),
        cmocka_unit_test(H17_a_new_dataplane_is_read_from_the_start),
        cmocka_unit_test(H17_a_session_that_ends_within_a_turn_takes_along_what_is_staged),
        cmocka_unit_test(offsets_go_with_their_topic),
        cmocka_unit_test(a_join_waits_for_others_and_cores_hear_that_control_is_alive),
        cmocka_unit_test(a_session_is_never_short),
        cmocka_unit_test(a_silent_member_is_out_and_a_pause_of_control_counts_against_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
