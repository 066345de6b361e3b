#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "dataplane/slowpath/fragment.h"
#include "tests/sim/sim_link.h"

enum {
    RING_BYTES = 256 * 1024,
    THREAD_SESSIONS = 300,
    THREAD_MESSAGES = 40,
};

struct bench {
    struct sim_link_machine *machine;
    struct link_world *world;
    struct slow_channel *channel;
    struct channel_attachment attachment;
    void *up;
    void *down;
    struct fragment_reader control_reader;
    struct fragment_writer control_writer;
};

static void *ring_make(void)
{
    void *memory =
        aligned_alloc(RING_LINE_BYTES, round_up(byte_ring_size(RING_BYTES), RING_LINE_BYTES));
    assert_non_null(memory);
    byte_ring_format(memory, RING_BYTES);
    return memory;
}

static int bench_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->machine = sim_link_machine_create();
    bench->world = sim_link_process(bench->machine);
    bench->channel = channel_create();
    bench->up = ring_make();
    bench->down = ring_make();
    const uint64_t size = byte_ring_size(RING_BYTES);
    bench->attachment = (struct channel_attachment){.session = 5,
                                                    .to_control = bench->up,
                                                    .to_control_bytes = size,
                                                    .to_core = bench->down,
                                                    .to_core_bytes = size,
                                                    .world = bench->world,
                                                    .control_bell = link_bell_make(bench->world)};
    assert_true(fragment_reader_init(&bench->control_reader, bench->up, size, false, 1 << 20));
    assert_true(fragment_writer_init(&bench->control_writer, bench->down, size));
    *state = bench;
    return 0;
}

static int bench_down(void **state)
{
    struct bench *bench = *state;
    channel_destroy(bench->channel);
    sim_link_process_end(bench->world);
    sim_link_machine_destroy(bench->machine);
    free(bench->up);
    free(bench->down);
    free(bench);
    return 0;
}

static void a_core_sees_a_session_at_its_next_turn_only(void **state)
{
    struct bench *bench = *state;
    channel_attach(bench->channel, &bench->attachment);
    assert_false(channel_connected(bench->channel));
    channel_turn(bench->channel);
    assert_true(channel_connected(bench->channel));
    assert_int_equal(channel_session(bench->channel), 5);
    channel_detach(bench->channel);
    assert_true(channel_connected(bench->channel));
    assert_false(channel_let_go(bench->channel, &bench->attachment));
    channel_turn(bench->channel);
    assert_int_equal(channel_session(bench->channel), 0);
    assert_true(channel_let_go(bench->channel, &bench->attachment));
}

static void without_a_session_nothing_is_sent_or_received(void **state)
{
    struct bench *bench = *state;
    const struct slow_header header = {.kind = SLOW_REQUEST};
    struct slow_fragment fragment;
    channel_turn(bench->channel);
    assert_false(channel_send(bench->channel, &header, (struct chain){0}));
    assert_false(channel_receive(bench->channel, &fragment));
    assert_true(channel_sleep(bench->channel));
    channel_wake(bench->channel);
    assert_true(channel_quiet(bench->channel));
    channel_attach(bench->channel, &bench->attachment);
    assert_false(channel_quiet(bench->channel)); /* A session to be taken. */
    channel_turn(bench->channel);
    assert_true(channel_quiet(bench->channel));
}

static void a_request_goes_out_and_its_reply_comes_back(void **state)
{
    struct bench *bench = *state;
    channel_attach(bench->channel, &bench->attachment);
    channel_turn(bench->channel);
    const struct slow_header header = {.kind = SLOW_REQUEST, .request_number = 77};
    const struct bytes piece = {(const uint8_t *)"body", 4};
    assert_true(channel_send(bench->channel, &header, chain_of(&piece)));
    struct slow_fragment fragment;
    assert_int_equal(fragment_receive(&bench->control_reader, &fragment), BYTE_RING_OK);
    assert_int_equal(fragment.header.request_number, 77);
    assert_memory_equal(fragment.payload.ptr, "body", 4);
    fragment_release(&bench->control_reader);

    const struct slow_header reply = {.kind = SLOW_REPLY, .request_number = 77};
    assert_true(fragment_send_whole(&bench->control_writer, &reply, chain_of(&piece), 0));
    assert_true(channel_receive(bench->channel, &fragment));
    assert_true(fragment.last);
    channel_release(bench->channel);
}

static void control_is_woken_only_when_it_sleeps(void **state)
{
    struct bench *bench = *state;
    const int bell = bench->attachment.control_bell;
    channel_attach(bench->channel, &bench->attachment);
    channel_turn(bench->channel);
    const struct slow_header header = {.kind = SLOW_REQUEST};
    assert_true(channel_send(bench->channel, &header, (struct chain){0}));
    channel_flush(bench->channel);
    assert_false(sim_link_readable(bench->world, bell));
    ring_wake_arm(&bench->control_reader.ring.memory->consumer);
    channel_flush(bench->channel); /* Nothing is new. */
    assert_false(sim_link_readable(bench->world, bell));
    assert_true(channel_send(bench->channel, &header, (struct chain){0}));
    assert_true(channel_send(bench->channel, &header, (struct chain){0}));
    assert_false(sim_link_readable(bench->world, bell)); /* Once, for all of a turn. */
    channel_flush(bench->channel);
    assert_true(sim_link_readable(bench->world, bell));
}

static void control_that_waits_for_room_is_woken_when_there_is_some(void **state)
{
    struct bench *bench = *state;
    const int bell = bench->attachment.control_bell;
    const struct slow_header reply = {.kind = SLOW_REPLY};
    struct slow_fragment fragment;
    channel_attach(bench->channel, &bench->attachment);
    channel_turn(bench->channel);
    assert_true(fragment_send_whole(&bench->control_writer, &reply, (struct chain){0}, 0));
    ring_wake_arm(&bench->control_writer.ring.memory->producer);
    channel_flush(bench->channel);
    assert_false(sim_link_readable(bench->world, bell));
    assert_true(channel_receive(bench->channel, &fragment));
    channel_release(bench->channel);
    channel_flush(bench->channel);
    assert_true(sim_link_readable(bench->world, bell));
}

static void a_core_does_not_sleep_over_a_reply(void **state)
{
    struct bench *bench = *state;
    channel_attach(bench->channel, &bench->attachment);
    channel_turn(bench->channel);
    assert_true(channel_sleep(bench->channel));
    const struct slow_header reply = {.kind = SLOW_REPLY};
    assert_true(fragment_send_whole(&bench->control_writer, &reply, (struct chain){0}, 0));
    assert_true(ring_wake_take(&bench->control_writer.ring.memory->consumer));
    channel_wake(bench->channel);
    assert_false(channel_sleep(bench->channel));
    assert_false(channel_quiet(bench->channel));
}

static void a_malformed_ring_ends_the_session_for_the_core(void **state)
{
    struct bench *bench = *state;
    channel_attach(bench->channel, &bench->attachment);
    channel_turn(bench->channel);
    uint8_t *to;
    assert_int_equal(byte_ring_claim(&bench->control_writer.ring, 3, &to), BYTE_RING_OK);
    memset(to, 0xff, 3);
    byte_ring_publish(&bench->control_writer.ring, 3);
    struct slow_fragment fragment;
    assert_false(channel_receive(bench->channel, &fragment));
    assert_true(channel_broken(bench->channel));
    assert_false(channel_connected(bench->channel));
    assert_int_equal(channel_session(bench->channel), 0);
    channel_detach(bench->channel);
    channel_turn(bench->channel);
    assert_false(channel_broken(bench->channel));
}

static void requests_above_the_cap_are_not_taken(void **state)
{
    struct bench *bench = *state;
    channel_attach(bench->channel, &bench->attachment);
    channel_turn(bench->channel);
    const struct slow_header header = {.kind = SLOW_REQUEST};
    static uint8_t payload[SLOW_REQUEST_BYTES_MAX + 1];
    const struct bytes piece = {payload, sizeof(payload)};
    assert_false(channel_send(bench->channel, &header, chain_of(&piece)));
    assert_true(channel_connected(bench->channel));
}

static void H21_what_clients_fill_leaves_room_for_what_cores_ask(void **state)
{
    struct bench *bench = *state;
    channel_attach(bench->channel, &bench->attachment);
    channel_turn(bench->channel);
    static uint8_t payload[4096];
    const struct bytes piece = {payload, sizeof(payload)};
    const struct slow_header request = {.kind = SLOW_REQUEST};
    uint32_t requests = 0;
    while (channel_send(bench->channel, &request, chain_of(&piece))) {
        requests++;
    }
    assert_true(requests > 1);
    const struct slow_header wanted = {.kind = SLOW_PRODUCER_IDS_WANTED};
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(channel_send(bench->channel, &wanted, (struct chain){0}));
    }
    assert_false(channel_send(bench->channel, &request, chain_of(&piece)));
}

/* ---- Two threads: built with ThreadSanitizer too, suite 'tsan' ---- */

struct echo {
    struct slow_channel *channel;
    _Atomic bool stop;
    uint32_t refused; /* The core's until it has ended. */
};

/* A core that sends back what it is told, whatever session it comes from. */
static void *echo_core(void *argument)
{
    struct echo *echo = argument;
    while (!atomic_load(&echo->stop)) {
        struct slow_fragment fragment;
        channel_turn(echo->channel);
        if (!channel_receive(echo->channel, &fragment)) {
            if (channel_sleep(echo->channel)) {
                sched_yield();
            }
            channel_wake(echo->channel);
            continue;
        }
        const struct slow_header header = {.kind = SLOW_PRODUCER_IDS_WANTED,
                                           .request_number = fragment.header.request_number};
        echo->refused += channel_send(echo->channel, &header, chain_of(&fragment.payload)) ? 0 : 1;
        channel_release(echo->channel);
    }
    return NULL;
}

/* One session from its rings to their end: every message comes back once, in order. */
static void session_run(struct slow_channel *channel, struct channel_attachment *attachment)
{
    const uint64_t size = byte_ring_size(RING_BYTES);
    struct fragment_reader reader;
    struct fragment_writer writer;
    attachment->to_control = ring_make();
    attachment->to_core = ring_make();
    assert_true(fragment_reader_init(&reader, attachment->to_control, size, false, 1 << 20));
    assert_true(fragment_writer_init(&writer, attachment->to_core, size));
    channel_attach(channel, attachment);
    for (uint64_t sent = 0, got = 0; got < THREAD_MESSAGES;) {
        const struct slow_header header = {.kind = SLOW_REPLY, .request_number = sent};
        const struct bytes piece = {(const uint8_t *)&sent, sizeof(sent)};
        if (sent < THREAD_MESSAGES && fragment_send_whole(&writer, &header, chain_of(&piece), 0)) {
            sent++;
        }
        struct slow_fragment fragment;
        if (fragment_receive(&reader, &fragment) != BYTE_RING_OK) {
            sched_yield();
            continue;
        }
        assert_int_equal(fragment.header.request_number, got);
        assert_memory_equal(fragment.payload.ptr, &got, sizeof(got));
        fragment_release(&reader);
        got++;
    }
    channel_detach(channel);
    while (!channel_let_go(channel, attachment)) {
        sched_yield();
    }
    memset(attachment->to_control, 0xff, size); /* Nobody looks at it any more. */
    memset(attachment->to_core, 0xff, size);
    free(attachment->to_control);
    free(attachment->to_core);
}

static void sessions_come_and_go_under_a_core_on_its_own_thread(void **state)
{
    struct bench *bench = *state;
    struct echo echo = {.channel = bench->channel};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, echo_core, &echo), 0);
    for (uint64_t session = 1; session <= THREAD_SESSIONS; session++) {
        struct channel_attachment attachment = bench->attachment;
        attachment.session = session;
        session_run(bench->channel, &attachment);
        assert_false(channel_broken(bench->channel));
    }
    atomic_store(&echo.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(echo.refused, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_core_sees_a_session_at_its_next_turn_only),
        TEST(without_a_session_nothing_is_sent_or_received),
        TEST(a_request_goes_out_and_its_reply_comes_back),
        TEST(control_is_woken_only_when_it_sleeps),
        TEST(control_that_waits_for_room_is_woken_when_there_is_some),
        TEST(a_core_does_not_sleep_over_a_reply),
        TEST(a_malformed_ring_ends_the_session_for_the_core),
        TEST(requests_above_the_cap_are_not_taken),
        TEST(H21_what_clients_fill_leaves_room_for_what_cores_ask),
        TEST(sessions_come_and_go_under_a_core_on_its_own_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
