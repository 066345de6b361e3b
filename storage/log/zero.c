/* Blocks written once with zeros ahead of small and flushed appends (H8): what overwrites them
 * changes no metadata, so a flush of the device makes it durable, and cheaply. Bulk streams go to
 * unwritten extents, for zeroing writes every byte twice. */
#include "storage/log/jobs.h"

enum {
    VOTES = 8, /* Small commits in a row before it pays. */
    SMALL_BYTES = 64 << 10,
    FLUSHED_BYTES = 128 << 10,
    AHEAD_FIRST = 64 << 10,
    AHEAD_MAX = 2 * MIB,
    PIECE_BYTES = 128 << 10, /* Written at once where nothing is flushed. */
};

/* The job and the core race for a job that waits: who comes first has it. */
enum { WAITING, RUNNING, WITHDRAWN };

static void zero_run(struct job *job, struct file_system *fs)
{
    int waiting = WAITING;
    if (!atomic_compare_exchange_strong(&job->file.claim, &waiting, RUNNING)) {
        return; /* Appends got there first. */
    }
    uint8_t *zeros = job->log->job_scratch;
    uint64_t from = job->file.reserve_from;
    const uint64_t to = from + job->file.reserve_bytes;
    memset(zeros, 0, (size_t)min_u64(job->file.piece_bytes, to - from));
    while (from < to) {
        const uint64_t count = min_u64(job->file.piece_bytes, to - from);
        const int64_t written = file_write(fs, job->handle->fd, zeros, count, from);
        if (written < 0) {
            job->error = (int)written;
            return;
        }
        from += count;
    }
}

static void zero_done(struct job *job)
{
    struct partition *p = job->partition;
    struct segment *s = job->segment;
    if (atomic_load(&job->file.claim) == WITHDRAWN) {
        handle_unuse(job->log, job->handle);
        job_end(job);
        return;
    }
    p->zeroing = false;
    p->zero_job = NULL;
    const uint32_t failed = job->log->devices[p->directory].flushes_failed;
    if (job->error == 0 && job->file.flushes_failed == failed) {
        /* Counts once the core's next flush of the file is done. */
        if (s->zeroing_to != job->file.reserve_from) {
            s->zeroing_from = job->file.reserve_from;
        }
        s->zeroing_to = job->file.reserve_from + job->file.reserve_bytes;
        job->log->counters.zeroed_bytes += job->file.reserve_bytes;
    } else if (job->error !=
               0) { /* Blocks that cannot be written: data would fail there as well. */
        p->log->counters.io_errors++;
        repair_begin(p, log_status_of(job->error), false);
    }
    commit_mark_dirty(p);
    handle_unuse(job->log, job->handle);
    job_end(job);
}

/* Appends have come as far as the zeros would begin. True: they will not be written. */
bool zero_withdraw(struct partition *p)
{
    int waiting = WAITING;
    if (!atomic_compare_exchange_strong(&p->zero_job->file.claim, &waiting, WITHDRAWN)) {
        return false;
    }
    p->zeroing = false;
    p->zero_job = NULL;
    p->zero_ahead = 0;
    p->zero_votes = 0;
    return true;
}

/* A flush of the file that was submitted after the zeros were written is done. */
void zero_flushed(struct segment *s, uint32_t zeroed_to)
{
    if (zeroed_to == 0 || zeroed_to != s->zeroing_to) {
        return;
    }
    if (s->zeroed != s->zeroing_from) {
        s->zeroed_from = s->zeroing_from;
    }
    s->zeroed = s->zeroing_to;
    s->zeroing_to = 0;
}

void zero_forget(struct segment *s)
{
    s->zeroed_from = 0;
    s->zeroed = 0;
    s->zeroing_from = 0;
    s->zeroing_to = 0;
    s->whole_to = 0;
}

/* Plain commits wait behind the piece that the device has at hand: small ones keep their tail
 * short. Where flushes wait for each other anyway, more pieces only cost. */
static void zero_post(struct partition *p, bool flushed)
{
    struct segment *s = p->active;
    const uint32_t ahead = p->zero_ahead == 0 ? AHEAD_FIRST : min_u32(p->zero_ahead * 2, AHEAD_MAX);
    const uint64_t slack = ahead / 4; /* Appends go on below while the job runs. */
    const uint64_t used = max_u64(p->copied, p->planned_position);
    /* Those before go on where they can: zeros that end count no more once others begin apart. */
    uint64_t from = max_u64(s->zeroed, s->zeroing_to);
    if (from < used + slack / 2) {
        from = round_up(used + slack, BLOCK);
    }
    const uint64_t to = min_u64(from + ahead, round_down(s->reserved, BLOCK));
    if (to < from + ahead && segment_reserve_more(p) && to < from + ahead / 2) {
        return; /* Not piece by piece: there will be more. */
    }
    if (from >= to) {
        return;
    }
    struct job *job = job_take(p->log, p);
    if (job == NULL) {
        return; /* Only faster. */
    }
    p->zero_ahead = ahead;
    p->zeroing = true;
    p->zero_job = job;
    atomic_init(&job->file.claim, WAITING);
    p->zeroing_from = (uint32_t)from;
    job->run = zero_run;
    job->done = zero_done;
    job->segment = s;
    job->handle = s->handle;
    job->file.reserve_from = (uint32_t)from;
    job->file.reserve_bytes = (uint32_t)(to - from);
    job->file.piece_bytes = flushed ? (uint32_t)JOB_SCRATCH_BYTES : (uint32_t)PIECE_BYTES;
    job->file.flushes_failed = p->log->devices[p->directory].flushes_failed;
    handle_use(p->log, s->handle);
    job_post(job);
}

/* A commit of that size was planned. */
void zero_consider(struct partition *p, uint32_t bytes, bool flushed)
{
    if (bytes > (flushed ? (uint32_t)FLUSHED_BYTES : (uint32_t)SMALL_BYTES)) {
        p->zero_votes = 0;
        p->zero_ahead = 0;
        return;
    }
    if (p->zero_votes < VOTES) {
        p->zero_votes++;
        return;
    }
    const struct segment *s = p->active;
    const uint32_t zeros = (uint32_t)max_u64(s->zeroed, s->zeroing_to);
    const uint32_t left = zeros - min_u32(zeros, p->planned_position);
    /* Where nothing is flushed, zeros need not be durable before there are more of them. */
    if (!p->zeroing && (s->zeroing_to == 0 || !flushed) && left <= p->zero_ahead / 2) {
        zero_post(p, flushed);
    }
}
