#include "dataplane/broker/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/dataplane/broker/rig.h"

enum { ROOM = 2 << 20 };
static uint8_t payload[ROOM];

static struct slow_header to_partition(struct rig *rig, enum slow_kind kind, uint64_t number)
{
    struct slow_header header;
    memset(&header, 0, sizeof(header));
    header.kind = (uint16_t)kind;
    header.request_number = number;
    header.topic_id = rig_find(rig, "__consumer_offsets")->id;
    header.leader_epoch = -1;
    return header;
}

static struct rig *rig_ready(void)
{
    struct rig *rig = rig_with_topic(1, "__consumer_offsets", 1);
    rig_find(rig, "__consumer_offsets")->internal = true;
    rig_publish(rig);
    rig_run_ms(rig, 1);
    return rig;
}

static void append_send(struct rig *rig, uint64_t number, uint32_t value_bytes)
{
    uint8_t *room = malloc(ROOM);
    const struct slow_header header = to_partition(rig, SLOW_APPEND, number);
    const struct batch_spec spec = {.value_bytes = value_bytes, .first_value = (int64_t)number};
    rig_control_answer(rig, 0, &header, batch_make(rig, &spec, room, ROOM));
    free(room);
}

static struct slow_header answer_of(struct rig *rig, enum slow_kind kind, uint64_t number,
                                    uint32_t *len)
{
    struct slow_header header;
    rig_control_wait(rig, 0, &header, payload, sizeof(payload), len);
    assert_int_equal(header.kind, kind);
    assert_int_equal(header.request_number, number);
    return header;
}

static int64_t append(struct rig *rig, uint64_t number, uint32_t value_bytes)
{
    uint32_t len;
    append_send(rig, number, value_bytes);
    const struct slow_header header = answer_of(rig, SLOW_APPENDED, number, &len);
    assert_int_equal(header.error_code, ERROR_NONE);
    return header.offset;
}

static struct slow_header read_from(struct rig *rig, uint64_t number, int64_t offset, uint32_t skip,
                                    uint32_t *len)
{
    struct slow_header header = to_partition(rig, SLOW_READ, number);
    header.offset = offset;
    header.skip_bytes = skip;
    rig_control_answer(rig, 0, &header, (struct bytes){0});
    return answer_of(rig, SLOW_RECORDS, number, len);
}

static void what_control_appends_to_an_internal_topic_is_read_back(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct batch_header batch;
    uint32_t len;
    assert_int_equal(append(rig, 1, 100), 0);
    assert_int_equal(append(rig, 2, 100), 1);
    const struct slow_header header = read_from(rig, 3, -1, 0, &len);
    assert_int_equal(header.error_code, ERROR_NONE);
    assert_int_equal(header.offset, 0);
    assert_int_equal(header.end_offset, 2);
    struct bytes rest = {payload, len};
    struct bytes whole;
    for (int64_t i = 0; i < 2; i++) {
        assert_int_equal(batch_next(&rest, &batch, &whole), BATCH_OK);
        assert_int_equal(batch.base_offset, i);
    }
    assert_int_equal(rest.len, 0);
    (void)read_from(rig, 4, 2, 0, &len);
    assert_int_equal(len, 0);
    assert_int_equal(read_from(rig, 5, 3, 0, &len).error_code, ERROR_OFFSET_OUT_OF_RANGE);
    rig_destroy(rig);
}

static void an_append_is_answered_when_it_is_flushed(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    for (uint64_t i = 1; i < 20; i++) {
        (void)append(rig, i, 100);
        struct log *log = rig->cores[0].log;
        const struct partition_id id = {rig_find(rig, "__consumer_offsets")->id, 0};
        assert_int_equal(partition_flushed(log_find(log, &id)), i);
    }
    rig_destroy(rig);
}

static void a_batch_longer_than_a_piece_is_read_in_several(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    uint32_t len;
    uint32_t got = 0;
    assert_int_equal(append(rig, 1, 900 * 1024), 0);
    struct batch_header batch;
    do {
        (void)read_from(rig, 2 + got, 0, got, &len);
        if (got == 0) {
            const struct bytes head = {payload, len};
            assert_int_equal(batch_parse_header(chain_of(&head), &batch), BATCH_OK);
            assert_true(batch.size_bytes > 900 * 1024);
        }
        assert_true(len > 0 && len <= SLOW_PIECE_BYTES_MAX);
        got += len;
    } while (got < batch.size_bytes);
    assert_int_equal(got, batch.size_bytes);
    rig_destroy(rig);
}

static void a_call_to_a_partition_that_is_not_here_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    uint32_t len;
    struct slow_header header = to_partition(rig, SLOW_READ, 9);
    header.partition = 77;
    rig_control_answer(rig, 0, &header, (struct bytes){0});
    assert_int_not_equal(answer_of(rig, SLOW_RECORDS, 9, &len).error_code, ERROR_NONE);
    header = to_partition(rig, SLOW_READ, 10);
    header.leader_epoch = 1000;
    rig_control_answer(rig, 0, &header, (struct bytes){0});
    assert_int_equal(answer_of(rig, SLOW_RECORDS, 10, &len).error_code, ERROR_UNKNOWN_LEADER_EPOCH);
    rig_destroy(rig);
}

static void bounds_are_told_without_a_record(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    uint32_t len;
    struct slow_header header = read_from(rig, 1, SLOW_READ_BOUNDS, 0, &len);
    assert_int_equal(header.error_code, ERROR_NONE);
    assert_int_equal(header.offset, 0);
    assert_int_equal(header.end_offset, 0);
    assert_int_equal(append(rig, 2, 100), 0);
    assert_int_equal(append(rig, 3, 100), 1);
    header = read_from(rig, 4, SLOW_READ_BOUNDS, 0, &len);
    assert_int_equal(header.offset, 0);
    assert_int_equal(header.end_offset, 2);
    assert_int_equal(len, 0);
    rig_destroy(rig);
}

static void many_appends_at_once_keep_their_order(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    uint32_t len;
    for (uint64_t i = 0; i < SLOW_CALLS_MAX; i++) {
        append_send(rig, i, 30);
    }
    for (uint64_t i = 0; i < SLOW_CALLS_MAX; i++) {
        assert_int_equal(answer_of(rig, SLOW_APPENDED, i, &len).offset, i);
    }
    rig_destroy(rig);
}

static void H17_a_new_session_reads_all_that_the_one_before_has_appended(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    uint32_t len;
    append_send(rig, 1, 100);
    while (rig->cores[0].broker->appends_lent == 0) {
        rig_turn(rig);
    }
    rig_control_go(rig); /* Killed with an append on its way to the device. */
    rig_control_come(rig);
    const struct slow_header header = read_from(rig, 2, -1, 0, &len);
    assert_int_equal(header.end_offset, 1);
    assert_true(len > 100);
    assert_int_equal(append(rig, 3, 100), 1);
    rig_destroy(rig);
}

static void H17_what_has_not_reached_the_log_goes_with_its_session(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    uint32_t len;
    (void)append(rig, 1, 100);
    struct broker *broker = rig->cores[0].broker;
    append_send(rig, 2, 100);
    rig_control_go(rig);
    rig_control_come(rig);
    const struct slow_header header = read_from(rig, 3, -1, 0, &len);
    assert_true(header.end_offset == 1 || header.end_offset == 2);
    assert_int_equal(append(rig, 4, 100), header.end_offset);
    assert_int_equal(broker->calls.used, 0);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_control_appends_to_an_internal_topic_is_read_back),
        cmocka_unit_test(an_append_is_answered_when_it_is_flushed),
        cmocka_unit_test(a_batch_longer_than_a_piece_is_read_in_several),
        cmocka_unit_test(a_call_to_a_partition_that_is_not_here_is_refused),
        cmocka_unit_test(bounds_are_told_without_a_record),
        cmocka_unit_test(many_appends_at_once_keep_their_order),
        cmocka_unit_test(H17_a_new_session_reads_all_that_the_one_before_has_appended),
        cmocka_unit_test(H17_what_has_not_reached_the_log_goes_with_its_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
