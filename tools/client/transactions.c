#include "tools/client/transactions.h"

#include <stdlib.h>

#include "dataplane/kafka/messages.h"
#include "tools/client/coordinator.h"

enum { ROOM_BYTES = 4096 };

/* A terminated copy; a null chain is "". */
static const char *keep(struct arena *arena, struct chain text)
{
    const struct bytes flat = arena_flat(arena, text);
    return flat.ptr == NULL ? "" : (const char *)flat.ptr;
}

/* ---- List ----------------------------------------------------------------------------------- */

struct listing {
    struct arena *arena;
    const char *state;
    int64_t longer_ms;
    struct transactions_listed *items;
    uint32_t count;
    uint32_t capacity;
};

static int listed_compare(const void *a, const void *b)
{
    return strcmp(((const struct transactions_listed *)a)->id,
                  ((const struct transactions_listed *)b)->id);
}

static bool list_take(struct client *client, struct connection *connection,
                      struct list_transactions_response *response, struct listing *listing)
{
    struct list_transactions_response_transaction one;
    struct chain unknown;
    if (!coordinator_check(client, response->error_code, CHAIN_NULL, "transactions of",
                           connection->name)) {
        return false;
    }
    if (string_array_next(&response->unknown_state_filters, &unknown)) {
        return problem_set(&client->problem, PROBLEM_LOCAL,
                           "there is no state '%s'; Empty, Ongoing, PrepareCommit, PrepareAbort, "
                           "CompleteCommit and CompleteAbort are",
                           listing->state);
    }
    while (list_transactions_response_transaction_array_next(&response->transaction_states, &one)) {
        listing->items = arena_room(listing->arena, listing->items, sizeof(*listing->items),
                                    listing->count, &listing->capacity);
        listing->items[listing->count++] =
            (struct transactions_listed){.id = keep(listing->arena, one.transactional_id),
                                         .state = keep(listing->arena, one.transaction_state),
                                         .producer_id = one.producer_id};
    }
    return true;
}

static bool list_of_broker(struct client *client, int32_t broker, struct listing *listing)
{
    struct connection *connection = client_broker(client, broker);
    int16_t version;
    struct writer *writer = connection == NULL
                                ? NULL
                                : connection_begin(connection, API_LIST_TRANSACTIONS, ROOM_BYTES,
                                                   &version, &client->problem);
    if (writer == NULL) {
        return false;
    }
    const struct bytes text = bytes_of_string(listing->state != NULL ? listing->state : "");
    const struct chain filter = chain_of(&text);
    struct list_transactions_request request = list_transactions_request_default;
    request.state_filters =
        (struct string_array){.items = &filter, .count = listing->state != NULL};
    request.duration_filter = listing->longer_ms;
    if (list_transactions_request_encode(writer, version, &request) != CODEC_OK) {
        return problem_set(&client->problem, PROBLEM_PROTOCOL,
                           "%s is too old to choose transactions by their age", connection->name);
    }
    struct reader reader;
    struct list_transactions_response response;
    if (!connection_call(connection, client_deadline_ns(client), &reader, &client->problem)) {
        return false;
    }
    return list_transactions_response_decode(&reader, version, &response) == CODEC_OK
               ? list_take(client, connection, &response, listing)
               : connection_bad_answer(connection, &client->problem);
}

bool transactions_list(struct client *client, struct arena *arena, const char *state,
                       int64_t longer_ms, struct transactions_listed **list, uint32_t *count)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        struct listing listing = {.arena = arena, .state = state, .longer_ms = longer_ms};
        bool ok = coordinator_brokers(client);
        for (uint32_t i = 0; ok && i < client->broker_count; i++) {
            ok = list_of_broker(client, client->brokers[i].id, &listing);
        }
        if (ok) {
            if (listing.count > 0) {
                qsort(listing.items, listing.count, sizeof(*listing.items), listed_compare);
            }
            *list = listing.items;
            *count = listing.count;
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

/* ---- Describe ------------------------------------------------------------------------------- */

static void described_take(struct arena *arena,
                           struct describe_transactions_response_transaction *from,
                           struct transactions_described *to)
{
    struct describe_transactions_response_topic topic;
    uint32_t capacity = 0;
    *to = (struct transactions_described){.state = keep(arena, from->transaction_state),
                                          .producer_id = from->producer_id,
                                          .producer_epoch = from->producer_epoch,
                                          .timeout_ms = from->transaction_timeout_ms,
                                          .start_ms = from->transaction_start_time_ms};
    while (describe_transactions_response_topic_array_next(&from->topics, &topic)) {
        const char *name = keep(arena, topic.topic);
        int32_t partition;
        while (i32_array_next(&topic.partitions, &partition)) {
            to->places =
                arena_room(arena, to->places, sizeof(*to->places), to->place_count, &capacity);
            to->places[to->place_count++] = (struct transactions_place){name, partition};
        }
    }
}

static bool describe_once(struct client *client, struct arena *arena, const char *id,
                          struct transactions_described *described)
{
    struct coordinator_request call;
    if (!coordinator_begin(client, COORDINATOR_OF_TRANSACTION, id, API_DESCRIBE_TRANSACTIONS,
                           ROOM_BYTES, &call)) {
        return false;
    }
    const struct bytes text = bytes_of_string(id);
    const struct chain key = chain_of(&text);
    struct describe_transactions_request request = describe_transactions_request_default;
    request.transactional_ids = (struct string_array){.items = &key, .count = 1};
    (void)describe_transactions_request_encode(call.writer, call.version, &request);
    struct reader reader;
    struct describe_transactions_response answer;
    struct describe_transactions_response_transaction one;
    if (!coordinator_call(client, &call, &reader)) {
        return false;
    }
    if (describe_transactions_response_decode(&reader, call.version, &answer) != CODEC_OK ||
        !describe_transactions_response_transaction_array_next(&answer.transaction_states, &one)) {
        return connection_bad_answer(call.connection, &client->problem);
    }
    if (!coordinator_check(client, one.error_code, CHAIN_NULL, "transaction", id)) {
        return false;
    }
    described_take(arena, &one, described);
    return true;
}

bool transactions_describe(struct client *client, struct arena *arena, const char *id,
                           struct transactions_described *described)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        if (describe_once(client, arena, id, described)) {
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

/* ---- Fence ---------------------------------------------------------------------------------- */

/* CONCURRENT_TRANSACTIONS until what was open is aborted everywhere. */
static bool fence_once(struct client *client, const char *id, int32_t timeout_ms)
{
    struct coordinator_request call;
    if (!coordinator_begin(client, COORDINATOR_OF_TRANSACTION, id, API_INIT_PRODUCER_ID, ROOM_BYTES,
                           &call)) {
        return false;
    }
    const struct bytes text = bytes_of_string(id);
    struct init_producer_id_request request = init_producer_id_request_default;
    request.transactional_id = chain_of(&text);
    request.transaction_timeout_ms = timeout_ms;
    (void)init_producer_id_request_encode(call.writer, call.version, &request);
    struct reader reader;
    struct init_producer_id_response answer;
    if (!coordinator_call(client, &call, &reader)) {
        return false;
    }
    if (init_producer_id_response_decode(&reader, call.version, &answer) != CODEC_OK) {
        return connection_bad_answer(call.connection, &client->problem);
    }
    return coordinator_check(client, answer.error_code, CHAIN_NULL, "abort transaction", id);
}

bool transactions_fence(struct client *client, const char *id, int32_t timeout_ms)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        if (fence_once(client, id, timeout_ms)) {
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}
