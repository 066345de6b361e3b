/* Timers of a core: a wheel of six levels of 256 slots, ticks of 2^16 ns (65.5 us).
 *
 * An entry lies at the level of the highest byte in which its tick differs from now, so the next
 * one due is found by the bitmaps and idle time is jumped over. Arming, cancelling: O(1). Expiry is
 * bounded by a budget; what is left comes with the next call. An entry never fires early.
 *
 * Pure; one per core.
 */
#ifndef DATAPLANE_TCP_WHEEL_H
#define DATAPLANE_TCP_WHEEL_H

#include "storage/base/list.h"

enum {
    WHEEL_LEVELS = 6, /* Of 8 bits: with the tick's 16, all of 64. */
    WHEEL_SLOTS = 256,
    WHEEL_TICK_BITS = 16,
};

struct wheel_node {
    struct list_node node;
    uint64_t tick;
    uint32_t kind; /* The owner's: what the node is in. */
    uint16_t slot; /* Level * WHEEL_SLOTS + slot. */
};

struct wheel {
    uint64_t now; /* In ticks: everything before it has fired. */
    uint64_t due; /* The same: nothing is to be done before it. */
    struct list slots[WHEEL_LEVELS * WHEEL_SLOTS];
    uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
    uint32_t count;
};

void wheel_init(struct wheel *wheel, uint64_t now_ns);

/* Arms, or moves. deadlines in the past fire with the next advance. */
void wheel_arm(struct wheel *wheel, struct wheel_node *node, uint64_t deadline_ns);
void wheel_cancel(struct wheel *wheel, struct wheel_node *node);

static inline bool wheel_armed(const struct wheel_node *node)
{
    return list_linked(&node->node);
}

/* False: wheel_expire would find nothing. */
static inline bool wheel_due(const struct wheel *wheel, uint64_t now_ns)
{
    return now_ns >> WHEEL_TICK_BITS >= wheel->due;
}

/* Takes the next entry that is due at now_ns out of the wheel; NULL when there is none, or the
 * budget (entries fired or moved down a level) is used up. */
struct wheel_node *wheel_expire(struct wheel *wheel, uint64_t now_ns, uint32_t *budget);

/* Not later than the next entry's deadline; UINT64_MAX when the wheel is empty. */
uint64_t wheel_next_ns(const struct wheel *wheel);

#endif
