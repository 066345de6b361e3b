#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/base/random.h"
#include "storage/log/producer_state.h"

enum { ENTRIES = 8, UNDOS = 16 };

static struct producer_pool pool;
static struct producer_state partition;
static void *memory;

static int begin(void **state)
{
    (void)state;
    memory = aligned_alloc(64, round_up(producer_pool_memory_bytes(ENTRIES, UNDOS), 64));
    producer_pool_init(&pool, memory, ENTRIES, UNDOS);
    producer_state_init(&partition, &pool, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_true(producer_pool_invariants(&pool));
    producer_state_clear(&partition, 0);
    assert_true(producer_pool_invariants(&pool));
    assert_int_equal(pool.entry_used, 0);
    assert_int_equal(pool.undo_used, 0);
    free(memory);
    return 0;
}

static struct batch_header batch(int64_t producer_id, int16_t epoch, int32_t sequence,
                                 int32_t count)
{
    return (struct batch_header){.base_offset = partition.end_offset,
                                 .max_timestamp_ms = 1000 + partition.end_offset,
                                 .last_offset_delta = count - 1,
                                 .record_count = count,
                                 .producer_id = producer_id,
                                 .producer_epoch = epoch,
                                 .base_sequence = sequence};
}

/* Judges the batch and appends it when it is good. */
static enum producer_status offer(int64_t producer_id, int16_t epoch, int32_t sequence,
                                  int32_t count)
{
    const struct batch_header header = batch(producer_id, epoch, sequence, count);
    struct producer_duplicate duplicate;
    const enum producer_status status = producer_state_check(&partition, &header, &duplicate);
    if (status == PRODUCER_OK) {
        assert_int_equal(producer_state_append(&partition, &header, true), PRODUCER_OK);
    }
    return status;
}

/* One story per row of steps, judged as ProducerAppendInfo and ProducerStateEntry judge. */
static const struct {
    const char *what;
    struct {
        int16_t epoch;
        int32_t sequence;
        int32_t count;
        enum producer_status want;
    } steps[9];
} stories[] = {
    {"in order", {{0, 0, 5, PRODUCER_OK}, {0, 5, 1, PRODUCER_OK}, {0, 6, 10, PRODUCER_OK}}},
    {"any sequence when unknown", {{3, 77, 5, PRODUCER_OK}, {3, 82, 1, PRODUCER_OK}}},
    {"a gap", {{0, 0, 5, PRODUCER_OK}, {0, 6, 1, PRODUCER_OUT_OF_ORDER}}},
    {"a step back that is no repeat", {{0, 0, 5, PRODUCER_OK}, {0, 3, 2, PRODUCER_OUT_OF_ORDER}}},
    {"a repeat", {{0, 0, 5, PRODUCER_OK}, {0, 0, 5, PRODUCER_DUPLICATE}}},
    {"a repeat of another size",
     {{0, 0, 5, PRODUCER_OK}, {0, 5, 5, PRODUCER_OK}, {0, 0, 4, PRODUCER_OUT_OF_ORDER}}},
    {"the fifth last is remembered",
     {{0, 0, 1, PRODUCER_OK},
      {0, 1, 1, PRODUCER_OK},
      {0, 2, 1, PRODUCER_OK},
      {0, 3, 1, PRODUCER_OK},
      {0, 4, 1, PRODUCER_OK},
      {0, 0, 1, PRODUCER_DUPLICATE},
      {0, 5, 1, PRODUCER_OK},
      {0, 0, 1, PRODUCER_OUT_OF_ORDER},
      {0, 1, 1, PRODUCER_DUPLICATE}}},
    {"sequences wrap",
     {{0, INT32_MAX - 1, 2, PRODUCER_OK},
      {0, 0, 3, PRODUCER_OK},
      {0, INT32_MAX - 1, 2, PRODUCER_DUPLICATE},
      {0, 3, 1, PRODUCER_OK}}},
    {"a batch over the wrap",
     {{0, INT32_MAX - 1, 5, PRODUCER_OK},
      {0, 3, 1, PRODUCER_OK},
      {0, INT32_MAX - 1, 5, PRODUCER_DUPLICATE}}},
    {"a new epoch starts at 0",
     {{0, 0, 5, PRODUCER_OK},
      {1, 5, 1, PRODUCER_OUT_OF_ORDER},
      {1, 0, 1, PRODUCER_OK},
      {1, 1, 1, PRODUCER_OK}}},
    {"an old epoch is stale",
     {{4, 0, 5, PRODUCER_OK}, {3, 5, 1, PRODUCER_STALE_EPOCH}, {3, 0, 5, PRODUCER_STALE_EPOCH}}},
    {"a repeat of the old epoch is no repeat",
     {{0, 0, 5, PRODUCER_OK}, {1, 0, 5, PRODUCER_OK}, {0, 0, 5, PRODUCER_STALE_EPOCH}}},
};

static void batches_are_judged_as_kafka_judges_them(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ARRAY_SIZE(stories); i++) {
        producer_state_clear(&partition, 100);
        for (uint32_t j = 0; j < 9 && stories[i].steps[j].count > 0; j++) {
            const enum producer_status got =
                offer(7, stories[i].steps[j].epoch, stories[i].steps[j].sequence,
                      stories[i].steps[j].count);
            if (got != stories[i].steps[j].want) {
                fail_msg("%s, step %u: %u", stories[i].what, j, got);
            }
            producer_state_settle(&partition, partition.end_offset);
        }
    }
}

static void a_duplicate_comes_with_the_offsets_of_the_original(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(offer(7, 0, 10 * i, 10), PRODUCER_OK);
    }
    for (int32_t i = 0; i < 5; i++) {
        const struct batch_header header = batch(7, 0, 10 * i, 10);
        struct producer_duplicate duplicate;
        assert_int_equal(producer_state_check(&partition, &header, &duplicate), PRODUCER_DUPLICATE);
        assert_int_equal(duplicate.base_offset, 10 * i);
        assert_int_equal(duplicate.last_offset, 10 * i + 9);
        assert_int_equal(duplicate.timestamp_ms, 1000 + 10 * i);
    }
}

static void producers_and_partitions_do_not_mix(void **state)
{
    (void)state;
    struct producer_state second;
    producer_state_init(&second, &pool, 0);
    assert_int_equal(offer(1, 0, 0, 1), PRODUCER_OK);
    assert_int_equal(offer(2, 0, 50, 1), PRODUCER_OK);
    struct producer_values values;
    assert_false(producer_state_find(&second, 1, &values));
    const struct batch_header header = batch(1, 9, 99, 1);
    struct producer_duplicate duplicate;
    assert_int_equal(producer_state_check(&second, &header, &duplicate), PRODUCER_OK);
    assert_int_equal(producer_state_append(&second, &header, false), PRODUCER_OK);
    assert_true(producer_state_find(&partition, 1, &values));
    assert_int_equal(values.epoch, 0);
    uint32_t cursor = 0;
    assert_true(producer_state_next(&partition, &cursor, &values) && values.producer_id == 1);
    assert_true(producer_state_next(&partition, &cursor, &values) && values.producer_id == 2);
    assert_false(producer_state_next(&partition, &cursor, &values));
    assert_true(producer_pool_invariants(&pool));
    producer_state_clear(&second, 0);
    assert_int_equal(partition.count, 2);
}

static void batches_without_producer_only_move_the_end(void **state)
{
    (void)state;
    const struct batch_header header = batch(BATCH_NO_PRODUCER_ID, -1, -1, 10);
    assert_int_equal(producer_state_append(&partition, &header, true), PRODUCER_OK);
    assert_int_equal(partition.end_offset, 10);
    assert_int_equal(partition.count, 0);
    assert_int_equal(producer_state_truncate(&partition, 4), PRODUCER_OK);
    assert_int_equal(partition.end_offset, 4);
}

static void a_coordinators_batch_has_no_sequence(void **state)
{
    (void)state;
    assert_int_equal(offer(7, 2, -1, 3), PRODUCER_OK);
    assert_int_equal(offer(7, 2, -1, 3), PRODUCER_OK);
    assert_int_equal(offer(7, 1, -1, 3), PRODUCER_STALE_EPOCH);
}

static void open_transactions_are_followed(void **state)
{
    (void)state;
    struct batch_header header = batch(7, 0, 0, 4);
    header.attributes = BATCH_TRANSACTIONAL;
    struct producer_duplicate duplicate;
    assert_int_equal(producer_state_first_open_txn(&partition), -1);
    assert_int_equal(offer(8, 0, 0, 2), PRODUCER_OK);
    header.base_offset = partition.end_offset;
    assert_int_equal(producer_state_append(&partition, &header, true), PRODUCER_OK);
    assert_int_equal(producer_state_first_open_txn(&partition), 2);
    header = batch(9, 0, 0, 1);
    header.attributes = BATCH_TRANSACTIONAL;
    assert_int_equal(producer_state_append(&partition, &header, true), PRODUCER_OK);
    assert_int_equal(producer_state_first_open_txn(&partition), 2);
    header = batch(7, 0, 4, 1);
    assert_int_equal(producer_state_check(&partition, &header, &duplicate), PRODUCER_TXN_STATE);
    header.base_sequence = -1;
    header.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    assert_int_equal(producer_state_end_txn(&partition, &header, 5, 77, true), PRODUCER_OK);
    assert_int_equal(producer_state_first_open_txn(&partition), 6);
    struct producer_values values;
    assert_true(producer_state_find(&partition, 7, &values));
    assert_true(values.coordinator_epoch == 5 && values.last_timestamp_ms == 77);
    assert_int_equal(values.batch_count, 1); /* Kept: same epoch. */
    assert_int_equal(producer_state_truncate(&partition, 7), PRODUCER_OK);
    assert_int_equal(producer_state_first_open_txn(&partition), 2);
    assert_int_equal(producer_state_truncate(&partition, 2), PRODUCER_OK);
    assert_int_equal(producer_state_first_open_txn(&partition), -1);
    assert_int_equal(partition.count, 1);
}

/* What the partition says of a transactional batch; appended when it is good. */
static enum producer_status offer_in_txn(int16_t epoch, int32_t sequence, bool verified)
{
    struct batch_header header = batch(7, epoch, sequence, 2);
    header.attributes = BATCH_TRANSACTIONAL;
    struct producer_duplicate duplicate;
    const struct producer_verification verification = {.verified = verified};
    assert_int_equal(producer_state_check(&partition, &header, &duplicate), PRODUCER_OK);
    const enum producer_status status =
        producer_state_verify(&partition, &header, &verification, 50);
    if (status == PRODUCER_OK) {
        assert_int_equal(producer_state_append(&partition, &header, true), PRODUCER_OK);
    }
    return status;
}

/* The first was refused for now, as nobody could vouch for it: what was sent behind it may not be
 * the first in the log, or the first would be out of order for good. */
static void B7_nothing_is_taken_behind_a_first_batch_that_was_refused(void **state)
{
    (void)state;
    struct producer_values values;
    uint32_t cursor = 0;
    assert_int_equal(offer_in_txn(0, 4, false), PRODUCER_UNVERIFIED); /* Any may be the first. */
    assert_int_equal(offer_in_txn(0, 2, false), PRODUCER_UNVERIFIED);
    assert_int_equal(offer_in_txn(0, 4, true), PRODUCER_OUT_OF_ORDER);
    assert_true(producer_pool_invariants(&pool));
    assert_false(producer_state_find(&partition, 7, &values)); /* Nobody is told of it. */
    assert_false(producer_state_next(&partition, &cursor, &values));
    assert_int_equal(partition.count, 0);
    assert_int_equal(offer_in_txn(0, 2, true), PRODUCER_OK);
    assert_int_equal(partition.count, 1);
    assert_int_equal(producer_state_truncate(&partition, 0), PRODUCER_OK); /* It failed. */
    assert_int_equal(partition.count, 0);
    assert_int_equal(offer_in_txn(0, 4, true), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(offer_in_txn(1, 6, false), PRODUCER_UNVERIFIED); /* Counted anew. */
    assert_int_equal(offer_in_txn(0, 2, false), PRODUCER_UNVERIFIED); /* Of no interest now. */
    assert_int_equal(offer_in_txn(1, 8, true), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(offer_in_txn(1, 6, true), PRODUCER_OK);
    assert_int_equal(offer_in_txn(1, 8, true), PRODUCER_OK); /* The usual order from here on. */
}

static void what_was_refused_is_forgotten_in_time(void **state)
{
    (void)state;
    assert_int_equal(offer_in_txn(0, 2, false), PRODUCER_UNVERIFIED);
    assert_int_equal(producer_pool_expire(&pool, 50 + 99, 100, ENTRIES), 0);
    assert_int_equal(offer_in_txn(0, 4, true), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(producer_pool_expire(&pool, 50 + 100, 100, ENTRIES), 1);
    assert_int_equal(offer_in_txn(0, 2, false), PRODUCER_UNVERIFIED);
    for (int64_t id = 10; id < 10 + ENTRIES; id++) { /* It makes room for what is taken. */
        assert_int_equal(offer(id, 0, 0, 1), PRODUCER_OK);
    }
    assert_int_equal(pool.evictions, 1);
}

static void a_failed_write_takes_back_its_batch_and_all_later_ones(void **state)
{
    (void)state;
    assert_int_equal(offer(7, 0, 0, 1), PRODUCER_OK);
    for (int32_t i = 1; i < 7; i++) { /* The first drops out of the five. */
        assert_int_equal(offer(7, 0, i, 1), PRODUCER_OK);
    }
    assert_int_equal(offer(8, 0, 0, 1), PRODUCER_OK);
    assert_int_equal(offer(7, 1, 0, 1), PRODUCER_OK); /* A new epoch forgets the batches. */
    assert_int_equal(producer_state_truncate(&partition, 5), PRODUCER_OK);
    assert_true(producer_pool_invariants(&pool));
    assert_int_equal(partition.end_offset, 5);
    struct producer_values values;
    assert_false(producer_state_find(&partition, 8, &values));
    assert_true(producer_state_find(&partition, 7, &values));
    assert_int_equal(values.epoch, 0);
    assert_int_equal(values.batch_count, 5);
    assert_int_equal(values.batches[0].last_sequence, 0);
    assert_int_equal(values.batches[4].last_sequence, 4);
    assert_int_equal(offer(7, 0, 0, 1), PRODUCER_DUPLICATE);
    assert_int_equal(offer(7, 0, 5, 1), PRODUCER_OK); /* The client's retry. */
}

static void what_was_settled_cannot_be_taken_back(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 6; i++) {
        assert_int_equal(offer(7, 0, i, 1), PRODUCER_OK);
    }
    producer_state_settle(&partition, 4);
    assert_int_equal(pool.undo_used, 2);
    assert_int_equal(producer_state_truncate(&partition, 4), PRODUCER_OK);
    assert_int_equal(offer(7, 0, 4, 1), PRODUCER_OK);
    assert_int_equal(producer_state_truncate(&partition, 3), PRODUCER_REBUILD);
    assert_int_equal(partition.count, 0);
    assert_int_equal(partition.end_offset, 3);
}

static void when_undo_records_run_out_the_oldest_go(void **state)
{
    (void)state;
    for (int32_t i = 0; i < UNDOS + 4; i++) {
        assert_int_equal(offer(7, 0, i, 1), PRODUCER_OK);
    }
    assert_int_equal(pool.undos_lost, 4);
    assert_int_equal(producer_state_truncate(&partition, 4), PRODUCER_OK);
    assert_int_equal(offer(7, 0, 4, 1), PRODUCER_OK);
    assert_int_equal(producer_state_truncate(&partition, 3), PRODUCER_REBUILD);
    /* A partition that owns none of the records gives up at once, and says so. */
    for (int32_t i = 0; i < UNDOS; i++) {
        assert_int_equal(offer(7, 0, i, 1), PRODUCER_OK);
    }
    struct producer_state second;
    producer_state_init(&second, &pool, 0);
    const struct batch_header header = {
        .last_offset_delta = 0, .record_count = 1, .producer_id = 1};
    assert_int_equal(producer_state_append(&second, &header, true), PRODUCER_OK);
    assert_int_equal(producer_state_truncate(&second, 0), PRODUCER_REBUILD);
}

static void a_full_pool_forgets_the_producer_unused_for_longest(void **state)
{
    (void)state;
    struct producer_values values;
    for (int64_t id = 0; id < ENTRIES; id++) {
        assert_int_equal(offer(id, 0, 0, 1), PRODUCER_OK);
    }
    assert_int_equal(offer(99, 0, 0, 1), PRODUCER_NO_ROOM); /* All can still be rolled back. */
    producer_state_settle(&partition, 4);
    assert_int_equal(offer(0, 0, 1, 1), PRODUCER_OK); /* 0 was just used; 1 is the oldest. */
    assert_int_equal(offer(99, 0, 0, 1), PRODUCER_OK);
    assert_int_equal(pool.evictions, 1);
    assert_false(producer_state_find(&partition, 1, &values));
    assert_true(producer_state_find(&partition, 0, &values));
    assert_int_equal(offer(1, 0, 500, 1), PRODUCER_OK); /* Unknown again: any sequence. */
    assert_false(producer_state_find(&partition, 2, &values));
}

static void idle_producers_expire_but_not_open_transactions(void **state)
{
    (void)state;
    struct batch_header header = batch(1, 0, 0, 1);
    header.attributes = BATCH_TRANSACTIONAL;
    assert_int_equal(producer_state_append(&partition, &header, false), PRODUCER_OK);
    header = batch(2, 0, 0, 1);
    assert_int_equal(producer_state_append(&partition, &header, false), PRODUCER_OK);
    assert_int_equal(offer(3, 0, 0, 1), PRODUCER_OK); /* Can still be rolled back. */
    assert_int_equal(producer_pool_expire(&pool, 1001 + 99, 100, ENTRIES), 0);
    assert_int_equal(producer_pool_expire(&pool, 1001 + 100, 100, ENTRIES), 1);
    struct producer_values values;
    assert_false(producer_state_find(&partition, 2, &values));
    producer_state_settle(&partition, 100);
    uint32_t forgotten = 0;
    for (uint32_t i = 0; i < ENTRIES; i++) { /* In small steps it gets round all the same. */
        forgotten += producer_pool_expire(&pool, 1 << 20, 100, 1);
    }
    assert_int_equal(forgotten, 1);
    assert_true(producer_state_find(&partition, 1, &values));
}

static void a_snapshot_carries_the_last_batch_of_each(void **state)
{
    (void)state;
    struct batch_header header = batch(6, 1, 0, 1);
    header.attributes = BATCH_TRANSACTIONAL;
    assert_int_equal(producer_state_append(&partition, &header, false), PRODUCER_OK);
    for (int32_t i = 0; i < 7; i++) {
        assert_int_equal(offer(7, 0, 3 * i, 3), PRODUCER_OK);
    }
    uint8_t file[512];
    producer_state_export(&partition, file);
    const struct bytes bytes = {file, (uint32_t)producer_snapshot_bytes(partition.count)};
    uint32_t count = 0;
    assert_int_equal(producer_snapshot_check(bytes, &count), PRODUCER_SNAPSHOT_OK);
    assert_int_equal(count, 2);
    const int64_t end_offset = partition.end_offset;
    producer_state_clear(&partition, end_offset);
    for (uint32_t i = 0; i < count; i++) {
        const struct producer_snapshot_entry entry = producer_snapshot_read(bytes, i);
        assert_int_equal(producer_state_load(&partition, &entry), PRODUCER_OK);
    }
    assert_int_equal(producer_state_first_open_txn(&partition), 0);
    assert_int_equal(offer(7, 0, 18, 3), PRODUCER_DUPLICATE);
    assert_int_equal(offer(7, 0, 15, 3), PRODUCER_OUT_OF_ORDER); /* Only the last is known. */
    assert_int_equal(offer(7, 0, 21, 1), PRODUCER_OK);
    assert_int_equal(producer_state_truncate(&partition, end_offset), PRODUCER_OK);
    assert_int_equal(offer(7, 0, 18, 3), PRODUCER_DUPLICATE);
    uint8_t again[512];
    producer_state_export(&partition, again);
    assert_memory_equal(again, file, bytes.len);
}

/* What happened, so that a state can be rebuilt from nothing and compared. */
static struct batch_header history[4096];

static void check_against_replay(struct producer_pool *scratch_pool, void *scratch, uint32_t used)
{
    struct producer_state want;
    producer_pool_init(scratch_pool, scratch, ENTRIES, 0);
    producer_state_init(&want, scratch_pool, 0);
    for (uint32_t i = 0; i < used; i++) {
        assert_int_equal(producer_state_append(&want, &history[i], false), PRODUCER_OK);
    }
    assert_int_equal(partition.count, want.count);
    assert_int_equal(partition.end_offset, want.end_offset);
    assert_int_equal(producer_state_first_open_txn(&partition),
                     producer_state_first_open_txn(&want));
    uint32_t cursor = 0;
    struct producer_values a;
    struct producer_values b;
    while (producer_state_next(&want, &cursor, &a)) {
        assert_true(producer_state_find(&partition, a.producer_id, &b));
        assert_int_equal(a.epoch, b.epoch);
        assert_int_equal(a.batch_count, b.batch_count);
        assert_memory_equal(a.batches, b.batches, a.batch_count * sizeof(a.batches[0]));
        assert_int_equal(a.last_timestamp_ms, b.last_timestamp_ms);
        assert_int_equal(a.txn_first_offset, b.txn_first_offset);
    }
}

static void after_any_mix_of_rollbacks_the_state_is_that_of_the_log(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 21);
    struct producer_pool scratch_pool;
    void *scratch = aligned_alloc(64, round_up(producer_pool_memory_bytes(ENTRIES, 0), 64));
    uint32_t used = 0;
    uint32_t rebuilt = 0;
    for (uint32_t round = 0; round < 30000; round++) {
        const uint64_t dice = random_below(&random, 100);
        if (dice < 70 && used < ARRAY_SIZE(history)) {
            struct batch_header header =
                batch((int64_t)random_below(&random, 6) - 1, (int16_t)random_below(&random, 3),
                      (int32_t)random_below(&random, 9), 1 + (int32_t)random_below(&random, 4));
            header.attributes = random_one_in(&random, 6) ? BATCH_TRANSACTIONAL : 0;
            history[used++] = header;
            assert_int_equal(producer_state_append(&partition, &header, true), PRODUCER_OK);
        } else if (dice < 90 && used > 0) {
            producer_state_settle(
                &partition,
                history[used - 1 - random_below(&random, min_u32(used, 30))].base_offset);
        } else if (used > 0) {
            used -= (uint32_t)random_below(&random, min_u32(used, 25) + 1);
            const int64_t offset = used == 0 ? 0 : batch_last_offset(&history[used - 1]) + 1;
            if (producer_state_truncate(&partition, offset) == PRODUCER_REBUILD) {
                rebuilt++;
                producer_state_clear(&partition, 0);
                for (uint32_t i = 0; i < used; i++) {
                    assert_int_equal(producer_state_append(&partition, &history[i], false),
                                     PRODUCER_OK);
                }
            }
        }
        if (used == ARRAY_SIZE(history)) {
            used = 0;
            producer_state_clear(&partition, 0);
        }
        if (round % 16 == 0) {
            assert_true(producer_pool_invariants(&pool));
            check_against_replay(&scratch_pool, scratch, used);
        }
    }
    assert_true(rebuilt > 10);
    free(scratch);
}

static void an_idle_partition_costs_next_to_nothing(void **state)
{
    (void)state;
    assert_true(sizeof(struct producer_state) <= 64);
    const size_t one = producer_pool_memory_bytes(2, 0) - producer_pool_memory_bytes(1, 0);
    assert_true(one <= 208);
}

/* Recovery makes a pool for each partition, for as many producers as its bytes could name. */
static void a_pool_touches_only_what_it_uses(void **state)
{
    (void)state;
    enum { MANY = 4096, UNUSED = 0xa5 };
    const size_t bytes = producer_pool_memory_bytes(MANY, MANY);
    uint8_t *untouched = aligned_alloc(64, round_up(bytes, 64));
    memset(untouched, UNUSED, bytes);
    struct producer_pool large;
    struct producer_state one;
    producer_pool_init(&large, untouched, MANY, MANY);
    producer_state_init(&one, &large, 0);
    const struct batch_header header = batch(7, 0, 0, 1);
    struct producer_duplicate duplicate;
    assert_int_equal(producer_state_check(&one, &header, &duplicate), PRODUCER_OK);
    assert_int_equal(producer_state_append(&one, &header, true), PRODUCER_OK);
    size_t touched = 0;
    for (size_t i = 0; i < bytes; i++) {
        touched += untouched[i] != UNUSED;
    }
    assert_in_range(touched, 1, MANY * sizeof(uint32_t) + 1024); /* The hash table and a few. */
    assert_int_equal(producer_pool_expire(&large, INT64_MAX / 2, 1, UINT32_MAX), 0); /* Its undo. */
    producer_state_clear(&one, 0);
    assert_true(producer_pool_invariants(&large));
    free(untouched);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(batches_are_judged_as_kafka_judges_them),
        TEST(a_duplicate_comes_with_the_offsets_of_the_original),
        TEST(producers_and_partitions_do_not_mix),
        TEST(batches_without_producer_only_move_the_end),
        TEST(a_coordinators_batch_has_no_sequence),
        TEST(open_transactions_are_followed),
        TEST(B7_nothing_is_taken_behind_a_first_batch_that_was_refused),
        TEST(what_was_refused_is_forgotten_in_time),
        TEST(a_failed_write_takes_back_its_batch_and_all_later_ones),
        TEST(what_was_settled_cannot_be_taken_back),
        TEST(a_full_pool_forgets_the_producer_unused_for_longest),
        TEST(idle_producers_expire_but_not_open_transactions),
        TEST(a_snapshot_carries_the_last_batch_of_each),
        TEST(after_any_mix_of_rollbacks_the_state_is_that_of_the_log),
        TEST(an_idle_partition_costs_next_to_nothing),
        TEST(a_pool_touches_only_what_it_uses),
        cmocka_unit_test_setup(when_undo_records_run_out_the_oldest_go, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
