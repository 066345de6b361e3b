/* The records of a batch, inflated where they are compressed; for the tools, which may allocate. */
#ifndef TOOLS_BATCH_RECORDS_H
#define TOOLS_BATCH_RECORDS_H

#include "storage/record/compress.h"
#include "storage/record/record.h"

/* Zero before its first use. */
struct batch_records {
    struct inflate *inflate;
    uint8_t *room;
    size_t room_bytes;
};

/* Stands the cursor at the first record. False when the batch cannot be inflated. The cursor's
 * views are valid until the next call. */
MUST_USE bool batch_records_open(struct batch_records *records, struct bytes batch,
                                 const struct batch_header *header, struct record_cursor *cursor);

void batch_records_free(struct batch_records *records);

static inline int64_t batch_record_time(const struct batch_header *header,
                                        const struct record *record)
{
    return batch_is_log_append_time(header)
               ? header->max_timestamp_ms
               : header->base_timestamp_ms + record->timestamp_delta_ms;
}

#endif
