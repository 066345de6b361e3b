/* sim: runs whole simulated brokers, one per seed.
 *
 *     sim --seed 7            one seed
 *     sim --seed 1 --count N  seeds 1 to N
 *     sim --fresh SECONDS     seeds nobody has seen, for that long
 *     sim --wire ...          clients come over a bad wire to our own TCP
 *     sim --boundaries ...    a short run of the seed, then the same with a crash at every I/O
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/text.h"
#include "tests/sim/sim_scenario.h"

struct command {
    struct scenario_options scenario;
    uint64_t count;
    uint64_t fresh_seconds;
    uint64_t stride; /* Of boundaries. */
    bool boundaries;
};

static char replay[256];

static void on_abort(int number)
{
    (void)!write(STDERR_FILENO, replay, strlen(replay));
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void usage(void)
{
    (void)fprintf(
        stderr, "usage: sim [--seed N] [--count N] [--fresh SECONDS] [--cores N] [--trouble BITS]\n"
                "           [--work BITS] [--wire] [--boundaries [--stride N]] [--crash-at N "
                "--crash kill|all|power]\n"
                "           [--verbose]\n");
    exit(2);
}

static const char *const crash_names[] = {"kill", "all", "power"};

/* The whole command line, ready for whatever ends the process. */
static void say_replay(const struct scenario_options *options)
{
    struct text text;
    text_init(&text, replay, sizeof(replay));
    text_string(&text, "replay: tests/sim/sim --seed ");
    text_u64(&text, options->seed);
    if (options->trouble != TROUBLE_BY_SEED) {
        text_string(&text, " --trouble ");
        text_i64(&text, options->trouble);
    }
    if (options->work != WORK_PLAIN) {
        text_string(&text, " --work ");
        text_u64(&text, options->work);
    }
    if (options->core_count != 0) {
        text_string(&text, " --cores ");
        text_u64(&text, options->core_count);
    }
    if (options->wire) {
        text_string(&text, " --wire");
    }
    if (options->small && options->crash_at == UINT64_MAX) {
        text_string(&text, " --boundaries");
    } else if (options->small) {
        text_string(&text, " --crash-at ");
        text_u64(&text, options->crash_at);
        text_string(&text, " --crash ");
        text_string(&text, crash_names[options->crash]);
    }
    text_string(&text, "\n");
}

static struct scenario_result run(const struct scenario_options *options)
{
    say_replay(options);
    const struct scenario_result result = scenario_run(options);
    if (options->verbose) {
        (void)printf("seed %" PRIu64 ": %" PRIu64 " acked, %" PRIu64 " read, %u crashes, %u boots, "
                     "%" PRIu64 " boundaries, %" PRIu64 " turns, %" PRIu64 " ms\n",
                     options->seed, result.acked, result.read, result.crashes, result.boots,
                     result.boundaries, result.turns, result.virtual_ms);
    }
    return result;
}

static void run_boundaries(const struct command *command)
{
    struct scenario_options options = command->scenario;
    options.small = true;
    options.crash_at = UINT64_MAX;
    const struct scenario_result whole = run(&options);
    uint64_t runs = 0;
    for (uint64_t at = command->scenario.seed % command->stride; at < whole.boundaries;
         at += command->stride) {
        for (uint32_t crash = 0; crash < 3; crash++) {
            options.crash_at = at;
            options.crash = (enum sim_crash)crash;
            (void)run(&options);
            runs++;
        }
    }
    (void)printf("seed %" PRIu64 ": %" PRIu64 " boundaries, %" PRIu64 " crashes\n", options.seed,
                 whole.boundaries, runs);
}

static uint64_t number(const char *text)
{
    char *end;
    const uint64_t value = text == NULL ? 0 : strtoull(text, &end, 0);
    if (text == NULL || end == text || *end != '\0') {
        usage();
    }
    return value;
}

/* Bits that mean nothing would ask for nothing, and pass. */
static uint32_t bits(const char *text, uint32_t all)
{
    const uint64_t value = number(text);
    if ((value & ~(uint64_t)all) != 0) {
        usage();
    }
    return (uint32_t)value;
}

static int trouble_bits(const char *text)
{
    return text != NULL && strcmp(text, "-1") == 0 ? TROUBLE_BY_SEED : (int)bits(text, TROUBLE_ALL);
}

static enum sim_crash crash_named(const char *name)
{
    for (uint32_t i = 0; name != NULL && i < ARRAY_SIZE(crash_names); i++) {
        if (strcmp(name, crash_names[i]) == 0) {
            return (enum sim_crash)i;
        }
    }
    usage();
    return SIM_CRASH_KILL;
}

static struct command command_parse(char **argv)
{
    struct command command = {
        .scenario = {.seed = 1,
                     .trouble = TROUBLE_BY_SEED,
                     .work = WORK_PLAIN,
                     .crash_at = UINT64_MAX},
        .count = 1,
        .stride = 1,
    };
    for (char **at = argv + 1; *at != NULL; at++) {
        if (strcmp(*at, "--verbose") == 0) {
            command.scenario.verbose = true;
        } else if (strcmp(*at, "--wire") == 0) {
            command.scenario.wire = true;
        } else if (strcmp(*at, "--boundaries") == 0) {
            command.boundaries = true;
        } else if (strcmp(*at, "--seed") == 0) {
            command.scenario.seed = number(*++at);
        } else if (strcmp(*at, "--count") == 0) {
            command.count = number(*++at);
        } else if (strcmp(*at, "--fresh") == 0) {
            command.fresh_seconds = number(*++at);
        } else if (strcmp(*at, "--stride") == 0) {
            command.stride = number(*++at);
        } else if (strcmp(*at, "--cores") == 0) {
            command.scenario.core_count = (uint32_t)number(*++at);
        } else if (strcmp(*at, "--trouble") == 0) {
            command.scenario.trouble = trouble_bits(*++at);
        } else if (strcmp(*at, "--work") == 0) {
            command.scenario.work = bits(*++at, WORK_ALL);
        } else if (strcmp(*at, "--crash-at") == 0) {
            command.scenario.crash_at = number(*++at);
            command.scenario.small = true;
        } else if (strcmp(*at, "--crash") == 0) {
            command.scenario.crash = crash_named(*++at);
        } else {
            usage();
        }
    }
    return command;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct command command = command_parse(argv);
    (void)signal(SIGABRT, on_abort);
    (void)signal(SIGSEGV, on_abort);
    if (command.fresh_seconds > 0) {
        (void)getrandom(&command.scenario.seed, 6, 0);
        command.count = UINT64_MAX;
    }
    const time_t end = time(NULL) + (time_t)command.fresh_seconds;
    uint64_t done = 0;
    for (; done < command.count && (command.fresh_seconds == 0 || time(NULL) < end); done++) {
        if (command.boundaries) {
            run_boundaries(&command);
        } else {
            (void)run(&command.scenario);
        }
        command.scenario.seed++;
    }
    (void)printf("%" PRIu64 " seeds, the last was %" PRIu64 "\n", done, command.scenario.seed - 1);
    return 0;
}
