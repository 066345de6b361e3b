#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "dataplane/mail/ring.h"
#include "dataplane/slowpath/session_wire.h"

static struct link_message message;
static struct session_hello hello;

static void hello_good(void)
{
    memset(&hello, 0, sizeof(hello));
    hello.kind = SESSION_HELLO;
    hello.protocol = SESSION_PROTOCOL;
    (void)snprintf(hello.build, sizeof(hello.build), "%s", session_build());
    hello.session = 1;
    hello.cluster_id[0] = 'c';
    hello.core_count = 2;
    hello.directory_count = 1;
    hello.ring_to_control_bytes = 1 << 20;
    hello.ring_to_core_bytes = 1 << 20;
    message.len = sizeof(hello);
    message.handle_count = SESSION_HANDLE_CORE_BELLS - 1 + 2;
}

static const char *checked(void)
{
    static struct session_hello out;
    memcpy(message.bytes, &hello, sizeof(hello));
    return session_hello_check(&message, &out);
}

static void a_hello_of_this_build_is_understood(void **state)
{
    (void)state;
    hello_good();
    assert_null(checked());
    hello.statistics_bytes = 4096;
    assert_non_null(checked());
    message.handle_count++;
    assert_null(checked());
}

#define WRONG(change)               \
    do {                            \
        hello_good();               \
        change;                     \
        assert_non_null(checked()); \
    } while (0)

static void a_hello_with_anything_wrong_is_refused(void **state)
{
    (void)state;
    WRONG(message.len--);
    WRONG(message.handle_count--);
    WRONG(hello.kind = SESSION_APPLIED);
    WRONG(hello.protocol++);
    WRONG(hello.build[0] ^= 1);
    WRONG(memset(hello.build, 'x', sizeof(hello.build)));
    WRONG(hello.session = 0);
    WRONG(hello.core_count = 0);
    WRONG(hello.core_count = SESSION_CORES_MAX + 1);
    WRONG(hello.directory_count = 0);
    WRONG(hello.directory_count = LOG_DIRECTORIES_MAX + 1);
    WRONG(hello.directories[0].clean = 2);
    WRONG(memset(hello.directories[0].path, 'x', SESSION_PATH_BYTES));
    WRONG(hello.ring_to_core_bytes = 3 << 20);
    WRONG(hello.ring_to_control_bytes = 0);
    WRONG(hello.partition_count = SESSION_PARTITIONS_MAX + 1);
    WRONG(hello.cluster_id[0] = 0);
}

static void a_partition_in_no_directory_is_refused(void **state)
{
    (void)state;
    struct session_partition partition = {.topic_id = {.bytes = {1}}, .leader_epoch = -1};
    assert_null(session_partitions_check(&partition, 1, 1));
    partition.directory = 1;
    assert_non_null(session_partitions_check(&partition, 1, 1));
    partition.directory = 0;
    partition.leader_epoch = -2;
    assert_non_null(session_partitions_check(&partition, 1, 1));
    partition.leader_epoch = -1;
    partition.fresh = 2;
    assert_non_null(session_partitions_check(&partition, 1, 1));
}

static void rings_lie_apart_and_inside(void **state)
{
    (void)state;
    const uint32_t up = 1 << 20;
    const uint32_t down = 1 << 19;
    uint64_t end = 0;
    for (uint32_t core = 0; core < 4; core++) {
        const uint64_t a = session_ring_to_control_at(core, up, down);
        const uint64_t b = session_ring_to_core_at(core, up, down);
        assert_true(a >= end && a % RING_LINE_BYTES == 0 && b % RING_LINE_BYTES == 0);
        assert_true(b >= a + byte_ring_size(up));
        end = b + byte_ring_size(down);
    }
    assert_true(end <= session_memory_bytes(4, up, down));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_of_this_build_is_understood),
        cmocka_unit_test(a_hello_with_anything_wrong_is_refused),
        cmocka_unit_test(a_partition_in_no_directory_is_refused),
        cmocka_unit_test(rings_lie_apart_and_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
