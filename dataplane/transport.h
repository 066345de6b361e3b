/* The connection interface: what stands between the broker code and a network path.
 *
 * Two paths implement it, kernel sockets (sock/) and our own TCP (tcp/); the simulation a third, in
 * memory. The broker code above is the same. All calls of one transport and of its user come from
 * the core that owns it, from phases of the loop, never from inside a submit.
 *
 * Bytes arrive in pieces that lie in the transport's buffers and are lent to the user until it
 * releases them; that is the flow control: a transport with no free buffers takes in no more.
 */
#ifndef DATAPLANE_TRANSPORT_H
#define DATAPLANE_TRANSPORT_H

#include "storage/base/bytes.h"

struct transport;
struct transport_connection;

/* IPv4 addresses are mapped (::ffff:a.b.c.d); port in host order. */
struct network_address {
    uint8_t ip[16];
    uint16_t port;
};

/* A run of received bytes. Lent until transport release of `buffer`; one buffer may carry the end
 * of one frame and the start of the next, and is released once. */
struct received_piece {
    struct bytes bytes;
    void *buffer;
};

enum transport_close_reason {
    TRANSPORT_CLOSED_BY_PEER,
    TRANSPORT_RESET,
    TRANSPORT_CLOSED_BY_US,
    TRANSPORT_TIMED_OUT,
    TRANSPORT_NO_MEMORY,
};

/* One part of what is sent. Lent until on_sent returns the token of its send. */
struct send_part {
    struct bytes bytes;
};

/* Implemented by the broker. `user` is what on_open returned. */
struct transport_user {
    /* A new connection. listener: index of the listening address. Returns the user's handle, or
     * NULL to refuse: the transport closes it. */
    void *(*on_open)(void *context, struct transport_connection *connection,
                     const struct network_address *peer, const struct network_address *local,
                     uint32_t listener);
    /* The next bytes of the stream, in order. */
    void (*on_data)(void *user, struct received_piece piece);
    /* Bytes asked for by receive_into are complete. */
    void (*on_received_into)(void *user);
    /* The peer sends nothing more, and all it sent was delivered; it may still take in. From here
     * on the user ends the connection, with close when it has answered, or with abort. Once at
     * most, and not after the user's own close. */
    void (*on_end)(void *user);
    /* Everything of that send is out of our hands: its parts may be reused. Called once per send,
     * in order, also when the connection ends. */
    void (*on_sent)(void *user, uint64_t token);
    /* The last call for this connection; all sends have been returned before. Pieces still held
     * stay valid until released. */
    void (*on_close)(void *user, enum transport_close_reason reason);
    /* NULL, or 0: connections are taken as they come. Else they are taken one at a time, none
     * before this time (the core's clock); it is asked anew before each. Those that wait do so
     * where the path keeps them: nothing is refused. */
    uint64_t (*accept_from_ns)(void *context);
};

/* Implemented by each network path. */
struct transport_ops {
    /* Gives one buffer back. Any order; also after on_close. */
    void (*release)(struct transport *transport, void *buffer);
    /* Stops and starts taking bytes in; what arrived before may still come. Idempotent. */
    void (*pause)(struct transport_connection *connection);
    void (*resume)(struct transport_connection *connection);
    /* The next len bytes of the stream go to `to` (lent until on_received_into or on_close) instead
     * of on_data: frames too large for the transport's buffers (H24). Called from on_data or later,
     * with every earlier byte delivered: bytes that the transport already holds are copied. */
    void (*receive_into)(struct transport_connection *connection, uint8_t *to, uint32_t len);
    /* Sends parts in order after all earlier sends. False when the connection has no room for
     * another send: try again after an on_sent. parts itself is borrowed, the bytes are lent. */
    bool (*send)(struct transport_connection *connection, const struct send_part *parts,
                 uint32_t part_count, uint64_t token);
    /* Closes once everything sent is out. on_close follows. */
    void (*close)(struct transport_connection *connection);
    /* Drops everything and resets, also after a close. on_close follows, in a later phase. */
    void (*abort)(struct transport_connection *connection);
    /* Bytes that the peer has acknowledged since the connection began: tells a slow reader from one
     * that takes nothing while a send is under way. May cost a system call (none that sleeps), so
     * nothing for every turn. */
    uint64_t (*acknowledged_bytes)(struct transport_connection *connection);
};

/* First member of every transport's own struct, and of every connection's. */
struct transport {
    const struct transport_ops *ops;
    const struct transport_user *user;
    void *user_context;
};

struct transport_connection {
    struct transport *transport;
    void *user; /* From on_open. */
};

#endif
