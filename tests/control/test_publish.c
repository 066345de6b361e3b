#include "tests/control/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/publish.h"
#include "control/step.h"

static struct session_hello *hello_make(void)
{
    struct session_hello *hello = calloc(1, sizeof(*hello));
    (void)snprintf(hello->cluster_id, sizeof(hello->cluster_id), "c1");
    hello->listen.port = 9555;
    hello->directory_count = 1;
    return hello;
}

static struct snapshot *published(struct publisher *publisher, struct step_bench *bench,
                                  const struct session_hello *hello, uint64_t version)
{
    const char *reason = "";
    const struct publication publication = {
        .version = version, .features_epoch = 77, .hello = hello};
    const struct bytes image =
        publish_build(publisher, &bench->image, bench->settings, &publication);
    struct snapshot *snapshot = snapshot_decode(image, &reason);
    if (snapshot == NULL) {
        fail_msg("%s", reason);
    }
    return snapshot;
}

static void a_snapshot_shows_the_image(void **state)
{
    (void)state;
    static const char *const extra[] = {"--set", "network.advertised=kafka.example:9999", "--set",
                                        "kafka.broker.rack=r7", NULL};
    struct step_bench *bench = step_bench_new(extra);
    struct session_hello *hello = hello_make();
    struct publisher publisher = {0};
    step_bench_topic(bench, "b", 2);
    step_bench_topic(bench, "__consumer_offsets", 1);
    changes_feature(&bench->changes, bytes_of_string("metadata.version"), 25);
    changes_feature(&bench->changes, bytes_of_string("group.version"), 1);
    changes_feature(&bench->changes, bytes_of_string("transaction.version"), 2);
    changes_config(&bench->changes, RESOURCE_TOPIC, bytes_of_string("b"),
                   bytes_of_string("segment.bytes"), bytes_of_string("1048576"));
    step_bench_apply(bench);
    struct image_topic *topic = image_topic_by_name(&bench->image, bytes_of_string("b"));
    topic->partitions[0].placed = 0;
    topic->partitions[0].directory.bytes[0] = 0xd0;
    topic->partitions[1].offline = true;

    struct snapshot *snapshot = published(&publisher, bench, hello, 3);
    assert_int_equal(snapshot->version, 3);
    assert_int_equal(snapshot->finalized_features_epoch, 77);
    assert_int_equal(snapshot->metadata_version, 25);
    assert_int_equal(snapshot->group_version, 1);
    assert_int_equal(snapshot->transaction_version, 2);
    assert_true(bytes_equal(snapshot->broker.host, bytes_of_string("kafka.example")));
    assert_int_equal(snapshot->broker.port, 9999);
    assert_true(bytes_equal(snapshot->broker.rack, bytes_of_string("r7")));
    const struct snapshot_topic *shown = snapshot_topic_by_name(snapshot, bytes_of_string("b"));
    assert_int_equal(shown->config.segment_bytes, 1048576);
    assert_true(shown->partitions[0].exists);
    assert_false(shown->partitions[1].exists);
    assert_true(shown->partitions[1].offline);
    assert_int_equal(shown->partitions[1].directory, SNAPSHOT_DIRECTORY_NONE);
    assert_true(snapshot_topic_by_name(snapshot, bytes_of_string("__consumer_offsets"))->internal);
    assert_int_equal(topic->partitions[0].placed_version, 3);
    assert_int_equal(topic->partitions[1].placed_version, 0);
    snapshot_free(snapshot);

    /* The version that first placed a partition stays. */
    snapshot_free(published(&publisher, bench, hello, 4));
    assert_int_equal(topic->partitions[0].placed_version, 3);
    publisher_free(&publisher);
    free(hello);
    step_bench_free(bench);
}

static void without_an_advertised_address_the_port_listened_on_is_told(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    struct session_hello *hello = hello_make();
    struct publisher publisher = {0};
    struct snapshot *snapshot = published(&publisher, bench, hello, 1);
    assert_int_equal(snapshot->broker.host.len, 0);
    assert_int_equal(snapshot->broker.port, 9555);
    assert_null(snapshot->broker.rack.ptr);
    snapshot_free(snapshot);
    publisher_free(&publisher);
    free(hello);
    step_bench_free(bench);
}

static void a_changed_setting_is_seen_in_the_next_snapshot(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    struct session_hello *hello = hello_make();
    struct publisher publisher = {0};
    step_bench_topic(bench, "t", 1);
    snapshot_free(published(&publisher, bench, hello, 1));
    changes_config(&bench->changes, RESOURCE_BROKER, bytes_of_string(""),
                   bytes_of_string("log.retention.ms"), bytes_of_string("4711"));
    step_bench_apply(bench);
    struct snapshot *snapshot = published(&publisher, bench, hello, 2);
    assert_int_equal(snapshot->topics[0].config.retention_ms, 4711);
    snapshot_free(snapshot);
    publisher_free(&publisher);
    free(hello);
    step_bench_free(bench);
}

static void ten_thousand_topics_fit(void **state)
{
    (void)state;
    struct step_bench *bench = step_bench_new(NULL);
    struct session_hello *hello = hello_make();
    struct publisher publisher = {0};
    for (uint32_t i = 0; i < 10000; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t%u", i);
        step_bench_topic(bench, name, 1);
    }
    struct snapshot *snapshot = published(&publisher, bench, hello, 1);
    assert_int_equal(snapshot->topic_count, 10000);
    snapshot_free(snapshot);
    publisher_free(&publisher);
    free(hello);
    step_bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_shows_the_image),
        cmocka_unit_test(without_an_advertised_address_the_port_listened_on_is_told),
        cmocka_unit_test(a_changed_setting_is_seen_in_the_next_snapshot),
        cmocka_unit_test(ten_thousand_topics_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
