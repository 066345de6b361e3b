#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/broker/topics.h"

static void a_partition_outside_its_topic_is_unknown(void **state)
{
    (void)state;
    const struct snapshot_topic topic = {.partition_count = 3};
    struct partition_id id;
    int16_t error = ERROR_NONE;
    assert_ptr_equal(topic_partition(&topic, 2, &id, &error), &topic);
    assert_int_equal(id.index, 2);
    static const int32_t outside[] = {-1, 3, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
        error = ERROR_NONE;
        assert_null(topic_partition(&topic, outside[i], &id, &error));
        assert_int_equal(error, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    }
    assert_null(topic_partition(NULL, 0, &id, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_outside_its_topic_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
