/* Brokers of some cores on one thread, over the log engine on a simulated machine, in-memory
 * transports and a control process played by the test; and clients that speak to them.
 *
 * Everything waits by turning the rig, so a test reads like a story. */
#ifndef TESTS_DATAPLANE_BROKER_RIG_H
#define TESTS_DATAPLANE_BROKER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/broker/broker.h"
#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"
#include "dataplane/slowpath/fragment.h"
#include "storage/record/record.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_housekeeping.h"
#include "tests/sim/sim_machine.h"
#include "tests/sim/sim_transport.h"

enum {
    RIG_CORES_MAX = 4,
    RIG_TOPICS_MAX = 64,
    RIG_PARTITIONS_MAX = 64,
    RIG_NODE_ID = 7,
    RIG_PORT = 9092,
    RIG_SNAPSHOTS_MAX = 64,
};

struct rig_options {
    uint32_t cores; /* 0: 1 */
    uint64_t seed;
    uint64_t arena_bytes;
    struct sim_transport_options transport;
    bool control_away; /* No session until rig_control_come. */
    bool no_producer_ids;
    uint32_t request_bytes_max;                  /* 0: 2 MiB */
    uint32_t fetch_sessions;                     /* 0: 1000 */
    void (*limit)(struct broker_limits *limits); /* May change them. */
    uint64_t (*clock_ns)(void);
    struct sim_options sim;
};

struct rig_core {
    struct broker *broker;
    void *memory;
    uint64_t memory_bytes;
    struct log *log;
    struct disk *disk;
    struct housekeeping_port *housekeeping;
    struct housekeeping_port *validation;
    uint8_t *arena;
    struct sim_transport *transport;
    struct broker_statistics statistics;
    struct slow_channel *channel;
    struct channel_attachment attachment;
    struct fragment_reader from_core;
    struct fragment_writer to_core;
    void *up;
    void *down;
};

struct rig {
    struct rig_options options;
    struct sim_machine *machine;
    struct sim_process *process;
    struct mail *mail;
    struct broker_shared shared;
    struct broker_directory directory;
    struct rig_core cores[RIG_CORES_MAX];
    uint32_t core_count;
    uint64_t session;
    int64_t producer_ids;
    uint64_t turns;
    /* What the next snapshot will say. */
    struct snapshot next;
    struct snapshot_topic topics[RIG_TOPICS_MAX];
    struct snapshot_partition partitions[RIG_TOPICS_MAX][RIG_PARTITIONS_MAX];
    char names[RIG_TOPICS_MAX][TOPIC_NAME_BYTES_MAX + 1];
    struct snapshot *snapshots[RIG_SNAPSHOTS_MAX];
    uint32_t snapshot_count;
};

struct rig *rig_create(const struct rig_options *options);
/* Closes all connections, checks that nothing leaked, frees. */
void rig_destroy(struct rig *rig);

/* Adds a topic to the next snapshot; the result may be changed until rig_publish. */
struct snapshot_topic *rig_topic(struct rig *rig, const char *name, uint32_t partition_count);
struct snapshot_topic *rig_find(struct rig *rig, const char *name);
void rig_remove(struct rig *rig, const char *name);
/* Gives all cores the snapshot and waits until all have applied it. */
void rig_publish(struct rig *rig);
/* The same without waiting. */
void rig_publish_only(struct rig *rig);
/* A rig with one topic. */
struct rig *rig_with_topic(uint32_t cores, const char *name, uint32_t partition_count);
/* The same, before control has recorded where the partitions lie: rig_publish does. */
struct rig *rig_with_unrecorded_topic(uint32_t cores, const char *name, uint32_t partition_count);

void rig_turn(struct rig *rig);
void rig_run_ms(struct rig *rig, uint64_t ms);
/* Zeroed memory of whole pages. */
void *rig_map(uint64_t size);
void rig_unmap(void *memory, uint64_t size);

uint64_t rig_now_ms(const struct rig *rig);
int64_t rig_wall_ms(const struct rig *rig);

/* ---- Control, played by the test ------------------------------------------------------------ */

void rig_control_come(struct rig *rig);
void rig_control_go(struct rig *rig);
/* The next whole message of that core; false when there is none. payload: at most capacity. */
bool rig_control_next(struct rig *rig, uint32_t core, struct slow_header *header, uint8_t *payload,
                      uint32_t capacity, uint32_t *len);
/* Turns until one comes. */
void rig_control_wait(struct rig *rig, uint32_t core, struct slow_header *header, uint8_t *payload,
                      uint32_t capacity, uint32_t *len);
/* Answers, in pieces of what fits. */
void rig_control_answer(struct rig *rig, uint32_t core, const struct slow_header *header,
                        struct bytes payload);

/* ---- Clients -------------------------------------------------------------------------------- */

struct client {
    struct rig *rig;
    struct sim_peer *peer;
    uint32_t core;
    const char *id; /* Client id. */
    int32_t sent;   /* Correlation id of the last request. */
    int32_t received;
    uint8_t *buffer; /* For requests. */
    uint8_t *answer; /* The last answer; decoded structs are views of it. */
    uint32_t answer_len;
    struct bytes answer_piece;
};

struct client *client_connect(struct rig *rig, uint32_t core);
void client_free(struct client *client);
/* Raw bytes. */
void client_put(struct client *client, const void *bytes, uint32_t len);
void client_writer(struct client *client, struct writer *writer, enum api_key api, int16_t version);
void client_send(struct client *client, struct writer *writer);
/* Waits for the next answer and gives a reader behind its header. */
void client_receive(struct client *client, struct reader *reader, enum api_key api,
                    int16_t version);
/* True when an answer is there, without waiting. */
bool client_answered(const struct client *client);
/* Waits until the broker has closed the connection. */
void client_expect_closed(struct client *client);
/* Turns for a while and holds that the connection stays open and silent. */
void client_expect_silence(struct client *client, uint64_t ms);

enum { CLIENT_BUFFER_BYTES = 4 << 20 };

/* SEND(client, FETCH, fetch, 12, &request); RECEIVE(client, FETCH, fetch, 12, &response);
 * CALL(...) is both. */
#define SEND(client, API, name, version, request)                                          \
    do {                                                                                   \
        struct writer send_writer;                                                         \
        client_writer(client, &send_writer, API_##API, version);                           \
        assert_int_equal(name##_request_encode(&send_writer, version, request), CODEC_OK); \
        client_send(client, &send_writer);                                                 \
    } while (0)
#define RECEIVE(client, API, name, version, response)                                           \
    do {                                                                                        \
        struct reader receive_reader;                                                           \
        client_receive(client, &receive_reader, API_##API, version);                            \
        assert_int_equal(name##_response_decode(&receive_reader, version, response), CODEC_OK); \
        assert_int_equal(reader_left(&receive_reader), 0);                                      \
    } while (0)
#define CALL(client, API, name, version, request, response) \
    do {                                                    \
        SEND(client, API, name, version, request);          \
        RECEIVE(client, API, name, version, response);      \
    } while (0)

/* ---- Shorthands ----------------------------------------------------------------------------- */

struct batch_spec {
    uint32_t records; /* 0: 1 */
    uint32_t value_bytes;
    int64_t first_value; /* Each record's value starts with its number. */
    int64_t producer_id; /* 0: none */
    int16_t producer_epoch;
    int32_t sequence;
    int64_t timestamp_ms; /* 0: now. */
    uint16_t attributes;
};
/* Builds a batch in `to`. */
struct bytes batch_make(const struct rig *rig, const struct batch_spec *spec, uint8_t *to,
                        uint32_t capacity);

struct produced {
    int16_t error;
    int64_t base_offset;
    int64_t log_append_time_ms;
    int64_t log_start_offset;
    uint32_t record_error_count;
    bool has_message;
    int32_t leader_id;
};
/* One partition, one batch. version 13: by topic id. */
struct produced client_produce(struct client *client, int16_t version, const char *topic,
                               int32_t partition, int16_t acks, struct bytes records);
/* One record of that number. Expects no error; returns the base offset. */
int64_t client_put_record(struct client *client, const char *topic, int32_t partition,
                          int64_t number);
void client_send_produce(struct client *client, int16_t version, const char *topic,
                         int32_t partition, int16_t acks, struct bytes records);
void client_send_txn_produce(struct client *client, int16_t version, const char *topic,
                             int32_t partition, int16_t acks, const char *transactional_id,
                             struct bytes records);
struct produced client_receive_produced(struct client *client, int16_t version);

struct fetch_spec {
    int16_t version;
    const char *topic;
    int32_t partition;
    int64_t offset;
    int32_t max_wait_ms;
    int32_t min_bytes;           /* 0: 1 */
    int32_t max_bytes;           /* 0: 50 MiB */
    int32_t partition_max_bytes; /* 0: 1 MiB */
    int32_t session_id;
    int32_t session_epoch;        /* 0 asks for a session where version >= 7; SESSIONLESS: none. */
    int32_t current_leader_epoch; /* 0: not given. */
    int32_t last_fetched_epoch;   /* 0: not given. */
    int8_t isolation;
};
enum { SESSIONLESS = -1 };
struct fetched {
    int16_t error; /* Top-level. */
    int32_t session_id;
    int32_t topics;
    int32_t partitions; /* Told of. */
    int16_t partition_error;
    int64_t high_watermark;
    int64_t last_stable;
    int64_t log_start;
    int32_t diverging_epoch;
    int64_t diverging_end;
    int32_t preferred_replica;
    int32_t leader_id;
    int32_t aborted; /* -1: null. */
    uint32_t records_bytes;
    uint32_t record_count; /* Whole batches. */
    int64_t first_offset;  /* Of the first batch. */
    int64_t next_offset;   /* Behind the last whole batch. */
};
void client_send_fetch(struct client *client, const struct fetch_spec *spec);
struct fetched client_receive_fetched(struct client *client, int16_t version);
struct fetched client_fetch(struct client *client, const struct fetch_spec *spec);

struct chain text_chain(const char *text); /* Of static or otherwise lasting text; up to 64 live. */

#endif
