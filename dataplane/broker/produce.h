/* Produce (B17-B23): one append per partition, in order per connection and partition. */
#ifndef DATAPLANE_BROKER_PRODUCE_H
#define DATAPLANE_BROKER_PRODUCE_H

#include "dataplane/broker/state.h"

enum { PRODUCE_ASK_VERSION = 5 }; /* Of AddPartitionsToTxn. */

/* produce_txn.c: all operations are back. True: some of them begin a transaction that nobody has
 * asked the coordinator about; it is asked now, or when those before it on its connection are
 * through. */
MUST_USE bool produce_asks(struct broker *broker, struct request *request);
/* It is back only to be asked about or judged again when the others are: should the time be over
 * before, its error is nobody's. */
bool produce_undecided(const struct operation *operation);
/* Its answer, or the error in place of one. */
void produce_asked(struct request *request, int16_t error, struct bytes answer);

/* Its time counts, until it is answered or set aside. */
static inline void produce_time(struct request *request)
{
    struct connection *connection = request->connection;
    request->timed = true;
    if (!list_linked(&connection->produce_node)) {
        list_push_back(&connection->broker->producing, &connection->produce_node);
    }
}

/* A produce of that connection is through: those that it held up go on. */
void produce_go_on(struct connection *connection);
static inline void produce_through(struct connection *connection)
{
    if (UNLIKELY(connection->held_count > 0)) {
        produce_go_on(connection);
    }
}

/* What the produce before it on its connection was judged by has not changed: one that says the
 * same may be started as that one was. */
static inline bool produce_may_repeat(const struct connection *connection)
{
    const struct broker *broker = connection->broker;
    return connection->before.head.bytes != 0 &&
           connection->produced_serial == broker->snapshot_serial &&
           connection->phase == PHASE_OPEN &&
           broker->buffers_held <= broker->limits.receive_buffer_count / 2;
}
/* Takes the frame at the stream's start, where it says the same as the produce before it but for
 * its number, partition and records, and starts it. False: it does not, or there is no request for
 * it now; nothing has happened. */
MUST_USE bool produce_start_again(struct connection *connection, struct bytes frame);

/* Builds the whole answer, with its head, of a plain request; at most PRODUCE_ONE_ANSWER_BYTES_MAX.
 * Returns its bytes. */
uint32_t produce_build_plain(const struct request *request, uint8_t *to);

/* Answers requests whose time is over; their data stays appended. */
uint32_t produce_timer_turn(struct broker *broker);
uint64_t produce_deadline_ns(const struct broker *broker);

#endif
