#include "dataplane/nic/host_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int address_set(int fd, unsigned long request, const char *interface, uint32_t v4)
{
    struct ifreq ask = {0};
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(v4)}};
    (void)snprintf(ask.ifr_name, sizeof(ask.ifr_name), "%s", interface);
    memcpy(&ask.ifr_addr, &address, sizeof(address));
    return ioctl(fd, request, &ask) == 0 ? 0 : -errno;
}

static int take_up(int fd, const char *interface)
{
    struct ifreq ask = {0};
    (void)snprintf(ask.ifr_name, sizeof(ask.ifr_name), "%s", interface);
    if (ioctl(fd, SIOCGIFFLAGS, &ask) != 0) {
        return -errno;
    }
    ask.ifr_flags = (short)(ask.ifr_flags | IFF_UP | IFF_RUNNING);
    return ioctl(fd, SIOCSIFFLAGS, &ask) == 0 ? 0 : -errno;
}

static int v4_set(int fd, const char *interface, uint32_t v4, uint8_t prefix_bits)
{
    const uint32_t mask = prefix_bits == 0 ? 0 : UINT32_MAX << (32 - min_u32(prefix_bits, 32));
    const int error = address_set(fd, SIOCSIFADDR, interface, v4);
    return error != 0 ? error : address_set(fd, SIOCSIFNETMASK, interface, mask);
}

/* Asks the kernel by its route socket, and reads its answer: a number, 0 or -errno. */
static int route_ask(const struct nlmsghdr *ask)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
    } answer = {.error = {.error = -EIO}};
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) {
        return -errno;
    }
    int error = send(fd, ask, ask->nlmsg_len, 0) < 0 ? -errno : 0;
    if (error == 0 && recv(fd, &answer, sizeof(answer), 0) < 0) {
        error = -errno;
    }
    (void)close(fd);
    return error != 0 ? error : answer.error.error;
}

/* No ioctl gives one without looking for others that have it, which takes a second or two. */
static int v6_add(const char *interface, const struct address *address, uint8_t prefix_bits)
{
    struct {
        struct nlmsghdr header;
        struct ifaddrmsg address;
        struct rtattr attribute;
        uint8_t bytes[16];
    } ask = {
        .header = {.nlmsg_len = sizeof(ask),
                   .nlmsg_type = RTM_NEWADDR,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE},
        .address = {.ifa_family = AF_INET6,
                    .ifa_prefixlen = prefix_bits,
                    .ifa_flags = IFA_F_NODAD,
                    .ifa_index = if_nametoindex(interface)},
        .attribute = {.rta_len = sizeof(ask.attribute) + sizeof(ask.bytes), .rta_type = IFA_LOCAL}};
    memcpy(ask.bytes, address->bytes, sizeof(ask.bytes));
    return ask.address.ifa_index == 0 ? -errno : route_ask(&ask.header);
}

int host_link_up(const char *interface, const struct address *address, uint8_t prefix_bits)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int error = address_is_v4(address) ? v4_set(fd, interface, address_v4(address), prefix_bits)
                                       : v6_add(interface, address, prefix_bits);
    error = error != 0 ? error : take_up(fd, interface);
    (void)close(fd);
    return error;
}
