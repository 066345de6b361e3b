#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "dataplane/profile/settings_table.h"

static struct settings settings;
static struct settings_problems problems;

/* Loads from flags and environment, both as lists ended by NULL. */
static bool load(const char *const *flags, const char *const *environment)
{
    int count = 0;
    while (flags[count] != NULL) {
        count++;
    }
    const struct settings_input input = {.argc = count,
                                         .argv = (char *const *)(uintptr_t)flags,
                                         .environment = (char *const *)(uintptr_t)environment,
                                         .program_dir = getenv("SOURCE_ROOT")};
    return settings_load(&settings, &input, &problems);
}

static const char *const nothing[] = {NULL};

static int unload(void **state)
{
    (void)state;
    settings_free(&settings);
    return 0;
}

static void without_anything_the_loopback_profile_holds(void **state)
{
    (void)state;
    assert_true(load(nothing, nothing));
    assert_non_null(strstr(settings.profile_path, "hw-profiles/loopback.yaml"));
    assert_string_equal(settings.name, "loopback");
    assert_int_equal(settings.cores_count, 1);
    assert_int_equal(settings.cores_idle, IDLE_BALANCED);
    assert_int_equal(settings.network_listen.port, 9092);
    assert_int_equal(settings.http_listen.port, 9644);
    assert_true(settings.storage_o_direct);
    assert_int_equal(settings.storage_data.count, 0);
    assert_string_equal(settings_kafka(&settings, "auto.create.topics.enable"), "true");
    assert_int_equal(settings_kafka_number(&settings, "socket.request.max.bytes"), 104857600);
    assert_null(settings_kafka_set(&settings, "num.partitions"));
}

static void every_shipped_profile_is_good(void **state)
{
    static const struct {
        const char *name;
        enum settings_network_path path;
        enum settings_idle idle;
    } rows[] = {{"latency", NETWORK_SOCKETS, IDLE_LATENCY},
                {"loopback", NETWORK_SOCKETS, IDLE_BALANCED},
                {"tap-lab", NETWORK_DPDK, IDLE_BALANCED},
                {"af-packet", NETWORK_DPDK, IDLE_BALANCED},
                {"memif-lab", NETWORK_DPDK, IDLE_BALANCED},
                {"af-xdp", NETWORK_DPDK, IDLE_BALANCED},
                {"mlx5-100g-4nvme", NETWORK_DPDK, IDLE_LATENCY},
                {"e810-100g-4nvme", NETWORK_DPDK, IDLE_LATENCY},
                {"ena-cloud", NETWORK_DPDK, IDLE_BALANCED}};
    static const char *const insecure[] = {"MILLRACE_NETWORK_INSECURE=true", NULL};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *const flags[] = {"--profile", rows[i].name, NULL};
        if (i > 0) {
            (void)unload(NULL);
        }
        if (!load(flags, insecure)) {
            fail_msg("%s: %s", rows[i].name, problems.error[0]);
        }
        assert_string_equal(settings.name, rows[i].name);
        assert_true(settings.description[0] != '\0');
        assert_int_equal(settings.network_path, rows[i].path);
        assert_int_equal(settings.cores_idle, rows[i].idle);
        if (settings.cores_cpus.count > 0) {
            assert_int_equal(settings.cores_cpus.count, settings.cores_count);
        }
    }
}

static void a_later_source_wins_and_its_place_is_known(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    static const char *const flags[] = {"--listen=127.0.0.1:3", "--set", "cores.idle=eco", NULL};
    static const char *const environment[] = {"MILLRACE_NETWORK_LISTEN=127.0.0.1:2",
                                              "MILLRACE_LOG_LEVEL=warn",
                                              "MILLRACE_KAFKA_NUM_PARTITIONS=7", "PATH=/", NULL};
    assert_true(load(none, environment));
    assert_int_equal(settings.network_listen.port, 2);
    const struct settings_origin *origin =
        &settings.origins[settings_key_find((struct bytes){(const uint8_t *)"network.listen", 14}) -
                          settings_table];
    assert_int_equal(origin->source, FROM_ENVIRONMENT);
    assert_string_equal(origin->where, "MILLRACE_NETWORK_LISTEN");
    settings_free(&settings);
    assert_true(load(flags, environment));
    assert_int_equal(settings.network_listen.port, 3);
    assert_int_equal(settings.log_level, SETTINGS_WARN);
    assert_int_equal(settings.cores_idle, IDLE_ECO);
    assert_string_equal(settings_kafka_set(&settings, "num.partitions"), "7");
    assert_string_equal(origin->where, "--listen");
}

static void repeated_data_flags_add_up_and_replace_the_environment(void **state)
{
    (void)state;
    static const char *const flags[] = {"--data", "/b", "--data", "/c", NULL};
    static const char *const environment[] = {"MILLRACE_STORAGE_DATA=/a", NULL};
    assert_true(load(flags, environment));
    assert_int_equal(settings.storage_data.count, 2);
    assert_string_equal(settings.storage_data.path[0], "/b");
    assert_string_equal(settings.storage_data.path[1], "/c");
}

static const struct {
    const char *flags[5];
    const char *error;
} refusals[] = {
    {{"--lisen", "127.0.0.1:1", NULL}, "unknown argument '--lisen'; did you mean --listen?"},
    {{"--listen", NULL}, "--listen needs a value"},
    {{"--listen", "nowhere", NULL},
     "--listen: 'network.listen' must be HOST:PORT with a port from 1 to 65535, not 'nowhere'"},
    {{"--listen", "0.0.0.0:9092", NULL},
     "network.listen 0.0.0.0:9092 is reachable from other machines and nobody has to authenticate; "
     "--insecure says that this is wanted"},
    {{"--set", "cores.cout=1", NULL},
     "--set: unknown key 'cores.cout'; did you mean 'cores.count'?"},
    {{"--set", "server.listen=1", NULL},
     "--set: unknown key 'server.listen'; did you mean 'network.listen'?"},
    {{"--set", "cores", NULL}, "--set: 'cores' is not KEY=VALUE"},
    {{"--set", "kafka.log.retension.ms=1", NULL},
     "--set: unknown Kafka key 'log.retension.ms'; did you mean 'log.retention.ms'?"},
    {{"--set", "kafka.retention.ms=1", NULL},
     "--set: 'retention.ms' is a topic's key; its default for all topics is 'log.retention.ms'"},
    {{"--set", "kafka.log.dirs=/x", NULL}, "--set: 'log.dirs' is set by storage.data or --data"},
    {{"--set", "kafka.num.partitions=0", NULL},
     "--set: Invalid value 0 for configuration num.partitions: Value must be at least 1"},
    {{"--set", "kafka.log.retention.ms=0", NULL},
     "kafka: log.retention.ms must be -1 or at least 1"},
    {{"--set", "cores.cpus=0-2", "--set", "cores.count=2", NULL},
     "cores.cpus names 3 CPUs for cores.count 2"},
    {{"--set", "memory.cap=64 MiB", NULL},
     "memory.cap is 64 MiB, but the cores' memory.arena and memory.receive take 80 MiB"},
};

static void what_is_wrong_is_refused_with_a_reason_and_a_suggestion(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        assert_false(load(refusals[i].flags, nothing));
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.error[0], refusals[i].error);
        settings_free(&settings);
    }
}

static void insecure_opens_the_listener(void **state)
{
    (void)state;
    static const char *const flags[] = {"--insecure", "--listen", "0.0.0.0:9092", NULL};
    assert_true(load(flags, nothing));
    assert_true(settings.network_insecure);
}

static void a_name_to_listen_on_is_told_to_clients_an_address_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *listen;
        const char *advertised;
        const char *told;
    } cases[] = {
        {"localhost:9192", NULL, "localhost"},
        {"127.0.0.1:9192", NULL, ""},
        {"[::1]:9192", NULL, ""},
        {"localhost:9192", "network.advertised=other.example:1", "other.example"},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const flags[] = {"--listen", cases[i].listen,
                                     cases[i].advertised == NULL ? NULL : "--set",
                                     cases[i].advertised, NULL};
        assert_true(load(flags, nothing));
        assert_string_equal(settings.network_advertised.host, cases[i].told);
        (void)unload(NULL);
    }
    static const char *const no_names[] = {"", "*", "0.0.0.0", "::", "fe80::1"};
    for (uint32_t i = 0; i < sizeof(no_names) / sizeof(no_names[0]); i++) {
        assert_false(host_is_name(no_names[i]));
    }
}

static void an_unknown_variable_is_a_warning(void **state)
{
    (void)state;
    static const char *const environment[] = {"MILLRACE_LOG_LEVLE=warn", "MILLRACE_TEA=1",
                                              "MILLRACE_PROFILE=latency", NULL};
    assert_true(load(nothing, environment));
    assert_int_equal(settings.cores_idle, IDLE_LATENCY);
    assert_int_equal(problems.warnings, 2);
    assert_string_equal(
        problems.warning[0],
        "MILLRACE_LOG_LEVLE in the environment is no key; did you mean MILLRACE_LOG_LEVEL?");
    assert_string_equal(problems.warning[1], "MILLRACE_TEA in the environment is no key");
}

static void a_missing_profile_says_where_it_looked(void **state)
{
    (void)state;
    static const char *const flags[] = {"--profile", "nope", NULL};
    assert_false(load(flags, nothing));
    assert_non_null(
        strstr(problems.error[0], "profile 'nope' not found: no hw-profiles/nope.yaml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_anything_the_loopback_profile_holds, unload),
        cmocka_unit_test_teardown(every_shipped_profile_is_good, unload),
        cmocka_unit_test_teardown(a_later_source_wins_and_its_place_is_known, unload),
        cmocka_unit_test_teardown(repeated_data_flags_add_up_and_replace_the_environment, unload),
        cmocka_unit_test(what_is_wrong_is_refused_with_a_reason_and_a_suggestion),
        cmocka_unit_test_teardown(insecure_opens_the_listener, unload),
        cmocka_unit_test(a_name_to_listen_on_is_told_to_clients_an_address_is_not),
        cmocka_unit_test_teardown(an_unknown_variable_is_a_warning, unload),
        cmocka_unit_test_teardown(a_missing_profile_says_where_it_looked, unload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
