#include "control/call.h"

#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "dataplane/slowpath/snapshot.h"

/* A core's, as far as it goes. */
struct call_core {
    struct list waiting; /* For room there. */
    struct list sent;    /* By number. */
    uint32_t count;
    uint32_t units;
};

struct calls {
    struct peer *peer;
    uint64_t number;
    struct call_core cores[SESSION_CORES_MAX];
};

struct calls *calls_create(struct peer *peer)
{
    struct calls *calls = calloc(1, sizeof(*calls));
    if (calls != NULL) {
        calls->peer = peer;
        calls_over(calls);
    }
    return calls;
}

void calls_destroy(struct calls *calls)
{
    free(calls);
}

void calls_over(struct calls *calls)
{
    for (uint32_t i = 0; i < SESSION_CORES_MAX; i++) {
        list_init(&calls->cores[i].waiting);
        list_init(&calls->cores[i].sent);
        calls->cores[i].count = 0;
        calls->cores[i].units = 0;
    }
}

static struct call *call_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct call, node);
}

static uint32_t units_of(const struct call *call)
{
    return (call->batch.len + SLOW_CALL_UNIT_BYTES - 1) / SLOW_CALL_UNIT_BYTES;
}

static void call_send(struct calls *calls, struct call_core *core, struct call *call)
{
    struct slow_header header;
    memset(&header, 0, sizeof(header));
    header.kind = call->kind == CALL_APPEND ? SLOW_APPEND : SLOW_READ;
    header.request_number = call->number;
    header.topic_id = call->id.topic_id;
    header.partition = call->id.index;
    header.leader_epoch = call->leader_epoch;
    header.offset = call->kind == CALL_BOUNDS ? SLOW_READ_BOUNDS : call->offset;
    header.skip_bytes = call->skip_bytes;
    header.api_version = call->txn_version;
    uint8_t *body = NULL;
    if (call->batch.len > 0) {
        body = malloc(call->batch.len);
        ASSERT(body != NULL);
        memcpy(body, call->batch.ptr, call->batch.len);
    }
    core->count++;
    core->units += units_of(call);
    list_push_back(&core->sent, &call->node);
    peer_send(calls->peer, call->core, &header, body, call->batch.len);
}

static void core_send(struct calls *calls, struct call_core *core)
{
    struct list_node *node;
    while ((node = list_first(&core->waiting)) != NULL) {
        struct call *call = call_of(node);
        if (core->count == SLOW_CALLS_MAX ||
            core->units + units_of(call) > SLOW_CALL_BYTES_MAX / SLOW_CALL_UNIT_BYTES) {
            break;
        }
        list_remove(node);
        call_send(calls, core, call);
    }
}

void call_start(struct calls *calls, struct call *call)
{
    const struct session_hello *hello = peer_hello(calls->peer);
    ASSERT(hello != NULL);
    ASSERT((call->kind == CALL_APPEND) == (call->batch.len > 0));
    memset(&call->node, 0, sizeof(call->node));
    call->number = ++calls->number;
    call->core = snapshot_partition_core(&call->id.topic_id, call->id.index, hello->core_count);
    call->base_offset = -1;
    call->end_offset = -1;
    call->records = (struct bytes){0};
    if (call->batch.len > SLOW_APPEND_BYTES_MAX) {
        call->error_code = ERROR_MESSAGE_TOO_LARGE;
        call->done(call);
        return;
    }
    struct call_core *core = &calls->cores[call->core];
    list_push_back(&core->waiting, &call->node);
    core_send(calls, core);
}

bool calls_answer(struct calls *calls, const struct peer_request *message)
{
    const struct slow_header *header = &message->header;
    struct call_core *core = &calls->cores[message->core];
    LIST_FOR_EACH(node, &core->sent)
    {
        struct call *call = call_of(node);
        const enum slow_kind kind = call->kind == CALL_APPEND ? SLOW_APPENDED : SLOW_RECORDS;
        if (call->number != header->request_number) {
            continue;
        }
        if (header->kind != kind) {
            return false;
        }
        list_remove(node);
        core->count--;
        core->units -= units_of(call);
        call->error_code = header->error_code;
        if (call->kind == CALL_READ) {
            call->offset = header->offset;
            call->end_offset = header->end_offset;
            call->records = message->payload;
        } else {
            call->base_offset = header->offset;
            call->end_offset = call->kind == CALL_BOUNDS ? header->end_offset : call->end_offset;
        }
        call->done(call);
        core_send(calls, core);
        return true;
    }
    return false;
}
