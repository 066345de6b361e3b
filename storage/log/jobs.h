/* Sleeping work of the log engine: one struct for all kinds of jobs. Internal to storage/log.
 *
 * run is on the housekeeping thread: it reads what cannot change while the job is out (names,
 * paths, its own arguments, memory lent to it) and writes only the job. done is on the core.
 */
#ifndef STORAGE_LOG_JOBS_H
#define STORAGE_LOG_JOBS_H

#include "storage/base/text.h"
#include <stdatomic.h>

#include "storage/log/engine.h"
#include "storage/log/index_format.h"
#include "storage/log/rebuild.h"
#include "storage/log/recovery_scan.h"

/* A checkpoint, a roll or a seal (checkpoint.c). */
struct checkpoint_work {
    struct sidecar sidecar;
    struct mark mark; /* Everything before is written when the job is posted. */
    int64_t base_offset;
    int64_t cleaned_bytes; /* Of the partition, when it was taken. */
    struct peak peak;
    uint32_t size;
    struct index_chunk *chunks; /* Lent: entries [index_first_number, sidecar_index_count). */
    uint32_t index_first_number;
    uint32_t sidecar_index_count;
    uint32_t time_first_count;
    uint32_t time_entries_written; /* Out: all that the file holds. */
    int64_t time_first_ms;
    const struct aborted_chunk *aborted; /* Lent: entries for the .txnindex ... */
    uint32_t aborted_place;              /* ... from this one of the first chunk on ... */
    uint32_t aborted_first;              /* ... behind so many in the file ... */
    uint32_t aborted_count;              /* ... that will be so many with them. */
    int64_t snapshot_offset;
    int64_t snapshot_before; /* To be removed; -1: none. */
    uint32_t snapshot_bytes;
    uint32_t marks_bytes;  /* Of the .producers file, behind the snapshot in memory. */
    uint32_t epochs_bytes; /* 0: unchanged. */
    bool snapshot_shared;
    bool roll;
    bool seal;
    bool posted;
    bool drop_next;    /* The file made ready for the next segment goes. */
    bool data_failed;  /* Out: the flush of the data was what failed. */
    bool data_durable; /* Out: that flush is done, whatever else failed. */
    uint8_t snapshot_inline[2048];
    char epochs[2560];
};

struct query_work {
    struct log_query *query;
    enum log_query_kind kind;
    int64_t timestamp_ms; /* In: wanted. Out: found. */
    int64_t base_offset;
    int64_t upper;
    int64_t log_start;
    uint32_t size;
    uint32_t index_entries; /* That may be trusted in the files. */
    uint32_t time_entries;
    int64_t offset; /* Out: -1 none. */
    int32_t leader_epoch;
    bool bad_index; /* An index entry was wrong. */
};

struct repair_work {
    bool active; /* There is an active segment: */
    int64_t base_offset;
    uint32_t end;
    uint32_t trusted; /* Durable for sure up to here. */
    bool rewrite;
    struct handle *old_handle; /* Of the segment before, which is full, or NULL: */
    int64_t old_base_offset;
    uint32_t old_size;
};

struct job {
    struct housekeeping_job base;
    struct list_node node; /* Of log.jobs_out. */
    void (*run)(struct job *job, struct file_system *fs);
    void (*done)(struct job *job); /* Gives the job back with job_end. */
    struct log *log;
    struct partition *partition; /* NULL: none. */
    struct segment *segment;
    struct handle *handle;
    bool covers_device;      /* A flush of the opened file covers its device. */
    bool sync_failed;        /* Of the device: the cores were told. */
    uint16_t directory;      /* Whose device it works on. */
    uint32_t failures_known; /* Flushes of that device that had failed, and been dealt with, when
                                the job was posted. */
    int error;               /* -errno of the first call that failed, 0: none. */
    int fd;
    union {
        struct {
            uint32_t reserve_from;
            uint32_t reserve_bytes;
            uint32_t reserve_least;  /* Less is of no use. */
            uint32_t flushes_failed; /* Of the device, when zeros were posted. */
            uint32_t piece_bytes;    /* Zeros of one write. */
            bool create;
            _Atomic int claim; /* Of zero.c. */
        } file;
        struct {
            int fds[32];
            uint32_t count;
        } close;
        struct {
            struct log_read *read;
            int64_t base_offset;
            int64_t offset;
            uint32_t entries;
            uint32_t position;   /* Found. */
            int64_t last_offset; /* Of the batch there, as the file says. */
        } lookup;
        struct checkpoint_work checkpoint;
        struct repair_work repair;
        struct query_work query;
        struct {
            struct doomed doomed;
        } doom;
        struct {
            int64_t bases[16];
            uint32_t count;
            uint32_t done;
        } leave;
        struct {
            struct log_operation *operation;
            char aside[PARTITION_DIR_BYTES]; /* Name for what is in its place. */
            uint32_t failures_known;         /* Before its files were written. */
        } operation;
        struct {
            struct append *append; /* NULL: nobody wants the result any more. */
            struct validate_rules rules;
            struct batch_header header;
            struct validate_outcome outcome;
            enum validate_status status;
            int64_t now_ms;
            struct list_node rebuild_node; /* Of log.rebuilds, where the codec changes. */
            struct rebuild rebuild;        /* Out. */
            struct bytes rebuilt;          /* The piece that its chain is made of. */
            uint64_t rebuild_bytes;        /* Counted in log.rebuild_bytes. */
            bool finished;
        } validation;
    };
};

/* A cleared job, counted to the partition; NULL when all are out. */
struct job *job_take(struct log *log, struct partition *partition);
void job_post(struct job *job);
void job_post_validation(struct job *job);
void job_end(struct job *job);

/* Hands waiting jobs to the ports and takes finished ones in. Returns the work done. */
uint32_t jobs_turn(struct log *log);
void jobs_submit(struct log *log);

/* For jobs that run: as file_sync_tell and its like, so all cores are told at once. A failed sync
 * of everything is told whatever its error was. 0 or -errno. */
MUST_USE int job_sync(struct job *job, struct file_system *fs, int fd);
MUST_USE int job_sync_directory(struct job *job, struct file_system *fs, const char *path);
MUST_USE int job_sync_all(struct job *job, struct file_system *fs, const char *path);
MUST_USE int job_replace(struct job *job, struct file_system *fs, const char *path,
                         const void *content, uint64_t size, bool durable);
/* A flush of the device has failed since the job was posted: a sync of what was written before
 * vouches for nothing, though it succeeded. */
bool job_doubts(const struct job *job);

/* When the job that failed is tried again. A sync that fails has the whole device written anew:
 * each one in a row makes the pause longer. */
uint64_t job_retry_ns(const struct job *job);

/* repair.c: writes [from, to) again with the bytes that are read back. Whole blocks. -errno. */
int repair_rewrite(struct job *job, struct file_system *fs, int fd, uint64_t from, uint64_t to);

/* Paths of the partition: its directory, a segment's file, another file in it. Each fills
 * PATH_BYTES and returns it. */
char *path_partition(const struct partition *p, char path[PATH_BYTES]);
char *path_segment(const struct partition *p, int64_t base_offset, enum segment_file file,
                   enum segment_mark mark, char path[PATH_BYTES]);
char *path_file(const struct partition *p, const char *name, char path[PATH_BYTES]);

#endif
