/* THE TABLE: which APIs are served and how. Read it by columns; everything that must agree with it,
 * ApiVersions first, is computed from it. */
#ifndef DATAPLANE_BROKER_DISPATCH_H
#define DATAPLANE_BROKER_DISPATCH_H

#include "dataplane/broker/state.h"

enum lane {
    LANE_FAST, /* Served on the core. */
    LANE_SLOW, /* Handed to the control process as a whole frame. */
};

/* What a principal must be allowed, and on what (Kafka's AclOperation, ResourceType). */
enum access {
    ACCESS_NONE,
    ACCESS_DESCRIBE_TOPIC,
    ACCESS_READ_TOPIC,
    ACCESS_WRITE_TOPIC,
    ACCESS_CREATE_TOPIC,
    ACCESS_DELETE_TOPIC,
    ACCESS_ALTER_TOPIC,
    ACCESS_DELETE_RECORDS,
    ACCESS_DESCRIBE_CLUSTER,
    ACCESS_ALTER_CLUSTER,
    ACCESS_DESCRIBE_CONFIGS,
    ACCESS_ALTER_CONFIGS,
    ACCESS_IDEMPOTENT_WRITE,
    ACCESS_DESCRIBE_GROUP,
    ACCESS_READ_GROUP,
    ACCESS_DELETE_GROUP,
    ACCESS_WRITE_TXN,
    ACCESS_DESCRIBE_TXN,
};

/* Decodes the body and serves it: request_done at once or later. False when the body does not
 * parse: the connection is closed (B3). */
typedef bool api_handler(struct broker *broker, struct request *request);

/* Writes a whole, valid answer to a SLOW request that control could not give (H20). */
typedef void slow_error_build(struct request *request, int16_t error, struct writer *writer);

struct api_row {
    int16_t key;
    enum lane lane;
    bool before_authentication; /* Served in that phase too (B10, H27). */
    bool after_authentication;
    bool overlaps;      /* May run beside others of its kind on one connection (B7). */
    enum access access; /* Checked by the handler per resource, once there is an authorizer. */
    bool waits;         /* SLOW: may be answered late, when other clients have done something. */
    int16_t away_error; /* What a SLOW request is answered when control is away or late (H20). */
    api_handler *handler;
    slow_error_build *slow_error;
};

extern const struct api_row dispatch_table[];
extern const uint32_t dispatch_count;

/* NULL when the API is not served. */
const struct api_row *dispatch_find(int16_t key);

static inline uint32_t dispatch_index(const struct api_row *row)
{
    return (uint32_t)(row - dispatch_table);
}

/* Reads the header and calls the handler. row: as dispatch_find of the frame's key. False when the
 * connection is to be closed. */
bool dispatch_start(struct request *request, const struct api_row *row);

/* So many requests of that row have come, in so many bytes. */
static inline void dispatch_count_requests(struct broker *broker, const struct api_row *row,
                                           uint32_t requests, uint64_t bytes)
{
    counter_add(&broker->counters->requests, requests);
    counter_add(&broker->counters->request_bytes, bytes);
    counter_add(&broker->statistics->requests_by_api[dispatch_index(row)], requests);
}

/* What the frame of a produce is that begins as connection->before says: its header is not read.
 * The caller counts it. */
void dispatch_enter_again(struct request *request);

#endif
