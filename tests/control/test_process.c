#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/process.h"

enum { SERVED_MS_MAX = 30 * 1000 };

static char directory[] = "/tmp/millrace-process-XXXXXX";
static struct settings settings;
static struct settings_problems problems;

/* HOST:PORT with a port that is free just now. */
static const char *free_address(void)
{
    static char address[32];
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    (void)close(fd);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(name.sin_port));
    return address;
}

/* Until HTTP is served at "127.0.0.1:PORT". */
static void until_served(const char *address)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port =
                                       htons((uint16_t)strtoul(strchr(address, ':') + 1, NULL, 10)),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (uint32_t i = 0; i < SERVED_MS_MAX; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int result = connect(fd, (const struct sockaddr *)&to, sizeof(to));
        (void)close(fd);
        if (result == 0) {
            return;
        }
        (void)usleep(1000);
    }
    fail_msg("HTTP is not served at %s", address);
}

/* Runs the process in a child, with its stderr in a file; signal_number 0: it ends by itself. */
static int run(const char *const *argv, int argc, int signal_number, char *last_line, size_t bytes)
{
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/stderr", directory);
    const pid_t child = fork();
    if (child == 0) {
        char *environment[] = {NULL};
        const struct settings_input input = {.argc = argc,
                                             .argv = (char *const *)(uintptr_t)argv,
                                             .environment = environment,
                                             .program_dir = "/nowhere"};
        if (freopen(path, "w", stderr) == NULL || !settings_load(&settings, &input, &problems)) {
            _exit(99);
        }
        const int status = process_run(&settings);
        settings_free(&settings);
        (void)fflush(stderr);
        _exit(status);
    }
    int status = -1;
    if (signal_number != 0) {
        until_served(argv[3]);                                 /* By then it takes signals. */
        assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* It waits for a dataplane. */
        assert_int_equal(kill(child, signal_number), 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    FILE *file = fopen(path, "r");
    char line[500] = "";
    last_line[0] = '\0';
    while (fgets(line, sizeof(line), file) != NULL) {
        (void)snprintf(last_line, bytes, "%s", line);
    }
    (void)fclose(file);
    return WEXITSTATUS(status);
}

static void it_waits_for_a_dataplane_and_stops_in_order(void **state)
{
    (void)state;
    char line[500];
    const char *const argv[] = {"--data", directory, "--http", free_address()};
    assert_int_equal(run(argv, 4, SIGTERM, line, sizeof(line)), 0);
    assert_int_equal(run(argv, 4, SIGINT, line, sizeof(line)), 0);
}

static void an_http_address_that_is_not_ours_fails_the_start(void **state)
{
    (void)state;
    char line[500];
    const char *const argv[] = {"--data", directory, "--http", "203.0.113.1:9644", "--insecure"};
    assert_int_equal(run(argv, 5, 0, line, sizeof(line)), EXIT_FAILURE);
    assert_non_null(strstr(line, "cannot serve HTTP"));
}

int main(void)
{
    if (mkdtemp(directory) == NULL) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_waits_for_a_dataplane_and_stops_in_order),
        cmocka_unit_test(an_http_address_that_is_not_ours_fails_the_start),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/stderr", directory);
    (void)unlink(path);
    (void)rmdir(directory);
    return failed;
}
