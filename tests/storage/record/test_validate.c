#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "storage/base/random.h"
#include "storage/record/validate.h"
#include "tests/storage/record/sample.h"

enum { NOW_MS = 1000000 };

static uint8_t buffer[SAMPLE_BYTES_MAX];
static uint8_t packed[SAMPLE_BYTES_MAX];
static const uint8_t filler[200] = "filler";
static struct inflate *inflate;
static struct batch_header header;
static struct validate_outcome outcome;

static int begin_all(void **state)
{
    (void)state;
    const size_t bytes = inflate_memory_bytes(INFLATE_WINDOW_DEFAULT);
    inflate = inflate_init(aligned_alloc(64, round_up(bytes, 64)), INFLATE_WINDOW_DEFAULT);
    return 0;
}

static int end_all(void **state)
{
    (void)state;
    free(inflate);
    return 0;
}

/* The short way over plain records says what the walk says; of what is wrong it says nothing. */
static void hold_at_once_against(const struct validate_rules *rules, struct bytes batch,
                                 enum validate_status status)
{
    if (status != VALIDATE_OK && status < VALIDATE_BAD_RECORD) {
        return; /* The records were not looked at. */
    }
    struct validate_outcome got;
    const struct bytes records = {batch.ptr + BATCH_HEADER_BYTES,
                                  header.size_bytes - BATCH_HEADER_BYTES};
    const bool plain = validate_records_at_once(rules, records, &header, NOW_MS, &got);
    assert_int_equal(plain, status == VALIDATE_OK && batch_codec(&header) == BATCH_CODEC_NONE);
    if (plain) {
        assert_int_equal(got.record_error_count, 0);
        assert_int_equal(got.max_timestamp_ms, outcome.max_timestamp_ms);
        assert_int_equal(got.log_append_time_ms, outcome.log_append_time_ms);
        assert_int_equal(got.inflated_bytes, outcome.inflated_bytes);
        assert_int_equal(got.log_append_time, outcome.log_append_time);
        assert_int_equal(got.rewrite_timestamps, outcome.rewrite_timestamps);
    }
}

static enum validate_status check(const struct validate_rules *rules, struct bytes batch)
{
    const enum validate_status status =
        validate_batch(rules, chain_of(&batch), NOW_MS, inflate, &header, &outcome);
    hold_at_once_against(rules, batch, status);
    return status;
}

static struct bytes three_records(enum batch_codec codec, const struct batch_options *options)
{
    struct batch_builder builder;
    batch_builder_init(&builder, buffer, sizeof(buffer), options);
    for (int32_t i = 0; i < 3; i++) {
        assert_true(batch_builder_add(&builder, NOW_MS - 10 * i, bytes_of_string("key"),
                                      bytes_of_string("value"), NULL, 0));
    }
    struct bytes batch;
    assert_true(batch_builder_finish_compressed(&builder, codec, INT32_MIN, packed, sizeof(packed),
                                                &batch));
    return batch;
}

/* What is wrong with a batch of three good records, and the verdict. */
enum wrong {
    NOTHING,
    EMPTY,
    CUT,
    CUT_SECOND_BEHIND,
    SECOND_BEHIND,
    GARBAGE_LENGTH_BEHIND,
    GARBAGE_MAGIC_BEHIND,
    MAGIC_1,
    MAGIC_3,
    SHORT_LENGTH,
    BASE_OFFSET,
    CRC,
    CODEC_6,
    COUNT_0,
    COUNT_MORE,
    COUNT_LESS,
    LAST_OFFSET,
    LAST_OFFSET_NEGATIVE,
    BOTH_COUNTS_MORE,
    BOTH_COUNTS_LESS,
    CONTROL,
    TRANSACTIONAL,
    PRODUCER_WITHOUT_SEQUENCE,
    APPEND_TIME_MARKED,
};

static const struct {
    enum wrong wrong;
    enum validate_status want;
} cases[] = {
    {NOTHING, VALIDATE_OK},
    {EMPTY, VALIDATE_NO_BATCH},
    {CUT, VALIDATE_NO_BATCH},
    {CUT_SECOND_BEHIND, VALIDATE_OK},
    {SECOND_BEHIND, VALIDATE_MANY_BATCHES},
    {GARBAGE_LENGTH_BEHIND, VALIDATE_BAD_LENGTH},
    {GARBAGE_MAGIC_BEHIND, VALIDATE_BAD_MAGIC},
    {MAGIC_1, VALIDATE_OLD_MAGIC},
    {MAGIC_3, VALIDATE_BAD_MAGIC},
    {SHORT_LENGTH, VALIDATE_BAD_LENGTH},
    {BASE_OFFSET, VALIDATE_BAD_BASE_OFFSET},
    {CRC, VALIDATE_BAD_CRC},
    {CODEC_6, VALIDATE_BAD_CODEC},
    {COUNT_0, VALIDATE_BAD_COUNT},
    {COUNT_MORE, VALIDATE_BAD_COUNT},
    {COUNT_LESS, VALIDATE_BAD_COUNT},
    {LAST_OFFSET, VALIDATE_BAD_COUNT},
    {LAST_OFFSET_NEGATIVE, VALIDATE_BAD_COUNT},
    {BOTH_COUNTS_MORE, VALIDATE_BAD_RECORD},
    {BOTH_COUNTS_LESS, VALIDATE_BAD_RECORD},
    {CONTROL, VALIDATE_CONTROL_REFUSED},
    {TRANSACTIONAL, VALIDATE_TXN_REFUSED},
    {PRODUCER_WITHOUT_SEQUENCE, VALIDATE_BAD_SEQUENCE},
    {APPEND_TIME_MARKED, VALIDATE_BAD_TIMESTAMP},
};

static void set_counts(uint8_t *at, int32_t count, int32_t last_delta)
{
    store_be32(at + BATCH_AT_RECORD_COUNT, (uint32_t)count);
    store_be32(at + BATCH_AT_LAST_OFFSET_DELTA, (uint32_t)last_delta);
}

static void set_attribute(uint8_t *at, uint16_t bit)
{
    store_be16(at + BATCH_AT_ATTRIBUTES, load_be16(at + BATCH_AT_ATTRIBUTES) | bit);
}

/* Does the damage; returns the bytes to hand in. */
static struct bytes make_wrong(enum wrong wrong, struct bytes batch)
{
    uint8_t *at = packed;
    const uint32_t len = batch.len;
    uint32_t handed = len;
    switch (wrong) {
    case NOTHING: break;
    case EMPTY: handed = 0; break;
    case CUT: handed = len - 1; break;
    case CUT_SECOND_BEHIND:
        memcpy(at + len, at, len);
        handed = 2 * len - 1;
        break;
    case SECOND_BEHIND:
        memcpy(at + len, at, len);
        handed = 2 * len;
        break;
    case GARBAGE_LENGTH_BEHIND:
        memset(at + len, 0, 12);
        handed = len + 12;
        break;
    case GARBAGE_MAGIC_BEHIND:
        memset(at + len, 9, 17);
        handed = len + 17;
        break;
    case MAGIC_1: at[BATCH_AT_MAGIC] = 1; break;
    case MAGIC_3: at[BATCH_AT_MAGIC] = 3; break;
    case SHORT_LENGTH: store_be32(at + BATCH_AT_LENGTH, 13); break;
    case BASE_OFFSET: at[7] = 1; break;
    case CRC: at[len - 1] ^= 1; break;
    case CODEC_6: set_attribute(at, 6); break;
    case COUNT_0: set_counts(at, 0, 2); break;
    case COUNT_MORE: set_counts(at, 4, 2); break;
    case COUNT_LESS: set_counts(at, 2, 2); break;
    case LAST_OFFSET: set_counts(at, 3, 3); break;
    case LAST_OFFSET_NEGATIVE: set_counts(at, 0, -1); break;
    case BOTH_COUNTS_MORE: set_counts(at, 4, 3); break;
    case BOTH_COUNTS_LESS: set_counts(at, 2, 1); break;
    case CONTROL: set_attribute(at, BATCH_CONTROL); break;
    case TRANSACTIONAL: set_attribute(at, BATCH_TRANSACTIONAL); break;
    case PRODUCER_WITHOUT_SEQUENCE: store_be64(at + BATCH_AT_PRODUCER_ID, 5); break;
    case APPEND_TIME_MARKED: set_attribute(at, BATCH_LOG_APPEND_TIME); break;
    }
    if (wrong != CRC) {
        batch_seal(at, len);
    }
    return (struct bytes){at, handed};
}

static void each_wrong_has_its_verdict_under_every_codec(void **state)
{
    (void)state;
    const struct validate_rules rules = validate_rules_default();
    const struct batch_options options = batch_options_none();
    for (enum batch_codec codec = BATCH_CODEC_NONE; codec < BATCH_CODECS; codec++) {
        for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
            if (cases[i].wrong == CODEC_6 && codec % 2 == 1) {
                continue; /* Would be codec 7. */
            }
            const struct bytes batch = three_records(codec, &options);
            const enum validate_status got = check(&rules, make_wrong(cases[i].wrong, batch));
            if (got != cases[i].want) {
                fail_msg("case %u, codec %s: %s", i, batch_codec_name(codec),
                         validate_status_text(got));
            }
        }
    }
}

static void a_good_batch_says_what_must_be_written(void **state)
{
    (void)state;
    struct validate_rules rules = validate_rules_default();
    const struct batch_options options = batch_options_none();
    for (enum batch_codec codec = BATCH_CODEC_NONE; codec < BATCH_CODECS; codec++) {
        rules.log_append_time = false;
        struct bytes batch = three_records(codec, &options);
        assert_int_equal(check(&rules, batch), VALIDATE_OK);
        assert_false(outcome.rewrite_timestamps);
        assert_int_equal(outcome.max_timestamp_ms, NOW_MS);
        assert_int_equal(outcome.log_append_time_ms, -1);
        assert_int_equal(outcome.inflated_bytes, 3 * 15);

        rules.log_append_time = true;
        assert_int_equal(check(&rules, batch), VALIDATE_OK);
        assert_true(outcome.rewrite_timestamps && outcome.log_append_time);
        assert_int_equal(outcome.log_append_time_ms, NOW_MS);

        rules.log_append_time = false;
        store_be64(packed + BATCH_AT_MAX_TIMESTAMP, 77); /* The client lied. */
        batch_seal(packed, batch.len);
        assert_int_equal(check(&rules, batch), VALIDATE_OK);
        assert_true(outcome.rewrite_timestamps && !outcome.log_append_time);
        assert_int_equal(outcome.max_timestamp_ms, NOW_MS);
    }
}

static void sizes_and_codecs_are_held_against_the_topic(void **state)
{
    (void)state;
    const struct batch_options options = batch_options_none();
    struct bytes batch = three_records(BATCH_CODEC_ZSTD, &options);
    struct validate_rules rules = validate_rules_default();
    rules.message_bytes_max = batch.len;
    rules.segment_bytes_max = batch.len;
    assert_int_equal(check(&rules, batch), VALIDATE_OK);
    rules.message_bytes_max--;
    assert_int_equal(check(&rules, batch), VALIDATE_TOO_LARGE);
    rules.message_bytes_max++;
    rules.segment_bytes_max--;
    assert_int_equal(check(&rules, batch), VALIDATE_SEGMENT_TOO_SMALL);
    rules = validate_rules_default();
    rules.zstd_refused = true;
    assert_int_equal(check(&rules, batch), VALIDATE_ZSTD_REFUSED);
    rules.zstd_refused = false;
    rules.inflated_bytes_max = 10;
    assert_int_equal(check(&rules, batch), VALIDATE_INFLATED_TOO_LARGE);
    rules = validate_rules_default();
    rules.codec_fixed = true;
    rules.codec = BATCH_CODEC_ZSTD;
    assert_int_equal(check(&rules, batch), VALIDATE_OK);
    rules.codec = BATCH_CODEC_NONE;
    assert_int_equal(check(&rules, batch), VALIDATE_OK); /* It is another's to change it. */
    rules.segment_bytes_max = 1;                         /* Of what it will be. */
    assert_int_equal(check(&rules, batch), VALIDATE_OK);
}

static void a_batch_with_another_codec_than_the_topics_is_made_anew(void **state)
{
    (void)state;
    static const struct {
        bool fixed;
        enum batch_codec wanted;
        uint16_t attributes;
        int32_t records;
        bool wanted_so;
    } rebuilds[] = {{false, BATCH_CODEC_NONE, BATCH_CODEC_ZSTD, 1, false},
                    {true, BATCH_CODEC_ZSTD, BATCH_CODEC_ZSTD, 1, false},
                    {true, BATCH_CODEC_ZSTD, BATCH_CODEC_NONE, 1, true},
                    {true, BATCH_CODEC_NONE, BATCH_CODEC_GZIP | BATCH_TRANSACTIONAL, 1, true},
                    {true, BATCH_CODEC_NONE, BATCH_CODEC_GZIP, 0, false},
                    {true, BATCH_CODEC_GZIP, BATCH_CONTROL, 1, false},
                    {true, BATCH_CODEC_GZIP, BATCH_CONTROL | BATCH_CODEC_LZ4, 1, false}};
    for (size_t i = 0; i < ARRAY_SIZE(rebuilds); i++) {
        struct validate_rules rules = validate_rules_default();
        rules.codec_fixed = rebuilds[i].fixed;
        rules.codec = rebuilds[i].wanted;
        const struct batch_header head = {.attributes = rebuilds[i].attributes,
                                          .record_count = rebuilds[i].records};
        assert_int_equal(validate_rebuilds(&rules, &head), rebuilds[i].wanted_so);
    }
}

static void a_coordinator_may_do_what_a_client_may_not(void **state)
{
    (void)state;
    struct validate_rules rules = validate_rules_default();
    rules.internal = true;
    rules.message_bytes_max = 1;
    static const enum wrong allowed[] = {CONTROL, TRANSACTIONAL, PRODUCER_WITHOUT_SEQUENCE,
                                         BASE_OFFSET};
    const struct batch_options options = batch_options_none();
    for (uint32_t i = 0; i < ARRAY_SIZE(allowed); i++) {
        assert_int_equal(
            check(&rules, make_wrong(allowed[i], three_records(BATCH_CODEC_NONE, &options))),
            VALIDATE_OK);
    }
}

static void a_transactional_batch_needs_its_producer(void **state)
{
    (void)state;
    struct validate_rules rules = validate_rules_default();
    rules.transactions_refused = false;
    struct batch_options options = batch_options_none();
    assert_int_equal(
        check(&rules, make_wrong(TRANSACTIONAL, three_records(BATCH_CODEC_NONE, &options))),
        VALIDATE_TXN_REFUSED);
    options.producer_id = 7;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    assert_int_equal(
        check(&rules, make_wrong(TRANSACTIONAL, three_records(BATCH_CODEC_NONE, &options))),
        VALIDATE_OK);
}

static void a_compacted_topic_wants_keys_and_lists_those_without(void **state)
{
    (void)state;
    struct validate_rules rules = validate_rules_default();
    rules.compacted = true;
    const struct batch_options options = batch_options_none();
    struct batch_builder builder;
    batch_builder_init(&builder, buffer, sizeof(buffer), &options);
    for (int32_t i = 0; i < 40; i++) {
        const struct bytes key = i % 2 == 0 ? bytes_of_string("") : (struct bytes){0};
        assert_true(batch_builder_add(&builder, NOW_MS, key, bytes_of_string("v"), NULL, 0));
    }
    assert_int_equal(check(&rules, batch_builder_finish(&builder)), VALIDATE_RECORDS_REFUSED);
    assert_int_equal(outcome.record_error_count, 20);
    for (int32_t i = 0; i < VALIDATE_RECORD_ERRORS_MAX; i++) {
        assert_int_equal(outcome.record_errors[i].batch_index, 2 * i + 1);
        assert_int_equal(outcome.record_errors[i].reason, VALIDATE_RECORD_NO_KEY);
    }
    rules.compacted = false;
    assert_int_equal(check(&rules, batch_builder_finish(&builder)), VALIDATE_OK);
}

static void timestamps_must_lie_in_the_topics_range(void **state)
{
    (void)state;
    static const struct {
        int64_t timestamp_ms;
        int64_t before_ms;
        int64_t after_ms;
        bool good;
    } ranges[] = {
        {NOW_MS, 0, 0, true},
        {NOW_MS + 1, 0, 0, false},
        {NOW_MS - 1, 0, 0, false},
        {NOW_MS - 500, 500, 0, true},
        {NOW_MS - 501, 500, 0, false},
        {NOW_MS + 500, 0, 500, true},
        {NOW_MS + 501, 0, 500, false},
        {-1, 0, 0, true},
        {0, INT64_MAX, 0, true},
        {-2, INT64_MAX, 0, true},
        {NOW_MS + 3600000, INT64_MAX, 3600000, true},
        {NOW_MS + 3600001, INT64_MAX, 3600000, false},
        {INT64_MAX, INT64_MAX, 3600000, false},
    };
    const struct batch_options options = batch_options_none();
    for (uint32_t i = 0; i < ARRAY_SIZE(ranges); i++) {
        struct validate_rules rules = validate_rules_default();
        rules.timestamp_before_max_ms = ranges[i].before_ms;
        rules.timestamp_after_max_ms = ranges[i].after_ms;
        struct batch_builder builder;
        batch_builder_init(&builder, buffer, sizeof(buffer), &options);
        assert_true(
            batch_builder_add(&builder, NOW_MS, (struct bytes){0}, (struct bytes){0}, NULL, 0));
        assert_true(batch_builder_add(&builder, ranges[i].timestamp_ms, (struct bytes){0},
                                      (struct bytes){0}, NULL, 0));
        const struct bytes batch = batch_builder_finish(&builder);
        assert_int_equal(check(&rules, batch),
                         ranges[i].good ? VALIDATE_OK : VALIDATE_BAD_TIMESTAMP);
        if (!ranges[i].good) {
            assert_int_equal(outcome.record_error_count, 1);
            assert_int_equal(outcome.record_errors[0].batch_index, 1);
            assert_int_equal(outcome.record_errors[0].reason, VALIDATE_RECORD_TIMESTAMP);
            assert_true(outcome.record_errors[0].timestamp_ms == ranges[i].timestamp_ms);
        }
        rules.log_append_time = true; /* Then the client's timestamps do not matter. */
        assert_int_equal(check(&rules, batch), VALIDATE_OK);
    }
}

static void offset_deltas_must_count_up_from_zero(void **state)
{
    (void)state;
    const struct validate_rules rules = validate_rules_default();
    const struct batch_options options = batch_options_none();
    for (uint32_t record = 0; record < 3; record++) {
        struct bytes batch = three_records(BATCH_CODEC_NONE, &options);
        /* Length, attributes, timestamp delta and offset delta take a byte each. */
        const uint32_t at = BATCH_HEADER_BYTES + record * 15 + 3;
        assert_int_equal(packed[at], 2 * record);
        packed[at] = 8;
        batch_seal(packed, batch.len);
        assert_int_equal(check(&rules, batch), VALIDATE_BAD_OFFSETS);
    }
}

static void a_damaged_stream_is_a_compression_error(void **state)
{
    (void)state;
    const struct validate_rules rules = validate_rules_default();
    const struct batch_options options = batch_options_none();
    for (enum batch_codec codec = BATCH_CODEC_GZIP; codec < BATCH_CODECS; codec++) {
        struct bytes batch = three_records(codec, &options);
        packed[BATCH_HEADER_BYTES] ^= 0x40;
        packed[BATCH_HEADER_BYTES + 1] ^= 0x40;
        batch_seal(packed, batch.len);
        assert_int_equal(check(&rules, batch), VALIDATE_BAD_COMPRESSION);
    }
}

static void the_verdict_does_not_depend_on_seams_or_budget(void **state)
{
    (void)state;
    const struct validate_rules rules = validate_rules_default();
    const struct batch_options options = batch_options_none();
    static struct bytes parts[SAMPLE_BYTES_MAX];
    struct random random;
    random_init(&random, 1);
    for (uint32_t round = 0; round < 200; round++) {
        const enum batch_codec codec = (enum batch_codec)(round % BATCH_CODECS);
        struct batch_builder builder;
        batch_builder_init(&builder, buffer, sizeof(buffer), &options);
        const uint32_t count = 1 + (uint32_t)random_below(&random, 2000);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(batch_builder_add(
                &builder, NOW_MS - (int64_t)random_below(&random, 300), bytes_of_string("k"),
                (struct bytes){filler, (uint32_t)random_below(&random, 200)}, NULL, 0));
        }
        struct bytes batch;
        assert_true(batch_builder_finish_compressed(&builder, codec, INT32_MIN, packed,
                                                    sizeof(packed), &batch));
        const struct chain chain =
            sample_chain(batch, 1 + (uint32_t)random_below(&random, 3000), parts);
        assert_int_equal(validate_framing(&rules, chain, &header), VALIDATE_OK);
        struct validate_walk walk;
        validate_records_begin(&walk, &rules, chain, &header, NOW_MS, inflate);
        enum validate_status status;
        uint32_t steps = 0;
        do {
            status = validate_records_step(&walk, 1);
            steps++;
        } while (status == VALIDATE_MORE);
        assert_int_equal(status, VALIDATE_OK);
        assert_true(walk.outcome.inflated_bytes == builder.used - BATCH_HEADER_BYTES);
        assert_true(steps >= walk.outcome.inflated_bytes / INFLATE_SLICE_BYTES);
        assert_false(walk.outcome.rewrite_timestamps);
    }
}

static void every_status_has_a_sentence(void **state)
{
    (void)state;
    for (enum validate_status status = 0; status < VALIDATE_STATUSES; status++) {
        assert_non_null(validate_status_text(status));
        assert_true(strlen(validate_status_text(status)) > 10);
    }
    for (enum validate_record_reason reason = 0; reason <= VALIDATE_RECORD_APPEND_MARKED;
         reason++) {
        assert_true(strlen(validate_record_text(reason)) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wrong_has_its_verdict_under_every_codec),
        cmocka_unit_test(a_good_batch_says_what_must_be_written),
        cmocka_unit_test(sizes_and_codecs_are_held_against_the_topic),
        cmocka_unit_test(a_coordinator_may_do_what_a_client_may_not),
        cmocka_unit_test(a_transactional_batch_needs_its_producer),
        cmocka_unit_test(a_compacted_topic_wants_keys_and_lists_those_without),
        cmocka_unit_test(timestamps_must_lie_in_the_topics_range),
        cmocka_unit_test(offset_deltas_must_count_up_from_zero),
        cmocka_unit_test(a_batch_with_another_codec_than_the_topics_is_made_anew),
        cmocka_unit_test(a_damaged_stream_is_a_compression_error),
        cmocka_unit_test(the_verdict_does_not_depend_on_seams_or_budget),
        cmocka_unit_test(every_status_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
