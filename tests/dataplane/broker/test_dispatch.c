#include "tests/dataplane/broker/rig.h"

#include "dataplane/broker/dispatch.h"
#include "storage/base/random.h"

static void the_table_and_the_schema_agree(void **state)
{
    (void)state;
    assert_int_equal(dispatch_count, api_count);
    for (uint32_t i = 0; i < dispatch_count; i++) {
        const struct api_row *row = &dispatch_table[i];
        assert_int_equal(row->key, api_table[i].key); /* Both ascend. */
        assert_ptr_equal(dispatch_find(row->key), row);
        assert_non_null(row->handler);
        assert_int_equal(row->slow_error != NULL, row->lane == LANE_SLOW);
        assert_int_equal(row->away_error != ERROR_NONE, row->lane == LANE_SLOW);
        if (row->lane == LANE_SLOW) {
            assert_true(error_is_retriable(row->away_error)); /* H20 */
        }
    }
    assert_null(dispatch_find(-1));
    assert_null(dispatch_find(4));
    assert_null(dispatch_find(INT16_MAX));
}

static void H27_before_authentication_only_versions_are_told(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < dispatch_count; i++) {
        assert_int_equal(dispatch_table[i].before_authentication,
                         dispatch_table[i].key == API_API_VERSIONS);
    }
}

/* Random bodies of every API and version: an answer or a close, and others are served on. */
static void hostile_bodies_are_answered_or_close_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.cores = 2, .seed = 3});
    rig_topic(rig, "orders", 2);
    rig_publish(rig);
    struct random random;
    random_init(&random, 99);
    for (uint32_t i = 0; i < api_count; i++) {
        for (int16_t version = api_table[i].version_min; version <= api_table[i].version_max;
             version++) {
            struct client *client = client_connect(rig, (uint32_t)version % 2);
            struct writer writer;
            client_writer(client, &writer, (enum api_key)api_table[i].key, version);
            const uint64_t count = random_below(&random, 60);
            for (uint64_t at = 0; at < count; at++) {
                writer_i8(&writer,
                          (int8_t)(random_below(&random, 3) == 0 ? random_below(&random, 256)
                                                                 : random_below(&random, 3)));
            }
            client_send(client, &writer);
            rig_run_ms(rig, 1);
            client_free(client);
        }
    }
    struct client *client = client_connect(rig, 0);
    assert_true(client_put_record(client, "orders", 0, 1) >= 0);
    client_free(client);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_and_the_schema_agree),
        cmocka_unit_test(H27_before_authentication_only_versions_are_told),
        cmocka_unit_test(hostile_bodies_are_answered_or_close_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
