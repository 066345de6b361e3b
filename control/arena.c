#include "control/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Many arenas hold little: one for each group that a request names. */
enum { FIRST_CHUNK_BYTES = 1024, CHUNK_BYTES = 16 * 1024 };

struct arena_chunk {
    struct arena_chunk *older;
    _Alignas(16) uint8_t bytes[];
};

void *arena_take(struct arena *arena, size_t bytes)
{
    const size_t start = round_up(arena->used, 16);
    if (arena->chunks == NULL || start + bytes > arena->size) {
        const size_t usual = arena->chunks == NULL ? FIRST_CHUNK_BYTES : CHUNK_BYTES;
        const size_t size = bytes > usual ? bytes : usual;
        struct arena_chunk *chunk = malloc(sizeof(*chunk) + size);
        ASSERT(chunk != NULL);
        chunk->older = arena->chunks;
        arena->chunks = chunk;
        arena->size = size;
        arena->used = bytes;
        arena->total += size;
        return memset(chunk->bytes, 0, bytes);
    }
    arena->used = start + bytes;
    return memset(arena->chunks->bytes + start, 0, bytes);
}

struct bytes arena_copy(struct arena *arena, struct bytes from)
{
    uint8_t *to = arena_take(arena, (size_t)from.len + 1);
    if (from.len > 0) {
        memcpy(to, from.ptr, from.len);
    }
    return (struct bytes){to, from.len};
}

struct bytes arena_flat(struct arena *arena, struct chain chain)
{
    if (chain.parts == NULL) {
        return (struct bytes){0};
    }
    uint8_t *to = arena_take(arena, (size_t)chain.len + 1);
    chain_copy(chain, to, chain.len);
    return (struct bytes){to, chain.len};
}

struct chain arena_chain(struct arena *arena, struct bytes bytes)
{
    struct bytes *piece = arena_take(arena, sizeof(*piece));
    *piece = bytes;
    return chain_of(piece);
}

struct chain arena_text(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char text[1024];
    const int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    const uint32_t kept = len < 0 ? 0 : min_u32((uint32_t)len, sizeof(text) - 1);
    return arena_chain(arena, arena_copy(arena, (struct bytes){(const uint8_t *)text, kept}));
}

void *arena_room(struct arena *arena, void *items, size_t item_bytes, uint32_t count,
                 uint32_t *capacity)
{
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity == 0 ? 8 : *capacity * 2;
    void *larger = arena_take(arena, item_bytes * *capacity);
    if (count > 0) {
        memcpy(larger, items, item_bytes * count);
    }
    return larger;
}

struct bytes arena_record(struct arena *arena, struct writer *writer, uint64_t size, int16_t number)
{
    const uint32_t bytes = (uint32_t)size + (uint32_t)sizeof(number);
    uint8_t *to = arena_take(arena, bytes);
    writer_init(writer, to, bytes);
    writer_i16(writer, number);
    return (struct bytes){to, bytes};
}

void arena_free(struct arena *arena)
{
    while (arena->chunks != NULL) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->older;
        free(chunk);
    }
    *arena = (struct arena){0};
}
