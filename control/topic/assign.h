/* Replica lists that clients give, on a cluster of one node. Pure. */
#ifndef CONTROL_TOPIC_ASSIGN_H
#define CONTROL_TOPIC_ASSIGN_H

#include "control/step.h"

/* A manual assignment of one partition. count_wanted: replicas of the partitions before it, -1:
 * none yet. ERROR_NONE or ERROR_INVALID_REPLICA_ASSIGNMENT. */
struct step_error assign_check(const struct step *step, struct i32_array nodes,
                               int32_t count_wanted);

/* A replication factor, the default already put in. */
struct step_error assign_check_factor(const struct step *step, int16_t factor);

/* How many partitions a request may add: Kafka's bound for one, and what all of them may be. */
uint32_t assign_budget(const struct step *step);

#endif
