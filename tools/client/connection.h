/* One blocking connection to a broker: versions are agreed on at its start, then one request is
 * sent and its answer awaited at a time, each with a deadline.
 *
 *     struct writer *writer = connection_begin(c, API_METADATA, 4096, &version);
 *     metadata_request_encode(writer, version, &request);
 *     if (!connection_call(c, deadline_ns, &reader, &problem) ||
 *         metadata_response_decode(&reader, version, &response) != CODEC_OK) ...
 *
 * What is decoded is a view of the connection's memory until its next call. Not thread-safe.
 */
#ifndef TOOLS_CLIENT_CONNECTION_H
#define TOOLS_CLIENT_CONNECTION_H

#include "dataplane/kafka/frame.h"
#include "tools/client/problem.h"

enum { CONNECTION_APIS = 128, CONNECTION_NAME_BYTES = 272 };

struct connection {
    int fd;                           /* -1: not connected. */
    char name[CONNECTION_NAME_BYTES]; /* "host:port" */
    int32_t next_correlation_id;
    int16_t versions[CONNECTION_APIS]; /* The highest both speak, by key; -1 none. */
    const struct api_info *api;        /* Of the request under way. */
    int16_t version;
    struct writer writer;
    uint8_t *out; /* Owned. */
    uint32_t out_capacity;
    uint8_t *in; /* Owned. */
    uint32_t in_capacity;
    struct bytes frame; /* The last answer. */
};

/* CLOCK_MONOTONIC. */
uint64_t connection_now_ns(void);

/* Hears of waits that take over two seconds, twice a second; 0 seconds: it is over. */
typedef void connection_tell(uint32_t seconds);

/* Who hears of all waits of this process; NULL: nobody. */
void connection_tell_waits(connection_tell *tell);

/* For waits between attempts: one goes on since then, or is over. */
void connection_waited(uint64_t since_ns);
void connection_wait_over(void);

/* Before anything else; closes nothing. */
void connection_init(struct connection *connection);

/* Connects and agrees on versions. */
MUST_USE bool connection_open(struct connection *connection, const char *host, uint16_t port,
                              uint64_t deadline_ns, struct problem *problem);

/* As connection_open over a socket that is connected already; fd is given. For tests. */
MUST_USE bool connection_adopt(struct connection *connection, int fd, const char *name,
                               uint64_t deadline_ns, struct problem *problem);

/* Closes it and frees its memory; it can be opened again. */
void connection_close(struct connection *connection);

static inline bool connection_is_open(const struct connection *connection)
{
    return connection->fd >= 0;
}

/* The version requests of this API go out with, or -1 when the peer has none in common. */
int16_t connection_version(const struct connection *connection, int16_t key);

/* Starts a request. room_bytes: what the message needs at most. NULL with a problem when the peer
 * does not serve the API or memory is short. */
struct writer *connection_begin(struct connection *connection, int16_t key, uint32_t room_bytes,
                                int16_t *version, struct problem *problem);

/* Sends the request begun. */
MUST_USE bool connection_send(struct connection *connection, uint64_t deadline_ns,
                              struct problem *problem);

/* Waits for the answer to the request sent; the reader then stands at its message. */
MUST_USE bool connection_receive(struct connection *connection, uint64_t deadline_ns,
                                 struct reader *reader, struct problem *problem);

/* Both. After any failure the connection is closed. */
MUST_USE bool connection_call(struct connection *connection, uint64_t deadline_ns,
                              struct reader *reader, struct problem *problem);

/* Waits until the broker has dealt with all that was sent here: for requests without an answer. */
MUST_USE bool connection_settle(struct connection *connection, uint64_t deadline_ns,
                                struct problem *problem);

/* For an answer that does not decode: closes the connection; false. */
bool connection_bad_answer(struct connection *connection, struct problem *problem);

#endif
