/* Flows of one address on several cores: by one thread, and in the last test by two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/stack/spread.h"

enum { CORES = 3, HASH = 0x12345678, HANDED = 200000 };

static struct spread *make(uint32_t hearing)
{
    const uint64_t size = round_up(spread_size(CORES), 64);
    void *memory = aligned_alloc(64, size);
    assert_non_null(memory);
    return spread_init(memset(memory, 0, size), CORES, hearing);
}

static void a_flow_stays_where_it_began(void **state)
{
    (void)state;
    struct spread *spread = make(CORES);
    struct spread_core *a = spread_at(spread, 0);
    struct spread_core *b = spread_at(spread, 1);
    assert_true(spread_ours(a, HASH) && spread_ours(b, HASH)); /* Nobody's yet. */
    assert_true(spread_claim(b, HASH));
    assert_true(spread_ours(b, HASH));
    assert_false(spread_ours(a, HASH));
    assert_true(spread_ours(a, HASH + (1 << 16))); /* Of another group. */
    assert_false(spread_claim(a, HASH));
    assert_int_equal(spread_counters(a)->claims_lost, 1);
    assert_true(spread_claim(b, HASH)); /* A second flow of the group. */
    spread_leave(b, HASH);
    assert_false(spread_ours(a, HASH));
    spread_leave(b, HASH);
    assert_true(spread_claim(a, HASH));
    assert_false(spread_ours(b, HASH));
    free(spread);
}

static void all_know_that_one_has_sent_a_cookie(void **state)
{
    (void)state;
    const uint64_t second_ns = 1000000000;
    struct spread *spread = make(CORES);
    struct spread_core *a = spread_at(spread, 0);
    struct spread_core *b = spread_at(spread, 1);
    assert_int_equal(spread_cookie_sent_ns(b), 0);
    spread_cookie_sent(a, 5 * second_ns);
    assert_int_equal(spread_cookie_sent_ns(b), 5 * second_ns);
    spread_cookie_sent(b, 6 * second_ns - 1); /* A flood of them writes once a second. */
    assert_int_equal(spread_cookie_sent_ns(a), 5 * second_ns);
    spread_cookie_sent(b, 6 * second_ns);
    spread_cookie_sent(a, 6 * second_ns - 1); /* Clocks of cores may differ. */
    assert_int_equal(spread_cookie_sent_ns(a), 6 * second_ns);
    free(spread);
}

/* To whom a core hands a frame of a flow that nobody has. */
static uint32_t dealt_to(struct spread *spread, uint32_t from, uint32_t hash)
{
    const struct packet_in frame = {0};
    struct spread_item item;
    if (spread_ours(spread_at(spread, from), hash)) {
        return from;
    }
    assert_true(spread_give_frame(spread_at(spread, from), hash, &frame));
    for (uint32_t to = 0; to < CORES; to++) {
        if (spread_take(spread_at(spread, to), &item)) {
            assert_true(spread_ours(spread_at(spread, to), hash)); /* It is not handed on. */
            return to;
        }
    }
    fail();
    return CORES;
}

static void one_that_hears_all_deals_out_evenly(void **state)
{
    (void)state;
    struct spread *spread = make(1);
    uint32_t counts[CORES] = {0};
    for (uint32_t hash = 0; hash < 3000; hash++) {
        counts[dealt_to(spread, 0, hash * 2654435761u)]++;
    }
    for (uint32_t core = 0; core < CORES; core++) {
        assert_in_range(counts[core], 900, 1100);
    }
    free(spread);
}

/* With two of three hearing, the first deals out to itself and the third. */
static void several_that_hear_deal_out_to_those_behind_them(void **state)
{
    (void)state;
    struct spread *spread = make(2);
    uint32_t counts[CORES] = {0};
    for (uint32_t i = 0; i < 3000; i++) {
        const uint32_t hash = i * 2654435761u;
        const uint32_t to = dealt_to(spread, 0, hash);
        counts[to]++;
        assert_int_equal(dealt_to(spread, 1, hash), 1);
        assert_true(spread_claim(spread_at(spread, to), hash));
        assert_int_equal(dealt_to(spread, 1, hash), to); /* Were its frames to come there. */
        spread_leave(spread_at(spread, to), hash);
    }
    assert_in_range(counts[0], 1400, 1600);
    assert_int_equal(counts[1], 0);
    free(spread);
}

static struct packet_in frame_of(uint8_t *bytes, uint32_t pieces, struct packet_piece *more)
{
    struct packet_in frame = {.first = {{bytes, 10}, bytes},
                              .more = more,
                              .more_count = (uint16_t)(pieces - 1),
                              .flags = PACKET_IP_GOOD,
                              .segments = (uint16_t)pieces};
    for (uint32_t i = 1; i < pieces; i++) {
        more[i - 1] = (struct packet_piece){{bytes + i, 10 + i}, bytes + i};
    }
    return frame;
}

static void frames_arrive_whole_and_in_order(void **state)
{
    (void)state;
    struct spread *spread = make(CORES);
    struct spread_core *from = spread_at(spread, 0);
    struct spread_core *to = spread_at(spread, 2);
    struct packet_piece more[SPREAD_PIECES_MAX];
    struct spread_item item;
    uint8_t bytes[64];
    assert_true(spread_claim(to, HASH));
    assert_true(spread_quiet(to));
    for (uint32_t pieces = 1; pieces <= SPREAD_PIECES_MAX; pieces++) {
        const struct packet_in frame = frame_of(bytes + pieces, pieces, more);
        assert_true(spread_give_frame(from, HASH, &frame));
    }
    assert_int_equal(spread_given(from), 1 << 2);
    assert_int_equal(spread_given(from), 0);
    assert_false(spread_quiet(to));
    for (uint32_t pieces = 1; pieces <= SPREAD_PIECES_MAX; pieces++) {
        assert_true(spread_take(to, &item));
        assert_int_equal(item.kind, SPREAD_FRAME);
        assert_ptr_equal(item.frame.first.buffer, bytes + pieces);
        assert_int_equal(item.frame.more_count, pieces - 1);
        assert_int_equal(item.frame.segments, pieces);
        assert_int_equal(item.frame.flags, PACKET_IP_GOOD);
        for (uint32_t i = 1; i < pieces; i++) {
            assert_ptr_equal(item.frame.more[i - 1].buffer, bytes + pieces + i);
            assert_int_equal(item.frame.more[i - 1].bytes.len, 10 + i);
        }
    }
    assert_false(spread_take(to, &item));
    assert_int_equal(spread_counters(from)->given_frames, SPREAD_PIECES_MAX);
    assert_int_equal(spread_counters(to)->taken_frames, SPREAD_PIECES_MAX);
    free(spread);
}

static void what_finds_no_room_is_refused_and_counted(void **state)
{
    (void)state;
    struct spread *spread = make(CORES);
    struct spread_core *from = spread_at(spread, 1);
    struct spread_core *to = spread_at(spread, 0);
    struct packet_piece more[SPREAD_PIECES_MAX];
    struct spread_item item;
    uint8_t bytes[64];
    uint32_t given = 0;
    assert_true(spread_claim(to, HASH));
    const struct packet_in frame = frame_of(bytes, 3, more);
    while (spread_give_frame(from, HASH, &frame)) {
        given++;
    }
    assert_int_equal(given, SPREAD_RING_SLOTS / 2);
    assert_int_equal(spread_counters(from)->dropped, 1);
    assert_true(spread_take(to, &item));
    assert_true(spread_give_frame(from, HASH, &frame));
    free(spread);
}

static void neighbors_go_to_all_others_and_errors_to_the_owner(void **state)
{
    (void)state;
    struct spread *spread = make(CORES);
    struct spread_item item;
    const struct spread_neighbor neighbor = {
        address_of_v4(0x0a000005), {{1, 2, 3, 4, 5, 6}}, NEIGHBOR_CREATE};
    spread_give_neighbor(spread_at(spread, 1), SPREAD_LOST, &neighbor);
    assert_int_equal(spread_given(spread_at(spread, 1)), 1 << 0 | 1 << 2);
    assert_false(spread_take(spread_at(spread, 1), &item));
    for (uint32_t core = 0; core < CORES; core += 2) {
        assert_true(spread_take(spread_at(spread, core), &item));
        assert_int_equal(item.kind, SPREAD_LOST);
        assert_true(address_equal(&item.neighbor.address, &neighbor.address));
        assert_true(item.neighbor.how == NEIGHBOR_CREATE &&
                    mac_equal(&item.neighbor.mac, &neighbor.mac));
    }
    assert_true(spread_claim(spread_at(spread, 2), HASH));
    const struct icmp_error error = {.reason = ICMP_REASON_MTU, .mtu = 1400};
    spread_give_error(spread_at(spread, 0), HASH, &error);
    assert_true(spread_take(spread_at(spread, 2), &item));
    assert_int_equal(item.kind, SPREAD_ERROR);
    assert_int_equal(item.error.mtu, 1400);
    free(spread);
}

/* ---- Two threads ---- */

static void *giver(void *argument)
{
    struct spread_core *from = argument;
    static uint8_t bytes[SPREAD_PIECES_MAX];
    struct packet_piece more[SPREAD_PIECES_MAX];
    for (uint32_t i = 0; i < HANDED; i++) {
        struct packet_in frame = frame_of(bytes, 1 + i % SPREAD_PIECES_MAX, more);
        frame.first.bytes.len = i;
        while (!spread_give_frame(from, HASH, &frame)) {
            sched_yield();
        }
    }
    return NULL;
}

static void nothing_is_torn_or_lost_between_threads(void **state)
{
    (void)state;
    struct spread *spread = make(CORES);
    struct spread_core *to = spread_at(spread, 1);
    struct spread_item item;
    pthread_t thread;
    assert_true(spread_claim(to, HASH));
    assert_int_equal(pthread_create(&thread, NULL, giver, spread_at(spread, 0)), 0);
    for (uint32_t i = 0; i < HANDED;) {
        if (!spread_take(to, &item)) {
            sched_yield();
            continue;
        }
        assert_int_equal(item.frame.first.bytes.len, i);
        assert_int_equal(item.frame.more_count, i % SPREAD_PIECES_MAX);
        for (uint32_t j = 0; j < item.frame.more_count; j++) {
            assert_int_equal(item.frame.more[j].bytes.len, 11 + j);
        }
        i++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    free(spread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow_stays_where_it_began),
        cmocka_unit_test(all_know_that_one_has_sent_a_cookie),
        cmocka_unit_test(one_that_hears_all_deals_out_evenly),
        cmocka_unit_test(several_that_hear_deal_out_to_those_behind_them),
        cmocka_unit_test(frames_arrive_whole_and_in_order),
        cmocka_unit_test(what_finds_no_room_is_refused_and_counted),
        cmocka_unit_test(neighbors_go_to_all_others_and_errors_to_the_owner),
        cmocka_unit_test(nothing_is_torn_or_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
