#include "tools/client/admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"

enum {
    ROOM_BYTES = 64 << 10,
    MESSAGE_BYTES = 400,
    WHAT_BYTES = 320,
    RESOURCE_TOPIC = 2,
    OPERATION_SET = 0,
    OPERATION_DELETE = 1,
};

bool admin_setting_parse(const char *text, struct admin_setting *setting)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return false;
    }
    setting->key = (struct bytes){(const uint8_t *)text, (uint32_t)(equals - text)};
    setting->value = bytes_of_string(equals + 1);
    return true;
}

/* Turns error and message of an answer into the client's problem; true when there is none. */
static bool answer_check(struct client *client, int16_t error, struct chain message,
                         const char *verb, const char *name)
{
    if (error == ERROR_NONE) {
        return true;
    }
    char text[MESSAGE_BYTES];
    char what[WHAT_BYTES];
    client_copy_text(text, sizeof(text), message);
    (void)snprintf(what, sizeof(what), "%s %s", verb, name);
    return problem_kafka(&client->problem, error, what, name, text);
}

/* An answer that does not name what was asked for. */
static bool answer_missing(struct client *client)
{
    return connection_bad_answer(&client->first, &client->problem);
}

static struct writer *begin(struct client *client, int16_t key, uint32_t room, int16_t *version)
{
    struct connection *connection = client_any(client);
    return connection == NULL ? NULL
                              : connection_begin(connection, key, room, version, &client->problem);
}

static bool call(struct client *client, struct reader *reader)
{
    return connection_call(&client->first, client_deadline_ns(client), reader, &client->problem);
}

/* ---- Trying again ---------------------------------------------------------------------------- */

/* Did an attempt lose its answer? Then what it asked for may be done, and the next attempt finds
 * it so. */
struct attempts {
    uint64_t deadline_ns;
    bool lost;
};

static struct attempts attempts_begin(const struct client *client)
{
    return (struct attempts){.deadline_ns = client_deadline_ns(client)};
}

static bool attempts_again(struct attempts *attempts, struct client *client)
{
    const struct problem *problem = &client->problem;
    attempts->lost = attempts->lost || problem->kind == PROBLEM_LOST ||
                     (problem->kind == PROBLEM_KAFKA && problem->code == ERROR_REQUEST_TIMED_OUT);
    return client_again(client, true, attempts->deadline_ns);
}

/* The problem is one that an earlier attempt of ours may have made. */
static bool attempts_explain(const struct attempts *attempts, const struct client *client,
                             int16_t code)
{
    return attempts->lost && client->problem.kind == PROBLEM_KAFKA && client->problem.code == code;
}

static const char lost_text[] = "the answer to an earlier attempt was lost: this command may have "
                                "done it";

/* ---- Create --------------------------------------------------------------------------------- */

static uint32_t settings_bytes(const struct admin_setting *settings, uint32_t count)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += settings[i].key.len + settings[i].value.len + 32;
    }
    return bytes;
}

static bool create_encode(struct writer *writer, int16_t version, int32_t timeout_ms,
                          const struct admin_new_topic *topic)
{
    struct create_topics_request_config *configs =
        calloc((size_t)topic->setting_count + 1, sizeof(*configs));
    if (configs == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < topic->setting_count; i++) {
        configs[i].name = chain_of(&topic->settings[i].key);
        configs[i].value = chain_of(&topic->settings[i].value);
    }
    const struct bytes name = bytes_of_string(topic->name);
    struct create_topics_request_topic one = create_topics_request_topic_default;
    one.name = chain_of(&name);
    one.num_partitions = topic->partitions;
    one.replication_factor = topic->replicas;
    one.configs.items = configs;
    one.configs.count = (int32_t)topic->setting_count;
    struct create_topics_request request = create_topics_request_default;
    request.topics.items = &one;
    request.topics.count = 1;
    request.timeout_ms = timeout_ms;
    request.validate_only = topic->validate_only;
    (void)create_topics_request_encode(writer, version, &request);
    free(configs);
    return true;
}

static bool create_once(struct client *client, const struct admin_new_topic *topic,
                        struct admin_created *created)
{
    int16_t version;
    struct writer *writer =
        begin(client, API_CREATE_TOPICS,
              ROOM_BYTES + settings_bytes(topic->settings, topic->setting_count), &version);
    if (writer == NULL) {
        return false;
    }
    if (!create_encode(writer, version, (int32_t)client->timeout_ms, topic)) {
        return problem_set(&client->problem, PROBLEM_LOCAL, "out of memory");
    }
    struct reader reader;
    struct create_topics_response response;
    struct create_topics_response_topic one;
    if (!call(client, &reader)) {
        return false;
    }
    if (create_topics_response_decode(&reader, version, &response) != CODEC_OK ||
        !create_topics_response_topic_array_next(&response.topics, &one)) {
        return answer_missing(client);
    }
    *created = (struct admin_created){one.topic_id, one.num_partitions, one.replication_factor};
    return answer_check(client, one.error_code, one.error_message, "create topic", topic->name);
}

bool admin_create_topic(struct client *client, const struct admin_new_topic *topic,
                        struct admin_created *created)
{
    struct attempts attempts = attempts_begin(client);
    do {
        if (create_once(client, topic, created)) {
            return true;
        }
        if (attempts_explain(&attempts, client, ERROR_TOPIC_ALREADY_EXISTS)) {
            return answer_check(client, ERROR_TOPIC_ALREADY_EXISTS, CHAIN_TEXT(lost_text),
                                "create topic", topic->name);
        }
    } while (attempts_again(&attempts, client));
    return false;
}

/* ---- Delete, grow --------------------------------------------------------------------------- */

static bool delete_once(struct client *client, const char *name)
{
    int16_t version;
    struct writer *writer = begin(client, API_DELETE_TOPICS, ROOM_BYTES, &version);
    if (writer == NULL) {
        return false;
    }
    const struct bytes text = bytes_of_string(name);
    const struct chain chain = chain_of(&text);
    struct delete_topics_request_topic one = delete_topics_request_topic_default;
    one.name = chain;
    struct delete_topics_request request = delete_topics_request_default;
    if (version >= 6) {
        request.topics.items = &one;
        request.topics.count = 1;
    } else {
        request.topic_names.items = &chain;
        request.topic_names.count = 1;
    }
    request.timeout_ms = (int32_t)client->timeout_ms;
    (void)delete_topics_request_encode(writer, version, &request);
    struct reader reader;
    struct delete_topics_response response;
    struct delete_topics_response_topic topic;
    if (!call(client, &reader)) {
        return false;
    }
    if (delete_topics_response_decode(&reader, version, &response) != CODEC_OK ||
        !delete_topics_response_topic_array_next(&response.responses, &topic)) {
        return answer_missing(client);
    }
    return answer_check(client, topic.error_code, topic.error_message, "delete topic", name);
}

bool admin_delete_topic(struct client *client, const char *name)
{
    struct attempts attempts = attempts_begin(client);
    do {
        if (delete_once(client, name) ||
            attempts_explain(&attempts, client, ERROR_UNKNOWN_TOPIC_OR_PARTITION)) {
            return true;
        }
    } while (attempts_again(&attempts, client));
    return false;
}

static bool grow_once(struct client *client, const char *name, int32_t partitions)
{
    int16_t version;
    struct writer *writer = begin(client, API_CREATE_PARTITIONS, ROOM_BYTES, &version);
    if (writer == NULL) {
        return false;
    }
    const struct bytes text = bytes_of_string(name);
    struct create_partitions_request_topic one = create_partitions_request_topic_default;
    one.name = chain_of(&text);
    one.count = partitions;
    one.assignments.count = -1;
    struct create_partitions_request request = create_partitions_request_default;
    request.topics.items = &one;
    request.topics.count = 1;
    request.timeout_ms = (int32_t)client->timeout_ms;
    (void)create_partitions_request_encode(writer, version, &request);
    struct reader reader;
    struct create_partitions_response response;
    struct create_partitions_response_topic topic;
    if (!call(client, &reader)) {
        return false;
    }
    if (create_partitions_response_decode(&reader, version, &response) != CODEC_OK ||
        !create_partitions_response_topic_array_next(&response.results, &topic)) {
        return answer_missing(client);
    }
    return answer_check(client, topic.error_code, topic.error_message, "grow topic", name);
}

bool admin_grow_topic(struct client *client, const char *name, int32_t partitions)
{
    struct attempts attempts = attempts_begin(client);
    do {
        if (grow_once(client, name, partitions)) {
            return true;
        }
        if (attempts_explain(&attempts, client, ERROR_INVALID_PARTITIONS)) {
            return answer_check(client, ERROR_INVALID_PARTITIONS, CHAIN_TEXT(lost_text),
                                "grow topic", name);
        }
    } while (attempts_again(&attempts, client));
    return false;
}

/* ---- Settings ------------------------------------------------------------------------------- */

static void set_encode(struct writer *writer, int16_t version, struct chain name,
                       struct incremental_alter_configs_request_config *items,
                       const struct admin_setting *settings, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const bool has_value = settings[i].value.ptr != NULL;
        items[i].name = chain_of(&settings[i].key);
        items[i].config_operation = has_value ? OPERATION_SET : OPERATION_DELETE;
        items[i].value = has_value ? chain_of(&settings[i].value) : CHAIN_NULL;
    }
    struct incremental_alter_configs_request_resource one =
        incremental_alter_configs_request_resource_default;
    one.resource_type = RESOURCE_TOPIC;
    one.resource_name = name;
    one.configs.items = items;
    one.configs.count = (int32_t)count;
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    request.resources.items = &one;
    request.resources.count = 1;
    (void)incremental_alter_configs_request_encode(writer, version, &request);
}

static bool set_once(struct client *client, const char *name, const struct admin_setting *settings,
                     uint32_t count)
{
    int16_t version;
    struct writer *writer = begin(client, API_INCREMENTAL_ALTER_CONFIGS,
                                  ROOM_BYTES + settings_bytes(settings, count), &version);
    if (writer == NULL) {
        return false;
    }
    struct incremental_alter_configs_request_config *items = calloc(count + 1u, sizeof(*items));
    if (items == NULL) {
        return problem_set(&client->problem, PROBLEM_LOCAL, "out of memory");
    }
    const struct bytes text = bytes_of_string(name);
    set_encode(writer, version, chain_of(&text), items, settings, count);
    free(items);
    struct reader reader;
    struct incremental_alter_configs_response response;
    struct incremental_alter_configs_response_resource one;
    if (!call(client, &reader)) {
        return false;
    }
    if (incremental_alter_configs_response_decode(&reader, version, &response) != CODEC_OK ||
        !incremental_alter_configs_response_resource_array_next(&response.responses, &one)) {
        return answer_missing(client);
    }
    return answer_check(client, one.error_code, one.error_message, "configure topic", name);
}

bool admin_set_topic(struct client *client, const char *name, const struct admin_setting *settings,
                     uint32_t count)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        if (set_once(client, name, settings, count)) {
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

/* ---- Describe ------------------------------------------------------------------------------- */

const char *admin_source_name(int8_t source)
{
    switch (source) {
    case ADMIN_SOURCE_TOPIC: return "topic";
    case ADMIN_SOURCE_BROKER: return "broker";
    case ADMIN_SOURCE_BROKERS_DEFAULT: return "all brokers";
    case ADMIN_SOURCE_STATIC: return "file";
    case ADMIN_SOURCE_DEFAULT: return "default";
    default: return "unknown";
    }
}

void admin_configs_free(struct admin_config *configs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(configs[i].name);
        free(configs[i].value);
    }
    free(configs);
}

static char *text_copy(struct chain text)
{
    char *copy = malloc((size_t)text.len + 1);
    if (copy != NULL) {
        client_copy_text(copy, (size_t)text.len + 1, text);
    }
    return copy;
}

static int config_compare(const void *a, const void *b)
{
    return strcmp(((const struct admin_config *)a)->name, ((const struct admin_config *)b)->name);
}

static bool configs_take(struct client *client, struct describe_configs_response_config_array from,
                         struct admin_config **configs, uint32_t *count)
{
    struct admin_config *to = calloc((size_t)from.count + 1, sizeof(*to));
    struct describe_configs_response_config config;
    uint32_t used = 0;
    bool ok = to != NULL;
    while (ok && describe_configs_response_config_array_next(&from, &config)) {
        to[used] = (struct admin_config){.name = text_copy(config.name),
                                         .source = config.config_source,
                                         .read_only = config.read_only,
                                         .sensitive = config.is_sensitive};
        const bool has_value = !chain_is_null(config.value);
        to[used].value = has_value ? text_copy(config.value) : NULL;
        ok = to[used].name != NULL && (!has_value || to[used].value != NULL);
        used++;
    }
    if (!ok) {
        admin_configs_free(to, to != NULL ? used : 0);
        return problem_set(&client->problem, PROBLEM_LOCAL, "out of memory");
    }
    qsort(to, used, sizeof(*to), config_compare);
    *configs = to;
    *count = used;
    return true;
}

static bool configs_once(struct client *client, const char *name, struct admin_config **configs,
                         uint32_t *count)
{
    int16_t version;
    struct writer *writer = begin(client, API_DESCRIBE_CONFIGS, ROOM_BYTES, &version);
    if (writer == NULL) {
        return false;
    }
    const struct bytes text = bytes_of_string(name);
    struct describe_configs_request_resource one = describe_configs_request_resource_default;
    one.resource_type = RESOURCE_TOPIC;
    one.resource_name = chain_of(&text);
    one.configuration_keys.count = -1;
    struct describe_configs_request request = describe_configs_request_default;
    request.resources.items = &one;
    request.resources.count = 1;
    (void)describe_configs_request_encode(writer, version, &request);
    struct reader reader;
    struct describe_configs_response response;
    struct describe_configs_response_result result;
    if (!call(client, &reader)) {
        return false;
    }
    if (describe_configs_response_decode(&reader, version, &response) != CODEC_OK ||
        !describe_configs_response_result_array_next(&response.results, &result)) {
        return answer_missing(client);
    }
    return answer_check(client, result.error_code, result.error_message, "settings of", name) &&
           configs_take(client, result.configs, configs, count);
}

bool admin_topic_configs(struct client *client, const char *name, struct admin_config **configs,
                         uint32_t *count)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        if (configs_once(client, name, configs, count)) {
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

/* ---- Sizes ---------------------------------------------------------------------------------- */

static bool sizes_take(struct client *client, struct describe_log_dirs_response *response,
                       const struct client_topic *topic, int64_t *sizes)
{
    struct describe_log_dirs_response_result dir;
    struct describe_log_dirs_response_topic one;
    struct describe_log_dirs_response_partition partition;
    if (!answer_check(client, response->error_code, CHAIN_EMPTY, "sizes of", topic->name)) {
        return false;
    }
    while (describe_log_dirs_response_result_array_next(&response->results, &dir)) {
        while (describe_log_dirs_response_topic_array_next(&dir.topics, &one)) {
            while (describe_log_dirs_response_partition_array_next(&one.partitions, &partition)) {
                const int32_t index = partition.partition_index;
                if (index >= 0 && (uint32_t)index < topic->partition_count &&
                    !partition.is_future_key) {
                    sizes[index] += partition.partition_size;
                }
            }
        }
    }
    return true;
}

static bool sizes_of_broker(struct client *client, struct connection *connection,
                            const struct client_topic *topic, int64_t *sizes)
{
    int16_t version;
    struct writer *writer =
        connection == NULL
            ? NULL
            : connection_begin(connection, API_DESCRIBE_LOG_DIRS,
                               ROOM_BYTES + topic->partition_count * 4, &version, &client->problem);
    int32_t *items = writer != NULL ? calloc(topic->partition_count + 1u, sizeof(*items)) : NULL;
    if (items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        items[i] = (int32_t)i;
    }
    const struct bytes text = bytes_of_string(topic->name);
    struct describe_log_dirs_request_topic one = describe_log_dirs_request_topic_default;
    one.topic = chain_of(&text);
    one.partitions.items = items;
    one.partitions.count = (int32_t)topic->partition_count;
    struct describe_log_dirs_request request = describe_log_dirs_request_default;
    request.topics.items = &one;
    request.topics.count = 1;
    (void)describe_log_dirs_request_encode(writer, version, &request);
    free(items);
    struct reader reader;
    struct describe_log_dirs_response response;
    if (!connection_call(connection, client_deadline_ns(client), &reader, &client->problem)) {
        return false;
    }
    if (describe_log_dirs_response_decode(&reader, version, &response) != CODEC_OK) {
        return connection_bad_answer(connection, &client->problem);
    }
    return sizes_take(client, &response, topic, sizes);
}

bool admin_topic_sizes(struct client *client, const struct client_topic *topic, int64_t *sizes)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        bool ok = true;
        for (uint32_t i = 0; i < topic->partition_count; i++) {
            sizes[i] = 0;
        }
        for (uint32_t i = 0; ok && i < client->broker_count; i++) {
            ok =
                sizes_of_broker(client, client_broker(client, client->brokers[i].id), topic, sizes);
        }
        if (ok) {
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}
