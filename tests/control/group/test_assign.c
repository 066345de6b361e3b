#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "control/group/assign.h"
#include "storage/base/random.h"

enum {
    TOPICS_MAX = 8,
    MEMBERS_MAX = 12,
    PARTITIONS_MAX = 20,
};

struct bench {
    struct arena arena;
    struct assign assign;
    struct assign_topic topics[TOPICS_MAX];
    struct assign_member members[MEMBERS_MAX];
    uint32_t owners[TOPICS_MAX][PARTITIONS_MAX];
    uint32_t wanted[MEMBERS_MAX][TOPICS_MAX];
    char names[MEMBERS_MAX][16];
};

static void bench_start(struct bench *bench, uint32_t topics, const uint32_t *sizes,
                        uint32_t members)
{
    *bench = (struct bench){0};
    bench->assign = (struct assign){&bench->arena, bench->topics, topics, bench->members, members};
    for (uint32_t i = 0; i < topics; i++) {
        bench->topics[i] = (struct assign_topic){sizes[i], bench->owners[i]};
        for (uint32_t k = 0; k < sizes[i]; k++) {
            bench->owners[i][k] = ASSIGN_NOBODY;
        }
    }
    for (uint32_t i = 0; i < members; i++) {
        snprintf(bench->names[i], sizeof(bench->names[i]), "m%02u", i);
        bench->members[i].id = bytes_of_string(bench->names[i]);
        bench->members[i].topics = bench->wanted[i];
        for (uint32_t k = 0; k < topics; k++) {
            bench->wanted[i][bench->members[i].topic_count++] = k;
        }
    }
}

/* "0011 2" : owners topic by topic. */
static void assert_owners(struct bench *bench, const char *want)
{
    char have[256];
    uint32_t used = 0;
    for (uint32_t i = 0; i < bench->assign.topic_count; i++) {
        for (uint32_t k = 0; k < bench->topics[i].partition_count; k++) {
            const uint32_t owner = bench->owners[i][k];
            have[used++] = owner == ASSIGN_NOBODY ? '-' : (char)('0' + owner);
        }
        have[used++] = ' ';
    }
    have[used == 0 ? 0 : used - 1] = '\0';
    assert_string_equal(have, want);
    arena_free(&bench->arena);
}

static void ranges_are_rows_of_neighbours(void **state)
{
    (void)state;
    struct bench bench;
    bench_start(&bench, 2, (const uint32_t[]){3, 3}, 2);
    assign_range(&bench.assign);
    assert_owners(&bench, "001 001"); /* The example in RangeAssignor.java. */
    bench_start(&bench, 2, (const uint32_t[]){7, 2}, 3);
    assign_range(&bench.assign);
    assert_owners(&bench, "0001122 01");
    bench_start(&bench, 1, (const uint32_t[]){4}, 0);
    assign_range(&bench.assign);
    assert_owners(&bench, "----");
}

static void ranges_go_to_static_members_first(void **state)
{
    (void)state;
    struct bench bench;
    bench_start(&bench, 1, (const uint32_t[]){4}, 4);
    bench.members[3].instance_id = bytes_of_string("a");
    bench.members[1].instance_id = bytes_of_string("b");
    assign_range(&bench.assign);
    assert_owners(&bench, "3102");
}

static void ranges_of_topics_that_some_want(void **state)
{
    (void)state;
    struct bench bench;
    bench_start(&bench, 3, (const uint32_t[]){3, 3, 2}, 3);
    bench.members[0].topic_count = 1; /* Only the first. */
    bench.members[1].topic_count = 2;
    bench.members[2].topic_count = 2;
    assign_range(&bench.assign);
    assert_owners(&bench, "012 112 --");
}

static void uniform_shares_are_equal_and_kept(void **state)
{
    (void)state;
    struct bench bench;
    bench_start(&bench, 2, (const uint32_t[]){3, 4}, 3);
    assign_uniform(&bench.assign);
    assert_owners(&bench, "000 1122");
    bench.assign.member_count = 2; /* The last one left: only what it had moves. */
    assign_uniform(&bench.assign);
    assert_owners(&bench, "000 1101");
    bench.assign.member_count = 3;
    assign_uniform(&bench.assign);
    assert_owners(&bench, "000 1122");
}

static void uniform_takes_what_is_not_wanted(void **state)
{
    (void)state;
    struct bench bench;
    bench_start(&bench, 2, (const uint32_t[]){2, 2}, 2);
    assign_uniform(&bench.assign);
    assert_owners(&bench, "00 11");
    bench.members[0].topic_count = 1;
    bench.members[1].topic_count = 1;
    assign_uniform(&bench.assign);
    assert_owners(&bench, "01 --");
    bench.members[0].topic_count = 0;
    bench.members[1].topic_count = 0;
    assign_uniform(&bench.assign);
    assert_owners(&bench, "-- --");
}

/* --- whatever is wanted -------------------------------------------------------------------------
 */

static void members_want_at_random(struct bench *bench, struct random *random)
{
    for (uint32_t i = 0; i < MEMBERS_MAX; i++) {
        bench->members[i].topic_count = 0;
        for (uint32_t k = 0; k < bench->assign.topic_count; k++) {
            if (random_one_in(random, 2)) {
                bench->wanted[i][bench->members[i].topic_count++] = k;
            }
        }
    }
}

static bool wants(const struct bench *bench, uint32_t member, uint32_t topic)
{
    for (uint32_t i = 0; i < bench->members[member].topic_count; i++) {
        if (bench->wanted[member][i] == topic) {
            return true;
        }
    }
    return false;
}

static void counts_of(const struct bench *bench, uint32_t *counts)
{
    memset(counts, 0, MEMBERS_MAX * sizeof(counts[0]));
    for (uint32_t i = 0; i < bench->assign.topic_count; i++) {
        for (uint32_t k = 0; k < bench->topics[i].partition_count; k++) {
            if (bench->owners[i][k] != ASSIGN_NOBODY) {
                counts[bench->owners[i][k]]++;
            }
        }
    }
}

/* Who owns wants; nobody owns only what nobody wants; no partition would be better elsewhere. */
static void check_uniform(const struct bench *bench)
{
    uint32_t counts[MEMBERS_MAX];
    counts_of(bench, counts);
    for (uint32_t i = 0; i < bench->assign.topic_count; i++) {
        for (uint32_t k = 0; k < bench->topics[i].partition_count; k++) {
            const uint32_t owner = bench->owners[i][k];
            assert_true(owner == ASSIGN_NOBODY || owner < bench->assign.member_count);
            assert_true(owner == ASSIGN_NOBODY || wants(bench, owner, i));
            for (uint32_t m = 0; m < bench->assign.member_count; m++) {
                if (wants(bench, m, i)) {
                    assert_int_not_equal(owner, ASSIGN_NOBODY);
                    assert_true(counts[owner] <= counts[m] + 1);
                }
            }
        }
    }
}

static void uniform_holds_whatever_changes(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct bench bench;
        struct random random;
        uint32_t sizes[TOPICS_MAX];
        random_init(&random, seed);
        for (uint32_t i = 0; i < TOPICS_MAX; i++) {
            sizes[i] = (uint32_t)random_below(&random, PARTITIONS_MAX + 1);
        }
        bench_start(&bench, TOPICS_MAX, sizes, MEMBERS_MAX);
        for (uint32_t change = 0; change < 20; change++) {
            if (seed % 2 == 0) {
                members_want_at_random(&bench, &random);
            }
            bench.assign.member_count = 1 + (uint32_t)random_below(&random, MEMBERS_MAX);
            assign_uniform(&bench.assign);
            check_uniform(&bench);
            uint32_t before[TOPICS_MAX][PARTITIONS_MAX];
            memcpy(before, bench.owners, sizeof(before));
            assign_uniform(&bench.assign); /* Nothing is moved without need. */
            assert_memory_equal(before, bench.owners, sizeof(before));
            arena_free(&bench.arena);
        }
    }
}

static void a_newcomer_takes_only_its_share(void **state)
{
    (void)state;
    struct bench bench;
    bench_start(&bench, 4, (const uint32_t[]){20, 13, 1, 7}, 5);
    assign_uniform(&bench.assign);
    uint32_t before[TOPICS_MAX][PARTITIONS_MAX];
    memcpy(before, bench.owners, sizeof(before));
    arena_free(&bench.arena);
    for (uint32_t members = 6; members <= MEMBERS_MAX; members++) {
        bench_start(&bench, 4, (const uint32_t[]){20, 13, 1, 7}, members);
        memcpy(bench.owners, before, sizeof(before));
        assign_uniform(&bench.assign);
        uint32_t moved = 0;
        for (uint32_t i = 0; i < 4; i++) {
            for (uint32_t k = 0; k < bench.topics[i].partition_count; k++) {
                moved += before[i][k] != bench.owners[i][k];
            }
        }
        assert_in_range(moved, 41 / members, 41 / members + 1);
        memcpy(before, bench.owners, sizeof(before));
        arena_free(&bench.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_rows_of_neighbours),
        cmocka_unit_test(ranges_go_to_static_members_first),
        cmocka_unit_test(ranges_of_topics_that_some_want),
        cmocka_unit_test(uniform_shares_are_equal_and_kept),
        cmocka_unit_test(uniform_takes_what_is_not_wanted),
        cmocka_unit_test(uniform_holds_whatever_changes),
        cmocka_unit_test(a_newcomer_takes_only_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
