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

static uint16_t *head_of(struct neighbor_table *table, const struct address *address)
{
    uint64_t words[2];
    memcpy(words, address, sizeof(words));
    const uint64_t mixed = (words[0] ^ words[1]) * UINT64_C(0x9e3779b97f4a7c15);
    return &table->heads[(uint16_t)(mixed >> 48) & table->head_mask];
}

static uint16_t find(struct neighbor_table *table, const struct address *address)
{
    uint16_t at = *head_of(table, address);
    while (at != NEIGHBOR_NONE && !address_equal(&table->entries[at].address, address)) {
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
    uint16_t *link = head_of(table, &entry->address);
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

static uint16_t make(struct neighbor_table *table, const struct address *address, uint64_t now_ns)
{
    const uint16_t index = take_free(table);
    struct neighbor *entry = &table->entries[index];
    uint16_t *head = head_of(table, address);
    entry->address = *address;
    entry->hash_next = *head;
    entry->state = NEIGHBOR_INCOMPLETE;
    entry->requests = 0;
    entry->used_ns = now_ns;
    *head = index;
    table->used++;
    set_due(table, entry, now_ns);
    return index;
}

uint16_t neighbor_look_up(struct neighbor_table *table, const struct address *address,
                          uint64_t now_ns)
{
    const uint16_t index = find(table, address);
    if (index == NEIGHBOR_NONE) {
        return make(table, address, now_ns);
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

/* RFC 4861 7.2.5, and 7.2.3 for what a solicitation says. */
void neighbor_learn(struct neighbor_table *table, const struct address *address,
                    const struct mac *mac, uint8_t how, uint64_t now_ns)
{
    uint16_t index = find(table, address);
    if (index == NEIGHBOR_NONE) {
        if ((how & NEIGHBOR_CREATE) == 0 || mac == NULL) {
            return;
        }
        index = make(table, address, now_ns);
    }
    struct neighbor *entry = &table->entries[index];
    const bool known = entry->state != NEIGHBOR_INCOMPLETE;
    const bool same = known && (mac == NULL || mac_equal(&entry->mac, mac));
    const bool confirms = (how & NEIGHBOR_CONFIRM) != 0;
    if ((!known && mac == NULL) || (same && !confirms) ||
        (known && !same && (how & NEIGHBOR_OVERRIDE) == 0 && entry->state != NEIGHBOR_REACHABLE)) {
        return;
    }
    const bool taken = !known || same || (how & NEIGHBOR_OVERRIDE) != 0;
    if (!same && taken) {
        entry->mac = *mac;
        table->generation++;
    }
    entry->state = confirms && taken ? NEIGHBOR_REACHABLE : NEIGHBOR_STALE;
    entry->requests = 0;
    list_append_all(&table->resolved, &entry->waiting);
    table->waiting -= entry->waiting_count;
    entry->waiting_count = 0;
    const uint32_t due_ms =
        entry->state == NEIGHBOR_STALE ? NEIGHBOR_STALE_MS : NEIGHBOR_REACHABLE_MS;
    set_due(table, entry, now_ns + due_ms * ns_per_ms);
}

/* One entry whose time has come. True when a request is to be sent. */
static bool entry_due(struct neighbor_table *table, uint16_t index, uint64_t now_ns,
                      struct neighbor_request *request)
{
    struct neighbor *entry = &table->entries[index];
    if (entry->state == NEIGHBOR_REACHABLE || entry->state == NEIGHBOR_STALE) {
        const uint64_t unused_ns = now_ns - entry->used_ns;
        const bool stale = entry->state == NEIGHBOR_STALE;
        if (unused_ns >= NEIGHBOR_UNUSED_MS * ns_per_ms) {
            forget(table, index);
            return false;
        }
        if (stale && unused_ns >= NEIGHBOR_STALE_MS * ns_per_ms) {
            set_due(table, entry, now_ns + NEIGHBOR_STALE_MS * ns_per_ms);
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
    *request =
        (struct neighbor_request){entry->address, entry->mac, entry->state != NEIGHBOR_PROBING};
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
