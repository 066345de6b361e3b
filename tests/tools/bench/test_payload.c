#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/record/batch.h"
#include "storage/record/record.h"
#include "tools/bench/payload.h"

enum { BATCH_BYTES = 4000, RECORD_BYTES = 300, NOW_MS = 1700000000 };

static struct payload pool_of(uint64_t batch_bytes, uint64_t record_bytes, uint64_t seed)
{
    struct payload payload;
    assert_true(payload_create(&payload, batch_bytes, record_bytes, seed, NOW_MS));
    return payload;
}

static void every_batch_is_whole_and_full_of_records(void **state)
{
    (void)state;
    struct payload payload = pool_of(BATCH_BYTES, RECORD_BYTES, 1);
    for (uint32_t i = 0; i < PAYLOAD_BATCHES; i++) {
        struct batch_header header;
        assert_int_equal(batch_parse(chain_of(&payload.batches[i]), &header), BATCH_OK);
        assert_int_equal(header.size_bytes, payload.batches[i].len);
        assert_in_range(header.size_bytes, BATCH_BYTES - RECORD_BYTES - 20, BATCH_BYTES);
        assert_int_equal(payload.records_per_batch, (BATCH_BYTES - 61) / (RECORD_BYTES + 8));
        assert_int_equal(payload.value_bytes_per_batch, payload.records_per_batch * RECORD_BYTES);
    }
    payload_destroy(&payload);
}

static void without_a_batch_size_there_is_one_record_a_batch(void **state)
{
    (void)state;
    struct payload payload = pool_of(0, 100, 1);
    assert_int_equal(payload.records_per_batch, 1);
    assert_int_equal(payload.value_bytes_per_batch, 100);
    payload_destroy(&payload);
}

static void a_record_that_fits_in_no_batch_is_refused(void **state)
{
    (void)state;
    struct payload payload;
    assert_false(payload_create(&payload, 200, 300, 1, NOW_MS));
}

static void the_seed_decides_the_bytes(void **state)
{
    (void)state;
    struct payload one = pool_of(BATCH_BYTES, RECORD_BYTES, 7);
    struct payload same = pool_of(BATCH_BYTES, RECORD_BYTES, 7);
    struct payload other = pool_of(BATCH_BYTES, RECORD_BYTES, 8);
    for (uint32_t i = 0; i < PAYLOAD_BATCHES; i++) {
        assert_true(payload_same(&one, same.batches[i]));
        assert_false(payload_same(&one, other.batches[i]));
    }
    payload_destroy(&one);
    payload_destroy(&same);
    payload_destroy(&other);
}

/* What a broker stamps may differ, every other byte may not. */
static void one_changed_byte_is_seen_unless_a_broker_stamps_it(void **state)
{
    (void)state;
    struct payload payload = pool_of(BATCH_BYTES, RECORD_BYTES, 3);
    uint8_t copy[BATCH_BYTES];
    const struct bytes whole = payload.batches[5];
    memcpy(copy, whole.ptr, whole.len);
    for (uint32_t at = 0; at < whole.len; at++) {
        const bool stamped = at < 8 || (at >= 12 && at < 16); /* Base offset, leader epoch. */
        copy[at] ^= 0x10;
        assert_int_equal(payload_same(&payload, (struct bytes){copy, whole.len}), stamped);
        copy[at] ^= 0x10;
    }
    assert_true(payload_same(&payload, (struct bytes){copy, whole.len}));
    assert_false(payload_same(&payload, (struct bytes){copy, whole.len - 1}));
    assert_false(payload_same(&payload, (struct bytes){copy, 10}));
    payload_destroy(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_batch_is_whole_and_full_of_records),
        cmocka_unit_test(without_a_batch_size_there_is_one_record_a_batch),
        cmocka_unit_test(a_record_that_fits_in_no_batch_is_refused),
        cmocka_unit_test(the_seed_decides_the_bytes),
        cmocka_unit_test(one_changed_byte_is_seen_unless_a_broker_stamps_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
