#include "control/config/check.h"

#include <stdio.h>

const struct kafka_key config_client_metrics_keys[] = {
    {"interval.ms", KAFKA_KEY_INT, "300000", KAFKA_CHECK_ANY, KAFKA_NO_MIN, KAFKA_NO_MAX, NULL,
     KAFKA_MEDIUM, 0, "How often a client pushes its metrics."},
    {"match", KAFKA_KEY_LIST, "", KAFKA_CHECK_LIST, 0, KAFKA_NO_MAX, NULL, KAFKA_MEDIUM, 0,
     "Which clients: name=pattern."},
    {"metrics", KAFKA_KEY_LIST, "", KAFKA_CHECK_LIST, 0, KAFKA_NO_MAX, NULL, KAFKA_MEDIUM, 0,
     "Prefixes of the names of metrics to push."},
};
const uint32_t config_client_metrics_count = ARRAY_SIZE(config_client_metrics_keys);

static const char *message_of(struct arena *arena, const char *text)
{
    return (const char *)arena_copy(arena, bytes_of_string(text)).ptr;
}

static bool text_is(struct bytes text, const char *other)
{
    return bytes_equal(text, bytes_of_string(other));
}

static const char *check_one(struct arena *arena, enum kafka_scope scope,
                             const struct config_change *change)
{
    struct kafka_key_error error;
    const struct kafka_key *key = kafka_key_find(scope, change->key);
    if (key == NULL) {
        kafka_key_unknown(change->key, &error);
        return message_of(arena, error.text);
    }
    if (!kafka_key_check(key, change->value, NULL, &error)) {
        return message_of(arena, error.text);
    }
    return NULL;
}

/* The value of a key after the change, as number. */
static int64_t number_after(const struct config_view *view, const struct config_change *set,
                            uint32_t count, const char *name)
{
    const struct kafka_key *key = kafka_key_find(KAFKA_TOPIC, bytes_of_string(name));
    ASSERT(key != NULL);
    struct kafka_value value = {0};
    struct kafka_key_error error;
    char room[24];
    struct bytes text = bytes_of_string(config_topic_value(view, NULL, key, room));
    for (uint32_t i = 0; i < count; i++) {
        text = text_is(set[i].key, name) ? set[i].value : text;
    }
    const bool good = kafka_key_check(key, text, &value, &error);
    return good ? value.number : 0;
}

const char *config_check_topic(const struct config_view *view, struct arena *arena,
                               const struct config_change *set, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *why = check_one(arena, KAFKA_TOPIC, &set[i]);
        if (why != NULL) {
            return why;
        }
    }
    struct kafka_key_error error;
    if (!kafka_topic_check_together(number_after(view, set, count, "min.compaction.lag.ms"),
                                    number_after(view, set, count, "max.compaction.lag.ms"),
                                    number_after(view, set, count, "remote.storage.enable") != 0,
                                    &error)) {
        return message_of(arena, error.text);
    }
    return NULL;
}

static const char *broker_refusal(struct arena *arena, const char *why, struct bytes key)
{
    char text[512];
    (void)snprintf(text, sizeof(text), "%s: Set(%.*s)", why, (int)min_u32(key.len, 250),
                   (const char *)key.ptr);
    return message_of(arena, text);
}

/* No broker's default (DynamicConfig.Broker): kafka-reassign-partitions --throttle sets them. */
static const struct kafka_key rate_keys[] = {
    {"follower.replication.throttled.rate", KAFKA_KEY_LONG, "9223372036854775807",
     KAFKA_CHECK_RANGE, 0, KAFKA_NO_MAX, NULL, KAFKA_MEDIUM, KAFKA_DYNAMIC,
     "Bandwidth limit of replication, followers."},
    {"leader.replication.throttled.rate", KAFKA_KEY_LONG, "9223372036854775807", KAFKA_CHECK_RANGE,
     0, KAFKA_NO_MAX, NULL, KAFKA_MEDIUM, KAFKA_DYNAMIC,
     "Bandwidth limit of replication, leaders."},
    {"replica.alter.log.dirs.io.max.bytes.per.second", KAFKA_KEY_LONG, "9223372036854775807",
     KAFKA_CHECK_RANGE, 0, KAFKA_NO_MAX, NULL, KAFKA_MEDIUM, KAFKA_DYNAMIC,
     "Bandwidth limit of moves between directories."},
};

static struct bytes listener_stripped(struct bytes name)
{
    static const char prefix[] = "listener.name.";
    const uint32_t prefix_len = sizeof(prefix) - 1;
    const uint8_t *dot = name.len <= prefix_len || memcmp(name.ptr, prefix, prefix_len) != 0
                             ? NULL
                             : memchr(name.ptr + prefix_len, '.', name.len - prefix_len);
    if (dot == NULL) {
        return name;
    }
    const uint32_t over = (uint32_t)(dot + 1 - name.ptr);
    return (struct bytes){name.ptr + over, name.len - over};
}

const struct kafka_key *config_broker_key(struct bytes name, bool *of_listener)
{
    const struct bytes plain = listener_stripped(name);
    *of_listener = plain.len != name.len;
    for (uint32_t i = 0; i < ARRAY_SIZE(rate_keys); i++) {
        if (text_is(plain, rate_keys[i].name)) {
            return &rate_keys[i];
        }
    }
    return kafka_key_find(KAFKA_BROKER, plain);
}

/* SslConfigs.RECONFIGURABLE_CONFIGS */
static bool of_listeners_only(const struct kafka_key *key)
{
    static const char *const names[] = {"ssl.key.password",        "ssl.keystore.certificate.chain",
                                        "ssl.keystore.key",        "ssl.keystore.location",
                                        "ssl.keystore.password",   "ssl.keystore.type",
                                        "ssl.truststore.location", "ssl.truststore.password",
                                        "ssl.truststore.type",     "ssl.truststore.certificates"};
    for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(key->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* ClusterLevelListenerConfigs of DynamicBrokerConfig. */
static bool of_cluster_too(const struct kafka_key *key, bool of_listener)
{
    static const char *const names[] = {"max.connections", "max.connection.creation.rate",
                                        "num.network.threads"};
    if (!of_listener) {
        return (key->flags & KAFKA_PER_BROKER) == 0;
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(key->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A pool of threads grows to twice its size at most, and shrinks to half of it
 * (DynamicThreadPool, LogCleaner). */
static const char *check_threads(const struct config_view *view, struct arena *arena,
                                 const struct kafka_key *key, const struct config_change *change,
                                 bool cluster)
{
    static const char *const names[] = {"background.threads", "log.cleaner.threads",
                                        "num.io.threads", "num.recovery.threads.per.data.dir",
                                        "num.replica.fetchers"};
    bool pool = false;
    for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
        pool |= strcmp(key->name, names[i]) == 0;
    }
    if (!pool || (cluster && config_broker_in(view, CONFIG_SOURCE_BROKER, key->name) != NULL)) {
        return NULL;
    }
    struct kafka_key_error error;
    struct kafka_value value = {0};
    const int64_t now = config_broker_number(view, key->name);
    const bool good = kafka_key_check(key, change->value, &value, &error);
    if (good && value.number >= 1 && value.number >= now / 2 && value.number <= now * 2) {
        return NULL;
    }
    return (const char *)chain_first(
               arena_text(arena,
                          "%s=%lld: a pool of threads changes to half or twice the %lld of now at "
                          "most, and to at least 1",
                          key->name, (long long)value.number, (long long)now))
        .ptr;
}

static const char *check_broker_one(const struct config_view *view, struct arena *arena,
                                    const struct config_change *change, bool cluster)
{
    struct kafka_key_error error;
    bool of_listener;
    const struct kafka_key *key = config_broker_key(change->key, &of_listener);
    if (key == NULL) {
        return NULL; /* Kafka takes names of plugins that it does not know itself. */
    }
    if ((key->flags & KAFKA_DYNAMIC) == 0 && !of_listener) {
        return broker_refusal(arena, "Cannot update these configs dynamically", change->key);
    }
    if (!of_listener && change->value.ptr != NULL && of_listeners_only(key)) {
        return broker_refusal(arena, "Only dynamic behind listener.name.NAME.", change->key);
    }
    if (change->value.ptr != NULL && !kafka_key_check(key, change->value, NULL, &error)) {
        return message_of(arena, error.text);
    }
    if (cluster && !of_cluster_too(key, of_listener)) {
        return broker_refusal(arena,
                              "Cannot update these configs at default cluster level, broker id "
                              "must be specified",
                              change->key);
    }
    if (change->value.ptr == NULL) {
        return NULL;
    }
    return check_threads(view, arena, key, change, cluster);
}

const char *config_check_broker(const struct config_view *view, struct arena *arena,
                                const struct config_change *change, uint32_t count, bool cluster)
{
    const char *why = NULL;
    for (uint32_t i = 0; i < count && why == NULL; i++) {
        why = check_broker_one(view, arena, &change[i], cluster);
    }
    return why;
}

const char *config_check_group(struct arena *arena, const struct config_change *set, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct kafka_key_error error;
        const struct kafka_key *key = kafka_key_find(KAFKA_GROUP, set[i].key);
        if (key == NULL) {
            return (const char *)chain_first(arena_text(arena, "Unknown group config name: %.*s",
                                                        (int)min_u32(set[i].key.len, 250),
                                                        (const char *)set[i].key.ptr))
                .ptr;
        }
        if (!kafka_key_check(key, set[i].value, NULL, &error)) {
            return message_of(arena, error.text);
        }
    }
    return NULL;
}

static bool match_valid(struct bytes patterns)
{
    static const char *const names[] = {"client_instance_id",    "client_id",
                                        "client_software_name",  "client_software_version",
                                        "client_source_address", "client_source_port"};
    struct bytes one = {0};
    while (patterns.len > 0 && kafka_list_next(&patterns, &one)) {
        const uint8_t *equals = one.len == 0 ? NULL : memchr(one.ptr, '=', one.len);
        bool known = false;
        for (uint32_t i = 0; equals != NULL && i < ARRAY_SIZE(names); i++) {
            known |= text_is((struct bytes){one.ptr, (uint32_t)(equals - one.ptr)}, names[i]);
        }
        if (!known || equals + 1 == one.ptr + one.len) {
            return false;
        }
    }
    return true;
}

static const struct kafka_key *client_metrics_key(struct bytes name)
{
    for (uint32_t i = 0; i < config_client_metrics_count; i++) {
        if (text_is(name, config_client_metrics_keys[i].name)) {
            return &config_client_metrics_keys[i];
        }
    }
    return NULL;
}

const char *config_check_client_metrics(struct arena *arena, const struct config_change *set,
                                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct kafka_key_error error;
        struct kafka_value value = {0};
        const struct kafka_key *key = client_metrics_key(set[i].key);
        if (key == NULL) {
            return (const char *)chain_first(
                       arena_text(arena, "Unknown client metrics configuration: %.*s",
                                  (int)min_u32(set[i].key.len, 250), (const char *)set[i].key.ptr))
                .ptr;
        }
        if (!kafka_key_check(key, set[i].value, &value, &error)) {
            return message_of(arena, error.text);
        }
        if (key->type == KAFKA_KEY_INT && (value.number < 100 || value.number > 3600000)) {
            return message_of(arena, "Invalid value for interval.ms, interval must be between 100 "
                                     "and 3600000 (1 hour)");
        }
        if (text_is(set[i].key, "match") && !match_valid(set[i].value)) {
            return message_of(arena, "Illegal client matching pattern");
        }
    }
    return NULL;
}
