/* The twin of a network: ports (dataplane/nic/nic.h) on one wire in memory, on virtual time.
 *
 * The seed decides what the wire does to frames: delay, loss in bursts, duplicates, reordering,
 * damage; and when a port gives back what it has sent. Payload must not change while it is lent,
 * and released buffers are gone, so that memory that is reused too early shows.
 *
 * Threads: none; allocates as it likes.
 */
#ifndef TESTS_SIM_SIM_WIRE_H
#define TESTS_SIM_SIM_WIRE_H

#include "dataplane/nic/nic.h"

struct sim_wire;

struct sim_wire_options {
    uint64_t seed;
    uint16_t mtu; /* 0: 1500. */
    uint64_t delay_ns;
    uint64_t jitter_ns;
    uint32_t loss_in; /* One burst in so many frames; 0: never. The same below. */
    uint32_t burst_max;
    uint32_t duplicate_in;
    uint32_t reorder_in;
    uint32_t damage_in;
    uint32_t remap_in; /* Ports of several queues deal flows out anew. */
    bool late;         /* Ports keep what they send for up to 3 ms. */
};

/* A wire as bad as the seed wills. */
struct sim_wire_options sim_wire_options_by_seed(uint64_t seed);

struct sim_wire *sim_wire_create(const struct sim_wire_options *options);
/* All ports must be gone. */
void sim_wire_destroy(struct sim_wire *wire);
void sim_wire_set_now(struct sim_wire *wire, uint64_t now_ns);
/* When something happens by itself; UINT64_MAX never. */
uint64_t sim_wire_next_ns(const struct sim_wire *wire);
/* From now on nothing is lost, damaged or overtaken. */
void sim_wire_heal(struct sim_wire *wire);
uint64_t sim_wire_lost(const struct sim_wire *wire);

/* A port, or the next queue of one: number is that of its hardware address. Frames go to the queue
 * that their flow's hash names, others to the first; silent: none come to this queue, nor to those
 * made after it. buffer_count: frames that may be received and not given back. alive (may be NULL):
 * says whether frames still leave: what a dead process says is never heard. */
struct nic *sim_port_create(struct sim_wire *wire, uint8_t number, bool silent,
                            uint32_t buffer_count, bool (*alive)(const void *context),
                            const void *context);
void sim_port_destroy(struct nic *nic);
/* True when a frame has arrived or something sent may be given back. */
bool sim_port_ready(const struct nic *nic);
/* Received buffers that have not come back. */
uint32_t sim_port_held(const struct nic *nic);

#endif
