#include "dataplane/slowpath/channel.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "dataplane/slowpath/fragment.h"
#include "dataplane/slowpath/link.h"

struct slow_channel {
    /* Service thread to core, and back: what the core is to use, and what it uses. */
    _Atomic(struct channel_attachment *) wanted;
    _Atomic(struct channel_attachment *) used;
    _Atomic bool broken; /* The attachment in use is; cleared with the next one. */
    /* The core's own. */
    struct channel_attachment *attached;
    bool usable; /* attached and not broken. */
    bool sent;   /* Since the last flush. */
    bool released;
    struct fragment_writer to_control;
    struct fragment_reader from_control;
};

struct slow_channel *channel_create(void)
{
    return calloc(1, sizeof(struct slow_channel));
}

void channel_destroy(struct slow_channel *channel)
{
    free(channel);
}

void channel_attach(struct slow_channel *channel, struct channel_attachment *attachment)
{
    ASSERT(attachment->session != 0);
    atomic_store_explicit(&channel->wanted, attachment, memory_order_seq_cst);
}

void channel_detach(struct slow_channel *channel)
{
    atomic_store_explicit(&channel->wanted, NULL, memory_order_seq_cst);
}

bool channel_let_go(const struct slow_channel *channel, const struct channel_attachment *attachment)
{
    return atomic_load_explicit(&channel->wanted, memory_order_seq_cst) != attachment &&
           atomic_load_explicit(&channel->used, memory_order_seq_cst) != attachment;
}

bool channel_broken(const struct slow_channel *channel)
{
    return atomic_load_explicit(&channel->broken, memory_order_acquire);
}

static void mark_broken(struct slow_channel *channel)
{
    channel->usable = false;
    atomic_store_explicit(&channel->broken, true, memory_order_release);
}

void channel_turn(struct slow_channel *channel)
{
    struct channel_attachment *wanted =
        atomic_load_explicit(&channel->wanted, memory_order_acquire);
    if (LIKELY(wanted == channel->attached)) {
        return;
    }
    /* `used` is set before the attachment is touched, and `wanted` looked at again: the service
     * thread, which changes wanted first and looks at used after, then never frees what we use. */
    atomic_store_explicit(&channel->used, wanted, memory_order_seq_cst);
    if (atomic_load_explicit(&channel->wanted, memory_order_seq_cst) != wanted) {
        wanted = NULL; /* Moved on already; the next turn takes what is wanted then. */
        atomic_store_explicit(&channel->used, NULL, memory_order_seq_cst);
    }
    channel->attached = wanted;
    channel->usable = false;
    channel->sent = false;
    channel->released = false;
    atomic_store_explicit(&channel->broken, false, memory_order_release);
    if (wanted != NULL) {
        channel->usable = fragment_writer_init(&channel->to_control, wanted->to_control,
                                               wanted->to_control_bytes) &&
                          fragment_reader_init(&channel->from_control, wanted->to_core,
                                               wanted->to_core_bytes, true, SLOW_APPEND_BYTES_MAX);
        if (!channel->usable) {
            mark_broken(channel);
        }
    }
}

bool channel_connected(const struct slow_channel *channel)
{
    return channel->usable;
}

uint64_t channel_session(const struct slow_channel *channel)
{
    return channel->usable ? channel->attached->session : 0;
}

bool channel_send(struct slow_channel *channel, const struct slow_header *header,
                  struct chain payload)
{
    const bool modest = header->kind == SLOW_REQUEST || header->kind == SLOW_RECORDS;
    if (!channel->usable || payload.len > SLOW_REQUEST_BYTES_MAX) {
        return false;
    }
    if (!fragment_send_whole(&channel->to_control, header, payload,
                             modest ? SLOW_RESERVED_BYTES : 0)) {
        if (channel->to_control.ring.broken) {
            mark_broken(channel);
        }
        return false;
    }
    channel->sent = true;
    return true;
}

bool channel_receive(struct slow_channel *channel, struct slow_fragment *fragment)
{
    if (!channel->usable || byte_ring_empty(&channel->from_control.ring)) {
        return false;
    }
    const enum byte_ring_status status = fragment_receive(&channel->from_control, fragment);
    if (status == BYTE_RING_BROKEN) {
        mark_broken(channel);
    }
    return status == BYTE_RING_OK;
}

void channel_release(struct slow_channel *channel)
{
    if (channel->attached == NULL) {
        return;
    }
    fragment_release(&channel->from_control);
    channel->released = true;
}

void channel_flush(struct slow_channel *channel)
{
    bool wakes = false;
    if (!channel->usable) {
        return;
    }
    if (channel->sent) {
        wakes = ring_wake_take(&channel->to_control.ring.memory->consumer);
    }
    if (channel->released) { /* Control may wait for room in the ring. */
        wakes |= ring_wake_take(&channel->from_control.ring.memory->producer);
    }
    channel->sent = false;
    channel->released = false;
    if (wakes) {
        link_bell_ring(channel->attached->world, channel->attached->control_bell);
    }
}

bool channel_sleep(struct slow_channel *channel)
{
    if (!channel->usable) {
        return true;
    }
    ring_wake_arm(&channel->from_control.ring.memory->consumer);
    if (byte_ring_readable(&channel->from_control.ring)) {
        channel_wake(channel);
        return false;
    }
    return true;
}

bool channel_quiet(struct slow_channel *channel)
{
    return atomic_load_explicit(&channel->wanted, memory_order_acquire) == channel->attached &&
           (!channel->usable || byte_ring_empty(&channel->from_control.ring));
}

void channel_wake(struct slow_channel *channel)
{
    if (channel->usable) {
        ring_wake_disarm(&channel->from_control.ring.memory->consumer);
    }
}
