#include "dataplane/broker/request.h"

#include "dataplane/broker/connection.h"
#include "dataplane/broker/dispatch.h"
#include "dataplane/broker/fetch.h"
#include "dataplane/broker/log_dirs.h"
#include "dataplane/broker/operation.h"
#include "dataplane/broker/prefetch.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/slow.h"
#include "dataplane/broker/stream.h"
#include "dataplane/kafka/produce_one.h"

/* In two steps, each of them short enough to be stores instead of a call. */
static inline void request_clear(struct request *request)
{
    enum {
        FROM = offsetof(struct request, row),
        BYTES = offsetof(struct request, pieces) - FROM,
        HALF_BYTES = BYTES / 2,
    };
    uint8_t *from = (uint8_t *)request + FROM;
    memset(from, 0, HALF_BYTES);
    memset(from + HALF_BYTES, 0, BYTES - HALF_BYTES);
}

struct request *request_create(struct connection *connection)
{
    struct broker *broker = connection->broker;
    struct request *request = stock_take(&broker->requests);
    if (request == NULL) {
        return NULL;
    }
    prefetch_created(stock_first(&broker->requests)); /* The next one, used long ago. */
    request_clear(request);
    request->node = (struct list_node){0};
    request->connection = connection;
    request->broker = broker;
    request->operations_end = &request->operations;
    request->arrived_ns = broker->now_ns;
    list_push_back(&connection->requests, &request->node);
    connection->request_count++;
    return request;
}

/* Out of the order of its connection. */
static void request_unlink(struct request *request)
{
    struct connection *connection = request->connection;
    list_remove(&request->node);
    connection->request_count--;
    connection->overlap_count -= request->overlaps;
}

/* Gives back what the answer was made of. */
static inline void request_release_sources(struct broker *broker, struct request *request)
{
    if (request->pending > 0) {
        return; /* Answered by its timeout: operations and their batches are still out. */
    }
    while (request->operations != NULL) {
        struct operation *operation = request->operations;
        request->operations = operation->next;
        operation_free(broker, operation);
    }
    request_release_frame(broker, request);
    if (broker->sizes_for == request) {
        sizes_finish(broker);
    }
}

static NOINLINE void request_free_all(struct broker *broker, struct request *request)
{
    if (request->pending > 0) { /* Answered by its timeout. */
        request->connection = NULL;
        request->state = REQUEST_LINGERING;
        return;
    }
    if (request->state != REQUEST_SENT) { /* Else they went when its answer was built. */
        request_release_sources(broker, request);
    }
    if (request->fetch != NULL || request->legs != NULL) {
        fetch_end(request);
    }
    if (request->output != NULL) {
        region_give(&broker->output, request->output, request->output_bytes);
    }
    if (request->parts_memory != NULL) {
        region_give(&broker->output, request->parts_memory, request->parts_memory_bytes);
    }
    if (request->legs != NULL) {
        request->state = REQUEST_RELEASING; /* The owners give the extents back first. */
        return;
    }
    stock_give(&broker->requests, request);
}

/* Mostly it was sent and holds nothing any more. */
static inline void request_free(struct broker *broker, struct request *request)
{
    if (LIKELY(request->state == REQUEST_SENT && request->pending == 0 && request->fetch == NULL &&
               request->legs == NULL && request->output == NULL && request->parts_memory == NULL)) {
        stock_give(&broker->requests, request);
    } else {
        request_free_all(broker, request);
    }
}

void request_legs_gone(struct request *request)
{
    ASSERT(request->legs == NULL);
    if (request->state == REQUEST_RELEASING) {
        stock_give(&request->broker->requests, request);
    }
}

void request_cancel(struct request *request)
{
    request_unlink(request);
    request_free(request->broker, request);
}

void request_stop_waiting(struct request *request)
{
    if (list_linked(&request->wait_node)) {
        list_remove(&request->wait_node);
    }
    if (list_linked(&request->slow_node)) {
        list_remove(&request->slow_node);
    }
}

static inline void done(struct request *request)
{
    ASSERT(request->state == REQUEST_RUNNING);
    ASSERT(request_wanted(request));
    request->state = REQUEST_DONE;
    request->done_ns = request->broker->now_ns;
    connection_send_later(request->connection);
}

void request_done(struct request *request, request_build *build)
{
    request_stop_waiting(request);
    request->build = build;
    done(request);
}

LINK_INLINE void request_done_plain(struct request *request)
{
    ASSERT_HOT(!list_linked(&request->wait_node) && !list_linked(&request->slow_node));
    request->plain = true;
    done(request);
}

bool request_returned_late(struct request *request)
{
    if (!request_wanted(request)) {
        request_free(request->broker, request);
        return false;
    }
    if (request->state != REQUEST_RUNNING && request->state != REQUEST_DONE) {
        request_release_sources(request->broker, request); /* Built before they came back. */
    }
    return true;
}

/* ---- Building ------------------------------------------------------------------------------- */

static uint32_t parts_needed(const struct broker *broker, uint32_t splice_count)
{
    uint32_t parts = splice_count + 1;
    for (uint32_t i = 0; i < splice_count; i++) {
        const struct log_read *read = &broker->splice_reads[i]->read;
        const bool torn = read->batch_bytes > read->bytes;
        parts += torn ? READ_EXTENTS_MAX + 1 : read->extent_count; /* For any that follow. */
    }
    return parts;
}

/* Memory for the head's bytes and for the parts; false when there is none now. */
static bool answer_reserve(struct broker *broker, struct request *request, uint32_t head_bytes,
                           uint32_t part_count)
{
    request->parts = request->parts_inline;
    request->parts_memory_bytes = 0;
    request->output_bytes = 0;
    if (part_count > REQUEST_PARTS_INLINE) {
        request->parts_memory_bytes = part_count * (uint32_t)sizeof(request->parts[0]);
        request->parts_memory = region_take(&broker->output, request->parts_memory_bytes);
        if (request->parts_memory == NULL) {
            return false;
        }
        request->parts = (struct send_part *)(void *)request->parts_memory;
    }
    if (head_bytes > RESPONSE_SMALL_BYTES) {
        request->output_bytes = head_bytes;
        request->output = region_take(&broker->output, head_bytes);
        if (request->output == NULL && request->parts_memory != NULL) {
            region_give(&broker->output, request->parts_memory, request->parts_memory_bytes);
            request->parts_memory = NULL;
        }
        return request->output != NULL;
    }
    return true;
}

/* False when the answer found no room and would find none now: it is not built for nothing. */
static bool room_may_be(struct broker *broker, struct request *request)
{
    struct region *output = &broker->output;
    if (!request->starved) {
        return true;
    }
    if (output->gives == request->starved_gives) {
        return false;
    }
    request->starved_gives = output->gives;
    return region_fits(output, request->output_bytes) &&
           region_fits(output, request->parts_memory_bytes);
}

static void part_add(struct request *request, const uint8_t *ptr, uint32_t len)
{
    if (len > 0) {
        request->parts[request->part_count++] = (struct send_part){{ptr, len}};
    }
}

static void parts_add_extents(struct request *request, const struct log_read *read)
{
    for (uint32_t i = 0; i < read->extent_count; i++) {
        part_add(request, read->extents[i].bytes.ptr, read->extents[i].bytes.len);
    }
}

/* Cuts the answer into parts: the head's bytes around the extents of each splice. */
static void answer_cut(struct broker *broker, struct request *request, const struct writer *writer)
{
    const uint32_t head_bytes = writer_used(writer);
    uint8_t *head = request->output != NULL ? request->output : request->small;
    memcpy(head, broker->build, head_bytes);
    uint32_t at = 0;
    for (uint32_t i = 0; i < writer->splice_count; i++) {
        const struct log_read *read = &broker->splice_reads[i]->read;
        part_add(request, head + at, broker->splices[i].offset - at);
        at = broker->splices[i].offset;
        parts_add_extents(request, read);
        if (read->batch_bytes > read->bytes) {
            ASSERT(i + 1 == writer->splice_count);
            request->torn = broker->splice_reads[i];
            request->torn_end = (struct bytes){head + at, head_bytes - at};
            return;
        }
    }
    part_add(request, head + at, head_bytes - at);
}

void request_more(struct request *request, const struct fetch_read *read)
{
    if (read->read.bytes == 0) {
        count(&request->broker->counters->fetch_reads_short);
        connection_finish(request->connection);
        connection_abort(request->connection);
        return;
    }
    request->part_count = 0;
    request->parts_sent = 0;
    parts_add_extents(request, &read->read);
    if (read->read.skip + read->read.bytes == read->read.batch_bytes) {
        part_add(request, request->torn_end.ptr, request->torn_end.len);
        request->torn = NULL;
    }
    connection_send_later(request->connection);
}

enum construct_status {
    CONSTRUCT_OK,
    CONSTRUCT_NO_MEMORY,
    CONSTRUCT_IMPOSSIBLE,
};

void request_errors_count(const struct request *request, uint32_t errors)
{
    struct broker *broker = request->broker;
    if (errors > 0) {
        count(&broker->statistics->errors_by_api[dispatch_index(request->row)]);
    }
    if (request->row->key == API_FETCH) {
        counter_add(&broker->counters->fetch_errors, errors);
    }
}

static inline void answer_count(struct broker *broker, struct connection *connection,
                                uint64_t bytes)
{
    connection->unsent_bytes += bytes;
    count(&broker->counters->responses);
    counter_add(&broker->counters->response_bytes, bytes);
}

/* That of a plain produce: nothing but its frame goes back. */
static inline void plain_built(struct request *request, uint32_t bytes)
{
    struct broker *broker = request->broker;
    answer_count(broker, request->connection, bytes);
    if (LIKELY(request->piece_count == 1)) {
        request->piece_count = 0;
        piece_release(broker, request->pieces[0]);
    } else {
        request_release_frame(broker, request);
    }
}

static void answer_built(struct request *request, uint64_t bytes, uint32_t errors)
{
    struct broker *broker = request->broker;
    request_errors_count(request, errors);
    answer_count(broker, request->connection, bytes);
    request->state = REQUEST_BUILT;
    if (request->fetch != NULL) {
        fetch_built(request);
    }
    request_release_sources(broker, request);
}

void request_more_of_control(struct request *request)
{
    request->part_count = 0;
    request->parts_sent = 0;
    part_add(request, request->slow_answer + RESPONSE_HEAD_BYTES, request->slow_body_got);
    connection_send_later(request->connection);
}

/* Control's answer needs a head only, and is sent from where it lies: what waits here needs no more
 * memory than it has. */
static void answer_of_control(struct request *request)
{
    uint8_t head[RESPONSE_HEAD_BYTES];
    struct writer writer;
    writer_init(&writer, head, sizeof(head));
    response_begin(&writer, request->api, request->version, request->correlation_id);
    const uint32_t head_bytes = writer_used(&writer);
    uint8_t *at = request->slow_answer + RESPONSE_HEAD_BYTES - head_bytes;
    const uint32_t bytes = head_bytes + request->slow_body_got;
    const uint32_t all_bytes = bytes + request->slow_more_bytes;
    memcpy(at, head, head_bytes);
    store_be32(at, all_bytes - FRAME_PREFIX_BYTES);
    request->parts = request->parts_inline;
    part_add(request, at, bytes);
    answer_built(request, all_bytes, request->slow_errors);
}

/* Where it is sent from. */
static inline void construct_plain(struct request *request)
{
    const uint32_t bytes = produce_build_plain(request, request->small);
    request->parts = request->parts_inline;
    part_add(request, request->small, bytes);
    plain_built(request, bytes);
    request->plain = false;
    request->operations = NULL;
    request->state = REQUEST_BUILT;
}

/* Answers of produce are nearly always small: they are built where they are sent from. False: this
 * one does not fit there. */
static bool construct_small(struct request *request)
{
    struct broker *broker = request->broker;
    struct writer writer;
    if (request->row->key != API_PRODUCE) {
        return false;
    }
    request->parts = request->parts_inline;
    scratch_reset(&broker->scratch);
    writer_init(&writer, request->small, RESPONSE_SMALL_BYTES);
    response_begin(&writer, request->api, request->version, request->correlation_id);
    request->build(broker, request, &writer);
    if (frame_end(&writer) != CODEC_OK) {
        return false;
    }
    part_add(request, request->small, writer_used(&writer));
    answer_built(request, writer_used(&writer), writer.errors);
    return true;
}

static NOINLINE enum construct_status request_construct(struct request *request)
{
    struct broker *broker = request->broker;
    struct writer writer;
    if (request->build == NULL) {
        answer_of_control(request);
        return CONSTRUCT_OK;
    }
    if (construct_small(request)) {
        return CONSTRUCT_OK;
    }
    if (!room_may_be(broker, request)) {
        return CONSTRUCT_NO_MEMORY;
    }
    scratch_reset(&broker->scratch);
    writer_init(&writer, broker->build, broker->limits.response_bytes);
    writer_use_splices(&writer, broker->splices, broker->splices_max);
    broker->splice_count = 0;
    response_begin(&writer, request->api, request->version, request->correlation_id);
    request->build(broker, request, &writer);
    const enum codec_status status = frame_end(&writer);
    ASSERT_HOT(status != CODEC_UNREPRESENTABLE);
    ASSERT(writer.splice_count == broker->splice_count);
    if (status != CODEC_OK || writer_used(&writer) > broker->limits.output_bytes / 2) {
        count(&broker->counters->responses_too_large);
        return CONSTRUCT_IMPOSSIBLE;
    }
    if (!answer_reserve(broker, request, writer_used(&writer),
                        parts_needed(broker, writer.splice_count))) {
        count(&broker->counters->output_waited);
        request->starved = true;
        request->starved_gives = broker->output.gives;
        return CONSTRUCT_NO_MEMORY;
    }
    answer_cut(broker, request, &writer);
    answer_built(request, writer_bytes(&writer), writer.errors);
    return CONSTRUCT_OK;
}

/* ---- Sending -------------------------------------------------------------------------------- */

enum { TOKEN_COUNT_BITS = 16 };

struct send_batch {
    struct send_part parts[SEND_PARTS_MAX];
    uint32_t part_count;
    uint32_t completes; /* So many requests, */
    uint32_t joined;    /* and those whose answers were joined to theirs. */
    uint64_t bytes;
    struct request
        *last; /* The last part is all of its answer, in its own memory; NULL: it is not. */
    bool impossible;
    bool no_memory;
};

/* The less output memory is left, the less may wait for one reader: those that do not read never
 * get all of it. Where something waits, its on_sent brings us back. */
static bool output_share_used(const struct connection *connection)
{
    const struct region *output = &connection->broker->output;
    const uint64_t left = (uint64_t)output->units_left * output->unit_bytes;
    return connection->unsent_bytes > 0 && connection->unsent_bytes >= left / OUTPUT_SHARE;
}

/* More of the answer follows when the parts at hand are sent. */
static bool answer_goes_on(const struct request *request)
{
    return request->torn != NULL || request->slow_more_bytes > 0;
}

/* Mostly both came and were done in the same turns. */
static inline void joined_note(struct request *last, const struct request *request)
{
    if (LIKELY(request->arrived_ns == last->arrived_ns && request->done_ns == last->done_ns)) {
        last->joined_alike++;
        return;
    }
    ASSERT_HOT(last->joined_count < ANSWERS_JOINED_MAX);
    last->joined[last->joined_count++] =
        (struct answer_times){request->arrived_ns, request->done_ns, 1};
}

/* Builds a plain answer behind the one before it, where there is room: one part less to be sent,
 * and its request is over. */
static inline bool answer_join(struct send_batch *batch, struct request *request)
{
    struct request *last = batch->last;
    if (last == NULL) {
        return false;
    }
    struct send_part *part = &last->parts[0];
    if (part->bytes.len > RESPONSE_SMALL_BYTES - PRODUCE_ONE_ANSWER_BYTES_MAX) {
        return false;
    }
    const uint32_t bytes = produce_build_plain(request, last->small + part->bytes.len);
    part->bytes.len += bytes;
    batch->parts[batch->part_count - 1].bytes.len += bytes;
    batch->bytes += bytes;
    joined_note(last, request);
    plain_built(request, bytes);
    request_unlink(request);
    stock_give(&request->broker->requests, request);
    return true;
}

/* The next answer may be built behind this one's, which was just collected. */
static inline void batch_note_last(struct send_batch *batch, struct request *request)
{
    const bool alone = request->part_count == 1 && request->parts_sent == 0;
    batch->last = alone && request->parts[0].bytes.ptr == request->small ? request : NULL;
}

static bool batch_construct(struct send_batch *batch, struct request *request)
{
    const enum construct_status status = request_construct(request);
    batch->impossible = status == CONSTRUCT_IMPOSSIBLE;
    batch->no_memory = status == CONSTRUCT_NO_MEMORY;
    return status == CONSTRUCT_OK;
}

/* Collects parts of answers in order, building those that are first in line. */
static void batch_gather(struct connection *connection, struct send_batch *batch)
{
    batch->part_count = 0;
    batch->completes = 0;
    batch->joined = 0;
    batch->bytes = 0;
    batch->last = NULL;
    batch->impossible = false;
    batch->no_memory = false;
    LIST_FOR_EACH(node, &connection->requests)
    {
        struct request *request = CONTAINER_OF(node, struct request, node);
        prefetch_answered(node->next);
        if (LIKELY(request->plain) && answer_join(batch, request)) {
            batch->joined++;
            continue;
        }
        if (request->state == REQUEST_RUNNING || request->close_after) {
            return;
        }
        if (request->no_answer) {
            continue;
        }
        if (request->state == REQUEST_DONE) {
            /* What DescribeLogDirs gathered is there once: others wait for it. */
            if (output_share_used(connection) && connection->broker->sizes_for != request) {
                return;
            }
            if (LIKELY(request->plain)) {
                construct_plain(request);
            } else if (!batch_construct(batch, request)) {
                return;
            }
        }
        for (uint32_t i = request->parts_sent; i < request->part_count; i++) {
            if (batch->part_count == SEND_PARTS_MAX) {
                return;
            }
            batch->parts[batch->part_count++] = request->parts[i];
            batch->bytes += request->parts[i].bytes.len;
        }
        if (answer_goes_on(request)) {
            return;
        }
        batch_note_last(batch, request);
        batch->completes++;
    }
}

/* The first request in line is over without an answer, or fully handed over. */
static void request_leaves(struct request *request)
{
    struct connection *connection = request->connection;
    request_unlink(request);
    if (request->no_answer) {
        request_free(request->broker, request);
        return;
    }
    request->state = REQUEST_SENT;
    list_push_back(&connection->sending, &request->node);
}

static NOINLINE void front_drop(struct connection *connection)
{
    struct list_node *node;
    while ((node = list_first(&connection->requests)) != NULL) {
        struct request *request = CONTAINER_OF(node, struct request, node);
        if (request->state != REQUEST_DONE || !request->no_answer || request->close_after) {
            return;
        }
        request_leaves(request);
        connection_wake_waiting(connection);
    }
}

static struct request *front(const struct connection *connection)
{
    struct list_node *node = list_first(&connection->requests);
    return node == NULL ? NULL : CONTAINER_OF(node, struct request, node);
}

/* Drops requests without an answer from the front. Returns what is there then, or NULL. */
HOT_INLINE struct request *front_clean(struct connection *connection)
{
    struct request *first = front(connection);
    if (first == NULL || LIKELY(!first->no_answer)) {
        return first;
    }
    front_drop(connection);
    return front(connection);
}

/* The front of the line was handed over: so many parts. */
static uint32_t batch_commit(struct connection *connection, uint32_t part_count)
{
    uint32_t completed = 0;
    while (part_count > 0) {
        struct request *request = front_clean(connection);
        const uint32_t take = min_u32(part_count, request->part_count - request->parts_sent);
        request->parts_sent += take;
        part_count -= take;
        if (request->parts_sent == request->part_count && !answer_goes_on(request)) {
            request_leaves(request);
            completed++;
        }
    }
    return completed;
}

/* From now on the peer owes a read, and is judged. */
static void send_owed(struct connection *connection)
{
    struct broker *broker = connection->broker;
    connection->send_moved_ns = connection->send_looked_ns = broker->now_ns;
    connection->send_paced_ns = broker->now_ns;
    connection->paced_bytes = connection->acknowledged_bytes; /* As last looked at: not more. */
    list_push_back(&broker->owed, &connection->owed_node);
}

static bool batch_send(struct connection *connection, const struct send_batch *batch)
{
    const struct transport_ops *ops = connection->transport->transport->ops;
    const uint64_t token = batch->bytes << TOKEN_COUNT_BITS | batch->completes;
    if (!ops->send(connection->transport, batch->parts, batch->part_count, token)) {
        return false;
    }
    if (connection->sends_out++ == 0) {
        send_owed(connection);
    }
    return true;
}

/* Closes when told to and nothing is left to answer. */
static void connection_close_if_over(struct connection *connection)
{
    struct list_node *first = list_first(&connection->requests);
    const bool failed = first != NULL && CONTAINER_OF(first, struct request, node)->close_after;
    if (connection->close_told ||
        !(failed || (connection->phase == PHASE_CLOSING && first == NULL))) {
        return;
    }
    if (failed) {
        count(&connection->broker->counters->connections_acks0_closed);
    }
    connection->phase = PHASE_CLOSING;
    connection->close_told = true;
    connection->transport->transport->ops->close(connection->transport);
}

uint32_t connection_send(struct connection *connection)
{
    struct send_batch batch;
    uint32_t completed = 0;
    if (connection->close_told) {
        return 0;
    }
    do {
        (void)front_clean(connection);
        batch_gather(connection, &batch);
        if (batch.part_count > 0) {
            if (!batch_send(connection, &batch)) {
                return completed; /* An on_sent brings us back. */
            }
            const uint32_t over = batch_commit(connection, batch.part_count) + batch.joined;
            if (over > 0) {
                connection_wake_waiting(connection);
            }
            completed += over;
        }
        if (batch.impossible) {
            connection_finish(connection);
            connection_abort(connection);
            return completed;
        }
    } while (batch.part_count == SEND_PARTS_MAX);
    (void)front_clean(connection);
    if (batch.no_memory && !list_linked(&connection->send_node)) {
        list_push_back(&connection->broker->output_waiting, &connection->send_node);
    }
    connection_close_if_over(connection);
    return completed;
}

static inline void times_note(struct broker *broker, int16_t key, struct answer_times times)
{
    const uint64_t took_ns = broker->now_ns - times.arrived_ns;
    stage_record(broker, STAGE_RESPOND, broker->now_ns - times.done_ns, times.answers);
    if (key == API_PRODUCE) {
        histogram_run_add(&broker->produce_run, &broker->statistics->produce_ns, took_ns,
                          times.answers);
    } else if (key == API_FETCH) {
        histogram_run_add(&broker->fetch_run, &broker->statistics->fetch_ns, took_ns,
                          times.answers);
    }
}

static void request_sent(struct connection *connection, struct request *request)
{
    struct broker *broker = connection->broker;
    times_note(
        broker, request->row->key,
        (struct answer_times){request->arrived_ns, request->done_ns, 1 + request->joined_alike});
    for (uint32_t i = 0; i < request->joined_count; i++) {
        times_note(broker, API_PRODUCE, request->joined[i]);
    }
    request->connection = NULL;
    request_free(broker, request);
}

/* The answer of the first in line goes on, and all that is here of it is sent. */
static void torn_go_on(struct connection *connection)
{
    struct list_node *node = list_first(&connection->requests);
    if (node == NULL || connection->sends_out > 0 || connection->close_told) {
        return;
    }
    struct request *request = CONTAINER_OF(node, struct request, node);
    if (request->state != REQUEST_BUILT || request->parts_sent < request->part_count ||
        request->pending > 0) {
        return;
    }
    if (request->torn != NULL) {
        fetch_more(request);
    } else if (request->slow_more_bytes > 0) {
        slow_more(request);
    }
}

void requests_sent(struct connection *connection, uint64_t token)
{
    const uint64_t bytes = token >> TOKEN_COUNT_BITS;
    ASSERT(connection->sends_out > 0 && connection->unsent_bytes >= bytes);
    connection->unsent_bytes -= bytes;
    connection->send_moved_ns = connection->broker->now_ns;
    if (--connection->sends_out == 0 && list_linked(&connection->owed_node)) {
        list_remove(&connection->owed_node);
    }
    for (uint32_t left = token & ((1u << TOKEN_COUNT_BITS) - 1); left > 0; left--) {
        struct list_node *node = list_pop_front(&connection->sending);
        request_sent(connection, CONTAINER_OF(node, struct request, node));
    }
    torn_go_on(connection);
}

void requests_orphan(struct connection *connection)
{
    ASSERT(list_empty(&connection->sending)); /* The transport has returned all sends. */
    LIST_FOR_EACH(node, &connection->requests)
    {
        struct request *request = CONTAINER_OF(node, struct request, node);
        const bool running = request->state == REQUEST_RUNNING;
        request_unlink(request);
        request->connection = NULL;
        request_stop_waiting(request);
        request->pending++; /* Ours: what comes back now does not free it under our hands. */
        if (running) {
            fetch_unpark(request);
        }
        slow_abandon(request);
        (void)request_returned(request);
    }
}
