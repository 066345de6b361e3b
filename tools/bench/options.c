#include "tools/bench/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/profile/settings.h"

enum option_type {
    OPTION_COUNT,
    OPTION_SIZE,
    OPTION_SIGNED,
    OPTION_TEXT,
    OPTION_FLAG,
    OPTION_PID,
    OPTION_CONFIG
};

#define AT(field) offsetof(struct bench_options, field)
static const struct option_row {
    const char *name;
    enum option_type type;
    size_t at;
    const char *help;
} option_rows[] = {
    /* clang-format off */
    {"--bootstrap", OPTION_TEXT, AT(bootstrap), "HOST:PORT of the broker (127.0.0.1:9092)"},
    {"--over", OPTION_TEXT, AT(over),
     "sockets; memif: to a node of profile memif-lab; port: --device"},
    {"--device", OPTION_TEXT, AT(device), "port of DPDK's for our own TCP, as network.device"},
    {"--address", OPTION_TEXT, AT(address), "the load's own on a port (10.78.0.1)"},
    {"--topic", OPTION_TEXT, AT(topic), "topic to use and keep; else one of its own"},
    {"--partitions", OPTION_COUNT, AT(partitions), "partitions of the topic"},
    {"--connections", OPTION_COUNT, AT(connections),
     "connections; of commits groups, of transactions producers, of rebalance members"},
    {"--in-flight", OPTION_COUNT, AT(in_flight), "requests in flight per connection"},
    {"--batch-bytes", OPTION_SIZE, AT(batch_bytes), "size of a record batch"},
    {"--record-bytes", OPTION_SIZE, AT(record_bytes), "size of a record's value"},
    {"--acks", OPTION_SIGNED, AT(acks), "-1, 1, or 0: latency until handed over"},
    {"--seconds", OPTION_COUNT, AT(seconds), "measured time"},
    {"--warm-up", OPTION_COUNT, AT(warm_up_seconds), "seconds before measuring"},
    {"--bytes", OPTION_SIZE, AT(total_bytes), "end after so many payload bytes"},
    {"--rate", OPTION_COUNT, AT(rate_per_s), "requests per second (open loop)"},
    {"--transaction-ms", OPTION_COUNT, AT(transaction_ms),
     "how long a transaction is filled; 0: one batch each"},
    {"--fetch-bytes", OPTION_SIZE, AT(fetch_bytes), "partition_max_bytes of a fetch"},
    {"--background", OPTION_SIZE, AT(background_bytes_per_s), "bytes per second produced beside"},
    {"--cpu", OPTION_COUNT, AT(cpu), "CPU to pin the load to"},
    {"--seed", OPTION_COUNT, AT(seed), "seed of the payload"},
    {"--data", OPTION_TEXT, AT(data_path), "path on the broker's device: counts its written bytes"},
    {"--pid", OPTION_PID, 0, "a process of the broker (repeatable)"},
    {"--config", OPTION_CONFIG, 0, "KEY=VALUE of the topic (repeatable)"},
    {"--no-verify", OPTION_FLAG, AT(verify), "do not read back and compare"},
    {"--json", OPTION_FLAG, AT(json), "print JSON, as -o json does"},
    /* clang-format on */
};

static const struct {
    const char *name;
    struct bench_options defaults;
} kinds[] = {
    {"produce",
     {.kind = BENCH_PRODUCE,
      .partitions = 1,
      .connections = 1,
      .in_flight = 5,
      .batch_bytes = 100 << 10,
      .record_bytes = 1024,
      .acks = 1}},
    {"small",
     {.kind = BENCH_SMALL,
      .partitions = 1,
      .connections = 8,
      .in_flight = 32,
      .batch_bytes = 0,
      .record_bytes = 100,
      .acks = 1}},
    {"fetch",
     {.kind = BENCH_FETCH,
      .partitions = 1,
      .connections = 1,
      .in_flight = 1,
      .batch_bytes = 100 << 10,
      .record_bytes = 1024,
      .acks = 1,
      .total_bytes = 1ull << 30,
      .fetch_bytes = 1 << 20}},
    {"latency",
     {.kind = BENCH_LATENCY,
      .partitions = 1,
      .connections = 1,
      .in_flight = 256,
      .batch_bytes = 0,
      .record_bytes = 100,
      .acks = 1,
      .rate_per_s = 1000}},
    {"e2e",
     {.kind = BENCH_E2E,
      .partitions = 1,
      .connections = 1,
      .in_flight = 256,
      .batch_bytes = 0,
      .record_bytes = 100,
      .acks = 1,
      .rate_per_s = 1000,
      .fetch_bytes = 1 << 20}},
    {"commits",
     {.kind = BENCH_COMMITS,
      .partitions = 1,
      .connections = 50,
      .in_flight = 1,
      .record_bytes = 100,
      .acks = -1}},
    {"transactions",
     {.kind = BENCH_TRANSACTIONS,
      .partitions = 16,
      .connections = 16,
      .in_flight = 5,
      .batch_bytes = 1200,
      .record_bytes = 100,
      .acks = -1,
      .fetch_bytes = 1 << 20}},
    {"rebalance",
     {.kind = BENCH_REBALANCE,
      .partitions = 1,
      .connections = 200,
      .in_flight = 1,
      .record_bytes = 100,
      .acks = -1}},
    {"null-broker", {.kind = BENCH_NULL_BROKER, .partitions = 16}},
};

void bench_options_help(FILE *to)
{
    (void)fprintf(to, "usage: millrace bench KIND [OPTION]...\n\nkinds:");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        (void)fprintf(to, " %s", kinds[i].name);
    }
    (void)fprintf(to, "\n\noptions:\n");
    for (size_t i = 0; i < ARRAY_SIZE(option_rows); i++) {
        (void)fprintf(to, "  %-15s %s\n", option_rows[i].name, option_rows[i].help);
    }
}

/* Digits and, for sizes, one of k m g (powers of 1024). */
static bool number_parse(const char *text, bool size, uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long parsed = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *text == '-') {
        return false;
    }
    uint32_t shift = 0;
    if (size && *end != '\0') {
        static const char units[] = "kKmMgG";
        const char *unit = strchr(units, *end);
        if (unit == NULL) {
            return false;
        }
        shift = 10 * ((uint32_t)(unit - units) / 2 + 1);
        end++;
    }
    if (*end != '\0' || parsed > UINT64_MAX >> shift) {
        return false;
    }
    *value = (uint64_t)parsed << shift;
    return true;
}

static bool signed_parse(const char *text, int64_t *value)
{
    char *end = NULL;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static bool option_store(struct bench_options *options, const struct option_row *row,
                         const char *value)
{
    char *field = (char *)options + row->at;
    uint64_t number = 0;
    switch (row->type) {
    case OPTION_COUNT:
    case OPTION_SIZE:
        return number_parse(value, row->type == OPTION_SIZE, (uint64_t *)(void *)field);
    case OPTION_SIGNED: return signed_parse(value, (int64_t *)(void *)field);
    case OPTION_TEXT: *(const char **)(void *)field = value; return true;
    case OPTION_PID:
        if (!number_parse(value, false, &number) || options->pid_count == BENCH_PIDS_MAX) {
            return false;
        }
        options->pids[options->pid_count++] = (int)number;
        return true;
    case OPTION_CONFIG:
        if (strchr(value, '=') == NULL || options->config_count == BENCH_CONFIGS_MAX) {
            return false;
        }
        options->configs[options->config_count++] = value;
        return true;
    case OPTION_FLAG: break;
    }
    return false;
}

static int options_check(const struct bench_options *options)
{
    const struct {
        const char *name;
        uint64_t value, min, max;
    } ranges[] = {
        {"--connections", options->connections, 1, BENCH_CONNECTIONS_MAX},
        {"--in-flight", options->in_flight, 1, BENCH_IN_FLIGHT_MAX},
        {"--partitions", options->partitions, 1, BENCH_PARTITIONS_MAX},
        {"--record-bytes", options->record_bytes, 1, 64 << 20},
        {"--batch-bytes", options->batch_bytes, 0, 64 << 20},
        {"--seconds", options->seconds, 1, 86400},
    };
    for (size_t i = 0; i < ARRAY_SIZE(ranges) && options->kind != BENCH_NULL_BROKER; i++) {
        if (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max) {
            (void)fprintf(stderr, "bench: %s must lie between %llu and %llu\n", ranges[i].name,
                          (unsigned long long)ranges[i].min, (unsigned long long)ranges[i].max);
            return 2;
        }
    }
    if (options->acks < -1 || options->acks > 1) {
        (void)fprintf(stderr, "bench: --acks must be -1, 0 or 1\n");
        return 2;
    }
    return 0;
}

/* Of memif both ends know the socket, and of profile memif-lab the addresses. */
static int over_check(struct bench_options *options)
{
    const bool memif = strcmp(options->over, "memif") == 0;
    const bool port = memif || strcmp(options->over, "port") == 0;
    if (strcmp(options->over, "ring") == 0) {
        (void)fprintf(stderr, "bench: the ends of a ring share pointers, so they must live in one "
                              "process: over memif they are two\n");
        return 2;
    }
    if (!port && strcmp(options->over, "sockets") != 0) {
        (void)fprintf(stderr, "bench: --over must be sockets, memif or port\n");
        return 2;
    }
    if (memif && options->device == NULL) {
        options->device = "net_memif0,role=client,id=0,socket=millrace-memif,rsize=12";
    }
    if (port && options->device == NULL) {
        (void)fprintf(stderr, "bench: --over port needs --device\n");
        return 2;
    }
    if (options->bootstrap == NULL) {
        options->bootstrap = memif ? "10.78.0.2:9092" : "127.0.0.1:9092";
    }
    struct host_port broker;
    if (!host_port_parse(bytes_of_string(options->bootstrap), &broker)) {
        (void)fprintf(stderr, "bench: --bootstrap must be HOST:PORT, or [ADDRESS]:PORT of IPv6\n");
        return 2;
    }
    return 0;
}

/* "-o json" and "-o text", as everywhere. */
static int output_take(struct bench_options *options, const char *value)
{
    const bool json = value != NULL && strcmp(value, "json") == 0;
    if (!json && (value == NULL || strcmp(value, "text") != 0)) {
        (void)fprintf(stderr, "bench: -o must be text or json\n");
        return 2;
    }
    options->json = json;
    return 0;
}

static int option_take(struct bench_options *options, char **argv, int argc, int *at)
{
    if (strcmp(argv[*at], "-o") == 0) {
        (*at)++;
        return output_take(options, *at < argc ? argv[*at] : NULL);
    }
    for (size_t row = 0; row < ARRAY_SIZE(option_rows); row++) {
        if (strcmp(option_rows[row].name, argv[*at]) != 0) {
            continue;
        }
        if (option_rows[row].type == OPTION_FLAG) {
            bool *flag = (bool *)((char *)options + option_rows[row].at);
            *flag = !*flag;
            return 0;
        }
        if (*at + 1 < argc && option_store(options, &option_rows[row], argv[*at + 1])) {
            (*at)++;
            return 0;
        }
        (void)fprintf(stderr, "bench: %s needs another value: %s\n", argv[*at],
                      option_rows[row].help);
        return 2;
    }
    (void)fprintf(stderr, "bench: unknown option %s (--help lists them)\n", argv[*at]);
    return 2;
}

int bench_options_parse(struct bench_options *options, int argc, char **argv, bool *help)
{
    *help = false;
    bool found = false;
    for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(argv[0], kinds[i].name) == 0) {
            *options = kinds[i].defaults;
            found = true;
        }
    }
    for (int i = 0; i < argc; i++) {
        *help = *help || strcmp(argv[i], "--help") == 0;
    }
    if (*help) {
        return 0;
    }
    if (!found) {
        bench_options_help(stderr);
        if (argc > 0) {
            (void)fprintf(stderr, "\nbench: unknown kind '%s'\n", argv[0]);
        }
        return 2;
    }
    options->bootstrap = NULL;
    options->over = "sockets";
    options->address = "10.78.0.1";
    options->seconds = 10;
    options->warm_up_seconds = 2;
    options->cpu = UINT64_MAX;
    options->seed = 1;
    options->verify = true;
    for (int i = 1; i < argc; i++) {
        const int code = option_take(options, argv, argc, &i);
        if (code != 0) {
            return code;
        }
    }
    const int code = over_check(options);
    return code != 0 ? code : options_check(options);
}
