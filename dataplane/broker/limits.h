/* What one core's broker may hold. Every pool has its bound here; their memory is summed by
 * broker_memory_bytes from the same numbers. Untouched pool memory costs nothing. */
#ifndef DATAPLANE_BROKER_LIMITS_H
#define DATAPLANE_BROKER_LIMITS_H

#include "storage/base/check.h"

enum {
    /* Pieces of receive buffers that one frame may lie in before it moves to frame memory. */
    FRAME_PIECES_MAX = 16,
    /* Runs of frame memory that one large frame may be cut into. */
    FRAME_RUNS_MAX = 64,
    /* Above this a frame is received into frame memory from the start. */
    FRAME_DIRECT_BYTES_MAX = 128 * 1024,
    /* Up to this a frame may pass larger ones that wait, through the spare half of the stash. */
    FRAME_ORDINARY_BYTES_MAX = 2 * 1024 * 1024,
    /* The unit of frame memory and of output memory. */
    FRAME_UNIT_BYTES = 16 * 1024,
    OUTPUT_UNIT_BYTES = 512,
    OUTPUT_SHARE = 16, /* One connection's part, at most, of the output memory that is left. */
    STASH_UNIT_BYTES = 1024, /* Most of what it holds is the start of a small frame. */
    /* A response of at most this many bytes lies in the request itself. */
    RESPONSE_SMALL_BYTES = 448,
    /* At most what stands before a response's body: length, correlation id, no tagged fields. */
    RESPONSE_HEAD_BYTES = 9,
    /* Pieces a connection may queue behind what is in progress before it is paused. */
    CONNECTION_PIECES_MAX = 4,
    TIMES_RECORD_MS = 100,     /* How late a time may come into its histogram. */
    PARSE_RUNS = 32,           /* One of so many is measured. */
    CONNECTION_CHECK_MS = 500, /* How often idle and stalled connections are looked for. */
    /* Parts handed to the transport in one send. */
    SEND_PARTS_MAX = 64,
    FETCH_SESSION_IDLE_MS_MAX = 120 * 1000, /* Kafka: MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS. */
    SLOW_ANSWER_MS_MAX = 30 * 1000,         /* H20. */
    SLOW_ROOM_POLL_MS = 1,                  /* How soon a full ring is tried again. */
    SLOW_STARVED_MS_MAX = 500,              /* How long answers wait behind one without memory. */
    CALL_RUNS_MAX = 66,                     /* Runs of call memory that a batch may be cut into. */
    FRAME_STALL_MS_MAX = 10 * 1000,         /* A large frame may pause so long in all, and else */
    FRAME_RATE_BYTES_MIN = 64 * 1024,       /* must come at this rate, while others wait. */
    FRAME_CHUNK_BYTES = 1024 * 1024,        /* Of it asked for at once: its progress is seen. */
    SEND_STALL_MS_MAX = 60 * 1000,          /* A reader that takes nothing pins no log memory. */
    SEND_STALL_WAITED_MS_MAX = 5 * 1000,    /* While others wait for output memory so long, one */
    SEND_RATE_BYTES_MIN = 16 * 1024,        /* must take what it is sent at this rate. */
    SEND_LOOK_MS = 1000,                    /* How often the transport is asked about a slow one. */
    SEND_LOOKS_MAX = 128,                   /* Of one check: each may be a system call. */
    PINNED_SHARE = 4, /* One fetch's part, at most, of the log memory left for answers. */
    PINNED_MORE_BYTES_MIN = 64 * 1024, /* Read at least of a batch larger than memory. */
    READS_STARVED_MS = 1000,           /* Others wait so long behind a read without memory. */
    BUSY_FETCH_MS_MAX = 500,           /* Then what could not be read is answered as empty. */
    MORE_FETCH_MS_MAX = 10 * 1000,     /* Then an answer that cannot go on ends in a close. */
    OPEN_RETRY_MS = 10,                /* A partition that cannot be made is tried again so soon, */
    OPEN_ATTEMPTS_MAX = 50,            /* so often, */
    OPEN_BUSY_MS_MAX = 3000,           /* (or for so long where the log has no room for it), */
    OPEN_RETRY_LATE_MS = 1000,         /* and then so soon, with nobody waiting for it. */
    APPLY_POLL_MS = 1,
    PRODUCE_TIMEOUT_MS_MIN = 1000, /* Acks wait for the device; Kafka's would be instant. */
    PRODUCE_CHECK_MS = 100,        /* How often produce requests are held against their timeouts. */
    PRODUCERS_FIRST_ASK = 64,      /* Producers of a partition that are asked for at first. */
    AUTO_CREATE_TOPICS_MAX = 100,  /* Of one Metadata request. */
    AUTO_CREATE_RECENT = 256,      /* Names remembered, so that control is asked once. */
    AUTO_CREATE_REPEAT_MS = 1000,
};

struct broker_limits {
    uint32_t connection_count;
    uint32_t request_count;          /* In progress, of all connections. */
    uint32_t requests_of_connection; /* In progress, of one. */
    uint32_t piece_count;            /* Pieces of received bytes held. */
    uint32_t receive_buffer_count;   /* Of the transports of this core: above half of it held, what
                                        cannot go on yet is copied out of them. */
    uint32_t operation_count;        /* Partitions in produce, lookup and describe requests, but the
                                        first of each. */
    uint32_t partition_count;        /* Owned by this core. */
    uint32_t partition_total;        /* Of all cores, for DescribeLogDirs. */
    uint32_t fetch_count;            /* Fetches in progress and sessions. */
    uint32_t fetch_item_count;       /* Partitions in them. */
    uint32_t fetch_topic_count;
    uint32_t fetch_read_count; /* Reads of the log between their start and the end of sending. */
    uint64_t frame_bytes;      /* Memory for frames too large for receive buffers: at least one
                                  largest request, and ... */
    uint64_t stash_bytes;      /* ... of it, kept for what is copied out of receive buffers. */
    uint64_t output_bytes;     /* Responses being sent. */
    uint64_t response_bytes;   /* The largest response, records not counted. */
    uint64_t scratch_bytes;    /* For the request at hand. */
    uint64_t unsent_bytes;     /* Of one connection, before it gets no further request started. */
    uint64_t pinned_bytes;     /* Of the log's arena, held by fetch responses. */
};

/* For request_bytes_max (socket.request.max.bytes) and an arena of that size. */
struct broker_limits broker_limits_default(uint32_t request_bytes_max, uint64_t arena_bytes,
                                           uint32_t receive_buffer_count);

#endif
