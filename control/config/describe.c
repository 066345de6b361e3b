#include <stdlib.h>

#include "control/config/check.h"
#include "control/config/node.h"
#include "control/step.h"
#include "control/topic/name.h"
#include "storage/base/text.h"

enum { SYNONYMS_MAX = 16 };

/* One resource being described. */
struct describing {
    struct step *step;
    struct string_array wanted; /* None named: all keys. */
    bool with_synonyms;
    bool with_documentation;
    bool cluster_only; /* The cluster's default, not this broker. */
    struct describe_configs_response_config *items;
    int32_t count;
};

static bool key_wanted(const struct describing *describing, struct bytes name)
{
    struct string_array wanted = describing->wanted;
    struct chain key;
    if (wanted.count <= 0) {
        return true;
    }
    while (string_array_next(&wanted, &key)) {
        if (chain_equals(key, name)) {
            return true;
        }
    }
    return false;
}

static struct chain text_chain(const struct describing *describing, const char *text)
{
    struct arena *arena = describing->step->arena;
    return text == NULL ? CHAIN_NULL : arena_chain(arena, arena_copy(arena, bytes_of_string(text)));
}

/* NULL stays NULL. */
static const char *value_shown(const struct describing *describing, const struct kafka_key *key,
                               const char *value)
{
    if (value == NULL) {
        return NULL;
    }
    char *room = arena_take(describing->step->arena, strlen(value) + KAFKA_SHOWN_BYTES);
    return kafka_key_shown(key, bytes_of_string(value), room);
}

static struct describe_configs_response_config *item_add(struct describing *describing,
                                                         const char *name, const char *value,
                                                         const struct kafka_key *key)
{
    struct describe_configs_response_config *item = &describing->items[describing->count++];
    const bool sensitive = key != NULL && kafka_key_sensitive(key);
    *item = describe_configs_response_config_default;
    item->name = text_chain(describing, name);
    item->value = sensitive ? CHAIN_NULL : text_chain(describing, value);
    item->is_sensitive = sensitive;
    item->config_source = CONFIG_SOURCE_DEFAULT;
    item->config_type = key == NULL ? 0 : (int8_t)key->type;
    item->documentation = describing->with_documentation && key != NULL
                              ? text_chain(describing, key->doc)
                              : CHAIN_NULL;
    return item;
}

struct synonyms {
    struct describe_configs_response_synonym items[SYNONYMS_MAX];
    uint32_t count;
};

static void synonym_add(const struct describing *describing, struct synonyms *synonyms,
                        const char *name, const char *value, enum config_source source,
                        bool sensitive)
{
    if (value == NULL || synonyms->count == SYNONYMS_MAX) {
        return;
    }
    struct describe_configs_response_synonym *synonym = &synonyms->items[synonyms->count++];
    *synonym = describe_configs_response_synonym_default;
    synonym->name = text_chain(describing, name);
    synonym->value = sensitive ? CHAIN_NULL : text_chain(describing, value);
    synonym->source = (int8_t)source;
}

static const char *broker_value_of(const struct config_view *view, enum config_source source,
                                   const char *name)
{
    const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, bytes_of_string(name));
    if (source == CONFIG_SOURCE_DEFAULT) {
        return key == NULL ? NULL : key->fallback;
    }
    return source == CONFIG_SOURCE_STATIC && key == NULL ? NULL
                                                         : config_broker_in(view, source, name);
}

/* Kafka's order: sources outside, names inside; what stands before the key's own name is dropped
 * (ConfigHelper.configSynonyms). */
static void broker_synonyms_add(const struct describing *describing, struct synonyms *synonyms,
                                const char *name, bool sensitive, bool cluster_only)
{
    static const enum config_source sources[] = {CONFIG_SOURCE_BROKER, CONFIG_SOURCE_CLUSTER,
                                                 CONFIG_SOURCE_STATIC, CONFIG_SOURCE_DEFAULT};
    const struct config_view *view = &describing->step->view;
    uint32_t count;
    const struct kafka_synonym *rows = kafka_synonyms(KAFKA_BROKER, name, &count);
    bool reached = false;
    for (uint32_t s = 0; s < ARRAY_SIZE(sources); s++) {
        if (cluster_only && sources[s] != CONFIG_SOURCE_CLUSTER) {
            continue;
        }
        for (uint32_t i = 0; i < (count == 0 ? 1 : count); i++) {
            const char *other = count == 0 ? name : rows[i].broker_name;
            const char *value = broker_value_of(view, sources[s], other);
            reached = reached || (value != NULL && strcmp(other, name) == 0);
            if (reached) {
                synonym_add(describing, synonyms, other, value, sources[s], sensitive);
            }
        }
    }
}

static void synonyms_finish(const struct describing *describing, const struct synonyms *synonyms,
                            struct describe_configs_response_config *item)
{
    if (synonyms->count > 0) {
        item->config_source = synonyms->items[0].source;
    }
    if (describing->with_synonyms && synonyms->count > 0) {
        struct describe_configs_response_synonym *kept = ARENA_ARRAY(
            describing->step->arena, struct describe_configs_response_synonym, synonyms->count);
        memcpy(kept, synonyms->items, synonyms->count * sizeof(*kept));
        item->synonyms.items = kept;
        item->synonyms.count = (int32_t)synonyms->count;
    }
}

/* ---- Topics --------------------------------------------------------------------------------- */

static struct step_error describe_topic(struct describing *describing, struct bytes name)
{
    struct step *step = describing->step;
    char reason[TOPIC_NAME_REASON_BYTES];
    if (!topic_name_valid(name, reason)) {
        return STEP_ERROR(step, ERROR_INVALID_TOPIC_EXCEPTION, "%s", reason);
    }
    if (image_topic_by_name(step_image(step), name) == NULL) {
        return (struct step_error){ERROR_UNKNOWN_TOPIC_OR_PARTITION, CHAIN_NULL};
    }
    const struct image_resource *resource = image_resource(step_image(step), RESOURCE_TOPIC, name);
    uint32_t count;
    const struct kafka_key *keys = kafka_keys(KAFKA_TOPIC, &count);
    describing->items = ARENA_ARRAY(step->arena, struct describe_configs_response_config, count);
    for (uint32_t i = 0; i < count; i++) {
        char room[24];
        uint32_t synonym_count;
        struct synonyms synonyms = {.count = 0};
        if (!key_wanted(describing, bytes_of_string(keys[i].name))) {
            continue;
        }
        const char *value = value_shown(describing, &keys[i],
                                        config_topic_value(&step->view, resource, &keys[i], room));
        struct describe_configs_response_config *item =
            item_add(describing, keys[i].name, value, &keys[i]);
        if (image_resource_value(resource, bytes_of_string(keys[i].name)) != NULL) {
            synonym_add(describing, &synonyms, keys[i].name, value, CONFIG_SOURCE_TOPIC,
                        kafka_key_sensitive(&keys[i]));
        }
        const struct kafka_synonym *rows =
            kafka_synonyms(KAFKA_TOPIC, keys[i].name, &synonym_count);
        if (synonym_count > 0) {
            broker_synonyms_add(describing, &synonyms, rows[0].broker_name,
                                kafka_key_sensitive(&keys[i]), false);
        }
        synonyms_finish(describing, &synonyms, item);
    }
    return step_good();
}

/* ---- Brokers -------------------------------------------------------------------------------- */

static const enum config_source set_sources[] = {CONFIG_SOURCE_BROKER, CONFIG_SOURCE_CLUSTER};

static const struct image_resource *set_resource(const struct describing *describing,
                                                 enum config_source source)
{
    const struct step *step = describing->step;
    const char *name = source == CONFIG_SOURCE_BROKER ? step->view.node_name : "";
    return image_resource(step_image(step), RESOURCE_BROKER, bytes_of_string(name));
}

static uint32_t set_count(const struct describing *describing)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(set_sources); i++) {
        const struct image_resource *resource = set_resource(describing, set_sources[i]);
        count += resource == NULL ? 0 : resource->count;
    }
    return count;
}

/* What is set and in no table: the rates of replication, keys of one listener, and what may be a
 * plugin's, which is never shown (KafkaConfig.maybeSensitive). */
static void others_describe(struct describing *describing, const struct image_resource *resource,
                            enum config_source source)
{
    struct step *step = describing->step;
    const uint32_t count = resource == NULL ? 0 : resource->count;
    for (uint32_t i = 0; i < count; i++) {
        const struct image_config_entry *entry = &resource->entries[i];
        const char *name = (const char *)arena_copy(step->arena, entry->key).ptr;
        struct synonyms synonyms = {.count = 0};
        bool of_listener;
        const struct kafka_key *key = config_broker_key(entry->key, &of_listener);
        const bool told = source == CONFIG_SOURCE_CLUSTER && !describing->cluster_only &&
                          config_broker_in(&step->view, CONFIG_SOURCE_BROKER, name) != NULL;
        if (told || kafka_key_find(KAFKA_BROKER, entry->key) != NULL ||
            !key_wanted(describing, entry->key)) {
            continue;
        }
        const bool sensitive = key == NULL || kafka_key_sensitive(key);
        struct describe_configs_response_config *item =
            item_add(describing, name, sensitive ? NULL : (const char *)entry->value.ptr, key);
        item->is_sensitive = sensitive;
        item->read_only = true;
        item->documentation = CHAIN_NULL;
        broker_synonyms_add(describing, &synonyms, name, sensitive, describing->cluster_only);
        if (of_listener && key != NULL && !describing->cluster_only) {
            broker_synonyms_add(describing, &synonyms, key->name, sensitive, false);
        }
        synonyms_finish(describing, &synonyms, item);
    }
}

static void describe_node(struct describing *describing)
{
    struct step *step = describing->step;
    uint32_t count;
    const struct kafka_key *keys = kafka_keys(KAFKA_BROKER, &count);
    char *room = arena_take(step->arena, CONFIG_NODE_VALUE_BYTES);
    describing->items = ARENA_ARRAY(step->arena, struct describe_configs_response_config,
                                    count + set_count(describing));
    for (uint32_t i = 0; i < count; i++) {
        struct synonyms synonyms = {.count = 0};
        const bool hidden = (keys[i].flags & KAFKA_INTERNAL) != 0 &&
                            config_broker_set(&step->view, keys[i].name) == NULL;
        if (hidden || !key_wanted(describing, bytes_of_string(keys[i].name))) {
            continue;
        }
        const char *elsewhere = config_node_value(&step->view, keys[i].name, room);
        const char *value = value_shown(
            describing, &keys[i],
            elsewhere != NULL ? elsewhere : config_broker_value(&step->view, keys[i].name));
        struct describe_configs_response_config *item =
            item_add(describing, keys[i].name, value, &keys[i]);
        item->read_only = (keys[i].flags & KAFKA_DYNAMIC) == 0;
        if (elsewhere != NULL) {
            synonym_add(describing, &synonyms, keys[i].name, value, CONFIG_SOURCE_STATIC, false);
        } else {
            broker_synonyms_add(describing, &synonyms, keys[i].name, kafka_key_sensitive(&keys[i]),
                                false);
        }
        synonyms_finish(describing, &synonyms, item);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(set_sources); i++) {
        others_describe(describing, set_resource(describing, set_sources[i]), set_sources[i]);
    }
}

/* Only what is set for the whole cluster. */
static void describe_cluster_default(struct describing *describing)
{
    struct step *step = describing->step;
    const struct image_resource *resource = set_resource(describing, CONFIG_SOURCE_CLUSTER);
    const uint32_t count = resource == NULL ? 0 : resource->count;
    describing->items = ARENA_ARRAY(step->arena, struct describe_configs_response_config, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct image_config_entry *entry = &resource->entries[i];
        const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, entry->key);
        struct synonyms synonyms = {.count = 0};
        if (key == NULL || !key_wanted(describing, entry->key)) {
            continue;
        }
        struct describe_configs_response_config *item =
            item_add(describing, key->name, (const char *)entry->value.ptr, key);
        item->read_only = (key->flags & KAFKA_DYNAMIC) == 0;
        broker_synonyms_add(describing, &synonyms, key->name, kafka_key_sensitive(key), true);
        synonyms_finish(describing, &synonyms, item);
    }
    others_describe(describing, resource, CONFIG_SOURCE_CLUSTER);
}

static struct step_error describe_broker(struct describing *describing, struct bytes name)
{
    struct step *step = describing->step;
    int64_t id;
    if (name.len == 0) {
        describing->cluster_only = true;
        describe_cluster_default(describing);
        return step_good();
    }
    if (!text_parse_i64(name, &id)) {
        return STEP_ERROR(step, ERROR_INVALID_REQUEST,
                          "Broker id must be an integer, but it is: %.*s", SHOWN(name));
    }
    if (id != step_image(step)->node_id) {
        return STEP_ERROR(step, ERROR_INVALID_REQUEST,
                          "Unexpected broker id, expected %d or empty string, but received %.*s",
                          step_image(step)->node_id, SHOWN(name));
    }
    describe_node(describing);
    return step_good();
}

static struct step_error describe_logger(struct describing *describing, struct bytes name)
{
    struct step *step = describing->step;
    int64_t id;
    if (name.len == 0) {
        return STEP_ERROR(step, ERROR_INVALID_REQUEST, "Broker id must not be empty");
    }
    if (!text_parse_i64(name, &id)) {
        return STEP_ERROR(step, ERROR_INVALID_REQUEST,
                          "Broker id must be an integer, but it is: %.*s", SHOWN(name));
    }
    if (id != step_image(step)->node_id) {
        return STEP_ERROR(step, ERROR_INVALID_REQUEST,
                          "Unexpected broker id, expected %d but received %.*s",
                          step_image(step)->node_id, SHOWN(name));
    }
    describing->items = ARENA_ARRAY(step->arena, struct describe_configs_response_config, 1);
    if (key_wanted(describing, bytes_of_string("root"))) {
        struct describe_configs_response_config *item =
            item_add(describing, "root", step->logger_level, NULL);
        item->config_source = CONFIG_SOURCE_LOGGER;
    }
    return step_good();
}

/* ---- Groups and client metrics: a table of keys, and what is set ------------------------------
 */

static void describe_table(struct describing *describing, const struct kafka_key *keys,
                           uint32_t count, const struct image_resource *resource,
                           enum config_source source, bool default_is_synonym)
{
    struct step *step = describing->step;
    describing->items = ARENA_ARRAY(step->arena, struct describe_configs_response_config, count);
    for (uint32_t i = 0; i < count; i++) {
        struct synonyms synonyms = {.count = 0};
        if (!key_wanted(describing, bytes_of_string(keys[i].name))) {
            continue;
        }
        const char *set = image_resource_value(resource, bytes_of_string(keys[i].name));
        const char *value = value_shown(describing, &keys[i], set != NULL ? set : keys[i].fallback);
        struct describe_configs_response_config *item =
            item_add(describing, keys[i].name, value, &keys[i]);
        if (set != NULL || default_is_synonym) {
            synonym_add(describing, &synonyms, keys[i].name, value,
                        set != NULL ? source : CONFIG_SOURCE_DEFAULT, false);
        }
        synonyms_finish(describing, &synonyms, item);
    }
}

static struct step_error describe_other(struct describing *describing, int8_t type,
                                        struct bytes name)
{
    struct step *step = describing->step;
    uint32_t count;
    if (type == RESOURCE_GROUP && name.len > 0) {
        const struct kafka_key *keys = kafka_keys(KAFKA_GROUP, &count);
        describe_table(describing, keys, count,
                       image_resource(step_image(step), RESOURCE_GROUP, name), CONFIG_SOURCE_GROUP,
                       true);
        return step_good();
    }
    if (type == RESOURCE_CLIENT_METRICS && name.len > 0) {
        describe_table(describing, config_client_metrics_keys, config_client_metrics_count,
                       image_resource(step_image(step), RESOURCE_CLIENT_METRICS, name),
                       CONFIG_SOURCE_CLIENT_METRICS, false);
        return step_good();
    }
    if (type == RESOURCE_GROUP) {
        return STEP_ERROR(step, ERROR_INVALID_REQUEST, "Group name must not be empty");
    }
    return STEP_ERROR(step, ERROR_INVALID_REQUEST,
                      "Client metrics subscription name must not be empty");
}

static struct step_error describe_resource(struct describing *describing, int8_t type,
                                           struct bytes name)
{
    switch (type) {
    case RESOURCE_TOPIC: return describe_topic(describing, name);
    case RESOURCE_BROKER: return describe_broker(describing, name);
    case RESOURCE_BROKER_LOGGER: return describe_logger(describing, name);
    default: return describe_other(describing, type, name);
    }
}

static bool type_known(int8_t type)
{
    return type == RESOURCE_TOPIC || type == RESOURCE_BROKER || type == RESOURCE_BROKER_LOGGER ||
           type == RESOURCE_CLIENT_METRICS || type == RESOURCE_GROUP;
}

/* ---- The answer, slice by slice ---------------------------------------------------------------
 */

/* Room for so many more bytes. */
static void body_reserve(struct step_body *body, uint64_t bytes)
{
    const uint64_t needed = body->len + bytes;
    if (needed > body->capacity) {
        const uint64_t capacity = max_u64(needed, 2 * (uint64_t)body->capacity);
        ASSERT(capacity <= UINT32_MAX);
        body->ptr = realloc(body->ptr, capacity);
        ASSERT(body->ptr != NULL);
        body->capacity = (uint32_t)capacity;
    }
}

static void body_begin(struct step *step, int32_t count)
{
    enum { HEAD_BYTES_MAX = 16 };
    struct step_body *body = &step->body_out;
    struct writer writer;
    body_reserve(body, HEAD_BYTES_MAX);
    writer_init(&writer, body->ptr, HEAD_BYTES_MAX);
    describe_configs_response_encode_begin(&writer, step->version,
                                           &describe_configs_response_default, count);
    ASSERT(writer.status == CODEC_OK);
    body->len = writer_used(&writer);
}

static void body_end(struct step *step)
{
    enum { TAIL_BYTES_MAX = 8 };
    struct step_body *body = &step->body_out;
    struct writer writer;
    body_reserve(body, TAIL_BYTES_MAX);
    writer_init(&writer, body->ptr + body->len, TAIL_BYTES_MAX);
    const enum codec_status status = describe_configs_response_encode_end(
        &writer, step->version, &describe_configs_response_default);
    ASSERT(status == CODEC_OK);
    body->len += writer_used(&writer);
}

/* False: the answer would be too long. */
static bool body_add(struct step *step, const struct describe_configs_response_result *result)
{
    struct step_body *body = &step->body_out;
    struct writer writer;
    writer_init_count(&writer);
    describe_configs_response_result_encode(&writer, step->version, result);
    const uint64_t bytes = writer_bytes(&writer);
    if (bytes > SLOW_REPLY_BYTES_MAX || body->len + bytes > SLOW_REPLY_BYTES_MAX) {
        return false;
    }
    body_reserve(body, bytes);
    writer_init(&writer, body->ptr + body->len, bytes);
    describe_configs_response_result_encode(&writer, step->version, result);
    ASSERT(writer.status == CODEC_OK);
    body->len += writer_used(&writer);
    body->errors += writer.errors;
    return true;
}

static void result_add(struct step *step, const struct describe_configs_request *request,
                       const struct describe_configs_request_resource *resource)
{
    struct describing describing = {.step = step,
                                    .wanted = resource->configuration_keys,
                                    .with_synonyms = request->include_synonyms,
                                    .with_documentation = request->include_documentation};
    const struct bytes name = arena_flat(step->arena, resource->resource_name);
    const struct step_error error = describe_resource(&describing, resource->resource_type, name);
    struct describe_configs_response_result result = describe_configs_response_result_default;
    result.error_code = error.code;
    result.error_message = chain_is_null(error.message)
                               ? arena_chain(step->arena, bytes_of_string(""))
                               : error.message;
    result.resource_type = resource->resource_type;
    result.resource_name = arena_chain(step->arena, name);
    result.configs.items = describing.items;
    result.configs.count = error.code == ERROR_NONE ? describing.count : 0;
    if (!body_add(step, &result)) {
        step->whole_error = ERROR_POLICY_VIOLATION;
    }
}

/* Describes what one slice of memory holds, in step->arena. */
static void slice_describe(struct step *step, struct describe_configs_request *request)
{
    struct describe_configs_request_resource resource;
    while (step->arena->total < STEP_SLICE_BYTES) {
        if (!describe_configs_request_resource_array_next(&request->resources, &resource)) {
            body_end(step);
            return;
        }
        if (!type_known(resource.resource_type)) {
            step->whole_error = ERROR_INVALID_REQUEST;
            return;
        }
        result_add(step, request, &resource);
        if (step->whole_error != ERROR_NONE) {
            return;
        }
    }
    step->again = true;
}

void describe_configs_step(struct step *step)
{
    struct describe_configs_request *request = step->progress;
    struct arena *lasting = step->arena;
    struct arena slice = {0};
    step->again = false;
    if (request == NULL) {
        request = ARENA_ARRAY(lasting, struct describe_configs_request, 1);
        if (describe_configs_request_decode(&step->body, step->version, request) != CODEC_OK) {
            step->malformed = true;
            return;
        }
        step->progress = request;
        body_begin(step, request->resources.count);
    }
    step->arena = &slice;
    slice_describe(step, request);
    step->arena = lasting;
    arena_free(&slice);
}
