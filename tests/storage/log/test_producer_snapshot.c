#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/log/producer_snapshot.h"

static const struct producer_snapshot_entry entries[] = {
    {1, 2, 3, 4, 5, 6, 7, 8},
    {INT64_MAX, INT16_MAX, INT32_MAX, INT64_MAX, INT32_MAX, INT64_MAX, INT32_MAX, INT64_MAX},
    {77, 0, -1, -1, 0, -1, -1, -1},
};

static uint8_t file[256];

static uint32_t build(void)
{
    for (uint32_t i = 0; i < ARRAY_SIZE(entries); i++) {
        producer_snapshot_write(file, i, &entries[i]);
    }
    producer_snapshot_seal(file, ARRAY_SIZE(entries));
    return (uint32_t)producer_snapshot_bytes(ARRAY_SIZE(entries));
}

static void a_snapshot_reads_back(void **state)
{
    (void)state;
    const struct bytes bytes = {file, build()};
    uint32_t count = 0;
    assert_int_equal(producer_snapshot_check(bytes, &count), PRODUCER_SNAPSHOT_OK);
    assert_int_equal(count, ARRAY_SIZE(entries));
    for (uint32_t i = 0; i < count; i++) {
        const struct producer_snapshot_entry got = producer_snapshot_read(bytes, i);
        assert_true(got.producer_id == entries[i].producer_id && got.epoch == entries[i].epoch);
        assert_true(got.last_sequence == entries[i].last_sequence);
        assert_true(got.last_offset == entries[i].last_offset);
        assert_true(got.offset_delta == entries[i].offset_delta);
        assert_true(got.timestamp_ms == entries[i].timestamp_ms);
        assert_true(got.coordinator_epoch == entries[i].coordinator_epoch);
        assert_true(got.txn_first_offset == entries[i].txn_first_offset);
    }
}

/* Checksum by an independent implementation. */
static void the_bytes_are_those_of_kafkas_schema(void **state)
{
    (void)state;
    static const uint8_t want[] = {0, 1, 0x8b, 0x65, 0xc0, 0x22, 0, 0, 0, 1, 0, 0, 0, 0,
                                   0, 0, 0,    1,    0,    2,    0, 0, 0, 3, 0, 0, 0, 0,
                                   0, 0, 0,    4,    0,    0,    0, 5, 0, 0, 0, 0, 0, 0,
                                   0, 6, 0,    0,    0,    7,    0, 0, 0, 0, 0, 0, 0, 8};
    producer_snapshot_write(file, 0, &entries[0]);
    producer_snapshot_seal(file, 1);
    assert_int_equal(sizeof(want), producer_snapshot_bytes(1));
    assert_memory_equal(file, want, sizeof(want));
    producer_snapshot_seal(file, 0);
    assert_memory_equal(file, "\0\1\x48\x67\x4b\xc7\0\0\0\0", 10);
}

static void damage_is_told(void **state)
{
    (void)state;
    const uint32_t len = build();
    uint32_t count;
    for (uint32_t cut = 0; cut < len; cut++) {
        assert_int_equal(producer_snapshot_check((struct bytes){file, cut}, &count),
                         PRODUCER_SNAPSHOT_CUT);
    }
    assert_int_equal(producer_snapshot_check((struct bytes){file, len + 1}, &count),
                     PRODUCER_SNAPSHOT_CUT);
    for (uint32_t bit = 0; bit < len * 8; bit++) {
        build();
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const enum producer_snapshot_status want = bit < 16   ? PRODUCER_SNAPSHOT_FOREIGN
                                                   : bit < 48 ? PRODUCER_SNAPSHOT_BAD_CRC
                                                   : bit < 80 ? PRODUCER_SNAPSHOT_CUT
                                                              : PRODUCER_SNAPSHOT_BAD_CRC;
        assert_int_equal(producer_snapshot_check((struct bytes){file, len}, &count), want);
    }
    assert_string_equal(producer_snapshot_status_name(PRODUCER_SNAPSHOT_CUT), "wrong size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_reads_back),
        cmocka_unit_test(the_bytes_are_those_of_kafkas_schema),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
