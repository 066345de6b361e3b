/* The coordinators of groups at work: one for each partition of __consumer_offsets, with a ledger
 * each. Requests of clients are taken apart, run through group_step, and answered when what they
 * changed is durable; some, JoinGroup and SyncGroup, wait for other members first.
 *
 * Threads: the control loop's.
 */
#ifndef CONTROL_SERVE_GROUPS_H
#define CONTROL_SERVE_GROUPS_H

#include "control/group/group.h"
#include "control/serve/groups_counters.h"
#include "control/serve/ledger.h"

struct control;
struct groups;
struct group_request;
struct part;
struct parts;

enum {
    /* Of what there may be a million of, so much is walked, or told, in one turn. */
    GROUP_WALK_PER_TURN = 4096,      /* By requests as they come, all together. */
    GROUP_WALK_MORE_PER_TURN = 1024, /* By those that go on. */
    BUILT_BYTES_PER_TURN = 256 * 1024,
    /* For so long records wait for batches that are out, to leave with others. */
    GROUP_GATHER_MS_MAX = 5,
};

/* One partition of __consumer_offsets and the groups that lie in it. */
struct group_seat {
    struct groups *groups;
    uint32_t index;
    struct ledger ledger;
    struct group_coordinator *coordinator; /* NULL: away, or being read. */
    bool led;                              /* The partition can be read and written. */
    struct list parts;                     /* Of requests, that wait here. */
    uint64_t sent_at_ns;                   /* The last batch. */
    uint64_t load_at_ns;
    const struct ledger_entry *sweep; /* A part of it that is not durable; NULL: none. */
    struct group_counts counts;       /* As they were when last looked at. */
};

/* NULL: no memory. control is borrowed. */
struct groups *groups_create(struct control *control);
void groups_destroy(struct groups *groups);

/* True when the API is one of groups; then the request is given. */
bool groups_request(struct groups *groups, struct peer_request *request);

/* A topic was deleted, durably: its offsets go. */
void groups_topic_deleted(struct groups *groups, struct bytes name);

/* Loads what there is to load, lets timers fire, and sends records off. drained: no request waits
 * to be heard; only then somebody may be called silent. */
uint32_t groups_turn(struct groups *groups, bool drained);

/* When it has something to do by itself; UINT64_MAX never. */
uint64_t groups_deadline_ns(const struct groups *groups);

/* The session is over: everything is thrown away. */
void groups_over(struct groups *groups);

/* Seats are looked at in turns, at each call until so many groups and members are walked that
 * nobody waits for it; a few thousand are always all told. */
struct groups_counters groups_counters(struct groups *groups);

/* The end of a transaction with offsets in that partition of __consumer_offsets. */
struct groups_txn_end {
    int64_t producer_id;
    bool committed;
    int16_t version;    /* transaction.version of who drives it. */
    struct bytes batch; /* The marker. */
    /* The marker is durable, or not, and the offsets are visible, or gone. Not called when the
       session ends. */
    void (*done)(void *owner, int16_t error_code);
    void *owner;
};
/* False: the partition is away. All of *end is borrowed until return. */
MUST_USE bool groups_txn_end(struct groups *groups, uint32_t partition,
                             const struct groups_txn_end *end);

/* ---- For group_request.c -------------------------------------------------------------------- */

/* Why the seat of a group cannot be asked; ERROR_NONE: *seat is it. */
int16_t groups_seat_of(struct groups *groups, struct bytes group_id, struct group_seat **seat);
uint32_t groups_seat_count(const struct groups *groups);
struct group_seat *groups_seat(struct groups *groups, uint32_t index);
int16_t group_seat_error(const struct group_seat *seat);
struct control *groups_control(struct groups *groups);
uint64_t groups_seed(const struct groups *groups);
/* A part of a request was run; false: the others are for later turns. */
bool groups_walk_on(struct groups *groups);
/* They are run in later turns, see group_request_go_on. */
void groups_run_later(struct groups *groups, struct parts *all);
/* The part goes on in a later turn, see group_part_go_on. Who has begun goes first: what long
 * answers take is taken by one at a time. */
void groups_part_more(struct groups *groups, struct part *part);
/* The answer is made in later turns, see group_answer_go_on. */
void groups_build_later(struct groups *groups, struct parts *all);
/* Runs a step; its replies come to group_entry_settle. Kinds that are no requests, too. The memory
 * that its update takes until then. */
uint64_t group_seat_step(struct group_seat *seat, struct group_event *event);

#endif
