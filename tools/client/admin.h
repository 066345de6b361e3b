/* What the tools ask a broker to do with topics. As in client.h: blocking, false with
 * client->problem filled. A request whose answer was lost is not sent again unless doing it twice
 * is harmless. */
#ifndef TOOLS_CLIENT_ADMIN_H
#define TOOLS_CLIENT_ADMIN_H

#include "tools/client/client.h"

/* "KEY=VALUE" or a key alone (value NULL: back to its default). Borrowed. */
struct admin_setting {
    struct bytes key;
    struct bytes value; /* ptr NULL: none. */
};

/* Splits at the first '='. False when there is none, or no key before it. */
MUST_USE bool admin_setting_parse(const char *text, struct admin_setting *setting);

struct admin_new_topic {
    const char *name;
    int32_t partitions; /* -1: the broker's default. */
    int16_t replicas;   /* -1: the broker's default. */
    const struct admin_setting *settings;
    uint32_t setting_count;
    bool validate_only;
};

/* What came of it; zero and -1 where the broker's version does not say. */
struct admin_created {
    struct uuid id;
    int32_t partitions;
    int16_t replicas;
};

MUST_USE bool admin_create_topic(struct client *client, const struct admin_new_topic *topic,
                                 struct admin_created *created);
MUST_USE bool admin_delete_topic(struct client *client, const char *name);

/* To `partitions` in all. */
MUST_USE bool admin_grow_topic(struct client *client, const char *name, int32_t partitions);

/* Sets the settings that have a value and takes back those that have none, all or nothing. */
MUST_USE bool admin_set_topic(struct client *client, const char *name,
                              const struct admin_setting *settings, uint32_t count);

/* Where a value comes from (DescribeConfigs). */
enum admin_source {
    ADMIN_SOURCE_TOPIC = 1,
    ADMIN_SOURCE_BROKER = 2,
    ADMIN_SOURCE_BROKERS_DEFAULT = 3,
    ADMIN_SOURCE_STATIC = 4,
    ADMIN_SOURCE_DEFAULT = 5,
};

struct admin_config {
    char *name;
    char *value; /* NULL: none, or hidden. */
    int8_t source;
    bool read_only;
    bool sensitive;
};

/* "topic", "broker", "all brokers", "file", "default". */
const char *admin_source_name(int8_t source);

/* The array, by name, is given to the caller: admin_configs_free. */
MUST_USE bool admin_topic_configs(struct client *client, const char *name,
                                  struct admin_config **configs, uint32_t *count);
void admin_configs_free(struct admin_config *configs, uint32_t count);

/* Bytes each partition takes, on all replicas; sizes has topic->partition_count places. */
MUST_USE bool admin_topic_sizes(struct client *client, const struct client_topic *topic,
                                int64_t *sizes);

#endif
