#include "tests/control/group/bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/control/group/storm.h"

static void an_empty_group_waits_for_more_to_come(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a");
    bench_expect(bench, "+ group g gen 0 /null leader null []\n");
    bench_run_to(bench, 2999);
    bench_expect(bench, "");
    bench_run_to(bench, 3000);
    bench_expect(bench, "@3000\n"
                        "a: join NONE gen 1 range leader a#01 as a#01 [a#01=m]\n");
}

static void every_newcomer_makes_the_wait_longer_up_to_the_rebalance_timeout(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .rebalance_ms = 10000);
    static const char *const names[] = {"b", "c", "d"};
    for (uint32_t i = 0; i < 3; i++) {
        bench_run_to(bench, 2000 + 3000 * i);
        JOIN(.client = names[i], .rebalance_ms = 10000);
    }
    bench_forget(bench);
    bench_run_to(bench, 9999);
    JOIN(.client = "e", .rebalance_ms = 10000);
    bench_expect(bench, "@9000\n");
    bench_run_to(bench, 10000);
    bench_expect(bench, "@10000\n"
                        "a: join NONE gen 1 range leader a#01 as a#01 "
                        "[a#01=m b#02=m c#03=m d#04=m e#05=m]\n"
                        "b: join NONE gen 1 range leader a#01 as b#02\n"
                        "c: join NONE gen 1 range leader a#01 as c#03\n"
                        "d: join NONE gen 1 range leader a#01 as d#04\n"
                        "e: join NONE gen 1 range leader a#01 as e#05\n");
}

static void a_generation_begins_when_all_have_come_back(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c");
    bench_expect(bench, "");
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    JOIN(.client = "a", .member = "a#01");
    bench_expect(bench, "a: heartbeat REBALANCE_IN_PROGRESS\n");
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m b#02=m c#03=m]\n"
                        "b: join NONE gen 2 range leader a#01 as b#02\n"
                        "c: join NONE gen 2 range leader a#01 as c#03\n");
}

static void who_does_not_come_back_in_time_is_out(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c", .rebalance_ms = 20000);
    JOIN(.client = "b", .member = "b#02", .rebalance_ms = 20000);
    while (bench->now_ms < 60000) { /* It is alive; it only does not join. */
        bench_run_to(bench, bench->now_ms + 3000);
        HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    }
    bench_forget(bench);
    bench_run_to(bench, 66000);
    bench_expect(bench, "@66000\n"
                        "b: join NONE gen 2 range leader b#02 as b#02 [b#02=m c#03=m]\n"
                        "c: join NONE gen 2 range leader b#02 as c#03\n");
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    bench_expect(bench, "a: heartbeat UNKNOWN_MEMBER_ID\n");
}

static void who_does_not_ask_for_its_assignment_in_time_is_out(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .rebalance_ms = 15000, .session_ms = 30000);
    JOIN(.client = "b", .rebalance_ms = 15000, .session_ms = 30000);
    bench_run_to(bench, 6000);
    SYNC(.client = "a", .member = "a#01", .generation = 1, .assign = "a#01=x");
    bench_forget(bench);
    HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    bench_expect(bench, "b: heartbeat NONE\n");
    bench_run_to(bench, 21000);
    bench_expect(bench, "@21000\n");
    HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    JOIN(.client = "a", .member = "a#01");
    bench_expect(bench, "b: heartbeat UNKNOWN_MEMBER_ID\n"
                        "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m]\n");
}

static void a_silent_leader_ends_the_generation_for_those_who_wait(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .session_ms = 8000);
    JOIN(.client = "b");
    bench_run_to(bench, 6000);
    bench_forget(bench);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    bench_run_to(bench, 14000);
    bench_expect(bench, "@14000\n"
                        "b: sync REBALANCE_IN_PROGRESS\n");
    JOIN(.client = "b", .member = "b#02");
    bench_expect(bench, "b: join NONE gen 2 range leader b#02 as b#02 [b#02=m]\n");
}

static void a_silent_member_is_out_after_its_session(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    bench_run_to(bench, 15999);
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    bench_expect(bench, "a: heartbeat NONE\n");
    bench_run_to(bench, 16000);
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    bench_expect(bench, "@16000\na: heartbeat REBALANCE_IN_PROGRESS\n");
    bench_run_to(bench, 26000);
    bench_expect(bench, "@26000\n"
                        "+ group g gen 2 consumer/null leader null []\n");
}

static void a_new_member_that_never_gets_an_answer_is_out_after_five_minutes(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c", .rebalance_ms = 600000);
    while (bench->now_ms < 300000) { /* The others hold it up. */
        bench_run_to(bench, bench->now_ms + 3000);
        HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
        HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    }
    bench_forget(bench);
    bench_run_to(bench, 306000);
    bench_expect(bench, "@306000\nc: join UNKNOWN_MEMBER_ID as \n");
}

static void members_that_wait_need_no_heartbeat(void **state)
{
    struct group_bench *bench = *state;
    bench_stable(bench);
    JOIN(.client = "c", .session_ms = 6000, .rebalance_ms = 50000);
    JOIN(.client = "a", .member = "a#01", .session_ms = 6000, .rebalance_ms = 50000);
    while (bench->now_ms < 50000) {
        bench_run_to(bench, bench->now_ms + 3000);
        HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    }
    bench_forget(bench);
    JOIN(.client = "b", .member = "b#02", .session_ms = 6000);
    bench_expect(bench, "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m b#02=m c#03=m]\n"
                        "b: join NONE gen 2 range leader a#01 as b#02\n"
                        "c: join NONE gen 2 range leader a#01 as c#03\n");
}

static void static_members_keep_their_place_while_they_are_away(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .instance = "i", .version = 5, .session_ms = 30000, .rebalance_ms = 9000);
    JOIN(.client = "b", .version = 3, .session_ms = 30000, .rebalance_ms = 9000);
    bench_run_to(bench, 6000);
    SYNC(.client = "a", .member = "i#01", .generation = 1);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    bench_forget(bench);
    JOIN(.client = "b", .member = "b#02", .protocols = "range:n", .rebalance_ms = 9000);
    bench_run_to(bench, 15000);
    bench_expect(bench, "@15000\n"
                        "b: join NONE gen 2 range leader b#02 as b#02 [i#01=m b#02=n]\n");
}

static void nobody_back_in_time_waits_for_the_sessions_to_end(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .instance = "i", .version = 5, .session_ms = 60000, .rebalance_ms = 9000);
    JOIN(.client = "b", .version = 3, .session_ms = 10000, .rebalance_ms = 9000);
    bench_run_to(bench, 6000);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    SYNC(.client = "a", .member = "i#01", .generation = 1);
    bench_forget(bench);
    LEAVE(.client = "b", .member = "b#02");
    bench_forget(bench);
    bench_run_to(bench, 100000);
    bench_expect(bench, "@15000\n@24000\n@33000\n@42000\n@51000\n@60000\n@66000\n"
                        "+ group g gen 2 consumer/null leader null []\n");
}

/* --- a storm ------------------------------------------------------------------------------------
 */

enum { STORM_GENERATIONS_MAX = 1024, STORM_SEEDS = 30, STORM_ID_BYTES = 64 };

enum storm_phase { STORM_OUT, STORM_JOINED, STORM_IN };

struct storm_member {
    uint32_t number;
    uint32_t lives; /* Each as a member of its own. */
    char name[8];
    char id[STORM_ID_BYTES];
    enum storm_phase phase;
    int32_t generation;
    uint64_t token;                                    /* Of the request under way; 0: none. */
    char assign[STORM_MEMBERS * (STORM_ID_BYTES + 8)]; /* Of a leader. */
};

struct classic_storm {
    struct storm storm;
    struct storm_member members[STORM_MEMBERS];
    uint32_t owners[STORM_GENERATIONS_MAX][STORM_PARTITIONS]; /* 0: none. */
    uint32_t owned[STORM_GENERATIONS_MAX];                    /* So many have one. */
    uint64_t away_ms;                                         /* At most. */
    uint64_t rebalances;                                      /* When it had converged. */
};

static void storm_out(struct storm_member *member, bool forgotten)
{
    member->phase = STORM_OUT;
    if (forgotten) {
        member->id[0] = '\0';
        member->lives++;
    }
}

static void storm_refused(struct storm_member *member, int16_t error)
{
    switch (error) {
    case ERROR_NONE: break;
    case ERROR_REBALANCE_IN_PROGRESS:
    case ERROR_ILLEGAL_GENERATION: storm_out(member, false); break;
    case ERROR_UNKNOWN_MEMBER_ID: storm_out(member, true); break;
    default: fail_msg("%s", error_name(error));
    }
}

static void storm_text(struct chain from, char to[STORM_ID_BYTES])
{
    assert_true(from.len < STORM_ID_BYTES);
    chain_copy(from, to, from.len);
    to[from.len] = '\0';
}

/* As the leader: partition p goes to the member p modulo so many. */
static void storm_assign(struct storm_member *member, struct join_group_response_member_array all)
{
    size_t used = 0;
    member->assign[0] = '\0';
    for (int32_t i = 0; i < all.count; i++) {
        char id[STORM_ID_BYTES];
        storm_text(all.items[i].member_id, id);
        used += (size_t)snprintf(member->assign + used, sizeof(member->assign) - used, "%s=%d/%d ",
                                 id, i, all.count);
        assert_true(used < sizeof(member->assign));
    }
}

static void storm_joined(struct storm_member *member, const struct join_group_response *answer)
{
    if (answer->error_code == ERROR_NONE || answer->error_code == ERROR_MEMBER_ID_REQUIRED) {
        storm_text(answer->member_id, member->id);
    }
    if (answer->error_code == ERROR_NONE) {
        assert_true(answer->generation_id > member->generation);
        member->generation = answer->generation_id;
        member->phase = STORM_JOINED;
        storm_assign(member, answer->members);
    } else if (answer->error_code != ERROR_MEMBER_ID_REQUIRED) {
        storm_refused(member, answer->error_code);
    }
}

static void storm_synced(struct classic_storm *storm, struct storm_member *member,
                         const struct sync_group_response *answer)
{
    char text[STORM_ID_BYTES];
    uint32_t place;
    uint32_t count;
    if (answer->error_code != ERROR_NONE) {
        storm_refused(member, answer->error_code);
        return;
    }
    storm_text(answer->assignment, text);
    assert_int_equal(sscanf(text, "%u/%u", &place, &count), 2);
    assert_in_range(member->generation, 1, STORM_GENERATIONS_MAX - 1);
    for (; place < STORM_PARTITIONS; place += count) {
        uint32_t *owner = &storm->owners[member->generation][place];
        assert_int_equal(*owner, 0); /* Of no other member, at one generation. */
        *owner = member->lives * STORM_MEMBERS + member->number + 1;
        storm->owned[member->generation]++;
    }
    member->phase = STORM_IN;
}

static void storm_reply(void *context, const struct group_reply *reply)
{
    struct classic_storm *storm = context;
    for (uint32_t i = 0; i < STORM_MEMBERS; i++) {
        struct storm_member *member = &storm->members[i];
        if (member->token != reply->token) {
            continue;
        }
        member->token = 0;
        storm->storm.next_ms[i] =
            max_u64(storm->storm.next_ms[i],
                    storm->storm.bench->now_ms + 1 + random_below(&storm->storm.random, 100));
        switch ((int)reply->kind) {
        case GROUP_JOIN: storm_joined(member, reply->answer); break;
        case GROUP_SYNC: storm_synced(storm, member, reply->answer); break;
        case GROUP_HEARTBEAT:
            storm_refused(member, ((const struct heartbeat_response *)reply->answer)->error_code);
            break;
        default: break;
        }
        return;
    }
}

/* What it waits for is lost with its connection; or it only stands still. */
static void storm_part(struct classic_storm *storm, struct storm_member *member)
{
    struct group_bench *bench = storm->storm.bench;
    struct random *random = &storm->storm.random;
    storm->storm.partings++;
    storm->storm.next_ms[member->number] = bench->now_ms + 1 + random_below(random, storm->away_ms);
    switch (random_below(random, 3)) {
    case 0: break;
    case 1:
        if (member->id[0] != '\0') {
            bench_leave(bench, (struct said){.client = member->name, .member = member->id});
        }
        storm_out(member, true);
        break;
    default: storm_out(member, true); break;
    }
    member->token = 0;
}

static void storm_act(struct storm *base, uint32_t number, bool calm)
{
    struct classic_storm *storm = CONTAINER_OF(base, struct classic_storm, storm);
    struct storm_member *member = &storm->members[number];
    struct group_bench *bench = base->bench;
    const uint64_t odds = member->token != 0 ? 4000 : member->phase == STORM_IN ? 10 : 100;
    if (!calm && random_one_in(&base->random, odds)) {
        storm_part(storm, member);
        return;
    }
    if (member->token != 0) {
        return;
    }
    const struct said said = {.client = member->name,
                              .member = member->id,
                              .version = 4,
                              .assign = member->assign,
                              .generation = member->generation,
                              .session_ms = STORM_SESSION_MS,
                              .rebalance_ms = STORM_REBALANCE_MS};
    member->token = bench->token + 1;
    switch (member->phase) {
    case STORM_OUT: bench_join(bench, said); break;
    case STORM_JOINED: bench_sync(bench, said); break;
    case STORM_IN:
        base->next_ms[number] = bench->now_ms + STORM_BEAT_MS;
        bench_heartbeat(bench, said);
        break;
    }
}

static bool storm_converged(struct storm *base)
{
    const struct classic_storm *storm = CONTAINER_OF(base, struct classic_storm, storm);
    const struct storm_member *members = storm->members;
    for (uint32_t i = 0; i < STORM_MEMBERS; i++) {
        if (members[i].phase != STORM_IN || members[i].generation != members[0].generation) {
            return false;
        }
    }
    return storm->owned[members[0].generation] == STORM_PARTITIONS;
}

static void storm_count(struct storm *base)
{
    struct classic_storm *storm = CONTAINER_OF(base, struct classic_storm, storm);
    storm->rebalances = group_coordinator_counts(base->bench->coordinator).rebalances;
}

static void run_storm(uint64_t seed)
{
    struct classic_storm *storm = calloc(1, sizeof(*storm));
    assert_non_null(storm);
    storm->storm.act = storm_act;
    storm->storm.converged = storm_converged;
    storm->storm.on_converged = storm_count;
    storm->away_ms = seed % 2 == 0 ? 15000 : 2000;
    for (uint32_t i = 0; i < STORM_MEMBERS; i++) {
        storm->members[i].number = i;
        snprintf(storm->members[i].name, sizeof(storm->members[i].name), "m%u", i);
    }
    storm_begin(&storm->storm, seed, storm_reply);
    storm_blow(&storm->storm);
    print_message("# seed %llu: %u partings, %llu rebalances, the last one %llu ms after them\n",
                  (unsigned long long)seed, storm->storm.partings,
                  (unsigned long long)storm->rebalances,
                  (unsigned long long)(storm->storm.converged_ms - STORM_MS));
    assert_true(storm->storm.partings > STORM_MEMBERS / 2 && storm->rebalances > 1);
    assert_int_equal(group_coordinator_counts(storm->storm.bench->coordinator).rebalances,
                     storm->rebalances);
    group_bench_free(storm->storm.bench);
    free(storm);
}

static void a_storm_of_200_members_is_over_within_two_rebalance_timeouts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= STORM_SEEDS; seed++) {
        run_storm(seed);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, group_bench_up, group_bench_down)

static void who_does_not_say_how_long_it_may_take_has_its_session(void **state)
{
    struct group_bench *bench = *state;
    JOIN(.client = "a", .rebalance_ms = -1);
    bench_run_to(bench, 3000);
    SYNC(.client = "a", .member = "a#01", .generation = 1, .assign = "a#01=x");
    JOIN(.client = "b", .rebalance_ms = -1);
    bench_forget(bench);
    bench_run_to(bench, bench->now_ms + 5000);
    JOIN(.client = "a", .member = "a#01", .rebalance_ms = -1);
    bench_expect(bench, "a: join NONE gen 2 range leader a#01 as a#01 [a#01=m b#02=m]\n"
                        "b: join NONE gen 2 range leader a#01 as b#02\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_empty_group_waits_for_more_to_come),
        CASE(every_newcomer_makes_the_wait_longer_up_to_the_rebalance_timeout),
        CASE(a_generation_begins_when_all_have_come_back),
        CASE(who_does_not_come_back_in_time_is_out),
        CASE(who_does_not_ask_for_its_assignment_in_time_is_out),
        CASE(a_silent_leader_ends_the_generation_for_those_who_wait),
        CASE(a_silent_member_is_out_after_its_session),
        CASE(a_new_member_that_never_gets_an_answer_is_out_after_five_minutes),
        CASE(members_that_wait_need_no_heartbeat),
        CASE(static_members_keep_their_place_while_they_are_away),
        CASE(nobody_back_in_time_waits_for_the_sessions_to_end),
        cmocka_unit_test(a_storm_of_200_members_is_over_within_two_rebalance_timeouts),
        CASE(who_does_not_say_how_long_it_may_take_has_its_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
