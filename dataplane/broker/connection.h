/* One connection: its bytes in, cut into frames, and the order of its requests.
 *
 * A request starts when all before it are done, or when it and all of them may overlap (Produce):
 * answers leave in request order anyway (B7). What cannot start yet stays in the stream; behind a
 * few pieces the transport is paused.
 */
#ifndef DATAPLANE_BROKER_CONNECTION_H
#define DATAPLANE_BROKER_CONNECTION_H

#include "dataplane/broker/state.h"

/* The connection's next frames are to be looked at in this or the next frame turn. */
void connection_wake(struct connection *connection);

/* The same, if there are any, or what else a look at its frames would find: a request of it is
 * over, or a send. */
void connection_wake_waiting(struct connection *connection);

/* Something of it may be sent, or it may be closed. */
void connection_send_later(struct connection *connection);

/* Starts nothing more; closes once what is in progress is answered and sent. */
void connection_finish(struct connection *connection);

/* Closes at once; what is in progress ends unanswered. */
void connection_abort(struct connection *connection);

/* Looks at up to budget frames, starts what may start. Returns how many started. */
uint32_t connection_run(struct connection *connection, uint32_t budget);

/* Closes what has been idle too long, or takes or sends nothing while others wait for it. */
uint32_t connections_check(struct broker *broker);
uint64_t connections_deadline_ns(const struct broker *broker);

void connection_invariants(const struct connection *connection);

#endif
