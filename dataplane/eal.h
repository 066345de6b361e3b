/* DPDK's environment: threads pinned to CPUs, and memory known to its drivers.
 *
 * Without huge pages, PCI devices or privileges it starts all the same, for the kernel-socket path.
 * Several cores may share a CPU. Its messages come out as journal lines. rte_ headers stay inside
 * eal.c.
 *
 * Threads: all calls from the thread that started it, which becomes the service thread.
 */
#ifndef DATAPLANE_EAL_H
#define DATAPLANE_EAL_H

#include "dataplane/journal.h"
#include "dataplane/memory.h"

enum {
    EAL_CORES_MAX = 64,
    EAL_CPU_ANY = 0xffff, /* Not pinned: any CPU this process may run on. */
};

struct eal_setup {
    struct journal *journal; /* Borrowed for good. */
    uint32_t core_count;
    uint16_t core_cpus[EAL_CORES_MAX]; /* CPU of each core, or EAL_CPU_ANY; the same one may come
                                          twice. */
    bool huge_pages;                   /* May be used for DPDK's own memory. */
    uint32_t memory_mib;               /* DPDK's own memory. */
    const char *device;                /* A port, "net_tap0,iface=..."; NULL: none. */
    bool pci;                          /* The device is one of PCI: "0000:3b:00.0". */
    const char *run_directory;         /* Its socket for telemetry lies below; NULL: none. */
};

/* Starts it, once per process. The calling thread moves to the CPUs no core has, if there are any.
 * False: reason holds a sentence. */
MUST_USE bool eal_start(const struct eal_setup *setup, char *reason, size_t reason_bytes);

/* Takes the socket for telemetry away; the cores have ended. */
void eal_stop(void);

/* Where DPDK answers questions of dpdk-telemetry.py; "": nowhere. */
const char *eal_telemetry(void);

/* Runs run(argument) on the core's thread. */
void eal_launch(uint32_t core, void (*run)(void *argument), void *argument);
/* Waits until what was launched on the core has returned. */
void eal_join(uint32_t core);

/* Makes an area on huge pages known to DPDK, so that packets may be sent from it (H15). Does
 * nothing for ordinary pages. 0 or -errno. */
MUST_USE int eal_register_memory(const struct memory_area *area);

/* Fills in which CPUs this process may run on, ascending; returns how many there are. */
uint32_t eal_allowed_cpus(uint16_t *cpus, uint32_t capacity);

#endif
