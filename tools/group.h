/* Where a group stands in the partitions it reads; shared by the verbs of `millrace group`. */
#ifndef TOOLS_GROUP_H
#define TOOLS_GROUP_H

#include "tools/client/groups.h"

struct group_row {
    const char *topic;
    int32_t partition;
    int64_t committed; /* As all here: -1 where it is not known. */
    int64_t start;     /* Of the partition, as the next two. */
    int64_t end;
    int64_t newest_ms;    /* Timestamp of its newest record; of the record at */
    int64_t committed_ms; /* committed, or the first one behind. */
    const char *member;   /* Who owns it; NULL nobody. */
};

struct group_rows {
    struct group_row *items; /* By topic and partition. */
    uint32_t count;
};

/* Records behind committed; -1 where it is not known. */
int64_t group_row_lag(const struct group_row *row);

/* From the first record that is not committed to the newest one; -1 where it is not known. */
int64_t group_row_lag_ms(const struct group_row *row);

/* All that the group has committed or its members own, with ends and times. */
MUST_USE bool group_rows_ask(struct client *client, struct arena *arena, const char *group,
                             const struct groups_described *described, struct group_rows *rows);

#endif
