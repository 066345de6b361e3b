/* Growing bytes on the heap, for answers to people. Not for cores. */
#ifndef DATAPLANE_WATCH_PAGE_TEXT_H
#define DATAPLANE_WATCH_PAGE_TEXT_H

#include "storage/base/bytes.h"

struct page_text {
    uint8_t *at; /* NULL while empty. */
    size_t len;
    size_t capacity;
    bool failed; /* No memory: what was added since is missing. */
};

void page_bytes(struct page_text *page, const void *from, size_t len);
__attribute__((format(printf, 2, 3))) void page_printf(struct page_text *page, const char *format,
                                                       ...);
/* A JSON string with its quotes. */
void page_quoted(struct page_text *page, const char *text);
/* Takes the first bytes away. */
void page_drop(struct page_text *page, size_t len);
void page_text_free(struct page_text *page);

#endif
