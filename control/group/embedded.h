/* The protocol that consumers of classic groups speak among themselves, read and written here where
 * members of both protocols are in one group. For the files of control/group only.
 *
 * Pure; all lives in the caller's arena. Source of the rules: ConsumerProtocol.java.
 */
#ifndef CONTROL_GROUP_EMBEDDED_H
#define CONTROL_GROUP_EMBEDDED_H

#include "control/group/consumer.h"

struct embedded_subscription {
    struct text_list topics;
    struct partition_set owned; /* Of topics that exist. */
    struct bytes rack_id;       /* ptr NULL: none. */
};

enum embedded_status {
    EMBEDDED_READ,
    EMBEDDED_MALFORMED,
    EMBEDDED_OF_ANOTHER_ASSIGNOR, /* It has data that no assignor of the broker would keep. */
};

/* False: this is not what consumers write. */
MUST_USE bool embedded_subscription_read(const struct group_coordinator *coordinator,
                                         struct arena *arena, const struct bytes *from,
                                         struct embedded_subscription *to);
/* Nothing at all is an empty assignment. */
MUST_USE enum embedded_status embedded_assignment_read(const struct group_coordinator *coordinator,
                                                       struct arena *arena,
                                                       const struct bytes *from,
                                                       struct partition_set *to);
/* In the version of the member's subscription; in the first where that is none. */
struct bytes embedded_assignment_write(const struct group_coordinator *coordinator,
                                       struct arena *arena, struct partition_set set,
                                       const struct bytes *subscription);

#endif
