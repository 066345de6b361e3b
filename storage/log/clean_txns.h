/* Which transactions a compaction meets, and when their markers may go (Kafka's
 * CleanedTransactionMetadata): records of an aborted one go at once, its marker and its .txnindex
 * entry stay until no batch of it is left. Batches come in the order of their offsets.
 *
 * Allocates; not for a core. One thread at a time.
 */
#ifndef STORAGE_LOG_CLEAN_TXNS_H
#define STORAGE_LOG_CLEAN_TXNS_H

#include "storage/log/aborted.h"
#include "storage/record/batch.h"

/* A growing array of them. */
struct clean_aborted_list {
    struct aborted_txn *at;
    uint32_t count;
    uint32_t capacity;
};

/* A transaction that a batch was seen of, or that is known to have been aborted. */
struct clean_open_txn {
    struct aborted_txn entry; /* Of an aborted one; else its producer's id only. */
    bool aborted;
    bool seen; /* A batch of it. */
};

struct clean_txns {
    struct clean_aborted_list known; /* By first offset; clean_txns_sort. */
    struct clean_aborted_list kept;  /* Whose markers stay: the next .txnindex. */
    uint32_t next;
    int64_t from; /* Transactions that ended before do not count. */
    struct clean_open_txn *open;
    uint32_t open_count;
    uint32_t open_capacity;
    bool no_memory; /* Whatever was decided since is worth nothing. */
};

/* False: no memory. */
MUST_USE bool clean_aborted_add(struct clean_aborted_list *list, const struct aborted_txn *entry);
/* All of known is there: a walk begins at offset from. */
void clean_txns_begin(struct clean_txns *txns, int64_t from);
void clean_txns_free(struct clean_txns *txns);

/* A batch of records: true when its transaction was aborted. */
bool clean_txns_batch(struct clean_txns *txns, const struct batch_header *header);
/* A control batch of that type (record.h; negative: it has no record left): true when nothing needs
 * it. */
bool clean_txns_marker(struct clean_txns *txns, const struct batch_header *header, int type);

#endif
