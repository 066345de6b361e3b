/* Log and image together: operations stage changes, a commit makes a turn's worth of them durable.
 *
 * Staged changes are replayed into the image at once, so that later operations of the same turn
 * build on them; nothing may leave the process before metadata_commit said METADATA_OK. When it
 * fails, the image is read again from what is durable and everything staged is forgotten.
 *
 * Threads: the control loop's.
 */
#ifndef CONTROL_METADATA_STORE_H
#define CONTROL_METADATA_STORE_H

#include "control/metadata/image.h"

struct store {
    struct metadata_log log;
    struct image image;
    struct changes staged;
    size_t replayed; /* Of staged. */
    bool open;
    bool stale;           /* The image is ahead of the log and could not be read again yet. */
    struct changes state; /* Reused for checkpoints. */
    uint64_t commits;
    uint64_t failures;
    uint64_t checkpoints;
};

/* Opens, reads and leads; on failure nothing stays open and log.reason says why.
 * flushes_failed as in metadata_log_open. */
MUST_USE enum metadata_status metadata_open(struct store *store, struct file_system *files,
                                            const char *parent, int32_t node_id,
                                            _Atomic uint32_t *flushes_failed, int64_t wall_ms);
void metadata_close(struct store *store);

/* Replays what was added to `staged` since the last call. Changes come from our own steps, so a
 * refusal is our bug. */
void metadata_apply(struct store *store);

/* Makes everything staged durable. */
MUST_USE enum metadata_status metadata_commit(struct store *store, int64_t wall_ms);

/* Forgets what is staged. False: the image is stale, nothing may be served from it. */
bool metadata_reload(struct store *store);

/* Writes a checkpoint when enough was appended; a failure is only counted. */
void metadata_checkpoint_turn(struct store *store);

#endif
