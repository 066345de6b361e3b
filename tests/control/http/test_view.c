#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/http/view.h"
#include "tests/sim/sim_link.h"

static void a_status_is_copied_both_ways(void **state)
{
    (void)state;
    struct view view;
    struct control_status status = {.phase = CONTROL_READY, .topics = 4, .reason = "why"};
    struct control_status got;
    view_init(&view);
    view_put_status(&view, &status);
    status.topics = 5;
    view_get_status(&view, &got);
    assert_int_equal(got.topics, 4);
    assert_string_equal(got.reason, "why");
    view_free(&view);
}

static void a_report_lives_until_the_last_reader_lets_go(void **state)
{
    (void)state;
    const struct lag_limits limits = {.partitions_max = 1, .rows_max = 1};
    struct view view;
    view_init(&view);
    assert_null(view_get_lag(&view));
    view_put_lag(&view, lag_report_new(&limits, 1, 0));
    struct lag_report *held = view_get_lag(&view);
    view_put_lag(&view, lag_report_new(&limits, 2, 0));
    assert_int_equal(held->at_ns, 1);
    assert_int_equal(atomic_load(&held->holders), 1);
    lag_report_release(held);
    held = view_get_lag(&view);
    assert_int_equal(held->at_ns, 2);
    view_free(&view);
    assert_int_equal(atomic_load(&held->holders), 1);
    lag_report_release(held);
}

static void statistics_live_until_the_last_reader_lets_go(void **state)
{
    (void)state;
    struct sim_link_machine *machine = sim_link_machine_create();
    struct link_world *world = sim_link_process(machine);
    struct view view;
    view_init(&view);
    assert_null(view_get_statistics(&view));
    void *mapped[2];
    for (uint32_t i = 0; i < 2; i++) {
        const int memory = link_memory_make(world, "s", 4096);
        mapped[i] = link_memory_map(world, memory, 4096, true);
        link_close(world, memory);
    }
    memset(mapped[0], 0x5a, 4096);
    view_put_statistics(&view, world, mapped[0], 4096);
    struct statistics_share *held = view_get_statistics(&view);
    view_put_statistics(&view, world, mapped[1], 4096);
    assert_int_equal(((const uint8_t *)held->memory)[4095], 0x5a); /* Still mapped. */
    struct statistics_share *now = view_get_statistics(&view);
    assert_ptr_equal(now->memory, mapped[1]);
    view_release(now);
    view_release(held);
    view_free(&view);
    sim_link_process_end(world);
    sim_link_machine_destroy(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_copied_both_ways),
        cmocka_unit_test(a_report_lives_until_the_last_reader_lets_go),
        cmocka_unit_test(statistics_live_until_the_last_reader_lets_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
