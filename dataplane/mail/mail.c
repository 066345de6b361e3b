#include "dataplane/mail/mail.h"

enum { IN_A_ROW_MAX = 16 }; /* Then the next sender has its turn. */

/* From one core to another: the ring, its slots, and what waits for room in it. */
struct lane {
    struct ring ring;
    struct mail_message *slots[MAIL_RING_SLOTS];
};

struct mailbox {
    struct ring_wake wake; /* Armed by this core, taken by all others. */
    struct mail *mail;
    uint32_t core;
    uint32_t sender;                    /* Where mail_receive goes on. */
    uint32_t in_a_row;                  /* It has heard so many of that one. */
    uint64_t unsent;                    /* Bit per core that something is to be handed over to. */
    uint32_t filled[MAIL_CORES_MAX];    /* Slots of its ring, for the next flush to publish. */
    struct list outbox[MAIL_CORES_MAX]; /* What found no slot, and what came behind that. */
    struct mail_counters counters;
};

struct mail {
    uint32_t core_count;
    struct lane *lanes; /* [from * core_count + to] */
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
    mail->lanes = (struct lane *)(void *)&mail->boxes[core_count];
    for (uint32_t i = 0; i < core_count * core_count; i++) {
        struct lane *lane = &mail->lanes[i];
        /* The slots are pointers. NOLINTNEXTLINE(bugprone-sizeof-expression) */
        ring_init(&lane->ring, lane->slots, sizeof(lane->slots[0]), MAIL_RING_SLOTS);
    }
    for (uint32_t core = 0; core < core_count; core++) {
        struct mailbox *box = &mail->boxes[core];
        box->mail = mail;
        box->core = core;
        for (uint32_t to = 0; to < core_count; to++) {
            list_init(&box->outbox[to]);
        }
    }
    return mail;
}

struct mailbox *mail_box(struct mail *mail, uint32_t core)
{
    ASSERT(core < mail->core_count);
    return &mail->boxes[core];
}

static struct ring *lane_ring(struct mail *mail, uint32_t from, uint32_t to)
{
    return &mail->lanes[from * mail->core_count + to].ring;
}

void mail_post(struct mailbox *box, uint32_t to, struct mail_message *message)
{
    ASSERT(to < box->mail->core_count);
    message->from = (uint16_t)box->core;
    struct ring *ring = lane_ring(box->mail, box->core, to);
    struct mail_message **slot =
        list_empty(&box->outbox[to]) ? ring_claim_ahead(ring, box->filled[to]) : NULL;
    if (LIKELY(slot != NULL)) {
        *slot = message;
        box->filled[to]++;
    } else {
        list_push_back(&box->outbox[to], &message->node);
    }
    box->unsent |= UINT64_C(1) << to;
    box->counters.posted++;
}

/* Publishes what is in a ring, and what fits of its outbox. Returns true when there was any. */
static bool outbox_flush(struct mailbox *box, uint32_t to)
{
    struct ring *ring = lane_ring(box->mail, box->core, to);
    struct list *outbox = &box->outbox[to];
    bool moved = box->filled[to] > 0;
    ring_publish_many(ring, box->filled[to]);
    box->filled[to] = 0;
    while (!list_empty(outbox)) {
        struct mail_message **slot = ring_claim(ring);
        if (slot == NULL) {
            box->counters.ring_full++;
            return moved;
        }
        *slot = CONTAINER_OF(list_pop_front(outbox), struct mail_message, node);
        ring_publish(ring);
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
    const uint32_t core_count = box->mail->core_count;
    for (uint32_t i = 0; i <= core_count; i++) { /* Once more the one whose turn is over. */
        struct ring *ring = lane_ring(box->mail, box->sender, box->core);
        struct mail_message *const *slot = box->in_a_row < IN_A_ROW_MAX ? ring_peek(ring) : NULL;
        if (slot != NULL) {
            struct mail_message *message = *slot;
            ring_consume(ring);
            box->in_a_row++;
            box->counters.received++;
            return message;
        }
        box->sender = box->sender + 1 == core_count ? 0 : box->sender + 1;
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
    for (uint32_t from = 0; from < box->mail->core_count; from++) {
        if (ring_peek(lane_ring(box->mail, from, box->core)) != NULL) {
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
