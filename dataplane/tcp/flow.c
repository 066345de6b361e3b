#include "dataplane/tcp/flow.h"

static uint32_t entry_count(uint32_t count_max)
{
    uint32_t count = 16;
    while (count < count_max + count_max / 2) { /* At most two thirds full. */
        count *= 2;
    }
    return count;
}

size_t flow_memory_bytes(uint32_t count_max)
{
    return entry_count(count_max) * sizeof(struct flow_entry);
}

void flow_init(struct flow_table *table, void *memory, uint32_t count_max, const uint64_t secret[2])
{
    *table = (struct flow_table){.entries = memory,
                                 .mask = entry_count(count_max) - 1,
                                 .secret = {secret[0] | 1, secret[1] | 1}};
    memset(memory, 0xff, flow_memory_bytes(count_max));
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t flow_hash(const struct flow_table *table, const struct flow_key *key)
{
    uint64_t words[4];
    uint32_t ports;
    memcpy(words, key, sizeof(words));
    memcpy(&ports, &key->remote_port, sizeof(ports));
    uint64_t hash = fold(words[0] ^ table->secret[0], words[1] ^ table->secret[1]);
    hash = fold(hash ^ words[2] ^ table->secret[1], words[3] ^ table->secret[0]);
    hash = fold(hash ^ ports ^ table->secret[0], table->secret[1]);
    return (uint32_t)(hash ^ hash >> 32);
}

uint32_t flow_next(const struct flow_table *table, uint32_t hash, uint32_t *at)
{
    uint32_t i = *at == (uint32_t)FLOW_EMPTY ? hash & table->mask : (*at + 1) & table->mask;
    while (table->entries[i].value != (uint32_t)FLOW_EMPTY) {
        if (table->entries[i].hash == hash) {
            *at = i;
            return table->entries[i].value;
        }
        i = (i + 1) & table->mask;
    }
    return FLOW_EMPTY;
}

void flow_insert(struct flow_table *table, uint32_t hash, uint32_t value)
{
    ASSERT(table->used < table->mask);
    uint32_t i = hash & table->mask;
    while (table->entries[i].value != (uint32_t)FLOW_EMPTY) {
        i = (i + 1) & table->mask;
    }
    table->entries[i] = (struct flow_entry){hash, value};
    table->used++;
}

static uint32_t find(const struct flow_table *table, uint32_t hash, uint32_t value)
{
    uint32_t i = hash & table->mask;
    while (table->entries[i].value != value || table->entries[i].hash != hash) {
        ASSERT(table->entries[i].value != (uint32_t)FLOW_EMPTY);
        i = (i + 1) & table->mask;
    }
    return i;
}

void flow_remove(struct flow_table *table, uint32_t hash, uint32_t value)
{
    uint32_t hole = find(table, hash, value);
    uint32_t i = hole;
    for (;;) { /* What follows moves up, so that no search ends at the hole. */
        i = (i + 1) & table->mask;
        const struct flow_entry *entry = &table->entries[i];
        if (entry->value == (uint32_t)FLOW_EMPTY) {
            break;
        }
        const uint32_t distance = (i - (entry->hash & table->mask)) & table->mask;
        if (distance >= ((i - hole) & table->mask)) {
            table->entries[hole] = *entry;
            hole = i;
        }
    }
    table->entries[hole].value = FLOW_EMPTY;
    table->used--;
}
