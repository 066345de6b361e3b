#include "tests/sim/sim_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/sim_client.h"
#include "tests/sim/sim_files.h"
#include "tests/sim/sim_mover.h"
#include "tests/sim/sim_work.h"

enum {
    PRODUCERS_MAX = 5,
    CONSUMERS_MAX = 3,
    CALM_SECONDS_MAX = 200, /* Virtual: by then everything must be done once the trouble is over. */
};

static const uint64_t MS_NS = 1000 * 1000;

struct scenario {
    const struct scenario_options *options;
    struct world *world;
    struct random random;
    uint32_t trouble;
    struct client *admin;
    struct client *producers[PRODUCERS_MAX];
    uint32_t producer_count;
    struct client *consumers[CONSUMERS_MAX];
    uint32_t consumer_count;
    struct client *walker; /* NULL: there is only plain work. */
    uint64_t next_trouble_ns;
    uint64_t heal_ns;   /* When the present trouble ends; 0: there is none. */
    uint64_t resume_ns; /* When control goes on; 0: it is not stopped. */
    uint32_t troubles_left;
    uint32_t dead_device;
    struct sim_flips flips;
};

/* ---- The machine and its clients ------------------------------------------------------------ */

static uint32_t troubles_of(struct scenario *scenario)
{
    if (scenario->options->trouble != TROUBLE_BY_SEED) {
        return (uint32_t)scenario->options->trouble;
    }
    /* Mostly one or two kinds: each gets room to do its worst. */
    uint32_t trouble = 1u << random_below(&scenario->random, 11);
    if (random_one_in(&scenario->random, 2)) {
        trouble |= 1u << random_below(&scenario->random, 11);
    }
    if (random_one_in(&scenario->random, 4)) {
        trouble |= TROUBLE_KILL | TROUBLE_POWER;
    }
    if (random_one_in(&scenario->random, 16)) {
        trouble = TROUBLE_ALL;
    }
    return trouble & ~(uint32_t)TROUBLE_FLIPS; /* Alone: they excuse what others may not do. */
}

static struct world_options world_options_of(struct scenario *scenario)
{
    static const uint32_t core_counts[] = {1, 1, 2, 4};
    struct random *random = &scenario->random;
    struct world_options options = {
        .seed = scenario->options->seed,
        .core_count = scenario->options->core_count != 0
                          ? scenario->options->core_count
                          : core_counts[random_below(random, ARRAY_SIZE(core_counts))],
        .directory_count = random_one_in(random, 3) ? 1 + (uint32_t)random_below(random, 3) : 1,
        .verbose = scenario->options->verbose,
        .wire = scenario->options->wire,
        .work = scenario->options->work,
        .connection_count = (scenario->options->work & WORK_STORM) != 0 ? 256 : 32,
    };
    if ((scenario->trouble & TROUBLE_DEAD) != 0) {
        options.directory_count = (uint32_t)max_u64(options.directory_count, 2);
    }
    options.machine.boundaries_unrecorded = true;
    options.machine.flush_covers_device = random_one_in(random, 2);
    options.machine.garbage = random_one_in(random, 2);
    if (random_one_in(random, 4)) {
        options.machine.write = (struct sim_range){100 * 1000, 5000 * 1000};
    }
    if (random_one_in(random, 2)) {
        options.machine.pause = (struct sim_range){100 * 1000, 30 * 1000 * 1000};
    }
    return options;
}

/* Mostly small; large ones roll segments of the least size there is. */
static uint32_t value_bytes_pick(struct random *random)
{
    switch (random_below(random, 16)) {
    case 0: return 30000;
    case 1:
    case 2:
    case 3: return 8000;
    default: return 16 + (uint32_t)random_below(random, 500);
    }
}

static void producers_make(struct scenario *scenario)
{
    struct random *random = &scenario->random;
    static const int16_t acks[] = {-1, -1, 1, 1, 0};
    const bool small = scenario->options->small;
    scenario->producer_count = small ? 3 : 2 + (uint32_t)random_below(random, PRODUCERS_MAX - 1);
    if ((scenario->options->work & WORK_PLAIN) == 0) {
        scenario->producer_count = 0;
    }
    for (uint32_t i = 0; i < scenario->producer_count; i++) {
        struct producer_options options = {
            .number = i,
            .idempotent = i == 0 || random_one_in(random, 2),
            .in_flight_max = 1 + (uint32_t)random_below(random, 5),
            .record_count = small ? 30 : 50 + (uint32_t)random_below(random, 300),
            .value_bytes_max = value_bytes_pick(random),
            .batch_records_max = 1 + (uint32_t)random_below(random, 8),
            .topics = i % 2 == 0 ? 3 : 0xff,
            .compressed = random_one_in(random, 3),
            .pause_us = small ? 500 : random_below(random, 20 * 1000),
        };
        options.acks = options.idempotent ? (random_one_in(random, 6) ? 1 : -1)
                                          : acks[random_below(random, ARRAY_SIZE(acks))];
        scenario->producers[i] = producer_create(scenario->world, &options);
    }
}

static void groups_make(struct scenario *scenario)
{
    struct random *random = &scenario->random;
    const uint32_t count = scenario->options->small ? 2 : 4 + (uint32_t)random_below(random, 5);
    for (uint32_t i = 0; i < count; i++) {
        struct member_options options = {
            .number = i,
            .group = scenario->options->small ? 2 * i : (uint32_t)random_below(random, 3),
            .fixed = random_one_in(random, 2),
            .partings = scenario->options->small ? 0 : (uint32_t)random_below(random, 4),
        };
        if (options.group == 2) {
            options.mixes = !options.fixed;
            (void)subscriber_create(scenario->world, &options);
        } else {
            (void)member_create(scenario->world, &options);
        }
    }
}

static void writers_make(struct scenario *scenario)
{
    struct random *random = &scenario->random;
    const uint32_t work = scenario->options->work;
    const bool small = scenario->options->small;
    const bool compaction = (work & WORK_COMPACTION) != 0;
    const uint32_t txns = (work & WORK_TXNS) == 0 ? 0 : small ? 1 : 4;
    for (uint32_t i = 0; i < txns; i++) {
        const bool bumps = random_one_in(random, 2);
        const struct writer_options options = {
            .number = i,
            .transactional = true,
            .tid = i == 1 ? 0 : i, /* The first two fence each other. */
            .shared = i < 2 && !small,
            .bumps = bumps,
            .in_flight_max = 1 + (uint32_t)random_below(random, 3),
            .work_count = small ? 3 : 5 + (uint32_t)random_below(random, 25),
            .key_first = i * 4,
            .key_count = compaction ? 4 : 0,
            .pause_ms = random_below(random, compaction ? 200 : 50),
        };
        (void)writer_create(scenario->world, &options);
    }
    for (uint32_t i = 0; compaction && i < 2; i++) {
        const struct writer_options options = {
            .number = 4 + i,
            .in_flight_max = 1,
            .work_count = small ? 6 : 20 + (uint32_t)random_below(random, 60),
            .key_first = 16 + i * 4,
            .key_count = 4,
            .pause_ms = random_below(random, 100),
        };
        (void)writer_create(scenario->world, &options);
    }
}

/* Hundreds, in some seeds. */
static void storm_make(struct scenario *scenario)
{
    static const uint32_t counts[] = {12, 40, 40, 200};
    struct random *random = &scenario->random;
    const uint32_t count = counts[random_below(random, ARRAY_SIZE(counts))];
    const uint64_t kinds = random_below(random, 3); /* Of groups: the one, the other, or both. */
    for (uint32_t i = 0; i < count; i++) {
        const bool classic = kinds == 0 || (kinds == 2 && i % 2 == 0);
        const struct member_options options = {
            .number = i,
            .group = classic ? 0 : 2,
            .fixed = random_one_in(random, 4),
            .partings = (uint32_t)random_below(random, 4),
            .crowd = true,
        };
        if (classic) {
            (void)member_create(scenario->world, &options);
        } else {
            (void)subscriber_create(scenario->world, &options);
        }
    }
}

/* Two who take over from each other. */
static void movers_make(struct scenario *scenario)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct mover *mover = mover_create();
        const struct member_options member = {
            .number = 8 + i,
            .group = BOOK_GROUP_OF_MOVERS,
            .fixed = random_one_in(&scenario->random, 2),
            .partings = 2 + (uint32_t)random_below(&scenario->random, 4),
            .mover = mover,
        };
        (void)member_create(scenario->world, &member);
        const struct writer_options writer = {
            .number = 6 + i,
            .transactional = true,
            .tid = BOOK_TIDS_OF_MOVERS + i,
            .bumps = random_one_in(&scenario->random, 2),
            .in_flight_max = 1,
            .work_count = UINT32_MAX,
            .pause_ms = random_below(&scenario->random, 40),
            .mover = mover,
        };
        (void)writer_create(scenario->world, &writer);
    }
}

/* Who works with groups, transactions and keys. */
static void actors_make(struct scenario *scenario)
{
    (void)founder_create(scenario->world);
    if ((scenario->options->work & WORK_GROUPS) != 0) {
        groups_make(scenario);
    }
    if ((scenario->options->work & WORK_STORM) != 0) {
        storm_make(scenario);
    }
    writers_make(scenario);
    const uint32_t both = WORK_GROUPS | WORK_TXNS;
    if ((scenario->options->work & both) == both && !scenario->options->small) {
        movers_make(scenario);
    }
    for (uint32_t i = 0; i < (scenario->options->small ? 1u : 2u); i++) {
        const struct walker_options options = {.number = i, .committed = i == 0};
        struct client *walker = walker_create(scenario->world, &options);
        scenario->walker = i == 0 ? walker : scenario->walker;
    }
}

static void clients_make(struct scenario *scenario)
{
    struct random *random = &scenario->random;
    const bool small = scenario->options->small;
    const struct admin_options admin = {
        .number = 0,
        .operation_count = (scenario->options->work & WORK_PLAIN) == 0 ? 0
                           : small                                     ? 4
                                   : 3 + (uint32_t)random_below(random, 12),
        .topic_count = small ? 2 : 2 + (uint32_t)random_below(random, 3),
        .keep = 3,
    };
    scenario->admin = admin_create(scenario->world, &admin);
    producers_make(scenario);
    scenario->consumer_count = small ? 1 : 1 + (uint32_t)random_below(random, CONSUMERS_MAX);
    for (uint32_t i = 0; i < scenario->consumer_count; i++) {
        const struct consumer_options options = {
            .number = i,
            .session = random_one_in(random, 2),
            .topics = i == 0 ? 0xff : 3,
        };
        scenario->consumers[i] = consumer_create(scenario->world, &options);
    }
    if (!small) {
        (void)prober_create(scenario->world, 0);
    }
    if (scenario->world->book != NULL) {
        actors_make(scenario);
    }
    if ((scenario->trouble & TROUBLE_CUTS) != 0) {
        const uint32_t one_in = 50 + (uint32_t)random_below(random, 500);
        LIST_FOR_EACH(node, &scenario->world->clients)
        {
            CONTAINER_OF(node, struct client, node)->cut_one_in = one_in;
        }
    }
}

/* ---- Trouble -------------------------------------------------------------------------------- */

static void heal_in(struct scenario *scenario, uint64_t ms_max)
{
    scenario->heal_ns =
        world_now_ns(scenario->world) + (1 + random_below(&scenario->random, ms_max)) * MS_NS;
}

static void faults_begin(struct scenario *scenario)
{
    static const char *const paths[] = {"", ".log", "index", ".snapshot", "__cluster_metadata"};
    struct random *random = &scenario->random;
    struct sim_fault fault = {
        .operation = random_one_in(random, 2)
                         ? SIM_ANY
                         : (enum sim_operation)random_below(random, SIM_OPERATIONS),
        .error = EIO,
        .skip = (uint32_t)random_below(random, 20),
        .count = (uint32_t)random_below(random, 4),
    };
    (void)snprintf(fault.path, sizeof(fault.path), "%s",
                   paths[random_below(random, ARRAY_SIZE(paths))]);
    sim_machine_add_fault(scenario->world->machine, &fault);
    scenario->world->faulty = true;
    scenario->world->ever_faulty = true;
    heal_in(scenario, 300);
}

static uint32_t device_pick(struct scenario *scenario)
{
    return 1 + (uint32_t)random_below(&scenario->random, scenario->world->options.directory_count);
}

static void device_trouble(struct scenario *scenario, enum scenario_trouble kind)
{
    struct world *world = scenario->world;
    const uint32_t device = device_pick(scenario);
    switch ((int)kind) {
    case TROUBLE_NO_SPACE:
        sim_device_set_capacity(world->machine, device,
                                random_below(&scenario->random, 4 * 1024 * 1024),
                                random_one_in(&scenario->random, 3) ? EDQUOT : ENOSPC);
        break;
    case TROUBLE_READ_ONLY: sim_device_set_read_only(world->machine, device, true); break;
    default: sim_device_set_dead(world->machine, device, true); scenario->dead_device = device;
    }
    world->faulty = true;
    world->ever_faulty = true;
    heal_in(scenario, 500);
}

static void crash_begin(struct scenario *scenario, enum sim_crash crash)
{
    struct world *world = scenario->world;
    if (random_one_in(&scenario->random, 4)) {
        if (crash == SIM_CRASH_POWER) {
            world_power_cut(world);
        } else {
            world_kill_dataplane(world);
        }
        return;
    }
    const uint64_t count = sim_machine_boundary_count(world->machine);
    sim_machine_crash_at(world->machine, count + random_below(&scenario->random, 400), crash);
}

static void control_trouble(struct scenario *scenario)
{
    struct world *world = scenario->world;
    if (random_one_in(&scenario->random, 2)) {
        world_kill_control(world);
    } else {
        world_stop_control(world);
        scenario->resume_ns =
            world_now_ns(world) + (random_one_in(&scenario->random, 4)
                                       ? 31000 * MS_NS
                                       : random_below(&scenario->random, 500) * MS_NS);
        if (scenario->walker != NULL && random_one_in(&scenario->random, 3)) {
            /* Long enough to be noticed, short enough for a member to sleep through. */
            scenario->resume_ns =
                world_now_ns(world) + (1500 + random_below(&scenario->random, 3000)) * MS_NS;
        }
    }
}

static void trouble_begin(struct scenario *scenario)
{
    struct world *world = scenario->world;
    uint32_t kind;
    do {
        kind = 1u << random_below(&scenario->random, 11);
    } while ((scenario->trouble & kind) == 0);
    switch (kind) {
    case TROUBLE_KILL:
        crash_begin(scenario,
                    random_one_in(&scenario->random, 2) ? SIM_CRASH_KILL_ALL : SIM_CRASH_KILL);
        break;
    case TROUBLE_POWER: crash_begin(scenario, SIM_CRASH_POWER); break;
    case TROUBLE_CONTROL: control_trouble(scenario); break;
    case TROUBLE_IO_ERRORS: faults_begin(scenario); break;
    case TROUBLE_NO_SPACE:
    case TROUBLE_READ_ONLY:
    case TROUBLE_DEAD: device_trouble(scenario, (enum scenario_trouble)kind); break;
    case TROUBLE_SLOW:
        sim_machine_set_flush(world->machine, (struct sim_range){20 * MS_NS, 200 * MS_NS});
        heal_in(scenario, 2000);
        break;
    case TROUBLE_CLOCK:
        world_jump_wall(world, (int64_t)random_below(&scenario->random, 20000) - 10000);
        break;
    case TROUBLE_FLIPS: sim_flips_order(&scenario->flips, world); break;
    default: break; /* Cuts come by themselves. */
    }
}

static void trouble_end(struct scenario *scenario)
{
    struct world *world = scenario->world;
    bool restart = world->faulty;
    sim_machine_clear_faults(world->machine);
    for (uint32_t i = 1; i <= world->options.directory_count; i++) {
        sim_device_set_capacity(world->machine, i, UINT64_MAX, ENOSPC);
        sim_device_set_read_only(world->machine, i, false);
        sim_device_set_dead(world->machine, i, false);
    }
    sim_machine_set_flush(world->machine, (struct sim_range){50 * 1000, 2000 * 1000});
    scenario->heal_ns = 0;
    scenario->dead_device = 0;
    /* What was fenced comes back with a restart, at the latest. */
    if (restart) {
        world->needs_restart = true;
    }
}

static void trouble_turn(struct scenario *scenario)
{
    struct world *world = scenario->world;
    const uint64_t now_ns = world_now_ns(world);
    if (scenario->resume_ns != 0 && now_ns >= scenario->resume_ns) {
        scenario->resume_ns = 0;
        world_resume_control(world);
    }
    if (scenario->heal_ns != 0 && now_ns >= scenario->heal_ns) {
        trouble_end(scenario);
    }
    sim_flips_turn(&scenario->flips, world);
    if (scenario->troubles_left > 0 && now_ns >= scenario->next_trouble_ns) {
        scenario->troubles_left--;
        const uint64_t pause_ms = random_below(&scenario->random, 400);
        scenario->next_trouble_ns =
            now_ns + (scenario->walker == NULL ? pause_ms : 4 * pause_ms) * MS_NS;
        trouble_begin(scenario);
    }
}

/* ---- Phases --------------------------------------------------------------------------------- */

static void stuck(const struct scenario *scenario, const char *what)
{
    const struct world *world = scenario->world;
    sim_fail("%s after %u s (dataplane %s, control %s, %u refused starts: %s)", what,
             CALM_SECONDS_MAX, world->dataplane == NULL ? "down" : "up",
             world->controller == NULL ? "down" : "up", world->refusals, world->refusal);
}

/* Turns until `done`, while there is no trouble any more. */
static void calm(struct scenario *scenario, bool (*done)(const struct scenario *), const char *what)
{
    struct world *world = scenario->world;
    const uint64_t deadline_ns = world_now_ns(world) + CALM_SECONDS_MAX * UINT64_C(1000) * MS_NS;
    while (!done(scenario)) {
        if (world_now_ns(world) > deadline_ns) {
            stuck(scenario, what);
        }
        sim_flips_turn(&scenario->flips, world);
        world_turn(world);
    }
}

static bool serves(const struct scenario *scenario)
{
    return world_serving(scenario->world);
}

static bool work_done(const struct scenario *scenario)
{
    return world_serving(scenario->world) && !scenario->flips.ordered &&
           clients_finished(scenario->world, &producer_kind) &&
           clients_finished(scenario->world, &admin_kind) &&
           clients_finished(scenario->world, &founder_kind) &&
           clients_finished(scenario->world, &member_kind) &&
           clients_finished(scenario->world, &subscriber_kind) &&
           clients_finished(scenario->world, &writer_kind);
}

static bool audit_done(const struct scenario *scenario)
{
    return consumer_kind.finished(scenario->consumers[0]) &&
           (scenario->walker == NULL || walker_kind.finished(scenario->walker));
}

static void phase_work(struct scenario *scenario)
{
    struct world *world = scenario->world;
    struct random *random = &scenario->random;
    uint64_t work_ms = 200 + random_below(random, 1500);
    if ((scenario->options->work & (WORK_GROUPS | WORK_COMPACTION | WORK_STORM)) != 0) {
        work_ms *= 4; /* Sessions end, and cleaners look around. */
    }
    const uint64_t end_ns = world_now_ns(world) + work_ms * MS_NS;
    scenario->troubles_left = scenario->trouble == 0 ? 0 : 1 + (uint32_t)random_below(random, 5);
    scenario->next_trouble_ns = world_now_ns(world) + random_below(random, 200) * MS_NS;
    while (world_now_ns(world) < end_ns || scenario->heal_ns != 0 || scenario->resume_ns != 0) {
        trouble_turn(scenario);
        world_turn(world);
        if (world_now_ns(world) >= end_ns) {
            scenario->troubles_left = 0;
        }
    }
}

/* After a storm: when all serves and the last one that paused is awake, groups have two rebalance
 * timeouts, and three sessions for those who are silent by then, to come to rest. */
static void phase_converge(struct scenario *scenario)
{
    struct world *world = scenario->world;
    book_calm_down(world->book);
    LIST_FOR_EACH(node, &world->clients)
    {
        CONTAINER_OF(node, struct client, node)->cut_one_in = 0;
    }
    calm(scenario, serves, "the broker does not serve");
    const uint64_t deadline_ns =
        world_now_ns(world) + (3 * BOOK_SESSION_MS + 2 * BOOK_REBALANCE_MS) * MS_NS;
    const char *missing[2];
    do {
        world_turn(world);
        missing[0] = book_unsettled(world->book, 0);
        missing[1] = book_unsettled(world->book, 2);
        if (world_now_ns(world) > deadline_ns) {
            sim_fail("two rebalance timeouts and three sessions after a storm: %s",
                     missing[0] != NULL ? missing[0] : missing[1]);
        }
    } while (missing[0] != NULL || missing[1] != NULL);
}

/* The trouble is over: all that is open must come to its end. */
static void phase_calm(struct scenario *scenario)
{
    struct world *world = scenario->world;
    sim_machine_crash_at(world->machine, UINT64_MAX, SIM_CRASH_KILL);
    world_resume_control(world);
    if (world->needs_restart) {
        world_kill_dataplane(world);
        world->faulty = false;
        world->needs_restart = false;
    }
    for (uint32_t i = 0; i < scenario->producer_count; i++) {
        producer_wind_up(scenario->producers[i]);
        scenario->producers[i]->cut_one_in = 0;
    }
    admin_wind_up(scenario->admin);
    scenario->admin->cut_one_in = 0;
    if ((scenario->options->work & WORK_STORM) != 0) {
        phase_converge(scenario);
    }
    if (world->book != NULL) {
        book_wind_up(world->book);
    }
    calm(scenario, work_done, "the clients are not done");
}

static void phase_audit(struct scenario *scenario)
{
    for (uint32_t i = 1; i < scenario->consumer_count; i++) {
        scenario->consumers[i]->cut_one_in = 0;
    }
    calm(scenario, serves, "the broker does not serve");
    consumer_audit(scenario->consumers[0]);
    if (scenario->walker != NULL) {
        walker_audit(scenario->walker);
    }
    calm(scenario, audit_done, "not everything could be read");
}

static void phase_stop(struct scenario *scenario)
{
    struct world *world = scenario->world;
    world->clients_held = true;
    clients_disconnect(world);
    if (!world_stop(world)) {
        sim_fail("the broker does not stop in order");
    }
    if (!world->rotten) {
        sim_files_check(world);
    }
}

static void check_counters(const struct scenario *scenario)
{
    const struct sim_counters *counters = sim_machine_counters(scenario->world->machine);
    if (counters->overlapped_writes != 0) {
        sim_fail("%" PRIu64 " writes were under way to a block at once (H2)",
                 counters->overlapped_writes);
    }
}

static struct scenario_result result_of(const struct scenario *scenario)
{
    struct scenario_result result = {
        .boundaries = sim_machine_boundary_count(scenario->world->machine),
        .turns = scenario->world->turns,
        .virtual_ms = world_now_ns(scenario->world) / MS_NS,
        .crashes = scenario->world->crashes,
        .boots = scenario->world->boots,
    };
    for (uint32_t i = 0; i < scenario->producer_count; i++) {
        result.acked += producer_acked(scenario->producers[i]);
    }
    for (uint32_t i = 0; i < scenario->consumer_count; i++) {
        result.read += consumer_records(scenario->consumers[i]);
    }
    return result;
}

static void phase_small(struct scenario *scenario)
{
    struct world *world = scenario->world;
    if (scenario->options->crash_at != UINT64_MAX) {
        const uint64_t count = sim_machine_boundary_count(world->machine);
        sim_machine_crash_at(world->machine, count + scenario->options->crash_at,
                             scenario->options->crash);
    }
    calm(scenario, work_done, "the clients are not done");
}

struct scenario_result scenario_run(const struct scenario_options *options)
{
    struct scenario scenario = {.options = options};
    random_init(&scenario.random, options->seed ^ 0x7363656e6172696f);
    scenario.trouble = options->small ? 0 : troubles_of(&scenario);
    const struct world_options world = world_options_of(&scenario);
    scenario.world = world_create(&world);
    clients_make(&scenario);
    calm(&scenario, serves, "the broker does not start");
    const uint64_t from = sim_machine_boundary_count(scenario.world->machine);
    if (options->small) {
        phase_small(&scenario);
    } else {
        phase_work(&scenario);
    }
    phase_calm(&scenario);
    const uint64_t boundaries = sim_machine_boundary_count(scenario.world->machine) - from;
    phase_audit(&scenario);
    phase_stop(&scenario);
    if (random_one_in(&scenario.random, 3)) {
        if (random_one_in(&scenario.random, 2)) {
            world_power_off(scenario.world);
        }
        scenario.world->dataplane_held = false;
        scenario.world->control_held = false;
        scenario.world->clients_held = false;
        phase_audit(&scenario);
        if (random_one_in(&scenario.random, 2)) {
            world_kill_dataplane(scenario.world); /* What the clean stop left counts no more. */
            phase_audit(&scenario);
        }
        phase_stop(&scenario);
    }
    check_counters(&scenario);
    struct scenario_result result = result_of(&scenario);
    result.boundaries = boundaries;
    world_destroy(scenario.world);
    return result;
}
