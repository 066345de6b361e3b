/* The kernel's end of a port: the interface that it keeps.
 *
 * Threads: any; system calls, at start only.
 */
#ifndef DATAPLANE_NIC_HOST_LINK_H
#define DATAPLANE_NIC_HOST_LINK_H

#include "storage/base/bytes.h"

/* Gives the interface an IPv4 address (host order) and takes it up. 0 or -errno. */
MUST_USE int host_link_up(const char *interface, uint32_t v4, uint8_t prefix_bits);

#endif
