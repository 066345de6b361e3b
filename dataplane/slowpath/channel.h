/* The core's end of the slow path: whole frames to the control process, answers back.
 *
 * One channel per core: a pair of SPSC rings in memory that both processes map, made anew for each
 * session (H17). What comes out of the memory is checked like a peer's input. Long messages travel
 * in fragments (H21); send takes or refuses a message as a whole, receive hands out fragments.
 *
 * Threads: the channel's core. The service thread swaps the session in and out through
 * channel_attach and channel_detach, which the core sees at its next channel_turn.
 */
#ifndef DATAPLANE_SLOWPATH_CHANNEL_H
#define DATAPLANE_SLOWPATH_CHANNEL_H

#include "dataplane/transport.h"
#include "storage/base/bytes.h"
#include "storage/base/uuid.h"

enum {
    SLOW_PRINCIPAL_BYTES_MAX = 128,
    SLOW_CLIENT_ID_BYTES_MAX = 256,
};

/* Which connection a request came from; an answer for a stale one is dropped (H19). */
struct connection_handle {
    uint16_t core;
    uint32_t slot;
    uint32_t generation;
};

enum {
    SLOW_REQUEST_BYTES_MAX = 1024 * 1024,    /* A longer request is not taken (H21). */
    SLOW_REPLY_BYTES_MAX = 64 * 1024 * 1024, /* A longer reply is not made. */
    /* A longer reply goes in pieces, messages of their own, each but the first when it is asked
       for: so it needs no more of the core's memory than that, and the client sets the pace. */
    SLOW_PIECE_BYTES_MAX = 256 * 1024,
    SLOW_FRAGMENT_BYTES_MAX = 32 * 1024,
    SLOW_RESERVED_BYTES = 64 * 1024, /* Of a ring, out of reach for clients' requests (H21). */
    /* What control may ask of a core at once of its own accord (H21): appends and reads, and the
       bytes of their batches, each rounded up to whole units. A call beyond that waits in the ring,
       before all answers behind it, so control does not send it. */
    SLOW_CALLS_MAX = 256,
    SLOW_CALL_BYTES_MAX = 8 * 1024 * 1024,
    SLOW_CALL_UNIT_BYTES = 16 * 1024,
    SLOW_APPEND_BYTES_MAX = 1024 * 1024, /* One batch. */
};

enum slow_kind {
    /* Core to control. */
    SLOW_REQUEST = 1,         /* payload: the request's body, behind the header. */
    SLOW_CREATE_TOPIC,        /* payload: name of a topic to create with defaults; no answer. */
    SLOW_PRODUCER_IDS_WANTED, /* A block of producer ids is used up; no payload. */
    SLOW_MORE,                /* The next piece of a long reply, please; no payload. */
    SLOW_DROPPED,             /* Nobody waits for the rest of a long reply; no payload. */
    SLOW_APPENDED,            /* error_code; offset: the batch's base offset. Durable (acks=all). */
    SLOW_RECORDS,             /* error_code; offset: as read from; end_offset: the partition's.
                                 payload: bytes of batches, from skip_bytes on in the first one. */
    /* Control to core. */
    SLOW_REPLY,        /* payload: the response's body, behind the header. */
    SLOW_PRODUCER_IDS, /* first, count: a block granted. */
    SLOW_ERROR,        /* No answer: the core makes one that says error_code of all that was asked,
                          or closes the connection when it cannot read the request either. */
    /* Calls: of a partition whose core this is. Answered once each with the request_number, within
       their session only: a new session drops what of them has not reached the log (H17). */
    SLOW_APPEND, /* topic_id, partition, leader_epoch; payload: one batch, which may be a control
                    batch, to any topic; api_version: of a marker, transaction.version of who
                    drives the transaction. SLOW_APPENDED. */
    SLOW_READ,   /* Also offset (-1: the log's start) and skip_bytes, of the batch that holds it.
                    Answered with SLOW_RECORDS when nothing of the log is on its way, so that a
                    reader at end_offset has seen all that the sessions before have appended.
                    Offset SLOW_READ_BOUNDS: no records; answered at once with the log's start and
                    its high watermark. */
    SLOW_ALIVE,  /* Control runs: requests that may take long are in its hands. No answer. */
};

#define SLOW_READ_BOUNDS INT64_C(-2)

/* Fixed part of every message; native byte order, both processes are of one build. */
struct slow_header {
    uint16_t kind; /* enum slow_kind */
    int16_t api_key;
    int16_t api_version;
    int16_t error_code; /* SLOW_ERROR, SLOW_APPENDED, SLOW_RECORDS; else 0. */
    int32_t correlation_id;
    uint32_t listener; /* Index of the listening address. */
    struct connection_handle connection;
    uint64_t request_number; /* The core's own; a reply carries it back. Of calls: control's. */
    struct network_address peer;
    struct network_address local;
    int64_t producer_id_first; /* SLOW_PRODUCER_IDS */
    uint32_t producer_id_count;
    uint32_t error_count; /* SLOW_REPLY: error codes in the whole answer. */
    uint32_t more_bytes;  /* SLOW_REPLY: of the answer, behind this piece of it. */
    struct uuid topic_id; /* Of calls, from here on. */
    uint32_t partition;
    int32_t leader_epoch; /* Checked unless -1. */
    uint32_t skip_bytes;
    int64_t offset;
    int64_t end_offset;
    uint16_t principal_len; /* "User:ANONYMOUS" until there is authentication. */
    uint16_t client_id_len;
    char principal[SLOW_PRINCIPAL_BYTES_MAX];
    char client_id[SLOW_CLIENT_ID_BYTES_MAX];
};

struct slow_channel;

/* What control's reply looks like to the core: the header once, then payload pieces. */
struct slow_fragment {
    struct slow_header header;
    struct bytes payload; /* View into the ring, until channel_release. */
    uint32_t total_len;   /* Of the whole payload. */
    uint32_t offset;      /* Of this piece in it. */
    bool last;
};

/* ---- The core ------------------------------------------------------------------------------- */

/* Once a turn, before anything else of it: here the core sees that a session came or went. */
void channel_turn(struct slow_channel *channel);

/* True while a session is attached. */
bool channel_connected(const struct slow_channel *channel);

/* False: no session, or no room, or a SLOW_REQUEST longer than SLOW_REQUEST_BYTES_MAX; nothing was
 * sent. Clients' requests and SLOW_RECORDS leave SLOW_RESERVED_BYTES of room to the other kinds. */
MUST_USE bool channel_send(struct slow_channel *channel, const struct slow_header *header,
                           struct chain payload);

/* Hands out the next fragment, or false. The fragments of one message come one after the other. A
 * malformed ring ends the session and is counted. */
MUST_USE bool channel_receive(struct slow_channel *channel, struct slow_fragment *fragment);

/* Done with the last fragment received. */
void channel_release(struct slow_channel *channel);

/* Once a turn, behind everything else of it: rings control's bell when it sleeps and something was
 * sent, or released. Control, which may have the core's CPU, then finds all of the turn at once. */
void channel_flush(struct slow_channel *channel);

/* The session number; changes with each attach, 0 while detached. A core drops what it waits for
 * from an old session: it answers those requests with the dispatch table's retriable error. */
uint64_t channel_session(const struct slow_channel *channel);

/* Before the core sleeps: from now on control rings the core's bell. False: something is there
 * already, do not sleep. channel_wake after every channel_sleep. */
MUST_USE bool channel_sleep(struct slow_channel *channel);
/* True when neither a message nor another session waits: for who looks often, and arms nothing. */
bool channel_quiet(struct slow_channel *channel);
void channel_wake(struct slow_channel *channel);

/* ---- The service thread --------------------------------------------------------------------- */

struct link_world;

/* One session's part of a channel. Lent from attach until channel_let_go says so. */
struct channel_attachment {
    uint64_t session; /* Not 0. */
    void *to_control; /* Memory of a byte ring, and how much may be touched. */
    uint64_t to_control_bytes;
    void *to_core;
    uint64_t to_core_bytes;
    struct link_world *world;
    int control_bell;
};

/* NULL: no memory. */
struct slow_channel *channel_create(void);
void channel_destroy(struct slow_channel *channel);

/* Takes effect at the core's next channel_turn: wake it when it may sleep. */
void channel_attach(struct slow_channel *channel, struct channel_attachment *attachment);
void channel_detach(struct slow_channel *channel);

/* True once the core no longer touches that attachment. */
bool channel_let_go(const struct slow_channel *channel,
                    const struct channel_attachment *attachment);

/* True when the core found the attached session's ring malformed. */
bool channel_broken(const struct slow_channel *channel);

#endif
