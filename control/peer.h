/* Control's end of a session with the dataplane: connects, checks, takes requests, gives answers.
 *
 * What comes from the other side is checked like a peer's input; anything wrong ends the session,
 * and a new one is asked for: nothing is repaired (H17). No call waits.
 *
 * Threads: the control loop's.
 */
#ifndef CONTROL_PEER_H
#define CONTROL_PEER_H

#include "dataplane/slowpath/channel.h"
#include "dataplane/slowpath/session_wire.h"
#include "storage/base/list.h"

struct peer;

enum peer_event_kind {
    PEER_NOTHING,
    PEER_HELLO, /* A session began; peer_hello and peer_partitions say with whom. */
    PEER_APPLIED,
    PEER_DIRECTORY_FAILED,
    PEER_STOPPING,
    PEER_LOST, /* The session is over; what waited for it is to be dropped. */
};

struct peer_event {
    enum peer_event_kind kind;
    uint64_t version;                       /* PEER_APPLIED */
    const struct session_failure *failures; /* PEER_APPLIED; view until the next event. */
    uint32_t failure_count;
    uint16_t directory; /* PEER_DIRECTORY_FAILED */
    uint32_t status;
    const char *reason; /* PEER_LOST */
};

/* One whole message of a core. */
struct peer_request {
    struct list_node node; /* The taker's. */
    struct slow_header header;
    uint32_t core;
    struct bytes payload; /* Behind this struct. */
};

struct peer_counters {
    uint64_t sessions;
    uint64_t lost;
    uint64_t requests;
    uint64_t request_bytes;
    uint64_t replies;
    uint64_t reply_bytes;
    uint64_t snapshots;
    uint64_t snapshot_bytes;
    uint64_t long_bytes; /* Now: of long answers that are not all in a ring. */
};

/* socket_path is borrowed. NULL: no memory. */
struct peer *peer_create(struct link_world *world, const char *socket_path);
void peer_destroy(struct peer *peer);

/* Connects when due, and takes the next thing that happened. Call until PEER_NOTHING. */
struct peer_event peer_turn(struct peer *peer, uint64_t now_ns);

/* Ends the session from our side; PEER_LOST does not come for it. The next one is asked for at
 * again_ns. */
void peer_drop(struct peer *peer, uint64_t again_ns);

/* Valid from PEER_HELLO to PEER_LOST; NULL outside. */
const struct session_hello *peer_hello(const struct peer *peer);
const struct session_partition *peer_partitions(const struct peer *peer);

/* What is shared with the logs of the cores. Stays the last session's until the next PEER_HELLO. */
struct log_shared *peer_log_shared(const struct peer *peer);

/* The statistics memory, mapped read-only, or NULL. Given: the caller unmaps it. Once a session. */
void *peer_take_statistics(struct peer *peer, uint64_t *bytes);

/* The next request, given (free), or NULL. Cores take turns. What asks for more of a long answer is
 * served here. */
struct peer_request *peer_receive(struct peer *peer);

/* Queues a message to a core. body is given (free), NULL with len 0. A SLOW_REPLY above
 * SLOW_PIECE_BYTES_MAX goes in pieces, as its core asks for them. */
void peer_send(struct peer *peer, uint32_t core, const struct slow_header *header, uint8_t *body,
               uint32_t len);
/* Lets go of long answers that nobody asked more of for so long. Their connections will end. */
void peer_drop_stalled(struct peer *peer, uint64_t stalled_ns);
/* Moves queued messages into the rings. Returns the work done. */
uint32_t peer_flush(struct peer *peer);

/* Sends a snapshot image. False: it could not be sent now; try again later. */
MUST_USE bool peer_publish(struct peer *peer, uint64_t version, struct bytes image);

/* Before sleeping: cores ring our bell from now on. False: something is there already. peer_wake
 * after every peer_sleep, with a bit for each handle that may be readable: the link is not looked
 * at again before the next peer_wake, unless something is expected of it. */
MUST_USE bool peer_sleep(struct peer *peer);
void peer_wake(struct peer *peer, uint32_t readable);

enum peer_handle {
    PEER_HANDLE_LINK,
    PEER_HANDLE_BELL,
    PEER_HANDLES,
};
/* What to wait for reading; LINK_NO_HANDLE where there is none. */
void peer_handles(const struct peer *peer, int handles[PEER_HANDLES]);
/* When peer_turn has something to do by itself; UINT64_MAX never. */
uint64_t peer_deadline_ns(const struct peer *peer);

const struct peer_counters *peer_counters(const struct peer *peer);

#endif
