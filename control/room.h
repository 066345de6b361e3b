/* Memory is asked for at the door: before control takes work in, not in the middle of it.
 *
 * What a request, an event or a snapshot may take is bounded, and ROOM_BYTES is more than any of
 * them; control_turn looks whether so much can be had before each (control/loop.c). Where it
 * cannot, nothing is taken in, and looked again half a second later: cores answer for control
 * meanwhile, as when it is away. So an allocation that fails inside a turn is an ASSERT. What grows
 * with what a client asks for (descriptions) is asked for beyond that, and the HTTP thread, which
 * nobody can look ahead for, does without a page.
 */
#ifndef CONTROL_ROOM_H
#define CONTROL_ROOM_H

#include "storage/base/check.h"

enum {
    ROOM_BYTES = 64 << 20,
    ROOM_AHEAD_BYTES = 16 << 20,
};

/* What was found last. To look costs more than an ordinary request does: where it is known what the
 * thread has allocated since, and that is little, it is not done again. */
struct room {
    const uint64_t *allocated; /* By this thread, ever, whatever it gave back; NULL: not known. */
    uint64_t good_bytes;       /* So many could be had, and ROOM_AHEAD_BYTES more, when */
    uint64_t good_from;        /* *allocated was this. */
    uint64_t looks;
};

/* The counter is that of the calling thread, and of jemalloc: without it every ask is a look. */
void room_init(struct room *room);

/* Whether so many bytes of heap could be had now; takes none. context: a struct room, of the
 * calling thread. */
bool room_on_heap(void *context, uint64_t bytes);

#endif
