#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/arena.h"

static void pieces_are_clear_aligned_and_apart(void **state)
{
    (void)state;
    struct arena arena = {0};
    uint8_t *last = NULL;
    size_t last_bytes = 0;
    for (size_t i = 0; i < 3000; i++) {
        const size_t bytes = i % 40 == 0 ? 20000 : i % 50; /* Over the end of many chunks. */
        uint8_t *piece = arena_take(&arena, bytes);
        assert_int_equal((uintptr_t)piece % 16, 0);
        for (size_t j = 0; j < bytes; j++) {
            assert_int_equal(piece[j], 0);
            piece[j] = (uint8_t)i;
        }
        if (last != NULL && last_bytes > 0) {
            assert_int_equal(last[last_bytes - 1], (uint8_t)(i - 1));
        }
        last = piece;
        last_bytes = bytes;
    }
    arena_free(&arena);
    assert_null(arena.chunks);
}

static void a_chain_of_pieces_becomes_one_terminated_text(void **state)
{
    (void)state;
    struct arena arena = {0};
    const struct bytes parts[] = {bytes_of_string("he"), bytes_of_string("l"),
                                  bytes_of_string("lo!")};
    const struct chain chain = {.parts = parts, .offset = 0, .len = 5};
    const struct bytes flat = arena_flat(&arena, chain);
    assert_int_equal(flat.len, 5);
    assert_string_equal((const char *)flat.ptr, "hello");
    assert_null(arena_flat(&arena, (struct chain){0}).ptr);
    arena_free(&arena);
}

static void long_text_is_cut(void **state)
{
    (void)state;
    struct arena arena = {0};
    const struct chain text = arena_text(&arena, "%05000d", 7);
    assert_int_equal(text.len, 1023);
    const struct chain plain = arena_text(&arena, "%s-%d", "a", 3);
    assert_true(chain_equals(plain, bytes_of_string("a-3")));
    arena_free(&arena);
}

static void an_array_keeps_its_items_while_it_grows(void **state)
{
    (void)state;
    struct arena arena = {0};
    uint32_t capacity = 0;
    uint32_t *items = NULL;
    for (uint32_t i = 0; i < 100; i++) {
        items = arena_room(&arena, items, sizeof(*items), i, &capacity);
        assert_true(i < capacity);
        items[i] = i;
    }
    assert_int_equal(capacity, 128);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(items[i], i);
    }
    arena_free(&arena);
}

static void what_holds_little_takes_little(void **state)
{
    (void)state;
    struct arena arena = {0};
    (void)arena_take(&arena, 100);
    assert_true(arena.total <= 1024);
    arena_free(&arena);
}

static void a_record_begins_with_its_number(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct writer writer;
    const struct bytes record = arena_record(&arena, &writer, 1, 0x0102);
    writer_i8(&writer, 3);
    assert_int_equal(writer.status, CODEC_OK);
    assert_int_equal(record.len, 3);
    assert_memory_equal(record.ptr, "\1\2\3", 3);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_clear_aligned_and_apart),
        cmocka_unit_test(a_chain_of_pieces_becomes_one_terminated_text),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(an_array_keeps_its_items_while_it_grows),
        cmocka_unit_test(what_holds_little_takes_little),
        cmocka_unit_test(a_record_begins_with_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
