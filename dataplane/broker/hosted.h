/* The partitions of this core, as the snapshot wants them: opened, configured and deleted here. */
#ifndef DATAPLANE_BROKER_HOSTED_H
#define DATAPLANE_BROKER_HOSTED_H

#include "dataplane/broker/state.h"

/* The open partition, or NULL. */
struct hosted *hosted_find(struct broker *broker, const struct partition_id *id);

/* As hosted_find; *error says why the request cannot be served. leader_epoch: the client's, -1 is
 * not checked (B30). *current_epoch: the epoch it should use, -1 unknown. */
struct hosted *hosted_check(struct broker *broker, const struct partition_id *id,
                            int32_t leader_epoch, int16_t *error, int32_t *current_epoch);

/* Goes on applying broker->applying. Returns the work done. */
uint32_t hosted_apply_turn(struct broker *broker, uint32_t budget);

uint64_t hosted_deadline_ns(const struct broker *broker);

/* The log has opened or deleted it. */
void hosted_operation_done(struct broker *broker, struct log_operation *operation);

#endif
