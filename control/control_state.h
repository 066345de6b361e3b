/* The control process's state, for loop.c and session.c only. */
#ifndef CONTROL_CONTROL_STATE_H
#define CONTROL_CONTROL_STATE_H

#include "control/call.h"
#include "control/loop.h"
#include "control/operation.h"
#include "control/publish.h"
#include "control/serve/groups.h"
#include "control/serve/lag.h"
#include "control/serve/txns.h"

enum {
    /* Descriptions: slices of a turn, so that others wait little. One answer at a time grows long,
       and only while the long ones under way leave room for it: control's memory for all of them
       is LONG_BYTES_MAX and one SLOW_REPLY_BYTES_MAX. A client that takes nothing for so long while
       another waits for that room loses its connection. */
    SLICES_PER_TURN = 2,
    LONG_BYTES_MAX = 64 * 1024 * 1024,
    LONG_STALLED_MS_MAX = 5 * 1000,
    LONG_HELD_MS_MAX = 120 * 1000, /* And for so long in any case. */
    PRODUCER_IDS_OF_BLOCK = 1000,  /* Kafka: PRODUCER_ID_BLOCK_SIZE. */
    PRODUCER_ID_BLOCKS_AHEAD = 2,  /* Of each core. */
};

#define RETRY_NS         (500 * 1000 * 1000ULL) /* After a failed commit or start of the store. */
#define PUBLISH_RETRY_NS (2 * 1000 * 1000ULL)
#define HEAL_NS          (10 * 1000 * 1000 * 1000ULL) /* Files that could not be made. */

/* Blocks of producer ids of one core. */
struct grant {
    uint32_t wanted;
    uint32_t staged; /* Of these, in the commit under way. */
};

struct control {
    struct control_setup setup;
    uint64_t now_ns; /* Of this turn. */
    int64_t wall_ms;
    struct random random;
    struct peer *peer;
    struct calls *calls;
    struct groups *groups;
    struct txns *txns;
    struct lag *lag;
    struct list deleted; /* Names of topics whose deletion is in the commit under way. */
    struct store store;
    struct publisher publisher;
    struct directories directories;
    enum control_phase phase;
    char reason[METADATA_REASON_BYTES];
    /* Operations: worked out this turn, and durable but not yet applied by every core. */
    struct list fresh;
    struct list waiting;
    struct list describing;           /* Not all worked out; they change nothing. */
    struct operation *describes_long; /* The one of them whose answer may get long. */
    struct grant *grants;             /* Per core; NULL without a session. */
    int64_t grants_first;
    bool txn_ids_staged; /* A block for transactional ids is in the commit under way: the last. */
    /* Snapshots of this session. */
    bool in_flight;
    uint64_t published_version;
    uint64_t published_changes; /* image.visible_changes at the last one. */
    uint64_t applied_version;
    /* Things to be tried again; 0 or in the past: now. */
    uint64_t retry_at_ns;
    uint64_t publish_at_ns;
    uint64_t heal_at_ns; /* 0: nothing to heal. */
    uint64_t room_at_ns; /* Memory is short until then, at least. */
    bool assign_pending; /* Files exist whose records are not written yet. */
    const char *logger_level;
    struct control_counters counters;
};

__attribute__((format(printf, 4, 5))) void control_say(struct control *control,
                                                       enum journal_level level, const char *event,
                                                       const char *format, ...);
/* A sentence, which may hold a path. */
void control_say_reason(struct control *control, enum journal_level level, const char *event,
                        const char *reason);
/* Levels of the broker's logger, as Kafka names them ("WARN") and as log lines have them. */
const char *control_level_name(uint32_t settings_level);
enum journal_level control_level(const struct control *control);
/* Every process writes lines of that level from now on, the cores with their next snapshot. */
void control_set_level(struct control *control, const char *logger_level);

/* What the peer told (control/session.c). */
void control_event(struct control *control, const struct peer_event *event);

/* Makes staged changes durable; false: they are forgotten. */
MUST_USE bool control_commit(struct control *control);

/* Writes the records of new partitions whose files exist. */
void control_assign(struct control *control);

/* Answers, with error_code of all unless that is ERROR_NONE. operation is given. */
void control_finish(struct control *control, struct operation *operation, int16_t error_code);

/* Drops what belonged to the session. */
void control_session_over(struct control *control);

#endif
