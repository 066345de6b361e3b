/* Bytes in one piece (struct bytes) or in several, in order (struct chain); big-endian access.
 *
 * A frame arrives in several receive buffers; nothing is copied together to be parsed. Both types
 * are views: valid as long as the memory they point into. Pure; any thread.
 */
#ifndef STORAGE_BASE_BYTES_H
#define STORAGE_BASE_BYTES_H

#include <string.h>

#include "storage/base/check.h"

struct bytes {
    const uint8_t *ptr; /* May be NULL when len is 0. */
    uint32_t len;
};

/* Its characters, without the end. NULL: none. */
static inline struct bytes bytes_of_string(const char *string)
{
    return (struct bytes){(const uint8_t *)string, string == NULL ? 0 : (uint32_t)strlen(string)};
}

/* len bytes that start at parts[0].ptr + offset and go on in parts[1], parts[2] ...
 * offset < parts[0].len unless len is 0. There is no count of parts: len bounds the walk. */
struct chain {
    const struct bytes *parts; /* Borrowed from whoever made the chain. */
    uint32_t offset;
    uint32_t len;
};

/* A chain of one piece; *piece must outlive it. */
static inline struct chain chain_of(const struct bytes *piece)
{
    return (struct chain){.parts = piece, .offset = 0, .len = piece->len};
}

/* The first piece of the chain, at most chain.len bytes of it. */
HOT_INLINE struct bytes chain_first(struct chain chain)
{
    if (chain.len == 0) {
        return (struct bytes){0};
    }
    return (struct bytes){chain.parts->ptr + chain.offset,
                          min_u32(chain.len, chain.parts->len - chain.offset)};
}

struct chain chain_skip_pieces(struct chain chain, uint32_t count);

/* The chain without its first count bytes; count <= chain.len. */
HOT_INLINE struct chain chain_skip(struct chain chain, uint32_t count)
{
    ASSERT_HOT(count <= chain.len);
    if (chain.len > 0 && LIKELY(count < chain.parts->len - chain.offset)) {
        chain.offset += count;
        chain.len -= count;
        return chain;
    }
    return chain_skip_pieces(chain, count);
}

/* The first count bytes of the chain; count <= chain.len. */
HOT_INLINE struct chain chain_take(struct chain chain, uint32_t count)
{
    ASSERT_HOT(count <= chain.len);
    chain.len = count;
    return chain;
}

void chain_copy_pieces(struct chain chain, void *to, uint32_t count);

/* Copies the first count bytes to `to`; count <= chain.len. */
HOT_INLINE void chain_copy(struct chain chain, void *to, uint32_t count)
{
    ASSERT_HOT(count <= chain.len);
    if (count > 0 && LIKELY(count <= chain.parts->len - chain.offset)) {
        memcpy(to, chain.parts->ptr + chain.offset, count);
        return;
    }
    chain_copy_pieces(chain, to, count);
}

struct bytes chain_flat_pieces(struct chain chain, void *scratch);

/* The chain's bytes in one piece: in place when they lie so, else copied into scratch, which holds
 * at least chain.len bytes. The result is a view of the chain or of scratch. */
HOT_INLINE struct bytes chain_flat(struct chain chain, void *scratch)
{
    if (chain.len > 0 && LIKELY(chain.len <= chain.parts->len - chain.offset)) {
        return (struct bytes){chain.parts->ptr + chain.offset, chain.len};
    }
    return chain_flat_pieces(chain, scratch);
}

/* True when both hold the same bytes. */
bool chain_equals(struct chain chain, struct bytes other);

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Big-endian loads and stores at any alignment. */
static inline uint16_t load_be16(const void *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t load_be32(const void *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t load_be64(const void *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return __builtin_bswap64(value);
}

static inline void store_be16(void *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, sizeof(value));
}

static inline void store_be32(void *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof(value));
}

static inline void store_be64(void *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof(value));
}

#endif
