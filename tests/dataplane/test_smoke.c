/* The real process, with this test as its control process and as its client: start, serve, stop,
 * refuse, survive kill -9. argv[1]: millrace-dataplane. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/kafka/frame.h"
#include "dataplane/kafka/messages.h"
#include "dataplane/slowpath/session_wire.h"
#include "dataplane/slowpath/snapshot.h"
#include "storage/record/record.h"
#include "tests/storage/log/kafka_config.h"

enum {
    PARTITIONS = 8,
    WAIT_MS_MAX = 30 * 1000,
    FRAME_BYTES_MAX = 1 << 20,
};

static const char *program;

static struct {
    char directory[64];
    char port[8];
    char cores[8];
    pid_t pid;
    char log_path[96];
    int link; /* To the dataplane, as control. */
    struct session_hello hello;
    uint64_t version; /* Of the last snapshot. */
    int client;
    uint8_t frame[FRAME_BYTES_MAX];
} node;

/* ---- The process ---- */

static void sleep_ms(uint32_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static pid_t spawn(const char *port, const char *log_path)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        char listen[32];
        (void)snprintf(listen, sizeof(listen), "127.0.0.1:%s", port);
        (void)setenv("MILLRACE_CORES_COUNT", node.cores, 1);
        (void)dup2(log, STDERR_FILENO);
        execl(program, program, "--data", node.directory, "--listen", listen, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int exit_status(pid_t pid)
{
    for (uint32_t ms = 0; ms < 3 * WAIT_MS_MAX; ms += 5) {
        int status;
        const pid_t ended = waitpid(pid, &status, WNOHANG);
        assert_true(ended >= 0);
        if (ended == pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        }
        sleep_ms(5);
    }
    (void)kill(pid, SIGKILL);
    fail_msg("the process did not end");
    return -1;
}

static const char *log_text(const char *path)
{
    static char text[1 << 16];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    text[len < 0 ? 0 : len] = '\0';
    close(fd);
    return text;
}

static const char *last_line(const char *path)
{
    char *text = (char *)(uintptr_t)log_text(path);
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '\n') {
        text[--len] = '\0';
    }
    char *line = strrchr(text, '\n');
    return line == NULL ? text : line + 1;
}

static uint16_t port_free(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in bound = {0};
    socklen_t len = sizeof(bound);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &len), 0);
    close(fd);
    return ntohs(bound.sin_port);
}

/* ---- Control ---- */

static struct link_message message;

static void message_wait(void)
{
    struct pollfd pollfd = {.fd = node.link, .events = POLLIN};
    assert_int_equal(poll(&pollfd, 1, WAIT_MS_MAX), 1);
    assert_int_equal(link_receive(link_world_real(), node.link, &message), 1);
}

static void handles_close(void)
{
    for (uint32_t i = 0; i < message.handle_count; i++) {
        link_close(link_world_real(), message.handles[i]);
    }
}

static void control_connect(void)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/.millrace/dataplane.sock", node.directory);
    for (uint32_t ms = 0; ms < WAIT_MS_MAX; ms += 5) {
        node.link = link_connect(link_world_real(), path);
        if (node.link >= 0) {
            break;
        }
        sleep_ms(5);
    }
    if (node.link < 0) {
        fail_msg("no session: %s", log_text(node.log_path));
    }
    message_wait();
    const char *wrong = session_hello_check(&message, &node.hello);
    if (wrong != NULL) {
        fail_msg("%s", wrong);
    }
    handles_close();
}

/* Publishes the one topic and waits until the dataplane has applied it. */
static void control_publish(bool exists)
{
    static struct snapshot_partition partitions[PARTITIONS];
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        partitions[i] = (struct snapshot_partition){.leader_epoch = 1, .exists = exists};
    }
    struct snapshot_topic topic = {.id = {{1, 2, 3}},
                                   .name = {(const uint8_t *)"smoke", 5},
                                   .partition_count = PARTITIONS,
                                   .partitions = partitions,
                                   .config = kafka_config()};
    const struct snapshot snapshot = {
        .version = ++node.version,
        .cluster_id = {(const uint8_t *)node.hello.cluster_id,
                       (uint32_t)strlen(node.hello.cluster_id)},
        .broker = {.node_id = node.hello.node_id, .port = node.hello.listen.port},
        .settings = {.connections_idle_ms_max = 600000,
                     .request_bytes_max = 100 << 20,
                     .connection_count_max = 1000,
                     .connection_per_ip_max = 1000,
                     .connection_rate_max = INT32_MAX,
                     .fetch_bytes_max = 55 << 20,
                     .fetch_session_count_max = 100,
                     .partition_default_count = 1},
        .topic_count = 1,
        .topics = &topic,
        .partition_count = PARTITIONS,
    };
    static uint8_t image[65536];
    const uint64_t size = snapshot_encode(&snapshot, image, sizeof(image));
    assert_in_range(size, 1, sizeof(image));
    const struct session_snapshot head = {
        .kind = SESSION_SNAPSHOT, .version = node.version, .size = size};
    memset(&message, 0, sizeof(message));
    memcpy(message.bytes, &head, sizeof(head));
    message.len = sizeof(head);
    message.handle_count = 1;
    message.handles[0] =
        link_blob_make(link_world_real(), "snapshot", (struct bytes){image, (uint32_t)size});
    assert_true(message.handles[0] >= 0);
    assert_int_equal(link_send(link_world_real(), node.link, &message), 0);
    handles_close();
    message_wait();
    struct session_applied applied;
    assert_int_equal(message.len, sizeof(applied));
    memcpy(&applied, message.bytes, sizeof(applied));
    assert_int_equal(applied.kind, SESSION_APPLIED);
    assert_int_equal(applied.version, node.version);
    assert_int_equal(applied.failure_count, 0);
    handles_close();
}

/* ---- A client ---- */

static int client_connect(void)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(node.port)),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval wait = {.tv_sec = WAIT_MS_MAX / 1000};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void receive_all(void *to, size_t len)
{
    size_t got = 0;
    while (got < len) {
        const ssize_t count = recv(node.client, (uint8_t *)to + got, len - got, 0);
        if (count <= 0) {
            fail_msg("no answer: %s; %s", strerror(errno), log_text(node.log_path));
        }
        got += (size_t)count;
    }
}

/* Sends the frame in node.frame, receives the answer there; the reader stands at the message. */
static void exchange(struct writer *writer, int16_t api_key, int16_t version, struct reader *reader,
                     struct bytes *piece)
{
    assert_int_equal(frame_end(writer), CODEC_OK);
    const uint32_t size = writer_used(writer);
    assert_int_equal(send(node.client, node.frame, size, MSG_NOSIGNAL), size);
    receive_all(node.frame, 4);
    const uint32_t len = load_be32(node.frame);
    assert_in_range(len, 4, FRAME_BYTES_MAX);
    receive_all(node.frame, len);
    *piece = (struct bytes){node.frame, len};
    reader_init(reader, chain_of(piece));
    int32_t correlation_id;
    assert_int_equal(response_header_decode(reader, api_find(api_key), version, &correlation_id),
                     CODEC_OK);
    assert_int_equal(correlation_id, 77);
}

static const struct bytes topic_name = {(const uint8_t *)"smoke", 5};

static struct bytes batch_of(uint32_t number, uint8_t *buffer, uint32_t size)
{
    struct batch_builder builder;
    const struct batch_options options = batch_options_none();
    char value[64];
    batch_builder_init(&builder, buffer, size, &options);
    for (uint32_t i = 0; i < 3; i++) {
        const int len = snprintf(value, sizeof(value), "value %u of batch %u", i, number);
        assert_true(batch_builder_add(&builder, 1770000000000 + i, (struct bytes){0},
                                      (struct bytes){(const uint8_t *)value, (uint32_t)len}, NULL,
                                      0));
    }
    return batch_builder_finish(&builder);
}

/* Produces three records with acks=all; returns their base offset. */
static int64_t produce(int32_t partition, uint32_t number)
{
    enum { VERSION = 7 };
    uint8_t buffer[1024];
    const struct bytes batch = batch_of(number, buffer, sizeof(buffer));
    struct produce_request_partition data = produce_request_partition_default;
    data.index = partition;
    data.records = chain_of(&batch);
    struct produce_request_topic topic = produce_request_topic_default;
    topic.name = chain_of(&topic_name);
    topic.partition_data.items = &data;
    topic.partition_data.count = 1;
    struct produce_request request = produce_request_default;
    request.acks = -1;
    request.timeout_ms = 5000;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    struct writer writer;
    writer_init(&writer, node.frame, sizeof(node.frame));
    request_begin(&writer, api_find(0), VERSION, 77, (struct chain){0});
    assert_int_equal(produce_request_encode(&writer, VERSION, &request), CODEC_OK);
    struct reader reader;
    struct bytes piece;
    exchange(&writer, 0, VERSION, &reader, &piece);
    struct produce_response response;
    struct produce_response_topic answer;
    struct produce_response_partition result;
    assert_int_equal(produce_response_decode(&reader, VERSION, &response), CODEC_OK);
    assert_true(produce_response_topic_array_next(&response.responses, &answer));
    assert_true(produce_response_partition_array_next(&answer.partition_responses, &result));
    assert_int_equal(result.error_code, 0);
    assert_int_equal(result.index, partition);
    return result.base_offset;
}

/* Fetches the batch at offset and holds it against what was produced. */
static void fetch(int32_t partition, int64_t offset, uint32_t number)
{
    enum { VERSION = 6 };
    struct fetch_request_partition wanted = fetch_request_partition_default;
    wanted.partition = partition;
    wanted.fetch_offset = offset;
    wanted.partition_max_bytes = 1;
    struct fetch_request_topic topic = fetch_request_topic_default;
    topic.topic = chain_of(&topic_name);
    topic.partitions.items = &wanted;
    topic.partitions.count = 1;
    struct fetch_request request = fetch_request_default;
    request.replica_id = -1;
    request.max_wait_ms = 5000;
    request.min_bytes = 1;
    request.max_bytes = 100000;
    request.topics.items = &topic;
    request.topics.count = 1;
    struct writer writer;
    writer_init(&writer, node.frame, sizeof(node.frame));
    request_begin(&writer, api_find(1), VERSION, 77, (struct chain){0});
    assert_int_equal(fetch_request_encode(&writer, VERSION, &request), CODEC_OK);
    struct reader reader;
    struct bytes piece;
    exchange(&writer, 1, VERSION, &reader, &piece);
    struct fetch_response response;
    struct fetch_response_topic answer;
    struct fetch_response_partition result;
    assert_int_equal(fetch_response_decode(&reader, VERSION, &response), CODEC_OK);
    assert_true(fetch_response_topic_array_next(&response.responses, &answer));
    assert_true(fetch_response_partition_array_next(&answer.partitions, &result));
    assert_int_equal(result.error_code, 0);
    uint8_t buffer[1024];
    uint8_t got[1024];
    const struct bytes batch = batch_of(number, buffer, sizeof(buffer));
    assert_int_equal(result.records.len, batch.len);
    chain_copy(result.records, got, batch.len);
    assert_int_equal((int64_t)load_be64(got), offset);
    /* Offset and leader epoch are stamped; all behind the CRC is as it was sent. */
    assert_memory_equal(got + 16, batch.ptr + 16, batch.len - 16);
}

/* ---- Start and stop ---- */

static void node_start(bool exists)
{
    node.version = 0;
    node.pid = spawn(node.port, node.log_path);
    control_connect();
    control_publish(exists);
    if (!exists) {
        control_publish(true); /* The files that it made are recorded. */
    }
    node.client = client_connect();
}

static void node_gone(void)
{
    close(node.client);
    close(node.link);
    node.pid = 0;
}

static void node_stop(void)
{
    assert_int_equal(kill(node.pid, SIGTERM), 0);
    const int status = exit_status(node.pid);
    if (status != 0) {
        fail_msg("ended with %d: %s", status, log_text(node.log_path));
    }
    node_gone();
}

static void node_kill(void)
{
    assert_int_equal(kill(node.pid, SIGKILL), 0);
    assert_int_equal(exit_status(node.pid), 1000 + SIGKILL);
    node_gone();
}

static int set_up(void **state)
{
    (void)state;
    memset(&node, 0, sizeof(node));
    strcpy(node.directory, "/tmp/millrace-smoke-XXXXXX");
    strcpy(node.cores, "1");
    assert_non_null(mkdtemp(node.directory));
    (void)snprintf(node.port, sizeof(node.port), "%u", port_free());
    (void)snprintf(node.log_path, sizeof(node.log_path), "%s.log", node.directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[512];
    if (node.pid != 0) {
        (void)kill(node.pid, SIGKILL);
        (void)waitpid(node.pid, NULL, 0);
    }
    (void)snprintf(command, sizeof(command), "rm -rf %s %s %s.second", node.directory,
                   node.log_path, node.log_path);
    return system(command) != 0; /* A name of our own making. */
}

static bool file_there(const char *name, off_t *size)
{
    char path[160];
    struct stat stat_of;
    (void)snprintf(path, sizeof(path), "%s/%s", node.directory, name);
    if (stat(path, &stat_of) != 0) {
        return false;
    }
    *size = stat_of.st_size;
    return true;
}

static void it_serves_and_stops_cleanly_with_any_number_of_cores(void **state)
{
    (void)state;
    static const char *const counts[] = {"1", "2", "4"};
    for (uint32_t round = 0; round < ARRAY_SIZE(counts); round++) {
        strcpy(node.cores, counts[round]); /* Data stays readable when the number changes. */
        node_start(round > 0);
        assert_int_equal(node.hello.core_count, atoi(counts[round]));
        for (int32_t partition = 0; partition < PARTITIONS; partition++) {
            for (uint32_t old = 0; old < round; old++) {
                fetch(partition, old * 6, old);
            }
            assert_int_equal(produce(partition, round), round * 6);
            assert_int_equal(produce(partition, round + 100), round * 6 + 3);
            fetch(partition, round * 6, round);
            fetch(partition, round * 6 + 3, round + 100);
        }
        node_stop();
        off_t size = 0;
        assert_true(file_there(".kafka_cleanshutdown", &size));
        assert_true(file_there("smoke-3/00000000000000000000.log", &size));
        assert_in_range(size, 1, 4095); /* Cut to the last byte (H9). */
    }
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
    (void)state;
    strcpy(node.cores, "2");
    for (uint32_t round = 0; round < 5; round++) {
        node_start(round > 0);
        for (int32_t partition = 0; partition < PARTITIONS; partition++) {
            for (uint32_t old = 0; old < round; old++) {
                fetch(partition, old * 3, old);
            }
            assert_int_equal(produce(partition, round), round * 3);
        }
        node_kill();
        off_t size;
        assert_false(file_there(".kafka_cleanshutdown", &size));
    }
}

static void a_second_process_on_the_directory_or_the_port_is_refused(void **state)
{
    (void)state;
    char second_log[160];
    char second_port[8];
    (void)snprintf(second_log, sizeof(second_log), "%s.second", node.log_path);
    (void)snprintf(second_port, sizeof(second_port), "%u", port_free());
    node_start(false);
    assert_int_equal(exit_status(spawn(second_port, second_log)), 78);
    assert_non_null(strstr(last_line(second_log), node.directory));
    assert_int_equal(produce(0, 1), 0); /* The first one is unharmed. */

    char first_directory[64];
    strcpy(first_directory, node.directory);
    strcat(node.directory, "-other");
    assert_int_equal(mkdir(node.directory, 0700), 0);
    assert_int_equal(exit_status(spawn(node.port, second_log)), 78);
    assert_non_null(strstr(last_line(second_log), node.port));
    char command[512];
    (void)snprintf(command, sizeof(command), "rm -rf %s", node.directory);
    assert_int_equal(system(command), 0);
    strcpy(node.directory, first_directory);
    node_stop();
}

static void it_stops_cleanly_before_control_ever_came(void **state)
{
    (void)state;
    node.pid = spawn(node.port, node.log_path);
    control_connect();
    assert_int_equal(kill(node.pid, SIGTERM), 0);
    assert_int_equal(exit_status(node.pid), 0);
    close(node.link);
    node.pid = 0;
}

static void control_may_go_and_come_back_while_clients_are_served(void **state)
{
    (void)state;
    node_start(false);
    for (uint32_t round = 0; round < 5; round++) {
        close(node.link);
        assert_int_equal(produce(1, round), round * 3);
        const int first = node.client;
        node.client = client_connect();
        fetch(1, round * 3, round);
        close(first);
        const uint64_t session = node.hello.session;
        control_connect();
        assert_int_not_equal(node.hello.session, session);
        node.version = 0;
        control_publish(true);
    }
    node_stop();
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: test_smoke millrace-dataplane\n");
        return 2;
    }
    program = argv[1];
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_serves_and_stops_cleanly_with_any_number_of_cores),
        TEST(what_was_acknowledged_survives_kill_9),
        TEST(a_second_process_on_the_directory_or_the_port_is_refused),
        TEST(it_stops_cleanly_before_control_ever_came),
        TEST(control_may_go_and_come_back_while_clients_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
