#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "dataplane/watch/net_json.h"
#include "tests/dataplane/watch/watch_fakes.h"

static const struct net_json_path path = {
    .telemetry = "/run/x/dpdk_telemetry.v2",
    .listen = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2}, .port = 9092}};

static json_t *read_back(struct page_text *page)
{
    json_error_t error;
    assert_false(page->failed);
    json_t *root = json_loadb((const char *)page->at, page->len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        fail_msg("%s at %d in %.*s", error.text, error.position, (int)page->len,
                 (const char *)page->at);
    }
    page_text_free(page);
    return root;
}

static json_int_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value)) {
        fail_msg("no number %s", name);
    }
    return json_integer_value(value);
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    if (value == NULL) {
        fail_msg("no text %s", name);
    }
    return value;
}

static void kernel_sockets_are_said_to_be_the_kernels(void **state)
{
    (void)state;
    struct page_text page = {0};
    net_json_begin(&page, &path, NULL);
    net_json_connections(&page);
    net_json_end(&page);
    json_t *root = read_back(&page);
    assert_string_equal(text(root, "path"), "sockets");
    assert_string_equal(text(root, "listen"), "10.0.0.2:9092");
    assert_non_null(strstr(text(root, "hint"), "ss -tmi sport = :9092"));
    assert_null(json_object_get(root, "port"));
    json_decref(root);
}

static void port_cores_and_connections_are_told(void **state)
{
    (void)state;
    struct page_text page = {0};
    static struct survey survey;
    survey.count = 0;
    survey.states[TCP_ESTABLISHED] = 2;
    survey.tcp[TCP_OUT_RETRANSMITS] = 9;
    survey.net[NET_IN_TRUNCATED] = 4;
    survey.nic.in_frames = 77;
    survey.usage.pinned_bytes = 1000;
    survey.setup.send_bytes_core_max = 4000;
    survey.v4.state = NET_READY;
    survey.capabilities = (struct nic_capabilities){.mac = {{2, 0, 0, 0, 0, 0xab}}, .wake_fd = -1};
    struct tcp_info info = {.state = TCP_CLOSE_WAIT,
                            .peer = {.ip = {0x20, 1, [15] = 7}, .port = 5},
                            .congestion = "cubic",
                            .recovery = "open",
                            .cwnd = 14480,
                            .pinned = 321,
                            .rtt_ns = 1234567};
    net_json_begin(&page, &path, &fake_report);
    net_json_core(&page, 0, &survey, true);
    net_json_core(&page, 1, &survey, false);
    net_json_connections(&page);
    net_json_connection(&page, 0, &info, true);
    net_json_connection(&page, 1, &info, false);
    net_json_end(&page);
    json_t *root = read_back(&page);
    const json_t *port = json_object_get(root, "port");
    assert_string_equal(text(port, "interface"), "fake\"0");
    assert_string_equal(text(port, "link"), "up");
    assert_int_equal(number(port, "mbps"), 25000);
    assert_int_equal(number(port, "missed"), 12);
    assert_int_equal(json_array_size(json_object_get(port, "in_offloads_offered")), 2);
    assert_int_equal(json_array_size(json_object_get(root, "cores")), 2);
    const json_t *core = json_array_get(json_object_get(root, "cores"), 1);
    assert_int_equal(number(core, "core"), 1);
    assert_string_equal(text(core, "mac"), "02:00:00:00:00:ab");
    assert_string_equal(text(core, "checksums_by"), "software");
    assert_int_equal(number(json_object_get(core, "queue"), "in_frames"), 77);
    assert_int_equal(number(json_object_get(core, "states"), "established"), 2);
    assert_int_equal(number(json_object_get(core, "tcp"), "out_retransmits"), 9);
    assert_int_equal(number(json_object_get(core, "ip"), "in_truncated"), 4);
    assert_int_equal(json_object_size(json_object_get(core, "tcp")), TCP_COUNTERS);
    assert_int_equal(json_object_size(json_object_get(core, "ip")), NET_COUNTERS);
    const json_t *connection = json_array_get(json_object_get(root, "connections"), 1);
    assert_string_equal(text(connection, "state"), "close-wait");
    assert_string_equal(text(connection, "peer"), "[2001:0:0:0:0:0:0:7]:5");
    assert_int_equal(number(connection, "cwnd"), 14480);
    assert_int_equal(number(connection, "pinned"), 321);
    assert_true(json_number_value(json_object_get(connection, "srtt")) == 1234.567);
    json_decref(root);
}

static void an_error_is_an_object(void **state)
{
    (void)state;
    struct page_text page = {0};
    net_json_error(&page, "no \"luck\"");
    json_t *root = read_back(&page);
    assert_string_equal(text(root, "error"), "no \"luck\"");
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_sockets_are_said_to_be_the_kernels),
        cmocka_unit_test(port_cores_and_connections_are_told),
        cmocka_unit_test(an_error_is_an_object),
    };
    return cmocka_run_group_tests_name("net_json", tests, NULL, NULL);
}
