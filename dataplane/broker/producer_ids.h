/* Producer ids: blocks that control grants ahead, so that InitProducerId is served on the core even
 * while control is away (H20). */
#ifndef DATAPLANE_BROKER_PRODUCER_IDS_H
#define DATAPLANE_BROKER_PRODUCER_IDS_H

#include "dataplane/broker/state.h"

/* A block came from control. */
void producer_ids_granted(struct broker *broker, int64_t first, uint32_t count);

/* Asks for a block where one is needed and none is on its way. */
void producer_ids_turn(struct broker *broker);

#endif
