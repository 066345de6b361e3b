#include "tools/client/consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"
#include "storage/base/text.h"

enum {
    ROOM_BYTES = 4096,
    FETCH_BYTES_MAX = 16 << 20,
    PARTITION_BYTES_MAX = 2 << 20,
    WHAT_BYTES = CLIENT_TOPIC_NAME_BYTES + 64,
};

/* ---- Where to start ------------------------------------------------------------------------- */

static bool time_parse(const char *text, int64_t *ms)
{
    if (text_parse_i64(bytes_of_string(text), ms)) {
        return *ms >= 0;
    }
    struct tm when = {.tm_isdst = -1};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &when);
    if (rest == NULL) {
        when = (struct tm){.tm_isdst = -1};
        rest = strptime(text, "%Y-%m-%d", &when);
    }
    if (rest == NULL || (rest[0] != '\0' && strcmp(rest, "Z") != 0)) {
        return false;
    }
    const time_t seconds = rest[0] == 'Z' ? timegm(&when) : mktime(&when);
    *ms = (int64_t)seconds * 1000;
    return seconds >= 0;
}

bool consumer_start_parse(const char *text, struct consumer_start *start)
{
    if (strcmp(text, "begin") == 0 || strcmp(text, "beginning") == 0) {
        *start = (struct consumer_start){.from = CONSUMER_FROM_BEGIN};
        return true;
    }
    if (strcmp(text, "end") == 0) {
        *start = (struct consumer_start){.from = CONSUMER_FROM_END};
        return true;
    }
    const char *at = strncmp(text, "s@", 2) == 0 ? text + 1 : text;
    if (*at == '@') {
        start->from = CONSUMER_FROM_TIME;
        return time_parse(at + 1, &start->value);
    }
    if (!text_parse_i64(bytes_of_string(text), &start->value) || start->value == INT64_MIN) {
        return false;
    }
    start->from = start->value < 0 ? CONSUMER_FROM_TAIL : CONSUMER_FROM_OFFSET;
    start->value = start->value < 0 ? -start->value : start->value;
    return true;
}

static int64_t place(const struct consumer_start *start, int64_t begin, int64_t end, int64_t timed)
{
    switch (start->from) {
    case CONSUMER_FROM_BEGIN: return begin;
    case CONSUMER_FROM_END: return end;
    case CONSUMER_FROM_OFFSET: return start->value;
    case CONSUMER_FROM_TAIL: return max_i64(begin, end - min_i64(end, start->value));
    case CONSUMER_FROM_TIME: return timed >= 0 ? timed : end;
    }
    return begin;
}

static bool partitions_choose(struct consumer *consumer, const int32_t *wanted,
                              uint32_t wanted_count)
{
    const uint32_t all = consumer->topic.partition_count;
    consumer->partition_count = wanted_count > 0 ? wanted_count : all;
    consumer->partitions = calloc(consumer->partition_count + 1u, sizeof(*consumer->partitions));
    if (consumer->partitions == NULL) {
        return problem_set(&consumer->client->problem, PROBLEM_LOCAL, "out of memory");
    }
    for (uint32_t i = 0; i < consumer->partition_count; i++) {
        const int32_t index = wanted_count > 0 ? wanted[i] : (int32_t)i;
        if (index < 0 || (uint32_t)index >= all) {
            return problem_set(&consumer->client->problem, PROBLEM_LOCAL,
                               "%s has %u partitions, not a partition %d", consumer->topic.name,
                               all, index);
        }
        consumer->partitions[i].index = index;
    }
    return true;
}

static bool partitions_place(struct consumer *consumer, const struct consumer_start *start)
{
    const uint32_t all = consumer->topic.partition_count;
    int64_t *offsets = calloc(all + 1u, 3 * sizeof(*offsets));
    if (offsets == NULL) {
        return problem_set(&consumer->client->problem, PROBLEM_LOCAL, "out of memory");
    }
    int64_t *begin = offsets;
    int64_t *end = offsets + all;
    int64_t *timed = offsets + 2 * (size_t)all;
    struct client *client = consumer->client;
    const bool ok = client_offsets(client, &consumer->topic, CLIENT_OFFSET_EARLIEST, begin) &&
                    client_offsets(client, &consumer->topic, CLIENT_OFFSET_LATEST, end) &&
                    (start->from != CONSUMER_FROM_TIME ||
                     client_offsets(client, &consumer->topic, start->value, timed));
    for (uint32_t i = 0; ok && i < consumer->partition_count; i++) {
        struct consumer_partition *partition = &consumer->partitions[i];
        const int32_t index = partition->index;
        partition->next = place(start, begin[index], end[index], timed[index]);
        partition->end = end[index];
        partition->stop = consumer->stop_at_end ? end[index] : INT64_MAX;
    }
    free(offsets);
    return ok;
}

bool consumer_open(struct consumer *consumer, struct client *client, const char *topic,
                   const int32_t *wanted, uint32_t wanted_count, struct consumer_start start,
                   bool stop_at_end)
{
    *consumer = (struct consumer){.client = client, .stop_at_end = stop_at_end};
    return client_topic(client, topic, CLIENT_TOPIC_LED, &consumer->topic) &&
           partitions_choose(consumer, wanted, wanted_count) && partitions_place(consumer, &start);
}

void consumer_close(struct consumer *consumer)
{
    client_topic_free(&consumer->topic);
    free(consumer->partitions);
    batch_records_free(&consumer->inflated);
    *consumer = (struct consumer){0};
}

bool consumer_done(const struct consumer *consumer)
{
    return consumer_left(consumer) == 0;
}

uint64_t consumer_left(const struct consumer *consumer)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < consumer->partition_count; i++) {
        const struct consumer_partition *partition = &consumer->partitions[i];
        left +=
            partition->next < partition->stop ? (uint64_t)(partition->stop - partition->next) : 0;
    }
    return left;
}

/* ---- Batches -------------------------------------------------------------------------------- */

/* Hands out the records of one batch. *stop: the sink wants no more. */
static bool batch_hand_out(struct consumer *consumer, struct consumer_partition *partition,
                           const struct batch_header *header, struct bytes batch,
                           const struct consumer_sink *sink, bool *stop)
{
    struct record_cursor cursor;
    if (!batch_records_open(&consumer->inflated, batch, header, &cursor)) {
        return problem_set(&consumer->client->problem, PROBLEM_PROTOCOL,
                           "%s partition %d: the batch at offset %lld cannot be inflated (%s)",
                           consumer->topic.name, partition->index, (long long)header->base_offset,
                           batch_codec_name(batch_codec(header)));
    }
    struct record record;
    enum record_status status;
    while (!*stop && (status = record_next(&cursor, &record)) != RECORD_END) {
        if (status != RECORD_OK) {
            return problem_set(&consumer->client->problem, PROBLEM_PROTOCOL,
                               "%s partition %d: the batch at offset %lld holds no whole records",
                               consumer->topic.name, partition->index,
                               (long long)header->base_offset);
        }
        const int64_t offset = header->base_offset + record.offset_delta;
        if (offset < partition->next || offset >= partition->stop) {
            continue;
        }
        const struct consumer_record out = {
            .topic = consumer->topic.name,
            .partition = partition->index,
            .offset = offset,
            .timestamp_ms = batch_record_time(header, &record),
            .log_append_time = batch_is_log_append_time(header),
            .key = record.key,
            .value = record.value,
            .headers = record.headers,
        };
        consumer->record_count++;
        consumer->byte_count += record.size_bytes;
        partition->next = offset + 1;
        *stop = !sink->take(sink->context, &out);
    }
    return true;
}

static bool partition_hand_out(struct consumer *consumer, struct consumer_partition *partition,
                               struct chain data, const struct consumer_sink *sink, bool *stop)
{
    struct bytes rest = chain_first(data); /* One piece: the answer lies in one buffer. */
    struct bytes batch;
    struct batch_header header;
    enum batch_status status = BATCH_PARTIAL;
    while (!*stop && partition->next < partition->stop &&
           (status = batch_next(&rest, &header, &batch)) == BATCH_OK) {
        if (batch_check_crc(chain_of(&batch), &header) != BATCH_OK) {
            status = BATCH_BAD_CRC;
            break;
        }
        if (!batch_is_control(&header) &&
            !batch_hand_out(consumer, partition, &header, batch, sink, stop)) {
            return false;
        }
        if (!*stop) {
            partition->next = max_i64(partition->next, batch_last_offset(&header) + 1);
        }
    }
    if (status != BATCH_OK && status != BATCH_PARTIAL) {
        return problem_set(&consumer->client->problem, PROBLEM_PROTOCOL,
                           "%s partition %d, about offset %lld: %s", consumer->topic.name,
                           partition->index, (long long)partition->next, batch_status_name(status));
    }
    return true;
}

/* ---- Fetching ------------------------------------------------------------------------------- */

static struct consumer_partition *partition_find(struct consumer *consumer, int32_t index)
{
    for (uint32_t i = 0; i < consumer->partition_count; i++) {
        if (consumer->partitions[i].index == index) {
            return &consumer->partitions[i];
        }
    }
    return NULL;
}

static bool answer_partition(struct consumer *consumer,
                             const struct fetch_response_partition *answer,
                             const struct consumer_sink *sink, bool *stop)
{
    struct consumer_partition *partition = partition_find(consumer, answer->partition_index);
    if (partition == NULL) {
        return true;
    }
    if (answer->error_code != ERROR_NONE) {
        char what[WHAT_BYTES];
        (void)snprintf(what, sizeof(what), "consume %s partition %d at offset %lld",
                       consumer->topic.name, partition->index, (long long)partition->next);
        return problem_kafka(&consumer->client->problem, answer->error_code, what,
                             consumer->topic.name, "");
    }
    partition->end = answer->high_watermark;
    return partition_hand_out(consumer, partition, answer->records, sink, stop);
}

static bool answer_take(struct consumer *consumer, struct fetch_response *response,
                        const struct consumer_sink *sink, bool *stop)
{
    if (response->error_code != ERROR_NONE) {
        return problem_kafka(&consumer->client->problem, response->error_code, "consume",
                             consumer->topic.name, "");
    }
    bool ok = true;
    struct fetch_response_topic topic;
    struct fetch_response_partition partition;
    while (fetch_response_topic_array_next(&response->responses, &topic)) {
        while (fetch_response_partition_array_next(&topic.partitions, &partition)) {
            ok = ok && !*stop ? answer_partition(consumer, &partition, sink, stop) : ok;
        }
    }
    return ok;
}

/* The partitions of a leader that are not done; another one comes first each time, so that a full
 * answer starves nobody. */
static int32_t leader_partitions(const struct consumer *consumer, int32_t leader,
                                 struct fetch_request_partition *items)
{
    int32_t count = 0;
    for (uint32_t i = 0; i < consumer->partition_count; i++) {
        const uint32_t at = (consumer->turn + i) % consumer->partition_count;
        const struct consumer_partition *partition = &consumer->partitions[at];
        if (partition->next >= partition->stop ||
            consumer->topic.partitions[partition->index].leader != leader) {
            continue;
        }
        items[count] = fetch_request_partition_default;
        items[count].partition = partition->index;
        items[count].fetch_offset = partition->next;
        items[count++].partition_max_bytes = PARTITION_BYTES_MAX;
    }
    return count;
}

static bool fetch_leader(struct consumer *consumer, int32_t leader, uint32_t wait_ms,
                         struct fetch_request_partition *items, const struct consumer_sink *sink,
                         bool *stop)
{
    struct client *client = consumer->client;
    const int32_t count = leader_partitions(consumer, leader, items);
    struct connection *connection = client_broker(client, leader);
    int16_t version;
    struct writer *writer = connection == NULL ? NULL
                                               : connection_begin(connection, API_FETCH,
                                                                  ROOM_BYTES + (uint32_t)count * 64,
                                                                  &version, &client->problem);
    if (writer == NULL) {
        return false;
    }
    const struct bytes name = bytes_of_string(consumer->topic.name);
    struct fetch_request_topic one = fetch_request_topic_default;
    one.topic = chain_of(&name);
    one.topic_id = consumer->topic.id;
    one.partitions.items = items;
    one.partitions.count = count;
    struct fetch_request request = fetch_request_default;
    request.max_wait_ms = (int32_t)wait_ms;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES_MAX;
    request.topics.items = &one;
    request.topics.count = 1;
    request.rack_id = CHAIN_EMPTY;
    (void)fetch_request_encode(writer, version, &request);
    struct reader reader;
    struct fetch_response response;
    if (!connection_call(connection, client_deadline_ns(client) + wait_ms * 1000000ull, &reader,
                         &client->problem)) {
        return false;
    }
    if (fetch_response_decode(&reader, version, &response) != CODEC_OK) {
        return connection_bad_answer(connection, &client->problem);
    }
    return answer_take(consumer, &response, sink, stop);
}

/* True when an earlier partition that is not done has the same leader. */
static bool leader_was_asked(const struct consumer *consumer, uint32_t at)
{
    const struct client_partition *all = consumer->topic.partitions;
    const int32_t leader = all[consumer->partitions[at].index].leader;
    for (uint32_t i = 0; i < at; i++) {
        if (all[consumer->partitions[i].index].leader == leader) {
            return true;
        }
    }
    return false;
}

static bool poll_once(struct consumer *consumer, uint32_t wait_ms, const struct consumer_sink *sink)
{
    struct fetch_request_partition *items = calloc(consumer->partition_count + 1u, sizeof(*items));
    if (items == NULL) {
        return problem_set(&consumer->client->problem, PROBLEM_LOCAL, "out of memory");
    }
    uint32_t leaders = 0;
    for (uint32_t i = 0; i < consumer->partition_count; i++) {
        leaders += leader_was_asked(consumer, i) ? 0 : 1;
    }
    bool ok = true;
    bool stop = false;
    for (uint32_t i = 0; i < consumer->partition_count && ok && !stop; i++) {
        const int32_t leader = consumer->topic.partitions[consumer->partitions[i].index].leader;
        if (!leader_was_asked(consumer, i) && leader_partitions(consumer, leader, items) > 0) {
            ok = fetch_leader(consumer, leader, wait_ms / leaders, items, sink, &stop);
        }
    }
    consumer->turn++;
    free(items);
    return ok;
}

bool consumer_poll(struct consumer *consumer, uint32_t wait_ms, const struct consumer_sink *sink)
{
    struct client *client = consumer->client;
    const uint64_t deadline_ns = client_deadline_ns(client);
    while (!poll_once(consumer, wait_ms, sink)) {
        struct client_topic fresh;
        if (!client_again(client, true, deadline_ns) ||
            !client_topic(client, consumer->topic.name, CLIENT_TOPIC_LED, &fresh)) {
            return false;
        }
        if (!uuid_equal(fresh.id, consumer->topic.id) ||
            fresh.partition_count < consumer->topic.partition_count) {
            client_topic_free(&fresh);
            return problem_kafka(&client->problem, ERROR_UNKNOWN_TOPIC_ID, consumer->topic.name,
                                 consumer->topic.name, "");
        }
        client_topic_free(&consumer->topic);
        consumer->topic = fresh;
    }
    return true;
}
