/* Shares the port with the kernel: a tap with the port's hardware address, to which every frame
 * goes that is not for network.listen's address, and whose frames go out of the port. So ping and
 * SSH to an address of the kernel's on the same link go on working (network.share).
 *
 * Threads: start and stop from the service thread, before the cores run and after they have ended;
 * it makes one thread of its own.
 */
#ifndef DATAPLANE_WATCH_SHARE_H
#define DATAPLANE_WATCH_SHARE_H

#include "dataplane/core_loop.h"

enum { SHARE_CORES_MAX = 64 };

struct share_setup {
    const char *name; /* Of the tap. */
    uint32_t v4;      /* Address that the kernel's end is given, host order; 0: none. */
    uint8_t prefix_bits;
    struct address v6; /* The same of IPv6; zero: none. */
    uint8_t prefix_bits_v6;
    struct core *const *cores; /* With stacks; borrowed until share_stop. */
    uint32_t core_count;
    struct link_world *world;
};

struct share;

/* NULL: reason holds a sentence. */
struct share *share_start(const struct share_setup *setup, char *reason, size_t reason_bytes);
void share_stop(struct share *share);

#endif
