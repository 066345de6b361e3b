#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/log/producers.h"

enum { ENTRIES = 8, UNDOS = 8, PRODUCER = 77 };

static void *memory;
static struct producer_pool pool;
static struct producer_state producers;
static struct aborted_txn aborted; /* By what was replayed last. */

static void producers_make(void)
{
    assert_int_equal(posix_memalign(&memory, 64, producer_pool_memory_bytes(ENTRIES, UNDOS)), 0);
    producer_pool_init(&pool, memory, ENTRIES, UNDOS);
    producer_state_init(&producers, &pool, 0);
}

static void producers_drop(void)
{
    producer_state_clear(&producers, 0);
    assert_true(producer_pool_invariants(&pool));
    free(memory);
}

static struct batch_options options_of(int64_t offset, int16_t epoch, uint16_t attributes)
{
    struct batch_options options = batch_options_none();
    options.base_offset = offset;
    options.attributes = attributes;
    options.producer_id = PRODUCER;
    options.producer_epoch = epoch;
    return options;
}

/* One record of that key and value, as a batch in buffer. */
static struct bytes batch_of(uint8_t buffer[256], const struct batch_options *options,
                             struct bytes key, struct bytes value)
{
    struct batch_builder builder;
    batch_builder_init(&builder, buffer, 256, options);
    assert_true(batch_builder_add(&builder, 1000, key, value, NULL, 0));
    return batch_builder_finish(&builder);
}

static struct bytes marker_batch(uint8_t buffer[256], int64_t offset, int16_t epoch,
                                 enum record_control_type type, int32_t coordinator_epoch)
{
    uint8_t key[RECORD_CONTROL_KEY_BYTES];
    uint8_t value[RECORD_TXN_MARKER_BYTES];
    record_control_key_write(key, type);
    record_txn_marker_write(value, coordinator_epoch);
    const struct batch_options options =
        options_of(offset, epoch, BATCH_CONTROL | BATCH_TRANSACTIONAL);
    return batch_of(buffer, &options, (struct bytes){key, sizeof(key)},
                    (struct bytes){value, sizeof(value)});
}

static void replay(struct bytes batch)
{
    struct batch_header header;
    assert_int_equal(batch_parse(chain_of(&batch), &header), BATCH_OK);
    assert_int_equal(producers_replay(&producers, chain_of(&batch), &header, false, &aborted),
                     PRODUCER_OK);
}

static void a_marker_says_how_its_transaction_ended(void **state)
{
    (void)state;
    static const struct {
        enum record_control_type type;
        bool marker;
        bool commit;
    } cases[] = {
        {RECORD_CONTROL_ABORT, true, false},
        {RECORD_CONTROL_COMMIT, true, true},
        {RECORD_CONTROL_LEADER_CHANGE, false, false},
        {RECORD_CONTROL_KRAFT_VERSION, false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t buffer[256];
        const struct bytes batch = marker_batch(buffer, 5, 3, cases[i].type, 9);
        struct marker marker = {.coordinator_epoch = -1};
        assert_int_equal(producers_marker(chain_of(&batch), &marker), cases[i].marker);
        if (cases[i].marker) {
            assert_int_equal(marker.commit, cases[i].commit);
            assert_int_equal(marker.coordinator_epoch, 9);
        }
    }
}

static void what_is_cut_or_garbled_is_no_marker(void **state)
{
    (void)state;
    uint8_t buffer[256];
    struct marker marker;
    const struct bytes whole = marker_batch(buffer, 5, 3, RECORD_CONTROL_COMMIT, 9);
    for (uint32_t len = 0; len < whole.len; len++) {
        const struct bytes cut = {whole.ptr, len};
        const bool found = producers_marker(chain_of(&cut), &marker);
        assert_true(!found || len >= whole.len - 1); /* The last byte counts the headers. */
    }
    for (uint32_t at = BATCH_HEADER_BYTES; at < whole.len; at++) { /* Whatever it says: no fault. */
        for (uint32_t bit = 0; bit < 8; bit++) {
            buffer[at] ^= (uint8_t)(1u << bit);
            const bool found = producers_marker(chain_of(&whole), &marker);
            (void)found;
            buffer[at] ^= (uint8_t)(1u << bit);
        }
    }
    assert_true(producers_marker(chain_of(&whole), &marker));
}

static void a_transaction_is_open_from_its_first_batch_to_its_marker(void **state)
{
    (void)state;
    static const enum record_control_type ends[] = {RECORD_CONTROL_ABORT, RECORD_CONTROL_COMMIT};
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        producers_make();
        uint8_t buffer[256];
        struct batch_options options = options_of(5, 3, BATCH_TRANSACTIONAL);
        options.base_sequence = 0;
        const struct bytes text = {(const uint8_t *)"x", 1};
        replay(batch_of(buffer, &options, text, text));
        assert_int_equal(producer_state_first_open_txn(&producers), 5);
        options.base_offset = 6;
        options.base_sequence = 1;
        replay(batch_of(buffer, &options, text, text));
        assert_int_equal(producer_state_first_open_txn(&producers), 5);
        replay(marker_batch(buffer, 7, 3, ends[i], 9));
        assert_int_equal(producer_state_first_open_txn(&producers), -1);
        struct producer_values values;
        assert_true(producer_state_find(&producers, PRODUCER, &values));
        assert_int_equal(values.coordinator_epoch, 9);
        assert_int_equal(values.batch_count, 2);
        assert_int_equal(producers.end_offset, 8);
        producers_drop();
    }
}

static void other_control_batches_move_the_end_and_nobodys_sequence(void **state)
{
    (void)state;
    producers_make();
    uint8_t buffer[256];
    replay(marker_batch(buffer, 4, 3, RECORD_CONTROL_LEADER_CHANGE, 1));
    struct producer_values values;
    assert_false(producer_state_find(&producers, PRODUCER, &values));
    assert_int_equal(producers.end_offset, 5);
    assert_int_equal(producers.count, 0);
    producers_drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_marker_says_how_its_transaction_ended),
        cmocka_unit_test(what_is_cut_or_garbled_is_no_marker),
        cmocka_unit_test(a_transaction_is_open_from_its_first_batch_to_its_marker),
        cmocka_unit_test(other_control_batches_move_the_end_and_nobodys_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
