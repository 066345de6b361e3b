/* The simulated network: connections in memory between client models and the brokers' cores.
 *
 * One net per machine. Each core has a transport (dataplane/transport.h) on it; client models hold
 * sockets. The seed decides how bytes are cut into pieces, when they arrive, how much a core may
 * hand over before its client reads, and when a send is given back.
 *
 * A transport hands bytes to the wire only in its send turn, which the harness leaves out for a
 * process that has died: what a dead process says is never heard. Parts of a send are read at any
 * moment until on_sent, and must not have changed by then.
 *
 * With a wire, clients speak through a TCP of their own to the TCP of the cores, over it, and there
 * are no transports.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_NET_H
#define TESTS_SIM_SIM_NET_H

#include "dataplane/transport.h"
#include "tests/sim/sim_wire.h"

struct sim_net;
struct net_transport;
struct sim_socket;

struct sim_net *sim_net_create(uint64_t seed);
/* All transports and sockets must be gone. */
void sim_net_destroy(struct sim_net *net);
/* One instant for all that follows. */
void sim_net_set_now(struct sim_net *net, uint64_t now_ns);
/* When something arrives by itself; UINT64_MAX never. */
uint64_t sim_net_next_ns(const struct sim_net *net);

/* ---- Over a wire ---------------------------------------------------------------------------- */

/* Before anything else is opened. The clients are one host on it. */
void sim_net_use_wire(struct sim_net *net, const struct sim_wire_options *options);
struct sim_wire *sim_net_wire(struct sim_net *net); /* NULL: none. */
/* A core is at v4 from now on, or is not any more. */
void sim_net_wire_core(struct sim_net *net, uint32_t core, uint32_t v4);
/* Runs the clients' TCP. Returns the work done. */
uint32_t sim_net_turn(struct sim_net *net);

/* ---- A core's end --------------------------------------------------------------------------- */

struct net_transport *net_transport_create(struct sim_net *net, const struct transport_user *user,
                                           void *user_context, uint32_t buffer_count,
                                           uint32_t buffer_bytes);
/* The process is gone: clients see their connections reset. Frees everything. */
void net_transport_destroy(struct net_transport *transport);
struct transport *net_transport_base(struct net_transport *transport);
/* Calls the user with what has arrived. Returns the work done. */
uint32_t net_transport_receive_turn(struct net_transport *transport);
uint32_t net_transport_send_turn(struct net_transport *transport);
/* Takes new connections, or not (at first). */
void net_transport_listen(struct net_transport *transport, bool listening);
uint32_t net_transport_connection_count(const struct net_transport *transport);
/* True when no connection is open and every buffer is back. */
bool net_transport_idle(const struct net_transport *transport);
/* True when a turn has something to do now. */
bool net_transport_ready(const struct net_transport *transport);

/* ---- A client's end ------------------------------------------------------------------------- */

/* Connects to one of the transports that listen; NULL: there is none. */
struct sim_socket *sim_socket_open(struct sim_net *net);
/* Ends it (politely: what was written still arrives; or with a reset) and frees it. */
void sim_socket_close(struct sim_socket *socket, bool reset);
void sim_socket_write(struct sim_socket *socket, const void *from, uint32_t len);
/* Takes what has arrived, at most capacity. */
uint32_t sim_socket_read(struct sim_socket *socket, void *to, uint32_t capacity);
/* True when the other side has ended it and everything that came before was read. */
bool sim_socket_ended(const struct sim_socket *socket);
bool sim_socket_readable(const struct sim_socket *socket);

#endif
