#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/control_state.h"

enum {
    METADATA_VERSION = 25, /* 4.0-IV3: the feature level whose records this build writes. */
    METADATA_VERSION_MIN = 7,
};

void control_say(struct control *control, enum journal_level level, const char *event,
                 const char *format, ...)
{
    if (control->setup.journal == NULL) {
        return;
    }
    char line[JOURNAL_LINE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    const int len = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (len >= 0) {
        journal_say(control->setup.journal, level, event, "%s", line);
    }
}

void control_say_reason(struct control *control, enum journal_level level, const char *event,
                        const char *reason)
{
    char quoted[JOURNAL_LINE_BYTES_MAX / 2];
    control_say(control, level, event, "reason=%s",
                journal_quote(quoted, sizeof(quoted), reason, strlen(reason)));
}

const char *control_level_name(uint32_t settings_level)
{
    static const char *const names[] = {[SETTINGS_DEBUG] = "DEBUG",
                                        [SETTINGS_INFO] = "INFO",
                                        [SETTINGS_WARN] = "WARN",
                                        [SETTINGS_ERROR] = "ERROR"};
    return names[settings_level];
}

enum journal_level control_level(const struct control *control)
{
    switch (control->logger_level[0]) {
    case 'D':
    case 'T': return JOURNAL_DEBUG;
    case 'I': return JOURNAL_INFO;
    case 'W': return JOURNAL_WARNING;
    default: return JOURNAL_ERROR; /* FATAL, too. */
    }
}

void control_set_level(struct control *control, const char *logger_level)
{
    control->logger_level = logger_level;
    control->store.image.visible_changes++;
    if (control->setup.journal != NULL) {
        journal_set_level(control->setup.journal, control_level(control));
    }
    control_say(control, JOURNAL_INFO, "log_level", "level=%s", logger_level);
}

static void control_refuse(struct control *control, const char *reason)
{
    control->phase = CONTROL_REFUSED;
    (void)snprintf(control->reason, sizeof(control->reason), "%s", reason);
    peer_drop(control->peer, control->now_ns + RETRY_NS);
    control_session_over(control);
    control->phase = CONTROL_REFUSED;
}

/* ---- The start of a session ------------------------------------------------------------------ */

/* Another try, with a new session. */
static void session_put_off(struct control *control, const char *reason)
{
    (void)snprintf(control->reason, sizeof(control->reason), "%s", reason);
    peer_drop(control->peer, control->now_ns + RETRY_NS);
    control_session_over(control);
}

/* False: the session cannot go on; it was dropped, or control refuses to run. */
static bool store_ready(struct control *control)
{
    const struct session_hello *hello = peer_hello(control->peer);
    const int64_t node_id = settings_kafka_number(control->setup.settings, "node.id");
    if (hello->node_id != node_id) {
        control_refuse(control, "the dataplane runs as another node: node.id differs");
        return false;
    }
    /* The metadata log is in the first data directory. */
    _Atomic uint32_t *flushes_failed = &peer_log_shared(control->peer)->flushes_failed[0];
    if (control->store.open) {
        control->store.log.flushes_failed = flushes_failed;
        return true;
    }
    const enum metadata_status status =
        metadata_open(&control->store, control->setup.files, control->setup.data_directory,
                      hello->node_id, flushes_failed, control->wall_ms);
    if (status == METADATA_OK) {
        control_say(control, JOURNAL_INFO, "metadata_opened",
                    "end_offset=%lld epoch=%d topics=%u partitions=%u",
                    (long long)control->store.log.end_offset, control->store.log.epoch,
                    control->store.image.topic_count, control->store.image.partition_count);
        return true;
    }
    control_say_reason(control, JOURNAL_ERROR, "metadata_failed", control->store.log.reason);
    if (status == METADATA_CORRUPT || status == METADATA_UNSUPPORTED) {
        control_refuse(control, control->store.log.reason);
    } else {
        session_put_off(control, control->store.log.reason);
    }
    return false;
}

/* The incarnation of the dataplane's process as an id. */
static struct uuid incarnation_of(const struct session_hello *hello)
{
    struct uuid id = {0};
    memcpy(id.bytes, "millrace", 8);
    store_be64(id.bytes + 8, hello->incarnation);
    return id;
}

static void registration_stage(struct control *control)
{
    const struct session_hello *hello = peer_hello(control->peer);
    const struct settings *settings = control->setup.settings;
    const struct image_broker *known = &control->store.image.broker;
    const struct uuid incarnation = incarnation_of(hello);
    if (known->registered && uuid_equal(known->incarnation, incarnation)) {
        return;
    }
    const char *rack = settings_kafka(settings, "broker.rack");
    const char *host = settings->network_advertised.host;
    const struct broker_registration registration = {
        .node_id = hello->node_id,
        .incarnation = incarnation,
        .epoch = control->store.log.end_offset,
        .host = bytes_of_string(host),
        .port = hello->listen.port,
        .rack = rack == NULL ? (struct bytes){0} : bytes_of_string(rack),
        .directories = control->directories.id,
        .directory_count = control->directories.count,
        .metadata_version_min = METADATA_VERSION_MIN,
        .metadata_version_max = METADATA_VERSION,
    };
    changes_broker(&control->store.staged, &registration);
}

static void hello_report(struct control *control, const struct reconcile_report *report)
{
    const struct session_hello *hello = peer_hello(control->peer);
    control_say(control, report->vanished > 0 ? JOURNAL_WARNING : JOURNAL_INFO, "session_started",
                "session=%llu cores=%u directories=%u found=%u strays=%u vanished=%u moved=%u "
                "epochs_raised=%u unplaced=%u",
                (unsigned long long)hello->session, hello->core_count, hello->directory_count,
                report->found, report->strays, report->vanished, report->moved,
                report->epochs_raised, report->unplaced);
}

/* A level that is higher already is left alone. */
static void feature_stage(struct store *store, const char *name, int16_t level)
{
    if (image_feature_level(&store->image, name) < level) {
        changes_feature(&store->staged, bytes_of_string(name), level);
    }
}

static void hello_take(struct control *control)
{
    if (!store_ready(control)) {
        return;
    }
    const struct session_hello *hello = peer_hello(control->peer);
    struct store *store = &control->store;
    struct reconcile_report report;
    if (store->stale && !metadata_reload(store)) {
        session_put_off(control, store->log.reason);
        return;
    }
    directories_of(hello, &control->directories);
    if (image_feature_level(&store->image, "metadata.version") < 0) {
        changes_feature(&store->staged, bytes_of_string("metadata.version"), METADATA_VERSION);
    }
    feature_stage(store, "group.version", GROUP_VERSION_MAX);
    feature_stage(store, "transaction.version", TRANSACTION_VERSION_MAX);
    registration_stage(control);
    metadata_apply(store);
    reconcile_start(&store->image, &control->directories, peer_partitions(control->peer),
                    hello->partition_count, &store->staged, &report);
    metadata_apply(store);
    if (!control_commit(control)) {
        session_put_off(control, store->log.reason);
        return;
    }
    hello_report(control, &report);
    control->grants = calloc(hello->core_count, sizeof(*control->grants));
    ASSERT(control->grants != NULL);
    for (uint32_t i = 0; i < hello->core_count; i++) {
        control->grants[i].wanted = PRODUCER_ID_BLOCKS_AHEAD;
    }
    control->published_version = 0;
    control->applied_version = 0;
    control->in_flight = false;
    control->publish_at_ns = 0;
    store->image.visible_changes++;
    control->published_changes = store->image.visible_changes - 1;
    control->phase = CONTROL_SYNCING;
    (void)snprintf(control->reason, sizeof(control->reason),
                   "the cores have not applied the metadata yet");
}

/* ---- Applied -------------------------------------------------------------------------------- */

static const char *failure_text(uint32_t status)
{
    switch (status) {
    case LOG_NO_SPACE: return "The partition's files could not be made: no space is left.";
    case LOG_READ_ONLY: return "The partition's files could not be made: read-only file system.";
    case LOG_BUSY: return "The broker holds as many partitions as it can.";
    default: return "The partition's files could not be made.";
    }
}

/* Tells the requests that wait for the topic. True when one of them was to create all of it. */
static bool created_failed_tell(struct control *control, const struct session_failure *failure,
                                bool by_others)
{
    const int16_t code =
        failure->status == LOG_BUSY ? ERROR_POLICY_VIOLATION : ERROR_KAFKA_STORAGE_ERROR;
    bool whole_topic = false;
    LIST_FOR_EACH(node, &control->waiting)
    {
        const struct step_created *created =
            operation_created_failed(CONTAINER_OF(node, struct operation, node), &failure->topic_id,
                                     by_others, code, failure_text(failure->status));
        whole_topic = whole_topic || (created != NULL && created->first_partition == 0);
    }
    return whole_topic;
}

/* A new partition without files: the answer says so; a topic that was to be new is not there. */
static void new_partition_failed(struct control *control, const struct session_failure *failure)
{
    if (created_failed_tell(control, failure, false)) {
        (void)created_failed_tell(control, failure, true);
        changes_topic_removed(&control->store.staged, failure->topic_id);
        metadata_apply(&control->store);
    } else {
        control->heal_at_ns = control->now_ns + HEAL_NS;
    }
}

static void failures_take(struct control *control, const struct peer_event *event)
{
    for (uint32_t i = 0; i < event->failure_count; i++) {
        const struct session_failure *failure = &event->failures[i];
        char id[UUID_TEXT_CHARS + 1];
        uuid_format(failure->topic_id, id);
        control_say(control, JOURNAL_WARNING, "partition_failed",
                    "topic_id=%s partition=%u status=%u", id, failure->index, failure->status);
        if (reconcile_partition_failed(&control->store.image, failure)) {
            new_partition_failed(control, failure);
        }
    }
}

/* New partitions for which there was no directory at all. */
static void unplaced_fail(struct control *control)
{
    const struct image *image = &control->store.image;
    for (uint32_t i = 0; i < image->topic_count;) {
        const struct image_topic *topic = image->topics[i];
        const uint32_t count = image->topic_count;
        for (uint32_t j = 0; j < topic->partition_count; j++) {
            const struct image_partition *partition = &topic->partitions[j];
            if (partition->placed == SNAPSHOT_DIRECTORY_NONE && !partition->offline &&
                uuid_is_zero(partition->directory)) {
                const struct session_failure failure = {.topic_id = topic->id,
                                                        .index = j,
                                                        .status = LOG_FENCED,
                                                        .directory = LOG_DIRECTORY_NONE};
                (void)reconcile_partition_failed(&control->store.image, &failure);
                new_partition_failed(control, &failure);
                break; /* The topic may be gone. */
            }
        }
        i += image->topic_count == count;
    }
}

void control_assign(struct control *control)
{
    const uint32_t count = reconcile_assign(&control->store.image, &control->directories,
                                            control->applied_version, &control->store.staged);
    metadata_apply(&control->store);
    control->assign_pending = !control_commit(control) && count > 0;
}

/* The files of new partitions are there. Before a snapshot says that this is recorded, the cores
 * append nothing to them, so the answer waits for it. */
static void created_settle(struct control *control)
{
    LIST_FOR_EACH(node, &control->waiting)
    {
        struct operation *operation = CONTAINER_OF(node, struct operation, node);
        if (operation->step.created_count == 0 || operation->recorded ||
            operation->await_version > control->applied_version) {
            continue;
        }
        if (control->assign_pending) {
            /* A crash now would forget them: not a success to tell. */
            list_remove(node);
            control_finish(control, operation, ERROR_KAFKA_STORAGE_ERROR);
        } else {
            operation->recorded = true;
            operation->await_version = control->published_version + 1;
        }
    }
}

static void applied_take(struct control *control, const struct peer_event *event)
{
    if (!control->in_flight || event->version != control->published_version) {
        static const char reason[] = "a snapshot was applied that is not out";
        control_say_reason(control, JOURNAL_ERROR, "session_ended", reason);
        session_put_off(control, reason);
        return;
    }
    control->in_flight = false;
    failures_take(control, event);
    if (control->published_changes == control->store.image.visible_changes) {
        unplaced_fail(control);
    }
    control->applied_version = event->version;
    control_assign(control);
    created_settle(control);
    if (control->phase == CONTROL_SYNCING) {
        control->phase = CONTROL_READY;
        control->reason[0] = '\0';
        control_say(control, JOURNAL_INFO, "ready", "topics=%u partitions=%u",
                    control->store.image.topic_count, control->store.image.partition_count);
    }
}

static void directory_failed_take(struct control *control, const struct peer_event *event)
{
    control->directories.failed[event->directory] = true;
    const uint32_t count = reconcile_directory_failed(&control->store.image, event->directory);
    control_say(control, JOURNAL_ERROR, "directory_failed",
                "directory=%u status=%u partitions_offline=%u", event->directory, event->status,
                count);
}

void control_event(struct control *control, const struct peer_event *event)
{
    switch (event->kind) {
    case PEER_HELLO: hello_take(control); break;
    case PEER_APPLIED: applied_take(control, event); break;
    case PEER_DIRECTORY_FAILED: directory_failed_take(control, event); break;
    case PEER_STOPPING:
        control->phase = CONTROL_STOPPING;
        (void)snprintf(control->reason, sizeof(control->reason), "the dataplane is stopping");
        break;
    case PEER_LOST:
        control_say_reason(control, JOURNAL_WARNING, "session_ended", event->reason);
        (void)snprintf(control->reason, sizeof(control->reason), "%s", event->reason);
        control_session_over(control);
        break;
    case PEER_NOTHING: break;
    }
}

/* ---- What others may know -------------------------------------------------------------------- */

enum control_phase control_phase(const struct control *control)
{
    return control->phase;
}

const char *control_reason(const struct control *control)
{
    return control->reason;
}

const struct image *control_image(const struct control *control)
{
    return &control->store.image;
}

void control_status_copy(const struct control *control, struct control_status *status)
{
    const struct image *image = &control->store.image;
    const struct session_hello *hello = peer_hello(control->peer);
    memset(status, 0, sizeof(*status));
    status->phase = control->phase;
    memcpy(status->reason, control->reason, sizeof(status->reason));
    status->session = hello == NULL ? 0 : hello->session;
    status->snapshot_version = control->published_version;
    status->applied_version = control->applied_version;
    status->topics = image->topic_count;
    status->partitions = image->partition_count;
    for (uint32_t i = 0; i < image->topic_count; i++) {
        for (uint32_t j = 0; j < image->topics[i]->partition_count; j++) {
            status->partitions_offline += image->topics[i]->partitions[j].offline;
        }
    }
    status->directories = control->directories.count;
    for (uint32_t i = 0; i < control->directories.count; i++) {
        status->directories_failed += control->directories.failed[i];
    }
    status->metadata_end_offset = control->store.log.end_offset;
    status->metadata_epoch = control->store.log.epoch;
    status->commits = control->store.commits;
    status->commit_failures = control->store.failures;
    status->checkpoints = control->store.checkpoints;
    status->counters = control->counters;
    status->peer = *peer_counters(control->peer);
    status->groups = groups_counters(control->groups);
    status->txns = txns_counters(control->txns);
    if (hello != NULL) {
        status->listen = hello->listen;
    }
}
