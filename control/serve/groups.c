#include "control/serve/groups.h"

#include <stdlib.h>
#include <strings.h>

#include "control/control_state.h"
#include "control/serve/all_topics.h"
#include "control/serve/group_request.h"
#include "control/serve/parts.h"
#include "control/serve/pause.h"

enum {
    COUNTED_PER_LOOK = 4096,           /* Groups and members, walked for who shows them. */
    DRAINED_LATE_TURNS = 16,           /* Timers do not wait for ever behind requests. */
    REGEX_REFRESH_MS = 10 * 60 * 1000, /* Kafka: group.consumer.regex.refresh.interval.ms. */
};

#define NS_OF_MS 1000000ULL
#define ALIVE_NS (5000 * NS_OF_MS)

struct groups {
    struct control *control;
    struct group_settings settings;
    struct arena settings_arena;
    uint64_t settings_changes; /* image.changes they were read at. */
    struct all_topics topics;
    uint64_t seed;
    struct uuid topic_id;
    struct group_seat *seats;
    uint32_t seat_count;
    uint64_t expire_at_ns;
    uint64_t alive_at_ns;
    uint64_t turn_ns; /* The last one. */
    uint32_t undrained;
    uint32_t counted; /* The seat that was looked at last. */
    uint32_t swept;   /* The same. */
    uint32_t walk_per_turn;
    uint32_t walk_more_per_turn;
    uint32_t walk_left;   /* Of this turn. */
    struct list running;  /* Requests of which some parts are not run. */
    struct list more;     /* Parts of requests that go on. */
    struct list building; /* Requests whose answers are made. */
    struct groups_counters counters;
};

struct groups *groups_create(struct control *control)
{
    struct groups *groups = calloc(1, sizeof(*groups));
    if (groups != NULL) {
        groups->control = control;
        groups->settings_changes = UINT64_MAX;
        groups->seed = random_u64(&control->random);
        const uint32_t walk = control->setup.group_walk_per_turn;
        groups->walk_per_turn = walk == 0 ? GROUP_WALK_PER_TURN : walk;
        groups->walk_more_per_turn = walk == 0 ? GROUP_WALK_MORE_PER_TURN : walk;
        groups->walk_left = groups->walk_per_turn;
        list_init(&groups->running);
        list_init(&groups->more);
        list_init(&groups->building);
    }
    return groups;
}

struct control *groups_control(struct groups *groups)
{
    return groups->control;
}

uint64_t groups_seed(const struct groups *groups)
{
    return groups->seed;
}

uint32_t groups_seat_count(const struct groups *groups)
{
    return groups->seat_count;
}

struct group_seat *groups_seat(struct groups *groups, uint32_t index)
{
    return &groups->seats[index];
}

/* "uniform,range"; what is not known here is left out. */
static void assignors_read(struct group_settings *settings, const char *list)
{
    static const char *const names[GROUP_ASSIGNORS] = {"uniform", "range"};
    for (const char *at = list; at != NULL && settings->assignor_count < GROUP_ASSIGNORS;) {
        const size_t len = strcspn(at, ",");
        for (uint32_t i = 0; i < GROUP_ASSIGNORS; i++) {
            if (strlen(names[i]) == len && memcmp(names[i], at, len) == 0) {
                settings->assignors[settings->assignor_count++] = (enum group_assignor)i;
            }
        }
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    settings->assignor_count += settings->assignor_count == 0; /* uniform, which is 0. */
}

/* In whatever case. */
static void migration_read(struct group_settings *settings, const char *policy)
{
    const bool both = strcasecmp(policy, "bidirectional") == 0;
    settings->upgrades = both || strcasecmp(policy, "upgrade") == 0;
    settings->downgrades = both || strcasecmp(policy, "downgrade") == 0;
}

static void settings_read(struct groups *groups)
{
    const struct control *control = groups->control;
    if (groups->settings_changes == control->store.image.changes) {
        return; /* A dozen keys are too much work for every turn. */
    }
    groups->settings_changes = control->store.image.changes;
    const struct config_view view = config_view_of(&control->store.image, control->setup.settings);
    const int64_t members = config_broker_number(&view, "group.max.size");
    groups->settings = (struct group_settings){
        .session_timeout_ms_min =
            (int32_t)config_broker_number(&view, "group.min.session.timeout.ms"),
        .session_timeout_ms_max =
            (int32_t)config_broker_number(&view, "group.max.session.timeout.ms"),
        .initial_rebalance_delay_ms =
            (int32_t)config_broker_number(&view, "group.initial.rebalance.delay.ms"),
        .members_max = (uint32_t)members,
        .offset_metadata_chars_max =
            (int32_t)config_broker_number(&view, "offset.metadata.max.bytes"),
        .offset_retention_ms = config_broker_number(&view, "offsets.retention.minutes") * 60000,
        .consumer_session_timeout_ms =
            (int32_t)config_broker_number(&view, "group.consumer.session.timeout.ms"),
        .consumer_heartbeat_interval_ms =
            (int32_t)config_broker_number(&view, "group.consumer.heartbeat.interval.ms"),
        .consumer_members_max = (uint32_t)config_broker_number(&view, "group.consumer.max.size"),
        .regex_refresh_ms = REGEX_REFRESH_MS,
    };
    migration_read(&groups->settings,
                   config_broker_value(&view, "group.consumer.migration.policy"));
    assignors_read(&groups->settings, config_broker_value(&view, "group.consumer.assignors"));
    arena_free(&groups->settings_arena);
    group_configs_read(&groups->settings_arena, &control->store.image, &groups->settings);
}

/* ---- The coordinator and its ledger --------------------------------------------------------- */

static uint64_t due_ms_of(const struct groups *groups)
{
    return groups->control->now_ns / NS_OF_MS;
}

static void coordinator_drop(struct group_seat *seat)
{
    seat->sweep = NULL;
    if (seat->coordinator != NULL) {
        group_coordinator_free(seat->coordinator);
        seat->coordinator = NULL;
        seat->counts = (struct group_counts){0};
    }
}

static void seat_replay(void *owner, struct bytes key, struct bytes value, int64_t producer_id)
{
    struct group_seat *seat = owner;
    struct groups_counters *counters = &seat->groups->counters;
    counters->records_replayed++;
    switch (group_replay(seat->coordinator, key, value, producer_id)) {
    case GROUP_REPLAYED: break;
    case GROUP_UNKNOWN: counters->records_unknown++; break;
    case GROUP_CORRUPT: counters->records_corrupt++; break;
    }
}

static void seat_replay_marker(void *owner, int64_t producer_id, bool committed)
{
    struct group_seat *seat = owner;
    group_replay_txn_end(seat->coordinator, producer_id, committed);
}

static void seat_loaded(void *owner)
{
    struct group_seat *seat = owner;
    struct group_event event = {.kind = GROUP_RESUME};
    seat->groups->counters.loads++;
    group_seat_step(seat, &event);
}

static void txn_end_settle(struct group_seat *seat, struct ledger_entry *entry, int16_t error_code)
{
    const struct groups_txn_end end = *(const struct groups_txn_end *)entry->marker_owner;
    ledger_entry_free(entry);
    if (error_code == ERROR_NONE) {
        struct group_event event = {.kind = GROUP_TXN_ENDED,
                                    .txn = {end.producer_id, end.committed}};
        group_seat_step(seat, &event);
    }
    end.done(end.owner, error_code);
}

static void seat_settle(void *owner, struct ledger_entry *entry, int16_t error_code)
{
    struct group_seat *seat = owner;
    if (entry == seat->sweep) {
        seat->sweep = NULL;
    }
    if (entry->marker.len > 0) {
        txn_end_settle(owner, entry, error_code);
    } else {
        group_entry_settle(entry, error_code);
    }
}

bool groups_txn_end(struct groups *groups, uint32_t partition, const struct groups_txn_end *end)
{
    if (partition >= groups->seat_count || groups->seats[partition].ledger.state != LEDGER_READY) {
        return false;
    }
    struct ledger_entry *entry = ledger_entry_new();
    struct groups_txn_end *own = arena_take(&entry->arena, sizeof(*own));
    *own = *end;
    entry->marker = arena_copy(&entry->arena, end->batch);
    entry->marker_version = end->version;
    entry->marker_owner = own;
    ledger_stage(&groups->seats[partition].ledger, entry);
    return true;
}

static void seat_lost(void *owner, int16_t error_code)
{
    struct group_seat *seat = owner;
    struct groups *groups = seat->groups;
    groups->counters.load_failures++;
    const bool soon = error_code == ERROR_NOT_LEADER_OR_FOLLOWER;
    control_say(groups->control, soon ? JOURNAL_DEBUG : JOURNAL_WARNING, "group_coordinator_lost",
                "partition=%u error=%d", seat->index, error_code);
    coordinator_drop(seat);
    parts_fail(&seat->parts, error_code);
    seat->load_at_ns = groups->control->now_ns + ledger_pause_ns(&seat->ledger, error_code);
}

static const struct ledger_user ledger_user = {.replay = seat_replay,
                                               .replay_marker = seat_replay_marker,
                                               .loaded = seat_loaded,
                                               .settle = seat_settle,
                                               .lost = seat_lost};

static struct ledger_record *records_of(struct ledger_entry *entry,
                                        const struct group_update *update)
{
    struct ledger_record *records =
        ARENA_ARRAY(&entry->arena, struct ledger_record, update->record_count);
    for (uint32_t i = 0; i < update->record_count; i++) {
        records[i] = (struct ledger_record){update->records[i].key, update->records[i].value};
    }
    return records;
}

/* The step's entry, which is staged. */
static struct ledger_entry *seat_step(struct group_seat *seat, struct group_event *event)
{
    struct groups *groups = seat->groups;
    struct ledger_entry *entry = ledger_entry_new();
    struct group_update update = {.arena = &entry->arena};
    event->now_ms = (groups->control->now_ns + NS_OF_MS - 1) / NS_OF_MS;
    event->due_ms = due_ms_of(groups);
    event->wall_ms = groups->control->wall_ms;
    if (event->walk_max == 0) {
        event->walk_max = groups->walk_left == 0 ? 1 : groups->walk_left;
    }
    event->all_topics = all_topics_refresh(&groups->topics, &groups->control->store.image);
    group_step(seat->coordinator, event, &update);
    groups->walk_left -= min_u32(groups->walk_left, update.walked);
    groups->counters.walked += update.walked;
    entry->records = records_of(entry, &update);
    entry->record_count = update.record_count;
    entry->producer_id = update.producer_id;
    entry->producer_epoch = update.producer_epoch;
    entry->wall_ms = groups->control->wall_ms;
    entry->replies = update.replies;
    entry->reply_count = update.reply_count;
    ledger_stage(&seat->ledger, entry);
    return entry;
}

uint64_t group_seat_step(struct group_seat *seat, struct group_event *event)
{
    struct group_event clear = *event;
    if (event->kind == GROUP_TXN_OFFSET_COMMIT && group_coordinator_sweeps(seat->coordinator)) {
        clear.kind = GROUP_TXN_CLEAR;
        (void)seat_step(seat, &clear);
    }
    return seat_step(seat, event)->arena.total;
}

/* ---- Which seat ----------------------------------------------------------------------------- */

int16_t group_seat_error(const struct group_seat *seat)
{
    if (seat->ledger.state == LEDGER_READY) {
        return ERROR_NONE;
    }
    return seat->led ? ledger_unready_error(&seat->ledger) : ERROR_NOT_COORDINATOR;
}

int16_t groups_seat_of(struct groups *groups, struct bytes group_id, struct group_seat **seat)
{
    if (groups->seat_count == 0) {
        return ERROR_NOT_COORDINATOR;
    }
    *seat = &groups->seats[group_place(group_id, (int32_t)groups->seat_count)];
    return group_seat_error(*seat);
}

/* ---- Loading -------------------------------------------------------------------------------- */

static void seats_forget(struct groups *groups)
{
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        struct group_seat *seat = &groups->seats[i];
        parts_fail(&seat->parts, ERROR_NOT_COORDINATOR);
        ledger_free(&seat->ledger);
        coordinator_drop(seat);
    }
    free(groups->seats);
    groups->seats = NULL;
    groups->seat_count = 0;
}

static void requests_drop(struct list *requests)
{
    struct list_node *node;
    while ((node = list_pop_front(requests)) != NULL) {
        parts_free(CONTAINER_OF(node, struct parts, node));
    }
}

void groups_over(struct groups *groups)
{
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        parts_drop(&groups->seats[i].parts);
    }
    requests_drop(&groups->running);
    requests_drop(&groups->building);
    seats_forget(groups);
}

void groups_destroy(struct groups *groups)
{
    groups_over(groups);
    all_topics_free(&groups->topics);
    arena_free(&groups->settings_arena);
    free(groups);
}

/* No call of theirs is out. */
static bool seats_quiet(const struct groups *groups)
{
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        const struct ledger *ledger = &groups->seats[i].ledger;
        if (ledger->state == LEDGER_LOADING || ledger->appending) {
            return false;
        }
    }
    return true;
}

static void seats_make(struct groups *groups, const struct image_topic *topic)
{
    groups->seats = calloc(topic->partition_count, sizeof(*groups->seats));
    ASSERT(groups->seats != NULL);
    groups->seat_count = topic->partition_count;
    groups->topic_id = topic->id;
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        struct group_seat *seat = &groups->seats[i];
        seat->groups = groups;
        seat->index = i;
        list_init(&seat->parts);
        ledger_init(&seat->ledger, groups->control->calls, &ledger_user, seat);
    }
}

static bool partition_led(const struct control *control, const struct image_partition *partition)
{
    return !uuid_is_zero(partition->directory) && !partition->offline &&
           partition->placed != SNAPSHOT_DIRECTORY_NONE && partition->placed_version != 0 &&
           partition->placed_version <= control->applied_version;
}

static uint32_t seat_load(struct group_seat *seat, const struct image_topic *topic)
{
    struct groups *groups = seat->groups;
    const struct image_partition *partition = &topic->partitions[seat->index];
    seat->led = partition_led(groups->control, partition);
    if (seat->ledger.state != LEDGER_AWAY || !seat->led ||
        groups->control->now_ns < seat->load_at_ns) {
        return 0;
    }
    const struct partition_id id = {topic->id, seat->index};
    seat->coordinator =
        group_coordinator_new(&groups->settings, random_u64(&groups->control->random));
    ASSERT(seat->coordinator != NULL);
    ledger_load(&seat->ledger, &id, partition->leader_epoch);
    return 1;
}

static uint32_t seats_load(struct groups *groups)
{
    const struct control *control = groups->control;
    const struct image_topic *topic =
        image_topic_by_name(&control->store.image, bytes_of_string("__consumer_offsets"));
    uint32_t work = 0;
    const bool other = topic == NULL || !uuid_equal(topic->id, groups->topic_id) ||
                       topic->partition_count != groups->seat_count;
    if (other && groups->seat_count > 0) {
        if (!seats_quiet(groups)) {
            return 0;
        }
        for (uint32_t i = 0; i < groups->seat_count; i++) { /* Markers, too, wait for an answer. */
            ledger_fail(&groups->seats[i].ledger, ERROR_NOT_COORDINATOR);
        }
        seats_forget(groups);
    }
    if (topic == NULL || control->phase != CONTROL_READY) {
        return 0;
    }
    if (groups->seat_count == 0) {
        seats_make(groups, topic);
    }
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        work += seat_load(&groups->seats[i], topic);
    }
    return work;
}

/* ---- Time ----------------------------------------------------------------------------------- */

static void seats_step(struct groups *groups, struct group_event *event)
{
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        if (groups->seats[i].ledger.state == LEDGER_READY) {
            struct group_event own = *event;
            group_seat_step(&groups->seats[i], &own);
        }
    }
}

static uint64_t timers_deadline_ms(const struct groups *groups)
{
    uint64_t deadline = UINT64_MAX;
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        const struct group_seat *seat = &groups->seats[i];
        if (seat->ledger.state == LEDGER_READY) {
            deadline = min_u64(deadline, group_coordinator_deadline_ms(seat->coordinator));
        }
    }
    return deadline;
}

static uint64_t timers_deadline_ns(const struct groups *groups)
{
    const uint64_t deadline_ms = timers_deadline_ms(groups);
    return deadline_ms > UINT64_MAX / NS_OF_MS ? UINT64_MAX : deadline_ms * NS_OF_MS;
}

/* Control was stopped, and somebody's time went by meanwhile. */
static void pause_notice(struct groups *groups)
{
    if (control_stood_still(groups->control->now_ns, groups->turn_ns, timers_deadline_ns(groups))) {
        struct group_event event = {.kind = GROUP_RESUME};
        seats_step(groups, &event);
        groups->counters.pauses++;
    }
}

static uint32_t timers_fire(struct groups *groups)
{
    const uint64_t due_ms = due_ms_of(groups);
    uint32_t work = 0;
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        struct group_seat *seat = &groups->seats[i];
        if (seat->ledger.state == LEDGER_READY &&
            group_coordinator_deadline_ms(seat->coordinator) <= due_ms) {
            struct group_event event = {.kind = GROUP_TIME};
            group_seat_step(seat, &event);
            work++;
        }
    }
    return work;
}

static void offsets_expire(struct groups *groups)
{
    const struct control *control = groups->control;
    if (control->now_ns < groups->expire_at_ns) {
        return;
    }
    const struct config_view view = config_view_of(&control->store.image, control->setup.settings);
    const uint64_t every_ms =
        (uint64_t)config_broker_number(&view, "offsets.retention.check.interval.ms");
    if (groups->expire_at_ns != 0) {
        struct group_event event = {.kind = GROUP_EXPIRE};
        seats_step(groups, &event);
    }
    groups->expire_at_ns = control->now_ns + every_ms * NS_OF_MS;
}

void groups_part_more(struct groups *groups, struct part *part)
{
    if (part->begun) {
        list_insert_before(groups->more.head.next, &part->more);
    } else {
        list_push_back(&groups->more, &part->more);
    }
}

void groups_run_later(struct groups *groups, struct parts *all)
{
    list_push_back(&groups->running, &all->node);
}

bool groups_walk_on(struct groups *groups)
{
    groups->counters.parts++;
    groups->walk_left -= groups->walk_left > 0;
    return groups->walk_left > 0;
}

void groups_build_later(struct groups *groups, struct parts *all)
{
    list_push_back(&groups->building, &all->node);
}

/* The next part when the one before is durable: records of what goes do not pile up here. */
static bool seat_sweeps(const struct group_seat *seat)
{
    return seat->ledger.state == LEDGER_READY && seat->sweep == NULL &&
           group_coordinator_sweeps(seat->coordinator);
}

/* Seats take turns. */
static uint32_t seats_sweep(struct groups *groups)
{
    const uint64_t before = groups->counters.walked;
    uint32_t work = 0;
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        const uint64_t walked = groups->counters.walked - before;
        if (walked >= groups->walk_more_per_turn) {
            break;
        }
        groups->swept = (groups->swept + 1) % groups->seat_count;
        struct group_seat *seat = &groups->seats[groups->swept];
        if (seat_sweeps(seat)) {
            struct group_event event = {.kind = GROUP_SWEEP,
                                        .walk_max = groups->walk_more_per_turn - (uint32_t)walked};
            seat->sweep = seat_step(seat, &event);
            work++;
        }
    }
    return work;
}

/* What has too much to say for one turn. */
static uint32_t groups_go_on(struct groups *groups)
{
    uint32_t work = 0;
    struct list_node *node = list_first(&groups->building);
    if (node != NULL) {
        (void)group_answer_go_on(CONTAINER_OF(node, struct parts, node));
        work++;
    }
    if ((node = list_pop_front(&groups->running)) != NULL) {
        groups->walk_left = groups->walk_more_per_turn;
        if (!group_request_go_on(CONTAINER_OF(node, struct parts, node))) {
            list_insert_before(groups->running.head.next, node); /* One at a time. */
        }
        work++;
    }
    const uint64_t before = groups->counters.walked;
    while (groups->counters.walked - before < groups->walk_more_per_turn &&
           (node = list_pop_front(&groups->more)) != NULL) {
        const uint64_t walked = groups->counters.walked - before;
        group_part_go_on(CONTAINER_OF(node, struct part, more),
                         groups->walk_more_per_turn - (uint32_t)walked);
        work++;
    }
    return work;
}

static bool anybody_waits(const struct groups *groups)
{
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        if (!list_empty(&groups->seats[i].parts)) {
            return true;
        }
    }
    return false;
}

/* So that cores do not give up requests that wait here for long. */
static void alive_tell(struct groups *groups)
{
    struct control *control = groups->control;
    if (control->now_ns < groups->alive_at_ns || !anybody_waits(groups)) {
        return;
    }
    const struct session_hello *hello = peer_hello(control->peer);
    for (uint32_t i = 0; hello != NULL && i < hello->core_count; i++) {
        struct slow_header header;
        memset(&header, 0, sizeof(header));
        header.kind = SLOW_ALIVE;
        peer_send(control->peer, i, &header, NULL, 0);
    }
    groups->alive_at_ns = control->now_ns + ALIVE_NS;
}

/* ---- Records leave together ------------------------------------------------------------------ */

/* By core: until when records for it wait for batches that are out; 0: they need not. */
struct gathering {
    uint64_t until_ns[SESSION_CORES_MAX];
};

/* Each batch is a write, and all that a core gets in one turn share its submission, a flush of the
 * device and two wake-ups of each process. One that would leave beside others waits for them, and
 * grows; not for long, for their device may be stuck, and not its own. */
static void gathering_look(const struct groups *groups, struct gathering *gathering)
{
    memset(gathering, 0, sizeof(*gathering));
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        const struct group_seat *seat = &groups->seats[i];
        if (seat->ledger.appending) {
            uint64_t *until_ns = &gathering->until_ns[seat->ledger.append.core];
            *until_ns = max_u64(*until_ns, seat->sent_at_ns + GROUP_GATHER_MS_MAX * NS_OF_MS);
        }
    }
}

/* When the seat, which is ready, may send. */
static uint64_t gathers_until_ns(const struct gathering *gathering, const struct group_seat *seat)
{
    return gathering->until_ns[seat->ledger.read.core]; /* It was read from the same core. */
}

static void seats_send(struct groups *groups)
{
    const uint64_t now_ns = groups->control->now_ns;
    struct gathering gathering;
    gathering_look(groups, &gathering);
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        struct group_seat *seat = &groups->seats[i];
        if (ledger_would_send(&seat->ledger) && gathers_until_ns(&gathering, seat) <= now_ns) {
            seat->sent_at_ns = now_ns;
            ledger_send(&seat->ledger);
        }
    }
}

uint32_t groups_turn(struct groups *groups, bool drained)
{
    uint32_t work = 0;
    settings_read(groups);
    groups->undrained = drained ? 0 : groups->undrained + 1;
    pause_notice(groups);
    groups->turn_ns = groups->control->now_ns;
    if (groups->undrained % DRAINED_LATE_TURNS == 0) {
        work += timers_fire(groups);
        offsets_expire(groups);
    }
    work += seats_load(groups);
    work += groups_go_on(groups);
    work += seats_sweep(groups);
    groups->walk_left = groups->walk_per_turn;
    seats_send(groups);
    alive_tell(groups);
    return work;
}

uint64_t groups_deadline_ns(const struct groups *groups)
{
    uint64_t deadline = timers_deadline_ns(groups);
    if (groups->seat_count == 0) {
        return UINT64_MAX;
    }
    if (!list_empty(&groups->more) || !list_empty(&groups->building) ||
        !list_empty(&groups->running)) {
        return 0;
    }
    struct gathering gathering;
    gathering_look(groups, &gathering);
    deadline = min_u64(deadline, groups->expire_at_ns);
    if (anybody_waits(groups)) {
        deadline = min_u64(deadline, groups->alive_at_ns);
    }
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        const struct group_seat *seat = &groups->seats[i];
        if (seat->ledger.state == LEDGER_AWAY && seat->led &&
            groups->control->phase == CONTROL_READY) {
            deadline = min_u64(deadline, seat->load_at_ns);
        } else if (seat_sweeps(seat)) {
            deadline = 0;
        } else if (seat->ledger.state == LEDGER_READY && !seat->ledger.appending &&
                   !list_empty(&seat->ledger.staged)) {
            deadline = min_u64(deadline, gathers_until_ns(&gathering, seat));
        }
    }
    return deadline;
}

bool groups_request(struct groups *groups, struct peer_request *request)
{
    if (!group_request_is(request->header.api_key)) {
        return false;
    }
    groups->counters.requests++;
    group_request_run(groups, request);
    return true;
}

void groups_topic_deleted(struct groups *groups, struct bytes name)
{
    struct group_event event = {.kind = GROUP_TOPIC_DELETED, .topic = name};
    seats_step(groups, &event);
}

/* A seat at least, a round at most. */
static void seats_count(struct groups *groups)
{
    uint32_t walked = 0;
    for (uint32_t i = 0; i < groups->seat_count && walked < COUNTED_PER_LOOK; i++) {
        groups->counted = (groups->counted + 1) % groups->seat_count;
        struct group_seat *seat = &groups->seats[groups->counted];
        if (seat->ledger.state == LEDGER_READY) {
            seat->counts = group_coordinator_counts(seat->coordinator);
            walked += seat->counts.groups + seat->counts.members;
        }
    }
}

struct groups_counters groups_counters(struct groups *groups)
{
    seats_count(groups);
    struct groups_counters counters = groups->counters;
    for (uint32_t i = 0; i < groups->seat_count; i++) {
        const struct group_seat *seat = &groups->seats[i];
        counters.appends += seat->ledger.appends;
        LIST_FOR_EACH(node, &groups->seats[i].parts)
        {
            counters.waiting++;
        }
        if (seat->ledger.state == LEDGER_READY) {
            const struct group_counts *counts = &seat->counts;
            counters.seats_ready++;
            counters.groups += counts->groups;
            counters.members += counts->members;
            counters.offsets += counts->offsets;
            counters.rebalances += counts->rebalances;
            counters.commits += counts->commits;
            counters.expirations += counts->expirations;
            for (uint32_t state = 0; state < GROUP_SHOWN_STATES; state++) {
                counters.states[state] += counts->states[state];
            }
        }
    }
    return counters;
}
