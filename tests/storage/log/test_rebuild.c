/* Batches with another codec: what stays as it was, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/base/random.h"
#include "storage/log/rebuild.h"
#include "tests/storage/record/sample.h"

enum {
    WINDOW = 8 << 20,
    RECORDS = 300,
    NOW_MS = 5000,
    ROOM = SAMPLE_BYTES_MAX + 4096,
};

static uint8_t buffer[SAMPLE_BYTES_MAX];
static uint8_t packed[ROOM];
static uint8_t records_before[SAMPLE_BYTES_MAX];
static uint8_t records_after[SAMPLE_BYTES_MAX];
static struct inflate *inflater;

static struct rebuild rebuild;
static struct batch_header header;
static struct validate_outcome outcome;

static int make(void **state)
{
    (void)state;
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, 64, inflate_memory_bytes(WINDOW)), 0);
    inflater = inflate_init(memory, WINDOW);
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    free(inflater);
    return 0;
}

static struct validate_rules rules_for(enum batch_codec codec)
{
    struct validate_rules rules = validate_rules_default();
    rules.codec_fixed = true;
    rules.codec = codec;
    rules.codec_level = INT32_MIN;
    rules.transactions_refused = false;
    return rules;
}

/* A transactional batch of a producer. */
static struct bytes sample(enum batch_codec codec)
{
    struct batch_options options = batch_options_none();
    options.producer_id = 77;
    options.producer_epoch = 3;
    options.base_sequence = 12;
    options.attributes = BATCH_TRANSACTIONAL;
    const struct bytes plain = sample_batch(buffer, RECORDS, 400, &options);
    if (codec == BATCH_CODEC_NONE) {
        return plain;
    }
    size_t len;
    struct batch_header head;
    memcpy(packed, plain.ptr, BATCH_HEADER_BYTES);
    assert_true(
        compress_all(codec, INT32_MIN, COMPRESS_SNAPPY_JAVA,
                     (struct bytes){plain.ptr + BATCH_HEADER_BYTES, plain.len - BATCH_HEADER_BYTES},
                     packed + BATCH_HEADER_BYTES, ROOM - BATCH_HEADER_BYTES, &len));
    assert_int_equal(batch_parse_header(chain_of(&plain), &head), BATCH_OK);
    head.size_bytes = (uint32_t)len + BATCH_HEADER_BYTES;
    head.attributes |= (uint16_t)codec;
    batch_write_header(packed, &head);
    batch_seal(packed, head.size_bytes);
    return (struct bytes){packed, head.size_bytes};
}

static enum validate_status run(const struct validate_rules *rules, struct bytes batch)
{
    return rebuild_batch(&rebuild, rules, chain_of(&batch), NOW_MS, inflater, &header, &outcome);
}

static struct bytes records_of(struct bytes batch, enum batch_codec codec, uint8_t *to)
{
    const struct bytes stream = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    uint32_t len = stream.len;
    if (codec == BATCH_CODEC_NONE) {
        memcpy(to, stream.ptr, stream.len);
    } else {
        assert_int_equal(
            inflate_all(inflater, codec, chain_of(&stream), to, SAMPLE_BYTES_MAX, &len),
            INFLATE_END);
    }
    return (struct bytes){to, len};
}

static void same_header(const struct batch_header *a, const struct batch_header *b)
{
    uint8_t bytes[2][BATCH_HEADER_BYTES];
    batch_write_header(bytes[0], a);
    batch_write_header(bytes[1], b);
    assert_memory_equal(bytes[0], bytes[1], BATCH_HEADER_BYTES);
}

static void from_every_codec_to_every_other_only_the_codec_changes(void **state)
{
    (void)state;
    for (enum batch_codec from = BATCH_CODEC_NONE; from < BATCH_CODECS; from++) {
        for (enum batch_codec to = BATCH_CODEC_NONE; to < BATCH_CODECS; to++) {
            const struct validate_rules rules = rules_for(to);
            const struct bytes batch = sample(from);
            struct batch_header before;
            assert_int_equal(batch_parse(chain_of(&batch), &before), BATCH_OK);
            const uint32_t most = rebuild_bytes_max(&rules, &before);
            assert_int_equal(run(&rules, batch), VALIDATE_OK);
            const struct bytes made = {rebuild.at, rebuild.len};
            struct batch_header after;
            assert_int_equal(batch_parse(chain_of(&made), &after), BATCH_OK);
            assert_int_equal(batch_check_crc(chain_of(&made), &after), BATCH_OK);
            assert_int_equal(after.size_bytes, made.len);
            same_header(&after, &header);
            assert_int_equal(after.attributes, BATCH_TRANSACTIONAL | (uint16_t)to);
            before.attributes = after.attributes;
            before.size_bytes = after.size_bytes;
            before.crc = after.crc;
            same_header(&before, &after);
            const struct bytes old = records_of(batch, from, records_before);
            assert_true(bytes_equal(old, records_of(made, to, records_after)));
            assert_false(outcome.rewrite_timestamps);
            assert_true(rebuild.capacity <= most);
            rebuild_free(&rebuild);
        }
    }
}

static void the_time_of_the_append_is_written_where_the_topic_asks_for_it(void **state)
{
    (void)state;
    struct validate_rules rules = rules_for(BATCH_CODEC_GZIP);
    rules.log_append_time = true;
    assert_int_equal(run(&rules, sample(BATCH_CODEC_NONE)), VALIDATE_OK);
    struct batch_header after;
    const struct bytes made = {rebuild.at, rebuild.len};
    assert_int_equal(batch_parse(chain_of(&made), &after), BATCH_OK);
    assert_int_equal(batch_check_crc(chain_of(&made), &after), BATCH_OK);
    assert_true(batch_is_log_append_time(&after));
    assert_int_equal(after.max_timestamp_ms, NOW_MS);
    assert_int_equal(after.base_timestamp_ms, 1000); /* The records keep theirs. */
    assert_int_equal(outcome.log_append_time_ms, NOW_MS);
    rebuild_free(&rebuild);
}

static void what_is_wrong_is_told_as_of_any_batch(void **state)
{
    (void)state;
    struct bytes batch = sample(BATCH_CODEC_GZIP);
    struct validate_rules rules = rules_for(BATCH_CODEC_ZSTD);
    packed[batch.len - 1] ^= 1;
    assert_int_equal(run(&rules, batch), VALIDATE_BAD_CRC);
    assert_null(rebuild.at);
    batch_seal(packed, batch.len); /* Now it is gzip's own sum that is wrong. */
    assert_int_equal(run(&rules, batch), VALIDATE_BAD_COMPRESSION);
    assert_null(rebuild.at);
    batch = sample(BATCH_CODEC_GZIP);
    rules.timestamp_before_max_ms = 1;
    assert_int_equal(run(&rules, batch), VALIDATE_BAD_TIMESTAMP);
    assert_int_equal(outcome.record_error_count, RECORDS);
    rules.inflated_bytes_max = 100;
    assert_int_equal(run(&rules, batch), VALIDATE_INFLATED_TOO_LARGE);
    assert_null(rebuild.at);
}

/* max.message.bytes and segment.bytes hold for what comes out; its records are judged first. */
static void what_becomes_too_large_is_refused(void **state)
{
    (void)state;
    const struct bytes batch = sample(BATCH_CODEC_ZSTD);
    struct validate_rules rules = rules_for(BATCH_CODEC_NONE);
    rules.message_bytes_max = batch.len;
    assert_int_equal(run(&rules, batch), VALIDATE_TOO_LARGE);
    assert_null(rebuild.at);
    rules.timestamp_before_max_ms = 1;
    assert_int_equal(run(&rules, batch), VALIDATE_BAD_TIMESTAMP);
    rules = rules_for(BATCH_CODEC_NONE);
    rules.segment_bytes_max = batch.len;
    assert_int_equal(run(&rules, batch), VALIDATE_SEGMENT_TOO_SMALL);
    assert_null(rebuild.at);
    rules.internal = true; /* A coordinator's may be of any size. */
    rules.message_bytes_max = 1;
    rules.segment_bytes_max = UINT32_C(1) << 30;
    assert_int_equal(run(&rules, batch), VALIDATE_OK);
    rebuild_free(&rebuild);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_every_codec_to_every_other_only_the_codec_changes),
        cmocka_unit_test(the_time_of_the_append_is_written_where_the_topic_asks_for_it),
        cmocka_unit_test(what_is_wrong_is_told_as_of_any_batch),
        cmocka_unit_test(what_becomes_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
