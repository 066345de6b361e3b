/* The order of a start: what is refused, what is fenced, what is adopted, what is set aside. The
 * directories and logs are the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/recover.h"

enum {
    DIRECTORIES = 3,
    FOUND_MAX = 200,
};

struct recovered_partition {
    struct partition_id id;
};

struct partition {
    int unused;
};

struct log {
    struct partition_id adopted[FOUND_MAX];
    uint16_t directories[FOUND_MAX];
    uint32_t count;
};

/* What the made-up machine holds and what was done to it. */
static struct {
    enum directory_status status[DIRECTORIES];
    const char *cluster[DIRECTORIES];
    char wanted_cluster[DIRECTORIES][64];
    bool open[DIRECTORIES];
    bool clean[DIRECTORIES];
    int64_t list_error[DIRECTORIES];
    struct found_partition found[DIRECTORIES][FOUND_MAX];
    uint32_t found_count[DIRECTORIES];
    uint32_t strays[DIRECTORIES];
    _Atomic uint32_t recovered;
    _Atomic uint32_t live; /* Recovered partitions that exist. */
    uint32_t unreadable;   /* Partition index that cannot be recovered. */
    uint32_t fresh;        /* Partition index that nothing was ever in. */
} machine;

static uint32_t directory_index(const struct data_directory *directory)
{
    return (uint32_t)(directory->path[0] - 'a');
}

enum directory_status data_directory_open(struct file_system *fs, const char *path,
                                          const char *cluster_id, int32_t node_id, uint64_t seed,
                                          uint32_t lock_wait_ms, struct data_directory *directory,
                                          char *reason, size_t reason_bytes)
{
    (void)fs;
    (void)seed;
    (void)lock_wait_ms;
    assert_int_equal(node_id, 7);
    const uint32_t index = (uint32_t)(path[0] - 'a');
    (void)snprintf(machine.wanted_cluster[index], 64, "%s", cluster_id);
    (void)snprintf(directory->path, sizeof(directory->path), "%s", path);
    (void)snprintf(directory->cluster_id, sizeof(directory->cluster_id), "%s",
                   machine.cluster[index]);
    (void)snprintf(reason, reason_bytes, "made up for %s", path);
    machine.open[index] = machine.status[index] == DIRECTORY_OK;
    return machine.status[index];
}

void data_directory_close(struct file_system *fs, struct data_directory *directory)
{
    (void)fs;
    assert_true(machine.open[directory_index(directory)]);
    machine.open[directory_index(directory)] = false;
}

enum directory_status data_directory_mark_clean(struct file_system *fs,
                                                const struct data_directory *directory)
{
    (void)fs;
    assert_true(machine.open[directory_index(directory)]);
    machine.clean[directory_index(directory)] = true;
    return DIRECTORY_OK;
}

int64_t data_directory_list(struct file_system *fs, const struct data_directory *directory,
                            struct found_partition **found)
{
    (void)fs;
    const uint32_t index = directory_index(directory);
    if (machine.list_error[index] != 0) {
        return machine.list_error[index];
    }
    const size_t size = (machine.found_count[index] + 1) * sizeof(**found);
    *found = malloc(size);
    memcpy(*found, machine.found[index], machine.found_count[index] * sizeof(**found));
    return machine.found_count[index];
}

enum log_status partition_recover(struct file_system *fs, const struct data_directory *directory,
                                  const struct found_partition *found,
                                  struct recovered_partition **out, struct recovery_report *report)
{
    (void)fs;
    (void)directory;
    atomic_fetch_add(&machine.recovered, 1);
    if (found->id.index == machine.unreadable) {
        return LOG_IO_ERROR;
    }
    *out = malloc(sizeof(**out));
    (*out)->id = found->id;
    report->read_bytes = 10;
    atomic_fetch_add(&machine.live, 1);
    return LOG_OK;
}

void recovered_partition_free(struct recovered_partition *recovered)
{
    atomic_fetch_sub(&machine.live, 1);
    free(recovered);
}

int32_t recovered_partition_epoch(const struct recovered_partition *recovered)
{
    return (int32_t)recovered->id.index + 10;
}

bool recovered_partition_fresh(const struct recovered_partition *recovered)
{
    return recovered->id.index == machine.fresh;
}

enum log_status data_directory_set_stray(struct file_system *fs,
                                         const struct data_directory *directory,
                                         const struct found_partition *found)
{
    (void)fs;
    (void)found;
    machine.strays[directory_index(directory)]++;
    return LOG_OK;
}

struct partition *log_find(struct log *log, const struct partition_id *id)
{
    static struct partition partition;
    for (uint32_t i = 0; i < log->count; i++) {
        if (uuid_equal(log->adopted[i].topic_id, id->topic_id) &&
            log->adopted[i].index == id->index) {
            return &partition;
        }
    }
    return NULL;
}

enum log_status log_adopt(struct log *log, struct recovered_partition *recovered,
                          const struct partition_spec *spec, struct partition **out)
{
    (void)out;
    assert_int_equal(spec->leader_epoch, 5);
    assert_true(bytes_equal(spec->topic_name, (struct bytes){(const uint8_t *)"known", 5}));
    assert_int_equal(recovered->id.index, spec->id.index);
    log->adopted[log->count] = spec->id;
    log->directories[log->count++] = spec->directory;
    recovered_partition_free(recovered);
    return LOG_OK;
}

/* ---- */

static const struct uuid known_id = {{1}};
static const struct uuid unknown_id = {{2}};
static struct journal *journal;
static struct recover recover;
static const char *const paths[DIRECTORIES] = {"a", "b", "c"};

static int set_up(void **state)
{
    (void)state;
    memset(&machine, 0, sizeof(machine));
    machine.unreadable = UINT32_MAX;
    machine.fresh = UINT32_MAX;
    for (uint32_t i = 0; i < DIRECTORIES; i++) {
        machine.cluster[i] = "the-cluster";
    }
    journal = journal_create(open("/dev/null", O_WRONLY | O_CLOEXEC), "test", 1, JOURNAL_INFO);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < DIRECTORIES; i++) {
        assert_false(machine.open[i]);
    }
    assert_int_equal(machine.live, 0);
    journal_destroy(journal);
    return 0;
}

static enum recover_status open_all(void)
{
    char reason[256];
    const struct recover_options options = {
        .journal = journal, .directory_count = DIRECTORIES, .directory_paths = paths, .node_id = 7};
    return recover_open(&recover, &options, reason, sizeof(reason));
}

static void found_add(uint32_t directory, struct uuid topic_id, uint32_t index, bool has_id)
{
    machine.found[directory][machine.found_count[directory]++] =
        (struct found_partition){.name = "some-0", .id = {topic_id, index}, .has_id = has_id};
}

static void directories_must_be_of_the_first_one_s_cluster(void **state)
{
    (void)state;
    assert_int_equal(open_all(), RECOVER_OK);
    assert_string_equal(machine.wanted_cluster[0], "");
    assert_string_equal(machine.wanted_cluster[1], "the-cluster");
    assert_string_equal(machine.wanted_cluster[2], "the-cluster");
    recover_close(&recover, false);
    assert_false(machine.clean[0]);
}

static void a_directory_in_use_or_of_a_foreign_kind_refuses_the_start(void **state)
{
    (void)state;
    static const enum directory_status refused[] = {DIRECTORY_IN_USE, DIRECTORY_FOREIGN_FORMAT,
                                                    DIRECTORY_WRONG_CLUSTER, DIRECTORY_NOT_EMPTY};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        machine.status[2] = refused[i];
        assert_int_equal(open_all(), RECOVER_REFUSED);
        assert_false(machine.open[0] || machine.open[1] || machine.open[2]);
    }
}

static void one_dead_directory_is_left_out_and_all_dead_ones_fail(void **state)
{
    (void)state;
    machine.status[0] = DIRECTORY_IO_ERROR;
    machine.list_error[2] = -EIO;
    found_add(1, known_id, 0, true);
    assert_int_equal(open_all(), RECOVER_OK);
    recover_begin(&recover, 2);
    recover_wait(&recover);
    assert_true(recover.failed[0]);
    assert_false(recover.failed[1]);
    assert_true(recover.failed[2]);
    assert_int_equal(recover.partition_count, 1);
    recover_close(&recover, true);
    assert_true(machine.clean[1]);
    assert_false(machine.clean[0] || machine.clean[2]);
    machine.status[1] = machine.status[2] = DIRECTORY_IO_ERROR;
    assert_int_equal(open_all(), RECOVER_FAILED);
}

static void every_partition_is_recovered_once_however_many_threads(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads <= RECOVER_THREADS_MAX; threads *= 2) {
        machine.recovered = 0;
        memset(machine.found_count, 0, sizeof(machine.found_count));
        for (uint32_t i = 0; i < 100; i++) {
            found_add(i % DIRECTORIES, known_id, i, true);
        }
        assert_int_equal(open_all(), RECOVER_OK);
        recover_begin(&recover, threads);
        recover_wait(&recover);
        assert_int_equal(machine.recovered, 100);
        assert_int_equal(recover.partition_count, 100);
        for (uint32_t i = 0; i < 100; i++) {
            assert_int_equal(recover.partitions[i].status, LOG_OK);
        }
        recover_close(&recover, false);
    }
}

static void control_is_told_of_all_directories_and_of_what_has_an_id(void **state)
{
    (void)state;
    static struct session_directory directories[LOG_DIRECTORIES_MAX];
    struct session_partition told[3];
    struct session_setup setup = {0};
    machine.status[0] = DIRECTORY_IO_ERROR; /* The next one names the cluster. */
    found_add(1, known_id, 2, true);
    found_add(1, known_id, 3, false); /* Without a readable id. */
    found_add(2, known_id, 4, true);  /* Known, and cannot be read. */
    machine.unreadable = 4;
    machine.fresh = 2;
    assert_int_equal(open_all(), RECOVER_OK);
    recover_begin(&recover, 1);
    recover_wait(&recover);
    recover_tell(&recover, &setup, directories, told);
    assert_int_equal(setup.directory_count, DIRECTORIES);
    assert_true(setup.directories[0].failed);
    assert_false(setup.directories[1].failed);
    assert_string_equal(setup.directories[2].path, "c");
    assert_string_equal(setup.cluster_id, "the-cluster");
    assert_int_equal(setup.partition_count, 2);
    assert_int_equal(setup.partitions[0].index, 2);
    assert_int_equal(setup.partitions[0].directory, 1);
    assert_int_equal(setup.partitions[0].leader_epoch, 12);
    assert_int_equal(setup.partitions[1].index, 4);
    assert_int_equal(setup.partitions[1].directory, 2);
    assert_int_equal(setup.partitions[1].leader_epoch, -1);
    assert_int_equal(setup.partitions[0].fresh, 1);
    assert_int_equal(setup.partitions[1].fresh, 0); /* Nobody knows. */
    recover_close(&recover, false);
}

/* Of the known topic. */
static struct snapshot *snapshot_of(struct snapshot_partition *wanted, uint32_t count)
{
    struct snapshot_topic topic = {.id = known_id,
                                   .name = {(const uint8_t *)"known", 5},
                                   .partition_count = count,
                                   .partitions = wanted};
    const struct snapshot made = {.version = 1,
                                  .cluster_id = {(const uint8_t *)"c", 1},
                                  .topic_count = 1,
                                  .topics = &topic,
                                  .partition_count = count};
    static uint8_t image[4096];
    const uint64_t size = snapshot_encode(&made, image, sizeof(image));
    assert_in_range(size, 1, sizeof(image));
    const char *reason = NULL;
    struct snapshot *snapshot = snapshot_decode((struct bytes){image, (uint32_t)size}, &reason);
    if (snapshot == NULL) {
        fail_msg("%s", reason);
    }
    return snapshot;
}

static void what_the_snapshot_knows_is_adopted_and_the_rest_set_aside(void **state)
{
    (void)state;
    static struct snapshot_partition wanted[6];
    for (uint32_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        wanted[i] = (struct snapshot_partition){
            .leader_epoch = 5, .directory = i == 3 ? 2 : 0, .exists = true};
    }
    struct snapshot *snapshot = snapshot_of(wanted, ARRAY_SIZE(wanted));
    for (uint32_t i = 0; i < 4; i++) {
        found_add(i % 2, known_id, i, true);
    }
    found_add(2, known_id, 1, true);   /* A second copy. */
    found_add(2, known_id, 3, true);   /* A second copy, where the snapshot wants it. */
    found_add(2, known_id, 6, true);   /* Beyond the topic's partitions. */
    found_add(0, unknown_id, 0, true); /* Of no known topic. */
    found_add(1, known_id, 4, false);  /* Without an id. */
    found_add(1, known_id, 4, false);  /* With one that could not be read: it keeps its name. */
    machine.found[1][machine.found_count[1] - 1].id_error = -EIO;
    found_add(1, known_id, 5, true); /* Known, and cannot be read. */
    machine.unreadable = 5;

    static struct log logs[2];
    struct log *const all[2] = {&logs[0], &logs[1]};
    assert_int_equal(open_all(), RECOVER_OK);
    recover_begin(&recover, 1);
    recover_wait(&recover);
    recover_adopt(&recover, snapshot, all, 2);
    assert_int_equal(logs[0].count, 2);
    assert_int_equal(logs[1].count, 2);
    for (uint32_t core = 0; core < 2; core++) {
        for (uint32_t i = 0; i < 2; i++) {
            const uint32_t index = logs[core].adopted[i].index;
            assert_int_equal(snapshot_partition_core(&known_id, index, 2), core);
            assert_int_equal(logs[core].directories[i],
                             index == 3 ? 2 : index % 2); /* Where it was found. */
        }
    }
    assert_int_equal(machine.strays[0], 1);
    assert_int_equal(machine.strays[1], 2);
    assert_int_equal(machine.strays[2], 2);
    recover_close(&recover, false);
    snapshot_free(snapshot);
}

static void what_is_not_recorded_is_left_for_the_broker_to_make_anew(void **state)
{
    (void)state;
    static struct snapshot_partition wanted[2];
    static struct log log;
    struct log *const all[1] = {&log};
    for (uint32_t recorded = 0; recorded < 2; recorded++) {
        for (uint32_t i = 0; i < ARRAY_SIZE(wanted); i++) {
            wanted[i] = (struct snapshot_partition){.leader_epoch = 5, .exists = recorded == 1};
        }
        struct snapshot *snapshot = snapshot_of(wanted, ARRAY_SIZE(wanted));
        memset(&machine.found_count, 0, sizeof(machine.found_count));
        memset(&log, 0, sizeof(log));
        machine.fresh = 0;
        found_add(0, known_id, 0, true);
        found_add(0, known_id, 1, true); /* Not fresh: as it is. */
        assert_int_equal(open_all(), RECOVER_OK);
        recover_begin(&recover, 1);
        recover_wait(&recover);
        recover_adopt(&recover, snapshot, all, 1);
        assert_int_equal(log.count, recorded == 1 ? 2 : 1);
        assert_int_equal(log.adopted[log.count - 1].index, 1);
        assert_int_equal(machine.strays[0], 0);
        recover_close(&recover, false);
        snapshot_free(snapshot);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(directories_must_be_of_the_first_one_s_cluster),
        TEST(a_directory_in_use_or_of_a_foreign_kind_refuses_the_start),
        TEST(one_dead_directory_is_left_out_and_all_dead_ones_fail),
        TEST(every_partition_is_recovered_once_however_many_threads),
        TEST(control_is_told_of_all_directories_and_of_what_has_an_id),
        TEST(what_the_snapshot_knows_is_adopted_and_the_rest_set_aside),
        TEST(what_is_not_recorded_is_left_for_the_broker_to_make_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
