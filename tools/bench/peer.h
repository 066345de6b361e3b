/* One connection of the load: requests go out from where they lie, answers come back whole.
 *
 * Non-blocking; the run's loop polls. Not thread-safe. */
#ifndef TOOLS_BENCH_PEER_H
#define TOOLS_BENCH_PEER_H

#include "dataplane/kafka/frame.h"
#include "storage/base/bytes.h"
#include "tools/bench/options.h"

enum { PEER_HEAD_BYTES_MAX = 512, PEER_TAIL_BYTES_MAX = 16 };

/* A request on its way. */
struct peer_request {
    uint8_t head[PEER_HEAD_BYTES_MAX];
    uint32_t head_bytes;
    struct bytes body; /* View; goes out behind the head. */
    uint8_t tail[PEER_TAIL_BYTES_MAX];
    uint32_t tail_bytes;
    int16_t api; /* Of the request, where a connection asks for different things. */
    uint32_t partition;
    uint32_t records;
    uint64_t number;
    uint64_t intended_ns; /* When it should have left: latency counts from here. */
};

struct peer {
    int fd;          /* Of a socket; else 0 while it is open. -1: closed. */
    void *path_own;  /* The path's. */
    uint32_t window; /* Requests in flight at most. */
    uint64_t begun;  /* Requests taken by peer_begin ... */
    uint64_t sent;   /* ... of which so many are out whole ... */
    uint64_t answered;
    uint32_t sent_bytes;           /* Of the one being sent. */
    struct peer_request *requests; /* Ring of BENCH_IN_FLIGHT_MAX. */
    uint8_t *in;
    uint32_t in_capacity, in_start, in_used;
};

/* Connects (waits for that). False with a message on stderr. The peer stays where it is until
 * closed. */
MUST_USE bool peer_open(struct peer *peer, const char *bootstrap, uint32_t window,
                        uint32_t answer_bytes_max);
void peer_close(struct peer *peer);

/* Room for another request. */
static inline bool peer_has_room(const struct peer *peer)
{
    return peer->begun - peer->answered < peer->window;
}

/* The next request to fill in and hand over with peer_end. */
struct peer_request *peer_begin(struct peer *peer);
void peer_end(struct peer *peer);

/* Sends what the socket takes. False when the connection broke. */
MUST_USE bool peer_flush(struct peer *peer);

/* Reads what is there. False when the connection broke. */
MUST_USE bool peer_receive(struct peer *peer);

/* Waits until peers have something to receive, and names up to capacity of them. */
uint32_t peers_wait(struct peer **ready, uint32_t capacity, int wait_ms);

/* The next whole answer, without its length, as a view until the next peer_receive. */
bool peer_next_answer(struct peer *peer, struct bytes *frame, struct peer_request **request);

/* For requests that get no answer: the next one that is out whole, or NULL. Its place is free. */
const struct peer_request *peer_next_sent(struct peer *peer);

/* Sends one request made by peer_begin and waits for its answer. False on failure. */
MUST_USE bool peer_call(struct peer *peer, struct bytes *frame);

#endif
