/* Which segments go, and when. Internal to storage/log. */
#ifndef STORAGE_LOG_RETENTION_H
#define STORAGE_LOG_RETENTION_H

#include "storage/log/engine.h"

uint32_t retention_apply(struct partition *p);
bool retention_wants_roll(const struct partition *p);
/* The oldest segment is to go by its age, and is still there. */
bool retention_has_old(const struct partition *p);

#endif
