#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storage/io/file.h"
#include "storage/io/probe.h"

static int count_entry(void *context, const struct file_entry *entry)
{
    (void)entry;
    (*(uint32_t *)context)++;
    return 0;
}

static void a_writable_directory_is_described_and_left_clean(void **state)
{
    (void)state;
    char directory[] = "/tmp/millrace-probe-XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct io_probe probe;
    io_probe_run(&(struct io_probe_options){.directory = directory,
                                            .memory_bytes = 1 << 20,
                                            .flush_rounds = 3},
                 &probe);
    assert_true(probe.ring_works);
    assert_int_equal(probe.ring_error, 0);
    assert_int_equal(probe.directory_error, 0);
    assert_true(strlen(probe.file_system) > 0);
    assert_true(strlen(probe.kernel_release) > 0);
    assert_true(probe.total_bytes >= probe.free_bytes);
    assert_true(probe.direct || !probe.direct_fits);
    assert_true(probe.durable_write);
    assert_true(probe.write_ns > 0 && probe.durable_write_ns > 0 && probe.flush_ns > 0);
    assert_int_equal(probe.memory_registers, probe.features.registered_memory);
    struct file_system *fs = file_system_real(0);
    uint32_t count = 0;
    assert_int_equal(file_list(fs, directory, count_entry, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(file_remove_directory(fs, directory), 0);
    free(fs);
}

static void a_missing_directory_is_told_by_its_errno(void **state)
{
    (void)state;
    struct io_probe probe;
    io_probe_run(&(struct io_probe_options){.directory = "/nowhere/at/all", .linux_6_1_only = true},
                 &probe);
    assert_int_equal(probe.directory_error, ENOENT);
    assert_true(probe.ring_works);
    assert_false(probe.features.receive_bundle);
    assert_false(probe.memory_registers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writable_directory_is_described_and_left_clean),
        cmocka_unit_test(a_missing_directory_is_told_by_its_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
