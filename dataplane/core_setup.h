/* Makes the cores: all memory, rings, logs, brokers; nothing is allocated afterwards.
 *
 * In steps, because recovery and DPDK's start need time and not everything needs their results:
 * cores_take_memory, then cores_make beside them, cores_register after DPDK, cores_complete once
 * control's session exists.
 *
 * Threads: cores_make from any one ordinary thread (it runs beside the start of DPDK), the rest
 * from the service thread, before the cores run.
 */
#ifndef DATAPLANE_CORE_SETUP_H
#define DATAPLANE_CORE_SETUP_H

#include "dataplane/core_loop.h"
#include "dataplane/eal.h"
#include "dataplane/memory.h"
#include "dataplane/nic/toeplitz.h"
#include "dataplane/recover.h"
#include "dataplane/slowpath/session.h"
#include "storage/io/housekeeping_thread.h"

/* What the bypass path needs to know. */
struct cores_bypass {
    bool used;   /* Else kernel sockets. */
    uint32_t v4; /* Host order; 0: none, then there is v6. */
    uint8_t prefix_bits;
    struct address v6; /* Zero: none. */
    uint8_t prefix_bits_v6;
    struct address gateway_v6; /* Zero: none. */
    struct address host_v6;
    uint16_t vlan;                      /* 0: untagged. */
    uint8_t hash_key[TOEPLITZ_KEY_MAX]; /* By which the port deals out flows. */
    const struct congestion *congestion;
    uint32_t gateway_v4; /* 0: none. */
    uint32_t host_v4;    /* Of the kernel's end; 0: none. */
    uint16_t port;       /* Of TCP, where Kafka clients connect. */
    uint64_t secret[4];  /* Random. */
};

struct cores_options {
    uint32_t core_count;
    uint32_t cpu_count; /* 0: not pinned; else core n runs on cpus[n % cpu_count]. */
    int32_t cpus[EAL_CORES_MAX];
    enum core_idle idle;
    uint64_t arena_bytes;   /* Of each core. */
    uint64_t receive_bytes; /* Of each core. */
    uint64_t memory_cap_bytes;
    enum memory_pages pages;
    bool huge_required;
    bool linux_6_1_only;
    uint32_t flush_delay_us;
    uint32_t connection_count_max; /* Of all cores. */
    uint32_t request_bytes_max;
    uint64_t seed;
    struct journal *journal; /* Borrowed, as all pointers below. */
    struct link_world *world;
    struct recover *recover; /* Its directories. */
    int service_bell;
    struct cores_bypass bypass;
};

struct cores {
    struct cores_options options;
    struct housekeeping *housekeeping;
    void *mail_memory;
    struct mail *mail;
    void *spread_memory; /* Of stacks on several cores. */
    struct broker_shared *shared;
    struct broker_directory directories[LOG_DIRECTORIES_MAX];
    int statistics_memory; /* Handle, for the session. */
    uint64_t statistics_bytes;
    struct statistics *statistics;
    int log_shared_memory; /* Handle, for the session. */
    struct log_shared *log_shared;
    int bells[EAL_CORES_MAX];
    struct core *cores[EAL_CORES_MAX];
    struct log *logs[EAL_CORES_MAX];
    struct memory_area arenas[EAL_CORES_MAX];
    struct memory_area receives[EAL_CORES_MAX];
    struct memory_area others[EAL_CORES_MAX]; /* Sock or stack, and broker. */
};

/* What a start with these options may come to use, all cores together. */
uint64_t cores_memory_bytes(const struct cores_options *options);

/* Takes the large memory, before DPDK looks which huge pages are left. False: reason holds a
 * sentence; the process ends then, so nothing is undone, here and below. refused: whether it would
 * fail in the same way again. */
MUST_USE bool cores_take_memory(struct cores *cores, const struct cores_options *options,
                                bool *refused, char *reason, size_t reason_bytes);

/* Makes rings, disks, logs and mail. */
MUST_USE bool cores_make(struct cores *cores, char *reason, size_t reason_bytes);

/* Makes the arenas known to DPDK, which has started. */
MUST_USE bool cores_register(struct cores *cores, char *reason, size_t reason_bytes);

/* Received buffers of each core on the bypass path: what its queue of the port is to have. */
uint32_t cores_port_buffers(const struct cores_options *options);

/* Adds the network path and the broker to each core. listeners: one per core; nics on the bypass
 * path, one per core, else NULL. */
MUST_USE bool cores_complete(struct cores *cores, struct session *session, const int *listeners,
                             struct nic *const *nics, char *reason, size_t reason_bytes);

/* Says in the log what the kernel and the limits did not give. */
void cores_report(const struct cores *cores);

#endif
