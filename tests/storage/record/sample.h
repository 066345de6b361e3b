/* Batches for tests: built once, changed by the test that needs them wrong. */
#ifndef TESTS_STORAGE_RECORD_SAMPLE_H
#define TESTS_STORAGE_RECORD_SAMPLE_H

#include "storage/record/record.h"

enum { SAMPLE_BYTES_MAX = 1 << 20 };

/* count records with a key, a value of value_bytes and one header each; timestamps 1000, 1001 ...
 */
static inline struct bytes sample_batch(void *buffer, int32_t count, uint32_t value_bytes,
                                        const struct batch_options *options)
{
    static uint8_t value[SAMPLE_BYTES_MAX];
    struct batch_builder builder;
    batch_builder_init(&builder, buffer, SAMPLE_BYTES_MAX, options);
    for (int32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < value_bytes; j++) {
            value[j] = (uint8_t)("abcdefgh"[j % 8] + i % 5 + (int32_t)(j / 97 % 3));
        }
        const struct record_header header = {bytes_of_string("name"), bytes_of_string("x")};
        ASSERT(batch_builder_add(&builder, 1000 + i, bytes_of_string("key"),
                                 (struct bytes){value, value_bytes}, &header, 1));
    }
    return batch_builder_finish(&builder);
}

/* The bytes cut into pieces of `piece` bytes; parts holds enough of them. */
static inline struct chain sample_chain(struct bytes whole, uint32_t piece, struct bytes *parts)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < whole.len; at += piece) {
        parts[count++] = (struct bytes){whole.ptr + at, min_u32(piece, whole.len - at)};
    }
    return (struct chain){parts, 0, whole.len};
}

#endif
