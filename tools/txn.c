/* `millrace txn list|show|abort`: which transactions there are, what they hold up, away with one.
 */
#include <jansson.h>
#include <time.h>

#include "tools/client/transactions.h"
#include "tools/client_command.h"
#include "tools/commands.h"

/* ---- list ------------------------------------------------------------------------------------ */

static void list_print_json(const struct transactions_listed *list, uint32_t count)
{
    json_t *transactions = json_array();
    for (uint32_t i = 0; i < count; i++) {
        (void)json_array_append_new(transactions, json_pack("{s:s, s:s, s:I}", "id", list[i].id,
                                                            "state", list[i].state, "producer_id",
                                                            (json_int_t)list[i].producer_id));
    }
    client_command_print(json_pack("{s:o}", "transactions", transactions));
}

static void list_print(const struct transactions_listed *list, uint32_t count)
{
    int width = 2;
    for (uint32_t i = 0; i < count; i++) {
        width = (int)max_u64((uint64_t)width, strlen(list[i].id));
    }
    (void)printf("%-*s  %-14s  PRODUCER\n", width, "ID", "STATE");
    for (uint32_t i = 0; i < count; i++) {
        (void)printf("%-*s  %-14s  %lld\n", width, list[i].id, list[i].state,
                     (long long)list[i].producer_id);
    }
}

enum cli_exit txn_list_run(const struct cli_call *call)
{
    struct client client;
    struct arena arena = {0};
    struct transactions_listed *list;
    uint32_t count;
    int64_t longer_s;
    enum cli_exit status;
    if (!cli_number(call, "--longer", 0, INT32_MAX, -1, &longer_s)) {
        return CLI_USAGE;
    }
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    if (!transactions_list(&client, &arena, cli_value(call, "--state"),
                           longer_s < 0 ? -1 : longer_s * 1000, &list, &count)) {
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

static json_t *described_json(const char *id, const struct transactions_described *from)
{
    json_t *json = json_object();
    json_t *partitions = json_array();
    for (uint32_t i = 0; i < from->place_count; i++) {
        (void)json_array_append_new(partitions,
                                    json_pack("{s:s, s:i}", "topic", from->places[i].topic,
                                              "partition", from->places[i].partition));
    }
    (void)json_object_set_new(json, "id", json_string(id));
    (void)json_object_set_new(json, "state", json_string(from->state));
    (void)json_object_set_new(json, "producer_id", json_integer(from->producer_id));
    (void)json_object_set_new(json, "producer_epoch", json_integer(from->producer_epoch));
    (void)json_object_set_new(json, "timeout_ms", json_integer(from->timeout_ms));
    (void)json_object_set_new(json, "start_ms",
                              from->start_ms < 0 ? json_null() : json_integer(from->start_ms));
    (void)json_object_set_new(json, "partitions", partitions);
    return json;
}

static void described_print(const char *id, const struct transactions_described *from)
{
    (void)printf("id        %s\nstate     %s\nproducer  %lld, epoch %d\ntimeout   %.1f s\n", id,
                 from->state, (long long)from->producer_id, from->producer_epoch,
                 (double)from->timeout_ms / 1000);
    if (from->start_ms >= 0) {
        char text[32];
        struct tm when;
        const time_t seconds = (time_t)(from->start_ms / 1000);
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &when));
        (void)printf("started   %s\n", text);
    }
    (void)printf("writes to %u partitions\n", from->place_count);
    for (uint32_t i = 0; i < from->place_count; i++) {
        (void)printf("  %s/%d\n", from->places[i].topic, from->places[i].partition);
    }
}

enum cli_exit txn_show_run(const struct cli_call *call)
{
    struct client client;
    struct arena arena = {0};
    struct transactions_described described;
    enum cli_exit status;
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    if (!transactions_describe(&client, &arena, call->words[0], &described)) {
        arena_free(&arena);
        return client_command_failed(&client);
    }
    if (call->json) {
        client_command_print(described_json(call->words[0], &described));
    } else {
        described_print(call->words[0], &described);
    }
    arena_free(&arena);
    client_close(&client);
    return CLI_OK;
}

/* ---- abort ----------------------------------------------------------------------------------- */

/* Only what is open can be aborted; a producer that has nothing open is not fenced for nothing. */
static bool abort_do(struct client *client, struct arena *arena, const char *id,
                     enum cli_exit *status)
{
    struct transactions_described described;
    if (!transactions_describe(client, arena, id, &described)) {
        return false;
    }
    if (strcmp(described.state, "Ongoing") == 0) {
        return transactions_fence(client, id, described.timeout_ms);
    }
    if (strncmp(described.state, "Prepare", 7) == 0) {
        return problem_set(&client->problem, PROBLEM_LOCAL,
                           "transaction %s is decided (%s); its end is being written", id,
                           described.state);
    }
    cli_note("%s has no open transaction (%s): nothing is done", id, described.state);
    *status = CLI_WARNINGS;
    return true;
}

enum cli_exit txn_abort_run(const struct cli_call *call)
{
    struct client client;
    struct arena arena = {0};
    enum cli_exit status;
    if (!client_command_confirmed(call, "abort the transaction of %s, and fence its producer?",
                                  call->words[0])) {
        cli_note("nothing aborted");
        return CLI_FAILED;
    }
    if (!client_command_open(call, &client, &status)) {
        return status;
    }
    status = CLI_OK;
    const bool ok = abort_do(&client, &arena, call->words[0], &status);
    arena_free(&arena);
    if (!ok) {
        return client_command_failed(&client);
    }
    client_close(&client);
    return status;
}
