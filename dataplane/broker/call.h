/* Calls: what control asks of a core of its own accord. It appends to partitions here, the internal
 * topics' above all, and reads them back (slowpath/channel.h: SLOW_APPEND, SLOW_READ).
 *
 * An append is answered when it survives power loss, as with acks=all. Appends to one partition
 * take effect in the order sent. A read is answered when nothing of the partition is on its way;
 * what a crash of the machine left unflushed is vouched for by the log with the next append. A
 * session that ends takes with it what has not reached the log; what has is not answered any more,
 * and lies before whatever the next session reads up to (H17). */
#ifndef DATAPLANE_BROKER_CALL_H
#define DATAPLANE_BROKER_CALL_H

#include "dataplane/broker/state.h"

/* One piece of a call. False: there is no memory for it now; hand it in again. */
MUST_USE bool call_take(struct broker *broker, const struct slow_fragment *fragment);

/* What waits for room goes on. Returns the work done. */
uint32_t calls_turn(struct broker *broker, uint32_t budget);

void calls_session_changed(struct broker *broker);

/* What the log is done with. */
void call_append_done(struct broker *broker, struct append *append);
void call_read_done(struct broker *broker, struct log_read *read);

#endif
