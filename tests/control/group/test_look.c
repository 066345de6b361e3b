#include <stdio.h>
#include <string.h>

#include "control/group/coordinator.h"
#include "tests/control/group/bench.h"

/* "g:Empty/0 t/0=5 t/1=6", as far as so many go. */
static void assert_seen(struct group_bench *bench, uint32_t count, const char *want)
{
    char got[512] = "";
    struct group_seen seen;
    for (uint32_t i = 0; i < count && group_look_next(bench->coordinator, &seen); i++) {
        char *at = got + strlen(got);
        const char *gap = at == got ? "" : " ";
        if (seen.topic.ptr == NULL) {
            (void)snprintf(at, 64, "%s%.*s:%s/%u", gap, (int)seen.group.len, seen.group.ptr,
                           group_shown_name(seen.state), seen.members);
        } else {
            (void)snprintf(at, 64, "%s%.*s/%d=%d", gap, (int)seen.topic.len, seen.topic.ptr,
                           seen.partition, (int)seen.committed);
        }
    }
    assert_string_equal(got, want);
}

static void groups_are_seen_with_what_they_committed(void **state)
{
    struct group_bench *bench = *state;
    assert_seen(bench, 10, "");
    COMMIT(.group = "x", .generation = -1, .topics = "t/0=5 t/1=6");
    bench_stable(bench);
    assert_seen(bench, 10, ""); /* Not begun. */
    group_look_begin(bench->coordinator);
    assert_seen(bench, 10, "x:Empty/0 t/0=5 t/1=6 g:Stable/2");
    assert_seen(bench, 10, "");
}

static void what_a_transaction_has_not_committed_is_not_seen(void **state)
{
    struct group_bench *bench = *state;
    TXN(.generation = -1, .topics = "t/0=8", .producer_id = 1);
    group_look_begin(bench->coordinator);
    assert_seen(bench, 10, "g:Empty/0");
    bench_txn_end(bench, 1, true);
    group_look_begin(bench->coordinator);
    assert_seen(bench, 10, "g:Empty/0 t/0=8");
}

static void a_walk_goes_on_beside_what_goes(void **state)
{
    struct group_bench *bench = *state;
    for (const char *name = "abc"; *name != '\0'; name++) {
        COMMIT(.group = (const char[]){*name, '\0'}, .generation = -1, .topics = "t/0=1 u/0=2");
    }
    group_look_begin(bench->coordinator);
    assert_seen(bench, 1, "a:Empty/0");
    bench_topic_deleted(bench, "t"); /* Its next. */
    assert_seen(bench, 1, "u/0=2");
    bench_group(bench, GROUP_DELETE, (struct said){.group = "a"});
    bench_group(bench, GROUP_DELETE, (struct said){.group = "b"});
    assert_seen(bench, 10, "c:Empty/0 u/0=2");
    group_look_begin(bench->coordinator);
    assert_seen(bench, 1, "c:Empty/0");
    bench_group(bench, GROUP_DELETE, (struct said){.group = "c"});
    assert_seen(bench, 10, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_are_seen_with_what_they_committed, group_bench_up,
                                        group_bench_down),
        cmocka_unit_test_setup_teardown(what_a_transaction_has_not_committed_is_not_seen,
                                        group_bench_up, group_bench_down),
        cmocka_unit_test_setup_teardown(a_walk_goes_on_beside_what_goes, group_bench_up,
                                        group_bench_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
