/* The coordinator of transactions: one partition of __transaction_state and the ids that live in
 * it.
 *
 * A pure step as group_step in control/group/group.h, with the same rules: an event in, an update
 * out; a step takes effect at once; replies leave, and markers are written, when the update's
 * records and all before them are durable; a failed append throws the coordinator away.
 *
 * States, fencing and errors are Kafka's, with and without transaction.version 2 (KIP-890): see
 * TransactionCoordinator.scala, TransactionMetadata.java. State lives on the heap; one thread.
 */
#ifndef CONTROL_TXN_TXN_H
#define CONTROL_TXN_TXN_H

#include "control/arena.h"
#include "dataplane/kafka/messages.h"

struct txn_coordinator;

/* Borrowed for the life of the coordinator; may change between steps. */
struct txn_settings {
    int32_t timeout_ms_max;   /* transaction.max.timeout.ms */
    int64_t id_expiration_ms; /* transactional.id.expiration.ms */
    int16_t version;          /* The level at which transaction.version is finalised. */
};

enum txn_event_kind {
    /* Requests; what they say is a decoded struct. */
    TXN_INIT,
    TXN_ADD_PARTITIONS, /* One transaction's part; up to version 3 the caller makes it one. */
    TXN_ADD_OFFSETS,
    TXN_END,
    TXN_DESCRIBE, /* One id of the request. */
    TXN_LIST,     /* This coordinator's part of the answer. */
    /* No requests; no reply bears their token. */
    TXN_MARKERS_WRITTEN, /* All of one transaction. */
    TXN_TIME,            /* Transactions that take too long are aborted; every 10 seconds. */
    TXN_EXPIRE,          /* Ids that nobody uses go; every hour. */
    TXN_RESUME,          /* All is replayed, or time passed in which nobody could be heard. */
};

/* What the caller knows of a topic that a request names, in the request's order. */
struct txn_topic {
    int32_t partition_count;
    int16_t error_code; /* Not 0: its partitions get it. */
};

/* All borrowed until txn_step returns. */
struct txn_event {
    enum txn_event_kind kind;
    int64_t wall_ms;
    /* Of requests. */
    uint64_t token;
    int16_t version;
    int64_t fresh_producer_id;      /* That nobody had; see producer_id_used. */
    const struct txn_topic *topics; /* NULL: not asked for. */
    union {
        const struct init_producer_id_request *init;
        const struct add_partitions_to_txn_request_transaction *add;
        struct {
            const struct add_offsets_to_txn_request *request;
            int32_t partition; /* Of __consumer_offsets, where the group lies. */
        } add_offsets;
        const struct end_txn_request *end;
        struct bytes described;
        struct {
            const struct list_transactions_request *request;
            const int64_t *producer_ids; /* Of its filter, in their order. */
            /* Of the request's pattern; NULL: takes all. */
            bool (*matches)(const void *pattern, struct bytes transactional_id);
            const void *pattern;
        } list;
        struct {
            struct bytes transactional_id;
            int64_t producer_id;
            int16_t producer_epoch;
        } written;
    };
};

/* Key and value as they stand in the log. */
struct txn_record {
    struct bytes key;
    struct bytes value; /* ptr NULL: a tombstone. */
};

/*     INIT            init_producer_id_response
 *     ADD_PARTITIONS  add_partitions_to_txn_response_transaction
 *     ADD_OFFSETS     add_offsets_to_txn_response
 *     END             end_txn_response
 *     DESCRIBE        describe_transactions_response_transaction
 *     LIST            list_transactions_response
 */
struct txn_reply {
    uint64_t token;
    enum txn_event_kind kind;
    int16_t version;
    void *answer;
};

struct txn_place {
    struct bytes topic;
    int32_t partition;
};

/* To be written into each place; then TXN_MARKERS_WRITTEN. Asked for again after a replay. */
struct txn_marker {
    struct bytes transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    int16_t version; /* 2: the marker's epoch is above that of the batches it ends. */
    bool committed;
    const struct txn_place *places;
    uint32_t place_count;
};

/* Everything lives in the arena, which is the caller's. */
struct txn_update {
    struct arena *arena;
    struct txn_record *records;
    uint32_t record_count;
    uint32_t record_capacity;
    struct txn_marker *markers;
    uint32_t marker_count;
    uint32_t marker_capacity;
    struct txn_reply reply; /* At most one; has_reply tells. */
    bool has_reply;
    bool producer_id_used; /* The fresh one has an owner now. */
};

enum txn_replay_status {
    TXN_REPLAYED,
    TXN_UNKNOWN, /* A type we do not know: left out, as Kafka does. */
    TXN_CORRUPT,
};

/* hash_seed: secret from clients. */
struct txn_coordinator *txn_coordinator_new(const struct txn_settings *settings,
                                            uint64_t hash_seed);
void txn_coordinator_free(struct txn_coordinator *coordinator);

/* Empties *update, then fills it. */
void txn_step(struct txn_coordinator *coordinator, const struct txn_event *event,
              struct txn_update *update);

/* One record of the log, in the log's order; before the first step. TXN_RESUME comes after the
 * last. value.ptr NULL: a tombstone. */
MUST_USE enum txn_replay_status txn_replay(struct txn_coordinator *coordinator, struct bytes key,
                                           struct bytes value);

/* As in the records. */
enum txn_state {
    TXN_EMPTY = 0,
    TXN_ONGOING = 1,
    TXN_PREPARE_COMMIT = 2,
    TXN_PREPARE_ABORT = 3,
    TXN_COMPLETE_COMMIT = 4,
    TXN_COMPLETE_ABORT = 5,
    TXN_STATES,
};

/* Kafka's names. */
static inline const char *txn_state_name(enum txn_state state)
{
    static const char *const names[TXN_STATES] = {
        "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"};
    return names[state];
}

struct txn_counts {
    uint32_t states[TXN_STATES]; /* Ids in each. */
    uint64_t started;
    uint64_t committed; /* Complete, markers and all. */
    uint64_t aborted;   /* Likewise, for whatever reason. */
    uint64_t timeouts;  /* Aborts of what took too long. */
    uint64_t expired;   /* Ids. */
};
struct txn_counts txn_coordinator_counts(const struct txn_coordinator *coordinator);

/* Its transaction is decided, and its markers are not all written. */
bool txn_coordinator_ends(const struct txn_coordinator *coordinator, struct bytes transactional_id);

uint32_t txn_coordinator_count(const struct txn_coordinator *coordinator);

/* Ends the process where the state contradicts itself. */
void txn_coordinator_invariants(const struct txn_coordinator *coordinator);

#endif
