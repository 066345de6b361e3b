#include "tests/control/bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/peer.h"
#include "dataplane/mail/ring.h"

#define SOCKET "/d/.millrace/dataplane.sock"

/* A peer against the dataplane's own end. */
struct pair {
    struct sim_link_machine *links;
    struct link_world *dataplane;
    struct link_world *control;
    struct session *session;
    struct peer *peer;
    int log_shared;
    uint64_t now_ns;
};

static void session_start(struct pair *pair)
{
    static struct session_directory directory = {.path = "/d", .clean = 1};
    static const struct session_partition partition = {.topic_id = {{1}}, .leader_epoch = 2};
    const int bells[2] = {link_bell_make(pair->dataplane), link_bell_make(pair->dataplane)};
    pair->log_shared = link_memory_make(pair->dataplane, "l", sizeof(struct log_shared));
    const struct session_setup setup = {.world = pair->dataplane,
                                        .socket_path = SOCKET,
                                        .incarnation = 500,
                                        .cluster_id = "c",
                                        .node_id = 1,
                                        .core_count = 2,
                                        .core_bells = bells,
                                        .log_shared = pair->log_shared,
                                        .statistics = link_memory_make(pair->dataplane, "s", 4096),
                                        .statistics_bytes = 4096,
                                        .directory_count = 1,
                                        .directories = &directory,
                                        .partitions = &partition,
                                        .partition_count = 1,
                                        .ring_to_control_bytes = 2 << 20,
                                        .ring_to_core_bytes = 256 << 10};
    char reason[160];
    pair->session = session_create(&setup, reason, sizeof(reason));
    assert_non_null(pair->session);
}

static int pair_up(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    pair->links = sim_link_machine_create();
    pair->dataplane = sim_link_process(pair->links);
    pair->control = sim_link_process(pair->links);
    pair->peer = peer_create(pair->control, SOCKET);
    pair->now_ns = 1000000000;
    session_start(pair);
    *state = pair;
    return 0;
}

static int pair_down(void **state)
{
    struct pair *pair = *state;
    peer_destroy(pair->peer);
    assert_int_equal(sim_link_handle_count(pair->control), 0); /* Nothing leaked. */
    if (pair->session != NULL) {
        session_destroy(pair->session);
    }
    sim_link_process_end(pair->control);
    sim_link_process_end(pair->dataplane);
    sim_link_machine_destroy(pair->links);
    free(pair);
    return 0;
}

/* Both ends turn until something happens. */
static struct peer_event turn(struct pair *pair)
{
    struct peer_event event = {.kind = PEER_NOTHING};
    for (uint32_t i = 0; i < 50 && event.kind == PEER_NOTHING; i++) {
        pair->now_ns += 1000000;
        event = peer_turn(pair->peer, pair->now_ns);
        if (pair->session != NULL) {
            (void)session_turn(pair->session);
            channel_turn(session_channel(pair->session, 0));
            channel_turn(session_channel(pair->session, 1));
        }
    }
    return event;
}

static void a_session_begins_with_hello(void **state)
{
    struct pair *pair = *state;
    assert_null(peer_hello(pair->peer));
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    assert_int_equal(peer_hello(pair->peer)->session, 501);
    assert_int_equal(peer_hello(pair->peer)->core_count, 2);
    assert_int_equal(peer_partitions(pair->peer)[0].leader_epoch, 2);
    uint64_t bytes;
    void *statistics = peer_take_statistics(pair->peer, &bytes);
    assert_non_null(statistics);
    assert_int_equal(bytes, 4096);
    assert_null(peer_take_statistics(pair->peer, &bytes)); /* Given once. */
    link_memory_unmap(pair->control, statistics, 4096);
}

/* Whoever syncs when a session ends still has where to count it; the next session may be with
 * another process. */
static void failures_are_counted_in_the_memory_of_the_cores(void **state)
{
    struct pair *pair = *state;
    const uint64_t size = sizeof(struct log_shared);
    assert_null(peer_log_shared(pair->peer));
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    struct log_shared *of_cores = link_memory_map(pair->dataplane, pair->log_shared, size, true);
    (void)atomic_fetch_add(&peer_log_shared(pair->peer)->flushes_failed[0], 1);
    assert_int_equal(atomic_load(&of_cores->flushes_failed[0]), 1);
    session_destroy(pair->session);
    pair->session = NULL;
    assert_int_equal(turn(pair).kind, PEER_LOST);
    (void)atomic_fetch_add(&peer_log_shared(pair->peer)->flushes_failed[0], 1);
    assert_int_equal(atomic_load(&of_cores->flushes_failed[0]), 2);
    session_start(pair);
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    assert_int_equal(atomic_load(&peer_log_shared(pair->peer)->flushes_failed[0]), 0);
    link_memory_unmap(pair->dataplane, of_cores, size);
}

static void requests_of_all_cores_come_in_turn_and_whole(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    static uint8_t large[100000];
    memset(large, 'x', sizeof(large));
    const struct bytes payloads[] = {{large, sizeof(large)}, {large, 3}, {large, 0}};
    for (uint32_t core = 0; core < 2; core++) {
        for (uint32_t i = 0; i < ARRAY_SIZE(payloads); i++) {
            const struct slow_header header = {.kind = SLOW_REQUEST,
                                               .request_number = core * 100 + i};
            assert_true(channel_send(session_channel(pair->session, core), &header,
                                     chain_of(&payloads[i])));
        }
    }
    uint32_t next[2] = {0};
    for (uint32_t i = 0; i < 2 * ARRAY_SIZE(payloads); i++) {
        struct peer_request *request = peer_receive(pair->peer);
        assert_non_null(request);
        const uint32_t core = request->core;
        assert_int_equal(core, i % 2);
        assert_int_equal(request->header.request_number, core * 100 + next[core]);
        assert_int_equal(request->payload.len, payloads[next[core]].len);
        next[core]++;
        free(request);
    }
    assert_null(peer_receive(pair->peer));
}

/* ---- Long answers ---------------------------------------------------------------------------- */

enum { LONG_LEN = 2000000 };

/* Sends one from control to core 1. */
static uint8_t long_byte(uint32_t at)
{
    return (uint8_t)(at * 31 >> 7);
}

static void long_send(struct pair *pair, uint64_t number)
{
    uint8_t *body = malloc(LONG_LEN);
    assert_non_null(body);
    for (uint32_t i = 0; i < LONG_LEN; i++) {
        body[i] = long_byte(i);
    }
    const struct slow_header header = {.kind = SLOW_REPLY, .request_number = number};
    peer_send(pair->peer, 1, &header, body, LONG_LEN);
}

/* Takes what core 1 is sent of the answer, from `got` on. Returns what it has then. */
static uint32_t long_take(struct pair *pair, uint64_t number, uint32_t got)
{
    struct slow_channel *channel = session_channel(pair->session, 1);
    for (uint32_t i = 0; i < 100; i++) {
        (void)peer_flush(pair->peer);
        struct slow_fragment fragment;
        while (channel_receive(channel, &fragment)) {
            assert_int_equal(fragment.header.kind, SLOW_REPLY);
            assert_int_equal(fragment.header.request_number, number);
            for (uint32_t j = 0; j < fragment.payload.len; j++) {
                assert_int_equal(fragment.payload.ptr[j], long_byte(got + j));
            }
            got += fragment.payload.len;
            assert_int_equal(fragment.total_len - fragment.offset - fragment.payload.len +
                                 fragment.header.more_bytes,
                             LONG_LEN - got);
            channel_release(channel);
        }
    }
    return got;
}

static void long_tell(struct pair *pair, enum slow_kind kind, uint64_t number)
{
    const struct slow_header header = {.kind = (uint16_t)kind, .request_number = number};
    assert_true(channel_send(session_channel(pair->session, 1), &header, CHAIN_EMPTY));
    assert_null(peer_receive(pair->peer));
}

static void a_long_answer_goes_piece_by_piece_as_the_core_asks_for_more(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    long_send(pair, 5);
    uint32_t got = long_take(pair, 5, 0);
    assert_int_equal(got, SLOW_PIECE_BYTES_MAX);
    for (uint32_t pieces = 2; got < LONG_LEN; pieces++) {
        assert_int_equal(peer_counters(pair->peer)->long_bytes, LONG_LEN);
        long_tell(pair, SLOW_MORE, 5);
        got = long_take(pair, 5, got);
        assert_int_equal(got, min_u32(pieces * SLOW_PIECE_BYTES_MAX, LONG_LEN));
    }
    assert_int_equal(peer_counters(pair->peer)->long_bytes, 0);
    assert_int_equal(peer_counters(pair->peer)->replies, 1);
    assert_int_equal(peer_counters(pair->peer)->reply_bytes, LONG_LEN);
}

/* The next message to core 1 says that there is no more of that answer. */
static void expect_no_more(struct pair *pair, uint64_t number)
{
    struct slow_fragment fragment;
    long_tell(pair, SLOW_MORE, number);
    assert_true(peer_flush(pair->peer) > 0);
    assert_true(channel_receive(session_channel(pair->session, 1), &fragment));
    assert_int_equal(fragment.header.kind, SLOW_ERROR);
    assert_int_equal(fragment.header.request_number, number);
    channel_release(session_channel(pair->session, 1));
}

static void a_long_answer_that_nobody_wants_is_let_go(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    long_send(pair, 6);
    assert_int_equal(long_take(pair, 6, 0), SLOW_PIECE_BYTES_MAX);
    long_tell(pair, SLOW_DROPPED, 7); /* Another one. */
    assert_int_equal(peer_counters(pair->peer)->long_bytes, LONG_LEN);
    long_tell(pair, SLOW_DROPPED, 6);
    assert_int_equal(peer_counters(pair->peer)->long_bytes, 0);
    expect_no_more(pair, 6);
}

static void a_long_answer_that_stalls_is_let_go(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    long_send(pair, 8);
    assert_int_equal(long_take(pair, 8, 0), SLOW_PIECE_BYTES_MAX);
    (void)peer_turn(pair->peer, pair->now_ns += 1000000);
    peer_drop_stalled(pair->peer, 2000000);
    assert_int_equal(peer_counters(pair->peer)->long_bytes, LONG_LEN);
    (void)peer_turn(pair->peer, pair->now_ns += 1000000);
    peer_drop_stalled(pair->peer, 2000000);
    assert_int_equal(peer_counters(pair->peer)->long_bytes, 0);
    expect_no_more(pair, 8);
}

static void a_core_that_sleeps_is_woken_for_its_answer(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    struct slow_channel *channel = session_channel(pair->session, 0);
    assert_true(channel_sleep(channel));
    const struct slow_header header = {.kind = SLOW_REPLY};
    peer_send(pair->peer, 0, &header, NULL, 0);
    assert_true(peer_flush(pair->peer) > 0);
    channel_wake(channel);
    struct slow_fragment fragment;
    assert_true(channel_receive(channel, &fragment));
    channel_release(channel);
}

static void control_does_not_sleep_over_a_request(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    int handles[PEER_HANDLES];
    peer_handles(pair->peer, handles);
    assert_true(peer_sleep(pair->peer));
    const struct slow_header header = {.kind = SLOW_PRODUCER_IDS_WANTED};
    assert_true(channel_send(session_channel(pair->session, 0), &header, (struct chain){0}));
    channel_flush(session_channel(pair->session, 0));
    assert_true(sim_link_readable(pair->control, handles[PEER_HANDLE_BELL]));
    peer_wake(pair->peer, UINT32_MAX);
    assert_false(sim_link_readable(pair->control, handles[PEER_HANDLE_BELL]));
    assert_false(peer_sleep(pair->peer));
    free(peer_receive(pair->peer));
    assert_true(peer_sleep(pair->peer));
    peer_wake(pair->peer, UINT32_MAX);
}

static void the_link_is_looked_at_when_it_was_heard(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    session_directory_failed(pair->session, 0, LOG_IO_ERROR);
    peer_wake(pair->peer, 1U << PEER_HANDLE_BELL);
    assert_int_equal(turn(pair).kind, PEER_NOTHING);
    peer_wake(pair->peer, 1U << PEER_HANDLE_LINK);
    assert_int_equal(turn(pair).kind, PEER_DIRECTORY_FAILED);
}

static void a_dead_dataplane_is_told_once_and_looked_for_again(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    session_destroy(pair->session);
    pair->session = NULL;
    assert_int_equal(turn(pair).kind, PEER_LOST);
    assert_null(peer_hello(pair->peer));
    assert_int_equal(turn(pair).kind, PEER_NOTHING);
    assert_true(peer_deadline_ns(pair->peer) < UINT64_MAX);
    session_start(pair);
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    assert_int_equal(peer_counters(pair->peer)->sessions, 2);
}

static void a_malformed_ring_ends_the_session(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    /* The first counter in the memory of core 0's ring, as a wild write would change it. */
    const struct slow_header header = {.kind = SLOW_REQUEST};
    assert_true(channel_send(session_channel(pair->session, 0), &header, (struct chain){0}));
    struct peer_request *request = peer_receive(pair->peer);
    assert_non_null(request);
    free(request);
    const uint64_t size = session_memory_bytes(2, 2 << 20, 256 << 10);
    for (int handle = 0; handle < 100; handle++) {
        uint8_t *mapped = link_memory_map(pair->dataplane, handle, size, true);
        if (mapped != NULL) {
            memset(mapped + RING_LINE_BYTES, 0xff, 8);
            link_memory_unmap(pair->dataplane, mapped, size);
        }
    }
    assert_null(peer_receive(pair->peer));
    assert_int_equal(turn(pair).kind, PEER_LOST);
}

static void another_build_is_not_joined(void **state)
{
    struct pair *pair = *state;
    session_destroy(pair->session);
    pair->session = NULL;
    const int listener = link_listen(pair->dataplane, SOCKET);
    pair->now_ns += 100000000;
    assert_int_equal(peer_turn(pair->peer, pair->now_ns).kind, PEER_NOTHING);
    const int link = link_accept(pair->dataplane, listener);
    assert_true(link >= 0);
    static struct link_message message = {.len = sizeof(struct session_hello)};
    assert_int_equal(link_send(pair->dataplane, link, &message), 0);
    assert_int_equal(peer_turn(pair->peer, pair->now_ns).kind, PEER_NOTHING);
    assert_null(peer_hello(pair->peer));
    assert_int_equal(link_receive(pair->dataplane, link, &message), 0); /* Closed. */
}

static void a_snapshot_reaches_the_dataplane_and_its_failures_come_back(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(turn(pair).kind, PEER_HELLO);
    struct snapshot_partition partition = {.leader_epoch = 1};
    struct snapshot_topic topic = {.id = {{4}},
                                   .name = {(const uint8_t *)"t", 1},
                                   .partition_count = 1,
                                   .partitions = &partition};
    const struct snapshot snapshot = {.version = 1,
                                      .cluster_id = {(const uint8_t *)"c", 1},
                                      .topic_count = 1,
                                      .topics = &topic,
                                      .partition_count = 1};
    uint8_t image[1024];
    const uint64_t size = snapshot_encode(&snapshot, image, sizeof(image));
    sim_link_choke(pair->control, true);
    assert_false(peer_publish(pair->peer, 1, (struct bytes){image, (uint32_t)size}));
    sim_link_choke(pair->control, false);
    assert_true(peer_publish(pair->peer, 1, (struct bytes){image, (uint32_t)size}));
    (void)session_turn(pair->session);
    assert_non_null(session_snapshot(pair->session));
    const struct session_failure failure = {.topic_id = {{4}}, .status = LOG_NO_SPACE};
    session_applied(pair->session, &failure, 1);
    peer_wake(pair->peer, 0); /* What is owed is looked for nevertheless. */
    const struct peer_event event = turn(pair);
    assert_int_equal(event.kind, PEER_APPLIED);
    assert_int_equal(event.version, 1);
    assert_int_equal(event.failure_count, 1);
    assert_int_equal(event.failures[0].status, LOG_NO_SPACE);
    peer_wake(pair->peer, UINT32_MAX);
    session_directory_failed(pair->session, 0, LOG_IO_ERROR);
    assert_int_equal(turn(pair).kind, PEER_DIRECTORY_FAILED);
    session_stopping(pair->session);
    assert_int_equal(turn(pair).kind, PEER_STOPPING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_up, pair_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_begins_with_hello),
        TEST(failures_are_counted_in_the_memory_of_the_cores),
        TEST(requests_of_all_cores_come_in_turn_and_whole),
        TEST(a_long_answer_goes_piece_by_piece_as_the_core_asks_for_more),
        TEST(a_long_answer_that_nobody_wants_is_let_go),
        TEST(a_long_answer_that_stalls_is_let_go),
        TEST(a_core_that_sleeps_is_woken_for_its_answer),
        TEST(control_does_not_sleep_over_a_request),
        TEST(the_link_is_looked_at_when_it_was_heard),
        TEST(a_dead_dataplane_is_told_once_and_looked_for_again),
        TEST(a_malformed_ring_ends_the_session),
        TEST(another_build_is_not_joined),
        TEST(a_snapshot_reaches_the_dataplane_and_its_failures_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
