/* Cores are made whole from options; broker and log are the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/core_setup.h"
#include "dataplane/limits.h"

enum { BROKER_BYTES = 1 << 20 };

static struct {
    struct log_setup logs[EAL_CORES_MAX];
    uint32_t log_count;
    struct broker_setup brokers[EAL_CORES_MAX];
    uint32_t broker_count;
    uint64_t page_bytes; /* Of the areas registered. */
    bool out_of_memory;
} fake;

struct log *log_create(const struct log_setup *setup)
{
    if (fake.out_of_memory) {
        return NULL;
    }
    fake.logs[fake.log_count] = *setup;
    return (struct log *)(void *)&fake.logs[fake.log_count++];
}

uint64_t broker_memory_bytes(const struct broker_limits *limits)
{
    assert_true(limits->connection_count > 0);
    return BROKER_BYTES;
}

struct broker_limits broker_limits_default(uint32_t request_bytes_max, uint64_t arena_bytes,
                                           uint32_t receive_buffer_count)
{
    assert_true(request_bytes_max > 0 && arena_bytes > 0 && receive_buffer_count > 0);
    return (struct broker_limits){.receive_buffer_count = receive_buffer_count};
}

struct broker *broker_create(void *memory, const struct broker_setup *setup)
{
    for (uint32_t i = 0; i < BROKER_BYTES; i += 512) {
        assert_int_equal(((uint8_t *)memory)[i], 0);
    }
    memset(memory, 0xff, BROKER_BYTES); /* Nobody else has it. */
    fake.brokers[fake.broker_count] = *setup;
    return (struct broker *)(void *)&fake.brokers[fake.broker_count++];
}

const struct transport_user *broker_transport_user(void)
{
    static const struct transport_user user;
    return &user;
}

struct slow_channel *session_channel(struct session *session, uint32_t core)
{
    (void)session;
    static char channels[EAL_CORES_MAX];
    return (struct slow_channel *)(void *)&channels[core];
}

int eal_register_memory(const struct memory_area *area)
{
    fake.page_bytes = area->page_bytes;
    return 0;
}

static struct {
    struct recover recover;
    struct cores_options options;
    struct cores cores;
    char reason[256];
    bool refused;
} bed;

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(&bed, 0, sizeof(bed));
    bed.recover.directory_count = 2;
    bed.recover.fs = file_system_real(0);
    strcpy(bed.recover.directories[0].path, "/one");
    strcpy(bed.recover.directories[1].path, "/two");
    bed.recover.directories[0].lock_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bed.recover.failed[1] = true;
    bed.options = (struct cores_options){
        .core_count = 2,
        .arena_bytes = 8 << 20,
        .receive_bytes = 4 << 20,
        .memory_cap_bytes = UINT64_C(1) << 30,
        .pages = MEMORY_PAGES_ORDINARY,
        .connection_count_max = 100,
        .request_bytes_max = 1 << 20,
        .journal = journal_create(open("/dev/null", O_WRONLY | O_CLOEXEC), "test", 2, JOURNAL_INFO),
        .world = link_world_real(),
        .recover = &bed.recover,
    };
    return 0;
}

static bool make(void)
{
    return cores_take_memory(&bed.cores, &bed.options, &bed.refused, bed.reason,
                             sizeof(bed.reason)) &&
           cores_make(&bed.cores, bed.reason, sizeof(bed.reason));
}

static void every_core_gets_parts_of_its_own(void **state)
{
    (void)state;
    static const int listeners[2] = {50, 51};
    if (!make() ||
        !cores_complete(&bed.cores, NULL, listeners, NULL, bed.reason, sizeof(bed.reason))) {
        fail_msg("%s", bed.reason);
    }
    assert_int_equal(fake.log_count, 2);
    assert_int_equal(fake.broker_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct core *core = bed.cores.cores[i];
        const struct core *other = bed.cores.cores[1 - i];
        assert_int_equal(core->index, i);
        assert_int_equal(core->listener, listeners[i]);
        assert_int_equal(fake.brokers[i].core, i);
        assert_int_equal(fake.brokers[i].core_count, 2);
        assert_ptr_equal(fake.brokers[i].log, core->log);
        assert_ptr_equal(fake.brokers[i].channel, core->channel);
        assert_ptr_equal(fake.brokers[i].shared, bed.cores.shared);
        assert_int_equal(fake.logs[i].directory_count, 2);
        assert_string_equal(fake.logs[i].directory_paths[1], "/two");
        assert_int_equal(fake.logs[i].arena_bytes, 8 << 20);
        assert_ptr_not_equal(fake.logs[i].arena, fake.logs[1 - i].arena);
        assert_ptr_not_equal(fake.logs[i].housekeeping, fake.logs[i].validation);
        assert_ptr_not_equal(fake.logs[i].housekeeping, fake.logs[1 - i].housekeeping);
        assert_true(core->ring != other->ring && core->mailbox != other->mailbox &&
                    core->bell != other->bell && core->statistics != other->statistics);
        assert_int_equal(ring_buffers_free(core->ring, RECEIVE_GROUP),
                         (4 << 20) / RECEIVE_BUFFER_BYTES);
    }
    assert_true(cores_register(&bed.cores, bed.reason, sizeof(bed.reason)));
    assert_int_equal(fake.page_bytes, MEMORY_PAGE_BYTES);
    assert_true(bed.cores.directories[1].failed);
    assert_false(bed.cores.directories[0].failed);
    assert_true(statistics_valid(bed.cores.statistics, bed.cores.statistics_bytes));
    cores_report(&bed.cores);
    housekeeping_stop(bed.cores.housekeeping);
}

static void more_memory_than_the_cap_is_refused_with_the_sum(void **state)
{
    (void)state;
    const uint64_t need = cores_memory_bytes(&bed.options);
    assert_true(need > 2 * ((8 + 4) << 20));
    bed.options.memory_cap_bytes = need - 1;
    assert_false(make());
    assert_true(bed.refused);
    assert_non_null(strstr(bed.reason, "memory.cap"));
}

static void huge_pages_that_must_be_and_are_not_refuse_the_start(void **state)
{
    (void)state;
    bed.options.huge_required = true; /* And ordinary pages are all that is taken here. */
    assert_false(make());
    assert_true(bed.refused);
    assert_non_null(strstr(bed.reason, "vm.nr_hugepages"));
}

static void no_memory_is_a_failure_and_no_refusal(void **state)
{
    (void)state;
    fake.out_of_memory = true;
    assert_false(make());
    assert_false(bed.refused);
    assert_true(strlen(bed.reason) > 0);
    housekeeping_stop(bed.cores.housekeeping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_core_gets_parts_of_its_own, set_up),
        cmocka_unit_test_setup(more_memory_than_the_cap_is_refused_with_the_sum, set_up),
        cmocka_unit_test_setup(huge_pages_that_must_be_and_are_not_refuse_the_start, set_up),
        cmocka_unit_test_setup(no_memory_is_a_failure_and_no_refusal, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
