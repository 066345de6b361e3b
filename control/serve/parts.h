/* Requests that name several groups or transactional ids are taken apart; what is the same for all
 * of them. */
#ifndef CONTROL_SERVE_PARTS_H
#define CONTROL_SERVE_PARTS_H

#include "control/peer.h"
#include "dataplane/kafka/errors.h"
#include "dataplane/slowpath/channel.h"

enum {
    /* What one request may take: so many parts, and so much memory for what is said of them. */
    PARTS_MAX = 20000,
    PARTS_BYTES_MAX = SLOW_REPLY_BYTES_MAX,
    /* What long answers may take that their clients have not read; then others get none. */
    UNREAD_BYTES_MAX = SLOW_REPLY_BYTES_MAX,
};

/* An answer of that size has to wait: its client asks again, and nothing is lost by that. */
static inline bool part_answer_waits(const struct peer *peer, uint64_t size)
{
    return size > SLOW_PIECE_BYTES_MAX && peer_counters(peer)->long_bytes > UNREAD_BYTES_MAX;
}

/* What Kafka makes of a failed write (CoordinatorOperationExceptionHelper.java,
 * TransactionStateManager.appendTransactionToLog). */
static inline int16_t part_error_of_write(int16_t error_code)
{
    switch (error_code) {
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case ERROR_NOT_ENOUGH_REPLICAS:
    case ERROR_REQUEST_TIMED_OUT: return ERROR_COORDINATOR_NOT_AVAILABLE;
    case ERROR_NOT_LEADER_OR_FOLLOWER:
    case ERROR_FENCED_LEADER_EPOCH:
    case ERROR_UNKNOWN_LEADER_EPOCH:
    case ERROR_NOT_COORDINATOR:
    case ERROR_KAFKA_STORAGE_ERROR: return ERROR_NOT_COORDINATOR;
    default: return ERROR_UNKNOWN_SERVER_ERROR;
    }
}

#endif
