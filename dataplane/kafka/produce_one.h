/* The usual Produce: one topic, one partition, no transaction, version 9 or later. Read and
 * answered by itself, at a third of what the codec of every shape (messages.h) takes; whatever is
 * not of this shape is that codec's.
 *
 * Source: kafka/schema/produce.msg; the tests compare both codecs byte by byte. Pure; any thread.
 */
#ifndef DATAPLANE_KAFKA_PRODUCE_ONE_H
#define DATAPLANE_KAFKA_PRODUCE_ONE_H

#include "dataplane/kafka/few_bytes.h"
#include "dataplane/kafka/messages.h"

enum {
    PRODUCE_ONE_NAME_BYTES_MAX = 126, /* Longer ones take a second byte of length. */
    PRODUCE_ONE_ANSWER_BYTES_MAX = 192,
    PRODUCE_ONE_ANSWER_BYTES_MIN = 52, /* With a name of one byte. */
};

struct produce_one_request {
    struct bytes topic_name; /* To version 12; a view of the body. */
    struct uuid topic_id;    /* From version 13. */
    struct bytes records;    /* A view of the body. */
    int32_t timeout_ms;
    int32_t partition;
    int16_t acks;
};

/* body: the request behind its header, in one piece. False: of another shape, good or bad. */
MUST_USE bool produce_one_decode(struct bytes body, int16_t version,
                                 struct produce_one_request *request);

/* Clients say the same again and again: all of a frame before its partitions, but for the
 * correlation id, kept to know the next one by. A frame that begins so has the same version, acks,
 * timeout and topic at the same places, and only its rest is read. */
enum { PRODUCE_ONE_HEAD_BYTES_MIN = 24, PRODUCE_ONE_HEAD_BYTES_MAX = 128 };

struct produce_one_head {
    uint32_t bytes; /* 0: none is kept. */
    uint8_t frame[PRODUCE_ONE_HEAD_BYTES_MAX];
};

/* Keeps that of the frame, of which produce_one_decode has read what is behind its header. One that
 * is too short or too long is not kept. */
void produce_one_head_keep(struct produce_one_head *head, struct bytes frame,
                           const struct produce_one_request *request);

/* The frame begins so. It has FRAME_BYTES_MIN bytes at least. */
HOT_INLINE bool produce_one_head_begins(const struct produce_one_head *head, struct bytes frame)
{
    enum { AT_CORRELATION_ID = 4, BEHIND_CORRELATION_ID = 8 };
    return head->bytes != 0 && head->bytes < frame.len &&
           few_load(head->frame, AT_CORRELATION_ID) == few_load(frame.ptr, AT_CORRELATION_ID) &&
           some_bytes_equal(head->frame + BEHIND_CORRELATION_ID, frame.ptr + BEHIND_CORRELATION_ID,
                            head->bytes - BEHIND_CORRELATION_ID);
}

/* The rest of a frame that begins so: partition and records. False: not of that shape. */
MUST_USE bool produce_one_rest_decode(const struct produce_one_head *head, struct bytes frame,
                                      struct produce_one_request *request);

/* That the records are in the log. */
struct produce_one_answer {
    int32_t correlation_id;
    struct bytes topic_name; /* As asked; at most PRODUCE_ONE_NAME_BYTES_MAX. */
    struct uuid topic_id;
    int32_t partition;
    int64_t base_offset;
    int64_t log_append_time_ms;
    int64_t log_start_offset;
};

/* Writes the whole frame, its length too. Returns its bytes. version: 9 or later. */
uint32_t produce_one_encode(uint8_t to[PRODUCE_ONE_ANSWER_BYTES_MAX], int16_t version,
                            const struct produce_one_answer *answer);

#endif
