#include "storage/log/producer_state.h"

enum {
    NONE = UINT32_MAX,
    BUCKETS_MIN = 16,
    EVICT_LOOKS = 64, /* Entries looked at for one to forget. */
};

struct producer_entry {
    struct producer_values values;
    struct producer_state *state; /* NULL while the entry is free. */
    uint32_t hash_next;           /* In its bucket; next free entry while free. */
    uint32_t state_prev;          /* In its partition, by arrival. */
    uint32_t state_next;
    uint32_t use_prev; /* In the pool, by last use. */
    uint32_t use_next;
    uint32_t open_prev; /* In its partition, while a transaction is open. */
    uint32_t open_next;
    uint32_t undos; /* Undo records that name this entry: it must stay. */
};

/* What an entry was before a batch. */
struct producer_undo {
    struct producer_values before;
    int64_t offset; /* Base offset of the batch. */
    uint32_t entry;
    uint32_t prev; /* In the partition, by offset. */
    uint32_t next;
    bool created; /* There was no entry before. */
};

static uint32_t bucket_count(uint32_t entry_capacity)
{
    uint32_t count = BUCKETS_MIN;
    while (count < entry_capacity) {
        count *= 2;
    }
    return count;
}

size_t producer_pool_memory_bytes(uint32_t entry_capacity, uint32_t undo_capacity)
{
    return (size_t)entry_capacity * sizeof(struct producer_entry) +
           (size_t)undo_capacity * sizeof(struct producer_undo) +
           (size_t)bucket_count(entry_capacity) * sizeof(uint32_t);
}

void producer_pool_init(struct producer_pool *pool, void *memory, uint32_t entry_capacity,
                        uint32_t undo_capacity)
{
    struct producer_entry *entries = memory;
    struct producer_undo *undos = (struct producer_undo *)(void *)(entries + entry_capacity);
    *pool = (struct producer_pool){
        .entries = entries,
        .undos = undos,
        .buckets = (uint32_t *)(void *)(undos + undo_capacity),
        .bucket_mask = bucket_count(entry_capacity) - 1,
        .entry_capacity = entry_capacity,
        .undo_capacity = undo_capacity,
        .entry_free = NONE,
        .undo_free = NONE,
        .oldest = NONE,
        .newest = NONE,
    };
    for (uint32_t i = 0; i <= pool->bucket_mask; i++) {
        pool->buckets[i] = NONE;
    }
}

/* Partition and producer, mixed (the finaliser of MurmurHash3). */
static uint32_t *bucket_of(const struct producer_pool *pool, uint32_t number, int64_t producer_id)
{
    uint64_t key = (uint64_t)producer_id + (uint64_t)number * 0x9e3779b97f4a7c15u;
    key = (key ^ (key >> 33)) * 0xff51afd7ed558ccdu;
    key = (key ^ (key >> 33)) * 0xc4ceb9fe1a85ec53u;
    return &pool->buckets[(uint32_t)(key ^ (key >> 33)) & pool->bucket_mask];
}

static uint32_t find(const struct producer_state *state, int64_t producer_id)
{
    const struct producer_pool *pool = state->pool;
    uint32_t at = *bucket_of(pool, state->number, producer_id);
    while (at != NONE && (pool->entries[at].state != state ||
                          pool->entries[at].values.producer_id != producer_id)) {
        at = pool->entries[at].hash_next;
    }
    return at;
}

/* Not one whose batches were never taken. */
static uint32_t find_known(const struct producer_state *state, int64_t producer_id)
{
    const uint32_t at = find(state, producer_id);
    return at == NONE || state->pool->entries[at].values.tentative ? NONE : at;
}

static void use_unlink(struct producer_pool *pool, uint32_t at)
{
    const struct producer_entry *entry = &pool->entries[at];
    *(entry->use_prev == NONE ? &pool->oldest : &pool->entries[entry->use_prev].use_next) =
        entry->use_next;
    *(entry->use_next == NONE ? &pool->newest : &pool->entries[entry->use_next].use_prev) =
        entry->use_prev;
}

static void use_link_newest(struct producer_pool *pool, uint32_t at)
{
    struct producer_entry *entry = &pool->entries[at];
    entry->use_prev = pool->newest;
    entry->use_next = NONE;
    *(pool->newest == NONE ? &pool->oldest : &pool->entries[pool->newest].use_next) = at;
    pool->newest = at;
}

static void touch(struct producer_pool *pool, uint32_t at)
{
    use_unlink(pool, at);
    use_link_newest(pool, at);
}

static void open_unlink(struct producer_pool *pool, const struct producer_entry *entry)
{
    struct producer_state *state = entry->state;
    *(entry->open_prev == NONE ? &state->open_first : &pool->entries[entry->open_prev].open_next) =
        entry->open_next;
    *(entry->open_next == NONE ? &state->open_last : &pool->entries[entry->open_next].open_prev) =
        entry->open_prev;
}

/* By first offset; nearly always at the end. */
static void open_link(struct producer_pool *pool, uint32_t at, int64_t first_offset)
{
    struct producer_entry *entry = &pool->entries[at];
    struct producer_state *state = entry->state;
    uint32_t before = state->open_last;
    while (before != NONE && pool->entries[before].values.txn_first_offset > first_offset) {
        before = pool->entries[before].open_prev;
    }
    entry->open_prev = before;
    entry->open_next = before == NONE ? state->open_first : pool->entries[before].open_next;
    *(before == NONE ? &state->open_first : &pool->entries[before].open_next) = at;
    *(entry->open_next == NONE ? &state->open_last : &pool->entries[entry->open_next].open_prev) =
        at;
}

/* Every change of an entry's values goes through here: it keeps the list of open transactions. */
static void set_values(struct producer_pool *pool, uint32_t at,
                       const struct producer_values *values)
{
    struct producer_entry *entry = &pool->entries[at];
    const int64_t before = entry->values.txn_first_offset;
    if (before >= 0 && before != values->txn_first_offset) {
        open_unlink(pool, entry);
    }
    if (values->txn_first_offset >= 0 && before != values->txn_first_offset) {
        open_link(pool, at, values->txn_first_offset);
    }
    entry->state->count += (uint32_t)entry->values.tentative;
    entry->state->count -= (uint32_t)values->tentative;
    entry->values = *values;
}

static struct producer_values empty_values(int64_t producer_id)
{
    return (struct producer_values){.producer_id = producer_id,
                                    .last_timestamp_ms = BATCH_NO_TIMESTAMP,
                                    .txn_first_offset = -1,
                                    .marker_offset = -1,
                                    .coordinator_epoch = -1,
                                    .epoch = BATCH_NO_PRODUCER_EPOCH,
                                    .tentative = true};
}

/* Unlinks an entry from everything and frees it. */
static void forget(struct producer_pool *pool, uint32_t at)
{
    struct producer_entry *entry = &pool->entries[at];
    struct producer_state *state = entry->state;
    const struct producer_values none = empty_values(entry->values.producer_id);
    ASSERT(entry->undos == 0);
    set_values(pool, at, &none);
    uint32_t *link = bucket_of(pool, state->number, entry->values.producer_id);
    while (*link != at) {
        link = &pool->entries[*link].hash_next;
    }
    *link = entry->hash_next;
    *(entry->state_prev == NONE ? &state->first : &pool->entries[entry->state_prev].state_next) =
        entry->state_next;
    *(entry->state_next == NONE ? &state->last : &pool->entries[entry->state_next].state_prev) =
        entry->state_prev;
    use_unlink(pool, at);
    entry->state = NULL;
    entry->hash_next = pool->entry_free;
    pool->entry_free = at;
    pool->entry_used--;
}

/* Brings an entry that may be forgotten to the old end of the list by last use. Those that must
 * stay go to the new end, so that the next search does not meet them again. */
static bool find_victim(struct producer_pool *pool)
{
    for (uint32_t i = 0; i < EVICT_LOOKS && pool->oldest != NONE; i++) {
        const struct producer_entry *entry = &pool->entries[pool->oldest];
        if (entry->undos == 0 && entry->values.txn_first_offset < 0) {
            return true;
        }
        touch(pool, pool->oldest);
    }
    return false;
}

static bool entry_is_free(const struct producer_pool *pool)
{
    return pool->entry_free != NONE || pool->entry_fresh < pool->entry_capacity;
}

static uint32_t entry_take(struct producer_pool *pool)
{
    const uint32_t at = pool->entry_free;
    if (at == NONE) {
        return pool->entry_fresh++;
    }
    pool->entry_free = pool->entries[at].hash_next;
    return at;
}

/* A new entry at the end of the partition's list, or NONE. */
static uint32_t create(struct producer_state *state, int64_t producer_id)
{
    struct producer_pool *pool = state->pool;
    if (!entry_is_free(pool)) {
        if (!find_victim(pool)) {
            return NONE;
        }
        forget(pool, pool->oldest);
        pool->evictions++;
    }
    const uint32_t at = entry_take(pool);
    struct producer_entry *entry = &pool->entries[at];
    pool->entry_used++;
    uint32_t *bucket = bucket_of(pool, state->number, producer_id);
    *entry = (struct producer_entry){.values = empty_values(producer_id),
                                     .state = state,
                                     .hash_next = *bucket,
                                     .state_prev = state->last,
                                     .state_next = NONE};
    *bucket = at;
    *(state->last == NONE ? &state->first : &pool->entries[state->last].state_next) = at;
    state->last = at;
    use_link_newest(pool, at);
    return at;
}

/* Takes an undo record out of its partition's list and frees it. */
static void undo_free(struct producer_state *state, uint32_t at)
{
    struct producer_pool *pool = state->pool;
    struct producer_undo *undo = &pool->undos[at];
    *(undo->prev == NONE ? &state->undo_first : &pool->undos[undo->prev].next) = undo->next;
    *(undo->next == NONE ? &state->undo_last : &pool->undos[undo->next].prev) = undo->prev;
    pool->entries[undo->entry].undos--;
    undo->next = pool->undo_free;
    pool->undo_free = at;
    pool->undo_used--;
}

/* From now on nothing at or below offset can be taken back. */
static void raise_floor(struct producer_state *state, int64_t offset)
{
    state->undo_floor = max_i64(state->undo_floor, offset + 1);
}

/* Gives up the oldest undo record of the partition. */
static void undo_drop_oldest(struct producer_state *state)
{
    raise_floor(state, state->pool->undos[state->undo_first].offset);
    undo_free(state, state->undo_first);
}

static uint32_t undo_take(struct producer_pool *pool)
{
    const uint32_t at = pool->undo_free;
    if (at == NONE) {
        return pool->undo_fresh++;
    }
    pool->undo_free = pool->undos[at].next;
    return at;
}

/* Keeps what the entry is now, before a batch at offset changes it. */
static void undo_keep(struct producer_state *state, uint32_t entry_at, bool created, int64_t offset)
{
    struct producer_pool *pool = state->pool;
    if (pool->undo_free == NONE && pool->undo_fresh == pool->undo_capacity) {
        pool->undos_lost++;
        if (state->undo_first == NONE) {
            raise_floor(state, offset);
            return;
        }
        undo_drop_oldest(state);
    }
    const uint32_t at = undo_take(pool);
    struct producer_undo *undo = &pool->undos[at];
    pool->undo_used++;
    *undo = (struct producer_undo){.before = pool->entries[entry_at].values,
                                   .offset = offset,
                                   .entry = entry_at,
                                   .prev = state->undo_last,
                                   .next = NONE,
                                   .created = created};
    *(state->undo_last == NONE ? &state->undo_first : &pool->undos[state->undo_last].next) = at;
    state->undo_last = at;
    pool->entries[entry_at].undos++;
}

void producer_state_init(struct producer_state *state, struct producer_pool *pool, int64_t offset)
{
    *state = (struct producer_state){.pool = pool,
                                     .number = pool->states++,
                                     .first = NONE,
                                     .last = NONE,
                                     .open_first = NONE,
                                     .open_last = NONE,
                                     .undo_first = NONE,
                                     .undo_last = NONE,
                                     .undo_floor = offset,
                                     .end_offset = offset};
}

void producer_state_clear(struct producer_state *state, int64_t offset)
{
    while (state->undo_first != NONE) {
        undo_free(state, state->undo_first);
    }
    while (state->first != NONE) {
        forget(state->pool, state->first);
    }
    state->undo_floor = offset;
    state->end_offset = offset;
}

static bool find_duplicate(const struct producer_values *values, const struct batch_header *header,
                           struct producer_duplicate *duplicate)
{
    const int32_t last_sequence = batch_last_sequence(header);
    for (uint32_t i = 0; i < values->batch_count; i++) {
        const struct producer_batch_mark *mark = &values->batches[i];
        if (mark->last_sequence == last_sequence &&
            batch_sequence_subtract(mark->last_sequence, mark->offset_delta) ==
                header->base_sequence) {
            *duplicate = (struct producer_duplicate){mark->last_offset - mark->offset_delta,
                                                     mark->last_offset, mark->timestamp_ms};
            return true;
        }
    }
    return false;
}

/* ProducerAppendInfo.checkSequence without the part for verified transactions. */
static bool sequence_fits(const struct producer_values *values, const struct batch_header *header)
{
    const int32_t sequence = header->base_sequence;
    if (values->epoch == BATCH_NO_PRODUCER_EPOCH) {
        return true;
    }
    if (values->epoch != header->producer_epoch) {
        return sequence == 0;
    }
    const int32_t last = values->batch_count == 0
                             ? BATCH_NO_SEQUENCE
                             : values->batches[values->batch_count - 1].last_sequence;
    return sequence == (int64_t)last + 1 || (sequence == 0 && last == INT32_MAX);
}

enum producer_status producer_state_check(struct producer_state *state,
                                          const struct batch_header *header,
                                          struct producer_duplicate *duplicate)
{
    struct producer_pool *pool = state->pool;
    const uint32_t at = find(state, header->producer_id);
    if (at == NONE) {
        return entry_is_free(pool) || find_victim(pool) ? PRODUCER_OK : PRODUCER_NO_ROOM;
    }
    touch(pool, at);
    if (pool->entries[at].values.tentative) {
        return PRODUCER_OK;
    }
    const struct producer_values *values = &pool->entries[at].values;
    const bool has_sequence = header->base_sequence >= 0;
    if (has_sequence && header->producer_epoch == values->epoch &&
        find_duplicate(values, header, duplicate)) {
        return PRODUCER_DUPLICATE;
    }
    if (header->producer_epoch < values->epoch) {
        return PRODUCER_STALE_EPOCH;
    }
    if (has_sequence && !sequence_fits(values, header)) {
        return PRODUCER_OUT_OF_ORDER;
    }
    if (values->txn_first_offset >= 0 && !batch_is_transactional(header)) {
        return PRODUCER_TXN_STATE;
    }
    return PRODUCER_OK;
}

/* Remembers the lowest sequence of a producer that is not known, in its highest epoch. */
static enum producer_status remember_lowest(struct producer_state *state,
                                            const struct batch_header *header, int64_t now_ms)
{
    uint32_t at = find(state, header->producer_id);
    const bool created = at == NONE;
    if (created) {
        at = create(state, header->producer_id);
        if (at == NONE) {
            return PRODUCER_NO_ROOM;
        }
    }
    struct producer_values *values = &state->pool->entries[at].values;
    struct producer_batch_mark *lowest = &values->batches[0];
    if (created || header->producer_epoch > values->epoch ||
        (header->producer_epoch == values->epoch &&
         header->base_sequence < lowest->last_sequence)) {
        values->epoch = header->producer_epoch;
        lowest->last_sequence = header->base_sequence;
    }
    if (created) {
        values->last_timestamp_ms = now_ms;
    }
    return PRODUCER_UNVERIFIED;
}

/* ProducerAppendInfo.checkSequence, of a producer without a batch in the log: behind one that was
 * refused nothing is taken, or that one would be out of order for good. */
static bool first_fits(const struct producer_state *state, const struct batch_header *header,
                       bool epoch_each)
{
    const uint32_t at = find(state, header->producer_id);
    return epoch_each ? header->base_sequence == 0
                      : at == NONE || header->base_sequence <=
                                          state->pool->entries[at].values.batches[0].last_sequence;
}

enum producer_status producer_state_verify(struct producer_state *state,
                                           const struct batch_header *header,
                                           const struct producer_verification *verification,
                                           int64_t now_ms)
{
    const uint32_t at = find_known(state, header->producer_id);
    const struct producer_values *values = at == NONE ? NULL : &state->pool->entries[at].values;
    if (values != NULL && values->txn_first_offset >= 0 &&
        values->epoch == header->producer_epoch) {
        return PRODUCER_OK;
    }
    if (!verification->verified) {
        return values != NULL || verification->epoch_each ? PRODUCER_UNVERIFIED
                                                          : remember_lowest(state, header, now_ms);
    }
    /* With an epoch each, a marker of this transaction would have fenced it; one of its own epoch
     * ended the transaction before it, and came while the coordinator was asked. */
    if (!verification->epoch_each && values != NULL &&
        values->marker_offset >= verification->asked_at) {
        return PRODUCER_TXN_STATE;
    }
    if (values == NULL && !first_fits(state, header, verification->epoch_each)) {
        return PRODUCER_OUT_OF_ORDER;
    }
    return PRODUCER_OK;
}

enum producer_status producer_state_check_marker(struct producer_state *state,
                                                 const struct batch_header *header,
                                                 int32_t coordinator_epoch, bool epoch_each)
{
    struct producer_pool *pool = state->pool;
    const uint32_t at = find(state, header->producer_id);
    if (at == NONE) {
        return entry_is_free(pool) || find_victim(pool) ? PRODUCER_OK : PRODUCER_NO_ROOM;
    }
    if (pool->entries[at].values.tentative) {
        touch(pool, at);
        return PRODUCER_OK;
    }
    const struct producer_values *values = &pool->entries[at].values;
    const bool equal = header->producer_epoch == values->epoch;
    if (header->producer_epoch < values->epoch ||
        (epoch_each && equal && values->txn_first_offset >= 0)) {
        return PRODUCER_STALE_EPOCH;
    }
    touch(pool, at); /* It must stay until the marker is recorded. */
    return values->coordinator_epoch > coordinator_epoch ? PRODUCER_FENCED : PRODUCER_OK;
}

/* Finds or creates the entry of a batch about to be recorded and keeps its undo record. */
static uint32_t prepare(struct producer_state *state, const struct batch_header *header, bool undo)
{
    uint32_t at = find(state, header->producer_id);
    const bool created = at == NONE;
    if (created) {
        at = create(state, header->producer_id);
        if (at == NONE) {
            return NONE;
        }
    }
    if (undo) {
        undo_keep(state, at, created, header->base_offset);
    } else {
        raise_floor(state, header->base_offset);
        producer_state_settle(state, header->base_offset); /* Older records lead nowhere now. */
    }
    touch(state->pool, at);
    return at;
}

static void set_epoch(struct producer_values *values, int16_t epoch)
{
    if (values->epoch != epoch) {
        values->epoch = epoch;
        values->batch_count = 0;
    }
}

static void add_batch(struct producer_values *values, const struct batch_header *header)
{
    if (values->batch_count == PRODUCER_BATCHES) {
        memmove(values->batches, values->batches + 1,
                (PRODUCER_BATCHES - 1) * sizeof(values->batches[0]));
        values->batch_count--;
    }
    values->batches[values->batch_count++] = (struct producer_batch_mark){
        .last_offset = batch_last_offset(header),
        .timestamp_ms = header->max_timestamp_ms,
        .last_sequence = batch_last_sequence(header),
        .offset_delta = header->last_offset_delta,
    };
}

enum producer_status producer_state_append(struct producer_state *state,
                                           const struct batch_header *header, bool undo)
{
    if (batch_has_producer(header)) {
        const uint32_t at = prepare(state, header, undo);
        if (at == NONE) {
            return PRODUCER_NO_ROOM;
        }
        struct producer_entry *entry = &state->pool->entries[at];
        struct producer_values values = entry->values;
        values.tentative = false;
        set_epoch(&values, header->producer_epoch);
        add_batch(&values, header);
        values.last_timestamp_ms = header->max_timestamp_ms;
        if (batch_is_transactional(header) && values.txn_first_offset < 0) {
            values.txn_first_offset = header->base_offset;
        }
        set_values(state->pool, at, &values);
    }
    producer_state_pass(state, header);
    return PRODUCER_OK;
}

enum producer_status producer_state_end_txn(struct producer_state *state,
                                            const struct batch_header *header,
                                            int32_t coordinator_epoch, int64_t timestamp_ms,
                                            bool undo)
{
    const uint32_t at = prepare(state, header, undo);
    if (at == NONE) {
        return PRODUCER_NO_ROOM;
    }
    struct producer_entry *entry = &state->pool->entries[at];
    struct producer_values values = entry->values;
    values.tentative = false;
    set_epoch(&values, header->producer_epoch);
    values.coordinator_epoch = coordinator_epoch;
    values.txn_first_offset = -1;
    values.marker_offset = header->base_offset;
    values.last_timestamp_ms = timestamp_ms;
    set_values(state->pool, at, &values);
    state->end_offset = batch_last_offset(header) + 1;
    return PRODUCER_OK;
}

void producer_state_settle(struct producer_state *state, int64_t offset)
{
    while (state->undo_first != NONE && state->pool->undos[state->undo_first].offset < offset) {
        undo_drop_oldest(state);
    }
}

enum producer_status producer_state_truncate(struct producer_state *state, int64_t offset)
{
    struct producer_pool *pool = state->pool;
    if (offset >= state->end_offset) {
        return PRODUCER_OK;
    }
    if (offset < state->undo_floor) {
        producer_state_clear(state, offset);
        return PRODUCER_REBUILD;
    }
    while (state->undo_last != NONE && pool->undos[state->undo_last].offset >= offset) {
        const uint32_t at = state->undo_last;
        const struct producer_undo undo = pool->undos[at];
        undo_free(state, at);
        if (undo.created) {
            forget(pool, undo.entry);
        } else {
            set_values(pool, undo.entry, &undo.before);
        }
    }
    state->end_offset = offset;
    return PRODUCER_OK;
}

int64_t producer_state_first_open_txn(const struct producer_state *state)
{
    return state->open_first == NONE
               ? -1
               : state->pool->entries[state->open_first].values.txn_first_offset;
}

int64_t producer_state_first_open_txn_at(const struct producer_state *state, int64_t offset)
{
    const struct producer_undo *undos = state->pool->undos;
    int64_t first = producer_state_first_open_txn(state);
    for (uint32_t at = state->undo_last; at != NONE && undos[at].offset >= offset;
         at = undos[at].prev) {
        const int64_t before = undos[at].before.txn_first_offset;
        if (before >= 0) {
            first = first < 0 ? before : min_i64(first, before);
        }
    }
    return first;
}

bool producer_state_find(const struct producer_state *state, int64_t producer_id,
                         struct producer_values *values)
{
    const uint32_t at = find_known(state, producer_id);
    if (at == NONE) {
        return false;
    }
    *values = state->pool->entries[at].values;
    return true;
}

bool producer_state_next(const struct producer_state *state, uint32_t *cursor,
                         struct producer_values *values)
{
    const struct producer_pool *pool = state->pool;
    uint32_t at = *cursor == 0 ? state->first : pool->entries[*cursor - 1].state_next;
    while (at != NONE && pool->entries[at].values.tentative) {
        at = pool->entries[at].state_next;
    }
    if (at == NONE) {
        return false;
    }
    *cursor = at + 1;
    *values = pool->entries[at].values;
    return true;
}

void producer_state_export(const struct producer_state *state, uint8_t *to)
{
    uint32_t cursor = 0;
    uint32_t count = 0;
    struct producer_values values;
    while (producer_state_next(state, &cursor, &values)) {
        const struct producer_batch_mark none = {.last_offset = -1,
                                                 .last_sequence = BATCH_NO_SEQUENCE};
        const struct producer_batch_mark *last =
            values.batch_count == 0 ? &none : &values.batches[values.batch_count - 1];
        const struct producer_snapshot_entry entry = {
            .producer_id = values.producer_id,
            .epoch = values.epoch,
            .last_sequence = last->last_sequence,
            .last_offset = last->last_offset,
            .offset_delta = last->offset_delta,
            .timestamp_ms = values.last_timestamp_ms,
            .coordinator_epoch = values.coordinator_epoch,
            .txn_first_offset = values.txn_first_offset,
        };
        producer_snapshot_write(to, count++, &entry);
    }
    ASSERT(count == state->count);
    producer_snapshot_seal(to, count);
}

enum producer_status producer_state_load(struct producer_state *state,
                                         const struct producer_snapshot_entry *entry)
{
    uint32_t at = find(state, entry->producer_id);
    if (at == NONE) {
        at = create(state, entry->producer_id);
        if (at == NONE) {
            return PRODUCER_NO_ROOM;
        }
    }
    struct producer_values values = empty_values(entry->producer_id);
    values.tentative = false;
    values.epoch = entry->epoch;
    values.coordinator_epoch = entry->coordinator_epoch;
    values.last_timestamp_ms = entry->timestamp_ms;
    values.txn_first_offset = entry->txn_first_offset >= 0 ? entry->txn_first_offset : -1;
    if (entry->last_offset >= 0) {
        values.batches[values.batch_count++] = (struct producer_batch_mark){
            entry->last_offset, entry->timestamp_ms, entry->last_sequence, entry->offset_delta};
        raise_floor(state, entry->last_offset);
    }
    set_values(state->pool, at, &values);
    return PRODUCER_OK;
}

enum producer_status producer_state_restore(struct producer_state *state,
                                            const struct producer_values *values)
{
    uint32_t at = find(state, values->producer_id);
    if (at == NONE) {
        at = create(state, values->producer_id);
        if (at == NONE) {
            return PRODUCER_NO_ROOM;
        }
    }
    if (values->batch_count > 0) {
        raise_floor(state, values->batches[values->batch_count - 1].last_offset);
    }
    set_values(state->pool, at, values);
    return PRODUCER_OK;
}

uint32_t producer_pool_expire(struct producer_pool *pool, int64_t now_ms, int64_t expiration_ms,
                              uint32_t budget)
{
    uint32_t forgotten = 0;
    for (uint32_t i = 0; i < min_u32(budget, pool->entry_fresh); i++) {
        const uint32_t at = pool->sweep;
        pool->sweep = at + 1 == pool->entry_fresh ? 0 : at + 1;
        const struct producer_entry *entry = &pool->entries[at];
        if (entry->state != NULL && entry->undos == 0 &&
            producer_expired(entry->values.last_timestamp_ms, entry->values.txn_first_offset,
                             now_ms, expiration_ms)) {
            forget(pool, at);
            forgotten++;
        }
    }
    return forgotten;
}

static bool entry_invariants(const struct producer_pool *pool, uint32_t at)
{
    const struct producer_entry *entry = &pool->entries[at];
    const struct producer_values *values = &entry->values;
    bool good = values->batch_count <= PRODUCER_BATCHES;
    good &= find(entry->state, values->producer_id) == at;
    good &= entry->state_prev == NONE ? entry->state->first == at
                                      : pool->entries[entry->state_prev].state_next == at;
    good &= entry->state_next == NONE ? entry->state->last == at
                                      : pool->entries[entry->state_next].state_prev == at;
    uint32_t undos = 0;
    for (uint32_t i = entry->state->undo_first; i != NONE; i = pool->undos[i].next) {
        undos += pool->undos[i].entry == at;
        good &= pool->undos[i].offset >= entry->state->undo_floor;
    }
    return good && undos == entry->undos;
}

bool producer_pool_invariants(const struct producer_pool *pool)
{
    uint32_t used = 0;
    uint32_t undos = 0;
    bool good = true;
    for (uint32_t i = pool->oldest; i != NONE && good; i = pool->entries[i].use_next) {
        used++;
        undos += pool->entries[i].undos;
        good = pool->entries[i].state != NULL && entry_invariants(pool, i);
    }
    uint32_t free = 0;
    for (uint32_t i = pool->entry_free; i != NONE; i = pool->entries[i].hash_next) {
        free++;
    }
    return good && used == pool->entry_used && undos == pool->undo_used &&
           used + free == pool->entry_fresh && pool->entry_fresh <= pool->entry_capacity &&
           pool->undo_fresh <= pool->undo_capacity;
}
