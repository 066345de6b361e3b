#include "dataplane/sock/connection.h"

#include <errno.h>
#include <linux/tcp.h> /* The C library's tcp_info ends before tcpi_bytes_acked. */

/* ---- In ------------------------------------------------------------------------------------- */

static bool receive_wanted(const struct sock_connection *connection)
{
    return !connection->paused && !connection->ended && !connection->finishing &&
           !connection->ending;
}

static bool direct_wanted(const struct sock_connection *connection)
{
    return connection->into != NULL && connection->into_left >= SOCK_DIRECT_BYTES_MIN;
}

bool stream_receive(struct sock_connection *connection)
{
    struct sock *sock = connection->sock;
    if (connection->receiving || !receive_wanted(connection)) {
        return true;
    }
    if (direct_wanted(connection)) {
        connection->receive_op.kind = SOCK_OP_RECEIVE_DIRECT;
        ring_receive_into(sock->setup.ring, &connection->receive_op, connection->fd,
                          connection->into, connection->into_left, MSG_WAITALL);
    } else {
        if (ring_buffers_free(sock->setup.ring, sock->setup.buffer_group) == 0) {
            return false;
        }
        connection->receive_op.kind = SOCK_OP_RECEIVE;
        ring_receive_multishot(sock->setup.ring, &connection->receive_op, connection->fd,
                               sock->setup.buffer_group);
    }
    connection->receiving = true;
    connection->receive_direct = direct_wanted(connection);
    connection->receive_cancelled = false;
    return true;
}

void stream_cancel_receive(struct sock_connection *connection)
{
    if (connection->receiving && !connection->receive_cancelled &&
        !connection->receive_cancelling) {
        connection->receive_cancelled = true;
        connection->receive_cancelling = true;
        ring_cancel(connection->sock->setup.ring, &connection->receive_cancel_op,
                    &connection->receive_op);
    }
}

/* Passes a filled buffer on: first to memory asked for by receive_into, the rest to the user. */
static void deliver(struct sock_connection *connection, uint16_t buffer_id, uint32_t len)
{
    struct sock *sock = connection->sock;
    const uint8_t *from = ring_buffer_at(sock->setup.buffers, sock->setup.buffer_bytes, buffer_id);
    const struct transport_user *user = sock->transport.user;
    while (len > 0 && connection->into != NULL && !connection->ending) {
        const uint32_t count = min_u32(len, connection->into_left);
        memcpy(connection->into, from, count);
        connection->into += count;
        connection->into_left -= count;
        from += count;
        len -= count;
        if (connection->into_left == 0) {
            connection->into = NULL;
            user->on_received_into(connection->base.user);
        }
    }
    if (len == 0 || connection->finishing || connection->ending) {
        ring_buffer_give(sock->setup.ring, sock->setup.buffer_group, buffer_id);
        return;
    }
    user->on_data(connection->base.user,
                  (struct received_piece){.bytes = {from, len},
                                          .buffer = (void *)((uintptr_t)buffer_id + 1)});
}

/* What a receive that brought no bytes says. */
static void receive_failed(struct sock_connection *connection, int32_t result)
{
    struct sock *sock = connection->sock;
    switch (-result) {
    case 0: /* The peer has closed its side. */
        if (!connection->ended && !connection->finishing && !connection->ending) {
            connection->ended = true;
            sock->transport.user->on_end(connection->base.user);
        }
        break;
    case ENOBUFS: sock->counters.starved++; break;
    case ECANCELED:
    case EINTR:
    case EAGAIN: break;
    case ETIMEDOUT: sock_connection_end(connection, TRANSPORT_TIMED_OUT); break;
    default: sock_connection_end(connection, TRANSPORT_RESET); break;
    }
}

void stream_received(struct sock_connection *connection, const struct ring_event *event)
{
    struct sock *sock = connection->sock;
    if ((event->flags & RING_MORE) == 0) {
        connection->receiving = false;
        connection_work(connection); /* Arm it again, or go on ending. */
    }
    if ((event->flags & RING_BUFFER) != 0 && event->result > 0) {
        sock->counters.receives++;
        sock->counters.received_bytes += (uint64_t)event->result;
        deliver(connection, event->buffer_id, (uint32_t)event->result);
        return;
    }
    if ((event->flags & RING_BUFFER) != 0) {
        ring_buffer_give(sock->setup.ring, sock->setup.buffer_group, event->buffer_id);
    }
    receive_failed(connection, event->result);
}

void stream_received_direct(struct sock_connection *connection, const struct ring_event *event)
{
    struct sock *sock = connection->sock;
    connection->receiving = false;
    connection_work(connection);
    if (event->result <= 0) {
        receive_failed(connection, event->result);
        return;
    }
    const uint32_t count = (uint32_t)event->result;
    ASSERT(count <= connection->into_left);
    sock->counters.receives++;
    sock->counters.received_bytes += count;
    sock->counters.received_direct_bytes += count;
    connection->into += count;
    connection->into_left -= count;
    if (connection->into_left == 0) {
        connection->into = NULL;
        if (!connection->finishing && !connection->ending) {
            sock->transport.user->on_received_into(connection->base.user);
        }
    }
}

void stream_pause(struct transport_connection *base)
{
    struct sock_connection *connection = (struct sock_connection *)base;
    connection->paused = true;
    stream_cancel_receive(connection);
}

void stream_resume(struct transport_connection *base)
{
    struct sock_connection *connection = (struct sock_connection *)base;
    connection->paused = false;
    connection_work(connection);
}

void stream_receive_into(struct transport_connection *base, uint8_t *to, uint32_t len)
{
    struct sock_connection *connection = (struct sock_connection *)base;
    ASSERT(connection->into == NULL && len > 0);
    connection->into = to;
    connection->into_left = len;
    if (connection->receiving && !connection->receive_direct && direct_wanted(connection)) {
        stream_cancel_receive(connection); /* Its last event arms the direct receive. */
    }
    connection_work(connection);
}

/* ---- Out ------------------------------------------------------------------------------------ */

/* Each open connection can always have one send waiting: readers that stop reading can use up what
 * is shared, but not what the others need. */
static bool send_room(const struct sock_connection *connection)
{
    const struct sock *sock = connection->sock;
    if (connection->send_count == 0) {
        return true;
    }
    return connection->send_count < SOCK_SENDS_MAX &&
           sock->sends.capacity - sock->sends.used > sock->connections.capacity;
}

bool stream_send(struct transport_connection *base, const struct send_part *parts,
                 uint32_t part_count, uint64_t token)
{
    struct sock_connection *connection = (struct sock_connection *)base;
    struct sock *sock = connection->sock;
    ASSERT(part_count <= SOCK_SEND_PARTS_MAX);
    if (connection->ending || !send_room(connection)) {
        sock->counters.sends_refused++;
        return false;
    }
    struct sock_send *send = pool_take(&sock->sends);
    ASSERT(send != NULL); /* send_room keeps one for each connection. */
    send->node = (struct list_node){0};
    send->token = token;
    send->part_count = 0;
    send->part_done = 0;
    send->bytes_done = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        if (parts[i].bytes.len > 0) {
            send->parts[send->part_count++] = parts[i].bytes;
        }
    }
    list_push_back(&connection->sends, &send->node);
    connection->send_count++;
    connection_work(connection);
    return true;
}

uint64_t stream_acknowledged_bytes(struct transport_connection *base)
{
    const struct sock_connection *connection = (const struct sock_connection *)base;
    struct tcp_info info = {0}; /* Stays 0 where the kernel does not tell. */
    socklen_t len = sizeof(info);
    (void)getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
    return info.tcpi_bytes_acked;
}

static void send_return(struct sock_connection *connection, struct sock_send *send)
{
    struct sock *sock = connection->sock;
    const uint64_t token = send->token;
    list_remove(&send->node);
    connection->send_count--;
    pool_give(&sock->sends, send);
    sock->transport.user->on_sent(connection->base.user, token);
}

/* Returns the sends at the front that have nothing left to go out. */
static void sends_return(struct sock_connection *connection)
{
    struct list_node *node;
    while ((node = list_first(&connection->sends)) != NULL) {
        struct sock_send *send = CONTAINER_OF(node, struct sock_send, node);
        if (send->part_done < send->part_count) {
            return;
        }
        send_return(connection, send);
    }
}

/* Fills the gather array from the front of the queue. Returns true when more is left behind it. */
static bool gather(struct sock_connection *connection, uint32_t *count)
{
    *count = 0;
    LIST_FOR_EACH(node, &connection->sends)
    {
        const struct sock_send *send = CONTAINER_OF(node, struct sock_send, node);
        uint32_t skip = send->bytes_done;
        for (uint32_t i = send->part_done; i < send->part_count; i++) {
            if (*count == SOCK_GATHER_MAX) {
                return true;
            }
            const struct bytes part = send->parts[i];
            /* iovec is not const; the kernel only reads. */
            connection->gather[*count].iov_base = (void *)(uintptr_t)(part.ptr + skip);
            connection->gather[*count].iov_len = part.len - skip;
            (*count)++;
            skip = 0;
        }
    }
    return false;
}

void stream_submit(struct sock_connection *connection)
{
    struct sock *sock = connection->sock;
    if (connection->sending || connection->ending) {
        return;
    }
    sends_return(connection); /* Empty sends have their turn here. */
    uint32_t count;
    const int flags = gather(connection, &count) ? MSG_WAITALL | MSG_MORE : MSG_WAITALL;
    if (count == 0) {
        return;
    }
    connection->sending = true;
    sock->counters.sends++;
    if (count == 1) {
        ring_send(sock->setup.ring, &connection->send_op, connection->fd,
                  connection->gather[0].iov_base, (uint32_t)connection->gather[0].iov_len, flags,
                  false);
        return;
    }
    connection->message = (struct msghdr){.msg_iov = connection->gather, .msg_iovlen = count};
    ring_send_message(sock->setup.ring, &connection->send_op, connection->fd, &connection->message,
                      flags, false);
}

/* Moves the front of the queue by what the kernel took. */
static void sends_advance(struct sock_connection *connection, uint32_t count)
{
    LIST_FOR_EACH(node, &connection->sends)
    {
        struct sock_send *send = CONTAINER_OF(node, struct sock_send, node);
        while (send->part_done < send->part_count) {
            const uint32_t left = send->parts[send->part_done].len - send->bytes_done;
            if (count < left) {
                send->bytes_done += count;
                return;
            }
            count -= left;
            send->part_done++;
            send->bytes_done = 0;
        }
    }
    ASSERT(count == 0);
}

void stream_sent(struct sock_connection *connection, const struct ring_event *event)
{
    struct sock *sock = connection->sock;
    connection->sending = false;
    connection_work(connection);
    if (event->result < 0) {
        if (event->result != -ECANCELED && event->result != -EAGAIN && event->result != -EINTR) {
            sock_connection_end(connection, event->result == -ETIMEDOUT ? TRANSPORT_TIMED_OUT
                                                                        : TRANSPORT_RESET);
        }
        return;
    }
    sock->counters.sent_bytes += (uint64_t)event->result;
    sends_advance(connection, (uint32_t)event->result);
    sends_return(connection);
}

void stream_drop_sends(struct sock_connection *connection)
{
    ASSERT(!connection->sending);
    struct list_node *node;
    while ((node = list_first(&connection->sends)) != NULL) {
        send_return(connection, CONTAINER_OF(node, struct sock_send, node));
    }
}
