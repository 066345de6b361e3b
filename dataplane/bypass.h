/* Puts the bypass path together: what the settings say of it, the port, and the kernel's end of it.
 *
 * Threads: the service thread, at start and end.
 */
#ifndef DATAPLANE_BYPASS_H
#define DATAPLANE_BYPASS_H

#include "dataplane/core_setup.h"
#include "dataplane/nic/device.h"
#include "dataplane/nic/nic_dpdk.h"
#include "dataplane/profile/settings.h"

/* Reads the addresses, and fills listen with the one where clients connect. False: the settings are
 * refused, reason holds a sentence. */
MUST_USE bool bypass_configure(const struct settings *settings, struct cores_bypass *bypass,
                               struct network_address *listen, char *reason, size_t reason_bytes);

/* What network.device names on this host. */
MUST_USE bool bypass_device(const struct settings *settings, struct device *device, char *reason,
                            size_t reason_bytes);

/* The port's queues, and DPDK's memory for them, of these cores. */
struct nic_dpdk_setup bypass_port_setup(const struct settings *settings,
                                        const struct cores_options *options);

/* Starts the port and the kernel's end of it, if it is to have one. */
MUST_USE bool bypass_start(const struct settings *settings, const struct cores *cores,
                           struct nic_dpdk_port *port, char *reason, size_t reason_bytes);

#endif
