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
                                     .compression = -1};
}

#endif
