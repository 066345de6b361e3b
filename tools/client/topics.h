/* Topics as the command line sees them: one call each, over struct client. */
#ifndef TOOLS_CLIENT_TOPICS_H
#define TOOLS_CLIENT_TOPICS_H

#include "tools/client/client.h"

enum { TOPIC_NAME_ROOM = 250, TOPIC_NODES_MAX = 16 };

struct topic_partition {
    int32_t partition;
    int16_t error_code;
    int32_t leader;
    int32_t leader_epoch;
    int32_t replicas[TOPIC_NODES_MAX];
    int32_t replica_count;
    int32_t isr[TOPIC_NODES_MAX];
    int32_t isr_count;
    int64_t start_offset; /* -1: not asked or not known. */
    int64_t end_offset;
};

struct topic {
    char name[TOPIC_NAME_ROOM];
    char id[UUID_TEXT_CHARS + 1];
    bool internal;
    int16_t error_code;
    struct topic_partition *partitions; /* By number; owned by the list. */
    uint32_t partition_count;
};

struct topic_list {
    struct topic *topics; /* By name. */
    uint32_t count;
};

struct topic_config {
    const char *name;
    const char *value; /* NULL: back to the default. */
};

/* All topics, or the one of that name; a missing one has its error_code. Learns all nodes. */
MUST_USE bool topics_describe(struct client *client, const char *name, struct topic_list *list);
void topics_free(struct topic_list *list);

/* Fills start_offset and end_offset of all partitions with a leader. */
MUST_USE bool topics_offsets(struct client *client, struct topic *topic);

/* The offset of the first record at or after the time (ms), or at a special time of ListOffsets;
 * -1 when there is none. */
MUST_USE bool topics_offset_at(struct client *client, const char *topic,
                               const struct topic_partition *partition, int64_t timestamp,
                               int64_t *offset);

/* partitions, replicas: -1 is the broker's default. */
MUST_USE bool topics_create(struct client *client, const char *name, int32_t partitions,
                            int16_t replicas, const struct topic_config *configs,
                            uint32_t config_count);
MUST_USE bool topics_delete(struct client *client, const char *name);
MUST_USE bool topics_grow(struct client *client, const char *name, int32_t partitions);
MUST_USE bool topics_set(struct client *client, const char *name,
                         const struct topic_config *configs, uint32_t config_count);

/* One configuration value of a topic as the broker tells it. Views until the next call. */
struct topic_config_value {
    struct chain name;
    struct chain value; /* Null: sensitive, or none. */
    int8_t source;      /* 1 topic, 2 and 3 dynamic broker, 4 file, 5 default. */
};

/* Calls `take` for each key of the topic, in the broker's order. */
MUST_USE bool topics_configs(struct client *client, const char *name,
                             void (*take)(void *context, const struct topic_config_value *value),
                             void *context);

#endif
