#include "tests/control/group/mixed_bench.h"

static void a_member_of_the_consumer_protocol_upgrades_the_group(void **state)
{
    struct group_bench *bench = *state;
    classic_pair(bench);
    BEAT(.member = "c");
    bench_expect(bench, "c: beat NONE epoch 2 []\n"
                        "- group g\n"
                        "+ member g a#01 t classic 10000 range\n"
                        "+ member g b#02 t classic 10000 range\n"
                        "+ epoch g 1\n"
                        "+ target g a#01 [t/0 t/1]\n"
                        "+ target g b#02 [t/2 t/3]\n"
                        "+ targets g 1\n"
                        "+ has g a#01 1<1 stable [t/0 t/1]\n"
                        "+ has g b#02 1<1 stable [t/2 t/3]\n"
                        "+ member g c t\n"
                        "+ epoch g 2\n"
                        "+ target g b#02 [t/2]\n"
                        "+ target g c [t/3]\n"
                        "+ targets g 2\n"
                        "+ has g c 2<0 unreleased []\n");
    bench_consumer_describe(bench, "g");
    bench_group(bench, GROUP_DESCRIBE, (struct said){.version = 6});
    bench_list(bench, NULL, NULL);
    bench_expect(bench, "admin: describe NONE Reconciling 2/2 uniform a#01@1 classic t [t/0 t/1] > "
                        "[t/0 t/1] b#02@1 classic t [t/2 t/3] > [t/2] c@2 t [] > [t/3]\n"
                        "a: describe GROUP_ID_NOT_FOUND Dead / []\n"
                        "admin: list g=Reconciling/consumer\n");
}

static void who_waits_in_a_rebalance_is_told_to_join_again(void **state)
{
    struct group_bench *bench = *state;
    classic_pair(bench);
    JOIN(.client = "d"); /* Not one of consumers: its metadata is not theirs. */
    JOIN(.client = "a", .member = "a#01", .protocols = "range:@t");
    LEAVE(.client = "d", .member = "d#03");
    bench_forget(bench);
    BEAT(.member = "c");
    bench_expect(bench, "a: join REBALANCE_IN_PROGRESS as a#01\n"
                        "c: beat NONE epoch 2 []\n"
                        "- group g\n"
                        "+ member g a#01 t classic 10000 range\n"
                        "+ member g b#02 t classic 10000 range\n"
                        "+ epoch g 1\n"
                        "+ target g a#01 [t/0 t/1]\n"
                        "+ target g b#02 [t/2 t/3]\n"
                        "+ targets g 1\n"
                        "+ has g a#01 1<1 stable [t/0 t/1]\n"
                        "+ has g b#02 1<1 stable [t/2 t/3]\n"
                        "+ member g c t\n"
                        "+ epoch g 2\n"
                        "+ target g b#02 [t/2]\n"
                        "+ target g c [t/3]\n"
                        "+ targets g 2\n"
                        "+ has g c 2<0 unreleased []\n");
}

static void a_group_that_waits_for_its_first_members_is_upgraded(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    JOIN(.client = "a", .protocols = "range:@t");
    JOIN(.client = "p", .version = 5, .protocols = "range:@t"); /* Has an id, and has not joined. */
    bench_forget(bench);
    BEAT(.member = "c");
    bench_expect(bench, "a: join REBALANCE_IN_PROGRESS as a#01\n"
                        "c: beat NONE epoch 1 [t/1]\n"
                        "- group g\n"
                        "+ member g a#01 t classic 10000 range\n"
                        "+ epoch g 0\n"
                        "+ target g a#01 []\n"
                        "+ targets g 0\n"
                        "+ has g a#01 0<0 stable []\n"
                        "+ member g c t\n"
                        "+ epoch g 1\n"
                        "+ target g a#01 [t/0]\n"
                        "+ target g c [t/1]\n"
                        "+ targets g 1\n"
                        "+ has g c 1<0 stable [t/1]\n");
    bench_run_to(bench, bench->now_ms + 9000);
    bench_expect(bench, "");
}

static void who_waits_for_an_assignment_is_told_to_join_again(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    JOIN(.client = "a", .protocols = "range:@t");
    JOIN(.client = "b", .protocols = "range:@t");
    bench_run_to(bench, 6000);
    SYNC(.client = "b", .member = "b#02", .generation = 1);
    bench_forget(bench);
    BEAT(.member = "c");
    bench_expect(bench, "b: sync REBALANCE_IN_PROGRESS\n"
                        "c: beat NONE epoch 2 []\n"
                        "- group g\n"
                        "+ member g a#01 t classic 10000 range\n"
                        "+ member g b#02 t classic 10000 range\n"
                        "+ epoch g 1\n"
                        "+ target g a#01 []\n"
                        "+ target g b#02 []\n"
                        "+ targets g 1\n"
                        "+ has g a#01 1<1 stable []\n"
                        "+ has g b#02 1<1 stable []\n"
                        "+ member g c t\n"
                        "+ epoch g 2\n"
                        "+ target g a#01 [t/0]\n"
                        "+ target g b#02 [t/1]\n"
                        "+ target g c []\n"
                        "+ targets g 2\n"
                        "+ has g c 2<0 stable []\n");
}

static void what_cannot_be_upgraded_stays_as_it_is(void **state)
{
    struct group_bench *bench = *state;
    classic_pair(bench);
    bench->settings.upgrades = false;
    BEAT(.member = "c");
    bench->settings.upgrades = true;
    bench->settings.consumer_members_max = 1;
    BEAT(.member = "c");
    bench->settings.consumer_members_max = 2;
    BEAT(.member = "c");
    bench->settings.consumer_members_max = 100;
    BEAT(.member = "c", .epoch = 1);
    BEAT(.member = "c", .epoch = -1);
    BEAT(.member = "c", .regex = "(");
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    bench_expect(bench, "c: beat GROUP_ID_NOT_FOUND\n"
                        "c: beat GROUP_ID_NOT_FOUND\n"
                        "c: beat GROUP_MAX_SIZE_REACHED\n"
                        "c: beat GROUP_ID_NOT_FOUND\n"
                        "c: beat GROUP_ID_NOT_FOUND\n"
                        "c: beat INVALID_REGULAR_EXPRESSION\n"
                        "a: heartbeat NONE\n");
    JOIN(.group = "w", .client = "x", .type = "connect");
    JOIN(.group = "m", .client = "y"); /* "m" is no subscription. */
    bench_run_to(bench, bench->now_ms + 3000);
    bench_forget(bench);
    BEAT(.group = "w", .member = "c");
    BEAT(.group = "m", .member = "c");
    bench_expect(bench, "c: beat GROUP_ID_NOT_FOUND\n"
                        "c: beat GROUP_ID_NOT_FOUND\n");
}

static void assignments_that_consumers_do_not_write_are_refused(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    JOIN(.client = "a", .protocols = "range:@t");
    JOIN(.client = "b", .protocols = "range:@t");
    bench_run_to(bench, 6000);
    SYNC(.client = "a", .member = "a#01", .generation = 1, .assign = "a#01=@t/0! b#02=@t/1");
    bench_forget(bench);
    BEAT(.member = "c");
    JOIN(.client = "a", .member = "a#01", .protocols = "range:@t");
    JOIN(.client = "b", .member = "b#02", .protocols = "range:@t");
    SYNC(.client = "a", .member = "a#01", .generation = 2, .assign = "a#01=x b#02=@t/1");
    bench_forget(bench);
    BEAT(.member = "c");
    JOIN(.client = "a", .member = "a#01", .protocols = "range:@t");
    JOIN(.client = "b", .member = "b#02", .protocols = "range:@t");
    SYNC(.client = "a", .member = "a#01", .generation = 3, .assign = "a#01=@t/1 b#02=@t/1");
    bench_forget(bench);
    BEAT(.member = "c");
    bench_expect(bench, "c: beat UNKNOWN_SERVER_ERROR\n");
}

/* Neither has the group become another nor was anybody told to join again. */
static void a_group_that_fits_into_no_record_then_stays_as_it_is(void **state)
{
    struct group_bench *bench = *state;
    classic_pair(bench);
    bench_topic(bench, "big", 260000);
    BEAT(.member = "c", .topics = "big");
    BEAT(.member = "c", .topics = "", .regex = "b.*");
    BEAT(.member = "b-02000000-0000-4000-8000-000000000000", .topics = "big");
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    bench_list(bench, NULL, NULL);
    bench_expect(bench, "c: beat UNKNOWN_SERVER_ERROR\n"
                        "c: beat UNKNOWN_SERVER_ERROR\n"
                        "b-02000000-0000-4000-8000-000000000000: beat UNKNOWN_SERVER_ERROR\n"
                        "a: heartbeat NONE\n"
                        "admin: list g=Stable/classic\n");
    BEAT(.member = "c", .topics = "t");
    bench_forget(bench);
    bench_list(bench, NULL, NULL);
    bench_expect(bench, "admin: list g=Reconciling/consumer\n");
}

/* What the leader gave it fits into the record of the classic group, but not into one of its
 * own. */
static void a_member_that_has_more_than_a_record_holds_is_not_upgraded(void **state)
{
    enum { PARTITIONS = 122500 };
    static uint8_t assigned[2 * PARTITIONS * 4 + 32];
    struct group_bench *bench = *state;
    bench_topic(bench, "b", PARTITIONS);
    bench_topic(bench, "d", PARTITIONS);
    bench->quiet = true;
    JOIN(.client = "a", .protocols = "range:@t");
    bench_run_to(bench, 6000);
    struct arena *arena = bench_begin(bench);
    struct writer writer;
    writer_init(&writer, assigned, sizeof(assigned));
    writer_i16(&writer, 0);
    writer_i32(&writer, 2);
    for (int8_t name = 'b'; name <= 'd'; name += 2) {
        writer_i16(&writer, 1);
        writer_i8(&writer, name);
        writer_i32(&writer, PARTITIONS);
        for (int32_t i = 0; i < PARTITIONS; i++) {
            writer_i32(&writer, i);
        }
    }
    writer_i32(&writer, -1);
    struct sync_group_request_assignment assignment = {
        .member_id = arena_text(arena, "a-01000000-0000-4000-8000-000000000000"),
        .assignment = arena_chain(arena, (struct bytes){assigned, writer_used(&writer)})};
    struct sync_group_request request = sync_group_request_default;
    request.group_id = arena_text(arena, "g");
    request.member_id = assignment.member_id;
    request.generation_id = 1;
    request.assignments.items = &assignment;
    request.assignments.count = 1;
    bench_step(bench, &(struct group_event){.kind = GROUP_SYNC, .version = 3, .sync = &request},
               "a");
    bench->quiet = false;
    BEAT(.member = "c");
    bench_list(bench, NULL, NULL);
    bench_expect(bench, "c: beat UNKNOWN_SERVER_ERROR\n"
                        "admin: list g=Stable/classic\n");
}

/* Each of them would fit into its record. */
static void more_members_than_one_step_writes_are_not_upgraded(void **state)
{
    enum { MEMBERS = 20, METADATA_CHARS = 210000 };
    static char protocols[METADATA_CHARS + 32];
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    memset(protocols, 'x', METADATA_CHARS + 14);
    memcpy(protocols, "range:@t last:", 14);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        JOIN(.client = "a", .protocols = protocols);
    }
    bench_forget(bench);
    BEAT(.member = "c");
    bench_expect(bench, "c: beat UNKNOWN_SERVER_ERROR\n");
    LEAVE(.client = "a", .version = 2, .member = "a#01");
    bench_forget(bench);
    bench->quiet = true;
    BEAT(.member = "c");
    bench->quiet = false;
    bench_list(bench, NULL, NULL);
    bench_expect(bench, "admin: list g=Reconciling/consumer\n");
}

static void a_static_member_takes_its_place_in_the_other_protocol(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    JOIN(.client = "a", .instance = "i", .version = 5, .protocols = "range:@t");
    JOIN(.client = "b", .instance = "k", .version = 5, .protocols = "range:@t");
    bench_run_to(bench, 6000);
    SYNC(.client = "a", .member = "i#01", .generation = 1, .assign = "i#01=@t/0 k#02=@t/1");
    bench_forget(bench);
    BEAT(.member = "c", .instance = "i");
    bench_expect(bench, "c: beat NONE epoch 1 [t/0]\n"
                        "- group g\n"
                        "+ member g i#01 t as i classic 10000 range\n"
                        "+ member g k#02 t as k classic 10000 range\n"
                        "+ epoch g 1\n"
                        "+ target g i#01 [t/0]\n"
                        "+ target g k#02 [t/1]\n"
                        "+ targets g 1\n"
                        "+ has g i#01 1<1 stable [t/0]\n"
                        "+ has g k#02 1<1 stable [t/1]\n"
                        "- has g i#01\n"
                        "- target g i#01\n"
                        "- member g i#01\n"
                        "+ member g c t as i classic 10000 range\n"
                        "+ target g c [t/0]\n"
                        "+ has g c 0<0 stable [t/0]\n"
                        "+ member g c t as i\n"
                        "+ has g c 1<0 stable [t/0]\n");
    HEARTBEAT(.client = "a", .member = "i#01", .instance = "i", .generation = 1);
    HEARTBEAT(.client = "b", .member = "k#02", .instance = "k", .generation = 1);
    bench_expect(bench, "a: heartbeat FENCED_INSTANCE_ID\n"
                        "b: heartbeat NONE\n");
}

static void a_dynamic_member_keeps_its_id_in_the_other_protocol(void **state)
{
    struct group_bench *bench = *state;
    classic_pair(bench);
    BEAT(.member = "b-02000000-0000-4000-8000-000000000000");
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Stable 1/1 uniform a#01@1 classic t [t/0 t/1] > [t/0 "
                        "t/1] b#02@1 t [t/2 t/3] > [t/2 t/3]\n");
}

/* What it prefers is not what was chosen, and nobody has looked at it. */
static void an_assignment_is_told_whatever_a_member_said_of_other_protocols(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    JOIN(.client = "a", .protocols = "odd:\xff\xff range:@t");
    JOIN(.client = "b", .protocols = "range:@t");
    bench_run_to(bench, 6000);
    SYNC(.client = "a", .member = "a#01", .generation = 1, .assign = "a#01=@t/0 b#02=@t/1");
    BEAT(.member = "b-02000000-0000-4000-8000-000000000000");
    bench_forget(bench);
    SYNC(.client = "a", .member = "a#01", .generation = 1);
    bench_expect(bench, "a: sync NONE <t/0>\n");
}

static void an_upgraded_group_is_found_as_it_was(void **state)
{
    struct group_bench *bench = *state;
    classic_pair(bench);
    COMMIT(.client = "a", .member = "a#01", .generation = 1, .topics = "t/0=5");
    BEAT(.member = "c");
    bench_forget(bench);
    bench_restart(bench);
    bench_consumer_describe(bench, "g");
    HEARTBEAT(.client = "a", .member = "a#01", .generation = 1);
    COMMIT(.client = "a", .member = "a#01", .generation = 1, .topics = "t/0=6");
    FETCH(.topics = "t/0");
    bench_run_to(bench, bench->now_ms + 10000);
    bench_expect(bench, "admin: describe NONE Reconciling 2/2 uniform a#01@1 classic t [t/0 t/1] > "
                        "[t/0 t/1] b#02@1 classic t [t/2 t/3] > [t/2] c@2 t [] > [t/3]\n"
                        "a: heartbeat REBALANCE_IN_PROGRESS\n"
                        "a: commit NONE\n"
                        "+ offset g t/0 = 6 \"\"\n"
                        "a: fetch t/0=6\n"
                        "@16000\n"
                        "- has g b#02\n"
                        "- target g b#02\n"
                        "- member g b#02\n"
                        "+ epoch g 3\n"
                        "- has g a#01\n"
                        "- target g a#01\n"
                        "- member g a#01\n"
                        "+ epoch g 4\n");
}

/* Whatever part of the records of a change has reached the log: nobody is stuck, as all may join
 * again. */
static void a_crash_within_an_upgrade_is_no_end(void **state)
{
    struct group_bench *bench = *state;
    classic_pair(bench);
    const uint32_t before = bench->log_count;
    BEAT(.member = "c");
    for (uint32_t count = bench->log_count; count > before; count--) {
        bench_drop_records(bench, count);
        bench_restart(bench);
    }
    bench_restart(bench);
    BEAT(.member = "c");
    JOIN(.client = "a", .member = "a#01", .protocols = "range:@t");
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Reconciling 2/2 uniform c@1 t [t/0 t/1 t/2 t/3] > "
                        "[t/0 t/1] a#01@2 classic t [] > [t/2 t/3]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_member_of_the_consumer_protocol_upgrades_the_group),
        CASE(who_waits_in_a_rebalance_is_told_to_join_again),
        CASE(a_group_that_waits_for_its_first_members_is_upgraded),
        CASE(who_waits_for_an_assignment_is_told_to_join_again),
        CASE(what_cannot_be_upgraded_stays_as_it_is),
        CASE(assignments_that_consumers_do_not_write_are_refused),
        CASE(a_group_that_fits_into_no_record_then_stays_as_it_is),
        CASE(a_member_that_has_more_than_a_record_holds_is_not_upgraded),
        CASE(more_members_than_one_step_writes_are_not_upgraded),
        CASE(a_static_member_takes_its_place_in_the_other_protocol),
        CASE(a_dynamic_member_keeps_its_id_in_the_other_protocol),
        CASE(an_assignment_is_told_whatever_a_member_said_of_other_protocols),
        CASE(an_upgraded_group_is_found_as_it_was),
        CASE(a_crash_within_an_upgrade_is_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
