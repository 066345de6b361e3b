#include "dataplane/broker/hosted.h"

#include "dataplane/broker/fetch.h"
#include "dataplane/broker/operation.h"

static uint32_t id_hash(const struct broker *broker, const struct partition_id *id)
{
    uint64_t halves[2];
    memcpy(halves, id->topic_id.bytes, sizeof(halves));
    /* Ids of topics are random, and nobody's to choose; a topic's partitions lie in a row. */
    return (uint32_t)((halves[0] ^ halves[1]) + id->index) & broker->hosted_mask;
}

static inline struct hosted *table_find(struct broker *broker, const struct partition_id *id)
{
    struct hosted *hosted = broker->hosted_table[id_hash(broker, id)];
    while (hosted != NULL &&
           (hosted->id.index != id->index || !uuid_equal(hosted->id.topic_id, id->topic_id))) {
        hosted = hosted->hash_next;
    }
    return hosted;
}

struct hosted *hosted_find(struct broker *broker, const struct partition_id *id)
{
    struct hosted *hosted = table_find(broker, id);
    return hosted != NULL && hosted->state == HOSTED_OPEN ? hosted : NULL;
}

LINK_INLINE struct hosted *hosted_check(struct broker *broker, const struct partition_id *id,
                                        int32_t leader_epoch, int16_t *error,
                                        int32_t *current_epoch)
{
    struct hosted *hosted = table_find(broker, id);
    *current_epoch = -1;
    *error = ERROR_NONE;
    if (UNLIKELY(hosted == NULL || hosted->state != HOSTED_OPEN)) {
        *error = hosted != NULL && hosted->failed ? ERROR_KAFKA_STORAGE_ERROR
                                                  : ERROR_NOT_LEADER_OR_FOLLOWER;
        return NULL;
    }
    const int32_t epoch = partition_leader_epoch(hosted->partition);
    *current_epoch = epoch;
    if (partition_state(hosted->partition) != LOG_OK) {
        *error = ERROR_KAFKA_STORAGE_ERROR;
    } else if (leader_epoch >= 0 && leader_epoch < epoch) {
        *error = ERROR_FENCED_LEADER_EPOCH;
    } else if (leader_epoch > epoch) {
        *error = ERROR_UNKNOWN_LEADER_EPOCH;
    } else if (!hosted->recorded) { /* Metadata names no leader before that either. */
        *error = ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    return *error == ERROR_NONE ? hosted : NULL;
}

/* ---- Opening and deleting ------------------------------------------------------------------- */

static struct hosted *hosted_add(struct broker *broker, const struct partition_id *id)
{
    struct hosted *hosted = pool_take(&broker->hosted_pool);
    if (hosted == NULL) {
        return NULL;
    }
    struct hosted **bucket = &broker->hosted_table[id_hash(broker, id)];
    *hosted = (struct hosted){.id = *id, .state = HOSTED_OPENING, .hash_next = *bucket};
    *bucket = hosted;
    list_init(&hosted->waiters);
    list_init(&hosted->busy);
    list_push_back(&broker->hosted, &hosted->all_node);
    counter_set(&broker->counters->partitions_now, broker->hosted_pool.used);
    return hosted;
}

static void hosted_remove(struct broker *broker, struct hosted *hosted)
{
    struct hosted **at = &broker->hosted_table[id_hash(broker, &hosted->id)];
    while (*at != hosted) {
        at = &(*at)->hash_next;
    }
    *at = hosted->hash_next;
    if (broker->apply_at == &hosted->all_node) {
        broker->apply_at = hosted->all_node.next;
    }
    list_remove(&hosted->all_node);
    pool_give(&broker->hosted_pool, hosted);
    counter_set(&broker->counters->partitions_now, broker->hosted_pool.used);
}

static void hosted_opened(struct hosted *hosted, struct partition *partition)
{
    hosted->state = HOSTED_OPEN;
    hosted->partition = partition;
    *partition_owner_slot(partition) = hosted;
}

static void changing_remove(struct broker *broker, struct hosted *hosted)
{
    if (list_linked(&hosted->change_node)) {
        list_remove(&hosted->change_node);
        broker->changing_count -= hosted->failed ? 0 : 1;
    }
    hosted->failed = false;
}

static void changing_add(struct broker *broker, struct list *list, struct hosted *hosted)
{
    changing_remove(broker, hosted);
    list_push_back(list, &hosted->change_node);
    broker->changing_count++;
}

static struct partition_spec spec_of(const struct snapshot *snapshot, const struct hosted *hosted)
{
    const struct snapshot_topic *topic = &snapshot->topics[hosted->topic_index];
    const struct snapshot_partition *partition = &topic->partitions[hosted->id.index];
    return (struct partition_spec){
        .id = hosted->id,
        .topic_name = topic->name,
        .directory = partition->directory,
        .leader_epoch = partition->leader_epoch,
        .config = topic->config,
    };
}

/* It could not be opened: fenced with its directory, else tried again. */
static void hosted_open_failed(struct broker *broker, struct hosted *hosted, enum log_status status)
{
    if (hosted->busy_since_ns == 0 || status != LOG_BUSY) {
        hosted->busy_since_ns = broker->now_ns;
    }
    if (status == LOG_BUSY && !hosted->failed &&
        broker->now_ns - hosted->busy_since_ns < ns_of_ms(OPEN_BUSY_MS_MAX)) {
        return; /* Next turn, while there is hope: the log may also be full for good. */
    }
    hosted->fenced = status == LOG_FENCED;
    hosted->attempts++;
    hosted->retry_ns =
        broker->now_ns + ns_of_ms(hosted->failed ? OPEN_RETRY_LATE_MS : OPEN_RETRY_MS);
    if (!hosted->failed && !hosted->fenced &&
        (status == LOG_BUSY || hosted->attempts >= OPEN_ATTEMPTS_MAX)) {
        changing_remove(broker, hosted);
        hosted->failed = true;
        list_push_back(&broker->failing, &hosted->change_node);
    }
}

/* True when no core has anything left to delete for this snapshot: a topic made anew wants the
 * directory's name of the old one. */
static bool names_are_free(const struct broker *broker)
{
    for (uint32_t core = 0; core < broker->core_count; core++) {
        if (atomic_load_explicit(&broker->setup.shared->swept[core], memory_order_acquire) <
            broker->snapshot_serial) {
            return false;
        }
    }
    return true;
}

/* Its place was taken back, because it could not be made there. One that has files is fenced. */
static bool lost_its_place(const struct broker *broker, const struct hosted *hosted)
{
    const struct snapshot_topic *topic = &broker->snapshot->topics[hosted->topic_index];
    const struct snapshot_partition *wanted = &topic->partitions[hosted->id.index];
    return wanted->directory == SNAPSHOT_DIRECTORY_NONE && !wanted->exists;
}

/* Hands the partition to the log. False when it must be tried again. */
static bool hosted_open_try(struct broker *broker, struct hosted *hosted)
{
    const struct snapshot *snapshot = broker->snapshot;
    const struct partition_spec spec = spec_of(snapshot, hosted);
    const struct snapshot_partition *wanted =
        &snapshot->topics[hosted->topic_index].partitions[hosted->id.index];
    struct partition *partition = log_find(broker->log, &hosted->id);
    if (partition != NULL) { /* Adopted at the start. */
        partition_set_leader_epoch(partition, wanted->leader_epoch);
        partition_configure(partition, &spec.config);
        hosted_opened(hosted, partition);
        return true;
    }
    if (wanted->exists || wanted->offline) {
        if (log_open_fenced(broker->log, &spec, &partition) != LOG_OK) {
            return false;
        }
        hosted_opened(hosted, partition);
        return true;
    }
    if (!names_are_free(broker)) {
        return false;
    }
    hosted->operation = (struct log_operation){.owner = broker};
    const enum log_status status = log_open(broker->log, &spec, &hosted->operation);
    if (status == LOG_PENDING) {
        hosted->submitted = true;
        return false;
    }
    if (status == LOG_OK) {
        hosted_opened(hosted, hosted->operation.partition);
        return true;
    }
    hosted_open_failed(broker, hosted, status);
    return false;
}

static bool hosted_delete_try(struct broker *broker, struct hosted *hosted)
{
    hosted->operation = (struct log_operation){.owner = broker};
    const enum log_status status = log_delete(broker->log, hosted->partition, &hosted->operation);
    if (status == LOG_PENDING) {
        hosted->submitted = true;
        return false;
    }
    return status != LOG_BUSY;
}

/* Ends what waits for it: nothing will come any more. */
static void hosted_close(struct broker *broker, struct hosted *hosted)
{
    hosted->state = HOSTED_DELETING;
    *partition_owner_slot(hosted->partition) = NULL;
    legs_wake(broker, hosted);
    operations_fail(broker, hosted, LOG_CLOSED);
    changing_add(broker, &broker->deleting, hosted);
}

void hosted_operation_done(struct broker *broker, struct log_operation *operation)
{
    struct hosted *hosted = CONTAINER_OF(operation, struct hosted, operation);
    hosted->submitted = false;
    if (hosted->state == HOSTED_DELETING) {
        changing_remove(broker, hosted);
        hosted_remove(broker, hosted);
        return;
    }
    ASSERT(hosted->state == HOSTED_OPENING);
    if (operation->status == LOG_OK) {
        hosted_opened(hosted, operation->partition);
    } else {
        hosted_open_failed(broker, hosted, operation->status);
    }
}

/* Its topic went while it was being opened. */
static void hosted_unwanted(struct broker *broker, struct hosted *hosted)
{
    if (!broker->apply_sweep) {
        return; /* Not all topics were seen yet. */
    }
    if (hosted->state == HOSTED_OPEN) {
        hosted_close(broker, hosted);
    } else {
        changing_remove(broker, hosted);
        hosted_remove(broker, hosted);
    }
}

/* One step of a partition that goes away. */
static void hosted_delete(struct broker *broker, struct hosted *hosted)
{
    if (!hosted->submitted && hosted_delete_try(broker, hosted)) {
        changing_remove(broker, hosted);
        hosted_remove(broker, hosted);
    }
}

/* One step of a partition that opens. */
static void hosted_open(struct broker *broker, struct hosted *hosted)
{
    if (hosted->submitted || (hosted->retry_ns > broker->now_ns && !hosted->fenced)) {
        return;
    }
    if (hosted->round != broker->apply_round) {
        hosted_unwanted(broker, hosted);
        return;
    }
    if (hosted->state == HOSTED_OPENING && lost_its_place(broker, hosted)) {
        changing_remove(broker, hosted);
        hosted_remove(broker, hosted); /* It comes again with its next place. */
        return;
    }
    if (hosted->state == HOSTED_OPENING && hosted->fenced) {
        const struct partition_spec spec = spec_of(broker->snapshot, hosted);
        struct partition *partition;
        if (log_open_fenced(broker->log, &spec, &partition) == LOG_OK) {
            hosted_opened(hosted, partition);
        }
    } else if (hosted->state == HOSTED_OPENING) {
        (void)hosted_open_try(broker, hosted);
    }
    if (hosted->state == HOSTED_OPEN) {
        changing_remove(broker, hosted);
    }
}

/* ---- Applying a snapshot -------------------------------------------------------------------- */

static void apply_partition(struct broker *broker, uint32_t topic_index, uint32_t index)
{
    const struct snapshot_topic *topic = &broker->applying->topics[topic_index];
    const struct snapshot_partition *wanted = &topic->partitions[index];
    const struct partition_id id = {topic->id, index};
    struct hosted *hosted = table_find(broker, &id);
    if (hosted == NULL) {
        if (wanted->directory == SNAPSHOT_DIRECTORY_NONE && !wanted->exists) {
            return; /* Not placed yet. */
        }
        hosted = hosted_add(broker, &id);
        if (hosted == NULL) {
            return; /* Over partition_count: it stays without a leader. */
        }
        changing_add(broker, &broker->opening, hosted);
    } else if (hosted->state == HOSTED_OPEN) {
        if (partition_leader_epoch(hosted->partition) != wanted->leader_epoch) {
            partition_set_leader_epoch(hosted->partition, wanted->leader_epoch);
            legs_wake(broker, hosted);
        }
        partition_configure(hosted->partition, &topic->config);
    }
    hosted->recorded = wanted->exists;
    hosted->round = broker->apply_round;
    hosted->topic_index = topic_index;
}

/* True when nothing of the topic differs from the snapshot applied last, which has all of its
 * partitions open. */
static bool topic_unchanged(const struct broker *broker, const struct snapshot_topic *topic)
{
    const struct snapshot *old = broker->applied;
    const struct snapshot_topic *was = old == NULL ? NULL : snapshot_topic_by_id(old, &topic->id);
    return was != NULL && was->partition_count == topic->partition_count &&
           bytes_equal(was->name, topic->name) &&
           /* Padding can only make it look changed. NOLINTNEXTLINE(bugprone-suspicious-memory-*) */
           memcmp(&was->config, &topic->config, sizeof(topic->config)) == 0 &&
           memcmp(was->partitions, topic->partitions,
                  topic->partition_count * sizeof(topic->partitions[0])) == 0;
}

static uint32_t apply_topic(struct broker *broker, uint32_t topic_index)
{
    const struct snapshot_topic *topic = &broker->applying->topics[topic_index];
    const bool unchanged = topic_unchanged(broker, topic);
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        if (snapshot_partition_core(&topic->id, i, broker->core_count) != broker->core) {
            continue;
        }
        const struct partition_id id = {topic->id, i};
        struct hosted *hosted = unchanged ? table_find(broker, &id) : NULL;
        if (hosted != NULL && hosted->state == HOSTED_OPEN) {
            hosted->round = broker->apply_round;
            hosted->topic_index = topic_index;
        } else {
            apply_partition(broker, topic_index, i);
        }
    }
    return 1 + topic->partition_count / broker->core_count;
}

/* Partitions that the snapshot no longer names go. */
static uint32_t apply_sweep(struct broker *broker, uint32_t budget)
{
    uint32_t done = 0;
    while (broker->apply_at != &broker->hosted.head && done < budget) {
        struct hosted *hosted = CONTAINER_OF(broker->apply_at, struct hosted, all_node);
        broker->apply_at = broker->apply_at->next;
        done++;
        if (hosted->round == broker->apply_round) {
            continue;
        }
        if (hosted->state == HOSTED_OPEN) {
            hosted_close(broker, hosted);
        } else if (hosted->state == HOSTED_OPENING && !hosted->submitted) {
            changing_remove(broker, hosted);
            hosted_remove(broker, hosted);
        }
    }
    return done;
}

/* True when something stale is still being opened, to be deleted then. */
static bool stale_opening(const struct broker *broker)
{
    const struct list *const lists[] = {&broker->opening, &broker->failing};
    for (uint32_t i = 0; i < ARRAY_SIZE(lists); i++) {
        LIST_FOR_EACH(node, lists[i])
        {
            if (CONTAINER_OF(node, struct hosted, change_node)->round != broker->apply_round) {
                return true;
            }
        }
    }
    return false;
}

/* Tries again what could not be opened when its snapshot was applied. */
static void retry_failing(struct broker *broker)
{
    LIST_FOR_EACH(node, &broker->failing)
    {
        hosted_open(broker, CONTAINER_OF(node, struct hosted, change_node));
    }
}

/* Deletes and opens, as far as the log takes it. */
static uint32_t apply_changes(struct broker *broker, uint32_t budget)
{
    const uint32_t count_before = broker->changing_count;
    uint32_t done = 0;
    LIST_FOR_EACH(node, &broker->deleting)
    {
        if (done++ < budget) {
            hosted_delete(broker, CONTAINER_OF(node, struct hosted, change_node));
        }
    }
    if (list_empty(&broker->deleting) && !stale_opening(broker)) {
        atomic_store_explicit(&broker->setup.shared->swept[broker->core], broker->snapshot_serial,
                              memory_order_release);
    }
    LIST_FOR_EACH(node, &broker->opening)
    {
        if (done++ < budget) {
            hosted_open(broker, CONTAINER_OF(node, struct hosted, change_node));
        }
    }
    retry_failing(broker);
    return count_before - broker->changing_count;
}

uint32_t hosted_apply_turn(struct broker *broker, uint32_t budget)
{
    uint32_t done = 0;
    broker->apply_waits = false;
    if (broker->applying == NULL) {
        retry_failing(broker);
        return 0;
    }
    while (broker->apply_topic < broker->applying->topic_count && done < budget) {
        done += apply_topic(broker, broker->apply_topic++);
    }
    if (broker->apply_topic < broker->applying->topic_count) {
        return done;
    }
    if (!broker->apply_sweep) {
        broker->apply_sweep = true;
        broker->apply_at = broker->hosted.head.next;
    }
    done += apply_sweep(broker, budget);
    if (broker->apply_at != &broker->hosted.head) {
        return done;
    }
    /* Only now: the names of what goes come free first. */
    const uint32_t changed = apply_changes(broker, budget);
    done += changed;
    broker->apply_waits = changed == 0;
    if (broker->changing_count == 0) {
        broker->applied = broker->applying;
        broker->applying = NULL;
    }
    return done;
}

uint64_t hosted_deadline_ns(const struct broker *broker)
{
    if (broker->applying != NULL) {
        return broker->apply_waits ? broker->now_ns + ns_of_ms(APPLY_POLL_MS) : 0;
    }
    return list_empty(&broker->failing) ? UINT64_MAX
                                        : broker->now_ns + ns_of_ms(OPEN_RETRY_LATE_MS);
}
