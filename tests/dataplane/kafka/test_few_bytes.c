#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/kafka/few_bytes.h"

enum { LEN_MAX = 130, SOME_MIN = 16 };

static uint32_t page_bytes;

/* Two pages that nobody may touch, and between them one whose ends are theirs. */
static uint8_t *page_make(void)
{
    page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages =
        mmap(NULL, (size_t)3 * page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page_bytes, page_bytes, PROT_READ | PROT_WRITE), 0);
    return pages + page_bytes;
}

static void page_free(uint8_t *page)
{
    assert_int_equal(munmap(page - page_bytes, (size_t)3 * page_bytes), 0);
}

/* len bytes at the page's beginning, or at its end. */
static uint8_t *edge(uint8_t *page, bool end, uint32_t len)
{
    return end ? page + page_bytes - len : page;
}

static void each_byte_counts_and_none_beside_them(void **state)
{
    uint8_t *pages[2] = {page_make(), page_make()};
    (void)state;
    for (uint32_t i = 0; i < 2 * LEN_MAX; i++) {
        const uint32_t len = i / 2;
        uint8_t *a = edge(pages[0], i % 2 == 0, len);
        uint8_t *b = edge(pages[1], i % 2 == 0, len);
        memset(pages[0], 1, page_bytes);
        memset(pages[1], 2, page_bytes);
        memset(a, 3, len);
        memset(b, 3, len);
        assert_true(few_bytes_equal(a, b, len));
        assert_true(len < SOME_MIN || some_bytes_equal(a, b, len));
        for (uint32_t at = 0; at < len; at++) {
            b[at] ^= 0x80;
            assert_false(few_bytes_equal(a, b, len));
            assert_false(len >= SOME_MIN && some_bytes_equal(a, b, len));
            b[at] ^= 0x80;
        }
    }
    page_free(pages[0]);
    page_free(pages[1]);
}

static void all_bytes_are_copied_and_none_beside_them(void **state)
{
    uint8_t *pages[2] = {page_make(), page_make()};
    (void)state;
    for (uint32_t i = 0; i < page_bytes; i++) {
        pages[0][i] = (uint8_t)(i * 7 + i / 256);
    }
    for (uint32_t i = 0; i < 2 * LEN_MAX; i++) {
        const bool end = i % 2 == 0;
        const uint32_t len = i / 2;
        memset(pages[1], 0xee, page_bytes);
        few_bytes_copy(edge(pages[1], end, len), edge(pages[0], end, len), len);
        assert_memory_equal(edge(pages[1], end, len), edge(pages[0], end, len), len);
        assert_int_equal(end ? pages[1][page_bytes - len - 1] : pages[1][len], 0xee);
    }
    page_free(pages[0]);
    page_free(pages[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_counts_and_none_beside_them),
        cmocka_unit_test(all_bytes_are_copied_and_none_beside_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
