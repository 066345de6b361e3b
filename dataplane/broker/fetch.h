/* Fetch (B25-B30, B33, B35): long poll, sessions, sizes in request order.
 *
 * A fetch consists of items, one per partition, gathered in legs, one per owner core (H26):
 *
 *     probe    owners report what is readable; when that is not enough:
 *     park     owners wait for the partitions to move, and report when enough came
 *     take     home has dealt out the bytes in request order; owners read, and pin the memory
 *     (answer) lent to the transport
 *     more     for a batch that does not fit into memory: owners read on behind what is sent
 *     release  owners let go of the memory
 *
 * A leg and its items belong to whoever has the leg: home, or the owner while an order is out. The
 * exception is leg->parked, the owner's alone.
 */
#ifndef DATAPLANE_BROKER_FETCH_H
#define DATAPLANE_BROKER_FETCH_H

#include "dataplane/broker/state.h"

enum { FETCH_SESSIONS_FROM = 7 }; /* The first version with sessions (KIP-227). */

/* ---- The answer (fetch_answer.c) ------------------------------------------------------------ */

/* What is known of an item's topic now; looked up once in each snapshot. NULL: nothing. */
const struct snapshot_topic *fetch_topic_now(struct broker *broker, struct fetch_topic *topic);
/* For request_done. */
void fetch_build(struct broker *broker, struct request *request, struct writer *writer);
/* The same for request->error of the whole fetch. */
void fetch_error_build(struct broker *broker, struct request *request, struct writer *writer);

/* ---- Home (fetch.c) ------------------------------------------------------------------------- */

/* The answer is built: the session takes note, extents stay lent until fetch_end. */
void fetch_built(struct request *request);
/* The request is over: its fetch ends, extents go back to their owners. */
void fetch_end(struct request *request);
/* All of the answer that was read is sent, and it is torn: the rest is read. request_more follows.
 */
void fetch_more(struct request *request);
/* The connection is gone, or its peer sends nothing more: what is parked comes back. */
void fetch_unpark(struct request *request);

/* An owner has done its order. Called from fetch_owner.c for our own legs. */
void leg_back(struct broker *broker, struct leg *leg);
void leg_unpark_back(struct broker *broker, struct leg *leg);

/* Ends what has waited long enough; all of it when the broker stops. */
uint32_t fetch_timer_turn(struct broker *broker);
uint64_t fetch_deadline_ns(const struct broker *broker);

/* ---- Owner (fetch_owner.c) ------------------------------------------------------------------ */

/* Carries the leg's order out; answers when done. */
void leg_run(struct broker *broker, struct leg *leg);
/* Ends the parking of a leg that is still parked here. */
void leg_unpark(struct broker *broker, struct leg *leg);

/* The partition's offsets or state have moved. */
void legs_advance(struct broker *broker, struct hosted *hosted);
/* All that is parked on the partition goes home: it is going away or changed its epoch. */
void legs_wake(struct broker *broker, struct hosted *hosted);

void leg_read_done(struct broker *broker, struct log_read *read);
/* Tries reads again that found no room. */
uint32_t leg_reads_retry(struct broker *broker);

/* ---- Sessions and items (fetch_session.c) --------------------------------------------------- */

struct fetch *fetch_create(struct broker *broker);
void fetch_free(struct broker *broker, struct fetch *fetch);

/* The fetch's item of that topic and partition, or NULL. Topics are named by id where it is not
 * zero. */
struct fetch_item *fetch_item_find(struct broker *broker, const struct fetch *fetch,
                                   const struct uuid *id, struct bytes name, int32_t partition);
/* A new one at the end. *topic: shared by items of one topic, made where it is NULL. NULL when
 * there is no room. */
struct fetch_item *fetch_item_add(struct broker *broker, struct fetch *fetch,
                                  struct fetch_topic **topic, const struct uuid *id,
                                  struct bytes name, int32_t partition);
void fetch_item_remove(struct broker *broker, struct fetch_item *item);

/* Makes the fetch a session if there is room for one. */
void session_open(struct broker *broker, struct fetch *fetch, bool uses_ids);
struct fetch *session_find(struct broker *broker, int32_t session_id);
/* Ends a session, here or on the core that its id names. Any number may come from the client. */
void session_close(struct broker *broker, int32_t session_id);
void session_used(struct broker *broker, struct fetch *fetch);
void session_mail(struct broker *broker, struct session_close *close);

/* Which items an incremental answer must name (B28). */
bool session_must_tell(const struct fetch *fetch, const struct fetch_item *item);
/* Takes note of what an answer says. */
void session_told(struct fetch *fetch);

#endif
