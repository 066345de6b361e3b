#include "dataplane/profile/settings_table.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "storage/base/text.h"

static void *field(struct settings *settings, const struct settings_key *key)
{
    return (char *)settings + key->offset;
}

static struct bytes tail(struct bytes text, uint32_t from)
{
    return (struct bytes){text.ptr + from, text.len - from};
}

/* Decimal digits at the start of text: their count, 0 when there are none or too many. */
static uint32_t digits_at(struct bytes text, uint64_t *value)
{
    uint32_t len = 0;
    while (len < text.len && text.ptr[len] >= '0' && text.ptr[len] <= '9') {
        len++;
    }
    return len > 0 && text_parse_u64((struct bytes){text.ptr, len}, value) ? len : 0;
}

static bool all_digits(struct bytes text, uint64_t *value)
{
    return text.len > 0 && digits_at(text, value) == text.len;
}

static bool in_range(const struct settings_key *key, uint64_t value, char error[300])
{
    if (value >= key->min && value <= key->max) {
        return true;
    }
    (void)snprintf(error, 300, "must be %llu to %llu %s", (unsigned long long)key->min,
                   (unsigned long long)key->max, key->unit);
    return false;
}

static bool parse_count(const struct settings_key *key, struct bytes text, uint64_t *out,
                        char error[300])
{
    uint64_t value = 0;
    if (!all_digits(text, &value)) {
        (void)snprintf(error, 300, "must be a whole number of %s", key->unit);
        return false;
    }
    *out = value;
    return in_range(key, value, error);
}

static bool parse_size(const struct settings_key *key, struct bytes text, uint64_t *out,
                       char error[300])
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"B", 1},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
        {"kB", 1000},
        {"MB", 1000000},
        {"GB", UINT64_C(1000000000)},
        {"TB", UINT64_C(1000000000000)},
    };
    uint64_t value = 0;
    uint32_t at = digits_at(text, &value);
    const bool number = at > 0;
    while (at < text.len && text.ptr[at] == ' ') {
        at++;
    }
    for (size_t i = 0; number && i < ARRAY_SIZE(units); i++) {
        if (bytes_equal(tail(text, at), bytes_of_string(units[i].name)) &&
            !__builtin_mul_overflow(value, units[i].bytes, out)) {
            return in_range(key, *out, error);
        }
    }
    (void)snprintf(error, 300, "must be a number with a unit, such as %s (B, KiB, MiB, GiB, TiB)",
                   key->fallback);
    return false;
}

static bool parse_switch(struct bytes text, bool *out, char error[300])
{
    *out = bytes_equal(text, bytes_of_string("true"));
    if (*out || bytes_equal(text, bytes_of_string("false"))) {
        return true;
    }
    (void)snprintf(error, 300, "must be true or false");
    return false;
}

static bool parse_choice(const struct settings_key *key, struct bytes text, uint32_t *out,
                         char error[300])
{
    struct bytes rest = bytes_of_string(key->choices);
    struct bytes one = {0};
    for (uint32_t i = 0; kafka_list_next(&rest, &one); i++) {
        if (bytes_equal(one, text)) {
            *out = i;
            return true;
        }
    }
    (void)snprintf(error, 300, "must be one of: %s", key->choices);
    return false;
}

bool host_port_parse(struct bytes text, struct host_port *out)
{
    uint32_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] != ':') {
        colon--;
    }
    struct bytes host = {text.ptr, colon > 0 ? colon - 1 : 0};
    const bool brackets = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (brackets) {
        host = (struct bytes){host.ptr + 1, host.len - 2};
    }
    uint64_t port = 0;
    const bool bare_ipv6 = !brackets && host.len > 0 && memchr(host.ptr, ':', host.len) != NULL;
    if (host.len == 0 || host.len >= sizeof(out->host) || bare_ipv6 ||
        !all_digits(tail(text, colon), &port) || port == 0 || port > UINT16_MAX) {
        return false;
    }
    memcpy(out->host, host.ptr, host.len);
    out->host[host.len] = '\0';
    out->port = (uint16_t)port;
    return true;
}

const char *host_port_format(const struct host_port *address, char room[268])
{
    const bool ipv6 = strchr(address->host, ':') != NULL;
    (void)snprintf(room, 268, "%s%s%s:%u", ipv6 ? "[" : "", address->host, ipv6 ? "]" : "",
                   address->port);
    return room;
}

bool host_is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1) {
        return (ntohl(four.s_addr) >> 24) == 127;
    }
    if (inet_pton(AF_INET6, host, &six) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
    }
    return strcasecmp(host, "localhost") == 0;
}

bool host_is_name(const char *host)
{
    struct in6_addr six;
    struct in_addr four;
    return isalnum((unsigned char)host[0]) != 0 && inet_pton(AF_INET, host, &four) != 1 &&
           inet_pton(AF_INET6, host, &six) != 1;
}

/* "2-9,12": each CPU once, in the order written. */
static bool parse_cpus(const struct settings_key *key, struct bytes text, struct settings_cpus *out,
                       char error[300])
{
    struct bytes rest = text.len > 0 ? text : (struct bytes){0};
    struct bytes one = {0};
    bool seen[1024] = {false};
    out->count = 0;
    while (kafka_list_next(&rest, &one)) {
        uint64_t first = 0;
        const uint32_t at = digits_at(one, &first);
        uint64_t last = first;
        const bool range = at > 0 && at < one.len && one.ptr[at] == '-';
        if (at == 0 || (!range && at < one.len) ||
            (range && !all_digits(tail(one, at + 1), &last)) || last < first || last > key->max) {
            (void)snprintf(error, 300, "must be a list of CPUs such as 2-9,12");
            return false;
        }
        for (uint64_t cpu = first; cpu <= last; cpu++) {
            if (seen[cpu] || out->count == SETTINGS_CPUS_MAX) {
                (void)snprintf(error, 300, seen[cpu] ? "names CPU %u twice" : "names over %u CPUs",
                               seen[cpu] ? (unsigned)cpu : (unsigned)SETTINGS_CPUS_MAX);
                return false;
            }
            seen[cpu] = true;
            out->cpu[out->count++] = (uint16_t)cpu;
        }
    }
    return true;
}

/* Paths by commas; adds to those that are there. */
static bool parse_paths(struct settings *settings, struct bytes text, struct settings_paths *out,
                        char error[300])
{
    struct bytes rest = text.len > 0 ? text : (struct bytes){0};
    struct bytes one = {0};
    while (kafka_list_next(&rest, &one)) {
        while (one.len > 1 && one.ptr[one.len - 1] == '/') {
            one.len--;
        }
        if (one.len == 0 || out->count == SETTINGS_PATHS_MAX) {
            (void)snprintf(error, 300, one.len == 0 ? "names an empty path" : "names over %d paths",
                           (int)SETTINGS_PATHS_MAX);
            return false;
        }
        const char *path = settings_keep(settings, one);
        for (uint32_t i = 0; i < out->count; i++) {
            if (strcmp(out->path[i], path) == 0) {
                (void)snprintf(error, 300, "names %s twice", path);
                return false;
            }
        }
        out->path[out->count++] = path;
    }
    return true;
}

static bool parse_address(const struct settings_key *key, struct bytes text, struct host_port *out,
                          char error[300])
{
    if (text.len == 0 && key->fallback[0] == '\0') {
        *out = (struct host_port){0};
        return true;
    }
    if (host_port_parse(text, out)) {
        return true;
    }
    (void)snprintf(error, 300, "must be HOST:PORT with a port from 1 to 65535%s",
                   memchr(text.ptr, ':', text.len) != NULL ? "; IPv6 as [::1]:9092" : "");
    return false;
}

bool settings_value_parse(struct settings *settings, const struct settings_key *key,
                          struct bytes text, char error[300])
{
    void *out = field(settings, key);
    switch (key->type) {
    case SETTINGS_COUNT: return parse_count(key, text, out, error);
    case SETTINGS_SIZE: return parse_size(key, text, out, error);
    case SETTINGS_SWITCH: return parse_switch(text, out, error);
    case SETTINGS_CHOICE: return parse_choice(key, text, out, error);
    case SETTINGS_ADDRESS: return parse_address(key, text, out, error);
    case SETTINGS_PATHS: return parse_paths(settings, text, out, error);
    case SETTINGS_CPU_LIST: return parse_cpus(key, text, out, error);
    case SETTINGS_STRING: *(const char **)out = settings_keep(settings, text); return true;
    }
    ASSERT(false && "a type outside the enum");
    return false;
}
