#include "tools/bench/bench.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "tools/bench/requests.h"
#include "tools/bench/run.h"

/* One benchmark at a time on a machine: a second one waits. */
#define BENCH_LOCK_PATH "/tmp/millrace-bench.lock"

enum { ARGUMENTS_MAX = 100 };

static const char *const kind_names[] = {"produce", "small",   "fetch",        "latency",
                                         "e2e",     "commits", "transactions", "rebalance"};

static int lock_take(void)
{
    const int fd = open(BENCH_LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)fprintf(stderr, "bench: waiting for another benchmark (%s)\n", BENCH_LOCK_PATH);
        (void)flock(fd, LOCK_EX);
    }
    return fd;
}

static void cpu_pin(const struct bench_options *options)
{
    if (options->cpu >= CPU_SETSIZE) {
        return;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(options->cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        (void)fprintf(stderr, "bench: cannot pin to CPU %llu\n", (unsigned long long)options->cpu);
    }
}

static bool kind_run(struct run *run)
{
    switch (run->options->kind) {
    case BENCH_PRODUCE:
    case BENCH_SMALL:
    case BENCH_LATENCY: return run_produce(run) && (!run->options->verify || run_verify(run));
    case BENCH_FETCH: return run_fetch(run);
    case BENCH_E2E: return run_end_to_end(run);
    case BENCH_COMMITS: return run_commits(run);
    case BENCH_TRANSACTIONS: return run_transactions(run);
    case BENCH_REBALANCE: return run_rebalance(run);
    case BENCH_NULL_BROKER: break;
    }
    return false;
}

static void duration_tell(const struct bench_options *options)
{
    if (isatty(STDERR_FILENO) == 1) {
        (void)fprintf(stderr, "bench: %s, %llu s behind %llu s to warm up\n",
                      kind_names[options->kind], (unsigned long long)options->seconds,
                      (unsigned long long)options->warm_up_seconds);
    }
}

static int bench_run(struct bench_options *options)
{
    char own_topic[64];
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const bool own = options->topic == NULL;
    if (own) {
        (void)snprintf(own_topic, sizeof(own_topic), "bench-%s-%ld-%d", kind_names[options->kind],
                       (long)now.tv_sec, (int)getpid());
        options->topic = own_topic;
    }
    struct report *report = calloc(1, sizeof(*report));
    struct run run = {.options = options, .report = report};
    if (report == NULL || !payload_create(&run.payload, options->batch_bytes, options->record_bytes,
                                          options->seed, (int64_t)now.tv_sec * 1000)) {
        (void)fprintf(stderr, "bench: a batch must hold at least one record\n");
        options->topic = own ? NULL : options->topic;
        free(report);
        return 2;
    }
    report->kind = kind_names[options->kind];
    duration_tell(options);
    const bool ok = kind_run(&run);
    const int code = ok ? report_print(report, options) : 1;
    struct peer admin;
    if (own && peer_open(&admin, options->bootstrap, 1, 1 << 20)) {
        requests_delete_topic(&admin, options->topic);
        peer_close(&admin);
    }
    if (own) {
        options->topic = NULL; /* It lay here. */
    }
    payload_destroy(&run.payload);
    free(report);
    return code;
}

/* The program with DPDK in it: in a build's directory or beside this one. Returns when it is in
 * neither. */
static int port_program(int argc, char **argv)
{
    static char path[4200];
    static char *arguments[ARGUMENTS_MAX + 2];
    char here[4096];
    const ssize_t len = readlink("/proc/self/exe", here, sizeof(here) - 1);
    here[len < 0 ? 0 : len] = '\0';
    char *slash = strrchr(here, '/');
    if (slash == NULL || argc > ARGUMENTS_MAX) {
        return 1;
    }
    *slash = '\0';
    arguments[0] = path;
    memcpy(arguments + 1, argv, (size_t)argc * sizeof(*argv));
    static const char *const places[] = {"/bench", ""};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        (void)snprintf(path, sizeof(path), "%s%s/millrace-bench", here, places[i]);
        (void)execv(path, arguments);
    }
    (void)fprintf(stderr, "bench: millrace-bench is not beside this program\n");
    return 1;
}

int bench_main_over(int argc, char **argv,
                    bool (*port_use)(const char *device, const char *address))
{
    struct bench_options options;
    bool help = false;
    const int code = bench_options_parse(&options, argc, argv, &help);
    if (code != 0 || help) {
        if (help) {
            bench_options_help(stdout);
        }
        return code;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    if (strcmp(options.over, "sockets") != 0) {
        if (port_use == NULL) {
            return port_program(argc, argv);
        }
        if (!port_use(options.device, options.address)) {
            return 1;
        }
    }
    cpu_pin(&options);
    if (options.kind == BENCH_NULL_BROKER) {
        return run_null_broker(&options);
    }
    const int lock = lock_take();
    const int result = bench_run(&options);
    (void)close(lock);
    return result;
}

int bench_main(int argc, char **argv)
{
    return bench_main_over(argc, argv, NULL);
}
