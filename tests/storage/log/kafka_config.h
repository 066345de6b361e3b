/* What Kafka sets on a partition when nobody says otherwise. */
#ifndef TESTS_STORAGE_LOG_KAFKA_CONFIG_H
#define TESTS_STORAGE_LOG_KAFKA_CONFIG_H

#include "storage/log/log.h"

static inline struct partition_config kafka_config(void)
{
    return (struct partition_config){.retention_ms = -1,
                                     .retention_bytes = -1,
                                     .segment_ms = INT64_C(7) * 86400000,
                                     .flush_messages = INT64_MAX,
                                     .flush_ms = INT64_MAX,
                                     .timestamp_before_max_ms = INT64_MAX,
                                     .timestamp_after_max_ms = 3600000,
                                     .delete_retention_ms = 86400000,
                                     .file_delete_delay_ms = 60000,
                                     .producer_expiration_ms = 86400000,
                                     .segment_bytes = 1 << 30,
                                     .segment_index_bytes = 10 << 20,
                                     .index_interval_bytes = 4096,
                                     .max_message_bytes = 1048588,
                                     .cleanup_delete = true,
                                     .clean_enabled = true,
                                     .clean_map_bytes = 4 << 20,
                                     .clean_io_bytes = 512 << 10,
                                     .clean_load_percent = 90,
                                     .clean_bytes_per_second = INT64_MAX,
                                     .clean_backoff_ms = 15000,
                                     .max_compaction_lag_ms = INT64_MAX,
                                     .dirty_ratio_millionths = 500000,
                                     .compression = -1};
}

#endif
