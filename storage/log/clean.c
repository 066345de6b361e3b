/* Which partition is compacted, and when its segments change. On the core; see clean.h. */
#include "storage/log/clean.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/log/close.h"

enum {
    RATIO_ONE = 1000000,
    LOOK_MS = 1200, /* A sweep over all partitions (timer.c) takes a second. */
    CLEAN_MAP_BYTES_MIN = 64 << 10,
    CLEAN_IO_BYTES_MAX = 8 * MIB,
    CLEAN_SLICE_BYTES_MAX = 2 * MIB, /* Of one job: others wait behind it. */
    GENTLE_MS = 100,                 /* So long after others were last seen at the disk. */
    GENTLE_PAUSE_MS_MAX = 50,
};

/* ---- Memory --------------------------------------------------------------------------------- */

bool clean_make(struct log *log)
{
    struct cleaner *cleaner = calloc(1, sizeof(*cleaner));
    log->cleaner = cleaner;
    if (cleaner == NULL) {
        return false;
    }
    cleaner->work.output_fd = -1;
    cleaner->source_capacity = log->segment_pool.capacity;
    cleaner->sources = calloc(cleaner->source_capacity, sizeof(*cleaner->sources));
    cleaner->aborted_capacity = log->aborted_pool.capacity * ABORTED_CHUNK_ENTRIES;
    cleaner->aborted = calloc(cleaner->aborted_capacity, sizeof(*cleaner->aborted));
    cleaner->producers = calloc(log->setup.producer_count_max, sizeof(*cleaner->producers));
    return cleaner->sources != NULL && cleaner->aborted != NULL && cleaner->producers != NULL;
}

void clean_destroy(struct log *log)
{
    struct cleaner *cleaner = log->cleaner;
    if (cleaner != NULL) {
        clean_work_free(&cleaner->work);
        free(cleaner->sources);
        free(cleaner->aborted);
        free(cleaner->producers);
        free(cleaner);
    }
}

bool clean_busy_with(const struct partition *p)
{
    return p->log->cleaner->partition == p;
}

uint64_t clean_deadline_ns(const struct log *log)
{
    const struct cleaner *cleaner = log->cleaner;
    return cleaner->partition != NULL && !cleaner->out ? cleaner->next_ns : UINT64_MAX;
}

void clean_forget_partition(struct partition *p)
{
    struct cleaner *cleaner = p->log->cleaner;
    ASSERT(cleaner->partition != p);
    if (cleaner->candidate == p) {
        cleaner->candidate = NULL;
    }
}

/* ---- What is dirty -------------------------------------------------------------------------- */

struct dirt {
    int64_t from;  /* The first offset not yet cleaned. */
    int64_t upper; /* Base of the first segment that stays out of it. */
    uint64_t clean_bytes;
    uint64_t dirty_bytes;
    bool overdue; /* max.compaction.lag.ms. */
};

/* Kafka's LogCleanerManager.cleanableOffsets, in whole segments. */
static struct dirt measure(const struct partition *p)
{
    const struct partition_config *config = &p->config;
    const int64_t now_ms = p->log->wall_ms;
    const int64_t clean = p->clean_offset;
    struct dirt dirt = {.from = clean < p->log_start || clean > p->end ? p->log_start : clean};
    const int64_t stable = min_i64(partition_last_stable(p), p->sidecar.segment_base);
    dirt.upper = dirt.from;
    LIST_FOR_EACH(node, &p->segments)
    {
        const struct segment *s = CONTAINER_OF(node, struct segment, node);
        const int64_t end = segment_end(s);
        if (s == p->active || s == p->finishing || end > stable) {
            break;
        }
        if (end <= dirt.from) {
            dirt.clean_bytes += s->size;
            dirt.upper = end;
            continue;
        }
        if (config->min_compaction_lag_ms > 0 &&
            s->peak.timestamp_ms > now_ms - config->min_compaction_lag_ms) {
            break;
        }
        const int64_t first_ms = s->first_timestamp_ms;
        dirt.overdue = dirt.overdue || (first_ms > 0 && config->max_compaction_lag_ms < now_ms &&
                                        first_ms < now_ms - config->max_compaction_lag_ms);
        dirt.dirty_bytes += s->size;
        dirt.upper = end;
    }
    return dirt;
}

static bool may_clean(const struct partition *p)
{
    return p->config.cleanup_compact && p->config.clean_enabled && p->phase == PHASE_RUNNING &&
           !p->deleting && p->log->finish == NULL && !p->uncleanable;
}

static bool worth_it(const struct partition *p, const struct dirt *dirt, uint64_t *ratio)
{
    const uint64_t all = dirt->clean_bytes + dirt->dirty_bytes;
    *ratio = all == 0 ? 0 : dirt->dirty_bytes * RATIO_ONE / all;
    return dirt->dirty_bytes > 0 && (dirt->overdue || *ratio > p->config.dirty_ratio_millionths);
}

/* In the course of a sweep: keeps the dirtiest. */
void clean_consider(struct partition *p)
{
    struct log *log = p->log;
    struct cleaner *cleaner = log->cleaner;
    if (cleaner->choose_ns == 0 || !may_clean(p)) {
        return;
    }
    cleaner->backoff_ns = (uint64_t)min_i64(p->config.clean_backoff_ms, INT32_MAX) * MS_NS;
    if (log->now_ns < p->clean_retry_ns) {
        return;
    }
    const struct dirt dirt = measure(p);
    uint64_t ratio;
    if (worth_it(p, &dirt, &ratio) &&
        (cleaner->candidate == NULL || ratio > cleaner->candidate_ratio)) {
        cleaner->candidate = p;
        cleaner->candidate_ratio = ratio;
    }
}

/* ---- Jobs ----------------------------------------------------------------------------------- */

static void advance(struct log *log);

static void mark_uncleanable(struct partition *p)
{
    p->log->counters.uncleanable_partitions += !p->uncleanable;
    p->uncleanable = true;
}

static void note_failure(struct log *log, int error)
{
    struct cleaner *cleaner = log->cleaner;
    struct partition *p = cleaner->partition;
    log->counters.clean_failures++;
    cleaner->giving_up = true;
    p->clean_retry_ns = log->now_ns + max_u64(cleaner->backoff_ns, SEC_NS);
    /* It would be the same again, as in Kafka. */
    if (cleaner->work.bad || error == -ENOBUFS || error == -EFBIG) {
        mark_uncleanable(p);
    } else if (error != -ENOMEM) {
        log->counters.io_errors++;
        device_failed(log, p->directory, error);
    }
}

static void slice_done(struct job *job)
{
    struct log *log = job->log;
    struct cleaner *cleaner = log->cleaner;
    cleaner->out = false;
    const uint64_t bytes = cleaner->work.read + cleaner->work.written;
    log->counters.clean_read_bytes += cleaner->work.read;
    log->counters.clean_written_bytes += cleaner->work.written;
    cleaner->next_ns = log->now_ns;
    if (cleaner->rate_bytes != UINT64_MAX) {
        cleaner->next_ns += (uint64_t)((double)bytes / (double)cleaner->rate_bytes * 1e9);
    }
    if (cleaner->gentle) {
        const uint64_t took_ns = log->now_ns - cleaner->posted_ns;
        cleaner->next_ns =
            max_u64(cleaner->next_ns, log->now_ns + min_u64(took_ns, GENTLE_PAUSE_MS_MAX * MS_NS));
    }
    if (job->error == -ENOENT) {
        cleaner->giving_up = true; /* Retention was faster. */
    } else if (job->error != 0) {
        note_failure(log, job->error);
    }
    job_end(job);
    advance(log);
}

static uint64_t others_bytes(const struct log *log)
{
    return log->counters.written_bytes + log->counters.read_bytes;
}

/* Does anybody else of this core want the disk? */
static void look_at_others(struct log *log)
{
    struct cleaner *cleaner = log->cleaner;
    const uint64_t bytes = others_bytes(log);
    if (bytes != cleaner->others_bytes) {
        cleaner->others_bytes = bytes;
        cleaner->gentle_until_ns = log->now_ns + GENTLE_MS * MS_NS;
    }
    cleaner->gentle = log->now_ns < cleaner->gentle_until_ns;
}

static bool post(struct log *log, void (*run)(struct job *, struct file_system *),
                 void (*done)(struct job *), bool beside)
{
    struct cleaner *cleaner = log->cleaner;
    struct job *job = job_take(log, cleaner->partition);
    if (job == NULL) {
        cleaner->next_ns = log->now_ns + MS_NS;
        return false;
    }
    job->run = run;
    job->done = done;
    cleaner->out = true;
    cleaner->posted_ns = log->now_ns;
    look_at_others(log);
    if (beside && log->setup.validation != NULL) {
        job_post_validation(job); /* Rolls and opens do not wait for it. */
    } else {
        job_post(job);
    }
    return true;
}

/* ---- The swap ------------------------------------------------------------------------------- */

/* The segments of the group as they are now; NULL when they are not what was read. */
static struct segment *group_segments(const struct partition *p)
{
    const struct cleaner *cleaner = p->log->cleaner;
    const struct clean_work *work = &cleaner->work;
    struct segment *first = segment_find(p, cleaner->sources[work->group_first].base_offset);
    struct segment *s = first;
    for (uint32_t i = work->group_first; i < work->group_end; i++, s = segment_next(s)) {
        if (s == NULL || s == p->active || s->base_offset != cleaner->sources[i].base_offset ||
            s->size != cleaner->sources[i].size) {
            return NULL;
        }
    }
    return first;
}

static bool under_way(const struct segment *s)
{
    return s->opening || (s->handle != NULL && s->handle->refs > 0) || !list_empty(&s->readers);
}

static bool group_idle(const struct partition *p, const struct segment *first)
{
    const struct clean_work *work = &p->log->cleaner->work;
    const struct segment *s = first;
    for (uint32_t i = work->group_first; i < work->group_end; i++, s = segment_next(s)) {
        if (under_way(s)) {
            return false;
        }
    }
    return true;
}

static void let_readers_go(struct partition *p)
{
    p->swapping = false;
    p->read_generation++;
    list_append_all(&p->log->reads_ready, &p->swap_waiters);
    log_kick(p);
}

static void doom(struct partition *p, int64_t base)
{
    struct doomed doomed = {.directory = p->directory, .base_offset = base};
    memcpy(doomed.name, p->name, strlen(p->name) + 1);
    doomed.due_ns = p->log->now_ns + (uint64_t)max_i64(p->config.file_delete_delay_ms, 0) * MS_NS;
    close_doom(p->log, &doomed);
}

/* The names are changed: one segment is where the group was. */
static void install(struct partition *p, struct segment *first)
{
    struct log *log = p->log;
    const struct cleaner *cleaner = log->cleaner;
    const struct clean_output *output = &cleaner->work.output;
    uint64_t before = 0;
    for (uint32_t i = cleaner->work.group_first; i < cleaner->work.group_end; i++) {
        before += cleaner->sources[i].size;
        doom(p, cleaner->sources[i].base_offset);
        if (i > cleaner->work.group_first) {
            segment_free(segment_next(first));
        }
    }
    arena_forget(&log->arena, &first->extents);
    if (first->handle != NULL) {
        handle_detach(log, first->handle);
    }
    first->size = (uint32_t)output->size;
    first->reserved = first->size;
    first->peak = output->peak;
    first->first_timestamp_ms = output->first_timestamp_ms;
    first->index_count = output->index_count;
    first->time_count = output->time_count;
    first->version = p->read_generation + 2; /* 1 is that of all before. */
    zero_forget(first);
    /* A reader that is told of one whose marker is gone would take the next one for it. */
    aborted_keep(&p->aborted, output->base_offset, output->end_offset, cleaner->work.txns.kept.at,
                 cleaner->work.txns.kept.count);
    p->data_bytes = p->data_bytes - before + output->size;
    p->cleaned_bytes += (int64_t)before - (int64_t)output->size;
    p->sidecar.bytes_before = p->sidecar.bytes_before - before + output->size;
    log->counters.cleaned_segments += cleaner->work.group_end - cleaner->work.group_first;
    read_forget_cursors(p);
}

/* A flush of the device failed since then: it may have been of the new files' bytes, and the sync
 * of theirs, though it succeeded, vouches for nothing (H5). */
static bool doubted(const struct log *log)
{
    const struct cleaner *cleaner = log->cleaner;
    return cleaner->flushes_failed != log->devices[cleaner->partition->directory].flushes_failed;
}

/* What was begun before the new files were synced is over: whether it failed is known. */
static bool flushes_over(struct log *log)
{
    struct cleaner *cleaner = log->cleaner;
    struct device *device = &log->devices[cleaner->partition->directory];
    if (!cleaner->flushes_awaited && device->flushing[!device->flush_round] == 0) {
        device->flush_round = !device->flush_round;
        cleaner->flushes_awaited = true;
    }
    return cleaner->flushes_awaited && device->flushing[!device->flush_round] == 0;
}

static void swap_done(struct job *job)
{
    struct partition *p = job->partition;
    struct log *log = job->log;
    struct cleaner *cleaner = log->cleaner;
    cleaner->out = false;
    cleaner->next_ns = log->now_ns;
    if (job->error == 0) {
        struct segment *first = group_segments(p);
        ASSERT(first != NULL); /* Nothing removes them while the partition is swapping. */
        install(p, first);
        cleaner->work.committed = false;
        cleaner->work.finished = false;
        cleaner->flushes_failed = log->devices[p->directory].flushes_failed;
        cleaner->phase = CLEAN_COPYING;
        let_readers_go(p);
    } else if (!cleaner->work.committed) {
        note_failure(log, job->error);
        let_readers_go(p);
    } else { /* Half of the names: only on. Reads of the group wait. */
        log->counters.clean_failures++;
        log->counters.io_errors++;
        cleaner->next_ns = job_retry_ns(job);
        device_failed(log, p->directory, job->error);
        if (log->finish != NULL) { /* Where names cannot be changed, a stop ends none the less. */
            cleaner->giving_up = true;
            let_readers_go(p);
        }
    }
    job_end(job);
    advance(log);
}

static void swap_progress(struct log *log)
{
    struct cleaner *cleaner = log->cleaner;
    struct partition *p = cleaner->partition;
    struct segment *first = group_segments(p);
    if (!cleaner->work.committed && !flushes_over(log)) {
        cleaner->next_ns = log->now_ns + MS_NS;
        return;
    }
    if (!cleaner->work.committed && doubted(log)) {
        log->counters.clean_failures++;
        cleaner->giving_up = true;
        p->clean_retry_ns = log->now_ns + max_u64(cleaner->backoff_ns, SEC_NS);
        let_readers_go(p);
        return;
    }
    if (!cleaner->work.committed && (first == NULL || p->leaving)) {
        if (first == NULL) { /* Retention was faster. */
            cleaner->giving_up = true;
            let_readers_go(p);
        }
        return;
    }
    p->swapping = true;
    p->swap_from = cleaner->work.output.base_offset;
    p->swap_to = cleaner->work.output.end_offset;
    if (cleaner->work.committed || group_idle(p, first)) {
        (void)post(log, clean_swap_run, swap_done, false);
    }
}

/* ---- From phase to phase -------------------------------------------------------------------- */

static void idle(struct log *log, uint64_t pause_ns)
{
    struct cleaner *cleaner = log->cleaner;
    cleaner->partition = NULL;
    cleaner->phase = CLEAN_IDLE;
    cleaner->giving_up = false;
    cleaner->look_ns = log->now_ns + pause_ns;
    cleaner->choose_ns = 0;
    cleaner->candidate = NULL;
}

static void end_done(struct job *job)
{
    struct log *log = job->log;
    struct cleaner *cleaner = log->cleaner;
    struct partition *p = job->partition;
    cleaner->out = false;
    if (job->error != 0) { /* Else only what is known of it is not written: it is cleaned twice. */
        log->counters.io_errors++;
        log->counters.clean_failures++;
        if (cleaner->giving_up) {
            mark_uncleanable(p); /* Before the next start has removed what is left. */
        }
    }
    if (!cleaner->giving_up) {
        p->clean_offset = cleaner->clean_to;
        log->counters.cleanings++;
    }
    idle(log, cleaner->giving_up ? cleaner->backoff_ns : 0);
    job_end(job);
    log_kick(p);
}

/* This core's share of what the broker may use. */
static void take_limits(struct log *log, const struct partition_config *config)
{
    struct cleaner *cleaner = log->cleaner;
    const uint64_t cores = max_u64(log->setup.core_count, 1);
    const uint64_t bound = log->setup.clean_map_bytes_max;
    cleaner->map_bytes = (uint64_t)max_i64(config->clean_map_bytes, 0) / cores;
    cleaner->map_bytes = bound == 0 ? cleaner->map_bytes : min_u64(cleaner->map_bytes, bound);
    cleaner->map_bytes = max_u64(cleaner->map_bytes, CLEAN_MAP_BYTES_MIN);
    const uint64_t io_bytes = min_u64(config->clean_io_bytes, CLEAN_IO_BYTES_MAX);
    cleaner->io_bytes = (uint32_t)round_up(max_u64(io_bytes, BLOCK), BLOCK);
    cleaner->slice_bytes = min_u64(2ull * cleaner->io_bytes, CLEAN_SLICE_BYTES_MAX);
    cleaner->rate_bytes = config->clean_bytes_per_second == INT64_MAX
                              ? UINT64_MAX
                              : max_u64((uint64_t)config->clean_bytes_per_second / cores, 1);
}

/* What is cleaned, as it is now. False: there is nothing. */
static bool begin(struct log *log)
{
    struct cleaner *cleaner = log->cleaner;
    struct partition *p = cleaner->partition;
    const struct dirt dirt = measure(p);
    uint64_t ratio;
    if (!may_clean(p) || !worth_it(p, &dirt, &ratio)) {
        return false;
    }
    cleaner->now_ms = log->wall_ms;
    cleaner->flushes_failed = log->devices[p->directory].flushes_failed;
    cleaner->config = p->config;
    take_limits(log, &p->config);
    cleaner->dirty_from = dirt.from;
    cleaner->upper = dirt.upper;
    cleaner->dirty_bytes = dirt.dirty_bytes;
    cleaner->source_count = 0;
    LIST_FOR_EACH(node, &p->segments)
    {
        const struct segment *s = CONTAINER_OF(node, struct segment, node);
        if (s->base_offset < dirt.upper && segment_end(s) > p->log_start) {
            cleaner->sources[cleaner->source_count++] =
                (struct clean_source){.base_offset = s->base_offset,
                                      .end_offset = segment_end(s),
                                      .size = s->size,
                                      .index_entries = s->index_count};
        }
    }
    cleaner->aborted_count =
        aborted_find(&p->aborted, 0, INT64_MAX, cleaner->aborted, cleaner->aborted_capacity);
    uint32_t cursor = 0;
    struct producer_values values;
    cleaner->producer_count = 0;
    while (cleaner->producer_count < log->setup.producer_count_max &&
           producer_state_next(&p->producers, &cursor, &values)) {
        cleaner->producers[cleaner->producer_count++] = (struct clean_producer){
            .producer_id = values.producer_id,
            .last_data_offset =
                values.batch_count == 0 ? -1 : values.batches[values.batch_count - 1].last_offset,
            .epoch = values.epoch};
    }
    cleaner->work.key.words[0] = random_u64(&log->random);
    cleaner->work.key.words[1] = random_u64(&log->random);
    return true;
}

static void ask_done(struct job *job)
{
    struct log *log = job->log;
    struct cleaner *cleaner = log->cleaner;
    struct partition *p = job->partition;
    cleaner->out = false;
    if (job->error == 0) {
        p->clean_known = true;
        p->clean_offset = cleaner->asked >= 0 ? cleaner->asked : 0;
    } else {
        note_failure(log, job->error);
    }
    job_end(job);
    advance(log);
}

static void phase_over(struct log *log)
{
    struct cleaner *cleaner = log->cleaner;
    struct clean_work *work = &cleaner->work;
    work->finished = false;
    if (cleaner->phase == CLEAN_MAPPING) {
        cleaner->phase = CLEAN_COPYING;
        cleaner->clean_to = min_i64(work->map.end, cleaner->upper);
        work->at = 0;
    } else if (work->group_first == work->group_end) {
        cleaner->phase = CLEAN_ENDING;
    } else if (work->output.size > 0) {
        cleaner->phase = CLEAN_SWAPPING;
        cleaner->flushes_awaited = false;
    }
}

/* Goes on as far as it can without waiting. */
static void advance(struct log *log)
{
    struct cleaner *cleaner = log->cleaner;
    struct partition *p = cleaner->partition;
    if (cleaner->out || p == NULL || log->now_ns < cleaner->next_ns) {
        return;
    }
    if (!may_clean(p) && !cleaner->work.committed && !cleaner->giving_up) {
        cleaner->giving_up = true;
        if (p->swapping) {
            let_readers_go(p);
        }
    }
    if (cleaner->work.committed && !cleaner->giving_up &&
        (p->phase == PHASE_FENCED || p->deleting)) { /* No use here: a start finishes it. */
        cleaner->giving_up = true;
        let_readers_go(p);
    }
    if (cleaner->giving_up) {
        cleaner->phase = CLEAN_ENDING;
    } else if (cleaner->phase == CLEAN_ASKING && p->clean_known) {
        if (!begin(log)) {
            idle(log, 0);
            return;
        }
        cleaner->phase = CLEAN_MAPPING;
    } else if (cleaner->work.finished) {
        phase_over(log);
    }
    switch (cleaner->phase) {
    case CLEAN_ASKING: (void)post(log, clean_ask_run, ask_done, false); break;
    case CLEAN_MAPPING: (void)post(log, clean_map_run, slice_done, true); break;
    case CLEAN_COPYING: (void)post(log, clean_copy_run, slice_done, true); break;
    case CLEAN_SWAPPING: swap_progress(log); break;
    case CLEAN_ENDING: (void)post(log, clean_end_run, end_done, false); break;
    case CLEAN_IDLE:
    default: ASSERT(false);
    }
}

void clean_turn(struct log *log)
{
    struct cleaner *cleaner = log->cleaner;
    if (cleaner->partition != NULL) {
        advance(log);
        return;
    }
    if (log->finish != NULL || log->now_ns < cleaner->look_ns) {
        return;
    }
    if (cleaner->choose_ns == 0) {
        cleaner->choose_ns = log->now_ns + LOOK_MS * MS_NS;
    } else if (log->now_ns >= cleaner->choose_ns && cleaner->candidate == NULL) {
        idle(log, cleaner->backoff_ns);
    } else if (log->now_ns >= cleaner->choose_ns) {
        cleaner->partition = cleaner->candidate;
        cleaner->candidate = NULL;
        cleaner->choose_ns = 0; /* Sweeps measure nothing until it is done. */
        cleaner->phase = CLEAN_ASKING;
        cleaner->next_ns = log->now_ns;
        cleaner->others_bytes = others_bytes(log);
        advance(log);
    }
}
