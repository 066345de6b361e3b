#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/profile/settings_table.h"

static const struct {
    const char *key;
    const char *value;
    const char *error; /* "" when the value is taken. */
} values[] = {
    {"cores.count", "4", ""},
    {"cores.count", "0", "must be 1 to 64 cores"},
    {"cores.count", "65", "must be 1 to 64 cores"},
    {"cores.count", "two", "must be a whole number of cores"},
    {"cores.count", "", "must be a whole number of cores"},
    {"cores.count", "4 ", "must be a whole number of cores"},
    {"memory.arena", "64 MiB", ""},
    {"memory.arena", "1GiB", ""},
    {"memory.arena", "16 MB", ""},
    {"memory.arena", "67108864",
     "must be a number with a unit, such as 64 MiB (B, KiB, MiB, GiB, TiB)"},
    {"memory.arena", "64 MIB",
     "must be a number with a unit, such as 64 MiB (B, KiB, MiB, GiB, TiB)"},
    {"memory.arena", "99999999999 TiB",
     "must be a number with a unit, such as 64 MiB (B, KiB, MiB, GiB, TiB)"},
    {"memory.arena", "1 MiB", "must be 8388608 to 1099511627776 bytes"},
    {"network.insecure", "true", ""},
    {"network.insecure", "yes", "must be true or false"},
    {"cores.idle", "eco", ""},
    {"cores.idle", "lazy", "must be one of: latency, balanced, eco"},
    {"network.listen", "127.0.0.1:9092", ""},
    {"network.listen", "[::1]:9092", ""},
    {"network.listen", "example.org:1", ""},
    {"network.listen", "::1:9092",
     "must be HOST:PORT with a port from 1 to 65535; IPv6 as [::1]:9092"},
    {"network.listen", "localhost", "must be HOST:PORT with a port from 1 to 65535"},
    {"network.listen", "localhost:0",
     "must be HOST:PORT with a port from 1 to 65535; IPv6 as [::1]:9092"},
    {"network.listen", "localhost:65536",
     "must be HOST:PORT with a port from 1 to 65535; IPv6 as [::1]:9092"},
    {"network.listen", "", "must be HOST:PORT with a port from 1 to 65535"},
    {"network.advertised", "", ""},
    {"cores.cpus", "2-4,1", ""},
    {"cores.cpus", "", ""},
    {"cores.cpus", "2-", "must be a list of CPUs such as 2-9,12"},
    {"cores.cpus", "4-2", "must be a list of CPUs such as 2-9,12"},
    {"cores.cpus", "1,1", "names CPU 1 twice"},
    {"cores.cpus", "0-300", "names over 256 CPUs"},
    {"cores.cpus", "1024", "must be a list of CPUs such as 2-9,12"},
    {"storage.data", "/a, /b/", ""},
    {"storage.data", "/a,/a/", "names /a twice"},
    {"storage.data", "/a,,/b", "names an empty path"},
    {"storage.data", "/1,/2,/3,/4,/5,/6,/7,/8,/9,/10,/11,/12,/13,/14,/15,/16", ""},
    {"storage.data", "/1,/2,/3,/4,/5,/6,/7,/8,/9,/10,/11,/12,/13,/14,/15,/16,/17",
     "names over 16 paths"},
};

static void values_are_taken_or_refused_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        static struct settings settings;
        memset(&settings, 0, sizeof(settings));
        char error[300] = "";
        const struct settings_key *key = settings_key_find(bytes_of_string(values[i].key));
        assert_non_null(key);
        const bool good =
            settings_value_parse(&settings, key, bytes_of_string(values[i].value), error);
        assert_string_equal(error, values[i].error);
        assert_int_equal(good, values[i].error[0] == '\0');
        settings_free(&settings);
    }
}

static void parsed_values_stand_in_their_fields(void **state)
{
    (void)state;
    static struct settings settings;
    char error[300];
    const char *assignments[][2] = {{"memory.arena", "16 MB"},
                                    {"cores.cpus", "5-6,2"},
                                    {"network.listen", "[::1]:9"},
                                    {"storage.data", "/x,/y/"},
                                    {"cores.idle", "eco"}};
    for (size_t i = 0; i < ARRAY_SIZE(assignments); i++) {
        assert_true(settings_value_parse(&settings,
                                         settings_key_find(bytes_of_string(assignments[i][0])),
                                         bytes_of_string(assignments[i][1]), error));
    }
    assert_int_equal(settings.memory_arena_bytes, 16000000);
    assert_int_equal(settings.cores_cpus.count, 3);
    assert_int_equal(settings.cores_cpus.cpu[2], 2);
    assert_string_equal(settings.network_listen.host, "::1");
    assert_int_equal(settings.network_listen.port, 9);
    assert_int_equal(settings.storage_data.count, 2);
    assert_string_equal(settings.storage_data.path[1], "/y");
    assert_int_equal(settings.cores_idle, IDLE_ECO);
    settings_free(&settings);
}

static void loopback_is_told_from_the_rest(void **state)
{
    (void)state;
    assert_true(host_is_loopback("127.0.0.1"));
    assert_true(host_is_loopback("127.9.9.9"));
    assert_true(host_is_loopback("::1"));
    assert_true(host_is_loopback("::ffff:127.0.0.1"));
    assert_true(host_is_loopback("LocalHost"));
    assert_false(host_is_loopback("0.0.0.0"));
    assert_false(host_is_loopback("::"));
    assert_false(host_is_loopback("128.0.0.1"));
    assert_false(host_is_loopback("example.org"));
}

static void addresses_print_as_they_are_read(void **state)
{
    (void)state;
    const char *same[] = {"127.0.0.1:9092", "[::1]:9092", "a.b:1"};
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        struct host_port address;
        char room[268];
        assert_true(host_port_parse(bytes_of_string(same[i]), &address));
        assert_string_equal(host_port_format(&address, room), same[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_taken_or_refused_with_the_reason),
        cmocka_unit_test(parsed_values_stand_in_their_fields),
        cmocka_unit_test(loopback_is_told_from_the_rest),
        cmocka_unit_test(addresses_print_as_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
