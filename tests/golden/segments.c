/* Makes a data directory with our builders, for Kafka's dump tool to read.
 *
 *     golden_segments DIR
 *
 * Partitions of every codec, header, null and producer; several segments with both indexes and
 * snapshots, the last one as a running node leaves it: space set aside at the end of each file.
 * And a metadata log with every kind and version of record.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "dataplane/kafka/messages.h"
#include "storage/log/checkpoint_files.h"
#include "storage/log/index_format.h"
#include "storage/log/producer_snapshot.h"
#include "storage/log/segment_name.h"
#include "storage/record/record.h"
#include "tests/dataplane/kafka/ops.h"

enum {
    LOG_BYTES_MAX = 4 << 20,
    INDEX_BYTES_MAX = 64 << 10,
    INDEX_EVERY_BYTES = 4096,
    BATCH_BYTES_MAX = 64 << 10,
    SEGMENTS = 3,
    BATCHES_PER_SEGMENT = 60,
    ZEROS_BYTES = 8192,
    PRODUCER_ID = 4711,
    START_MS = 1700000000,
    FILLS_PER_RECORD = 4,
};

static const char *root;
static uint8_t log_room[LOG_BYTES_MAX];
static uint8_t index_room[INDEX_BYTES_MAX];
static uint8_t time_room[INDEX_BYTES_MAX];
static uint8_t plain_room[BATCH_BYTES_MAX];
static uint8_t packed_room[2 * BATCH_BYTES_MAX];
static uint8_t fill_memory[1 << 20];

/* One segment as it grows. */
struct segment {
    int64_t base_offset;
    int64_t next_offset;
    uint32_t log_bytes;
    uint32_t index_bytes;
    uint32_t time_bytes;
    uint32_t since_index;
    int64_t newest_ms;
    int64_t newest_offset;
};

static void file_write(const char *directory, const char *name, const void *bytes, size_t len,
                       size_t zeros)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/%s", root, directory);
    if (mkdir(path, 0755) != 0) {
        ASSERT(errno == EEXIST);
    }
    (void)snprintf(path, sizeof(path), "%s/%s/%s", root, directory, name);
    FILE *file = fopen(path, "wb");
    ASSERT(file != NULL);
    ASSERT(len == 0 || fwrite(bytes, 1, len, file) == len);
    for (size_t i = 0; i < zeros; i++) {
        ASSERT(fputc(0, file) == 0);
    }
    ASSERT(fclose(file) == 0);
}

static void segment_file_write(const char *directory, const struct segment *segment,
                               enum segment_file kind, const void *bytes, size_t len, size_t zeros)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name_format((struct segment_name){segment->base_offset, kind, SEGMENT_LIVE}, name);
    file_write(directory, name, bytes, len, zeros);
}

/* Times strictly grow: an entry that is not newer is left out. */
static void time_index_add(struct segment *segment)
{
    const struct bytes index = {time_room, segment->time_bytes};
    if (segment->newest_ms > time_index_last(index, segment->base_offset).timestamp_ms) {
        time_index_write(time_room + segment->time_bytes, segment->base_offset,
                         (struct time_index_entry){segment->newest_ms, segment->newest_offset});
        segment->time_bytes += TIME_INDEX_ENTRY_BYTES;
    }
}

/* Appends a batch as the log does: an index entry before it when enough lies behind the last. */
static void segment_append(struct segment *segment, struct bytes batch)
{
    struct batch_header header;
    ASSERT(batch_parse(chain_of(&batch), &header) == BATCH_OK);
    ASSERT(segment->log_bytes + batch.len <= sizeof(log_room));
    memcpy(log_room + segment->log_bytes, batch.ptr, batch.len);
    if (header.max_timestamp_ms > segment->newest_ms) {
        segment->newest_ms = header.max_timestamp_ms;
        segment->newest_offset = batch_last_offset(&header);
    }
    if (segment->since_index > INDEX_EVERY_BYTES) {
        offset_index_write(
            index_room + segment->index_bytes, segment->base_offset,
            (struct offset_index_entry){batch_last_offset(&header), segment->log_bytes});
        segment->index_bytes += OFFSET_INDEX_ENTRY_BYTES;
        time_index_add(segment);
        segment->since_index = 0;
    }
    segment->since_index += batch.len;
    segment->log_bytes += batch.len;
    segment->next_offset = batch_last_offset(&header) + 1;
}

static void segment_finish(const char *directory, struct segment *segment, bool active)
{
    if (!active) {
        time_index_add(segment);
    }
    const size_t zeros = active ? ZEROS_BYTES : 0;
    segment_file_write(directory, segment, SEGMENT_LOG, log_room, segment->log_bytes, zeros);
    segment_file_write(directory, segment, SEGMENT_INDEX, index_room, segment->index_bytes, zeros);
    segment_file_write(directory, segment, SEGMENT_TIME_INDEX, time_room, segment->time_bytes,
                       active ? zeros / TIME_INDEX_ENTRY_BYTES * TIME_INDEX_ENTRY_BYTES : 0);
}

static void snapshot_write(const char *directory, int64_t offset, int32_t last_sequence)
{
    uint8_t room[PRODUCER_SNAPSHOT_HEADER_BYTES + 2 * PRODUCER_SNAPSHOT_ENTRY_BYTES];
    const struct producer_snapshot_entry entries[2] = {
        {PRODUCER_ID, 0, last_sequence, offset - 1, 2, START_MS + offset, -1, -1},
        {PRODUCER_ID + 1, 3, -1, -1, 0, START_MS, 7, offset - 5},
    };
    producer_snapshot_write(room, 0, &entries[0]);
    producer_snapshot_write(room, 1, &entries[1]);
    producer_snapshot_seal(room, 2);
    const struct segment at = {.base_offset = offset};
    segment_file_write(directory, &at, SEGMENT_SNAPSHOT, room, sizeof(room), 0);
}

/* ---- orders-0: codecs, headers, nulls, producers, several segments --------------------------- */

/* Batch number `number` of the partition: its codec, size and attributes follow from it. */
static struct bytes batch_make(uint32_t number, int64_t offset, int32_t *sequence)
{
    struct batch_options options = batch_options_none();
    struct batch_builder builder;
    options.base_offset = offset;
    options.leader_epoch = number < BATCHES_PER_SEGMENT ? 0 : 5;
    if (number % 3 == 0) {
        options.producer_id = PRODUCER_ID;
        options.producer_epoch = 0;
        options.base_sequence = *sequence;
    }
    options.attributes = number % 17 == 16 ? BATCH_LOG_APPEND_TIME : 0;
    batch_builder_init(&builder, plain_room, sizeof(plain_room), &options);
    const struct record_header headers[2] = {{bytes_of_string("trace"), bytes_of_string("abc")},
                                             {bytes_of_string("none"), {0}}};
    const uint32_t count = 1 + number % 5;
    for (uint32_t i = 0; i < count; i++) {
        char key[32];
        char value[600];
        (void)snprintf(key, sizeof(key), "key%u", number * 10 + i);
        (void)snprintf(value, sizeof(value), "value %u of %u %0*d", i, number,
                       (int)(number * 7 % 500), 0);
        const bool newer = number % 4 != 0; /* Sometimes time stands still. */
        ASSERT(batch_builder_add(&builder, START_MS + (newer ? offset : 0) + i,
                                 i == 2 ? (struct bytes){0} : bytes_of_string(key),
                                 i == 3 ? (struct bytes){0} : bytes_of_string(value), headers,
                                 (int32_t)(i % 3)));
    }
    *sequence = number % 3 == 0 ? batch_sequence_add(*sequence, (int32_t)count) : *sequence;
    const enum batch_codec codec = (enum batch_codec)(number % BATCH_CODECS);
    if (codec == BATCH_CODEC_NONE) {
        return batch_builder_finish(&builder);
    }
    struct bytes batch;
    ASSERT(batch_builder_finish_compressed(&builder, codec, INT32_MIN, packed_room,
                                           sizeof(packed_room), &batch));
    return batch;
}

static void orders_make(void)
{
    const char *directory = "orders-0";
    int64_t offset = 0;
    int64_t epoch_start = 0;
    int32_t sequence = 0;
    char text[256];
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        struct segment segment = {
            .base_offset = offset, .next_offset = offset, .newest_ms = BATCH_NO_TIMESTAMP};
        for (uint32_t j = 0; j < BATCHES_PER_SEGMENT; j++) {
            epoch_start = i == 1 && j == 0 ? offset : epoch_start;
            segment_append(&segment, batch_make(i * BATCHES_PER_SEGMENT + j, offset, &sequence));
            offset = segment.next_offset;
        }
        segment_finish(directory, &segment, i + 1 == SEGMENTS);
        snapshot_write(directory, offset, sequence - 1);
    }
    struct text out;
    text_init(&out, text, sizeof(text));
    checkpoint_write_head(&out, 2);
    checkpoint_write_epoch(&out, &(struct checkpoint_epoch){0, 0});
    checkpoint_write_epoch(&out, &(struct checkpoint_epoch){5, epoch_start});
    file_write(directory, "leader-epoch-checkpoint", text, out.len, 0);
    text_init(&out, text, sizeof(text));
    partition_metadata_write(&out, (struct uuid){{1, 2, 3, 4, 5}});
    file_write(directory, "partition.metadata", text, out.len, 0);
}

/* ---- txn-0: transactions and their markers ----------------------------------------------------
 */

static struct bytes marker_make(int64_t offset, enum record_control_type type)
{
    struct batch_options options = batch_options_none();
    struct batch_builder builder;
    uint8_t key[RECORD_CONTROL_KEY_BYTES];
    uint8_t value[RECORD_TXN_MARKER_BYTES];
    options.base_offset = offset;
    options.leader_epoch = 0;
    options.producer_id = PRODUCER_ID;
    options.producer_epoch = 0;
    options.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    batch_builder_init(&builder, plain_room, sizeof(plain_room), &options);
    record_control_key_write(key, type);
    record_txn_marker_write(value, 9);
    ASSERT(batch_builder_add(&builder, START_MS + offset, (struct bytes){key, sizeof(key)},
                             (struct bytes){value, sizeof(value)}, NULL, 0));
    return batch_builder_finish(&builder);
}

static void transactions_make(void)
{
    const char *directory = "txn-0";
    struct segment segment = {.newest_ms = BATCH_NO_TIMESTAMP};
    for (int i = 0; i < 2; i++) {
        struct batch_options options = batch_options_none();
        struct batch_builder builder;
        options.base_offset = segment.next_offset;
        options.leader_epoch = 0;
        options.producer_id = PRODUCER_ID;
        options.producer_epoch = 0;
        options.base_sequence = i;
        options.attributes = BATCH_TRANSACTIONAL;
        batch_builder_init(&builder, plain_room, sizeof(plain_room), &options);
        ASSERT(batch_builder_add(&builder, START_MS + segment.next_offset, bytes_of_string("k"),
                                 bytes_of_string("in a transaction"), NULL, 0));
        segment_append(&segment, batch_builder_finish(&builder));
        segment_append(&segment, marker_make(segment.next_offset, i == 0 ? RECORD_CONTROL_ABORT
                                                                         : RECORD_CONTROL_COMMIT));
    }
    segment_finish(directory, &segment, false);
    uint8_t aborted[34] = {0}; /* Version, producer, first, last, last stable offset. */
    store_be64(aborted + 2, PRODUCER_ID);
    store_be64(aborted + 18, 1);
    store_be64(aborted + 26, 2);
    segment_file_write(directory, &segment, SEGMENT_TXN_INDEX, aborted, sizeof(aborted), 0);
}

/* ---- __cluster_metadata-0 ---------------------------------------------------------------------
 */

static void metadata_add(struct batch_builder *builder, const struct message_ops *ops,
                         int16_t version, uint32_t seed)
{
    static uint8_t wire[BATCH_BYTES_MAX];
    _Alignas(16) uint8_t message[OPS_SIZE_MAX];
    struct fill fill = {.memory = {.base = fill_memory, .size = sizeof(fill_memory)}};
    random_init(&fill.random, (uint64_t)(uint16_t)ops->key << 32 | (uint64_t)version << 16 | seed);
    ops->fill(&fill, version, message);
    struct writer writer;
    writer_init(&writer, wire, sizeof(wire));
    metadata_frame_encode(&writer, ops->key, version);
    ASSERT(ops->encode(&writer, version, message) == CODEC_OK);
    ASSERT(batch_builder_add(builder, START_MS, (struct bytes){0},
                             (struct bytes){wire, writer_used(&writer)}, NULL, 0));
}

static struct bytes control_make(int64_t offset)
{
    static uint8_t wire[1024];
    struct batch_options options = batch_options_none();
    struct batch_builder builder;
    uint8_t key[RECORD_CONTROL_KEY_BYTES];
    const struct leader_change_message_voter voter = {.voter_id = 1};
    struct leader_change_message message = leader_change_message_default;
    message.version = 0; /* All that Kafka reads, whatever it says. */
    message.leader_id = 1;
    message.voters.items = &voter;
    message.voters.count = 1;
    struct writer writer;
    writer_init(&writer, wire, sizeof(wire));
    ASSERT(leader_change_message_encode(&writer, 0, &message) == CODEC_OK);
    record_control_key_write(key, RECORD_CONTROL_LEADER_CHANGE);
    options.base_offset = offset;
    options.leader_epoch = 1;
    options.attributes = BATCH_CONTROL;
    batch_builder_init(&builder, plain_room, sizeof(plain_room), &options);
    ASSERT(batch_builder_add(&builder, START_MS, (struct bytes){key, sizeof(key)},
                             (struct bytes){wire, writer_used(&writer)}, NULL, 0));
    return batch_builder_finish(&builder);
}

static void metadata_make(void)
{
    struct segment segment = {.newest_ms = BATCH_NO_TIMESTAMP};
    segment_append(&segment, control_make(0));
    for (uint32_t i = 0; i < message_ops_count; i++) {
        const struct message_ops *ops = &message_ops[i];
        if (metadata_record_find(ops->key) == NULL || strstr(ops->name, "Record") == NULL) {
            continue;
        }
        for (int16_t version = ops->version_min; version <= ops->version_max; version++) {
            struct batch_options options = batch_options_none();
            struct batch_builder builder;
            options.base_offset = segment.next_offset;
            options.leader_epoch = 1;
            batch_builder_init(&builder, plain_room, sizeof(plain_room), &options);
            for (uint32_t seed = 0; seed < FILLS_PER_RECORD; seed++) {
                metadata_add(&builder, ops, version, seed);
            }
            segment_append(&segment, batch_builder_finish(&builder));
        }
    }
    segment_finish("__cluster_metadata-0", &segment, true);
}

int main(int argc, char **argv)
{
    ASSERT(argc == 2);
    root = argv[1];
    if (mkdir(root, 0755) != 0) {
        ASSERT(errno == EEXIST);
    }
    orders_make();
    transactions_make();
    metadata_make();
    return 0;
}
