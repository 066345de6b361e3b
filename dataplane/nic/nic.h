/* One queue pair of a network port, as the core that owns it sees it. DPDK's ports implement it
 * (nic_dpdk.c), and in tests a wire in memory (tests/sim/sim_wire.c).
 *
 * In: frames lie in the port's buffers and are given to the caller, each buffer until release.
 * Out: prepare lends memory for headers, the stack builds the packets there, send takes them. What
 * a packet has pinned comes back through `released`, from within send or reclaim.
 *
 * Threads: made by any one thread; then from the core only, but `release` from whichever core has
 * the buffer. No call sleeps.
 */
#ifndef DATAPLANE_NIC_NIC_H
#define DATAPLANE_NIC_NIC_H

#include "dataplane/net/address.h"
#include "dataplane/net/packet.h"

enum { NIC_BURST_MAX = 32 };

/* What a port can do; everything else is done in software above it. */
struct nic_capabilities {
    struct mac mac;
    uint16_t mtu;
    uint16_t offloads;  /* enum net_offloads. */
    uint32_t parts_max; /* Views of payload in one packet. */
    uint32_t uncut_max; /* Of NET_OFFLOAD_TSO: net_setup's. */
    int wake_fd;        /* Becomes readable when a frame arrives, where there is `arm` after that
                         * only; -1: the port has to be asked. */
    uint16_t vlan;      /* Whose frames it brings and sends, without their tag here; 0: as on the
                         * wire. */
    bool silent;        /* No frame ever arrives here: another core hears the port. */
};

struct nic_counters {
    uint64_t in_frames;
    uint64_t in_bytes;
    uint64_t in_dropped; /* Frames of more pieces than are taken, or without a buffer. */
    uint64_t
        in_hash_checked; /* Of the first frames: whether the device dealt them out as it says. */
    uint64_t in_hash_differs;
    uint64_t in_other_vlan; /* Frames of another VLAN or of none, dropped with their tag. */
    uint64_t out_frames;
    uint64_t out_bytes;
    uint64_t out_copied_bytes; /* Payload that was copied behind its headers. */
    uint64_t out_full;         /* Times the port took less than it was given. */
    uint64_t out_refused;      /* Packets that it can never send as they are: dropped. */
};

struct capture;
struct nic;

struct nic_ops {
    /* Takes up to count frames (at most NIC_BURST_MAX) that have arrived. `more` of the packets is
     * valid until the next call. Returns how many. */
    uint32_t (*receive)(struct nic *nic, struct packet_in *packets, uint32_t count);
    /* Gives one received buffer back. */
    void (*release)(struct nic *nic, void *buffer);
    /* Sets `header` of up to count packets, as far as there is room to send. Returns how many. */
    uint32_t (*prepare)(struct nic *nic, struct packet_out *packets, uint32_t count);
    /* Sends the first `count` of the `prepared` packets, and takes the rest back. */
    void (*send)(struct nic *nic, const struct packet_out *packets, uint32_t count,
                 uint32_t prepared);
    /* Gives back pins of packets that have left by now. */
    void (*reclaim)(struct nic *nic);
    /* From now until disarm a frame that arrives makes wake_fd readable; what arrived before says
     * nothing, so look once more before sleeping. False: it does not work, now. NULL: wake_fd is
     * readable as long as frames wait. */
    bool (*arm)(struct nic *nic);
    void (*disarm)(struct nic *nic);
};

/* First member of every port's own struct. */
struct nic {
    const struct nic_ops *ops;
    struct nic_capabilities capabilities;
    struct nic_counters counters;
    bool pending; /* Packets wait for room to leave: reclaim tries again, soon. */
    /* Set by the user before the first send. */
    void (*released)(void *context, const struct packet_pin *pin);
    void *released_context;
    struct capture *capture; /* NULL: nobody looks (capture.h). */
};

#endif
