#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "dataplane/slowpath/session.h"
#include "tests/sim/sim_link.h"

enum {
    CORES = 2,
};

struct bench {
    struct sim_link_machine *machine;
    struct link_world *world; /* Of the dataplane. */
    struct link_world *control;
    struct session *session;
    int link; /* Control's end. */
    struct link_message message;
    struct session_hello hello;
};

static struct bench *bench_new(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->machine = sim_link_machine_create();
    bench->world = sim_link_process(bench->machine);
    bench->control = sim_link_process(bench->machine);
    static const struct session_directory directory = {.path = "/d", .clean = 0};
    static const struct session_partition partitions[] = {
        {.topic_id = {.bytes = {1}}, .index = 3, .leader_epoch = 4},
    };
    const int bells[CORES] = {link_bell_make(bench->world), link_bell_make(bench->world)};
    struct session_setup setup = {
        .world = bench->world,
        .socket_path = "/d/.millrace/dataplane.sock",
        .incarnation = 1000,
        .cluster_id = "c",
        .core_count = CORES,
        .core_bells = bells,
        .log_shared = link_memory_make(bench->world, "l", sizeof(struct log_shared)),
        .statistics = LINK_NO_HANDLE,
        .directory_count = 1,
        .directories = &directory,
        .partitions = partitions,
        .partition_count = 1};
    char reason[128];
    bench->session = session_create(&setup, reason, sizeof(reason));
    assert_non_null(bench->session);
    return bench;
}

static int bench_up(void **state)
{
    *state = bench_new();
    return 0;
}

static int bench_down(void **state)
{
    struct bench *bench = *state;
    session_destroy(bench->session);
    sim_link_process_end(bench->control);
    sim_link_process_end(bench->world);
    sim_link_machine_destroy(bench->machine);
    free(bench);
    return 0;
}

static void cores_turn(struct bench *bench)
{
    for (uint32_t i = 0; i < CORES; i++) {
        channel_turn(session_channel(bench->session, i));
    }
}

static void message_take(struct bench *bench)
{
    assert_int_equal(link_receive(bench->control, bench->link, &bench->message), 1);
}

static void connect_control(struct bench *bench)
{
    bench->link = link_connect(bench->control, "/d/.millrace/dataplane.sock");
    assert_true(bench->link >= 0);
    assert_true(session_turn(bench->session) > 0);
    message_take(bench);
    assert_null(session_hello_check(&bench->message, &bench->hello));
    cores_turn(bench);
}

/* Sends a snapshot of one topic {2}, two partitions. */
static void snapshot_send(struct bench *bench, uint64_t version, uint16_t directory)
{
    struct snapshot_partition partitions[2] = {{.directory = directory, .leader_epoch = 6},
                                               {.directory = directory, .leader_epoch = 7}};
    struct snapshot_topic topic = {.id = {.bytes = {2}},
                                   .name = {(const uint8_t *)"t", 1},
                                   .partition_count = 2,
                                   .partitions = partitions};
    const struct snapshot snapshot = {.version = version,
                                      .cluster_id = {(const uint8_t *)"c", 1},
                                      .topic_count = 1,
                                      .topics = &topic,
                                      .partition_count = 2};
    uint8_t image[1024];
    const uint64_t size = snapshot_encode(&snapshot, image, sizeof(image));
    assert_true(size <= sizeof(image));
    const struct bytes content = {image, (uint32_t)size};
    const struct session_snapshot header = {
        .kind = SESSION_SNAPSHOT, .version = version, .size = size};
    const int blob = link_blob_make(bench->control, "s", content);
    struct link_message *message = &bench->message;
    memcpy(message->bytes, &header, sizeof(header));
    message->len = sizeof(header);
    message->handle_count = 1;
    message->handles[0] = blob;
    assert_int_equal(link_send(bench->control, bench->link, message), 0);
    link_close(bench->control, blob);
}

static void hello_says_what_recovery_found(void **state)
{
    struct bench *bench = *state;
    connect_control(bench);
    assert_int_equal(bench->hello.session, 1001);
    assert_int_equal(bench->hello.partition_count, 1);
    assert_int_equal(bench->hello.directories[0].clean, 0);
    struct session_partition found;
    assert_int_equal(
        link_blob_read(bench->control, bench->message.handles[1], &found, sizeof(found)), 0);
    assert_int_equal(found.index, 3);
    assert_int_equal(found.leader_epoch, 4);
    assert_int_equal(channel_session(session_channel(bench->session, 1)), 1001);
}

static void a_snapshot_is_handed_out_and_reported_applied(void **state)
{
    struct bench *bench = *state;
    connect_control(bench);
    snapshot_send(bench, 1, 0);
    assert_true(session_turn(bench->session) > 0);
    const struct snapshot *snapshot = session_snapshot(bench->session);
    assert_non_null(snapshot);
    assert_int_equal(snapshot->topics[0].partitions[1].leader_epoch, 7);
    assert_null(session_snapshot(bench->session));
    const struct session_failure failure = {.topic_id = {.bytes = {2}}, .status = LOG_NO_SPACE};
    session_applied(bench->session, &failure, 1);
    message_take(bench);
    struct session_applied applied;
    memcpy(&applied, bench->message.bytes, sizeof(applied));
    assert_int_equal(applied.kind, SESSION_APPLIED);
    assert_int_equal(applied.version, 1);
    assert_int_equal(applied.failure_count, 1);
    assert_int_equal(bench->message.handle_count, 1);

    /* The next HELLO names the applied partitions without the failed one, and a clean start. */
    connect_control(bench);
    assert_int_equal(bench->hello.session, 1002);
    assert_int_equal(bench->hello.partition_count, 1);
    assert_int_equal(bench->hello.directories[0].clean, 1);
    struct session_partition found;
    assert_int_equal(
        link_blob_read(bench->control, bench->message.handles[1], &found, sizeof(found)), 0);
    assert_int_equal(found.index, 1);
    assert_int_equal(found.leader_epoch, 7);
}

static void a_new_session_ends_the_old_one_and_its_memory_waits_for_the_cores(void **state)
{
    struct bench *bench = *state;
    connect_control(bench);
    const int old = bench->link;
    const uint32_t before = sim_link_handle_count(bench->world);
    bench->link = link_connect(bench->control, "/d/.millrace/dataplane.sock");
    assert_true(session_turn(bench->session) > 0);
    assert_true(session_pending(bench->session)); /* No core has turned since. */
    assert_int_equal(sim_link_handle_count(bench->world), before + 2);
    cores_turn(bench);
    (void)session_turn(bench->session);
    assert_false(session_pending(bench->session));
    assert_int_equal(sim_link_handle_count(bench->world), before);
    assert_int_equal(channel_session(session_channel(bench->session, 0)), 1002);
    assert_int_equal(link_receive(bench->control, old, &bench->message), 0);
}

static void a_dead_control_leaves_the_cores_without_a_session(void **state)
{
    struct bench *bench = *state;
    connect_control(bench);
    sim_link_process_end(bench->control);
    bench->control = sim_link_process(bench->machine);
    assert_true(session_turn(bench->session) > 0);
    assert_int_equal(session_number(bench->session), 0);
    cores_turn(bench);
    assert_false(channel_connected(session_channel(bench->session, 0)));
}

static void a_snapshot_survives_the_end_of_its_session_but_is_not_reported(void **state)
{
    struct bench *bench = *state;
    connect_control(bench);
    snapshot_send(bench, 1, 0);
    (void)session_turn(bench->session);
    assert_non_null(session_snapshot(bench->session));
    connect_control(bench);
    snapshot_send(bench, 1, 0); /* Version 1 of the new session. */
    (void)session_turn(bench->session);
    assert_null(session_snapshot(bench->session)); /* The first is still being applied. */
    session_applied(bench->session, NULL, 0);
    assert_int_equal(link_receive(bench->control, bench->link, &bench->message), -EAGAIN);
    assert_non_null(session_snapshot(bench->session));
    session_applied(bench->session, NULL, 0);
    message_take(bench);
}

static void what_control_may_not_send_ends_the_session(void **state)
{
    struct bench *bench = *state;
    connect_control(bench);
    snapshot_send(bench, 1, 1); /* There is one directory. */
    (void)session_turn(bench->session);
    assert_int_equal(session_number(bench->session), 0);

    connect_control(bench);
    snapshot_send(bench, 1, 0);
    snapshot_send(bench, 2, 0); /* Before the first is applied. */
    (void)session_turn(bench->session);
    assert_int_equal(session_number(bench->session), 0);

    connect_control(bench);
    bench->message.len = 4;
    bench->message.handle_count = 0;
    assert_int_equal(link_send(bench->control, bench->link, &bench->message), 0);
    (void)session_turn(bench->session);
    assert_int_equal(session_number(bench->session), 0);
    assert_int_equal(session_counters(bench->session)->refused_messages, 3);
    assert_non_null(session_last_reason(bench->session));
}

static void a_broken_ring_ends_the_session(void **state)
{
    struct bench *bench = *state;
    connect_control(bench);
    const uint64_t size = session_memory_bytes(CORES, bench->hello.ring_to_control_bytes,
                                               bench->hello.ring_to_core_bytes);
    uint8_t *mapped =
        link_memory_map(bench->control, bench->message.handles[SESSION_HANDLE_RINGS], size, true);
    assert_non_null(mapped);
    const uint64_t at = session_ring_to_core_at(1, bench->hello.ring_to_control_bytes,
                                                bench->hello.ring_to_core_bytes);
    memset(mapped + at + 64, 0xff, 8); /* The producer's counter. */
    struct slow_fragment fragment;
    assert_false(channel_receive(session_channel(bench->session, 1), &fragment));
    (void)session_turn(bench->session);
    assert_int_equal(session_number(bench->session), 0);
    assert_int_equal(session_counters(bench->session)->broken_rings, 1);
}

static void what_finds_no_room_is_told_later(void **state)
{
    struct bench *bench = *state;
    connect_control(bench);
    sim_link_choke(bench->world, true);
    session_directory_failed(bench->session, 0, LOG_IO_ERROR);
    session_stopping(bench->session);
    (void)session_turn(bench->session);
    assert_int_equal(link_receive(bench->control, bench->link, &bench->message), -EAGAIN);
    sim_link_choke(bench->world, false);
    (void)session_turn(bench->session);
    message_take(bench);
    struct session_directory_failed failed;
    memcpy(&failed, bench->message.bytes, sizeof(failed));
    assert_int_equal(failed.kind, SESSION_DIRECTORY_FAILED);
    assert_int_equal(failed.status, LOG_IO_ERROR);
    message_take(bench);
    connect_control(bench);
    assert_int_equal(bench->hello.directories[0].failed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, bench_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hello_says_what_recovery_found),
        TEST(a_snapshot_is_handed_out_and_reported_applied),
        TEST(a_new_session_ends_the_old_one_and_its_memory_waits_for_the_cores),
        TEST(a_dead_control_leaves_the_cores_without_a_session),
        TEST(a_snapshot_survives_the_end_of_its_session_but_is_not_reported),
        TEST(what_control_may_not_send_ends_the_session),
        TEST(a_broken_ring_ends_the_session),
        TEST(what_finds_no_room_is_told_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
