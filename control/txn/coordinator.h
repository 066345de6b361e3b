/* What a coordinator of transactions is inside; for the files of control/txn only. */
#ifndef CONTROL_TXN_COORDINATOR_H
#define CONTROL_TXN_COORDINATOR_H

#include "control/table.h"
#include "control/text.h"
#include "control/txn/txn.h"
#include "dataplane/kafka/errors.h"
#include "storage/base/list.h"

#define NO_ID    (-1)
#define NO_EPOCH ((int16_t)-1)
#define NO_TIME  (-1)

enum {
    RECORD_TRANSACTION_LOG = 0,
    EPOCH_EXHAUSTED = INT16_MAX - 1, /* From here on a new producer id is needed. */
    VERSION_WITH_BUMPS = 2,          /* transaction.version: every end raises the epoch. */
    PLACE_TOPIC_BYTES = 10,          /* Of a topic in a record, beside its name. */
    PLACES_BYTES_MAX = 1000 * 1000,  /* What one record has room for. */
};

struct txn {
    struct table_node node;
    struct list_node in_all;
    struct bytes id;
    enum txn_state state;
    int64_t producer_id;
    int64_t previous_producer_id; /* Before the last change. */
    int64_t next_producer_id;     /* From when the transaction is complete; or NO_ID. */
    int16_t epoch;
    int16_t last_epoch; /* Before the last rise that its owner asked for; not recorded. */
    int32_t timeout_ms;
    struct txn_place *places; /* By topic and partition; topics are owned. */
    uint32_t place_count;
    uint32_t place_capacity;
    int64_t start_ms; /* Wall, as are all; NO_TIME: not started. */
    int64_t update_ms;
    int16_t version; /* transaction.version of who drives it. */
};

struct txn_coordinator {
    const struct txn_settings *settings;
    uint64_t seed;
    struct table table;
    struct list all; /* In the order in which they came. */
    int64_t resumed_ms;
    struct txn_counts counts;
    /* Of the step under way. */
    int64_t wall_ms;
};

/* coordinator.c */
struct txn *txn_find(const struct txn_coordinator *coordinator, struct bytes id);
struct txn *txn_add(struct txn_coordinator *coordinator, struct bytes id);
void txn_remove(struct txn_coordinator *coordinator, struct txn *txn);
void txn_state_set(struct txn_coordinator *coordinator, struct txn *txn, enum txn_state state);
bool txn_has_place(const struct txn *txn, struct bytes topic, int32_t partition);
void txn_place_add(struct txn *txn, struct bytes topic, int32_t partition);
/* Of a record with them. */
uint64_t txn_places_bytes(const struct txn *txn);
void txn_places_clear(struct txn *txn);

/* update.c */
void txn_update_reply(struct txn_update *update, const struct txn_event *event, void *answer);
struct chain txn_update_chain(struct txn_update *update, struct bytes text);
void txn_record_write(const struct txn_coordinator *coordinator, struct txn_update *update,
                      const struct txn *txn);
void txn_record_gone(struct txn_update *update, const struct txn *txn);
void txn_marker_ask(struct txn_update *update, const struct txn *txn);

/* end.c */
/* Commits or aborts: the record, then the markers; with none to write it is complete at once. */
void txn_prepare(struct txn_coordinator *coordinator, struct txn *txn, bool commits,
                 int16_t version, int64_t next_producer_id, struct txn_update *update);
/* Aborts in the name of the coordinator: its owner has a new epoch and learns so. */
void txn_fence(struct txn_coordinator *coordinator, struct txn *txn, struct txn_update *update);
void txn_complete(struct txn_coordinator *coordinator, struct txn *txn, struct txn_update *update);

static inline bool txn_is_exhausted(int16_t epoch)
{
    return epoch >= EPOCH_EXHAUSTED;
}

static inline bool txn_is_preparing(const struct txn *txn)
{
    return txn->state == TXN_PREPARE_COMMIT || txn->state == TXN_PREPARE_ABORT;
}

/* What old clients do not know is told in words they know. */
static inline int16_t txn_error_for(int16_t error_code, int16_t version, int16_t version_known_from)
{
    return error_code == ERROR_PRODUCER_FENCED && version < version_known_from
               ? ERROR_INVALID_PRODUCER_EPOCH
               : error_code;
}

/* Each event's step. */
typedef void txn_event_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                            struct txn_update *update);
txn_event_step txn_init_step;
txn_event_step txn_add_step;
txn_event_step txn_add_offsets_step;
txn_event_step txn_end_step;
txn_event_step txn_describe_step;
txn_event_step txn_list_step;
txn_event_step txn_written_step;
txn_event_step txn_time_step;
txn_event_step txn_expire_step;
txn_event_step txn_resume_step;

#endif
