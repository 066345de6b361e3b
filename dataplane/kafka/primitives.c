#include "dataplane/kafka/primitives.h"

const struct bytes chain_nothing = {.ptr = (const uint8_t *)"", .len = 0};

const char *codec_status_name(enum codec_status status)
{
    static const char *const names[] = {
        [CODEC_OK] = "ok",           [CODEC_SHORT] = "short",
        [CODEC_INVALID] = "invalid", [CODEC_VERSION] = "version",
        [CODEC_FULL] = "full",       [CODEC_UNREPRESENTABLE] = "unrepresentable",
    };
    return names[status];
}

/* Goes to the next piece that has bytes; there is one, as reader->later is not 0. */
static void reader_next_piece(struct reader *reader)
{
    do {
        reader->piece++;
    } while (reader->piece->len == 0);
    const uint32_t here = min_u32(reader->piece->len, reader->later);
    reader->at = reader->piece->ptr;
    reader->end = reader->at + here;
    reader->later -= here;
}

void reader_fail(struct reader *reader, enum codec_status status)
{
    if (reader->status == CODEC_OK) {
        reader->status = status;
    }
    reader->at = reader->end; /* Nothing can be read from here on. */
    reader->later = 0;
}

uint64_t reader_seam(struct reader *reader, uint32_t count)
{
    if (reader_left(reader) < count) {
        reader_fail(reader, CODEC_SHORT);
        return 0;
    }
    uint64_t value = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (reader->at == reader->end) {
            reader_next_piece(reader);
        }
        value = value << 8 | *reader->at++;
    }
    return value;
}

uint32_t reader_uvarint_slow(struct reader *reader)
{
    uint32_t value = 0;
    for (uint32_t shift = 0; shift < 35; shift += 7) {
        const uint8_t byte = (uint8_t)reader_i8(reader);
        if (shift == 28 && byte > 0x0f) {
            break;
        }
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    reader_fail(reader, CODEC_INVALID);
    return 0;
}

void reader_skip(struct reader *reader, uint32_t count)
{
    if (reader_left(reader) < count) {
        reader_fail(reader, CODEC_SHORT);
        return;
    }
    uint32_t here = (uint32_t)(reader->end - reader->at);
    while (count > here) {
        count -= here;
        reader_next_piece(reader);
        here = (uint32_t)(reader->end - reader->at);
    }
    reader->at += count;
}

struct chain reader_view(struct reader *reader, uint32_t count)
{
    if (count == 0) {
        return CHAIN_EMPTY;
    }
    if (reader_has(reader, count)) { /* In one piece: nearly always. */
        const struct chain view = {.parts = reader->piece,
                                   .offset = (uint32_t)(reader->at - reader->piece->ptr),
                                   .len = count};
        reader->at += count;
        return view;
    }
    if (reader_left(reader) < count) {
        reader_fail(reader, CODEC_SHORT);
        return CHAIN_EMPTY;
    }
    if (reader->at == reader->end) {
        reader_next_piece(reader);
    }
    const struct chain view = {.parts = reader->piece,
                               .offset = (uint32_t)(reader->at - reader->piece->ptr),
                               .len = count};
    reader_skip(reader, count);
    return view;
}

struct uuid reader_uuid(struct reader *reader)
{
    struct uuid id = {0};
    if (reader_has(reader, sizeof(id.bytes))) {
        memcpy(id.bytes, reader->at, sizeof(id.bytes));
        reader->at += sizeof(id.bytes);
        return id;
    }
    store_be64(id.bytes, reader_seam(reader, 8));
    store_be64(id.bytes + 8, reader_seam(reader, 8));
    return id;
}

/* What is common to strings, blobs and arrays: a length, or -1 for null, as which Kafka reads any
 * negative length. */
static int64_t reader_length(struct reader *reader, int64_t length, bool nullable, uint32_t max)
{
    if (length < 0 && nullable) {
        return -1;
    }
    if (length < 0 || length > max) {
        reader_fail(reader, CODEC_INVALID);
        return 0;
    }
    return length;
}

/* Not inlined: the functions below then need no frame of their own where all lies in one piece. */
static NOINLINE struct chain reader_body(struct reader *reader, int64_t length, bool nullable,
                                         uint32_t max)
{
    length = reader_length(reader, length, nullable, max);
    return length < 0 ? CHAIN_NULL : reader_view(reader, (uint32_t)length);
}

/* The view of a length that was just read. */
static inline struct chain reader_text(struct reader *reader, int64_t length, bool nullable,
                                       uint32_t max)
{
    if (LIKELY(length > 0 && length <= max && reader_has(reader, (size_t)length))) {
        const struct chain view = {.parts = reader->piece,
                                   .offset = (uint32_t)(reader->at - reader->piece->ptr),
                                   .len = (uint32_t)length};
        reader->at += length;
        return view;
    }
    return reader_body(reader, length, nullable, max);
}

struct chain reader_string(struct reader *reader, bool compact, bool nullable, uint32_t bytes_max)
{
    return reader_text(reader,
                       compact ? (int64_t)reader_uvarint(reader) - 1 : (int64_t)reader_i16(reader),
                       nullable, bytes_max);
}

struct chain reader_bytes(struct reader *reader, bool compact, bool nullable, uint32_t bytes_max)
{
    return reader_text(reader,
                       compact ? (int64_t)reader_uvarint(reader) - 1 : (int64_t)reader_i32(reader),
                       nullable, bytes_max);
}

static NOINLINE int32_t reader_odd_count(struct reader *reader, int64_t count, bool nullable,
                                         uint32_t count_max)
{
    count = reader_length(reader, count, nullable, count_max);
    if (count > reader_left(reader)) {
        reader_fail(reader, CODEC_SHORT);
        return 0;
    }
    return (int32_t)count;
}

int32_t reader_count(struct reader *reader, bool compact, bool nullable, uint32_t count_max)
{
    const int64_t count =
        compact ? (int64_t)reader_uvarint(reader) - 1 : (int64_t)reader_i32(reader);
    if (LIKELY(count >= 0 && count <= count_max && count <= reader_left(reader))) {
        return (int32_t)count;
    }
    return reader_odd_count(reader, count, nullable, count_max);
}

struct reader_tag reader_tag_begin(struct reader *reader)
{
    struct reader_tag tag = {.number = reader_uvarint(reader)};
    const uint32_t size = reader_uvarint(reader);
    const uint32_t left = reader_left(reader);
    if (size > left) {
        reader_fail(reader, CODEC_SHORT);
        return tag;
    }
    tag.left_after = left - size;
    return tag;
}

void reader_tag_end(struct reader *reader, struct reader_tag tag)
{
    if (reader_left(reader) != tag.left_after) {
        reader_fail(reader, CODEC_INVALID);
    }
}

void reader_tag_skip(struct reader *reader, struct reader_tag tag)
{
    if (reader->status == CODEC_OK) {
        reader_skip(reader, reader_left(reader) - tag.left_after);
    }
}

void reader_tags_skip_slow(struct reader *reader)
{
    const uint32_t count = reader_uvarint(reader);
    for (uint32_t i = 0; i < count && reader->status == CODEC_OK; i++) {
        reader_tag_skip(reader, reader_tag_begin(reader));
    }
}

void writer_init(struct writer *writer, void *buffer, size_t size)
{
    ASSERT(size <= UINT32_MAX);
    *writer = (struct writer){.base = buffer, .at = buffer, .status = CODEC_OK};
    writer->end = writer->base + size;
}

void writer_init_count(struct writer *writer)
{
    *writer = (struct writer){.base = NULL, .status = CODEC_OK};
}

void writer_use_splices(struct writer *writer, struct splice *splices, uint32_t splices_max)
{
    writer->splices = splices;
    writer->splices_max = splices_max;
}

void writer_fail(struct writer *writer, enum codec_status status)
{
    if (writer->status == CODEC_OK) {
        writer->status = status;
    }
    writer->end = writer->at; /* Nothing can be written from here on. */
}

uint8_t *writer_beyond(struct writer *writer, uint32_t count)
{
    if (writer->base == NULL) {
        writer->counted_bytes += count;
    } else {
        writer_fail(writer, CODEC_FULL);
    }
    return NULL;
}

void writer_uvarint_slow(struct writer *writer, uint32_t value)
{
    while (value >= 0x80) {
        writer_i8(writer, (int8_t)(value | 0x80));
        value >>= 7;
    }
    writer_i8(writer, (int8_t)value);
}

void writer_uuid(struct writer *writer, struct uuid value)
{
    uint8_t *to = writer_take(writer, sizeof(value.bytes));
    if (to != NULL) {
        memcpy(to, value.bytes, sizeof(value.bytes));
    }
}

void writer_raw(struct writer *writer, struct chain chain)
{
    if (chain.len == 0) {
        return;
    }
    uint8_t *to = writer_take(writer, chain.len);
    if (to != NULL) {
        ASSERT(chain.parts != NULL); /* A length alone can only be spliced. */
        chain_copy(chain, to, chain.len);
    }
}

/* The length prefix; false when there is nothing behind it. */
HOT_INLINE bool writer_length(struct writer *writer, bool compact, bool nullable,
                              struct chain value, bool is_string)
{
    int64_t length = value.len;
    if (chain_is_null(value)) {
        if (!nullable) {
            writer_fail(writer, CODEC_UNREPRESENTABLE);
            return false;
        }
        length = -1;
    }
    if (length > (is_string ? INT16_MAX : INT32_MAX)) {
        writer_fail(writer, CODEC_UNREPRESENTABLE);
        return false;
    }
    if (compact) {
        writer_uvarint(writer, (uint32_t)(length + 1));
    } else if (is_string) {
        writer_i16(writer, (int16_t)length);
    } else {
        writer_i32(writer, (int32_t)length);
    }
    return length > 0;
}

void writer_string(struct writer *writer, bool compact, bool nullable, struct chain value)
{
    if (writer_length(writer, compact, nullable, value, true)) {
        writer_raw(writer, value);
    }
}

void writer_bytes_field(struct writer *writer, bool compact, bool nullable, struct chain value)
{
    if (writer_length(writer, compact, nullable, value, false)) {
        writer_raw(writer, value);
    }
}

void writer_records(struct writer *writer, bool compact, bool nullable, struct chain value)
{
    if (!writer_length(writer, compact, nullable, value, false)) {
        return;
    }
    if (writer->splices == NULL) {
        writer_raw(writer, value);
        return;
    }
    if (writer->splice_count == writer->splices_max) {
        writer_fail(writer, CODEC_FULL);
        return;
    }
    if (writer->status == CODEC_OK) {
        writer->splices[writer->splice_count++] =
            (struct splice){.offset = writer_used(writer), .records = value};
        writer->spliced_bytes += value.len;
    }
}

void writer_tag(struct writer *writer, uint32_t number, uint64_t value_bytes)
{
    if (value_bytes > UINT32_MAX) {
        writer_fail(writer, CODEC_UNREPRESENTABLE);
        return;
    }
    writer_uvarint(writer, number);
    writer_uvarint(writer, (uint32_t)value_bytes);
}

/* The three functions of an array of `type`, whose elements have size_bytes each on the wire. */
#define ARRAY_FUNCTIONS(name, type, size_bytes)                                               \
    bool name##_array_next(struct name##_array *array, type *item)                            \
    {                                                                                         \
        if (array->count <= 0) {                                                              \
            return false;                                                                     \
        }                                                                                     \
        array->count--;                                                                       \
        *item = array->items != NULL ? *array->items++ : reader_##name(&array->at);           \
        return true;                                                                          \
    }                                                                                         \
    struct name##_array name##_array_read(struct reader *reader, bool compact, bool nullable, \
                                          uint32_t max)                                       \
    {                                                                                         \
        ASSERT_HOT(max <= UINT32_MAX / (size_bytes));                                         \
        struct name##_array array = {.count = reader_count(reader, compact, nullable, max)};  \
        array.at = *reader;                                                                   \
        if (array.count > 0) {                                                                \
            reader_skip(reader, (uint32_t)array.count *(size_bytes));                         \
        }                                                                                     \
        return array;                                                                         \
    }                                                                                         \
    void name##_array_write(struct writer *writer, bool compact, bool nullable,               \
                            struct name##_array array)                                        \
    {                                                                                         \
        writer_count(writer, compact, nullable, array.count);                                 \
        type item;                                                                            \
        while (name##_array_next(&array, &item)) {                                            \
            writer_##name(writer, item);                                                      \
        }                                                                                     \
    }

ARRAY_FUNCTIONS(i8, int8_t, 1)
ARRAY_FUNCTIONS(i16, int16_t, 2)
ARRAY_FUNCTIONS(i32, int32_t, 4)
ARRAY_FUNCTIONS(i64, int64_t, 8)
ARRAY_FUNCTIONS(uuid, struct uuid, 16)

bool string_array_next(struct string_array *array, struct chain *item)
{
    if (array->count <= 0) {
        return false;
    }
    array->count--;
    *item = array->items != NULL ? *array->items++
                                 : reader_string(&array->at, array->compact, false, UINT32_MAX);
    return true;
}

struct string_array string_array_read(struct reader *reader, bool compact, bool nullable,
                                      uint32_t max, uint32_t bytes_max)
{
    struct string_array array = {.count = reader_count(reader, compact, nullable, max),
                                 .compact = compact};
    array.at = *reader;
    for (int32_t i = 0; i < array.count && reader->status == CODEC_OK; i++) {
        (void)reader_string(reader, compact, false, bytes_max);
    }
    return array;
}

void string_array_write(struct writer *writer, bool compact, bool nullable,
                        struct string_array array)
{
    writer_count(writer, compact, nullable, array.count);
    struct chain item;
    while (string_array_next(&array, &item)) {
        writer_string(writer, compact, false, item);
    }
}
