#include "control/serve/all_topics.h"
#include "tests/control/bench.h"

static bool is_topic(const struct group_topic *topic, const char *name, int32_t partitions)
{
    return bytes_equal(topic->name, bytes_of_string(name)) && topic->partition_count == partitions;
}

static void topics_are_told_by_name_and_by_id(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    struct all_topics topics = {0};
    assert_int_equal(all_topics_refresh(&topics, &bench->image)->count, 0);
    step_bench_topic(bench, "b", 2);
    step_bench_topic(bench, "a", 1);
    step_bench_topic(bench, "c", 3);
    step_bench_apply(bench);
    const struct group_topics *told = all_topics_refresh(&topics, &bench->image);
    assert_int_equal(told->count, 3);
    assert_true(is_topic(&told->items[0], "a", 1));
    assert_true(is_topic(&told->items[1], "b", 2));
    assert_true(is_topic(&told->items[2], "c", 3));
    for (uint32_t i = 1; i < told->count; i++) {
        assert_true(memcmp(&told->items[told->by_id[i - 1]].id, &told->items[told->by_id[i]].id,
                           sizeof(struct uuid)) < 0);
    }
    assert_null(told->rack.ptr);
    all_topics_free(&topics);
    step_bench_free(bench);
}

static void versions_rise_with_topics_only(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    struct all_topics topics = {0};
    step_bench_topic(bench, "a", 1);
    step_bench_topic(bench, "b", 1);
    step_bench_apply(bench);
    struct group_topics before = *all_topics_refresh(&topics, &bench->image);
    assert_true(before.created == before.version);
    assert_true(all_topics_refresh(&topics, &bench->image)->version == before.version);

    changes_config(&bench->changes, RESOURCE_TOPIC, bytes_of_string("a"),
                   bytes_of_string("segment.bytes"), bytes_of_string("1048576"));
    step_bench_apply(bench);
    assert_true(all_topics_refresh(&topics, &bench->image)->version == before.version);

    const struct image_topic *a = image_topic_by_name(&bench->image, bytes_of_string("a"));
    const struct partition_row row = {.topic_id = a->id, .index = 1, .node_id = 1};
    changes_partition(&bench->changes, &row);
    step_bench_apply(bench);
    const struct group_topics grown = *all_topics_refresh(&topics, &bench->image);
    assert_true(grown.version == before.version + 1 && grown.created == before.created);

    changes_topic_removed(&bench->changes, a->id);
    step_bench_apply(bench);
    const struct group_topics gone = *all_topics_refresh(&topics, &bench->image);
    assert_int_equal(gone.count, 1);
    assert_true(gone.version == grown.version + 1 && gone.created == before.created);

    step_bench_topic(bench, "c", 1);
    step_bench_apply(bench);
    const struct group_topics made = *all_topics_refresh(&topics, &bench->image);
    assert_true(made.version == gone.version + 1 && made.created == made.version);
    all_topics_free(&topics);
    step_bench_free(bench);
}

static void what_is_set_on_groups_is_told(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    struct group_settings settings = {0};
    struct arena arena = {0};
    group_configs_read(&arena, &bench->image, &settings);
    assert_int_equal(settings.config_count, 0);
    changes_config(&bench->changes, RESOURCE_CLIENT_METRICS, bytes_of_string("m"),
                   bytes_of_string("metrics"), bytes_of_string("x"));
    changes_config(&bench->changes, RESOURCE_GROUP, bytes_of_string("h"),
                   bytes_of_string("consumer.heartbeat.interval.ms"), bytes_of_string("6000"));
    changes_config(&bench->changes, RESOURCE_GROUP, bytes_of_string("g"),
                   bytes_of_string("consumer.session.timeout.ms"), bytes_of_string("50000"));
    changes_config(&bench->changes, RESOURCE_GROUP, bytes_of_string("g"),
                   bytes_of_string("offsets.retention.minutes"), bytes_of_string("-1"));
    changes_config(&bench->changes, RESOURCE_GROUP, bytes_of_string("h"),
                   bytes_of_string("offsets.retention.minutes"), bytes_of_string("1000000"));
    step_bench_apply(bench);
    group_configs_read(&arena, &bench->image, &settings);
    assert_int_equal(settings.config_count, 2);
    assert_true(bytes_equal(settings.configs[0].group_id, bytes_of_string("g")));
    assert_int_equal(settings.configs[0].session_timeout_ms, 50000);
    assert_int_equal(settings.configs[0].heartbeat_interval_ms, 0);
    assert_int_equal(settings.configs[0].offset_retention_ms, -1);
    assert_int_equal(settings.configs[1].heartbeat_interval_ms, 6000);
    assert_int_equal(settings.configs[1].offset_retention_ms, 60000000000);
    /* What is told lives on when the image forgets it: requests of one turn build on each other. */
    const struct image_resource *g =
        image_resource(&bench->image, RESOURCE_GROUP, bytes_of_string("g"));
    assert_ptr_not_equal(settings.configs[0].group_id.ptr, g->name.ptr);
    changes_config(&bench->changes, RESOURCE_GROUP, bytes_of_string("g"),
                   bytes_of_string("consumer.session.timeout.ms"), (struct bytes){0});
    step_bench_apply(bench);
    assert_true(bytes_equal(settings.configs[0].group_id, bytes_of_string("g")));
    arena_free(&arena);
    step_bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_told_by_name_and_by_id),
        cmocka_unit_test(versions_rise_with_topics_only),
        cmocka_unit_test(what_is_set_on_groups_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
