/* The answer to an OffsetFetch, made of parts: a group may have a million offsets, and nobody else
 * is to wait while they are told. What is known of a group is added piece by piece and encoded at
 * once; when all is there, the pieces are put together, again a part at a time. Heap; one thread.
 */
#ifndef CONTROL_SERVE_FETCH_ANSWER_H
#define CONTROL_SERVE_FETCH_ANSWER_H

#include "control/arena.h"
#include "dataplane/kafka/messages.h"

struct fetch_answer;

/* Before version 8 there is one group. hash_seed: secret from clients. NULL: no memory. */
struct fetch_answer *fetch_answer_new(int16_t version, uint32_t group_count, uint64_t hash_seed);
void fetch_answer_free(struct fetch_answer *answer);

/* More of that group; an error is all that is told of it. Borrowed until return. merges: topics
 * that were there before are the same ones; else each is told as it comes, as often as it was asked
 * for. */
void fetch_answer_add(struct fetch_answer *answer, uint32_t group,
                      const struct offset_fetch_response_group *more, bool merges);

/* At least the bytes of the whole. */
uint64_t fetch_answer_bytes(const struct fetch_answer *answer);

/* Puts about so many bytes more together; true: that is all. */
MUST_USE bool fetch_answer_build(struct fetch_answer *answer, uint32_t bytes_max);

/* The whole, given; *errors: error codes in it that are not NONE. Once, when it is built. NULL: it
 * cannot be said in that version. */
uint8_t *fetch_answer_take(struct fetch_answer *answer, uint32_t *len, uint32_t *errors);

#endif
