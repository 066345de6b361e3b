#include "tests/storage/io/fake_ring.h"

#include <errno.h>

static void request_add(struct ring *ring, const struct fake_request *request)
{
    ASSERT(ring->count < FAKE_REQUESTS_MAX);
    ring->requests[ring->count++] = *request;
}

const struct ring_features *ring_features(const struct ring *ring)
{
    return &ring->features;
}

uint32_t ring_file_count_max(const struct ring *ring)
{
    (void)ring;
    return FAKE_FILES_MAX;
}

int ring_add_memory(struct ring *ring, uint8_t *memory, uint64_t size)
{
    (void)memory;
    (void)size;
    return ring->add_memory_result;
}

int32_t ring_add_file(struct ring *ring, int fd)
{
    (void)fd;
    for (int32_t i = 0; i < FAKE_FILES_MAX; i++) {
        if (!ring->files[i]) {
            ring->files[i] = true;
            return i;
        }
    }
    return -ENOSPC;
}

void ring_remove_file(struct ring *ring, int32_t slot)
{
    ASSERT(ring->files[slot]);
    ring->files[slot] = false;
}

void ring_read(struct ring *ring, struct ring_op *op, int32_t slot, uint8_t *to, uint32_t len,
               uint64_t offset)
{
    request_add(ring, &(struct fake_request){FAKE_READ, op, slot, to, len, offset});
}

void ring_write(struct ring *ring, struct ring_op *op, int32_t slot, const uint8_t *from,
                uint32_t len, uint64_t offset, bool durable)
{
    request_add(ring, &(struct fake_request){durable ? FAKE_WRITE_DURABLE : FAKE_WRITE, op, slot,
                                             from, len, offset});
}

void ring_flush(struct ring *ring, struct ring_op *op, int32_t slot)
{
    request_add(ring, &(struct fake_request){FAKE_FLUSH, op, slot, NULL, 0, 0});
}

void ring_write_flush(struct ring *ring, struct ring_op *write_op, struct ring_op *flush_op,
                      int32_t slot, const uint8_t *from, uint32_t len, uint64_t offset)
{
    ring_write(ring, write_op, slot, from, len, offset, false);
    ring_flush(ring, flush_op, slot);
}
