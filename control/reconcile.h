/* Where partitions lie: what the dataplane found against what the records say (H18), placement of
 * new ones, and what became of them. Pure but for the image's own notes of placement.
 */
#ifndef CONTROL_RECONCILE_H
#define CONTROL_RECONCILE_H

#include "control/metadata/image.h"
#include "dataplane/slowpath/session_wire.h"

/* The dataplane's data directories. */
struct directories {
    uint32_t count;
    struct uuid id[LOG_DIRECTORIES_MAX];
    bool clean[LOG_DIRECTORIES_MAX];
    bool failed[LOG_DIRECTORIES_MAX];
};

void directories_of(const struct session_hello *hello, struct directories *directories);

struct reconcile_report {
    uint32_t found;         /* Partitions with files that the records know. */
    uint32_t strays;        /* With files, but unknown: the dataplane sets them aside. */
    uint32_t vanished;      /* Known to have had files that are not there: fenced. */
    uint32_t moved;         /* In another directory than the records say. */
    uint32_t epochs_raised; /* After an unclean stop (H7), or because the files are ahead. */
    uint32_t unplaced;      /* Known, never made so that it is known to be durable. */
};

/* At the start of a session: notes for every partition where it lies, and adds the records that
 * follow from it. */
void reconcile_start(struct image *image, const struct directories *directories,
                     const struct session_partition *partitions, uint32_t partition_count,
                     struct changes *changes, struct reconcile_report *report);

/* Gives every partition that has no place the live directory with the fewest partitions. */
void reconcile_place(struct image *image, const struct directories *directories);

/* A directory died: its partitions go offline. Returns how many. */
uint32_t reconcile_directory_failed(struct image *image, uint16_t directory);

/* A partition could not be made what the snapshot said. True when it is new, without files yet:
 * then it waits, without a place, for reconcile_retry. One that has files, and broke before that
 * was recorded, stays where they are: reconcile_assign records it. */
bool reconcile_partition_failed(struct image *image, const struct session_failure *failure);

/* Adds the records that assign new partitions to their directories, of all whose files exist since
 * snapshot `version` was applied (H18). Returns how many. */
uint32_t reconcile_assign(const struct image *image, const struct directories *directories,
                          uint64_t version, struct changes *changes);

/* New partitions whose files could not be made may be placed again. Returns how many. */
uint32_t reconcile_retry(struct image *image);

#endif
