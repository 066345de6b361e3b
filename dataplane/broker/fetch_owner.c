/* The owner's side of a fetch: probing, parking, reading. */
#include "dataplane/broker/error_map.h"
#include "dataplane/broker/fetch.h"
#include "dataplane/broker/hosted.h"

enum { ABORTED_TOLD_MAX = 1000000 }; /* As the codec has it. */

static struct partition_id item_id(const struct fetch_item *item)
{
    return (struct partition_id){item->topic->resolved_id, (uint32_t)item->partition};
}

static void leg_answer(struct broker *broker, struct leg *leg)
{
    if (leg->home == broker->core) {
        leg_back(broker, leg);
    } else {
        broker->foreign--;
        leg->mail.kind = MAIL_LEG_DONE;
        mail_post(broker->setup.mailbox, leg->home, &leg->mail);
    }
}

/* ---- Probing -------------------------------------------------------------------------------- */

static void item_fail(struct fetch_item *item, int16_t error)
{
    item->error = error;
    item->readable_bytes = 0;
    item->high_watermark = -1;
    item->last_stable = -1;
    item->log_start = -1;
}

/* True when the client's log has another history than ours (KIP-320, Partition.readRecords). */
static bool item_diverges(struct fetch_item *item, const struct partition *partition)
{
    int32_t epoch;
    int64_t end;
    if (item->last_fetched_epoch < 0) {
        return false;
    }
    partition_epoch_end(partition, item->last_fetched_epoch, &epoch, &end);
    if (epoch < 0 || end < 0 || item->offset < partition_log_start(partition)) {
        item_fail(item, ERROR_OFFSET_OUT_OF_RANGE);
        return true;
    }
    if (epoch < item->last_fetched_epoch || end < item->offset) {
        item->diverging = true;
        item->diverging_epoch = epoch;
        item->diverging_end = end;
        return true;
    }
    return false;
}

static int64_t item_upper(const struct leg *leg, const struct fetch_item *item)
{
    return leg->read_committed ? item->last_stable : item->high_watermark;
}

/* Looks at the partition. Returns where it is hosted, NULL when there is nothing to read. */
static struct hosted *item_probe(struct broker *broker, const struct leg *leg,
                                 struct fetch_item *item)
{
    const struct partition_id id = item_id(item);
    int32_t current;
    int16_t error;
    struct hosted *hosted = hosted_check(broker, &id, item->current_epoch, &error, &current);
    item->diverging = false;
    if (hosted == NULL) {
        item_fail(item, error);
        return NULL;
    }
    const struct partition *partition = hosted->partition;
    item->error = ERROR_NONE;
    item->readable_bytes = 0;
    item->high_watermark = partition_high_watermark(partition);
    item->last_stable = partition_last_stable(partition);
    item->log_start = partition_log_start(partition);
    if (item_diverges(item, partition)) {
        return NULL;
    }
    if (item->offset < item->log_start || item->offset > partition_end(partition)) {
        item_fail(item, ERROR_OFFSET_OUT_OF_RANGE);
        return NULL;
    }
    const int64_t upper = item_upper(leg, item);
    if (item->offset < upper) { /* A limit of nothing still lets one batch through (B26). */
        const uint32_t bytes_max = item->bytes_max > 0 ? (uint32_t)item->bytes_max : 1;
        const enum log_status status =
            partition_readable(partition, item->offset, upper, bytes_max, &item->readable_bytes);
        if (status != LOG_OK) {
            item_fail(item, error_of_log(status));
            return NULL;
        }
    }
    return hosted;
}

static void leg_probe(struct broker *broker, struct leg *leg)
{
    leg->readable_bytes = 0;
    leg->found_error = false;
    for (struct fetch_item *item = leg->items; item != NULL; item = item->leg_next) {
        (void)item_probe(broker, leg, item);
        leg->readable_bytes += item->readable_bytes;
        leg->found_error |= item->error != ERROR_NONE || item->diverging;
    }
}

/* ---- Parking -------------------------------------------------------------------------------- */

static void leg_unlink(struct leg *leg)
{
    for (struct fetch_item *item = leg->items; item != NULL; item = item->leg_next) {
        if (list_linked(&item->waiting)) {
            list_remove(&item->waiting);
        }
    }
    leg->parked = false;
}

static void leg_park(struct broker *broker, struct leg *leg)
{
    const uint64_t enough = leg->readable_bytes + leg->wanted_bytes;
    leg_probe(broker, leg); /* Something may have come since the last look. */
    if (leg->found_error || leg->readable_bytes >= enough) {
        leg_answer(broker, leg);
        return;
    }
    leg->wanted_bytes = enough; /* From here on in total. */
    leg->parked = true;
    for (struct fetch_item *item = leg->items; item != NULL; item = item->leg_next) {
        const struct partition_id id = item_id(item);
        struct hosted *hosted = hosted_find(broker, &id);
        list_push_back(&hosted->waiters, &item->waiting);
        partition_watch(hosted->partition, true);
    }
}

void leg_unpark(struct broker *broker, struct leg *leg)
{
    if (leg->parked) {
        leg_unlink(leg);
        leg_probe(broker, leg);
        leg_answer(broker, leg);
    }
}

void legs_advance(struct broker *broker, struct hosted *hosted)
{
    struct list waiters;
    list_init(&waiters);
    list_append_all(&waiters, &hosted->waiters);
    struct list_node *node;
    while ((node = list_pop_front(&waiters)) != NULL) {
        struct fetch_item *item = CONTAINER_OF(node, struct fetch_item, waiting);
        struct leg *leg = item->leg;
        leg->readable_bytes -= item->readable_bytes;
        (void)item_probe(broker, leg, item);
        leg->readable_bytes += item->readable_bytes;
        if (item->error != ERROR_NONE || item->diverging ||
            leg->readable_bytes >= leg->wanted_bytes) {
            leg_unpark(broker, leg);
        } else {
            list_push_back(&hosted->waiters, node);
        }
    }
}

void legs_wake(struct broker *broker, struct hosted *hosted)
{
    struct list_node *node;
    while ((node = list_first(&hosted->waiters)) != NULL) {
        leg_unpark(broker, CONTAINER_OF(node, struct fetch_item, waiting)->leg);
    }
}

/* ---- Taking --------------------------------------------------------------------------------- */

/* Others wait for what readers have not taken yet, maybe readers at other cores. */
static void reads_starve(struct broker *broker)
{
    atomic_store_explicit(&broker->setup.shared->reads_starved_ns, broker->now_ns,
                          memory_order_relaxed);
}

static uint64_t pinned_left_bytes(const struct broker *broker)
{
    return broker->limits.pinned_bytes - min_u64(broker->pinned_bytes, broker->limits.pinned_bytes);
}

static uint32_t aborted_bytes(uint32_t count)
{
    return count * (uint32_t)sizeof(struct aborted_txn);
}

static void aborted_release(struct broker *broker, struct fetch_read *read)
{
    if (read->aborted != NULL) {
        region_give(&broker->output, (const uint8_t *)read->aborted,
                    aborted_bytes(read->aborted_count));
        read->aborted = NULL;
        read->aborted_count = 0;
    }
}

/* What the reader must leave out of these bytes (B29). False: no memory for the list. */
static bool aborted_take(struct broker *broker, struct fetch_read *read,
                         const struct partition *partition)
{
    const struct log_read *taken = &read->read;
    const int64_t upper = min_i64(taken->next_offset, taken->upper_offset);
    const uint32_t count = partition_aborted(partition, taken->offset, upper, NULL, 0);
    if (count == 0) {
        return true;
    }
    uint8_t *memory =
        count > ABORTED_TOLD_MAX ? NULL : region_take(&broker->output, aborted_bytes(count));
    if (memory == NULL) {
        return false;
    }
    struct aborted_txn *txns = (struct aborted_txn *)(void *)memory;
    (void)partition_aborted(partition, taken->offset, upper, txns, count);
    read->aborted = (struct fetch_response_aborted_transaction *)(void *)memory;
    read->aborted_count = count;
    for (uint32_t i = 0; i < count; i++) { /* In place: what is told of one is the smaller. */
        const struct aborted_txn txn = txns[i];
        read->aborted[i] = fetch_response_aborted_transaction_default;
        read->aborted[i].producer_id = txn.producer_id;
        read->aborted[i].first_offset = txn.first_offset;
    }
    return true;
}
_Static_assert(sizeof(struct fetch_response_aborted_transaction) <= sizeof(struct aborted_txn), "");

static void read_release(struct broker *broker, struct fetch_read *read)
{
    for (uint32_t i = 0; i < read->read.extent_count; i++) {
        log_extent_release(broker->log, read->read.extents[i].hold);
    }
    broker->pinned_bytes -= read->read.bytes;
    read->read.extent_count = 0;
    read->read.bytes = 0;
}

static void read_free(struct broker *broker, struct fetch_read *read)
{
    read_release(broker, read);
    aborted_release(broker, read);
    pool_give(&broker->fetch_reads, read);
}

static void leg_read_over(struct broker *broker, struct leg *leg)
{
    ASSERT(leg->reads_open > 0);
    if (--leg->reads_open == 0) {
        leg_answer(broker, leg);
    }
}

/* The read is over, whatever came of it. */
static void read_finish(struct broker *broker, struct fetch_read *read, enum log_status status)
{
    struct fetch_item *item = read->item;
    struct leg *leg = read->leg;
    if (status != LOG_OK) {
        read->read.extent_count = 0;
        read->read.bytes = 0;
    }
    broker->pinned_bytes += read->read.bytes;
    if (item != NULL && leg->read_committed && read->read.bytes > 0) {
        const struct hosted *hosted = hosted_find(broker, &read->id);
        if (hosted == NULL || !aborted_take(broker, read, hosted->partition)) {
            count(&broker->counters->fetch_reads_short);
            read_release(broker, read); /* Empty, then: the client asks again. */
        }
    }
    counter_add(&broker->counters->fetch_bytes, read->read.bytes);
    if (item == NULL) {
        leg_read_over(broker, leg); /* It is in leg->reads. */
        return;
    }
    if (status != LOG_OK) {
        item->error = error_of_log(status);
    }
    if (read->read.bytes == 0) {
        read_free(broker, read);
    } else {
        item->got_bytes = read->read.bytes;
        item->read = read;
        read->next = leg->reads;
        leg->reads = read;
    }
    leg_read_over(broker, leg);
}

/* False when there is no room for it now. */
static bool read_try(struct broker *broker, struct fetch_read *read)
{
    const uint64_t pinned_max = broker->limits.pinned_bytes;
    struct hosted *hosted = hosted_find(broker, &read->id);
    if (hosted == NULL) {
        read_finish(broker, read, LOG_CLOSED);
        return true;
    }
    if (broker->pinned_bytes > 0 && broker->pinned_bytes + read->read.bytes_max > pinned_max) {
        reads_starve(broker);
        return false;
    }
    const enum log_status status = log_read(broker->log, hosted->partition, &read->read);
    if (status == LOG_BUSY) {
        return false;
    }
    if (status != LOG_PENDING) {
        read_finish(broker, read, status);
    }
    return true;
}

/* Answers the item as empty: the client asks again. */
static void read_give_up(struct broker *broker, struct fetch_read *read)
{
    count(&broker->counters->fetch_reads_short);
    read->read.extent_count = 0;
    read->read.bytes = 0;
    read_finish(broker, read, LOG_OK);
}

static void item_take(struct broker *broker, struct leg *leg, struct fetch_item *item)
{
    if (item_probe(broker, leg, item) == NULL || item->readable_bytes == 0) {
        return;
    }
    struct fetch_read *read = pool_take(&broker->fetch_reads);
    if (read == NULL) {
        count(&broker->counters->fetch_reads_short);
        return;
    }
    memset(&read->read, 0, offsetof(struct log_read, extents));
    read->read.offset = item->offset;
    read->read.upper_offset = item_upper(leg, item);
    read->read.bytes_max = item->take_bytes;
    read->read.whole_batch = item->take_whole;
    read->read.sequential = true;
    read->read.owner = read;
    read->busy_node = (struct list_node){0};
    read->next = NULL;
    read->id = item_id(item);
    read->aborted = NULL;
    read->aborted_count = 0;
    read->item = item;
    read->leg = leg;
    leg->reads_open++;
    if (!read_try(broker, read)) {
        list_push_back(&broker->busy_reads, &read->busy_node);
    }
}

/* The less memory is left, the less of it one fetch gets: readers that do not read never get all.
 */
static void leg_take(struct broker *broker, struct leg *leg)
{
    uint64_t share_bytes = pinned_left_bytes(broker) / PINNED_SHARE;
    leg->give_up_ns = broker->now_ns + ns_of_ms(BUSY_FETCH_MS_MAX);
    leg->reads_open = 1; /* Ours, so that it is not answered before all are tried. */
    for (struct fetch_item *item = leg->items; item != NULL; item = item->leg_next) {
        item->got_bytes = 0;
        item->read = NULL;
        if (item->take_bytes == 0 || (share_bytes == 0 && !item->take_whole)) {
            continue;
        }
        if (item->take_bytes > share_bytes && share_bytes < broker->limits.pinned_bytes / 64) {
            reads_starve(broker);
        }
        item->take_bytes = (uint32_t)max_u64(min_u64(item->take_bytes, share_bytes), 1);
        item_take(broker, leg, item);
        share_bytes -= min_u64(share_bytes, min_u32(item->take_bytes, item->readable_bytes));
    }
    leg_read_over(broker, leg);
}

/* Reads on in the batch, in place of what was read and is sent. */
static void leg_more(struct broker *broker, struct leg *leg)
{
    struct fetch_read *read = leg->torn;
    const uint32_t skip = read->read.skip + read->read.bytes;
    const uint32_t left = read->read.batch_bytes - skip;
    read_release(broker, read);
    read->read.skip = skip;
    read->read.bytes_max = (uint32_t)min_u64(
        left, max_u64(pinned_left_bytes(broker) / PINNED_SHARE, PINNED_MORE_BYTES_MIN));
    read->read.whole_batch = true;
    read->item = NULL;
    leg->give_up_ns = broker->now_ns + ns_of_ms(MORE_FETCH_MS_MAX);
    leg->reads_open = 1;
    if (!read_try(broker, read)) {
        list_push_back(&broker->busy_reads, &read->busy_node);
    }
}

void leg_read_done(struct broker *broker, struct log_read *read)
{
    struct fetch_read *own = read->owner;
    if (read->status == LOG_BUSY) { /* The room went to others while the bytes were on their way. */
        list_push_back(&broker->busy_reads, &own->busy_node);
        return;
    }
    read_finish(broker, own, read->status);
}

uint32_t leg_reads_retry(struct broker *broker)
{
    uint32_t done = 0;
    struct list again;
    list_init(&again);
    list_append_all(&again, &broker->busy_reads);
    struct list_node *node;
    while ((node = list_pop_front(&again)) != NULL) {
        struct fetch_read *read = CONTAINER_OF(node, struct fetch_read, busy_node);
        if (broker->now_ns >= read->leg->give_up_ns) {
            read_give_up(broker, read);
            done++;
        } else if (read_try(broker, read)) {
            done++;
        } else {
            list_push_back(&broker->busy_reads, node);
        }
    }
    return done;
}

static void leg_release(struct broker *broker, struct leg *leg)
{
    while (leg->reads != NULL) {
        struct fetch_read *read = leg->reads;
        leg->reads = read->next;
        read_free(broker, read);
    }
    leg_answer(broker, leg);
}

void leg_run(struct broker *broker, struct leg *leg)
{
    if (leg->home != broker->core) {
        broker->foreign++;
    }
    switch (leg->order) {
    case LEG_PROBE:
        leg_probe(broker, leg);
        leg_answer(broker, leg);
        return;
    case LEG_PARK: leg_park(broker, leg); return;
    case LEG_TAKE: leg_take(broker, leg); return;
    case LEG_MORE: leg_more(broker, leg); return;
    case LEG_RELEASE: leg_release(broker, leg); return;
    }
    ASSERT(false);
}
