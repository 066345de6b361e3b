/* Bounded text builder for messages, checkpoints and metrics; not for hot paths.
 *
 * Text that does not fit is dropped whole calls at a time and remembered in `full`: the caller
 * checks once at the end. The text is always NUL-terminated when size > 0. Not thread-safe.
 */
#ifndef STORAGE_BASE_TEXT_H
#define STORAGE_BASE_TEXT_H

#include "storage/base/bytes.h"

struct text {
    char *at;    /* Borrowed. */
    size_t size; /* Bytes at `at`, the final NUL included. */
    size_t len;  /* Without the NUL. */
    bool full;   /* Something did not fit; nothing is added any more. */
};

void text_init(struct text *text, char *buffer, size_t size);

void text_char(struct text *text, char c);
void text_string(struct text *text, const char *string);
void text_bytes(struct text *text, struct bytes bytes);
void text_u64(struct text *text, uint64_t value);
void text_i64(struct text *text, int64_t value);

/* value in decimal with leading zeros to at least `digits` digits. */
void text_u64_padded(struct text *text, uint64_t value, uint32_t digits);

/* Each byte as two lower-case hex digits. */
void text_hex(struct text *text, struct bytes bytes);

__attribute__((format(printf, 2, 3))) void text_printf(struct text *text, const char *format, ...);

static inline struct bytes text_view(const struct text *text)
{
    return (struct bytes){(const uint8_t *)text->at, (uint32_t)text->len};
}

/* Strict decimal numbers: no sign but '-' for int64, no blanks, no leading zeros needed, no
 * overflow, all of the text. False leaves *value untouched. */
MUST_USE bool text_parse_u64(struct bytes text, uint64_t *value);
MUST_USE bool text_parse_i64(struct bytes text, int64_t *value);

#endif
