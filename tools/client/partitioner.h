/* Where a record with a key goes: as Kafka's own clients decide (BuiltInPartitioner, murmur2). */
#ifndef TOOLS_CLIENT_PARTITIONER_H
#define TOOLS_CLIENT_PARTITIONER_H

#include "storage/base/bytes.h"

/* Kafka's hash of keys (Utils.murmur2). */
uint32_t partitioner_murmur2(struct bytes key);

static inline uint32_t partitioner_of_key(struct bytes key, uint32_t partition_count)
{
    return (partitioner_murmur2(key) & INT32_MAX) % partition_count;
}

#endif
