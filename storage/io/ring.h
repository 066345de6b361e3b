/* One io_uring per core, for its disks and its sockets.
 *
 * Requests are queued and enter the kernel together, once a turn (ring_submit); what has ended is
 * fetched by the core's loop (ring_next_event). Nothing is called back and nothing happens inside a
 * submit. ring.c is the only file that includes liburing.h. Linux 6.1 is enough; what is newer is
 * probed, used where it pays, and hidden by linux_6_1_only.
 *
 *     while (ring_next_event(ring, &event)) {
 *         switch (event.op->owner) {
 *         case RING_OWNER_DISK:   disk_complete(disk, &event, now_ns);       break;
 *         case RING_OWNER_SOCKET: sock_complete(sock, &event);               break;
 *         case RING_OWNER_LOOP:   bell_clear(core);                          break;
 *         }
 *     }
 *
 * Errors: results are counts or -errno, as the kernel gives them; they travel no further up than
 * the owner's module.
 * Threads: created and prepared by any one thread; from ring_start on all calls come from the
 * thread that called it, except ring_wake, which any thread may call.
 */
#ifndef STORAGE_IO_RING_H
#define STORAGE_IO_RING_H

#include <sys/socket.h>

#include "storage/base/bytes.h"

struct ring;

/* Who takes the events of an operation. */
enum ring_owner {
    RING_OWNER_DISK,
    RING_OWNER_SOCKET,
    RING_OWNER_LOOP, /* The core's loop: its bell. */
};

/* One request under way, inside its owner's struct (CONTAINER_OF). Lent from the request until its
 * last event: the first one without RING_MORE. Its memory must stay valid until then, also after
 * ring_cancel. */
struct ring_op {
    uint8_t owner;  /* enum ring_owner */
    uint8_t kind;   /* The owner's own. */
    uint16_t tag;   /* The owner's own. */
    uint32_t group; /* The ring's while lent. */
};

enum ring_event_flag {
    RING_MORE = 1,     /* More events of this op will come: a multishot stays armed. */
    RING_BUFFER = 2,   /* buffer_id is set: a provided buffer is lent to the owner until
                          ring_buffer_give. It holds `result` bytes. */
    RING_NOTIFY = 4,   /* Zero copy: the kernel lets go of the sent memory. result means nothing. */
    RING_NONEMPTY = 8, /* The socket holds more bytes already. */
};

struct ring_event {
    struct ring_op *op;
    int32_t result; /* Bytes, a descriptor, 0; or -errno. */
    uint32_t flags; /* enum ring_event_flag, or'ed. */
    uint16_t buffer_id;
};

struct ring_options {
    uint32_t submissions;    /* Requests of one turn before an early submit; a power of two. */
    uint32_t completions;    /* Events held; a power of two. More are kept by the kernel, slowly. */
    uint32_t file_count_max; /* Registered files. */
    bool linux_6_1_only;     /* Use nothing newer. */
    bool no_memory;          /* As if the memlock limit were too small for ring_add_memory. */
    const int32_t *core_cpus; /* CPUs of all cores: kernel workers stay off them (H12). Borrowed */
    uint32_t core_cpu_count;  /* until return. Not possible when there are no others: ignored. */
};

/* What this ring got from this kernel; the rest of 6.1 is taken for granted. */
struct ring_features {
    bool single_issuer;
    bool defer_taskrun; /* Completions are worked on in the core's own enter only. */
    bool coop_taskrun;
    bool registered_ring;   /* Enter without looking the ring's descriptor up. */
    bool registered_memory; /* False: memlock is too small, or ring_add_memory was not called. */
    bool helpers_off_cores;
    bool send_zero_copy;
    bool send_message_zero_copy;
    bool receive_bundle; /* 6.10: several provided buffers filled by one receive. */
};

/* NULL with *error = errno: ENOSYS or EPERM where io_uring is not allowed or too old, ENOMEM. */
struct ring *ring_create(const struct ring_options *options, int *error);
/* Ends everything under way; events that were not fetched are lost. */
void ring_destroy(struct ring *ring);
/* Makes the calling thread the ring's own. Once, before the first request. 0 or -errno. */
MUST_USE int ring_start(struct ring *ring);
const struct ring_features *ring_features(const struct ring *ring);

/* ---- The turn ------------------------------------------------------------------------------- */

/* Gives all queued requests to the kernel and lets it finish what is ready: one system call, none
 * when neither is there. 0 or -errno (requests stay queued and go with the next submit). */
int ring_submit(struct ring *ring);

/* Gives all queued requests to the kernel now: what is queued behind them in this turn, and takes
 * the kernel's time, does not hold them up. Looks for nothing that has ended. */
void ring_hand_over(struct ring *ring);

/* ring_submit, then sleeps until an event is there, ring_wake was called or timeout_ns is over.
 * Only for the idle ladder. */
int ring_wait(struct ring *ring, uint64_t timeout_ns);

/* Ends the ring's current or next ring_wait. Any thread. */
void ring_wake(struct ring *ring);

/* False: ring_wait would return at once. Says of each ring_wake once that there was one. */
bool ring_quiet(struct ring *ring);

/* The next event; false when there is none. */
bool ring_next_event(struct ring *ring, struct ring_event *event);

/* Requests that still fit before a submit happens early by itself. Requests never fail for want of
 * room. */
uint32_t ring_room(const struct ring *ring);

struct ring_counters {
    uint64_t requests;
    uint64_t enters;        /* System calls. */
    uint64_t waits;         /* Of them: ring_wait. */
    uint64_t early_submits; /* Of them: because the queue was full. */
    uint64_t events;
    uint64_t overflows; /* Times the kernel had to keep events for want of room. */
};
const struct ring_counters *ring_counters(const struct ring *ring);

/* ---- Memory and files for disks ------------------------------------------------------------- */

/* Registers memory (page-aligned, borrowed until ring_destroy): reads and writes inside of it skip
 * the page lookup. Once. -ENOMEM when the memlock limit is too small: everything works without. */
MUST_USE int ring_add_memory(struct ring *ring, uint8_t *memory, uint64_t size);

/* Registers an open file; the descriptor may be closed afterwards, the ring keeps the file. Returns
 * its slot, or -ENOSPC when file_count_max are there, or -errno. */
MUST_USE int32_t ring_add_file(struct ring *ring, int fd);
uint32_t ring_file_count_max(const struct ring *ring);
/* No request may be under way on the slot. */
void ring_remove_file(struct ring *ring, int32_t slot);

/* Reads or writes len bytes. May end with fewer: the caller continues. durable: RWF_DSYNC. */
void ring_read(struct ring *ring, struct ring_op *op, int32_t slot, uint8_t *to, uint32_t len,
               uint64_t offset);
void ring_write(struct ring *ring, struct ring_op *op, int32_t slot, const uint8_t *from,
                uint32_t len, uint64_t offset, bool durable);
/* fdatasync. Runs on a kernel worker. */
void ring_flush(struct ring *ring, struct ring_op *op, int32_t slot);
/* A write, then an fdatasync once it is whole. Both give an event, the write's first; when the
 * write fails or is short, the flush's says -ECANCELED. */
void ring_write_flush(struct ring *ring, struct ring_op *write_op, struct ring_op *flush_op,
                      int32_t slot, const uint8_t *from, uint32_t len, uint64_t offset);

/* ---- Provided receive buffers --------------------------------------------------------------- */

enum {
    RING_GROUPS_MAX = 8,
};

/* count (a power of two, at most 32768) buffers of buffer_bytes in memory (borrowed until
 * ring_destroy), all free at first; buffer i is at memory + i * buffer_bytes. group:
 * 0 .. RING_GROUPS_MAX-1. 0 or -errno. */
MUST_USE int ring_add_buffers(struct ring *ring, uint16_t group, uint8_t *memory, uint32_t count,
                              uint32_t buffer_bytes);
/* Gives a buffer that came with an event back. The kernel gets no more of them at once than needed,
 * those used last first: they are still in the caches. */
void ring_buffer_give(struct ring *ring, uint16_t group, uint16_t buffer_id);
/* Buffers that are not lent. A receive that finds none ends with -ENOBUFS and is to be armed again
 * once buffers were given back. */
uint32_t ring_buffers_free(const struct ring *ring, uint16_t group);
static inline uint8_t *ring_buffer_at(uint8_t *memory, uint32_t buffer_bytes, uint16_t buffer_id)
{
    return memory + (size_t)buffer_id * buffer_bytes;
}

/* ---- Sockets -------------------------------------------------------------------------------- */

/* Each accepted connection is one event, result its descriptor (close-on-exec, not blocking).
 * Stays armed while RING_MORE; ends with -EMFILE and the like. */
void ring_accept_multishot(struct ring *ring, struct ring_op *op, int fd);
/* One connection, one event. */
void ring_accept(struct ring *ring, struct ring_op *op, int fd);

/* Each filled buffer is one event with RING_BUFFER, in stream order; 0 without RING_BUFFER: the
 * peer has closed. Stays armed while RING_MORE. The kernel may end it at any event, also a good
 * one: arm it again, after -ENOBUFS once buffers were given back. To stop taking in: ring_cancel,
 * and go on until the last event, which may still bring buffers. */
void ring_receive_multishot(struct ring *ring, struct ring_op *op, int fd, uint16_t group);

/* Receives len bytes to `to`, lent until the event. With MSG_WAITALL in flags the kernel goes on
 * after short receives; fewer bytes then mean that the peer closed or the op was cancelled. */
void ring_receive_into(struct ring *ring, struct ring_op *op, int fd, uint8_t *to, uint32_t len,
                       int flags);

/* Sends with MSG_NOSIGNAL | flags (MSG_MORE, MSG_WAITALL). Borrowed until the (last) event. With
 * MSG_WAITALL the kernel continues short sends itself. zero_copy: two events, the second has
 * RING_NOTIFY (the first then has RING_MORE); only where the features say so. */
void ring_send(struct ring *ring, struct ring_op *op, int fd, const void *from, uint32_t len,
               int flags, bool zero_copy);
/* message and all it points to is borrowed until the (last) event. */
void ring_send_message(struct ring *ring, struct ring_op *op, int fd, const struct msghdr *message,
                       int flags, bool zero_copy);

/* The descriptor is gone at the event, whatever the result. */
void ring_close(struct ring *ring, struct ring_op *op, int fd);
/* One event each time fd may have become readable (POLLIN); drain it to be told again for sure. */
void ring_poll_multishot(struct ring *ring, struct ring_op *op, int fd);
/* One event, once fd is readable. */
void ring_poll_once(struct ring *ring, struct ring_op *op, int fd);

/* Asks for the end of target (its last event says -ECANCELED, or what it just did). op gets an
 * event of its own: 0, -ENOENT or -EALREADY. */
void ring_cancel(struct ring *ring, struct ring_op *op, struct ring_op *target);

#endif
