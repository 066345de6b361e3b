/* The last steps of an append, which are on the way of each one: from bytes that lie behind the
 * log's end to a batch of the log, and from there to whom its caller waits for. For append.c and
 * append_usual.c only. */
#ifndef STORAGE_LOG_APPEND_IN_H
#define STORAGE_LOG_APPEND_IN_H

#include "storage/log/engine.h"
#include "storage/log/jobs.h"
#include "storage/log/producers.h"

/* The fourth one before it in the list names it: who answers them in order, when their lines have
 * left the cache, then has several of them under way at a time and not one after the other. */
static inline void append_tell_ahead(struct list *list, struct append *append)
{
    struct list_node *before = append->node.prev->prev->prev->prev; /* Round the ring, if few. */
    append->private_ahead = append;
    if (before != &list->head) {
        CONTAINER_OF(before, struct append, node)->private_ahead = append;
    }
}

/* Sorted by wait_offset; nearly always at the end. */
static inline void append_wait_in(struct list *list, struct append *append)
{
    struct list_node *at = &list->head;
    while (at->prev != &list->head &&
           CONTAINER_OF(at->prev, struct append, node)->wait_offset > append->wait_offset) {
        at = at->prev;
    }
    list_insert_before(at, &append->node);
    append_tell_ahead(list, append);
}

/* Answers or queues an append whose bytes are in the log, at wait_offset. It is on no list. */
HOT_INLINE void append_await(struct partition *p, struct append *append)
{
    if (UNLIKELY(append->private_job != NULL)) {
        append_drop_job(append);
    }
    const bool flush = append_wants_flush(p, append);
    if (append->wait_offset > p->written) {
        if (flush) {
            p->durable_want = max_i64(p->durable_want, append->wait_offset);
        }
        append_wait_in(&p->waiting_written, append);
    } else if (flush && append->wait_offset > p->flushed) {
        append_wait_in(&p->waiting_flushed, append);
        commit_want_flush(p);
    } else {
        append_finish(p, append, LOG_OK);
    }
}

/* What a batch means beside its bytes: for epochs, producers, index and checkpoints. */
HOT_INLINE void append_note(struct partition *p, const struct append *append,
                            const struct batch_header *header)
{
    struct aborted_txn aborted;
    if (epoch_cache_latest(&p->epochs) != header->leader_epoch && header->leader_epoch >= 0 &&
        epoch_cache_assign(&p->epochs, header->leader_epoch, p->end)) {
        p->epochs_dirty = true;
    }
    /* No room (markers, or others came while a large batch was copied): as if it were forgotten. */
    const enum producer_status noted =
        producers_replay(&p->producers, append->batch, header, true, &aborted);
    (void)noted;
    if (UNLIKELY(aborted.last_offset >= 0)) {
        const bool added = aborted_add(&p->aborted, &aborted);
        ASSERT(added); /* check_producer looked. */
        p->aborted_active++;
    }
    index_note(p, header, p->active->size);
    partition_set_unread(p, p->unread_bytes + header->size_bytes);
}

/* The same of a plain batch up to segment.plain_to. */
HOT_INLINE void append_note_plain(struct partition *p, const struct batch_header *header)
{
    if (batch_has_producer(header)) {
        const struct batch_header seen = *header; /* It may be in registers. */
        const enum producer_status noted = producer_state_append(&p->producers, &seen, true);
        (void)noted; /* As above. */
    } else {
        producer_state_pass(&p->producers, header);
    }
    index_note_between(p, header);
    p->unread_bytes += header->size_bytes;
    p->unread_counted += header->size_bytes;
    p->log->unread_bytes += header->size_bytes;
}

/* The copied and stamped bytes become a batch of the log; header says the same afterwards. append
 * is on no list. */
HOT_INLINE void append_take_in(struct partition *p, struct append *append,
                               struct batch_header *header, const struct validate_outcome *outcome,
                               bool plain)
{
    struct segment *s = p->active;
    header->base_offset = p->end;
    header->leader_epoch = p->leader_epoch;
    header->max_timestamp_ms = outcome->max_timestamp_ms;
    append->base_offset = p->end;
    append->log_append_time_ms = outcome->log_append_time_ms;
    append->stage_ns[1] = p->log->now_ns;
    if (plain) {
        append_note_plain(p, header);
    } else {
        append_note(p, append, header);
    }
    s->size += header->size_bytes;
    p->data_bytes += header->size_bytes;
    p->end += (int64_t)header->last_offset_delta + 1;
    append->wait_offset = p->end;
    if (p->end - p->flushed >= p->config.flush_messages) {
        p->flush_want = p->end;
    }
    p->log->counters.appended_batches++;
    p->log->counters.appended_bytes += header->size_bytes;
    p->log->counters.appended_records += (uint64_t)header->record_count;
    append_await(p, append);
    commit_mark_dirty(p);
}

#endif
