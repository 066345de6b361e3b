/* Produce (B17-B23): one append per partition, in order per connection and partition. */
#ifndef DATAPLANE_BROKER_PRODUCE_H
#define DATAPLANE_BROKER_PRODUCE_H

#include "dataplane/broker/state.h"

/* Answers requests whose time is over; their data stays appended. */
uint32_t produce_timer_turn(struct broker *broker);
uint64_t produce_deadline_ns(const struct broker *broker);

#endif
