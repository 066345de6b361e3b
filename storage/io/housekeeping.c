#include "storage/io/housekeeping.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/io/housekeeping_thread.h"

/* One core's jobs: three positions chase each other around one array. The core writes entries at
 * posted and takes them at fetched, the thread works from finished on. */
struct housekeeping_port {
    struct housekeeping_job **jobs;
    uint32_t mask;
    struct thread *thread;
    void (*wake)(void *context);
    void *wake_context;
    _Alignas(64) _Atomic uint32_t posted;   /* Written by the core. */
    uint32_t fetched;                       /* The core's own. */
    _Alignas(64) _Atomic uint32_t finished; /* Written by the thread. */
};

struct thread {
    struct housekeeping *housekeeping;
    pthread_t handle;
    sem_t work; /* One for each post, and one to stop. */
    uint32_t index;
    _Atomic bool stopping;
};

struct housekeeping {
    struct file_system *fs;
    struct housekeeping_port *ports;
    uint32_t port_count;
    struct thread *threads;
    uint32_t thread_count; /* Running. */
    uint32_t stride;
};

/* ---- The core's side ------------------------------------------------------------------------ */

bool housekeeping_post(struct housekeeping_port *port, struct housekeeping_job *job)
{
    const uint32_t at = atomic_load_explicit(&port->posted, memory_order_relaxed);
    if (at - port->fetched > port->mask) {
        return false;
    }
    port->jobs[at & port->mask] = job;
    atomic_store_explicit(&port->posted, at + 1, memory_order_release);
    (void)sem_post(&port->thread->work);
    return true;
}

struct housekeeping_job *housekeeping_done(struct housekeeping_port *port)
{
    if (port->fetched == atomic_load_explicit(&port->finished, memory_order_acquire)) {
        return NULL;
    }
    return port->jobs[port->fetched++ & port->mask];
}

/* ---- The thread's side ---------------------------------------------------------------------- */

/* Runs one job of the port; false when it has none. */
static bool port_run(struct housekeeping_port *port, struct file_system *fs)
{
    const uint32_t at = atomic_load_explicit(&port->finished, memory_order_relaxed);
    if (at == atomic_load_explicit(&port->posted, memory_order_acquire)) {
        return false;
    }
    struct housekeeping_job *job = port->jobs[at & port->mask];
    job->run(job, fs);
    atomic_store_explicit(&port->finished, at + 1, memory_order_release);
    if (port->wake != NULL) {
        port->wake(port->wake_context);
    }
    return true;
}

/* One job of each port in turn, so that a busy core does not starve another. */
static bool ports_run(struct thread *thread)
{
    struct housekeeping *housekeeping = thread->housekeeping;
    bool ran = false;
    for (uint32_t p = thread->index; p < housekeeping->port_count; p += housekeeping->stride) {
        ran = port_run(&housekeeping->ports[p], housekeeping->fs) || ran;
    }
    return ran;
}

static void *thread_main(void *context)
{
    struct thread *thread = context;
    for (;;) {
        while (ports_run(thread)) {
        }
        if (atomic_load(&thread->stopping)) {
            while (ports_run(thread)) { /* What was posted before the stop. */
            }
            return NULL;
        }
        while (sem_wait(&thread->work) != 0 && errno == EINTR) {
        }
    }
}

/* ---- Start and stop ------------------------------------------------------------------------- */

struct housekeeping_port *housekeeping_port_at(struct housekeeping *housekeeping, uint32_t index)
{
    ASSERT(index < housekeeping->port_count);
    return &housekeeping->ports[index];
}

void housekeeping_set_wake(struct housekeeping_port *port, void (*wake)(void *context),
                           void *context)
{
    port->wake_context = context;
    port->wake = wake;
}

/* Every CPU but the cores'; none left: every CPU. */
static void cpus_choose(const struct housekeeping_options *options, cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    const long count = sysconf(_SC_NPROCESSORS_CONF);
    for (long cpu = 0; cpu < count && cpu < CPU_SETSIZE; cpu++) {
        CPU_SET((size_t)cpu, cpus);
    }
    cpu_set_t all = *cpus;
    for (uint32_t i = 0; i < options->core_cpu_count; i++) {
        CPU_CLR((size_t)options->core_cpus[i], cpus);
    }
    if (CPU_COUNT(cpus) == 0) {
        *cpus = all;
    }
}

static int thread_start(struct housekeeping *housekeeping,
                        const struct housekeeping_options *options, uint32_t index)
{
    struct thread *thread = &housekeeping->threads[index];
    thread->housekeeping = housekeeping;
    thread->index = index;
    if (sem_init(&thread->work, 0, 0) != 0) {
        return errno;
    }
    const int error = pthread_create(&thread->handle, NULL, thread_main, thread);
    if (error != 0) {
        (void)sem_destroy(&thread->work);
        return error;
    }
    housekeeping->thread_count++;
    cpu_set_t cpus;
    cpus_choose(options, &cpus);
    (void)pthread_setaffinity_np(thread->handle, sizeof(cpus), &cpus); /* A cpuset may forbid it. */
    char name[16];
    (void)snprintf(name, sizeof(name), "%.12s-%u", options->name, index % 10);
    (void)pthread_setname_np(thread->handle, name);
    return 0;
}

static int ports_create(struct housekeeping *housekeeping,
                        const struct housekeeping_options *options)
{
    ASSERT((options->job_count_max & (options->job_count_max - 1)) == 0);
    housekeeping->ports =
        aligned_alloc(64, options->port_count * round_up(sizeof(*housekeeping->ports), 64));
    housekeeping->threads = calloc(options->thread_count, sizeof(*housekeeping->threads));
    if (housekeeping->ports == NULL || housekeeping->threads == NULL) {
        return ENOMEM;
    }
    for (uint32_t p = 0; p < options->port_count; p++) {
        struct housekeeping_port *port = &housekeeping->ports[p];
        *port = (struct housekeeping_port){
            .mask = options->job_count_max - 1,
            .thread = &housekeeping->threads[p % options->thread_count],
            .jobs = calloc(options->job_count_max, sizeof(struct housekeeping_job *)),
        };
        housekeeping->port_count++;
        if (port->jobs == NULL) {
            return ENOMEM;
        }
    }
    return 0;
}

struct housekeeping *housekeeping_start(const struct housekeeping_options *options, int *error)
{
    ASSERT(options->port_count > 0 && options->thread_count > 0 && options->job_count_max > 0);
    struct housekeeping *housekeeping = calloc(1, sizeof(*housekeeping));
    if (housekeeping == NULL) {
        *error = ENOMEM;
        return NULL;
    }
    housekeeping->fs = options->fs;
    housekeeping->stride = options->thread_count;
    *error = ports_create(housekeeping, options);
    for (uint32_t i = 0; *error == 0 && i < options->thread_count; i++) {
        *error = thread_start(housekeeping, options, i);
    }
    if (*error != 0) {
        housekeeping_stop(housekeeping);
        return NULL;
    }
    return housekeeping;
}

void housekeeping_stop(struct housekeeping *housekeeping)
{
    for (uint32_t i = 0; i < housekeeping->thread_count; i++) {
        struct thread *thread = &housekeeping->threads[i];
        atomic_store(&thread->stopping, true);
        (void)sem_post(&thread->work);
        (void)pthread_join(thread->handle, NULL);
        (void)sem_destroy(&thread->work);
    }
    for (uint32_t p = 0; p < housekeeping->port_count; p++) {
        free(housekeeping->ports[p].jobs);
    }
    free(housekeeping->ports);
    free(housekeeping->threads);
    free(housekeeping);
}
