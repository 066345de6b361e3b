/* What is told of a snapshot, over a log whose answers the test makes up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dataplane/apply.h"

enum {
    PARTITIONS = 8,
    CORES = 2,
};

/* Stands for a partition of the log. */
struct partition {
    enum log_status state;
    bool there;
    bool made;
};

static struct partition partitions[PARTITIONS];

struct partition *log_find(struct log *log, const struct partition_id *id)
{
    (void)log;
    return partitions[id->index].there ? &partitions[id->index] : NULL;
}

enum log_status partition_state(const struct partition *partition)
{
    return partition->state;
}

bool partition_made(const struct partition *partition)
{
    return partition->made;
}

uint16_t partition_directory(const struct partition *partition)
{
    (void)partition;
    return 3;
}

static struct snapshot_partition wanted[PARTITIONS];
static struct snapshot_topic topic = {
    .id = {{7}}, .partition_count = PARTITIONS, .partitions = wanted};
static const struct snapshot snapshot = {.topic_count = 1, .topics = &topic};

static int all_good(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        partitions[i] = (struct partition){.state = LOG_OK, .there = true};
        wanted[i] = (struct snapshot_partition){.directory = 0};
    }
    return 0;
}

static uint32_t failures_of_all_cores(struct session_failure *to)
{
    uint32_t count = 0;
    for (uint32_t core = 0; core < CORES; core++) {
        count += apply_failures(&snapshot, NULL, core, CORES, to + count, PARTITIONS - count);
    }
    return count;
}

static void a_snapshot_that_was_applied_has_no_failures(void **state)
{
    (void)state;
    struct session_failure failures[PARTITIONS];
    assert_int_equal(failures_of_all_cores(failures), 0);
}

static void each_failure_is_told_once_by_the_core_that_owns_it(void **state)
{
    (void)state;
    static const struct {
        enum log_status state;
        bool there;
        bool placed;
        bool told;
    } cases[] = {
        {LOG_OK, true, true, false},      {LOG_FENCED, true, true, true},
        {LOG_IO_ERROR, true, true, true}, {LOG_CORRUPT, true, true, true},
        {LOG_OK, false, true, true},      {LOG_NO_SPACE, true, true, false},
        {LOG_OK, false, false, false},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (uint32_t index = 0; index < PARTITIONS; index++) {
            (void)all_good(NULL);
            partitions[index] =
                (struct partition){.state = cases[i].state, .there = cases[i].there};
            wanted[index].directory = cases[i].placed ? 0 : SNAPSHOT_DIRECTORY_NONE;
            struct session_failure failures[PARTITIONS];
            assert_int_equal(failures_of_all_cores(failures), cases[i].told);
            if (cases[i].told) {
                assert_int_equal(failures[0].index, index);
                assert_memory_equal(&failures[0].topic_id, &topic.id, sizeof(topic.id));
                assert_int_equal(failures[0].status, cases[i].there ? cases[i].state : LOG_FENCED);
            }
        }
    }
}

static void what_the_snapshot_says_already_is_not_told(void **state)
{
    (void)state;
    struct session_failure failures[PARTITIONS];
    partitions[0] = (struct partition){.state = LOG_FENCED, .there = true};
    partitions[1] = (struct partition){.state = LOG_FENCED, .there = true};
    wanted[0].offline = true;
    assert_int_equal(failures_of_all_cores(failures), 1);
    assert_int_equal(failures[0].index, 1);
}

static void a_failure_says_where_the_files_are_that_were_made(void **state)
{
    (void)state;
    struct session_failure failures[PARTITIONS];
    partitions[0] = (struct partition){.state = LOG_IO_ERROR, .there = true, .made = true};
    assert_int_equal(failures_of_all_cores(failures), 1);
    assert_int_equal(failures[0].directory, 3);
    partitions[0].made = false;
    assert_int_equal(failures_of_all_cores(failures), 1);
    assert_int_equal(failures[0].directory, LOG_DIRECTORY_NONE);
    partitions[0] = (struct partition){.made = true};
    assert_int_equal(failures_of_all_cores(failures), 1);
    assert_int_equal(failures[0].directory, LOG_DIRECTORY_NONE);
}

static void no_more_are_told_than_there_is_room_for(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        partitions[i].there = false;
    }
    struct session_failure failures[PARTITIONS];
    assert_int_equal(failures_of_all_cores(failures), PARTITIONS);
    assert_int_equal(apply_failures(&snapshot, NULL, 0, 1, failures, 3), 3);
    assert_int_equal(apply_failures(&snapshot, NULL, 0, 1, failures, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_snapshot_that_was_applied_has_no_failures, all_good),
        cmocka_unit_test_setup(each_failure_is_told_once_by_the_core_that_owns_it, all_good),
        cmocka_unit_test_setup(what_the_snapshot_says_already_is_not_told, all_good),
        cmocka_unit_test_setup(a_failure_says_where_the_files_are_that_were_made, all_good),
        cmocka_unit_test_setup(no_more_are_told_than_there_is_room_for, all_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
