#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/base/random.h"
#include "storage/log/sidecar.h"

#include <xxhash.h>

static struct sidecar sample(void)
{
    return (struct sidecar){
        .sealed = true,
        .log_start = 5,
        .recovery_offset = 0x1122334455667788,
        .segment_base = 7,
        .position = 0x01020304,
        .snapshot_offset = 9,
        .max_timestamp_ms = 10,
        .max_timestamp_offset = 11,
        .first_timestamp_ms = 12,
        .index_entries = 13,
        .time_entries = 14,
        .index_bytes_since = 15,
        .leader_epoch = 16,
        .bytes_before = 17,
        .txn_entries = 18,
    };
}

static bool read_back(const uint8_t *file, uint32_t len)
{
    struct sidecar sidecar;
    return sidecar_read((struct bytes){file, len}, &sidecar);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    for (uint32_t round = 0; round < 1000; round++) {
        const int64_t base = (int64_t)random_below(&random, 1u << 30);
        const int64_t recovery = base + (int64_t)random_below(&random, INT64_MAX / 2);
        const struct sidecar written = {
            .sealed = random_one_in(&random, 2),
            .log_start = (int64_t)random_below(&random, INT64_MAX),
            .recovery_offset = recovery,
            .segment_base = base,
            .position = (uint32_t)random_below(&random, INT32_MAX),
            .snapshot_offset = (int64_t)random_below(&random, (uint64_t)recovery + 2) - 1,
            .max_timestamp_ms = (int64_t)random_u64(&random),
            .max_timestamp_offset = (int64_t)random_u64(&random),
            .first_timestamp_ms = (int64_t)random_u64(&random),
            .index_entries = (uint32_t)random_u64(&random),
            .time_entries = (uint32_t)random_u64(&random),
            .index_bytes_since = (uint32_t)random_u64(&random),
            .leader_epoch = (int64_t)random_u64(&random),
            .bytes_before = random_u64(&random),
            .txn_entries = (uint32_t)random_u64(&random),
        };
        uint8_t file[SIDECAR_BYTES];
        struct sidecar read;
        memset(&read, 0xaa, sizeof(read));
        sidecar_write(&written, file);
        assert_true(sidecar_read((struct bytes){file, sizeof(file)}, &read));
        assert_int_equal(read.sealed, written.sealed);
        assert_int_equal(read.log_start, written.log_start);
        assert_int_equal(read.recovery_offset, written.recovery_offset);
        assert_int_equal(read.segment_base, written.segment_base);
        assert_int_equal(read.position, written.position);
        assert_int_equal(read.snapshot_offset, written.snapshot_offset);
        assert_int_equal(read.max_timestamp_ms, written.max_timestamp_ms);
        assert_int_equal(read.max_timestamp_offset, written.max_timestamp_offset);
        assert_int_equal(read.first_timestamp_ms, written.first_timestamp_ms);
        assert_int_equal(read.index_entries, written.index_entries);
        assert_int_equal(read.time_entries, written.time_entries);
        assert_int_equal(read.index_bytes_since, written.index_bytes_since);
        assert_int_equal(read.leader_epoch, written.leader_epoch);
        assert_int_equal(read.txn_entries, written.txn_entries);
        assert_true(read.bytes_before == written.bytes_before);
    }
}

/* The table in the header; files of older builds must stay readable. */
static void every_field_has_its_place(void **state)
{
    (void)state;
    uint8_t file[SIDECAR_BYTES];
    const struct sidecar written = sample();
    static const struct {
        uint32_t at;
        uint32_t bytes;
        uint64_t value;
    } places[] = {{0, 4, 0x4d524350},
                  {4, 2, 2},
                  {6, 2, 1},
                  {8, 8, 5},
                  {16, 8, 0x1122334455667788},
                  {24, 8, 7},
                  {32, 4, 0x01020304},
                  {36, 8, 9},
                  {44, 8, 10},
                  {52, 8, 11},
                  {60, 8, 12},
                  {68, 4, 13},
                  {72, 4, 14},
                  {76, 4, 15},
                  {80, 8, 16},
                  {88, 8, 17},
                  {96, 4, 18}};
    sidecar_write(&written, file);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        uint64_t value = 0;
        for (uint32_t byte = 0; byte < places[i].bytes; byte++) {
            value = value << 8 | file[places[i].at + byte];
        }
        assert_true(value == places[i].value);
    }
    assert_true(load_be64(file + 100) == XXH3_64bits(file, 100));
}

static void the_form_without_transactions_is_still_read(void **state)
{
    (void)state;
    uint8_t file[SIDECAR_BYTES];
    const struct sidecar written = sample();
    struct sidecar read;
    sidecar_write(&written, file);
    store_be16(file + 4, 1);
    store_be64(file + 96, XXH3_64bits(file, 96));
    assert_true(sidecar_read((struct bytes){file, 104}, &read));
    assert_int_equal(read.bytes_before, written.bytes_before);
    assert_int_equal(read.txn_entries, 0);
}

static void any_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t file[SIDECAR_BYTES];
    const struct sidecar written = sample();
    sidecar_write(&written, file);
    for (uint32_t bit = 0; bit < SIDECAR_BYTES * 8; bit++) {
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(read_back(file, sizeof(file)));
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(read_back(file, sizeof(file)));
}

static void a_file_of_another_length_is_none(void **state)
{
    (void)state;
    uint8_t file[SIDECAR_BYTES + 1] = {0};
    const struct sidecar written = sample();
    sidecar_write(&written, file);
    for (uint32_t len = 0; len <= sizeof(file); len++) {
        assert_int_equal(read_back(file, len), len == SIDECAR_BYTES);
    }
}

static void what_cannot_be_is_refused_though_its_hash_is_right(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct sidecar sidecar;
        bool fine;
    } cases[] = {
        {"nothing yet", {.snapshot_offset = -1}, true},
        {"a start before the first offset", {.log_start = -1}, false},
        {"a segment before the first offset", {.segment_base = -1}, false},
        {"a mark before its segment", {.segment_base = 8, .recovery_offset = 7}, false},
        {"a mark at the head of its segment", {.segment_base = 8, .recovery_offset = 8}, true},
        {"no such snapshot", {.snapshot_offset = -2}, false},
        {"a snapshot behind the mark", {.recovery_offset = 3, .snapshot_offset = 4}, false},
        {"a snapshot at the mark", {.recovery_offset = 3, .snapshot_offset = 3}, true},
        {"a position no segment has", {.position = (uint32_t)INT32_MAX + 1}, false},
        {"the last position", {.position = INT32_MAX}, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t file[SIDECAR_BYTES];
        sidecar_write(&cases[i].sidecar, file);
        if (read_back(file, sizeof(file)) != cases[i].fine) {
            fail_msg("%s", cases[i].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(every_field_has_its_place),
        cmocka_unit_test(the_form_without_transactions_is_still_read),
        cmocka_unit_test(any_flipped_bit_is_noticed),
        cmocka_unit_test(a_file_of_another_length_is_none),
        cmocka_unit_test(what_cannot_be_is_refused_though_its_hash_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
