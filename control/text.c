#include "control/text.h"

#include <stdlib.h>

struct bytes text_copy(struct bytes from)
{
    if (from.ptr == NULL) {
        return (struct bytes){0};
    }
    uint8_t *copy = malloc((size_t)from.len + 1);
    ASSERT(copy != NULL);
    memcpy(copy, from.ptr, from.len);
    copy[from.len] = '\0';
    return (struct bytes){copy, from.len};
}

struct bytes text_copy_chain(struct chain from)
{
    if (from.parts == NULL) {
        return (struct bytes){0};
    }
    uint8_t *copy = malloc((size_t)from.len + 1);
    ASSERT(copy != NULL);
    chain_copy(from, copy, from.len);
    copy[from.len] = '\0';
    return (struct bytes){copy, from.len};
}

void text_free(struct bytes *text)
{
    free((void *)(uintptr_t)text->ptr);
    *text = (struct bytes){0};
}

void text_set(struct bytes *text, struct bytes to)
{
    const struct bytes copy = text_copy(to);
    text_free(text);
    *text = copy;
}

int text_order(struct bytes a, struct bytes b)
{
    const uint32_t common = min_u32(a.len, b.len);
    const int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool text_within(struct bytes text, const struct bytes *sorted, uint32_t count)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = text_order(sorted[middle], text);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}
