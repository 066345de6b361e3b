#include "tests/control/bench.h"

#include "control/config/check.h"

struct row {
    const char *key;
    const char *value;  /* NULL: the key goes. */
    const char *reason; /* NULL: fine. */
};

static struct config_change change_of(const struct row *row)
{
    return (struct config_change){bytes_of_string(row->key), row->value == NULL
                                                                 ? (struct bytes){0}
                                                                 : bytes_of_string(row->value)};
}

static void expect(const char *why, const char *reason)
{
    if (reason == NULL) {
        if (why != NULL) {
            fail_msg("refused: %s", why);
        }
        return;
    }
    assert_non_null(why);
    if (strstr(why, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why, reason);
    }
}

static void topic_keys_are_checked_as_kafka_does(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"retention.ms", "-1", NULL},
        {"retention.ms", "-2", "retention.ms"},
        {"retention.ms", "soon", "Not a number of type LONG"},
        {"segment.bytes", "1048575", "at least 1048576"},
        {"cleanup.policy", "compact,delete", NULL},
        {"cleanup.policy", "", NULL},
        {"cleanup.policy", "shred", "cleanup.policy"},
        {"unheard.of", "1", "unheard.of"},
        {"compression.type", "producer", NULL},
        {"compression.type", "gzip", NULL},
        {"compression.type", "rar", "compression.type"},
        {"max.compaction.lag.ms", "5", NULL},
        {"remote.storage.enable", "true", "Tiered Storage"},
    };
    struct step_bench *bench = step_bench_new(NULL);
    const struct config_view view = config_view_of(&bench->image, bench->settings);
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct config_change change = change_of(&rows[i]);
        expect(config_check_topic(&view, &bench->arena, &change, 1), rows[i].reason);
    }
    const struct config_change both[] = {
        {bytes_of_string("min.compaction.lag.ms"), bytes_of_string("10")},
        {bytes_of_string("max.compaction.lag.ms"), bytes_of_string("9")},
    };
    expect(config_check_topic(&view, &bench->arena, both, 2), "compaction.lag");
    step_bench_free(bench);
}

static void broker_keys_are_dynamic_or_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"log.retention.ms", "5", NULL},
        {"log.retention.ms", NULL, NULL},
        {"log.retention.ms", "x", "Not a number"},
        {"node.id", "5", "Cannot update these configs dynamically: Set(node.id)"},
        {"my.plugin.key", "5", NULL},
        {"compression.type", "zstd", NULL},
        {"compression.type", "rar", "compression.type"},
        {"leader.replication.throttled.rate", "0", NULL},
        {"follower.replication.throttled.rate", "x", "Not a number of type LONG"},
        {"replica.alter.log.dirs.io.max.bytes.per.second", "-1", "at least 0"},
        {"listeners", "PLAINTEXT://:1", "broker id must be specified"},
        {"listener.name.one.max.connections", "5", NULL},
        {"listener.name.one.max.connections", "x", "Not a number of type INT"},
        {"listener.name.one.ssl.protocol", "TLS", "broker id must be specified"},
        {"listener.name.one", "5", NULL}, /* A plugin's. */
    };
    static const struct row ones[] = {
        {"ssl.keystore.password", "secret", "behind listener.name.NAME."},
        {"ssl.keystore.password", NULL, NULL},
        {"listener.name.one.ssl.keystore.password", "secret", NULL},
        {"ssl.protocol", "TLS", NULL},
    };
    struct step_bench *bench = step_bench_new(NULL);
    const struct config_view view = config_view_of(&bench->image, bench->settings);
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct config_change change = change_of(&rows[i]);
        expect(config_check_broker(&view, &bench->arena, &change, 1, true), rows[i].reason);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(ones); i++) {
        const struct config_change change = change_of(&ones[i]);
        expect(config_check_broker(&view, &bench->arena, &change, 1, false), ones[i].reason);
    }
    step_bench_free(bench);
}

static void pools_of_threads_change_by_half_or_twice(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"num.io.threads", "16", NULL},
        {"num.io.threads", "4", NULL},
        {"num.io.threads", "17", "8 of now"},
        {"num.io.threads", "3", "8 of now"},
        {"log.cleaner.threads", "2", NULL},
        {"log.cleaner.threads", "0", "at least 1"},
        {"background.threads", "21", "10 of now"},
    };
    struct step_bench *bench = step_bench_new(NULL);
    const struct config_view view = config_view_of(&bench->image, bench->settings);
    for (uint32_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
        const struct config_change change = change_of(&rows[i / 2]);
        expect(config_check_broker(&view, &bench->arena, &change, 1, i % 2 == 0),
               rows[i / 2].reason);
    }
    changes_config(&bench->changes, RESOURCE_BROKER, bytes_of_string("1"),
                   bytes_of_string("num.io.threads"), bytes_of_string("16"));
    step_bench_apply(bench);
    const struct config_change more = {bytes_of_string("num.io.threads"), bytes_of_string("32")};
    expect(config_check_broker(&view, &bench->arena, &more, 1, false), NULL);
    const struct config_change unseen = {bytes_of_string("num.io.threads"), bytes_of_string("100")};
    expect(config_check_broker(&view, &bench->arena, &unseen, 1, true), NULL);
    step_bench_free(bench);
}

static void groups_and_client_metrics_have_tables_of_their_own(void **state)
{
    (void)state;
    static const struct row groups[] = {
        {"share.auto.offset.reset", "earliest", NULL},
        {"share.auto.offset.reset", "never", "share.auto.offset.reset"},
        {"retention.ms", "5", "Unknown group config name: retention.ms"},
    };
    static const struct row metrics[] = {
        {"interval.ms", "100", NULL},
        {"interval.ms", "99", "between 100 and 3600000"},
        {"metrics", "org.apache,x", NULL},
        {"match", "client_id=abc,client_software_name=Java", NULL},
        {"match", "client_id", "Illegal client matching pattern"},
        {"match", "who=abc", "Illegal client matching pattern"},
        {"match", "client_id=", "Illegal client matching pattern"},
        {"nothing", "1", "Unknown client metrics configuration: nothing"},
    };
    struct arena arena = {0};
    for (uint32_t i = 0; i < ARRAY_SIZE(groups); i++) {
        const struct config_change change = change_of(&groups[i]);
        expect(config_check_group(&arena, &change, 1), groups[i].reason);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(metrics); i++) {
        const struct config_change change = change_of(&metrics[i]);
        expect(config_check_client_metrics(&arena, &change, 1), metrics[i].reason);
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topic_keys_are_checked_as_kafka_does),
        cmocka_unit_test(broker_keys_are_dynamic_or_refused),
        cmocka_unit_test(pools_of_threads_change_by_half_or_twice),
        cmocka_unit_test(groups_and_client_metrics_have_tables_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
