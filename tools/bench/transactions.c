/* transactions: every connection is a producer that fills a transaction, of one batch or for some
 * time, and commits it; latency is that of the commit. As clients do it since transaction.version 2
 * (KIP-890): the first batch brings its partition into the transaction, and each end a new epoch.
 * At the end exactly what was committed must be there. */
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/kafka/errors.h"
#include "storage/record/batch.h"
#include "tools/bench/dialogs.h"

enum {
    INIT_PRODUCER_ID_VERSION = 4,
    END_TXN_VERSION = 5,
    TIMEOUT_MS = 60000,
    ANSWER_BYTES_MAX = 2 << 20,
    NAME_BYTES_MAX = 128,
    READ_WAIT_MS = 100,
    COORDINATOR_WAIT_TURNS = 200,
};

struct producer {
    char id[NAME_BYTES_MAX];
    int64_t producer_id;
    int16_t epoch;
    bool begun, begun_sure, ending; /* begun_sure: the first batch of it is answered. */
    uint64_t begun_ns;
    int32_t sequence;
    uint32_t open_batches;   /* Of the transaction, not answered yet. */
    uint64_t batches, bytes; /* Of the transaction. */
    uint64_t committed;      /* Batches. */
    uint8_t *room;           /* in_flight batches. */
};

struct transactions {
    struct dialogs dialogs;
    struct producer *producers;
    uint32_t batch_bytes_max;
};

static struct transactions *transactions_of(struct dialogs *dialogs)
{
    return CONTAINER_OF(dialogs, struct transactions, dialogs);
}

/* The batch of the pool as that producer's next one. */
static struct bytes batch_take(struct transactions *all, struct producer *producer, uint64_t number)
{
    const struct payload *payload = &all->dialogs.run->payload;
    const struct bytes from = payload->batches[number % PAYLOAD_BATCHES];
    uint8_t *to =
        producer->room + number % all->dialogs.run->options->in_flight * all->batch_bytes_max;
    struct batch_header header;
    const struct chain chain = chain_of(&from);
    const enum batch_status status = batch_parse(chain, &header);
    ASSERT(status == BATCH_OK);
    header.attributes |= BATCH_TRANSACTIONAL;
    header.producer_id = producer->producer_id;
    header.producer_epoch = producer->epoch;
    header.base_sequence = producer->sequence;
    memcpy(to, from.ptr, from.len);
    batch_write_header(to, &header);
    batch_seal(to, from.len);
    producer->sequence = batch_sequence_add(producer->sequence, header.record_count);
    return (struct bytes){to, from.len};
}

static void produce_send(struct transactions *all, uint32_t index)
{
    struct producer *producer = &all->producers[index];
    struct peer *peer = &all->dialogs.peers[index];
    const struct bench_options *options = all->dialogs.run->options;
    struct peer_request *request = peer_begin(peer);
    if (!producer->begun) {
        producer->begun = true;
        producer->begun_ns = usage_now_ns();
    }
    const struct bytes batch = batch_take(all, producer, request->number);
    requests_produce_txn(request, producer->id, options->topic,
                         (uint32_t)(index % options->partitions), batch);
    request->api = API_PRODUCE;
    producer->open_batches++;
    producer->batches++;
    producer->bytes += batch.len;
    peer_end(peer);
}

static void end_send(struct transactions *all, uint32_t index)
{
    struct producer *producer = &all->producers[index];
    const struct bytes id = bytes_of_string(producer->id);
    struct end_txn_request message = end_txn_request_default;
    message.transactional_id = chain_of(&id);
    message.producer_id = producer->producer_id;
    message.producer_epoch = producer->epoch;
    message.committed = true;
    struct peer_request *request = peer_begin(&all->dialogs.peers[index]);
    REQUESTS_ENCODE(request, API_END_TXN, end_txn, END_TXN_VERSION, &message);
    request->api = API_END_TXN;
    request->intended_ns = usage_now_ns();
    producer->ending = true;
    peer_end(&all->dialogs.peers[index]);
}

static bool filled(const struct transactions *all, const struct producer *producer)
{
    const uint64_t fill_ns = all->dialogs.run->options->transaction_ms * 1000000u;
    return all->dialogs.stopping || fill_ns == 0 || usage_now_ns() - producer->begun_ns >= fill_ns;
}

/* The first batch of a transaction goes alone: it may be refused while the last one's markers are
 * on their way. */
static bool producer_next(struct dialogs *dialogs, uint32_t index)
{
    struct transactions *all = transactions_of(dialogs);
    struct producer *producer = &all->producers[index];
    if (producer->ending || (producer->begun && !producer->begun_sure)) {
        return false;
    }
    if (!producer->begun) {
        if (dialogs->stopping) {
            return false;
        }
    } else if (filled(all, producer)) {
        if (producer->open_batches > 0) {
            return false;
        }
        end_send(all, index);
        return true;
    }
    produce_send(all, index);
    return true;
}

/* Of the first batch: what a client tries again. */
static bool comes_again(int16_t error)
{
    return error == ERROR_CONCURRENT_TRANSACTIONS || error == ERROR_NOT_ENOUGH_REPLICAS ||
           error == ERROR_NOT_LEADER_OR_FOLLOWER || dialogs_coordinator_comes(error);
}

static bool produce_answer(struct producer *producer, const struct peer_request *request,
                           struct bytes frame)
{
    int16_t error = 0;
    int64_t offset = 0;
    if (!requests_produce_answer(frame, &error, &offset)) {
        return dialogs_failed("Produce", ERROR_CORRUPT_MESSAGE);
    }
    producer->open_batches--;
    if (error == ERROR_NONE) {
        producer->begun_sure = true;
        return true;
    }
    if (producer->begun_sure || !comes_again(error)) {
        return dialogs_failed("Produce", error);
    }
    producer->begun = false;
    producer->sequence = 0; /* The first of its epoch. */
    producer->batches--;
    producer->bytes -= request->body.len;
    return true;
}

static bool producer_answer(struct dialogs *dialogs, uint32_t index,
                            const struct peer_request *request, struct bytes frame)
{
    struct producer *producer = &transactions_of(dialogs)->producers[index];
    struct report *report = dialogs->run->report;
    if (request->api == API_PRODUCE) {
        return produce_answer(producer, request, frame);
    }
    struct end_txn_response answer;
    if (!REQUESTS_DECODE(frame, API_END_TXN, end_txn, END_TXN_VERSION, &answer)) {
        return dialogs_failed("EndTxn", ERROR_CORRUPT_MESSAGE);
    }
    if (answer.error_code != ERROR_NONE) {
        return dialogs_failed("EndTxn", answer.error_code);
    }
    dialogs_count(dialogs, request->intended_ns);
    if (dialogs->measuring) {
        report->records += producer->batches * dialogs->run->payload.records_per_batch;
        report->payload_bytes += producer->bytes;
    }
    producer->committed += producer->batches;
    producer->batches = producer->bytes = 0;
    producer->begun = producer->begun_sure = producer->ending = false;
    producer->sequence = 0;
    producer->producer_id = answer.producer_id;
    producer->epoch = answer.producer_epoch;
    return true;
}

static bool producer_init(struct transactions *all, uint32_t index)
{
    struct producer *producer = &all->producers[index];
    struct peer *peer = &all->dialogs.peers[index];
    const struct bench_options *options = all->dialogs.run->options;
    (void)snprintf(producer->id, sizeof(producer->id), "%s-%u", options->topic, index);
    producer->room = malloc(options->in_flight * all->batch_bytes_max);
    if (producer->room == NULL ||
        !requests_find_coordinator(peer, REQUESTS_TRANSACTION, producer->id)) {
        return false;
    }
    const struct bytes id = bytes_of_string(producer->id);
    struct init_producer_id_request message = init_producer_id_request_default;
    message.transactional_id = chain_of(&id);
    message.transaction_timeout_ms = TIMEOUT_MS;
    for (int turn = 0; turn < COORDINATOR_WAIT_TURNS; turn++) {
        struct peer_request *request = peer_begin(peer);
        REQUESTS_ENCODE(request, API_INIT_PRODUCER_ID, init_producer_id, INIT_PRODUCER_ID_VERSION,
                        &message);
        peer_end(peer);
        struct bytes frame;
        struct init_producer_id_response answer;
        if (!peer_call(peer, &frame) ||
            !REQUESTS_DECODE(frame, API_INIT_PRODUCER_ID, init_producer_id,
                             INIT_PRODUCER_ID_VERSION, &answer)) {
            return dialogs_failed("InitProducerId", ERROR_CORRUPT_MESSAGE);
        }
        producer->producer_id = answer.producer_id;
        producer->epoch = answer.producer_epoch;
        if (!dialogs_coordinator_comes(answer.error_code)) {
            return answer.error_code == ERROR_NONE ||
                   dialogs_failed("InitProducerId", answer.error_code);
        }
        (void)usleep(50000);
    }
    return dialogs_failed("InitProducerId", ERROR_COORDINATOR_NOT_AVAILABLE);
}

/* ---- Reading back ---------------------------------------------------------------------------- */

/* Batches with data from there on, whole and right; false: broken. *next: behind the last one. */
static bool batches_count(struct report *report, struct bytes records, int64_t *next,
                          uint64_t *count)
{
    struct batch_header header;
    struct bytes batch;
    while (batch_next(&records, &header, &batch) == BATCH_OK) {
        if (batch_check_crc(chain_of(&batch), &header) != BATCH_OK) {
            return false;
        }
        *next = batch_last_offset(&header) + 1;
        *count += batch_is_control(&header) ? 0 : 1;
        report->verified_bytes += batch.len;
    }
    return true;
}

/* Of one partition, from its start; -1: it cannot be read. */
static int64_t partition_count(struct transactions *all, uint32_t partition)
{
    struct peer *peer = &all->dialogs.peers[0];
    const char *topic = all->dialogs.run->options->topic;
    int64_t next = requests_list_offset(peer, topic, partition, -2);
    const int64_t end = requests_list_offset(peer, topic, partition, -1);
    uint64_t count = 0;
    while (next >= 0 && next < end) {
        struct peer_request *request = peer_begin(peer);
        requests_fetch(request, topic, partition, next, 1 << 20, READ_WAIT_MS);
        peer_end(peer);
        struct bytes frame;
        struct bytes records;
        int16_t error = 0;
        int64_t high_watermark = 0;
        const int64_t before = next;
        if (!peer_call(peer, &frame) ||
            !requests_fetch_answer(frame, &error, &high_watermark, &records) || error != 0 ||
            !batches_count(all->dialogs.run->report, records, &next, &count) || next == before) {
            return -1;
        }
    }
    return next < 0 ? -1 : (int64_t)count;
}

static void verify(struct transactions *all)
{
    struct report *report = all->dialogs.run->report;
    const struct bench_options *options = all->dialogs.run->options;
    for (uint32_t partition = 0; partition < options->partitions; partition++) {
        uint64_t committed = 0;
        for (uint64_t i = partition; i < options->connections; i += options->partitions) {
            committed += all->producers[i].committed;
        }
        const int64_t found = partition_count(all, partition);
        if (found != (int64_t)committed) {
            report->verify_failed = true;
            (void)snprintf(report->verify_note, sizeof(report->verify_note),
                           "partition %u holds %lld batches, %llu were committed", partition,
                           (long long)found, (unsigned long long)committed);
        }
    }
}

static bool open_all(struct transactions *all)
{
    const struct bench_options *options = all->dialogs.run->options;
    for (uint32_t i = 0; i < PAYLOAD_BATCHES; i++) {
        all->batch_bytes_max =
            (uint32_t)max_u64(all->batch_bytes_max, all->dialogs.run->payload.batches[i].len);
    }
    if (!dialogs_open(&all->dialogs, ANSWER_BYTES_MAX) ||
        !requests_create_topic(&all->dialogs.peers[0], options)) {
        return false;
    }
    for (uint32_t i = 0; i < options->connections; i++) {
        if (!producer_init(all, i)) {
            return false;
        }
    }
    return true;
}

bool run_transactions(struct run *run)
{
    const uint64_t count = run->options->connections;
    struct transactions all = {
        .dialogs = {.run = run, .next = producer_next, .answer = producer_answer},
        .producers = calloc(count, sizeof(*all.producers)),
    };
    const bool ok = all.producers != NULL && open_all(&all) && dialogs_run(&all.dialogs);
    if (ok && run->options->verify) {
        verify(&all);
    }
    dialogs_close(&all.dialogs);
    for (uint64_t i = 0; all.producers != NULL && i < count; i++) {
        free(all.producers[i].room);
    }
    free(all.producers);
    return ok;
}
