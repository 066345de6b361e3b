#include "dataplane/slowpath/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct link_world {
    int unused; /* The kernel holds everything. */
};

struct link_world *link_world_real(void)
{
    static struct link_world real;
    return &real;
}

static int socket_address(const char *path, struct sockaddr_un *address)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    const size_t len = strlen(path);
    if (len >= sizeof(address->sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(address->sun_path, path, len + 1);
    return 0;
}

/* Paths longer than sun_path are reached through a descriptor of their directory. */
static int socket_at(const char *path, struct sockaddr_un *address, int *directory)
{
    *directory = -1;
    if (socket_address(path, address) == 0) {
        return 0;
    }
    const char *slash = strrchr(path, '/');
    char parent[4096];
    if (slash == NULL || (size_t)(slash - path) >= sizeof(parent)) {
        return -ENAMETOOLONG;
    }
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    *directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*directory < 0) {
        return -errno;
    }
    char through[128];
    const int len =
        snprintf(through, sizeof(through), "/proc/self/fd/%d/%.80s", *directory, slash + 1);
    return len < 0 ? -EINVAL : socket_address(through, address);
}

static void directory_close(int directory)
{
    if (directory >= 0) {
        (void)close(directory);
    }
}

static int seqpacket_make(void)
{
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

int link_listen(struct link_world *world, const char *path)
{
    (void)world;
    struct sockaddr_un address;
    int directory;
    int result = socket_at(path, &address, &directory);
    const int fd = result < 0 ? result : seqpacket_make();
    if (fd >= 0) {
        (void)unlink(path);
        /* The name gets the mode that the socket has when it is bound. */
        if (fchmod(fd, 0600) < 0 ||
            bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0) {
            result = -errno;
        }
        if (result < 0) {
            (void)close(fd);
        }
    }
    directory_close(directory);
    return fd < 0 ? fd : result < 0 ? result : fd;
}

int link_accept(struct link_world *world, int listener)
{
    (void)world;
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? (errno == EINTR ? -EAGAIN : -errno) : fd;
}

int link_connect(struct link_world *world, const char *path)
{
    (void)world;
    struct sockaddr_un address;
    int directory;
    const int result = socket_at(path, &address, &directory);
    int fd = result < 0 ? result : seqpacket_make();
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        const int reason = -errno;
        (void)close(fd);
        fd = reason;
    }
    directory_close(directory);
    return fd;
}

union control_space {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE(LINK_HANDLES_MAX * sizeof(int))];
};

int link_send(struct link_world *world, int link, const struct link_message *message)
{
    (void)world;
    ASSERT(message->len > 0 && message->len <= LINK_MESSAGE_BYTES_MAX);
    ASSERT(message->handle_count <= LINK_HANDLES_MAX);
    struct iovec part = {.iov_base = (void *)(uintptr_t)message->bytes, .iov_len = message->len};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    union control_space space;
    if (message->handle_count > 0) {
        const size_t len = message->handle_count * sizeof(int);
        memset(&space, 0, sizeof(space));
        header.msg_control = &space;
        header.msg_controllen = CMSG_SPACE(len);
        space.header.cmsg_level = SOL_SOCKET;
        space.header.cmsg_type = SCM_RIGHTS;
        space.header.cmsg_len = CMSG_LEN(len);
        memcpy(CMSG_DATA(&space.header), message->handles, len);
    }
    if (sendmsg(link, &header, MSG_NOSIGNAL) < 0) {
        return errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS ? -EAGAIN : -errno;
    }
    return 0;
}

/* Takes the descriptors out of a received message, whatever else is wrong with it. */
static void handles_take(struct msghdr *header, struct link_message *message)
{
    message->handle_count = 0;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(at) + i * sizeof(int), sizeof(fd));
            if (message->handle_count < LINK_HANDLES_MAX) {
                message->handles[message->handle_count++] = fd;
            } else {
                (void)close(fd);
            }
        }
    }
}

int link_receive(struct link_world *world, int link, struct link_message *message)
{
    struct iovec part = {.iov_base = message->bytes, .iov_len = sizeof(message->bytes)};
    union control_space space;
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof(space)};
    message->handle_count = 0;
    const ssize_t got = recvmsg(link, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0) {
        return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
    }
    handles_take(&header, message);
    message->len = (uint32_t)got;
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        for (uint32_t i = 0; i < message->handle_count; i++) {
            link_close(world, message->handles[i]);
        }
        message->handle_count = 0;
        return -EMSGSIZE;
    }
    return got == 0 ? 0 : 1;
}

void link_close(struct link_world *world, int handle)
{
    (void)world;
    (void)close(handle);
}

/* ---- Memory --------------------------------------------------------------------------------- */

int link_memory_make(struct link_world *world, const char *name, uint64_t size)
{
    (void)world;
    const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -errno;
    }
    if (ftruncate(fd, (off_t)size) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        const int reason = -errno;
        (void)close(fd);
        return reason;
    }
    return fd;
}

void *link_memory_map(struct link_world *world, int memory, uint64_t size, bool writable)
{
    (void)world;
    struct stat status;
    const int seals = fcntl(memory, F_GET_SEALS);
    if (size == 0 || seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(memory, &status) < 0 ||
        (uint64_t)status.st_size != size) {
        return NULL; /* What can shrink under a mapping kills the process with SIGBUS. */
    }
    const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *mapped = mmap(NULL, size, protection, MAP_SHARED, memory, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
}

void link_memory_unmap(struct link_world *world, void *mapped, uint64_t size)
{
    (void)world;
    (void)munmap(mapped, size);
}

int link_blob_make(struct link_world *world, const char *name, struct bytes content)
{
    (void)world;
    const int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    uint32_t done = 0;
    while (done < content.len) {
        const ssize_t put = pwrite(fd, content.ptr + done, content.len - done, (off_t)done);
        if (put <= 0 && errno != EINTR) {
            const int reason = put == 0 ? -ENOSPC : -errno;
            (void)close(fd);
            return reason;
        }
        done += put > 0 ? (uint32_t)put : 0;
    }
    return fd;
}

int link_blob_read(struct link_world *world, int blob, void *to, uint64_t size)
{
    (void)world;
    struct stat status;
    if (fstat(blob, &status) < 0 || !S_ISREG(status.st_mode)) {
        return -EBADF; /* A pipe or a socket could make the read wait. */
    }
    uint64_t done = 0;
    while (done < size) {
        const ssize_t got = pread(blob, (uint8_t *)to + done, size - done, (off_t)done);
        if (got == 0) {
            return -ENODATA;
        }
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        done += got > 0 ? (uint64_t)got : 0;
    }
    return 0;
}

/* ---- Bells ---------------------------------------------------------------------------------- */

int link_bell_make(struct link_world *world)
{
    (void)world;
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void link_bell_ring(struct link_world *world, int bell)
{
    (void)world;
    const uint64_t one = 1;
    /* A full counter is a rung bell; a bell that is none was the other side's lie. */
    if (write(bell, &one, sizeof(one)) < 0) {
        return;
    }
}

void link_bell_clear(struct link_world *world, int bell)
{
    (void)world;
    uint64_t count;
    if (read(bell, &count, sizeof(count)) < 0) {
        return;
    }
}
