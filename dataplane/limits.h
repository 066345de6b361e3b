/* THE LIMITS: every bound of the dataplane, and who holds what. Pools are sums of these; what
 * comes from configuration is bounded where it is read (profile/settings_table.c), what belongs to
 * one module stands in its header and is gathered here to be held against the others.
 *
 * Budgets bound the work of one phase of a turn, so that a turn stays well under 10 ms and a flood
 * of one kind cannot keep the others waiting.
 */
#ifndef DATAPLANE_LIMITS_H
#define DATAPLANE_LIMITS_H

#include "dataplane/broker/limits.h"
#include "dataplane/eal.h"
#include "dataplane/mail/mail.h"
#include "dataplane/sock/sock.h"
#include "dataplane/stack/stack.h"
#include "storage/io/disk.h"
#include "storage/log/log.h"

/* ---- A turn ---- */
enum {
    TURN_EVENTS_MAX = 512,  /* Completions of the ring. */
    TURN_MAIL_MAX = 256,    /* Messages from other cores. */
    TURN_LOG_MAX = 512,     /* Finished appends, reads, lookups. */
    TURN_FRAMES_MAX = 256,  /* Requests started. */
    TURN_SLOW_MAX = 64,     /* Fragments from control. */
    TURN_TIMERS_MAX = 128,  /* Parked fetches, idle connections, partitions to open. */
    TURN_LATE_MS = 10,      /* Counted above this. */
    IDLE_POLL_US = 25,      /* balanced: what a core without work polls at most: a sleep's cost. */
    IDLE_POLL_LEAST_US = 5, /* ... and at least, where work came within IDLE_POLL_US. */
    /* Where so many appends wait for the device, each would wait for the core's waking up too: then
       it polls about as long as a write takes. */
    IDLE_POLL_APPENDS = 64,
    IDLE_POLL_APPENDS_US = 80,
    TURN_PORT_MAX = 256, /* Frames taken in, and again so many sent. */
    /* Between two looks at a port that wakes nobody a core sleeps, the longer the longer it is
       idle. */
    PORT_NAP_US_MIN = 50,
    PORT_NAP_US_MAX = 4000,
    SLEEP_MS_MAX = 1000, /* A sleeping core looks around that often whatever happens. */
    STATISTICS_EVERY_MS = 100,
};

/* ---- A core's ring: what is under way at once ---- */
enum {
    DISK_OPERATIONS_MAX = 1024,
    RING_SUBMISSIONS = 1024,
    RING_COMPLETIONS = 8192, /* More are kept by the kernel, slowly. */
    OPEN_FILES_MAX = 4096,   /* Registered files of a core: the log's, and every lock twice. */
    RECEIVE_BUFFER_BYTES = 16 * 1024,
    RECEIVE_GROUP = 0,        /* Of provided buffers. */
    PORT_BUFFER_BYTES = 2560, /* A frame of 1500 bytes with what DPDK keeps beside it. */
    PORT_BUFFERS_MAX = 60000, /* Of a core. */
    /* Sends waiting in the kernel-socket path beyond the one that each connection may have. */
    SEND_SURPLUS = 4096,
};

/* ---- A core's log ---- */
enum {
    PARTITIONS_OF_CORE_MAX = 65536,
    PRODUCERS_OF_CORE_MAX = 65536,
};

/* ---- Threads beside the cores ---- */
enum {
    HOUSEKEEPING_JOBS_MAX = 1024,      /* Per core and kind. */
    RECOVERY_THREADS = 8,              /* Whatever the number of CPUs: they wait for the device. */
    SERVICE_POLL_MS = 100,             /* Log lines of the cores are written at least that often. */
    DRAIN_MS_MAX = 10 * 1000,          /* SIGTERM: for answering what is in progress. */
    FINISH_MS_MAX = 20 * 1000,         /* Then: for flushing and trimming. */
    DIRECTORY_LOCK_WAIT_MS = 3 * 1000, /* For late writes of a killed process (H3). */
};

_Static_assert((int)MAIL_CORES_MAX == (int)EAL_CORES_MAX, "one bound for cores");
_Static_assert((int)SEND_PARTS_MAX <= (int)SOCK_SEND_PARTS_MAX, "the broker's sends fit");
_Static_assert((int)SEND_PARTS_MAX <= (int)STACK_SEND_PARTS_MAX, "the broker's sends fit");
_Static_assert((int)FRAME_DIRECT_BYTES_MAX >= (int)SOCK_DIRECT_BYTES_MIN,
               "frames received into memory go there directly");
_Static_assert((RING_SUBMISSIONS & (RING_SUBMISSIONS - 1)) == 0, "a power of two");
_Static_assert((RING_COMPLETIONS & (RING_COMPLETIONS - 1)) == 0, "a power of two");
_Static_assert((int)DISK_OPERATIONS_MAX * 4 <= (int)RING_COMPLETIONS,
               "disks leave room for sockets in the completion queue");
_Static_assert((int)TURN_LOG_MAX <= (int)DISK_OPERATIONS_MAX, "a turn's completions fit a turn");

#endif
