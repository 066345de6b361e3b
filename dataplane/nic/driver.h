/* What is to be known of DPDK's drivers beside what they say of themselves. Pure. */
#ifndef DATAPLANE_NIC_DRIVER_H
#define DATAPLANE_NIC_DRIVER_H

#include "storage/base/check.h"

/* Drivers that do in software what they offer, and what is to be known of each. */
struct driver_trait {
    const char *name;
    bool software;     /* Its offloads are no gain. */
    bool no_parts;     /* Takes no packet in parts, whatever it says. */
    bool no_wire;      /* Frames never leave this process: nobody sums them. */
    bool partial;      /* Brings frames of this kernel with half a checksum, and does not say so. */
    bool one_queue;    /* More are its peer's affair, who may not have them. */
    bool short_frames; /* Drops what is longer than Ethernet's 1500. */
    bool own_memory;   /* Its peer sees DPDK's memory only: everything else is copied. */
    bool readable;     /* Its interrupt's descriptor is, as long as frames wait. */
    int family;        /* Of its sockets, which it does not show; 0: it has none. */
};

/* By DPDK's name of it; of one that is not known: hardware, of which all it says is believed. */
const struct driver_trait *driver_trait_of(const char *driver);

#endif
