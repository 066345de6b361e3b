/* Idempotence: what a partition remembers of each producer (Kafka's ProducerStateManager.java,
 * ProducerStateEntry.java, ProducerAppendInfo.java; KIP-98, KIP-360).
 *
 * Per producer id: epoch, the last five batches, the last timestamp, and the first offset of an
 * open transaction. Entries of all partitions of a core come from one pool, found by one hash
 * table; a partition without producers costs sizeof(struct producer_state) only.
 *
 * Bounded memory. When the pool is full, the producer unused for longest on this core is forgotten
 * (never one with an open transaction or with batches that can still be rolled back). A forgotten
 * producer is to the partition what Kafka's expired one is: its next batch is accepted with any
 * sequence, and a repeat of an older batch is not recognised. Nothing left to forget:
 * PRODUCER_NO_ROOM.
 *
 * Rollback. State changes when a batch is appended, before its bytes are on the device. Each change
 * keeps the producer's former state in an undo record, until producer_state_settle says the batch
 * cannot fail any more. producer_state_truncate puts everything back. Undo records are bounded per
 * core too: when they run out, the partition gives up its oldest ones, and a truncation to before
 * that point returns PRODUCER_REBUILD: load the last snapshot and replay the log, as after a
 * restart.
 *
 * Not thread-safe; one pool per core; no allocation, no clock. Order of iteration is that of
 * arrival, the same in every run.
 */
#ifndef STORAGE_LOG_PRODUCER_STATE_H
#define STORAGE_LOG_PRODUCER_STATE_H

#include "storage/base/bytes.h"
#include "storage/log/producer_snapshot.h"
#include "storage/record/batch.h"

enum { PRODUCER_BATCHES = 5 };

struct producer_batch_mark {
    int64_t last_offset;
    int64_t timestamp_ms;
    int32_t last_sequence;
    int32_t offset_delta;
};

/* What is known of one producer in one partition. */
struct producer_values {
    int64_t producer_id;
    int64_t last_timestamp_ms;
    int64_t txn_first_offset; /* -1: none open. */
    int64_t marker_offset;    /* Of its last marker, while this process runs; -1: none. */
    int32_t coordinator_epoch;
    int16_t epoch;
    uint8_t batch_count;
    /* Nothing of it was ever taken; of what waits for the coordinator's word, or was refused,
     * batches[0].last_sequence is the lowest sequence, and epoch its epoch. Is never given out. */
    bool tentative;
    struct producer_batch_mark batches[PRODUCER_BATCHES]; /* Oldest first. */
};

struct producer_entry; /* In producer_state.c. */
struct producer_undo;

/* Memory for all producers of a core. */
struct producer_pool {
    struct producer_entry *entries; /* Borrowed. */
    struct producer_undo *undos;
    uint32_t *buckets;
    uint32_t bucket_mask;
    uint32_t entry_capacity;
    uint32_t undo_capacity;
    uint32_t entry_free;
    uint32_t undo_free;
    uint32_t entry_fresh; /* From here on never used, and their memory not touched. */
    uint32_t undo_fresh;
    uint32_t entry_used;
    uint32_t undo_used;
    uint32_t oldest; /* Ends of the list by last use. */
    uint32_t newest;
    uint32_t sweep;      /* Cursor of producer_pool_expire. */
    uint32_t states;     /* Gives each partition its number. */
    uint64_t evictions;  /* Producers forgotten for want of room. */
    uint64_t undos_lost; /* Undo records given up for want of room. */
};

/* One partition's producers. Must not move while it has any. */
struct producer_state {
    struct producer_pool *pool;
    uint32_t number; /* Names the partition in the hash table. */
    uint32_t first;  /* Its entries, in order of arrival. */
    uint32_t last;
    uint32_t count;      /* Of those with a batch or marker in the log. */
    uint32_t undo_first; /* Oldest undo record. */
    uint32_t undo_last;
    uint32_t open_first; /* Entries with an open transaction, by its first offset. */
    uint32_t open_last;
    int64_t undo_floor; /* Truncation at or above this offset needs no rebuild. */
    int64_t end_offset; /* State covers offsets below; the offset of the next snapshot. */
};

/* Bytes for a pool. */
size_t producer_pool_memory_bytes(uint32_t entry_capacity, uint32_t undo_capacity);

/* memory: that many bytes, aligned to 64, borrowed for good. */
void producer_pool_init(struct producer_pool *pool, void *memory, uint32_t entry_capacity,
                        uint32_t undo_capacity);

/* An empty state whose first batch will be at offset. */
void producer_state_init(struct producer_state *state, struct producer_pool *pool, int64_t offset);

/* Forgets everything and starts anew at offset; also before the partition goes away. */
void producer_state_clear(struct producer_state *state, int64_t offset);

enum producer_status {
    PRODUCER_OK,           /* Append it. */
    PRODUCER_DUPLICATE,    /* One of the last five: answer with the original's offsets. */
    PRODUCER_OUT_OF_ORDER, /* OUT_OF_ORDER_SEQUENCE_NUMBER */
    PRODUCER_STALE_EPOCH,  /* INVALID_PRODUCER_EPOCH */
    PRODUCER_TXN_STATE,    /* INVALID_TXN_STATE: plain batch inside an open transaction. */
    PRODUCER_UNVERIFIED,   /* Begins a transaction that the coordinator was not asked about. */
    PRODUCER_FENCED,       /* A marker of a coordinator that is not the last one. */
    PRODUCER_NO_ROOM,      /* No entry free and none to forget: a retriable error. */
    PRODUCER_REBUILD,      /* Only from producer_state_truncate. */
};

/* On PRODUCER_DUPLICATE. Whether the original is durable already is for the caller to find out. */
struct producer_duplicate {
    int64_t base_offset;
    int64_t last_offset;
    int64_t timestamp_ms; /* The batch's max timestamp. */
};

/* Judges a batch of a client before it is appended; changes nothing but the order of last use.
 * header has a producer id. A batch without sequence (a coordinator's) gets its epoch checked only.
 * *duplicate is set on PRODUCER_DUPLICATE. */
MUST_USE enum producer_status producer_state_check(struct producer_state *state,
                                                   const struct batch_header *header,
                                                   struct producer_duplicate *duplicate);

/* What the coordinator has said of a client's transactional batch (KIP-890). */
struct producer_verification {
    bool verified;    /* It is part of an ongoing transaction ... */
    int64_t asked_at; /* ... as of this end of the log; a marker behind it undoes that. */
    bool epoch_each;  /* Each transaction has an epoch of its own (version 2): a producer that
                         is not known here begins with sequence 0. */
};

/* Judges a transactional batch of a client for which producer_state_check said PRODUCER_OK.
 * PRODUCER_OK, or PRODUCER_UNVERIFIED: ask the coordinator, and come again; or
 * PRODUCER_TXN_STATE: its transaction ended meanwhile; or PRODUCER_OUT_OF_ORDER.
 * Of a producer not known here (without an epoch each) the lowest sequence is kept until something
 * of it is taken, as an entry that is forgotten like any other (VerificationStateEntry.java):
 * nothing behind it may be the first. now_ms: when that begins. */
MUST_USE enum producer_status
producer_state_verify(struct producer_state *state, const struct batch_header *header,
                      const struct producer_verification *verification, int64_t now_ms);

/* Judges a marker before it is appended (ProducerAppendInfo.checkProducerEpoch,
 * checkCoordinatorEpoch). epoch_each: version 2, where a marker's epoch is above that of the
 * transaction; an equal one may repeat a marker that was written. PRODUCER_OK,
 * PRODUCER_STALE_EPOCH, PRODUCER_FENCED or PRODUCER_NO_ROOM. */
MUST_USE enum producer_status producer_state_check_marker(struct producer_state *state,
                                                          const struct batch_header *header,
                                                          int32_t coordinator_epoch,
                                                          bool epoch_each);

/* Records a batch that was appended, or that is replayed from the log: no checks, as Kafka does for
 * replication. header carries its final base offset and max timestamp. A batch without producer id
 * only moves end_offset. Control batches: use producer_state_end_txn.
 * undo: true for appends that may still fail, false in replay.
 * PRODUCER_OK or PRODUCER_NO_ROOM; the latter cannot happen right after producer_state_check said
 * PRODUCER_OK for the same batch. */
MUST_USE enum producer_status producer_state_append(struct producer_state *state,
                                                    const struct batch_header *header, bool undo);

/* The same of a batch without producer. */
static inline void producer_state_pass(struct producer_state *state,
                                       const struct batch_header *header)
{
    state->end_offset = batch_last_offset(header) + 1;
}

/* Records a commit or abort marker at header->base_offset. PRODUCER_OK or PRODUCER_NO_ROOM. */
MUST_USE enum producer_status producer_state_end_txn(struct producer_state *state,
                                                     const struct batch_header *header,
                                                     int32_t coordinator_epoch,
                                                     int64_t timestamp_ms, bool undo);

/* Batches below offset cannot fail any more: their undo records are freed. */
void producer_state_settle(struct producer_state *state, int64_t offset);

/* Takes back every batch whose base offset is at or above offset. PRODUCER_OK, or PRODUCER_REBUILD
 * when undo records for it are gone: then the state is cleared. */
MUST_USE enum producer_status producer_state_truncate(struct producer_state *state, int64_t offset);

/* First offset of the oldest open transaction, or -1. */
int64_t producer_state_first_open_txn(const struct producer_state *state);

/* The same as it was when the log ended at offset, to which it may still be truncated: a
 * transaction whose marker lies behind is open. The bound of the last stable offset. */
int64_t producer_state_first_open_txn_at(const struct producer_state *state, int64_t offset);

/* The values of one producer; false when it is not known. */
MUST_USE bool producer_state_find(const struct producer_state *state, int64_t producer_id,
                                  struct producer_values *values);

/* Walks the producers: *cursor starts at 0; false at the end. No changes meanwhile. */
MUST_USE bool producer_state_next(const struct producer_state *state, uint32_t *cursor,
                                  struct producer_values *values);

/* Snapshot of the state: at offset end_offset, producer_snapshot_bytes(state->count) bytes. Changes
 * that are not settled are in it: take it when nothing is in flight, or name it by end_offset and
 * keep it only if the log gets there. */
void producer_state_export(const struct producer_state *state, uint8_t *to);

/* Adds one producer of a snapshot (a state that is already known is replaced). */
MUST_USE enum producer_status producer_state_load(struct producer_state *state,
                                                  const struct producer_snapshot_entry *entry);

/* Puts a producer there as it was in another state (as producer_state_next gave it out): for a
 * partition that moves from recovery to its core. PRODUCER_OK or PRODUCER_NO_ROOM. */
MUST_USE enum producer_status producer_state_restore(struct producer_state *state,
                                                     const struct producer_values *values);

/* True when a producer with that last timestamp has expired (producer.id.expiration.ms); open
 * transactions never expire. Snapshots are filtered by it when loaded, as in Kafka. */
static inline bool producer_expired(int64_t last_timestamp_ms, int64_t txn_first_offset,
                                    int64_t now_ms, int64_t expiration_ms)
{
    /* Timestamps are the clients': the difference may wrap, as it does in Java. */
    return txn_first_offset < 0 &&
           (int64_t)((uint64_t)now_ms - (uint64_t)last_timestamp_ms) >= expiration_ms;
}

/* Looks at the next `budget` places of the pool and forgets expired producers that have nothing to
 * roll back. Returns how many were forgotten. */
uint32_t producer_pool_expire(struct producer_pool *pool, int64_t now_ms, int64_t expiration_ms,
                              uint32_t budget);

/* Checks the whole pool; for tests and checked builds. */
bool producer_pool_invariants(const struct producer_pool *pool);

#endif
