/* The commit step: what was appended leaves for the disk, and completion moves the offsets.
 *
 *   H1   appended >= written >= flushed; a flush covers what was written before it was submitted.
 *   H2   two operations under way never touch one block: a commit beside others ends with a whole
 *        block, and the next one takes the rest. Where the one before, alone then, took a partial
 *        block, the next sends the blocks behind it ahead and that one later.
 *   H10  nothing in a segment is written before the segment's name is durable.
 *   H12  few small commits go as durable writes, everything else as writes and grouped flushes.
 *
 * Writes never wait for flushes. Acknowledgement is on prefix completion. A journal per core would
 * replace this file: it takes (partition, bytes in the arena) and moves written and flushed.
 */
#include <errno.h>
#include <stdatomic.h>

#include "storage/log/checkpoint.h"
#include "storage/log/jobs.h"
#include "storage/log/vouch.h"

/* ---- Offsets and answers -------------------------------------------------------------------- */

/* Has the cache fetch what is looked at and set below. */
static inline void append_prefetch(const struct append *append)
{
    __builtin_prefetch(append, 1);
    __builtin_prefetch(append->stage_ns, 1);
    __builtin_prefetch(&append->wait_offset, 1);
}

static void answer_written(struct partition *p, uint64_t submit_ns)
{
    const bool all_want_flush = p->config.flush_messages <= 1;
    struct list_node *last = NULL; /* Of those that are answered. */
    LIST_FOR_EACH(node, &p->waiting_written)
    {
        struct append *append = CONTAINER_OF(node, struct append, node);
        append_prefetch(append->private_ahead);
        if (append->wait_offset > p->written) {
            break;
        }
        append->stage_ns[2] = submit_ns;
        if ((all_want_flush || append->ack == APPEND_ACK_FLUSHED) &&
            append->wait_offset > p->flushed) {
            list_remove(node);
            list_push_back(&p->waiting_flushed, node);
            continue;
        }
        append_end(p, append, LOG_OK);
        last = node;
    }
    if (last != NULL) {
        p->acked = max_i64(p->acked, CONTAINER_OF(last, struct append, node)->wait_offset);
        list_append_front(&p->log->done_appends, &p->waiting_written, last);
    }
}

static void answer_flushed(struct partition *p)
{
    struct list_node *node;
    while ((node = list_first(&p->waiting_flushed)) != NULL) {
        struct append *append = CONTAINER_OF(node, struct append, node);
        if (append->wait_offset > p->flushed) {
            return;
        }
        list_remove(node);
        p->acked = max_i64(p->acked, append->wait_offset);
        append_finish(p, append, LOG_OK);
    }
}

/* What can no longer be rolled back needs no undo records. */
static void settle_producers(struct partition *p)
{
    producer_state_settle(&p->producers, max_i64(p->flushed, p->acked));
}

/* The active segment is durable up to offset. */
static void move_flushed(struct partition *p, int64_t offset)
{
    if (p->finishing != NULL && !p->finishing_durable) { /* Its job moves flushed then. */
        p->flushed_held = max_i64(p->flushed_held, offset);
        return;
    }
    if (offset <= p->flushed) {
        return;
    }
    p->flushed = offset;
    p->durable_chain = max_i64(p->durable_chain, offset);
    if (p->flushed == p->written) {
        p->unflushed_ns = 0;
    }
    answer_flushed(p);
    settle_producers(p);
    checkpoint_progress(p);
}

void commit_release_held(struct partition *p)
{
    const int64_t held = p->flushed_held;
    p->flushed_held = 0;
    move_flushed(p, max_i64(held, p->finished_end));
}

/* A job has synced the file after everything up to mark was written. */
void commit_flushed_by_job(struct partition *p, const struct mark *mark)
{
    if (mark->offset > p->flushed && mark->position > p->flushed_mark.position) {
        p->flushed_mark = *mark;
    }
    p->flush_asked = max_i64(p->flush_asked, mark->offset);
    move_flushed(p, mark->offset);
    log_kick(p);
}

/* Extents whose bytes the device has are cache from now on. */
static void clean_extents(struct partition *p, uint32_t from, uint32_t to)
{
    struct arena *arena = &p->log->arena;
    uint64_t position = round_down(from, BLOCK);
    while (position < to) {
        struct extent *extent = arena_find(arena, &p->active->extents, position);
        ASSERT(extent != NULL);
        position = extent_end(extent);
        if (extent->dirty && extent->offset + extent->used <= to) {
            extent->dirty = false;
            arena_unpin(arena, extent);
        }
    }
}

static void commit_retire(struct partition *p, struct commit *commit)
{
    list_remove(&commit->node);
    p->commit_count--;
    stock_give(&p->log->commit_stock, commit);
}

/* The active segment's own flush, or a durable write behind one, has got so far. */
static void blocks_flushed(struct partition *p, uint32_t position)
{
    struct segment *s = p->active;
    if (p->phase == PHASE_RUNNING) { /* Or a flush of the device has failed meanwhile. */
        s->whole_to = (uint32_t)max_u64(s->whole_to, round_up(position, BLOCK));
    }
}

static void commit_written(struct partition *p, struct commit *commit)
{
    const uint32_t from = p->device_position;
    p->device_position = commit->to;
    p->written_mark = commit->end;
    const bool durable = commit->durable && p->flushed >= commit->begin_offset;
    const bool moved = commit->end.offset > p->written;
    p->written = commit->end.offset;
    clean_extents(p, from, commit->to);
    if (p->unflushed_ns == 0 && p->written > p->flushed) {
        p->unflushed_ns = p->log->now_ns;
    }
    if (durable) {
        p->flushed_mark = commit->end;
        blocks_flushed(p, commit->end.position);
        move_flushed(p, commit->end.offset);
    }
    if (moved) {
        log_announce(p);
        answer_written(p, commit->submit_ns);
        settle_producers(p);
        checkpoint_progress(p);
    }
    commit_want_flush(p);
}

/* Takes finished commits off the front. */
void commit_settle(struct partition *p)
{
    while (!list_empty(&p->commits) && p->phase == PHASE_RUNNING) {
        struct commit *commit = CONTAINER_OF(list_first(&p->commits), struct commit, node);
        if (commit->ops_left > 0 || commit->head_waits || !p->active->named) {
            return;
        }
        if (commit->error != 0) {
            repair_begin(p, log_status_of(commit->error), false);
            return;
        }
        commit_written(p, commit);
        commit_retire(p, commit);
        if (partition_waits(p)) {
            log_kick(p);
        }
    }
}

void commit_drop_all(struct partition *p)
{
    while (!list_empty(&p->commits)) {
        commit_retire(p, CONTAINER_OF(list_first(&p->commits), struct commit, node));
    }
}

/* A flush of the device failed: what any file of it had not made durable may be lost, what is under
 * way too, and nobody's later flush may claim it. */
static void device_flush_failed(struct log *log, uint16_t directory, int32_t result)
{
    log->devices[directory].flushes_failed++;
    LIST_FOR_EACH(node, &log->partitions)
    {
        struct partition *p = CONTAINER_OF(node, struct partition, all_node);
        if (p->directory != directory) {
            continue;
        }
        if (p->active != NULL) {
            zero_forget(p->active);
        }
        if (p->unvouched) {
            vouch_device_failed(p);
            continue;
        }
        if (p->written > p->flushed || !list_empty(&p->commits)) {
            repair_begin(p, log_status_of(result), true);
        }
    }
}

/* The kernel tells it to one of the cores that write to the device. */
void commit_fail_device(struct log *log, uint16_t directory, int32_t result)
{
    log->devices[directory].failures_heard =
        1 +
        atomic_fetch_add_explicit(&log->shared->flushes_failed[directory], 1, memory_order_acq_rel);
    device_flush_failed(log, directory, result);
}

/* Others may know of a failure that makes what has just ended well worth nothing. */
static void hear(struct log *log, uint16_t directory)
{
    const uint32_t count =
        atomic_load_explicit(&log->shared->flushes_failed[directory], memory_order_acquire);
    if (UNLIKELY(count != log->devices[directory].failures_heard)) {
        log->devices[directory].failures_heard = count;
        device_flush_failed(log, directory, -EIO);
    }
}

void commit_hear_failures(struct log *log)
{
    for (uint32_t i = 0; i < log->setup.directory_count; i++) {
        hear(log, (uint16_t)i);
    }
}

/* Whether the write failed or the flush that is part of it is not told: the worse of the two.
 * For a while plain writes and flushes show which it is: a bad extent is its partition's alone. */
static void fail_durable_write(struct partition *p, int32_t result)
{
    struct log *log = p->log;
    log->devices[p->directory].durable_after_ns = log->now_ns + DURABLE_PAUSE_SECONDS * SEC_NS;
    commit_fail_device(log, p->directory, result);
}

/* Whose write a flush of the device may wait for. */
static bool write_gathers(const struct commit *commit)
{
    return commit->awaited && !commit->durable;
}

/* Bytes wait to be planned, or the first block of a commit for the one before. */
static bool plans_more(const struct partition *p, const struct commit *done)
{
    return p->planned_position < p->copied || p->commit_count > 1 || done->head_waits;
}

void commit_io_done(struct io *io)
{
    struct commit *commit = io->commit;
    struct partition *p = io->partition;
    ASSERT(commit->ops_left > 0);
    if (commit->durable) {
        hear(p->log, p->directory);
    }
    commit->ops_left--;
    if (write_gathers(commit)) {
        p->log->devices[p->directory].writing[io->write_round]--;
    }
    if (io->op.result < 0 && commit->error == 0) {
        commit->error = io->op.result;
    }
    if (plans_more(p, commit)) {
        commit_mark_dirty(p);
    }
    if (commit->error != 0 && p->phase == PHASE_RUNNING) {
        repair_begin(p, log_status_of(commit->error), false);
    } else {
        commit_settle(p);
    }
    if (io->covers_device && io->op.result < 0 && log_status_of(io->op.result) == LOG_IO_ERROR) {
        fail_durable_write(p, io->op.result);
    }
}

/* ---- Planning writes ------------------------------------------------------------------------ */

void commit_mark_dirty(struct partition *p)
{
    if (!list_linked(&p->dirty_node)) {
        list_push_back(&p->log->dirty, &p->dirty_node);
    }
}

/* Operations that [from, to) of the active segment takes: one per extent. */
static uint32_t count_pieces(const struct partition *p, uint64_t from, uint64_t to)
{
    uint32_t count = 0;
    while (from < to) {
        const struct extent *extent = arena_find(&p->log->arena, &p->active->extents, from);
        ASSERT(extent != NULL);
        from = extent_end(extent);
        count++;
    }
    return count;
}

enum { SEAMS_MAX = 3 }; /* In one commit: behind its first block, behind zeros. */

static bool room_for(const struct log *log, uint32_t operations)
{
    return disk_room(log->disk) >= operations &&
           log->io_stock.capacity - log->io_stock.used >= operations;
}

/* Where the block at position, which lies behind the partial one a commit begins in, has been
 * written before (with zeros), and where that ends; 0: it has not. */
static uint64_t zeros_end(const struct segment *s, uint64_t position)
{
    if (position >= s->zeroing_from && position < s->zeroing_to) {
        return s->zeroing_to;
    }
    return position >= s->zeroed_from && position < s->zeroed ? s->zeroed : 0;
}

/* Blocks that were written before and such that were not must not share a request: file systems
 * take one that crosses from the former to the latter under an exclusive lock and with a helper
 * thread. The block layer joins the pieces again. */
static uint64_t write_seam(const struct partition *p, const struct commit *commit, uint64_t from,
                           uint64_t to)
{
    const uint64_t behind_head = round_up(commit->from, BLOCK);
    const uint64_t zeros = zeros_end(p->active, max_u64(from, behind_head));
    if (zeros == 0 && from < behind_head) {
        return min_u64(to, behind_head);
    }
    return zeros == 0 ? to : min_u64(to, zeros);
}

/* Writes whole blocks [from, to) of the active segment. There is room. */
static void write_blocks(struct partition *p, struct commit *commit, uint64_t from, uint64_t to)
{
    struct log *log = p->log;
    while (from < to) {
        struct extent *extent = arena_find(&log->arena, &p->active->extents, from);
        const uint64_t end = write_seam(p, commit, from, min_u64(to, extent_end(extent)));
        struct io *io = log_io_take(log);
        ASSERT(io != NULL);
        io->kind = IO_COMMIT;
        io->partition = p;
        io->handle = p->active->handle;
        io->commit = commit;
        io->covers_device =
            commit->durable && disk_flush_covers_device(log->disk, io->handle->slot);
        io->op.kind = commit->durable ? DISK_WRITE_DURABLE : DISK_WRITE;
        io->op.offset = from;
        io->op.len = (uint32_t)(end - from);
        io->op.buffer = extent_memory(&log->arena, extent) + (from - extent->offset);
        if (write_gathers(commit)) {
            struct device *device = &log->devices[p->directory];
            io->write_round = device->write_round;
            device->writing[io->write_round]++;
        }
        commit->ops_left++;
        log->counters.write_count++;
        log->counters.written_bytes += io->op.len;
        log_io_submit(log, io);
        from = end;
    }
}

/* Behind the last copied byte a block holds zeros: no old batch may follow a new one (H4). They are
 * written once a block: what is copied later lies over them, and what is taken back is zeroed. */
static inline void zero_block_end(struct partition *p)
{
    if (p->copied % BLOCK == 0) {
        return;
    }
    struct arena *arena = &p->log->arena;
    struct extent *extent = arena_find(arena, &p->active->extents, p->copied);
    if (extent == NULL) {
        return;
    }
    const uint32_t from = (uint32_t)(p->copied - extent->offset);
    const uint32_t to = (uint32_t)round_up(from, BLOCK);
    if (extent->zeros_to < to) {
        memset(extent_memory(arena, extent) + from, 0, to - from);
        extent->zeros_to = to;
    }
}

/* The end of everything copied; inside a large batch of its whole blocks. */
static uint32_t target_find(const struct partition *p, struct mark *mark)
{
    const struct segment *s = p->active;
    *mark = (struct mark){p->end, s->size, s->peak};
    return p->copied > s->size ? (uint32_t)max_u64(s->size, round_down(p->copied, BLOCK)) : s->size;
}

/* Where the next commit ends. Beside another one it leaves the partial last block to the one after
 * it, so that they share none; the end of an answer's bytes that is not reached then is kept as
 * target. False: nothing to do now. */
static bool commit_aim(struct partition *p, bool beside, uint32_t *to, struct mark *end)
{
    const uint32_t from = p->planned_position;
    struct mark mark;
    const uint32_t target = target_find(p, &mark);
    *to = min_u32(target, from + COMMIT_BYTES_MAX);
    if (p->zeroing && *to > p->zeroing_from && !zero_withdraw(p)) {
        *to = min_u32(*to, p->zeroing_from);
    }
    if (beside) {
        *to = (uint32_t)round_down(*to, BLOCK);
        if (*to < round_up(from, BLOCK) + COMMIT_BESIDE_BYTES) {
            return false;
        }
    }
    if (*to <= from) {
        return false;
    }
    *end = p->planned_mark;
    if (p->target_position > from && *to >= p->target_position) {
        *end = p->target_mark; /* What the commit before did not reach. */
    }
    if (*to == target) {
        *end = mark;
    }
    p->target_position = target;
    p->target_mark = mark;
    return true;
}

static bool wants_durable_write(const struct partition *p, uint32_t from, uint32_t to)
{
    const struct device *device = &p->log->devices[p->directory];
    if (p->log->now_ns < device->durable_after_ns) {
        return false;
    }
    return p->durable_want > p->planned_mark.offset && p->durable_chain == p->planned_mark.offset &&
           p->planned_mark.position == from && p->finishing == NULL &&
           to - from <= DURABLE_WRITE_BYTES_MAX && device->durable_count <= DURABLE_WRITES_MAX &&
           device->flushes == 0;
}

static bool commit_plan_next(struct partition *p)
{
    struct log *log = p->log;
    const uint32_t from = p->planned_position;
    const bool beside = !list_empty(&p->commits);
    uint32_t to;
    struct mark end;
    if (p->commit_count == COMMITS_MAX || !commit_aim(p, beside, &to, &end)) {
        return false;
    }
    bool head_waits = false;
    if (from % BLOCK != 0 && beside) {
        const struct commit *last = CONTAINER_OF(p->commits.head.prev, struct commit, node);
        head_waits = last->ops_left > 0 || last->head_waits;
    }
    const uint64_t first = head_waits ? round_up(from, BLOCK) : round_down(from, BLOCK);
    if (!room_for(log, count_pieces(p, first, round_up(to, BLOCK)) + SEAMS_MAX)) {
        return false;
    }
    struct commit *commit = stock_take(&log->commit_stock);
    if (commit == NULL) {
        return false;
    }
    *commit = (struct commit){.partition = p,
                              .from = from,
                              .to = to,
                              .begin_offset = p->planned_mark.offset,
                              .end = end,
                              .submit_ns = log->now_ns,
                              .durable = wants_durable_write(p, from, to),
                              .head_waits = head_waits,
                              .awaited = p->durable_want > p->planned_mark.offset};
    p->planned_position = to;
    p->planned_mark = commit->end;
    if (commit->durable) {
        p->durable_chain = commit->end.offset;
    }
    list_push_back(&p->commits, &commit->node);
    p->commit_count++;
    zero_block_end(p);
    write_blocks(p, commit, first, round_up(to, BLOCK));
    zero_consider(p, to - from, commit->awaited);
    return true;
}

/* First blocks that waited for the commit before (H2). False: one of them waits for room now. */
static bool write_heads(struct partition *p)
{
    bool before_done = true;
    LIST_FOR_EACH(node, &p->commits)
    {
        struct commit *commit = CONTAINER_OF(node, struct commit, node);
        if (commit->head_waits && before_done) {
            if (!room_for(p->log, 1)) {
                return false;
            }
            const uint64_t block = round_down(commit->from, BLOCK);
            commit->head_waits = false;
            zero_block_end(p);
            write_blocks(p, commit, block, block + BLOCK);
        }
        before_done = commit->ops_left == 0 && !commit->head_waits;
    }
    return true;
}

bool commit_waits(const struct partition *p)
{
    if (p->active == NULL) {
        return false;
    }
    if (p->planned_position < p->active->size) {
        return true;
    }
    LIST_FOR_EACH(node, &p->commits)
    {
        if (CONTAINER_OF(node, const struct commit, node)->head_waits) {
            return true;
        }
    }
    return false;
}

static uint32_t commit_plan(struct partition *p)
{
    uint32_t work = 0;
    if (p->phase != PHASE_RUNNING || p->active == NULL) {
        return 0;
    }
    /* Its file may have been closed for want of descriptors; once open it is looked at again. */
    if (p->active->handle == NULL && (!commit_waits(p) || !segment_open(p->active))) {
        return 0;
    }
    const bool heads_written = write_heads(p);
    while (commit_plan_next(p)) {
        work++;
    }
    if (!heads_written || (p->planned_position < p->active->size && p->commit_count == 0)) {
        commit_mark_dirty(p); /* No room, or zeroing: again next turn. */
    }
    return work;
}

/* ---- Flushes -------------------------------------------------------------------------------- */

void commit_want_flush(struct partition *p)
{
    const bool wants = !list_empty(&p->waiting_flushed) || p->flush_want > p->flushed;
    if (wants && !list_linked(&p->flush_node)) {
        list_push_back(&p->log->flushing, &p->flush_node);
    }
}

void commit_ask_flush(struct partition *p)
{
    p->flush_want = max_i64(p->flush_want, p->written);
    commit_want_flush(p);
}

/* A flush of the device does for blocks that were written once before; fresh ones change the
 * file's metadata, which only its own flush makes durable. Small appends fill a block in many
 * flushes, of which the first is the file's own. */
static bool device_flush_does(const struct partition *p)
{
    const struct segment *s = p->active;
    const uint64_t end = round_up(p->device_position, BLOCK);
    if (!disk_flush_covers_device(p->log->disk, s->handle->slot) || p->flushed < s->base_offset) {
        return false;
    }
    return end <= s->whole_to ||
           (max_u64(p->flushed_mark.position, s->whole_to) >= s->zeroed_from && end <= s->zeroed);
}

static bool needs_flush(const struct partition *p)
{
    if (p->phase != PHASE_RUNNING || p->active == NULL || p->flush_count >= FLUSHES_MAX ||
        p->written <= p->flush_asked) {
        return false;
    }
    if (p->flush_want > max_i64(p->flush_asked, p->flushed)) {
        return true;
    }
    if (list_empty(&p->waiting_flushed)) {
        return false;
    }
    const struct append *last = CONTAINER_OF(p->waiting_flushed.head.prev, struct append, node);
    return last->wait_offset > p->flush_asked;
}

static bool flush_own(struct partition *p)
{
    struct log *log = p->log;
    struct io *io = log_io_take(log);
    if (io == NULL) {
        return false;
    }
    io->kind = IO_FLUSH;
    io->partition = p;
    io->handle = p->active->handle;
    io->covers = p->written_mark; /* H1: writes done by now. */
    io->zeroed_to = p->active->zeroing_to;
    io->segment = p->active;
    io->covers_device = disk_flush_covers_device(log->disk, io->handle->slot);
    io->op.kind = DISK_FLUSH;
    p->flush_asked = p->written;
    p->flush_count++;
    log->counters.flush_count++;
    log_io_submit(log, io);
    return true;
}

static bool flush_join(struct partition *p, struct io *io)
{
    struct flush_member *member = pool_take(&p->log->member_pool);
    if (member == NULL) {
        return false;
    }
    *member = (struct flush_member){.partition = p, .covers = p->written_mark};
    list_push_back(&io->members, &member->node);
    p->flush_asked = p->written;
    p->flush_count++;
    p->io_count++;
    return true;
}

/* Writes that were begun together end one after the other: a flush behind the first of them would
 * leave the others to the next. True when those have ended that were under way when it was asked
 * first; what begins meanwhile is not waited for. */
static bool writes_gathered(struct device *device)
{
    if (!device->gathers) {
        if (device->writing[device->write_round] == 0) {
            return true;
        }
        device->gathers = true;
        device->write_round ^= 1;
    }
    device->gathers = device->writing[device->write_round ^ 1] > 0;
    return !device->gathers;
}

/* One at a time: the kernel begins no second one before the first is done, and each takes a worker
 * of it. What is written meanwhile shares the next. Not by a file that is written all the time: its
 * times change, and ext4 without a journal writes its inode, and waits for that, before it flushes.
 */
static struct io *flush_device(struct log *log, struct device *device, struct handle *handle)
{
    if (device->flushes > 0 || !writes_gathered(device)) {
        return NULL;
    }
    struct io *io = log_io_take(log);
    if (io == NULL) {
        return NULL;
    }
    io->kind = IO_DEVICE_FLUSH;
    list_init(&io->members);
    io->handle = device->quiet.slot >= 0 ? &device->quiet : handle;
    io->device = device;
    io->op.kind = DISK_FLUSH;
    device->flushes++;
    log->counters.flush_count++;
    return io;
}

static uint32_t flush_plan_all(struct log *log)
{
    if (list_empty(&log->flushing)) {
        return 0;
    }
    struct io *device_io[LOG_DIRECTORIES_MAX] = {0};
    struct list later;
    list_init(&later);
    uint32_t work = 0;
    struct list_node *node;
    while ((node = list_pop_front(&log->flushing)) != NULL) {
        struct partition *p = CONTAINER_OF(node, struct partition, flush_node);
        if (!list_empty(&p->waiting_flushed) || p->flush_want > p->flushed) {
            list_push_back(&later, node); /* Stays listed until it is flushed. */
        }
        if (!needs_flush(p) || !segment_open(p->active)) {
            continue;
        }
        if (!device_flush_does(p)) {
            work += flush_own(p); /* No room: next turn. */
            continue;
        }
        struct io **io = &device_io[p->directory];
        if (*io == NULL) {
            *io = flush_device(log, &log->devices[p->directory], p->active->handle);
        }
        work += *io != NULL && flush_join(p, *io);
    }
    list_append_all(&log->flushing, &later);
    for (uint32_t i = 0; i < LOG_DIRECTORIES_MAX; i++) {
        if (device_io[i] != NULL) {
            log_io_submit(log, device_io[i]);
        }
    }
    return work;
}

static void flush_result(struct partition *p, int32_t result, const struct mark *covers)
{
    p->flush_count--;
    if (result < 0 && p->phase == PHASE_DRAINING) {
        p->flush_failed = true;
    }
    if (p->phase != PHASE_RUNNING) {
        return; /* What failed before decides. */
    }
    if (result < 0) {
        repair_begin(p, log_status_of(result), true);
        return;
    }
    if (covers->offset > p->flushed && covers->position > p->flushed_mark.position) {
        p->flushed_mark = *covers;
    }
    move_flushed(p, covers->offset);
    log_kick(p);
}

void commit_flush_done(struct io *io)
{
    if (io->kind == IO_FLUSH) {
        struct partition *p = io->partition;
        hear(p->log, p->directory);
        if (io->op.result >= 0 && io->segment == p->active) {
            zero_flushed(io->segment, io->zeroed_to);
            blocks_flushed(p, io->covers.position);
        }
        flush_result(p, io->op.result, &io->covers);
        if (io->op.result < 0 && io->covers_device) {
            commit_fail_device(p->log, p->directory, io->op.result);
        }
        return;
    }
    struct list_node *node;
    struct log *log = NULL;
    while ((node = list_pop_front(&io->members)) != NULL) {
        struct flush_member *member = CONTAINER_OF(node, struct flush_member, node);
        struct partition *p = member->partition;
        log = p->log;
        hear(log, p->directory);
        p->io_count--;
        flush_result(p, io->op.result, &member->covers);
        log_kick(p);
        pool_give(&log->member_pool, member);
    }
    io->device->flushes--;
    if (io->op.result < 0 && log != NULL) {
        commit_fail_device(log, (uint16_t)(io->device - log->devices), io->op.result);
    }
}

/* ---- The turn ------------------------------------------------------------------------------- */

LINK_INLINE uint32_t commit_plan_all(struct log *log)
{
    if (list_empty(&log->dirty)) {
        return flush_plan_all(log);
    }
    for (uint32_t i = 0; i < log->setup.directory_count; i++) {
        log->devices[i].durable_count = 0;
    }
    LIST_FOR_EACH(node, &log->dirty)
    {
        const struct partition *p = CONTAINER_OF(node, struct partition, dirty_node);
        if (p->durable_want > p->planned_mark.offset) {
            log->devices[p->directory].durable_count++;
        }
    }
    struct list now;
    list_init(&now);
    list_append_all(&now, &log->dirty);
    uint32_t work = 0;
    struct list_node *node;
    while ((node = list_pop_front(&now)) != NULL) {
        work += commit_plan(CONTAINER_OF(node, struct partition, dirty_node));
    }
    return work + flush_plan_all(log);
}
