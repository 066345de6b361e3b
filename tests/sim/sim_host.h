/* A host of clients on a simulated wire: our TCP, opening connections, with streams to read and
 * write. See sim_wire.h.
 *
 * Threads: none; allocates as it likes.
 */
#ifndef TESTS_SIM_SIM_HOST_H
#define TESTS_SIM_SIM_HOST_H

#include "dataplane/tcp/tcp.h"
#include "tests/sim/sim_wire.h"

struct sim_host;
struct sim_stream;

/* number: of its port; v4 its address, in a network of 24 bits. */
struct sim_host *sim_host_create(struct sim_wire *wire, uint8_t number, uint32_t v4, uint64_t seed);
/* Ends all, in whatever state. */
void sim_host_destroy(struct sim_host *host);
/* Takes in what has arrived, sends what is due. Returns the work done. */
uint32_t sim_host_turn(struct sim_host *host, uint64_t now_ns);
uint64_t sim_host_next_ns(const struct sim_host *host);
uint32_t sim_host_stream_count(const struct sim_host *host);
const struct tcp *sim_host_tcp(const struct sim_host *host);

/* Connects to v4:port; NULL: no room. The caller's until sim_stream_close. */
struct sim_stream *sim_stream_open(struct sim_host *host, uint32_t v4, uint16_t port,
                                   uint64_t now_ns);
/* Takes connections to the port. */
void sim_host_listen(struct sim_host *host, uint16_t port);
/* The next one that was opened to us, the caller's until sim_stream_close; NULL: there is none. */
struct sim_stream *sim_host_accept(struct sim_host *host);
/* Copied. Nothing happens when the connection has ended. */
void sim_stream_write(struct sim_stream *stream, const void *from, uint32_t len);
/* Takes what has arrived, at most capacity. */
uint32_t sim_stream_read(struct sim_stream *stream, void *to, uint32_t capacity);
uint64_t sim_stream_waiting(const struct sim_stream *stream);
/* True when the other side has ended it and everything that came before was read. */
bool sim_stream_ended(const struct sim_stream *stream);
bool sim_stream_was_reset(const struct sim_stream *stream);
bool sim_stream_opened(const struct sim_stream *stream);
/* Ends our direction only; what was written before still goes out. */
void sim_stream_shutdown(struct sim_stream *stream);
/* Politely (what was written still goes out), or with a reset. The stream is gone. */
void sim_stream_close(struct sim_stream *stream, bool reset);

#endif
