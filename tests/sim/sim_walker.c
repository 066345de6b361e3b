/* Reads the working topics, read_committed or not, as Kafka's client does: by batches, leaving out
 * what the list of aborted transactions names; from the start again and again. At the end it reads
 * everything, and all committed offsets. */
#include <inttypes.h>
#include <stdlib.h>

#include "storage/record/record.h"
#include "tests/sim/sim_work.h"

enum { ABORTED_MAX = 512 };

struct aborted {
    int64_t producer_id;
    int64_t first_offset;
};

struct walker {
    struct actor actor; /* First. */
    struct walker_options options;
    struct book_pass passes[BOOK_PARTITIONS];
    bool audited[BOOK_PARTITIONS];
    bool auditing;
    bool ended; /* The audit of records has. */
    struct committing look;
    uint32_t looked; /* Groups times partitions. */
    struct aborted aborted[ABORTED_MAX];
    uint32_t aborted_count;
};

enum { COOKIE_FETCH = 1, COOKIE_OFFSETS };

static struct walker *walker_of(const struct client *client)
{
    return (struct walker *)(uintptr_t)client;
}

static void pass_begin(struct walker *walker, uint32_t partition)
{
    book_pass_begin(actor_book(&walker->actor), &walker->passes[partition], partition,
                    walker->options.committed);
}

/* ---- Asking --------------------------------------------------------------------------------- */

static void fetch_send(struct walker *walker)
{
    struct client *client = &walker->actor.client;
    struct bytes names[BOOK_TOPICS];
    struct fetch_request_topic topics[BOOK_TOPICS];
    struct fetch_request_partition partitions[BOOK_PARTITIONS];
    for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) {
        if (!book_pass_valid(actor_book(&walker->actor), &walker->passes[p])) {
            pass_begin(walker, p);
        }
        const struct book_topic *topic = book_topic_of(actor_book(&walker->actor), p);
        partitions[p] = fetch_request_partition_default;
        partitions[p].partition = (int32_t)(p - topic->first);
        partitions[p].fetch_offset = walker->passes[p].position;
        partitions[p].partition_max_bytes = random_one_in(&client->random, 4) ? 500 : 64 * 1024;
    }
    for (uint32_t t = 0; t < BOOK_TOPICS; t++) {
        const struct book_topic *topic = book_topic(actor_book(&walker->actor), t);
        names[t] = text_view(topic->name);
        topics[t] =
            (struct fetch_request_topic){.topic = chain_of(&names[t]), .topic_id = topic->id};
        topics[t].partitions.items = &partitions[topic->first];
        topics[t].partitions.count = (int32_t)topic->count;
    }
    struct fetch_request request = fetch_request_default;
    request.max_wait_ms = walker->auditing ? 0 : (int32_t)random_below(&client->random, 100);
    request.min_bytes = 1;
    request.max_bytes = 512 * 1024;
    request.session_epoch = -1;
    request.isolation_level = walker->options.committed;
    request.topics.items = topics;
    request.topics.count = BOOK_TOPICS;
    int16_t version;
    struct writer *writer = actor_begin(&walker->actor, API_FETCH, 4, INT16_MAX, &version);
    (void)fetch_request_encode(writer, version, &request);
    actor_end(&walker->actor, API_FETCH, version, writer, COOKIE_FETCH);
}

/* ---- Batches -------------------------------------------------------------------------------- */

static void aborted_take(struct walker *walker, struct fetch_response_partition *answer)
{
    struct fetch_response_aborted_transaction aborted;
    walker->aborted_count = 0;
    while (fetch_response_aborted_transaction_array_next(&answer->aborted_transactions, &aborted)) {
        if (walker->aborted_count == ABORTED_MAX) {
            sim_fail("more than %u aborted transactions in one answer", ABORTED_MAX);
        }
        walker->aborted[walker->aborted_count++] =
            (struct aborted){aborted.producer_id, aborted.first_offset};
    }
}

/* The batch belongs to a transaction of the list. An abort marker ends it. */
static bool is_aborted(struct walker *walker, const struct batch_header *header)
{
    for (uint32_t i = 0; i < walker->aborted_count; i++) {
        struct aborted *aborted = &walker->aborted[i];
        if (aborted->producer_id == header->producer_id &&
            aborted->first_offset <= batch_last_offset(header)) {
            return true;
        }
    }
    return false;
}

static void marker_take(struct walker *walker, const struct batch_header *header,
                        struct bytes batch)
{
    struct record_cursor cursor = record_cursor_of(
        (struct bytes){batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES},
        header->record_count);
    struct record record;
    if (record_next(&cursor, &record) != RECORD_OK || record.key.len < 4) {
        return; /* Emptied by a compaction. */
    }
    const bool abort = record.key.ptr[3] == 0;
    for (uint32_t i = 0; abort && i < walker->aborted_count; i++) {
        if (walker->aborted[i].producer_id == header->producer_id &&
            walker->aborted[i].first_offset <= batch_last_offset(header)) {
            walker->aborted[i] = walker->aborted[--walker->aborted_count];
            return;
        }
    }
}

static uint32_t number_of(const struct record *record)
{
    struct bytes headers = record->headers;
    struct record_header header;
    return record_header_next(&headers, &header) && header.value.len == 4
               ? load_be32(header.value.ptr)
               : 0;
}

static void batch_take(struct walker *walker, struct book_pass *pass,
                       const struct batch_header *header, struct bytes batch)
{
    struct book *book = actor_book(&walker->actor);
    struct record_cursor cursor = record_cursor_of(
        (struct bytes){batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES},
        header->record_count);
    struct record record;
    while (record_next(&cursor, &record) == RECORD_OK) {
        const int64_t offset = header->base_offset + record.offset_delta;
        const uint32_t number = number_of(&record);
        if (offset < pass->position) {
            continue; /* The batch began before. */
        }
        bool tombstone;
        book_pass_record(book, pass, offset, number);
        const int32_t key = book_record_key(book, number, &tombstone);
        if ((key < 0 ? record.key.ptr != NULL
                     : record.key.len != 4 || load_be32(record.key.ptr) != (uint32_t)key) ||
            tombstone != (record.value.ptr == NULL)) {
            sim_fail("partition %u: record %u at %" PRId64 " has another key, or value",
                     pass->partition, number, offset);
        }
    }
}

static void batches_take(struct walker *walker, struct book_pass *pass, struct bytes rest,
                         int64_t end)
{
    const int64_t asked = pass->position;
    struct batch_header header;
    struct bytes batch;
    while (rest.len > 0) {
        const enum batch_status status = batch_next(&rest, &header, &batch);
        if (status == BATCH_PARTIAL && pass->position > asked) {
            return; /* The last one may be cut. */
        }
        if (status != BATCH_OK || batch_check_crc(chain_of(&batch), &header) != BATCH_OK) {
            sim_fail("partition %u: the bytes at offset %" PRId64 " are no batch", pass->partition,
                     pass->position);
        }
        const int64_t last = batch_last_offset(&header);
        if (last < pass->position || last >= end) {
            sim_fail("partition %u: asked from %" PRId64 " below %" PRId64 ", got %" PRId64
                     " to %" PRId64,
                     pass->partition, pass->position, end, header.base_offset, last);
        }
        if (batch_is_control(&header)) {
            marker_take(walker, &header, batch);
        } else if (!batch_is_transactional(&header) || !is_aborted(walker, &header)) {
            batch_take(walker, pass, &header, batch);
        }
        pass->position = last + 1;
    }
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void partition_take(struct walker *walker, uint32_t p,
                           struct fetch_response_partition *answer)
{
    struct book *book = actor_book(&walker->actor);
    struct book_pass *pass = &walker->passes[p];
    if (answer->error_code == ERROR_OFFSET_OUT_OF_RANGE &&
        walker->actor.client.world->power_cuts_seen > 0) {
        pass_begin(walker, p);
        return;
    }
    if (answer->error_code != ERROR_NONE) {
        actor_retry(&walker->actor, "Fetch", answer->error_code);
        return;
    }
    if (!book_pass_valid(book, pass)) {
        return; /* The power went while this was on its way. */
    }
    const bool committed = walker->options.committed;
    book_pass_stable(book, pass, answer->last_stable_offset, answer->high_watermark);
    aborted_take(walker, answer);
    uint8_t *copy = malloc((size_t)answer->records.len + 1);
    ASSERT(copy != NULL);
    const int64_t end = committed ? answer->last_stable_offset : answer->high_watermark;
    const struct bytes records = chain_flat(answer->records, copy);
    batches_take(walker, pass, records, end);
    free(copy);
    if (pass->position < end && records.len == 0 && p >= BOOK_KEYS_FIRST) {
        return; /* Only emptied batches were left, or it waits. */
    }
    if (pass->position >= end) {
        book_pass_check(book, pass, walker->actor.asked_ns, answer->high_watermark);
        walker->audited[p] = walker->auditing && pass->position >= answer->high_watermark;
        if (!walker->auditing && random_one_in(&walker->actor.client.random, 4)) {
            pass_begin(walker, p);
        }
    }
}

static void fetch_take(struct walker *walker, const struct flight *flight, struct reader *reader)
{
    struct fetch_response response;
    struct fetch_response_topic topic;
    if (fetch_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code != ERROR_NONE) {
        actor_retry(&walker->actor, "Fetch", response.error_code);
        return;
    }
    while (fetch_response_topic_array_next(&response.responses, &topic)) {
        struct fetch_response_partition answer;
        while (fetch_response_partition_array_next(&topic.partitions, &answer)) {
            const struct book *book = actor_book(&walker->actor);
            const int32_t p =
                flight->version >= 13
                    ? book_partition_by_id(book, &topic.topic_id, answer.partition_index)
                    : book_partition_by_name(book, topic.topic, answer.partition_index);
            if (p < 0) {
                sim_fail("Fetch: an answer for a partition that was not asked for");
            }
            partition_take(walker, (uint32_t)p, &answer);
        }
    }
    bool all = walker->auditing;
    for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) {
        all = all && walker->audited[p];
    }
    if (all && !walker->ended) {
        book_txns_settle(actor_book(&walker->actor));
        walker->ended = true;
    }
}

/* ---- The kind ------------------------------------------------------------------------------- */

enum { LOOKS = BOOK_GROUP_OF_MOVERS * BOOK_KEYS_FIRST };

static bool walker_step(struct client *client)
{
    struct walker *walker = walker_of(client);
    if (!actor_awake(&walker->actor) || (walker->ended && walker->looked == LOOKS)) {
        return false;
    }
    const bool look = walker->options.committed && random_one_in(&client->random, 4);
    if (walker->ended || (look && !walker->auditing)) {
        const uint32_t at =
            walker->ended ? walker->looked : (uint32_t)random_below(&client->random, LOOKS);
        walker->look.group = at / BOOK_KEYS_FIRST;
        walker->look.partition = at % BOOK_KEYS_FIRST;
        walker->look.stable = walker->ended || random_one_in(&client->random, 2);
        offsets_send(&walker->actor, &walker->look, COOKIE_OFFSETS);
    } else {
        fetch_send(walker);
    }
    return true;
}

static void walker_answer(struct client *client, const struct flight *flight, struct reader *reader)
{
    struct walker *walker = walker_of(client);
    walker->actor.asked = false;
    actor_sleep(&walker->actor, walker->auditing ? 1 : 60);
    if (flight->cookie == COOKIE_FETCH) {
        fetch_take(walker, flight, reader);
    } else if (offsets_answer(&walker->actor, &walker->look, flight, reader) && walker->ended) {
        walker->looked++;
    }
}

static void walker_lost(struct client *client)
{
    walker_of(client)->actor.asked = false;
}

static bool walker_finished(const struct client *client)
{
    const struct walker *walker = walker_of(client);
    return !walker->auditing ? false : walker->ended && walker->looked == LOOKS;
}

static void walker_free(struct client *client)
{
    free(walker_of(client));
}

const struct client_kind walker_kind = {
    .step = walker_step,
    .answer = walker_answer,
    .lost = walker_lost,
    .deadline_ns = actor_deadline_ns,
    .finished = walker_finished,
    .free = walker_free,
    .name = "walker",
};

struct client *walker_create(struct world *world, const struct walker_options *options)
{
    struct walker *walker = calloc(1, sizeof(*walker));
    ASSERT(walker != NULL);
    walker->options = *options;
    actor_init(&walker->actor, world, &walker_kind, options->number);
    for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) {
        book_pass_begin(world->book, &walker->passes[p], p, options->committed);
    }
    return &walker->actor.client;
}

void walker_audit(struct client *client)
{
    struct walker *walker = walker_of(client);
    walker->auditing = true;
    walker->ended = false;
    walker->looked = 0;
    client->cut_one_in = 0;
    for (uint32_t p = 0; p < BOOK_PARTITIONS; p++) {
        walker->audited[p] = false;
        pass_begin(walker, p);
    }
    if (client->socket != NULL) {
        client_cut(client, false);
    }
}
