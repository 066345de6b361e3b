/* One stack in virtual time at 10.0.0.1:9092 and, across a wire of packets, the peer at
 * 10.0.0.2:40000 that a test plays; with rig_family_v6 at fd00::1 and fd00::2. Shared by the packet
 * scripts and the unit tests.
 *
 *     rig_prepare   settings of a small stack; the test may change rig.net_setup and rig.setup
 *     rig_start     makes the stack; rig_open a connection in it, after a handshake
 *     rig_put       a segment from the peer;  rig_pump, rig_pass   let the stack work
 *     rig_end       gives everything back; the text of what did not come back, or NULL
 *
 * Sequence numbers count from each side's SYN, which is 0. rig.trouble is the first thing that went
 * wrong by itself: a checksum, a byte, an invariant.
 */
#ifndef TESTS_DATAPLANE_TCP_RIG_H
#define TESTS_DATAPLANE_TCP_RIG_H

#include "dataplane/net/ipv4.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/tcp/connection.h"

enum {
    RIG_US = 0x0a000001,
    RIG_PEER = 0x0a000002,
    RIG_OUR_PORT = 9092,
    RIG_PEER_PORT = 40000,
    RIG_PEER_ISN = 0x7ffffff0, /* So that numbers wrap. */
    RIG_PACKETS_MAX = 256,
    RIG_HELD_MAX = 256,
    RIG_BYTES_SENT_MAX = 1 << 22,
};

struct rig_odd {   /* What is unusual about the next frame in. */
    bool checksum; /* It is wrong. */
    bool has_source;
    bool has_target;
    bool group; /* It goes to the MAC of its target, a group. */
    struct address source;
    struct address target;
    uint16_t urgent;
    uint8_t hop_limit;   /* 0: as usual. */
    uint8_t ecn;         /* Of IP's header. */
    uint8_t options[40]; /* Of TCP, behind those of the segment; a multiple of four. */
    uint32_t options_len;
    uint8_t ip_options[200]; /* The same of IP; of IPv6 whole extension headers, */
    uint32_t ip_options_len;
    uint8_t extension; /* and what the first of them is. */
};

struct rig_packet {         /* That left. */
    struct segment segment; /* sequence counts from our SYN; ack and sacks are the wire's. */
    uint32_t part_count;
    uint16_t flags; /* enum packet_out_flags. */
    uint16_t tso_bytes;
    uint16_t checksum; /* As it stands in the header. */
    uint8_t ttl;
    uint8_t ecn;
    bool icmp;
    uint8_t icmp_type;
    uint8_t icmp_code;
    uint32_t icmp_word; /* Behind the checksum. */
    uint32_t icmp_len;  /* With what it is about. */
    struct address source;
    struct address target;
    struct address about; /* The target of neighbour discovery. */
    struct mac mac;       /* That it goes to. */
};

struct rig {
    struct net_setup net_setup;
    struct tcp_setup setup;
    struct net *net;
    struct tcp *tcp; /* NULL: not started. */
    uint64_t now_ns;
    bool v6;
    bool discovering; /* Neighbour discovery is looked at, and nobody is known. */
    const char *trouble;
    char trouble_text[300];
    /* What left: the next to be looked at is packets[taken % RIG_PACKETS_MAX]. */
    struct rig_packet packets[RIG_PACKETS_MAX];
    uint32_t taken;
    uint32_t left;
    bool keep_pins; /* The port is slow: packets stay with it until rig_release_pins. */
    struct packet_pin pins[RIG_PACKETS_MAX];
    uint32_t pin_count;
    uint32_t our_isn;
    uint32_t our_tsval;
    bool isn_known;
    uint16_t local_port;
    uint32_t buffers_out; /* Of the port, that the stack has. */
    struct rig_odd odd;
    bool gathering; /* What arrives waits for rig_burst. */
    struct packet_in arriving[TCP_BURST_MAX];
    uint32_t arriving_count;
    /* The user. */
    struct tcp_connection *connection; /* The last that was opened; NULL: closed. */
    bool refusing;                     /* on_open returns NULL. */
    bool holding;                      /* on_data keeps the buffers, up to RIG_HELD_MAX. */
    void *held[RIG_HELD_MAX];
    uint32_t held_count;
    bool opened;
    bool ended;
    bool closed;
    enum transport_close_reason reason;
    uint64_t given;    /* Bytes sent; */
    uint64_t sends;    /* in so many sends, */
    uint64_t returned; /* of which so many came back. */
    uint64_t received; /* Bytes. */
    uint64_t rooms;    /* Calls of on_room. */
    bool several;      /* Connections send: whose bytes and tokens these are is not looked at. */
};

extern struct rig rig;

struct rig_peer { /* What the peer says in its SYN. */
    uint16_t mss;
    bool timestamps;
    bool no_sack;
    bool no_scale;
    uint8_t wscale;
};

/* Byte `offset` of either direction's stream. */
uint8_t rig_byte(uint64_t offset);
/* Notes what went wrong, if nothing did before. */
void rig_wrong(const char *what, long long got, long long want);

void rig_prepare(void);
/* After it, before rig_start: IPv6 beside IPv4, and the peer speaks that. */
void rig_family_v6(void);
struct address rig_us(void);
struct address rig_peer_address(void);
void rig_start(void);
/* Starts, listens and opens. The handshake takes a millisecond; what left is taken. */
void rig_open(const struct rig_peer *peer);
/* A connection in a started stack with another port of the peer, as if it had opened it now. */
struct tcp_connection *rig_connection(uint16_t peer_port);
const char *rig_end(void);

/* sequence counts from the peer's SYN, segment->ack and its sacks from ours; ports are filled in.
 * Does not pump: the answers are still in the stack. */
void rig_put_quietly(struct segment *segment, uint32_t sequence);
void rig_put(struct segment *segment, uint32_t sequence);
/* An ACK of everything up to `ack`, without data. */
void rig_ack(uint32_t ack);
/* So many bytes of the peer's stream, from sequence on. */
void rig_data(uint32_t sequence, uint32_t len);
/* An ICMP message of so many bytes, sum not set yet. */
void rig_put_message(uint8_t *message, uint32_t len);
void rig_put_icmp(uint8_t type, uint8_t code, uint16_t mtu, uint32_t sequence);

/* What was gathered arrives in one burst. */
void rig_burst(void);

void rig_pump(void);
void rig_pass(uint64_t ms);
/* The next packet that left, or NULL. */
const struct rig_packet *rig_take(void);
void rig_release_pins(void);

/* For cmocka_unit_test_setup_teardown: prepares; fails if something did not come back. */
int rig_setup(void **state);
int rig_teardown(void **state);
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* A number below `below`, the next of a seed. */
uint32_t rig_draw(uint32_t *seed, uint32_t below);

/* The user sends the next bytes of its stream. False: refused. */
MUST_USE bool rig_try_send(uint32_t len);
void rig_send(uint32_t len);
void rig_release_held(void);

#endif
