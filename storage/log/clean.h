/* Compaction: of each key the last record stays (Kafka's LogCleaner). Internal to storage/log.
 *
 * One partition of a core at a time, the one with the largest dirty part. The work is done by jobs
 * on the housekeeping thread, one slice after the other (clean_run.c): no core waits for it, and
 * nothing of it goes through the arena. The core decides what is next (clean.c), spaces the slices
 * out (log.cleaner.io.max.bytes.per.second), and changes the list of segments.
 *
 *   ASKING   cleaner-offset-checkpoint is read: up to where is the partition clean?
 *   MAPPING  the dirty part is read; where each key was written last goes into a bounded map
 *   COPYING  one group of segments after the other is read from the log's start on, and what stays
 *            is written to <base>.log.cleaned; file, indexes and .txnindex are synced
 *   SWAPPING reads of the group wait until none is under way, then a job renames: .cleaned to
 *            .swap, directory synced (from here on a start finishes it), the old ones to .deleted,
 *            .swap to their names, directory synced; then the group's segments are one
 *   ENDING   the checkpoint is written, everything is given back
 *
 * A group is some whole segments together not larger than segment.bytes. Nothing is cleaned from
 * the segment on that the mark (checkpoint.c) stands in: behind it files are appended to.
 */
#ifndef STORAGE_LOG_CLEAN_H
#define STORAGE_LOG_CLEAN_H

#include "storage/log/clean_filter.h"
#include "storage/log/clean_live.h"
#include "storage/log/jobs.h"

#define CLEANER_OFFSETS_FILE "cleaner-offset-checkpoint"

enum clean_phase {
    CLEAN_IDLE,
    CLEAN_ASKING,
    CLEAN_MAPPING,
    CLEAN_COPYING,
    CLEAN_SWAPPING,
    CLEAN_ENDING,
};

struct clean_source {
    int64_t base_offset;
    int64_t end_offset;
    uint32_t size;
    uint32_t index_entries;
};

/* What stands in for a group of segments. */
struct clean_output {
    int64_t base_offset;
    int64_t end_offset;
    uint64_t size;
    struct peak peak;
    int64_t first_timestamp_ms;
    int64_t time_last_ms;
    uint32_t index_bytes_since;
    uint32_t index_count;
    uint32_t time_count;
    bool changed; /* Some batch is not what it was. */
};

/* The job's side: nobody else looks at it while a job is out. */
struct clean_work {
    struct clean_map map;
    void *map_memory;
    uint64_t map_bytes;
    struct siphash_key key;
    struct clean_filter filter;
    struct clean_txns txns;
    struct clean_live live;
    struct scan scan;
    bool scanning;
    struct clean_memory
        source_index;         /* The source's offset index; empty: nothing is passed over. */
    uint32_t source_index_at; /* Its first entry behind the scan. */
    uint8_t *read_buffer;     /* Of the largest batch so far, and some reads: */
    uint32_t batch_bytes;
    uint32_t read_bytes;
    struct file_ahead *ahead; /* NULL: nothing is read ahead. */
    uint8_t *write_buffer;    /* Of io_buffer_bytes and a block. */
    uint32_t write_used;
    int output_fd; /* -1: none. */
    uint64_t unsynced;
    struct clean_memory index;
    struct clean_memory times;
    uint32_t at;          /* The source that is read. */
    uint32_t group_first; /* Sources [group_first, group_end) become one. */
    uint32_t group_end;
    struct clean_output output;
    uint32_t swap_step; /* So many renames are done. */
    /* Out, of each slice. */
    bool finished;   /* The phase is, or one group of it. */
    bool group_done; /* The next one is to be begun. */
    bool bad;        /* What was read is damaged, or of a format that is not compacted. */
    bool committed;  /* The swap counts: it can only go on. */
    uint64_t read;
    uint64_t written;
};

struct cleaner {
    struct partition *partition; /* NULL: idle. */
    enum clean_phase phase;
    bool out; /* A job is. */
    bool giving_up;
    enum log_status status; /* Of this cleaning. */
    uint64_t next_ns;       /* No slice before. */
    uint64_t look_ns;       /* The next search begins. */
    uint64_t choose_ns;     /* The search ends; 0: none runs. */
    struct partition *candidate;
    uint64_t candidate_ratio; /* In millionths. */
    uint64_t map_bytes;       /* log.cleaner.dedupe.buffer.size, this core's share. */
    uint32_t io_bytes;        /* log.cleaner.io.buffer.size: of each buffer; whole blocks. */
    uint64_t slice_bytes;     /* Read and written by one job. */
    bool gentle;              /* Others want the disk: small steps, and as long a pause. */
    uint64_t gentle_until_ns;
    uint64_t others_bytes; /* Read and written for others when last looked at. */
    uint64_t posted_ns;
    uint64_t rate_bytes; /* A second; UINT64_MAX: no limit. */
    uint64_t backoff_ns;
    uint32_t flushes_failed; /* Of the device, before anything of this group was written. */
    bool flushes_awaited;    /* Those begun before the group was synced are a round of their own. */
    /* Of the partition in work, for the job to read. */
    int64_t now_ms;
    int64_t dirty_from;
    int64_t upper;    /* Nothing is cleaned from this offset on. */
    int64_t clean_to; /* Everything before is clean, when it ends well. */
    uint64_t dirty_bytes;
    struct partition_config config;
    struct clean_source *sources;
    uint32_t source_count;
    uint32_t source_capacity;
    struct clean_producer *producers;
    uint32_t producer_count;
    struct aborted_txn *aborted; /* All of the partition. */
    uint32_t aborted_count;
    uint32_t aborted_capacity;
    int64_t asked; /* Out of ASKING: what the checkpoint says, -1 nothing. */
    struct clean_work work;
};

/* clean.c, on the core. */
MUST_USE bool clean_make(struct log *log); /* False: no memory. */
void clean_destroy(struct log *log);
void clean_turn(struct log *log);
void clean_consider(struct partition *p); /* Is it the one to clean next? */
bool clean_busy_with(const struct partition *p);
void clean_forget_partition(struct partition *p);
uint64_t clean_deadline_ns(const struct log *log);

/* clean_run.c, on the housekeeping thread. */
void clean_ask_run(struct job *job, struct file_system *fs);
void clean_map_run(struct job *job, struct file_system *fs);
void clean_copy_run(struct job *job, struct file_system *fs);
void clean_end_run(struct job *job, struct file_system *fs);
void clean_work_free(struct clean_work *work);

/* clean_swap.c, likewise. */
void clean_swap_run(struct job *job, struct file_system *fs);
/* 0 or -errno: then nothing more may be compacted here, for a start would take what is left for
 * a sign that a later swap did not count. */
MUST_USE int clean_unlink_output(struct job *job, struct file_system *fs);

/* clean_offsets.c: one line of a directory's cleaner-offset-checkpoint. offset -1: there is none;
 * it is taken out. 0 or -errno. */
int clean_offsets_read(struct file_system *fs, const char *directory, const char *partition,
                       int64_t *offset);
int clean_offsets_write(struct job *job, struct file_system *fs, const char *partition,
                        int64_t offset);

#endif
