/* Decides whether a batch from a client (or from a coordinator) may enter the log, as Kafka does
 * (ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords, LogValidator.java).
 *
 * In three steps, so that the CRC can be computed in the one copy:
 *   validate_framing   before the copy: exactly one batch, magic, sizes
 *   (copy with CRC; batch_check_crc or the comparison of the fused copy)
 *   validate_header    after the CRC: what the header claims
 *   validate_records_* every record, inflated in slices of bounded work
 * or validate_batch, which does all of it. No allocation, no clock: now_ms comes in. Pure.
 *
 * Stricter than Kafka in four points: a record's declared length must match its content in
 * compressed batches too; offset deltas must be 0, 1, 2 ... (Kafka renumbers by rewriting a
 * compressed batch and does not look in a plain one); bytes behind a compressed stream are refused;
 * a batch marked LogAppendTime is refused on every topic.
 */
#ifndef STORAGE_RECORD_VALIDATE_H
#define STORAGE_RECORD_VALIDATE_H

#include "storage/record/compress.h"
#include "storage/record/record.h"

/* Each value maps to one Kafka error; the name of that error stands beside it. */
enum validate_status {
    VALIDATE_OK,
    VALIDATE_MORE,               /* Only from validate_records_step: call again. */
    VALIDATE_NO_BATCH,           /* INVALID_RECORD: not one whole batch. */
    VALIDATE_MANY_BATCHES,       /* INVALID_RECORD */
    VALIDATE_BAD_LENGTH,         /* CORRUPT_MESSAGE */
    VALIDATE_BAD_MAGIC,          /* CORRUPT_MESSAGE: neither 0, 1 nor 2. */
    VALIDATE_OLD_MAGIC,          /* INVALID_RECORD: 0 or 1. */
    VALIDATE_ZSTD_REFUSED,       /* UNSUPPORTED_COMPRESSION_TYPE: request version too old. */
    VALIDATE_BAD_BASE_OFFSET,    /* INVALID_RECORD: not 0. */
    VALIDATE_TOO_LARGE,          /* MESSAGE_TOO_LARGE: over max.message.bytes. */
    VALIDATE_SEGMENT_TOO_SMALL,  /* RECORD_LIST_TOO_LARGE: over segment.bytes. */
    VALIDATE_BAD_CRC,            /* CORRUPT_MESSAGE */
    VALIDATE_BAD_CODEC,          /* UNKNOWN_SERVER_ERROR in Kafka: codec 5 to 7. */
    VALIDATE_NO_MEMORY,          /* UNKNOWN_SERVER_ERROR: none to compress it anew. */
    VALIDATE_BAD_COUNT,          /* INVALID_RECORD: count <= 0 or not last offset delta + 1. */
    VALIDATE_CONTROL_REFUSED,    /* INVALID_RECORD: control batch from a client. */
    VALIDATE_TXN_REFUSED,        /* Transactional batch where no coordinator serves them. */
    VALIDATE_BAD_SEQUENCE,       /* INVALID_RECORD: producer id without a sequence. */
    VALIDATE_BAD_COMPRESSION,    /* UNKNOWN_SERVER_ERROR in Kafka: stream does not inflate. */
    VALIDATE_INFLATED_TOO_LARGE, /* Over inflated_bytes_max. */
    VALIDATE_WINDOW,             /* Not wrong: needs an inflater with a larger window. */
    VALIDATE_BAD_RECORD,         /* INVALID_RECORD: structure of a record or their number. */
    VALIDATE_BAD_OFFSETS,        /* INVALID_RECORD: offset deltas are not 0, 1, 2 ... */
    VALIDATE_RECORDS_REFUSED,    /* INVALID_RECORD with a list of record errors. */
    VALIDATE_BAD_TIMESTAMP,      /* INVALID_TIMESTAMP, perhaps with a list of record errors. */
    VALIDATE_STATUSES,
};

/* What the topic and the caller demand; may be shared by many batches. */
struct validate_rules {
    bool log_append_time;            /* message.timestamp.type */
    int64_t timestamp_before_max_ms; /* message.timestamp.before.max.ms */
    int64_t timestamp_after_max_ms;  /* message.timestamp.after.max.ms */
    uint32_t message_bytes_max;      /* max.message.bytes */
    uint32_t segment_bytes_max;      /* segment.bytes */
    uint64_t inflated_bytes_max;     /* Own limit against bombs. */
    bool compacted;                  /* cleanup.policy holds compact: keys are required. */
    bool zstd_refused;               /* Produce before version 7. */
    bool transactions_refused;       /* No transaction coordinator yet. */
    bool codec_fixed;                /* compression.type is not "producer" ... */
    enum batch_codec codec;          /* ... but this one: see validate_rebuilds. */
    int32_t codec_level;             /* Of that one (compress.h). */
    bool internal;                   /* From a coordinator of ours: control batches and any
                                        size pass, sequences may be missing. */
};

/* Kafka's defaults with the limits of this project. */
struct validate_rules validate_rules_default(void);

enum validate_record_reason {
    VALIDATE_RECORD_NO_KEY,        /* Null key on a compacted topic. */
    VALIDATE_RECORD_TIMESTAMP,     /* Outside the allowed range. */
    VALIDATE_RECORD_APPEND_MARKED, /* Client marked the batch LogAppendTime. */
};

struct validate_record_error {
    int32_t batch_index; /* Of the record in its batch. */
    enum validate_record_reason reason;
    int64_t timestamp_ms;
};

enum { VALIDATE_RECORD_ERRORS_MAX = 16 };

/* What is known when all of it passed (VALIDATE_OK), or which records are to blame. */
struct validate_outcome {
    int64_t max_timestamp_ms; /* What the batch must say: largest record, or now_ms. */
    bool rewrite_timestamps;  /* batch_set_timestamps must be called with these values. */
    bool log_append_time;
    int64_t log_append_time_ms;  /* For the response: now_ms, or -1 with CreateTime. */
    uint64_t inflated_bytes;     /* Size of the records uncompressed. */
    uint32_t record_error_count; /* All of them; the list keeps the first 16. */
    struct validate_record_error record_errors[VALIDATE_RECORD_ERRORS_MAX];
};

/* First step. records is a partition's whole records field; bytes of a cut second batch behind the
 * first are ignored as Kafka does, so the batch is header->size_bytes long. */
MUST_USE enum validate_status validate_framing(const struct validate_rules *rules,
                                               struct chain records, struct batch_header *header);

/* Second step, once the CRC is known to be right. */
MUST_USE enum validate_status validate_header(const struct validate_rules *rules,
                                              const struct batch_header *header);

/* Whether a client's batch passes the second step in all but its size, and has no attribute: it is
 * not compressed, of no transaction, with timestamps of its own. */
MUST_USE bool validate_plain(const struct batch_header *header);

/* All before the records at once: both steps, and the CRC between them. */
MUST_USE enum validate_status validate_claims(const struct validate_rules *rules,
                                              struct chain records, struct batch_header *header);

/* Whether the batch, if it is good, enters the log with other bytes: with the codec that
 * compression.type asks for. Control batches keep their form (LogValidator.java). */
static inline bool validate_rebuilds(const struct validate_rules *rules,
                                     const struct batch_header *header)
{
    return rules->codec_fixed && batch_codec(header) != rules->codec && !batch_is_control(header) &&
           header->record_count > 0;
}

/* Third step, resumable. */
struct validate_walk {
    const struct validate_rules *rules;
    const struct batch_header *header;
    struct inflate *inflate; /* NULL when the batch is not compressed. */
    struct chain plain;      /* What is left of uncompressed records. */
    struct bytes slice;      /* Inflated or plain bytes not yet scanned. */
    struct bytes whole;      /* The last slice as it came: what the last step read last. */
    struct record_scan scan;
    int64_t now_ms;
    int32_t index; /* Of the next record. */
    struct validate_outcome outcome;
};

/* batch      the whole batch; borrowed until the walk ends.
 * inflate    used by this walk alone until it ends; may be NULL if the batch is not compressed.
 * rules, header: borrowed until the walk ends. */
void validate_records_begin(struct validate_walk *walk, const struct validate_rules *rules,
                            struct chain batch, const struct batch_header *header, int64_t now_ms,
                            struct inflate *inflate);

/* Goes on over about budget_bytes of records. VALIDATE_MORE: call again. Then the result, and on
 * VALIDATE_OK, _RECORDS_REFUSED and _BAD_TIMESTAMP walk->outcome. */
MUST_USE enum validate_status validate_records_step(struct validate_walk *walk,
                                                    uint64_t budget_bytes);

/* The walk of an uncompressed batch whose records lie in one piece and need no word, as nearly all
 * do: records is what there is of them in the first piece. False says nothing yet: the walk finds
 * out. True: *outcome is set but for the list of errors, of which there are none. */
bool validate_records_at_once(const struct validate_rules *rules, struct bytes records,
                              const struct batch_header *header, int64_t now_ms,
                              struct validate_outcome *outcome);

/* All steps and the CRC at once, for tools, tests and control. */
MUST_USE enum validate_status validate_batch(const struct validate_rules *rules,
                                             struct chain records, int64_t now_ms,
                                             struct inflate *inflate, struct batch_header *header,
                                             struct validate_outcome *outcome);

/* A sentence for the client about a whole batch and about one record. */
const char *validate_status_text(enum validate_status status);
const char *validate_record_text(enum validate_record_reason reason);

#endif
