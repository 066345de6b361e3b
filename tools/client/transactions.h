/* What the tools ask of transactions. As client.h: blocking, false with client->problem filled.
 * What is handed out lives in the caller's arena. */
#ifndef TOOLS_CLIENT_TRANSACTIONS_H
#define TOOLS_CLIENT_TRANSACTIONS_H

#include "control/arena.h"
#include "tools/client/client.h"

struct transactions_listed {
    const char *id;
    const char *state; /* "Ongoing", "CompleteCommit"... */
    int64_t producer_id;
};

/* Of all brokers, by id. state: only those; NULL all. longer_ms: only those that have been open for
 * longer; -1 all. */
MUST_USE bool transactions_list(struct client *client, struct arena *arena, const char *state,
                                int64_t longer_ms, struct transactions_listed **list,
                                uint32_t *count);

struct transactions_place {
    const char *topic;
    int32_t partition;
};

struct transactions_described {
    const char *state;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t timeout_ms;
    int64_t start_ms; /* -1: none is open. */
    struct transactions_place *places;
    uint32_t place_count;
};

MUST_USE bool transactions_describe(struct client *client, struct arena *arena, const char *id,
                                    struct transactions_described *described);

/* Takes the id over from its producer, as a new one with that id would: what is open is aborted
 * when this returns, and the old producer is fenced (Kafka: Admin.forceTerminateTransaction). */
MUST_USE bool transactions_fence(struct client *client, const char *id, int32_t timeout_ms);

#endif
