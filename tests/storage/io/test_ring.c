/* The ring with sockets, wake-ups and provided buffers, with all this kernel has and with Linux
 * 6.1's share only. Files: test_disk_ring.c. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/io/ring.h"

enum {
    BUFFERS = 8,
    BUFFER_BYTES = 1024,
    GROUP = 3,
};

struct world {
    struct ring *ring;
    uint8_t *buffers;
    int listener;
    int client;
    int server;
};

static struct ring *ring_of(bool linux_6_1_only)
{
    int error = 0;
    struct ring *ring = ring_create(&(struct ring_options){.submissions = 8,
                                                           .completions = 64,
                                                           .linux_6_1_only = linux_6_1_only},
                                    &error);
    assert_non_null(ring);
    assert_int_equal(ring_start(ring), 0);
    return ring;
}

/* The next event, which must come. */
static struct ring_event event_wait(struct ring *ring)
{
    struct ring_event event;
    for (uint32_t tries = 0; tries < 5000; tries++) {
        if (ring_next_event(ring, &event)) {
            assert_int_equal(event.op->owner, RING_OWNER_SOCKET);
            return event;
        }
        assert_int_equal(ring_wait(ring, 1000000), 0);
    }
    fail_msg("no event");
    return event;
}

static bool event_now(struct ring *ring, struct ring_event *event)
{
    assert_int_equal(ring_submit(ring), 0);
    return ring_next_event(ring, event);
}

static int listener_open(struct sockaddr_in *address)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(*address);
    assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
    return fd;
}

static struct ring_op op_new(uint8_t kind)
{
    return (struct ring_op){.owner = RING_OWNER_SOCKET, .kind = kind};
}

/* A connected pair over TCP, accepted through the ring. */
static void world_open(struct world *world, bool linux_6_1_only)
{
    struct sockaddr_in address;
    world->ring = ring_of(linux_6_1_only);
    world->buffers = malloc(BUFFERS * BUFFER_BYTES);
    assert_int_equal(ring_add_buffers(world->ring, GROUP, world->buffers, BUFFERS, BUFFER_BYTES),
                     0);
    assert_int_equal(ring_buffers_free(world->ring, GROUP), BUFFERS);
    world->listener = listener_open(&address);
    struct ring_op accept_op = op_new(1);
    ring_accept_multishot(world->ring, &accept_op, world->listener);
    world->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(ring_submit(world->ring), 0);
    assert_int_equal(connect(world->client, (struct sockaddr *)&address, sizeof(address)), 0);
    struct ring_event event = event_wait(world->ring);
    assert_ptr_equal(event.op, &accept_op);
    assert_true(event.result >= 0 && event.flags == RING_MORE);
    world->server = event.result;
    struct ring_op cancel_op = op_new(2);
    ring_cancel(world->ring, &cancel_op, &accept_op);
    bool accept_ended = false;
    bool cancel_ended = false;
    while (!accept_ended || !cancel_ended) {
        event = event_wait(world->ring);
        accept_ended = accept_ended || (event.op == &accept_op && event.result == -ECANCELED);
        cancel_ended = cancel_ended || (event.op == &cancel_op && event.result == 0);
    }
}

static void world_close(struct world *world)
{
    ring_destroy(world->ring);
    close(world->client);
    close(world->server);
    close(world->listener);
    free(world->buffers);
}

static void each_mode(void (*test)(struct world *world))
{
    for (int mode = 0; mode < 2; mode++) {
        struct world world;
        world_open(&world, mode == 1);
        test(&world);
        world_close(&world);
    }
}

static void stream_fill(uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        to[i] = (uint8_t)(i * 31 + i / 251);
    }
}

static void receive_stream(struct world *world)
{
    static uint8_t sent[40 * BUFFER_BYTES + 77];
    static uint8_t got[sizeof(sent)];
    stream_fill(sent, sizeof(sent));
    struct ring_op op = op_new(1);
    ring_receive_multishot(world->ring, &op, world->server, GROUP);
    size_t out = 0;
    size_t in = 0;
    bool armed = true;
    while (in < sizeof(sent)) {
        if (out < sizeof(sent)) {
            const ssize_t put = send(world->client, sent + out,
                                     min_u64(sizeof(sent) - out, 3 * BUFFER_BYTES + 5), 0);
            assert_true(put > 0);
            out += (size_t)put;
        }
        struct ring_event event = event_wait(world->ring);
        assert_ptr_equal(event.op, &op);
        armed = (event.flags & RING_MORE) != 0;
        if ((event.flags & RING_BUFFER) != 0) {
            assert_in_range(event.result, 1, BUFFER_BYTES);
            memcpy(got + in, ring_buffer_at(world->buffers, BUFFER_BYTES, event.buffer_id),
                   (size_t)event.result);
            in += (size_t)event.result;
            ring_buffer_give(world->ring, GROUP, event.buffer_id);
        } else {
            assert_int_equal(event.result, -ENOBUFS);
        }
        if (!armed) {
            ring_receive_multishot(world->ring, &op, world->server, GROUP);
        }
    }
    assert_memory_equal(got, sent, sizeof(sent));
    assert_int_equal(ring_buffers_free(world->ring, GROUP), BUFFERS);
    close(world->client);
    struct ring_event event;
    do {
        event = event_wait(world->ring);
    } while ((event.flags & RING_MORE) != 0);
    assert_int_equal(event.result, 0);
    world->client = -1;
}

static void a_stream_arrives_in_order_through_provided_buffers(void **state)
{
    (void)state;
    each_mode(receive_stream);
}

static void exhaust_buffers(struct world *world)
{
    static uint8_t sent[(BUFFERS + 3) * BUFFER_BYTES];
    uint16_t held[BUFFERS];
    uint32_t count = 0;
    size_t bytes = 0;
    stream_fill(sent, sizeof(sent));
    assert_int_equal(send(world->client, sent, sizeof(sent), 0), sizeof(sent));
    struct ring_op op = op_new(1);
    struct ring_event event = {.flags = RING_MORE};
    ring_receive_multishot(world->ring, &op, world->server, GROUP);
    while ((event.flags & RING_MORE) != 0) {
        event = event_wait(world->ring);
        if ((event.flags & RING_BUFFER) != 0) {
            assert_true(count < BUFFERS);
            assert_memory_equal(ring_buffer_at(world->buffers, BUFFER_BYTES, event.buffer_id),
                                sent + bytes, (size_t)event.result);
            held[count++] = event.buffer_id;
            bytes += (size_t)event.result;
        }
    }
    assert_int_equal(count, BUFFERS);
    assert_true(event.result == -ENOBUFS || (event.flags & RING_BUFFER) != 0);
    assert_int_equal(ring_buffers_free(world->ring, GROUP), 0);
    for (uint32_t i = count; i-- > 0;) { /* In another order than taken. */
        ring_buffer_give(world->ring, GROUP, held[i]);
    }
    ring_receive_multishot(world->ring, &op, world->server, GROUP);
    while (bytes < sizeof(sent)) {
        event = event_wait(world->ring);
        assert_int_equal(event.flags & (RING_BUFFER | RING_MORE), RING_BUFFER | RING_MORE);
        assert_memory_equal(ring_buffer_at(world->buffers, BUFFER_BYTES, event.buffer_id),
                            sent + bytes, (size_t)event.result);
        bytes += (size_t)event.result;
        ring_buffer_give(world->ring, GROUP, event.buffer_id);
    }
}

static void a_receive_without_buffers_ends_and_goes_on_when_armed_again(void **state)
{
    (void)state;
    each_mode(exhaust_buffers);
}

static void send_both_ways(struct world *world)
{
    char got[16] = {0};
    struct ring_op send_op = op_new(1);
    struct ring_op message_op = op_new(2);
    ring_send(world->ring, &send_op, world->server, "ab", 2, 0, false);
    assert_int_equal(event_wait(world->ring).result, 2);
    struct iovec pieces[2] = {{(void *)(uintptr_t) "cd", 2}, {(void *)(uintptr_t) "efg", 3}};
    const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    ring_send_message(world->ring, &message_op, world->server, &message, MSG_WAITALL, false);
    const struct ring_event event = event_wait(world->ring);
    assert_ptr_equal(event.op, &message_op);
    assert_int_equal(event.result, 5);
    assert_int_equal(recv(world->client, got, sizeof(got), MSG_WAITALL | MSG_DONTWAIT), 7);
    assert_string_equal(got, "abcdefg");
}

static void bytes_and_messages_are_sent(void **state)
{
    (void)state;
    each_mode(send_both_ways);
}

static void hand_over(struct world *world)
{
    char got;
    struct ring_op op = op_new(1);
    const uint64_t enters = ring_counters(world->ring)->enters;
    ring_hand_over(world->ring); /* Nothing is queued. */
    assert_int_equal(ring_counters(world->ring)->enters, enters);
    ring_send(world->ring, &op, world->server, "x", 1, 0, false);
    ring_hand_over(world->ring);
    assert_int_equal(ring_counters(world->ring)->enters, enters + 1);
    assert_int_equal(recv(world->client, &got, 1, 0), 1); /* It came without a submit. */
    assert_int_equal(event_wait(world->ring).result, 1);
}

static void what_is_handed_over_leaves_before_the_turn_ends(void **state)
{
    (void)state;
    each_mode(hand_over);
}

static void send_zero_copy(struct world *world)
{
    assert_true(ring_features(world->ring)->send_zero_copy);
    static uint8_t sent[8192];
    static uint8_t got[8192];
    stream_fill(sent, sizeof(sent));
    struct iovec piece = {sent, sizeof(sent)};
    const struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    for (int way = 0; way < 2; way++) {
        struct ring_op op = op_new(1);
        if (way == 1 && !ring_features(world->ring)->send_message_zero_copy) {
            continue;
        }
        if (way == 0) {
            ring_send(world->ring, &op, world->server, sent, sizeof(sent), MSG_WAITALL, true);
        } else {
            ring_send_message(world->ring, &op, world->server, &message, MSG_WAITALL, true);
        }
        struct ring_event event = event_wait(world->ring);
        assert_int_equal(event.result, sizeof(sent));
        assert_int_equal(event.flags, RING_MORE);
        assert_int_equal(recv(world->client, got, sizeof(got), MSG_WAITALL), sizeof(got));
        assert_memory_equal(got, sent, sizeof(sent));
        event = event_wait(world->ring);
        assert_ptr_equal(event.op, &op);
        assert_int_equal(event.flags, RING_NOTIFY);
    }
}

static void a_zero_copy_send_tells_when_the_memory_is_free(void **state)
{
    (void)state;
    each_mode(send_zero_copy);
}

static void receive_into(struct world *world)
{
    static uint8_t sent[5000];
    static uint8_t got[5000];
    stream_fill(sent, sizeof(sent));
    struct ring_op op = op_new(1);
    ring_receive_into(world->ring, &op, world->server, got, sizeof(got), MSG_WAITALL);
    assert_int_equal(ring_submit(world->ring), 0);
    assert_int_equal(send(world->client, sent, 1000, 0), 1000);
    assert_int_equal(ring_wait(world->ring, 1000000), 0);
    assert_int_equal(send(world->client, sent + 1000, 4000, 0), 4000);
    assert_int_equal(event_wait(world->ring).result, 5000);
    assert_memory_equal(got, sent, sizeof(sent));
}

static void a_receive_into_given_memory_waits_for_all_of_it(void **state)
{
    (void)state;
    each_mode(receive_into);
}

static void shut_and_close(struct world *world)
{
    struct ring_op receive_op = op_new(1);
    struct ring_op cancel_op = op_new(2);
    struct ring_op close_op = op_new(3);
    ring_receive_multishot(world->ring, &receive_op, world->server, GROUP);
    assert_int_equal(ring_submit(world->ring), 0);
    ring_cancel(world->ring, &cancel_op, &receive_op);
    int32_t cancelled = 1;
    int32_t ended = 0;
    for (int i = 0; i < 2; i++) {
        const struct ring_event event = event_wait(world->ring);
        if (event.op == &receive_op) {
            ended = event.result;
        } else {
            cancelled = event.result;
        }
    }
    assert_int_equal(cancelled, 0);
    assert_int_equal(ended, -ECANCELED);
    ring_close(world->ring, &close_op, world->server);
    assert_int_equal(event_wait(world->ring).result, 0);
    assert_int_equal(fcntl(world->server, F_GETFD), -1);
    world->server = -1;
}

static void a_receive_can_be_cancelled_and_its_descriptor_closed(void **state)
{
    (void)state;
    each_mode(shut_and_close);
}

static void more_requests_than_room_submit_early(void **state)
{
    (void)state;
    struct ring *ring = ring_of(false);
    struct ring_op ops[50];
    const uint64_t before = ring_counters(ring)->early_submits;
    for (uint32_t i = 0; i < 50; i++) {
        ops[i] = op_new((uint8_t)i);
        ring_cancel(ring, &ops[i], &ops[i]); /* Finds nothing: an event each. */
    }
    assert_true(ring_counters(ring)->early_submits > before);
    for (uint32_t i = 0; i < 50; i++) {
        assert_true(event_wait(ring).result < 0);
    }
    ring_destroy(ring);
}

/* More events than the completion queue holds: the kernel keeps them. */
static void no_event_is_lost_when_the_queue_overflows(void **state)
{
    (void)state;
    struct ring *ring = ring_of(false);
    static struct ring_op ops[500];
    for (uint32_t i = 0; i < 500; i++) {
        ops[i] = op_new(0);
        ring_cancel(ring, &ops[i], &ops[i]);
    }
    uint32_t count = 0;
    while (count < 500) {
        (void)event_wait(ring);
        count++;
    }
    struct ring_event event;
    assert_false(event_now(ring, &event));
    assert_true(ring_counters(ring)->overflows > 0);
    ring_destroy(ring);
}

static void an_idle_turn_makes_no_system_call(void **state)
{
    (void)state;
    struct ring *ring = ring_of(false);
    struct ring_event event;
    while (event_now(ring, &event)) {
    }
    const uint64_t enters = ring_counters(ring)->enters;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_false(event_now(ring, &event));
    }
    assert_int_equal(ring_counters(ring)->enters, enters);
    ring_destroy(ring);
}

static void a_ring_is_quiet_until_something_has_come(void **state)
{
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        struct ring *ring = ring_of(mode == 1);
        struct ring_event event;
        struct ring_op op = {.owner = RING_OWNER_LOOP};
        const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        assert_true(fd >= 0);
        while (event_now(ring, &event)) {
        }
        assert_true(ring_quiet(ring));
        ring_wake(ring);
        assert_false(ring_quiet(ring));
        assert_true(ring_quiet(ring)); /* Told once. */
        ring_poll_once(ring, &op, fd);
        assert_false(ring_quiet(ring)); /* It is to be submitted. */
        (void)ring_submit(ring);
        assert_true(ring_quiet(ring));
        assert_int_equal(write(fd, &(uint64_t){1}, sizeof(uint64_t)), sizeof(uint64_t));
        assert_false(ring_quiet(ring));
        assert_true(event_now(ring, &event));
        assert_ptr_equal(event.op, &op);
        assert_true(ring_quiet(ring));
        ring_destroy(ring);
        close(fd);
    }
}

static void *wake_thread(void *context)
{
    ring_wake(context);
    return NULL;
}

static void a_wake_ends_the_wait_whenever_it_comes(void **state)
{
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        struct ring *ring = ring_of(mode == 1);
        ring_wake(ring); /* Before the wait: it must not sleep. */
        assert_int_equal(ring_wait(ring, 60ull * 1000000000), 0);
        for (uint32_t i = 0; i < 200; i++) {
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, wake_thread, ring), 0);
            assert_int_equal(ring_wait(ring, 60ull * 1000000000), 0);
            struct ring_event event;
            assert_false(ring_next_event(ring, &event)); /* Nobody's event. */
            assert_int_equal(pthread_join(thread, NULL), 0);
            /* A wake that came after the wait's end must not be lost, nor last. */
            ring_wake(ring);
            assert_int_equal(ring_wait(ring, 60ull * 1000000000), 0);
        }
        assert_int_equal(ring_wait(ring, 1000), 0); /* Ends by its time. */
        ring_destroy(ring);
    }
}

static void a_multishot_poll_tells_each_time(void **state)
{
    (void)state;
    struct ring *ring = ring_of(true);
    const int fd = eventfd(0, EFD_NONBLOCK);
    struct ring_op op = op_new(7);
    ring_poll_multishot(ring, &op, fd);
    for (uint32_t i = 0; i < 3; i++) {
        const uint64_t one = 1;
        uint64_t value;
        assert_int_equal(ring_submit(ring), 0);
        assert_int_equal(write(fd, &one, 8), 8);
        const struct ring_event event = event_wait(ring);
        assert_ptr_equal(event.op, &op);
        assert_int_equal(event.flags, RING_MORE);
        assert_int_equal(read(fd, &value, 8), 8);
    }
    close(fd);
    ring_destroy(ring);
}

static void linux_6_1_hides_what_is_newer(void **state)
{
    (void)state;
    struct ring *ring = ring_of(true);
    assert_false(ring_features(ring)->receive_bundle);
    ring_destroy(ring);
    int32_t cpu = 0;
    int error = 0;
    ring = ring_create(
        &(struct ring_options){
            .submissions = 8, .completions = 16, .core_cpus = &cpu, .core_cpu_count = 1},
        &error);
    assert_non_null(ring);
    assert_int_equal(ring_start(ring), 0);
    assert_int_equal(ring_features(ring)->helpers_off_cores, sysconf(_SC_NPROCESSORS_CONF) > 1);
    ring_destroy(ring);
}

/* The CPUs that the kernel's threads behind this thread's rings may use. */
static uint32_t helpers_look(char lists[8][64])
{
    uint32_t count = 0;
    char ours[32];
    (void)snprintf(ours, sizeof(ours), "Name:\tiou-wrk-%d\n", gettid());
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    const struct dirent *entry;
    while ((entry = readdir(tasks)) != NULL && count < 8) {
        char path[300];
        char line[128];
        bool helper = false;
        (void)snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
        FILE *file = fopen(path, "re");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            helper = helper || strcmp(line, ours) == 0;
            if (helper && sscanf(line, "Cpus_allowed_list: %63s", lists[count]) == 1) {
                count++;
                break;
            }
        }
        if (file != NULL) {
            (void)fclose(file);
        }
    }
    (void)closedir(tasks);
    return count;
}

/* On a thread of its own: those of a thread outlive its rings. */
static void *helpers_of_a_ring(void *argument)
{
    (void)argument;
    const int32_t cpu = 0;
    int error = 0;
    char path[] = "/tmp/ring-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(unlink(path), 0);
    struct ring *ring = ring_create(&(struct ring_options){.submissions = 8,
                                                           .completions = 16,
                                                           .file_count_max = 4,
                                                           .core_cpus = &cpu,
                                                           .core_cpu_count = 1},
                                    &error);
    assert_non_null(ring);
    assert_int_equal(ring_start(ring), 0);
    const int32_t slot = ring_add_file(ring, file);
    assert_true(slot >= 0);
    struct ring_op op = {.owner = RING_OWNER_SOCKET};
    ring_flush(ring, &op, slot); /* Always left to such a thread. */
    assert_int_equal(event_wait(ring).result, 0);
    char lists[8][64];
    const uint32_t count = helpers_look(lists);
    assert_true(count > 0);
    for (uint32_t i = 0; i < count && sysconf(_SC_NPROCESSORS_ONLN) > 1; i++) {
        assert_int_not_equal(lists[i][0], '0'); /* Lists are in ascending order. */
    }
    ring_destroy(ring);
    assert_int_equal(close(file), 0);
    return NULL;
}

static void H12_kernel_threads_of_a_ring_stay_off_the_cores(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, helpers_of_a_ring, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_arrives_in_order_through_provided_buffers),
        cmocka_unit_test(a_receive_without_buffers_ends_and_goes_on_when_armed_again),
        cmocka_unit_test(bytes_and_messages_are_sent),
        cmocka_unit_test(what_is_handed_over_leaves_before_the_turn_ends),
        cmocka_unit_test(a_zero_copy_send_tells_when_the_memory_is_free),
        cmocka_unit_test(a_receive_into_given_memory_waits_for_all_of_it),
        cmocka_unit_test(a_receive_can_be_cancelled_and_its_descriptor_closed),
        cmocka_unit_test(more_requests_than_room_submit_early),
        cmocka_unit_test(no_event_is_lost_when_the_queue_overflows),
        cmocka_unit_test(an_idle_turn_makes_no_system_call),
        cmocka_unit_test(a_ring_is_quiet_until_something_has_come),
        cmocka_unit_test(a_wake_ends_the_wait_whenever_it_comes),
        cmocka_unit_test(a_multishot_poll_tells_each_time),
        cmocka_unit_test(linux_6_1_hides_what_is_newer),
        cmocka_unit_test(H12_kernel_threads_of_a_ring_stay_off_the_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
