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

static const struct cli_option create_options[] = {
    {"--partitions", "-p", "N", "how many (the broker's num.partitions)"},
    {"--replicas", "-r", "N", "copies of each (the broker's default.replication.factor)"},
    {"--config", "-c", "KEY=VALUE", "a topic key of Kafka; again for more"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option list_options[] = {
    {"--internal", NULL, NULL, "the broker's own topics, too"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option show_options[] = {
    {"--all", "-a", NULL, "keys with their default, too"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option set_options[] = {
    {"--unset", NULL, "KEY", "back to the default; again for more"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option grow_options[] = {
    {"--partitions", "-p", "N", "how many it shall have; never fewer than now"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option delete_options[] = {
    {"--yes", "-y", NULL, "do not ask"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option produce_options[] = {
    {"--key-separator", "-K", "TEXT", "what stands before it in a line is the key"},
    {"--partition", "-p", "N", "only this one (by key, else round robin)"},
    {"--acks", NULL, "all|1|0", "flushed, written, or not waited for (all)"},
    {"--compression", "-z", "CODEC", "none, gzip, snappy, lz4 or zstd (none)"},
    {"--header", "-H", "NAME=VALUE", "a header of each record; again for more"},
    {"--file", NULL, "FILE", "the whole file is one record, not each line of the input"},
    {"--key", NULL, "TEXT", "key of that one record"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option consume_options[] = {
    {"--offset", "-O", "WHERE", "start, end, N, -N (the last N), @MILLISECONDS (start)"},
    {"--partition", "-p", "N", "only this one (all)"},
    {"--count", "-n", "N", "stop after so many records"},
    {"--follow", "-f", NULL, "go on at the end and wait for more"},
    {"--keys", "-k", NULL, "print key, tab, value"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option dump_options[] = {
    {"--records", "-r", NULL, "keys and values, too"},
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
    {"topic", "create", "NAME...", 1, CLI_WORDS_MAX, "make topics", topic_create_run,
     create_options, NULL},
    {"topic", "list", "", 0, 0, "all topics", topic_list_run, list_options, NULL},
    {"topic", "show", "NAME", 1, 1, "partitions, offsets, configuration", topic_show_run,
     show_options, NULL},
    {"topic", "set", "NAME [KEY=VALUE]...", 1, CLI_WORDS_MAX, "change the configuration",
     topic_set_run, set_options, NULL},
    {"topic", "grow", "NAME", 1, 1, "add partitions", topic_grow_run, grow_options, NULL},
    {"topic", "delete", "NAME...", 1, CLI_WORDS_MAX, "remove topics and their data",
     topic_delete_run, delete_options, NULL},
    {"produce", NULL, "TOPIC", 1, 1, "lines of the input as records", produce_run, produce_options,
     NULL},
    {"consume", NULL, "TOPIC", 1, 1, "records as lines, up to the present end", consume_run,
     consume_options, NULL},
    {"log", "dump", "FILE|DIR...", 1, CLI_WORDS_MAX, "what segment files hold", log_dump_run,
     dump_options, NULL},
    {"log", "verify", "DIR...", 1, CLI_WORDS_MAX, "check checksums, records, order and indexes",
     log_verify_run, NULL, NULL},
    {"log", "seal", "DIR NEW_DIR", 2, 2, "a copy without free space, for Kafka's own tools",
     log_seal_run, NULL, NULL},
    {"bench", NULL, "KIND", 0, 0, "loads of known shape: produce, fetch, latency, small, e2e", NULL,
     NULL, bench_main},
    {"completion", "bash", "", 0, 0, "completion script: source <(millrace completion bash)",
     completion_run, NULL, NULL},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
