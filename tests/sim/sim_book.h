/* What members of groups, transactional producers and writers of keyed records were promised.
 *
 * Beside the ledger, for topics of its own that are never deleted. Each record has a number, which
 * it carries as a header, and each commit of an offset is a number of its own for that group and
 * partition, so that whoever reads one knows who wrote it and when. The run fails as soon as
 *
 * - a record of a transaction is read under read_committed before its commit was asked for, or
 *   though it was not committed; one of a committed transaction, or an acknowledged one without a
 *   transaction, is missing where a reader has passed; a record lies at two offsets, at another one
 *   than was acknowledged, or before an older one of its writer;
 * - the last stable offset goes back, or passes a transaction that is open;
 * - an epoch of a transactional id is given out twice, or an older one is still served;
 * - a committed offset is lost, goes back without a commit, was refused, or belongs to a
 *   transaction that is not committed;
 * - two members own a partition at one time, or at one generation; a member is thrown out though
 *   it was heard within its session timeout, or within one after the coordinator was away;
 * - of a compacted topic: a key's newest value is missing, or a tombstone is younger than
 *   delete.retention.ms and missing.
 *
 * All of it is a history, too, which history/history.h judges when everything has been read.
 *
 * Threads: none. Every failure ends the process with the seed (sim_fail).
 */
#ifndef TESTS_SIM_SIM_BOOK_H
#define TESTS_SIM_SIM_BOOK_H

#include "storage/base/bytes.h"
#include "storage/base/uuid.h"

/* Kinds of work; or'ed together. */
enum world_work {
    WORK_PLAIN = 1,      /* Producers, consumers, administrators of plain topics. */
    WORK_GROUPS = 2,     /* Members of groups of both protocols. */
    WORK_TXNS = 4,       /* Transactional producers. */
    WORK_COMPACTION = 8, /* Writers of keys into a compacted topic. */
    WORK_STORM = 16,     /* Crowds of members that come, go and pause, and then calm down. */
    WORK_ALL = 31,
};

enum {
    BOOK_TOPICS = 3,
    BOOK_PARTITIONS = 7, /* Of all topics, numbered through. */
    BOOK_KEYS_FIRST = 5, /* The compacted topic's. */
    BOOK_GROUPS = 5,
    BOOK_GROUP_OF_TXNS = 3,   /* It has no members. */
    BOOK_GROUP_OF_MOVERS = 4, /* Its offsets are true ones; those of the others are numbers. */
    BOOK_MOVES = 2,           /* Partitions that are moved: 0 and 1, to 2 and 3. */
    BOOK_KEYS = 24,
    BOOK_WRITERS = 8,
    BOOK_TIDS = 6,
    BOOK_TIDS_OF_MOVERS = 4, /* From here on. */
    BOOK_MEMBERS = 224,
    BOOK_DELETE_RETENTION_MS = 1000,
    BOOK_SESSION_MS = 1500,
    BOOK_REBALANCE_MS = 4000,
};

struct world;
struct book;

struct book_topic {
    const char *name;
    uint32_t first; /* Number of its first partition. */
    uint32_t count;
    struct uuid id; /* Zero: not heard of. */
};

struct book *book_create(struct world *world);
void book_destroy(struct book *book);

const struct book_topic *book_topic(const struct book *book, uint32_t index);
/* The topic of a partition. */
const struct book_topic *book_topic_of(const struct book *book, uint32_t partition);
/* -1: none of these. */
int32_t book_partition_by_name(const struct book *book, struct chain name, int32_t index);
int32_t book_partition_by_id(const struct book *book, const struct uuid *id, int32_t index);
/* Metadata tells of a topic. */
void book_topic_seen(struct book *book, struct bytes name, const struct uuid *id, uint32_t count);
/* All of them, and the coordinators, are there. */
void book_found(struct book *book);
bool book_ready(const struct book *book);
const char *book_group(uint32_t group);
/* From now on nothing new is begun. */
void book_wind_up(struct book *book);
bool book_winding_up(const struct book *book);
/* A process came up, or goes on, and was away from then on: every member that was not silent before
 * gets a whole session timeout. */
void book_fresh(struct book *book, uint64_t away_ns);

/* ---- Records -------------------------------------------------------------------------------- */

/* From 1 on. txn 0, key -1: none. */
uint32_t book_record_make(struct book *book, uint32_t writer, uint32_t partition, uint32_t txn,
                          int32_t key, bool tombstone);
void book_record_acked(struct book *book, uint32_t record, int64_t offset);
/* It is made of that one. */
void book_record_made_of(struct book *book, uint32_t record, uint32_t input);
/* Records of a partition that is moved, as they were handed to a committed reader, from *next on,
 * which moves behind them. Returns how many; at most `max`. */
uint32_t book_handed(const struct book *book, uint32_t partition, uint32_t max, int64_t *next,
                     uint32_t *records);
int32_t book_record_key(const struct book *book, uint32_t record, bool *tombstone);

/* One walk through a partition from its start. */
struct book_pass {
    uint32_t partition;
    bool committed; /* read_committed. */
    uint32_t number;
    uint32_t power_cuts;
    int64_t position;
    int64_t stable; /* The largest last stable offset heard of. */
    uint64_t began_ns;
    uint32_t newest[BOOK_WRITERS]; /* Record, of each writer. */
    uint32_t of_key[BOOK_KEYS];
    uint32_t skipped; /* Records of aborted transactions, by the list. */
};

void book_pass_begin(struct book *book, struct book_pass *pass, uint32_t partition, bool committed);
/* False: a power cut came in between, begin anew. */
bool book_pass_valid(const struct book *book, const struct book_pass *pass);
void book_pass_record(struct book *book, struct book_pass *pass, int64_t offset, uint32_t record);
void book_pass_stable(struct book *book, struct book_pass *pass, int64_t stable, int64_t mark);
/* All below `position` is read; `asked_ns`: when the last of it was asked for. */
void book_pass_check(struct book *book, const struct book_pass *pass, uint64_t asked_ns,
                     int64_t high_watermark);

/* ---- Transactions --------------------------------------------------------------------------- */

/* From 1 on. fickle: it may be ended by others at any time (a timeout, another instance). */
uint32_t book_txn_begin(struct book *book, uint32_t tid, bool fickle);
void book_txn_end_sent(struct book *book, uint32_t txn, bool commit);
void book_txn_end_acked(struct book *book, uint32_t txn, bool commit);
/* Its producer heard that it was fenced, or gives up. */
void book_txn_given_up(struct book *book, uint32_t txn);
/* Whether somebody else may have ended it. */
bool book_txn_fickle(const struct book *book, uint32_t txn);

void book_init_sent(struct book *book, uint32_t tid);
/* A producer was told of it: as it came, or when it ended a transaction. */
void book_epoch_begun(struct book *book, uint32_t tid, int64_t producer_id, int16_t epoch,
                      uint64_t asked_ns);
/* Something of this epoch was accepted. */
void book_epoch_served(const struct book *book, uint32_t tid, int16_t epoch, uint64_t asked_ns,
                       const char *what);
/* A committed reader has read everything to its end: the history is judged, and what it was handed
 * of transactions whose end nobody heard is committed. */
void book_txns_settle(struct book *book);

/* ---- Offsets -------------------------------------------------------------------------------- */

/* The offset to commit, from 1 on. txn 0: none. */
int64_t book_commit_sent(struct book *book, uint32_t group, uint32_t partition, uint32_t txn);
void book_commit_acked(struct book *book, uint32_t group, uint32_t partition, int64_t offset);
void book_commit_refused(struct book *book, uint32_t group, uint32_t partition, int64_t offset);
/* An answer to a question of asked_ns; offset -1: none. stable: no open transaction was passed by.
 */
void book_commit_read(struct book *book, uint32_t group, uint32_t partition, int64_t offset,
                      uint64_t asked_ns, bool stable);

/* ---- Members -------------------------------------------------------------------------------- */

struct book_member {
    uint32_t number;
    uint32_t group;
    uint32_t owned;     /* Bit per partition. */
    int32_t generation; /* Or epoch, of a crowd's member; 0: it has none now. */
    uint64_t heard_ns;  /* When the last request that was accepted was sent. */
    bool in;            /* Heard, and has not left. */
    bool silent;        /* It may have been thrown out, before the coordinator was away. */
};

/* Classic: a generation's assignment arrived. */
void book_synced(struct book *book, uint32_t group, int32_t generation, uint32_t member,
                 uint32_t owned);
/* A commit of that generation was accepted; asked_ns: when it was sent. */
void book_generation_served(const struct book *book, uint32_t group, int32_t generation,
                            uint64_t asked_ns);
/* From now on nobody of a crowd goes or pauses. */
void book_calm_down(struct book *book);
bool book_is_calm(const struct book *book);
/* All members that there are have one generation or epoch, and every partition an owner: NULL. What
 * is still missing otherwise. */
const char *book_unsettled(const struct book *book, uint32_t group);
void book_member_add(struct book *book, struct book_member *member);
void book_member_heard(struct book *book, struct book_member *member, uint64_t asked_ns);
/* Its heartbeat was answered. One that loads answers all of them well, as Kafka's: that makes
 * nobody a member, and with failing disks coordinators load at any time. */
void book_member_beat(const struct book *book, struct book_member *member, uint64_t asked_ns);
/* It owns these now, by the consumer protocol. */
void book_member_owns(struct book *book, struct book_member *member, uint32_t owned);
/* The group does not know it any more. */
void book_member_unknown(const struct book *book, const struct book_member *member);

#endif
