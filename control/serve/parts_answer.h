/* An answer that is written bit by bit, so many bytes of a turn: a head, one bit for each part of
 * the request, and an end. Heap; one thread.
 */
#ifndef CONTROL_SERVE_PARTS_ANSWER_H
#define CONTROL_SERVE_PARTS_ANSWER_H

#include "dataplane/kafka/primitives.h"

/* All zero is one of which nothing is written. */
struct parts_answer {
    uint8_t *body; /* Given to who sends it: NULL then. */
    uint32_t len;
    uint32_t capacity;
    uint32_t errors; /* Error codes in it that are not NONE. */
    uint32_t next;   /* The bit that is to be written. */
    bool failed;     /* It is too long, or a bit cannot be said: nothing more is written. */
};

/* Writes that bit, the same whenever it is asked. */
typedef void parts_answer_write(void *context, struct writer *writer, uint32_t bit);

/* Writes bits until there are about so many bytes more. True: that was the last, or it failed. */
MUST_USE bool parts_answer_build(struct parts_answer *answer, uint32_t bit_count,
                                 parts_answer_write *write, void *context, uint32_t bytes_max);

#endif
