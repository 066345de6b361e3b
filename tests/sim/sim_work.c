/* What all working clients share, and the one that makes the topics. */
#include "tests/sim/sim_work.h"

#include <stdlib.h>

void actor_init(struct actor *actor, struct world *world, const struct client_kind *kind,
                uint32_t number)
{
    client_init(&actor->client, world, kind, number);
}

struct book *actor_book(const struct actor *actor)
{
    return actor->client.world->book;
}

void actor_sleep(struct actor *actor, uint64_t ms_max)
{
    actor->wake_ns = world_now_ns(actor->client.world) + 500 * 1000 +
                     random_below(&actor->client.random, ms_max * 1000000 + 1);
}

bool actor_awake(struct actor *actor)
{
    if (actor->asked || world_now_ns(actor->client.world) < actor->wake_ns) {
        return false;
    }
    if (!book_ready(actor_book(actor))) {
        actor_sleep(actor, 40);
        return false;
    }
    return true;
}

struct writer *actor_begin(struct actor *actor, int16_t key, int16_t version_min,
                           int16_t version_max, int16_t *version)
{
    const struct api_info *api = api_find(key);
    *version = client_version(&actor->client, api);
    *version = *version > version_max ? version_max : *version;
    *version = *version < version_min ? version_min : *version;
    return client_begin(&actor->client, api, *version);
}

void actor_end(struct actor *actor, int16_t key, int16_t version, struct writer *writer,
               uint64_t cookie)
{
    client_end(&actor->client, writer, api_find(key), version, cookie, true);
    actor->asked = true;
    actor->asked_ns = world_now_ns(actor->client.world);
}

void actor_retry(struct actor *actor, const char *what, int16_t error)
{
    const struct world *world = actor->client.world;
    const bool broken = error == ERROR_KAFKA_STORAGE_ERROR || error == ERROR_UNKNOWN_SERVER_ERROR;
    /* A process that dies within its turn finds its disks failing, and may still say so. */
    if (broken ? !world->ever_faulty && world->crashes == 0 : !error_is_retriable(error)) {
        sim_fail("%s %u: %s: error %d (%s)", actor->client.kind->name, actor->client.number, what,
                 error, error_name(error));
    }
    actor_sleep(actor, 30);
}

uint64_t actor_deadline_ns(const struct client *client)
{
    const struct actor *actor = actor_of(client);
    return actor->asked || client->kind->finished(client) ? UINT64_MAX : actor->wake_ns;
}

struct bytes text_view(const char *text)
{
    return bytes_of_string(text);
}

/* ---- The founder ---------------------------------------------------------------------------- */

struct founder {
    struct actor actor; /* First. */
    bool made;
    bool coordinators[2];
    bool found;
};

static struct founder *founder_of(const struct client *client)
{
    return (struct founder *)(uintptr_t)client;
}

enum { FOUNDER_CREATE = 1, FOUNDER_FIND };

static void topics_ask(struct founder *founder)
{
    static const char *const texts[][2] = {
        {"cleanup.policy", "compact"},
        {"segment.ms", "300"},
        {"min.cleanable.dirty.ratio", "0.05"},
        {"delete.retention.ms", "1000"},
        {"segment.ms", "1000"},
    };
    struct actor *actor = &founder->actor;
    struct bytes views[5][2];
    struct create_topics_request_config configs[5];
    for (uint32_t i = 0; i < 5; i++) {
        views[i][0] = text_view(texts[i][0]);
        views[i][1] = text_view(texts[i][1]);
        configs[i] =
            (struct create_topics_request_config){chain_of(&views[i][0]), chain_of(&views[i][1])};
    }
    struct bytes names[BOOK_TOPICS];
    struct create_topics_request_topic topics[BOOK_TOPICS];
    for (uint32_t i = 0; i < BOOK_TOPICS; i++) {
        const struct book_topic *topic = book_topic(actor_book(actor), i);
        names[i] = text_view(topic->name);
        topics[i] = create_topics_request_topic_default;
        topics[i].name = chain_of(&names[i]);
        topics[i].num_partitions = (int32_t)topic->count;
        topics[i].replication_factor = 1;
        topics[i].configs.items = topic->first == BOOK_KEYS_FIRST ? configs : configs + 4;
        topics[i].configs.count = topic->first == BOOK_KEYS_FIRST ? 4 : i;
    }
    struct create_topics_request request = create_topics_request_default;
    request.topics.items = topics;
    request.topics.count = BOOK_TOPICS;
    int16_t version;
    struct writer *writer = actor_begin(actor, API_CREATE_TOPICS, 0, INT16_MAX, &version);
    (void)create_topics_request_encode(writer, version, &request);
    actor_end(actor, API_CREATE_TOPICS, version, writer, FOUNDER_CREATE);
}

static void topics_take(struct founder *founder, const struct flight *flight, struct reader *reader)
{
    struct create_topics_response response;
    struct create_topics_response_topic topic;
    if (create_topics_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    founder->made = true;
    while (create_topics_response_topic_array_next(&response.topics, &topic)) {
        if (topic.error_code != ERROR_NONE && topic.error_code != ERROR_TOPIC_ALREADY_EXISTS) {
            actor_retry(&founder->actor, "CreateTopics", topic.error_code);
            founder->made = false;
        }
    }
}

static void coordinator_ask(struct founder *founder)
{
    const int8_t type = founder->coordinators[0] ? 1 : 0;
    const struct bytes key = text_view(type == 0 ? book_group(0) : "t0");
    struct find_coordinator_request request = find_coordinator_request_default;
    request.key_type = type;
    request.key = chain_of(&key);
    int16_t version;
    struct writer *writer = actor_begin(&founder->actor, API_FIND_COORDINATOR, 1, 3, &version);
    (void)find_coordinator_request_encode(writer, version, &request);
    actor_end(&founder->actor, API_FIND_COORDINATOR, version, writer,
              FOUNDER_FIND + (uint64_t)type);
}

static bool founder_step(struct client *client)
{
    struct founder *founder = founder_of(client);
    struct actor *actor = &founder->actor;
    if (actor->asked || world_now_ns(client->world) < actor->wake_ns || founder->found) {
        return false;
    }
    if (!founder->made) {
        topics_ask(founder);
    } else if (!founder->coordinators[0] || !founder->coordinators[1]) {
        coordinator_ask(founder);
    } else {
        book_found(actor_book(actor));
        founder->found = book_ready(actor_book(actor));
        actor_sleep(actor, 20);
        client_refresh(client, 0);
    }
    return true;
}

static void founder_answer(struct client *client, const struct flight *flight,
                           struct reader *reader)
{
    struct founder *founder = founder_of(client);
    founder->actor.asked = false;
    if (flight->cookie == FOUNDER_CREATE) {
        topics_take(founder, flight, reader);
        return;
    }
    struct find_coordinator_response response;
    if (find_coordinator_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code == ERROR_NONE) {
        founder->coordinators[flight->cookie - FOUNDER_FIND] = true;
    } else {
        actor_retry(&founder->actor, "FindCoordinator", response.error_code);
    }
}

static void founder_lost(struct client *client)
{
    founder_of(client)->actor.asked = false;
}

static bool founder_finished(const struct client *client)
{
    return founder_of(client)->found;
}

static void founder_free(struct client *client)
{
    free(founder_of(client));
}

const struct client_kind founder_kind = {
    .step = founder_step,
    .answer = founder_answer,
    .lost = founder_lost,
    .deadline_ns = actor_deadline_ns,
    .finished = founder_finished,
    .free = founder_free,
    .name = "founder",
};

struct client *founder_create(struct world *world)
{
    struct founder *founder = calloc(1, sizeof(*founder));
    ASSERT(founder != NULL);
    actor_init(&founder->actor, world, &founder_kind, 0);
    return &founder->actor.client;
}
