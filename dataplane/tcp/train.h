/* Segments of a known flow (known.h) that arrived in one burst: a train.
 *
 * Most of them are the next bytes and nothing else, or with an ACK that is good. What each says is
 * looked at by itself, as if it had come alone; what they change of their connection is put down
 * once for all of them, and when to acknowledge is decided once.
 */
#ifndef DATAPLANE_TCP_TRAIN_H
#define DATAPLANE_TCP_TRAIN_H

#include "dataplane/tcp/connection.h"

/* Takes a train in, whose first packet has place `at`, from 1; next[place - 1] is the place of the
 * one behind, 0 behind the last. Returns the place of one that is to go the long way, of which
 * nothing was done; the rest of the train stands behind it. 0: there is none. */
MUST_USE uint32_t train_input(struct tcp_connection *c, const struct packet_in *packets,
                              const uint8_t *next, uint32_t at, uint64_t now_ns);

#endif
