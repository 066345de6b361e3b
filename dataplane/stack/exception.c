#include "dataplane/stack/exception.h"

enum { HEADER_BYTES = 14 }; /* Of Ethernet: the rest goes as a part. */

static uint64_t ring_bytes(void)
{
    return (uint64_t)EXCEPTION_FRAMES * sizeof(struct exception_frame);
}

uint64_t exception_memory_bytes(void)
{
    return round_up(sizeof(struct exception), 64) + 2 * ring_bytes() +
           round_up(pool_memory_bytes(sizeof(struct exception_frame), EXCEPTION_FRAMES), 64);
}

struct exception *exception_create(void *memory, void (*wake)(void *context), void *context)
{
    struct exception *exception = memory;
    uint8_t *at = (uint8_t *)memory + round_up(sizeof(*exception), 64);
    ring_init(&exception->to_kernel, at, sizeof(struct exception_frame), EXCEPTION_FRAMES);
    at += ring_bytes();
    ring_init(&exception->from_kernel, at, sizeof(struct exception_frame), EXCEPTION_FRAMES);
    at += ring_bytes();
    pool_init(&exception->leaving, at, sizeof(struct exception_frame), EXCEPTION_FRAMES);
    exception->wake = wake;
    exception->wake_context = context;
    return exception;
}

static void count(_Atomic uint64_t *counter)
{
    const uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_relaxed); /* One writer. */
}

static bool append(struct exception_frame *frame, struct bytes bytes)
{
    if (bytes.len > EXCEPTION_FRAME_BYTES - frame->len) {
        return false;
    }
    memcpy(frame->bytes + frame->len, bytes.ptr, bytes.len);
    frame->len += bytes.len;
    return true;
}

void exception_take(struct exception *exception, const struct packet_in *packet)
{
    struct exception_frame *frame = ring_claim(&exception->to_kernel);
    bool good = frame != NULL;
    if (good) {
        frame->len = 0;
        good = append(frame, packet->first.bytes);
    }
    for (uint32_t i = 0; good && i < packet->more_count; i++) {
        good = append(frame, packet->more[i].bytes);
    }
    if (!good) {
        count(&exception->dropped);
        return;
    }
    ring_publish(&exception->to_kernel);
    count(&exception->given);
    if (ring_wake_take(&exception->asleep)) {
        exception->wake(exception->wake_context);
    }
}

uint32_t exception_output(struct exception *exception, struct packet_out *packets,
                          uint32_t count_max)
{
    uint32_t done = 0;
    while (done < count_max) {
        const struct exception_frame *frame = ring_peek(&exception->from_kernel);
        struct exception_frame *leaving = frame == NULL ? NULL : pool_take(&exception->leaving);
        if (leaving == NULL) {
            break;
        }
        const uint32_t len = min_u32(frame->len, EXCEPTION_FRAME_BYTES);
        const uint32_t header = min_u32(len, HEADER_BYTES);
        struct packet_out *packet = &packets[done];
        memcpy(leaving->bytes, frame->bytes, len);
        ring_consume(&exception->from_kernel);
        memcpy(packet->header, leaving->bytes, header);
        packet->header_len = (uint16_t)header;
        packet->l2_len = (uint16_t)header;
        packet->l3_len = 0;
        packet->l4_len = 0;
        packet->flags = 0;
        packet->tso_bytes = 0;
        packet->payload_len = len - header;
        packet->part_count = 1;
        packet->parts[0] = (struct bytes){leaving->bytes + header, len - header};
        packet->pin = (struct packet_pin){PACKET_PIN_EXCEPTION, 1, leaving};
        count(&exception->sent);
        done++;
    }
    return done;
}

void exception_released(struct exception *exception, const struct packet_pin *pin)
{
    ASSERT(pin->kind == PACKET_PIN_EXCEPTION);
    pool_give(&exception->leaving, pin->holder);
}

bool exception_waiting(struct exception *exception)
{
    return ring_peek(&exception->from_kernel) != NULL;
}
