/* Mail between cores: pointers to messages, in order per pair of cores.
 *
 * A core posts a message that lies in memory of its own; it is lent until the other core posts it
 * back as the answer. Posting never fails: what the bounded ring to that core cannot take now waits
 * in a list of the sender, and the number of messages is bounded by the pools they come from.
 * Posts of a turn leave together in mail_flush, which says whom to wake, once per turn and core.
 *
 * Which kinds there are and what stands behind a message is the broker's business.
 *
 * Threads: one mailbox per core, all calls from that core.
 */
#ifndef DATAPLANE_MAIL_MAIL_H
#define DATAPLANE_MAIL_MAIL_H

#include "dataplane/mail/ring.h"
#include "dataplane/slowpath/channel.h"
#include "storage/base/list.h"
#include "storage/base/uuid.h"
#include "storage/log/log.h"

enum {
    MAIL_CORES_MAX = 64,    /* A set of cores is one 64-bit word. */
    MAIL_RING_SLOTS = 1024, /* Per ordered pair of cores. */
};

/* Embedded in whatever is sent. All that names things travels with the message, because a topic may
 * be deleted and made anew and leadership may move while it is on its way (H19). */
struct mail_message {
    struct list_node
        node;      /* Of the mailbox while the ring has no room for it; else the holder's. */
    uint16_t kind; /* The broker's. */
    uint16_t from; /* Core that posted it last; set by mail_post. */
    int32_t leader_epoch;
    struct partition_id partition;
};

struct mail_counters {
    uint64_t posted;
    uint64_t received;
    uint64_t ring_full; /* Flushes that left messages behind. */
    uint64_t wakeups;   /* Sleeping cores that had to be woken. */
};

struct mail;
struct mailbox;

/* Bytes of memory that mail between core_count cores takes, at RING_LINE_BYTES alignment. */
uint64_t mail_size(uint32_t core_count);

/* Lays it out in zeroed memory, borrowed as long as the mail is used. core_count 1..MAIL_CORES_MAX.
 */
struct mail *mail_init(void *memory, uint32_t core_count);

struct mailbox *mail_box(struct mail *mail, uint32_t core);

/* Sends message to core `to`, which may be the poster's own. Lent. */
void mail_post(struct mailbox *box, uint32_t to, struct mail_message *message);

/* Hands this turn's posts over. Returns the cores that sleep and must be woken, bit per core. */
MUST_USE uint64_t mail_flush(struct mailbox *box);

/* The next message for this core, or NULL; senders take turns of a few messages. */
struct mail_message *mail_receive(struct mailbox *box);

/* True when messages wait that mail_flush could not hand over. */
bool mail_unsent(const struct mailbox *box);

/* Before sleeping: true when nothing has come in and the core may sleep; from then on the next one
 * who posts wakes it. After sleeping, or when it was false: mail_sleep_end. */
MUST_USE bool mail_sleep_begin(struct mailbox *box);
void mail_sleep_end(struct mailbox *box);

/* From any thread that wants the core's attention for another reason (a snapshot): true when it
 * sleeps and must be woken. */
MUST_USE bool mail_wake_take(struct mailbox *box);

const struct mail_counters *mail_counters(const struct mailbox *box);

#endif
