/* What the stack knows of the rig's connection and counts, to compare two ways to the same end
 * step by step. */
#ifndef TESTS_DATAPLANE_TCP_SEEN_H
#define TESTS_DATAPLANE_TCP_SEEN_H

#include "tests/dataplane/tcp/rig.h"

enum { SEEN_MAX = 32 };

struct seen {
    uint64_t of[SEEN_MAX];
};

void seen_look(struct seen *seen);
/* The first difference, in words that hold until the next call; NULL: there is none. */
const char *seen_difference(const struct seen *first, const struct seen *second, uint32_t steps);

#endif
