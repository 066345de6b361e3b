/* Packet scripts in virtual time: test_tcp FILE... Each scenario is a test of its own (TAP).
 *
 *     scenario NAME          a fresh stack at 10.0.0.1:9092; the peer is 10.0.0.2:40000
 *     set NAME VALUE         before listen, connect or established: see settings[]; or
 *                            `congestion`, by its name
 *     listen | connect | established [ts] [nosack] [noscale]     the last: a handshake, done
 *     < FLAGS SEQ LEN [ack N] [win N] [mss N] [ws N] [sackok] [ts VAL ECR] [sack A B]...
 *     > FLAGS SEQ LEN [...]  the next packet that left; what is not written is not looked at
 *     > icmp TYPE CODE [len N] [word N] [to A] [from A] [about A] [mac A] [hops N]
 *     > none                 nothing left
 *     > any                  takes the next packet, whatever it is
 *     +N                     N milliseconds pass
 *     send N | shutdown | close | abort | pause | resume | hold | release     the user acts
 *     family 6               before all else: IPv6 beside IPv4, at fd00::1 and fd00::2
 *     family 4               IPv4, also of scripts that run over IPv6
 *     discover [probing]     neighbour discovery is looked at, and no neighbour is known
 *     nd solicit|advertise TARGET [solicited] [override] [mac N|nomac] [option TYPE LEN] [cut N]
 *                            the mac: 02:00:00:00:00:N
 *     message B...           an ICMP message, with its sum; [echo N]: its body's length
 *     icmp mtu N SEQ | icmp hard SEQ | icmp TYPE CODE SEQ
 *     odd mark | odd checksum | odd source A | odd target A | odd urgent N | odd group | odd hops N
 *     odd options B... | odd ip B... | odd extension KIND B...
 *                            about the next packet in: addresses and bytes as numbers, addresses of
 *                            IPv6 as they are written; group: to the MAC of its target
 *     expect address6 N      1 probing, 2 ready, 3 conflict
 *     expect mss N|neighbors N|fragments N|bad_sources N|bad_headers N|bad_options N|bad_sums N
 *     expect conflicts N
 *     expect opened|ended|closed|reset|timeout|alive|received N|returned N|state N|cwnd N|undone N
 *     expect connections N | expect time_wait N | expect half_open N
 *
 * FLAGS of S F R P A U and, for ECE and CWR, E C. Sequence numbers count from each side's SYN,
 * which is 0. In ts, ECR `now` echoes our newest timestamp and `-N` one N older. All that left must
 * be asked for before the next packet comes in.
 *
 * test_tcp --v6 FILE... runs scripts of IPv4 over IPv6, with an MTU for the same payload.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/net/nd.h"
#include "tests/dataplane/tcp/rig.h"

enum { WORDS_MAX = 96 };

static uint32_t failures;
static bool all_v6;

/* ---- The language ---- */

static uint8_t flags_of(const char *word)
{
    static const char letters[] = "FSRPAUEC";
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
        return rig.our_tsval;
    }
    return word[0] == '-' ? rig.our_tsval - number(word + 1) : number(word);
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
    if (rig.taken != rig.left) {
        rig_wrong("packets left that nobody asked for", rig.left - rig.taken, 0);
    }
    read_options(words, count, &segment, &said);
    rig_put(&segment, number(words[2]));
}

static struct address address_of(const char *word)
{
    struct address address;
    if (strchr(word, ':') == NULL) {
        return address_of_v4(number(word));
    }
    if (inet_pton(AF_INET6, word, address.bytes) != 1) {
        rig_wrong("an address that is none", 0, 0);
    }
    return address;
}

static void check_number(const char *what, long long got, const char *want)
{
    if (got != (long long)number(want)) {
        rig_wrong(what, got, number(want));
    }
}

static void check_address(const char *what, const struct address *got, const char *word)
{
    const struct address want = address_of(word);
    if (!address_equal(got, &want)) {
        rig_wrong(what, got->bytes[15], want.bytes[15]);
    }
}

static void check_icmp(const struct rig_packet *got, char **words, uint32_t count)
{
    if (!got->icmp) {
        rig_wrong("no ICMP message left but flags", got->segment.flags, 0);
        return;
    }
    check_number("type", got->icmp_type, words[2]);
    check_number("code", got->icmp_code, words[3]);
    for (uint32_t i = 4; i + 1 < count; i += 2) {
        const char *word = words[i];
        const char *next = words[i + 1];
        if (strcmp(word, "len") == 0) {
            check_number("length", got->icmp_len, next);
        } else if (strcmp(word, "word") == 0) {
            check_number("the word behind the sum", got->icmp_word, next);
        } else if (strcmp(word, "hops") == 0) {
            check_number("hop limit", got->ttl, next);
        } else if (strcmp(word, "mac") == 0) {
            check_number("the last byte of the MAC", got->mac.bytes[5], next);
        } else if (strcmp(word, "to") == 0) {
            check_address("target", &got->target, next);
        } else if (strcmp(word, "from") == 0) {
            check_address("source", &got->source, next);
        } else if (strcmp(word, "about") == 0) {
            check_address("the address in question", &got->about, next);
        } else {
            rig_wrong("an unknown word about ICMP", 0, 0);
        }
    }
}

static void do_out(char **words, uint32_t count)
{
    rig_pump();
    if (strcmp(words[1], "none") == 0) {
        if (rig.taken != rig.left) {
            rig_wrong("something left, with sequence",
                      rig.packets[rig.taken % RIG_PACKETS_MAX].segment.sequence, -1);
        }
        return;
    }
    if (rig.taken == rig.left) {
        rig_wrong("nothing left", 0, 1);
        return;
    }
    if (strcmp(words[1], "icmp") == 0 && count >= 4) {
        check_icmp(rig_take(), words, count);
        return;
    }
    const struct rig_packet *packet = rig_take();
    const struct segment *got = &packet->segment;
    if (packet->icmp && strcmp(words[1], "any") != 0) {
        rig_wrong("an ICMP message left, of type", packet->icmp_type, 0);
    }
    struct segment want = {0};
    uint32_t said = 0;
    if (strcmp(words[1], "any") == 0 || count < 4) {
        return;
    }
    read_options(words, count, &want, &said);
    if (got->flags != flags_of(words[1])) {
        rig_wrong("flags", got->flags, flags_of(words[1]));
    }
    if (got->sequence != number(words[2])) {
        rig_wrong("sequence", got->sequence, number(words[2]));
    }
    if (got->len != number(words[3])) {
        rig_wrong("length", got->len, number(words[3]));
    }
    if ((said & SAID_ACK) && got->ack - RIG_PEER_ISN != want.ack) {
        rig_wrong("ack", got->ack - RIG_PEER_ISN, want.ack);
    }
    if ((said & SAID_WIN) && got->window != want.window) {
        rig_wrong("window", got->window, want.window);
    }
    if ((said & SAID_TS) && got->tsecr != want.tsecr) {
        rig_wrong("timestamp echoed", got->tsecr, want.tsecr);
    }
    if (want.mss != 0 && got->mss != want.mss) {
        rig_wrong("mss", got->mss, want.mss);
    }
    if (want.sack_count != 0 && got->sack_count != want.sack_count) {
        rig_wrong("SACK blocks", got->sack_count, want.sack_count);
    }
    for (uint32_t i = 0; i < want.sack_count && i < got->sack_count; i++) {
        if (got->sacks[i].start - RIG_PEER_ISN != want.sacks[i].start ||
            got->sacks[i].end - RIG_PEER_ISN != want.sacks[i].end) {
            rig_wrong("SACK block", got->sacks[i].start - RIG_PEER_ISN, want.sacks[i].start);
        }
    }
}

static const struct {
    const char *name;
    size_t offset;
} settings[] = {
    {"rto_min_ms", offsetof(struct tcp_setup, rto_min_ms)},
    {"rto_max_ms", offsetof(struct tcp_setup, rto_max_ms)},
    {"syn_retries", offsetof(struct tcp_setup, syn_retries)},
    {"receive_bytes_min", offsetof(struct tcp_setup, receive_bytes_min)},
    {"receive_bytes_max", offsetof(struct tcp_setup, receive_bytes_max)},
    {"half_open_count_max", offsetof(struct tcp_setup, half_open_count_max)},
    {"time_wait_ms", offsetof(struct tcp_setup, time_wait_ms)},
    {"keepalive_idle_ms", offsetof(struct tcp_setup, keepalive_idle_ms)},
    {"user_timeout_ms", offsetof(struct tcp_setup, user_timeout_ms)},
    {"fin_wait_ms", offsetof(struct tcp_setup, fin_wait_ms)},
    {"retries_max", offsetof(struct tcp_setup, retries_max)},
};

static bool has_word(char **words, uint32_t count, const char *word)
{
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static void do_established(char **words, uint32_t count)
{
    const struct rig_peer peer = {.timestamps = has_word(words, count, "ts"),
                                  .no_sack = has_word(words, count, "nosack"),
                                  .no_scale = has_word(words, count, "noscale")};
    rig_open(&peer);
}

static void do_expect(char **words, uint32_t count)
{
    const struct tcp_usage usage = tcp_usage(rig.tcp);
    const long long want = count > 2 ? number(words[2]) : 1;
    struct tcp_info info = {0};
    rig_pump();
    if (rig.connection != NULL) {
        tcp_info(rig.connection, &info);
    }
    const struct {
        const char *word;
        long long got;
    } values[] = {
        {"opened", rig.opened},
        {"ended", rig.ended},
        {"closed",
         rig.closed && rig.reason != TRANSPORT_RESET && rig.reason != TRANSPORT_TIMED_OUT},
        {"reset", rig.closed && rig.reason == TRANSPORT_RESET},
        {"timeout", rig.closed && rig.reason == TRANSPORT_TIMED_OUT},
        {"alive", rig.connection != NULL},
        {"received", (long long)rig.received},
        {"returned", (long long)rig.returned},
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
        {"address6", rig.net->v6.state},
        {"neighbors", rig.net->neighbors.used},
        {"fragments", (long long)rig.net->counters[NET_IN_FRAGMENT]},
        {"bad_sources", (long long)rig.net->counters[NET_IN_BAD_SOURCE]},
        {"bad_headers", (long long)rig.net->counters[NET_IN_BAD_HEADER]},
        {"bad_options", (long long)rig.net->counters[NET_IN_BAD_OPTIONS]},
        {"bad_sums", (long long)rig.net->counters[NET_IN_TCP_CHECKSUM] +
                         (long long)rig.net->counters[NET_IN_ICMP_CHECKSUM]},
        {"conflicts", (long long)rig.net->counters[NET_CONFLICTS]},
        {"mss", info.mss},
    };
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        if (strcmp(values[i].word, words[1]) == 0) {
            if (values[i].got != want) {
                rig_wrong(words[1], values[i].got, want);
            }
            return;
        }
    }
    rig_wrong("an unknown expectation", 0, 0);
}

static void do_connect(void)
{
    struct network_address peer = {.port = RIG_PEER_PORT};
    const struct address address = rig_peer_address();
    memcpy(peer.ip, address.bytes, 16);
    rig_start();
    rig.connection = tcp_connect(rig.tcp, &peer, &rig.setup, rig.now_ns);
    rig_pump();
}

static void do_icmp(char **words, uint32_t count)
{
    if (strcmp(words[1], "mtu") == 0 && count == 4 && rig.v6) {
        rig_put_icmp(ICMP6_TOO_BIG, 0, (uint16_t)(number(words[2]) + (all_v6 ? 20 : 0)),
                     number(words[3]));
    } else if (strcmp(words[1], "hard") == 0 && rig.v6) {
        rig_put_icmp(ICMP6_UNREACHABLE, ICMP6_NO_PORT, 0, number(words[2]));
    } else if (strcmp(words[1], "mtu") == 0 && count == 4) {
        rig_put_icmp(ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, (uint16_t)number(words[2]),
                     number(words[3]));
    } else if (strcmp(words[1], "hard") == 0) {
        rig_put_icmp(ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, 0, number(words[2]));
    } else if (count == 4) {
        rig_put_icmp((uint8_t)number(words[1]), (uint8_t)number(words[2]), 0, number(words[3]));
    } else {
        rig_wrong("an unknown ICMP message", 0, 0);
    }
}

static void do_nd(char **words, uint32_t count)
{
    uint8_t bytes[64] = {0};
    const struct address nobody = {{0}};
    struct nd_packet packet = {.advertisement = strcmp(words[1], "advertise") == 0,
                               .solicited = has_word(words, count, "solicited"),
                               .override = has_word(words, count, "override"),
                               .has_mac = !has_word(words, count, "nomac"),
                               .mac = {{2, 0, 0, 0, 0, 2}},
                               .target = address_of(words[2])};
    uint32_t cut = 0;
    uint32_t option_at = 0;
    for (uint32_t i = 3; i + 1 < count; i++) {
        if (strcmp(words[i], "mac") == 0) {
            packet.mac.bytes[5] = (uint8_t)number(words[i + 1]);
        } else if (strcmp(words[i], "cut") == 0) {
            cut = number(words[i + 1]);
        } else if (strcmp(words[i], "option") == 0 && i + 2 < count) {
            option_at = i + 1;
        }
    }
    uint32_t len = nd_write(bytes, &packet, &nobody, &nobody);
    if (option_at != 0) {
        bytes[len] = (uint8_t)number(words[option_at]);
        bytes[len + 1] = (uint8_t)number(words[option_at + 1]);
        len += 8;
    }
    memset(bytes + 2, 0, 2);
    rig.odd.hop_limit = rig.odd.hop_limit != 0 ? rig.odd.hop_limit : ND_HOP_LIMIT;
    rig_put_message(bytes, len - cut);
}

static void do_message(char **words, uint32_t count)
{
    uint8_t bytes[1400] = {0};
    uint32_t len = 0;
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(words[i], "echo") == 0 && i + 1 < count) {
            len += number(words[++i]);
        } else {
            bytes[len++] = (uint8_t)number(words[i]);
        }
    }
    rig_put_message(bytes, len);
}

static void do_odd(char **words, uint32_t count)
{
    struct rig_odd *odd = &rig.odd;
    const char *word = words[1];
    const bool ip = strcmp(word, "ip") == 0;
    if (strcmp(word, "mark") == 0) {
        odd->ecn = NET_ECN_MARK;
    } else if (strcmp(word, "checksum") == 0) {
        odd->checksum = true;
    } else if (strcmp(word, "source") == 0 && count == 3) {
        odd->has_source = true;
        odd->source = address_of(words[2]);
    } else if (strcmp(word, "target") == 0 && count == 3) {
        odd->has_target = true;
        odd->target = address_of(words[2]);
    } else if (strcmp(word, "group") == 0) {
        odd->group = true;
    } else if (strcmp(word, "hops") == 0 && count == 3) {
        odd->hop_limit = (uint8_t)number(words[2]);
    } else if (strcmp(word, "extension") == 0 && count >= 11) {
        odd->extension = (uint8_t)number(words[2]);
        for (uint32_t i = 3; i < count; i++) {
            odd->ip_options[odd->ip_options_len++] = (uint8_t)number(words[i]);
        }
    } else if (strcmp(word, "urgent") == 0 && count == 3) {
        odd->urgent = (uint16_t)number(words[2]);
    } else if (ip || strcmp(word, "options") == 0) {
        for (uint32_t i = 2; i < count; i++) {
            (ip ? odd->ip_options : odd->options)[i - 2] = (uint8_t)number(words[i]);
        }
        *(ip ? &odd->ip_options_len : &odd->options_len) = count - 2;
    } else {
        rig_wrong("an unknown oddity", 0, 0);
    }
}

/* What the user does. False: not such a word. */
static bool do_user(char **words, uint32_t count)
{
    const char *word = words[0];
    if (strcmp(word, "send") == 0 && count == 2) {
        rig_send(number(words[1]));
    } else if (strcmp(word, "hold") == 0) {
        rig.holding = true;
    } else if (strcmp(word, "release") == 0) {
        rig_release_held();
    } else if (rig.connection != NULL && strcmp(word, "shutdown") == 0) {
        tcp_shutdown(rig.connection);
    } else if (rig.connection != NULL && strcmp(word, "close") == 0) {
        tcp_close(rig.connection);
    } else if (rig.connection != NULL && strcmp(word, "abort") == 0) {
        tcp_abort(rig.connection);
    } else if (rig.connection != NULL && strcmp(word, "pause") == 0) {
        tcp_pause(rig.connection);
    } else if (rig.connection != NULL && strcmp(word, "resume") == 0) {
        tcp_resume(rig.connection);
    } else {
        return false;
    }
    rig_pump();
    return true;
}

/* What IPv6 needs before the stack is there. False: not such a word. */
static bool do_family(char **words, uint32_t count)
{
    if (strcmp(words[0], "family") == 0 && count == 2 && number(words[1]) == 4) {
        rig_prepare();
        return true;
    }
    if (strcmp(words[0], "family") == 0 && count == 2 && number(words[1]) == 6) {
        rig_family_v6();
        rig.net_setup.mtu = 1500;
        return true;
    }
    if (strcmp(words[0], "discover") == 0) {
        rig.discovering = true;
        rig.net_setup.probe_v6 = has_word(words, count, "probing");
        rig_start();
        return true;
    }
    return false;
}

static void do_line(char **words, uint32_t count)
{
    uint32_t listener;
    const char *word = words[0];
    if (strcmp(word, "set") == 0 && count == 3 && congestion_find(words[2]) != NULL) {
        rig.setup.congestion = congestion_find(words[2]);
    } else if (strcmp(word, "set") == 0 && count == 3) {
        for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
            if (strcmp(settings[i].name, words[1]) == 0) {
                *(uint32_t *)(void *)((uint8_t *)&rig.setup + settings[i].offset) =
                    number(words[2]);
                return;
            }
        }
        rig_wrong("an unknown setting", 0, 0);
    } else if (strcmp(word, "listen") == 0) {
        rig_start();
        if (!tcp_listen(rig.tcp, RIG_OUR_PORT, 8, &listener)) {
            rig_wrong("listen", 0, 1);
        }
    } else if (strcmp(word, "connect") == 0) {
        do_connect();
    } else if (strcmp(word, "established") == 0) {
        do_established(words, count);
    } else if (word[0] == '<' && count >= 4) {
        rig_start();
        do_in(words, count);
    } else if (word[0] == '>' && count >= 2) {
        do_out(words, count);
    } else if (word[0] == '+') {
        rig_pass(number(word + 1));
    } else if (strcmp(word, "icmp") == 0 && count >= 3) {
        do_icmp(words, count);
    } else if (strcmp(word, "nd") == 0 && count >= 3) {
        do_nd(words, count);
    } else if (strcmp(word, "message") == 0 && count >= 3) {
        rig_start();
        do_message(words, count);
    } else if (strcmp(word, "odd") == 0 && count >= 2) {
        do_odd(words, count);
    } else if (strcmp(word, "expect") == 0 && count >= 2) {
        do_expect(words, count);
    } else if (!do_family(words, count) && !do_user(words, count)) {
        rig_wrong("a line that says nothing known", 0, 0);
    }
}

static void end_scenario(uint32_t test, const char *name, uint32_t line)
{
    if (rig.trouble == NULL && rig.taken != rig.left) {
        rig_wrong("packets left that nobody asked for", rig.left - rig.taken, 0);
    }
    const bool ended_well = rig.trouble == NULL;
    const char *trouble = rig_end();
    failures += trouble != NULL;
    printf("%s %u - %s\n", trouble == NULL ? "ok" : "not ok", test, name);
    if (trouble != NULL) {
        printf("# line %u%s: %s\n", line, ended_well ? ", at its end" : "", trouble);
    }
}

static uint32_t run_file(const char *path, uint32_t test)
{
    char line[500];
    char name[500] = "";
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
            rig_prepare();
            if (all_v6) {
                rig_family_v6();
            }
            continue;
        }
        for (char *word = strtok(line, " \t"); word != NULL && count < WORDS_MAX;
             word = strtok(NULL, " \t")) {
            words[count++] = word;
        }
        if (count > 0 && rig.trouble == NULL) {
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
    all_v6 = argc > 1 && strcmp(argv[1], "--v6") == 0;
    for (int i = all_v6 ? 2 : 1; i < argc; i++) {
        test = run_file(argv[i], test);
    }
    printf("1..%u\n", test - 1);
    return failures != 0;
}
