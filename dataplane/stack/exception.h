/* The exception path of a core: frames that are not for our address go to the kernel, and what the
 * kernel sends comes out of the port. Two rings of copies between the core and a thread that has a
 * tap (watch/share.h): the core makes no system call but to wake that thread.
 *
 * Threads: take, output, released and waiting on the core; the rings' other ends belong to the
 * thread. Pure.
 */
#ifndef DATAPLANE_STACK_EXCEPTION_H
#define DATAPLANE_STACK_EXCEPTION_H

#include "dataplane/mail/ring.h"
#include "dataplane/net/packet.h"
#include "storage/base/pool.h"

enum {
    EXCEPTION_FRAMES = 256,
    EXCEPTION_FRAME_BYTES = 2040,
};

struct exception_frame {
    uint32_t len;
    uint32_t zero;
    uint8_t bytes[EXCEPTION_FRAME_BYTES];
};

struct exception {
    struct ring to_kernel;   /* Of struct exception_frame. */
    struct ring from_kernel; /* The same. */
    struct ring_wake asleep; /* The thread. */
    struct pool leaving;     /* Frames that the port has. */
    void (*wake)(void *context);
    void *wake_context;
    _Atomic uint64_t given;   /* To the kernel. */
    _Atomic uint64_t dropped; /* Not given: the ring was full, or the frame is too long. */
    _Atomic uint64_t sent;    /* For the kernel. */
};

uint64_t exception_memory_bytes(void);
/* memory: zeroed, aligned to 64. wake: of the thread, called on the core. */
struct exception *exception_create(void *memory, void (*wake)(void *context), void *context);

/* Copies a frame for the kernel; the packet stays the caller's. */
void exception_take(struct exception *exception, const struct packet_in *packet);

/* Fills up to count packets with frames of the kernel's. Returns how many. */
uint32_t exception_output(struct exception *exception, struct packet_out *packets, uint32_t count);
/* The port is done with a packet of PACKET_PIN_EXCEPTION. */
void exception_released(struct exception *exception, const struct packet_pin *pin);

/* True when exception_output has something to send. */
bool exception_waiting(struct exception *exception);

#endif
