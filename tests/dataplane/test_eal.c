/* DPDK's environment starts here as on a laptop: no huge pages needed, no privileges, more cores
 * than CPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "dataplane/eal.h"

enum { CORES = 4 };

static struct {
    uint16_t cpus[64];
    uint32_t cpu_count;
    struct eal_setup setup;
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
    };
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_core_runs_on_its_cpu_though_cores_outnumber_cpus),
        cmocka_unit_test(a_core_can_be_launched_again),
        cmocka_unit_test(memory_is_registered_when_it_is_huge_and_passed_over_when_not),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
