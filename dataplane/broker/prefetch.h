/* What a core looks at next, fetched ahead. With thousands of small produces in flight each of them
 * has left the cache when it is answered, and when its memory serves the next one: a core that goes
 * from one to another waits for a dozen lines of each. Here it asks for those of the next while it
 * is busy with one. Nothing of a request is read: what is not there is asked for in vain. */
#ifndef DATAPLANE_BROKER_PREFETCH_H
#define DATAPLANE_BROKER_PREFETCH_H

#include "dataplane/broker/state.h"

/* The lines of a request that hold its bytes [from, to). */
HOT_INLINE void prefetch_lines(const struct request *request, size_t from, size_t to)
{
    const uint8_t *at = (const uint8_t *)request;
    for (size_t line = from / CACHE_LINE_BYTES * CACHE_LINE_BYTES; line < to;
         line += CACHE_LINE_BYTES) {
        __builtin_prefetch(at + line, 1);
    }
}

/* The line that holds a field of a request. */
#define PREFETCH_LINE_OF(of, field) \
    prefetch_lines(of, offsetof(struct request, field), offsetof(struct request, field) + 1)

/* What request_create and those that start a small produce write. NULL: none. */
HOT_INLINE void prefetch_created(const struct request *next)
{
    if (LIKELY(next != NULL)) {
        prefetch_lines(next, 0, offsetof(struct request, pieces[1]));
        PREFETCH_LINE_OF(next, body_of);
        prefetch_lines(next, offsetof(struct request, first),
                       offsetof(struct request, first.append.private_job));
    }
}

/* What operation_append_done looks at. NULL: none. */
HOT_INLINE void prefetch_appended(const struct append *next)
{
    if (next == NULL || next->internal) {
        return;
    }
    struct operation *operation = next->owner;
    const struct request *request = CONTAINER_OF(operation, const struct request, first);
    __builtin_prefetch(&operation->request, 1);
    PREFETCH_LINE_OF(request, node);
    PREFETCH_LINE_OF(request, row);
    PREFETCH_LINE_OF(request, pending);
    PREFETCH_LINE_OF(request, body_of);
}

/* What an answer is made of, of the next in the order of a connection. */
HOT_INLINE void prefetch_answered(struct list_node *next)
{
    const struct request *request = CONTAINER_OF(next, const struct request, node);
    PREFETCH_LINE_OF(request, node);
    PREFETCH_LINE_OF(request, row);
    PREFETCH_LINE_OF(request, pieces);
    prefetch_lines(request, offsetof(struct request, first.index_asked),
                   offsetof(struct request, first.append.stage_ns));
}

#endif
