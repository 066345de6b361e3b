/* A batch with another codec: what compression.type asks for (LogValidator.java,
 * buildRecordsAndAssignOffsets).
 *
 * Its records stay byte for byte what they were, in one batch with the same producer, sequence and
 * transactional flag; only the codec and the timestamps that the topic asks for change. It goes
 * slice by slice from the inflater to the packer, so that neither the records uncompressed nor more
 * than max.message.bytes of the result are ever in memory.
 *
 * Allocates; not for a core.
 */
#ifndef STORAGE_LOG_REBUILD_H
#define STORAGE_LOG_REBUILD_H

#include "storage/record/validate.h"

struct rebuild {
    uint8_t *at; /* The new batch; NULL: none. */
    uint32_t len;
    uint32_t capacity;
    uint32_t bytes_max;
};

/* The most that the new batch may take: what is asked for before it is made. */
uint32_t rebuild_bytes_max(const struct validate_rules *rules, const struct batch_header *header);

/* As validate_batch, of a batch that validate_rebuilds; the checks come in its order. VALIDATE_OK:
 * *rebuild holds the new batch, to be given back with rebuild_free, and header and outcome are
 * those of the new one. */
MUST_USE enum validate_status rebuild_batch(struct rebuild *rebuild,
                                            const struct validate_rules *rules, struct chain batch,
                                            int64_t now_ms, struct inflate *inflate,
                                            struct batch_header *header,
                                            struct validate_outcome *outcome);

void rebuild_free(struct rebuild *rebuild);

#endif
