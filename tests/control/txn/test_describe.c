#include "tests/control/txn/bench.h"

static void an_id_is_described(void **state)
{
    struct txn_bench *bench = *state;
    bench_describe(bench, "");
    bench_describe(bench, "x");
    bench_init(bench, "x", -1, -1);
    bench_describe(bench, "x");
    bench_add(bench, 3, "x", 1000, 0, "u/0 t/1 t/0");
    bench_forget(bench);
    bench_describe(bench, "x");
    bench_expect(bench, "describe NONE Ongoing 1000/0 [t/0 t/1 u/0]\n");
}

static void what_is_not_there_is_an_error(void **state)
{
    struct txn_bench *bench = *state;
    bench_describe(bench, "");
    bench_describe(bench, "x");
    bench_expect(bench, "describe INVALID_REQUEST  0/0 []\n"
                        "describe TRANSACTIONAL_ID_NOT_FOUND  0/0 []\n");
}

static void ids_are_listed_by_state_producer_and_duration(void **state)
{
    struct txn_bench *bench = *state;
    bench_init(bench, "x", -1, -1);
    bench_init(bench, "y", -1, -1);
    bench_add(bench, 3, "y", 1001, 0, "t/0");
    bench->wall_ms += 100;
    bench_init(bench, "z", -1, -1);
    bench_add(bench, 3, "z", 1002, 0, "t/0");
    bench_forget(bench);
    bench_list(bench, NULL, -1, -1);
    bench_list(bench, "Ongoing", -1, -1);
    bench_list(bench, "Ongoing", 1001, -1);
    bench_list(bench, "Ongoing", -1, 99);
    bench_list(bench, "Ongoing", -1, 100);
    bench_list(bench, "Dead", -1, -1);
    bench_list(bench, "nonsense", -1, -1);
    bench_expect(bench, "list x=Empty y=Ongoing z=Ongoing\n"
                        "list y=Ongoing z=Ongoing\n"
                        "list y=Ongoing\n"
                        "list y=Ongoing\n"
                        "list\n"
                        "list\n"
                        "list ?nonsense\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, txn_bench_up, txn_bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_id_is_described),
        CASE(what_is_not_there_is_an_error),
        CASE(ids_are_listed_by_state_producer_and_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
