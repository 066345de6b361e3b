#include "dataplane/profile/suggest.h"

enum { WORD_MAX = 95 };

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static uint32_t least(uint32_t a, uint32_t b, uint32_t c)
{
    return min_u32(a, min_u32(b, c));
}

/* Edits between two words of at most WORD_MAX letters: optimal string alignment. */
static uint32_t distance(struct bytes a, struct bytes b)
{
    uint32_t rows[3][WORD_MAX + 1];
    for (uint32_t j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (uint32_t i = 1; i <= a.len; i++) {
        uint32_t *row = rows[i % 3];
        const uint32_t *above = rows[(i + 2) % 3];
        const uint32_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (uint32_t j = 1; j <= b.len; j++) {
            const bool same = lower(a.ptr[i - 1]) == lower(b.ptr[j - 1]);
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + !same);
            if (i > 1 && j > 1 && lower(a.ptr[i - 1]) == lower(b.ptr[j - 2]) &&
                lower(a.ptr[i - 2]) == lower(b.ptr[j - 1])) {
                row[j] = min_u32(row[j], two_above[j - 2] + 1);
            }
        }
    }
    return rows[a.len % 3][b.len];
}

void suggest_offer(struct suggestion *suggestion, const char *word)
{
    const struct bytes offered = bytes_of_string(word);
    if (offered.len > WORD_MAX || suggestion->wanted.len > WORD_MAX || offered.len == 0) {
        return;
    }
    const uint32_t edits = distance(suggestion->wanted, offered);
    const uint32_t allowed = offered.len < 6 ? 1 + (offered.len > 3) : offered.len / 3;
    if (edits <= allowed && edits < suggestion->distance) {
        suggestion->best = offered;
        suggestion->distance = edits;
    }
}
