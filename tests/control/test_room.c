/* Control on a heap that ends: whatever is left of it, a turn either does all its work or none. The
 * program is linked so that its allocations come by here. */
#include "control/room.h"

#include <malloc.h>
#include <stdlib.h>

#include "tests/control/bench.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
uint32_t __real_control_turn(struct control *control, uint64_t now_ns, int64_t wall_ms);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);
uint32_t __wrap_control_turn(struct control *control, uint64_t now_ns, int64_t wall_ms);

/* Of a heap that does not say what it has given. */
static struct room plain_room;

static struct {
    bool limited;  /* In a turn of control. */
    uint64_t left; /* Bytes a turn may take. */
    uint64_t taken;
    uint64_t taken_max;
    uint64_t refused; /* Allocations, the asks for room not among them. */
} heap = {.left = UINT64_MAX};

static bool heap_allows(size_t size)
{
    if (!heap.limited) {
        return true;
    }
    if (heap.taken + size > heap.left) {
        heap.refused += size < ROOM_BYTES;
        return false;
    }
    return true;
}

static void *heap_took(void *memory)
{
    if (heap.limited && memory != NULL) {
        heap.taken += malloc_usable_size(memory);
        heap.taken_max = max_u64(heap.taken_max, heap.taken);
    }
    return memory;
}

static void heap_gave(void *memory)
{
    const uint64_t size = memory == NULL ? 0 : malloc_usable_size(memory);
    heap.taken -= heap.limited ? min_u64(heap.taken, size) : 0;
}

void *__wrap_malloc(size_t size)
{
    if (!heap_allows(size)) {
        return NULL;
    }
    /* An ask for room: nobody writes there. */
    return size >= ROOM_BYTES ? __real_malloc(1) : heap_took(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return heap_allows(count * size) ? heap_took(__real_calloc(count, size)) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    if (!heap_allows(size)) { /* Both are there for a moment. */
        return NULL;
    }
    heap_gave(old);
    return heap_took(__real_realloc(old, size));
}

void __wrap_free(void *memory)
{
    heap_gave(memory);
    __real_free(memory);
}

uint32_t __wrap_control_turn(struct control *control, uint64_t now_ns, int64_t wall_ms)
{
    heap.limited = true;
    heap.taken = 0;
    const uint32_t work = __real_control_turn(control, now_ns, wall_ms);
    heap.limited = false;
    return work;
}

static int bench_up(void **state)
{
    struct bench *bench = bench_new(1, NULL);
    bench_stop_control(bench);
    bench->has_room = room_on_heap;
    bench->room_context = &plain_room;
    bench_start_control(bench);
    bench_turns(bench, 50);
    *state = bench;
    return 0;
}

static uint64_t begin(struct bench *bench, uint32_t number)
{
    char name[32];
    static uint8_t buffer[256];
    (void)snprintf(name, sizeof(name), "topic-%u", number);
    return bench_send(bench, API_CREATE_TOPICS, 7,
                      bench_create_body(name, 100, buffer, sizeof(buffer)));
}

static void the_room_asked_for_is_of_the_heap(void **state)
{
    (void)state;
    heap.limited = true;
    heap.taken = 0;
    heap.left = ROOM_BYTES - 1;
    assert_false(room_on_heap(&plain_room, ROOM_BYTES));
    heap.left = ROOM_BYTES;
    assert_true(room_on_heap(&plain_room, ROOM_BYTES));
    heap.limited = false;
    heap.left = UINT64_MAX;
}

/* Ordinary requests take some KB: they do not pay for a look each. */
static void what_was_found_holds_until_much_was_allocated(void **state)
{
    (void)state;
    enum { ORDINARY_BYTES = 8 << 10 };
    uint64_t allocated = 12345;
    struct room room = {.allocated = &allocated};
    for (uint32_t i = 0; i <= ROOM_AHEAD_BYTES / ORDINARY_BYTES; i++) {
        assert_true(room_on_heap(&room, ROOM_BYTES));
        assert_int_equal(room.looks, 1);
        allocated += ORDINARY_BYTES;
    }
    assert_true(room_on_heap(&room, ROOM_BYTES));
    assert_int_equal(room.looks, 2);
    assert_true(room_on_heap(&room, ROOM_BYTES + 1)); /* More than was looked for. */
    assert_int_equal(room.looks, 3);
    /* What was found has to do for what is allocated before the next look, too. */
    heap.limited = true;
    heap.taken = 0;
    heap.left = ROOM_BYTES + 1 + ROOM_AHEAD_BYTES;
    assert_false(room_on_heap(&room, ROOM_BYTES + 2));
    heap.left++;
    assert_true(room_on_heap(&room, ROOM_BYTES + 2));
    heap.left = 0;
    assert_true(room_on_heap(&room, ROOM_BYTES));
    allocated += ROOM_AHEAD_BYTES + 1;
    assert_false(room_on_heap(&room, ROOM_BYTES));
    assert_false(room_on_heap(&room, ROOM_BYTES)); /* Nothing was found: each ask is a look. */
    heap.limited = false;
    heap.left = UINT64_MAX;
}

/* From nothing on, in steps, to more than a turn asks for. */
static void a_turn_does_all_its_work_or_none(void **state)
{
    struct bench *bench = *state;
    uint32_t number = 0;
    for (uint64_t left = 1; left < 4 * (uint64_t)ROOM_BYTES; left = left * 3 + 7) {
        const uint64_t request = begin(bench, ++number);
        heap.left = left;
        heap.taken_max = 0;
        bench_turns(bench, 1200);
        const bool answered = bench->reply_number == request;
        if (left < ROOM_BYTES) {
            assert_false(answered);
            assert_int_equal(heap.taken_max, 0);
        }
        heap.left = UINT64_MAX;
        for (uint32_t turn = 0; bench->reply_number != request; turn++) {
            bench_turn(bench);
            assert_true(turn < 5000);
        }
        assert_int_equal(bench->reply_error, ERROR_NONE);
        assert_int_equal(heap.refused, 0);
    }
    assert_int_equal(control_image(bench->control)->topic_count, number);
}

/* Its first turns: the session, the metadata log, the image. */
static void a_start_waits_for_memory_too(void **state)
{
    struct bench *bench = *state;
    const uint64_t request = begin(bench, 1);
    for (uint32_t turn = 0; bench->reply_number != request; turn++) {
        bench_turn(bench);
        assert_true(turn < 5000);
    }
    for (uint64_t left = 1; left < ROOM_BYTES; left = left * 17 + 7) {
        bench_stop_control(bench);
        heap.left = left;
        bench_start_control(bench);
        bench_turns(bench, 700);
        assert_int_equal(control_phase(bench->control), CONTROL_CONNECTING);
        heap.left = UINT64_MAX;
        bench_turns(bench, 1200);
        assert_int_equal(control_phase(bench->control), CONTROL_READY);
        assert_int_equal(control_image(bench->control)->topic_count, 1);
        assert_int_equal(heap.refused, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_room_asked_for_is_of_the_heap),
        cmocka_unit_test(what_was_found_holds_until_much_was_allocated),
        cmocka_unit_test_setup_teardown(a_turn_does_all_its_work_or_none, bench_up, bench_down),
        cmocka_unit_test_setup_teardown(a_start_waits_for_memory_too, bench_up, bench_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
