/* The table of connections that nobody has answered: by one thread, and in the last test by two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/stack/openings.h"

enum { ROUNDS = 100000 };

static struct openings openings;

static struct tcp_opening opening_of(uint32_t hash, uint16_t port)
{
    return (struct tcp_opening){
        .key = {.local_port = port}, .hash = hash, .iss = 1000u + port, .token = port};
}

static bool willing(void *context, uint32_t hash)
{
    uint32_t *asked = context;
    *asked = hash;
    return true;
}

static bool unwilling(void *context, uint32_t hash)
{
    uint32_t *asked = context;
    *asked = hash;
    return false;
}

static int reset(void **state)
{
    (void)state;
    memset(&openings, 0, sizeof(openings));
    return 0;
}

static void an_opening_goes_to_one_only(void **state)
{
    (void)state;
    const struct tcp_opening one = opening_of(7, 1);
    struct tcp_opening got;
    uint32_t asked = 0;
    assert_true(openings_add(&openings, &one));
    assert_true(openings_take(&openings, &one.key, 7, 1002, willing, &asked, &got));
    assert_int_equal(asked, 7);
    assert_int_equal(got.token, 1);
    assert_false(openings_take(&openings, &one.key, 7, 1002, willing, &asked, &got));
    assert_false(openings_remove(&openings, &one));
    assert_true(openings_add(&openings, &one));
    assert_true(openings_remove(&openings, &one));
    assert_false(openings_take(&openings, &one.key, 7, 1002, willing, &asked, &got));
    assert_int_equal(openings.count, 0);
}

static void only_its_answer_takes_it(void **state)
{
    (void)state;
    const struct tcp_opening one = opening_of(7, 1);
    const struct tcp_opening other = opening_of(7, 2); /* Of the same hash. */
    struct tcp_opening got;
    uint32_t asked = 0;
    assert_true(openings_add(&openings, &one));
    assert_false(openings_take(&openings, &other.key, 7, 1003, willing, &asked, &got));
    assert_false(openings_take(&openings, &one.key, 8, 1002, willing, &asked, &got));
    assert_false(openings_take(&openings, &one.key, 7, 1001, willing, &asked, &got));
    assert_false(openings_take(&openings, &one.key, 7, 1003, willing, &asked, &got));
    assert_int_equal(asked, 0); /* Nobody was asked for less. */
    assert_false(openings_take(&openings, &one.key, 7, 1002, unwilling, &asked, &got));
    assert_int_equal(asked, 7);
    assert_true(openings_remove(&openings, &one));
}

/* Who took one over may open from its port again before the first to open looks. */
static void only_who_offered_it_takes_it_back(void **state)
{
    (void)state;
    const struct tcp_opening first = opening_of(7, 1);
    struct tcp_opening second = first;
    struct tcp_opening got;
    uint32_t asked = 0;
    assert_true(openings_add(&openings, &first));
    assert_true(openings_take(&openings, &first.key, 7, 1002, willing, &asked, &got));
    second.iss = 9000;
    assert_true(openings_add(&openings, &second));
    assert_false(openings_remove(&openings, &first));
    assert_int_equal(openings.count, 1);
    assert_true(openings_remove(&openings, &second));
}

static void equal_hashes_find_room_side_by_side_and_then_none(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < OPENING_LOOKS; i++) {
        const struct tcp_opening one = opening_of(OPENINGS_MAX - 1, i); /* Over the end, too. */
        assert_true(openings_add(&openings, &one));
    }
    const struct tcp_opening none = opening_of(OPENINGS_MAX - 1, 99);
    assert_false(openings_add(&openings, &none));
    for (uint16_t i = 0; i < OPENING_LOOKS; i += 2) {
        const struct tcp_opening one = opening_of(OPENINGS_MAX - 1, i);
        assert_true(openings_remove(&openings, &one));
    }
    for (uint16_t i = 1; i < OPENING_LOOKS; i += 2) { /* Those behind the gaps are found. */
        const struct tcp_opening one = opening_of(OPENINGS_MAX - 1, i);
        assert_true(openings_remove(&openings, &one));
    }
    assert_int_equal(openings.count, 0);
}

static uint32_t taken_by_other;

static void *take_all(void *context)
{
    const _Atomic bool *done = context;
    const struct tcp_opening one = opening_of(7, 1);
    struct tcp_opening got;
    uint32_t asked;
    while (!atomic_load(done)) {
        taken_by_other += openings_take(&openings, &one.key, 7, 1002, willing, &asked, &got);
    }
    return NULL;
}

static void two_cores_never_have_the_same_one(void **state)
{
    (void)state;
    _Atomic bool done = false;
    pthread_t other;
    const struct tcp_opening one = opening_of(7, 1);
    uint32_t kept = 0;
    assert_int_equal(pthread_create(&other, NULL, take_all, &done), 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        assert_true(openings_add(&openings, &one));
        kept += openings_remove(&openings, &one);
    }
    atomic_store(&done, true);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(kept + taken_by_other, ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_opening_goes_to_one_only, reset),
        cmocka_unit_test_setup(only_its_answer_takes_it, reset),
        cmocka_unit_test_setup(only_who_offered_it_takes_it_back, reset),
        cmocka_unit_test_setup(equal_hashes_find_room_side_by_side_and_then_none, reset),
        cmocka_unit_test_setup(two_cores_never_have_the_same_one, reset),
    };
    return cmocka_run_group_tests_name("openings", tests, NULL, NULL);
}
