/* Turning a group that has members from one protocol into the other (KIP-848), both ways. For the
 * files of control/group only. Sources of the rules: GroupMetadataManager.convertToConsumerGroup,
 * convertToClassicGroup; ConsumerGroup.fromClassicGroup; ClassicGroup.fromConsumerGroup. */
#ifndef CONTROL_GROUP_MIGRATE_H
#define CONTROL_GROUP_MIGRATE_H

#include "control/group/embedded.h"

/* What a member of a classic group will be. */
struct upgraded_member {
    const struct group_member *from;
    struct embedded_subscription subscription;
    struct partition_set assigned;
};

/* In the arena of the update. */
struct group_upgrade {
    struct upgraded_member *members;
    uint32_t count;
    const char *refused; /* Why not, about the group. */
};

/* Whether the classic group may become one of the consumer protocol. Changes nothing. */
MUST_USE int16_t group_upgrade_check(struct group_coordinator *coordinator, struct group *group,
                                     struct group_update *update, struct group_upgrade *upgrade);
/* Of the members as they would be, for consumer_wish_fits; in the arena. */
struct group *group_upgrade_picture(struct arena *arena, const struct group_upgrade *upgrade);
/* What was checked before in this step. Who waits is told to join again. */
void group_upgrade(struct group_coordinator *coordinator, struct group *group,
                   const struct group_upgrade *upgrade, struct group_update *update);

#endif
