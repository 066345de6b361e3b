/* `millrace topic ...`: what the node is asked to do with topics, and what it says of them. */
#include <jansson.h>
#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "tools/client/admin.h"
#include "tools/client_command.h"
#include "tools/commands.h"
#include "tools/progress.h"

enum { SETTINGS_MAX = CLI_GIVEN_MAX };

static json_t *id_json(struct uuid id)
{
    char text[UUID_TEXT_CHARS + 1];
    uuid_format(id, text);
    return json_string(text);
}

/* KEY=VALUE of each --config, and what else the caller adds. */
static bool settings_take(const char *text, struct admin_setting *settings, uint32_t *count)
{
    if (*count == SETTINGS_MAX || !admin_setting_parse(text, &settings[*count])) {
        cli_error("'%s' is not KEY=VALUE", text);
        return false;
    }
    (*count)++;
    return true;
}

/* ---- create, set, grow, delete --------------------------------------------------------------- */

static bool create_read(const struct cli_call *call, struct admin_new_topic *topic,
                        struct admin_setting *settings)
{
    int64_t partitions;
    int64_t replicas;
    if (!cli_number(call, "--partitions", 1, 1000000, -1, &partitions) ||
        !cli_number(call, "--replicas", 1, 1000, -1, &replicas)) {
        return false;
    }
    *topic = (struct admin_new_topic){.partitions = (int32_t)partitions,
                                      .replicas = (int16_t)replicas,
                                      .settings = settings,
                                      .validate_only = cli_switch(call, "--dry-run")};
    const char *text;
    for (int i = 0; (text = cli_value_at(call, "--config", i)) != NULL; i++) {
        if (!settings_take(text, settings, &topic->setting_count)) {
            return false;
        }
    }
    return true;
}

static json_t *created_json(const char *name, const struct admin_created *created)
{
    json_t *json = json_object();
    (void)json_object_set_new(json, "name", json_string(name));
    (void)json_object_set_new(json, "id", id_json(created->id));
    (void)json_object_set_new(json, "partitions", json_integer(created->partitions));
    (void)json_object_set_new(json, "replicas", json_integer(created->replicas));
    return json;
}

enum cli_exit topic_create_run(const struct cli_call *call)
{
    struct admin_setting settings[SETTINGS_MAX];
    struct admin_new_topic topic;
    struct client client;
    enum cli_exit status;
    if (!create_read(call, &topic, settings)) {
        return CLI_USAGE;
    }
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    json_t *json = json_array();
    struct progress progress;
    status = CLI_OK;
    progress_begin(&progress, "topics");
    for (int i = 0; i < call->word_count; i++) {
        struct admin_created created;
        topic.name = call->words[i];
        progress_tick(&progress, (uint64_t)i, (uint64_t)call->word_count, 0);
        if (admin_create_topic(&client, &topic, &created)) {
            struct client_topic there;
            /* What is typed next shall find it, with leaders. */
            if (client_topic(&client, topic.name, CLIENT_TOPIC_LED, &there)) {
                client_topic_free(&there);
            }
            (void)json_array_append_new(json, created_json(topic.name, &created));
        } else if (client.problem.kind == PROBLEM_KAFKA &&
                   client.problem.code == ERROR_TOPIC_ALREADY_EXISTS &&
                   cli_switch(call, "--if-not-exists")) {
            cli_note("%s exists already", topic.name);
        } else {
            progress_end(&progress);
            cli_error("%s", client.problem.text);
            status = CLI_FAILED;
        }
    }
    progress_end(&progress);
    client_close(&client);
    if (call->json) {
        client_command_print(json_pack("{s:o}", "created", json));
    } else {
        json_decref(json);
    }
    return status;
}

enum cli_exit topic_set_run(const struct cli_call *call)
{
    struct admin_setting settings[SETTINGS_MAX];
    uint32_t count = 0;
    for (int i = 1; i < call->word_count; i++) {
        if (!settings_take(call->words[i], settings, &count)) {
            return CLI_USAGE;
        }
    }
    const char *key;
    for (int i = 0; (key = cli_value_at(call, "--unset", i)) != NULL && count < SETTINGS_MAX; i++) {
        settings[count++] = (struct admin_setting){.key = bytes_of_string(key)};
    }
    if (count == 0) {
        cli_error("say what to set: KEY=VALUE..., or --unset KEY");
        return CLI_USAGE;
    }
    struct client client;
    enum cli_exit status;
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    if (!admin_set_topic(&client, call->words[0], settings, count)) {
        return client_command_failed(&client);
    }
    client_close(&client);
    return CLI_OK;
}

enum cli_exit topic_grow_run(const struct cli_call *call)
{
    char *end;
    const long partitions = strtol(call->words[1], &end, 10);
    if (*end != '\0' || end == call->words[1] || partitions < 1 || partitions > 1000000) {
        cli_error("PARTITIONS must be a whole number from 1, not '%s'", call->words[1]);
        return CLI_USAGE;
    }
    struct client client;
    enum cli_exit status;
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    if (!admin_grow_topic(&client, call->words[0], (int32_t)partitions)) {
        return client_command_failed(&client);
    }
    client_close(&client);
    return CLI_OK;
}

enum cli_exit topic_delete_run(const struct cli_call *call)
{
    static const struct client_deletion topics = {
        .what = "topic",
        .holdings = "all it holds",
        .missing = ERROR_UNKNOWN_TOPIC_OR_PARTITION,
        .remove = admin_delete_topic,
    };
    return client_command_delete(call, &topics);
}

/* ---- list ------------------------------------------------------------------------------------ */

static json_t *topic_json(const struct client_topic *topic)
{
    json_t *json = json_object();
    (void)json_object_set_new(json, "name", json_string(topic->name));
    (void)json_object_set_new(json, "id", id_json(topic->id));
    (void)json_object_set_new(json, "internal", json_boolean(topic->internal));
    (void)json_object_set_new(json, "partitions", json_integer(topic->partition_count));
    (void)json_object_set_new(
        json, "replicas",
        json_integer(topic->partition_count > 0 ? topic->partitions[0].replica_count : 0));
    return json;
}

static void list_print(const struct client_topic *topics, uint32_t count, bool internal)
{
    int width = 5;
    for (uint32_t i = 0; i < count; i++) {
        const int len = (int)strlen(topics[i].name);
        width = len > width && (internal || !topics[i].internal) ? len : width;
    }
    (void)printf("%-*s  PARTITIONS  REPLICAS\n", width, "TOPIC");
    for (uint32_t i = 0; i < count; i++) {
        if (internal || !topics[i].internal) {
            (void)printf("%-*s  %10u  %8d\n", width, topics[i].name, topics[i].partition_count,
                         topics[i].partition_count > 0 ? topics[i].partitions[0].replica_count : 0);
        }
    }
}

enum cli_exit topic_list_run(const struct cli_call *call)
{
    struct client client;
    struct client_topic *topics;
    uint32_t count;
    const bool internal = cli_switch(call, "--internal");
    enum cli_exit status;
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    if (!client_topics(&client, &topics, &count)) {
        return client_command_failed(&client);
    }
    if (call->json) {
        json_t *list = json_array();
        for (uint32_t i = 0; i < count; i++) {
            if (internal || !topics[i].internal) {
                (void)json_array_append_new(list, topic_json(&topics[i]));
            }
        }
        client_command_print(json_pack("{s:o}", "topics", list));
    } else {
        list_print(topics, count, internal);
    }
    client_topics_free(topics, count);
    client_close(&client);
    return CLI_OK;
}

/* ---- show ------------------------------------------------------------------------------------ */

/* All that is known of one topic. */
struct shown {
    struct client_topic topic;
    int64_t *begin; /* By partition, as end and sizes behind it. */
    int64_t *end;
    int64_t *sizes;
    struct admin_config *configs;
    uint32_t config_count;
};

static void shown_free(struct shown *shown)
{
    client_topic_free(&shown->topic);
    free(shown->begin);
    admin_configs_free(shown->configs, shown->config_count);
}

static bool shown_ask(struct client *client, const char *name, struct shown *shown)
{
    if (!client_topic(client, name, CLIENT_TOPIC_AS_IS, &shown->topic)) {
        return false;
    }
    const uint32_t count = shown->topic.partition_count;
    shown->begin = calloc(count + 1u, 3 * sizeof(*shown->begin));
    if (shown->begin == NULL) {
        return problem_set(&client->problem, PROBLEM_LOCAL, "out of memory");
    }
    shown->end = shown->begin + count;
    shown->sizes = shown->end + count;
    return client_offsets(client, &shown->topic, CLIENT_OFFSET_EARLIEST, shown->begin) &&
           client_offsets(client, &shown->topic, CLIENT_OFFSET_LATEST, shown->end) &&
           admin_topic_sizes(client, &shown->topic, shown->sizes) &&
           admin_topic_configs(client, name, &shown->configs, &shown->config_count);
}

static bool config_is_shown(const struct admin_config *config, bool all)
{
    return all || config->source != ADMIN_SOURCE_DEFAULT;
}

static json_t *shown_json(const struct shown *shown)
{
    json_t *json = topic_json(&shown->topic);
    json_t *partitions = json_array();
    for (uint32_t i = 0; i < shown->topic.partition_count; i++) {
        const struct client_partition *partition = &shown->topic.partitions[i];
        json_t *one = json_object();
        (void)json_object_set_new(one, "partition", json_integer(i));
        (void)json_object_set_new(one, "leader", json_integer(partition->leader));
        (void)json_object_set_new(one, "leader_epoch", json_integer(partition->leader_epoch));
        (void)json_object_set_new(one, "replicas", json_integer(partition->replica_count));
        (void)json_object_set_new(one, "in_sync", json_integer(partition->in_sync_count));
        (void)json_object_set_new(one, "start_offset", json_integer(shown->begin[i]));
        (void)json_object_set_new(one, "end_offset", json_integer(shown->end[i]));
        (void)json_object_set_new(one, "size_bytes", json_integer(shown->sizes[i]));
        (void)json_array_append_new(partitions, one);
    }
    (void)json_object_set_new(json, "partitions", partitions);
    json_t *configs = json_object();
    for (uint32_t i = 0; i < shown->config_count; i++) {
        const struct admin_config *config = &shown->configs[i];
        json_t *one = json_object();
        (void)json_object_set_new(one, "value",
                                  config->value != NULL ? json_string(config->value) : json_null());
        (void)json_object_set_new(one, "source", json_string(admin_source_name(config->source)));
        (void)json_object_set_new(configs, config->name, one);
    }
    (void)json_object_set_new(json, "config", configs);
    return json;
}

/* 1536 -> "1.5 KiB". */
static void bytes_format(char text[32], uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        (void)snprintf(text, 32, "%llu B", (unsigned long long)bytes);
        return;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++) {
        value /= 1024;
    }
    (void)snprintf(text, 32, "%.1f %s", value, units[unit]);
}

static void shown_print(const struct shown *shown, bool all)
{
    char id[UUID_TEXT_CHARS + 1];
    char size[32];
    uint64_t records = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < shown->topic.partition_count; i++) {
        records += (uint64_t)(shown->end[i] - shown->begin[i]);
        bytes += (uint64_t)shown->sizes[i];
    }
    uuid_format(shown->topic.id, id);
    bytes_format(size, bytes);
    (void)printf("topic %s\nid    %s\nholds %llu offsets, %s in %u partitions\n\n",
                 shown->topic.name, id, (unsigned long long)records, size,
                 shown->topic.partition_count);
    (void)printf("PARTITION  LEADER  EPOCH  IN SYNC  %20s  %20s  %11s\n", "START", "END", "SIZE");
    for (uint32_t i = 0; i < shown->topic.partition_count; i++) {
        const struct client_partition *partition = &shown->topic.partitions[i];
        bytes_format(size, (uint64_t)shown->sizes[i]);
        (void)printf("%9u  %6d  %5d  %3d/%-3d  %20lld  %20lld  %11s\n", i, partition->leader,
                     partition->leader_epoch, partition->in_sync_count, partition->replica_count,
                     (long long)shown->begin[i], (long long)shown->end[i], size);
    }
    (void)printf("\n%-40s  %-11s  VALUE\n", "KEY", "SOURCE");
    uint32_t hidden = 0;
    for (uint32_t i = 0; i < shown->config_count; i++) {
        const struct admin_config *config = &shown->configs[i];
        if (!config_is_shown(config, all)) {
            hidden++;
            continue;
        }
        (void)printf("%-40s  %-11s  %s\n", config->name, admin_source_name(config->source),
                     config->value != NULL ? config->value : "(hidden)");
    }
    if (hidden > 0) {
        (void)printf("and %u at their default (--all shows them)\n", hidden);
    }
}

enum cli_exit topic_show_run(const struct cli_call *call)
{
    struct client client;
    struct shown shown = {0};
    const bool all = cli_switch(call, "--all");
    enum cli_exit status;
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    if (!shown_ask(&client, call->words[0], &shown)) {
        shown_free(&shown);
        return client_command_failed(&client);
    }
    if (call->json) {
        client_command_print(shown_json(&shown));
    } else {
        shown_print(&shown, all);
    }
    shown_free(&shown);
    client_close(&client);
    return CLI_OK;
}
