#include "control/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/control_state.h"
#include "storage/record/record.h"
#include "tests/control/bench.h"

enum { CALLS = 600 };

static uint32_t done_count;
static struct call *done_last;
static uint8_t got[1 << 20];
static uint32_t got_len;

static void call_done(struct call *call)
{
    done_count++;
    done_last = call;
    if (call->kind == CALL_READ && call->records.len > 0) {
        memcpy(got + got_len, call->records.ptr, call->records.len);
        got_len += call->records.len;
    }
}

static struct uuid topic_id_of(struct bench *bench)
{
    assert_int_equal(bench_create_topic(bench, "t", 4), ERROR_NONE);
    done_count = 0;
    got_len = 0;
    return bench_topic(bench, "t")->id;
}

static struct bytes batch_of(uint8_t *room, uint32_t capacity, const char *value)
{
    struct batch_builder builder;
    const struct batch_options options = batch_options_none();
    batch_builder_init(&builder, room, capacity, &options);
    assert_true(
        batch_builder_add(&builder, 1, bytes_of_string("key"), bytes_of_string(value), NULL, 0));
    return batch_builder_finish(&builder);
}

static struct call call_to(struct uuid topic_id, uint32_t partition, enum call_kind kind)
{
    return (struct call){.kind = kind,
                         .id = {topic_id, partition},
                         .leader_epoch = -1,
                         .offset = -1,
                         .done = call_done};
}

static void what_is_appended_is_read_back_in_pieces(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1, NULL);
    const struct uuid id = topic_id_of(bench);
    uint8_t room[2000];
    char value[1500];
    memset(value, 'x', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    struct call append = call_to(id, 3, CALL_APPEND);
    append.batch = batch_of(room, sizeof(room), value);
    call_start(bench->control->calls, &append);
    bench_turns(bench, 3);
    assert_int_equal(done_count, 1);
    assert_ptr_equal(done_last, &append);
    assert_int_equal(append.error_code, ERROR_NONE);
    assert_int_equal(append.base_offset, 0);
    struct call read = call_to(id, 3, CALL_READ);
    while (got_len < append.batch.len) {
        read.offset = 0;
        read.skip_bytes = got_len;
        call_start(bench->control->calls, &read);
        bench_turns(bench, 3);
        assert_int_equal(read.end_offset, 1);
    }
    assert_true(bench->reads > 1);
    assert_int_equal(got_len, append.batch.len);
    assert_memory_equal(got + BATCH_AT_CRC, room + BATCH_AT_CRC, got_len - BATCH_AT_CRC);
    bench_free(bench);
}

static void H21_no_more_is_sent_to_a_core_than_it_has_room_for(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1, NULL);
    const struct uuid id = topic_id_of(bench);
    static struct call calls[CALLS];
    uint8_t room[200];
    const struct bytes batch = batch_of(room, sizeof(room), "value");
    bench->holds_appends = true;
    for (uint32_t i = 0; i < CALLS; i++) {
        calls[i] = call_to(id, 0, CALL_APPEND);
        calls[i].batch = batch;
        call_start(bench->control->calls, &calls[i]);
    }
    for (uint32_t answered = 0; answered < CALLS;) {
        const uint32_t sent = bench_log(bench, &id, 0)->appends;
        assert_true(sent <= answered + SLOW_CALLS_MAX);
        bench_turn(bench);
        answered += bench->held_count;
        bench_release(bench);
    }
    bench_turns(bench, 20);
    assert_int_equal(done_count, CALLS);
    for (uint32_t i = 0; i < CALLS; i++) {
        assert_int_equal(calls[i].base_offset, i);
    }
    bench_free(bench);
}

static void the_longest_batch_reaches_its_core_whole(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1, NULL);
    const struct uuid id = topic_id_of(bench);
    static uint8_t room[SLOW_APPEND_BYTES_MAX];
    static char value[SLOW_APPEND_BYTES_MAX - 200];
    memset(value, 'x', sizeof(value) - 1);
    struct call append = call_to(id, 0, CALL_APPEND);
    append.batch = batch_of(room, sizeof(room), value);
    assert_true(append.batch.len > 3 * SLOW_PIECE_BYTES_MAX);
    call_start(bench->control->calls, &append);
    bench_turns(bench, 20);
    assert_int_equal(done_count, 1);
    assert_int_equal(append.error_code, ERROR_NONE);
    assert_int_equal(bench_log(bench, &id, 0)->len, append.batch.len);
    bench_free(bench);
}

static void a_batch_that_no_core_takes_is_refused_here(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1, NULL);
    struct call append = call_to(topic_id_of(bench), 0, CALL_APPEND);
    append.batch = (struct bytes){got, SLOW_APPEND_BYTES_MAX + 1};
    call_start(bench->control->calls, &append);
    assert_int_equal(done_count, 1);
    assert_int_equal(append.error_code, ERROR_MESSAGE_TOO_LARGE);
    bench_free(bench);
}

static void H17_the_end_of_a_session_forgets_what_it_was_asked(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1, NULL);
    const struct uuid id = topic_id_of(bench);
    uint8_t room[200];
    struct call append = call_to(id, 0, CALL_APPEND);
    append.batch = batch_of(room, sizeof(room), "value");
    bench->holds_appends = true;
    call_start(bench->control->calls, &append);
    bench_turns(bench, 3);
    bench_stop_dataplane(bench);
    bench_turns(bench, 3);
    assert_int_equal(done_count, 0);
    bench_start_dataplane(bench);
    bench_turns(bench, 20);
    bench->holds_appends = false;
    call_start(bench->control->calls, &append);
    bench_turns(bench, 3);
    assert_int_equal(done_count, 1);
    assert_int_equal(append.base_offset, 1);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_read_back_in_pieces),
        cmocka_unit_test(H21_no_more_is_sent_to_a_core_than_it_has_room_for),
        cmocka_unit_test(the_longest_batch_reaches_its_core_whole),
        cmocka_unit_test(a_batch_that_no_core_takes_is_refused_here),
        cmocka_unit_test(H17_the_end_of_a_session_forgets_what_it_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
