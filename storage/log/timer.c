/* What happens by itself, a bounded number of partitions per call. */
#include "storage/log/checkpoint.h"
#include "storage/log/clean.h"
#include "storage/log/close.h"
#include "storage/log/retention.h"

enum {
    SWEEP_MS = 100, /* Between two looks at a tenth of the partitions. */
    SWEEP_SHARE = 10,
    PRODUCERS_PER_SWEEP = 1024,
    CORE_CHECKPOINTS = 2,
};

/* Records may be old when they come: they stay until the next check, as in Kafka. */
static void age_check_begin(struct partition *p)
{
    const uint64_t now_ns = p->log->now_ns;
    const uint64_t check_ms = (uint64_t)min_i64(p->config.retention_check_ms, INT32_MAX);
    if (p->age_check_ns == 0 || p->age_check_ns > now_ns + check_ms * MS_NS) {
        p->age_check_ns = now_ns + check_ms * MS_NS;
    }
    p->age_due = now_ns >= p->age_check_ns;
}

/* Over when nothing is left to roll or to delete. */
static void age_check_end(struct partition *p, uint32_t deleted)
{
    if (p->age_due && deleted == 0 && !p->leaving && !retention_has_old(p)) {
        p->age_check_ns = 0;
    }
    p->age_due = false;
}

static void look_at(struct partition *p)
{
    struct log *log = p->log;
    if (p->phase == PHASE_BROKEN) {
        repair_retry(p);
        return;
    }
    if (p->phase != PHASE_RUNNING) {
        return;
    }
    const uint64_t flush_ns = p->config.flush_ms > INT64_MAX / (int64_t)MS_NS
                                  ? UINT64_MAX
                                  : (uint64_t)p->config.flush_ms * MS_NS;
    if (p->unflushed_ns != 0 && log->now_ns - p->unflushed_ns >= flush_ns) {
        commit_ask_flush(p);
    }
    checkpoint_roll_post(p);
    age_check_begin(p);
    if (retention_wants_roll(p) && list_empty(&p->appends)) {
        const enum log_status status = roll_advance(p);
        (void)status; /* Looked at again with the next sweep. */
    }
    age_check_end(p, retention_apply(p));
    clean_consider(p);
    if (!list_empty(&p->appends)) {
        log_kick(p);
    }
}

/* Timestamps may be old when they come: their producers stay until the next look, as in Kafka. */
static void expire_producers(struct log *log)
{
    if (list_empty(&log->partitions)) {
        return;
    }
    const struct partition_config *config =
        &CONTAINER_OF(log->partitions.head.next, struct partition, all_node)->config;
    const uint64_t check_ms = (uint64_t)min_i64(config->producer_check_ms, INT32_MAX);
    const uint64_t next_ns = log->now_ns + check_ms * MS_NS;
    if (log->expire_ns == 0 || log->expire_ns > next_ns) {
        log->expire_ns = next_ns;
    }
    if (log->expire_left == 0 && log->now_ns >= log->expire_ns) {
        log->expire_ns = next_ns;
        log->expire_left = log->producer_pool.entry_capacity;
    }
    const uint32_t budget = min_u32(PRODUCERS_PER_SWEEP, log->expire_left);
    log->expire_left -= budget;
    (void)producer_pool_expire(&log->producer_pool, log->wall_ms, config->producer_expiration_ms,
                               budget);
}

static uint32_t sweep(struct log *log)
{
    uint32_t left = log->partition_count / SWEEP_SHARE + 1;
    uint32_t work = 0;
    for (; left > 0 && log->partition_count > 0; left--) {
        if (log->sweep_at == NULL || log->sweep_at == &log->partitions.head) {
            log->sweep_at = log->partitions.head.next;
        }
        struct partition *p = CONTAINER_OF(log->sweep_at, struct partition, all_node);
        log->sweep_at = log->sweep_at->next;
        look_at(p);
        work++;
    }
    return work;
}

/* Too much would have to be read after a crash: the partition with the most goes first (H13). */
static void checkpoint_core(struct log *log)
{
    enum { LOOKED_AT_MAX = 256 };
    if (log->unread_bytes < CHECKPOINT_CORE_BYTES) {
        return;
    }
    struct partition *most = NULL;
    uint32_t running = 0;
    uint32_t looked_at = 0;
    LIST_FOR_EACH(node, &log->busy)
    {
        struct partition *p = CONTAINER_OF(node, struct partition, busy_node);
        running += p->checkpointing ? 1 : 0;
        if (checkpoint_may_begin(p) && (most == NULL || p->unread_bytes > most->unread_bytes)) {
            most = p;
        }
        if (++looked_at == LOOKED_AT_MAX) {
            break;
        }
    }
    if (most != NULL && running < CORE_CHECKPOINTS) {
        (void)checkpoint_begin(most);
    }
}

uint32_t log_timer_turn(struct log *log, uint64_t now_ns, int64_t wall_ms)
{
    log->now_ns = now_ns;
    log->wall_ms = wall_ms;
    checkpoint_core(log);
    clean_turn(log);
    close_progress(log);
    if (now_ns < log->sweep_ns) {
        return 0;
    }
    log->sweep_ns = now_ns + SWEEP_MS * MS_NS;
    uint32_t work = sweep(log);
    work += close_idle(log, 64);
    work += close_unlink_due(log);
    expire_producers(log);
    log->counters.producers = log->producer_pool.entry_used;
    log->counters.arena_used_bytes = (uint64_t)log->arena.page_count * ARENA_PAGE_BYTES -
                                     log->arena.free_bytes - log->arena.cache_bytes;
    return work;
}

uint64_t log_next_deadline_ns(const struct log *log)
{
    const bool none = log->partition_count == 0 && list_empty(&log->doomed);
    return none ? UINT64_MAX : min_u64(log->sweep_ns, clean_deadline_ns(log));
}
