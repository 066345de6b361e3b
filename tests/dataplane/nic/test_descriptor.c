#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/nic/descriptor.h"

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

static void sockets_are_told_by_their_family_and_order(void **state)
{
    (void)state;
    int fds[3];
    assert_int_equal(descriptor_of_family(AF_UNIX, 0, 1), -1);
    for (uint32_t i = 0; i < 3; i++) {
        fds[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
        assert_true(fds[i] >= 0);
    }
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(descriptor_of_family(AF_UNIX, i, 3), fds[i]);
    }
    assert_int_equal(descriptor_of_family(AF_UNIX, 0, 2), -1); /* One is somebody else's. */
    assert_int_equal(descriptor_of_family(AF_INET6, 0, 1), -1);
    for (uint32_t i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

/* As net_tap leaves its descriptor. */
static void a_descriptor_that_raised_signals_is_quiet_and_its_handler_told(void **state)
{
    (void)state;
    int ends[2];
    void (*handler)(int) = NULL;
    int number = 0;
    const struct sigaction action = {.sa_handler = on_signal};
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    descriptor_quiet(ends[0], &handler, &number); /* It raises none. */
    assert_null(handler);
    assert_int_equal(sigaction(SIGRTMIN + 3, &action, NULL), 0);
    assert_int_equal(fcntl(ends[0], F_SETSIG, SIGRTMIN + 3), 0);
    assert_int_equal(fcntl(ends[0], F_SETOWN, getpid()), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(signals, 1);
    descriptor_quiet(ends[0], &handler, &number);
    assert_ptr_equal(handler, on_signal);
    assert_int_equal(number, SIGRTMIN + 3);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(signals, 1);
    assert_true(fcntl(ends[0], F_GETFL) & O_NONBLOCK); /* And nothing else is changed. */
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_told_by_their_family_and_order),
        cmocka_unit_test(a_descriptor_that_raised_signals_is_quiet_and_its_handler_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
