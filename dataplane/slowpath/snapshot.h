/* The metadata snapshot: what control lets the cores know, whole and read-only.
 *
 * Control encodes one after each change and numbers it; the dataplane decodes it, as strictly as a
 * peer's input, into its own memory, gives every core the pointer, and frees the old one when all
 * cores have let go of it. Cores never see half a change.
 *
 * Threads: immutable once decoded, so readable from all.
 */
#ifndef DATAPLANE_SLOWPATH_SNAPSHOT_H
#define DATAPLANE_SLOWPATH_SNAPSHOT_H

#include "storage/base/bytes.h"
#include "storage/base/uuid.h"
#include "storage/log/log.h"

enum {
    SNAPSHOT_FORMAT_VERSION = 1,
    SNAPSHOT_DIRECTORY_NONE = 0xffff, /* Not placed yet, or its directory is unknown. */
};

struct snapshot_partition {
    int32_t leader_epoch;
    uint16_t directory; /* Index in the dataplane's list of data directories. */
    bool exists;        /* Files were made, and a durable record says so: it takes appends, and is
                           fenced when they are missing (H18). */
    bool offline;       /* Its directory failed. */
};

/* It has a leader: it can be written to and read. */
static inline bool snapshot_partition_led(const struct snapshot_partition *partition)
{
    return partition->exists && !partition->offline &&
           partition->directory != SNAPSHOT_DIRECTORY_NONE;
}

struct snapshot_topic {
    struct uuid id;
    struct bytes name;
    uint32_t partition_count;
    bool internal;
    struct snapshot_partition *partitions;
    struct partition_config config;
};

/* How many of its partitions clients are told of. New ones, which are the last, are told when they
 * can be written to: nothing of them is recorded yet, they are being made. */
static inline uint32_t snapshot_topic_told(const struct snapshot_topic *topic)
{
    uint32_t count = topic->partition_count;
    while (count > 0 && !topic->partitions[count - 1].exists &&
           !topic->partitions[count - 1].offline) {
        count--;
    }
    return count;
}

/* All of it is being made: clients are not told of it. */
static inline bool snapshot_topic_coming(const struct snapshot_topic *topic)
{
    return snapshot_topic_told(topic) == 0;
}

/* Broker-wide settings that act on a core; static and dynamic ones already resolved by control. */
struct server_settings {
    int64_t connections_idle_ms_max;          /* connections.max.idle.ms */
    uint32_t request_bytes_max;               /* socket.request.max.bytes */
    uint32_t connection_count_max;            /* max.connections */
    uint32_t connection_per_ip_max;           /* max.connections.per.ip */
    uint32_t connection_rate_max;             /* max.connection.creation.rate; INT32_MAX none */
    struct bytes connection_per_ip_overrides; /* max.connections.per.ip.overrides, as it is set */
    uint32_t fetch_bytes_max;                 /* fetch.max.bytes */
    uint32_t fetch_session_count_max;         /* max.incremental.fetch.session.cache.slots */
    uint32_t partition_default_count;         /* num.partitions */
    uint32_t partition_page_max;              /* max.request.partition.size.limit */
    bool auto_create_topics;
    bool delete_topic_enable;
    uint8_t log_level; /* enum journal_level; the root logger's. */
};

struct snapshot_broker {
    int32_t node_id;
    struct bytes host; /* Empty: the address the client connected to (H29). */
    uint16_t port;
    struct bytes rack; /* ptr NULL: none. */
};

struct snapshot {
    uint64_t version; /* Grows by one with each publication of one control session. */
    struct bytes cluster_id;
    struct snapshot_broker broker; /* Of this node; more come with the cluster. */
    int64_t finalized_features_epoch;
    int16_t metadata_version;    /* Feature level of metadata.version. */
    int16_t group_version;       /* And of group.version; not above 0: not finalised. */
    int16_t transaction_version; /* Likewise. */
    struct server_settings settings;
    uint32_t topic_count;
    struct snapshot_topic *topics; /* Sorted by name, as memcmp orders. */
    uint32_t partition_count;      /* Of all topics. */
    uint32_t *by_id;               /* Open-addressing table of topic index + 1, power of two. */
    uint32_t by_id_mask;
};

/* NULL when there is none. */
const struct snapshot_topic *snapshot_topic_by_name(const struct snapshot *snapshot,
                                                    struct bytes name);
const struct snapshot_topic *snapshot_topic_by_id(const struct snapshot *snapshot,
                                                  const struct uuid *id);

/* Which core owns a partition: a pure function of its name for good and the number of cores, so
 * that data stays readable when the number changes. Consecutive partitions of a topic go to
 * consecutive cores. */
uint32_t snapshot_partition_core(const struct uuid *topic_id, uint32_t partition,
                                 uint32_t core_count);

/* Encodes into `to`; returns the size needed, also when it is above capacity. by_id is ignored. */
uint64_t snapshot_encode(const struct snapshot *snapshot, void *to, uint64_t capacity);

/* Decodes into one allocation that is given to the caller (snapshot_free). NULL when the image is
 * malformed; then *reason is a constant sentence. Not on a core: allocates. */
MUST_USE struct snapshot *snapshot_decode(struct bytes image, const char **reason);
void snapshot_free(struct snapshot *snapshot);

#endif
