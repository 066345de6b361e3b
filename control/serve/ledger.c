#include "control/serve/ledger.h"

#include <stdlib.h>

#include "dataplane/kafka/errors.h"
#include "storage/record/compress.h"

enum {
    /* Several entries become one batch up to here; one entry may need more. */
    BATCH_BYTES_AIMED = 256 * 1024,
    INFLATED_BYTES_MAX = 64 * 1024 * 1024,
    PAUSE_MS_MIN = 50,
    PAUSE_MS_MAX = 5000,
    PAUSE_DOUBLINGS_MAX = 7,
    DAMAGED_PAUSE_MS = 1000, /* The same will be found again, most likely. */
};

#define NS_OF_MS 1000000ULL

void ledger_init(struct ledger *ledger, struct calls *calls, const struct ledger_user *user,
                 void *owner)
{
    memset(ledger, 0, sizeof(*ledger));
    ledger->calls = calls;
    ledger->user = user;
    ledger->owner = owner;
    ledger->batch_bytes_max = BATCH_BYTES_AIMED;
    list_init(&ledger->staged);
    list_init(&ledger->flying);
}

struct ledger_entry *ledger_entry_new(void)
{
    struct ledger_entry *entry = calloc(1, sizeof(*entry));
    ASSERT(entry != NULL);
    entry->producer_id = BATCH_NO_PRODUCER_ID;
    return entry;
}

void ledger_entry_free(struct ledger_entry *entry)
{
    arena_free(&entry->arena);
    free(entry);
}

static struct ledger_entry *entry_pop(struct list *list)
{
    struct list_node *node = list_pop_front(list);
    return node == NULL ? NULL : CONTAINER_OF(node, struct ledger_entry, node);
}

void ledger_drop(struct ledger *ledger)
{
    struct ledger_entry *entry;
    list_append_all(&ledger->flying, &ledger->staged);
    while ((entry = entry_pop(&ledger->flying)) != NULL) {
        ledger_entry_free(entry);
    }
    ledger->state = LEDGER_AWAY;
    ledger->appending = false;
    ledger->cut_count = 0;
    ledger->part_len = 0;
}

static void inflate_drop(struct ledger *ledger)
{
    free(ledger->inflate);
    free(ledger->inflated);
    ledger->inflate = NULL;
    ledger->inflated = NULL;
}

void ledger_free(struct ledger *ledger)
{
    ledger_drop(ledger);
    inflate_drop(ledger);
    free(ledger->part);
    free(ledger->batch);
    ledger->part = NULL;
    ledger->batch = NULL;
}

void ledger_fail(struct ledger *ledger, int16_t error_code)
{
    struct list entries;
    struct ledger_entry *entry;
    list_init(&entries);
    list_append_all(&entries, &ledger->flying);
    list_append_all(&entries, &ledger->staged);
    ledger->state = LEDGER_AWAY;
    ledger->cut_count = 0;
    ledger->part_len = 0;
    while ((entry = entry_pop(&entries)) != NULL) {
        ledger->user->settle(ledger->owner, entry, error_code);
    }
}

static void ledger_lose(struct ledger *ledger, int16_t error_code)
{
    /* The files of a new partition are there before its core lets anybody use them. */
    ledger->losses += error_code != ERROR_NOT_LEADER_OR_FOLLOWER;
    ledger_fail(ledger, error_code);
    ledger->user->lost(ledger->owner, error_code);
}

uint64_t ledger_pause_ns(const struct ledger *ledger, int16_t error_code)
{
    if (error_code == ERROR_CORRUPT_MESSAGE) {
        return DAMAGED_PAUSE_MS * NS_OF_MS;
    }
    const uint32_t doublings = ledger->losses == 0 ? 0 : ledger->losses - 1;
    const uint64_t pause_ms = (uint64_t)PAUSE_MS_MIN << min_u32(doublings, PAUSE_DOUBLINGS_MAX);
    return min_u64(pause_ms, PAUSE_MS_MAX) * NS_OF_MS;
}

int16_t ledger_unready_error(const struct ledger *ledger)
{
    return ledger->losses > 1 ? ERROR_COORDINATOR_NOT_AVAILABLE
                              : ERROR_COORDINATOR_LOAD_IN_PROGRESS;
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Batches that we write are not compressed; those that Kafka wrote may be. */
static bool batch_inflate(struct ledger *ledger, enum batch_codec codec, struct bytes *records)
{
    uint32_t len = 0;
    if (codec == BATCH_CODEC_NONE) {
        return true;
    }
    if (codec >= BATCH_CODECS) {
        return false;
    }
    if (ledger->inflate == NULL) {
        ledger->inflate =
            aligned_alloc(64, round_up(inflate_memory_bytes(INFLATE_WINDOW_DEFAULT), 64));
        ledger->inflated = malloc(INFLATED_BYTES_MAX);
        ASSERT(ledger->inflate != NULL && ledger->inflated != NULL);
    }
    struct inflate *inflate = inflate_init(ledger->inflate, INFLATE_WINDOW_DEFAULT);
    if (inflate_all(inflate, codec, chain_of(records), ledger->inflated, INFLATED_BYTES_MAX,
                    &len) != INFLATE_END) {
        return false;
    }
    *records = (struct bytes){ledger->inflated, len};
    return true;
}

static void marker_replay(struct ledger *ledger, const struct batch_header *header,
                          const struct record *record)
{
    int16_t type;
    if (record_control_key_parse(record->key, &type) &&
        (type == RECORD_CONTROL_COMMIT || type == RECORD_CONTROL_ABORT)) {
        ledger->user->replay_marker(ledger->owner, header->producer_id,
                                    type == RECORD_CONTROL_COMMIT);
    }
}

static bool batch_replay(struct ledger *ledger, const struct batch_header *header,
                         struct bytes batch)
{
    struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    const int64_t producer_id =
        batch_is_transactional(header) ? header->producer_id : BATCH_NO_PRODUCER_ID;
    struct record record;
    enum record_status status;
    if (batch_check_crc(chain_of(&batch), header) != BATCH_OK ||
        !batch_inflate(ledger, batch_codec(header), &records)) {
        return false;
    }
    struct record_cursor cursor = record_cursor_of(records, header->record_count);
    while ((status = record_next(&cursor, &record)) == RECORD_OK) {
        if (header->base_offset + record.offset_delta < ledger->next_offset) {
            continue;
        }
        if (batch_is_control(header)) {
            marker_replay(ledger, header, &record);
        } else {
            ledger->user->replay(ledger->owner, record.key, record.value, producer_id);
        }
        ledger->replayed_records++;
    }
    ledger->next_offset = max_i64(ledger->next_offset, batch_last_offset(header) + 1);
    return status == RECORD_END;
}

/* Whole batches go to the coordinator; the rest stays. False: they cannot be read. */
static bool part_replay(struct ledger *ledger)
{
    struct bytes rest = {ledger->part, ledger->part_len};
    struct batch_header header;
    struct bytes batch;
    enum batch_status status;
    while ((status = batch_next(&rest, &header, &batch)) == BATCH_OK) {
        if (!batch_replay(ledger, &header, batch)) {
            return false;
        }
    }
    if (rest.len > 0) {
        memmove(ledger->part, rest.ptr, rest.len);
    }
    ledger->part_len = rest.len;
    return status == BATCH_PARTIAL;
}

static void ledger_ask(struct ledger *ledger)
{
    ledger->read.offset = ledger->next_offset;
    ledger->read.skip_bytes = ledger->part_len;
    call_start(ledger->calls, &ledger->read);
}

static void part_add(struct ledger *ledger, struct bytes bytes)
{
    const uint32_t need = ledger->part_len + bytes.len;
    if (need > ledger->part_capacity) {
        ledger->part_capacity = need * 2;
        ledger->part = realloc(ledger->part, ledger->part_capacity);
        ASSERT(ledger->part != NULL);
    }
    if (bytes.len > 0) {
        memcpy(ledger->part + ledger->part_len, bytes.ptr, bytes.len);
        ledger->part_len = need;
    }
}

static void read_done(struct call *call)
{
    struct ledger *ledger = call->owner;
    if (call->error_code != ERROR_NONE) {
        ledger_lose(ledger, call->error_code);
        return;
    }
    ledger->next_offset = max_i64(ledger->next_offset, call->offset);
    part_add(ledger, call->records);
    if (!part_replay(ledger)) {
        ledger_lose(ledger, ERROR_CORRUPT_MESSAGE);
    } else if (ledger->part_len == 0 && ledger->next_offset >= call->end_offset) {
        inflate_drop(ledger); /* What is appended is never compressed. */
        ledger->state = LEDGER_READY;
        ledger->user->loaded(ledger->owner);
    } else if (call->records.len == 0) {
        ledger_lose(ledger, ERROR_OFFSET_OUT_OF_RANGE);
    } else {
        ledger_ask(ledger);
    }
}

void ledger_load(struct ledger *ledger, const struct partition_id *id, int32_t leader_epoch)
{
    ASSERT(ledger->state == LEDGER_AWAY && ledger_idle(ledger));
    ledger->id = *id;
    ledger->leader_epoch = leader_epoch;
    ledger->state = LEDGER_LOADING;
    ledger->next_offset = -1;
    ledger->part_len = 0;
    ledger->replayed_records = 0;
    ledger->read = (struct call){.kind = CALL_READ,
                                 .id = *id,
                                 .leader_epoch = leader_epoch,
                                 .done = read_done,
                                 .owner = ledger};
    ledger_ask(ledger);
}

/* ---- Appending ------------------------------------------------------------------------------ */

void ledger_stage(struct ledger *ledger, struct ledger_entry *entry)
{
    ASSERT(ledger->state == LEDGER_READY);
    list_push_back(&ledger->staged, &entry->node);
}

static uint64_t record_bytes(const struct ledger_record *record)
{
    return record_size_max(record->key.len, record->value.len);
}

static uint64_t entry_bytes(const struct ledger_entry *entry)
{
    uint64_t bytes = 0;
    for (uint32_t i = entry->sent_count; i < entry->record_count; i++) {
        bytes += record_bytes(&entry->records[i]);
    }
    return bytes;
}

static struct ledger_entry *entry_next(const struct ledger *ledger)
{
    struct list_node *node = list_first(&ledger->staged);
    return node == NULL ? NULL : CONTAINER_OF(node, struct ledger_entry, node);
}

/* Of an entry that is larger than a batch as many records as fit, at least one; the bytes. */
static uint64_t entry_cut(struct ledger *ledger, const struct ledger_entry *entry)
{
    uint32_t count = entry->sent_count;
    uint64_t bytes = BATCH_HEADER_BYTES;
    do {
        bytes += record_bytes(&entry->records[count++]);
    } while (count < entry->record_count &&
             bytes + record_bytes(&entry->records[count]) <= SLOW_APPEND_BYTES_MAX);
    ledger->cut_count = count;
    return bytes;
}

/* Moves what goes into the next batch from staged to flying, but for an entry that is cut; the
 * bytes it may take. */
static uint64_t batch_gather(struct ledger *ledger)
{
    uint64_t bytes = BATCH_HEADER_BYTES;
    const struct ledger_entry *first = NULL;
    struct ledger_entry *entry;
    while ((entry = entry_next(ledger)) != NULL) {
        const uint64_t more = entry_bytes(entry);
        if (entry->marker.len > 0) { /* Goes alone. */
            if (first == NULL && list_empty(&ledger->flying)) {
                list_remove(&entry->node);
                list_push_back(&ledger->flying, &entry->node);
            }
            break;
        }
        if (entry->record_count > 0 && first != NULL &&
            (entry->producer_id != first->producer_id ||
             entry->producer_epoch != first->producer_epoch ||
             bytes + more > ledger->batch_bytes_max)) {
            break;
        }
        if (entry->record_count > 0 && first == NULL) {
            first = entry;
            if (bytes + more > SLOW_APPEND_BYTES_MAX && list_empty(&ledger->flying)) {
                return entry_cut(ledger, entry);
            }
        }
        bytes += more;
        list_remove(&entry->node);
        list_push_back(&ledger->flying, &entry->node);
    }
    return bytes;
}

static void batch_begin(struct ledger *ledger, struct batch_builder *builder, uint64_t bytes_max,
                        const struct ledger_entry *first)
{
    struct batch_options options = batch_options_none();
    if (first->producer_id != BATCH_NO_PRODUCER_ID) {
        options.producer_id = first->producer_id;
        options.producer_epoch = first->producer_epoch;
        options.attributes = BATCH_TRANSACTIONAL;
    }
    batch_builder_init(builder, ledger->batch, (uint32_t)bytes_max, &options);
}

static void batch_add(struct batch_builder *builder, const struct ledger_entry *entry, uint32_t end)
{
    for (uint32_t i = entry->sent_count; i < end; i++) {
        const bool fits = batch_builder_add(builder, entry->wall_ms, entry->records[i].key,
                                            entry->records[i].value, NULL, 0);
        ASSERT(fits);
    }
}

static struct bytes batch_build(struct ledger *ledger, uint64_t bytes_max)
{
    struct batch_builder builder;
    bool begun = false;
    if (ledger->cut_count > 0) {
        const struct ledger_entry *entry = entry_next(ledger);
        batch_begin(ledger, &builder, bytes_max, entry);
        batch_add(&builder, entry, ledger->cut_count);
        return batch_builder_finish(&builder);
    }
    LIST_FOR_EACH(node, &ledger->flying)
    {
        const struct ledger_entry *entry = CONTAINER_OF(node, struct ledger_entry, node);
        if (entry->record_count > 0 && !begun) {
            begun = true;
            batch_begin(ledger, &builder, bytes_max, entry);
        }
        if (entry->record_count > 0) {
            batch_add(&builder, entry, entry->record_count);
        }
    }
    ASSERT(begun);
    return batch_builder_finish(&builder);
}

/* The entry that flies alone, when it is a marker. */
static const struct ledger_entry *marker_flying(const struct ledger *ledger)
{
    struct list_node *node = list_first(&ledger->flying);
    const struct ledger_entry *entry =
        node == NULL ? NULL : CONTAINER_OF(node, struct ledger_entry, node);
    return entry != NULL && entry->marker.len > 0 ? entry : NULL;
}

static bool refuses_marker(int16_t error_code)
{
    return error_code == ERROR_INVALID_PRODUCER_EPOCH ||
           error_code == ERROR_TRANSACTION_COORDINATOR_FENCED;
}

static void append_done(struct call *call)
{
    struct ledger *ledger = call->owner;
    struct ledger_entry *entry;
    ledger->appending = false;
    if (refuses_marker(call->error_code) && marker_flying(ledger) != NULL) {
        ledger->user->settle(ledger->owner, entry_pop(&ledger->flying), call->error_code);
        return;
    }
    if (call->error_code != ERROR_NONE) {
        ledger_lose(ledger, call->error_code);
        return;
    }
    ledger->losses = 0;
    if (ledger->cut_count > 0) {
        entry_next(ledger)->sent_count = ledger->cut_count;
        ledger->cut_count = 0;
        return;
    }
    while ((entry = entry_pop(&ledger->flying)) != NULL) {
        ledger->user->settle(ledger->owner, entry, ERROR_NONE);
    }
}

bool ledger_would_send(struct ledger *ledger)
{
    if (ledger->state != LEDGER_READY || ledger->appending) {
        return false;
    }
    struct ledger_entry *entry;
    while ((entry = entry_next(ledger)) != NULL && entry->record_count == 0 &&
           entry->marker.len == 0) {
        list_remove(&entry->node);
        ledger->user->settle(ledger->owner, entry, ERROR_NONE);
    }
    return entry != NULL;
}

void ledger_send(struct ledger *ledger)
{
    const uint64_t bytes = batch_gather(ledger);
    if (bytes > SLOW_APPEND_BYTES_MAX) {
        ledger_lose(ledger, ERROR_MESSAGE_TOO_LARGE);
        return;
    }
    const struct ledger_entry *marker = marker_flying(ledger);
    if (bytes > ledger->batch_capacity) {
        ledger->batch_capacity = (uint32_t)bytes;
        ledger->batch = realloc(ledger->batch, bytes);
        ASSERT(ledger->batch != NULL);
    }
    ledger->append =
        (struct call){.kind = CALL_APPEND,
                      .id = ledger->id,
                      .leader_epoch = ledger->leader_epoch,
                      .batch = marker != NULL ? marker->marker : batch_build(ledger, bytes),
                      .txn_version = marker != NULL ? marker->marker_version : 0,
                      .done = append_done,
                      .owner = ledger};
    ledger->appending = true;
    ledger->appends++;
    call_start(ledger->calls, &ledger->append);
}
