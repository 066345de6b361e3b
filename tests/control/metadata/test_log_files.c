#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "control/metadata/log_files.h"
#include "tests/sim/sim_machine.h"

static void names_are_written_and_parsed(void **state)
{
    (void)state;
    char name[LOG_NAME_BYTES];
    int64_t base = -1;
    struct checkpoint_name checkpoint = {0};
    log_segment_name_write(name, 42);
    assert_string_equal(name, "00000000000000000042.log");
    assert_true(log_segment_name_parse(name, &base));
    assert_int_equal(base, 42);
    log_checkpoint_name_write(name, &(struct checkpoint_name){7, 3});
    assert_string_equal(name, "00000000000000000007-0000000003.checkpoint");
    assert_true(log_checkpoint_name_parse(name, &checkpoint));
    assert_int_equal(checkpoint.end_offset, 7);
    assert_int_equal(checkpoint.epoch, 3);
}

static void other_names_are_not_ours(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        "quorum-state",
                                        "00000000000000000042.log.tmp",
                                        "0000000000000000042.log",
                                        "-0000000000000000042.log",
                                        "0000000000000000004x.log",
                                        "99999999999999999999.log",
                                        "00000000000000000007-0000000003.checkpoint.tmp",
                                        "00000000000000000007-9999999999.checkpoint",
                                        "00000000000000000007-000000000.checkpoint",
                                        "00000000000000000007.checkpoint"};
    for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
        int64_t base;
        struct checkpoint_name checkpoint;
        assert_false(log_segment_name_parse(names[i], &base));
        assert_false(log_checkpoint_name_parse(names[i], &checkpoint));
    }
}

static void a_directory_is_listed_in_order(void **state)
{
    (void)state;
    const struct sim_options options = {.seed = 3};
    struct sim_machine *machine = sim_machine_create(&options);
    struct sim_process *process = sim_process_start(machine);
    struct metadata_log log = {.files = sim_process_files(process), .directory = "/m"};
    assert_int_equal(file_make_directory(log.files, "/m"), 0);
    static const char *const files[] = {"00000000000000000300.log", "00000000000000000000.log",
                                        "00000000000000000100-0000000002.checkpoint",
                                        "00000000000000000020-0000000001.checkpoint", ".lock"};
    for (uint32_t i = 0; i < ARRAY_SIZE(files); i++) {
        char path[METADATA_PATH_BYTES];
        log_path(&log, path, files[i]);
        const int file = file_open(log.files, path, FILE_WRITE | FILE_CREATE);
        assert_true(file >= 0);
        file_close(log.files, file);
    }
    struct log_names *names = calloc(1, sizeof(*names));
    assert_int_equal(log_names_list(&log, names), 0);
    assert_int_equal(names->segment_count, 2);
    assert_int_equal(names->segments[1], 300);
    assert_int_equal(names->checkpoint_count, 2);
    assert_int_equal(names->checkpoints[0].end_offset, 20);
    log_file_remove(&log, files[0]);
    assert_int_equal(log_names_list(&log, names), 0);
    assert_int_equal(names->segment_count, 1);
    free(names);
    sim_machine_destroy(machine);
}

static void the_quorum_state_is_what_kafka_writes(void **state)
{
    (void)state;
    const struct sim_options options = {.seed = 3};
    struct sim_machine *machine = sim_machine_create(&options);
    struct sim_process *process = sim_process_start(machine);
    _Atomic uint32_t flushes_failed = 0;
    struct metadata_log log = {.flushes_failed = &flushes_failed,
                               .files = sim_process_files(process),
                               .directory = "/m",
                               .node_id = 5,
                               .epoch = 9};
    int32_t epoch = 4;
    assert_int_equal(file_make_directory(log.files, "/m"), 0);
    assert_int_equal(quorum_state_read(&log, &epoch), 0);
    assert_int_equal(epoch, 4); /* Absent: untouched. */
    assert_int_equal(quorum_state_write(&log), 0);
    assert_int_equal(quorum_state_read(&log, &epoch), 0);
    assert_int_equal(epoch, 9);
    char content[512] = {0};
    assert_true(file_read_all(log.files, "/m/quorum-state", content, sizeof(content)) > 0);
    assert_string_equal(content, "{\"clusterId\":\"\",\"leaderId\":5,\"leaderEpoch\":9,"
                                 "\"votedId\":-1,\"appliedOffset\":0,"
                                 "\"currentVoters\":[{\"voterId\":5}],\"data_version\":0}");
    assert_int_equal(file_replace(log.files, "/m/quorum-state", "{\"leaderEp", 10, true), 0);
    epoch = 4;
    assert_int_equal(quorum_state_read(&log, &epoch), 0);
    assert_int_equal(epoch, 4); /* Damaged: the batches say enough. */
    sim_machine_destroy(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_written_and_parsed),
        cmocka_unit_test(other_names_are_not_ours),
        cmocka_unit_test(a_directory_is_listed_in_order),
        cmocka_unit_test(the_quorum_state_is_what_kafka_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
