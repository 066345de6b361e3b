#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/kafka/messages.h"

#define WIRE(...)                                                              \
    {                                                                          \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}) \
    }

enum {
    BYTES_MAX = 0x100000,
};

/* clang-format off */
static const struct {
    const char *what;
    struct bytes wire;
    enum frame_status want;
} frames[] = {
    {"length cut short",      WIRE(0, 0, 0),                FRAME_PARTIAL},
    {"body cut short",        WIRE(0, 0, 0, 5, 1, 2, 3, 4), FRAME_PARTIAL},
    {"shortest frame",        WIRE(0, 0, 0, 4, 1, 2, 3, 4), FRAME_READY},
    {"below the minimum",     WIRE(0, 0, 0, 3, 1, 2, 3, 4), FRAME_BAD},
    {"one above the maximum", WIRE(0x00, 0x10, 0x00, 0x01), FRAME_BAD},
    {"the maximum",           WIRE(0x00, 0x10, 0x00, 0x00), FRAME_PARTIAL},
    {"negative length",       WIRE(0xff, 0xff, 0xff, 0xff), FRAME_BAD},
};
/* clang-format on */

static void frame_next_refuses_lengths_out_of_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
        struct chain frame = CHAIN_NULL;
        if (frame_next(chain_of(&frames[i].wire), BYTES_MAX, &frame) != frames[i].want) {
            fail_msg("%s", frames[i].what);
        }
        assert_int_equal(chain_is_null(frame), frames[i].want != FRAME_READY);
    }
}

static void frame_next_finds_a_frame_however_it_was_cut(void **state)
{
    (void)state;
    static const uint8_t stream[] = {0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0};
    for (uint32_t cut = 0; cut <= sizeof(stream); cut++) {
        const struct bytes parts[] = {{stream, cut}, {stream + cut, sizeof(stream) - cut}};
        const struct chain chain = {parts + (cut == 0), 0, sizeof(stream)};
        struct chain frame;
        assert_int_equal(frame_next(chain, BYTES_MAX, &frame), FRAME_READY);
        assert_true(chain_equals(frame, (struct bytes){stream + 4, 5}));
        struct chain untouched = CHAIN_NULL;
        if (cut < 9) {
            assert_int_equal(frame_next(chain_take(chain, cut), BYTES_MAX, &untouched),
                             FRAME_PARTIAL);
            assert_true(chain_is_null(untouched));
        }
    }
}

static void frame_size_is_known_before_the_body(void **state)
{
    (void)state;
    const struct bytes wire = WIRE(0, 0, 1, 2);
    uint32_t size = 0;
    assert_int_equal(frame_size(chain_of(&wire), BYTES_MAX, &size), FRAME_READY);
    assert_int_equal(size, 0x102);
}

/* clang-format off */
static const struct {
    const char *what;
    struct bytes wire;
    enum codec_status want;
    uint32_t left;
} headers[] = {
    {"Produce 3, no tags", WIRE(0, 0, 0, 3, 0, 0, 0, 7, 0, 1, 'c', 0), CODEC_OK, 1},
    {"Produce 9, tags", WIRE(0, 0, 0, 9, 0, 0, 0, 7, 0, 1, 'c', 0), CODEC_OK, 0},
    {"Produce 9, a body", WIRE(0, 0, 0, 9, 0, 0, 0, 7, 0, 1, 'c', 0, 8, 8), CODEC_OK, 2},
    {"Produce 9, no client id", WIRE(0, 0, 0, 9, 0, 0, 0, 7, 0, 0, 0, 8), CODEC_OK, 1},
    {"unknown tags are skipped", WIRE(0, 0, 0, 9, 0, 0, 0, 7, 0, 1, 'c', 1, 5, 1, 9), CODEC_OK, 0},
    {"client id may be null", WIRE(0, 0, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 0), CODEC_OK, 0},
    {"Produce 2 is not served", WIRE(0, 0, 0, 2, 0, 0, 0, 7, 0, 0), CODEC_VERSION, 0},
    {"Produce 14 is unknown", WIRE(0, 0, 0, 14, 0, 0, 0, 7, 0, 0), CODEC_VERSION, 0},
    {"key 4 is gone", WIRE(0, 4, 0, 0, 0, 0, 0, 7, 0, 0), CODEC_VERSION, 0},
    {"negative key", WIRE(0xff, 0xff, 0, 0, 0, 0, 0, 7, 0, 0), CODEC_VERSION, 0},
    {"ApiVersions 3", WIRE(0, 18, 0, 3, 0, 0, 0, 7, 0, 0, 0), CODEC_OK, 0},
    {"ApiVersions 99", WIRE(0, 18, 0, 99, 0, 0, 0, 7, 0, 0, 0, 1, 2), CODEC_OK, 2},
    {"ApiVersions -1", WIRE(0, 18, 0xff, 0xff, 0, 0, 0, 7, 0, 0), CODEC_OK, 0},
    {"client id below null", WIRE(0, 0, 0, 3, 0, 0, 0, 7, 0xff, 0xfe), CODEC_OK, 0},
    {"client id cut short", WIRE(0, 0, 0, 3, 0, 0, 0, 7, 0, 2, 'c'), CODEC_SHORT, 0},
    {"nothing", {NULL, 0}, CODEC_SHORT, 0},
};
/* clang-format on */

static void request_headers_are_read_by_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        struct reader reader;
        struct request_header header;
        reader_init(&reader, chain_of(&headers[i].wire));
        if (request_header_decode(&reader, &header) != headers[i].want) {
            fail_msg("%s: %s", headers[i].what, codec_status_name(reader.status));
        }
        assert_int_equal(reader_left(&reader), headers[i].left);
        if (headers[i].want == CODEC_OK) {
            assert_int_equal(header.correlation_id, 7);
        }
    }
}

/* The usual header in one piece is read at once, all others field by field: with one answer. */
static void a_header_is_the_same_wherever_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        const struct bytes wire = headers[i].wire;
        struct reader reader;
        struct request_header whole = {0};
        reader_init(&reader, chain_of(&wire));
        const enum codec_status status = request_header_decode(&reader, &whole);
        for (uint32_t cut = 1; cut < wire.len; cut++) {
            const struct bytes parts[] = {{wire.ptr, cut}, {wire.ptr + cut, wire.len - cut}};
            struct request_header header = {0};
            reader_init(&reader, (struct chain){.parts = parts, .len = wire.len});
            assert_int_equal(request_header_decode(&reader, &header), status);
            assert_int_equal(reader_left(&reader), headers[i].left);
            if (status != CODEC_OK) {
                continue;
            }
            assert_ptr_equal(header.api, whole.api);
            assert_int_equal(header.api_version, whole.api_version);
            assert_int_equal(header.version_known, whole.version_known);
            assert_int_equal(header.correlation_id, whole.correlation_id);
            assert_int_equal(chain_is_null(header.client_id), chain_is_null(whole.client_id));
            assert_true(chain_equals(header.client_id, chain_first(whole.client_id)));
        }
    }
}

/* Bytes behind a frame are the next one's. */
static void a_header_ends_with_its_frame(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        const struct bytes wire = headers[i].wire;
        for (uint32_t len = 0; headers[i].want == CODEC_OK && len < wire.len - headers[i].left;
             len++) {
            struct reader reader;
            struct request_header header;
            reader_init(&reader, chain_take(chain_of(&wire), len));
            assert_int_equal(request_header_decode(&reader, &header), CODEC_SHORT);
            assert_int_equal(request_header_usual(&wire, 0, len, &header), 0);
        }
    }
}

static void only_api_versions_passes_with_an_unknown_version(void **state)
{
    (void)state;
    const int16_t versions[] = {-1, 0, 3, 4, 5, 99};
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        const uint16_t v = (uint16_t)versions[i];
        const uint8_t wire[] = {0, 18, (uint8_t)(v >> 8), (uint8_t)v, 0, 0, 0, 7, 0, 0, 0};
        const struct bytes piece = {wire, sizeof(wire)};
        struct reader reader;
        struct request_header header;
        reader_init(&reader, chain_of(&piece));
        assert_int_equal(request_header_decode(&reader, &header), CODEC_OK);
        assert_int_equal(header.version_known, versions[i] >= 0 && versions[i] <= 4);
        assert_int_equal(header.api_version, versions[i]);
    }
}

static void what_request_begin_writes_is_read_back(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < api_count; i++) {
        const struct api_info *api = &api_table[i];
        for (int16_t v = api->version_min; v <= api->version_max; v++) {
            uint8_t buffer[64];
            struct writer writer;
            writer_init(&writer, buffer, sizeof(buffer));
            request_begin(&writer, api, v, -5, CHAIN_TEXT("me"));
            assert_int_equal(frame_end(&writer), CODEC_OK);
            const struct bytes wire = {buffer, writer_used(&writer)};
            struct chain frame;
            assert_int_equal(frame_next(chain_of(&wire), BYTES_MAX, &frame), FRAME_READY);
            struct reader reader;
            struct request_header header;
            reader_init(&reader, frame);
            assert_int_equal(request_header_decode(&reader, &header), CODEC_OK);
            assert_ptr_equal(header.api, api);
            assert_int_equal(header.api_version, v);
            assert_true(header.version_known);
            assert_int_equal(header.correlation_id, -5);
            assert_true(chain_equals(header.client_id, (struct bytes){(const uint8_t *)"me", 2}));
            assert_int_equal(reader_left(&reader), 0);
        }
    }
}

/* B2: flexible responses have tags in the header, those of ApiVersions never. */
static void response_headers_are_flexible_except_for_api_versions(void **state)
{
    (void)state;
    const struct {
        int16_t key, version;
        uint32_t bytes;
    } cases[] = {{API_API_VERSIONS, 4, 8}, {API_FETCH, 11, 8}, {API_FETCH, 12, 9}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t buffer[16];
        struct writer writer;
        writer_init(&writer, buffer, sizeof(buffer));
        response_begin(&writer, api_find(cases[i].key), cases[i].version, 77);
        assert_int_equal(frame_end(&writer), CODEC_OK);
        assert_int_equal(writer_used(&writer), cases[i].bytes);
        assert_int_equal(load_be32(buffer), cases[i].bytes - 4);
        const struct bytes body = {buffer + 4, cases[i].bytes - 4};
        struct reader reader;
        int32_t correlation_id;
        reader_init(&reader, chain_of(&body));
        assert_int_equal(response_header_decode(&reader, api_find(cases[i].key), cases[i].version,
                                                &correlation_id),
                         CODEC_OK);
        assert_int_equal(correlation_id, 77);
        assert_int_equal(reader_left(&reader), 0);
    }
}

static void frame_end_counts_what_is_spliced(void **state)
{
    (void)state;
    uint8_t buffer[32];
    struct splice splice;
    struct writer writer;
    writer_init(&writer, buffer, sizeof(buffer));
    writer_use_splices(&writer, &splice, 1);
    response_begin(&writer, api_find(API_FETCH), 4, 1);
    writer_records(&writer, false, true, (struct chain){.len = 1000});
    writer_i8(&writer, 5);
    assert_int_equal(frame_end(&writer), CODEC_OK);
    assert_int_equal(load_be32(buffer), 4 + 4 + 1000 + 1);
    assert_int_equal(splice.offset, 4 + 4 + 4);
    assert_int_equal(splice.records.len, 1000);
}

static void frame_end_refuses_more_than_a_length_can_say(void **state)
{
    (void)state;
    uint8_t buffer[32];
    struct splice splices[2];
    struct writer writer;
    writer_init(&writer, buffer, sizeof(buffer));
    writer_use_splices(&writer, splices, ARRAY_SIZE(splices));
    response_begin(&writer, api_find(API_FETCH), 4, 1);
    writer_records(&writer, false, true, (struct chain){.len = INT32_MAX});
    writer_records(&writer, false, true, (struct chain){.len = 1});
    assert_int_equal(frame_end(&writer), CODEC_UNREPRESENTABLE);
}

static void the_table_is_sorted_and_says_what_is_advertised(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < api_count; i++) {
        assert_ptr_equal(api_find(api_table[i].key), &api_table[i]);
        assert_true(i == 0 || api_table[i - 1].key < api_table[i].key);
        assert_true(api_table[i].advertised_min <= api_table[i].version_min);
    }
    assert_int_equal(api_find(API_PRODUCE)->advertised_min, 0);
    assert_int_equal(api_find(API_PRODUCE)->version_min, 3);
    assert_null(api_find(93));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_next_refuses_lengths_out_of_range),
        cmocka_unit_test(frame_next_finds_a_frame_however_it_was_cut),
        cmocka_unit_test(frame_size_is_known_before_the_body),
        cmocka_unit_test(request_headers_are_read_by_table),
        cmocka_unit_test(a_header_is_the_same_wherever_it_is_cut),
        cmocka_unit_test(a_header_ends_with_its_frame),
        cmocka_unit_test(only_api_versions_passes_with_an_unknown_version),
        cmocka_unit_test(what_request_begin_writes_is_read_back),
        cmocka_unit_test(response_headers_are_flexible_except_for_api_versions),
        cmocka_unit_test(frame_end_counts_what_is_spliced),
        cmocka_unit_test(frame_end_refuses_more_than_a_length_can_say),
        cmocka_unit_test(the_table_is_sorted_and_says_what_is_advertised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
