#include "tests/sim/sim_ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/list.h"
#include "storage/base/random.h"

/* What is known of an offset. */
struct entry {
    uint64_t id; /* 0: nothing. */
    int64_t timestamp_ms;
    int32_t epoch; /* -1: not read yet. */
    uint32_t read_round;
};

struct ledger_partition {
    struct list_node node; /* Of the ledger. */
    uint32_t topic;
    uint32_t index;
    struct uuid id;
    struct entry *entries;
    int64_t capacity;
    int64_t end;       /* Nothing is known at or above. */
    int64_t kept_kill; /* What survives which crash: below these. */
    int64_t kept_power;
    int64_t start;           /* The largest heard. */
    int64_t start_kept;      /* Acknowledged by DeleteRecords. */
    int64_t start_asked;     /* The most anybody asked for. */
    int32_t epoch;           /* The largest heard of, -1 none. */
    int32_t epoch_started;   /* That of the last start. */
    int32_t epoch_crashed;   /* The largest heard of before the last crash, -1 none. */
    int64_t epoch_from;      /* Where that start found the end. */
    enum ledger_crash crash; /* The worst since it last came up. */
    bool absent;             /* It did not come up at the last start, or the broker has gone. */
    bool suspect;
    bool epochs_suspect;
    bool repeats_suspect;
    bool lost;
};

struct record {
    uint32_t topic;
    uint32_t partition;
    int64_t timestamp_ms;
    int64_t offset; /* Where it was seen, -1 nowhere. */
    struct ledger_partition *where;
    uint32_t ordinal; /* Among its producer's records of the partition. */
    uint32_t value_bytes_max;
    uint32_t sent_count;
    bool idempotent;
    bool doubtful;
};

struct producer_records {
    struct record *records;
    uint32_t count;
    uint32_t capacity;
    uint32_t ordinals[LEDGER_TOPICS_MAX][LEDGER_PARTITIONS_MAX];
};

struct ledger {
    struct list partitions;
    struct ledger_topic topics[LEDGER_TOPICS_MAX];
    struct producer_records producers[LEDGER_PRODUCERS_MAX];
    int64_t wall_ms_max;
    int64_t ids[256]; /* Of producers, as given out. */
    uint32_t id_count;
    uint32_t round; /* Counts restarts. */
};

/* ---- Ends of a run -------------------------------------------------------------------------- */

_Noreturn void sim_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "FAILED: ");
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "\n");
    abort(); /* The handler says how to replay. */
}

static int32_t max_i32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    ASSERT(memory != NULL);
    return memory;
}

struct ledger *ledger_create(void)
{
    struct ledger *ledger = allocate(sizeof(*ledger));
    list_init(&ledger->partitions);
    for (uint32_t i = 0; i < LEDGER_TOPICS_MAX; i++) {
        (void)snprintf(ledger->topics[i].name, sizeof(ledger->topics[i].name), "topic-%u", i);
    }
    ledger->round = 1;
    return ledger;
}

void ledger_destroy(struct ledger *ledger)
{
    LIST_FOR_EACH(node, &ledger->partitions)
    {
        struct ledger_partition *partition = CONTAINER_OF(node, struct ledger_partition, node);
        free(partition->entries);
        free(partition);
    }
    for (uint32_t i = 0; i < LEDGER_PRODUCERS_MAX; i++) {
        free(ledger->producers[i].records);
    }
    free(ledger);
}

/* ---- Topics --------------------------------------------------------------------------------- */

struct ledger_topic *ledger_topic(struct ledger *ledger, uint32_t number)
{
    ASSERT(number < LEDGER_TOPICS_MAX);
    return &ledger->topics[number];
}

struct bytes ledger_topic_name(const struct ledger *ledger, uint32_t number)
{
    const char *name = ledger->topics[number].name;
    return bytes_of_string(name);
}

int32_t ledger_topic_named(const struct ledger *ledger, struct bytes name)
{
    for (uint32_t i = 0; i < LEDGER_TOPICS_MAX; i++) {
        const char *here = ledger->topics[i].name;
        if (name.len == strlen(here) && memcmp(name.ptr, here, name.len) == 0) {
            return (int32_t)i;
        }
    }
    return -1;
}

struct ledger_partition *ledger_partition_find(struct ledger *ledger, const struct uuid *id,
                                               uint32_t index)
{
    LIST_FOR_EACH(node, &ledger->partitions)
    {
        struct ledger_partition *partition = CONTAINER_OF(node, struct ledger_partition, node);
        if (partition->index == index && memcmp(&partition->id, id, sizeof(*id)) == 0) {
            return partition;
        }
    }
    return NULL;
}

struct ledger_partition *ledger_partition(struct ledger *ledger, uint32_t topic,
                                          const struct uuid *id, uint32_t index)
{
    struct ledger_partition *partition = ledger_partition_find(ledger, id, index);
    if (partition == NULL) {
        partition = allocate(sizeof(*partition));
        partition->topic = topic;
        partition->index = index;
        partition->id = *id;
        partition->epoch = -1;
        partition->epoch_crashed = -1;
        list_push_back(&ledger->partitions, &partition->node);
    }
    return partition;
}

struct ledger_partition *ledger_partition_next(struct ledger *ledger,
                                               const struct ledger_partition *after)
{
    struct list_node *node = after == NULL ? ledger->partitions.head.next : after->node.next;
    return node == &ledger->partitions.head ? NULL
                                            : CONTAINER_OF(node, struct ledger_partition, node);
}

uint32_t ledger_partition_topic(const struct ledger_partition *partition)
{
    return partition->topic;
}

uint32_t ledger_partition_index(const struct ledger_partition *partition)
{
    return partition->index;
}

const struct uuid *ledger_partition_id(const struct ledger_partition *partition)
{
    return &partition->id;
}

static struct entry *entry_at(struct ledger_partition *partition, int64_t offset)
{
    ASSERT(offset >= 0 && offset < 10 * 1000 * 1000);
    if (offset >= partition->capacity) {
        const int64_t capacity = max_i64(offset + 64, partition->capacity * 2);
        partition->entries =
            realloc(partition->entries, (size_t)capacity * sizeof(*partition->entries));
        ASSERT(partition->entries != NULL);
        for (int64_t i = partition->capacity; i < capacity; i++) {
            partition->entries[i] = (struct entry){.epoch = -1};
        }
        partition->capacity = capacity;
    }
    partition->end = max_i64(partition->end, offset + 1);
    return &partition->entries[offset];
}

/* ---- Records -------------------------------------------------------------------------------- */

void ledger_producer_id(struct ledger *ledger, int64_t producer_id)
{
    for (uint32_t i = 0; i < ledger->id_count; i++) {
        if (ledger->ids[i] == producer_id) {
            sim_fail("producer id %" PRId64 " was given out twice", producer_id);
        }
    }
    if (ledger->id_count < ARRAY_SIZE(ledger->ids)) {
        ledger->ids[ledger->id_count++] = producer_id;
    }
}

static struct record *record_of(const struct ledger *ledger, uint64_t id)
{
    const uint64_t producer = (id >> 32) - 1;
    const uint32_t number = (uint32_t)id;
    if (id >> 32 == 0 || producer >= LEDGER_PRODUCERS_MAX || number == 0 ||
        number > ledger->producers[producer].count) {
        return NULL;
    }
    return &ledger->producers[producer].records[number - 1];
}

void ledger_content(uint64_t id, uint32_t value_bytes_max, uint8_t *memory, struct bytes *key,
                    struct bytes *value)
{
    uint64_t state = id;
    const uint64_t shape = random_mix(&state);
    store_be64(memory, id);
    *key = (struct bytes){memory, 8};
    uint8_t *at = memory + 8;
    const uint32_t size = 8 + (uint32_t)(shape % (value_bytes_max - 7));
    store_be64(at, id);
    uint64_t fill = shape;
    for (uint32_t i = 8; i < size; i++) {
        /* Half of it compresses. */
        at[i] = (uint8_t)((i & 32) != 0 ? fill : fill >> (i % 57));
        fill += (i & 63) == 0 ? random_mix(&state) : 0;
    }
    *value = (struct bytes){at, size};
}

uint64_t ledger_record_make(struct ledger *ledger, uint32_t producer, bool idempotent,
                            uint32_t value_bytes_max, uint32_t topic, uint32_t partition,
                            int64_t timestamp_ms)
{
    struct producer_records *of = &ledger->producers[producer];
    if (of->count == of->capacity) {
        of->capacity = of->capacity == 0 ? 256 : of->capacity * 2;
        of->records = realloc(of->records, of->capacity * sizeof(*of->records));
        ASSERT(of->records != NULL);
    }
    of->records[of->count++] = (struct record){.topic = topic,
                                               .partition = partition,
                                               .timestamp_ms = timestamp_ms,
                                               .offset = -1,
                                               .ordinal = of->ordinals[topic][partition]++,
                                               .value_bytes_max = value_bytes_max,
                                               .idempotent = idempotent};
    return ledger_record_id(producer, of->count);
}

uint32_t ledger_record_value_max(const struct ledger *ledger, uint64_t id)
{
    return record_of(ledger, id)->value_bytes_max;
}

void ledger_record_sent(struct ledger *ledger, uint64_t id)
{
    record_of(ledger, id)->sent_count++;
}

void ledger_record_doubtful(struct ledger *ledger, uint64_t id)
{
    record_of(ledger, id)->doubtful = true;
}

/* ---- What was heard ------------------------------------------------------------------------- */

static const char *name_of(const struct ledger_partition *partition)
{
    static char text[64];
    (void)snprintf(text, sizeof(text), "topic-%u/%u", partition->topic, partition->index);
    return text;
}

/* The record `id` lies at offset: said by an acknowledgement or seen by a reader. */
static void placed(struct ledger *ledger, struct ledger_partition *partition, uint64_t id,
                   int64_t offset)
{
    struct entry *entry = entry_at(partition, offset);
    struct record *record = record_of(ledger, id);
    if (record == NULL || record->topic != partition->topic ||
        record->partition != partition->index || record->sent_count == 0) {
        sim_fail("%s offset %" PRId64 ": record %" PRIx64 " was never sent there",
                 name_of(partition), offset, id);
    }
    if (partition->suspect) {
        return;
    }
    if (entry->id != 0 && entry->id != id) {
        sim_fail("%s offset %" PRId64 " was record %" PRIx64 " and is now %" PRIx64,
                 name_of(partition), offset, entry->id, id);
    }
    if (record->where == partition && record->offset >= 0 && record->offset != offset &&
        !record->doubtful && (record->idempotent || record->sent_count == 1)) {
        sim_fail("%s: record %" PRIx64 " lies at %" PRId64 " and at %" PRId64, name_of(partition),
                 id, record->offset, offset);
    }
    entry->id = id;
    record->where = partition;
    record->offset = offset;
}

void ledger_acked(struct ledger *ledger, struct ledger_partition *partition, uint64_t first_id,
                  uint32_t count, int64_t base_offset, enum ledger_ack ack)
{
    if (base_offset < 0) {
        sim_fail("%s: acknowledged at offset %" PRId64, name_of(partition), base_offset);
    }
    for (uint32_t i = 0; i < count; i++) {
        placed(ledger, partition, first_id + i, base_offset + i);
    }
    const int64_t end = base_offset + count;
    partition->kept_kill = max_i64(partition->kept_kill, end);
    if (ack == LEDGER_ACK_FLUSHED) {
        partition->kept_power = max_i64(partition->kept_power, end);
    }
}

static void check_content(const struct ledger_partition *partition, const struct record *record,
                          const struct ledger_read *read, uint64_t id)
{
    static uint8_t memory[LEDGER_VALUE_BYTES_MAX + 64];
    struct bytes key;
    struct bytes value;
    ledger_content(id, record->value_bytes_max, memory, &key, &value);
    if (!bytes_equal(key, read->key) || !bytes_equal(value, read->value)) {
        sim_fail("%s offset %" PRId64 ": record %" PRIx64 " came back with other bytes",
                 name_of(partition), read->offset, id);
    }
}

void ledger_read(struct ledger *ledger, struct ledger_partition *partition,
                 const struct ledger_read *read)
{
    const uint64_t id = read->key.len == 8 ? load_be64(read->key.ptr) : 0;
    const struct record *record = record_of(ledger, id);
    if (record == NULL) {
        sim_fail("%s offset %" PRId64 ": a record nobody sent", name_of(partition), read->offset);
    }
    check_content(partition, record, read, id);
    placed(ledger, partition, id, read->offset);
    struct entry *entry = entry_at(partition, read->offset);
    if (entry->epoch >= 0 && entry->epoch != read->epoch && !partition->suspect) {
        sim_fail("%s offset %" PRId64 ": its leader epoch was %d and is now %d", name_of(partition),
                 read->offset, entry->epoch, read->epoch);
    }
    if (!read->log_append_time && read->timestamp_ms != record->timestamp_ms) {
        sim_fail("%s offset %" PRId64 ": its timestamp changed", name_of(partition), read->offset);
    }
    entry->epoch = read->epoch;
    partition->epoch = max_i32(partition->epoch, read->epoch);
    entry->timestamp_ms = read->timestamp_ms;
    entry->read_round = ledger->round;
    partition->kept_kill = max_i64(partition->kept_kill, read->offset + 1);
}

void ledger_high_watermark(struct ledger_partition *partition, int64_t high_watermark)
{
    partition->kept_kill = max_i64(partition->kept_kill, high_watermark);
    partition->end = max_i64(partition->end, high_watermark);
}

void ledger_log_start(struct ledger_partition *partition, int64_t log_start)
{
    partition->start = max_i64(partition->start, log_start);
}

void ledger_delete_asked(struct ledger_partition *partition, int64_t offset)
{
    partition->start_asked = max_i64(partition->start_asked, offset);
}

void ledger_delete_acked(struct ledger_partition *partition, int64_t low_watermark)
{
    partition->start_kept = max_i64(partition->start_kept, low_watermark);
    ledger_log_start(partition, low_watermark);
}

void ledger_wall(struct ledger *ledger, int64_t wall_ms)
{
    ledger->wall_ms_max = max_i64(ledger->wall_ms_max, wall_ms);
}

/* ---- Questions ------------------------------------------------------------------------------ */

int64_t ledger_readable(const struct ledger_partition *partition)
{
    return partition->kept_kill;
}

int64_t ledger_start(const struct ledger_partition *partition)
{
    return partition->start;
}

int32_t ledger_epoch(const struct ledger_partition *partition)
{
    return partition->epoch_started;
}

int64_t ledger_end(const struct ledger_partition *partition)
{
    return partition->end;
}

static bool may_expire(const struct ledger *ledger, const struct ledger_config *config,
                       const struct entry *entry)
{
    return config->retention_bytes >= 0 ||
           (config->retention_ms >= 0 &&
            (entry->epoch < 0 ||
             entry->timestamp_ms + config->retention_ms <= ledger->wall_ms_max));
}

int64_t ledger_start_max(const struct ledger *ledger, const struct ledger_partition *partition)
{
    const struct ledger_topic *topic = &ledger->topics[partition->topic];
    int64_t start = partition->start_asked;
    if (start == INT64_MAX) {
        return start;
    }
    while (start < partition->end && start < partition->capacity &&
           (may_expire(ledger, &topic->config, &partition->entries[start]) ||
            may_expire(ledger, &topic->config_before, &partition->entries[start]))) {
        start++;
    }
    /* Behind what is known, appended and expired while nobody looked. */
    return start >= min_i64(partition->end, partition->capacity) &&
                   (topic->config.retention_ms >= 0 || topic->config.retention_bytes >= 0 ||
                    topic->config_before.retention_ms >= 0 ||
                    topic->config_before.retention_bytes >= 0)
               ? INT64_MAX
               : start;
}

void ledger_check_timestamp(const struct ledger *ledger, const struct ledger_partition *partition,
                            int64_t readable, int64_t wanted_ms, int64_t offset,
                            int64_t timestamp_ms)
{
    if (partition->suspect) {
        return;
    }
    if (offset >= 0 && timestamp_ms < wanted_ms) {
        sim_fail("%s: asked for %" PRId64 ", found %" PRId64, name_of(partition), wanted_ms,
                 timestamp_ms);
    }
    if (offset >= 0 && offset < min_i64(partition->end, partition->capacity) &&
        partition->entries[offset].epoch >= 0 &&
        partition->entries[offset].timestamp_ms != timestamp_ms) {
        sim_fail("%s offset %" PRId64 " has not the timestamp that the lookup says",
                 name_of(partition), offset);
    }
    /* What may have been deleted by then need not be found. */
    const int64_t lower = max_i64(partition->start, ledger_start_max(ledger, partition));
    const int64_t upper = offset >= 0 ? min_i64(offset, readable) : readable;
    for (int64_t i = lower; i < min_i64(upper, partition->capacity); i++) {
        const struct entry *entry = &partition->entries[i];
        if (entry->epoch >= 0 && entry->timestamp_ms >= wanted_ms) {
            sim_fail("%s: the lookup of %" PRId64 " found %" PRId64 " and missed offset %" PRId64,
                     name_of(partition), wanted_ms, offset, i);
        }
    }
}

void ledger_check_epoch(const struct ledger *ledger, const struct ledger_partition *partition,
                        int64_t readable, int32_t wanted, int32_t epoch, int64_t end_offset)
{
    if (epoch < 0 || partition->suspect || partition->epochs_suspect) {
        return;
    }
    if (epoch > wanted) {
        sim_fail("%s: asked for epoch %d, answered of %d", name_of(partition), wanted, epoch);
    }
    /* Epochs go with the records that are deleted. */
    const int64_t lower = max_i64(partition->start, ledger_start_max(ledger, partition));
    for (int64_t i = lower; i < min_i64(readable, partition->capacity); i++) {
        const struct entry *entry = &partition->entries[i];
        if (entry->epoch >= 0 &&
            (i < end_offset ? entry->epoch > wanted : entry->epoch <= wanted)) {
            sim_fail("%s: epoch %d is said to end at %" PRId64 ", but offset %" PRId64
                     " is of epoch %d",
                     name_of(partition), wanted, end_offset, i, entry->epoch);
        }
    }
}

void ledger_config_changes(struct ledger *ledger, uint32_t topic)
{
    LIST_FOR_EACH(node, &ledger->partitions)
    {
        struct ledger_partition *partition = CONTAINER_OF(node, struct ledger_partition, node);
        if (partition->topic == topic) {
            partition->start_asked = ledger_start_max(ledger, partition);
        }
    }
}

bool ledger_lost(const struct ledger_partition *partition)
{
    return partition->lost;
}

void ledger_suspect(struct ledger_partition *partition)
{
    partition->suspect = true;
}

void ledger_deletes_forgotten(struct ledger_partition *partition)
{
    partition->start_kept = 0;
    partition->start = 0;
}

void ledger_epochs_forgotten(struct ledger_partition *partition)
{
    partition->epochs_suspect = true;
}

void ledger_repeats_forgotten(struct ledger_partition *partition)
{
    partition->repeats_suspect = true;
}

bool ledger_repeats_suspected(const struct ledger_partition *partition)
{
    return partition->suspect || partition->repeats_suspect;
}

bool ledger_suspected(const struct ledger_partition *partition)
{
    return partition->suspect;
}

/* ---- Crashes -------------------------------------------------------------------------------- */

/* What holds records that nobody has read is of some epoch all the same. */
static int32_t epoch_heard(const struct ledger_partition *partition)
{
    return max_i32(partition->epoch, partition->end > 0 || partition->kept_kill > 0 ? 0 : -1);
}

void ledger_crashed(struct ledger *ledger, enum ledger_crash crash)
{
    LIST_FOR_EACH(node, &ledger->partitions)
    {
        struct ledger_partition *partition = CONTAINER_OF(node, struct ledger_partition, node);
        if (crash > partition->crash) {
            partition->crash = crash;
        }
        if (!partition->absent) {
            partition->epoch_crashed = epoch_heard(partition);
        }
        partition->absent = epoch_heard(partition) >= 0;
    }
}

void ledger_stopped(struct ledger *ledger)
{
    LIST_FOR_EACH(node, &ledger->partitions)
    {
        struct ledger_partition *partition = CONTAINER_OF(node, struct ledger_partition, node);
        partition->absent = epoch_heard(partition) >= 0;
    }
}

/* What was above the new end never happened. */
static void forget(struct ledger *ledger, struct ledger_partition *partition, int64_t end)
{
    for (int64_t i = end; i < min_i64(partition->end, partition->capacity); i++) {
        struct record *record = record_of(ledger, partition->entries[i].id);
        if (record != NULL && record->where == partition && record->offset == i) {
            record->offset = -1;
        }
        partition->entries[i] = (struct entry){.epoch = -1};
    }
    partition->end = min_i64(partition->end, end);
}

void ledger_recovered(struct ledger *ledger, struct ledger_partition *partition, int64_t log_start,
                      int64_t end, int32_t leader_epoch)
{
    if (!partition->suspect) {
        const int64_t kept =
            partition->crash == LEDGER_POWER ? partition->kept_power : partition->kept_kill;
        if (end < kept) {
            sim_fail("%s: %s took what was promised: the log ends at %" PRId64
                     ", promised was up to %" PRId64,
                     name_of(partition),
                     partition->crash == LEDGER_POWER  ? "a power cut"
                     : partition->crash == LEDGER_KILL ? "kill -9"
                                                       : "a stop in order",
                     end, kept);
        }
        if (log_start < partition->start_kept) {
            sim_fail("%s: deleted records came back: the log starts at %" PRId64
                     ", acknowledged was %" PRId64,
                     name_of(partition), log_start, partition->start_kept);
        }
        if (log_start > ledger_start_max(ledger, partition) || log_start > end) {
            sim_fail("%s: starts at %" PRId64 " (end %" PRId64 "), nobody wanted that (%" PRId64
                     ")",
                     name_of(partition), log_start, end, ledger_start_max(ledger, partition));
        }
        if (leader_epoch <= partition->epoch_crashed) {
            sim_fail("%s: the leader epoch is still %d after an unclean start", name_of(partition),
                     leader_epoch);
        }
    }
    partition->lost = partition->lost || end < partition->kept_kill;
    forget(ledger, partition, end);
    partition->start = log_start;
    partition->kept_kill = end;
    /* What a power cut or a stop in order left is on the device for good. */
    partition->kept_power =
        partition->crash == LEDGER_KILL ? min_i64(partition->kept_power, end) : end;
    partition->epoch = max_i32(partition->epoch, leader_epoch);
    partition->epoch_started = leader_epoch;
    partition->epoch_from = end;
    partition->crash = LEDGER_STOP;
    partition->absent = false;
}

void ledger_restarted(struct ledger *ledger)
{
    ledger->round++;
}

/* ---- The end -------------------------------------------------------------------------------- */

struct last_seen {
    uint32_t ordinal;
    bool any;
};

static void audit_order(const struct ledger *ledger, const struct ledger_partition *partition,
                        int64_t log_start, int64_t end)
{
    struct last_seen last[LEDGER_PRODUCERS_MAX] = {{0}};
    for (int64_t i = log_start; i < end; i++) {
        const struct entry *entry = &partition->entries[i];
        const struct record *record = record_of(ledger, entry->id);
        const uint32_t producer = (uint32_t)(entry->id >> 32) - 1;
        if (!record->idempotent || record->doubtful) {
            continue;
        }
        if (last[producer].any && record->ordinal <= last[producer].ordinal) {
            sim_fail("%s offset %" PRId64 ": record %" PRIx64 " lies behind a later one",
                     name_of(partition), i, entry->id);
        }
        last[producer] = (struct last_seen){record->ordinal, true};
    }
}

void ledger_audit(struct ledger *ledger, struct ledger_partition *partition, int64_t log_start,
                  int64_t end)
{
    if (partition->suspect) {
        return;
    }
    int32_t epoch = -1;
    for (int64_t i = log_start; i < end; i++) {
        const struct entry *entry = i < partition->capacity ? &partition->entries[i] : NULL;
        if (entry == NULL || entry->id == 0 || entry->read_round != ledger->round) {
            sim_fail("%s offset %" PRId64 " cannot be read (log %" PRId64 " to %" PRId64 ")",
                     name_of(partition), i, log_start, end);
        }
        if (entry->epoch < epoch ||
            (i >= partition->epoch_from && entry->epoch < partition->epoch_started)) {
            sim_fail("%s offset %" PRId64 ": leader epoch %d", name_of(partition), i, entry->epoch);
        }
        epoch = entry->epoch;
    }
    if (partition->end > end) {
        sim_fail("%s ends at %" PRId64 ", known is up to %" PRId64, name_of(partition), end,
                 partition->end);
    }
    audit_order(ledger, partition, log_start, end);
}
