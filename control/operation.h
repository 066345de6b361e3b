/* One request on its way through control: worked out, made durable, made visible, answered (H18).
 *
 * Threads: the control loop's.
 */
#ifndef CONTROL_OPERATION_H
#define CONTROL_OPERATION_H

#include "control/peer.h"
#include "control/step.h"

struct api_handler;

struct operation {
    struct list_node node;
    struct peer_request *request; /* Owned. */
    const struct api_handler *handler;
    struct arena arena;
    struct step step;
    bool changed;           /* It made records. */
    uint64_t await_version; /* Answered once this snapshot is applied; 0: once durable. */
    bool recorded;          /* await_version says so of the files that it made. */
};

/* The handler of an API, or NULL: control does not serve it. */
const struct api_handler *api_handler_find(int16_t key);

/* True: its steps change nothing, and may take several runs. */
bool api_handler_describes(const struct api_handler *handler);

/* request is given. handler as found for its API. */
struct operation *operation_create(struct peer_request *request, const struct api_handler *handler);
void operation_free(struct operation *operation);

/* Works the step out; its inputs but body, version and arena are set by the caller. */
void operation_run(struct operation *operation);

/* Works out what step.again asked for, with what is known now. */
void operation_run_again(struct operation *operation);

/* Sends the answer, or has the core make one that says error_code of all (ERROR_NONE: as worked
 * out). The operation is to be freed then. False: one error for all was sent. */
bool operation_answer(struct operation *operation, struct peer *peer, int16_t error_code);

/* Marks the item that created the topic as failed; by_others: the one that found it in the making.
 * NULL: there is none. */
const struct step_created *operation_created_failed(struct operation *operation,
                                                    const struct uuid *topic_id, bool by_others,
                                                    int16_t error_code, const char *message);

#endif
