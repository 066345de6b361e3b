#include "tests/control/txn/bench.h"

#include <stdio.h>

#include "control/txn/coordinator.h"

static void ids_are_found_among_many(void **state)
{
    struct txn_bench *bench = *state;
    char id[16];
    for (uint32_t i = 0; i < 200; i++) {
        snprintf(id, sizeof(id), "id%u", i);
        bench_init(bench, id, -1, -1);
        assert_int_equal(bench->producer_id, 1000 + i);
    }
    assert_int_equal(txn_coordinator_count(bench->coordinator), 200);
    assert_null(txn_find(bench->coordinator, bytes_of_string("id200")));
    assert_int_equal(txn_find(bench->coordinator, bytes_of_string("id7"))->producer_id, 1007);
}

static void places_are_a_sorted_set(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    struct txn *txn = txn_find(bench->coordinator, bytes_of_string("x"));
    static const int32_t partitions[] = {5, 1, 9, 1, 5, 0};
    for (uint32_t i = 0; i < ARRAY_SIZE(partitions); i++) {
        txn_place_add(txn, bytes_of_string("t"), partitions[i]);
        txn_place_add(txn, bytes_of_string("s"), partitions[i]);
        assert_true(txn_has_place(txn, bytes_of_string("t"), partitions[i]));
    }
    assert_int_equal(txn->place_count, 8);
    for (uint32_t i = 1; i < txn->place_count; i++) {
        const int order = text_order(txn->places[i - 1].topic, txn->places[i].topic);
        assert_true(order < 0 ||
                    (order == 0 && txn->places[i - 1].partition < txn->places[i].partition));
    }
    assert_false(txn_has_place(txn, bytes_of_string("t"), 2));
    assert_false(txn_has_place(txn, bytes_of_string("u"), 1));
    txn_places_clear(txn);
    assert_int_equal(txn->place_count, 0);
}

static struct txn_counts counts_of(const struct txn_bench *bench)
{
    txn_coordinator_invariants(bench->coordinator); /* States add up. */
    return txn_coordinator_counts(bench->coordinator);
}

static void what_happens_is_counted_by_state(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_init(bench, "y", -1, -1);
    assert_int_equal(counts_of(bench).states[TXN_EMPTY], 2);
    bench_add(bench, 3, "x", 1000, 0, "t/0");
    bench_add(bench, 3, "x", 1000, 0, "t/1"); /* The same transaction. */
    bench_add(bench, 3, "y", 1001, 0, "t/0");
    assert_int_equal(counts_of(bench).states[TXN_ONGOING], 2);
    assert_int_equal(counts_of(bench).started, 2);
    bench_end(bench, 3, "x", 1000, 0, true);
    assert_int_equal(counts_of(bench).states[TXN_PREPARE_COMMIT], 1);
    assert_int_equal(counts_of(bench).committed, 0);
    assert_true(bench_written(bench));
    assert_int_equal(counts_of(bench).committed, 1);
    bench->wall_ms += 60001;
    bench_event(bench, TXN_TIME);
    assert_int_equal(counts_of(bench).timeouts, 1);
    bench_restart(bench); /* What is counted since the start begins anew; states do not. */
    assert_int_equal(counts_of(bench).states[TXN_COMPLETE_COMMIT], 1);
    assert_int_equal(counts_of(bench).states[TXN_PREPARE_ABORT], 1);
    assert_int_equal(counts_of(bench).committed, 0);
    assert_true(bench_written(bench));
    while (bench_written(bench)) {
    }
    assert_int_equal(counts_of(bench).aborted, 1);
    bench->wall_ms += bench->settings.id_expiration_ms + 1;
    bench_event(bench, TXN_EXPIRE);
    assert_int_equal(counts_of(bench).expired, 2);
    assert_int_equal(counts_of(bench).states[TXN_COMPLETE_ABORT], 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, txn_bench_up, txn_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(ids_are_found_among_many),
        CASE(places_are_a_sorted_set),
        CASE(what_happens_is_counted_by_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
