#include "tools/client/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"

enum {
    HEADER_ROOM_BYTES = 256,
    ANSWER_BYTES_MAX = 1 << 30,
    IN_BYTES_MIN = 64 << 10,
    WAIT_SILENT_S = 2,
    WAIT_STEP_MS = 500,
};

static const char hint_text[] = "is a node running there? `millrace status` tells, `millrace up` "
                                "starts one, --bootstrap HOST:PORT names another";

uint64_t connection_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void connection_init(struct connection *connection)
{
    *connection = (struct connection){.fd = -1};
    for (size_t i = 0; i < CONNECTION_APIS; i++) {
        connection->versions[i] = -1;
    }
}

void connection_close(struct connection *connection)
{
    if (connection->fd >= 0) {
        (void)close(connection->fd);
    }
    free(connection->out);
    free(connection->in);
    connection_init(connection);
}

/* Only the socket: the frame received last stays readable. */
static void connection_break(struct connection *connection)
{
    if (connection->fd >= 0) {
        (void)close(connection->fd);
        connection->fd = -1;
    }
}

static connection_tell *tell_wait; /* One per process, as its terminal is. */

void connection_tell_waits(connection_tell *tell)
{
    tell_wait = tell;
}

void connection_waited(uint64_t since_ns)
{
    const uint64_t seconds = (connection_now_ns() - since_ns) / 1000000000;
    if (tell_wait != NULL && seconds >= WAIT_SILENT_S) {
        tell_wait((uint32_t)seconds);
    }
}

void connection_wait_over(void)
{
    if (tell_wait != NULL) {
        tell_wait(0);
    }
}

/* Waits until the socket can do what is asked; false at the deadline. */
static bool socket_wait(int fd, short events, uint64_t deadline_ns)
{
    const uint64_t since_ns = connection_now_ns();
    uint64_t now_ns = since_ns;
    int ready;
    do {
        const uint64_t left_ns = now_ns < deadline_ns ? deadline_ns - now_ns : 0;
        struct pollfd pollfd = {.fd = fd, .events = events};
        ready = poll(&pollfd, 1, (int)min_u64((left_ns + 999999) / 1000000, WAIT_STEP_MS));
        if (ready < 0 && errno != EINTR) {
            break;
        }
        connection_waited(since_ns);
        now_ns = connection_now_ns();
    } while (ready <= 0 && now_ns < deadline_ns);
    if (now_ns - since_ns >= WAIT_SILENT_S * 1000000000ull) {
        connection_wait_over();
    }
    return ready > 0;
}

/* 0, or the errno of the attempt. */
static int socket_connect(const struct addrinfo *address, uint64_t deadline_ns, int *out)
{
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    int error = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        socklen_t size = sizeof(error);
        if (!socket_wait(fd, POLLOUT, deadline_ns)) {
            error = ETIMEDOUT;
        } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
            error = errno;
        }
    }
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    *out = fd;
    return 0;
}

static bool versions_take(struct connection *connection,
                          const struct api_versions_response *response, struct problem *problem)
{
    struct api_versions_response_api_array keys = response->api_keys;
    struct api_versions_response_api theirs;
    while (api_versions_response_api_array_next(&keys, &theirs)) {
        const struct api_info *api = api_find(theirs.api_key);
        if (api == NULL || api->key >= CONNECTION_APIS) {
            continue;
        }
        const int16_t high =
            api->version_max < theirs.max_version ? api->version_max : theirs.max_version;
        const int16_t low =
            api->version_min > theirs.min_version ? api->version_min : theirs.min_version;
        connection->versions[api->key] = high >= low ? high : -1;
    }
    if (connection->versions[API_METADATA] < 0) {
        connection_break(connection);
        return problem_set(problem, PROBLEM_PROTOCOL,
                           "%s speaks no version of Kafka's protocol that this program knows",
                           connection->name);
    }
    return true;
}

/* Asks with the given version; *retry is the version to ask with again, or -1. */
static bool versions_ask(struct connection *connection, int16_t version, int16_t *retry,
                         uint64_t deadline_ns, struct problem *problem)
{
    connection->versions[API_API_VERSIONS] = version;
    struct writer *writer =
        connection_begin(connection, API_API_VERSIONS, HEADER_ROOM_BYTES, &version, problem);
    if (writer == NULL) {
        return false;
    }
    struct api_versions_request request = api_versions_request_default;
    request.client_software_name = CHAIN_TEXT("millrace");
    request.client_software_version = CHAIN_TEXT("0.1.0");
    (void)api_versions_request_encode(writer, version, &request);
    struct reader reader;
    if (!connection_call(connection, deadline_ns, &reader, problem)) {
        return false;
    }
    struct reader first = reader;
    const bool refused = reader_i16(&first) == ERROR_UNSUPPORTED_VERSION;
    struct api_versions_response response;
    if (api_versions_response_decode(&reader, refused ? 0 : version, &response) != CODEC_OK ||
        (refused && version == 0)) {
        return connection_bad_answer(connection, problem);
    }
    *retry = -1;
    if (!refused && response.error_code != ERROR_NONE) {
        connection_break(connection);
        return problem_kafka(problem, response.error_code, connection->name, "", "");
    }
    if (!refused) {
        return versions_take(connection, &response, problem);
    }
    *retry = 0; /* KIP-511: the answer has the peer's range of this API alone. */
    struct api_versions_response_api theirs;
    while (api_versions_response_api_array_next(&response.api_keys, &theirs)) {
        if (theirs.api_key == API_API_VERSIONS && theirs.max_version < version) {
            *retry = theirs.max_version;
        }
    }
    return true;
}

bool connection_adopt(struct connection *connection, int fd, const char *name, uint64_t deadline_ns,
                      struct problem *problem)
{
    connection_close(connection);
    connection->fd = fd;
    (void)snprintf(connection->name, sizeof(connection->name), "%s", name);
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        connection_break(connection);
        return problem_set(problem, PROBLEM_LOCAL, "%s: %s", name, strerror(errno));
    }
    int16_t version = api_find(API_API_VERSIONS)->version_max;
    while (version >= 0) {
        if (!versions_ask(connection, version, &version, deadline_ns, problem)) {
            if (problem->kind == PROBLEM_LOST) { /* The usual look of TLS or another service. */
                (void)problem_set(problem, PROBLEM_UNREACHABLE,
                                  "%s answers no ApiVersions request in time, or closes: is that "
                                  "a plaintext Kafka listener?",
                                  name);
            }
            return false;
        }
    }
    return true;
}

bool connection_open(struct connection *connection, const char *host, uint16_t port,
                     uint64_t deadline_ns, struct problem *problem)
{
    char service[8];
    char name[CONNECTION_NAME_BYTES];
    const bool brackets = strchr(host, ':') != NULL;
    (void)snprintf(service, sizeof(service), "%u", port);
    (void)snprintf(name, sizeof(name), brackets ? "[%.254s]:%u" : "%.254s:%u", host, port);
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    const int status = getaddrinfo(host, service, &hints, &found);
    if (status != 0) {
        return problem_set(problem, PROBLEM_UNREACHABLE, "%s: %s", name, gai_strerror(status));
    }
    int fd = -1;
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        error = socket_connect(at, deadline_ns, &fd);
    }
    freeaddrinfo(found);
    if (fd < 0) {
        return problem_set(problem, PROBLEM_UNREACHABLE, "cannot connect to %s: %s; %s", name,
                           strerror(error), hint_text);
    }
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return connection_adopt(connection, fd, name, deadline_ns, problem);
}

int16_t connection_version(const struct connection *connection, int16_t key)
{
    return key >= 0 && key < CONNECTION_APIS ? connection->versions[key] : -1;
}

struct writer *connection_begin(struct connection *connection, int16_t key, uint32_t room_bytes,
                                int16_t *version, struct problem *problem)
{
    const struct api_info *api = api_find(key);
    ASSERT(api != NULL);
    *version = connection_version(connection, key);
    if (*version < 0) {
        (void)problem_set(problem, PROBLEM_PROTOCOL,
                          "%s does not serve %s in a version that this program knows",
                          connection->name, api->name);
        return NULL;
    }
    const uint32_t need = room_bytes + HEADER_ROOM_BYTES;
    if (connection->out_capacity < need) {
        free(connection->out);
        connection->out = malloc(need);
        connection->out_capacity = connection->out != NULL ? need : 0;
        if (connection->out == NULL) {
            (void)problem_set(problem, PROBLEM_LOCAL, "out of memory: %u bytes", need);
            return NULL;
        }
    }
    connection->api = api;
    connection->version = *version;
    writer_init(&connection->writer, connection->out, connection->out_capacity);
    request_begin(&connection->writer, api, *version, connection->next_correlation_id,
                  CHAIN_TEXT("millrace-cli"));
    return &connection->writer;
}

static bool lost(struct connection *connection, struct problem *problem, const char *what)
{
    const bool late = what == NULL;
    connection_break(connection);
    return problem_set(problem, PROBLEM_LOST, "%s: %s while waiting for %s; `millrace status`",
                       connection->name, late ? "no answer in time" : what, connection->api->name);
}

bool connection_send(struct connection *connection, uint64_t deadline_ns, struct problem *problem)
{
    const enum codec_status status = frame_end(&connection->writer);
    if (status != CODEC_OK) {
        return problem_set(problem, PROBLEM_LOCAL, "the %s request cannot be written: %s",
                           connection->api->name, codec_status_name(status));
    }
    if (!connection_is_open(connection)) {
        return problem_set(problem, PROBLEM_LOST, "not connected to %s", connection->name);
    }
    const uint8_t *at = connection->out;
    size_t left = writer_used(&connection->writer);
    while (left > 0) {
        const ssize_t sent = send(connection->fd, at, left, MSG_NOSIGNAL);
        if (sent > 0) {
            at += sent;
            left -= (size_t)sent;
        } else if (sent < 0 && errno == EAGAIN) {
            if (!socket_wait(connection->fd, POLLOUT, deadline_ns)) {
                return lost(connection, problem, NULL);
            }
        } else if (errno != EINTR) {
            return lost(connection, problem, strerror(errno));
        }
    }
    return true;
}

/* Reads exactly count bytes. */
static bool receive_exact(struct connection *connection, uint8_t *to, size_t count,
                          uint64_t deadline_ns, struct problem *problem)
{
    while (count > 0) {
        const ssize_t got = recv(connection->fd, to, count, 0);
        if (got > 0) {
            to += got;
            count -= (size_t)got;
        } else if (got == 0) {
            return lost(connection, problem, "the connection was closed");
        } else if (errno == EAGAIN) {
            if (!socket_wait(connection->fd, POLLIN, deadline_ns)) {
                return lost(connection, problem, NULL);
            }
        } else if (errno != EINTR) {
            return lost(connection, problem, strerror(errno));
        }
    }
    return true;
}

static bool room_for_answer(struct connection *connection, uint32_t size)
{
    if (connection->in_capacity >= size) {
        return true;
    }
    const uint32_t capacity = size < IN_BYTES_MIN ? IN_BYTES_MIN : size;
    free(connection->in);
    connection->in = malloc(capacity);
    connection->in_capacity = connection->in != NULL ? capacity : 0;
    return connection->in != NULL;
}

bool connection_receive(struct connection *connection, uint64_t deadline_ns, struct reader *reader,
                        struct problem *problem)
{
    uint8_t prefix[FRAME_PREFIX_BYTES];
    uint32_t size;
    const struct bytes head = {prefix, sizeof(prefix)};
    if (!receive_exact(connection, prefix, sizeof(prefix), deadline_ns, problem)) {
        return false;
    }
    if (frame_size(chain_of(&head), ANSWER_BYTES_MAX, &size) != FRAME_READY) {
        connection_break(connection);
        return problem_set(problem, PROBLEM_PROTOCOL,
                           "%s does not speak Kafka's protocol: an answer of %u bytes",
                           connection->name, load_be32(prefix));
    }
    if (!room_for_answer(connection, size)) {
        connection_break(connection);
        return problem_set(problem, PROBLEM_LOCAL, "out of memory: %u bytes", size);
    }
    if (!receive_exact(connection, connection->in, size, deadline_ns, problem)) {
        return false;
    }
    connection->frame = (struct bytes){connection->in, size};
    reader_init(reader, chain_of(&connection->frame));
    int32_t correlation_id;
    if (response_header_decode(reader, connection->api, connection->version, &correlation_id) !=
            CODEC_OK ||
        correlation_id != connection->next_correlation_id) {
        return connection_bad_answer(connection, problem);
    }
    connection->next_correlation_id++;
    return true;
}

bool connection_call(struct connection *connection, uint64_t deadline_ns, struct reader *reader,
                     struct problem *problem)
{
    return connection_send(connection, deadline_ns, problem) &&
           connection_receive(connection, deadline_ns, reader, problem);
}

bool connection_settle(struct connection *connection, uint64_t deadline_ns, struct problem *problem)
{
    int16_t retry; /* Answers come in order: one to this says that all before it was read. */
    return versions_ask(connection, connection->versions[API_API_VERSIONS], &retry, deadline_ns,
                        problem);
}

bool connection_bad_answer(struct connection *connection, struct problem *problem)
{
    connection_break(connection);
    return problem_set(problem, PROBLEM_PROTOCOL, "%s gave a malformed answer to %s",
                       connection->name, connection->api->name);
}
