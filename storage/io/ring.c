#include "storage/io/ring.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <liburing.h>

/* Newer than the packaged header; values are kernel ABI. */
#define FEAT_RECVSEND_BUNDLE (1u << 14)
#define RECVSEND_BUNDLE      (1u << 4)

enum {
    MEMORY_PIECE_SHIFT = 30, /* One registered buffer is at most 1 GiB. */
    MEMORY_PIECES_MAX = 256,
    BUNDLE_BUFFERS_MAX = 1024,
    BUFFERS_WARM = 64, /* So many of a group's buffers the kernel has at first. */
};

/* The provided buffers of one group. */
struct group {
    struct io_uring_buf_ring *buffers;
    uint8_t *memory;
    uint16_t *position; /* Of each buffer: where it was put into the ring last. */
    uint32_t count;
    uint32_t buffer_bytes;
    uint32_t free; /* Buffers the kernel has: up to `warm`. */
    uint32_t warm;
    uint16_t
        *spare; /* Stack of the others: what was used last, and is in the caches, goes first. */
    uint32_t spare_count;
    uint16_t tail;
};

/* One receive that filled several buffers, handed out one by one. */
struct bundle {
    struct ring_event event; /* Of the last one: the flags of the whole. */
    uint32_t next;
    uint32_t count;
    uint32_t bytes_left;
    uint32_t buffer_bytes;
    uint16_t ids[BUNDLE_BUFFERS_MAX];
};

struct ring {
    struct io_uring io;
    struct ring_features features;
    struct ring_counters counters;
    struct ring_options options;
    uint8_t *memory;
    uint64_t memory_bytes;
    int32_t *free_slots; /* Stack. */
    uint32_t free_slot_count;
    struct group groups[RING_GROUPS_MAX];
    struct bundle bundle;
    struct ring_op wake_op;
    int wake_fd;
    bool started;
    bool overflowed;
    cpu_set_t helper_cpus;
    _Alignas(64) _Atomic uint32_t sleeping;
    _Atomic uint32_t woken;
};

/* ---- Creation ------------------------------------------------------------------------------- */

/* Best first. */
static const unsigned setup_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

static int queue_init(struct ring *ring)
{
    int result = -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(setup_flags) && result == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = setup_flags[i] | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE |
                     IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL,
            .cq_entries = ring->options.completions,
        };
        result = io_uring_queue_init_params(ring->options.submissions, &ring->io, &params);
        ring->features.single_issuer = (setup_flags[i] & IORING_SETUP_SINGLE_ISSUER) != 0;
        ring->features.defer_taskrun = (setup_flags[i] & IORING_SETUP_DEFER_TASKRUN) != 0;
        ring->features.coop_taskrun = (setup_flags[i] & IORING_SETUP_COOP_TASKRUN) != 0;
    }
    return result;
}

/* 0, or -ENOSYS when this kernel is older than what the project needs. */
static int features_probe(struct ring *ring)
{
    const unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL |
                            IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;
    struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->io);
    if (probe == NULL) {
        return -ENOSYS;
    }
    /* Multishot receive has no bit of its own; zero-copy send came with the same kernel, 6.0. */
    const bool enough = (ring->io.features & needed) == needed &&
                        io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) != 0;
    ring->features.send_zero_copy = enough;
    ring->features.send_message_zero_copy =
        io_uring_opcode_supported(probe, IORING_OP_SENDMSG_ZC) != 0;
    ring->features.receive_bundle =
        !ring->options.linux_6_1_only && (ring->io.features & FEAT_RECVSEND_BUNDLE) != 0;
    io_uring_free_probe(probe);
    return enough ? 0 : -ENOSYS;
}

/* All CPUs but those of cores. */
static void helper_cpus_choose(struct ring *ring)
{
    CPU_ZERO(&ring->helper_cpus);
    const long count = sysconf(_SC_NPROCESSORS_CONF);
    for (long cpu = 0; cpu < count && cpu < CPU_SETSIZE; cpu++) {
        CPU_SET((size_t)cpu, &ring->helper_cpus);
    }
    for (uint32_t i = 0; i < ring->options.core_cpu_count; i++) {
        CPU_CLR((size_t)ring->options.core_cpus[i], &ring->helper_cpus);
    }
}

static int slots_create(struct ring *ring)
{
    const uint32_t count = ring->options.file_count_max;
    ring->free_slots = calloc(count == 0 ? 1 : count, sizeof(*ring->free_slots));
    if (ring->free_slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        ring->free_slots[i] = (int32_t)(count - 1 - i);
    }
    ring->free_slot_count = count;
    return count == 0 ? 0 : io_uring_register_files_sparse(&ring->io, count);
}

static int ring_prepare(struct ring *ring)
{
    ring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ring->wake_fd < 0) {
        return -errno;
    }
    helper_cpus_choose(ring);
    const int result = features_probe(ring);
    return result == 0 ? slots_create(ring) : result;
}

struct ring *ring_create(const struct ring_options *options, int *error)
{
    struct ring *ring = aligned_alloc(64, round_up(sizeof(*ring), 64));
    if (ring == NULL) {
        *error = ENOMEM;
        return NULL;
    }
    memset(ring, 0, sizeof(*ring));
    ring->options = *options;
    ring->wake_fd = -1;
    int result = queue_init(ring);
    if (result != 0) {
        free(ring);
        *error = result == -EINVAL ? ENOSYS : -result;
        return NULL;
    }
    result = ring_prepare(ring);
    if (result != 0) {
        ring_destroy(ring);
        *error = -result;
        return NULL;
    }
    ring->options.core_cpus = NULL; /* Was borrowed. */
    return ring;
}

static size_t group_bytes(uint32_t count)
{
    return round_up(count * sizeof(struct io_uring_buf), 4096);
}

void ring_destroy(struct ring *ring)
{
    io_uring_queue_exit(&ring->io);
    for (uint32_t i = 0; i < RING_GROUPS_MAX; i++) {
        struct group *group = &ring->groups[i];
        if (group->buffers != NULL) {
            munmap(group->buffers, group_bytes(group->count));
        }
        free(group->position);
        free(group->spare);
    }
    if (ring->wake_fd >= 0) {
        close(ring->wake_fd);
    }
    free(ring->free_slots);
    free(ring);
}

const struct ring_features *ring_features(const struct ring *ring)
{
    return &ring->features;
}

const struct ring_counters *ring_counters(const struct ring *ring)
{
    return &ring->counters;
}

/* ---- The turn ------------------------------------------------------------------------------- */

static bool kernel_has_work(const struct ring *ring)
{
    const unsigned flags = IO_URING_READ_ONCE(*ring->io.sq.kflags);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static void overflow_note(struct ring *ring)
{
    const bool overflowed = (IO_URING_READ_ONCE(*ring->io.sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0;
    ring->counters.overflows += overflowed && !ring->overflowed;
    ring->overflowed = overflowed;
}

static void group_fill(struct group *group);

static void groups_fill(struct ring *ring)
{
    for (uint32_t i = 0; i < RING_GROUPS_MAX; i++) {
        group_fill(&ring->groups[i]);
    }
}

int ring_submit(struct ring *ring)
{
    groups_fill(ring);
    const bool work = kernel_has_work(ring);
    if (io_uring_sq_ready(&ring->io) == 0 && !work) {
        return 0;
    }
    overflow_note(ring);
    ring->counters.enters++;
    const int result = work || ring->features.defer_taskrun
                           ? io_uring_submit_and_get_events(&ring->io)
                           : io_uring_submit(&ring->io);
    return result < 0 ? result : 0;
}

void ring_hand_over(struct ring *ring)
{
    if (io_uring_sq_ready(&ring->io) != 0) {
        ring->counters.enters++;
        (void)io_uring_submit(&ring->io); /* What fails stays queued. */
    }
}

uint32_t ring_room(const struct ring *ring)
{
    return io_uring_sq_space_left(&ring->io);
}

/* Makes room for count requests in one submit. */
static void room_make(struct ring *ring, uint32_t count)
{
    for (uint32_t tries = 0; ring_room(ring) < count; tries++) {
        /* EBUSY, EAGAIN: the kernel is out of memory for requests until some end. */
        ASSERT(tries < 10000000);
        ring->counters.early_submits++;
        const int result = ring_submit(ring);
        if (result < 0) {
            (void)io_uring_get_events(&ring->io);
        }
    }
}

static struct io_uring_sqe *sqe_take(struct ring *ring)
{
    ASSERT_HOT(ring->started);
    if (UNLIKELY(ring_room(ring) == 0)) {
        room_make(ring, 1);
    }
    ring->counters.requests++;
    return io_uring_get_sqe(&ring->io);
}

static void wake_arm(struct ring *ring)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    io_uring_prep_poll_multishot(sqe, ring->wake_fd, POLLIN);
    io_uring_sqe_set_data(sqe, &ring->wake_op);
}

int ring_start(struct ring *ring)
{
    ASSERT(!ring->started);
    /* io_uring_enable_rings is declared by liburing 2.3 but not in its shared object. */
    int result =
        io_uring_register((unsigned)ring->io.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (result != 0) {
        return result;
    }
    ring->started = true;
    ring->features.registered_ring = io_uring_register_ring_fd(&ring->io) == 1;
    wake_arm(ring);
    result = ring_submit(ring); /* The kernel now knows this thread, and its workers. */
    if (result != 0) {
        return result;
    }
    if (CPU_COUNT(&ring->helper_cpus) > 0) {
        ring->features.helpers_off_cores =
            io_uring_register_iowq_aff(&ring->io, sizeof(ring->helper_cpus), &ring->helper_cpus) ==
            0;
    }
    return 0;
}

int ring_wait(struct ring *ring, uint64_t timeout_ns)
{
    groups_fill(ring);
    atomic_store(&ring->sleeping, 1);
    int result = 0;
    if (atomic_exchange(&ring->woken, 0) != 0) {
        result = ring_submit(ring);
    } else {
        overflow_note(ring);
        struct __kernel_timespec time = {.tv_sec = (int64_t)(timeout_ns / 1000000000),
                                         .tv_nsec = (int64_t)(timeout_ns % 1000000000)};
        struct io_uring_cqe *cqe;
        ring->counters.enters++;
        ring->counters.waits++;
        result = io_uring_submit_and_wait_timeout(&ring->io, &cqe, 1, &time, NULL);
    }
    atomic_store(&ring->sleeping, 0);
    atomic_store(&ring->woken, 0); /* The caller looks everywhere now. */
    return result == -ETIME || result == -EINTR || result > 0 ? 0 : result;
}

void ring_wake(struct ring *ring)
{
    /* Pairs with ring_wait: it says that it sleeps, then looks; this says, then looks. */
    if (atomic_exchange(&ring->woken, 1) == 0 && atomic_load(&ring->sleeping) != 0) {
        const uint64_t one = 1;
        const ssize_t written = write(ring->wake_fd, &one, sizeof(one));
        (void)written; /* Full: it is readable, which is all that is wanted. */
    }
}

bool ring_quiet(struct ring *ring)
{
    if (UNLIKELY(atomic_load_explicit(&ring->woken, memory_order_relaxed) != 0)) {
        atomic_store(&ring->woken, 0); /* As after ring_wait: the caller looks everywhere now. */
        return false;
    }
    return ring->bundle.next >= ring->bundle.count && !kernel_has_work(ring) &&
           *ring->io.cq.khead == io_uring_smp_load_acquire(ring->io.cq.ktail) &&
           io_uring_sq_ready(&ring->io) == 0;
}

/* ---- Events --------------------------------------------------------------------------------- */

static uint32_t event_flags(uint32_t kernel_flags)
{
    return ((kernel_flags & IORING_CQE_F_MORE) != 0 ? RING_MORE : 0u) |
           ((kernel_flags & IORING_CQE_F_BUFFER) != 0 ? RING_BUFFER : 0u) |
           ((kernel_flags & IORING_CQE_F_NOTIF) != 0 ? RING_NOTIFY : 0u) |
           ((kernel_flags & IORING_CQE_F_SOCK_NONEMPTY) != 0 ? RING_NONEMPTY : 0u);
}

/* The next buffer of a receive over several; the last one carries the flags of the whole. */
static void bundle_next(struct ring *ring, struct ring_event *event)
{
    struct bundle *bundle = &ring->bundle;
    *event = bundle->event;
    event->buffer_id = bundle->ids[bundle->next++];
    event->result = (int32_t)min_u32(bundle->bytes_left, bundle->buffer_bytes);
    bundle->bytes_left -= (uint32_t)event->result;
    if (bundle->next < bundle->count) {
        event->flags = RING_MORE | RING_BUFFER;
    }
}

/* A provided buffer came back. True when there are more of the same receive. */
static bool buffers_taken(struct ring *ring, const struct ring_event *event)
{
    struct group *group = &ring->groups[event->op->group];
    const uint32_t bytes = event->result < 0 ? 0 : (uint32_t)event->result;
    if (bytes <= group->buffer_bytes) {
        group->free--;
        return false;
    }
    /* The kernel took them in ring order from the first one on. The places are read now: later,
     * buffers given back may stand there. */
    struct bundle *bundle = &ring->bundle;
    bundle->event = *event;
    bundle->next = 0;
    bundle->count = (bytes + group->buffer_bytes - 1) / group->buffer_bytes;
    bundle->bytes_left = bytes;
    bundle->buffer_bytes = group->buffer_bytes;
    ASSERT(bundle->count <= BUNDLE_BUFFERS_MAX);
    const uint32_t mask = group->count - 1;
    for (uint32_t i = 0; i < bundle->count; i++) {
        const uint32_t at = (group->position[event->buffer_id] + i) & mask;
        bundle->ids[i] = group->buffers->bufs[at].bid;
    }
    group->free -= bundle->count;
    return true;
}

/* A receive found no buffer: the caller arms it again and shall find more. */
static void group_grow(struct group *group)
{
    group->warm = min_u32(group->warm * 2, group->count);
}

bool ring_next_event(struct ring *ring, struct ring_event *event)
{
    if (ring->bundle.next < ring->bundle.count) {
        bundle_next(ring, event);
        return true;
    }
    for (;;) {
        const unsigned head = *ring->io.cq.khead;
        if (head == io_uring_smp_load_acquire(ring->io.cq.ktail)) {
            return false;
        }
        const struct io_uring_cqe *cqe = &ring->io.cq.cqes[head & ring->io.cq.ring_mask];
        event->op = io_uring_cqe_get_data(cqe);
        event->result = cqe->res;
        event->flags = event_flags(cqe->flags);
        event->buffer_id = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        io_uring_cq_advance(&ring->io, 1);
        ring->counters.events++;
        if (UNLIKELY(event->op == &ring->wake_op)) {
            if ((event->flags & RING_MORE) == 0) {
                wake_arm(ring);
            }
            continue;
        }
        if ((event->flags & RING_BUFFER) != 0 && buffers_taken(ring, event)) {
            bundle_next(ring, event);
        }
        if (UNLIKELY(event->result == -ENOBUFS)) {
            group_grow(&ring->groups[event->op->group]);
        }
        return true;
    }
}

/* ---- Memory and files ----------------------------------------------------------------------- */

int ring_add_memory(struct ring *ring, uint8_t *memory, uint64_t size)
{
    struct iovec pieces[MEMORY_PIECES_MAX];
    ASSERT(ring->memory == NULL);
    ASSERT(size > 0 && size <= (uint64_t)MEMORY_PIECES_MAX << MEMORY_PIECE_SHIFT);
    if (ring->options.no_memory) {
        return -ENOMEM;
    }
    unsigned count = 0;
    for (uint64_t at = 0; at < size; at += 1ull << MEMORY_PIECE_SHIFT) {
        pieces[count++] =
            (struct iovec){memory + at, min_u64(size - at, 1ull << MEMORY_PIECE_SHIFT)};
    }
    const int result = io_uring_register_buffers(&ring->io, pieces, count);
    if (result != 0) {
        return result;
    }
    ring->memory = memory;
    ring->memory_bytes = size;
    ring->features.registered_memory = true;
    return 0;
}

int32_t ring_add_file(struct ring *ring, int fd)
{
    if (ring->free_slot_count == 0 || fd < 0) {
        return fd < 0 ? -EBADF : -ENOSPC;
    }
    const int32_t slot = ring->free_slots[ring->free_slot_count - 1];
    const int result = io_uring_register_files_update(&ring->io, (unsigned)slot, &fd, 1);
    if (result != 1) {
        return result < 0 ? result : -EINVAL;
    }
    ring->free_slot_count--;
    return slot;
}

uint32_t ring_file_count_max(const struct ring *ring)
{
    return ring->options.file_count_max;
}

void ring_remove_file(struct ring *ring, int32_t slot)
{
    int none = -1;
    ASSERT(slot >= 0 && (uint32_t)slot < ring->options.file_count_max);
    ASSERT(ring->free_slot_count < ring->options.file_count_max);
    const int result = io_uring_register_files_update(&ring->io, (unsigned)slot, &none, 1);
    ASSERT(result == 1);
    ring->free_slots[ring->free_slot_count++] = slot;
}

/* The registered piece that holds all of the buffer, or -1. */
static int piece_find(const struct ring *ring, const uint8_t *buffer, uint32_t len)
{
    const uint64_t start = (uint64_t)(uintptr_t)buffer - (uint64_t)(uintptr_t)ring->memory;
    if (ring->memory == NULL || buffer < ring->memory || start + len > ring->memory_bytes) {
        return -1;
    }
    const uint64_t piece = start >> MEMORY_PIECE_SHIFT;
    return (start + len - 1) >> MEMORY_PIECE_SHIFT == piece ? (int)piece : -1;
}

static void sqe_finish(struct io_uring_sqe *sqe, struct ring_op *op)
{
    io_uring_sqe_set_data(sqe, op);
}

static void sqe_finish_slot(struct io_uring_sqe *sqe, struct ring_op *op)
{
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, op);
}

void ring_read(struct ring *ring, struct ring_op *op, int32_t slot, uint8_t *to, uint32_t len,
               uint64_t offset)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    const int piece = piece_find(ring, to, len);
    if (piece >= 0) {
        io_uring_prep_read_fixed(sqe, slot, to, len, offset, piece);
    } else {
        io_uring_prep_read(sqe, slot, to, len, offset);
    }
    sqe_finish_slot(sqe, op);
}

static struct io_uring_sqe *write_prepare(struct ring *ring, int32_t slot, const uint8_t *from,
                                          uint32_t len, uint64_t offset)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    const int piece = piece_find(ring, from, len);
    if (piece >= 0) {
        io_uring_prep_write_fixed(sqe, slot, from, len, offset, piece);
    } else {
        io_uring_prep_write(sqe, slot, from, len, offset);
    }
    return sqe;
}

void ring_write(struct ring *ring, struct ring_op *op, int32_t slot, const uint8_t *from,
                uint32_t len, uint64_t offset, bool durable)
{
    struct io_uring_sqe *sqe = write_prepare(ring, slot, from, len, offset);
    sqe->rw_flags = durable ? RWF_DSYNC : 0;
    sqe_finish_slot(sqe, op);
}

void ring_flush(struct ring *ring, struct ring_op *op, int32_t slot)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    io_uring_prep_fsync(sqe, slot, IORING_FSYNC_DATASYNC);
    sqe_finish_slot(sqe, op);
}

void ring_write_flush(struct ring *ring, struct ring_op *write_op, struct ring_op *flush_op,
                      int32_t slot, const uint8_t *from, uint32_t len, uint64_t offset)
{
    room_make(ring, 2); /* A link must not be cut by a submit. */
    struct io_uring_sqe *sqe = write_prepare(ring, slot, from, len, offset);
    sqe_finish_slot(sqe, write_op);
    sqe->flags |= IOSQE_IO_LINK;
    ring_flush(ring, flush_op, slot);
}

/* ---- Provided buffers ----------------------------------------------------------------------- */

int ring_add_buffers(struct ring *ring, uint16_t group_id, uint8_t *memory, uint32_t count,
                     uint32_t buffer_bytes)
{
    ASSERT(group_id < RING_GROUPS_MAX && ring->groups[group_id].buffers == NULL);
    ASSERT(count > 0 && count <= 32768 && (count & (count - 1)) == 0);
    struct group *group = &ring->groups[group_id];
    void *shared = mmap(NULL, group_bytes(count), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    uint16_t *position = calloc(count, sizeof(*position));
    uint16_t *spare = calloc(count, sizeof(*spare));
    if (shared == MAP_FAILED || position == NULL || spare == NULL) {
        free(position);
        free(spare);
        if (shared != MAP_FAILED) {
            munmap(shared, group_bytes(count));
        }
        return -ENOMEM;
    }
    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)shared, .ring_entries = count, .bgid = group_id};
    const int result = io_uring_register_buf_ring(&ring->io, &reg, 0);
    if (result != 0) {
        free(position);
        free(spare);
        munmap(shared, group_bytes(count));
        return result;
    }
    *group = (struct group){.buffers = shared,
                            .memory = memory,
                            .position = position,
                            .spare = spare,
                            .warm = min_u32(BUFFERS_WARM, count),
                            .count = count,
                            .buffer_bytes = buffer_bytes};
    io_uring_buf_ring_init(group->buffers);
    for (uint32_t i = count; i-- > 0;) {
        ring_buffer_give(ring, group_id, (uint16_t)i);
    }
    group_fill(group);
    return 0;
}

static void buffer_put(struct group *group, uint16_t buffer_id)
{
    const uint32_t at = group->tail & (group->count - 1);
    struct io_uring_buf *buffer = &group->buffers->bufs[at];
    buffer->addr =
        (uint64_t)(uintptr_t)ring_buffer_at(group->memory, group->buffer_bytes, buffer_id);
    buffer->len = group->buffer_bytes;
    buffer->bid = buffer_id;
    group->position[buffer_id] = (uint16_t)at;
    group->tail++;
    group->free++;
}

static void group_fill(struct group *group)
{
    if (group->free >= group->warm || group->spare_count == 0) {
        return;
    }
    while (group->free < group->warm && group->spare_count > 0) {
        buffer_put(group, group->spare[--group->spare_count]);
    }
    io_uring_smp_store_release(&group->buffers->tail, group->tail);
}

void ring_buffer_give(struct ring *ring, uint16_t group_id, uint16_t buffer_id)
{
    struct group *group = &ring->groups[group_id];
    ASSERT_HOT(buffer_id < group->count && group->free + group->spare_count < group->count);
    group->spare[group->spare_count++] = buffer_id;
}

uint32_t ring_buffers_free(const struct ring *ring, uint16_t group)
{
    return ring->groups[group].free + ring->groups[group].spare_count;
}

/* ---- Sockets -------------------------------------------------------------------------------- */

void ring_accept_multishot(struct ring *ring, struct ring_op *op, int fd)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    sqe_finish(sqe, op);
}

void ring_accept(struct ring *ring, struct ring_op *op, int fd)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    sqe_finish(sqe, op);
}

static void receive_finish(struct io_uring_sqe *sqe, struct ring_op *op, uint16_t group)
{
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = group;
    op->group = group;
    sqe_finish(sqe, op);
}

void ring_receive_multishot(struct ring *ring, struct ring_op *op, int fd, uint16_t group)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    if (ring->features.receive_bundle) {
        sqe->ioprio |= RECVSEND_BUNDLE;
    }
    receive_finish(sqe, op, group);
}

void ring_receive_into(struct ring *ring, struct ring_op *op, int fd, uint8_t *to, uint32_t len,
                       int flags)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    io_uring_prep_recv(sqe, fd, to, len, flags);
    sqe_finish(sqe, op);
}

void ring_send(struct ring *ring, struct ring_op *op, int fd, const void *from, uint32_t len,
               int flags, bool zero_copy)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    if (zero_copy) {
        ASSERT_HOT(ring->features.send_zero_copy);
        io_uring_prep_send_zc(sqe, fd, from, len, MSG_NOSIGNAL | flags, 0);
    } else {
        io_uring_prep_send(sqe, fd, from, len, MSG_NOSIGNAL | flags);
    }
    sqe_finish(sqe, op);
}

void ring_send_message(struct ring *ring, struct ring_op *op, int fd, const struct msghdr *message,
                       int flags, bool zero_copy)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    if (zero_copy) {
        ASSERT_HOT(ring->features.send_message_zero_copy);
        io_uring_prep_sendmsg_zc(sqe, fd, message, (unsigned)(MSG_NOSIGNAL | flags));
    } else {
        io_uring_prep_sendmsg(sqe, fd, message, (unsigned)(MSG_NOSIGNAL | flags));
    }
    sqe_finish(sqe, op);
}

void ring_close(struct ring *ring, struct ring_op *op, int fd)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    io_uring_prep_close(sqe, fd);
    sqe_finish(sqe, op);
}

void ring_poll_multishot(struct ring *ring, struct ring_op *op, int fd)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    io_uring_prep_poll_multishot(sqe, fd, POLLIN);
    sqe_finish(sqe, op);
}

void ring_poll_once(struct ring *ring, struct ring_op *op, int fd)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    io_uring_prep_poll_add(sqe, fd, POLLIN);
    sqe_finish(sqe, op);
}

void ring_cancel(struct ring *ring, struct ring_op *op, struct ring_op *target)
{
    struct io_uring_sqe *sqe = sqe_take(ring);
    io_uring_prep_cancel(sqe, target, 0);
    sqe_finish(sqe, op);
}
