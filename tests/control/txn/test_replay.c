#include "tests/control/txn/bench.h"

#include <stdlib.h>

#include "storage/base/random.h"

static void an_open_transaction_goes_on_after_a_restart(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_add(bench, 5, "x", 1000, 0, "t/0 u/3");
    bench_restart(bench);
    bench_forget(bench);
    bench_verify(bench, "x", 1000, 0, "t/0 u/3 u/4");
    bench_end(bench, 5, "x", 1000, 0, true);
    bench_expect(bench, "add NONE NONE TRANSACTION_ABORTABLE\n"
                        "end NONE 1000/1\n"
                        "+ x PrepareCommit 1000/1 tv 2 [t/0 u/3]\n"
                        "! x commit 1000/1 tv 2 [t/0 u/3]\n");
}

static void markers_that_may_not_be_written_are_asked_for_again(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_add(bench, 5, "x", 1000, 0, "t/0");
    bench_end(bench, 5, "x", 1000, 0, false);
    bench_forget(bench);
    bench_restart(bench);
    bench_expect(bench, "! x abort 1000/1 tv 2 [t/0]\n");
    bench_written(bench);
    bench_end(bench, 5, "x", 1000, 0, false);
    bench_expect(bench, "+ x CompleteAbort 1000/1 tv 2 []\n"
                        "end NONE 1000/1\n");
    bench_restart(bench);
    bench_expect(bench, "");
}

static void an_end_that_stopped_half_way_is_completed(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_end(bench, 5, "x", 1000, 0, false);
    bench_lose(bench); /* The record of its completion. */
    bench_forget(bench);
    bench_restart(bench);
    bench_expect(bench, "+ x CompleteAbort 1000/1 tv 2 []\n");
}

static void a_tombstone_takes_an_id_away(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench->wall_ms += bench->settings.id_expiration_ms;
    bench_event(bench, TXN_EXPIRE);
    bench_restart(bench);
    assert_int_equal(txn_coordinator_count(bench->coordinator), 0);
}

/* --- what others have written -------------------------------------------------------------------
 */

static uint8_t value_bytes[256];

static struct bytes value_of(int16_t version, struct transaction_log_value value)
{
    struct writer writer;
    writer_init(&writer, value_bytes, sizeof(value_bytes));
    writer_i16(&writer, version);
    assert_int_equal(transaction_log_value_encode(&writer, version, &value), CODEC_OK);
    return (struct bytes){value_bytes, writer_used(&writer)};
}

static struct transaction_log_value value_ongoing(void)
{
    struct transaction_log_value value = transaction_log_value_default;
    value.producer_id = 5;
    value.producer_epoch = 6;
    value.transaction_timeout_ms = 7;
    value.transaction_status = 1;
    value.transaction_start_timestamp_ms = 1;
    return value;
}

static const uint8_t key_x[] = {0, 0, 0, 1, 'x'};

static void both_versions_are_read(void **state)
{
    struct txn_bench *bench = *state;
    for (int16_t version = 0; version <= 1; version++) {
        struct transaction_log_value value = value_ongoing();
        value.producer_epoch = (int16_t)(6 + version);
        assert_int_equal(txn_replay(bench->coordinator, (struct bytes){key_x, sizeof(key_x)},
                                    value_of(version, value)),
                         TXN_REPLAYED);
        bench_describe(bench, "x");
    }
    bench_expect(bench, "describe NONE Ongoing 5/6 []\ndescribe NONE Ongoing 5/7 []\n");
}

static void what_cannot_be_read_is_told(void **state)
{
    struct txn_bench *bench = *state;
    static const uint8_t other[] = {0, 9, 0, 0};
    static const uint8_t version[] = {0, 9, 0, 0, 0, 0};
    const struct bytes nothing = {0};
    const struct bytes key = {key_x, sizeof(key_x)};
    assert_int_equal(txn_replay(bench->coordinator, nothing, nothing), TXN_CORRUPT);
    assert_int_equal(txn_replay(bench->coordinator, (struct bytes){other, 4}, nothing),
                     TXN_UNKNOWN);
    assert_int_equal(txn_replay(bench->coordinator, (struct bytes){key_x, 4}, nothing),
                     TXN_CORRUPT);
    assert_int_equal(txn_replay(bench->coordinator, key, (struct bytes){version, 6}), TXN_CORRUPT);
    struct transaction_log_value value = value_ongoing();
    value.transaction_status = 6; /* Kafka never writes it. */
    assert_int_equal(txn_replay(bench->coordinator, key, value_of(0, value)), TXN_CORRUPT);
    value = value_ongoing();
    value.transaction_start_timestamp_ms = -1;
    assert_int_equal(txn_replay(bench->coordinator, key, value_of(0, value)), TXN_CORRUPT);
    value = value_ongoing();
    value.producer_epoch = -1;
    assert_int_equal(txn_replay(bench->coordinator, key, value_of(0, value)), TXN_CORRUPT);
    assert_int_equal(txn_coordinator_count(bench->coordinator), 0);
}

/* Changes some bytes of a copy, which the sanitizer bounds. */
static struct bytes damaged(struct random *random, struct bytes from)
{
    if (from.ptr == NULL) {
        return from;
    }
    const uint32_t len =
        random_one_in(random, 4) ? (uint32_t)random_below(random, from.len + 1ULL) : from.len;
    uint8_t *to = malloc(len == 0 ? 1 : len);
    assert_non_null(to);
    memcpy(to, from.ptr, len);
    for (uint64_t i = random_below(random, 4); i > 0 && len > 0; i--) {
        to[random_below(random, len)] = (uint8_t)random_u64(random);
    }
    return (struct bytes){to, len};
}

static void no_damage_of_records_harms(void **state)
{
    struct txn_bench *bench = *state;
    struct random random;
    random_init(&random, 1);
    bench_init(bench, "x", -1, -1);
    bench_add(bench, 5, "x", 1000, 0, "t/0 u/3");
    bench_end(bench, 5, "x", 1000, 0, true);
    bench_init(bench, "y", -1, -1);
    bench_add(bench, 3, "y", 1001, 0, "t/0");
    const uint32_t records = bench->log_count;
    bench->quiet = true;
    uint32_t read = 0;
    for (uint32_t round = 0; round < 3000; round++) {
        struct txn_coordinator *coordinator = txn_coordinator_new(&bench->settings, round);
        for (uint32_t i = 0; i < records; i++) {
            const struct bytes key = damaged(&random, bench->log[i].key);
            const struct bytes value = damaged(&random, bench->log[i].value);
            read += txn_replay(coordinator, key, value) == TXN_REPLAYED;
            free((void *)(uintptr_t)key.ptr);
            free((void *)(uintptr_t)value.ptr);
        }
        struct txn_coordinator *whole = bench->coordinator;
        bench->coordinator = coordinator;
        bench->marker_count = 0;
        bench_event(bench, TXN_RESUME);
        bench_event(bench, TXN_TIME);
        bench_event(bench, TXN_EXPIRE);
        txn_coordinator_free(coordinator);
        bench->coordinator = whole;
        while (bench->log_count > records) {
            bench_lose(bench);
        }
    }
    assert_true(read > 1000);
}

static void a_transaction_has_as_much_of_a_topic_as_its_record_holds(void **state)
{
    struct txn_bench *bench = *state;
    bench->quiet = true;
    bench_init(bench, "x", -1, -1);
    bench_add_many(bench, "x", "t", 0, 120000);
    bench_add_many(bench, "x", "t", 120000, 120000);
    bench_restart(bench);
    bench->quiet = false;
    bench_verify(bench, "x", 1000, 0, "t/239999 t/240000");
    bench_expect(bench, "add NONE TRANSACTION_ABORTABLE\n");
}

/* Neither Kafka nor we write such a record of an open transaction. */
static void the_last_epoch_of_all_is_no_other_s_beginning(void **state)
{
    struct txn_bench *bench = *state;
    struct transaction_log_value value = value_ongoing();
    value.producer_epoch = INT16_MAX;
    value.transaction_timeout_ms = 1000;
    assert_int_equal(
        txn_replay(bench->coordinator, (struct bytes){key_x, sizeof(key_x)}, value_of(1, value)),
        TXN_REPLAYED);
    bench_end(bench, 5, "x", 5, INT16_MAX, true);
    bench_init(bench, "x", -1, -1);
    bench_expect(bench, "end PRODUCER_FENCED -1/-1\n"
                        "init CONCURRENT_TRANSACTIONS -1/-1\n"
                        "+ x PrepareAbort 5/32767 tv 0 []\n"
                        "+ x CompleteAbort 5/32767 tv 0 []\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, txn_bench_up, txn_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_open_transaction_goes_on_after_a_restart),
        CASE(markers_that_may_not_be_written_are_asked_for_again),
        CASE(an_end_that_stopped_half_way_is_completed),
        CASE(a_tombstone_takes_an_id_away),
        CASE(both_versions_are_read),
        CASE(what_cannot_be_read_is_told),
        CASE(no_damage_of_records_harms),
        CASE(the_last_epoch_of_all_is_no_other_s_beginning),
        CASE(a_transaction_has_as_much_of_a_topic_as_its_record_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
