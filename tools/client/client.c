#include "tools/client/client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { API_VERSIONS_VERSION = 3, HEADER_BYTES = 256 };

static bool grow(uint8_t **room, size_t *have, size_t need)
{
    if (*have < need) {
        uint8_t *more = realloc(*room, need);
        if (more == NULL) {
            return false;
        }
        *room = more;
        *have = need;
    }
    return true;
}

/* ---- Connections ---------------------------------------------------------------------------- */

static int connect_one(const struct addrinfo *to)
{
    const struct timeval limit = {.tv_sec = CLIENT_TIMEOUT_S};
    const int yes = 1;
    const int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
        const int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool connect_node(struct client *client, struct client_node *node)
{
    char port[8];
    char room[268];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (node->fd >= 0) {
        return true;
    }
    (void)snprintf(port, sizeof(port), "%u", node->address.port);
    const int resolved = getaddrinfo(node->address.host, port, &hints, &found);
    if (resolved != 0) {
        (void)snprintf(client->error, sizeof(client->error), "cannot resolve %.200s: %s",
                       node->address.host, gai_strerror(resolved));
        return false;
    }
    errno = ECONNREFUSED;
    for (const struct addrinfo *at = found; at != NULL && node->fd < 0; at = at->ai_next) {
        node->fd = connect_one(at);
    }
    freeaddrinfo(found);
    if (node->fd < 0) {
        (void)snprintf(client->error, sizeof(client->error), "cannot connect to %s: %s",
                       host_port_format(&node->address, room), strerror(errno));
    }
    return node->fd >= 0;
}

static void disconnect(struct client_node *node)
{
    if (node->fd >= 0) {
        (void)close(node->fd);
        node->fd = -1;
    }
}

static struct client_node *find_node(struct client *client, int32_t id)
{
    for (uint32_t i = 1; i < client->node_count && id != CLIENT_BOOTSTRAP; i++) {
        if (client->node[i].id == id) {
            return &client->node[i];
        }
    }
    return &client->node[0];
}

void client_learn_node(struct client *client, int32_t id, struct chain host, int32_t port)
{
    struct client_node *node = find_node(client, id);
    struct host_port address = {.port = (uint16_t)port};
    if (host.len == 0 || host.len >= sizeof(address.host)) {
        return;
    }
    chain_copy(host, address.host, host.len);
    if (node == &client->node[0]) {
        if (client->node_count == CLIENT_NODES_MAX) {
            return;
        }
        node = &client->node[client->node_count++];
        *node = (struct client_node){.id = id, .fd = -1};
    } else if (strcmp(node->address.host, address.host) != 0 ||
               node->address.port != address.port) {
        disconnect(node);
    }
    node->address = address;
}

/* ---- Frames --------------------------------------------------------------------------------- */

static bool broken(struct client *client, struct client_node *node, const char *what)
{
    char room[268];
    const char *why = errno == EAGAIN ? "no answer in time" : strerror(errno);
    (void)snprintf(client->error, sizeof(client->error), "%s %s: %s", what,
                   host_port_format(&node->address, room), errno == 0 ? "connection closed" : why);
    disconnect(node);
    return false;
}

static bool send_all(struct client *client, struct client_node *node)
{
    const uint8_t *at = client->writer.base;
    size_t left = writer_used(&client->writer);
    while (left > 0) {
        const ssize_t sent = send(node->fd, at, left, MSG_NOSIGNAL);
        if (sent <= 0) {
            return broken(client, node, "sending to");
        }
        at += sent;
        left -= (size_t)sent;
    }
    return true;
}

static bool receive_exactly(struct client *client, struct client_node *node, uint8_t *to,
                            size_t count)
{
    while (count > 0) {
        errno = 0;
        const ssize_t got = recv(node->fd, to, count, 0);
        if (got <= 0) {
            errno = got == 0 ? 0 : errno;
            return broken(client, node, "receiving from");
        }
        to += got;
        count -= (size_t)got;
    }
    return true;
}

static bool receive_frame(struct client *client, struct client_node *node)
{
    uint8_t prefix[FRAME_PREFIX_BYTES];
    if (!receive_exactly(client, node, prefix, sizeof(prefix))) {
        return false;
    }
    const uint32_t len = load_be32(prefix);
    if (len < FRAME_BYTES_MIN || len > CLIENT_ANSWER_BYTES_MAX ||
        !grow(&client->in, &client->in_bytes, len)) {
        disconnect(node);
        (void)snprintf(client->error, sizeof(client->error), "an answer of %u bytes", len);
        return false;
    }
    client->answer = (struct bytes){client->in, len};
    client->answer_chain = chain_of(&client->answer);
    return receive_exactly(client, node, client->in, len);
}

struct writer *client_begin(struct client *client, int16_t api_key, int16_t version,
                            size_t body_bytes)
{
    client->api = api_find(api_key);
    client->version = version;
    const bool room = grow(&client->out, &client->out_bytes, body_bytes + HEADER_BYTES);
    ASSERT(room && client->api != NULL);
    writer_init(&client->writer, client->out, client->out_bytes);
    request_begin(&client->writer, client->api, version, ++client->correlation_id,
                  CHAIN_TEXT("millrace"));
    return &client->writer;
}

bool client_send(struct client *client, int32_t node_id)
{
    struct client_node *node = find_node(client, node_id);
    const enum codec_status status = frame_end(&client->writer);
    if (status != CODEC_OK) {
        (void)snprintf(client->error, sizeof(client->error), "cannot encode %s version %d: %s",
                       client->api->name, client->version, codec_status_name(status));
        return false;
    }
    return connect_node(client, node) && send_all(client, node);
}

struct reader *client_exchange(struct client *client, int32_t node_id)
{
    int32_t correlation_id = 0;
    struct client_node *node = find_node(client, node_id);
    if (!client_send(client, node_id) || !receive_frame(client, node)) {
        return NULL;
    }
    reader_init(&client->reader, client->answer_chain);
    if (response_header_decode(&client->reader, client->api, client->version, &correlation_id) !=
            CODEC_OK ||
        correlation_id != client->correlation_id) {
        disconnect(node);
        (void)snprintf(client->error, sizeof(client->error), "an answer to another request");
        return NULL;
    }
    return &client->reader;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static struct reader *exchange_versions(struct client *client, int32_t node)
{
    struct api_versions_request request = api_versions_request_default;
    request.client_software_name = CHAIN_TEXT("millrace");
    request.client_software_version = CHAIN_TEXT("0.1.0");
    struct writer *writer = client_begin(client, API_API_VERSIONS, API_VERSIONS_VERSION, 256);
    (void)api_versions_request_encode(writer, API_VERSIONS_VERSION, &request);
    return client_exchange(client, node);
}

bool client_sync(struct client *client, int32_t node)
{
    return exchange_versions(client, node) != NULL; /* Answers come in the order of requests. */
}

static bool ask_versions(struct client *client)
{
    struct api_versions_response response;
    struct api_versions_response_api api;
    struct reader *reader = exchange_versions(client, CLIENT_BOOTSTRAP);
    if (reader == NULL) {
        return false;
    }
    if (api_versions_response_decode(reader, API_VERSIONS_VERSION, &response) != CODEC_OK ||
        response.error_code != ERROR_NONE) {
        (void)snprintf(client->error, sizeof(client->error), "no Kafka broker at this address");
        return false;
    }
    while (api_versions_response_api_array_next(&response.api_keys, &api)) {
        if (api.api_key >= 0 && api.api_key < CLIENT_APIS_MAX) {
            client->version_max[api.api_key] = api.max_version;
        }
    }
    return true;
}

bool client_open(struct client *client, const char *bootstrap)
{
    *client = (struct client){.node_count = 1};
    client->node[0] = (struct client_node){.id = CLIENT_BOOTSTRAP, .fd = -1};
    for (int i = 0; i < CLIENT_APIS_MAX; i++) {
        client->version_max[i] = -1;
    }
    const struct bytes text = {(const uint8_t *)bootstrap, (uint32_t)strlen(bootstrap)};
    if (!host_port_parse(text, &client->node[0].address)) {
        (void)snprintf(client->error, sizeof(client->error),
                       "--bootstrap must be HOST:PORT, not '%.200s'", bootstrap);
        return false;
    }
    return connect_node(client, &client->node[0]) && ask_versions(client);
}

void client_close(struct client *client)
{
    for (uint32_t i = 0; i < client->node_count; i++) {
        disconnect(&client->node[i]);
    }
    free(client->in);
    free(client->out);
    client->in = NULL;
    client->out = NULL;
}

int16_t client_version(struct client *client, int16_t api_key, int16_t cap)
{
    const struct api_info *api = api_find(api_key);
    ASSERT(api != NULL && api_key < CLIENT_APIS_MAX);
    int16_t version = client->version_max[api_key];
    version = version < api->version_max ? version : api->version_max;
    version = version < cap ? version : cap;
    if (version < api->version_min) {
        (void)snprintf(client->error, sizeof(client->error),
                       "the broker does not offer %s in a version this program speaks", api->name);
        return -1;
    }
    return version;
}

bool client_refused(struct client *client, const char *what, int16_t error_code,
                    struct chain message)
{
    char text[256] = "";
    if (!chain_is_null(message)) {
        const uint32_t len = min_u32(message.len, sizeof(text) - 1);
        chain_copy(message, text, len);
        text[len] = '\0';
    }
    (void)snprintf(client->error, sizeof(client->error), "%.100s: %s: %s", what,
                   error_name(error_code), text[0] != '\0' ? text : error_text(error_code));
    return false;
}
