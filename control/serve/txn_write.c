#include "control/serve/txn_write.h"

#include <stdlib.h>

#include "control/control_state.h"
#include "control/serve/parts.h"

enum {
    /* Of SLOW_CALLS_MAX of a core: what coordinators append need not wait behind them (H21). */
    WRITES_OUT_MAX = 32,
    SENT_PER_TURN = 256,
};

/* One marker in one partition: a part. */
struct place {
    struct part *part;
    struct bytes topic;
    struct marker_write write;
};

struct write_request {
    struct parts all;
    struct txns *txns;
    struct write_txn_markers_request body;
    struct place *places; /* By part, in the request's order. */
};

PARTS_SEND_OF(write_txn_markers)

/* Coordinators of groups that are not ready are partitions without a leader here, as in Kafka. */
static int16_t error_told(int16_t error_code)
{
    switch (error_code) {
    case ERROR_COORDINATOR_LOAD_IN_PROGRESS:
    case ERROR_COORDINATOR_NOT_AVAILABLE:
    case ERROR_NOT_COORDINATOR: return ERROR_NOT_LEADER_OR_FOLLOWER;
    default: return error_code;
    }
}

static void place_written(struct marker_write *write, int16_t error_code)
{
    struct part *part = CONTAINER_OF(write, struct place, write)->part;
    txns_writes(((const struct write_request *)part->all)->txns)->out_count--;
    part_fail(part, error_told(error_code));
}

/* NULL: there is no such partition. */
static const struct image_topic *topic_of(const struct write_request *whole,
                                          const struct place *place)
{
    const struct image_topic *topic =
        image_topic_by_name(&txns_control(whole->txns)->store.image, place->topic);
    return topic == NULL || place->write.partition < 0 ||
                   place->write.partition >= (int32_t)topic->partition_count
               ? NULL
               : topic;
}

static void place_run(struct part *part, uint64_t *taken)
{
    const struct write_request *whole = (const struct write_request *)part->all;
    struct place *place = &whole->places[part->index];
    (void)taken; /* Bounded by the number of parts. */
    place->part = part;
    if (topic_of(whole, place) == NULL) {
        part_fail(part, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    } else if (place->write.producer_id < 0 || place->write.producer_epoch < 0) {
        part_fail(part, ERROR_UNKNOWN_SERVER_ERROR); /* As Kafka: nobody's marker. */
    } else {
        list_push_back(&txns_writes(whole->txns)->waiting, &part->node);
    }
}

static void place_send(struct txn_writes *writes, struct part *part)
{
    const struct write_request *whole = (const struct write_request *)part->all;
    struct place *place = &whole->places[part->index];
    const struct image_topic *topic = topic_of(whole, place);
    list_remove(&part->node);
    list_push_back(&writes->out, &part->node);
    writes->out_count++;
    if (topic == NULL) {
        place_written(&place->write, ERROR_UNKNOWN_TOPIC_OR_PARTITION); /* Deleted meanwhile. */
    } else {
        txn_marker_write(whole->txns, topic, &place->write);
    }
}

static uint64_t places_count(const struct write_request *whole)
{
    struct write_txn_markers_request_marker_array markers = whole->body.markers;
    struct write_txn_markers_request_marker marker;
    struct write_txn_markers_request_topic topic;
    uint64_t count = 0;
    while (write_txn_markers_request_marker_array_next(&markers, &marker)) {
        while (write_txn_markers_request_topic_array_next(&marker.topics, &topic)) {
            count += (uint64_t)topic.partition_indexes.count;
        }
    }
    return count;
}

static void topic_place(struct write_request *whole,
                        const struct write_txn_markers_request_marker *marker,
                        struct write_txn_markers_request_topic *topic, struct place **next)
{
    const struct bytes name = arena_flat(&whole->all.arena, topic->name);
    int32_t partition;
    while (i32_array_next(&topic->partition_indexes, &partition)) {
        *(*next)++ =
            (struct place){.topic = name,
                           .write = {.marker = {.commit = marker->transaction_result,
                                                .coordinator_epoch = marker->coordinator_epoch},
                                     .producer_id = marker->producer_id,
                                     .producer_epoch = marker->producer_epoch,
                                     .version = marker->transaction_version,
                                     .partition = partition,
                                     .done = place_written}};
    }
}

static void places_make(struct write_request *whole)
{
    struct write_txn_markers_request_marker_array markers = whole->body.markers;
    struct write_txn_markers_request_marker marker;
    struct write_txn_markers_request_topic topic;
    whole->places = ARENA_ARRAY(&whole->all.arena, struct place, whole->all.count);
    struct place *next = whole->places;
    while (write_txn_markers_request_marker_array_next(&markers, &marker)) {
        while (write_txn_markers_request_topic_array_next(&marker.topics, &topic)) {
            topic_place(whole, &marker, &topic, &next);
        }
    }
}

/* ---- The answer ----------------------------------------------------------------------------- */

static struct write_txn_markers_response_topic
topic_answer(struct write_request *whole, struct write_txn_markers_request_topic *topic,
             const struct part **next)
{
    struct write_txn_markers_response_partition *items =
        ARENA_ARRAY(&whole->all.arena, struct write_txn_markers_response_partition,
                    topic->partition_indexes.count);
    int32_t count = 0;
    int32_t partition;
    while (i32_array_next(&topic->partition_indexes, &partition)) {
        items[count++] = (struct write_txn_markers_response_partition){partition, (*next)++->error};
    }
    return (struct write_txn_markers_response_topic){topic->name, {.items = items, .count = count}};
}

static bool write_finish(struct parts *all)
{
    struct write_request *whole = (struct write_request *)all;
    struct write_txn_markers_response response = write_txn_markers_response_default;
    struct write_txn_markers_request_marker_array markers = whole->body.markers;
    struct write_txn_markers_request_marker marker;
    struct write_txn_markers_response_marker *items =
        ARENA_ARRAY(&all->arena, struct write_txn_markers_response_marker, markers.count);
    const struct part *next = all->parts;
    txns_writes(whole->txns)->places -= all->count;
    while (write_txn_markers_request_marker_array_next(&markers, &marker)) {
        struct write_txn_markers_request_topic topic;
        struct write_txn_markers_response_topic *topics =
            ARENA_ARRAY(&all->arena, struct write_txn_markers_response_topic, marker.topics.count);
        int32_t count = 0;
        while (write_txn_markers_request_topic_array_next(&marker.topics, &topic)) {
            topics[count++] = topic_answer(whole, &topic, &next);
        }
        items[response.markers.count++] = (struct write_txn_markers_response_marker){
            marker.producer_id, {.items = topics, .count = count}};
    }
    response.markers.items = items;
    write_txn_markers_send(all, parts_version(all), &response);
    return true;
}

/* ---- Running -------------------------------------------------------------------------------- */

void txn_write_run(struct txns *txns, struct peer_request *request)
{
    struct txn_writes *writes = txns_writes(txns);
    struct write_request *whole = calloc(1, sizeof(*whole));
    ASSERT(whole != NULL);
    whole->txns = txns;
    parts_init(&whole->all, txns_control(txns)->peer, request, write_finish);
    struct reader reader;
    reader_init(&reader, chain_of(&request->payload));
    const bool decoded = write_txn_markers_request_decode(&reader, request->header.api_version,
                                                          &whole->body) == CODEC_OK;
    const uint64_t count = decoded ? places_count(whole) : 0;
    if (count <= PARTS_MAX && count + writes->places > PARTS_MAX) {
        /* Others are not done with theirs: to be asked again. */
        parts_send_error(&whole->all, ERROR_NOT_LEADER_OR_FOLLOWER);
        parts_free(&whole->all);
        return;
    }
    if (decoded && parts_make(&whole->all, count > PARTS_MAX ? PARTS_MAX + 1 : (uint32_t)count)) {
        places_make(whole);
        writes->places += whole->all.count;
    }
    parts_run(&whole->all, decoded, place_run);
}

uint32_t txn_writes_turn(struct txns *txns)
{
    struct txn_writes *writes = txns_writes(txns);
    struct list_node *node;
    uint32_t work = 0;
    while (writes->out_count < WRITES_OUT_MAX && work < SENT_PER_TURN &&
           (node = list_first(&writes->waiting)) != NULL) {
        place_send(writes, CONTAINER_OF(node, struct part, node));
        work++;
    }
    return work;
}

uint64_t txn_writes_deadline_ns(const struct txn_writes *writes)
{
    return writes->out_count < WRITES_OUT_MAX && !list_empty(&writes->waiting) ? 0 : UINT64_MAX;
}

void txn_writes_over(struct txns *txns)
{
    struct txn_writes *writes = txns_writes(txns);
    parts_drop(&writes->waiting);
    parts_drop(&writes->out);
    writes->out_count = 0;
    writes->places = 0;
}
