#include "dataplane/kafka/produce_one.h"

enum {
    VERSION_MIN = 9, /* The first of compact form, and the last that is known. */
    VERSION_MAX = 13,
    TOPIC_IDS_FROM = 13,
    /* Before the topic: transactional id, acks, timeout, number of topics. */
    AT_ACKS = 1,
    AT_TIMEOUT = 3,
    AT_TOPICS = 7,
    AT_TOPIC = 8,
    UUID_BYTES = 16,
    /* Behind it: number of partitions, partition; behind the records: three empty sections. */
    PARTITION_BYTES = 5,
    TAGS_BYTES = 3,
    COMPACT_NULL = 0,
    COMPACT_EMPTY = 1,
    COMPACT_ONE = 2, /* Counts and lengths are one more than they mean. */
};

_Static_assert((int)PRODUCE_ONE_HEAD_BYTES_MIN >= 8 + 16, "as some_bytes_equal wants it");
_Static_assert(AT_TOPIC + 2 + PRODUCE_ONE_NAME_BYTES_MAX + 40 < PRODUCE_ONE_ANSWER_BYTES_MAX,
               "an answer fits");

/* The length in front of the records, up to three bytes of it (2 MiB), which are there to be read.
 * Returns its bytes; 0: it is not such a one. */
HOT_INLINE uint32_t records_length(const uint8_t *at, uint32_t *length)
{
    uint32_t value = at[0] & 0x7fu;
    uint32_t bytes = 1;
    if (LIKELY(at[0] >= 0x80)) {
        value |= (at[1] & 0x7fu) << 7;
        bytes = 2;
        if (at[1] >= 0x80) {
            value |= (uint32_t)at[2] << 14;
            bytes = at[2] < 0x80 ? 3 : 0;
        }
    }
    *length = value;
    return bytes;
}

/* What stands behind the topic. */
HOT_INLINE bool rest_decode(const uint8_t *at, const uint8_t *end,
                            struct produce_one_request *request)
{
    uint32_t length;
    if (end - at < PARTITION_BYTES + TAGS_BYTES || *at != COMPACT_ONE) {
        return false;
    }
    request->partition = (int32_t)load_be32(at + 1);
    at += PARTITION_BYTES;
    const uint32_t length_bytes = records_length(at, &length);
    at += length_bytes;
    if (length_bytes == 0 || length < COMPACT_ONE || end - at != (int64_t)length - 1 + TAGS_BYTES ||
        (end[-1] | end[-2] | end[-3]) != 0) {
        return false;
    }
    request->records = (struct bytes){at, length - 1};
    return true;
}

LINK_INLINE bool produce_one_decode(struct bytes body, int16_t version,
                                    struct produce_one_request *request)
{
    const uint8_t *at = body.ptr;
    if (version < VERSION_MIN || version > VERSION_MAX || body.len < AT_TOPIC + UUID_BYTES ||
        at[0] != COMPACT_NULL || at[AT_TOPICS] != COMPACT_ONE) {
        return false;
    }
    const uint8_t *end = at + body.len;
    request->acks = (int16_t)load_be16(at + AT_ACKS);
    request->timeout_ms = (int32_t)load_be32(at + AT_TIMEOUT);
    at += AT_TOPIC;
    if (version >= TOPIC_IDS_FROM) {
        request->topic_name = (struct bytes){.ptr = at};
        memcpy(request->topic_id.bytes, at, UUID_BYTES);
        at += UUID_BYTES;
    } else {
        const uint32_t name_len = (uint32_t)*at++ - 1;
        if (name_len - 1 >= PRODUCE_ONE_NAME_BYTES_MAX || name_len > end - at) {
            return false; /* Empty or long, too. */
        }
        request->topic_id = (struct uuid){{0}};
        request->topic_name = (struct bytes){at, name_len};
        at += name_len;
    }
    return rest_decode(at, end, request);
}

LINK_INLINE bool produce_one_rest_decode(const struct produce_one_head *head, struct bytes frame,
                                         struct produce_one_request *request)
{
    return rest_decode(frame.ptr + head->bytes, frame.ptr + frame.len, request);
}

void produce_one_head_keep(struct produce_one_head *head, struct bytes frame,
                           const struct produce_one_request *request)
{
    const bool by_name = request->topic_name.len > 0;
    const uint8_t *end =
        request->topic_name.ptr + (by_name ? request->topic_name.len : (uint32_t)UUID_BYTES);
    const uint32_t bytes = (uint32_t)(end - frame.ptr);
    ASSERT_HOT(bytes < frame.len);
    head->bytes = 0;
    if (bytes >= PRODUCE_ONE_HEAD_BYTES_MIN && bytes <= PRODUCE_ONE_HEAD_BYTES_MAX) {
        memcpy(head->frame, frame.ptr, bytes);
        head->bytes = bytes;
    }
}

LINK_INLINE uint32_t produce_one_encode(uint8_t to[PRODUCE_ONE_ANSWER_BYTES_MAX], int16_t version,
                                        const struct produce_one_answer *answer)
{
    ASSERT_HOT(version >= VERSION_MIN && answer->topic_name.len <= PRODUCE_ONE_NAME_BYTES_MAX);
    uint8_t *at = to + 4;
    store_be32(at, (uint32_t)answer->correlation_id);
    at[4] = 0; /* Tags of the header. */
    at[5] = COMPACT_ONE;
    at += 6;
    if (version >= TOPIC_IDS_FROM) {
        memcpy(at, answer->topic_id.bytes, UUID_BYTES);
        at += UUID_BYTES;
    } else {
        *at++ = (uint8_t)(answer->topic_name.len + 1);
        few_bytes_copy(at, answer->topic_name.ptr, answer->topic_name.len);
        at += answer->topic_name.len;
    }
    at[0] = COMPACT_ONE;
    store_be32(at + 1, (uint32_t)answer->partition);
    store_be16(at + 5, 0); /* Error. */
    store_be64(at + 7, (uint64_t)answer->base_offset);
    store_be64(at + 15, (uint64_t)answer->log_append_time_ms);
    store_be64(at + 23, (uint64_t)answer->log_start_offset);
    at[31] = COMPACT_EMPTY; /* Records to blame. */
    at[32] = COMPACT_NULL;  /* Message. */
    at[33] = 0;             /* Tags of the partition, and of the topic. */
    at[34] = 0;
    store_be32(at + 35, 0); /* Throttle time. */
    at[39] = 0;             /* Tags. */
    at += 40;
    store_be32(to, (uint32_t)(at - to) - 4);
    return (uint32_t)(at - to);
}
