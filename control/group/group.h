/* The coordinator of groups: one partition of __consumer_offsets and the groups that live in it.
 *
 * A pure step, group_step: what happened goes in as an event, what follows comes out as an update.
 * No clock, no randomness, no I/O: time, random bits and what is known of topics are fields of the
 * event. The update's records are to be appended to the partition as one batch; its replies leave
 * when they, and all records of steps before, are durable. A step takes effect at once, so steps
 * may follow each other without waiting. When an append fails, the coordinator is thrown away,
 * requests that wait are answered by the caller, and a new one is made from the records (H17).
 *
 * Classic groups with Kafka's states, timers and errors: see GroupMetadataManager.java,
 * ClassicGroup.java, OffsetMetadataManager.java; groups of the consumer protocol (KIP-848) beside
 * them. State lives on the heap; one thread.
 */
#ifndef CONTROL_GROUP_GROUP_H
#define CONTROL_GROUP_GROUP_H

#include "control/arena.h"
#include "dataplane/kafka/messages.h"

struct group_coordinator;

enum group_assignor { GROUP_UNIFORM, GROUP_RANGE, GROUP_ASSIGNORS };

/* What is set for one group (resource type 32); 0: as for all. */
struct group_config {
    struct bytes group_id;
    int64_t offset_retention_ms;   /* offsets.retention.minutes; -1: they never expire. */
    int32_t session_timeout_ms;    /* consumer.session.timeout.ms */
    int32_t heartbeat_interval_ms; /* consumer.heartbeat.interval.ms */
};

/* Borrowed for the life of the coordinator; may change between steps. */
struct group_settings {
    int32_t session_timeout_ms_min;     /* group.min.session.timeout.ms */
    int32_t session_timeout_ms_max;     /* group.max.session.timeout.ms */
    int32_t initial_rebalance_delay_ms; /* group.initial.rebalance.delay.ms */
    uint32_t members_max;               /* group.max.size */
    int32_t offset_metadata_chars_max;  /* offset.metadata.max.bytes, which Kafka counts in chars */
    int64_t offset_retention_ms;        /* offsets.retention.minutes */
    /* Of the consumer protocol. */
    int32_t consumer_session_timeout_ms;    /* group.consumer.session.timeout.ms */
    int32_t consumer_heartbeat_interval_ms; /* group.consumer.heartbeat.interval.ms */
    uint32_t consumer_members_max;          /* group.consumer.max.size */
    bool upgrades;                          /* group.consumer.migration.policy: to it, */
    bool downgrades;                        /* and back to the classic protocol. */
    int32_t regex_refresh_ms;               /* group.consumer.regex.refresh.interval.ms */
    /* group.consumer.assignors, at least one; the first where members have no wish. */
    enum group_assignor assignors[GROUP_ASSIGNORS];
    uint32_t assignor_count;
    const struct group_config *configs; /* In bytewise order of their groups. */
    uint32_t config_count;
};

enum group_event_kind {
    /* Requests. What they say is a decoded struct; empty group ids are refused here. */
    GROUP_JOIN,
    GROUP_SYNC,
    GROUP_HEARTBEAT,
    GROUP_LEAVE,
    GROUP_OFFSET_COMMIT,
    GROUP_TXN_OFFSET_COMMIT,
    GROUP_OFFSET_DELETE,
    GROUP_CONSUMER_HEARTBEAT,
    /* One group's part of a request that names several. */
    GROUP_OFFSET_FETCH,
    GROUP_DESCRIBE,
    GROUP_CONSUMER_DESCRIBE,
    GROUP_DELETE,
    /* This coordinator's part of the answer. */
    GROUP_LIST,
    /* The request of that token, whose last reply said that there is more. */
    GROUP_MORE,
    /* No requests; no reply bears their token. */
    GROUP_TIME,          /* Timers that are due by due_ms fire. */
    GROUP_RESUME,        /* All is replayed, or time passed in which nobody could be heard. */
    GROUP_EXPIRE,        /* Old offsets go, and groups with nothing left; every 10 minutes. */
    GROUP_TXN_ENDED,     /* The marker is in this partition. */
    GROUP_TOPIC_DELETED, /* Its offsets go. */
    GROUP_SWEEP,         /* While group_coordinator_sweeps: the next part of what goes. */
    /* The same before GROUP_TXN_OFFSET_COMMIT, with its fields: what is left of deleted topics in
       the places that it names goes first, as that is no part of the transaction. */
    GROUP_TXN_CLEAR,
};

/* What the caller knows of a topic that a request names, in the request's order. */
struct group_topic {
    struct bytes name;
    struct uuid id; /* Zero: of no matter, or not given by the request. */
    int32_t partition_count;
    int16_t error_code; /* Not 0: all its partitions get it. */
};

/* All topics there are, in the order of their names. */
struct group_topics {
    int64_t version; /* Another one whenever a topic is made, grows or goes. */
    int64_t created; /* The version of the newest topic. */
    const struct group_topic *items;
    const uint32_t *by_id; /* Places in items, in the order of their ids. */
    uint32_t count;
    uint64_t partition_count; /* Of all of them. */
    struct bytes rack;        /* Of this broker; ptr NULL: none. */
};

/* All borrowed until group_step returns. */
struct group_event {
    enum group_event_kind kind;
    /* Monotonic. Waits begin at the one, rounded up, and are over at the other, rounded down: none
     * is short. */
    uint64_t now_ms;
    uint64_t due_ms;
    int64_t wall_ms;
    /* Of requests. */
    uint64_t
        token; /* Given back with the reply; a parked request's reply comes with a later step. */
    int16_t version;
    struct uuid random; /* For a member's id. */
    struct bytes client_id;
    struct bytes client_host;
    const struct group_topic *topics; /* One for each in the request; NULL: not asked for. */
    /* What the step may walk of that of which there may be a million; 0: all of it. */
    uint32_t walk_max;
    /* Of all events, for consumer groups. NULL: there are no topics. */
    const struct group_topics *all_topics;
    union {
        const struct join_group_request *join;
        const struct sync_group_request *sync;
        const struct heartbeat_request *heartbeat;
        const struct leave_group_request *leave;
        const struct offset_commit_request *commit;
        const struct txn_offset_commit_request *txn_commit;
        const struct offset_delete_request *offset_delete;
        const struct list_groups_request *list;
        const struct consumer_group_heartbeat_request *consumer_heartbeat;
        struct {
            const struct offset_fetch_request_group *group;
            bool require_stable;
        } fetch;
        struct bytes group_id; /* Describe (both), delete. */
        struct bytes topic;    /* Deleted. */
        struct {
            int64_t producer_id;
            bool committed;
        } txn;
    };
};

/* Key and value as they stand in the log. */
struct group_record {
    struct bytes key;
    struct bytes value; /* ptr NULL: a tombstone. */
};

/* What it is goes by the kind of the request:
 *
 *     JOIN         join_group_response           OFFSET_COMMIT      offset_commit_response
 *     SYNC         sync_group_response           TXN_OFFSET_COMMIT  txn_offset_commit_response
 *     HEARTBEAT    heartbeat_response            OFFSET_DELETE      offset_delete_response
 *     LEAVE        leave_group_response          OFFSET_FETCH       offset_fetch_response_group
 *     DESCRIBE     describe_groups_response_group
 *     DELETE       delete_groups_response_result
 *     LIST         list_groups_response
 *     CONSUMER_HEARTBEAT  consumer_group_heartbeat_response
 *     CONSUMER_DESCRIBE   consumer_group_describe_response_group
 */
struct group_reply {
    uint64_t token;
    enum group_event_kind kind;
    int16_t version;
    bool more; /* It is a part of the answer, and GROUP_MORE asks for the next. */
    void *answer;
};

/* Everything lives in the arena, which is the caller's. */
struct group_update {
    struct arena *arena;
    struct group_record *records;
    uint32_t record_count;
    uint32_t record_capacity;
    struct group_reply *replies;
    uint32_t reply_count;
    uint32_t reply_capacity;
    uint32_t walked; /* At most walk_max, and what comes last. */
    /* Not -1: the records are a transactional batch of this producer. */
    int64_t producer_id;
    int16_t producer_epoch;
};

enum group_replay_status {
    GROUP_REPLAYED,
    GROUP_UNKNOWN, /* A type we do not know, or not yet: left out, as Kafka does. */
    GROUP_CORRUPT, /* A known type that cannot be read. */
};

/* hash_seed: secret from clients. */
struct group_coordinator *group_coordinator_new(const struct group_settings *settings,
                                                uint64_t hash_seed);
void group_coordinator_free(struct group_coordinator *coordinator);

/* Empties *update, then fills it. */
void group_step(struct group_coordinator *coordinator, const struct group_event *event,
                struct group_update *update);

/* When GROUP_TIME is due; UINT64_MAX: never. In the past: there is more to do now. */
uint64_t group_coordinator_deadline_ms(const struct group_coordinator *coordinator);

/* Not all is gone yet of what deleted topics and time take away. */
bool group_coordinator_sweeps(const struct group_coordinator *coordinator);

/* One record of the log, in the log's order; before the first step. GROUP_RESUME comes after the
 * last. producer_id is that of a transactional batch, else -1. value.ptr NULL: a tombstone. */
MUST_USE enum group_replay_status group_replay(struct group_coordinator *coordinator,
                                               struct bytes key, struct bytes value,
                                               int64_t producer_id);
/* The end of a transaction in the log. */
void group_replay_txn_end(struct group_coordinator *coordinator, int64_t producer_id,
                          bool committed);

/* States of both protocols, as they are told. */
enum group_shown {
    GROUP_SHOWN_EMPTY,
    GROUP_SHOWN_PREPARING, /* Classic, as the next. */
    GROUP_SHOWN_COMPLETING,
    GROUP_SHOWN_ASSIGNING, /* Consumer, as the next. */
    GROUP_SHOWN_RECONCILING,
    GROUP_SHOWN_STABLE,
    GROUP_SHOWN_STATES,
};

/* Kafka's names. */
static inline const char *group_shown_name(enum group_shown state)
{
    static const char *const names[GROUP_SHOWN_STATES] = {
        "Empty", "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling", "Stable"};
    return names[state];
}

struct group_counts {
    uint32_t groups;
    uint32_t members;
    uint32_t offsets;
    uint32_t states[GROUP_SHOWN_STATES]; /* Groups in each. */
    uint64_t rebalances;                 /* That ended with an assignment. */
    uint64_t commits;                    /* Offsets taken in, one for each partition. */
    uint64_t expirations;                /* Offsets that expired. */
};

/* A group, or an offset of one. */
struct group_seen {
    struct bytes group; /* Views until the next step. */
    enum group_shown state;
    uint32_t members;
    struct bytes topic; /* ptr NULL: it is the group itself, and its offsets follow. */
    int32_t partition;
    int64_t committed;
};
/* All groups and their committed offsets, a few at a time and beside steps: what comes or goes
 * meanwhile is seen or not. One walk at a time; false: it is over, or was not begun. */
void group_look_begin(struct group_coordinator *coordinator);
MUST_USE bool group_look_next(struct group_coordinator *coordinator, struct group_seen *seen);

/* Walks all groups, and the members of those of the consumer protocol. */
struct group_counts group_coordinator_counts(const struct group_coordinator *coordinator);

/* Ends the process where the state contradicts itself. */
void group_coordinator_invariants(const struct group_coordinator *coordinator);

/* The partition of __consumer_offsets or __transaction_state that an id belongs to: Java's hash of
 * the string in UTF-16, as clients and tools of Kafka compute it. */
int32_t group_place(struct bytes id, int32_t partition_count);

#endif
