/* The sparse index of the active segment in memory (Kafka's LogSegment.append decides when).
 *
 * Entries are kept in small chunks from one bounded pool. When it is empty an entry is left out:
 * an index is sparse anyway. Checkpoints write entries to the .index and .timeindex files.
 */
#include "storage/log/engine.h"

static struct index_chunk *chunk_for(struct partition *p)
{
    struct index_chunk *last = p->index_last;
    if (last != NULL && last->count < INDEX_CHUNK_ENTRIES) {
        return last;
    }
    struct index_chunk *chunk = pool_take(&p->log->chunk_pool);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->next = NULL;
    chunk->count = 0;
    if (last == NULL) {
        p->index_first = chunk;
        p->index_first_number = p->index_count;
        p->time_first_count = p->time_count;
        p->time_first_ms = p->time_last_ms;
    } else {
        last->next = chunk;
    }
    p->index_last = chunk;
    return chunk;
}

static void index_add(struct partition *p, int64_t last_offset, uint32_t position)
{
    const struct segment *s = p->active;
    struct index_chunk *chunk = chunk_for(p);
    if (chunk == NULL) {
        return;
    }
    chunk->entries[chunk->count++] =
        (struct index_entry){.offset_delta = (uint32_t)(last_offset - s->base_offset),
                             .position = position,
                             .timestamp_ms = s->peak.timestamp_ms,
                             .timestamp_offset_delta = (uint32_t)(s->peak.offset - s->base_offset)};
    p->index_count++;
    if (s->peak.timestamp_ms > p->time_last_ms) {
        p->time_last_ms = s->peak.timestamp_ms;
        p->time_count++;
    }
    p->index_bytes_since = 0;
    partition_look_again(p);
}

static inline void peak_note(struct segment *s, const struct batch_header *header)
{
    if (header->max_timestamp_ms > s->peak.timestamp_ms) {
        s->peak.timestamp_ms = header->max_timestamp_ms;
        s->peak.offset = batch_last_offset(header);
    }
}

/* A batch was appended at position; header is as it stands in the log. */
LINK_INLINE void index_note(struct partition *p, const struct batch_header *header,
                            uint32_t position)
{
    struct segment *s = p->active;
    if (position == 0) {
        s->first_timestamp_ms = header->max_timestamp_ms;
    }
    peak_note(s, header);
    if (p->index_bytes_since > p->config.index_interval_bytes) {
        index_add(p, batch_last_offset(header), position);
    }
    p->index_bytes_since += header->size_bytes;
}

LINK_INLINE void index_note_between(struct partition *p, const struct batch_header *header)
{
    peak_note(p->active, header);
    p->index_bytes_since += header->size_bytes;
}

/* The position of a batch at or before the one that holds offset. False: only the file knows. */
bool index_lookup(const struct partition *p, int64_t offset, uint32_t *position)
{
    const int64_t base = p->active->base_offset;
    const struct index_entry *best = NULL;
    for (const struct index_chunk *chunk = p->index_first; chunk != NULL; chunk = chunk->next) {
        if (chunk->count == 0 || base + chunk->entries[0].offset_delta > offset) {
            break;
        }
        uint32_t low = 0;
        uint32_t high = chunk->count; /* entries[low] <= offset < entries[high] */
        while (high - low > 1) {
            const uint32_t middle = low + (high - low) / 2;
            if (base + chunk->entries[middle].offset_delta <= offset) {
                low = middle;
            } else {
                high = middle;
            }
        }
        best = &chunk->entries[low];
    }
    if (best != NULL) {
        *position = best->position;
        return true;
    }
    *position = 0;
    return p->index_first == NULL ? p->index_count == 0 : p->index_first_number == 0;
}

void index_release(struct log *log, struct index_chunk *first)
{
    while (first != NULL) {
        struct index_chunk *next = first->next;
        pool_give(&log->chunk_pool, first);
        first = next;
    }
}

/* Counts again what the entries in memory mean for the time index. */
static void recount(struct partition *p)
{
    p->index_count = p->index_first_number;
    p->time_count = p->time_first_count;
    p->time_last_ms = p->time_first_ms;
    for (const struct index_chunk *chunk = p->index_first; chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            p->index_count++;
            if (chunk->entries[i].timestamp_ms > p->time_last_ms) {
                p->time_last_ms = chunk->entries[i].timestamp_ms;
                p->time_count++;
            }
        }
    }
}

/* Drops entries of batches at or behind position; entries in the file all lie before it. As Kafka
 * the distance to the next entry is counted anew: a segment's first batch never gets one. */
void index_truncate(struct partition *p, uint32_t position)
{
    p->index_bytes_since = 0;
    if (p->index_first == NULL) {
        return;
    }
    struct index_chunk *last = p->index_first;
    for (struct index_chunk *chunk = p->index_first; chunk != NULL; chunk = chunk->next) {
        while (chunk->count > 0 && chunk->entries[chunk->count - 1].position >= position) {
            chunk->count--;
        }
        if (chunk->count > 0) {
            last = chunk;
        }
    }
    index_release(p->log, last->next);
    last->next = NULL;
    p->index_last = last;
    recount(p);
}

/* The active segment is a new, empty one. The former chunks belong to somebody else now. */
void index_begin_segment(struct partition *p)
{
    p->index_first = NULL;
    p->index_last = NULL;
    p->index_first_number = 0;
    p->index_count = 0;
    p->time_count = 0;
    p->time_last_ms = -1;
    p->time_first_count = 0;
    p->time_first_ms = -1;
    p->index_bytes_since = 0;
}
