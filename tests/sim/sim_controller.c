#include "tests/sim/sim_controller.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/loop.h"

struct controller {
    struct world *world;
    struct sim_process *process;
    struct link_world *links;
    struct journal *journal;
    struct settings settings;
    struct control *control;
    char socket_path[64];
    uint64_t busy_until_ns; /* Its blocking calls take that long. */
    uint64_t spent_ns;
};

/* Few partitions of coordinators and short times: what takes minutes elsewhere happens here within
 * a second. BOOK_SESSION_MS stands in some. */
enum { SETTINGS_MAX = 9 };

static char work_settings[SETTINGS_MAX][64] = {
    "kafka.offsets.topic.num.partitions=2",
    "kafka.transaction.state.log.num.partitions=2",
    "kafka.group.initial.rebalance.delay.ms=50",
    "kafka.group.min.session.timeout.ms=1000",
    "kafka.group.consumer.min.session.timeout.ms=1000",
    "kafka.group.consumer.session.timeout.ms=1500",
    "kafka.group.consumer.min.heartbeat.interval.ms=300",
    "kafka.group.consumer.heartbeat.interval.ms=400",
    "kafka.log.cleaner.backoff.ms=200",
};

static void settings_make(struct controller *controller)
{
    const struct world *world = controller->world;
    static char *environment[] = {NULL};
    char *arguments[2 * (WORLD_DIRECTORIES_MAX + SETTINGS_MAX)];
    char paths[WORLD_DIRECTORIES_MAX][64];
    int count = 0;
    for (uint32_t i = 0; i < world->options.directory_count; i++) {
        static char flag[] = "--data";
        (void)snprintf(paths[i], sizeof(paths[i]), "%s", world_directory(world, i));
        arguments[count++] = flag;
        arguments[count++] = paths[i];
    }
    for (uint32_t i = 0; world->book != NULL && i < SETTINGS_MAX; i++) {
        static char flag[] = "--set";
        arguments[count++] = flag;
        arguments[count++] = work_settings[i];
    }
    static struct settings_problems problems;
    problems = (struct settings_problems){0};
    const struct settings_input input = {
        .argc = count, .argv = arguments, .environment = environment, .program_dir = ""};
    if (!settings_load(&controller->settings, &input, &problems)) {
        sim_fail("settings: %s", problems.error[0]);
    }
}

struct controller *controller_start(struct world *world)
{
    struct controller *controller = calloc(1, sizeof(*controller));
    ASSERT(controller != NULL);
    controller->world = world;
    controller->process = sim_process_start(world->machine);
    controller->links = sim_link_process(world->links);
    controller->journal = journal_create(world->journal_fd, "control", 1, JOURNAL_DEBUG);
    ASSERT(controller->journal != NULL);
    settings_make(controller);
    (void)snprintf(controller->socket_path, sizeof(controller->socket_path), "%s/.millrace/socket",
                   world_directory(world, 0));
    const struct control_setup setup = {
        .files = sim_process_files(controller->process),
        .world = controller->links,
        .settings = &controller->settings,
        .data_directory = world_directory(world, 0),
        .socket_path = controller->socket_path,
        .journal = controller->journal,
        .seed = random_u64(&world->random),
        .group_walk_per_turn = 2, /* Groups have few offsets here, and they are to be many. */
    };
    controller->control = control_create(&setup);
    ASSERT(controller->control != NULL);
    return controller;
}

void controller_free(struct controller *controller)
{
    sim_process_kill(controller->process);
    control_destroy(controller->control);
    settings_free(&controller->settings);
    journal_destroy(controller->journal);
    sim_link_process_end(controller->links);
    sim_process_end(controller->process);
    free(controller);
}

struct sim_process *controller_process(struct controller *controller)
{
    return controller->process;
}

bool controller_turn(struct controller *controller)
{
    const struct world *world = controller->world;
    const uint64_t now_ns = world_now_ns(world);
    if (now_ns < controller->busy_until_ns) {
        return false;
    }
    const bool work = control_turn(controller->control, now_ns, world_wall_ms(world)) > 0;
    const uint64_t spent_ns = sim_process_spent_ns(controller->process);
    controller->busy_until_ns = now_ns + (spent_ns - controller->spent_ns);
    controller->spent_ns = spent_ns;
    return work;
}

uint64_t controller_deadline_ns(const struct controller *controller)
{
    return max_u64(controller->busy_until_ns, control_deadline_ns(controller->control));
}

bool controller_ready(const struct controller *controller)
{
    return control_phase(controller->control) == CONTROL_READY;
}

bool controller_refused(const struct controller *controller)
{
    if (control_phase(controller->control) != CONTROL_REFUSED) {
        return false;
    }
    struct world *world = controller->world;
    (void)snprintf(world->refusal, sizeof(world->refusal), "%s",
                   control_reason(controller->control));
    return true;
}
