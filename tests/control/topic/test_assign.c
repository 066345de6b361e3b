#include "tests/control/bench.h"

#include "control/topic/assign.h"
#include "control/topic/create.h"

static void a_replica_list_must_be_this_node_alone(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    const struct step step = step_bench_step(bench, 0, &writer);
    static const int32_t nodes[][2] = {{1, 0}, {2, 0}, {1, 1}, {1, 2}};
    const struct {
        uint32_t list;
        int32_t count;
        int32_t wanted;
        const char *message; /* NULL: good. */
    } cases[] = {
        {0, 1, -1, NULL},
        {0, 1, 1, NULL},
        {0, 0, -1, "empty replica list"},
        {1, 1, -1, "broker 2, but no such broker"},
        {2, 2, -1, "broker 1 more than once"},
        {3, 2, -1, "broker 2"},
        {0, 1, 2, "not consistent with previous partitions, which have 2"},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct i32_array list = {.items = nodes[cases[i].list], .count = cases[i].count};
        const struct step_error error = assign_check(&step, list, cases[i].wanted);
        assert_int_equal(error.code,
                         cases[i].message == NULL ? ERROR_NONE : ERROR_INVALID_REPLICA_ASSIGNMENT);
        if (cases[i].message != NULL) {
            assert_true(chain_has(error.message, cases[i].message));
        }
    }
    assert_int_equal(assign_check_factor(&step, 1).code, ERROR_NONE);
    assert_int_equal(assign_check_factor(&step, 2).code, ERROR_INVALID_REPLICATION_FACTOR);
    step_bench_free(bench);
}

static void no_request_adds_more_partitions_than_there_may_be(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    struct writer writer;
    writer_init(&writer, bench->body, sizeof(bench->body));
    const struct step step = step_bench_step(bench, 0, &writer);
    assert_int_equal(assign_budget(&step), 10000);
    step_bench_topic(bench, "grown", 3);
    bench->image.partition_count += 999990;
    assert_int_equal(assign_budget(&step), 7);
    struct step automatic = step;
    assert_true(topic_create_automatically(&automatic, bytes_of_string("one-more")));
    step_bench_apply(bench);
    bench->image.partition_count += 7; /* Whatever is set by hand, nothing is added. */
    assert_int_equal(assign_budget(&step), 0);
    assert_false(topic_create_automatically(&automatic, bytes_of_string("too-many")));
    assert_int_equal(bench->changes.count, 0);
    step_bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_list_must_be_this_node_alone),
        cmocka_unit_test(no_request_adds_more_partitions_than_there_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
