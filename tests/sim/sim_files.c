#include "tests/sim/sim_files.h"

void sim_files_check(struct world *world)
{
    (void)world;
}

void sim_flips_order(struct sim_flips *flips, struct world *world)
{
    (void)flips;
    (void)world;
}

void sim_flips_turn(struct sim_flips *flips, struct world *world)
{
    (void)flips;
    (void)world;
}
