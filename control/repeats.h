/* Names that a request says more than once: Kafka refuses them, or answers them once. Pure.
 *
 * Takes n log n steps for n names: a request of a megabyte holds a hundred thousand.
 */
#ifndef CONTROL_REPEATS_H
#define CONTROL_REPEATS_H

#include "control/arena.h"

struct said {
    struct bytes name;
    int32_t kind; /* Names of different kinds are different. */
    /* Out. */
    bool repeated; /* There is another one like it, */
    bool later;    /* and one came before. */
};

/* Room for the sorting comes from the arena. */
void repeats_mark(struct arena *arena, struct said *said, uint32_t count);

#endif
