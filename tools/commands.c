#include "tools/commands.h"

#include "tools/bench/bench.h"

static const struct cli_option up_options[] = {
    {"--data", NULL, "DIR", "data directory; again for more, partitions are spread over them"},
    {"--listen", NULL, "HOST:PORT", "where Kafka clients connect (127.0.0.1:9092)"},
    {"--http", NULL, "HOST:PORT", "where /metrics and /readyz are served (127.0.0.1:9644)"},
    {"--profile", NULL, "NAME|FILE", "hardware profile, see hw-profiles/ (loopback)"},
    {"--config", NULL, "FILE", "configuration file, see hw-profiles/README.md"},
    {"--set", NULL, "KEY=VALUE", "one key of the configuration; again for more"},
    {"--insecure", NULL, NULL, "listen beyond loopback without authentication"},
    {"--detach", NULL, NULL, "return when the node is ready, or with the reason why not"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option data_options[] = {
    {"--data", NULL, "DIR", "first data directory of the node"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option doctor_options[] = {
    {"--data", NULL, "DIR", "data directory to look at; again for more"},
    {"--listen", NULL, "HOST:PORT", "where Kafka clients shall connect"},
    {"--http", NULL, "HOST:PORT", "where /metrics shall be served"},
    {"--profile", NULL, "NAME|FILE", "hardware profile"},
    {"--config", NULL, "FILE", "configuration file"},
    {"--set", NULL, "KEY=VALUE", "one key of the configuration"},
    {"--insecure", NULL, NULL, "listen beyond loopback without authentication"},
    {NULL, NULL, NULL, NULL},
};

static enum cli_exit completion_run(const struct cli_call *call)
{
    (void)call;
    cli_completion_bash(stdout);
    return CLI_OK;
}

const struct cli_command cli_commands[] = {
    {"up", NULL, "", 0, 0, "start a node", up_run, up_options, NULL},
    {"down", NULL, "", 0, 0, "stop it: drain, flush, trim", down_run, data_options, NULL},
    {"status", NULL, "", 0, 0, "what runs, and whether it is ready", status_run, data_options,
     NULL},
    {"doctor", NULL, "", 0, 0, "what on this host is in the way, and the command that fixes it",
     doctor_run, doctor_options, NULL},
    {"bench", NULL, "KIND", 0, 0, "loads of known shape: produce, fetch, latency, small, e2e", NULL,
     NULL, bench_main},
    {"completion", "bash", "", 0, 0, "completion script: source <(millrace completion bash)",
     completion_run, NULL, NULL},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
