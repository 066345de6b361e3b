#include "dataplane/nic/host_link.h"

#include <arpa/inet.h>
#include <errno.h>
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

int host_link_up(const char *interface, uint32_t v4, uint8_t prefix_bits)
{
    const uint32_t mask = prefix_bits == 0 ? 0 : UINT32_MAX << (32 - min_u32(prefix_bits, 32));
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int error = address_set(fd, SIOCSIFADDR, interface, v4);
    error = error != 0 ? error : address_set(fd, SIOCSIFNETMASK, interface, mask);
    error = error != 0 ? error : take_up(fd, interface);
    (void)close(fd);
    return error;
}
