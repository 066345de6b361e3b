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
};

/* Whether so many bytes of heap could be had now; takes none. */
bool room_on_heap(void *context, uint64_t bytes);

#endif
