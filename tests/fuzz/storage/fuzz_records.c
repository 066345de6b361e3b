/* Record bytes: the reader of whole records and the scanner of slices must agree. */
#include "storage/record/record.h"
#include "tests/fuzz/storage/fuzz_target.h"

/* True when all records were read and nothing was left over. */
static bool read_whole(struct bytes records, int32_t count, uint64_t *sum)
{
    struct record_cursor cursor = record_cursor_of(records, count);
    struct record record;
    enum record_status status;
    while ((status = record_next(&cursor, &record)) == RECORD_OK) {
        *sum +=
            record.size_bytes + record.key.len + record.value.len + (uint64_t)record.offset_delta;
        struct record_header header;
        int32_t headers = 0;
        while (record_header_next(&record.headers, &header)) {
            headers++;
        }
        ASSERT(headers == record.header_count);
    }
    return status == RECORD_END;
}

static bool scan_cut(struct bytes records, int32_t count, uint32_t piece, uint64_t *sum)
{
    struct record_scan scan;
    record_scan_begin(&scan, count);
    for (uint32_t at = 0; at < records.len; at += piece) {
        struct bytes slice = {records.ptr + at, min_u32(piece, records.len - at)};
        while (slice.len > 0) {
            struct record_meta meta;
            const enum record_status status = record_scan_feed(&scan, &slice, &meta);
            if (status == RECORD_BAD) {
                return false;
            }
            if (status == RECORD_OK) {
                *sum += meta.size_bytes + (uint64_t)(meta.key_bytes < 0 ? 0 : meta.key_bytes) +
                        (uint64_t)(meta.value_bytes < 0 ? 0 : meta.value_bytes) +
                        (uint64_t)meta.offset_delta;
            }
        }
    }
    return scan.left == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 << 20) {
        return 0;
    }
    const struct bytes records = {data + 2, (uint32_t)size - 2};
    uint64_t whole = 0;
    uint64_t cut = 0;
    const bool a = read_whole(records, data[0], &whole);
    const bool b = scan_cut(records, data[0], data[1] % 40 + 1u, &cut);
    ASSERT(a == b);
    ASSERT(!a || whole == cut);
    return 0;
}

size_t fuzz_seed(uint32_t index, uint8_t *to, size_t capacity)
{
    static uint8_t plain[4096];
    const struct batch_options options = batch_options_none();
    const struct bytes key = {(const uint8_t *)"key", 3};
    const struct record_header headers[] = {{key, key}, {key, {0}}};
    struct batch_builder builder;
    if (index >= 4) {
        return 0;
    }
    batch_builder_init(&builder, plain, (uint32_t)min_u64(sizeof(plain), capacity), &options);
    for (uint32_t i = 0; i <= index; i++) {
        (void)batch_builder_add(&builder, (int64_t)i << (i * 20), i == 1 ? (struct bytes){0} : key,
                                (struct bytes){plain, i * 40}, headers, (int32_t)i % 3);
    }
    to[0] = (uint8_t)builder.header.record_count;
    to[1] = (uint8_t)(3 + index);
    memcpy(to + 2, plain + BATCH_HEADER_BYTES, builder.used - BATCH_HEADER_BYTES);
    return builder.used - BATCH_HEADER_BYTES + 2;
}
