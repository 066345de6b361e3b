/* The TCP header and its options, on the wire and off it (RFC 9293 3.1, 7323, 2018). */
#ifndef DATAPLANE_TCP_SEGMENT_H
#define DATAPLANE_TCP_SEGMENT_H

#include "storage/base/bytes.h"

enum {
    SEGMENT_FIN = 0x01,
    SEGMENT_SYN = 0x02,
    SEGMENT_RST = 0x04,
    SEGMENT_PSH = 0x08,
    SEGMENT_ACK = 0x10,
    SEGMENT_URG = 0x20,
    SEGMENT_ECE = 0x40,
    SEGMENT_CWR = 0x80,
};

enum { /* Kinds of options. */
       SEGMENT_OPTION_END = 0,
       SEGMENT_OPTION_NOTHING = 1,
       SEGMENT_OPTION_MSS = 2,
       SEGMENT_OPTION_WSCALE = 3,
       SEGMENT_OPTION_SACK_PERMITTED = 4,
       SEGMENT_OPTION_SACK = 5,
       SEGMENT_OPTION_TIMESTAMP = 8,
};

enum {
    SEGMENT_BYTES = 20,
    SEGMENT_BYTES_MAX = 60,
    SEGMENT_TIMESTAMP_BYTES = 12, /* With two bytes of padding. */
    SEGMENT_USUAL_BYTES = SEGMENT_BYTES + SEGMENT_TIMESTAMP_BYTES,
    SEGMENT_SACKS_MAX = 4,
    SEGMENT_MSS_DEFAULT = 536, /* RFC 9293 MUST-15. */
    SEGMENT_MSS_DEFAULT_V6 = 1220,
    SEGMENT_WSCALE_MAX = 14, /* RFC 7323 2.3. */
};

struct segment_range { /* [start, end) */
    uint32_t start;
    uint32_t end;
};

struct segment {
    uint16_t source_port;
    uint16_t target_port;
    uint32_t sequence;
    uint32_t ack;
    uint32_t window; /* As on the wire. */
    uint8_t flags;
    uint8_t header_len;
    uint32_t len; /* Payload. */
    /* Options. */
    bool has_timestamp;
    bool has_wscale;
    bool sack_permitted;
    uint8_t wscale; /* At most 14. */
    uint16_t mss;   /* 0: not said. */
    uint32_t tsval;
    uint32_t tsecr;
    uint32_t sack_count;
    struct segment_range sacks[SEGMENT_SACKS_MAX];
};

/* Sequence numbers that it takes: payload, SYN and FIN. */
static inline uint32_t segment_length(const struct segment *segment)
{
    return segment->len + ((segment->flags & SEGMENT_SYN) != 0) +
           ((segment->flags & SEGMENT_FIN) != 0);
}

/* Reads the header at the start of head; len: bytes of the whole segment. An option with a length
 * that cannot be ends the options (RFC 9293 MUST-7). False: no header. */
MUST_USE bool segment_parse(struct bytes head, uint32_t len, struct segment *segment);

/* Writes SEGMENT_USUAL_BYTES, a header with timestamps and nothing else, but for what
 * segment_patch says. */
void segment_write_usual(uint8_t *to, uint16_t source_port, uint16_t target_port);

/* What differs from one segment to the next; the checksum is left 0. */
static inline void segment_patch(uint8_t *to, uint32_t sequence, uint32_t ack, uint8_t flags,
                                 uint32_t window, uint32_t tsval, uint32_t tsecr)
{
    store_be32(to + 4, sequence);
    store_be32(to + 8, ack);
    to[13] = flags;
    store_be16(to + 14, (uint16_t)window);
    store_be32(to + SEGMENT_BYTES + 4, tsval);
    store_be32(to + SEGMENT_BYTES + 8, tsecr);
}

/* Writes header and options, checksum 0; sets header_len. Returns the header's length. SACK blocks
 * that find no room are left out. */
uint16_t segment_write(uint8_t *to, struct segment *segment);

#endif
