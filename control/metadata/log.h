/* The metadata log's files: <first data directory>/__cluster_metadata-0, in KRaft's format.
 *
 *   <20 digits>.log                 batches v2; the name is the first offset
 *   <20 digits>-<10 digits>.checkpoint   the whole state before an offset, and its epoch
 *   quorum-state                    JSON: who leads, in which epoch
 *   .lock                           held by the one control process that may write
 *
 * One commit is one batch: written, then synced, then it counts. So at most the last batch of the
 * last file can be torn, and it was never acknowledged; a damaged batch with a whole one behind it
 * is corruption and refused. Every start writes a LeaderChange record in an epoch of its own.
 *
 * Blocking calls; the control loop's thread. Everything goes through storage/io/file.h, so that a
 * simulation can crash between any two calls.
 */
#ifndef CONTROL_METADATA_LOG_H
#define CONTROL_METADATA_LOG_H

#include "control/metadata/changes.h"
#include "storage/io/file.h"

enum metadata_status {
    METADATA_OK,
    METADATA_IN_USE,      /* Another control process holds the lock. */
    METADATA_CORRUPT,     /* Acknowledged records are damaged or missing. */
    METADATA_UNSUPPORTED, /* A record, version or layout that this build does not know. */
    METADATA_NO_SPACE,    /* ENOSPC, EDQUOT: heals when there is room. */
    METADATA_IO_ERROR,
};

enum {
    METADATA_PATH_BYTES = 1200,
    METADATA_REASON_BYTES = 256,
    METADATA_CHECKPOINT_AFTER_BYTES = 8 * 1024 * 1024, /* Of batches behind the last one. */
};

struct metadata_log {
    struct file_system *files;
    char directory[METADATA_PATH_BYTES];
    _Atomic uint32_t *flushes_failed; /* Of the device, by all who write to it. */
    int32_t node_id;
    int lock;
    int segment; /* -1: none open. */
    int64_t segment_base;
    uint64_t segment_bytes; /* Durable; what lies behind it is not ours. */
    bool tail_dirty;        /* A commit failed: the file must be cut before the next one. */
    bool names_dirty;       /* A directory sync failed: tried again before the next commit. */
    int64_t end_offset;     /* Of the next record; everything below is durable. */
    int32_t epoch;          /* Of this start. */
    int64_t last_timestamp_ms;
    int64_t checkpoint_end; /* -1: there is none. */
    uint64_t bytes_behind_checkpoint;
    uint64_t checkpoint_after_bytes;
    char reason[METADATA_REASON_BYTES]; /* Of the last failure, one sentence. */
    uint8_t *buffer;
    size_t buffer_bytes;
};

/* What a load hands out: each record in order, framed. Another status than METADATA_OK ends it and
 * is returned; reason is to be filled then. */
struct metadata_reader {
    enum metadata_status (*record)(void *context, struct bytes record, char *reason,
                                   size_t reason_bytes);
    void *context;
};

/* Locks and, where there is nothing yet, makes the directory. parent is the data directory. A
 * failed sync is counted in *flushes_failed, of all who write to that device, before anything else
 * happens (H5, file_sync_tell); borrowed until the close. */
MUST_USE enum metadata_status metadata_log_open(struct metadata_log *log, struct file_system *files,
                                                const char *parent, int32_t node_id,
                                                _Atomic uint32_t *flushes_failed);
void metadata_log_close(struct metadata_log *log);

/* Reads everything from the newest checkpoint on and cuts a torn tail. Also after a failed commit:
 * then everything up to end_offset comes again. */
MUST_USE enum metadata_status metadata_log_load(struct metadata_log *log,
                                                const struct metadata_reader *reader);

/* Starts an epoch: quorum-state and the LeaderChange record. Once, after the first load. */
MUST_USE enum metadata_status metadata_log_lead(struct metadata_log *log, int64_t wall_ms);

/* Appends the records as one batch and syncs. When it fails none of them counts. */
MUST_USE enum metadata_status metadata_log_commit(struct metadata_log *log,
                                                  const struct changes *changes, int64_t wall_ms);

/* True when enough was appended since the last checkpoint. */
bool metadata_log_wants_checkpoint(const struct metadata_log *log);
/* Writes a checkpoint of the records, which are the whole state at end_offset, starts a new file
 * and removes what is older. A failure changes nothing that counts; the next try is later. */
MUST_USE enum metadata_status metadata_log_checkpoint(struct metadata_log *log,
                                                      const struct changes *state);

#endif
