/* One address on three cores, over a port that deals flows out anew all the time, or that only the
 * first ones hear. Each core answers with what it gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/stack/stack.h"
#include "dataplane/tcp/connection.h"
#include "tests/sim/sim_host.h"

enum {
    CORES = 3,
    SERVER = 0x0a000001,
    CLIENT = 0x0a000002,
    PORT = 9092,
    STREAMS = 24,
    STREAM_BYTES = 40000,
    BUFFERS = 512,
    ECHO_MAX = 1 << 17,
    OPENINGS = CORES * 12,
};

struct echo {
    struct transport_connection *connection;
    uint8_t bytes[ECHO_MAX];
    uint32_t used;
};

static struct {
    struct sim_wire *wire;
    void *spread_memory;
    struct spread *spread;
    struct nic *nics[CORES];
    void *memory[CORES];
    struct stack *stacks[CORES];
    struct sim_host *host;
    uint64_t now_ns;
    uint32_t opened[CORES];
    /* Connections that the cores open, by token. */
    uint32_t opened_on[OPENINGS];
    uint32_t told[OPENINGS]; /* How often: opened, or not. */
    enum transport_close_reason failed[OPENINGS];
    bool refusing;
} at;

static void *on_open(void *context, struct transport_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener)
{
    uint32_t *opened = context;
    (void)peer;
    (void)local;
    (void)listener;
    (*opened)++;
    struct echo *echo = calloc(1, sizeof(*echo));
    echo->connection = connection;
    return echo;
}

static void on_data(void *user, struct received_piece piece)
{
    struct echo *echo = user;
    const struct transport_ops *ops = echo->connection->transport->ops;
    assert_true(echo->used + piece.bytes.len <= ECHO_MAX);
    uint8_t *to = echo->bytes + echo->used;
    memcpy(to, piece.bytes.ptr, piece.bytes.len);
    echo->used += piece.bytes.len;
    ops->release(echo->connection->transport, piece.buffer);
    const struct send_part part = {{to, piece.bytes.len}};
    assert_true(ops->send(echo->connection, &part, 1, 0));
}

static void on_received_into(void *user)
{
    (void)user;
}

static void on_end(void *user)
{
    struct echo *echo = user;
    echo->connection->transport->ops->close(echo->connection);
}

static void on_sent(void *user, uint64_t token)
{
    (void)user;
    (void)token;
}

static void on_close(void *user, enum transport_close_reason reason)
{
    (void)reason;
    free(user);
}

static const struct transport_user calls = {on_open,  on_data, on_received_into, on_end, on_sent,
                                            on_close, NULL};

static void *on_opened(void *context, struct transport_connection *connection,
                       const struct network_address *peer, const struct network_address *local,
                       uint64_t token)
{
    at.told[token]++;
    at.opened_on[token] = (uint32_t)((uint32_t *)context - at.opened);
    return at.refusing ? NULL : on_open(context, connection, peer, local, 0);
}

static void on_unopened(void *context, uint64_t token, enum transport_close_reason reason)
{
    at.told[token]++;
    at.opened_on[token] = (uint32_t)((uint32_t *)context - at.opened);
    at.failed[token] = reason;
}

static const struct stack_opener opener = {on_opened, on_unopened};

static void start(const struct sim_wire_options *options, uint32_t hearing)
{
    memset(&at, 0, sizeof(at));
    at.now_ns = 1000000;
    at.wire = sim_wire_create(options);
    at.spread_memory = aligned_alloc(64, round_up(spread_size(CORES), 64));
    memset(at.spread_memory, 0, spread_size(CORES));
    at.spread = spread_init(at.spread_memory, CORES, hearing);
    for (uint32_t i = 0; i < CORES; i++) {
        at.nics[i] = sim_port_create(at.wire, 1, i >= hearing, 2 * BUFFERS, NULL, NULL);
        const struct stack_setup setup = {.nic = at.nics[i],
                                          .spread = spread_at(at.spread, i),
                                          .user = &calls,
                                          .opener = &opener,
                                          .user_context = &at.opened[i],
                                          .v4 = SERVER,
                                          .prefix_bits = 24,
                                          .secret = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                                                     0x94d049bb133111eb, 0xd6e8feb86659fd93},
                                          .connection_count_max = 2 * STREAMS,
                                          .receive_buffer_count = BUFFERS};
        const uint64_t bytes = round_up(stack_memory_bytes(&setup), 64);
        at.memory[i] = memset(aligned_alloc(64, bytes), 0, bytes);
        at.stacks[i] = stack_create(at.memory[i], &setup, at.now_ns);
        assert_true(stack_listen(at.stacks[i], 0, PORT));
    }
    at.host = sim_host_create(at.wire, 2, CLIENT, options->seed + 1);
}

static void end(void)
{
    sim_host_destroy(at.host);
    for (uint32_t i = 0; i < CORES; i++) {
        sim_port_destroy(at.nics[i]);
        free(at.memory[i]);
    }
    sim_wire_destroy(at.wire);
    free(at.spread_memory);
}

static void turn(void)
{
    uint64_t next_ns = at.now_ns + 1000000;
    sim_wire_set_now(at.wire, at.now_ns);
    for (uint32_t i = 0; i < CORES; i++) {
        (void)stack_receive_turn(at.stacks[i], 256, at.now_ns);
        (void)stack_send_turn(at.stacks[i], 256, at.now_ns);
        const char *wrong = tcp_invariants(stack_tcp(at.stacks[i]));
        if (wrong != NULL) {
            fail_msg("core %u: %s", i, wrong);
        }
        next_ns = stack_quiet(at.stacks[i]) ? min_u64(next_ns, stack_next_deadline_ns(at.stacks[i]))
                                            : at.now_ns;
    }
    (void)sim_host_turn(at.host, at.now_ns);
    next_ns = min_u64(next_ns, sim_wire_next_ns(at.wire));
    next_ns = min_u64(next_ns, sim_host_next_ns(at.host));
    at.now_ns = max_u64(at.now_ns + 1000, next_ns);
}

static void run_until_idle(void)
{
    for (uint32_t idle = 0, turns = 0; idle < CORES; turns++) {
        assert_true(turns < 100000);
        turn();
        idle = 0;
        for (uint32_t i = 0; i < CORES; i++) {
            idle += stack_idle(at.stacks[i]);
        }
    }
}

static uint8_t pattern_at(uint32_t stream, uint32_t i)
{
    return (uint8_t)(stream * 31 + i * 7 + (i >> 8) * 13);
}

static void write_some(struct sim_stream *stream, uint32_t number, uint32_t *written)
{
    uint8_t bytes[1000];
    const uint32_t len = min_u32(sizeof(bytes), STREAM_BYTES - *written);
    for (uint32_t i = 0; i < len; i++) {
        bytes[i] = pattern_at(number, *written + i);
    }
    sim_stream_write(stream, bytes, len);
    *written += len;
}

static void read_some(struct sim_stream *stream, uint32_t number, uint32_t *got)
{
    uint8_t bytes[4096];
    const uint32_t len = sim_stream_read(stream, bytes, sizeof(bytes));
    for (uint32_t i = 0; i < len; i++) {
        if (bytes[i] != pattern_at(number, *got + i)) {
            fail_msg("stream %u: byte %u differs", number, *got + i);
        }
    }
    *got += len;
}

/* All streams come back whole, and nothing stays behind. */
static void echo_all(void)
{
    struct sim_stream *streams[STREAMS];
    uint32_t written[STREAMS] = {0};
    uint32_t got[STREAMS] = {0};
    uint32_t done = 0;
    for (uint32_t i = 0; i < STREAMS; i++) {
        streams[i] = sim_stream_open(at.host, SERVER, PORT, at.now_ns);
    }
    for (uint32_t turns = 0; done < STREAMS; turns++) {
        assert_true(turns < 2000000);
        turn();
        done = 0;
        for (uint32_t i = 0; i < STREAMS; i++) {
            assert_false(sim_stream_was_reset(streams[i]));
            if (written[i] < STREAM_BYTES && written[i] <= got[i] + 8000) {
                write_some(streams[i], i, &written[i]);
            }
            read_some(streams[i], i, &got[i]);
            done += got[i] == STREAM_BYTES;
        }
    }
    for (uint32_t i = 0; i < STREAMS; i++) {
        sim_stream_close(streams[i], false);
    }
    const uint64_t end_ns = at.now_ns + UINT64_C(3000000000);
    while (at.now_ns < end_ns) {
        turn();
    }
    for (uint32_t i = 0; i < CORES; i++) {
        assert_true(stack_idle(at.stacks[i]));
        assert_int_equal(sim_port_held(at.nics[i]), 0);
    }
}

static uint64_t given(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < CORES; i++) {
        sum += stack_spread_counters(at.stacks[i])->given_frames;
        assert_int_equal(stack_spread_counters(at.stacks[i])->dropped, 0);
        assert_true(at.opened[i] > 0);
    }
    return sum;
}

static void flows_stay_on_their_core_when_the_port_deals_anew(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        const struct sim_wire_options options = {.seed = seed,
                                                 .delay_ns = 20000,
                                                 .remap_in = 20,
                                                 .loss_in = seed > 2 ? 100 : 0,
                                                 .burst_max = 2};
        start(&options, CORES);
        echo_all();
        assert_true(given() > 100);
        end();
    }
}

/* Nothing is kept of a SYN, so its answer goes to whatever core the port deals it to. */
static void a_core_that_sent_no_cookie_takes_anothers(void **state)
{
    (void)state;
    uint32_t found = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        const struct sim_wire_options options = {.seed = seed, .delay_ns = 20000, .remap_in = 2};
        uint8_t byte = 7;
        start(&options, CORES);
        for (uint32_t i = 0; i < CORES; i++) {
            stack_tcp(at.stacks[i])->listeners[0].backlog = 0;
        }
        struct sim_stream *stream = sim_stream_open(at.host, SERVER, PORT, at.now_ns);
        for (uint32_t turns = 0; at.opened[0] + at.opened[1] + at.opened[2] == 0; turns++) {
            assert_true(turns < 100000);
            assert_false(sim_stream_was_reset(stream));
            turn();
        }
        for (uint32_t i = 0; i < CORES; i++) {
            const uint64_t *counters = tcp_counters(stack_tcp(at.stacks[i]));
            found += counters[TCP_COOKIES_TAKEN] == 1 && counters[TCP_COOKIES_SENT] == 0;
        }
        sim_stream_write(stream, &byte, 1);
        while (sim_stream_read(stream, &byte, 1) == 0) {
            assert_false(sim_stream_was_reset(stream));
            turn();
        }
        sim_stream_close(stream, true);
        run_until_idle();
        end();
    }
    assert_true(found >= 10);
}

/* ---- Connections that the cores open ---- */

/* As many by each core, and turns until all are told of. */
static void open_all(uint16_t port)
{
    const struct address address = address_of_v4(CLIENT);
    struct network_address peer = {.port = port};
    memcpy(peer.ip, address.bytes, sizeof(peer.ip));
    for (uint32_t i = 0; i < OPENINGS; i++) {
        at.failed[i] = TRANSPORT_CLOSED_BY_PEER; /* None of theirs. */
        assert_true(stack_open(at.stacks[i % CORES], &peer, i, at.now_ns));
    }
    for (uint32_t told = 0, turns = 0; told < OPENINGS; turns++) {
        assert_true(turns < 1000000);
        turn();
        told = 0;
        for (uint32_t i = 0; i < OPENINGS; i++) {
            told += at.told[i];
            assert_true(at.told[i] <= 1);
        }
    }
}

/* Each is told of once, and the host has as many as were opened; bytes come back through all. */
static void openings_work(void)
{
    struct sim_stream *streams[OPENINGS];
    uint8_t bytes[3000];
    uint32_t count = 0;
    for (uint32_t turns = 0; count < OPENINGS; turns++) {
        assert_true(turns < 1000000);
        turn();
        while (count < OPENINGS && (streams[count] = sim_host_accept(at.host)) != NULL) {
            for (uint32_t i = 0; i < sizeof(bytes); i++) {
                bytes[i] = pattern_at(count, i);
            }
            sim_stream_write(streams[count++], bytes, sizeof(bytes));
        }
    }
    for (uint32_t i = 0; i < OPENINGS; i++) {
        for (uint32_t got = 0; got < sizeof(bytes); turn()) {
            assert_false(sim_stream_was_reset(streams[i]));
            read_some(streams[i], i, &got);
        }
    }
    for (uint32_t i = 0; i < OPENINGS; i++) {
        assert_int_equal(at.told[i], 1);
        sim_stream_close(streams[i], false);
    }
    run_until_idle();
    assert_null(sim_host_accept(at.host));
}

static uint64_t adopted(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < CORES; i++) {
        sum += tcp_counters(stack_tcp(at.stacks[i]))[TCP_ADOPTED];
    }
    return sum;
}

static uint64_t handed_over(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < CORES; i++) {
        sum += stack_spread_counters(at.stacks[i])->given_frames;
    }
    return sum;
}

static void what_a_core_opens_is_the_cores_that_the_answer_comes_to(void **state)
{
    (void)state;
    const struct sim_wire_options options = {.seed = 3, .delay_ns = 20000};
    uint32_t moved = 0;
    start(&options, CORES);
    sim_host_listen(at.host, PORT);
    open_all(PORT);
    for (uint32_t i = 0; i < OPENINGS; i++) {
        moved += at.opened_on[i] != i % CORES;
        assert_int_equal(at.failed[i], TRANSPORT_CLOSED_BY_PEER);
    }
    assert_true(moved > OPENINGS / 3);
    assert_int_equal(adopted(), moved);
    openings_work();
    assert_int_equal(handed_over(), 0); /* From its answer on each is where its frames come. */
    for (uint64_t end_ns = at.now_ns + UINT64_C(2000000000); at.now_ns < end_ns;) {
        turn();
    }
    for (uint32_t i = 0; i < CORES; i++) { /* Those who opened have forgotten it. */
        assert_int_equal(tcp_usage(stack_tcp(at.stacks[i])).connections, 0);
    }
    end();
}

/* The host hears nothing meanwhile. */
static void stacks_turn_until(uint64_t end_ns)
{
    for (; at.now_ns < end_ns; at.now_ns += 1000000) {
        sim_wire_set_now(at.wire, at.now_ns);
        for (uint32_t i = 0; i < CORES; i++) {
            (void)stack_receive_turn(at.stacks[i], 256, at.now_ns);
            (void)stack_send_turn(at.stacks[i], 256, at.now_ns);
        }
    }
}

static void a_port_opened_from_again_stays_its_new_cores(void **state)
{
    (void)state;
    const struct sim_wire_options options = {.seed = 3, .delay_ns = 20000};
    const struct address address = address_of_v4(CLIENT);
    struct network_address peer = {.port = PORT};
    uint32_t first = 0;
    memcpy(peer.ip, address.bytes, sizeof(peer.ip));
    start(&options, CORES);
    sim_host_listen(at.host, PORT);
    do { /* Until another core takes one over that is reset at once. */
        assert_true(++first < OPENINGS - 1);
        assert_true(stack_open(at.stacks[0], &peer, first, at.now_ns));
        struct sim_stream *stream = NULL;
        while (at.told[first] == 0 || (stream = sim_host_accept(at.host)) == NULL) {
            turn();
        }
        sim_stream_close(stream, true);
        run_until_idle();
    } while (at.opened_on[first] == 0);
    const uint32_t core = at.opened_on[first];
    const uint32_t again = first + 1;
    struct tcp *tcp = stack_tcp(at.stacks[core]);
    assert_int_equal(tcp_usage(tcp).connections, 0);
    assert_int_equal(tcp_usage(stack_tcp(at.stacks[0])).connections, 1); /* It does not know. */
    tcp->port_next = stack_tcp(at.stacks[0])->port_next - 1;
    assert_true(stack_open(at.stacks[core], &peer, again, at.now_ns));
    stacks_turn_until(at.now_ns + UINT64_C(1500000000));
    assert_int_equal(tcp_usage(stack_tcp(at.stacks[0])).connections, 0);
    assert_int_equal(tcp_usage(tcp).connections, 1);
    while (at.told[again] == 0) {
        turn();
    }
    assert_int_equal(at.failed[again], TRANSPORT_CLOSED_BY_PEER); /* Nothing was told. */
    struct sim_stream *stream = NULL;
    while ((stream = sim_host_accept(at.host)) == NULL) {
        turn();
    }
    sim_stream_close(stream, false);
    run_until_idle();
    end();
}

static void each_opening_is_told_of_once_on_bad_wires_that_deal_anew(void **state)
{
    (void)state;
    uint64_t taken_over = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct sim_wire_options options = sim_wire_options_by_seed(seed);
        options.remap_in = seed % 2 == 0 ? 4 : 100;
        start(&options, CORES);
        sim_host_listen(at.host, PORT);
        open_all(PORT);
        openings_work();
        taken_over += adopted();
        end();
    }
    assert_true(taken_over > 100);
}

static void a_core_that_hears_nothing_keeps_what_it_opens(void **state)
{
    (void)state;
    const struct sim_wire_options options = {.seed = 4, .delay_ns = 20000};
    start(&options, 1);
    sim_host_listen(at.host, PORT);
    open_all(PORT);
    for (uint32_t i = 0; i < OPENINGS; i++) {
        assert_int_equal(at.opened_on[i], i % CORES);
    }
    openings_work();
    assert_int_equal(adopted(), 0);
    end();
}

static void a_refusal_is_told_where_it_was_opened(void **state)
{
    (void)state;
    const struct sim_wire_options options = {.seed = 5, .delay_ns = 20000};
    start(&options, CORES);
    open_all(PORT); /* Nobody listens. */
    for (uint32_t i = 0; i < OPENINGS; i++) {
        assert_int_equal(at.opened_on[i], i % CORES);
        assert_int_equal(at.failed[i], TRANSPORT_RESET);
    }
    run_until_idle();
    end();
}

static void an_opening_that_the_user_refuses_is_reset(void **state)
{
    (void)state;
    const struct sim_wire_options options = {.seed = 6, .delay_ns = 20000};
    start(&options, CORES);
    sim_host_listen(at.host, PORT);
    at.refusing = true;
    open_all(PORT);
    run_until_idle();
    for (uint64_t end_ns = at.now_ns + UINT64_C(100000000); at.now_ns < end_ns;) {
        turn();
    }
    assert_null(sim_host_accept(at.host)); /* It was to hear nothing but the reset. */
    assert_int_equal(tcp_counters(sim_host_tcp(at.host))[TCP_IN_RST], OPENINGS);
    end();
}

static void nothing_is_handed_over_while_flows_keep_their_queue(void **state)
{
    (void)state;
    const struct sim_wire_options options = {.seed = 7, .delay_ns = 20000};
    start(&options, CORES);
    echo_all();
    assert_int_equal(given(), 0);
    end();
}

static void the_core_that_hears_the_port_deals_out(void **state)
{
    (void)state;
    const struct sim_wire_options options = {
        .seed = 9, .delay_ns = 20000, .loss_in = 200, .burst_max = 1};
    start(&options, 1);
    echo_all();
    assert_true(given() > 100);
    assert_int_equal(stack_spread_counters(at.stacks[1])->given_frames, 0);
    end();
}

/* The first core hands the third's flows over, the second's are its own. */
static void each_that_hears_the_port_deals_out_its_share(void **state)
{
    (void)state;
    const struct sim_wire_options options = {
        .seed = 9, .delay_ns = 20000, .loss_in = 200, .burst_max = 1};
    start(&options, 2);
    echo_all();
    assert_true(given() > 100);
    assert_int_equal(stack_spread_counters(at.stacks[0])->given_frames,
                     stack_spread_counters(at.stacks[2])->taken_frames);
    assert_int_equal(stack_spread_counters(at.stacks[1])->given_frames, 0);
    assert_int_equal(stack_spread_counters(at.stacks[2])->given_frames, 0);
    end();
}

static void openings_are_told_once_where_two_of_three_hear(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_wire_options options = sim_wire_options_by_seed(seed);
        options.remap_in = seed % 2 == 0 ? 4 : 0;
        start(&options, 2);
        sim_host_listen(at.host, PORT);
        open_all(PORT);
        for (uint32_t i = 2; i < OPENINGS; i += CORES) { /* Who hears nothing keeps its own. */
            assert_int_equal(at.opened_on[i], 2);
        }
        openings_work();
        end();
    }
}

/* Loss, duplicates, damage, frames that overtake others, while the port deals anew. */
static void echoes_survive_bad_wires_of_every_kind(void **state)
{
    (void)state;
    uint64_t handed_over = 0;
    uint64_t lost = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct sim_wire_options options = sim_wire_options_by_seed(seed);
        options.remap_in = seed % 2 == 0 ? 20 : 500;
        start(&options, seed % 5 == 0 ? 1 : seed % 5 == 2 ? 2 : CORES);
        echo_all();
        handed_over += given();
        lost += sim_wire_lost(at.wire);
        end();
    }
    assert_true(handed_over > 1000 && lost > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_stay_on_their_core_when_the_port_deals_anew),
        cmocka_unit_test(a_core_that_sent_no_cookie_takes_anothers),
        cmocka_unit_test(what_a_core_opens_is_the_cores_that_the_answer_comes_to),
        cmocka_unit_test(a_port_opened_from_again_stays_its_new_cores),
        cmocka_unit_test(each_opening_is_told_of_once_on_bad_wires_that_deal_anew),
        cmocka_unit_test(a_core_that_hears_nothing_keeps_what_it_opens),
        cmocka_unit_test(a_refusal_is_told_where_it_was_opened),
        cmocka_unit_test(an_opening_that_the_user_refuses_is_reset),
        cmocka_unit_test(nothing_is_handed_over_while_flows_keep_their_queue),
        cmocka_unit_test(the_core_that_hears_the_port_deals_out),
        cmocka_unit_test(each_that_hears_the_port_deals_out_its_share),
        cmocka_unit_test(openings_are_told_once_where_two_of_three_hear),
        cmocka_unit_test(echoes_survive_bad_wires_of_every_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
