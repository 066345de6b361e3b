/* A partition's facts and its life between create and free. */
#include "storage/log/checkpoint.h"
#include "storage/log/clean.h"
#include "storage/log/close.h"

uint64_t partition_hash(const struct partition_id *id)
{
    uint64_t parts[2];
    memcpy(parts, id->topic_id.bytes, sizeof(parts));
    uint64_t state = parts[0] ^ (parts[1] << 1 | parts[1] >> 63) ^ ((uint64_t)id->index << 32);
    return random_mix(&state);
}

void partition_configure(struct partition *p, const struct partition_config *config)
{
    p->config = *config;
    p->rules = validate_rules_default();
    p->rules.log_append_time = config->timestamp_type == TIMESTAMP_LOG_APPEND_TIME;
    p->rules.timestamp_before_max_ms = config->timestamp_before_max_ms;
    p->rules.timestamp_after_max_ms = config->timestamp_after_max_ms;
    p->rules.message_bytes_max = config->max_message_bytes;
    p->rules.segment_bytes_max = config->segment_bytes;
    p->rules.inflated_bytes_max = INFLATED_BYTES_MAX;
    p->rules.compacted = config->cleanup_compact;
    p->rules.codec_fixed = config->compression >= 0;
    p->rules.codec =
        config->compression >= 0 ? (enum batch_codec)config->compression : BATCH_CODEC_NONE;
    p->rules.codec_level = config->compression_level;
    p->plain_bytes_max = min_u32(config->max_message_bytes, config->segment_bytes);
    if (p->rules.codec_fixed && p->rules.codec != BATCH_CODEC_NONE) {
        p->plain_bytes_max = 0; /* They are compressed first. */
    }
    partition_look_again(p);
    log_kick(p);
}

struct partition *partition_create(struct log *log, const struct partition_spec *spec)
{
    ASSERT(log_find(log, &spec->id) == NULL);
    struct partition *p = pool_take(&log->partition_pool);
    if (p == NULL) {
        return NULL;
    }
    memset(p, 0, sizeof(*p));
    p->log = log;
    p->id = spec->id;
    p->directory = spec->directory;
    p->leader_epoch = spec->leader_epoch;
    p->snapshot_offset = -1;
    const struct partition_dir dir = {.topic = spec->topic_name,
                                      .partition = (int32_t)spec->id.index,
                                      .mark = PARTITION_DIR_LIVE};
    char name[PARTITION_DIR_BYTES];
    const uint32_t name_len = partition_dir_format(&dir, (struct uuid){{0}}, name);
    ASSERT(name_len > 0 && name_len < sizeof(p->name)); /* Topic names are checked by control. */
    memcpy(p->name, name, name_len + 1u);
    struct list *lists[] = {&p->segments,        &p->appends, &p->waiting_written,
                            &p->waiting_flushed, &p->commits, &p->start_operations,
                            &p->swap_waiters};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        list_init(lists[i]);
    }
    producer_state_init(&p->producers, &log->producer_pool, 0);
    aborted_init(&p->aborted, &log->aborted_pool);
    epoch_cache_init(&p->epochs, &log->epoch_pool);
    partition_configure(p, &spec->config);
    struct partition **bucket = &log->buckets[partition_hash(&p->id) & log->bucket_mask];
    p->hash_next = *bucket;
    *bucket = p;
    list_push_back(&log->partitions, &p->all_node);
    log->partition_count++;
    return p;
}

static void unlink_node(struct list_node *node)
{
    if (list_linked(node)) {
        list_remove(node);
    }
}

void partition_free(struct partition *p)
{
    struct log *log = p->log;
    ASSERT(partition_quiet(p));
    clean_forget_partition(p);
    log->counters.partitions_fenced -= p->failure == LOG_FENCED;
    log->counters.uncleanable_partitions -= p->uncleanable;
    while (!list_empty(&p->segments)) {
        segment_free(CONTAINER_OF(list_first(&p->segments), struct segment, node));
    }
    index_release(log, p->index_first);
    producer_state_clear(&p->producers, 0);
    aborted_clear(&p->aborted);
    epoch_cache_clear(&p->epochs);
    if (log->sweep_at == &p->all_node) {
        log->sweep_at = p->all_node.next;
    }
    struct list_node *nodes[] = {&p->all_node,   &p->work_node,     &p->dirty_node,
                                 &p->flush_node, &p->advanced_node, &p->busy_node};
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        unlink_node(nodes[i]);
    }
    struct partition **link = &log->buckets[partition_hash(&p->id) & log->bucket_mask];
    while (*link != p) {
        link = &(*link)->hash_next;
    }
    *link = p->hash_next;
    partition_set_unread(p, 0);
    log->partition_count--;
    pool_give(&log->partition_pool, p);
}

bool partition_quiet(const struct partition *p)
{
    return p->io_count == 0 && p->job_count == 0 && p->read_count == 0 && list_empty(&p->commits) &&
           list_empty(&p->appends) && list_empty(&p->waiting_written) &&
           list_empty(&p->waiting_flushed) && list_empty(&p->start_operations) &&
           !clean_busy_with(p);
}

/* It was used just now: it may hold memory and files. */
void partition_watch(struct partition *p, bool watch)
{
    p->watched = watch;
}

void partition_touch(struct partition *p)
{
    if (p->used_ns == p->log->now_ns && list_linked(&p->busy_node)) {
        return; /* In this turn already. */
    }
    p->used_ns = p->log->now_ns;
    unlink_node(&p->busy_node);
    list_push_back(&p->log->busy, &p->busy_node);
}

/* Where no checkpoint succeeds, others must not wait for one. */
void partition_set_unread(struct partition *p, uint64_t bytes)
{
    struct log *log = p->log;
    log->unread_bytes -= p->unread_counted;
    p->unread_bytes = bytes;
    p->unread_counted = p->checkpoint_failure == LOG_OK ? bytes : 0;
    log->unread_bytes += p->unread_counted;
}

void partition_checkpointed(struct partition *p, enum log_status status)
{
    p->checkpoint_failure = (uint8_t)status;
    partition_look_again(p);
    partition_set_unread(p, p->unread_bytes);
}

void partition_progress(struct partition *p)
{
    ASSERT_HOT(partition_invariants(p));
    switch ((enum partition_phase)p->phase) {
    case PHASE_RUNNING:
        if (!list_empty(&p->appends)) {
            append_progress(p);
        }
        records_progress(p);
        if (commit_waits(p)) {
            commit_mark_dirty(p); /* It may have waited for a name, a file or an earlier commit. */
        }
        break;
    case PHASE_DRAINING:
        records_fail_waiting(p);
        repair_progress(p);
        break;
    case PHASE_REPAIRING:
    case PHASE_BROKEN:
    case PHASE_FENCED:
        records_fail_waiting(p);
        append_fail_waiting(p);
        break;
    case PHASE_CLOSING: close_advance(p); break;
    case PHASE_CLOSED: break;
    default: ASSERT(false);
    }
    ASSERT_HOT(partition_invariants(p));
}

NOINLINE bool partition_invariants(const struct partition *p) /* So that counts leave it out. */
{
    const struct segment *s = p->active;
    if (p->log_start > p->end || p->written > p->end || p->flushed > p->written) {
        return false; /* H1. */
    }
    if (p->acked > p->written || p->planned_mark.offset > p->end ||
        p->written > p->planned_mark.offset || p->written != p->written_mark.offset) {
        return false;
    }
    if (s == NULL) {
        return p->copied == 0 && p->planned_position == 0 && list_empty(&p->commits);
    }
    if (s->base_offset > p->end || s->size > p->copied || p->copied > s->reserved) {
        return false;
    }
    if (p->written_mark.position > p->device_position || p->device_position > p->planned_position ||
        p->planned_position > p->copied || p->target_position < p->planned_position ||
        p->target_position > p->copied) {
        return false;
    }
    if (p->written == p->end && p->written_mark.position != s->size) {
        return false;
    }
    return (p->commit_count == 0) == list_empty(&p->commits) && append_plain_invariants(p);
}

/* ---- Facts ---------------------------------------------------------------------------------- */

void partition_set_leader_epoch(struct partition *p, int32_t leader_epoch)
{
    p->leader_epoch = leader_epoch;
    partition_look_again(p);
}

int32_t partition_leader_epoch(const struct partition *p)
{
    return p->leader_epoch;
}

int64_t partition_log_start(const struct partition *p)
{
    return p->log_start;
}

int64_t partition_end(const struct partition *p)
{
    return p->end;
}

int64_t partition_high_watermark(const struct partition *p)
{
    return p->written;
}

int64_t partition_flushed(const struct partition *p)
{
    return p->flushed;
}

int64_t partition_last_stable(const struct partition *p)
{
    const int64_t open = producer_state_first_open_txn_at(&p->producers, p->written);
    return open < 0 ? p->written : min_i64(open, p->written);
}

uint32_t partition_aborted(const struct partition *p, int64_t from, int64_t upper,
                           struct aborted_txn *to, uint32_t capacity)
{
    return aborted_find(&p->aborted, from, upper, to, capacity);
}

uint64_t partition_size_bytes(const struct partition *p)
{
    return p->data_bytes;
}

uint16_t partition_directory(const struct partition *p)
{
    return p->directory;
}

bool partition_made(const struct partition *p)
{
    return p->made;
}

enum log_status partition_state(const struct partition *p)
{
    switch ((enum partition_phase)p->phase) {
    case PHASE_RUNNING: return LOG_OK;
    case PHASE_CLOSING:
    case PHASE_CLOSED: return LOG_CLOSED;
    case PHASE_FENCED: return LOG_FENCED;
    case PHASE_DRAINING:
    case PHASE_REPAIRING:
    case PHASE_BROKEN:
    default: return (enum log_status)p->failure;
    }
}

void **partition_owner_slot(struct partition *p)
{
    return &p->owner_slot;
}

void partition_epoch_end(const struct partition *p, int32_t requested, int32_t *epoch,
                         int64_t *end_offset)
{
    const int32_t latest = epoch_cache_latest(&p->epochs);
    struct epoch_end answer = epoch_cache_end_offset_for(&p->epochs, requested, p->end);
    /* The leader's epoch begins at the end of the log, also before its first batch is there. */
    if (requested != EPOCH_UNDEFINED && (requested > latest || latest < 0) &&
        requested <= p->leader_epoch) {
        const bool own = requested == p->leader_epoch || latest < 0;
        answer = (struct epoch_end){own ? requested : latest, p->end};
    }
    *epoch = answer.epoch;
    *end_offset = answer.end_offset;
}

uint32_t partition_producers(const struct partition *p, struct partition_producer *to,
                             uint32_t capacity)
{
    uint32_t count = 0;
    uint32_t cursor = 0;
    struct producer_values values;
    while (producer_state_next(&p->producers, &cursor, &values)) {
        if (count < capacity) {
            const int32_t last_sequence =
                values.batch_count == 0 ? -1 : values.batches[values.batch_count - 1].last_sequence;
            to[count] =
                (struct partition_producer){.producer_id = values.producer_id,
                                            .last_timestamp_ms = values.last_timestamp_ms,
                                            .current_txn_start_offset = values.txn_first_offset,
                                            .last_sequence = last_sequence,
                                            .coordinator_epoch = values.coordinator_epoch,
                                            .producer_epoch = values.epoch};
        }
        count++;
    }
    return count;
}
