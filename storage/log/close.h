/* Sealing and deleting partitions. Internal to storage/log. */
#ifndef STORAGE_LOG_CLOSE_H
#define STORAGE_LOG_CLOSE_H

#include "storage/log/engine.h"

bool close_seal(struct partition *p);
uint32_t close_idle(struct log *log, uint32_t budget);
void close_progress(struct log *log);
void close_advance(struct partition *p);
void close_doom(struct log *log, const struct doomed *doomed);
uint32_t close_unlink_due(struct log *log);

#endif
