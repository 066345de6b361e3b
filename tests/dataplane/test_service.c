/* The service thread over made-up cores and a made-up session: snapshots, signals, stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/service.h"

enum { CORES = 3 };

static const struct snapshot snapshots[3] = {{.version = 1}, {.version = 2}, {.version = 3}};

static struct {
    uint32_t turns;
    const struct snapshot *pending; /* What session_snapshot says. */
    uint32_t applied;               /* Calls of session_applied. */
    uint32_t failure_count;         /* Of the last one. */
    struct session_failure failure; /* Its first. */
    const struct snapshot *offered[CORES];
    uint32_t done_cores; /* How many of the cores are done with it. */
    enum core_stage wanted[CORES];
    enum core_stage reached[CORES];
    enum core_stage stuck_at; /* A stage that core 1 never reaches; 0: none. */
    uint32_t directory_failures[LOG_DIRECTORIES_MAX];
    bool stopping;
    uint32_t joined;
    uint64_t number;
    void (*script)(void); /* Once a turn of the session. */
} fake;

uint32_t session_handles(const struct session *session, int handles[SESSION_HANDLES_MAX])
{
    (void)session;
    (void)handles;
    return 0;
}

uint32_t session_turn(struct session *session)
{
    (void)session;
    fake.turns++;
    if (fake.script != NULL) {
        fake.script();
    }
    return 0;
}

bool session_pending(const struct session *session)
{
    (void)session;
    return true; /* Turns quickly. */
}

const struct snapshot *session_snapshot(struct session *session)
{
    (void)session;
    const struct snapshot *snapshot = fake.pending;
    fake.pending = NULL;
    return snapshot;
}

bool session_applied(struct session *session, const struct session_failure *failures,
                     uint32_t failure_count)
{
    (void)session;
    fake.applied++;
    fake.failure_count = failure_count;
    if (failure_count > 0) {
        fake.failure = failures[0];
    }
    return true;
}

void session_directory_failed(struct session *session, uint16_t directory, enum log_status status)
{
    (void)session;
    assert_int_equal(status, LOG_FENCED);
    fake.directory_failures[directory]++;
}

void session_stopping(struct session *session)
{
    (void)session;
    fake.stopping = true;
}

uint64_t session_number(const struct session *session)
{
    (void)session;
    return fake.number;
}

const char *session_last_reason(const struct session *session)
{
    (void)session;
    return "made up";
}

void core_offer_snapshot(struct core *core, const struct snapshot *snapshot)
{
    fake.offered[core->index] = snapshot;
}

bool core_snapshot_done(const struct core *core, const struct snapshot *snapshot)
{
    return fake.offered[core->index] == snapshot && core->index < fake.done_cores;
}

void core_order_stage(struct core *core, enum core_stage stage)
{
    fake.wanted[core->index] = stage;
    if (core->index != 1 || stage != fake.stuck_at) {
        fake.reached[core->index] = stage;
    }
}

enum core_stage core_stage_reached(const struct core *core)
{
    return fake.reached[core->index];
}

void eal_join(uint32_t core)
{
    assert_int_equal(fake.wanted[core], CORE_ENDED);
    fake.joined++;
}

static struct {
    struct service service;
    struct cores cores;
    struct core core[CORES];
    struct recover recover;
    struct journal *journal;
} bed;

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(&bed, 0, sizeof(bed));
    bed.journal = journal_create(open("/dev/null", O_WRONLY | O_CLOEXEC), "test", 1, JOURNAL_DEBUG);
    assert_int_equal(
        service_init(&bed.service, bed.journal, link_world_real(), file_system_real(0)), 0);
    bed.recover.directory_count = 1;
    strcpy(bed.recover.directories[0].path, "/");
    bed.cores.options.core_count = CORES;
    bed.cores.options.recover = &bed.recover;
    for (uint32_t i = 0; i < CORES; i++) {
        bed.core[i].index = i;
        bed.core[i].finish_status = LOG_OK;
        bed.cores.cores[i] = &bed.core[i];
    }
    fake.done_cores = CORES;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    journal_destroy(bed.journal);
    close(bed.service.signals);
    close(bed.service.bell);
    return 0;
}

static void stop_after_ten_turns(void)
{
    if (fake.turns == 10) {
        kill(getpid(), SIGTERM);
    }
}

static void a_signal_ends_the_wait_for_the_first_snapshot(void **state)
{
    (void)state;
    fake.script = stop_after_ten_turns;
    assert_null(service_first_snapshot(&bed.service, NULL));
}

static void snapshot_at_the_fifth_turn(void)
{
    fake.pending = fake.turns == 5 ? &snapshots[0] : NULL;
}

static void the_first_snapshot_is_waited_for(void **state)
{
    (void)state;
    fake.script = snapshot_at_the_fifth_turn;
    assert_ptr_equal(service_first_snapshot(&bed.service, NULL), &snapshots[0]);
    assert_int_equal(fake.turns, 5);
}

/* Turn by turn: one core lags behind, the next snapshot waits for it. */
static void lagging_core(void)
{
    switch (fake.turns) {
    case 1: fake.done_cores = CORES - 1; break;
    case 4:
        assert_int_equal(fake.applied, 0);
        assert_ptr_equal(fake.offered[0], &snapshots[0]);
        fake.pending = &snapshots[1];
        bed.core[2].failure_count = 5000;
        bed.core[2].failures[0] = (struct session_failure){.index = 9, .status = LOG_FENCED};
        fake.done_cores = CORES;
        break;
    case 6:
        assert_int_equal(fake.applied, 1);
        assert_int_equal(fake.failure_count, 5000); /* Each of them. */
        assert_int_equal(fake.failure.index, 9);
        bed.core[2].failure_count = 0;
        break;
    case 9:
        assert_ptr_equal(fake.offered[2], &snapshots[1]);
        assert_int_equal(fake.applied, 2);
        assert_int_equal(fake.failure_count, 0);
        kill(getpid(), SIGTERM);
        break;
    default: break;
    }
}

static void
a_snapshot_is_reported_when_every_core_is_done_and_only_then_the_next_given(void **state)
{
    (void)state;
    fake.script = lagging_core;
    assert_true(service_run(&bed.service, &bed.cores, &snapshots[0]));
    assert_int_equal(fake.applied, 2);
}

static void sigterm_leads_all_cores_through_their_stages(void **state)
{
    (void)state;
    fake.script = stop_after_ten_turns;
    assert_true(service_run(&bed.service, &bed.cores, &snapshots[0]));
    assert_true(fake.stopping);
    assert_int_equal(fake.joined, CORES);
    for (uint32_t i = 0; i < CORES; i++) {
        assert_int_equal(fake.reached[i], CORE_ENDED);
    }
}

static void a_log_that_did_not_finish_gives_no_clean_stop(void **state)
{
    (void)state;
    fake.script = stop_after_ten_turns;
    bed.core[1].finish_status = LOG_IO_ERROR;
    assert_false(service_run(&bed.service, &bed.cores, &snapshots[0]));
    assert_int_equal(fake.joined, CORES);
}

static void sigint_and_sessions_that_come_and_go_are_ordinary(void)
{
    fake.number = fake.turns % 3 == 0 ? 0 : fake.turns;
    if (fake.turns == 10) {
        kill(getpid(), SIGINT);
    }
}

static void sessions_come_and_go_without_ending_the_service(void **state)
{
    (void)state;
    fake.script = sigint_and_sessions_that_come_and_go_are_ordinary;
    assert_true(service_run(&bed.service, &bed.cores, &snapshots[0]));
}

static void dying_directory(void)
{
    if (fake.turns == 3) {
        bed.core[0].directories_fenced = 1;
    } else if (fake.turns == 5) {
        bed.core[2].directories_fenced = 1;
    } else if (fake.turns == 10) {
        kill(getpid(), SIGTERM);
    }
}

static void a_directory_that_dies_is_told_to_control_once(void **state)
{
    (void)state;
    fake.script = dying_directory;
    assert_true(service_run(&bed.service, &bed.cores, &snapshots[0]));
    assert_int_equal(fake.directory_failures[0], 1);
    assert_true(bed.cores.directories[0].failed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_signal_ends_the_wait_for_the_first_snapshot),
        TEST(the_first_snapshot_is_waited_for),
        TEST(a_snapshot_is_reported_when_every_core_is_done_and_only_then_the_next_given),
        TEST(sigterm_leads_all_cores_through_their_stages),
        TEST(a_log_that_did_not_finish_gives_no_clean_stop),
        TEST(sessions_come_and_go_without_ending_the_service),
        TEST(a_directory_that_dies_is_told_to_control_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
