/* One simulated machine with a whole broker on it, and the clients' models around it.
 *
 * The dataplane process is the production code from core_turn down (core loop, broker, log engine,
 * recovery, slow path) over the twins of disk, file system, ring and sockets; the control process
 * is the production control loop over the twins of files and of the slow path's link. Everything
 * runs on one thread, in an order that follows from the seed.
 *
 * Threads: none.
 */
#ifndef TESTS_SIM_SIM_WORLD_H
#define TESTS_SIM_SIM_WORLD_H

#include "storage/base/list.h"
#include "storage/base/random.h"
#include "tests/sim/sim_book.h"
#include "tests/sim/sim_ledger.h"
#include "tests/sim/sim_link.h"
#include "tests/sim/sim_machine.h"
#include "tests/sim/sim_net.h"

enum {
    WORLD_CORES_MAX = 4,
    WORLD_DIRECTORIES_MAX = 3,
};

struct world_options {
    uint64_t seed;
    uint32_t core_count;
    uint32_t directory_count;
    bool verbose;
    bool wire;                 /* Clients come over a wire to the cores' own TCP. */
    uint32_t work;             /* enum world_work */
    uint32_t connection_count; /* Of a core. */
    struct sim_options machine;
};

struct dataplane;
struct controller;
struct client;

struct world {
    struct world_options options;
    struct random random;
    struct sim_machine *machine;
    struct sim_net *net;
    struct sim_link_machine *links;
    struct ledger *ledger;
    struct book *book;             /* NULL: only plain work. */
    struct dataplane *dataplane;   /* NULL: not running. */
    struct controller *controller; /* NULL: not running. */
    struct list clients;
    int64_t wall_base_ms; /* Wall clock at machine time 0; jumps move it. */
    uint64_t turns;
    uint32_t boots;
    uint32_t crashes;
    uint64_t power_cuts_seen;
    bool quiet;  /* The last round found nothing to do. */
    bool faulty; /* Faults are on: errors are to be expected. */
    bool ever_faulty;
    bool needs_restart;  /* Something may be fenced until then. */
    bool rotten;         /* Some file still holds a flipped bit. */
    bool flipped;        /* Bits of files were flipped: batches may fail their CRC. */
    bool dataplane_held; /* Not started again until this is false. */
    bool control_held;
    bool clients_held;        /* They do not connect. */
    bool control_stopped;     /* SIGSTOP: alive, but not run. */
    uint64_t control_stop_ns; /* Since then. */
    uint64_t control_gone_ns; /* When the last one died. */
    uint64_t dataplane_gone_ns;
    bool wall_jumped;
    uint64_t dataplane_start_ns; /* Not before. */
    uint64_t control_start_ns;
    uint64_t boot_spent_ns; /* What the last start took. */
    uint32_t refusals;      /* Starts in a row that were refused. */
    char refusal[512];      /* Why the last one was. */
    int journal_fd;         /* /dev/null, or stderr. */
};

struct world *world_create(const struct world_options *options);
/* Frees all, in whatever state. */
void world_destroy(struct world *world);

uint64_t world_now_ns(const struct world *world);
int64_t world_wall_ms(const struct world *world);
void world_jump_wall(struct world *world, int64_t by_ms);

/* One round: everybody may have a turn, time goes on. */
void world_turn(struct world *world);

/* ---- Processes ------------------------------------------------------------------------------ */

const char *world_directory(const struct world *world, uint32_t index);
/* kill -9 */
void world_kill_dataplane(struct world *world);
void world_kill_control(struct world *world);
/* SIGSTOP and SIGCONT. */
void world_stop_control(struct world *world);
void world_resume_control(struct world *world);
void world_power_cut(struct world *world);
/* A power cut after a stop in order, which must take nothing. */
void world_power_off(struct world *world);
/* Stops both in order, the dataplane first; false: it did not come to an end in time. */
bool world_stop(struct world *world);
/* True when the dataplane serves, with metadata applied on all cores, and control is connected. */
bool world_serving(const struct world *world);

#endif
