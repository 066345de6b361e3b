#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dataplane/tcp/wheel.h"
#include "storage/base/random.h"

enum { NODES = 64, ROUNDS = 4000 };

static struct wheel wheel;
static struct wheel_node nodes[NODES];
static uint64_t deadlines[NODES]; /* The naive wheel: 0 is not armed. */

static const uint64_t tick_ns = (uint64_t)1 << WHEEL_TICK_BITS;

static void check_next(void)
{
    uint64_t earliest = UINT64_MAX;
    uint32_t armed = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        armed += deadlines[i] != 0;
        earliest = deadlines[i] != 0 ? min_u64(earliest, deadlines[i]) : earliest;
    }
    assert_int_equal(wheel.count, armed);
    if (armed == 0) {
        assert_true(wheel_next_ns(&wheel) == UINT64_MAX);
    } else {
        assert_true(wheel_next_ns(&wheel) <=
                    max_u64(earliest + tick_ns, (wheel.now << WHEEL_TICK_BITS)));
    }
}

static void expire_all(uint64_t now_ns, struct random *random)
{
    struct wheel_node *node;
    for (;;) {
        uint32_t budget = 1 + (uint32_t)random_below(random, 8);
        while ((node = wheel_expire(&wheel, now_ns, &budget)) != NULL) {
            const size_t i = (size_t)(node - nodes);
            assert_true(deadlines[i] != 0);
            assert_true(deadlines[i] <= now_ns); /* Never early. */
            deadlines[i] = 0;
        }
        if (budget > 0) {
            break;
        }
    }
    for (uint32_t i = 0; i < NODES; i++) { /* Late by less than a tick. */
        assert_true(deadlines[i] == 0 || deadlines[i] + tick_ns > now_ns);
    }
}

static void the_wheel_fires_what_a_naive_list_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct random random;
        random_init(&random, seed);
        uint64_t now_ns = random_u64(&random) >> (8 + random_below(&random, 40));
        memset(nodes, 0, sizeof(nodes));
        memset(deadlines, 0, sizeof(deadlines));
        wheel_init(&wheel, now_ns);
        for (uint32_t round = 0; round < ROUNDS / 10; round++) {
            const uint64_t i = random_below(&random, NODES);
            if (random_one_in(&random, 4)) {
                wheel_cancel(&wheel, &nodes[i]);
                deadlines[i] = 0;
            } else {
                deadlines[i] =
                    now_ns + 1 + (random_u64(&random) >> (16 + random_below(&random, 40)));
                wheel_arm(&wheel, &nodes[i], deadlines[i]);
            }
            if (random_one_in(&random, 3)) {
                now_ns += random_u64(&random) >> (20 + random_below(&random, 40));
                expire_all(now_ns, &random);
            }
            check_next();
        }
    }
}

static void the_next_deadline_leads_to_the_timer_in_few_steps(void **state)
{
    (void)state;
    memset(nodes, 0, sizeof(nodes));
    wheel_init(&wheel, 0);
    const uint64_t hour_ns = 3600 * (uint64_t)1000000000;
    wheel_arm(&wheel, &nodes[0], hour_ns);
    uint32_t steps = 0;
    struct wheel_node *node = NULL;
    while (node == NULL) {
        uint32_t budget = 10;
        node = wheel_expire(&wheel, wheel_next_ns(&wheel), &budget);
        steps++;
    }
    assert_ptr_equal(node, &nodes[0]);
    assert_true(steps <= WHEEL_LEVELS);
}

static void a_timer_of_the_past_fires_at_once(void **state)
{
    (void)state;
    memset(nodes, 0, sizeof(nodes));
    wheel_init(&wheel, 1000 * tick_ns);
    wheel_arm(&wheel, &nodes[0], 5);
    uint32_t budget = 1;
    assert_ptr_equal(wheel_expire(&wheel, 1000 * tick_ns, &budget), &nodes[0]);
    assert_int_equal(budget, 0);
}

static void the_end_of_time_never_comes(void **state)
{
    (void)state;
    memset(nodes, 0, sizeof(nodes));
    wheel_init(&wheel, 0);
    wheel_arm(&wheel, &nodes[0], UINT64_MAX);
    uint32_t budget = 10;
    assert_null(wheel_expire(&wheel, UINT64_MAX / 2, &budget));
    assert_true(wheel_armed(&nodes[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wheel_fires_what_a_naive_list_does),
        cmocka_unit_test(the_next_deadline_leads_to_the_timer_in_few_steps),
        cmocka_unit_test(a_timer_of_the_past_fires_at_once),
        cmocka_unit_test(the_end_of_time_never_comes),
    };
    return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
