#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/usage.h"

/* Works for so long as the kernel counts it. */
static void work(double seconds)
{
    struct usage before;
    struct usage now;
    const struct bench_options none = {0};
    usage_read(&before, &none);
    do {
        usage_read(&now, &none);
    } while (now.load_seconds - before.load_seconds < seconds);
}

static void own_work_is_the_loads_and_in_the_busy_time(void **state)
{
    (void)state;
    const struct bench_options none = {0};
    struct usage before;
    struct usage after;
    usage_read(&before, &none);
    work(0.1);
    usage_read(&after, &none);
    assert_true(after.load_seconds - before.load_seconds >= 0.1);
    /* The kernel counts the busy time in hundredths. */
    assert_true(after.busy_seconds - before.busy_seconds >= 0.05);
    assert_true(after.at_ns - before.at_ns >= 100000000);
}

static void the_processes_named_are_counted_and_no_other(void **state)
{
    (void)state;
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        work(0.2);
        (void)!write(pipe_ends[1], "x", 1);
        (void)pause();
        _exit(0);
    }
    char byte;
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    const struct bench_options one = {.pids = {child}, .pid_count = 1};
    const struct bench_options none = {0};
    struct usage usage;
    usage_read(&usage, &one);
    assert_true(usage.pid_seconds >= 0.15);
    usage_read(&usage, &none);
    assert_true(usage.pid_seconds == 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    usage_read(&usage, &one); /* Gone: nothing, and no failure. */
    assert_true(usage.pid_seconds == 0);
}

static void bytes_reach_the_device_or_it_is_said_that_nobody_knows(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    char path[] = "/var/tmp/millrace-usage-XXXXXX";
    const int fd = mkstemp(path);
    static char bytes[BYTES];
    const struct bench_options options = {.data_path = path};
    const struct bench_options nowhere = {.data_path = "/proc/self"};
    struct usage before;
    struct usage after;
    usage_read(&before, &nowhere);
    assert_false(before.has_device);
    usage_read(&before, &options);
    memset(bytes, 1, sizeof(bytes));
    assert_int_equal(write(fd, bytes, BYTES), BYTES);
    assert_int_equal(fsync(fd), 0);
    usage_read(&after, &options);
    assert_int_equal(before.has_device, after.has_device);
    if (after.has_device) { /* Not so on tmpfs and overlay. */
        assert_true(after.device_bytes_written - before.device_bytes_written >= BYTES);
    }
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_work_is_the_loads_and_in_the_busy_time),
        cmocka_unit_test(the_processes_named_are_counted_and_no_other),
        cmocka_unit_test(bytes_reach_the_device_or_it_is_said_that_nobody_knows),
    };
    return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
