/* Markers: the end of a transaction, written into every partition it touched. Each is tried until
 * it is there; when all are, the coordinator hears of it. */
#include <stdlib.h>

#include "control/control_state.h"
#include "control/serve/txn_request.h"

#define NS_OF_MS 1000000ULL
#define AGAIN_NS (50 * NS_OF_MS)

enum mark_state {
    MARK_WAITS, /* To be sent, at again_ns. */
    MARK_OUT,
    MARK_DONE,
};

struct mark;

struct mark_place {
    struct mark *mark;
    struct bytes topic;
    enum mark_state state;
    struct marker_write write;
};

/* One transaction's. */
struct mark {
    struct list_node node; /* seat->marks */
    struct txn_seat *seat;
    struct arena arena;
    struct bytes transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    int16_t version;
    bool committed;
    uint32_t place_count;
    uint32_t done_count;
    uint64_t again_ns;
    struct mark_place *places;
};

void txn_marks_begin(struct txn_seat *seat, const struct txn_marker *marker)
{
    struct mark *mark = calloc(1, sizeof(*mark));
    ASSERT(mark != NULL);
    mark->seat = seat;
    mark->transactional_id = arena_copy(&mark->arena, marker->transactional_id);
    mark->producer_id = marker->producer_id;
    mark->producer_epoch = marker->producer_epoch;
    mark->version = marker->version;
    mark->committed = marker->committed;
    mark->place_count = marker->place_count;
    mark->places = ARENA_ARRAY(&mark->arena, struct mark_place, marker->place_count);
    for (uint32_t i = 0; i < marker->place_count; i++) {
        struct mark_place *place = &mark->places[i];
        memset(place, 0, sizeof(*place));
        place->mark = mark;
        place->topic = arena_copy(&mark->arena, marker->places[i].topic);
        place->write.partition = marker->places[i].partition;
    }
    list_push_back(&seat->marks, &mark->node);
}

static void mark_free(struct mark *mark)
{
    list_remove(&mark->node);
    arena_free(&mark->arena);
    free(mark);
}

/* What a partition says to it. */
static void place_answered(struct mark_place *place, int16_t error_code)
{
    struct mark *mark = place->mark;
    struct txns *txns = mark->seat->txns;
    struct txns_counters *counters = txns_count(txns);
    switch (error_code) {
    case ERROR_NONE: counters->markers++; break;
    case ERROR_INVALID_PRODUCER_EPOCH:
    case ERROR_TRANSACTION_COORDINATOR_FENCED:
        /* Somebody else has ended it there, with a later epoch. */
        counters->markers_refused++;
        control_say(txns_control(txns), JOURNAL_WARNING, "txn_marker_refused",
                    "producer=%lld epoch=%d partition=%d error=%d", (long long)mark->producer_id,
                    mark->producer_epoch, place->write.partition, error_code);
        break;
    default:
        counters->markers_again++;
        place->state = MARK_WAITS;
        mark->again_ns = txns_control(txns)->now_ns + AGAIN_NS;
        return;
    }
    place->state = MARK_DONE;
    mark->done_count++;
}

static void place_written(struct marker_write *write, int16_t error_code)
{
    place_answered(CONTAINER_OF(write, struct mark_place, write), error_code);
}

static void write_appended(struct call *call)
{
    struct marker_write *write = call->owner;
    write->done(write, call->error_code);
}

static void write_ended(void *owner, int16_t error_code)
{
    struct marker_write *write = owner;
    write->done(write, error_code);
}

void txn_marker_write(struct txns *txns, const struct image_topic *topic,
                      struct marker_write *write)
{
    struct control *control = txns_control(txns);
    const struct bytes batch = producers_marker_batch(
        write->batch, write->producer_id, write->producer_epoch, &write->marker, control->wall_ms);
    if (bytes_equal(topic->name, bytes_of_string("__consumer_offsets"))) {
        const struct groups_txn_end end = {.producer_id = write->producer_id,
                                           .committed = write->marker.commit,
                                           .version = write->version,
                                           .batch = batch,
                                           .done = write_ended,
                                           .owner = write};
        if (!groups_txn_end(control->groups, (uint32_t)write->partition, &end)) {
            write->done(write, ERROR_COORDINATOR_LOAD_IN_PROGRESS);
        }
        return;
    }
    write->call = (struct call){.kind = CALL_APPEND,
                                .id = {topic->id, (uint32_t)write->partition},
                                .leader_epoch = -1,
                                .batch = batch,
                                .txn_version = write->version,
                                .done = write_appended,
                                .owner = write};
    call_start(control->calls, &write->call);
}

static void place_send(struct mark_place *place)
{
    const struct mark *mark = place->mark;
    const struct control *control = txns_control(mark->seat->txns);
    const struct image_topic *topic = image_topic_by_name(&control->store.image, place->topic);
    if (topic == NULL || place->write.partition >= (int32_t)topic->partition_count) {
        place_answered(place, ERROR_NONE); /* Deleted, with what was to be ended. */
        return;
    }
    place->state = MARK_OUT;
    place->write = (struct marker_write){
        .marker = {.commit = mark->committed, .coordinator_epoch = mark->seat->ledger.leader_epoch},
        .producer_id = mark->producer_id,
        .producer_epoch = mark->producer_epoch,
        .version = mark->version,
        .partition = place->write.partition,
        .done = place_written};
    txn_marker_write(mark->seat->txns, topic, &place->write);
}

static void mark_complete(struct mark *mark)
{
    struct txn_seat *seat = mark->seat;
    struct txn_event event = {.kind = TXN_MARKERS_WRITTEN,
                              .written = {.transactional_id = mark->transactional_id,
                                          .producer_id = mark->producer_id,
                                          .producer_epoch = mark->producer_epoch}};
    if (seat->ledger.state == LEDGER_READY) {
        txn_seat_step(seat, &event);
        (void)txn_parked_run(seat, mark->transactional_id);
    }
    mark_free(mark);
}

uint32_t txn_marks_turn(struct txn_seat *seat)
{
    const uint64_t now_ns = txns_control(seat->txns)->now_ns;
    uint32_t work = 0;
    if (seat->ledger.state != LEDGER_READY) {
        return 0; /* It is read anew, and asks again for what is not done. */
    }
    LIST_FOR_EACH(node, &seat->marks)
    {
        struct mark *mark = CONTAINER_OF(node, struct mark, node);
        for (uint32_t i = 0; now_ns >= mark->again_ns && i < mark->place_count; i++) {
            if (mark->places[i].state == MARK_WAITS) {
                place_send(&mark->places[i]);
                work++;
            }
        }
        if (mark->done_count == mark->place_count) {
            mark_complete(mark);
            work++;
        }
    }
    return work;
}

uint64_t txn_marks_deadline_ns(const struct txn_seat *seat)
{
    uint64_t deadline = UINT64_MAX;
    if (seat->ledger.state != LEDGER_READY) {
        return deadline;
    }
    for (struct list_node *at = seat->marks.head.next; at != &seat->marks.head; at = at->next) {
        const struct mark *mark = CONTAINER_OF(at, struct mark, node);
        bool waits = false;
        for (uint32_t i = 0; i < mark->place_count; i++) {
            waits = waits || mark->places[i].state == MARK_WAITS;
        }
        if (mark->done_count == mark->place_count) {
            deadline = 0;
        } else if (waits) {
            deadline = min_u64(deadline, mark->again_ns);
        }
    }
    return deadline;
}

void txn_marks_drop(struct txn_seat *seat)
{
    struct list_node *node;
    while ((node = list_first(&seat->marks)) != NULL) {
        mark_free(CONTAINER_OF(node, struct mark, node));
    }
}

bool txn_marks_quiet(const struct txn_seat *seat)
{
    for (struct list_node *at = seat->marks.head.next; at != &seat->marks.head; at = at->next) {
        const struct mark *mark = CONTAINER_OF(at, struct mark, node);
        for (uint32_t i = 0; i < mark->place_count; i++) {
            if (mark->places[i].state == MARK_OUT) {
                return false;
            }
        }
    }
    return true;
}
