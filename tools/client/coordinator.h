/* Requests to the coordinator of a group or of a transactional id, and to every broker.
 *
 * As client.h: blocking, false or NULL with client->problem filled. */
#ifndef TOOLS_CLIENT_COORDINATOR_H
#define TOOLS_CLIENT_COORDINATOR_H

#include "tools/client/client.h"

/* As FindCoordinator numbers them. */
enum coordinator_of { COORDINATOR_OF_GROUP = 0, COORDINATOR_OF_TRANSACTION = 1 };

struct coordinator_request {
    struct connection *connection;
    struct writer *writer;
    int16_t version;
};

/* Finds the coordinator and starts a request to it; false: the problem says why not. */
MUST_USE bool coordinator_begin(struct client *client, enum coordinator_of of, const char *id,
                                int16_t api, uint32_t room_bytes,
                                struct coordinator_request *request);

/* Sends it; the reader stands at the answer. */
MUST_USE bool coordinator_call(struct client *client, const struct coordinator_request *request,
                               struct reader *reader);

/* Learns the brokers where nothing has named them yet. */
MUST_USE bool coordinator_brokers(struct client *client);

/* For an answer's error: true when there is none, else the problem "WHAT ID: ...". message may be
 * null. */
MUST_USE bool coordinator_check(struct client *client, int16_t error, struct chain message,
                                const char *what, const char *id);

#endif
