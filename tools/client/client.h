/* A Kafka client for the tools: bootstrap, metadata, a connection per broker, offsets.
 *
 * Blocking. Every call ends at the client's timeout. Functions return false with client->problem
 * filled. Not thread-safe.
 */
#ifndef TOOLS_CLIENT_CLIENT_H
#define TOOLS_CLIENT_CLIENT_H

#include "storage/base/uuid.h"
#include "tools/client/connection.h"

enum { CLIENT_TOPIC_NAME_BYTES = 256, CLIENT_HOST_BYTES = 256 };

#define CLIENT_OFFSET_LATEST   ((int64_t)-1)
#define CLIENT_OFFSET_EARLIEST ((int64_t)-2)

struct client_broker {
    int32_t id;
    char host[CLIENT_HOST_BYTES];
    uint16_t port;
    struct connection connection;
};

struct client {
    const char *bootstrap; /* "HOST:PORT[,HOST:PORT]..."; borrowed. */
    uint32_t timeout_ms;
    struct connection first; /* To the bootstrap address. */
    struct client_broker *brokers;
    uint32_t broker_count;
    struct problem problem;
    uint64_t again_ns;       /* When it last waited to try again, */
    uint64_t again_since_ns; /* and since when. */
};

struct client_partition {
    int32_t leader; /* -1 none. */
    int32_t leader_epoch;
    int32_t replica_count;
    int32_t in_sync_count;
    int16_t error;
    bool exists; /* Holes in the answer stay false. */
};

/* Owned by whoever asked for it: client_topic_free. */
struct client_topic {
    char name[CLIENT_TOPIC_NAME_BYTES];
    struct uuid id;
    bool internal;
    int16_t error;
    uint32_t partition_count;
    struct client_partition *partitions; /* By index. */
};

/* Connects; a node that is just being started again is given a moment. bootstrap is borrowed for
 * the client's life. */
MUST_USE bool client_open(struct client *client, const char *bootstrap, uint32_t timeout_ms);
void client_close(struct client *client);

uint64_t client_deadline_ns(const struct client *client);

/* The bootstrap connection, made again when it broke; NULL on failure. Serves what any broker
 * serves. */
struct connection *client_any(struct client *client);

/* The connection to the broker of that id; NULL on failure. */
struct connection *client_broker(struct client *client, int32_t id);

/* After a failure: waits a little and says whether to try again before the deadline. repeatable:
 * doing it twice is harmless. */
MUST_USE bool client_again(struct client *client, bool repeatable, uint64_t deadline_ns);

enum client_topic_how {
    CLIENT_TOPIC_LED,    /* Waits until all partitions have leaders, as far as time allows. */
    CLIENT_TOPIC_CREATE, /* And lets the broker create it where it is configured to. */
    CLIENT_TOPIC_AS_IS,  /* Partitions without a leader are no failure. */
};

/* One topic, with its partitions; an error of the topic fails. */
MUST_USE bool client_topic(struct client *client, const char *name, enum client_topic_how how,
                           struct client_topic *topic);
void client_topic_free(struct client_topic *topic);

/* All topics, by name. The array is given to the caller: client_topics_free. */
MUST_USE bool client_topics(struct client *client, struct client_topic **topics, uint32_t *count);
void client_topics_free(struct client_topic *topics, uint32_t count);

/* Offset of each partition at a timestamp in ms, or LATEST or EARLIEST. offsets has
 * topic->partition_count places; -1 where no record is that late, or nobody leads. */
MUST_USE bool client_offsets(struct client *client, const struct client_topic *topic,
                             int64_t timestamp, int64_t *offsets);

/* Timestamp in ms of each partition's newest record; -1 where there is none, or the broker is too
 * old to say. times as offsets above. */
MUST_USE bool client_newest(struct client *client, const struct client_topic *topic,
                            int64_t *times);

/* Copies a decoded string, cut to size. */
void client_copy_text(char *to, size_t size, struct chain text);

#endif
