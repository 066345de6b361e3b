/* A port and a device's offloads for tests of what is told about them. */
#ifndef TESTS_DATAPLANE_WATCH_WATCH_FAKES_H
#define TESTS_DATAPLANE_WATCH_WATCH_FAKES_H

#include "dataplane/nic/nic_dpdk.h"

static const struct nic_dpdk_report fake_report = {.device = "net_fake0",
                                                   .driver = "net_fake",
                                                   .interface = "fake\"0",
                                                   .link_up = true,
                                                   .link_mbps = 25000,
                                                   .mtu = 1500,
                                                   .queues = 1,
                                                   .queues_max = 16,
                                                   .numa_node = -1,
                                                   .in_offered = 6,
                                                   .out_used = 1,
                                                   .missed = 12,
                                                   .buffers = 512};

static bool fake_port = true;

bool nic_dpdk_report(struct nic_dpdk_report *report)
{
    *report = fake_report;
    return fake_port;
}

const char *nic_dpdk_offload(bool in, uint64_t bit)
{
    return in ? bit == 2 ? "IN_2" : "IN_4" : "OUT_1";
}

#endif
