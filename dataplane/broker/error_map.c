#include "dataplane/broker/error_map.h"

enum { CODECS_FOUND_BY_LOG_FROM = 7 };

int16_t error_of_log(enum log_status status)
{
    switch (status) {
    case LOG_OK:
    case LOG_PENDING: return ERROR_NONE;
    case LOG_BATCH_REFUSED: return ERROR_INVALID_RECORD;
    case LOG_OFFSET_OUT_OF_RANGE: return ERROR_OFFSET_OUT_OF_RANGE;
    case LOG_INVALID_PRODUCER_EPOCH: return ERROR_INVALID_PRODUCER_EPOCH;
    case LOG_OUT_OF_ORDER_SEQUENCE: return ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case LOG_TXN_UNVERIFIED: /* Where nobody can be asked. */
    case LOG_INVALID_TXN_STATE: return ERROR_INVALID_TXN_STATE;
    case LOG_COORDINATOR_FENCED: return ERROR_TRANSACTION_COORDINATOR_FENCED;
    case LOG_TOO_LARGE_FOR_SEGMENT: return ERROR_RECORD_LIST_TOO_LARGE;
    case LOG_BUSY:           /* Given up waiting for room. */
    case LOG_PRODUCERS_FULL: /* Producers expire, or the operator gives more room: retriable. */
    case LOG_NO_SPACE:
    case LOG_READ_ONLY:
    case LOG_IO_ERROR:
    case LOG_FENCED: return ERROR_KAFKA_STORAGE_ERROR;
    case LOG_CORRUPT: return ERROR_CORRUPT_MESSAGE;
    case LOG_CLOSED: /* Deleted or stopping: metadata will tell where to go. */
        return ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    return ERROR_UNKNOWN_SERVER_ERROR;
}

int16_t error_of_refusal(enum validate_status refusal)
{
    static const int16_t errors[VALIDATE_STATUSES] = {
        [VALIDATE_OK] = ERROR_NONE,
        [VALIDATE_MORE] = ERROR_UNKNOWN_SERVER_ERROR,
        [VALIDATE_NO_BATCH] = ERROR_INVALID_RECORD,
        [VALIDATE_MANY_BATCHES] = ERROR_INVALID_RECORD,
        [VALIDATE_BAD_LENGTH] = ERROR_CORRUPT_MESSAGE,
        [VALIDATE_BAD_MAGIC] = ERROR_CORRUPT_MESSAGE,
        [VALIDATE_OLD_MAGIC] = ERROR_INVALID_RECORD,
        [VALIDATE_ZSTD_REFUSED] = ERROR_UNSUPPORTED_COMPRESSION_TYPE,
        [VALIDATE_BAD_BASE_OFFSET] = ERROR_INVALID_RECORD,
        [VALIDATE_TOO_LARGE] = ERROR_MESSAGE_TOO_LARGE,
        [VALIDATE_SEGMENT_TOO_SMALL] = ERROR_RECORD_LIST_TOO_LARGE,
        [VALIDATE_BAD_CRC] = ERROR_CORRUPT_MESSAGE,
        [VALIDATE_BAD_CODEC] = ERROR_UNKNOWN_SERVER_ERROR,
        [VALIDATE_NO_MEMORY] = ERROR_UNKNOWN_SERVER_ERROR,
        [VALIDATE_BAD_COUNT] = ERROR_INVALID_RECORD,
        [VALIDATE_CONTROL_REFUSED] = ERROR_INVALID_RECORD,
        [VALIDATE_TXN_REFUSED] = ERROR_INVALID_TXN_STATE,
        [VALIDATE_BAD_SEQUENCE] = ERROR_INVALID_RECORD,
        [VALIDATE_BAD_COMPRESSION] = ERROR_UNKNOWN_SERVER_ERROR,
        [VALIDATE_INFLATED_TOO_LARGE] = ERROR_MESSAGE_TOO_LARGE,
        [VALIDATE_WINDOW] = ERROR_UNSUPPORTED_COMPRESSION_TYPE,
        [VALIDATE_BAD_RECORD] = ERROR_INVALID_RECORD,
        [VALIDATE_BAD_OFFSETS] = ERROR_INVALID_RECORD,
        [VALIDATE_RECORDS_REFUSED] = ERROR_INVALID_RECORD,
        [VALIDATE_BAD_TIMESTAMP] = ERROR_INVALID_TIMESTAMP,
    };
    return refusal < VALIDATE_STATUSES ? errors[refusal] : (int16_t)ERROR_UNKNOWN_SERVER_ERROR;
}

int16_t error_of_append(const struct append *append)
{
    return append->status == LOG_BATCH_REFUSED ? error_of_refusal(append->refusal)
                                               : error_of_log(append->status);
}

bool append_failure_tells_log_start(const struct append *append)
{
    static const bool found_by_log[VALIDATE_STATUSES] = {
        [VALIDATE_BAD_BASE_OFFSET] = true, [VALIDATE_BAD_CODEC] = true,
        [VALIDATE_BAD_COUNT] = true,       [VALIDATE_CONTROL_REFUSED] = true,
        [VALIDATE_BAD_SEQUENCE] = true,    [VALIDATE_BAD_COMPRESSION] = true,
        [VALIDATE_BAD_RECORD] = true,      [VALIDATE_BAD_OFFSETS] = true,
        [VALIDATE_RECORDS_REFUSED] = true, [VALIDATE_BAD_TIMESTAMP] = true,
    };
    /* Before version 7 Kafka looks at the codec before it asks the log. */
    const bool found_before =
        append->refusal == VALIDATE_BAD_CODEC && append->api_version < CODECS_FOUND_BY_LOG_FROM;
    return append->status == LOG_OUT_OF_ORDER_SEQUENCE ||
           append->status == LOG_INVALID_PRODUCER_EPOCH ||
           (append->status == LOG_BATCH_REFUSED && append->refusal < VALIDATE_STATUSES &&
            found_by_log[append->refusal] && !found_before);
}

const char *error_message_of_append(const struct append *append)
{
    switch (append->status) {
    case LOG_BATCH_REFUSED: return validate_status_text(append->refusal);
    case LOG_PRODUCERS_FULL: return "the broker remembers as many producers as it has memory for";
    case LOG_NO_SPACE: return "no space is left on the device";
    case LOG_READ_ONLY: return "the file system is read-only";
    case LOG_BUSY:
    case LOG_IO_ERROR:
    case LOG_FENCED: return "the device failed";
    case LOG_OK:
    case LOG_PENDING:
    case LOG_OFFSET_OUT_OF_RANGE:
    case LOG_INVALID_PRODUCER_EPOCH:
    case LOG_OUT_OF_ORDER_SEQUENCE:
    case LOG_INVALID_TXN_STATE:
    case LOG_TXN_UNVERIFIED:
    case LOG_COORDINATOR_FENCED:
    case LOG_TOO_LARGE_FOR_SEGMENT:
    case LOG_CORRUPT:
    case LOG_CLOSED: break;
    }
    return NULL;
}

int16_t error_for_fetch(int16_t error, int16_t version)
{
    return error == ERROR_KAFKA_STORAGE_ERROR && version <= 5
               ? (int16_t)ERROR_NOT_LEADER_OR_FOLLOWER
               : error;
}
