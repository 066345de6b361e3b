#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/congestion.h"

static void the_share_is_that_of_the_rfc(void **state)
{
    (void)state; /* alpha = alpha * (1 - 1/16) + 1/16 * M, and cwnd = cwnd * (1 - alpha / 2). */
    struct congestion_state at = {.cwnd = 1000000, .mss = 1000};
    double alpha = 1;
    congestion_dctcp.start(&at);
    for (uint32_t i = 0; i < 1000; i++) {
        const uint32_t acked = 1000 + i * 977;
        const uint32_t marked = acked / 100 * (i % 101);
        alpha = alpha * 15 / 16 + (double)marked / acked / 16;
        congestion_dctcp.on_round(&at, acked, marked);
        const double difference = (double)at.marked_share / DCTCP_SHARE_ONE - alpha;
        assert_true(difference > -0.0001 && difference < 0.0001);
        const double less = (1000000 - congestion_dctcp.on_mark(&at)) / 1e6 - alpha / 2;
        assert_true(less > -0.0001 && less < 0.0001);
    }
    at.cwnd = 2500; /* Two segments at least. */
    at.marked_share = DCTCP_SHARE_ONE;
    assert_int_equal(congestion_dctcp.on_mark(&at), 2000);
}

static void without_marks_it_is_reno(void **state)
{
    (void)state;
    struct congestion_state at = {
        .cwnd = 20000, .ssthresh = 40000, .mss = 1000, .cwnd_cap = 1 << 30};
    struct congestion_state reno = at;
    congestion_dctcp.start(&at);
    congestion_reno.start(&reno);
    for (uint32_t i = 0; i < 200; i++) {
        congestion_dctcp.on_ack(&at, 1000, 100000, i * 100000);
        congestion_reno.on_ack(&reno, 1000, 100000, i * 100000);
        congestion_dctcp.on_round(&at, 20000, 0);
        assert_int_equal(at.cwnd, reno.cwnd);
    }
    assert_int_equal(congestion_dctcp.on_loss(&at, 1), congestion_reno.on_loss(&reno, 1));
    congestion_dctcp.on_undo(&at);
    congestion_dctcp.on_idle(&at, 1000);
    assert_int_equal(at.counted, reno.counted);
}

static void algorithms_are_found_by_their_names(void **state)
{
    (void)state;
    assert_ptr_equal(congestion_find("dctcp"), &congestion_dctcp);
    assert_ptr_equal(congestion_find("reno"), &congestion_reno);
    assert_ptr_equal(congestion_find("cubic"), &congestion_cubic);
    assert_ptr_equal(congestion_find(""), &congestion_cubic);
    assert_null(congestion_find("bbr"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_is_that_of_the_rfc),
        cmocka_unit_test(without_marks_it_is_reno),
        cmocka_unit_test(algorithms_are_found_by_their_names),
    };
    return cmocka_run_group_tests_name("dctcp", tests, NULL, NULL);
}
