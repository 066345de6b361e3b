/* One connection of the kernel-socket path: its stream in and its stream out. Shared by sock.c
 * (accepting, ending, turns) and stream.c (bytes); nobody else includes this. */
#ifndef DATAPLANE_SOCK_CONNECTION_H
#define DATAPLANE_SOCK_CONNECTION_H

#include <netinet/in.h>
#include <sys/uio.h>

#include "dataplane/sock/sock.h"
#include "storage/base/list.h"

/* ring_op.kind */
enum sock_op_kind {
    SOCK_OP_ACCEPT,
    SOCK_OP_ACCEPT_CANCEL,
    SOCK_OP_REFUSE_CLOSE,
    SOCK_OP_RECEIVE,        /* Multishot, into provided buffers. */
    SOCK_OP_RECEIVE_DIRECT, /* Into the user's memory. */
    SOCK_OP_RECEIVE_CANCEL,
    SOCK_OP_SEND,
    SOCK_OP_SEND_CANCEL,
    SOCK_OP_CLOSE,
};

/* What waits to be sent. */
struct sock_send {
    struct list_node node; /* Of the connection's sends. */
    uint64_t token;
    uint32_t part_count;
    uint32_t part_done;  /* Parts sent whole. */
    uint32_t bytes_done; /* Of the part behind them. */
    struct bytes parts[SOCK_SEND_PARTS_MAX];
};

struct sock_connection {
    struct transport_connection base; /* First: the user's view. */
    struct sock *sock;
    int fd;
    struct ring_op receive_op;
    struct ring_op receive_cancel_op;
    struct ring_op send_op;
    struct ring_op send_cancel_op;
    struct ring_op close_op;

    bool receiving;          /* receive_op is under way. */
    bool receive_direct;     /* Of what kind. */
    bool receive_cancelled;  /* Its end was asked for. */
    bool receive_cancelling; /* receive_cancel_op is under way. */
    bool paused;
    bool ended; /* The peer has closed its side; the user was told. */
    bool sending;
    bool send_cancelled;
    bool send_cancelling;
    bool finishing; /* Ends once everything sent is out; takes nothing in. */
    bool ending;    /* Ends now. */
    bool closing;   /* on_close was called, close_op is under way. */
    uint8_t reason; /* enum transport_close_reason */

    struct list_node work;    /* Of sock.work: sock_turn looks at it. */
    struct list_node starved; /* Of sock.starved: waits for buffers. */

    uint8_t *into; /* receive_into: where the next byte goes; NULL none. */
    uint32_t into_left;

    uint32_t send_count;
    struct list sends;
    struct msghdr message; /* Lent to the kernel while sending. */
    struct iovec gather[SOCK_GATHER_MAX];
};

struct sock_listener {
    struct ring_op accept_op;
    struct ring_op cancel_op;
    struct sock *sock;
    int fd;
    uint32_t index;
    bool used;
    bool accepting;    /* accept_op is under way. */
    bool cancelling;   /* cancel_op is under way. */
    bool single;       /* accept_op is for one connection. */
    uint64_t retry_ns; /* When to arm it again; 0: not waiting. */
};

struct sock {
    struct transport transport; /* First: the user's view. */
    struct sock_setup setup;
    struct pool connections;
    struct pool sends;
    struct list work;
    struct list starved;
    uint64_t now_ns;
    bool stop_listening;
    uint32_t closing_refused; /* Closes under way of descriptors without a connection. */
    struct ring_op refuse_op; /* Shared by them: only counted. */
    struct sock_listener listeners[SOCK_LISTENERS_MAX];
    struct sock_counters counters;
};

/* Has sock_turn look at the connection. */
static inline void connection_work(struct sock_connection *connection)
{
    if (!list_linked(&connection->work)) {
        list_push_back(&connection->sock->work, &connection->work);
    }
}

/* The connection is over, for this reason: everything is cancelled, and sock_turn ends it. The
 * first reason counts. */
void sock_connection_end(struct sock_connection *connection, enum transport_close_reason reason);

/* stream.c: arms what should be armed and is not. False: there was no buffer. */
bool stream_receive(struct sock_connection *connection);
/* Asks for the end of the receive under way, once. */
void stream_cancel_receive(struct sock_connection *connection);
void stream_received(struct sock_connection *connection, const struct ring_event *event);
void stream_received_direct(struct sock_connection *connection, const struct ring_event *event);
void stream_pause(struct transport_connection *base);
void stream_resume(struct transport_connection *base);
void stream_receive_into(struct transport_connection *base, uint8_t *to, uint32_t len);
bool stream_send(struct transport_connection *connection, const struct send_part *parts,
                 uint32_t part_count, uint64_t token);
uint64_t stream_acknowledged_bytes(struct transport_connection *base);
/* Hands the next gathered send to the kernel when none is under way. */
void stream_submit(struct sock_connection *connection);
void stream_sent(struct sock_connection *connection, const struct ring_event *event);
/* Returns every send that is left to the user. None is under way. */
void stream_drop_sends(struct sock_connection *connection);

#endif
