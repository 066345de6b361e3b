#include "control/serve/parts_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/slowpath/channel.h"

enum { BITS = 1000, BIT_LEN = 100 };

static void bit_write(void *context, struct writer *writer, uint32_t bit)
{
    const uint32_t *refused = context;
    for (uint32_t i = 0; i < BIT_LEN; i++) {
        writer_i8(writer, (int8_t)bit);
    }
    writer_error_code(writer, bit % 2 == 0 ? 0 : 1);
    if (bit == *refused) {
        writer_fail(writer, CODEC_UNREPRESENTABLE);
    }
}

static void what_is_written_turn_by_turn_is_whole_and_each_turn_is_short(void **state)
{
    (void)state;
    const uint32_t lens[] = {1, 500, 5000, 1 << 20};
    uint32_t refused = UINT32_MAX;
    for (uint32_t k = 0; k < ARRAY_SIZE(lens); k++) {
        struct parts_answer answer = {0};
        uint32_t turns = 1;
        uint32_t before = 0;
        for (; !parts_answer_build(&answer, BITS, bit_write, &refused, lens[k]); turns++) {
            assert_true(answer.len > before && answer.len - before <= lens[k] + BIT_LEN + 2);
            before = answer.len;
        }
        assert_false(answer.failed);
        assert_int_equal(answer.len, BITS * (BIT_LEN + 2));
        assert_int_equal(answer.errors, BITS / 2);
        assert_true(turns >= answer.len / (lens[k] + BIT_LEN + 2));
        for (uint32_t i = 0; i < BITS; i++) {
            assert_int_equal(answer.body[i * (BIT_LEN + 2)], (uint8_t)i);
        }
        free(answer.body);
    }
}

static void what_cannot_be_said_fails(void **state)
{
    (void)state;
    struct parts_answer answer = {0};
    uint32_t refused = 500;
    while (!parts_answer_build(&answer, BITS, bit_write, &refused, 1000)) {
    }
    assert_true(answer.failed);
    assert_int_equal(answer.next, refused);
    free(answer.body);
}

static void long_write(void *context, struct writer *writer, uint32_t bit)
{
    (void)bit;
    const struct bytes *text = context;
    writer_raw(writer, chain_of(text));
}

static void an_answer_of_more_than_a_core_takes_fails(void **state)
{
    (void)state;
    enum { LONG_BYTES = 1 << 20 };
    struct parts_answer answer = {0};
    uint8_t *room = calloc(1, LONG_BYTES);
    struct bytes text = {room, LONG_BYTES};
    while (!parts_answer_build(&answer, 65, long_write, &text, LONG_BYTES)) {
    }
    assert_true(answer.failed);
    assert_true(answer.len <= SLOW_REPLY_BYTES_MAX);
    free(answer.body);
    free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_turn_by_turn_is_whole_and_each_turn_is_short),
        cmocka_unit_test(what_cannot_be_said_fails),
        cmocka_unit_test(an_answer_of_more_than_a_core_takes_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
