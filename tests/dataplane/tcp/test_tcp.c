/* Packet scripts in virtual time: test_tcp FILE... Each scenario is a test of its own (TAP).
 *
 *     scenario NAME          a fresh stack at 10.0.0.1:9092; the peer is 10.0.0.2:40000
 *     set NAME VALUE         before listen, connect or established: see settings[]
 *     listen | connect | established [ts] [nosack] [noscale]     the last: a handshake, done
 *     < FLAGS SEQ LEN [ack N] [win N] [mss N] [ws N] [sackok] [ts VAL ECR] [sack A B]...
 *     > FLAGS SEQ LEN [...]  the next packet that left; what is not written is not looked at
 *     > none                 nothing left
 *     > any                  takes the next packet, whatever it is
 *     +N                     N milliseconds pass
 *     send N | shutdown | close | abort | pause | resume | hold | release     the user acts
 *     icmp mtu N SEQ | icmp hard SEQ
 *     expect opened|ended|closed|reset|timeout|alive|received N|returned N|state N|cwnd N|undone N
 *     expect connections N | expect time_wait N | expect half_open N
 *
 * FLAGS of S F R P A. Sequence numbers count from each side's SYN, which is 0. In ts, ECR `now`
 * echoes our newest timestamp and `-N` one N older. All that left must be asked for before the next
 * packet comes in.
 */
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv4.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/tcp.h"

enum {
    US = 0x0a000001,
    PEER = 0x0a000002,
    OUR_PORT = 9092,
    PEER_PORT = 40000,
    QUEUE_MAX = 256,
    FRAME_BYTES = 2048,
    HELD_MAX = 256,
    PEER_ISN = 0x7ffffff0, /* So that numbers wrap. */
    WORDS_MAX = 32,
};

struct packet {
    struct segment segment;
    uint8_t icmp;
};

static struct net *net;
static struct tcp *tcp;
static struct net_setup net_setup;
static struct tcp_setup setup;
static _Alignas(64) uint8_t net_memory[1 << 16];
static _Alignas(64) uint8_t tcp_memory[1 << 22];
static uint8_t bytes_sent[1 << 21];
static uint64_t now_ns;
static struct packet queue[QUEUE_MAX];
static uint32_t queue_first, queue_count;
static uint32_t our_isn, our_tsval, peer_tsval;
static bool isn_known;
static uint16_t local_port;
static struct tcp_connection *connection;
static uint64_t given, received, returned, sends;
static bool opened, ended, closed, holding;
static enum transport_close_reason reason;
static void *held[HELD_MAX];
static uint32_t held_count;
static uint32_t buffers_out;
static const char *trouble;
static char trouble_text[300];

static void wrong(const char *what, long long got, long long want)
{
    if (trouble == NULL) {
        snprintf(trouble_text, sizeof(trouble_text), "%s: got %lld, want %lld", what, got, want);
        trouble = trouble_text;
    }
}

static void buffer_release(void *context, void *buffer)
{
    (void)context;
    free(buffer);
    buffers_out--;
}

/* ---- The user ---- */

static uint8_t pattern_at(uint64_t offset)
{
    return (uint8_t)(offset * 7 + offset / 256);
}

static void *on_open(void *context, struct tcp_connection *c, const struct network_address *peer,
                     const struct network_address *local, uint32_t listener)
{
    (void)context;
    (void)peer;
    (void)local;
    (void)listener;
    connection = c;
    opened = true;
    return &setup;
}

static void on_data(void *user, struct received_piece piece)
{
    (void)user;
    for (uint32_t i = 0; i < piece.bytes.len; i++) {
        if (piece.bytes.ptr[i] != pattern_at(received + i)) {
            wrong("a byte received differs", piece.bytes.ptr[i], pattern_at(received + i));
        }
    }
    received += piece.bytes.len;
    if (holding && held_count < HELD_MAX) {
        held[held_count++] = piece.buffer;
    } else {
        tcp_release(tcp, piece.buffer);
    }
}

static void on_end(void *user)
{
    (void)user;
    ended = true;
}

static void on_sent(void *user, uint64_t token)
{
    (void)user;
    if (token != returned) {
        wrong("a send came back out of order", (long long)token, (long long)returned);
    }
    returned++;
}

static void on_room(void *user)
{
    (void)user;
}

static void on_close(void *user, enum transport_close_reason why)
{
    (void)user;
    closed = true;
    reason = why;
    connection = NULL;
}

static const struct tcp_user user_calls = {on_open, on_data, on_end, on_sent, on_room, on_close};

/* ---- Packets ---- */

static void take_packet(const struct packet_out *out)
{
    struct packet *packet = &queue[queue_count++ % QUEUE_MAX];
    const uint8_t *l4 = out->header + out->l2_len + out->l3_len;
    *packet = (struct packet){0};
    if (out->l3_len == 0) {
        queue_count--; /* ARP. */
        return;
    }
    if (out->header[out->l2_len + 9] != IPV4_TCP) {
        packet->icmp = 1;
        return;
    }
    if (!segment_parse((struct bytes){l4, out->l4_len}, out->l4_len + out->payload_len,
                       &packet->segment)) {
        wrong("a packet cannot be read", 0, 1);
        return;
    }
    const struct address source = address_of_v4(US);
    const struct address target = address_of_v4(PEER);
    uint32_t sum = checksum_pseudo(&source, &target, IPV4_TCP, out->l4_len + out->payload_len);
    sum = checksum_join(sum, checksum_sum(l4, out->l4_len), 0);
    struct segment *segment = &packet->segment;
    if ((segment->flags & SEGMENT_SYN) && !isn_known) {
        our_isn = segment->sequence;
        isn_known = true;
    }
    segment->sequence -= our_isn;
    local_port = segment->source_port;
    our_tsval = segment->has_timestamp ? segment->tsval : our_tsval;
    uint32_t offset = 0;
    for (uint32_t i = 0; i < out->part_count; i++) {
        sum = checksum_join(sum, checksum_sum(out->parts[i].ptr, out->parts[i].len), offset);
        const uint8_t *want = bytes_sent + segment->sequence - 1 + offset;
        if (memcmp(out->parts[i].ptr, want, out->parts[i].len) != 0) {
            wrong("bytes sent differ at", segment->sequence, 0);
        }
        offset += out->parts[i].len;
    }
    if (checksum_finish(sum) != 0) {
        wrong("a checksum is wrong", checksum_finish(sum), 0);
    }
}

static void pump(void)
{
    uint8_t header[PACKET_HEADER_BYTES];
    struct packet_out out = {.header = header};
    const char *broken;
    neighbor_learn(&net->neighbors, PEER, &net_setup.mac, true,
                   now_ns); /* ARP is not the matter. */
    (void)tcp_turn(tcp, 1000, now_ns);
    (void)tcp_deliver(tcp, 1000, now_ns);
    while (tcp_output(tcp, &out, 1, now_ns) == 1) {
        take_packet(&out);
        tcp_released(tcp, &out.pin);
    }
    (void)tcp_deliver(tcp, 1000, now_ns);
    while (tcp_output(tcp, &out, 1, now_ns) == 1) {
        take_packet(&out);
        tcp_released(tcp, &out.pin);
    }
    broken = tcp_invariants(tcp);
    if (broken != NULL) {
        trouble = broken;
    }
}

static void pass(uint64_t ms)
{
    const uint64_t end_ns = now_ns + ms * 1000000;
    while (now_ns < end_ns) {
        const uint64_t next_ns = tcp_next_deadline_ns(tcp);
        now_ns = min_u64(end_ns, max_u64(next_ns, now_ns + 1000));
        pump();
    }
}

static void put_frame(uint8_t protocol, const uint8_t *l4, uint32_t len)
{
    uint8_t *frame = malloc(FRAME_BYTES);
    ethernet_write(frame, &net_setup.mac, &net_setup.mac, 0, ETHERNET_IPV4);
    const struct ipv4_header ip = {.source = PEER,
                                   .target = US,
                                   .total_len = (uint16_t)(IPV4_BYTES + len),
                                   .protocol = protocol,
                                   .ttl = 64};
    ipv4_write(frame + 14, &ip, true);
    memcpy(frame + 34, l4, len);
    buffers_out++;
    const struct packet_in packet = {.first = {{frame, 34 + len}, frame}, .segments = 1};
    tcp_input(tcp, &packet, 1, now_ns);
    pump();
}

static void put_segment(struct segment *segment, uint32_t sequence)
{
    uint8_t bytes[FRAME_BYTES];
    const struct address source = address_of_v4(PEER);
    const struct address target = address_of_v4(US);
    segment->source_port = PEER_PORT;
    segment->target_port = local_port;
    segment->sequence = PEER_ISN + sequence;
    segment->ack += our_isn;
    const uint32_t header_len = segment_write(bytes, segment);
    for (uint32_t i = 0; i < segment->len; i++) {
        bytes[header_len + i] = pattern_at(sequence - 1 + i);
    }
    const uint32_t len = header_len + segment->len;
    uint32_t sum = checksum_pseudo(&source, &target, IPV4_TCP, len);
    const uint16_t field = checksum_finish(checksum_join(sum, checksum_sum(bytes, len), 0));
    memcpy(bytes + 16, &field, sizeof(field));
    put_frame(IPV4_TCP, bytes, len);
}

static void put_icmp(uint8_t code, uint16_t mtu, uint32_t sequence)
{
    uint8_t bytes[ICMP_BYTES + IPV4_BYTES + 8] = {ICMP_UNREACHABLE, code};
    store_be16(bytes + 6, mtu);
    const struct ipv4_header quoted = {
        .source = US, .target = PEER, .total_len = 1500, .protocol = IPV4_TCP};
    ipv4_write(bytes + 8, &quoted, true);
    store_be16(bytes + 28, local_port);
    store_be16(bytes + 30, PEER_PORT);
    store_be32(bytes + 32, our_isn + sequence);
    const uint16_t sum = checksum_finish(checksum_sum(bytes, sizeof(bytes)));
    memcpy(bytes + 2, &sum, sizeof(sum));
    put_frame(IPV4_ICMP, bytes, sizeof(bytes));
}

/* ---- The language ---- */

static uint8_t flags_of(const char *word)
{
    static const char letters[] = "FSRPA";
    uint8_t flags = 0;
    for (; *word != 0; word++) {
        const char *at = strchr(letters, *word);
        flags |= at != NULL ? (uint8_t)(1 << (at - letters)) : 0;
    }
    return flags;
}

static uint32_t number(const char *word)
{
    return (uint32_t)strtoll(word, NULL, 0);
}

static uint32_t echo_of(const char *word)
{
    if (strcmp(word, "now") == 0) {
        return our_tsval;
    }
    return word[0] == '-' ? our_tsval - number(word + 1) : number(word);
}

/* The options of a packet line, from words[4] on. has: bits of what was said. */
enum { SAID_ACK = 1, SAID_WIN = 2, SAID_TS = 4 };

static void read_options(char **words, uint32_t count, struct segment *segment, uint32_t *said)
{
    for (uint32_t i = 4; i < count; i++) {
        const char *word = words[i];
        const char *next = i + 1 < count ? words[i + 1] : "";
        if (strcmp(word, "ack") == 0) {
            segment->ack = number(next);
            *said |= SAID_ACK;
        } else if (strcmp(word, "win") == 0) {
            segment->window = number(next);
            *said |= SAID_WIN;
        } else if (strcmp(word, "mss") == 0) {
            segment->mss = (uint16_t)number(next);
        } else if (strcmp(word, "ws") == 0) {
            segment->has_wscale = true;
            segment->wscale = (uint8_t)number(next);
        } else if (strcmp(word, "sackok") == 0) {
            segment->sack_permitted = true;
        } else if (strcmp(word, "ts") == 0 && i + 2 < count) {
            segment->has_timestamp = true;
            segment->tsval = number(next);
            segment->tsecr = echo_of(words[i + 2]);
            *said |= SAID_TS;
        } else if (strcmp(word, "sack") == 0 && i + 2 < count) {
            segment->sacks[segment->sack_count++] =
                (struct segment_range){number(next), number(words[i + 2])};
        }
    }
}

static void do_in(char **words, uint32_t count)
{
    struct segment segment = {
        .flags = flags_of(words[1]), .window = 65535, .len = number(words[3])};
    uint32_t said = 0;
    if (queue_first != queue_count) {
        wrong("packets left that nobody asked for", queue_count - queue_first, 0);
    }
    read_options(words, count, &segment, &said);
    for (uint32_t i = 0; i < segment.sack_count; i++) {
        segment.sacks[i].start += our_isn;
        segment.sacks[i].end += our_isn;
    }
    peer_tsval = segment.has_timestamp ? segment.tsval : peer_tsval;
    put_segment(&segment, number(words[2]));
}

static void do_out(char **words, uint32_t count)
{
    pump();
    if (strcmp(words[1], "none") == 0) {
        if (queue_first != queue_count) {
            wrong("something left, with sequence", queue[queue_first % QUEUE_MAX].segment.sequence,
                  -1);
        }
        return;
    }
    if (queue_first == queue_count) {
        wrong("nothing left", 0, 1);
        return;
    }
    const struct packet *packet = &queue[queue_first++ % QUEUE_MAX];
    const struct segment *got = &packet->segment;
    struct segment want = {0};
    uint32_t said = 0;
    if (strcmp(words[1], "any") == 0 || count < 4) {
        return;
    }
    read_options(words, count, &want, &said);
    if (got->flags != flags_of(words[1])) {
        wrong("flags", got->flags, flags_of(words[1]));
    }
    if (got->sequence != number(words[2])) {
        wrong("sequence", got->sequence, number(words[2]));
    }
    if (got->len != number(words[3])) {
        wrong("length", got->len, number(words[3]));
    }
    if ((said & SAID_ACK) && got->ack - PEER_ISN != want.ack) {
        wrong("ack", got->ack - PEER_ISN, want.ack);
    }
    if ((said & SAID_WIN) && got->window != want.window) {
        wrong("window", got->window, want.window);
    }
    if ((said & SAID_TS) && got->tsecr != want.tsecr) {
        wrong("timestamp echoed", got->tsecr, want.tsecr);
    }
    if (want.mss != 0 && got->mss != want.mss) {
        wrong("mss", got->mss, want.mss);
    }
    if (want.sack_count != 0 && got->sack_count != want.sack_count) {
        wrong("SACK blocks", got->sack_count, want.sack_count);
    }
    for (uint32_t i = 0; i < want.sack_count && i < got->sack_count; i++) {
        if (got->sacks[i].start - PEER_ISN != want.sacks[i].start ||
            got->sacks[i].end - PEER_ISN != want.sacks[i].end) {
            wrong("SACK block", got->sacks[i].start - PEER_ISN, want.sacks[i].start);
        }
    }
}

static const struct {
    const char *name;
    size_t offset;
} settings[] = {
    {"rto_min_ms", offsetof(struct tcp_setup, rto_min_ms)},
    {"receive_bytes_min", offsetof(struct tcp_setup, receive_bytes_min)},
    {"receive_bytes_max", offsetof(struct tcp_setup, receive_bytes_max)},
    {"half_open_count_max", offsetof(struct tcp_setup, half_open_count_max)},
    {"time_wait_ms", offsetof(struct tcp_setup, time_wait_ms)},
    {"keepalive_idle_ms", offsetof(struct tcp_setup, keepalive_idle_ms)},
    {"user_timeout_ms", offsetof(struct tcp_setup, user_timeout_ms)},
    {"fin_wait_ms", offsetof(struct tcp_setup, fin_wait_ms)},
    {"retries_max", offsetof(struct tcp_setup, retries_max)},
};

static void start(void)
{
    if (tcp != NULL) {
        return;
    }
    memset(net_memory, 0, sizeof(net_memory));
    memset(tcp_memory, 0, sizeof(tcp_memory));
    net = net_create(net_memory, &net_setup, now_ns);
    setup.net = net;
    if (net == NULL || tcp_memory_bytes(&setup) > sizeof(tcp_memory)) {
        abort();
    }
    tcp = tcp_create(tcp_memory, &setup, now_ns);
    neighbor_learn(&net->neighbors, PEER, &net_setup.mac, true, now_ns);
    local_port = OUR_PORT;
    pump();
}

static void begin_scenario(void)
{
    static const struct route link = {0x0a000000, 24, 0};
    net_setup = (struct net_setup){.mac = {{2, 0, 0, 0, 0, 1}},
                                   .v4 = US,
                                   .mtu = 1500,
                                   .parts_max = 4,
                                   .routes = &link,
                                   .route_count = 1,
                                   .neighbor_count_max = 4,
                                   .frame_count_max = 16,
                                   .release = buffer_release};
    setup = tcp_setup_usual();
    setup.user = &user_calls;
    setup.congestion = &congestion_reno;
    setup.secret[0] = 1;
    setup.secret[3] = 9;
    setup.connection_count_max = 8;
    setup.half_open_count_max = 8;
    setup.time_wait_count_max = 8;
    setup.extent_count_max = 64;
    setup.record_count_max = 256;
    setup.piece_count_max = 256;
    setup.receive_bytes_min = setup.receive_bytes_max = 65535;
    setup.rto_min_ms = 200;
    tcp = NULL;
    now_ns = 1000000000;
    queue_first = queue_count = 0;
    isn_known = opened = ended = closed = holding = false;
    connection = NULL;
    given = received = returned = sends = 0;
    held_count = buffers_out = 0;
    trouble = NULL;
    our_tsval = peer_tsval = our_isn = 0;
}

static bool has_word(char **words, uint32_t count, const char *word)
{
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

/* S, S., A: the peer's side of it. */
static void do_established(char **words, uint32_t count)
{
    uint32_t listener;
    start();
    if (!tcp_listen(tcp, OUR_PORT, 8, &listener)) {
        abort();
    }
    const bool timestamps = has_word(words, count, "ts");
    struct segment syn = {.flags = SEGMENT_SYN, .window = 65535, .mss = 1460};
    syn.sack_permitted = !has_word(words, count, "nosack");
    syn.has_wscale = !has_word(words, count, "noscale");
    syn.has_timestamp = timestamps;
    syn.tsval = 1000;
    put_segment(&syn, 0);
    pass(1); /* A round trip of 1 ms. */
    queue_first = queue_count;
    struct segment ack = {.flags = SEGMENT_ACK, .window = 65535, .ack = 1};
    ack.has_timestamp = timestamps;
    ack.tsval = 1000;
    ack.tsecr = our_tsval;
    put_segment(&ack, 1);
    if (!opened) {
        wrong("the handshake failed", 0, 1);
    }
    queue_first = queue_count;
}

static void do_send(uint32_t len)
{
    const struct send_part part = {{bytes_sent + given, len}};
    if (connection == NULL || !tcp_send(connection, &part, 1, sends++)) {
        wrong("a send was refused", 0, 1);
    }
    given += len;
}

static void do_expect(char **words, uint32_t count)
{
    const struct tcp_usage usage = tcp_usage(tcp);
    const long long want = count > 2 ? number(words[2]) : 1;
    struct tcp_info info = {0};
    pump();
    if (connection != NULL) {
        tcp_info(connection, &info);
    }
    const struct {
        const char *word;
        long long got;
    } values[] = {
        {"opened", opened},
        {"ended", ended},
        {"closed", closed && reason != TRANSPORT_RESET && reason != TRANSPORT_TIMED_OUT},
        {"reset", closed && reason == TRANSPORT_RESET},
        {"timeout", closed && reason == TRANSPORT_TIMED_OUT},
        {"alive", connection != NULL},
        {"received", (long long)received},
        {"returned", (long long)returned},
        {"state", (long long)info.state},
        {"cwnd", info.cwnd},
        {"ssthresh", info.ssthresh},
        {"undone", (long long)info.undone},
        {"timeouts", (long long)info.timeouts},
        {"fast", (long long)info.fast_recoveries},
        {"dsacks", (long long)info.duplicates_sent},
        {"connections", usage.connections},
        {"time_wait", usage.time_wait},
        {"half_open", usage.half_open},
    };
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        if (strcmp(values[i].word, words[1]) == 0) {
            if (values[i].got != want) {
                wrong(words[1], values[i].got, want);
            }
            return;
        }
    }
    wrong("an unknown expectation", 0, 0);
}

static void do_connect(void)
{
    struct network_address peer = {.port = PEER_PORT};
    const struct address address = address_of_v4(PEER);
    memcpy(peer.ip, address.bytes, 16);
    start();
    connection = tcp_connect(tcp, &peer, &setup, now_ns);
    pump();
}

static void release_held(void)
{
    while (held_count > 0) {
        tcp_release(tcp, held[--held_count]);
    }
    holding = false;
}

/* What the user does. False: not such a word. */
static bool do_user(char **words, uint32_t count)
{
    const char *word = words[0];
    if (strcmp(word, "send") == 0 && count == 2) {
        do_send(number(words[1]));
    } else if (strcmp(word, "hold") == 0) {
        holding = true;
    } else if (strcmp(word, "release") == 0) {
        release_held();
    } else if (connection != NULL && strcmp(word, "shutdown") == 0) {
        tcp_shutdown(connection);
    } else if (connection != NULL && strcmp(word, "close") == 0) {
        tcp_close(connection);
    } else if (connection != NULL && strcmp(word, "abort") == 0) {
        tcp_abort(connection);
    } else if (connection != NULL && strcmp(word, "pause") == 0) {
        tcp_pause(connection);
    } else if (connection != NULL && strcmp(word, "resume") == 0) {
        tcp_resume(connection);
    } else {
        return false;
    }
    pump();
    return true;
}

static void do_line(char **words, uint32_t count)
{
    uint32_t listener;
    const char *word = words[0];
    if (strcmp(word, "set") == 0 && count == 3) {
        for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
            if (strcmp(settings[i].name, words[1]) == 0) {
                *(uint32_t *)(void *)((uint8_t *)&setup + settings[i].offset) = number(words[2]);
                return;
            }
        }
        wrong("an unknown setting", 0, 0);
    } else if (strcmp(word, "listen") == 0) {
        start();
        if (!tcp_listen(tcp, OUR_PORT, 8, &listener)) {
            wrong("listen", 0, 1);
        }
    } else if (strcmp(word, "connect") == 0) {
        do_connect();
    } else if (strcmp(word, "established") == 0) {
        do_established(words, count);
    } else if (word[0] == '<' && count >= 4) {
        start();
        do_in(words, count);
    } else if (word[0] == '>' && count >= 2) {
        do_out(words, count);
    } else if (word[0] == '+') {
        pass(number(word + 1));
    } else if (strcmp(word, "icmp") == 0 && count == 4) {
        put_icmp(ICMP_FRAGMENTATION_NEEDED, (uint16_t)number(words[2]), number(words[3]));
    } else if (strcmp(word, "icmp") == 0 && count == 3) {
        put_icmp(ICMP_PORT_UNREACHABLE, 0, number(words[2]));
    } else if (strcmp(word, "expect") == 0 && count >= 2) {
        do_expect(words, count);
    } else if (!do_user(words, count)) {
        wrong("a line that says nothing known", 0, 0);
    }
}

static void end_scenario(uint32_t test, const char *name, uint32_t line)
{
    if (trouble == NULL && queue_first != queue_count) {
        wrong("packets left that nobody asked for", queue_count - queue_first, 0);
    }
    printf("%s %u - %s\n", trouble == NULL ? "ok" : "not ok", test, name);
    if (trouble != NULL) {
        printf("# line %u: %s\n", line, trouble);
    }
    if (tcp == NULL) {
        return;
    }
    release_held();
    if (connection != NULL) {
        tcp_abort(connection);
    }
    pump();
    if (buffers_out != 0 && trouble == NULL) {
        printf("not ok %u - %s: buffers did not come back\n", test, name);
    }
}

static uint32_t run_file(const char *path, uint32_t test)
{
    char line[400];
    char name[400] = "";
    uint32_t number_of_line = 0;
    uint32_t trouble_line = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        char *words[WORDS_MAX];
        uint32_t count = 0;
        number_of_line++;
        line[strcspn(line, "#\n")] = 0;
        if (strncmp(line, "scenario ", 9) == 0) {
            if (name[0] != 0) {
                end_scenario(test++, name, trouble_line);
            }
            snprintf(name, sizeof(name), "%s", line + 9);
            begin_scenario();
            continue;
        }
        for (char *word = strtok(line, " \t"); word != NULL && count < WORDS_MAX;
             word = strtok(NULL, " \t")) {
            words[count++] = word;
        }
        if (count > 0 && trouble == NULL) {
            trouble_line = number_of_line;
            do_line(words, count);
        }
    }
    fclose(file);
    if (name[0] != 0) {
        end_scenario(test++, name, trouble_line);
    }
    return test;
}

int main(int argc, char **argv)
{
    uint32_t test = 1;
    for (uint32_t i = 0; i < sizeof(bytes_sent); i++) {
        bytes_sent[i] = pattern_at(i);
    }
    for (int i = 1; i < argc; i++) {
        test = run_file(argv[i], test);
    }
    printf("1..%u\n", test - 1);
    return 0;
}
