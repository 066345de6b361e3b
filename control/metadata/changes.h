/* Metadata records that belong together: one operation's, or one commit's of several.
 *
 * Pure steps put records here; nothing takes effect before the log has them and they are read back
 * (image.h). Each record is framed as in the log. Grows on the heap; an ordinary thread's.
 */
#ifndef CONTROL_METADATA_CHANGES_H
#define CONTROL_METADATA_CHANGES_H

#include "dataplane/kafka/messages.h"
#include "storage/base/uuid.h"

/* Kafka's numbers (ConfigResource.Type). */
enum resource_type {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_BROKER_LOGGER = 8,
    RESOURCE_CLIENT_METRICS = 16,
    RESOURCE_GROUP = 32,
};

struct changes {
    uint8_t *bytes; /* Each record: u32 length, then the framed record. */
    size_t used;
    size_t capacity;
    uint32_t count;
};

/* An all-zero struct changes is empty. */
void changes_free(struct changes *changes);
/* Forgets the records, keeps the memory. */
void changes_reset(struct changes *changes);

/* Walks the records; *at starts as 0. False at the end. */
MUST_USE bool changes_next(const struct changes *changes, size_t *at, struct bytes *record);

void changes_feature(struct changes *changes, struct bytes name, int16_t level);

enum {
    GROUP_VERSION_MAX = 1,       /* The consumer protocol, KIP-848. */
    TRANSACTION_VERSION_MAX = 2, /* Every end of a transaction raises the epoch, KIP-890. */
};

struct broker_registration {
    int32_t node_id;
    struct uuid incarnation;
    int64_t epoch;
    struct bytes host; /* May be empty. */
    uint16_t port;
    struct bytes rack; /* ptr NULL: none. */
    const struct uuid *directories;
    uint32_t directory_count;
    int16_t metadata_version_min;
    int16_t metadata_version_max;
};
void changes_broker(struct changes *changes, const struct broker_registration *registration);

void changes_topic(struct changes *changes, struct bytes name, struct uuid id);
void changes_topic_removed(struct changes *changes, struct uuid id);

/* A partition of replication factor 1 as a whole. */
struct partition_row {
    struct uuid topic_id;
    int32_t index;
    int32_t node_id;
    int32_t leader_epoch;
    int32_t partition_epoch;
    struct uuid directory; /* Zero: not assigned yet. */
};
void changes_partition(struct changes *changes, const struct partition_row *row);
/* The partition's files lie in that directory. */
void changes_directory(struct changes *changes, struct uuid topic_id, int32_t index,
                       struct uuid directory);
/* Names the leader anew, which raises the leader epoch by one (H7). */
void changes_leader(struct changes *changes, struct uuid topic_id, int32_t index, int32_t node_id);

/* value.ptr NULL deletes the key. */
void changes_config(struct changes *changes, enum resource_type type, struct bytes resource,
                    struct bytes key, struct bytes value);

void changes_producer_ids(struct changes *changes, int32_t node_id, int64_t broker_epoch,
                          int64_t next_producer_id);

#endif
