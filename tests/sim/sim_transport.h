/* The in-memory twin of a network path: implements dataplane/transport.h for one core, and gives
 * the test the other ends of the connections.
 *
 * The seed decides how the byte stream is cut into pieces and how long things take. Sent bytes are
 * read when the send completes, and released receive buffers are overwritten, so that memory that
 * is reused too early shows. Threads: none; allocates as it likes.
 */
#ifndef TESTS_SIM_SIM_TRANSPORT_H
#define TESTS_SIM_SIM_TRANSPORT_H

#include "dataplane/transport.h"

struct sim_transport;
struct sim_peer;

struct sim_transport_options {
    uint64_t seed;
    uint32_t buffer_count; /* Receive buffers; 0: 64. */
    uint32_t buffer_bytes; /* 0: 4096. */
    uint32_t sends_max;    /* Of one connection under way; 0: 8. */
    uint32_t piece_bytes;  /* Longest piece delivered; 0: random up to buffer_bytes. */
    uint32_t delay_in;     /* Deliver, complete a send: one turn in so many; 0: each turn. */
};

struct sim_transport *sim_transport_create(const struct sim_transport_options *options,
                                           const struct transport_user *user, void *context);
void sim_transport_destroy(struct sim_transport *transport);
struct transport *sim_transport_base(struct sim_transport *transport);

/* Delivers what has arrived and how connections end. Returns the work done. */
uint32_t sim_transport_receive_turn(struct sim_transport *transport);
/* Completes sends. */
uint32_t sim_transport_send_turn(struct sim_transport *transport);
/* True when nothing is on its way in either direction. */
bool sim_transport_quiet(const struct sim_transport *transport);
/* Receive buffers that the user holds. */
uint32_t sim_transport_held(const struct sim_transport *transport);

/* A client connects; accepted or refused in the next receive turn. Freed by sim_peer_free. */
struct sim_peer *sim_peer_connect(struct sim_transport *transport,
                                  const struct network_address *from,
                                  const struct network_address *to, uint32_t listener);
/* Bytes from the client; copied. */
void sim_peer_send(struct sim_peer *peer, struct bytes bytes);
/* What the client has received and not yet consumed; a view until the next turn. */
struct bytes sim_peer_received(const struct sim_peer *peer);
void sim_peer_consume(struct sim_peer *peer, uint32_t count);
/* The client ends the connection: in order, or by a reset. */
void sim_peer_close(struct sim_peer *peer);
void sim_peer_reset(struct sim_peer *peer);
/* The client takes nothing while stalled. */
void sim_peer_stall(struct sim_peer *peer, bool stalled);
/* A stalled client acknowledges up to so many more bytes of the sends under way; they are
 * received with the rest of their send, when it is stalled no more. */
void sim_peer_take(struct sim_peer *peer, uint32_t count);
/* True when the broker has ended the connection, or refused it. */
bool sim_peer_closed(const struct sim_peer *peer);
/* Bytes sent that the broker has not taken in yet. */
uint64_t sim_peer_waiting(const struct sim_peer *peer);
void sim_peer_free(struct sim_peer *peer);

#endif
