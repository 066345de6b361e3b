/* SLOW requests: whole frames to the control process, answers back, and what is said when it is
 * away or late (H20). Nothing is ever sent twice. */
#ifndef DATAPLANE_BROKER_SLOW_H
#define DATAPLANE_BROKER_SLOW_H

#include "dataplane/broker/state.h"

/* Takes in what control sent, sends what waits, answers what is late. */
uint32_t slow_turn(struct broker *broker, uint32_t budget);
uint64_t slow_deadline_ns(const struct broker *broker);

/* Sends the request, or what it asks for itself, when there is room. */
void slow_ask(struct broker *broker, struct request *request);

/* What there is of the request's long answer is sent: the next piece is asked for.
 * request_more_of_control follows. */
void slow_more(struct request *request);

/* The request's connection is gone: its answer, or the rest of it, will find nobody. */
void slow_abandon(struct request *request);

#endif
