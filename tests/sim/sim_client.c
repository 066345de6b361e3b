#include "tests/sim/sim_client.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    LATE_MS = 45 * 1000, /* Longer than the broker waits for control. */
};

void client_init(struct client *client, struct world *world, const struct client_kind *kind,
                 uint32_t number)
{
    client->world = world;
    client->kind = kind;
    client->number = number;
    random_init(&client->random, random_u64(&world->random));
    client->next_correlation = (int32_t)random_below(&client->random, 1000);
    client->wants_metadata = true;
    list_push_back(&world->clients, &client->node);
}

/* ---- Requests ------------------------------------------------------------------------------- */

int16_t client_version(struct client *client, const struct api_info *api)
{
    if (random_one_in(&client->random, 2)) {
        return api->version_max;
    }
    return (int16_t)(api->version_min +
                     (int16_t)random_below(&client->random,
                                           (uint64_t)(api->version_max - api->version_min) + 1));
}

struct writer *client_begin(struct client *client, const struct api_info *api, int16_t version)
{
    static uint8_t buffer[CLIENT_REQUEST_BYTES_MAX];
    static struct writer writer;
    ASSERT(client->flight_count < CLIENT_FLIGHTS_MAX && client->socket != NULL);
    writer_init(&writer, buffer, sizeof(buffer));
    request_begin(&writer, api, version, client->next_correlation, CHAIN_TEXT("simulation"));
    return &writer;
}

void client_end(struct client *client, struct writer *writer, const struct api_info *api,
                int16_t version, uint64_t cookie, bool answered)
{
    const enum codec_status status = frame_end(writer);
    if (status != CODEC_OK) {
        sim_fail("%s version %d could not be encoded: %s", api->name, version,
                 codec_status_name(status));
    }
    const uint64_t now_ns = world_now_ns(client->world);
    sim_socket_write(client->socket, writer->base, writer_used(writer));
    if (answered) {
        client->flights[(client->flight_first + client->flight_count++) % CLIENT_FLIGHTS_MAX] =
            (struct flight){.api = api,
                            .version = version,
                            .correlation_id = client->next_correlation,
                            .sent_ns = now_ns,
                            .late_ns = now_ns + LATE_MS * UINT64_C(1000000),
                            .cookie = cookie};
    }
    client->next_correlation++;
}

void client_cut(struct client *client, bool reset)
{
    if (client->socket == NULL) {
        return;
    }
    sim_socket_close(client->socket, reset);
    client->socket = NULL;
    client->input_bytes = 0;
    client->flight_count = 0;
    client->asked_metadata = false;
    client->wants_metadata = true;
    client->metadata_ns = 0;
    client->connect_ns =
        world_now_ns(client->world) + random_below(&client->random, 10 * 1000 * 1000);
    client->kind->lost(client);
}

void client_refresh(struct client *client, uint64_t delay_ms)
{
    const uint64_t when_ns = world_now_ns(client->world) + delay_ms * 1000000;
    client->metadata_ns = client->wants_metadata ? min_u64(client->metadata_ns, when_ns) : when_ns;
    client->wants_metadata = true;
}

/* ---- Metadata ------------------------------------------------------------------------------- */

struct bytes chain_bytes(struct chain chain, uint8_t *room, uint32_t capacity)
{
    ASSERT(chain.len <= capacity);
    return chain_flat(chain, room);
}

static bool same_id(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

int32_t client_topic_of(const struct client *client, struct chain name, const struct uuid *id,
                        bool by_id)
{
    uint8_t room[64];
    if (!by_id) {
        return name.len > sizeof(room) ? -1
                                       : ledger_topic_named(client->world->ledger,
                                                            chain_bytes(name, room, sizeof(room)));
    }
    for (int32_t i = 0; i < LEDGER_TOPICS_MAX; i++) {
        if (client->topics[i].known && same_id(&client->topics[i].id, id)) {
            return i;
        }
    }
    return -1;
}

static void metadata_ask(struct client *client)
{
    const struct api_info *api = api_find(API_METADATA);
    int16_t version = client_version(client, api);
    version = version < 10 ? 12 : version; /* Topic ids are wanted. */
    struct metadata_request request = metadata_request_default;
    request.topics.count = -1;
    request.allow_auto_topic_creation = false;
    struct writer *writer = client_begin(client, api, version);
    (void)metadata_request_encode(writer, version, &request);
    client_end(client, writer, api, version, 0, true);
    client->asked_metadata = true;
    client->wants_metadata = false;
    for (uint32_t i = 0; i < LEDGER_TOPICS_MAX; i++) {
        const struct ledger_topic *topic = ledger_topic(client->world->ledger, i);
        client->topics[i].promised = topic->created && !topic->asked;
        client->topics[i].promised_id = topic->id;
        client->topics[i].promised_count = topic->partition_count;
    }
}

static void metadata_topic(struct client *client, struct metadata_response_topic *from)
{
    uint8_t room[300];
    const struct bytes name = chain_bytes(from->name, room, sizeof(room));
    const int32_t number = ledger_topic_named(client->world->ledger, name);
    if (number < 0) {
        if (client->world->book != NULL && from->error_code == ERROR_NONE) {
            book_topic_seen(client->world->book, name, &from->topic_id,
                            (uint32_t)from->partitions.count);
        }
        return;
    }
    struct known_topic *topic = &client->topics[number];
    struct metadata_response_partition partition;
    if (from->error_code != ERROR_NONE) {
        return;
    }
    topic->known = true;
    topic->id = from->topic_id;
    topic->partition_count = 0;
    while (metadata_response_partition_array_next(&from->partitions, &partition)) {
        if (partition.partition_index < 0 || partition.partition_index >= LEDGER_PARTITIONS_MAX) {
            sim_fail("topic-%d has a partition %d", number, partition.partition_index);
        }
        topic->leader_epochs[partition.partition_index] = partition.leader_epoch;
        topic->led[partition.partition_index] = partition.leader_id >= 0;
        topic->partition_count++;
    }
}

/* What was acknowledged to exist before this was asked for must be there (H18). */
static void metadata_check(const struct client *client, uint32_t number)
{
    const struct known_topic *topic = &client->topics[number];
    const struct ledger_topic *now = ledger_topic(client->world->ledger, number);
    if (now->asked || !topic->promised || !now->created ||
        !same_id(&topic->promised_id, &now->id)) {
        return;
    }
    if (!topic->known || !same_id(&topic->id, &topic->promised_id)) {
        sim_fail("%s is not there, its creation was acknowledged", now->name);
    }
    if (topic->partition_count < topic->promised_count) {
        sim_fail("%s has %u partitions, acknowledged were %u", now->name, topic->partition_count,
                 topic->promised_count);
    }
}

static void metadata_take(struct client *client, const struct flight *flight, struct reader *reader)
{
    struct metadata_response response;
    struct metadata_response_topic topic;
    if (metadata_response_decode(reader, flight->version, &response) != CODEC_OK) {
        sim_fail("a Metadata answer does not decode");
    }
    for (uint32_t i = 0; i < LEDGER_TOPICS_MAX; i++) {
        client->topics[i].known = false;
    }
    while (metadata_response_topic_array_next(&response.topics, &topic)) {
        metadata_topic(client, &topic);
    }
    for (uint32_t i = 0; i < LEDGER_TOPICS_MAX; i++) {
        metadata_check(client, i);
    }
    client->asked_metadata = false;
    client->metadata_round++;
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void input_grow(struct client *client)
{
    if (client->input_capacity - client->input_bytes < 4096) {
        client->input_capacity = client->input_capacity == 0 ? 16384 : client->input_capacity * 2;
        client->input = realloc(client->input, client->input_capacity);
        ASSERT(client->input != NULL);
    }
}

static void answer_take(struct client *client, struct chain frame)
{
    if (client->flight_count == 0) {
        sim_fail("%s %u: an answer to nothing", client->kind->name, client->number);
    }
    const struct flight flight = client->flights[client->flight_first];
    client->flight_first = (client->flight_first + 1) % CLIENT_FLIGHTS_MAX;
    client->flight_count--;
    struct reader reader;
    int32_t correlation_id;
    reader_init(&reader, frame);
    if (response_header_decode(&reader, flight.api, flight.version, &correlation_id) != CODEC_OK) {
        sim_fail("the header of an answer to %s does not decode", flight.api->name);
    }
    if (correlation_id != flight.correlation_id) {
        sim_fail("%s %u: answer %d where %d (%s) was next in line", client->kind->name,
                 client->number, correlation_id, flight.correlation_id, flight.api->name);
    }
    if (flight.api->key == API_METADATA && client->asked_metadata && flight.cookie == 0) {
        metadata_take(client, &flight, &reader);
    } else {
        client->kind->answer(client, &flight, &reader);
    }
    if (client->socket != NULL && (reader.status != CODEC_OK || reader_left(&reader) != 0)) {
        sim_fail("an answer to %s version %d does not decode, or has %u bytes too many",
                 flight.api->name, flight.version, reader_left(&reader));
    }
}

static bool answers_take(struct client *client)
{
    bool work = false;
    uint32_t used = 0;
    while (client->socket != NULL) {
        const struct bytes rest = {client->input + used, client->input_bytes - used};
        struct chain frame;
        const enum frame_status status =
            rest.len == 0 ? FRAME_PARTIAL : frame_next(chain_of(&rest), 1 << 28, &frame);
        if (status == FRAME_BAD) {
            sim_fail("an answer has no length that could be one");
        }
        if (status == FRAME_PARTIAL) {
            break;
        }
        used += FRAME_PREFIX_BYTES + frame.len;
        answer_take(client, frame);
        work = true;
    }
    if (client->socket == NULL) {
        client->input_bytes = 0; /* Cut on the way. */
        return true;
    }
    if (used > 0) {
        client->input_bytes -= used;
        memmove(client->input, client->input + used, client->input_bytes);
    }
    return work;
}

static bool input_turn(struct client *client)
{
    bool work = false;
    for (;;) {
        input_grow(client);
        const uint32_t got = sim_socket_read(client->socket, client->input + client->input_bytes,
                                             client->input_capacity - client->input_bytes);
        client->input_bytes += got;
        if (got == 0) {
            break;
        }
        work = answers_take(client) || work;
        if (client->socket == NULL) {
            return true;
        }
    }
    if (sim_socket_ended(client->socket)) {
        client_cut(client, false);
        return true;
    }
    if (client->flight_count > 0 &&
        client->flights[client->flight_first].late_ns < world_now_ns(client->world)) {
        if (!client->world->faulty && !client->world->control_stopped) {
            sim_fail("%s %u: no answer to %s version %d in %u s", client->kind->name,
                     client->number, client->flights[client->flight_first].api->name,
                     client->flights[client->flight_first].version, LATE_MS / 1000);
        }
        client_cut(client, false);
        return true;
    }
    return work;
}

/* ---- Turns ---------------------------------------------------------------------------------- */

static bool client_turn(struct client *client)
{
    const uint64_t now_ns = world_now_ns(client->world);
    if (client->socket == NULL) {
        if (now_ns < client->connect_ns || client->world->clients_held) {
            return false;
        }
        client->socket = sim_socket_open(client->world->net);
        client->connect_ns = now_ns + 1000000 + random_below(&client->random, 5 * 1000 * 1000);
        return client->socket != NULL;
    }
    if (input_turn(client)) {
        return true;
    }
    if (client->cut_one_in > 0 && client->flight_count > 0 &&
        random_one_in(&client->random, client->cut_one_in)) {
        client_cut(client, random_one_in(&client->random, 2));
        return true;
    }
    if (client->wants_metadata && !client->asked_metadata && now_ns >= client->metadata_ns &&
        client->flight_count < CLIENT_FLIGHTS_MAX) {
        metadata_ask(client);
        return true;
    }
    return client->metadata_round > 0 && client->kind->step(client);
}

bool clients_turn(struct world *world, bool all)
{
    bool work = false;
    LIST_FOR_EACH(node, &world->clients)
    {
        struct client *client = CONTAINER_OF(node, struct client, node);
        if (all || !random_one_in(&world->random, 3)) {
            work = client_turn(client) || work;
        }
    }
    return work;
}

static uint64_t client_deadline_ns(const struct client *client)
{
    if (client->socket == NULL) {
        return client->world->clients_held ? UINT64_MAX : client->connect_ns;
    }
    uint64_t deadline_ns = client->kind->deadline_ns(client);
    if (client->wants_metadata && !client->asked_metadata) {
        deadline_ns = min_u64(deadline_ns, client->metadata_ns);
    }
    if (client->flight_count > 0) {
        deadline_ns = min_u64(deadline_ns, client->flights[client->flight_first].late_ns + 1);
    }
    return deadline_ns;
}

uint64_t clients_deadline_ns(const struct world *world)
{
    uint64_t deadline_ns = UINT64_MAX;
    LIST_FOR_EACH(node, &world->clients)
    {
        deadline_ns =
            min_u64(deadline_ns, client_deadline_ns(CONTAINER_OF(node, struct client, node)));
    }
    return deadline_ns;
}

void clients_disconnect(struct world *world)
{
    LIST_FOR_EACH(node, &world->clients)
    {
        client_cut(CONTAINER_OF(node, struct client, node), false);
    }
}

void clients_free(struct world *world)
{
    world->clients_held = true;
    clients_disconnect(world);
    LIST_FOR_EACH(node, &world->clients)
    {
        struct client *client = CONTAINER_OF(node, struct client, node);
        list_remove(node);
        free(client->input);
        client->kind->free(client);
    }
}

bool clients_finished(const struct world *world, const struct client_kind *kind)
{
    LIST_FOR_EACH(node, &world->clients)
    {
        const struct client *client = CONTAINER_OF(node, struct client, node);
        if ((kind == NULL || client->kind == kind) && !client->kind->finished(client)) {
            return false;
        }
    }
    return true;
}
