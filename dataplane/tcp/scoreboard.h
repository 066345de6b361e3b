/* The scoreboard: what is in flight, SACKed, lost (RFC 2018, 6675), per packet sent.
 *
 * Records lie in order of sequence from una to nxt; each is in flight, SACKed or lost. Those in
 * flight also lie in the order of their sending, for RACK. pipe + sacked + lost == nxt - una.
 */
#ifndef DATAPLANE_TCP_SCOREBOARD_H
#define DATAPLANE_TCP_SCOREBOARD_H

#include "dataplane/tcp/connection.h"

/* A packet with new data was sent. The caller has seen that the pool has a record. */
void scoreboard_sent(struct tcp_connection *c, uint32_t end, bool fin, uint64_t now_ns);
/* The record, which is lost (or in flight, for a probe), was sent again. */
void scoreboard_resent(struct tcp_connection *c, struct record *record, uint64_t now_ns);
/* Cuts a record in two. False: no memory. */
MUST_USE bool scoreboard_split(struct tcp_connection *c, struct record *record, uint32_t at);
/* Takes the cumulative acknowledgement; una is still the old one. */
void scoreboard_ack(struct tcp_connection *c, uint32_t ack, struct ack_result *result,
                    uint64_t now_ns);
/* Takes the SACK blocks of a segment; una is the new one. */
void scoreboard_sack(struct tcp_connection *c, const struct segment *segment, uint32_t una_before,
                     struct ack_result *result, uint64_t now_ns);
void scoreboard_mark_lost(struct tcp_connection *c, struct record *record);
/* The timeout: all that is in flight is lost; with a peer that took SACKs back, those too. */
void scoreboard_lose_all(struct tcp_connection *c);
/* What was marked lost and not sent again is in flight after all. */
void scoreboard_unlose(struct tcp_connection *c);
void scoreboard_drop(struct tcp_connection *c);

static inline struct record *scoreboard_first(const struct tcp_connection *c)
{
    struct list_node *node = list_first(&c->records);
    return node == NULL ? NULL : CONTAINER_OF(node, struct record, node);
}

static inline struct record *scoreboard_last(const struct tcp_connection *c)
{
    return list_empty(&c->records) ? NULL : CONTAINER_OF(c->records.head.prev, struct record, node);
}

/* Recomputes the sums. The text of what is wrong, or NULL. */
const char *scoreboard_invariants(const struct tcp_connection *c);

#endif
