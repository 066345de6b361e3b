/* Sends records: batches per partition, sequences of an idempotent producer, retries in order.
 *
 * One request per leader is under way at a time, so a batch that is sent again cannot overtake
 * another. Blocking; not thread-safe.
 */
#ifndef TOOLS_CLIENT_PRODUCER_H
#define TOOLS_CLIENT_PRODUCER_H

#include "storage/base/random.h"
#include "storage/record/record.h"
#include "tools/client/client.h"

enum {
    PRODUCER_BATCH_BYTES = 256 << 10, /* When a partition's batch is full. */
    PRODUCER_HELD_BYTES = 4 << 20,    /* When all are sent. */
};

struct producer_options {
    int16_t acks; /* -1, 0 or 1. */
    bool idempotent;
    enum batch_codec codec;
    uint64_t seed; /* Of the spread of records without a key. */
};

struct producer_partition {
    uint8_t *buffer; /* Owned; NULL until used. */
    uint32_t capacity;
    struct batch_builder builder;
    int32_t sequence;
    struct bytes batch; /* Ready to go; len 0: none. */
    uint8_t *packed;    /* Owned: the compressed batch. */
    uint64_t record_count;
    int64_t first_offset; /* -1: none acknowledged yet, or acks=0. */
    int64_t last_offset;
};

struct producer {
    struct client *client; /* Borrowed. */
    struct producer_options options;
    struct client_topic topic; /* Owned. */
    struct producer_partition *partitions;
    int64_t producer_id;
    int16_t producer_epoch;
    struct random random;
    uint32_t sticky;     /* Where records without key go until the next flush. */
    uint64_t held_bytes; /* In batches not yet sent. */
    uint64_t sent_records;
    uint64_t sent_bytes; /* Keys and values are not counted apart: whole batches. */
};

/* Looks the topic up, lets the broker create it where it is configured to, and takes a producer id
 * when idempotent. */
MUST_USE bool producer_open(struct producer *producer, struct client *client, const char *topic,
                            const struct producer_options *options);
void producer_close(struct producer *producer);

/* Where a record goes: the key's hash as the Java client computes it, or the sticky one. */
uint32_t producer_place(struct producer *producer, struct bytes key);

/* Adds a record; sends when a batch is full. */
MUST_USE bool producer_add(struct producer *producer, uint32_t partition, int64_t timestamp_ms,
                           struct bytes key, struct bytes value,
                           const struct record_header *headers, int32_t header_count);

/* Sends all that is held and waits until it is acknowledged. */
MUST_USE bool producer_flush(struct producer *producer);

/* producer_flush, and with acks=0 waits until the brokers have read all that was sent. */
MUST_USE bool producer_finish(struct producer *producer);

#endif
