#include "tests/sim/sim_disk.h"

#include <string.h>

#include "tests/sim/sim_internal.h"

struct disk *sim_disk_create(struct sim_process *process, uint8_t *memory, uint64_t memory_bytes,
                             uint32_t slot_count, uint32_t operation_count_max)
{
    ASSERT(process->alive);
    struct disk *disk = sim_allocate(sizeof(*disk));
    disk->process = process;
    disk->process_id = process->id;
    disk->machine = process->machine;
    disk->memory = memory;
    disk->memory_bytes = memory_bytes;
    disk->slots = sim_allocate(slot_count * sizeof(struct sim_description *));
    disk->slot_count = slot_count;
    disk->operation_count_max = operation_count_max;
    list_init(&disk->under_way);
    list_init(&disk->done);
    list_push_back(&disk->machine->disks, &disk->node);
    return disk;
}

static bool disk_alive(const struct disk *disk)
{
    return !disk->dead;
}

int32_t disk_add_file(struct disk *disk, int fd, bool covers_device)
{
    (void)covers_device; /* The machine knows. */
    if (!disk_alive(disk)) {
        return -EIO;
    }
    struct sim_description *description = process_description(disk->process, fd);
    if (description == NULL) {
        return -EBADF;
    }
    for (uint32_t i = 0; i < disk->slot_count; i++) {
        if (disk->slots[i] == NULL) {
            disk->slots[i] = description;
            description->references++;
            return (int32_t)i;
        }
    }
    return -ENOSPC;
}

void disk_remove_file(struct disk *disk, int32_t slot)
{
    if (!disk_alive(disk)) {
        return;
    }
    ASSERT(slot >= 0 && (uint32_t)slot < disk->slot_count && disk->slots[slot] != NULL);
    LIST_FOR_EACH(node, &disk->under_way)
    {
        ASSERT(CONTAINER_OF(node, struct sim_io, node)->op->slot != slot);
    }
    description_release(disk->machine, disk->slots[slot]);
    disk->slots[slot] = NULL;
}

uint32_t disk_room(const struct disk *disk)
{
    return disk->operation_count_max - disk->operation_count;
}

bool disk_flush_covers_device(const struct disk *disk, int32_t slot)
{
    (void)slot;
    return disk->machine->options.flush_covers_device;
}

static void op_check(const struct disk *disk, const struct disk_op *op)
{
    ASSERT(op->slot >= 0 && (uint32_t)op->slot < disk->slot_count);
    ASSERT(disk->slots[op->slot] != NULL);
    if (op->kind == DISK_FLUSH) {
        return;
    }
    ASSERT(op->offset % DISK_BLOCK_BYTES == 0 && op->len % DISK_BLOCK_BYTES == 0);
    ASSERT(op->len > 0 && op->len <= DISK_OP_BYTES_MAX);
    ASSERT((uintptr_t)op->buffer % DISK_BLOCK_BYTES == 0);
    ASSERT(disk->memory == NULL || (op->buffer >= disk->memory &&
                                    op->buffer + op->len <= disk->memory + disk->memory_bytes));
}

static bool io_writes(const struct sim_io *io)
{
    return io->kind == DISK_WRITE || io->kind == DISK_WRITE_DURABLE;
}

static void overlap_count(struct disk *disk, const struct sim_io *io)
{
    LIST_FOR_EACH(node, &disk->under_way)
    {
        const struct sim_io *other = CONTAINER_OF(node, struct sim_io, node);
        disk->machine->counters.overlapped_writes +=
            io_writes(io) && io_writes(other) && other->inode == io->inode &&
            other->offset < io->offset + io->len && io->offset < other->offset + other->len;
    }
}

void disk_submit(struct disk *disk, struct disk_op *op)
{
    if (!disk_alive(disk)) {
        return; /* Swallowed. */
    }
    ASSERT(disk_room(disk) > 0);
    op_check(disk, op);
    const struct sim_description *description = disk->slots[op->slot];
    ASSERT(op->kind == DISK_READ || (description->mode & FILE_WRITE) != 0);
    struct sim_io *io = sim_allocate(sizeof(*io));
    io->op = op;
    io->inode = description->inode;
    io->kind = op->kind;
    io->offset = op->offset;
    io->len = op->len;
    if (io_writes(io)) {
        io->data = sim_allocate(io->len);
        memcpy(io->data, op->buffer, io->len);
    }
    overlap_count(disk, io);
    list_push_back(&disk->under_way, &io->node);
    disk->operation_count++;
}

static enum sim_operation io_operation(const struct sim_io *io)
{
    if (io->kind == DISK_READ) {
        return SIM_READ;
    }
    return io->kind == DISK_FLUSH ? SIM_FLUSH : SIM_WRITE;
}

static void io_enter(struct sim_machine *machine, struct sim_io *io)
{
    struct sim_range range = machine->options.flush;
    if (io->kind == DISK_READ) {
        range = machine->options.read;
        machine->counters.reads++;
    } else if (io->kind == DISK_FLUSH) {
        io->cover_seq = machine->seq;
        machine->counters.flushes++;
        machine->counters.flushes_of_written += !list_empty(&io->inode->dirty);
    } else {
        range = machine->options.write;
        machine->counters.writes++;
        machine->counters.written_bytes += io->len;
    }
    uint64_t latency_ns = draw_latency(machine, range);
    if (io->kind == DISK_WRITE_DURABLE) {
        latency_ns += draw_latency(machine, machine->options.flush);
    }
    io->state = IO_ENTERED;
    io->done_ns = machine->now_ns + latency_ns;
    io->land_ns[0] = machine->now_ns + draw_below(machine, latency_ns + 1);
    io->land_ns[1] = io->land_ns[0];
    if (draw_one_in(machine, 4)) { /* Its sectors land at two moments. */
        io->split = sim_machine_random(machine);
        io->land_ns[1] += draw_below(machine, io->done_ns - io->land_ns[0] + 1);
    }
    io->error = fault_check_inode(machine, io_operation(io), io->inode);
}

void disk_enter(struct disk *disk)
{
    LIST_FOR_EACH(node, &disk->under_way)
    {
        struct sim_io *io = CONTAINER_OF(node, struct sim_io, node);
        if (io->state == IO_QUEUED) {
            io_enter(disk->machine, io);
        }
    }
}

/* When this one next does something. */
static uint64_t io_next_ns(const struct disk *disk, const struct sim_io *io)
{
    if (io->state == IO_QUEUED) {
        return disk->machine->now_ns;
    }
    return io_writes(io) && io->landed < 2 ? io->land_ns[io->landed] : io->done_ns;
}

static struct sim_io *disk_next(const struct disk *disk, uint64_t *at_ns)
{
    struct sim_io *first = NULL;
    *at_ns = UINT64_MAX;
    LIST_FOR_EACH(node, &disk->under_way)
    {
        struct sim_io *io = CONTAINER_OF(node, struct sim_io, node);
        if (io_next_ns(disk, io) < *at_ns) {
            *at_ns = io_next_ns(disk, io);
            first = io;
        }
    }
    return first;
}

uint64_t disk_next_ns(const struct disk *disk)
{
    uint64_t at_ns;
    (void)disk_next(disk, &at_ns);
    return at_ns;
}

/* The sectors of a page that part 0 or 1 lands. */
static uint8_t part_mask(const struct sim_io *io, uint32_t part, uint64_t page)
{
    uint64_t bits = 0;
    if (io->split != 0) {
        bits = (io->split ^ page * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u >> 56;
    }
    return (uint8_t)(part == 0 ? ~bits : bits);
}

/* Puts some sectors of a write on the device. */
static void io_land_page(struct sim_machine *machine, struct sim_io *io, uint64_t page,
                         uint8_t mask)
{
    uint8_t data[SIM_PAGE_BYTES];
    memcpy(data, io->data + page * SIM_PAGE_BYTES, SIM_PAGE_BYTES);
    for (uint32_t s = 0; io->op != NULL && s < SIM_PAGE_SECTORS; s++) {
        if (draw_one_in(machine, 2)) { /* The buffer is read at any moment while it is lent. */
            const uint64_t at = page * SIM_PAGE_BYTES + s * SIM_SECTOR_BYTES;
            memcpy(data + s * SIM_SECTOR_BYTES, io->op->buffer + at, SIM_SECTOR_BYTES);
        }
    }
    const uint64_t index = io->offset / SIM_PAGE_BYTES + page;
    const int error = store_land_page(machine, io->inode, index, mask, data);
    io->error = io->error != 0 ? io->error : error;
}

static void io_land(struct sim_machine *machine, struct sim_io *io)
{
    machine->counters.late_writes += io->op == NULL;
    const uint32_t part = io->landed;
    const uint64_t end = io->offset + io->len;
    for (uint64_t page = 0; page < io->len / SIM_PAGE_BYTES; page++) {
        uint8_t mask = part_mask(io, part, page);
        if (io->error != 0) { /* A failed write leaves anything, but does not move the end. */
            const bool behind = io->offset + page * SIM_PAGE_BYTES >= io->inode->size;
            mask &= behind ? 0 : (uint8_t)sim_machine_random(machine);
        }
        if (mask != 0) {
            io_land_page(machine, io, page, mask);
        }
    }
    if (io->error == 0 && end > io->inode->size) {
        store_set_size(machine, io->inode, end);
    }
    io->landed = io->split == 0 ? 2 : part + 1;
}

static void io_flush(struct sim_machine *machine, struct sim_io *io)
{
    if (io->error != 0) {
        store_flush_failed(machine, io->inode, io->cover_seq);
        return;
    }
    store_commit(io->inode, io->cover_seq, false);
    if (!machine->options.flush_covers_device) {
        return;
    }
    LIST_FOR_EACH(node, &machine->inodes)
    {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        if (inode->device == io->inode->device && !inode->directory) {
            store_commit(inode, io->cover_seq, true);
        }
    }
}

static void io_finish(struct disk *disk, struct sim_io *io)
{
    struct sim_machine *machine = disk->machine;
    if (machine->devices[io->inode->device].dead) {
        io->error = EIO;
    }
    if (io->kind == DISK_FLUSH) {
        io_flush(machine, io);
    } else if (io->kind == DISK_WRITE_DURABLE && io->error == EIO) {
        /* It may have been its flush that failed. */
        store_flush_failed(machine, io->inode, machine->seq);
    } else if (io->kind == DISK_WRITE_DURABLE && io->error == 0) {
        store_commit_range(io->inode, machine->seq, io->offset, io->len);
    } else if (io->kind == DISK_READ && io->error == 0) {
        store_read(io->inode, io->op->buffer, io->len, io->offset);
        const uint64_t end = io->offset + io->len;
        if (end > io->inode->size) {
            const uint64_t behind = min_u64(io->len, end - io->inode->size);
            memset(io->op->buffer + io->len - behind, 0, behind);
        }
    }
    io->op->result = io->kind == DISK_FLUSH ? 0 : (int32_t)io->len;
    if (io->error != 0) {
        io->op->result = -io->error;
    }
    list_remove(&io->node);
    list_push_back(&disk->done, &io->op->node);
    free(io->data);
    free(io);
}

/* The kernel lets go of a dead ring's files when its last operation has ended (H3). */
static void disk_let_go(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->slot_count; i++) {
        if (disk->slots[i] != NULL) {
            description_release(disk->machine, disk->slots[i]);
            disk->slots[i] = NULL;
        }
    }
    if (disk->process == NULL) {
        disk_free(disk);
    }
}

static void io_drop(struct sim_io *io)
{
    list_remove(&io->node);
    free(io->data);
    free(io);
}

/* Passes the boundary before a part of a write lands. False: nothing to do any more. */
static bool landing_pass(struct disk *disk, const struct sim_io *io)
{
    struct sim_machine *machine = disk->machine;
    struct sim_process *process = io->op == NULL ? NULL : disk->process;
    const uint64_t cuts = machine->counters.power_cuts;
    return boundary_pass(machine, process, SIM_WRITE, io->inode, io->offset, io->len) &&
           machine->counters.power_cuts == cuts; /* A cut has freed io, maybe disk. */
}

void disk_step(struct disk *disk, uint64_t now_ns)
{
    uint64_t at_ns;
    struct sim_io *io = disk_next(disk, &at_ns);
    ASSERT(io != NULL && at_ns <= now_ns);
    if (io_writes(io) && io->landed < 2) {
        if (landing_pass(disk, io)) {
            io_land(disk->machine, io);
        }
        return;
    }
    if (io->op == NULL) {
        io_drop(io);
        if (list_empty(&disk->under_way)) {
            disk_let_go(disk);
        }
        return;
    }
    const bool flushes = io->kind == DISK_FLUSH || io->kind == DISK_WRITE_DURABLE;
    if (boundary_pass(disk->machine, disk->process, flushes ? SIM_FLUSH : SIM_DONE, io->inode,
                      io->offset, io->len)) {
        io_finish(disk, io);
    }
}

bool sim_disk_has_done(const struct disk *disk)
{
    return disk_alive(disk) && !list_empty(&disk->done);
}

struct disk_op *disk_done(struct disk *disk)
{
    if (!disk_alive(disk)) {
        return NULL;
    }
    struct list_node *node = list_pop_front(&disk->done);
    if (node == NULL) {
        return NULL;
    }
    disk->operation_count--;
    struct disk_op *op = CONTAINER_OF(node, struct disk_op, node);
    op->done_ns = disk->machine->now_ns;
    return op;
}

/* ---- Death ---------------------------------------------------------------------------------- */

/* What becomes of an operation whose process is gone: false: nothing more. */
static bool io_outlives(struct sim_machine *machine, struct sim_io *io)
{
    if (!io_writes(io) || io->state == IO_QUEUED || io->landed == 2 || io->error != 0) {
        return false;
    }
    for (uint64_t at = 0; at < io->len; at += SIM_SECTOR_BYTES) {
        if (draw_one_in(machine, 2)) {
            memcpy(io->data + at, io->op->buffer + at, SIM_SECTOR_BYTES);
        }
    }
    if (draw_one_in(machine, 8)) {
        return false; /* Had not reached the device yet. */
    }
    if (draw_one_in(machine, 8)) { /* Only a first part had. */
        io->len = (uint32_t)((1 + draw_below(machine, io->len / SIM_PAGE_BYTES)) * SIM_PAGE_BYTES);
    }
    const uint64_t late_ns = machine->now_ns + draw_below(machine, machine->options.late_max_ns);
    io->land_ns[1] = max_u64(io->land_ns[1], late_ns);
    io->done_ns = max_u64(io->done_ns, io->land_ns[1]);
    return true;
}

void disk_killed(struct disk *disk)
{
    disk->dead = true;
    LIST_FOR_EACH(node, &disk->under_way)
    {
        struct sim_io *io = CONTAINER_OF(node, struct sim_io, node);
        if (io_outlives(disk->machine, io)) {
            io->op = NULL;
        } else {
            io_drop(io);
        }
    }
    if (list_empty(&disk->under_way)) {
        disk_let_go(disk);
    }
}

/* Part of what was under way reached the device; sectors of it may be garbage. */
static void io_cut(struct sim_machine *machine, struct sim_io *io)
{
    for (uint64_t page = 0; page < io->len / SIM_PAGE_BYTES; page++) {
        const uint64_t index = io->offset / SIM_PAGE_BYTES + page;
        const uint8_t mask = (uint8_t)sim_machine_random(machine);
        for (uint32_t s = 0; machine->options.garbage && s < SIM_PAGE_SECTORS; s++) {
            if ((mask >> s & 1) == 0 || !store_sector_fresh(io->inode, index, s) ||
                !draw_one_in(machine, 8)) {
                continue;
            }
            machine->counters.garbage_sectors++;
            uint8_t *at = io->data + page * SIM_PAGE_BYTES + s * SIM_SECTOR_BYTES;
            for (uint32_t b = 0; b < SIM_SECTOR_BYTES; b++) {
                at[b] = (uint8_t)sim_machine_random(machine);
            }
        }
        if (mask != 0) {
            io_land_page(machine, io, page, mask);
        }
    }
    const uint64_t end = io->offset + io->len;
    if (end > io->inode->size && draw_one_in(machine, 2)) {
        store_set_size(machine, io->inode, end);
    }
}

/* Called when every process is dead already. */
void disk_power_cut(struct disk *disk)
{
    const bool was_empty = list_empty(&disk->under_way);
    LIST_FOR_EACH(node, &disk->under_way)
    {
        struct sim_io *io = CONTAINER_OF(node, struct sim_io, node);
        if (io->landed < 2) {
            io_cut(disk->machine, io);
        }
        io_drop(io);
    }
    if (!was_empty) {
        disk_let_go(disk);
    }
}

void disk_free(struct disk *disk)
{
    ASSERT(list_empty(&disk->under_way));
    list_remove(&disk->node);
    free(disk->slots);
    free(disk);
}
