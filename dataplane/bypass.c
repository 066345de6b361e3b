#include "dataplane/bypass.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "dataplane/net/ipv6.h"
#include "dataplane/nic/host_link.h"
#include "dataplane/sock/listen.h"

/* ---- What the settings say ---- */

/* Zero for an empty text. False: it is no address of a host. */
static bool address_read(const char *text, struct address *address)
{
    struct network_address found;
    *address = (struct address){{0}};
    if (text[0] == '\0') {
        return true;
    }
    if (!listen_resolve(text, 0, &found)) {
        return false;
    }
    memcpy(address->bytes, found.ip, sizeof(address->bytes));
    return address_is_host(address);
}

/* Host order; 0 for an empty text. False: it is no IPv4 address of a host. */
static bool v4_read(const char *text, uint32_t *v4)
{
    struct address address;
    const bool good = address_read(text, &address);
    *v4 = good && address_is_v4(&address) ? address_v4(&address) : 0;
    return *v4 != 0 || text[0] == '\0';
}

/* The same of IPv6. */
static bool v6_read(const char *text, struct address *v6)
{
    return address_read(text, v6) && !address_is_v4(v6);
}

/* What clients connect to: of either family, and of IPv6 beside IPv4. */
static const char *own_read(const struct settings *settings, struct cores_bypass *bypass)
{
    struct address listen;
    const char *host = settings->network_listen.host;
    if (!address_read(host, &listen) || address_is_zero(&listen)) {
        return "network.listen must be an address of its own when network.path is dpdk";
    }
    if (address_is_v4(&listen)) {
        bypass->v4 = address_v4(&listen);
        if (!v6_read(settings->network_address6, &bypass->v6)) {
            return "network.address6 must be an IPv6 address of its own";
        }
    } else {
        bypass->v6 = listen;
    }
    if (address_v6_is_link_local(&bypass->v6)) {
        return "network.listen and network.address6 cannot be link-local: clients are told of "
               "them, "
               "and do not know on which link";
    }
    if (!address_is_zero(&bypass->v6) && settings->network_mtu < IPV6_MTU_MIN) {
        return "network.mtu must be at least 1280 with an IPv6 address";
    }
    return NULL;
}

static const char *gateways_read(const struct settings *settings, struct cores_bypass *bypass)
{
    if (!v4_read(settings->network_gateway, &bypass->gateway_v4) ||
        (bypass->gateway_v4 != 0 && bypass->v4 == 0)) {
        return "network.gateway must be an IPv4 address, as that of network.listen";
    }
    if (!v6_read(settings->network_gateway6, &bypass->gateway_v6) ||
        (!address_is_zero(&bypass->gateway_v6) && address_is_zero(&bypass->v6))) {
        return "network.gateway6 must be an IPv6 address, as that of network.address6";
    }
    return NULL;
}

static const char *host_addresses_read(const struct settings *settings, struct cores_bypass *bypass)
{
    if (!v4_read(settings->network_host_address, &bypass->host_v4) ||
        (bypass->host_v4 != 0 && bypass->host_v4 == bypass->v4)) {
        return "network.host_address must be an IPv4 address, another than that of network.listen";
    }
    if (!v6_read(settings->network_host_address6, &bypass->host_v6) ||
        (!address_is_zero(&bypass->host_v6) && address_equal(&bypass->host_v6, &bypass->v6))) {
        return "network.host_address6 must be an IPv6 address, another than that of "
               "network.address6";
    }
    return NULL;
}

static const char *addresses_read(const struct settings *settings, struct cores_bypass *bypass)
{
    const char *wrong = own_read(settings, bypass);
    wrong = wrong != NULL ? wrong : gateways_read(settings, bypass);
    return wrong != NULL ? wrong : host_addresses_read(settings, bypass);
}

/* Whoever works on this host over it would be cut off. */
static bool takes_what_is_needed(const struct device *device, char *reason, size_t reason_bytes)
{
    char why[64];
    for (uint32_t i = 0; i < device->interface_count; i++) {
        if (device_interface_is_needed(device->interfaces[i], "", why, sizeof(why))) {
            (void)snprintf(reason, reason_bytes,
                           "network.device would take %s, which %s; give it an interface of its "
                           "own",
                           device->interfaces[i], why);
            return true;
        }
    }
    return false;
}

bool bypass_device(const struct settings *settings, struct device *device, char *reason,
                   size_t reason_bytes)
{
    return device_find(settings->network_device, "", device, reason, reason_bytes);
}

bool bypass_configure(const struct settings *settings, struct cores_bypass *bypass,
                      struct network_address *listen, char *reason, size_t reason_bytes)
{
    struct device device;
    *bypass = (struct cores_bypass){.used = true,
                                    .prefix_bits = (uint8_t)settings->network_prefix,
                                    .prefix_bits_v6 = (uint8_t)settings->network_prefix6,
                                    .vlan = (uint16_t)settings->network_vlan,
                                    .congestion = congestion_find(settings->network_congestion),
                                    .port = settings->network_listen.port};
    const char *wrong = addresses_read(settings, bypass);
    if (settings->network_device[0] == '\0') {
        wrong = "network.device must name the port when network.path is dpdk";
    } else if (wrong == NULL && bypass->congestion == NULL) {
        wrong = "network.congestion must be cubic, reno or dctcp when network.path is dpdk";
    } else if (wrong == NULL && (!bypass_device(settings, &device, reason, reason_bytes) ||
                                 takes_what_is_needed(&device, reason, reason_bytes))) {
        return false;
    }
    if (wrong != NULL) {
        (void)snprintf(reason, reason_bytes, "%s", wrong);
        return false;
    }
    (void)getrandom(bypass->secret, sizeof(bypass->secret), 0);
    (void)getrandom(bypass->hash_key, sizeof(bypass->hash_key), 0);
    return listen_resolve(settings->network_listen.host, bypass->port, listen);
}

/* ---- The port ---- */

struct nic_dpdk_setup bypass_port_setup(const struct settings *settings,
                                        const struct cores_options *options)
{
    struct nic_dpdk_setup setup = {.device = settings->network_device,
                                   .hash_key = options->bypass.hash_key,
                                   .vlan = (uint16_t)settings->network_vlan,
                                   .all_groups = settings->network_share[0] != '\0',
                                   .polled = options->idle == CORE_IDLE_LATENCY,
                                   .queue_count = options->core_count,
                                   .mtu = (uint16_t)settings->network_mtu,
                                   .buffer_count = cores_port_buffers(options)};
    const struct address *v6 = &options->bypass.v6;
    if (!address_is_zero(v6)) {
        setup.group_count = ipv6_groups(v6, setup.groups);
    }
    return setup;
}

static bool host_address_give(const struct nic_dpdk_port *port, const char *text,
                              const struct address *address, uint8_t bits, char *reason,
                              size_t reason_bytes)
{
    const int error = host_link_up(port->interface, address, bits);
    if (error != 0) {
        (void)snprintf(reason, reason_bytes, "cannot give %s the address %s: %s", port->interface,
                       text, strerror(-error));
    }
    return error == 0;
}

/* A kernel may have no IPv6: that is no reason to be without IPv4. */
static bool host_end_start(const struct settings *settings, const struct cores_options *options,
                           const struct nic_dpdk_port *port, char *reason, size_t reason_bytes)
{
    const struct cores_bypass *bypass = &options->bypass;
    const bool v4 = bypass->host_v4 != 0;
    const bool v6 = !address_is_zero(&bypass->host_v6);
    if ((!v4 && !v6) || settings->network_share[0] != '\0') {
        return true; /* With network.share the tap made for that gets it. */
    }
    if (port->interface[0] == '\0') {
        (void)snprintf(reason, reason_bytes,
                       "network.host_address is set, but %s leaves the kernel no interface",
                       port->driver);
        return false;
    }
    const struct address four = address_of_v4(bypass->host_v4);
    if (v4 && !host_address_give(port, settings->network_host_address, &four, bypass->prefix_bits,
                                 reason, reason_bytes)) {
        return false;
    }
    if (v6 && !host_address_give(port, settings->network_host_address6, &bypass->host_v6,
                                 bypass->prefix_bits_v6, reason, reason_bytes)) {
        if (bypass->v4 == 0) {
            return false;
        }
        journal_say(options->journal, JOURNAL_WARNING, "host_without_ipv6", "reason=\"%s\"",
                    reason);
    }
    return true;
}

/* A device reads memory by itself: only what lies in hugepages has been made known to it. */
static bool arenas_lend(const struct cores *cores, const struct device *device, char *reason,
                        size_t reason_bytes)
{
    for (uint32_t i = 0; i < cores->options.core_count; i++) {
        const struct memory_area *arena = &cores->arenas[i];
        if (device->pci && arena->page_bytes == MEMORY_PAGE_BYTES) {
            (void)snprintf(reason, reason_bytes,
                           "%s reads the log from hugepages only, and there are too few of them; "
                           "`millrace doctor` says how many are needed",
                           device->address);
            return false;
        }
        if (!nic_dpdk_lend(arena->base, arena->size, reason, reason_bytes)) {
            return false;
        }
    }
    return true;
}

bool bypass_start(const struct settings *settings, const struct cores *cores,
                  struct nic_dpdk_port *port, char *reason, size_t reason_bytes)
{
    const struct cores_options *options = &cores->options;
    const struct nic_dpdk_setup setup = bypass_port_setup(settings, options);
    struct device device;
    if (!bypass_device(settings, &device, reason, reason_bytes) ||
        !nic_dpdk_start(&setup, port, reason, reason_bytes) ||
        !arenas_lend(cores, &device, reason, reason_bytes) ||
        !host_end_start(settings, options, port, reason, reason_bytes)) {
        return false;
    }
    const struct nic_capabilities *can = &port->queues[0]->capabilities;
    journal_say(options->journal, JOURNAL_INFO, "port",
                "driver=%s interface=%s mtu=%u queues=%u uncopied=%s wakes=%s "
                "mac=%02x:%02x:%02x:%02x:%02x:%02x",
                port->driver, port->interface[0] != '\0' ? port->interface : "none", can->mtu,
                port->port_queue_count, port->lends ? "yes" : "no", port->wakes ? "yes" : "no",
                can->mac.bytes[0], can->mac.bytes[1], can->mac.bytes[2], can->mac.bytes[3],
                can->mac.bytes[4], can->mac.bytes[5]);
    if (strcmp(port->driver, "net_af_packet") == 0) {
        journal_say(
            options->journal, JOURNAL_WARNING, "port_may_block",
            "driver=%s remedy=\"for labs only: a core waits in the kernel when the device is "
            "full; af-xdp does not\"",
            port->driver);
    }
    return true;
}
