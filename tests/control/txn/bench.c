#include "tests/control/txn/bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { ITEMS_MAX = 64 };

/* --- the trace ----------------------------------------------------------------------------------
 */

__attribute__((format(printf, 2, 3))) static void put(struct txn_bench *bench, const char *format,
                                                      ...)
{
    if (bench->quiet) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    const int len = vsnprintf(bench->trace + bench->trace_used,
                              sizeof(bench->trace) - bench->trace_used, format, arguments);
    va_end(arguments);
    bench->trace_used += (uint32_t)len;
    assert_true(bench->trace_used < sizeof(bench->trace));
}

static void put_text(struct txn_bench *bench, struct chain text)
{
    char flat[256];
    assert_true(text.len < sizeof(flat));
    chain_copy(text, flat, text.len);
    put(bench, "%.*s", (int)text.len, flat);
}

static void put_record(struct txn_bench *bench, const struct txn_record *record)
{
    static const char *const states[] = {"Empty",        "Ongoing",        "PrepareCommit",
                                         "PrepareAbort", "CompleteCommit", "CompleteAbort"};
    struct reader reader;
    struct transaction_log_key key;
    reader_init(&reader, chain_of(&record->key));
    assert_int_equal(reader_i16(&reader), 0);
    assert_int_equal(transaction_log_key_decode(&reader, 0, &key), CODEC_OK);
    put(bench, "%c ", record->value.ptr == NULL ? '-' : '+');
    put_text(bench, key.transactional_id);
    if (record->value.ptr != NULL) {
        struct transaction_log_value value;
        struct transaction_log_value_topic topic;
        int32_t partition;
        const char *before = "";
        reader_init(&reader, chain_of(&record->value));
        const int16_t version = reader_i16(&reader);
        assert_int_equal(transaction_log_value_decode(&reader, version, &value), CODEC_OK);
        put(bench, " %s %lld/%d", states[value.transaction_status], (long long)value.producer_id,
            value.producer_epoch);
        if (value.previous_producer_id >= 0 && value.previous_producer_id != value.producer_id) {
            put(bench, " prev %lld", (long long)value.previous_producer_id);
        }
        if (value.next_producer_id >= 0) {
            put(bench, " next %lld", (long long)value.next_producer_id);
        }
        put(bench, " tv %d [", value.client_transaction_version);
        while (transaction_log_value_topic_array_next(&value.transaction_partitions, &topic)) {
            while (i32_array_next(&topic.partition_ids, &partition)) {
                put(bench, "%s", before);
                put_text(bench, topic.topic);
                put(bench, "/%d", partition);
                before = " ";
            }
        }
        put(bench, "]");
    }
    put(bench, "\n");
}

static void put_marker(struct txn_bench *bench, const struct txn_marker *marker)
{
    put(bench, "! %.*s %s %lld/%d tv %d [", (int)marker->transactional_id.len,
        (const char *)marker->transactional_id.ptr, marker->committed ? "commit" : "abort",
        (long long)marker->producer_id, marker->producer_epoch, marker->version);
    for (uint32_t i = 0; i < marker->place_count; i++) {
        put(bench, "%s%.*s/%d", i == 0 ? "" : " ", (int)marker->places[i].topic.len,
            (const char *)marker->places[i].topic.ptr, marker->places[i].partition);
    }
    put(bench, "]\n");
    struct bench_marker *open = &bench->markers[bench->marker_count++];
    assert_true(bench->marker_count <= TXN_OPEN_MAX);
    snprintf(open->id, sizeof(open->id), "%.*s", (int)marker->transactional_id.len,
             (const char *)marker->transactional_id.ptr);
    open->producer_id = marker->producer_id;
    open->epoch = marker->producer_epoch;
    open->committed = marker->committed;
}

static void put_add(struct txn_bench *bench,
                    const struct add_partitions_to_txn_response_transaction *answer)
{
    put(bench, "add");
    for (int32_t i = 0; i < answer->topic_results.count; i++) {
        const struct add_partitions_to_txn_response_topic *topic = &answer->topic_results.items[i];
        for (int32_t k = 0; k < topic->results_by_partition.count; k++) {
            bench->error_code = topic->results_by_partition.items[k].partition_error_code;
            put(bench, " %s", error_name(bench->error_code));
        }
    }
}

static void put_describe(struct txn_bench *bench,
                         const struct describe_transactions_response_transaction *answer)
{
    put(bench, "describe %s ", error_name(answer->error_code));
    put_text(bench, answer->transaction_state);
    put(bench, " %lld/%d [", (long long)answer->producer_id, answer->producer_epoch);
    for (int32_t i = 0; i < answer->topics.count; i++) {
        for (int32_t k = 0; k < answer->topics.items[i].partitions.count; k++) {
            put(bench, "%s", i == 0 && k == 0 ? "" : " ");
            put_text(bench, answer->topics.items[i].topic);
            put(bench, "/%d", answer->topics.items[i].partitions.items[k]);
        }
    }
    put(bench, "]");
}

static void put_list(struct txn_bench *bench, const struct list_transactions_response *answer)
{
    put(bench, "list");
    for (int32_t i = 0; i < answer->transaction_states.count; i++) {
        put(bench, " ");
        put_text(bench, answer->transaction_states.items[i].transactional_id);
        put(bench, "=");
        put_text(bench, answer->transaction_states.items[i].transaction_state);
    }
    for (int32_t i = 0; i < answer->unknown_state_filters.count; i++) {
        put(bench, " ?");
        put_text(bench, answer->unknown_state_filters.items[i]);
    }
}

static void put_reply(struct txn_bench *bench, const struct txn_reply *reply)
{
    switch ((int)reply->kind) {
    case TXN_INIT: {
        const struct init_producer_id_response *answer = reply->answer;
        bench->error_code = answer->error_code;
        bench->producer_id = answer->producer_id;
        bench->epoch = answer->producer_epoch;
        put(bench, "init %s %lld/%d", error_name(answer->error_code),
            (long long)answer->producer_id, answer->producer_epoch);
        break;
    }
    case TXN_ADD_PARTITIONS: put_add(bench, reply->answer); break;
    case TXN_ADD_OFFSETS:
        bench->error_code = ((const struct add_offsets_to_txn_response *)reply->answer)->error_code;
        put(bench, "offsets %s", error_name(bench->error_code));
        break;
    case TXN_END: {
        const struct end_txn_response *answer = reply->answer;
        bench->error_code = answer->error_code;
        bench->producer_id = answer->producer_id;
        bench->epoch = answer->producer_epoch;
        put(bench, "end %s %lld/%d", error_name(answer->error_code), (long long)answer->producer_id,
            answer->producer_epoch);
        break;
    }
    case TXN_DESCRIBE: put_describe(bench, reply->answer); break;
    case TXN_LIST: put_list(bench, reply->answer); break;
    default: fail();
    }
    put(bench, "\n");
}

/* --- events -------------------------------------------------------------------------------------
 */

static struct bytes copy_of(struct bytes from)
{
    uint8_t *to = malloc((size_t)from.len + 1);
    assert_non_null(to);
    memcpy(to, from.ptr, from.len);
    return (struct bytes){to, from.len};
}

static void step(struct txn_bench *bench, struct txn_event *event)
{
    event->wall_ms = bench->wall_ms;
    event->fresh_producer_id = bench->fresh_producer_id;
    txn_step(bench->coordinator, event, &bench->update);
    bench->fresh_producer_id += bench->update.producer_id_used;
    if (bench->update.has_reply) {
        put_reply(bench, &bench->update.reply);
    }
    for (uint32_t i = 0; i < bench->update.record_count; i++) {
        const struct txn_record *record = &bench->update.records[i];
        put_record(bench, record);
        assert_true(bench->log_count < TXN_LOG_MAX);
        bench->log[bench->log_count++] = (struct txn_record){
            copy_of(record->key),
            record->value.ptr == NULL ? (struct bytes){0} : copy_of(record->value)};
    }
    for (uint32_t i = 0; i < bench->update.marker_count; i++) {
        put_marker(bench, &bench->update.markers[i]);
    }
    txn_coordinator_invariants(bench->coordinator);
}

/* What requests point to lives in the arena of the step before, which is freed here. */
static struct arena *begin(struct txn_bench *bench)
{
    arena_free(&bench->arena);
    return &bench->arena;
}

void bench_init_version(struct txn_bench *bench, int16_t version, const char *id,
                        int64_t producer_id, int16_t epoch, int32_t timeout_ms)
{
    struct arena *arena = begin(bench);
    const struct init_producer_id_request request = {
        .transactional_id = arena_text(arena, "%s", id),
        .transaction_timeout_ms = timeout_ms,
        .producer_id = producer_id,
        .producer_epoch = epoch,
    };
    struct txn_event event = {.kind = TXN_INIT, .version = version, .init = &request};
    step(bench, &event);
}

void bench_init(struct txn_bench *bench, const char *id, int64_t producer_id, int16_t epoch)
{
    bench_init_version(bench, 5, id, producer_id, epoch, 60000);
}

static struct add_partitions_to_txn_request_topic_array places_of(struct arena *arena,
                                                                  const char *from)
{
    struct add_partitions_to_txn_request_topic *items =
        ARENA_ARRAY(arena, struct add_partitions_to_txn_request_topic, ITEMS_MAX);
    int32_t *partitions = ARENA_ARRAY(arena, int32_t, ITEMS_MAX);
    char *text = arena_take(arena, strlen(from) + 1);
    memcpy(text, from, strlen(from));
    int32_t count = 0;
    char *rest;
    for (char *at = strtok_r(text, " ", &rest); at != NULL; at = strtok_r(NULL, " ", &rest)) {
        char *partition = strchr(at, '/');
        *partition++ = '\0';
        partitions[count] = atoi(partition);
        items[count] = (struct add_partitions_to_txn_request_topic){
            arena_text(arena, "%s", at), {.items = &partitions[count], .count = 1}};
        count++;
    }
    return (struct add_partitions_to_txn_request_topic_array){.items = items, .count = count};
}

static void add_topics(struct txn_bench *bench, int16_t version, bool verify_only, const char *id,
                       int64_t producer_id, int16_t epoch,
                       struct add_partitions_to_txn_request_topic_array topics,
                       const struct txn_topic *known)
{
    struct arena *arena = &bench->arena;
    const struct add_partitions_to_txn_request_transaction request = {
        .transactional_id = arena_text(arena, "%s", id),
        .producer_id = producer_id,
        .producer_epoch = epoch,
        .verify_only = verify_only,
        .topics = topics,
    };
    struct txn_event event = {
        .kind = TXN_ADD_PARTITIONS, .version = version, .topics = known, .add = &request};
    step(bench, &event);
}

static void add(struct txn_bench *bench, int16_t version, bool verify_only, const char *id,
                int64_t producer_id, int16_t epoch, const char *places,
                const struct txn_topic *known)
{
    add_topics(bench, version, verify_only, id, producer_id, epoch, places_of(begin(bench), places),
               known);
}

void bench_add_many(struct txn_bench *bench, const char *id, const char *topic, int32_t first,
                    int32_t count)
{
    struct arena *arena = begin(bench);
    int32_t *partitions = ARENA_ARRAY(arena, int32_t, count);
    for (int32_t i = 0; i < count; i++) {
        partitions[i] = first + i;
    }
    const struct add_partitions_to_txn_request_topic item = {arena_text(arena, "%s", topic),
                                                             {.items = partitions, .count = count}};
    add_topics(bench, 5, false, id, 1000, 0,
               (struct add_partitions_to_txn_request_topic_array){.items = &item, .count = 1},
               NULL);
}

void bench_add(struct txn_bench *bench, int16_t version, const char *id, int64_t producer_id,
               int16_t epoch, const char *places)
{
    add(bench, version, false, id, producer_id, epoch, places, NULL);
}

void bench_verify(struct txn_bench *bench, const char *id, int64_t producer_id, int16_t epoch,
                  const char *places)
{
    add(bench, 5, true, id, producer_id, epoch, places, NULL);
}

void bench_add_known(struct txn_bench *bench, const char *id, const char *places,
                     const struct txn_topic *known)
{
    add(bench, 3, false, id, 1000, 0, places, known);
}

void bench_add_offsets(struct txn_bench *bench, int16_t version, const char *id,
                       int64_t producer_id, int16_t epoch)
{
    struct arena *arena = begin(bench);
    const struct add_offsets_to_txn_request request = {
        .transactional_id = arena_text(arena, "%s", id),
        .producer_id = producer_id,
        .producer_epoch = epoch,
        .group_id = arena_text(arena, "g"),
    };
    struct txn_event event = {.kind = TXN_ADD_OFFSETS,
                              .version = version,
                              .add_offsets = {.request = &request, .partition = 7}};
    step(bench, &event);
}

void bench_end(struct txn_bench *bench, int16_t version, const char *id, int64_t producer_id,
               int16_t epoch, bool committed)
{
    struct arena *arena = begin(bench);
    const struct end_txn_request request = {
        .transactional_id = arena_text(arena, "%s", id),
        .producer_id = producer_id,
        .producer_epoch = epoch,
        .committed = committed,
    };
    struct txn_event event = {.kind = TXN_END, .version = version, .end = &request};
    step(bench, &event);
}

void bench_describe(struct txn_bench *bench, const char *id)
{
    begin(bench);
    struct txn_event event = {.kind = TXN_DESCRIBE, .described = bytes_of_string(id)};
    step(bench, &event);
}

void bench_list(struct txn_bench *bench, const char *state, int64_t producer_id,
                int64_t duration_ms)
{
    struct arena *arena = begin(bench);
    struct list_transactions_request request = list_transactions_request_default;
    const struct chain states[] = {arena_text(arena, "%s", state == NULL ? "" : state)};
    request.state_filters = (struct string_array){.items = states, .count = state != NULL};
    request.producer_id_filters =
        (struct i64_array){.items = &producer_id, .count = producer_id >= 0};
    request.duration_filter = duration_ms;
    struct txn_event event = {.kind = TXN_LIST,
                              .version = 2,
                              .list = {.request = &request, .producer_ids = &producer_id}};
    step(bench, &event);
}

void bench_event(struct txn_bench *bench, enum txn_event_kind kind)
{
    begin(bench);
    struct txn_event event = {.kind = kind};
    step(bench, &event);
}

bool bench_written(struct txn_bench *bench)
{
    if (bench->marker_count == 0) {
        return false;
    }
    begin(bench);
    const struct bench_marker marker = bench->markers[0];
    memmove(&bench->markers[0], &bench->markers[1], --bench->marker_count * sizeof(marker));
    struct txn_event event = {.kind = TXN_MARKERS_WRITTEN,
                              .written = {.transactional_id = bytes_of_string(marker.id),
                                          .producer_id = marker.producer_id,
                                          .producer_epoch = marker.epoch}};
    step(bench, &event);
    return true;
}

void bench_forget(struct txn_bench *bench)
{
    bench->trace_used = 0;
    bench->trace[0] = '\0';
}

void bench_expect(struct txn_bench *bench, const char *trace)
{
    assert_string_equal(bench->trace, trace);
    bench_forget(bench);
}

void bench_lose(struct txn_bench *bench)
{
    const struct txn_record *record = &bench->log[--bench->log_count];
    free((void *)(uintptr_t)record->key.ptr);
    free((void *)(uintptr_t)record->value.ptr);
}

void bench_restart(struct txn_bench *bench)
{
    txn_coordinator_free(bench->coordinator);
    bench->coordinator = txn_coordinator_new(&bench->settings, bench->log_count);
    bench->marker_count = 0;
    for (uint32_t i = 0; i < bench->log_count; i++) {
        assert_int_equal(txn_replay(bench->coordinator, bench->log[i].key, bench->log[i].value),
                         TXN_REPLAYED);
    }
    bench_event(bench, TXN_RESUME);
}

/* --- up and down --------------------------------------------------------------------------------
 */

struct txn_bench *txn_bench_new(void)
{
    struct txn_bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    bench->settings = (struct txn_settings){
        .timeout_ms_max = 900000, .id_expiration_ms = 7LL * 24 * 3600 * 1000, .version = 2};
    bench->log = calloc(TXN_LOG_MAX, sizeof(bench->log[0]));
    assert_non_null(bench->log);
    bench->coordinator = txn_coordinator_new(&bench->settings, 1);
    bench->update.arena = &bench->arena;
    bench->wall_ms = 1000000;
    bench->fresh_producer_id = 1000;
    return bench;
}

void txn_bench_free(struct txn_bench *bench)
{
    txn_coordinator_free(bench->coordinator);
    arena_free(&bench->arena);
    while (bench->log_count > 0) {
        bench_lose(bench);
    }
    free(bench->log);
    free(bench);
}

int txn_bench_up(void **state)
{
    *state = txn_bench_new();
    return 0;
}

int txn_bench_down(void **state)
{
    txn_bench_free(*state);
    return 0;
}
