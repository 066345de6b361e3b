/* Effective configuration: which of the sources of a key wins, and what the cores get of it.
 *
 * A broker key: dynamic of this broker, dynamic default of the cluster, static (the configuration
 * file), the table's default. A topic key: set on the topic, else its broker synonyms in that same
 * order, else the table's default. Tables and checks: dataplane/profile/kafka_keys.h. Pure.
 */
#ifndef CONTROL_CONFIG_RESOLVE_H
#define CONTROL_CONFIG_RESOLVE_H

#include "control/metadata/image.h"
#include "dataplane/profile/settings.h"

/* Kafka's numbers (DescribeConfigsResponse.ConfigSource). */
enum config_source {
    CONFIG_SOURCE_TOPIC = 1,
    CONFIG_SOURCE_BROKER = 2,
    CONFIG_SOURCE_CLUSTER = 3,
    CONFIG_SOURCE_STATIC = 4,
    CONFIG_SOURCE_DEFAULT = 5,
    CONFIG_SOURCE_LOGGER = 6,
    CONFIG_SOURCE_CLIENT_METRICS = 7,
    CONFIG_SOURCE_GROUP = 8,
};

/* Both borrowed. */
struct config_view {
    const struct image *image;
    const struct settings *settings;
    char node_name[12]; /* The name of this broker's resource. */
};

struct config_view config_view_of(const struct image *image, const struct settings *settings);

/* The value set for a broker key in one source, NULL: not set there. */
const char *config_broker_in(const struct config_view *view, enum config_source source,
                             const char *name);

/* The value that wins for a broker key, not counting defaults; a kafka_lookup. */
const char *config_broker_set(void *context, const char *name);

/* With the default, which may be NULL (Kafka's null). */
const char *config_broker_value(const struct config_view *view, const char *name);
/* Of a key of type BOOLEAN, INT, SHORT or LONG. */
int64_t config_broker_number(const struct config_view *view, const char *name);

/* The effective value of a topic key; resource NULL: nothing is set on the topic. room holds a
 * converted value. */
const char *config_topic_value(const struct config_view *view,
                               const struct image_resource *resource, const struct kafka_key *key,
                               char room[24]);

/* The value of a topic key that is not set on the topic, and where it comes from. */
const char *config_topic_inherited(const struct config_view *view, const struct kafka_key *key,
                                   char room[24], enum config_source *source);

/* What the log of a topic's partitions is told. */
void config_partition(const struct config_view *view, const struct image_resource *resource,
                      struct partition_config *config);
/* What the cores are told for all. */
void config_server(const struct config_view *view, struct server_settings *server);

#endif
