/* The dataplane process of a simulated machine: what main.c, core_setup.c and service.c put
 * together, over the twins. See sim_world.h.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_DATAPLANE_H
#define TESTS_SIM_SIM_DATAPLANE_H

#include "tests/sim/sim_world.h"

/* Starts the process: recovers what is there and waits for control. NULL: it refused (the reason
 * is in world->refusal) or died on the way. */
struct dataplane *dataplane_start(struct world *world);
/* The process is gone, in order or not. Frees everything. */
void dataplane_free(struct dataplane *dataplane);

struct sim_process *dataplane_process(struct dataplane *dataplane);

/* One turn of one core; true: it found work. */
bool dataplane_core_turn(struct dataplane *dataplane, uint32_t core);
/* One turn of the service thread. */
bool dataplane_service_turn(struct dataplane *dataplane);
uint64_t dataplane_deadline_ns(const struct dataplane *dataplane);

/* Metadata is applied on all cores, and clients can come. */
bool dataplane_serving(const struct dataplane *dataplane);

/* SIGTERM. */
void dataplane_stop(struct dataplane *dataplane);
/* Stopped, logs finished and marked clean. */
bool dataplane_ended(const struct dataplane *dataplane);
/* All cores came to their end, but not every log could be finished. */
bool dataplane_ended_badly(const struct dataplane *dataplane);

/* A client has heard that the topic exists: so do its partitions, on every core (H18). */
void dataplane_check_created(const struct dataplane *dataplane, const struct uuid *topic_id,
                             uint32_t count);
/* Holds every structure against its rules. idle: no client is connected, so pools are full. */
void dataplane_check(const struct dataplane *dataplane, bool idle);

#endif
