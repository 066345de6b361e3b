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
    return (const char *)arena_copy(arena, bytes_of(text)).ptr;
}

static bool text_is(struct bytes text, const char *other)
{
    return bytes_equal(text, bytes_of(other));
}

/* What Kafka would do and this broker does not do yet is refused, never ignored. */
static const char *check_compression(struct arena *arena, struct bytes value)
{
    if (text_is(value, "producer")) {
        return NULL;
    }
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "Invalid value %.*s for configuration compression.type: batches are stored as "
                   "their producer compressed them, so only 'producer' is supported",
                   (int)min_u32(value.len, 40), (const char *)value.ptr);
    return message_of(arena, text);
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
    if (text_is(change->key, "compression.type")) {
        return check_compression(arena, change->value);
    }
    return NULL;
}

/* The value of a key after the change, as number. */
static int64_t number_after(const struct config_view *view, const struct config_change *set,
                            uint32_t count, const char *name)
{
    const struct kafka_key *key = kafka_key_find(KAFKA_TOPIC, bytes_of(name));
    ASSERT(key != NULL);
    struct kafka_value value = {0};
    struct kafka_key_error error;
    char room[24];
    struct bytes text = bytes_of(config_topic_value(view, NULL, key, room));
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

const char *config_check_broker(struct arena *arena, const struct config_change *change,
                                uint32_t count, bool cluster)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, change[i].key);
        if (key == NULL) {
            continue; /* Kafka takes names of plugins that it does not know itself. */
        }
        if ((key->flags & KAFKA_DYNAMIC) == 0) {
            return broker_refusal(arena, "Cannot update these configs dynamically", change[i].key);
        }
        if (cluster && (key->flags & KAFKA_PER_BROKER) != 0) {
            return broker_refusal(arena,
                                  "Cannot update these configs at default cluster level, broker id "
                                  "must be specified",
                                  change[i].key);
        }
        const char *why =
            change[i].value.ptr == NULL ? NULL : check_one(arena, KAFKA_BROKER, &change[i]);
        if (why != NULL) {
            return why;
        }
    }
    return NULL;
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

const char *config_check_static(const struct settings *settings, struct arena *arena)
{
    const char *compression = settings_kafka(settings, "compression.type");
    return check_compression(arena, bytes_of(compression));
}
