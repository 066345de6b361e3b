#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/io/housekeeping_thread.h"

enum {
    PORTS = 3,
    ROUNDS = 20000,
    JOBS = 8,
};

struct counted_job {
    struct housekeeping_job job;
    uint32_t *counter; /* Of the port; only its thread touches it. */
    uint32_t order;
    pthread_t thread;
    cpu_set_t cpus;
};

static void job_run(struct housekeeping_job *job, struct file_system *fs)
{
    struct counted_job *counted = CONTAINER_OF(job, struct counted_job, job);
    (void)fs;
    counted->order = (*counted->counter)++;
    counted->thread = pthread_self();
}

static void job_run_cpus(struct housekeeping_job *job, struct file_system *fs)
{
    struct counted_job *counted = CONTAINER_OF(job, struct counted_job, job);
    (void)fs;
    (void)pthread_getaffinity_np(pthread_self(), sizeof(counted->cpus), &counted->cpus);
}

static struct housekeeping *start(uint32_t thread_count, const int32_t *cpus, uint32_t cpu_count)
{
    int error = 0;
    struct housekeeping *housekeeping =
        housekeeping_start(&(struct housekeeping_options){.name = "test",
                                                          .port_count = PORTS,
                                                          .thread_count = thread_count,
                                                          .job_count_max = JOBS,
                                                          .core_cpus = cpus,
                                                          .core_cpu_count = cpu_count},
                           &error);
    assert_non_null(housekeeping);
    return housekeeping;
}

static void jobs_come_back_in_the_order_posted_on_every_port(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads <= 4; threads++) {
        struct housekeeping *housekeeping = start(threads, NULL, 0);
        struct counted_job jobs[PORTS][JOBS] = {0};
        uint32_t counters[PORTS] = {0};
        uint32_t posted[PORTS] = {0};
        uint32_t fetched[PORTS] = {0};
        uint32_t open = PORTS;
        while (open > 0) {
            open = 0;
            for (uint32_t p = 0; p < PORTS; p++) {
                struct housekeeping_port *port = housekeeping_port_at(housekeeping, p);
                struct counted_job *next = &jobs[p][posted[p] % JOBS];
                if (posted[p] < ROUNDS && posted[p] - fetched[p] < JOBS) {
                    *next = (struct counted_job){.job.run = job_run, .counter = &counters[p]};
                    assert_true(housekeeping_post(port, &next->job));
                    posted[p]++;
                }
                struct housekeeping_job *done = housekeeping_done(port);
                if (done != NULL) {
                    const struct counted_job *counted = CONTAINER_OF(done, struct counted_job, job);
                    assert_ptr_equal(counted, &jobs[p][fetched[p] % JOBS]);
                    assert_int_equal(counted->order, fetched[p]);
                    assert_false(pthread_equal(counted->thread, pthread_self()));
                    fetched[p]++;
                }
                open += fetched[p] < ROUNDS;
            }
        }
        housekeeping_stop(housekeeping);
    }
}

static void a_full_port_refuses_until_a_job_was_fetched(void **state)
{
    (void)state;
    struct housekeeping *housekeeping = start(1, NULL, 0);
    struct housekeeping_port *port = housekeeping_port_at(housekeeping, 1);
    struct counted_job jobs[JOBS + 1] = {0};
    uint32_t counter = 0;
    for (uint32_t i = 0; i <= JOBS; i++) {
        jobs[i] = (struct counted_job){.job.run = job_run, .counter = &counter};
        assert_int_equal(housekeeping_post(port, &jobs[i].job), i < JOBS);
    }
    struct housekeeping_job *done;
    while ((done = housekeeping_done(port)) == NULL) {
        (void)sched_yield();
    }
    assert_ptr_equal(done, &jobs[0].job);
    assert_true(housekeeping_post(port, &jobs[JOBS].job));
    housekeeping_stop(housekeeping);
    assert_int_equal(counter, JOBS + 1); /* A stop finishes what was posted. */
}

static void count_wake(void *context)
{
    atomic_fetch_add((_Atomic uint32_t *)context, 1);
}

static void every_finished_job_wakes_its_core(void **state)
{
    (void)state;
    struct housekeeping *housekeeping = start(2, NULL, 0);
    struct housekeeping_port *port = housekeeping_port_at(housekeeping, 2);
    _Atomic uint32_t wakes = 0;
    uint32_t counter = 0;
    housekeeping_set_wake(port, count_wake, &wakes);
    struct counted_job jobs[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        jobs[i] = (struct counted_job){.job.run = job_run, .counter = &counter};
        assert_true(housekeeping_post(port, &jobs[i].job));
    }
    housekeeping_stop(housekeeping);
    assert_int_equal(atomic_load(&wakes), 3);
}

static void threads_stay_off_the_cores_where_they_can(void **state)
{
    (void)state;
    const int32_t cpu = 0;
    struct housekeeping *housekeeping = start(1, &cpu, 1);
    struct housekeeping_port *port = housekeeping_port_at(housekeeping, 0);
    struct counted_job job = {.job.run = job_run_cpus};
    assert_true(housekeeping_post(port, &job.job));
    housekeeping_stop(housekeeping);
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
        assert_false(CPU_ISSET(0, &job.cpus));
    }
    assert_true(CPU_COUNT(&job.cpus) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_come_back_in_the_order_posted_on_every_port),
        cmocka_unit_test(a_full_port_refuses_until_a_job_was_fetched),
        cmocka_unit_test(every_finished_job_wakes_its_core),
        cmocka_unit_test(threads_stay_off_the_cores_where_they_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
