#include "tests/sim/sim_dataplane.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/core_loop.h"
#include "dataplane/recover.h"
#include "dataplane/slowpath/session.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_housekeeping.h"
#include "tests/sim/sim_memory.h"
#include "tests/sim/sim_ring.h"

enum {
    ARENA_BYTES = 4 * 1024 * 1024,
    OPEN_FILES = 24,
    DISK_SLOTS = OPEN_FILES + 2 * WORLD_DIRECTORIES_MAX,
    DISK_OPERATIONS = 128,
    RECEIVE_BUFFERS = 64,
    RECEIVE_BYTES = 4096,
    REQUEST_BYTES_MAX = 1024 * 1024,
    PORT_BUFFERS = 512, /* Over a wire. */
    PORT_NUMBER = 1,
    WIRE_V4 = 0x0a000001,
    WIRE_PORT = 9092,
    LOCK_WAIT_MS = 1000,
    CHECKPOINT_BYTES = 48 * 1024,
};

enum stage { STAGE_WAITING, STAGE_RUNNING, STAGE_STOPPING, STAGE_ENDED, STAGE_ENDED_BADLY };

/* One core and what stands below it. */
struct sim_core {
    struct core core;
    uint8_t *arena;
    void *broker_memory;
    struct net_transport *transport; /* NULL over a wire. */
    void *stack_memory;
};

struct dataplane {
    struct world *world;
    struct sim_process *process;
    struct link_world *links;
    struct journal *journal;
    struct recover recover;
    struct session *session;
    char socket_path[64];
    void *mail_memory;
    struct mail *mail;
    void *spread_memory; /* Of several stacks. */
    struct spread *spread;
    uint64_t secret[4];   /* Of all stacks. */
    uint32_t queue_count; /* So many cores hear the port. */
    struct broker_shared *shared;
    struct broker_directory directories[WORLD_DIRECTORIES_MAX];
    struct core_statistics *statistics;
    int service_bell;
    struct sim_core *sim_cores[WORLD_CORES_MAX];
    struct core *cores[WORLD_CORES_MAX];
    struct log *logs[WORLD_CORES_MAX];
    int log_shared_memory;
    struct log_shared *log_shared;
    int bells[WORLD_CORES_MAX];
    const struct snapshot *given;
    bool applied;
    bool applied_once;
    enum stage stage;
    enum core_stage wanted;
};

/* ---- One core ------------------------------------------------------------------------------- */

/* Small, so that every limit is met now and then, and a start is cheap. */
static struct broker_limits limits_of_core(const struct world_options *options)
{
    struct broker_limits limits =
        broker_limits_default(REQUEST_BYTES_MAX, ARENA_BYTES, RECEIVE_BUFFERS);
    limits.connection_count = options->connection_count;
    limits.request_count = 4 * options->connection_count;
    limits.requests_of_connection = 16;
    limits.piece_count = RECEIVE_BUFFERS + 2 * options->connection_count;
    limits.operation_count = 256;
    limits.partition_count = 256;
    limits.partition_total = 512;
    limits.fetch_count = 32;
    limits.fetch_item_count = 512;
    limits.fetch_topic_count = 256;
    limits.fetch_read_count = 64;
    limits.stash_bytes = 128 * 1024;
    limits.frame_bytes = REQUEST_BYTES_MAX + limits.stash_bytes + 2 * FRAME_UNIT_BYTES;
    limits.output_bytes = 512 * 1024;
    limits.response_bytes = 256 * 1024;
    limits.scratch_bytes = 256 * 1024;
    limits.unsent_bytes = 256 * 1024;
    return limits;
}

static void log_make(struct dataplane *dataplane, struct sim_core *sim)
{
    struct core *core = &sim->core;
    const struct recover *recover = &dataplane->recover;
    sim->arena = sim_memory_take(ARENA_BYTES);
    core->disk =
        sim_disk_create(dataplane->process, sim->arena, ARENA_BYTES, DISK_SLOTS, DISK_OPERATIONS);
    struct log_setup setup = {
        .disk = core->disk,
        .housekeeping = sim_housekeeping_create(dataplane->process, 64),
        .validation = sim_housekeeping_create(dataplane->process, 64),
        .arena = sim->arena,
        .arena_bytes = ARENA_BYTES,
        .seed = random_u64(&dataplane->world->random),
        .partition_count_max = 256,
        .producer_count_max = 256,
        .open_file_count_max = OPEN_FILES,
        .segment_count_max = 4096,
        .transactions = true,
        /* The defaults are made for a broker's life: nearly all of a start would go there. */
        .aborted_count_max = 8192,
        .batch_bytes_max = REQUEST_BYTES_MAX,
        .inflate_window_max = 1024 * 1024,
        .checkpoint_bytes = CHECKPOINT_BYTES,
        .directory_count = recover->directory_count,
    };
    for (uint32_t i = 0; i < recover->directory_count; i++) {
        setup.directory_paths[i] = recover->directories[i].path;
        setup.shared = dataplane->log_shared;
        setup.flush_fds[i] = recover->failed[i] ? -1 : recover->directories[i].lock_fd;
        if (!recover->failed[i]) { /* H3 */
            ASSERT(disk_add_file(core->disk, recover->directories[i].lock_fd, false) >= 0 ||
                   !sim_process_alive(dataplane->process));
        }
    }
    core->log = log_create(&setup);
    ASSERT(core->log != NULL);
}

static void core_make(struct dataplane *dataplane, uint32_t index)
{
    struct sim_core *sim = sim_memory_take(sizeof(*sim));
    struct core *core = &sim->core;
    dataplane->sim_cores[index] = sim;
    dataplane->cores[index] = core;
    core->index = index;
    core->core_count = dataplane->world->options.core_count;
    core->cores = dataplane->cores;
    core->mailbox = mail_box(dataplane->mail, index);
    core->journal = journal_port(dataplane->journal, index);
    core->statistics = &dataplane->statistics[index];
    core->world = dataplane->links;
    core->service_bell = dataplane->service_bell;
    core->bell = link_bell_make(dataplane->links);
    dataplane->bells[index] = core->bell;
    core->listener = sim_net_wire(dataplane->world->net) == NULL ? 0 : WIRE_PORT;
    log_make(dataplane, sim);
    dataplane->logs[index] = core->log;
}

static bool process_alive(const void *process)
{
    return sim_process_alive(process);
}

static void stack_make(struct dataplane *dataplane, uint32_t index)
{
    struct sim_core *sim = dataplane->sim_cores[index];
    struct core *core = &sim->core;
    struct sim_net *net = dataplane->world->net;
    const bool silent = index > 0 && index >= dataplane->queue_count;
    core->nic =
        sim_port_create(sim_net_wire(net), PORT_NUMBER, silent, 2 * PORT_BUFFERS * core->core_count,
                        process_alive, dataplane->process);
    struct stack_setup setup = {
        .nic = core->nic,
        .spread = dataplane->spread == NULL ? NULL : spread_at(dataplane->spread, index),
        .user = broker_transport_user(),
        .user_context = core->broker,
        .v4 = WIRE_V4,
        .prefix_bits = 24,
        .connection_count_max = 64,
        .receive_buffer_count = PORT_BUFFERS,
    };
    memcpy(setup.secret, dataplane->secret, sizeof(setup.secret));
    sim->stack_memory = sim_memory_take(stack_memory_bytes(&setup));
    core->stack = stack_create(sim->stack_memory, &setup, world_now_ns(dataplane->world));
    sim_net_wire_core(net, index, setup.v4);
}

static void core_complete(struct dataplane *dataplane, uint32_t index)
{
    struct sim_core *sim = dataplane->sim_cores[index];
    struct core *core = &sim->core;
    core->channel = session_channel(dataplane->session, index);
    const struct broker_setup setup = {
        .core = index,
        .core_count = core->core_count,
        .log = core->log,
        .mailbox = core->mailbox,
        .channel = core->channel,
        .shared = dataplane->shared,
        .statistics = &core->statistics->broker,
        .directories = dataplane->directories,
        .directory_count = dataplane->recover.directory_count,
        .seed = random_u64(&dataplane->world->random),
        .limits = limits_of_core(&dataplane->world->options),
    };
    sim->broker_memory = sim_memory_take(broker_memory_bytes(&setup.limits));
    core->broker = broker_create(sim->broker_memory, &setup);
    if (sim_net_wire(dataplane->world->net) != NULL) {
        stack_make(dataplane, index);
    } else {
        sim->transport = net_transport_create(dataplane->world->net, broker_transport_user(),
                                              core->broker, RECEIVE_BUFFERS, RECEIVE_BYTES);
    }
    core->ring = sim_ring_create(sim->transport);
    core->sock = sim_ring_sock(core->ring);
    atomic_store(&core->stage, CORE_RUNNING);
}

static void core_free(struct dataplane *dataplane, struct sim_core *sim)
{
    if (sim->transport != NULL) {
        net_transport_destroy(sim->transport);
    }
    if (sim->core.nic != NULL) {
        sim_net_wire_core(dataplane->world->net, sim->core.index, 0);
        sim_port_destroy(sim->core.nic);
        sim_memory_give(sim->stack_memory);
    }
    if (sim->core.ring != NULL) {
        sim_ring_free(sim->core.ring);
    }
    log_destroy(sim->core.log);
    sim_memory_give(sim->broker_memory);
    sim_memory_give(sim->arena);
    sim_memory_give(sim);
}

/* ---- Start ---------------------------------------------------------------------------------- */

static bool recover_all(struct dataplane *dataplane)
{
    struct world *world = dataplane->world;
    const char *paths[WORLD_DIRECTORIES_MAX];
    for (uint32_t i = 0; i < world->options.directory_count; i++) {
        paths[i] = world_directory(world, i);
    }
    const struct recover_options options = {
        .fs = sim_process_files(dataplane->process),
        .journal = dataplane->journal,
        .directory_count = world->options.directory_count,
        .directory_paths = paths,
        .node_id = 1,
        .seed = random_u64(&world->random),
        .lock_wait_ms = LOCK_WAIT_MS,
    };
    if (recover_open(&dataplane->recover, &options, world->refusal, sizeof(world->refusal)) !=
        RECOVER_OK) {
        return false;
    }
    recover_begin(&dataplane->recover, 0);
    recover_wait(&dataplane->recover);
    return true;
}

static bool session_make(struct dataplane *dataplane)
{
    struct world *world = dataplane->world;
    const struct recover *recover = &dataplane->recover;
    struct session_directory *directories = calloc(LOG_DIRECTORIES_MAX, sizeof(*directories));
    struct session_partition *found = calloc(recover->partition_count + 1u, sizeof(*found));
    ASSERT(directories != NULL && found != NULL);
    (void)snprintf(dataplane->socket_path, sizeof(dataplane->socket_path), "%s/.millrace/socket",
                   world_directory(world, 0));
    struct session_setup setup = {
        .world = dataplane->links,
        .socket_path = dataplane->socket_path,
        .incarnation = random_u64(&world->random) | 1,
        .node_id = 1,
        .listen = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = 9092},
        .core_count = world->options.core_count,
        .core_bells = dataplane->bells,
        .log_shared = dataplane->log_shared_memory,
        .statistics = LINK_NO_HANDLE,
        .ring_to_control_bytes = 512 * 1024,
        .ring_to_core_bytes = 256 * 1024,
    };
    recover_tell(recover, &setup, directories, found);
    dataplane->session = session_create(&setup, world->refusal, sizeof(world->refusal));
    free(found);
    free(directories);
    return dataplane->session != NULL;
}

static void shared_make(struct dataplane *dataplane)
{
    const struct world *world = dataplane->world;
    const uint32_t count = world->options.core_count;
    dataplane->mail_memory = sim_memory_take(mail_size(count));
    dataplane->mail = mail_init(dataplane->mail_memory, count);
    if (sim_net_wire(world->net) != NULL) {
        random_fill(&dataplane->world->random, dataplane->secret, sizeof(dataplane->secret));
        if (count > 1) {
            struct random *random = &dataplane->world->random;
            dataplane->queue_count =
                random_one_in(random, 3) ? 1 + (uint32_t)random_below(random, count) : count;
            dataplane->spread_memory = sim_memory_take(spread_size(count));
            dataplane->spread =
                spread_init(dataplane->spread_memory, count, dataplane->queue_count);
        }
    }
    dataplane->shared = sim_memory_take(sizeof(*dataplane->shared));
    dataplane->statistics = sim_memory_take(count * sizeof(*dataplane->statistics));
    for (uint32_t i = 0; i < dataplane->recover.directory_count; i++) {
        dataplane->directories[i].path = dataplane->recover.directories[i].path;
        dataplane->directories[i].failed = dataplane->recover.failed[i];
    }
    dataplane->service_bell = link_bell_make(dataplane->links);
    dataplane->log_shared_memory =
        link_memory_make(dataplane->links, "log-shared", sizeof(*dataplane->log_shared));
    dataplane->log_shared = link_memory_map(dataplane->links, dataplane->log_shared_memory,
                                            sizeof(*dataplane->log_shared), true);
}

struct dataplane *dataplane_start(struct world *world)
{
    struct dataplane *dataplane = sim_memory_take(sizeof(*dataplane));
    dataplane->world = world;
    dataplane->process = sim_process_start(world->machine);
    dataplane->links = sim_link_process(world->links);
    dataplane->journal =
        journal_create(world->journal_fd, "dataplane", world->options.core_count, JOURNAL_DEBUG);
    ASSERT(dataplane->journal != NULL);
    dataplane->applied = true;
    world->refusal[0] = '\0';
    const bool recovered = recover_all(dataplane);
    world->boot_spent_ns = sim_process_spent_ns(dataplane->process);
    if (!recovered || !sim_process_alive(dataplane->process)) {
        dataplane_free(dataplane);
        return NULL;
    }
    shared_make(dataplane);
    for (uint32_t i = 0; i < world->options.core_count; i++) {
        core_make(dataplane, i);
    }
    if (!session_make(dataplane) || !sim_process_alive(dataplane->process)) {
        dataplane_free(dataplane);
        return NULL;
    }
    for (uint32_t i = 0; i < world->options.core_count; i++) {
        core_complete(dataplane, i);
    }
    return dataplane;
}

void dataplane_free(struct dataplane *dataplane)
{
    const bool clean = dataplane->stage == STAGE_ENDED;
    if (!clean) {
        sim_process_kill(dataplane->process);
    }
    recover_close(&dataplane->recover, clean);
    for (uint32_t i = 0; i < WORLD_CORES_MAX; i++) {
        if (dataplane->sim_cores[i] != NULL) {
            core_free(dataplane, dataplane->sim_cores[i]);
        }
    }
    if (dataplane->session != NULL) {
        session_destroy(dataplane->session);
    }
    journal_destroy(dataplane->journal);
    sim_memory_give(dataplane->mail_memory);
    sim_memory_give(dataplane->spread_memory);
    sim_memory_give(dataplane->shared);
    sim_memory_give(dataplane->statistics);
    sim_link_process_end(dataplane->links);
    sim_process_end(dataplane->process);
    sim_memory_give(dataplane);
}

struct sim_process *dataplane_process(struct dataplane *dataplane)
{
    return dataplane->process;
}

/* ---- What came up --------------------------------------------------------------------------- */

static struct partition *partition_of(const struct dataplane *dataplane,
                                      const struct ledger_partition *known)
{
    const struct partition_id id = {*ledger_partition_id(known), ledger_partition_index(known)};
    const uint32_t core =
        snapshot_partition_core(&id.topic_id, id.index, dataplane->world->options.core_count);
    return log_find(dataplane->logs[core], &id);
}

void dataplane_check_created(const struct dataplane *dataplane, const struct uuid *topic_id,
                             uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct partition_id id = {*topic_id, i};
        const uint32_t core =
            snapshot_partition_core(topic_id, i, dataplane->world->options.core_count);
        const struct partition *partition = log_find(dataplane->logs[core], &id);
        if (partition == NULL || partition_state(partition) != LOG_OK) {
            sim_fail("partition %u of a topic that was created is not there (H18)", i);
        }
    }
}

/* The ledger hears what recovery made of each partition. */
static void recovered_tell(struct dataplane *dataplane, const struct snapshot *snapshot)
{
    struct world *world = dataplane->world;
    struct ledger *ledger = world->ledger;
    for (struct ledger_partition *known = ledger_partition_next(ledger, NULL); known != NULL;
         known = ledger_partition_next(ledger, known)) {
        const struct snapshot_topic *topic =
            snapshot_topic_by_id(snapshot, ledger_partition_id(known));
        const struct partition *partition = partition_of(dataplane, known);
        if (topic == NULL) {
            continue; /* Deleted, or so it seems: the clients' models know. */
        }
        if (partition != NULL && partition_state(partition) == LOG_OK) {
            ledger_recovered(ledger, known, partition_log_start(partition),
                             partition_end(partition), partition_leader_epoch(partition));
        } else if (ledger_readable(known) > 0 && !world->faulty && !ledger_suspected(known)) {
            sim_fail("topic-%u/%u did not come up again (%s)", ledger_partition_topic(known),
                     ledger_partition_index(known), partition == NULL ? "not there" : "fenced");
        }
    }
    ledger_restarted(ledger);
}

/* ---- The service thread --------------------------------------------------------------------- */

static void snapshot_give(struct dataplane *dataplane, const struct snapshot *snapshot)
{
    dataplane->given = snapshot;
    dataplane->applied = false;
    for (uint32_t i = 0; i < dataplane->world->options.core_count; i++) {
        core_offer_snapshot(dataplane->cores[i], snapshot);
    }
}

static bool snapshot_report(struct dataplane *dataplane)
{
    struct session_failure failures[128];
    uint32_t count = 0;
    for (uint32_t i = 0; i < dataplane->world->options.core_count; i++) {
        const struct core *core = dataplane->cores[i];
        if (!core_snapshot_done(core, dataplane->given)) {
            return false;
        }
        ASSERT(count + core->failure_count <= ARRAY_SIZE(failures));
        memcpy(failures + count, core->failures, core->failure_count * sizeof(failures[0]));
        count += core->failure_count;
    }
    session_applied(dataplane->session, failures, count);
    dataplane->applied = true;
    dataplane->applied_once = true;
    return true;
}

static bool snapshot_turn(struct dataplane *dataplane)
{
    if (!dataplane->applied) {
        return snapshot_report(dataplane);
    }
    const struct snapshot *snapshot = session_snapshot(dataplane->session);
    if (snapshot == NULL) {
        return false;
    }
    if (dataplane->stage == STAGE_WAITING) {
        recover_adopt(&dataplane->recover, snapshot, dataplane->logs,
                      dataplane->world->options.core_count);
        if (!sim_process_alive(dataplane->process)) {
            return true;
        }
        recovered_tell(dataplane, snapshot);
        dataplane->stage = STAGE_RUNNING;
    }
    snapshot_give(dataplane, snapshot);
    return true;
}

/* Orders the next stage of all cores once all have reached the last. */
static bool stop_turn(struct dataplane *dataplane)
{
    bool good = true;
    for (uint32_t i = 0; i < dataplane->world->options.core_count; i++) {
        const struct core *core = dataplane->cores[i];
        if (core_stage_reached(core) < dataplane->wanted) {
            return false;
        }
        good = good && atomic_load(&core->finish_status) == LOG_OK;
    }
    if (dataplane->wanted == CORE_ENDED) {
        dataplane->stage = good ? STAGE_ENDED : STAGE_ENDED_BADLY;
        return true;
    }
    dataplane->wanted = dataplane->wanted == CORE_DRAINING ? CORE_FINISHING : CORE_ENDED;
    for (uint32_t i = 0; i < dataplane->world->options.core_count; i++) {
        core_order_stage(dataplane->cores[i], dataplane->wanted);
    }
    return true;
}

bool dataplane_service_turn(struct dataplane *dataplane)
{
    bool work = session_turn(dataplane->session) > 0;
    work = snapshot_turn(dataplane) || work;
    if (dataplane->stage == STAGE_STOPPING) {
        work = stop_turn(dataplane) || work;
    }
    (void)journal_drain(dataplane->journal);
    return work;
}

void dataplane_stop(struct dataplane *dataplane)
{
    if (dataplane->stage == STAGE_WAITING) { /* As main.c: it ends as it was found. */
        dataplane->stage = STAGE_ENDED_BADLY;
        return;
    }
    session_stopping(dataplane->session);
    dataplane->stage = STAGE_STOPPING;
    dataplane->wanted = CORE_DRAINING;
    for (uint32_t i = 0; i < dataplane->world->options.core_count; i++) {
        core_order_stage(dataplane->cores[i], CORE_DRAINING);
    }
}

bool dataplane_ended(const struct dataplane *dataplane)
{
    return dataplane->stage == STAGE_ENDED;
}

bool dataplane_ended_badly(const struct dataplane *dataplane)
{
    return dataplane->stage == STAGE_ENDED_BADLY;
}

bool dataplane_serving(const struct dataplane *dataplane)
{
    return dataplane->stage == STAGE_RUNNING && dataplane->applied_once;
}

/* ---- Cores ---------------------------------------------------------------------------------- */

bool dataplane_core_turn(struct dataplane *dataplane, uint32_t core)
{
    if (dataplane->stage == STAGE_WAITING || dataplane->stage >= STAGE_ENDED ||
        core_stage_reached(dataplane->cores[core]) == CORE_ENDED) {
        return false;
    }
    const struct world *world = dataplane->world;
    return core_turn(dataplane->cores[core], world_now_ns(world), world_wall_ms(world)) > 0;
}

uint64_t dataplane_deadline_ns(const struct dataplane *dataplane)
{
    uint64_t deadline_ns = UINT64_MAX;
    if (dataplane->stage == STAGE_WAITING || dataplane->stage >= STAGE_ENDED) {
        return deadline_ns;
    }
    for (uint32_t i = 0; i < dataplane->world->options.core_count; i++) {
        const struct core *core = dataplane->cores[i];
        deadline_ns = min_u64(deadline_ns, broker_next_deadline_ns(core->broker));
        deadline_ns = min_u64(deadline_ns, log_next_deadline_ns(core->log));
        if (core->stack != NULL) {
            deadline_ns = min_u64(deadline_ns, stack_next_deadline_ns(core->stack));
        }
    }
    return deadline_ns;
}

void dataplane_check(const struct dataplane *dataplane, bool idle)
{
    for (uint32_t i = 0; i < dataplane->world->options.core_count; i++) {
        const struct sim_core *sim = dataplane->sim_cores[i];
        if (sim == NULL || sim->core.broker == NULL) {
            continue;
        }
        broker_invariants(sim->core.broker);
        if (idle && !broker_pools_full(sim->core.broker)) {
            sim_fail("core %u: a pool is not full though nobody is connected", i);
        }
        if (sim->core.stack != NULL) {
            const char *wrong = tcp_invariants(stack_tcp(sim->core.stack));
            if (wrong != NULL) {
                sim_fail("core %u: TCP: %s", i, wrong);
            }
        }
        if (idle && (sim->core.stack != NULL ? !stack_idle(sim->core.stack)
                                             : !net_transport_idle(sim->transport))) {
            sim_fail("core %u: a receive buffer was not given back", i);
        }
    }
}
