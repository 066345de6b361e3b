#include "dataplane/core_setup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/limits.h"

static const char *const huge_remedy =
    "free huge pages are needed (memory.hugepages: required); reserve some with "
    "`sysctl vm.nr_hugepages=N`, or set memory.hugepages to auto";

/* ---- Sizes ---- */

static uint32_t connections_of_core(const struct cores_options *options)
{
    /* The kernel spreads connections by hash, not evenly: every core can hold all of them up to a
     * point, and twice its share beyond. */
    const uint32_t all = options->connection_count_max;
    return options->core_count == 1 ? all : min_u32(all, 2 * all / options->core_count + 1024);
}

static uint32_t receive_buffer_count(const struct cores_options *options)
{
    uint32_t count = 64;
    while ((uint64_t)count * 2 * RECEIVE_BUFFER_BYTES <= options->receive_bytes && count < 32768) {
        count *= 2;
    }
    return count;
}

uint32_t cores_port_buffers(const struct cores_options *options)
{
    const uint64_t count = options->receive_bytes / PORT_BUFFER_BYTES;
    return (uint32_t)min_u64(max_u64(count, 512), PORT_BUFFERS_MAX);
}

static struct broker_limits limits_of_broker(const struct cores_options *options)
{
    struct broker_limits limits = broker_limits_default(
        options->request_bytes_max, options->arena_bytes,
        options->bypass.used ? cores_port_buffers(options) : receive_buffer_count(options));
    limits.connection_count = connections_of_core(options);
    return limits;
}

static struct sock_setup setup_of_sock(const struct cores_options *options)
{
    return (struct sock_setup){
        .connection_count_max = connections_of_core(options),
        .send_count_max = connections_of_core(options) + SEND_SURPLUS,
        .buffer_group = RECEIVE_GROUP,
        .buffer_count = receive_buffer_count(options),
        .buffer_bytes = RECEIVE_BUFFER_BYTES,
    };
}

static struct stack_setup setup_of_stack(const struct cores_options *options)
{
    const struct cores_bypass *bypass = &options->bypass;
    struct stack_setup setup = {
        .v4 = bypass->v4,
        .prefix_bits = bypass->prefix_bits,
        .gateway_v4 = bypass->gateway_v4,
        .v6 = bypass->v6,
        .prefix_bits_v6 = bypass->prefix_bits_v6,
        .gateway_v6 = bypass->gateway_v6,
        .probe_v6 = true,
        .vlan = bypass->vlan,
        .congestion = bypass->congestion,
        .connection_count_max = connections_of_core(options),
        .receive_buffer_count = cores_port_buffers(options),
    };
    memcpy(setup.secret, bypass->secret, sizeof(setup.secret));
    return setup;
}

static uint64_t others_bytes(const struct cores_options *options)
{
    const struct broker_limits limits = limits_of_broker(options);
    const struct sock_setup sock = setup_of_sock(options);
    const struct stack_setup stack = setup_of_stack(options);
    return round_up(broker_memory_bytes(&limits), 64) +
           round_up(options->bypass.used ? stack_memory_bytes(&stack) : sock_memory_bytes(&sock),
                    64);
}

/* Receive buffers in memory of ours; those of a port are DPDK's, and counted with it. */
static uint64_t receive_memory_bytes(const struct cores_options *options)
{
    return options->bypass.used ? 0
                                : (uint64_t)receive_buffer_count(options) * RECEIVE_BUFFER_BYTES;
}

uint64_t cores_memory_bytes(const struct cores_options *options)
{
    const uint64_t receive = options->bypass.used
                                 ? (uint64_t)cores_port_buffers(options) * PORT_BUFFER_BYTES
                                 : receive_memory_bytes(options);
    const uint64_t of_core = options->arena_bytes + receive + others_bytes(options);
    const bool spread = options->bypass.used && options->core_count > 1;
    return options->core_count * of_core + mail_size(options->core_count) +
           (spread ? spread_size(options->core_count) : 0) + statistics_size(options->core_count) +
           sizeof(struct broker_shared);
}

/* ---- Parts of the process ---- */

static int64_t wall_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void *zeroed(uint64_t size)
{
    void *memory = aligned_alloc(64, round_up(size, 64));
    return memory == NULL ? NULL : memset(memory, 0, round_up(size, 64));
}

static bool shared_make(struct cores *cores)
{
    const struct cores_options *options = &cores->options;
    cores->mail_memory = zeroed(mail_size(options->core_count));
    cores->shared = zeroed(sizeof(*cores->shared));
    cores->statistics_bytes = statistics_size(options->core_count);
    cores->statistics_memory =
        link_memory_make(options->world, "millrace-statistics", cores->statistics_bytes);
    cores->log_shared_memory =
        link_memory_make(options->world, "millrace-log-shared", sizeof(*cores->log_shared));
    if (options->bypass.used && options->core_count > 1) {
        cores->spread_memory = zeroed(spread_size(options->core_count));
        if (cores->spread_memory == NULL) {
            return false;
        }
    }
    if (cores->mail_memory == NULL || cores->shared == NULL || cores->statistics_memory < 0 ||
        cores->log_shared_memory < 0) {
        return false;
    }
    cores->mail = mail_init(cores->mail_memory, options->core_count);
    cores->statistics =
        link_memory_map(options->world, cores->statistics_memory, cores->statistics_bytes, true);
    cores->log_shared =
        link_memory_map(options->world, cores->log_shared_memory, sizeof(*cores->log_shared), true);
    if (cores->statistics == NULL || cores->log_shared == NULL) {
        return false;
    }
    statistics_init(cores->statistics, options->core_count, wall_now_ms());
    for (uint32_t i = 0; i < options->recover->directory_count; i++) {
        cores->directories[i].path = options->recover->directories[i].path;
        cores->directories[i].total_bytes = -1;
        cores->directories[i].usable_bytes = -1;
        cores->directories[i].failed = options->recover->failed[i];
    }
    return true;
}

static bool housekeeping_make(struct cores *cores, char *reason, size_t reason_bytes)
{
    int error = 0;
    const struct housekeeping_options options = {
        .fs = cores->options.recover->fs,
        .name = "millrace-hk",
        .port_count = 2 * cores->options.core_count,
        .thread_count = 2,
        .job_count_max = HOUSEKEEPING_JOBS_MAX,
        .core_cpus = cores->options.cpus,
        .core_cpu_count = min_u32(cores->options.cpu_count, cores->options.core_count),
    };
    cores->housekeeping = housekeeping_start(&options, &error);
    if (cores->housekeeping == NULL) {
        (void)snprintf(reason, reason_bytes, "cannot start the housekeeping threads: %s",
                       strerror(error));
    }
    return cores->housekeeping != NULL;
}

/* ---- One core ---- */

static void core_wake(void *context)
{
    ring_wake(context);
}

static bool ring_make(struct cores *cores, uint32_t index, char *reason, size_t reason_bytes)
{
    struct core *core = cores->cores[index];
    const struct cores_options *options = &cores->options;
    const struct ring_options ring = {
        .submissions = RING_SUBMISSIONS,
        .completions = RING_COMPLETIONS,
        .file_count_max = OPEN_FILES_MAX,
        .linux_6_1_only = options->linux_6_1_only,
        .core_cpus = options->cpus,
        .core_cpu_count = min_u32(options->cpu_count, options->core_count),
    };
    int error = 0;
    core->ring = ring_create(&ring, &error);
    if (core->ring == NULL) {
        (void)snprintf(reason, reason_bytes,
                       "io_uring does not work here: %s%s; `millrace doctor` says what stands in "
                       "the way",
                       strerror(error),
                       error == ENOMEM ? " (the limit of locked memory, ulimit -l, counts)" : "");
        return false;
    }
    /* Each ring holds the locks too: they free only when its last write has ended (H3). */
    for (uint32_t i = 0; i < options->recover->directory_count; i++) {
        if (!options->recover->failed[i] &&
            ring_add_file(core->ring, options->recover->directories[i].lock_fd) < 0) {
            (void)snprintf(reason, reason_bytes, "io_uring takes no registered files");
            return false;
        }
    }
    return true;
}

static bool log_make(struct cores *cores, uint32_t index)
{
    struct core *core = cores->cores[index];
    const struct cores_options *options = &cores->options;
    const struct disk_options disk = {
        .operation_count_max = DISK_OPERATIONS_MAX,
        .slot_count = OPEN_FILES_MAX - LOG_DIRECTORIES_MAX,
        .flush_delay_us = options->flush_delay_us,
    };
    core->disk =
        disk_create(core->ring, cores->arenas[index].base, cores->arenas[index].size, &disk);
    if (core->disk == NULL) {
        return false;
    }
    struct log_setup setup = {
        .disk = core->disk,
        .housekeeping = housekeeping_port_at(cores->housekeeping, 2 * index),
        .validation = housekeeping_port_at(cores->housekeeping, 2 * index + 1),
        .arena = cores->arenas[index].base,
        .arena_bytes = options->arena_bytes,
        .seed = options->seed + index,
        .partition_count_max = PARTITIONS_OF_CORE_MAX,
        .producer_count_max = PRODUCERS_OF_CORE_MAX,
        .transactions = true,
        .open_file_count_max = OPEN_FILES_MAX - 2 * LOG_DIRECTORIES_MAX,
        .core_count = options->core_count,
        .clean_map_bytes_max = options->arena_bytes / 4, /* While a compaction runs. */
        .directory_count = options->recover->directory_count,
        .shared = cores->log_shared,
    };
    for (uint32_t i = 0; i < setup.directory_count; i++) {
        setup.directory_paths[i] = options->recover->directories[i].path;
        setup.flush_fds[i] =
            options->recover->failed[i] ? -1 : options->recover->directories[i].lock_fd;
    }
    housekeeping_set_wake(setup.housekeeping, core_wake, core->ring);
    housekeeping_set_wake(setup.validation, core_wake, core->ring);
    core->log = log_create(&setup);
    cores->logs[index] = core->log;
    return core->log != NULL;
}

static bool memory_take_all(struct cores *cores, uint32_t index)
{
    const struct cores_options *options = &cores->options;
    const uint64_t receive = receive_memory_bytes(options);
    const int32_t cpu = options->cpu_count == 0 ? -1 : options->cpus[index % options->cpu_count];
    const struct memory_policy found =
        memory_prefer_node(cpu < 0 ? -1 : memory_node_of_cpu("", (uint32_t)cpu));
    const bool taken =
        memory_take(&cores->arenas[index], options->arena_bytes, options->pages) == 0 &&
        (receive == 0 || memory_take(&cores->receives[index], receive, options->pages) == 0) &&
        memory_take(&cores->others[index], others_bytes(options), MEMORY_PAGES_ORDINARY) == 0;
    memory_policy_restore(&found);
    return taken;
}

static bool memory_make(struct cores *cores, uint32_t index, bool *refused, char *reason,
                        size_t reason_bytes)
{
    const struct cores_options *options = &cores->options;
    if (!memory_take_all(cores, index)) {
        (void)snprintf(reason, reason_bytes, "no memory for core %u", index);
        return false;
    }
    if (options->huge_required && cores->arenas[index].page_bytes == MEMORY_PAGE_BYTES) {
        *refused = true;
        (void)snprintf(reason, reason_bytes, "%s", huge_remedy);
        return false;
    }
    return true;
}

static bool core_make(struct cores *cores, uint32_t index, char *reason, size_t reason_bytes)
{
    struct core *core = aligned_alloc(64, round_up(sizeof(*core), 64));
    if (core == NULL) {
        (void)snprintf(reason, reason_bytes, "no memory for core %u", index);
        return false;
    }
    memset(core, 0, offsetof(struct core, failures));
    cores->cores[index] = core;
    core->index = index;
    core->core_count = cores->options.core_count;
    core->cores = cores->cores;
    core->idle = cores->options.idle;
    core->mailbox = mail_box(cores->mail, index);
    core->journal = journal_port(cores->options.journal, index);
    core->statistics = &cores->statistics->cores[index];
    core->world = cores->options.world;
    core->service_bell = cores->options.service_bell;
    core->directory_count = cores->options.recover->directory_count;
    core->listener = -1;
    core->bell = link_bell_make(core->world);
    cores->bells[index] = core->bell;
    if (core->bell < 0) {
        (void)snprintf(reason, reason_bytes, "no eventfd for core %u", index);
        return false;
    }
    if (!ring_make(cores, index, reason, reason_bytes)) {
        return false;
    }
    if (!log_make(cores, index)) {
        (void)snprintf(reason, reason_bytes, "no memory for the log of core %u", index);
        return false;
    }
    return true;
}

bool cores_take_memory(struct cores *cores, const struct cores_options *options, bool *refused,
                       char *reason, size_t reason_bytes)
{
    *cores = (struct cores){.options = *options};
    *refused = false;
    const uint64_t need = cores_memory_bytes(options);
    if (need > options->memory_cap_bytes) {
        *refused = true;
        (void)snprintf(reason, reason_bytes,
                       "%u cores may need %" PRIu64 " MiB and memory.cap is %" PRIu64
                       " MiB; raise it or lower memory.arena or cores.count",
                       options->core_count, need >> 20, options->memory_cap_bytes >> 20);
        return false;
    }
    for (uint32_t i = 0; i < options->core_count; i++) {
        if (!memory_make(cores, i, refused, reason, reason_bytes)) {
            return false;
        }
    }
    return true;
}

bool cores_make(struct cores *cores, char *reason, size_t reason_bytes)
{
    if (!shared_make(cores)) {
        (void)snprintf(reason, reason_bytes, "no memory for what the cores share");
        return false;
    }
    if (!housekeeping_make(cores, reason, reason_bytes)) {
        return false;
    }
    for (uint32_t i = 0; i < cores->options.core_count; i++) {
        if (!core_make(cores, i, reason, reason_bytes)) {
            return false;
        }
    }
    return true;
}

/* ---- Second step ---- */

bool cores_register(struct cores *cores, char *reason, size_t reason_bytes)
{
    for (uint32_t i = 0; i < cores->options.core_count; i++) {
        const int error = eal_register_memory(&cores->arenas[i]);
        if (error != 0) {
            (void)snprintf(reason, reason_bytes, "DPDK does not take the arena: %s",
                           strerror(-error));
            return false;
        }
    }
    return true;
}

static bool sock_make(struct cores *cores, struct core *core, struct memory_cursor *cursor,
                      int *error)
{
    struct sock_setup sock = setup_of_sock(&cores->options);
    sock.ring = core->ring;
    sock.user = broker_transport_user();
    sock.user_context = core->broker;
    sock.buffers = cores->receives[core->index].base;
    core->sock = sock_create(memory_part(cursor, sock_memory_bytes(&sock), 64), &sock, error);
    return core->sock != NULL;
}

static void stack_make(struct cores *cores, struct core *core, struct memory_cursor *cursor,
                       struct nic *nic, struct spread *spread)
{
    struct stack_setup stack = setup_of_stack(&cores->options);
    stack.nic = nic;
    stack.spread = spread == NULL ? NULL : spread_at(spread, core->index);
    stack.user = broker_transport_user();
    stack.user_context = core->broker;
    core->nic = nic;
    core->stack =
        stack_create(memory_part(cursor, stack_memory_bytes(&stack), 64), &stack, now_ns());
}

static bool core_complete(struct cores *cores, uint32_t index, struct session *session,
                          int listener, struct nic *nic, struct spread *spread, int *error)
{
    struct core *core = cores->cores[index];
    struct memory_cursor cursor = {.area = cores->others[index]};
    const struct cores_options *options = &cores->options;
    core->channel = session_channel(session, index);
    core->listener = listener;

    const struct broker_setup broker = {
        .core = index,
        .core_count = options->core_count,
        .log = core->log,
        .mailbox = core->mailbox,
        .channel = core->channel,
        .shared = cores->shared,
        .statistics = &core->statistics->broker,
        .directories = cores->directories,
        .directory_count = options->recover->directory_count,
        .seed = options->seed + 1000 + index,
        .clock_ns = now_ns,
        .limits = limits_of_broker(options),
    };
    core->broker =
        broker_create(memory_part(&cursor, broker_memory_bytes(&broker.limits), 64), &broker);
    if (nic != NULL) {
        stack_make(cores, core, &cursor, nic, spread);
        return true;
    }
    return sock_make(cores, core, &cursor, error);
}

bool cores_complete(struct cores *cores, struct session *session, const int *listeners,
                    struct nic *const *nics, char *reason, size_t reason_bytes)
{
    const uint32_t count = cores->options.core_count;
    struct spread *spread = NULL;
    if (nics != NULL && count > 1) {
        uint32_t hearing = 1;
        while (hearing < count && !nics[hearing]->capabilities.silent) {
            hearing++;
        }
        spread = spread_init(cores->spread_memory, count, hearing);
    }
    for (uint32_t i = 0; i < count; i++) {
        int error = 0;
        struct nic *nic = nics == NULL ? NULL : nics[i];
        if (!core_complete(cores, i, session, listeners[i], nic, spread, &error)) {
            (void)snprintf(reason, reason_bytes, "io_uring takes no receive buffers: %s",
                           strerror(-error));
            return false;
        }
    }
    return true;
}

void cores_report(const struct cores *cores)
{
    const struct ring_features *features = ring_features(cores->cores[0]->ring);
    journal_say(cores->options.journal, JOURNAL_INFO, "cores",
                "count=%u arena_mib=%" PRIu64 " huge_pages=%s registered_memory=%s "
                "defer_taskrun=%s memory_max_mib=%" PRIu64,
                cores->options.core_count, cores->options.arena_bytes >> 20,
                cores->arenas[0].page_bytes != MEMORY_PAGE_BYTES ? "yes" : "no",
                features->registered_memory ? "yes" : "no", features->defer_taskrun ? "yes" : "no",
                cores_memory_bytes(&cores->options) >> 20);
    if (!features->registered_memory) {
        journal_say(cores->options.journal, JOURNAL_WARNING, "memlock_small",
                    "remedy=\"raise the memlock limit, e.g. LimitMEMLOCK=infinity\"");
    }
}
