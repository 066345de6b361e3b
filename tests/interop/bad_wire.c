/* A wire between two taps that it makes, with a delay and a rate, and that loses frames at random:
 * bad_wire NEAR FAR DELAY_US MBITS LOSS_PER_100000 SEED
 *
 * Lost is what goes from FAR to NEAR and is longer than an acknowledgement; what waits longer than
 * QUEUE_NS for the rate is dropped, too. Says "ready"; ends with its standard input, and then tells
 * how many frames it carried to NEAR and how many it lost.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/random.h"

enum {
    FRAMES = 4096, /* On the way in one direction. */
    FRAME_BYTES = 9216,
    LOSABLE_BYTES = 200,
    BURST = 64,
};

static const uint64_t queue_ns = 20000000;

struct frame {
    uint64_t at_ns;
    uint32_t len;
    uint8_t bytes[FRAME_BYTES];
};

struct way {
    int from, to;
    bool losable;
    uint64_t free_ns; /* When the wire has taken everything so far. */
    uint64_t carried, lost, full;
    uint32_t head, tail;
    struct frame *frames;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int tap_make(const char *name)
{
    struct ifreq ask = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    (void)snprintf(ask.ifr_name, sizeof(ask.ifr_name), "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ask) != 0) {
        perror(name);
        exit(1);
    }
    return fd;
}

struct options {
    uint64_t delay_ns;
    uint64_t mbits;
    uint64_t loss_per_100000;
};

static void take(struct way *way, const struct options *options, struct random *random)
{
    for (uint32_t i = 0; i < BURST; i++) {
        struct frame *frame = &way->frames[way->tail % FRAMES];
        const ssize_t got = read(way->from, frame->bytes, sizeof(frame->bytes));
        if (got <= 0) {
            return;
        }
        const uint64_t now = now_ns();
        const uint64_t wire_ns = ((uint64_t)got + 24) * 8000 / options->mbits;
        way->free_ns = max_u64(way->free_ns, now);
        if (way->losable && got > LOSABLE_BYTES &&
            random_below(random, 100000) < options->loss_per_100000) {
            way->lost++;
        } else if (way->tail - way->head == FRAMES || way->free_ns - now > queue_ns) {
            way->full++;
        } else {
            way->free_ns += wire_ns;
            frame->at_ns = way->free_ns + options->delay_ns;
            frame->len = (uint32_t)got;
            way->tail++;
        }
    }
}

/* Returns when the next one is due. */
static uint64_t give(struct way *way)
{
    while (way->head != way->tail) {
        struct frame *frame = &way->frames[way->head % FRAMES];
        if (frame->at_ns > now_ns()) {
            return frame->at_ns;
        }
        way->carried += write(way->to, frame->bytes, frame->len) > 0;
        way->head++;
    }
    return UINT64_MAX;
}

static void carry(struct way ways[2], const struct options *options, struct random *random)
{
    for (;;) {
        const uint64_t next_ns = min_u64(give(&ways[0]), give(&ways[1]));
        const uint64_t now = now_ns();
        const uint64_t wait_ns = next_ns <= now ? 0 : min_u64(next_ns - now, (uint64_t)1000000000);
        const struct timespec wait = {0, (long)min_u64(wait_ns, 999999999)};
        struct pollfd polls[3] = {{.fd = ways[0].from, .events = POLLIN},
                                  {.fd = ways[1].from, .events = POLLIN},
                                  {.fd = STDIN_FILENO, .events = POLLIN}};
        (void)ppoll(polls, 3, &wait, NULL);
        if (polls[2].revents != 0) {
            return;
        }
        take(&ways[0], options, random);
        take(&ways[1], options, random);
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: bad_wire NEAR FAR DELAY_US MBITS LOSS_PER_100000 SEED\n");
        return 2;
    }
    const struct options options = {.delay_ns = strtoull(argv[3], NULL, 10) * 1000,
                                    .mbits = strtoull(argv[4], NULL, 10),
                                    .loss_per_100000 = strtoull(argv[5], NULL, 10)};
    struct random random;
    random_init(&random, strtoull(argv[6], NULL, 10));
    const int near = tap_make(argv[1]);
    const int far = tap_make(argv[2]);
    struct way ways[2] = {{.from = far, .to = near, .losable = true}, {.from = near, .to = far}};
    for (uint32_t i = 0; i < 2; i++) {
        ways[i].frames = calloc(FRAMES, sizeof(struct frame));
        if (ways[i].frames == NULL || options.mbits == 0) {
            return 1;
        }
    }
    (void)prctl(PR_SET_TIMERSLACK, 1000);
    printf("ready\n");
    fflush(stdout);
    carry(ways, &options, &random);
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", ways[0].carried, ways[0].lost, ways[0].full);
    return 0;
}
