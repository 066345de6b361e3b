#include "dataplane/watch/share.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/nic/host_link.h"

enum { BURST = 32 }; /* From one before the others have their turn. */

struct share {
    struct share_setup setup;
    pthread_t thread;
    int tap;
    int bell;
    _Atomic bool ending;
    struct exception *exceptions[SHARE_CORES_MAX];
};

/* ---- The thread ----------------------------------------------------------------------------- */

/* The first core sends what the kernel says: it is the one that hears the port everywhere. */
static uint32_t from_kernel(struct share *share)
{
    struct ring *ring = &share->exceptions[0]->from_kernel;
    uint32_t count = 0;
    while (count < BURST) {
        struct exception_frame *frame = ring_claim(ring);
        if (frame == NULL) {
            break; /* The tap keeps the rest, and drops what is too much. */
        }
        const ssize_t got = read(share->tap, frame->bytes, sizeof(frame->bytes));
        if (got <= 0) {
            break;
        }
        frame->len = (uint32_t)got;
        ring_publish(ring);
        count++;
    }
    if (count > 0) {
        core_poke(share->setup.cores[0]);
    }
    return count;
}

static uint32_t to_kernel(struct share *share)
{
    uint32_t count = 0;
    for (uint32_t core = 0; core < share->setup.core_count; core++) {
        struct ring *ring = &share->exceptions[core]->to_kernel;
        const struct exception_frame *frame;
        for (uint32_t i = 0; i < BURST && (frame = ring_peek(ring)) != NULL; i++) {
            /* A kernel that takes none loses it, as any network would. */
            (void)!write(share->tap, frame->bytes, frame->len);
            ring_consume(ring);
            count++;
        }
    }
    return count;
}

static void sleep_armed(struct share *share, bool armed)
{
    for (uint32_t core = 0; core < share->setup.core_count; core++) {
        if (armed) {
            ring_wake_arm(&share->exceptions[core]->asleep);
        } else {
            ring_wake_disarm(&share->exceptions[core]->asleep);
        }
    }
}

static void *share_thread(void *argument)
{
    struct share *share = argument;
    (void)pthread_setname_np(pthread_self(), "millrace-share");
    while (!atomic_load_explicit(&share->ending, memory_order_acquire)) {
        struct pollfd polls[2] = {{.fd = share->bell, .events = POLLIN},
                                  {.fd = share->tap, .events = POLLIN}};
        if (from_kernel(share) + to_kernel(share) > 0) {
            continue;
        }
        sleep_armed(share, true);
        if (to_kernel(share) == 0) {
            (void)poll(polls, 2, 1000);
        }
        sleep_armed(share, false);
        link_bell_clear(share->setup.world, share->bell);
    }
    return NULL;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static void wake(void *context)
{
    const struct share *share = context;
    link_bell_ring(share->setup.world, share->bell);
}

/* The tap, with the port's hardware address: neighbours must find both at the same one. */
static int tap_open(const struct share_setup *setup, const struct mac *mac)
{
    struct ifreq ask = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    (void)snprintf(ask.ifr_name, sizeof(ask.ifr_name), "%s", setup->name);
    int error = fd < 0 || ioctl(fd, TUNSETIFF, &ask) != 0 ? errno : 0;
    if (error == 0) {
        ask.ifr_hwaddr.sa_family = ARPHRD_ETHER;
        memcpy(ask.ifr_hwaddr.sa_data, mac->bytes, sizeof(mac->bytes));
        error = ioctl(fd, SIOCSIFHWADDR, &ask) != 0 ? errno : 0;
    }
    if (error == 0 && setup->v4 != 0) {
        const struct address v4 = address_of_v4(setup->v4);
        error = -host_link_up(setup->name, &v4, setup->prefix_bits);
    }
    if (error == 0 && !address_is_zero(&setup->v6)) {
        error = -host_link_up(setup->name, &setup->v6, setup->prefix_bits_v6);
    }
    if (error != 0 && fd >= 0) {
        (void)close(fd);
    }
    return error != 0 ? -error : fd;
}

struct share *share_start(const struct share_setup *setup, char *reason, size_t reason_bytes)
{
    ASSERT(setup->core_count > 0 && setup->core_count <= SHARE_CORES_MAX);
    struct share *share = calloc(1, sizeof(*share));
    ASSERT(share != NULL);
    share->setup = *setup;
    share->bell = link_bell_make(setup->world);
    share->tap = tap_open(setup, &setup->cores[0]->nic->capabilities.mac);
    bool good = share->bell >= 0 && share->tap >= 0;
    for (uint32_t core = 0; good && core < setup->core_count; core++) {
        void *memory = aligned_alloc(64, round_up(exception_memory_bytes(), 64));
        good = memory != NULL;
        if (good) {
            memset(memory, 0, exception_memory_bytes());
            share->exceptions[core] = exception_create(memory, wake, share);
            stack_share(setup->cores[core]->stack, share->exceptions[core]);
        }
    }
    if (!good || pthread_create(&share->thread, NULL, share_thread, share) != 0) {
        (void)snprintf(reason, reason_bytes,
                       "network.share: cannot make the tap %s for the kernel: %s", setup->name,
                       strerror(share->tap < 0 ? -share->tap : ENOMEM));
        return NULL; /* The start fails. */
    }
    return share;
}

void share_stop(struct share *share)
{
    atomic_store_explicit(&share->ending, true, memory_order_release);
    link_bell_ring(share->setup.world, share->bell);
    (void)pthread_join(share->thread, NULL);
    (void)close(share->tap); /* It goes with that. */
}
