#include "storage/log/rebuild.h"

#include <stdlib.h>

#include "storage/record/packer.h"

enum {
    FRAME_BYTES = 256, /* More than the frame around records that do not compress. */
    PACKED_GUESS = 8,  /* So much larger may records be than they come; zstd's window is made so. */
};

uint32_t rebuild_bytes_max(const struct validate_rules *rules, const struct batch_header *header)
{
    const uint64_t most = rules->internal ? rules->inflated_bytes_max : rules->message_bytes_max;
    const uint64_t bound = batch_codec(header) == BATCH_CODEC_NONE
                               ? FRAME_BYTES + compress_bound(rules->codec, header->size_bytes)
                               : most;
    return (uint32_t)max_u64(BATCH_HEADER_BYTES, min_u64(min_u64(most, bound), INT32_MAX));
}

void rebuild_free(struct rebuild *rebuild)
{
    free(rebuild->at);
    *rebuild = (struct rebuild){0};
}

/* What a packer's bytes go into, and why they did not. */
struct sink {
    struct rebuild *rebuild;
    bool too_large;
};

static bool sink_put(void *context, struct bytes bytes)
{
    struct sink *sink = context;
    struct rebuild *rebuild = sink->rebuild;
    if (bytes.len > rebuild->bytes_max - rebuild->len) {
        sink->too_large = true;
        return false;
    }
    const uint32_t len = rebuild->len + bytes.len;
    if (len > rebuild->capacity) {
        const uint64_t wanted =
            min_u64(max_u64(len, 2 * (uint64_t)rebuild->capacity), rebuild->bytes_max);
        uint8_t *at = realloc(rebuild->at, wanted);
        if (at == NULL) {
            return false;
        }
        rebuild->at = at;
        rebuild->capacity = (uint32_t)wanted;
    }
    memcpy(rebuild->at + rebuild->len, bytes.ptr, bytes.len);
    rebuild->len = len;
    return true;
}

/* Every record is read and judged, also when what comes out has become too large: what is wrong
 * with a record is told first. */
static enum validate_status pack_records(struct validate_walk *walk, struct packer *packer,
                                         struct sink *sink)
{
    enum validate_status status;
    bool good = true;
    while ((status = validate_records_step(walk, 1)) == VALIDATE_MORE) {
        good = good && packer_feed(packer, walk->whole);
    }
    if (status != VALIDATE_OK || (good && packer_end(packer))) {
        return status;
    }
    return sink->too_large ? VALIDATE_TOO_LARGE : VALIDATE_NO_MEMORY;
}

/* The header of the new batch; what the attributes say besides codec, timestamps and transaction
 * is not kept (MemoryRecordsBuilder.java). */
static void seal(const struct rebuild *rebuild, const struct validate_rules *rules,
                 struct batch_header *header, struct validate_outcome *outcome)
{
    header->attributes = (uint16_t)((header->attributes & BATCH_TRANSACTIONAL) | rules->codec |
                                    (outcome->log_append_time ? BATCH_LOG_APPEND_TIME : 0));
    header->max_timestamp_ms = outcome->max_timestamp_ms;
    header->size_bytes = rebuild->len;
    outcome->rewrite_timestamps = false;
    batch_write_header(rebuild->at, header);
    batch_seal(rebuild->at, rebuild->len);
    header->crc = load_be32(rebuild->at + BATCH_AT_CRC);
}

enum validate_status rebuild_batch(struct rebuild *rebuild, const struct validate_rules *rules,
                                   struct chain batch, int64_t now_ms, struct inflate *inflate,
                                   struct batch_header *header, struct validate_outcome *outcome)
{
    *rebuild = (struct rebuild){0};
    enum validate_status status = validate_claims(rules, batch, header);
    if (status != VALIDATE_OK) {
        return status;
    }
    static const uint8_t room_for_header[BATCH_HEADER_BYTES];
    const uint64_t hint =
        header->size_bytes * (batch_codec(header) == BATCH_CODEC_NONE ? 1 : (uint64_t)PACKED_GUESS);
    struct sink sink = {.rebuild = rebuild};
    rebuild->bytes_max = rebuild_bytes_max(rules, header);
    struct packer *packer = packer_open(rules->codec, rules->codec_level, hint, sink_put, &sink);
    if (packer == NULL || !sink_put(&sink, (struct bytes){room_for_header, BATCH_HEADER_BYTES})) {
        status = VALIDATE_NO_MEMORY;
    } else {
        struct validate_walk walk;
        validate_records_begin(&walk, rules, batch, header, now_ms, inflate);
        status = pack_records(&walk, packer, &sink);
        *outcome = walk.outcome;
    }
    packer_close(packer);
    if (status == VALIDATE_OK && rebuild->len > rules->segment_bytes_max) {
        status = VALIDATE_SEGMENT_TOO_SMALL;
    }
    if (status != VALIDATE_OK) {
        rebuild_free(rebuild);
        return status;
    }
    seal(rebuild, rules, header, outcome);
    return VALIDATE_OK;
}
