#include "dataplane/profile/settings_table.h"

#define FIELD(name) offsetof(struct settings, name)
#define KIB         (UINT64_C(1) << 10)
#define MIB         (UINT64_C(1) << 20)
#define GIB         (UINT64_C(1) << 30)
#define TIB         (UINT64_C(1) << 40)

const struct settings_key settings_table[] = {
    {"name", NULL, SETTINGS_STRING, 0, 0, "", NULL, "", FIELD(name), "tools",
     "What this profile is called."},
    {"description", NULL, SETTINGS_STRING, 0, 0, "", NULL, "", FIELD(description), "tools",
     "What it is for, in one line."},
    {"cores.count", NULL, SETTINGS_COUNT, 1, 64, "cores", NULL, "1", FIELD(cores_count),
     "dataplane", "Cores: pinned threads that own partitions and connections."},
    {"cores.cpus", NULL, SETTINGS_CPU_LIST, 0, 1023, "CPU numbers", NULL, "", FIELD(cores_cpus),
     "dataplane", "CPUs the cores are pinned to, as 2-9,12; empty: not pinned."},
    {"cores.idle", NULL, SETTINGS_CHOICE, 0, 0, "", "latency, balanced, eco", "balanced",
     FIELD(cores_idle), "dataplane",
     "What a core without work does: poll for ever, poll a while and then sleep, or sleep at "
     "once."},
    {"memory.arena", NULL, SETTINGS_SIZE, 8 * MIB, 1 * TIB, "bytes", NULL, "64 MiB",
     FIELD(memory_arena_bytes), "dataplane",
     "Memory of each core for data on its way to disk and for the tail of the log."},
    {"memory.receive", NULL, SETTINGS_SIZE, 1 * MIB, 64 * GIB, "bytes", NULL, "16 MiB",
     FIELD(memory_receive_bytes), "dataplane", "Receive buffers of each core."},
    {"memory.cap", NULL, SETTINGS_SIZE, 64 * MIB, 16 * TIB, "bytes", NULL, "4 GiB",
     FIELD(memory_cap_bytes), "dataplane",
     "Most memory of both processes together; a start that would need more is refused."},
    {"memory.hugepages", NULL, SETTINGS_CHOICE, 0, 0, "", "auto, off, required", "auto",
     FIELD(memory_hugepages), "dataplane",
     "Whether memory lies in hugepages: where there are any, never, or the start fails."},
    {"network.path", NULL, SETTINGS_CHOICE, 0, 0, "", "sockets, dpdk", "sockets",
     FIELD(network_path), "dataplane", "Kernel sockets through io_uring, or a NIC of our own."},
    {"network.listen", "--listen", SETTINGS_ADDRESS, 0, 0, "HOST:PORT", NULL, "127.0.0.1:9092",
     FIELD(network_listen), "dataplane, control", "Where Kafka clients connect."},
    {"network.advertised", NULL, SETTINGS_ADDRESS, 0, 0, "HOST:PORT", NULL, "",
     FIELD(network_advertised), "dataplane, control",
     "Told to clients; empty: the name in network.listen, else the address they connected to."},
    {"network.max_connections", NULL, SETTINGS_COUNT, 1, 1000000, "connections", NULL, "20000",
     FIELD(network_max_connections), "dataplane",
     "Room for connections; kafka.max.connections may set a lower limit."},
    {"network.congestion", NULL, SETTINGS_STRING, 0, 0, "", NULL, "", FIELD(network_congestion),
     "dataplane",
     "Congestion control. Of kernel sockets as Linux names it; empty: what the host uses. With "
     "path dpdk cubic, reno or dctcp (RFC 8257: every queue on the way marks early, and the "
     "clients "
     "run it too); empty: cubic."},
    {"network.device", NULL, SETTINGS_STRING, 0, 0, "", NULL, "", FIELD(network_device),
     "dataplane, tools",
     "The port when network.path is dpdk: a virtual device as DPDK names it "
     "(net_tap0,iface=millrace0), a PCI address, or an interface of a PCI device; arguments of the "
     "driver behind a comma."},
    {"network.prefix", NULL, SETTINGS_COUNT, 1, 32, "bits", NULL, "24", FIELD(network_prefix),
     "dataplane", "Length of the network's prefix that our own TCP reaches without a gateway."},
    {"network.gateway", NULL, SETTINGS_STRING, 0, 0, "", NULL, "", FIELD(network_gateway),
     "dataplane", "Where our own TCP sends what lies beyond the prefix; empty: nowhere."},
    {"network.address6", NULL, SETTINGS_STRING, 0, 0, "", NULL, "", FIELD(network_address6),
     "dataplane",
     "IPv6 address of our own TCP beside that of network.listen, with its port; empty: none but "
     "that of network.listen."},
    {"network.prefix6", NULL, SETTINGS_COUNT, 1, 128, "bits", NULL, "64", FIELD(network_prefix6),
     "dataplane", "network.prefix of the IPv6 address."},
    {"network.gateway6", NULL, SETTINGS_STRING, 0, 0, "", NULL, "", FIELD(network_gateway6),
     "dataplane",
     "network.gateway of IPv6, which may be link-local; routers' advertisements are not read."},
    {"network.vlan", NULL, SETTINGS_COUNT, 0, 4094, "number", NULL, "0", FIELD(network_vlan),
     "dataplane",
     "VLAN of the port: its frames are tagged by the device if it offers that, else in "
     "software; 0: untagged."},
    {"network.mtu", NULL, SETTINGS_COUNT, 576, 9000, "bytes", NULL, "1500", FIELD(network_mtu),
     "dataplane",
     "MTU of the port: the network, the device and its interface have to take frames of it "
     "(net_af_packet with framesz=9216,blocksz=36864; net_tap takes 1500). Above 1500 every "
     "received buffer is as long."},
    {"network.host_address", NULL, SETTINGS_STRING, 0, 0, "", NULL, "", FIELD(network_host_address),
     "dataplane",
     "Address that the kernel's end of the port is given, as of a tap; empty: it is left alone."},
    {"network.host_address6", NULL, SETTINGS_STRING, 0, 0, "", NULL, "",
     FIELD(network_host_address6), "dataplane",
     "network.host_address of IPv6; a kernel without IPv6 is left without."},
    {"network.share", NULL, SETTINGS_STRING, 0, 0, "", NULL, "", FIELD(network_share), "dataplane",
     "A tap made for the kernel, with the port's hardware address: it gets every frame that is not "
     "for network.listen, so that ping and SSH to network.host_address go on; empty: none."},
    {"network.insecure", "--insecure", SETTINGS_SWITCH, 0, 0, "", NULL, "false",
     FIELD(network_insecure), "dataplane, control",
     "Listen beyond loopback although nobody has to authenticate."},
    {"storage.data", "--data", SETTINGS_PATHS, 0, 0, "directories", NULL, "", FIELD(storage_data),
     "dataplane, control",
     "Data directories; partitions are spread over them. Without any: /var/lib/millrace for root, "
     "else ~/.local/share/millrace."},
    {"storage.o_direct", NULL, SETTINGS_SWITCH, 0, 0, "", NULL, "true", FIELD(storage_o_direct),
     "dataplane", "Write past the page cache; false: buffered, with fdatasync."},
    {"storage.flush_delay_us", NULL, SETTINGS_COUNT, 0, 1000000, "microseconds", NULL, "0",
     FIELD(storage_flush_delay_us), "dataplane",
     "Makes every flush this much slower, to measure as if on a slower device."},
    {"storage.linux_6_1_only", NULL, SETTINGS_SWITCH, 0, 0, "", NULL, "false",
     FIELD(storage_linux_6_1_only), "dataplane",
     "Use nothing of io_uring that Linux 6.1 does not have, whatever this kernel offers."},
    {"http.listen", "--http", SETTINGS_ADDRESS, 0, 0, "HOST:PORT", NULL, "127.0.0.1:9644",
     FIELD(http_listen), "control", "Where /metrics, /livez and /readyz are served."},
    {"metrics.interval_seconds", NULL, SETTINGS_COUNT, 0, 3600, "seconds", NULL, "10",
     FIELD(metrics_interval_seconds), "control",
     "How often /metrics looks where partitions end and what groups have committed; 0: never, and "
     "no lag is told."},
    {"metrics.partitions_max", NULL, SETTINGS_COUNT, 0, 1000000, "partitions", NULL, "10000",
     FIELD(metrics_partitions_max), "control",
     "Partitions that /metrics tells one by one, whole topics by name; the rest is counted."},
    {"metrics.group_rows_max", NULL, SETTINGS_COUNT, 0, 1000000, "rows", NULL, "10000",
     FIELD(metrics_group_rows_max), "control",
     "Groups, and partitions that groups have committed, that /metrics tells one by one; the rest "
     "is counted."},
    {"log.level", NULL, SETTINGS_CHOICE, 0, 0, "", "debug, info, warn, error", "info",
     FIELD(log_level), "dataplane, control", "Least severe line that is logged."},
    {"run.directory", "--run", SETTINGS_STRING, 0, 0, "directory", NULL, "", FIELD(run_directory),
     "dataplane, control",
     "Sockets and state of the running node; empty: .millrace in the first data directory."},
};
const uint32_t settings_table_count = ARRAY_SIZE(settings_table);

_Static_assert(ARRAY_SIZE(settings_table) <= SETTINGS_KEYS_MAX, "room for origins");

const struct settings_key *settings_key_find(struct bytes name)
{
    for (uint32_t i = 0; i < settings_table_count; i++) {
        if (name.len == strlen(settings_table[i].name) &&
            memcmp(name.ptr, settings_table[i].name, name.len) == 0) {
            return &settings_table[i];
        }
    }
    return NULL;
}

static void print_size(FILE *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    uint32_t unit = 0;
    while (bytes >= KIB && bytes % KIB == 0 && unit + 1 < ARRAY_SIZE(units)) {
        bytes /= KIB;
        unit++;
    }
    (void)fprintf(out, "%llu %s", (unsigned long long)bytes, units[unit]);
}

static void print_range(FILE *out, const struct settings_key *key)
{
    if (key->choices != NULL) {
        (void)fprintf(out, "%s", key->choices);
    } else if (key->type == SETTINGS_SIZE) {
        print_size(out, key->min);
        (void)fputs(" to ", out);
        print_size(out, key->max);
    } else if (key->max > 0) {
        (void)fprintf(out, "%llu to %llu", (unsigned long long)key->min,
                      (unsigned long long)key->max);
    } else if (key->type == SETTINGS_SWITCH) {
        (void)fputs("true, false", out);
    }
}

void settings_reference(FILE *out)
{
    (void)fputs("| key | unit | range | default | flag | read by | meaning |\n"
                "|---|---|---|---|---|---|---|\n",
                out);
    for (uint32_t i = 0; i < settings_table_count; i++) {
        const struct settings_key *key = &settings_table[i];
        (void)fprintf(out, "| `%s` | %s | ", key->name, key->unit);
        print_range(out, key);
        (void)fprintf(out, " | %s | %s | %s | %s |\n", key->fallback,
                      key->flag != NULL ? key->flag : "", key->reader, key->doc);
    }
}
