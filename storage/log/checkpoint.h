/* Checkpoints of a partition, its rolls and its sealing. Internal to storage/log. */
#ifndef STORAGE_LOG_CHECKPOINT_H
#define STORAGE_LOG_CHECKPOINT_H

#include "storage/log/jobs.h"

/* Starts a checkpoint of everything appended so far. False: not now. */
bool checkpoint_begin(struct partition *p);
bool checkpoint_may_begin(const struct partition *p);
void checkpoint_progress(struct partition *p);
void checkpoint_cancel(struct partition *p);

/* Seals: the active file is cut to its last byte. Nothing is under way. False: not now. */
bool checkpoint_seal(struct partition *p);

/* Takes the state of the full active segment; the caller begins the next one and posts. False: not
 * now. */
bool checkpoint_roll(struct partition *p);
void checkpoint_roll_post(struct partition *p); /* For the first time, or again after a failure. */
void checkpoint_roll_drop(struct partition *p); /* The partition is being deleted. */

/* Writes the mark again with the present log start, for all of start_operations. */
void checkpoint_log_start(struct partition *p);

/* records.c */
void records_progress(struct partition *p);
void records_fail_waiting(struct partition *p);

#endif
