/* Groups of the consumer protocol (KIP-848) as a coordinator holds them; for the files of
 * control/group only. Sources of the rules: ConsumerGroup.java, GroupMetadataManager.java. */
#ifndef CONTROL_GROUP_CONSUMER_H
#define CONTROL_GROUP_CONSUMER_H

#include "control/group/coordinator.h"
#include "control/group/partitions.h"

enum {
    EPOCH_JOIN = 0,
    EPOCH_LEAVE = -1,
    EPOCH_LEAVE_STATIC = -2,       /* It will be back under its instance id. */
    REGEX_REFRESH_MS_MIN = 10000,  /* Kafka: REGEX_BATCH_REFRESH_MIN_INTERVAL_MS. */
    REGEX_NAMES_PER_STEP = 100000, /* That are looked at again: some ten milliseconds. */
    REGEXES_NEVER_RESOLVED = -1,
};

/* What a record says, in Kafka's numbers. */
enum consumer_member_state {
    MEMBER_STABLE = 0,
    MEMBER_UNREVOKED = 1,  /* Has to give up partitions before it may enter the next epoch. */
    MEMBER_UNRELEASED = 2, /* Is in the epoch; waits for partitions that others still have. */
};

struct text_list {
    struct bytes *items; /* In bytewise order, each once. */
    uint32_t count;
};

struct consumer_regex {
    struct list_node in_group;
    struct bytes text;
    uint32_t members; /* That subscribe to it. */
    bool resolved;
    bool stale;              /* It is to be looked at again. */
    struct text_list topics; /* That match. */
};

/* What a member has that speaks the classic protocol. */
struct consumer_classic {
    struct consumer_member *member;
    int32_t session_timeout_ms;
    struct member_protocols protocols; /* At least one. */
    struct group_timer join;           /* For how long it may stay away when it is to join. */
    struct group_timer sync;           /* For how long it may leave its assignment. */
};

struct consumer_member {
    struct table_node by_id;
    struct table_node by_instance; /* Of static members. */
    struct list_node in_group;     /* In the order in which they came. */
    struct group *group;
    struct bytes id;
    struct bytes instance_id; /* ptr NULL: a dynamic member. */
    struct bytes rack_id;     /* ptr NULL: not told. */
    struct bytes client_id;
    struct bytes client_host;
    struct bytes assignor; /* ptr NULL: it has no wish. */
    struct text_list topics;
    struct consumer_regex *regex;     /* NULL: none. */
    struct consumer_classic *classic; /* NULL: it speaks the consumer protocol. */
    int32_t rebalance_timeout_ms;
    int32_t epoch;
    int32_t previous_epoch;
    enum consumer_member_state state;
    bool is_written;               /* A record says that it is a member. */
    bool leaves;                   /* With others, in this step. */
    bool has_target;               /* A record says what it is to have. */
    struct partition_set target;   /* What it is to have. */
    struct partition_set assigned; /* What it may have. */
    struct partition_set revoking; /* What it may not have any more, and perhaps still has. */
    struct group_timer session;
    struct group_timer revocation; /* For how long it may keep what it is to give up. */
    int32_t revocation_epoch;
};

/* Who has a partition, assigned or not yet given up. */
struct consumer_owner {
    struct table_node node;
    struct group *group;
    struct topic_partition place;
    struct consumer_member *member;
};

struct consumer_group {
    int32_t epoch;
    int32_t target_epoch; /* Of the group when targets were worked out. */
    int64_t metadata_hash;
    bool has_partition_metadata; /* A record of Kafka before 4.1 is to be taken away. */
    struct list members;
    uint32_t member_count;
    uint32_t classic_count; /* Of them, those that speak the classic protocol. */
    struct list regexes;
    /* Of this process's life only. */
    int64_t topics_version;  /* For which the hash holds; -1: none. */
    int64_t regexes_created; /* group_topics.created when all were found stale. */
    uint64_t regexes_at_ms;
};

/* consumer.c */
struct consumer_group *consumer_group_make(struct group *group);
/* From an empty classic one; offsets stay. */
void group_become_consumer(struct group_coordinator *coordinator, struct group *group);
/* All of it but the offsets; the group is a classic one without members then. */
void consumer_group_drop(struct group_coordinator *coordinator, struct group *group);
enum group_shown consumer_group_shown(const struct group *group);
const char *consumer_group_state(const struct group *group);
struct consumer_member *consumer_member_find(const struct group_coordinator *coordinator,
                                             const struct group *group, struct bytes id);
struct consumer_member *consumer_member_by_instance(const struct group_coordinator *coordinator,
                                                    const struct group *group,
                                                    struct bytes instance_id);
struct consumer_member *consumer_member_new(struct group_coordinator *coordinator,
                                            struct group *group, struct bytes id);
/* Its regular expression may be one that nobody wants then. */
void consumer_member_remove(struct group_coordinator *coordinator, struct consumer_member *member);
void consumer_member_rename(struct group_coordinator *coordinator, struct consumer_member *member,
                            struct bytes id);
void consumer_member_instance_set(struct group_coordinator *coordinator,
                                  struct consumer_member *member, struct bytes instance_id);
/* NULL ptr or empty: none. */
void consumer_member_regex_set(struct consumer_member *member, struct bytes text);
void consumer_member_assign(struct group_coordinator *coordinator, struct consumer_member *member,
                            struct partition_set assigned, struct partition_set revoking);
/* NULL: nobody has it. */
const struct consumer_member *consumer_owner_of(const struct group_coordinator *coordinator,
                                                const struct group *group,
                                                const struct topic_partition *place);
struct consumer_regex *consumer_regex_find(const struct group *group, struct bytes text);
struct consumer_regex *consumer_regex_at(struct group *group, struct bytes text);
void consumer_regex_drop(struct group *group, struct consumer_regex *regex);
void consumer_group_invariants(const struct group_coordinator *coordinator,
                               const struct group *group);
bool text_list_equal(struct text_list a, struct text_list b);
bool text_list_has(struct text_list list, struct bytes text);
/* A copy on the heap; what it was is freed. */
void text_list_keep(struct text_list *owned, struct text_list list);
/* In order and each once; views of the chains, in the arena. */
struct text_list text_list_read(struct arena *arena, struct string_array from);

/* NULL: there is none. */
const struct group_topic *topic_by_name(const struct group_topics *topics, struct bytes name);
const struct group_topic *topic_by_id(const struct group_topics *topics, struct uuid id);
/* subscription.c */
/* Topics that exist and that a member wants, by id; in the arena. */
struct topic_list {
    const struct group_topic **items;
    uint32_t count;
};
struct topic_list consumer_member_topics(const struct group_coordinator *coordinator,
                                         struct arena *arena, const struct consumer_member *member);
struct topic_list consumer_group_topics(const struct group_coordinator *coordinator,
                                        struct arena *arena, const struct group *group);
bool topic_list_has(struct topic_list list, struct uuid id);
bool consumer_group_wants(const struct group *group, struct bytes topic);
int64_t consumer_group_hash(const struct group_coordinator *coordinator, struct arena *arena,
                            const struct group *group);
/* Topics whose names a pattern matches, in their order; views. There are topics. */
struct text_list consumer_regex_matches(const struct group_coordinator *coordinator,
                                        struct arena *arena, struct bytes text);
/* What matches, once more if there is reason to. True: another group of topics than before. */
bool consumer_regexes_refresh(struct group_coordinator *coordinator, struct group *group,
                              struct group_update *update);

/* target.c */
/* In the epoch of the group, if that is newer. False, and no target has changed: what a member
 * would be to have fits into no record. */
MUST_USE bool consumer_target_update(struct group_coordinator *coordinator, struct group *group,
                                     struct group_update *update);
/* Whether all partitions there are fit into a record: nothing else need be asked then. */
bool consumer_targets_always_fit(const struct group_coordinator *coordinator);
/* What a request would make of a member. */
struct consumer_wish {
    const struct consumer_member *member; /* NULL: it is new. */
    struct bytes id;
    struct bytes instance_id; /* ptr NULL: none. */
    struct text_list topics;
    struct bytes regex;    /* Empty: none. */
    struct bytes assignor; /* ptr NULL: it has no wish. */
};
/* Whether everybody's target would fit into a record. group: NULL, there is none yet; arena: what
 * is worked out. Changes nothing. */
MUST_USE bool consumer_wish_fits(const struct group_coordinator *coordinator, struct arena *arena,
                                 const struct group *group, const struct consumer_wish *wish);
/* By the vote of the members; of the settings where they have none. */
enum group_assignor consumer_assignor(const struct group_coordinator *coordinator,
                                      const struct group *group);
const char *consumer_assignor_name(enum group_assignor assignor);
bool consumer_assignor_parse(const struct group_settings *settings, struct bytes name,
                             enum group_assignor *assignor);

/* reconcile.c */
enum consumer_reconciled {
    CONSUMER_AS_BEFORE,
    CONSUMER_CHANGED,   /* What it may have has. */
    CONSUMER_TOO_LARGE, /* Its step fits into no record, and nothing was done. */
};
/* A step of the member towards its target. owned: what it says to have; NULL: it did not say. */
MUST_USE enum consumer_reconciled consumer_member_reconcile(struct group_coordinator *coordinator,
                                                            struct consumer_member *member,
                                                            bool subscription_changed,
                                                            const struct partition_set *owned,
                                                            struct group_update *update);

/* heartbeat.c */
/* As Kafka makes ids of members. */
struct bytes consumer_random_id(struct arena *arena, struct uuid random);
void consumer_member_heard(struct group_coordinator *coordinator, struct consumer_member *member);
void consumer_revocation_start(struct group_coordinator *coordinator,
                               struct consumer_member *member);
void consumer_revocation_timeout(struct group_coordinator *coordinator,
                                 struct consumer_member *member, struct group_update *update);
/* What was replayed is in force from now on. */
void consumer_group_resume(struct group_coordinator *coordinator, struct group *group);

/* change.c */
/* The group's epoch rises when what its members want has changed (bump), or what is known of it. */
void consumer_epoch_update(struct group_coordinator *coordinator, struct group *group, bool bump,
                           struct group_update *update);
/* A pattern goes with the last who wanted it. NULL: there was none. */
void consumer_regex_release(struct group *group, struct consumer_regex *regex,
                            struct group_update *update);
/* A static member is back under a new id, with all that the old one had. */
void consumer_member_replace(struct group_coordinator *coordinator, struct consumer_member *member,
                             struct bytes id, struct group_update *update);
/* True: it is another one now. */
bool consumer_text_update(struct bytes *text, struct bytes to);
/* A classic LeaveGroup names members, by id or instance, and then all of them leave at once. */
MUST_USE int16_t consumer_leave_mark(const struct group_coordinator *coordinator,
                                     const struct group *group, struct bytes member_id,
                                     struct bytes instance_id);
/* The group goes on in its next epoch, or as a classic one. */
void consumer_leave_marked(struct group_coordinator *coordinator, struct group *group,
                           struct group_update *update);
/* Out of the group, as if it left. */
void consumer_member_fence(struct group_coordinator *coordinator, struct consumer_member *member,
                           struct group_update *update);

/* mixed.c */
/* Its protocols and its session are to be set. */
struct consumer_classic *consumer_member_classic_begin(struct group_coordinator *coordinator,
                                                       struct consumer_member *member);
void consumer_member_classic_end(struct group_coordinator *coordinator,
                                 struct consumer_member *member);
/* At least what a member of a classic group takes in a record of the consumer protocol. */
uint64_t classic_member_record_bytes(const struct group *group, const struct group_member *member);
/* Those of its waits that were under way begin anew. */
void mixed_waits_resume(struct group_coordinator *coordinator, struct consumer_member *member);
/* By its id, or by its instance if it names one. */
MUST_USE int16_t mixed_member_find(const struct group_coordinator *coordinator,
                                   const struct group *group, struct bytes id,
                                   struct bytes instance_id, struct consumer_member **member);
MUST_USE int16_t mixed_heartbeat(struct group_coordinator *coordinator, const struct group *group,
                                 const struct heartbeat_request *request,
                                 struct group_update *update);
void mixed_sync(struct group_coordinator *coordinator, const struct group *group,
                const struct group_event *event, struct group_update *update);
/* mixed_join.c */
void mixed_join(struct group_coordinator *coordinator, struct group *group,
                const struct group_event *event, int32_t rebalance_timeout_ms,
                struct group_update *update);

/* downgrade.c */
/* Whether the group is to become a classic one: without those that are marked to leave, all speak
 * the classic protocol, and it is allowed. replaced: NULL, or the last that speaks the other, in
 * whose place a classic member is about to step. */
bool consumer_downgrade_due(const struct group_coordinator *coordinator, const struct group *group,
                            const struct consumer_member *replaced);
/* Without those that are marked to leave; with all that each has as its assignment. The group comes
 * together again if that is wanted (rebalance), or where members were on their way to others. */
void consumer_downgrade(struct group_coordinator *coordinator, struct group *group,
                        int32_t generation, bool rebalance, struct group_update *update);

/* commit.c and fetch.c ask. */
MUST_USE int16_t consumer_epoch_check(const struct group_coordinator *coordinator,
                                      const struct group *group, struct bytes member_id,
                                      int32_t epoch, bool *is_classic);

/* consumer_records.c */
void record_consumer_group(struct group_update *update, const struct group *group);
void record_consumer_member(struct group_update *update, const struct consumer_member *member);
void record_consumer_target(struct group_update *update, const struct consumer_member *member);
void record_consumer_target_epoch(struct group_update *update, const struct group *group);
void record_consumer_current(struct group_update *update, const struct consumer_member *member);
void record_consumer_regex(struct group_update *update, const struct group *group,
                           const struct consumer_regex *regex, int64_t version, int64_t wall_ms);
void record_consumer_regex_gone(struct group_update *update, const struct group *group,
                                const struct consumer_regex *regex);
void record_consumer_partition_metadata_gone(struct group_update *update,
                                             const struct group *group);
void record_consumer_member_gone(struct group_update *update, const struct group *group,
                                 struct bytes member_id);
/* Everything of a group. */
void record_consumer_group_gone(struct group_update *update, const struct group *group);

/* consumer_replay.c */
enum group_replay_status consumer_replay(struct group_coordinator *coordinator, int16_t type,
                                         struct reader *key, struct bytes value);

group_event_step consumer_heartbeat_step;
group_event_step consumer_describe_step;

#endif
