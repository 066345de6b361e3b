/* What joins the two processes: a message socket, memory and bells. The only door of slowpath/ to
 * the kernel; the simulation links its twin and runs both ends on one thread.
 *
 * Everything is named by a handle, an int >= 0: in production a file descriptor, so that it can be
 * waited for with poll or epoll. Handles travel inside messages; what a receiver gets is its own
 * handle of the same thing. No call here waits for the other side.
 *
 * Results: 0, a count or a handle on success, -errno on failure.
 * Threads: a link_world may be used by several threads at once; one handle by one at a time, but
 * link_bell_ring, which any thread may call.
 */
#ifndef DATAPLANE_SLOWPATH_LINK_H
#define DATAPLANE_SLOWPATH_LINK_H

#include "storage/base/bytes.h"

/* One per process; in simulation one per simulated process. */
struct link_world;

struct link_world *link_world_real(void);

enum {
    LINK_MESSAGE_BYTES_MAX = 24576,
    LINK_HANDLES_MAX = 160,
    LINK_NO_HANDLE = -1,
};

struct link_message {
    uint8_t bytes[LINK_MESSAGE_BYTES_MAX];
    uint32_t len;
    uint32_t handle_count;
    int handles[LINK_HANDLES_MAX];
};

/* ---- Sockets -------------------------------------------------------------------------------- */

/* Listens at path (its directory exists), in place of a socket that a dead process left there. Only
 * this user may connect. Readable when link_accept has something. */
MUST_USE int link_listen(struct link_world *world, const char *path);
/* -EAGAIN: nobody waits. */
MUST_USE int link_accept(struct link_world *world, int listener);
MUST_USE int link_connect(struct link_world *world, const char *path);

/* Sends one whole message; its handles stay the caller's. -EAGAIN: no room now; anything else
 * negative: the link is dead. */
MUST_USE int link_send(struct link_world *world, int link, const struct link_message *message);
/* One whole message; its handles are given to the caller. 1: received; 0: the other side is gone;
 * -EAGAIN: nothing there; -EMSGSIZE: it was longer than a message may be. */
MUST_USE int link_receive(struct link_world *world, int link, struct link_message *message);

/* Closes a handle of any kind. */
void link_close(struct link_world *world, int handle);

/* ---- Memory --------------------------------------------------------------------------------- */

/* Memory for both sides to map; its size is fixed for good; zeroed. */
MUST_USE int link_memory_make(struct link_world *world, const char *name, uint64_t size);
/* Maps all of it, or NULL when it is not of exactly this size or its size could change. The
 * mapping outlives the handle. */
void *link_memory_map(struct link_world *world, int memory, uint64_t size, bool writable);
void link_memory_unmap(struct link_world *world, void *mapped, uint64_t size);

/* Content written once, to be read by copying: whoever reads it cannot be hurt by what the other
 * side does to it meanwhile. */
MUST_USE int link_blob_make(struct link_world *world, const char *name, struct bytes content);
/* Copies the first size bytes; -ENODATA when there are fewer. */
MUST_USE int link_blob_read(struct link_world *world, int blob, void *to, uint64_t size);

/* ---- Bells ---------------------------------------------------------------------------------- */

/* Wakes whoever waits for it; readable from the first ring until the clear. */
MUST_USE int link_bell_make(struct link_world *world);
void link_bell_ring(struct link_world *world, int bell);
void link_bell_clear(struct link_world *world, int bell);

#endif
