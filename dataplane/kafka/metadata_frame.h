/* The frame of a record in the metadata log: what the value of such a record starts with.
 *
 * Unsigned varints: frame version (1), record key, record version; then the body, whose codec is
 * in messages.h. Source: MetadataRecordSerde, AbstractApiMessageSerde in Kafka. Pure; any thread.
 */
#ifndef DATAPLANE_KAFKA_METADATA_FRAME_H
#define DATAPLANE_KAFKA_METADATA_FRAME_H

#include "dataplane/kafka/primitives.h"

/* What the schema says of one kind of record. Generated; constant. */
struct metadata_record_info {
    const char *name; /* "TopicRecord" */
    int16_t key;      /* enum metadata_record_key. */
    int16_t version_min;
    int16_t version_max;
};

/* By ascending key. Defined in generated code. */
extern const struct metadata_record_info metadata_record_table[];
extern const uint32_t metadata_record_count;

/* The entry of key, or NULL. */
const struct metadata_record_info *metadata_record_find(int16_t key);

/* Writes the frame; the body of this version follows. */
void metadata_frame_encode(struct writer *writer, int16_t key, int16_t version);

/* Reads the frame; the reader then stands at the body. CODEC_VERSION: a frame version, record or
 * record version that is not in the schema; *key and *version are set as far as they were read. */
MUST_USE enum codec_status metadata_frame_decode(struct reader *reader, int16_t *key,
                                                 int16_t *version);

#endif
