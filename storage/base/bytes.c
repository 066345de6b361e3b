#include "storage/base/bytes.h"

struct chain chain_skip_pieces(struct chain chain, uint32_t count)
{
    chain.len -= count;
    while (count > 0) {
        const uint32_t here = chain.parts->len - chain.offset;
        if (count < here) {
            chain.offset += count;
            return chain;
        }
        count -= here;
        chain.offset = 0;
        chain.parts++;
    }
    return chain;
}

void chain_copy_pieces(struct chain chain, void *to, uint32_t count)
{
    uint8_t *at = to;
    chain.len = count;
    while (chain.len > 0) {
        const struct bytes piece = chain_first(chain);
        if (piece.len > 0) { /* An empty piece may be NULL. */
            memcpy(at, piece.ptr, piece.len);
            at += piece.len;
        }
        chain.len -= piece.len;
        chain.offset = 0;
        chain.parts++;
    }
}

struct bytes chain_flat_pieces(struct chain chain, void *scratch)
{
    if (chain.len == 0) {
        return (struct bytes){0};
    }
    chain_copy(chain, scratch, chain.len);
    return (struct bytes){scratch, chain.len};
}

bool chain_equals(struct chain chain, struct bytes other)
{
    if (chain.len != other.len) {
        return false;
    }
    const uint8_t *at = other.ptr;
    while (chain.len > 0) {
        const struct bytes piece = chain_first(chain);
        if (piece.len > 0 && memcmp(piece.ptr, at, piece.len) != 0) {
            return false;
        }
        at += piece.len;
        chain.len -= piece.len;
        chain.offset = 0;
        chain.parts++;
    }
    return true;
}
