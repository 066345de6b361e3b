/* The server's assignors of consumer groups (KIP-848): which member is to have which partition.
 *
 * Pure; scratch memory is the caller's arena. Sources of the rules: RangeAssignor.java,
 * UniformHomogeneousAssignmentBuilder.java, UniformHeterogeneousAssignmentBuilder.java.
 */
#ifndef CONTROL_GROUP_ASSIGN_H
#define CONTROL_GROUP_ASSIGN_H

#include "control/arena.h"

#define ASSIGN_NOBODY UINT32_MAX

struct assign_topic {
    uint32_t partition_count;
    uint32_t *owners; /* By partition: place of the member, or ASSIGN_NOBODY. Changed in place. */
};

struct assign_member {
    struct bytes id;
    struct bytes instance_id; /* ptr NULL: a dynamic member. */
    const uint32_t *topics;   /* That it wants: places in the array of topics, ascending. */
    uint32_t topic_count;
};

/* All borrowed. Topics are in the order of their ids, members in any that is always the same. */
struct assign {
    struct arena *arena;
    struct assign_topic *topics;
    uint32_t topic_count;
    const struct assign_member *members;
    uint32_t member_count;
};

/* Of each topic a row of neighbouring partitions for each member that wants it, static members
 * first; whoever owned what is of no matter. Members that want the same topics of the same size get
 * the same partitions of each. */
void assign_range(struct assign *assign);

/* Everybody as many as anybody else, as far as what they want allows; what somebody has it keeps
 * as long as that is so. */
void assign_uniform(struct assign *assign);

#endif
