/* Transactions as the batches of a log tell them, to be held against what the engine says. */
#ifndef TESTS_STORAGE_LOG_RIG_MODEL_H
#define TESTS_STORAGE_LOG_RIG_MODEL_H

#include "tests/storage/log/rig.h"

/* What the batches say of transactions. */
struct txn_model {
    struct {
        int64_t producer_id;
        int64_t first_offset;
    } open[64];
    uint32_t open_count;
    struct aborted_txn aborted[RIG_APPENDS];
    uint32_t aborted_count;
};

/* Cleared by the caller; every batch of the log in order. */
void model_batch(struct txn_model *model, const struct batch_header *header, struct bytes batch);

/* All up to the high watermark were told. */
void model_check(const struct txn_model *model, const struct partition *p);

#endif
