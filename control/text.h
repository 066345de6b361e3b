/* Texts that somebody owns: what coordinators keep of what requests said. Heap.
 *
 * A NULL ptr is no text, which is another thing than an empty one.
 */
#ifndef CONTROL_TEXT_H
#define CONTROL_TEXT_H

#include "storage/base/bytes.h"

/* Owned copies; no text stays none. */
struct bytes text_copy(struct bytes from);
struct bytes text_copy_chain(struct chain from);
/* *text is none then. */
void text_free(struct bytes *text);
/* to may be part of what *text was. */
void text_set(struct bytes *text, struct bytes to);

/* Bytewise, as memcmp; the shorter of two that begin alike goes first. */
int text_order(struct bytes a, struct bytes b);
/* sorted is in that order. */
bool text_within(struct bytes text, const struct bytes *sorted, uint32_t count);

#endif
