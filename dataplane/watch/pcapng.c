#include "dataplane/watch/pcapng.h"

#include <stdio.h>

enum {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_STATISTICS = 5,
    BLOCK_PACKET = 6,
    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    LINK_ETHERNET = 1,
    OPTION_END = 0,
    OPTION_PROGRAM = 4,    /* Of a section. */
    OPTION_NAME = 2,       /* Of an interface. */
    OPTION_RESOLUTION = 9, /* Of an interface: powers of ten. */
    OPTION_FLAGS = 2,      /* Of a packet. */
    OPTION_SEEN = 4,       /* Of statistics. */
    OPTION_DROPPED = 5,    /* Of statistics. */
    FLAG_IN = 1,
    FLAG_OUT = 2,
    NANOSECONDS = 9,
};

static void put_u16(struct page_text *page, uint16_t value)
{
    page_bytes(page, &value, sizeof(value));
}

static void put_u32(struct page_text *page, uint32_t value)
{
    page_bytes(page, &value, sizeof(value));
}

static void put_padded(struct page_text *page, const void *from, uint32_t len)
{
    static const uint8_t zeros[4];
    page_bytes(page, from, len);
    page_bytes(page, zeros, (size_t)(round_up(len, 4) - len));
}

static void put_option(struct page_text *page, uint16_t code, const void *value, uint16_t len)
{
    put_u16(page, code);
    put_u16(page, len);
    put_padded(page, value, len);
}

static void put_time(struct page_text *page, uint64_t wall_ns)
{
    put_u32(page, (uint32_t)(wall_ns >> 32));
    put_u32(page, (uint32_t)wall_ns);
}

/* Where the block begins: its length is known only at its end. */
static size_t block_begin(struct page_text *page, uint32_t type)
{
    const size_t start = page->len;
    put_u32(page, type);
    put_u32(page, 0);
    return start;
}

static void block_end(struct page_text *page, size_t start)
{
    const uint32_t len = (uint32_t)(page->len - start) + 4;
    put_u32(page, len);
    if (!page->failed) {
        memcpy(page->at + start + 4, &len, sizeof(len));
    }
}

void pcapng_begin(struct page_text *page, const char *device, uint32_t queue_count, uint32_t snap)
{
    static const char program[] = "millrace";
    static const uint8_t resolution = NANOSECONDS;
    static const uint64_t unknown = UINT64_MAX; /* The section's length. */
    size_t start = block_begin(page, BLOCK_SECTION);
    put_u32(page, BYTE_ORDER_MAGIC);
    put_u16(page, 1);
    put_u16(page, 0);
    page_bytes(page, &unknown, sizeof(unknown));
    put_option(page, OPTION_PROGRAM, program, sizeof(program) - 1);
    put_option(page, OPTION_END, NULL, 0);
    block_end(page, start);
    for (uint32_t queue = 0; queue < queue_count; queue++) {
        char name[96];
        const int len = snprintf(name, sizeof(name), "%.63s/queue %u", device, queue);
        start = block_begin(page, BLOCK_INTERFACE);
        put_u16(page, LINK_ETHERNET);
        put_u16(page, 0);
        put_u32(page, snap);
        put_option(page, OPTION_NAME, name, (uint16_t)len);
        put_option(page, OPTION_RESOLUTION, &resolution, sizeof(resolution));
        put_option(page, OPTION_END, NULL, 0);
        block_end(page, start);
    }
}

void pcapng_packet(struct page_text *page, uint32_t queue, uint64_t wall_ns,
                   const struct capture_record *record)
{
    const uint32_t flags = record->out ? FLAG_OUT : FLAG_IN;
    const size_t start = block_begin(page, BLOCK_PACKET);
    put_u32(page, queue);
    put_time(page, wall_ns);
    put_u32(page, record->captured);
    put_u32(page, record->len);
    put_padded(page, record->bytes, record->captured);
    put_option(page, OPTION_FLAGS, &flags, sizeof(flags));
    put_option(page, OPTION_END, NULL, 0);
    block_end(page, start);
}

void pcapng_end(struct page_text *page, uint32_t queue, uint64_t wall_ns, uint64_t seen,
                uint64_t dropped)
{
    const size_t start = block_begin(page, BLOCK_STATISTICS);
    put_u32(page, queue);
    put_time(page, wall_ns);
    put_option(page, OPTION_SEEN, &seen, sizeof(seen));
    put_option(page, OPTION_DROPPED, &dropped, sizeof(dropped));
    put_option(page, OPTION_END, NULL, 0);
    block_end(page, start);
}
