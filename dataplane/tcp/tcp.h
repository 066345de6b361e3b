/* TCP of one core: a function of (packet, now, seed) -> packets and next deadline.
 *
 *     tcp_input     a burst of frames; answers are only noted
 *     tcp_deliver   calls the user for what came of it
 *     tcp_turn      timers, within a budget
 *     tcp_output    the port pulls packets while it has room: they are built then, not before
 *
 * Received buffers are lent to the user piece by piece; tcp_release gives credit back, and that
 * opens the window. Sent bytes go out by reference: a part is the user's again (on_sent) when it
 * was acknowledged *and* the port is done with every packet that names it.
 *
 * No clock, no I/O, no allocation after tcp_create, no globals. Single thread: the core's. The user
 * may call back into the connection from its callbacks. RFC 9293 unless a comment names another.
 */
#ifndef DATAPLANE_TCP_TCP_H
#define DATAPLANE_TCP_TCP_H

#include "dataplane/net/net.h"
#include "dataplane/tcp/congestion.h"
#include "dataplane/tcp/flow.h"
#include "dataplane/transport.h"

enum {
    TCP_LISTENERS_MAX = 16,
    TCP_BURST_MAX = 32,
    TCP_NO_LISTENER = UINT32_MAX, /* Told to on_open for a connection that we opened. */
};

struct tcp;
struct tcp_connection;

enum tcp_state {
    TCP_CLOSED,
    TCP_SYN_SENT,
    TCP_SYN_RECEIVED, /* Of a simultaneous open; half-open connections of listeners: syn.h. */
    TCP_ESTABLISHED,
    TCP_FIN_WAIT_1,
    TCP_FIN_WAIT_2,
    TCP_CLOSE_WAIT,
    TCP_CLOSING,
    TCP_LAST_ACK,
    TCP_STATES,
};

/* What the user implements. */
struct tcp_user {
    /* A handshake is complete. Returns the user's handle; NULL refuses: reset, no further call. */
    void *(*on_open)(void *context, struct tcp_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener);
    /* The next bytes. Lent until tcp_release of piece.buffer. */
    void (*on_data)(void *user, struct received_piece piece);
    /* The peer has sent its last byte; sending goes on until tcp_close. */
    void (*on_end)(void *user);
    /* Everything of that send is ours no more. In order, once per send. */
    void (*on_sent)(void *user, uint64_t token);
    /* A send that was refused may be tried again. */
    void (*on_room)(void *user);
    /* The last call. For a connection that was never opened only this one (user from connect). */
    void (*on_close)(void *user, enum transport_close_reason reason);
    /* NULL, or the time before which no on_open is wanted of what peers opened; asked anew before
     * each. What waits is established, and its window closes by itself. */
    uint64_t (*open_from_ns)(void *context);
    /* Of tcp_open, NULL where nobody calls that: the handshake is complete, on the core that the
     * answer came to. Returns as on_open. */
    void *(*on_opened)(void *context, struct tcp_connection *connection,
                       const struct network_address *peer, const struct network_address *local,
                       uint64_t token);
    /* Of tcp_open, on the core that called it: it was refused, or nobody answers. */
    void (*on_unopened)(void *context, uint64_t token, enum transport_close_reason reason);
};

/* A connection of tcp_open whose SYN is out. */
struct tcp_opening {
    struct flow_key key;
    uint32_t hash;
    uint32_t iss;
    uint64_t sent_ns; /* The SYN; 0: more than one. */
    uint64_t token;
};

/* Other instances that serve the same address with the same secret: which of them has a flow, and
 * how it gets what arrived here. hash: of the flow, the same in all of them. */
struct tcp_siblings {
    /* Whether what arrives of the flow is to be taken here. */
    bool (*ours)(void *context, uint32_t hash);
    /* Takes a frame that is not, with its buffers. Its checksums are good. */
    void (*give_frame)(void *context, uint32_t hash, const struct packet_in *packet);
    /* Takes an error about such a flow, for tcp_error_input. */
    void (*give_error)(void *context, uint32_t hash, const struct icmp_error *error);
    /* A flow begins here; false: it would not be ours. leave: it has ended. */
    bool (*claim)(void *context, uint32_t hash);
    void (*leave)(void *context, uint32_t hash);
    /* A cookie has left, whose answer may come to any of them; when the last did, 0: none. */
    void (*cookie_sent)(void *context, uint64_t now_ns);
    uint64_t (*cookie_sent_ns)(void *context);
    /* May be NULL, all three. Whoever the answer to an opening comes to takes it over, with its
     * flow: adopt, with what the answer acknowledges. False from offer: it stays where it is; from
     * withdraw: a sibling has taken it over. */
    bool (*offer)(void *context, const struct tcp_opening *opening);
    bool (*withdraw)(void *context, const struct tcp_opening *opening);
    bool (*adopt)(void *context, const struct flow_key *key, uint32_t hash, uint32_t ack,
                  struct tcp_opening *opening);
};

/* Explicit congestion notification (RFC 3168): not at all, where the peer asks, or asked for. */
enum tcp_ecn { TCP_ECN_NEVER, TCP_ECN_ANSWER, TCP_ECN_ASK };

struct tcp_setup {
    struct net *net;
    const struct tcp_user *user;
    void *user_context;
    const struct congestion *congestion;
    enum tcp_ecn ecn;
    uint64_t secret[4]; /* Random; of this boot. */

    uint32_t connection_count_max;
    uint32_t half_open_count_max; /* Beyond it: cookies (RFC 4987). */
    uint32_t time_wait_count_max; /* Beyond it the oldest goes. */
    uint32_t extent_count_max;    /* Parts of sends. */
    uint32_t record_count_max;    /* Packets in flight. */
    uint32_t piece_count_max;     /* Received buffers held, with those the user has. */

    uint32_t receive_bytes_min; /* Window to begin with, grown to _max as the user keeps up. */
    uint32_t receive_bytes_max;
    uint32_t send_bytes_max;      /* Pinned by one connection: then it takes no other send. */
    uint64_t send_bytes_core_max; /* Pinned by all. */

    uint32_t rto_min_ms; /* The floor, added to the smoothed round trip. */
    uint32_t rto_max_ms;
    uint32_t rto_initial_ms;
    uint32_t ack_delay_ms;      /* Ours. */
    uint32_t ack_push_delay_ms; /* The same where the peer waits: behind PSH. 0: at once. */
    uint32_t peer_ack_delay_ms; /* The longest a peer may hold an ACK of a single segment back. */
    uint32_t time_wait_ms;      /* 2 MSL. */
    uint32_t fin_wait_ms;       /* FIN_WAIT_2 without a user. */
    uint32_t syn_retries;
    uint32_t retries_max;       /* Unanswered retransmissions in a row. */
    uint32_t keepalive_idle_ms; /* 0: none. */
    uint32_t keepalive_every_ms;
    uint32_t keepalive_probes;
    uint32_t user_timeout_ms; /* Data unacknowledged for so long ends the connection; 0: retries. */
    uint16_t port_first;      /* Of connections that we open. */
    uint16_t port_count;

    const struct tcp_siblings *siblings; /* NULL: every flow is ours. */
    void *siblings_context;

    /* Takes a packet that is not for this address; NULL: it is dropped. */
    void (*foreign)(void *context, const struct packet_in *packet);
};

/* Sizes for a small lab broker and times for a data centre; net, user and secret are the caller's.
 */
struct tcp_setup tcp_setup_usual(void);

uint64_t tcp_memory_bytes(const struct tcp_setup *setup);
/* memory: zeroed, aligned to 64. */
struct tcp *tcp_create(void *memory, const struct tcp_setup *setup, uint64_t now_ns);

/* False: no room for another listener, or the port has one. */
MUST_USE bool tcp_listen(struct tcp *tcp, uint16_t port, uint32_t backlog, uint32_t *listener);
void tcp_stop_listening(struct tcp *tcp, uint32_t listener);

/* NULL: no memory, no free port, no route. on_open follows (its result is ignored), or on_close. */
struct tcp_connection *tcp_connect(struct tcp *tcp, const struct network_address *peer, void *user,
                                   uint64_t now_ns);

/* The same for a connection of whichever sibling the answer comes to: on_opened there, or
 * on_unopened here. False: as NULL above. */
MUST_USE bool tcp_open(struct tcp *tcp, const struct network_address *peer, uint64_t token,
                       uint64_t now_ns);

/* At most TCP_BURST_MAX packets. */
void tcp_input(struct tcp *tcp, const struct packet_in *packets, uint32_t count, uint64_t now_ns);
/* An error of ICMP that arrived at a sibling. */
void tcp_error_input(struct tcp *tcp, const struct icmp_error *error, uint64_t now_ns);
/* Calls the user for at most budget connections. Returns how many. */
uint32_t tcp_deliver(struct tcp *tcp, uint32_t budget, uint64_t now_ns);
uint32_t tcp_turn(struct tcp *tcp, uint32_t budget, uint64_t now_ns);
/* True: neither of the two has anything to do. */
bool tcp_quiet(const struct tcp *tcp, uint64_t now_ns);
/* Whether tcp_output has anything to do now. */
bool tcp_wants_output(const struct tcp *tcp, uint64_t now_ns);
/* How many to ask for with the next call, at least 1: so many packets it has, mostly. */
uint32_t tcp_output_expected(const struct tcp *tcp, uint32_t count_max);
/* Fills up to count packets, whose `header` the caller has set. Returns how many. */
uint32_t tcp_output(struct tcp *tcp, struct packet_out *packets, uint32_t count, uint64_t now_ns);
/* The port is done with a packet that had this pin. */
void tcp_released(struct tcp *tcp, const struct packet_pin *pin);
/* Now, when there is something to send or deliver. */
uint64_t tcp_next_deadline_ns(const struct tcp *tcp);

/* parts is borrowed, their bytes lent until on_sent(token). False: no room; on_room follows. */
MUST_USE bool tcp_send(struct tcp_connection *connection, const struct send_part *parts,
                       uint32_t part_count, uint64_t token);
/* Ends the stream to the peer once everything is out; receiving goes on. */
void tcp_shutdown(struct tcp_connection *connection);
/* The same, and nothing is received any more: data that still comes resets. on_close follows. */
void tcp_close(struct tcp_connection *connection);
/* Drops everything and resets. on_close follows. */
void tcp_abort(struct tcp_connection *connection);
/* Stops and starts on_data. */
void tcp_pause(struct tcp_connection *connection);
void tcp_resume(struct tcp_connection *connection);
/* Gives a received piece back. Any order; also after on_close. */
void tcp_release(struct tcp *tcp, void *buffer);

enum tcp_counter {
    TCP_IN_SEGMENTS,
    TCP_IN_FAST, /* Took the short way. */
    TCP_IN_BAD_HEADER,
    TCP_IN_NO_FLOW,
    TCP_IN_OUT_OF_WINDOW,
    TCP_IN_PAWS,
    TCP_IN_NO_TIMESTAMP,
    TCP_IN_BAD_ACK,
    TCP_IN_DUPLICATE,
    TCP_IN_OUT_OF_ORDER,
    TCP_IN_NO_PIECE, /* Dropped: no memory. */
    TCP_IN_RST,
    TCP_OUT_SEGMENTS,
    TCP_OUT_BYTES,
    TCP_OUT_RETRANSMITS,
    TCP_OUT_RST,
    TCP_OUT_CHALLENGE, /* RFC 5961. */
    TCP_OUT_LIMITED,   /* Not answered: too many. */
    TCP_OPENED,        /* By a peer. */
    TCP_CONNECTED,     /* By us. */
    TCP_ADOPTED,       /* Of them, on another core than the one that opened. */
    TCP_REFUSED,
    TCP_TIMEOUTS,
    TCP_RETRANSMIT_TIMEOUTS,
    TCP_TAIL_PROBES,
    TCP_FAST_RECOVERIES,
    TCP_UNDONE, /* Losses that were none. */
    TCP_SYN_DROPPED,
    TCP_COOKIES_SENT,
    TCP_COOKIES_TAKEN,
    TCP_COOKIES_BAD,
    TCP_TIME_WAIT_EVICTED,
    TCP_TIME_WAIT_REUSED,
    TCP_MTU_REDUCED,
    TCP_IN_MARKED,   /* Segments that met congestion on their way (RFC 3168). */
    TCP_ECN_REDUCED, /* Windows made smaller because the peer says so of ours. */
    TCP_COUNTERS,
};

const uint64_t *tcp_counters(const struct tcp *tcp);

struct tcp_usage { /* Of the pools, now. */
    uint32_t connections;
    uint32_t half_open;
    uint32_t time_wait;
    uint32_t extents;
    uint32_t records;
    uint32_t pieces;
    uint64_t pinned_bytes;
};
struct tcp_usage tcp_usage(const struct tcp *tcp);

/* TCP_STATES numbers: connections by state, but for TCP_CLOSED, whose number means nothing. */
const uint32_t *tcp_states(const struct tcp *tcp);

/* What `ss -ti` tells. */
struct tcp_info {
    enum tcp_state state;
    struct network_address peer;
    struct network_address local;
    const char *congestion;
    const char *recovery; /* open, fast or loss. */
    bool timestamps;
    bool sack;
    bool ecn;
    uint8_t send_scale;
    uint8_t receive_scale;
    uint16_t mss;
    uint32_t cwnd;
    uint32_t ssthresh;
    uint32_t in_flight;
    uint32_t lost;
    uint32_t sacked;
    uint32_t unsent;
    uint32_t send_window;
    uint32_t receive_window;
    uint32_t receive_buffer;
    uint32_t receive_held; /* In order, not released by the user. */
    uint32_t pinned;       /* Sent or waiting, and not given back to the user yet. */
    uint64_t rtt_ns;
    uint64_t rtt_variance_ns;
    uint64_t rtt_min_ns;
    uint64_t rto_ns;
    uint32_t backoff;
    uint64_t bytes_sent;
    uint64_t bytes_acked;
    uint64_t bytes_received;
    uint64_t segments_in;
    uint64_t segments_out;
    uint64_t bytes_retransmitted;
    uint64_t retransmits;
    uint64_t timeouts;
    uint64_t tail_probes;
    uint64_t fast_recoveries;
    uint64_t undone;
    uint64_t out_of_order;
    uint64_t duplicates;      /* Segments received twice. */
    uint64_t duplicates_sent; /* That the peer received twice (DSACK). */
    uint64_t zero_windows;    /* Times the peer closed its window. */
    uint32_t reorder_steps;   /* RACK's window, in quarters of the least round trip. */
};
void tcp_info(const struct tcp_connection *connection, struct tcp_info *info);

/* "established" */
const char *tcp_state_name(enum tcp_state state);

/* Fills rows with up to count connections, looking at up to slots_max places from *slot on, which
 * is where to go on; UINT32_MAX: all were seen. Returns how many. */
uint32_t tcp_survey(const struct tcp *tcp, uint32_t *slot, uint32_t slots_max,
                    struct tcp_info *rows, uint32_t count);

const struct net *tcp_net(const struct tcp *tcp);
const struct tcp_setup *tcp_setup_used(const struct tcp *tcp);

/* Checks everything that must hold, at length; for tests. The text of what does not, or NULL. */
const char *tcp_invariants(const struct tcp *tcp);

#endif
