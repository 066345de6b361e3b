/* `millrace group seek`: where a group goes on reading. A plan unless --execute is given. */
#include <jansson.h>
#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "tools/client/consumer.h"
#include "tools/client/groups.h"
#include "tools/client_command.h"
#include "tools/commands.h"

struct seek {
    const char *group;
    const char *topic_name;
    struct consumer_start to;
    bool execute;
    struct client_topic topic;
    bool *wanted; /* By partition. */
    struct groups_offset *plan;
    int64_t *from; /* Of each in the plan; -1: nothing is committed. */
    uint32_t count;
};

/* "start", "end", an offset, -N, or a time with or without the @ that `consume` wants. */
static bool to_parse(const char *text, struct consumer_start *to)
{
    char timed[64];
    if (strcmp(text, "start") == 0) {
        text = "begin";
    }
    if (consumer_start_parse(text, to)) {
        return true;
    }
    const int len = snprintf(timed, sizeof(timed), "@%s", text);
    return strchr(text, '-') != NULL && len < (int)sizeof(timed) &&
           consumer_start_parse(timed, to) && to->from == CONSUMER_FROM_TIME;
}

static bool seek_read(const struct cli_call *call, struct seek *seek)
{
    const char *to = cli_value(call, "--to");
    *seek = (struct seek){.group = call->words[0],
                          .topic_name = cli_value(call, "--topic"),
                          .execute = cli_switch(call, "--execute")};
    if (seek->topic_name == NULL || to == NULL) {
        cli_error("say which --topic, and --to where: start, end, OFFSET, TIME or -N");
        return false;
    }
    if (!to_parse(to, &seek->to)) {
        cli_error("--to must be start, end, an offset, a time such as 2026-01-31T12:00:00Z or "
                  "@MILLISECONDS, or -N for the last N, not '%s'",
                  to);
        return false;
    }
    return true;
}

/* Which partitions: those named, or all. */
static bool partitions_choose(struct client *client, const struct cli_call *call,
                              struct arena *arena, struct seek *seek)
{
    const char *text;
    bool named = false;
    seek->wanted = ARENA_ARRAY(arena, bool, seek->topic.partition_count);
    for (int i = 0; (text = cli_value_at(call, "--partition", i)) != NULL; i++) {
        char *end;
        const long long partition = strtoll(text, &end, 10);
        if (text[0] == '\0' || *end != '\0' || partition < 0 ||
            partition >= (long long)seek->topic.partition_count) {
            return problem_set(&client->problem, PROBLEM_LOCAL,
                               "%s has %u partitions, not a partition %s", seek->topic_name,
                               seek->topic.partition_count, text);
        }
        seek->wanted[partition] = true;
        named = true;
    }
    for (uint32_t i = 0; !named && i < seek->topic.partition_count; i++) {
        seek->wanted[i] = seek->topic.partitions[i].exists;
    }
    return true;
}

static int64_t place(const struct consumer_start *to, int64_t start, int64_t end, int64_t timed)
{
    switch (to->from) {
    case CONSUMER_FROM_BEGIN: return start;
    case CONSUMER_FROM_END: return end;
    /* Beyond the ends there is nothing to stand on; Kafka's tool does the same. */
    case CONSUMER_FROM_OFFSET: return max_i64(start, min_i64(end, to->value));
    case CONSUMER_FROM_TAIL: return max_i64(start, end - min_i64(end, to->value));
    case CONSUMER_FROM_TIME: return timed >= 0 ? timed : end;
    }
    return start;
}

static bool plan_make(struct client *client, struct arena *arena, struct seek *seek)
{
    const uint32_t all = seek->topic.partition_count;
    int64_t *start = ARENA_ARRAY(arena, int64_t, all);
    int64_t *end = ARENA_ARRAY(arena, int64_t, all);
    int64_t *timed = ARENA_ARRAY(arena, int64_t, all);
    struct groups_offset *committed;
    uint32_t committed_count;
    if (!client_offsets(client, &seek->topic, CLIENT_OFFSET_EARLIEST, start) ||
        !client_offsets(client, &seek->topic, CLIENT_OFFSET_LATEST, end) ||
        (seek->to.from == CONSUMER_FROM_TIME &&
         !client_offsets(client, &seek->topic, seek->to.value, timed)) ||
        !groups_offsets(client, arena, seek->group, &seek->topic, 1, &committed,
                        &committed_count)) {
        return false;
    }
    seek->plan = ARENA_ARRAY(arena, struct groups_offset, all);
    seek->from = ARENA_ARRAY(arena, int64_t, all);
    for (uint32_t i = 0; i < all; i++) {
        if (!seek->wanted[i]) {
            continue;
        }
        seek->from[seek->count] = -1;
        for (uint32_t j = 0; j < committed_count; j++) {
            if (strcmp(committed[j].topic, seek->topic.name) == 0 &&
                committed[j].partition == (int32_t)i) {
                seek->from[seek->count] = committed[j].offset;
            }
        }
        seek->plan[seek->count++] =
            (struct groups_offset){.topic = seek->topic.name,
                                   .topic_id = seek->topic.id,
                                   .partition = (int32_t)i,
                                   .offset = place(&seek->to, start[i], end[i], timed[i]),
                                   .leader_epoch = -1};
    }
    return true;
}

/* Members would go on where they are, and commit over it. */
static bool seek_is_allowed(struct client *client, struct arena *arena, const struct seek *seek)
{
    struct groups_described group;
    if (!groups_describe(client, arena, seek->group, &group)) {
        return false;
    }
    if (group.member_count > 0 ||
        (strcmp(group.state, "Empty") != 0 && strcmp(group.state, "Dead") != 0)) {
        char text[64];
        char what[300];
        (void)snprintf(text, sizeof(text), "%s, %u members", group.state, group.member_count);
        (void)snprintf(what, sizeof(what), "seek group %s", seek->group);
        return problem_kafka(&client->problem, ERROR_NON_EMPTY_GROUP, what, seek->group, text);
    }
    return true;
}

static bool seek_do(struct client *client, const struct cli_call *call, struct arena *arena,
                    struct seek *seek)
{
    return seek_is_allowed(client, arena, seek) &&
           client_topic(client, seek->topic_name, CLIENT_TOPIC_LED, &seek->topic) &&
           partitions_choose(client, call, arena, seek) && plan_make(client, arena, seek) &&
           (!seek->execute || groups_commit(client, seek->group, seek->plan, seek->count));
}

static void seek_print_json(const struct seek *seek)
{
    json_t *partitions = json_array();
    for (uint32_t i = 0; i < seek->count; i++) {
        json_t *one = json_object();
        (void)json_object_set_new(one, "topic", json_string(seek->plan[i].topic));
        (void)json_object_set_new(one, "partition", json_integer(seek->plan[i].partition));
        (void)json_object_set_new(one, "from",
                                  seek->from[i] < 0 ? json_null() : json_integer(seek->from[i]));
        (void)json_object_set_new(one, "to", json_integer(seek->plan[i].offset));
        (void)json_array_append_new(partitions, one);
    }
    json_t *json = json_pack("{s:s, s:b, s:o}", "group", seek->group, "executed", seek->execute,
                             "partitions", partitions);
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(json);
}

static void seek_print(const struct seek *seek)
{
    const int width = (int)max_u64(5, strlen(seek->topic.name));
    (void)printf("%-*s  PARTITION  %20s  %20s\n", width, "TOPIC", "FROM", "TO");
    for (uint32_t i = 0; i < seek->count; i++) {
        char from[24] = "-";
        if (seek->from[i] >= 0) {
            (void)snprintf(from, sizeof(from), "%lld", (long long)seek->from[i]);
        }
        (void)printf("%-*s  %9d  %20s  %20lld\n", width, seek->plan[i].topic,
                     seek->plan[i].partition, from, (long long)seek->plan[i].offset);
    }
}

enum cli_exit group_seek_run(const struct cli_call *call)
{
    struct client client;
    struct arena arena = {0};
    struct seek seek;
    enum cli_exit status;
    if (!seek_read(call, &seek)) {
        return CLI_USAGE;
    }
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    if (!seek_do(&client, call, &arena, &seek)) {
        client_topic_free(&seek.topic);
        arena_free(&arena);
        return client_command_failed(&client);
    }
    if (call->json) {
        seek_print_json(&seek);
    } else {
        seek_print(&seek);
    }
    if (!seek.execute) {
        cli_note("nothing is changed yet: --execute does it");
    }
    client_topic_free(&seek.topic);
    arena_free(&arena);
    client_close(&client);
    return CLI_OK;
}
