/* Reads records of one topic, partition by partition, from where it is told to.
 *
 * One fetch per leader and round; batches are inflated and records handed out one by one. Records
 * of control batches are skipped. Blocking; not thread-safe.
 */
#ifndef TOOLS_CLIENT_CONSUMER_H
#define TOOLS_CLIENT_CONSUMER_H

#include "tools/batch_records.h"
#include "tools/client/client.h"

enum consumer_from {
    CONSUMER_FROM_BEGIN,
    CONSUMER_FROM_END,
    CONSUMER_FROM_OFFSET, /* value */
    CONSUMER_FROM_TAIL,   /* The last `value` records of each partition. */
    CONSUMER_FROM_TIME,   /* The first record at or after `value` ms. */
};

struct consumer_start {
    enum consumer_from from;
    int64_t value;
};

/* "begin", "end", "-N", "N", "@MILLISECONDS" or "@2026-01-31T12:00:00Z" (also "s@..." as kcat has
 * it). False when it is none. */
MUST_USE bool consumer_start_parse(const char *text, struct consumer_start *start);

struct consumer_partition {
    int32_t index;
    int64_t next; /* Offset of the next record to hand out. */
    int64_t end;  /* Last known end. */
    int64_t stop; /* Where to stop; INT64_MAX: never. */
};

/* One record; views valid during the call. */
struct consumer_record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    bool log_append_time;
    struct bytes key;
    struct bytes value;
    struct bytes headers; /* Encoded; record_header_next walks it. */
};

/* What the caller does with records. */
struct consumer_sink {
    /* False stops the round at once. */
    bool (*take)(void *context, const struct consumer_record *record);
    void *context;
};

struct consumer {
    struct client *client;     /* Borrowed. */
    struct client_topic topic; /* Owned. */
    struct consumer_partition *partitions;
    uint32_t partition_count;
    uint32_t turn; /* Which partition comes first in the next fetch. */
    bool stop_at_end;
    struct batch_records inflated;
    uint64_t record_count;
    uint64_t byte_count;
};

/* wanted: partitions to read, or count 0 for all. stop_at_end: consumer_done() once each partition
 * has reached what was its end now. */
MUST_USE bool consumer_open(struct consumer *consumer, struct client *client, const char *topic,
                            const int32_t *wanted, uint32_t wanted_count,
                            struct consumer_start start, bool stop_at_end);
void consumer_close(struct consumer *consumer);

/* One round: waits at most wait_ms for records and hands them out. True also when none came. */
MUST_USE bool consumer_poll(struct consumer *consumer, uint32_t wait_ms,
                            const struct consumer_sink *sink);

/* Every partition has reached its stop. */
bool consumer_done(const struct consumer *consumer);

/* Offsets still to go to the stops, for progress. */
uint64_t consumer_left(const struct consumer *consumer);

#endif
