#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/kafka/produce_one.h"

enum {
    VERSION_MIN = 9,
    VERSION_MAX = 13,
    FRAME_BYTES = 70000,
    RECORDS_BYTES_MAX = 66000,
    CORRELATION = 0x01020304,
};

static const uint8_t name_text[128] =
    "orders-of-today-and-all-the-days-before-it-in-one-topic-of-a-"
    "name-that-is-as-long-as-it-may-be-in-one-byte-of-length-and-more";
static const struct uuid some_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

/* What a request may have; the first row is of the shape, each other one differs by one thing. */
struct shape {
    const char *what;
    uint32_t name_len, records_len;
    bool records_null, transactional;
    int32_t topics, partitions;
    bool wanted;
    bool name_only; /* By id it is of the shape: there is no name. */
};

/* clang-format off */
static const struct shape shapes[] = {
    {"one partition",         6,   200,   false, false, 1, 1, true, false},
    {"a record of a byte",    6,   1,     false, false, 1, 1, true, false},
    {"lengths of two bytes",  6,   127,   false, false, 1, 1, true, false},
    {"lengths of three",      6,   65000, false, false, 1, 1, true, false},
    {"the shortest name",     1,   200,   false, false, 1, 1, true, false},
    {"the longest name",      126, 200,   false, false, 1, 1, true, false},
    {"too long a name",       127, 200,   false, false, 1, 1, false, true},
    {"an empty name",         0,   200,   false, false, 1, 1, false, true},
    {"no records",            6,   0,     true,  false, 1, 1, false, false},
    {"records of no bytes",   6,   0,     false, false, 1, 1, false, false},
    {"a transaction",         6,   200,   false, true,  1, 1, false, false},
    {"two topics",            6,   200,   false, false, 2, 1, false, false},
    {"two partitions",        6,   200,   false, false, 1, 2, false, false},
    {"no topics",             6,   200,   false, false, 0, 1, false, false},
    {"no partitions",         6,   200,   false, false, 1, 0, false, false},
};
/* clang-format on */

static struct bytes request_of(const struct shape *shape, int16_t version, uint8_t *to)
{
    static uint8_t memory[RECORDS_BYTES_MAX];
    const struct bytes records = {memory, shape->records_len};
    const struct bytes name = {name_text, shape->name_len};
    const struct bytes transaction = {name_text, 3};
    struct produce_request_partition partitions[2] = {{7, chain_of(&records)},
                                                      {8, chain_of(&records)}};
    struct produce_request_topic topics[2] = {produce_request_topic_default,
                                              produce_request_topic_default};
    struct produce_request request = produce_request_default;
    struct writer writer;
    memset(memory, 0x5a, sizeof(memory));
    if (shape->records_null) {
        partitions[0].records = CHAIN_NULL;
    }
    for (uint32_t i = 0; i < 2; i++) {
        topics[i].name = chain_of(&name);
        topics[i].topic_id = some_id;
        topics[i].partition_data.items = partitions;
        topics[i].partition_data.count = shape->partitions;
    }
    request.transactional_id = shape->transactional ? chain_of(&transaction) : CHAIN_NULL;
    request.acks = -1;
    request.timeout_ms = 30000;
    request.topic_data.items = topics;
    request.topic_data.count = shape->topics;
    writer_init(&writer, to, FRAME_BYTES);
    produce_request_encode(&writer, version, &request);
    assert_int_equal(writer.status, CODEC_OK);
    return (struct bytes){to, writer_used(&writer)};
}

static void requests_of_the_shape_are_read_and_no_others(void **state)
{
    (void)state;
    static uint8_t memory[FRAME_BYTES];
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        for (int16_t version = 3; version <= VERSION_MAX; version++) {
            const struct shape *shape = &shapes[i];
            const bool by_id = version == VERSION_MAX;
            const bool wanted =
                version >= VERSION_MIN && (shape->wanted || (by_id && shape->name_only));
            const struct bytes body = request_of(shape, version, memory);
            struct produce_one_request one;
            if (produce_one_decode(body, version, &one) != wanted) {
                fail_msg("%s, version %d", shape->what, version);
            }
            if (!wanted) {
                continue;
            }
            assert_int_equal(one.acks, -1);
            assert_int_equal(one.timeout_ms, 30000);
            assert_int_equal(one.partition, 7);
            assert_int_equal(one.records.len, shape->records_len);
            assert_int_equal(one.records.ptr[0], 0x5a);
            assert_memory_equal(one.topic_id.bytes, by_id ? some_id.bytes : (uint8_t[16]){0}, 16);
            assert_true(
                by_id ? one.topic_name.len == 0
                      : bytes_equal(one.topic_name, (struct bytes){name_text, shape->name_len}));
        }
    }
}

static void compare_with_the_full_codec(struct bytes body, int16_t version,
                                        const struct produce_one_request *one)
{
    struct produce_request full;
    struct produce_request_topic topic;
    struct produce_request_partition partition;
    struct reader reader;
    reader_init(&reader, chain_of(&body));
    assert_int_equal(produce_request_decode(&reader, version, &full), CODEC_OK);
    assert_int_equal(reader_left(&reader), 0);
    assert_true(chain_is_null(full.transactional_id));
    assert_int_equal(full.acks, one->acks);
    assert_int_equal(full.timeout_ms, one->timeout_ms);
    assert_int_equal(full.topic_data.count, 1);
    assert_true(produce_request_topic_array_next(&full.topic_data, &topic));
    assert_true(uuid_equal(topic.topic_id, one->topic_id));
    assert_int_equal(topic.name.len, one->topic_name.len);
    assert_int_equal(topic.partition_data.count, 1);
    assert_true(produce_request_partition_array_next(&topic.partition_data, &partition));
    assert_int_equal(partition.index, one->partition);
    assert_int_equal(partition.records.len, one->records.len);
    assert_ptr_equal(chain_first(partition.records).ptr, one->records.ptr);
}

/* Bodies cut short, or changed in any byte: what is read here means the same there. */
static void a_changed_request_is_read_as_the_full_codec_reads_it(void **state)
{
    (void)state;
    static uint8_t memory[FRAME_BYTES];
    uint32_t taken = 0;
    for (int16_t version = VERSION_MIN; version <= VERSION_MAX; version++) {
        const struct bytes good = request_of(&shapes[0], version, memory);
        struct produce_one_request one;
        for (uint32_t i = 0; i < good.len * 256; i++) {
            const uint8_t before = memory[i / 256];
            memory[i / 256] = (uint8_t)i;
            if (produce_one_decode(good, version, &one)) {
                compare_with_the_full_codec(good, version, &one);
                taken++;
            }
            memory[i / 256] = before;
        }
        for (uint32_t len = 0; len < good.len; len++) {
            const struct bytes cut = {good.ptr, len};
            assert_false(produce_one_decode(cut, version, &one));
        }
    }
    assert_true(taken > 1000);
}

/* A frame of the shape, without its length. */
static struct bytes frame_of(int16_t version, uint32_t client_id_len, uint32_t name_len,
                             uint8_t *to)
{
    struct shape shape = shapes[0];
    struct writer writer;
    const struct bytes client_id = {name_text, client_id_len};
    writer_init(&writer, to, FRAME_BYTES);
    request_begin(&writer, api_find(0), version, CORRELATION, chain_of(&client_id));
    shape.name_len = name_len;
    const struct bytes body = request_of(&shape, version, to + writer_used(&writer));
    return (struct bytes){to + 4, writer_used(&writer) - 4 + body.len};
}

/* What is kept of one frame is looked for in a frame like it, with each byte changed. */
static void check_head(int16_t version, uint32_t client_id_len, uint32_t name_len)
{
    static uint8_t memory[FRAME_BYTES];
    static uint8_t others_memory[FRAME_BYTES];
    struct produce_one_head head = {0};
    struct produce_one_request one;
    const struct bytes frame = frame_of(version, client_id_len, name_len, memory);
    const uint32_t header_bytes = 10 + client_id_len + 1;
    const uint32_t head_bytes = header_bytes + 8 + (version == 13 ? 16 : 1 + name_len);
    const struct bytes body = {frame.ptr + header_bytes, frame.len - header_bytes};
    assert_true(produce_one_decode(body, version, &one));
    assert_false(produce_one_head_begins(&head, frame));
    produce_one_head_keep(&head, frame, &one);
    if (head_bytes < PRODUCE_ONE_HEAD_BYTES_MIN || head_bytes > PRODUCE_ONE_HEAD_BYTES_MAX) {
        assert_int_equal(head.bytes, 0);
        return;
    }
    assert_int_equal(head.bytes, head_bytes);
    const struct bytes other = frame_of(version, client_id_len, name_len, others_memory);
    for (uint32_t i = 0; i < other.len * 8; i++) {
        const bool in_head = i / 8 < head_bytes && (i / 8 < 4 || i / 8 >= 8);
        const struct bytes others_body = {other.ptr + header_bytes, other.len - header_bytes};
        struct produce_one_request rest;
        others_memory[4 + i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(produce_one_head_begins(&head, other), !in_head);
        if (!in_head) {
            const bool good = produce_one_decode(others_body, version, &one);
            assert_int_equal(produce_one_rest_decode(&head, other, &rest), good);
            assert_true(!good ||
                        (rest.partition == one.partition && rest.records.ptr == one.records.ptr &&
                         rest.records.len == one.records.len));
        }
        others_memory[4 + i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (uint32_t len = 8; len < other.len; len++) { /* Cut short: nothing behind it is read. */
        const struct bytes cut = {memcpy(memory, other.ptr, len), len};
        assert_int_equal(produce_one_head_begins(&head, cut), len > head_bytes);
        assert_false(len > head_bytes && produce_one_rest_decode(&head, cut, &one));
    }
}

static void a_frame_that_begins_as_the_one_before_is_read_alike(void **state)
{
    (void)state;
    static const uint32_t lens[] = {1, 2, 3, 8, 9, 26, 64, 107, 108, 126};
    for (int16_t version = VERSION_MIN; version <= VERSION_MAX; version++) {
        for (uint32_t i = 0; i < ARRAY_SIZE(lens); i++) {
            check_head(version, lens[i], 6);
            check_head(version, 3, lens[i]);
        }
        check_head(version, 0, 3);
    }
}

static void an_answer_is_that_of_the_full_codec(void **state)
{
    (void)state;
    const struct api_info *api = api_find(0);
    for (int16_t version = VERSION_MIN; version <= VERSION_MAX; version++) {
        for (uint32_t name_len = 1; name_len <= PRODUCE_ONE_NAME_BYTES_MAX; name_len++) {
            const struct produce_one_answer answer = {.correlation_id = CORRELATION,
                                                      .topic_name = {name_text, name_len},
                                                      .topic_id = some_id,
                                                      .partition = 7,
                                                      .base_offset = 0x1112131415161718,
                                                      .log_append_time_ms = -1,
                                                      .log_start_offset = 0x2122232425262728};
            struct produce_response_partition partition = produce_response_partition_default;
            struct produce_response_topic topic = produce_response_topic_default;
            struct produce_response response = produce_response_default;
            uint8_t one[PRODUCE_ONE_ANSWER_BYTES_MAX];
            uint8_t full[512];
            struct writer writer;
            partition.index = answer.partition;
            partition.base_offset = answer.base_offset;
            partition.log_append_time_ms = answer.log_append_time_ms;
            partition.log_start_offset = answer.log_start_offset;
            topic.name = chain_of(&answer.topic_name);
            topic.topic_id = some_id;
            topic.partition_responses.items = &partition;
            topic.partition_responses.count = 1;
            response.responses.items = &topic;
            response.responses.count = 1;
            writer_init(&writer, full, sizeof(full));
            response_begin(&writer, api, version, CORRELATION);
            produce_response_encode(&writer, version, &response);
            assert_int_equal(frame_end(&writer), CODEC_OK);
            assert_int_equal(produce_one_encode(one, version, &answer), writer_used(&writer));
            assert_in_range(writer_used(&writer), PRODUCE_ONE_ANSWER_BYTES_MIN,
                            PRODUCE_ONE_ANSWER_BYTES_MAX);
            assert_memory_equal(one, full, writer_used(&writer));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_the_shape_are_read_and_no_others),
        cmocka_unit_test(a_changed_request_is_read_as_the_full_codec_reads_it),
        cmocka_unit_test(a_frame_that_begins_as_the_one_before_is_read_alike),
        cmocka_unit_test(an_answer_is_that_of_the_full_codec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
