#include "control/peer.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "dataplane/slowpath/fragment.h"

enum {
    CONNECT_INTERVAL_NS = 5 * 1000 * 1000,
    HELLO_WAIT_NS = 1000 * 1000 * 1000,
};

/* An answer on its way to a core: one message, or several when it is long. */
struct outgoing {
    struct list_node node;
    struct slow_header header;
    uint8_t *body; /* Owned. */
    uint32_t len;
    uint32_t sent;
    uint32_t piece_from; /* What may go now: one message. */
    uint32_t piece_end;
    bool begun;
    uint64_t held_ns; /* Since when it waits to be asked for more. */
};

struct peer_core {
    struct fragment_reader reader;
    struct fragment_writer writer;
    int bell;
    struct list outgoing;
    struct list held;              /* Long answers of which a piece is in the ring; oldest first. */
    struct peer_request *incoming; /* Its payload is being put together. */
    uint32_t incoming_len;
};

struct peer {
    struct link_world *world;
    const char *socket_path;
    int link;
    uint64_t connect_at_ns;
    uint64_t hello_until_ns;
    bool lost; /* To be told. */
    const char *lost_reason;
    bool unheard; /* Nothing was in the link when it was looked at. */
    /* Of the session. */
    bool joined;   /* HELLO is taken. */
    bool applying; /* A snapshot is out. */
    struct session_hello hello;
    struct session_partition *partitions;
    uint8_t *rings;
    uint64_t rings_bytes;
    int control_bell;
    void *statistics;
    struct log_shared *log_shared; /* Of the last session: who syncs may do so behind its end. */
    struct peer_core *cores;
    uint32_t next_core;
    uint64_t now_ns;                  /* Of the last turn. */
    struct session_failure *failures; /* Of the last APPLIED. */
    struct peer_counters counters;
    struct link_message message;
};

struct peer *peer_create(struct link_world *world, const char *socket_path)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    if (peer != NULL) {
        peer->world = world;
        peer->socket_path = socket_path;
        peer->link = LINK_NO_HANDLE;
        peer->control_bell = LINK_NO_HANDLE;
    }
    return peer;
}

/* Only answers to clients may have to wait for whoever reads them. What control appends is taken
 * in as it comes: its memory is there. */
static bool outgoing_long(const struct outgoing *outgoing)
{
    return outgoing->header.kind == SLOW_REPLY && outgoing->len > SLOW_PIECE_BYTES_MAX;
}

static void outgoing_free(struct peer *peer, struct outgoing *outgoing)
{
    if (outgoing_long(outgoing)) {
        peer->counters.long_bytes -= outgoing->len;
    }
    list_remove(&outgoing->node);
    free(outgoing->body);
    free(outgoing);
}

static void outgoing_free_all(struct peer *peer, struct list *list)
{
    LIST_FOR_EACH(node, list)
    {
        outgoing_free(peer, CONTAINER_OF(node, struct outgoing, node));
    }
}

static void core_free(struct peer *peer, struct peer_core *core)
{
    outgoing_free_all(peer, &core->outgoing);
    outgoing_free_all(peer, &core->held);
    free(core->incoming);
    if (core->bell != LINK_NO_HANDLE) {
        link_close(peer->world, core->bell);
    }
}

static void session_forget(struct peer *peer)
{
    for (uint32_t i = 0; peer->cores != NULL && i < peer->hello.core_count; i++) {
        core_free(peer, &peer->cores[i]);
    }
    free(peer->cores);
    free(peer->partitions);
    free(peer->failures);
    peer->cores = NULL;
    peer->partitions = NULL;
    peer->failures = NULL;
    if (peer->rings != NULL) {
        link_memory_unmap(peer->world, peer->rings, peer->rings_bytes);
        peer->rings = NULL;
    }
    if (peer->statistics != NULL) {
        link_memory_unmap(peer->world, peer->statistics, peer->hello.statistics_bytes);
        peer->statistics = NULL;
    }
    if (peer->control_bell != LINK_NO_HANDLE) {
        link_close(peer->world, peer->control_bell);
        peer->control_bell = LINK_NO_HANDLE;
    }
    if (peer->link != LINK_NO_HANDLE) {
        link_close(peer->world, peer->link);
        peer->link = LINK_NO_HANDLE;
    }
    peer->unheard = false;
    peer->joined = false;
    peer->applying = false;
    peer->next_core = 0;
}

void peer_drop(struct peer *peer, uint64_t again_ns)
{
    session_forget(peer);
    peer->connect_at_ns = again_ns;
}

static void log_shared_keep(struct peer *peer, struct log_shared *log_shared)
{
    if (peer->log_shared != NULL) {
        link_memory_unmap(peer->world, peer->log_shared, sizeof(*peer->log_shared));
    }
    peer->log_shared = log_shared;
}

void peer_destroy(struct peer *peer)
{
    session_forget(peer);
    log_shared_keep(peer, NULL);
    free(peer);
}

static void session_lose(struct peer *peer, const char *reason)
{
    if (peer->joined) {
        peer->lost = true;
        peer->lost_reason = reason;
        peer->counters.lost++;
    }
    session_forget(peer);
}

/* ---- Joining -------------------------------------------------------------------------------- */

static bool rings_map(struct peer *peer, int memory)
{
    const struct session_hello *hello = &peer->hello;
    peer->rings_bytes = session_memory_bytes(hello->core_count, hello->ring_to_control_bytes,
                                             hello->ring_to_core_bytes);
    peer->rings = link_memory_map(peer->world, memory, peer->rings_bytes, true);
    peer->cores = calloc(hello->core_count, sizeof(*peer->cores));
    if (peer->rings == NULL || peer->cores == NULL) {
        return false;
    }
    bool good = true;
    for (uint32_t i = 0; i < hello->core_count; i++) {
        struct peer_core *core = &peer->cores[i];
        list_init(&core->outgoing);
        list_init(&core->held);
        core->bell = LINK_NO_HANDLE;
        const uint64_t up =
            session_ring_to_control_at(i, hello->ring_to_control_bytes, hello->ring_to_core_bytes);
        const uint64_t down =
            session_ring_to_core_at(i, hello->ring_to_control_bytes, hello->ring_to_core_bytes);
        good = good &&
               fragment_reader_init(&core->reader, peer->rings + up,
                                    byte_ring_size(hello->ring_to_control_bytes), false,
                                    SLOW_REQUEST_BYTES_MAX) &&
               fragment_writer_init(&core->writer, peer->rings + down,
                                    byte_ring_size(hello->ring_to_core_bytes));
    }
    return good;
}

static bool partitions_take(struct peer *peer, int blob)
{
    const uint32_t count = peer->hello.partition_count;
    peer->partitions = calloc(count + 1ULL, sizeof(*peer->partitions));
    return peer->partitions != NULL &&
           link_blob_read(peer->world, blob, peer->partitions, count * sizeof(*peer->partitions)) ==
               0 &&
           session_partitions_check(peer->partitions, count, peer->hello.directory_count) == NULL;
}

/* Takes a handle out of the message, so that the message's end does not close it. */
static int handle_keep(struct link_message *message, uint32_t at)
{
    const int handle = message->handles[at];
    message->handles[at] = LINK_NO_HANDLE;
    return handle;
}

/* NULL, or why this HELLO cannot be joined. */
static const char *hello_join(struct peer *peer)
{
    struct link_message *message = &peer->message;
    const char *reason = session_hello_check(message, &peer->hello);
    if (reason != NULL) {
        return reason;
    }
    if (!rings_map(peer, message->handles[SESSION_HANDLE_RINGS])) {
        return "its rings cannot be mapped";
    }
    if (!partitions_take(peer, message->handles[SESSION_HANDLE_PARTITIONS])) {
        return "its list of partitions is malformed";
    }
    struct log_shared *log_shared = link_memory_map(
        peer->world, message->handles[SESSION_HANDLE_LOG_SHARED], sizeof(*log_shared), true);
    if (log_shared == NULL) {
        return "its counts of failed flushes cannot be mapped";
    }
    log_shared_keep(peer, log_shared); /* PEER_HELLO follows. */
    peer->control_bell = handle_keep(message, SESSION_HANDLE_CONTROL_BELL);
    uint32_t at = SESSION_HANDLE_STATISTICS;
    if (peer->hello.statistics_bytes > 0) {
        peer->statistics =
            link_memory_map(peer->world, message->handles[at], peer->hello.statistics_bytes, false);
        at++;
    }
    for (uint32_t i = 0; i < peer->hello.core_count; i++) {
        peer->cores[i].bell = handle_keep(message, at + i);
    }
    return NULL;
}

/* ---- Messages of the socket ----------------------------------------------------------------- */

static const char *applied_take(struct peer *peer, struct peer_event *event)
{
    struct session_applied applied;
    memcpy(&applied, peer->message.bytes, sizeof(applied));
    const uint32_t handles = applied.failure_count > 0 ? 1 : 0;
    if (applied.failure_count > SESSION_PARTITIONS_MAX || peer->message.handle_count != handles) {
        return "a malformed APPLIED";
    }
    peer->applying = false;
    free(peer->failures);
    peer->failures = calloc(applied.failure_count + 1ULL, sizeof(*peer->failures));
    if (peer->failures == NULL ||
        (handles > 0 && link_blob_read(peer->world, peer->message.handles[0], peer->failures,
                                       applied.failure_count * sizeof(*peer->failures)) != 0)) {
        return "the failures of an APPLIED cannot be read";
    }
    *event = (struct peer_event){.kind = PEER_APPLIED,
                                 .version = applied.version,
                                 .failures = peer->failures,
                                 .failure_count = applied.failure_count};
    return NULL;
}

static const char *failed_take(struct peer *peer, struct peer_event *event)
{
    struct session_directory_failed failed;
    memcpy(&failed, peer->message.bytes, sizeof(failed));
    if (failed.directory >= peer->hello.directory_count) {
        return "a directory that is not there has failed";
    }
    *event = (struct peer_event){
        .kind = PEER_DIRECTORY_FAILED, .directory = failed.directory, .status = failed.status};
    return NULL;
}

static const char *message_take(struct peer *peer, struct peer_event *event)
{
    uint32_t kind = 0;
    const uint32_t len = peer->message.len;
    if (!peer->joined) {
        const char *reason = hello_join(peer);
        peer->joined = reason == NULL;
        event->kind = peer->joined ? PEER_HELLO : PEER_NOTHING;
        peer->counters.sessions += peer->joined;
        return reason;
    }
    if (len >= sizeof(kind)) {
        memcpy(&kind, peer->message.bytes, sizeof(kind));
    }
    if (kind == SESSION_APPLIED && len == sizeof(struct session_applied)) {
        return applied_take(peer, event);
    }
    if (kind == SESSION_DIRECTORY_FAILED && len == sizeof(struct session_directory_failed)) {
        return failed_take(peer, event);
    }
    if (kind == SESSION_STOPPING && len == sizeof(struct session_stopping)) {
        event->kind = PEER_STOPPING;
        return NULL;
    }
    return "a message of unknown kind";
}

static void peer_connect(struct peer *peer, uint64_t now_ns)
{
    if (now_ns < peer->connect_at_ns) {
        return;
    }
    peer->connect_at_ns = now_ns + CONNECT_INTERVAL_NS;
    const int link = link_connect(peer->world, peer->socket_path);
    if (link >= 0) {
        peer->link = link;
        peer->hello_until_ns = now_ns + HELLO_WAIT_NS;
    }
}

static void message_end(struct peer *peer)
{
    for (uint32_t i = 0; i < peer->message.handle_count; i++) {
        if (peer->message.handles[i] != LINK_NO_HANDLE) {
            link_close(peer->world, peer->message.handles[i]);
        }
    }
    peer->message.handle_count = 0;
}

struct peer_event peer_turn(struct peer *peer, uint64_t now_ns)
{
    struct peer_event event = {.kind = PEER_NOTHING};
    peer->now_ns = now_ns;
    if (!peer->lost && peer->link == LINK_NO_HANDLE) {
        peer_connect(peer, now_ns);
    }
    const bool expected = !peer->unheard || !peer->joined || peer->applying;
    if (!peer->lost && peer->link != LINK_NO_HANDLE && expected) {
        const int got = link_receive(peer->world, peer->link, &peer->message);
        if (got > 0) {
            const char *reason = message_take(peer, &event);
            message_end(peer);
            if (reason != NULL) {
                event.kind = PEER_NOTHING;
                session_lose(peer, reason);
            }
        } else if (got != -EAGAIN) {
            session_lose(peer, "the dataplane closed it");
        } else if (!peer->joined && now_ns >= peer->hello_until_ns) {
            session_lose(peer, "no HELLO came");
        }
    }
    if (peer->lost) {
        peer->lost = false;
        return (struct peer_event){.kind = PEER_LOST, .reason = peer->lost_reason};
    }
    return event;
}

const struct session_hello *peer_hello(const struct peer *peer)
{
    return peer->joined ? &peer->hello : NULL;
}

const struct session_partition *peer_partitions(const struct peer *peer)
{
    return peer->joined ? peer->partitions : NULL;
}

struct log_shared *peer_log_shared(const struct peer *peer)
{
    return peer->log_shared;
}

void *peer_take_statistics(struct peer *peer, uint64_t *bytes)
{
    void *statistics = peer->statistics;
    *bytes = peer->hello.statistics_bytes;
    peer->statistics = NULL;
    return statistics;
}

bool peer_publish(struct peer *peer, uint64_t version, struct bytes image)
{
    if (!peer->joined) {
        return false;
    }
    const int blob = link_blob_make(peer->world, "millrace-snapshot", image);
    if (blob < 0) {
        return false;
    }
    const struct session_snapshot header = {
        .kind = SESSION_SNAPSHOT, .version = version, .size = image.len};
    memcpy(peer->message.bytes, &header, sizeof(header));
    peer->message.len = sizeof(header);
    peer->message.handle_count = 1;
    peer->message.handles[0] = blob;
    const int sent = link_send(peer->world, peer->link, &peer->message);
    peer->message.handle_count = 0;
    link_close(peer->world, blob);
    if (sent == 0) {
        peer->applying = true;
        peer->counters.snapshots++;
        peer->counters.snapshot_bytes += image.len;
    } else if (sent != -EAGAIN) {
        session_lose(peer, "a snapshot could not be sent");
    }
    return sent == 0;
}

/* ---- Requests ------------------------------------------------------------------------------- */

/* Adds a piece; the request when it is whole. */
static struct peer_request *piece_add(struct peer_core *core, uint32_t index,
                                      const struct slow_fragment *fragment)
{
    if (core->incoming == NULL) {
        core->incoming = malloc(sizeof(*core->incoming) + fragment->total_len);
        ASSERT(core->incoming != NULL);
        memset(core->incoming, 0, sizeof(*core->incoming));
        core->incoming->header = fragment->header;
        core->incoming->core = index;
        core->incoming->payload =
            (struct bytes){(uint8_t *)(core->incoming + 1), fragment->total_len};
        core->incoming_len = 0;
    }
    if (fragment->payload.len > 0) {
        memcpy((uint8_t *)(core->incoming + 1) + core->incoming_len, fragment->payload.ptr,
               fragment->payload.len);
        core->incoming_len += fragment->payload.len;
    }
    if (!fragment->last) {
        return NULL;
    }
    struct peer_request *whole = core->incoming;
    core->incoming = NULL;
    return whole;
}

/* The next message may be the piece behind the last one. */
static void piece_begin(struct peer_core *core, struct outgoing *outgoing)
{
    const uint32_t most = outgoing_long(outgoing) ? SLOW_PIECE_BYTES_MAX : outgoing->len;
    outgoing->piece_from = outgoing->piece_end;
    outgoing->piece_end += min_u32(outgoing->len - outgoing->piece_end, most);
    outgoing->header.more_bytes = outgoing->len - outgoing->piece_end;
    outgoing->begun = false;
    list_push_back(&core->outgoing, &outgoing->node);
}

/* True when the request is about an answer that is held, and served. */
static bool held_serve(struct peer *peer, const struct peer_request *request)
{
    struct peer_core *core = &peer->cores[request->core];
    if (request->header.kind != SLOW_MORE && request->header.kind != SLOW_DROPPED) {
        return false;
    }
    const bool more = request->header.kind == SLOW_MORE;
    LIST_FOR_EACH(node, &core->held)
    {
        struct outgoing *outgoing = CONTAINER_OF(node, struct outgoing, node);
        if (outgoing->header.request_number != request->header.request_number) {
            continue;
        }
        if (more) {
            list_remove(node);
            piece_begin(core, outgoing);
        } else {
            outgoing_free(peer, outgoing);
        }
        return true;
    }
    if (more) {
        struct slow_header header = request->header;
        header.kind = SLOW_ERROR;
        header.error_code = ERROR_REQUEST_TIMED_OUT;
        peer_send(peer, request->core, &header, NULL, 0);
    }
    return true;
}

void peer_drop_stalled(struct peer *peer, uint64_t stalled_ns)
{
    for (uint32_t i = 0; peer->joined && i < peer->hello.core_count; i++) {
        LIST_FOR_EACH(node, &peer->cores[i].held)
        {
            struct outgoing *outgoing = CONTAINER_OF(node, struct outgoing, node);
            if (peer->now_ns - outgoing->held_ns < stalled_ns) {
                break;
            }
            outgoing_free(peer, outgoing);
        }
    }
}

struct peer_request *peer_receive(struct peer *peer)
{
    const uint32_t count = peer->joined ? peer->hello.core_count : 0;
    for (uint32_t empty = 0; empty < count;) {
        const uint32_t index = peer->next_core;
        struct peer_core *core = &peer->cores[index];
        struct slow_fragment fragment;
        const enum byte_ring_status status = fragment_receive(&core->reader, &fragment);
        if (status == BYTE_RING_BROKEN) {
            session_lose(peer, "a ring was malformed");
            return NULL;
        }
        if (status == BYTE_RING_EMPTY) {
            peer->next_core = (index + 1) % count;
            empty++;
            continue;
        }
        struct peer_request *request = piece_add(core, index, &fragment);
        fragment_release(&core->reader);
        if (request != NULL && held_serve(peer, request)) {
            free(request);
        } else if (request != NULL) {
            peer->next_core = (index + 1) % count;
            peer->counters.requests++;
            peer->counters.request_bytes += request->payload.len;
            return request;
        }
    }
    return NULL;
}

/* ---- Answers -------------------------------------------------------------------------------- */

void peer_send(struct peer *peer, uint32_t core, const struct slow_header *header, uint8_t *body,
               uint32_t len)
{
    if (!peer->joined || core >= peer->hello.core_count) {
        free(body);
        return;
    }
    struct outgoing *outgoing = calloc(1, sizeof(*outgoing));
    ASSERT(outgoing != NULL);
    outgoing->header = *header;
    outgoing->body = body;
    outgoing->len = len;
    if (outgoing_long(outgoing)) {
        peer->counters.long_bytes += len;
    }
    piece_begin(&peer->cores[core], outgoing);
}

/* True when the piece is in the ring. */
static bool outgoing_move(struct peer_core *core, struct outgoing *outgoing, uint32_t *pieces)
{
    const uint32_t from = outgoing->piece_from;
    const uint32_t end = outgoing->piece_end;
    while (!outgoing->begun || outgoing->sent < end) {
        const struct bytes rest = {outgoing->body + outgoing->sent, end - outgoing->sent};
        const int64_t sent = fragment_send_piece(&core->writer, &outgoing->header, chain_of(&rest),
                                                 outgoing->sent - from, end - from);
        if (sent < 0) {
            return false;
        }
        outgoing->begun = true;
        outgoing->sent += (uint32_t)sent;
        (*pieces)++;
    }
    return true;
}

static uint32_t core_flush(struct peer *peer, struct peer_core *core)
{
    uint32_t pieces = 0;
    struct list_node *node;
    while ((node = list_first(&core->outgoing)) != NULL) {
        struct outgoing *outgoing = CONTAINER_OF(node, struct outgoing, node);
        if (!outgoing_move(core, outgoing, &pieces)) {
            /* The core rings when it has made room; look once more for what it did meanwhile. */
            ring_wake_arm(&core->writer.ring.memory->producer);
            if (!outgoing_move(core, outgoing, &pieces)) {
                break;
            }
        }
        peer->counters.reply_bytes += outgoing->piece_end - outgoing->piece_from;
        if (outgoing->piece_end < outgoing->len) {
            list_remove(node);
            outgoing->held_ns = peer->now_ns;
            list_push_back(&core->held, node);
        } else {
            peer->counters.replies++;
            outgoing_free(peer, outgoing);
        }
    }
    if (pieces > 0 && ring_wake_take(&core->writer.ring.memory->consumer)) {
        link_bell_ring(peer->world, core->bell);
    }
    return pieces;
}

uint32_t peer_flush(struct peer *peer)
{
    uint32_t work = 0;
    for (uint32_t i = 0; peer->joined && i < peer->hello.core_count; i++) {
        if (list_empty(&peer->cores[i].outgoing)) {
            continue;
        }
        work += core_flush(peer, &peer->cores[i]);
        if (peer->cores[i].writer.ring.broken) {
            session_lose(peer, "a ring was malformed");
        }
    }
    return work;
}

/* ---- Sleeping ------------------------------------------------------------------------------- */

static void wake_disarm(struct peer *peer)
{
    for (uint32_t i = 0; peer->joined && i < peer->hello.core_count; i++) {
        ring_wake_disarm(&peer->cores[i].reader.ring.memory->consumer);
    }
}

bool peer_sleep(struct peer *peer)
{
    if (peer->lost) {
        return false;
    }
    bool readable = false;
    for (uint32_t i = 0; peer->joined && i < peer->hello.core_count; i++) {
        struct byte_ring_consumer *ring = &peer->cores[i].reader.ring;
        ring_wake_arm(&ring->memory->consumer);
        readable = readable || byte_ring_readable(ring);
    }
    if (readable) {
        wake_disarm(peer);
    }
    return !readable;
}

void peer_wake(struct peer *peer, uint32_t readable)
{
    wake_disarm(peer);
    peer->unheard = (readable & 1U << PEER_HANDLE_LINK) == 0;
    if (peer->control_bell != LINK_NO_HANDLE && (readable & 1U << PEER_HANDLE_BELL) != 0) {
        link_bell_clear(peer->world, peer->control_bell);
    }
}

void peer_handles(const struct peer *peer, int handles[PEER_HANDLES])
{
    handles[PEER_HANDLE_LINK] = peer->link;
    handles[PEER_HANDLE_BELL] = peer->control_bell;
}

uint64_t peer_deadline_ns(const struct peer *peer)
{
    if (peer->lost) {
        return 0;
    }
    if (peer->link == LINK_NO_HANDLE) {
        return peer->connect_at_ns;
    }
    return peer->joined ? UINT64_MAX : peer->hello_until_ns;
}

const struct peer_counters *peer_counters(const struct peer *peer)
{
    return &peer->counters;
}
