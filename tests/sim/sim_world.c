#include "tests/sim/sim_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/sim/sim_client.h"
#include "tests/sim/sim_controller.h"
#include "tests/sim/sim_dataplane.h"

enum {
    IDLE_STEP_NS_MAX = 200 * 1000 * 1000, /* Nobody sleeps longer than that. */
};

/* ---- Life ----------------------------------------------------------------------------------- */

const char *world_directory(const struct world *world, uint32_t index)
{
    static const char *const paths[WORLD_DIRECTORIES_MAX] = {"/data0", "/data1", "/data2"};
    ASSERT(index < world->options.directory_count);
    return paths[index];
}

struct world *world_create(const struct world_options *options)
{
    struct world *world = calloc(1, sizeof(*world));
    ASSERT(world != NULL);
    world->options = *options;
    random_init(&world->random, options->seed);
    struct sim_options machine = options->machine;
    machine.seed = random_u64(&world->random);
    world->machine = sim_machine_create(&machine);
    world->net = sim_net_create(random_u64(&world->random));
    if (options->wire) {
        const struct sim_wire_options wire = sim_wire_options_by_seed(options->seed);
        sim_net_use_wire(world->net, &wire);
    }
    world->links = sim_link_machine_create();
    world->ledger = ledger_create();
    world->book = options->work > WORK_PLAIN ? book_create(world) : NULL;
    list_init(&world->clients);
    world->wall_base_ms = 1700000000000;
    for (uint32_t i = 0; i < options->directory_count; i++) {
        (void)sim_machine_add_device(world->machine, world_directory(world, i));
    }
    world->journal_fd = options->verbose ? STDERR_FILENO : open("/dev/null", O_WRONLY | O_CLOEXEC);
    return world;
}

void world_destroy(struct world *world)
{
    clients_free(world);
    if (world->dataplane != NULL) {
        dataplane_free(world->dataplane);
    }
    if (world->controller != NULL) {
        controller_free(world->controller);
    }
    sim_net_destroy(world->net);
    sim_link_machine_destroy(world->links);
    ledger_destroy(world->ledger);
    book_destroy(world->book);
    sim_machine_destroy(world->machine);
    if (!world->options.verbose) {
        (void)close(world->journal_fd);
    }
    free(world);
}

uint64_t world_now_ns(const struct world *world)
{
    return sim_machine_now_ns(world->machine);
}

int64_t world_wall_ms(const struct world *world)
{
    return world->wall_base_ms + (int64_t)(world_now_ns(world) / 1000000);
}

void world_jump_wall(struct world *world, int64_t by_ms)
{
    world->wall_base_ms += by_ms;
    world->wall_jumped = true;
}

/* ---- Deaths and births ---------------------------------------------------------------------- */

static uint64_t soon_ns(struct world *world, uint64_t ms_max)
{
    return world_now_ns(world) + random_below(&world->random, ms_max * 1000000);
}

static void dataplane_gone(struct world *world)
{
    dataplane_free(world->dataplane);
    world->dataplane = NULL;
    world->dataplane_gone_ns = world_now_ns(world);
    world->dataplane_start_ns = soon_ns(world, 30);
}

static void controller_gone(struct world *world)
{
    controller_free(world->controller);
    world->controller = NULL;
    world->control_gone_ns = world_now_ns(world);
    world->control_start_ns = soon_ns(world, 30);
}

/* What the last steps did to the processes. */
static void deaths_notice(struct world *world)
{
    const uint64_t cuts = sim_machine_counters(world->machine)->power_cuts;
    if (cuts != world->power_cuts_seen) {
        world->power_cuts_seen = cuts;
        ledger_crashed(world->ledger, LEDGER_POWER);
    }
    if (world->dataplane != NULL && !sim_process_alive(dataplane_process(world->dataplane))) {
        ledger_crashed(world->ledger, LEDGER_KILL);
        world->crashes++;
        dataplane_gone(world);
    }
    if (world->controller != NULL && !sim_process_alive(controller_process(world->controller))) {
        world->crashes++;
        controller_gone(world);
    }
}

void world_kill_dataplane(struct world *world)
{
    if (world->dataplane != NULL) {
        sim_process_kill(dataplane_process(world->dataplane));
    }
    deaths_notice(world);
}

void world_kill_control(struct world *world)
{
    if (world->controller != NULL) {
        sim_process_kill(controller_process(world->controller));
    }
    deaths_notice(world);
}

/* What a pause must last to be noticed. */
enum { PAUSE_MS = 1100 };

static void coordinators_fresh(struct world *world, uint64_t away_ns)
{
    if (world->book != NULL) {
        book_fresh(world->book, away_ns);
    }
}

void world_stop_control(struct world *world)
{
    world->control_stopped = true;
    world->control_stop_ns = world_now_ns(world);
}

void world_resume_control(struct world *world)
{
    if (world->control_stopped &&
        world_now_ns(world) - world->control_stop_ns >= PAUSE_MS * UINT64_C(1000000)) {
        coordinators_fresh(world, world->control_stop_ns);
    }
    world->control_stopped = false;
}

void world_power_cut(struct world *world)
{
    sim_machine_power_cut(world->machine);
    deaths_notice(world);
}

void world_power_off(struct world *world)
{
    ASSERT(world->dataplane == NULL && world->controller == NULL);
    sim_machine_power_cut(world->machine);
    world->power_cuts_seen = sim_machine_counters(world->machine)->power_cuts;
}

static void births(struct world *world)
{
    if (world->dataplane == NULL && !world->dataplane_held &&
        world_now_ns(world) >= world->dataplane_start_ns) {
        const uint64_t kills = sim_machine_counters(world->machine)->kills;
        world->dataplane = dataplane_start(world);
        world->boots++;
        coordinators_fresh(world, world->dataplane_gone_ns);
        /* The kills of a start that failed are its own end, if it was not one from outside. */
        if (world->dataplane == NULL) {
            const bool refused = world->refusal[0] != '\0';
            if (!refused && kills != sim_machine_counters(world->machine)->kills) {
                ledger_crashed(world->ledger, LEDGER_KILL);
            }
            world->refusals += refused;
            world->dataplane_start_ns = soon_ns(world, 30);
        }
        sim_machine_advance(world->machine, world_now_ns(world) + world->boot_spent_ns);
        deaths_notice(world);
    }
    if (world->controller == NULL && !world->control_held &&
        world_now_ns(world) >= world->control_start_ns) {
        world->controller = controller_start(world);
        coordinators_fresh(world, world->control_gone_ns);
    }
}

/* ---- Rounds --------------------------------------------------------------------------------- */

static bool dataplane_round(struct world *world, bool all)
{
    bool work = false;
    const uint32_t first = (uint32_t)random_below(&world->random, world->options.core_count);
    for (uint32_t i = 0; world->dataplane != NULL && i < world->options.core_count; i++) {
        if (all || !random_one_in(&world->random, 4)) {
            work = dataplane_core_turn(world->dataplane, (first + i) % world->options.core_count) ||
                   work;
            deaths_notice(world);
        }
    }
    if (world->dataplane != NULL && (all || random_one_in(&world->random, 2))) {
        work = dataplane_service_turn(world->dataplane) || work;
        deaths_notice(world);
    }
    if (world->dataplane != NULL && dataplane_ended_badly(world->dataplane)) {
        ledger_crashed(world->ledger, LEDGER_KILL);
        dataplane_gone(world);
    }
    return work;
}

static bool control_round(struct world *world, bool all)
{
    bool work = false;
    if (world->controller != NULL && !world->control_stopped &&
        (all || random_one_in(&world->random, 2))) {
        work = controller_turn(world->controller);
        deaths_notice(world);
    }
    if (world->controller != NULL && controller_refused(world->controller)) {
        world->refusals++;
        controller_gone(world);
    }
    return work;
}

static uint64_t next_ns(const struct world *world)
{
    uint64_t next_ns = sim_machine_next_ns(world->machine);
    next_ns = min_u64(next_ns, sim_net_next_ns(world->net));
    next_ns = min_u64(next_ns, clients_deadline_ns(world));
    if (world->dataplane != NULL) {
        next_ns = min_u64(next_ns, dataplane_deadline_ns(world->dataplane));
    } else if (!world->dataplane_held) {
        next_ns = min_u64(next_ns, world->dataplane_start_ns);
    }
    if (world->controller != NULL) {
        next_ns =
            min_u64(next_ns, world->control_stopped ? UINT64_MAX
                                                    : controller_deadline_ns(world->controller));
    } else if (!world->control_held) {
        next_ns = min_u64(next_ns, world->control_start_ns);
    }
    return next_ns;
}

/* Time goes on: a little while there is work, to the next event when there is none. */
static void time_goes_on(struct world *world, bool work)
{
    const uint64_t now_ns = world_now_ns(world);
    uint64_t until_ns = now_ns + 1000 + random_below(&world->random, 30 * 1000);
    if (!work) {
        until_ns = max_u64(until_ns, min_u64(next_ns(world), now_ns + IDLE_STEP_NS_MAX));
    }
    sim_machine_advance(world->machine, until_ns);
    deaths_notice(world);
    ledger_wall(world->ledger, world_wall_ms(world));
}

void world_turn(struct world *world)
{
    world->turns++;
    sim_net_set_now(world->net, world_now_ns(world));
    births(world);
    sim_net_set_now(world->net, world_now_ns(world));
    const bool all = world->quiet;
    bool work = dataplane_round(world, all);
    work = control_round(world, all) || work;
    work = clients_turn(world, all) || work;
    work = sim_net_turn(world->net) > 0 || work;
    if (random_one_in(&world->random, 64) && world->dataplane != NULL) {
        dataplane_check(world->dataplane, false);
    }
    /* It is quiet once a round in which everybody had a turn found nothing. */
    time_goes_on(world, work || !all);
    world->quiet = !work;
}

bool world_serving(const struct world *world)
{
    return world->dataplane != NULL && dataplane_serving(world->dataplane) &&
           world->controller != NULL && controller_ready(world->controller);
}

bool world_stop(struct world *world)
{
    const uint64_t deadline_ns = world_now_ns(world) + UINT64_C(60) * 1000 * 1000 * 1000;
    world->dataplane_held = true;
    world->control_held = true;
    world_resume_control(world);
    if (world->dataplane != NULL) {
        dataplane_stop(world->dataplane);
    }
    while (world->dataplane != NULL && !dataplane_ended(world->dataplane)) {
        if (world_now_ns(world) > deadline_ns) {
            return false;
        }
        world_turn(world);
    }
    const bool ended = world->dataplane != NULL;
    if (world->dataplane != NULL) {
        dataplane_check(world->dataplane, true);
        ledger_stopped(world->ledger);
        dataplane_gone(world);
    }
    if (world->controller != NULL) {
        controller_gone(world);
    }
    return ended;
}
