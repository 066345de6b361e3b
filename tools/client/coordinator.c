#include "tools/client/coordinator.h"

#include <stdio.h>

#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/messages.h"

enum {
    ROOM_BYTES = 1024,
    MESSAGE_BYTES = 400,
    WHAT_BYTES = 400,
    MANY_FROM = 4, /* The version from which FindCoordinator takes several keys. */
};

bool coordinator_brokers(struct client *client)
{
    struct client_topic *topics;
    uint32_t count;
    if (client->broker_count > 0) {
        return true;
    }
    if (!client_topics(client, &topics, &count)) {
        return false;
    }
    client_topics_free(topics, count);
    return true;
}

bool coordinator_check(struct client *client, int16_t error, struct chain message, const char *what,
                       const char *id)
{
    if (error == ERROR_NONE) {
        return true;
    }
    char text[MESSAGE_BYTES];
    char whole[WHAT_BYTES];
    client_copy_text(text, sizeof(text), message);
    (void)snprintf(whole, sizeof(whole), "%s %s", what, id);
    return problem_kafka(&client->problem, error, whole, id, text);
}

/* The broker's id; -1 with a problem. */
static int32_t find(struct client *client, enum coordinator_of of, const char *id)
{
    struct connection *connection = client_any(client);
    const struct bytes text = bytes_of_string(id);
    const struct chain key = chain_of(&text);
    int16_t version;
    struct writer *writer =
        connection == NULL ? NULL
                           : connection_begin(connection, API_FIND_COORDINATOR,
                                              ROOM_BYTES + text.len, &version, &client->problem);
    if (writer == NULL) {
        return -1;
    }
    struct find_coordinator_request request = find_coordinator_request_default;
    request.key_type = (int8_t)of;
    if (version >= MANY_FROM) {
        request.coordinator_keys = (struct string_array){.items = &key, .count = 1};
    } else {
        request.key = key;
    }
    (void)find_coordinator_request_encode(writer, version, &request);
    struct reader reader;
    struct find_coordinator_response answer;
    struct find_coordinator_response_coordinator one =
        find_coordinator_response_coordinator_default;
    if (!connection_call(connection, client_deadline_ns(client), &reader, &client->problem)) {
        return -1;
    }
    if (find_coordinator_response_decode(&reader, version, &answer) != CODEC_OK ||
        (version >= MANY_FROM &&
         !find_coordinator_response_coordinator_array_next(&answer.coordinators, &one))) {
        (void)connection_bad_answer(connection, &client->problem);
        return -1;
    }
    const bool many = version >= MANY_FROM;
    const int16_t error = many ? one.error_code : answer.error_code;
    return coordinator_check(client, error, many ? one.error_message : answer.error_message,
                             "coordinator of", id)
               ? many ? one.node_id : answer.node_id
               : -1;
}

bool coordinator_begin(struct client *client, enum coordinator_of of, const char *id, int16_t api,
                       uint32_t room_bytes, struct coordinator_request *request)
{
    if (!coordinator_brokers(client)) {
        return false;
    }
    const int32_t broker = find(client, of, id);
    request->connection = broker >= 0 ? client_broker(client, broker) : NULL;
    request->writer =
        request->connection != NULL
            ? connection_begin(request->connection, api, room_bytes + (uint32_t)strlen(id),
                               &request->version, &client->problem)
            : NULL;
    return request->writer != NULL;
}

bool coordinator_call(struct client *client, const struct coordinator_request *request,
                      struct reader *reader)
{
    return connection_call(request->connection, client_deadline_ns(client), reader,
                           &client->problem);
}
