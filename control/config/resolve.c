#include "control/config/resolve.h"

#include <stdio.h>

#include "control/arena.h"

struct config_view config_view_of(const struct image *image, const struct settings *settings)
{
    struct config_view view = {.image = image, .settings = settings};
    (void)snprintf(view.node_name, sizeof(view.node_name), "%d", image->node_id);
    return view;
}

const char *config_broker_in(const struct config_view *view, enum config_source source,
                             const char *name)
{
    if (source == CONFIG_SOURCE_STATIC) {
        return settings_kafka_set((void *)(uintptr_t)view->settings, name);
    }
    ASSERT(source == CONFIG_SOURCE_BROKER || source == CONFIG_SOURCE_CLUSTER);
    const char *node = source == CONFIG_SOURCE_BROKER ? view->node_name : "";
    return image_resource_value(image_resource(view->image, RESOURCE_BROKER, bytes_of_string(node)),
                                bytes_of_string(name));
}

const char *config_broker_set(void *context, const char *name)
{
    const struct config_view *view = context;
    const char *value = config_broker_in(view, CONFIG_SOURCE_BROKER, name);
    if (value == NULL) {
        value = config_broker_in(view, CONFIG_SOURCE_CLUSTER, name);
    }
    return value != NULL ? value : config_broker_in(view, CONFIG_SOURCE_STATIC, name);
}

const char *config_broker_value(const struct config_view *view, const char *name)
{
    const char *value = config_broker_set((void *)(uintptr_t)view, name);
    if (value != NULL) {
        return value;
    }
    const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, bytes_of_string(name));
    ASSERT(key != NULL);
    return key->fallback;
}

/* Values were checked when they were set; one that no longer passes (a table that changed) falls
 * back to the default. */
static struct kafka_value value_parse(const struct kafka_key *key, const char *text)
{
    struct kafka_value value = {0};
    struct kafka_key_error error;
    if (text == NULL || !kafka_key_check(key, bytes_of_string(text), &value, &error)) {
        const char *fallback = key->fallback == NULL ? "0" : key->fallback;
        const bool good = kafka_key_check(key, bytes_of_string(fallback), &value, &error);
        ASSERT(good);
    }
    return value;
}

int64_t config_broker_number(const struct config_view *view, const char *name)
{
    const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, bytes_of_string(name));
    ASSERT(key != NULL);
    return value_parse(key, config_broker_value(view, name)).number;
}

const char *config_topic_value(const struct config_view *view,
                               const struct image_resource *resource, const struct kafka_key *key,
                               char room[24])
{
    const char *value = image_resource_value(resource, bytes_of_string(key->name));
    return value != NULL
               ? value
               : kafka_topic_default(key, config_broker_set, (void *)(uintptr_t)view, room, NULL);
}

const char *config_topic_inherited(const struct config_view *view, const struct kafka_key *key,
                                   char room[24], enum config_source *source)
{
    static const enum config_source sources[] = {CONFIG_SOURCE_BROKER, CONFIG_SOURCE_CLUSTER,
                                                 CONFIG_SOURCE_STATIC};
    const struct kafka_synonym *from = NULL;
    const char *value =
        kafka_topic_default(key, config_broker_set, (void *)(uintptr_t)view, room, &from);
    *source = CONFIG_SOURCE_DEFAULT;
    for (uint32_t i = 0; from != NULL && i < ARRAY_SIZE(sources); i++) {
        if (config_broker_in(view, sources[i], from->broker_name) != NULL) {
            *source = sources[i];
            break;
        }
    }
    return value;
}

/* ---- For the log ---------------------------------------------------------------------------- */

struct topic_reader {
    const struct config_view *view;
    const struct image_resource *resource;
};

static const char *topic_text(const struct topic_reader *reader, const char *name, char room[24])
{
    const struct kafka_key *key = kafka_key_find(KAFKA_TOPIC, bytes_of_string(name));
    ASSERT(key != NULL);
    return config_topic_value(reader->view, reader->resource, key, room);
}

static int64_t topic_number(const struct topic_reader *reader, const char *name)
{
    char room[24];
    const struct kafka_key *key = kafka_key_find(KAFKA_TOPIC, bytes_of_string(name));
    ASSERT(key != NULL);
    return value_parse(key, config_topic_value(reader->view, reader->resource, key, room)).number;
}

static double broker_real(const struct config_view *view, const char *name)
{
    const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, bytes_of_string(name));
    ASSERT(key != NULL);
    return value_parse(key, config_broker_value(view, name)).real;
}

/* What compaction may use, and when it begins. */
static void read_cleaning(const struct topic_reader *reader, struct partition_config *config)
{
    const struct config_view *view = reader->view;
    char room[24];
    const struct kafka_key *ratio =
        kafka_key_find(KAFKA_TOPIC, bytes_of_string("min.cleanable.dirty.ratio"));
    ASSERT(ratio != NULL);
    const double share =
        value_parse(ratio, config_topic_value(view, reader->resource, ratio, room)).real;
    const double rate = broker_real(view, "log.cleaner.io.max.bytes.per.second");
    const double load = broker_real(view, "log.cleaner.io.buffer.load.factor");
    config->dirty_ratio_millionths = (uint32_t)(share * 1e6 + 0.5);
    config->min_compaction_lag_ms = topic_number(reader, "min.compaction.lag.ms");
    config->max_compaction_lag_ms = topic_number(reader, "max.compaction.lag.ms");
    config->clean_enabled = config_broker_number(view, "log.cleaner.enable") != 0;
    config->clean_map_bytes = config_broker_number(view, "log.cleaner.dedupe.buffer.size");
    config->clean_io_bytes = (uint32_t)config_broker_number(view, "log.cleaner.io.buffer.size");
    config->clean_backoff_ms = config_broker_number(view, "log.cleaner.backoff.ms");
    config->clean_bytes_per_second = rate >= 9e18 ? INT64_MAX : rate < 1 ? 1 : (int64_t)rate;
    config->clean_load_percent = load >= 1 ? 100 : load > 0 ? (uint32_t)(load * 100) : 0;
}

static void read_compression(const struct topic_reader *reader, struct partition_config *config)
{
    static const struct {
        const char *type;
        const char *level; /* NULL: it has none. */
        int8_t codec;
    } types[] = {
        {"producer", NULL, -1},
        {"uncompressed", NULL, BATCH_CODEC_NONE},
        {"gzip", "compression.gzip.level", BATCH_CODEC_GZIP},
        {"snappy", NULL, BATCH_CODEC_SNAPPY},
        {"lz4", "compression.lz4.level", BATCH_CODEC_LZ4},
        {"zstd", "compression.zstd.level", BATCH_CODEC_ZSTD},
    };
    char room[24];
    const struct bytes type = bytes_of_string(topic_text(reader, "compression.type", room));
    config->compression = -1;
    config->compression_level = INT32_MIN;
    for (uint32_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (kafka_list_has(type, types[i].type)) {
            config->compression = types[i].codec;
            config->compression_level =
                types[i].level == NULL ? INT32_MIN : (int32_t)topic_number(reader, types[i].level);
        }
    }
}

void config_partition(const struct config_view *view, const struct image_resource *resource,
                      struct partition_config *config)
{
    const struct topic_reader reader = {view, resource};
    char room[24];
    memset(config, 0, sizeof(*config));
    config->retention_ms = topic_number(&reader, "retention.ms");
    config->retention_bytes = topic_number(&reader, "retention.bytes");
    config->segment_ms = topic_number(&reader, "segment.ms");
    config->segment_jitter_ms = topic_number(&reader, "segment.jitter.ms");
    config->flush_messages = topic_number(&reader, "flush.messages");
    config->flush_ms = topic_number(&reader, "flush.ms");
    config->timestamp_before_max_ms = topic_number(&reader, "message.timestamp.before.max.ms");
    config->timestamp_after_max_ms = topic_number(&reader, "message.timestamp.after.max.ms");
    config->delete_retention_ms = topic_number(&reader, "delete.retention.ms");
    config->file_delete_delay_ms = topic_number(&reader, "file.delete.delay.ms");
    config->producer_expiration_ms = config_broker_number(view, "producer.id.expiration.ms");
    config->retention_check_ms = config_broker_number(view, "log.retention.check.interval.ms");
    config->producer_check_ms =
        config_broker_number(view, "producer.id.expiration.check.interval.ms");
    read_cleaning(&reader, config);
    config->segment_bytes = (uint32_t)topic_number(&reader, "segment.bytes");
    config->segment_index_bytes = (uint32_t)topic_number(&reader, "segment.index.bytes");
    config->index_interval_bytes = (uint32_t)topic_number(&reader, "index.interval.bytes");
    config->max_message_bytes = (uint32_t)topic_number(&reader, "max.message.bytes");
    const struct bytes stamp = bytes_of_string(topic_text(&reader, "message.timestamp.type", room));
    config->timestamp_type =
        kafka_list_has(stamp, "LogAppendTime") ? TIMESTAMP_LOG_APPEND_TIME : TIMESTAMP_CREATE_TIME;
    const struct bytes policy = bytes_of_string(topic_text(&reader, "cleanup.policy", room));
    config->cleanup_delete = kafka_list_has(policy, "delete");
    config->cleanup_compact = kafka_list_has(policy, "compact");
    read_compression(&reader, config);
}

static uint32_t broker_u32(const struct config_view *view, const char *name)
{
    const int64_t value = config_broker_number(view, name);
    return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* What is set for the one listener there is limits it beside what is set for all. */
static uint32_t listener_u32(const struct config_view *view, const char *name)
{
    char prefixed[128];
    (void)snprintf(prefixed, sizeof(prefixed), "listener.name.plaintext.%s", name);
    const uint32_t all = broker_u32(view, name);
    const char *set = config_broker_in(view, CONFIG_SOURCE_BROKER, prefixed);
    if (set == NULL) {
        set = config_broker_in(view, CONFIG_SOURCE_CLUSTER, prefixed);
    }
    const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, bytes_of_string(name));
    return set == NULL ? all : min_u32(all, (uint32_t)value_parse(key, set).number);
}

void config_server(const struct config_view *view, struct server_settings *server)
{
    memset(server, 0, sizeof(*server));
    server->connections_idle_ms_max = config_broker_number(view, "connections.max.idle.ms");
    server->request_bytes_max = broker_u32(view, "socket.request.max.bytes");
    server->connection_count_max = listener_u32(view, "max.connections");
    server->connection_rate_max = listener_u32(view, "max.connection.creation.rate");
    server->connection_per_ip_max = broker_u32(view, "max.connections.per.ip");
    server->connection_per_ip_overrides =
        bytes_of_string(config_broker_value(view, "max.connections.per.ip.overrides"));
    server->fetch_bytes_max = broker_u32(view, "fetch.max.bytes");
    server->fetch_session_count_max = broker_u32(view, "max.incremental.fetch.session.cache.slots");
    server->partition_default_count = broker_u32(view, "num.partitions");
    server->partition_page_max = broker_u32(view, "max.request.partition.size.limit");
    server->auto_create_topics = config_broker_number(view, "auto.create.topics.enable") != 0;
    server->delete_topic_enable = config_broker_number(view, "delete.topic.enable") != 0;
}
