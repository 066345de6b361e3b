#include "tests/control/group/consumer_bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/base/random.h"

/* Clients that join, read, commit, fall silent, crash and come back, and a coordinator that dies in
 * between, on virtual time from a seed. What no member may ever see is asserted as it happens. */

enum {
    GROUPS = 2,
    CLIENTS = 12, /* Every third is a static member. */
    PARTITIONS = 8,
    PRODUCERS = 3,
    GENERATIONS_MAX = 8192,
    ID_BYTES = 96,
    ASSIGN_BYTES = 2048,
    TICK_MS = 500,
    HEARTBEAT_TICKS = 6,
    TROUBLE_MS = 300000,
    QUIET_MS = 120000,
    SEEDS = 200,
    ALL_PARTITIONS = (1 << PARTITIONS) - 1,
};

enum phase {
    PHASE_DOWN,
    PHASE_JOIN,
    PHASE_JOINING,
    PHASE_SYNC,
    PHASE_SYNCING,
    PHASE_STABLE,
};

struct client {
    uint32_t number;
    char name[8];
    char group[4];
    uint32_t group_number;
    bool is_static;
    enum phase phase;
    char id[ID_BYTES];
    int32_t generation;
    char assign[ASSIGN_BYTES]; /* Of a leader. */
    uint32_t owned;            /* Bits of partitions. */
    uint64_t token;            /* Of the request under way. */
    uint64_t silent_until_ms;
    int64_t committing[PARTITIONS]; /* What the commit under way sets; 0: not. */
};

struct owner {
    char who[ID_BYTES];
    int32_t generation;
};

struct model {
    struct group_bench *bench;
    struct random random;
    struct client clients[CLIENTS];
    struct owner owners[GROUPS][GENERATIONS_MAX][PARTITIONS];
    int32_t highest[GROUPS];
    int64_t offsets[GROUPS][PARTITIONS]; /* 0: none. */
    uint64_t orders[GROUPS][PARTITIONS];
    int64_t open[PRODUCERS][GROUPS][PARTITIONS];
    uint64_t open_orders[PRODUCERS][GROUPS][PARTITIONS];
    uint64_t order;
    int64_t next_offset;
    uint32_t claims;
};

static bool chance(struct model *model, uint64_t in)
{
    return random_one_in(&model->random, in);
}

static void text_of(struct chain chain, char *to, size_t size)
{
    assert_true(chain.len < size);
    chain_copy(chain, to, chain.len);
    to[chain.len] = '\0';
}

/* --- what clients make of answers ---------------------------------------------------------------
 */

/* A partition has one owner in a generation, whoever else thinks so. */
static void claim(struct model *model, struct client *client)
{
    const uint32_t group = client->group_number;
    assert_true(client->generation >= model->highest[group]);
    assert_true(client->generation < GENERATIONS_MAX);
    model->highest[group] = client->generation;
    const char *who = client->is_static ? client->name : client->id;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        struct owner *owner = &model->owners[group][client->generation][i];
        if ((client->owned >> i & 1) == 0) {
            assert_string_not_equal(owner->who, who);
            continue;
        }
        if (owner->who[0] == '\0') {
            snprintf(owner->who, sizeof(owner->who), "%s", who);
        }
        assert_string_equal(owner->who, who);
    }
    model->claims++;
}

/* Partitions one after the other to the members. */
static void assign(struct client *client, struct join_group_response_member_array members)
{
    int used = 0;
    const int32_t count = members.count;
    for (int32_t i = 0; i < count; i++) {
        char id[ID_BYTES];
        text_of(members.items[i].member_id, id, sizeof(id));
        uint32_t bits = 0;
        for (int32_t k = i; k < PARTITIONS; k += count) {
            bits |= 1u << k;
        }
        used += snprintf(client->assign + used, sizeof(client->assign) - (size_t)used, "%s=%u ", id,
                         bits);
        assert_true(used < ASSIGN_BYTES);
    }
}

static void joined(struct client *client, const struct join_group_response *answer)
{
    client->assign[0] = '\0';
    client->phase = PHASE_JOIN;
    switch (answer->error_code) {
    case ERROR_NONE:
        text_of(answer->member_id, client->id, sizeof(client->id));
        client->generation = answer->generation_id;
        client->phase = PHASE_SYNC;
        if (!answer->skip_assignment) {
            assign(client, answer->members);
        }
        break;
    case ERROR_MEMBER_ID_REQUIRED:
        text_of(answer->member_id, client->id, sizeof(client->id));
        break;
    case ERROR_UNKNOWN_MEMBER_ID: client->id[0] = '\0'; break;
    case ERROR_FENCED_INSTANCE_ID: client->phase = PHASE_DOWN; break;
    case ERROR_REBALANCE_IN_PROGRESS: break;
    default: fail_msg("join: %s", error_name(answer->error_code));
    }
}

/* What sync and heartbeat may be refused with. */
static void refused(struct client *client, int16_t error_code)
{
    client->phase = PHASE_JOIN;
    switch (error_code) {
    case ERROR_UNKNOWN_MEMBER_ID: client->id[0] = '\0'; break;
    case ERROR_FENCED_INSTANCE_ID: client->phase = PHASE_DOWN; break;
    case ERROR_REBALANCE_IN_PROGRESS:
    case ERROR_ILLEGAL_GENERATION: break;
    default: fail_msg("%s", error_name(error_code));
    }
}

static void synced(struct model *model, struct client *client,
                   const struct sync_group_response *answer)
{
    if (answer->error_code != ERROR_NONE) {
        refused(client, answer->error_code);
        return;
    }
    char text[16];
    text_of(answer->assignment, text, sizeof(text));
    client->owned = (uint32_t)atoi(text);
    client->phase = PHASE_STABLE;
    claim(model, client);
}

static void committed(struct model *model, struct client *client,
                      const struct offset_commit_response *answer)
{
    const int16_t error = answer->topics.items[0].partitions.items[0].error_code;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        if (error == ERROR_NONE && client->committing[i] != 0) {
            model->offsets[client->group_number][i] = client->committing[i];
            model->orders[client->group_number][i] = ++model->order;
        }
        client->committing[i] = 0;
    }
    if (error != ERROR_NONE) {
        refused(client, error);
    }
}

static void on_reply(void *context, const struct group_reply *reply)
{
    struct model *model = context;
    struct client *client = NULL;
    for (uint32_t i = 0; i < CLIENTS && client == NULL; i++) {
        if (model->clients[i].token == reply->token) {
            client = &model->clients[i];
        }
    }
    if (client == NULL) {
        return; /* Nobody waits for it any more. */
    }
    client->token = 0; /* A second answer finds nobody. */
    switch ((int)reply->kind) {
    case GROUP_JOIN: joined(client, reply->answer); break;
    case GROUP_SYNC: synced(model, client, reply->answer); break;
    case GROUP_OFFSET_COMMIT: committed(model, client, reply->answer); break;
    case GROUP_HEARTBEAT: {
        const struct heartbeat_response *answer = reply->answer;
        if (answer->error_code != ERROR_NONE) {
            refused(client, answer->error_code);
        }
        break;
    }
    default: break;
    }
}

/* --- what clients do ----------------------------------------------------------------------------
 */

static struct said said_by(const struct client *client)
{
    return (struct said){.group = client->group,
                         .client = client->name,
                         .member = client->id,
                         .instance = client->is_static ? client->name : NULL,
                         .version = 4,
                         .generation = client->generation,
                         .rebalance_ms = 20000};
}

static void join(struct model *model, struct client *client)
{
    static const int16_t versions[] = {3, 5, 9};
    struct said said = said_by(client);
    said.version =
        client->is_static ? (chance(model, 2) ? 5 : 9) : versions[random_below(&model->random, 3)];
    said.protocols = chance(model, 8) ? "range:other" : "range:m";
    client->phase = PHASE_JOINING;
    client->token = model->bench->token + 1;
    bench_join(model->bench, said);
}

static void commit(struct model *model, struct client *client)
{
    char text[64];
    const uint32_t partition = (uint32_t)random_below(&model->random, PARTITIONS);
    const int64_t offset = ++model->next_offset;
    struct said said = said_by(client);
    snprintf(text, sizeof(text), "t/%u=%lld", partition, (long long)offset);
    said.topics = text;
    client->committing[partition] = offset;
    client->token = model->bench->token + 1;
    bench_commit(model->bench, said);
}

static void read_on(struct model *model, struct client *client, bool trouble)
{
    struct said said = said_by(client);
    if (trouble && chance(model, 150)) {
        bench_leave(model->bench, said);
        client->phase = PHASE_DOWN;
        client->id[0] = '\0';
    } else if (chance(model, 10)) {
        commit(model, client);
    } else if ((model->bench->now_ms / TICK_MS + client->number) % HEARTBEAT_TICKS == 0) {
        client->token = model->bench->token + 1;
        bench_heartbeat(model->bench, said);
    }
}

static void act(struct model *model, struct client *client, bool trouble)
{
    struct said said = said_by(client);
    if (client->silent_until_ms > model->bench->now_ms) {
        return;
    }
    if (trouble && chance(model, 200)) { /* A crash: without a word. */
        client->phase = PHASE_DOWN;
        client->id[0] = '\0';
        client->token = 0;
    } else if (trouble && chance(model, 150)) {
        client->silent_until_ms = model->bench->now_ms + random_below(&model->random, 40000);
    }
    switch (client->phase) {
    case PHASE_DOWN:
        if (chance(model, 10)) {
            client->phase = PHASE_JOIN;
        }
        break;
    case PHASE_JOIN: join(model, client); break;
    case PHASE_SYNC:
        client->phase = PHASE_SYNCING;
        said.assign = client->assign;
        client->token = model->bench->token + 1;
        bench_sync(model->bench, said);
        break;
    case PHASE_JOINING:
    case PHASE_SYNCING:
        if (trouble && chance(model, 100)) { /* Its connection broke. */
            client->phase = PHASE_JOIN;
            client->token = 0;
        }
        break;
    case PHASE_STABLE: read_on(model, client, trouble); break;
    }
}

/* --- transactions and restarts ------------------------------------------------------------------
 */

static void transact(struct model *model)
{
    const uint32_t producer = (uint32_t)random_below(&model->random, PRODUCERS);
    if (chance(model, 2)) {
        const uint32_t group = (uint32_t)random_below(&model->random, GROUPS);
        const uint32_t partition = (uint32_t)random_below(&model->random, PARTITIONS);
        char text[64];
        char name[4];
        model->open[producer][group][partition] = ++model->next_offset;
        model->open_orders[producer][group][partition] = ++model->order;
        snprintf(text, sizeof(text), "t/%u=%lld", partition, (long long)model->next_offset);
        snprintf(name, sizeof(name), "g%u", group);
        bench_txn_commit(model->bench, (struct said){.group = name,
                                                     .generation = -1,
                                                     .topics = text,
                                                     .producer_id = producer});
        return;
    }
    const bool commits = chance(model, 2);
    bench_txn_end(model->bench, producer, commits);
    for (uint32_t group = 0; group < GROUPS; group++) {
        for (uint32_t i = 0; i < PARTITIONS; i++) {
            if (commits && model->open[producer][group][i] != 0 &&
                model->open_orders[producer][group][i] > model->orders[group][i]) {
                model->offsets[group][i] = model->open[producer][group][i];
                model->orders[group][i] = model->open_orders[producer][group][i];
            }
            model->open[producer][group][i] = 0;
        }
    }
}

static void check_offsets(struct model *model)
{
    for (uint32_t group = 0; group < GROUPS; group++) {
        char name[4];
        char want[512];
        int used = snprintf(want, sizeof(want), "a: fetch");
        for (uint32_t i = 0; i < PARTITIONS; i++) {
            const long long offset = model->offsets[group][i];
            used += snprintf(want + used, sizeof(want) - (size_t)used, " t/%u=%lld", i,
                             offset == 0 ? -1 : offset);
        }
        snprintf(want + used, sizeof(want) - (size_t)used, "\n");
        snprintf(name, sizeof(name), "g%u", group);
        model->bench->quiet = false;
        bench_fetch(model->bench,
                    (struct said){.group = name, .topics = "t/0 t/1 t/2 t/3 t/4 t/5 t/6 t/7"});
        model->bench->quiet = true;
        bench_expect(model->bench, want);
    }
}

/* Control is killed; who waits for an answer gets an error, and asks again. */
static void restart(struct model *model)
{
    bench_restart(model->bench);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct client *client = &model->clients[i];
        client->token = 0;
        if (client->phase == PHASE_JOINING || client->phase == PHASE_SYNCING) {
            client->phase = PHASE_JOIN;
        }
    }
    check_offsets(model);
}

static void check_convergence(const struct model *model)
{
    for (uint32_t group = 0; group < GROUPS; group++) {
        uint32_t owned = 0;
        int32_t generation = -1;
        for (uint32_t i = 0; i < CLIENTS; i++) {
            const struct client *client = &model->clients[i];
            if (client->group_number != group) {
                continue;
            }
            assert_int_equal(client->phase, PHASE_STABLE);
            assert_true(generation < 0 || generation == client->generation);
            generation = client->generation;
            assert_int_equal(owned & client->owned, 0);
            owned |= client->owned;
        }
        assert_int_equal(owned, ALL_PARTITIONS);
    }
}

static void run_seed(uint64_t seed)
{
    struct model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    model->bench = group_bench_new();
    model->bench->quiet = true;
    model->bench->on_reply = on_reply;
    model->bench->on_reply_context = model;
    random_init(&model->random, seed);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct client *client = &model->clients[i];
        client->number = i;
        client->group_number = i % GROUPS;
        client->is_static = i % 3 == 0;
        snprintf(client->name, sizeof(client->name), "c%u", i);
        snprintf(client->group, sizeof(client->group), "g%u", i % GROUPS);
    }
    for (uint64_t now_ms = 0; now_ms < TROUBLE_MS + QUIET_MS; now_ms += TICK_MS) {
        const bool trouble = now_ms < TROUBLE_MS;
        bench_run_to(model->bench, now_ms);
        for (uint32_t i = 0; i < CLIENTS; i++) {
            act(model, &model->clients[i], trouble);
        }
        if (chance(model, 4)) {
            transact(model);
        }
        if (trouble && chance(model, 60)) {
            restart(model);
        }
    }
    check_offsets(model);
    check_convergence(model);
    assert_true(model->claims > CLIENTS);
    group_bench_free(model->bench);
    free(model);
}

static void members_agree_whatever_happens(void **state)
{
    (void)state;
    const char *given = getenv("GROUP_SEED");
    if (given != NULL) {
        run_seed(strtoull(given, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        print_message("# seed %llu\n", (unsigned long long)seed);
        run_seed(seed);
    }
}

static void a_step_empties_the_update_before(void **state)
{
    struct group_bench *bench = *state;
    COMMIT(.generation = -1, .topics = "t/0=1");
    assert_int_equal(bench->update.record_count, 1);
    bench_event(bench, GROUP_TIME);
    assert_int_equal(bench->update.record_count, 0);
    assert_int_equal(bench->update.reply_count, 0);
}

/* Each fence walks the whole group. */
static void the_members_of_a_large_group_go_a_few_at_a_time(void **state)
{
    enum { MEMBERS = 1000 };
    static char ids[MEMBERS][8];
    struct group_bench *bench = *state;
    bench->quiet = true;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "m%u", i);
        BEAT(.member = ids[i]);
    }
    bench->now_ms += 45000;
    for (uint32_t left = MEMBERS, before; left > 0;) {
        assert_true(group_coordinator_deadline_ms(bench->coordinator) <= bench->now_ms);
        bench_event(bench, GROUP_TIME);
        before = left;
        left = group_coordinator_counts(bench->coordinator).members;
        assert_true(left < before);
        assert_in_range((before - left) * left, 0, 66000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_agree_whatever_happens),
        cmocka_unit_test_setup_teardown(a_step_empties_the_update_before, group_bench_up,
                                        group_bench_down),
        cmocka_unit_test_setup_teardown(the_members_of_a_large_group_go_a_few_at_a_time,
                                        group_bench_up, group_bench_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
