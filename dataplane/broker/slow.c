#include "dataplane/broker/slow.h"

#include "dataplane/broker/call.h"
#include "dataplane/broker/connection.h"
#include "dataplane/broker/dispatch.h"
#include "dataplane/broker/handlers.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/producer_ids.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/stream.h"

/* ---- Answers -------------------------------------------------------------------------------- */

static void slow_error_answer(struct broker *broker, struct request *request, struct writer *writer)
{
    (void)broker;
    request->row->slow_error(request, request->error, writer);
}

/* Part of the answer is with the client, and there is no rest. */
static void slow_cut_off(struct request *request)
{
    request_stop_waiting(request);
    count(&request->broker->counters->slow_cut_off);
    connection_finish(request->connection);
    connection_abort(request->connection);
}

static void slow_fail(struct request *request, int16_t error)
{
    struct broker *broker = request->broker;
    if (request->ask.len > 0) {
        request_stop_waiting(request);
        produce_asked(request, error, (struct bytes){0});
        return;
    }
    if (request->state != REQUEST_RUNNING) {
        slow_cut_off(request);
        return;
    }
    if (request->output != NULL) { /* Of a piece of an answer. */
        region_give(&broker->output, request->output, request->output_bytes);
        request->output = NULL;
    }
    request->error = error;
    request_done(request, slow_error_answer);
}

static void slow_fail_away(struct request *request, uint64_t *counter)
{
    count(counter);
    slow_fail(request, request->ask.len > 0 ? (int16_t)ERROR_COORDINATOR_NOT_AVAILABLE
                                            : request->row->away_error);
}

/* ---- To control ----------------------------------------------------------------------------- */

static struct slow_header header_of(const struct request *request)
{
    const struct connection *connection = request->connection;
    struct slow_header header;
    memset(&header, 0, sizeof(header));
    header.api_key = request->row->key;
    header.api_version = request->version;
    if (request->ask.len > 0) {
        header.api_key = API_ADD_PARTITIONS_TO_TXN;
        header.api_version = PRODUCE_ASK_VERSION;
    }
    header.correlation_id = request->correlation_id;
    header.listener = connection->listener;
    header.connection = connection->handle;
    header.request_number = request->number;
    header.peer = connection->peer;
    header.local = connection->local;
    header.principal_len = (uint16_t)min_u32(connection->principal.len, SLOW_PRINCIPAL_BYTES_MAX);
    memcpy(header.principal, connection->principal.ptr, header.principal_len);
    header.client_id_len = (uint16_t)min_u32(request->client_id.len, SLOW_CLIENT_ID_BYTES_MAX);
    chain_copy(request->client_id, header.client_id, header.client_id_len);
    return header;
}

/* Numbers follow each other, so each of these lists has its share. */
static struct list *slow_numbers(struct broker *broker, uint64_t number)
{
    return &broker->slow_numbers[number % SLOW_NUMBERS];
}

/* True when the channel took it, or it is answered. */
static bool slow_send(struct broker *broker, struct request *request)
{
    struct slow_channel *channel = broker->setup.channel;
    if (!channel_connected(channel)) {
        slow_fail_away(request, &broker->counters->slow_refused);
        return true;
    }
    const bool more = request->state != REQUEST_RUNNING;
    if (!more) {
        request->number = ++broker->slow_number;
        request->slow_session = channel_session(channel);
    }
    struct slow_header header = header_of(request);
    header.kind = more ? SLOW_MORE : SLOW_REQUEST;
    const struct chain body = request->ask.len > 0 ? chain_of(&request->ask) : request->body;
    if (!channel_send(channel, &header, more ? CHAIN_EMPTY : body)) {
        return false;
    }
    if (!more) {
        count(&broker->counters->slow_requests);
    }
    request_stop_waiting(request);
    list_push_back(request->row->waits ? &broker->slow_long : &broker->slow_sent,
                   &request->wait_node);
    list_push_back(slow_numbers(broker, request->number), &request->slow_node);
    return true;
}

void slow_ask(struct broker *broker, struct request *request)
{
    request->deadline_ns = broker->now_ns + ns_of_ms(SLOW_ANSWER_MS_MAX);
    if (!list_empty(&broker->slow_waiting) || !slow_send(broker, request)) {
        list_push_back(&broker->slow_waiting, &request->wait_node);
    }
}

bool slow_start(struct broker *broker, struct request *request)
{
    request->ask = (struct bytes){0};
    request->slow_answer = NULL;
    request->slow_body_got = 0;
    if (request->body.len > SLOW_REQUEST_BYTES_MAX) {
        slow_fail(request, ERROR_POLICY_VIOLATION);
        return true;
    }
    request_detach_frame(broker, request); /* It may take long; receive buffers are scarce. */
    slow_ask(broker, request);
    return true;
}

void slow_more(struct request *request)
{
    struct broker *broker = request->broker;
    if (request->slow_session != channel_session(broker->setup.channel)) {
        slow_cut_off(request);
        return;
    }
    if (!list_linked(&request->wait_node)) {
        request->slow_body_got = 0;
        slow_ask(broker, request);
    }
}

/* Nobody will ask for the rest of that answer. Without room in the ring control finds out itself.
 */
static void slow_drop(struct broker *broker, const struct slow_header *answer)
{
    struct slow_header header = *answer;
    header.kind = SLOW_DROPPED;
    header.error_code = ERROR_NONE;
    const bool told = channel_send(broker->setup.channel, &header, CHAIN_EMPTY);
    (void)told;
}

void slow_abandon(struct request *request)
{
    struct broker *broker = request->broker;
    if (request->slow_more_bytes > 0 &&
        request->slow_session == channel_session(broker->setup.channel)) {
        const struct slow_header header = {.request_number = request->number};
        slow_drop(broker, &header);
    }
    request->number = 0;
}

static uint32_t slow_send_waiting(struct broker *broker, uint32_t budget)
{
    uint32_t done = 0;
    LIST_FOR_EACH(node, &broker->slow_waiting)
    {
        if (done == budget || !slow_send(broker, CONTAINER_OF(node, struct request, wait_node))) {
            break;
        }
        done++;
    }
    return done;
}

/* ---- From control --------------------------------------------------------------------------- */

/* The request that the message answers, or NULL when it no longer waits (H19). */
static struct request *slow_find(struct broker *broker, const struct slow_header *header)
{
    LIST_FOR_EACH(node, slow_numbers(broker, header->request_number))
    {
        struct request *request = CONTAINER_OF(node, struct request, slow_node);
        if (request->number == header->request_number) {
            const struct connection_handle *handle = &request->connection->handle;
            return handle->slot == header->connection.slot &&
                           handle->generation == header->connection.generation
                       ? request
                       : NULL;
        }
    }
    return NULL;
}

enum take_status {
    TAKE_DONE,
    TAKE_NO_MEMORY,
};

/* A place for the whole answer, which is sent from there. What is small always has one. */
static bool reply_place(struct broker *broker, struct request *request, uint32_t body_bytes)
{
    const uint32_t bytes = RESPONSE_HEAD_BYTES + body_bytes;
    if (request->output != NULL) { /* Of what it has asked. */
        region_give(&broker->output, request->output, request->output_bytes);
        request->output = NULL;
    }
    if (bytes <= RESPONSE_SMALL_BYTES) {
        request->slow_answer = request->small;
        return true;
    }
    request->output = region_take(&broker->output, bytes);
    request->output_bytes = bytes;
    request->slow_answer = request->output;
    return request->output != NULL;
}

/* There is no place for it. All other answers lie behind this one in the ring: they wait a little,
 * and not again before there was memory. Control has done what was asked; the client is told to ask
 * again. */
static enum take_status reply_starves(struct broker *broker, struct request *request)
{
    if (broker->slow_starved_ns == 0) {
        broker->slow_starved_ns = broker->now_ns;
        count(&broker->counters->output_waited);
    }
    broker->slow_wanted_ns = broker->now_ns;
    if (broker->now_ns - broker->slow_starved_ns < ns_of_ms(SLOW_STARVED_MS_MAX)) {
        return TAKE_NO_MEMORY;
    }
    slow_fail_away(request, &broker->counters->slow_starved);
    return TAKE_DONE;
}

/* A piece of an answer is whole. */
static void reply_whole(struct request *request, const struct slow_header *header)
{
    const bool first = request->state == REQUEST_RUNNING;
    if (request->ask.len > 0) {
        request_stop_waiting(request);
        produce_asked(
            request, ERROR_NONE,
            (struct bytes){request->slow_answer + RESPONSE_HEAD_BYTES, request->slow_body_got});
        return;
    }
    request->slow_more_bytes = header->more_bytes;
    request->slow_errors = header->error_count;
    if (first) {
        request_done(request, NULL);
    } else {
        request_stop_waiting(request);
        request_more_of_control(request);
    }
}

/* True when the fragment is what may come next for the request. */
static bool reply_valid(const struct broker *broker, const struct request *request,
                        const struct slow_fragment *fragment)
{
    const uint64_t len = fragment->total_len;
    const uint64_t bytes = len + fragment->header.more_bytes;
    const bool first = request->state == REQUEST_RUNNING;
    return (first ? bytes <= SLOW_REPLY_BYTES_MAX
                  : bytes == request->slow_more_bytes && len > 0 &&
                        len + RESPONSE_HEAD_BYTES <= request->output_bytes) &&
           len <= min_u64(SLOW_PIECE_BYTES_MAX, broker->limits.output_bytes / 2) &&
           fragment->offset == request->slow_body_got &&
           fragment->payload.len <= len - fragment->offset;
}

/* Adds a fragment of an answer. */
static enum take_status reply_take(struct broker *broker, struct request *request,
                                   const struct slow_fragment *fragment)
{
    if (!reply_valid(broker, request, fragment)) {
        slow_fail(request, ERROR_UNKNOWN_SERVER_ERROR);
        return TAKE_DONE;
    }
    if (request->slow_answer == NULL) {
        if (!reply_place(broker, request, fragment->total_len)) {
            return reply_starves(broker, request);
        }
        broker->slow_starved_ns = 0;
    }
    if (fragment->payload.len > 0) {
        memcpy(request->slow_answer + RESPONSE_HEAD_BYTES + fragment->offset, fragment->payload.ptr,
               fragment->payload.len);
        request->slow_body_got += fragment->payload.len;
    }
    if (fragment->last && request->slow_body_got == fragment->total_len) {
        reply_whole(request, &fragment->header);
    } else if (fragment->last) {
        slow_fail(request, ERROR_UNKNOWN_SERVER_ERROR);
    }
    return TAKE_DONE;
}

static enum take_status fragment_take(struct broker *broker, const struct slow_fragment *fragment)
{
    const struct slow_header *header = &fragment->header;
    if (header->kind == SLOW_PRODUCER_IDS) {
        if (header->producer_id_first >= 0 && header->producer_id_count > 0) {
            producer_ids_granted(broker, header->producer_id_first, header->producer_id_count);
        }
        return TAKE_DONE;
    }
    if (header->kind == SLOW_APPEND || header->kind == SLOW_READ) {
        return call_take(broker, fragment) ? TAKE_DONE : TAKE_NO_MEMORY;
    }
    if (header->kind == SLOW_ALIVE) {
        return TAKE_DONE;
    }
    struct request *request = slow_find(broker, header);
    if (request == NULL || request->slow_session != channel_session(broker->setup.channel)) {
        count(&broker->counters->slow_stale);
        if (header->kind == SLOW_REPLY && header->more_bytes > 0 && fragment->last) {
            slow_drop(broker, header);
        }
        return TAKE_DONE;
    }
    if (header->kind == SLOW_ERROR) {
        slow_fail(request, header->error_code);
        return TAKE_DONE;
    }
    if (header->kind != SLOW_REPLY) {
        count(&broker->counters->slow_stale);
        return TAKE_DONE;
    }
    return reply_take(broker, request, fragment);
}

static uint32_t slow_receive(struct broker *broker, uint32_t budget)
{
    uint32_t done = 0;
    while (done < budget) {
        if (!broker->slow_holds && !channel_receive(broker->setup.channel, &broker->slow_held)) {
            break;
        }
        broker->slow_holds = true;
        broker->slow_heard_ns = broker->now_ns;
        if (fragment_take(broker, &broker->slow_held) == TAKE_NO_MEMORY) {
            break; /* The fragment stays in the ring until there is output memory. */
        }
        broker->slow_holds = false;
        channel_release(broker->setup.channel);
        done++;
    }
    return done;
}

/* ---- Late and away -------------------------------------------------------------------------- */

static uint32_t slow_expire(struct broker *broker, struct list *list)
{
    uint32_t done = 0;
    LIST_FOR_EACH(node, list)
    {
        struct request *request = CONTAINER_OF(node, struct request, wait_node);
        if (broker->now_ns < request->deadline_ns) {
            break; /* All have as long, and those behind it were asked later. */
        }
        slow_fail_away(request, &broker->counters->slow_timeouts);
        done++;
    }
    return done;
}

/* Those that may wait for long wait as long as control is heard of: it says that it is alive. */
static uint32_t slow_expire_long(struct broker *broker)
{
    uint32_t done = 0;
    LIST_FOR_EACH(node, &broker->slow_long)
    {
        struct request *request = CONTAINER_OF(node, struct request, wait_node);
        request->deadline_ns =
            max_u64(request->deadline_ns, broker->slow_heard_ns + ns_of_ms(SLOW_ANSWER_MS_MAX));
        if (broker->now_ns < request->deadline_ns) {
            break; /* So do those behind it. */
        }
        slow_fail_away(request, &broker->counters->slow_timeouts);
        done++;
    }
    return done;
}

/* The session is another one, or gone: what it took will not be answered. */
static void slow_session_changed(struct broker *broker)
{
    broker->producer_ids_asked = false;
    broker->slow_holds = false; /* It lay in the old session's ring. */
    broker->slow_starved_ns = 0;
    calls_session_changed(broker);
    struct list *lists[] = {&broker->slow_sent, &broker->slow_long, &broker->slow_waiting};
    for (uint32_t i = 0; i < ARRAY_SIZE(lists); i++) {
        LIST_FOR_EACH(node, lists[i])
        {
            struct request *request = CONTAINER_OF(node, struct request, wait_node);
            const bool sent =
                lists[i] != &broker->slow_waiting || request->state != REQUEST_RUNNING;
            if (sent && request->slow_session != broker->slow_session) {
                slow_fail_away(request, &broker->counters->slow_timeouts);
            }
        }
    }
}

/* Nothing has come from control, and nothing is asked of it or waits for it. */
static bool slow_rests(const struct broker *broker)
{
    return channel_session(broker->setup.channel) == broker->slow_session &&
           channel_quiet(broker->setup.channel) && !broker->slow_holds &&
           list_empty(&broker->slow_waiting) && list_empty(&broker->slow_sent) &&
           list_empty(&broker->slow_long) && list_empty(&broker->calls_waiting) &&
           broker->spare_id_count > 0;
}

uint32_t slow_turn(struct broker *broker, uint32_t budget)
{
    struct slow_channel *channel = broker->setup.channel;
    if (LIKELY(slow_rests(broker))) {
        return 0;
    }
    channel_turn(channel);
    if (channel_session(channel) != broker->slow_session) {
        broker->slow_session = channel_session(channel);
        slow_session_changed(broker);
    }
    uint32_t done = slow_receive(broker, budget);
    if (!list_empty(&broker->calls_waiting)) {
        done += calls_turn(broker, budget);
    }
    done += slow_send_waiting(broker, budget);
    done += slow_expire(broker, &broker->slow_sent);
    done += slow_expire(broker, &broker->slow_waiting);
    done += slow_expire_long(broker);
    producer_ids_turn(broker);
    return done;
}

uint64_t slow_deadline_ns(const struct broker *broker)
{
    uint64_t deadline = UINT64_MAX;
    struct list_node *sent = list_first(&broker->slow_sent);
    struct list_node *waiting = list_first(&broker->slow_waiting);
    struct list_node *longest = list_first(&broker->slow_long);
    if (longest != NULL) {
        deadline = CONTAINER_OF(longest, struct request, wait_node)->deadline_ns;
    }
    if (sent != NULL) {
        const struct request *request = CONTAINER_OF(sent, struct request, wait_node);
        deadline = min_u64(deadline, request->deadline_ns);
    }
    if (broker->slow_holds && broker->slow_starved_ns != 0) {
        deadline = min_u64(deadline, broker->slow_starved_ns + ns_of_ms(SLOW_STARVED_MS_MAX));
    } else if (broker->slow_holds || !list_empty(&broker->calls_waiting)) {
        deadline = min_u64(deadline, broker->now_ns + ns_of_ms(SLOW_ROOM_POLL_MS));
    }
    if (waiting != NULL) {
        deadline = min_u64(deadline, CONTAINER_OF(waiting, struct request, wait_node)->deadline_ns);
        deadline = min_u64(deadline, broker->now_ns + ns_of_ms(SLOW_ROOM_POLL_MS));
    }
    return deadline;
}
