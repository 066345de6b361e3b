/* Configuration of a node: hardware profile, configuration file, environment and command line.
 *
 * One table (settings_table.c) holds every key with type, range, default, reader and meaning; the
 * parser, the messages, the names of environment variables and hw-profiles/README.md come from it.
 * A later source wins: default < profile < file < environment (MILLRACE_CORES_COUNT) < flag. An
 * unknown key is an error with file, line, column and a suggestion. Kafka's broker keys stand
 * under `kafka:` with Kafka's names and values. Both processes and the tools read it, at start.
 */
#ifndef DATAPLANE_PROFILE_SETTINGS_H
#define DATAPLANE_PROFILE_SETTINGS_H

#include <stdio.h>

#include "dataplane/profile/kafka_keys.h"

enum {
    SETTINGS_PATHS_MAX = 16, /* Of data: as many as a log takes. */
    SETTINGS_CPUS_MAX = 256,
    SETTINGS_PROBLEMS_MAX = 16,
    SETTINGS_KEYS_MAX = 64,
    SETTINGS_KAFKA_KEYS_MAX = 512,
    /* Exit status of a process whose configuration, data format or lock refuses the start: it
     * would fail in the same way again, so its parent does not restart it. */
    EXIT_REFUSED = 78,
};

enum settings_idle { IDLE_LATENCY, IDLE_BALANCED, IDLE_ECO };
enum settings_hugepages { HUGEPAGES_AUTO, HUGEPAGES_OFF, HUGEPAGES_REQUIRED };
enum settings_network_path { NETWORK_SOCKETS, NETWORK_DPDK };
enum settings_log_level { SETTINGS_DEBUG, SETTINGS_INFO, SETTINGS_WARN, SETTINGS_ERROR };

struct host_port {
    char host[254]; /* A name or an address without brackets; empty when not set. */
    uint16_t port;
};

struct settings_paths {
    uint32_t count;
    const char *path[SETTINGS_PATHS_MAX];
};

struct settings_cpus {
    uint32_t count;
    uint16_t cpu[SETTINGS_CPUS_MAX]; /* In the order written: core 0 takes the first. */
};

enum settings_source { FROM_DEFAULT, FROM_PROFILE, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct settings_origin {
    enum settings_source source;
    const char *where; /* "file:line:column", the variable or the flag; NULL for a default. */
};

struct settings_text; /* Owned copies of text. */

struct settings {
    const char *name;        /* Of the profile. */
    const char *description; /* Of the profile. */
    uint64_t cores_count;
    struct settings_cpus cores_cpus; /* Empty: cores are not pinned. */
    uint32_t cores_idle;             /* enum settings_idle */
    uint64_t memory_arena_bytes;     /* Of each core. */
    uint64_t memory_receive_bytes;   /* Of each core. */
    uint64_t memory_cap_bytes;       /* Of both processes together. */
    uint32_t memory_hugepages;       /* enum settings_hugepages */
    uint32_t network_path;           /* enum settings_network_path */
    struct host_port network_listen;
    struct host_port network_advertised; /* Empty host: what clients connected to. */
    uint64_t network_max_connections;
    const char *network_congestion; /* Empty: what the host uses. */
    const char *network_device;     /* DPDK's name and arguments of the port. */
    uint64_t network_prefix;        /* Bits. */
    const char *network_gateway;    /* Empty: none. */
    const char *network_address6;   /* Empty: none beside network_listen. */
    uint64_t network_prefix6;       /* Bits. */
    const char *network_gateway6;   /* Empty: none. */
    uint64_t network_vlan;          /* 0: untagged. */
    uint64_t network_mtu;
    const char *network_host_address; /* Empty: the kernel's end is left as it is. */
    const char *network_host_address6;
    const char *network_share; /* Name of a tap; empty: none. */
    bool network_insecure;
    struct settings_paths storage_data;
    bool storage_o_direct;
    uint64_t storage_flush_delay_us;
    bool storage_linux_6_1_only;
    struct host_port http_listen;
    uint64_t metrics_interval_seconds; /* 0: groups are not looked at. */
    uint64_t metrics_partitions_max;
    uint64_t metrics_group_rows_max;
    uint32_t log_level; /* enum settings_log_level */
    const char *run_directory;

    const char *profile_path; /* NULL: built-in defaults. */
    const char *config_path;  /* NULL: no file. */
    struct settings_origin origins[SETTINGS_KEYS_MAX];

    /* By position in kafka_keys(KAFKA_BROKER): NULL where not set. */
    const char *kafka[SETTINGS_KAFKA_KEYS_MAX];
    struct settings_origin kafka_origins[SETTINGS_KAFKA_KEYS_MAX];
    struct settings_text *texts;
};

struct settings_problems {
    uint32_t count;    /* Errors: the start is refused. */
    uint32_t warnings; /* To be told, not to stop for. */
    char error[SETTINGS_PROBLEMS_MAX][400];
    char warning[SETTINGS_PROBLEMS_MAX][400];
};

/* Everything read from outside, given by main. */
struct settings_input {
    int argc; /* Without the program's name. */
    char *const *argv;
    char *const *environment;
    const char *program_dir; /* Of the binary: profiles are looked for in and above it. */
};

/* Fills settings from all sources. True when nothing was wrong; otherwise problems say what, one
 * line each. settings_free in both cases. */
MUST_USE bool settings_load(struct settings *settings, const struct settings_input *input,
                            struct settings_problems *problems);

void settings_free(struct settings *settings);

/* Value of a broker key as text: what was set, else the table's default, which may be NULL. */
const char *settings_kafka(const struct settings *settings, const char *name);

/* The text that was set, else NULL; a kafka_lookup with the settings as context. */
const char *settings_kafka_set(void *settings, const char *name);

/* Value of a broker key of type INT, SHORT, LONG or BOOLEAN. */
int64_t settings_kafka_number(const struct settings *settings, const char *name);

/* True for 127.0.0.0/8, ::1 and localhost. */
bool host_is_loopback(const char *host);

/* True for what a resolver is asked for: no address, and not empty. */
bool host_is_name(const char *host);

/* "HOST:PORT" or "[IPV6]:PORT"; false when it is neither. */
MUST_USE bool host_port_parse(struct bytes text, struct host_port *out);

/* "host:port", brackets around IPv6. room holds it. */
const char *host_port_format(const struct host_port *address, char room[268]);

/* The directory of the running binary, from /proc/self/exe; false when it cannot be read. */
MUST_USE bool settings_program_dir(char *room, size_t size);

/* Where a profile lies: a path as it is, a name as hw-profiles/NAME.yaml in or above program_dir
 * or in /usr/share/millrace. False when there is none; then room names the places. */
MUST_USE bool settings_profile_find(const char *name_or_path, const char *program_dir, char *room,
                                    size_t size);

/* Writes the reference table of hw-profiles/README.md. */
void settings_reference(FILE *out);

#endif
