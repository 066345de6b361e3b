/* Aborted transactions of a partition: what a read_committed consumer must be told (KIP-98), and
 * the entries of .txnindex files (Kafka's AbortedTxn.java, TransactionIndex.java).
 *
 * All of a partition's are in memory, in the order of their markers, in chunks of one bounded pool
 * of the core. Checkpoints write those of a segment to its .txnindex, a start reads them back; what
 * stands behind the mark is found in the log anew.
 *
 * Pure; not thread-safe, but a job may read chunks of entries that are there already while others
 * are added behind them.
 */
#ifndef STORAGE_LOG_ABORTED_H
#define STORAGE_LOG_ABORTED_H

#include "storage/base/bytes.h"
#include "storage/base/pool.h"

enum { TXN_INDEX_ENTRY_BYTES = 34, ABORTED_CHUNK_ENTRIES = 31 };

struct aborted_txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;        /* The marker's. */
    int64_t last_stable_offset; /* Where the last stable offset went with it. */
};

struct aborted_chunk {
    struct aborted_chunk *next;
    struct aborted_txn entries[ABORTED_CHUNK_ENTRIES];
};

struct aborted_list {
    struct pool *pool; /* Of struct aborted_chunk. */
    struct aborted_chunk *first;
    struct aborted_chunk *last;
    uint32_t count; /* Every chunk but the last is full. */
};

void aborted_init(struct aborted_list *list, struct pool *pool);
void aborted_clear(struct aborted_list *list);

/* True when one more finds room. */
bool aborted_has_room(const struct aborted_list *list);

/* Adds one at the end: its last_offset is above all others'. False: no room. */
MUST_USE bool aborted_add(struct aborted_list *list, const struct aborted_txn *txn);

/* Takes back those whose marker is at or above offset. Returns how many. */
uint32_t aborted_truncate(struct aborted_list *list, int64_t offset);

/* Frees what lies below offset, as far as whole chunks do. */
void aborted_forget(struct aborted_list *list, int64_t offset);

/* Of those whose marker is in [from, end) only the kept stay, which are some of them, in order. A
 * job that reads entries of other markers may go on. */
void aborted_keep(struct aborted_list *list, int64_t from, int64_t end,
                  const struct aborted_txn *kept, uint32_t count);

/* Those that a reader of [from, upper) must know: marker at or above from, first offset below
 * upper. Writes at most capacity of them; returns how many there are. */
uint32_t aborted_find(const struct aborted_list *list, int64_t from, int64_t upper,
                      struct aborted_txn *to, uint32_t capacity);

/* The chunk and the place in it of entry number `at`, which is less than count. */
const struct aborted_chunk *aborted_chunk_at(const struct aborted_list *list, uint32_t at,
                                             uint32_t *place);

void txn_index_write(uint8_t to[TXN_INDEX_ENTRY_BYTES], const struct aborted_txn *txn);
struct aborted_txn txn_index_read(const uint8_t from[TXN_INDEX_ENTRY_BYTES]);

/* True when the file is whole entries that make sense for a segment of [base, end): version 0,
 * markers in it and growing, no transaction that begins behind its marker. */
bool txn_index_right(struct bytes file, int64_t base, int64_t end);

#endif
