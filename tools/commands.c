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

static const struct cli_option capture_options[] = {
    {"--write", "-w", "FILE", "where to, as pcapng; - for stdout"},
    {"--port", NULL, "PORT", "only TCP and UDP from or to it"},
    {"--count", "-n", "N", "stop after so many frames"},
    {"--seconds", NULL, "N", "stop after so long (until Ctrl-C)"},
    {"--snap", NULL, "BYTES", "how much of each frame, 64 to 9216 (2048)"},
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

static const struct cli_option tune_options[] = {
    {"--print", NULL, NULL, "write the commands to stdout as a script"},
    {"--data", NULL, "DIR", "data directory to look at; again for more"},
    {"--listen", NULL, "HOST:PORT", "where Kafka clients shall connect"},
    {"--http", NULL, "HOST:PORT", "where /metrics shall be served"},
    {"--profile", NULL, "NAME|FILE", "hardware profile"},
    {"--config", NULL, "FILE", "configuration file"},
    {"--set", NULL, "KEY=VALUE", "one key of the configuration"},
    {"--insecure", NULL, NULL, "listen beyond loopback without authentication"},
    {NULL, NULL, NULL, NULL},
};

#define TIMEOUT_OPTION                                                     \
    {                                                                      \
        "--timeout", NULL, "SECONDS", "how long to wait for the node (30)" \
    }

static const struct cli_option create_options[] = {
    {"--partitions", "-p", "N", "how many (the node's num.partitions)"},
    {"--replicas", "-r", "N", "how many (the node's default.replication.factor)"},
    {"--config", "-c", "KEY=VALUE", "a setting of the topic; again for more"},
    {"--if-not-exists", NULL, NULL, "an existing topic is no failure"},
    {"--dry-run", NULL, NULL, "only check what would be done"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option list_options[] = {
    {"--internal", NULL, NULL, "the broker's own topics, too"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option show_options[] = {
    {"--all", "-a", NULL, "settings at their default, too"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option set_options[] = {
    {"--unset", NULL, "KEY", "back to the default; again for more"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option grow_options[] = {
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option delete_options[] = {
    {"--yes", "-y", NULL, "do not ask on a terminal"},
    {"--if-exists", NULL, NULL, "a missing topic is no failure"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option group_list_options[] = {
    {"--state", NULL, "STATE", "only groups in it: Empty, Stable, PreparingRebalance..."},
    {"--type", NULL, "TYPE", "only those of a protocol: classic or consumer"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option group_show_options[] = {
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option group_seek_options[] = {
    {"--topic", "-t", "TOPIC", "the topic to go on in"},
    {"--partition", "-p", "N", "only this one; again for more (all)"},
    {"--to", NULL, "WHERE", "start, end, OFFSET, TIME, or -N: the last N records"},
    {"--execute", NULL, NULL, "do it; without it, only the plan is printed"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option group_delete_options[] = {
    {"--yes", "-y", NULL, "do not ask on a terminal"},
    {"--if-exists", NULL, NULL, "a missing group is no failure"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option txn_list_options[] = {
    {"--state", NULL, "STATE", "only in it: Ongoing, PrepareCommit, CompleteAbort..."},
    {"--longer", NULL, "SECONDS", "only those that have been open for longer"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option txn_show_options[] = {
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option txn_abort_options[] = {
    {"--yes", "-y", NULL, "do not ask on a terminal"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option produce_options[] = {
    {"--key-separator", "-k", "TEXT", "what stands before it in a line is the key"},
    {"--header", "-H", "NAME=VALUE", "a header of each record; again for more"},
    {"--partition", "-p", "N", "only this one (by the key's hash, else spread)"},
    {"--compression", "-z", "CODEC", "none, gzip, snappy, lz4 or zstd (none)"},
    {"--acks", NULL, "all|1|0", "flushed, written, or not waited for (all)"},
    {"--not-idempotent", NULL, NULL, "no producer id; always so below --acks all"},
    {"--null", "-Z", NULL, "an empty value is null"},
    {"--file", NULL, "FILE", "the whole file is one record, not each line of the input"},
    {"--key", NULL, "TEXT", "key of that one record"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option consume_options[] = {
    {"--offset", "-o", "WHERE", "begin, end, N, -N (the last N), @MS or @TIME (begin)"},
    {"--partition", "-p", "N", "only this one; again for more (all)"},
    {"--count", "-n", "N", "stop after so many records"},
    {"--exit", "-e", NULL, "stop at what is the end now, else go on and wait for more"},
    {"--format", "-f", "FORMAT", "%t %p %o %T %k %K %s %S %h, \\n \\t \\xNN (%s\\n)"},
    TIMEOUT_OPTION,
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option dump_options[] = {
    {"--records", "-r", NULL, "keys and values, too"},
    {"--metadata", NULL, NULL, "values are records of the metadata log (else by the path)"},
    {NULL, NULL, NULL, NULL},
};

static const struct cli_option verify_options[] = {
    {"--gaps", NULL, NULL, "offsets may be missing, as in compacted topics"},
    {NULL, NULL, NULL, NULL},
};

static enum cli_exit completion_bash_run(const struct cli_call *call)
{
    (void)call;
    cli_completion_bash(stdout);
    return CLI_OK;
}

static enum cli_exit completion_zsh_run(const struct cli_call *call)
{
    (void)call;
    cli_completion_zsh(stdout);
    return CLI_OK;
}

const struct cli_command cli_commands[] = {
    {"up", NULL, "", 0, 0, "start a node", up_run, up_options, NULL},
    {"down", NULL, "", 0, 0, "stop it: drain, flush, trim", down_run, data_options, NULL},
    {"status", NULL, "", 0, 0, "what runs, and whether it is ready", status_run, data_options,
     NULL},
    {"doctor", NULL, "", 0, 0, "what on this host is in the way, and the command that fixes it",
     doctor_run, doctor_options, NULL},
    {"tune", NULL, "", 0, 0, "the commands that doctor names, as a script (--print)", tune_run,
     tune_options, NULL},
    {"net", NULL, "", 0, 0, "the port and its connections, as `ss -ti` shows the kernel's", net_run,
     data_options, NULL},
    {"capture", NULL, "", 0, 0, "frames of the port as a pcapng file, for Wireshark", capture_run,
     capture_options, NULL},
    {"topic", "create", "NAME...", 1, CLI_WORDS_MAX, "make topics", topic_create_run,
     create_options, NULL},
    {"topic", "list", "", 0, 0, "all topics", topic_list_run, list_options, NULL},
    {"topic", "show", "NAME", 1, 1, "partitions, offsets, sizes, settings and their source",
     topic_show_run, show_options, NULL},
    {"topic", "set", "NAME [KEY=VALUE]...", 1, CLI_WORDS_MAX, "change the configuration",
     topic_set_run, set_options, NULL},
    {"topic", "grow", "NAME PARTITIONS", 2, 2, "add partitions, up to that many", topic_grow_run,
     grow_options, NULL},
    {"topic", "delete", "NAME...", 1, CLI_WORDS_MAX, "remove topics and their data",
     topic_delete_run, delete_options, NULL},
    {"group", "list", "", 0, 0, "all groups, of both protocols", group_list_run, group_list_options,
     NULL},
    {"group", "show", "GROUP", 1, 1, "members and what they own; lag in records and in seconds",
     group_show_run, group_show_options, NULL},
    {"group", "seek", "GROUP", 1, 1, "where a group without members goes on; a plan at first",
     group_seek_run, group_seek_options, NULL},
    {"group", "delete", "GROUP...", 1, CLI_WORDS_MAX, "remove groups and their offsets",
     group_delete_run, group_delete_options, NULL},
    {"txn", "list", "", 0, 0, "all transactional ids, and what their transactions are at",
     txn_list_run, txn_list_options, NULL},
    {"txn", "show", "ID", 1, 1, "producer, timeout, since when, and which partitions", txn_show_run,
     txn_show_options, NULL},
    {"txn", "abort", "ID", 1, 1, "abort what is open, and fence its producer", txn_abort_run,
     txn_abort_options, NULL},
    {"produce", NULL, "TOPIC", 1, 1, "send each line of the input as a record", produce_run,
     produce_options, NULL},
    {"consume", NULL, "TOPIC", 1, 1, "print records as they come", consume_run, consume_options,
     NULL},
    {"log", "dump", "FILE|DIR...", 1, CLI_WORDS_MAX, "what segment files hold", log_dump_run,
     dump_options, NULL},
    {"log", "verify", "DIR|FILE...", 1, CLI_WORDS_MAX,
     "check checksums, records, order and indexes", log_verify_run, verify_options, NULL},
    {"log", "seal", "DIR NEW_DIR", 2, 2, "a copy without free space, for Kafka's own tools",
     log_seal_run, NULL, NULL},
    {"bench", NULL, "KIND", 0, 0, "loads of known shape: --help names the kinds", NULL, NULL,
     bench_main},
    {"completion", "bash", "", 0, 0, "completion script: source <(millrace completion bash)",
     completion_bash_run, NULL, NULL},
    {"completion", "zsh", "", 0, 0, "completion script: source <(millrace completion zsh)",
     completion_zsh_run, NULL, NULL},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
