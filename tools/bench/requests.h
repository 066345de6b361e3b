/* The requests a benchmark sends, in versions that every broker of the comparison speaks. */
#ifndef TOOLS_BENCH_REQUESTS_H
#define TOOLS_BENCH_REQUESTS_H

#include "tools/bench/payload.h"
#include "tools/bench/peer.h"

/* Creates options->topic with its partitions and configs and waits until it has leaders; an
 * existing topic is used as it is. False with a message on stderr. */
MUST_USE bool requests_create_topic(struct peer *peer, const struct bench_options *options);
void requests_delete_topic(struct peer *peer, const char *topic);

/* Fills a produce request of one batch. The partition's head is encoded once per call; the batch
 * itself stays where it lies. */
void requests_produce(struct peer_request *request, const char *topic, uint32_t partition,
                      struct bytes batch, int16_t acks);

/* The answer's only partition. False when it is malformed. */
MUST_USE bool requests_produce_answer(struct bytes frame, int16_t *error, int64_t *base_offset);

void requests_fetch(struct peer_request *request, const char *topic, uint32_t partition,
                    int64_t offset, uint32_t bytes_max, int32_t wait_ms_max);

/* The answer's only partition; *records is a view of frame, the last batch of it may be cut. */
MUST_USE bool requests_fetch_answer(struct bytes frame, int16_t *error, int64_t *high_watermark,
                                    struct bytes *records);

/* Earliest (-2) or latest (-1) offset; -1 on failure. */
int64_t requests_list_offset(struct peer *peer, const char *topic, uint32_t partition,
                             int64_t timestamp);

#endif
