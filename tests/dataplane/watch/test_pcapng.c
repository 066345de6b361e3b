/* The file block by block; that tshark reads it is tests/interop/seeing.py's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dataplane/watch/pcapng.h"

static uint32_t u32_at(const struct page_text *page, size_t at)
{
    uint32_t value;
    assert_true(at + 4 <= page->len);
    memcpy(&value, page->at + at, sizeof(value));
    return value;
}

/* Walks the blocks: whole, of multiples of four bytes, with their length at both ends. */
static uint32_t blocks(const struct page_text *page, uint32_t types[], size_t starts[],
                       uint32_t capacity)
{
    uint32_t count = 0;
    for (size_t at = 0; at < page->len;) {
        const uint32_t len = u32_at(page, at + 4);
        assert_true(len >= 12 && len % 4 == 0 && at + len <= page->len);
        assert_int_equal(u32_at(page, at + len - 4), len);
        assert_true(count < capacity);
        types[count] = u32_at(page, at);
        starts[count++] = at;
        at += len;
    }
    return count;
}

static void a_file_is_section_interfaces_packets_and_statistics(void **state)
{
    (void)state;
    struct page_text page = {0};
    union {
        struct capture_record record;
        uint8_t room[sizeof(struct capture_record) + 8];
    } frame = {.record = {.len = 1500, .captured = 7, .out = true}};
    memcpy(frame.record.bytes, "payload", 7);
    pcapng_begin(&page, "net_tap0", 2, 96);
    pcapng_packet(&page, 1, UINT64_C(0x123456789abcdef0), &frame.record);
    pcapng_end(&page, 1, 5, 10, 3);
    uint32_t types[8];
    size_t starts[8];
    assert_int_equal(blocks(&page, types, starts, 8), 5);
    static const uint32_t want[] = {0x0a0d0d0a, 1, 1, 6, 5};
    assert_memory_equal(types, want, sizeof(want));
    assert_int_equal(u32_at(&page, 8), 0x1a2b3c4d);
    assert_int_equal(u32_at(&page, starts[1] + 12), 96);
    const size_t packet = starts[3];
    assert_int_equal(u32_at(&page, packet + 8), 1);
    assert_int_equal(u32_at(&page, packet + 12), 0x12345678);
    assert_int_equal(u32_at(&page, packet + 16), 0x9abcdef0);
    assert_int_equal(u32_at(&page, packet + 20), 7);
    assert_int_equal(u32_at(&page, packet + 24), 1500);
    assert_memory_equal(page.at + packet + 28, "payload\0", 8);
    assert_int_equal(u32_at(&page, packet + 40), 2); /* It went out. */
    assert_int_equal(u32_at(&page, starts[4] + 24), 10);
    assert_int_equal(u32_at(&page, starts[4] + 36), 3);
    page_text_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_section_interfaces_packets_and_statistics),
    };
    return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
