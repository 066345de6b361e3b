/* The broker's own structures, for the files of this directory only. broker.h is what others see.
 *
 *   connection -> requests in order -> operations (one partition each, run on the owner core)
 *                                   -> a fetch with items in legs (one leg per owner core)
 *   hosted: a partition of this core, with what waits for it
 */
#ifndef DATAPLANE_BROKER_STATE_H
#define DATAPLANE_BROKER_STATE_H

#include <stdalign.h>

#include "dataplane/broker/broker.h"
#include "dataplane/broker/region.h"
#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"
#include "dataplane/kafka/produce_one.h"
#include "storage/base/list.h"
#include "storage/base/pool.h"
#include "storage/base/scratch.h"
#include "storage/base/stock.h"

struct api_row;
struct request;

enum { CACHE_LINE_BYTES = 64 };

/* ---- Received bytes ------------------------------------------------------------------------- */

/* A run of received bytes, in a transport's buffer or, copied out of it, in the stash. */
struct piece {
    struct list_node node; /* Of its connection's stream, while not all consumed. */
    struct bytes bytes;
    uint32_t refs; /* The stream, and each request whose frame lies in it. */
    uint32_t memory_bytes;
    void *buffer;                /* Of transport. */
    struct transport *transport; /* NULL: memory_bytes of ours at bytes.ptr. */
};

enum large_state {
    LARGE_NONE,
    LARGE_WAITING,   /* In broker->memory_waiting or ordinary_waiting. */
    LARGE_GRANTED,   /* Has its memory; goes on in the next frame turn. */
    LARGE_RECEIVING, /* The transport fills the runs. */
    LARGE_READY,     /* Complete, not yet started. */
};

/* A frame in frame memory or the stash. The runs' array lies at the start of the first run's
 * memory. */
struct large_frame {
    enum large_state state;
    uint32_t frame_bytes;
    uint32_t filled_bytes;
    uint32_t asked_bytes; /* Of the receive_into that is out. */
    uint32_t run_count;
    struct bytes *runs; /* As taken; the first begins with this array. */
    uint64_t started_ns;
};

enum {
    LARGE_RUNS_BYTES = FRAME_RUNS_MAX * sizeof(struct bytes),
};
_Static_assert((int)LARGE_RUNS_BYTES < (int)FRAME_UNIT_BYTES, "the array fits the first run");

enum connection_phase {
    PHASE_AUTHENTICATING, /* Only rows marked for it (H27); entered once there is SASL. */
    PHASE_OPEN,
    PHASE_CLOSING, /* Starts nothing more; the transport's on_close comes. */
};

/* The produce that named one partition last: where the next one begins as it did, it says the same.
 */
struct produce_before {
    struct produce_one_head head;
    uint32_t header_bytes; /* Of the head: the request's header, */
    uint32_t client_id_bytes;
    int16_t version;
    int16_t acks;
    uint32_t name_bytes; /* and the topic's name at its end; or the topic's id. */
    struct uuid topic_id;
    uint64_t timeout_ns;
};

struct connection {
    struct transport_connection *transport;
    struct broker *broker;
    struct connection_handle handle;
    struct network_address peer;
    struct network_address local;
    uint32_t listener;
    enum connection_phase phase;
    struct bytes principal;

    struct list stream; /* Pieces; the first is consumed up to stream_offset. */
    uint32_t stream_offset;
    uint32_t stream_bytes; /* Not yet consumed. */
    uint32_t piece_count;
    struct large_frame large;
    bool paused;
    bool ended;              /* The peer sends nothing more; what it has asked is answered. */
    bool close_told;         /* The transport knows. */
    uint64_t frame_began_ns; /* When the first byte of the frame at hand came; 0 none. */

    struct list requests; /* In progress or answered, not yet sent; in order. */
    struct list sending;  /* Handed to the transport completely; in order. */
    uint32_t request_count;
    uint32_t overlap_count;                /* Of them, those that others may overlap. */
    uint32_t held_count;                   /* Produces that wait for those before them. */
    const struct snapshot_topic *produced; /* The topic that a produce named last, ... */
    uint64_t produced_serial; /* found when broker->snapshot_serial was this; 0: there is none. */
    struct produce_before before; /* Of that topic. */
    uint64_t unsent_bytes;        /* Built, and not yet back from the transport. */
    uint32_t sends_out;
    uint64_t send_moved_ns;  /* While sends are out: when the peer was last seen to take some, */
    uint64_t send_looked_ns; /* and when that was last looked at. */
    uint64_t acknowledged_bytes; /* By then, of the transport. */
    uint64_t send_paced_ns;      /* When it was last seen to take enough since the time before, */
    uint64_t paced_bytes;        /* and acknowledged_bytes by then. */

    struct list_node run_node;     /* broker->runnable */
    struct list_node send_node;    /* broker->to_send */
    struct list_node holding_node; /* broker->holding: oldest first. */
    struct list_node produce_node; /* broker->producing */
    struct list_node idle_node;    /* broker->idle: least lately active first. */
    struct list_node owed_node;    /* broker->owed: least lately looked at first. */
    struct list_node memory_node;  /* broker->memory_waiting or ordinary_waiting */
    struct list_node large_node;   /* broker->large_receiving */
    uint64_t active_ns;
};

/* ---- Operations on one partition ------------------------------------------------------------ */

enum mail_kind {
    MAIL_OPERATION = 1,
    MAIL_OPERATION_DONE,
    MAIL_LEG,      /* An order to the owner. */
    MAIL_LEG_DONE, /* Its answer. */
    MAIL_LEG_UNPARK,
    MAIL_LEG_UNPARKED,
    MAIL_SIZES, /* DescribeLogDirs. */
    MAIL_SIZES_DONE,
    MAIL_SESSION_CLOSE, /* A fetch session of the other core is to end. */
    MAIL_SESSION_CLOSED,
};

enum operation_kind {
    OPERATION_NONE, /* Decided at home. */
    OPERATION_APPEND,
    OPERATION_LIST_OFFSETS,
    OPERATION_EPOCH_END,
    OPERATION_DELETE_RECORDS,
    OPERATION_PRODUCERS,
};

/* One partition of a request. Of its request, the first one, or of the home core's pool; lent to
 * the owner core while away. */
struct operation {
    struct mail_message mail; /* Names the partition; leader_epoch: the client's, -1 unchecked. */
    struct list_node node;    /* Of hosted->busy or broker->busy_queries, at the owner. */
    struct operation *next;   /* In request order. */
    struct request *request;
    enum operation_kind kind;
    uint16_t home;
    bool back;             /* Home's: its result is here. */
    int16_t error;         /* Kafka's. */
    int32_t current_epoch; /* With NOT_LEADER_OR_FOLLOWER: what the owner knows; -1 nothing. */
    const char *message;   /* A constant sentence, or NULL. */
    union {
        struct {
            int32_t index_asked;
            int32_t topic_partitions; /* The next so many are of this topic; -1: as before. */
            struct chain topic_name;  /* As in the request, with the first of the topic. */
            struct uuid topic_id;
            struct append append;
        };
        struct {
            struct log_query query;
            int64_t timestamp; /* As asked. */
            bool read_committed;
            bool to_log_end; /* For replicas. */
            bool repeated;   /* An earlier one of the same partition answers. */
            int64_t found_offset;
            int64_t found_timestamp;
            int32_t found_epoch;
        } list;
        struct {
            int32_t requested;
            int32_t epoch;
            int64_t end_offset;
        } epoch_end;
        struct log_operation delete_records;
        struct {
            struct partition_producer *to; /* Output memory of the home core. */
            uint32_t capacity;
            uint32_t count;
        } producers;
    };
};

/* ---- Requests ------------------------------------------------------------------------------- */

enum request_state {
    REQUEST_RUNNING,   /* Something is under way for it. */
    REQUEST_DONE,      /* The answer is known and can be built. */
    REQUEST_BUILT,     /* Parts stand ready for the transport. */
    REQUEST_SENT,      /* All parts handed over. */
    REQUEST_RELEASING, /* Over, but for extents on their way back to their cores. */
    REQUEST_LINGERING, /* Answered in time, but its operations are still out. */
};

enum { REQUEST_PARTS_INLINE = 4 };
/* As many plain ones as have room behind the first. */
enum {
    ANSWERS_JOINED_MAX =
        (RESPONSE_SMALL_BYTES - PRODUCE_ONE_ANSWER_BYTES_MAX) / PRODUCE_ONE_ANSWER_BYTES_MIN + 1,
};

/* Appends that went by the same times, as those that one commit writes do. All-zero is empty. */
struct append_run {
    uint64_t stage_ns[APPEND_STAGES];
    uint64_t times;
};

/* What the histograms of answers want when they are sent. */
struct answer_times {
    uint64_t arrived_ns;
    uint64_t done_ns;
    uint64_t answers;
};

/* Called when the request is first in line; writes the body. Must change nothing: when there is no
 * output memory it is called again later. */
typedef void request_build(struct broker *broker, struct request *request, struct writer *writer);

/* Called when the last operation is back and the answer is wanted. */
typedef void request_back(struct broker *broker, struct request *request);

union request_body {
    struct api_versions_request api_versions;
    struct metadata_request metadata;
    struct produce_request produce;
    struct list_offsets_request list_offsets;
    struct offset_for_leader_epoch_request epochs;
    struct delete_records_request delete_records;
    struct describe_producers_request describe_producers;
    struct describe_log_dirs_request log_dirs;
    struct describe_cluster_request describe_cluster;
    struct create_acls_request create_acls;
    struct delete_acls_request delete_acls;
    struct describe_topic_partitions_request topic_partitions;
};

/* What a small produce needs lies in few lines of the cache: it leads here, in its operation and in
 * that one's append, and what others need stands behind it. */
struct request {
    /* Not cleared: written with the frame, or before they are read; unlinked nodes are zero. */
    alignas(CACHE_LINE_BYTES) struct list_node node; /* Of the connection. */
    struct connection *connection; /* NULL: gone; what is under way ends unanswered. */
    struct broker *broker;
    uint64_t arrived_ns; /* Last byte. */
    uint64_t done_ns;    /* The answer was known. */
    struct chain body;   /* The frame behind its header. */

    struct chain client_id; /* View of the frame. */
    const struct api_info *api;
    struct operation **operations_end;
    int32_t correlation_id;
    uint32_t frame_bytes;
    int16_t version;
    bool version_known;         /* False only for ApiVersions. */
    struct list_node wait_node; /* Of a broker's list: slow, describing ... */

    struct list_node slow_node; /* Of slow_numbers, while control has it. */
    request_build *build;
    request_back *back;
    struct send_part *parts; /* Of the answer. */

    /* Cleared, up to `pieces`. */
    const struct api_row *row;
    enum request_state state;
    int16_t error;    /* For handlers whose whole answer is an error. */
    bool no_answer;   /* acks=0 */
    bool close_after; /* acks=0 that failed (B17). */
    bool overlaps;    /* Counted in the connection's overlap_count. */
    bool one;         /* A produce that produce_one_decode read, */
    bool plain;       /* and whose batch is in the log, with an answer that says so. */
    bool timed;       /* Of a produce under way: it is answered by deadline_ns. */
    bool alone;       /* It has to ask: what comes behind it waits. */
    bool held;        /* It has to ask, or need not any more, when those before it are through. */
    bool in_place;    /* Its batches were judged, or will be, behind all before it. */
    bool stopped_asking;
    bool starved; /* The last try found no output memory for output_bytes and parts_memory_bytes. */

    uint32_t piece_count; /* The frame: pieces, or runs of frame memory. */
    uint32_t run_count;
    uint32_t pending; /* Operations and legs not yet back. */
    uint32_t part_count;
    uint32_t parts_sent;
    uint32_t joined_alike;        /* Plain answers of others behind this one, in its part, whose */
    uint32_t joined_count;        /* times are this one's; and others, in joined. */
    uint32_t slow_more_bytes;     /* Of control's answer, behind what is here. */
    struct operation *operations; /* In request order. */
    uint64_t deadline_ns;
    struct fetch *fetch;
    struct leg *legs;        /* Of a fetch; from building to on_sent they hold its extents. */
    struct fetch_read *torn; /* Goes on when its bytes are sent; then torn_end ends the answer. */
    struct bytes *runs;
    uint8_t *output;       /* Of output memory; NULL: in small. */
    uint8_t *parts_memory; /* Of output memory, when they are more. */

    /* From here on not cleared: written before they are read. */
    struct piece *pieces[FRAME_PIECES_MAX]; /* Mostly one. */
    struct bytes frame_parts[FRAME_PIECES_MAX];
    struct bytes torn_end;  /* With torn. */
    uint64_t starved_gives; /* With starved: when output.gives was this. */
    uint32_t output_bytes;
    uint32_t parts_memory_bytes;
    uint64_t slow_session;
    uint64_t number; /* SLOW: as sent to control. */
    int64_t values[2];
    struct bytes ask;       /* Of SLOW: a produce that asks the coordinator of its transaction, in
                               output or small. Empty: it does not. */
    uint32_t slow_errors;   /* Error codes in all of control's answer. */
    uint32_t slow_body_got; /* Of the piece at hand. */
    uint8_t
        *slow_answer; /* Control's, behind room for the head: output, or small; NULL: none yet. */
    alignas(CACHE_LINE_BYTES) union request_body body_of;
    alignas(CACHE_LINE_BYTES) struct operation first; /* Of operations, where there are any. */
    alignas(CACHE_LINE_BYTES) struct send_part parts_inline[REQUEST_PARTS_INLINE];
    struct answer_times joined[ANSWERS_JOINED_MAX];
    uint8_t small[RESPONSE_SMALL_BYTES];
};

/* ---- Fetch ---------------------------------------------------------------------------------- */

/* A topic that items name; several items share it. */
struct fetch_topic {
    struct uuid id;          /* As the client named it; zero: by name. */
    struct uuid resolved_id; /* Of the topic found last. */
    uint32_t refs;           /* Items. */
    uint8_t name_len;
    uint8_t name[TOPIC_NAME_BYTES_MAX];
    bool by_id;
    uint64_t looked_in; /* broker->snapshot_serial of the last look. */
    const struct snapshot_topic *found;
};

/* One partition of a fetch. */
struct fetch_item {
    struct list_node node; /* fetch->items, in order. */
    struct fetch *fetch;
    struct fetch_topic *topic;
    struct fetch_item *hash_next; /* broker->item_table */
    uint32_t hash;
    /* What the client wants. */
    int32_t partition;
    int32_t current_epoch;
    int32_t last_fetched_epoch;
    int32_t bytes_max;
    int64_t offset;
    /* What the client was told last; sessions only. */
    int64_t told_high_watermark;
    int64_t told_log_start;
    /* The owner's: while the leg is away. */
    struct fetch_item *leg_next;
    struct leg *leg;
    struct list_node waiting; /* hosted->waiters */
    struct fetch_read *read;
    uint32_t take_bytes;
    bool take_whole;
    /* Found. */
    int16_t error;
    bool diverging;
    int32_t diverging_epoch;
    int64_t diverging_end;
    int64_t high_watermark;
    int64_t last_stable;
    int64_t log_start;
    uint32_t readable_bytes;
    uint32_t got_bytes;
};

/* A read of the log, of the owner's pool, from taking until the answer is sent. */
struct fetch_read {
    struct log_read read;
    struct fetch_read *next; /* leg->reads */
    struct partition_id id;
    struct fetch_item *item; /* NULL: the rest of a batch; the answer is built. */
    struct leg *leg;
    struct list_node busy_node; /* broker->busy_reads */
    /* At read_committed; the owner's output memory. */
    struct fetch_response_aborted_transaction *aborted;
    uint32_t aborted_count;
};

enum leg_order {
    LEG_PROBE,
    LEG_PARK, /* Until wanted_bytes are readable, an error shows, or unparked. */
    LEG_TAKE,
    LEG_MORE, /* What follows in leg->torn, for the bytes of it that are sent. */
    LEG_RELEASE,
};

/* The items of a fetch that one core owns. */
struct leg {
    struct mail_message mail;   /* Orders and answers. */
    struct mail_message unpark; /* Its own message: it may cross the answer. */
    struct leg *next;
    struct request *request;
    struct fetch_item *items;
    struct fetch_item **items_end;
    enum leg_order order;
    uint16_t home;
    uint16_t owner;
    bool away;      /* Home's: an order is out. */
    bool unparking; /* Home's: an unpark is out. */
    bool parked;    /* The owner's alone: home may ask for it while the leg comes back. */
    bool read_committed;
    bool found_error;
    uint32_t reads_open; /* The owner's. */
    struct fetch_read *reads;
    struct fetch_read *torn; /* Of them: its batch does not fit into memory at once. */
    uint64_t wanted_bytes;   /* Beyond readable_bytes at the time of the order. */
    uint64_t readable_bytes;
    uint64_t give_up_ns; /* When a take that finds no room ends. */
};

enum fetch_phase {
    FETCH_IDLE, /* A session without a request. */
    FETCH_PROBING,
    FETCH_PARKED,
    FETCH_TAKING,
    FETCH_ANSWERING,
};

/* A fetch in progress; with a session_id also a session (KIP-227). */
struct fetch {
    struct list_node node; /* broker->sessions, least lately used first. */
    struct list items;
    uint32_t item_count;
    struct request *request;
    enum fetch_phase phase;
    bool time_over; /* Takes what there is. */
    bool read_committed;
    bool from_replica;
    int64_t min_bytes;
    int64_t max_bytes;
    uint64_t deadline_ns;
    struct list_node timer_node; /* broker->parked */
    /* Session. */
    int32_t session_id; /* 0: none. */
    int32_t session_epoch;
    bool uses_ids;
    bool full;     /* The request names all partitions: the answer does so too. */
    bool closed;   /* Ends with the request in progress. */
    bool answered; /* Its client has heard of it. */
    uint64_t created_ns;
    uint64_t used_ns;
    struct fetch *session_next; /* Hash of session ids. */
};

/* ---- Partitions of this core ---------------------------------------------------------------- */

enum hosted_state {
    HOSTED_OPENING,
    HOSTED_OPEN,
    HOSTED_DELETING,
};

struct hosted {
    struct partition_id id;
    struct partition *partition; /* Valid while open and deleting. */
    enum hosted_state state;
    bool submitted; /* operation is with the log. */
    bool fenced;    /* Its directory is dead: to be known as such. */
    bool failed;    /* Could not be opened so far; tried on, but nobody waits for it. */
    bool recorded;  /* A durable record says where it lies: before, nothing is served. After a crash
                       it could be made anew elsewhere, without what was acknowledged (H18). */
    uint32_t attempts;
    uint64_t retry_ns;
    uint64_t busy_since_ns;
    uint32_t topic_index; /* In the snapshot being applied. */
    uint64_t round;       /* Of the last application that named it. */
    struct hosted *hash_next;
    struct list waiters;          /* Items of parked legs. */
    struct list busy;             /* Appends that the log had no room for, in order. */
    struct list_node busy_node;   /* broker->busy_hosted */
    struct list_node change_node; /* broker->opening or deleting. */
    struct list_node all_node;    /* broker->hosted */
    struct log_operation operation;
};

/* ---- The broker ----------------------------------------------------------------------------- */

/* DescribeLogDirs asks every core for its sizes; one such request at a time. */
struct sizes_query {
    struct mail_message mail;
    const struct snapshot *snapshot;
    int64_t *sizes; /* By partition in snapshot order; of the asking core. */
    uint16_t *directories;
    uint16_t home;
};

struct session_close {
    struct mail_message mail;
    int32_t session_id;
};

enum { SESSION_CLOSES_MAX = 64 };
enum { SLOW_NUMBERS = 1024 };

/* A name that control was asked to create. */
struct created_topic {
    uint64_t hash;
    uint64_t when_ns;
};

/* ---- Calls of control ----------------------------------------------------------------------- */

/* What control asked of a partition of this core: an append, or a read. */
struct call {
    struct list_node node; /* broker->calls_waiting, unless it is with the log. */
    uint64_t session;
    uint64_t number;
    struct partition_id id;
    int32_t leader_epoch;
    bool reads;
    bool answered; /* The answer is known, and waits for room in the ring. */
    int16_t error;
    int16_t txn_version; /* Of a marker. */
    uint32_t skip_bytes;
    int64_t offset; /* Read from; of an append its base offset. */
    int64_t end_offset;
    uint32_t run_count; /* Of the batch, in broker->call_memory. */
    union {
        struct append append;
        struct log_read read;
    };
    struct bytes runs[CALL_RUNS_MAX];
};

struct broker {
    struct broker_setup setup;
    struct broker_limits limits; /* Same as in setup. */
    uint32_t core;
    uint32_t core_count;
    struct log *log;
    struct broker_counters *counters;
    struct broker_statistics *statistics;
    struct histogram_run stage_runs[STAGE_COUNT]; /* To be recorded by times_due_ns. */
    struct histogram_run produce_run;
    struct histogram_run fetch_run;
    struct append_run append_run;
    uint64_t times_due_ns;
    uint64_t parse_runs_left; /* Of connections, until one is measured; UINT64_MAX: none is. */
    uint64_t now_ns;
    int64_t wall_ms;
    uint64_t random;
    uint64_t hash_key; /* Of hash_named. */

    const struct snapshot *snapshot;
    uint64_t snapshot_serial; /* Counts the snapshots: an address may come again. */
    uint32_t frame_bytes_max; /* Of the snapshot's settings. */
    const struct snapshot *applied;
    const struct snapshot *applying;
    uint32_t apply_topic; /* Where the application goes on. */
    bool apply_sweep;     /* All topics seen; what was not named goes. */
    struct list_node *apply_at;
    uint64_t apply_round;
    bool apply_waits; /* The last turn of the application could do nothing. */
    uint32_t changing_count;

    struct pool connections;
    struct stock requests;
    struct stock pieces;
    struct pool operations;
    struct pool hosted_pool;
    struct pool fetches;
    struct pool fetch_items;
    struct pool fetch_topics;
    struct pool fetch_reads;
    struct pool legs;
    struct pool calls;
    /* What waits for frame memory holds none of it, so that one largest frame always fits. */
    struct region frame_memory;
    struct region stash; /* What was copied out of receive buffers; half of it, ordinary frames. */
    struct region output;
    struct region call_memory; /* Batches of calls. */
    struct scratch scratch;
    uint8_t *build; /* limits.response_bytes */
    struct splice *splices;
    struct fetch_read **splice_reads; /* Whose extents each splice of the answer at hand is. */
    uint32_t splices_max;
    uint32_t splice_count;

    struct hosted **hosted_table;
    uint32_t hosted_mask;
    struct fetch_item **item_table;
    uint32_t item_mask;
    struct fetch **session_table;
    uint32_t session_mask;

    struct list runnable; /* Connections with frames to look at. */
    struct list to_send;
    struct list holding;
    struct list idle;
    struct list memory_waiting; /* Connections whose frame waits for frame memory, and those ... */
    struct list ordinary_waiting; /* ... whose frame may also lie in the stash. */
    struct list large_receiving;
    struct list owed;            /* Connections that wait for an on_sent. */
    struct list output_waiting;  /* Connections whose next answer found no output memory, */
    uint64_t output_tried_gives; /* last tried when output.gives was this. */
    uint64_t output_wanted_ns;   /* Since when there are any, or the like for control; 0: none. */
    uint32_t buffers_held;       /* Pieces that lie in transports' buffers. */

    struct list hosted;
    struct list opening;  /* Hosted, by change_node. */
    struct list deleting; /* Likewise. */
    struct list failing;  /* Likewise; not counted. */
    struct list busy_hosted;
    struct list busy_queries; /* Operations the log had no room for, but appends. */
    struct list busy_reads;
    uint64_t pinned_bytes;
    uint32_t foreign; /* Operations, legs and reads of other cores that are here. */

    struct list producing; /* Connections with produces whose time counts, or had them lately. */
    uint64_t produce_checked_ns;

    struct list sessions;
    uint32_t session_count;
    uint32_t session_items;       /* Of all sessions. */
    struct list parked;           /* Fetches by deadline. */
    struct session_close *closes; /* SESSION_CLOSES_MAX */
    uint64_t closes_free;         /* Bit per entry. */

    struct list slow_waiting; /* Requests not yet taken by the channel. */
    struct list slow_sent;    /* Waiting for control, oldest first. */
    struct list slow_long;    /* Likewise, those that may wait for as long as control runs. */
    uint64_t slow_heard_ns;   /* When control was last heard of. */
    uint64_t slow_number;
    struct list *slow_numbers; /* SLOW_NUMBERS of those of slow_sent and slow_long, by number. */
    struct slow_fragment slow_held; /* Received, but there is no memory for it yet. */
    bool slow_holds;
    uint64_t slow_starved_ns; /* Since when there was no memory for an answer; 0: there was. */
    uint64_t slow_wanted_ns;  /* When that was last seen. */
    uint64_t slow_session;

    struct list calls_waiting;  /* For the log's room, for durability, or for the ring's room. */
    struct call *call_incoming; /* Its batch is being received. */
    uint32_t calls_lent;        /* Are with the log. */
    uint32_t appends_lent;      /* Of them, appends of this session, and of those before it. */
    uint32_t appends_lent_old;

    int64_t producer_id_next;
    uint32_t producer_ids_left;
    int64_t spare_id_first;
    uint32_t spare_id_count;
    bool producer_ids_asked;
    uint64_t producer_ids_asked_ns;

    struct created_topic *created; /* AUTO_CREATE_RECENT */

    struct list sizes_waiting; /* DescribeLogDirs requests. */
    struct request *sizes_for; /* The one being served. */
    struct sizes_query *sizes; /* By core. */
    uint32_t sizes_away;
    const struct snapshot *sizes_snapshot;
    int64_t *sizes_bytes;
    uint16_t *sizes_directories;

    uint64_t checked_ns; /* When connections were last looked at. */
    bool stopping;
    bool finishing;
    struct log_operation finish;
    enum log_status finished;
};

/* A random 64-bit number from the seed. */
static inline uint64_t broker_random(struct broker *broker)
{
    uint64_t z = broker->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t hash_mix(uint64_t value)
{
    value *= UINT64_C(0x9e3779b97f4a7c15);
    value ^= value >> 32;
    value *= UINT64_C(0xd6e8feb86659fd93);
    return value ^ value >> 32;
}

static inline void count(uint64_t *counter)
{
    counter_add(counter, 1);
}

static inline void stage_record(struct broker *broker, enum broker_stage stage, uint64_t ns,
                                uint64_t times)
{
    histogram_run_add(&broker->stage_runs[stage], &broker->statistics->stages[stage], ns, times);
}

static inline uint64_t ns_of_ms(uint64_t ms)
{
    return ms * 1000000;
}

#endif
