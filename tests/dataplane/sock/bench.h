/* What the sock tests run on: a real ring, a sock with a listener on loopback, and a user that
 * records what it is told. One thread: the test turns the loop between the steps of its clients. */
#ifndef TESTS_DATAPLANE_SOCK_BENCH_H
#define TESTS_DATAPLANE_SOCK_BENCH_H

#include "dataplane/sock/listen.h"
#include "dataplane/sock/sock.h"

enum {
    BENCH_CONNECTIONS = 64,
    BENCH_SENDS = 512,
    BENCH_BUFFERS = 32,
    BENCH_BUFFER_BYTES = 4096,
    BENCH_HELD_MAX = 64,
    BENCH_FRAME_BYTES_MAX = 2 << 20,
};

enum bench_mode {
    BENCH_ECHO,   /* Sends every piece back as it lies, releases it when it is sent. */
    BENCH_COUNT,  /* Takes bytes in, keeps a checksum, releases at once. */
    BENCH_HOLD,   /* Keeps the pieces. */
    BENCH_FRAMES, /* 4 bytes length, then so many: each frame is received into memory, checked. */
    BENCH_REFUSE, /* Refuses connections. */
};

/* One connection, seen by its user. */
struct bench_user {
    struct bench *bench;
    struct transport_connection *connection;
    struct network_address peer;
    struct network_address local;
    bool open;
    bool ended;
    bool closed;
    enum transport_close_reason reason;
    uint64_t received_bytes;
    uint64_t received_sum;
    uint64_t tokens_sent; /* Tokens that came back, which are 1, 2, 3 ... */
    uint64_t tokens_made;
    struct received_piece held[BENCH_HELD_MAX]; /* By mode: kept, or waiting to be echoed. */
    uint32_t held_count;
    void *echoing[1024]; /* Buffer of each token under way. */
    uint64_t frames;
    uint64_t frame_bytes;
    uint8_t prefix[4];
    uint32_t prefix_len;
    uint8_t *frame;
    uint32_t frame_len;
    uint32_t frame_got;
};

struct bench {
    struct ring *ring;
    struct sock *sock;
    void *memory;
    uint8_t *buffers;
    struct network_address address;
    int listener;
    enum bench_mode mode;
    bool answer_late; /* What follows the end of a peer's stream is left to the test. */
    bool counted;     /* Connections are counted: only `allowed` may be opened. */
    uint32_t allowed;
    uint32_t user_count; /* Users ever opened; a closed one keeps its record. */
    struct bench_user users[256];
};

void bench_open(struct bench *bench, enum bench_mode mode);
/* Closes everything and sees that nothing leaked. */
void bench_close(struct bench *bench);

/* One turn of the loop; sleeps up to wait_ms for an event. */
void bench_turn(struct bench *bench, uint32_t wait_ms);
/* Turns until it is true; fails the test after five seconds. */
#define BENCH_UNTIL(bench, condition)                        \
    do {                                                     \
        uint32_t turns_ = 0;                                 \
        while (!(condition)) {                               \
            bench_turn(bench, 1);                            \
            if (++turns_ > 5000) {                           \
                fail_msg("never came true: %s", #condition); \
            }                                                \
        }                                                    \
    } while (0)

/* A client, connected and not blocking. */
int bench_connect(struct bench *bench);
/* The sum that received_sum holds for these bytes, continued from `sum` at stream position `at`. */
uint64_t bench_sum(uint64_t sum, uint64_t at, const uint8_t *bytes, uint64_t len);

#endif
