/* FindCoordinator (B36): where an id belongs. On one node that is always this broker; what can be
 * missing is the internal topic, which comes into being when it is first asked for. */
#include "control/serve/coordinators.h"

#include "control/serve/parts.h"
#include "control/step.h"
#include "control/topic/create.h"
#include "dataplane/slowpath/address.h"

enum key_type {
    KEY_GROUP,
    KEY_TRANSACTION,
    KEY_SHARE,
};

const struct coordinator_topic coordinator_topics[COORDINATOR_TOPICS] = {
    [COORDINATOR_OF_GROUPS] = {"__consumer_offsets", "offsets.topic.num.partitions",
                               "offsets.topic.segment.bytes", "offsets.topic.replication.factor",
                               "producer"},
    [COORDINATOR_OF_TRANSACTIONS] = {"__transaction_state", "transaction.state.log.num.partitions",
                                     "transaction.state.log.segment.bytes",
                                     "transaction.state.log.replication.factor", "uncompressed"},
};

static bool partition_led(const struct image_topic *topic, int32_t index)
{
    const struct image_partition *partition = &topic->partitions[index];
    return !uuid_is_zero(partition->directory) && !partition->offline &&
           partition->placed != SNAPSHOT_DIRECTORY_NONE;
}

static int16_t topic_find(struct step *step, const struct coordinator_topic *row, struct bytes key)
{
    const struct image_topic *topic =
        image_topic_by_name(step_image(step), bytes_of_string(row->name));
    if (topic == NULL) {
        (void)topic_create_internal(step, row);
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    const int32_t index = group_place(key, (int32_t)topic->partition_count);
    return partition_led(topic, index) ? ERROR_NONE : ERROR_COORDINATOR_NOT_AVAILABLE;
}

static int16_t coordinator_find(struct step *step, int8_t key_type, struct bytes key)
{
    switch (key_type) {
    case KEY_GROUP: return topic_find(step, &coordinator_topics[COORDINATOR_OF_GROUPS], key);
    case KEY_TRANSACTION:
        return topic_find(step, &coordinator_topics[COORDINATOR_OF_TRANSACTIONS], key);
    default: return ERROR_INVALID_REQUEST;
    }
}

static struct find_coordinator_response_coordinator
coordinator_of(struct step *step, int8_t key_type, struct bytes key)
{
    struct find_coordinator_response_coordinator found =
        find_coordinator_response_coordinator_default;
    const struct host_port *advertised = &step->view.settings->network_advertised;
    const struct network_address *local = &step->header->local;
    char room[ADDRESS_TEXT_BYTES];
    found.key = arena_chain(step->arena, key);
    found.error_message = CHAIN_EMPTY;
    found.error_code = coordinator_find(step, key_type, key);
    if (key_type < KEY_GROUP || key_type > KEY_SHARE) {
        found.error_message = arena_text(step->arena, "%s", error_text(found.error_code));
    }
    if (found.error_code != ERROR_NONE) {
        found.node_id = -1;
        found.port = -1;
        return found;
    }
    found.node_id = step_image(step)->node_id;
    const bool named = advertised->host[0] != '\0';
    const struct bytes host = named ? bytes_of_string(advertised->host) : address_text(local, room);
    found.host = arena_chain(step->arena, arena_copy(step->arena, host));
    found.port = local->port;
    if (named) {
        found.port = advertised->port != 0 ? advertised->port : step->listen_port;
    }
    return found;
}

static void one_answer(struct step *step, const struct find_coordinator_request *request,
                       struct find_coordinator_response *answer)
{
    const struct find_coordinator_response_coordinator found =
        coordinator_of(step, request->key_type, arena_flat(step->arena, request->key));
    answer->error_code = found.error_code;
    const bool good = found.error_code == ERROR_NONE;
    answer->error_message =
        arena_text(step->arena, "%s", good ? "NONE" : error_text(found.error_code));
    answer->node_id = found.node_id;
    answer->host = found.host;
    answer->port = found.port;
}

void find_coordinator_step(struct step *step)
{
    struct find_coordinator_request request;
    if (find_coordinator_request_decode(&step->body, step->version, &request) != CODEC_OK) {
        step->malformed = true;
        return;
    }
    struct find_coordinator_response *answer =
        ARENA_ARRAY(step->arena, struct find_coordinator_response, 1);
    *answer = find_coordinator_response_default;
    if (step->version < 4) {
        one_answer(step, &request, answer);
        step->answer = answer;
        return;
    }
    if (request.coordinator_keys.count > PARTS_MAX) {
        step->whole_error = ERROR_POLICY_VIOLATION;
        return;
    }
    struct find_coordinator_response_coordinator *items = ARENA_ARRAY(
        step->arena, struct find_coordinator_response_coordinator, request.coordinator_keys.count);
    struct chain key;
    while (string_array_next(&request.coordinator_keys, &key)) {
        items[answer->coordinators.count++] =
            coordinator_of(step, request.key_type, arena_flat(step->arena, key));
    }
    answer->coordinators.items = items;
    step->answer = answer;
}
