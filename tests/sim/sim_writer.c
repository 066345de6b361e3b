/* A producer with transactions, or a plain idempotent one of keyed records: one thing at a time,
 * repeated until it is answered, with the rules of Kafka's client on what ends a transaction. Only
 * produce requests may follow each other unanswered. With transaction.version 2 (KIP-890) nothing
 * is added before it is used, and each end begins an epoch. */
#include <stdio.h>
#include <stdlib.h>

#include "storage/record/record.h"
#include "tests/sim/sim_mover.h"

enum {
    BATCH_RECORDS_MAX = 4,
    ROUNDS_MAX = 3, /* Of batches, on their way at one time. */
    BATCH_BYTES_MAX = 64 * 1024,
    VALUE_BYTES_MAX = 2000,
    TIMEOUT_MS = 120 * 1000,
    TIMEOUT_SHORT_MS = 400,
};

enum writer_state {
    WRITER_INIT,
    WRITER_IDLE,
    WRITER_ADD,
    WRITER_PRODUCE,
    WRITER_ADD_OFFSETS,
    WRITER_OFFSETS,
    WRITER_END,
    WRITER_STATES,
};

/* Versions of who has transaction.version 2. */
enum { PRODUCE_BUMPING = 12, TXN_OFFSET_COMMIT_BUMPING = 5, END_TXN_BUMPING = 5 };

/* The batch for a partition. */
struct part {
    bool wanted;
    bool acked;
    uint32_t first; /* Record. */
    uint32_t count;
    int32_t sequence;
};

struct record_writer {
    struct actor actor; /* First. */
    struct writer_options options;
    char tid[8];
    enum writer_state state;
    int64_t producer_id; /* -1: none. */
    int16_t epoch;
    int32_t sequences[BOOK_PARTITIONS];
    uint32_t txn; /* 0: none is open. */
    struct part parts[ROUNDS_MAX][BOOK_PARTITIONS];
    uint32_t round_count;
    uint32_t answers_due;  /* Of produce requests. */
    int16_t produce_error; /* The worst of them. */
    uint32_t rounds;       /* Of batches, still to come. */
    uint32_t offset_at;    /* Partition to commit for; BOOK_PARTITIONS: none. */
    int64_t offset;
    bool commits; /* How it is to end. */
    bool ending;  /* Was asked for, at least once. */
    /* An InitProducerId whose answer was lost may be behind one on a newer connection. */
    bool may_fence_itself;
    uint32_t done;
};

static struct record_writer *writer_of(const struct client *client)
{
    return (struct record_writer *)(uintptr_t)client;
}

static struct book *book_of(const struct record_writer *writer)
{
    return actor_book(&writer->actor);
}

/* ---- What to write -------------------------------------------------------------------------- */

static void part_make(struct record_writer *writer, uint32_t round, uint32_t partition)
{
    struct random *random = &writer->actor.client.random;
    struct part *part = &writer->parts[round][partition];
    *part = (struct part){.wanted = true, .sequence = writer->sequences[partition]};
    part->count = 1 + (uint32_t)random_below(random, BATCH_RECORDS_MAX);
    for (uint32_t i = 0; i < part->count; i++) {
        int32_t key = -1;
        if (partition >= BOOK_KEYS_FIRST) { /* Its keys of that partition. */
            const uint32_t half = writer->options.key_count / 2;
            key = (int32_t)(writer->options.key_first + 2 * random_below(random, half) +
                            (partition - BOOK_KEYS_FIRST));
        }
        const uint32_t record =
            book_record_make(book_of(writer), writer->options.number, partition, writer->txn, key,
                             key >= 0 && random_one_in(random, 4));
        part->first = i == 0 ? record : part->first;
    }
    writer->sequences[partition] += (int32_t)part->count;
}

/* One for each record that is moved. */
static void move_make(struct record_writer *writer)
{
    const struct move *move = &writer->options.mover->now;
    for (uint32_t p = 0; p < BOOK_MOVES; p++) {
        const uint32_t to = BOOK_MOVES + p;
        struct part *part = &writer->parts[0][to];
        *part = (struct part){.wanted = move->counts[p] > 0,
                              .count = move->counts[p],
                              .sequence = writer->sequences[to]};
        for (uint32_t i = 0; i < part->count; i++) {
            const uint32_t record = book_record_make(book_of(writer), writer->options.number, to,
                                                     writer->txn, -1, false);
            book_record_made_of(book_of(writer), record, move->inputs[p][i]);
            part->first = i == 0 ? record : part->first;
        }
        writer->sequences[to] += (int32_t)part->count;
    }
}

/* Some partitions; at least one. */
static void round_make(struct record_writer *writer, uint32_t round)
{
    struct random *random = &writer->actor.client.random;
    const bool keys = writer->options.key_count > 0;
    const uint32_t from = writer->options.transactional ? 0 : BOOK_KEYS_FIRST;
    const uint32_t end = keys ? BOOK_PARTITIONS : BOOK_KEYS_FIRST;
    const uint32_t one = from + (uint32_t)random_below(random, end - from);
    for (uint32_t p = from; p < end; p++) {
        if (p == one || random_one_in(random, 3)) {
            part_make(writer, round, p);
        }
    }
}

static void rounds_make(struct record_writer *writer)
{
    memset(writer->parts, 0, sizeof(writer->parts));
    if (writer->options.mover != NULL) {
        writer->round_count = 1;
        move_make(writer);
        return;
    }
    writer->round_count =
        1 + (uint32_t)random_below(&writer->actor.client.random, writer->options.in_flight_max);
    for (uint32_t round = 0; round < writer->round_count; round++) {
        round_make(writer, round);
    }
}

static bool is_wanted(const struct record_writer *writer, uint32_t partition)
{
    bool wanted = false;
    for (uint32_t round = 0; round < writer->round_count; round++) {
        wanted = wanted || writer->parts[round][partition].wanted;
    }
    return wanted;
}

static struct bytes batch_build(const struct record_writer *writer, const struct part *part,
                                uint8_t *memory)
{
    /* Not zeros: a sector of them passes for one that was never written. */
    static uint8_t filling[VALUE_BYTES_MAX];
    memset(filling, 0xa5, sizeof(filling));
    struct batch_options options = batch_options_none();
    options.attributes = writer->options.transactional ? BATCH_TRANSACTIONAL : 0;
    options.producer_id = writer->producer_id;
    options.producer_epoch = writer->epoch;
    options.base_sequence = part->sequence;
    struct batch_builder builder;
    batch_builder_init(&builder, memory, BATCH_BYTES_MAX, &options);
    const int64_t wall_ms = world_wall_ms(writer->actor.client.world);
    for (uint32_t i = 0; i < part->count; i++) {
        uint8_t number[4];
        uint8_t name[4];
        bool tombstone;
        store_be32(number, part->first + i);
        const int32_t key = book_record_key(book_of(writer), part->first + i, &tombstone);
        store_be32(name, (uint32_t)key);
        const struct record_header header = {text_view("n"), {number, sizeof(number)}};
        const struct bytes none = {NULL, 0};
        const struct bytes value = {filling, (part->first + i) * 37 % VALUE_BYTES_MAX};
        if (!batch_builder_add(&builder, wall_ms, key < 0 ? none : (struct bytes){name, 4},
                               tombstone ? none : value, &header, 1)) {
            sim_fail("a batch of %u records is too large for this simulation", part->count);
        }
    }
    return batch_builder_finish(&builder);
}

/* ---- The state of a transaction ------------------------------------------------------------- */

static void work_done(struct record_writer *writer)
{
    if (writer->options.mover != NULL) {
        mover_done(writer->options.mover, writer->commits);
    }
    writer->txn = 0;
    writer->done++;
    writer->state = WRITER_IDLE;
    actor_sleep(&writer->actor, 2 * writer->options.pause_ms);
}

/* All that is open is left to its fate, and a new identity asked for. */
static void give_up(struct record_writer *writer, bool forget)
{
    if (writer->txn != 0) {
        book_txn_given_up(book_of(writer), writer->txn);
        if (writer->options.mover != NULL) {
            mover_done(writer->options.mover, false);
        }
        writer->txn = 0;
        writer->done++;
    }
    writer->state = WRITER_INIT;
    if (forget) {
        writer->producer_id = -1;
        writer->epoch = -1;
    }
    actor_sleep(&writer->actor, 50);
}

static bool is_fenced(int16_t error)
{
    return error == ERROR_INVALID_PRODUCER_EPOCH || error == ERROR_PRODUCER_FENCED ||
           error == ERROR_INVALID_TXN_STATE || error == ERROR_INVALID_PRODUCER_ID_MAPPING;
}

static void refused(struct record_writer *writer, const char *what, int16_t error)
{
    if (writer->options.transactional && is_fenced(error)) {
        const bool excused = writer->options.shared ||
                             (writer->txn != 0 && book_txn_fickle(book_of(writer), writer->txn));
        if (!excused) {
            sim_fail("writer %u: %s: error %d (%s), and nobody has fenced it",
                     writer->options.number, what, error, error_name(error));
        }
        give_up(writer, true);
    } else {
        actor_retry(&writer->actor, what, error);
    }
}

static void served(const struct record_writer *writer, const char *what)
{
    if (writer->options.transactional) {
        book_epoch_served(book_of(writer), writer->options.tid, writer->epoch,
                          writer->actor.asked_ns, what);
    }
}

/* ---- Identity ------------------------------------------------------------------------------- */

static bool times_out(const struct record_writer *writer)
{
    return writer->options.number % 3 == 2;
}

static void init_send(struct record_writer *writer)
{
    const struct bytes tid = text_view(writer->tid);
    struct init_producer_id_request request = init_producer_id_request_default;
    request.transactional_id = CHAIN_NULL;
    if (writer->options.transactional) {
        request.transactional_id = chain_of(&tid);
        request.transaction_timeout_ms = times_out(writer) ? TIMEOUT_SHORT_MS : TIMEOUT_MS;
        book_init_sent(book_of(writer), writer->options.tid);
    }
    int16_t version;
    struct writer *to = actor_begin(&writer->actor, API_INIT_PRODUCER_ID, 0, INT16_MAX, &version);
    (void)init_producer_id_request_encode(to, version, &request);
    actor_end(&writer->actor, API_INIT_PRODUCER_ID, version, to, WRITER_INIT);
}

static void init_take(struct record_writer *writer, const struct flight *flight,
                      struct reader *reader)
{
    struct init_producer_id_response response;
    if (init_producer_id_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code != ERROR_NONE) {
        if (response.error_code == ERROR_PRODUCER_FENCED && writer->options.shared) {
            give_up(writer, true);
        } else {
            actor_retry(&writer->actor, "InitProducerId", response.error_code);
        }
        return;
    }
    if (writer->options.transactional) {
        book_epoch_begun(book_of(writer), writer->options.tid, response.producer_id,
                         response.producer_epoch, writer->actor.asked_ns);
    }
    writer->producer_id = response.producer_id;
    writer->epoch = response.producer_epoch;
    memset(writer->sequences, 0, sizeof(writer->sequences));
    writer->state = WRITER_IDLE;
}

/* ---- Adding --------------------------------------------------------------------------------- */

static void add_send(struct record_writer *writer)
{
    const struct bytes tid = text_view(writer->tid);
    struct bytes names[BOOK_TOPICS];
    int32_t indexes[BOOK_PARTITIONS];
    struct add_partitions_to_txn_request_topic topics[BOOK_TOPICS];
    int32_t count = 0;
    for (uint32_t t = 0; t < BOOK_TOPICS; t++) {
        const struct book_topic *topic = book_topic(book_of(writer), t);
        struct add_partitions_to_txn_request_topic *to = &topics[count];
        *to = add_partitions_to_txn_request_topic_default;
        names[t] = text_view(topic->name);
        to->name = chain_of(&names[t]);
        to->partitions.items = &indexes[topic->first];
        to->partitions.count = 0;
        for (uint32_t p = 0; p < topic->count; p++) {
            if (is_wanted(writer, topic->first + p)) {
                indexes[topic->first + (uint32_t)to->partitions.count++] = (int32_t)p;
            }
        }
        count += to->partitions.count > 0;
    }
    struct add_partitions_to_txn_request request = add_partitions_to_txn_request_default;
    request.v3_and_below_transactional_id = chain_of(&tid);
    request.v3_and_below_producer_id = writer->producer_id;
    request.v3_and_below_producer_epoch = writer->epoch;
    request.v3_and_below_topics.items = topics;
    request.v3_and_below_topics.count = count;
    int16_t version;
    struct writer *to = actor_begin(&writer->actor, API_ADD_PARTITIONS_TO_TXN, 0, 3, &version);
    (void)add_partitions_to_txn_request_encode(to, version, &request);
    actor_end(&writer->actor, API_ADD_PARTITIONS_TO_TXN, version, to, WRITER_ADD);
}

static void add_take(struct record_writer *writer, const struct flight *flight,
                     struct reader *reader)
{
    struct add_partitions_to_txn_response response;
    struct add_partitions_to_txn_response_topic topic;
    int16_t error = ERROR_NONE;
    if (add_partitions_to_txn_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    while (add_partitions_to_txn_response_topic_array_next(&response.results_by_topic_v3_and_below,
                                                           &topic)) {
        struct add_partitions_to_txn_response_partition partition;
        while (add_partitions_to_txn_response_partition_array_next(&topic.results_by_partition,
                                                                   &partition)) {
            error = error == ERROR_NONE ? partition.partition_error_code : error;
        }
    }
    if (error != ERROR_NONE) {
        refused(writer, "AddPartitionsToTxn", error);
        return;
    }
    served(writer, "AddPartitionsToTxn");
    writer->state = WRITER_PRODUCE;
}

/* ---- Producing ------------------------------------------------------------------------------ */

static bool is_due(const struct part *part)
{
    return part->wanted && !part->acked;
}

static void round_send(struct record_writer *writer, uint32_t round)
{
    static uint8_t memory[BOOK_PARTITIONS][BATCH_BYTES_MAX];
    const struct bytes tid = text_view(writer->tid);
    struct bytes names[BOOK_TOPICS];
    struct bytes batches[BOOK_PARTITIONS];
    struct produce_request_partition partitions[BOOK_PARTITIONS];
    struct produce_request_topic topics[BOOK_TOPICS];
    int32_t count = 0;
    for (uint32_t t = 0; t < BOOK_TOPICS; t++) {
        const struct book_topic *topic = book_topic(book_of(writer), t);
        struct produce_request_topic *to = &topics[count];
        *to = produce_request_topic_default;
        names[t] = text_view(topic->name);
        to->name = chain_of(&names[t]);
        to->partition_data.items = &partitions[topic->first];
        to->partition_data.count = 0;
        for (uint32_t p = topic->first; p < topic->first + topic->count; p++) {
            const struct part *part = &writer->parts[round][p];
            if (is_due(part)) {
                batches[p] = batch_build(writer, part, memory[p]);
                partitions[topic->first + (uint32_t)to->partition_data.count++] =
                    (struct produce_request_partition){.index = (int32_t)(p - topic->first),
                                                       .records = chain_of(&batches[p])};
            }
        }
        count += to->partition_data.count > 0;
    }
    if (count == 0) {
        return;
    }
    struct produce_request request = produce_request_default;
    request.transactional_id = writer->options.transactional ? chain_of(&tid) : CHAIN_NULL;
    request.acks = -1;
    request.timeout_ms = 30000;
    request.topic_data.items = topics;
    request.topic_data.count = count;
    const bool bumps = writer->options.bumps;
    int16_t version;
    struct writer *to = actor_begin(&writer->actor, API_PRODUCE, bumps ? PRODUCE_BUMPING : 3,
                                    bumps ? PRODUCE_BUMPING : 11, &version);
    (void)produce_request_encode(to, version, &request);
    actor_end(&writer->actor, API_PRODUCE, version, to,
              WRITER_PRODUCE + (uint64_t)round * WRITER_STATES);
    writer->answers_due++;
}

/* All that is not acknowledged, in its order. */
static void produce_send(struct record_writer *writer)
{
    writer->answers_due = 0;
    writer->produce_error = ERROR_NONE;
    for (uint32_t round = 0; round < writer->round_count; round++) {
        round_send(writer, round);
    }
}

static void produced(struct record_writer *writer, struct part *part, int64_t base_offset)
{
    served(writer, "Produce");
    part->acked = true;
    for (uint32_t i = 0; i < part->count; i++) {
        book_record_acked(book_of(writer), part->first + i, base_offset + i);
    }
}

static void produce_next(struct record_writer *writer)
{
    for (uint32_t round = 0; round < writer->round_count; round++) {
        for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) {
            if (is_due(&writer->parts[round][p])) {
                return;
            }
        }
    }
    if (!writer->options.transactional) {
        work_done(writer);
    } else if (writer->rounds > 0) {
        writer->rounds--;
        rounds_make(writer);
        writer->state = writer->options.bumps ? WRITER_PRODUCE : WRITER_ADD;
    } else if (writer->offset_at < BOOK_PARTITIONS) {
        writer->state = writer->options.bumps ? WRITER_OFFSETS : WRITER_ADD_OFFSETS;
    } else {
        writer->state = WRITER_END;
    }
}

/* Behind one that failed, what was on its way already is out of order. */
static bool follows_failed(const struct record_writer *writer, uint32_t round, uint32_t partition)
{
    bool failed = false;
    for (uint32_t i = 0; i < round; i++) {
        failed = failed || is_due(&writer->parts[i][partition]);
    }
    return failed;
}

static void part_take(struct record_writer *writer, uint32_t round, uint32_t partition,
                      const struct produce_response_partition *answer)
{
    struct part *part = &writer->parts[round][partition];
    const int16_t error = answer->error_code;
    if (error == ERROR_NONE && follows_failed(writer, round, partition)) {
        sim_fail("writer %u: partition %u: a batch is taken before the one in front of it",
                 writer->options.number, partition);
    } else if (error == ERROR_NONE) {
        produced(writer, part, answer->base_offset);
    } else if (error == ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER &&
               follows_failed(writer, round, partition)) {
        return;
    } else if (is_fenced(error) || writer->produce_error == ERROR_NONE) {
        writer->produce_error = error;
    }
}

static void produce_take(struct record_writer *writer, const struct flight *flight,
                         struct reader *reader)
{
    const uint32_t round = (uint32_t)(flight->cookie / WRITER_STATES);
    struct produce_response response;
    struct produce_response_topic topic;
    if (produce_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    while (produce_response_topic_array_next(&response.responses, &topic)) {
        struct produce_response_partition answer;
        while (produce_response_partition_array_next(&topic.partition_responses, &answer)) {
            const int32_t p = book_partition_by_name(book_of(writer), topic.name, answer.index);
            if (p < 0 || !is_due(&writer->parts[round][p])) {
                sim_fail("Produce: an answer for a partition that was not asked for");
            }
            part_take(writer, round, (uint32_t)p, &answer);
        }
    }
    ASSERT(writer->answers_due > 0);
    writer->actor.asked = --writer->answers_due > 0;
    if (writer->actor.asked) {
        return;
    }
    if (writer->produce_error != ERROR_NONE) {
        refused(writer, "Produce", writer->produce_error);
    } else {
        produce_next(writer);
    }
}

/* ---- Offsets -------------------------------------------------------------------------------- */

static void add_offsets_send(struct record_writer *writer)
{
    const struct bytes tid = text_view(writer->tid);
    const struct bytes group = text_view(
        book_group(writer->options.mover != NULL ? BOOK_GROUP_OF_MOVERS : BOOK_GROUP_OF_TXNS));
    const struct add_offsets_to_txn_request request = {.transactional_id = chain_of(&tid),
                                                       .producer_id = writer->producer_id,
                                                       .producer_epoch = writer->epoch,
                                                       .group_id = chain_of(&group)};
    int16_t version;
    struct writer *to = actor_begin(&writer->actor, API_ADD_OFFSETS_TO_TXN, 0, 3, &version);
    (void)add_offsets_to_txn_request_encode(to, version, &request);
    actor_end(&writer->actor, API_ADD_OFFSETS_TO_TXN, version, to, WRITER_ADD_OFFSETS);
}

static void offsets_commit_send(struct record_writer *writer)
{
    const struct book_topic *topic = book_topic_of(book_of(writer), writer->offset_at);
    const struct bytes tid = text_view(writer->tid);
    const struct bytes group = text_view(book_group(BOOK_GROUP_OF_TXNS));
    const struct bytes name = text_view(topic->name);
    writer->offset =
        book_commit_sent(book_of(writer), BOOK_GROUP_OF_TXNS, writer->offset_at, writer->txn);
    struct txn_offset_commit_request_partition partition =
        txn_offset_commit_request_partition_default;
    partition.partition_index = (int32_t)(writer->offset_at - topic->first);
    partition.committed_offset = writer->offset;
    struct txn_offset_commit_request_topic one = txn_offset_commit_request_topic_default;
    one.name = chain_of(&name);
    one.partitions.items = &partition;
    one.partitions.count = 1;
    struct txn_offset_commit_request request = txn_offset_commit_request_default;
    request.transactional_id = chain_of(&tid);
    request.group_id = chain_of(&group);
    request.producer_id = writer->producer_id;
    request.producer_epoch = writer->epoch;
    request.topics.items = &one;
    request.topics.count = 1;
    int16_t version;
    const bool bumps = writer->options.bumps;
    struct writer *to =
        actor_begin(&writer->actor, API_TXN_OFFSET_COMMIT, bumps ? TXN_OFFSET_COMMIT_BUMPING : 0,
                    bumps ? TXN_OFFSET_COMMIT_BUMPING : 3, &version);
    (void)txn_offset_commit_request_encode(to, version, &request);
    actor_end(&writer->actor, API_TXN_OFFSET_COMMIT, version, to, WRITER_OFFSETS);
}

static void moved_offsets_send(struct record_writer *writer)
{
    const struct txn_offset_commit_request request = {.producer_id = writer->producer_id,
                                                      .producer_epoch = writer->epoch};
    mover_offsets_send(&writer->actor, writer->options.mover, text_view(writer->tid), &request,
                       writer->options.bumps ? TXN_OFFSET_COMMIT_BUMPING : 3, WRITER_OFFSETS);
}

static void moved_offsets_take(struct record_writer *writer, const struct flight *flight,
                               struct reader *reader)
{
    const int16_t error = mover_offsets_take(flight, reader);
    if (error != ERROR_NONE && !mover_is_fenced(error)) {
        refused(writer, "TxnOffsetCommit", error);
        return;
    }
    writer->commits = writer->commits && error == ERROR_NONE;
    writer->state = WRITER_END;
}

static void add_offsets_take(struct record_writer *writer, const struct flight *flight,
                             struct reader *reader)
{
    struct add_offsets_to_txn_response response;
    if (add_offsets_to_txn_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code != ERROR_NONE) {
        refused(writer, "AddOffsetsToTxn", response.error_code);
        return;
    }
    served(writer, "AddOffsetsToTxn");
    writer->state = WRITER_OFFSETS;
}

static void offsets_commit_take(struct record_writer *writer, const struct flight *flight,
                                struct reader *reader)
{
    struct txn_offset_commit_response response;
    struct txn_offset_commit_response_topic topic;
    struct txn_offset_commit_response_partition partition = {.error_code = -1};
    if (txn_offset_commit_response_decode(reader, flight->version, &response) != CODEC_OK ||
        !txn_offset_commit_response_topic_array_next(&response.topics, &topic) ||
        !txn_offset_commit_response_partition_array_next(&topic.partitions, &partition)) {
        sim_fail("TxnOffsetCommit version %d: an answer without the partition", flight->version);
    }
    (void)txn_offset_commit_response_partition_array_next(&topic.partitions, &partition);
    (void)txn_offset_commit_response_topic_array_next(&response.topics, &topic);
    if (partition.error_code != ERROR_NONE) {
        refused(writer, "TxnOffsetCommit", partition.error_code);
        return;
    }
    served(writer, "TxnOffsetCommit");
    book_commit_acked(book_of(writer), BOOK_GROUP_OF_TXNS, writer->offset_at, writer->offset);
    writer->state = WRITER_END;
}

/* ---- The end -------------------------------------------------------------------------------- */

static void end_send(struct record_writer *writer)
{
    const struct bytes tid = text_view(writer->tid);
    const struct end_txn_request request = {.transactional_id = chain_of(&tid),
                                            .producer_id = writer->producer_id,
                                            .producer_epoch = writer->epoch,
                                            .committed = writer->commits};
    book_txn_end_sent(book_of(writer), writer->txn, writer->commits);
    int16_t version;
    const bool bumps = writer->options.bumps;
    struct writer *to = actor_begin(&writer->actor, API_END_TXN, bumps ? END_TXN_BUMPING : 0,
                                    bumps ? END_TXN_BUMPING : 4, &version);
    (void)end_txn_request_encode(to, version, &request);
    actor_end(&writer->actor, API_END_TXN, version, to, WRITER_END);
}

static void end_take(struct record_writer *writer, const struct flight *flight,
                     struct reader *reader)
{
    struct end_txn_response response;
    if (end_txn_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code != ERROR_NONE) {
        refused(writer, "EndTxn", response.error_code);
        return;
    }
    served(writer, "EndTxn");
    book_txn_end_acked(book_of(writer), writer->txn, writer->commits);
    writer->may_fence_itself = false;
    if (writer->options.bumps) {
        book_epoch_begun(book_of(writer), writer->options.tid, response.producer_id,
                         response.producer_epoch, writer->actor.asked_ns);
        writer->producer_id = response.producer_id;
        writer->epoch = response.producer_epoch;
        memset(writer->sequences, 0, sizeof(writer->sequences));
    }
    work_done(writer);
}

/* ---- Steps ---------------------------------------------------------------------------------- */

static void work_begin(struct record_writer *writer)
{
    struct random *random = &writer->actor.client.random;
    struct mover *mover = writer->options.mover;
    if (mover != NULL && !mover_begin(mover, book_of(writer), random)) {
        actor_sleep(&writer->actor, 40);
        return;
    }
    writer->state = WRITER_PRODUCE;
    if (writer->options.transactional) {
        writer->txn =
            book_txn_begin(book_of(writer), writer->options.tid,
                           times_out(writer) || writer->options.shared || writer->may_fence_itself);
        writer->rounds = (uint32_t)random_below(random, 3);
        writer->commits = !random_one_in(random, 3);
        writer->offset_at = random_one_in(random, 3)
                                ? (uint32_t)random_below(random, BOOK_KEYS_FIRST)
                                : BOOK_PARTITIONS;
        writer->state = writer->options.bumps ? WRITER_PRODUCE : WRITER_ADD;
    }
    if (mover != NULL) {
        writer->rounds = 0;
        writer->offset_at = 0;
    }
    rounds_make(writer);
}

/* Now and then it dies and comes back, or takes its time. */
static bool mishap(struct record_writer *writer)
{
    struct client *client = &writer->actor.client;
    if (writer->txn == 0 || book_winding_up(book_of(writer))) {
        return false;
    }
    if (random_one_in(&client->random, 60)) {
        give_up(writer, true);
        client_cut(client, random_one_in(&client->random, 2));
        return true;
    }
    const bool moves = writer->options.mover != NULL; /* Others may take over meanwhile. */
    if (random_one_in(&client->random, moves ? 10 : 30)) {
        actor_sleep(&writer->actor, moves ? 2 * BOOK_SESSION_MS : 2 * TIMEOUT_SHORT_MS);
        return true;
    }
    return false;
}

static bool is_done(const struct record_writer *writer)
{
    return writer->txn == 0 && writer->state == WRITER_IDLE &&
           (book_winding_up(book_of(writer)) || writer->done >= writer->options.work_count);
}

static bool writer_step(struct client *client)
{
    struct record_writer *writer = writer_of(client);
    if (!actor_awake(&writer->actor) || is_done(writer) || mishap(writer)) {
        return false;
    }
    switch (writer->state) {
    case WRITER_INIT: init_send(writer); break;
    case WRITER_IDLE: work_begin(writer); break;
    case WRITER_ADD: add_send(writer); break;
    case WRITER_PRODUCE: produce_send(writer); break;
    case WRITER_ADD_OFFSETS: add_offsets_send(writer); break;
    case WRITER_OFFSETS:
        (writer->options.mover != NULL ? moved_offsets_send : offsets_commit_send)(writer);
        break;
    case WRITER_END: end_send(writer); break;
    case WRITER_STATES: ASSERT(false);
    }
    return true;
}

static void writer_answer(struct client *client, const struct flight *flight, struct reader *reader)
{
    struct record_writer *writer = writer_of(client);
    writer->actor.asked = false;
    actor_sleep(&writer->actor, random_one_in(&client->random, 4) ? 20 : 1);
    switch ((enum writer_state)(flight->cookie % WRITER_STATES)) {
    case WRITER_INIT: init_take(writer, flight, reader); break;
    case WRITER_ADD: add_take(writer, flight, reader); break;
    case WRITER_PRODUCE: produce_take(writer, flight, reader); break;
    case WRITER_ADD_OFFSETS: add_offsets_take(writer, flight, reader); break;
    case WRITER_OFFSETS:
        (writer->options.mover != NULL ? moved_offsets_take : offsets_commit_take)(writer, flight,
                                                                                   reader);
        break;
    case WRITER_IDLE:
    case WRITER_STATES:
    case WRITER_END: end_take(writer, flight, reader); break;
    }
}

static void writer_lost(struct client *client)
{
    struct record_writer *writer = writer_of(client);
    const bool init_lost = writer->actor.asked && writer->state == WRITER_INIT;
    writer->may_fence_itself = writer->may_fence_itself || init_lost;
    writer->answers_due = 0;
    writer->actor.asked = false;
}

static bool writer_finished(const struct client *client)
{
    return is_done(writer_of(client));
}

static void writer_free(struct client *client)
{
    free(writer_of(client)->options.mover);
    free(writer_of(client));
}

const struct client_kind writer_kind = {
    .step = writer_step,
    .answer = writer_answer,
    .lost = writer_lost,
    .deadline_ns = actor_deadline_ns,
    .finished = writer_finished,
    .free = writer_free,
    .name = "writer",
};

struct client *writer_create(struct world *world, const struct writer_options *options)
{
    struct record_writer *writer = calloc(1, sizeof(*writer));
    ASSERT(writer != NULL);
    writer->options = *options;
    writer->producer_id = -1;
    writer->epoch = -1;
    (void)snprintf(writer->tid, sizeof(writer->tid), "t%u", options->tid);
    actor_init(&writer->actor, world, &writer_kind, options->number);
    return &writer->actor.client;
}
