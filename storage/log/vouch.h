/* What a start found behind the mark is made durable for sure. Internal to storage/log. */
#ifndef STORAGE_LOG_VOUCH_H
#define STORAGE_LOG_VOUCH_H

#include "storage/log/engine.h"

/* The partition was found with records behind that mark, after a crash. */
void vouch_needed(struct partition *p, const struct sidecar *mark);

/* p->unvouched: begins, or goes on with it; the partition is kicked when it is over. */
void vouch_begin(struct partition *p);

/* p->unvouched: a flush of its device failed meanwhile, and one of ours may have seen nothing of
 * that. */
void vouch_device_failed(struct partition *p);

#endif
