#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/node.h"
#include "tools/supervise.h"

enum { DOWN_MS_MAX = 40 * 1000, STEP_MS = 20, TOLD_MS = 2000 };

static struct node_state state;

/* The supervisor stops both and ends; false when it did not in time. */
static bool stop_through_supervisor(void)
{
    (void)kill(state.supervisor.pid, SIGTERM);
    for (int waited_ms = 0; waited_ms < DOWN_MS_MAX; waited_ms += STEP_MS) {
        if (!node_process_alive(&state.supervisor)) {
            return true;
        }
        if (waited_ms == TOLD_MS) {
            cli_note("waiting for it to drain, flush and trim");
        }
        const struct timespec pause = {.tv_nsec = STEP_MS * 1000 * 1000};
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

static bool anything_left(void)
{
    return node_process_alive(&state.process[0]) || node_process_alive(&state.process[1]);
}

enum cli_exit down_run(const struct cli_call *call)
{
    char data[NODE_PATH_BYTES];
    char run[NODE_PATH_BYTES];
    const char *given = cli_value_at(call, "--data", 0); /* The run directory lies in the first. */
    if (given == NULL && !node_default_data(data)) {
        cli_error("say --data DIR: there is no home directory");
        return CLI_FAILED;
    }
    node_run_directory(given != NULL ? given : data, run);
    if (!node_state_read(run, &state)) {
        cli_note("nothing runs on %s", given != NULL ? given : data);
        return CLI_OK;
    }
    bool clean = true;
    if (node_process_alive(&state.supervisor)) {
        clean = stop_through_supervisor();
        if (!clean) {
            cli_error("the supervisor (pid %d) does not end; killing it",
                      (int)state.supervisor.pid);
            (void)kill(state.supervisor.pid, SIGKILL);
        }
        static struct node_state newer; /* A restart may have changed the ids. */
        state = node_state_read(run, &newer) ? newer : state;
    }
    if (anything_left()) {
        clean = supervise_stop(&state, true) && clean;
    }
    node_state_remove(run);
    if (clean) {
        cli_note("stopped");
    }
    return clean ? CLI_OK : CLI_FAILED;
}
