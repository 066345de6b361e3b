#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/dataplane/tcp/rig.h"

static struct network_address peer_address(uint16_t port)
{
    struct network_address peer = {.port = port};
    const struct address address = address_of_v4(RIG_PEER);
    memcpy(peer.ip, address.bytes, sizeof(peer.ip));
    return peer;
}

static void connections_opened_take_ports_of_their_own_until_none_is_left(void **state)
{
    (void)state; /* RFC 6056. */
    const struct network_address peer = peer_address(RIG_PEER_PORT);
    const struct network_address other = peer_address(RIG_PEER_PORT + 1);
    bool taken[4] = {false};
    rig.setup.port_first = 65532;
    rig.setup.port_count = 4;
    rig_start();
    for (uint32_t i = 0; i < 4; i++) {
        const struct tcp_connection *c = tcp_connect(rig.tcp, &peer, &rig, rig.now_ns);
        assert_non_null(c);
        assert_in_range(c->key.local_port, 65532, 65535);
        assert_false(taken[c->key.local_port - 65532]);
        taken[c->key.local_port - 65532] = true;
    }
    assert_null(tcp_connect(rig.tcp, &peer, &rig, rig.now_ns));
    assert_non_null(tcp_connect(rig.tcp, &other, &rig, rig.now_ns)); /* Another peer's port. */
}

static void a_peer_without_a_route_is_not_connected_to(void **state)
{
    (void)state;
    struct network_address peer = peer_address(80);
    peer.ip[12] = 11;
    rig_start();
    assert_null(tcp_connect(rig.tcp, &peer, &rig, rig.now_ns));
    assert_int_equal(tcp_usage(rig.tcp).connections, 0);
}

static void a_broadcast_or_multicast_address_is_not_connected_to(void **state)
{
    (void)state; /* RFC 9293 MUST-46. */
    const uint32_t table[] = {0xffffffff, 0x0a0000ff, 0xe0000001, 0};
    rig_start();
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const struct address address = address_of_v4(table[i]);
        struct network_address peer = {.port = RIG_PEER_PORT};
        memcpy(peer.ip, address.bytes, sizeof(peer.ip));
        assert_null(tcp_connect(rig.tcp, &peer, NULL, rig.now_ns));
    }
}

/* ---- Siblings, played ---- */

static struct {
    uint32_t claims_lost; /* The next so many claims fail. */
    uint32_t claims;
    bool offered;
    struct tcp_opening opening;
    bool foreign; /* No flow is ours. */
    uint32_t given;
    uint32_t opened;
    uint32_t unopened;
    enum transport_close_reason reason;
} at;

static bool ours(void *context, uint32_t hash)
{
    (void)context;
    (void)hash;
    return !at.foreign;
}

static void give_frame(void *context, uint32_t hash, const struct packet_in *packet)
{
    (void)context;
    (void)hash;
    at.given++;
    net_release(rig.net, &packet->first, packet->more, packet->more_count);
}

static bool claim(void *context, uint32_t hash)
{
    (void)context;
    (void)hash;
    if (at.claims_lost > 0) {
        at.claims_lost--;
        return false;
    }
    at.claims++;
    return true;
}

static void leave(void *context, uint32_t hash)
{
    (void)context;
    (void)hash;
    at.claims--;
}

static bool offer(void *context, const struct tcp_opening *opening)
{
    (void)context;
    assert_false(at.offered);
    at.offered = true;
    at.opening = *opening;
    return true;
}

static bool withdraw(void *context, const struct tcp_opening *opening)
{
    const bool was = at.offered;
    (void)context;
    assert_true(flow_key_equal(&opening->key, &at.opening.key));
    at.offered = false;
    return was;
}

static bool adopt(void *context, const struct flow_key *key, uint32_t hash, uint32_t ack,
                  struct tcp_opening *opening)
{
    (void)context;
    (void)hash;
    if (!at.offered || ack != at.opening.iss + 1 || !flow_key_equal(key, &at.opening.key)) {
        return false;
    }
    at.offered = false;
    at.claims++;
    *opening = at.opening;
    return true;
}

static const struct tcp_siblings siblings = {.ours = ours,
                                             .give_frame = give_frame,
                                             .claim = claim,
                                             .leave = leave,
                                             .offer = offer,
                                             .withdraw = withdraw,
                                             .adopt = adopt};

static void *on_opened(void *context, struct tcp_connection *connection,
                       const struct network_address *peer, const struct network_address *local,
                       uint64_t token)
{
    (void)context;
    (void)connection;
    (void)peer;
    (void)local;
    assert_int_equal(token, 77);
    at.opened++;
    return &rig;
}

static void on_unopened(void *context, uint64_t token, enum transport_close_reason reason)
{
    (void)context;
    assert_int_equal(token, 77);
    at.unopened++;
    at.reason = reason;
}

static struct tcp_user user;

static void start(void)
{
    memset(&at, 0, sizeof(at));
    user = *rig.setup.user;
    user.on_opened = on_opened;
    user.on_unopened = on_unopened;
    rig.setup.user = &user;
    rig.setup.siblings = &siblings;
    rig.setup.syn_retries = 2;
    rig_start();
}

static void open_one(void)
{
    const struct network_address peer = peer_address(RIG_PEER_PORT);
    assert_true(tcp_open(rig.tcp, &peer, 77, rig.now_ns));
    rig_pump();
    const struct rig_packet *syn = rig_take();
    assert_non_null(syn);
    assert_int_equal(syn->segment.flags, SEGMENT_SYN);
}

/* A segment of the handshake to the port that was opened from. */
static void answer(uint8_t flags, uint32_t ack)
{
    struct segment segment = {.flags = flags, .window = UINT16_MAX, .mss = 1460};
    rig.local_port = at.opening.key.local_port;
    segment.ack = ack - rig.our_isn;
    rig_put(&segment, 0);
}

static void a_port_whose_flow_a_sibling_is_faster_to_claim_is_passed_over(void **state)
{
    (void)state;
    const struct network_address peer = peer_address(RIG_PEER_PORT);
    start();
    at.claims_lost = 3;
    assert_non_null(tcp_connect(rig.tcp, &peer, &rig, rig.now_ns));
    assert_int_equal(at.claims_lost, 0);
    assert_int_equal(at.claims, 1);
}

static void an_opening_answered_here_is_taken_back_and_told(void **state)
{
    (void)state;
    start();
    open_one();
    assert_true(at.offered);
    answer(SEGMENT_SYN | SEGMENT_ACK, at.opening.iss + 1);
    assert_false(at.offered);
    assert_int_equal(at.opened, 1);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_ADOPTED], 0);
}

static void an_opening_refused_here_is_told_once(void **state)
{
    (void)state; /* RFC 9293 3.10.7.3. */
    start();
    open_one();
    answer(SEGMENT_RST | SEGMENT_ACK, at.opening.iss); /* Anybody's. */
    assert_int_equal(at.unopened, 0);
    assert_true(at.offered);
    answer(SEGMENT_RST | SEGMENT_ACK, at.opening.iss + 1);
    assert_int_equal(at.unopened, 1);
    assert_int_equal(at.reason, TRANSPORT_RESET);
    assert_false(at.offered);
    assert_int_equal(at.claims, 0);
}

static void an_opening_nobody_answers_is_told_when_its_tries_are_over(void **state)
{
    (void)state;
    start();
    open_one();
    rig_pass(1500);
    assert_true(at.offered);
    assert_int_equal(at.opening.sent_ns, 0); /* Two are out: no round trip is measured. */
    rig_pass(20000);
    assert_false(at.offered);
    assert_int_equal(at.unopened, 1);
    assert_int_equal(at.reason, TRANSPORT_TIMED_OUT);
    assert_int_equal(at.claims, 0);
}

static void an_opening_that_a_sibling_took_over_is_forgotten_without_a_word(void **state)
{
    (void)state;
    start();
    open_one();
    at.offered = false;
    rig_pass(1500);
    assert_null(rig_take()); /* No second SYN. */
    assert_int_equal(tcp_usage(rig.tcp).connections, 0);
    assert_int_equal(at.opened + at.unopened, 0);
    assert_int_equal(at.claims, 1); /* The flow is the sibling's now. */
    assert_null(tcp_invariants(rig.tcp));
}

static void a_sibling_opens(uint64_t sent_ns)
{
    start();
    at.foreign = true;
    at.offered = true;
    at.opening = (struct tcp_opening){.key = {.local = address_of_v4(RIG_US),
                                              .remote = address_of_v4(RIG_PEER),
                                              .local_port = 40001,
                                              .remote_port = RIG_PEER_PORT},
                                      .iss = 5000,
                                      .sent_ns = sent_ns,
                                      .token = 77};
    at.opening.hash = flow_hash(&rig.tcp->flows, &at.opening.key);
}

static void the_answer_to_a_siblings_opening_is_taken_in(void **state)
{
    (void)state;
    a_sibling_opens(rig.now_ns - 3000000);
    answer(SEGMENT_SYN | SEGMENT_ACK, 5002); /* Not its answer. */
    answer(SEGMENT_ACK, 5001);
    answer(SEGMENT_RST | SEGMENT_ACK, 5001); /* A refusal is for who opened. */
    assert_int_equal(at.given, 3);
    assert_int_equal(at.opened, 0);
    answer(SEGMENT_SYN | SEGMENT_ACK, 5001);
    assert_int_equal(at.given, 3);
    assert_int_equal(at.opened, 1);
    assert_int_equal(at.claims, 1);
    assert_int_equal(tcp_counters(rig.tcp)[TCP_ADOPTED], 1);
    const struct rig_packet *third = rig_take();
    assert_non_null(third);
    assert_int_equal(third->segment.flags, SEGMENT_ACK);
    assert_int_equal(third->segment.ack, RIG_PEER_ISN + 1);
    answer(SEGMENT_SYN | SEGMENT_ACK, 5001); /* Said again: there is nothing to take any more. */
    assert_int_equal(at.given, 4);
}

/* Each core's turn has a time of its own: that of the SYN may lie behind the answer's. */
static void a_round_trip_is_measured_over_cores_where_it_can_be(void **state)
{
    (void)state;
    const uint64_t now_ns = rig.now_ns;
    const struct {
        uint64_t sent_ns;
        uint64_t smoothed_ns;
    } table[] = {{now_ns - 3000000, 3000000}, {now_ns + 50000, 0}, {now_ns, 0}, {0, 0}};
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        rig_prepare();
        a_sibling_opens(table[i].sent_ns);
        answer(SEGMENT_SYN | SEGMENT_ACK, 5001);
        assert_int_equal(at.opened, 1);
        const struct tcp_connection *c = pool_at(&rig.tcp->connections, 0);
        assert_int_equal(c->state, TCP_ESTABLISHED);
        assert_int_equal(c->rtt.smoothed_ns, table[i].smoothed_ns);
        assert_true(c->rtt.timeout_ns <= 1000000000);
        assert_true(c->sent_at_ns <= rig.now_ns);
        assert_null(rig_end());
    }
}

/* It may have to wait for the neighbour's address. */
static void an_opening_is_offered_when_its_syn_leaves(void **state)
{
    (void)state;
    const struct network_address peer = peer_address(RIG_PEER_PORT);
    start();
    assert_true(tcp_open(rig.tcp, &peer, 77, rig.now_ns));
    assert_false(at.offered);
    rig.now_ns += 5000000;
    rig_pump();
    assert_true(at.offered);
    assert_int_equal(at.opening.sent_ns, rig.now_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(connections_opened_take_ports_of_their_own_until_none_is_left),
        RIG_TEST(a_peer_without_a_route_is_not_connected_to),
        RIG_TEST(a_broadcast_or_multicast_address_is_not_connected_to),
        RIG_TEST(a_port_whose_flow_a_sibling_is_faster_to_claim_is_passed_over),
        RIG_TEST(an_opening_answered_here_is_taken_back_and_told),
        RIG_TEST(an_opening_refused_here_is_told_once),
        RIG_TEST(an_opening_nobody_answers_is_told_when_its_tries_are_over),
        RIG_TEST(an_opening_that_a_sibling_took_over_is_forgotten_without_a_word),
        RIG_TEST(the_answer_to_a_siblings_opening_is_taken_in),
        RIG_TEST(a_round_trip_is_measured_over_cores_where_it_can_be),
        RIG_TEST(an_opening_is_offered_when_its_syn_leaves),
    };
    return cmocka_run_group_tests_name("open", tests, NULL, NULL);
}
