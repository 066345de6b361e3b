#include "dataplane/broker/connection.h"

#include "dataplane/broker/dispatch.h"
#include "dataplane/broker/fetch.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/stream.h"
#include "dataplane/broker/topics.h"
#include "storage/base/text.h"

/* ---- Limits over all cores ------------------------------------------------------------------ */

static uint32_t address_column(const struct network_address *peer, uint32_t row)
{
    uint64_t halves[2];
    memcpy(halves, peer->ip, sizeof(halves));
    return (uint32_t)(hash_mix(hash_mix(halves[0] + row) ^ halves[1]) % CONNECTION_SKETCH_COLUMNS);
}

static void shared_count(struct broker_shared *shared, const struct network_address *peer, int by)
{
    atomic_fetch_add_explicit(&shared->connections, (uint32_t)by, memory_order_relaxed);
    for (uint32_t row = 0; row < CONNECTION_SKETCH_ROWS; row++) {
        atomic_fetch_add_explicit(&shared->per_address[row][address_column(peer, row)],
                                  (uint32_t)by, memory_order_relaxed);
    }
}

/* A sketch only ever counts too high; the least of its rows is nearest. */
static uint32_t shared_of_address(struct broker_shared *shared, const struct network_address *peer)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t row = 0; row < CONNECTION_SKETCH_ROWS; row++) {
        least = min_u32(least,
                        atomic_load_explicit(&shared->per_address[row][address_column(peer, row)],
                                             memory_order_relaxed));
    }
    return least;
}

static struct bytes blanks_cut(struct bytes text)
{
    while (text.len > 0 && text.ptr[0] == ' ') {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

/* "127.0.0.1:9,10.0.0.7:0": addresses as they are written, exceptions to the general number. */
static uint32_t per_ip_max(const struct server_settings *settings,
                           const struct network_address *peer)
{
    char room[HOST_TEXT_BYTES];
    struct bytes rest = settings->connection_per_ip_overrides;
    const struct bytes host = rest.len == 0 ? rest : address_text(peer, room);
    while (rest.len > 0) {
        const uint8_t *comma = memchr(rest.ptr, ',', rest.len);
        const uint32_t len = comma == NULL ? rest.len : (uint32_t)(comma - rest.ptr);
        const struct bytes entry = blanks_cut((struct bytes){rest.ptr, len});
        int64_t count;
        if (entry.len > host.len && entry.ptr[host.len] == ':' &&
            memcmp(entry.ptr, host.ptr, host.len) == 0 &&
            text_parse_i64((struct bytes){entry.ptr + host.len + 1, entry.len - host.len - 1},
                           &count)) {
            return (uint32_t)min_i64(max_i64(count, 0), UINT32_MAX);
        }
        const uint32_t over = len + (comma != NULL);
        rest = (struct bytes){rest.ptr + over, rest.len - over};
    }
    return settings->connection_per_ip_max;
}

static bool limits_allow(struct broker *broker, const struct network_address *peer)
{
    struct broker_shared *shared = broker->setup.shared;
    if (broker->snapshot == NULL) {
        return true; /* Nothing is known yet; the pools still bound it. */
    }
    const struct server_settings *settings = &broker->snapshot->settings;
    return atomic_load_explicit(&shared->connections, memory_order_relaxed) <
               settings->connection_count_max &&
           shared_of_address(shared, peer) < per_ip_max(settings, peer);
}

/* ---- How many a second ---- */

enum {
    /* As Kafka's quota of ten windows of a second counts: so many come at once, if none did before.
     */
    RATE_WINDOW_S = 10,
    RATE_WAIT_MS_MAX = 1000, /* Who is over it waits so long, then one may come. */
};

static uint32_t rate_max(const struct broker *broker)
{
    return broker->snapshot == NULL ? INT32_MAX : broker->snapshot->settings.connection_rate_max;
}

static uint64_t rate_interval_ns(uint32_t rate)
{
    return rate == 0 ? ns_of_ms(RATE_WAIT_MS_MAX) : ns_of_ms(1000) / rate;
}

/* The generic cell rate algorithm, over all cores. */
static uint64_t connection_accept_from_ns(void *context)
{
    const struct broker *broker = context;
    const uint32_t rate = rate_max(broker);
    if (rate >= INT32_MAX) {
        return 0;
    }
    const uint64_t due_ns =
        atomic_load_explicit(&broker->setup.shared->connections_due_ns, memory_order_relaxed);
    const uint64_t ahead_ns =
        rate == 0 ? 0 : ns_of_ms(RATE_WINDOW_S * 1000) - rate_interval_ns(rate);
    const uint64_t from_ns = due_ns > ahead_ns ? due_ns - ahead_ns : 1;
    return max_u64(1, min_u64(from_ns, broker->now_ns + ns_of_ms(RATE_WAIT_MS_MAX)));
}

static void rate_take(struct broker *broker)
{
    const uint32_t rate = rate_max(broker);
    _Atomic uint64_t *due = &broker->setup.shared->connections_due_ns;
    uint64_t before = atomic_load_explicit(due, memory_order_relaxed);
    uint64_t after;
    if (rate >= INT32_MAX) {
        return;
    }
    do {
        after = max_u64(before, broker->now_ns) + rate_interval_ns(rate);
    } while (!atomic_compare_exchange_weak_explicit(due, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
}

/* ---- The transport's calls ------------------------------------------------------------------ */

static void *connection_open(void *context, struct transport_connection *transport,
                             const struct network_address *peer,
                             const struct network_address *local, uint32_t listener)
{
    struct broker *broker = context;
    struct connection *connection = NULL;
    rate_take(broker);
    if (!broker->stopping && limits_allow(broker, peer)) {
        connection = pool_take(&broker->connections);
    }
    if (connection == NULL) {
        count(&broker->counters->connections_refused);
        return NULL;
    }
    const struct pool_handle handle = pool_handle(&broker->connections, connection);
    static const char anonymous[] = "User:ANONYMOUS";
    *connection = (struct connection){
        .transport = transport,
        .broker = broker,
        .handle = {(uint16_t)broker->core, handle.index, handle.generation},
        .peer = *peer,
        .local = *local,
        .listener = listener,
        .phase = PHASE_OPEN,
        .principal = {(const uint8_t *)anonymous, sizeof(anonymous) - 1},
        .active_ns = broker->now_ns,
    };
    list_init(&connection->stream);
    list_init(&connection->requests);
    list_init(&connection->sending);
    list_push_back(&broker->idle, &connection->idle_node);
    shared_count(broker->setup.shared, peer, 1);
    count(&broker->counters->connections_opened);
    counter_set(&broker->counters->connections_now, broker->connections.used);
    return connection;
}

static void connection_active(struct connection *connection)
{
    if (connection->active_ns != connection->broker->now_ns) {
        connection->active_ns = connection->broker->now_ns;
        list_remove(&connection->idle_node);
        list_push_back(&connection->broker->idle, &connection->idle_node);
    }
}

static void connection_data(void *user, struct received_piece received)
{
    struct connection *connection = user;
    struct transport *transport = connection->transport->transport;
    if (UNLIKELY(connection->phase == PHASE_CLOSING || received.bytes.len == 0)) {
        transport->ops->release(transport, received.buffer);
        return;
    }
    if (UNLIKELY(!stream_add(connection, received))) {
        transport->ops->release(transport, received.buffer);
        count(&connection->broker->counters->connections_overload_closed);
        connection_abort(connection);
        return;
    }
    connection_active(connection);
    if (connection->frame_began_ns == 0) {
        connection->frame_began_ns = connection->broker->now_ns;
    }
    connection_wake(connection);
}

static void connection_received_into(void *user)
{
    struct connection *connection = user;
    connection_active(connection);
    if (connection->large.state == LARGE_RECEIVING && connection->phase != PHASE_CLOSING) {
        large_received(connection);
    }
}

/* What came before is still carried out and answered, as Kafka does; then it is closed. */
static void connection_ended(void *user)
{
    struct connection *connection = user;
    connection->ended = true;
    LIST_FOR_EACH(node, &connection->requests)
    {
        fetch_unpark(CONTAINER_OF(node, struct request, node));
    }
    connection_wake(connection);
}

static void connection_sent(void *user, uint64_t token)
{
    struct connection *connection = user;
    connection_active(connection);
    requests_sent(connection, token);
    connection_wake_waiting(connection);
    if (!list_empty(&connection->requests) || connection->phase == PHASE_CLOSING) {
        connection_send_later(connection);
    }
}

static void unlink_if(struct list_node *node)
{
    if (list_linked(node)) {
        list_remove(node);
    }
}

static void connection_closed(void *user, enum transport_close_reason reason)
{
    struct connection *connection = user;
    struct broker *broker = connection->broker;
    (void)reason;
    connection->phase = PHASE_CLOSING;
    large_drop(connection);
    stream_drop(connection);
    requests_orphan(connection);
    unlink_if(&connection->run_node);
    unlink_if(&connection->send_node);
    unlink_if(&connection->holding_node);
    unlink_if(&connection->produce_node);
    unlink_if(&connection->idle_node);
    unlink_if(&connection->owed_node);
    shared_count(broker->setup.shared, &connection->peer, -1);
    pool_give(&broker->connections, connection);
    count(&broker->counters->connections_closed);
    counter_set(&broker->counters->connections_now, broker->connections.used);
}

const struct transport_user *broker_transport_user(void)
{
    static const struct transport_user user = {
        .on_open = connection_open,
        .on_data = connection_data,
        .on_received_into = connection_received_into,
        .on_end = connection_ended,
        .on_sent = connection_sent,
        .on_close = connection_closed,
        .accept_from_ns = connection_accept_from_ns,
    };
    return &user;
}

/* ---- Closing -------------------------------------------------------------------------------- */

void connection_wake(struct connection *connection)
{
    if (!list_linked(&connection->run_node)) {
        list_push_back(&connection->broker->runnable, &connection->run_node);
    }
}

void connection_wake_waiting(struct connection *connection)
{
    if (connection->stream_bytes > 0 || connection->large.state != LARGE_NONE ||
        connection->paused || connection->ended) {
        connection_wake(connection);
    }
}

void connection_send_later(struct connection *connection)
{
    if (!list_linked(&connection->send_node)) {
        list_push_back(&connection->broker->to_send, &connection->send_node);
    }
}

void connection_finish(struct connection *connection)
{
    connection->phase = PHASE_CLOSING;
    if (connection->large.state != LARGE_RECEIVING) { /* Else the transport still writes there. */
        large_drop(connection);
    }
    stream_drop(connection);
    connection_send_later(connection); /* It closes when no request is left. */
}

void connection_abort(struct connection *connection)
{
    connection->phase = PHASE_CLOSING;
    if (!connection->close_told) {
        connection->close_told = true;
        connection->transport->transport->ops->abort(connection->transport);
    }
}

static void close_counted(struct connection *connection, uint64_t *counter)
{
    count(counter);
    connection_finish(connection);
}

/* ---- Frames to requests --------------------------------------------------------------------- */

static void connection_pause(struct connection *connection, bool pause)
{
    const struct transport_ops *ops = connection->transport->transport->ops;
    if (pause != connection->paused) {
        connection->paused = pause;
        if (pause) {
            ops->pause(connection->transport);
        } else {
            ops->resume(connection->transport);
        }
    }
}

/* True when a request of this API may start beside those in progress. */
static bool order_allows(const struct connection *connection, const struct api_row *row)
{
    return connection->request_count == 0 ||
           (row != NULL && row->overlaps && connection->overlap_count == connection->request_count);
}

static bool share_allows(const struct connection *connection)
{
    const struct broker_limits *limits = &connection->broker->limits;
    return connection->request_count < limits->requests_of_connection &&
           connection->unsent_bytes < limits->unsent_bytes;
}

static bool may_start(const struct connection *connection, const struct api_row *row)
{
    return order_allows(connection, row) && share_allows(connection);
}

/* The row of the frame's API key, which stands in its first two bytes; NULL when there is none. */
static const struct api_row *frame_row(struct chain frame)
{
    uint8_t key[2];
    if (frame.len < sizeof(key)) {
        return NULL;
    }
    chain_copy(frame, key, sizeof(key));
    return dispatch_find((int16_t)load_be16(key));
}

enum run_step {
    RUN_READY, /* A whole frame is at hand. */
    RUN_STARTED,
    RUN_PARTIAL, /* More bytes are needed. */
    RUN_BLOCKED, /* A later event of this connection wakes it. */
    RUN_STARVED, /* No room now: look again next turn. */
};

/* What one request may need of the pools is there: no handler is left halfway. */
static bool room_to_start(const struct broker *broker, const struct api_row *row)
{
    if (broker->operations.used > broker->limits.operation_count / 2) {
        return false;
    }
    if (row != NULL && row->key == API_PRODUCE) {
        return true;
    }
    return broker->fetch_items.used <= broker->limits.fetch_item_count / 4 * 3 &&
           broker->fetch_topics.used <= broker->limits.fetch_topic_count / 4 * 3 &&
           broker->fetches.used < broker->limits.fetch_count &&
           broker->legs.used + broker->core_count <= broker->legs.capacity;
}

/* A whole frame at hand. */
struct frame_found {
    const struct api_row *row; /* NULL: of no API that is served. */
    uint32_t bytes;
    bool large; /* It is in frame memory. */
};

/* Starts a request for it, when it may start. */
static enum run_step frame_start(struct connection *connection, struct frame_found found)
{
    struct broker *broker = connection->broker;
    const struct api_row *row = found.row;
    if (!may_start(connection, row)) {
        return RUN_BLOCKED;
    }
    struct request *request = room_to_start(broker, row) ? request_create(connection) : NULL;
    if (request == NULL) {
        return RUN_STARVED;
    }
    stage_record(broker, STAGE_RECEIVE, broker->now_ns - connection->frame_began_ns, 1);
    if (UNLIKELY(found.large)) {
        large_take_frame(connection, request);
    } else {
        stream_take_frame(connection, found.bytes, request);
    }
    connection->frame_began_ns = connection->stream_bytes > 0 ? broker->now_ns : 0;
    if (!dispatch_start(request, row)) {
        request_cancel(request);
        close_counted(connection, &broker->counters->connections_bad_request);
    }
    return RUN_STARTED;
}

/* The next step with what the stream holds. RUN_READY: *frame is a view of it, over parts. */
static enum run_step stream_step(struct connection *connection, struct chain *frame,
                                 struct bytes parts[FRAME_PIECES_MAX])
{
    struct broker *broker = connection->broker;
    uint32_t frame_bytes;
    const struct chain view = stream_view(connection, parts);
    switch (frame_size(view, broker->frame_bytes_max, &frame_bytes)) {
    case FRAME_PARTIAL: return RUN_PARTIAL;
    case FRAME_BAD:
        close_counted(connection, &broker->counters->connections_bad_frame);
        return RUN_BLOCKED;
    case FRAME_READY: break;
    }
    if (view.len - FRAME_PREFIX_BYTES >= frame_bytes) {
        *frame = chain_take(chain_skip(view, FRAME_PREFIX_BYTES), frame_bytes);
        return RUN_READY;
    }
    if (frame_bytes > FRAME_DIRECT_BYTES_MAX || connection->piece_count >= FRAME_PIECES_MAX) {
        /* What could not start when it is complete takes no memory from others. */
        if (!may_start(connection, frame_row(chain_skip(view, FRAME_PREFIX_BYTES)))) {
            return RUN_BLOCKED;
        }
        large_begin(connection, frame_bytes);
    }
    return RUN_PARTIAL;
}

/* All but a whole frame in one piece. */
static NOINLINE enum run_step frame_look(struct connection *connection, struct frame_found *found)
{
    const struct large_frame *large = &connection->large;
    struct bytes parts[FRAME_PIECES_MAX];
    struct chain frame;
    enum run_step step = RUN_PARTIAL;
    switch (large->state) {
    case LARGE_NONE:
        step = connection->stream_bytes < FRAME_PREFIX_BYTES
                   ? RUN_PARTIAL
                   : stream_step(connection, &frame, parts);
        break;
    case LARGE_GRANTED: large_resume(connection); break;
    case LARGE_READY:
        frame = (struct chain){
            .parts = large->runs, .offset = LARGE_RUNS_BYTES, .len = large->frame_bytes};
        step = RUN_READY;
        break;
    case LARGE_WAITING:
    case LARGE_RECEIVING: break;
    }
    if (step == RUN_READY) {
        *found = (struct frame_found){frame_row(frame), frame.len, large->state == LARGE_READY};
    }
    return step;
}

static enum run_step connection_step(struct connection *connection)
{
    struct frame_found found;
    struct bytes frame;
    if (LIKELY(connection->large.state == LARGE_NONE &&
               connection->stream_bytes >= FRAME_PREFIX_BYTES &&
               stream_whole(connection, connection->broker->frame_bytes_max, &frame))) {
        found =
            (struct frame_found){dispatch_find((int16_t)load_be16(frame.ptr)), frame.len, false};
    } else {
        const enum run_step step = frame_look(connection, &found);
        if (step != RUN_READY) {
            return step;
        }
    }
    return frame_start(connection, found);
}

/* Starts produces that begin as the one before, as they lie one behind the other in the stream; no
 * more than count_max. What none of them changes is asked once for all. Returns how many. */
HOT_INLINE uint32_t produces_start(struct connection *connection, uint32_t count_max)
{
    struct broker *broker = connection->broker;
    const struct api_row *row = dispatch_find(API_PRODUCE);
    if (UNLIKELY(!produce_may_repeat(connection) || connection->large.state != LARGE_NONE ||
                 !may_start(connection, row) || !room_to_start(broker, row))) {
        return 0;
    }
    count_max =
        min_u32(count_max, broker->limits.requests_of_connection - connection->request_count);
    const uint32_t bytes_before = connection->stream_bytes;
    uint32_t started = 0;
    struct bytes frame;
    while (LIKELY(started < count_max && !list_empty(&connection->stream) &&
                  stream_whole(connection, broker->frame_bytes_max, &frame) &&
                  produce_start_again(connection, frame))) {
        started++;
    }
    if (LIKELY(started > 0)) {
        stage_record(broker, STAGE_RECEIVE, broker->now_ns - connection->frame_began_ns, 1);
        stage_record(broker, STAGE_RECEIVE, 0, started - 1); /* These lay behind it. */
        connection->frame_began_ns = connection->stream_bytes > 0 ? broker->now_ns : 0;
        dispatch_count_requests(broker, row, started, bytes_before - connection->stream_bytes);
    }
    return started;
}

/* True when no frame can come of what is there. */
static bool nothing_more(const struct connection *connection, enum run_step step)
{
    const enum large_state large = connection->large.state;
    return connection->ended && step == RUN_PARTIAL &&
           (large == LARGE_NONE || large == LARGE_RECEIVING);
}

/* Returns how many requests were started; *last says how the last step ended. */
HOT_INLINE uint32_t frames_start(struct connection *connection, uint32_t budget,
                                 enum run_step *last)
{
    const struct broker *broker = connection->broker;
    uint32_t started = 0;
    enum run_step step = RUN_PARTIAL;
    while (connection->phase != PHASE_CLOSING && !broker->stopping) {
        started += produces_start(connection, budget - started);
        if (started == budget) {
            step = RUN_STARVED;
            break;
        }
        step = connection_step(connection);
        if (step != RUN_STARTED) {
            break;
        }
        started++;
    }
    *last = step;
    return started;
}

static NOINLINE uint32_t frames_start_measured(struct connection *connection, uint32_t budget,
                                               enum run_step *last)
{
    struct broker *broker = connection->broker;
    const uint64_t began_ns = broker->setup.clock_ns();
    const uint32_t started = frames_start(connection, budget, last);
    broker->parse_runs_left = 1;
    if (started > 0) {
        const uint64_t took_ns = broker->setup.clock_ns() - began_ns;
        stage_record(broker, STAGE_PARSE, took_ns / started, started);
        broker->parse_runs_left = PARSE_RUNS;
    }
    return started;
}

uint32_t connection_run(struct connection *connection, uint32_t budget)
{
    struct broker *broker = connection->broker;
    enum run_step step;
    const uint32_t started = UNLIKELY(--broker->parse_runs_left == 0)
                                 ? frames_start_measured(connection, budget, &step)
                                 : frames_start(connection, budget, &step);
    if (connection->phase != PHASE_CLOSING && nothing_more(connection, step)) {
        connection_finish(connection);
    }
    if (connection->phase != PHASE_CLOSING) {
        const bool waits = step == RUN_BLOCKED || step == RUN_STARVED;
        connection_pause(connection,
                         connection->large.state == LARGE_WAITING ||
                             (waits && connection->piece_count >= CONNECTION_PIECES_MAX));
    }
    if (step == RUN_STARVED && connection->phase != PHASE_CLOSING) {
        connection_wake(connection);
    }
    return started;
}

/* ---- Time ----------------------------------------------------------------------------------- */

static uint64_t idle_ns_max(const struct broker *broker)
{
    const int64_t ms = broker->snapshot->settings.connections_idle_ms_max;
    return ms < 0 || ms > INT64_MAX / 1000000 ? UINT64_MAX / 2 : ns_of_ms((uint64_t)ms);
}

/* True when its large frame comes too slowly. What was asked for and has not come whole counts as
 * come: the transport does not tell. */
static bool large_stalls(const struct connection *connection)
{
    const struct large_frame *large = &connection->large;
    const uint64_t come_bytes = (uint64_t)large->filled_bytes + large->asked_bytes;
    const uint64_t allowed_ms = FRAME_STALL_MS_MAX + come_bytes * 1000 / FRAME_RATE_BYTES_MIN;
    return connection->broker->now_ns - large->started_ns > ns_of_ms(allowed_ms);
}

static void stalled_close(struct connection *connection)
{
    count(&connection->broker->counters->connections_stall_closed);
    unlink_if(&connection->owed_node);
    connection->close_told = false; /* A close that waits for the peer is cut short too. */
    connection_abort(connection);
}

/* Closes those whose large frames come too slowly while others wait for the memory. */
static uint32_t large_check(struct broker *broker)
{
    uint32_t done = 0;
    if (list_empty(&broker->memory_waiting) && list_empty(&broker->ordinary_waiting)) {
        return 0;
    }
    LIST_FOR_EACH(node, &broker->large_receiving)
    {
        struct connection *connection = CONTAINER_OF(node, struct connection, large_node);
        if (!connection->close_told && large_stalls(connection)) {
            stalled_close(connection);
            done++;
        }
    }
    return done;
}

/* Since when somebody finds no memory for an answer, or for what it is to hold. */
static void output_wanted_look(struct broker *broker)
{
    const uint64_t reads_ns =
        atomic_load_explicit(&broker->setup.shared->reads_starved_ns, memory_order_relaxed);
    const bool reads = reads_ns != 0 && broker->now_ns < reads_ns + ns_of_ms(READS_STARVED_MS);
    const bool control = broker->slow_starved_ns != 0 && broker->now_ns - broker->slow_wanted_ns <
                                                             ns_of_ms(2 * SEND_STALL_WAITED_MS_MAX);
    if (list_empty(&broker->output_waiting) && !control && !reads) {
        broker->output_wanted_ns = 0;
    } else if (broker->output_wanted_ns == 0) {
        broker->output_wanted_ns = broker->now_ns;
    }
}

/* Asks how far the peer has come: a send may be under way for minutes and still move. */
static void send_look(struct connection *connection)
{
    const uint64_t now_ns = connection->broker->now_ns;
    const uint64_t acknowledged_bytes =
        connection->transport->transport->ops->acknowledged_bytes(connection->transport);
    connection->send_looked_ns = now_ns;
    if (acknowledged_bytes != connection->acknowledged_bytes) {
        connection->acknowledged_bytes = acknowledged_bytes;
        connection->send_moved_ns = now_ns;
    }
    const uint64_t paced_ms = (now_ns - connection->send_paced_ns) / 1000000;
    if ((acknowledged_bytes - connection->paced_bytes) * 1000 >= SEND_RATE_BYTES_MIN * paced_ms) {
        connection->paced_bytes = acknowledged_bytes;
        connection->send_paced_ns = now_ns;
    }
}

/* True when nothing moves for too long, or too little while others wait. */
static bool send_stalls(const struct connection *connection)
{
    const struct broker *broker = connection->broker;
    if (broker->now_ns - connection->send_moved_ns > ns_of_ms(SEND_STALL_MS_MAX)) {
        return true;
    }
    const uint64_t since_ns = max_u64(connection->send_paced_ns, broker->output_wanted_ns);
    return broker->output_wanted_ns != 0 &&
           broker->now_ns - since_ns > ns_of_ms(SEND_STALL_WAITED_MS_MAX);
}

/* Closes those that take nothing of what was sent, or too little of it where others wait, whatever
 * they send meanwhile. */
static uint32_t sends_check(struct broker *broker)
{
    uint32_t done = 0;
    struct list_node *node;
    output_wanted_look(broker);
    while (done < SEND_LOOKS_MAX && (node = list_first(&broker->owed)) != NULL) {
        struct connection *connection = CONTAINER_OF(node, struct connection, owed_node);
        if (broker->now_ns - connection->send_looked_ns < ns_of_ms(SEND_LOOK_MS)) {
            break; /* All behind it were looked at later. */
        }
        list_remove(node);
        list_push_back(&broker->owed, node);
        send_look(connection);
        if (send_stalls(connection)) {
            stalled_close(connection);
        }
        done++;
    }
    return done;
}

uint64_t connections_deadline_ns(const struct broker *broker)
{
    struct list_node *node = list_first(&broker->idle);
    if (node == NULL || broker->snapshot == NULL) {
        return UINT64_MAX;
    }
    return broker->checked_ns + ns_of_ms(CONNECTION_CHECK_MS);
}

uint32_t connections_check(struct broker *broker)
{
    if (broker->now_ns < connections_deadline_ns(broker)) {
        return 0;
    }
    broker->checked_ns = broker->now_ns;
    uint32_t done = large_check(broker) + sends_check(broker);
    const uint64_t idle_ns = idle_ns_max(broker);
    LIST_FOR_EACH(node, &broker->idle)
    {
        struct connection *connection = CONTAINER_OF(node, struct connection, idle_node);
        const uint64_t quiet_ns = broker->now_ns - connection->active_ns;
        if (quiet_ns <= idle_ns) {
            break; /* All behind it are younger. */
        }
        if (connection->close_told) {
            continue;
        }
        done++;
        if (connection->request_count == 0 && list_empty(&connection->sending)) {
            count(&broker->counters->connections_idle_closed);
            connection_abort(connection);
        }
    }
    return done;
}

void connection_invariants(const struct connection *connection)
{
    uint64_t bytes = 0;
    uint32_t pieces = 0;
    LIST_FOR_EACH(node, &connection->stream)
    {
        const struct piece *piece = CONTAINER_OF(node, struct piece, node);
        ASSERT(piece->refs > 0);
        bytes += piece->bytes.len;
        pieces++;
    }
    ASSERT(pieces == connection->piece_count);
    ASSERT(bytes == (uint64_t)connection->stream_bytes + connection->stream_offset);
    uint32_t requests = 0;
    LIST_FOR_EACH(node, &connection->requests)
    {
        const struct request *request = CONTAINER_OF(node, struct request, node);
        ASSERT(request->connection == connection && request->state != REQUEST_SENT);
        requests++;
    }
    ASSERT(requests == connection->request_count);
    ASSERT(connection->overlap_count <= connection->request_count);
    ASSERT((connection->large.state == LARGE_WAITING) == list_linked(&connection->memory_node));
    ASSERT((connection->large.state == LARGE_RECEIVING) == list_linked(&connection->large_node));
}
