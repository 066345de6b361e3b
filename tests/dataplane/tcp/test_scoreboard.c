#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/scoreboard.h"
#include "tests/dataplane/tcp/rig.h"

/* Two timestamps that RACK can tell apart. */
static const uint64_t step_ns = 1000000;

static struct tcp_connection *board(uint32_t records)
{
    static const struct rig_peer usual = {0};
    rig.setup.record_count_max = records;
    rig_open(&usual);
    return rig.connection;
}

static struct record *record_at(struct tcp_connection *c, uint32_t index)
{
    struct record *record = scoreboard_first(c);
    while (index-- > 0) {
        record = CONTAINER_OF(record->node.next, struct record, node);
    }
    return record;
}

static void send_packets(struct tcp_connection *c, uint32_t count, uint32_t len)
{
    for (uint32_t i = 0; i < count; i++) {
        c->snd_end += len; /* The scoreboard does not ask for the bytes themselves. */
        scoreboard_sent(c, c->snd_nxt + len, false, rig.now_ns);
        rig.now_ns += step_ns;
    }
}

static void ack(struct tcp_connection *c, uint32_t to, struct ack_result *result)
{
    *result = (struct ack_result){0};
    scoreboard_ack(c, to, result, rig.now_ns);
    c->snd_una = to;
    assert_null(scoreboard_invariants(c));
}

static void sack(struct tcp_connection *c, const struct segment_range *ranges, uint32_t count,
                 struct ack_result *result)
{
    struct segment segment = {.ack = c->snd_una, .sack_count = count};
    *result = (struct ack_result){0};
    for (uint32_t i = 0; i < count; i++) {
        segment.sacks[i] = ranges[i];
    }
    scoreboard_sack(c, &segment, c->snd_una, result, rig.now_ns);
    assert_null(scoreboard_invariants(c));
}

static void done(struct tcp_connection *c)
{
    scoreboard_drop(c);
    c->snd_nxt = c->snd_una;
    c->snd_end = c->snd_una;
}

/* ---- Against a twin that knows the state of each single byte ---- */

enum { TWIN_BYTES = 4096, TWIN_STEPS = 20000 };

struct twin {
    uint8_t state[TWIN_BYTES]; /* enum record_state. */
    uint32_t base;             /* The sequence number of state[0]. */
};

static uint32_t twin_count(const struct twin *twin, const struct tcp_connection *c,
                           enum record_state state)
{
    uint32_t count = 0;
    for (uint32_t at = c->snd_una - twin->base; at < c->snd_nxt - twin->base; at++) {
        count += twin->state[at] == state;
    }
    return count;
}

static void twin_set(struct twin *twin, uint32_t start, uint32_t end, enum record_state state)
{
    memset(twin->state + (start - twin->base), state, end - start);
}

static void twin_step(struct twin *twin, struct tcp_connection *c, uint32_t *seed)
{
    const uint32_t flight = c->snd_nxt - c->snd_una;
    struct ack_result result;
    rig.now_ns += step_ns;
    switch (rig_draw(seed, 6)) {
    case 0:
    case 1: {
        const uint32_t len = 1 + rig_draw(seed, 50);
        if (c->tcp->records.used == c->tcp->records.capacity ||
            c->snd_nxt + len - twin->base > TWIN_BYTES) {
            break;
        }
        twin_set(twin, c->snd_nxt, c->snd_nxt + len, RECORD_IN_FLIGHT);
        send_packets(c, 1, len);
        break;
    }
    case 2: ack(c, c->snd_una + rig_draw(seed, flight / 4 + 1), &result); break;
    case 3: {
        const uint32_t start = rig_draw(seed, flight + 1);
        const struct segment_range range = {
            c->snd_una + start, c->snd_una + start + rig_draw(seed, flight - start + 1)};
        const bool memory = c->tcp->records.capacity - c->tcp->records.used >= 2;
        if (range.start == range.end || !memory) {
            break;
        }
        sack(c, &range, 1, &result);
        twin_set(twin, range.start, range.end, RECORD_SACKED);
        break;
    }
    case 4: {
        struct list_node *node = list_first(&c->in_flight);
        if (node != NULL) {
            struct record *record = CONTAINER_OF(node, struct record, sent_node);
            twin_set(twin, record->sequence, record->end, RECORD_LOST);
            scoreboard_mark_lost(c, record);
        }
        break;
    }
    default:
        if (c->first_lost != NULL) {
            twin_set(twin, c->first_lost->sequence, c->first_lost->end, RECORD_IN_FLIGHT);
            scoreboard_resent(c, c->first_lost, rig.now_ns);
        }
        break;
    }
}

static void it_knows_of_each_byte_what_a_naive_twin_knows(void **state)
{
    (void)state;
    static struct twin twin;
    struct tcp_connection *c = board(64);
    uint32_t seed = 7;
    twin.base = c->snd_una;
    for (uint32_t i = 0; i < TWIN_STEPS; i++) {
        twin_step(&twin, c, &seed);
        const char *wrong = scoreboard_invariants(c);
        assert_null(wrong);
        assert_int_equal(c->pipe, twin_count(&twin, c, RECORD_IN_FLIGHT));
        assert_int_equal(c->sacked_bytes, twin_count(&twin, c, RECORD_SACKED));
        assert_int_equal(c->lost_bytes, twin_count(&twin, c, RECORD_LOST));
        if (c->snd_nxt - twin.base > TWIN_BYTES - 100 || c->snd_una == c->snd_nxt) {
            struct ack_result result;
            ack(c, c->snd_nxt, &result);
            twin.base = c->snd_una;
        }
    }
    done(c);
}

/* ---- What the twin cannot say ---- */

static void a_sack_that_cuts_a_packet_waits_when_there_is_no_memory_for_the_cut(void **state)
{
    (void)state;
    struct tcp_connection *c = board(2);
    struct ack_result result;
    send_packets(c, 2, 100);
    const uint32_t una = c->snd_una;
    sack(c, &(struct segment_range){una + 120, una + 180}, 1, &result);
    assert_int_equal(result.sacked, 0);
    assert_int_equal(c->pipe, 200);
    sack(c, &(struct segment_range){una + 100, una + 200}, 1, &result); /* No cut needed. */
    assert_int_equal(result.sacked, 100);
    done(c);
}

static void a_block_told_before_costs_no_second_look(void **state)
{
    (void)state;
    struct tcp_connection *c = board(16);
    struct ack_result result;
    send_packets(c, 4, 100);
    const struct segment_range block = {c->snd_una + 100, c->snd_una + 200};
    sack(c, &block, 1, &result);
    assert_int_equal(result.sacked, 100);
    sack(c, &block, 1, &result);
    assert_int_equal(result.delivered, 0);
    scoreboard_lose_all(c); /* 100..200 stays: the peer has it. */
    assert_int_equal(c->lost_bytes, 300);
    done(c);
}

static void a_peer_that_took_its_sacks_back_is_believed_when_it_sacks_again(void **state)
{
    (void)state; /* RFC 2018 8. */
    struct tcp_connection *c = board(16);
    struct ack_result result;
    send_packets(c, 3, 100);
    const struct segment_range block = {c->snd_una, c->snd_una + 100};
    sack(c, &block, 1, &result); /* The first is SACKed and not acknowledged: it reneges. */
    scoreboard_lose_all(c);
    assert_int_equal(c->lost_bytes, 300);
    scoreboard_resent(c, c->first_lost, rig.now_ns);
    sack(c, &block, 1, &result);
    assert_int_equal(result.sacked, 100);
    done(c);
}

static void only_a_block_of_what_was_sent_is_a_dsack(void **state)
{
    (void)state;
    struct tcp_connection *c = board(16);
    struct ack_result result;
    send_packets(c, 4, 100);
    const uint32_t una = c->snd_una;
    ack(c, una + 200, &result);
    const struct {
        struct segment_range blocks[2];
        uint32_t count;
        bool want;
    } table[] = {
        {{{una + 100, una + 200}}, 1, true},                         /* Below the ACK. */
        {{{una + 150, una + 250}}, 1, false},                        /* Across it. */
        {{{una + 200, una + 300}}, 1, false},                        /* An ordinary one. */
        {{{una + 220, una + 240}, {una + 200, una + 300}}, 2, true}, /* Within the second. */
        {{{una + 200, una + 310}, {una + 200, una + 300}}, 2, false},
        {{{una - 100000, una - 99900}}, 1, false}, /* Older than a window. */
        {{{una + 200, una + 100}}, 1, false},      /* Of negative length. */
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const uint64_t before = c->duplicates_sent;
        sack(c, table[i].blocks, table[i].count, &result);
        assert_int_equal(result.dsack, table[i].want);
        assert_int_equal(c->duplicates_sent - before, table[i].want);
    }
    done(c);
}

static void a_part_acknowledged_is_trimmed_not_split(void **state)
{
    (void)state;
    struct tcp_connection *c = board(1);
    struct ack_result result;
    send_packets(c, 1, 100);
    ack(c, c->snd_una + 40, &result);
    assert_int_equal(result.acked, 40);
    assert_int_equal(c->pipe, 60);
    assert_int_equal(c->tcp->records.used, 1);
    done(c);
}

static void an_answer_to_a_packet_sent_twice_gives_a_round_trip_only_by_its_timestamp(void **state)
{
    (void)state; /* Karn, RFC 7323 4.1. */
    const struct {
        bool timestamps;
        int32_t echoes; /* Milliseconds after the second transmission's own. */
        uint64_t want_ns;
    } table[] = {
        {false, 0, 0}, {true, 0, 5 * 1000000}, {true, -1, 6 * 1000000}, /* Of the first. */
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        struct tcp_connection *c = board(16);
        send_packets(c, 1, 100);
        scoreboard_mark_lost(c, record_at(c, 0));
        scoreboard_resent(c, record_at(c, 0), rig.now_ns);
        struct ack_result result = {.has_tsecr = table[i].timestamps,
                                    .tsecr = record_at(c, 0)->tsval + (uint32_t)table[i].echoes};
        c->rtt.min_ns = 1;
        rig.now_ns += 5 * step_ns;
        scoreboard_ack(c, c->snd_nxt, &result, rig.now_ns);
        assert_int_equal(result.rtt_ns, table[i].want_ns);
        assert_false(result.original);
        c->snd_una = c->snd_nxt;
        done(c);
        assert_null(rig_end());
    }
}

static void what_lies_behind_a_repetition_gives_no_round_trip_of_its_own(void **state)
{
    (void)state; /* It arrived long before the hole in front of it was filled. */
    const struct {
        bool timestamps;
        uint32_t echoed_ms; /* Ago. */
        uint64_t want_ns;
    } table[] = {
        {false, 0, 0},
        {true, 5, 5 * 1000000},
        {true, 0, 1000000},
        {true, 0x90000000, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        struct tcp_connection *c = board(16);
        send_packets(c, 3, 100);
        rig.now_ns += 8000 * step_ns;
        scoreboard_mark_lost(c, record_at(c, 0));
        scoreboard_resent(c, record_at(c, 0), rig.now_ns);
        rig.now_ns += 5 * step_ns;
        struct ack_result result = {.has_tsecr = table[i].timestamps,
                                    .tsecr =
                                        tcp_now_ms(rig.now_ns) + c->ts_offset - table[i].echoed_ms};
        scoreboard_ack(c, c->snd_nxt, &result, rig.now_ns);
        assert_int_equal(result.rtt_ns, table[i].want_ns);
        c->snd_una = c->snd_nxt;
        done(c);
        assert_null(rig_end());
    }
}

static void what_was_given_up_and_is_found_gives_no_round_trip(void **state)
{
    (void)state; /* The SACKs before this one were lost. */
    struct tcp_connection *c = board(16);
    struct ack_result result;
    send_packets(c, 2, 100);
    rig.now_ns += 8000 * step_ns;
    scoreboard_lose_all(c);
    sack(c, &(struct segment_range){c->snd_una + 100, c->snd_una + 200}, 1, &result);
    assert_int_equal(result.rtt_ns, 0);
    assert_true(result.original);
    done(c);
}

static void what_was_overtaken_says_that_the_path_reorders(void **state)
{
    (void)state; /* RFC 8985 6.2, step 3. */
    struct tcp_connection *c = board(16);
    struct ack_result result;
    send_packets(c, 3, 100);
    const uint32_t una = c->snd_una;
    sack(c, &(struct segment_range){una + 200, una + 300}, 1, &result);
    assert_false(c->reordering);
    sack(c, &(struct segment_range){una + 100, una + 200}, 1, &result);
    assert_true(c->reordering);
    done(c);
}

static void what_was_lost_and_is_found_goes_before_what_was_sent_later(void **state)
{
    (void)state; /* RACK reads the list of those in flight in the order of sending. */
    struct tcp_connection *c = board(16);
    send_packets(c, 4, 100);
    scoreboard_mark_lost(c, record_at(c, 0));
    scoreboard_mark_lost(c, record_at(c, 1));
    assert_int_equal(c->lost_bytes, 200);
    scoreboard_unlose(c);
    assert_null(scoreboard_invariants(c));
    uint64_t before_ns = 0;
    LIST_FOR_EACH(node, &c->in_flight)
    {
        const struct record *record = CONTAINER_OF(node, struct record, sent_node);
        assert_true(record->sent_ns > before_ns);
        before_ns = record->sent_ns;
    }
    done(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(it_knows_of_each_byte_what_a_naive_twin_knows),
        RIG_TEST(a_sack_that_cuts_a_packet_waits_when_there_is_no_memory_for_the_cut),
        RIG_TEST(a_block_told_before_costs_no_second_look),
        RIG_TEST(a_peer_that_took_its_sacks_back_is_believed_when_it_sacks_again),
        RIG_TEST(only_a_block_of_what_was_sent_is_a_dsack),
        RIG_TEST(a_part_acknowledged_is_trimmed_not_split),
        RIG_TEST(an_answer_to_a_packet_sent_twice_gives_a_round_trip_only_by_its_timestamp),
        RIG_TEST(what_lies_behind_a_repetition_gives_no_round_trip_of_its_own),
        RIG_TEST(what_was_given_up_and_is_found_gives_no_round_trip),
        RIG_TEST(what_was_overtaken_says_that_the_path_reorders),
        RIG_TEST(what_was_lost_and_is_found_goes_before_what_was_sent_later),
    };
    return cmocka_run_group_tests_name("scoreboard", tests, NULL, NULL);
}
