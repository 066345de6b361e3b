/* millrace-dataplane: reads the configuration, puts the process together, and ends it. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dataplane/bypass.h"
#include "dataplane/core_setup.h"
#include "dataplane/eal.h"
#include "dataplane/limits.h"
#include "dataplane/profile/settings.h"
#include "dataplane/service.h"
#include "dataplane/sock/listen.h"
#include "dataplane/watch/share.h"
#include "dataplane/watch/watch.h"

enum {
    EXIT_FAILED = 1,
    REASON_BYTES = 512,
    RUN_BYTES = 1100,
};

/* The reason is the last line on stderr. */
static int leave(int status, const char *reason)
{
    (void)fprintf(stderr, "millrace-dataplane: %s\n", reason);
    return status;
}

static void limits_raise(void)
{
    static const int limits[] = {RLIMIT_NOFILE, RLIMIT_MEMLOCK};
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        struct rlimit limit;
        if (getrlimit((__rlimit_resource_t)limits[i], &limit) == 0) {
            limit.rlim_cur = limit.rlim_max;
            (void)setrlimit((__rlimit_resource_t)limits[i], &limit);
        }
    }
}

static enum journal_level level_of(const struct settings *settings)
{
    static const enum journal_level levels[] = {
        [SETTINGS_DEBUG] = JOURNAL_DEBUG,
        [SETTINGS_INFO] = JOURNAL_INFO,
        [SETTINGS_WARN] = JOURNAL_WARNING,
        [SETTINGS_ERROR] = JOURNAL_ERROR,
    };
    return levels[settings->log_level];
}

static uint64_t seed_make(void)
{
    uint64_t seed = (uint64_t)getpid();
    (void)getrandom(&seed, sizeof(seed), 0);
    return seed;
}

static void run_directory(const struct settings *settings, const struct recover *recover,
                          char room[RUN_BYTES])
{
    if (settings->run_directory[0] != '\0') {
        (void)snprintf(room, RUN_BYTES, "%s", settings->run_directory);
    } else {
        (void)snprintf(room, RUN_BYTES, "%s/.millrace", recover->directories[0].path);
    }
}

/* ---- From settings to options ---- */

static struct cores_options options_of(const struct settings *settings)
{
    static const enum core_idle idles[] = {
        [IDLE_LATENCY] = CORE_IDLE_LATENCY,
        [IDLE_BALANCED] = CORE_IDLE_BALANCED,
        [IDLE_ECO] = CORE_IDLE_ECO,
    };
    struct cores_options options = {
        .core_count = (uint32_t)settings->cores_count,
        .cpu_count = min_u32(settings->cores_cpus.count, EAL_CORES_MAX),
        .idle = idles[settings->cores_idle],
        .arena_bytes = round_up(settings->memory_arena_bytes, DISK_BLOCK_BYTES),
        .receive_bytes = settings->memory_receive_bytes,
        .memory_cap_bytes = settings->memory_cap_bytes,
        .pages =
            settings->memory_hugepages == HUGEPAGES_OFF ? MEMORY_PAGES_ORDINARY : MEMORY_PAGES_ANY,
        .huge_required = settings->memory_hugepages == HUGEPAGES_REQUIRED,
        .linux_6_1_only = settings->storage_linux_6_1_only,
        .flush_delay_us = (uint32_t)settings->storage_flush_delay_us,
        .connection_count_max = (uint32_t)settings->network_max_connections,
        .request_bytes_max = (uint32_t)settings_kafka_number(settings, "socket.request.max.bytes"),
        .seed = seed_make(),
    };
    for (uint32_t i = 0; i < options.cpu_count; i++) {
        options.cpus[i] = settings->cores_cpus.cpu[i];
    }
    return options;
}

static bool dpdk_start(const struct settings *settings, const struct cores_options *options,
                       struct journal *journal, char *reason)
{
    char run[RUN_BYTES];
    struct device device;
    struct eal_setup setup = {
        .journal = journal,
        .core_count = options->core_count,
        .huge_pages = settings->memory_hugepages != HUGEPAGES_OFF,
        .memory_mib = 32,
        .run_directory = run,
    };
    run_directory(settings, options->recover, run);
    if (options->bypass.used) {
        const struct nic_dpdk_setup port = bypass_port_setup(settings, options);
        if (!bypass_device(settings, &device, reason, REASON_BYTES)) {
            return false;
        }
        setup.device = device.text;
        setup.pci = device.pci;
        setup.memory_mib += nic_dpdk_memory_mib(&port);
    }
    for (uint32_t i = 0; i < options->core_count; i++) {
        setup.core_cpus[i] = options->cpu_count == 0
                                 ? (uint16_t)EAL_CPU_ANY
                                 : (uint16_t)options->cpus[i % options->cpu_count];
    }
    return eal_start(&setup, reason, REASON_BYTES);
}

/* Memory, rings and logs are made while DPDK measures its clock, which takes 100 ms of sleep. */
struct making {
    struct cores *cores;
    bool good;
    char reason[REASON_BYTES];
};

static void *make_thread(void *argument)
{
    struct making *making = argument;
    making->good = cores_make(making->cores, making->reason, sizeof(making->reason));
    return NULL;
}

static int cores_start(const struct settings *settings, struct cores *cores,
                       const struct cores_options *options, char *reason)
{
    struct making making = {.cores = cores};
    bool refused = false;
    pthread_t thread;
    if (!cores_take_memory(cores, options, &refused, reason, REASON_BYTES)) {
        return refused ? EXIT_REFUSED : EXIT_FAILED;
    }
    const bool beside = pthread_create(&thread, NULL, make_thread, &making) == 0;
    const bool dpdk = dpdk_start(settings, options, options->journal, reason);
    if (beside) {
        (void)pthread_join(thread, NULL);
    } else {
        (void)make_thread(&making);
    }
    if (!dpdk) {
        return EXIT_FAILED;
    }
    if (!making.good) {
        memcpy(reason, making.reason, REASON_BYTES);
        return EXIT_FAILED;
    }
    return cores_register(cores, reason, REASON_BYTES) ? 0 : EXIT_FAILED;
}

/* A name that this kernel does not know is no reason not to serve. */
static void congestion_start(const struct settings *settings, uint32_t core_count,
                             const int *listeners, struct journal *journal)
{
    const char *name = settings->network_congestion;
    const int error = name[0] == '\0' ? 0 : listen_congestion(core_count, listeners, name);
    if (error != 0) {
        char quoted[128];
        journal_say(
            journal, JOURNAL_WARNING, "congestion_control",
            "name=%s error=\"%s\" remedy=\"one of net.ipv4.tcp_available_congestion_control "
            "as network.congestion; until then the host's is used\"",
            journal_quote(quoted, sizeof(quoted), name, strlen(name)), strerror(-error));
    }
}

/* Kafka's keys for sockets act where they are set; its defaults would only make buffers smaller. */
static int number_if_set(const struct settings *settings, const char *key)
{
    const bool set = settings_kafka_set((void *)(uintptr_t)settings, key) != NULL;
    return set ? (int)max_i64(settings_kafka_number(settings, key), 0) : 0;
}

static int tuning_start(const struct settings *settings, uint32_t core_count, const int *listeners)
{
    const struct listen_tuning tuning = {
        .backlog = number_if_set(settings, "socket.listen.backlog.size"),
        .send_buffer_bytes = number_if_set(settings, "socket.send.buffer.bytes"),
        .receive_buffer_bytes = number_if_set(settings, "socket.receive.buffer.bytes"),
    };
    return listen_tune(core_count, listeners, &tuning);
}

static bool listen_start(const struct settings *settings, uint32_t core_count, int *listeners,
                         struct network_address *address, char *reason)
{
    const struct host_port *listen = &settings->network_listen;
    if (!listen_resolve(listen->host, listen->port, address)) {
        (void)snprintf(reason, REASON_BYTES, "there is no host %s to listen on", listen->host);
        return false;
    }
    int error = listen_open(address, core_count, listeners);
    if (error == 0) {
        error = tuning_start(settings, core_count, listeners);
    }
    if (error != 0) {
        (void)snprintf(reason, REASON_BYTES, "cannot listen on %s:%u: %s", listen->host,
                       listen->port, strerror(-error));
    }
    return error == 0;
}

/* Where clients connect, on either path. listeners: for each core what core->listener takes. */
static bool network_start(const struct settings *settings, struct cores_options *options,
                          int *listeners, struct network_address *address, char *reason)
{
    if (settings->network_path != NETWORK_DPDK) {
        if (!listen_start(settings, options->core_count, listeners, address, reason)) {
            return false;
        }
        congestion_start(settings, options->core_count, listeners, options->journal);
        return true;
    }
    for (uint32_t i = 0; i < options->core_count; i++) {
        listeners[i] = settings->network_listen.port;
    }
    return bypass_configure(settings, &options->bypass, address, reason, REASON_BYTES);
}

/* ---- The session ---- */

static struct session *session_start(const struct settings *settings, const struct cores *cores,
                                     const struct network_address *listen, char *reason)
{
    static char socket_path[1200];
    static struct session_directory directories[LOG_DIRECTORIES_MAX];
    const struct recover *recover = cores->options.recover;
    struct session_partition *found = calloc(recover->partition_count + 1, sizeof(*found));
    ASSERT(found != NULL);
    struct session_setup setup = {
        .world = cores->options.world,
        .socket_path = socket_path,
        .incarnation = seed_make(),
        .node_id = (int32_t)settings_kafka_number(settings, "node.id"),
        .listen = *listen,
        .core_count = cores->options.core_count,
        .core_bells = cores->bells,
        .log_shared = cores->log_shared_memory,
        .statistics = cores->statistics_memory,
        .statistics_bytes = cores->statistics_bytes,
    };
    recover_tell(recover, &setup, directories, found);
    char run[RUN_BYTES];
    run_directory(settings, recover, run);
    const int made = file_make_directory(recover->fs, run);
    if (made != 0 && made != -EEXIST) {
        (void)snprintf(reason, REASON_BYTES, "cannot make %.400s: %s", run, strerror(-made));
        free(found);
        return NULL;
    }
    (void)snprintf(socket_path, sizeof(socket_path), "%s/dataplane.sock", run);
    struct session *session = session_create(&setup, reason, REASON_BYTES);
    free(found);
    return session;
}

/* ---- The process ---- */

_Static_assert((int)SETTINGS_PATHS_MAX == (int)LOG_DIRECTORIES_MAX, "one bound for directories");

static int recover_start(const struct settings *settings, struct service *service,
                         struct recover *recover, uint64_t seed, char *reason)
{
    const struct recover_options options = {
        .fs = service->fs,
        .journal = service->journal,
        .directory_count = settings->storage_data.count,
        .directory_paths = settings->storage_data.path,
        .node_id = (int32_t)settings_kafka_number(settings, "node.id"),
        .seed = seed,
        .lock_wait_ms = DIRECTORY_LOCK_WAIT_MS,
    };
    switch (recover_open(recover, &options, reason, REASON_BYTES)) {
    case RECOVER_REFUSED: return EXIT_REFUSED;
    case RECOVER_FAILED: return EXIT_FAILED;
    case RECOVER_OK: break;
    }
    recover_begin(recover, RECOVERY_THREADS);
    return 0;
}

/* That nobody can look is no reason not to serve. */
static struct watch *looking_start(const struct settings *settings, const struct cores *cores,
                                   const struct network_address *listen)
{
    char run[RUN_BYTES];
    char path[RUN_BYTES + 16];
    char reason[REASON_BYTES];
    run_directory(settings, cores->options.recover, run);
    (void)snprintf(path, sizeof(path), "%s/net.sock", run);
    const struct watch_setup setup = {
        .socket_path = path,
        .cores = cores->cores,
        .core_count = cores->options.core_count,
        .world = cores->options.world,
        .statistics = cores->statistics,
        .listen = *listen,
        .telemetry = eal_telemetry(),
    };
    struct watch *watch = watch_start(&setup, reason, sizeof(reason));
    if (watch == NULL) {
        char quoted[REASON_BYTES + 64];
        journal_say(cores->options.journal, JOURNAL_WARNING, "net_unseen", "reason=%s",
                    journal_quote(quoted, sizeof(quoted), reason, strlen(reason)));
    }
    return watch;
}

/* Threads beside the cores, where they are wanted. */
struct beside {
    struct watch *watch;
    struct share *share;
};

/* Who works on this host over the port must not be cut off: without its tap the node does not
 * start.
 */
static bool sharing_start(const struct settings *settings, const struct cores *cores,
                          struct share **share, char *reason)
{
    const struct cores_bypass *bypass = &cores->options.bypass;
    if (!bypass->used || settings->network_share[0] == '\0') {
        return true;
    }
    const struct share_setup setup = {
        .name = settings->network_share,
        .v4 = bypass->host_v4,
        .prefix_bits = bypass->prefix_bits,
        .v6 = bypass->host_v6,
        .prefix_bits_v6 = bypass->prefix_bits_v6,
        .cores = cores->cores,
        .core_count = cores->options.core_count,
        .world = cores->options.world,
    };
    *share = share_start(&setup, reason, REASON_BYTES);
    return *share != NULL;
}

/* What runs once everything is there. */
static int serve(struct service *service, struct cores *cores, struct recover *recover,
                 struct session *session, const struct beside *beside)
{
    const struct snapshot *first = service_first_snapshot(service, session);
    if (first == NULL) {
        recover_close(recover, false); /* As it was found: also the mark is missing as before. */
        return 0;
    }
    recover_adopt(recover, first, cores->logs, cores->options.core_count);
    for (uint32_t i = 0; i < cores->options.core_count; i++) {
        eal_launch(i, core_run, cores->cores[i]);
    }
    const bool good = service_run(service, cores, first);
    if (beside->watch != NULL) {
        watch_stop(beside->watch);
    }
    if (beside->share != NULL) {
        share_stop(beside->share);
    }
    nic_dpdk_stop();
    eal_stop();
    if (good) {
        recover_close(recover, true);
        journal_say(service->journal, JOURNAL_INFO, "stopped", "%s", "");
    }
    return good ? 0 : leave(EXIT_FAILED, "stopped without finishing the logs");
}

static int run(const struct settings *settings)
{
    char reason[REASON_BYTES] = "";
    static struct recover recover;
    static struct cores cores;
    static struct service service;
    struct cores_options options = options_of(settings);
    struct journal *journal =
        journal_create(STDERR_FILENO, "dataplane", options.core_count, level_of(settings));
    struct file_system *fs = file_system_real((uint32_t)settings->storage_flush_delay_us);
    if (!settings->storage_o_direct) {
        file_system_refuse_direct(fs);
    }
    if (journal == NULL || service_init(&service, journal, link_world_real(), fs) != 0) {
        return leave(EXIT_FAILED, "no memory or descriptors to start with");
    }
    int status = recover_start(settings, &service, &recover, options.seed, reason);
    if (status != 0) {
        return leave(status, reason);
    }
    options.journal = journal;
    options.world = service.world;
    options.recover = &recover;
    options.service_bell = service.bell;
    int listeners[EAL_CORES_MAX];
    struct network_address address;
    if (!network_start(settings, &options, listeners, &address, reason)) {
        return leave(EXIT_REFUSED, reason);
    }
    status = cores_start(settings, &cores, &options, reason);
    if (status != 0) {
        return leave(status, reason);
    }
    recover_wait(&recover);
    static struct nic_dpdk_port port;
    if (options.bypass.used && !bypass_start(settings, &cores, &port, reason, sizeof(reason))) {
        return leave(EXIT_FAILED, reason);
    }
    struct session *session = session_start(settings, &cores, &address, reason);
    if (session == NULL ||
        !cores_complete(&cores, session, listeners, options.bypass.used ? port.queues : NULL,
                        reason, sizeof(reason))) {
        return leave(EXIT_FAILED, reason);
    }
    struct beside beside = {.watch = looking_start(settings, &cores, &address)};
    if (!sharing_start(settings, &cores, &beside.share, reason)) {
        return leave(EXIT_FAILED, reason);
    }
    char text[LISTEN_TEXT_BYTES];
    cores_report(&cores);
    journal_say(journal, JOURNAL_INFO, "started", "listen=%s cores=%u pid=%d",
                listen_text(&address, text), options.core_count, (int)getpid());
    return serve(&service, &cores, &recover, session, &beside);
}

int main(int argc, char **argv, char **environment)
{
    static struct settings settings;
    static struct settings_problems problems;
    char program_dir[1024] = "";
    if (!settings_program_dir(program_dir, sizeof(program_dir))) {
        program_dir[0] = '\0';
    }
    const struct settings_input input = {
        .argc = argc - 1,
        .argv = argv + 1,
        .environment = environment,
        .program_dir = program_dir,
    };
    const bool good = settings_load(&settings, &input, &problems);
    for (uint32_t i = 0; i < problems.count; i++) {
        (void)fprintf(stderr, "millrace-dataplane: %s\n", problems.error[i]);
    }
    if (!good) {
        return EXIT_REFUSED;
    }
    limits_raise();
    const int status = run(&settings);
    settings_free(&settings);
    return status;
}
