/* The production twin of housekeeping.h: threads that do the sleeping work of cores. For those who
 * set a process up; the log engine knows housekeeping.h only.
 */
#ifndef STORAGE_IO_HOUSEKEEPING_THREAD_H
#define STORAGE_IO_HOUSEKEEPING_THREAD_H

#include "storage/io/housekeeping.h"

struct housekeeping;

struct housekeeping_options {
    struct file_system *fs; /* Borrowed until stop. */
    const char *name;       /* Of the threads, at most 12 characters. */
    uint32_t port_count;
    uint32_t thread_count;    /* Port p is served by thread p % thread_count. */
    uint32_t job_count_max;   /* Per port; a power of two. */
    const int32_t *core_cpus; /* The threads stay off these CPUs where there are others. Borrowed */
    uint32_t core_cpu_count;  /* until return. */
};

/* NULL with *error = errno. */
struct housekeeping *housekeeping_start(const struct housekeeping_options *options, int *error);

/* Finishes every job posted before, then ends the threads and frees all. Cores no longer post. */
void housekeeping_stop(struct housekeeping *housekeeping);

/* index < port_count. Given to one core: post and done come from one thread each. */
struct housekeeping_port *housekeeping_port_at(struct housekeeping *housekeeping, uint32_t index);

/* Called on the housekeeping thread after each finished job of the port: ring_wake for a core that
 * sleeps. Set before the first post. */
void housekeeping_set_wake(struct housekeeping_port *port, void (*wake)(void *context),
                           void *context);

#endif
