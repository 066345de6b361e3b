#include "dataplane/broker/call.h"

#include "dataplane/broker/error_map.h"
#include "dataplane/broker/hosted.h"

enum {
    PRODUCE_VERSION = 12, /* Whose rules hold for an append. */
    EPOCH_EACH_FROM = 2,  /* transaction.version: every transaction has an epoch of its own. */
};

_Static_assert((int)CALL_RUNS_MAX >= (int)SLOW_APPEND_BYTES_MAX / (int)SLOW_CALL_UNIT_BYTES,
               "a batch's units may lie apart");

static struct call *call_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct call, node);
}

static void runs_give(struct broker *broker, struct call *call)
{
    for (uint32_t i = 0; i < call->run_count; i++) {
        region_give(&broker->call_memory, call->runs[i].ptr, call->runs[i].len);
    }
    call->run_count = 0;
}

static void extents_give(struct broker *broker, struct call *call)
{
    for (uint32_t i = 0; call->reads && i < call->read.extent_count; i++) {
        log_extent_release(broker->log, call->read.extents[i].hold);
    }
    call->read.extent_count = 0;
}

static void call_free(struct broker *broker, struct call *call)
{
    if (call->reads) {
        extents_give(broker, call);
    }
    runs_give(broker, call);
    pool_give(&broker->calls, call);
}

/* ---- Answers -------------------------------------------------------------------------------- */

/* The extents as a chain over *parts, at most what a message takes. */
static struct chain chain_of_read(const struct call *call, struct bytes parts[READ_EXTENTS_MAX])
{
    const struct log_read *read = &call->read;
    uint32_t len = 0;
    for (uint32_t i = 0; call->reads && i < read->extent_count; i++) {
        parts[i] = read->extents[i].bytes;
        len += parts[i].len;
    }
    return (struct chain){.parts = parts, .len = min_u32(len, SLOW_PIECE_BYTES_MAX)};
}

/* True when it is over. */
static bool call_answer(struct broker *broker, struct call *call)
{
    struct bytes parts[READ_EXTENTS_MAX];
    struct slow_header header;
    memset(&header, 0, sizeof(header));
    header.kind = call->reads ? SLOW_RECORDS : SLOW_APPENDED;
    header.request_number = call->number;
    header.error_code = call->error;
    header.topic_id = call->id.topic_id;
    header.partition = call->id.index;
    header.skip_bytes = call->skip_bytes;
    header.offset = call->offset;
    header.end_offset = call->end_offset;
    if (call->session == broker->slow_session &&
        !channel_send(broker->setup.channel, &header, chain_of_read(call, parts))) {
        return false;
    }
    call_free(broker, call);
    return true;
}

static bool call_fail(struct broker *broker, struct call *call, int16_t error)
{
    call->answered = true;
    call->error = error;
    return call_answer(broker, call);
}

/* ---- Appends -------------------------------------------------------------------------------- */

/* True when it waits no longer. */
static bool append_run(struct broker *broker, struct hosted *hosted, struct call *call)
{
    uint32_t len = 0;
    for (uint32_t i = 0; i < call->run_count; i++) {
        len += call->runs[i].len;
    }
    call->append = (struct append){.batch = {.parts = call->runs, .len = len},
                                   .ack = APPEND_ACK_FLUSHED,
                                   .internal = true,
                                   .api_version = PRODUCE_VERSION,
                                   .txn.epoch_each = call->txn_version >= EPOCH_EACH_FROM,
                                   .owner = call};
    const enum log_status status = log_append(broker->log, hosted->partition, &call->append);
    if (status == LOG_BUSY) {
        return false;
    }
    if (status == LOG_PENDING) {
        broker->calls_lent++;
        broker->appends_lent++;
        return true;
    }
    call->append.status = status;
    call->offset = call->append.base_offset;
    return call_fail(broker, call, error_of_append(&call->append));
}

void call_append_done(struct broker *broker, struct append *append)
{
    struct call *call = append->owner;
    broker->calls_lent--;
    if (call->session == broker->slow_session) {
        broker->appends_lent--;
    } else {
        broker->appends_lent_old--;
    }
    call->offset = append->base_offset;
    if (!call_fail(broker, call, error_of_append(append))) {
        list_push_back(&broker->calls_waiting, &call->node);
    }
}

/* ---- Reads ---------------------------------------------------------------------------------- */

static bool read_answer(struct broker *broker, struct call *call)
{
    const enum log_status status = call->read.status;
    if (status != LOG_OK) {
        call->read.extent_count = 0;
    }
    if (status == LOG_BUSY) {
        return false;
    }
    if (status != LOG_OK) {
        return call_fail(broker, call, error_of_log(status));
    }
    call->answered = true;
    return call_answer(broker, call);
}

/* True when it waits no longer. */
static bool read_run(struct broker *broker, struct hosted *hosted, struct call *call)
{
    const struct partition *partition = hosted->partition;
    const int64_t end = partition_end(partition);
    call->read.extent_count = 0;
    if (partition_state(partition) != LOG_OK) {
        return call_fail(broker, call, error_of_log(partition_state(partition)));
    }
    if (call->offset == SLOW_READ_BOUNDS) {
        call->offset = partition_log_start(partition);
        call->end_offset = partition_high_watermark(partition);
        call->answered = true;
        return call_answer(broker, call);
    }
    if (broker->appends_lent_old > 0 || partition_high_watermark(partition) < end) {
        return false; /* What sessions before have appended is on its way, to be flushed. */
    }
    if (call->offset < 0) {
        call->offset = partition_log_start(partition);
    }
    call->end_offset = end;
    if (call->offset == end) {
        call->answered = true;
        return call_answer(broker, call);
    }
    call->read = (struct log_read){.offset = call->offset,
                                   .upper_offset = end,
                                   .bytes_max = SLOW_PIECE_BYTES_MAX,
                                   .skip = call->skip_bytes,
                                   .whole_batch = true,
                                   .sequential = true,
                                   .owner = broker};
    call->read.status = log_read(broker->log, hosted->partition, &call->read);
    if (call->read.status == LOG_PENDING) {
        broker->calls_lent++;
        return true;
    }
    return read_answer(broker, call);
}

void call_read_done(struct broker *broker, struct log_read *read)
{
    struct call *call = CONTAINER_OF(read, struct call, read);
    broker->calls_lent--;
    if (!read_answer(broker, call)) {
        list_push_back(&broker->calls_waiting, &call->node);
    }
}

/* ---- The turn ------------------------------------------------------------------------------- */

/* True when it waits no longer. */
static bool call_run(struct broker *broker, struct call *call)
{
    int32_t current_epoch;
    if (call->session != broker->slow_session) {
        call_free(broker, call);
        return true;
    }
    if (call->answered) {
        return call_answer(broker, call);
    }
    int16_t error = ERROR_NONE;
    struct hosted *hosted =
        hosted_check(broker, &call->id, call->leader_epoch, &error, &current_epoch);
    if (hosted == NULL) {
        return call_fail(broker, call, error);
    }
    return call->reads ? read_run(broker, hosted, call) : append_run(broker, hosted, call);
}

/* An earlier append to its partition waits. */
static bool comes_later(struct broker *broker, const struct call *call)
{
    for (struct list_node *at = broker->calls_waiting.head.next; at != &call->node; at = at->next) {
        const struct call *other = call_of(at);
        if (!other->reads && !other->answered && other->id.index == call->id.index &&
            uuid_equal(other->id.topic_id, call->id.topic_id)) {
            return true;
        }
    }
    return false;
}

uint32_t calls_turn(struct broker *broker, uint32_t budget)
{
    uint32_t done = 0;
    LIST_FOR_EACH(node, &broker->calls_waiting)
    {
        struct call *call = call_of(node);
        if (done == budget) {
            break;
        }
        if (!call->answered && comes_later(broker, call)) {
            continue;
        }
        /* Out of the list first: it may be gone afterwards, or with the log. */
        struct list_node *before = node->prev;
        list_remove(node);
        if (call_run(broker, call)) {
            done++;
        } else {
            list_insert_before(before->next, node);
        }
    }
    return done;
}

/* NULL: no memory for it now. */
static struct call *call_begin(struct broker *broker, const struct slow_fragment *fragment)
{
    const struct slow_header *header = &fragment->header;
    struct call *call = pool_take(&broker->calls);
    if (call == NULL) {
        return NULL;
    }
    memset(call, 0, offsetof(struct call, append));
    call->reads = header->kind == SLOW_READ;
    call->read.extent_count = 0;
    if (fragment->total_len > 0) {
        call->run_count =
            region_take_runs(&broker->call_memory, fragment->total_len, call->runs, CALL_RUNS_MAX);
        if (call->run_count == 0) {
            pool_give(&broker->calls, call);
            return NULL;
        }
    }
    call->session = broker->slow_session;
    call->number = header->request_number;
    call->id = (struct partition_id){header->topic_id, header->partition};
    call->leader_epoch = header->leader_epoch;
    call->offset = header->offset;
    call->skip_bytes = header->skip_bytes;
    call->txn_version = header->api_version;
    return call;
}

static void batch_take(struct call *call, struct bytes from, uint32_t at)
{
    for (uint32_t i = 0; from.len > 0 && i < call->run_count; i++) {
        const struct bytes run = call->runs[i];
        if (at >= run.len) {
            at -= run.len;
            continue;
        }
        const uint32_t count = min_u32(from.len, run.len - at);
        memcpy((uint8_t *)(uintptr_t)run.ptr + at, from.ptr, count);
        from = (struct bytes){from.ptr + count, from.len - count};
        at = 0;
    }
}

bool call_take(struct broker *broker, const struct slow_fragment *fragment)
{
    if (fragment->offset == 0) {
        broker->call_incoming = call_begin(broker, fragment);
    }
    struct call *call = broker->call_incoming;
    if (call == NULL) {
        return false;
    }
    batch_take(call, fragment->payload, fragment->offset);
    if (fragment->last) {
        broker->call_incoming = NULL;
        list_push_back(&broker->calls_waiting, &call->node);
    }
    return true;
}

void calls_session_changed(struct broker *broker)
{
    broker->appends_lent_old += broker->appends_lent;
    broker->appends_lent = 0;
    if (broker->call_incoming != NULL) {
        call_free(broker, broker->call_incoming);
        broker->call_incoming = NULL;
    }
    LIST_FOR_EACH(node, &broker->calls_waiting)
    {
        list_remove(node);
        call_free(broker, call_of(node));
    }
}
