#include "tests/control/bench.h"

#include "control/config/node.h"

static void keys_of_other_sections_read_as_kafka_would_write_them(void **state)
{
    (void)state;
    static const char *const extra[] = {"--listen", "127.0.0.1:9192", "--set",
                                        "network.advertised=broker.example:9999", NULL};
    struct settings *plain = bench_settings(NULL);
    struct settings *advertised = bench_settings(extra);
    struct image image;
    image_init(&image, 6);
    static char room[CONFIG_NODE_VALUE_BYTES];
    struct config_view view = config_view_of(&image, plain);
    assert_string_equal(config_node_value(&view, "listeners", room), "PLAINTEXT://127.0.0.1:9092");
    assert_string_equal(config_node_value(&view, "advertised.listeners", room),
                        "PLAINTEXT://127.0.0.1:9092");
    assert_string_equal(config_node_value(&view, "log.dirs", room), "/data0");
    assert_string_equal(config_node_value(&view, "node.id", room), "6");
    assert_null(config_node_value(&view, "num.partitions", room));
    view = config_view_of(&image, advertised);
    assert_string_equal(config_node_value(&view, "listeners", room), "PLAINTEXT://127.0.0.1:9192");
    assert_string_equal(config_node_value(&view, "advertised.listeners", room),
                        "PLAINTEXT://broker.example:9999");
    image_free(&image);
    bench_settings_free(plain);
    bench_settings_free(advertised);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_other_sections_read_as_kafka_would_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
