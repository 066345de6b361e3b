/* The one place where outcomes of the log become Kafka's error codes. */
#ifndef DATAPLANE_BROKER_ERROR_MAP_H
#define DATAPLANE_BROKER_ERROR_MAP_H

#include "dataplane/kafka/errors.h"
#include "storage/log/log.h"

/* LOG_OK and LOG_PENDING are ERROR_NONE; LOG_BATCH_REFUSED needs the refusal, see below. */
int16_t error_of_log(enum log_status status);

int16_t error_of_refusal(enum validate_status refusal);

/* A constant sentence for the client about a failed append, or NULL. */
const char *error_message_of_append(const struct append *append);
int16_t error_of_append(const struct append *append);
/* True where only the log could find the failure: then Kafka tells the log's start with it
 * (ReplicaManager.scala, appendToLocalLog). */
bool append_failure_tells_log_start(const struct append *append);

/* Clients that speak Fetch 5 and older do not know KAFKA_STORAGE_ERROR (KafkaApis.scala
 * maybeDownConvertStorageError). */
int16_t error_for_fetch(int16_t error, int16_t version);

#endif
