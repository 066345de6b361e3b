#include "storage/log/jobs.h"
#include "tests/storage/log/rig.h"

static struct rig rig;
static uint32_t ran;
static uint32_t ended;

static void rig_make(void)
{
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    rig_settle(&rig);
    ran = 0;
    ended = 0;
}

/* Each notes its place in the order. */
static void run(struct job *job, struct file_system *fs)
{
    (void)fs;
    job->error = (int)++ran;
}

static void done(struct job *job)
{
    assert_int_equal(job->error, ++ended);
    job_end(job);
}

static void jobs_run_and_come_back_in_the_order_posted(void **state)
{
    (void)state;
    enum { JOBS = 100 }; /* More than the port takes at once. */
    rig_make();
    struct partition *p = rig.partitions[0];
    for (uint32_t i = 0; i < JOBS; i++) {
        struct job *job = job_take(rig.log, p);
        assert_non_null(job);
        job->run = run;
        job->done = done;
        job_post(job);
        assert_int_equal(p->job_count, i + 1);
    }
    assert_int_equal(ran, 0); /* Not on the core. */
    rig_settle(&rig);
    assert_int_equal(ran, JOBS);
    assert_int_equal(ended, JOBS);
    assert_int_equal(p->job_count, 0);
    assert_int_equal(rig.log->job_pool.used, 0);
    rig_destroy(&rig);
}

static void validation_does_not_wait_for_files(void **state)
{
    (void)state;
    rig_make();
    struct job *file = job_take(rig.log, NULL);
    struct job *validation = job_take(rig.log, NULL);
    file->run = run;
    validation->run = run;
    file->done = done;
    validation->done = done;
    job_post(file);
    job_post_validation(validation);
    jobs_submit(rig.log);
    assert_ptr_equal(housekeeping_done(rig.housekeeping), NULL);
    struct housekeeping_job *base = NULL;
    while ((base = housekeeping_done(rig.validation)) == NULL) {
        assert_true(sim_machine_step(rig.machine));
    }
    assert_ptr_equal(base, &validation->base);
    job_end(validation);
    while ((base = housekeeping_done(rig.housekeeping)) == NULL) {
        assert_true(sim_machine_step(rig.machine));
    }
    assert_ptr_equal(base, &file->base);
    job_end(file);
    rig_destroy(&rig);
}

static void a_job_begins_cleared_and_there_are_only_so_many(void **state)
{
    (void)state;
    rig_make();
    struct log *log = rig.log;
    struct job *jobs[256];
    uint32_t count = 0;
    while (count < ARRAY_SIZE(jobs) && (jobs[count] = job_take(log, rig.partitions[0])) != NULL) {
        const struct job *job = jobs[count++];
        assert_ptr_equal(job->log, log);
        assert_int_equal(job->fd, -1);
        assert_int_equal(job->error, 0);
        assert_int_equal(job->checkpoint.snapshot_bytes, 0);
    }
    assert_int_equal(count, log->job_pool.capacity);
    assert_int_equal(rig.partitions[0]->job_count, count);
    while (count > 0) {
        memset(&jobs[--count]->checkpoint, 0xff, sizeof(jobs[count]->checkpoint));
        job_end(jobs[count]);
    }
    assert_int_equal(rig.partitions[0]->job_count, 0);
    struct job *again = job_take(log, NULL);
    assert_int_equal(again->checkpoint.snapshot_bytes, 0);
    job_end(again);
    rig_destroy(&rig);
}

static void paths_lead_into_the_partitions_directory(void **state)
{
    (void)state;
    rig_make();
    const struct partition *p = rig.partitions[0];
    char path[PATH_BYTES];
    assert_string_equal(path_partition(p, path), "/data0/orders-0");
    assert_string_equal(path_file(p, "partition.metadata", path),
                        "/data0/orders-0/partition.metadata");
    assert_string_equal(path_segment(p, 42, SEGMENT_TIME_INDEX, SEGMENT_LIVE, path),
                        "/data0/orders-0/00000000000000000042.timeindex");
    assert_string_equal(path_segment(p, INT64_MAX, SEGMENT_LOG, SEGMENT_DELETED, path),
                        "/data0/orders-0/09223372036854775807.log.deleted");
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_and_come_back_in_the_order_posted),
        cmocka_unit_test(validation_does_not_wait_for_files),
        cmocka_unit_test(a_job_begins_cleared_and_there_are_only_so_many),
        cmocka_unit_test(paths_lead_into_the_partitions_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
