#include <stdio.h>
#include <stdlib.h>

#include "control/config/check.h"
#include "control/repeats.h"
#include "control/step.h"
#include "control/topic/name.h"
#include "storage/base/text.h"

enum operation { OP_SET = 0, OP_DELETE = 1, OP_APPEND = 2, OP_SUBTRACT = 3 };

enum { VALUE_BYTES_MAX = 32767 };

struct asked {
    struct bytes key;
    struct bytes value;
    int8_t operation;
};

/* One resource of a request, of either API. */
struct altering {
    struct step *step;
    int8_t type;
    struct bytes name;
    struct asked *asked;
    uint32_t asked_count;
    bool replaces; /* AlterConfigs: what is not named goes. */
    bool validate_only;
    bool named_twice;
    const struct image_resource *now;
    /* What changes, and what the resource has then. */
    struct config_change *changes;
    uint32_t change_count;
    struct config_change *after;
    uint32_t after_count;
};

static struct step_error refuse(const struct altering *altering, int16_t code, const char *why)
{
    return STEP_ERROR(altering->step, code, "%s", why);
}

/* ---- What was asked ------------------------------------------------------------------------- */

static struct step_error check_asked(const struct altering *altering)
{
    if (altering->named_twice) {
        return refuse(altering, ERROR_INVALID_REQUEST, "Each resource must appear at most once.");
    }
    struct said *said = ARENA_ARRAY(altering->step->arena, struct said, altering->asked_count);
    for (uint32_t i = 0; i < altering->asked_count; i++) {
        said[i].name = altering->asked[i].key;
    }
    repeats_mark(altering->step->arena, said, altering->asked_count);
    for (uint32_t i = 0; i < altering->asked_count; i++) {
        if (said[i].repeated) {
            return refuse(altering, ERROR_INVALID_REQUEST, "Error due to duplicate config keys");
        }
    }
    char names[600];
    struct text text;
    text_init(&text, names, sizeof(names));
    for (uint32_t i = 0; i < altering->asked_count; i++) {
        if (altering->asked[i].value.ptr == NULL && altering->asked[i].operation != OP_DELETE) {
            text_string(&text, text.len == 0 ? "" : ", ");
            text_bytes(&text, altering->asked[i].key);
        }
        if (altering->asked[i].operation < OP_SET || altering->asked[i].operation > OP_SUBTRACT) {
            return STEP_ERROR(altering->step, ERROR_INVALID_REQUEST, "Unknown operations type %d",
                              altering->asked[i].operation);
        }
    }
    if (text.len > 0) {
        return STEP_ERROR(altering->step, ERROR_INVALID_REQUEST,
                          "Null value not supported for : %s", names);
    }
    return step_good();
}

static const struct kafka_key *key_of(const struct altering *altering, struct bytes name)
{
    switch (altering->type) {
    case RESOURCE_TOPIC: return kafka_key_find(KAFKA_TOPIC, name);
    case RESOURCE_BROKER: return kafka_key_find(KAFKA_BROKER, name);
    case RESOURCE_GROUP: return kafka_key_find(KAFKA_GROUP, name);
    default: break;
    }
    for (uint32_t i = 0; i < config_client_metrics_count; i++) {
        if (bytes_equal(bytes_of_string(config_client_metrics_keys[i].name), name)) {
            return &config_client_metrics_keys[i];
        }
    }
    return NULL;
}

static struct bytes part_next(struct bytes *rest)
{
    const uint8_t *comma = rest->len == 0 ? NULL : memchr(rest->ptr, ',', rest->len);
    const uint32_t len = comma == NULL ? rest->len : (uint32_t)(comma - rest->ptr);
    const struct bytes part = {rest->ptr, len};
    const uint32_t over = len + (comma != NULL);
    *rest = (struct bytes){rest->ptr + over, rest->len - over};
    return part;
}

static uint32_t parts_count(struct bytes list)
{
    uint32_t count = 0;
    for (; list.len > 0; count++) {
        (void)part_next(&list);
    }
    return count;
}

/* Adds the parts of two lists, each once; of the first list none when it is to be taken away. */
static void parts_join(struct arena *arena, struct text *text, struct bytes first,
                       struct bytes second, bool without_first)
{
    const uint32_t first_count = parts_count(first);
    const uint32_t count = first_count + parts_count(second);
    struct said *parts = ARENA_ARRAY(arena, struct said, count);
    for (uint32_t i = 0; i < count; i++) {
        parts[i].name = part_next(i < first_count ? &first : &second);
    }
    repeats_mark(arena, parts, count);
    for (uint32_t i = without_first ? first_count : 0; i < count; i++) {
        if (parts[i].name.len > 0 && !parts[i].later) {
            text_string(text, text->len == 0 ? "" : ",");
            text_bytes(text, parts[i].name);
        }
    }
}

/* APPEND and SUBTRACT work on what is set, else on the key's default. */
static struct step_error list_change(const struct altering *altering, const struct asked *asked,
                                     const char *now, struct bytes *value)
{
    const bool append = asked->operation == OP_APPEND;
    const struct kafka_key *key = key_of(altering, asked->key);
    if (key == NULL || key->type != KAFKA_KEY_LIST) {
        return STEP_ERROR(altering->step, ERROR_INVALID_CONFIG,
                          "Can't %s to key %.*s because its type is not LIST.",
                          append ? "APPEND" : "SUBTRACT", SHOWN(asked->key));
    }
    const struct bytes old = bytes_of_string(now != NULL ? now : key->fallback);
    const size_t room = (size_t)old.len + asked->value.len + 2;
    char *list = arena_take(altering->step->arena, room);
    struct text text;
    text_init(&text, list, room);
    parts_join(altering->step->arena, &text, append ? old : asked->value,
               append ? asked->value : old, !append);
    *value = (struct bytes){(const uint8_t *)list, (uint32_t)text.len};
    return step_good();
}

/* ---- What comes of it ----------------------------------------------------------------------- */

/* Which entry of the resource is set already; its count when none is. */
static uint32_t entry_number(const struct image_resource *now, struct bytes key)
{
    const struct image_config_entry *entry = image_resource_entry(now, key);
    if (now == NULL) {
        return 0;
    }
    return entry == NULL ? now->count : (uint32_t)(entry - now->entries);
}

/* The first entries of `after` are those of `now`. */
static void after_set(struct altering *altering, struct bytes key, struct bytes value)
{
    const uint32_t at = entry_number(altering->now, key);
    if (altering->now != NULL && at < altering->now->count) {
        altering->after[at].value = value;
    } else if (value.ptr != NULL) {
        altering->after[altering->after_count++] = (struct config_change){key, value};
    }
}

/* Drops what was taken away. */
static void after_close(struct altering *altering)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < altering->after_count; i++) {
        if (altering->after[i].value.ptr != NULL) {
            altering->after[kept++] = altering->after[i];
        }
    }
    altering->after_count = kept;
}

static void change_add(struct altering *altering, struct bytes key, struct bytes value)
{
    const char *now = image_resource_value(altering->now, key);
    const bool same =
        value.ptr == NULL ? now == NULL : now != NULL && bytes_equal(bytes_of_string(now), value);
    if (!same) {
        altering->changes[altering->change_count++] = (struct config_change){key, value};
    }
    after_set(altering, key, value);
}

/* AlterConfigs: what is not named goes. */
static void unnamed_remove(struct altering *altering)
{
    const struct image_resource *now = altering->now;
    const uint32_t now_count = now == NULL ? 0 : now->count;
    bool *named = ARENA_ARRAY(altering->step->arena, bool, now_count);
    for (uint32_t i = 0; i < altering->asked_count; i++) {
        const uint32_t at = entry_number(now, altering->asked[i].key);
        if (at < now_count) {
            named[at] = true;
        }
    }
    for (uint32_t i = 0; i < now_count; i++) {
        if (!named[i]) {
            change_add(altering, now->entries[i].key, (struct bytes){0});
        }
    }
}

static struct step_error changes_work_out(struct altering *altering)
{
    const uint32_t now_count = altering->now == NULL ? 0 : altering->now->count;
    struct arena *arena = altering->step->arena;
    if (altering->asked_count + now_count > KEYS_OF_RESOURCE_MAX) {
        return refuse(altering, ERROR_POLICY_VIOLATION, KEYS_OF_RESOURCE_TEXT);
    }
    altering->changes = ARENA_ARRAY(arena, struct config_change, altering->asked_count + now_count);
    altering->after = ARENA_ARRAY(arena, struct config_change, altering->asked_count + now_count);
    for (uint32_t i = 0; i < now_count; i++) {
        altering->after[altering->after_count++] =
            (struct config_change){altering->now->entries[i].key, altering->now->entries[i].value};
    }
    if (altering->replaces) {
        unnamed_remove(altering);
    }
    for (uint32_t i = 0; i < altering->asked_count; i++) {
        const struct asked *asked = &altering->asked[i];
        struct bytes value = asked->operation == OP_DELETE ? (struct bytes){0} : asked->value;
        if (asked->operation == OP_APPEND || asked->operation == OP_SUBTRACT) {
            const char *now = image_resource_value(altering->now, asked->key);
            const struct step_error error = list_change(altering, asked, now, &value);
            if (error.code != ERROR_NONE) {
                return error;
            }
        }
        if (value.len > VALUE_BYTES_MAX) {
            return refuse(altering, ERROR_INVALID_CONFIG,
                          "The configuration value cannot be added because it exceeds the maximum "
                          "value size of 32767 bytes.");
        }
        change_add(altering, asked->key, value);
    }
    after_close(altering);
    return step_good();
}

/* ---- By kind of resource -------------------------------------------------------------------- */

static struct step_error check_topic(const struct altering *altering)
{
    char reason[TOPIC_NAME_REASON_BYTES];
    if (altering->name.len == 0) {
        return refuse(altering, ERROR_INVALID_REQUEST, "Default topic resources are not allowed.");
    }
    if (!topic_name_valid(altering->name, reason)) {
        return refuse(altering, ERROR_INVALID_TOPIC_EXCEPTION, reason);
    }
    const char *why = config_check_topic(&altering->step->view, altering->step->arena,
                                         altering->after, altering->after_count);
    if (why != NULL) {
        return refuse(altering, ERROR_INVALID_CONFIG, why);
    }
    if (image_topic_by_name(step_image(altering->step), altering->name) == NULL) {
        return STEP_ERROR(altering->step, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                          "The topic '%.*s' does not exist.", SHOWN(altering->name));
    }
    return step_good();
}

/* The name of a broker's resource: empty for the cluster's default, else our own id. */
static struct step_error check_node(const struct altering *altering)
{
    int64_t id;
    if (!text_parse_i64(altering->name, &id)) {
        return STEP_ERROR(altering->step, ERROR_INVALID_REQUEST,
                          "Node id must be an integer, but it is: %.*s", SHOWN(altering->name));
    }
    if (id != step_image(altering->step)->node_id) {
        return STEP_ERROR(altering->step, ERROR_INVALID_REQUEST,
                          "Unexpected broker id, expected %d, but received %.*s",
                          step_image(altering->step)->node_id, SHOWN(altering->name));
    }
    return step_good();
}

static struct step_error check_broker(const struct altering *altering)
{
    if (altering->name.len > 0) {
        const struct step_error error = check_node(altering);
        if (error.code != ERROR_NONE) {
            return error;
        }
    }
    const char *why =
        config_check_broker(&altering->step->view, altering->step->arena, altering->changes,
                            altering->change_count, altering->name.len == 0);
    return why == NULL ? step_good() : refuse(altering, ERROR_INVALID_REQUEST, why);
}

static struct step_error check_resource(const struct altering *altering)
{
    struct arena *arena = altering->step->arena;
    const char *why;
    switch (altering->type) {
    case RESOURCE_TOPIC: return check_topic(altering);
    case RESOURCE_BROKER: return check_broker(altering);
    case RESOURCE_GROUP:
        if (altering->name.len == 0) {
            return refuse(altering, ERROR_INVALID_REQUEST,
                          "Default group resources are not allowed.");
        }
        why = config_check_group(arena, altering->after, altering->after_count);
        return why == NULL ? step_good() : refuse(altering, ERROR_INVALID_CONFIG, why);
    case RESOURCE_CLIENT_METRICS:
        if (altering->name.len == 0) {
            return refuse(altering, ERROR_INVALID_REQUEST, "Subscription name can't be empty");
        }
        why = config_check_client_metrics(arena, altering->after, altering->after_count);
        return why == NULL ? step_good() : refuse(altering, ERROR_INVALID_REQUEST, why);
    default:
        return STEP_ERROR(altering->step, ERROR_INVALID_REQUEST, "Unknown resource type %d",
                          altering->type);
    }
}

/* ---- Loggers: one, not kept over a restart -----------------------------------------------------
 */

static const char *level_find(struct bytes text)
{
    static const char *const levels[] = {"FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"};
    for (uint32_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (bytes_equal(bytes_of_string(levels[i]), text)) {
            return levels[i];
        }
    }
    return NULL;
}

static struct step_error alter_logger(const struct altering *altering)
{
    struct step_error error = check_node(altering);
    for (uint32_t i = 0; i < altering->asked_count && error.code == ERROR_NONE; i++) {
        const struct asked *asked = &altering->asked[i];
        const char *level = level_find(asked->value);
        if (!bytes_equal(asked->key, bytes_of_string("root"))) {
            error = STEP_ERROR(altering->step, ERROR_INVALID_CONFIG, "Logger %.*s does not exist!",
                               SHOWN(asked->key));
        } else if (asked->operation == OP_DELETE) {
            error = refuse(altering, ERROR_INVALID_REQUEST,
                           "Removing the log level of the root logger is not allowed");
        } else if (asked->operation != OP_SET) {
            error = STEP_ERROR(altering->step, ERROR_INVALID_REQUEST,
                               "%s operation is not allowed for the BROKER_LOGGER resource",
                               asked->operation == OP_APPEND ? "APPEND" : "SUBTRACT");
        } else if (level == NULL) {
            error = STEP_ERROR(altering->step, ERROR_INVALID_CONFIG,
                               "Cannot set the log level of root to %.*s as it is not a supported "
                               "log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, "
                               "WARN",
                               SHOWN(asked->value));
        } else if (!altering->validate_only) {
            altering->step->logger_level_wanted = level;
        }
    }
    return error;
}

static struct step_error resource_alter(struct altering *altering)
{
    struct step_error error = check_asked(altering);
    if (error.code != ERROR_NONE) {
        return error;
    }
    if (altering->type == RESOURCE_BROKER_LOGGER && !altering->replaces) {
        return alter_logger(altering);
    }
    altering->now = image_resource(step_image(altering->step), (enum resource_type)altering->type,
                                   altering->name);
    error = changes_work_out(altering);
    if (error.code == ERROR_NONE) {
        error = check_resource(altering);
    }
    for (uint32_t i = 0;
         error.code == ERROR_NONE && !altering->validate_only && i < altering->change_count; i++) {
        changes_config(altering->step->changes, (enum resource_type)altering->type, altering->name,
                       altering->changes[i].key, altering->changes[i].value);
    }
    return error;
}

/* ---- The two APIs --------------------------------------------------------------------------- */

static void twice_mark(struct arena *arena, struct altering *all, uint32_t count)
{
    struct said *said = ARENA_ARRAY(arena, struct said, count);
    for (uint32_t i = 0; i < count; i++) {
        said[i] = (struct said){.name = all[i].name, .kind = all[i].type};
    }
    repeats_mark(arena, said, count);
    for (uint32_t i = 0; i < count; i++) {
        all[i].named_twice = said[i].repeated;
    }
}

void alter_configs_step(struct step *step)
{
    struct alter_configs_request request;
    if (alter_configs_request_decode(&step->body, step->version, &request) != CODEC_OK) {
        step->malformed = true;
        return;
    }
    const uint32_t count = (uint32_t)request.resources.count;
    struct altering *all = ARENA_ARRAY(step->arena, struct altering, count);
    struct alter_configs_request_resource resource;
    for (uint32_t i = 0; alter_configs_request_resource_array_next(&request.resources, &resource);
         i++) {
        all[i] = (struct altering){.step = step,
                                   .type = resource.resource_type,
                                   .name = arena_flat(step->arena, resource.resource_name),
                                   .replaces = true,
                                   .validate_only = request.validate_only};
        all[i].asked = ARENA_ARRAY(step->arena, struct asked, resource.configs.count);
        struct alter_configs_request_config config;
        while (alter_configs_request_config_array_next(&resource.configs, &config)) {
            all[i].asked[all[i].asked_count++] =
                (struct asked){arena_flat(step->arena, config.name),
                               arena_flat(step->arena, config.value), OP_SET};
        }
    }
    twice_mark(step->arena, all, count);
    struct alter_configs_response *answer =
        ARENA_ARRAY(step->arena, struct alter_configs_response, 1);
    struct alter_configs_response_resource *items =
        ARENA_ARRAY(step->arena, struct alter_configs_response_resource, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct step_error error = resource_alter(&all[i]);
        items[i] = alter_configs_response_resource_default;
        items[i].error_code = error.code;
        items[i].error_message = error.message;
        items[i].resource_type = all[i].type;
        items[i].resource_name = arena_chain(step->arena, all[i].name);
    }
    *answer = alter_configs_response_default;
    answer->responses.items = items;
    answer->responses.count = (int32_t)count;
    step->answer = answer;
}

void incremental_alter_configs_step(struct step *step)
{
    struct incremental_alter_configs_request request;
    if (incremental_alter_configs_request_decode(&step->body, step->version, &request) !=
        CODEC_OK) {
        step->malformed = true;
        return;
    }
    const uint32_t count = (uint32_t)request.resources.count;
    struct altering *all = ARENA_ARRAY(step->arena, struct altering, count);
    struct incremental_alter_configs_request_resource resource;
    for (uint32_t i = 0;
         incremental_alter_configs_request_resource_array_next(&request.resources, &resource);
         i++) {
        all[i] = (struct altering){.step = step,
                                   .type = resource.resource_type,
                                   .name = arena_flat(step->arena, resource.resource_name),
                                   .validate_only = request.validate_only};
        all[i].asked = ARENA_ARRAY(step->arena, struct asked, resource.configs.count);
        struct incremental_alter_configs_request_config config;
        while (incremental_alter_configs_request_config_array_next(&resource.configs, &config)) {
            all[i].asked[all[i].asked_count++] =
                (struct asked){arena_flat(step->arena, config.name),
                               arena_flat(step->arena, config.value), config.config_operation};
        }
    }
    twice_mark(step->arena, all, count);
    struct incremental_alter_configs_response *answer =
        ARENA_ARRAY(step->arena, struct incremental_alter_configs_response, 1);
    struct incremental_alter_configs_response_resource *items =
        ARENA_ARRAY(step->arena, struct incremental_alter_configs_response_resource, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct step_error error = resource_alter(&all[i]);
        items[i] = incremental_alter_configs_response_resource_default;
        items[i].error_code = error.code;
        items[i].error_message = error.message;
        items[i].resource_type = all[i].type;
        items[i].resource_name = arena_chain(step->arena, all[i].name);
    }
    *answer = incremental_alter_configs_response_default;
    answer->responses.items = items;
    answer->responses.count = (int32_t)count;
    step->answer = answer;
}
