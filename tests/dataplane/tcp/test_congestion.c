#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/congestion.h"

enum { MSS = 1000 };

static struct congestion_state fresh(uint32_t cwnd, uint32_t ssthresh)
{
    struct congestion_state state = {
        .cwnd = cwnd, .ssthresh = ssthresh, .mss = MSS, .cwnd_cap = 1 << 30};
    congestion_reno.start(&state);
    return state;
}

static void the_initial_window_is_ten_segments(void **state)
{
    (void)state; /* RFC 6928 2 */
    assert_int_equal(congestion_initial_window(1460), 14600);
    assert_int_equal(congestion_initial_window(536), 5360);
    assert_int_equal(congestion_initial_window(8960), 17920);
}

static void slow_start_grows_by_what_was_acknowledged_up_to_the_threshold(void **state)
{
    (void)state; /* RFC 5681 3.1 */
    struct congestion_state s = fresh(10 * MSS, 15 * MSS);
    congestion_reno.on_ack(&s, 3 * MSS, 1, 1);
    assert_int_equal(s.cwnd, 13 * MSS);
    congestion_reno.on_ack(&s, 3 * MSS, 1, 1);
    assert_int_equal(s.cwnd, 15 * MSS);
}

static void congestion_avoidance_grows_one_segment_a_window(void **state)
{
    (void)state; /* RFC 5681 3.1 (3) */
    struct congestion_state s = fresh(20 * MSS, 20 * MSS);
    for (uint32_t i = 0; i < 19; i++) {
        congestion_reno.on_ack(&s, MSS, 1, 1);
        assert_int_equal(s.cwnd, 20 * MSS);
    }
    congestion_reno.on_ack(&s, MSS, 1, 1);
    assert_int_equal(s.cwnd, 21 * MSS);
}

static void a_loss_halves_the_window_but_leaves_two_segments(void **state)
{
    (void)state; /* RFC 5681 (4) */
    struct congestion_state s = fresh(20 * MSS, 1 << 30);
    assert_int_equal(congestion_reno.on_loss(&s, 1), 10 * MSS);
    s = fresh(2 * MSS, 1 << 30);
    assert_int_equal(congestion_reno.on_loss(&s, 1), 2 * MSS);
}

static void the_window_ends_at_its_cap(void **state)
{
    (void)state;
    struct congestion_state s = fresh(20 * MSS, 1 << 30);
    s.cwnd_cap = 21 * MSS;
    congestion_reno.on_ack(&s, 20 * MSS, 1, 1);
    assert_int_equal(s.cwnd, 21 * MSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_initial_window_is_ten_segments),
        cmocka_unit_test(slow_start_grows_by_what_was_acknowledged_up_to_the_threshold),
        cmocka_unit_test(congestion_avoidance_grows_one_segment_a_window),
        cmocka_unit_test(a_loss_halves_the_window_but_leaves_two_segments),
        cmocka_unit_test(the_window_ends_at_its_cap),
    };
    return cmocka_run_group_tests_name("congestion", tests, NULL, NULL);
}
