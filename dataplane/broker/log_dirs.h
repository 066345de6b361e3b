/* DescribeLogDirs: sizes gathered from all cores; one such request at a time. */
#ifndef DATAPLANE_BROKER_LOG_DIRS_H
#define DATAPLANE_BROKER_LOG_DIRS_H

#include "dataplane/broker/state.h"

/* Mail: another core asks, or answers. */
void sizes_mail(struct broker *broker, struct sizes_query *query);

/* The request they were gathered for has its answer, or is gone: the sizes may go. */
void sizes_finish(struct broker *broker);

/* Starts the next request that waits. */
void sizes_next(struct broker *broker);

#endif
