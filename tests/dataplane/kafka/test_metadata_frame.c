#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/kafka/messages.h"

static void a_topic_record_has_kafkas_bytes(void **state)
{
    (void)state;
    static const uint8_t want[] = {1, 2, 0, 2, 't', 9, 0, 0, 0, 0, 0,
                                   0, 0, 0, 0, 0,   0, 0, 0, 0, 1, 0};
    uint8_t buffer[64];
    struct writer writer;
    writer_init(&writer, buffer, sizeof(buffer));
    struct topic_record record = topic_record_default;
    record.name = CHAIN_TEXT("t");
    record.topic_id = (struct uuid){{9, [15] = 1}};
    metadata_frame_encode(&writer, TOPIC_RECORD, 0);
    assert_int_equal(topic_record_encode(&writer, 0, &record), CODEC_OK);
    assert_int_equal(writer_used(&writer), sizeof(want));
    assert_memory_equal(buffer, want, sizeof(want));
}

static void every_frame_is_read_back(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < metadata_record_count; i++) {
        const struct metadata_record_info *info = &metadata_record_table[i];
        assert_true(i == 0 || metadata_record_table[i - 1].key < info->key);
        for (int16_t v = info->version_min; v <= info->version_max; v++) {
            uint8_t buffer[8];
            struct writer writer;
            writer_init(&writer, buffer, sizeof(buffer));
            metadata_frame_encode(&writer, info->key, v);
            const struct bytes wire = {buffer, writer_used(&writer)};
            struct reader reader;
            int16_t key;
            int16_t version;
            reader_init(&reader, chain_of(&wire));
            assert_int_equal(metadata_frame_decode(&reader, &key, &version), CODEC_OK);
            assert_int_equal(key, info->key);
            assert_int_equal(version, v);
        }
    }
}

static void unknown_frames_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t wire[4];
        uint32_t len;
        enum codec_status want;
    } cases[] = {
        {{1, 2, 0}, 3, CODEC_OK},
        {{0, 2, 0}, 3, CODEC_VERSION},           /* Frame version. */
        {{2, 2, 0}, 3, CODEC_VERSION},           /* Frame version. */
        {{1, 99, 0}, 3, CODEC_VERSION},          /* Record. */
        {{1, 2, 1}, 3, CODEC_VERSION},           /* Record version. */
        {{1, 0x82, 0x80, 0x04}, 4, CODEC_SHORT}, /* Key 65538 is not key 2. */
        {{1, 2}, 2, CODEC_SHORT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct bytes wire = {cases[i].wire, cases[i].len};
        struct reader reader;
        int16_t key;
        int16_t version;
        reader_init(&reader, chain_of(&wire));
        assert_int_equal(metadata_frame_decode(&reader, &key, &version), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_record_has_kafkas_bytes),
        cmocka_unit_test(every_frame_is_read_back),
        cmocka_unit_test(unknown_frames_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
