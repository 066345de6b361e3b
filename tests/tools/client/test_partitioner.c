#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/client/partitioner.h"

/* What Kafka's own Utils.murmur2 gives. */
static const struct {
    const char *key;
    uint32_t hash;
} keys[] = {
    {"", 275646681u},
    {"a", 2731586172u},
    {"ab", 316155434u},
    {"abc", 479470107u},
    {"abcd", 2971317748u},
    {"21", 3321034988u},
    {"foobar", 3504634814u},
    {"a-little-bit-long-string", 3308985760u},
    {"a-little-bit-longer-string", 2808662467u},
    {"key\xc3\xa4", 3177337502u},
};

static void keys_go_where_kafka_puts_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct bytes key = bytes_of_string(keys[i].key);
        assert_int_equal(partitioner_murmur2(key), keys[i].hash);
        assert_int_equal(partitioner_of_key(key, 7), (keys[i].hash & 0x7fffffffu) % 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_go_where_kafka_puts_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
