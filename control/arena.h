/* Memory of one operation: taken piece by piece, given back as a whole. Heap; not thread-safe. */
#ifndef CONTROL_ARENA_H
#define CONTROL_ARENA_H

#include "dataplane/kafka/primitives.h"

struct arena_chunk;

/* All zero is an empty arena. */
struct arena {
    struct arena_chunk *chunks;
    size_t used; /* Of the newest. */
    size_t size;
    size_t total; /* Of all. */
};

/* Cleared, aligned to 16. */
void *arena_take(struct arena *arena, size_t bytes);

#define ARENA_ARRAY(arena, type, count) \
    ((type *)arena_take((arena), sizeof(type) * (size_t)((count) > 0 ? (count) : 1)))

/* A terminated copy. */
struct bytes arena_copy(struct arena *arena, struct bytes from);
/* A chain's bytes in one piece, terminated; ptr NULL for a null chain. */
struct bytes arena_flat(struct arena *arena, struct chain chain);

/* Formatted text as a chain, for messages of answers; its bytes live in the arena. */
__attribute__((format(printf, 2, 3))) struct chain arena_text(struct arena *arena,
                                                              const char *format, ...);
/* A chain of bytes that live at least as long as the arena. */
struct chain arena_chain(struct arena *arena, struct bytes bytes);

/* Room for one more behind count items: items, or a copy in twice the memory. */
void *arena_room(struct arena *arena, void *items, size_t item_bytes, uint32_t count,
                 uint32_t *capacity);

/* Memory of a key or value of size bytes behind its type or version, which is written. */
struct bytes arena_record(struct arena *arena, struct writer *writer, uint64_t size,
                          int16_t number);

void arena_free(struct arena *arena);

#endif
