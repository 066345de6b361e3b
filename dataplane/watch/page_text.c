#include "dataplane/watch/page_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool room(struct page_text *page, size_t more)
{
    if (page->failed) {
        return false;
    }
    if (page->len + more <= page->capacity) {
        return true;
    }
    const size_t capacity = (page->len + more) * 2;
    uint8_t *at = realloc(page->at, capacity);
    if (at == NULL) {
        page->failed = true;
        return false;
    }
    page->at = at;
    page->capacity = capacity;
    return true;
}

void page_bytes(struct page_text *page, const void *from, size_t len)
{
    if (len > 0 && room(page, len)) {
        memcpy(page->at + page->len, from, len);
        page->len += len;
    }
}

void page_printf(struct page_text *page, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    const int len = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    ASSERT(len >= 0 && (size_t)len < sizeof(line)); /* Callers add a field or a line at a time. */
    page_bytes(page, line, (size_t)len);
}

void page_quoted(struct page_text *page, const char *text)
{
    page_bytes(page, "\"", 1);
    for (const char *at = text; *at != '\0'; at++) {
        const uint8_t c = (uint8_t)*at;
        if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f) {
            page_printf(page, "\\u%04x", c);
        } else {
            page_bytes(page, at, 1);
        }
    }
    page_bytes(page, "\"", 1);
}

void page_drop(struct page_text *page, size_t len)
{
    ASSERT(len <= page->len);
    page->len -= len;
    if (page->len > 0) {
        memmove(page->at, page->at + len, page->len);
    }
}

void page_text_free(struct page_text *page)
{
    free(page->at);
    *page = (struct page_text){0};
}
