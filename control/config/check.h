/* May a set of keys stand on a resource? As Kafka's LogConfig.validate and its kin. Pure. */
#ifndef CONTROL_CONFIG_CHECK_H
#define CONTROL_CONFIG_CHECK_H

#include "control/arena.h"
#include "control/config/resolve.h"

/* A key and what it is to be; a value with ptr NULL takes the key away. */
struct config_change {
    struct bytes key;
    struct bytes value;
};

/* All that a topic shall have set, as one list. NULL: fine; else why not, in the arena (Kafka's
 * INVALID_CONFIG). */
const char *config_check_topic(const struct config_view *view, struct arena *arena,
                               const struct config_change *set, uint32_t count);

/* A change of broker keys; cluster: of the cluster's default, not of this broker. */
const char *config_check_broker(const struct config_view *view, struct arena *arena,
                                const struct config_change *change, uint32_t count, bool cluster);

/* What a name set on a broker means: a key of the table, one that only exists at run time (the
 * rates of replication, DynamicConfig.Broker), or either behind listener.name.NAME., where
 * *of_listener is true. NULL: a plugin's. */
const struct kafka_key *config_broker_key(struct bytes name, bool *of_listener);

/* Keys of a group or of client metrics. */
const char *config_check_group(struct arena *arena, const struct config_change *set,
                               uint32_t count);
const char *config_check_client_metrics(struct arena *arena, const struct config_change *set,
                                        uint32_t count);

/* The keys of client metrics subscriptions (ClientMetricsConfigs). */
extern const struct kafka_key config_client_metrics_keys[];
extern const uint32_t config_client_metrics_count;

#endif
