#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/log/clean_txns.h"
#include "storage/record/record.h"

static struct batch_header batch_at(int64_t offset, int64_t producer_id, uint16_t attributes)
{
    return (struct batch_header){.base_offset = offset,
                                 .producer_id = producer_id,
                                 .attributes = (uint16_t)(attributes | BATCH_TRANSACTIONAL)};
}

static bool data(struct clean_txns *txns, int64_t offset, int64_t producer_id)
{
    const struct batch_header header = batch_at(offset, producer_id, 0);
    return clean_txns_batch(txns, &header);
}

static bool marker(struct clean_txns *txns, int64_t offset, int64_t producer_id, int type)
{
    const struct batch_header header = batch_at(offset, producer_id, BATCH_CONTROL);
    return clean_txns_marker(txns, &header, type);
}

static void records_of_an_aborted_transaction_go_and_its_marker_when_none_is_left(void **state)
{
    (void)state;
    struct clean_txns txns = {0};
    assert_true(clean_aborted_add(&txns.known, &(struct aborted_txn){7, 10, 13, 10}));
    clean_txns_begin(&txns, 0);
    assert_false(data(&txns, 9, 7)); /* The one before, of the same producer. */
    assert_false(marker(&txns, 9, 7, RECORD_CONTROL_COMMIT));
    assert_true(data(&txns, 10, 7));
    assert_false(data(&txns, 11, 8));
    assert_false(marker(&txns, 13, 7, RECORD_CONTROL_ABORT)); /* A batch of it was there. */
    assert_int_equal(txns.kept.count, 1);
    assert_false(data(&txns, 14, 7)); /* The next one. */
    assert_false(marker(&txns, 15, 8, RECORD_CONTROL_COMMIT));
    assert_true(marker(&txns, 16, 8, RECORD_CONTROL_COMMIT)); /* Without records. */
    assert_true(marker(&txns, 17, 9, RECORD_CONTROL_ABORT));
    assert_true(marker(&txns, 18, 7, -1));
    assert_false(marker(&txns, 19, 7, RECORD_CONTROL_LEADER_CHANGE));
    assert_false(txns.no_memory);
    clean_txns_begin(&txns, 11); /* Once more, its records gone. */
    assert_false(data(&txns, 11, 8));
    assert_true(marker(&txns, 13, 7, RECORD_CONTROL_ABORT));
    assert_int_equal(txns.kept.count, 0);
    clean_txns_begin(&txns, 14); /* It ended before. */
    assert_false(data(&txns, 14, 7));
    clean_txns_free(&txns);
}

static void many_at_once_are_told_apart(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct clean_txns txns = {0};
    for (int64_t i = COUNT - 1; i >= 0; i -= 2) {
        assert_true(clean_aborted_add(&txns.known, &(struct aborted_txn){i, i, 2 * COUNT + i, 0}));
    }
    clean_txns_begin(&txns, 0);
    for (int64_t i = 0; i < COUNT; i++) {
        assert_int_equal(data(&txns, i, i), i % 2 == 1);
    }
    for (int64_t i = 0; i < COUNT; i++) {
        assert_false(marker(&txns, 2 * COUNT + i, i,
                            i % 2 == 1 ? RECORD_CONTROL_ABORT : RECORD_CONTROL_COMMIT));
    }
    assert_int_equal(txns.kept.count, COUNT / 2);
    assert_int_equal(txns.open_count, 0);
    clean_txns_free(&txns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_an_aborted_transaction_go_and_its_marker_when_none_is_left),
        cmocka_unit_test(many_at_once_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
