#include "storage/record/record.h"

enum {
    VARINT_SHIFT_MAX = 28,  /* Of the fifth and last byte. */
    VARLONG_SHIFT_MAX = 63, /* Of the tenth and last byte. */
};

static uint32_t unsigned_write(uint8_t *to, uint64_t value)
{
    uint32_t used = 0;
    while (value > 0x7f) {
        to[used++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[used++] = (uint8_t)value;
    return used;
}

static uint32_t unsigned_bytes(uint64_t value)
{
    return (70 - (uint32_t)__builtin_clzll(value | 1)) / 7;
}

/* Bytes read, or 0. */
static inline uint32_t unsigned_read(struct bytes from, uint32_t shift_max, uint64_t *value)
{
    uint64_t result = 0;
    uint32_t shift = 0;
    for (uint32_t i = 0; i < from.len && shift <= shift_max; i++, shift += 7) {
        result |= (uint64_t)(from.ptr[i] & 0x7f) << shift;
        if (from.ptr[i] < 0x80) {
            *value = result;
            return i + 1;
        }
    }
    return 0;
}

static inline uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t unzigzag_64(uint64_t value)
{
    return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

/* Bits above 32 are dropped, as Java's int arithmetic does. */
static inline int32_t unzigzag_32(uint64_t value)
{
    const uint32_t low = (uint32_t)value;
    return (int32_t)((low >> 1) ^ (0 - (low & 1)));
}

uint32_t record_varint_write(uint8_t *to, int32_t value)
{
    return unsigned_write(to, (uint32_t)zigzag(value));
}

uint32_t record_varlong_write(uint8_t *to, int64_t value)
{
    return unsigned_write(to, zigzag(value));
}

uint32_t record_varint_bytes(int32_t value)
{
    return unsigned_bytes((uint32_t)zigzag(value));
}

uint32_t record_varlong_bytes(int64_t value)
{
    return unsigned_bytes(zigzag(value));
}

uint32_t record_varint_read(struct bytes from, int32_t *value)
{
    uint64_t raw;
    const uint32_t used = unsigned_read(from, VARINT_SHIFT_MAX, &raw);
    if (used > 0) {
        *value = unzigzag_32(raw);
    }
    return used;
}

uint32_t record_varlong_read(struct bytes from, int64_t *value)
{
    uint64_t raw;
    const uint32_t used = unsigned_read(from, VARLONG_SHIFT_MAX, &raw);
    if (used > 0) {
        *value = unzigzag_64(raw);
    }
    return used;
}

static inline bool take_varint(struct bytes *rest, int32_t *value)
{
    const uint32_t used = record_varint_read(*rest, value);
    rest->ptr += used;
    rest->len -= used;
    return used > 0;
}

/* A length and so many bytes; a negative length is null. */
static inline bool take_bytes(struct bytes *rest, struct bytes *bytes)
{
    int32_t len;
    if (!take_varint(rest, &len)) {
        return false;
    }
    if (len < 0) {
        *bytes = (struct bytes){0};
        return true;
    }
    if ((uint32_t)len > rest->len) {
        return false;
    }
    *bytes = (struct bytes){rest->ptr, (uint32_t)len};
    rest->ptr += len;
    rest->len -= (uint32_t)len;
    return true;
}

bool record_header_next(struct bytes *headers, struct record_header *header)
{
    struct bytes rest = *headers;
    if (rest.len == 0 || !take_bytes(&rest, &header->name) || header->name.ptr == NULL ||
        !take_bytes(&rest, &header->value)) {
        return false;
    }
    *headers = rest;
    return true;
}

/* Reads what follows the length; body is exactly that long. */
static bool parse_body(struct bytes body, struct record *record)
{
    if (body.len == 0) {
        return false;
    }
    record->attributes = (int8_t)body.ptr[0];
    struct bytes rest = {body.ptr + 1, body.len - 1};
    const uint32_t used = record_varlong_read(rest, &record->timestamp_delta_ms);
    rest.ptr += used;
    rest.len -= used;
    if (used == 0 || !take_varint(&rest, &record->offset_delta) ||
        !take_bytes(&rest, &record->key) || !take_bytes(&rest, &record->value) ||
        !take_varint(&rest, &record->header_count) || record->header_count < 0) {
        return false;
    }
    record->headers = rest;
    struct record_header header;
    for (int32_t i = 0; i < record->header_count; i++) {
        if (!record_header_next(&rest, &header)) {
            return false;
        }
    }
    return rest.len == 0;
}

enum record_status record_next(struct record_cursor *cursor, struct record *record)
{
    if (cursor->left <= 0) {
        return cursor->rest.len == 0 ? RECORD_END : RECORD_BAD;
    }
    struct bytes rest = cursor->rest;
    int32_t length;
    if (!take_varint(&rest, &length) || length < 0 || (uint32_t)length > rest.len ||
        !parse_body((struct bytes){rest.ptr, (uint32_t)length}, record)) {
        return RECORD_BAD;
    }
    record->size_bytes = cursor->rest.len - rest.len + (uint32_t)length;
    cursor->rest = (struct bytes){rest.ptr + length, rest.len - (uint32_t)length};
    cursor->left--;
    return RECORD_OK;
}

/* What the next byte of a scan belongs to, in the order of a record's fields. */
enum scan_step {
    STEP_LENGTH,
    STEP_ATTRIBUTES,
    STEP_TIMESTAMP,
    STEP_OFFSET,
    STEP_KEY_LENGTH,
    STEP_KEY,
    STEP_VALUE_LENGTH,
    STEP_VALUE,
    STEP_HEADER_COUNT,
    STEP_NAME_LENGTH,
    STEP_NAME,
    STEP_HEADER_VALUE_LENGTH,
    STEP_HEADER_VALUE,
    STEP_DONE,
};

void record_scan_begin(struct record_scan *scan, int32_t record_count)
{
    ASSERT(record_count >= 0);
    *scan = (struct record_scan){.left = record_count, .step = STEP_LENGTH};
}

/* A varint that ends before `end`, which for most is one byte or, as the lengths of records of 64
 * bytes to 8 KB, two; NULL when it does not. */
static inline const uint8_t *fast_varint(const uint8_t *at, const uint8_t *end, uint32_t shift_max,
                                         uint64_t *raw)
{
    if (LIKELY(at < end && *at < 0x80)) {
        *raw = *at;
        return at + 1;
    }
    if (LIKELY(end - at >= 2 && at[1] < 0x80)) {
        *raw = (at[0] & 0x7fu) | (uint32_t)at[1] << 7;
        return at + 2;
    }
    const uint32_t used = unsigned_read((struct bytes){at, (uint32_t)(end - at)}, shift_max, raw);
    return used == 0 ? NULL : at + used;
}

/* A length and so many bytes, stepped over; NULL when they do not end before `end`. */
static inline const uint8_t *fast_skip(const uint8_t *at, const uint8_t *end, int32_t *len)
{
    uint64_t raw;
    at = fast_varint(at, end, VARINT_SHIFT_MAX, &raw);
    if (UNLIKELY(at == NULL)) {
        return NULL;
    }
    *len = unzigzag_32(raw);
    if (*len < 0) {
        return at;
    }
    return *len <= end - at ? at + *len : NULL;
}

/* What most records are: lengths of two bytes at most, other numbers of one, no headers. */
HOT_INLINE bool usual_whole(struct bytes *slice, struct record_meta *meta)
{
    enum { HEAD_BYTES = 8, BODY_LEAST_BYTES = 7, BEHIND_KEY_LEAST_BYTES = 3 };
    uint64_t head;
    if (slice->len < HEAD_BYTES) {
        return false;
    }
    memcpy(&head, slice->ptr, sizeof(head)); /* Its lowest byte comes first. */
    uint32_t length = head & 0x7f;
    uint32_t at = 1;
    if ((head & 0x80) != 0) {
        head >>= 8;
        length |= (uint32_t)(head & 0xff) << 7;
        at = 2;
    }
    const uint32_t size_bytes = at + length / 2;
    /* Not in what follows the length, nor in a second byte of it: odd and longer numbers. */
    if ((head & UINT64_C(0x8080800080)) != 0 || (length & 1) != 0 ||
        length / 2 < BODY_LEAST_BYTES || size_bytes > slice->len) {
        return false;
    }
    meta->size_bytes = size_bytes;
    meta->timestamp_delta_ms = unzigzag_64(head >> 16 & 0x7f);
    meta->offset_delta = unzigzag_32(head >> 24 & 0x7f);
    meta->key_bytes = unzigzag_32(head >> 32 & 0x7f);
    at += 4 + (meta->key_bytes > 0 ? (uint32_t)meta->key_bytes : 0);
    if (at + BEHIND_KEY_LEAST_BYTES > size_bytes) {
        return false;
    }
    uint32_t value = slice->ptr[at++];
    if (value >= 0x80) {
        const uint32_t high = slice->ptr[at++];
        value = (high & 0x80) != 0 ? 1 : (value & 0x7f) | high << 7; /* Longer: as odd ones. */
    }
    if ((value & 1) != 0 || at + value / 2 + 1 != size_bytes || slice->ptr[size_bytes - 1] != 0) {
        return false;
    }
    meta->value_bytes = (int32_t)(value / 2);
    slice->ptr += size_bytes;
    slice->len -= size_bytes;
    return true;
}

static NOINLINE bool any_whole(struct bytes *slice, struct record_meta *meta)
{
    const uint8_t *at = slice->ptr;
    uint64_t length;
    uint64_t timestamp;
    uint64_t offset;
    uint64_t headers;
    at = fast_varint(at, slice->ptr + slice->len, VARINT_SHIFT_MAX, &length);
    if (UNLIKELY(at == NULL)) {
        return false;
    }
    const int32_t body = unzigzag_32(length);
    if (UNLIKELY(body <= 0 || body > slice->ptr + slice->len - at)) {
        return false;
    }
    const uint8_t *end = at + body;
    at = fast_varint(at + 1, end, VARLONG_SHIFT_MAX, &timestamp);
    at = at == NULL ? NULL : fast_varint(at, end, VARINT_SHIFT_MAX, &offset);
    at = at == NULL ? NULL : fast_skip(at, end, &meta->key_bytes);
    at = at == NULL ? NULL : fast_skip(at, end, &meta->value_bytes);
    at = at == NULL ? NULL : fast_varint(at, end, VARINT_SHIFT_MAX, &headers);
    if (UNLIKELY(at == NULL || unzigzag_32(headers) < 0)) {
        return false;
    }
    for (int32_t left = unzigzag_32(headers); left > 0; left--) {
        int32_t len = 0;
        at = fast_skip(at, end, &len);
        at = at == NULL || len < 0 ? NULL : fast_skip(at, end, &len);
        if (UNLIKELY(at == NULL)) {
            return false;
        }
    }
    if (UNLIKELY(at != end)) {
        return false;
    }
    meta->size_bytes = (uint32_t)(end - slice->ptr);
    meta->timestamp_delta_ms = unzigzag_64(timestamp);
    meta->offset_delta = unzigzag_32(offset);
    slice->len -= meta->size_bytes;
    slice->ptr = end;
    return true;
}

LINK_INLINE bool record_next_whole(struct bytes *slice, struct record_meta *meta)
{
    if (LIKELY(usual_whole(slice, meta))) {
        return true;
    }
    struct bytes rest = *slice; /* Copies, so that the caller's may be in registers. */
    struct record_meta odd;
    if (!any_whole(&rest, &odd)) {
        return false;
    }
    *slice = rest;
    *meta = odd;
    return true;
}

/* The step after a length that was read: null and empty bytes have no step of their own. */
static void scan_skip_next(struct record_scan *scan, int32_t len)
{
    scan->skip = len > 0 ? (uint32_t)len : 0;
    scan->step++;
    if (scan->skip == 0) {
        scan->step++;
    }
}

/* After the count, or after a header: the next header or the end. */
static void scan_header_next(struct record_scan *scan)
{
    scan->step = scan->headers > 0 ? STEP_NAME_LENGTH : STEP_DONE;
}

/* Takes in a finished number. False when it cannot stand there. */
static bool scan_number(struct record_scan *scan, uint64_t raw)
{
    const int32_t number = unzigzag_32(raw);
    switch ((enum scan_step)scan->step) {
    case STEP_LENGTH:
        scan->body_bytes = number;
        scan->meta.size_bytes += (uint32_t)number;
        scan->step = STEP_ATTRIBUTES;
        return number > 0;
    case STEP_TIMESTAMP:
        scan->meta.timestamp_delta_ms = unzigzag_64(raw);
        scan->step = STEP_OFFSET;
        return true;
    case STEP_OFFSET:
        scan->meta.offset_delta = number;
        scan->step = STEP_KEY_LENGTH;
        return true;
    case STEP_KEY_LENGTH:
        scan->meta.key_bytes = number < 0 ? -1 : number;
        scan_skip_next(scan, number);
        return true;
    case STEP_VALUE_LENGTH:
        scan->meta.value_bytes = number < 0 ? -1 : number;
        scan_skip_next(scan, number);
        return true;
    case STEP_HEADER_COUNT:
        scan->headers = number;
        scan_header_next(scan);
        return number >= 0;
    case STEP_NAME_LENGTH: scan_skip_next(scan, number); return number >= 0;
    case STEP_HEADER_VALUE_LENGTH:
        scan->headers--;
        scan_skip_next(scan, number);
        if (scan->step == STEP_DONE) {
            scan_header_next(scan);
        }
        return true;
    case STEP_ATTRIBUTES:
    case STEP_KEY:
    case STEP_VALUE:
    case STEP_NAME:
    case STEP_HEADER_VALUE:
    case STEP_DONE: break;
    }
    return false;
}

/* One byte of a number; sets step on when it was the last. */
static bool scan_number_byte(struct record_scan *scan, uint8_t byte)
{
    const uint32_t shift_max = scan->step == STEP_TIMESTAMP ? VARLONG_SHIFT_MAX : VARINT_SHIFT_MAX;
    scan->value |= (uint64_t)(byte & 0x7f) << scan->shift;
    if (scan->step == STEP_LENGTH) {
        scan->meta.size_bytes++;
    }
    if (byte >= 0x80) {
        scan->shift = (uint8_t)(scan->shift + 7);
        return scan->shift <= shift_max;
    }
    const uint64_t raw = scan->value;
    scan->value = 0;
    scan->shift = 0;
    return scan_number(scan, raw);
}

/* Skips what the slice holds of a key, value or name. */
static uint32_t scan_skip(struct record_scan *scan, struct bytes slice)
{
    const uint32_t count = min_u32(scan->skip, slice.len);
    scan->skip -= count;
    if (scan->skip == 0) {
        scan->step++;
        if (scan->step == STEP_DONE) {
            scan_header_next(scan);
        }
    }
    return count;
}

/* Takes one step; false when the bytes are no record. */
static bool scan_step(struct record_scan *scan, struct bytes *slice)
{
    const bool in_body = scan->step != STEP_LENGTH;
    uint32_t used = 1;
    bool good = true;
    if (scan->step == STEP_ATTRIBUTES) {
        scan->step = STEP_TIMESTAMP;
    } else if (scan->skip > 0) {
        used = scan_skip(scan, *slice);
    } else {
        good = scan_number_byte(scan, slice->ptr[0]);
    }
    slice->ptr += used;
    slice->len -= used;
    if (in_body) {
        scan->body_bytes -= used;
    }
    return good && scan->body_bytes >= 0 &&
           (scan->step == STEP_DONE) == (scan->body_bytes == 0 && scan->step != STEP_LENGTH);
}

enum record_status record_scan_feed(struct record_scan *scan, struct bytes *slice,
                                    struct record_meta *meta)
{
    if (scan->left == 0) {
        return slice->len == 0 ? RECORD_END : RECORD_BAD;
    }
    const bool between = scan->step == STEP_LENGTH && scan->shift == 0;
    if (between && record_next_whole(slice, meta)) {
        scan->left--;
        return RECORD_OK;
    }
    if (between) {
        scan->meta = (struct record_meta){0};
    }
    while (slice->len > 0) {
        if (!scan_step(scan, slice)) {
            return RECORD_BAD;
        }
        if (scan->step == STEP_DONE) {
            scan->step = STEP_LENGTH;
            scan->left--;
            *meta = scan->meta;
            return RECORD_OK;
        }
    }
    return RECORD_MORE;
}

void record_control_key_write(uint8_t to[RECORD_CONTROL_KEY_BYTES], enum record_control_type type)
{
    store_be16(to, 0);
    store_be16(to + 2, (uint16_t)type);
}

bool record_control_key_parse(struct bytes key, int16_t *type)
{
    if (key.len < RECORD_CONTROL_KEY_BYTES || (int16_t)load_be16(key.ptr) < 0 ||
        (int16_t)load_be16(key.ptr + 2) < 0) {
        return false;
    }
    *type = (int16_t)load_be16(key.ptr + 2);
    return true;
}

void record_txn_marker_write(uint8_t to[RECORD_TXN_MARKER_BYTES], int32_t coordinator_epoch)
{
    store_be16(to, 0);
    store_be32(to + 2, (uint32_t)coordinator_epoch);
}

bool record_txn_marker_parse(struct bytes value, int32_t *coordinator_epoch)
{
    if (value.len < RECORD_TXN_MARKER_BYTES || (int16_t)load_be16(value.ptr) < 0) {
        return false;
    }
    *coordinator_epoch = (int32_t)load_be32(value.ptr + 2);
    return true;
}
