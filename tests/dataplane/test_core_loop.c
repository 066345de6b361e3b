/* The loop over a real ring, real mail and real sockets; broker and log are the test's own, and
 * write down what they are called for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/core_loop.h"
#include "dataplane/limits.h"
#include "dataplane/sock/listen.h"
#include "tests/dataplane/wired_port.h"

/* ---- The broker and the log of this test ---- */

static struct {
    char calls[64]; /* One letter per phase, of the last turn. */
    uint32_t call_count;
    uint32_t mail;       /* Messages received. */
    uint32_t frame_work; /* What the next frame turns say, each once. */
    uint64_t deadline_ns;
    _Atomic(const struct snapshot *) set;
    const struct snapshot *applied;
    const struct snapshot *used;
    bool stopping;
    bool stopped;
    bool finishing;
    enum log_status finished;
    uint32_t fenced; /* Index + 1; 0: none. */
    struct mailbox *mailbox;
    struct log_counters counters;
    _Atomic uint64_t turns;
} fake;

static uint32_t called(char letter)
{
    if (fake.call_count < sizeof(fake.calls) - 1) {
        fake.calls[fake.call_count++] = letter;
    }
    return 0;
}

void broker_turn_begin(struct broker *broker, uint64_t now_ns, int64_t wall_ms)
{
    (void)broker;
    assert_true(now_ns > 0 && wall_ms > 0);
    memset(fake.calls, 0, sizeof(fake.calls));
    fake.call_count = 0;
    fake.turns++;
}

uint32_t broker_log_turn(struct broker *broker, uint32_t budget)
{
    (void)broker;
    assert_true(budget > 0);
    return called('a');
}

uint32_t broker_mail_turn(struct broker *broker, uint32_t budget)
{
    (void)broker;
    assert_true(budget > 0);
    uint32_t work = called('m');
    while (mail_receive(fake.mailbox) != NULL) {
        fake.mail++;
        work++;
    }
    return work;
}

uint32_t broker_frame_turn(struct broker *broker, uint32_t budget)
{
    (void)broker;
    assert_true(budget > 0);
    const uint32_t work = fake.frame_work;
    fake.frame_work = 0;
    return called('f') + work;
}

uint32_t broker_slow_turn(struct broker *broker, uint32_t budget)
{
    (void)broker;
    assert_true(budget > 0);
    return called('s');
}

uint32_t broker_timer_turn(struct broker *broker, uint32_t budget)
{
    (void)broker;
    assert_true(budget > 0);
    return called('t');
}

uint32_t broker_send_turn(struct broker *broker)
{
    (void)broker;
    return called('w');
}

uint64_t broker_next_deadline_ns(const struct broker *broker)
{
    (void)broker;
    return fake.deadline_ns;
}

void broker_set_snapshot(struct broker *broker, const struct snapshot *snapshot)
{
    (void)broker;
    fake.set = snapshot;
}

const struct snapshot *broker_applied_snapshot(const struct broker *broker)
{
    (void)broker;
    return fake.applied;
}

bool broker_uses_snapshot(const struct broker *broker, const struct snapshot *snapshot)
{
    (void)broker;
    return fake.used == snapshot;
}

void broker_stop(struct broker *broker)
{
    (void)broker;
    fake.stopping = true;
}

bool broker_stopped(const struct broker *broker)
{
    (void)broker;
    return fake.stopped;
}

void broker_finish_log(struct broker *broker)
{
    (void)broker;
    fake.finishing = true;
}

enum log_status broker_log_finished(const struct broker *broker)
{
    (void)broker;
    return fake.finished;
}

uint32_t log_done_turn(struct log *log, uint64_t now_ns, int64_t wall_ms, uint32_t budget)
{
    (void)log;
    assert_true(now_ns > 0 && wall_ms > 0 && budget > 0);
    return called('d');
}

uint32_t log_submit_turn(struct log *log, uint64_t now_ns)
{
    (void)log;
    (void)now_ns;
    return called('c');
}

uint32_t log_timer_turn(struct log *log, uint64_t now_ns, int64_t wall_ms)
{
    (void)log;
    (void)now_ns;
    (void)wall_ms;
    return called('r');
}

uint64_t log_next_deadline_ns(const struct log *log)
{
    (void)log;
    return UINT64_MAX;
}

const struct log_counters *log_counters(const struct log *log)
{
    (void)log;
    return &fake.counters;
}

bool log_directory_fenced(const struct log *log, uint16_t directory)
{
    (void)log;
    return directory == fake.fenced - 1;
}

struct partition *log_find(struct log *log, const struct partition_id *id)
{
    (void)log;
    (void)id;
    return NULL;
}

bool partition_made(const struct partition *partition)
{
    (void)partition;
    return true;
}

uint16_t partition_directory(const struct partition *partition)
{
    (void)partition;
    return 0;
}

enum log_status partition_state(const struct partition *partition)
{
    (void)partition;
    return LOG_OK;
}

/* Nobody connects in these tests. */
static const struct transport_user no_user;

/* ---- A core of them ---- */

enum { BUFFERS = 64 };

static struct {
    struct core core;
    struct core *cores[2];
    struct mail *mail;
    void *sock_memory;
    uint8_t *disk_memory;
    uint8_t *buffers;
    struct journal *journal;
    struct statistics *statistics;
    int listener;
    pthread_t thread;
} bed;

static void *zeroed(uint64_t size)
{
    return memset(aligned_alloc(4096, round_up(size, 4096)), 0, round_up(size, 4096));
}

static void sock_open(struct core *core)
{
    int error;
    const struct sock_setup setup = {.ring = core->ring,
                                     .user = &no_user,
                                     .connection_count_max = 8,
                                     .send_count_max = 16,
                                     .buffer_group = RECEIVE_GROUP,
                                     .buffer_count = BUFFERS,
                                     .buffer_bytes = 4096,
                                     .buffers = bed.buffers};
    bed.sock_memory = zeroed(sock_memory_bytes(&setup));
    core->sock = sock_create(bed.sock_memory, &setup, &error);
    assert_non_null(core->sock);
}

static int set_up(void **state)
{
    (void)state;
    int error = 0;
    memset(&bed, 0, sizeof(bed));
    memset(&fake, 0, sizeof(fake));
    fake.deadline_ns = UINT64_MAX;
    fake.finished = LOG_PENDING;
    struct core *core = &bed.core;
    bed.mail = mail_init(zeroed(mail_size(2)), 2);
    bed.journal = journal_create(STDERR_FILENO, "test", 1, JOURNAL_ERROR);
    bed.statistics = zeroed(statistics_size(1));
    bed.disk_memory = zeroed(4096);
    bed.buffers = zeroed(BUFFERS * 4096);
    const struct ring_options options = {
        .submissions = 64, .completions = 256, .file_count_max = 4};
    core->ring = ring_create(&options, &error);
    assert_non_null(core->ring);
    const struct disk_options disk = {.operation_count_max = 8, .slot_count = 2};
    core->disk = disk_create(core->ring, bed.disk_memory, 4096, &disk);
    assert_non_null(core->disk);
    sock_open(core);
    core->core_count = 2;
    core->directory_count = 3;
    core->cores = bed.cores;
    bed.cores[0] = core;
    core->idle = CORE_IDLE_ECO;
    core->mailbox = mail_box(bed.mail, 0);
    fake.mailbox = core->mailbox;
    core->channel = channel_create();
    core->journal = journal_port(bed.journal, 0);
    core->statistics = &bed.statistics->cores[0];
    core->world = link_world_real();
    core->bell = link_bell_make(core->world);
    core->service_bell = link_bell_make(core->world);
    struct network_address address;
    assert_true(listen_resolve("127.0.0.1", 0, &address));
    assert_int_equal(listen_open(&address, 1, &bed.listener), 0);
    core->listener = bed.listener;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    listen_close(1, &bed.listener);
    ring_destroy(bed.core.ring);
    disk_destroy(bed.core.disk);
    channel_destroy(bed.core.channel);
    journal_destroy(bed.journal);
    link_close(bed.core.world, bed.core.bell);
    link_close(bed.core.world, bed.core.service_bell);
    free(bed.mail);
    free(bed.statistics);
    free(bed.disk_memory);
    free(bed.buffers);
    free(bed.sock_memory);
    return 0;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_ms(uint32_t ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&time, NULL);
}

/* Fails after half a minute: a limit for what hangs, not for a busy machine. */
#define UNTIL(condition)                                 \
    for (uint32_t i_ = 0; !(condition); i_++) {          \
        sleep_ms(1);                                     \
        if (i_ > 30000) {                                \
            fail_msg("never came true: %s", #condition); \
        }                                                \
    }

enum {
    TURNS_AWAKE_MAX =
        2000, /* Before a sleep, while it polls; one that never sleeps makes millions. */
};

static void *run(void *argument)
{
    core_run(argument);
    return NULL;
}

static void core_start(void)
{
    assert_int_equal(pthread_create(&bed.thread, NULL, run, &bed.core), 0);
    UNTIL(core_stage_reached(&bed.core) == CORE_RUNNING);
}

static void core_stop(void)
{
    fake.stopped = true;
    core_order_stage(&bed.core, CORE_DRAINING);
    UNTIL(core_stage_reached(&bed.core) == CORE_DRAINING);
    assert_true(fake.stopping);
    assert_false(fake.finishing);
    core_order_stage(&bed.core, CORE_FINISHING);
    UNTIL(core_stage_reached(&bed.core) == CORE_FINISHING);
    assert_true(fake.finishing);
    core_order_stage(&bed.core, CORE_ENDED);
    sleep_ms(5);
    assert_int_equal(core_stage_reached(&bed.core), CORE_FINISHING); /* The log is not through. */
    fake.finished = LOG_OK;
    ring_wake(bed.core.ring); /* As a finished housekeeping job does. */
    UNTIL(core_stage_reached(&bed.core) == CORE_ENDED);
    pthread_join(bed.thread, NULL);
    assert_int_equal(bed.core.finish_status, LOG_OK);
}

static void a_turn_takes_completions_first_and_sends_last(void **state)
{
    (void)state;
    assert_int_equal(ring_start(bed.core.ring), 0);
    assert_int_equal(core_turn(&bed.core, 1000, 1), 0);
    assert_string_equal(fake.calls, "damfstrcw");
    fake.frame_work = 3;
    assert_int_equal(core_turn(&bed.core, 2000, 1), 3);
}

/* Counted, not timed: however busy the machine is, a core that sleeps turns a few times before each
 * sleep, and sleeps as often as time has passed for. */
static void a_core_without_work_sleeps_and_hardly_turns(void **state)
{
    (void)state;
    static const enum core_idle idles[] = {CORE_IDLE_BALANCED, CORE_IDLE_ECO};
    for (size_t i = 0; i < ARRAY_SIZE(idles); i++) {
        if (i > 0) {
            (void)set_up(NULL);
        }
        bed.core.idle = idles[i];
        core_start();
        UNTIL(statistic_get(bed.core.statistics, STATISTIC_sleeps) > 0);
        const uint64_t since_ns = clock_ns(CLOCK_MONOTONIC);
        const uint64_t slept = statistic_get(bed.core.statistics, STATISTIC_sleeps);
        const uint64_t turned = fake.turns;
        sleep_ms(500);
        const uint64_t turns = fake.turns - turned;
        const uint64_t sleeps = statistic_get(bed.core.statistics, STATISTIC_sleeps) - slept;
        const uint64_t passed_ms = (clock_ns(CLOCK_MONOTONIC) - since_ns) / 1000000;
        print_message("%llu turns and %llu sleeps in %llu ms\n", (unsigned long long)turns,
                      (unsigned long long)sleeps, (unsigned long long)passed_ms);
        assert_in_range(sleeps, 0, 10 + passed_ms / (SLEEP_MS_MAX / 10));
        assert_in_range(turns, 0, TURNS_AWAKE_MAX * (sleeps + 1));
        core_stop();
        if (i + 1 < ARRAY_SIZE(idles)) {
            (void)tear_down(NULL);
        }
    }
}

static void the_latency_profile_polls(void **state)
{
    (void)state;
    bed.core.idle = CORE_IDLE_LATENCY;
    core_start();
    const uint64_t before = statistic_get(bed.core.statistics, STATISTIC_turns);
    UNTIL(statistic_get(bed.core.statistics, STATISTIC_turns) > before + 1000);
    assert_int_equal(statistic_get(bed.core.statistics, STATISTIC_sleeps), 0);
    core_stop();
}

/* The idle ladder, by the time without work. */
static void a_core_that_many_appends_wait_for_sleeps_later(void **state)
{
    (void)state;
    static const struct {
        enum core_idle idle;
        uint32_t poll_us;
        uint64_t appends;
        uint32_t idle_us;
        bool polls;
    } rows[] = {
        {CORE_IDLE_BALANCED, 0, 0, 0, false},
        {CORE_IDLE_BALANCED, 10, 0, 9, true},
        {CORE_IDLE_BALANCED, 10, 0, 10, false},
        {CORE_IDLE_BALANCED, 10, IDLE_POLL_APPENDS - 1, 10, false},
        {CORE_IDLE_BALANCED, 10, IDLE_POLL_APPENDS, 10, true},
        {CORE_IDLE_BALANCED, 0, IDLE_POLL_APPENDS, IDLE_POLL_APPENDS_US - 1, true},
        {CORE_IDLE_BALANCED, 0, 1000000, IDLE_POLL_APPENDS_US, false},
        {CORE_IDLE_ECO, 10, IDLE_POLL_APPENDS, 0, false},
        {CORE_IDLE_LATENCY, 0, 0, 1000000, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bed.core.idle = rows[i].idle;
        bed.core.poll_ns = rows[i].poll_us * UINT64_C(1000);
        bed.core.idle_since_ns = 5000;
        bed.core.now_ns = 5000 + rows[i].idle_us * UINT64_C(1000);
        fake.counters.appends_waiting = rows[i].appends;
        assert_int_equal(core_polls(&bed.core), rows[i].polls);
    }
}

static void a_sleeping_core_wakes_for_mail_bells_and_deadlines(void **state)
{
    (void)state;
    static struct mail_message messages[200];
    uint32_t late = 0;
    core_start();
    for (uint32_t i = 0; i < ARRAY_SIZE(messages); i++) {
        const uint64_t before_ns = clock_ns(CLOCK_MONOTONIC);
        mail_post(mail_box(bed.mail, 1), 0, &messages[i]);
        if (mail_flush(mail_box(bed.mail, 1)) != 0) {
            ring_wake(bed.core.ring);
        }
        UNTIL(*(volatile uint32_t *)&fake.mail == i + 1);
        late += clock_ns(CLOCK_MONOTONIC) - before_ns >= SLEEP_MS_MAX * UINT64_C(500000);
    }
    /* Not woken, it would see each when it looks around by itself; a busy machine makes few late.
     */
    assert_in_range(late, 0, ARRAY_SIZE(messages) / 10);
    for (uint32_t i = 0; i < 20; i++) {
        const uint64_t before = fake.turns;
        link_bell_ring(bed.core.world, bed.core.bell);
        UNTIL(fake.turns > before);
        sleep_ms(2);
    }
    core_stop();
}

/* Turns without news do not ask the broker; whatever may be news has it asked again. */
static void dozes(uint64_t from_ns)
{
    for (uint64_t i = 0; i < 5; i++) { /* Find nothing; a bell that was read stirs its ring. */
        (void)core_turn(&bed.core, from_ns + i, 1);
    }
    const uint64_t before = fake.turns;
    for (uint64_t i = 5; i <= 100; i++) {
        assert_int_equal(core_turn(&bed.core, from_ns + i, 1), 0);
    }
    assert_int_equal(fake.turns, before);
}

static void looks_around(uint64_t now_ns)
{
    const uint64_t before = fake.turns;
    (void)core_turn(&bed.core, now_ns, 1);
    assert_int_equal(fake.turns, before + 1);
}

static void a_core_that_polls_asks_everybody_only_when_there_is_news(void **state)
{
    (void)state;
    static struct mail_message message;
    static const struct snapshot snapshot = {.version = 1};
    bed.core.idle = CORE_IDLE_LATENCY;
    fake.mail = 0;
    assert_int_equal(ring_start(bed.core.ring), 0);
    bed.core.bell_op = (struct ring_op){.owner = RING_OWNER_LOOP};
    ring_poll_multishot(bed.core.ring, &bed.core.bell_op, bed.core.bell);
    looks_around(1000);
    dozes(2000);
    mail_post(mail_box(bed.mail, 1), 0, &message);
    assert_int_equal(mail_flush(mail_box(bed.mail, 1)), 1); /* It says that it sleeps. */
    ring_wake(bed.core.ring);
    looks_around(3000);
    assert_int_equal(fake.mail, 1);
    dozes(4000);
    link_bell_ring(bed.core.world, bed.core.bell);
    looks_around(5000);
    dozes(6000);
    fake.deadline_ns = 20000;
    ring_wake(bed.core.ring); /* As housekeeping does. */
    looks_around(7000);
    dozes(8000);
    looks_around(20000);
    looks_around(20001); /* It stays. */
    fake.deadline_ns = UINT64_MAX;
    dozes(21000);
    core_offer_snapshot(&bed.core, &snapshot);
    looks_around(22000);
    assert_ptr_equal(fake.set, &snapshot);
    core_order_stage(&bed.core, CORE_DRAINING);
    looks_around(23000);
    looks_around(23001); /* Until it has what it waits for. */
    sock_stop_listening(bed.core.sock);
    while (!sock_stopped_listening(bed.core.sock)) {
        (void)core_turn(&bed.core, 25000, 1);
    }
}

/* One that sleeps at once has nothing of it. */
static void a_core_that_sleeps_at_once_does_not_doze(void **state)
{
    (void)state;
    assert_int_equal(ring_start(bed.core.ring), 0);
    for (uint64_t i = 0; i < 10; i++) {
        looks_around(1000 + i);
    }
}

static void a_deadline_ends_the_sleep(void **state)
{
    (void)state;
    fake.deadline_ns = clock_ns(CLOCK_MONOTONIC) + 100 * 1000 * 1000;
    core_start();
    uint64_t before = 0; /* Turns that were surely made before the deadline. */
    for (;;) {
        const uint64_t turns = fake.turns;
        if (clock_ns(CLOCK_MONOTONIC) >= fake.deadline_ns) {
            break;
        }
        before = turns;
        sleep_ms(1);
    }
    assert_in_range(before, 0, 3 * TURNS_AWAKE_MAX);  /* It slept. */
    UNTIL(fake.turns > before + 3 * TURNS_AWAKE_MAX); /* The deadline stays: it is awake. */
    fake.deadline_ns = UINT64_MAX;
    core_stop();
}

static void a_snapshot_is_done_when_it_is_applied_and_the_one_before_let_go(void **state)
{
    (void)state;
    static const struct snapshot first = {.version = 1};
    static const struct snapshot second = {.version = 2};
    assert_int_equal(ring_start(bed.core.ring), 0);
    assert_true(core_turn(&bed.core, 1000, 1) == 0);
    assert_true(bed.core.listener >= 0); /* Nothing to serve yet. */
    core_offer_snapshot(&bed.core, &first);
    (void)core_turn(&bed.core, 2000, 1);
    assert_ptr_equal(fake.set, &first);
    assert_int_equal(bed.core.listener, -1);
    assert_false(core_snapshot_done(&bed.core, &first));
    fake.applied = &first;
    fake.used = &first;
    (void)core_turn(&bed.core, 3000, 1);
    assert_true(core_snapshot_done(&bed.core, &first));
    core_offer_snapshot(&bed.core, &second);
    (void)core_turn(&bed.core, 4000, 1);
    fake.applied = &second;
    (void)core_turn(&bed.core, 5000, 1);
    assert_false(core_snapshot_done(&bed.core, &second)); /* A request still looks at the first. */
    fake.used = &second;
    (void)core_turn(&bed.core, 6000, 1);
    assert_true(core_snapshot_done(&bed.core, &second));
    assert_int_equal(statistic_get(bed.core.statistics, STATISTIC_snapshot_version), 2);
    sock_stop_listening(bed.core.sock);
    while (!sock_stopped_listening(bed.core.sock)) {
        (void)core_turn(&bed.core, 7000, 1);
    }
}

static void turns_are_measured_and_counters_come_out(void **state)
{
    (void)state;
    fake.counters.appended_records = 77;
    fake.counters.cleanings = 3;
    fake.counters.uncleanable_partitions = 2;
    fake.frame_work = 1;
    core_start();
    UNTIL(statistic_get(bed.core.statistics, STATISTIC_log_appended_records) == 77);
    UNTIL(statistic_get(bed.core.statistics, STATISTIC_turns_busy) >= 1);
    assert_int_equal(statistic_get(bed.core.statistics, STATISTIC_log_cleanings), 3);
    assert_int_equal(statistic_get(bed.core.statistics, STATISTIC_log_uncleanable_partitions), 2);
    assert_true(bed.core.statistics->turn_ns.count >= 1);
    assert_int_equal(statistic_get(bed.core.statistics, STATISTIC_receive_buffers_free), BUFFERS);
    core_stop();
}

static void a_directory_that_the_log_fenced_is_told(void **state)
{
    (void)state;
    core_start();
    sleep_ms(20);
    assert_int_equal(bed.core.directories_fenced, 0);
    *(volatile uint32_t *)&fake.fenced = 2;
    ring_wake(bed.core.ring);
    UNTIL(bed.core.directories_fenced == 1u << 1);
    core_stop();
}

/* ---- A port that interrupts ---- */

static void port_wire(void)
{
    struct nic *nic = wired_port_start(bed.core.statistics);
    const struct stack_setup setup = {.nic = nic,
                                      .user = &no_user,
                                      .v4 = 0x0a000001,
                                      .prefix_bits = 24,
                                      .connection_count_max = 4,
                                      .receive_buffer_count = BUFFERS};
    bed.core.nic = nic;
    bed.core.stack =
        stack_create(zeroed(stack_memory_bytes(&setup)), &setup, clock_ns(CLOCK_MONOTONIC));
}

static void a_frame_ends_the_sleep_of_a_core_that_armed_its_port(void **state)
{
    (void)state;
    port_wire();
    core_start();
    for (uint32_t i = 0; i < 20; i++) {
        UNTIL(wired_port.armed);
        wired_port_frame();
        UNTIL(wired_port.received == i + 1);
    }
    const uint64_t told = statistic_get(bed.core.statistics, STATISTIC_port_wakeups);
    assert_in_range(told, 1, wired_port.raised); /* What is found by looking is not told of. */
    core_stop();
}

static void a_frame_that_comes_while_the_core_arms_keeps_it_awake(void **state)
{
    (void)state;
    port_wire();
    wired_port.at_arming = 1000;
    core_start();
    UNTIL(wired_port.received == 1000);
    assert_int_equal(wired_port.sleeps_meanwhile, 0);
    core_stop();
}

static void a_port_whose_interrupt_does_not_work_is_asked_again_soon(void **state)
{
    (void)state;
    port_wire();
    wired_port.broken = true;
    core_start();
    for (uint32_t i = 0; i < 100; i++) {
        wired_port_frame();
        UNTIL(wired_port.received == i + 1);
    }
    assert_int_equal(statistic_get(bed.core.statistics, STATISTIC_port_wakeups), 0);
    assert_true(statistic_get(bed.core.statistics, STATISTIC_sleeps) > 0);
    core_stop();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_turn_takes_completions_first_and_sends_last),
        TEST(a_core_without_work_sleeps_and_hardly_turns),
        TEST(the_latency_profile_polls),
        TEST(a_core_that_many_appends_wait_for_sleeps_later),
        TEST(a_sleeping_core_wakes_for_mail_bells_and_deadlines),
        TEST(a_core_that_polls_asks_everybody_only_when_there_is_news),
        TEST(a_core_that_sleeps_at_once_does_not_doze),
        TEST(a_deadline_ends_the_sleep),
        TEST(a_snapshot_is_done_when_it_is_applied_and_the_one_before_let_go),
        TEST(turns_are_measured_and_counters_come_out),
        TEST(a_directory_that_the_log_fenced_is_told),
        TEST(a_frame_ends_the_sleep_of_a_core_that_armed_its_port),
        TEST(a_frame_that_comes_while_the_core_arms_keeps_it_awake),
        TEST(a_port_whose_interrupt_does_not_work_is_asked_again_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
