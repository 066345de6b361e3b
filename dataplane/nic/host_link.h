/* The kernel's end of a port: the interface that it keeps.
 *
 * Threads: any; system calls, at start only.
 */
#ifndef DATAPLANE_NIC_HOST_LINK_H
#define DATAPLANE_NIC_HOST_LINK_H

#include "dataplane/net/address.h"

/* Gives the interface an address and takes it up. Of IPv4 it is the only one; of IPv6 one more,
 * used at once: who else is on the link is known. 0 or -errno (-EACCES: IPv6 is switched off). */
MUST_USE int host_link_up(const char *interface, const struct address *address,
                          uint8_t prefix_bits);

#endif
