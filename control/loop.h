/* The control process without its process: all it does, one turn at a time.
 *
 * A turn takes in what the dataplane said, works out requests, makes a turn's worth of changes
 * durable with one commit, publishes one snapshot for them, and sends the answers of what every
 * core has applied (H18). It reads no clock and waits for nothing but the metadata log's own files,
 * so that a simulation runs it beside the dataplane on one thread (H30).
 *
 * Threads: one; what the HTTP thread shows comes from control_status_copy.
 */
#ifndef CONTROL_LOOP_H
#define CONTROL_LOOP_H

#include "control/metadata/store.h"
#include "control/peer.h"
#include "control/serve/groups_counters.h"
#include "control/serve/txns_counters.h"
#include "dataplane/journal.h"
#include "dataplane/profile/settings.h"

struct control;

struct control_setup {
    struct file_system *files;
    struct link_world *world;
    const struct settings *settings; /* Borrowed. */
    const char *data_directory;      /* The first one: holds the metadata log. Borrowed. */
    const char *socket_path;         /* Of the dataplane. Borrowed. */
    struct journal *journal;         /* NULL: no log lines. */
    uint64_t seed;
    /* Whether so many bytes of memory can be had (control/room.h). NULL: always. */
    bool (*has_room)(void *context, uint64_t bytes);
    void *room_context;
    /* How much of what groups have is walked in one turn; 0: as serve/groups.h says. */
    uint32_t group_walk_per_turn;
    bool looks_at_lag; /* As the settings of metrics say: for whoever shows it. */
};

enum control_phase {
    CONTROL_CONNECTING, /* No session. */
    CONTROL_SYNCING,    /* A session, but its first snapshot is not applied. */
    CONTROL_READY,
    CONTROL_STOPPING, /* The dataplane stops in order. */
    CONTROL_REFUSED,  /* It must not run like this: see control_reason. */
};

const char *control_phase_name(enum control_phase phase);

/* NULL: no memory. */
struct control *control_create(const struct control_setup *setup);
void control_destroy(struct control *control);

/* One turn. Returns the work done: 0, and until the next deadline or a bell nothing will be. */
uint32_t control_turn(struct control *control, uint64_t now_ns, int64_t wall_ms);

/* When there is something to do without being called from outside; UINT64_MAX never. */
uint64_t control_deadline_ns(const struct control *control);

/* Before waiting for control_handles: false when there is work already. control_wake after each,
 * with a bit for each handle that may be readable. */
MUST_USE bool control_sleep(struct control *control);
void control_wake(struct control *control, uint32_t readable);
void control_handles(const struct control *control, int handles[PEER_HANDLES]);

enum control_phase control_phase(const struct control *control);
/* Why it is refused, or not ready; one sentence. */
const char *control_reason(const struct control *control);

struct control_counters {
    uint64_t operations;
    uint64_t operations_failed; /* Answered with an error of the whole. */
    uint64_t dropped;           /* Waiting when their session ended. */
    uint64_t topics_auto_created;
    uint64_t producer_id_blocks;
    uint64_t memory_short;  /* Times that nothing was taken in for want of memory. */
    uint64_t calls_unknown; /* Answers of cores that nobody had asked for: always 0. */
    uint64_t turn_ns_max;   /* Kept by whoever has a clock. */
};

/* What others may know, copied. */
struct control_status {
    enum control_phase phase;
    char reason[METADATA_REASON_BYTES];
    uint64_t session;
    uint64_t snapshot_version;
    uint64_t applied_version;
    uint32_t topics;
    uint32_t partitions;
    uint32_t partitions_offline;
    uint32_t directories;
    uint32_t directories_failed;
    int64_t metadata_end_offset;
    int32_t metadata_epoch;
    uint64_t commits;
    uint64_t commit_failures;
    uint64_t checkpoints;
    struct control_counters counters;
    struct peer_counters peer;
    struct groups_counters groups;
    struct txns_counters txns;
    struct network_address listen;
};
void control_status_copy(const struct control *control, struct control_status *status);

/* The statistics memory of a new session, read-only; given. NULL: none since the last call. */
void *control_take_statistics(struct control *control, uint64_t *bytes);

struct lag_report;
/* How far groups are behind, held for the caller. NULL: nothing new since the last call. */
struct lag_report *control_take_lag(struct control *control);

/* For tests: the state. */
const struct image *control_image(const struct control *control);

#endif
