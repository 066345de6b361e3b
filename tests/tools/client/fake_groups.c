#include "tests/tools/client/fake_groups.h"

#include <stdio.h>

#include "dataplane/kafka/errors.h"

static void answer_coordinator(struct fake_broker *broker, int16_t version, struct reader *reader,
                               struct writer *writer)
{
    struct find_coordinator_request request;
    struct find_coordinator_response response = find_coordinator_response_default;
    struct find_coordinator_response_coordinator one =
        find_coordinator_response_coordinator_default;
    ASSERT(find_coordinator_request_decode(reader, version, &request) == CODEC_OK);
    broker->coordinator_kind = request.key_type;
    one.key = request.key;
    if (version >= 4) {
        ASSERT(string_array_next(&request.coordinator_keys, &one.key));
    }
    one.error_code = fake_broker_error(broker, API_FIND_COORDINATOR);
    one.node_id = one.error_code == ERROR_NONE ? FAKE_NODE_ID : -1;
    one.host = CHAIN_TEXT("127.0.0.1");
    one.port = broker->port;
    if (version >= 4) {
        response.coordinators.items = &one;
        response.coordinators.count = 1;
    } else {
        response.error_code = one.error_code;
        response.node_id = one.node_id;
        response.host = one.host;
        response.port = one.port;
    }
    ASSERT(find_coordinator_response_encode(writer, version, &response) == CODEC_OK);
}

static const char *group_state(const struct fake_group *group)
{
    return group->has_member ? "Stable" : "Empty";
}

static bool is_group(const struct fake_broker *broker, struct chain id)
{
    return broker->group.exists && chain_equals(id, bytes_of_string("billing"));
}

static void answer_list(struct fake_broker *broker, int16_t version, struct reader *reader,
                        struct writer *writer)
{
    struct list_groups_request request;
    struct list_groups_response response = list_groups_response_default;
    struct list_groups_response_group one = list_groups_response_group_default;
    struct chain filter;
    ASSERT(list_groups_request_decode(reader, version, &request) == CODEC_OK);
    const struct bytes state = bytes_of_string(group_state(&broker->group));
    one.group_id = CHAIN_TEXT("billing");
    one.protocol_type = CHAIN_TEXT("consumer");
    one.group_state = chain_of(&state);
    one.group_type = broker->group.is_new ? CHAIN_TEXT("Consumer") : CHAIN_TEXT("Classic");
    const bool asked =
        !string_array_next(&request.states_filter, &filter) || chain_equals(filter, state);
    response.error_code = fake_broker_error(broker, API_LIST_GROUPS);
    response.groups.items = &one;
    response.groups.count = broker->group.exists && asked;
    ASSERT(list_groups_response_encode(writer, version, &response) == CODEC_OK);
}

/* The member has partitions 0 and 2. */
static const int32_t owned[] = {0, 2};

static void answer_new(struct fake_broker *broker, int16_t version, struct reader *reader,
                       struct writer *writer)
{
    struct consumer_group_describe_request request;
    struct consumer_group_describe_response response = consumer_group_describe_response_default;
    struct consumer_group_describe_response_group group =
        consumer_group_describe_response_group_default;
    struct consumer_group_describe_response_member member =
        consumer_group_describe_response_member_default;
    struct consumer_group_describe_response_topic topic =
        consumer_group_describe_response_topic_default;
    ASSERT(consumer_group_describe_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(string_array_next(&request.group_ids, &group.group_id));
    const struct bytes name = bytes_of_string(broker->topic);
    const struct bytes state = bytes_of_string(group_state(&broker->group));
    group.error_code = is_group(broker, group.group_id) && broker->group.is_new
                           ? fake_broker_error(broker, API_CONSUMER_GROUP_DESCRIBE)
                           : ERROR_GROUP_ID_NOT_FOUND;
    group.group_state = chain_of(&state);
    group.group_epoch = 7;
    group.assignor_name = CHAIN_TEXT("uniform");
    topic.topic_name = chain_of(&name);
    topic.partitions.items = owned;
    topic.partitions.count = ARRAY_SIZE(owned);
    member.member_id = CHAIN_TEXT("member-1");
    member.client_id = CHAIN_TEXT("till");
    member.client_host = CHAIN_TEXT("/10.0.0.9");
    member.member_epoch = 6;
    member.assignment.topic_partitions.items = &topic;
    member.assignment.topic_partitions.count = 1;
    group.members.items = &member;
    group.members.count = group.error_code == ERROR_NONE && broker->group.has_member;
    response.groups.items = &group;
    response.groups.count = 1;
    ASSERT(consumer_group_describe_response_encode(writer, version, &response) == CODEC_OK);
}

static struct bytes assignment_encode(const struct fake_broker *broker, uint8_t *memory,
                                      uint32_t size)
{
    const struct bytes name = bytes_of_string(broker->topic);
    struct consumer_protocol_assignment_topic topic = consumer_protocol_assignment_topic_default;
    struct consumer_protocol_assignment assignment = consumer_protocol_assignment_default;
    struct writer writer;
    topic.topic = chain_of(&name);
    topic.partitions.items = owned;
    topic.partitions.count = ARRAY_SIZE(owned);
    assignment.assigned_partitions.items = &topic;
    assignment.assigned_partitions.count = 1;
    writer_init(&writer, memory, size);
    writer_i16(&writer, 1);
    ASSERT(consumer_protocol_assignment_encode(&writer, 1, &assignment) == CODEC_OK);
    return (struct bytes){memory, writer_used(&writer)};
}

static void answer_classic(struct fake_broker *broker, int16_t version, struct reader *reader,
                           struct writer *writer)
{
    struct describe_groups_request request;
    struct describe_groups_response response = describe_groups_response_default;
    struct describe_groups_response_group group = describe_groups_response_group_default;
    struct describe_groups_response_member member = describe_groups_response_member_default;
    uint8_t memory[256];
    ASSERT(describe_groups_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(string_array_next(&request.groups, &group.group_id));
    const bool there = is_group(broker, group.group_id) && !broker->group.is_new;
    const struct bytes state = bytes_of_string(there ? group_state(&broker->group) : "Dead");
    const struct bytes assignment = assignment_encode(broker, memory, sizeof(memory));
    group.error_code = !there && version >= 6 ? ERROR_GROUP_ID_NOT_FOUND : ERROR_NONE;
    group.group_state = chain_of(&state);
    group.protocol_type = CHAIN_TEXT("consumer");
    group.protocol_data = CHAIN_TEXT("range");
    member.member_id = CHAIN_TEXT("member-1");
    member.client_id = CHAIN_TEXT("till");
    member.client_host = CHAIN_TEXT("/10.0.0.9");
    member.member_metadata = CHAIN_EMPTY;
    member.member_assignment = chain_of(&assignment);
    group.members.items = &member;
    group.members.count = there && broker->group.has_member;
    response.groups.items = &group;
    response.groups.count = 1;
    ASSERT(describe_groups_response_encode(writer, version, &response) == CODEC_OK);
}

/* Versions up to 7, of one group. */
static void answer_old_offsets(struct fake_broker *broker, int16_t version, struct reader *reader,
                               struct writer *writer)
{
    struct offset_fetch_request request;
    struct offset_fetch_response response = offset_fetch_response_default;
    struct offset_fetch_response_topic topic = offset_fetch_response_topic_default;
    struct offset_fetch_response_partition partitions[FAKE_PARTITIONS];
    ASSERT(offset_fetch_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(request.topics.count < 0 && is_group(broker, request.group_id));
    const struct bytes name = bytes_of_string(broker->topic);
    topic.name = chain_of(&name);
    topic.partitions.items = partitions;
    topic.partitions.count = FAKE_PARTITIONS;
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++) {
        partitions[i] = offset_fetch_response_partition_default;
        partitions[i].metadata = CHAIN_EMPTY;
        partitions[i].partition_index = i;
        partitions[i].committed_offset = broker->group.committed[i];
    }
    response.topics.items = &topic;
    response.topics.count = 1;
    ASSERT(offset_fetch_response_encode(writer, version, &response) == CODEC_OK);
}

/* Versions 8 and above. */
static void answer_offsets(struct fake_broker *broker, int16_t version, struct reader *reader,
                           struct writer *writer)
{
    struct offset_fetch_request request;
    struct offset_fetch_request_group asked;
    struct offset_fetch_response response = offset_fetch_response_default;
    struct offset_fetch_response_group group = offset_fetch_response_group_default;
    struct offset_fetch_response_group_topic topic = offset_fetch_response_group_topic_default;
    struct offset_fetch_response_group_partition partitions[FAKE_PARTITIONS];
    ASSERT(offset_fetch_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(offset_fetch_request_group_array_next(&request.groups, &asked));
    ASSERT(asked.topics.count < 0);
    const struct bytes name = bytes_of_string(broker->topic);
    if (version < 10) {
        topic.name = chain_of(&name);
    }
    topic.topic_id = fake_topic_id;
    topic.partitions.items = partitions;
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++) {
        if (broker->group.committed[i] >= 0) {
            partitions[topic.partitions.count] = offset_fetch_response_group_partition_default;
            partitions[topic.partitions.count].metadata = CHAIN_EMPTY;
            partitions[topic.partitions.count].partition_index = i;
            partitions[topic.partitions.count++].committed_offset = broker->group.committed[i];
        }
    }
    group.group_id = asked.group_id;
    group.error_code = fake_broker_error(broker, API_OFFSET_FETCH);
    group.topics.items = &topic;
    group.topics.count = is_group(broker, asked.group_id) && topic.partitions.count > 0;
    response.groups.items = &group;
    response.groups.count = 1;
    ASSERT(offset_fetch_response_encode(writer, version, &response) == CODEC_OK);
}

static void answer_commit(struct fake_broker *broker, int16_t version, struct reader *reader,
                          struct writer *writer)
{
    struct offset_commit_request request;
    struct offset_commit_request_topic topic;
    struct offset_commit_request_partition partition;
    struct offset_commit_response response = offset_commit_response_default;
    struct offset_commit_response_topic topic_out = offset_commit_response_topic_default;
    struct offset_commit_response_partition answers[FAKE_PARTITIONS];
    ASSERT(offset_commit_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(request.generation_id_or_member_epoch == -1 && request.member_id.len == 0);
    ASSERT(offset_commit_request_topic_array_next(&request.topics, &topic));
    ASSERT(version < 10 ? chain_equals(topic.name, bytes_of_string(broker->topic))
                        : uuid_equal(topic.topic_id, fake_topic_id));
    topic_out.name = topic.name;
    topic_out.topic_id = topic.topic_id;
    topic_out.partitions.items = answers;
    while (offset_commit_request_partition_array_next(&topic.partitions, &partition)) {
        struct offset_commit_response_partition *answer = &answers[topic_out.partitions.count++];
        *answer = offset_commit_response_partition_default;
        answer->partition_index = partition.partition_index;
        answer->error_code = fake_broker_error(broker, API_OFFSET_COMMIT);
        if (answer->error_code == ERROR_NONE) {
            broker->group.committed[partition.partition_index] = partition.committed_offset;
        }
    }
    response.topics.items = &topic_out;
    response.topics.count = 1;
    ASSERT(offset_commit_response_encode(writer, version, &response) == CODEC_OK);
}

static void answer_delete(struct fake_broker *broker, int16_t version, struct reader *reader,
                          struct writer *writer)
{
    struct delete_groups_request request;
    struct delete_groups_response response = delete_groups_response_default;
    struct delete_groups_response_result result = delete_groups_response_result_default;
    ASSERT(delete_groups_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(string_array_next(&request.groups_names, &result.group_id));
    if (!is_group(broker, result.group_id)) {
        result.error_code = ERROR_GROUP_ID_NOT_FOUND;
    } else if (broker->group.has_member) {
        result.error_code = ERROR_NON_EMPTY_GROUP;
    } else {
        result.error_code = fake_broker_error(broker, API_DELETE_GROUPS);
        broker->group.exists = result.error_code != ERROR_NONE;
    }
    response.results.items = &result;
    response.results.count = 1;
    ASSERT(delete_groups_response_encode(writer, version, &response) == CODEC_OK);
}

/* ---- Transactions ---------------------------------------------------------------------------- */

static void answer_transactions(struct fake_broker *broker, int16_t version, struct reader *reader,
                                struct writer *writer)
{
    struct list_transactions_request request;
    struct list_transactions_response response = list_transactions_response_default;
    struct list_transactions_response_transaction one =
        list_transactions_response_transaction_default;
    struct chain filter = CHAIN_EMPTY;
    ASSERT(list_transactions_request_decode(reader, version, &request) == CODEC_OK);
    const struct bytes state = bytes_of_string(broker->transaction.state);
    const bool chosen = string_array_next(&request.state_filters, &filter);
    broker->duration_filter = request.duration_filter;
    one.transactional_id = CHAIN_TEXT("till-1");
    one.producer_id = 4000;
    one.transaction_state = chain_of(&state);
    response.error_code = fake_broker_error(broker, API_LIST_TRANSACTIONS);
    response.unknown_state_filters.items = &filter;
    response.unknown_state_filters.count =
        chosen && chain_equals(filter, bytes_of_string("Strange"));
    response.transaction_states.items = &one;
    response.transaction_states.count =
        broker->transaction.exists && (!chosen || chain_equals(filter, state));
    ASSERT(list_transactions_response_encode(writer, version, &response) == CODEC_OK);
}

static void answer_transaction(struct fake_broker *broker, int16_t version, struct reader *reader,
                               struct writer *writer)
{
    struct describe_transactions_request request;
    struct describe_transactions_response response = describe_transactions_response_default;
    struct describe_transactions_response_transaction one =
        describe_transactions_response_transaction_default;
    struct describe_transactions_response_topic topic =
        describe_transactions_response_topic_default;
    ASSERT(describe_transactions_request_decode(reader, version, &request) == CODEC_OK);
    ASSERT(string_array_next(&request.transactional_ids, &one.transactional_id));
    const bool there =
        broker->transaction.exists && chain_equals(one.transactional_id, bytes_of_string("till-1"));
    const struct bytes state = bytes_of_string(there ? broker->transaction.state : "");
    const struct bytes name = bytes_of_string(broker->topic);
    one.error_code = there ? fake_broker_error(broker, API_DESCRIBE_TRANSACTIONS)
                           : ERROR_TRANSACTIONAL_ID_NOT_FOUND;
    one.transaction_state = chain_of(&state);
    one.transaction_timeout_ms = broker->transaction.timeout_ms;
    one.transaction_start_time_ms = broker->transaction.start_ms;
    one.producer_id = 4000;
    one.producer_epoch = 3;
    topic.topic = chain_of(&name);
    topic.partitions.items = owned;
    topic.partitions.count = ARRAY_SIZE(owned);
    one.topics.items = &topic;
    one.topics.count = 1;
    response.transaction_states.items = &one;
    response.transaction_states.count = 1;
    ASSERT(describe_transactions_response_encode(writer, version, &response) == CODEC_OK);
}

bool fake_groups_answer(struct fake_broker *broker, int16_t key, int16_t version,
                        struct reader *reader, struct writer *writer)
{
    switch (key) {
    case API_FIND_COORDINATOR: answer_coordinator(broker, version, reader, writer); return true;
    case API_LIST_GROUPS: answer_list(broker, version, reader, writer); return true;
    case API_DESCRIBE_GROUPS: answer_classic(broker, version, reader, writer); return true;
    case API_CONSUMER_GROUP_DESCRIBE: answer_new(broker, version, reader, writer); return true;
    case API_OFFSET_FETCH:
        (version < 8 ? answer_old_offsets : answer_offsets)(broker, version, reader, writer);
        return true;
    case API_OFFSET_COMMIT: answer_commit(broker, version, reader, writer); return true;
    case API_DELETE_GROUPS: answer_delete(broker, version, reader, writer); return true;
    case API_LIST_TRANSACTIONS: answer_transactions(broker, version, reader, writer); return true;
    case API_DESCRIBE_TRANSACTIONS:
        answer_transaction(broker, version, reader, writer);
        return true;
    default: return false;
    }
}
