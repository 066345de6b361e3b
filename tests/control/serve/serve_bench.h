/* Groups on the control bench: what a client would ask, and what it is told. */
#ifndef TESTS_CONTROL_SERVE_SERVE_BENCH_H
#define TESTS_CONTROL_SERVE_SERVE_BENCH_H

#include "control/control_state.h"
#include "tests/control/bench.h"

enum { ASK_BYTES = 64 * 1024 };

/* ASK(bench, HEARTBEAT, heartbeat, 4, &request, &response): true when the response is decoded, a
 * view of the bench's last reply; else bench->reply_error. */
#define ASK(bench, API, name, version, request, response)                                       \
    __extension__({                                                                             \
        static uint8_t ask_body[ASK_BYTES];                                                     \
        struct writer ask_writer;                                                               \
        writer_init(&ask_writer, ask_body, sizeof(ask_body));                                   \
        assert_int_equal(name##_request_encode(&ask_writer, version, request), CODEC_OK);       \
        const bool ask_good = bench_ask(bench, API_##API, version,                              \
                                        (struct bytes){ask_body, writer_used(&ask_writer)});    \
        static struct bytes ask_piece;                                                          \
        ask_piece = (struct bytes){bench->reply, bench->reply_len};                             \
        struct reader ask_reader;                                                               \
        reader_init(&ask_reader, chain_of(&ask_piece));                                         \
        if (ask_good) {                                                                         \
            assert_int_equal(name##_response_decode(&ask_reader, version, response), CODEC_OK); \
        }                                                                                       \
        ask_good;                                                                               \
    })

/* Lasting chains of constant text. */
static inline struct chain text_of(const char *text)
{
    static struct bytes pieces[64];
    static uint32_t next;
    struct bytes *piece = &pieces[next++ % ARRAY_SIZE(pieces)];
    *piece = bytes_of_string(text);
    return chain_of(piece);
}

static inline int16_t find_group(struct bench *bench, const char *group)
{
    struct find_coordinator_request request = find_coordinator_request_default;
    struct find_coordinator_response response;
    request.key = text_of(group);
    assert_true(ASK(bench, FIND_COORDINATOR, find_coordinator, 3, &request, &response));
    return response.error_code;
}

/* With topic "t" of 4 partitions, and coordinators that are ready. */
static inline struct bench *bench_with_groups(const char *const *extra)
{
    struct bench *bench = bench_new(1, extra);
    assert_int_equal(bench_create_topic(bench, "t", 4), ERROR_NONE);
    (void)find_group(bench, "g");
    bench_turns(bench, 100);
    assert_int_equal(find_group(bench, "g"), ERROR_NONE);
    return bench;
}

static inline int16_t commit_offset(struct bench *bench, const char *group, const char *topic,
                                    int32_t partition, int64_t offset)
{
    struct offset_commit_request_partition item = offset_commit_request_partition_default;
    struct offset_commit_request_topic named = offset_commit_request_topic_default;
    struct offset_commit_request request = offset_commit_request_default;
    struct offset_commit_response response;
    struct offset_commit_response_topic told;
    struct offset_commit_response_partition got;
    item.partition_index = partition;
    item.committed_offset = offset;
    item.committed_metadata = text_of("");
    named.name = text_of(topic);
    named.partitions.items = &item;
    named.partitions.count = 1;
    request.group_id = text_of(group);
    request.topics.items = &named;
    request.topics.count = 1;
    if (!ASK(bench, OFFSET_COMMIT, offset_commit, 8, &request, &response)) {
        return bench->reply_error;
    }
    assert_true(offset_commit_response_topic_array_next(&response.topics, &told));
    assert_true(offset_commit_response_partition_array_next(&told.partitions, &got));
    return got.error_code;
}

/* -1: none. *error_code: of the group or the whole. */
static inline int64_t fetch_offset(struct bench *bench, const char *group, const char *topic,
                                   int32_t partition, int16_t *error_code)
{
    struct offset_fetch_request_topic named = offset_fetch_request_topic_default;
    struct offset_fetch_request request = offset_fetch_request_default;
    struct offset_fetch_response response;
    struct offset_fetch_response_topic told;
    struct offset_fetch_response_partition got;
    named.name = text_of(topic);
    named.partition_indexes.items = &partition;
    named.partition_indexes.count = 1;
    request.group_id = text_of(group);
    request.topics.items = &named;
    request.topics.count = 1;
    if (!ASK(bench, OFFSET_FETCH, offset_fetch, 5, &request, &response)) {
        *error_code = bench->reply_error;
        return -1;
    }
    *error_code = response.error_code;
    if (!offset_fetch_response_topic_array_next(&response.topics, &told) ||
        !offset_fetch_response_partition_array_next(&told.partitions, &got)) {
        return -1;
    }
    return got.committed_offset;
}

#endif
