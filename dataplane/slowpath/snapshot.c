#include "dataplane/slowpath/snapshot.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/journal.h"

/* The image: a header, then everything field by field in native byte order (both processes are of
 * one build), in the order of encode_body. Nothing in it is a pointer or needs alignment. */
enum {
    IMAGE_MAGIC = 0x4e53524d, /* "MRSN" */
    IMAGE_HEADER_BYTES = 24,  /* magic u32, format u32, body bytes u64, xxh3 of the body u64 */
    CLUSTER_ID_BYTES_MAX = 64,
    HOST_BYTES_MAX = 255,
    RACK_BYTES_MAX = 255,
    OVERRIDES_BYTES_MAX = 32767,
    TOPIC_BYTES_MIN = 100, /* Of an encoded topic: bounds what a count may claim. */
    PARTITION_BYTES = 7,
    ABSENT = 0xffff, /* Length of an absent string. */
    FLAG_EXISTS = 1,
    FLAG_OFFLINE = 2,
};

/* ---- Encoding ------------------------------------------------------------------------------- */

struct sink {
    uint8_t *to;
    uint64_t capacity;
    uint64_t used; /* Counts on past the capacity. */
};

static void put(struct sink *sink, const void *from, uint64_t len)
{
    if (sink->used + len <= sink->capacity && len > 0) {
        memcpy(sink->to + sink->used, from, len);
    }
    sink->used += len;
}

#define PUT(sink, value) put((sink), &(value), sizeof(value))

static void put_string(struct sink *sink, struct bytes string)
{
    const uint16_t len = (uint16_t)string.len;
    ASSERT(string.len < ABSENT);
    PUT(sink, len);
    put(sink, string.ptr, len);
}

static void put_config(struct sink *sink, const struct partition_config *config)
{
    PUT(sink, config->retention_ms);
    PUT(sink, config->retention_bytes);
    PUT(sink, config->segment_ms);
    PUT(sink, config->segment_jitter_ms);
    PUT(sink, config->flush_messages);
    PUT(sink, config->flush_ms);
    PUT(sink, config->timestamp_before_max_ms);
    PUT(sink, config->timestamp_after_max_ms);
    PUT(sink, config->delete_retention_ms);
    PUT(sink, config->file_delete_delay_ms);
    PUT(sink, config->producer_expiration_ms);
    PUT(sink, config->retention_check_ms);
    PUT(sink, config->producer_check_ms);
    PUT(sink, config->clean_map_bytes);
    PUT(sink, config->clean_bytes_per_second);
    PUT(sink, config->clean_backoff_ms);
    PUT(sink, config->clean_io_bytes);
    PUT(sink, config->clean_load_percent);
    PUT(sink, config->min_compaction_lag_ms);
    PUT(sink, config->max_compaction_lag_ms);
    PUT(sink, config->dirty_ratio_millionths);
    PUT(sink, config->segment_bytes);
    PUT(sink, config->segment_index_bytes);
    PUT(sink, config->index_interval_bytes);
    PUT(sink, config->max_message_bytes);
    PUT(sink, config->timestamp_type);
    PUT(sink, config->clean_enabled);
    PUT(sink, config->cleanup_delete);
    PUT(sink, config->cleanup_compact);
    PUT(sink, config->compression);
    PUT(sink, config->compression_level);
}

static void put_settings(struct sink *sink, const struct server_settings *settings)
{
    PUT(sink, settings->connections_idle_ms_max);
    PUT(sink, settings->request_bytes_max);
    PUT(sink, settings->connection_count_max);
    PUT(sink, settings->connection_per_ip_max);
    PUT(sink, settings->connection_rate_max);
    put_string(sink, settings->connection_per_ip_overrides);
    PUT(sink, settings->fetch_bytes_max);
    PUT(sink, settings->fetch_session_count_max);
    PUT(sink, settings->partition_default_count);
    PUT(sink, settings->partition_page_max);
    PUT(sink, settings->auto_create_topics);
    PUT(sink, settings->delete_topic_enable);
    PUT(sink, settings->log_level);
}

static void put_broker(struct sink *sink, const struct snapshot_broker *broker)
{
    const uint16_t absent = ABSENT;
    PUT(sink, broker->node_id);
    put_string(sink, broker->host);
    PUT(sink, broker->port);
    if (broker->rack.ptr == NULL) {
        PUT(sink, absent);
    } else {
        put_string(sink, broker->rack);
    }
}

static void put_topic(struct sink *sink, const struct snapshot_topic *topic)
{
    PUT(sink, topic->id);
    put_string(sink, topic->name);
    PUT(sink, topic->internal);
    put_config(sink, &topic->config);
    PUT(sink, topic->partition_count);
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        const struct snapshot_partition *partition = &topic->partitions[i];
        const uint8_t flags = (uint8_t)((partition->exists ? FLAG_EXISTS : 0) |
                                        (partition->offline ? FLAG_OFFLINE : 0));
        PUT(sink, partition->leader_epoch);
        PUT(sink, partition->directory);
        PUT(sink, flags);
    }
}

static void put_body(struct sink *sink, const struct snapshot *snapshot)
{
    PUT(sink, snapshot->version);
    put_string(sink, snapshot->cluster_id);
    put_broker(sink, &snapshot->broker);
    PUT(sink, snapshot->finalized_features_epoch);
    PUT(sink, snapshot->metadata_version);
    PUT(sink, snapshot->group_version);
    PUT(sink, snapshot->transaction_version);
    put_settings(sink, &snapshot->settings);
    PUT(sink, snapshot->topic_count);
    PUT(sink, snapshot->partition_count);
    for (uint32_t i = 0; i < snapshot->topic_count; i++) {
        put_topic(sink, &snapshot->topics[i]);
    }
}

uint64_t snapshot_encode(const struct snapshot *snapshot, void *to, uint64_t capacity)
{
    struct sink sink = {to, capacity, IMAGE_HEADER_BYTES};
    put_body(&sink, snapshot);
    if (sink.used <= capacity) {
        const uint8_t *body = sink.to + IMAGE_HEADER_BYTES;
        const uint32_t magic = IMAGE_MAGIC;
        const uint32_t format = SNAPSHOT_FORMAT_VERSION;
        const uint64_t body_len = sink.used - IMAGE_HEADER_BYTES;
        const uint64_t sum = XXH3_64bits(body, body_len);
        struct sink header = {to, IMAGE_HEADER_BYTES, 0};
        PUT(&header, magic);
        PUT(&header, format);
        PUT(&header, body_len);
        PUT(&header, sum);
    }
    return sink.used;
}

/* ---- Decoding ------------------------------------------------------------------------------- */

struct source {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

static uint64_t source_left(const struct source *source)
{
    return (uint64_t)(source->end - source->at);
}

static void take(struct source *source, void *to, uint64_t len)
{
    if (source->bad || source_left(source) < len) {
        source->bad = true;
        memset(to, 0, len);
        return;
    }
    memcpy(to, source->at, len);
    source->at += len;
}

#define TAKE(source, value) take((source), &(value), sizeof(value))

static bool take_bool(struct source *source)
{
    uint8_t value;
    TAKE(source, value);
    source->bad |= value > 1;
    return value == 1;
}

static struct bytes take_string(struct source *source, uint32_t len_min, uint32_t len_max,
                                bool nullable)
{
    uint16_t len;
    TAKE(source, len);
    if (nullable && len == ABSENT) {
        return (struct bytes){0};
    }
    if (len < len_min || len > len_max || source_left(source) < len) {
        source->bad = true;
    }
    if (source->bad) {
        return (struct bytes){0};
    }
    const struct bytes string = {source->at, len};
    source->at += len;
    return string;
}

static void take_config(struct source *source, struct partition_config *config)
{
    TAKE(source, config->retention_ms);
    TAKE(source, config->retention_bytes);
    TAKE(source, config->segment_ms);
    TAKE(source, config->segment_jitter_ms);
    TAKE(source, config->flush_messages);
    TAKE(source, config->flush_ms);
    TAKE(source, config->timestamp_before_max_ms);
    TAKE(source, config->timestamp_after_max_ms);
    TAKE(source, config->delete_retention_ms);
    TAKE(source, config->file_delete_delay_ms);
    TAKE(source, config->producer_expiration_ms);
    TAKE(source, config->retention_check_ms);
    TAKE(source, config->producer_check_ms);
    TAKE(source, config->clean_map_bytes);
    TAKE(source, config->clean_bytes_per_second);
    TAKE(source, config->clean_backoff_ms);
    TAKE(source, config->clean_io_bytes);
    TAKE(source, config->clean_load_percent);
    TAKE(source, config->min_compaction_lag_ms);
    TAKE(source, config->max_compaction_lag_ms);
    TAKE(source, config->dirty_ratio_millionths);
    TAKE(source, config->segment_bytes);
    TAKE(source, config->segment_index_bytes);
    TAKE(source, config->index_interval_bytes);
    TAKE(source, config->max_message_bytes);
    TAKE(source, config->timestamp_type);
    config->clean_enabled = take_bool(source);
    config->cleanup_delete = take_bool(source);
    config->cleanup_compact = take_bool(source);
    TAKE(source, config->compression);
    TAKE(source, config->compression_level);
    source->bad |= config->timestamp_type > TIMESTAMP_LOG_APPEND_TIME || config->compression < -1 ||
                   config->compression >= BATCH_CODECS;
}

static void take_settings(struct source *source, struct server_settings *settings)
{
    TAKE(source, settings->connections_idle_ms_max);
    TAKE(source, settings->request_bytes_max);
    TAKE(source, settings->connection_count_max);
    TAKE(source, settings->connection_per_ip_max);
    TAKE(source, settings->connection_rate_max);
    settings->connection_per_ip_overrides = take_string(source, 0, OVERRIDES_BYTES_MAX, false);
    TAKE(source, settings->fetch_bytes_max);
    TAKE(source, settings->fetch_session_count_max);
    TAKE(source, settings->partition_default_count);
    TAKE(source, settings->partition_page_max);
    settings->auto_create_topics = take_bool(source);
    settings->delete_topic_enable = take_bool(source);
    TAKE(source, settings->log_level);
    source->bad |= settings->log_level > JOURNAL_DEBUG;
}

static void take_broker(struct source *source, struct snapshot_broker *broker)
{
    TAKE(source, broker->node_id);
    broker->host = take_string(source, 0, HOST_BYTES_MAX, false);
    TAKE(source, broker->port);
    broker->rack = take_string(source, 0, RACK_BYTES_MAX, true);
}

static void take_partition(struct source *source, struct snapshot_partition *partition)
{
    uint8_t flags;
    TAKE(source, partition->leader_epoch);
    TAKE(source, partition->directory);
    TAKE(source, flags);
    partition->exists = (flags & FLAG_EXISTS) != 0;
    partition->offline = (flags & FLAG_OFFLINE) != 0;
    source->bad |= (flags & ~(FLAG_EXISTS | FLAG_OFFLINE)) != 0 || partition->leader_epoch < 0;
    source->bad |= partition->directory >= LOG_DIRECTORIES_MAX &&
                   partition->directory != SNAPSHOT_DIRECTORY_NONE;
}

/* *free_partitions: how many of the array behind `partitions` are not yet given out. */
static void take_topic(struct source *source, struct snapshot_topic *topic,
                       struct snapshot_partition *partitions, uint32_t free_partitions)
{
    TAKE(source, topic->id);
    topic->name = take_string(source, 1, TOPIC_NAME_BYTES_MAX, false);
    topic->internal = take_bool(source);
    take_config(source, &topic->config);
    TAKE(source, topic->partition_count);
    topic->partitions = partitions;
    if (topic->partition_count > free_partitions || uuid_is_zero(topic->id)) {
        source->bad = true;
        topic->partition_count = 0;
    }
    for (uint32_t i = 0; i < topic->partition_count && !source->bad; i++) {
        take_partition(source, &partitions[i]);
    }
}

static int name_compare(struct bytes a, struct bytes b)
{
    const int order = memcmp(a.ptr, b.ptr, min_u32(a.len, b.len));
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static uint64_t id_hash(const struct uuid *id)
{
    return XXH3_64bits(id->bytes, sizeof(id->bytes));
}

/* False when the id is there already. */
static bool by_id_insert(struct snapshot *snapshot, uint32_t index)
{
    const struct uuid *id = &snapshot->topics[index].id;
    uint32_t slot = (uint32_t)id_hash(id) & snapshot->by_id_mask;
    while (snapshot->by_id[slot] != 0) {
        if (uuid_equal(snapshot->topics[snapshot->by_id[slot] - 1].id, *id)) {
            return false;
        }
        slot = (slot + 1) & snapshot->by_id_mask;
    }
    snapshot->by_id[slot] = index + 1;
    return true;
}

static const char *take_topics(struct source *source, struct snapshot *snapshot,
                               struct snapshot_partition *partitions)
{
    uint32_t given = 0;
    for (uint32_t i = 0; i < snapshot->topic_count; i++) {
        struct snapshot_topic *topic = &snapshot->topics[i];
        take_topic(source, topic, partitions + given, snapshot->partition_count - given);
        if (source->bad) {
            return "a topic is malformed";
        }
        given += topic->partition_count;
        if (i > 0 && name_compare(snapshot->topics[i - 1].name, topic->name) >= 0) {
            return "topics are not sorted by name";
        }
        if (!by_id_insert(snapshot, i)) {
            return "two topics have one id";
        }
    }
    if (given != snapshot->partition_count || source_left(source) != 0) {
        return "counts and content differ";
    }
    return NULL;
}

static void take_head(struct source *source, struct snapshot *snapshot)
{
    TAKE(source, snapshot->version);
    snapshot->cluster_id = take_string(source, 1, CLUSTER_ID_BYTES_MAX, false);
    take_broker(source, &snapshot->broker);
    TAKE(source, snapshot->finalized_features_epoch);
    TAKE(source, snapshot->metadata_version);
    TAKE(source, snapshot->group_version);
    TAKE(source, snapshot->transaction_version);
    take_settings(source, &snapshot->settings);
    TAKE(source, snapshot->topic_count);
    TAKE(source, snapshot->partition_count);
}

static const char *image_check(struct bytes image)
{
    uint32_t magic;
    uint32_t format;
    uint64_t body_len;
    uint64_t sum;
    struct source source = {image.ptr, image.ptr + image.len, false};
    TAKE(&source, magic);
    TAKE(&source, format);
    TAKE(&source, body_len);
    TAKE(&source, sum);
    if (source.bad || magic != IMAGE_MAGIC) {
        return "it is no snapshot";
    }
    if (format != SNAPSHOT_FORMAT_VERSION) {
        return "its format version is another";
    }
    if (body_len != source_left(&source) || XXH3_64bits(source.at, body_len) != sum) {
        return "its length or checksum is wrong";
    }
    return NULL;
}

/* Takes *snapshot, of whose arrays only the sizes are known, and its image into one allocation:
 * the struct, topics, partitions, the table, the image that names point into. */
static struct snapshot *snapshot_allocate(const struct snapshot *head, struct bytes body,
                                          struct bytes *body_copy)
{
    const uint64_t slots = head->topic_count == 0 ? 1 : 2ULL * head->topic_count;
    uint64_t table = 1;
    while (table < slots) {
        table *= 2;
    }
    const uint64_t topics_at = round_up(sizeof(struct snapshot), 16);
    const uint64_t partitions_at =
        round_up(topics_at + head->topic_count * sizeof(struct snapshot_topic), 16);
    const uint64_t table_at =
        round_up(partitions_at + head->partition_count * sizeof(struct snapshot_partition), 16);
    const uint64_t image_at = table_at + table * sizeof(uint32_t);
    uint8_t *memory = malloc(image_at + body.len);
    if (memory == NULL) {
        return NULL;
    }
    memset(memory, 0, image_at);
    memcpy(memory + image_at, body.ptr, body.len);
    *body_copy = (struct bytes){memory + image_at, body.len};
    struct snapshot *snapshot = (struct snapshot *)(void *)memory;
    snapshot->topics = (struct snapshot_topic *)(void *)(memory + topics_at);
    snapshot->by_id = (uint32_t *)(void *)(memory + table_at);
    snapshot->by_id_mask = (uint32_t)(table - 1);
    return snapshot;
}

static struct snapshot_partition *snapshot_partitions(struct snapshot *snapshot, uint32_t count)
{
    const uint64_t at = round_up(
        (uint64_t)((uint8_t *)(snapshot->topics + count) - (uint8_t *)(void *)snapshot), 16);
    return (struct snapshot_partition *)(void *)((uint8_t *)(void *)snapshot + at);
}

struct snapshot *snapshot_decode(struct bytes image, const char **reason)
{
    *reason = image_check(image);
    if (*reason != NULL) {
        return NULL;
    }
    const struct bytes body = {image.ptr + IMAGE_HEADER_BYTES, image.len - IMAGE_HEADER_BYTES};
    struct snapshot head = {0};
    struct source source = {body.ptr, body.ptr + body.len, false};
    take_head(&source, &head);
    if (source.bad || (uint64_t)head.topic_count * TOPIC_BYTES_MIN > source_left(&source) ||
        (uint64_t)head.partition_count * PARTITION_BYTES > source_left(&source)) {
        *reason = "its head is malformed";
        return NULL;
    }
    struct bytes copy;
    struct snapshot *snapshot = snapshot_allocate(&head, body, &copy);
    if (snapshot == NULL) {
        *reason = "there is no memory for it";
        return NULL;
    }
    source = (struct source){copy.ptr, copy.ptr + copy.len, false};
    take_head(&source, snapshot);
    *reason = take_topics(&source, snapshot, snapshot_partitions(snapshot, snapshot->topic_count));
    if (*reason != NULL) {
        snapshot_free(snapshot);
        return NULL;
    }
    return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
    free(snapshot);
}

/* ---- Lookups -------------------------------------------------------------------------------- */

const struct snapshot_topic *snapshot_topic_by_name(const struct snapshot *snapshot,
                                                    struct bytes name)
{
    uint32_t low = 0;
    uint32_t high = snapshot->topic_count;
    while (low < high && name.len > 0) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = name_compare(snapshot->topics[middle].name, name);
        if (order == 0) {
            return &snapshot->topics[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct snapshot_topic *snapshot_topic_by_id(const struct snapshot *snapshot,
                                                  const struct uuid *id)
{
    uint32_t slot = (uint32_t)id_hash(id) & snapshot->by_id_mask;
    while (snapshot->by_id[slot] != 0) {
        const struct snapshot_topic *topic = &snapshot->topics[snapshot->by_id[slot] - 1];
        if (uuid_equal(topic->id, *id)) {
            return topic;
        }
        slot = (slot + 1) & snapshot->by_id_mask;
    }
    return NULL;
}

uint32_t snapshot_partition_core(const struct uuid *topic_id, uint32_t partition,
                                 uint32_t core_count)
{
    ASSERT_HOT(core_count > 0);
    return core_count == 1 ? 0 : (uint32_t)((id_hash(topic_id) + partition) % core_count);
}
