/* Clients of the simulated broker: connections, requests in flight, and what they know of topics.
 *
 * A client is a state machine with one connection. Its kind (producer, consumer, admin, prober)
 * sends requests of any version the codec has and gets the answers in order; a lost connection, a
 * late or misplaced answer ends all that was in flight. Answers that do not decode fail the run.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_CLIENT_H
#define TESTS_SIM_SIM_CLIENT_H

#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"
#include "tests/sim/sim_world.h"

enum {
    CLIENT_FLIGHTS_MAX = 8,
    CLIENT_REQUEST_BYTES_MAX = 1024 * 1024,
};

/* A request without its answer. */
struct flight {
    const struct api_info *api;
    int16_t version;
    int32_t correlation_id;
    uint64_t sent_ns;
    uint64_t late_ns; /* Given up then. */
    uint64_t cookie;  /* The kind's. */
};

/* What a client knows of a topic, from Metadata. */
struct known_topic {
    bool known;
    struct uuid id;
    uint32_t partition_count;
    int32_t leader_epochs[LEDGER_PARTITIONS_MAX];
    bool led[LEDGER_PARTITIONS_MAX]; /* Has a leader. */
    /* What was acknowledged when it was asked for last. */
    bool promised;
    struct uuid promised_id;
    uint32_t promised_count;
};

struct client_kind {
    /* Does what is due; true: something was done. The connection is open. */
    bool (*step)(struct client *client);
    /* The answer to its request; the reader stands at the message. */
    void (*answer)(struct client *client, const struct flight *flight, struct reader *reader);
    /* The connection is gone, and with it all requests in flight. */
    void (*lost)(struct client *client);
    /* When step has something to do by itself. */
    uint64_t (*deadline_ns)(const struct client *client);
    /* True when there is nothing left for it to do. */
    bool (*finished)(const struct client *client);
    void (*free)(struct client *client);
    const char *name;
};

struct client {
    struct list_node node; /* Of the world. */
    struct world *world;
    const struct client_kind *kind;
    struct random random;
    uint32_t number;
    struct sim_socket *socket;
    uint64_t connect_ns; /* Not before. */
    uint8_t *input;
    uint32_t input_bytes;
    uint32_t input_capacity;
    struct flight flights[CLIENT_FLIGHTS_MAX];
    uint32_t flight_first;
    uint32_t flight_count;
    int32_t next_correlation;
    uint32_t cut_one_in; /* How often it cuts its connection by itself; 0: never. */
    bool wants_metadata;
    bool asked_metadata;
    uint64_t metadata_ns; /* Not before. */
    struct known_topic topics[LEDGER_TOPICS_MAX];
    uint64_t metadata_round; /* Counts answers. */
};

void client_init(struct client *client, struct world *world, const struct client_kind *kind,
                 uint32_t number);

/* Begins a request of a random version within [version_min, version_max] of the schema, and ends
 * it. False: too many are in flight already, or it did not fit. */
int16_t client_version(struct client *client, const struct api_info *api);
struct writer *client_begin(struct client *client, const struct api_info *api, int16_t version);
/* answered: an answer will come (not with acks=0). */
void client_end(struct client *client, struct writer *writer, const struct api_info *api,
                int16_t version, uint64_t cookie, bool answered);
/* Ends the connection; `lost` is called. */
void client_cut(struct client *client, bool reset);
/* The topics are to be asked for again. */
void client_refresh(struct client *client, uint64_t delay_ms);

/* A topic by what an answer says of it: the name or the id. -1: unknown to the client. */
int32_t client_topic_of(const struct client *client, struct chain name, const struct uuid *id,
                        bool by_id);
struct bytes chain_bytes(struct chain chain, uint8_t *room, uint32_t capacity);

/* ---- All clients of a world ----------------------------------------------------------------- */

bool clients_turn(struct world *world, bool all);
uint64_t clients_deadline_ns(const struct world *world);
/* Closes all connections. */
void clients_disconnect(struct world *world);
void clients_free(struct world *world);
bool clients_finished(const struct world *world, const struct client_kind *kind);

/* ---- Kinds ---------------------------------------------------------------------------------- */

struct producer_options {
    uint32_t number;
    bool idempotent;
    int16_t acks;
    uint32_t in_flight_max;
    uint32_t record_count; /* To be produced. */
    uint32_t value_bytes_max;
    uint32_t batch_records_max;
    uint32_t topics;   /* Bit per topic number. */
    bool compressed;   /* Some batches are. */
    uint64_t pause_us; /* Between batches, about. */
};
struct client *producer_create(struct world *world, const struct producer_options *options);
extern const struct client_kind producer_kind;
/* No new records from now on. */
void producer_wind_up(struct client *client);
uint64_t producer_acked(const struct client *client);

struct consumer_options {
    uint32_t number;
    bool session;
    uint32_t topics; /* Bit per topic number. */
};
struct client *consumer_create(struct world *world, const struct consumer_options *options);
extern const struct client_kind consumer_kind;
/* Reads everything once more from the log starts; finished when all is read and audited. */
void consumer_audit(struct client *client);
uint64_t consumer_records(const struct client *client);

struct admin_options {
    uint32_t number;
    uint32_t operation_count; /* To be done. */
    uint32_t topic_count;     /* Topics 0 to topic_count - 1 are played with. */
    uint32_t keep;            /* Bit per topic number: never deleted. */
};
struct client *admin_create(struct world *world, const struct admin_options *options);
extern const struct client_kind admin_kind;
/* Ends what it does, begins nothing. */
void admin_wind_up(struct client *client);

/* Asks this and that, and looks only whether the answers decode. */
struct client *prober_create(struct world *world, uint32_t number);
extern const struct client_kind prober_kind;

#endif
