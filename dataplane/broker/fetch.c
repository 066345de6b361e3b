#include "dataplane/broker/fetch.h"

#include "dataplane/broker/error_map.h"
#include "dataplane/broker/handlers.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/stream.h"
#include "dataplane/broker/topics.h"

enum {
    TOPIC_IDS_FROM = 13,
    EPOCH_FULL = 0,
    EPOCH_FINAL = -1,
};

/* ---- Legs ----------------------------------------------------------------------------------- */

/* The request's leg to that core, or NULL when there are too many legs. */
static struct leg *leg_to(struct broker *broker, struct request *request, uint32_t owner)
{
    for (struct leg *leg = request->legs; leg != NULL; leg = leg->next) {
        if (leg->owner == owner) {
            return leg;
        }
    }
    struct leg *leg = pool_take(&broker->legs);
    if (leg == NULL) {
        return NULL;
    }
    *leg = (struct leg){
        .next = request->legs,
        .request = request,
        .home = (uint16_t)broker->core,
        .owner = (uint16_t)owner,
        .read_committed = request->fetch->read_committed,
    };
    leg->items_end = &leg->items;
    request->legs = leg;
    return leg;
}

static void leg_send(struct broker *broker, struct leg *leg, enum leg_order order)
{
    leg->order = order;
    leg->away = true;
    leg->request->pending++;
    if (leg->owner == broker->core) {
        leg_run(broker, leg);
    } else {
        leg->mail.kind = MAIL_LEG;
        mail_post(broker->setup.mailbox, leg->owner, &leg->mail);
    }
}

static bool leg_takes(const struct leg *leg)
{
    const struct fetch_item *item = leg->items;
    while (item != NULL && item->take_bytes == 0) {
        item = item->leg_next;
    }
    return item != NULL;
}

/* Sends every leg that has something to do; fetch_step follows when all are back. */
static void legs_send(struct broker *broker, struct request *request, enum leg_order order)
{
    for (struct leg *leg = request->legs; leg != NULL; leg = leg->next) {
        if (order != LEG_TAKE || leg_takes(leg)) {
            leg_send(broker, leg, order);
        }
    }
}

static void legs_unpark(struct broker *broker, struct request *request)
{
    struct leg *next;
    for (struct leg *leg = request->legs; leg != NULL; leg = next) {
        next = leg->next;
        if (!leg->away || leg->unparking) {
            continue;
        }
        if (leg->owner == broker->core) {
            leg_unpark(broker, leg);
        } else {
            leg->unparking = true;
            request->pending++;
            leg->unpark.kind = MAIL_LEG_UNPARK;
            mail_post(broker->setup.mailbox, leg->owner, &leg->unpark);
        }
    }
}

/* ---- From probe to answer ------------------------------------------------------------------- */

/* Not even its first batch could be read at once. */
static bool item_torn(const struct fetch_item *item)
{
    return item->got_bytes > 0 && item->read->read.batch_bytes > item->got_bytes;
}

/* The one whole batch may have been larger than all limits: what was read beside it and no longer
 * fits is left out. One larger than memory is answered alone: its rest is read while it is sent. */
static void fetch_settle(struct fetch *fetch)
{
    int64_t left = fetch->max_bytes;
    bool first = true;
    LIST_FOR_EACH(node, &fetch->items)
    {
        struct fetch_item *item = CONTAINER_OF(node, struct fetch_item, node);
        const bool torn = item_torn(item);
        if (!first && (torn || item->got_bytes > left)) {
            item->got_bytes = 0;
        }
        if (first && torn) {
            item->got_bytes = item->read->read.batch_bytes;
            left = 0;
        }
        first &= item->got_bytes == 0;
        left = max_i64(left - item->got_bytes, 0);
    }
}

static void fetch_answer(struct request *request)
{
    fetch_settle(request->fetch);
    request->fetch->phase = FETCH_ANSWERING;
    request_done(request, fetch_build);
}

/* Deals the bytes out in request order (KIP-74): until something was found the limits do not hold
 * for one batch, then each gets what is left. True when there is something to take. */
static bool fetch_deal(struct broker *broker, struct request *request)
{
    struct fetch *fetch = request->fetch;
    int64_t left = fetch->max_bytes;
    uint32_t takes = 0;
    LIST_FOR_EACH(node, &fetch->items)
    {
        struct fetch_item *item = CONTAINER_OF(node, struct fetch_item, node);
        const bool first = takes == 0;
        const int64_t most = min_i64(item->bytes_max, max_i64(left, 0));
        item->take_bytes = 0;
        item->take_whole = first;
        if (item->error != ERROR_NONE || item->diverging || item->readable_bytes == 0 ||
            takes == broker->splices_max || (most <= 0 && !first)) {
            continue;
        }
        item->take_bytes = (uint32_t)max_i64(most, 1);
        left -= min_i64(most, item->readable_bytes);
        takes++;
    }
    return takes > 0;
}

static void fetch_take(struct broker *broker, struct request *request)
{
    struct fetch *fetch = request->fetch;
    fetch->phase = FETCH_TAKING;
    if (!fetch_deal(broker, request)) {
        fetch_answer(request);
        return;
    }
    request->pending++;
    legs_send(broker, request, LEG_TAKE);
    if (request_returned(request)) {
        fetch_answer(request);
    }
}

static void parked_add(struct broker *broker, struct fetch *fetch)
{
    struct list_node *at = broker->parked.head.prev;
    while (at != &broker->parked.head &&
           CONTAINER_OF(at, struct fetch, timer_node)->deadline_ns > fetch->deadline_ns) {
        at = at->prev;
    }
    list_insert_before(at->next, &fetch->timer_node);
}

static void fetch_step(struct broker *broker, struct request *request);

/* A step leads to the next at once where nothing is to be waited for; each round has more bytes.
 * NOLINTBEGIN(misc-no-recursion) */
static void fetch_park(struct broker *broker, struct request *request, uint64_t missing_bytes)
{
    struct fetch *fetch = request->fetch;
    uint64_t leg_count = 0;
    for (struct leg *leg = request->legs; leg != NULL; leg = leg->next) {
        leg_count++;
    }
    for (struct leg *leg = request->legs; leg != NULL; leg = leg->next) {
        leg->wanted_bytes = (missing_bytes + leg_count - 1) / leg_count;
    }
    count(&broker->counters->fetch_parked);
    fetch->phase = FETCH_PARKED;
    parked_add(broker, fetch);
    request->pending++;
    legs_send(broker, request, LEG_PARK);
    for (struct leg *leg = request->legs; leg != NULL; leg = leg->next) {
        if (!leg->away) { /* It had something at once, perhaps before others were sent. */
            legs_unpark(broker, request);
            break;
        }
    }
    if (request_returned(request)) {
        fetch_step(broker, request);
    }
}

/* All legs are home after a probe or from parking: answer, or wait (B25). A partition that does not
 * exist does not end the wait for those that do, or its client would ask again without pause. */
static void fetch_evaluate(struct broker *broker, struct request *request)
{
    struct fetch *fetch = request->fetch;
    int64_t readable = 0;
    bool at_once = request->legs == NULL || fetch->time_over || broker->stopping ||
                   request->connection->ended || broker->now_ns >= fetch->deadline_ns;
    LIST_FOR_EACH(node, &fetch->items)
    {
        const struct fetch_item *item = CONTAINER_OF(node, struct fetch_item, node);
        readable += item->readable_bytes;
        at_once |= item->leg != NULL && (item->error != ERROR_NONE || item->diverging);
    }
    if (at_once || readable >= fetch->min_bytes) {
        fetch_take(broker, request);
    } else {
        fetch_park(broker, request, (uint64_t)(fetch->min_bytes - readable));
    }
}

static void fetch_step(struct broker *broker, struct request *request)
{
    struct fetch *fetch = request->fetch;
    if (list_linked(&fetch->timer_node)) {
        list_remove(&fetch->timer_node);
    }
    switch (fetch->phase) {
    case FETCH_PROBING:
    case FETCH_PARKED: fetch_evaluate(broker, request); return;
    case FETCH_TAKING: fetch_answer(request); return;
    case FETCH_IDLE:
    case FETCH_ANSWERING: break;
    }
    ASSERT(false);
}
/* NOLINTEND(misc-no-recursion) */

/* Legs that are out only to give extents back belong to a request that is over. */
static void leg_released(struct broker *broker, struct leg *leg)
{
    struct request *request = leg->request;
    struct leg **at = &request->legs;
    while (*at != leg) {
        at = &(*at)->next;
    }
    *at = leg->next;
    pool_give(&broker->legs, leg);
    if (request->legs == NULL) {
        request_legs_gone(request);
    }
}

void leg_back(struct broker *broker, struct leg *leg)
{
    struct request *request = leg->request;
    leg->away = false;
    if (leg->order == LEG_RELEASE) {
        leg_released(broker, leg);
        return;
    }
    if (leg->order == LEG_MORE) {
        if (request_returned(request)) {
            request_more(request, leg->torn);
        }
        return;
    }
    if (request->fetch->phase == FETCH_PARKED) {
        legs_unpark(broker, request); /* All decide together. */
    }
    if (request_returned(request)) {
        fetch_step(broker, request);
    }
}

void leg_unpark_back(struct broker *broker, struct leg *leg)
{
    leg->unparking = false;
    if (request_returned(leg->request)) {
        fetch_step(broker, leg->request);
    }
}

/* ---- The end -------------------------------------------------------------------------------- */

/* The request lets go of its fetch: a session waits for the next one, all else is freed. */
static void fetch_detach(struct broker *broker, struct request *request)
{
    struct fetch *fetch = request->fetch;
    request->fetch = NULL;
    fetch->request = NULL;
    fetch->phase = FETCH_IDLE;
    fetch->time_over = false;
    if (list_linked(&fetch->timer_node)) {
        list_remove(&fetch->timer_node);
    }
    if (fetch->session_id == 0 || fetch->closed || !fetch->answered) {
        fetch_free(broker, fetch);
    }
}

/* Frees the legs that hold nothing; the others keep their reads, and nothing else. */
static void legs_strip(struct broker *broker, struct request *request)
{
    struct leg **at = &request->legs;
    while (*at != NULL) {
        struct leg *leg = *at;
        leg->items = NULL;
        if (leg->reads == NULL) {
            *at = leg->next;
            pool_give(&broker->legs, leg);
        } else {
            at = &leg->next;
        }
    }
}

void fetch_built(struct request *request)
{
    session_told(request->fetch);
    fetch_detach(request->broker, request);
    legs_strip(request->broker, request);
}

void fetch_more(struct request *request)
{
    struct leg *leg = request->torn->leg;
    leg->torn = request->torn;
    leg_send(request->broker, leg, LEG_MORE);
}

void fetch_end(struct request *request)
{
    struct broker *broker = request->broker;
    if (request->fetch != NULL) {
        fetch_detach(broker, request);
    }
    legs_strip(broker, request);
    struct leg *next;
    for (struct leg *leg = request->legs; leg != NULL; leg = next) {
        next = leg->next;
        leg->order = LEG_RELEASE;
        leg->away = true;
        if (leg->owner == broker->core) {
            leg_run(broker, leg);
        } else {
            leg->mail.kind = MAIL_LEG;
            mail_post(broker->setup.mailbox, leg->owner, &leg->mail);
        }
    }
}

void fetch_unpark(struct request *request)
{
    if (request->fetch != NULL && request->fetch->phase == FETCH_PARKED) {
        legs_unpark(request->broker, request);
    }
}

uint32_t fetch_timer_turn(struct broker *broker)
{
    uint32_t done = 0;
    struct list_node *node;
    while ((node = list_first(&broker->parked)) != NULL) {
        struct fetch *fetch = CONTAINER_OF(node, struct fetch, timer_node);
        if (fetch->deadline_ns > broker->now_ns && !broker->stopping) {
            break;
        }
        list_remove(node);
        fetch->time_over = true;
        legs_unpark(broker, fetch->request);
        done++;
    }
    return done;
}

uint64_t fetch_deadline_ns(const struct broker *broker)
{
    struct list_node *node = list_first(&broker->parked);
    return node == NULL ? UINT64_MAX : CONTAINER_OF(node, struct fetch, timer_node)->deadline_ns;
}

/* ---- The request ---------------------------------------------------------------------------- */

static struct bytes name_flat(struct chain name, uint8_t scratch[TOPIC_NAME_BYTES_MAX])
{
    return name.len > TOPIC_NAME_BYTES_MAX ? (struct bytes){scratch, 0} : chain_flat(name, scratch);
}

/* Takes over what the request says of its partitions. False when there is no room for it. */
static bool items_update(struct broker *broker, struct fetch *fetch, struct fetch_request *body)
{
    struct fetch_request_topic topic;
    while (fetch_request_topic_array_next(&body->topics, &topic)) {
        uint8_t scratch[TOPIC_NAME_BYTES_MAX];
        const struct bytes name = name_flat(topic.topic, scratch);
        struct fetch_topic *shared = NULL;
        struct fetch_request_partition partition;
        while (fetch_request_partition_array_next(&topic.partitions, &partition)) {
            struct fetch_item *item =
                fetch_item_find(broker, fetch, &topic.topic_id, name, partition.partition);
            if (item == NULL) {
                item = fetch_item_add(broker, fetch, &shared, &topic.topic_id, name,
                                      partition.partition);
            }
            if (item == NULL) {
                return false;
            }
            item->current_epoch = partition.current_leader_epoch;
            item->last_fetched_epoch = partition.last_fetched_epoch;
            item->bytes_max = partition.partition_max_bytes;
            item->offset = partition.fetch_offset;
        }
    }
    return true;
}

static void items_forget(struct broker *broker, struct fetch *fetch, struct fetch_request *body)
{
    struct fetch_request_forgotten_topic topic;
    while (fetch_request_forgotten_topic_array_next(&body->forgotten_topics_data, &topic)) {
        uint8_t scratch[TOPIC_NAME_BYTES_MAX];
        const struct bytes name = name_flat(topic.topic, scratch);
        int32_t partition;
        while (i32_array_next(&topic.partitions, &partition)) {
            struct fetch_item *item =
                fetch_item_find(broker, fetch, &topic.topic_id, name, partition);
            if (item != NULL) {
                fetch_item_remove(broker, item);
            }
        }
    }
}

/* The session an incremental request goes on with, or NULL and *error (B28). */
static struct fetch *session_continue(struct broker *broker, const struct request *request,
                                      const struct fetch_request *body, int16_t *error)
{
    struct fetch *fetch = session_find(broker, body->session_id);
    if (fetch == NULL) {
        *error = ERROR_FETCH_SESSION_ID_NOT_FOUND;
        return NULL;
    }
    if (fetch->session_epoch != body->session_epoch || fetch->request != NULL) {
        *error = ERROR_INVALID_FETCH_SESSION_EPOCH;
        return NULL;
    }
    if (fetch->uses_ids != (request->version >= TOPIC_IDS_FROM)) {
        *error = ERROR_FETCH_SESSION_TOPIC_ID_ERROR;
        return NULL;
    }
    return fetch;
}

enum context_status {
    CONTEXT_OK,
    CONTEXT_SESSION_ERROR, /* request->error */
    CONTEXT_NO_ROOM,
};

static enum context_status context_full(struct broker *broker, struct request *request,
                                        struct fetch_request *body)
{
    if (body->session_id != 0) {
        session_close(broker, body->session_id);
    }
    struct fetch *fetch = fetch_create(broker);
    if (fetch == NULL) {
        return CONTEXT_NO_ROOM;
    }
    request->fetch = fetch;
    fetch->request = request;
    fetch->full = true;
    if (!items_update(broker, fetch, body)) {
        return CONTEXT_NO_ROOM;
    }
    if (request->version >= FETCH_SESSIONS_FROM && body->session_epoch == EPOCH_FULL) {
        session_open(broker, fetch, request->version >= TOPIC_IDS_FROM);
    }
    return CONTEXT_OK;
}

static enum context_status context_incremental(struct broker *broker, struct request *request,
                                               struct fetch_request *body)
{
    struct fetch *fetch = session_continue(broker, request, body, &request->error);
    if (fetch == NULL) {
        return CONTEXT_SESSION_ERROR;
    }
    fetch->full = false;
    fetch->request = request;
    request->fetch = fetch;
    session_used(broker, fetch);
    fetch->session_epoch = fetch->session_epoch == INT32_MAX ? 1 : fetch->session_epoch + 1;
    if (!items_update(broker, fetch, body)) {
        session_close(broker, fetch->session_id);
        return CONTEXT_NO_ROOM;
    }
    items_forget(broker, fetch, body);
    if (fetch->item_count == 0) {
        session_close(broker, fetch->session_id); /* Ends with this answer. */
    }
    return CONTEXT_OK;
}

/* No topic has the id. Kafka's sessions remember the name that the id once had: the topic may have
 * been deleted, or made again since (B14). */
static int16_t error_of_unknown_id(struct broker *broker, const struct fetch_item *item)
{
    const struct fetch_topic *topic = item->topic;
    if (topic->name_len == 0) {
        return ERROR_UNKNOWN_TOPIC_ID;
    }
    const struct snapshot_topic *other =
        snapshot_topic_by_name(broker->snapshot, (struct bytes){topic->name, topic->name_len});
    return other != NULL && (uint32_t)item->partition < other->partition_count
               ? ERROR_INCONSISTENT_TOPIC_ID
               : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

static int16_t item_error(struct broker *broker, const struct fetch *fetch, struct fetch_item *item)
{
    const struct snapshot_topic *topic = fetch_topic_now(broker, item->topic);
    if (topic == NULL && fetch->uses_ids) {
        return error_of_unknown_id(broker, item);
    }
    if (topic == NULL) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (item->partition < 0 || (uint32_t)item->partition >= topic->partition_count) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return fetch->from_replica ? ERROR_NOT_LEADER_OR_FOLLOWER : ERROR_NONE;
}

/* Sorts the items into legs. False when there are too many legs. */
static bool items_to_legs(struct broker *broker, struct request *request)
{
    struct fetch *fetch = request->fetch;
    LIST_FOR_EACH(node, &fetch->items)
    {
        struct fetch_item *item = CONTAINER_OF(node, struct fetch_item, node);
        item->error = item_error(broker, fetch, item);
        item->diverging = false;
        item->readable_bytes = 0;
        item->got_bytes = 0;
        item->take_bytes = 0;
        item->read = NULL;
        item->leg = NULL;
        item->leg_next = NULL;
        item->high_watermark = -1;
        item->last_stable = -1;
        item->log_start = -1;
        if (item->error != ERROR_NONE) {
            continue;
        }
        const uint32_t owner = snapshot_partition_core(
            &item->topic->resolved_id, (uint32_t)item->partition, broker->core_count);
        item->leg = leg_to(broker, request, owner);
        if (item->leg == NULL) {
            return false;
        }
        *item->leg->items_end = item;
        item->leg->items_end = &item->leg_next;
    }
    return true;
}

static void fetch_parameters(struct broker *broker, struct request *request,
                             const struct fetch_request *body)
{
    struct fetch *fetch = request->fetch;
    const int64_t bytes_max = broker->snapshot->settings.fetch_bytes_max;
    const int32_t replica =
        body->replica_id >= 0 ? body->replica_id : body->replica_state.replica_id;
    fetch->read_committed = body->isolation_level == 1;
    fetch->from_replica = replica >= 0;
    fetch->max_bytes = min_i64(body->max_bytes, bytes_max);
    fetch->min_bytes = min_i64(body->min_bytes, fetch->max_bytes);
    fetch->deadline_ns = broker->now_ns + ns_of_ms((uint64_t)max_i64(body->max_wait_ms, 0));
    fetch->time_over = body->max_wait_ms <= 0;
    fetch->uses_ids = request->version >= TOPIC_IDS_FROM;
}

bool fetch_start(struct broker *broker, struct request *request)
{
    struct fetch_request body;
    struct reader reader;
    reader_init(&reader, request->body);
    if (fetch_request_decode(&reader, request->version, &body) != CODEC_OK) {
        return false;
    }
    const bool full = request->version < FETCH_SESSIONS_FROM || body.session_epoch == EPOCH_FULL ||
                      body.session_epoch == EPOCH_FINAL;
    const enum context_status status =
        full ? context_full(broker, request, &body) : context_incremental(broker, request, &body);
    if (status == CONTEXT_SESSION_ERROR) {
        request_done(request, fetch_error_build);
        return true;
    }
    if (status != CONTEXT_OK) {
        return false;
    }
    fetch_parameters(broker, request, &body);
    if (!items_to_legs(broker, request)) {
        return false;
    }
    request_release_frame(broker, request); /* It may wait for long. */
    request->fetch->phase = FETCH_PROBING;
    request->pending++;
    legs_send(broker, request, LEG_PROBE);
    if (request_returned(request)) {
        fetch_step(broker, request);
    }
    return true;
}
