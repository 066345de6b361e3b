#include "dataplane/bypass.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "dataplane/nic/host_link.h"
#include "dataplane/sock/listen.h"

enum { ROUTES_BYTES = 16 * 1024 };

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

/* The interface that a device stands on: "net_af_packet0,iface=eth1" -> "eth1". */
static bool device_interface(const char *device, char *room, size_t size)
{
    const char *at = strstr(device, "iface=");
    if (at == NULL || strncmp(device, "net_tap", 7) == 0) { /* A tap is made, not taken. */
        return false;
    }
    at += strlen("iface=");
    const size_t len = strcspn(at, ",");
    (void)snprintf(room, size, "%.*s", (int)min_u64(len, size - 1), at);
    return true;
}

/* Whoever logs in over it would be cut off. */
static bool takes_default_route(const char *device, char *interface, size_t size)
{
    static uint8_t routes[ROUTES_BYTES];
    if (!device_interface(device, interface, size)) {
        return false;
    }
    const int fd = open("/proc/net/route", O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? 0 : read(fd, routes, sizeof(routes));
    if (fd >= 0) {
        (void)close(fd);
    }
    return got > 0 && host_link_is_default((struct bytes){routes, (uint32_t)got}, interface);
}

bool bypass_configure(const struct settings *settings, struct cores_bypass *bypass,
                      struct network_address *listen, char *reason, size_t reason_bytes)
{
    const char *wrong = NULL;
    char interface[64];
    uint32_t host_v4;
    *bypass = (struct cores_bypass){.used = true,
                                    .prefix_bits = (uint8_t)settings->network_prefix,
                                    .port = settings->network_listen.port};
    if (settings->network_device[0] == '\0') {
        wrong = "network.device must name the port when network.path is dpdk";
    } else if (!v4_read(settings->network_listen.host, &bypass->v4) || bypass->v4 == 0) {
        wrong = "network.listen must be an IPv4 address of its own when network.path is dpdk";
    } else if (!v4_read(settings->network_gateway, &bypass->gateway_v4)) {
        wrong = "network.gateway must be an IPv4 address";
    } else if (!v4_read(settings->network_host_address, &host_v4) || host_v4 == bypass->v4) {
        wrong = "network.host_address must be an IPv4 address, another than that of network.listen";
    } else if (takes_default_route(settings->network_device, interface, sizeof(interface))) {
        (void)snprintf(reason, reason_bytes,
                       "network.device would take %s, which carries the default route; give it an "
                       "interface of its own",
                       interface);
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
                                   .buffer_count = cores_port_buffers(options)};
}

static bool host_end_start(const struct settings *settings, const struct nic_dpdk_port *port,
                           char *reason, size_t reason_bytes)
{
    uint32_t v4;
    if (settings->network_host_address[0] == '\0') {
        return true;
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

bool bypass_start(const struct settings *settings, const struct cores_options *options,
                  struct nic_dpdk_port *port, char *reason, size_t reason_bytes)
{
    const struct nic_dpdk_setup setup = bypass_port_setup(settings, options);
    if (!nic_dpdk_start(&setup, port, reason, reason_bytes) ||
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
    return true;
}
