/* Requests that name several groups or transactional ids: taken apart, each part run through the
 * seat of its coordinator, and put together again when the last part is answered. What is the same
 * for both; group_request.c and txn_request.c stand on it.
 *
 * Threads: the control loop's.
 */
#ifndef CONTROL_SERVE_PARTS_H
#define CONTROL_SERVE_PARTS_H

#include "control/peer.h"
#include "control/serve/ledger.h"
#include "dataplane/kafka/errors.h"
#include "dataplane/kafka/primitives.h"
#include "dataplane/slowpath/channel.h"

enum {
    /* What one request may take: so many parts, and so much memory for what is said of them. */
    PARTS_MAX = 20000,
    PARTS_BYTES_MAX = SLOW_REPLY_BYTES_MAX,
    /* What long answers may take that their clients have not read; then others get none. */
    UNREAD_BYTES_MAX = SLOW_REPLY_BYTES_MAX,
};

struct parts;

/* What a request says of one group or id. Its address is the token that the coordinator gives
 * back. */
struct part {
    struct list_node node; /* Of its seat while it is open. */
    struct list_node more; /* Of those that are to go on. */
    struct parts *all;
    uint32_t index;
    struct bytes id; /* Of the group or the transaction. */
    bool open;
    bool begun; /* It has gone on once. */
    int16_t error;
    void *answer; /* Of the step; lives in one of the entries kept. NULL: error says why. */
};

/* The whole request. The first member of what its user allocates, all zero, and parts_free frees.
 */
struct parts {
    struct peer *peer;
    struct peer_request *request; /* Owned. */
    struct arena arena;
    struct list kept; /* Entries whose replies are parts of the answer. */
    struct part *parts;
    uint32_t count;
    uint32_t open_count;
    uint32_t run_count; /* Of the parts, run already. */
    uint64_t taken;     /* Memory, by those. */
    bool too_many;
    struct list_node node; /* Of those that are run, or whose answer is made, turn by turn. */
    /* Sends the answer; all parts have theirs. False: it goes on with that, and frees. */
    bool (*finish)(struct parts *all);
    void (*release)(struct parts *all); /* Frees what is not in the arena; NULL: nothing. */
};

/* request is given. */
void parts_init(struct parts *all, struct peer *peer, struct peer_request *request,
                bool (*finish)(struct parts *all));
void parts_free(struct parts *all);

static inline int16_t parts_version(const struct parts *all)
{
    return all->request->header.api_version;
}

/* False: there are too many, and the request will be refused. */
bool parts_make(struct parts *all, uint32_t count);

/* Runs each part, of a request that could be decoded or not; the request may be gone then. run puts
 * the part into the list of its seat, or fails it. *taken: the memory that the parts take. */
void parts_run(struct parts *all, bool decoded, void (*run)(struct part *part, uint64_t *taken));
/* The same in several turns: false: it is answered, and gone. */
MUST_USE bool parts_begin(struct parts *all, bool decoded);
/* The next part, of a request that is begun. True: it was the last, and the request may be gone. */
MUST_USE bool parts_run_next(struct parts *all, void (*run)(struct part *part, uint64_t *taken));

/* A part is answered; the last one ends the request. part_answer: entry is given, and lives as long
 * as the answer in it has to; NULL: the caller frees it, and the request has no other part. */
void part_answer(struct part *part, void *answer, struct ledger_entry *entry);
/* The answer is with the user, who has taken it out of the entry. */
void part_done(struct part *part);
/* ERROR_NONE: it is done, and there is nothing else to say of it. */
void part_fail(struct part *part, int16_t error_code);

/* All parts that wait at a seat are answered with the error of an append or a read that failed, as
 * Kafka tells it to clients. */
void parts_fail(struct list *waiting, int16_t error_code);
/* They go without an answer: nobody is there to take it. */
void parts_drop(struct list *waiting);

/* What Kafka makes of a failed write (CoordinatorOperationExceptionHelper.java,
 * TransactionStateManager.appendTransactionToLog). */
int16_t part_error_of_write(int16_t error_code);

/* An answer of that size has to wait: its client asks again, and nothing is lost by that. */
static inline bool part_answer_waits(const struct peer *peer, uint64_t size)
{
    return size > SLOW_PIECE_BYTES_MAX && peer_counters(peer)->long_bytes > UNREAD_BYTES_MAX;
}

void parts_send_error(struct parts *all, int16_t error_code);
/* body is given; NULL: it cannot be made. errors: error codes in it that are not NONE. */
void parts_send_body(struct parts *all, uint8_t *body, uint32_t len, uint32_t errors);
void parts_send(struct parts *all, uint64_t size,
                enum codec_status (*encode)(struct writer *, int16_t, const void *),
                const void *answer);

/* name##_send: encodes a whole answer of that API. */
#define PARTS_SEND_OF(name)                                                                \
    static enum codec_status name##_encode_any(struct writer *writer, int16_t version,     \
                                               const void *answer)                         \
    {                                                                                      \
        return name##_response_encode(writer, version, answer);                            \
    }                                                                                      \
    static void name##_send(struct parts *all, int16_t version, const void *answer)        \
    {                                                                                      \
        parts_send(all, name##_response_size(version, answer), name##_encode_any, answer); \
    }

/* An API that names one group or id, in `id_field`: its answer is the step's. struct kind begins
 * with `struct parts all` and has the decoded body in body.field. */
#define PARTS_OF_ONE(kind, name, field, id_field)                                           \
    PARTS_SEND_OF(name)                                                                     \
    static bool name##_open(struct kind *whole, struct reader *reader, int16_t version)     \
    {                                                                                       \
        if (name##_request_decode(reader, version, &whole->body.field) != CODEC_OK) {       \
            return false;                                                                   \
        }                                                                                   \
        (void)parts_make(&whole->all, 1);                                                   \
        whole->all.parts[0].id = arena_flat(&whole->all.arena, whole->body.field.id_field); \
        return true;                                                                        \
    }                                                                                       \
    static void name##_answer(struct kind *whole, int16_t version)                          \
    {                                                                                       \
        struct part *part = &whole->all.parts[0];                                           \
        if (part->answer == NULL) {                                                         \
            parts_send_error(&whole->all, part->error);                                     \
        } else {                                                                            \
            name##_send(&whole->all, version, part->answer);                                \
        }                                                                                   \
    }

#endif
