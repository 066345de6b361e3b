/* The answer of a fetch, written around the extents that are lent to the transport. */
#include "dataplane/broker/error_map.h"
#include "dataplane/broker/fetch.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/topics.h"

enum {
    DIVERGING_FROM = 12,
    LEADER_HINTS_FROM = 16,
    NODE_ENDPOINTS_FROM = 16,
};

const struct snapshot_topic *fetch_topic_now(struct broker *broker, struct fetch_topic *topic)
{
    if (topic->looked_in != broker->snapshot_serial) {
        topic->looked_in = broker->snapshot_serial;
        topic->found = topic->by_id
                           ? snapshot_topic_by_id(broker->snapshot, &topic->id)
                           : snapshot_topic_by_name(broker->snapshot,
                                                    (struct bytes){topic->name, topic->name_len});
        if (topic->found != NULL) {
            topic->resolved_id = topic->found->id;
        }
        if (topic->found != NULL && topic->by_id) { /* Sessions go on by this name. */
            topic->name_len = (uint8_t)topic->found->name.len;
            memcpy(topic->name, topic->found->name.ptr, topic->name_len);
        }
    }
    return topic->found;
}

static bool wants_leader(const struct request *request, const struct fetch_item *item)
{
    return request->version >= LEADER_HINTS_FROM && item->topic->found != NULL &&
           (item->error == ERROR_NOT_LEADER_OR_FOLLOWER ||
            item->error == ERROR_FENCED_LEADER_EPOCH);
}

/* Such a partition is answered without a look at any log, as in FetchResponse.partitionResponse. */
static bool not_found(const struct fetch_item *item)
{
    return item->leg == NULL && item->error != ERROR_NOT_LEADER_OR_FOLLOWER &&
           item->error != ERROR_INCONSISTENT_TOPIC_ID;
}

static void encode_item(struct broker *broker, struct request *request, struct writer *writer,
                        const struct fetch_item *item)
{
    const struct fetch *fetch = request->fetch;
    const int16_t version = request->version;
    struct fetch_response_partition out = fetch_response_partition_default;
    out.partition_index = item->partition;
    out.error_code = error_for_fetch(item->error, version);
    out.high_watermark = item->high_watermark;
    out.last_stable_offset = item->last_stable;
    out.log_start_offset = item->log_start;
    out.aborted_transactions.count = fetch->read_committed || not_found(item) ? 0 : -1;
    out.records = CHAIN_EMPTY;
    if (item->diverging && version >= DIVERGING_FROM) {
        out.diverging_epoch.epoch = item->diverging_epoch;
        out.diverging_epoch.end_offset = item->diverging_end;
    }
    const struct snapshot_topic *topic = fetch_topic_now(broker, item->topic);
    if (wants_leader(request, item) && topic != NULL &&
        (uint32_t)item->partition < topic->partition_count) {
        out.current_leader.leader_id = broker->snapshot->broker.node_id;
        out.current_leader.leader_epoch = topic->partitions[item->partition].leader_epoch;
    }
    if (item->got_bytes > 0) {
        if (item->read->aborted_count > 0) {
            out.aborted_transactions.items = item->read->aborted;
            out.aborted_transactions.count = (int32_t)item->read->aborted_count;
        }
        out.records.parts = NULL;
        out.records.len = item->got_bytes;
        broker->splice_reads[broker->splice_count++] = item->read;
    }
    fetch_response_partition_encode(writer, version, &out);
}

static struct fetch_item *next_told(const struct fetch *fetch, struct list_node *node)
{
    for (node = node->next; node != &fetch->items.head; node = node->next) {
        struct fetch_item *item = CONTAINER_OF(node, struct fetch_item, node);
        if (session_must_tell(fetch, item)) {
            return item;
        }
    }
    return NULL;
}

/* Items that came with different requests of a session do not share the object. */
static bool same_topic(const struct fetch_topic *a, const struct fetch_topic *b)
{
    return a == b || (uuid_equal(a->id, b->id) &&
                      (a->by_id || bytes_equal((struct bytes){a->name, a->name_len},
                                               (struct bytes){b->name, b->name_len})));
}

/* How many items from this one on are of its topic and are told one after the other. */
static uint32_t told_of_topic(const struct fetch *fetch, struct fetch_item *item)
{
    const struct fetch_topic *topic = item->topic;
    uint32_t count = 0;
    while (item != NULL && same_topic(item->topic, topic)) {
        count++;
        item = next_told(fetch, &item->node);
    }
    return count;
}

static uint32_t told_topics(struct fetch *fetch)
{
    const struct fetch_topic *topic = NULL;
    uint32_t count = 0;
    for (struct fetch_item *item = next_told(fetch, &fetch->items.head); item != NULL;
         item = next_told(fetch, &item->node)) {
        count += topic == NULL || !same_topic(item->topic, topic);
        topic = item->topic;
    }
    return count;
}

void fetch_build(struct broker *broker, struct request *request, struct writer *writer)
{
    struct fetch *fetch = request->fetch;
    const int16_t version = request->version;
    struct fetch_response response = fetch_response_default;
    bool hinted = false;
    response.session_id = version >= FETCH_SESSIONS_FROM && !fetch->closed ? fetch->session_id : 0;
    fetch_response_encode_begin(writer, version, &response, (int32_t)told_topics(fetch));
    struct fetch_item *item = next_told(fetch, &fetch->items.head);
    while (item != NULL) {
        const struct fetch_topic *topic = item->topic;
        const struct bytes name = {topic->name, topic->name_len};
        struct fetch_response_topic out = fetch_response_topic_default;
        uint32_t count = told_of_topic(fetch, item);
        out.topic = chain_of(&name);
        out.topic_id = topic->id;
        fetch_response_topic_encode_begin(writer, version, &out, (int32_t)count);
        for (; count > 0; count--) {
            encode_item(broker, request, writer, item);
            hinted |= wants_leader(request, item) && !fetch->from_replica;
            item = next_told(fetch, &item->node);
        }
        fetch_response_topic_encode_end(writer, version, &out);
    }
    struct fetch_response_node_endpoint node = fetch_response_node_endpoint_default;
    char text[HOST_TEXT_BYTES];
    const struct bytes host = broker_host(broker->snapshot, request->connection, text);
    if (hinted && version >= NODE_ENDPOINTS_FROM) {
        node.node_id = broker->snapshot->broker.node_id;
        node.host = chain_of(&host);
        node.port = broker_port(broker->snapshot, request->connection);
        response.node_endpoints.items = &node;
        response.node_endpoints.count = 1;
    }
    fetch_response_encode_end(writer, version, &response);
}

void fetch_error_build(struct broker *broker, struct request *request, struct writer *writer)
{
    struct fetch_response response = fetch_response_default;
    (void)broker;
    response.error_code = request->error;
    fetch_response_encode(writer, request->version, &response);
}
