/* Asks for everything else that is served, and looks whether the answers decode. */
#include <stdlib.h>

#include "tests/sim/sim_client.h"

struct prober {
    struct client client; /* First. */
    bool asked;
    uint64_t next_ns;
};

static struct prober *prober_of(const struct client *client)
{
    /* First member; const only on the way through the kind's questions. */
    return (struct prober *)(uintptr_t)client;
}

/* An API whose request may be empty. */
#define PROBES(X)                                                     \
    X(API_API_VERSIONS, api_versions)                                 \
    X(API_DESCRIBE_CLUSTER, describe_cluster)                         \
    X(API_DESCRIBE_LOG_DIRS, describe_log_dirs)                       \
    X(API_DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions)       \
    X(API_DESCRIBE_PRODUCERS, describe_producers)                     \
    X(API_LIST_CONFIG_RESOURCES, list_config_resources)               \
    X(API_LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments) \
    X(API_ELECT_LEADERS, elect_leaders)                               \
    X(API_CREATE_ACLS, create_acls)                                   \
    X(API_DELETE_ACLS, delete_acls)                                   \
    X(API_ALTER_CONFIGS, alter_configs)                               \
    X(API_ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments)

#define X(key, name)                                                           \
    static void name##_ask(struct writer *writer, int16_t version)             \
    {                                                                          \
        const struct name##_request request = name##_request_default;          \
        (void)name##_request_encode(writer, version, &request);                \
    }                                                                          \
    static bool name##_look(struct reader *reader, int16_t version)            \
    {                                                                          \
        struct name##_response response;                                       \
        return name##_response_decode(reader, version, &response) == CODEC_OK; \
    }
PROBES(X)
#undef X

static const struct probe {
    int16_t key;
    void (*ask)(struct writer *writer, int16_t version);
    bool (*look)(struct reader *reader, int16_t version);
} probes[] = {
#define X(key, name) {key, name##_ask, name##_look},
    PROBES(X)
#undef X
};

static bool prober_step(struct client *client)
{
    struct prober *prober = prober_of(client);
    const uint64_t now_ns = world_now_ns(client->world);
    if (prober->asked || now_ns < prober->next_ns) {
        return false;
    }
    const uint64_t which = random_below(&client->random, ARRAY_SIZE(probes));
    const struct api_info *api = api_find(probes[which].key);
    const int16_t version = client_version(client, api);
    struct writer *writer = client_begin(client, api, version);
    probes[which].ask(writer, version);
    client_end(client, writer, api, version, which, true);
    prober->asked = true;
    return true;
}

static void prober_answer(struct client *client, const struct flight *flight, struct reader *reader)
{
    struct prober *prober = prober_of(client);
    if (!probes[flight->cookie].look(reader, flight->version)) {
        sim_fail("the answer to %s version %d does not decode", flight->api->name, flight->version);
    }
    prober->asked = false;
    prober->next_ns = world_now_ns(client->world) + random_below(&client->random, 40 * 1000 * 1000);
}

static void prober_lost(struct client *client)
{
    prober_of(client)->asked = false;
}

static uint64_t prober_deadline_ns(const struct client *client)
{
    const struct prober *prober = prober_of(client);
    return prober->asked ? UINT64_MAX : prober->next_ns;
}

static bool prober_finished(const struct client *client)
{
    (void)client;
    return true;
}

static void prober_free(struct client *client)
{
    free(prober_of(client));
}

const struct client_kind prober_kind = {
    .step = prober_step,
    .answer = prober_answer,
    .lost = prober_lost,
    .deadline_ns = prober_deadline_ns,
    .finished = prober_finished,
    .free = prober_free,
    .name = "prober",
};

struct client *prober_create(struct world *world, uint32_t number)
{
    struct prober *prober = calloc(1, sizeof(*prober));
    ASSERT(prober != NULL);
    client_init(&prober->client, world, &prober_kind, number);
    return &prober->client;
}
