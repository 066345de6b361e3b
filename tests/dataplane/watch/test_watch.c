/* The thread that looks, with cores that this test plays: it is the core that a capture hooks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/watch/watch.h"
#include "tests/dataplane/watch/watch_fakes.h"

enum { CORES = 2, CONNECTIONS = SURVEY_ROWS + 3 };

static struct {
    struct core *cores[CORES];
    struct statistics *statistics;
    struct watch *watch;
    struct nic nics[CORES];
    _Atomic bool silent;  /* Core 1 does not answer. */
    uint32_t last_frames; /* Sent when the order to stop is obeyed. */
    char folder[32];
    char path[64];
} at;

/* ---- The cores of this test ---- */

void core_ask_survey(struct core *core, struct survey *survey)
{
    atomic_store(&core->survey_wanted, survey);
    if (core->index == 1 && atomic_load(&at.silent)) {
        return;
    }
    const uint32_t from = survey->slot;
    survey->count = min_u32(SURVEY_ROWS, CONNECTIONS - from);
    survey->slot =
        from + survey->count == CONNECTIONS ? (uint32_t)SURVEY_END : from + survey->count;
    for (uint32_t i = 0; i < survey->count; i++) {
        survey->rows[i] = (struct tcp_info){
            .congestion = "cubic", .recovery = "open", .peer = {.port = (uint16_t)(1 + from + i)}};
    }
    atomic_store(&core->survey_done, survey);
    link_bell_ring(core->world, core->watch_bell);
}

bool core_survey_done(const struct core *core, const struct survey *survey)
{
    return atomic_load(&core->survey_done) == survey;
}

static void core_sends(uint32_t core, uint32_t count);

void core_order_capture(struct core *core, struct capture *capture)
{
    struct nic *nic = &at.nics[core->index];
    if (nic->capture != NULL) {
        core_sends(core->index, at.last_frames);
        capture_detach(nic->capture, nic);
    }
    if (capture != NULL) {
        capture_attach(capture, nic);
    }
    atomic_store(&core->capture_used, capture);
}

const struct capture *core_capture_used(const struct core *core)
{
    return atomic_load(&core->capture_used);
}

static void queue_send(struct nic *nic, const struct packet_out *packets, uint32_t count,
                       uint32_t prepared)
{
    (void)nic;
    (void)packets;
    (void)count;
    (void)prepared;
}

static const struct nic_ops ops = {.send = queue_send};

static void core_sends(uint32_t core, uint32_t count)
{
    static uint8_t frame[1000];
    const struct packet_out packet = {.header = frame, .header_len = sizeof(frame)};
    for (uint32_t i = 0; i < count; i++) {
        at.nics[core].ops->send(&at.nics[core], &packet, 1, 1);
    }
}

/* ---- Start and end ---- */

static void start(bool bypass)
{
    char reason[256];
    memset(&at, 0, sizeof(at));
    fake_port = bypass;
    memcpy(at.folder, "/tmp/millrace-watch-XXXXXX", 27);
    assert_non_null(mkdtemp(at.folder));
    (void)snprintf(at.path, sizeof(at.path), "%s/net.sock", at.folder);
    at.statistics = calloc(1, statistics_size(CORES));
    for (uint32_t i = 0; i < CORES; i++) {
        at.cores[i] = calloc(1, sizeof(struct core));
        at.cores[i]->index = i;
        at.cores[i]->world = link_world_real();
        at.cores[i]->stack = bypass ? (struct stack *)at.cores[i] : NULL; /* Never looked into. */
        at.nics[i].ops = &ops;
    }
    const struct watch_setup setup = {.socket_path = at.path,
                                      .cores = at.cores,
                                      .core_count = CORES,
                                      .world = link_world_real(),
                                      .statistics = at.statistics,
                                      .listen = {.port = 9092},
                                      .telemetry = ""};
    at.watch = watch_start(&setup, reason, sizeof(reason));
    assert_non_null(at.watch);
}

static void end(void)
{
    watch_stop(at.watch);
    assert_int_equal(access(at.path, F_OK), -1);
    assert_int_equal(rmdir(at.folder), 0);
    for (uint32_t i = 0; i < CORES; i++) {
        free(at.cores[i]);
    }
    free(at.statistics);
}

static int ask(const char *question)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(address.sun_path, at.path, strlen(at.path) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, question, strlen(question)), strlen(question));
    return fd;
}

static char answer[2 << 20];

/* Everything until the end. */
static size_t read_all(int fd)
{
    size_t len = 0;
    for (ssize_t got; (got = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0;) {
        len += (size_t)got;
    }
    answer[len] = '\0';
    (void)close(fd);
    return len;
}

static uint32_t occurrences(const char *of)
{
    uint32_t count = 0;
    for (const char *found = answer; (found = strstr(found, of)) != NULL; found++) {
        count++;
    }
    return count;
}

static void sleep_ms(uint32_t ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&time, NULL);
}

static void wait_until_attached(void)
{
    for (uint32_t i = 0; core_capture_used(at.cores[CORES - 1]) == NULL; i++) {
        assert_true(i < 10000);
        sleep_ms(1);
    }
}

struct told { /* By the file of a capture. */
    uint64_t packets;
    uint64_t seen;
    uint64_t dropped;
};

static struct told told_of(size_t len)
{
    enum { PACKET = 6, STATISTICS = 5, SEEN_AT = 24, DROPPED_AT = 36 };
    struct told told = {0};
    uint32_t block[2] = {0};
    for (size_t place = 0; place < len; place += block[1]) {
        uint64_t value;
        memcpy(block, answer + place, sizeof(block));
        assert_true(block[1] >= 12 && place + block[1] <= len);
        told.packets += block[0] == PACKET;
        if (block[0] == STATISTICS) {
            memcpy(&value, answer + place + SEEN_AT, sizeof(value));
            told.seen += value;
            memcpy(&value, answer + place + DROPPED_AT, sizeof(value));
            told.dropped += value;
        }
    }
    return told;
}

/* ---- Tests ---- */

static void only_the_owner_may_ask(void **state)
{
    (void)state;
    struct stat file;
    start(false);
    assert_int_equal(stat(at.path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    end();
}

static void with_kernel_sockets_net_says_so_and_nothing_is_captured(void **state)
{
    (void)state;
    start(false);
    assert_true(read_all(ask("net\n")) > 0);
    assert_non_null(strstr(answer, "\"path\":\"sockets\""));
    assert_true(read_all(ask("capture\n")) > 0);
    assert_non_null(strstr(answer, "\"error\":\"this node uses kernel sockets"));
    assert_true(read_all(ask("what\n")) > 0);
    assert_non_null(strstr(answer, "\"error\""));
    end();
}

static void net_tells_all_connections_of_all_cores(void **state)
{
    (void)state;
    start(true);
    for (uint32_t round = 0; round < 3; round++) { /* Pages are used again. */
        assert_true(read_all(ask("net\n")) > 0);
        assert_non_null(strstr(answer, "\"path\":\"dpdk\""));
        assert_int_equal(occurrences("\"srtt\""), CORES * CONNECTIONS);
    }
    assert_int_equal(at.statistics->has_port, 1);
    assert_int_equal(at.statistics->port[PORT_STATISTIC_port_missed], 12);
    end();
}

static void a_core_that_does_not_answer_is_said_and_holds_nobody_up(void **state)
{
    (void)state;
    start(true);
    atomic_store(&at.silent, true);
    assert_true(read_all(ask("net\n")) > 0);
    assert_string_equal(answer, "{\"error\":\"a core does not answer\"}\n");
    atomic_store(&at.silent, false);
    atomic_store(&at.cores[1]->survey_done, atomic_load(&at.cores[1]->survey_wanted));
    assert_true(read_all(ask("net\n")) > 0); /* It answers late; then all is as before. */
    assert_int_equal(occurrences("\"srtt\""), CORES * CONNECTIONS);
    end();
}

static void a_capture_ends_when_the_asker_says_so(void **state)
{
    (void)state;
    start(true);
    const int fd = ask("capture port=0 snap=64\n");
    wait_until_attached();
    core_sends(0, 5);
    core_sends(1, 2);
    const int second = ask("capture\n");
    assert_true(read_all(second) > 0);
    assert_non_null(strstr(answer, "somebody captures already"));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    const struct told told = told_of(read_all(fd));
    assert_int_equal(told.packets, 7);
    assert_int_equal(told.dropped, 0);
    assert_null(core_capture_used(at.cores[0]));
    assert_ptr_equal(at.nics[0].ops, &ops);
    end();
}

/* What the rings hold at the end and the answer has no room for. */
static void what_a_capture_does_not_write_at_its_end_it_counts(void **state)
{
    (void)state;
    start(true);
    at.last_frames = 900;
    const int fd = ask("capture snap=1000\n");
    wait_until_attached();
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    const struct told told = told_of(read_all(fd));
    assert_int_equal(told.seen, CORES * 900);
    assert_true(told.packets > 900 && told.dropped > 0);
    assert_int_equal(told.packets + told.dropped, told.seen);
    end();
}

/* Nobody wanted those beyond the number asked for: they are not missing. */
static void frames_beyond_those_asked_for_are_not_dropped_ones(void **state)
{
    (void)state;
    start(true);
    at.last_frames = 900;
    const int fd = ask("capture count=1 snap=1000\n");
    wait_until_attached();
    core_sends(1, 1);
    const struct told told = told_of(read_all(fd));
    assert_int_equal(told.packets, 1);
    assert_int_equal(told.dropped, 0);
    end();
}

static void a_capture_ends_with_the_frames_asked_for_and_with_its_asker(void **state)
{
    (void)state;
    start(true);
    int fd = ask("capture count=3\n");
    wait_until_attached();
    core_sends(1, 10);
    assert_true(read_all(fd) > 0);
    assert_null(core_capture_used(at.cores[0]));
    fd = ask("capture\n");
    wait_until_attached();
    (void)close(fd); /* Gone without a word. */
    for (uint32_t i = 0; core_capture_used(at.cores[0]) != NULL; i++) {
        assert_true(i < 10000);
        sleep_ms(1);
    }
    fd = ask("capture\n"); /* The end of the process ends it, too. */
    wait_until_attached();
    end();
    assert_true(read_all(fd) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_owner_may_ask),
        cmocka_unit_test(with_kernel_sockets_net_says_so_and_nothing_is_captured),
        cmocka_unit_test(net_tells_all_connections_of_all_cores),
        cmocka_unit_test(a_core_that_does_not_answer_is_said_and_holds_nobody_up),
        cmocka_unit_test(a_capture_ends_when_the_asker_says_so),
        cmocka_unit_test(what_a_capture_does_not_write_at_its_end_it_counts),
        cmocka_unit_test(frames_beyond_those_asked_for_are_not_dropped_ones),
        cmocka_unit_test(a_capture_ends_with_the_frames_asked_for_and_with_its_asker),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
