/* TIME_WAIT (RFC 9293 3.6.1, 3.10.7.4): a table of small entries, in the order of their ends. */
#ifndef DATAPLANE_TCP_TIME_WAIT_H
#define DATAPLANE_TCP_TIME_WAIT_H

#include "dataplane/tcp/connection.h"

/* Ends the connection and leaves an entry in its place. answer: the peer's FIN is to be ACKed. */
void time_wait_begin(struct tcp_connection *c, bool answer, uint64_t now_ns);
/* Leaves an entry for a connection that has ended, if it has none yet. */
void time_wait_keep(struct tcp_connection *c, uint64_t now_ns);
/* A segment for an entry. True: it is a SYN that may open a new connection in its place; the entry
 * is gone and *iss a sequence number above the old ones (RFC 6191). */
MUST_USE bool time_wait_input(struct tcp *tcp, struct time_wait *entry,
                              const struct arrival *arrival, uint32_t *iss, uint64_t now_ns);
/* Drops entries whose time is over. */
void time_wait_turn(struct tcp *tcp, uint32_t budget, uint64_t now_ns);
uint64_t time_wait_next_ns(const struct tcp *tcp);

#endif
