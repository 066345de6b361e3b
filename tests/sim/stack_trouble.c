/* What the link of stack_sim does on purpose: to frames of one kind, to long ones, to their ends.
 */
#include "dataplane/net/checksum.h"
#include "dataplane/net/icmp6.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/sequence.h"
#include "tests/sim/stack_sim.h"

enum { ROUTER = 0x0a000009, QUOTED_BYTES = IPV4_BYTES + 8, QUOTED_V6_BYTES = IPV6_BYTES + 8 };

static const uint64_t ms = 1000000;

void trouble_choose(struct world *world, uint16_t mtu)
{
    static const uint16_t smaller[] = {1400, 1000, 576};
    struct random *random = &world->random;
    world->target = (uint8_t)random_below(random, 2 * TARGETS); /* Half of them: none. */
    world->target_pass_in = 2 + (uint32_t)random_below(random, 4);
    world->truncate_in = random_one_in(random, 4) ? 50 : 0;
    world->pause_in = random_one_in(random, 4) ? 300 : 0;
    if (mtu == 1500 && random_one_in(random, 4)) {
        world->mtu_after = smaller[random_below(random, 3)];
        if (world->v6) {
            world->mtu_after = (uint16_t)max_u64(world->mtu_after, IPV6_MTU_MIN);
        }
        world->mtu_at_ns = random_below(random, 200 * ms);
        world->mtu_told = random_one_in(random, 2);
    }
}

bool trouble_targets(struct world *world, const uint8_t *frame, uint32_t len)
{
    struct segment segment;
    bool hit = false;
    if (world->target == TARGET_NONE || world->target >= TARGETS ||
        world->now_ns >= world->heal_ns || !frame_segment(frame, len, &segment)) {
        return false;
    }
    switch ((enum target)world->target) {
    case TARGET_SYN: hit = (segment.flags & SEGMENT_SYN) != 0; break;
    case TARGET_FIN: hit = (segment.flags & SEGMENT_FIN) != 0; break;
    case TARGET_PURE_ACK: hit = segment.len == 0 && segment.flags == SEGMENT_ACK; break;
    case TARGET_TAIL: hit = segment.len != 0 && (segment.flags & SEGMENT_PSH); break;
    case TARGET_SACK: hit = segment.sack_count != 0; break;
    case TARGET_NONE:
    case TARGETS: break;
    }
    return hit && !random_one_in(&world->random, world->target_pass_in);
}

bool trouble_is_too_long(const struct world *world, const uint8_t *frame, uint32_t len)
{
    return world->mtu_after != 0 && world->now_ns >= world->mtu_at_ns && frame_ip_len(frame) != 0 &&
           len > 14 + (uint32_t)world->mtu_after;
}

static uint32_t tell_v6(const struct world *world, const uint8_t *frame, uint8_t *to)
{
    static const struct address router = {{0xfd, [15] = 9}};
    const uint32_t len = ICMP_BYTES + QUOTED_V6_BYTES;
    uint8_t *icmp = to + 14 + IPV6_BYTES;
    struct address target;
    memcpy(target.bytes, frame + 14 + 8, 16);
    ipv6_write(to + 14, &router, &target, IPV6_ICMP, 64);
    ipv6_write_length(to + 14, len);
    memcpy(icmp + ICMP_BYTES, frame + 14, QUOTED_V6_BYTES);
    icmp6_write_error(icmp, ICMP6_TOO_BIG, 0, world->mtu_after,
                      checksum_join(checksum_sum(icmp + ICMP_BYTES, QUOTED_V6_BYTES),
                                    checksum_pseudo(&router, &target, IPV6_ICMP, len), 0));
    return 14 + IPV6_BYTES + len;
}

uint32_t trouble_tell(const struct world *world, const uint8_t *frame, uint8_t *to)
{
    if (!world->mtu_told) {
        return 0; /* A black hole. */
    }
    const struct ipv4_header ip = {.source = ROUTER,
                                   .target = load_be32(frame + 14 + 12),
                                   .total_len = IPV4_BYTES + ICMP_BYTES + QUOTED_BYTES,
                                   .protocol = IPV4_ICMP,
                                   .ttl = 64};
    uint8_t *icmp = to + 14 + IPV4_BYTES;
    memcpy(to, frame + 6, 6);
    memcpy(to + 6, frame, 6);
    memcpy(to + 12, frame + 12, 2);
    if (world->v6) {
        return tell_v6(world, frame, to);
    }
    ipv4_write(to + 14, &ip, true);
    memset(icmp, 0, ICMP_BYTES);
    icmp[0] = ICMP_UNREACHABLE;
    icmp[1] = ICMP_FRAGMENTATION_NEEDED;
    store_be16(icmp + 6, world->mtu_after);
    memcpy(icmp + ICMP_BYTES, frame + 14, QUOTED_BYTES);
    const uint16_t sum = checksum_finish(checksum_sum(icmp, ICMP_BYTES + QUOTED_BYTES));
    memcpy(icmp + 2, &sum, sizeof(sum));
    return 14 + ip.total_len;
}

bool trouble_paused(struct host *host)
{
    struct world *world = host->world;
    if (world->now_ns >= world->heal_ns) {
        host->pause_until_ns = 0;
    } else if (host->pause_until_ns <= world->now_ns && world->pause_in != 0 &&
               random_one_in(&world->random, world->pause_in)) {
        host->pause_until_ns = world->now_ns + random_below(&world->random, 1000 * ms);
    }
    return host->pause_until_ns > world->now_ns;
}

/* What a router does to a packet of those who take part. */
void trouble_mark(struct world *world, uint8_t *frame)
{
    const uint32_t ip_len = frame_ip_len(frame);
    if (ip_len == 0 || frame_ecn(frame) == 0 || world->mark_in == 0 ||
        !random_one_in(&world->marks, world->mark_in)) {
        return;
    }
    world->frames_marked++;
    if (ip_len == IPV6_BYTES) {
        frame[15] |= NET_ECN_MARK << IPV6_ECN_SHIFT;
        return;
    }
    frame[15] |= NET_ECN_MARK;
    memset(frame + 24, 0, 2);
    const uint16_t sum = checksum_finish(checksum_sum(frame + 14, 20));
    memcpy(frame + 24, &sum, sizeof(sum));
}

/* Who takes part (RFC 3168 6.1.1), and what of it may be marked: data that was never sent before.
 */
const char *trouble_marks_wrongly(struct edge *mine, const struct edge *other, const uint8_t *frame,
                                  const struct segment *segment)
{
    const uint8_t flags = segment->flags & (SEGMENT_ECE | SEGMENT_CWR);
    const bool capable = frame_ecn(frame) != 0;
    if (segment->flags & SEGMENT_SYN) {
        mine->ecn_asked = mine->ecn_asked || flags == (SEGMENT_ECE | SEGMENT_CWR);
        mine->ecn = mine->ecn || flags == SEGMENT_ECE;
        mine->sent = segment->sequence + 1;
        if (flags == SEGMENT_ECE && !other->ecn_asked) {
            return "nobody had asked for marks";
        }
    }
    if (capable &&
        (segment->len == 0 || segment->sequence != mine->sent || !(mine->ecn || other->ecn))) {
        return "a segment may be marked that may not";
    }
    if (!(segment->flags & SEGMENT_SYN) && flags != 0 && !(mine->ecn || other->ecn)) {
        return "flags of marks without both sides";
    }
    mine->sent = seq_max(mine->sent, segment->sequence + segment->len);
    return NULL;
}
