#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/neighbor.h"

enum { CAPACITY = 4, PEER = 0x0a000002 };

static const uint64_t second_ns = 1000000000;
static const struct mac mac_a = {{2, 0, 0, 0, 0, 0xa}};
static const struct mac mac_b = {{2, 0, 0, 0, 0, 0xb}};
static struct neighbor_table table;
static uint64_t memory[128];

static int setup(void **state)
{
    (void)state;
    assert_true(neighbor_memory_bytes(CAPACITY) <= sizeof(memory));
    memset(memory, 0, sizeof(memory));
    neighbor_init(&table, memory, CAPACITY);
    return 0;
}

static uint16_t look_up(uint32_t v4, uint64_t now_ns)
{
    const struct address address = address_of_v4(v4);
    return neighbor_look_up(&table, &address, now_ns);
}

static void learn(uint32_t v4, const struct mac *mac, bool create, uint64_t now_ns)
{
    const struct address address = address_of_v4(v4);
    neighbor_learn(&table, &address, mac, NEIGHBOR_ARP | (create ? NEIGHBOR_CREATE : 0), now_ns);
}

static struct neighbor_request expect_request(uint64_t now_ns)
{
    struct neighbor_request request;
    assert_true(neighbor_due(&table, now_ns, &request));
    return request;
}

static void expect_none(uint64_t now_ns)
{
    struct neighbor_request request;
    assert_false(neighbor_due(&table, now_ns, &request));
}

static void three_requests_a_second_apart_then_it_gives_up(void **state)
{
    (void)state;
    struct list_node frame = {0};
    const uint16_t index = look_up(PEER, 0);
    assert_false(neighbor_has_mac(&table, index));
    assert_true(neighbor_wait(&table, index, &frame));
    for (uint64_t i = 0; i < NEIGHBOR_REQUESTS_MAX; i++) {
        const struct neighbor_request request = expect_request(i * second_ns);
        assert_true(request.broadcast);
        assert_int_equal(address_v4(&request.address), PEER);
        expect_none(i * second_ns);
        assert_int_equal(table.next_ns, (i + 1) * second_ns);
    }
    expect_none(3 * second_ns);
    assert_int_equal(table.used, 0);
    assert_int_equal(table.failed, 1);
    assert_ptr_equal(list_pop_front(&table.dropped), &frame);
}

static void an_answer_lets_waiting_frames_go(void **state)
{
    (void)state;
    struct list_node frames[NEIGHBOR_WAITING_MAX + 1] = {{0}};
    const uint16_t index = look_up(PEER, 0);
    const uint32_t generation = table.generation;
    for (uint32_t i = 0; i < NEIGHBOR_WAITING_MAX; i++) {
        assert_true(neighbor_wait(&table, index, &frames[i]));
    }
    assert_false(neighbor_wait(&table, index, &frames[NEIGHBOR_WAITING_MAX]));
    learn(PEER, &mac_a, false, 5);
    assert_true(neighbor_has_mac(&table, index));
    assert_int_not_equal(table.generation, generation);
    for (uint32_t i = 0; i < NEIGHBOR_WAITING_MAX; i++) {
        assert_ptr_equal(list_pop_front(&table.resolved), &frames[i]);
    }
    assert_true(list_empty(&table.resolved));
}

static void a_neighbour_in_use_is_probed_and_kept_while_it_answers(void **state)
{
    (void)state;
    learn(PEER, &mac_a, true, 0);
    const uint32_t generation = table.generation;
    for (uint64_t round = 1; round < 4; round++) {
        const uint64_t now_ns = round * 30 * second_ns;
        const uint16_t index = look_up(PEER, now_ns - 1);
        const struct neighbor_request request = expect_request(now_ns);
        assert_false(request.broadcast);
        assert_true(mac_equal(&request.mac, &mac_a));
        assert_true(neighbor_has_mac(&table, index)); /* Meanwhile it is used. */
        learn(PEER, &mac_a, false, now_ns);
    }
    assert_int_equal(table.generation, generation);
}

static void a_neighbour_that_went_silent_is_asked_for_by_broadcast(void **state)
{
    (void)state;
    learn(PEER, &mac_a, true, 0);
    const uint16_t index = look_up(PEER, 30 * second_ns);
    for (uint64_t i = 0; i < NEIGHBOR_REQUESTS_MAX; i++) {
        assert_false(expect_request((30 + i) * second_ns).broadcast);
    }
    assert_true(neighbor_has_mac(&table, index));
    assert_true(expect_request(33 * second_ns).broadcast);
    assert_false(neighbor_has_mac(&table, index));
    learn(PEER, &mac_b, false, 33 * second_ns); /* Taken over. */
    assert_true(neighbor_has_mac(&table, index));
    assert_true(mac_equal(&table.entries[index].mac, &mac_b));
}

static void an_unused_neighbour_is_forgotten(void **state)
{
    (void)state;
    learn(PEER, &mac_a, true, 0);
    expect_none(30 * second_ns);
    assert_int_equal(table.used, 1);
    expect_none(60 * second_ns);
    assert_int_equal(table.used, 0);
    assert_true(list_empty(&table.dropped));
}

static void strangers_talking_to_others_are_not_remembered(void **state)
{
    (void)state;
    learn(PEER, &mac_a, false, 0);
    assert_int_equal(table.used, 0);
}

static void a_full_table_evicts_the_one_unused_for_longest(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CAPACITY; i++) {
        learn(PEER + i, &mac_a, true, i);
    }
    (void)look_up(PEER, 100);
    learn(PEER + CAPACITY, &mac_a, true, 200);
    assert_int_equal(table.evicted, 1);
    assert_true(neighbor_has_mac(&table, look_up(PEER, 201)));
    assert_true(neighbor_has_mac(&table, look_up(PEER + CAPACITY, 201)));
    assert_false(neighbor_has_mac(&table, look_up(PEER + 1, 201)));
}

static void those_that_never_answered_go_before_those_that_did(void **state)
{
    (void)state;
    learn(PEER, &mac_a, true, 0);
    for (uint32_t i = 1; i < 4 * CAPACITY; i++) { /* Somebody invents addresses. */
        (void)look_up(PEER + i, i);
    }
    assert_true(neighbor_has_mac(&table, look_up(PEER, 1000)));
    assert_int_equal(table.used, CAPACITY);
}

static void frames_that_wait_are_counted_until_they_go_or_are_dropped(void **state)
{
    (void)state;
    struct list_node frames[4] = {0};
    for (uint32_t i = 0; i < 4; i++) {
        const uint16_t hop = look_up(PEER + i / 2, 0);
        assert_true(neighbor_wait(&table, hop, &frames[i]));
    }
    assert_int_equal(table.waiting, 4);
    learn(PEER, &mac_a, true, 1);
    assert_int_equal(table.waiting, 2);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        learn(PEER + 10 + i, &mac_a, true, 2);
    }
    assert_int_equal(table.waiting, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(three_requests_a_second_apart_then_it_gives_up, setup),
        cmocka_unit_test_setup(an_answer_lets_waiting_frames_go, setup),
        cmocka_unit_test_setup(a_neighbour_in_use_is_probed_and_kept_while_it_answers, setup),
        cmocka_unit_test_setup(a_neighbour_that_went_silent_is_asked_for_by_broadcast, setup),
        cmocka_unit_test_setup(an_unused_neighbour_is_forgotten, setup),
        cmocka_unit_test_setup(strangers_talking_to_others_are_not_remembered, setup),
        cmocka_unit_test_setup(a_full_table_evicts_the_one_unused_for_longest, setup),
        cmocka_unit_test_setup(those_that_never_answered_go_before_those_that_did, setup),
        cmocka_unit_test_setup(frames_that_wait_are_counted_until_they_go_or_are_dropped, setup),
    };
    return cmocka_run_group_tests_name("neighbor", tests, NULL, NULL);
}
