/* What the halves of `millrace log verify` share: what was found, and the checks of small files. */
#ifndef TOOLS_LOG_VERIFY_H
#define TOOLS_LOG_VERIFY_H

#include <jansson.h>

#include "storage/log/checkpoint_files.h"
#include "storage/log/segment_name.h"
#include "tools/batch_records.h"
#include "tools/log_files.h"
#include "tools/progress.h"

enum { VERIFY_EPOCHS_MAX = 1024 };

/* Where an epoch's first batch stands. */
struct verify_epoch {
    int32_t epoch;
    int64_t first_offset;
};

/* What a walk over directories found. */
struct verify {
    bool gaps_allowed; /* Of compacted topics. */
    uint64_t partitions;
    uint64_t segments;
    uint64_t batches;
    uint64_t records;
    uint64_t bytes; /* Of batches. */
    uint64_t zero_bytes;
    uint64_t problems; /* Files with one: only the first of a file is told. */
    uint64_t warnings;
    json_t *told; /* Of -o json, else NULL. */
    json_t *warned;
    struct batch_records inflated;
    struct progress progress;
    char told_path[LOG_PATH_BYTES]; /* The file whose problem was told last. */
    /* Of the partition at hand: */
    int64_t next_offset; /* -1: any. */
    int32_t leader_epoch;
    struct verify_epoch epochs[VERIFY_EPOCHS_MAX];
    uint32_t epoch_count;
    struct checkpoint_epoch filed[VERIFY_EPOCHS_MAX]; /* Of its leader-epoch-checkpoint. */
    char zeros_path[LOG_PATH_BYTES]; /* The segment that ended in zeros, "" none. */
    int64_t zeros_position;
};

/* Tells of what recovery would have to repair, or could not. position: of the byte where it
 * starts. */
__attribute__((format(printf, 4, 5))) void
verify_problem(struct verify *found, const char *path, int64_t position, const char *format, ...);

/* Tells of what a start repairs by itself without loss. */
__attribute__((format(printf, 4, 5))) void
verify_warning(struct verify *found, const char *path, int64_t position, const char *format, ...);

/* tools/log_verify_index.c: files beside a .log; the partition's .log files come first for the
 * checkpoint of epochs. */
void verify_index(struct verify *verify, const char *path, struct bytes file, int64_t base_offset);
void verify_time_index(struct verify *verify, const char *path, struct bytes file,
                       int64_t base_offset);
void verify_snapshot(struct verify *verify, const char *path, struct bytes file, int64_t offset);
void verify_producers(struct verify *verify, const char *path, struct bytes file, int64_t offset);
void verify_txn_index(struct verify *verify, const char *path, struct bytes file);
void verify_small_file(struct verify *verify, const char *path, struct bytes file);

#endif
