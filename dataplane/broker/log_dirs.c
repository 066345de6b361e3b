#include "dataplane/broker/log_dirs.h"

#include "dataplane/broker/handlers.h"
#include "dataplane/broker/hosted.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/topics.h"

enum { SIZE_UNKNOWN = -1, SIZES_FROM = 4 };

/* ---- Every core: its partitions' sizes ------------------------------------------------------ */

static void sizes_fill(struct broker *broker, const struct sizes_query *query)
{
    const struct snapshot *snapshot = query->snapshot;
    uint32_t at = 0;
    for (uint32_t t = 0; t < snapshot->topic_count; t++) {
        const struct snapshot_topic *topic = &snapshot->topics[t];
        for (uint32_t i = 0; i < topic->partition_count; i++, at++) {
            const struct partition_id id = {topic->id, i};
            if (snapshot_partition_core(&topic->id, i, broker->core_count) != broker->core) {
                continue;
            }
            const struct hosted *hosted = hosted_find(broker, &id);
            query->sizes[at] = hosted == NULL || partition_state(hosted->partition) != LOG_OK
                                   ? SIZE_UNKNOWN
                                   : (int64_t)partition_size_bytes(hosted->partition);
            query->directories[at] = hosted == NULL ? (uint16_t)SNAPSHOT_DIRECTORY_NONE
                                                    : partition_directory(hosted->partition);
        }
    }
}

static struct request *sizes_request(const struct broker *broker)
{
    return CONTAINER_OF(list_first(&broker->sizes_waiting), struct request, wait_node);
}

/* ---- The answer ----------------------------------------------------------------------------- */

/* Where each topic's partitions begin among the sizes; in scratch, NULL when there is no room. */
static uint32_t *first_indexes(struct broker *broker)
{
    const struct snapshot *snapshot = broker->sizes_snapshot;
    uint32_t *first = scratch_take(&broker->scratch, (snapshot->topic_count + 1) * sizeof(*first));
    uint32_t at = 0;
    for (uint32_t t = 0; first != NULL && t < snapshot->topic_count; t++) {
        first[t] = at;
        at += snapshot->topics[t].partition_count;
    }
    return first;
}

/* Forgets the partitions that are not asked for. */
static void sizes_select(struct broker *broker, const struct request *request)
{
    const struct snapshot *snapshot = broker->sizes_snapshot;
    struct describe_log_dirs_request_topic_array topics = request->body_of.log_dirs.topics;
    struct describe_log_dirs_request_topic asked;
    if (topics.count < 0) {
        return; /* All of them. */
    }
    scratch_reset(&broker->scratch);
    const uint32_t *first = first_indexes(broker);
    bool *selected = scratch_take(&broker->scratch, snapshot->partition_count + 1);
    if (first == NULL || selected == NULL) {
        return;
    }
    memset(selected, 0, snapshot->partition_count);
    while (describe_log_dirs_request_topic_array_next(&topics, &asked)) {
        uint8_t name[TOPIC_NAME_BYTES_MAX];
        const struct snapshot_topic *topic =
            asked.topic.len > sizeof(name)
                ? NULL
                : snapshot_topic_by_name(snapshot, chain_flat(asked.topic, name));
        int32_t index;
        while (topic != NULL && i32_array_next(&asked.partitions, &index)) {
            if (index >= 0 && (uint32_t)index < topic->partition_count) {
                selected[first[topic - snapshot->topics] + (uint32_t)index] = true;
            }
        }
    }
    for (uint32_t at = 0; at < snapshot->partition_count; at++) {
        broker->sizes_bytes[at] = selected[at] ? broker->sizes_bytes[at] : SIZE_UNKNOWN;
    }
}

static uint32_t count_in(const struct broker *broker, uint32_t first, uint32_t partition_count,
                         uint32_t directory)
{
    uint32_t found = 0;
    for (uint32_t at = first; at < first + partition_count; at++) {
        found += broker->sizes_directories[at] == directory && broker->sizes_bytes[at] >= 0;
    }
    return found;
}

static void encode_topic(const struct broker *broker, struct writer *writer, int16_t version,
                         const struct snapshot_topic *topic, uint32_t first, uint32_t directory)
{
    const uint32_t found = count_in(broker, first, topic->partition_count, directory);
    struct describe_log_dirs_response_topic out = describe_log_dirs_response_topic_default;
    if (found == 0) {
        return;
    }
    out.name = chain_of(&topic->name);
    describe_log_dirs_response_topic_encode_begin(writer, version, &out, (int32_t)found);
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        if (broker->sizes_directories[first + i] != directory ||
            broker->sizes_bytes[first + i] < 0) {
            continue;
        }
        struct describe_log_dirs_response_partition partition =
            describe_log_dirs_response_partition_default;
        partition.partition_index = (int32_t)i;
        partition.partition_size = broker->sizes_bytes[first + i];
        describe_log_dirs_response_partition_encode(writer, version, &partition);
    }
    describe_log_dirs_response_topic_encode_end(writer, version, &out);
}

static void encode_directory(const struct broker *broker, struct writer *writer, int16_t version,
                             uint32_t directory)
{
    const struct broker_directory *facts = &broker->setup.directories[directory];
    const struct snapshot *snapshot = broker->sizes_snapshot;
    const struct bytes path = bytes_of_string(facts->path);
    struct describe_log_dirs_response_result out = describe_log_dirs_response_result_default;
    out.log_dir = chain_of(&path);
    if (atomic_load_explicit(&facts->failed, memory_order_relaxed)) {
        out.error_code = ERROR_KAFKA_STORAGE_ERROR;
        describe_log_dirs_response_result_encode(writer, version, &out);
        return;
    }
    if (version >= SIZES_FROM) {
        out.total_bytes = atomic_load_explicit(&facts->total_bytes, memory_order_relaxed);
        out.usable_bytes = atomic_load_explicit(&facts->usable_bytes, memory_order_relaxed);
    }
    uint32_t topics = 0;
    uint32_t first = 0;
    for (uint32_t t = 0; t < snapshot->topic_count; t++) {
        const uint32_t partitions = snapshot->topics[t].partition_count;
        topics += count_in(broker, first, partitions, directory) > 0;
        first += partitions;
    }
    describe_log_dirs_response_result_encode_begin(writer, version, &out, (int32_t)topics);
    first = 0;
    for (uint32_t t = 0; t < snapshot->topic_count; t++) {
        encode_topic(broker, writer, version, &snapshot->topics[t], first, directory);
        first += snapshot->topics[t].partition_count;
    }
    describe_log_dirs_response_result_encode_end(writer, version, &out);
}

static void log_dirs_build(struct broker *broker, struct request *request, struct writer *writer)
{
    const struct describe_log_dirs_response response = describe_log_dirs_response_default;
    const uint32_t directory_count = broker->setup.directory_count;
    describe_log_dirs_response_encode_begin(writer, request->version, &response,
                                            (int32_t)directory_count);
    for (uint32_t i = 0; i < directory_count; i++) {
        encode_directory(broker, writer, request->version, i);
    }
    describe_log_dirs_response_encode_end(writer, request->version, &response);
}

static void too_many_build(struct broker *broker, struct request *request, struct writer *writer)
{
    struct describe_log_dirs_response response = describe_log_dirs_response_default;
    (void)broker;
    response.error_code = ERROR_UNKNOWN_SERVER_ERROR;
    describe_log_dirs_response_encode(writer, request->version, &response);
}

/* ---- Gathering ------------------------------------------------------------------------------ */

/* All cores have answered. The sizes stay until the answer is built. */
static void sizes_complete(struct broker *broker)
{
    struct request *request = broker->sizes_for;
    if (request_returned(request)) {
        sizes_select(broker, request);
        request_done(request, log_dirs_build);
    }
}

void sizes_finish(struct broker *broker)
{
    broker->sizes_for = NULL;
    broker->sizes_snapshot = NULL;
    sizes_next(broker);
}

void sizes_mail(struct broker *broker, struct sizes_query *query)
{
    if (query->mail.kind == MAIL_SIZES) {
        sizes_fill(broker, query);
        query->mail.kind = MAIL_SIZES_DONE;
        mail_post(broker->setup.mailbox, query->home, &query->mail);
        return;
    }
    if (--broker->sizes_away == 0) {
        sizes_complete(broker);
    }
}

void sizes_next(struct broker *broker)
{
    if (broker->sizes_for != NULL || list_empty(&broker->sizes_waiting)) {
        return;
    }
    struct request *request = sizes_request(broker);
    list_remove(&request->wait_node);
    broker->sizes_for = request;
    if (broker->snapshot->partition_count > broker->limits.partition_total) {
        request_done(request, too_many_build);
        return;
    }
    broker->sizes_snapshot = broker->snapshot;
    broker->sizes_away = broker->core_count;
    request->pending++;
    for (uint32_t core = 0; core < broker->core_count; core++) {
        broker->sizes[core] = (struct sizes_query){
            .mail = {.kind = MAIL_SIZES},
            .snapshot = broker->snapshot,
            .sizes = broker->sizes_bytes,
            .directories = broker->sizes_directories,
            .home = (uint16_t)broker->core,
        };
        mail_post(broker->setup.mailbox, core, &broker->sizes[core].mail);
    }
}

bool describe_log_dirs_start(struct broker *broker, struct request *request)
{
    struct describe_log_dirs_request *body = &request->body_of.log_dirs;
    struct reader reader;
    reader_init(&reader, request->body);
    if (describe_log_dirs_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    list_push_back(&broker->sizes_waiting, &request->wait_node);
    sizes_next(broker);
    return true;
}
