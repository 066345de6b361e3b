#include "control/topic/create.h"
#include "control/config/check.h"
#include "control/repeats.h"
#include "control/serve/coordinators.h"
#include "control/topic/assign.h"
#include "control/topic/name.h"

/* One topic of the request, its texts in the arena. */
struct wanted {
    struct bytes name;
    struct create_topics_request_topic request;
    bool duplicate;
    bool silent; /* An earlier one of the same name answers. */
    uint32_t partition_count;
    struct config_change *configs;
    uint32_t config_count;
};

/* Marks every topic that is named more than once; the first one answers for all. */
static void duplicates_mark(struct step *step, struct wanted *wanted, uint32_t count)
{
    struct said *said = ARENA_ARRAY(step->arena, struct said, count);
    for (uint32_t i = 0; i < count; i++) {
        said[i].name = wanted[i].name;
    }
    repeats_mark(step->arena, said, count);
    for (uint32_t i = 0; i < count; i++) {
        wanted[i].duplicate = said[i].repeated;
        wanted[i].silent = said[i].later;
    }
}

static int32_t partitions_asked(const struct step *step, const struct wanted *wanted)
{
    if (wanted->request.assignments.count > 0) {
        return wanted->request.assignments.count;
    }
    return wanted->request.num_partitions == -1
               ? (int32_t)config_broker_number(&step->view, "num.partitions")
               : wanted->request.num_partitions;
}

static struct step_error check_name(const struct step *step, const struct wanted *wanted)
{
    char reason[TOPIC_NAME_REASON_BYTES];
    if (wanted->duplicate) {
        return STEP_ERROR(step, ERROR_INVALID_REQUEST, "Duplicate topic name.");
    }
    if (bytes_equal(wanted->name, bytes_of_string("__cluster_metadata"))) {
        return STEP_ERROR(step, ERROR_INVALID_REQUEST,
                          "Creation of internal topic __cluster_metadata is prohibited.");
    }
    if (image_topic_by_name(step_image(step), wanted->name) != NULL) {
        return STEP_ERROR(step, ERROR_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.",
                          SHOWN(wanted->name));
    }
    if (!topic_name_valid(wanted->name, reason)) {
        return STEP_ERROR(step, ERROR_INVALID_TOPIC_EXCEPTION, "%s", reason);
    }
    const struct image_topic *other = topic_name_collision(step_image(step), wanted->name);
    if (other != NULL) {
        return STEP_ERROR(step, ERROR_INVALID_TOPIC_EXCEPTION,
                          "Topic '%.*s' collides with existing topic: %.*s", SHOWN(wanted->name),
                          SHOWN(other->name));
    }
    return step_good();
}

static struct step_error check_configs(struct step *step, struct wanted *wanted)
{
    struct create_topics_request_config config;
    struct create_topics_request_config_array configs = wanted->request.configs;
    if (configs.count > KEYS_OF_RESOURCE_MAX) {
        return STEP_ERROR(step, ERROR_POLICY_VIOLATION, KEYS_OF_RESOURCE_TEXT);
    }
    wanted->configs = ARENA_ARRAY(step->arena, struct config_change, configs.count);
    while (create_topics_request_config_array_next(&configs, &config)) {
        const struct bytes key = arena_flat(step->arena, config.name);
        const struct bytes value = arena_flat(step->arena, config.value);
        if (value.ptr == NULL) {
            return STEP_ERROR(step, ERROR_INVALID_CONFIG,
                              "Null value not supported for topic configs: %.*s", SHOWN(key));
        }
        uint32_t at = 0;
        while (at < wanted->config_count && !bytes_equal(wanted->configs[at].key, key)) {
            at++;
        }
        wanted->config_count += at == wanted->config_count;
        wanted->configs[at] = (struct config_change){key, value}; /* Of two, the last counts. */
    }
    const char *why =
        config_check_topic(&step->view, step->arena, wanted->configs, wanted->config_count);
    return why == NULL ? step_good() : STEP_ERROR(step, ERROR_INVALID_CONFIG, "%s", why);
}

/* Partition indexes of a manual assignment: each of 0 .. count - 1 once. */
static struct step_error check_manual(struct step *step, struct wanted *wanted)
{
    struct create_topics_request_assignment assignment;
    struct create_topics_request_assignment_array assignments = wanted->request.assignments;
    const int32_t count = assignments.count;
    if (wanted->request.replication_factor != -1) {
        return STEP_ERROR(step, ERROR_INVALID_REQUEST,
                          "A manual partition assignment was specified, but replication factor was "
                          "not set to -1.");
    }
    if (wanted->request.num_partitions != -1) {
        return STEP_ERROR(step, ERROR_INVALID_REQUEST,
                          "A manual partition assignment was specified, but numPartitions was not "
                          "set to -1.");
    }
    bool *seen = ARENA_ARRAY(step->arena, bool, count);
    int32_t replicas = -1;
    bool consecutive = true;
    while (create_topics_request_assignment_array_next(&assignments, &assignment)) {
        const int32_t index = assignment.partition_index;
        const bool inside = index >= 0 && index < count;
        if (inside && seen[index]) {
            return STEP_ERROR(step, ERROR_INVALID_REPLICA_ASSIGNMENT,
                              "Found multiple manual partition assignments for partition %d",
                              index);
        }
        const struct step_error error = assign_check(step, assignment.broker_ids, replicas);
        if (error.code != ERROR_NONE) {
            return error;
        }
        replicas = assignment.broker_ids.count;
        consecutive = consecutive && inside;
        if (inside) {
            seen[index] = true;
        }
    }
    if (!consecutive) {
        return STEP_ERROR(step, ERROR_INVALID_REPLICA_ASSIGNMENT,
                          "partitions should be a consecutive 0-based integer sequence");
    }
    wanted->partition_count = (uint32_t)count;
    return step_good();
}

static struct step_error check_partitions(struct step *step, struct wanted *wanted)
{
    const struct create_topics_request_topic *request = &wanted->request;
    if (request->assignments.count > 0) {
        return check_manual(step, wanted);
    }
    if (request->replication_factor < -1 || request->replication_factor == 0) {
        return STEP_ERROR(
            step, ERROR_INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.");
    }
    if (request->num_partitions < -1 || request->num_partitions == 0) {
        return STEP_ERROR(step, ERROR_INVALID_PARTITIONS,
                          "Number of partitions was set to an invalid non-positive value.");
    }
    const int16_t factor =
        request->replication_factor == -1
            ? (int16_t)config_broker_number(&step->view, "default.replication.factor")
            : request->replication_factor;
    wanted->partition_count = (uint32_t)partitions_asked(step, wanted);
    return assign_check_factor(step, factor);
}

/* The effective configuration, as version 5 and up return it. */
static void answer_configs(struct step *step, const struct wanted *wanted,
                           struct create_topics_response_topic *item)
{
    uint32_t count;
    const struct kafka_key *keys = kafka_keys(KAFKA_TOPIC, &count);
    struct create_topics_response_config *configs =
        ARENA_ARRAY(step->arena, struct create_topics_response_config, count);
    for (uint32_t i = 0; i < count; i++) {
        char room[24];
        enum config_source source;
        struct bytes value =
            bytes_of_string(config_topic_inherited(&step->view, &keys[i], room, &source));
        for (uint32_t j = 0; j < wanted->config_count; j++) {
            if (bytes_equal(wanted->configs[j].key, bytes_of_string(keys[i].name))) {
                value = wanted->configs[j].value;
                source = CONFIG_SOURCE_TOPIC;
            }
        }
        configs[i] = create_topics_response_config_default;
        configs[i].name = arena_chain(step->arena, bytes_of_string(keys[i].name));
        configs[i].value = value.ptr == NULL
                               ? CHAIN_NULL
                               : arena_chain(step->arena, arena_copy(step->arena, value));
        configs[i].config_source = (int8_t)source;
    }
    item->configs.items = configs;
    item->configs.count = (int32_t)count;
}

static void changes_make(struct step *step, const struct wanted *wanted, struct uuid id)
{
    changes_topic(step->changes, wanted->name, id);
    for (uint32_t i = 0; i < wanted->config_count; i++) {
        changes_config(step->changes, RESOURCE_TOPIC, wanted->name, wanted->configs[i].key,
                       wanted->configs[i].value);
    }
    for (uint32_t i = 0; i < wanted->partition_count; i++) {
        const struct partition_row row = {
            .topic_id = id, .index = (int32_t)i, .node_id = step_image(step)->node_id};
        changes_partition(step->changes, &row);
    }
}

static bool in_the_making(const struct image_topic *topic)
{
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        if (uuid_is_zero(topic->partitions[i].directory)) {
            return true;
        }
    }
    return false;
}

/* That a topic exists is no answer while its files may still fail and take it away again. */
static void await_others(struct step *step, const struct wanted *wanted,
                         struct create_topics_response_topic *item)
{
    const struct image_topic *topic = image_topic_by_name(step_image(step), wanted->name);
    if (in_the_making(topic)) {
        step->created[step->created_count++] =
            (struct step_created){.topic_id = topic->id,
                                  .by_others = true,
                                  .error_code = &item->error_code,
                                  .error_message = &item->error_message};
    }
}

static void topic_create(struct step *step, struct wanted *wanted, bool validate_only,
                         struct create_topics_response_topic *item)
{
    *item = create_topics_response_topic_default;
    item->name = arena_chain(step->arena, wanted->name);
    item->error_message = CHAIN_NULL;
    struct step_error error = check_name(step, wanted);
    if (error.code == ERROR_NONE) {
        error = check_configs(step, wanted);
    }
    if (error.code == ERROR_NONE) {
        error = check_partitions(step, wanted);
    }
    item->error_code = error.code;
    item->error_message = error.message;
    if (error.code == ERROR_TOPIC_ALREADY_EXISTS) {
        await_others(step, wanted, item);
    }
    if (error.code != ERROR_NONE) {
        return;
    }
    item->topic_id = uuid_random(step->random);
    item->num_partitions = (int32_t)wanted->partition_count;
    item->replication_factor = 1;
    if (step->version >= 5) {
        answer_configs(step, wanted, item);
    }
    if (!validate_only) {
        changes_make(step, wanted, item->topic_id);
        step->created[step->created_count++] =
            (struct step_created){.topic_id = item->topic_id,
                                  .error_code = &item->error_code,
                                  .error_message = &item->error_message};
    }
}

/* Reads all topics; false when they ask for more partitions than one request may. */
static bool wanted_read(struct step *step, struct create_topics_request *request,
                        struct wanted *wanted)
{
    uint64_t partitions = 0;
    for (struct wanted *at = wanted;
         create_topics_request_topic_array_next(&request->topics, &at->request); at++) {
        at->name = arena_flat(step->arena, at->request.name);
        const int32_t asked = partitions_asked(step, at);
        partitions += asked > 0 ? (uint64_t)asked : 0;
    }
    return partitions <= assign_budget(step);
}

void create_topics_step(struct step *step)
{
    struct create_topics_request request;
    if (create_topics_request_decode(&step->body, step->version, &request) != CODEC_OK) {
        step->malformed = true;
        return;
    }
    const uint32_t count = (uint32_t)request.topics.count;
    const bool validate_only = request.validate_only;
    /* One more than there are: the read of the end looks at a place behind the last. */
    struct wanted *wanted = ARENA_ARRAY(step->arena, struct wanted, count + 1);
    if (!wanted_read(step, &request, wanted)) {
        step->whole_error = ERROR_POLICY_VIOLATION;
        return;
    }
    duplicates_mark(step, wanted, count);
    struct create_topics_response *answer =
        ARENA_ARRAY(step->arena, struct create_topics_response, 1);
    struct create_topics_response_topic *items =
        ARENA_ARRAY(step->arena, struct create_topics_response_topic, count);
    *answer = create_topics_response_default;
    step->created = ARENA_ARRAY(step->arena, struct step_created, count);
    answer->topics.items = items;
    answer->topics.count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!wanted[i].silent) {
            topic_create(step, &wanted[i], validate_only, &items[answer->topics.count++]);
        }
    }
    step->answer = answer;
}

bool topic_create_automatically(struct step *step, struct bytes name)
{
    char reason[TOPIC_NAME_REASON_BYTES];
    const struct image *image = step_image(step);
    if (config_broker_number(&step->view, "auto.create.topics.enable") == 0 ||
        topic_name_internal(name) || !topic_name_valid(name, reason) ||
        image_topic_by_name(image, name) != NULL || topic_name_collision(image, name) != NULL ||
        config_broker_number(&step->view, "default.replication.factor") > 1) {
        return false;
    }
    const struct wanted wanted = {
        .name = name,
        .partition_count = (uint32_t)config_broker_number(&step->view, "num.partitions")};
    if (wanted.partition_count > assign_budget(step)) {
        return false;
    }
    changes_make(step, &wanted, uuid_random(step->random));
    return true;
}

bool topic_create_internal(struct step *step, const struct coordinator_topic *topic)
{
    const char *segment_bytes = config_broker_value(&step->view, topic->segment_bytes_key);
    struct config_change configs[] = {
        {bytes_of_string("compression.type"), bytes_of_string(topic->compression_type)},
        {bytes_of_string("cleanup.policy"), bytes_of_string("compact")},
        {bytes_of_string("segment.bytes"), bytes_of_string(segment_bytes)},
    };
    struct wanted wanted = {.name = bytes_of_string(topic->name),
                            .partition_count =
                                (uint32_t)config_broker_number(&step->view, topic->partitions_key),
                            .configs = configs,
                            .config_count = ARRAY_SIZE(configs)};
    if (config_broker_number(&step->view, topic->replicas_key) > 1 ||
        wanted.partition_count > assign_budget(step)) {
        return false;
    }
    changes_make(step, &wanted, uuid_random(step->random));
    return true;
}
