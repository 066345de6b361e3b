#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/log/aborted.h"

enum { CHUNKS = 4, ALL = CHUNKS * ABORTED_CHUNK_ENTRIES };

static struct pool pool;
static struct aborted_list list;
static void *memory;

static int begin(void **state)
{
    (void)state;
    memory = malloc(pool_memory_bytes(sizeof(struct aborted_chunk), CHUNKS));
    assert_non_null(memory);
    pool_init(&pool, memory, sizeof(struct aborted_chunk), CHUNKS);
    aborted_init(&list, &pool);
    return 0;
}

static int end(void **state)
{
    (void)state;
    aborted_clear(&list);
    assert_int_equal(pool.used, 0);
    free(memory);
    return 0;
}

/* Number n begins at 10 n and has its marker at 10 n + 5. */
static struct aborted_txn numbered(int64_t n)
{
    return (struct aborted_txn){n, 10 * n, 10 * n + 5, 10 * n + 6};
}

static void add(int64_t count)
{
    for (int64_t n = 0; n < count; n++) {
        const struct aborted_txn txn = numbered(n);
        assert_true(aborted_add(&list, &txn));
    }
}

static void those_that_touch_the_range_are_found(void **state)
{
    (void)state;
    static const struct {
        int64_t from;
        int64_t upper;
        int64_t first;
        uint32_t count;
    } cases[] = {
        {0, 1, 0, 1},      {5, 6, 0, 1},     {6, 10, 0, 0},     {6, 11, 1, 1},
        {0, 10, 0, 1},     {0, 11, 0, 2},    {15, 16, 1, 1},    {16, 20, 0, 0},
        {0, 1000, 0, 100}, {996, 999, 0, 0}, {995, 999, 99, 1}, {300, 340, 30, 4},
        {305, 311, 30, 2}, {0, 0, 0, 0},
    };
    add(100);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct aborted_txn found[128];
        const uint32_t count =
            aborted_find(&list, cases[i].from, cases[i].upper, found, ARRAY_SIZE(found));
        assert_int_equal(count, cases[i].count);
        for (uint32_t n = 0; n < count; n++) {
            assert_int_equal(found[n].producer_id, cases[i].first + n);
        }
    }
}

static void what_does_not_fit_is_counted(void **state)
{
    (void)state;
    struct aborted_txn found[3] = {{.producer_id = -1}, {.producer_id = -1}, {.producer_id = -1}};
    add(100);
    assert_int_equal(aborted_find(&list, 0, 1000, found, 2), 100);
    assert_int_equal(found[1].producer_id, 1);
    assert_int_equal(found[2].producer_id, -1);
}

/* A long one that began early and ends behind short ones. */
static void one_that_spans_others_is_found_behind_them(void **state)
{
    (void)state;
    static const struct aborted_txn txns[] = {
        {1, 10, 20, 5}, {2, 25, 30, 5}, {3, 5, 40, 41}, {4, 50, 60, 61}};
    for (size_t i = 0; i < ARRAY_SIZE(txns); i++) {
        assert_true(aborted_add(&list, &txns[i]));
    }
    struct aborted_txn found[4];
    assert_int_equal(aborted_find(&list, 22, 24, found, 4), 1);
    assert_int_equal(found[0].producer_id, 3);
    assert_int_equal(aborted_find(&list, 12, 26, found, 4), 3);
    assert_int_equal(aborted_find(&list, 41, 50, found, 4), 0);
}

static void room_is_bounded_and_comes_back(void **state)
{
    (void)state;
    const struct aborted_txn more = numbered(ALL);
    add(ALL);
    assert_false(aborted_has_room(&list));
    assert_false(aborted_add(&list, &more));
    assert_int_equal(list.count, ALL);
    aborted_forget(&list, 10 * ABORTED_CHUNK_ENTRIES - 5);
    assert_int_equal(list.count, ALL); /* The chunk's last marker lies there. */
    aborted_forget(&list, 10 * ABORTED_CHUNK_ENTRIES);
    assert_int_equal(list.count, ALL - ABORTED_CHUNK_ENTRIES);
    assert_true(aborted_has_room(&list));
    assert_true(aborted_add(&list, &more));
    struct aborted_txn found;
    assert_int_equal(aborted_find(&list, 10 * ALL, 10 * ALL + 1, &found, 1), 1);
    assert_int_equal(found.producer_id, ALL);
}

static void the_end_is_taken_back(void **state)
{
    (void)state;
    for (int64_t keep = 0; keep <= 70; keep++) {
        struct aborted_txn found;
        add(70);
        assert_int_equal(aborted_truncate(&list, 10 * keep), 70 - keep);
        assert_int_equal(list.count, keep);
        assert_int_equal(pool.used,
                         ((uint32_t)keep + ABORTED_CHUNK_ENTRIES - 1) / ABORTED_CHUNK_ENTRIES);
        const struct aborted_txn next = numbered(100);
        assert_true(aborted_add(&list, &next));
        assert_int_equal(aborted_find(&list, 1000, 1001, &found, 1), 1);
        aborted_clear(&list);
    }
}

static void entries_have_their_place(void **state)
{
    (void)state;
    add(100);
    for (uint32_t at = 0; at < 100; at++) {
        uint32_t place;
        const struct aborted_chunk *chunk = aborted_chunk_at(&list, at, &place);
        assert_int_equal(chunk->entries[place].producer_id, at);
    }
}

/* AbortedTxn.java: version, producer id, first, last, last stable offset. */
/* What a compaction leaves of them; whole chunks come back. */
static void only_the_kept_ones_of_a_range_stay(void **state)
{
    (void)state;
    struct aborted_txn found[128];
    const struct aborted_txn kept[] = {numbered(12), numbered(70)};
    add(100);
    aborted_keep(&list, 105, 956, kept, ARRAY_SIZE(kept));
    assert_int_equal(aborted_find(&list, 0, 2000, found, ARRAY_SIZE(found)), 10 + 2 + 4);
    assert_int_equal(found[9].producer_id, 9);
    assert_int_equal(found[10].producer_id, 12);
    assert_int_equal(found[11].producer_id, 70);
    assert_int_equal(found[12].producer_id, 96);
    assert_int_equal(pool.used, 3); /* Entries 31 to 61 were a chunk. */
    uint32_t place;
    const struct aborted_chunk *chunk = aborted_chunk_at(&list, list.count - 1, &place);
    assert_int_equal(chunk->entries[place].producer_id, 99);
    aborted_keep(&list, 0, 2000, NULL, 0);
    assert_int_equal(aborted_find(&list, 0, 2000, found, ARRAY_SIZE(found)), 0);
    assert_int_equal(pool.used, 1);
    const struct aborted_txn next = numbered(200);
    assert_true(aborted_add(&list, &next));
    assert_int_equal(aborted_find(&list, 0, 3000, found, ARRAY_SIZE(found)), 1);
}

static void an_index_entry_is_kafkas(void **state)
{
    (void)state;
    static const uint8_t bytes[TXN_INDEX_ENTRY_BYTES] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
                                                         0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
                                                         0, 3, 0, 0, 0, 0, 0, 0, 1, 4};
    const struct aborted_txn txn = {1, 2, 3, 0x104};
    uint8_t written[TXN_INDEX_ENTRY_BYTES];
    txn_index_write(written, &txn);
    assert_memory_equal(written, bytes, sizeof(bytes));
    const struct aborted_txn read = txn_index_read(bytes);
    assert_memory_equal(&read, &txn, sizeof(txn));
}

static void an_index_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct aborted_txn txns[2];
        bool right;
    } cases[] = {
        {"two", {{1, 2, 12, 13}, {2, 14, 15, 16}}, true},
        {"begun before the segment", {{1, 0, 12, 13}, {2, 3, 15, 3}}, true},
        {"markers fall", {{1, 2, 15, 16}, {2, 3, 14, 15}}, false},
        {"a marker twice", {{1, 2, 15, 16}, {2, 3, 15, 16}}, false},
        {"a marker before the segment", {{1, 2, 9, 10}, {2, 3, 15, 16}}, false},
        {"a marker behind the segment", {{1, 2, 12, 13}, {2, 3, 20, 21}}, false},
        {"no producer", {{-1, 2, 12, 13}, {2, 3, 15, 16}}, false},
        {"begun behind its end", {{1, 12, 12, 13}, {2, 3, 15, 16}}, false},
        {"stable behind its end", {{1, 2, 12, 14}, {2, 3, 15, 16}}, false},
    };
    uint8_t file[2 * TXN_INDEX_ENTRY_BYTES];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        txn_index_write(file, &cases[i].txns[0]);
        txn_index_write(file + TXN_INDEX_ENTRY_BYTES, &cases[i].txns[1]);
        if (txn_index_right((struct bytes){file, sizeof(file)}, 10, 20) != cases[i].right) {
            fail_msg("%s", cases[i].name);
        }
        assert_false(txn_index_right((struct bytes){file, sizeof(file) - 1}, 10, 20));
    }
    assert_true(txn_index_right((struct bytes){file, 0}, 10, 20));
    txn_index_write(file, &cases[0].txns[0]);
    file[1] = 1; /* A version nobody knows. */
    assert_false(txn_index_right((struct bytes){file, TXN_INDEX_ENTRY_BYTES}, 10, 20));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(those_that_touch_the_range_are_found),
        TEST(what_does_not_fit_is_counted),
        TEST(one_that_spans_others_is_found_behind_them),
        TEST(room_is_bounded_and_comes_back),
        TEST(the_end_is_taken_back),
        TEST(entries_have_their_place),
        TEST(only_the_kept_ones_of_a_range_stay),
        TEST(an_index_entry_is_kafkas),
        TEST(an_index_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
