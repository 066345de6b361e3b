/* What stays of a batch, against a naive model and case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "storage/base/random.h"
#include "storage/log/clean_filter.h"
#include "storage/record/record.h"

enum { RECORDS_MAX = 40, BATCH_MAX = 1 << 16, NOW_MS = 1700000000 };

struct bench {
    struct clean_filter filter;
    struct clean_map map;
    struct clean_txns txns;
    void *map_memory;
    void *inflate_memory;
    uint8_t plain[BATCH_MAX];
    uint8_t packed[BATCH_MAX];
    uint8_t opened[BATCH_MAX];
};

/* One record as it is handed in and as it comes out. */
struct row {
    uint32_t key;
    int64_t timestamp_ms;
    int32_t offset_delta;
    bool tombstone;
};

static int setup(void **state)
{
    static const struct siphash_key secret = {{1, 2}};
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    bench->map_memory = calloc(1, 1 << 16);
    clean_map_init(&bench->map, bench->map_memory, 1 << 16, 90, &secret);
    assert_int_equal(posix_memalign(&bench->inflate_memory, 64, inflate_memory_bytes(1 << 21)), 0);
    bench->filter = (struct clean_filter){.map = &bench->map,
                                          .txns = &bench->txns,
                                          .inflate = inflate_init(bench->inflate_memory, 1 << 21),
                                          .inflated_bytes_max = 1 << 20,
                                          .now_ms = NOW_MS,
                                          .delete_retention_ms = 1000};
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    clean_filter_free(&bench->filter);
    clean_txns_free(&bench->txns);
    free(bench->map_memory);
    free(bench->inflate_memory);
    free(bench);
    return 0;
}

static bool put(struct bench *bench, const char *text, int64_t offset)
{
    const struct clean_key key = clean_map_key(&bench->map, bytes_of_string(text));
    return clean_map_put(&bench->map, &key, offset);
}

static struct bytes build(struct bench *bench, const struct row *rows, uint32_t count,
                          enum batch_codec codec, const struct batch_options *options)
{
    struct batch_builder builder;
    batch_builder_init(&builder, bench->plain, sizeof(bench->plain), options);
    for (uint32_t i = 0; i < count; i++) {
        char key[16];
        const int len = snprintf(key, sizeof(key), "key%u", rows[i].key);
        const struct bytes value = {(const uint8_t *)"a value of some length", 22};
        const struct record_header header = {{(const uint8_t *)"h", 1}, {NULL, 0}};
        assert_true(batch_builder_add(&builder, rows[i].timestamp_ms,
                                      (struct bytes){(const uint8_t *)key, (uint32_t)len},
                                      rows[i].tombstone ? (struct bytes){0} : value, &header, 1));
    }
    struct bytes batch = batch_builder_finish(&builder);
    if (codec != BATCH_CODEC_NONE) {
        assert_true(batch_builder_finish_compressed(&builder, codec, INT32_MIN, bench->packed,
                                                    sizeof(bench->packed), &batch));
    }
    return batch;
}

static struct batch_header header_of(struct bytes batch)
{
    struct batch_header header;
    assert_int_equal(batch_parse(chain_of(&batch), &header), BATCH_OK);
    assert_int_equal(header.size_bytes, batch.len);
    assert_int_equal(batch_check_crc(chain_of(&batch), &header), BATCH_OK);
    return header;
}

/* The records of a batch; returns how many. */
static uint32_t open_batch(struct bench *bench, struct bytes batch, struct row rows[RECORDS_MAX])
{
    const struct batch_header header = header_of(batch);
    struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    if (batch_codec(&header) != BATCH_CODEC_NONE && header.record_count > 0) {
        uint32_t len;
        assert_int_equal(inflate_all(bench->filter.inflate, batch_codec(&header),
                                     chain_of(&records), bench->opened, sizeof(bench->opened),
                                     &len),
                         INFLATE_END);
        records = (struct bytes){bench->opened, len};
    }
    struct record_cursor cursor = record_cursor_of(records, header.record_count);
    struct record record;
    uint32_t count = 0;
    enum record_status status;
    while ((status = record_next(&cursor, &record)) == RECORD_OK) {
        assert_int_equal(record.header_count, 1);
        assert_true(record.key.len > 3);
        uint32_t key = 0;
        for (uint32_t i = 3; i < record.key.len; i++) {
            key = key * 10 + (record.key.ptr[i] - (uint32_t)'0');
        }
        rows[count++] =
            (struct row){.key = key,
                         .timestamp_ms = header.base_timestamp_ms + record.timestamp_delta_ms,
                         .offset_delta = record.offset_delta,
                         .tombstone = record.value.ptr == NULL};
    }
    assert_int_equal(status, RECORD_END);
    return count;
}

/* The batch came out with these rows, and all else as it was. */
static void same_rows(struct bench *bench, struct bytes out, const struct batch_header *header,
                      const struct row *rows, uint32_t expected, bool tombstones, int64_t max_ms)
{
    struct row out_rows[RECORDS_MAX];
    const struct batch_header now = header_of(out);
    assert_int_equal(now.base_offset, header->base_offset);
    assert_int_equal(now.last_offset_delta, header->last_offset_delta);
    assert_int_equal((now.attributes & BATCH_DELETE_HORIZON) != 0, tombstones);
    assert_true(!tombstones || now.base_timestamp_ms == NOW_MS + 1000);
    assert_int_equal(open_batch(bench, out, out_rows), expected);
    assert_true(expected == 0 || now.max_timestamp_ms == max_ms);
    assert_true(expected == 0 || batch_codec(&now) == batch_codec(header));
    for (uint32_t i = 0; i < expected; i++) {
        assert_int_equal(out_rows[i].key, rows[i].key);
        assert_int_equal(out_rows[i].timestamp_ms, rows[i].timestamp_ms);
        assert_int_equal(out_rows[i].offset_delta, rows[i].offset_delta);
        assert_int_equal(out_rows[i].tombstone, rows[i].tombstone);
    }
}

static void any_batch_keeps_what_the_model_keeps(void **state)
{
    struct bench *bench = *state;
    struct random random;
    random_init(&random, 11);
    int64_t base = 0;
    for (uint32_t round = 0; round < 400; round++) {
        struct row rows[RECORDS_MAX];
        const uint32_t count = 1 + (uint32_t)random_below(&random, RECORDS_MAX - 1);
        int64_t max_ms = -1;
        for (uint32_t i = 0; i < count; i++) {
            rows[i] = (struct row){.key = (uint32_t)random_below(&random, 50),
                                   .timestamp_ms = NOW_MS - (int64_t)random_below(&random, 100000),
                                   .offset_delta = (int32_t)i,
                                   .tombstone = random_one_in(&random, 8)};
        }
        struct batch_options options = batch_options_none();
        options.base_offset = base;
        const struct bytes batch = build(
            bench, rows, count, (enum batch_codec)random_below(&random, BATCH_CODECS), &options);
        const struct batch_header header = header_of(batch);
        int64_t last[50];
        memset(last, 0xff, sizeof(last));
        for (uint32_t i = 0; i < count; i++) {
            last[rows[i].key] = base + i;
        }
        bench->map.end = base;
        assert_int_equal(clean_filter_map(&bench->filter, &bench->map, batch, &header, base),
                         CLEAN_KEPT);
        for (uint32_t k = 0; k < 50; k++) { /* Some are written again later. */
            char key[16];
            (void)snprintf(key, sizeof(key), "key%u", k);
            if (random_one_in(&random, 3)) {
                last[k] = base + 1000;
                assert_true(put(bench, key, base + 1000));
            }
        }
        bench->map.end = base + (int64_t)random_below(&random, count + 1); /* Partly mapped. */
        struct bytes out = {0};
        const bool keep_place = random_one_in(&random, 2);
        const enum clean_result result =
            clean_filter_batch(&bench->filter, batch, &header, keep_place, &out);
        uint32_t expected = 0;
        bool tombstones = false;
        for (uint32_t i = 0; i < count; i++) {
            if (base + i >= bench->map.end || last[rows[i].key] == base + i) {
                max_ms = max_i64(max_ms, rows[i].timestamp_ms);
                tombstones = tombstones || rows[i].tombstone;
                rows[expected++] = rows[i];
            }
        }
        if (expected == 0) {
            assert_int_equal(result, keep_place ? CLEAN_CHANGED : CLEAN_DROPPED);
        } else if (expected == count && !tombstones) {
            assert_int_equal(result, CLEAN_KEPT);
        } else {
            assert_int_equal(result, CLEAN_CHANGED);
        }
        if (result == CLEAN_CHANGED) {
            same_rows(bench, out, &header, rows, expected, tombstones, max_ms);
        }
        base += 2000;
    }
}

static void a_tombstone_stays_until_its_horizon(void **state)
{
    struct bench *bench = *state;
    static uint8_t first[BATCH_MAX];
    struct row rows[RECORDS_MAX] = {{.key = 1, .timestamp_ms = 5000, .tombstone = true},
                                    {.key = 2, .timestamp_ms = 9000}};
    struct batch_options options = batch_options_none();
    struct bytes batch = build(bench, rows, 2, BATCH_CODEC_LZ4, &options);
    struct batch_header header = header_of(batch);
    struct bytes out;
    bench->map.end = 0;
    assert_int_equal(clean_filter_map(&bench->filter, &bench->map, batch, &header, 0), CLEAN_KEPT);
    bench->map.end = 2;
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out),
                     CLEAN_CHANGED);
    memcpy(first, out.ptr, out.len);
    batch = (struct bytes){first, out.len};
    header = header_of(batch);
    assert_int_equal(header.base_timestamp_ms, NOW_MS + 1000);
    assert_int_equal(open_batch(bench, batch, rows), 2);
    assert_int_equal(rows[0].timestamp_ms, 5000);
    assert_int_equal(rows[1].timestamp_ms, 9000);
    bench->filter.now_ms = NOW_MS + 999; /* Its horizon is that of the first time. */
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out), CLEAN_KEPT);
    bench->filter.now_ms = NOW_MS + 1000;
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out),
                     CLEAN_CHANGED);
    assert_int_equal(header_of(out).base_timestamp_ms, NOW_MS + 1000);
    assert_int_equal(open_batch(bench, out, rows), 1);
    assert_int_equal(rows[0].key, 2);
    assert_int_equal(bench->filter.tombstones_dropped, 1);
}

static void a_horizon_that_never_comes_keeps_tombstones_and_times(void **state)
{
    struct bench *bench = *state;
    static uint8_t first[BATCH_MAX];
    struct row rows[RECORDS_MAX] = {{.key = 1, .timestamp_ms = 5000, .tombstone = true}};
    struct batch_options options = batch_options_none();
    struct bytes batch = build(bench, rows, 1, BATCH_CODEC_NONE, &options);
    struct batch_header header = header_of(batch);
    struct bytes out;
    bench->filter.delete_retention_ms = INT64_MAX;
    bench->map.end = 1;
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out),
                     CLEAN_CHANGED);
    memcpy(first, out.ptr, out.len);
    batch = (struct bytes){first, out.len};
    header = header_of(batch);
    assert_int_equal(header.base_timestamp_ms, INT64_MAX);
    assert_int_equal(open_batch(bench, batch, rows), 1);
    assert_int_equal(rows[0].timestamp_ms, 5000);
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out), CLEAN_KEPT);
}

static void a_producers_last_batch_stays_though_it_is_empty(void **state)
{
    struct bench *bench = *state;
    static const struct clean_producer producers[] = {{3, 90, 0}, {7, 1, 4}, {8, -1, 2}};
    bench->filter.producers = producers;
    bench->filter.producer_count = ARRAY_SIZE(producers);
    const struct row rows[] = {{.key = 1, .timestamp_ms = 1}, {.key = 2, .timestamp_ms = 2}};
    struct batch_options options = batch_options_none();
    options.producer_id = 7;
    options.producer_epoch = 4;
    options.base_sequence = 40;
    struct bytes batch = build(bench, rows, 2, BATCH_CODEC_ZSTD, &options);
    struct batch_header header = header_of(batch);
    struct bytes out;
    bench->map.end = 0;
    assert_int_equal(clean_filter_map(&bench->filter, &bench->map, batch, &header, 0), CLEAN_KEPT);
    assert_true(put(bench, "key1", 50));
    assert_true(put(bench, "key2", 51));
    bench->map.end = 60;
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out),
                     CLEAN_CHANGED);
    const struct batch_header empty = header_of(out);
    assert_int_equal(out.len, BATCH_HEADER_BYTES);
    assert_int_equal(empty.record_count, 0);
    assert_int_equal(empty.last_offset_delta, 1);
    assert_int_equal(empty.producer_id, 7);
    assert_int_equal(empty.producer_epoch, 4);
    assert_int_equal(empty.base_sequence, 40);
    assert_int_equal(empty.max_timestamp_ms, 2);
    header.producer_id = 3; /* That one went on. */
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out),
                     CLEAN_DROPPED);
    header.producer_id = 9; /* Forgotten. */
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out),
                     CLEAN_DROPPED);
}

static void a_marker_goes_a_horizon_after_its_records(void **state)
{
    struct bench *bench = *state;
    static uint8_t first[BATCH_MAX];
    uint8_t key[RECORD_CONTROL_KEY_BYTES];
    uint8_t value[RECORD_TXN_MARKER_BYTES];
    record_control_key_write(key, RECORD_CONTROL_COMMIT);
    record_txn_marker_write(value, 3);
    struct batch_options options = batch_options_none();
    options.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    options.producer_id = 12;
    options.producer_epoch = 1;
    options.base_offset = 5;
    struct batch_builder builder;
    batch_builder_init(&builder, bench->plain, sizeof(bench->plain), &options);
    assert_true(batch_builder_add(&builder, 77, (struct bytes){key, sizeof(key)},
                                  (struct bytes){value, sizeof(value)}, NULL, 0));
    struct bytes batch = batch_builder_finish(&builder);
    struct batch_header header = header_of(batch);
    struct batch_header data = {
        .base_offset = 4, .producer_id = 12, .attributes = BATCH_TRANSACTIONAL};
    struct bytes out;
    bench->map.end = 10;
    clean_txns_begin(&bench->txns, 0);
    assert_false(clean_txns_batch(&bench->txns, &data));
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out), CLEAN_KEPT);
    clean_txns_begin(&bench->txns, 0); /* No record of it was met. */
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out),
                     CLEAN_CHANGED);
    memcpy(first, out.ptr, out.len);
    batch = (struct bytes){first, out.len};
    header = header_of(batch);
    assert_int_equal(header.base_timestamp_ms, NOW_MS + 1000);
    assert_int_equal(header.max_timestamp_ms, 77);
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out), CLEAN_KEPT);
    bench->filter.now_ms = NOW_MS + 1000;
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out),
                     CLEAN_DROPPED);
    static const struct clean_producer producers[] = {{12, -1, 1}};
    bench->filter.producers = producers;
    bench->filter.producer_count = 1; /* It fences: nothing else is known of that producer. */
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out),
                     CLEAN_CHANGED);
    assert_int_equal(header_of(out).record_count, 0);
    assert_true((header_of(out).attributes & BATCH_CONTROL) != 0);
}

static void what_cannot_be_read_is_told(void **state)
{
    struct bench *bench = *state;
    const struct row rows[] = {{.key = 1, .timestamp_ms = 1}, {.key = 2, .timestamp_ms = 2}};
    const struct batch_options options = batch_options_none();
    struct bytes out;
    struct bytes batch = build(bench, rows, 2, BATCH_CODEC_GZIP, &options);
    struct batch_header header = header_of(batch);
    bench->packed[batch.len - 20] ^= 0xff;
    assert_int_equal(clean_filter_map(&bench->filter, &bench->map, batch, &header, 0), CLEAN_BAD);
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out), CLEAN_BAD);
    batch = build(bench, rows, 2, BATCH_CODEC_NONE, &options);
    header = header_of(batch);
    header.record_count = 3;
    assert_int_equal(clean_filter_batch(&bench->filter, batch, &header, false, &out), CLEAN_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_batch_keeps_what_the_model_keeps, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tombstone_stays_until_its_horizon, setup, teardown),
        cmocka_unit_test_setup_teardown(a_producers_last_batch_stays_though_it_is_empty, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_horizon_that_never_comes_keeps_tombstones_and_times,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_marker_goes_a_horizon_after_its_records, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
