#include "control/serve/ledger.h"

#include <stdlib.h>

#include "tests/control/serve/serve_bench.h"

enum { ENTRIES = 300 };

/* What its user was told. */
struct seen {
    uint32_t records;
    uint32_t loads;
    uint32_t lost;
    uint32_t settled;
    int16_t error;
    char values[ENTRIES + 1];
};

static void seen_replay(void *owner, struct bytes key, struct bytes value, int64_t producer_id)
{
    struct seen *seen = owner;
    (void)key;
    assert_int_equal(producer_id, -1);
    seen->values[seen->records++ % ENTRIES] = (char)value.ptr[0];
}

static void seen_marker(void *owner, int64_t producer_id, bool committed)
{
    (void)owner;
    (void)producer_id;
    (void)committed;
}

static void seen_loaded(void *owner)
{
    ((struct seen *)owner)->loads++;
}

static void seen_settle(void *owner, struct ledger_entry *entry, int16_t error_code)
{
    struct seen *seen = owner;
    seen->settled++;
    seen->error = error_code;
    ledger_entry_free(entry);
}

static void seen_lost(void *owner, int16_t error_code)
{
    ((struct seen *)owner)->lost++;
    assert_int_not_equal(error_code, ERROR_NONE);
}

static const struct ledger_user user = {.replay = seen_replay,
                                        .replay_marker = seen_marker,
                                        .loaded = seen_loaded,
                                        .settle = seen_settle,
                                        .lost = seen_lost};

static struct ledger_entry *entry_of(char value, uint32_t bytes)
{
    struct ledger_entry *entry = ledger_entry_new();
    struct ledger_record *record = ARENA_ARRAY(&entry->arena, struct ledger_record, 1);
    uint8_t *text = arena_take(&entry->arena, bytes + 1);
    memset(text, value, bytes);
    *record = (struct ledger_record){bytes_of_string("key"), {text, bytes}};
    entry->records = record;
    entry->record_count = value == 0 ? 0 : 1;
    entry->wall_ms = 1;
    return entry;
}

static void load(struct ledger *ledger, struct bench *bench)
{
    const struct partition_id id = {bench_topic(bench, "t")->id, 2};
    ledger_load(ledger, &id, -1);
    for (uint32_t i = 0; ledger->state == LEDGER_LOADING; i++) {
        assert_true(i < 10000);
        bench_turn(bench);
    }
}

static struct bench *bench_with_topic(void)
{
    struct bench *bench = bench_new(1, NULL);
    assert_int_equal(bench_create_topic(bench, "t", 4), ERROR_NONE);
    return bench;
}

static void many_entries_become_few_batches_and_are_read_back_in_order(void **state)
{
    (void)state;
    struct bench *bench = bench_with_topic();
    static struct seen seen;
    struct ledger ledger;
    memset(&seen, 0, sizeof(seen));
    ledger_init(&ledger, bench->control->calls, &user, &seen);
    load(&ledger, bench);
    assert_int_equal(seen.loads, 1);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        ledger_stage(&ledger, entry_of((char)('a' + i % 26), 100));
        if (i % 100 == 0) {
            ledger_turn(&ledger);
        }
    }
    for (uint32_t i = 0; seen.settled < ENTRIES; i++) {
        assert_true(i < 100);
        ledger_turn(&ledger);
        bench_turn(bench);
    }
    assert_true(ledger.appends <= 4);
    ledger_free(&ledger);
    struct ledger again;
    ledger_init(&again, bench->control->calls, &user, &seen);
    load(&again, bench);
    assert_int_equal(seen.records, ENTRIES);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        assert_int_equal(seen.values[i], 'a' + i % 26);
    }
    assert_true(bench->reads > 10); /* In pieces that cut batches off. */
    ledger_free(&again);
    bench_free(bench);
}

static void an_entry_without_records_waits_for_those_before_it(void **state)
{
    (void)state;
    struct bench *bench = bench_with_topic();
    static struct seen seen;
    struct ledger ledger;
    memset(&seen, 0, sizeof(seen));
    ledger_init(&ledger, bench->control->calls, &user, &seen);
    load(&ledger, bench);
    ledger_stage(&ledger, entry_of(0, 0));
    ledger_turn(&ledger);
    assert_int_equal(seen.settled, 1);
    bench->holds_appends = true;
    ledger_stage(&ledger, entry_of('x', 10));
    ledger_turn(&ledger);
    ledger_stage(&ledger, entry_of(0, 0));
    ledger_turn(&ledger);
    bench_turns(bench, 5);
    assert_int_equal(seen.settled, 1);
    bench_release(bench);
    bench_turns(bench, 5);
    ledger_turn(&ledger);
    assert_int_equal(seen.settled, 3);
    assert_int_equal(seen.error, ERROR_NONE);
    ledger_free(&ledger);
    bench_free(bench);
}

static void an_entry_larger_than_a_batch_goes_in_several_and_settles_with_the_last(void **state)
{
    (void)state;
    enum { RECORDS = 5, RECORD_BYTES = 400 * 1000 };
    struct bench *bench = bench_with_topic();
    static struct seen seen;
    struct ledger ledger;
    memset(&seen, 0, sizeof(seen));
    ledger_init(&ledger, bench->control->calls, &user, &seen);
    load(&ledger, bench);
    struct ledger_entry *entry = ledger_entry_new();
    struct ledger_record *records = ARENA_ARRAY(&entry->arena, struct ledger_record, RECORDS);
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint8_t *text = arena_take(&entry->arena, RECORD_BYTES);
        memset(text, (int)('a' + i), RECORD_BYTES);
        records[i] = (struct ledger_record){bytes_of_string("key"), {text, RECORD_BYTES}};
    }
    entry->records = records;
    entry->record_count = RECORDS;
    entry->wall_ms = 1;
    ledger_stage(&ledger, entry);
    ledger_stage(&ledger, entry_of('f', 100));
    for (uint32_t i = 0; seen.settled < 2; i++) {
        assert_true(i < 1000 && seen.lost == 0);
        assert_true(seen.settled == 0 || ledger.appends >= 3);
        ledger_turn(&ledger);
        bench_turn(bench);
    }
    assert_int_equal(seen.error, ERROR_NONE);
    assert_int_equal(ledger.appends, 4); /* Two records, two, the last one; and what is behind. */
    ledger_drop(&ledger);
    load(&ledger, bench);
    assert_int_equal(seen.records, RECORDS + 1);
    assert_string_equal(seen.values, "abcdef");
    ledger_free(&ledger);
    bench_free(bench);
}

static void a_failed_append_takes_all_that_waits_with_it(void **state)
{
    (void)state;
    struct bench *bench = bench_with_topic();
    static struct seen seen;
    struct ledger ledger;
    memset(&seen, 0, sizeof(seen));
    ledger_init(&ledger, bench->control->calls, &user, &seen);
    load(&ledger, bench);
    bench->append_error = ERROR_KAFKA_STORAGE_ERROR;
    ledger_stage(&ledger, entry_of('x', 10));
    ledger_turn(&ledger);
    ledger_stage(&ledger, entry_of('y', 10));
    bench_turns(bench, 5);
    assert_int_equal(seen.settled, 2);
    assert_int_equal(seen.error, ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(seen.lost, 1);
    assert_int_equal(ledger.state, LEDGER_AWAY);
    bench->append_error = ERROR_NONE;
    load(&ledger, bench);
    assert_int_equal(seen.records, 0);
    ledger_stage(&ledger, entry_of('z', SLOW_APPEND_BYTES_MAX)); /* No core takes that. */
    ledger_turn(&ledger);
    assert_int_equal(seen.error, ERROR_MESSAGE_TOO_LARGE);
    assert_int_equal(seen.lost, 2);
    ledger_free(&ledger);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_entries_become_few_batches_and_are_read_back_in_order),
        cmocka_unit_test(an_entry_without_records_waits_for_those_before_it),
        cmocka_unit_test(an_entry_larger_than_a_batch_goes_in_several_and_settles_with_the_last),
        cmocka_unit_test(a_failed_append_takes_all_that_waits_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
