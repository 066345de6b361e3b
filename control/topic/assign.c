#include "control/topic/assign.h"

#include "dataplane/slowpath/session_wire.h"

struct step_error assign_check(const struct step *step, struct i32_array nodes,
                               int32_t count_wanted)
{
    const int32_t count = nodes.count;
    const int32_t here = step_image(step)->node_id;
    if (count <= 0) {
        return STEP_ERROR(step, ERROR_INVALID_REPLICA_ASSIGNMENT,
                          "The manual partition assignment includes an empty replica list.");
    }
    bool seen = false;
    int32_t node;
    while (i32_array_next(&nodes, &node)) {
        if (node != here) {
            return STEP_ERROR(step, ERROR_INVALID_REPLICA_ASSIGNMENT,
                              "The manual partition assignment includes broker %d, but no such "
                              "broker is registered.",
                              node);
        }
        if (seen) {
            return STEP_ERROR(step, ERROR_INVALID_REPLICA_ASSIGNMENT,
                              "The manual partition assignment includes the broker %d more than "
                              "once.",
                              node);
        }
        seen = true;
    }
    if (count_wanted >= 0 && count != count_wanted) {
        return STEP_ERROR(step, ERROR_INVALID_REPLICA_ASSIGNMENT,
                          "The manual partition assignment includes a partition with %d "
                          "replica(s), but this is not consistent with previous partitions, which "
                          "have %d replica(s).",
                          count, count_wanted);
    }
    return step_good();
}

struct step_error assign_check_factor(const struct step *step, int16_t factor)
{
    if (factor > 1) {
        return STEP_ERROR(step, ERROR_INVALID_REPLICATION_FACTOR,
                          "Unable to replicate the partition %d time(s): The target replication "
                          "factor of %d cannot be reached because only 1 broker(s) are registered.",
                          factor, factor);
    }
    return step_good();
}

uint32_t assign_budget(const struct step *step)
{
    const uint32_t now = step_image(step)->partition_count;
    const uint32_t left = now > SESSION_PARTITIONS_MAX ? 0 : SESSION_PARTITIONS_MAX - now;
    return min_u32(PARTITIONS_OF_REQUEST_MAX, left);
}
