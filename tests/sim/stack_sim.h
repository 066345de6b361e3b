/* The world of stack_sim: two hosts, the link between them, what their users do. */
#ifndef TESTS_SIM_STACK_SIM_H
#define TESTS_SIM_STACK_SIM_H

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ipv6.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/tcp.h"
#include "storage/base/random.h"

enum {
    STREAMS_MAX = 6,
    FRAMES_MAX = 4096,
    FRAME_BYTES = 2048,
    BUFFERS = 4096,
    PATTERN_BYTES = 1 << 16,
    HELD_MAX = 4096,
    PINS_MAX = 4096,
    PORT = 9092,
};

enum target { /* What the link loses most of. */
              TARGET_NONE,
              TARGET_SYN,
              TARGET_FIN,
              TARGET_PURE_ACK,
              TARGET_TAIL,
              TARGET_SACK,
              TARGETS,
};

struct frame {
    uint64_t at_ns;
    uint64_t order;
    uint32_t to;
    uint32_t len;
    uint8_t bytes[FRAME_BYTES];
};

struct pin {
    struct packet_pin pin;
    uint64_t at_ns;
};

struct held {
    void *buffer;
    uint64_t at_ns;
};

struct host;

struct stream {
    struct host *host;
    struct tcp_connection *connection;
    uint16_t port; /* The client's. */
    uint32_t salt;
    uint64_t to_send;
    uint64_t given;
    uint64_t received;
    uint64_t expected;
    uint64_t token_given;
    uint64_t token_back;
    bool room;
    bool shut;
    bool ended;
    bool closed;
    bool used;
    enum transport_close_reason reason;
    uint64_t resume_ns; /* Paused until then. */
};

struct edge { /* What one side of a connection has promised and said. */
    bool known;
    bool ended;       /* It sent its FIN: */
    uint32_t end;     /* which is before this. */
    uint32_t initial; /* Of its SYN. */
    uint8_t scale;
    bool scaled;
    uint32_t right;
    uint32_t ack;
    uint32_t sent; /* The end of what it has sent. */
    bool ecn_asked;
    bool ecn;
};

struct host {
    struct world *world;
    uint32_t index;
    struct net *net;
    struct tcp *tcp;
    void *net_memory;
    void *tcp_memory;
    struct tcp_setup setup;
    struct stream streams[STREAMS_MAX];
    struct edge edges[STREAMS_MAX];
    bool buffer_used[BUFFERS];
    uint8_t (*buffers)[FRAME_BYTES];
    uint32_t buffers_used;
    struct pin pins[PINS_MAX];
    uint32_t pin_count;
    struct held held[HELD_MAX];
    uint32_t held_count;
    uint64_t free_ns; /* When the link towards the other has sent all. */
    uint32_t burst;   /* Frames still lost in this burst. */
    uint64_t pause_until_ns;
    uint64_t opens_ns;
};

struct world {
    uint64_t seed;
    bool v6; /* They speak IPv6, a third of all seeds. */
    struct random random;
    struct random marks; /* Of its own: what the others draw does not depend on it. */
    uint32_t mark_in;    /* One in so many is marked instead of waiting in a queue; 0: none. */
    uint64_t now_ns;
    uint64_t heal_ns;
    uint64_t order;
    struct frame *frames;
    uint32_t frame_count;
    struct host hosts[2];
    uint32_t stream_count;
    /* The link. */
    uint64_t delay_ns, jitter_ns, byte_ns, queue_ns;
    uint32_t loss_in, burst_max, duplicate_in, reorder_in, damage_in;
    bool slow_readers, late_port, slow_opens;
    uint8_t target; /* enum target. */
    uint32_t target_pass_in, truncate_in, pause_in;
    uint16_t mtu_after; /* From mtu_at_ns on nothing longer passes; 0: all does. */
    uint64_t mtu_at_ns;
    bool mtu_told;
    uint64_t steps;
    uint64_t frames_sent, frames_lost, frames_marked;
};

/* Of IP's header in an untagged frame; 0: it is ARP. */
static inline uint32_t frame_ip_len(const uint8_t *frame)
{
    switch (load_be16(frame + 12)) {
    case ETHERNET_IPV4: return IPV4_BYTES;
    case ETHERNET_IPV6: return IPV6_BYTES;
    default: return 0;
    }
}

/* The segment in a frame of this length. False: it holds none. */
static inline bool frame_segment(const uint8_t *frame, uint32_t len, struct segment *segment)
{
    const uint32_t ip_len = frame_ip_len(frame);
    const uint32_t at = 14 + ip_len;
    return ip_len != 0 && frame[14 + (ip_len == IPV6_BYTES ? 6 : 9)] == IPV4_TCP &&
           segment_parse((struct bytes){frame + at, len - at}, len - at, segment);
}

/* What RFC 3168 keeps in IP's header. */
static inline uint8_t frame_ecn(const uint8_t *frame)
{
    return (uint8_t)(frame_ip_len(frame) == IPV6_BYTES ? frame[15] >> IPV6_ECN_SHIFT : frame[15]) &
           NET_ECN_MASK;
}

/* Length and checksum of IP's header, for so many bytes behind it. */
static inline void frame_ip_finish(uint8_t *frame, uint32_t len)
{
    uint8_t *ip = frame + 14;
    if (frame_ip_len(frame) == IPV6_BYTES) {
        ipv6_write_length(ip, len);
        return;
    }
    store_be16(ip + 2, (uint16_t)(IPV4_BYTES + len));
    memset(ip + 10, 0, 2);
    const uint16_t sum = checksum_finish(checksum_sum(ip, IPV4_BYTES));
    memcpy(ip + 10, &sum, sizeof(sum));
}

static inline struct address host_address(const struct world *world, uint32_t index)
{
    return world->v6 ? (struct address){{0xfd, [15] = (uint8_t)(index + 1)}}
                     : address_of_v4(0x0a000001 + index);
}

/* ---- stack_trouble.c ---- */
void trouble_choose(struct world *world, uint16_t mtu);
/* True: it is one of those to be lost. */
bool trouble_targets(struct world *world, const uint8_t *frame, uint32_t len);
bool trouble_is_too_long(const struct world *world, const uint8_t *frame, uint32_t len);
/* What a router says of it to its sender, into to[128]; 0: nothing. */
uint32_t trouble_tell(const struct world *world, const uint8_t *frame, uint8_t *to);
/* Sets the mark of congestion in some that may have it. */
void trouble_mark(struct world *world, uint8_t *frame);
/* What is wrong with the marks that one side sends, mine being its; NULL: nothing. */
const char *trouble_marks_wrongly(struct edge *mine, const struct edge *other, const uint8_t *frame,
                                  const struct segment *segment);
/* True: the host stands still. */
bool trouble_paused(struct host *host);

#endif
