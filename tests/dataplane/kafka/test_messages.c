#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/dataplane/kafka/ops.h"

enum {
    WIRE_BYTES_MAX = 1 << 16,
    MEMORY_BYTES = 1 << 20,
    SEEDS_PER_VERSION = 12,
    CUT_BYTES_MAX = 700, /* Tests of every byte take messages up to this. */
};

static uint8_t memory[MEMORY_BYTES];
static uint8_t wire[WIRE_BYTES_MAX];
static uint8_t again[WIRE_BYTES_MAX];
static struct bytes pieces[WIRE_BYTES_MAX];

/* One message of each API, kind and version, several times: what a test does with it. */
struct sample {
    const struct message_ops *ops;
    int16_t version;
    _Alignas(16) uint8_t given[OPS_SIZE_MAX];
    uint32_t len; /* Its encoding, in `wire`. */
};

static void sample_make(struct sample *sample, uint64_t seed)
{
    struct fill fill = {.memory = {.base = memory, .size = sizeof(memory)}};
    random_init(&fill.random, seed);
    sample->ops->fill(&fill, sample->version, sample->given);
    struct writer writer;
    writer_init(&writer, wire, sizeof(wire));
    assert_int_equal(sample->ops->encode(&writer, sample->version, sample->given), CODEC_OK);
    sample->len = writer_used(&writer);
}

static void for_each_sample(void (*check)(struct sample *), uint32_t seeds)
{
    static struct sample sample;
    for (uint32_t i = 0; i < message_ops_count; i++) {
        sample.ops = &message_ops[i];
        for (int16_t v = sample.ops->version_min; v <= sample.ops->version_max; v++) {
            sample.version = v;
            for (uint32_t seed = 0; seed < seeds; seed++) {
                sample_make(&sample, (uint64_t)i << 32 | (uint64_t)(uint16_t)v << 16 | seed);
                check(&sample);
            }
        }
    }
}

static char *dump(const struct message_ops *ops, int16_t version, const void *message)
{
    char *text;
    size_t len;
    FILE *file = open_memstream(&text, &len);
    assert_non_null(file);
    ops->dump(file, version, message);
    fclose(file);
    return text;
}

/* Decodes chain, which must succeed and take all, and encodes what was decoded into `again`. */
static uint32_t decode_and_encode(const struct message_ops *ops, int16_t version,
                                  struct chain chain, void *message)
{
    struct reader reader;
    struct writer writer;
    reader_init(&reader, chain);
    const enum codec_status status = ops->decode(&reader, version, message);
    if (status != CODEC_OK || reader_left(&reader) != 0) {
        fail_msg("%s %d: %s, %u left", ops->name, version, codec_status_name(status),
                 reader_left(&reader));
    }
    writer_init(&writer, again, sizeof(again));
    assert_int_equal(ops->encode(&writer, version, message), CODEC_OK);
    return writer_used(&writer);
}

static void check_round_trip(struct sample *sample)
{
    _Alignas(16) uint8_t got[OPS_SIZE_MAX];
    const struct bytes whole = {wire, sample->len};
    assert_int_equal(sample->ops->bytes(sample->version, sample->given), sample->len);
    const uint32_t len = decode_and_encode(sample->ops, sample->version, chain_of(&whole), got);
    assert_int_equal(len, sample->len);
    assert_memory_equal(again, wire, len);
    assert_int_equal(sample->ops->bytes(sample->version, got), len);
    char *want = dump(sample->ops, sample->version, sample->given);
    char *have = dump(sample->ops, sample->version, got);
    assert_string_equal(have, want);
    free(want);
    free(have);
}

static void every_message_and_version_comes_back_as_it_was(void **state)
{
    (void)state;
    for_each_sample(check_round_trip, SEEDS_PER_VERSION);
}

static void check_truncation(struct sample *sample)
{
    for (uint32_t len = 0; len < min_u32(sample->len, CUT_BYTES_MAX); len++) {
        _Alignas(16) uint8_t got[OPS_SIZE_MAX];
        uint8_t *exact = malloc(len + 1); /* So that the sanitizer sees a byte too many. */
        assert_non_null(exact);
        memcpy(exact, wire, len);
        const struct bytes cut = {exact, len};
        struct reader reader;
        reader_init(&reader, chain_of(&cut));
        assert_int_equal(sample->ops->decode(&reader, sample->version, got), CODEC_SHORT);
        free(exact);
    }
}

static void a_message_cut_at_any_byte_is_short(void **state)
{
    (void)state;
    for_each_sample(check_truncation, 2);
}

static void check_seams(struct sample *sample)
{
    _Alignas(16) uint8_t got[OPS_SIZE_MAX];
    if (sample->len > CUT_BYTES_MAX) {
        return;
    }
    for (uint32_t cut = 1; cut < sample->len; cut++) {
        const struct bytes parts[] = {{wire, cut}, {NULL, 0}, {wire + cut, sample->len - cut}};
        const struct chain chain = {parts, 0, sample->len};
        const uint32_t len = decode_and_encode(sample->ops, sample->version, chain, got);
        assert_int_equal(len, sample->len);
        assert_memory_equal(again, wire, len);
    }
    for (uint32_t i = 0; i < sample->len; i++) {
        pieces[i] = (struct bytes){wire + i, 1};
    }
    const struct chain chain = {pieces, 0, sample->len};
    assert_int_equal(decode_and_encode(sample->ops, sample->version, chain, got), sample->len);
    assert_memory_equal(again, wire, sample->len);
}

static void a_message_in_pieces_is_the_same_message(void **state)
{
    (void)state;
    for_each_sample(check_seams, 2);
}

static void check_small_buffers(struct sample *sample)
{
    for (uint32_t size = 0; size < min_u32(sample->len, CUT_BYTES_MAX); size++) {
        uint8_t *exact = malloc(size + 1);
        assert_non_null(exact);
        exact[size] = 0x5a;
        struct writer writer;
        writer_init(&writer, exact, size);
        assert_int_equal(sample->ops->encode(&writer, sample->version, sample->given), CODEC_FULL);
        assert_int_equal(exact[size], 0x5a);
        free(exact);
    }
}

static void a_buffer_too_small_is_full_and_not_overrun(void **state)
{
    (void)state;
    for_each_sample(check_small_buffers, 1);
}

/* Whatever still decodes can be walked, and encodes to something that says the same. */
static void check_mutations(struct sample *sample)
{
    struct random random;
    random_init(&random, sample->len);
    for (uint32_t round = 0; round < 60 && sample->len > 0; round++) {
        _Alignas(16) uint8_t got[OPS_SIZE_MAX];
        _Alignas(16) uint8_t got_again[OPS_SIZE_MAX];
        uint8_t *mutated = malloc(sample->len);
        assert_non_null(mutated);
        memcpy(mutated, wire, sample->len);
        for (uint64_t i = 0; i <= random_below(&random, 3); i++) {
            mutated[random_below(&random, sample->len)] = (uint8_t)random_u64(&random);
        }
        const struct bytes whole = {mutated, sample->len};
        struct reader reader;
        reader_init(&reader, chain_of(&whole));
        if (sample->ops->decode(&reader, sample->version, got) == CODEC_OK) {
            struct writer writer;
            writer_init(&writer, again, sizeof(again));
            assert_int_equal(sample->ops->encode(&writer, sample->version, got), CODEC_OK);
            const struct bytes second = {again, writer_used(&writer)};
            reader_init(&reader, chain_of(&second));
            assert_int_equal(sample->ops->decode(&reader, sample->version, got_again), CODEC_OK);
            char *want = dump(sample->ops, sample->version, got);
            char *have = dump(sample->ops, sample->version, got_again);
            assert_string_equal(have, want);
            free(want);
            free(have);
        }
        free(mutated);
    }
}

static void a_mutated_message_fails_or_stays_whole(void **state)
{
    (void)state;
    for_each_sample(check_mutations, 2);
}

static void versions_out_of_range_are_refused_in_both_directions(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < message_ops_count; i++) {
        const struct message_ops *ops = &message_ops[i];
        const int16_t versions[] = {INT16_MIN, (int16_t)(ops->version_min - 1),
                                    (int16_t)(ops->version_max + 1), INT16_MAX};
        for (size_t j = 0; j < ARRAY_SIZE(versions); j++) {
            _Alignas(16) uint8_t got[OPS_SIZE_MAX];
            struct reader reader;
            struct writer writer;
            reader_init(&reader, CHAIN_EMPTY);
            assert_int_equal(ops->decode(&reader, versions[j], got), CODEC_VERSION);
            writer_init(&writer, wire, sizeof(wire));
            assert_int_equal(ops->encode(&writer, versions[j], ops->defaults), CODEC_VERSION);
            assert_int_equal(writer_used(&writer), 0);
        }
    }
}

/* The sum of all counts is bounded by the bytes there are, whatever they say. */
static void huge_counts_fail_at_once(void **state)
{
    (void)state;
    static const uint8_t ones[] = {0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0};
    static const uint8_t many[] = {0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 3, 0x0d, 0x40, 0, 0};
    const struct bytes wires[] = {{ones, sizeof(ones)}, {many, sizeof(many)}};
    const enum codec_status want[] = {CODEC_INVALID, CODEC_SHORT};
    for (size_t i = 0; i < ARRAY_SIZE(wires); i++) {
        struct reader reader;
        struct produce_request request;
        reader_init(&reader, chain_of(&wires[i]));
        assert_int_equal(produce_request_decode(&reader, 3, &request), want[i]);
    }
}

static void a_response_encoded_in_steps_with_splices_is_the_same(void **state)
{
    (void)state;
    for (int16_t v = 4; v <= 18; v++) {
        const struct fetch_response_aborted_transaction aborted[] = {{7, 8}};
        struct fetch_response_partition partitions[3];
        for (int32_t i = 0; i < 3; i++) {
            partitions[i] = fetch_response_partition_default;
            partitions[i].partition_index = i;
            partitions[i].aborted_transactions.items = aborted;
            partitions[i].aborted_transactions.count = i - 1;
            partitions[i].records = i == 1 ? CHAIN_NULL : CHAIN_TEXT("0123456789");
        }
        struct fetch_response_topic topic = fetch_response_topic_default;
        topic.topic = CHAIN_TEXT("events");
        topic.partitions = (struct fetch_response_partition_array){.items = partitions, .count = 3};
        struct fetch_response response = fetch_response_default;
        response.responses = (struct fetch_response_topic_array){.items = &topic, .count = 1};
        struct writer writer;
        writer_init(&writer, wire, sizeof(wire));
        assert_int_equal(fetch_response_encode(&writer, v, &response), CODEC_OK);
        const uint32_t len = writer_used(&writer);

        struct splice splices[2];
        writer_init(&writer, again, sizeof(again));
        writer_use_splices(&writer, splices, ARRAY_SIZE(splices));
        fetch_response_encode_begin(&writer, v, &fetch_response_default, 1);
        fetch_response_topic_encode_begin(&writer, v, &topic, 3);
        for (int32_t i = 0; i < 3; i++) {
            partitions[i].records.parts = NULL; /* The length alone is enough. */
            fetch_response_partition_encode(&writer, v, &partitions[i]);
        }
        fetch_response_topic_encode_end(&writer, v, &topic);
        assert_int_equal(fetch_response_encode_end(&writer, v, &fetch_response_default), CODEC_OK);
        assert_int_equal(writer_bytes(&writer), len);
        assert_int_equal(writer_used(&writer), len - 20);
        const uint32_t first = splices[0].offset;
        const uint32_t second = splices[1].offset;
        assert_memory_equal(again, wire, first);
        assert_memory_equal(again + first, wire + first + 10, second - first);
        assert_memory_equal(again + second, wire + second + 20, len - 20 - second);
    }
}

/* What a request says, as text; read whole, or in steps. */
static enum codec_status produce_text(struct bytes from, int16_t v, bool in_steps, char *to)
{
    struct reader reader;
    struct produce_request request;
    struct produce_request_topic topic;
    struct produce_request_partition partition;
    int32_t topics;
    int32_t count;
    reader_init(&reader, chain_of(&from));
    if (!in_steps && produce_request_decode(&reader, v, &request) != CODEC_OK) {
        return reader.status;
    }
    if (in_steps) {
        produce_request_decode_begin(&reader, v, &request, &topics);
    } else {
        topics = request.topic_data.count;
    }
    to += sprintf(to, "%d %d %d:", request.acks, request.timeout_ms, topics);
    for (int32_t i = 0; i < topics && reader.status == CODEC_OK; i++) {
        if (in_steps) {
            produce_request_topic_decode_begin(&reader, v, &topic, &count);
        } else {
            assert_true(produce_request_topic_array_next(&request.topic_data, &topic));
            count = topic.partition_data.count;
        }
        to += sprintf(to, " %u %u %d(", topic.name.len, topic.topic_id.bytes[0], count);
        for (int32_t j = 0; j < count && reader.status == CODEC_OK; j++) {
            if (in_steps) {
                produce_request_partition_decode(&reader, v, &partition);
            } else {
                assert_true(
                    produce_request_partition_array_next(&topic.partition_data, &partition));
            }
            to += sprintf(to, "%d=%u ", partition.index, partition.records.len);
        }
        if (in_steps) {
            produce_request_topic_decode_end(&reader, v, &topic);
        }
    }
    if (in_steps) {
        produce_request_decode_end(&reader, v, &request);
    }
    return reader.status;
}

static void a_request_decoded_in_steps_is_the_same_and_as_short(void **state)
{
    (void)state;
    for (int16_t v = 2; v <= 14; v++) {
        struct produce_request_partition partitions[3];
        struct produce_request_topic topics[3];
        for (int32_t i = 0; i < 3; i++) {
            partitions[i] = produce_request_partition_default;
            partitions[i].index = 70 + i;
            partitions[i].records = i == 1 ? CHAIN_NULL : CHAIN_TEXT("0123456789");
            topics[i] = produce_request_topic_default;
            topics[i].name = CHAIN_TEXT("events");
            topics[i].topic_id.bytes[0] = (uint8_t)(i + 1);
            topics[i].partition_data.items = partitions;
            topics[i].partition_data.count = 2 * i % 3; /* None, two, one. */
        }
        struct produce_request request = produce_request_default;
        request.acks = -1;
        request.timeout_ms = 1234;
        request.topic_data = (struct produce_request_topic_array){.items = topics, .count = 3};
        struct writer writer;
        writer_init(&writer, wire, sizeof(wire));
        (void)produce_request_encode(&writer, v < 3 ? 3 : v > 13 ? 13 : v, &request);
        char whole[400];
        char steps[400];
        for (uint32_t len = 0; len <= writer_used(&writer); len++) {
            const struct bytes cut = {wire, len};
            const enum codec_status status = produce_text(cut, v, false, whole);
            assert_int_equal(produce_text(cut, v, true, steps), status);
            const bool good = v >= 3 && v <= 13 && len == writer_used(&writer);
            assert_int_equal(status == CODEC_OK, good);
            if (good) {
                assert_string_equal(steps, whole);
            }
        }
    }
}

/* B6: what a version does not have is dropped where the schema allows it, else encoding fails. */
static void only_ignorable_fields_may_get_lost(void **state)
{
    (void)state;
    struct writer writer;
    struct fetch_request fetch = fetch_request_default;
    fetch.session_id = 5; /* From version 7 on, may be dropped. */
    writer_init(&writer, wire, sizeof(wire));
    assert_int_equal(fetch_request_encode(&writer, 4, &fetch), CODEC_OK);
    fetch.replica_state.replica_id = 1; /* From version 15 on, may not. */
    writer_init(&writer, wire, sizeof(wire));
    assert_int_equal(fetch_request_encode(&writer, 14, &fetch), CODEC_UNREPRESENTABLE);
    writer_init(&writer, wire, sizeof(wire));
    assert_int_equal(fetch_request_encode(&writer, 15, &fetch), CODEC_OK);

    struct create_topics_request create = create_topics_request_default;
    struct delete_topics_request delete = delete_topics_request_default;
    create.validate_only = true;
    writer_init(&writer, wire, sizeof(wire));
    assert_int_equal(create_topics_request_encode(&writer, 2, &create), CODEC_OK);
    const struct delete_topics_request_topic topic = delete_topics_request_topic_default;
    delete.topics = (struct delete_topics_request_topic_array){.items = &topic, .count = 1};
    writer_init(&writer, wire, sizeof(wire));
    assert_int_equal(delete_topics_request_encode(&writer, 5, &delete), CODEC_UNREPRESENTABLE);
    writer_init(&writer, wire, sizeof(wire));
    assert_int_equal(delete_topics_request_encode(&writer, 6, &delete), CODEC_OK);
}

static void null_is_refused_where_the_version_has_no_null(void **state)
{
    (void)state;
    struct writer writer;
    struct metadata_request request = metadata_request_default;
    request.topics.count = -1;
    writer_init(&writer, wire, sizeof(wire));
    assert_int_equal(metadata_request_encode(&writer, 0, &request), CODEC_UNREPRESENTABLE);
    writer_init(&writer, wire, sizeof(wire));
    assert_int_equal(metadata_request_encode(&writer, 1, &request), CODEC_OK);
    static const uint8_t null_topics[] = {0xff, 0xff, 0xff, 0xff};
    const struct bytes bytes = {null_topics, sizeof(null_topics)};
    struct reader reader;
    reader_init(&reader, chain_of(&bytes));
    assert_int_equal(metadata_request_decode(&reader, 0, &request), CODEC_INVALID);
    reader_init(&reader, chain_of(&bytes));
    assert_int_equal(metadata_request_decode(&reader, 1, &request), CODEC_OK);
    assert_int_equal(request.topics.count, -1);
}

static void absent_fields_have_their_defaults(void **state)
{
    (void)state;
    static const uint8_t zeros[64];
    const struct bytes bytes = {zeros, sizeof(zeros)};
    struct reader reader;
    struct fetch_request request;
    reader_init(&reader, chain_of(&bytes));
    assert_int_equal(fetch_request_decode(&reader, 4, &request), CODEC_OK);
    assert_int_equal(request.session_epoch, -1);
    assert_true(chain_is_null(request.cluster_id));
    assert_false(chain_is_null(request.rack_id));
    assert_int_equal(request.rack_id.len, 0);
    assert_int_equal(request.replica_state.replica_epoch, -1);
    assert_int_equal(request.forgotten_topics_data.count, 0);
}

/* KIP-482: what a newer client adds in tags must not disturb. */
static void unknown_tags_at_every_level_are_skipped(void **state)
{
    (void)state;
    static const uint8_t request_wire[] = {
        0, 0,    1,    0,    0,    0,    9, /* No transactional id, acks, timeout. */
        2, 2,    't',                       /* One topic. */
        2, 0,    0,    0,    3,    0,       /* One partition, null records ... */
        1, 40,   2,    8,    8,             /* ... with an unknown tag, */
        2, 0,    0,    41,   1,    7,       /* the topic with two, one of them empty, */
        1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, /* the request with the largest there is. */
    };
    const struct bytes bytes = {request_wire, sizeof(request_wire)};
    struct reader reader;
    struct produce_request request;
    struct produce_request_topic topic;
    struct produce_request_partition partition;
    reader_init(&reader, chain_of(&bytes));
    assert_int_equal(produce_request_decode(&reader, 9, &request), CODEC_OK);
    assert_int_equal(reader_left(&reader), 0);
    assert_true(produce_request_topic_array_next(&request.topic_data, &topic));
    assert_true(chain_equals(topic.name, (struct bytes){(const uint8_t *)"t", 1}));
    assert_true(produce_request_partition_array_next(&topic.partition_data, &partition));
    assert_int_equal(partition.index, 3);
    assert_true(chain_is_null(partition.records));
    assert_false(produce_request_partition_array_next(&topic.partition_data, &partition));
    assert_false(produce_request_topic_array_next(&request.topic_data, &topic));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_and_version_comes_back_as_it_was),
        cmocka_unit_test(a_message_cut_at_any_byte_is_short),
        cmocka_unit_test(a_message_in_pieces_is_the_same_message),
        cmocka_unit_test(a_buffer_too_small_is_full_and_not_overrun),
        cmocka_unit_test(a_mutated_message_fails_or_stays_whole),
        cmocka_unit_test(versions_out_of_range_are_refused_in_both_directions),
        cmocka_unit_test(huge_counts_fail_at_once),
        cmocka_unit_test(a_response_encoded_in_steps_with_splices_is_the_same),
        cmocka_unit_test(a_request_decoded_in_steps_is_the_same_and_as_short),
        cmocka_unit_test(only_ignorable_fields_may_get_lost),
        cmocka_unit_test(null_is_refused_where_the_version_has_no_null),
        cmocka_unit_test(absent_fields_have_their_defaults),
        cmocka_unit_test(unknown_tags_at_every_level_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
