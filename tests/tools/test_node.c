#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/node.h"

static char directory[64];

static int make(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/node-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int clear(void **state)
{
    (void)state;
    char command[100];
    (void)snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command); /* NOLINT(cert-env33-c) */
}

static void a_process_is_known_by_its_id_and_its_start(void **state)
{
    (void)state;
    struct node_process me = {.pid = getpid(), .start_ticks = node_process_start(getpid())};
    assert_true(me.start_ticks > 0);
    assert_true(node_process_alive(&me));
    me.start_ticks++;
    assert_false(node_process_alive(&me));
    assert_int_equal(node_process_start(0), 0);
    assert_int_equal(node_process_start(-1), 0);
}

static void a_corpse_is_not_alive(void **state)
{
    (void)state;
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(node_process_start(pid), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void the_state_reads_back_as_written(void **state)
{
    (void)state;
    static struct node_state wrote;
    static struct node_state got;
    wrote = (struct node_state){
        .supervisor = {"millrace", 12, 34, 0},
        .process = {{"millrace-dataplane", 56, 78, 2}, {"millrace-control", 90, 1234567890123, 1}},
        .bootstrap = "127.0.0.1:9092",
        .http = "[::1]:9644",
        .network_path = "sockets",
        .profile = "/p \"quoted\".yaml",
        .data = {"/one", "/two"},
        .data_count = 2};
    assert_true(node_state_write(directory, &wrote));
    assert_true(node_state_read(directory, &got));
    assert_memory_equal(&got, &wrote, sizeof(got));
    node_state_remove(directory);
    assert_false(node_state_read(directory, &got));
}

static void a_torn_state_is_no_state(void **state)
{
    (void)state;
    static struct node_state got;
    static const char *const torn[] = {"", "{", "[]", "{\"processes\": [{}, {}]}",
                                       "{\"processes\": 3}"};
    char path[100];
    (void)snprintf(path, sizeof(path), "%s/state.json", directory);
    for (size_t i = 0; i < ARRAY_SIZE(torn); i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs(torn[i], file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_false(node_state_read(directory, &got));
    }
}

static void directories_are_made_with_their_parents(void **state)
{
    (void)state;
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/a/b/c", directory);
    assert_true(node_make_directory(path));
    assert_true(node_make_directory(path));
    assert_false(node_make_directory("/proc/nothing/here"));
    assert_false(node_make_directory(""));
}

static void the_last_line_with_text_is_the_reason(void **state)
{
    (void)state;
    char path[100];
    char line[64];
    (void)snprintf(path, sizeof(path), "%s/log", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("before\nthe reason\n\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    node_last_line(path, 0, line, sizeof(line));
    assert_string_equal(line, "the reason");
    node_last_line(path, 18, line, sizeof(line));
    assert_string_equal(line, "");
    node_last_line("/nonexistent", 0, line, sizeof(line));
    assert_string_equal(line, "");
}

static void nobody_at_the_port_is_not_ready(void **state)
{
    (void)state;
    char why[200];
    const struct host_port nowhere = {"127.0.0.1", 1};
    assert_false(node_ready(&nowhere, 1, why));
    assert_non_null(strstr(why, "http://127.0.0.1:1/readyz"));
}

static void json_holds_what_scripts_read(void **state)
{
    (void)state;
    static struct node_state node;
    node = (struct node_state){
        .bootstrap = "h:1", .network_path = "sockets", .data = {"/d"}, .data_count = 1};
    node.process[0] =
        (struct node_process){"millrace-dataplane", getpid(), node_process_start(getpid()), 1};
    json_t *json = node_json(&node, true, "");
    assert_true(json_is_true(json_object_get(json, "ready")));
    assert_string_equal(json_string_value(json_object_get(json, "bootstrap")), "h:1");
    assert_string_equal(json_string_value(json_object_get(json, "network_path")), "sockets");
    const json_t *processes = json_object_get(json, "processes");
    assert_int_equal(json_array_size(processes), 1); /* The one that is alive. */
    const json_t *one = json_array_get(processes, 0);
    assert_string_equal(json_string_value(json_object_get(one, "name")), "millrace-dataplane");
    assert_int_equal(json_integer_value(json_object_get(one, "pid")), getpid());
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_is_known_by_its_id_and_its_start),
        cmocka_unit_test(a_corpse_is_not_alive),
        cmocka_unit_test_setup_teardown(the_state_reads_back_as_written, make, clear),
        cmocka_unit_test_setup_teardown(a_torn_state_is_no_state, make, clear),
        cmocka_unit_test_setup_teardown(directories_are_made_with_their_parents, make, clear),
        cmocka_unit_test_setup_teardown(the_last_line_with_text_is_the_reason, make, clear),
        cmocka_unit_test(nobody_at_the_port_is_not_ready),
        cmocka_unit_test(json_holds_what_scripts_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
