/* Reads: from the arena when it holds the bytes, else disk reads into it and once more from there.
 *
 * A read that cannot go on is parked on what it waits for: an extent being loaded, a segment being
 * opened, a lookup in an index file, or room. When that ends it starts again where it stood.
 */
#include "storage/log/jobs.h"

enum {
    HOP_BYTES_MAX = 256 << 10, /* Headers are followed so far before an index file is asked. */
    READ_AHEAD_EXTENTS = 3,
    COLD_READ_BYTES_MIN = 64 << 10,
};

/* log_read.private_state */
enum {
    STATE_BASE,
    STATE_POSITION,
    STATE_RESOLVED,
    STATE_ASKED,
    STATE_END,
    STATE_FIRST,
    STATE_ENTRY,      /* Position that the index file named; 0: none, or it held. */
    STATE_ENTRY_LAST, /* The offset it named with it. */
    STATE_GENERATION, /* Of the partition's segments, when the rest was found out. */
};

/* FOUND_BEHIND: compacted away at the segment's end, so in the next one. */
enum found { FOUND, FOUND_WAIT, FOUND_FAILED, FOUND_BEHIND };

/* One batch header in the log, of any magic. */
struct place {
    int64_t base_offset;
    int64_t last_offset;
    uint32_t position;
    uint32_t size;
};

static uint32_t readable_end(const struct segment *segment)
{
    const struct partition *p = segment->partition;
    return segment == p->active ? p->written_mark.position : segment->size;
}

static int64_t readable_offset(const struct segment *segment)
{
    const struct partition *p = segment->partition;
    return segment == p->active ? p->written : segment_end(segment);
}

/* ---- Loading -------------------------------------------------------------------------------- */

static void park(struct list *list, struct log_read *read)
{
    list_push_back(list, &read->node);
}

/* Starts a read of at most `bytes` from offset, where the arena has nothing, and parks waiter on
 * it. NULL: no room, or the file is being opened; then the waiter is parked there. */
struct extent *read_load(struct partition *p, struct segment *segment, uint64_t offset,
                         uint32_t bytes, struct log_read *waiter)
{
    struct log *log = p->log;
    const uint64_t data_end = segment == p->active ? p->copied : segment->size;
    ASSERT_HOT(offset % BLOCK == 0 && offset < round_up(data_end, BLOCK));
    if (segment->handle == NULL && !segment_open(segment)) {
        if (waiter != NULL) {
            park(segment->opening ? &segment->readers : &log->reads_starved, waiter);
        }
        return NULL;
    }
    uint64_t want = min_u64(bytes, MIB - (offset & (MIB - 1)));
    want = min_u64(want, round_up(data_end, BLOCK) - offset);
    want = arena_gap(&log->arena, &segment->extents, offset, (uint32_t)want);
    struct io *io = NULL;
    struct extent *extent = arena_take(&log->arena, (uint32_t)want, ARENA_PAGE_BYTES);
    if (extent != NULL && (io = log_io_take(log)) == NULL) {
        arena_unpin(&log->arena, extent);
        extent = NULL;
    }
    if (extent == NULL) {
        if (waiter != NULL) {
            park(&log->reads_starved, waiter);
        }
        return NULL;
    }
    const uint32_t len = min_u32(extent_capacity(extent), (uint32_t)want);
    arena_map(&log->arena, extent, &segment->extents, offset, len, EXTENT_LOADING);
    io->kind = IO_LOAD;
    io->partition = p;
    io->handle = segment->handle;
    io->extent = extent;
    io->segment = segment;
    io->op.kind = DISK_READ;
    io->op.offset = offset;
    io->op.len = len;
    io->op.buffer = extent_memory(&log->arena, extent);
    if (waiter != NULL) {
        park(&extent->waiters, waiter);
    }
    log_io_submit(log, io);
    return extent;
}

static void read_finish(struct log_read *read, enum log_status status)
{
    struct partition *p = read->partition;
    p->read_count--;
    read->status = status;
    list_push_back(&p->log->done_reads, &read->node);
    log_kick(p);
}

static void drop_holds(struct log_read *read)
{
    for (uint32_t i = 0; i < read->extent_count; i++) {
        arena_release(&read->partition->log->arena, read->extents[i].hold);
    }
    read->extent_count = 0;
    read->bytes = 0;
}

static bool read_over(struct log_read *read, enum log_status status)
{
    struct log *log = read->partition->log;
    if (log->reads_favoured == read) {
        log->reads_favoured = NULL;
    }
    if (status != LOG_OK) {
        drop_holds(read);
    }
    read->status = status;
    return true;
}

void read_loaded(struct io *io)
{
    struct partition *p = io->partition;
    struct log *log = p->log;
    struct extent *extent = io->extent;
    struct list waiters;
    list_init(&waiters);
    list_append_all(&waiters, &extent->waiters);
    if (io->op.result >= 0) {
        log->counters.read_bytes += (uint64_t)io->op.result;
        list_append_all(&log->reads_ready, &waiters);
        if (extent->file != NULL) {
            const uint64_t end = io->segment == p->active ? p->copied : io->segment->size;
            extent->state = EXTENT_VALID;
            extent->used = (uint32_t)min_u64(extent->len, end - min_u64(end, extent->offset));
        }
    } else {
        struct list_node *node;
        while ((node = list_pop_front(&waiters)) != NULL) {
            struct log_read *read = CONTAINER_OF(node, struct log_read, node);
            (void)read_over(read, log_status_of(io->op.result));
            read_finish(read, read->status);
        }
        if (extent->file != NULL) {
            p->load_failed = io->segment == p->active && p->copied >= extent->offset &&
                             p->copied < extent_end(extent);
            arena_unmap(&log->arena, extent);
        }
    }
    arena_unpin(&log->arena, extent);
    log_kick(p);
}

void read_opened(struct segment *segment)
{
    list_append_all(&segment->partition->log->reads_ready, &segment->readers);
}

void read_open_failed(struct segment *segment, enum log_status status)
{
    struct list_node *node;
    while ((node = list_pop_front(&segment->readers)) != NULL) {
        struct log_read *read = CONTAINER_OF(node, struct log_read, node);
        (void)read_over(read, status);
        read_finish(read, read->status);
    }
}

/* ---- Following headers ---------------------------------------------------------------------- */

/* The extent with the byte at position in memory, or NULL. */
static const struct extent *in_memory(const struct segment *segment, uint64_t position)
{
    struct arena *arena = &segment->partition->log->arena;
    struct extent *extent = arena_find(arena, &segment->extents, position);
    if (extent == NULL || extent->state != EXTENT_VALID ||
        position >= extent->offset + extent->used) {
        return NULL;
    }
    arena_touch(arena, extent);
    return extent;
}

/* Copies up to len bytes from memory; returns how many there were. */
static uint32_t copy_out(const struct segment *segment, uint64_t position, uint8_t *to,
                         uint32_t len)
{
    const struct arena *arena = &segment->partition->log->arena;
    uint32_t copied = 0;
    while (copied < len) {
        const struct extent *extent = in_memory(segment, position);
        if (extent == NULL) {
            break;
        }
        const uint32_t at = (uint32_t)(position - extent->offset);
        const uint32_t count = min_u32(len - copied, extent->used - at);
        memcpy(to + copied, extent_memory(arena, extent) + at, count);
        copied += count;
        position += count;
    }
    return copied;
}

/* Reads and checks the header at position (bytes from disk are not trusted). FOUND_WAIT: the byte
 * at *missing is not in memory. */
static enum found place_at(const struct segment *segment, uint32_t position, struct place *place,
                           uint64_t *missing)
{
    const uint32_t end = readable_end(segment);
    uint8_t bytes[BATCH_HEADER_BYTES];
    const uint32_t want = min_u32(sizeof(bytes), end - position);
    const uint32_t have = copy_out(segment, position, bytes, want);
    if (have < want) {
        *missing = position + have;
        return FOUND_WAIT;
    }
    const struct bytes piece = {bytes, have};
    struct batch_header header;
    const enum batch_status status = batch_parse_header(chain_of(&piece), &header);
    if (status != BATCH_OK && status != BATCH_OLD_MAGIC) {
        return FOUND_FAILED;
    }
    *place = (struct place){.base_offset = header.base_offset,
                            .last_offset = header.base_offset,
                            .position = position,
                            .size = header.size_bytes};
    if (status == BATCH_OK) {
        place->last_offset = batch_last_offset(&header);
    }
    const bool sane =
        header.size_bytes <= end - position && place->base_offset >= segment->base_offset &&
        place->last_offset >= place->base_offset && place->last_offset < readable_offset(segment);
    return sane ? FOUND : FOUND_FAILED;
}

/* ---- Cursors -------------------------------------------------------------------------------- */

static struct cursor *cursor_find(struct partition *p, const struct segment *segment,
                                  int64_t offset)
{
    for (uint32_t i = 0; i < CURSORS; i++) {
        struct cursor *cursor = &p->cursors[i];
        if (cursor->used != 0 && cursor->offset == offset &&
            cursor->base_offset == segment->base_offset) {
            return cursor;
        }
    }
    return NULL;
}

/* The reader that stood at `from` stands at `to` now. */
static void cursor_move(struct partition *p, const struct segment *segment, int64_t from,
                        int64_t to, uint32_t position)
{
    struct cursor *cursor = cursor_find(p, segment, from);
    for (uint32_t i = 0; cursor == NULL && i < CURSORS; i++) {
        cursor = p->cursors[i].offset == to && p->cursors[i].used != 0 ? &p->cursors[i] : NULL;
    }
    if (cursor == NULL) {
        cursor = &p->cursors[0];
        for (uint32_t i = 1; i < CURSORS; i++) {
            cursor = p->cursors[i].used < cursor->used ? &p->cursors[i] : cursor;
        }
    }
    *cursor = (struct cursor){.offset = to,
                              .base_offset = segment->base_offset,
                              .position = position,
                              .used = ++p->cursor_clock};
}

/* Truncation: nothing is known behind the end any more. */
void read_forget_cursors(struct partition *p)
{
    memset(p->cursors, 0, sizeof(p->cursors));
    p->cursor_clock = 0;
}

/* ---- Finding the batch ---------------------------------------------------------------------- */

/* The best position known without a disk, at or before the batch that holds offset. *near: it is at
 * most an index interval away. */
static uint32_t best_known(const struct partition *p, const struct segment *segment, int64_t offset,
                           bool *near)
{
    uint32_t position = 0;
    *near = offset <= segment->base_offset;
    if (segment == p->active && index_lookup(p, offset, &position)) {
        *near = true;
    }
    for (uint32_t i = 0; i < CURSORS; i++) {
        const struct cursor *cursor = &p->cursors[i];
        if (cursor->used != 0 && cursor->base_offset == segment->base_offset &&
            cursor->offset <= offset && cursor->position >= position) {
            position = cursor->position;
            *near = *near || cursor->offset == offset;
        }
    }
    return position;
}

static void lookup_run(struct job *job, struct file_system *fs)
{
    char path[PATH_BYTES];
    path_segment(job->partition, job->lookup.base_offset, SEGMENT_INDEX, SEGMENT_LIVE, path);
    const int fd = file_open(fs, path, FILE_READ);
    if (fd < 0) {
        return; /* Position 0: followed by headers. */
    }
    const int64_t size = file_size(fs, fd);
    uint32_t low = 0; /* entries[low - 1] <= offset < entries[high] */
    uint32_t high = size < 0 ? 0 : (uint32_t)min_u64((uint64_t)size / 8, job->lookup.entries);
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        uint8_t bytes[OFFSET_INDEX_ENTRY_BYTES];
        if (file_read(fs, fd, bytes, sizeof(bytes), (uint64_t)middle * sizeof(bytes)) !=
            (int64_t)sizeof(bytes)) {
            break;
        }
        const struct offset_index_entry entry =
            offset_index_read((struct bytes){bytes, sizeof(bytes)}, job->lookup.base_offset, 0);
        if (entry.offset <= job->lookup.offset) {
            job->lookup.position = entry.position;
            job->lookup.last_offset = entry.offset;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    file_close(fs, fd);
}

static void lookup_done(struct job *job)
{
    struct log_read *read = job->lookup.read;
    if (job->lookup.position > read->private_state[STATE_POSITION]) {
        read->private_state[STATE_POSITION] = job->lookup.position;
        read->private_state[STATE_ENTRY] = job->lookup.position;
        read->private_state[STATE_ENTRY_LAST] = (uint64_t)job->lookup.last_offset;
    }
    list_push_back(&job->log->reads_ready, &read->node);
    job_end(job);
}

static void ask_index_file(struct partition *p, const struct segment *segment,
                           struct log_read *read)
{
    struct job *job = job_take(p->log, p);
    if (job == NULL) {
        park(&p->log->reads_starved, read);
        return;
    }
    read->private_state[STATE_ASKED] = 1;
    job->run = lookup_run;
    job->done = lookup_done;
    job->lookup.read = read;
    job->lookup.base_offset = segment->base_offset;
    job->lookup.offset = read->offset;
    job->lookup.entries = UINT32_MAX;
    if (segment == p->active) {
        job->lookup.entries = p->index_first != NULL ? p->index_first_number : p->index_count;
    }
    job_post(job);
}

static uint32_t load_bytes(const struct log_read *read)
{
    const struct log *log = read->partition->log;
    const uint64_t eighth = (uint64_t)log->arena.page_count * ARENA_PAGE_BYTES / 8;
    const uint64_t wanted = max_u64(COLD_READ_BYTES_MIN, round_up(read->bytes_max, BLOCK));
    /* Two neighbours must fit beside what else is held: a header may lie across both. */
    return (uint32_t)min_u64(read->sequential ? (uint64_t)MIB : wanted, max_u64(eighth, BLOCK));
}

/* There is no room. What the read holds goes back, or two reads could wait for each other; one
 * read at a time keeps what it has and gets through. */
static void give_up_holds(struct log *log, struct log_read *read)
{
    if (log->reads_favoured == NULL) {
        log->reads_favoured = read;
    }
    if (log->reads_favoured == read) {
        return;
    }
    drop_holds(read);
}

/* Parks the read on the byte at position, which is not in memory. */
static void wait_for(struct partition *p, struct segment *segment, uint64_t position,
                     struct log_read *read)
{
    const uint64_t block = round_down(position, BLOCK);
    struct extent *extent = arena_find(&p->log->arena, &segment->extents, block);
    if (extent != NULL) {
        ASSERT_HOT(extent->state == EXTENT_LOADING);
        park(&extent->waiters, read);
        return;
    }
    if (read_load(p, segment, block, load_bytes(read), read) == NULL && segment->handle != NULL) {
        give_up_holds(p->log, read);
    }
}

/* The index file is believed only where the log agrees: what stands at position must be the batch
 * that the entry names, or one before it. Else headers are followed from the start of the segment.
 */
static bool entry_holds(struct log_read *read, uint32_t position, enum found found,
                        const struct place *place)
{
    uint64_t *state = read->private_state;
    if (state[STATE_ENTRY] == 0 || position != state[STATE_ENTRY]) {
        return true;
    }
    /* Older Kafka names the last of several batches that were appended together. */
    const bool holds = found == FOUND && place->last_offset <= (int64_t)state[STATE_ENTRY_LAST];
    state[STATE_ENTRY] = 0;
    if (!holds) {
        read->partition->log->counters.bad_index_entries++;
        state[STATE_POSITION] = 0;
    }
    return holds;
}

/* Finds the batch that holds read->offset. On FOUND its position is in the private state. */
static enum found resolve(struct partition *p, struct segment *segment, struct log_read *read)
{
    uint64_t *state = read->private_state;
    if (state[STATE_RESOLVED]) {
        return FOUND;
    }
    if (state[STATE_BASE] != (uint64_t)segment->base_offset + 1) {
        state[STATE_BASE] = (uint64_t)segment->base_offset + 1;
        state[STATE_POSITION] = 0;
        state[STATE_ASKED] = 0;
        state[STATE_ENTRY] = 0;
    }
    bool near;
    const uint32_t known = best_known(p, segment, read->offset, &near);
    if (known > state[STATE_POSITION]) {
        state[STATE_POSITION] = known;
    }
    const uint64_t start = state[STATE_POSITION];
    for (;;) {
        struct place place;
        uint64_t missing;
        const uint32_t position = (uint32_t)state[STATE_POSITION];
        const bool far = !near && !state[STATE_ASKED];
        if (far && (position - start > HOP_BYTES_MAX || in_memory(segment, position) == NULL)) {
            ask_index_file(p, segment, read);
            return FOUND_WAIT;
        }
        const bool inside = position < readable_end(segment);
        if (!inside && state[STATE_ENTRY] == 0 && segment != p->active) {
            return FOUND_BEHIND;
        }
        const enum found found =
            inside ? place_at(segment, position, &place, &missing) : FOUND_FAILED;
        if (found == FOUND_WAIT) {
            wait_for(p, segment, missing, read);
        } else if (!entry_holds(read, position, found, &place)) {
            continue;
        }
        if (found != FOUND) {
            return found;
        }
        if (place.last_offset >= read->offset) {
            state[STATE_RESOLVED] = 1;
            return FOUND;
        }
        state[STATE_POSITION] = position + place.size;
    }
}

/* ---- Handing out ---------------------------------------------------------------------------- */

/* Where bytes for this read end: size limit, upper offset, end of the segment. Sets STATE_END and
 * STATE_FIRST. */
static enum found read_limit(struct partition *p, struct segment *segment, struct log_read *read,
                             int64_t upper)
{
    const uint32_t start = (uint32_t)read->private_state[STATE_POSITION];
    struct place place;
    uint64_t missing;
    enum found found = place_at(segment, start, &place, &missing);
    if (found == FOUND_WAIT) {
        wait_for(p, segment, missing, read);
    }
    if (found != FOUND) {
        return found;
    }
    const uint32_t first = place.size;
    const uint32_t skip = min_u32(read->skip, first);
    uint64_t want = read->bytes_max;
    if (first - skip > want) {
        want = read->whole_batch ? first - skip : 0; /* B26. */
    }
    uint64_t limit = min_u64(readable_end(segment), (uint64_t)start + skip + want);
    if (upper < readable_offset(segment)) {
        uint32_t position = start;
        while (position < limit && place.base_offset < upper) {
            position += place.size;
            if (position >= limit) {
                break;
            }
            found = place_at(segment, position, &place, &missing);
            if (found == FOUND_WAIT) {
                break; /* Fewer bytes then: those that are known to lie below upper. */
            }
            if (found != FOUND) {
                return found;
            }
        }
        limit = min_u64(limit, position);
    }
    read->private_state[STATE_FIRST] = first;
    read->private_state[STATE_END] = limit;
    return FOUND;
}

/* Starts loading what is missing of [start, end). */
static void load_missing(struct partition *p, struct segment *segment, uint64_t start, uint64_t end,
                         uint32_t load)
{
    uint64_t position = round_down(start, BLOCK);
    while (position < end) {
        const struct extent *extent = arena_find(&p->log->arena, &segment->extents, position);
        if (extent == NULL) {
            extent = read_load(p, segment, position, load, NULL);
        }
        if (extent == NULL) {
            return;
        }
        position = extent_end(extent);
    }
}

static void read_ahead(struct partition *p, struct segment *segment, uint64_t from, uint32_t bytes)
{
    const uint64_t data_end = round_down(readable_end(segment), BLOCK);
    uint64_t position = round_up(from, BLOCK);
    for (uint32_t i = 0; i < READ_AHEAD_EXTENTS && position < data_end; i++) {
        const struct extent *extent = arena_find(&p->log->arena, &segment->extents, position);
        if (extent == NULL) {
            if (p->log->arena.free_bytes + p->log->arena.cache_bytes < 4u * bytes) {
                return; /* Too small an arena to guess. */
            }
            extent = read_load(p, segment, position, bytes, NULL);
        }
        if (extent == NULL) {
            return;
        }
        position = extent_end(extent);
    }
}

/* Holds what is in memory of the bytes that still want handing out. */
static void lend(struct partition *p, struct segment *segment, struct log_read *read,
                 uint64_t start, uint64_t end)
{
    struct arena *arena = &p->log->arena;
    uint64_t position = start + read->bytes;
    while (position < end && read->extent_count < READ_EXTENTS_MAX) {
        struct extent *extent = arena_find(arena, &segment->extents, position);
        if (extent == NULL || extent->state != EXTENT_VALID ||
            position >= extent->offset + extent->used) {
            return;
        }
        const uint32_t at = (uint32_t)(position - extent->offset);
        const uint32_t count = (uint32_t)min_u64(end - position, extent->used - at);
        arena_hold(arena, extent);
        read->extents[read->extent_count++] = (struct log_extent){
            .bytes = {extent_memory(arena, extent) + at, count}, .hold = extent};
        read->bytes += count;
        position += count;
    }
}

/* Remembers where this reader goes on: behind the last whole batch it got. */
static void note_cursor(struct partition *p, const struct segment *segment, struct log_read *read,
                        uint32_t start)
{
    const uint32_t end = start + read->skip + read->bytes;
    read->next_offset = readable_offset(segment);
    if (end == readable_end(segment)) {
        cursor_move(p, segment, read->offset, readable_offset(segment), end);
        return;
    }
    uint32_t position = start;
    int64_t offset = read->offset;
    struct place place;
    uint64_t missing;
    while (position < end && place_at(segment, position, &place, &missing) == FOUND &&
           place.size <= end - position) {
        position += place.size;
        offset = place.last_offset + 1;
    }
    if (position == end) { /* Else a part of a batch is among it: as far as the segment goes. */
        read->next_offset = offset;
    }
    cursor_move(p, segment, read->offset, offset, position);
}

/* A read holds at most so much; a larger batch is handed out in several. */
static uint32_t hold_max(const struct log *log)
{
    const uint64_t quarter = (uint64_t)log->arena.page_count * ARENA_PAGE_BYTES / 4;
    return (uint32_t)min_u64(max_u64(quarter, BLOCK), UINT32_MAX);
}

/* Hands out [start, end) as far as it is in memory. True: enough. False: parked. */
static bool hand_out(struct partition *p, struct segment *segment, struct log_read *read)
{
    const uint64_t *state = read->private_state;
    const uint32_t skip = min_u32(read->skip, (uint32_t)state[STATE_FIRST]);
    const uint64_t start = state[STATE_POSITION] + skip;
    const uint64_t end = min_u64(state[STATE_END], start + hold_max(p->log));
    const uint64_t least = min_u64(end, state[STATE_POSITION] + state[STATE_FIRST]);
    lend(p, segment, read, start, end);
    const uint64_t reached = start + read->bytes;
    if (reached < least && read->extent_count < READ_EXTENTS_MAX) {
        load_missing(p, segment, reached, end, load_bytes(read));
        wait_for(p, segment, reached, read);
        return false;
    }
    read->batch_bytes = (uint32_t)state[STATE_FIRST];
    read->version = segment->version;
    p->log->counters.arena_hit_bytes += read->bytes;
    note_cursor(p, segment, read, (uint32_t)state[STATE_POSITION]);
    if (read->sequential && reached < readable_end(segment)) {
        read_ahead(p, segment, reached, load_bytes(read));
    }
    return true;
}

/* From the start: what it found out is of segments that are others now. */
static void begin_anew(struct log_read *read)
{
    drop_holds(read);
    memset(read->private_state, 0, sizeof(read->private_state));
    read->private_state[STATE_GENERATION] = read->partition->read_generation;
}

/* The segment and the batch in it. */
static enum found find_segment(struct partition *p, struct log_read *read, struct segment **at)
{
    if (read->private_state[STATE_GENERATION] != p->read_generation) {
        begin_anew(read);
    }
    for (*at = segment_find(p, read->offset); *at != NULL; *at = segment_next(*at)) {
        if (p->swapping && (*at)->base_offset >= p->swap_from && (*at)->base_offset < p->swap_to) {
            begin_anew(read);
            park(&p->swap_waiters, read);
            return FOUND_WAIT;
        }
        const enum found found = resolve(p, *at, read);
        /* Compacted since: the bytes to be skipped were those of another batch. */
        const bool other = read->version != 0 && read->version != (*at)->version;
        if (found != FOUND_BEHIND) {
            return found == FOUND && read->skip > 0 && other ? FOUND_FAILED : found;
        }
    }
    return FOUND_FAILED;
}

/* Goes on with the read. True: read->status is final. False: it is parked somewhere. */
static bool read_advance(struct log_read *read)
{
    struct partition *p = read->partition;
    struct log *log = p->log;
    uint64_t *state = read->private_state;
    const int64_t upper = min_i64(read->upper_offset, p->written);
    if (p->phase == PHASE_FENCED || p->phase == PHASE_CLOSED || p->deleting) {
        return read_over(read, partition_state(p));
    }
    if (read->offset < p->log_start || read->offset > p->end) {
        return read_over(read, LOG_OFFSET_OUT_OF_RANGE);
    }
    if (read->offset >= upper) {
        return read_over(read, LOG_OK);
    }
    const uint64_t arena_bytes = (uint64_t)log->arena.page_count * ARENA_PAGE_BYTES;
    if (read->bytes == 0 && log->arena.held_bytes > arena_bytes / 4 * 3) {
        return read_over(read, LOG_BUSY); /* Room for appends stays. */
    }
    struct segment *segment;
    enum found found = find_segment(p, read, &segment);
    if (found == FOUND && state[STATE_END] == 0) {
        found = read_limit(p, segment, read, upper);
    }
    if (found == FOUND_FAILED) {
        return read_over(read, LOG_CORRUPT);
    }
    if (found == FOUND_WAIT) {
        return false;
    }
    if (state[STATE_END] > readable_end(segment)) {
        return read_over(read, LOG_BUSY); /* Rolled back under it: from the start again. */
    }
    if (state[STATE_END] <= state[STATE_POSITION]) {
        return read_over(read, LOG_OK);
    }
    partition_touch(p);
    return hand_out(p, segment, read) && read_over(read, LOG_OK);
}

/* ---- The door ------------------------------------------------------------------------------- */

enum log_status log_read(struct log *log, struct partition *p, struct log_read *read)
{
    ASSERT_HOT(p->log == log);
    read->partition = p;
    read->extent_count = 0;
    read->bytes = 0;
    read->batch_bytes = 0;
    read->next_offset = read->offset;
    read->node = (struct list_node){0};
    memset(read->private_state, 0, sizeof(read->private_state));
    read->private_state[STATE_GENERATION] = p->read_generation;
    if (read_advance(read)) {
        return read->status;
    }
    read->status = LOG_PENDING;
    p->read_count++;
    return LOG_PENDING;
}

void read_progress(struct log *log)
{
    struct list now;
    list_init(&now);
    list_append_all(&now, &log->reads_ready);
    list_append_all(&now, &log->reads_starved);
    struct list_node *node;
    while ((node = list_pop_front(&now)) != NULL) {
        struct log_read *read = CONTAINER_OF(node, struct log_read, node);
        if (read_advance(read)) {
            read_finish(read, read->status);
        }
    }
}

void log_extent_release(struct log *log, void *hold)
{
    arena_release(&log->arena, hold);
}

enum log_status partition_readable(const struct partition *p, int64_t offset, int64_t upper_offset,
                                   uint32_t bytes_max, uint32_t *bytes)
{
    *bytes = 0;
    if (p->phase == PHASE_FENCED || p->phase == PHASE_CLOSED || p->deleting) {
        return partition_state(p);
    }
    if (offset < p->log_start || offset > p->end) {
        return LOG_OFFSET_OUT_OF_RANGE;
    }
    const int64_t upper = min_i64(upper_offset, p->written);
    if (offset >= upper) {
        return LOG_OK;
    }
    const struct segment *segment = segment_find(p, offset);
    bool near;
    uint32_t position = best_known(p, segment, offset, &near);
    struct place place;
    uint64_t missing;
    const uint32_t end = readable_end(segment);
    uint64_t sum = 0;
    while (position < end && sum < bytes_max &&
           place_at(segment, position, &place, &missing) == FOUND && place.base_offset < upper) {
        if (place.last_offset >= offset && upper >= readable_offset(segment)) {
            sum = end - position; /* All of the rest. */
            position = end;
            break;
        }
        sum += place.last_offset >= offset ? place.size : 0;
        position += place.size;
    }
    if (position < end && sum == 0) {
        sum = end - position; /* Not in memory: the most there can be. */
    }
    for (segment = segment_next(segment); segment != NULL && sum < bytes_max;
         segment = segment_next(segment)) {
        sum += upper > segment->base_offset ? readable_end(segment) : 0;
    }
    *bytes = (uint32_t)min_u64(sum, bytes_max);
    return LOG_OK;
}
