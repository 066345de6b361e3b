/* What is sound in the bytes of a metadata log file. Pure; any thread. */
#ifndef CONTROL_METADATA_LOG_SCAN_H
#define CONTROL_METADATA_LOG_SCAN_H

#include "storage/record/batch.h"

/* The next batch if its header makes sense for a metadata log and its CRC is right. *rest, *header
 * and *batch as batch_next. */
MUST_USE enum batch_status scan_batch(struct bytes *rest, struct batch_header *header,
                                      struct bytes *batch);

/* True when the bytes are a whole checkpoint: consecutive batches, header first, footer last. */
MUST_USE bool scan_checkpoint(struct bytes content);

/* True when a sound batch of offset_min or later starts anywhere inside: then what is in front of
 * it was not torn by a crash (a commit is written only after the one before it is durable). */
MUST_USE bool scan_finds_batch(struct bytes content, int64_t offset_min);

#endif
