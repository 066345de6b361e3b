/* The life of a request behind its handler: answers in order, built when first in line, lent to the
 * transport, and given back when sent. */
#ifndef DATAPLANE_BROKER_REQUEST_H
#define DATAPLANE_BROKER_REQUEST_H

#include "dataplane/broker/state.h"

/* A request at the end of the connection's order, or NULL when there are too many. */
struct request *request_create(struct connection *connection);

/* Takes it out of the order again: nothing of it is under way. */
void request_cancel(struct request *request);

/* It is on no list of requests that wait. */
void request_stop_waiting(struct request *request);

/* The answer is known; build writes its body when it is first in line. NULL: it is control's, at
 * slow_answer; slow_more_bytes of it are still there. */
void request_done(struct request *request, request_build *build);

/* The same of a produce whose answer is a plain one; it is on no list of requests that wait. */
void request_done_plain(struct request *request);

/* How many error codes its answer says, or would say. */
void request_errors_count(const struct request *request, uint32_t errors);

/* More of its torn answer is read; nothing: the answer cannot be ended, nor the connection used. */
void request_more(struct request *request, const struct fetch_read *read);

/* The next piece of control's long answer lies where the one before lay. */
void request_more_of_control(struct request *request);

/* Its legs are freed; they outlive the answer. */
void request_legs_gone(struct request *request);

/* False when the connection is gone: nobody waits for the answer. */
static inline bool request_wanted(const struct request *request)
{
    return request->connection != NULL;
}

/* The last operation of a request that was answered before, or that nobody waits for. */
bool request_returned_late(struct request *request);

/* An operation of it has come back. True when it was the last and the answer is wanted; the last
 * one of an orphan frees it. */
static inline bool request_returned(struct request *request)
{
    ASSERT(request->pending > 0);
    if (--request->pending > 0) {
        return false;
    }
    return LIKELY(request->state == REQUEST_RUNNING && request_wanted(request)) ||
           request_returned_late(request);
}

/* Sends of a connection that are over; token as it was given to the transport. */
void requests_sent(struct connection *connection, uint64_t token);

/* The connection is gone. */
void requests_orphan(struct connection *connection);

/* Builds and sends what can be sent. Returns the answers handed over. */
uint32_t connection_send(struct connection *connection);

#endif
