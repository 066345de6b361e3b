/* Transactional batches (KIP-890). An owner refuses one that begins a transaction in its partition
 * unless the coordinator says that the transaction is ongoing and the partition is part of it; or,
 * for clients of transaction.version 2, makes it a part. The produce then asks for all such
 * partitions at once, and hands their batches in again. What its connection sends behind it waits,
 * so that batches stay in order. */
#include "dataplane/broker/dispatch.h"
#include "dataplane/broker/operation.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/slow.h"

enum {
    ABORTABLE_FROM = 11, /* Produce: knows TRANSACTION_ABORTABLE. */
    ADDS_FROM = 12,      /* Partitions become part of the transaction by being written to. */
};

static bool unverified(const struct operation *operation)
{
    return operation->kind == OPERATION_APPEND && operation->back &&
           operation->append.status == LOG_TXN_UNVERIFIED;
}

/* It may have been judged before what its connection sent in front of it: a partition of another
 * core keeps that request, and the owner of this one has it back to be asked about. */
static bool out_of_order(const struct operation *operation)
{
    return operation->kind == OPERATION_APPEND && operation->back &&
           operation->append.status == LOG_OUT_OF_ORDER_SEQUENCE;
}

bool produce_undecided(const struct operation *operation)
{
    const struct request *request = operation->request;
    return unverified(operation) || (out_of_order(operation) && !request->in_place &&
                                     !chain_is_null(request->body_of.produce.transactional_id));
}

static const struct snapshot_topic *topic_of(const struct broker *broker,
                                             const struct operation *operation)
{
    return snapshot_topic_by_id(broker->snapshot, &operation->mail.partition.topic_id);
}

/* As Kafka it says why where the error alone would mislead. */
static void refuse(struct operation *operation, int16_t error)
{
    operation->append.status = LOG_INVALID_TXN_STATE;
    operation->error = error;
    operation->message = error == ERROR_NOT_ENOUGH_REPLICAS
                             ? "nobody could say whether the partition is part of the transaction"
                             : NULL;
}

static void refuse_all(struct request *request, int16_t error)
{
    for (struct operation *op = request->operations; op != NULL; op = op->next) {
        if (unverified(op)) {
            refuse(op, error);
        }
    }
}

/* The producer of such a batch. */
static bool producer_of(const struct operation *operation, struct batch_header *header)
{
    return batch_parse_header(operation->append.batch, header) == BATCH_OK;
}

/* One question is about one producer: what it vouches for may be of no other. */
static bool of_one_producer(const struct request *request, const struct batch_header *first)
{
    for (const struct operation *op = request->operations; op != NULL; op = op->next) {
        struct batch_header header;
        if (unverified(op) &&
            (!producer_of(op, &header) || header.producer_id != first->producer_id ||
             header.producer_epoch != first->producer_epoch)) {
            return false;
        }
    }
    return true;
}

/* One partition a topic: nobody minds a topic twice. Scratch; NULL: no room. */
static struct add_partitions_to_txn_request_topic *
topics_take(struct broker *broker, struct request *request, int32_t *count)
{
    uint32_t most = 0;
    for (const struct operation *op = request->operations; op != NULL; op = op->next) {
        most += unverified(op);
    }
    struct add_partitions_to_txn_request_topic *topics =
        scratch_take(&broker->scratch, most * sizeof(*topics));
    int32_t *partitions = scratch_take(&broker->scratch, most * sizeof(*partitions));
    struct bytes *names = scratch_take(&broker->scratch, most * sizeof(*names));
    if (topics == NULL || partitions == NULL || names == NULL) {
        return NULL;
    }
    *count = 0;
    for (struct operation *op = request->operations; op != NULL; op = op->next) {
        if (!unverified(op)) {
            continue;
        }
        const struct snapshot_topic *topic = topic_of(broker, op);
        if (topic == NULL) { /* Deleted by now. */
            op->append.status = LOG_CLOSED;
            op->error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        names[*count] = topic->name;
        partitions[*count] = (int32_t)op->mail.partition.index;
        topics[*count] = add_partitions_to_txn_request_topic_default;
        topics[*count].name = chain_of(&names[*count]);
        topics[*count].partitions.items = &partitions[*count];
        topics[*count].partitions.count = 1;
        (*count)++;
    }
    return topics;
}

/* Writes what is asked. False: no memory. */
static bool ask_write(struct broker *broker, struct request *request,
                      const struct batch_header *header)
{
    struct add_partitions_to_txn_request ask = add_partitions_to_txn_request_default;
    struct add_partitions_to_txn_request_transaction transaction =
        add_partitions_to_txn_request_transaction_default;
    int32_t count;
    scratch_reset(&broker->scratch);
    transaction.topics.items = topics_take(broker, request, &count);
    if (transaction.topics.items == NULL) {
        return false;
    }
    transaction.topics.count = count;
    transaction.transactional_id = request->body_of.produce.transactional_id;
    transaction.producer_id = header->producer_id;
    transaction.producer_epoch = header->producer_epoch;
    transaction.verify_only = request->version < ADDS_FROM;
    ask.transactions.items = &transaction;
    ask.transactions.count = 1;
    const uint64_t size = add_partitions_to_txn_request_size(PRODUCE_ASK_VERSION, &ask);
    uint8_t *to = request->small;
    if (size > SLOW_REQUEST_BYTES_MAX) {
        return false;
    }
    if (size > RESPONSE_SMALL_BYTES) {
        to = region_take(&broker->output, (uint32_t)size);
        request->output = to;
        request->output_bytes = (uint32_t)size;
    }
    if (to == NULL) {
        return false;
    }
    struct writer writer;
    writer_init(&writer, to, size);
    if (add_partitions_to_txn_request_encode(&writer, PRODUCE_ASK_VERSION, &ask) != CODEC_OK) {
        return false;
    }
    request->ask = (struct bytes){to, (uint32_t)size};
    return true;
}

/* ---- In order ------------------------------------------------------------------------------- */

/* Its batches may be of the same transaction as those behind it, and are not all in the log. */
static bool holds_up(const struct request *request)
{
    return request->state == REQUEST_RUNNING && request->row->key == API_PRODUCE &&
           !request->stopped_asking && !chain_is_null(request->body_of.produce.transactional_id);
}

/* Something before it on its connection. */
static bool is_held_up(const struct request *request)
{
    LIST_FOR_EACH(node, &request->connection->requests)
    {
        const struct request *before = CONTAINER_OF(node, struct request, node);
        if (before == request) {
            break;
        }
        if (holds_up(before)) {
            return true;
        }
    }
    return false;
}

/* No timeout until it goes on, and nothing begins behind it. */
static void set_aside(struct request *request)
{
    if (!request->alone) {
        request->alone = true;
        request->overlaps = false;
        request->connection->overlap_count--;
    }
    request->timed = false;
    request->values[0] = (int64_t)request->deadline_ns;
}

static void go_on(struct request *request)
{
    request->deadline_ns = (uint64_t)request->values[0];
    if (request->body_of.produce.acks != 0) {
        produce_time(request);
    }
}

/* Judged anew, behind what is in the log by now: mostly nobody has to be asked. */
static void judge_again(struct request *request)
{
    request->held = false;
    request->in_place = true;
    request->connection->held_count--;
    go_on(request);
    request->pending++; /* Ours, so that it is not done before all are out. */
    for (struct operation *op = request->operations; op != NULL; op = op->next) {
        if (unverified(op) || out_of_order(op)) {
            op->append.status = LOG_PENDING;
            operation_submit(request->broker, op);
        }
    }
    if (request_returned(request) && request->state == REQUEST_RUNNING) {
        request->back(request->broker, request);
    }
}

void produce_go_on(struct connection *connection)
{
    LIST_FOR_EACH(node, &connection->requests)
    {
        struct request *request = CONTAINER_OF(node, struct request, node);
        if (request->held) {
            if (!is_held_up(request)) {
                judge_again(request); /* It comes back here when it is through. */
            }
            return;
        }
    }
}

/* ---- Asking --------------------------------------------------------------------------------- */

static const struct operation *find(const struct request *request,
                                    bool (*wanted)(const struct operation *operation))
{
    const struct operation *operation = request->operations;
    while (operation != NULL && !wanted(operation)) {
        operation = operation->next;
    }
    return operation;
}

static void hold(struct request *request)
{
    request->held = true;
    request->connection->held_count++;
    set_aside(request);
}

bool produce_asks(struct broker *broker, struct request *request)
{
    const struct operation *first = find(request, unverified);
    if (!request->in_place && !chain_is_null(request->body_of.produce.transactional_id) &&
        find(request, out_of_order) != NULL) {
        hold(request);
        if (!is_held_up(request)) { /* Not any more: it may have been when that was judged. */
            judge_again(request);
        }
        return true;
    }
    if (first == NULL) {
        return false;
    }
    struct batch_header header;
    if (chain_is_null(request->body_of.produce.transactional_id)) {
        refuse_all(request, ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED); /* As Kafka. */
        return false;
    }
    if (request->stopped_asking || !producer_of(first, &header)) {
        refuse_all(request, ERROR_INVALID_TXN_STATE);
        return false;
    }
    if (!of_one_producer(request, &header)) {
        refuse_all(request, ERROR_INVALID_PRODUCER_ID_MAPPING); /* As Kafka. */
        return false;
    }
    if (is_held_up(request)) {
        hold(request);
        return true;
    }
    if (!ask_write(broker, request, &header)) {
        refuse_all(request, ERROR_NOT_ENOUGH_REPLICAS); /* Retriable. */
        return false;
    }
    request->in_place = true;
    set_aside(request);
    request->slow_answer = NULL;
    request->slow_body_got = 0;
    slow_ask(broker, request);
    return true;
}

/* In words that producers expect of a produce (AddPartitionsToTxnManager, ReplicaManager). */
static int16_t error_told(const struct request *request, int16_t error)
{
    switch (error) {
    case ERROR_PRODUCER_FENCED: return ERROR_INVALID_PRODUCER_EPOCH;
    case ERROR_TRANSACTION_ABORTABLE:
        return request->version < ABORTABLE_FROM ? ERROR_INVALID_TXN_STATE : error;
    case ERROR_NETWORK_EXCEPTION:
    case ERROR_COORDINATOR_LOAD_IN_PROGRESS:
    case ERROR_COORDINATOR_NOT_AVAILABLE:
    case ERROR_NOT_COORDINATOR: return ERROR_NOT_ENOUGH_REPLICAS;
    case ERROR_CONCURRENT_TRANSACTIONS:
        return request->version < ADDS_FROM ? (int16_t)ERROR_NOT_ENOUGH_REPLICAS : error;
    default: return error;
    }
}

/* The error of the at-th partition that was asked for; they come back in the same order. */
static bool answer_read(struct bytes answer, struct add_partitions_to_txn_response *response,
                        struct add_partitions_to_txn_response_transaction *transaction)
{
    struct reader reader;
    reader_init(&reader, chain_of(&answer));
    return add_partitions_to_txn_response_decode(&reader, PRODUCE_ASK_VERSION, response) ==
               CODEC_OK &&
           add_partitions_to_txn_response_transaction_array_next(&response->results_by_transaction,
                                                                 transaction);
}

static int16_t next_error(struct add_partitions_to_txn_response_transaction *transaction)
{
    struct add_partitions_to_txn_response_topic topic;
    struct add_partitions_to_txn_response_partition partition;
    return add_partitions_to_txn_response_topic_array_next(&transaction->topic_results, &topic) &&
                   add_partitions_to_txn_response_partition_array_next(&topic.results_by_partition,
                                                                       &partition)
               ? partition.partition_error_code
               : (int16_t)ERROR_UNKNOWN_SERVER_ERROR;
}

static void hand_in_again(struct broker *broker, struct request *request,
                          struct add_partitions_to_txn_response_transaction *transaction)
{
    for (struct operation *op = request->operations; op != NULL; op = op->next) {
        if (!unverified(op)) {
            continue;
        }
        const int16_t error = next_error(transaction);
        if (error != ERROR_NONE) {
            refuse(op, error_told(request, error));
            continue;
        }
        op->append.txn.verified = true;
        op->append.status = LOG_PENDING;
        operation_submit(broker, op);
    }
}

void produce_asked(struct request *request, int16_t error, struct bytes answer)
{
    struct broker *broker = request->broker;
    struct add_partitions_to_txn_response response;
    struct add_partitions_to_txn_response_transaction transaction;
    request->ask = (struct bytes){0};
    go_on(request);
    request->pending++; /* Ours, so that it is not done before all are out. */
    if (error == ERROR_NONE && answer_read(answer, &response, &transaction)) {
        hand_in_again(broker, request, &transaction);
    }
    request->stopped_asking = true;
    refuse_all(request,
               error_told(request, error == ERROR_NONE ? (int16_t)ERROR_INVALID_TXN_STATE : error));
    if (request->output != NULL) {
        region_give(&broker->output, request->output, request->output_bytes);
        request->output = NULL;
    }
    struct connection *connection = request->connection;
    if (request_returned(request) && request->state == REQUEST_RUNNING) {
        request->back(broker, request);
    }
    if (connection != NULL) {
        produce_through(connection); /* Behind its batches, which are handed in. */
    }
}
