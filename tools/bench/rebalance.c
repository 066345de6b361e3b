/* rebalance: every connection is a member of one classic group. In each round all of them join with
 * metadata that is new, the leader hands in everybody's assignment, and all sync; a round lasts
 * from the first join to the last sync. The first one, with its configured delays, is not measured.
 */
#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "tools/bench/dialogs.h"

enum {
    JOIN_GROUP_VERSION = 5,
    SYNC_GROUP_VERSION = 3,
    SESSION_MS = 45000,
    REBALANCE_MS = 60000,
    ANSWER_BYTES_MAX = 1 << 20,
    ASSIGNMENT_BYTES = 16,
    ID_BYTES_MAX = 128,
};

enum member_step { MEMBER_JOINS, MEMBER_WAITS_FOR_JOIN, MEMBER_SYNCS, MEMBER_WAITS, MEMBER_DONE };

struct member {
    enum member_step step;
    char id[ID_BYTES_MAX];
    bool leads;
};

struct rebalance {
    struct dialogs dialogs;
    struct member *members;
    const char *group;
    struct bytes *ids; /* Of the round, as the leader was told them; views of told. */
    uint32_t id_count;
    uint8_t *told;
    uint8_t *assignments; /* The leader's request. */
    uint32_t assignments_capacity;
    int32_t generation;
    uint64_t round;
    uint64_t round_began_ns;
    uint32_t done;
};

static struct rebalance *rebalance_of(struct dialogs *dialogs)
{
    return CONTAINER_OF(dialogs, struct rebalance, dialogs);
}

static void join_send(struct rebalance *all, uint32_t index)
{
    const struct member *member = &all->members[index];
    const struct bytes group = bytes_of_string(all->group);
    const struct bytes id = bytes_of_string(member->id);
    const struct bytes type = bytes_of_string("consumer");
    const struct bytes name = bytes_of_string("range");
    uint8_t round[8];
    store_be64(round, all->round);
    const struct bytes metadata = {round, sizeof(round)};
    struct join_group_request_protocol protocol = join_group_request_protocol_default;
    protocol.name = chain_of(&name);
    protocol.metadata = chain_of(&metadata);
    struct join_group_request message = join_group_request_default;
    message.group_id = chain_of(&group);
    message.session_timeout_ms = SESSION_MS;
    message.rebalance_timeout_ms = REBALANCE_MS;
    message.member_id = chain_of(&id);
    message.protocol_type = chain_of(&type);
    message.protocols.items = &protocol;
    message.protocols.count = 1;
    struct peer_request *request = peer_begin(&all->dialogs.peers[index]);
    REQUESTS_ENCODE(request, API_JOIN_GROUP, join_group, JOIN_GROUP_VERSION, &message);
    request->api = API_JOIN_GROUP;
    peer_end(&all->dialogs.peers[index]);
    if (all->round_began_ns == 0) {
        all->round_began_ns = usage_now_ns();
    }
}

/* The leader's is too long for a request's head: it lies in memory of its own. */
static void sync_send(struct rebalance *all, uint32_t index)
{
    const struct member *member = &all->members[index];
    const uint32_t count = member->leads ? all->id_count : 0;
    const struct bytes group = bytes_of_string(all->group);
    const struct bytes id = bytes_of_string(member->id);
    static const uint8_t nothing[ASSIGNMENT_BYTES];
    const struct bytes assignment = {nothing, sizeof(nothing)};
    struct sync_group_request_assignment *assignments = calloc(count + 1, sizeof(*assignments));
    ASSERT(assignments != NULL);
    for (uint32_t i = 0; i < count; i++) {
        assignments[i] = sync_group_request_assignment_default;
        assignments[i].member_id = chain_of(&all->ids[i]);
        assignments[i].assignment = chain_of(&assignment);
    }
    struct sync_group_request message = sync_group_request_default;
    message.group_id = chain_of(&group);
    message.generation_id = all->generation;
    message.member_id = chain_of(&id);
    message.assignments.items = assignments;
    message.assignments.count = (int32_t)count;
    struct peer_request *request = peer_begin(&all->dialogs.peers[index]);
    if (count == 0) {
        REQUESTS_ENCODE(request, API_SYNC_GROUP, sync_group, SYNC_GROUP_VERSION, &message);
    } else {
        struct writer writer;
        requests_open_in(&writer, all->assignments, all->assignments_capacity, request,
                         API_SYNC_GROUP, SYNC_GROUP_VERSION);
        (void)sync_group_request_encode(&writer, SYNC_GROUP_VERSION, &message);
        ASSERT(frame_end(&writer) == CODEC_OK);
        request->head_bytes = 0;
        request->body = (struct bytes){all->assignments, writer_used(&writer)};
    }
    request->api = API_SYNC_GROUP;
    peer_end(&all->dialogs.peers[index]);
    free(assignments);
}

static bool member_next(struct dialogs *dialogs, uint32_t index)
{
    struct rebalance *all = rebalance_of(dialogs);
    struct member *member = &all->members[index];
    switch (member->step) {
    case MEMBER_JOINS:
        if (dialogs->stopping && all->round_began_ns == 0) {
            return false;
        }
        member->step = MEMBER_WAITS_FOR_JOIN;
        join_send(all, index);
        return true;
    case MEMBER_SYNCS:
        member->step = MEMBER_WAITS;
        sync_send(all, index);
        return true;
    case MEMBER_WAITS_FOR_JOIN:
    case MEMBER_WAITS:
    case MEMBER_DONE: return false;
    }
    return false;
}

/* Whom the leader has to give something; the answer is gone when it does. */
static bool leader_told(struct rebalance *all, const struct join_group_response *answer)
{
    struct join_group_response_member_array members = answer->members;
    struct join_group_response_member one;
    uint32_t used = 0;
    all->id_count = 0;
    while (join_group_response_member_array_next(&members, &one)) {
        const uint32_t len = one.member_id.len;
        if (all->id_count == all->dialogs.run->options->connections || len > ID_BYTES_MAX) {
            return false;
        }
        chain_copy(one.member_id, all->told + used, len);
        all->ids[all->id_count++] = (struct bytes){all->told + used, len};
        used += len;
    }
    return true;
}

static bool join_answer(struct rebalance *all, struct member *member, struct bytes frame)
{
    struct join_group_response answer;
    if (!REQUESTS_DECODE(frame, API_JOIN_GROUP, join_group, JOIN_GROUP_VERSION, &answer) ||
        answer.member_id.len >= ID_BYTES_MAX) {
        return dialogs_failed("JoinGroup", ERROR_CORRUPT_MESSAGE);
    }
    if (all->dialogs.warming && dialogs_coordinator_comes(answer.error_code)) {
        member->step = MEMBER_JOINS;
        return true;
    }
    if (answer.error_code != ERROR_NONE && answer.error_code != ERROR_MEMBER_ID_REQUIRED) {
        return dialogs_failed("JoinGroup", answer.error_code);
    }
    const uint32_t len = answer.member_id.len;
    chain_copy(answer.member_id, member->id, len);
    member->id[len] = '\0';
    if (answer.error_code == ERROR_MEMBER_ID_REQUIRED) {
        member->step = MEMBER_JOINS;
        return true;
    }
    all->generation = answer.generation_id;
    member->leads = chain_equals(answer.leader, bytes_of_string(member->id));
    member->step = MEMBER_SYNCS;
    return !member->leads || leader_told(all, &answer);
}

static void round_end(struct rebalance *all)
{
    if (!all->dialogs.warming) {
        dialogs_count(&all->dialogs, all->round_began_ns);
    }
    all->dialogs.warming = false;
    all->round++;
    all->round_began_ns = 0;
    all->done = 0;
    for (uint32_t i = 0; i < all->dialogs.run->options->connections; i++) {
        all->members[i].step = MEMBER_JOINS;
    }
}

static bool member_answer(struct dialogs *dialogs, uint32_t index,
                          const struct peer_request *request, struct bytes frame)
{
    struct rebalance *all = rebalance_of(dialogs);
    struct member *member = &all->members[index];
    if (request->api == API_JOIN_GROUP) {
        return join_answer(all, member, frame);
    }
    struct sync_group_response answer;
    if (!REQUESTS_DECODE(frame, API_SYNC_GROUP, sync_group, SYNC_GROUP_VERSION, &answer)) {
        return dialogs_failed("SyncGroup", ERROR_CORRUPT_MESSAGE);
    }
    if (answer.error_code == ERROR_REBALANCE_IN_PROGRESS) { /* Of the first one: late joiners. */
        member->step = MEMBER_JOINS;
        return true;
    }
    if (answer.error_code != ERROR_NONE || answer.assignment.len != ASSIGNMENT_BYTES) {
        return dialogs_failed("SyncGroup", answer.error_code);
    }
    member->step = MEMBER_DONE;
    all->done++;
    if (all->done == dialogs->run->options->connections) {
        round_end(all);
    }
    return true;
}

bool run_rebalance(struct run *run)
{
    const uint64_t count = run->options->connections;
    struct rebalance all = {
        .dialogs = {.run = run, .next = member_next, .answer = member_answer, .warming = true},
        .members = calloc(count, sizeof(*all.members)),
        .ids = calloc(count, sizeof(*all.ids)),
        .told = calloc(count, ID_BYTES_MAX),
        .assignments_capacity = (uint32_t)count * (ID_BYTES_MAX + ASSIGNMENT_BYTES + 16) + 1024,
        .group = run->options->topic,
    };
    all.assignments = malloc(all.assignments_capacity);
    bool ok = all.members != NULL && all.ids != NULL && all.told != NULL &&
              all.assignments != NULL && dialogs_open(&all.dialogs, ANSWER_BYTES_MAX);
    ok = ok && requests_find_coordinator(&all.dialogs.peers[0], REQUESTS_GROUP, all.group) &&
         dialogs_run(&all.dialogs);
    dialogs_close(&all.dialogs);
    free(all.members);
    free(all.ids);
    free(all.told);
    free(all.assignments);
    return ok;
}
