#include "control/room.h"

#include <stdlib.h>
#include <string.h>

/* jemalloc's, which a build with a sanitizer has not. */
extern int mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes)
    __attribute__((weak));

void room_init(struct room *room)
{
    uint64_t *allocated = NULL;
    size_t bytes = sizeof(allocated);
    memset(room, 0, sizeof(*room));
    if (mallctl != NULL && mallctl("thread.allocatedp", &allocated, &bytes, NULL, 0) == 0) {
        room->allocated = allocated;
    }
}

bool room_on_heap(void *context, uint64_t bytes)
{
    struct room *room = context;
    if (room->allocated != NULL && bytes <= room->good_bytes &&
        *room->allocated - room->good_from <= ROOM_AHEAD_BYTES) {
        return true;
    }
    const uint64_t wanted = bytes + (room->allocated == NULL ? 0 : ROOM_AHEAD_BYTES);
    void *volatile probe = malloc(wanted); /* Or the compiler would know better. */
    const bool had = probe != NULL;
    free(probe);
    room->looks++;
    room->good_bytes = had ? bytes : 0;
    room->good_from = room->allocated == NULL ? 0 : *room->allocated;
    return had;
}
