#include "dataplane/broker/producer_ids.h"

#include "dataplane/broker/handlers.h"
#include "dataplane/broker/request.h"

enum { ASK_AGAIN_MS = 1000 };

void producer_ids_granted(struct broker *broker, int64_t first, uint32_t count)
{
    broker->producer_ids_asked = false;
    if (broker->producer_ids_left == 0) {
        broker->producer_id_next = first;
        broker->producer_ids_left = count;
    } else { /* A second block in reserve; an older one there is forgotten: ids are plenty. */
        broker->spare_id_first = first;
        broker->spare_id_count = count;
    }
}

static bool take_id(struct broker *broker, int64_t *id)
{
    if (broker->producer_ids_left == 0) {
        broker->producer_id_next = broker->spare_id_first;
        broker->producer_ids_left = broker->spare_id_count;
        broker->spare_id_count = 0;
    }
    if (broker->producer_ids_left == 0) {
        return false;
    }
    broker->producer_ids_left--;
    *id = broker->producer_id_next++;
    return true;
}

void producer_ids_turn(struct broker *broker)
{
    const bool enough = broker->spare_id_count > 0;
    const bool waits = broker->producer_ids_asked &&
                       broker->now_ns - broker->producer_ids_asked_ns < ns_of_ms(ASK_AGAIN_MS);
    if (enough || waits || !channel_connected(broker->setup.channel)) {
        return;
    }
    struct slow_header header;
    memset(&header, 0, sizeof(header));
    header.kind = SLOW_PRODUCER_IDS_WANTED;
    header.connection.core = (uint16_t)broker->core;
    if (channel_send(broker->setup.channel, &header, CHAIN_EMPTY)) {
        broker->producer_ids_asked = true;
        broker->producer_ids_asked_ns = broker->now_ns;
    }
}

static void init_build(struct broker *broker, struct request *request, struct writer *writer)
{
    struct init_producer_id_response response = init_producer_id_response_default;
    (void)broker;
    response.error_code = request->error;
    response.producer_id = request->values[0];
    response.producer_epoch = request->error == ERROR_NONE ? 0 : -1;
    init_producer_id_response_encode(writer, request->version, &response);
}

static int16_t init_error(const struct init_producer_id_request *body)
{
    if ((body->producer_id == -1) != (body->producer_epoch == -1)) {
        return ERROR_INVALID_REQUEST;
    }
    return !chain_is_null(body->transactional_id) && body->transactional_id.len == 0
               ? ERROR_INVALID_REQUEST
               : ERROR_NONE;
}

bool init_producer_id_start(struct broker *broker, struct request *request)
{
    struct init_producer_id_request body;
    struct reader reader;
    reader_init(&reader, request->body);
    if (init_producer_id_request_decode(&reader, request->version, &body) != CODEC_OK) {
        return false;
    }
    request->values[0] = -1;
    request->error = init_error(&body);
    if (request->error == ERROR_NONE && !chain_is_null(body.transactional_id)) {
        return slow_start(broker, request);
    }
    if (request->error == ERROR_NONE && !take_id(broker, &request->values[0])) {
        request->error = ERROR_COORDINATOR_LOAD_IN_PROGRESS; /* As Kafka while a block comes. */
    }
    producer_ids_turn(broker);
    request_done(request, init_build);
    return true;
}
