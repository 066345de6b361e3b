/* A broker of one topic in a thread: what the client and the benchmarks are tested against.
 *
 * Keeps batches in memory, gives offsets, checks sequences, and misbehaves where told to. Not one
 * line of it is shared with the real broker's logic. */
#ifndef TESTS_TOOLS_CLIENT_FAKE_BROKER_H
#define TESTS_TOOLS_CLIENT_FAKE_BROKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/kafka/messages.h"
#include "storage/record/batch.h"

enum {
    FAKE_PARTITIONS = 3,
    FAKE_BATCHES_MAX = 256,
    FAKE_PEERS_MAX = 8,
    FAKE_APIS = 128,
    FAKE_BUFFER_BYTES = 4 << 20,
    FAKE_NODE_ID = 5,
};

extern const struct uuid fake_topic_id;

struct fake_partition {
    struct bytes batches[FAKE_BATCHES_MAX]; /* Stamped copies. */
    uint32_t count;
    int64_t start; /* Offset. */
    int64_t end;
    int64_t newest_ms; /* Largest timestamp; -1 none. */
    int32_t next_sequence;
};

/* The group "billing". */
struct fake_group {
    bool exists;
    bool is_new;                        /* Of the consumer protocol. */
    bool has_member;                    /* One, with partitions 0 and 2. */
    int64_t committed[FAKE_PARTITIONS]; /* -1: nothing. */
};

/* The transactional id "till-1". */
struct fake_transaction {
    bool exists;
    const char *state;
    int64_t start_ms;
    int32_t timeout_ms; /* As InitProducerId said last. */
};

/* What the test sets before it starts, and reads behind fake_broker_stop. */
struct fake_broker {
    char bootstrap[32]; /* "127.0.0.1:PORT" */
    const char *topic;
    int16_t version_max[FAKE_APIS]; /* -1: the API is not served. */
    int16_t old_versions_max;       /* Of ApiVersions: above it, version 0 and error 35. */
    /* Faults, each used up by the first request it hits: */
    int16_t error[FAKE_APIS];    /* Answer with this error. */
    uint32_t times[FAKE_APIS];   /* How often; 0 with an error: always. */
    bool lose_answer[FAKE_APIS]; /* Do what is asked, then close without an answer. */
    bool bad_answer[FAKE_APIS];  /* Answer garbage. */
    bool silent[FAKE_APIS];      /* Never answer. */
    bool exists;                 /* The topic does. */
    bool auto_create;
    struct fake_group group; /* Exists, is classic, and has neither member nor offsets. */
    struct fake_transaction transaction; /* Exists, and is Ongoing. */
    /* Asked before all others, on the broker's thread; false: not its own. */
    bool (*other)(struct fake_broker *broker, int16_t key, int16_t version, struct reader *reader,
                  struct writer *writer);
    /* What was seen: */
    uint32_t requests[FAKE_APIS];
    int16_t versions[FAKE_APIS]; /* Of the last request. */
    int32_t created_partitions;
    char config_key[64];
    char config_value[64];
    int8_t config_operation;
    int8_t coordinator_kind; /* Of the last FindCoordinator. */
    int64_t duration_filter; /* Of the last ListTransactions. */
    struct fake_partition partitions[FAKE_PARTITIONS];
    /* Its own: */
    pthread_t thread;
    bool running;
    atomic_bool stopping;
    int listener;
    int peers[FAKE_PEERS_MAX];
    uint16_t port;
    uint8_t *in;
    uint8_t *out;
};

/* All APIs at their newest version, a topic "orders" that exists. It listens, but answers nobody
 * before its start. */
struct fake_broker *fake_broker_new(void);
void fake_broker_start(struct fake_broker *broker);

/* Joins the thread: what was seen can be read then. Connections stay; it may be started again. */
void fake_broker_stop(struct fake_broker *broker);
void fake_broker_free(struct fake_broker *broker);

/* The error this API is told to answer with next. */
int16_t fake_broker_error(struct fake_broker *broker, int16_t key);

/* Puts a batch at the end of a partition, before the start; the bytes are copied. */
void fake_broker_append(struct fake_broker *broker, uint32_t partition, struct bytes batch);

#endif
