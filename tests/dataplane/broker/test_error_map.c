#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/broker/error_map.h"

/* clang-format off */
static const struct { enum log_status status; int16_t error; } log_cases[] = {
    {LOG_OK,                     ERROR_NONE},
    {LOG_PENDING,                ERROR_NONE},
    {LOG_OFFSET_OUT_OF_RANGE,    ERROR_OFFSET_OUT_OF_RANGE},
    {LOG_INVALID_PRODUCER_EPOCH, ERROR_INVALID_PRODUCER_EPOCH},
    {LOG_OUT_OF_ORDER_SEQUENCE,  ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER},
    {LOG_INVALID_TXN_STATE,      ERROR_INVALID_TXN_STATE},
    {LOG_TXN_UNVERIFIED,         ERROR_INVALID_TXN_STATE},
    {LOG_COORDINATOR_FENCED,     ERROR_TRANSACTION_COORDINATOR_FENCED},
    {LOG_PRODUCERS_FULL,         ERROR_KAFKA_STORAGE_ERROR},
    {LOG_TOO_LARGE_FOR_SEGMENT,  ERROR_RECORD_LIST_TOO_LARGE},
    {LOG_NO_SPACE,               ERROR_KAFKA_STORAGE_ERROR},
    {LOG_READ_ONLY,              ERROR_KAFKA_STORAGE_ERROR},
    {LOG_IO_ERROR,               ERROR_KAFKA_STORAGE_ERROR},
    {LOG_FENCED,                 ERROR_KAFKA_STORAGE_ERROR},
    {LOG_CORRUPT,                ERROR_CORRUPT_MESSAGE},
    {LOG_CLOSED,                 ERROR_NOT_LEADER_OR_FOLLOWER},
};

static const struct { enum validate_status refusal; int16_t error; } refusal_cases[] = {
    {VALIDATE_NO_BATCH,           ERROR_INVALID_RECORD},
    {VALIDATE_MANY_BATCHES,       ERROR_INVALID_RECORD},
    {VALIDATE_BAD_LENGTH,         ERROR_CORRUPT_MESSAGE},
    {VALIDATE_BAD_MAGIC,          ERROR_CORRUPT_MESSAGE},
    {VALIDATE_OLD_MAGIC,          ERROR_INVALID_RECORD},
    {VALIDATE_ZSTD_REFUSED,       ERROR_UNSUPPORTED_COMPRESSION_TYPE},
    {VALIDATE_BAD_BASE_OFFSET,    ERROR_INVALID_RECORD},
    {VALIDATE_TOO_LARGE,          ERROR_MESSAGE_TOO_LARGE},
    {VALIDATE_SEGMENT_TOO_SMALL,  ERROR_RECORD_LIST_TOO_LARGE},
    {VALIDATE_BAD_CRC,            ERROR_CORRUPT_MESSAGE},
    {VALIDATE_BAD_COUNT,          ERROR_INVALID_RECORD},
    {VALIDATE_CONTROL_REFUSED,    ERROR_INVALID_RECORD},
    {VALIDATE_TXN_REFUSED,        ERROR_INVALID_TXN_STATE},
    {VALIDATE_BAD_SEQUENCE,       ERROR_INVALID_RECORD},
    {VALIDATE_BAD_RECORD,         ERROR_INVALID_RECORD},
    {VALIDATE_BAD_OFFSETS,        ERROR_INVALID_RECORD},
    {VALIDATE_RECORDS_REFUSED,    ERROR_INVALID_RECORD},
    {VALIDATE_BAD_TIMESTAMP,      ERROR_INVALID_TIMESTAMP},
};
/* clang-format on */

static void outcomes_of_the_log_have_their_kafka_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(log_cases); i++) {
        assert_int_equal(error_of_log(log_cases[i].status), log_cases[i].error);
    }
}

static void B19_refused_batches_have_their_kafka_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusal_cases); i++) {
        const struct append append = {.status = LOG_BATCH_REFUSED,
                                      .refusal = refusal_cases[i].refusal};
        assert_int_equal(error_of_append(&append), refusal_cases[i].error);
        assert_non_null(error_message_of_append(&append));
    }
}

static void the_log_start_is_told_of_what_the_log_has_found(void **state)
{
    (void)state;
    struct append append = {.status = LOG_BATCH_REFUSED, .api_version = 7};
    append.refusal = VALIDATE_BAD_CODEC;
    assert_true(append_failure_tells_log_start(&append));
    append.api_version = 6; /* Kafka then looks before it asks the log. */
    assert_false(append_failure_tells_log_start(&append));
    append.refusal = VALIDATE_BAD_COUNT;
    assert_true(append_failure_tells_log_start(&append));
    append.refusal = VALIDATE_BAD_CRC;
    assert_false(append_failure_tells_log_start(&append));
}

static void every_refusal_is_an_error(void **state)
{
    (void)state;
    for (int refusal = VALIDATE_OK + 1; refusal < VALIDATE_STATUSES; refusal++) {
        assert_int_not_equal(error_of_refusal((enum validate_status)refusal), ERROR_NONE);
    }
}

static void old_fetches_are_not_told_of_storage_errors(void **state)
{
    (void)state;
    assert_int_equal(error_for_fetch(ERROR_KAFKA_STORAGE_ERROR, 5), ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(error_for_fetch(ERROR_KAFKA_STORAGE_ERROR, 6), ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(error_for_fetch(ERROR_CORRUPT_MESSAGE, 5), ERROR_CORRUPT_MESSAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_of_the_log_have_their_kafka_error),
        cmocka_unit_test(B19_refused_batches_have_their_kafka_error),
        cmocka_unit_test(the_log_start_is_told_of_what_the_log_has_found),
        cmocka_unit_test(every_refusal_is_an_error),
        cmocka_unit_test(old_fetches_are_not_told_of_storage_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
