/* The files that a broker leaves, looked at from outside; and bits of them flipped.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_FILES_H
#define TESTS_SIM_SIM_FILES_H

#include "tests/sim/sim_world.h"

/* After a stop in order: every file of every partition decodes strictly, and they agree. */
void sim_files_check(struct world *world);

/* A bit that is to flip: everything is killed, the bit flips, everything starts again. Where that
 * is refused because of it, or a partition is gone, it is flipped back. */
struct sim_flips {
    bool ordered;   /* Until it is over. */
    bool done;      /* Flipped. */
    bool restoring; /* About to be flipped back. */
    uint32_t kind;
    char path[256];
    uint64_t offset;
    uint32_t bit;
    uint32_t refusals; /* When it was done. */
    uint64_t next_ns;
};

void sim_flips_order(struct sim_flips *flips, struct world *world);
void sim_flips_turn(struct sim_flips *flips, struct world *world);

#endif
