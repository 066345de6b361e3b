/* Data directories at the start: whose they are, what lies in them, what is left of a crash. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/checkpoint_files.h"
#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

struct world {
    struct sim_machine *machine;
    struct sim_process *process;
    struct file_system *fs;
    struct data_directory directory;
    char reason[512];
};

static void world_make(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->machine =
        sim_machine_create(&(struct sim_options){.seed = 3, .boundaries_unrecorded = true});
    world->process = sim_process_start(world->machine);
    world->fs = sim_process_files(world->process);
}

static enum directory_status open_as(struct world *world, const char *path, const char *cluster_id,
                                     int32_t node_id)
{
    world->reason[0] = '\0';
    return data_directory_open(world->fs, path, cluster_id, node_id, 1, 0, &world->directory,
                               world->reason, sizeof(world->reason));
}

static void world_free(struct world *world)
{
    data_directory_close(world->fs, &world->directory);
    sim_process_end(world->process);
    sim_machine_destroy(world->machine);
}

static void put(struct file_system *fs, const char *path, const char *content)
{
    assert_int_equal(file_replace(fs, path, content, strlen(content), true), 0);
}

static void a_directory_is_made_and_known_again(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    assert_int_equal(open_as(&world, "/a/deep/place", "", 4), DIRECTORY_OK);
    char cluster_id[64];
    memcpy(cluster_id, world.directory.cluster_id, sizeof(cluster_id));
    const struct uuid id = world.directory.directory_id;
    assert_false(uuid_is_zero(id));
    data_directory_close(world.fs, &world.directory);
    sim_machine_power_cut(world.machine); /* It was durable. */
    sim_process_end(world.process);
    world.process = sim_process_start(world.machine);
    world.fs = sim_process_files(world.process);
    assert_int_equal(open_as(&world, "/a/deep/place", cluster_id, 4), DIRECTORY_OK);
    assert_true(uuid_equal(world.directory.directory_id, id));
    assert_false(world.directory.clean);
    assert_int_equal(data_directory_mark_clean(world.fs, &world.directory), DIRECTORY_OK);
    data_directory_close(world.fs, &world.directory);
    assert_int_equal(open_as(&world, "/a/deep/place", "", 4), DIRECTORY_OK);
    assert_true(world.directory.clean);
    data_directory_close(world.fs, &world.directory);
    assert_int_equal(open_as(&world, "/a/deep/place", "", 4), DIRECTORY_OK);
    assert_false(world.directory.clean); /* It counts once. */
    world_free(&world);
}

static void H3_a_directory_in_use_is_refused_whatever_files_lie_there(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    assert_int_equal(open_as(&world, "/data", "", 1), DIRECTORY_OK);
    struct sim_process *other = sim_process_start(world.machine);
    struct data_directory second;
    char reason[256];
    assert_int_equal(data_directory_open(sim_process_files(other), "/data", "", 1, 2, 0, &second,
                                         reason, sizeof(reason)),
                     DIRECTORY_IN_USE);
    assert_non_null(strstr(reason, "in use"));
    sim_process_end(world.process); /* The lock file stays; the lock does not. */
    world.process = other;
    world.fs = sim_process_files(other);
    assert_int_equal(open_as(&world, "/data", "", 1), DIRECTORY_OK);
    world_free(&world);
}

enum { LOG_BYTES = 16384 };

static void log_bytes(struct rig *rig, uint8_t bytes[LOG_BYTES])
{
    struct sim_process *reader = sim_process_start(rig->machine);
    struct file_system *fs = sim_process_files(reader);
    const int fd = file_open(fs, "/data0/orders-0/00000000000000000000.log", FILE_READ);
    assert_true(fd >= 0);
    memset(bytes, 0, LOG_BYTES);
    assert_true(file_read(fs, fd, bytes, LOG_BYTES, 0) > 0);
    file_close(fs, fd);
    sim_process_end(reader);
}

/* Whatever was under way has changed the file before a start reads it, or never will. */
static void H3_a_start_waits_for_the_last_write_of_the_dead(void **state)
{
    (void)state;
    static struct rig rig;
    static uint8_t at_death[LOG_BYTES];
    static uint8_t at_start[LOG_BYTES];
    static uint8_t at_last[LOG_BYTES];
    uint32_t landed_count = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig_options options = rig_options(seed);
        options.sim.late_max_ns = 500000000;
        rig_create(&rig, &options);
        assert_int_equal(rig_append_wait(&rig, &(struct rig_batch){.records = 1})->append.status,
                         LOG_OK);
        (void)rig_put(&rig, 6000, APPEND_ACK_WRITTEN);
        (void)log_submit_turn(rig.log, sim_machine_now_ns(rig.machine));
        sim_machine_advance(rig.machine, sim_machine_now_ns(rig.machine)); /* It is under way. */
        rig_kill(&rig);
        log_bytes(&rig, at_death);
        assert_true(rig_start(&rig));
        log_bytes(&rig, at_start);
        sim_machine_advance(rig.machine, sim_machine_now_ns(rig.machine) + 2000000000);
        log_bytes(&rig, at_last);
        assert_memory_equal(at_start, at_last, LOG_BYTES);
        landed_count += memcmp(at_death, at_start, LOG_BYTES) != 0;
        rig_kill(&rig);
        rig_destroy(&rig);
    }
    assert_true(landed_count > 5);
}

static void what_belongs_to_others_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *meta; /* NULL: none. */
        const char *other_file;
        const char *cluster_id;
        int32_t node_id;
        enum directory_status status;
        const char *word;
    } cases[] = {
        {"another cluster", "version=1\ncluster.id=theirs\nnode.id=1\n", NULL, "ours", 1,
         DIRECTORY_WRONG_CLUSTER, "theirs"},
        {"another node", "version=1\ncluster.id=ours\nnode.id=7\n", NULL, "ours", 1,
         DIRECTORY_WRONG_CLUSTER, "node 7"},
        {"a later format", "version=9\ncluster.id=ours\nnode.id=1\n", NULL, "ours", 1,
         DIRECTORY_FOREIGN_FORMAT, "line 1"},
        {"an older format", "version=0\nbroker.id=1\n", NULL, "", 1, DIRECTORY_FOREIGN_FORMAT,
         "version"},
        {"a torn file", "version=1\ncluster.id=ou", NULL, "ours", 1, DIRECTORY_FOREIGN_FORMAT,
         "meta.properties"},
        {"an empty file", "", NULL, "ours", 1, DIRECTORY_FOREIGN_FORMAT, "meta.properties"},
        {"somebody's files", NULL, "/data/diary.txt", "", 1, DIRECTORY_NOT_EMPTY, "diary.txt"},
        {"ours", "version=1\ncluster.id=ours\nnode.id=1\n", "/data/diary.txt", "ours", 1,
         DIRECTORY_OK, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct world world;
        world_make(&world);
        assert_int_equal(file_make_directory(world.fs, "/data"), 0);
        if (cases[i].meta != NULL) {
            put(world.fs, "/data/meta.properties", cases[i].meta);
        }
        if (cases[i].other_file != NULL) {
            put(world.fs, cases[i].other_file, "dear diary");
        }
        const enum directory_status judged =
            data_directory_check(world.fs, "/data", cases[i].cluster_id, cases[i].node_id,
                                 &world.directory, world.reason, sizeof(world.reason));
        assert_int_equal(judged, cases[i].status);
        assert_int_equal(file_open(world.fs, "/data/.lock", FILE_READ), -ENOENT);
        const enum directory_status status =
            open_as(&world, "/data", cases[i].cluster_id, cases[i].node_id);
        if (status != DIRECTORY_OK) { /* It is left as it was. */
            assert_int_equal(file_open(world.fs, "/data/.lock", FILE_READ), -ENOENT);
        }
        if (status != cases[i].status || strstr(world.reason, cases[i].word) == NULL) {
            (void)fprintf(stderr, "%s: %d %s\n", cases[i].name, status, world.reason);
        }
        assert_int_equal(status, cases[i].status);
        assert_non_null(strstr(world.reason, cases[i].word));
        world_free(&world);
    }
}

static void an_id_that_cannot_be_read_is_told_from_none(void **state)
{
    (void)state;
    struct world world;
    struct found_partition *found;
    const struct sim_fault fault = {.operation = SIM_READ, .error = EIO, .path = "partition.meta"};
    world_make(&world);
    assert_int_equal(open_as(&world, "/data", "", 1), DIRECTORY_OK);
    assert_int_equal(file_make_directory(world.fs, "/data/orders-0"), 0);
    put(world.fs, "/data/orders-0/partition.metadata",
        "version: 0\ntopic_id: XJ5QyTzOQR2vTCCY-oiSUg\n");
    sim_machine_add_fault(world.machine, &fault);
    assert_int_equal(data_directory_list(world.fs, &world.directory, &found), 1);
    assert_false(found[0].has_id);
    assert_int_equal(found[0].id_error, -EIO);
    free(found);
    sim_machine_clear_faults(world.machine);
    assert_int_equal(data_directory_list(world.fs, &world.directory, &found), 1);
    assert_true(found[0].has_id && found[0].id_error == 0);
    free(found);
    world_free(&world);
}

static void marked_directories_are_deleted_or_left_alone(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    assert_int_equal(open_as(&world, "/data", "", 1), DIRECTORY_OK);
    static const char *const names[] = {
        "/data/orders-0",
        "/data/orders-1.00112233445566778899aabbccddeeff-delete",
        "/data/orders-2.00112233445566778899aabbccddeeff-stray",
        "/data/orders-3.00112233445566778899aabbccddeeff-future",
        "/data/no partition",
        "/data/__cluster_metadata-0",
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[128];
        assert_int_equal(file_make_directory(world.fs, names[i]), 0);
        (void)snprintf(path, sizeof(path), "%s/00000000000000000000.log", names[i]);
        put(world.fs, path, "x");
    }
    struct found_partition *found;
    assert_int_equal(data_directory_list(world.fs, &world.directory, &found), 1);
    assert_string_equal(found[0].name, "orders-0");
    assert_false(found[0].has_id);
    assert_int_equal(found[0].id_error, 0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/00000000000000000000.log", names[i]);
        assert_int_equal(sim_machine_file_size(world.machine, path) >= 0, i != 1);
    }
    assert_int_equal(data_directory_set_stray(world.fs, &world.directory, &found[0]), LOG_OK);
    free(found);
    assert_int_equal(data_directory_list(world.fs, &world.directory, &found), 0);
    free(found);
    world_free(&world);
}

static void fill(struct rig *rig, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)rig_append_wait(rig, &(struct rig_batch){.partition = i % rig->options.partitions,
                                                       .records = 1,
                                                       .value_bytes = 9000,
                                                       .ack = APPEND_ACK_FLUSHED});
    }
    rig_settle(rig);
}

static int64_t offset_in(struct rig *rig, const char *path, int32_t partition)
{
    uint32_t len;
    uint8_t *file = rig_file(rig, path, &len);
    assert_non_null(file);
    struct checkpoint_reader reader;
    struct checkpoint_offset entry;
    int64_t offset = -1;
    assert_int_equal(checkpoint_open(&reader, (struct bytes){file, len}), CHECKPOINT_OK);
    enum checkpoint_status status;
    while ((status = checkpoint_next_offset(&reader, &entry)) == CHECKPOINT_OK) {
        if (entry.partition == partition) {
            offset = entry.offset;
        }
    }
    assert_int_equal(status, CHECKPOINT_END);
    free(file);
    return offset;
}

static void a_stop_in_order_leaves_kafkas_checkpoint_files(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.partitions = 3;
    rig_create(&rig, &options);
    fill(&rig, 20);
    struct log_operation operation = {.offset = 3};
    assert_int_equal(log_delete_records(rig.log, rig.partitions[1], &operation), LOG_PENDING);
    rig_settle(&rig);
    (void)log_operation_done(rig.log);
    rig_stop(&rig);
    static const int64_t ends[] = {7, 7, 6};
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(offset_in(&rig, "/data0/recovery-point-offset-checkpoint", i), ends[i]);
        assert_int_equal(offset_in(&rig, "/data0/log-start-offset-checkpoint", i), i == 1 ? 3 : 0);
    }
    assert_true(rig_start(&rig));
    rig_check_after(&rig, false);
    rig_destroy(&rig);
}

/* As a directory made by Kafka: no mark of ours in the partition. */
static void kafkas_log_start_counts_after_a_stop_in_order_only(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint32_t clean = 0; clean < 2; clean++) {
        const struct rig_options options = rig_options(clean);
        rig_create(&rig, &options);
        fill(&rig, 20);
        struct log_operation operation = {.offset = 5};
        assert_int_equal(log_delete_records(rig.log, rig.partitions[0], &operation), LOG_PENDING);
        rig_settle(&rig);
        (void)log_operation_done(rig.log);
        rig_stop(&rig);
        rig.process = sim_process_start(rig.machine);
        rig.fs = sim_process_files(rig.process);
        assert_int_equal(file_unlink(rig.fs, "/data0/orders-0/millrace.checkpoint"), 0);
        if (clean == 0) {
            assert_int_equal(file_unlink(rig.fs, "/data0/.kafka_cleanshutdown"), 0);
        }
        sim_process_end(rig.process);
        assert_true(rig_start(&rig));
        assert_int_equal(partition_log_start(rig.partitions[0]), clean == 1 ? 5 : 0);
        assert_int_equal(partition_end(rig.partitions[0]), 20);
        rig_check_after(&rig, false);
        rig_destroy(&rig);
    }
}

static void leftovers_of_a_crash_are_removed_and_what_is_foreign_stays(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(2);
    options.config.segment_bytes = 40000;
    rig_create(&rig, &options);
    fill(&rig, 20);
    static const struct {
        const char *name;
        bool stays;
    } files[] = {
        {"00000000000000000000.log.deleted", false},
        {"00000000000000000003.index.deleted", false},
        {"00000000000000000003.snapshot.deleted", false},
        {"00000000000000000003.producers.deleted", false},
        {"00000000000000000000.log.cleaned", false},
        {"00000000000000000000.timeindex.cleaned", false},
        {"millrace.checkpoint.tmp", false},
        {"leader-epoch-checkpoint.tmp", false},
        {"millrace.next", false},
        {"00000000000000000999.snapshot", false}, /* Behind the end of the log. */
        {"00000000000000000001.producers", false},
        {"notes.txt", true},
        {"0000000000000000000.log", true}, /* One digit short: not a segment. */
    };
    char path[128];
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        (void)snprintf(path, sizeof(path), "/data0/orders-0/%s", files[i].name);
        put(rig.fs, path, "left");
    }
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        (void)snprintf(path, sizeof(path), "/data0/orders-0/%s", files[i].name);
        if ((sim_machine_file_size(rig.machine, path) >= 0) != files[i].stays) {
            (void)fprintf(stderr, "%s\n", files[i].name);
        }
        assert_int_equal(sim_machine_file_size(rig.machine, path) >= 0, files[i].stays);
    }
    rig_check_after(&rig, false);
    assert_int_equal(partition_end(rig.partitions[0]), 20);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_is_made_and_known_again),
        cmocka_unit_test(H3_a_directory_in_use_is_refused_whatever_files_lie_there),
        cmocka_unit_test(H3_a_start_waits_for_the_last_write_of_the_dead),
        cmocka_unit_test(what_belongs_to_others_is_refused_with_the_reason),
        cmocka_unit_test(an_id_that_cannot_be_read_is_told_from_none),
        cmocka_unit_test(marked_directories_are_deleted_or_left_alone),
        cmocka_unit_test(a_stop_in_order_leaves_kafkas_checkpoint_files),
        cmocka_unit_test(kafkas_log_start_counts_after_a_stop_in_order_only),
        cmocka_unit_test(leftovers_of_a_crash_are_removed_and_what_is_foreign_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
