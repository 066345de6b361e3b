#include "dataplane/sock/sock.h"

#include <errno.h>

#include "dataplane/sock/connection.h"

static const uint64_t MS_NS = 1000 * 1000;

/* ---- Setup ---------------------------------------------------------------------------------- */

static void sock_release(struct transport *transport, void *buffer)
{
    struct sock *sock = (struct sock *)transport;
    ring_buffer_give(sock->setup.ring, sock->setup.buffer_group, (uint16_t)((uintptr_t)buffer - 1));
}

static void sock_close(struct transport_connection *base)
{
    struct sock_connection *connection = (struct sock_connection *)base;
    if (!connection->finishing && !connection->ending) {
        connection->finishing = true;
        connection->reason = connection->ended ? TRANSPORT_CLOSED_BY_PEER : TRANSPORT_CLOSED_BY_US;
        connection_work(connection);
    }
}

static void sock_abort(struct transport_connection *base)
{
    struct sock_connection *connection = (struct sock_connection *)base;
    /* The close then sends RST at once, whatever waits in the socket. */
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    sock_connection_end(connection, TRANSPORT_CLOSED_BY_US);
}

static const struct transport_ops sock_ops = {
    .release = sock_release,
    .pause = stream_pause,
    .resume = stream_resume,
    .receive_into = stream_receive_into,
    .send = stream_send,
    .close = sock_close,
    .abort = sock_abort,
    .acknowledged_bytes = stream_acknowledged_bytes,
};

static uint64_t connections_bytes(const struct sock_setup *setup)
{
    return round_up(pool_memory_bytes(sizeof(struct sock_connection), setup->connection_count_max),
                    64);
}

static uint64_t sends_bytes(const struct sock_setup *setup)
{
    return round_up(pool_memory_bytes(sizeof(struct sock_send), setup->send_count_max), 64);
}

uint64_t sock_memory_bytes(const struct sock_setup *setup)
{
    return round_up(sizeof(struct sock), 64) + connections_bytes(setup) + sends_bytes(setup);
}

struct sock *sock_create(void *memory, const struct sock_setup *setup, int *error)
{
    ASSERT(setup->connection_count_max > 0 && setup->send_count_max > setup->connection_count_max);
    struct sock *sock = memory;
    uint8_t *at = (uint8_t *)memory + round_up(sizeof(*sock), 64);
    sock->transport = (struct transport){
        .ops = &sock_ops, .user = setup->user, .user_context = setup->user_context};
    sock->setup = *setup;
    pool_init(&sock->connections, at, sizeof(struct sock_connection), setup->connection_count_max);
    pool_init(&sock->sends, at + connections_bytes(setup), sizeof(struct sock_send),
              setup->send_count_max);
    list_init(&sock->work);
    list_init(&sock->starved);
    sock->refuse_op = (struct ring_op){.owner = RING_OWNER_SOCKET, .kind = SOCK_OP_REFUSE_CLOSE};
    *error = ring_add_buffers(setup->ring, setup->buffer_group, setup->buffers, setup->buffer_count,
                              setup->buffer_bytes);
    return *error == 0 ? sock : NULL;
}

struct transport *sock_transport(struct sock *sock)
{
    return &sock->transport;
}

const struct sock_counters *sock_counters(const struct sock *sock)
{
    return &sock->counters;
}

/* ---- Accepting ------------------------------------------------------------------------------ */

static uint64_t accept_from_ns(const struct sock *sock)
{
    const struct transport_user *user = sock->transport.user;
    return user->accept_from_ns == NULL ? 0 : user->accept_from_ns(sock->transport.user_context);
}

static void accept_arm(struct sock_listener *listener)
{
    struct ring *ring = listener->sock->setup.ring;
    const uint64_t from_ns = accept_from_ns(listener->sock);
    if (from_ns > listener->sock->now_ns) { /* Meanwhile they wait in the kernel's backlog. */
        listener->retry_ns = from_ns;
        return;
    }
    listener->retry_ns = 0;
    listener->accepting = true;
    listener->single = from_ns != 0;
    if (listener->single) {
        ring_accept(ring, &listener->accept_op, listener->fd);
    } else {
        ring_accept_multishot(ring, &listener->accept_op, listener->fd);
    }
}

/* Unless something is under way, whose end arms it again. */
static void accept_go_on(struct sock_listener *listener)
{
    if (listener->used && !listener->sock->stop_listening && !listener->accepting &&
        !listener->cancelling && listener->retry_ns == 0) {
        accept_arm(listener);
    }
}

static void accept_cancel(struct sock_listener *listener)
{
    if (listener->accepting && !listener->cancelling) {
        listener->cancelling = true;
        ring_cancel(listener->sock->setup.ring, &listener->cancel_op, &listener->accept_op);
    }
}

void sock_accept_anew(struct sock *sock)
{
    const bool single = accept_from_ns(sock) != 0;
    for (uint32_t i = 0; i < SOCK_LISTENERS_MAX; i++) {
        if (sock->listeners[i].single != single) {
            accept_cancel(&sock->listeners[i]);
        }
    }
}

void sock_listen(struct sock *sock, uint32_t listener_index, int fd)
{
    ASSERT(listener_index < SOCK_LISTENERS_MAX && !sock->listeners[listener_index].used);
    struct sock_listener *listener = &sock->listeners[listener_index];
    *listener = (struct sock_listener){
        .accept_op = {.owner = RING_OWNER_SOCKET, .kind = SOCK_OP_ACCEPT},
        .cancel_op = {.owner = RING_OWNER_SOCKET, .kind = SOCK_OP_ACCEPT_CANCEL},
        .sock = sock,
        .fd = fd,
        .index = listener_index,
        .used = true,
    };
    accept_arm(listener);
}

void sock_stop_listening(struct sock *sock)
{
    sock->stop_listening = true;
    for (uint32_t i = 0; i < SOCK_LISTENERS_MAX; i++) {
        struct sock_listener *listener = &sock->listeners[i];
        listener->retry_ns = 0;
        accept_cancel(listener);
    }
}

bool sock_stopped_listening(const struct sock *sock)
{
    for (uint32_t i = 0; i < SOCK_LISTENERS_MAX; i++) {
        const struct sock_listener *listener = &sock->listeners[i];
        if (listener->accepting || listener->cancelling || listener->retry_ns != 0) {
            return false;
        }
    }
    return sock->closing_refused == 0;
}

static void address_read(const struct sockaddr_storage *from, struct network_address *to)
{
    *to = (struct network_address){0};
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        memcpy(to->ip, &in6->sin6_addr, sizeof(to->ip));
        to->port = ntohs(in6->sin6_port);
    } else if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        to->ip[10] = 0xff;
        to->ip[11] = 0xff;
        memcpy(&to->ip[12], &in->sin_addr, 4);
        to->port = ntohs(in->sin_port);
    }
}

static void refuse(struct sock *sock, int fd)
{
    sock->counters.refused++;
    sock->closing_refused++;
    ring_close(sock->setup.ring, &sock->refuse_op, fd);
}

static void connection_open(struct sock_listener *listener, int fd)
{
    struct sock *sock = listener->sock;
    struct sockaddr_storage peer = {0};
    struct sockaddr_storage local = {0};
    socklen_t peer_len = sizeof(peer);
    socklen_t local_len = sizeof(local);
    struct sock_connection *connection =
        sock->stop_listening ? NULL : pool_take(&sock->connections);
    if (connection == NULL) {
        refuse(sock, fd);
        return;
    }
    struct network_address addresses[2];
    (void)getpeername(fd, (struct sockaddr *)&peer, &peer_len);
    (void)getsockname(fd, (struct sockaddr *)&local, &local_len);
    address_read(&peer, &addresses[0]);
    address_read(&local, &addresses[1]);
    *connection = (struct sock_connection){
        .base = {.transport = &sock->transport},
        .sock = sock,
        .fd = fd,
        .receive_op = {.owner = RING_OWNER_SOCKET, .kind = SOCK_OP_RECEIVE},
        .receive_cancel_op = {.owner = RING_OWNER_SOCKET, .kind = SOCK_OP_RECEIVE_CANCEL},
        .send_op = {.owner = RING_OWNER_SOCKET, .kind = SOCK_OP_SEND},
        .send_cancel_op = {.owner = RING_OWNER_SOCKET, .kind = SOCK_OP_SEND_CANCEL},
        .close_op = {.owner = RING_OWNER_SOCKET, .kind = SOCK_OP_CLOSE},
    };
    list_init(&connection->sends);
    void *user = sock->transport.user->on_open(sock->transport.user_context, &connection->base,
                                               &addresses[0], &addresses[1], listener->index);
    if (user == NULL) {
        if (list_linked(&connection->work)) {
            list_remove(&connection->work);
        }
        pool_give(&sock->connections, connection);
        refuse(sock, fd);
        return;
    }
    connection->base.user = user;
    sock->counters.accepted++;
    sock->counters.open++;
    connection_work(connection); /* sock_turn arms its receive. */
}

static void accepted(struct sock_listener *listener, const struct ring_event *event)
{
    struct sock *sock = listener->sock;
    if ((event->flags & RING_MORE) == 0) {
        listener->accepting = false;
    }
    if (event->result >= 0) {
        connection_open(listener, event->result);
    } else if (event->result != -ECANCELED && event->result != -ECONNABORTED &&
               event->result != -EINTR && event->result != -EAGAIN) {
        /* Out of descriptors or memory: what waits in the backlog can wait a little longer. */
        sock->counters.accept_paused++;
        listener->retry_ns = sock->now_ns + SOCK_ACCEPT_RETRY_MS * MS_NS;
    }
    if (sock->stop_listening) {
        listener->retry_ns = 0;
    }
    accept_go_on(listener);
}

/* ---- Ending --------------------------------------------------------------------------------- */

void sock_connection_end(struct sock_connection *connection, enum transport_close_reason reason)
{
    if (connection->ending) {
        return;
    }
    connection->ending = true;
    if (!connection->finishing || connection->reason == TRANSPORT_CLOSED_BY_PEER) {
        connection->reason = (uint8_t)reason; /* A reset may show as an end of the stream first. */
    }
    connection->sock->counters.reset += reason == TRANSPORT_RESET;
    connection->sock->counters.timed_out += reason == TRANSPORT_TIMED_OUT;
    connection_work(connection);
}

static void end_cancel(struct sock_connection *connection)
{
    struct ring *ring = connection->sock->setup.ring;
    if (connection->finishing || connection->ending) {
        stream_cancel_receive(connection);
    }
    if (connection->ending && connection->sending && !connection->send_cancelled) {
        connection->send_cancelled = true;
        connection->send_cancelling = true;
        ring_cancel(ring, &connection->send_cancel_op, &connection->send_op);
    }
}

/* Goes on ending a connection as far as the kernel lets it. */
static void end_turn(struct sock_connection *connection)
{
    if (connection->closing) {
        return;
    }
    if (connection->finishing && !connection->ending && list_empty(&connection->sends)) {
        connection->ending = true; /* Everything is out. */
    }
    end_cancel(connection);
    if (!connection->ending || connection->receiving || connection->sending ||
        connection->receive_cancelling || connection->send_cancelling) {
        return;
    }
    connection->closing = true;
    stream_drop_sends(connection);
    if (list_linked(&connection->starved)) {
        list_remove(&connection->starved);
    }
    connection->sock->transport.user->on_close(connection->base.user,
                                               (enum transport_close_reason)connection->reason);
    ring_close(connection->sock->setup.ring, &connection->close_op, connection->fd);
}

static void connection_closed(struct sock_connection *connection)
{
    struct sock *sock = connection->sock;
    if (list_linked(&connection->work)) {
        list_remove(&connection->work);
    }
    sock->counters.open--;
    pool_give(&sock->connections, connection);
}

/* ---- Turns ---------------------------------------------------------------------------------- */

void sock_complete(struct sock *sock, const struct ring_event *event, uint64_t now_ns)
{
    struct ring_op *op = event->op;
    sock->now_ns = now_ns;
#define CONNECTION(field) CONTAINER_OF(op, struct sock_connection, field)
    switch ((enum sock_op_kind)op->kind) {
    case SOCK_OP_ACCEPT: accepted(CONTAINER_OF(op, struct sock_listener, accept_op), event); break;
    case SOCK_OP_ACCEPT_CANCEL:
        CONTAINER_OF(op, struct sock_listener, cancel_op)->cancelling = false;
        accept_go_on(CONTAINER_OF(op, struct sock_listener, cancel_op));
        break;
    case SOCK_OP_REFUSE_CLOSE: sock->closing_refused--; break;
    case SOCK_OP_RECEIVE: stream_received(CONNECTION(receive_op), event); break;
    case SOCK_OP_RECEIVE_DIRECT: stream_received_direct(CONNECTION(receive_op), event); break;
    case SOCK_OP_RECEIVE_CANCEL:
        CONNECTION(receive_cancel_op)->receive_cancelling = false;
        connection_work(CONNECTION(receive_cancel_op));
        break;
    case SOCK_OP_SEND: stream_sent(CONNECTION(send_op), event); break;
    case SOCK_OP_SEND_CANCEL:
        CONNECTION(send_cancel_op)->send_cancelling = false;
        connection_work(CONNECTION(send_cancel_op));
        break;
    case SOCK_OP_CLOSE: connection_closed(CONNECTION(close_op)); break;
    }
#undef CONNECTION
}

/* Arms the receive again, or puts the connection at the end of those that wait for buffers. */
static void receive_turn(struct sock_connection *connection)
{
    struct sock *sock = connection->sock;
    if (!list_linked(&connection->starved) && !stream_receive(connection)) {
        list_push_back(&sock->starved, &connection->starved);
    }
}

/* As many receives as there are buffers, the longest waiting first. */
static void starved_turn(struct sock *sock)
{
    uint32_t room = ring_buffers_free(sock->setup.ring, sock->setup.buffer_group);
    while (room > 0 && !list_empty(&sock->starved)) {
        struct sock_connection *connection =
            CONTAINER_OF(list_pop_front(&sock->starved), struct sock_connection, starved);
        (void)stream_receive(connection);
        room--;
    }
}

uint32_t sock_turn(struct sock *sock, uint64_t now_ns)
{
    uint32_t count = 0;
    sock->now_ns = now_ns;
    /* Handlers called from here may add work: that is for the next turn. */
    struct list work;
    list_init(&work);
    list_append_all(&work, &sock->work);
    struct list_node *node;
    while ((node = list_pop_front(&work)) != NULL) {
        struct sock_connection *connection = CONTAINER_OF(node, struct sock_connection, work);
        stream_submit(connection);
        end_turn(connection);
        receive_turn(connection);
        count++;
    }
    if (!list_empty(&sock->starved)) {
        starved_turn(sock);
    }
    for (uint32_t i = 0; i < SOCK_LISTENERS_MAX; i++) {
        struct sock_listener *listener = &sock->listeners[i];
        if (listener->retry_ns != 0 && listener->retry_ns <= now_ns) {
            accept_arm(listener);
            count++;
        }
    }
    return count;
}

uint64_t sock_next_deadline_ns(const struct sock *sock)
{
    if (!list_empty(&sock->work)) {
        return 0;
    }
    if (!list_empty(&sock->starved) &&
        ring_buffers_free(sock->setup.ring, sock->setup.buffer_group) > 0) {
        return 0;
    }
    uint64_t deadline_ns = UINT64_MAX;
    for (uint32_t i = 0; i < SOCK_LISTENERS_MAX; i++) {
        if (sock->listeners[i].retry_ns != 0) {
            deadline_ns = min_u64(deadline_ns, sock->listeners[i].retry_ns);
        }
    }
    return deadline_ns;
}

bool sock_idle(const struct sock *sock)
{
    return sock->connections.used == 0 && sock->sends.used == 0 &&
           ring_buffers_free(sock->setup.ring, sock->setup.buffer_group) ==
               sock->setup.buffer_count;
}
