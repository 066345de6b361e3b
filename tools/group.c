/* `millrace group list|show|delete`: what groups there are, where they stand, away with them. */
#include <jansson.h>

#include "dataplane/kafka/errors.h"
#include "tools/client_command.h"
#include "tools/commands.h"
#include "tools/group.h"

/* ---- list ------------------------------------------------------------------------------------ */

static void list_print_json(const struct groups_listed *list, uint32_t count)
{
    json_t *groups = json_array();
    for (uint32_t i = 0; i < count; i++) {
        (void)json_array_append_new(groups, json_pack("{s:s, s:s, s:s, s:s}", "group", list[i].id,
                                                      "type", list[i].type, "state", list[i].state,
                                                      "protocol_type", list[i].protocol_type));
    }
    client_command_print(json_pack("{s:o}", "groups", groups));
}

/* What is not told, or not there. */
static const char *or_dash(const char *text)
{
    return text == NULL || text[0] == '\0' ? "-" : text;
}

static void list_print(const struct groups_listed *list, uint32_t count)
{
    int width = 5;
    for (uint32_t i = 0; i < count; i++) {
        width = (int)max_u64((uint64_t)width, strlen(list[i].id));
    }
    (void)printf("%-*s  %-8s  %-20s  PROTOCOL\n", width, "GROUP", "TYPE", "STATE");
    for (uint32_t i = 0; i < count; i++) {
        (void)printf("%-*s  %-8s  %-20s  %s\n", width, list[i].id, or_dash(list[i].type),
                     or_dash(list[i].state), or_dash(list[i].protocol_type));
    }
}

enum cli_exit group_list_run(const struct cli_call *call)
{
    struct client client;
    struct arena arena = {0};
    struct groups_listed *list;
    uint32_t count;
    enum cli_exit status;
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    if (!groups_list(&client, &arena, cli_value(call, "--state"), cli_value(call, "--type"), &list,
                     &count)) {
        arena_free(&arena);
        return client_command_failed(&client);
    }
    if (call->json) {
        list_print_json(list, count);
    } else {
        list_print(list, count);
    }
    arena_free(&arena);
    client_close(&client);
    return CLI_OK;
}

/* ---- show ------------------------------------------------------------------------------------ */

struct shown {
    const char *id;
    struct groups_described described;
    struct group_rows rows;
};

static json_t *number_json(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

static json_t *text_json(const char *text)
{
    return text == NULL || text[0] == '\0' ? json_null() : json_string(text);
}

/* Partitions of a topic stand together. */
static json_t *places_json(const struct groups_member *member)
{
    json_t *owns = json_array();
    json_t *partitions = NULL;
    for (uint32_t i = 0; i < member->place_count; i++) {
        if (i == 0 || strcmp(member->places[i].topic, member->places[i - 1].topic) != 0) {
            partitions = json_array();
            (void)json_array_append_new(owns,
                                        json_pack("{s:s, s:o}", "topic", member->places[i].topic,
                                                  "partitions", partitions));
        }
        (void)json_array_append_new(partitions, json_integer(member->places[i].partition));
    }
    return owns;
}

static json_t *row_json(const struct group_row *row)
{
    const int64_t lag_ms = group_row_lag_ms(row);
    json_t *json = json_object();
    (void)json_object_set_new(json, "topic", json_string(row->topic));
    (void)json_object_set_new(json, "partition", json_integer(row->partition));
    (void)json_object_set_new(json, "committed", number_json(row->committed));
    (void)json_object_set_new(json, "end", number_json(row->end));
    (void)json_object_set_new(json, "lag", number_json(group_row_lag(row)));
    (void)json_object_set_new(json, "lag_seconds",
                              lag_ms < 0 ? json_null() : json_real((double)lag_ms / 1000));
    (void)json_object_set_new(json, "member", text_json(row->member));
    return json;
}

static json_t *member_json(const struct groups_member *member)
{
    json_t *json = json_object();
    (void)json_object_set_new(json, "id", json_string(member->id));
    (void)json_object_set_new(json, "instance_id", text_json(member->instance_id));
    (void)json_object_set_new(json, "client_id", json_string(member->client_id));
    (void)json_object_set_new(json, "host", json_string(member->host));
    (void)json_object_set_new(json, "epoch", number_json(member->epoch));
    (void)json_object_set_new(json, "owns", places_json(member));
    return json;
}

static json_t *shown_json(const struct shown *shown)
{
    const struct groups_described *group = &shown->described;
    json_t *json = json_object();
    json_t *members = json_array();
    json_t *partitions = json_array();
    for (uint32_t i = 0; i < group->member_count; i++) {
        (void)json_array_append_new(members, member_json(&group->members[i]));
    }
    for (uint32_t i = 0; i < shown->rows.count; i++) {
        (void)json_array_append_new(partitions, row_json(&shown->rows.items[i]));
    }
    (void)json_object_set_new(json, "group", json_string(shown->id));
    (void)json_object_set_new(json, "type", json_string(group->type));
    (void)json_object_set_new(json, "state", json_string(group->state));
    (void)json_object_set_new(json, "assignor", text_json(group->assignor));
    (void)json_object_set_new(json, "epoch", number_json(group->epoch));
    (void)json_object_set_new(json, "members", members);
    (void)json_object_set_new(json, "partitions", partitions);
    return json;
}

static void number_print(int width, int64_t value)
{
    if (value < 0) {
        (void)printf("%*s  ", width, "-");
    } else {
        (void)printf("%*lld  ", width, (long long)value);
    }
}

static void member_print(const struct groups_member *member)
{
    (void)printf("%s  client %s at %s", member->id, or_dash(member->client_id),
                 or_dash(member->host));
    if (member->instance_id != NULL) {
        (void)printf(", instance %s", member->instance_id);
    }
    if (member->epoch >= 0) {
        (void)printf(", epoch %d", member->epoch);
    }
    (void)fputs(member->place_count == 0 ? ", owns nothing" : ", owns", stdout);
    for (uint32_t i = 0; i < member->place_count; i++) {
        const struct groups_place *place = &member->places[i];
        if (i > 0 && strcmp(place->topic, place[-1].topic) == 0) {
            (void)printf(",%d", place->partition);
        } else {
            (void)printf(" %s/%d", place->topic, place->partition);
        }
    }
    (void)putchar('\n');
}

static void rows_print(const struct group_rows *rows)
{
    int width = 5;
    for (uint32_t i = 0; i < rows->count; i++) {
        width = (int)max_u64((uint64_t)width, strlen(rows->items[i].topic));
    }
    (void)printf("\n%-*s  PARTITION  %12s  %12s  %12s  %9s  MEMBER\n", width, "TOPIC", "COMMITTED",
                 "END", "LAG", "SECONDS");
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct group_row *row = &rows->items[i];
        const int64_t lag_ms = group_row_lag_ms(row);
        (void)printf("%-*s  %9d  ", width, row->topic, row->partition);
        number_print(12, row->committed);
        number_print(12, row->end);
        number_print(12, group_row_lag(row));
        if (lag_ms < 0) {
            number_print(9, -1);
        } else {
            (void)printf("%9.1f  ", (double)lag_ms / 1000);
        }
        (void)printf("%s\n", or_dash(row->member));
    }
}

static void shown_print(const struct shown *shown)
{
    const struct groups_described *group = &shown->described;
    (void)printf("group    %s\nstate    %s\ntype     %s\nassignor %s\n", shown->id, group->state,
                 group->type, or_dash(group->assignor));
    if (group->epoch >= 0) {
        (void)printf("epoch    %d\n", group->epoch);
    }
    (void)printf("members  %u\n", group->member_count);
    for (uint32_t i = 0; i < group->member_count; i++) {
        (void)fputs("  ", stdout);
        member_print(&group->members[i]);
    }
    rows_print(&shown->rows);
}

/* The warning that some of it is not known. */
static enum cli_exit rows_judge(const struct group_rows *rows)
{
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        unknown += rows->items[i].end < 0;
    }
    if (unknown > 0) {
        cli_note("%u of %u partitions are gone or have no leader: their lag is not known", unknown,
                 rows->count);
    }
    return unknown > 0 ? CLI_WARNINGS : CLI_OK;
}

static bool shown_ask(struct client *client, struct arena *arena, struct shown *shown)
{
    if (!groups_describe(client, arena, shown->id, &shown->described)) {
        return false;
    }
    if (strcmp(shown->described.state, "Dead") == 0) {
        char what[300];
        (void)snprintf(what, sizeof(what), "group %s", shown->id);
        return problem_kafka(&client->problem, ERROR_GROUP_ID_NOT_FOUND, what, shown->id, "");
    }
    return group_rows_ask(client, arena, shown->id, &shown->described, &shown->rows);
}

enum cli_exit group_show_run(const struct cli_call *call)
{
    struct client client;
    struct arena arena = {0};
    struct shown shown = {.id = call->words[0]};
    enum cli_exit status;
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    if (!shown_ask(&client, &arena, &shown)) {
        arena_free(&arena);
        return client_command_failed(&client);
    }
    if (call->json) {
        client_command_print(shown_json(&shown));
    } else {
        shown_print(&shown);
    }
    status = rows_judge(&shown.rows);
    arena_free(&arena);
    client_close(&client);
    return status;
}

/* ---- delete ---------------------------------------------------------------------------------- */

enum cli_exit group_delete_run(const struct cli_call *call)
{
    static const struct client_deletion groups = {
        .what = "group",
        .holdings = "all offsets",
        .missing = ERROR_GROUP_ID_NOT_FOUND,
        .remove = groups_delete,
    };
    return client_command_delete(call, &groups);
}
