#include "control/loop.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/config/check.h"
#include "control/control_state.h"
#include "control/room.h"
#include "control/topic/create.h"

enum {
    REQUESTS_PER_TURN = 64,
    EVENTS_PER_TURN = 16,
    LONG_LOOK_NS = 1000 * 1000 * 1000, /* Between looks at long answers. */
};

const char *control_phase_name(enum control_phase phase)
{
    static const char *const names[] = {"connecting", "syncing", "ready", "stopping", "refused"};
    return names[phase];
}

struct control *control_create(const struct control_setup *setup)
{
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL) {
        return NULL;
    }
    control->setup = *setup;
    control->peer = peer_create(setup->world, setup->socket_path);
    control->calls = control->peer == NULL ? NULL : calls_create(control->peer);
    if (control->calls == NULL) {
        if (control->peer != NULL) {
            peer_destroy(control->peer);
        }
        free(control);
        return NULL;
    }
    random_init(&control->random, setup->seed);
    list_init(&control->fresh);
    list_init(&control->waiting);
    list_init(&control->describing);
    list_init(&control->deleted);
    control->groups = groups_create(control);
    control->txns = txns_create(control);
    control->lag = lag_create(control);
    ASSERT(control->groups != NULL && control->txns != NULL && control->lag != NULL);
    control->logger_level = control_level_name(setup->settings->log_level);
    (void)snprintf(control->reason, sizeof(control->reason),
                   "the dataplane has not been reached yet");
    return control;
}

/* ---- Deleted topics ------------------------------------------------------------------------- */

/* Whose deletion becomes durable with this turn's commit: then coordinators hear of it. */
struct deleted {
    struct list_node node;
    uint32_t len;
    uint8_t name[];
};

static void deleted_note(struct control *control, const struct delete_topics_response *answer)
{
    struct delete_topics_response_topic_array topics = answer->responses;
    struct delete_topics_response_topic topic;
    while (delete_topics_response_topic_array_next(&topics, &topic)) {
        if (topic.error_code == ERROR_NONE) {
            struct deleted *deleted = calloc(1, sizeof(*deleted) + topic.name.len + 1);
            ASSERT(deleted != NULL);
            deleted->len = topic.name.len;
            chain_copy(topic.name, deleted->name, topic.name.len);
            list_push_back(&control->deleted, &deleted->node);
        }
    }
}

static void deleted_settle(struct control *control, bool durable)
{
    struct list_node *node;
    while ((node = list_pop_front(&control->deleted)) != NULL) {
        struct deleted *deleted = CONTAINER_OF(node, struct deleted, node);
        if (durable) {
            groups_topic_deleted(control->groups, (struct bytes){deleted->name, deleted->len});
        }
        free(deleted);
    }
}

static void operations_drop(struct list *operations)
{
    struct list_node *node;
    while ((node = list_pop_front(operations)) != NULL) {
        operation_free(CONTAINER_OF(node, struct operation, node));
    }
}

void control_destroy(struct control *control)
{
    operations_drop(&control->fresh);
    operations_drop(&control->waiting);
    operations_drop(&control->describing);
    deleted_settle(control, false);
    lag_destroy(control->lag);
    txns_destroy(control->txns);
    groups_destroy(control->groups);
    calls_destroy(control->calls);
    peer_destroy(control->peer);
    metadata_close(&control->store);
    publisher_free(&control->publisher);
    free(control->grants);
    free(control);
}

/* ---- Memory --------------------------------------------------------------------------------- */

/* Room for the next piece of work and so many bytes more. The image and the last snapshot may be
 * made once more at any time. */
static bool has_room(struct control *control, uint64_t more)
{
    enum { PARTITION_BYTES = 256 };
    const uint64_t wanted = ROOM_BYTES + control->publisher.byte_capacity * 4 +
                            (uint64_t)control->store.image.partition_count * PARTITION_BYTES + more;
    if (control->setup.has_room == NULL ||
        control->setup.has_room(control->setup.room_context, wanted)) {
        return true;
    }
    control->room_at_ns = control->now_ns + RETRY_NS;
    if (control->counters.memory_short++ == 0) {
        control_say(control, JOURNAL_ERROR, "memory_short", "wanted_bytes=%llu",
                    (unsigned long long)wanted);
    }
    return false;
}

static bool memory_is_short(const struct control *control)
{
    return control->now_ns < control->room_at_ns;
}

/* ---- Requests ------------------------------------------------------------------------------- */

static struct step step_inputs(struct control *control)
{
    return (struct step){.view = config_view_of(&control->store.image, control->setup.settings),
                         .random = &control->random,
                         .changes = &control->store.staged,
                         .listen_port = peer_hello(control->peer)->listen.port,
                         .logger_level = control->logger_level};
}

static void request_run(struct control *control, struct peer_request *request)
{
    if (txns_request(control->txns, request) || groups_request(control->groups, request)) {
        return;
    }
    const struct api_handler *handler = api_handler_find(request->header.api_key);
    if (handler == NULL) {
        struct slow_header header = request->header;
        header.kind = SLOW_ERROR;
        header.error_code = ERROR_UNSUPPORTED_VERSION;
        peer_send(control->peer, request->core, &header, NULL, 0);
        free(request);
        return;
    }
    struct operation *operation = operation_create(request, handler);
    if (api_handler_describes(handler)) {
        list_push_back(&control->describing, &operation->node);
        return;
    }
    const uint32_t before = control->store.staged.count;
    operation->step = step_inputs(control);
    operation_run(operation);
    operation->changed = control->store.staged.count != before;
    metadata_apply(&control->store);
    if (request->header.api_key == API_DELETE_TOPICS && operation->step.answer != NULL) {
        deleted_note(control, operation->step.answer);
    }
    if (operation->step.logger_level_wanted != NULL) {
        control_set_level(control, operation->step.logger_level_wanted);
    }
    control->counters.operations++;
    list_push_back(&control->fresh, &operation->node);
}

static void topic_wanted(struct control *control, struct peer_request *request)
{
    struct arena arena = {0};
    struct step step = step_inputs(control);
    step.arena = &arena;
    if (topic_create_automatically(&step, request->payload)) {
        control->counters.topics_auto_created++;
        control_say(control, JOURNAL_INFO, "topic_auto_created", "topic=%.*s",
                    SHOWN(request->payload));
    }
    metadata_apply(&control->store);
    arena_free(&arena);
    free(request);
}

static uint32_t requests_take(struct control *control)
{
    uint32_t work = 0;
    for (; work < REQUESTS_PER_TURN && (work == 0 || has_room(control, 0)); work++) {
        struct peer_request *request = peer_receive(control->peer);
        if (request == NULL) {
            break;
        }
        switch ((enum slow_kind)request->header.kind) {
        case SLOW_REQUEST: request_run(control, request); break;
        case SLOW_CREATE_TOPIC: topic_wanted(control, request); break;
        case SLOW_PRODUCER_IDS_WANTED:
            control->grants[request->core].wanted++;
            free(request);
            break;
        case SLOW_APPENDED:
        case SLOW_RECORDS:
            control->counters.calls_unknown += !calls_answer(control->calls, request);
            free(request);
            break;
        case SLOW_MORE: /* The peer's own. */
        case SLOW_DROPPED:
        case SLOW_REPLY: /* The rings let none of these through. */
        case SLOW_PRODUCER_IDS:
        case SLOW_ERROR:
        case SLOW_APPEND:
        case SLOW_READ:
        case SLOW_ALIVE: free(request); break;
        }
    }
    return work;
}

/* ---- Producer ids --------------------------------------------------------------------------- */

/* One record for the blocks of all cores; they are granted once it is durable (B24). */
static void grants_stage(struct control *control)
{
    const struct session_hello *hello = peer_hello(control->peer);
    const struct image *image = &control->store.image;
    uint32_t blocks = 0;
    for (uint32_t i = 0; hello != NULL && i < hello->core_count; i++) {
        control->grants[i].staged = control->grants[i].wanted;
        blocks += control->grants[i].wanted;
    }
    control->txn_ids_staged = hello != NULL && txns_want_ids(control->txns);
    blocks += control->txn_ids_staged;
    if (blocks > 0) {
        control->grants_first = image->next_producer_id;
        changes_producer_ids(&control->store.staged, image->node_id, image->broker.epoch,
                             image->next_producer_id + (int64_t)blocks * PRODUCER_IDS_OF_BLOCK);
        metadata_apply(&control->store);
    }
}

static void grants_send(struct control *control)
{
    const struct session_hello *hello = peer_hello(control->peer);
    int64_t first = control->grants_first;
    for (uint32_t i = 0; hello != NULL && i < hello->core_count; i++) {
        struct grant *grant = &control->grants[i];
        for (; grant->staged > 0; grant->staged--) {
            const struct slow_header header = {.kind = SLOW_PRODUCER_IDS,
                                               .producer_id_first = first,
                                               .producer_id_count = PRODUCER_IDS_OF_BLOCK};
            peer_send(control->peer, i, &header, NULL, 0);
            first += PRODUCER_IDS_OF_BLOCK;
            grant->wanted--;
            control->counters.producer_id_blocks++;
        }
    }
    if (control->txn_ids_staged) {
        txns_grant_ids(control->txns, first, PRODUCER_IDS_OF_BLOCK);
        control->txn_ids_staged = false;
    }
}

/* ---- Commit --------------------------------------------------------------------------------- */

void control_finish(struct control *control, struct operation *operation, int16_t error_code)
{
    control->counters.operations_failed += !operation_answer(operation, control->peer, error_code);
    operation_free(operation);
}

static void fresh_settle(struct control *control, int16_t error)
{
    struct list_node *node;
    while ((node = list_pop_front(&control->fresh)) != NULL) {
        struct operation *operation = CONTAINER_OF(node, struct operation, node);
        const bool awaits = operation->changed || operation->step.created_count > 0;
        if (error == ERROR_NONE && awaits) {
            operation->await_version = control->published_version + 1;
            list_push_back(&control->waiting, &operation->node);
        } else {
            control_finish(control, operation, error);
        }
    }
}

bool control_commit(struct control *control)
{
    if (control->store.staged.count > 0) {
        const enum metadata_status status = metadata_commit(&control->store, control->wall_ms);
        if (status != METADATA_OK) {
            control_say_reason(control, JOURNAL_ERROR, "metadata_commit_failed",
                               control->store.log.reason);
            control->retry_at_ns = control->now_ns + RETRY_NS;
            return false;
        }
    }
    return true;
}

static void turn_commit(struct control *control)
{
    if (control->now_ns >= control->retry_at_ns) {
        grants_stage(control);
    }
    const bool good = control_commit(control);
    deleted_settle(control, good);
    fresh_settle(control, good ? ERROR_NONE : ERROR_KAFKA_STORAGE_ERROR);
    if (good) {
        grants_send(control);
    }
    const struct session_hello *hello = peer_hello(control->peer);
    for (uint32_t i = 0; hello != NULL && i < hello->core_count; i++) {
        control->grants[i].staged = 0;
    }
    control->txn_ids_staged = false;
}

/* ---- Descriptions --------------------------------------------------------------------------- */

/* True when the operation's answer may grow now. */
static bool may_grow(struct control *control, struct operation *operation)
{
    if (operation->step.body_out.len <= SLOW_PIECE_BYTES_MAX) {
        return true;
    }
    if (control->describes_long == NULL &&
        peer_counters(control->peer)->long_bytes <= LONG_BYTES_MAX) {
        control->describes_long = operation;
    }
    return control->describes_long == operation;
}

static void describe_slice(struct control *control, struct operation *operation)
{
    list_remove(&operation->node);
    if (operation->step.again) {
        operation->step.view = step_inputs(control).view;
        operation_run_again(operation);
    } else {
        operation->step = step_inputs(control);
        operation_run(operation);
    }
    if (operation->step.again) {
        list_push_back(&control->describing, &operation->node);
        return;
    }
    if (control->describes_long == operation) {
        control->describes_long = NULL;
    }
    control->counters.operations++;
    control_finish(control, operation, ERROR_NONE);
}

/* What is described is durable: all of the turn is committed. */
static uint32_t turn_describe(struct control *control)
{
    uint32_t slices = 0;
    bool starved = false;
    LIST_FOR_EACH(node, &control->describing)
    {
        struct operation *operation = CONTAINER_OF(node, struct operation, node);
        if (slices == SLICES_PER_TURN ||
            !has_room(control, 3 * (uint64_t)operation->step.body_out.capacity)) {
            break;
        }
        if (may_grow(control, operation)) {
            describe_slice(control, operation);
            slices++;
        } else {
            starved = starved || control->describes_long == NULL;
        }
    }
    const uint64_t stalled_ms = starved ? LONG_STALLED_MS_MAX : LONG_HELD_MS_MAX;
    peer_drop_stalled(control->peer, stalled_ms * 1000000);
    return slices;
}

/* ---- Publication ---------------------------------------------------------------------------- */

static uint32_t turn_publish(struct control *control)
{
    struct image *image = &control->store.image;
    const struct session_hello *hello = peer_hello(control->peer);
    if (hello == NULL || control->in_flight || control->store.stale ||
        image->visible_changes == control->published_changes ||
        control->now_ns < control->publish_at_ns) {
        return 0;
    }
    reconcile_place(image, &control->directories);
    const struct publication publication = {
        .version = control->published_version + 1,
        .features_epoch = control->store.log.end_offset - 1,
        .hello = hello,
        .log_level = control_level(control),
    };
    const struct bytes built =
        publish_build(&control->publisher, image, control->setup.settings, &publication);
    if (!peer_publish(control->peer, publication.version, built)) {
        control->publish_at_ns = control->now_ns + PUBLISH_RETRY_NS;
        return 1;
    }
    control->published_version = publication.version;
    control->published_changes = image->visible_changes;
    control->in_flight = true;
    return 1;
}

/* Operations whose change left nothing to see are not held up by a snapshot that never comes. */
static void waiting_settle(struct control *control)
{
    const bool nothing_to_come =
        !control->in_flight && control->store.image.visible_changes == control->published_changes;
    LIST_FOR_EACH(node, &control->waiting)
    {
        struct operation *operation = CONTAINER_OF(node, struct operation, node);
        if (operation->await_version <= control->applied_version || nothing_to_come) {
            list_remove(node);
            control_finish(control, operation, ERROR_NONE);
        }
    }
}

/* ---- The turn ------------------------------------------------------------------------------- */

static uint32_t events_take(struct control *control)
{
    uint32_t work = 0;
    for (; work < EVENTS_PER_TURN && control->phase != CONTROL_REFUSED; work++) {
        const struct peer_event event = peer_turn(control->peer, control->now_ns);
        if (event.kind == PEER_NOTHING) {
            break;
        }
        control_event(control, &event);
    }
    return work;
}

static void turn_retry(struct control *control)
{
    if (control->heal_at_ns != 0 && control->now_ns >= control->heal_at_ns) {
        control->heal_at_ns = 0;
        if (reconcile_retry(&control->store.image) > 0) {
            control_say(control, JOURNAL_INFO, "partitions_retry", "files=again");
        }
    }
    if (control->store.stale && control->now_ns >= control->retry_at_ns &&
        !metadata_reload(&control->store)) {
        control->retry_at_ns = control->now_ns + RETRY_NS;
    }
    if (control->assign_pending && control->now_ns >= control->retry_at_ns) {
        control_assign(control);
    }
}

static void operations_lose(struct control *control)
{
    struct list *lists[] = {&control->fresh, &control->waiting, &control->describing};
    control->describes_long = NULL;
    for (uint32_t i = 0; i < ARRAY_SIZE(lists); i++) {
        LIST_FOR_EACH(node, lists[i])
        {
            control->counters.dropped++;
        }
        operations_drop(lists[i]);
    }
}

void control_session_over(struct control *control)
{
    operations_lose(control);
    lag_over(control->lag);
    txns_over(control->txns);
    groups_over(control->groups);
    calls_over(control->calls);
    free(control->grants);
    control->grants = NULL;
    control->in_flight = false;
    control->assign_pending = false;
    control->heal_at_ns = 0;
    control->phase = CONTROL_CONNECTING;
}

uint32_t control_turn(struct control *control, uint64_t now_ns, int64_t wall_ms)
{
    control->now_ns = now_ns;
    control->wall_ms = wall_ms;
    if (memory_is_short(control) || !has_room(control, 0)) {
        return 0;
    }
    uint32_t work = events_take(control);
    if (control->phase == CONTROL_REFUSED || peer_hello(control->peer) == NULL) {
        return work;
    }
    turn_retry(control);
    if (!control->store.stale) {
        const uint32_t requests = requests_take(control);
        work += requests;
        turn_commit(control);
        work += turn_publish(control);
        if (peer_hello(control->peer) == NULL) {
            return work + 1; /* The session ended just now, as the next event tells: no calls. */
        }
        waiting_settle(control);
        work += control->store.stale ? 0 : turn_describe(control);
        work += txns_turn(control->txns);
        work += groups_turn(control->groups, requests < REQUESTS_PER_TURN);
        work += lag_turn(control->lag);
        metadata_checkpoint_turn(&control->store);
    }
    return work + peer_flush(control->peer);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t control_deadline_ns(const struct control *control)
{
    if (memory_is_short(control)) {
        return control->room_at_ns;
    }
    uint64_t deadline = peer_deadline_ns(control->peer);
    if (peer_hello(control->peer) == NULL) {
        return deadline;
    }
    if (control->heal_at_ns != 0) {
        deadline = sooner(deadline, control->heal_at_ns);
    }
    if (control->store.stale || control->assign_pending || control->now_ns < control->retry_at_ns) {
        deadline = sooner(deadline, control->retry_at_ns);
    }
    if (!control->in_flight && control->store.image.visible_changes != control->published_changes) {
        deadline = sooner(deadline, control->publish_at_ns);
    }
    if (!control->store.stale) {
        deadline = sooner(deadline, groups_deadline_ns(control->groups));
        deadline = sooner(deadline, txns_deadline_ns(control->txns));
        deadline = sooner(deadline, lag_deadline_ns(control->lag));
    }
    if (peer_counters(control->peer)->long_bytes > 0) {
        deadline = sooner(deadline, control->now_ns + LONG_LOOK_NS);
    }
    return deadline;
}

bool control_sleep(struct control *control)
{
    return memory_is_short(control) || peer_sleep(control->peer);
}

void control_wake(struct control *control, uint32_t readable)
{
    peer_wake(control->peer, readable);
}

void control_handles(const struct control *control, int handles[PEER_HANDLES])
{
    peer_handles(control->peer, handles);
    for (uint32_t i = 0; i < PEER_HANDLES && memory_is_short(control); i++) {
        handles[i] = LINK_NO_HANDLE;
    }
}

void *control_take_statistics(struct control *control, uint64_t *bytes)
{
    return peer_take_statistics(control->peer, bytes);
}

struct lag_report *control_take_lag(struct control *control)
{
    return lag_take(control->lag);
}
