/* `millrace tune --print`: what `doctor` found, as a script to read and run. */
#include "tools/commands.h"
#include "tools/configure.h"
#include "tools/doctor.h"

static struct configuration configuration;
static struct doctor doctor;

void tune_print(FILE *out, const struct doctor *of)
{
    uint32_t commands = 0;
    (void)fputs("#!/bin/sh\n"
                "# What `millrace doctor` found to be done on this host. Read it, then run it as "
                "root. Nothing of it\n"
                "# lasts over a reboot but what it says about the kernel's command line.\n"
                "set -e\n",
                out);
    for (uint32_t i = 0; i < of->count; i++) {
        const struct doctor_finding *finding = &of->finding[i];
        if (finding->severity == DOCTOR_OK) {
            continue;
        }
        (void)fprintf(out, "\n# %s %s: %s; needed: %s\n", finding->id, finding->what,
                      finding->observed, finding->needed);
        (void)fprintf(out, "%s%s\n", finding->is_command ? "" : "# By hand: ", finding->fix);
        commands += finding->is_command;
    }
    (void)fprintf(out, "\n# %u commands\n", commands);
}

enum cli_exit tune_run(const struct cli_call *call)
{
    if (!cli_switch(call, "--print")) {
        cli_error("say --print: it writes the commands, and runs nothing");
        return CLI_USAGE;
    }
    if (!configure(call, &configuration)) {
        for (uint32_t i = 0; i < configuration.problems.count; i++) {
            cli_error("%s", configuration.problems.error[i]);
        }
        return CLI_FAILED;
    }
    doctor.settings = &configuration.settings;
    doctor_ring(&doctor);
    doctor_host(&doctor);
    tune_print(stdout, &doctor);
    return CLI_OK;
}
