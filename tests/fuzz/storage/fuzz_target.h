/* What each fuzz target of storage offers, to libFuzzer and to replay.c. */
#ifndef TESTS_FUZZ_STORAGE_FUZZ_TARGET_H
#define TESTS_FUZZ_STORAGE_FUZZ_TARGET_H

#include "storage/record/compress.h"

/* One hostile input; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes good input number `index` and returns its size; 0 when there are no more. Mutations of
 * good inputs get further than noise. */
size_t fuzz_seed(uint32_t index, uint8_t *to, size_t capacity);

enum { FUZZ_PARTS = 1 << 16 };

/* The bytes in pieces of `piece` bytes; piece is at least size / FUZZ_PARTS. parts is the caller's.
 */
static inline struct chain fuzz_chain(const uint8_t *data, size_t size, uint32_t piece,
                                      struct bytes *parts)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < size; at += piece) {
        ASSERT(count < FUZZ_PARTS);
        parts[count++] = (struct bytes){data + at, min_u32(piece, (uint32_t)size - at)};
    }
    return (struct chain){parts, 0, (uint32_t)size};
}

/* The one inflater of the process. */
static inline struct inflate *fuzz_inflate(void)
{
    static _Alignas(64) uint8_t memory[32 << 20];
    static struct inflate *inflate;
    if (inflate == NULL) {
        ASSERT(inflate_memory_bytes(INFLATE_WINDOW_DEFAULT) <= sizeof(memory));
        inflate = inflate_init(memory, INFLATE_WINDOW_DEFAULT);
    }
    return inflate;
}

#endif
