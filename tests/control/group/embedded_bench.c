#include <stdlib.h>

#include "tests/control/group/bench.h"

/* What consumers write is told as "<t/0 t/1>". */
void bench_put_assignment(struct group_bench *bench, struct chain bytes)
{
    struct reader reader;
    struct consumer_protocol_assignment assignment;
    struct consumer_protocol_assignment_topic topic;
    reader_init(&reader, bytes);
    const int16_t version = bytes.len < 2 ? -1 : reader_i16(&reader);
    if (version < 0 || version > 3) {
        bench_put_text(bench, bytes);
        return;
    }
    assert_int_equal(consumer_protocol_assignment_decode(&reader, version, &assignment), CODEC_OK);
    uint32_t told = 0;
    bench_put(bench, "<");
    while (consumer_protocol_assignment_topic_array_next(&assignment.assigned_partitions, &topic)) {
        int32_t partition;
        while (i32_array_next(&topic.partitions, &partition)) {
            bench_put(bench, told++ > 0 ? " " : "");
            bench_put_text(bench, topic.topic);
            bench_put(bench, "/%d", partition);
        }
    }
    bench_put(bench, ">");
}

enum { ITEMS_MAX = 256, EMBEDDED_BYTES_MAX = 4096 };

/* "t/0+t/1", each as a topic of its own. */
static int32_t places_of(struct arena *arena, char *text, struct chain *names,
                         struct i32_array *partitions)
{
    int32_t count = 0;
    char *rest;
    for (char *at = strtok_r(text, "+", &rest); at != NULL; at = strtok_r(NULL, "+", &rest)) {
        int32_t *number = arena_take(arena, sizeof(*number));
        char *partition = strchr(at, '/');
        *partition++ = '\0';
        *number = atoi(partition);
        names[count] = arena_text(arena, "%s", at);
        partitions[count++] = (struct i32_array){.items = number, .count = 1};
    }
    return count;
}

/* "t+u!t/0+u/0": topics and, from version 1 on, what it has. */
struct chain bench_subscription(struct arena *arena, const char *said)
{
    struct chain *items = ARENA_ARRAY(arena, struct chain, ITEMS_MAX);
    struct chain *names = ARENA_ARRAY(arena, struct chain, ITEMS_MAX);
    struct i32_array *partitions = ARENA_ARRAY(arena, struct i32_array, ITEMS_MAX);
    struct consumer_protocol_subscription_topic *owned =
        ARENA_ARRAY(arena, struct consumer_protocol_subscription_topic, ITEMS_MAX);
    struct consumer_protocol_subscription wanted = consumer_protocol_subscription_default;
    char *text = arena_take(arena, strlen(said) + 1);
    memcpy(text, said, strlen(said));
    char *has = strchr(text, '!');
    const int16_t version = has == NULL ? 0 : 1;
    if (has != NULL) {
        *has++ = '\0';
        wanted.owned_partitions.items = owned;
        wanted.owned_partitions.count = places_of(arena, has, names, partitions);
        for (int32_t i = 0; i < wanted.owned_partitions.count; i++) {
            owned[i] = (struct consumer_protocol_subscription_topic){names[i], partitions[i]};
        }
    }
    char *rest;
    for (char *at = strtok_r(text, "+", &rest); at != NULL; at = strtok_r(NULL, "+", &rest)) {
        items[wanted.topics.count++] = arena_text(arena, "%s", at);
    }
    wanted.topics.items = items;
    uint8_t *to = arena_take(arena, EMBEDDED_BYTES_MAX);
    struct writer writer;
    writer_init(&writer, to, EMBEDDED_BYTES_MAX);
    writer_i16(&writer, version);
    assert_int_equal(consumer_protocol_subscription_encode(&writer, version, &wanted), CODEC_OK);
    return arena_chain(arena, (struct bytes){to, writer_used(&writer)});
}

/* "t/0+t/1", with "!" behind it: and data of an assignor of its own. */
struct chain bench_assignment(struct arena *arena, const char *said)
{
    struct chain *names = ARENA_ARRAY(arena, struct chain, ITEMS_MAX);
    struct i32_array *partitions = ARENA_ARRAY(arena, struct i32_array, ITEMS_MAX);
    struct consumer_protocol_assignment_topic *items =
        ARENA_ARRAY(arena, struct consumer_protocol_assignment_topic, ITEMS_MAX);
    struct consumer_protocol_assignment given = {.user_data = CHAIN_NULL};
    char *text = arena_take(arena, strlen(said) + 1);
    memcpy(text, said, strlen(said));
    char *own = strchr(text, '!');
    if (own != NULL) {
        *own = '\0';
        given.user_data = CHAIN_TEXT("mine");
    }
    given.assigned_partitions.items = items;
    given.assigned_partitions.count = places_of(arena, text, names, partitions);
    for (int32_t i = 0; i < given.assigned_partitions.count; i++) {
        items[i] = (struct consumer_protocol_assignment_topic){names[i], partitions[i]};
    }
    uint8_t *to = arena_take(arena, EMBEDDED_BYTES_MAX);
    struct writer writer;
    writer_init(&writer, to, EMBEDDED_BYTES_MAX);
    writer_i16(&writer, 0);
    assert_int_equal(consumer_protocol_assignment_encode(&writer, 0, &given), CODEC_OK);
    return arena_chain(arena, (struct bytes){to, writer_used(&writer)});
}
