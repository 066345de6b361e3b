#include <jansson.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/node.h"

static struct node_state state;

enum cli_exit status_run(const struct cli_call *call)
{
    char data[NODE_PATH_BYTES];
    char run[NODE_PATH_BYTES];
    char why[200];
    const char *given = cli_value_at(call, "--data", 0); /* The run directory lies in the first. */
    if (given == NULL && !node_default_data(data)) {
        cli_error("say --data DIR: there is no home directory");
        return CLI_FAILED;
    }
    const char *directory = given != NULL ? given : data;
    node_run_directory(directory, run);
    (void)snprintf(why, sizeof(why), "%s",
                   access(run, F_OK) == 0
                       ? "nothing runs on this data directory; `millrace up` starts a node"
                       : "no node was ever started on this data directory");
    const bool known = node_state_read(run, &state);
    struct host_port http;
    const struct bytes text = bytes_of_string(state.http);
    bool ready = false;
    if (known && !node_process_alive(&state.process[0])) {
        (void)snprintf(why, sizeof(why), "millrace-dataplane does not run");
    } else if (known && !node_process_alive(&state.process[1])) {
        (void)snprintf(why, sizeof(why), "millrace-control does not run");
    } else if (known && host_port_parse(text, &http)) {
        ready = node_ready(&http, state.process[1].pid, why);
    }
    if (call->json) {
        json_t *json = node_json(&state, ready, why);
        (void)json_dumpf(json, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(json);
    } else if (known) {
        node_print(stdout, &state, ready, why);
    } else {
        cli_error("%s: %s", directory, why);
    }
    return ready ? CLI_OK : CLI_FAILED;
}
