/* Loss detection and recovery: RACK-TLP (RFC 8985) with SACK, NewReno (RFC 6582) without; PRR
 * (RFC 6937), F-RTO (RFC 5682) and the undoing of losses that were none (RFC 3522, 4015, 3708). */
#ifndef DATAPLANE_TCP_RECOVERY_H
#define DATAPLANE_TCP_RECOVERY_H

#include "dataplane/tcp/connection.h"

/* After the scoreboard took an ACK: detects losses, changes mode and window. */
void recovery_on_ack(struct tcp_connection *c, const struct ack_result *result, uint64_t now_ns);
/* The retransmission timer fired. */
void recovery_on_timeout(struct tcp_connection *c, uint64_t now_ns);
/* RACK's timer fired. */
void recovery_on_reorder_timer(struct tcp_connection *c, uint64_t now_ns);
/* Arms the tail loss probe if one is due. */
void recovery_arm_probe(struct tcp_connection *c, uint64_t now_ns);
/* Bytes in flight as the window counts them. */
uint32_t recovery_pipe(const struct tcp_connection *c);
/* A packet was sent: PRR counts. */
void recovery_sent(struct tcp_connection *c, uint32_t len, bool retransmit, uint32_t tsval);

#endif
