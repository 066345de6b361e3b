/* DPDK's environment starts here as on a laptop: no huge pages needed, no privileges, more cores
 * than CPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/eal.h"

enum { CORES = 4 };

static struct {
    uint16_t cpus[64];
    uint32_t cpu_count;
    struct eal_setup setup;
    char folder[32];
} eal_test;

static int start(void **state)
{
    (void)state;
    static char reason[256];
    eal_test.cpu_count = eal_allowed_cpus(eal_test.cpus, ARRAY_SIZE(eal_test.cpus));
    assert_in_range(eal_test.cpu_count, 1, 64);
    eal_test.setup = (struct eal_setup){
        .journal = journal_create(STDERR_FILENO, "test", 1, JOURNAL_WARNING),
        .core_count = CORES,
        .memory_mib = 16,
        .huge_pages = true,
        .run_directory = eal_test.folder,
    };
    memcpy(eal_test.folder, "/tmp/millrace-eal-XXXXXX", 25);
    assert_non_null(mkdtemp(eal_test.folder));
    for (uint32_t core = 0; core < CORES; core++) {
        eal_test.setup.core_cpus[core] = eal_test.cpus[core % eal_test.cpu_count];
    }
    if (!eal_start(&eal_test.setup, reason, sizeof(reason))) {
        fail_msg("%s", reason);
    }
    return 0;
}

static void count_up(void *argument)
{
    atomic_fetch_add((_Atomic int *)argument, 1 + sched_getcpu() * 1000);
}

static void each_core_runs_on_its_cpu_though_cores_outnumber_cpus(void **state)
{
    (void)state;
    _Atomic int counts[CORES] = {0};
    for (uint32_t core = 0; core < CORES; core++) {
        eal_launch(core, count_up, &counts[core]);
    }
    for (uint32_t core = 0; core < CORES; core++) {
        eal_join(core);
        assert_int_equal(counts[core], 1 + eal_test.setup.core_cpus[core] * 1000);
    }
}

static void a_core_can_be_launched_again(void **state)
{
    (void)state;
    _Atomic int count = 0;
    for (int i = 0; i < 3; i++) {
        eal_launch(1, count_up, &count);
        eal_join(1);
    }
    assert_int_equal(count % 1000, 3);
}

static void memory_is_registered_when_it_is_huge_and_passed_over_when_not(void **state)
{
    (void)state;
    struct memory_area area;
    assert_int_equal(memory_take(&area, 1 << 20, MEMORY_PAGES_ANY), 0);
    assert_int_equal(eal_register_memory(&area), 0);
    assert_int_equal(memory_take(&area, 1 << 20, MEMORY_PAGES_ORDINARY), 0);
    assert_int_equal(eal_register_memory(&area), 0);
}

/* The last test: nothing is left in the run directory. */
static void telemetry_answers_in_the_run_directory_until_the_end(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s", eal_telemetry());
    assert_int_equal(strncmp(path, eal_test.folder, strlen(eal_test.folder)), 0);
    assert_int_equal(access(path, R_OK | W_OK), 0);
    eal_stop();
    assert_string_equal(eal_telemetry(), "");
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_core_runs_on_its_cpu_though_cores_outnumber_cpus),
        cmocka_unit_test(a_core_can_be_launched_again),
        cmocka_unit_test(memory_is_registered_when_it_is_huge_and_passed_over_when_not),
        cmocka_unit_test(telemetry_answers_in_the_run_directory_until_the_end),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
