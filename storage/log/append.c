/* From a batch handed in to bytes in the arena: the order of checks is Kafka's.
 *
 * Appends of one partition form a queue; only its head moves. What is small and ordinary does not
 * enter it where it is empty (append_usual.c). A batch up to 1 MiB is checked and copied in one go;
 * a larger one is checked beside the core and then copied in pieces, which leave for the disk while
 * the next are copied, so that a batch may be larger than the arena. One that compression.type
 * gives another codec is made anew beside the core, whatever its size, and goes the large one's
 * way.
 */
#include "storage/base/crc32c.h"
#include "storage/log/append_in.h"
#include "storage/log/checkpoint.h"
#include "storage/log/jobs.h"
#include "storage/log/producers.h"
#include "storage/log/vouch.h"

/* ---- Ends ----------------------------------------------------------------------------------- */

static void drop_run(struct job *job, struct file_system *fs)
{
    (void)fs;
    rebuild_free(&job->validation.rebuild);
}

static void drop_done(struct job *job)
{
    job->log->rebuild_bytes -= job->validation.rebuild_bytes;
    list_remove(&job->validation.rebuild_node);
    job_end(job);
}

/* Gives the append's job back, and what it made where memory is given back. */
void append_drop_job(struct append *append)
{
    struct job *job = append->private_job;
    append->private_job = NULL;
    if (job != NULL && list_linked(&job->validation.rebuild_node)) {
        job->run = drop_run;
        job->done = drop_done;
        job_post_validation(job);
    } else if (job != NULL) {
        job_end(job);
    }
}

/* Of a process that dies with its jobs half done. */
void append_destroy(struct log *log)
{
    LIST_FOR_EACH(node, &log->rebuilds)
    {
        rebuild_free(&CONTAINER_OF(node, struct job, validation.rebuild_node)->validation.rebuild);
    }
}

/* The batch as it enters the log. */
static struct chain batch_of(const struct append *append)
{
    const struct job *job = append->private_job;
    return job != NULL && job->validation.rebuilt.len > 0 ? chain_of(&job->validation.rebuilt)
                                                          : append->batch;
}

LINK_INLINE void append_end(struct partition *p, struct append *append, enum log_status status)
{
    struct log *log = p->log;
    append->status = status;
    log->counters.appends_waiting--;
    append->log_start_offset = p->log_start;
    append->stage_ns[3] = log->now_ns;
    if (status == LOG_BATCH_REFUSED || status == LOG_TOO_LARGE_FOR_SEGMENT) {
        log->counters.refused_batches++;
    }
}

/* append is on no list. */
void append_finish(struct partition *p, struct append *append, enum log_status status)
{
    append_drop_job(append);
    append_end(p, append, status);
    list_push_back(&p->log->done_appends, &append->node);
}

void append_fail_all(struct partition *p, struct list *appends, enum log_status status)
{
    struct list_node *node;
    while ((node = list_pop_front(appends)) != NULL) {
        append_finish(p, CONTAINER_OF(node, struct append, node), status);
    }
}

static bool validation_runs(const struct append *append)
{
    const struct job *job = append->private_job;
    return job != NULL && !job->validation.finished;
}

/* What is queued comes back with the reason why the partition does not run. A batch that is being
 * validated stays lent until that ends. */
void append_fail_waiting(struct partition *p)
{
    const enum log_status status = partition_state(p);
    LIST_FOR_EACH(node, &p->appends)
    {
        struct append *append = CONTAINER_OF(node, struct append, node);
        if (!validation_runs(append)) {
            list_remove(node);
            append_finish(p, append, status);
        }
    }
}

static enum step refuse(struct partition *p, struct append *append, enum validate_status why,
                        const struct validate_outcome *outcome)
{
    append->refusal = why;
    if (outcome != NULL && (why == VALIDATE_RECORDS_REFUSED || why == VALIDATE_BAD_TIMESTAMP)) {
        /* Set with these two. NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
        append->error_count = outcome->record_error_count;
        memcpy(append->errors, outcome->record_errors, sizeof(append->errors));
    }
    list_remove(&append->node);
    append_finish(p, append,
                  why == VALIDATE_SEGMENT_TOO_SMALL ? LOG_TOO_LARGE_FOR_SEGMENT
                                                    : LOG_BATCH_REFUSED);
    return STEP_DONE;
}

static enum step fail(struct partition *p, struct append *append, enum log_status status)
{
    list_remove(&append->node);
    append_finish(p, append, status);
    return STEP_DONE;
}

/* ---- Memory at the tail --------------------------------------------------------------------- */

static struct extent *new_tail(struct partition *p, uint32_t want)
{
    struct arena *arena = &p->log->arena;
    const uint32_t to_boundary = MIB - (p->copied & (MIB - 1));
    uint32_t bytes = (uint32_t)ARENA_PAGE_BYTES << p->tail_order;
    while (bytes < want && bytes < MIB) {
        bytes *= 2;
    }
    while (bytes > to_boundary) {
        bytes /= 2;
    }
    struct extent *extent = arena_take(arena, bytes, ARENA_PAGE_BYTES);
    if (extent == NULL) {
        return NULL;
    }
    if (p->tail_order + 1 < ARENA_ORDERS) {
        p->tail_order++; /* Grows with demand, starts over when idle (H8). */
    }
    arena_map(arena, extent, &p->active->extents, p->copied,
              min_u32(extent_capacity(extent), to_boundary), EXTENT_VALID);
    extent->dirty = true; /* Its pin. */
    return extent;
}

/* The extent that takes the byte at copied. LOG_PENDING: it is being read or there is no room. */
LINK_INLINE enum log_status append_tail(struct partition *p, uint32_t want, struct extent **out)
{
    struct log *log = p->log;
    struct extent *extent = arena_find(&log->arena, &p->active->extents, p->copied);
    if (extent == NULL && p->copied % BLOCK != 0) {
        if (p->load_failed) {
            p->load_failed = false;
            return LOG_IO_ERROR;
        }
        extent = read_load(p, p->active, round_down(p->copied, BLOCK), BLOCK, NULL);
        if (extent == NULL) {
            log_starve(p);
        }
        return LOG_PENDING;
    }
    if (extent == NULL) {
        extent = new_tail(p, want);
        if (extent == NULL) {
            log_starve(p);
            return LOG_PENDING;
        }
    }
    if (extent->state == EXTENT_LOADING) {
        return LOG_PENDING;
    }
    ASSERT_HOT(extent->offset + extent->used == p->copied);
    if (!extent->dirty) {
        extent->dirty = true;
        arena_pin(&log->arena, extent);
    }
    *out = extent;
    return LOG_OK;
}

/* Copies count bytes of a batch, of which `at` are copied, with the CRC of those it covers. */
static void copy_with_crc(struct chain from, uint8_t *to, uint32_t count, uint32_t at,
                          uint32_t *crc)
{
    uint32_t before = 0;
    if (LIKELY(at == 0 && count >= BATCH_AT_ATTRIBUTES)) {
        before = BATCH_AT_ATTRIBUTES;
        chain_copy(from, to, BATCH_AT_ATTRIBUTES);
    } else if (at < BATCH_AT_ATTRIBUTES) {
        before = min_u32(count, BATCH_AT_ATTRIBUTES - at);
        chain_copy(from, to, before);
    }
    if (before < count) {
        *crc = crc32c_chain_copy(*crc, to + before, chain_skip(chain_take(from, count), before));
    }
}

/* Copies bytes of the chain behind copied, as far as there is memory; where crc is given they are a
 * batch from its start. Returns the count. */
static uint32_t tail_copy(struct partition *p, struct chain from, uint32_t *crc,
                          enum log_status *status)
{
    struct extent *extent = NULL;
    uint32_t copied = 0;
    *status = LOG_OK;
    while (from.len > 0) {
        *status = append_tail(p, from.len, &extent);
        if (*status != LOG_OK) {
            break;
        }
        uint8_t *to = extent_memory(&p->log->arena, extent) + extent->used;
        const uint32_t count = min_u32(from.len, extent->len - extent->used);
        if (crc != NULL) {
            copy_with_crc(from, to, count, copied, crc);
        } else {
            chain_copy(from, to, count);
        }
        extent->used += count;
        p->copied += count;
        copied += count;
        from = chain_skip(from, count);
    }
    return copied;
}

/* Forgets what was copied behind the last whole batch. */
void append_rewind(struct partition *p)
{
    struct log *log = p->log;
    struct segment *s = p->active;
    if (p->copied == s->size) {
        return;
    }
    uint64_t position = s->size;
    struct extent *extent = arena_find(&log->arena, &s->extents, position);
    if (extent != NULL && extent->offset < position) {
        const uint32_t used = (uint32_t)(position - extent->offset);
        memset(extent_memory(&log->arena, extent) + used, 0, extent->used - used);
        extent->used = used;
        position = extent_end(extent);
        if (extent->dirty && s->size <= p->device_position) {
            extent->dirty = false;
            arena_unpin(&log->arena, extent);
        }
    }
    while ((extent = arena_find(&log->arena, &s->extents, position)) != NULL ||
           position < p->copied) {
        if (extent == NULL) { /* The network still reads the one that ended the log. */
            position = round_down(position, BLOCK) + BLOCK;
            continue;
        }
        position = extent_end(extent);
        arena_unmap(&log->arena, extent);
    }
    p->copied = s->size;
}

/* Overwrites bytes that were copied already. */
static void tail_patch(struct partition *p, uint32_t position, const uint8_t *from, uint32_t len)
{
    struct arena *arena = &p->log->arena;
    while (len > 0) {
        struct extent *extent = arena_find(arena, &p->active->extents, position);
        ASSERT(extent != NULL);
        const uint32_t at = (uint32_t)(position - extent->offset);
        const uint32_t count = min_u32(len, extent->used - at);
        memcpy(extent_memory(arena, extent) + at, from, count);
        from += count;
        position += count;
        len -= count;
    }
}

/* ---- Into the log --------------------------------------------------------------------------- */

bool append_wants_flush(const struct partition *p, const struct append *append)
{
    return append->ack == APPEND_ACK_FLUSHED || p->config.flush_messages <= 1;
}

static enum step answer_duplicate(struct partition *p, struct append *append,
                                  const struct producer_duplicate *duplicate)
{
    append->base_offset = duplicate->base_offset;
    append->log_append_time_ms = duplicate->timestamp_ms; /* Of the batch, whoever stamped it. */
    append->wait_offset = duplicate->last_offset + 1;
    append->stage_ns[1] = p->log->now_ns;
    list_remove(&append->node);
    append_await(p, append); /* H6: not before the original. */
    return STEP_DONE;
}

static enum log_status producer_refusal(enum producer_status status)
{
    switch (status) {
    case PRODUCER_OUT_OF_ORDER: return LOG_OUT_OF_ORDER_SEQUENCE;
    case PRODUCER_STALE_EPOCH: return LOG_INVALID_PRODUCER_EPOCH;
    case PRODUCER_TXN_STATE: return LOG_INVALID_TXN_STATE;
    case PRODUCER_UNVERIFIED: return LOG_TXN_UNVERIFIED;
    case PRODUCER_FENCED: return LOG_COORDINATOR_FENCED;
    case PRODUCER_NO_ROOM:
    case PRODUCER_OK:
    case PRODUCER_DUPLICATE:
    case PRODUCER_REBUILD:
    default: return LOG_PRODUCERS_FULL;
    }
}

LINK_INLINE void append_stamp(uint8_t *batch, const struct partition *p,
                              const struct validate_outcome *outcome)
{
    if (outcome->rewrite_timestamps) {
        batch_set_timestamps(batch, outcome->log_append_time, outcome->max_timestamp_ms);
    }
    batch_stamp(batch, p->end, p->leader_epoch);
}

/* Writes into the copied bytes what the broker decides. */
static void stamp(struct partition *p, const struct append *append,
                  const struct validate_outcome *outcome)
{
    const struct arena *arena = &p->log->arena;
    const struct segment *s = p->active;
    const struct extent *extent = arena_find(arena, &s->extents, s->size);
    ASSERT(extent != NULL);
    const uint32_t at = (uint32_t)(s->size - extent->offset);
    if (LIKELY(extent->used - at >= BATCH_HEADER_BYTES)) {
        append_stamp(extent_memory(arena, extent) + at, p, outcome);
    } else {
        uint8_t bytes[BATCH_HEADER_BYTES];
        chain_copy(batch_of(append), bytes, sizeof(bytes));
        append_stamp(bytes, p, outcome);
        tail_patch(p, s->size, bytes, sizeof(bytes));
    }
}

/* Whether the batch's producer may append it now. */
static enum producer_status check_producer(struct partition *p, struct append *append,
                                           const struct batch_header *header,
                                           struct producer_duplicate *duplicate)
{
    struct marker marker;
    if (!batch_has_producer(header)) {
        return PRODUCER_OK;
    }
    if (UNLIKELY(batch_is_control(header))) {
        if (!producers_marker(append->batch, &marker)) {
            return PRODUCER_OK;
        }
        return !aborted_has_room(&p->aborted)
                   ? PRODUCER_NO_ROOM
                   : producer_state_check_marker(&p->producers, header, marker.coordinator_epoch,
                                                 append->txn.epoch_each);
    }
    enum producer_status status = producer_state_check(&p->producers, header, duplicate);
    if ((status == PRODUCER_OK || status == PRODUCER_OUT_OF_ORDER) &&
        batch_is_transactional(header) && !append->internal) {
        /* What was sent right behind a batch that waits for the coordinator's word is not out of
         * order yet: it asks, too, and comes again behind that one. */
        const enum producer_status verified =
            producer_state_verify(&p->producers, header, &append->txn, p->log->wall_ms);
        status = status == PRODUCER_OK || verified == PRODUCER_UNVERIFIED ? verified : status;
    }
    if (status == PRODUCER_UNVERIFIED) {
        append->txn.asked_at = p->end;
    }
    return status;
}

/* Producer state judges and, when all is well, the batch enters the log. */
static enum step admit(struct partition *p, struct append *append, struct batch_header *header,
                       const struct validate_outcome *outcome)
{
    struct producer_duplicate duplicate;
    const enum producer_status status = check_producer(p, append, header, &duplicate);
    if (status != PRODUCER_OK) {
        append_rewind(p);
        return status == PRODUCER_DUPLICATE ? answer_duplicate(p, append, &duplicate)
                                            : fail(p, append, producer_refusal(status));
    }
    stamp(p, append, outcome);
    list_remove(&append->node);
    append_take_in(p, append, header, outcome, false);
    return STEP_DONE;
}

/* ---- Checks --------------------------------------------------------------------------------- */

const struct validate_rules *append_rules(struct partition *p, const struct append *append)
{
    struct validate_rules *rules = &p->rules;
    rules->internal = append->internal;
    rules->zstd_refused = append->api_version < 7 && !append->internal;
    rules->transactions_refused = !p->log->setup.transactions && !append->internal;
    return rules;
}

static void validation_run(struct job *job, struct file_system *fs)
{
    (void)fs;
    job->validation.status = validate_batch(&job->validation.rules, job->validation.append->batch,
                                            job->validation.now_ms, job->log->validation_inflate,
                                            &job->validation.header, &job->validation.outcome);
}

static void rebuild_run(struct job *job, struct file_system *fs)
{
    (void)fs;
    job->validation.status = rebuild_batch(&job->validation.rebuild, &job->validation.rules,
                                           job->validation.append->batch, job->validation.now_ms,
                                           job->log->validation_inflate, &job->validation.header,
                                           &job->validation.outcome);
}

static void validation_done(struct job *job)
{
    job->validation.finished = true; /* Given back by append_finish, or when it was accepted. */
    log_kick(job->partition);
}

static void rebuild_done(struct job *job)
{
    const struct rebuild *rebuild = &job->validation.rebuild;
    job->validation.rebuilt = (struct bytes){rebuild->at, rebuild->len};
    job->log->rebuild_bytes -= job->validation.rebuild_bytes - rebuild->capacity;
    job->validation.rebuild_bytes = rebuild->capacity;
    validation_done(job);
}

/* The job makes a batch with another codec. */
static void plan_rebuild(struct job *job, const struct batch_header *header)
{
    struct log *log = job->log;
    job->validation.rebuild_bytes = rebuild_bytes_max(&job->validation.rules, header);
    log->rebuild_bytes += job->validation.rebuild_bytes;
    list_push_back(&log->rebuilds, &job->validation.rebuild_node);
    job->run = rebuild_run;
    job->done = rebuild_done;
}

/* False: there is no room for it now. */
static bool start_validation(struct partition *p, struct append *append,
                             const struct batch_header *header)
{
    const struct validate_rules *rules = append_rules(p, append);
    const bool rebuilds = validate_rebuilds(rules, header);
    struct job *job =
        rebuilds && p->log->rebuild_bytes >= REBUILD_BYTES_MAX ? NULL : job_take(p->log, p);
    if (job == NULL) {
        return false;
    }
    job->run = validation_run;
    job->done = validation_done;
    job->validation.append = append;
    job->validation.rules = *rules;
    job->validation.now_ms = p->log->wall_ms;
    if (rebuilds) {
        plan_rebuild(job, header);
    }
    append->private_job = job;
    job_post_validation(job);
    return true;
}

/* A compressed batch is checked before it is copied. VALIDATE_MORE: it takes too long here. */
static enum validate_status check_compressed(struct partition *p, const struct append *append,
                                             const struct validate_rules *rules,
                                             const struct batch_header *header,
                                             struct validate_walk *walk)
{
    const struct chain batch = chain_take(append->batch, header->size_bytes);
    if (batch_check_crc(batch, header) != BATCH_OK) {
        return VALIDATE_BAD_CRC;
    }
    enum validate_status status = validate_header(rules, header);
    if (status != VALIDATE_OK) {
        return status;
    }
    validate_records_begin(walk, rules, batch, header, p->log->wall_ms, p->log->inflate);
    status = validate_records_step(walk, INLINE_INFLATE_BYTES);
    return status == VALIDATE_WINDOW ? VALIDATE_MORE : status;
}

/* An uncompressed one is checked after the copy that computed its CRC. */
static enum validate_status check_plain(struct partition *p, const struct append *append,
                                        const struct validate_rules *rules,
                                        const struct batch_header *header,
                                        struct validate_walk *walk)
{
    enum validate_status status = validate_header(rules, header);
    if (status != VALIDATE_OK) {
        return status;
    }
    const struct chain batch = chain_take(append->batch, header->size_bytes);
    const struct bytes records = chain_first(chain_skip(batch, BATCH_HEADER_BYTES));
    if (LIKELY(validate_records_at_once(rules, records, header, p->log->wall_ms, &walk->outcome))) {
        return VALIDATE_OK;
    }
    validate_records_begin(walk, rules, batch, header, p->log->wall_ms, NULL);
    return validate_records_step(walk, UINT64_MAX);
}

/* ---- The queue ------------------------------------------------------------------------------ */

LINK_INLINE enum log_status append_ready(struct partition *p, const struct batch_header *header)
{
    struct log *log = p->log;
    partition_look_again(p);
    if (p->unread_bytes >= log->setup.checkpoint_bytes) {
        (void)checkpoint_begin(p); /* False: one runs, or it is tried again with the next batch. */
    }
    if (p->unread_bytes >= UNREAD_PARTITION_BYTES_MAX && p->checkpoint_failure != LOG_OK) {
        return (enum log_status)p->checkpoint_failure;
    }
    if (log->producer_pool.undo_used + 1 >= log->producer_pool.undo_capacity ||
        p->unread_bytes >= UNREAD_PARTITION_BYTES_MAX ||
        log->unread_bytes >= UNREAD_CORE_BYTES_MAX) {
        log_starve(p); /* Commits and checkpoints make room. */
        return LOG_PENDING;
    }
    if (p->sealing) {
        return LOG_PENDING; /* The file is being cut. */
    }
    if (p->active == NULL || segment_must_roll(p, header)) {
        const enum log_status status = roll_advance(p);
        if (status != LOG_OK) {
            return status;
        }
    }
    if (p->active->handle == NULL) {
        if (p->reserve_failure != LOG_OK && log->now_ns < p->retry_ns) {
            return (enum log_status)p->reserve_failure;
        }
        if (!segment_open(p->active)) {
            return LOG_PENDING;
        }
    }
    roll_prepare(p);
    return segment_reserve(p, (uint64_t)p->active->size + header->size_bytes);
}

static enum step copy_inline(struct partition *p, struct append *append,
                             const struct validate_rules *rules, struct batch_header *header)
{
    struct validate_walk walk;
    enum validate_status checked = VALIDATE_OK;
    const bool compressed = batch_codec(header) != BATCH_CODEC_NONE;
    if (compressed) {
        checked = check_compressed(p, append, rules, header, &walk);
        if (checked == VALIDATE_MORE) {
            if (!start_validation(p, append, header)) {
                log_starve(p);
            }
            return STEP_WAIT;
        }
        if (checked != VALIDATE_OK) {
            return refuse(p, append, checked, &walk.outcome);
        }
    }
    const struct chain batch = chain_take(append->batch, header->size_bytes);
    enum log_status status;
    uint32_t crc = 0;
    const uint32_t copied = tail_copy(p, batch, compressed ? NULL : &crc, &status);
    if (status != LOG_OK) { /* All or nothing, or half-copied ones could fill the arena. */
        append_rewind(p);
        return status == LOG_PENDING ? STEP_WAIT : fail(p, append, status);
    }
    ASSERT_HOT(copied == header->size_bytes);
    if (!compressed) {
        checked =
            crc == header->crc ? check_plain(p, append, rules, header, &walk) : VALIDATE_BAD_CRC;
        if (checked != VALIDATE_OK) {
            append_rewind(p);
            return refuse(p, append, checked, &walk.outcome);
        }
    }
    return admit(p, append, header, &walk.outcome);
}

/* The first piece of a large batch, its header stamped: it may leave memory before the last piece
 * is there. STEP_DONE: decided. */
static enum step begin_large(struct partition *p, struct append *append,
                             struct batch_header *header)
{
    const struct job *job = append->private_job;
    struct producer_duplicate duplicate;
    const enum producer_status judged = check_producer(p, append, header, &duplicate);
    if (judged != PRODUCER_OK) {
        return judged == PRODUCER_DUPLICATE ? answer_duplicate(p, append, &duplicate)
                                            : fail(p, append, producer_refusal(judged));
    }
    enum log_status status;
    const uint32_t copied =
        tail_copy(p, chain_take(batch_of(append), BATCH_HEADER_BYTES), NULL, &status);
    if (copied < BATCH_HEADER_BYTES) {
        append_rewind(p);
        return status == LOG_PENDING ? STEP_WAIT : fail(p, append, status);
    }
    stamp(p, append, &job->validation.outcome);
    return STEP_WAIT;
}

/* A batch that was checked beside the core: in pieces that leave for the disk meanwhile. */
static enum step copy_large(struct partition *p, struct append *append)
{
    struct job *job = append->private_job;
    struct batch_header *header = &job->validation.header;
    if (p->copied == p->active->size) {
        const enum step step = begin_large(p, append, header);
        if (p->copied == p->active->size) {
            return step;
        }
    }
    const uint32_t done = p->copied - p->active->size;
    const uint32_t count = min_u32(header->size_bytes - done, COPY_BYTES_PER_TURN);
    const struct chain rest = chain_skip(chain_take(batch_of(append), header->size_bytes), done);
    enum log_status status;
    const uint32_t copied = tail_copy(p, chain_take(rest, count), NULL, &status);
    ASSERT_HOT(status == LOG_OK || status == LOG_PENDING); /* The tail is in memory. */
    if (done + copied < header->size_bytes) {
        commit_mark_dirty(p);
        log_starve(p);
        return STEP_WAIT;
    }
    const struct validate_outcome outcome = job->validation.outcome;
    struct batch_header stamped = *header;
    list_remove(&append->node);
    append_take_in(p, append, &stamped, &outcome, false);
    return STEP_DONE;
}

static enum step advance(struct partition *p, struct append *append)
{
    if (validation_runs(append)) {
        return STEP_WAIT;
    }
    if (p->active != NULL && p->copied > p->active->size) {
        return copy_large(p, append);
    }
    const struct validate_rules *rules = append_rules(p, append);
    struct batch_header header;
    const enum validate_status framing = validate_framing(rules, append->batch, &header);
    if (framing != VALIDATE_OK) {
        return refuse(p, append, framing, NULL);
    }
    struct job *job = append->private_job;
    if (job == NULL && (header.size_bytes > INLINE_BATCH_BYTES_MAX ||
                        UNLIKELY(validate_rebuilds(rules, &header)))) {
        if (!start_validation(p, append, &header)) {
            log_starve(p);
        }
        return STEP_WAIT;
    }
    if (job != NULL && job->validation.status != VALIDATE_OK) {
        return refuse(p, append, job->validation.status, &job->validation.outcome);
    }
    const enum log_status status = append_ready(p, job != NULL ? &job->validation.header : &header);
    if (status != LOG_OK) {
        return status == LOG_PENDING ? STEP_WAIT : fail(p, append, status);
    }
    return job != NULL ? copy_large(p, append) : copy_inline(p, append, rules, &header);
}

/* The log's end may not be durable: nothing goes behind it yet, nor is a repeat answered. */
static void vouch_wait(struct partition *p)
{
    if (p->checkpoint_failure != LOG_OK && p->log->now_ns < p->checkpoint_retry_ns) {
        append_fail_all(p, &p->appends, (enum log_status)p->checkpoint_failure);
    } else {
        vouch_begin(p);
    }
}

void append_progress(struct partition *p)
{
    struct list_node *node;
    while ((node = list_first(&p->appends)) != NULL) {
        if (p->phase != PHASE_RUNNING) {
            append_fail_waiting(p);
            return;
        }
        if (p->unvouched) {
            vouch_wait(p);
            return;
        }
        if (advance(p, CONTAINER_OF(node, struct append, node)) == STEP_WAIT) {
            return;
        }
    }
}

LINK_INLINE enum log_status log_append(struct log *log, struct partition *p, struct append *append)
{
    ASSERT_HOT(partition_invariants(p));
    append->partition = p;
    append->private_job = NULL;
    append->error_count = 0;
    append->base_offset = -1;
    append->log_append_time_ms = -1;
    append->log_start_offset = p->log_start;
    memset(append->stage_ns, 0, sizeof(append->stage_ns));
    append->stage_ns[0] = log->now_ns;
    append->node = (struct list_node){0};
    if (p->phase != PHASE_RUNNING || log->finish != NULL) {
        append->status = log->finish != NULL ? LOG_CLOSED : partition_state(p);
        return append->status;
    }
    partition_touch(p);
    append->status = LOG_PENDING;
    log->counters.appends_waiting++;
    const bool first = list_empty(&p->appends);
    if (LIKELY(first && append_usual(p, append))) {
        ASSERT_HOT(partition_invariants(p));
        return LOG_PENDING;
    }
    list_push_back(&p->appends, &append->node);
    if (first) {
        append_progress(p);
    }
    ASSERT_HOT(partition_invariants(p));
    if (append->status != LOG_PENDING) { /* Decided at once: it does not come back. */
        list_remove(&append->node);
    }
    return append->status;
}
