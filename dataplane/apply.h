/* What came of a snapshot on one core: which of its partitions are not what the snapshot says.
 *
 * The broker opens, deletes and configures partitions; this looks at the result and tells control.
 * Threads: the core.
 */
#ifndef DATAPLANE_APPLY_H
#define DATAPLANE_APPLY_H

#include "dataplane/slowpath/session_wire.h"
#include "dataplane/slowpath/snapshot.h"

/* Fills in the partitions of this core that cannot be written, at most capacity, but for those of
 * which the snapshot knows it. Returns how many were filled in. */
uint32_t apply_failures(const struct snapshot *snapshot, struct log *log, uint32_t core,
                        uint32_t core_count, struct session_failure *to, uint32_t capacity);

#endif
