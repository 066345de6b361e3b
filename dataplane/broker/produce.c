#include "dataplane/broker/produce.h"

#include "dataplane/broker/dispatch.h"
#include "dataplane/broker/error_map.h"
#include "dataplane/broker/handlers.h"
#include "dataplane/broker/operation.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/stream.h"
#include "dataplane/broker/topics.h"
#include "dataplane/kafka/few_bytes.h"
#include "dataplane/kafka/produce_one.h"

enum { TOPIC_IDS_FROM = 13, RECORD_ERRORS_FROM = 8, LEADER_HINTS_FROM = 10, EPOCH_EACH_FROM = 12 };

/* ---- The answer ----------------------------------------------------------------------------- */

static int16_t operation_error(const struct operation *operation)
{
    if (LIKELY(operation->back && operation->error == ERROR_NONE)) {
        return ERROR_NONE;
    }
    return operation->back && !produce_undecided(operation) ? operation->error
                                                            : (int16_t)ERROR_REQUEST_TIMED_OUT;
}

static struct chain chain_of_text(struct broker *broker, const char *text)
{
    struct bytes *piece = scratch_take(&broker->scratch, sizeof(*piece));
    if (text == NULL || piece == NULL) {
        return CHAIN_NULL;
    }
    *piece = bytes_of_string(text);
    return chain_of(piece);
}

/* The records to blame, in the request's scratch. */
static void fill_record_errors(struct broker *broker, const struct append *append,
                               struct produce_response_partition *answer)
{
    const uint32_t count = min_u32(append->error_count, VALIDATE_RECORD_ERRORS_MAX);
    struct produce_response_record_error *errors =
        scratch_take(&broker->scratch, count * sizeof(*errors));
    if (errors == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        errors[i] = produce_response_record_error_default;
        errors[i].batch_index = append->errors[i].batch_index;
        errors[i].batch_index_error_message =
            chain_of_text(broker, validate_record_text(append->errors[i].reason));
    }
    answer->record_errors.items = errors;
    answer->record_errors.count = (int32_t)count;
}

static void fill_leader(const struct broker *broker, const struct operation *operation,
                        struct produce_response_partition *answer)
{
    const struct partition_id *id = &operation->mail.partition;
    const struct snapshot_topic *topic = snapshot_topic_by_id(broker->snapshot, &id->topic_id);
    if (topic != NULL && id->index < topic->partition_count) {
        answer->current_leader.leader_id = broker->snapshot->broker.node_id;
        answer->current_leader.leader_epoch = topic->partitions[id->index].leader_epoch;
    }
}

/* Writes one partition's answer; true when it names a leader. */
static bool build_partition(struct broker *broker, struct request *request, struct writer *writer,
                            const struct operation *operation)
{
    const size_t scratch_used = broker->scratch.used;
    struct produce_response_partition answer = produce_response_partition_default;
    answer.index = operation->index_asked;
    answer.error_code = operation_error(operation);
    answer.base_offset = -1;
    if (answer.error_code == ERROR_NONE) {
        answer.base_offset = operation->append.base_offset;
        answer.log_append_time_ms = operation->append.log_append_time_ms;
        answer.log_start_offset = operation->append.log_start_offset;
    } else if (operation->back && operation->kind == OPERATION_APPEND &&
               append_failure_tells_log_start(&operation->append)) {
        answer.log_start_offset = operation->append.log_start_offset;
    }
    if (answer.error_code != ERROR_NONE && request->version >= RECORD_ERRORS_FROM &&
        operation->back) {
        answer.error_message = chain_of_text(broker, operation->message);
        if (operation->kind == OPERATION_APPEND && operation->append.status == LOG_BATCH_REFUSED) {
            fill_record_errors(broker, &operation->append, &answer);
        }
    }
    const bool hint =
        answer.error_code == ERROR_NOT_LEADER_OR_FOLLOWER && request->version >= LEADER_HINTS_FROM;
    if (hint) {
        fill_leader(broker, operation, &answer);
    }
    produce_response_partition_encode(writer, request->version, &answer);
    broker->scratch.used = scratch_used;
    return hint && answer.current_leader.leader_id >= 0;
}

static void produce_build(struct broker *broker, struct request *request, struct writer *writer)
{
    const int16_t version = request->version;
    struct produce_response response = produce_response_default;
    const struct operation *operation = request->operations;
    bool hinted = false;
    produce_response_encode_begin(writer, version, &response,
                                  request->body_of.produce.topic_data.count);
    while (operation != NULL) {
        struct produce_response_topic topic = produce_response_topic_default;
        topic.name = operation->topic_name;
        topic.topic_id = operation->topic_id;
        produce_response_topic_encode_begin(writer, version, &topic, operation->topic_partitions);
        const struct operation *first = operation;
        for (; operation != NULL && (operation == first || operation->topic_partitions < 0);
             operation = operation->next) {
            if (operation->topic_partitions != 0) {
                hinted |= build_partition(broker, request, writer, operation);
            }
        }
        produce_response_topic_encode_end(writer, version, &topic);
    }
    struct produce_response_node_endpoint node;
    char text[HOST_TEXT_BYTES];
    struct bytes host;
    if (hinted) {
        host = broker_host(broker->snapshot, request->connection, text);
        node = produce_response_node_endpoint_default;
        node.node_id = broker->snapshot->broker.node_id;
        node.host = chain_of(&host);
        node.port = broker_port(broker->snapshot, request->connection);
        response.node_endpoints.items = &node;
        response.node_endpoints.count = 1;
    }
    produce_response_encode_end(writer, version, &response);
}

/* The answer of one partition that was appended, as a whole frame. */
LINK_INLINE uint32_t produce_build_plain(const struct request *request, uint8_t *to)
{
    const struct operation *operation = &request->first;
    const struct chain name = operation->topic_name; /* In one piece, as it was read. */
    const struct produce_one_answer answer = {
        .correlation_id = request->correlation_id,
        .topic_name = {name.parts->ptr + name.offset, name.len},
        .topic_id = operation->topic_id,
        .partition = operation->index_asked,
        .base_offset = operation->append.base_offset,
        .log_append_time_ms = operation->append.log_append_time_ms,
        .log_start_offset = operation->append.log_start_offset,
    };
    return produce_one_encode(to, request->version, &answer);
}

/* ---- The request ---------------------------------------------------------------------------- */

/* The topic that a request names, or NULL. Mostly it is the one that the request before named. */
static const struct snapshot_topic *topic_named(const struct broker *broker,
                                                struct connection *connection, bool by_id,
                                                struct chain name, const struct uuid *id)
{
    const struct snapshot_topic *topic = connection->produced;
    if (LIKELY(connection->produced_serial == broker->snapshot_serial) &&
        (by_id ? uuid_equal(topic->id, *id)
               : name.len == topic->name.len && chain_first(name).len == name.len &&
                     few_bytes_equal(chain_first(name).ptr, topic->name.ptr, name.len))) {
        return topic;
    }
    topic = by_id ? snapshot_topic_by_id(broker->snapshot, id) : topic_of_name(broker, name);
    if (topic != NULL) {
        connection->before.head.bytes = 0; /* That was of another one. */
        connection->produced = topic;
        connection->produced_serial = broker->snapshot_serial;
    }
    return topic;
}

/* What is decided without the log: ERROR_NONE when the owner is to be asked. */
static int16_t check_at_home(const struct broker *broker, const struct request *request,
                             int16_t acks, struct chain name, const struct uuid *id,
                             const struct snapshot_topic **known)
{
    const bool by_id = request->version >= TOPIC_IDS_FROM;
    *known = topic_named(broker, request->connection, by_id, name, id);
    if (*known == NULL) {
        return by_id ? ERROR_UNKNOWN_TOPIC_ID : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (acks < -1 || acks > 1) {
        return ERROR_INVALID_REQUIRED_ACKS;
    }
    return (*known)->internal ? ERROR_INVALID_TOPIC_EXCEPTION : ERROR_NONE;
}

HOT_INLINE void produce_add(struct operation *operation, const struct snapshot_topic *known,
                            int16_t error, int32_t index, struct chain records)
{
    const struct request *request = operation->request;
    operation->index_asked = index;
    operation->topic_partitions = -1;
    if (error == ERROR_NONE || known != NULL) {
        int16_t missing = ERROR_NONE;
        topic_partition(known, index, &operation->mail.partition, &missing);
        error = missing != ERROR_NONE ? missing : error;
    }
    if (error != ERROR_NONE) {
        operation_refuse(operation, error, NULL);
        return;
    }
    struct append *append = &operation->append; /* What comes out is set by the log. */
    append->batch = records;
    append->ack = request->body_of.produce.acks == -1 ? APPEND_ACK_FLUSHED : APPEND_ACK_WRITTEN;
    append->internal = false;
    append->api_version = request->version;
    append->txn = (struct producer_verification){.epoch_each = request->version >= EPOCH_EACH_FROM};
    append->status = LOG_PENDING;
}

/* Reads the partitions of one topic, to the topic's end. False: too many. */
static bool topic_start(struct broker *broker, struct request *request, struct reader *reader)
{
    struct produce_request_topic topic;
    const struct snapshot_topic *known = NULL;
    int32_t count;
    produce_request_topic_decode_begin(reader, request->version, &topic, &count);
    if (reader->status != CODEC_OK) {
        return true;
    }
    const int16_t error = check_at_home(broker, request, request->body_of.produce.acks, topic.name,
                                        &topic.topic_id, &known);
    struct operation **first = request->operations_end;
    for (int32_t i = 0; i < (count > 0 ? count : 1); i++) {
        struct operation *operation = operation_add(request, OPERATION_APPEND);
        if (operation == NULL) {
            return false;
        }
        if (count == 0) { /* Only to be named in the answer. */
            operation_refuse(operation, ERROR_NONE, NULL);
            break;
        }
        struct produce_request_partition partition;
        produce_request_partition_decode(reader, request->version, &partition);
        if (reader->status != CODEC_OK) {
            return true;
        }
        produce_add(operation, known, error, partition.index, partition.records);
    }
    (*first)->topic_name = topic.name;
    (*first)->topic_id = topic.topic_id;
    (*first)->topic_partitions = count;
    produce_request_topic_decode_end(reader, request->version, &topic);
    return true;
}

static bool produce_failed(const struct request *request)
{
    for (const struct operation *operation = request->operations; operation != NULL;
         operation = operation->next) {
        if (operation_error(operation) != ERROR_NONE) {
            return true;
        }
    }
    return false;
}

/* acks=0 gets no answer, but the connection is closed when something failed (B17). */
static NOINLINE void produce_back_other(struct broker *broker, struct request *request)
{
    if (produce_asks(broker, request)) {
        return;
    }
    if (request->body_of.produce.acks == 0) {
        request->no_answer = true;
        request->close_after = produce_failed(request);
        request_errors_count(request, request->close_after);
    }
    request_done(request, produce_build);
    produce_through(request->connection);
}

/* Mostly one batch was appended, and there is nothing to ask. */
static void produce_back(struct broker *broker, struct request *request)
{
    if (UNLIKELY(!request->one || operation_error(&request->first) != ERROR_NONE ||
                 request->body_of.produce.acks == 0)) {
        produce_back_other(broker, request);
        return;
    }
    request_done_plain(request);
    produce_through(request->connection);
}

/* What was read of the body's first piece, as a view of the request. */
static struct chain body_view(const struct request *request, struct bytes view)
{
    const struct bytes *piece = request->body.parts;
    return (struct chain){
        .parts = piece, .offset = (uint32_t)(view.ptr - piece->ptr), .len = view.len};
}

/* The usual request has one partition. */
HOT_INLINE void one_start(struct request *request, const struct produce_one_request *one,
                          struct chain name, const struct snapshot_topic *known, int16_t error)
{
    struct produce_request *body = &request->body_of.produce;
    body->transactional_id = CHAIN_NULL;
    body->acks = one->acks;
    body->topic_data.count = 1;
    struct operation *operation = operation_first(request, OPERATION_APPEND);
    produce_add(operation, known, error, one->partition, body_view(request, one->records));
    request->one = true;
    operation->topic_name = name;
    operation->topic_id = one->topic_id;
    operation->topic_partitions = 1;
}

static uint64_t produce_timeout_ns(int32_t timeout_ms)
{
    return ns_of_ms(max_u64((uint64_t)max_i64(timeout_ms, 0), PRODUCE_TIMEOUT_MS_MIN));
}

/* The next one may say the same. */
static NOINLINE void before_keep(const struct request *request,
                                 const struct produce_one_request *one)
{
    struct produce_before *before = &request->connection->before;
    const struct chain rest = request->body;
    const uint32_t header_bytes = request->frame_bytes - rest.len;
    const uint8_t *frame = rest.parts->ptr + rest.offset - header_bytes;
    produce_one_head_keep(&before->head, (struct bytes){frame, request->frame_bytes}, one);
    before->header_bytes = header_bytes;
    before->client_id_bytes = request->client_id.len;
    before->version = request->version;
    before->acks = one->acks;
    before->name_bytes = one->topic_name.len;
    before->topic_id = one->topic_id;
    before->timeout_ns = produce_timeout_ns(one->timeout_ms);
}

/* The first of its kind on its connection. */
static void one_start_first(struct broker *broker, struct request *request,
                            const struct produce_one_request *one)
{
    const struct snapshot_topic *known = NULL;
    const struct chain name = body_view(request, one->topic_name);
    request->body_of.produce.timeout_ms = one->timeout_ms;
    const int16_t error = check_at_home(broker, request, one->acks, name, &one->topic_id, &known);
    if (error == ERROR_NONE && request->piece_count == 1) {
        before_keep(request, one);
    }
    one_start(request, one, name, known, error);
}

/* A request of any shape. False: it does not parse, or is too large. */
static bool all_start(struct broker *broker, struct request *request)
{
    struct produce_request *body = &request->body_of.produce;
    struct reader reader;
    reader_init(&reader, request->body);
    int32_t *topic_count = &body->topic_data.count;
    produce_request_decode_begin(&reader, request->version, body, topic_count);
    for (int32_t i = 0; i < *topic_count && reader.status == CODEC_OK; i++) {
        if (!topic_start(broker, request, &reader)) {
            return false;
        }
    }
    produce_request_decode_end(&reader, request->version, body);
    return reader.status == CODEC_OK;
}

HOT_INLINE void deadline_set(struct request *request, uint64_t timeout_ns)
{
    if (LIKELY(request->body_of.produce.acks != 0)) {
        request->deadline_ns = request->broker->now_ns + timeout_ns;
        produce_time(request);
    }
}

bool produce_start(struct broker *broker, struct request *request)
{
    struct produce_one_request one;
    if (broker->buffers_held > broker->limits.receive_buffer_count / 2) {
        request_detach_frame(broker, request); /* Its batches are lent until they are durable. */
    }
    const struct bytes flat = chain_first(request->body);
    const bool usual =
        flat.len == request->body.len && produce_one_decode(flat, request->version, &one);
    if (usual) {
        one_start_first(broker, request, &one);
    } else if (!all_start(broker, request)) {
        return false;
    }
    deadline_set(request, produce_timeout_ns(request->body_of.produce.timeout_ms));
    operations_submit(request, produce_back);
    return true;
}

LINK_INLINE bool produce_start_again(struct connection *connection, struct bytes frame)
{
    const struct produce_before *before = &connection->before;
    struct produce_one_request one = {.acks = before->acks, .topic_id = before->topic_id};
    if (UNLIKELY(!produce_one_head_begins(&before->head, frame) ||
                 !produce_one_rest_decode(&before->head, frame, &one))) {
        return false;
    }
    struct request *request = request_create(connection);
    if (UNLIKELY(request == NULL)) {
        return false;
    }
    stream_take_whole(connection, frame.len, request);
    dispatch_enter_again(request);
    const uint8_t *topic_end = frame.ptr + before->head.bytes;
    const struct bytes name = {topic_end - before->name_bytes, before->name_bytes};
    one_start(request, &one, body_view(request, name), connection->produced, ERROR_NONE);
    deadline_set(request, before->timeout_ns);
    operation_submit_one(request, produce_back);
    return true;
}

/* Answers those of the connection whose time is over. */
static uint32_t connection_time_out(struct connection *connection)
{
    const uint64_t now_ns = connection->broker->now_ns;
    uint32_t done = 0;
    bool more = false;
    LIST_FOR_EACH(node, &connection->requests)
    {
        struct request *request = CONTAINER_OF(node, struct request, node);
        if (!request->timed || request->state != REQUEST_RUNNING) {
            continue;
        }
        if (now_ns < request->deadline_ns) {
            more = true;
            continue;
        }
        request_done(request, produce_build);
        produce_through(connection);
        done++;
    }
    if (!more) {
        list_remove(&connection->produce_node);
    }
    return done;
}

uint32_t produce_timer_turn(struct broker *broker)
{
    uint32_t done = 0;
    if (broker->now_ns < produce_deadline_ns(broker)) {
        return 0;
    }
    broker->produce_checked_ns = broker->now_ns;
    LIST_FOR_EACH(node, &broker->producing)
    {
        done += connection_time_out(CONTAINER_OF(node, struct connection, produce_node));
    }
    return done;
}

uint64_t produce_deadline_ns(const struct broker *broker)
{
    return list_empty(&broker->producing) ? UINT64_MAX
                                          : broker->produce_checked_ns + ns_of_ms(PRODUCE_CHECK_MS);
}
