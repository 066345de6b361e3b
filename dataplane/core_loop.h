/* One core: everything it owns, and the loop that drives it.
 *
 * The parts are made by core_setup.c and borrowed here. The service thread speaks to a running core
 * through the orders below and nothing else; the core answers by storing what it has done.
 *
 * Threads: core_run on the core's thread; core_order_ and core_offer_ functions and the _done
 * questions from the service thread, those of surveys and captures from the thread that looks.
 */
#ifndef DATAPLANE_CORE_LOOP_H
#define DATAPLANE_CORE_LOOP_H

#include "dataplane/apply.h"
#include "dataplane/broker/broker.h"
#include "dataplane/journal.h"
#include "dataplane/limits.h"
#include "dataplane/nic/capture.h"
#include "dataplane/slowpath/link.h"
#include "dataplane/slowpath/statistics.h"
#include "dataplane/sock/sock.h"
#include "dataplane/stack/stack.h"
#include "dataplane/stack/survey.h"
#include "storage/io/disk_ring.h"
#include "storage/io/ring.h"

/* What a core does when there is nothing to do. */
enum core_idle {
    CORE_IDLE_LATENCY,  /* Polls for ever. */
    CORE_IDLE_BALANCED, /* Polls for up to IDLE_POLL_US, as far as that helps, then sleeps; for
                           longer where many wait (IDLE_POLL_APPENDS). */
    CORE_IDLE_ECO,      /* Sleeps at once. */
};

/* The stages of a core's life, in order; the service thread orders the next, the core reports. */
enum core_stage {
    CORE_STARTING,
    CORE_RUNNING,
    CORE_DRAINING,  /* Takes nothing new in, answers what is in progress. */
    CORE_FINISHING, /* The log is flushed, trimmed and marked clean. */
    CORE_ENDED,     /* The loop has returned. */
};

enum {
    /* Of one snapshot: one that is not told would be recorded as made (H18). */
    CORE_FAILURES_MAX = PARTITIONS_OF_CORE_MAX,
};

struct core {
    uint32_t index;
    uint32_t core_count;
    struct core *const *cores; /* All of the process, this one included. */
    enum core_idle idle;

    struct ring *ring;
    struct disk *disk;
    struct log *log;
    uint32_t directory_count;
    struct sock *sock;   /* NULL: the bypass path is used. */
    struct stack *stack; /* NULL: kernel sockets are used. */
    struct nic *nic;     /* Of the stack. */
    struct broker *broker;
    struct mailbox *mailbox;
    struct slow_channel *channel;
    struct journal_port *journal;
    struct core_statistics *statistics;
    struct link_world *world;
    int bell;         /* Control rings it. */
    int service_bell; /* Rung for the service thread. */
    int listener;     /* This core's listening socket; of a stack, the port. -1: listening. */

    /* Orders and reports. */
    _Atomic(const struct snapshot *) snapshot_offered; /* Service thread -> core. */
    _Atomic(const struct snapshot *) snapshot_done;    /* Core: applied, all before it let go of. */
    uint32_t failure_count;                            /* Of snapshot_done: see failures. */
    _Atomic uint32_t directories_fenced; /* The core: bit per directory its log has fenced. */
    _Atomic uint32_t stage_wanted;       /* enum core_stage; service thread. */
    _Atomic uint32_t stage;              /* The core: fully reached. */
    _Atomic uint32_t finish_status;      /* enum log_status, at CORE_ENDED. */
    /* By the thread that looks (watch.h); the core rings watch_bell when it has done it. */
    int watch_bell;
    _Atomic(struct survey *) survey_wanted;   /* A page to be filled; NULL: none. */
    _Atomic(struct survey *) survey_done;     /* The core: that page is. */
    _Atomic(struct capture *) capture_wanted; /* To be attached; NULL: none. */
    _Atomic(struct capture *) capture_used;   /* The core: attached. */

    /* The loop's own. */
    bool draining;
    struct ring_op bell_op;
    struct ring_op port_op;
    bool port_watched;                      /* port_op is under way. */
    bool port_tells;                        /* Its descriptor does, of frames from now on. */
    struct ring_op port_cancel_op;          /* At the end. */
    const struct snapshot *snapshot;        /* Given to the broker last. */
    const struct snapshot *snapshot_before; /* Perhaps still used by it. */
    uint64_t now_ns;
    int64_t wall_ms;
    uint64_t idle_since_ns; /* 0: the last turn had work. */
    uint64_t doze_until_ns; /* Not 0: it dozes (core_doze), until then. */
    uint64_t poll_ns;       /* balanced: polls so long before it sleeps. */
    uint64_t turn_began_ns; /* Of the turn before, when it had work. */
    uint64_t statistics_due_ns;
    /* Of snapshot_done; the service thread reads them before it offers the next. The last member:
     * most of it is never touched. */
    struct session_failure failures[CORE_FAILURES_MAX];
};

/* The loop; returns at CORE_ENDED. argument: the struct core. */
void core_run(void *argument);

/* A new snapshot, lent until core_snapshot_done says that a later one is done. */
void core_offer_snapshot(struct core *core, const struct snapshot *snapshot);
bool core_snapshot_done(const struct core *core, const struct snapshot *snapshot);

/* Wakes it: something was left for it. Any thread. */
void core_poke(struct core *core);

/* A page to be filled, lent until core_survey_done: only where core->stack is. */
void core_ask_survey(struct core *core, struct survey *survey);
bool core_survey_done(const struct core *core, const struct survey *survey);

/* A capture to be used from now on, lent until core_capture_used names another; NULL: none. */
void core_order_capture(struct core *core, struct capture *capture);
const struct capture *core_capture_used(const struct core *core);

void core_order_stage(struct core *core, enum core_stage stage);
enum core_stage core_stage_reached(const struct core *core);

/* One turn, for tests and simulation: with the time given. Returns the work done. Behind a turn in
 * which a core that polls found nothing, only what could bring news is looked at (core_doze). */
uint32_t core_turn(struct core *core, uint64_t now_ns, int64_t wall_ms);

/* Whether a core that has been without work since idle_since_ns turns at once again, or sleeps. */
bool core_polls(const struct core *core);

#endif
