#include <stdio.h>

#include "tests/control/group/mixed_bench.h"

static void the_last_of_the_consumer_protocol_leaves_a_classic_group(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    COMMIT(.client = "b", .member = "b", .generation = 2, .topics = "t/2=5");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = -1);
    bench_expect(bench, "a: beat NONE epoch -1\n"
                        "- has g a\n"
                        "- has g b\n"
                        "- target g a\n"
                        "- target g b\n"
                        "- targets g\n"
                        "- member g a\n"
                        "- member g b\n"
                        "- partitions g\n"
                        "- epoch g\n"
                        "+ group g gen 2 consumer/range leader b [b:><t/2 t/3>]\n");
    bench_list(bench, NULL, NULL);
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    JOIN(.client = "b", .member = "b", .protocols = "range:@t!t/2+t/3");
    SYNC(.client = "b", .member = "b", .generation = 3, .assign = "b=@t/0+t/1+t/2+t/3");
    FETCH(.topics = "t/2");
    bench_expect(bench, "admin: list g=PreparingRebalance/classic\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n"
                        "b: join NONE gen 3 range leader b as b [b=]\n"
                        "b: sync NONE <t/0 t/1 t/2 t/3>\n"
                        "+ group g gen 3 consumer/range leader b [b:><t/0 t/1 t/2 t/3>]\n"
                        "a: fetch t/2=5\n");
}

static void a_member_that_is_fenced_has_left(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    for (uint32_t i = 0; i < 9; i++) {
        bench_run_to(bench, bench->now_ms + 5000);
        HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    }
    bench_expect(bench, "b: heartbeat NONE\n"
                        "b: heartbeat NONE\n"
                        "b: heartbeat NONE\n"
                        "b: heartbeat NONE\n"
                        "b: heartbeat NONE\n"
                        "b: heartbeat NONE\n"
                        "b: heartbeat NONE\n"
                        "b: heartbeat NONE\n"
                        "@45000\n"
                        "- has g a\n"
                        "- has g b\n"
                        "- target g a\n"
                        "- target g b\n"
                        "- targets g\n"
                        "- member g a\n"
                        "- member g b\n"
                        "- partitions g\n"
                        "- epoch g\n"
                        "+ group g gen 2 consumer/range leader b [b:><t/2 t/3>]\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n");
}

static void who_is_removed_by_an_administrator_has_left(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a", .instance = "i");
    JOIN(.client = "b", .member = "b", .protocols = "range:@t!");
    JOIN(.client = "c", .member = "c", .protocols = "range:@t!");
    bench_forget(bench);
    LEAVE(.client = "admin", .instance = "i");
    bench_expect(bench, "admin: leave NONE NONE\n"
                        "- has g a\n"
                        "- has g b\n"
                        "- has g c\n"
                        "- target g a\n"
                        "- target g b\n"
                        "- target g c\n"
                        "- targets g\n"
                        "- member g a\n"
                        "- member g b\n"
                        "- member g c\n"
                        "- partitions g\n"
                        "- epoch g\n"
                        "+ group g gen 3 consumer/range leader b [b:><> c:><>]\n");
}

static void a_group_may_have_to_stay_as_it_is(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    bench->settings.downgrades = false;
    BEAT(.member = "a", .epoch = -1);
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    bench_expect(bench, "a: beat NONE epoch -1\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 3\n"
                        "b: heartbeat REBALANCE_IN_PROGRESS\n");
    /* Nothing but classic members: the next that leaves finds that it may be. */
    JOIN(.client = "c", .member = "c", .protocols = "range:@t!");
    bench->settings.downgrades = true;
    bench->settings.members_max = 0;
    LEAVE(.client = "x", .member = "x");
    bench_forget(bench);
    LEAVE(.client = "c", .member = "c");
    bench_expect(bench, "c: leave NONE NONE\n"
                        "- has g c\n"
                        "- target g c\n"
                        "- member g c\n"
                        "+ epoch g 5\n");
    JOIN(.client = "c", .member = "c", .protocols = "range:@t!");
    bench->settings.members_max = 1;
    bench_forget(bench);
    LEAVE(.client = "c", .member = "c");
    bench_expect(bench, "c: leave NONE NONE\n"
                        "- has g b\n"
                        "- has g c\n"
                        "- target g b\n"
                        "- target g c\n"
                        "- targets g\n"
                        "- member g b\n"
                        "- member g c\n"
                        "- partitions g\n"
                        "- epoch g\n"
                        "+ group g gen 6 consumer/range leader b [b:><t/2 t/3>]\n");
}

static void the_last_of_all_leaves_a_consumer_group(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = -1);
    bench_expect(bench, "a: beat NONE epoch -1\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 2\n");
}

static void a_static_member_that_is_replaced_makes_the_group_classic(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 2);
    BEAT(.member = "a", .instance = "i");
    JOIN(.client = "b", .member = "b", .protocols = "range:@t!");
    BEAT(.member = "a", .instance = "i", .epoch = 1, .owned = "t/0");
    JOIN(.client = "b", .member = "b", .protocols = "range:@t!");
    SYNC(.client = "b", .member = "b", .generation = 2);
    bench_forget(bench);
    JOIN(.client = "c", .instance = "i", .version = 5, .protocols = "range:@t!");
    bench_expect(
        bench,
        "c: join NONE gen 2 range leader  as AwAAAAAAAAAAAAAAAAAAAA\n"
        "- has g a\n"
        "- target g a\n"
        "- member g a\n"
        "+ member g AwAAAAAAAAAAAAAAAAAAAA t as i\n"
        "+ target g AwAAAAAAAAAAAAAAAAAAAA [t/0]\n"
        "+ has g AwAAAAAAAAAAAAAAAAAAAA 0<0 stable [t/0]\n"
        "+ member g AwAAAAAAAAAAAAAAAAAAAA t as i classic 10000 range\n"
        "+ has g AwAAAAAAAAAAAAAAAAAAAA 2<0 stable [t/0]\n"
        "- has g b\n"
        "- has g AwAAAAAAAAAAAAAAAAAAAA\n"
        "- target g b\n"
        "- target g AwAAAAAAAAAAAAAAAAAAAA\n"
        "- targets g\n"
        "- member g b\n"
        "- member g AwAAAAAAAAAAAAAAAAAAAA\n"
        "- partitions g\n"
        "- epoch g\n"
        "+ group g gen 2 consumer/range leader b [b:><t/1> AwAAAAAAAAAAAAAAAAAAAA:><t/0>]\n");
    SYNC(.client = "c", .member = "AwAAAAAAAAAAAAAAAAAAAA", .instance = "i", .generation = 2);
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    bench_expect(bench, "c: sync NONE <t/0>\n"
                        "b: heartbeat NONE\n");
}

/* b has what c is to have; c leaves, and d comes before anybody has joined again. */
static void what_is_yet_to_be_given_up_stays_its_owners_own(void **state)
{
    struct group_bench *bench = *state;
    mixed_three(bench);
    BEAT(.member = "c", .epoch = -1);
    BEAT(.member = "d");
    bench_expect(bench, "c: beat NONE epoch -1\n"
                        "- has g a#01\n"
                        "- has g b#02\n"
                        "- has g c\n"
                        "- target g a#01\n"
                        "- target g b#02\n"
                        "- target g c\n"
                        "- targets g\n"
                        "- member g a#01\n"
                        "- member g b#02\n"
                        "- member g c\n"
                        "- partitions g\n"
                        "- epoch g\n"
                        "+ group g gen 2 consumer/range leader a#01 [a#01:><t/0 t/1> "
                        "b#02:><t/2 t/3>]\n"
                        "d: beat NONE epoch 3 []\n"
                        "- group g\n"
                        "+ member g a#01 t classic 10000 range\n"
                        "+ member g b#02 t classic 10000 range\n"
                        "+ epoch g 2\n"
                        "+ target g a#01 [t/0 t/1]\n"
                        "+ target g b#02 [t/2 t/3]\n"
                        "+ targets g 2\n"
                        "+ has g a#01 2<2 stable [t/0 t/1]\n"
                        "+ has g b#02 2<2 stable [t/2 t/3]\n"
                        "+ member g d t\n"
                        "+ epoch g 3\n"
                        "+ target g b#02 [t/2]\n"
                        "+ target g d [t/3]\n"
                        "+ targets g 3\n"
                        "+ has g d 3<0 unreleased []\n");
}

/* The same where it has heard of it, and is about to give up t/3. */
static void what_is_being_given_up_stays_its_owners_own(void **state)
{
    struct group_bench *bench = *state;
    mixed_three(bench);
    HEARTBEAT(.client = "b", .member = "b#02", .generation = 1);
    JOIN(.client = "b", .member = "b#02", .protocols = "range:@t!t/2+t/3");
    bench_forget(bench);
    BEAT(.member = "c", .epoch = -1);
    BEAT(.member = "d");
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Reconciling 3/3 uniform "
                        "a#01@2 classic t [t/0 t/1] > [t/0 t/1] "
                        "b#02@2 classic t [t/2 t/3] > [t/2] "
                        "d@3 t [] > [t/3]\n");
}

/* Told is what they were to have, as by Kafka. */
static void a_group_that_was_on_its_way_is_described_by_its_targets(void **state)
{
    struct group_bench *bench = *state;
    mixed_three(bench);
    BEAT(.member = "c", .epoch = -1);
    bench_forget(bench);
    bench_group(bench, GROUP_DESCRIBE, (struct said){.client = "admin"});
    JOIN(.client = "a", .member = "a#01", .protocols = "range:@t!");
    JOIN(.client = "b", .member = "b#02", .protocols = "range:@t!");
    SYNC(.client = "a", .member = "a#01", .generation = 3, .assign = "a#01=@t/0");
    bench_group(bench, GROUP_DESCRIBE, (struct said){.client = "admin"});
    bench_expect(bench, "admin: describe NONE PreparingRebalance consumer/ "
                        "[a#01:><t/0 t/1> b#02:><t/2>]\n"
                        "a: join NONE gen 3 range leader a#01 as a#01 [a#01= b#02=]\n"
                        "b: join NONE gen 3 range leader a#01 as b#02\n"
                        "a: sync NONE <t/0>\n"
                        "+ group g gen 3 consumer/range leader a#01 [a#01:><t/0> b#02:>]\n"
                        "admin: describe NONE Stable consumer/range [a#01:><t/0> b#02:>]\n");
}

/* The group would stay where nobody has what c is to have. */
static void a_static_member_that_is_replaced_on_the_way_leaves_nobody_there(void **state)
{
    struct group_bench *bench = *state;
    classic_pair(bench);
    BEAT(.member = "c", .instance = "i");
    bench_forget(bench);
    JOIN(.client = "d", .instance = "i", .version = 5, .protocols = "range:@t!");
    bench_list(bench, NULL, NULL);
    bench_expect(bench, "d: join NONE gen 2 range leader  as AwAAAAAAAAAAAAAAAAAAAA\n"
                        "- has g c\n"
                        "- target g c\n"
                        "- member g c\n"
                        "+ member g AwAAAAAAAAAAAAAAAAAAAA t as i\n"
                        "+ target g AwAAAAAAAAAAAAAAAAAAAA [t/3]\n"
                        "+ has g AwAAAAAAAAAAAAAAAAAAAA 0<0 unreleased []\n"
                        "+ member g AwAAAAAAAAAAAAAAAAAAAA t as i classic 10000 range\n"
                        "+ has g AwAAAAAAAAAAAAAAAAAAAA 2<0 unreleased []\n"
                        "- has g a#01\n"
                        "- has g b#02\n"
                        "- has g AwAAAAAAAAAAAAAAAAAAAA\n"
                        "- target g a#01\n"
                        "- target g b#02\n"
                        "- target g AwAAAAAAAAAAAAAAAAAAAA\n"
                        "- targets g\n"
                        "- member g a#01\n"
                        "- member g b#02\n"
                        "- member g AwAAAAAAAAAAAAAAAAAAAA\n"
                        "- partitions g\n"
                        "- epoch g\n"
                        "+ group g gen 2 consumer/range leader a#01 [a#01:><t/0 t/1> "
                        "b#02:><t/2 t/3> AwAAAAAAAAAAAAAAAAAAAA:><>]\n"
                        "admin: list g=PreparingRebalance/classic\n");
}

static void one_that_wants_something_else_makes_it_come_together_again(void **state)
{
    struct group_bench *bench = *state;
    bench_topic(bench, "t", 1);
    bench_topic(bench, "u", 1);
    BEAT(.member = "a", .instance = "i");
    JOIN(.client = "b", .member = "b", .protocols = "range:@t!");
    bench_forget(bench);
    JOIN(.client = "c", .instance = "i", .version = 5, .protocols = "range:@u!");
    bench_expect(bench,
                 "c: join NONE gen 0 range leader  as AgAAAAAAAAAAAAAAAAAAAA\n"
                 "- has g a\n"
                 "- target g a\n"
                 "- member g a\n"
                 "+ member g AgAAAAAAAAAAAAAAAAAAAA t as i\n"
                 "+ target g AgAAAAAAAAAAAAAAAAAAAA [t/0]\n"
                 "+ has g AgAAAAAAAAAAAAAAAAAAAA 0<0 stable [t/0]\n"
                 "+ member g AgAAAAAAAAAAAAAAAAAAAA u as i classic 10000 range\n"
                 "+ epoch g 3\n"
                 "- has g b\n"
                 "- has g AgAAAAAAAAAAAAAAAAAAAA\n"
                 "- target g b\n"
                 "- target g AgAAAAAAAAAAAAAAAAAAAA\n"
                 "- targets g\n"
                 "- member g b\n"
                 "- member g AgAAAAAAAAAAAAAAAAAAAA\n"
                 "- partitions g\n"
                 "- epoch g\n"
                 "+ group g gen 2 consumer/range leader b [b:><> AgAAAAAAAAAAAAAAAAAAAA:><t/0>]\n");
}

static void an_assignment_is_written_whatever_a_member_said_of_its_version(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    JOIN(.client = "b", .member = "b", .protocols = "range:@t! odd:\xff\xff");
    JOIN(.client = "c", .member = "c", .protocols = "odd:@t");
    bench_forget(bench);
    BEAT(.member = "a", .epoch = -1);
    bench_expect(bench, "a: beat NONE epoch -1\n"
                        "- has g a\n"
                        "- has g b\n"
                        "- has g c\n"
                        "- target g a\n"
                        "- target g b\n"
                        "- target g c\n"
                        "- targets g\n"
                        "- member g a\n"
                        "- member g b\n"
                        "- member g c\n"
                        "- partitions g\n"
                        "- epoch g\n"
                        "+ group g gen 3 consumer/odd leader b [b:\xff\xff><t/2 t/3> c:><>]\n");
}

/* Ids and names of protocols stand in the record, too, beside what each member says. */
static void a_group_that_fits_into_no_record_stays(void **state)
{
    enum { LONG_CHARS = 30000, METADATA_CHARS = 930000 };
    static char id[LONG_CHARS + 1];
    static char protocols[LONG_CHARS + METADATA_CHARS + 64];
    struct group_bench *bench = *state;
    memset(id, 'm', LONG_CHARS);
    memset(protocols, 'p', LONG_CHARS);
    int used = LONG_CHARS + sprintf(protocols + LONG_CHARS, ":@t! last:");
    memset(protocols + used, 'x', METADATA_CHARS);
    bench_topic(bench, "t", 1);
    bench->quiet = true;
    BEAT(.member = "a");
    JOIN(.client = "b", .member = id, .version = 5, .protocols = protocols);
    BEAT(.member = "a", .epoch = -1);
    bench->quiet = false;
    bench_list(bench, NULL, NULL);
    bench_expect(bench, "admin: list g=Assigning/consumer\n");
}

/* The name in the last record of a member that knows it. */
static void range_rename(struct group_bench *bench)
{
    for (uint32_t i = bench->log_count; i-- > 0;) {
        const struct bytes value = bench->log[i].value;
        for (uint32_t at = 0; at + 5 <= value.len; at++) {
            if (memcmp(value.ptr + at, "range", 5) == 0) {
                *(uint8_t *)(uintptr_t)(value.ptr + at) = 'o';
                return;
            }
        }
    }
    fail();
}

static void members_that_know_nothing_in_common_stay(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    JOIN(.client = "c", .member = "c", .protocols = "range:@t!");
    range_rename(bench);
    bench_restart(bench);
    bench_forget(bench);
    BEAT(.member = "a", .epoch = -1);
    bench_expect(bench, "a: beat NONE epoch -1\n"
                        "- has g a\n"
                        "- target g a\n"
                        "- member g a\n"
                        "+ epoch g 4\n");
}

static void a_downgraded_group_is_found_as_it_was(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    BEAT(.member = "a", .epoch = -1);
    bench_restart(bench);
    bench_forget(bench);
    HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    SYNC(.client = "b", .member = "b", .generation = 2);
    bench_list(bench, NULL, NULL);
    bench_expect(bench, "b: heartbeat NONE\n"
                        "b: sync NONE <t/2 t/3>\n"
                        "admin: list g=Stable/classic\n");
    BEAT(.member = "a"); /* And back. */
    bench_restart(bench);
    bench_forget(bench);
    bench_consumer_describe(bench, "g");
    bench_expect(bench, "admin: describe NONE Reconciling 3/3 uniform b@2 classic t [t/2 t/3] > "
                        "[t/2 t/3] a@3 t [t/0 t/1] > [t/0 t/1]\n");
}

/* As Kafka writes it of a member that did not say how long it may take. */
static void rebalance_timeout_forget(struct group_bench *bench)
{
    enum { MEMBER = 5 };
    for (uint32_t i = bench->log_count; i-- > 0;) {
        const struct bytes value = bench->log[i].value;
        for (uint32_t at = 0; bench->log[i].key.ptr[1] == MEMBER && at + 4 <= value.len; at++) {
            if (load_be32(value.ptr + at) == 60000) {
                store_be32((uint8_t *)(uintptr_t)(value.ptr + at), (uint32_t)-1);
                return;
            }
        }
    }
    fail();
}

static void who_does_not_say_how_long_it_may_take_has_its_session(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    rebalance_timeout_forget(bench);
    bench_restart(bench);
    BEAT(.member = "a", .epoch = -1);
    bench_forget(bench);
    bench_run_to(bench, bench->now_ms + 5000);
    JOIN(.client = "b", .member = "b", .protocols = "range:@t!t/2+t/3");
    bench_expect(bench, "b: join NONE gen 3 range leader b as b [b=]\n");
}

static void a_crash_within_a_downgrade_is_no_end(void **state)
{
    struct group_bench *bench = *state;
    mixed_pair(bench);
    const uint32_t before = bench->log_count;
    BEAT(.member = "a", .epoch = -1);
    for (uint32_t count = bench->log_count; count > before; count--) {
        bench_drop_records(bench, count);
        bench_restart(bench);
        HEARTBEAT(.client = "b", .member = "b", .generation = 2);
    }
    bench_expect(bench, "a: beat NONE epoch -1\n"
                        "- has g a\n"
                        "- has g b\n"
                        "- target g a\n"
                        "- target g b\n"
                        "- targets g\n"
                        "- member g a\n"
                        "- member g b\n"
                        "- partitions g\n"
                        "- epoch g\n"
                        "+ group g gen 2 consumer/range leader b [b:><t/2 t/3>]\n"
                        "b: heartbeat NONE\n"
                        "b: heartbeat UNKNOWN_MEMBER_ID\n"
                        "b: heartbeat UNKNOWN_MEMBER_ID\n"
                        "b: heartbeat UNKNOWN_MEMBER_ID\n"
                        "b: heartbeat ILLEGAL_GENERATION\n"
                        "b: heartbeat ILLEGAL_GENERATION\n"
                        "b: heartbeat ILLEGAL_GENERATION\n"
                        "b: heartbeat ILLEGAL_GENERATION\n"
                        "b: heartbeat ILLEGAL_GENERATION\n"
                        "b: heartbeat NONE\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_last_of_the_consumer_protocol_leaves_a_classic_group),
        CASE(a_member_that_is_fenced_has_left),
        CASE(who_is_removed_by_an_administrator_has_left),
        CASE(a_group_may_have_to_stay_as_it_is),
        CASE(the_last_of_all_leaves_a_consumer_group),
        CASE(a_static_member_that_is_replaced_makes_the_group_classic),
        CASE(what_is_yet_to_be_given_up_stays_its_owners_own),
        CASE(what_is_being_given_up_stays_its_owners_own),
        CASE(a_group_that_was_on_its_way_is_described_by_its_targets),
        CASE(a_static_member_that_is_replaced_on_the_way_leaves_nobody_there),
        CASE(one_that_wants_something_else_makes_it_come_together_again),
        CASE(an_assignment_is_written_whatever_a_member_said_of_its_version),
        CASE(a_group_that_fits_into_no_record_stays),
        CASE(members_that_know_nothing_in_common_stay),
        CASE(a_downgraded_group_is_found_as_it_was),
        CASE(who_does_not_say_how_long_it_may_take_has_its_session),
        CASE(a_crash_within_a_downgrade_is_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
