#include "storage/io/disk.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/io/disk_ring.h"

enum {
    RETRIES_MAX = 16, /* Of EAGAIN and EINTR, per operation. */
};

enum request_kind {
    REQUEST_TRANSFER,   /* A read, a write, or the write of a linked pair. */
    REQUEST_FLUSH,      /* A flush alone. */
    REQUEST_PAIR_FLUSH, /* The second of a linked pair. */
};

/* What the disk knows of an operation under way. */
struct request {
    struct list_node node; /* Of free or delayed. */
    struct ring_op ring_op;
    struct ring_op flush_op;
    struct disk_op *op;
    uint64_t submit_ns;
    uint32_t progress;
    uint32_t retries;
    int32_t write_result; /* Of a linked pair. */
};

struct disk {
    struct ring *ring;
    struct disk_options options;
    uint8_t *memory;
    uint64_t memory_bytes;
    struct request *requests;
    struct list free;
    struct list delayed; /* Done, but not to be told before submit_ns + flush_delay_ns. */
    struct list done;    /* struct disk_op */
    uint32_t free_count;
    uint32_t done_count;
    uint32_t delayed_count;
    uint32_t slot_count; /* Taken. */
    uint64_t flush_delay_ns;
    uint64_t now_ns;
    bool *slot_covers; /* By slot of the ring. */
    uint32_t slot_covers_count;
    struct disk_counters counters;
};

struct disk *disk_create(struct ring *ring, uint8_t *memory, uint64_t memory_bytes,
                         const struct disk_options *options)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    if (disk == NULL) {
        return NULL;
    }
    disk->ring = ring;
    disk->options = *options;
    disk->memory = memory;
    disk->memory_bytes = memory_bytes;
    disk->flush_delay_ns = options->flush_delay_us * 1000ull;
    list_init(&disk->free);
    list_init(&disk->delayed);
    list_init(&disk->done);
    disk->slot_covers_count = ring_file_count_max(ring);
    disk->requests = calloc(options->operation_count_max, sizeof(*disk->requests));
    disk->slot_covers = calloc(disk->slot_covers_count + 1, sizeof(*disk->slot_covers));
    if (disk->requests == NULL || disk->slot_covers == NULL) {
        disk_destroy(disk);
        return NULL;
    }
    for (uint32_t i = 0; i < options->operation_count_max; i++) {
        struct request *request = &disk->requests[i];
        request->ring_op = (struct ring_op){.owner = RING_OWNER_DISK, .kind = REQUEST_TRANSFER};
        request->flush_op = (struct ring_op){.owner = RING_OWNER_DISK, .kind = REQUEST_PAIR_FLUSH};
        list_push_back(&disk->free, &request->node);
    }
    disk->free_count = options->operation_count_max;
    if (memory_bytes > 0 && ring_add_memory(ring, memory, memory_bytes) != 0) {
        ASSERT(!ring_features(ring)->registered_memory); /* Works without; doctor says so. */
    }
    return disk;
}

void disk_destroy(struct disk *disk)
{
    ASSERT(disk->requests == NULL || disk->counters.under_way == 0);
    free(disk->requests);
    free(disk->slot_covers);
    free(disk);
}

const struct disk_counters *disk_counters(const struct disk *disk)
{
    return &disk->counters;
}

/* ---- Files ---------------------------------------------------------------------------------- */

int32_t disk_add_file(struct disk *disk, int fd, bool covers_device)
{
    if (disk->slot_count == disk->options.slot_count) {
        return -ENOSPC;
    }
    const int32_t slot = ring_add_file(disk->ring, fd);
    if (slot >= 0) {
        ASSERT((uint32_t)slot < disk->slot_covers_count);
        disk->slot_covers[slot] = covers_device;
        disk->slot_count++;
    }
    return slot;
}

void disk_remove_file(struct disk *disk, int32_t slot)
{
    ASSERT(disk->slot_count > 0);
    ring_remove_file(disk->ring, slot);
    disk->slot_count--;
}

bool disk_flush_covers_device(const struct disk *disk, int32_t slot)
{
    ASSERT(slot >= 0 && (uint32_t)slot < disk->slot_covers_count);
    return disk->slot_covers[slot];
}

/* ---- Requests ------------------------------------------------------------------------------- */

uint32_t disk_room(const struct disk *disk)
{
    return disk->free_count;
}

/* Hands the operation, or what is left of it, to the ring. */
static void request_send(struct disk *disk, struct request *request)
{
    const struct disk_op *op = request->op;
    uint8_t *buffer = op->buffer + request->progress;
    const uint32_t len = op->len - request->progress;
    const uint64_t offset = op->offset + request->progress;
    request->ring_op.kind = REQUEST_TRANSFER;
    switch (op->kind) {
    case DISK_READ: ring_read(disk->ring, &request->ring_op, op->slot, buffer, len, offset); break;
    case DISK_WRITE:
        ring_write(disk->ring, &request->ring_op, op->slot, buffer, len, offset, false);
        break;
    case DISK_WRITE_DURABLE:
        if (disk->options.durable_way == DISK_DURABLE_LINKED) {
            ring_write_flush(disk->ring, &request->ring_op, &request->flush_op, op->slot, buffer,
                             len, offset);
        } else {
            ring_write(disk->ring, &request->ring_op, op->slot, buffer, len, offset, true);
        }
        break;
    case DISK_FLUSH:
        request->ring_op.kind = REQUEST_FLUSH;
        ring_flush(disk->ring, &request->ring_op, op->slot);
        break;
    }
}

static void op_check(const struct disk *disk, const struct disk_op *op)
{
    if (op->kind == DISK_FLUSH) {
        return;
    }
    ASSERT_HOT(op->offset % DISK_BLOCK_BYTES == 0);
    ASSERT_HOT(op->len % DISK_BLOCK_BYTES == 0);
    ASSERT_HOT(op->len > 0 && op->len <= DISK_OP_BYTES_MAX);
    ASSERT_HOT((uintptr_t)op->buffer % DISK_BLOCK_BYTES == 0);
    ASSERT_HOT(op->buffer >= disk->memory &&
               op->buffer + op->len <= disk->memory + disk->memory_bytes);
    (void)disk;
}

void disk_submit(struct disk *disk, struct disk_op *op)
{
    op_check(disk, op);
    struct list_node *node = list_pop_front(&disk->free);
    ASSERT(node != NULL); /* disk_room said there is none. */
    disk->free_count--;
    disk->counters.under_way++;
    struct request *request = CONTAINER_OF(node, struct request, node);
    request->op = op;
    request->submit_ns = disk->now_ns;
    request->progress = 0;
    request->retries = 0;
    request->write_result = 0;
    request_send(disk, request);
}

/* ---- Completions ---------------------------------------------------------------------------- */

/* The operation can be fetched. */
static void request_release(struct disk *disk, struct request *request, uint64_t now_ns)
{
    struct disk_op *op = request->op;
    struct disk_kind_counters *counters = &disk->counters.kinds[op->kind];
    op->done_ns = now_ns;
    counters->operations++;
    counters->bytes += op->result > 0 ? (uint64_t)op->result : 0;
    counters->errors += op->result < 0;
    histogram_record(&counters->latency_ns, now_ns - min_u64(now_ns, request->submit_ns));
    disk->counters.under_way--;
    request->op = NULL;
    list_push_front(&disk->free, &request->node);
    disk->free_count++;
    list_push_back(&disk->done, &op->node);
    disk->done_count++;
}

static bool request_delayed(const struct disk *disk, const struct request *request, uint64_t now_ns)
{
    return (request->op->kind == DISK_FLUSH || request->op->kind == DISK_WRITE_DURABLE) &&
           now_ns < request->submit_ns + disk->flush_delay_ns;
}

static void request_finish(struct disk *disk, struct request *request, int32_t result,
                           uint64_t now_ns)
{
    request->op->result = result;
    if (!request_delayed(disk, request, now_ns)) {
        request_release(disk, request, now_ns);
        return;
    }
    struct list_node *at = &disk->delayed.head; /* Sorted by submit; nearly always the last. */
    while (at->prev != &disk->delayed.head &&
           CONTAINER_OF(at->prev, struct request, node)->submit_ns > request->submit_ns) {
        at = at->prev;
    }
    list_insert_before(at, &request->node);
    disk->delayed_count++;
}

/* The kernel asks to try again. False: often enough. */
static bool request_retry(struct disk *disk, struct request *request, int32_t result)
{
    if ((result != -EAGAIN && result != -EINTR) || request->retries == RETRIES_MAX) {
        return false;
    }
    request->retries++;
    disk->counters.retried++;
    request_send(disk, request);
    return true;
}

/* A read, write or the write of a pair has moved `result` bytes, and flushed them if asked to. */
static void transfer_end(struct disk *disk, struct request *request, int32_t result,
                         uint64_t now_ns)
{
    struct disk_op *op = request->op;
    if (request_retry(disk, request, result)) {
        return;
    }
    if (result < 0) {
        request_finish(disk, request, result, now_ns);
        return;
    }
    request->progress += (uint32_t)result;
    ASSERT(request->progress <= op->len);
    /* O_DIRECT reads end at the end of the file, which need not be a block's. */
    const bool end_of_file = op->kind == DISK_READ && request->progress < op->len &&
                             (result == 0 || request->progress % DISK_BLOCK_BYTES != 0);
    if (end_of_file) {
        memset(op->buffer + request->progress, 0, op->len - request->progress);
        request->progress = op->len;
    }
    if (request->progress == op->len) {
        request_finish(disk, request, (int32_t)op->len, now_ns);
    } else if (result == 0) {
        request_finish(disk, request, -EIO, now_ns);
    } else {
        /* An offset inside a block is possible for buffered files only; there it is allowed. */
        disk->counters.continued++;
        request_send(disk, request);
    }
}

void disk_complete(struct disk *disk, const struct ring_event *event, uint64_t now_ns)
{
    disk->now_ns = now_ns;
    const bool second = event->op->kind == REQUEST_PAIR_FLUSH;
    struct request *request = second ? CONTAINER_OF(event->op, struct request, flush_op)
                                     : CONTAINER_OF(event->op, struct request, ring_op);
    if (event->op->kind == REQUEST_FLUSH) {
        if (!request_retry(disk, request, event->result)) {
            request_finish(disk, request, event->result, now_ns);
        }
        return;
    }
    const bool linked =
        request->op->kind == DISK_WRITE_DURABLE && disk->options.durable_way == DISK_DURABLE_LINKED;
    if (linked && !second) {
        request->write_result = event->result; /* The flush's event comes too, and decides. */
        return;
    }
    int32_t result = linked ? request->write_result : event->result;
    const uint32_t wanted = request->op->len - request->progress;
    if (linked && result == (int32_t)wanted && event->result < 0) {
        result = event->result; /* Written, but not flushed. */
    }
    transfer_end(disk, request, result, now_ns);
}

uint32_t disk_advance(struct disk *disk, uint64_t now_ns)
{
    disk->now_ns = now_ns;
    struct list_node *node;
    while ((node = list_first(&disk->delayed)) != NULL) {
        struct request *request = CONTAINER_OF(node, struct request, node);
        if (request_delayed(disk, request, now_ns)) {
            break;
        }
        list_remove(node);
        disk->delayed_count--;
        request_release(disk, request, now_ns);
    }
    return disk->done_count;
}

uint64_t disk_next_deadline_ns(const struct disk *disk)
{
    struct list_node *node = list_first(&disk->delayed);
    if (node == NULL) {
        return UINT64_MAX;
    }
    return CONTAINER_OF(node, struct request, node)->submit_ns + disk->flush_delay_ns;
}

struct disk_op *disk_done(struct disk *disk)
{
    struct list_node *node = list_pop_front(&disk->done);
    if (node == NULL) {
        return NULL;
    }
    disk->done_count--;
    return CONTAINER_OF(node, struct disk_op, node);
}
