/* The append that nearly all small ones are, in one go: an uncompressed batch of a client, in one
 * piece, without a transaction, with timestamps of its own, for a partition where none waits before
 * it and whose tail has room.
 *
 * It is judged by the same rules in the same words as in append.c, but only to be taken: whatever
 * is not clearly good is left as it was found to append.c, which knows the reasons and the answers.
 */
#include "storage/base/crc32c.h"
#include "storage/log/append_in.h"

enum { USUAL_BYTES_MAX = 4096 }; /* Of larger ones the copy is what takes time. */

/* ---- What batches of a partition need no look at -------------------------------------------- */

/* Checkpoints come with so many bytes unread, at the latest (append_ready). */
static uint64_t unread_max(const struct partition *p)
{
    return min_u64(p->log->setup.checkpoint_bytes, UNREAD_PARTITION_BYTES_MAX);
}

static bool epoch_is_known(const struct partition *p)
{
    return p->leader_epoch < 0 || epoch_cache_latest(&p->epochs) == p->leader_epoch;
}

/* Behind a batch for which all of it was looked at. Who changes what is asked here forgets it:
 * partition_look_again. */
static NOINLINE void plain_find(struct partition *p)
{
    struct segment *s = p->active;
    uint32_t to;
    segment_plain(p, &to, &s->plain_until_ms);
    if (p->sealing || p->unvouched || p->checkpoint_failure != LOG_OK ||
        p->unread_bytes >= unread_max(p) || !epoch_is_known(p)) {
        to = 0;
    }
    s->plain_to =
        (uint32_t)min_u64(to, s->size + unread_max(p) - min_u64(p->unread_bytes, unread_max(p)));
}

bool append_plain_invariants(const struct partition *p)
{
    const struct segment *s = p->active;
    if (s == NULL || s->plain_to <= s->size || p->phase != PHASE_RUNNING) {
        return true;
    }
    const uint64_t more = s->plain_to - s->size;
    return s->handle != NULL && s->size > 0 && !p->sealing && !p->unvouched &&
           s->plain_to <= s->reserved && s->plain_to <= p->config.segment_bytes &&
           p->index_bytes_since + more <= p->config.index_interval_bytes + UINT64_C(1) &&
           p->unread_bytes + more <= unread_max(p) && p->unread_counted == p->unread_bytes &&
           epoch_is_known(p);
}

/* ---- The append ----------------------------------------------------------------------------- */

/* What is known of a batch stays in registers: only those who have more to do with it get it in
 * memory, as a copy. */

/* Its producer may append it. */
static NOINLINE bool check_producer(struct partition *p, struct batch_header header)
{
    const struct producer_pool *pool = &p->log->producer_pool;
    struct producer_duplicate duplicate;
    return pool->undo_used + 1 < pool->undo_capacity &&
           producer_state_check(&p->producers, &header, &duplicate) == PRODUCER_OK;
}

/* Good in all but its CRC; on false append.c says what is wrong, if anything is. */
HOT_INLINE bool check(struct partition *p, const struct append *append, struct bytes batch,
                      struct batch_header *header, struct validate_outcome *outcome)
{
    const struct validate_rules *rules = &p->rules;
    if (batch.len > p->plain_bytes_max || append->internal || !batch_parse_alone(batch, header) ||
        header->base_offset != 0 || !validate_plain(header)) {
        return false;
    }
    const struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    return validate_records_at_once(rules, records, header, p->log->wall_ms, outcome) &&
           (!batch_has_producer(header) || check_producer(p, *header));
}

/* Copies it behind the log's end, with its CRC. False: that is another one, and nothing is there.
 */
HOT_INLINE bool copy(struct partition *p, struct extent *extent, struct bytes batch, uint32_t crc,
                     const struct validate_outcome *outcome)
{
    uint8_t *to = extent_memory(&p->log->arena, extent) + extent->used;
    memcpy(to, batch.ptr, BATCH_AT_ATTRIBUTES);
    if (UNLIKELY(crc32c_copy(0, to + BATCH_AT_ATTRIBUTES, batch.ptr + BATCH_AT_ATTRIBUTES,
                             batch.len - BATCH_AT_ATTRIBUTES) != crc)) {
        memset(to, 0, batch.len); /* As it was (H4). */
        return false;
    }
    append_stamp(to, p, outcome);
    extent->used += batch.len;
    p->copied += batch.len;
    return true;
}

HOT_INLINE bool take_memory(struct partition *p, struct bytes batch, uint32_t crc,
                            const struct validate_outcome *outcome)
{
    struct extent *extent;
    return append_tail(p, batch.len, &extent) == LOG_OK &&
           extent->len - extent->used >= batch.len && copy(p, extent, batch, crc, outcome);
}

/* There are none. */
HOT_INLINE struct validate_outcome outcome_without_errors(const struct validate_outcome *outcome)
{
    struct validate_outcome seen;
    seen.max_timestamp_ms = outcome->max_timestamp_ms;
    seen.rewrite_timestamps = outcome->rewrite_timestamps;
    seen.log_append_time = outcome->log_append_time;
    seen.log_append_time_ms = outcome->log_append_time_ms;
    seen.inflated_bytes = outcome->inflated_bytes;
    seen.record_error_count = 0;
    return seen;
}

/* One that may ask for something. */
static NOINLINE bool append_looking(struct partition *p, struct append *append, struct bytes batch,
                                    struct batch_header header,
                                    const struct validate_outcome *outcome)
{
    if (p->unvouched || append_ready(p, &header) != LOG_OK ||
        !take_memory(p, batch, header.crc, outcome)) {
        return false;
    }
    append_take_in(p, append, &header, outcome, false);
    plain_find(p);
    return true;
}

bool append_usual(struct partition *p, struct append *append)
{
    const struct bytes batch = chain_first(append->batch);
    const struct segment *s = p->active;
    struct batch_header header;
    struct validate_outcome outcome;
    if (batch.len != append->batch.len || batch.len > USUAL_BYTES_MAX || s == NULL ||
        p->copied != s->size || !check(p, append, batch, &header, &outcome)) {
        return false;
    }
    if (UNLIKELY(s->size + batch.len > s->plain_to ||
                 (uint64_t)header.max_timestamp_ms > s->plain_until_ms ||
                 p->log->unread_bytes >= UNREAD_CORE_BYTES_MAX)) {
        const struct validate_outcome seen = outcome_without_errors(&outcome);
        return append_looking(p, append, batch, header, &seen);
    }
    if (!take_memory(p, batch, header.crc, &outcome)) {
        return false;
    }
    append_take_in(p, append, &header, &outcome, true);
    return true;
}
