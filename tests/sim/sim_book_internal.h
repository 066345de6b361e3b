/* Of sim_book.c and sim_book_groups.c. */
#ifndef TESTS_SIM_SIM_BOOK_INTERNAL_H
#define TESTS_SIM_SIM_BOOK_INTERNAL_H

#include "tests/history/history.h"
#include "tests/sim/sim_book.h"
#include "tests/sim/sim_world.h"

enum { BOOK_GENERATIONS_MAX = 512, BOOK_INITS_MAX = 2048 };

struct book_record {
    uint32_t writer;
    uint32_t partition;
    uint32_t txn;
    int32_t key;
    uint32_t made_of; /* Record; 0: none. */
    uint32_t input;   /* In the history; 0: none. */
    bool tombstone;
    bool acked;
    bool seen_last; /* In the last audit. */
    int64_t offset; /* Acknowledged. */
    uint64_t acked_ns;
    int64_t acked_wall_ms;
    int64_t read_offset;
    uint32_t read_cuts;
    uint32_t read_passes[2]; /* By anybody, under read_committed. */
};

/* What a committed reader was handed of a partition, each once, in order. */
struct book_feed {
    uint32_t *records;
    uint32_t count;
};

enum txn_state {
    TXN_OPEN,
    TXN_COMMITTING, /* Asked for; whether it is done nobody knows. */
    TXN_COMMITTED,
    TXN_ABORTED, /* Asked for, or given up before a commit was: it must never be seen. */
};

struct book_txn {
    uint32_t tid;
    enum txn_state state;
    bool fickle;
    bool over; /* Its producer does no more for it. */
    uint64_t end_acked_ns;
    int64_t first_offsets[BOOK_PARTITIONS]; /* Acknowledged; -1 none. */
};

struct book_init {
    int64_t producer_id;
    int16_t epoch;
    uint64_t acked_ns;
};

struct book_tid {
    struct book_init inits[BOOK_INITS_MAX];
    uint32_t init_count;
};

enum commit_state { COMMIT_SENT, COMMIT_ACKED, COMMIT_REFUSED };

struct book_commit {
    enum commit_state state;
    uint32_t txn;
    uint64_t sent_ns;
    uint64_t done_ns; /* Acknowledged, or seen. */
    bool seen;
    uint32_t seen_cuts;
};

struct book_commits {
    struct book_commit *items;
    uint32_t count;
};

struct book_generation {
    int32_t generation;
    uint64_t first_ns;               /* When its first assignment arrived. */
    uint8_t owners[BOOK_PARTITIONS]; /* Member + 1; 0 nobody. */
};

struct book {
    struct world *world;
    struct history *history; /* Its values are our records; its transactions ours. */
    struct book_topic topics[BOOK_TOPICS];
    bool found;
    bool winding_up;
    bool calm;
    uint64_t fresh_ns;
    struct book_record *records; /* By number. */
    uint32_t record_count;
    struct book_txn *txns;
    uint32_t txn_count;
    uint32_t passes;
    struct book_feed feeds[BOOK_MOVES];
    bool inputs_told; /* To the history. */
    int64_t stable[BOOK_PARTITIONS];
    uint32_t stable_cuts[BOOK_PARTITIONS];
    struct book_tid tids[BOOK_TIDS];
    struct book_commits commits[BOOK_GROUPS][BOOK_PARTITIONS];
    struct book_generation generations[BOOK_GROUPS][BOOK_GENERATIONS_MAX];
    uint32_t generation_count[BOOK_GROUPS];
    struct book_member *members[BOOK_MEMBERS];
    uint32_t member_count;
};

/* Grows an array by one item, zeroed. */
void *book_grow(void *items, uint32_t count, size_t size);

#endif
