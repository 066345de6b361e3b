/* A compacted partition on the rig, and the naive model it is held against: of each key the last
 * record is there, offsets keep their order, nothing that was not cleaned is touched. */
#ifndef TESTS_STORAGE_LOG_CLEAN_MODEL_H
#define TESTS_STORAGE_LOG_CLEAN_MODEL_H

#include "storage/log/clean.h"
#include "tests/storage/log/rig.h"

enum { CLEAN_OFFSETS_MAX = 8192, CLEAN_KEYS_MAX = 64 };

/* What was appended, by offset. */
struct clean_told {
    int64_t number; /* 0: nothing. */
    uint32_t record;
    uint32_t key;
    bool tombstone;
    bool acknowledged;
};

struct clean_run {
    struct rig rig;
    struct random random;
    struct clean_told told[CLEAN_OFFSETS_MAX];
    int64_t end; /* Behind what was acknowledged. */
    int32_t sequence;
};

/* What can be read. */
struct clean_there {
    bool record[CLEAN_OFFSETS_MAX];
    bool marker[CLEAN_OFFSETS_MAX];
    bool batch[CLEAN_OFFSETS_MAX]; /* One ends with this offset. */
    uint32_t batches;
    uint32_t records;
    uint32_t empty_batches;
    uint32_t horizons;
};

struct rig_options clean_options(uint64_t seed);
void clean_run_begin(struct clean_run *run, const struct rig_options *options);

/* A batch without an answer may stand where the log ended. */
const struct rig_append *clean_tell(struct clean_run *run, const struct rig_batch *batch);
/* A random batch, of an idempotent producer or none. */
void clean_tell_something(struct clean_run *run, uint32_t keys);

/* Reads all of it, as a consumer does. */
void clean_read_everything(struct clean_run *run, struct clean_there *there);
/* Of each key the last acknowledged record is there; behind the cleaned point all, where it is
 * known. tombstones: they are still to be there. */
void clean_check(struct clean_run *run, bool tombstones, bool compacted, struct clean_there *there);
/* Segments that are not written to satisfy Kafka's tool. */
void clean_check_files(struct rig *rig);

bool clean_running(const struct rig *rig);
/* Until nothing is dirty that may be cleaned. */
void clean_wait(struct rig *rig);

#endif
