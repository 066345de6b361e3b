#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/base/random.h"
#include "tests/storage/record/sample.h"

static uint8_t buffer[SAMPLE_BYTES_MAX];
static const uint8_t filler[300] = "filler";

static const struct {
    int64_t value;
    uint32_t len;
    uint8_t bytes[10];
} varints[] = {
    {0, 1, {0}},
    {-1, 1, {1}},
    {1, 1, {2}},
    {63, 1, {0x7e}},
    {-64, 1, {0x7f}},
    {64, 2, {0x80, 1}},
    {-65, 2, {0x81, 1}},
    {INT32_MAX, 5, {0xfe, 0xff, 0xff, 0xff, 0xf}},
    {INT32_MIN, 5, {0xff, 0xff, 0xff, 0xff, 0xf}},
    {INT64_MAX, 10, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
    {INT64_MIN, 10, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
};

static void varints_are_kafkas(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ARRAY_SIZE(varints); i++) {
        uint8_t out[10];
        const struct bytes wire = {varints[i].bytes, varints[i].len};
        int64_t wide = 0;
        assert_int_equal(record_varlong_write(out, varints[i].value), wire.len);
        assert_memory_equal(out, wire.ptr, wire.len);
        assert_int_equal(record_varlong_bytes(varints[i].value), wire.len);
        assert_int_equal(record_varlong_read(wire, &wide), wire.len);
        assert_true(wide == varints[i].value);
        for (uint32_t cut = 0; cut < wire.len; cut++) {
            assert_int_equal(record_varlong_read((struct bytes){wire.ptr, cut}, &wide), 0);
        }
        if (wire.len <= 5) {
            int32_t narrow = 0;
            assert_int_equal(record_varint_write(out, (int32_t)varints[i].value), wire.len);
            assert_memory_equal(out, wire.ptr, wire.len);
            assert_int_equal(record_varint_bytes((int32_t)varints[i].value), wire.len);
            assert_int_equal(record_varint_read(wire, &narrow), wire.len);
            assert_int_equal(narrow, varints[i].value);
        }
    }
}

static void a_varint_that_goes_on_too_long_is_refused(void **state)
{
    (void)state;
    static const uint8_t endless[12] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                        0x80, 0x80, 0x80, 0x80, 0x80, 0};
    int32_t narrow;
    int64_t wide;
    assert_int_equal(record_varint_read((struct bytes){endless, 12}, &narrow), 0);
    assert_int_equal(record_varlong_read((struct bytes){endless, 12}, &wide), 0);
}

static struct bytes mixed_batch(int32_t *count)
{
    const struct batch_options options = batch_options_none();
    const struct bytes null = {0};
    const struct record_header headers[] = {{bytes_of_string("a"), bytes_of_string("1")},
                                            {bytes_of_string(""), null},
                                            {bytes_of_string("b"), bytes_of_string("")}};
    struct batch_builder builder;
    batch_builder_init(&builder, buffer, sizeof(buffer), &options);
    assert_true(batch_builder_add(&builder, 5000, null, null, NULL, 0));
    assert_true(
        batch_builder_add(&builder, 4000, bytes_of_string(""), bytes_of_string(""), NULL, 0));
    assert_true(batch_builder_add(&builder, INT64_MAX, bytes_of_string("key"), null, headers, 3));
    assert_true(batch_builder_add(&builder, -1, null, (struct bytes){filler, 300}, headers, 1));
    *count = builder.header.record_count;
    return batch_builder_finish(&builder);
}

static void records_come_back_as_they_were_added(void **state)
{
    (void)state;
    int32_t count;
    const struct bytes batch = mixed_batch(&count);
    struct record_cursor cursor = record_cursor_of(
        (struct bytes){batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES}, count);
    struct record record;
    struct record_header header;
    assert_int_equal(record_next(&cursor, &record), RECORD_OK);
    assert_true(record.key.ptr == NULL && record.value.ptr == NULL && record.header_count == 0);
    assert_int_equal(record_next(&cursor, &record), RECORD_OK);
    assert_true(record.key.ptr != NULL && record.key.len == 0 && record.value.ptr != NULL);
    assert_int_equal(record.timestamp_delta_ms, -1000);
    assert_int_equal(record_next(&cursor, &record), RECORD_OK);
    assert_int_equal(record.header_count, 3);
    struct bytes headers = record.headers;
    assert_true(record_header_next(&headers, &header));
    assert_true(bytes_equal(header.name, bytes_of_string("a")));
    assert_true(bytes_equal(header.value, bytes_of_string("1")));
    assert_true(record_header_next(&headers, &header));
    assert_true(header.name.len == 0 && header.value.ptr == NULL);
    assert_true(record_header_next(&headers, &header));
    assert_true(header.value.ptr != NULL && header.value.len == 0);
    assert_false(record_header_next(&headers, &header));
    assert_int_equal(record_next(&cursor, &record), RECORD_OK);
    assert_true(record.offset_delta == 3 && record.value.len == 300);
    assert_true(record.timestamp_delta_ms == -5001);
    assert_int_equal(record_next(&cursor, &record), RECORD_END);
}

/* Each is a record body with its length in front; the header says one record. */
static const struct {
    const char *what;
    struct {
        uint8_t len;
        uint8_t bytes[24];
    } wire;
    bool good;
} bodies[] = {
    {"smallest", {8, {14, 0, 0, 0, 1, 1, 0, 0}}, false},
    {"null key, null value", {7, {12, 0, 0, 0, 1, 1, 0}}, true},
    {"empty key and value", {7, {12, 0, 0, 0, 0, 0, 0}}, true},
    {"any negative length is null", {7, {12, 0, 0, 0, 3, 5, 0}}, true},
    {"attributes are ignored", {7, {12, 0xff, 0, 0, 1, 1, 0}}, true},
    {"one header", {11, {20, 0, 0, 0, 1, 1, 2, 2, 'a', 2, 'b'}}, true},
    {"header with null value", {10, {18, 0, 0, 0, 1, 1, 2, 2, 'a', 1}}, true},
    {"header with null name", {9, {16, 0, 0, 0, 1, 1, 2, 1, 1}}, false},
    {"header missing", {7, {12, 0, 0, 0, 1, 1, 2}}, false},
    {"negative header count", {7, {12, 0, 0, 0, 1, 1, 1}}, false},
    {"key longer than the record", {7, {12, 0, 0, 0, 8, 1, 0}}, false},
    {"value longer than the record", {7, {12, 0, 0, 0, 1, 8, 0}}, false},
    {"empty", {1, {0}}, false},
    {"negative length", {2, {1, 0}}, false},
    {"length beyond the end", {7, {14, 0, 0, 0, 1, 1, 0}}, false},
    {"length too short", {7, {10, 0, 0, 0, 1, 1, 0}}, false},
    {"only attributes", {2, {2, 0}}, false},
    {"nothing at all", {0, {0}}, false},
    {"timestamp of eleven bytes",
     {18, {34, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 1, 1, 0, 0}},
     false},
    {"offset of six bytes", {13, {24, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 1, 0, 0}}, false},
};

/* The result of a scan over slices of  bytes, and whether it ended cleanly. */
static enum record_status scan_all(struct bytes wire, int32_t count, uint32_t piece,
                                   struct record_meta *metas, int32_t *seen)
{
    struct record_scan scan;
    record_scan_begin(&scan, count);
    *seen = 0;
    for (uint32_t at = 0; at < wire.len; at += piece) {
        struct bytes slice = {wire.ptr + at, min_u32(piece, wire.len - at)};
        while (slice.len > 0) {
            struct record_meta meta;
            const enum record_status status = record_scan_feed(&scan, &slice, &meta);
            if (status == RECORD_BAD) {
                return RECORD_BAD;
            }
            if (status == RECORD_OK) {
                metas[(*seen)++] = meta;
            }
        }
    }
    return scan.left == 0 ? RECORD_END : RECORD_MORE;
}

static void malformed_records_are_refused_whole_and_in_slices(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        const struct bytes wire = {bodies[i].wire.bytes, bodies[i].wire.len};
        struct record_cursor cursor = record_cursor_of(wire, 1);
        struct record record;
        const bool whole = record_next(&cursor, &record) == RECORD_OK && cursor.rest.len == 0;
        if (whole != bodies[i].good) {
            fail_msg("%s", bodies[i].what);
        }
        for (uint32_t piece = 1; piece <= 24; piece++) {
            struct record_meta metas[4];
            int32_t seen;
            const bool sliced = scan_all(wire, 1, piece, metas, &seen) == RECORD_END;
            if (sliced != bodies[i].good) {
                fail_msg("%s in slices of %u", bodies[i].what, piece);
            }
        }
    }
}

static void a_scan_sees_the_same_however_it_is_cut(void **state)
{
    (void)state;
    int32_t count;
    const struct bytes batch = mixed_batch(&count);
    const struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    struct record_meta want[4];
    struct record_meta got[4];
    int32_t seen;
    assert_int_equal(scan_all(records, count, records.len, want, &seen), RECORD_END);
    assert_int_equal(seen, count);
    assert_true(want[0].key_bytes == -1 && want[1].key_bytes == 0 && want[2].key_bytes == 3);
    assert_true(want[3].value_bytes == 300 && want[3].offset_delta == 3);
    for (uint32_t piece = 1; piece < records.len; piece++) {
        assert_int_equal(scan_all(records, count, piece, got, &seen), RECORD_END);
        for (int32_t i = 0; i < count; i++) {
            assert_int_equal(got[i].size_bytes, want[i].size_bytes);
            assert_true(got[i].timestamp_delta_ms == want[i].timestamp_delta_ms);
            assert_int_equal(got[i].offset_delta, want[i].offset_delta);
            assert_int_equal(got[i].key_bytes, want[i].key_bytes);
            assert_int_equal(got[i].value_bytes, want[i].value_bytes);
        }
    }
    assert_int_equal(scan_all(records, count + 1, 7, got, &seen), RECORD_MORE);
    assert_int_equal(scan_all(records, count - 1, 7, got, &seen), RECORD_BAD);
}

static void damage_gives_the_same_verdict_whole_and_in_slices(void **state)
{
    (void)state;
    int32_t count;
    const struct bytes batch = mixed_batch(&count);
    const struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    static uint8_t damaged[1024];
    struct random random;
    random_init(&random, 9);
    for (uint32_t round = 0; round < 20000; round++) {
        memcpy(damaged, records.ptr, records.len);
        damaged[random_below(&random, 40)] = (uint8_t)random_u64(&random);
        struct record_cursor cursor = record_cursor_of((struct bytes){damaged, records.len}, count);
        struct record record;
        enum record_status whole;
        do {
            whole = record_next(&cursor, &record);
        } while (whole == RECORD_OK);
        struct record_meta metas[4];
        int32_t seen;
        const enum record_status sliced =
            scan_all((struct bytes){damaged, records.len}, count,
                     1 + (uint32_t)random_below(&random, 50), metas, &seen);
        assert_int_equal(sliced == RECORD_END, whole == RECORD_END);
    }
}

/* Reads the first record in both ways, where bytes behind the end would be noticed. */
static bool whole_is_as_scanned(struct bytes wire)
{
    uint8_t *copy = malloc(wire.len);
    assert_non_null(copy);
    memcpy(copy, wire.ptr, wire.len);
    struct bytes whole = {copy, wire.len};
    struct record_meta got;
    struct record_meta want;
    struct record_scan scan;
    enum record_status status = RECORD_MORE;
    uint32_t scanned = 0;
    record_scan_begin(&scan, 1);
    while (status == RECORD_MORE &&
           scanned < wire.len) { /* A byte at a time: it knows no other way. */
        struct bytes slice = {copy + scanned++, 1};
        status = record_scan_feed(&scan, &slice, &want);
    }
    const bool good = status == RECORD_OK;
    assert_int_equal(record_next_whole(&whole, &got), good);
    if (good) {
        assert_ptr_equal(whole.ptr, copy + scanned);
        assert_int_equal(whole.len, wire.len - scanned);
        assert_int_equal(got.size_bytes, want.size_bytes);
        assert_true(got.timestamp_delta_ms == want.timestamp_delta_ms);
        assert_int_equal(got.offset_delta, want.offset_delta);
        assert_int_equal(got.key_bytes < 0 ? -1 : got.key_bytes, want.key_bytes);
        assert_int_equal(got.value_bytes < 0 ? -1 : got.value_bytes, want.value_bytes);
    }
    free(copy);
    return good;
}

static void a_whole_record_is_read_as_a_scan_reads_it(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 11);
    uint32_t good = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        const struct bytes wire = {bodies[i].wire.bytes, bodies[i].wire.len};
        assert_int_equal(whole_is_as_scanned(wire), bodies[i].good);
    }
    for (uint32_t round = 0; round < 40000; round++) {
        static const uint32_t lengths[] = {0, 1, 31, 32, 55, 56, 57, 63, 64, 100, 300};
        const struct record_header header = {bytes_of_string("name"), bytes_of_string("x")};
        const struct batch_options options = batch_options_none();
        struct batch_builder builder;
        const uint32_t key_len = lengths[random_below(&random, ARRAY_SIZE(lengths))];
        const uint32_t value_len = lengths[random_below(&random, ARRAY_SIZE(lengths))];
        const bool no_key = random_below(&random, 3) == 0;
        batch_builder_init(&builder, buffer, sizeof(buffer), &options);
        for (uint32_t i = 0; i < 1 + round % 2; i++) {
            assert_true(batch_builder_add(
                &builder, 1000 + (int64_t)random_below(&random, 80),
                (struct bytes){no_key ? NULL : filler, no_key ? 0 : key_len},
                (struct bytes){filler, value_len}, &header, random_below(&random, 4) == 0));
        }
        const struct bytes batch = batch_builder_finish(&builder);
        struct bytes records = {buffer + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
        if (round % 4 != 0) { /* Damaged in its numbers, or cut. */
            buffer[BATCH_HEADER_BYTES + random_below(&random, min_u32(8, records.len))] =
                (uint8_t)random_u64(&random);
            records.len -= (uint32_t)random_below(&random, 3);
        }
        good += whole_is_as_scanned(records);
    }
    assert_in_range(good, 10000, 30000);
}

static void control_records_have_kafkas_bytes(void **state)
{
    (void)state;
    uint8_t key[RECORD_CONTROL_KEY_BYTES];
    uint8_t marker[RECORD_TXN_MARKER_BYTES];
    int16_t type;
    int32_t epoch;
    record_control_key_write(key, RECORD_CONTROL_COMMIT);
    assert_memory_equal(key, "\0\0\0\1", 4);
    assert_true(record_control_key_parse((struct bytes){key, 4}, &type));
    assert_int_equal(type, RECORD_CONTROL_COMMIT);
    record_txn_marker_write(marker, 258);
    assert_memory_equal(marker, "\0\0\0\0\1\2", 6);
    assert_true(record_txn_marker_parse((struct bytes){marker, 6}, &epoch));
    assert_int_equal(epoch, 258);
    assert_false(record_control_key_parse((struct bytes){key, 3}, &type));
    assert_false(record_txn_marker_parse((struct bytes){marker, 5}, &epoch));
    key[0] = 0xff;
    marker[0] = 0x80;
    assert_false(record_control_key_parse((struct bytes){key, 4}, &type));
    assert_false(record_txn_marker_parse((struct bytes){marker, 6}, &epoch));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_are_kafkas),
        cmocka_unit_test(a_varint_that_goes_on_too_long_is_refused),
        cmocka_unit_test(records_come_back_as_they_were_added),
        cmocka_unit_test(malformed_records_are_refused_whole_and_in_slices),
        cmocka_unit_test(a_scan_sees_the_same_however_it_is_cut),
        cmocka_unit_test(damage_gives_the_same_verdict_whole_and_in_slices),
        cmocka_unit_test(a_whole_record_is_read_as_a_scan_reads_it),
        cmocka_unit_test(control_records_have_kafkas_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
