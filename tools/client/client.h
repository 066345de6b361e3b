/* A small blocking Kafka client: what the command line needs, over the broker's own codec.
 *
 * One connection per node of the cluster, one request in flight. Not thread-safe.
 */
#ifndef TOOLS_CLIENT_CLIENT_H
#define TOOLS_CLIENT_CLIENT_H

#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"
#include "dataplane/profile/settings.h"

enum {
    CLIENT_NODES_MAX = 32,
    CLIENT_APIS_MAX = 128,
    CLIENT_TIMEOUT_S = 40,
    CLIENT_ANSWER_BYTES_MAX = 256 << 20,
    CLIENT_BOOTSTRAP = -1, /* The node the bootstrap address leads to. */
};

struct client_node {
    int32_t id;
    struct host_port address;
    int fd; /* -1: not connected. */
};

struct client {
    struct client_node node[CLIENT_NODES_MAX]; /* [0] is the bootstrap. */
    uint32_t node_count;
    int16_t version_max[CLIENT_APIS_MAX]; /* What the bootstrap node speaks; -1: not the API. */
    int32_t correlation_id;
    const struct api_info *api; /* Of the request being built. */
    int16_t version;
    struct writer writer;
    uint8_t *out;
    size_t out_bytes;
    uint8_t *in;
    size_t in_bytes;
    struct bytes answer;       /* View of `in`. */
    struct chain answer_chain; /* View of `answer`. */
    struct reader reader;
    char error[400]; /* Of the last call that failed. */
};

/* Connects and asks for the versions. False with client->error. client_close in both cases. */
MUST_USE bool client_open(struct client *client, const char *bootstrap);
void client_close(struct client *client);

/* The highest version both sides speak, at most `cap`; -1 with client->error when there is none. */
int16_t client_version(struct client *client, int16_t api_key, int16_t cap);

/* Starts a request of at most body_bytes and returns where to encode it. */
struct writer *client_begin(struct client *client, int16_t api_key, int16_t version,
                            size_t body_bytes);

/* Sends what was begun to the node and waits; NULL with client->error, else the reader at the
 * response's message. What is decoded from it is valid until the next call. */
MUST_USE struct reader *client_exchange(struct client *client, int32_t node);

/* Sends what was begun without waiting: acks=0. */
MUST_USE bool client_send(struct client *client, int32_t node);

/* Waits until the node has taken everything sent to it before. */
MUST_USE bool client_sync(struct client *client, int32_t node);

/* Makes the node known, so that client_exchange can reach it. */
void client_learn_node(struct client *client, int32_t id, struct chain host, int32_t port);

/* "TOPIC_ALREADY_EXISTS: the topic exists already", or the broker's own message behind the name.
 * False, so that a caller can return it. */
bool client_refused(struct client *client, const char *what, int16_t error_code,
                    struct chain message);

/* A text as the chain that a request holds. piece must live as long as the request. */
static inline struct chain client_text(struct bytes *piece, const char *text)
{
    *piece = (struct bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
    return chain_of(piece);
}

#endif
