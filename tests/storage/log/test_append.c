#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static void a_wrong_checksum_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    (void)rig_put(&rig, 6000, APPEND_ACK_FLUSHED);
    rig_settle(&rig);
    for (uint32_t at = BATCH_AT_CRC; at < 200; at += 7) {
        struct rig_append *good = rig_put(&rig, 6000, APPEND_ACK_FLUSHED);
        rig_settle(&rig);
        struct rig_append *bad = rig_repeat(&rig, good, APPEND_ACK_FLUSHED);
        rig_settle(&rig);
        assert_int_equal(bad->append.status, LOG_OK); /* Plain repeats are new batches. */
        bad->bytes[at] ^= 1;
        const int64_t end = partition_end(rig.partitions[0]);
        const struct rig_append *refused = rig_repeat(&rig, bad, APPEND_ACK_FLUSHED);
        bad->bytes[at] ^= 1;
        assert_int_equal(refused->append.status, LOG_BATCH_REFUSED);
        assert_int_equal(refused->append.refusal, VALIDATE_BAD_CRC);
        assert_int_equal(partition_end(rig.partitions[0]), end);
        rig.append_count -= 2; /* The same number twice is right here. */
        free(bad->bytes);
        free(refused->bytes);
    }
    assert_int_equal(log_counters(rig.log)->refused_batches, 27);
    rig_settle(&rig);
    rig_destroy(&rig);
}

/* H4: also where a batch was copied and then refused. */
static void behind_the_last_batch_a_block_holds_zeros(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 40; i++) {
        struct rig_append *large = rig_put(&rig, 1000 + 100 * i, APPEND_ACK_FLUSHED);
        rig_settle(&rig);
        large->bytes[BATCH_HEADER_BYTES] ^= 1;
        const struct rig_append *refused = rig_repeat(&rig, large, APPEND_ACK_FLUSHED);
        large->bytes[BATCH_HEADER_BYTES] ^= 1;
        rig_settle(&rig);
        assert_int_equal(refused->append.status, LOG_BATCH_REFUSED);
        rig.append_count--;
        free(refused->bytes);
        (void)rig_put(&rig, 10, APPEND_ACK_FLUSHED);
        rig_settle(&rig);
        uint32_t len;
        uint8_t *bytes = rig_file(&rig, "/data0/orders-0/00000000000000000000.log", &len);
        assert_non_null(bytes);
        for (uint32_t at = rig.partitions[0]->active->size; at < len; at++) {
            assert_int_equal(bytes[at], 0);
        }
        free(bytes);
    }
    rig_destroy(&rig);
}

/* clang-format off */
static const struct {
    const char *what;
    struct rig_batch batch;
    enum log_status status;
    enum validate_status refusal;
} refusals[] = {
    {"over max.message.bytes", {.records = 1, .value_bytes = 1 << 20},
        LOG_BATCH_REFUSED, VALIDATE_TOO_LARGE},
    {"over segment.bytes",     {.records = 1, .value_bytes = 600000},
        LOG_TOO_LARGE_FOR_SEGMENT, VALIDATE_SEGMENT_TOO_SMALL},
    {"control batch",          {.records = 1, .value_bytes = 20, .attributes = BATCH_CONTROL},
        LOG_BATCH_REFUSED, VALIDATE_CONTROL_REFUSED},
    {"transactional",          {.records = 1, .value_bytes = 20, .producer_id = 5,
                                .attributes = BATCH_TRANSACTIONAL},
        LOG_BATCH_REFUSED, VALIDATE_TXN_REFUSED},
    {"from the future",        {.records = 1, .value_bytes = 20,
                                .timestamp_ms = INT64_C(1900000000000)},
        LOG_BATCH_REFUSED, VALIDATE_BAD_TIMESTAMP},
};
/* clang-format on */

static void what_kafka_refuses_is_refused(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(2);
    options.config.segment_bytes = 500000;
    options.no_transactions = true;
    rig_create(&rig, &options);
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        const struct rig_append *a = rig_append_wait(&rig, &refusals[i].batch);
        assert_int_equal(a->append.status, refusals[i].status);
        assert_int_equal(a->append.refusal, refusals[i].refusal);
    }
    assert_int_equal(partition_end(rig.partitions[0]), 0);
    rig_destroy(&rig);
}

static struct rig_append *sequence(struct rig *rig, int16_t epoch, int32_t at)
{
    return rig_append_wait(rig, &(struct rig_batch){.records = 2,
                                                    .value_bytes = 100,
                                                    .ack = APPEND_ACK_FLUSHED,
                                                    .producer_id = 9,
                                                    .producer_epoch = epoch,
                                                    .sequence = at});
}

static void producers_are_held_to_their_sequences(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(3);
    rig_create(&rig, &options);
    assert_int_equal(sequence(&rig, 0, 0)->append.status, LOG_OK);
    assert_int_equal(sequence(&rig, 0, 4)->append.status, LOG_OUT_OF_ORDER_SEQUENCE);
    assert_int_equal(sequence(&rig, 0, 2)->append.status, LOG_OK);
    assert_int_equal(sequence(&rig, 2, 0)->append.status, LOG_OK);
    assert_int_equal(sequence(&rig, 1, 2)->append.status, LOG_INVALID_PRODUCER_EPOCH);
    assert_int_equal(sequence(&rig, 2, 1)->append.status, LOG_OUT_OF_ORDER_SEQUENCE);
    assert_int_equal(partition_end(rig.partitions[0]), 6);
    struct partition_producer producer;
    assert_int_equal(partition_producers(rig.partitions[0], &producer, 1), 1);
    assert_int_equal(producer.producer_id, 9);
    assert_int_equal(producer.producer_epoch, 2);
    assert_int_equal(producer.last_sequence, 1);
    rig_check(&rig);
    rig_destroy(&rig);
}

static void a_repeat_waits_for_the_original_to_be_durable(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 30; seed++) { /* H6. */
        const struct rig_options options = rig_options(seed);
        rig_create(&rig, &options);
        const struct rig_batch batch = {.records = 1,
                                        .value_bytes = 70000,
                                        .ack = APPEND_ACK_FLUSHED,
                                        .producer_id = 4,
                                        .sequence = 0};
        struct rig_append *original = rig_append(&rig, &batch);
        assert_true(rig_turn(&rig));
        struct rig_append *repeat = rig_repeat(&rig, original, APPEND_ACK_FLUSHED);
        while (original->lent || repeat->lent) {
            if (!repeat->lent) {
                assert_true(partition_flushed(rig.partitions[0]) >= 1);
            }
            assert_true(rig_turn(&rig));
        }
        assert_int_equal(repeat->append.status, LOG_OK);
        assert_int_equal(repeat->append.base_offset, original->append.base_offset);
        assert_int_equal(partition_end(rig.partitions[0]), 1);
        struct rig_append *late = rig_repeat(&rig, original, APPEND_ACK_FLUSHED);
        assert_false(late->lent); /* It is durable: answered at once. */
        assert_int_equal(late->append.status, LOG_OK);
        rig_destroy(&rig);
    }
}

static void acks_come_no_earlier_than_what_they_promise(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rig_options options = rig_options(seed);
        options.config.flush_messages = seed % 4 == 3 ? 1 : INT64_MAX;
        options.sim.flush_covers_device = seed % 2 == 1;
        rig_create(&rig, &options);
        struct random random;
        random_init(&random, seed);
        uint32_t next = 0;
        for (uint32_t i = 0; i < 100; i++) {
            (void)rig_put(&rig, 12 + (uint32_t)random_below(&random, 20000),
                          random_one_in(&random, 2) ? APPEND_ACK_FLUSHED : APPEND_ACK_WRITTEN);
            for (uint32_t t = 0; t < random_below(&random, 6); t++) {
                assert_true(rig_turn(&rig));
                uint64_t waiting = 0;
                for (uint32_t a = 0; a < rig.append_count; a++) {
                    const struct append *append = &rig.appends[a].append;
                    waiting += rig.appends[a].lent;
                    if (!rig.appends[a].answered) {
                        continue;
                    }
                    next++;
                    const int64_t end = append->base_offset + 1;
                    assert_true(partition_high_watermark(rig.partitions[0]) >= end);
                    if (append->ack == APPEND_ACK_FLUSHED || options.config.flush_messages == 1) {
                        assert_true(partition_flushed(rig.partitions[0]) >= end);
                    }
                }
                assert_int_equal(log_counters(rig.log)->appends_waiting, waiting);
            }
        }
        assert_true(next > 0);
        rig_settle(&rig);
        rig_check(&rig);
        rig_destroy(&rig);
    }
}

static void compressed_batches_are_checked_and_kept_as_they_are(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(5);
    rig_create(&rig, &options);
    int64_t expected = 0;
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t codec = BATCH_CODEC_GZIP; codec < BATCH_CODECS; codec++) {
            const struct rig_batch batch = {.records = 10 + 400 * round, /* The large beside. */
                                            .value_bytes = 200,
                                            .codec = (enum batch_codec)codec,
                                            .ack = APPEND_ACK_WRITTEN};
            const struct rig_append *a = rig_append(&rig, &batch);
            (void)rig_put(&rig, 30, APPEND_ACK_WRITTEN); /* Stays behind it. */
            rig_settle(&rig);
            assert_int_equal(a->append.status, LOG_OK);
            assert_int_equal(a->append.base_offset, expected);
            expected += batch.records + 1;
            struct rig_append *damaged = rig_repeat(&rig, a, APPEND_ACK_WRITTEN);
            rig_settle(&rig);
            expected += batch.records;
            memset(damaged->bytes + BATCH_HEADER_BYTES, 0xff, 8);
            batch_seal(damaged->bytes, damaged->piece.len);
            const struct rig_append *refused = rig_repeat(&rig, damaged, APPEND_ACK_WRITTEN);
            rig_settle(&rig);
            assert_int_equal(refused->append.status, LOG_BATCH_REFUSED);
            rig.append_count -= 2;
            free(damaged->bytes);
            free(refused->bytes);
        }
    }
    assert_int_equal(partition_end(rig.partitions[0]), expected);
    rig_destroy(&rig);
}

static void log_append_time_is_stamped(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(6);
    options.config.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
    rig_create(&rig, &options);
    for (uint32_t bytes = 30; bytes < 9000; bytes += 1500) { /* Headers across blocks, too. */
        const struct rig_append *a = rig_append_wait(
            &rig, &(struct rig_batch){.records = 1, .value_bytes = bytes, .timestamp_ms = 1000});
        assert_int_equal(a->append.status, LOG_OK);
        assert_true(a->append.log_append_time_ms > 1000);
        uint32_t len;
        enum log_status status;
        uint8_t *read = rig_read(&rig, 0, a->append.base_offset, INT64_MAX, 1, &len, &status);
        struct bytes rest = {read, len};
        struct batch_header header;
        struct bytes batch;
        assert_int_equal(batch_next(&rest, &header, &batch), BATCH_OK);
        assert_int_equal(batch_check_crc(chain_of(&batch), &header), BATCH_OK);
        assert_true(batch_is_log_append_time(&header));
        assert_int_equal(header.max_timestamp_ms, a->append.log_append_time_ms);
        assert_int_equal(header.leader_epoch, 6);
        free(read);
    }
    rig_destroy(&rig);
}

static void a_batch_of_64_mib_passes_through_32_mib(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(7);
    options.arena_bytes = 32 << 20;
    options.config.max_message_bytes = 70 << 20;
    rig_create(&rig, &options);
    (void)rig_put(&rig, 5000, APPEND_ACK_FLUSHED);
    const struct rig_append *large = rig_append(
        &rig,
        &(struct rig_batch){.records = 64, .value_bytes = 1 << 20, .ack = APPEND_ACK_FLUSHED});
    (void)rig_put(&rig, 5000, APPEND_ACK_FLUSHED);
    rig_settle(&rig);
    assert_int_equal(large->append.status, LOG_OK);
    assert_int_equal(large->append.base_offset, 1);
    assert_int_equal(partition_end(rig.partitions[0]), 66);
    rig_kill(&rig);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), 66);
    struct log_read read = {.offset = 1, .upper_offset = INT64_MAX, .whole_batch = true};
    while (read.skip < large->piece.len) { /* In parts: it is larger than memory. */
        enum log_status status = log_read(rig.log, rig.partitions[0], &read);
        while (status == LOG_PENDING && rig_turn(&rig)) {
            status = log_read_done(rig.log) == NULL ? LOG_PENDING : read.status;
        }
        assert_int_equal(status, LOG_OK);
        assert_int_equal(read.batch_bytes, large->piece.len);
        assert_true(read.bytes > 0);
        for (uint32_t i = 0; i < read.extent_count; i++) {
            const struct bytes piece = read.extents[i].bytes;
            const uint32_t from = max_u64(read.skip, BATCH_AT_MAGIC) - read.skip;
            assert_memory_equal(piece.ptr + from, large->bytes + read.skip + from,
                                piece.len - from);
            read.skip += piece.len;
            log_extent_release(rig.log, read.extents[i].hold);
        }
    }
    rig_settle(&rig);
    rig_destroy(&rig);
}

static void many_partitions_share_a_small_arena(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(8);
    options.arena_bytes = 1 << 20;
    options.partitions = 4;
    options.config.max_message_bytes = 600000;
    rig_create(&rig, &options);
    struct random random;
    random_init(&random, 8);
    for (uint32_t i = 0; i < 200; i++) {
        (void)rig_append(
            &rig, &(struct rig_batch){.partition = i % 4,
                                      .records = 1,
                                      .value_bytes = 12 + (uint32_t)random_below(&random, 500000),
                                      .ack = i % 2 ? APPEND_ACK_FLUSHED : APPEND_ACK_WRITTEN});
        if (i % 10 == 9) {
            assert_true(rig_turn(&rig));
        }
    }
    rig_settle(&rig);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(rig.appends[i].append.status, LOG_OK);
        assert_int_equal(rig.appends[i].append.base_offset, i / 4);
    }
    rig_check(&rig);
    rig_destroy(&rig);
}

/* ---- Another codec --------------------------------------------------------------------------- */

static struct rig_options recompressing(uint64_t seed, enum batch_codec codec)
{
    struct rig_options options = rig_options(seed);
    options.config.compression = (int8_t)codec;
    options.config.compression_level = INT32_MIN;
    return options;
}

/* What the log holds is of that codec, each batch right, offsets dense. */
static void assert_codec(struct rig *rig, uint32_t partition, enum batch_codec codec)
{
    const int64_t end = partition_high_watermark(rig->partitions[partition]);
    int64_t offset = 0;
    while (offset < end) {
        uint32_t len;
        enum log_status status;
        uint8_t *bytes = rig_read(rig, partition, offset, INT64_MAX, 1 << 20, &len, &status);
        assert_int_equal(status, LOG_OK);
        struct bytes rest = {bytes, len};
        struct bytes batch;
        struct batch_header header;
        while (batch_next(&rest, &header, &batch) == BATCH_OK) {
            assert_int_equal(batch_check_crc(chain_of(&batch), &header), BATCH_OK);
            assert_int_equal(batch_codec(&header), codec);
            assert_int_equal(header.base_offset, offset);
            offset = batch_last_offset(&header) + 1;
        }
        free(bytes);
    }
    assert_int_equal(offset, end);
}

static void batches_get_the_topics_codec(void **state)
{
    (void)state;
    static struct rig rig;
    for (enum batch_codec codec = BATCH_CODEC_NONE; codec < BATCH_CODECS; codec++) {
        const struct rig_options options = recompressing(5, codec);
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 10; i++) {
            const struct rig_batch batch = {.records = 3,
                                            .value_bytes = i == 9 ? 300000 : 500,
                                            .ack = APPEND_ACK_FLUSHED,
                                            .codec = (enum batch_codec)(i % BATCH_CODECS)};
            const struct rig_append *done = rig_append_wait(&rig, &batch);
            assert_int_equal(done->append.status, LOG_OK);
            assert_int_equal(done->append.base_offset, 3 * i);
        }
        rig_settle(&rig);
        assert_codec(&rig, 0, codec);
        assert_true(list_empty(&rig.log->rebuilds));
        assert_int_equal(rig.log->rebuild_bytes, 0);
        rig_stop(&rig);
        assert_true(rig_start(&rig));
        assert_codec(&rig, 0, codec);
        rig_destroy(&rig);
    }
}

static void sequences_are_those_of_the_batch_that_was_sent(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = recompressing(6, BATCH_CODEC_ZSTD);
    rig_create(&rig, &options);
    assert_int_equal(sequence(&rig, 0, 0)->append.status, LOG_OK);
    struct rig_append *second = sequence(&rig, 0, 2);
    assert_int_equal(second->append.status, LOG_OK);
    struct rig_append *repeat = rig_repeat(&rig, second, APPEND_ACK_FLUSHED);
    rig_settle(&rig);
    assert_int_equal(repeat->append.status, LOG_OK);
    assert_int_equal(repeat->append.base_offset, second->append.base_offset);
    assert_int_equal(sequence(&rig, 0, 6)->append.status, LOG_OUT_OF_ORDER_SEQUENCE);
    assert_int_equal(partition_end(rig.partitions[0]), 4);
    assert_codec(&rig, 0, BATCH_CODEC_ZSTD);
    rig_destroy(&rig);
}

/* One that grows beyond what there is for all, of each partition at once; and a process that dies
 * with them. */
static void they_wait_for_each_others_memory(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = recompressing(7, BATCH_CODEC_NONE);
    options.config.max_message_bytes = 20 << 20;
    for (uint32_t round = 0; round < 2; round++) {
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 3 * rig.options.partitions; i++) {
            (void)rig_append(&rig, &(struct rig_batch){.partition = i % rig.options.partitions,
                                                       .records = 100,
                                                       .value_bytes = 1000,
                                                       .codec = BATCH_CODEC_GZIP});
            assert_true(rig.log->rebuild_bytes < REBUILD_BYTES_MAX + (20 << 20));
        }
        if (round == 0) {
            rig_settle(&rig);
            assert_int_equal(rig.log->rebuild_bytes, 0);
            for (uint32_t i = 0; i < rig.options.partitions; i++) {
                assert_int_equal(partition_high_watermark(rig.partitions[i]), 300);
                assert_codec(&rig, i, BATCH_CODEC_NONE);
            }
        } else {
            for (uint32_t i = 0; i < 6; i++) {
                assert_true(rig_turn(&rig));
            }
            rig_kill(&rig);
        }
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_checksum_is_refused_and_leaves_nothing),
        cmocka_unit_test(behind_the_last_batch_a_block_holds_zeros),
        cmocka_unit_test(what_kafka_refuses_is_refused),
        cmocka_unit_test(producers_are_held_to_their_sequences),
        cmocka_unit_test(a_repeat_waits_for_the_original_to_be_durable),
        cmocka_unit_test(acks_come_no_earlier_than_what_they_promise),
        cmocka_unit_test(compressed_batches_are_checked_and_kept_as_they_are),
        cmocka_unit_test(log_append_time_is_stamped),
        cmocka_unit_test(a_batch_of_64_mib_passes_through_32_mib),
        cmocka_unit_test(many_partitions_share_a_small_arena),
        cmocka_unit_test(batches_get_the_topics_codec),
        cmocka_unit_test(sequences_are_those_of_the_batch_that_was_sent),
        cmocka_unit_test(they_wait_for_each_others_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
