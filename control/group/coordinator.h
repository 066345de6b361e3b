/* What a coordinator is inside; for the files of control/group only. */
#ifndef CONTROL_GROUP_COORDINATOR_H
#define CONTROL_GROUP_COORDINATOR_H

#include "control/group/group.h"
#include "control/table.h"
#include "control/text.h"
#include "dataplane/kafka/errors.h"
#include "storage/base/list.h"

#define WALL_NONE (-1)

enum {
    GROUP_MEMBERS_MAX = 100000,             /* Of ours: what a message has room for. */
    NEW_MEMBER_JOIN_MS_MAX = 5 * 60 * 1000, /* Kafka: CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS. */
    TIMERS_PER_STEP_MAX = 256,
    TIMER_MEMBERS_PER_STEP_MAX = 65536,   /* Of the groups of its timers: most walk all of them. */
    COMMIT_BYTES_MAX = 8 * 1024 * 1024,   /* Of the records of one commit. */
    GROUP_RECORD_BYTES_MAX = 1000 * 1000, /* What one record may hold of its members; */
    PARTITION_BYTES_MAX = 970 * 1000,     /* and of partitions, beside two ids. */
    GROUP_METADATA_WRITTEN = 3,           /* The version that Kafka 4.2 writes. */
    OFFSET_COMMIT_WRITTEN = 4,
    OFFSET_COMMIT_WITH_EXPIRY = 1, /* The only one that has an expiry. */
};

enum group_state {
    GROUP_EMPTY,
    GROUP_PREPARING,
    GROUP_COMPLETING,
    GROUP_STABLE,
};

enum timer_kind {
    TIMER_MEMBER,     /* Nothing was heard of it. */
    TIMER_JOIN,       /* Those who have joined go on without the others. */
    TIMER_SYNC,       /* Those who have not asked for their assignment are out. */
    TIMER_SESSION,    /* Nothing was heard of a member of a consumer group. */
    TIMER_REVOCATION, /* It did not give up what it was told to. */
    TIMER_MIXED_JOIN, /* A classic one among them did not join again. */
    TIMER_MIXED_SYNC, /* It did not ask for its assignment. */
};

/* Part of what it is for. */
struct group_timer {
    uint64_t at_ms;
    uint64_t order; /* Of those due at one time, the one set first fires first. */
    uint32_t place; /* In the heap, from 1; 0: not set. */
    enum timer_kind kind;
};

/* How many members know a protocol. */
struct group_protocol {
    struct table_node node;
    struct list_node in_group;
    struct group *group;
    struct bytes name;
    uint32_t members;
    uint32_t votes;
    const struct member_protocols *last; /* Who named it last, while it does. */
};

struct member_protocol {
    struct group_protocol *protocol;
    struct bytes metadata;
};

/* What a member knows, by preference. */
struct member_protocols {
    struct member_protocol *items;
    uint32_t count;
};

/* A request that waits. */
struct group_parked {
    bool there;
    uint64_t token;
    int16_t version;
};

struct group_member {
    struct table_node by_id;
    struct table_node by_instance; /* Of static members. */
    struct list_node in_group;     /* In the order in which they came. */
    struct group *group;
    struct bytes id;
    struct bytes instance_id; /* ptr NULL: a dynamic member. */
    struct bytes client_id;
    struct bytes client_host;
    int32_t rebalance_timeout_ms;
    int32_t session_timeout_ms;
    struct member_protocols protocols;
    struct bytes assignment;
    /* What it was to have when its group became a classic one, and what DescribeGroups tells until
     * it has another assignment, as in Kafka. In memory only; ptr NULL: the same as that. */
    struct bytes target;
    bool pending;      /* Got an id and has not come back with it: no member yet. */
    bool is_new;       /* Has not got an answer to its first join. */
    bool pending_sync; /* Has not asked for its assignment in this generation. */
    struct group_parked join;
    struct group_parked sync;
    struct group_timer timer;
};

struct group {
    struct table_node node;
    struct list_node in_coordinator;
    struct bytes id;
    struct consumer_group *consumer; /* NULL: a classic group. Else all that follows is empty. */
    enum group_state state;
    enum group_state previous_state;
    int32_t generation;
    struct bytes protocol_type; /* ptr NULL: none, as of groups that only store offsets. */
    struct bytes protocol_name; /* ptr NULL: none chosen. */
    struct group_member *leader;
    int64_t state_since_ms; /* Wall; WALL_NONE: not known. */
    struct list members;
    uint32_t member_count;
    uint32_t pending_count;
    uint32_t joined_count; /* Members whose join waits. */
    uint32_t pending_sync_count;
    struct list protocols;
    /* Topics that the members of this generation want; of groups of consumers. */
    bool topics_known;
    struct bytes *topics; /* In bytewise order. */
    uint32_t topic_count;
    /* The first rebalance of an empty group waits for more to come. */
    bool newcomer; /* Since the wait was last made longer. */
    bool initial;  /* timer_join is that wait. */
    int32_t delay_ms;
    int32_t delay_left_ms;
    struct group_timer timer_join;
    struct group_timer timer_sync;
    uint64_t made; /* Later ones have higher numbers, and stand behind. */
    struct list offsets;
    uint32_t offset_count; /* Of the list. */
    uint32_t open_offsets; /* That a transaction waits to set. */
};

/* How far a group has read a partition. */
struct offset_value {
    int64_t offset;
    int32_t leader_epoch;
    struct bytes metadata; /* Owned. */
    int64_t commit_ms;
    int64_t expire_ms; /* WALL_NONE: by the retention. */
    struct uuid topic_id;
    uint64_t order; /* Later records have higher ones. */
};

struct group_offset {
    struct table_node node;
    struct list_node in_group;
    struct group *group;
    struct bytes topic; /* Of text. */
    int32_t partition;
    bool committed;
    uint64_t made; /* Later ones have higher numbers, and stand behind in their group. */
    struct offset_value value;
    struct list open; /* struct open_offset */
    uint8_t text[];
};

struct open_offset {
    struct list_node in_offset;
    struct list_node in_producer;
    struct group_offset *at;
    struct group_producer *producer;
    struct offset_value value;
};

struct group_producer {
    struct table_node node;
    int64_t id;
    struct list open; /* struct open_offset, in the order of their records. */
};

/* What is too much for one step: all offsets of a group, or all groups. */
struct group_walk {
    struct list_node in_coordinator;
    struct group_parked to;
    bool begun;
    bool lists; /* It is of groups: those of which both bits are set. */
    uint32_t states;
    uint32_t types;
    bool require_stable;
    struct bytes group_id;
    /* When it has begun. */
    struct group *group;       /* Of the offsets; or the next one. NULL: it is gone, or over. */
    struct group_offset *next; /* NULL: there are no more. */
    uint64_t made_max; /* What is made later is not told: it may have been told before it went. */
};

/* A place in a walk over all groups and their offsets. */
struct group_place {
    struct group *group;         /* Whose turn it is; NULL: it is over. */
    bool inside;                 /* It has been looked at, its offsets follow. */
    struct group_offset *offset; /* The next one; NULL: no more. */
};

/* A topic whose offsets are to go, as far as they are older. */
struct group_deletion {
    struct table_node node;
    struct list_node in_coordinator;
    struct bytes topic;
    uint64_t order; /* Of the newest record that it takes. */
    uint64_t sweep; /* It is over with this one. */
};

struct group_coordinator {
    const struct group_settings *settings;
    uint64_t seed;
    struct table groups;
    struct list group_list;
    struct table members; /* Pending ones too. */
    struct table instances;
    struct table protocols;
    struct table offsets;
    struct table producers;
    struct table consumer_members;
    struct table consumer_instances;
    struct table consumer_owners;
    uint32_t offset_count; /* Committed ones. */
    struct group_timer **heap;
    uint32_t heap_count;
    uint32_t heap_capacity;
    uint64_t timer_order;
    uint64_t record_order;
    uint64_t offsets_made;
    uint64_t groups_made;
    uint64_t rebalances;
    uint64_t commits;
    uint64_t expirations;
    struct list walks;       /* struct group_walk */
    struct group_place look; /* Of group_look_next. */
    struct {
        bool on;
        bool expires;
        bool expiry_due; /* With the next one. */
        uint64_t number;
        struct group_place at;
    } sweep;
    struct table deletions;
    struct list deletion_list;
    /* Of the step under way. */
    uint64_t now_ms;
    int64_t wall_ms;
    const struct group_topics *all_topics;
};

/* coordinator.c */
void group_timer_set(struct group_coordinator *coordinator, struct group_timer *timer,
                     uint64_t at_ms);
void group_timer_clear(struct group_coordinator *coordinator, struct group_timer *timer);
struct group *group_find(const struct group_coordinator *coordinator, struct bytes id);
struct group *group_add(struct group_coordinator *coordinator, struct bytes id);
/* Without offsets and members. */
void group_remove(struct group_coordinator *coordinator, struct group *group);
/* No members, of whatever protocol. */
bool group_is_empty(const struct group *group);
/* What is set for this group; NULL: nothing. */
const struct group_config *group_config_find(const struct group_settings *settings,
                                             struct bytes group_id);
const char *group_state_name(enum group_state state);
void group_state_set(struct group_coordinator *coordinator, struct group *group,
                     enum group_state state);

/* NULL: there is none behind. */
static inline struct group_offset *offset_behind(const struct group *group,
                                                 const struct list_node *node)
{
    return node->next == &group->offsets.head
               ? NULL
               : CONTAINER_OF(node->next, struct group_offset, in_group);
}

/* look.c */
/* NULL: there is none behind. */
struct group *group_behind(const struct group_coordinator *coordinator,
                           const struct list_node *node);
void look_at_first(const struct group_coordinator *coordinator, struct group_place *place);
void look_inside(struct group_place *place);
void look_past_group(const struct group_coordinator *coordinator, const struct group *group,
                     struct group_place *place);
/* They are about to go: nobody stands there any more. */
void looks_past_group(struct group_coordinator *coordinator, const struct group *group);
void looks_past_offset(struct group_coordinator *coordinator, const struct group_offset *at);
/* How it is told, of either protocol. */
enum group_shown group_shown_state(const struct group *group);
uint32_t group_members(const struct group *group);

/* sweep.c */
/* Its topic is deleted, and it will go. */
bool offset_is_gone(const struct group_coordinator *coordinator, const struct group_offset *at);
void deletions_free(struct group_coordinator *coordinator);

/* walk.c */
void walk_add(struct group_coordinator *coordinator, const struct group_walk *walk);
void walk_free(struct group_walk *walk);
/* They are about to go. */
void walks_past_group(struct group_coordinator *coordinator, const struct group *group);
void walks_past_offset(struct group_coordinator *coordinator, const struct group_offset *at);

/* fetch.c */
/* Offsets of the walk's group from walk->next on, as far as the event lets it; then walk->next is
 * the one behind, NULL when those were the last. */
void offsets_fetch(const struct group_coordinator *coordinator, const struct group_event *event,
                   struct group_walk *walk, struct group_update *update,
                   struct offset_fetch_response_group *answer);
/* From the first group, or from the first offset of its group on. */
void walk_begin(const struct group_coordinator *coordinator, struct group_walk *walk);

/* describe.c */
/* Groups from walk->group on, as far as the event lets it; then that is the one behind. */
void groups_list(const struct group_coordinator *coordinator, const struct group_event *event,
                 struct group_walk *walk, struct group_update *update,
                 struct list_groups_response *answer);

/* update.c */
void update_reply(struct group_update *update, enum group_event_kind kind,
                  const struct group_parked *to, void *answer);
/* Part of the answer. */
void update_reply_more(struct group_update *update, enum group_event_kind kind,
                       const struct group_parked *to, void *answer);
/* Whether the step may walk on; weight: of what it has just walked by. */
bool update_walked(struct group_update *update, const struct group_event *event, uint32_t weight);
void update_record(struct group_update *update, struct bytes key, struct bytes value);
/* A copy in the update's arena. */
struct chain update_chain(struct group_update *update, struct bytes text);
struct bytes update_text(struct group_update *update, struct chain chain);

/* member.c */
struct group_member *member_find(const struct group_coordinator *coordinator,
                                 const struct group *group, struct bytes id);
struct group_member *member_by_instance(const struct group_coordinator *coordinator,
                                        const struct group *group, struct bytes instance_id);
struct group_member *member_new(struct group_coordinator *coordinator, struct group *group,
                                struct bytes id);
/* A pending one becomes a member; protocols and instance id are set before. */
void member_enter(struct group_coordinator *coordinator, struct group_member *member);
void member_instance_set(struct group_coordinator *coordinator, struct group_member *member,
                         struct bytes instance_id);
/* A copy with its metadata; names that come again are left out. */
void member_protocols_set(struct group_coordinator *coordinator, struct group *group,
                          struct member_protocols *protocols,
                          struct join_group_request_protocol_array from);
void member_protocols_copy(struct group_coordinator *coordinator, struct group *group,
                           struct member_protocols *protocols, const struct member_protocols *from);
void member_protocols_drop(struct group_coordinator *coordinator,
                           struct member_protocols *protocols);
void member_protocol_add(struct group_coordinator *coordinator, struct group_member *member,
                         struct bytes name, struct bytes metadata);
bool member_protocols_equal(const struct member_protocols *protocols,
                            struct join_group_request_protocol_array with);
/* NULL: nobody knows it. */
struct group_protocol *group_protocol_find(const struct group_coordinator *coordinator,
                                           const struct group *group, struct bytes name);
/* NULL ptr: does not know it. */
struct bytes member_metadata(const struct group_member *member, struct bytes protocol);
/* Also the pending. Nobody waits in it any more. */
void member_remove(struct group_coordinator *coordinator, struct group_member *member);
void member_heard(struct group_coordinator *coordinator, struct group_member *member);
/* It has none, and was to have none. */
void member_assignment_drop(struct group_member *member);
void member_rename(struct group_coordinator *coordinator, struct group_member *member,
                   struct bytes id);
/* May be refused with an error. */
MUST_USE int16_t member_check(const struct group_coordinator *coordinator,
                              const struct group *group, struct bytes id, struct chain instance_id,
                              struct group_member **member);
bool group_takes_protocols(struct group_update *update, const struct group_coordinator *coordinator,
                           const struct group *group, const struct join_group_request *request);
/* What most members want of what all know. */
struct bytes group_protocol_choose(const struct group_coordinator *coordinator,
                                   struct group *group);
void group_topics_learn(struct group *group);
bool group_wants_topic(const struct group *group, struct bytes topic);
bool group_of_consumers(const struct group *group);
int32_t group_rebalance_timeout_ms(const struct group *group);
/* Of its record, without assignments: at least what it takes. */
uint64_t group_record_bytes(const struct group *group);
bool group_all_joined(const struct group *group);

/* rebalance.c */
/* The parked join is over with an error. */
void join_end(struct group_update *update, struct group_member *member, int16_t error_code,
              struct bytes member_id);
void join_refuse(struct group_update *update, const struct group_parked *to, int16_t error_code,
                 struct bytes member_id);
/* The current generation, as this member is told it. */
void join_tell(struct group_update *update, const struct group_parked *to,
               const struct group_member *member, struct bytes leader, bool with_members,
               bool skip_assignment);
/* The parked sync is over, with the assignment or an error. */
void sync_end(struct group_update *update, struct group_member *member, int16_t error_code);
/* What the request gets at once. */
void sync_tell(struct group_update *update, const struct group_parked *to,
               const struct group_member *member, int16_t error_code);
/* The member asked for its assignment. */
void sync_asked(struct group_coordinator *coordinator, struct group_member *member);
void rebalance_prepare(struct group_coordinator *coordinator, struct group *group,
                       struct group_update *update);
/* Starts one, or ends the one under way if all are there. */
void rebalance_go_on(struct group_coordinator *coordinator, struct group *group,
                     struct group_update *update);
void rebalance_complete(struct group_coordinator *coordinator, struct group *group,
                        struct group_update *update);
void rebalance_complete_if_ready(struct group_coordinator *coordinator, struct group *group,
                                 struct group_update *update);
/* How many members the group had. */
uint32_t group_timer_fire(struct group_coordinator *coordinator, struct group_timer *timer,
                          struct group_update *update);

/* update.c, too */
void record_group(struct group_update *update, const struct group *group);
/* The group as it is before anybody has joined. */
void record_group_empty(struct group_update *update, const struct group *group);
void record_group_gone(struct group_update *update, const struct group *group);
void record_offset(struct group_update *update, const struct group_offset *at,
                   const struct offset_value *value);
void record_offset_gone(struct group_update *update, const struct group_offset *at);

/* offset.c */
struct group_offset *offset_find(const struct group_coordinator *coordinator,
                                 const struct group *group, struct bytes topic, int32_t partition);
struct group_offset *offset_at(struct group_coordinator *coordinator, struct group *group,
                               struct bytes topic, int32_t partition);
/* The value's metadata is copied. */
void offset_set(struct group_coordinator *coordinator, struct group_offset *at,
                const struct offset_value *value);
void offset_open(struct group_coordinator *coordinator, struct group_offset *at,
                 int64_t producer_id, const struct offset_value *value);
/* Committed and open ones. */
void offset_drop(struct group_coordinator *coordinator, struct group_offset *at);
void offset_txn_end(struct group_coordinator *coordinator, int64_t producer_id, bool committed);
void group_offsets_drop(struct group_coordinator *coordinator, struct group *group,
                        struct group_update *update);

/* Each event's step. */
typedef void group_event_step(struct group_coordinator *coordinator,
                              const struct group_event *event, struct group_update *update);
group_event_step join_step;
group_event_step sync_step;
group_event_step heartbeat_step;
group_event_step leave_step;
group_event_step offset_commit_step;
group_event_step txn_offset_commit_step;
group_event_step offset_fetch_step;
group_event_step offset_delete_step;
group_event_step topic_deleted_step;
group_event_step expire_step;
group_event_step sweep_step;
group_event_step txn_clear_step;
group_event_step describe_step;
group_event_step list_step;
group_event_step delete_step;
group_event_step more_step;

#endif
