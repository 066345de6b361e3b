/* Whether control stood still: time that went by meanwhile counts against nobody who was not heard.
 * Pure. */
#ifndef CONTROL_SERVE_PAUSE_H
#define CONTROL_SERVE_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

/* Not to have run for so long is a pause, where the wake is so late that it was no sleep. */
#define CONTROL_PAUSE_NS (1000 * 1000 * 1000ULL)
#define CONTROL_LATE_NS  (100 * 1000 * 1000ULL)

/* The last turn was at turn_ns, the next was to be at due_ns; UINT64_MAX: nothing was due. */
static inline bool control_stood_still(uint64_t now_ns, uint64_t turn_ns, uint64_t due_ns)
{
    return now_ns - turn_ns >= CONTROL_PAUSE_NS && due_ns < now_ns &&
           now_ns - due_ns >= CONTROL_LATE_NS;
}

#endif
