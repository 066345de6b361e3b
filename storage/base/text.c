#include "storage/base/text.h"

#include <stdarg.h>
#include <stdio.h>

void text_init(struct text *text, char *buffer, size_t size)
{
    *text = (struct text){.at = buffer, .size = size, .full = size == 0};
    if (size > 0) {
        buffer[0] = '\0';
    }
}

static void add(struct text *text, const void *from, size_t len)
{
    if (text->full || len >= text->size - text->len) {
        text->full = true;
        return;
    }
    if (len > 0) {
        memcpy(text->at + text->len, from, len);
    }
    text->len += len;
    text->at[text->len] = '\0';
}

void text_char(struct text *text, char c)
{
    add(text, &c, 1);
}

void text_string(struct text *text, const char *string)
{
    add(text, string, strlen(string));
}

void text_bytes(struct text *text, struct bytes bytes)
{
    add(text, bytes.ptr, bytes.len);
}

void text_u64_padded(struct text *text, uint64_t value, uint32_t digits)
{
    char buffer[40];
    char *at = buffer + sizeof(buffer);
    ASSERT(digits <= sizeof(buffer));
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (at > buffer + sizeof(buffer) - digits) {
        *--at = '0';
    }
    add(text, at, (size_t)(buffer + sizeof(buffer) - at));
}

void text_u64(struct text *text, uint64_t value)
{
    text_u64_padded(text, value, 1);
}

void text_i64(struct text *text, int64_t value)
{
    char buffer[24];
    const int len = snprintf(buffer, sizeof(buffer), "%lld", (long long)value);
    add(text, buffer, (size_t)len);
}

void text_hex(struct text *text, struct bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (uint32_t i = 0; i < bytes.len; i++) {
        const char pair[2] = {digits[bytes.ptr[i] >> 4], digits[bytes.ptr[i] & 15]};
        add(text, pair, sizeof(pair));
    }
}

void text_printf(struct text *text, const char *format, ...)
{
    if (text->full) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    const int len = vsnprintf(text->at + text->len, text->size - text->len, format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= text->size - text->len) {
        text->at[text->len] = '\0';
        text->full = true;
        return;
    }
    text->len += (size_t)len;
}

bool text_parse_u64(struct bytes text, uint64_t *value)
{
    uint64_t result = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        const uint8_t digit = (uint8_t)(text.ptr[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(result, 10u, &result) ||
            __builtin_add_overflow(result, digit, &result)) {
            return false;
        }
    }
    if (text.len == 0) {
        return false;
    }
    *value = result;
    return true;
}

bool text_parse_i64(struct bytes text, int64_t *value)
{
    const bool negative = text.len > 0 && text.ptr[0] == '-';
    if (negative) {
        text.ptr++;
        text.len--;
    }
    uint64_t size;
    if (!text_parse_u64(text, &size) || size > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *value = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}
