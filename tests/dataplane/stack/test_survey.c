/* A page about a stack with connections to a host on a wire in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/stack/survey.h"
#include "tests/sim/sim_host.h"

enum { SERVER = 0x0a000001, CLIENT = 0x0a000002, PORT = 9092, CONNECTIONS = 300, BUFFERS = 512 };

static struct {
    struct sim_wire *wire;
    struct nic *nic;
    void *memory;
    struct stack *stack;
    struct sim_host *host;
    uint64_t now_ns;
    uint32_t opened;
} at;

static void *on_open(void *context, struct transport_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener)
{
    (void)connection;
    (void)peer;
    (void)local;
    (void)listener;
    at.opened++;
    return context;
}

static void on_data(void *user, struct received_piece piece)
{
    (void)user;
    stack_transport(at.stack)->ops->release(stack_transport(at.stack), piece.buffer);
}

static void nothing(void *user)
{
    (void)user;
}

static void on_sent(void *user, uint64_t token)
{
    (void)user;
    (void)token;
}

static void on_close(void *user, enum transport_close_reason reason)
{
    (void)user;
    (void)reason;
}

static const struct transport_user calls = {on_open, on_data,  nothing, nothing,
                                            on_sent, on_close, NULL};

static int start(void **state)
{
    (void)state;
    const struct sim_wire_options options = {.seed = 1, .delay_ns = 20000};
    memset(&at, 0, sizeof(at));
    at.now_ns = 1000000;
    at.wire = sim_wire_create(&options);
    at.nic = sim_port_create(at.wire, 1, false, 2 * BUFFERS, NULL, NULL);
    const struct stack_setup setup = {.nic = at.nic,
                                      .user = &calls,
                                      .user_context = &at,
                                      .v4 = SERVER,
                                      .prefix_bits = 24,
                                      .secret = {1, 2, 3, 4},
                                      .connection_count_max = CONNECTIONS,
                                      .receive_buffer_count = BUFFERS};
    const uint64_t bytes = stack_memory_bytes(&setup);
    at.memory = aligned_alloc(64, round_up(bytes, 64));
    memset(at.memory, 0, bytes);
    at.stack = stack_create(at.memory, &setup, at.now_ns);
    at.host = sim_host_create(at.wire, 2, CLIENT, 7);
    assert_true(stack_listen(at.stack, 0, PORT));
    return 0;
}

static int end(void **state)
{
    (void)state;
    sim_host_destroy(at.host);
    sim_port_destroy(at.nic);
    sim_wire_destroy(at.wire);
    free(at.memory);
    return 0;
}

static void pass(uint64_t ms)
{
    const uint64_t end_ns = at.now_ns + ms * 1000000;
    while (at.now_ns < end_ns) {
        sim_wire_set_now(at.wire, at.now_ns);
        (void)stack_receive_turn(at.stack, 256, at.now_ns);
        (void)stack_send_turn(at.stack, 256, at.now_ns);
        (void)sim_host_turn(at.host, at.now_ns);
        at.now_ns += 10000;
    }
}

/* Asks page by page, as watch does. Returns how many connections were told. */
static uint32_t ask_all(struct survey *survey, bool seen[65536])
{
    uint32_t told = 0;
    uint32_t turns = 0;
    survey->slot = 0;
    while (survey->slot != SURVEY_END) {
        survey->count = 0;
        while (!survey_turn(survey, at.stack)) {
            turns++;
            assert_true(survey->count <= turns * SURVEY_ROWS_OF_TURN);
        }
        turns = 0;
        for (uint32_t i = 0; i < survey->count; i++) {
            assert_false(seen[survey->rows[i].peer.port]);
            seen[survey->rows[i].peer.port] = true;
        }
        told += survey->count;
    }
    return told;
}

static void every_connection_is_told_once_over_several_pages(void **state)
{
    (void)state;
    static bool seen[65536];
    static struct survey survey;
    memset(seen, 0, sizeof(seen));
    assert_int_equal(ask_all(&survey, seen), 0);
    enum { COUNT = SURVEY_ROWS + 5 };
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_non_null(sim_stream_open(at.host, SERVER, PORT, at.now_ns));
        pass(1);
    }
    pass(10);
    assert_int_equal(at.opened, COUNT);
    assert_int_equal(ask_all(&survey, seen), COUNT);
    assert_int_equal(survey.states[TCP_ESTABLISHED], COUNT);
    assert_int_equal(survey.usage.connections, COUNT);
    assert_int_equal(survey.setup.connection_count_max, CONNECTIONS);
    assert_true(survey.tcp[TCP_OPENED] == COUNT && survey.net[NET_IN_SEGMENTS] > COUNT);
    assert_int_equal(survey.v4.state, NET_READY);
    assert_memory_equal(&survey.capabilities.mac, &at.nic->capabilities.mac, sizeof(struct mac));
}

static void a_connection_is_told_with_what_its_tcp_knows(void **state)
{
    (void)state;
    static struct survey survey;
    struct sim_stream *stream = sim_stream_open(at.host, SERVER, PORT, at.now_ns);
    pass(5);
    sim_stream_write(stream, "hello", 5);
    pass(5);
    survey.slot = 0;
    survey.count = 0;
    while (!survey_turn(&survey, at.stack)) {
    }
    assert_int_equal(survey.count, 1);
    const struct tcp_info *info = &survey.rows[0];
    assert_int_equal(info->state, TCP_ESTABLISHED);
    assert_string_equal(tcp_state_name(info->state), "established");
    assert_int_equal(info->local.port, PORT);
    assert_int_equal(load_be32(info->peer.ip + 12), CLIENT);
    assert_int_equal(info->bytes_received, 5);
    assert_in_range(info->rtt_ns, 20000, 2000000);
    assert_true(info->cwnd >= info->mss && info->receive_window > 0);
    assert_int_equal(info->pinned, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_connection_is_told_once_over_several_pages, start,
                                        end),
        cmocka_unit_test_setup_teardown(a_connection_is_told_with_what_its_tcp_knows, start, end),
    };
    return cmocka_run_group_tests_name("survey", tests, NULL, NULL);
}
