#include "tests/dataplane/broker/rig.h"

static struct api_versions_request software(const char *name, const char *version)
{
    struct api_versions_request request = api_versions_request_default;
    request.client_software_name = text_chain(name);
    request.client_software_version = text_chain(version);
    return request;
}

static void B5_every_served_api_is_told_with_its_range(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    for (int16_t version = 0; version <= 4; version++) {
        const struct api_versions_request request = software("franz-go", "1.2.3");
        struct api_versions_response response;
        struct api_versions_response_api api;
        uint32_t count = 0;
        CALL(client, API_VERSIONS, api_versions, version, &request, &response);
        assert_int_equal(response.error_code, ERROR_NONE);
        while (api_versions_response_api_array_next(&response.api_keys, &api)) {
            const struct api_info *info = api_find(api.api_key);
            assert_non_null(info);
            assert_int_equal(api.min_version, info->advertised_min);
            assert_int_equal(api.max_version, info->version_max);
            count++;
        }
        assert_int_equal(count, api_count);
    }
    client_free(client);
    rig_destroy(rig);
}

static void B5_features_that_work_are_finalised(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    const struct api_versions_request request = software("a", "1");
    struct api_versions_response response;
    struct api_versions_response_finalized_feature feature;
    CALL(client, API_VERSIONS, api_versions, 4, &request, &response);
    assert_int_equal(response.finalized_features_epoch, 3);
    assert_int_equal(response.supported_features.count, 3);
    assert_int_equal(response.finalized_features.count, 3);
    assert_true(
        api_versions_response_finalized_feature_array_next(&response.finalized_features, &feature));
    assert_true(
        chain_equals(feature.name, (struct bytes){(const uint8_t *)"metadata.version", 16}));
    assert_int_equal(feature.max_version_level, 29);
    assert_true(
        api_versions_response_finalized_feature_array_next(&response.finalized_features, &feature));
    assert_true(chain_equals(feature.name, (struct bytes){(const uint8_t *)"group.version", 13}));
    assert_int_equal(feature.max_version_level, 1);
    assert_true(
        api_versions_response_finalized_feature_array_next(&response.finalized_features, &feature));
    assert_true(
        chain_equals(feature.name, (struct bytes){(const uint8_t *)"transaction.version", 19}));
    assert_int_equal(feature.max_version_level, 2);
    client_free(client);
    rig_destroy(rig);
}

static void B4_a_version_above_ours_gets_version_0_and_our_range(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    static const uint8_t wire[] = {0, 0, 0, 14, 0, 18, 0, 99, 0, 0, 0, 77, 0xff, 0xff, 0, 2, 3, 4};
    struct api_versions_response response;
    struct api_versions_response_api api;
    struct reader reader;
    client_put(client, wire, sizeof(wire));
    client_receive(client, &reader, API_API_VERSIONS, 0);
    assert_int_equal(client->received, 77);
    assert_int_equal(api_versions_response_decode(&reader, 0, &response), CODEC_OK);
    assert_int_equal(response.error_code, ERROR_UNSUPPORTED_VERSION);
    assert_int_equal(response.api_keys.count, 1);
    assert_true(api_versions_response_api_array_next(&response.api_keys, &api));
    assert_int_equal(api.api_key, API_API_VERSIONS);
    assert_int_equal(api.max_version, 4);
    client_free(client);
    rig_destroy(rig);
}

/* clang-format off */
static const struct { const char *name; const char *version; bool good; } softwares[] = {
    {"librdkafka",    "2.0.2",  true},
    {"a",             "1",      true},
    {"apache-kafka-java", "4.2.1", true},
    {"",              "1",      false},
    {"name",          "",       false},
    {"-name",         "1",      false},
    {"name.",         "1",      false},
    {"na me",         "1",      false},
    {"name",          "1-",     false},
};
/* clang-format on */

static void B4_the_clients_software_must_have_a_proper_name(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "t", 1);
    struct client *client = client_connect(rig, 0);
    for (size_t i = 0; i < ARRAY_SIZE(softwares); i++) {
        const struct api_versions_request request =
            software(softwares[i].name, softwares[i].version);
        struct api_versions_response response;
        CALL(client, API_VERSIONS, api_versions, 3, &request, &response);
        assert_int_equal(response.error_code,
                         softwares[i].good ? ERROR_NONE : ERROR_INVALID_REQUEST);
    }
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B5_every_served_api_is_told_with_its_range),
        cmocka_unit_test(B5_features_that_work_are_finalised),
        cmocka_unit_test(B4_a_version_above_ours_gets_version_0_and_our_range),
        cmocka_unit_test(B4_the_clients_software_must_have_a_proper_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
