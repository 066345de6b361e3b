/* One command line run in this process against a fake broker: what it prints and how it exits. */
#ifndef TESTS_TOOLS_COMMAND_BENCH_H
#define TESTS_TOOLS_COMMAND_BENCH_H

#include "tests/tools/client/client_bench.h"
#include "tools/cli.h"

enum { COMMAND_TEXT_BYTES = 64 << 10 };

struct command_said {
    int status; /* enum cli_exit. */
    char out[COMMAND_TEXT_BYTES];
    char err[COMMAND_TEXT_BYTES];
};

/* Of the command that ran last. */
extern struct command_said said;

/* cmocka's: a broker that is not started yet, as client_bench_setup, but without a client. */
int command_bench_setup(void **state);
int command_bench_teardown(void **state);

/* Runs the words of a line, cut at blanks, with --bootstrap of the fake broker behind them.
 * input: what stands on stdin; NULL: nothing. Returns the exit status. */
int command_run(const char *line, const char *input);

/* The same without a broker. */
int command_run_alone(const char *line, const char *input);

#endif
