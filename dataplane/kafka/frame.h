/* Kafka framing: cuts the byte stream into requests and responses, and reads and writes headers.
 *
 * On the wire a frame is a big-endian int32 length and that many bytes: a header, then the message.
 * Pure: no I/O, no allocation, no clock; any thread. Sources: Kafka's RequestHeader.json,
 * ResponseHeader.json, NetworkReceive.java; KIP-511 for the exception of ApiVersions.
 */
#ifndef DATAPLANE_KAFKA_FRAME_H
#define DATAPLANE_KAFKA_FRAME_H

#include "dataplane/kafka/primitives.h"

enum {
    FRAME_PREFIX_BYTES = 4,
    FRAME_BYTES_MIN = 4, /* A response header alone: the correlation id. */
};

enum frame_status {
    FRAME_READY,   /* The answer is there. */
    FRAME_PARTIAL, /* More bytes are needed; nothing was consumed. */
    FRAME_BAD,     /* The length is out of range: the caller closes the connection. */
};

/* Reads the length of the frame at the start of stream, so that memory can be reserved for it
 * before its bytes are there.
 *
 * bytes_max    socket.request.max.bytes.
 * frame_bytes  on FRAME_READY the length without the prefix; otherwise untouched.
 */
MUST_USE enum frame_status frame_size(struct chain stream, uint32_t bytes_max,
                                      uint32_t *frame_bytes);

/* Looks for one whole frame at the start of stream.
 *
 * stream  received bytes in order; borrowed.
 * frame   on FRAME_READY a view into stream, without the prefix; otherwise untouched.
 */
MUST_USE enum frame_status frame_next(struct chain stream, uint32_t bytes_max, struct chain *frame);

/* What the schema says of one API. Generated from the schema; all data is constant. */
struct api_info {
    const char *name; /* Kafka's name: "ListOffsets". */
    int16_t key;
    int16_t version_min; /* What is decoded. */
    int16_t version_max;
    int16_t advertised_min; /* What ApiVersions tells: Produce says 0, serves 3 and up. */
    int16_t flexible_min;   /* From here on compact and tagged; above version_max: never. */
};

/* By ascending key. Defined in generated code. */
extern const struct api_info api_table[];
extern const uint32_t api_count;

/* The same of APIs that have a codec and no handler: no request of theirs is taken. */
extern const struct api_info api_table_undispatched[];
extern const uint32_t api_count_undispatched;

/* The entry of key in api_table, or NULL. */
const struct api_info *api_find(int16_t key);

static inline bool api_has_version(const struct api_info *api, int16_t version)
{
    return version >= api->version_min && version <= api->version_max;
}

struct request_header {
    const struct api_info *api;
    int16_t api_version;
    bool version_known; /* False only for ApiVersions: answer version 0, error 35 (KIP-511). */
    int32_t correlation_id;
    struct chain client_id; /* View of the frame; may be null. */
};

/* Reads a request's header; the reader then stands at the message. Of an unknown ApiVersions
 * version the rest is not to be parsed.
 *
 * CODEC_VERSION: an API or version that is not served. As after every failure the caller closes
 * the connection without an answer.
 */
MUST_USE enum codec_status request_header_decode(struct reader *reader,
                                                 struct request_header *header);

/* The same of nearly every header, in the len bytes of *piece from offset on: of what is served,
 * with a client id and without tags. Returns its bytes; 0: another one, good or bad. */
MUST_USE uint32_t request_header_usual(const struct bytes *piece, uint32_t offset, uint32_t len,
                                       struct request_header *header);

/* Starts a request frame: length (patched by frame_end) and header. The client's side. */
void request_begin(struct writer *writer, const struct api_info *api, int16_t version,
                   int32_t correlation_id, struct chain client_id);

/* Starts a response frame: length (patched by frame_end) and header. writer is empty. */
void response_begin(struct writer *writer, const struct api_info *api, int16_t version,
                    int32_t correlation_id);

/* Patches the length prefix, spliced bytes included, and tells how the whole encoding went. */
MUST_USE enum codec_status frame_end(struct writer *writer);

/* Reads a response's header; the reader then stands at the message. The client's side. */
MUST_USE enum codec_status response_header_decode(struct reader *reader, const struct api_info *api,
                                                  int16_t version, int32_t *correlation_id);

#endif
