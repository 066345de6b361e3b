/* The timers of a connection. */
#ifndef DATAPLANE_TCP_TIMER_H
#define DATAPLANE_TCP_TIMER_H

#include "dataplane/tcp/connection.h"

/* The retransmission timeout with its backoff. */
uint64_t timer_retransmit_ns(const struct tcp_connection *c);

#endif
