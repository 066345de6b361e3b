/* What control asks of the cores of its own accord: to append a batch to a partition, and to read
 * one back. The coordinators' records travel this way, and the markers of transactions.
 *
 * A call is the caller's memory, lent from call_start until its done is called, once, from
 * calls_answer or from call_start itself; or until calls_over, which forgets all calls and calls
 * nobody: a session has ended, and everything that was based on it is to be thrown away (H17).
 *
 * A core has room for so many calls, and bytes of them, that never wait behind clients' requests
 * (H21: SLOW_CALLS_MAX); the rest waits here, in order.
 *
 * Threads: the control loop's.
 */
#ifndef CONTROL_CALL_H
#define CONTROL_CALL_H

#include "control/peer.h"

enum call_kind {
    CALL_APPEND, /* Durable when done (acks=all). */
    CALL_READ,   /* When all of the partition is durable. */
    CALL_BOUNDS, /* At once: where the log starts, and its high watermark. Changes nothing. */
};

struct call {
    /* In. */
    enum call_kind kind;
    struct partition_id id;
    int32_t leader_epoch; /* -1: not checked. */
    struct bytes batch;   /* CALL_APPEND: one batch of any kind, at most SLOW_APPEND_BYTES_MAX, and
                             borrowed. To any topic. A marker is a control batch. */
    int16_t txn_version;  /* CALL_APPEND of a marker: transaction.version of who drives it. */
    int64_t offset;       /* CALL_READ; -1: from the start of the log. */
    uint32_t skip_bytes;  /* CALL_READ: of the batch that holds offset, read before. */
    void (*done)(struct call *call);
    void *owner; /* Untouched. */
    /* Out. */
    int16_t error_code;
    int64_t base_offset;  /* CALL_APPEND; CALL_BOUNDS: the log's start. */
    int64_t end_offset;   /* CALL_READ: of the partition; CALL_BOUNDS: its high watermark. */
    struct bytes records; /* CALL_READ: bytes of batches, the last of which may be cut off; empty at
                             the end. A view until done returns. */
    /* Its own. */
    struct list_node node;
    uint64_t number;
    uint32_t core;
};

struct calls;

/* NULL: no memory. peer is borrowed. */
struct calls *calls_create(struct peer *peer);
void calls_destroy(struct calls *calls);

/* Only while there is a session (peer_hello). */
void call_start(struct calls *calls, struct call *call);

/* Takes what a core has answered. False: no call of ours asked for that. */
MUST_USE bool calls_answer(struct calls *calls, const struct peer_request *message);

/* The session is over. */
void calls_over(struct calls *calls);

#endif
