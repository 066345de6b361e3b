/* One partition while it is recovered. Internal to storage/log; blocking: not for cores. */
#ifndef STORAGE_LOG_RECOVERY_STATE_H
#define STORAGE_LOG_RECOVERY_STATE_H

#include "storage/base/text.h"
#include "storage/log/index_format.h"
#include "storage/log/recovered.h"
#include "storage/log/recovery.h"
#include "storage/log/recovery_scan.h"
#include "storage/log/segment_name.h"

enum {
    SCAN_BUFFER_BYTES = 1 << 20,
    PRODUCERS_MAX = 1 << 16, /* Of one partition, while it is recovered. */
    INDEX_INTERVAL_BYTES = 4096,
    SNAPSHOT_BYTES_MAX = 64 << 20,
    MARKS_BYTES_MAX = 192 << 20,
};

struct offsets {
    int64_t *at;
    uint32_t count;
    uint32_t capacity;
};

struct buffer {
    uint8_t *at;
    uint32_t len;
    uint32_t capacity;
};

struct recovery {
    struct file_system *fs;
    const struct data_directory *directory;
    struct recovered_partition *out;
    struct recovery_report *report;
    char path[PATH_BYTES]; /* Of the partition; files are appended for each use. */
    size_t path_bytes;
    struct offsets logs;
    struct offsets snapshots;
    struct offsets indexes;         /* Of any kind. */
    struct offsets marks;           /* .producers files. */
    struct segment_name *leftovers; /* Names with a second suffix. */
    uint32_t leftover_count;
    uint32_t leftover_capacity;
    bool has_sidecar;
    bool names_changed;
    int64_t trusted;     /* Batches before this offset were durable and right; -1: none. */
    int64_t replay_from; /* Batches from here on change producers and epochs. */
    struct producer_pool pool;
    void *pool_memory;
    struct producer_state producers;
    struct epoch_cache epochs;
    struct pool epoch_pool;
    void *epoch_memory;
    uint8_t *scan_buffer;
    struct buffer offset_index; /* Of the segment being scanned: entries to write. */
    struct buffer time_index;
    int error;
};

/* Paths in the partition; valid until the next. */
const char *recovery_file_path(struct recovery *r, const char *name);
const char *recovery_segment_path(struct recovery *r, int64_t base, enum segment_file file);
const char *recovery_directory_path(struct recovery *r);

/* Keeps the first error. */
void recovery_note(struct recovery *r, int error);

bool recovery_offsets_add(struct offsets *offsets, int64_t offset);
bool recovery_leftover_add(struct recovery *r, struct segment_name name);
bool recovery_buffer_add(struct buffer *buffer, const uint8_t *from, uint32_t len);
int recovery_by_offset(const void *a, const void *b);
int64_t recovery_size_of(struct recovery *r, const char *path);

/* The whole file, to be freed; NULL when it cannot be had. */
uint8_t *recovery_read_whole(struct recovery *r, const char *path, uint64_t max, uint32_t *len);

/* recovery_state.c: the mark, the leader epochs, the producers to start from. */
void recovery_read_sidecar(struct recovery *r);
void recovery_default_sidecar(struct recovery *r);
/* The mark on disk is wrong: durably it says nothing any more but where the log starts, which
 * nothing else there says. */
void recovery_forget_mark(struct recovery *r, int64_t log_start);
void recovery_read_epochs(struct recovery *r);
void recovery_make_producers(struct recovery *r);
void recovery_start_producers(struct recovery *r);
bool recovery_log_exists(const struct recovery *r, int64_t base);
/* A walk of a segment's batches, from its start. 0, or -errno: nothing is open. */
int recovery_scan_open(struct recovery *r, const char *path, int64_t base, uint64_t file_bytes,
                       struct scan *scan);
/* To the end, with CRCs, and closes. Its position and window.error tell how far it came. */
void recovery_scan_all(struct recovery *r, struct scan *scan);

/* recovery_index.c: indexes of the segment being scanned. */
struct segment_scan {
    struct recovered_segment *segment;
    uint32_t index_bytes_since;
    int64_t time_last_ms;
    uint32_t index_first; /* Entries in the files that stay. */
    uint32_t time_first;
};
void recovery_note_index(struct recovery *r, struct segment_scan *at, const struct scan *scan);
void recovery_write_indexes(struct recovery *r, struct segment_scan *at, bool last);
bool recovery_index_right(struct recovery *r, int64_t base, uint32_t size, uint32_t entries,
                          uint32_t time_entries, int64_t *last_ms);
bool recovery_take_on_trust(struct recovery *r, struct recovered_segment *s, uint32_t size);

/* recovery_aborted.c: the aborted transactions, from .txnindex files and from the log. */
/* Those that the mark vouches for; a mark whose files are not right is dropped. */
void recovery_read_aborted(struct recovery *r);
/* Those at or behind offset are found in the log. */
void recovery_cut_aborted(struct recovery *r, int64_t offset);
void recovery_note_aborted(struct recovery *r, const struct aborted_txn *txn);
/* Those of the segment [base, end). */
void recovery_write_txn_index(struct recovery *r, int64_t base, int64_t end, bool durable);

/* recovery_partition.c: the files of a segment. */
void recovery_remove_segment(struct recovery *r, int64_t base);

/* recovery_swap.c: finishes what a crash of Kafka's left of a compaction. False: nothing to do;
 * else the names in the directory are others now. Logs are listed and sorted before. */
bool recovery_finish_swaps(struct recovery *r);

#endif
