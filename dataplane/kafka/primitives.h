/* Kafka's primitive types: a bounded, zero-copy reader over a chain and a writer into flat memory.
 *
 * Types and forms: the protocol guide of Kafka; compact lengths, tagged fields: KIP-482. Pure: no
 * I/O, no clock, no allocation; any thread. Both sides are sticky: after the first failure every
 * later call does nothing, so callers ask for the status once, at the end.
 *
 * How a broker uses the generated messages (see schema/gen.py for what is generated):
 *
 *     struct reader reader;
 *     struct request_header header;
 *     struct produce_request request;
 *     reader_init(&reader, frame);                          // frame: a chain of views
 *     if (request_header_decode(&reader, &header) != CODEC_OK ||
 *         produce_request_decode(&reader, header.api_version, &request) != CODEC_OK)
 *         return close_connection(...);
 *     struct produce_request_topic topic;                   // All is validated: next cannot fail.
 *     struct produce_request_partition partition;
 *     while (produce_request_topic_array_next(&request.topic_data, &topic))
 *         while (produce_request_partition_array_next(&topic.partition_data, &partition))
 *             append(topic.name, partition.index, partition.records);   // chains: views of frame
 *
 *     struct splice splices[64];                            // Leave them out to have data copied.
 *     struct writer writer;
 *     writer_init(&writer, buffer, sizeof(buffer));
 *     writer_use_splices(&writer, splices, ARRAY_SIZE(splices));
 *     response_begin(&writer, header.api, header.api_version, header.correlation_id);
 *     struct fetch_response response = fetch_response_default;
 *     fetch_response_encode_begin(&writer, version, &response, topic_count);
 *     for each topic {
 *         fetch_response_topic_encode_begin(&writer, version, &topic, partition_count);
 *         for each partition {
 *             struct fetch_response_partition p = fetch_response_partition_default;
 *             p.records = (struct chain){.len = extent_bytes};  // Only the length: sent by splice.
 *             fetch_response_partition_encode(&writer, version, &p);
 *         }
 *         fetch_response_topic_encode_end(&writer, version, &topic);
 *     }
 *     fetch_response_encode_end(&writer, version, &response);
 *     if (frame_end(&writer) != CODEC_OK) ...            // Patches the length, splices included.
 *     // Send buffer[0 .. splices[0].offset), then the records of splices[0], then the buffer on.
 */
#ifndef DATAPLANE_KAFKA_PRIMITIVES_H
#define DATAPLANE_KAFKA_PRIMITIVES_H

#include "storage/base/bytes.h"
#include "storage/base/uuid.h"

enum codec_status {
    CODEC_OK,
    CODEC_SHORT,           /* The bytes end inside a field. */
    CODEC_INVALID,         /* A length, count, null or tag that the schema forbids. */
    CODEC_VERSION,         /* An API or version that is not in the schema. */
    CODEC_FULL,            /* The writer's buffer or its splice list is too small. */
    CODEC_UNREPRESENTABLE, /* A value that this version neither carries nor may drop. */
};

/* "ok", "short" ... for logs. */
const char *codec_status_name(enum codec_status status);

/* Strings and blobs are chains. All zero is null; an empty one has parts, but no length. */
extern const struct bytes chain_nothing;
#define CHAIN_EMPTY ((struct chain){.parts = &chain_nothing})
#define CHAIN_NULL  ((struct chain){.parts = NULL})
/* A string literal as chain; it lives for ever. */
#define CHAIN_TEXT(literal)                                                                       \
    ({                                                                                            \
        static const struct bytes chain_text = {(const uint8_t *)(literal), sizeof(literal) - 1}; \
        chain_of(&chain_text);                                                                    \
    })

static inline bool chain_is_null(struct chain chain)
{
    return chain.parts == NULL && chain.len == 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *at;
    const uint8_t *end;        /* Of the current piece. */
    const struct bytes *piece; /* View. */
    uint32_t later;            /* Bytes behind the current piece. */
    enum codec_status status;
};

/* Reads chain from its start; the chain's memory must outlive all that is decoded from it. */
HOT_INLINE void reader_init(struct reader *reader, struct chain chain)
{
    const struct bytes first = chain_first(chain);
    reader->at = chain.len == 0 ? chain_nothing.ptr : first.ptr;
    reader->end = reader->at + first.len;
    reader->piece = chain.len == 0 ? &chain_nothing : chain.parts;
    reader->later = chain.len - first.len;
    reader->status = CODEC_OK;
}

/* Bytes not yet read; 0 after a failure. */
static inline uint32_t reader_left(const struct reader *reader)
{
    return (uint32_t)(reader->end - reader->at) + reader->later;
}

void reader_fail(struct reader *reader, enum codec_status status);

/* The next count (1 to 8) bytes as a big-endian number, across pieces; 0 on failure. */
uint64_t reader_seam(struct reader *reader, uint32_t count);
uint32_t reader_uvarint_slow(struct reader *reader);

/* The next count bytes as a view. */
struct chain reader_view(struct reader *reader, uint32_t count);
void reader_skip(struct reader *reader, uint32_t count);

HOT_INLINE bool reader_has(const struct reader *reader, size_t count)
{
    return LIKELY((size_t)(reader->end - reader->at) >= count);
}

HOT_INLINE int8_t reader_i8(struct reader *reader)
{
    return reader_has(reader, 1) ? (int8_t)*reader->at++ : (int8_t)reader_seam(reader, 1);
}

static inline bool reader_bool(struct reader *reader)
{
    return reader_i8(reader) != 0;
}

HOT_INLINE uint16_t reader_u16(struct reader *reader)
{
    if (reader_has(reader, 2)) {
        reader->at += 2;
        return load_be16(reader->at - 2);
    }
    return (uint16_t)reader_seam(reader, 2);
}

HOT_INLINE int16_t reader_i16(struct reader *reader)
{
    return (int16_t)reader_u16(reader);
}

HOT_INLINE int32_t reader_i32(struct reader *reader)
{
    if (reader_has(reader, 4)) {
        reader->at += 4;
        return (int32_t)load_be32(reader->at - 4);
    }
    return (int32_t)reader_seam(reader, 4);
}

HOT_INLINE int64_t reader_i64(struct reader *reader)
{
    if (reader_has(reader, 8)) {
        reader->at += 8;
        return (int64_t)load_be64(reader->at - 8);
    }
    return (int64_t)reader_seam(reader, 8);
}

/* At most five bytes; more than 32 bits are invalid. */
HOT_INLINE uint32_t reader_uvarint(struct reader *reader)
{
    if (reader_has(reader, 1) && *reader->at < 0x80) {
        return *reader->at++;
    }
    if (reader_has(reader, 2) && reader->at[1] < 0x80) {
        reader->at += 2;
        return (uint32_t)(reader->at[-2] & 0x7f) | (uint32_t)reader->at[-1] << 7;
    }
    return reader_uvarint_slow(reader);
}

struct uuid reader_uuid(struct reader *reader);

/* compact: the length is an unsigned varint of length + 1, else a plain integer; null is 0 or -1.
 * A null where it is not nullable, or a length above bytes_max, is invalid. */
struct chain reader_string(struct reader *reader, bool compact, bool nullable, uint32_t bytes_max);
struct chain reader_bytes(struct reader *reader, bool compact, bool nullable, uint32_t bytes_max);

/* An array's count, -1 for null. No element is smaller than a byte: a count that cannot fit into
 * what is left is short at once. */
int32_t reader_count(struct reader *reader, bool compact, bool nullable, uint32_t count_max);

/* A tagged section is: count = reader_uvarint(), then count times begin, the value, end. */
struct reader_tag {
    uint32_t number;
    uint32_t left_after; /* reader_left() where the value ends. */
};
struct reader_tag reader_tag_begin(struct reader *reader);
/* The value must have been read exactly. */
void reader_tag_end(struct reader *reader, struct reader_tag tag);
/* Skips the value of an unknown tag. */
void reader_tag_skip(struct reader *reader, struct reader_tag tag);
void reader_tags_skip_slow(struct reader *reader);

/* A tagged section of which nothing is known. */
HOT_INLINE void reader_tags_skip(struct reader *reader)
{
    if (reader_has(reader, 1) && *reader->at == 0) {
        reader->at++;
        return;
    }
    reader_tags_skip_slow(reader);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Records that go out from where they lie: `records` belongs behind the first `offset` bytes of
 * the writer's buffer. Without parts it is only a length, and the caller knows the bytes. */
struct splice {
    uint32_t offset;
    struct chain records;
};

struct writer {
    uint8_t *base; /* Borrowed. NULL: only counts. */
    uint8_t *at;
    uint8_t *end;
    struct splice *splices; /* Borrowed; NULL: records are copied into the buffer. */
    uint32_t splices_max;
    uint32_t splice_count;
    uint64_t spliced_bytes;
    uint64_t counted_bytes;
    uint32_t errors; /* Error codes written that are not NONE. */
    enum codec_status status;
};

/* Writes into buffer, at most size bytes (below 4 GiB). */
void writer_init(struct writer *writer, void *buffer, size_t size);

/* Writes nothing, only counts: writer_bytes() tells the size, records included. */
void writer_init_count(struct writer *writer);

/* Every non-empty `records` field becomes a splice. */
void writer_use_splices(struct writer *writer, struct splice *splices, uint32_t splices_max);

void writer_fail(struct writer *writer, enum codec_status status);

/* Takes note of a write that did not fit: counts it, or fails. NULL always. */
uint8_t *writer_beyond(struct writer *writer, uint32_t count);

/* Bytes in the buffer. */
static inline uint32_t writer_used(const struct writer *writer)
{
    return (uint32_t)(writer->at - writer->base);
}

/* Bytes of the message: in the buffer, spliced and counted. */
static inline uint64_t writer_bytes(const struct writer *writer)
{
    return (uint64_t)(writer->at - writer->base) + writer->spliced_bytes + writer->counted_bytes;
}

HOT_INLINE uint8_t *writer_take(struct writer *writer, uint32_t count)
{
    if (LIKELY((size_t)(writer->end - writer->at) >= count)) {
        writer->at += count;
        return writer->at - count;
    }
    return writer_beyond(writer, count);
}

HOT_INLINE void writer_i8(struct writer *writer, int8_t value)
{
    uint8_t *to = writer_take(writer, 1);
    if (LIKELY(to != NULL)) {
        *to = (uint8_t)value;
    }
}

static inline void writer_bool(struct writer *writer, bool value)
{
    writer_i8(writer, value);
}

HOT_INLINE void writer_u16(struct writer *writer, uint16_t value)
{
    uint8_t *to = writer_take(writer, 2);
    if (LIKELY(to != NULL)) {
        store_be16(to, value);
    }
}

HOT_INLINE void writer_i16(struct writer *writer, int16_t value)
{
    writer_u16(writer, (uint16_t)value);
}

/* Every field called error_code: so whoever encodes knows how many there are. */
static inline void writer_error_code(struct writer *writer, int16_t code)
{
    writer->errors += code != 0;
    writer_i16(writer, code);
}

HOT_INLINE void writer_i32(struct writer *writer, int32_t value)
{
    uint8_t *to = writer_take(writer, 4);
    if (LIKELY(to != NULL)) {
        store_be32(to, (uint32_t)value);
    }
}

HOT_INLINE void writer_i64(struct writer *writer, int64_t value)
{
    uint8_t *to = writer_take(writer, 8);
    if (LIKELY(to != NULL)) {
        store_be64(to, (uint64_t)value);
    }
}

void writer_uvarint_slow(struct writer *writer, uint32_t value);

HOT_INLINE void writer_uvarint(struct writer *writer, uint32_t value)
{
    if (LIKELY(value < 0x80)) {
        writer_i8(writer, (int8_t)value);
    } else {
        writer_uvarint_slow(writer, value);
    }
}

void writer_uuid(struct writer *writer, struct uuid value);
void writer_raw(struct writer *writer, struct chain chain);

/* A null where it is not nullable, or a string over 32767 bytes, is unrepresentable. */
void writer_string(struct writer *writer, bool compact, bool nullable, struct chain value);
void writer_bytes_field(struct writer *writer, bool compact, bool nullable, struct chain value);
/* As bytes, but spliced where the writer has splices. */
void writer_records(struct writer *writer, bool compact, bool nullable, struct chain value);

/* count < 0 is null. */
HOT_INLINE void writer_count(struct writer *writer, bool compact, bool nullable, int32_t count)
{
    if (UNLIKELY(count < 0 && !nullable)) {
        writer_fail(writer, CODEC_UNREPRESENTABLE);
    } else if (compact) {
        writer_uvarint(writer, count < 0 ? 0 : (uint32_t)count + 1);
    } else {
        writer_i32(writer, count < 0 ? -1 : count);
    }
}

void writer_tag(struct writer *writer, uint32_t number, uint64_t value_bytes);

/* --- arrays of primitives --------------------------------------------------------------------- */

/* Every array, of primitives here and of structs in messages.h, has this shape:
 * - to encode, set items (borrowed) and count; count -1 is null;
 * - a decoded one has items NULL and reads its elements from the frame. It is its own cursor:
 *   `next` counts down. Copy the struct to walk twice. Both kinds can be walked and encoded. */
struct string_array {
    const struct chain *items;
    struct reader at;
    int32_t count;
    bool compact;
};

struct i8_array {
    const int8_t *items;
    struct reader at;
    int32_t count;
};

struct i16_array {
    const int16_t *items;
    struct reader at;
    int32_t count;
};

struct i32_array {
    const int32_t *items;
    struct reader at;
    int32_t count;
};

struct i64_array {
    const int64_t *items;
    struct reader at;
    int32_t count;
};

struct uuid_array {
    const struct uuid *items;
    struct reader at;
    int32_t count;
};

/* The next element, or false at the end. Cannot fail: decoding has validated all elements. */
bool i8_array_next(struct i8_array *array, int8_t *item);
bool i16_array_next(struct i16_array *array, int16_t *item);
bool i32_array_next(struct i32_array *array, int32_t *item);
bool i64_array_next(struct i64_array *array, int64_t *item);
bool uuid_array_next(struct uuid_array *array, struct uuid *item);
bool string_array_next(struct string_array *array, struct chain *item);

/* For the generated code. */
struct i8_array i8_array_read(struct reader *reader, bool compact, bool nullable, uint32_t max);
struct i16_array i16_array_read(struct reader *reader, bool compact, bool nullable, uint32_t max);
struct i32_array i32_array_read(struct reader *reader, bool compact, bool nullable, uint32_t max);
struct i64_array i64_array_read(struct reader *reader, bool compact, bool nullable, uint32_t max);
struct uuid_array uuid_array_read(struct reader *reader, bool compact, bool nullable, uint32_t max);
struct string_array string_array_read(struct reader *reader, bool compact, bool nullable,
                                      uint32_t max, uint32_t bytes_max);
void i8_array_write(struct writer *writer, bool compact, bool nullable, struct i8_array array);
void i16_array_write(struct writer *writer, bool compact, bool nullable, struct i16_array array);
void i32_array_write(struct writer *writer, bool compact, bool nullable, struct i32_array array);
void i64_array_write(struct writer *writer, bool compact, bool nullable, struct i64_array array);
void uuid_array_write(struct writer *writer, bool compact, bool nullable, struct uuid_array array);
void string_array_write(struct writer *writer, bool compact, bool nullable,
                        struct string_array array);

#endif
