#include "control/serve/listed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { GROUPS = 10, HEAD_BYTES_MAX = 16, BODY_BYTES = 1024 };

/* What stands before the groups of an answer, and behind them, is that of one without groups. */
static void groups_that_come_in_parts_are_those_of_the_whole(void **state)
{
    (void)state;
    struct list_groups_response_group groups[GROUPS];
    for (uint32_t i = 0; i < GROUPS; i++) {
        groups[i] = (struct list_groups_response_group){
            CHAIN_TEXT("a group"), i % 2 == 0 ? CHAIN_EMPTY : CHAIN_TEXT("consumer"),
            CHAIN_TEXT("Empty"), CHAIN_TEXT("classic")};
    }
    for (int16_t version = 0; version <= 5; version++) {
        struct arena arena = {0};
        struct listed listed = {0};
        struct list_groups_response whole = list_groups_response_default;
        uint8_t want[BODY_BYTES];
        uint8_t got[BODY_BYTES];
        struct writer writer;
        for (int32_t from = 0, count = 0; from < GROUPS; from += count, count++) {
            listed_add(
                &listed, &arena, version,
                (struct list_groups_response_group_array){.items = &groups[from], .count = count});
        }
        assert_int_equal(listed.groups, GROUPS);
        whole.groups.items = groups;
        whole.groups.count = GROUPS;
        writer_init(&writer, want, sizeof(want));
        assert_int_equal(list_groups_response_encode(&writer, version, &whole), CODEC_OK);
        const uint32_t tail = version >= 3 ? 1 : 0;
        const uint32_t end = writer_used(&writer) - tail;
        writer_init(&writer, got, sizeof(got));
        listed_write(&listed, &writer);
        const uint32_t len = writer_used(&writer);
        assert_true(end > len && end - len <= HEAD_BYTES_MAX);
        assert_memory_equal(got, want + end - len, len);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_that_come_in_parts_are_those_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
