#include "dataplane/mail/ring.h"

/* In front of each message. `check` is the complement of `len`, so that stray writes show. */
struct message_header {
    uint32_t len; /* MESSAGE_FILLER or'ed in: no message, skip to the end of the buffer. */
    uint32_t check;
};

enum {
    MESSAGE_FILLER = 1u << 31,
    MESSAGE_ALIGN_BYTES = 8,
    DATA_BYTES_MIN = 4096,
    DATA_BYTES_MAX = 1 << 30,
};

_Static_assert(sizeof(struct message_header) == BYTE_RING_HEADER_BYTES, "shared layout");
_Static_assert(offsetof(struct byte_ring_memory, head) == 64, "shared layout");
_Static_assert(offsetof(struct byte_ring_memory, tail) == 128, "shared layout");
_Static_assert(offsetof(struct byte_ring_memory, data) == 320, "shared layout");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared memory needs lock-free counters");

static bool size_valid(uint64_t size)
{
    return size >= DATA_BYTES_MIN && size <= DATA_BYTES_MAX && (size & (size - 1)) == 0;
}

void ring_init(struct ring *ring, void *slots, uint32_t slot_bytes, uint32_t slot_count)
{
    ASSERT(slot_count > 0 && (slot_count & (slot_count - 1)) == 0);
    memset(ring, 0, sizeof(*ring));
    ring->slots = slots;
    ring->slot_bytes = slot_bytes;
    ring->slot_mask = slot_count - 1;
}

void byte_ring_format(struct byte_ring_memory *memory, uint32_t data_bytes)
{
    ASSERT(size_valid(data_bytes));
    memset(memory, 0, sizeof(*memory));
    memory->data_bytes = data_bytes;
    memory->magic = BYTE_RING_MAGIC;
}

/* Checks what a mapping claims to be; the data size goes into the handle and is not read again. */
static bool memory_valid(const struct byte_ring_memory *memory, uint64_t memory_bytes,
                         uint32_t *data_bytes)
{
    if ((uintptr_t)memory % RING_LINE_BYTES != 0 || memory_bytes < sizeof(*memory) ||
        memory->magic != BYTE_RING_MAGIC) {
        return false;
    }
    *data_bytes = memory->data_bytes;
    return size_valid(*data_bytes) && byte_ring_size(*data_bytes) <= memory_bytes;
}

bool byte_ring_produce(struct byte_ring_producer *producer, void *memory, uint64_t memory_bytes)
{
    *producer = (struct byte_ring_producer){.memory = memory};
    if (!memory_valid(producer->memory, memory_bytes, &producer->data_bytes)) {
        return false;
    }
    producer->data = producer->memory->data;
    producer->head = atomic_load_explicit(&producer->memory->head, memory_order_relaxed);
    producer->tail_seen = producer->head;
    producer->broken = producer->head != 0;
    return !producer->broken;
}

bool byte_ring_consume(struct byte_ring_consumer *consumer, void *memory, uint64_t memory_bytes)
{
    *consumer = (struct byte_ring_consumer){.memory = memory};
    if (!memory_valid(consumer->memory, memory_bytes, &consumer->data_bytes)) {
        return false;
    }
    consumer->data = consumer->memory->data;
    consumer->broken = atomic_load_explicit(&consumer->memory->tail, memory_order_relaxed) != 0;
    return !consumer->broken;
}

/* Takes over the consumer's counter when it is possible at all. */
static void tail_refresh(struct byte_ring_producer *producer)
{
    const uint64_t tail =
        atomic_load_explicit(&producer->memory->tail, memory_order_acquire); /*A1*/
    if (tail < producer->tail_seen || tail > producer->head ||
        producer->head - tail > producer->data_bytes || tail % MESSAGE_ALIGN_BYTES != 0) {
        producer->broken = true;
        return;
    }
    producer->tail_seen = tail;
}

uint64_t byte_ring_room(struct byte_ring_producer *producer)
{
    tail_refresh(producer);
    return producer->broken ? 0 : producer->data_bytes - (producer->head - producer->tail_seen);
}

enum byte_ring_status byte_ring_claim(struct byte_ring_producer *producer, uint32_t len,
                                      uint8_t **to)
{
    ASSERT(len > 0 && len <= byte_ring_message_bytes_max(producer->data_bytes));
    const uint32_t need = (uint32_t)round_up(BYTE_RING_HEADER_BYTES + len, MESSAGE_ALIGN_BYTES);
    const uint32_t at = (uint32_t)producer->head & (producer->data_bytes - 1);
    const uint32_t filler = producer->data_bytes - at < need ? producer->data_bytes - at : 0;
    uint64_t used = producer->head - producer->tail_seen;

    producer->claimed = 0;
    if (!producer->broken && producer->data_bytes - used < filler + need) {
        tail_refresh(producer);
        used = producer->head - producer->tail_seen;
    }
    if (producer->broken) {
        return BYTE_RING_BROKEN;
    }
    if (producer->data_bytes - used < filler + need) {
        return BYTE_RING_FULL;
    }
    producer->claimed = len;
    producer->claim_filler = filler;
    *to = producer->data + (filler != 0 ? 0 : at) + BYTE_RING_HEADER_BYTES;
    return BYTE_RING_OK;
}

static void header_write(uint8_t *at, uint32_t len)
{
    const struct message_header header = {.len = len, .check = ~len};
    memcpy(at, &header, sizeof(header));
}

void byte_ring_publish(struct byte_ring_producer *producer, uint32_t len)
{
    ASSERT(producer->claimed > 0 && len > 0 && len <= producer->claimed);
    const uint32_t at = (uint32_t)producer->head & (producer->data_bytes - 1);
    if (producer->claim_filler != 0) {
        header_write(producer->data + at, MESSAGE_FILLER | producer->claim_filler);
    }
    header_write(producer->data + (producer->claim_filler != 0 ? 0 : at), len);
    producer->head +=
        producer->claim_filler + round_up(BYTE_RING_HEADER_BYTES + len, MESSAGE_ALIGN_BYTES);
    producer->claimed = 0;
    atomic_store_explicit(&producer->memory->head, producer->head, memory_order_release); /* R0 */
}

/* Takes over the producer's counter when it is possible at all. */
static void head_refresh(struct byte_ring_consumer *consumer)
{
    const uint64_t head =
        atomic_load_explicit(&consumer->memory->head, memory_order_acquire); /*A0*/
    if (head < consumer->head_seen || head - consumer->tail > consumer->data_bytes ||
        head % MESSAGE_ALIGN_BYTES != 0) {
        consumer->broken = true;
        return;
    }
    consumer->head_seen = head;
}

bool byte_ring_readable(struct byte_ring_consumer *consumer)
{
    if (!consumer->broken && consumer->head_seen == consumer->tail) {
        head_refresh(consumer);
    }
    return consumer->broken || consumer->head_seen != consumer->tail;
}

static void tail_store(struct byte_ring_consumer *consumer, uint32_t count)
{
    consumer->tail += count;
    atomic_store_explicit(&consumer->memory->tail, consumer->tail, memory_order_release); /* R1 */
}

/* Reads the header at the tail once, and believes nothing of it. Returns the ring bytes it covers,
 * 0 when it cannot be right. */
static uint32_t header_read(const struct byte_ring_consumer *consumer, uint32_t *len)
{
    const uint32_t at = (uint32_t)consumer->tail & (consumer->data_bytes - 1);
    const uint64_t published = consumer->head_seen - consumer->tail;
    struct message_header header;
    memcpy(&header, consumer->data + at, sizeof(header));

    if (header.check != ~header.len) {
        return 0;
    }
    if ((header.len & MESSAGE_FILLER) != 0) {
        const uint32_t filler = header.len & ~(uint32_t)MESSAGE_FILLER;
        *len = 0;
        return filler == consumer->data_bytes - at && filler < published ? filler : 0;
    }
    if (header.len == 0 || header.len > byte_ring_message_bytes_max(consumer->data_bytes)) {
        return 0;
    }
    const uint32_t whole =
        (uint32_t)round_up(BYTE_RING_HEADER_BYTES + header.len, MESSAGE_ALIGN_BYTES);
    *len = header.len;
    return whole <= published && whole <= consumer->data_bytes - at ? whole : 0;
}

enum byte_ring_status byte_ring_receive(struct byte_ring_consumer *consumer, struct bytes *message)
{
    ASSERT(consumer->held == 0);
    for (uint32_t round = 0; round < 2; round++) { /* A filler, and the message behind it. */
        if (!byte_ring_readable(consumer)) {
            return BYTE_RING_EMPTY;
        }
        if (consumer->broken) {
            return BYTE_RING_BROKEN;
        }
        uint32_t len = 0;
        const uint32_t covered = header_read(consumer, &len);
        if (covered == 0) {
            break;
        }
        if (len > 0) {
            const uint32_t at = (uint32_t)consumer->tail & (consumer->data_bytes - 1);
            *message = (struct bytes){consumer->data + at + BYTE_RING_HEADER_BYTES, len};
            consumer->held = covered;
            return BYTE_RING_OK;
        }
        tail_store(consumer, covered);
    }
    consumer->broken = true; /* No header, or two fillers in a row. */
    return BYTE_RING_BROKEN;
}

void byte_ring_release(struct byte_ring_consumer *consumer)
{
    ASSERT(consumer->held > 0);
    const uint32_t covered = consumer->held;
    consumer->held = 0;
    tail_store(consumer, covered);
}
