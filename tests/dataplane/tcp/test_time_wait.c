#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/time_wait.h"
#include "tests/dataplane/tcp/rig.h"

enum { PORT = 1000 };

static const uint64_t ms_ns = 1000000;

/* Entries of PORT, PORT + 1 and so on, one millisecond apart. */
static void begin(uint32_t count)
{
    rig.setup.time_wait_ms = 1000;
    rig_start();
    for (uint32_t i = 0; i < count; i++) {
        time_wait_begin(rig_connection((uint16_t)(PORT + i)), false, rig.now_ns);
        rig_pump();
        rig.now_ns += ms_ns;
    }
}

static struct time_wait *entry_at(uint32_t index)
{
    struct list_node *node = list_first(&rig.tcp->time_wait_order);
    while (index-- > 0) {
        node = node->next;
    }
    return CONTAINER_OF(node, struct time_wait, node);
}

static struct arrival arrival_for(const struct time_wait *entry, uint8_t flags, uint32_t sequence)
{
    return (struct arrival){
        .key = entry->key, .hash = entry->hash, .segment = {.flags = flags, .sequence = sequence}};
}

static void a_full_table_forgets_the_oldest(void **state)
{
    (void)state;
    rig.setup.time_wait_count_max = 3;
    begin(5);
    assert_int_equal(tcp_usage(rig.tcp).time_wait, 3);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_TIME_WAIT_EVICTED], 2);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(entry_at(i)->key.remote_port, PORT + 2 + i);
    }
    /* And the table of flows knows: a late segment belongs to nothing, and is reset. */
    struct segment late = {
        .source_port = PORT, .flags = SEGMENT_ACK, .window = 1000, .ack = 5, .len = 1};
    rig_put(&late, 1);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_IN_NO_FLOW], 1);
    late = (struct segment){.source_port = PORT + 2, .flags = SEGMENT_ACK, .ack = 5, .len = 1};
    rig_put(&late, 2);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_IN_NO_FLOW], 1);
}

static void a_repeated_fin_begins_the_wait_anew_and_goes_to_the_back(void **state)
{
    (void)state;
    uint32_t iss;
    begin(3);
    struct time_wait *first = entry_at(0);
    const uint64_t second_ns = entry_at(1)->deadline_ns;
    const struct arrival fin = arrival_for(first, SEGMENT_FIN | SEGMENT_ACK, first->rcv_nxt - 1);
    assert_false(time_wait_input(rig.tcp, first, &fin, &iss, rig.now_ns));
    assert_ptr_equal(entry_at(2), first);
    assert_int_equal(first->deadline_ns, rig.now_ns + 1000 * ms_ns);
    assert_int_equal(time_wait_next_ns(rig.tcp), second_ns);
}

static void entries_end_in_their_order_within_the_budget(void **state)
{
    (void)state;
    begin(5);
    const uint64_t third_ns = entry_at(2)->deadline_ns;
    time_wait_turn(rig.tcp, 10, entry_at(0)->deadline_ns - 1);
    assert_int_equal(tcp_usage(rig.tcp).time_wait, 5);
    time_wait_turn(rig.tcp, 2, third_ns);
    assert_int_equal(tcp_usage(rig.tcp).time_wait, 3);
    time_wait_turn(rig.tcp, 10, third_ns);
    assert_int_equal(tcp_usage(rig.tcp).time_wait, 2);
    time_wait_turn(rig.tcp, 10, UINT64_MAX - 1);
    assert_int_equal(time_wait_next_ns(rig.tcp), UINT64_MAX);
    assert_int_equal(rig.tcp->flows.used, 0);
}

static void only_a_bare_syn_takes_an_entry_over_with_numbers_above_a_window(void **state)
{
    (void)state; /* RFC 9293 3.10.7.4, RFC 6191. */
    const struct {
        uint8_t flags;
        uint32_t above; /* Of the SYN, above rcv_nxt. */
        bool want;
    } table[] = {
        {SEGMENT_SYN, 1, true},
        {SEGMENT_SYN, 0, false},
        {SEGMENT_SYN | SEGMENT_ACK, 1, false},
        {SEGMENT_SYN | SEGMENT_RST, 1, false},
        {SEGMENT_ACK, 1, false},
        {SEGMENT_SYN, 0x80000001, false}, /* More than half the space away: below. */
        {SEGMENT_SYN, 0x7fffffff, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        begin(1);
        uint32_t iss = 0;
        struct time_wait *entry = entry_at(0);
        const uint32_t old = entry->snd_nxt;
        const struct arrival arrival =
            arrival_for(entry, table[i].flags, entry->rcv_nxt + table[i].above);
        assert_int_equal(time_wait_input(rig.tcp, entry, &arrival, &iss, rig.now_ns),
                         table[i].want);
        assert_int_equal(tcp_usage(rig.tcp).time_wait, !table[i].want);
        if (table[i].want) { /* The largest window of the old connection lies between. */
            assert_true(iss - old > UINT16_MAX && iss - old < 1 << 20);
        }
        assert_null(rig_end());
    }
}

static void answers_to_old_segments_are_limited(void **state)
{
    (void)state;
    uint32_t iss;
    begin(1);
    struct time_wait *entry = entry_at(0);
    struct arrival old = arrival_for(entry, SEGMENT_ACK, entry->rcv_nxt - 10);
    old.segment.len = 5;
    for (uint32_t i = 0; i < RESETS_PER_SECOND; i++) {
        assert_false(time_wait_input(rig.tcp, entry, &old, &iss, rig.now_ns));
    }
    /* A tenth of a second's worth at once. */
    assert_int_equal(tcp_counters(rig.tcp)[TCP_OUT_LIMITED], RESETS_PER_SECOND * 9 / 10);
    const struct arrival exact = arrival_for(entry, SEGMENT_ACK, entry->rcv_nxt);
    const uint64_t before = tcp_counters(rig.tcp)[TCP_OUT_LIMITED];
    assert_false(time_wait_input(rig.tcp, entry, &exact, &iss, rig.now_ns));
    assert_int_equal(tcp_counters(rig.tcp)[TCP_OUT_LIMITED], before); /* Nothing to answer. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_full_table_forgets_the_oldest),
        RIG_TEST(a_repeated_fin_begins_the_wait_anew_and_goes_to_the_back),
        RIG_TEST(entries_end_in_their_order_within_the_budget),
        RIG_TEST(only_a_bare_syn_takes_an_entry_over_with_numbers_above_a_window),
        RIG_TEST(answers_to_old_segments_are_limited),
    };
    return cmocka_run_group_tests_name("time_wait", tests, NULL, NULL);
}
