/* Two hosts of stack_load and the link between them; who attacks sits on a port of his own. */
#ifndef TESTS_SIM_STACK_LOAD_H
#define TESTS_SIM_STACK_LOAD_H

#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/tcp.h"
#include "storage/base/random.h"

enum {
    LOAD_BUFFERS = 8192,
    LOAD_QUEUE = 1 << 15, /* Frames on the way to one host. */
    LOAD_FLOWS = 10240,
    LOAD_CLIENT = 0x0a000001,
    LOAD_SERVER = 0x0a000002,
    LOAD_PORT = 9092,
    LOAD_CHUNK = 65536,
};

enum load_role {
    LOAD_IDLE,  /* Opens, and says nothing. */
    LOAD_BULK,  /* Sends as much as there is room for. */
    LOAD_SHORT, /* Sends a kilobyte, closes when it is acknowledged, opens again. */
    LOAD_DEAF,  /* Keeps every buffer that it receives. */
};

struct load;
struct load_host;

struct load_flow {
    struct load_host *host;
    struct tcp_connection *connection;
    enum load_role role;
    uint64_t received;
    uint64_t tokens;
    bool opened;
    bool closed;
};

struct load_frame {
    uint64_t at_ns;
    uint8_t *buffer; /* Of the host that will receive it. */
    uint32_t len;
};

struct load_host {
    struct load *load;
    uint32_t index; /* 0: the client, 1: the server. */
    struct net_setup net_setup;
    struct tcp_setup setup;
    struct net *net;
    struct tcp *tcp;
    void *memory;
    uint8_t *buffers;
    uint32_t free[LOAD_BUFFERS];
    uint32_t free_count;
    struct load_frame queue[LOAD_QUEUE]; /* To this host, in order. */
    uint32_t head, tail;
    uint64_t link_free_ns;
    struct load_flow flows[LOAD_FLOWS];
    uint32_t flow_count;
    enum load_role role; /* Of connections that the peer opens. */
    void *kept[LOAD_BUFFERS];
    uint32_t kept_count;
    uint64_t received;  /* Bytes, by all users. */
    uint64_t completed; /* Short connections that ended in order. */
    uint64_t broken;    /* That ended otherwise. */
    uint64_t opened;
    uint64_t dropped; /* Frames for which there was no buffer. */
};

struct load_options {
    uint16_t mtu;
    uint32_t buffer_bytes;
    uint64_t delay_ns; /* One way. */
    uint64_t gigabits;
    uint32_t loss_per_100000; /* Of frames with payload. */
    uint64_t queue_ns;        /* The longest that a frame waits for the link. */
    const struct congestion *congestion;
};

struct load {
    struct load_options options;
    struct random random;
    uint64_t now_ns;
    struct load_host hosts[2];
    uint64_t lost;
    /* Sends the attacker's frames that are due; the next is due at attack_ns. */
    void (*attack)(struct load *load);
    uint64_t attack_ns;
    uint64_t attacks;
    uint64_t steps;
};

extern uint8_t load_chunk[LOAD_CHUNK]; /* What everybody sends. */

struct load_options load_usual(void);
struct load *load_create(const struct load_options *options);
/* After the setups of its hosts were changed as a scenario wants it. */
void load_start(struct load *load);
void load_destroy(struct load *load);
/* The client opens a connection. */
struct load_flow *load_open(struct load *load, enum load_role role);
void load_run(struct load *load, uint64_t ns);
void load_close_all(struct load *load);
void load_release_kept(struct load_host *host);
/* A segment of nobody's, to the server. sequence and ack as on the wire. */
void load_inject(struct load *load, uint32_t source, const struct segment *segment);

#endif
