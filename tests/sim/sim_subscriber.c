/* A member of a group by the consumer protocol (KIP-848): tells what it owns, gives up what it is
 * told to, commits, falls silent, leaves, and comes back. Where it may, each time by the one or by
 * the classic protocol: then it gives up everything before it joins. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim_work.h"

enum { SUBSCRIBER_ID_BYTES = 96, EPOCH_LEAVE = -1, EPOCH_LEAVE_STATIC = -2 };

enum {
    COOKIE_BEAT = 1,
    COOKIE_COMMIT,
    COOKIE_OFFSETS,
    COOKIE_LEAVE,
    COOKIE_CLASSIC_JOIN,
    COOKIE_CLASSIC_SYNC,
    COOKIE_CLASSIC_BEAT,
    COOKIE_CLASSIC_LEAVE,
};

enum { MATES_MAX = 64, EMBEDDED_BYTES_MAX = 512 };

struct mate {
    uint8_t id[SUBSCRIBER_ID_BYTES];
    uint32_t len;
};

struct subscriber {
    struct actor actor; /* First. */
    struct member_options options;
    struct book_member page;
    uint8_t id[SUBSCRIBER_ID_BYTES];
    uint32_t id_len;
    char instance[16];
    int32_t epoch; /* 0: not in. */
    int32_t older; /* An epoch it had before; 0 none. */
    bool tell;     /* What it owns has changed. */
    bool whole;    /* An answer may be lost: only a request that tells all is answered with all. */
    uint64_t beat_ns;
    struct committing commit;
    bool committed;
    bool left;
    /* By the classic protocol. */
    bool classic;
    bool joined; /* And has to ask for its assignment in generation. */
    int32_t generation;
    struct mate mates[MATES_MAX]; /* Of the leader. */
    uint32_t mate_count;
};

static struct subscriber *subscriber_of(const struct client *client)
{
    return (struct subscriber *)(uintptr_t)client;
}

static struct bytes self_id(const struct subscriber *subscriber)
{
    return (struct bytes){subscriber->id, subscriber->id_len};
}

static void id_make(struct subscriber *subscriber)
{
    char text[UUID_TEXT_CHARS + 1];
    uuid_format(uuid_random(&subscriber->actor.client.random), text);
    memcpy(subscriber->id, text, UUID_TEXT_CHARS);
    subscriber->id_len = UUID_TEXT_CHARS;
}

static void out(struct subscriber *subscriber)
{
    subscriber->epoch = 0;
    subscriber->older = 0;
    subscriber->page.owned = 0;
    subscriber->page.in = false;
    subscriber->page.generation = 0;
    subscriber->joined = false;
}

/* ---- Heartbeats ----------------------------------------------------------------------------- */

struct owned_topics {
    struct consumer_group_heartbeat_request_topic topics[BOOK_TOPICS];
    int32_t indexes[BOOK_PARTITIONS];
    int32_t count;
};

static void owned_fill(const struct subscriber *subscriber, struct owned_topics *owned)
{
    const struct book *book = actor_book(&subscriber->actor);
    owned->count = 0;
    for (uint32_t t = 0; t < BOOK_TOPICS; t++) {
        const struct book_topic *topic = book_topic(book, t);
        struct consumer_group_heartbeat_request_topic *to = &owned->topics[owned->count];
        *to = (struct consumer_group_heartbeat_request_topic){.topic_id = topic->id};
        to->partitions.items = &owned->indexes[topic->first];
        for (uint32_t p = 0; p < topic->count; p++) {
            if ((subscriber->page.owned >> (topic->first + p) & 1) != 0) {
                owned->indexes[topic->first + (uint32_t)to->partitions.count++] = (int32_t)p;
            }
        }
        owned->count += to->partitions.count > 0;
    }
}

static void beat_send(struct subscriber *subscriber, int32_t epoch)
{
    struct actor *actor = &subscriber->actor;
    const struct bytes group = text_view(book_group(subscriber->options.group));
    const struct bytes names[2] = {text_view(book_topic(actor_book(actor), 0)->name),
                                   text_view(book_topic(actor_book(actor), 1)->name)};
    const struct chain chains[2] = {chain_of(&names[0]), chain_of(&names[1])};
    const struct bytes instance = text_view(subscriber->instance);
    struct owned_topics owned;
    owned_fill(subscriber, &owned);
    if (epoch == 0) {
        if (subscriber->id_len == 0) {
            id_make(subscriber);
        }
        out(subscriber);
        owned.count = 0;
    }
    const struct bytes id = self_id(subscriber);
    struct consumer_group_heartbeat_request request = consumer_group_heartbeat_request_default;
    request.group_id = chain_of(&group);
    request.member_id = chain_of(&id);
    request.member_epoch = epoch;
    request.instance_id = subscriber->options.fixed ? chain_of(&instance) : CHAIN_NULL;
    request.topic_partitions.count = -1;
    request.subscribed_topic_names.count = -1;
    if (epoch == 0 || (epoch > 0 && subscriber->whole)) {
        request.rebalance_timeout_ms = subscriber->options.crowd ? BOOK_REBALANCE_MS : 60000;
        request.subscribed_topic_names.items = chains;
        request.subscribed_topic_names.count = 2;
    }
    if (epoch == 0 || (epoch > 0 && (subscriber->tell || subscriber->whole ||
                                     random_one_in(&actor->client.random, 4)))) {
        request.topic_partitions.items = owned.topics;
        request.topic_partitions.count = owned.count;
    }
    int16_t version;
    struct writer *writer =
        actor_begin(actor, API_CONSUMER_GROUP_HEARTBEAT, 0, INT16_MAX, &version);
    (void)consumer_group_heartbeat_request_encode(writer, version, &request);
    actor_end(actor, API_CONSUMER_GROUP_HEARTBEAT, version, writer,
              epoch < 0 ? COOKIE_LEAVE : COOKIE_BEAT);
    subscriber->tell = false;
    subscriber->whole = subscriber->whole && epoch < 0;
    subscriber->beat_ns = world_now_ns(actor->client.world) + UINT64_C(350000000);
}

static uint32_t assignment_of(const struct subscriber *subscriber,
                              struct consumer_group_heartbeat_response *response)
{
    struct consumer_group_heartbeat_response_topic topic;
    uint32_t mask = 0;
    while (consumer_group_heartbeat_response_topic_array_next(
        &response->assignment.topic_partitions, &topic)) {
        int32_t index;
        while (i32_array_next(&topic.partitions, &index)) {
            const int32_t partition =
                book_partition_by_id(actor_book(&subscriber->actor), &topic.topic_id, index);
            if (partition < 0 || partition >= BOOK_KEYS_FIRST) {
                sim_fail("group %s: member %u gets a partition it has not subscribed to",
                         book_group(subscriber->options.group), subscriber->options.number);
            }
            mask |= 1u << partition;
        }
    }
    return mask;
}

static void beat_good(struct subscriber *subscriber,
                      struct consumer_group_heartbeat_response *response)
{
    struct book *book = actor_book(&subscriber->actor);
    uint8_t room[SUBSCRIBER_ID_BYTES];
    if (response->member_id.len > 0 && response->member_id.len <= sizeof(room)) {
        const struct bytes id = chain_bytes(response->member_id, room, sizeof(room));
        memcpy(subscriber->id, id.ptr, id.len);
        subscriber->id_len = id.len;
    }
    if (response->member_epoch != subscriber->epoch) {
        if (response->member_epoch < subscriber->epoch) {
            sim_fail("group %s: member %u had epoch %d, gets %d",
                     book_group(subscriber->options.group), subscriber->options.number,
                     subscriber->epoch, response->member_epoch);
        }
        subscriber->older = subscriber->epoch;
        subscriber->epoch = response->member_epoch;
    }
    book_member_heard(book, &subscriber->page, subscriber->actor.asked_ns);
    if (response->has_assignment) {
        const uint32_t owned = assignment_of(subscriber, response);
        subscriber->tell = subscriber->tell || owned != subscriber->page.owned;
        book_member_owns(book, &subscriber->page, owned);
    }
    if (subscriber->tell) {
        subscriber->beat_ns = 0;
    }
}

static void refused(struct subscriber *subscriber, const char *what, int16_t error)
{
    switch (error) {
    case ERROR_UNKNOWN_MEMBER_ID:
        book_member_unknown(actor_book(&subscriber->actor), &subscriber->page);
        out(subscriber);
        break;
    case ERROR_GROUP_ID_NOT_FOUND: /* Its last member was thrown out, and a tombstone came. */
    case ERROR_STALE_MEMBER_EPOCH:
    case ERROR_FENCED_MEMBER_EPOCH: out(subscriber); break;
    case ERROR_UNRELEASED_INSTANCE_ID: actor_sleep(&subscriber->actor, 500); break;
    default: actor_retry(&subscriber->actor, what, error); subscriber->whole = true;
    }
}

static void beat_take(struct subscriber *subscriber, const struct flight *flight,
                      struct reader *reader)
{
    struct consumer_group_heartbeat_response response;
    if (consumer_group_heartbeat_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (flight->cookie == COOKIE_LEAVE) {
        if (response.error_code != ERROR_NONE && response.error_code != ERROR_UNKNOWN_MEMBER_ID &&
            response.error_code != ERROR_GROUP_ID_NOT_FOUND) {
            actor_retry(&subscriber->actor, "leaving", response.error_code);
            return;
        }
        out(subscriber);
        if (subscriber->options.mixes) {
            subscriber->id_len = 0;
        }
        subscriber->left = book_winding_up(actor_book(&subscriber->actor));
        actor_sleep(&subscriber->actor, 300);
    } else if (response.error_code == ERROR_NONE) {
        beat_good(subscriber, &response);
    } else {
        refused(subscriber, "ConsumerGroupHeartbeat", response.error_code);
    }
}

/* ---- The classic protocol ------------------------------------------------------------------- */

static void mate_take(struct mate *mate, struct chain id)
{
    uint8_t room[SUBSCRIBER_ID_BYTES];
    if (id.len > SUBSCRIBER_ID_BYTES) {
        sim_fail("a member id of %u bytes", id.len);
    }
    const struct bytes bytes = chain_bytes(id, room, sizeof(room));
    memcpy(mate->id, bytes.ptr, bytes.len);
    mate->len = bytes.len;
}

static struct bytes subscription_make(const struct subscriber *subscriber, uint8_t *to)
{
    const struct book *book = actor_book(&subscriber->actor);
    const struct bytes names[2] = {text_view(book_topic(book, 0)->name),
                                   text_view(book_topic(book, 1)->name)};
    const struct chain chains[2] = {chain_of(&names[0]), chain_of(&names[1])};
    struct consumer_protocol_subscription wanted = consumer_protocol_subscription_default;
    wanted.topics.items = chains;
    wanted.topics.count = 2;
    struct writer writer;
    writer_init(&writer, to, EMBEDDED_BYTES_MAX);
    writer_i16(&writer, 1);
    (void)consumer_protocol_subscription_encode(&writer, 1, &wanted);
    return (struct bytes){to, writer_used(&writer)};
}

static void classic_join_send(struct subscriber *subscriber)
{
    uint8_t room[EMBEDDED_BYTES_MAX];
    const struct bytes group = text_view(book_group(subscriber->options.group));
    const struct bytes id = self_id(subscriber);
    const struct bytes type = text_view("consumer");
    const struct bytes name = text_view("range");
    const struct bytes metadata = subscription_make(subscriber, room);
    const struct join_group_request_protocol protocol = {chain_of(&name), chain_of(&metadata)};
    struct join_group_request request = join_group_request_default;
    subscriber->epoch = 0;
    subscriber->older = 0;
    subscriber->joined = false;
    subscriber->page.owned = 0;
    request.group_id = chain_of(&group);
    request.session_timeout_ms = BOOK_SESSION_MS;
    request.rebalance_timeout_ms = BOOK_REBALANCE_MS;
    request.member_id = id.len == 0 ? CHAIN_EMPTY : chain_of(&id);
    request.protocol_type = chain_of(&type);
    request.protocols.items = &protocol;
    request.protocols.count = 1;
    int16_t version;
    struct writer *writer = actor_begin(&subscriber->actor, API_JOIN_GROUP, 1, INT16_MAX, &version);
    (void)join_group_request_encode(writer, version, &request);
    actor_end(&subscriber->actor, API_JOIN_GROUP, version, writer, COOKIE_CLASSIC_JOIN);
}

static void classic_refused(struct subscriber *subscriber, const char *what, int16_t error)
{
    switch (error) {
    case ERROR_UNKNOWN_MEMBER_ID:
        book_member_unknown(actor_book(&subscriber->actor), &subscriber->page);
        out(subscriber);
        subscriber->id_len = 0;
        break;
    case ERROR_REBALANCE_IN_PROGRESS: /* It is a member still, without anything. */
    case ERROR_ILLEGAL_GENERATION:
        subscriber->epoch = 0;
        subscriber->joined = false;
        subscriber->page.owned = 0;
        break;
    default: actor_retry(&subscriber->actor, what, error);
    }
}

static void classic_join_take(struct subscriber *subscriber, const struct flight *flight,
                              struct reader *reader)
{
    struct join_group_response response;
    struct join_group_response_member mate;
    if (join_group_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code != ERROR_NONE && response.error_code != ERROR_MEMBER_ID_REQUIRED) {
        classic_refused(subscriber, "JoinGroup", response.error_code);
        return;
    }
    struct mate self;
    mate_take(&self, response.member_id);
    memcpy(subscriber->id, self.id, self.len);
    subscriber->id_len = self.len;
    subscriber->mate_count = 0;
    while (join_group_response_member_array_next(&response.members, &mate)) {
        if (subscriber->mate_count == MATES_MAX) {
            sim_fail("group %s has more than %u members", book_group(subscriber->options.group),
                     MATES_MAX);
        }
        mate_take(&subscriber->mates[subscriber->mate_count++], mate.member_id);
    }
    subscriber->generation = response.generation_id;
    subscriber->joined = response.error_code == ERROR_NONE;
}

/* Every partition of both topics to the one whose turn it is. */
static struct bytes part_make(const struct subscriber *subscriber, uint32_t mate, uint8_t *to)
{
    const struct book *book = actor_book(&subscriber->actor);
    struct consumer_protocol_assignment_topic topics[2];
    struct bytes names[2];
    int32_t indexes[BOOK_PARTITIONS];
    uint32_t used = 0;
    for (uint32_t t = 0; t < 2; t++) {
        const struct book_topic *topic = book_topic(book, t);
        names[t] = text_view(topic->name);
        topics[t] = (struct consumer_protocol_assignment_topic){chain_of(&names[t]),
                                                                {.items = &indexes[used]}};
        for (uint32_t p = 0; p < topic->count; p++) {
            if ((topic->first + p + (uint32_t)subscriber->generation) % subscriber->mate_count ==
                mate) {
                indexes[used++] = (int32_t)p;
                topics[t].partitions.count++;
            }
        }
    }
    const struct consumer_protocol_assignment given = {
        .assigned_partitions = {.items = topics, .count = 2}, .user_data = CHAIN_NULL};
    struct writer writer;
    writer_init(&writer, to, EMBEDDED_BYTES_MAX);
    writer_i16(&writer, 0);
    (void)consumer_protocol_assignment_encode(&writer, 0, &given);
    return (struct bytes){to, writer_used(&writer)};
}

static void classic_sync_send(struct subscriber *subscriber)
{
    static uint8_t rooms[MATES_MAX][EMBEDDED_BYTES_MAX];
    struct bytes views[MATES_MAX][2];
    struct sync_group_request_assignment parts[MATES_MAX];
    for (uint32_t i = 0; i < subscriber->mate_count; i++) {
        views[i][0] = (struct bytes){subscriber->mates[i].id, subscriber->mates[i].len};
        views[i][1] = part_make(subscriber, i, rooms[i]);
        parts[i] =
            (struct sync_group_request_assignment){chain_of(&views[i][0]), chain_of(&views[i][1])};
    }
    const struct bytes group = text_view(book_group(subscriber->options.group));
    const struct bytes id = self_id(subscriber);
    const struct bytes type = text_view("consumer");
    const struct bytes name = text_view("range");
    struct sync_group_request request = sync_group_request_default;
    request.group_id = chain_of(&group);
    request.generation_id = subscriber->generation;
    request.member_id = chain_of(&id);
    request.protocol_type = chain_of(&type);
    request.protocol_name = chain_of(&name);
    request.assignments.items = parts;
    request.assignments.count = (int32_t)subscriber->mate_count;
    int16_t version;
    struct writer *writer = actor_begin(&subscriber->actor, API_SYNC_GROUP, 0, INT16_MAX, &version);
    (void)sync_group_request_encode(writer, version, &request);
    actor_end(&subscriber->actor, API_SYNC_GROUP, version, writer, COOKIE_CLASSIC_SYNC);
}

static uint32_t embedded_mask(const struct subscriber *subscriber, struct chain bytes)
{
    struct reader reader;
    struct consumer_protocol_assignment assignment;
    struct consumer_protocol_assignment_topic topic;
    uint32_t mask = 0;
    reader_init(&reader, bytes);
    const int16_t version = reader_i16(&reader);
    if (bytes.len == 0) {
        return 0; /* Its leader did not know of it. */
    }
    if (consumer_protocol_assignment_decode(&reader, version, &assignment) != CODEC_OK) {
        sim_fail("group %s: an assignment that is none", book_group(subscriber->options.group));
    }
    while (consumer_protocol_assignment_topic_array_next(&assignment.assigned_partitions, &topic)) {
        int32_t index;
        while (i32_array_next(&topic.partitions, &index)) {
            const int32_t partition =
                book_partition_by_name(actor_book(&subscriber->actor), topic.topic, index);
            if (partition < 0 || partition >= BOOK_KEYS_FIRST) {
                sim_fail("group %s: member %u gets a partition it has not subscribed to",
                         book_group(subscriber->options.group), subscriber->options.number);
            }
            mask |= 1u << partition;
        }
    }
    return mask;
}

static void classic_sync_take(struct subscriber *subscriber, const struct flight *flight,
                              struct reader *reader)
{
    struct book *book = actor_book(&subscriber->actor);
    struct sync_group_response response;
    if (sync_group_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code != ERROR_NONE) {
        classic_refused(subscriber, "SyncGroup", response.error_code);
        return;
    }
    subscriber->joined = false;
    subscriber->epoch = subscriber->generation;
    book_member_heard(book, &subscriber->page, subscriber->actor.asked_ns);
    book_member_owns(book, &subscriber->page, embedded_mask(subscriber, response.assignment));
    subscriber->beat_ns = world_now_ns(subscriber->actor.client.world);
}

static void classic_beat_send(struct subscriber *subscriber)
{
    const struct bytes group = text_view(book_group(subscriber->options.group));
    const struct bytes id = self_id(subscriber);
    struct heartbeat_request request = heartbeat_request_default;
    request.group_id = chain_of(&group);
    request.generation_id = subscriber->generation;
    request.member_id = chain_of(&id);
    int16_t version;
    struct writer *writer = actor_begin(&subscriber->actor, API_HEARTBEAT, 0, INT16_MAX, &version);
    (void)heartbeat_request_encode(writer, version, &request);
    actor_end(&subscriber->actor, API_HEARTBEAT, version, writer, COOKIE_CLASSIC_BEAT);
    subscriber->beat_ns = world_now_ns(subscriber->actor.client.world) + UINT64_C(350000000);
}

static void classic_beat_take(struct subscriber *subscriber, const struct flight *flight,
                              struct reader *reader)
{
    struct heartbeat_response response;
    if (heartbeat_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code == ERROR_NONE) {
        book_member_beat(actor_book(&subscriber->actor), &subscriber->page,
                         subscriber->actor.asked_ns);
    } else {
        classic_refused(subscriber, "Heartbeat", response.error_code);
    }
}

static void classic_leave_send(struct subscriber *subscriber)
{
    const struct bytes group = text_view(book_group(subscriber->options.group));
    const struct bytes id = self_id(subscriber);
    struct leave_group_request_member leaver = leave_group_request_member_default;
    leaver.member_id = chain_of(&id);
    struct leave_group_request request = leave_group_request_default;
    request.group_id = chain_of(&group);
    request.member_id = chain_of(&id);
    int16_t version;
    struct writer *writer =
        actor_begin(&subscriber->actor, API_LEAVE_GROUP, 0, INT16_MAX, &version);
    if (version >= 3) {
        request.member_id = leave_group_request_default.member_id;
        request.members.items = &leaver;
        request.members.count = 1;
    }
    (void)leave_group_request_encode(writer, version, &request);
    actor_end(&subscriber->actor, API_LEAVE_GROUP, version, writer, COOKIE_CLASSIC_LEAVE);
}

static void classic_leave_take(struct subscriber *subscriber, const struct flight *flight,
                               struct reader *reader)
{
    struct leave_group_response response;
    if (leave_group_response_decode(reader, flight->version, &response) != CODEC_OK) {
        return;
    }
    if (response.error_code != ERROR_NONE && response.error_code != ERROR_UNKNOWN_MEMBER_ID) {
        actor_retry(&subscriber->actor, "LeaveGroup", response.error_code);
        return;
    }
    out(subscriber);
    subscriber->id_len = 0;
    subscriber->left = book_winding_up(actor_book(&subscriber->actor));
    actor_sleep(&subscriber->actor, 300);
}

/* ---- Commits -------------------------------------------------------------------------------- */

static void commit_begin(struct subscriber *subscriber)
{
    struct client *client = &subscriber->actor.client;
    struct committing *commit = &subscriber->commit;
    commit->partition = (uint32_t)random_below(&client->random, BOOK_KEYS_FIRST);
    for (uint32_t i = 0;
         i < BOOK_KEYS_FIRST && (subscriber->page.owned >> commit->partition & 1) == 0; i++) {
        commit->partition = (commit->partition + 1) % BOOK_KEYS_FIRST;
    }
    if (random_one_in(&client->random, 4)) {
        commit->stable = random_one_in(&client->random, 2);
        offsets_send(&subscriber->actor, commit, COOKIE_OFFSETS);
        return;
    }
    commit->old = subscriber->older > 0 && random_one_in(&client->random, 6);
    commit->generation = commit->old ? subscriber->older : subscriber->epoch;
    commit_send(&subscriber->actor, commit, self_id(subscriber), (struct bytes){NULL, 0}, 9,
                COOKIE_COMMIT);
}

static void commit_done(struct subscriber *subscriber, const struct flight *flight,
                        struct reader *reader)
{
    const int16_t error = commit_take(&subscriber->actor, &subscriber->commit, flight, reader);
    if (error == ERROR_NONE) {
        subscriber->committed = book_winding_up(actor_book(&subscriber->actor));
    } else if (error == ERROR_STALE_MEMBER_EPOCH && !subscriber->commit.old) {
        subscriber->beat_ns = 0; /* A newer one is on its way. */
    } else if (subscriber->classic && error == ERROR_REBALANCE_IN_PROGRESS) {
        classic_refused(subscriber, "OffsetCommit", error);
    } else if (!subscriber->commit.old && !error_is_retriable(error) &&
               error != ERROR_KAFKA_STORAGE_ERROR && error != ERROR_UNKNOWN_SERVER_ERROR) {
        if (subscriber->classic && error != ERROR_GROUP_ID_NOT_FOUND) {
            classic_refused(subscriber, "OffsetCommit", error);
        } else {
            refused(subscriber, "OffsetCommit", error);
        }
    }
}

/* ---- Steps ---------------------------------------------------------------------------------- */

static void leave_send(struct subscriber *subscriber, bool for_good)
{
    subscriber->page.in = false;
    subscriber->page.owned = 0;
    subscriber->whole = true; /* It may be refused. */
    if (subscriber->classic) {
        classic_leave_send(subscriber);
        return;
    }
    beat_send(subscriber,
              subscriber->options.fixed && !for_good ? EPOCH_LEAVE_STATIC : EPOCH_LEAVE);
}

static bool part(struct subscriber *subscriber)
{
    struct client *client = &subscriber->actor.client;
    const uint32_t one_in = subscriber->options.crowd ? 5 : 30;
    if (subscriber->options.partings == 0 || book_is_calm(actor_book(&subscriber->actor)) ||
        !random_one_in(&client->random, one_in)) {
        return false;
    }
    subscriber->options.partings--;
    switch (random_below(&client->random, 3)) {
    case 0: leave_send(subscriber, false); return true;
    case 1: actor_sleep(&subscriber->actor, 3 * BOOK_SESSION_MS); return true;
    default: /* It forgets who it was. */
        out(subscriber);
        subscriber->id_len = 0;
        client_cut(client, random_one_in(&client->random, 2));
        actor_sleep(&subscriber->actor, 200);
        return true;
    }
}

/* Whoever is out of the group may come back by the other protocol; who is only told to join again
 * stays with its own. */
static void enter(struct subscriber *subscriber)
{
    if (subscriber->options.mixes && !subscriber->page.in && subscriber->id_len == 0) {
        subscriber->classic = random_one_in(&subscriber->actor.client.random, 2);
    }
    if (subscriber->classic) {
        classic_join_send(subscriber);
    } else {
        beat_send(subscriber, 0);
    }
}

/* One of a crowd has nothing more to do in the end. */
static void crowd_end(struct subscriber *subscriber)
{
    if (subscriber->id_len > 0) {
        leave_send(subscriber, true);
    } else {
        subscriber->left = true;
    }
}

static bool subscriber_step(struct client *client)
{
    struct subscriber *subscriber = subscriber_of(client);
    if (subscriber->left || !actor_awake(&subscriber->actor)) {
        return false;
    }
    if (subscriber->options.crowd && book_winding_up(actor_book(&subscriber->actor))) {
        crowd_end(subscriber);
        return true;
    }
    if (subscriber->joined) {
        classic_sync_send(subscriber);
    } else if (subscriber->epoch == 0) {
        enter(subscriber);
    } else if (subscriber->committed) {
        leave_send(subscriber, true);
    } else if (world_now_ns(client->world) >= subscriber->beat_ns && subscriber->classic) {
        classic_beat_send(subscriber);
    } else if (world_now_ns(client->world) >= subscriber->beat_ns) {
        beat_send(subscriber, subscriber->epoch);
    } else if (part(subscriber)) {
        return true;
    } else if (subscriber->options.crowd && subscriber->page.owned == 0) {
        actor_sleep(&subscriber->actor, 700);
    } else {
        commit_begin(subscriber);
    }
    return true;
}

static void subscriber_answer(struct client *client, const struct flight *flight,
                              struct reader *reader)
{
    struct subscriber *subscriber = subscriber_of(client);
    subscriber->actor.asked = false;
    actor_sleep(&subscriber->actor, 80);
    switch (flight->cookie) {
    case COOKIE_COMMIT: commit_done(subscriber, flight, reader); break;
    case COOKIE_OFFSETS:
        (void)offsets_answer(&subscriber->actor, &subscriber->commit, flight, reader);
        break;
    case COOKIE_CLASSIC_JOIN: classic_join_take(subscriber, flight, reader); break;
    case COOKIE_CLASSIC_SYNC: classic_sync_take(subscriber, flight, reader); break;
    case COOKIE_CLASSIC_BEAT: classic_beat_take(subscriber, flight, reader); break;
    case COOKIE_CLASSIC_LEAVE: classic_leave_take(subscriber, flight, reader); break;
    default: beat_take(subscriber, flight, reader);
    }
    subscriber->page.generation = subscriber->epoch;
}

static void subscriber_lost(struct client *client)
{
    struct subscriber *subscriber = subscriber_of(client);
    subscriber->actor.asked = false;
    subscriber->whole = true;
}

static bool subscriber_finished(const struct client *client)
{
    return subscriber_of(client)->left;
}

static void subscriber_free(struct client *client)
{
    free(subscriber_of(client));
}

const struct client_kind subscriber_kind = {
    .step = subscriber_step,
    .answer = subscriber_answer,
    .lost = subscriber_lost,
    .deadline_ns = actor_deadline_ns,
    .finished = subscriber_finished,
    .free = subscriber_free,
    .name = "subscriber",
};

struct client *subscriber_create(struct world *world, const struct member_options *options)
{
    struct subscriber *subscriber = calloc(1, sizeof(*subscriber));
    ASSERT(subscriber != NULL);
    subscriber->options = *options;
    subscriber->page = (struct book_member){.number = options->number, .group = options->group};
    subscriber->commit.group = options->group;
    (void)snprintf(subscriber->instance, sizeof(subscriber->instance), "fixed-%u", options->number);
    book_member_add(world->book, &subscriber->page);
    actor_init(&subscriber->actor, world, &subscriber_kind, options->number);
    return &subscriber->actor.client;
}
