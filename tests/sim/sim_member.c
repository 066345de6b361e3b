/* A member of a classic group: joins, takes its part from the leader, commits, asks for offsets,
 * falls silent, leaves, and comes back. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim_mover.h"

enum { MEMBER_ID_BYTES = 96, MATES_MAX = BOOK_MEMBERS, SHARED_PARTITIONS = BOOK_KEYS_FIRST };

enum member_state { MEMBER_OUT, MEMBER_JOINED, MEMBER_IN };

enum { COOKIE_JOIN = 1, COOKIE_SYNC, COOKIE_BEAT, COOKIE_COMMIT, COOKIE_OFFSETS, COOKIE_LEAVE };

struct mate {
    uint8_t id[MEMBER_ID_BYTES];
    uint32_t len;
};

struct member {
    struct actor actor; /* First. */
    struct member_options options;
    struct book_member page; /* In the book. */
    enum member_state state;
    struct mate self;
    char instance[16];
    int32_t generation;
    bool leads;
    struct mate mates[MATES_MAX]; /* Of the leader. */
    uint32_t mate_count;
    uint64_t beat_ns;
    uint64_t joined_ns; /* When it asked for the join that brought its generation. */
    struct committing commit;
    bool committed; /* Something, since the end was near. */
    bool left;      /* For good. */
};

static struct member *member_of(const struct client *client)
{
    return (struct member *)(uintptr_t)client;
}

static struct bytes self_id(const struct member *member)
{
    return (struct bytes){member->self.id, member->self.len};
}

static struct bytes instance_id(const struct member *member)
{
    return member->options.fixed ? text_view(member->instance) : (struct bytes){NULL, 0};
}

static struct chain instance_chain(const struct bytes *instance)
{
    return instance->ptr == NULL ? CHAIN_NULL : chain_of(instance);
}

static void mate_take(struct mate *mate, struct chain id)
{
    uint8_t room[MEMBER_ID_BYTES];
    if (id.len > MEMBER_ID_BYTES) {
        sim_fail("a member id of %u bytes", id.len);
    }
    const struct bytes bytes = chain_bytes(id, room, sizeof(room));
    memcpy(mate->id, bytes.ptr, bytes.len);
    mate->len = bytes.len;
}

/* The group has another generation, or does not know who this is. */
static void out(struct member *member, bool forgotten)
{
    member->state = MEMBER_OUT;
    member->page.generation = 0;
    if (member->options.mover != NULL) {
        mover_out(member->options.mover);
    }
    if (forgotten) {
        member->page.in = false;
        member->self.len = 0;
    }
}

/* ---- Errors all its requests share ---------------------------------------------------------- */

static void refused(struct member *member, const char *what, int16_t error)
{
    switch (error) {
    case ERROR_UNKNOWN_MEMBER_ID:
        book_member_unknown(actor_book(&member->actor), &member->page);
        out(member, true);
        break;
    case ERROR_REBALANCE_IN_PROGRESS:
    case ERROR_ILLEGAL_GENERATION: out(member, false); break;
    case ERROR_FENCED_INSTANCE_ID: out(member, true); break;
    default: actor_retry(&member->actor, what, error);
    }
}

/* ---- Join ----------------------------------------------------------------------------------- */

static void join_send(struct member *member)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "member-%u", member->options.number);
    const struct bytes group = text_view(book_group(member->options.group));
    const struct bytes instance = instance_id(member);
    const struct bytes id = self_id(member);
    const struct bytes type = text_view("simulation");
    const struct bytes name = text_view("masks");
    const struct bytes metadata = text_view(text);
    const struct join_group_request_protocol protocol = {chain_of(&name), chain_of(&metadata)};
    struct join_group_request request = join_group_request_default;
    request.group_id = chain_of(&group);
    request.session_timeout_ms = BOOK_SESSION_MS;
    request.rebalance_timeout_ms = BOOK_REBALANCE_MS;
    request.member_id = chain_of(&id);
    request.group_instance_id = instance_chain(&instance);
    request.protocol_type = chain_of(&type);
    request.protocols.items = &protocol;
    request.protocols.count = 1;
    int16_t version;
    struct writer *writer = actor_begin(&member->actor, API_JOIN_GROUP,
                                        member->options.fixed ? 5 : 1, INT16_MAX, &version);
    (void)join_group_request_encode(writer, version, &request);
    actor_end(&member->actor, API_JOIN_GROUP, version, writer, COOKIE_JOIN);
}

static void joined(struct member *member, struct join_group_response *response)
{
    struct join_group_response_member mate;
    struct mate leader;
    mate_take(&member->self, response->member_id);
    mate_take(&leader, response->leader);
    member->mate_count = 0;
    while (join_group_response_member_array_next(&response->members, &mate)) {
        if (member->mate_count == MATES_MAX) {
            sim_fail("group %s has more than %u members", book_group(member->options.group),
                     MATES_MAX);
        }
        mate_take(&member->mates[member->mate_count++], mate.member_id);
    }
    member->leads = !response->skip_assignment && leader.len == member->self.len &&
                    memcmp(leader.id, member->self.id, leader.len) == 0;
    member->generation = response->generation_id;
    member->joined_ns = member->actor.asked_ns;
    member->state = MEMBER_JOINED;
}

static void join_take(struct member *member, const struct flight *flight, struct reader *reader)
{
    struct join_group_response response;
    if (join_group_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code == ERROR_NONE) {
        joined(member, &response);
    } else if (response.error_code == ERROR_MEMBER_ID_REQUIRED) {
        mate_take(&member->self, response.member_id);
    } else {
        refused(member, "JoinGroup", response.error_code);
    }
}

/* ---- Sync ----------------------------------------------------------------------------------- */

static void sync_send(struct member *member)
{
    static struct bytes views[MATES_MAX][2];
    static struct sync_group_request_assignment parts[MATES_MAX];
    uint8_t masks[MATES_MAX] = {0};
    const uint32_t count = member->leads ? member->mate_count : 0;
    for (uint32_t p = 0; count > 0 && p < SHARED_PARTITIONS; p++) {
        masks[(p + (uint32_t)member->generation) % count] |= (uint8_t)(1u << p);
    }
    for (uint32_t i = 0; i < count; i++) {
        views[i][0] = (struct bytes){member->mates[i].id, member->mates[i].len};
        views[i][1] = (struct bytes){&masks[i], 1};
        parts[i] =
            (struct sync_group_request_assignment){chain_of(&views[i][0]), chain_of(&views[i][1])};
    }
    const struct bytes group = text_view(book_group(member->options.group));
    const struct bytes instance = instance_id(member);
    const struct bytes id = self_id(member);
    const struct bytes type = text_view("simulation");
    const struct bytes name = text_view("masks");
    struct sync_group_request request = sync_group_request_default;
    request.group_id = chain_of(&group);
    request.generation_id = member->generation;
    request.member_id = chain_of(&id);
    request.group_instance_id = instance_chain(&instance);
    request.protocol_type = chain_of(&type);
    request.protocol_name = chain_of(&name);
    request.assignments.items = parts;
    request.assignments.count = (int32_t)count;
    int16_t version;
    struct writer *writer = actor_begin(&member->actor, API_SYNC_GROUP,
                                        member->options.fixed ? 3 : 0, INT16_MAX, &version);
    (void)sync_group_request_encode(writer, version, &request);
    actor_end(&member->actor, API_SYNC_GROUP, version, writer, COOKIE_SYNC);
}

static void sync_take(struct member *member, const struct flight *flight, struct reader *reader)
{
    struct book *book = actor_book(&member->actor);
    struct sync_group_response response;
    if (sync_group_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code != ERROR_NONE) {
        refused(member, "SyncGroup", response.error_code);
        return;
    }
    uint8_t room[8];
    const struct bytes mask = chain_bytes(response.assignment, room, sizeof(room));
    member->page.owned = mask.len > 0 ? mask.ptr[0] : 0;
    book_synced(book, member->options.group, member->generation, member->options.number,
                member->page.owned);
    /* To ask for what has been assigned already is no sign of life, as in Kafka. */
    book_member_heard(book, &member->page, member->joined_ns);
    member->state = MEMBER_IN;
    if (member->options.mover != NULL) {
        mover_assigned(member->options.mover, member->generation, self_id(member),
                       instance_id(member), member->page.owned);
    }
    member->beat_ns = world_now_ns(member->actor.client.world);
}

/* ---- Heartbeats and leaving ----------------------------------------------------------------- */

static void beat_send(struct member *member)
{
    const struct bytes group = text_view(book_group(member->options.group));
    const struct bytes instance = instance_id(member);
    const struct bytes id = self_id(member);
    struct heartbeat_request request = heartbeat_request_default;
    request.group_id = chain_of(&group);
    request.generation_id = member->generation;
    request.member_id = chain_of(&id);
    request.group_instance_id = instance_chain(&instance);
    int16_t version;
    struct writer *writer = actor_begin(&member->actor, API_HEARTBEAT,
                                        member->options.fixed ? 3 : 0, INT16_MAX, &version);
    (void)heartbeat_request_encode(writer, version, &request);
    actor_end(&member->actor, API_HEARTBEAT, version, writer, COOKIE_BEAT);
    member->beat_ns = world_now_ns(member->actor.client.world) + UINT64_C(350000000);
}

static void leave_send(struct member *member)
{
    const struct bytes group = text_view(book_group(member->options.group));
    const struct bytes instance = instance_id(member);
    const struct bytes id = self_id(member);
    struct leave_group_request_member leaver = leave_group_request_member_default;
    leaver.member_id = chain_of(&id);
    leaver.group_instance_id = instance_chain(&instance);
    struct leave_group_request request = leave_group_request_default;
    request.group_id = chain_of(&group);
    request.member_id = chain_of(&id);
    int16_t version;
    struct writer *writer = actor_begin(&member->actor, API_LEAVE_GROUP,
                                        member->options.fixed ? 3 : 0, INT16_MAX, &version);
    if (version >= 3) {
        request.member_id = leave_group_request_default.member_id;
        request.members.items = &leaver;
        request.members.count = 1;
    }
    (void)leave_group_request_encode(writer, version, &request);
    actor_end(&member->actor, API_LEAVE_GROUP, version, writer, COOKIE_LEAVE);
    member->page.in = false; /* Whatever comes of it. */
}

static void beat_take(struct member *member, const struct flight *flight, struct reader *reader)
{
    struct heartbeat_response response;
    if (heartbeat_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code == ERROR_NONE) {
        book_member_beat(actor_book(&member->actor), &member->page, member->actor.asked_ns);
    } else {
        refused(member, "Heartbeat", response.error_code);
    }
}

static void leave_take(struct member *member, const struct flight *flight, struct reader *reader)
{
    struct leave_group_response response;
    if (leave_group_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code != ERROR_NONE && response.error_code != ERROR_UNKNOWN_MEMBER_ID) {
        actor_retry(&member->actor, "LeaveGroup", response.error_code);
        return;
    }
    out(member, true);
    member->left = book_winding_up(actor_book(&member->actor));
    actor_sleep(&member->actor, 300);
}

/* ---- Steps ---------------------------------------------------------------------------------- */

static void commit_begin(struct member *member)
{
    struct client *client = &member->actor.client;
    struct committing *commit = &member->commit;
    commit->partition = (uint32_t)random_below(&client->random, SHARED_PARTITIONS);
    for (uint32_t i = 0;
         i < SHARED_PARTITIONS && (member->page.owned >> commit->partition & 1) == 0; i++) {
        commit->partition = (commit->partition + 1) % SHARED_PARTITIONS;
    }
    if (random_one_in(&client->random, 4)) {
        commit->stable = random_one_in(&client->random, 2);
        offsets_send(&member->actor, commit, COOKIE_OFFSETS);
        return;
    }
    commit->old = member->generation > 1 && random_one_in(&client->random, 6);
    commit->generation = member->generation - commit->old;
    commit_send(&member->actor, commit, self_id(member), instance_id(member),
                member->options.fixed ? 7 : 2, COOKIE_COMMIT);
}

/* Its writer does the rest. */
static void move_step(struct member *member)
{
    const uint32_t partition = mover_unknown(member->options.mover);
    member->committed = book_winding_up(actor_book(&member->actor)) && !member->options.mover->busy;
    if (partition == BOOK_MOVES) {
        actor_sleep(&member->actor, 40);
        return;
    }
    member->commit.partition = partition;
    member->commit.stable = true;
    offsets_send(&member->actor, &member->commit, COOKIE_OFFSETS);
}

static void offsets_take(struct member *member, const struct flight *flight, struct reader *reader)
{
    const bool told = offsets_answer(&member->actor, &member->commit, flight, reader);
    if (told && member->options.mover != NULL) {
        mover_position(member->options.mover, member->commit.partition, member->commit.told);
    }
}

static void commit_done(struct member *member, const struct flight *flight, struct reader *reader)
{
    const int16_t error = commit_take(&member->actor, &member->commit, flight, reader);
    if (error == ERROR_NONE) {
        member->committed = book_winding_up(actor_book(&member->actor));
        book_generation_served(actor_book(&member->actor), member->options.group,
                               member->commit.generation, member->actor.asked_ns);
        /* As in Kafka it counts as a heartbeat. */
        book_member_heard(actor_book(&member->actor), &member->page, member->actor.asked_ns);
    } else if (!member->commit.old && !error_is_retriable(error) &&
               error != ERROR_KAFKA_STORAGE_ERROR && error != ERROR_UNKNOWN_SERVER_ERROR) {
        refused(member, "OffsetCommit", error);
    }
}

/* Goes away without a word, or with one, or forgets who it was. */
static bool part(struct member *member)
{
    struct client *client = &member->actor.client;
    const uint32_t one_in = member->options.crowd ? 5 : 30;
    if (member->options.partings == 0 || book_is_calm(actor_book(&member->actor)) ||
        !random_one_in(&client->random, one_in)) {
        return false;
    }
    member->options.partings--;
    switch (random_below(&client->random, 3)) {
    case 0: leave_send(member); return true;
    case 1: actor_sleep(&member->actor, 3 * BOOK_SESSION_MS); return true;
    default:
        out(member, true);
        client_cut(client, random_one_in(&client->random, 2));
        actor_sleep(&member->actor, 200);
        return true;
    }
}

/* One of a crowd has nothing more to do in the end. */
static void crowd_end(struct member *member)
{
    if (member->self.len > 0) {
        leave_send(member);
    } else {
        member->left = true;
    }
}

static bool member_step(struct client *client)
{
    struct member *member = member_of(client);
    if (member->left || !actor_awake(&member->actor)) {
        return false;
    }
    if (member->options.crowd && book_winding_up(actor_book(&member->actor))) {
        crowd_end(member);
        return true;
    }
    switch (member->state) {
    case MEMBER_OUT: join_send(member); return true;
    case MEMBER_JOINED: sync_send(member); return true;
    case MEMBER_IN: break;
    }
    if (member->committed) {
        leave_send(member);
    } else if (world_now_ns(client->world) >= member->beat_ns) {
        beat_send(member);
    } else if (part(member)) {
        return true;
    } else if (member->options.mover != NULL) {
        move_step(member);
    } else if (member->options.crowd && member->page.owned == 0) {
        actor_sleep(&member->actor, 700);
    } else {
        commit_begin(member);
    }
    return true;
}

static void member_answer(struct client *client, const struct flight *flight, struct reader *reader)
{
    struct member *member = member_of(client);
    member->actor.asked = false;
    actor_sleep(&member->actor, member->state == MEMBER_IN ? 80 : 10);
    switch (flight->cookie) {
    case COOKIE_JOIN: join_take(member, flight, reader); break;
    case COOKIE_SYNC: sync_take(member, flight, reader); break;
    case COOKIE_BEAT: beat_take(member, flight, reader); break;
    case COOKIE_COMMIT: commit_done(member, flight, reader); break;
    case COOKIE_OFFSETS: offsets_take(member, flight, reader); break;
    default: leave_take(member, flight, reader);
    }
    member->page.generation = member->state == MEMBER_IN ? member->generation : 0;
}

static void member_lost(struct client *client)
{
    member_of(client)->actor.asked = false;
}

static bool member_finished(const struct client *client)
{
    return member_of(client)->left;
}

static void member_free(struct client *client)
{
    free(member_of(client));
}

const struct client_kind member_kind = {
    .step = member_step,
    .answer = member_answer,
    .lost = member_lost,
    .deadline_ns = actor_deadline_ns,
    .finished = member_finished,
    .free = member_free,
    .name = "member",
};

struct client *member_create(struct world *world, const struct member_options *options)
{
    struct member *member = calloc(1, sizeof(*member));
    ASSERT(member != NULL);
    member->options = *options;
    member->page = (struct book_member){.number = options->number, .group = options->group};
    member->commit.group = options->group;
    (void)snprintf(member->instance, sizeof(member->instance), "instance-%u", options->number);
    book_member_add(world->book, &member->page);
    actor_init(&member->actor, world, &member_kind, options->number);
    return &member->actor.client;
}
