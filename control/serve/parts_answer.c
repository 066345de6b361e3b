#include "control/serve/parts_answer.h"

#include <stdlib.h>

#include "dataplane/slowpath/channel.h"

/* False: the answer is too long, or cannot be said. */
static bool bit_build(struct parts_answer *answer, parts_answer_write *write, void *context)
{
    struct writer writer;
    writer_init_count(&writer);
    write(context, &writer, answer->next);
    const uint64_t needed = answer->len + writer_bytes(&writer);
    if (writer.status != CODEC_OK || needed > SLOW_REPLY_BYTES_MAX) {
        return false;
    }
    if (needed > answer->capacity) {
        answer->capacity = (uint32_t)max_u64(needed, 2 * (uint64_t)answer->capacity);
        answer->body = realloc(answer->body, answer->capacity);
        ASSERT(answer->body != NULL);
    }
    writer_init(&writer, answer->body + answer->len, needed - answer->len);
    write(context, &writer, answer->next);
    answer->len += writer_used(&writer);
    answer->errors += writer.errors;
    answer->next++;
    return writer.status == CODEC_OK;
}

bool parts_answer_build(struct parts_answer *answer, uint32_t bit_count, parts_answer_write *write,
                        void *context, uint32_t bytes_max)
{
    enum { BIT_BYTES = 64 }; /* Of work, however little is said. */
    const uint32_t from = answer->len;
    for (uint32_t i = 0; answer->next < bit_count && !answer->failed; i++) {
        if (answer->len - from + i * BIT_BYTES >= bytes_max) {
            return false;
        }
        answer->failed = !bit_build(answer, write, context);
    }
    return true;
}
