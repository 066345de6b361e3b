#include "control/serve/fetch_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/kafka/errors.h"

enum { TOPICS = 40, PARTITIONS = 30, GROUPS = 3, WHOLE_BYTES = 1 << 20 };

/* The same answer in the structs of both layouts: each group has TOPICS topics but the last, which
 * has an error; each topic one partition more than the one before. */
struct sample {
    struct offset_fetch_response whole;
    struct offset_fetch_response_group groups[GROUPS];
    struct offset_fetch_response_group_topic topics[TOPICS];
    struct offset_fetch_response_group_partition partitions[PARTITIONS + TOPICS];
    struct offset_fetch_response_topic old_topics[TOPICS];
    struct offset_fetch_response_partition old_partitions[PARTITIONS + TOPICS];
    struct bytes names[TOPICS];
    char texts[TOPICS][16];
};

static struct sample sample;
static const struct bytes note = {(const uint8_t *)"a note", 6};
static const struct bytes group_id = {(const uint8_t *)"group", 5};

static void sample_make(int16_t version)
{
    sample.whole = offset_fetch_response_default;
    for (int32_t i = 0; i < PARTITIONS + TOPICS; i++) {
        sample.partitions[i] = (struct offset_fetch_response_group_partition){
            .partition_index = i,
            .committed_offset = i % 7 == 0 ? -1 : (int64_t)i << 33,
            .committed_leader_epoch = version >= 5 ? i : -1,
            .metadata = i % 3 == 0 ? chain_of(&note) : CHAIN_EMPTY,
            .error_code = i % 7 == 0 ? ERROR_UNSTABLE_OFFSET_COMMIT : ERROR_NONE};
        sample.old_partitions[i] = (struct offset_fetch_response_partition){
            i, sample.partitions[i].committed_offset, sample.partitions[i].committed_leader_epoch,
            sample.partitions[i].metadata, sample.partitions[i].error_code};
    }
    for (int32_t i = 0; i < TOPICS; i++) {
        (void)snprintf(sample.texts[i], sizeof(sample.texts[i]), "topic-%d", (int)i);
        sample.names[i] = bytes_of_string(sample.texts[i]);
        sample.topics[i] = (struct offset_fetch_response_group_topic){
            .name = version >= 10 ? CHAIN_EMPTY : chain_of(&sample.names[i]),
            .partitions = {.items = sample.partitions, .count = PARTITIONS + i}};
        sample.topics[i].topic_id.bytes[0] = version >= 10 ? (uint8_t)i : 0;
        sample.old_topics[i] = (struct offset_fetch_response_topic){
            chain_of(&sample.names[i]), {.items = sample.old_partitions, .count = PARTITIONS + i}};
    }
    for (uint32_t i = 0; i < GROUPS; i++) {
        sample.groups[i] = offset_fetch_response_group_default;
        sample.groups[i].group_id = chain_of(&group_id);
        sample.groups[i].topics.items = sample.topics;
        sample.groups[i].topics.count = TOPICS;
    }
    sample.groups[GROUPS - 1].topics.count = 0;
    sample.groups[GROUPS - 1].error_code = ERROR_STALE_MEMBER_EPOCH;
    if (version >= 8) {
        sample.whole.groups.items = sample.groups;
        sample.whole.groups.count = GROUPS;
    } else {
        sample.whole.topics.items = sample.old_topics;
        sample.whole.topics.count = TOPICS;
    }
}

static void expect_whole(struct fetch_answer *answer, int16_t version, uint32_t bytes_max)
{
    static uint8_t want[WHOLE_BYTES];
    struct writer writer;
    uint32_t len = 0;
    uint32_t errors = 0;
    uint32_t builds = 1;
    writer_init(&writer, want, sizeof(want));
    assert_int_equal(offset_fetch_response_encode(&writer, version, &sample.whole), CODEC_OK);
    for (; !fetch_answer_build(answer, bytes_max); builds++) {
    }
    uint8_t *got = fetch_answer_take(answer, &len, &errors);
    assert_non_null(got);
    assert_int_equal(len, writer_used(&writer));
    assert_memory_equal(got, want, len);
    assert_int_equal(errors, writer.errors);
    assert_true(len <= fetch_answer_bytes(answer));
    /* Neither much more at once, nor much less. */
    assert_true(builds >= len / (bytes_max + 2048) && builds <= len / bytes_max * 4 + 2);
    free(got);
}

static void it_is_what_the_struct_is_in_every_version(void **state)
{
    (void)state;
    for (int16_t version = 1; version <= 10; version++) {
        const uint32_t count = version >= 8 ? GROUPS : 1;
        sample_make(version);
        for (uint32_t bytes_max = 1; bytes_max < WHOLE_BYTES; bytes_max *= 32) {
            struct fetch_answer *answer = fetch_answer_new(version, count, 1);
            for (uint32_t i = count; i-- > 0;) {
                fetch_answer_add(answer, i, &sample.groups[i], false);
            }
            expect_whole(answer, version, bytes_max);
            fetch_answer_free(answer);
        }
    }
}

/* A group's offsets come in any order, a topic's with those of others between them. */
static void topics_that_come_again_are_told_once(void **state)
{
    (void)state;
    for (int16_t version = 5; version <= 8; version++) {
        const uint32_t count = version >= 8 ? GROUPS : 1;
        struct fetch_answer *answer = fetch_answer_new(version, count, 1);
        sample_make(version);
        for (int32_t round = 0; round < PARTITIONS + TOPICS; round++) {
            for (uint32_t i = 0; i < count; i++) {
                struct offset_fetch_response_group_topic few[TOPICS];
                struct offset_fetch_response_group more = sample.groups[i];
                more.topics.items = few;
                more.topics.count = 0;
                for (int32_t t = 0; t < TOPICS && sample.groups[i].topics.count > 0; t++) {
                    if (round < sample.topics[t].partitions.count) {
                        few[more.topics.count] = sample.topics[t];
                        few[more.topics.count].partitions.items = &sample.partitions[round];
                        few[more.topics.count++].partitions.count = 1;
                    }
                }
                fetch_answer_add(answer, i, &more, true);
            }
        }
        expect_whole(answer, version, 4096);
        fetch_answer_free(answer);
    }
}

static void an_error_takes_the_place_of_what_was_told(void **state)
{
    (void)state;
    struct fetch_answer *answer = fetch_answer_new(8, GROUPS, 1);
    sample_make(8);
    fetch_answer_add(answer, GROUPS - 1, &sample.groups[0], true);
    for (uint32_t i = 0; i < GROUPS; i++) {
        fetch_answer_add(answer, i, &sample.groups[i], true);
    }
    uint32_t len = 0;
    uint32_t errors = 0;
    while (!fetch_answer_build(answer, 4096)) {
    }
    uint8_t *got = fetch_answer_take(answer, &len, &errors);
    const struct bytes body = {got, len};
    struct reader reader;
    struct offset_fetch_response response;
    struct offset_fetch_response_group group;
    reader_init(&reader, chain_of(&body));
    assert_int_equal(offset_fetch_response_decode(&reader, 8, &response), CODEC_OK);
    for (uint32_t i = 0; i < GROUPS; i++) {
        assert_true(offset_fetch_response_group_array_next(&response.groups, &group));
        assert_int_equal(group.topics.count, i < GROUPS - 1 ? TOPICS : 0);
    }
    assert_int_equal(group.error_code, ERROR_STALE_MEMBER_EPOCH);
    free(got);
    fetch_answer_free(answer);
}

static void what_a_version_cannot_say_is_no_answer(void **state)
{
    (void)state;
    static uint8_t text[40000];
    const struct bytes long_name = {text, sizeof(text)};
    uint32_t len = 0;
    uint32_t errors = 0;
    sample_make(1);
    for (uint32_t i = 0; i < 2; i++) {
        struct fetch_answer *answer = fetch_answer_new(1, 1, 1);
        struct offset_fetch_response_group_topic topic = sample.topics[0];
        struct offset_fetch_response_group_partition partition = sample.partitions[1];
        struct offset_fetch_response_group group = sample.groups[0];
        topic.name = i == 0 ? chain_of(&long_name) : topic.name;
        partition.metadata = i == 1 ? chain_of(&long_name) : partition.metadata;
        topic.partitions.items = &partition;
        topic.partitions.count = 1;
        group.topics.items = &topic;
        group.topics.count = 1;
        fetch_answer_add(answer, 0, &group, true);
        while (!fetch_answer_build(answer, 1)) {
        }
        assert_null(fetch_answer_take(answer, &len, &errors));
        fetch_answer_free(answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_the_struct_is_in_every_version),
        cmocka_unit_test(topics_that_come_again_are_told_once),
        cmocka_unit_test(an_error_takes_the_place_of_what_was_told),
        cmocka_unit_test(what_a_version_cannot_say_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
