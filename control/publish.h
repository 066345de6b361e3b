/* Snapshots from the image: what the cores are to know, encoded (dataplane/slowpath/snapshot.h).
 *
 * Built whole each time; buffers are kept, configurations are resolved only when stale, so that
 * 10,000 partitions take milliseconds.
 */
#ifndef CONTROL_PUBLISH_H
#define CONTROL_PUBLISH_H

#include "control/config/resolve.h"
#include "control/reconcile.h"
#include "dataplane/journal.h"

struct publisher {
    struct snapshot_topic *topics;
    uint32_t topic_capacity;
    struct snapshot_partition *partitions;
    uint32_t partition_capacity;
    uint8_t *bytes;
    uint64_t byte_capacity;
};

void publisher_free(struct publisher *publisher);

struct publication {
    uint64_t version;
    int64_t features_epoch; /* Offset of the last metadata record. */
    const struct session_hello *hello;
    enum journal_level log_level;
};

/* The encoded snapshot, a view of the publisher until the next call. Notes in the image which
 * partitions this version is the first to place. */
struct bytes publish_build(struct publisher *publisher, struct image *image,
                           const struct settings *settings, const struct publication *publication);

#endif
