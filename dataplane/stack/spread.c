#include "dataplane/stack/spread.h"

#include "dataplane/mail/ring.h"

enum {
    SLOT_PIECES = 2, /* Of a frame, in one slot. */
    GROUP_CORE_SHIFT = 24,
    GROUP_COUNT_MASK = (1 << GROUP_CORE_SHIFT) - 1,
    COOKIE_NOTED_EVERY_NS = 1000000000,
};

/* One line of a ring. A frame of more pieces goes on in the slots behind. */
struct slot {
    uint8_t kind; /* enum spread_kind. */
    uint8_t piece_count;
    uint16_t flags;
    uint16_t segments;
    union {
        struct packet_piece pieces[SLOT_PIECES];
        struct spread_neighbor neighbor;
        struct icmp_error error;
    };
};

_Static_assert(sizeof(struct slot) <= 64, "a cache line");

struct lane {
    struct ring ring;
    struct slot slots[SPREAD_RING_SLOTS];
};

struct spread_core {
    alignas(64) struct spread *spread;
    uint32_t index;
    uint32_t share; /* To how many cores it deals out. */
    uint32_t next_giver;
    uint64_t given;
    uint32_t more_next;
    struct spread_counters counters;
    struct packet_piece more[NIC_BURST_MAX][SPREAD_PIECES_MAX];
};

struct spread {
    uint32_t core_count;
    uint32_t hearing_count;
    struct lane *lanes; /* [from * core_count + to] */
    /* Core << GROUP_CORE_SHIFT | flows. Written by the core named, or by whoever finds no flows. */
    alignas(64) _Atomic uint32_t groups[SPREAD_GROUPS];
    alignas(64) _Atomic uint64_t cookie_sent_ns;
    struct openings openings;
    struct spread_core cores[];
};

uint64_t spread_size(uint32_t core_count)
{
    return sizeof(struct spread) + core_count * sizeof(struct spread_core) +
           (uint64_t)core_count * core_count * sizeof(struct lane);
}

/* A core that hears nothing has to itself what is handed to it. */
static uint32_t share_of(const struct spread *spread, uint32_t index)
{
    const uint32_t hearing = spread->hearing_count;
    return index < hearing ? (spread->core_count - index - 1) / hearing + 1 : 1;
}

struct spread *spread_init(void *memory, uint32_t core_count, uint32_t hearing_count)
{
    struct spread *spread = memory;
    ASSERT(core_count > 0 && core_count <= SPREAD_CORES_MAX);
    ASSERT(hearing_count > 0 && hearing_count <= core_count);
    spread->core_count = core_count;
    spread->hearing_count = hearing_count;
    spread->lanes = (struct lane *)(void *)&spread->cores[core_count];
    for (uint32_t i = 0; i < core_count * core_count; i++) {
        struct lane *lane = &spread->lanes[i];
        ring_init(&lane->ring, lane->slots, sizeof(struct slot), SPREAD_RING_SLOTS);
    }
    for (uint32_t i = 0; i < core_count; i++) {
        spread->cores[i].spread = spread;
        spread->cores[i].index = i;
        spread->cores[i].share = share_of(spread, i);
    }
    return spread;
}

struct spread_core *spread_at(struct spread *spread, uint32_t core)
{
    ASSERT(core < spread->core_count);
    return &spread->cores[core];
}

uint32_t spread_index(const struct spread_core *core)
{
    return core->index;
}

const struct spread_counters *spread_counters(const struct spread_core *core)
{
    return &core->counters;
}

/* ---- Whose flow ----------------------------------------------------------------------------- */

/* The flow table takes the lowest bits: other ones, so that the cores' tables fill evenly. */
static uint32_t group_of(uint32_t hash)
{
    return hash >> 16 & (SPREAD_GROUPS - 1);
}

static uint32_t owner(const struct spread_core *core, uint32_t hash)
{
    const struct spread *spread = core->spread;
    const uint32_t group =
        atomic_load_explicit(&spread->groups[group_of(hash)], memory_order_relaxed);
    if ((group & GROUP_COUNT_MASK) != 0) {
        return group >> GROUP_CORE_SHIFT;
    }
    return core->index + group_of(hash) % core->share * spread->hearing_count;
}

bool spread_ours(const struct spread_core *core, uint32_t hash)
{
    return owner(core, hash) == core->index;
}

bool spread_claim(struct spread_core *core, uint32_t hash)
{
    _Atomic uint32_t *group = &core->spread->groups[group_of(hash)];
    uint32_t old = atomic_load_explicit(group, memory_order_relaxed);
    uint32_t with;
    do {
        if ((old & GROUP_COUNT_MASK) == 0) {
            with = core->index << GROUP_CORE_SHIFT | 1;
        } else if (old >> GROUP_CORE_SHIFT == core->index) {
            with = old + 1;
        } else {
            core->counters.claims_lost++;
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(group, &old, with, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void spread_leave(struct spread_core *core, uint32_t hash)
{
    const uint32_t before =
        atomic_fetch_sub_explicit(&core->spread->groups[group_of(hash)], 1, memory_order_relaxed);
    ASSERT((before & GROUP_COUNT_MASK) != 0 && before >> GROUP_CORE_SHIFT == core->index);
}

/* The group changes hands if this flow is all that is in it. */
static bool group_take(void *context, uint32_t hash)
{
    struct spread_core *core = context;
    _Atomic uint32_t *group = &core->spread->groups[group_of(hash)];
    uint32_t old = atomic_load_explicit(group, memory_order_relaxed);
    return (old & GROUP_COUNT_MASK) == 1 &&
           atomic_compare_exchange_strong_explicit(group, &old, core->index << GROUP_CORE_SHIFT | 1,
                                                   memory_order_relaxed, memory_order_relaxed);
}

bool spread_offer(struct spread_core *core, const struct tcp_opening *opening)
{
    const uint32_t hearing = core->spread->hearing_count;
    return hearing > 1 && core->index < hearing && openings_add(&core->spread->openings, opening);
}

bool spread_withdraw(struct spread_core *core, const struct tcp_opening *opening)
{
    return openings_remove(&core->spread->openings, opening);
}

bool spread_adopt(struct spread_core *core, const struct flow_key *key, uint32_t hash, uint32_t ack,
                  struct tcp_opening *opening)
{
    return openings_take(&core->spread->openings, key, hash, ack, group_take, core, opening);
}

/* Once a second is enough: under a flood the line stays with those who read it. */
void spread_cookie_sent(struct spread_core *core, uint64_t now_ns)
{
    _Atomic uint64_t *at = &core->spread->cookie_sent_ns;
    const uint64_t last_ns = atomic_load_explicit(at, memory_order_relaxed);
    if (last_ns == 0 || now_ns >= last_ns + COOKIE_NOTED_EVERY_NS) {
        atomic_store_explicit(at, now_ns, memory_order_relaxed);
    }
}

uint64_t spread_cookie_sent_ns(const struct spread_core *core)
{
    return atomic_load_explicit(&core->spread->cookie_sent_ns, memory_order_relaxed);
}

/* ---- Giving --------------------------------------------------------------------------------- */

static struct ring *lane_ring(const struct spread *spread, uint32_t from, uint32_t to)
{
    return &spread->lanes[from * spread->core_count + to].ring;
}

/* The ring, when it has room for so many slots. */
static struct ring *ring_to(struct spread_core *core, uint32_t to, uint32_t slots)
{
    struct ring *ring = lane_ring(core->spread, core->index, to);
    if (SPREAD_RING_SLOTS - ring_count(ring) < slots) {
        core->counters.dropped++;
        return NULL;
    }
    core->given |= UINT64_C(1) << to;
    return ring;
}

bool spread_give_frame(struct spread_core *core, uint32_t hash, const struct packet_in *frame)
{
    const uint32_t count = 1 + (uint32_t)frame->more_count;
    ASSERT(count <= SPREAD_PIECES_MAX);
    struct ring *ring = ring_to(core, owner(core, hash), (count + SLOT_PIECES - 1) / SLOT_PIECES);
    if (ring == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i += SLOT_PIECES) {
        struct slot *slot = ring_claim(ring);
        slot->kind = SPREAD_FRAME;
        slot->piece_count = (uint8_t)count;
        slot->flags = frame->flags;
        slot->segments = frame->segments;
        for (uint32_t j = 0; j < SLOT_PIECES && i + j < count; j++) {
            slot->pieces[j] = i + j == 0 ? frame->first : frame->more[i + j - 1];
        }
        ring_publish(ring);
    }
    core->counters.given_frames++;
    return true;
}

void spread_give_error(struct spread_core *core, uint32_t hash, const struct icmp_error *error)
{
    struct ring *ring = ring_to(core, owner(core, hash), 1);
    if (ring != NULL) {
        struct slot *slot = ring_claim(ring);
        slot->kind = SPREAD_ERROR;
        slot->error = *error;
        ring_publish(ring);
    }
}

void spread_give_neighbor(struct spread_core *core, enum spread_kind kind,
                          const struct spread_neighbor *neighbor)
{
    for (uint32_t to = 0; to < core->spread->core_count; to++) {
        struct ring *ring = to == core->index ? NULL : ring_to(core, to, 1);
        if (ring != NULL) {
            struct slot *slot = ring_claim(ring);
            slot->kind = (uint8_t)kind;
            slot->neighbor = *neighbor;
            ring_publish(ring);
        }
    }
}

uint64_t spread_given(struct spread_core *core)
{
    const uint64_t given = core->given;
    core->given = 0;
    return given;
}

/* ---- Taking --------------------------------------------------------------------------------- */

static void frame_take(struct spread_core *core, struct ring *ring, const struct slot *slot,
                       struct packet_in *frame)
{
    struct packet_piece *more = core->more[core->more_next];
    const uint32_t count = slot->piece_count;
    core->more_next = (core->more_next + 1) % NIC_BURST_MAX;
    core->counters.taken_frames++;
    *frame = (struct packet_in){.first = slot->pieces[0],
                                .more = more,
                                .more_count = (uint16_t)(count - 1),
                                .flags = slot->flags,
                                .segments = slot->segments};
    for (uint32_t i = 1; i < count; i++) {
        if (i % SLOT_PIECES == 0) {
            ring_consume(ring);
            slot = ring_peek(ring);
        }
        more[i - 1] = slot->pieces[i % SLOT_PIECES];
    }
    ring_consume(ring);
}

static bool ring_take(struct spread_core *core, struct ring *ring, struct spread_item *item)
{
    const struct slot *slot = ring_peek(ring);
    if (slot == NULL) {
        return false;
    }
    item->kind = (enum spread_kind)slot->kind;
    switch (item->kind) {
    case SPREAD_FRAME:
        if (ring_count(ring) < (slot->piece_count + SLOT_PIECES - 1u) / SLOT_PIECES) {
            return false; /* Its last slots are being written. */
        }
        frame_take(core, ring, slot, &item->frame);
        return true;
    case SPREAD_NEIGHBOR:
    case SPREAD_LOST: item->neighbor = slot->neighbor; break;
    case SPREAD_ERROR: item->error = slot->error; break;
    }
    ring_consume(ring);
    return true;
}

bool spread_take(struct spread_core *core, struct spread_item *item)
{
    const struct spread *spread = core->spread;
    for (uint32_t i = 0; i < spread->core_count; i++) {
        const uint32_t from = core->next_giver;
        core->next_giver = from + 1 == spread->core_count ? 0 : from + 1;
        if (ring_take(core, lane_ring(spread, from, core->index), item)) {
            return true;
        }
    }
    return false;
}

bool spread_quiet(const struct spread_core *core)
{
    for (uint32_t from = 0; from < core->spread->core_count; from++) {
        if (ring_count(lane_ring(core->spread, from, core->index)) != 0) {
            return false;
        }
    }
    return true;
}
