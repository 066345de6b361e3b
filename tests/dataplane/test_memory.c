#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dataplane/memory.h"

static void an_area_is_zero_whole_pages_and_writable(void **state)
{
    (void)state;
    for (int pages = MEMORY_PAGES_ANY; pages <= MEMORY_PAGES_ORDINARY; pages++) {
        struct memory_area area;
        assert_int_equal(memory_take(&area, 3 * 1024 * 1024 + 1, (enum memory_pages)pages), 0);
        assert_true(area.size > 3 * 1024 * 1024);
        assert_int_equal(area.size % area.page_bytes, 0);
        assert_int_equal((uintptr_t)area.base % area.page_bytes, 0);
        for (uint64_t i = 0; i < area.size; i += 1024) {
            assert_int_equal(area.base[i], 0);
            area.base[i] = 1;
        }
        memory_give(&area);
        assert_null(area.base);
    }
}

static void what_cannot_be_had_is_an_error_value(void **state)
{
    (void)state;
    struct memory_area area;
    assert_int_equal(memory_take(&area, UINT64_C(1) << 60, MEMORY_PAGES_ANY), -ENOMEM);
}

static void parts_are_aligned_do_not_overlap_and_end(void **state)
{
    (void)state;
    struct memory_cursor cursor = {0};
    assert_int_equal(memory_take(&cursor.area, 16384, MEMORY_PAGES_ORDINARY), 0);
    const uint64_t size = cursor.area.size;
    uint8_t *first = memory_part(&cursor, 10, 64);
    uint8_t *second = memory_part(&cursor, 4096, 4096);
    assert_ptr_equal(first, cursor.area.base);
    assert_ptr_equal(second, cursor.area.base + 4096);
    assert_null(memory_part(&cursor, size, 1));
    assert_null(memory_part(&cursor, UINT64_MAX, 1));
    assert_non_null(memory_part(&cursor, size - 8192, 1));
    assert_null(memory_part(&cursor, 1, 1));
    memory_give(&cursor.area);
}

/* /sys of a host of two nodes, as its kernel writes it: CPU 0 and 2 on node 0, 1 and 3 on node 1.
 */
static void the_node_of_a_cpu_is_read_from_the_hosts_tree(void **state)
{
    (void)state;
    char root[] = "/tmp/millrace-memory-XXXXXX";
    char path[256];
    static const char *const parts[] = {"/sys", "/sys/devices", "/sys/devices/system",
                                        "/sys/devices/system/cpu"};
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", root, parts[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (uint32_t cpu = 0; cpu < 4; cpu++) {
        (void)snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/cpu%u", root, cpu);
        assert_int_equal(mkdir(path, 0700), 0);
        (void)snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/cpu%u/node%u", root, cpu,
                       cpu % 2);
        assert_int_equal(mkdir(path, 0700), 0); /* There a link. */
    }
    for (uint32_t cpu = 0; cpu < 4; cpu++) {
        assert_int_equal(memory_node_of_cpu(root, cpu), cpu % 2);
    }
    assert_int_equal(memory_node_of_cpu(root, 4), -1);
    for (uint32_t cpu = 0; cpu < 4; cpu++) {
        (void)snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/cpu%u/node%u", root, cpu,
                       cpu % 2);
        (void)rmdir(path);
        (void)snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/cpu%u", root, cpu);
        (void)rmdir(path);
    }
    for (size_t i = ARRAY_SIZE(parts); i > 0; i--) {
        (void)snprintf(path, sizeof(path), "%s%s", root, parts[i - 1]);
        (void)rmdir(path);
    }
    assert_int_equal(rmdir(root), 0);
}

static void expect_policy(int mode, unsigned long nodes)
{
    int now = -1;
    unsigned long set[16] = {0};
    assert_int_equal(syscall(SYS_get_mempolicy, &now, set, 8 * sizeof(set), NULL, 0), 0);
    assert_int_equal(now, mode);
    assert_int_equal(set[0], nodes);
}

static void a_node_is_preferred_until_what_was_found_is_restored(void **state)
{
    (void)state;
    const unsigned long first = 1;
    int mode = -1;
    unsigned long set[16] = {0};
    if (syscall(SYS_get_mempolicy, &mode, set, 8 * sizeof(set), NULL, 0) != 0) {
        skip(); /* A kernel without NUMA. */
    }
    for (uint32_t bound = 0; bound < 2; bound++) { /* Then as numactl --membind=0 leaves it. */
        const int policy = bound == 0 ? MPOL_DEFAULT : MPOL_BIND;
        assert_int_equal(syscall(SYS_set_mempolicy, policy, bound == 0 ? NULL : &first, bound * 65),
                         0);
        struct memory_policy found = memory_prefer_node(0);
        expect_policy(MPOL_PREFERRED, first);
        memory_policy_restore(&found);
        expect_policy(policy, bound);
        found = memory_prefer_node(-1);
        expect_policy(policy, bound);
        memory_policy_restore(&found);
        expect_policy(policy, bound);
    }
    struct memory_area area; /* A node that is not there costs nothing but its nearness. */
    const struct memory_policy found = memory_prefer_node(63);
    assert_int_equal(memory_take(&area, 4 << 20, MEMORY_PAGES_ANY), 0);
    memory_policy_restore(&found);
    memory_give(&area);
    assert_int_equal(syscall(SYS_set_mempolicy, mode, set, 8 * sizeof(set)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_area_is_zero_whole_pages_and_writable),
        cmocka_unit_test(what_cannot_be_had_is_an_error_value),
        cmocka_unit_test(parts_are_aligned_do_not_overlap_and_end),
        cmocka_unit_test(the_node_of_a_cpu_is_read_from_the_hosts_tree),
        cmocka_unit_test(a_node_is_preferred_until_what_was_found_is_restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
