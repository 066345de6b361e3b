#include "dataplane/nic/device.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PATH_BYTES = 512,
    FILE_BYTES = 256 * 1024, /* Of connections and routes, what is looked at. */
    SSH_PORT = 22,
    ESTABLISHED = 1,
    LINE_BYTES = 256,
    ROUTE_REFUSES = 0x200, /* Leads nowhere, as the last one of lo. */
};

/* ---- Files ---- */

static struct bytes file_read(const char *root, const char *path, uint8_t *room, uint32_t size)
{
    char full[PATH_BYTES];
    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    const int fd = open(full, O_RDONLY | O_CLOEXEC);
    uint32_t len = 0;
    for (ssize_t got = 1; fd >= 0 && got > 0 && len < size;) { /* /proc gives it in parts. */
        got = read(fd, room + len, size - len);
        len += got > 0 ? (uint32_t)got : 0;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return (struct bytes){room, len};
}

/* The last part of where a link leads; "" when it is none. */
static void link_name(const char *root, const char *path, char room[DEVICE_NAME_BYTES])
{
    char full[PATH_BYTES];
    char target[PATH_BYTES];
    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    const ssize_t len = readlink(full, target, sizeof(target) - 1);
    room[0] = '\0';
    if (len > 0) {
        target[len] = '\0';
        const char *slash = strrchr(target, '/');
        (void)snprintf(room, DEVICE_NAME_BYTES, "%.31s", slash != NULL ? slash + 1 : target);
    }
}

/* ---- Names ---- */

/* Length of a PCI address at the start of the text, 0 when there is none. */
static size_t pci_address_len(const char *text)
{
    static const char pattern[] = "xxxx:xx:xx.x";
    static const char hex[] = "0123456789abcdefABCDEF";
    size_t i = 0;
    for (; pattern[i] != '\0'; i++) {
        const bool good = pattern[i] == 'x' ? text[i] != '\0' && strchr(hex, text[i]) != NULL
                                            : text[i] == pattern[i];
        if (!good) {
            return 0;
        }
    }
    return text[i] == '\0' || text[i] == ',' ? i : 0;
}

static void interface_add(struct device *device, const char *name, size_t len)
{
    if (device->interface_count < DEVICE_INTERFACES_MAX && len > 0) {
        (void)snprintf(device->interfaces[device->interface_count++], DEVICE_NAME_BYTES, "%.*s",
                       (int)min_u64(len, DEVICE_NAME_BYTES - 1), name);
    }
}

/* What comes behind "iface=" or "remote=" of a virtual device's arguments. */
static void interface_of_argument(struct device *device, const char *name)
{
    const char *at = strstr(device->text, name);
    if (at != NULL) {
        at += strlen(name);
        interface_add(device, at, strcspn(at, ","));
    }
}

static void pci_look(struct device *device, const char *root)
{
    char path[PATH_BYTES];
    uint8_t text[16];
    (void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", device->address);
    link_name(root, path, device->driver);
    (void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/numa_node", device->address);
    const struct bytes node = file_read(root, path, text, sizeof(text) - 1);
    text[node.len] = '\0';
    device->numa_node = node.len == 0 ? -1 : (int)strtol((const char *)text, NULL, 10);
    (void)snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/net", root, device->address);
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            interface_add(device, entry->d_name, strlen(entry->d_name));
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
}

bool device_find(const char *name, const char *root, struct device *device, char *reason,
                 size_t reason_bytes)
{
    char path[PATH_BYTES];
    *device = (struct device){.numa_node = -1};
    const size_t address_len = pci_address_len(name);
    const bool virtual = strncmp(name, "net_", 4) == 0 || strncmp(name, "virtio_user", 11) == 0;
    if (strlen(name) >= sizeof(device->text)) {
        (void)snprintf(reason, reason_bytes, "network.device is too long");
        return false;
    }
    (void)snprintf(device->text, sizeof(device->text), "%s", name);
    if (virtual) {
        if (strncmp(name, "net_tap", 7) != 0 && strncmp(name, "virtio_user", 11) != 0) {
            interface_of_argument(device, "iface="); /* Those make theirs, the others take it. */
        }
        interface_of_argument(device, "remote=");
        return true;
    }
    device->pci = true;
    if (address_len > 0) {
        (void)snprintf(device->address, sizeof(device->address), "%.*s", (int)address_len, name);
        (void)snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s", root, device->address);
        if (access(path, F_OK) != 0) {
            (void)snprintf(reason, reason_bytes,
                           "network.device names the PCI device %s, which is not there; `lspci -D` "
                           "shows those that are",
                           device->address);
            return false;
        }
    } else {
        (void)snprintf(path, sizeof(path), "/sys/class/net/%.*s/device",
                       (int)strcspn(device->text, ",/"), device->text);
        link_name(root, path, device->address);
        if (pci_address_len(device->address) == 0) {
            (void)snprintf(
                reason, reason_bytes,
                "network.device %.64s is neither a virtual device (net_...), a PCI "
                "address, nor an interface of a PCI device; a driver like vfio-pci takes "
                "the interface away: then give the address",
                name);
            return false;
        }
        (void)snprintf(device->text, sizeof(device->text), "%s%.200s", device->address,
                       name + strcspn(name, ","));
    }
    pci_look(device, root);
    return true;
}

bool device_is_shared(const struct device *device)
{
    return strcmp(device->driver, "mlx5_core") == 0 || strcmp(device->driver, "mlx4_core") == 0;
}

/* ---- What hangs on an interface ---- */

/* The next line, without its end. False: there is none. */
static bool line_next(struct bytes *text, char line[LINE_BYTES])
{
    if (text->len == 0) {
        return false;
    }
    const uint8_t *end = memchr(text->ptr, '\n', text->len);
    const uint32_t len = end == NULL ? text->len : (uint32_t)(end - text->ptr);
    (void)snprintf(line, LINE_BYTES, "%.*s", (int)min_u32(len, LINE_BYTES - 1),
                   (const char *)text->ptr);
    const uint32_t used = min_u32(len + 1, text->len);
    text->ptr += used;
    text->len -= used;
    return true;
}

/* A line is "eth0\t00000000\tgateway\tflags\t..."; the destination stands in hexadecimal. */
bool device_route_is_default(struct bytes routes, const char *interface)
{
    char line[LINE_BYTES];
    while (line_next(&routes, line)) {
        char name[DEVICE_NAME_BYTES];
        char target[16];
        if (sscanf(line, "%31s %15s", name, target) == 2 && strcmp(name, interface) == 0 &&
            strcmp(target, "00000000") == 0) {
            return true;
        }
    }
    return false;
}

/* A line is "target bits source bits gateway metric ... interface". */
bool device_route6_is_default(struct bytes routes, const char *interface)
{
    char line[LINE_BYTES];
    while (line_next(&routes, line)) {
        char target[40];
        char bits[8];
        char name[DEVICE_NAME_BYTES];
        unsigned flags;
        if (sscanf(line, "%39s %7s %*s %*s %*s %*s %*s %*s %x %31s", target, bits, &flags, name) ==
                4 &&
            (flags & ROUTE_REFUSES) == 0 && strspn(target, "0") == 32 && strcmp(bits, "00") == 0 &&
            strcmp(name, interface) == 0) {
            return true;
        }
    }
    return false;
}

enum { ADDRESS_BYTES = 16 };

static void map_v4(const void *four, uint8_t address[ADDRESS_BYTES])
{
    static const uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memcpy(address, mapped, sizeof(mapped));
    memcpy(address + sizeof(mapped), four, 4);
}

/* Words of eight digits, each as the machine has it in memory: one of IPv4, four of IPv6. */
static bool address_read(const char *text, uint8_t address[ADDRESS_BYTES])
{
    uint8_t bytes[ADDRESS_BYTES];
    const size_t len = strlen(text);
    for (size_t at = 0; at + 8 <= len && at < 32; at += 8) {
        char digits[9] = "";
        memcpy(digits, text + at, 8);
        const uint32_t word = (uint32_t)strtoul(digits, NULL, 16);
        memcpy(bytes + at / 2, &word, sizeof(word));
    }
    if (len == 8) {
        map_v4(bytes, address);
    } else if (len == 32) {
        memcpy(address, bytes, sizeof(bytes));
    }
    return len == 8 || len == 32;
}

/* A line is "0: 0100007F:0016 0200007F:D431 01 ...". */
bool device_has_login(struct bytes connections, const uint8_t address[16])
{
    char line[LINE_BYTES];
    while (line_next(&connections, line)) {
        char text[40];
        uint8_t local[ADDRESS_BYTES];
        unsigned port;
        unsigned state;
        if (sscanf(line, " %*[0-9]: %39[0-9A-F]:%x %*s %x", text, &port, &state) == 3 &&
            port == SSH_PORT && state == ESTABLISHED && address_read(text, local) &&
            memcmp(local, address, sizeof(local)) == 0) {
            return true;
        }
    }
    return false;
}

static bool address_of(const struct sockaddr *from, uint8_t address[ADDRESS_BYTES])
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (from != NULL && from->sa_family == AF_INET) {
        memcpy(&four, from, sizeof(four));
        map_v4(&four.sin_addr, address);
        return true;
    }
    if (from != NULL && from->sa_family == AF_INET6) {
        memcpy(&six, from, sizeof(six));
        memcpy(address, &six.sin6_addr, ADDRESS_BYTES);
        return true;
    }
    return false;
}

/* Addresses of an interface are asked of the kernel: no file has them. */
static bool interface_has_login(const char *interface, const char *root, uint8_t *room)
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) != 0) {
        return false;
    }
    for (const struct ifaddrs *at = all; at != NULL && !found; at = at->ifa_next) {
        uint8_t address[ADDRESS_BYTES];
        if (strcmp(at->ifa_name, interface) == 0 && address_of(at->ifa_addr, address)) {
            found = device_has_login(file_read(root, "/proc/net/tcp", room, FILE_BYTES), address) ||
                    device_has_login(file_read(root, "/proc/net/tcp6", room, FILE_BYTES), address);
        }
    }
    freeifaddrs(all);
    return found;
}

bool device_interface_is_needed(const char *interface, const char *root, char *why,
                                size_t why_bytes)
{
    uint8_t *room = malloc(FILE_BYTES);
    const char *found = NULL;
    if (room == NULL) {
        return false;
    }
    if (device_route_is_default(file_read(root, "/proc/net/route", room, FILE_BYTES), interface) ||
        device_route6_is_default(file_read(root, "/proc/net/ipv6_route", room, FILE_BYTES),
                                 interface)) {
        found = "carries the default route";
    } else if (interface_has_login(interface, root, room)) {
        found = "carries an SSH session";
    }
    free(room);
    (void)snprintf(why, why_bytes, "%s", found != NULL ? found : "");
    return found != NULL;
}
