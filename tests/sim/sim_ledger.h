/* What the clients of a simulation know, and what the broker must therefore keep.
 *
 * Every record has a number of its own, from which its key and value follow, so that whoever reads
 * it can check its bytes. The ledger remembers where each was sent, acknowledged and read, and
 * fails the run as soon as two of these do not fit together:
 *
 * - what was acknowledged with acks=1, or read by a consumer, survives kill -9;
 * - what was acknowledged with acks=all (or by a topic with flush.messages=1) survives a power cut;
 * - an offset never changes its record, within what must survive;
 * - no record of an idempotent producer lies in a partition twice, and in their order;
 * - nothing is read that was not sent there; offsets have no holes;
 * - the log start only moves forward, and no further than somebody asked.
 *
 * Threads: none. Every failure ends the process with the seed (sim_fail).
 */
#ifndef TESTS_SIM_SIM_LEDGER_H
#define TESTS_SIM_SIM_LEDGER_H

#include "storage/base/bytes.h"
#include "storage/base/uuid.h"

enum {
    LEDGER_TOPICS_MAX = 8,      /* Names. */
    LEDGER_PARTITIONS_MAX = 16, /* Of a topic. */
    LEDGER_VALUE_BYTES_MAX = 40 * 1024,
    LEDGER_PRODUCERS_MAX = 16,
};

struct ledger;

/* ---- Ends of a run -------------------------------------------------------------------------- */

/* Prints what is wrong and how to replay it, then ends the process. */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct ledger *ledger_create(void);
void ledger_destroy(struct ledger *ledger);

/* ---- Topics --------------------------------------------------------------------------------- */

/* What decides how much a partition must keep. */
struct ledger_config {
    int64_t retention_ms;    /* -1: none. */
    int64_t retention_bytes; /* -1: none. */
    int64_t flush_messages;
    int64_t segment_ms;
    int64_t segment_bytes;
    int64_t index_bytes;
    int64_t interval_bytes;
    bool log_append_time;
};

struct ledger_partition;

struct ledger_topic {
    char name[16];
    struct ledger_config config;
    struct ledger_config config_before; /* Of a change whose answer never came, or is young. */
    uint32_t config_changes;            /* Asked for. */
    struct uuid id;                     /* Of the incarnation that is known to exist; zero: none. */
    uint32_t partition_count;
    bool fixed;   /* Never deleted: a name stands for one topic. */
    bool asked;   /* A creation, growth or deletion was asked for and not answered. */
    bool created; /* Acknowledged to exist. */
};

/* number: 0 to LEDGER_TOPICS_MAX - 1. */
struct ledger_topic *ledger_topic(struct ledger *ledger, uint32_t number);
struct bytes ledger_topic_name(const struct ledger *ledger, uint32_t number);
/* -1: nobody's. */
int32_t ledger_topic_named(const struct ledger *ledger, struct bytes name);
/* The partition of one incarnation; made when new. */
struct ledger_partition *ledger_partition(struct ledger *ledger, uint32_t topic,
                                          const struct uuid *id, uint32_t index);
/* NULL when nobody has heard of it. */
struct ledger_partition *ledger_partition_find(struct ledger *ledger, const struct uuid *id,
                                               uint32_t index);
/* Walks all partitions; start with NULL. */
struct ledger_partition *ledger_partition_next(struct ledger *ledger,
                                               const struct ledger_partition *after);

/* ---- Records -------------------------------------------------------------------------------- */

/* number from 1 on. */
static inline uint64_t ledger_record_id(uint32_t producer, uint32_t number)
{
    return ((uint64_t)producer + 1) << 32 | number;
}

/* Key and value of a record, in memory of LEDGER_VALUE_BYTES_MAX + 64 bytes. */
void ledger_content(uint64_t id, uint32_t value_bytes_max, uint8_t *memory, struct bytes *key,
                    struct bytes *value);

/* A producer makes a record for a partition. Returns its id. */
uint64_t ledger_record_make(struct ledger *ledger, uint32_t producer, bool idempotent,
                            uint32_t value_bytes_max, uint32_t topic, uint32_t partition,
                            int64_t timestamp_ms);
uint32_t ledger_record_value_max(const struct ledger *ledger, uint64_t id);
/* It goes out (once more). */
void ledger_record_sent(struct ledger *ledger, uint64_t id);
/* Its producer took a new identity while it was uncertain: it may lie there twice. */
void ledger_record_doubtful(struct ledger *ledger, uint64_t id);

/* A producer id was given out: never twice. */
void ledger_producer_id(struct ledger *ledger, int64_t producer_id);

/* ---- What was heard ------------------------------------------------------------------------- */

enum ledger_ack { LEDGER_ACK_WRITTEN, LEDGER_ACK_FLUSHED };

void ledger_acked(struct ledger *ledger, struct ledger_partition *partition, uint64_t first_id,
                  uint32_t count, int64_t base_offset, enum ledger_ack ack);

struct ledger_read {
    int64_t offset;
    int32_t epoch;
    int64_t timestamp_ms;
    bool log_append_time; /* The batch says that it is the broker's. */
    struct bytes key;
    struct bytes value;
};
void ledger_read(struct ledger *ledger, struct ledger_partition *partition,
                 const struct ledger_read *read);

/* Offsets below are readable from now on, and for good as far as kill -9 goes. */
void ledger_high_watermark(struct ledger_partition *partition, int64_t high_watermark);
void ledger_log_start(struct ledger_partition *partition, int64_t log_start);
/* DeleteRecords up to offset: asked for, and acknowledged with the new start. */
void ledger_delete_asked(struct ledger_partition *partition, int64_t offset);
void ledger_delete_acked(struct ledger_partition *partition, int64_t low_watermark);
/* The latest wall clock anybody saw. */
void ledger_wall(struct ledger *ledger, int64_t wall_ms);

/* ---- Questions ------------------------------------------------------------------------------ */

uint32_t ledger_partition_topic(const struct ledger_partition *partition);
uint32_t ledger_partition_index(const struct ledger_partition *partition);
const struct uuid *ledger_partition_id(const struct ledger_partition *partition);
/* What is readable for sure: below this offset and from the log start on. */
int64_t ledger_readable(const struct ledger_partition *partition);
/* The most that the log start may be. */
int64_t ledger_start_max(const struct ledger *ledger, const struct ledger_partition *partition);
/* The largest start heard of. */
int64_t ledger_start(const struct ledger_partition *partition);
/* The leader epoch since the last start. */
int32_t ledger_epoch(const struct ledger_partition *partition);
/* Nothing is known at or above it. */
int64_t ledger_end(const struct ledger_partition *partition);
/* Checks the answer of a lookup by timestamp: offset -1 none. readable: when it was asked for. */
void ledger_check_timestamp(const struct ledger *ledger, const struct ledger_partition *partition,
                            int64_t readable, int64_t wanted_ms, int64_t offset,
                            int64_t timestamp_ms);
/* The same of OffsetForLeaderEpoch. */
void ledger_check_epoch(const struct ledger *ledger, const struct ledger_partition *partition,
                        int64_t readable, int32_t wanted, int32_t epoch, int64_t end_offset);
/* The topic's configuration is about to be another: what was allowed until now stays so. */
void ledger_config_changes(struct ledger *ledger, uint32_t topic);
/* Bits of its files were flipped: what is lost or changed then is no failure. */
void ledger_suspect(struct ledger_partition *partition);
/* What was deleted may come back: the file that said so is damaged. */
void ledger_deletes_forgotten(struct ledger_partition *partition);
/* Nothing is said about its leader epochs any more. */
void ledger_epochs_forgotten(struct ledger_partition *partition);
/* Of each producer only the last batch may be known: repeats of those before it are refused. */
void ledger_repeats_forgotten(struct ledger_partition *partition);
bool ledger_repeats_suspected(const struct ledger_partition *partition);
/* A crash has taken records that were acknowledged as written only. */
bool ledger_lost(const struct ledger_partition *partition);
bool ledger_suspected(const struct ledger_partition *partition);

/* ---- Crashes -------------------------------------------------------------------------------- */

enum ledger_crash { LEDGER_STOP, LEDGER_KILL, LEDGER_POWER };

/* The broker is gone; for each partition the worst of several counts until it comes up again, and
 * with a larger leader epoch than clients can have heard before the last crash that met it up (H7).
 * So too when it stays away at the start after the crash, and comes up after a stop in order. */
void ledger_crashed(struct ledger *ledger, enum ledger_crash crash);
/* The broker has ended in order. */
void ledger_stopped(struct ledger *ledger);
/* A partition came up again: this is its log now. leader_epoch: of new batches. */
void ledger_recovered(struct ledger *ledger, struct ledger_partition *partition, int64_t log_start,
                      int64_t end, int32_t leader_epoch);
/* All of them are up that will come. */
void ledger_restarted(struct ledger *ledger);

/* Everything was read since the last restart: order, holes, epochs. */
void ledger_audit(struct ledger *ledger, struct ledger_partition *partition, int64_t log_start,
                  int64_t end);

#endif
