#include <jansson.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/client/topics.h"
#include "tools/commands.h"

enum { CONFIGS_MAX = 64, SOURCE_TOPIC = 1, LEADER_WAITS = 100, LEADER_PAUSE_MS = 50 };

static struct client client;

static enum cli_exit failed(void)
{
    cli_error("%s", client.error);
    client_close(&client);
    return CLI_FAILED;
}

static enum cli_exit done(enum cli_exit status)
{
    client_close(&client);
    return status;
}

static void print_json(json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(json);
}

/* Text that configs point into; as long-lived as the process. */
static char *kept[CONFIGS_MAX];
static uint32_t kept_count;

/* A "key=value" word, cut in a copy; false after a message. */
static bool parse_config(const char *text, struct topic_config *config)
{
    char *copy = strdup(text);
    ASSERT(copy != NULL && kept_count < CONFIGS_MAX);
    kept[kept_count++] = copy;
    char *equals = strchr(copy, '=');
    if (equals == NULL || equals == copy) {
        cli_error("'%s' is not KEY=VALUE", text);
        return false;
    }
    *equals = '\0';
    *config = (struct topic_config){copy, equals + 1};
    return true;
}

/* ---- create, delete, grow, set -------------------------------------------------------------- */

static bool has_leaders(const struct topic *topic)
{
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        if (topic->partitions[i].leader < 0) {
            return false;
        }
    }
    return topic->partition_count > 0;
}

/* A cluster may tell of a topic before all its nodes know it: waits a while, so that what is typed
 * next works. */
static void wait_for_leaders(const char *name)
{
    for (int i = 0; i < LEADER_WAITS; i++) {
        struct topic_list list;
        const bool there = topics_describe(&client, name, &list) && has_leaders(&list.topics[0]);
        topics_free(&list);
        if (there) {
            return;
        }
        const struct timespec pause = {.tv_nsec = LEADER_PAUSE_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
}

enum cli_exit topic_create_run(const struct cli_call *call)
{
    struct topic_config configs[CONFIGS_MAX];
    uint32_t config_count = 0;
    int64_t partitions = -1;
    int64_t replicas = -1;
    const char *text;
    if (!cli_number(call, "--partitions", 1, 100000, -1, &partitions) ||
        !cli_number(call, "--replicas", 1, INT16_MAX, -1, &replicas)) {
        return CLI_USAGE;
    }
    while ((text = cli_value_at(call, "--config", (int)config_count)) != NULL) {
        if (config_count == CONFIGS_MAX || !parse_config(text, &configs[config_count])) {
            return CLI_USAGE;
        }
        config_count++;
    }
    if (!client_open(&client, call->bootstrap)) {
        return failed();
    }
    json_t *created = json_array();
    for (int i = 0; i < call->word_count; i++) {
        if (!topics_create(&client, call->words[i], (int32_t)partitions, (int16_t)replicas, configs,
                           config_count)) {
            json_decref(created);
            return failed();
        }
        wait_for_leaders(call->words[i]);
        (void)json_array_append_new(created, json_string(call->words[i]));
        if (!call->json) {
            (void)printf("created %s\n", call->words[i]);
        }
    }
    if (call->json) {
        print_json(json_pack("{s:O}", "created", created));
    }
    json_decref(created);
    return done(CLI_OK);
}

/* On a terminal a person is asked; a script has said what it wants. */
static bool confirmed(const struct cli_call *call)
{
    char answer[16];
    if (cli_switch(call, "--yes") || isatty(STDIN_FILENO) != 1) {
        return true;
    }
    (void)fprintf(stderr, "delete %d topic%s and all their data, %s%s? [y/N] ", call->word_count,
                  call->word_count == 1 ? "" : "s", call->words[0],
                  call->word_count > 1 ? " ..." : "");
    return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

enum cli_exit topic_delete_run(const struct cli_call *call)
{
    if (!confirmed(call)) {
        cli_note("nothing deleted");
        return CLI_FAILED;
    }
    if (!client_open(&client, call->bootstrap)) {
        return failed();
    }
    json_t *deleted = json_array();
    for (int i = 0; i < call->word_count; i++) {
        if (!topics_delete(&client, call->words[i])) {
            json_decref(deleted);
            return failed();
        }
        (void)json_array_append_new(deleted, json_string(call->words[i]));
        if (!call->json) {
            (void)printf("deleted %s\n", call->words[i]);
        }
    }
    if (call->json) {
        print_json(json_pack("{s:O}", "deleted", deleted));
    }
    json_decref(deleted);
    return done(CLI_OK);
}

enum cli_exit topic_grow_run(const struct cli_call *call)
{
    int64_t partitions = 0;
    if (!cli_number(call, "--partitions", 1, 100000, 0, &partitions)) {
        return CLI_USAGE;
    }
    if (partitions == 0) {
        cli_error("--partitions N says how many it shall have");
        return CLI_USAGE;
    }
    if (!client_open(&client, call->bootstrap) ||
        !topics_grow(&client, call->words[0], (int32_t)partitions)) {
        return failed();
    }
    if (call->json) {
        print_json(json_pack("{s:s, s:i}", "topic", call->words[0], "partitions", (int)partitions));
    } else {
        (void)printf("%s has %lld partitions\n", call->words[0], (long long)partitions);
    }
    return done(CLI_OK);
}

enum cli_exit topic_set_run(const struct cli_call *call)
{
    struct topic_config configs[CONFIGS_MAX];
    uint32_t count = 0;
    const char *text;
    for (int i = 1; i < call->word_count && count < CONFIGS_MAX; i++) {
        if (!parse_config(call->words[i], &configs[count])) {
            return CLI_USAGE;
        }
        count++;
    }
    for (int i = 0; (text = cli_value_at(call, "--unset", i)) != NULL && count < CONFIGS_MAX; i++) {
        configs[count++] = (struct topic_config){text, NULL};
    }
    if (count == 0) {
        cli_error("say KEY=VALUE, or --unset KEY for the default");
        return CLI_USAGE;
    }
    if (!client_open(&client, call->bootstrap) ||
        !topics_set(&client, call->words[0], configs, count)) {
        return failed();
    }
    json_t *set = json_object();
    for (uint32_t i = 0; i < count; i++) {
        const bool value = configs[i].value != NULL;
        (void)json_object_set_new(set, configs[i].name,
                                  value ? json_string(configs[i].value) : json_null());
        if (!call->json) {
            (void)printf("%s: %s %s%s\n", call->words[0], configs[i].name,
                         value ? "= " : "is the default again", value ? configs[i].value : "");
        }
    }
    if (call->json) {
        print_json(json_pack("{s:s, s:O}", "topic", call->words[0], "set", set));
    }
    json_decref(set);
    return done(CLI_OK);
}

/* ---- list ----------------------------------------------------------------------------------- */

enum cli_exit topic_list_run(const struct cli_call *call)
{
    struct topic_list list;
    const bool internal = cli_switch(call, "--internal");
    if (!client_open(&client, call->bootstrap) || !topics_describe(&client, NULL, &list)) {
        return failed();
    }
    json_t *rows = json_array();
    for (uint32_t i = 0; i < list.count; i++) {
        const struct topic *topic = &list.topics[i];
        if (topic->internal && !internal) {
            continue;
        }
        if (call->json) {
            (void)json_array_append_new(
                rows, json_pack("{s:s, s:s, s:i, s:i, s:b}", "name", topic->name, "id", topic->id,
                                "partitions", (int)topic->partition_count, "replicas",
                                topic->partition_count > 0 ? topic->partitions[0].replica_count : 0,
                                "internal", topic->internal));
        } else {
            (void)printf("%-40s %5u partition%s\n", topic->name, topic->partition_count,
                         topic->partition_count == 1 ? "" : "s");
        }
    }
    if (call->json) {
        print_json(json_pack("{s:O}", "topics", rows));
    }
    json_decref(rows);
    topics_free(&list);
    return done(CLI_OK);
}

/* ---- show ----------------------------------------------------------------------------------- */

static const char *source_name(int8_t source)
{
    static const char *const names[] = {
        "unknown", "topic", "broker", "all brokers", "configuration file", "default"};
    return source >= 0 && (size_t)source < ARRAY_SIZE(names) ? names[source] : names[0];
}

static void text_of(struct chain chain, char *room, size_t size)
{
    const uint32_t len = min_u32(chain.len, (uint32_t)size - 1);
    chain_copy(chain, room, len);
    room[len] = '\0';
}

struct config_output {
    json_t *json; /* NULL: print text. */
    bool all;
};

static void show_config(void *context, const struct topic_config_value *value)
{
    struct config_output *output = context;
    char name[256];
    char text[2048];
    text_of(value->name, name, sizeof(name));
    text_of(value->value, text, sizeof(text));
    if (output->json != NULL) {
        (void)json_object_set_new(
            output->json, name,
            json_pack("{s:o, s:s}", "value",
                      chain_is_null(value->value) ? json_null() : json_string(text), "source",
                      source_name(value->source)));
    } else if (output->all || value->source == SOURCE_TOPIC) {
        (void)printf("  %-40s %s (%s)\n", name, text, source_name(value->source));
    }
}

static json_t *nodes_json(const int32_t *nodes, int32_t count)
{
    json_t *array = json_array();
    for (int32_t i = 0; i < count; i++) {
        (void)json_array_append_new(array, json_integer(nodes[i]));
    }
    return array;
}

static json_t *partitions_json(const struct topic *topic)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        const struct topic_partition *one = &topic->partitions[i];
        (void)json_array_append_new(
            rows,
            json_pack("{s:i, s:i, s:i, s:I, s:I, s:o, s:o}", "partition", one->partition, "leader",
                      one->leader, "leader_epoch", one->leader_epoch, "start_offset",
                      (json_int_t)one->start_offset, "end_offset", (json_int_t)one->end_offset,
                      "replicas", nodes_json(one->replicas, one->replica_count), "isr",
                      nodes_json(one->isr, one->isr_count)));
    }
    return rows;
}

static void print_partitions(const struct topic *topic)
{
    (void)printf("%s\n  id %s\n\n  %9s %7s %7s %15s %15s %15s\n", topic->name, topic->id,
                 "partition", "leader", "epoch", "start", "end", "records");
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        const struct topic_partition *one = &topic->partitions[i];
        (void)printf("  %9d %7d %7d %15lld %15lld %15lld\n", one->partition, one->leader,
                     one->leader_epoch, (long long)one->start_offset, (long long)one->end_offset,
                     (long long)(one->end_offset - one->start_offset));
    }
    (void)putchar('\n');
}

enum cli_exit topic_show_run(const struct cli_call *call)
{
    struct topic_list list;
    struct config_output output = {.json = call->json ? json_object() : NULL,
                                   .all = cli_switch(call, "--all")};
    if (!client_open(&client, call->bootstrap) ||
        !topics_describe(&client, call->words[0], &list)) {
        json_decref(output.json);
        return failed();
    }
    const struct topic *topic = &list.topics[0];
    bool good = topics_offsets(&client, &list.topics[0]);
    if (good && !call->json) {
        print_partitions(topic);
    }
    good = good && topics_configs(&client, call->words[0], show_config, &output);
    if (good && call->json) {
        print_json(json_pack("{s:s, s:s, s:b, s:o, s:O}", "name", topic->name, "id", topic->id,
                             "internal", topic->internal, "partitions", partitions_json(topic),
                             "config", output.json));
    }
    json_decref(output.json);
    topics_free(&list);
    return good ? done(CLI_OK) : failed();
}
