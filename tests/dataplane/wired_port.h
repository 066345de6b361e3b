/* A port whose frames the test makes, and which interrupts as hardware does: once, after it was
 * armed. Frames are for nobody, and only counted. */
#ifndef TESTS_DATAPLANE_WIRED_PORT_H
#define TESTS_DATAPLANE_WIRED_PORT_H

#include <stdatomic.h>

#include "dataplane/nic/nic.h"
#include "dataplane/slowpath/statistics.h"

struct wired_port {
    struct nic nic;           /* First. */
    _Atomic uint32_t waiting; /* Frames that have arrived. */
    _Atomic uint32_t received;
    _Atomic bool armed;
    uint64_t raised; /* Interrupts. */
    /* Set by the test before the core runs. */
    uint32_t at_arming;        /* Frames that come just before an interrupt would tell of them. */
    bool broken;               /* It cannot be armed. */
    uint64_t sleeps_meanwhile; /* Of the core, until the last of those had come. */
    const struct core_statistics *statistics;
    uint8_t headers[NIC_BURST_MAX][PACKET_HEADER_BYTES];
    uint8_t frame[60];
};

extern struct wired_port wired_port;

/* Anew. */
struct nic *wired_port_start(const struct core_statistics *statistics);
/* One comes, now. */
void wired_port_frame(void);

#endif
