/* A few bytes, of a length that is not known before, compared and copied without a call: names.
 * Nothing outside of them is touched. */
#ifndef DATAPLANE_KAFKA_FEW_BYTES_H
#define DATAPLANE_KAFKA_FEW_BYTES_H

#include "storage/base/bytes.h"

HOT_INLINE uint64_t few_load(const uint8_t *from, uint32_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, from, bytes);
    return value;
}

/* Eight at a time, the last eight overlapping those before them; below that likewise by four. */
HOT_INLINE bool few_bytes_equal(const uint8_t *a, const uint8_t *b, uint32_t len)
{
    if (LIKELY(len >= 8)) {
        for (uint32_t at = 0; at + 8 < len; at += 8) {
            if (few_load(a + at, 8) != few_load(b + at, 8)) {
                return false;
            }
        }
        return few_load(a + len - 8, 8) == few_load(b + len - 8, 8);
    }
    if (len >= 4) {
        return few_load(a, 4) == few_load(b, 4) &&
               few_load(a + len - 4, 4) == few_load(b + len - 4, 4);
    }
    return len == 0 || (a[0] == b[0] && a[len / 2] == b[len / 2] && a[len - 1] == b[len - 1]);
}

/* The same of 16 bytes or more, by 16. */
HOT_INLINE bool some_bytes_equal(const uint8_t *a, const uint8_t *b, uint32_t len)
{
    typedef uint64_t pair __attribute__((vector_size(16)));
    pair of_a;
    pair of_b;
    pair differ = {0, 0};
    ASSERT_HOT(len >= sizeof(pair));
    for (uint32_t at = 0; at + sizeof(pair) < len; at += sizeof(pair)) {
        memcpy(&of_a, a + at, sizeof(pair));
        memcpy(&of_b, b + at, sizeof(pair));
        differ |= of_a ^ of_b;
    }
    memcpy(&of_a, a + len - sizeof(pair), sizeof(pair));
    memcpy(&of_b, b + len - sizeof(pair), sizeof(pair));
    differ |= of_a ^ of_b;
    return (differ[0] | differ[1]) == 0;
}

HOT_INLINE void few_bytes_copy(uint8_t *to, const uint8_t *from, uint32_t len)
{
    if (LIKELY(len >= 8)) {
        for (uint32_t at = 0; at + 8 < len; at += 8) {
            memcpy(to + at, from + at, 8);
        }
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else if (len > 0) {
        to[0] = from[0];
        to[len / 2] = from[len / 2];
        to[len - 1] = from[len - 1];
    }
}

#endif
