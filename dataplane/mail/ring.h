/* The one queue between threads and between processes: single producer, single consumer, bounded.
 *
 * Two flavours of one protocol. The producer owns `head`, the consumer owns `tail`; both only grow,
 * and a position in the buffer is the counter modulo its size:
 *
 *   R0  the producer stores head (release)   A0  the consumer loads head (acquire), pairs with R0
 *   R1  the consumer stores tail (release)   A1  the producer loads tail (acquire), pairs with R1
 *   X   a wake flag is only ever exchanged (acq_rel): whoever comes second sees what the first did
 *
 * struct ring carries slots of one size between threads that trust each other (mail).
 * struct byte_ring carries messages of any length in memory that two processes map, at different
 * addresses; each side keeps what it relies on in its own handle and checks what the other wrote
 * like a peer's input: a lie ends the ring (BYTE_RING_BROKEN), never the process.
 *
 * C11 atomics only, no fences, so that ThreadSanitizer sees every pair (H28).
 */
#ifndef DATAPLANE_MAIL_RING_H
#define DATAPLANE_MAIL_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#include "storage/base/bytes.h"

enum {
    RING_LINE_BYTES = 64, /* What two cores must not write at once. */
};

/* ---- Waking a consumer that sleeps ----------------------------------------------------------
 *
 * One flag per sleeper, for any number of rings. Sleeper: ring_wake_arm, look at all rings once
 * more, sleep only when they are empty, ring_wake_disarm. Producer: publish, then ring_wake_take;
 * when true, it must wake the sleeper (eventfd, ring message). Publishing several messages before
 * one take coalesces wakeups. No wakeup is lost: of the two exchanges one comes second (X). */
struct ring_wake {
    alignas(RING_LINE_BYTES) _Atomic uint32_t sleeping;
};

static inline void ring_wake_arm(struct ring_wake *wake)
{
    (void)atomic_exchange_explicit(&wake->sleeping, 1, memory_order_acq_rel); /* X */
}

static inline void ring_wake_disarm(struct ring_wake *wake)
{
    (void)atomic_exchange_explicit(&wake->sleeping, 0, memory_order_acq_rel); /* X */
}

/* True when the sleeper must be woken; each arm gives true to one producer only. */
static inline bool ring_wake_take(struct ring_wake *wake)
{
    return atomic_exchange_explicit(&wake->sleeping, 0, memory_order_acq_rel) != 0; /* X */
}

/* ---- Slots of one size ---------------------------------------------------------------------- */

struct ring {
    /* Read by both. */
    uint8_t *slots; /* Borrowed; slot_bytes * slot_count. */
    uint32_t slot_bytes;
    uint32_t slot_mask; /* Count - 1; the count is a power of two. */
    /* Producer's line. */
    alignas(RING_LINE_BYTES) _Atomic uint32_t head;
    uint32_t tail_seen;
    /* Consumer's line. */
    alignas(RING_LINE_BYTES) _Atomic uint32_t tail;
    uint32_t head_seen;
};

/* slots: borrowed as long as the ring; slot_count a power of two. */
void ring_init(struct ring *ring, void *slots, uint32_t slot_bytes, uint32_t slot_count);

/* The free slot so many behind the next one, for what is to be published together; NULL when the
 * ring ends before it. Single producer. */
static inline void *ring_claim_ahead(struct ring *ring, uint32_t ahead)
{
    const uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed) + ahead;
    if (head - ring->tail_seen > ring->slot_mask) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire); /* A1 */
        if (head - ring->tail_seen > ring->slot_mask) {
            return NULL;
        }
    }
    return ring->slots + (size_t)(head & ring->slot_mask) * ring->slot_bytes;
}

/* The next free slot, to be filled and published, or NULL when the ring is full.
 * Single producer. */
static inline void *ring_claim(struct ring *ring)
{
    return ring_claim_ahead(ring, 0);
}

/* Makes the first count claimed slots visible. Single producer. */
static inline void ring_publish_many(struct ring *ring, uint32_t count)
{
    const uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    atomic_store_explicit(&ring->head, head + count, memory_order_release); /* R0 */
}

/* Makes the claimed slot visible. Single producer. */
static inline void ring_publish(struct ring *ring)
{
    ring_publish_many(ring, 1);
}

/* The oldest slot, valid until ring_consume, or NULL when the ring is empty. Single consumer. */
static inline const void *ring_peek(struct ring *ring)
{
    const uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail == ring->head_seen) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire); /* A0 */
        if (tail == ring->head_seen) {
            return NULL;
        }
    }
    return ring->slots + (size_t)(tail & ring->slot_mask) * ring->slot_bytes;
}

/* Gives the slot last peeked back. Single consumer. */
static inline void ring_consume(struct ring *ring)
{
    const uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release); /* R1 */
}

/* Copies one slot in; false when the ring is full. Single producer. */
MUST_USE static inline bool ring_push(struct ring *ring, const void *slot)
{
    void *to = ring_claim(ring);
    if (to == NULL) {
        return false;
    }
    memcpy(to, slot, ring->slot_bytes);
    ring_publish(ring);
    return true;
}

/* Copies one slot out; false when the ring is empty. Single consumer. */
MUST_USE static inline bool ring_pop(struct ring *ring, void *slot)
{
    const void *from = ring_peek(ring);
    if (from == NULL) {
        return false;
    }
    memcpy(slot, from, ring->slot_bytes);
    ring_consume(ring);
    return true;
}

/* How many slots are filled; from either side, and only a hint from the other. */
static inline uint32_t ring_count(const struct ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_acquire) -
           atomic_load_explicit(&ring->tail, memory_order_acquire);
}

/* ---- Messages of any length in shared memory -------------------------------------------------
 *
 * A message is an 8-byte header (its length, a complement of it as a check) and its bytes, padded
 * to 8, in one piece: where it does not fit before the end of the buffer, a filler message goes
 * there first. No pointers in the memory. */
enum {
    BYTE_RING_MAGIC = 0x4d524231, /* "MRB1": changes with the layout. */
    BYTE_RING_HEADER_BYTES = 8,
};

/* Lies at a RING_LINE_BYTES-aligned place in the shared memory; all zero is not yet formatted. */
struct byte_ring_memory {
    uint32_t magic;
    uint32_t data_bytes; /* Power of two. */
    alignas(RING_LINE_BYTES) _Atomic uint64_t head;
    alignas(RING_LINE_BYTES) _Atomic uint64_t tail;
    struct ring_wake consumer; /* Armed by the consumer before it sleeps. */
    struct ring_wake producer; /* Armed by a producer that waits for room. */
    alignas(RING_LINE_BYTES) uint8_t data[];
};

enum byte_ring_status {
    BYTE_RING_OK,
    BYTE_RING_EMPTY,  /* Nothing to receive. */
    BYTE_RING_FULL,   /* No room for this message now. */
    BYTE_RING_BROKEN, /* The other side wrote nonsense; stays so. */
};

/* Each side's own handle, in its own memory. */
struct byte_ring_producer {
    struct byte_ring_memory *memory;
    uint8_t *data;
    uint32_t data_bytes;
    uint32_t claimed;      /* Bytes of the open claim, 0 none. */
    uint32_t claim_filler; /* Filler in front of it. */
    bool broken;
    uint64_t head;
    uint64_t tail_seen;
};

struct byte_ring_consumer {
    struct byte_ring_memory *memory;
    const uint8_t *data;
    uint32_t data_bytes;
    uint32_t held; /* Ring bytes of the message handed out, 0 none. */
    bool broken;
    uint64_t tail;
    uint64_t head_seen;
};

/* Bytes of memory for a ring of data_bytes (a power of two, at least 4096). */
static inline uint64_t byte_ring_size(uint32_t data_bytes)
{
    return sizeof(struct byte_ring_memory) + data_bytes;
}

/* The longest message: a quarter of the ring, so that filler never keeps one out for good. */
static inline uint32_t byte_ring_message_bytes_max(uint32_t data_bytes)
{
    return data_bytes / 4 - BYTE_RING_HEADER_BYTES;
}

/* Makes an empty ring in memory of byte_ring_size(data_bytes), by whoever creates the memory,
 * before the other side maps it. */
void byte_ring_format(struct byte_ring_memory *memory, uint32_t data_bytes);

/* Takes one side of the ring in memory_bytes of mapped memory, which is borrowed. False when what
 * lies there is no ring of that size. A side is attached to once. */
MUST_USE bool byte_ring_produce(struct byte_ring_producer *producer, void *memory,
                                uint64_t memory_bytes);
MUST_USE bool byte_ring_consume(struct byte_ring_consumer *consumer, void *memory,
                                uint64_t memory_bytes);

/* Room for one message of at most len bytes: *to is where it is written, valid until the publish.
 * len 1 .. byte_ring_message_bytes_max. Claiming again drops the open claim. */
MUST_USE enum byte_ring_status byte_ring_claim(struct byte_ring_producer *producer, uint32_t len,
                                               uint8_t **to);
/* Sends the claimed message, with the first len <= claimed bytes of it. */
void byte_ring_publish(struct byte_ring_producer *producer, uint32_t len);

/* Bytes that claims may still take, messages and headers, as of the last look. */
uint64_t byte_ring_room(struct byte_ring_producer *producer);

/* The next message: a view into the shared memory until byte_ring_release. The other side can still
 * write to it, so copy out what is checked before it is used. */
MUST_USE enum byte_ring_status byte_ring_receive(struct byte_ring_consumer *consumer,
                                                 struct bytes *message);
void byte_ring_release(struct byte_ring_consumer *consumer);

/* True when a receive would not say EMPTY: what a sleeper looks at after ring_wake_arm. */
bool byte_ring_readable(struct byte_ring_consumer *consumer);

/* True when a receive would say EMPTY: what a core looks at in each turn. */
static inline bool byte_ring_empty(const struct byte_ring_consumer *consumer)
{
    return !consumer->broken && consumer->head_seen == consumer->tail &&
           atomic_load_explicit(&consumer->memory->head, memory_order_acquire) /* A0 */ ==
               consumer->tail;
}

#endif
