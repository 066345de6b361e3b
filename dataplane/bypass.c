#include "dataplane/bypass.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "dataplane/nic/host_link.h"
#include "dataplane/sock/listen.h"

/* ---- What the settings say ---- */

static bool is_v4(const struct network_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->ip, mapped, sizeof(mapped)) == 0;
}

/* Host order; 0 for an empty text. False: it is no IPv4 address of a host. */
static bool v4_read(const char *text, uint32_t *v4)
{
    struct network_address address;
    *v4 = 0;
    if (text[0] == '\0') {
        return true;
    }
    if (!listen_resolve(text, 0, &address) || !is_v4(&address)) {
        return false;
    }
    *v4 = load_be32(address.ip + 12);
    return address_v4_is_host(*v4);
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
    const char *wrong = NULL;
    struct device device;
    *bypass = (struct cores_bypass){.used = true,
                                    .prefix_bits = (uint8_t)settings->network_prefix,
                                    .vlan = (uint16_t)settings->network_vlan,
                                    .congestion = congestion_find(settings->network_congestion),
                                    .port = settings->network_listen.port};
    if (settings->network_device[0] == '\0') {
        wrong = "network.device must name the port when network.path is dpdk";
    } else if (!v4_read(settings->network_listen.host, &bypass->v4) || bypass->v4 == 0) {
        wrong = "network.listen must be an IPv4 address of its own when network.path is dpdk";
    } else if (!v4_read(settings->network_gateway, &bypass->gateway_v4)) {
        wrong = "network.gateway must be an IPv4 address";
    } else if (bypass->congestion == NULL) {
        wrong = "network.congestion must be cubic, reno or dctcp when network.path is dpdk";
    } else if (!v4_read(settings->network_host_address, &bypass->host_v4) ||
               bypass->host_v4 == bypass->v4) {
        wrong = "network.host_address must be an IPv4 address, another than that of network.listen";
    } else if (!bypass_device(settings, &device, reason, reason_bytes) ||
               takes_what_is_needed(&device, reason, reason_bytes)) {
        return false;
    }
    if (wrong != NULL) {
        (void)snprintf(reason, reason_bytes, "%s", wrong);
        return false;
    }
    (void)getrandom(bypass->secret, sizeof(bypass->secret), 0);
    return listen_resolve(settings->network_listen.host, bypass->port, listen);
}

/* ---- The port ---- */

struct nic_dpdk_setup bypass_port_setup(const struct settings *settings,
                                        const struct cores_options *options)
{
    return (struct nic_dpdk_setup){.device = settings->network_device,
                                   .queue_count = options->core_count,
                                   .mtu = (uint16_t)settings->network_mtu,
                                   .buffer_count = cores_port_buffers(options)};
}

static bool host_end_start(const struct settings *settings, const struct nic_dpdk_port *port,
                           char *reason, size_t reason_bytes)
{
    uint32_t v4;
    if (settings->network_host_address[0] == '\0' || settings->network_share[0] != '\0') {
        return true; /* With network.share the tap made for that gets it. */
    }
    if (port->interface[0] == '\0') {
        (void)snprintf(reason, reason_bytes,
                       "network.host_address is set, but %s leaves the kernel no interface",
                       port->driver);
        return false;
    }
    const int error = v4_read(settings->network_host_address, &v4)
                          ? host_link_up(port->interface, v4, (uint8_t)settings->network_prefix)
                          : -1;
    if (error != 0) {
        (void)snprintf(reason, reason_bytes, "cannot give %s the address %s: %s", port->interface,
                       settings->network_host_address, strerror(-error));
    }
    return error == 0;
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
        !host_end_start(settings, port, reason, reason_bytes)) {
        return false;
    }
    const struct nic_capabilities *can = &port->queues[0]->capabilities;
    journal_say(options->journal, JOURNAL_INFO, "port",
                "driver=%s interface=%s mtu=%u queues=%u uncopied=%s wakes=%s "
                "mac=%02x:%02x:%02x:%02x:%02x:%02x",
                port->driver, port->interface[0] != '\0' ? port->interface : "none", can->mtu,
                port->port_queue_count, port->takes_parts ? "yes" : "no",
                port->wakes ? "yes" : "no", can->mac.bytes[0], can->mac.bytes[1], can->mac.bytes[2],
                can->mac.bytes[3], can->mac.bytes[4], can->mac.bytes[5]);
    if (strcmp(port->driver, "net_af_packet") == 0) {
        journal_say(
            options->journal, JOURNAL_WARNING, "port_may_block",
            "driver=%s remedy=\"for labs only: a core waits in the kernel when the device is "
            "full; af-xdp does not\"",
            port->driver);
    }
    return true;
}
