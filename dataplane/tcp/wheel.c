#include "dataplane/tcp/wheel.h"

static const uint64_t tick_max = UINT64_MAX >> WHEEL_TICK_BITS;

void wheel_init(struct wheel *wheel, uint64_t now_ns)
{
    *wheel = (struct wheel){.now = now_ns >> WHEEL_TICK_BITS, .due = UINT64_MAX};
    for (uint32_t i = 0; i < WHEEL_LEVELS * WHEEL_SLOTS; i++) {
        list_init(&wheel->slots[i]);
    }
}

static void place(struct wheel *wheel, struct wheel_node *node)
{
    const uint64_t tick = max_u64(node->tick, wheel->now);
    const uint64_t differs = tick ^ wheel->now;
    const uint32_t level = differs == 0 ? 0 : (uint32_t)(63 - __builtin_clzll(differs)) / 8;
    const uint32_t slot = (uint32_t)(tick >> (8 * level)) & (WHEEL_SLOTS - 1);
    node->slot = (uint16_t)(level * WHEEL_SLOTS + slot);
    list_push_back(&wheel->slots[node->slot], &node->node);
    wheel->occupied[level][slot / 64] |= (uint64_t)1 << slot % 64;
}

static void unplace(struct wheel *wheel, struct wheel_node *node)
{
    list_remove(&node->node);
    if (list_empty(&wheel->slots[node->slot])) {
        const uint32_t slot = node->slot % WHEEL_SLOTS;
        wheel->occupied[node->slot / WHEEL_SLOTS][slot / 64] &= ~((uint64_t)1 << slot % 64);
    }
}

void wheel_arm(struct wheel *wheel, struct wheel_node *node, uint64_t deadline_ns)
{
    const uint64_t up = ((uint64_t)1 << WHEEL_TICK_BITS) - 1; /* Rounded up: never early. */
    wheel_cancel(wheel, node);
    const uint64_t tick = (deadline_ns >> WHEEL_TICK_BITS) + ((deadline_ns & up) != 0);
    node->tick = min_u64(tick, tick_max);
    place(wheel, node);
    wheel->due = min_u64(wheel->due, node->tick);
    wheel->count++;
}

void wheel_cancel(struct wheel *wheel, struct wheel_node *node)
{
    if (wheel_armed(node)) {
        unplace(wheel, node);
        wheel->count--;
    }
}

/* The first occupied slot of a level at or after `from`, or WHEEL_SLOTS. */
static uint32_t next_slot(const struct wheel *wheel, uint32_t level, uint32_t from)
{
    for (uint32_t word = from / 64; word < WHEEL_SLOTS / 64; word++) {
        uint64_t bits = wheel->occupied[level][word];
        if (word == from / 64) {
            bits &= ~(uint64_t)0 << from % 64;
        }
        if (bits != 0) {
            return word * 64 + (uint32_t)__builtin_ctzll(bits);
        }
    }
    return WHEEL_SLOTS;
}

/* The occupied slot that comes first, and the tick at which it begins. */
static uint32_t first_slot(const struct wheel *wheel, uint64_t *tick)
{
    *tick = wheel->now; /* Slots that have begun are emptied first: what they hold may be due. */
    for (uint32_t level = WHEEL_LEVELS - 1; level > 0; level--) {
        const uint32_t here = (uint32_t)(wheel->now >> (8 * level)) & (WHEEL_SLOTS - 1);
        if (wheel->occupied[level][here / 64] >> here % 64 & 1) {
            return level * WHEEL_SLOTS + here;
        }
    }
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        const uint32_t here = (uint32_t)(wheel->now >> (8 * level)) & (WHEEL_SLOTS - 1);
        const uint32_t slot = next_slot(wheel, level, here);
        if (slot < WHEEL_SLOTS) {
            const uint64_t above = wheel->now >> (8 * level + 8) << (8 * level + 8);
            *tick = max_u64(wheel->now, above | (uint64_t)slot << (8 * level));
            return level * WHEEL_SLOTS + slot;
        }
    }
    return UINT32_MAX;
}

struct wheel_node *wheel_expire(struct wheel *wheel, uint64_t now_ns, uint32_t *budget)
{
    const uint64_t target = now_ns >> WHEEL_TICK_BITS;
    uint64_t tick;
    while (*budget > 0 && target >= wheel->due) {
        const uint32_t slot = first_slot(wheel, &tick);
        if (slot == UINT32_MAX || tick > target) {
            wheel->now = max_u64(wheel->now, target);
            wheel->due = slot == UINT32_MAX ? UINT64_MAX : tick;
            return NULL;
        }
        wheel->now = tick;
        struct list_node *first = list_first(&wheel->slots[slot]);
        struct wheel_node *node = CONTAINER_OF(first, struct wheel_node, node);
        unplace(wheel, node);
        (*budget)--;
        if (node->tick <= wheel->now) {
            wheel->count--;
            return node;
        }
        place(wheel, node); /* Down a level. */
    }
    return NULL;
}

uint64_t wheel_next_ns(const struct wheel *wheel)
{
    uint64_t tick;
    if (first_slot(wheel, &tick) == UINT32_MAX) {
        return UINT64_MAX;
    }
    return max_u64(tick, wheel->due) << WHEEL_TICK_BITS;
}
