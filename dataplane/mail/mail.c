#include "dataplane/mail/mail.h"

enum { IN_A_ROW_MAX = 16 }; /* Then the next sender has its turn. */

/* From one core to another: the ring, its slots, and what waits for room in it. */
struct lane {
    struct ring ring;
    struct mail_message *slots[MAIL_RING_SLOTS];
};

/* What a mailbox has of each core. */
struct peer {
    struct ring *out;   /* To it. */
    struct ring *in;    /* From it. */
    struct list outbox; /* What found no slot, and what came behind that. */
    uint32_t filled;    /* Slots of `out`, for the next flush to publish. */
};

struct mailbox {
    struct ring_wake wake; /* Armed by this core, taken by all others. */
    struct mail *mail;
    uint32_t core;
    uint32_t core_count;
    uint32_t sender;   /* Where mail_receive goes on. */
    uint32_t in_a_row; /* It has heard so many of that one. */
    uint64_t unsent;   /* Bit per core that something is to be handed over to. */
    struct mail_counters counters;
    struct peer peers[MAIL_CORES_MAX];
};

struct mail {
    uint32_t core_count;
    alignas(RING_LINE_BYTES) struct mailbox boxes[];
};

uint64_t mail_size(uint32_t core_count)
{
    return sizeof(struct mail) + core_count * sizeof(struct mailbox) +
           (uint64_t)core_count * core_count * sizeof(struct lane);
}

struct mail *mail_init(void *memory, uint32_t core_count)
{
    ASSERT(core_count > 0 && core_count <= MAIL_CORES_MAX);
    ASSERT((uintptr_t)memory % RING_LINE_BYTES == 0);
    struct mail *mail = memory;
    mail->core_count = core_count;
    struct lane *lanes = (struct lane *)(void *)&mail->boxes[core_count]; /* [from][to] */
    for (uint32_t i = 0; i < core_count * core_count; i++) {
        struct lane *lane = &lanes[i];
        /* The slots are pointers. NOLINTNEXTLINE(bugprone-sizeof-expression) */
        ring_init(&lane->ring, lane->slots, sizeof(lane->slots[0]), MAIL_RING_SLOTS);
    }
    for (uint32_t core = 0; core < core_count; core++) {
        struct mailbox *box = &mail->boxes[core];
        box->mail = mail;
        box->core = core;
        box->core_count = core_count;
        for (uint32_t other = 0; other < core_count; other++) {
            box->peers[other].out = &lanes[core * core_count + other].ring;
            box->peers[other].in = &lanes[other * core_count + core].ring;
            list_init(&box->peers[other].outbox);
        }
    }
    return mail;
}

struct mailbox *mail_box(struct mail *mail, uint32_t core)
{
    ASSERT(core < mail->core_count);
    return &mail->boxes[core];
}

void mail_post(struct mailbox *box, uint32_t to, struct mail_message *message)
{
    ASSERT(to < box->core_count);
    struct peer *peer = &box->peers[to];
    message->from = (uint16_t)box->core;
    struct mail_message **slot =
        LIKELY(list_empty(&peer->outbox)) ? ring_claim_ahead(peer->out, peer->filled) : NULL;
    if (LIKELY(slot != NULL)) {
        *slot = message;
        peer->filled++;
    } else {
        list_push_back(&peer->outbox, &message->node);
    }
    box->unsent |= UINT64_C(1) << to;
    box->counters.posted++;
}

/* Publishes what is in a ring, and what fits of its outbox. Returns true when there was any. */
static bool outbox_flush(struct mailbox *box, uint32_t to)
{
    struct peer *peer = &box->peers[to];
    bool moved = peer->filled > 0;
    ring_publish_many(peer->out, peer->filled);
    peer->filled = 0;
    while (!list_empty(&peer->outbox)) {
        struct mail_message **slot = ring_claim(peer->out);
        if (slot == NULL) {
            box->counters.ring_full++;
            return moved;
        }
        *slot = CONTAINER_OF(list_pop_front(&peer->outbox), struct mail_message, node);
        ring_publish(peer->out);
        moved = true;
    }
    box->unsent &= ~(UINT64_C(1) << to);
    return moved;
}

uint64_t mail_flush(struct mailbox *box)
{
    uint64_t sleepers = 0;
    for (uint64_t left = box->unsent; left != 0; left &= left - 1) {
        const uint32_t to = (uint32_t)__builtin_ctzll(left);
        if (outbox_flush(box, to) && to != box->core &&
            ring_wake_take(&box->mail->boxes[to].wake)) {
            sleepers |= UINT64_C(1) << to;
            box->counters.wakeups++;
        }
    }
    return sleepers;
}

struct mail_message *mail_receive(struct mailbox *box)
{
    /* Once more the one whose turn is over. */
    const uint32_t looks = box->core_count + (box->in_a_row == IN_A_ROW_MAX);
    for (uint32_t i = 0; i < looks; i++) {
        struct ring *ring = box->peers[box->sender].in;
        struct mail_message *const *slot = box->in_a_row < IN_A_ROW_MAX ? ring_peek(ring) : NULL;
        if (slot != NULL) {
            struct mail_message *message = *slot;
            ring_consume(ring);
            box->in_a_row++;
            box->counters.received++;
            return message;
        }
        box->sender = box->sender + 1 == box->core_count ? 0 : box->sender + 1;
        box->in_a_row = 0;
    }
    return NULL;
}

bool mail_unsent(const struct mailbox *box)
{
    return box->unsent != 0;
}

bool mail_sleep_begin(struct mailbox *box)
{
    ring_wake_arm(&box->wake);
    if (box->unsent != 0) {
        return false; /* A full ring has no bell for its sender: it stays awake. */
    }
    for (uint32_t from = 0; from < box->core_count; from++) {
        if (ring_peek(box->peers[from].in) != NULL) {
            return false;
        }
    }
    return true;
}

void mail_sleep_end(struct mailbox *box)
{
    ring_wake_disarm(&box->wake);
}

bool mail_wake_take(struct mailbox *box)
{
    return ring_wake_take(&box->wake);
}

const struct mail_counters *mail_counters(const struct mailbox *box)
{
    return &box->counters;
}
