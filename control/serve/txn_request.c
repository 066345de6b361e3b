#include "control/serve/txn_request.h"

#include <stdlib.h>

#include "control/control_state.h"
#include "control/group/regex.h"
#include "control/serve/group_request.h"
#include "control/serve/parts.h"

struct txn_api;

struct txn_request {
    struct parts all;
    struct txns *txns;
    const struct txn_api *api;
    union {
        struct init_producer_id_request init;
        struct add_partitions_to_txn_request add;
        struct add_offsets_to_txn_request add_offsets;
        struct end_txn_request end;
        struct txn_offset_commit_request offset_commit;
        struct describe_transactions_request describe;
        struct list_transactions_request list;
    } body;
    struct add_partitions_to_txn_request_transaction *added; /* By part. */
    bool parks;               /* One part, which begins a transaction by adding to it (KIP-890). */
    uint64_t parked_until_ns; /* 0: never parked. */
    const int64_t *producers; /* Of a list's filter, in their order. */
    struct regex *pattern;    /* Of a list; there while its parts are run. */
    bool pattern_bad;
};

struct txn_api {
    int16_t key;
    enum txn_event_kind kind;
    /* Decodes the body and makes the parts; false: it is malformed. */
    bool (*open)(struct txn_request *whole, struct reader *reader, int16_t version);
    void (*event)(struct txn_request *whole, const struct part *part, struct txn_event *event);
    /* Sends the answer; all parts have theirs. */
    void (*answer)(struct txn_request *whole, int16_t version);
};

static struct control *control_of(struct txn_request *whole)
{
    return txns_control(whole->txns);
}

/* ---- APIs of one id ------------------------------------------------------------------------- */

PARTS_OF_ONE(txn_request, init_producer_id, init, transactional_id)
PARTS_OF_ONE(txn_request, add_offsets_to_txn, add_offsets, transactional_id)
PARTS_OF_ONE(txn_request, end_txn, end, transactional_id)

static void init_event(struct txn_request *whole, const struct part *part, struct txn_event *event)
{
    (void)part;
    event->init = &whole->body.init;
}

static void end_event(struct txn_request *whole, const struct part *part, struct txn_event *event)
{
    (void)part;
    event->end = &whole->body.end;
}

/* Where a group's offsets lie; as many as there will be, before the topic is there. */
static int32_t group_partition(struct txn_request *whole, struct chain group_id)
{
    struct control *control = control_of(whole);
    const struct image_topic *topic =
        image_topic_by_name(&control->store.image, bytes_of_string("__consumer_offsets"));
    const struct config_view view = config_view_of(&control->store.image, control->setup.settings);
    const int32_t count =
        topic != NULL ? (int32_t)topic->partition_count
                      : (int32_t)config_broker_number(&view, "offsets.topic.num.partitions");
    return group_place(arena_flat(&whole->all.arena, group_id), count);
}

static void add_offsets_event(struct txn_request *whole, const struct part *part,
                              struct txn_event *event)
{
    (void)part;
    event->add_offsets.request = &whole->body.add_offsets;
    event->add_offsets.partition = group_partition(whole, whole->body.add_offsets.group_id);
}

/* ---- AddPartitionsToTxn --------------------------------------------------------------------- */

PARTS_SEND_OF(add_partitions_to_txn)

static bool add_open(struct txn_request *whole, struct reader *reader, int16_t version)
{
    struct add_partitions_to_txn_request *body = &whole->body.add;
    if (add_partitions_to_txn_request_decode(reader, version, body) != CODEC_OK) {
        return false;
    }
    struct add_partitions_to_txn_request_transaction_array transactions = body->transactions;
    const uint32_t count = version < 4 ? 1 : (uint32_t)transactions.count;
    if (!parts_make(&whole->all, count)) {
        return true;
    }
    whole->added =
        ARENA_ARRAY(&whole->all.arena, struct add_partitions_to_txn_request_transaction, count);
    if (version < 4) {
        whole->added[0] = add_partitions_to_txn_request_transaction_default;
        whole->added[0].transactional_id = body->v3_and_below_transactional_id;
        whole->added[0].producer_id = body->v3_and_below_producer_id;
        whole->added[0].producer_epoch = body->v3_and_below_producer_epoch;
        whole->added[0].topics = body->v3_and_below_topics;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (version >= 4) {
            const bool there = add_partitions_to_txn_request_transaction_array_next(
                &transactions, &whole->added[i]);
            ASSERT(there);
        }
        whole->all.parts[i].id = arena_flat(&whole->all.arena, whole->added[i].transactional_id);
    }
    whole->parks = version >= 4 && count == 1 && !whole->added[0].verify_only;
    return true;
}

static const struct image_topic *topic_named(struct txn_request *whole, struct chain name)
{
    return image_topic_by_name(&control_of(whole)->store.image,
                               arena_flat(&whole->all.arena, name));
}

/* What is known of the topics; of internal ones only brokers may write. */
static const struct txn_topic *topics_known(struct txn_request *whole,
                                            struct add_partitions_to_txn_request_topic_array topics)
{
    struct txn_topic *known = ARENA_ARRAY(&whole->all.arena, struct txn_topic, topics.count);
    struct add_partitions_to_txn_request_topic topic;
    uint32_t count = 0;
    while (add_partitions_to_txn_request_topic_array_next(&topics, &topic)) {
        const struct image_topic *found = topic_named(whole, topic.name);
        known[count++] =
            found == NULL ? (struct txn_topic){.error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION}
                          : (struct txn_topic){.partition_count = (int32_t)found->partition_count};
    }
    return known;
}

static void add_event(struct txn_request *whole, const struct part *part, struct txn_event *event)
{
    event->add = &whole->added[part->index];
    event->topics = topics_known(whole, whole->added[part->index].topics);
}

/* All partitions of a part with its error. */
static void add_part_error(struct txn_request *whole, const struct part *part,
                           struct add_partitions_to_txn_response_transaction *out)
{
    struct arena *arena = &whole->all.arena;
    struct add_partitions_to_txn_request_topic_array topics = whole->added[part->index].topics;
    struct add_partitions_to_txn_request_topic topic;
    struct add_partitions_to_txn_response_topic *items =
        ARENA_ARRAY(arena, struct add_partitions_to_txn_response_topic, topics.count);
    *out = add_partitions_to_txn_response_transaction_default;
    out->transactional_id = whole->added[part->index].transactional_id;
    while (add_partitions_to_txn_request_topic_array_next(&topics, &topic)) {
        struct add_partitions_to_txn_response_partition *partitions = ARENA_ARRAY(
            arena, struct add_partitions_to_txn_response_partition, topic.partitions.count);
        int32_t partition;
        int32_t count = 0;
        while (i32_array_next(&topic.partitions, &partition)) {
            partitions[count++] =
                (struct add_partitions_to_txn_response_partition){partition, part->error};
        }
        items[out->topic_results.count++] = (struct add_partitions_to_txn_response_topic){
            topic.name, {.items = partitions, .count = count}};
    }
    out->topic_results.items = items;
}

static void add_answer(struct txn_request *whole, int16_t version)
{
    struct add_partitions_to_txn_response response = add_partitions_to_txn_response_default;
    struct add_partitions_to_txn_response_transaction *items = ARENA_ARRAY(
        &whole->all.arena, struct add_partitions_to_txn_response_transaction, whole->all.count);
    for (uint32_t i = 0; i < whole->all.count; i++) {
        const struct part *part = &whole->all.parts[i];
        if (part->answer != NULL) {
            items[i] = *(struct add_partitions_to_txn_response_transaction *)part->answer;
        } else {
            add_part_error(whole, part, &items[i]);
        }
    }
    if (version < 4) {
        response.results_by_topic_v3_and_below = items[0].topic_results;
    } else {
        response.results_by_transaction.items = items;
        response.results_by_transaction.count = (int32_t)whole->all.count;
    }
    add_partitions_to_txn_send(&whole->all, version, &response);
}

/* ---- TxnOffsetCommit ------------------------------------------------------------------------ */

static bool commits_what_exists(struct txn_request *whole)
{
    struct txn_offset_commit_request_topic_array topics = whole->body.offset_commit.topics;
    struct txn_offset_commit_request_topic topic;
    while (txn_offset_commit_request_topic_array_next(&topics, &topic)) {
        const struct image_topic *found = topic_named(whole, topic.name);
        struct txn_offset_commit_request_partition partition;
        while (found != NULL &&
               txn_offset_commit_request_partition_array_next(&topic.partitions, &partition)) {
            if (partition.partition_index >= 0 &&
                (uint32_t)partition.partition_index < found->partition_count) {
                return true;
            }
        }
    }
    return false;
}

/* First the coordinator of the transaction is asked, or told (KIP-890), then that of the group.
 * Neither hears of a request without a partition that exists, as in Kafka: it has no part. */
static bool offset_commit_open(struct txn_request *whole, struct reader *reader, int16_t version)
{
    enum { ADDS_FROM = 5 };
    const struct txn_offset_commit_request *body = &whole->body.offset_commit;
    struct arena *arena = &whole->all.arena;
    if (txn_offset_commit_request_decode(reader, version, &whole->body.offset_commit) != CODEC_OK) {
        return false;
    }
    if (!commits_what_exists(whole)) {
        return true;
    }
    int32_t *partition = ARENA_ARRAY(arena, int32_t, 1);
    struct add_partitions_to_txn_request_topic *topic =
        ARENA_ARRAY(arena, struct add_partitions_to_txn_request_topic, 1);
    whole->added = ARENA_ARRAY(arena, struct add_partitions_to_txn_request_transaction, 1);
    *partition = group_partition(whole, body->group_id);
    *topic = add_partitions_to_txn_request_topic_default;
    topic->name = arena_chain(arena, bytes_of_string("__consumer_offsets"));
    topic->partitions.items = partition;
    topic->partitions.count = 1;
    whole->added[0] = add_partitions_to_txn_request_transaction_default;
    whole->added[0].transactional_id = body->transactional_id;
    whole->added[0].producer_id = body->producer_id;
    whole->added[0].producer_epoch = body->producer_epoch;
    whole->added[0].verify_only = version < ADDS_FROM;
    whole->parks = version >= ADDS_FROM;
    whole->added[0].topics.items = topic;
    whole->added[0].topics.count = 1;
    (void)parts_make(&whole->all, 1);
    whole->all.parts[0].id = arena_flat(arena, body->transactional_id);
    return true;
}

static void offset_commit_event(struct txn_request *whole, const struct part *part,
                                struct txn_event *event)
{
    (void)part;
    event->add = &whole->added[0];
    event->version = 5; /* As between brokers. */
}

/* Of the first partition. */
static int16_t added_error(const struct add_partitions_to_txn_response_transaction *answer)
{
    return answer->topic_results.count == 0 ||
                   answer->topic_results.items[0].results_by_partition.count == 0
               ? (int16_t)ERROR_NONE
               : answer->topic_results.items[0].results_by_partition.items[0].partition_error_code;
}

/* What the coordinator of the transaction said, in words of the client's version. */
static int16_t offset_commit_error(const struct txn_request *whole, int16_t version)
{
    enum { ABORTABLE_FROM = 4 };
    if (whole->all.count == 0) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    const struct part *part = &whole->all.parts[0];
    const int16_t error = part->answer == NULL ? part->error : added_error(part->answer);
    if (error == ERROR_PRODUCER_FENCED) {
        return ERROR_INVALID_PRODUCER_EPOCH;
    }
    return error == ERROR_TRANSACTION_ABORTABLE && version < ABORTABLE_FROM
               ? ERROR_INVALID_TXN_STATE
               : error;
}

static void offset_commit_answer(struct txn_request *whole, int16_t version)
{
    const int16_t error = offset_commit_error(whole, version);
    if (error != ERROR_NONE) {
        parts_send_error(&whole->all, error);
        return;
    }
    struct peer_request *request = whole->all.request;
    whole->all.request = NULL;
    group_request_run(control_of(whole)->groups, request);
}

/* ---- DescribeTransactions, ListTransactions ------------------------------------------------- */

PARTS_SEND_OF(describe_transactions)
PARTS_SEND_OF(list_transactions)

static bool describe_open(struct txn_request *whole, struct reader *reader, int16_t version)
{
    if (describe_transactions_request_decode(reader, version, &whole->body.describe) != CODEC_OK) {
        return false;
    }
    struct string_array ids = whole->body.describe.transactional_ids;
    struct chain id;
    const bool made = parts_make(&whole->all, (uint32_t)ids.count);
    for (uint32_t i = 0; made && string_array_next(&ids, &id); i++) {
        whole->all.parts[i].id = arena_flat(&whole->all.arena, id);
    }
    return true;
}

static void describe_event(struct txn_request *whole, const struct part *part,
                           struct txn_event *event)
{
    (void)whole;
    event->described = part->id;
}

static void describe_answer(struct txn_request *whole, int16_t version)
{
    struct describe_transactions_response response = describe_transactions_response_default;
    struct describe_transactions_response_transaction *items = ARENA_ARRAY(
        &whole->all.arena, struct describe_transactions_response_transaction, whole->all.count);
    for (uint32_t i = 0; i < whole->all.count; i++) {
        const struct part *part = &whole->all.parts[i];
        if (part->answer != NULL) {
            items[i] = *(struct describe_transactions_response_transaction *)part->answer;
        } else {
            items[i] = describe_transactions_response_transaction_default;
            items[i].transactional_id = arena_chain(&whole->all.arena, part->id);
            items[i].error_code = part->error;
        }
    }
    response.transaction_states.items = items;
    response.transaction_states.count = (int32_t)whole->all.count;
    describe_transactions_send(&whole->all, version, &response);
}

static int id_compare(const void *a, const void *b)
{
    const int64_t one = *(const int64_t *)a;
    const int64_t other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

/* In their order, as there may be many of them, and of what is looked for, too. */
static const int64_t *ids_sorted(struct arena *arena, struct i64_array array)
{
    int64_t *ids = ARENA_ARRAY(arena, int64_t, array.count);
    uint32_t count = 0;
    int64_t id;
    while (i64_array_next(&array, &id)) {
        ids[count++] = id;
    }
    qsort(ids, count, sizeof(ids[0]), id_compare);
    return ids;
}

static bool list_open(struct txn_request *whole, struct reader *reader, int16_t version)
{
    if (list_transactions_request_decode(reader, version, &whole->body.list) != CODEC_OK) {
        return false;
    }
    whole->producers = ids_sorted(&whole->all.arena, whole->body.list.producer_id_filters);
    const struct chain pattern = whole->body.list.transactional_id_pattern;
    if (pattern.len > 0) {
        const struct bytes text = arena_flat(&whole->all.arena, pattern);
        struct regex_error error;
        whole->pattern = regex_new((const char *)text.ptr, text.len, &error);
        whole->pattern_bad = whole->pattern == NULL;
    }
    (void)parts_make(&whole->all, whole->pattern_bad ? 0 : txns_seat_count(whole->txns));
    return true;
}

static bool pattern_matches(const void *pattern, struct bytes transactional_id)
{
    return regex_matches(pattern, (const char *)transactional_id.ptr, transactional_id.len);
}

static void list_event(struct txn_request *whole, const struct part *part, struct txn_event *event)
{
    (void)part;
    event->list.request = &whole->body.list;
    event->list.producer_ids = whole->producers;
    event->list.matches = whole->pattern == NULL ? NULL : pattern_matches;
    event->list.pattern = whole->pattern;
}

static void list_answer(struct txn_request *whole, int16_t version)
{
    struct list_transactions_response response = list_transactions_response_default;
    uint32_t count = 0;
    for (uint32_t i = 0; i < whole->all.count; i++) {
        const struct list_transactions_response *list = whole->all.parts[i].answer;
        count += list == NULL ? 0 : (uint32_t)list->transaction_states.count;
        if (list == NULL && whole->all.parts[i].error != ERROR_NOT_COORDINATOR) {
            response.error_code = whole->all.parts[i].error;
        } else if (list != NULL) {
            response.unknown_state_filters = list->unknown_state_filters;
        }
    }
    struct list_transactions_response_transaction *items =
        ARENA_ARRAY(&whole->all.arena, struct list_transactions_response_transaction, count);
    count = 0;
    for (uint32_t i = 0; i < whole->all.count; i++) {
        const struct list_transactions_response *list = whole->all.parts[i].answer;
        if (list != NULL && list->transaction_states.count > 0) {
            memcpy(&items[count], list->transaction_states.items,
                   (size_t)list->transaction_states.count * sizeof(items[0]));
            count += (uint32_t)list->transaction_states.count;
        }
    }
    if (whole->pattern_bad) {
        response.error_code = ERROR_INVALID_REGULAR_EXPRESSION;
    }
    response.transaction_states.items = items;
    response.transaction_states.count = (int32_t)count;
    list_transactions_send(&whole->all, version, &response);
}

/* ---- The table ------------------------------------------------------------------------------ */

static const struct txn_api apis[] = {
    {API_INIT_PRODUCER_ID, TXN_INIT, init_producer_id_open, init_event, init_producer_id_answer},
    {API_ADD_PARTITIONS_TO_TXN, TXN_ADD_PARTITIONS, add_open, add_event, add_answer},
    {API_ADD_OFFSETS_TO_TXN, TXN_ADD_OFFSETS, add_offsets_to_txn_open, add_offsets_event,
     add_offsets_to_txn_answer},
    {API_END_TXN, TXN_END, end_txn_open, end_event, end_txn_answer},
    {API_TXN_OFFSET_COMMIT, TXN_ADD_PARTITIONS, offset_commit_open, offset_commit_event,
     offset_commit_answer},
    {API_DESCRIBE_TRANSACTIONS, TXN_DESCRIBE, describe_open, describe_event, describe_answer},
    {API_LIST_TRANSACTIONS, TXN_LIST, list_open, list_event, list_answer},
};

static const struct txn_api *txn_api_find(int16_t key)
{
    for (size_t i = 0; i < ARRAY_SIZE(apis); i++) {
        if (apis[i].key == key) {
            return &apis[i];
        }
    }
    return NULL;
}

bool txn_request_is(int16_t api_key)
{
    return txn_api_find(api_key) != NULL;
}

/* ---- Running -------------------------------------------------------------------------------- */

static bool request_finish(struct parts *all)
{
    struct txn_request *whole = (struct txn_request *)all;
    whole->api->answer(whole, parts_version(all));
    return true;
}

static int16_t part_seat(struct txn_request *whole, const struct part *part, struct txn_seat **seat)
{
    if (whole->api->kind == TXN_LIST) {
        *seat = txns_seat(whole->txns, part->index);
        return txn_seat_error(*seat);
    }
    if (whole->api->key == API_TXN_OFFSET_COMMIT && whole->body.offset_commit.group_id.len == 0) {
        return ERROR_INVALID_GROUP_ID;
    }
    const bool may_need_id = whole->api->kind == TXN_INIT || whole->api->kind == TXN_END;
    const int16_t error = txns_seat_of(whole->txns, part->id, seat);
    return error == ERROR_NONE && may_need_id && !txns_has_id(whole->txns)
               ? ERROR_COORDINATOR_LOAD_IN_PROGRESS /* As Kafka while a block comes. */
               : error;
}

/* *taken: the memory that the parts of the request take. */
static void part_run(struct part *part, uint64_t *taken)
{
    struct txn_request *whole = (struct txn_request *)part->all;
    struct txn_seat *seat = NULL;
    const int16_t error =
        *taken > PARTS_BYTES_MAX ? (int16_t)ERROR_POLICY_VIOLATION : part_seat(whole, part, &seat);
    if (error != ERROR_NONE) {
        part_fail(part, error);
        return;
    }
    struct txn_event event = {
        .kind = whole->api->kind,
        .token = (uint64_t)(uintptr_t)part,
        .version = parts_version(&whole->all),
    };
    whole->api->event(whole, part, &event);
    list_push_back(&seat->parts, &part->node);
    *taken += txn_seat_step(seat, &event);
}

void txn_request_run(struct txns *txns, struct peer_request *request)
{
    struct txn_request *whole = calloc(1, sizeof(*whole));
    ASSERT(whole != NULL);
    whole->txns = txns;
    whole->api = txn_api_find(request->header.api_key);
    parts_init(&whole->all, txns_control(txns)->peer, request, request_finish);
    struct reader reader;
    reader_init(&reader, chain_of(&request->payload));
    const bool decoded = whole->api->open(whole, &reader, request->header.api_version);
    struct regex *pattern = whole->pattern; /* The request may be gone then. */
    parts_run(&whole->all, decoded, part_run);
    regex_free(pattern);
}

/* ---- Parking -------------------------------------------------------------------------------- */

/* True: the part waits for the end of the transaction before, which is on its way. */
static bool part_parks(struct part *part, const void *answer)
{
    struct txn_request *whole = (struct txn_request *)part->all;
    struct txn_seat *seat;
    if (!whole->parks || added_error(answer) != ERROR_CONCURRENT_TRANSACTIONS ||
        part_seat(whole, part, &seat) != ERROR_NONE) {
        return false;
    }
    const uint64_t now_ns = control_of(whole)->now_ns;
    if (whole->parked_until_ns == 0) {
        whole->parked_until_ns = now_ns + txns_park_ns(whole->txns);
    }
    if (now_ns >= whole->parked_until_ns) {
        return false;
    }
    list_remove(&part->node);
    if (txn_coordinator_ends(seat->coordinator, part->id)) {
        list_push_back(&seat->parked, &part->node);
    } else { /* It was over before this answer could leave, and wakes nobody any more. */
        uint64_t taken = 0;
        part_run(part, &taken);
    }
    return true;
}

uint32_t txn_parked_run(struct txn_seat *seat, struct bytes transactional_id)
{
    const uint64_t now_ns = txns_control(seat->txns)->now_ns;
    uint32_t count = 0;
    LIST_FOR_EACH(node, &seat->parked)
    {
        struct part *part = CONTAINER_OF(node, struct part, node);
        const struct txn_request *whole = (const struct txn_request *)part->all;
        if (bytes_equal(part->id, transactional_id) || now_ns >= whole->parked_until_ns) {
            uint64_t taken = 0;
            list_remove(&part->node);
            part_run(part, &taken);
            count++;
        }
    }
    return count;
}

uint64_t txn_parked_deadline_ns(const struct txn_seat *seat)
{
    uint64_t deadline = UINT64_MAX;
    for (struct list_node *at = seat->parked.head.next; at != &seat->parked.head; at = at->next) {
        const struct part *part = CONTAINER_OF(at, struct part, node);
        deadline = min_u64(deadline, ((const struct txn_request *)part->all)->parked_until_ns);
    }
    return deadline;
}

/* ---- Settling ------------------------------------------------------------------------------- */

void txn_entry_settle(struct ledger_entry *entry, int16_t error_code)
{
    const struct txn_outcome *outcome = entry->replies;
    struct part *part = outcome->has_reply ? (struct part *)(uintptr_t)outcome->reply.token : NULL;
    if (part != NULL && error_code == ERROR_NONE) {
        if (part_parks(part, outcome->reply.answer)) {
            ledger_entry_free(entry);
            return;
        }
        part_answer(part, outcome->reply.answer, entry);
        return;
    }
    if (part != NULL) {
        part_fail(part, part_error_of_write(error_code));
    }
    ledger_entry_free(entry);
}
