/* The bypass path over a wire in memory, from the other end a host with the same TCP. The user here
 * writes down what it is called for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/net/arp.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/stack/stack.h"
#include "dataplane/tcp/segment.h"
#include "tests/sim/sim_host.h"

enum {
    SERVER = 0x0a000001,
    CLIENT = 0x0a000002,
    PORT = 9092,
    LISTENER = 3,
    CONNECTIONS = 8,
    BUFFERS = 256,
    GOT_MAX = 1 << 22,
    HELD_MAX = 512,
};

struct user {
    struct transport_connection *connection;
    uint8_t *got;
    uint32_t got_bytes;
    void *held[HELD_MAX];
    uint32_t held_count;
    uint32_t into_done;
    uint64_t token_next; /* The next to come back. */
    uint32_t sends_out;
    bool ended;
    bool closed;
    enum transport_close_reason reason;
    struct network_address peer;
};

static struct {
    struct sim_wire *wire;
    struct nic *nic;
    void *memory;
    struct stack *stack;
    struct sim_host *host;
    struct nic *attacker; /* NULL: there is none. */
    uint64_t now_ns;
    struct user users[CONNECTIONS];
    uint32_t opened;
    bool refuse;
    bool counted; /* Only `allowed` connections may be opened. */
    uint32_t allowed;
    bool hold; /* Received pieces are kept. */
    bool echo;
    bool answer_late; /* The end of the peer's stream is left to the test. */
} at;

static const struct transport_ops *ops(void)
{
    return stack_transport(at.stack)->ops;
}

/* ---- The user ---- */

static void *on_open(void *context, struct transport_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener)
{
    assert_ptr_equal(context, &at);
    assert_int_equal(listener, LISTENER);
    assert_int_equal(local->port, PORT);
    assert_int_equal(load_be32(local->ip + 12), SERVER);
    assert_int_equal(load_be32(peer->ip + 12), CLIENT);
    if (at.refuse) {
        return NULL;
    }
    struct user *user = &at.users[at.opened++ % CONNECTIONS];
    free(user->got);
    *user = (struct user){.connection = connection, .got = malloc(GOT_MAX), .peer = *peer};
    return user;
}

static void on_data(void *context, struct received_piece piece)
{
    struct user *user = context;
    assert_false(user->closed);
    assert_true(piece.bytes.len > 0 && user->got_bytes + piece.bytes.len <= GOT_MAX);
    memcpy(user->got + user->got_bytes, piece.bytes.ptr, piece.bytes.len);
    if (at.echo) {
        const struct send_part part = {{user->got + user->got_bytes, piece.bytes.len}};
        assert_true(ops()->send(user->connection, &part, 1, user->token_next + user->sends_out));
        user->sends_out++;
    }
    user->got_bytes += piece.bytes.len;
    if (at.hold) {
        assert_true(user->held_count < HELD_MAX);
        user->held[user->held_count++] = piece.buffer;
    } else {
        ops()->release(stack_transport(at.stack), piece.buffer);
    }
}

static void on_received_into(void *context)
{
    struct user *user = context;
    user->into_done++;
}

static void on_end(void *context)
{
    struct user *user = context;
    assert_false(user->ended || user->closed);
    user->ended = true;
    if (!at.answer_late) {
        ops()->close(user->connection);
    }
}

static void on_sent(void *context, uint64_t token)
{
    struct user *user = context;
    assert_false(user->closed);
    assert_int_equal(token, user->token_next++);
    assert_true(user->sends_out-- > 0);
}

static void on_close(void *context, enum transport_close_reason reason)
{
    struct user *user = context;
    assert_false(user->closed);
    assert_int_equal(user->sends_out, 0);
    user->closed = true;
    user->reason = reason;
}

static uint64_t accept_from_ns(void *context)
{
    (void)context;
    if (!at.counted) {
        return 0;
    }
    return at.opened < at.allowed ? 1 : at.now_ns + 1000000;
}

static const struct transport_user calls = {on_open, on_data,  on_received_into, on_end,
                                            on_sent, on_close, accept_from_ns};

/* ---- The world ---- */

static void start(const struct sim_wire_options *options)
{
    memset(&at, 0, sizeof(at));
    at.now_ns = 1000000;
    at.wire = sim_wire_create(options);
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
    at.host = sim_host_create(at.wire, 2, CLIENT, options->seed + 1);
    assert_true(stack_listen(at.stack, LISTENER, PORT));
}

static void end(void)
{
    if (at.attacker != NULL) {
        sim_port_destroy(at.attacker);
    }
    sim_host_destroy(at.host);
    sim_port_destroy(at.nic);
    sim_wire_destroy(at.wire);
    free(at.memory);
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        free(at.users[i].got);
    }
}

static void turn(void)
{
    sim_wire_set_now(at.wire, at.now_ns);
    const uint64_t before = at.nic->counters.in_frames;
    if (at.now_ns % 2 == 1 && stack_look(at.stack)) { /* A core that polls looks before its turn. */
        assert_true(at.nic->counters.in_frames > before);
        assert_true(stack_look(at.stack));
    }
    (void)stack_receive_turn(at.stack, 256, at.now_ns);
    (void)stack_send_turn(at.stack, 256, at.now_ns);
    (void)sim_host_turn(at.host, at.now_ns);
    const char *wrong = tcp_invariants(stack_tcp(at.stack));
    if (wrong != NULL) {
        fail_msg("%s", wrong);
    }
    uint64_t next_ns = sim_wire_next_ns(at.wire);
    next_ns = min_u64(next_ns, stack_next_deadline_ns(at.stack));
    next_ns = min_u64(next_ns, sim_host_next_ns(at.host));
    at.now_ns = max_u64(at.now_ns + 1001, min_u64(next_ns, at.now_ns + 1000000));
}

static void pass(uint64_t ms)
{
    const uint64_t end_ns = at.now_ns + ms * 1000000;
    while (at.now_ns < end_ns) {
        turn();
    }
}

static int calm(void **state)
{
    (void)state;
    const struct sim_wire_options options = {.seed = 1, .delay_ns = 20000};
    start(&options);
    return 0;
}

static int calm_end(void **state)
{
    (void)state;
    end();
    return 0;
}

static struct sim_stream *connected(void)
{
    struct sim_stream *stream = sim_stream_open(at.host, SERVER, PORT, at.now_ns);
    assert_non_null(stream);
    pass(5);
    assert_true(sim_stream_opened(stream));
    return stream;
}

static uint8_t pattern_at(uint64_t i)
{
    return (uint8_t)(i * 7 + (i >> 8) * 13 + (i >> 16));
}

static void write_pattern(struct sim_stream *stream, uint32_t from, uint32_t len)
{
    uint8_t *bytes = malloc(len);
    for (uint32_t i = 0; i < len; i++) {
        bytes[i] = pattern_at(from + i);
    }
    sim_stream_write(stream, bytes, len);
    free(bytes);
}

static void assert_pattern(const uint8_t *bytes, uint32_t from, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (bytes[i] != pattern_at(from + i)) {
            fail_msg("byte %u differs", i);
        }
    }
}

static bool send_text(struct user *user, const char *text, uint32_t len)
{
    const struct send_part parts[2] = {{{(const uint8_t *)text, len / 2}},
                                       {{(const uint8_t *)text + len / 2, len - len / 2}}};
    if (!ops()->send(user->connection, parts, 2, user->token_next + user->sends_out)) {
        return false;
    }
    user->sends_out++;
    return true;
}

static void release_all(struct user *user)
{
    while (user->held_count > 0) {
        ops()->release(stack_transport(at.stack), user->held[--user->held_count]);
    }
}

/* ---- Bytes in ---- */

static void bytes_arrive_in_order(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    write_pattern(stream, 0, 300000);
    pass(100);
    assert_int_equal(at.users[0].got_bytes, 300000);
    assert_pattern(at.users[0].got, 0, 300000);
    assert_int_equal(stack_counters(at.stack)->accepted, 1);
    assert_int_equal(stack_counters(at.stack)->received_bytes, 300000);
    assert_true(stack_counters(at.stack)->open == 1 && sim_port_held(at.nic) == 0);
}

static void held_pieces_close_the_window(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    at.hold = true;
    write_pattern(stream, 0, 2000000);
    pass(500);
    const uint32_t held = user->got_bytes;
    assert_true(held > 0 && held < 2000000);
    assert_true(user->held_count <= BUFFERS);
    pass(500);
    assert_int_equal(user->got_bytes, held);
    at.hold = false;
    release_all(user);
    pass(2000);
    assert_int_equal(user->got_bytes, 2000000);
    assert_pattern(user->got, 0, 2000000);
    assert_int_equal(sim_port_held(at.nic), 0);
}

static void pieces_outlive_their_connection(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    at.hold = true;
    write_pattern(stream, 0, 1000);
    pass(10);
    sim_stream_close(stream, true);
    pass(10);
    assert_true(user->closed && user->held_count > 0);
    assert_false(stack_idle(at.stack));
    release_all(user);
    assert_true(stack_idle(at.stack));
}

static void bytes_go_where_they_were_asked_for(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    static uint8_t into[100000];
    ops()->receive_into(user->connection, into, sizeof(into));
    write_pattern(stream, 0, 60000);
    pass(50);
    assert_true(user->into_done == 0 && user->got_bytes == 0);
    write_pattern(stream, 60000, 60000);
    pass(50);
    assert_int_equal(user->into_done, 1);
    assert_pattern(into, 0, sizeof(into));
    assert_int_equal(user->got_bytes, 20000);
    assert_pattern(user->got, 100000, 20000);
}

static void a_paused_connection_brings_nothing(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    ops()->pause(user->connection);
    write_pattern(stream, 0, 1000000);
    pass(300);
    assert_int_equal(user->got_bytes, 0);
    ops()->resume(user->connection);
    pass(1000);
    assert_int_equal(user->got_bytes, 1000000);
    assert_pattern(user->got, 0, 1000000);
}

/* ---- Bytes out ---- */

static void sends_come_back_when_acknowledged(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    static char text[3000000]; /* More than the peer's window. */
    for (uint32_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)pattern_at(i);
    }
    assert_true(send_text(user, text, 1000));
    assert_true(send_text(user, text + 1000, sizeof(text) - 1000));
    pass(300);
    assert_int_equal(user->token_next, 1);
    assert_int_equal(user->sends_out, 1);
    const uint64_t acknowledged = ops()->acknowledged_bytes(user->connection);
    assert_true(acknowledged >= 1000 && acknowledged < sizeof(text));
    uint8_t *got = malloc(sizeof(text));
    uint32_t got_bytes = 0;
    while (got_bytes < sizeof(text)) {
        got_bytes += sim_stream_read(stream, got + got_bytes, (uint32_t)sizeof(text) - got_bytes);
        pass(1);
    }
    pass(100);
    assert_pattern(got, 0, sizeof(text));
    free(got);
    assert_int_equal(user->sends_out, 0);
    assert_int_equal(ops()->acknowledged_bytes(user->connection), sizeof(text));
}

static void a_connection_has_room_for_a_bounded_number_of_sends(void **state)
{
    (void)state;
    (void)connected();
    struct user *user = &at.users[0];
    uint32_t count = 0;
    while (count < 1000 && send_text(user, "ab", 2)) {
        count++;
    }
    assert_int_equal(count, STACK_SENDS_MAX);
    assert_int_equal(stack_counters(at.stack)->sends_refused, 1);
    pass(100);
    assert_int_equal(user->sends_out, 0);
    assert_true(send_text(user, "ab", 2));
    pass(100);
}

/* ---- Ends ---- */

static void a_close_sends_everything_first(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    static char text[10000];
    memset(text, 'x', sizeof(text));
    assert_true(send_text(user, text, sizeof(text)));
    ops()->close(user->connection);
    assert_false(send_text(user, text, 10));
    pass(100);
    assert_true(user->closed && user->reason == TRANSPORT_CLOSED_BY_US);
    assert_int_equal(sim_stream_waiting(stream), sizeof(text));
    assert_false(sim_stream_was_reset(stream));
    assert_true(stack_idle(at.stack));
    uint8_t got[1000];
    while (sim_stream_read(stream, got, sizeof(got)) > 0) {
    }
    assert_true(sim_stream_ended(stream));
}

static void a_close_does_not_wait_for_a_peer_that_never_closes(void **state)
{
    (void)state;
    (void)connected();
    ops()->close(at.users[0].connection);
    pass(20);
    assert_true(at.users[0].closed);
    assert_int_equal(stack_counters(at.stack)->open, 0);
    assert_int_equal(tcp_usage(stack_tcp(at.stack)).connections, 1); /* FIN_WAIT_2. */
}

static void a_peer_that_has_ended_still_gets_its_answers(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    static char text[10000];
    memset(text, 'y', sizeof(text));
    assert_true(send_text(user, text, sizeof(text)));
    sim_stream_shutdown(stream);
    pass(200);
    assert_true(user->closed && user->reason == TRANSPORT_CLOSED_BY_PEER);
    assert_int_equal(sim_stream_waiting(stream), sizeof(text));
    assert_false(sim_stream_was_reset(stream));
}

static void a_peer_that_has_ended_gets_what_is_answered_later(void **state)
{
    (void)state;
    at.answer_late = true;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    sim_stream_shutdown(stream);
    pass(200);
    assert_true(user->ended && !user->closed);
    assert_true(send_text(user, "late", 4));
    ops()->close(user->connection);
    pass(200);
    assert_true(user->closed && user->reason == TRANSPORT_CLOSED_BY_PEER);
    assert_int_equal(sim_stream_waiting(stream), 4);
    assert_true(sim_stream_ended(stream) || sim_stream_waiting(stream) > 0);
    assert_false(sim_stream_was_reset(stream));
}

static void an_abort_resets(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    assert_true(send_text(user, "abcd", 4));
    ops()->abort(user->connection);
    assert_false(user->closed);
    pass(10);
    assert_true(user->closed && user->reason == TRANSPORT_CLOSED_BY_US);
    assert_true(sim_stream_was_reset(stream));
    assert_true(stack_idle(at.stack));
}

static void a_close_can_be_cut_short(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    static char text[1000000];
    assert_true(send_text(user, text, sizeof(text)));
    ops()->close(user->connection);
    pass(50);
    assert_false(user->closed); /* The peer reads nothing. */
    ops()->abort(user->connection);
    pass(10);
    assert_true(user->closed && sim_stream_was_reset(stream));
}

static void a_reset_returns_the_sends_first(void **state)
{
    (void)state;
    struct sim_stream *stream = connected();
    struct user *user = &at.users[0];
    static char text[1000000];
    assert_true(send_text(user, text, sizeof(text)));
    assert_true(send_text(user, text, 10));
    pass(50);
    sim_stream_close(stream, true);
    pass(10);
    assert_true(user->closed && user->reason == TRANSPORT_RESET);
    assert_int_equal(user->token_next, 2);
    assert_int_equal(stack_counters(at.stack)->reset, 1);
    assert_true(stack_idle(at.stack));
}

static void a_refused_connection_is_reset(void **state)
{
    (void)state;
    at.refuse = true;
    struct sim_stream *stream = sim_stream_open(at.host, SERVER, PORT, at.now_ns);
    pass(20);
    assert_true(sim_stream_was_reset(stream));
    assert_int_equal(stack_counters(at.stack)->refused, 1);
    assert_true(stack_idle(at.stack));
}

static void nobody_is_taken_in_after_listening_has_stopped(void **state)
{
    (void)state;
    stack_stop_listening(at.stack);
    struct sim_stream *stream = sim_stream_open(at.host, SERVER, PORT, at.now_ns);
    pass(20);
    assert_true(sim_stream_was_reset(stream) && at.opened == 0);
    assert_true(stack_listen(at.stack, LISTENER, PORT));
    (void)connected();
}

static void no_more_connections_than_there_is_room_for(void **state)
{
    (void)state;
    struct sim_stream *streams[CONNECTIONS + 2];
    for (uint32_t i = 0; i < CONNECTIONS + 2; i++) {
        streams[i] = sim_stream_open(at.host, SERVER, PORT, at.now_ns);
        pass(5);
    }
    assert_int_equal(at.opened, CONNECTIONS);
    assert_int_equal(stack_counters(at.stack)->open, CONNECTIONS);
    sim_stream_close(streams[0], true);
    pass(20);
    struct sim_stream *late = sim_stream_open(at.host, SERVER, PORT, at.now_ns);
    pass(20);
    assert_true(sim_stream_opened(late));
}

/* ---- Floods ---- */

static void raw_send(struct nic *nic, const uint8_t *frame, uint16_t len)
{
    struct packet_out packet = {.pin = {.kind = PACKET_PIN_NONE}};
    assert_int_equal(nic->ops->prepare(nic, &packet, 1), 1);
    memcpy(packet.header, frame, len);
    packet.header_len = len;
    nic->ops->send(nic, &packet, 1, 1);
}

enum { NEIGHBOUR = 0x0a000009 };

static void raw_syn(struct nic *nic, uint16_t port)
{
    struct segment segment = {.source_port = port,
                              .target_port = PORT,
                              .sequence = port,
                              .flags = SEGMENT_SYN,
                              .window = 65535,
                              .mss = 1460};
    uint8_t frame[PACKET_HEADER_BYTES];
    uint8_t *tcp = frame + ETHERNET_BYTES + IPV4_BYTES;
    const uint32_t len = segment_write(tcp, &segment);
    const struct ipv4_header ip = {.source = NEIGHBOUR,
                                   .target = SERVER,
                                   .total_len = (uint16_t)(IPV4_BYTES + len),
                                   .protocol = IPV4_TCP,
                                   .ttl = 64};
    const struct address source = address_of_v4(NEIGHBOUR);
    const struct address target = address_of_v4(SERVER);
    const uint32_t pseudo = checksum_pseudo(&source, &target, IPV4_TCP, len);
    const uint16_t sum = checksum_finish(checksum_join(checksum_sum(tcp, len), pseudo, 0));
    memcpy(tcp + 16, &sum, sizeof(sum));
    ethernet_write(frame, &at.nic->capabilities.mac, &nic->capabilities.mac, 0, ETHERNET_IPV4);
    ipv4_write(frame + ETHERNET_BYTES, &ip, true);
    raw_send(nic, frame, (uint16_t)(ETHERNET_BYTES + IPV4_BYTES + len));
}

/* What comes in one turn, beside what is said again by time in the same. */
static void every_syn_of_a_turn_is_answered(void **state)
{
    (void)state;
    enum { FIRST = 200, TURN = 256 };
    struct nic *nic = at.attacker = sim_port_create(at.wire, 9, false, 2 * TURN, NULL, NULL);
    const struct arp_packet arp = {.operation = ARP_REQUEST,
                                   .sender_mac = nic->capabilities.mac,
                                   .sender_v4 = NEIGHBOUR,
                                   .target_v4 = SERVER};
    uint8_t frame[ETHERNET_BYTES + ARP_BYTES];
    ethernet_write(frame, &at.nic->capabilities.mac, &nic->capabilities.mac, 0, ETHERNET_ARP);
    arp_write(frame + ETHERNET_BYTES, &arp);
    raw_send(nic, frame, sizeof(frame));
    pass(1);
    for (uint16_t i = 0; i < FIRST; i++) {
        raw_syn(nic, (uint16_t)(10000 + i));
    }
    pass(10);
    const struct tcp *tcp = stack_tcp(at.stack);
    assert_int_equal(tcp_usage(tcp).half_open, FIRST);
    const uint64_t *said = tcp_net(tcp)->counters;
    const uint64_t before = said[NET_OUT_FRAMES];
    pass(987); /* Soon they are all told again. */
    assert_int_equal(said[NET_OUT_FRAMES], before);
    at.now_ns += 4 * 1000000;
    sim_wire_set_now(at.wire, at.now_ns - 1000000);
    for (uint16_t i = 0; i < TURN; i++) {
        raw_syn(nic, (uint16_t)(20000 + i));
    }
    pass(5);
    assert_int_equal(said[NET_OUT_NO_FRAME], 0);
    assert_int_equal(tcp_usage(tcp).half_open, FIRST + TURN);
    assert_int_equal(said[NET_OUT_FRAMES] - before, FIRST + TURN);
}

/* ---- Everything at once ---- */

/* Streams are echoed over a bad wire, each byte compared, then all is idle. */
static void an_echo_survives_bad_wires(void **state)
{
    (void)state;
    enum { STREAMS = 4, BYTES = 60000 };
    uint64_t lost = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        const struct sim_wire_options options = sim_wire_options_by_seed(seed);
        struct sim_stream *streams[STREAMS];
        uint32_t read[STREAMS] = {0};
        uint8_t got[2000];
        start(&options);
        at.echo = true;
        for (uint32_t i = 0; i < STREAMS; i++) {
            streams[i] = sim_stream_open(at.host, SERVER, PORT, at.now_ns);
            write_pattern(streams[i], i, BYTES);
        }
        const uint64_t end_ns = at.now_ns + 60 * UINT64_C(1000000000);
        uint32_t done = 0;
        while (done < STREAMS && at.now_ns < end_ns) {
            turn();
            done = 0;
            for (uint32_t i = 0; i < STREAMS; i++) {
                const uint32_t len = sim_stream_read(streams[i], got, sizeof(got));
                assert_pattern(got, i + read[i], len);
                read[i] += len;
                done += read[i] == BYTES;
            }
        }
        assert_int_equal(done, STREAMS);
        for (uint32_t i = 0; i < STREAMS; i++) {
            sim_stream_close(streams[i], false);
        }
        sim_wire_heal(at.wire);
        pass(3000);
        assert_true(stack_idle(at.stack));
        assert_int_equal(sim_port_held(at.nic), 0);
        assert_int_equal(tcp_usage(stack_tcp(at.stack)).connections, 0);
        lost += sim_wire_lost(at.wire);
        end();
    }
    assert_true(lost > 100);
}

static void counted_connections_wait_established_and_are_told_one_by_one(void **state)
{
    (void)state;
    struct sim_stream *streams[5];
    at.counted = true;
    for (uint32_t i = 0; i < ARRAY_SIZE(streams); i++) {
        streams[i] = connected();
        write_pattern(streams[i], 0, 1000);
    }
    pass(50);
    assert_int_equal(at.opened, 0);
    at.allowed = 1;
    pass(50);
    assert_int_equal(at.opened, 1);
    assert_int_equal(at.users[0].got_bytes, 1000);
    assert_pattern(at.users[0].got, 0, 1000);
    sim_stream_close(streams[1], true); /* It waits no more. */
    pass(50);
    at.allowed = ARRAY_SIZE(streams);
    pass(50);
    at.counted = false;
    pass(50);
    uint32_t complete = 0;
    for (uint32_t i = 0; i < at.opened; i++) {
        complete += at.users[i].got_bytes == 1000 && !at.users[i].closed;
    }
    assert_int_equal(complete, ARRAY_SIZE(streams) - 1);
    for (uint32_t i = 0; i < ARRAY_SIZE(streams); i++) {
        if (i != 1) {
            sim_stream_close(streams[i], false);
        }
    }
    pass(3000);
    assert_true(stack_idle(at.stack));
    assert_int_equal(sim_port_held(at.nic), 0);
    assert_int_equal(tcp_usage(stack_tcp(at.stack)).connections, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, calm, calm_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_arrive_in_order),
        TEST(held_pieces_close_the_window),
        TEST(pieces_outlive_their_connection),
        TEST(bytes_go_where_they_were_asked_for),
        TEST(a_paused_connection_brings_nothing),
        TEST(sends_come_back_when_acknowledged),
        TEST(a_connection_has_room_for_a_bounded_number_of_sends),
        TEST(a_close_sends_everything_first),
        TEST(a_close_does_not_wait_for_a_peer_that_never_closes),
        TEST(a_peer_that_has_ended_still_gets_its_answers),
        TEST(a_peer_that_has_ended_gets_what_is_answered_later),
        TEST(an_abort_resets),
        TEST(a_close_can_be_cut_short),
        TEST(a_reset_returns_the_sends_first),
        TEST(a_refused_connection_is_reset),
        TEST(nobody_is_taken_in_after_listening_has_stopped),
        TEST(no_more_connections_than_there_is_room_for),
        TEST(counted_connections_wait_established_and_are_told_one_by_one),
        TEST(every_syn_of_a_turn_is_answered),
        cmocka_unit_test(an_echo_survives_bad_wires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
