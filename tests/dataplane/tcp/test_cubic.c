#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/congestion.h"

enum { MSS = 1000 };

static const uint64_t ms = 1000000;

/* Acknowledges whole windows for a time, one a round trip. */
static void run(struct congestion_state *s, uint64_t *now_ns, uint64_t for_ms, uint64_t rtt_ms)
{
    for (uint64_t end_ns = *now_ns + for_ms * ms; *now_ns < end_ns; *now_ns += rtt_ms * ms) {
        for (uint32_t left = s->cwnd / MSS; left > 0; left--) {
            congestion_cubic.on_ack(s, MSS, rtt_ms * ms, *now_ns);
        }
    }
}

static struct congestion_state after_loss(uint32_t cwnd)
{
    struct congestion_state s = {.cwnd = cwnd, .ssthresh = cwnd, .mss = MSS, .cwnd_cap = 1 << 30};
    congestion_cubic.start(&s);
    s.ssthresh = congestion_cubic.on_loss(&s, 1);
    s.cwnd = s.ssthresh;
    return s;
}

static void a_loss_leaves_seven_tenths(void **state)
{
    (void)state; /* RFC 9438 4.6 */
    assert_in_range(after_loss(1000 * MSS).cwnd, 699 * MSS, 700 * MSS);
}

static void the_window_is_back_at_its_maximum_after_k(void **state)
{
    (void)state; /* RFC 9438 4.2: K = cbrt(W_max * 0.3 / 0.4) = 9.08 s for 1000 segments. */
    struct congestion_state s = after_loss(1000 * MSS);
    uint64_t now_ns = 1000 * ms;
    run(&s, &now_ns, 4500, 100);
    assert_in_range(s.cwnd, 940 * MSS, 975 * MSS); /* Concave: half of the time, 7/8 of the way. */
    run(&s, &now_ns, 4500, 100);
    assert_in_range(s.cwnd, 985 * MSS, 1015 * MSS);
    run(&s, &now_ns, 5000, 100);
    assert_in_range(s.cwnd, 1020 * MSS, 1090 * MSS); /* Convex: it probes beyond. */
}

static void on_short_round_trips_it_is_not_slower_than_reno(void **state)
{
    (void)state; /* RFC 9438 4.3 */
    struct congestion_state s = after_loss(100 * MSS);
    uint64_t now_ns = 1000 * ms;
    run(&s, &now_ns, 100, 1); /* 100 round trips: Reno's equal would gain 53 segments. */
    assert_in_range(s.cwnd, 115 * MSS, 180 * MSS);
}

static void a_second_loss_below_the_maximum_gives_room_to_others(void **state)
{
    (void)state; /* RFC 9438 4.7 */
    struct congestion_state s = after_loss(1000 * MSS);
    (void)congestion_cubic.on_loss(&s, 1);
    assert_in_range(s.w_max, 594 * MSS, 596 * MSS);
    congestion_cubic.on_undo(&s);
    assert_int_equal(s.w_max, 1000 * MSS);
}

static void idle_time_does_not_grow_the_window(void **state)
{
    (void)state; /* RFC 9438 5.8 */
    struct congestion_state s = after_loss(1000 * MSS);
    uint64_t now_ns = 1000 * ms;
    run(&s, &now_ns, 100, 100);
    const uint32_t before = s.cwnd;
    congestion_cubic.on_idle(&s, 60000 * ms);
    now_ns += 60000 * ms;
    run(&s, &now_ns, 100, 100);
    assert_in_range(s.cwnd, before, before + 20 * MSS);
}

static void below_the_threshold_it_is_slow_start(void **state)
{
    (void)state;
    struct congestion_state s = {
        .cwnd = 10 * MSS, .ssthresh = 1 << 30, .mss = MSS, .cwnd_cap = 1 << 30};
    congestion_cubic.start(&s);
    congestion_cubic.on_ack(&s, 10 * MSS, ms, ms);
    assert_int_equal(s.cwnd, 20 * MSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_leaves_seven_tenths),
        cmocka_unit_test(the_window_is_back_at_its_maximum_after_k),
        cmocka_unit_test(on_short_round_trips_it_is_not_slower_than_reno),
        cmocka_unit_test(a_second_loss_below_the_maximum_gives_room_to_others),
        cmocka_unit_test(idle_time_does_not_grow_the_window),
        cmocka_unit_test(below_the_threshold_it_is_slow_start),
    };
    return cmocka_run_group_tests_name("cubic", tests, NULL, NULL);
}
