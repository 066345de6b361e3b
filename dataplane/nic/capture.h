/* Sees what a port receives and sends: a hook around a queue's operations, and a ring of copies for
 * another thread to read.
 *
 * While nothing is attached a packet costs nothing: attaching replaces the queue's table of
 * operations. The core never waits for the reader: what finds the ring full is counted as dropped.
 * A record carries the time of the turn in which the frame came or went. What the port itself still
 * does with a packet that goes out (checksums, cutting it into segments) is not seen.
 *
 * Threads: attach, detach and the hook on the core; create before, peek and consume by one reader.
 * Pure: no clock, no I/O, no allocation.
 */
#ifndef DATAPLANE_NIC_CAPTURE_H
#define DATAPLANE_NIC_CAPTURE_H

#include "dataplane/mail/ring.h"
#include "dataplane/nic/nic.h"

enum {
    CAPTURE_SNAP_MIN = 64,
    CAPTURE_SNAP_MAX = 9216,
    CAPTURE_SNAP_USUAL = 2048,
    CAPTURE_MEMORY_BYTES = 4 * 1024 * 1024, /* Of the ring of a core, at most. */
};

struct capture_options {
    uint16_t port; /* Only TCP and UDP from or to this port; 0: everything. */
    uint32_t snap; /* Bytes kept of each frame. */
};

struct capture_record {
    uint64_t now_ns;
    uint32_t len;      /* Of the frame. */
    uint32_t captured; /* Of it, bytes that follow. */
    bool out;
    uint8_t bytes[];
};

struct capture {
    struct capture_options options;
    struct ring ring;
    struct nic_ops ops;          /* In the place of inner while attached. */
    const struct nic_ops *inner; /* The core's. */
    uint64_t now_ns;             /* Set by the core before each turn. */
    _Atomic uint64_t seen;       /* Frames that passed the filter. */
    _Atomic uint64_t dropped;    /* Of them, those that found no room. */
};

uint64_t capture_memory_bytes(const struct capture_options *options);
/* memory: of that size, aligned to 64; borrowed until it is detached and read. */
struct capture *capture_create(void *memory, const struct capture_options *options);

void capture_attach(struct capture *capture, struct nic *nic);
void capture_detach(struct capture *capture, struct nic *nic);

/* The oldest record, valid until capture_consume; NULL: none. */
const struct capture_record *capture_peek(struct capture *capture);
void capture_consume(struct capture *capture);

#endif
