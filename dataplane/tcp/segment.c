#include "dataplane/tcp/segment.h"

static void parse_sacks(const uint8_t *at, uint32_t len, struct segment *segment)
{
    for (; len >= 8 && segment->sack_count < SEGMENT_SACKS_MAX; at += 8, len -= 8) {
        segment->sacks[segment->sack_count++] =
            (struct segment_range){load_be32(at), load_be32(at + 4)};
    }
}

/* One option of a good length. MSS, scale and SACK-permitted count in SYNs only (RFC 9293 3.2,
 * RFC 7323 2.2, RFC 2018 2). */
static void parse_option(const uint8_t *at, uint32_t len, struct segment *segment)
{
    const bool syn = (segment->flags & SEGMENT_SYN) != 0;
    switch (at[0]) {
    case SEGMENT_OPTION_MSS:
        if (len == 4 && syn) {
            segment->mss = load_be16(at + 2);
        }
        break;
    case SEGMENT_OPTION_WSCALE:
        if (len == 3 && syn) {
            segment->has_wscale = true;
            segment->wscale = (uint8_t)min_u32(at[2], SEGMENT_WSCALE_MAX);
        }
        break;
    case SEGMENT_OPTION_SACK_PERMITTED: segment->sack_permitted = len == 2 && syn; break;
    case SEGMENT_OPTION_SACK:
        if (len >= 10 && (len - 2) % 8 == 0) {
            parse_sacks(at + 2, len - 2, segment);
        }
        break;
    case SEGMENT_OPTION_TIMESTAMP:
        if (len == 10) {
            segment->has_timestamp = true;
            segment->tsval = load_be32(at + 2);
            segment->tsecr = load_be32(at + 6);
        }
        break;
    default: break;
    }
}

static void parse_options(const uint8_t *at, uint32_t len, struct segment *segment)
{
    while (len > 0 && *at != SEGMENT_OPTION_END) {
        if (*at == SEGMENT_OPTION_NOTHING) {
            at++;
            len--;
            continue;
        }
        if (len < 2 || at[1] < 2 || at[1] > len) {
            return;
        }
        const uint32_t option_len = at[1];
        parse_option(at, option_len, segment);
        at += option_len;
        len -= option_len;
    }
}

LINK_INLINE bool segment_parse(struct bytes head, uint32_t len, struct segment *segment)
{
    static const uint8_t usual[4] = {SEGMENT_OPTION_NOTHING, SEGMENT_OPTION_NOTHING,
                                     SEGMENT_OPTION_TIMESTAMP, 10};
    if (head.len < SEGMENT_BYTES) {
        return false;
    }
    const uint32_t header_len = (head.ptr[12] >> 4) * 4u;
    if (header_len < SEGMENT_BYTES || header_len > head.len || header_len > len) {
        return false;
    }
    *segment = (struct segment){.source_port = load_be16(head.ptr),
                                .target_port = load_be16(head.ptr + 2),
                                .sequence = load_be32(head.ptr + 4),
                                .ack = load_be32(head.ptr + 8),
                                .window = load_be16(head.ptr + 14),
                                .flags = head.ptr[13],
                                .header_len = (uint8_t)header_len,
                                .len = len - header_len};
    const uint8_t *options = head.ptr + SEGMENT_BYTES;
    if (header_len == SEGMENT_BYTES + SEGMENT_TIMESTAMP_BYTES && memcmp(options, usual, 4) == 0) {
        segment->has_timestamp = true; /* Nearly every segment looks like this. */
        segment->tsval = load_be32(options + 4);
        segment->tsecr = load_be32(options + 8);
    } else {
        parse_options(options, header_len - SEGMENT_BYTES, segment);
    }
    return true;
}

static uint32_t sacks_that_fit(const struct segment *segment, uint32_t used)
{
    const uint32_t room = SEGMENT_BYTES_MAX - SEGMENT_BYTES - used;
    return room < 12 ? 0 : min_u32(segment->sack_count, (room - 4) / 8);
}

static uint8_t *write_sacks(uint8_t *at, const struct segment *segment, uint32_t count)
{
    *at++ = SEGMENT_OPTION_NOTHING;
    *at++ = SEGMENT_OPTION_NOTHING;
    *at++ = SEGMENT_OPTION_SACK;
    *at++ = (uint8_t)(2 + 8 * count);
    for (uint32_t i = 0; i < count; i++, at += 8) {
        store_be32(at, segment->sacks[i].start);
        store_be32(at + 4, segment->sacks[i].end);
    }
    return at;
}

static void write_fixed(uint8_t *to, const struct segment *segment)
{
    store_be16(to, segment->source_port);
    store_be16(to + 2, segment->target_port);
    store_be32(to + 4, segment->sequence);
    store_be32(to + 8, segment->ack);
    to[12] = (uint8_t)(segment->header_len << 2);
    to[13] = segment->flags;
    store_be16(to + 14, (uint16_t)segment->window);
    memset(to + 16, 0, 4); /* Checksum, urgent pointer. */
}

static void write_timestamp(uint8_t *at, const struct segment *segment)
{
    const uint8_t bytes[4] = {SEGMENT_OPTION_NOTHING, SEGMENT_OPTION_NOTHING,
                              SEGMENT_OPTION_TIMESTAMP, 10};
    memcpy(at, bytes, 4);
    store_be32(at + 4, segment->tsval);
    store_be32(at + 8, segment->tsecr);
}

void segment_write_usual(uint8_t *to, uint16_t source_port, uint16_t target_port)
{
    const struct segment segment = {
        .source_port = source_port, .target_port = target_port, .header_len = SEGMENT_USUAL_BYTES};
    write_fixed(to, &segment);
    write_timestamp(to + SEGMENT_BYTES, &segment);
}

uint16_t segment_write(uint8_t *to, struct segment *segment)
{
    uint8_t *at = to + SEGMENT_BYTES;
    if (segment->mss != 0) {
        at[0] = SEGMENT_OPTION_MSS;
        at[1] = 4;
        store_be16(at + 2, segment->mss);
        at += 4;
    }
    if (segment->sack_permitted) {
        const uint8_t bytes[4] = {SEGMENT_OPTION_NOTHING, SEGMENT_OPTION_NOTHING,
                                  SEGMENT_OPTION_SACK_PERMITTED, 2};
        memcpy(at, bytes, 4);
        at += 4;
    }
    if (segment->has_timestamp) {
        write_timestamp(at, segment);
        at += SEGMENT_TIMESTAMP_BYTES;
    }
    if (segment->has_wscale) {
        const uint8_t bytes[4] = {SEGMENT_OPTION_NOTHING, SEGMENT_OPTION_WSCALE, 3,
                                  segment->wscale};
        memcpy(at, bytes, 4);
        at += 4;
    }
    const uint32_t sacks = sacks_that_fit(segment, (uint32_t)(at - to) - SEGMENT_BYTES);
    if (sacks != 0) {
        at = write_sacks(at, segment, sacks);
    }
    segment->header_len = (uint8_t)(at - to);
    write_fixed(to, segment);
    return segment->header_len;
}
