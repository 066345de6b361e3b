/* A ledger: one partition of an internal topic, as a coordinator keeps its state there.
 *
 * It is read from its start to its end (H17), record by record into the coordinator, and is ready
 * then. What the coordinator's steps produce is staged as entries, in the order of the steps: the
 * records of many become one batch, one batch is on its way at a time, and an entry is settled when
 * its records and those of all entries before it are durable; then its replies may leave. When an
 * append fails, all entries that are not settled get the error, and the ledger is away: whoever
 * keeps the coordinator throws it away and loads anew. An entry of more records than a batch holds
 * (a group's offsets that expire, say) goes in several, as what Kafka writes non-atomically; only
 * one record that is larger than a batch fails.
 *
 * It knows nothing of groups or transactions: struct ledger_user is what is on top.
 * Threads: the control loop's.
 */
#ifndef CONTROL_SERVE_LEDGER_H
#define CONTROL_SERVE_LEDGER_H

#include "control/arena.h"
#include "control/call.h"
#include "storage/record/record.h"

struct ledger;

enum ledger_state {
    LEDGER_AWAY,
    LEDGER_LOADING,
    LEDGER_READY,
};

/* What a step has produced. Heap; whoever has it last frees it with ledger_entry_free. */
struct ledger_entry {
    struct list_node node;
    struct arena arena; /* Holds all below. */
    const struct ledger_record *records;
    uint32_t record_count;
    uint32_t sent_count; /* Of these, in the log already: the entry is larger than a batch. */
    int64_t producer_id; /* Not -1: the records are a transactional batch of this producer. */
    int16_t producer_epoch;
    int64_t wall_ms; /* Time of the records. */
    void *replies;   /* The user's. */
    uint32_t reply_count;
    /* Not empty: in place of records a marker's batch, which is appended as it stands. */
    struct bytes marker;
    int16_t marker_version; /* transaction.version of who drives the transaction. */
    void *marker_owner;     /* The user's. */
};

struct ledger_record {
    struct bytes key;
    struct bytes value; /* ptr NULL: a tombstone. */
};

struct ledger_user {
    /* A record that is read; producer_id is that of a transactional batch, else -1. */
    void (*replay)(void *owner, struct bytes key, struct bytes value, int64_t producer_id);
    /* The end of a transaction. */
    void (*replay_marker)(void *owner, int64_t producer_id, bool committed);
    /* All is read: the ledger is ready. */
    void (*loaded)(void *owner);
    /* The entry is durable, or has failed with an error of Kafka's. Given. A marker that is refused
       for its epochs fails alone. */
    void (*settle)(void *owner, struct ledger_entry *entry, int16_t error_code);
    /* The ledger is away, with its error: a read or an append has failed. */
    void (*lost)(void *owner, int16_t error_code);
};

struct ledger {
    struct calls *calls;
    const struct ledger_user *user;
    void *owner;
    struct partition_id id;
    int32_t leader_epoch;
    enum ledger_state state;
    /* Reading. */
    struct call read;
    int64_t next_offset;
    uint8_t *part; /* Bytes of batches that are not whole yet. */
    uint32_t part_len;
    uint32_t part_capacity;
    void *inflate; /* Of batches that Kafka has compressed. */
    void *inflated;
    uint64_t replayed_records;
    uint32_t losses; /* In a row: no append has succeeded since. */
    /* Appending. */
    struct call append;
    bool appending;
    uint8_t *batch;
    uint32_t batch_capacity;
    uint32_t batch_bytes_max; /* Of batches of several entries. */
    struct list staged;
    struct list flying;
    uint32_t cut_count; /* Of the first staged entry, which is larger than a batch: its records up
                           to here are in the log or fly. 0: nothing like that flies. */
    uint64_t appends;
};

void ledger_init(struct ledger *ledger, struct calls *calls, const struct ledger_user *user,
                 void *owner);
/* Frees what it holds; entries that are not settled go without a word. No call may be out: a
 * session's end has forgotten them, or there are none. */
void ledger_free(struct ledger *ledger);

/* Starts reading. The ledger is away. */
void ledger_load(struct ledger *ledger, const struct partition_id *id, int32_t leader_epoch);

/* Gives up: entries are settled with the error, and the ledger is away; lost is not called. No call
 * is out. */
void ledger_fail(struct ledger *ledger, int16_t error_code);

/* For how long who has lost the ledger, with that error, waits before it is loaded anew: all of the
 * partition is read each time, for nothing where its device is full. */
uint64_t ledger_pause_ns(const struct ledger *ledger, int16_t error_code);

/* What clients hear while it is led and not ready. */
int16_t ledger_unready_error(const struct ledger *ledger);

/* The session is over, and its calls are forgotten: away, and nobody is told of entries. */
void ledger_drop(struct ledger *ledger);

struct ledger_entry *ledger_entry_new(void);
void ledger_entry_free(struct ledger_entry *entry);

/* The next entry, given. The ledger is ready. */
void ledger_stage(struct ledger *ledger, struct ledger_entry *entry);
/* Settles what waits for nothing. True: there are records, and no batch is out. */
MUST_USE bool ledger_would_send(struct ledger *ledger);
/* Then: sends one batch of what is staged. */
void ledger_send(struct ledger *ledger);
static inline void ledger_turn(struct ledger *ledger)
{
    if (ledger_would_send(ledger)) {
        ledger_send(ledger);
    }
}

/* Nothing is staged or out. */
static inline bool ledger_idle(const struct ledger *ledger)
{
    return !ledger->appending && list_empty(&ledger->staged);
}

#endif
