#include "dataplane/kafka/frame.h"

enum {
    API_VERSIONS_KEY = 18,
};

enum frame_status frame_size(struct chain stream, uint32_t bytes_max, uint32_t *frame_bytes)
{
    if (stream.len < FRAME_PREFIX_BYTES) {
        return FRAME_PARTIAL;
    }
    uint8_t prefix[FRAME_PREFIX_BYTES];
    chain_copy(stream, prefix, sizeof(prefix));
    const uint32_t size = load_be32(prefix);
    if (size < FRAME_BYTES_MIN || size > min_u32(bytes_max, INT32_MAX)) {
        return FRAME_BAD;
    }
    *frame_bytes = size;
    return FRAME_READY;
}

enum frame_status frame_next(struct chain stream, uint32_t bytes_max, struct chain *frame)
{
    uint32_t size;
    const enum frame_status status = frame_size(stream, bytes_max, &size);
    if (status != FRAME_READY) {
        return status;
    }
    if (stream.len - FRAME_PREFIX_BYTES < size) {
        return FRAME_PARTIAL;
    }
    *frame = chain_take(chain_skip(stream, FRAME_PREFIX_BYTES), size);
    return FRAME_READY;
}

const struct api_info *api_find(int16_t key)
{
    uint32_t low = 0;
    uint32_t high = api_count;
    if (key >= 0 && (uint32_t)key < high && api_table[key].key == key) {
        return &api_table[key]; /* Produce and all others before the first gap. */
    }
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (api_table[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < api_count && api_table[low].key == key ? &api_table[low] : NULL;
}

LINK_INLINE uint32_t request_header_usual(const struct bytes *piece, uint32_t offset, uint32_t len,
                                          struct request_header *header)
{
    enum { AT_VERSION = 2, AT_CORRELATION_ID = 4, AT_TEXT_LENGTH = 8, AT_TEXT = 10 };
    const uint8_t *at = piece->ptr + offset;
    if (len < AT_TEXT) {
        return 0;
    }
    const struct api_info *api = api_find((int16_t)load_be16(at));
    const int16_t version = (int16_t)load_be16(at + AT_VERSION);
    const uint32_t text_len = load_be16(at + AT_TEXT_LENGTH);
    if (api == NULL || !api_has_version(api, version) || text_len - 1 >= INT16_MAX) {
        return 0;
    }
    const bool tags = version >= api->flexible_min;
    const uint32_t bytes = AT_TEXT + text_len + tags;
    if (len < bytes || (tags && at[bytes - 1] != 0)) {
        return 0;
    }
    header->api = api;
    header->api_version = version;
    header->version_known = true;
    header->correlation_id = (int32_t)load_be32(at + AT_CORRELATION_ID);
    header->client_id = (struct chain){.parts = piece, .offset = offset + AT_TEXT, .len = text_len};
    return bytes;
}

enum codec_status request_header_decode(struct reader *reader, struct request_header *header)
{
    const uint32_t usual_bytes =
        request_header_usual(reader->piece, (uint32_t)(reader->at - reader->piece->ptr),
                             (uint32_t)(reader->end - reader->at), header);
    if (LIKELY(usual_bytes > 0)) {
        reader->at += usual_bytes;
        return CODEC_OK;
    }
    const int16_t key = reader_i16(reader);
    const int16_t version = reader_i16(reader);
    if (reader->status != CODEC_OK) {
        return reader->status;
    }
    const struct api_info *api = api_find(key);
    if (api == NULL || (!api_has_version(api, version) && key != API_VERSIONS_KEY)) {
        reader_fail(reader, CODEC_VERSION);
        return reader->status;
    }
    *header = (struct request_header){.api = api,
                                      .api_version = version,
                                      .version_known = api_has_version(api, version),
                                      .correlation_id = reader_i32(reader),
                                      /* Never compact, not even in the flexible header. */
                                      .client_id = reader_string(reader, false, true, INT16_MAX)};
    if (version >= api->flexible_min) {
        reader_tags_skip(reader);
    }
    return reader->status;
}

void request_begin(struct writer *writer, const struct api_info *api, int16_t version,
                   int32_t correlation_id, struct chain client_id)
{
    writer_i32(writer, 0);
    writer_i16(writer, api->key);
    writer_i16(writer, version);
    writer_i32(writer, correlation_id);
    writer_string(writer, false, true, client_id);
    if (version >= api->flexible_min) {
        writer_uvarint(writer, 0);
    }
}

/* A client must understand the answer before it knows what the broker speaks (KIP-511). */
static bool response_header_is_flexible(const struct api_info *api, int16_t version)
{
    return version >= api->flexible_min && api->key != API_VERSIONS_KEY;
}

void response_begin(struct writer *writer, const struct api_info *api, int16_t version,
                    int32_t correlation_id)
{
    writer_i32(writer, 0);
    writer_i32(writer, correlation_id);
    if (response_header_is_flexible(api, version)) {
        writer_uvarint(writer, 0);
    }
}

enum codec_status frame_end(struct writer *writer)
{
    const uint64_t bytes = writer_bytes(writer);
    if (bytes > (uint64_t)INT32_MAX + FRAME_PREFIX_BYTES) {
        writer_fail(writer, CODEC_UNREPRESENTABLE);
    }
    if (writer->status == CODEC_OK && writer->base != NULL) {
        store_be32(writer->base, (uint32_t)(bytes - FRAME_PREFIX_BYTES));
    }
    return writer->status;
}

enum codec_status response_header_decode(struct reader *reader, const struct api_info *api,
                                         int16_t version, int32_t *correlation_id)
{
    *correlation_id = reader_i32(reader);
    if (response_header_is_flexible(api, version)) {
        reader_tags_skip(reader);
    }
    return reader->status;
}
