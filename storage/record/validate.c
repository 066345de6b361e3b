#include "storage/record/validate.h"

struct validate_rules validate_rules_default(void)
{
    return (struct validate_rules){
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
        .message_bytes_max = 1048588,
        .segment_bytes_max = UINT32_C(1) << 30,
        .inflated_bytes_max = UINT64_C(1) << 30,
        .transactions_refused = true,
    };
}

static enum validate_status status_of(enum batch_status status)
{
    switch (status) {
    case BATCH_OK: return VALIDATE_OK;
    case BATCH_PARTIAL: return VALIDATE_NO_BATCH;
    case BATCH_BAD_LENGTH: return VALIDATE_BAD_LENGTH;
    case BATCH_BAD_MAGIC: return VALIDATE_BAD_MAGIC;
    case BATCH_OLD_MAGIC: return VALIDATE_OLD_MAGIC;
    case BATCH_BAD_CRC: return VALIDATE_BAD_CRC;
    }
    return VALIDATE_NO_BATCH;
}

/* What stands behind the batch. */
static enum validate_status validate_more(struct chain rest)
{
    struct batch_header second;
    switch (batch_parse(rest, &second)) {
    case BATCH_PARTIAL: break; /* A cut batch, which Kafka trims. */
    case BATCH_BAD_LENGTH: return VALIDATE_BAD_LENGTH;
    case BATCH_BAD_MAGIC: return VALIDATE_BAD_MAGIC;
    case BATCH_OK:
    case BATCH_OLD_MAGIC:
    case BATCH_BAD_CRC: return VALIDATE_MANY_BATCHES;
    }
    return VALIDATE_OK;
}

enum validate_status validate_framing(const struct validate_rules *rules, struct chain records,
                                      struct batch_header *header)
{
    const enum validate_status first = status_of(batch_parse(records, header));
    if (first != VALIDATE_OK) {
        return first;
    }
    if (batch_codec(header) == BATCH_CODEC_ZSTD && rules->zstd_refused) {
        return VALIDATE_ZSTD_REFUSED;
    }
    if (UNLIKELY(records.len > header->size_bytes)) {
        const enum validate_status more = validate_more(chain_skip(records, header->size_bytes));
        if (more != VALIDATE_OK) {
            return more;
        }
    }
    if (rules->internal) {
        return VALIDATE_OK;
    }
    if (header->base_offset != 0) {
        return VALIDATE_BAD_BASE_OFFSET;
    }
    return header->size_bytes > rules->message_bytes_max ? VALIDATE_TOO_LARGE : VALIDATE_OK;
}

/* What Kafka asks of clients only. */
static enum validate_status validate_client(const struct validate_rules *rules,
                                            const struct batch_header *header)
{
    if (header->record_count <= 0 || header->last_offset_delta != header->record_count - 1) {
        return VALIDATE_BAD_COUNT;
    }
    if (batch_is_control(header)) {
        return VALIDATE_CONTROL_REFUSED;
    }
    if (batch_has_producer(header) && header->base_sequence < 0) {
        return VALIDATE_BAD_SEQUENCE;
    }
    if (batch_is_transactional(header) &&
        (rules->transactions_refused || !batch_has_producer(header))) {
        return VALIDATE_TXN_REFUSED;
    }
    return VALIDATE_OK;
}

LINK_INLINE bool validate_plain(const struct batch_header *header)
{
    return header->attributes == 0 && header->record_count > 0 &&
           header->last_offset_delta == header->record_count - 1 &&
           (!batch_has_producer(header) || header->base_sequence >= 0);
}

enum validate_status validate_header(const struct validate_rules *rules,
                                     const struct batch_header *header)
{
    const enum batch_codec codec = batch_codec(header);
    if (codec >= BATCH_CODECS) {
        return VALIDATE_BAD_CODEC;
    }
    if (header->record_count < 0 || header->last_offset_delta < 0) {
        return VALIDATE_BAD_COUNT;
    }
    const enum validate_status status =
        rules->internal ? VALIDATE_OK : validate_client(rules, header);
    if (status != VALIDATE_OK) {
        return status;
    }
    if (validate_rebuilds(rules, header)) {
        return VALIDATE_OK; /* Its size is not yet known. */
    }
    return header->size_bytes > rules->segment_bytes_max ? VALIDATE_SEGMENT_TOO_SMALL : VALIDATE_OK;
}

void validate_records_begin(struct validate_walk *walk, const struct validate_rules *rules,
                            struct chain batch, const struct batch_header *header, int64_t now_ms,
                            struct inflate *inflate)
{
    ASSERT(header->record_count >= 0);
    const struct chain records =
        chain_skip(chain_take(batch, header->size_bytes), BATCH_HEADER_BYTES);
    /* But for the errors, which are read up to their count. */
    memset(walk, 0, offsetof(struct validate_walk, outcome.record_errors));
    walk->rules = rules;
    walk->header = header;
    walk->now_ms = now_ms;
    walk->outcome.max_timestamp_ms = BATCH_NO_TIMESTAMP;
    walk->outcome.log_append_time_ms = -1;
    record_scan_begin(&walk->scan, header->record_count);
    if (batch_codec(header) == BATCH_CODEC_NONE || header->record_count == 0) {
        walk->plain = records;
        return;
    }
    ASSERT(inflate != NULL);
    walk->inflate = inflate;
    inflate_begin(inflate, batch_codec(header), records, rules->inflated_bytes_max);
}

static void blame(struct validate_walk *walk, enum validate_record_reason reason,
                  int64_t timestamp_ms)
{
    struct validate_outcome *outcome = &walk->outcome;
    if (outcome->record_error_count < VALIDATE_RECORD_ERRORS_MAX) {
        outcome->record_errors[outcome->record_error_count] =
            (struct validate_record_error){walk->index, reason, timestamp_ms};
    }
    outcome->record_error_count++;
}

/* Differences wrap as Java's do. */
static bool timestamp_in_range(const struct validate_rules *rules, int64_t now_ms,
                               int64_t timestamp_ms)
{
    const int64_t age_ms = (int64_t)((uint64_t)now_ms - (uint64_t)timestamp_ms);
    const int64_t ahead_ms = (int64_t)(0 - (uint64_t)age_ms);
    return age_ms <= rules->timestamp_before_max_ms && ahead_ms <= rules->timestamp_after_max_ms;
}

static enum validate_status check_record(struct validate_walk *walk, const struct record_meta *meta)
{
    if (meta->offset_delta != walk->index) {
        return VALIDATE_BAD_OFFSETS;
    }
    const int64_t timestamp_ms =
        (int64_t)((uint64_t)walk->header->base_timestamp_ms + (uint64_t)meta->timestamp_delta_ms);
    if (walk->rules->compacted && meta->key_bytes < 0) {
        blame(walk, VALIDATE_RECORD_NO_KEY, timestamp_ms);
    } else if (batch_is_log_append_time(walk->header)) {
        blame(walk, VALIDATE_RECORD_APPEND_MARKED, timestamp_ms);
    } else if (!walk->rules->log_append_time && timestamp_ms != BATCH_NO_TIMESTAMP &&
               !timestamp_in_range(walk->rules, walk->now_ms, timestamp_ms)) {
        blame(walk, VALIDATE_RECORD_TIMESTAMP, timestamp_ms);
    }
    walk->outcome.max_timestamp_ms = max_i64(walk->outcome.max_timestamp_ms, timestamp_ms);
    walk->outcome.inflated_bytes += meta->size_bytes;
    walk->index++;
    return VALIDATE_OK;
}

/* All records are accepted. */
static void outcome_accept(struct validate_outcome *outcome, const struct validate_rules *rules,
                           const struct batch_header *header, int64_t now_ms)
{
    if (rules->log_append_time) {
        outcome->log_append_time = true;
        outcome->max_timestamp_ms = now_ms;
        outcome->log_append_time_ms = now_ms;
    }
    outcome->rewrite_timestamps = outcome->log_append_time != batch_is_log_append_time(header) ||
                                  outcome->max_timestamp_ms != header->max_timestamp_ms;
}

/* Every record was read and is well formed. */
static enum validate_status finish(struct validate_walk *walk)
{
    struct validate_outcome *outcome = &walk->outcome;
    if (outcome->record_error_count > 0) {
        for (uint32_t i = 0; i < min_u32(outcome->record_error_count, VALIDATE_RECORD_ERRORS_MAX);
             i++) {
            if (outcome->record_errors[i].reason != VALIDATE_RECORD_NO_KEY) {
                return VALIDATE_BAD_TIMESTAMP;
            }
        }
        return VALIDATE_RECORDS_REFUSED;
    }
    outcome_accept(outcome, walk->rules, walk->header, walk->now_ms);
    return VALIDATE_OK;
}

/* Puts the next bytes into walk->slice; VALIDATE_OK at the clean end. */
static enum validate_status next_slice(struct validate_walk *walk)
{
    if (walk->inflate == NULL) {
        walk->slice = chain_first(walk->plain);
        walk->slice.len = min_u32(walk->slice.len, INFLATE_SLICE_BYTES);
        walk->plain = chain_skip(walk->plain, walk->slice.len);
        return walk->slice.len > 0 ? VALIDATE_MORE : VALIDATE_OK;
    }
    switch (inflate_step(walk->inflate, &walk->slice)) {
    case INFLATE_SLICE: return VALIDATE_MORE;
    case INFLATE_END: return VALIDATE_OK;
    case INFLATE_BAD: return VALIDATE_BAD_COMPRESSION;
    case INFLATE_TOO_LARGE: return VALIDATE_INFLATED_TOO_LARGE;
    case INFLATE_WINDOW: return VALIDATE_WINDOW;
    }
    return VALIDATE_BAD_COMPRESSION;
}

/* Scans the current slice. VALIDATE_MORE when it is used up. */
static enum validate_status scan_slice(struct validate_walk *walk)
{
    struct record_meta meta;
    while (walk->slice.len > 0) {
        switch (record_scan_feed(&walk->scan, &walk->slice, &meta)) {
        case RECORD_OK: {
            const enum validate_status status = check_record(walk, &meta);
            if (status != VALIDATE_OK) {
                return status;
            }
            break;
        }
        case RECORD_MORE:
        case RECORD_END: return VALIDATE_MORE;
        case RECORD_BAD: return VALIDATE_BAD_RECORD;
        }
    }
    return VALIDATE_MORE;
}

enum validate_status validate_records_step(struct validate_walk *walk, uint64_t budget_bytes)
{
    uint64_t done = 0;
    do {
        const enum validate_status more = next_slice(walk);
        walk->whole = walk->slice;
        if (more == VALIDATE_OK) {
            return walk->scan.left == 0 ? finish(walk) : VALIDATE_BAD_RECORD;
        }
        if (more != VALIDATE_MORE) {
            return more;
        }
        /* A slice without output read up to a slice of input: that is work too. */
        done += walk->slice.len > 0 ? walk->slice.len : INFLATE_SLICE_BYTES;
        const enum validate_status status = scan_slice(walk);
        if (status != VALIDATE_MORE) {
            return status;
        }
    } while (done < budget_bytes);
    return VALIDATE_MORE;
}

/* A record that needs no word. */
static bool record_is_plain(const struct validate_rules *rules, const struct record_meta *meta,
                            int32_t index, int64_t timestamp_ms, int64_t now_ms)
{
    return meta->offset_delta == index && (meta->key_bytes >= 0 || !rules->compacted) &&
           (rules->log_append_time || timestamp_ms == BATCH_NO_TIMESTAMP ||
            timestamp_in_range(rules, now_ms, timestamp_ms));
}

LINK_INLINE bool validate_records_at_once(const struct validate_rules *rules, struct bytes records,
                                          const struct batch_header *header, int64_t now_ms,
                                          struct validate_outcome *outcome)
{
    struct bytes rest = records;
    if (rest.len != header->size_bytes - BATCH_HEADER_BYTES || batch_is_log_append_time(header) ||
        batch_codec(header) != BATCH_CODEC_NONE) {
        return false;
    }
    int64_t max_timestamp_ms = BATCH_NO_TIMESTAMP;
    for (int32_t i = 0; i < header->record_count; i++) {
        struct record_meta meta;
        if (UNLIKELY(!record_next_whole(&rest, &meta))) {
            return false;
        }
        const int64_t timestamp_ms =
            (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)meta.timestamp_delta_ms);
        if (UNLIKELY(!record_is_plain(rules, &meta, i, timestamp_ms, now_ms))) {
            return false;
        }
        max_timestamp_ms = max_i64(max_timestamp_ms, timestamp_ms);
    }
    outcome->max_timestamp_ms = max_timestamp_ms;
    outcome->log_append_time = false;
    outcome->log_append_time_ms = -1;
    outcome->inflated_bytes = header->size_bytes - BATCH_HEADER_BYTES;
    outcome->record_error_count = 0;
    outcome_accept(outcome, rules, header, now_ms);
    return rest.len == 0;
}

enum validate_status validate_claims(const struct validate_rules *rules, struct chain records,
                                     struct batch_header *header)
{
    enum validate_status status = validate_framing(rules, records, header);
    if (status == VALIDATE_OK) {
        status = status_of(batch_check_crc(records, header));
    }
    return status == VALIDATE_OK ? validate_header(rules, header) : status;
}

enum validate_status validate_batch(const struct validate_rules *rules, struct chain records,
                                    int64_t now_ms, struct inflate *inflate,
                                    struct batch_header *header, struct validate_outcome *outcome)
{
    enum validate_status status = validate_claims(rules, records, header);
    if (status != VALIDATE_OK) {
        return status;
    }
    struct validate_walk walk;
    validate_records_begin(&walk, rules, records, header, now_ms, inflate);
    do {
        status = validate_records_step(&walk, UINT64_MAX);
    } while (status == VALIDATE_MORE);
    *outcome = walk.outcome;
    return status;
}

const char *validate_status_text(enum validate_status status)
{
    static const char *const texts[VALIDATE_STATUSES] = {
        [VALIDATE_OK] = "The batch is good.",
        [VALIDATE_MORE] = "The batch is still being checked.",
        [VALIDATE_NO_BATCH] = "A partition's records must be exactly one whole batch.",
        [VALIDATE_MANY_BATCHES] = "A partition's records must be one batch, and there are more.",
        [VALIDATE_BAD_LENGTH] = "The batch has an impossible length.",
        [VALIDATE_BAD_MAGIC] = "The batch has an unknown magic byte.",
        [VALIDATE_OLD_MAGIC] = "Only batches of magic 2 are accepted.",
        [VALIDATE_ZSTD_REFUSED] = "zstd needs Produce version 7 or later.",
        [VALIDATE_BAD_BASE_OFFSET] = "The base offset of a produced batch must be 0.",
        [VALIDATE_TOO_LARGE] = "The batch is larger than max.message.bytes.",
        [VALIDATE_SEGMENT_TOO_SMALL] = "The batch is larger than segment.bytes.",
        [VALIDATE_BAD_CRC] = "The checksum of the batch is wrong.",
        [VALIDATE_BAD_CODEC] = "The batch names an unknown compression codec.",
        [VALIDATE_NO_MEMORY] = "There is no memory to compress the batch anew.",
        [VALIDATE_BAD_COUNT] = "Record count and last offset of the batch do not agree.",
        [VALIDATE_CONTROL_REFUSED] = "Clients may not write control batches.",
        [VALIDATE_TXN_REFUSED] = "Transactions are not served here.",
        [VALIDATE_BAD_SEQUENCE] = "A batch with a producer id needs a sequence.",
        [VALIDATE_BAD_COMPRESSION] = "The records cannot be decompressed.",
        [VALIDATE_INFLATED_TOO_LARGE] = "The records are too large when decompressed.",
        [VALIDATE_WINDOW] = "The records need a larger decompression window.",
        [VALIDATE_BAD_RECORD] = "The records do not have the form or number the batch says.",
        [VALIDATE_BAD_OFFSETS] = "Offset deltas of the records must be 0, 1, 2 and so on.",
        [VALIDATE_RECORDS_REFUSED] = "Some records of the batch were refused.",
        [VALIDATE_BAD_TIMESTAMP] = "Some records of the batch have a timestamp that is refused.",
    };
    return status < VALIDATE_STATUSES ? texts[status] : "unknown";
}

const char *validate_record_text(enum validate_record_reason reason)
{
    switch (reason) {
    case VALIDATE_RECORD_NO_KEY: return "A record of a compacted topic needs a key.";
    case VALIDATE_RECORD_TIMESTAMP:
        return "The timestamp is outside of what message.timestamp.before.max.ms and "
               "message.timestamp.after.max.ms allow.";
    case VALIDATE_RECORD_APPEND_MARKED:
        return "Only the broker may mark records with LogAppendTime.";
    }
    return "unknown";
}
