/* The simulated twin of storage/io/housekeeping.c: jobs run inside sim_machine_step. */
#ifndef TESTS_SIM_SIM_HOUSEKEEPING_H
#define TESTS_SIM_SIM_HOUSEKEEPING_H

#include "storage/io/housekeeping.h"
#include "tests/sim/sim_machine.h"

/* Freed by sim_process_end. */
struct housekeeping_port *sim_housekeeping_create(struct sim_process *process,
                                                  uint32_t job_count_max);

#endif
