/* Consume, transform, produce: a member of a classic group and a transactional writer that belong
 * together, as in an application that wants everything exactly once.
 *
 * The member owns partitions of the first topic and asks, as its generation begins, for offsets
 * that no open transaction may change any more. The writer writes for each record from there on, as
 * far as committed readers have been handed them, one into the second topic's partition of that
 * index, and commits the offsets behind them in the same transaction, for the member and generation
 * it began with. Neither waits for the other: a generation may end, and another member go on, while
 * a transaction of the old one is open. The book's history says what must come of it.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_MOVER_H
#define TESTS_SIM_SIM_MOVER_H

#include "tests/sim/sim_work.h"

enum { MOVE_RECORDS_MAX = 4, MOVE_MEMBER_ID_BYTES = 96 };

/* One transaction's part. */
struct move {
    int32_t generation;
    uint8_t member_id[MOVE_MEMBER_ID_BYTES];
    uint32_t member_id_bytes;
    uint32_t inputs[BOOK_MOVES][MOVE_RECORDS_MAX]; /* Records. */
    uint32_t counts[BOOK_MOVES];
    int64_t next[BOOK_MOVES]; /* To be committed. */
};

struct mover {
    struct move now; /* Of the open transaction; before it, of the member. */
    bool busy;       /* One is open. */
    bool in;
    int32_t generation;
    uint8_t member_id[MOVE_MEMBER_ID_BYTES];
    uint32_t member_id_bytes;
    char instance[16]; /* Empty: none. */
    uint32_t owned;
    int64_t positions[BOOK_MOVES]; /* -1: unknown. */
};

struct mover *mover_create(void);

/* A generation began; owned: bit per partition. */
void mover_assigned(struct mover *mover, int32_t generation, struct bytes member_id,
                    struct bytes instance, uint32_t owned);
void mover_out(struct mover *mover);
/* A partition whose offset is to be asked for; BOOK_MOVES: none. */
uint32_t mover_unknown(const struct mover *mover);
/* offset -1: none is committed. */
void mover_position(struct mover *mover, uint32_t partition, int64_t offset);

/* Something to move; false: there is nothing, or it is nobody's. */
bool mover_begin(struct mover *mover, const struct book *book, struct random *random);
void mover_done(struct mover *mover, bool committed);
/* TxnOffsetCommit of what is moved; `by` has the producer. */
void mover_offsets_send(struct actor *actor, const struct mover *mover, struct bytes tid,
                        const struct txn_offset_commit_request *by, int16_t version,
                        uint64_t cookie);
/* The worst error of the answer. */
int16_t mover_offsets_take(const struct flight *flight, struct reader *reader);
/* Its member has lost its place: the transaction is to be aborted. */
bool mover_is_fenced(int16_t error);

#endif
