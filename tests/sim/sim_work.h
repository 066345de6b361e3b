/* Clients that work with groups, transactions and keyed records; what they are promised stands in
 * sim_book.h. Each has one request on its way at a time.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_WORK_H
#define TESTS_SIM_SIM_WORK_H

#include "tests/sim/sim_book.h"
#include "tests/sim/sim_client.h"

/* The part all of them have. */
struct actor {
    struct client client; /* First. */
    bool asked;
    uint64_t asked_ns; /* When the last request was sent. */
    uint64_t wake_ns;  /* Nothing to do before. */
};

static inline struct actor *actor_of(const struct client *client)
{
    /* First member; const only on the way through the kind's questions. */
    return (struct actor *)(uintptr_t)client;
}

void actor_init(struct actor *actor, struct world *world, const struct client_kind *kind,
                uint32_t number);
struct book *actor_book(const struct actor *actor);
/* Not before so many milliseconds, about. */
void actor_sleep(struct actor *actor, uint64_t ms_max);
/* Whether there may be a step now. */
bool actor_awake(struct actor *actor);
/* As client_begin, at most of that version. */
struct writer *actor_begin(struct actor *actor, int16_t key, int16_t version_min,
                           int16_t version_max, int16_t *version);
void actor_end(struct actor *actor, int16_t key, int16_t version, struct writer *writer,
               uint64_t cookie);
/* An error that says "later"; any other one fails the run, unless devices fail. */
void actor_retry(struct actor *actor, const char *what, int16_t error);
uint64_t actor_deadline_ns(const struct client *client);
struct bytes text_view(const char *text);

/* Makes the topics, and asks for the coordinators until they are there. */
struct client *founder_create(struct world *world);
extern const struct client_kind founder_kind;

struct mover;

struct member_options {
    uint32_t number;
    uint32_t group;
    bool fixed;          /* A static member. */
    bool mixes;          /* A subscriber that comes by either protocol. */
    uint32_t partings;   /* How often it leaves or falls silent. */
    bool crowd;          /* Of a storm: one of many, that mostly is there. */
    struct mover *mover; /* What it has a part in; NULL: nothing. */
};
/* A member of a classic group. */
struct client *member_create(struct world *world, const struct member_options *options);
extern const struct client_kind member_kind;
/* One by the consumer protocol. */
struct client *subscriber_create(struct world *world, const struct member_options *options);
extern const struct client_kind subscriber_kind;

/* Commits of members, of both protocols: something to commit or to ask for. */
struct committing {
    uint32_t group;
    uint32_t partition;
    int64_t offset; /* On its way; 0: it asks. */
    int32_t generation;
    bool stable;
    bool all;       /* It asks for all that the group has, */
    uint32_t asked; /* now and then. */
    int64_t told;   /* The answer; -1: none. */
    bool old;       /* A generation, or epoch, that is over: the commit must be refused. */
};
void commit_send(struct actor *actor, struct committing *commit, struct bytes member_id,
                 struct bytes instance_id, int16_t version_min, uint64_t cookie);
/* The error code of the answer. */
int16_t commit_take(struct actor *actor, struct committing *commit, const struct flight *flight,
                    struct reader *reader);
void offsets_send(struct actor *actor, struct committing *commit, uint64_t cookie);
/* False: it must be asked again. */
bool offsets_answer(struct actor *actor, struct committing *commit, const struct flight *flight,
                    struct reader *reader);

struct writer_options {
    uint32_t number; /* Below BOOK_WRITERS. */
    bool transactional;
    uint32_t tid;           /* Others may have the same. */
    bool shared;            /* Others do. */
    bool bumps;             /* It has transaction.version 2. */
    uint32_t in_flight_max; /* Produce requests; to 3. */
    uint32_t work_count;    /* Transactions, or batches. */
    uint32_t key_first;     /* Its keys. */
    uint32_t key_count;
    uint64_t pause_ms;   /* Between them, about. */
    struct mover *mover; /* What it has a part in, and takes over; NULL: nothing. */
};
struct client *writer_create(struct world *world, const struct writer_options *options);
extern const struct client_kind writer_kind;

struct walker_options {
    uint32_t number;
    bool committed; /* read_committed. */
};
struct client *walker_create(struct world *world, const struct walker_options *options);
extern const struct client_kind walker_kind;
/* Reads everything once more, then all committed offsets; committed walkers only. */
void walker_audit(struct client *client);

#endif
