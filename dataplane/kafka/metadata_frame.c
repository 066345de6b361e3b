#include "dataplane/kafka/metadata_frame.h"

enum {
    METADATA_FRAME_VERSION = 1,
};

const struct metadata_record_info *metadata_record_find(int16_t key)
{
    for (uint32_t i = 0; i < metadata_record_count; i++) {
        if (metadata_record_table[i].key == key) {
            return &metadata_record_table[i];
        }
    }
    return NULL;
}

void metadata_frame_encode(struct writer *writer, int16_t key, int16_t version)
{
    ASSERT(metadata_record_find(key) != NULL);
    writer_uvarint(writer, METADATA_FRAME_VERSION);
    writer_uvarint(writer, (uint32_t)key);
    writer_uvarint(writer, (uint32_t)version);
}

enum codec_status metadata_frame_decode(struct reader *reader, int16_t *key, int16_t *version)
{
    const uint32_t frame_version = reader_uvarint(reader);
    const uint32_t record_key = reader_uvarint(reader);
    const uint32_t record_version = reader_uvarint(reader);
    *key = (int16_t)min_u32(record_key, INT16_MAX);
    *version = (int16_t)min_u32(record_version, INT16_MAX);
    const struct metadata_record_info *info = metadata_record_find(*key);
    if (frame_version != METADATA_FRAME_VERSION || info == NULL || *version < info->version_min ||
        *version > info->version_max) {
        reader_fail(reader, CODEC_VERSION);
    }
    return reader->status;
}
