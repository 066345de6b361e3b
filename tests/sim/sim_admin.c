/* An administrator: creates, grows, configures and deletes topics and records, one thing at a time,
 * and repeats what was not answered until it knows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim_client.h"
#include "tests/sim/sim_dataplane.h"

enum operation_kind {
    ADMIN_CREATE,
    ADMIN_DELETE,
    ADMIN_GROW,
    ADMIN_RECORDS,
    ADMIN_CONFIGURE,
    ADMIN_DESCRIBE,
};

/* One thing to do, until it is known to be done. */
struct operation {
    bool open;
    enum operation_kind kind;
    uint32_t topic;
    uint32_t attempts;
    uint32_t count; /* Of partitions. */
    uint32_t index;
    int64_t offset;
    struct ledger_config config;
    uint64_t retry_ns;
};

struct admin {
    struct client client; /* First. */
    struct admin_options options;
    struct operation operation;
    bool asked;
    bool settling; /* Done without an answer to the request that did it: Metadata must show it. */
    uint64_t settled_ns; /* When it is taken for done; 0: Metadata does not show it yet. */
    uint32_t done;
    uint32_t crashes; /* When it was asked. */
    uint64_t next_ns;
};

static struct admin *admin_of(const struct client *client)
{
    /* First member; const only on the way through the kind's questions. */
    return (struct admin *)(uintptr_t)client;
}

static struct ledger_topic *topic_of(const struct admin *admin)
{
    return ledger_topic(admin->client.world->ledger, admin->operation.topic);
}

/* ---- What to do next ------------------------------------------------------------------------ */

static struct ledger_config config_pick(struct admin *admin)
{
    struct random *random = &admin->client.random;
    struct ledger_config config = {.retention_ms = -1,
                                   .retention_bytes = -1,
                                   .flush_messages = INT64_MAX,
                                   .segment_ms = 604800000,
                                   .segment_bytes = 1073741824,
                                   .index_bytes = 10485760,
                                   .interval_bytes = 4096};
    if (random_one_in(random, 4)) {
        config.flush_messages = 1;
    }
    if (random_one_in(random, 2)) {
        config.segment_ms = 1 + (int64_t)random_below(random, 200);
    }
    if (random_one_in(random, 2)) {
        config.segment_bytes = 1048576; /* Kafka's least. */
    }
    if (random_one_in(random, 3)) {
        config.index_bytes = 16 + (int64_t)random_below(random, 100);
    }
    if (random_one_in(random, 2)) {
        config.interval_bytes = (int64_t)random_below(random, 1000);
    }
    if (random_one_in(random, 6)) {
        config.retention_ms = 50 + (int64_t)random_below(random, 2000);
    }
    if (random_one_in(random, 8)) {
        config.retention_bytes = (int64_t)random_below(random, 20000);
    }
    config.log_append_time = random_one_in(random, 6);
    return config;
}

static void operation_pick(struct admin *admin)
{
    struct client *client = &admin->client;
    struct random *random = &client->random;
    struct operation *operation = &admin->operation;
    *operation = (struct operation){
        .open = true, .topic = (uint32_t)random_below(random, admin->options.topic_count)};
    struct ledger_topic *topic = topic_of(admin);
    operation->config = config_pick(admin);
    if (!topic->created) {
        operation->kind = ADMIN_CREATE;
        operation->count = 1 + (uint32_t)random_below(random, 4);
        return;
    }
    operation->kind = (enum operation_kind)(1 + random_below(random, 5));
    if (operation->kind == ADMIN_DELETE && (admin->options.keep >> operation->topic & 1) != 0) {
        operation->kind = ADMIN_CONFIGURE;
    }
    operation->count = topic->partition_count + 1 + (uint32_t)random_below(random, 2);
    if (operation->kind == ADMIN_GROW && operation->count > LEDGER_PARTITIONS_MAX) {
        operation->kind = ADMIN_DESCRIBE;
    }
    operation->index = (uint32_t)random_below(random, topic->partition_count);
    const struct ledger_partition *partition =
        ledger_partition(client->world->ledger, operation->topic, &topic->id, operation->index);
    operation->offset = (int64_t)random_below(random, (uint64_t)ledger_readable(partition) + 1);
    if (operation->kind == ADMIN_RECORDS && !topic->fixed) {
        operation->kind = ADMIN_DESCRIBE; /* By name only: its answers could be mistaken. */
    }
}

/* ---- Requests ------------------------------------------------------------------------------- */

enum { CONFIGS_MAX = 8 };

static const char *const config_names[CONFIGS_MAX] = {
    "retention.ms",  "retention.bytes",     "flush.messages",       "segment.ms",
    "segment.bytes", "segment.index.bytes", "index.interval.bytes", "message.timestamp.type",
};

static void config_texts(const struct ledger_config *config, char texts[CONFIGS_MAX][24])
{
    const int64_t values[CONFIGS_MAX - 1] = {
        config->retention_ms,  config->retention_bytes, config->flush_messages, config->segment_ms,
        config->segment_bytes, config->index_bytes,     config->interval_bytes};
    for (uint32_t i = 0; i < CONFIGS_MAX - 1; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "%" PRId64, values[i]);
    }
    (void)snprintf(texts[CONFIGS_MAX - 1], sizeof(texts[0]), "%s",
                   config->log_append_time ? "LogAppendTime" : "CreateTime");
}

static void create_write(struct admin *admin, struct writer *writer, int16_t version)
{
    char texts[CONFIGS_MAX][24];
    struct bytes names[CONFIGS_MAX];
    struct bytes values[CONFIGS_MAX];
    struct create_topics_request_config configs[CONFIGS_MAX];
    config_texts(&admin->operation.config, texts);
    for (uint32_t i = 0; i < CONFIGS_MAX; i++) {
        names[i] = bytes_of_string(config_names[i]);
        values[i] = bytes_of_string(texts[i]);
        configs[i] =
            (struct create_topics_request_config){chain_of(&names[i]), chain_of(&values[i])};
    }
    const struct bytes name =
        ledger_topic_name(admin->client.world->ledger, admin->operation.topic);
    struct create_topics_request_topic topic = create_topics_request_topic_default;
    topic.name = chain_of(&name);
    topic.num_partitions = (int32_t)admin->operation.count;
    topic.replication_factor = 1;
    topic.configs.items = configs;
    topic.configs.count = CONFIGS_MAX;
    struct create_topics_request request = create_topics_request_default;
    request.topics.items = &topic;
    request.topics.count = 1;
    (void)create_topics_request_encode(writer, version, &request);
}

static void configure_write(struct admin *admin, struct writer *writer, int16_t version)
{
    char texts[CONFIGS_MAX][24];
    struct bytes names[CONFIGS_MAX];
    struct bytes values[CONFIGS_MAX];
    struct incremental_alter_configs_request_config configs[CONFIGS_MAX];
    config_texts(&admin->operation.config, texts);
    for (uint32_t i = 0; i < CONFIGS_MAX; i++) {
        names[i] = bytes_of_string(config_names[i]);
        values[i] = bytes_of_string(texts[i]);
        configs[i] = (struct incremental_alter_configs_request_config){chain_of(&names[i]), 0,
                                                                       chain_of(&values[i])};
    }
    const struct bytes name =
        ledger_topic_name(admin->client.world->ledger, admin->operation.topic);
    struct incremental_alter_configs_request_resource resource =
        incremental_alter_configs_request_resource_default;
    resource.resource_type = 2;
    resource.resource_name = chain_of(&name);
    resource.configs.items = configs;
    resource.configs.count = CONFIGS_MAX;
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    request.resources.items = &resource;
    request.resources.count = 1;
    (void)incremental_alter_configs_request_encode(writer, version, &request);
}

static void delete_write(struct admin *admin, struct writer *writer, int16_t version)
{
    const struct bytes name =
        ledger_topic_name(admin->client.world->ledger, admin->operation.topic);
    const struct chain chain = chain_of(&name);
    struct delete_topics_request request = delete_topics_request_default;
    struct delete_topics_request_topic topic = delete_topics_request_topic_default;
    request.timeout_ms = 30000;
    if (version >= 6) {
        if (topic_of(admin)->created && random_one_in(&admin->client.random, 2)) {
            topic.topic_id = topic_of(admin)->id;
        } else {
            topic.name = chain;
        }
        request.topics.items = &topic;
        request.topics.count = 1;
    } else {
        request.topic_names.items = &chain;
        request.topic_names.count = 1;
    }
    (void)delete_topics_request_encode(writer, version, &request);
}

static void grow_write(struct admin *admin, struct writer *writer, int16_t version)
{
    const struct bytes name =
        ledger_topic_name(admin->client.world->ledger, admin->operation.topic);
    struct create_partitions_request_topic topic = create_partitions_request_topic_default;
    topic.name = chain_of(&name);
    topic.count = (int32_t)admin->operation.count;
    topic.assignments.count = -1;
    struct create_partitions_request request = create_partitions_request_default;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = 30000;
    (void)create_partitions_request_encode(writer, version, &request);
}

static void records_write(struct admin *admin, struct writer *writer, int16_t version)
{
    const struct bytes name =
        ledger_topic_name(admin->client.world->ledger, admin->operation.topic);
    const struct delete_records_request_partition partition = {
        .partition_index = (int32_t)admin->operation.index, .offset = admin->operation.offset};
    const struct delete_records_request_topic topic = {
        .name = chain_of(&name), .partitions = {.items = &partition, .count = 1}};
    struct delete_records_request request = delete_records_request_default;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = 30000;
    (void)delete_records_request_encode(writer, version, &request);
}

static void describe_write(struct admin *admin, struct writer *writer, int16_t version)
{
    const struct bytes name =
        ledger_topic_name(admin->client.world->ledger, admin->operation.topic);
    struct describe_configs_request_resource resource = describe_configs_request_resource_default;
    resource.resource_type = 2;
    resource.resource_name = chain_of(&name);
    resource.configuration_keys.count = -1;
    struct describe_configs_request request = describe_configs_request_default;
    request.resources.items = &resource;
    request.resources.count = 1;
    (void)describe_configs_request_encode(writer, version, &request);
}

/* The ledger hears of it before it can have happened. */
static void operation_asked(struct admin *admin)
{
    struct operation *operation = &admin->operation;
    struct ledger *ledger = admin->client.world->ledger;
    struct ledger_topic *topic = topic_of(admin);
    if (operation->attempts++ > 0) {
        return;
    }
    switch (operation->kind) {
    case ADMIN_CREATE:
        topic->asked = true;
        topic->config = operation->config;
        topic->config_before = operation->config;
        break;
    case ADMIN_DELETE:
    case ADMIN_GROW: topic->asked = true; break;
    case ADMIN_CONFIGURE:
        ledger_config_changes(ledger, operation->topic);
        topic->config_before = topic->config;
        topic->config = operation->config;
        topic->config_changes++;
        break;
    case ADMIN_RECORDS:
        ledger_delete_asked(
            ledger_partition(ledger, operation->topic, &topic->id, operation->index),
            operation->offset);
        break;
    case ADMIN_DESCRIBE: break;
    }
}

static void operation_send(struct admin *admin)
{
    static const int16_t keys[] = {
        [ADMIN_CREATE] = API_CREATE_TOPICS,
        [ADMIN_DELETE] = API_DELETE_TOPICS,
        [ADMIN_GROW] = API_CREATE_PARTITIONS,
        [ADMIN_RECORDS] = API_DELETE_RECORDS,
        [ADMIN_CONFIGURE] = API_INCREMENTAL_ALTER_CONFIGS,
        [ADMIN_DESCRIBE] = API_DESCRIBE_CONFIGS,
    };
    struct client *client = &admin->client;
    const struct api_info *api = api_find(keys[admin->operation.kind]);
    int16_t version = client_version(client, api);
    if (admin->operation.kind == ADMIN_CREATE) {
        version = version < 7 ? 7 : version; /* Its id is wanted. */
    }
    operation_asked(admin);
    admin->crashes = client->world->crashes;
    struct writer *writer = client_begin(client, api, version);
    switch (admin->operation.kind) {
    case ADMIN_CREATE: create_write(admin, writer, version); break;
    case ADMIN_DELETE: delete_write(admin, writer, version); break;
    case ADMIN_GROW: grow_write(admin, writer, version); break;
    case ADMIN_RECORDS: records_write(admin, writer, version); break;
    case ADMIN_CONFIGURE: configure_write(admin, writer, version); break;
    case ADMIN_DESCRIBE: describe_write(admin, writer, version); break;
    }
    client_end(client, writer, api, version, 1, true);
    admin->asked = true;
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void operation_done(struct admin *admin)
{
    admin->operation.open = false;
    admin->done++;
    admin->next_ns =
        world_now_ns(admin->client.world) + random_below(&admin->client.random, 20 * 1000 * 1000);
}

/* Not decided: once more, later. */
static void operation_again(struct admin *admin)
{
    admin->operation.retry_ns = world_now_ns(admin->client.world) + 5 * 1000 * 1000 +
                                random_below(&admin->client.random, 50 * 1000 * 1000);
}

static void unexpected(const struct admin *admin, const char *what, int16_t error)
{
    const struct world *world = admin->client.world;
    /* A process that dies inside its turn finds all its disks failing, and may still say so. */
    const bool dying = world->crashes != admin->crashes;
    if (!error_is_retriable(error) ||
        (error == ERROR_KAFKA_STORAGE_ERROR && !world->ever_faulty && !dying)) {
        sim_fail("%s of topic-%u: error %d (%s)", what, admin->operation.topic, error,
                 error_name(error));
    }
}

/* The control process has done it, by a request that got no answer; the cores may lag behind. */
static void settle(struct admin *admin)
{
    admin->settling = true;
    admin->settled_ns = 0;
    client_refresh(&admin->client, 0);
}

static void created(struct admin *admin, int16_t error, const struct uuid *id)
{
    struct ledger_topic *topic = topic_of(admin);
    if (error == ERROR_NONE) {
        topic->created = true;
        topic->asked = false;
        topic->id = *id;
        topic->partition_count = admin->operation.count;
        /* Unless it was stopped meanwhile. */
        const struct world *world = admin->client.world;
        if (!world->ever_faulty && world->crashes == admin->crashes && world->dataplane != NULL &&
            dataplane_serving(world->dataplane) && !uuid_is_zero(*id)) {
            dataplane_check_created(world->dataplane, id, topic->partition_count);
        }
        operation_done(admin);
    } else if (error == ERROR_TOPIC_ALREADY_EXISTS && admin->operation.attempts > 1) {
        settle(admin);
    } else {
        unexpected(admin, "CreateTopics", error);
        operation_again(admin);
    }
}

static void deleted(struct admin *admin, int16_t error)
{
    struct ledger_topic *topic = topic_of(admin);
    const bool gone =
        (error == ERROR_UNKNOWN_TOPIC_OR_PARTITION || error == ERROR_UNKNOWN_TOPIC_ID) &&
        admin->operation.attempts > 1;
    if (error == ERROR_NONE) {
        topic->created = false;
        topic->asked = false;
        topic->partition_count = 0;
        topic->id = (struct uuid){0};
        operation_done(admin);
    } else if (gone) {
        settle(admin);
    } else {
        if (error == ERROR_UNKNOWN_TOPIC_OR_PARTITION || error == ERROR_UNKNOWN_TOPIC_ID) {
            sim_fail("DeleteTopics of topic-%u, which exists: error %d", admin->operation.topic,
                     error);
        }
        unexpected(admin, "DeleteTopics", error);
        operation_again(admin);
    }
}

static void grown(struct admin *admin, int16_t error)
{
    struct ledger_topic *topic = topic_of(admin);
    if (error == ERROR_NONE) {
        topic->partition_count = admin->operation.count;
        topic->asked = false;
        operation_done(admin);
    } else if (error == ERROR_INVALID_PARTITIONS && admin->operation.attempts > 1) {
        settle(admin);
    } else {
        unexpected(admin, "CreatePartitions", error);
        operation_again(admin);
    }
}

static void configured(struct admin *admin, int16_t error)
{
    struct ledger_topic *topic = topic_of(admin);
    if (error == ERROR_NONE) {
        ledger_config_changes(admin->client.world->ledger, admin->operation.topic);
        topic->config_before = topic->config;
        operation_done(admin);
    } else {
        unexpected(admin, "IncrementalAlterConfigs", error);
        operation_again(admin);
    }
}

static void records_deleted(struct admin *admin,
                            const struct delete_records_response_partition *answer)
{
    struct ledger *ledger = admin->client.world->ledger;
    struct ledger_partition *partition = ledger_partition(
        ledger, admin->operation.topic, &topic_of(admin)->id, admin->operation.index);
    if (answer->error_code == ERROR_NONE) {
        if (answer->low_watermark < admin->operation.offset) {
            sim_fail("DeleteRecords up to %" PRId64 " left the low watermark at %" PRId64,
                     admin->operation.offset, answer->low_watermark);
        }
        ledger_delete_acked(partition, answer->low_watermark);
        operation_done(admin);
    } else if (answer->error_code == ERROR_OFFSET_OUT_OF_RANGE) {
        /* Since then records were lost, or retention went further. */
        if (!ledger_lost(partition) && !ledger_suspected(partition) &&
            admin->operation.offset > ledger_end(partition)) {
            sim_fail("DeleteRecords up to %" PRId64 ": out of range", admin->operation.offset);
        }
        operation_done(admin);
    } else {
        unexpected(admin, "DeleteRecords", answer->error_code);
        operation_again(admin);
    }
}

static void described(struct admin *admin, struct describe_configs_response_result *result)
{
    const struct ledger_topic *topic = topic_of(admin);
    if (result->error_code != ERROR_NONE) {
        unexpected(admin, "DescribeConfigs", result->error_code);
        operation_again(admin);
        return;
    }
    char texts[CONFIGS_MAX][24];
    config_texts(&topic->config, texts);
    uint32_t seen = 0;
    struct describe_configs_response_config config;
    while (describe_configs_response_config_array_next(&result->configs, &config)) {
        uint8_t name_room[512];
        uint8_t value_room[512];
        const struct bytes name = chain_bytes(config.name, name_room, sizeof(name_room));
        const struct bytes value = chain_bytes(config.value, value_room, sizeof(value_room));
        for (uint32_t i = 0; i < CONFIGS_MAX; i++) {
            if (!bytes_equal(name, bytes_of_string(config_names[i]))) {
                continue;
            }
            seen++;
            if (!bytes_equal(value, bytes_of_string(texts[i]))) {
                sim_fail("%s of %s is %.*s, acknowledged was %s", config_names[i], topic->name,
                         (int)value.len, (const char *)value.ptr, texts[i]);
            }
        }
    }
    if (seen != CONFIGS_MAX) {
        sim_fail("DescribeConfigs of %s says %u of %d settings", topic->name, seen, CONFIGS_MAX);
    }
    operation_done(admin);
}

/* Each decodes its answer and looks at its only item; false: it does not decode, or has none. */
static bool create_take(struct admin *admin, int16_t version, struct reader *reader)
{
    struct create_topics_response response;
    struct create_topics_response_topic topic;
    if (create_topics_response_decode(reader, version, &response) != CODEC_OK ||
        !create_topics_response_topic_array_next(&response.topics, &topic)) {
        return false;
    }
    created(admin, topic.error_code, &topic.topic_id);
    return true;
}

static bool delete_take(struct admin *admin, int16_t version, struct reader *reader)
{
    struct delete_topics_response response;
    struct delete_topics_response_topic topic;
    if (delete_topics_response_decode(reader, version, &response) != CODEC_OK ||
        !delete_topics_response_topic_array_next(&response.responses, &topic)) {
        return false;
    }
    deleted(admin, topic.error_code);
    return true;
}

static bool grow_take(struct admin *admin, int16_t version, struct reader *reader)
{
    struct create_partitions_response response;
    struct create_partitions_response_topic topic;
    if (create_partitions_response_decode(reader, version, &response) != CODEC_OK ||
        !create_partitions_response_topic_array_next(&response.results, &topic)) {
        return false;
    }
    grown(admin, topic.error_code);
    return true;
}

static bool configure_take(struct admin *admin, int16_t version, struct reader *reader)
{
    struct incremental_alter_configs_response response;
    struct incremental_alter_configs_response_resource resource;
    if (incremental_alter_configs_response_decode(reader, version, &response) != CODEC_OK ||
        !incremental_alter_configs_response_resource_array_next(&response.responses, &resource)) {
        return false;
    }
    configured(admin, resource.error_code);
    return true;
}

static bool records_take(struct admin *admin, int16_t version, struct reader *reader)
{
    struct delete_records_response response;
    struct delete_records_response_topic topic;
    struct delete_records_response_partition partition;
    if (delete_records_response_decode(reader, version, &response) != CODEC_OK ||
        !delete_records_response_topic_array_next(&response.topics, &topic) ||
        !delete_records_response_partition_array_next(&topic.partitions, &partition)) {
        return false;
    }
    records_deleted(admin, &partition);
    return true;
}

static bool describe_take(struct admin *admin, int16_t version, struct reader *reader)
{
    struct describe_configs_response response;
    struct describe_configs_response_result result;
    if (describe_configs_response_decode(reader, version, &response) != CODEC_OK ||
        !describe_configs_response_result_array_next(&response.results, &result)) {
        return false;
    }
    described(admin, &result);
    return true;
}

static void admin_answer(struct client *client, const struct flight *flight, struct reader *reader)
{
    struct admin *admin = admin_of(client);
    bool good = false;
    admin->asked = false;
    switch (admin->operation.kind) {
    case ADMIN_CREATE: good = create_take(admin, flight->version, reader); break;
    case ADMIN_DELETE: good = delete_take(admin, flight->version, reader); break;
    case ADMIN_GROW: good = grow_take(admin, flight->version, reader); break;
    case ADMIN_CONFIGURE: good = configure_take(admin, flight->version, reader); break;
    case ADMIN_RECORDS: good = records_take(admin, flight->version, reader); break;
    case ADMIN_DESCRIBE: good = describe_take(admin, flight->version, reader); break;
    }
    if (!good) {
        sim_fail("the answer to %s version %d does not decode or is empty", flight->api->name,
                 flight->version);
    }
}

/* ---- The kind ------------------------------------------------------------------------------- */

static bool settle_shows(const struct admin *admin, const struct ledger_topic *topic)
{
    const struct known_topic *known = &admin->client.topics[admin->operation.topic];
    switch ((int)admin->operation.kind) {
    case ADMIN_CREATE: return known->known;
    case ADMIN_GROW: return known->known && known->partition_count >= admin->operation.count;
    default: return !known->known || memcmp(&known->id, &topic->id, sizeof(topic->id)) != 0;
    }
}

/* Metadata shows it on one core; a while later it does so on all. */
static bool settle_turn(struct admin *admin)
{
    struct client *client = &admin->client;
    struct ledger_topic *topic = topic_of(admin);
    const struct known_topic *known = &client->topics[admin->operation.topic];
    const uint64_t now_ns = world_now_ns(client->world);
    if (client->asked_metadata || client->wants_metadata) {
        return false;
    }
    if (!settle_shows(admin, topic)) {
        admin->settled_ns = 0;
        client_refresh(client, 10);
        return false;
    }
    if (admin->settled_ns == 0) {
        admin->settled_ns = now_ns + UINT64_C(1000) * 1000 * 1000;
    }
    if (now_ns < admin->settled_ns) {
        client_refresh(client, 100);
        return false;
    }
    admin->settling = false;
    topic->asked = false;
    topic->created = admin->operation.kind != ADMIN_DELETE;
    topic->id = topic->created ? known->id : (struct uuid){0};
    topic->partition_count = topic->created ? known->partition_count : 0;
    operation_done(admin);
    return true;
}

static bool admin_step(struct client *client)
{
    struct admin *admin = admin_of(client);
    const uint64_t now_ns = world_now_ns(client->world);
    if (admin->asked) {
        return false;
    }
    if (admin->settling) {
        return settle_turn(admin);
    }
    if (!admin->operation.open) {
        if (admin->done >= admin->options.operation_count || now_ns < admin->next_ns) {
            return false;
        }
        operation_pick(admin);
    }
    if (now_ns < admin->operation.retry_ns) {
        return false;
    }
    operation_send(admin);
    return true;
}

static void admin_lost(struct client *client)
{
    struct admin *admin = admin_of(client);
    if (admin->asked) {
        admin->asked = false;
        operation_again(admin);
    }
}

static uint64_t admin_deadline_ns(const struct client *client)
{
    const struct admin *admin = admin_of(client);
    if (admin->asked || admin->settling) {
        return UINT64_MAX;
    }
    if (admin->operation.open) {
        return admin->operation.retry_ns;
    }
    return admin->done >= admin->options.operation_count ? UINT64_MAX : admin->next_ns;
}

static bool admin_finished(const struct client *client)
{
    const struct admin *admin = admin_of(client);
    return admin->done >= admin->options.operation_count && !admin->operation.open;
}

static void admin_free(struct client *client)
{
    free(admin_of(client));
}

const struct client_kind admin_kind = {
    .step = admin_step,
    .answer = admin_answer,
    .lost = admin_lost,
    .deadline_ns = admin_deadline_ns,
    .finished = admin_finished,
    .free = admin_free,
    .name = "admin",
};

struct client *admin_create(struct world *world, const struct admin_options *options)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    ASSERT(admin != NULL);
    admin->options = *options;
    for (uint32_t i = 0; i < LEDGER_TOPICS_MAX; i++) {
        ledger_topic(world->ledger, i)->fixed = (options->keep >> i & 1) != 0;
    }
    client_init(&admin->client, world, &admin_kind, options->number);
    return &admin->client;
}

void admin_wind_up(struct client *client)
{
    struct admin *admin = admin_of(client);
    admin->options.operation_count = min_u32(admin->options.operation_count, admin->done);
}
