/* The log engine of one core: every partition the core owns, from append to retention.
 *
 * Append copies a batch into the core's arena (the one copy, CRC in the same pass), a turn's
 * appends of a partition leave as one gathered write, completion moves the written and flushed
 * offsets, and finished requests come back from log_done. Reads are served from the arena or by
 * disk reads into it. Nothing here blocks, allocates after creation, reads a clock or calls back.
 *
 * Three offsets per partition: appended >= written >= flushed (H1). The high watermark is written.
 *
 * Threads: everything of one log from its core only. Extents may be read from any thread while they
 * are held.
 */
#ifndef STORAGE_LOG_LOG_H
#define STORAGE_LOG_LOG_H

#include "storage/base/bytes.h"
#include "storage/base/list.h"
#include "storage/base/uuid.h"
#include "storage/io/disk.h"
#include "storage/io/housekeeping.h"
#include "storage/log/aborted.h"
#include "storage/log/producer_state.h"
#include "storage/log/segment_name.h"
#include "storage/record/validate.h"

struct log;
struct partition;

enum log_status {
    LOG_OK,
    LOG_PENDING,                /* Comes back through log_done. */
    LOG_BUSY,                   /* No room (arena, operations): hand it in again in a later turn. */
    LOG_BATCH_REFUSED,          /* append.refusal says why. */
    LOG_OFFSET_OUT_OF_RANGE,    /* Below the log start or above the end. */
    LOG_INVALID_PRODUCER_EPOCH, /* B23: older epoch. Kafka: INVALID_PRODUCER_EPOCH. */
    LOG_OUT_OF_ORDER_SEQUENCE,  /* B23. */
    LOG_INVALID_TXN_STATE,      /* Plain batch inside an open transaction, or a transactional one
                                   outside (B51). */
    LOG_TXN_UNVERIFIED,         /* The coordinator is to be asked whether the batch belongs to an
                                   ongoing transaction: see append.txn. */
    LOG_COORDINATOR_FENCED,     /* A marker of a former coordinator. */
    LOG_PRODUCERS_FULL,         /* Bounded memory for producer state or aborted transactions is used
                                   up. */
    LOG_TOO_LARGE_FOR_SEGMENT,  /* B19: RECORD_LIST_TOO_LARGE. */
    LOG_NO_SPACE,               /* ENOSPC, EDQUOT. Kafka: KAFKA_STORAGE_ERROR; heals by itself. */
    LOG_READ_ONLY,              /* EROFS. */
    LOG_IO_ERROR,               /* EIO and all else. */
    LOG_FENCED,                 /* The partition's directory died, or its files vanished (H18). */
    LOG_CORRUPT,                /* Bytes on the device do not satisfy their CRC. */
    LOG_CLOSED,                 /* The partition is being deleted, or the log is finishing. */
};

enum timestamp_type { TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME };

/* A partition's effective configuration; Kafka's topic keys with their units. */
struct partition_config {
    int64_t retention_ms;    /* -1: no limit. */
    int64_t retention_bytes; /* -1: no limit. */
    int64_t segment_ms;
    int64_t segment_jitter_ms;
    int64_t flush_messages;
    int64_t flush_ms;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    int64_t delete_retention_ms;
    int64_t file_delete_delay_ms;
    int64_t producer_expiration_ms; /* producer.id.expiration.ms, of the broker. */
    int64_t retention_check_ms;     /* log.retention.check.interval.ms, of the broker; 0: always. */
    int64_t producer_check_ms;      /* producer.id.expiration.check.interval.ms, likewise. */
    int64_t clean_map_bytes;        /* log.cleaner.dedupe.buffer.size, of the broker. */
    int64_t clean_bytes_per_second; /* log.cleaner.io.max.bytes.per.second, likewise. */
    int64_t clean_backoff_ms;       /* log.cleaner.backoff.ms, likewise. */
    uint32_t clean_io_bytes;        /* log.cleaner.io.buffer.size, likewise. */
    uint32_t clean_load_percent;    /* log.cleaner.io.buffer.load.factor, likewise. */
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms;
    uint32_t dirty_ratio_millionths; /* min.cleanable.dirty.ratio. */
    uint32_t segment_bytes;
    uint32_t segment_index_bytes;
    uint32_t index_interval_bytes;
    uint32_t max_message_bytes;
    uint8_t timestamp_type; /* enum timestamp_type */
    bool clean_enabled;     /* log.cleaner.enable, of the broker. */
    bool cleanup_delete;
    bool cleanup_compact; /* Keys required; of each, the last record stays. */
    int8_t compression;   /* enum batch_codec that batches are given; -1: the producer's own. */
    int32_t compression_level; /* Of that codec; INT32_MIN: Kafka's default. */
};

/* A data directory; index is its place in the process's list. */
enum {
    LOG_DIRECTORIES_MAX = 16,
    LOG_DIRECTORY_NONE = 0xffff, /* Of a partition that is in none of them. */
};

/* What names a partition for good. */
struct partition_id {
    struct uuid topic_id;
    uint32_t index;
};

/* ---- Start and stop ------------------------------------------------------------------------- */

/* What the logs of a process, and the control process beside it, tell each other of their
 * directories: in memory of both, so that no message has to arrive first. Zeroed before the first
 * is made; any thread. What the other process may write there is a count to be compared, never an
 * index. */
struct log_shared {
    _Atomic uint32_t flushes_failed[LOG_DIRECTORIES_MAX]; /* Of the device. */
};

/* Everything a log stands on. All borrowed for the life of the log. */
struct log_setup {
    struct disk *disk;
    struct housekeeping_port *housekeeping; /* File work. */
    struct housekeeping_port *validation;   /* Decompression of batches (H25). */
    uint8_t *arena; /* DISK_BLOCK_BYTES-aligned, inside the disk's memory. */
    uint64_t arena_bytes;
    uint64_t seed;
    uint32_t partition_count_max;
    uint32_t producer_count_max; /* Remembered producers of all partitions together. */
    uint32_t open_file_count_max;
    uint32_t segment_count_max;   /* Of all partitions together; 0: a default. */
    uint32_t aborted_count_max;   /* Aborted transactions of all logs together; 0: a default. */
    uint32_t batch_bytes_max;     /* Compressed batch a lookup by timestamp can read; 0: default. */
    uint32_t inflate_window_max;  /* Of validation and lookups, a power of two; 0: a default. */
    uint32_t checkpoint_bytes;    /* Of a partition, from checkpoint to checkpoint; 0: a default. */
    uint32_t core_count;          /* Of the process: they share what compaction may use; 0: 1. */
    uint64_t clean_map_bytes_max; /* Of this core; 0: no bound but the configured one. */
    bool transactions; /* A transaction coordinator serves transactional batches (H22). */
    uint32_t directory_count;
    const char *directory_paths[LOG_DIRECTORIES_MAX];
    /* A file in each that nobody writes, open for writing: flushes of the whole device go by it, as
     * the kernel has nothing of the file itself to write first. -1: by one of the log's files. */
    int flush_fds[LOG_DIRECTORIES_MAX];
    struct log_shared *shared; /* Of all logs with these directories; NULL: there is no other. */
};

/* Allocates all it will ever need; NULL only for want of memory. */
struct log *log_create(const struct log_setup *setup);
void log_destroy(struct log *log);

/* A partition as recovery.h found it on disk; given to log_adopt. */
struct recovered_partition;

/* What a partition is to be. name is borrowed until return. */
struct partition_spec {
    struct partition_id id;
    struct bytes topic_name;
    uint16_t directory;   /* Index into directory_paths. */
    int32_t leader_epoch; /* Stamped into appended batches. */
    struct partition_config config;
};

/* Takes over a recovered partition (given). LOG_OK, or LOG_BUSY when partition_count_max,
 * segment_count_max or aborted_count_max is reached. */
MUST_USE enum log_status log_adopt(struct log *log, struct recovered_partition *recovered,
                                   const struct partition_spec *spec, struct partition **out);

/* An operation on a whole partition; lent until log_done returns it when LOG_PENDING was said. */
struct log_operation {
    struct list_node node;
    enum log_status status;
    struct partition *partition; /* Out of log_open: the partition. */
    int64_t offset;              /* log_delete_records: in: before which, -1 the high watermark;
                                    out: the new log start. */
    void *owner;
};

/* Creates a new, empty partition: its directory and partition.metadata exist and are durable when
 * the operation comes back. LOG_FENCED: its directory died, or it has none. */
MUST_USE enum log_status log_open(struct log *log, const struct partition_spec *spec,
                                  struct log_operation *operation);

/* A partition whose files vanished or whose directory failed: known, answers LOG_FENCED. Its
 * directory may be LOG_DIRECTORY_NONE: it is not in the list any more. */
MUST_USE enum log_status log_open_fenced(struct log *log, const struct partition_spec *spec,
                                         struct partition **out);

/* True when the directory died: its partitions are fenced, until the process starts again. */
bool log_directory_fenced(const struct log *log, uint16_t directory);

/* Stops the partition (waiting requests come back LOG_CLOSED), renames its directory to
 * <name>.<uuid>-delete and unlinks it after file.delete.delay.ms. partition is invalid once the
 * operation is back, or LOG_OK is said: it has no directory. */
MUST_USE enum log_status log_delete(struct log *log, struct partition *partition,
                                    struct log_operation *operation);

/* Flushes everything, cuts files to their last byte, writes checkpoints and the clean mark. New
 * appends get LOG_CLOSED. Comes back when all is durable. */
MUST_USE enum log_status log_finish(struct log *log, struct log_operation *operation);

/* ---- Partition facts ------------------------------------------------------------------------ */

/* NULL when this log has no such partition. */
struct partition *log_find(struct log *log, const struct partition_id *id);

void partition_configure(struct partition *partition, const struct partition_config *config);
void partition_set_leader_epoch(struct partition *partition, int32_t leader_epoch);

int32_t partition_leader_epoch(const struct partition *partition);
int64_t partition_log_start(const struct partition *partition);
int64_t partition_end(const struct partition *partition);            /* appended; LEO */
int64_t partition_high_watermark(const struct partition *partition); /* written */
int64_t partition_flushed(const struct partition *partition);
int64_t partition_last_stable(const struct partition *partition); /* LSO <= high watermark */
uint64_t partition_size_bytes(const struct partition *partition); /* Data, not file sizes (H9). */
uint16_t partition_directory(const struct partition *partition);
enum log_status partition_state(const struct partition *partition); /* LOG_OK, or why fenced. */
/* It was opened or adopted with files, whatever became of it; not one from log_open_fenced. */
bool partition_made(const struct partition *partition);

/* A slot for the owner above (parked fetches). */
void **partition_owner_slot(struct partition *partition);

/* Answer of OffsetForLeaderEpoch (B31): *epoch and *end_offset are -1, -1 when undefined. */
void partition_epoch_end(const struct partition *partition, int32_t requested, int32_t *epoch,
                         int64_t *end_offset);

/* The aborted transactions that a reader of [from, upper) at read_committed is told (B29): those
 * with a record below upper whose marker is not below from. Writes at most capacity of them;
 * returns how many there are. upper is at most the last stable offset. */
uint32_t partition_aborted(const struct partition *partition, int64_t from, int64_t upper,
                           struct aborted_txn *to, uint32_t capacity);

/* One active producer, for DescribeProducers. */
struct partition_producer {
    int64_t producer_id;
    int64_t last_timestamp_ms;
    int64_t current_txn_start_offset; /* -1: none. */
    int32_t last_sequence;
    int32_t coordinator_epoch;
    int16_t producer_epoch;
};

/* Fills at most capacity entries, returns how many there are. */
uint32_t partition_producers(const struct partition *partition, struct partition_producer *to,
                             uint32_t capacity);

/* ---- Append --------------------------------------------------------------------------------- */

enum append_ack {
    APPEND_ACK_WRITTEN, /* acks=0, 1: on the device. Becomes FLUSHED where flush.messages is 1. */
    APPEND_ACK_FLUSHED, /* acks=all: survives power loss. */
};

/* One partition's batch of one produce request. */
enum { APPEND_STAGES = 4 };

struct append {
    struct list_node node; /* Of the log while lent. */
    /* In. */
    struct chain batch; /* The records field: borrowed while lent. */
    enum append_ack ack;
    int16_t api_version;
    bool internal; /* Of the control process: control batches and internal topics allowed. */
    void *owner;   /* Untouched. */
    /* Out. */
    int64_t base_offset;
    int64_t log_append_time_ms; /* -1: CreateTime, but a duplicate tells its largest timestamp. */
    int64_t log_start_offset;
    uint64_t stage_ns[APPEND_STAGES]; /* Handed in, copied, submitted, durable: for the stage
                                         histograms. */
    enum log_status status;
    uint32_t error_count; /* Records to blame; the first of them stand in errors. */
    /* The engine's own while lent. */
    struct partition *partition;
    int64_t wait_offset;          /* Done when written or flushed reaches it. */
    void *private_job;            /* Its validation, where that runs beside the core. */
    struct append *private_ahead; /* One that waits behind it: only to be prefetched. */
    /* In: of a client's transactional batch. Out with LOG_TXN_UNVERIFIED: asked_at. Of a marker:
     * epoch_each. */
    struct producer_verification txn;
    /* Out. */
    enum validate_status refusal; /* With LOG_BATCH_REFUSED. */
    struct validate_record_error errors[VALIDATE_RECORD_ERRORS_MAX];
};

/* Checks the batch and appends it. Appends of one partition take effect in the order handed in.
 * LOG_PENDING: comes back from log_done with its final status. LOG_BUSY: nothing happened. Any
 * other: decided at once, nothing was appended. A duplicate waits for its original (H6). */
MUST_USE enum log_status log_append(struct log *log, struct partition *partition,
                                    struct append *append);

/* ---- Read ----------------------------------------------------------------------------------- */

enum {
    READ_EXTENTS_MAX = 64,
};

/* A run of log bytes in the arena that may be sent as it lies. */
struct log_extent {
    struct bytes bytes;
    void *hold; /* Pins the memory; give it back with log_extent_release. */
};

/* One partition's part of a fetch. */
struct log_read {
    struct list_node node; /* Of the log while lent. */
    /* In. */
    int64_t offset;       /* First wanted; data starts at the batch that holds it (B27). */
    int64_t upper_offset; /* Exclusive: high watermark or last stable offset. */
    uint32_t bytes_max;
    uint32_t skip;    /* Bytes of the first batch that an earlier read has handed out. */
    uint32_t version; /* Out; with skip also in: LOG_CORRUPT where that batch was compacted since
                         the read that gave the version out. 0: not looked at. */
    bool whole_batch; /* At least one batch even above bytes_max (B26). */
    bool sequential;  /* The reader follows the log: read ahead. */
    void *owner;      /* Untouched. */
    /* Out. */
    enum log_status status;
    uint32_t extent_count;
    uint32_t bytes;       /* Sum over the extents. */
    int64_t next_offset;  /* Whole batches handed out end at or before it. */
    uint32_t batch_bytes; /* Size of the first batch. More than skip + bytes with whole_batch: it is
                             too large for memory at once; the rest by further reads with skip. */
    struct log_extent extents[READ_EXTENTS_MAX];
    /* The engine's own while lent. */
    struct partition *partition;
    uint64_t private_state[9];
};

/* How many bytes a read from offset up to upper_offset would find, at most bytes_max, without any
 * disk access: exact at the tail, an estimate that is not 0 when there is data behind it. Status:
 * LOG_OK, LOG_OFFSET_OUT_OF_RANGE, LOG_FENCED ... */
MUST_USE enum log_status partition_readable(const struct partition *partition, int64_t offset,
                                            int64_t upper_offset, uint32_t bytes_max,
                                            uint32_t *bytes);

/* Takes extents. LOG_OK: filled now, from the arena. LOG_PENDING: disk reads, comes back from
 * log_done. Bytes never reach over upper_offset nor over the end of one segment. */
MUST_USE enum log_status log_read(struct log *log, struct partition *partition,
                                  struct log_read *read);

/* Gives one extent back. From the owning core. */
void log_extent_release(struct log *log, void *hold);

/* ---- Lookups -------------------------------------------------------------------------------- */

/* Kafka's special timestamps of ListOffsets that need the log. */
enum log_query_kind {
    LOG_QUERY_TIMESTAMP,     /* First record with timestamp >= the given one. */
    LOG_QUERY_MAX_TIMESTAMP, /* The record with the largest timestamp. */
};

struct log_query {
    struct list_node node;
    enum log_query_kind kind;
    int64_t timestamp_ms; /* In: wanted. Out: found, -1 none. */
    int64_t upper_offset; /* In: exclusive. */
    int64_t offset;       /* Out: -1 none. */
    int32_t leader_epoch; /* Out: of the found record, -1 unknown. */
    enum log_status status;
    void *owner;
    struct partition *partition;
    uint64_t private_state[16];
};

/* By record, decompressing the batch where needed (B32). */
MUST_USE enum log_status log_query(struct log *log, struct partition *partition,
                                   struct log_query *query);

/* Moves the log start (B34). LOG_OFFSET_OUT_OF_RANGE above the high watermark. Durable when back.
 */
MUST_USE enum log_status log_delete_records(struct log *log, struct partition *partition,
                                            struct log_operation *operation);

/* ---- The turn ------------------------------------------------------------------------------- */

/* Takes in finished disk operations and jobs; moves offsets. Returns the work done. */
uint32_t log_done_turn(struct log *log, uint64_t now_ns, int64_t wall_ms, uint32_t budget);

/* Plans the writes and flushes of everything appended this turn and hands them to the disk. */
uint32_t log_submit_turn(struct log *log, uint64_t now_ns);

/* Bounded timer work: roll by time, retention, checkpoints, flush.ms, deferred unlink, expiry of
 * producers, healing after ENOSPC. Returns the work done. */
uint32_t log_timer_turn(struct log *log, uint64_t now_ns, int64_t wall_ms);

/* When log_timer_turn next has something to do; UINT64_MAX never. */
uint64_t log_next_deadline_ns(const struct log *log);

/* Work of a core that came back. Each _done returns the next of its kind, or NULL. */
struct append *log_append_done(struct log *log);
/* The next that log_append_done returns, or NULL. */
const struct append *log_append_next(const struct log *log);
struct log_read *log_read_done(struct log *log);
struct log_query *log_query_done(struct log *log);
struct log_operation *log_operation_done(struct log *log);

/* The next partition that is watched and whose high watermark, log start or state moved since it
 * was last returned, or NULL: the caller looks at its parked fetches. */
struct partition *log_advanced(struct log *log);
/* At first no partition is watched. */
void partition_watch(struct partition *partition, bool watch);

/* ---- Counters ------------------------------------------------------------------------------- */

struct log_counters {
    uint64_t appended_bytes;
    uint64_t appended_batches;
    uint64_t appended_records;
    uint64_t appends_waiting; /* Now: handed in, and not answered yet. */
    uint64_t written_bytes;   /* To the device, whole blocks: device bytes per payload byte. */
    uint64_t zeroed_bytes;    /* To the device ahead of use (H8). */
    uint64_t write_count;
    uint64_t flush_count;
    uint64_t read_bytes;      /* From the device. */
    uint64_t arena_hit_bytes; /* Served from memory. */
    uint64_t refused_batches;
    uint64_t io_errors;
    uint64_t bad_index_entries; /* Of .index and .timeindex files; the log was followed instead. */
    uint64_t arena_used_bytes;
    uint64_t open_files;
    uint64_t producers;
    uint64_t partitions_fenced;
    uint64_t cleanings;        /* Compactions that came to their end. */
    uint64_t clean_failures;   /* ... that did not, and renames tried again. */
    uint64_t cleaned_segments; /* Taken in by others. */
    uint64_t clean_read_bytes;
    uint64_t clean_written_bytes;
    uint64_t uncleanable_partitions; /* Damaged, or of an old format: not tried again. */
};

const struct log_counters *log_counters(const struct log *log);

#endif
