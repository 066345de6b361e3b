#include "dataplane/net/neighbor.h"

static const uint64_t ns_per_ms = 1000000;

size_t neighbor_memory_bytes(uint16_t capacity)
{
    size_t heads = 1;
    while (heads < capacity) {
        heads *= 2;
    }
    return capacity * sizeof(struct neighbor) + heads * sizeof(uint16_t);
}

void neighbor_init(struct neighbor_table *table, void *memory, uint16_t capacity)
{
    uint32_t heads = 1;
    while (heads < capacity) {
        heads *= 2;
    }
    *table = (struct neighbor_table){.entries = memory,
                                     .capacity = capacity,
                                     .head_mask = (uint16_t)(heads - 1),
                                     .next_ns = UINT64_MAX};
    table->heads = (uint16_t *)(void *)(table->entries + capacity);
    for (uint32_t i = 0; i < heads; i++) {
        table->heads[i] = NEIGHBOR_NONE;
    }
    for (uint32_t i = 0; i < capacity; i++) {
        list_init(&table->entries[i].waiting);
    }
    list_init(&table->resolved);
    list_init(&table->dropped);
}

static uint16_t *head_of(struct neighbor_table *table, uint32_t v4)
{
    return &table->heads[(uint16_t)((v4 * 0x9e3779b1u) >> 16) & table->head_mask];
}

static uint16_t find(struct neighbor_table *table, uint32_t v4)
{
    uint16_t at = *head_of(table, v4);
    while (at != NEIGHBOR_NONE && table->entries[at].v4 != v4) {
        at = table->entries[at].hash_next;
    }
    return at;
}

static void set_due(struct neighbor_table *table, struct neighbor *entry, uint64_t at_ns)
{
    entry->next_ns = at_ns;
    table->next_ns = min_u64(table->next_ns, at_ns);
}

static void forget(struct neighbor_table *table, uint16_t index)
{
    struct neighbor *entry = &table->entries[index];
    uint16_t *link = head_of(table, entry->v4);
    while (*link != index) {
        link = &table->entries[*link].hash_next;
    }
    *link = entry->hash_next;
    list_append_all(&table->dropped, &entry->waiting);
    table->waiting -= entry->waiting_count;
    entry->waiting_count = 0;
    entry->state = NEIGHBOR_FREE;
    table->used--;
    table->generation++;
}

/* Those that never answered go before those that did: who invents addresses evicts his own. */
static bool goes_before(const struct neighbor *entry, const struct neighbor *other)
{
    const bool unknown = entry->state == NEIGHBOR_INCOMPLETE;
    return unknown == (other->state == NEIGHBOR_INCOMPLETE) ? entry->used_ns < other->used_ns
                                                            : unknown;
}

static uint16_t take_free(struct neighbor_table *table)
{
    uint16_t oldest = 0;
    for (uint16_t i = 0; i < table->capacity; i++) {
        if (table->entries[i].state == NEIGHBOR_FREE) {
            return i;
        }
        if (goes_before(&table->entries[i], &table->entries[oldest])) {
            oldest = i;
        }
    }
    forget(table, oldest);
    table->evicted++;
    return oldest;
}

static uint16_t make(struct neighbor_table *table, uint32_t v4, uint64_t now_ns)
{
    const uint16_t index = take_free(table);
    struct neighbor *entry = &table->entries[index];
    uint16_t *head = head_of(table, v4);
    entry->v4 = v4;
    entry->hash_next = *head;
    entry->state = NEIGHBOR_INCOMPLETE;
    entry->requests = 0;
    entry->used_ns = now_ns;
    *head = index;
    table->used++;
    set_due(table, entry, now_ns);
    return index;
}

uint16_t neighbor_look_up(struct neighbor_table *table, uint32_t v4, uint64_t now_ns)
{
    const uint16_t index = find(table, v4);
    if (index == NEIGHBOR_NONE) {
        return make(table, v4, now_ns);
    }
    table->entries[index].used_ns = max_u64(table->entries[index].used_ns, now_ns);
    return index;
}

bool neighbor_wait(struct neighbor_table *table, uint16_t index, struct list_node *frame)
{
    struct neighbor *entry = &table->entries[index];
    if (entry->waiting_count == NEIGHBOR_WAITING_MAX) {
        return false;
    }
    entry->waiting_count++;
    table->waiting++;
    list_push_back(&entry->waiting, frame);
    return true;
}

void neighbor_learn(struct neighbor_table *table, uint32_t v4, const struct mac *mac, bool create,
                    uint64_t now_ns)
{
    uint16_t index = find(table, v4);
    if (index == NEIGHBOR_NONE) {
        if (!create) {
            return;
        }
        index = make(table, v4, now_ns);
    }
    struct neighbor *entry = &table->entries[index];
    if (entry->state == NEIGHBOR_INCOMPLETE || !mac_equal(&entry->mac, mac)) {
        entry->mac = *mac;
        table->generation++;
    }
    entry->state = NEIGHBOR_REACHABLE;
    entry->requests = 0;
    list_append_all(&table->resolved, &entry->waiting);
    table->waiting -= entry->waiting_count;
    entry->waiting_count = 0;
    set_due(table, entry, now_ns + NEIGHBOR_REACHABLE_MS * ns_per_ms);
}

/* One entry whose time has come. True when a request is to be sent. */
static bool entry_due(struct neighbor_table *table, uint16_t index, uint64_t now_ns,
                      struct neighbor_request *request)
{
    struct neighbor *entry = &table->entries[index];
    if (entry->state == NEIGHBOR_REACHABLE) {
        const uint64_t unused_ns = now_ns - entry->used_ns;
        if (unused_ns >= NEIGHBOR_UNUSED_MS * ns_per_ms) {
            forget(table, index);
            return false;
        }
        if (unused_ns >= NEIGHBOR_REACHABLE_MS * ns_per_ms) {
            set_due(table, entry, entry->used_ns + NEIGHBOR_UNUSED_MS * ns_per_ms);
            return false;
        }
        entry->state = NEIGHBOR_PROBING;
        entry->requests = 0;
    }
    if (entry->requests == NEIGHBOR_REQUESTS_MAX) {
        if (entry->state == NEIGHBOR_INCOMPLETE) {
            table->failed++;
            forget(table, index);
            return false;
        }
        entry->state = NEIGHBOR_INCOMPLETE; /* Someone else may have the address now. */
        entry->requests = 0;
        table->generation++;
    }
    entry->requests++;
    set_due(table, entry, now_ns + NEIGHBOR_RETRY_MS * ns_per_ms);
    *request = (struct neighbor_request){entry->v4, entry->mac, entry->state != NEIGHBOR_PROBING};
    return true;
}

bool neighbor_due(struct neighbor_table *table, uint64_t now_ns, struct neighbor_request *request)
{
    if (now_ns < table->next_ns) {
        return false;
    }
    for (uint16_t i = 0; i < table->capacity; i++) {
        struct neighbor *entry = &table->entries[i];
        if (entry->state != NEIGHBOR_FREE && entry->next_ns <= now_ns &&
            entry_due(table, i, now_ns, request)) {
            return true;
        }
    }
    table->next_ns = UINT64_MAX;
    for (uint16_t i = 0; i < table->capacity; i++) {
        if (table->entries[i].state != NEIGHBOR_FREE) {
            table->next_ns = min_u64(table->next_ns, table->entries[i].next_ns);
        }
    }
    return false;
}
