/* The control process of a simulated machine. See sim_world.h.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_CONTROLLER_H
#define TESTS_SIM_SIM_CONTROLLER_H

#include "tests/sim/sim_world.h"

struct controller *controller_start(struct world *world);
/* The process is gone, in order or not. */
void controller_free(struct controller *controller);
struct sim_process *controller_process(struct controller *controller);
bool controller_turn(struct controller *controller);
uint64_t controller_deadline_ns(const struct controller *controller);
bool controller_ready(const struct controller *controller);
/* It must not run like this: world->refusal says why. */
bool controller_refused(const struct controller *controller);

#endif
