#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/slowpath/link.h"

struct place {
    char directory[512];
    char path[600];
    int listener;
    int here;
    int there;
};

static int place_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    (void)snprintf(place->directory, sizeof(place->directory), "/tmp/millrace-link-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    (void)snprintf(place->path, sizeof(place->path), "%s/a.sock", place->directory);
    struct link_world *world = link_world_real();
    place->listener = link_listen(world, place->path);
    assert_true(place->listener >= 0);
    place->there = link_connect(world, place->path);
    assert_true(place->there >= 0);
    place->here = link_accept(world, place->listener);
    assert_true(place->here >= 0);
    *state = place;
    return 0;
}

static int place_down(void **state)
{
    struct place *place = *state;
    struct link_world *world = link_world_real();
    link_close(world, place->here);
    link_close(world, place->there);
    link_close(world, place->listener);
    (void)unlink(place->path);
    (void)rmdir(place->directory);
    free(place);
    return 0;
}

static void only_this_user_may_connect(void **state)
{
    struct place *place = *state;
    struct stat status;
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_dead_process_s_socket_is_replaced(void **state)
{
    struct place *place = *state;
    const int second = link_listen(link_world_real(), place->path);
    assert_true(second >= 0);
    link_close(link_world_real(), second);
}

static void a_path_longer_than_an_address_is_reached(void **state)
{
    struct place *place = *state;
    struct link_world *world = link_world_real();
    char deep[600];
    char path[700];
    (void)snprintf(deep, sizeof(deep), "%.100s/%0100d", place->directory, 0);
    assert_int_equal(mkdir(deep, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/b.sock", deep);
    const int listener = link_listen(world, path);
    assert_true(listener >= 0);
    const int link = link_connect(world, path);
    assert_true(link >= 0);
    link_close(world, link);
    link_close(world, listener);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(deep), 0);
}

static void messages_keep_their_bounds_and_carry_handles(void **state)
{
    struct place *place = *state;
    struct link_world *world = link_world_real();
    static struct link_message message;
    assert_int_equal(link_receive(world, place->there, &message), -EAGAIN);
    const int bell = link_bell_make(world);
    message = (struct link_message){.len = 3, .bytes = "one", .handle_count = 1, .handles = {bell}};
    assert_int_equal(link_send(world, place->here, &message), 0);
    message = (struct link_message){.len = LINK_MESSAGE_BYTES_MAX, .bytes = "two"};
    assert_int_equal(link_send(world, place->here, &message), 0);

    assert_int_equal(link_receive(world, place->there, &message), 1);
    assert_int_equal(message.len, 3);
    assert_int_equal(message.handle_count, 1);
    link_bell_ring(world, message.handles[0]);
    struct pollfd poll_bell = {.fd = bell, .events = POLLIN};
    assert_int_equal(poll(&poll_bell, 1, 0), 1);
    link_bell_clear(world, bell);
    assert_int_equal(poll(&poll_bell, 1, 0), 0);
    link_close(world, message.handles[0]);
    link_close(world, bell);
    assert_int_equal(link_receive(world, place->there, &message), 1);
    assert_int_equal(message.len, LINK_MESSAGE_BYTES_MAX);
    assert_int_equal(message.handle_count, 0);
}

static void the_end_of_the_other_side_is_seen(void **state)
{
    struct place *place = *state;
    struct link_world *world = link_world_real();
    static struct link_message message;
    const int other = link_connect(world, place->path);
    const int mine = link_accept(world, place->listener);
    link_close(world, other);
    assert_int_equal(link_receive(world, mine, &message), 0);
    message.len = 1;
    assert_true(link_send(world, mine, &message) < 0);
    link_close(world, mine);
}

static void a_full_socket_is_no_error(void **state)
{
    struct place *place = *state;
    static struct link_message message = {.len = LINK_MESSAGE_BYTES_MAX};
    int result = 0;
    for (int i = 0; i < 10000 && result == 0; i++) {
        result = link_send(link_world_real(), place->here, &message);
    }
    assert_int_equal(result, -EAGAIN);
}

static void memory_that_could_shrink_is_not_mapped(void **state)
{
    (void)state;
    struct link_world *world = link_world_real();
    const int memory = link_memory_make(world, "test", 8192);
    assert_true(memory >= 0);
    assert_null(link_memory_map(world, memory, 4096, true));
    uint8_t *mapped = link_memory_map(world, memory, 8192, true);
    assert_non_null(mapped);
    mapped[8191] = 7;
    assert_true(ftruncate(memory, 0) < 0);
    link_memory_unmap(world, mapped, 8192);
    link_close(world, memory);

    const int loose = memfd_create("loose", MFD_CLOEXEC);
    assert_int_equal(ftruncate(loose, 8192), 0);
    assert_null(link_memory_map(world, loose, 8192, true));
    link_close(world, loose);
}

static void a_blob_shorter_than_promised_is_said(void **state)
{
    (void)state;
    struct link_world *world = link_world_real();
    const struct bytes content = {(const uint8_t *)"0123456789", 10};
    const int blob = link_blob_make(world, "test", content);
    assert_true(blob >= 0);
    uint8_t read[16] = {0};
    assert_int_equal(link_blob_read(world, blob, read, 10), 0);
    assert_memory_equal(read, content.ptr, 10);
    assert_int_equal(link_blob_read(world, blob, read, 11), -ENODATA);
    link_close(world, blob);
    const int bell = link_bell_make(world);
    assert_true(link_blob_read(world, bell, read, 8) < 0); /* Would wait for ever. */
    link_close(world, bell);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_up, place_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_this_user_may_connect),
        TEST(a_dead_process_s_socket_is_replaced),
        TEST(a_path_longer_than_an_address_is_reached),
        TEST(messages_keep_their_bounds_and_carry_handles),
        TEST(the_end_of_the_other_side_is_seen),
        TEST(a_full_socket_is_no_error),
        cmocka_unit_test(memory_that_could_shrink_is_not_mapped),
        cmocka_unit_test(a_blob_shorter_than_promised_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
