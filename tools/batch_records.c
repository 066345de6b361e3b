#include "tools/batch_records.h"

#include <stdlib.h>

enum {
    ROOM_BYTES_FIRST = 4 << 20,
    ROOM_BYTES_MAX = 1 << 30,
    WINDOW_BYTES = 128 << 20, /* The largest zstd makes without being asked to. */
};

static void make_room(struct batch_records *records, size_t need)
{
    if (records->room_bytes < need) {
        free(records->room);
        records->room = malloc(need);
        ASSERT(records->room != NULL && "no memory");
        records->room_bytes = need;
    }
}

static bool inflate_batch(struct batch_records *records, struct bytes body, enum batch_codec codec,
                          struct bytes *out)
{
    if (codec >= BATCH_CODECS) {
        return false;
    }
    if (records->inflate == NULL) {
        const size_t bytes = round_up(inflate_memory_bytes(WINDOW_BYTES), 64);
        void *memory = aligned_alloc(64, bytes);
        ASSERT(memory != NULL && "no memory");
        records->inflate = inflate_init(memory, WINDOW_BYTES);
    }
    for (size_t need = max_u64(records->room_bytes, ROOM_BYTES_FIRST); need <= ROOM_BYTES_MAX;
         need *= 2) {
        uint32_t len = 0;
        make_room(records, need);
        const enum inflate_status status = inflate_all(records->inflate, codec, chain_of(&body),
                                                       records->room, (uint32_t)need, &len);
        *out = (struct bytes){records->room, len};
        if (status != INFLATE_TOO_LARGE) {
            return status == INFLATE_END;
        }
    }
    return false;
}

bool batch_records_open(struct batch_records *records, struct bytes batch,
                        const struct batch_header *header, struct record_cursor *cursor)
{
    struct bytes body = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    const enum batch_codec codec = batch_codec(header);
    if (codec != BATCH_CODEC_NONE && !inflate_batch(records, body, codec, &body)) {
        return false;
    }
    *cursor = record_cursor_of(body, header->record_count);
    return header->record_count >= 0;
}

void batch_records_free(struct batch_records *records)
{
    free(records->room);
    free(records->inflate);
    *records = (struct batch_records){0};
}
