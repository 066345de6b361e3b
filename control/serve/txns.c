#include "control/serve/txns.h"

#include <stdlib.h>

#include "control/control_state.h"
#include "control/serve/parts.h"
#include "control/serve/pause.h"
#include "control/serve/txn_request.h"
#include "control/serve/txn_write.h"

#define NS_OF_MS 1000000ULL

struct txns {
    struct control *control;
    struct txn_settings settings;
    uint64_t settings_changes; /* image.changes they were read at. */
    struct uuid topic_id;
    struct txn_seat *seats;
    uint32_t seat_count;
    int64_t id_next;
    uint32_t id_left;
    uint64_t time_at_ns;
    uint64_t expire_at_ns;
    uint64_t turn_ns; /* The last one. */
    uint64_t park_ns;
    struct txn_writes writes;
    struct txns_counters counters;
};

struct txns *txns_create(struct control *control)
{
    struct txns *txns = calloc(1, sizeof(*txns));
    if (txns != NULL) {
        txns->control = control;
        txns->settings_changes = UINT64_MAX;
        list_init(&txns->writes.waiting);
        list_init(&txns->writes.out);
    }
    return txns;
}

struct control *txns_control(struct txns *txns)
{
    return txns->control;
}

struct txns_counters *txns_count(struct txns *txns)
{
    return &txns->counters;
}

uint32_t txns_seat_count(const struct txns *txns)
{
    return txns->seat_count;
}

struct txn_seat *txns_seat(struct txns *txns, uint32_t index)
{
    return &txns->seats[index];
}

static void settings_read(struct txns *txns)
{
    const struct control *control = txns->control;
    if (txns->settings_changes == control->store.image.changes) {
        return;
    }
    txns->settings_changes = control->store.image.changes;
    const struct config_view view = config_view_of(&control->store.image, control->setup.settings);
    txns->settings = (struct txn_settings){
        .timeout_ms_max = (int32_t)config_broker_number(&view, "transaction.max.timeout.ms"),
        .id_expiration_ms = config_broker_number(&view, "transactional.id.expiration.ms"),
        .version = (int16_t)image_feature_level(&control->store.image, "transaction.version"),
    };
    txns->park_ns =
        (uint64_t)config_broker_number(&view, "add.partitions.to.txn.retry.backoff.max.ms") *
        NS_OF_MS;
}

struct txn_writes *txns_writes(struct txns *txns)
{
    return &txns->writes;
}

uint64_t txns_park_ns(const struct txns *txns)
{
    return txns->park_ns;
}

/* ---- Producer ids --------------------------------------------------------------------------- */

bool txns_want_ids(const struct txns *txns)
{
    return txns->id_left == 0 && txns->seat_count > 0;
}

void txns_grant_ids(struct txns *txns, int64_t first, uint32_t count)
{
    txns->id_next = first;
    txns->id_left = count;
}

bool txns_has_id(const struct txns *txns)
{
    return txns->id_left > 0;
}

/* ---- The coordinator and its ledger --------------------------------------------------------- */

static void coordinator_drop(struct txn_seat *seat)
{
    if (seat->coordinator != NULL) {
        txn_coordinator_free(seat->coordinator);
        seat->coordinator = NULL;
    }
}

static void seat_replay(void *owner, struct bytes key, struct bytes value, int64_t producer_id)
{
    struct txn_seat *seat = owner;
    struct txns_counters *counters = &seat->txns->counters;
    (void)producer_id;
    counters->records_replayed++;
    switch (txn_replay(seat->coordinator, key, value)) {
    case TXN_REPLAYED: break;
    case TXN_UNKNOWN: counters->records_unknown++; break;
    case TXN_CORRUPT: counters->records_corrupt++; break;
    }
}

static void seat_replay_marker(void *owner, int64_t producer_id, bool committed)
{
    (void)owner; /* No transaction touches this topic. */
    (void)producer_id;
    (void)committed;
}

static void seat_loaded(void *owner)
{
    struct txn_seat *seat = owner;
    struct txn_event event = {.kind = TXN_RESUME};
    seat->txns->counters.loads++;
    txn_seat_step(seat, &event);
}

static void seat_settle(void *owner, struct ledger_entry *entry, int16_t error_code)
{
    struct txn_seat *seat = owner;
    const struct txn_outcome *outcome = entry->replies;
    for (uint32_t i = 0; error_code == ERROR_NONE && i < outcome->marker_count; i++) {
        txn_marks_begin(seat, &outcome->markers[i]);
    }
    txn_entry_settle(entry, error_code);
}

static void seat_lost(void *owner, int16_t error_code)
{
    struct txn_seat *seat = owner;
    struct txns *txns = seat->txns;
    txns->counters.load_failures++;
    control_say(txns->control, JOURNAL_WARNING, "txn_coordinator_lost", "partition=%u error=%d",
                seat->index, error_code);
    coordinator_drop(seat);
    parts_fail(&seat->parts, error_code);
    parts_fail(&seat->parked, error_code);
    seat->load_at_ns = txns->control->now_ns + ledger_pause_ns(&seat->ledger, error_code);
}

static const struct ledger_user ledger_user = {.replay = seat_replay,
                                               .replay_marker = seat_replay_marker,
                                               .loaded = seat_loaded,
                                               .settle = seat_settle,
                                               .lost = seat_lost};

uint64_t txn_seat_step(struct txn_seat *seat, struct txn_event *event)
{
    struct txns *txns = seat->txns;
    struct ledger_entry *entry = ledger_entry_new();
    struct txn_update update = {.arena = &entry->arena};
    event->wall_ms = txns->control->wall_ms;
    event->fresh_producer_id = txns->id_next;
    txn_step(seat->coordinator, event, &update);
    if (update.producer_id_used) {
        ASSERT(txns->id_left > 0);
        txns->id_next++;
        txns->id_left--;
    }
    struct ledger_record *records =
        ARENA_ARRAY(&entry->arena, struct ledger_record, update.record_count);
    for (uint32_t i = 0; i < update.record_count; i++) {
        records[i] = (struct ledger_record){update.records[i].key, update.records[i].value};
    }
    struct txn_outcome *outcome = arena_take(&entry->arena, sizeof(*outcome));
    *outcome = (struct txn_outcome){.reply = update.reply,
                                    .has_reply = update.has_reply,
                                    .markers = update.markers,
                                    .marker_count = update.marker_count};
    entry->records = records;
    entry->record_count = update.record_count;
    entry->wall_ms = txns->control->wall_ms;
    entry->replies = outcome;
    entry->reply_count = 1;
    ledger_stage(&seat->ledger, entry);
    return entry->arena.total;
}

/* ---- Which seat ----------------------------------------------------------------------------- */

int16_t txn_seat_error(const struct txn_seat *seat)
{
    if (seat->ledger.state == LEDGER_READY) {
        return ERROR_NONE;
    }
    return seat->led ? ledger_unready_error(&seat->ledger) : ERROR_NOT_COORDINATOR;
}

int16_t txns_seat_of(struct txns *txns, struct bytes transactional_id, struct txn_seat **seat)
{
    if (txns->seat_count == 0) {
        return ERROR_NOT_COORDINATOR;
    }
    *seat = &txns->seats[group_place(transactional_id, (int32_t)txns->seat_count)];
    return txn_seat_error(*seat);
}

/* ---- Loading -------------------------------------------------------------------------------- */

static void seats_forget(struct txns *txns)
{
    for (uint32_t i = 0; i < txns->seat_count; i++) {
        struct txn_seat *seat = &txns->seats[i];
        parts_fail(&seat->parts, ERROR_NOT_COORDINATOR);
        parts_fail(&seat->parked, ERROR_NOT_COORDINATOR);
        txn_marks_drop(seat);
        ledger_free(&seat->ledger);
        coordinator_drop(seat);
    }
    free(txns->seats);
    txns->seats = NULL;
    txns->seat_count = 0;
}

void txns_over(struct txns *txns)
{
    txn_writes_over(txns);
    for (uint32_t i = 0; i < txns->seat_count; i++) {
        parts_drop(&txns->seats[i].parts);
        parts_drop(&txns->seats[i].parked);
    }
    seats_forget(txns);
}

void txns_destroy(struct txns *txns)
{
    txns_over(txns);
    free(txns);
}

static bool seats_quiet(const struct txns *txns)
{
    for (uint32_t i = 0; i < txns->seat_count; i++) {
        const struct txn_seat *seat = &txns->seats[i];
        if (seat->ledger.state == LEDGER_LOADING || seat->ledger.appending ||
            !txn_marks_quiet(seat)) {
            return false;
        }
    }
    return true;
}

static void seats_make(struct txns *txns, const struct image_topic *topic)
{
    txns->seats = calloc(topic->partition_count, sizeof(*txns->seats));
    ASSERT(txns->seats != NULL);
    txns->seat_count = topic->partition_count;
    txns->topic_id = topic->id;
    for (uint32_t i = 0; i < txns->seat_count; i++) {
        struct txn_seat *seat = &txns->seats[i];
        seat->txns = txns;
        seat->index = i;
        list_init(&seat->parts);
        list_init(&seat->parked);
        list_init(&seat->marks);
        ledger_init(&seat->ledger, txns->control->calls, &ledger_user, seat);
    }
}

static bool partition_led(const struct control *control, const struct image_partition *partition)
{
    return !uuid_is_zero(partition->directory) && !partition->offline &&
           partition->placed != SNAPSHOT_DIRECTORY_NONE && partition->placed_version != 0 &&
           partition->placed_version <= control->applied_version;
}

static uint32_t seat_load(struct txn_seat *seat, const struct image_topic *topic)
{
    struct txns *txns = seat->txns;
    const struct image_partition *partition = &topic->partitions[seat->index];
    seat->led = partition_led(txns->control, partition);
    if (seat->ledger.state != LEDGER_AWAY || !seat->led ||
        txns->control->now_ns < seat->load_at_ns || !txn_marks_quiet(seat)) {
        return 0;
    }
    const struct partition_id id = {topic->id, seat->index};
    txn_marks_drop(seat); /* They are asked for again. */
    seat->coordinator = txn_coordinator_new(&txns->settings, random_u64(&txns->control->random));
    ASSERT(seat->coordinator != NULL);
    ledger_load(&seat->ledger, &id, partition->leader_epoch);
    return 1;
}

static uint32_t seats_load(struct txns *txns)
{
    const struct control *control = txns->control;
    const struct image_topic *topic =
        image_topic_by_name(&control->store.image, bytes_of_string("__transaction_state"));
    uint32_t work = 0;
    const bool other = topic == NULL || !uuid_equal(topic->id, txns->topic_id) ||
                       topic->partition_count != txns->seat_count;
    if (other && txns->seat_count > 0) {
        if (!seats_quiet(txns)) {
            return 0;
        }
        seats_forget(txns);
    }
    if (topic == NULL || control->phase != CONTROL_READY) {
        return 0;
    }
    if (txns->seat_count == 0) {
        seats_make(txns, topic);
    }
    for (uint32_t i = 0; i < txns->seat_count; i++) {
        work += seat_load(&txns->seats[i], topic);
    }
    return work;
}

/* ---- Time ----------------------------------------------------------------------------------- */

static void seats_step(struct txns *txns, enum txn_event_kind kind)
{
    for (uint32_t i = 0; i < txns->seat_count; i++) {
        if (txns->seats[i].ledger.state == LEDGER_READY) {
            struct txn_event event = {.kind = kind};
            txn_seat_step(&txns->seats[i], &event);
        }
    }
}

/* True when the time of that key has passed since the last. */
static bool due(struct txns *txns, const char *key, uint64_t *at_ns)
{
    const struct control *control = txns->control;
    if (control->now_ns < *at_ns) {
        return false;
    }
    const struct config_view view = config_view_of(&control->store.image, control->setup.settings);
    const bool first = *at_ns == 0;
    *at_ns = control->now_ns + (uint64_t)config_broker_number(&view, key) * NS_OF_MS;
    return !first;
}

static uint32_t time_passes(struct txns *txns)
{
    uint32_t work = 0;
    const bool paused = txns->turn_ns != 0 &&
                        control_stood_still(txns->control->now_ns, txns->turn_ns, txns->time_at_ns);
    if (due(txns, "transaction.abort.timed.out.transaction.cleanup.interval.ms",
            &txns->time_at_ns) &&
        !paused) { /* Else the next time: whoever was not heard may be now. */
        seats_step(txns, TXN_TIME);
        work++;
    }
    if (due(txns, "transaction.remove.expired.transaction.cleanup.interval.ms",
            &txns->expire_at_ns)) {
        seats_step(txns, TXN_EXPIRE);
        work++;
    }
    return work;
}

uint32_t txns_turn(struct txns *txns)
{
    uint32_t work = 0;
    settings_read(txns);
    if (txns->seat_count > 0) {
        work += time_passes(txns);
    }
    txns->turn_ns = txns->control->now_ns;
    work += seats_load(txns);
    work += txn_writes_turn(txns);
    for (uint32_t i = 0; i < txns->seat_count; i++) {
        ledger_turn(&txns->seats[i].ledger);
        work += txn_marks_turn(&txns->seats[i]);
        work += txn_parked_run(&txns->seats[i], (struct bytes){0});
    }
    return work;
}

uint64_t txns_deadline_ns(const struct txns *txns)
{
    uint64_t deadline = txn_writes_deadline_ns(&txns->writes);
    if (txns->seat_count == 0) {
        return deadline;
    }
    deadline = min_u64(deadline, min_u64(txns->time_at_ns, txns->expire_at_ns));
    for (uint32_t i = 0; i < txns->seat_count; i++) {
        const struct txn_seat *seat = &txns->seats[i];
        deadline = min_u64(deadline, txn_marks_deadline_ns(seat));
        deadline = min_u64(deadline, txn_parked_deadline_ns(seat));
        if (seat->ledger.state == LEDGER_AWAY && seat->led && txn_marks_quiet(seat) &&
            txns->control->phase == CONTROL_READY) {
            deadline = min_u64(deadline, seat->load_at_ns);
        } else if (seat->ledger.state == LEDGER_READY && !seat->ledger.appending &&
                   !list_empty(&seat->ledger.staged)) {
            deadline = 0;
        }
    }
    return deadline;
}

bool txns_request(struct txns *txns, struct peer_request *request)
{
    const int16_t key = request->header.api_key;
    if (key != API_WRITE_TXN_MARKERS && !txn_request_is(key)) {
        return false;
    }
    txns->counters.requests++;
    if (key == API_WRITE_TXN_MARKERS) {
        txn_write_run(txns, request);
    } else {
        txn_request_run(txns, request);
    }
    return true;
}

static void counts_add(struct txn_counts *to, struct txn_counts from)
{
    for (uint32_t state = 0; state < TXN_STATES; state++) {
        to->states[state] += from.states[state];
    }
    to->started += from.started;
    to->committed += from.committed;
    to->aborted += from.aborted;
    to->timeouts += from.timeouts;
    to->expired += from.expired;
}

struct txns_counters txns_counters(const struct txns *txns)
{
    struct txns_counters counters = txns->counters;
    for (uint32_t i = 0; i < txns->seat_count; i++) {
        const struct txn_seat *seat = &txns->seats[i];
        LIST_FOR_EACH(node, &txns->seats[i].marks)
        {
            counters.ending++;
        }
        if (seat->ledger.state == LEDGER_READY) {
            counters.seats_ready++;
            counters.ids += txn_coordinator_count(seat->coordinator);
            counts_add(&counters.transactions, txn_coordinator_counts(seat->coordinator));
        }
    }
    return counters;
}
