#include "dataplane/broker/stream.h"

#include "dataplane/broker/connection.h"

static void memory_give(struct broker *broker, const uint8_t *run, uint32_t size)
{
    struct region *stash = &broker->stash;
    region_give(region_holds(stash, run) ? stash : &broker->frame_memory, run, size);
}

/* NULL: there are too many. */
static inline struct piece *piece_take(struct broker *broker)
{
    struct piece *piece = stock_take(&broker->pieces);
    if (LIKELY(piece != NULL)) {
        piece->node = (struct list_node){0};
    }
    return piece;
}

static NOINLINE void copied_release(struct broker *broker, struct piece *piece)
{
    memory_give(broker, piece->bytes.ptr, piece->memory_bytes);
    stock_give(&broker->pieces, piece);
    large_grant(broker);
}

LINK_INLINE void piece_release(struct broker *broker, struct piece *piece)
{
    struct transport *transport = piece->transport;
    ASSERT(piece->refs > 0);
    if (--piece->refs > 0) {
        return;
    }
    if (UNLIKELY(transport == NULL)) {
        copied_release(broker, piece);
        return;
    }
    void *buffer = piece->buffer;
    broker->buffers_held--;
    stock_give(&broker->pieces, piece);
    transport->ops->release(transport, buffer);
}

static void stream_push(struct connection *connection, struct piece *piece)
{
    list_push_back(&connection->stream, &piece->node);
    connection->piece_count++;
    connection->stream_bytes += piece->bytes.len;
}

bool stream_add(struct connection *connection, struct received_piece received)
{
    struct broker *broker = connection->broker;
    struct piece *piece = stock_take(&broker->pieces);
    if (UNLIKELY(piece == NULL)) {
        return false;
    }
    *piece = (struct piece){
        .bytes = received.bytes,
        .refs = 1,
        .buffer = received.buffer,
        .transport = connection->transport->transport,
    };
    broker->buffers_held++;
    stream_push(connection, piece);
    if (!list_linked(&connection->holding_node)) {
        list_push_back(&broker->holding, &connection->holding_node);
    }
    return true;
}

static inline void stream_pop(struct connection *connection)
{
    struct piece *piece = first_piece(connection);
    stream_unlink(connection, piece);
    piece_release(connection->broker, piece);
}

void stream_drop(struct connection *connection)
{
    while (!list_empty(&connection->stream)) {
        stream_pop(connection);
    }
    connection->stream_bytes = 0;
}

struct chain stream_view(const struct connection *connection, struct bytes parts[FRAME_PIECES_MAX])
{
    uint32_t part_count = 0;
    uint32_t offset = connection->stream_offset;
    struct chain view = {.parts = parts};
    LIST_FOR_EACH(node, &connection->stream)
    {
        if (part_count == FRAME_PIECES_MAX) {
            break;
        }
        const struct bytes whole = CONTAINER_OF(node, struct piece, node)->bytes;
        parts[part_count++] = (struct bytes){whole.ptr + offset, whole.len - offset};
        view.len += whole.len - offset;
        offset = 0;
    }
    return view;
}

/* Drops count bytes of the stream; the stream holds them. */
static inline void stream_consume(struct connection *connection, uint32_t count)
{
    connection->stream_bytes -= count;
    if (LIKELY(count < first_piece(connection)->bytes.len - connection->stream_offset)) {
        connection->stream_offset += count;
        return;
    }
    while (count > 0) {
        struct piece *piece = first_piece(connection);
        const uint32_t here = min_u32(count, piece->bytes.len - connection->stream_offset);
        connection->stream_offset += here;
        count -= here;
        if (connection->stream_offset == piece->bytes.len) {
            stream_pop(connection);
        }
    }
}

void stream_take_frame(struct connection *connection, uint32_t frame_bytes, struct request *request)
{
    const uint32_t at = connection->stream_offset + FRAME_PREFIX_BYTES;
    if (LIKELY(frame_bytes + at <=
               first_piece(connection)->bytes.len)) { /* Nearly all small ones. */
        stream_take_whole(connection, frame_bytes, request);
        return;
    }
    request->frame_bytes = frame_bytes;
    request->body = (struct chain){.parts = request->frame_parts, .len = frame_bytes};
    stream_consume(connection, FRAME_PREFIX_BYTES);
    uint32_t left = frame_bytes;
    while (left > 0) {
        struct piece *piece = first_piece(connection);
        const uint32_t here = min_u32(left, piece->bytes.len - connection->stream_offset);
        piece->refs++;
        request->pieces[request->piece_count] = piece;
        request->frame_parts[request->piece_count++] =
            (struct bytes){piece->bytes.ptr + connection->stream_offset, here};
        stream_consume(connection, here);
        left -= here;
    }
}

/* Copies count bytes from the stream's start to `to` and drops them. */
static void stream_move(struct connection *connection, uint8_t *to, uint32_t count)
{
    while (count > 0) {
        const struct bytes whole = first_piece(connection)->bytes;
        const uint32_t here = min_u32(count, whole.len - connection->stream_offset);
        memcpy(to, whole.ptr + connection->stream_offset, here);
        stream_consume(connection, here);
        to += here;
        count -= here;
    }
}

bool stream_unload(struct connection *connection)
{
    struct broker *broker = connection->broker;
    const uint32_t size = connection->stream_bytes;
    ASSERT(size > 0);
    struct piece *piece = piece_take(broker);
    uint8_t *memory = piece == NULL ? NULL : region_take(&broker->stash, size);
    if (memory == NULL) {
        if (piece != NULL) {
            stock_give(&broker->pieces, piece);
        }
        return false;
    }
    stream_move(connection, memory, size);
    *piece = (struct piece){.bytes = {memory, size}, .refs = 1, .memory_bytes = size};
    stream_push(connection, piece);
    if (list_linked(&connection->holding_node)) {
        list_remove(&connection->holding_node);
    }
    count(&broker->counters->frames_copied);
    return true;
}

/* ---- Frames in frame memory ----------------------------------------------------------------- */

static uint32_t large_memory_bytes(const struct large_frame *large)
{
    return large->frame_bytes + LARGE_RUNS_BYTES;
}

static bool large_is_ordinary(const struct large_frame *large)
{
    return large->frame_bytes <= FRAME_ORDINARY_BYTES_MAX;
}

static bool large_take(struct broker *broker, struct large_frame *large, struct region *region,
                       uint32_t runs_max)
{
    struct bytes runs[FRAME_RUNS_MAX];
    large->run_count = region_take_runs(region, large_memory_bytes(large), runs, runs_max);
    if (large->run_count == 0) {
        return false;
    }
    large->runs = (struct bytes *)(uintptr_t)runs[0].ptr;
    memcpy(large->runs, runs, large->run_count * sizeof(runs[0]));
    large->filled_bytes = 0;
    large->started_ns = broker->now_ns;
    return true;
}

/* Takes memory for the frame. None passes those that wait for much of the frame memory there; what
 * is ordinary need not wait for them while the stash has plenty. */
static bool large_reserve(struct broker *broker, struct large_frame *large)
{
    const struct region *stash = &broker->stash;
    if (!large_is_ordinary(large)) {
        return large_take(broker, large, &broker->frame_memory, FRAME_RUNS_MAX);
    }
    if (list_empty(&broker->memory_waiting) &&
        large_take(broker, large, &broker->frame_memory, FRAME_RUNS_MAX)) {
        return true;
    }
    const uint64_t left = (uint64_t)stash->units_left * stash->unit_bytes;
    return left >= large_memory_bytes(large) + broker->limits.stash_bytes / 2 &&
           large_take(broker, large, &broker->stash, 1); /* Its units are small. */
}

/* Where byte filled_bytes of the frame goes, and how much fits there in one piece. */
static uint8_t *large_room(const struct large_frame *large, uint32_t *room)
{
    uint32_t at = large->filled_bytes + LARGE_RUNS_BYTES;
    uint32_t run = 0;
    while (at >= large->runs[run].len) {
        at -= large->runs[run++].len;
    }
    *room = large->runs[run].len - at;
    return (uint8_t *)(uintptr_t)large->runs[run].ptr + at;
}

/* Moves what the stream holds of the frame, then asks the transport for more. */
static void large_continue(struct connection *connection)
{
    struct large_frame *large = &connection->large;
    uint32_t room;
    large->state = LARGE_RECEIVING;
    while (connection->stream_bytes > 0 && large->filled_bytes < large->frame_bytes) {
        uint8_t *to = large_room(large, &room);
        const uint32_t here = min_u32(room, connection->stream_bytes);
        stream_move(connection, to, here);
        large->filled_bytes += here;
    }
    if (large->filled_bytes == large->frame_bytes) {
        large->state = LARGE_READY;
        list_remove(&connection->large_node);
        connection_wake(connection);
        return;
    }
    uint8_t *to = large_room(large, &room);
    large->asked_bytes = min_u32(room, FRAME_CHUNK_BYTES);
    connection->transport->transport->ops->receive_into(connection->transport, to,
                                                        large->asked_bytes);
}

static void large_start(struct connection *connection)
{
    list_push_back(&connection->broker->large_receiving, &connection->large_node);
    stream_consume(connection, FRAME_PREFIX_BYTES);
    large_continue(connection);
}

void large_begin(struct connection *connection, uint32_t frame_bytes)
{
    struct broker *broker = connection->broker;
    struct large_frame *large = &connection->large;
    *large = (struct large_frame){.state = LARGE_WAITING, .frame_bytes = frame_bytes};
    struct list *waiting =
        large_is_ordinary(large) ? &broker->ordinary_waiting : &broker->memory_waiting;
    if (list_empty(waiting) && large_reserve(broker, large)) {
        large_start(connection);
        return;
    }
    list_push_back(waiting, &connection->memory_node);
    count(&broker->counters->frames_waited);
}

static void waiting_grant(struct broker *broker, struct list *waiting)
{
    struct list_node *node;
    while ((node = list_first(waiting)) != NULL) {
        struct connection *connection = CONTAINER_OF(node, struct connection, memory_node);
        if (!large_reserve(broker, &connection->large)) {
            return;
        }
        list_remove(node);
        connection_wake(connection); /* It starts from the frame turn, not from inside a release. */
        connection->large.state = LARGE_GRANTED;
    }
}

void large_grant(struct broker *broker)
{
    waiting_grant(broker, &broker->memory_waiting);
    waiting_grant(broker, &broker->ordinary_waiting);
}

void large_received(struct connection *connection)
{
    struct large_frame *large = &connection->large;
    ASSERT(large->state == LARGE_RECEIVING);
    large->filled_bytes += large->asked_bytes;
    large->asked_bytes = 0;
    large_continue(connection);
}

void large_resume(struct connection *connection)
{
    ASSERT(connection->large.state == LARGE_GRANTED);
    large_start(connection);
}

void large_take_frame(struct connection *connection, struct request *request)
{
    struct large_frame *large = &connection->large;
    ASSERT(large->state == LARGE_READY);
    request->runs = large->runs;
    request->run_count = large->run_count;
    request->frame_bytes = large->frame_bytes;
    request->body =
        (struct chain){.parts = large->runs, .offset = LARGE_RUNS_BYTES, .len = large->frame_bytes};
    *large = (struct large_frame){.state = LARGE_NONE};
}

/* The runs' array lies in the first run, so that one goes last. */
static void runs_release(struct broker *broker, struct bytes *runs, uint32_t run_count)
{
    for (uint32_t i = run_count; i-- > 0;) {
        const struct bytes run = runs[i];
        memory_give(broker, run.ptr, run.len);
    }
    large_grant(broker);
}

void large_drop(struct connection *connection)
{
    struct large_frame *large = &connection->large;
    if (list_linked(&connection->memory_node)) {
        list_remove(&connection->memory_node);
    }
    if (list_linked(&connection->large_node)) {
        list_remove(&connection->large_node);
    }
    const struct large_frame was = *large;
    *large = (struct large_frame){.state = LARGE_NONE};
    if (was.runs != NULL) {
        runs_release(connection->broker, was.runs, was.run_count);
    } else if (was.state == LARGE_WAITING) {
        large_grant(connection->broker); /* The one behind it may need less. */
    }
}

LINK_INLINE void request_release_held_frame(struct broker *broker, struct request *request)
{
    for (uint32_t i = 0; i < request->piece_count; i++) {
        piece_release(broker, request->pieces[i]);
    }
    request->piece_count = 0;
    if (request->runs != NULL) {
        struct bytes *runs = request->runs;
        request->runs = NULL;
        runs_release(broker, runs, request->run_count);
    }
    request->body = CHAIN_EMPTY;
    request->client_id = CHAIN_EMPTY;
}

void request_detach_frame(struct broker *broker, struct request *request)
{
    const uint32_t header_bytes = request->frame_bytes - request->body.len;
    bool lent = false;
    for (uint32_t i = 0; i < request->piece_count; i++) {
        lent |= request->pieces[i]->transport != NULL;
    }
    struct piece *piece = lent ? piece_take(broker) : NULL;
    if (piece == NULL) {
        return;
    }
    uint8_t *memory = region_take(&broker->stash, request->frame_bytes);
    if (memory == NULL && list_empty(&broker->memory_waiting) &&
        list_empty(&broker->ordinary_waiting)) {
        memory = region_take(&broker->frame_memory, request->frame_bytes); /* Soon given back. */
    }
    if (memory == NULL) {
        stock_give(&broker->pieces, piece);
        return;
    }
    struct chain frame = {.parts = request->frame_parts, .len = request->frame_bytes};
    if (request->piece_count == 1) {
        frame.parts = request->body.parts;
        frame.offset = request->body.offset - header_bytes;
    }
    chain_copy(frame, memory, request->frame_bytes);
    struct reader reader;
    struct request_header header;
    for (uint32_t i = 0; i < request->piece_count; i++) {
        piece_release(broker, request->pieces[i]);
    }
    *piece = (struct piece){
        .bytes = {memory, request->frame_bytes}, .refs = 1, .memory_bytes = request->frame_bytes};
    request->pieces[0] = piece;
    request->piece_count = 1;
    reader_init(&reader, chain_of(&piece->bytes));
    ASSERT(request_header_decode(&reader, &header) == CODEC_OK); /* As it was before. */
    request->client_id = header.client_id;
    request->body = (struct chain){
        .parts = &piece->bytes, .offset = header_bytes, .len = request->frame_bytes - header_bytes};
    count(&broker->counters->frames_copied);
}
