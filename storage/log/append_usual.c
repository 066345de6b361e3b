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

static bool partition_takes(const struct partition *p)
{
    return p->phase == PHASE_RUNNING && !p->unvouched && p->active != NULL &&
           p->copied == p->active->size;
}

/* Good in all but its CRC; on false append.c says what is wrong, if anything is. */
static bool check(struct partition *p, const struct append *append, struct bytes batch,
                  struct batch_header *header, struct validate_outcome *outcome)
{
    const struct validate_rules *rules = append_rules(p, append);
    struct producer_duplicate duplicate;
    if (!batch_parse_alone(batch, header) || header->base_offset != 0 ||
        header->attributes != 0 /* No codec, control, transaction, append time. */ ||
        header->size_bytes > rules->message_bytes_max || validate_rebuilds(rules, header) ||
        validate_header(rules, header) != VALIDATE_OK) {
        return false;
    }
    const struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    return validate_records_at_once(rules, records, header, p->log->wall_ms, outcome) &&
           (!batch_has_producer(header) ||
            producer_state_check(&p->producers, header, &duplicate) == PRODUCER_OK);
}

/* Copies it behind the log's end, with its CRC. False: that is another one, and nothing is there.
 */
static bool copy(struct partition *p, struct extent *extent, struct bytes batch, uint32_t crc,
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

bool append_usual(struct partition *p, struct append *append)
{
    const struct bytes batch = chain_first(append->batch);
    struct batch_header header;
    struct validate_outcome outcome;
    struct extent *extent;
    if (batch.len != append->batch.len || batch.len > USUAL_BYTES_MAX || append->internal ||
        !partition_takes(p) || !check(p, append, batch, &header, &outcome)) {
        return false;
    }
    if (append_ready(p, &header) != LOG_OK || append_tail(p, batch.len, &extent) != LOG_OK ||
        extent->len - extent->used < batch.len || !copy(p, extent, batch, header.crc, &outcome)) {
        return false;
    }
    append_take_in(p, append, &header, &outcome);
    return true;
}
