#include "control/group/group.h"

/* The code point at *at, which moves on; what is no UTF-8 counts as U+FFFD, as Java reads it. */
static uint32_t next_point(struct bytes text, uint32_t *at)
{
    const uint8_t first = text.ptr[(*at)++];
    const uint32_t more = first < 0x80   ? 0
                          : first < 0xc2 ? 4
                          : first < 0xe0 ? 1
                          : first < 0xf0 ? 2
                          : first < 0xf5 ? 3
                                         : 4;
    if (more == 0 || more == 4) {
        return more == 0 ? first : 0xfffd;
    }
    uint32_t point = first & (0x3fu >> more);
    for (uint32_t i = 0; i < more; i++) {
        if (*at == text.len || (text.ptr[*at] & 0xc0) != 0x80) {
            return 0xfffd;
        }
        point = point << 6 | (text.ptr[(*at)++] & 0x3fu);
    }
    return point;
}

int32_t group_place(struct bytes id, int32_t partition_count)
{
    uint32_t hash = 0;
    for (uint32_t at = 0; at < id.len;) {
        const uint32_t point = next_point(id, &at);
        if (point >= 0x10000) {
            hash = hash * 31 + 0xd800 + ((point - 0x10000) >> 10);
            hash = hash * 31 + 0xdc00 + ((point - 0x10000) & 0x3ff);
        } else {
            hash = hash * 31 + point;
        }
    }
    const int32_t value = (int32_t)hash;
    const int32_t positive = value == INT32_MIN ? 0 : value < 0 ? -value : value;
    return positive % partition_count;
}
