/* The requests a benchmark sends, in versions that every broker of the comparison speaks. */
#ifndef TOOLS_BENCH_REQUESTS_H
#define TOOLS_BENCH_REQUESTS_H

#include "dataplane/kafka/messages.h"
#include "tools/bench/payload.h"
#include "tools/bench/peer.h"

/* A request of any API: into the head of request, from behind peer_begin on. */
void requests_open(struct writer *writer, struct peer_request *request, int16_t key,
                   int16_t version);
/* One that the head has no room for: into memory of the caller, the body of the request then. */
void requests_open_in(struct writer *writer, void *memory, size_t capacity,
                      const struct peer_request *request, int16_t key, int16_t version);
void requests_close(struct writer *writer, struct peer_request *request);
#define REQUESTS_ENCODE(request, key, name, version, message)          \
    do {                                                               \
        struct writer encode_writer;                                   \
        requests_open(&encode_writer, request, key, version);          \
        (void)name##_request_encode(&encode_writer, version, message); \
        requests_close(&encode_writer, request);                       \
    } while (0)

/* True when the answer is decoded, a view of frame, which is an lvalue that stays. */
MUST_USE bool requests_answer_open(struct reader *reader, const struct bytes *frame, int16_t key,
                                   int16_t version);
#define REQUESTS_DECODE(frame, key, name, version, message)                       \
    __extension__({                                                               \
        struct reader decode_reader;                                              \
        requests_answer_open(&decode_reader, &(frame), key, version) &&           \
            name##_response_decode(&decode_reader, version, message) == CODEC_OK; \
    })

/* Creates options->topic with its partitions and configs and waits until it has leaders; an
 * existing topic is used as it is. False with a message on stderr. */
MUST_USE bool requests_create_topic(struct peer *peer, const struct bench_options *options);
void requests_delete_topic(struct peer *peer, const char *topic);

/* Fills a produce request of one batch. The partition's head is encoded once per call; the batch
 * itself stays where it lies. */
void requests_produce(struct peer_request *request, const char *topic, uint32_t partition,
                      struct bytes batch, int16_t acks);

/* The same as part of a transaction: of transaction.version 2, the partition joins it by that. */
void requests_produce_txn(struct peer_request *request, const char *transactional_id,
                          const char *topic, uint32_t partition, struct bytes batch);

/* The answer's only partition, of either. False when it is malformed. */
MUST_USE bool requests_produce_answer(struct bytes frame, int16_t *error, int64_t *base_offset);

void requests_fetch(struct peer_request *request, const char *topic, uint32_t partition,
                    int64_t offset, uint32_t bytes_max, int32_t wait_ms_max);

/* The answer's only partition; *records is a view of frame, the last batch of it may be cut. */
MUST_USE bool requests_fetch_answer(struct bytes frame, int16_t *error, int64_t *high_watermark,
                                    struct bytes *records);

/* Earliest (-2) or latest (-1) offset; -1 on failure. */
int64_t requests_list_offset(struct peer *peer, const char *topic, uint32_t partition,
                             int64_t timestamp);

enum requests_coordinator { REQUESTS_GROUP = 0, REQUESTS_TRANSACTION = 1 };

/* Waits until the coordinator of that group or transactional id is there. False with a message on
 * stderr. */
MUST_USE bool requests_find_coordinator(struct peer *peer, enum requests_coordinator kind,
                                        const char *key);

#endif
