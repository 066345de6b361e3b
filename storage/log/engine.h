/* What the files of the log engine share: the structs behind log.h. Not for other directories.
 *
 * Life of an append: append.c (check, copy into the arena) -> commit.c (plan writes, flushes) ->
 * disk -> commit.c (prefix completion moves written and flushed) -> log_append_done.
 * Everything that must sleep is a job (jobs.c). A partition that waits for something is on a list
 * of what it waits for, or is kicked (log_kick) when a job or operation of it ends.
 */
#ifndef STORAGE_LOG_ENGINE_H
#define STORAGE_LOG_ENGINE_H

#include "storage/base/pool.h"
#include "storage/base/random.h"
#include "storage/base/stock.h"
#include "storage/log/aborted.h"
#include "storage/log/arena.h"
#include "storage/log/epoch_cache.h"
#include "storage/log/log.h"
#include "storage/log/producer_marks.h"
#include "storage/log/producer_state.h"
#include "storage/log/sidecar.h"

enum {
    BLOCK = DISK_BLOCK_BYTES,
    MIB = 1 << 20,
    COMMITS_MAX = 6,                  /* In flight per partition. */
    COMMIT_BYTES_MAX = 4 * MIB,       /* One commit. */
    COMMIT_BESIDE_BYTES = 256 << 10,  /* At least so much goes beside another commit. */
    INLINE_BATCH_BYTES_MAX = MIB,     /* Larger batches are checked beside the core (H25). */
    INLINE_INFLATE_BYTES = 256 << 10, /* Records checked on the core per compressed batch. */
    INFLATED_BYTES_MAX = 256 * MIB,   /* H25. */
    COPY_BYTES_PER_TURN = 4 * MIB,    /* Of one large batch. */
    REBUILD_BYTES_MAX = 16 * MIB,     /* Of batches compressed anew; the last may go beyond. */
    RESERVE_FIRST = 64 << 10,
    RESERVE_MAX = 64 * MIB,
    DURABLE_WRITE_BYTES_MAX = 64 << 10,    /* Commits up to here may go as RWF_DSYNC (H12). */
    DURABLE_WRITES_MAX = 2,                /* So many of them per device and turn. */
    DURABLE_PAUSE_SECONDS = 60,            /* None after one that failed. */
    FLUSHES_MAX = 4,                       /* Under way per partition. */
    CHECKPOINT_PARTITION_BYTES = 32 * MIB, /* H13: half of the promise. */
    CHECKPOINT_CORE_BYTES = 128 * MIB,
    UNREAD_PARTITION_BYTES_MAX = 64 * MIB, /* H13: appends wait for the checkpoint from here. */
    UNREAD_CORE_BYTES_MAX = 256 * MIB,
    INDEX_CHUNK_ENTRIES = 48,
    CURSORS = 4,
    IDLE_SECONDS = 10, /* Unused for so long, a partition gives back all it holds (H8). */
    PATH_BYTES = 1024 + 256 + 64,
    JOB_SCRATCH_BYTES = 1 << 20,
    BATCH_BYTES_MAX = 128 * MIB,
    INFLATE_WINDOW_MAX = 128 * MIB, /* zstd at its highest levels; touched only as needed. */
    POSITION_MAX = INT32_MAX,       /* Positions in index files are int32. */
};

#define METADATA_FILE "partition.metadata"
#define EPOCHS_FILE   "leader-epoch-checkpoint"
#define NEXT_FILE     "millrace.next"

/* Kafka's, one of each in a data directory. */
#define RECOVERY_POINTS_FILE "recovery-point-offset-checkpoint"
#define LOG_STARTS_FILE      "log-start-offset-checkpoint"

#define MS_NS   UINT64_C(1000000)
#define SEC_NS  UINT64_C(1000000000)
#define IDLE_NS (IDLE_SECONDS * SEC_NS)

/* ---- Files ---------------------------------------------------------------------------------- */

/* An open segment file; the bounded cache of descriptors (H8). */
struct handle {
    struct list_node node; /* Of log.handles_unused while nothing uses it. */
    struct segment *segment;
    int fd;
    int32_t slot;
    uint32_t refs; /* Operations under way, and one of the active segment in use. */
};

struct index_entry {
    uint32_t offset_delta;           /* Last offset of the batch, from the segment's base. */
    uint32_t position;               /* First byte of that batch. */
    int64_t timestamp_ms;            /* Largest of the segment so far ... */
    uint32_t timestamp_offset_delta; /* ... and the last offset of the batch it came with. */
};

/* Largest timestamp of a segment up to some point, and the last offset of the batch it came with.
 */
struct peak {
    int64_t timestamp_ms; /* -1: none. */
    int64_t offset;
};

/* A place in the active segment between two batches. */
struct mark {
    int64_t offset;
    uint32_t position;
    struct peak peak;
};

struct index_chunk {
    struct index_chunk *next;
    uint32_t count;
    struct index_entry entries[INDEX_CHUNK_ENTRIES];
};

struct segment {
    struct list_node node; /* Of partition.segments, oldest first. */
    struct partition *partition;
    struct file_extents extents;
    struct list readers;   /* Reads that wait for it to be opened. */
    struct handle *handle; /* NULL: not open. */
    int64_t base_offset;
    struct peak peak;
    int64_t first_timestamp_ms; /* Of the first batch; -1: none. */
    int64_t created_wall_ms;
    uint32_t size;         /* Bytes of whole batches. */
    uint32_t reserved;     /* The file holds this much, zeros behind size. */
    uint32_t zeroing_from; /* Zeros written, not flushed yet: up to zeroing_to; 0: none. */
    uint32_t zeroing_to;
    uint32_t zeroed_from; /* Blocks of [zeroed_from, zeroed) were written once and durably: an */
    uint32_t zeroed;      /* overwrite changes no metadata. */
    uint32_t whole_to;    /* So were all blocks before this one. */
    uint32_t version;     /* Of its bytes: another one when a compaction has replaced them. */
    /* Ordinary batches that end up to here, and say no later timestamp, ask for nothing but memory:
     * no roll, room in the file, entry of an index, checkpoint, epoch. 0: that is not known. */
    uint32_t plain_to;
    uint64_t plain_until_ms;
    uint32_t index_count; /* Entries in the .index file that are known to be right. */
    uint32_t time_count;
    bool exists;  /* The file does, under its final name. */
    bool named;   /* ... and durably (H10). */
    bool opening; /* A job opens it. */
};

/* ---- Operations ----------------------------------------------------------------------------- */

enum io_kind { IO_COMMIT, IO_LOAD, IO_FLUSH, IO_DEVICE_FLUSH };

struct io {
    struct disk_op op;
    enum io_kind kind;
    struct partition *partition; /* NULL: IO_DEVICE_FLUSH. */
    struct handle *handle;
    union {
        struct commit *commit;
        struct extent *extent;
        struct device *device;
        struct mark covers; /* IO_FLUSH. */
    };
    uint32_t zeroed_to;      /* IO_FLUSH: zeros written before it. */
    struct segment *segment; /* IO_LOAD, IO_FLUSH. */
    bool covers_device;      /* Its failure may be one of the whole device. */
    uint8_t flush_round;     /* Of those: when it was begun. */
    uint8_t write_round;     /* IO_COMMIT that is awaited: when it was begun. */
    struct list members;     /* IO_DEVICE_FLUSH: struct flush_member. */
};

/* A partition that takes part in a flush of its whole device. */
struct flush_member {
    struct list_node node;
    struct partition *partition;
    struct mark covers;
};

/* One gathered write of a partition: bytes [from, to) of the active segment. */
struct commit {
    struct list_node node; /* Of partition.commits, in order of position. */
    struct partition *partition;
    uint32_t from;
    uint32_t to;
    int64_t begin_offset; /* Where the commit before ends. */
    struct mark end;      /* Whole batches up to here are written when it is done. */
    uint64_t submit_ns;
    uint32_t ops_left;
    int32_t error;
    bool durable;
    bool head_waits; /* Its first block waits for the commit before (H2). */
    bool awaited;    /* Answers wait for a flush behind it. */
};

/* Files renamed away, to be unlinked when they are due. */
struct doomed {
    struct list_node node; /* Of log.doomed. */
    uint64_t due_ns;
    int64_t base_offset; /* Of a segment in it; -1: the whole directory. */
    uint16_t directory;
    char name[PARTITION_DIR_BYTES];
};

/* A data directory, seen from this core. */
struct device {
    const char *path;
    struct handle quiet; /* Of a file that nobody writes; no slot: there is none. */
    uint32_t flushes;    /* Device flushes under way. */
    /* Writes under way behind which somebody waits for a flush, begun in each round: a flush that
     * gathers waits for those of the round that was when it was wanted. */
    uint32_t writing[2];
    uint8_t write_round;
    bool gathers;
    uint32_t durable_count; /* Partitions with durable commits to plan this turn. */
    uint32_t failures;      /* Repairs that failed in a row. */
    bool fenced;
    bool probing;
    uint64_t durable_after_ns; /* No durable writes before: one failed. */
    uint32_t flushes_failed;
    uint32_t failures_heard; /* Of log.shared's count. */
    /* Whose failure would be one of the device, under way: begun in each round. Compaction begins
     * the next round, and waits for the end of those of the one before. */
    uint32_t flushing[2];
    uint8_t flush_round;
    struct list settling;     /* Jobs of new partitions whose files wait for the next flush. */
    struct list settling_now; /* ... that the flush under way covers. */
    uint32_t creating;        /* Jobs that make files of new partitions. */
    bool settle_runs;
};

/* ---- Partition ------------------------------------------------------------------------------ */

enum partition_phase {
    PHASE_RUNNING,
    PHASE_DRAINING,  /* A write or flush failed; operations under way are awaited (H5). */
    PHASE_REPAIRING, /* The repair job runs. */
    PHASE_BROKEN,    /* The repair failed; tried again at retry_ns. */
    PHASE_FENCED,    /* Its directory died or its files vanished. For good. */
    PHASE_CLOSING,   /* Being deleted or finished: drains. */
    PHASE_CLOSED,
};

struct cursor {
    int64_t offset;
    int64_t base_offset; /* Of its segment. */
    uint32_t position;
    uint32_t used; /* Of partition.cursor_clock. */
};

struct partition {
    struct log *log;
    struct partition_id id;
    struct partition_config config;
    struct validate_rules rules;
    uint32_t plain_bytes_max;             /* Plain batches of so many bytes are none too large. */
    char name[TOPIC_NAME_BYTES_MAX + 12]; /* Of its directory. */
    uint16_t directory;
    uint8_t phase;     /* enum partition_phase */
    uint8_t failure;   /* enum log_status: what appends get while not running. */
    bool flush_failed; /* The failure was a flush: bytes up to flushed are trusted, no more. */
    bool flush_failed_again; /* ... while the repair ran, which may not have written them anew. */
    bool watched;            /* What moves is told by log_advanced. */
    bool checkpointing;
    bool reserving;
    bool zeroing;
    bool preparing;
    bool deleting;          /* Or finishing. */
    bool finishing_durable; /* Its bytes are; what is derived from them could not be written yet. */
    bool unvouched;         /* Behind the mark, what a crash left: written, but flushed for sure? */
    bool vouching;
    bool vouch_doubted; /* A flush of the device failed while a job of it ran. */
    bool made;          /* Its files were there once; not so when it was opened fenced. */
    bool load_failed;
    bool epochs_dirty;
    int32_t leader_epoch;
    void *owner_slot;

    struct list_node all_node;      /* Of log.partitions. */
    struct list_node work_node;     /* Of log.work. */
    struct list_node dirty_node;    /* Of log.dirty: bytes to plan. */
    struct list_node flush_node;    /* Of log.flushing: wants a flush. */
    struct list_node advanced_node; /* Of log.advanced. */
    struct list_node busy_node;     /* Of log.busy: holds memory or handles; oldest use first. */
    struct partition *hash_next;

    struct list segments;
    struct segment *active;    /* The last one; NULL until the first append of an empty log. */
    struct segment *finishing; /* Rolled, its end not yet durable and cut. */
    struct handle *prepared;   /* The next segment's file, open under a temporary name. */
    bool next_exists;          /* A file of that name may be there. */
    uint32_t prepared_reserved;
    uint32_t segment_count;

    int64_t log_start;
    int64_t end;     /* appended */
    int64_t written; /* the high watermark */
    int64_t flushed;
    int64_t acked;            /* End of the last batch somebody was told of. */
    int64_t finished_end;     /* Where the segment in finishing ends. */
    int64_t flushed_held;     /* Flushed in the active segment, while finishing is not. */
    struct mark planned_mark; /* End of the last planned commit. */
    struct mark written_mark; /* Of written. */
    struct mark flushed_mark; /* Of flushed, while that lies in the active segment. */
    struct mark target_mark;  /* What planning aims at. */
    uint64_t data_bytes;      /* Of all segments. */

    /* Positions in the active segment. */
    uint32_t copied;           /* Bytes in memory; above active->size inside a large batch. */
    uint32_t planned_position; /* Handed to the disk. */
    uint32_t target_position;  /* Where the planned bytes end when target_mark is reached. */
    uint32_t device_position;  /* Written prefix, with parts of batches. */
    uint32_t zeroing_from;     /* A job zeroes from here on. */
    uint32_t zero_ahead;
    struct job *zero_job; /* While zeroing. */
    uint8_t zero_votes;
    uint32_t reserve_step;
    uint8_t tail_order;

    struct list appends; /* Handed in, not yet copied. */
    struct list waiting_written;
    struct list waiting_flushed;
    struct list commits;
    uint32_t commit_count;
    uint32_t io_count;   /* Operations under way. */
    uint32_t job_count;  /* Jobs under way. */
    uint32_t read_count; /* Reads that wait. */
    uint32_t flush_count;
    int64_t flush_want;      /* flush.messages, flush.ms: up to here. */
    int64_t flush_asked;     /* Covered by flushes under way or done. */
    int64_t durable_want;    /* The last append that waits for flushed ends here. */
    int64_t durable_chain;   /* Durable up to here once the durable writes under way are done. */
    uint64_t unflushed_ns;   /* When the oldest unflushed byte was written; 0: none. */
    uint64_t retry_ns;       /* Reserve or repair again then. */
    uint8_t reserve_failure; /* enum log_status of the last reserve, LOG_OK: none. */
    uint64_t used_ns;        /* Last append or read. */
    uint32_t repairs_failed;

    struct sidecar sidecar;     /* As it stands on disk. */
    struct job *checkpoint_job; /* A plain checkpoint, waiting for writes or posted. */
    struct job *roll_job;       /* Of finishing; not posted: to be tried again. */
    uint64_t unread_bytes;      /* Behind the recovery offset. */
    uint64_t unread_counted;    /* So many of them in log.unread_bytes. */
    uint8_t checkpoint_failure; /* enum log_status of the last checkpoint or roll, LOG_OK: none. */
    uint64_t checkpoint_retry_ns;
    uint64_t finish_retry_ns;
    uint64_t prepare_retry_ns;
    bool release_chunks; /* It goes idle: the next checkpoint empties its index memory. */
    bool sidecar_writing;
    bool swapping;    /* Compacted segments change names; reads of [swap_from, swap_to) wait. */
    bool clean_known; /* clean_offset is what the checkpoint says. */
    bool uncleanable; /* Damaged, or of an old format. */
    bool sealing;     /* Its file is being cut: appends wait. */
    uint8_t seal_failures;
    uint8_t syncs_failed;    /* Of jobs that are tried again, in a row. */
    bool leaving;            /* Segments are being renamed away. */
    bool age_due;            /* Segments that are too old go now. */
    uint64_t age_check_ns;   /* When they go; 0: not known yet. */
    int64_t snapshot_offset; /* Of the newest .snapshot file; -1 none. */

    struct index_chunk *index_first;
    struct index_chunk *index_last;
    uint32_t index_first_number; /* Number in the .index file of index_first's first entry. */
    uint32_t index_count;        /* Entries in file and memory. */
    uint32_t time_count;         /* Time index entries in file and memory. */
    int64_t time_last_ms;        /* Timestamp of the last of them. */
    uint32_t time_first_count;   /* time_count and time_last_ms before index_first. */
    int64_t time_first_ms;
    uint32_t index_bytes_since; /* Bytes since the last entry. */

    struct producer_state producers;
    struct aborted_list aborted; /* All that retention has left. */
    uint32_t aborted_active;     /* The last so many of them end in the active segment ... */
    uint32_t aborted_on_disk;    /* ... of which its .txnindex has the first so many, durably. */
    struct epoch_cache epochs;
    struct cursor cursors[CURSORS];
    uint32_t cursor_clock;

    int64_t clean_offset;    /* Up to here each key is there once. */
    int64_t cleaned_bytes;   /* Taken away so far. */
    uint64_t clean_retry_ns; /* Not compacted before. */
    int64_t swap_from;
    int64_t swap_to;
    struct list swap_waiters; /* Reads. */
    uint32_t read_generation; /* Positions found before the last swap are worth nothing. */

    int64_t vouch_base;      /* Unvouched: from this segment on, and there ... */
    uint32_t vouch_position; /* ... from here. */

    struct list start_operations;  /* log_delete_records'. */
    struct log_operation *closing; /* log_delete's. */
};

/* ---- Log ------------------------------------------------------------------------------------ */

struct log {
    struct log_setup setup;
    struct log_shared *shared; /* setup's, or ... */
    struct log_shared shared_own;
    struct disk *disk;
    struct arena arena;
    struct random random;
    struct log_counters counters;
    uint64_t now_ns;
    int64_t wall_ms;
    bool finished;

    struct list partitions;
    struct list doomed;
    struct partition **buckets;
    uint32_t bucket_mask;
    uint32_t partition_count;

    struct pool partition_pool;
    struct pool segment_pool;
    struct pool handle_pool;
    struct stock io_stock;
    struct stock commit_stock;
    struct pool member_pool;
    struct pool job_pool;
    struct pool chunk_pool;
    struct pool epoch_pool;
    struct pool doomed_pool;
    struct pool aborted_pool;
    struct producer_pool producer_pool;

    struct device devices[LOG_DIRECTORIES_MAX];
    struct list handles_unused;
    uint32_t handles_prepared; /* Files ready for a roll: held, used by nobody yet. */
    int *closing_fds;          /* To be closed by a job. */
    uint32_t closing_count;
    uint32_t closing_capacity;
    struct list work;     /* Partitions with something to look at. */
    struct list starved;  /* Partitions that wait for arena room. */
    struct list dirty;    /* Partitions with bytes to write. */
    struct list flushing; /* Partitions that want a flush. */
    struct list busy;
    struct list jobs_out;       /* Not yet taken by the port. */
    struct list validation_out; /* The same of the other port. */
    struct list rebuilds;       /* Jobs with, or for, a batch compressed anew. */
    uint64_t rebuild_bytes;     /* What these take at most. */
    struct list reads_ready;    /* To be looked at again. */
    struct list reads_starved;  /* Wait for arena room, operations or descriptors. */

    struct log_read *reads_favoured; /* Keeps what it holds while it waits for room. */

    struct list done_appends;
    struct list done_reads;
    struct list done_queries;
    struct list done_operations;
    struct list advanced;
    struct log_operation *finish;

    struct cleaner *cleaner;
    uint64_t unread_bytes; /* Of the partitions whose checkpoints make room (H13). */
    uint64_t sweep_ns;     /* The next sweep of log_timer_turn. */
    struct list_node *sweep_at;
    uint64_t expire_ns;   /* The next look for expired producers; 0: not known yet. */
    uint32_t expire_left; /* Places of the pool that this look has yet to see. */

    struct list queries_waiting; /* For a job or for room. */

    struct inflate *inflate;            /* For batches checked on the core. */
    struct inflate *validation_inflate; /* Of the one validation job that runs. */
    struct inflate *job_inflate;        /* Of the one housekeeping job that runs ... */
    uint8_t *job_scratch;               /* ... JOB_SCRATCH_BYTES of it, page aligned. */
    uint8_t *query_buffer;    /* For one compressed batch of the one query job that runs. */
    uint8_t *snapshot_buffer; /* For one large producer snapshot at a time. */
    bool snapshot_buffer_taken;
    void *io_memory;
    void *commit_memory;
    void *producer_memory;
    void *inflate_memory;
    void *validation_memory;
    void *job_memory;
};

/* ---- Between the files ---------------------------------------------------------------------- */

enum step {
    STEP_DONE, /* Decided; go on with the next. */
    STEP_WAIT, /* Something is under way; looked at again when it ends. */
};

/* log.c */
void log_kick(struct partition *p);       /* Look at it again this turn. */
void log_starve(struct partition *p);     /* Look at it again when memory may be free. */
void log_announce(struct partition *p);   /* High watermark, log start or state moved. */
enum log_status log_status_of(int error); /* From -errno. */
struct io *log_io_take(struct log *log);
void log_io_submit(struct log *log, struct io *io);
void log_operation_end(struct log *log, struct log_operation *operation, enum log_status status);

/* partition.c */
uint64_t partition_hash(const struct partition_id *id);
struct partition *partition_create(struct log *log, const struct partition_spec *spec);
void partition_free(struct partition *p); /* Everything it waits for has ended. */
void partition_touch(struct partition *p);
void partition_set_unread(struct partition *p, uint64_t bytes);
void partition_checkpointed(struct partition *p, enum log_status status); /* It ended so. */
void partition_progress(struct partition *p); /* Whatever can be done now. */
/* False when that is nothing. */
static inline bool partition_waits(const struct partition *p)
{
    return p->phase != PHASE_RUNNING || !list_empty(&p->appends) ||
           !list_empty(&p->start_operations) ||
           (p->active != NULL && p->planned_position < p->active->size);
}

/* Something that segment.plain_to is made of has changed. */
static inline void partition_look_again(struct partition *p)
{
    if (p->active != NULL) {
        p->active->plain_to = 0;
    }
}

bool partition_quiet(const struct partition *p); /* Nothing under way at all. */
bool partition_invariants(const struct partition *p);

/* append.c */
void append_progress(struct partition *p);
void append_drop_job(struct append *append); /* Gives it back, if there is one. */
void append_finish(struct partition *p, struct append *append, enum log_status status);
/* The same of one without a job; the caller puts it to log.done_appends. */
void append_end(struct partition *p, struct append *append, enum log_status status);
void append_fail_all(struct partition *p, struct list *appends, enum log_status status);
void append_fail_waiting(struct partition *p);
void append_rewind(struct partition *p);
void append_destroy(struct log *log);
bool append_wants_flush(const struct partition *p, const struct append *append);
/* The partition's rules, as they are for this append. */
const struct validate_rules *append_rules(struct partition *p, const struct append *append);
/* Whether the log can take the batch now: segment, file, reserved room, bounds. LOG_PENDING: not
 * yet. */
enum log_status append_ready(struct partition *p, const struct batch_header *header);
enum log_status append_tail(struct partition *p, uint32_t want, struct extent **out);
void append_stamp(uint8_t *batch, const struct partition *p,
                  const struct validate_outcome *outcome);

/* append_usual.c */
bool append_plain_invariants(const struct partition *p);
/* Appends what nearly every small append is. False: it is not of that kind, or cannot go in just
 * now, or must not; nothing has happened, and append.c finds out. No other waits before it. */
MUST_USE bool append_usual(struct partition *p, struct append *append);

/* commit.c */
uint32_t commit_plan_all(struct log *log);
void commit_io_done(struct io *io);
void commit_flush_done(struct io *io);
void commit_settle(struct partition *p); /* written or flushed may move. */
void commit_drop_all(struct partition *p);
void commit_release_held(struct partition *p); /* finishing is durable. */
void commit_ask_flush(struct partition *p);    /* Of everything written. */
void commit_mark_dirty(struct partition *p);
bool commit_waits(const struct partition *p); /* Bytes to be planned, or a commit's first block. */
void commit_want_flush(struct partition *p);

void commit_flushed_by_job(struct partition *p, const struct mark *mark);
void commit_fail_device(struct log *log, uint16_t directory, int32_t result);
/* What others have seen fail meanwhile: other logs, and the jobs of any (job_sync). */
void commit_hear_failures(struct log *log);

/* zero.c */
bool zero_withdraw(struct partition *p);
void zero_flushed(struct segment *s, uint32_t zeroed_to);
void zero_forget(struct segment *s);
void zero_consider(struct partition *p, uint32_t bytes, bool flushed);

/* repair.c */
void repair_begin(struct partition *p, enum log_status status, bool flush); /* It failed. */
void repair_progress(struct partition *p);
void repair_retry(struct partition *p);
void repair_fence(struct partition *p);

/* device.c */
/* A job in it failed. A directory where that goes on is probed, and fenced when it is dead. */
void device_failed(struct log *log, uint16_t directory, int error);

/* handle.c */
struct handle *handle_take(struct log *log); /* With one ref; NULL: all are in use. */
/* fd is given in any case. covers_device: as disk_add_file wants it. */
bool handle_install(struct log *log, struct handle *handle, int fd, bool covers_device);
void handle_use(struct log *log, struct handle *handle);
void handle_unused(struct log *log, struct handle *handle); /* By nothing any more. */
static inline void handle_unuse(struct log *log, struct handle *handle)
{
    ASSERT(handle->refs > 0);
    if (UNLIKELY(--handle->refs == 0)) {
        handle_unused(log, handle);
    }
}
void handle_detach(struct log *log, struct handle *handle); /* Closed when nothing uses it. */
void handle_close(struct log *log, struct handle *handle);
void handle_close_fd(struct log *log, int fd);
void handle_submit_closes(struct log *log);

/* segment.c */
struct segment *segment_create(struct partition *p, int64_t base_offset);
void segment_free(struct segment *segment);
struct segment *segment_find(const struct partition *p, int64_t offset);
struct segment *segment_next(const struct segment *segment);
int64_t segment_end(const struct segment *segment); /* The next one's base, or the log's end. */
bool segment_open(struct segment *segment);         /* True: open now. Else a job is under way. */
enum log_status segment_reserve(struct partition *p, uint64_t end);
MUST_USE bool segment_reserve_more(struct partition *p);
void segment_plain(const struct partition *p, uint32_t *to, uint64_t *until_ms);
bool segment_must_roll(const struct partition *p, const struct batch_header *header);

/* roll.c */
enum log_status roll_advance(struct partition *p); /* LOG_OK: append; LOG_PENDING: later. */
void roll_prepare(struct partition *p);
uint32_t roll_prepare_bytes(const struct partition *p);
void roll_forget_prepared(struct partition *p);

/* index.c */
void index_note(struct partition *p, const struct batch_header *header, uint32_t position);
/* The same of one that is neither the segment's first nor gets an entry. */
void index_note_between(struct partition *p, const struct batch_header *header);
bool index_lookup(const struct partition *p, int64_t offset, uint32_t *position);
void index_truncate(struct partition *p, uint32_t position);
void index_release(struct log *log, struct index_chunk *first);
void index_begin_segment(struct partition *p);

/* read.c */
void read_progress(struct log *log);
void query_progress(struct log *log); /* query.c */
void read_loaded(struct io *io);
void read_opened(struct segment *segment);
void read_open_failed(struct segment *segment, enum log_status status);
void read_forget_cursors(struct partition *p);
struct extent *read_load(struct partition *p, struct segment *segment, uint64_t offset,
                         uint32_t bytes, struct log_read *waiter);

#endif
