/* The metadata image: what all records read so far add up to.
 *
 * One path leads into it, image_replay, for records of a commit just made as for those read at
 * start (one replay path). Steps read it and answer with changes; nobody else writes to it.
 *
 * Everything lives on the heap. Pointers and views into it are valid until the next replay.
 * Threads: one.
 */
#ifndef CONTROL_METADATA_IMAGE_H
#define CONTROL_METADATA_IMAGE_H

#include "control/metadata/changes.h"
#include "control/metadata/log.h"
#include "dataplane/slowpath/snapshot.h"

struct image_partition {
    int32_t leader;
    int32_t leader_epoch;
    int32_t partition_epoch;
    bool present;          /* Its record has come; all of a topic's do within one commit. */
    struct uuid directory; /* Zero: files not known to be made. */
    /* Not from records, kept here by the reconciler (control/reconcile.h). */
    uint16_t placed;         /* Index of the dataplane's directory, SNAPSHOT_DIRECTORY_NONE. */
    bool offline;            /* Its directory died, its files vanished or could not be made. */
    bool fresh;              /* Found without anything in it, maybe not durable. */
    int32_t found_epoch;     /* The largest its files had at the session's start. */
    uint64_t placed_version; /* Of the snapshot that first said `placed`, 0 none. */
};

struct image_topic {
    struct uuid id;
    struct bytes name; /* Owned, terminated. */
    uint32_t partition_count;
    uint32_t partition_capacity;
    struct image_partition *partitions;
    struct image_topic *next_by_id;
    /* Effective configuration as the cores take it; kept by control/config. */
    bool config_fresh;
    struct partition_config config;
};

struct image_config_entry {
    struct bytes key; /* Owned, terminated; so is the value. */
    struct bytes value;
};

/* What is set on one resource, sorted by key. */
struct image_resource {
    enum resource_type type;
    struct bytes name; /* Owned, terminated. */
    uint32_t count;
    uint32_t capacity;
    struct image_config_entry *entries;
};

enum { IMAGE_FEATURES_MAX = 16 };

struct image_feature {
    char name[64];
    int16_t level;
};

struct image_broker {
    bool registered;
    int32_t node_id;
    int64_t epoch;
    struct uuid incarnation;
    char host[256];
    uint16_t port;
    char rack[256];
    bool has_rack;
    bool fenced;
    struct uuid directories[LOG_DIRECTORIES_MAX];
    uint32_t directory_count;
    int16_t metadata_version_min;
    int16_t metadata_version_max;
};

struct image {
    int32_t node_id; /* Ours: what every partition must be on. */
    /* Topics sorted by name, and a table by id. */
    struct image_topic **topics;
    uint32_t topic_count;
    uint32_t topic_capacity;
    struct image_topic **by_id;
    uint32_t by_id_mask;
    uint32_t partition_count;
    /* Resources sorted by type and name. */
    struct image_resource *resources;
    uint32_t resource_count;
    uint32_t resource_capacity;
    struct image_feature features[IMAGE_FEATURES_MAX];
    uint32_t feature_count;
    struct image_broker broker;
    int64_t next_producer_id;
    /* Grows with every replayed record that a snapshot shows. */
    uint64_t visible_changes;
    uint64_t changes; /* Grows with every replayed record: who derives from the image asks it. */
};

void image_init(struct image *image, int32_t node_id);
void image_free(struct image *image);

/* Applies one framed record. METADATA_OK, METADATA_UNSUPPORTED or METADATA_CORRUPT with a reason.
 * context of struct metadata_reader: the image. */
MUST_USE enum metadata_status image_replay(void *image, struct bytes record, char *reason,
                                           size_t reason_bytes);

/* Takes over what no record says, for partitions that both images have. `to` counts as changed. */
void image_carry_over(struct image *to, const struct image *from);

/* The records that make this image, for a checkpoint. */
void image_write(const struct image *image, struct changes *changes);

/* ---- Topics --------------------------------------------------------------------------------- */

/* NULL when there is none. */
struct image_topic *image_topic_by_name(const struct image *image, struct bytes name);
struct image_topic *image_topic_by_id(const struct image *image, const struct uuid *id);
/* The first topic whose name is not below `name`. */
uint32_t image_topic_position(const struct image *image, struct bytes name);

/* ---- Configuration -------------------------------------------------------------------------- */

/* NULL: nothing is set on it. */
const struct image_resource *image_resource(const struct image *image, enum resource_type type,
                                            struct bytes name);
/* NULL: the key is not set. resource may be NULL, here and below. */
const struct image_config_entry *image_resource_entry(const struct image_resource *resource,
                                                      struct bytes key);
/* The value set, terminated, or NULL. */
const char *image_resource_value(const struct image_resource *resource, struct bytes key);

/* ---- The rest ------------------------------------------------------------------------------- */

/* -1: not finalised. */
int16_t image_feature_level(const struct image *image, const char *name);

/* As memcmp orders, then by length. */
int bytes_order(struct bytes a, struct bytes b);

/* ---- For image_replay only ------------------------------------------------------------------ */

struct image_topic *image_topic_add(struct image *image, struct bytes name, const struct uuid *id);
void image_topic_remove(struct image *image, struct image_topic *topic);
/* Room for the partition; its fields are set by the caller. */
struct image_partition *image_partition_at(struct image *image, struct image_topic *topic,
                                           uint32_t index);
/* value.ptr NULL removes the key. */
void image_config_set(struct image *image, enum resource_type type, struct bytes name,
                      struct bytes key, struct bytes value);
void image_resource_remove(struct image *image, enum resource_type type, struct bytes name);
/* A terminated copy on the heap. */
struct bytes bytes_copy(struct bytes from);

#endif
