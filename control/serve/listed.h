/* Groups of one coordinator as ListGroups tells them, taken as they come, and encoded at once. */
#ifndef CONTROL_SERVE_LISTED_H
#define CONTROL_SERVE_LISTED_H

#include "control/arena.h"
#include "dataplane/kafka/messages.h"

/* All zero: none. */
struct listed {
    struct bytes *pieces;
    uint32_t count;
    uint32_t capacity;
    int32_t groups;
};

/* Borrowed until return; what is kept of them lives in the arena. */
void listed_add(struct listed *listed, struct arena *arena, int16_t version,
                struct list_groups_response_group_array groups);
/* All of them, one behind the other. */
void listed_write(const struct listed *listed, struct writer *writer);

#endif
