/* `millrace net`: the port, its queues, and the connections with what their TCP knows. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/net_socket.h"

static const char *string_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "?";
}

static long long number_of(const json_t *object, const char *name)
{
    return (long long)json_integer_value(json_object_get(object, name));
}

/* Milliseconds of a time in microseconds. */
static double ms_of(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name)) / 1000;
}

static void print_list(const char *label, const json_t *list)
{
    size_t index;
    json_t *item;
    (void)printf("  %s", label);
    json_array_foreach(list, index, item)
    {
        (void)printf(" %s", json_string_value(item));
    }
    (void)printf("%s\n", json_array_size(list) == 0 ? " none" : "");
}

static void print_port(const json_t *root)
{
    const json_t *port = json_object_get(root, "port");
    const char *interface = string_of(port, "interface");
    const long long mbps = number_of(port, "mbps");
    (void)printf("port      %s, driver %s%s%s\n", string_of(port, "device"),
                 string_of(port, "driver"), interface[0] != '\0' ? ", kernel's interface " : "",
                 interface);
    (void)printf("  link    %s", string_of(port, "link"));
    if (mbps > 0) {
        (void)printf(", %lld Mb/s %s duplex", mbps, string_of(port, "duplex"));
    }
    (void)printf(", MTU %lld, NUMA node %lld\n", number_of(port, "mtu"),
                 number_of(port, "numa_node"));
    (void)printf("  queues  %lld of %lld, %lld descriptors in, %lld out\n",
                 number_of(port, "queues"), number_of(port, "queues_max"),
                 number_of(port, "in_descriptors"), number_of(port, "out_descriptors"));
    if (json_is_true(json_object_get(port, "deals"))) {
        (void)printf("  flows   dealt out by a hash with key of %s, table of %s, %lld entries\n",
                     string_of(port, "deal_key"), string_of(port, "deal_table"),
                     number_of(port, "deal_entries"));
    }
    print_list("in uses ", json_object_get(port, "in_offloads_used"));
    print_list("out uses", json_object_get(port, "out_offloads_used"));
    (void)printf("  device  missed %lld, no buffer %lld, errors in %lld out %lld\n",
                 number_of(port, "missed"), number_of(port, "no_buffer"),
                 number_of(port, "in_errors"), number_of(port, "out_errors"));
    (void)printf("  buffers %lld of %lld in use\n", number_of(port, "buffers_used"),
                 number_of(port, "buffers"));
}

/* Of these counters, those that are not 0. */
static void print_counters(const char *label, const json_t *counters)
{
    const char *name;
    json_t *value;
    bool any = false;
    (void)printf("  %s", label);
    json_object_foreach((json_t *)(uintptr_t)counters, name, value)
    {
        if (json_integer_value(value) != 0) {
            (void)printf(" %s:%lld", name, (long long)json_integer_value(value));
            any = true;
        }
    }
    (void)printf("%s\n", any ? "" : " -");
}

static void print_used(const json_t *used)
{
    const char *name;
    json_t *pair;
    (void)printf("  used   ");
    json_object_foreach((json_t *)(uintptr_t)used, name, pair)
    {
        (void)printf(" %s:%lld/%lld", name, (long long)json_integer_value(json_array_get(pair, 0)),
                     (long long)json_integer_value(json_array_get(pair, 1)));
    }
    (void)putchar('\n');
}

static void print_core(const json_t *core)
{
    (void)printf("core %-4lld %s, IPv4 %s, IPv6 %s, checksums by %s, segments by %s%s\n",
                 number_of(core, "core"), string_of(core, "mac"), string_of(core, "address"),
                 string_of(core, "address6"), string_of(core, "checksums_by"),
                 string_of(core, "segments_by"),
                 json_is_true(json_object_get(core, "wakes")) ? "" : ", asks the port by itself");
    print_counters("queue  ", json_object_get(core, "queue"));
    print_used(json_object_get(core, "used"));
    print_counters("states ", json_object_get(core, "states"));
    print_counters("tcp    ", json_object_get(core, "tcp"));
    print_counters("ip     ", json_object_get(core, "ip"));
}

/* As `ss -ti` says it; times in milliseconds. */
static void print_connection(const json_t *c)
{
    static const char *const always[] = {"mss",           "cwnd",        "ssthresh",
                                         "bytes_sent",    "bytes_acked", "bytes_received",
                                         "segments_out",  "segments_in", "send_window",
                                         "receive_window"};
    static const char *const if_any[] = {"backoff",         "in_flight",    "lost",
                                         "sacked",          "unsent",       "pinned",
                                         "receive_held",    "retransmits",  "bytes_retransmitted",
                                         "timeouts",        "tail_probes",  "fast_recoveries",
                                         "undone",          "out_of_order", "duplicates",
                                         "duplicates_sent", "zero_windows"};
    (void)printf("%-12s %s <- %s core:%lld\n    %s %s%swscale:%lld,%lld rto:%.3g rtt:%.3g/%.3g "
                 "minrtt:%.3g",
                 string_of(c, "state"), string_of(c, "local"), string_of(c, "peer"),
                 number_of(c, "core"), string_of(c, "congestion"),
                 json_is_true(json_object_get(c, "timestamps")) ? "ts " : "",
                 json_is_true(json_object_get(c, "sack")) ? "sack " : "",
                 number_of(c, "send_scale"), number_of(c, "receive_scale"), ms_of(c, "rto"),
                 ms_of(c, "srtt"), ms_of(c, "rttvar"), ms_of(c, "rtt_min"));
    for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
        (void)printf(" %s:%lld", always[i], number_of(c, always[i]));
    }
    (void)printf(" recovery:%s", string_of(c, "recovery"));
    for (size_t i = 0; i < ARRAY_SIZE(if_any); i++) {
        if (number_of(c, if_any[i]) != 0) {
            (void)printf(" %s:%lld", if_any[i], number_of(c, if_any[i]));
        }
    }
    (void)putchar('\n');
}

static void print_text(const json_t *root)
{
    size_t index;
    json_t *item;
    (void)printf("network   %s, listens at %s\n", string_of(root, "path"),
                 string_of(root, "listen"));
    if (json_object_get(root, "port") == NULL) {
        (void)printf("%s\n", string_of(root, "hint"));
        return;
    }
    if (string_of(root, "dpdk_telemetry")[0] != '\0') {
        (void)printf("telemetry %s\n", string_of(root, "dpdk_telemetry"));
    }
    print_port(root);
    json_array_foreach(json_object_get(root, "cores"), index, item)
    {
        print_core(item);
    }
    const json_t *connections = json_object_get(root, "connections");
    (void)printf("%zu connections\n", json_array_size(connections));
    json_array_foreach(connections, index, item)
    {
        print_connection(item);
    }
}

/* Everything until its end; NULL after a message. The caller's. */
static char *answer_read(int fd, size_t *len)
{
    size_t capacity = 0;
    char *text = NULL;
    *len = 0;
    for (;;) {
        if (*len == capacity) {
            capacity = capacity * 2 + 65536;
            char *larger = realloc(text, capacity);
            if (larger == NULL) {
                cli_error("no memory for the answer");
                free(text);
                return NULL;
            }
            text = larger;
        }
        const ssize_t got = read(fd, text + *len, capacity - *len);
        if (got == 0) {
            return text;
        }
        if (got < 0 && errno != EINTR) {
            cli_error("the answer: %s", strerror(errno));
            free(text);
            return NULL;
        }
        *len += got > 0 ? (size_t)got : 0;
    }
}

enum cli_exit net_run(const struct cli_call *call)
{
    size_t len = 0;
    const int fd = net_socket_ask(call, "net");
    char *answer = fd < 0 ? NULL : answer_read(fd, &len);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (answer == NULL || net_socket_refused(answer, len)) {
        free(answer);
        return CLI_FAILED;
    }
    json_error_t error;
    json_t *root = json_loadb(answer, len, 0, &error);
    free(answer);
    if (root == NULL) {
        cli_error("the answer is no JSON: %s", error.text);
        return CLI_FAILED;
    }
    if (call->json) {
        (void)json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        (void)putchar('\n');
    } else {
        print_text(root);
    }
    json_decref(root);
    return CLI_OK;
}
