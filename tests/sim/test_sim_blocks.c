#include <sanitizer/asan_interface.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES = 300001, ROUNDS = 100 };

static uint8_t *block_take(void)
{
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, 4096, BYTES), 0);
    assert_int_equal((uintptr_t)memory % 4096, 0);
    memset(memory, 7, BYTES);
    return memory;
}

static void a_block_is_poisoned_around_its_bytes_and_when_it_is_given_back(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint8_t *block = block_take();
        assert_null(__asan_region_is_poisoned(block, BYTES));
        assert_true(__asan_address_is_poisoned(block - 1));
        assert_true(__asan_address_is_poisoned(block + BYTES));
        uint8_t *volatile gone = block;
        free(block);
        assert_true(__asan_address_is_poisoned(gone));
        assert_true(__asan_address_is_poisoned(gone + BYTES - 1));
    }
}

static void a_block_comes_again_and_not_at_once(void **state)
{
    (void)state;
    uint8_t *volatile first = block_take();
    free(first);
    uint32_t others = 0;
    for (uint8_t *block = block_take(); block != first; block = block_take()) {
        free(block);
        assert_true(++others < ROUNDS);
    }
    free(first);
    assert_true(others >= 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_poisoned_around_its_bytes_and_when_it_is_given_back),
        cmocka_unit_test(a_block_comes_again_and_not_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
