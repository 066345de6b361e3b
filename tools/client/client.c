#include "tools/client/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"
#include "storage/base/text.h"

enum {
    CONNECT_MS_MAX = 10000,
    FIRST_MS_MAX = 1500, /* A node that was killed is back by then; longer is no typing error. */
    AGAIN_MS = 100,
    AGAIN_APART_MS = 1000,
    PARTITIONS_MAX = 1000000,
    METADATA_ROOM_BYTES = 1024,
    OFFSET_NEWEST = -3, /* ListOffsets: of the record with the largest timestamp (KIP-734), */
    NEWEST_FROM = 7,    /* from this version on. */
};

void client_copy_text(char *to, size_t size, struct chain text)
{
    const uint32_t len = min_u32(text.len, (uint32_t)size - 1);
    chain_copy(text, to, len);
    to[len] = '\0';
}

uint64_t client_deadline_ns(const struct client *client)
{
    return connection_now_ns() + (uint64_t)client->timeout_ms * 1000000u;
}

static uint64_t connect_deadline_ns(const struct client *client)
{
    return connection_now_ns() + min_u64(client->timeout_ms, CONNECT_MS_MAX) * 1000000u;
}

/* Splits "HOST:PORT" or "[IPV6]:PORT". */
static bool address_parse(const char *text, size_t len, char host[CLIENT_HOST_BYTES],
                          uint16_t *port)
{
    const char *colon = memrchr(text, ':', len);
    if (colon == NULL) {
        return false;
    }
    uint64_t number;
    const struct bytes digits = {(const uint8_t *)colon + 1,
                                 (uint32_t)(len - 1) - (uint32_t)(colon - text)};
    size_t host_len = (size_t)(colon - text);
    if (host_len >= 2 && text[0] == '[' && text[host_len - 1] == ']') {
        text++;
        host_len -= 2;
    } else if (memchr(text, ':', host_len) != NULL) {
        return false;
    }
    if (host_len == 0 || host_len >= CLIENT_HOST_BYTES || !text_parse_u64(digits, &number) ||
        number == 0 || number > UINT16_MAX) {
        return false;
    }
    memcpy(host, text, host_len);
    host[host_len] = '\0';
    *port = (uint16_t)number;
    return true;
}

/* Tries each address once. */
static bool open_first(struct client *client)
{
    const char *at = client->bootstrap;
    for (;;) {
        const size_t len = strcspn(at, ",");
        char host[CLIENT_HOST_BYTES];
        uint16_t port;
        if (!address_parse(at, len, host, &port)) {
            return problem_set(&client->problem, PROBLEM_LOCAL, "--bootstrap '%s' is not HOST:PORT",
                               client->bootstrap);
        }
        if (connection_open(&client->first, host, port, connect_deadline_ns(client),
                            &client->problem)) {
            return true;
        }
        if (at[len] == '\0') {
            return false;
        }
        at += len + 1;
    }
}

bool client_open(struct client *client, const char *bootstrap, uint32_t timeout_ms)
{
    *client = (struct client){.bootstrap = bootstrap, .timeout_ms = timeout_ms};
    connection_init(&client->first);
    const uint64_t deadline_ns = connection_now_ns() + min_u64(timeout_ms, FIRST_MS_MAX) * 1000000u;
    do {
        if (open_first(client)) {
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

void client_close(struct client *client)
{
    connection_close(&client->first);
    for (uint32_t i = 0; i < client->broker_count; i++) {
        connection_close(&client->brokers[i].connection);
    }
    free(client->brokers);
    client->brokers = NULL;
    client->broker_count = 0;
}

struct connection *client_any(struct client *client)
{
    return connection_is_open(&client->first) || open_first(client) ? &client->first : NULL;
}

struct connection *client_broker(struct client *client, int32_t id)
{
    for (uint32_t i = 0; i < client->broker_count; i++) {
        struct client_broker *broker = &client->brokers[i];
        if (broker->id != id) {
            continue;
        }
        char name[CONNECTION_NAME_BYTES];
        (void)snprintf(name, sizeof(name), strchr(broker->host, ':') != NULL ? "[%s]:%u" : "%s:%u",
                       broker->host, broker->port);
        if (connection_is_open(&client->first) && strcmp(name, client->first.name) == 0) {
            return &client->first;
        }
        if (connection_is_open(&broker->connection) ||
            connection_open(&broker->connection, broker->host, broker->port,
                            connect_deadline_ns(client), &client->problem)) {
            return &broker->connection;
        }
        return NULL;
    }
    (void)problem_kafka(&client->problem, ERROR_LEADER_NOT_AVAILABLE, "partition", "", "");
    return NULL;
}

bool client_again(struct client *client, bool repeatable, uint64_t deadline_ns)
{
    if (!problem_may_pass(&client->problem, repeatable) || connection_now_ns() >= deadline_ns) {
        return false;
    }
    const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};
    const uint64_t now_ns = connection_now_ns();
    if (now_ns - client->again_ns > AGAIN_APART_MS * 1000000ull) {
        client->again_since_ns = now_ns; /* Another wait than the last one. */
    }
    client->again_ns = now_ns;
    connection_waited(client->again_since_ns);
    (void)nanosleep(&pause, NULL);
    connection_wait_over();
    return true;
}

/* ---- Metadata ------------------------------------------------------------------------------- */

static bool brokers_take(struct client *client, struct metadata_response_broker_array brokers)
{
    struct client_broker *fresh = calloc((size_t)brokers.count + 1, sizeof(*fresh));
    if (fresh == NULL) {
        return problem_set(&client->problem, PROBLEM_LOCAL, "out of memory");
    }
    struct metadata_response_broker from;
    uint32_t count = 0;
    while (metadata_response_broker_array_next(&brokers, &from)) {
        struct client_broker *to = &fresh[count++];
        to->id = from.node_id;
        to->port = (uint16_t)from.port;
        client_copy_text(to->host, sizeof(to->host), from.host);
        connection_init(&to->connection);
        for (uint32_t i = 0; i < client->broker_count; i++) {
            struct client_broker *old = &client->brokers[i];
            if (old->id == to->id && old->port == to->port && strcmp(old->host, to->host) == 0) {
                to->connection = old->connection;
                connection_init(&old->connection);
            }
        }
    }
    for (uint32_t i = 0; i < client->broker_count; i++) {
        connection_close(&client->brokers[i].connection);
    }
    free(client->brokers);
    client->brokers = fresh;
    client->broker_count = count;
    return true;
}

static bool topic_take(struct client *client, const struct metadata_response_topic *from,
                       struct client_topic *to)
{
    *to = (struct client_topic){
        .id = from->topic_id, .internal = from->is_internal, .error = from->error_code};
    client_copy_text(to->name, sizeof(to->name), from->name);
    struct metadata_response_partition_array walk = from->partitions;
    struct metadata_response_partition partition;
    while (metadata_response_partition_array_next(&walk, &partition)) {
        if (partition.partition_index < 0 || partition.partition_index >= PARTITIONS_MAX) {
            return connection_bad_answer(&client->first, &client->problem);
        }
        to->partition_count =
            (uint32_t)max_u64(to->partition_count, (uint64_t)partition.partition_index + 1);
    }
    to->partitions = calloc((size_t)to->partition_count + 1, sizeof(*to->partitions));
    if (to->partitions == NULL) {
        return problem_set(&client->problem, PROBLEM_LOCAL, "out of memory");
    }
    walk = from->partitions;
    while (metadata_response_partition_array_next(&walk, &partition)) {
        to->partitions[partition.partition_index] =
            (struct client_partition){.leader = partition.leader_id,
                                      .leader_epoch = partition.leader_epoch,
                                      .replica_count = partition.replica_nodes.count,
                                      .in_sync_count = partition.isr_nodes.count,
                                      .error = partition.error_code,
                                      .exists = true};
    }
    return true;
}

void client_topic_free(struct client_topic *topic)
{
    free(topic->partitions);
    topic->partitions = NULL;
    topic->partition_count = 0;
}

void client_topics_free(struct client_topic *topics, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        client_topic_free(&topics[i]);
    }
    free(topics);
}

/* name NULL: all topics. *topics is given to the caller on success. */
static bool metadata_once(struct client *client, const char *name, bool create,
                          uint64_t deadline_ns, struct client_topic **topics, uint32_t *count)
{
    struct connection *connection = client_any(client);
    int16_t version;
    struct writer *writer = connection == NULL
                                ? NULL
                                : connection_begin(connection, API_METADATA, METADATA_ROOM_BYTES,
                                                   &version, &client->problem);
    if (writer == NULL) {
        return false;
    }
    const struct bytes text = bytes_of_string(name);
    struct metadata_request_topic one = metadata_request_topic_default;
    one.name = chain_of(&text);
    struct metadata_request request = metadata_request_default;
    request.topics.items = &one;
    request.topics.count = name != NULL ? 1 : version == 0 ? 0 : -1;
    request.allow_auto_topic_creation = create || version < 4;
    (void)metadata_request_encode(writer, version, &request);
    struct reader reader;
    struct metadata_response response;
    if (!connection_call(connection, deadline_ns, &reader, &client->problem)) {
        return false;
    }
    if (metadata_response_decode(&reader, version, &response) != CODEC_OK) {
        return connection_bad_answer(connection, &client->problem);
    }
    struct client_topic *taken = calloc((size_t)response.topics.count + 1, sizeof(*taken));
    uint32_t used = 0;
    bool ok = taken != NULL && brokers_take(client, response.brokers);
    struct metadata_response_topic topic;
    while (ok && metadata_response_topic_array_next(&response.topics, &topic)) {
        ok = topic_take(client, &topic, &taken[used++]);
    }
    if (!ok) {
        client_topics_free(taken, taken != NULL ? used : 0);
        return false;
    }
    *topics = taken;
    *count = used;
    return true;
}

/* The first error of topic and partitions that stands in the way of using it. */
static int16_t topic_error(const struct client_topic *topic)
{
    int16_t error = topic->error;
    for (uint32_t i = 0; i < topic->partition_count && error == ERROR_NONE; i++) {
        if (topic->partitions[i].exists && topic->partitions[i].leader < 0) {
            error = topic->partitions[i].error != ERROR_NONE ? topic->partitions[i].error
                                                             : ERROR_LEADER_NOT_AVAILABLE;
        }
    }
    return error;
}

bool client_topic(struct client *client, const char *name, enum client_topic_how how,
                  struct client_topic *topic)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    bool create = how == CLIENT_TOPIC_CREATE;
    do {
        struct client_topic *topics;
        uint32_t count;
        if (!metadata_once(client, name, create, deadline_ns, &topics, &count)) {
            continue;
        }
        int16_t error = ERROR_UNKNOWN_SERVER_ERROR;
        if (count == 1) {
            error = how == CLIENT_TOPIC_AS_IS ? topics[0].error : topic_error(&topics[0]);
        }
        if (error == ERROR_NONE) {
            *topic = topics[0];
            free(topics);
            return true;
        }
        client_topics_free(topics, count);
        (void)problem_kafka(&client->problem, error, name, name, "");
        /* A topic that was just asked for by its first use may need a moment to be known. */
        if (create && error == ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
            create = false;
            client->problem.code = ERROR_LEADER_NOT_AVAILABLE;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

static int topic_compare(const void *a, const void *b)
{
    return strcmp(((const struct client_topic *)a)->name, ((const struct client_topic *)b)->name);
}

bool client_topics(struct client *client, struct client_topic **topics, uint32_t *count)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        if (metadata_once(client, NULL, false, deadline_ns, topics, count)) {
            qsort(*topics, *count, sizeof(**topics), topic_compare);
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

/* ---- Offsets -------------------------------------------------------------------------------- */

/* Offsets are written, and times where they are wanted. */
static bool offsets_answer(struct client *client, const struct client_topic *topic,
                           struct list_offsets_response *response, int64_t *offsets, int64_t *times)
{
    struct list_offsets_response_topic one;
    struct list_offsets_response_partition partition;
    while (list_offsets_response_topic_array_next(&response->topics, &one)) {
        while (list_offsets_response_partition_array_next(&one.partitions, &partition)) {
            if (partition.error_code != ERROR_NONE) {
                char what[CLIENT_TOPIC_NAME_BYTES + 32];
                (void)snprintf(what, sizeof(what), "offsets of %s partition %d", topic->name,
                               partition.partition_index);
                return problem_kafka(&client->problem, partition.error_code, what, topic->name, "");
            }
            if (partition.partition_index >= 0 &&
                (uint32_t)partition.partition_index < topic->partition_count) {
                offsets[partition.partition_index] = partition.offset;
                if (times != NULL) {
                    times[partition.partition_index] = partition.timestamp;
                }
            }
        }
    }
    return true;
}

/* Asks one leader for its partitions. */
static bool offsets_of_leader(struct client *client, const struct client_topic *topic,
                              int32_t leader, int64_t timestamp, int64_t *offsets, int64_t *times)
{
    struct list_offsets_request_partition *items = calloc(topic->partition_count, sizeof(*items));
    struct connection *connection = items != NULL ? client_broker(client, leader) : NULL;
    int32_t count = 0;
    for (uint32_t i = 0; items != NULL && i < topic->partition_count; i++) {
        if (topic->partitions[i].exists && topic->partitions[i].leader == leader) {
            items[count] = list_offsets_request_partition_default;
            items[count].partition_index = (int32_t)i;
            items[count++].timestamp = timestamp;
        }
    }
    int16_t version = 0;
    struct writer *writer = connection == NULL
                                ? NULL
                                : connection_begin(connection, API_LIST_OFFSETS,
                                                   METADATA_ROOM_BYTES + (uint32_t)count * 32,
                                                   &version, &client->problem);
    bool ok = writer != NULL;
    if (ok && (timestamp != OFFSET_NEWEST || version >= NEWEST_FROM)) {
        const struct bytes name = bytes_of_string(topic->name);
        struct list_offsets_request_topic one = list_offsets_request_topic_default;
        one.name = chain_of(&name);
        one.partitions.items = items;
        one.partitions.count = count;
        struct list_offsets_request request = list_offsets_request_default;
        request.replica_id = -1;
        request.topics.items = &one;
        request.topics.count = 1;
        request.timeout_ms = (int32_t)client->timeout_ms;
        (void)list_offsets_request_encode(writer, version, &request);
        struct reader reader;
        struct list_offsets_response response;
        ok = connection_call(connection, client_deadline_ns(client), &reader, &client->problem);
        if (ok && list_offsets_response_decode(&reader, version, &response) != CODEC_OK) {
            ok = connection_bad_answer(connection, &client->problem);
        }
        ok = ok && offsets_answer(client, topic, &response, offsets, times);
    }
    free(items);
    return ok;
}

static bool offsets_once(struct client *client, const struct client_topic *topic, int64_t timestamp,
                         int64_t *offsets, int64_t *times)
{
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        offsets[i] = -1;
        if (times != NULL) {
            times[i] = -1;
        }
    }
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        const int32_t leader = topic->partitions[i].leader;
        bool first = topic->partitions[i].exists && leader >= 0;
        for (uint32_t j = 0; j < i && first; j++) {
            first = topic->partitions[j].leader != leader;
        }
        if (first && !offsets_of_leader(client, topic, leader, timestamp, offsets, times)) {
            return false;
        }
    }
    return true;
}

bool client_offsets(struct client *client, const struct client_topic *topic, int64_t timestamp,
                    int64_t *offsets)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    do {
        if (offsets_once(client, topic, timestamp, offsets, NULL)) {
            return true;
        }
    } while (client_again(client, true, deadline_ns));
    return false;
}

bool client_newest(struct client *client, const struct client_topic *topic, int64_t *times)
{
    const uint64_t deadline_ns = client_deadline_ns(client);
    int64_t *offsets = calloc((size_t)topic->partition_count + 1, sizeof(*offsets));
    if (offsets == NULL) {
        return problem_set(&client->problem, PROBLEM_LOCAL, "out of memory");
    }
    bool ok;
    do {
        ok = offsets_once(client, topic, OFFSET_NEWEST, offsets, times);
    } while (!ok && client_again(client, true, deadline_ns));
    free(offsets);
    return ok;
}
