/* The files that a broker leaves, looked at from outside; and bits of them flipped.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_FILES_H
#define TESTS_SIM_SIM_FILES_H

#include "tests/sim/sim_world.h"

/* After a stop in order: every file of every partition decodes strictly, and they agree. */
void sim_files_check(struct world *world);

/* Bits that are to be flipped: the broker is killed, the bits flip, it starts again. Where it
 * refuses to start because of them, they are flipped back. */
struct sim_flips {
    bool ordered;
    bool done;
    char path[256];
    uint64_t offset;
    uint32_t bit;
    uint32_t refusals; /* When it was done. */
};

void sim_flips_order(struct sim_flips *flips, struct world *world);
void sim_flips_turn(struct sim_flips *flips, struct world *world);

#endif
