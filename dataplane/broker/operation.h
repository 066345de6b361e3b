/* Operations: one partition's part of a request, carried to the core that owns the partition, run
 * there against the log, and carried back. The requesting core is the home, the other the owner;
 * they may be the same. */
#ifndef DATAPLANE_BROKER_OPERATION_H
#define DATAPLANE_BROKER_OPERATION_H

#include "dataplane/broker/state.h"

/* The first of the request's. */
struct operation *operation_first(struct request *request, enum operation_kind kind);
/* A new one at the end of the request's, or NULL when there are too many. */
struct operation *operation_add(struct request *request, enum operation_kind kind);
void operation_free(struct broker *broker, struct operation *operation);

/* Decides it at home. */
static inline void operation_refuse(struct operation *operation, int16_t error, const char *message)
{
    operation->kind = OPERATION_NONE;
    operation->error = error;
    operation->message = message;
    operation->back = true;
}

/* Sends those that are not decided to their owners, in order. `back` is called when all have come
 * back, perhaps before this returns; it calls request_done. */
void operations_submit(struct request *request, request_back *back);
/* The same of the one that operation_first made, where there is no other. */
void operation_submit_one(struct request *request, request_back *back);

/* Sends one of them (again), from inside `back`. */
void operation_submit(struct broker *broker, struct operation *operation);

/* Mail: an operation of another core, or one of ours that comes back. */
void operation_mail(struct broker *broker, struct operation *operation);

/* Appends whose times were kept back come into the histograms. */
void append_times_record(struct broker *broker);

/* What the log is done with. */
void operation_append_done(struct broker *broker, struct append *append);
void operation_query_done(struct broker *broker, struct log_query *query);
void operation_log_done(struct broker *broker, struct log_operation *operation);

/* Hands in again what the log had no room for. Returns the work done. */
uint32_t operations_retry(struct broker *broker, uint32_t budget);
bool operations_waiting(const struct broker *broker);

/* Everything that waits for room of this partition ends with this status. */
void operations_fail(struct broker *broker, struct hosted *hosted, enum log_status status);

#endif
