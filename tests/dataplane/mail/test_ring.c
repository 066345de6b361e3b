/* The SPSC ring: both flavours, alone, against liars, and between two threads (also under
 * ThreadSanitizer, suite 'tsan'). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/mail/ring.h"

enum {
    DATA_BYTES = 4096,
    THREAD_MESSAGES = 200000,
};

static void a_ring_hands_out_slots_in_order_and_refuses_when_full(void **state)
{
    (void)state;
    uint64_t slots[4];
    struct ring ring;
    ring_init(&ring, slots, sizeof(slots[0]), ARRAY_SIZE(slots));
    uint64_t pushed = 0;
    uint64_t popped = 0;
    for (int round = 0; round < 1000; round++) {
        while (ring_push(&ring, &pushed)) {
            pushed++;
        }
        assert_int_equal(ring_count(&ring), 4);
        for (int i = 0; i < 1 + round % 4; i++) {
            uint64_t slot = UINT64_MAX;
            assert_true(ring_pop(&ring, &slot));
            assert_int_equal(slot, popped);
            popped++;
        }
    }
    uint64_t slot;
    while (ring_pop(&ring, &slot)) {
        assert_int_equal(slot, popped);
        popped++;
    }
    assert_int_equal(popped, pushed);
    assert_null(ring_peek(&ring));
}

static void a_ring_goes_on_when_its_counters_wrap(void **state)
{
    (void)state;
    uint32_t slots[8];
    struct ring ring;
    ring_init(&ring, slots, sizeof(slots[0]), ARRAY_SIZE(slots));
    atomic_store(&ring.head, UINT32_MAX - 2);
    atomic_store(&ring.tail, UINT32_MAX - 2);
    ring.tail_seen = ring.head_seen = UINT32_MAX - 2;
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(ring_push(&ring, &i));
    }
    assert_false(ring_push(&ring, &(uint32_t){8}));
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t slot;
        assert_true(ring_pop(&ring, &slot));
        assert_int_equal(slot, i);
    }
    assert_null(ring_peek(&ring));
}

static void one_arm_wakes_by_one_producer(void **state)
{
    (void)state;
    struct ring_wake wake = {0};
    assert_false(ring_wake_take(&wake));
    ring_wake_arm(&wake);
    assert_true(ring_wake_take(&wake));
    assert_false(ring_wake_take(&wake));
    ring_wake_arm(&wake);
    ring_wake_disarm(&wake);
    assert_false(ring_wake_take(&wake));
}

/* One ring, mapped twice at different addresses as two processes would. */
struct shared_ring {
    void *left;
    void *right;
    uint64_t size;
    struct byte_ring_producer producer;
    struct byte_ring_consumer consumer;
};

static void shared_ring_open(struct shared_ring *shared, uint32_t data_bytes)
{
    shared->size = round_up(byte_ring_size(data_bytes), 4096);
    const int fd = memfd_create("ring", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)shared->size), 0);
    shared->left = mmap(NULL, shared->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    shared->right = mmap(NULL, shared->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(shared->left, MAP_FAILED);
    assert_ptr_not_equal(shared->right, MAP_FAILED);
    close(fd);
    byte_ring_format(shared->left, data_bytes);
    assert_true(byte_ring_produce(&shared->producer, shared->left, shared->size));
    assert_true(byte_ring_consume(&shared->consumer, shared->right, shared->size));
}

static void shared_ring_close(struct shared_ring *shared)
{
    munmap(shared->left, shared->size);
    munmap(shared->right, shared->size);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void message_fill(uint8_t *to, uint32_t len, uint64_t number)
{
    for (uint32_t i = 0; i < len; i++) {
        to[i] = (uint8_t)(number * 31 + i * 7);
    }
}

static void message_check(struct bytes message, uint32_t len, uint64_t number)
{
    assert_int_equal(message.len, len);
    for (uint32_t i = 0; i < len; i++) {
        assert_int_equal(message.ptr[i], (uint8_t)(number * 31 + i * 7));
    }
}

static void messages_of_every_length_arrive_whole_and_in_order(void **state)
{
    (void)state;
    struct shared_ring shared = {0};
    shared_ring_open(&shared, DATA_BYTES);
    const uint32_t longest = byte_ring_message_bytes_max(DATA_BYTES);
    uint32_t lens[64];
    uint64_t sent = 0;
    uint64_t received = 0;
    uint64_t seed = 7;
    while (received < 50000) {
        const bool sending = next_random(&seed) % 2 == 0;
        if (sending && sent - received < ARRAY_SIZE(lens)) {
            const uint32_t len = 1 + next_random(&seed) % longest;
            const uint32_t unused = next_random(&seed) % 2 == 0 ? 0 : (longest - len) / 2;
            uint8_t *to;
            const enum byte_ring_status status =
                byte_ring_claim(&shared.producer, len + unused, &to);
            if (status == BYTE_RING_FULL) {
                assert_true(sent > received);
                continue;
            }
            assert_int_equal(status, BYTE_RING_OK);
            message_fill(to, len, sent);
            byte_ring_publish(&shared.producer, len);
            lens[sent % ARRAY_SIZE(lens)] = len;
            sent++;
        } else if (!sending) {
            struct bytes message;
            const enum byte_ring_status status = byte_ring_receive(&shared.consumer, &message);
            assert_int_equal(status, sent > received ? BYTE_RING_OK : BYTE_RING_EMPTY);
            if (status == BYTE_RING_OK) {
                message_check(message, lens[received % ARRAY_SIZE(lens)], received);
                byte_ring_release(&shared.consumer);
                received++;
            }
        }
    }
    shared_ring_close(&shared);
}

static void an_empty_ring_takes_the_longest_message_wherever_it_stands(void **state)
{
    (void)state;
    struct shared_ring shared = {0};
    shared_ring_open(&shared, DATA_BYTES);
    const uint32_t longest = byte_ring_message_bytes_max(DATA_BYTES);
    for (uint32_t step = 0; step < DATA_BYTES / 8; step++) {
        for (int part = 0; part < 2; part++) {
            const uint32_t len = part == 0 ? 1 : longest;
            uint8_t *to;
            struct bytes message;
            assert_int_equal(byte_ring_claim(&shared.producer, len, &to), BYTE_RING_OK);
            message_fill(to, len, step);
            byte_ring_publish(&shared.producer, len);
            assert_int_equal(byte_ring_receive(&shared.consumer, &message), BYTE_RING_OK);
            message_check(message, len, step);
            byte_ring_release(&shared.consumer);
        }
    }
    assert_int_equal(byte_ring_room(&shared.producer), DATA_BYTES);
    shared_ring_close(&shared);
}

static void a_mapping_that_is_no_ring_is_refused(void **state)
{
    (void)state;
    alignas(64) static uint8_t memory[sizeof(struct byte_ring_memory) + DATA_BYTES + 64];
    struct byte_ring_memory *ring = (struct byte_ring_memory *)memory;
    struct byte_ring_producer producer;
    struct byte_ring_consumer consumer;
    const uint64_t size = byte_ring_size(DATA_BYTES);

    assert_false(byte_ring_produce(&producer, memory, size)); /* Never formatted. */
    byte_ring_format(ring, DATA_BYTES);
    assert_false(byte_ring_produce(&producer, memory, size - 1));
    assert_false(byte_ring_consume(&consumer, memory, 8));
    assert_false(byte_ring_consume(&consumer, memory + 8, size));
    static const uint32_t bad_sizes[] = {0, 1, 2048, 4097, 6144, 8192, 0x80000000u, 0xffffffffu};
    for (size_t i = 0; i < ARRAY_SIZE(bad_sizes); i++) {
        ring->data_bytes = bad_sizes[i];
        assert_false(byte_ring_consume(&consumer, memory, size));
    }
    byte_ring_format(ring, DATA_BYTES);
    atomic_store(&ring->head, 64); /* Used before: a side is attached to once. */
    assert_false(byte_ring_produce(&producer, memory, size));
    atomic_store(&ring->tail, 64);
    assert_false(byte_ring_consume(&consumer, memory, size));
}

/* What a hostile producer can write: its counter and the bytes. */
static const struct {
    const char *what;
    uint64_t head;
    uint32_t len;
    uint32_t check;
} lies[] = {
    {"a head beyond the ring", DATA_BYTES + 8, 8, ~8u},
    {"a head far beyond the ring", UINT64_MAX - 7, 8, ~8u},
    {"a head off the grid", 17, 8, ~8u},
    {"a message of no bytes", 64, 0, ~0u},
    {"a check that does not fit", 64, 8, 8},
    {"a message longer than published", 64, 57, ~57u},
    {"a message longer than allowed", DATA_BYTES, 2048, ~2048u},
    {"a length that overflows", 64, 0x7fffffff, ~0x7fffffffu},
    {"a filler in front of nothing", DATA_BYTES, (1u << 31) | DATA_BYTES,
     ~((1u << 31) | DATA_BYTES)},
    {"a filler that ends early", 64, (1u << 31) | 16, ~((1u << 31) | 16)},
    {"a filler of no bytes", 64, 1u << 31, ~(1u << 31)},
};

static void a_lying_producer_breaks_the_ring_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        struct shared_ring shared = {0};
        shared_ring_open(&shared, DATA_BYTES);
        struct byte_ring_memory *memory = shared.left;
        memcpy(memory->data, &lies[i].len, 4);
        memcpy(memory->data + 4, &lies[i].check, 4);
        atomic_store(&memory->head, lies[i].head);
        struct bytes message;
        if (byte_ring_receive(&shared.consumer, &message) != BYTE_RING_BROKEN) {
            fail_msg("believed %s", lies[i].what);
        }
        atomic_store(&memory->head, 0);
        assert_int_equal(byte_ring_receive(&shared.consumer, &message), BYTE_RING_BROKEN);
        assert_true(byte_ring_readable(&shared.consumer)); /* A sleeper must look at it. */
        shared_ring_close(&shared);
    }
}

static void a_lying_consumer_breaks_the_ring_and_nothing_else(void **state)
{
    (void)state;
    static const uint64_t tails[] = {8, 4096, 3, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
        struct shared_ring shared = {0};
        shared_ring_open(&shared, DATA_BYTES);
        struct byte_ring_memory *memory = shared.left;
        atomic_store(&memory->tail, tails[i]);
        assert_int_equal(byte_ring_room(&shared.producer), 0);
        uint8_t *to;
        assert_int_equal(byte_ring_claim(&shared.producer, 8, &to), BYTE_RING_BROKEN);
        shared_ring_close(&shared);
    }
}

static void random_bytes_in_the_ring_never_lead_outside_it(void **state)
{
    (void)state;
    uint64_t seed = 99;
    for (int round = 0; round < 3000; round++) {
        struct byte_ring_memory *memory = aligned_alloc(64, byte_ring_size(DATA_BYTES));
        struct byte_ring_consumer consumer;
        byte_ring_format(memory, DATA_BYTES);
        assert_true(byte_ring_consume(&consumer, memory, byte_ring_size(DATA_BYTES)));
        for (uint32_t at = 0; at < DATA_BYTES; at += 8) { /* Plausible headers are the danger. */
            uint32_t len = next_random(&seed) % 128;
            if (next_random(&seed) % 8 == 0) {
                len = (1u << 31) | (next_random(&seed) % DATA_BYTES);
            }
            const uint32_t check = next_random(&seed) % 50 == 0 ? len : ~len;
            memcpy(memory->data + at, &len, 4);
            memcpy(memory->data + at + 4, &check, 4);
        }
        atomic_store(&memory->head, next_random(&seed) % (DATA_BYTES / 8) * 8);
        struct bytes message;
        while (byte_ring_receive(&consumer, &message) == BYTE_RING_OK) {
            assert_true(message.ptr >= memory->data);
            assert_true(message.ptr + message.len <= memory->data + DATA_BYTES);
            byte_ring_release(&consumer);
        }
        free(memory);
    }
}

/* ---- Two threads ---- */

struct pointer_run {
    struct ring ring;
    struct ring_wake wake;
    uint64_t *slots[64];
    uint64_t *numbers;
    _Atomic uint32_t doorbell; /* Stands for an eventfd. */
};

static void *pointer_producer(void *argument)
{
    struct pointer_run *run = argument;
    for (uint32_t i = 0; i < THREAD_MESSAGES; i++) {
        run->numbers[i] = i * 3u; /* Plain store: only the ring orders it. */
        uint64_t *number = &run->numbers[i];
        while (!ring_push(&run->ring, &number)) {
            sched_yield();
        }
        if (ring_wake_take(&run->wake)) {
            atomic_fetch_add(&run->doorbell, 1);
        }
    }
    return NULL;
}

static void what_a_slot_points_to_is_visible_and_no_wakeup_is_lost(void **state)
{
    (void)state;
    struct pointer_run *run = calloc(1, sizeof(*run));
    run->numbers = calloc(THREAD_MESSAGES, sizeof(*run->numbers));
    ring_init(&run->ring, run->slots, sizeof(run->slots[0]), ARRAY_SIZE(run->slots));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, pointer_producer, run), 0);
    uint32_t heard = 0;
    for (uint32_t i = 0; i < THREAD_MESSAGES;) {
        uint64_t *number;
        if (ring_pop(&run->ring, &number)) {
            assert_int_equal(*number, i * 3u);
            i++;
            continue;
        }
        ring_wake_arm(&run->wake);
        if (ring_peek(&run->ring) == NULL) {
            while (atomic_load(&run->doorbell) == heard) { /* Asleep: only the doorbell helps. */
                sched_yield();
            }
            heard = atomic_load(&run->doorbell);
        }
        ring_wake_disarm(&run->wake);
        heard = atomic_load(&run->doorbell);
    }
    pthread_join(thread, NULL);
    free(run->numbers);
    free(run);
}

static void *byte_producer(void *argument)
{
    struct shared_ring *shared = argument;
    uint64_t seed = 5;
    for (uint64_t i = 0; i < THREAD_MESSAGES / 4; i++) {
        const uint32_t len = 1 + next_random(&seed) % 200;
        uint8_t *to;
        enum byte_ring_status status;
        while ((status = byte_ring_claim(&shared->producer, len, &to)) == BYTE_RING_FULL) {
            sched_yield();
        }
        if (status != BYTE_RING_OK) {
            return (void *)1;
        }
        message_fill(to, len, i);
        byte_ring_publish(&shared->producer, len);
    }
    return NULL;
}

static void bytes_pass_between_threads_whole(void **state)
{
    (void)state;
    struct shared_ring shared = {0};
    shared.size = byte_ring_size(DATA_BYTES);
    shared.left = shared.right = aligned_alloc(64, shared.size); /* One mapping: TSan sees it. */
    byte_ring_format(shared.left, DATA_BYTES);
    assert_true(byte_ring_produce(&shared.producer, shared.left, shared.size));
    assert_true(byte_ring_consume(&shared.consumer, shared.right, shared.size));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, byte_producer, &shared), 0);
    uint64_t seed = 5;
    for (uint64_t i = 0; i < THREAD_MESSAGES / 4; i++) {
        const uint32_t len = 1 + next_random(&seed) % 200;
        struct bytes message;
        enum byte_ring_status status;
        while ((status = byte_ring_receive(&shared.consumer, &message)) == BYTE_RING_EMPTY) {
            sched_yield();
        }
        assert_int_equal(status, BYTE_RING_OK);
        message_check(message, len, i);
        byte_ring_release(&shared.consumer);
    }
    void *result = NULL;
    pthread_join(thread, &result);
    assert_null(result);
    free(shared.left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_hands_out_slots_in_order_and_refuses_when_full),
        cmocka_unit_test(a_ring_goes_on_when_its_counters_wrap),
        cmocka_unit_test(one_arm_wakes_by_one_producer),
        cmocka_unit_test(messages_of_every_length_arrive_whole_and_in_order),
        cmocka_unit_test(an_empty_ring_takes_the_longest_message_wherever_it_stands),
        cmocka_unit_test(a_mapping_that_is_no_ring_is_refused),
        cmocka_unit_test(a_lying_producer_breaks_the_ring_and_nothing_else),
        cmocka_unit_test(a_lying_consumer_breaks_the_ring_and_nothing_else),
        cmocka_unit_test(random_bytes_in_the_ring_never_lead_outside_it),
        cmocka_unit_test(what_a_slot_points_to_is_visible_and_no_wakeup_is_lost),
        cmocka_unit_test(bytes_pass_between_threads_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
