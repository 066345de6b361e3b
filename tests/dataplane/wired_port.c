#include "tests/dataplane/wired_port.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct wired_port wired_port;

static uint32_t port_receive(struct nic *nic, struct packet_in *packets, uint32_t count)
{
    uint32_t done = 0;
    (void)nic;
    while (done < count && wired_port.waiting > 0) {
        packets[done++] = (struct packet_in){
            .first = {{wired_port.frame, sizeof(wired_port.frame)}, NULL}, .segments = 1};
        wired_port.waiting--;
        wired_port.received++;
    }
    return done;
}

static void port_release(struct nic *nic, void *buffer)
{
    (void)nic;
    (void)buffer;
}

static uint32_t port_prepare(struct nic *nic, struct packet_out *packets, uint32_t count)
{
    (void)nic;
    for (uint32_t i = 0; i < count; i++) {
        packets[i].header = wired_port.headers[i];
    }
    return count;
}

static void port_send(struct nic *nic, const struct packet_out *packets, uint32_t count,
                      uint32_t prepared)
{
    (void)nic;
    (void)packets;
    (void)count;
    (void)prepared;
}

static void port_reclaim(struct nic *nic)
{
    (void)nic;
}

static bool port_arm(struct nic *nic)
{
    (void)nic;
    if (wired_port.at_arming > 0) {
        wired_port.at_arming--;
        wired_port.waiting++;
        wired_port.sleeps_meanwhile = statistic_get(wired_port.statistics, STATISTIC_sleeps);
    }
    wired_port.armed = !wired_port.broken;
    return !wired_port.broken;
}

static void port_disarm(struct nic *nic)
{
    uint64_t count;
    wired_port.armed = false;
    (void)!read(nic->capabilities.wake_fd, &count, sizeof(count));
}

void wired_port_frame(void)
{
    static const uint64_t one = 1;
    wired_port.waiting++;
    if (atomic_exchange(&wired_port.armed, false)) {
        wired_port.raised++;
        const ssize_t written = write(wired_port.nic.capabilities.wake_fd, &one, sizeof(one));
        ASSERT(written == sizeof(one));
    }
}

struct nic *wired_port_start(const struct core_statistics *statistics)
{
    static const struct nic_ops ops = {.receive = port_receive,
                                       .release = port_release,
                                       .prepare = port_prepare,
                                       .send = port_send,
                                       .reclaim = port_reclaim,
                                       .arm = port_arm,
                                       .disarm = port_disarm};
    memset(&wired_port, 0, sizeof(wired_port));
    wired_port.statistics = statistics;
    wired_port.nic.ops = &ops;
    wired_port.nic.capabilities =
        (struct nic_capabilities){.mtu = 1500,
                                  .parts_max = PACKET_PARTS_MAX,
                                  .wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    return &wired_port.nic;
}
