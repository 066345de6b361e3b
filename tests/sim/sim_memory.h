/* Memory of a simulated process that holds megabytes of pools: pages cost nothing before they are
 * touched, and a start touches few. Guard pages stand on both sides; what is given back is never
 * used again, and whoever still touches it dies of it, however late.
 *
 * Threads: any.
 */
#ifndef TESTS_SIM_SIM_MEMORY_H
#define TESTS_SIM_SIM_MEMORY_H

#include <stdint.h>

/* Zeroed, from the start of a page to the end of one. Never NULL: without memory the run ends. */
void *sim_memory_take(uint64_t bytes);
/* NULL is allowed. */
void sim_memory_give(void *memory);

#endif
