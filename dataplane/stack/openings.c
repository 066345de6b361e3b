#include "dataplane/stack/openings.h"

static bool lock(struct openings *openings)
{
    return !atomic_flag_test_and_set_explicit(&openings->busy, memory_order_acquire);
}

static void lock_wait(struct openings *openings)
{
    while (!lock(openings)) {
        __builtin_ia32_pause();
    }
}

static void unlock(struct openings *openings)
{
    atomic_flag_clear_explicit(&openings->busy, memory_order_release);
}

static uint32_t place(uint32_t hash, uint32_t look)
{
    return (hash + look) % OPENINGS_MAX;
}

/* OPENINGS_MAX: it is not there. */
static uint32_t find(const struct openings *openings, const struct flow_key *key, uint32_t hash)
{
    for (uint32_t i = 0; i < OPENING_LOOKS; i++) {
        const uint32_t at = place(hash, i);
        if (openings->used[at] && openings->entries[at].hash == hash &&
            flow_key_equal(&openings->entries[at].key, key)) {
            return at;
        }
    }
    return OPENINGS_MAX;
}

static void drop(struct openings *openings, uint32_t at)
{
    openings->used[at] = false;
    atomic_fetch_sub_explicit(&openings->count, 1, memory_order_relaxed);
}

bool openings_add(struct openings *openings, const struct tcp_opening *opening)
{
    bool added = false;
    lock_wait(openings);
    for (uint32_t i = 0; i < OPENING_LOOKS && !added; i++) {
        const uint32_t at = place(opening->hash, i);
        if (!openings->used[at]) {
            openings->used[at] = true;
            openings->entries[at] = *opening;
            atomic_fetch_add_explicit(&openings->count, 1, memory_order_relaxed);
            added = true;
        }
    }
    unlock(openings);
    return added;
}

bool openings_remove(struct openings *openings, const struct tcp_opening *opening)
{
    lock_wait(openings);
    uint32_t at = find(openings, &opening->key, opening->hash);
    if (at != OPENINGS_MAX && openings->entries[at].iss != opening->iss) {
        at = OPENINGS_MAX; /* Whoever took it over has opened from the same port since. */
    }
    if (at != OPENINGS_MAX) {
        drop(openings, at);
    }
    unlock(openings);
    return at != OPENINGS_MAX;
}

bool openings_take(struct openings *openings, const struct flow_key *key, uint32_t hash,
                   uint32_t ack, bool (*take)(void *context, uint32_t hash), void *context,
                   struct tcp_opening *opening)
{
    bool taken = false;
    if (atomic_load_explicit(&openings->count, memory_order_relaxed) == 0 || !lock(openings)) {
        return false;
    }
    const uint32_t at = find(openings, key, hash);
    if (at != OPENINGS_MAX && openings->entries[at].iss + 1 == ack && take(context, hash)) {
        *opening = openings->entries[at];
        drop(openings, at);
        taken = true;
    }
    unlock(openings);
    return taken;
}
