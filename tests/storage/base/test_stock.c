#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/stock.h"

enum { CAPACITY = 5, BYTES = 40 };

static _Alignas(16) uint8_t memory[CAPACITY * 48];
static struct stock stock;

static void make(void)
{
    assert_int_equal(stock_memory_bytes(BYTES, CAPACITY), sizeof(memory));
    stock_init(&stock, memory, BYTES, CAPACITY);
}

static void a_stock_gives_each_object_once(void **state)
{
    (void)state;
    make();
    void *taken[CAPACITY];
    for (uint32_t i = 0; i < CAPACITY; i++) {
        taken[i] = stock_take(&stock);
        assert_non_null(taken[i]);
        assert_int_equal((uintptr_t)taken[i] % 16, 0);
        memset(taken[i], (int)i, BYTES);
        for (uint32_t j = 0; j < i; j++) {
            assert_ptr_not_equal(taken[i], taken[j]);
        }
    }
    assert_null(stock_take(&stock));
    assert_int_equal(stock.used, CAPACITY);
    stock_give(&stock, taken[2]);
    assert_ptr_equal(stock_take(&stock), taken[2]);
    memset(taken[2], 2, BYTES);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        for (uint32_t j = 0; j < BYTES; j++) {
            assert_int_equal(((uint8_t *)taken[i])[j], i);
        }
        stock_give(&stock, taken[i]);
    }
    assert_int_equal(stock.used, 0);
}

static void what_nobody_needs_stays_untouched(void **state)
{
    enum { MANY = 4 * STOCK_TOUCHED_AT_ONCE };
    static _Alignas(16) uint8_t room[MANY * 48];
    (void)state;
    memset(room, 0xaa, sizeof(room));
    stock_init(&stock, room, BYTES, MANY);
    assert_int_equal(room[0], 0xaa);
    assert_non_null(stock_take(&stock));
    for (size_t i = STOCK_TOUCHED_AT_ONCE * 48; i < sizeof(room); i++) {
        assert_int_equal(room[i], 0xaa);
    }
    for (uint32_t i = 1; i < MANY; i++) {
        assert_non_null(stock_take(&stock));
    }
    assert_null(stock_take(&stock));
}

static void several_are_taken_in_a_row(void **state)
{
    (void)state;
    make();
    struct stock_free *one = stock_take(&stock);
    one->of = NULL;
    stock_give(&stock, one);
    struct stock_free *first = stock_first(&stock);
    struct stock_free *last = first->next->next;
    stock_take_row(&stock, last, 3);
    assert_int_equal(stock.used, 3);
    assert_ptr_not_equal(stock_first(&stock), last);
    for (struct stock_free *object = first, *next; stock.used > 0; object = next) {
        next = object->next;
        object->of = NULL;
        stock_give(&stock, object);
    }
    uint32_t count = 0;
    while (stock_take(&stock) != NULL) {
        count++;
    }
    assert_int_equal(count, CAPACITY);
}

static void an_object_given_twice_is_noticed(void **state)
{
    (void)state;
    make();
    int status = 0;
    struct stock_free *object = stock_take(&stock);
    object->of = NULL;
    stock_give(&stock, object);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        stock_give(&stock, object);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stock_gives_each_object_once),
        cmocka_unit_test(what_nobody_needs_stays_untouched),
        cmocka_unit_test(several_are_taken_in_a_row),
        cmocka_unit_test(an_object_given_twice_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
