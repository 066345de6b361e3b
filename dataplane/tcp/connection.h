/* The inside of TCP: the connection, the core's instance, and what its parts call of each other.
 *
 * A connection's first two cache lines hold what the common segment needs: one that is only read,
 * one with the sequence state. The rest is touched when something happens.
 */
#ifndef DATAPLANE_TCP_CONNECTION_H
#define DATAPLANE_TCP_CONNECTION_H

#include "dataplane/net/rate.h"
#include "dataplane/tcp/flow.h"
#include "dataplane/tcp/known.h"
#include "dataplane/tcp/rtt.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/sequence.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/wheel.h"
#include "storage/base/pool.h"
#include "storage/base/siphash.h"
#include "storage/base/stock.h"

enum {
    FLOW_CONNECTION = 0, /* Kinds of a flow's value: its top two bits. */
    FLOW_HALF_OPEN = 1,
    FLOW_TIME_WAIT = 2,
    FLOW_KIND_BITS = 30,
    FLOW_INDEX_MASK = (1 << FLOW_KIND_BITS) - 1,
};

enum tcp_timer {
    TIMER_RETRANSMIT,
    TIMER_PROBE,   /* Tail loss probe. */
    TIMER_REORDER, /* RACK waits for what may only be late. */
    TIMER_ACK,
    TIMER_PERSIST,
    TIMER_KEEPALIVE,
    TIMER_LIFE, /* FIN_WAIT_2. */
    TIMERS,
};

enum recovery_mode { RECOVERY_OPEN, RECOVERY_FAST, RECOVERY_LOSS };

enum {
    QUICK_ACKS = 16, /* Segments acknowledged at once when a connection begins. */
    SMALL_ACKS = 8,  /* Later, of small ones: as many as may wait for an ACK. */
    SACK_RANGES = 8, /* Ranges out of order that are remembered to be told. */
    CHALLENGES_PER_SECOND = 10,
    RESETS_PER_SECOND = 1000,
    PROBE_MIN_MS = 1,
    MTU_TRIES_MAX = 3,
    MSS_MIN = 216, /* 256 bytes of MTU: below it ICMP is not believed. */
    WINDOW_MAX = 1 << 30,
    HEADER_CACHE_BYTES = 96, /* Ethernet, VLAN, IPv6, TCP with timestamps: 90. */
};

enum record_state { RECORD_IN_FLIGHT, RECORD_SACKED, RECORD_LOST };

/* What was sent in one packet and not acknowledged yet. */
struct record {
    struct list_node node;      /* In the order of sequence. */
    struct list_node sent_node; /* Of those in flight, in the order of sending. */
    uint64_t sent_ns;
    uint32_t sequence;
    uint32_t end;
    uint32_t tsval; /* Of the last transmission. */
    uint8_t state;  /* enum record_state. */
    bool retransmitted;
    bool fin;
};

/* A part of a send. */
struct extent {
    struct extent *next;
    const uint8_t *ptr;
    uint32_t len;
    uint32_t end;  /* The sequence number behind it. */
    uint32_t pins; /* Packets that the port still has. */
    bool last;     /* Of its send. */
    struct tcp_connection *connection;
    uint64_t token;
};

/* A received buffer. What the user gets as `buffer`. */
struct piece {
    struct piece *next;
    const uint8_t *ptr;
    void *buffer;
    struct tcp_connection *connection; /* Or another's by now, if its generation is another. */
    uint32_t generation;
    uint32_t sequence;
    uint32_t len;
};

struct half_open {
    struct flow_key key;
    uint32_t hash;
    struct wheel_node timer;
    uint32_t irs;
    uint32_t iss;
    uint32_t ts_recent;
    uint32_t window; /* The peer's, of its SYN. */
    uint16_t mss;
    uint8_t listener;
    uint8_t retries;
    uint8_t wscale;
    bool has_wscale;
    bool timestamps;
    bool sack;
    bool ecn;
    uint64_t sent_ns;
};

/* A connection that is over, kept so that late segments of it hurt no other (RFC 9293 3.6.1). */
struct time_wait {
    struct list_node node; /* By deadline. */
    struct flow_key key;
    uint32_t hash;
    uint32_t snd_nxt;
    uint32_t rcv_nxt;
    uint32_t ts_recent;
    uint64_t deadline_ns;
    bool timestamps;
};

struct listener {
    bool open;
    uint16_t port;
    uint32_t backlog;
    uint32_t half_open;
};

struct tcp_connection {
    /* ---- Line 0: read ---- */
    struct flow_key key;
    uint32_t hash;
    uint32_t index;
    uint8_t snd_scale;
    uint8_t rcv_scale;
    uint16_t mss; /* Of segments without options. */
    bool sack;
    bool bulk; /* The last segment was no short one. */
    uint16_t probes_unanswered;
    uint32_t ts_offset;
    struct tcp *tcp;
    /* ---- Line 1: written ---- */
    _Alignas(64) uint32_t snd_una;
    uint32_t snd_nxt;
    uint32_t snd_end; /* Behind the last byte given by the user. */
    uint32_t snd_wnd;
    uint32_t snd_wnd_max;
    uint32_t snd_wl1;
    uint32_t snd_wl2;
    uint32_t rcv_nxt;
    uint32_t rcv_edge; /* The right edge we have advertised. */
    uint32_t ts_recent;
    uint32_t last_ack_sent;
    uint32_t pipe;             /* Bytes of records in flight. */
    uint32_t unacked;          /* Bytes received since the last ACK. */
    uint16_t unacked_segments; /* The same in segments. */
    bool ack_now;
    uint8_t quick_acks;
    uint64_t ts_recent_ns;
    /* ---- Line 2: what a segment in order fills ---- */
    struct piece *inbox; /* In order, for the user. */
    struct piece *inbox_last;
    struct list_node event_node;
    uint32_t held; /* In order, and not released. */
    uint32_t held_pieces;
    uint32_t inbox_bytes;
    uint32_t retries; /* Timeouts, or probes, since the last answer. */
    /* One word, looked at as one: connection_plain. */
    uint8_t state; /* enum tcp_state. */
    uint8_t mode;  /* enum recovery_mode. */
    bool timestamps;
    bool tlp_out;
    bool fin_known; /* It arrived out of order: at fin_sequence. */
    bool user_closed;
    bool dsack_due;
    bool ecn_echo; /* A mark arrived: told until the peer says that it has heard, or what arrives
                      is not marked (ecn.c). */
    uint64_t heard_ns;
    /* ---- The rest ---- */
    uint64_t bytes_received;
    uint64_t segments_in;
    struct list_node ready_node; /* In tcp->ready, waiting or starved. */
    struct list_node room_node;  /* In tcp->wanting. */
    struct wheel_node timer;
    uint64_t armed_ns;
    uint64_t deadlines[TIMERS];
    struct congestion_state congestion;
    struct rtt rtt;
    uint32_t generation; /* Of its place; 0: it is free. */
    void *user;
    uint32_t listener;
    /* What happened and is to be told, and what the user has said. */
    bool opened;
    bool open_told;
    bool end_told;
    bool paused;
    bool fin_queued;
    bool fin_sent;
    bool fin_received;
    uint32_t wanted_parts; /* Of the send that was refused. */
    bool active;
    bool by_token; /* Of tcp_open: user is nobody before on_opened. */
    bool offered;  /* A sibling may take it over. */
    bool moved;    /* One has. */
    bool ecn;      /* Both sides take part (ecn.c). */
    bool ecn_told; /* The peer is to be told that we have. */
    bool syn_due;
    bool ended;
    bool kept; /* As a struct time_wait. */
    uint8_t close_reason;
    uint32_t fin_sequence;
    /* Sending. */
    struct list records;
    struct list in_flight;
    struct record *first_lost;
    struct record *sack_hint;
    struct extent *extents;
    struct extent *extents_last;
    struct extent *cursor; /* That holds snd_nxt, or NULL: search. */
    uint32_t pinned_bytes;
    uint32_t sacked_bytes;
    uint32_t sacked_records;
    uint32_t lost_bytes;
    struct segment_range sack_cache[SEGMENT_SACKS_MAX];
    uint32_t iss;
    uint32_t ecn_point; /* Until this is acknowledged an echo is about the last reduction. */
    /* Where marks are counted: the round trip began at, ends with the ACK of, and so far. */
    uint32_t round_una, round_end, round_marked;
    uint64_t token;
    uint64_t sent_at_ns; /* The last data. */
    uint64_t una_at_ns;  /* When the oldest byte unacknowledged became that. */
    uint32_t backoff;
    bool cwnd_limited;
    bool probe_due;  /* A window or keepalive probe. */
    bool force_send; /* One segment may leave beside the window of congestion. */
    bool override;   /* The persist timer lets a small segment leave. */
    /* Recovery. */
    uint32_t recovery_point;
    uint32_t prior_cwnd;
    uint32_t prior_ssthresh;
    uint32_t undo_una;
    uint32_t undo_retransmits; /* Of this episode, less those DSACKed; */
    bool undo_valid;
    uint32_t retransmit_tsval; /* Of the first of the episode. */
    bool retransmitted_once;
    uint32_t prr_delivered;
    uint32_t prr_out;
    uint32_t prr_flight;
    uint8_t frto; /* 0: not in question; 1: after the timeout; 2: new data was sent. */
    uint32_t dupacks;
    uint32_t reno_sacked;  /* Bytes that duplicate ACKs say have left, without SACK. */
    uint32_t reno_recover; /* No new episode for ACKs up to here. */
    bool reno_recover_valid;
    uint64_t rack_sent_ns;
    uint64_t rack_rtt_ns;
    uint32_t rack_end;
    uint32_t rack_fack;
    bool rack_valid;
    bool reordering;
    uint8_t reorder_steps;
    uint8_t reorder_persist;
    uint32_t dsack_round;
    bool dsack_round_valid;
    bool tlp_is_retransmit;
    uint32_t tlp_end;
    uint32_t mtu_losses; /* Timeouts of long segments in a row. */
    uint16_t mss_whole;  /* Before they made the segments smaller; 0: they did not. */
    uint8_t mtu_tries;   /* Times that it was restored. */
    /* Receiving. */
    struct piece *holes; /* Out of order. */
    struct piece *holes_last;
    uint32_t holes_count;
    struct segment_range ranges[SACK_RANGES];
    uint32_t range_count;
    struct segment_range dsack;
    uint32_t acks_owed; /* One for each segment out of order, when the peer counts them. */
    uint32_t rcv_buffer;
    uint64_t tune_at_ns;
    uint32_t tune_sequence;
    uint32_t tune_released;
    struct rate_limit challenges;
    /* The way. */
    uint16_t hop;
    uint16_t l2_len;
    uint16_t header_len; /* Without TCP's, which lies behind it. 0: not written yet. */
    uint32_t header_generation;
    uint32_t header_sum; /* Of the IPv4 header with length 0. */
    uint32_t pseudo_sum; /* Of TCP's pseudo-header with length 0. */
    uint8_t header[HEADER_CACHE_BYTES];
    /* Statistics. */
    uint64_t bytes_sent, bytes_acked, segments_out;
    uint64_t bytes_retransmitted, retransmits, timeouts, tail_probes, fast_recoveries, undone;
    uint64_t out_of_order, duplicates, duplicates_sent, zero_windows;
};

_Static_assert(offsetof(struct tcp_connection, snd_una) == 64, "the first line is full");
_Static_assert(offsetof(struct tcp_connection, ts_recent_ns) + 8 <= 128, "two lines");
_Static_assert(offsetof(struct tcp_connection, heard_ns) + 8 <= 192, "and a third");
_Static_assert(offsetof(struct tcp_connection, ecn_echo) ==
                   offsetof(struct tcp_connection, state) + 7,
               "a word");

/* A segment on its way through the burst. */
struct arrival {
    struct net_segment net;
    struct segment segment;
    struct flow_key key;
    uint32_t hash;
    uint32_t value; /* What the flow table says first of the hash. */
    bool valid;
};

/* Pieces with the next bytes, each one buffer, that one burst brought. They are the first free ones
 * of the stock, linked as there, and not taken yet. */
struct received_row {
    struct piece *first;
    struct piece *last;
    uint32_t count;
    uint32_t end;      /* The sequence number behind them. */
    uint32_t segments; /* Of the wire. */
    uint32_t push;     /* SEGMENT_PSH if one has it, */
    uint32_t push_all; /* and if all have. */
    bool ends_bulk;    /* One with PSH is the end of a long message. */
};

/* What the short way needs of a segment. */
struct usual {
    const uint8_t *payload;
    void *buffer;
    uint32_t sequence;
    uint32_t ack;
    uint32_t window; /* As on the wire. */
    uint32_t tsval;
    uint32_t len;
    uint16_t segments;
    bool push;
    bool timestamp;
};

/* Which frames of a burst are of one known flow. Places count from 1; 0: none. */
struct trains {
    uint32_t count;
    uint8_t first[TCP_BURST_MAX]; /* Of each train. */
    uint8_t next[TCP_BURST_MAX];  /* Behind each frame. */
    struct known_flow *flows[TCP_BURST_MAX];
};

struct tcp {
    struct tcp_setup setup;
    struct net *net;
    struct siphash_key isn_key;
    struct siphash_key cookie_key;
    struct flow_table flows;
    struct known_table known_flows;
    struct wheel wheel;
    struct pool connections;
    struct pool half_opens;
    struct pool time_waits;
    struct stock extents;
    struct stock records;
    struct stock pieces;
    struct listener listeners[TCP_LISTENERS_MAX];
    struct list ready;    /* Connections that have something to send. */
    struct list waiting;  /* For their neighbour. */
    struct list starved;  /* For a record. */
    struct list events;   /* Connections whose user is to be called. */
    struct list unopened; /* Those whose user wants no on_open yet. */
    struct list wanting;  /* Connections that were refused a send. */
    struct list time_wait_order;
    uint32_t generation; /* Of the neighbours, when `waiting` was looked at. */
    uint64_t pinned_bytes;
    uint64_t cookie_sent_ns; /* The last of ours; 0: none. */
    struct rate_limit resets;
    struct rate_limit stray_acks;
    uint32_t port_next;
    uint64_t now_ns; /* Of the call in progress; what the user calls from callbacks uses it. */
    uint32_t states[TCP_STATES]; /* Connections by state. */
    uint64_t counters[TCP_COUNTERS];
    struct trains trains;
    struct tcp_connection *known[TCP_BURST_MAX]; /* Of the burst; NULL: it goes the long way, by */
    struct arrival burst[TCP_BURST_MAX];         /* what stands here. */
};

/* What an ACK brought; made by the scoreboard, used by recovery. */
struct ack_result {
    uint32_t acked;     /* Sequence numbers below una now. */
    uint32_t delivered; /* Bytes that were newly acknowledged or SACKed. */
    uint32_t sacked;    /* Of them, SACKed. */
    uint64_t rtt_ns;    /* A sample; 0: none. */
    bool original;      /* Something never retransmitted was delivered. */
    bool repeated;      /* Of what is below una now, something was sent more than once. */
    bool dsack;
    bool duplicate; /* An ACK that says nothing but that a segment arrived. */
    uint32_t tsecr;
    bool has_tsecr;
};

static inline uint32_t tcp_now_ms(uint64_t now_ns)
{
    return (uint32_t)(now_ns / 1000000);
}

/* Payload that fits beside the options of every segment. */
static inline uint32_t connection_payload_max(const struct tcp_connection *c)
{
    ASSERT_HOT(c->mss > SEGMENT_TIMESTAMP_BYTES);
    return (uint32_t)c->mss - (c->timestamps ? (uint32_t)SEGMENT_TIMESTAMP_BYTES : 0u);
}

/* A segment with more payload is no short one. */
static inline uint32_t connection_bulk_bytes(const struct tcp_connection *c)
{
    return connection_payload_max(c) / 2;
}

/* Of a peer that says nothing (RFC 9293 MUST-15). */
static inline uint16_t connection_mss_default(const struct flow_key *key)
{
    return address_is_v4(&key->remote) ? (uint16_t)SEGMENT_MSS_DEFAULT
                                       : (uint16_t)SEGMENT_MSS_DEFAULT_V6;
}

/* What is sent at most in one segment to a peer whose SYN says that; 0: nothing. */
static inline uint16_t connection_mss(const struct tcp *tcp, const struct flow_key *key,
                                      uint16_t said)
{
    const uint32_t taken = said != 0 ? said : connection_mss_default(key);
    const uint32_t most = min_u32(taken, net_mss(tcp->net, &key->remote));
    return (uint16_t)(most < MSS_MIN ? (uint32_t)MSS_MIN : most);
}

static inline void connection_set_state(struct tcp_connection *c, enum tcp_state state)
{
    c->tcp->states[c->state]--; /* TCP_CLOSED is not counted: what is there falls out of it. */
    c->tcp->states[state]++;
    c->state = (uint8_t)state;
}

static inline bool connection_synchronized(const struct tcp_connection *c)
{
    return c->state >= TCP_ESTABLISHED;
}

/* Established, nothing lost, nothing to be told but ACKs, and the peer's segments have timestamps
 * or not: the word of the connection has no other value then. */
static inline bool connection_plain(const struct tcp_connection *c, bool timestamps)
{
    const uint8_t bytes[8] = {TCP_ESTABLISHED, RECOVERY_OPEN, timestamps};
    uint64_t plain;
    uint64_t word;
    memcpy(&plain, bytes, sizeof(plain));
    memcpy(&word, (const uint8_t *)c + offsetof(struct tcp_connection, state), sizeof(word));
    return word == plain;
}

static inline struct tcp_connection *connection_of_ready(struct list_node *node)
{
    return CONTAINER_OF(node, struct tcp_connection, ready_node);
}

/* False: tcp_output would find nothing to send. */
static inline bool connection_wants_output(const struct tcp_connection *c)
{
    const bool unsent = !c->fin_sent && (c->snd_end != c->snd_nxt || c->fin_queued);
    return unsent || c->ack_now || c->first_lost != NULL || c->acks_owed != 0 || c->probe_due ||
           c->syn_due;
}

/* Something may be to be sent. */
static inline void connection_wake(struct tcp_connection *c)
{
    if (!list_linked(&c->ready_node) && c->state != TCP_CLOSED) {
        list_push_back(&c->tcp->ready, &c->ready_node);
    }
}

/* The user is to be called. */
static inline void connection_notify(struct tcp_connection *c)
{
    if (!list_linked(&c->event_node)) {
        list_push_back(&c->tcp->events, &c->event_node);
    }
}

/* When the next of those whose user wants no on_open yet may be told; UINT64_MAX: there is none. */
uint64_t user_next_open_ns(const struct tcp *tcp);

/* ---- tcp.c ---- */
/* A flow is in the table from begin to end; false: a sibling has those of its hash. */
MUST_USE bool tcp_flow_begin(struct tcp *tcp, uint32_t hash, uint32_t value);
void tcp_flow_end(struct tcp *tcp, uint32_t hash, uint32_t value);
struct tcp_connection *connection_make(struct tcp *tcp, const struct flow_key *key, uint32_t hash);
/* The same for a flow that is claimed already. */
struct tcp_connection *connection_place(struct tcp *tcp, const struct flow_key *key, uint32_t hash);
/* Ends it: no segment of it is sent or taken any more. */
void connection_end(struct tcp_connection *c, enum transport_close_reason reason);
/* Common to all ways into the synchronized states. */
void connection_establish(struct tcp_connection *c, uint64_t now_ns);
/* A segment without a connection behind it. ack 0 without SEGMENT_ACK. */
void tcp_answer(struct tcp *tcp, const struct flow_key *key, struct segment *segment,
                uint64_t now_ns);
/* RST for a segment that belongs to nothing (RFC 9293 3.10.7.1). */
void tcp_reset_stray(struct tcp *tcp, const struct arrival *arrival, uint64_t now_ns);
void connection_reset(struct tcp_connection *c, uint32_t sequence, uint64_t now_ns);
uint32_t tcp_isn(const struct tcp *tcp, const struct flow_key *key, uint64_t now_ns);
uint32_t tcp_ts_offset(const struct tcp *tcp, const struct flow_key *key);
uint8_t tcp_window_scale(const struct tcp *tcp);

/* ---- open.c ---- */
/* Takes a connection over whose SYN a sibling has sent. False: there is none. */
MUST_USE bool open_adopt(struct tcp *tcp, const struct arrival *arrival);
/* It is offered to the siblings no more. False: one of them has it, and here it is over. */
MUST_USE bool open_withdraw(struct tcp_connection *c);
/* Its SYN leaves. */
void open_offer(struct tcp_connection *c);

/* ---- ecn.c ---- */
/* Marks are told and counted exactly. */
static inline bool ecn_counts(const struct tcp_connection *c)
{
    return c->ecn && c->tcp->setup.congestion->on_mark != NULL;
}

/* It is open. both: the peer takes part, too. una: of its first byte. */
void ecn_begin(struct tcp_connection *c, bool both, uint32_t una);
/* So many bytes were acknowledged, with or without an echo of marks. Where marks are counted. */
void ecn_acked(struct tcp_connection *c, uint32_t acked, bool echo);
/* What a segment's flags and mark say. Its sequence is good, its ACK not looked at. */
void ecn_input(struct tcp_connection *c, const struct arrival *arrival, uint64_t now_ns);
/* Marks a packet that is built but for the sum of TCP. new_data: it was never sent before. */
void ecn_output(struct tcp_connection *c, struct packet_out *out, bool new_data);

/* ---- input.c ---- */
/* The next bytes and nothing else. False: nothing was done, input_segment is for it. */
MUST_USE bool input_usual(struct tcp_connection *c, struct arrival *arrival, uint64_t now_ns);
/* What a segment says of what was sent. False: it is done with. */
bool input_ack(struct tcp_connection *c, const struct segment *segment, uint64_t now_ns);
void input_segment(struct tcp_connection *c, struct arrival *arrival, uint64_t now_ns);
void input_error(struct tcp_connection *c, const struct icmp_error *error, uint64_t now_ns);

/* ---- output.c ---- */
void connection_ack(struct tcp_connection *c); /* With the next packet, or alone. */
void connection_challenge(struct tcp_connection *c, uint64_t now_ns);
uint32_t connection_window(struct tcp_connection *c); /* To advertise now; moves the edge. */
bool connection_window_opens(const struct tcp_connection *c);
/* Else it cannot open by enough to be told. */
static inline bool connection_window_small(const struct tcp_connection *c)
{
    const uint32_t now = c->rcv_edge - c->rcv_nxt; /* Never negative. */
    return now <= c->rcv_buffer / 2 || now < 2 * (uint32_t)c->mss;
}
static inline bool connection_window_would_open(const struct tcp_connection *c)
{
    return connection_window_small(c) && connection_window_opens(c);
}

/* ---- timer.c ---- */
void timer_set(struct tcp_connection *c, enum tcp_timer timer, uint64_t at_ns);
static inline void timer_clear(struct tcp_connection *c, enum tcp_timer timer)
{
    c->deadlines[timer] = UINT64_MAX;
}
void timer_fire(struct tcp_connection *c, uint64_t now_ns);
void timer_restart_retransmit(struct tcp_connection *c, uint64_t now_ns);

/* ---- extent.c ---- */
void extent_release_acked(struct tcp_connection *c); /* on_sent for what is done. */
bool extent_any_done(const struct tcp_connection *c);
/* Fills parts and pin with [sequence, sequence + len); returns the bytes that found room. */
uint32_t extent_gather(struct tcp_connection *c, uint32_t sequence, uint32_t len,
                       struct packet_out *out);

/* ---- receive.c ---- */
/* The next bytes, in one buffer, with none out of order. False: there is no room. */
MUST_USE bool receive_next(struct tcp_connection *c, const struct usual *usual, uint64_t now_ns);
/* As many as a row may have now. */
uint32_t receive_row_max(const struct tcp_connection *c);
void receive_row(struct tcp_connection *c, const struct received_row *row, uint64_t now_ns);
void receive_payload(struct tcp_connection *c, struct arrival *arrival, uint64_t now_ns);
void receive_drop(struct tcp_connection *c, bool inbox_too);
void receive_tune(struct tcp_connection *c, uint64_t now_ns);
/* The ranges to be told, the newest first; a DSACK before them. */
uint32_t receive_sacks(struct tcp_connection *c, struct segment_range *to, uint32_t count_max);

#endif
