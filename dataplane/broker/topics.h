/* Looking up what a request names in the snapshot. */
#ifndef DATAPLANE_BROKER_TOPICS_H
#define DATAPLANE_BROKER_TOPICS_H

#include "dataplane/broker/state.h"
#include "dataplane/slowpath/address.h"

/* The topic of that name, or NULL. */
const struct snapshot_topic *topic_of_name(const struct broker *broker, struct chain name);

/* Fills *id and returns the topic; else *error: UNKNOWN_TOPIC_OR_PARTITION. A partition without a
 * place yet, or whose disk failed, is the owner's to refuse. */
const struct snapshot_topic *topic_partition(const struct snapshot_topic *topic, int32_t index,
                                             struct partition_id *id, int16_t *error);

/* The host that clients are told for this broker: configured, or the address the client has
 * connected to, never 0.0.0.0 (H29). text holds it where it is made. */
enum { HOST_TEXT_BYTES = ADDRESS_TEXT_BYTES };
struct bytes broker_host(const struct snapshot *snapshot, const struct connection *connection,
                         char text[HOST_TEXT_BYTES]);
uint16_t broker_port(const struct snapshot *snapshot, const struct connection *connection);

#endif
