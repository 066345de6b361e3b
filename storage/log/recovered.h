/* What recovery found of one partition, on its way to log_adopt. Internal to storage/log. */
#ifndef STORAGE_LOG_RECOVERED_H
#define STORAGE_LOG_RECOVERED_H

#include "storage/log/engine.h"

struct recovered_segment {
    int64_t base_offset;
    uint32_t size;
    struct peak peak;
    int64_t first_timestamp_ms;
    uint32_t index_count;
    uint32_t time_count;
};

struct recovered_partition {
    struct partition_id id;
    char name[TOPIC_NAME_BYTES_MAX + 12];
    int64_t log_start;
    int64_t end;
    struct sidecar sidecar; /* As on disk; where there is none, what one would say. */
    bool marked;            /* There is one. */
    int64_t snapshot_offset;
    uint64_t unread_bytes;
    struct recovered_segment *segments;
    uint32_t segment_count;
    uint32_t index_bytes_since; /* Of the last segment. */
    int64_t time_last_ms;
    struct checkpoint_epoch *epochs;
    uint32_t epoch_count;
    bool epochs_dirty; /* The file says something else. */
    struct producer_values *producers;
    uint32_t producer_count;
    struct aborted_txn *aborted; /* Of all segments, by their markers. */
    uint32_t aborted_count;
    uint32_t aborted_capacity;
};

#endif
