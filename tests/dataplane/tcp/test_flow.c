#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/flow.h"
#include "storage/base/random.h"

enum { COUNT_MAX = 100 };

static _Alignas(64) uint8_t memory[4096];
static struct flow_table table;
static const uint64_t secret[2] = {0x1234567, 0x89abcdef};

static bool holds(uint32_t hash, uint32_t value)
{
    uint32_t at = FLOW_EMPTY;
    uint32_t found;
    while ((found = flow_next(&table, hash, &at)) != (uint32_t)FLOW_EMPTY) {
        if (found == value) {
            return true;
        }
    }
    return false;
}

static void the_table_holds_what_a_naive_list_does(void **state)
{
    (void)state;
    assert_true(flow_memory_bytes(COUNT_MAX) <= sizeof(memory));
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct random random;
        random_init(&random, seed);
        flow_init(&table, memory, COUNT_MAX, secret);
        uint32_t hashes[COUNT_MAX] = {0};
        bool there[COUNT_MAX] = {0};
        for (uint32_t round = 0; round < 2000; round++) {
            const uint32_t i = (uint32_t)random_below(&random, COUNT_MAX);
            if (there[i]) {
                flow_remove(&table, hashes[i], i);
            } else { /* Few hashes, near the end: clusters that wrap around. */
                hashes[i] = (uint32_t)random_below(&random, 12) + table.mask - 6;
                flow_insert(&table, hashes[i], i);
            }
            there[i] = !there[i];
            for (uint32_t j = 0; j < COUNT_MAX; j++) {
                assert_int_equal(holds(hashes[j], j), there[j]);
            }
        }
    }
}

static void the_hash_depends_on_every_byte_of_the_key_and_on_the_secret(void **state)
{
    (void)state;
    flow_init(&table, memory, COUNT_MAX, secret);
    struct flow_key key = {address_of_v4(0x0a000001), address_of_v4(0x0a000002), 40000, 9092};
    const uint32_t hash = flow_hash(&table, &key);
    for (size_t i = 0; i < 36; i++) {
        uint8_t bytes[sizeof(key)];
        memcpy(bytes, &key, sizeof(key));
        bytes[i] ^= 0x10;
        struct flow_key other;
        memcpy(&other, bytes, sizeof(other));
        assert_int_not_equal(flow_hash(&table, &other), hash);
    }
    table.secret[0] ^= 2;
    assert_int_not_equal(flow_hash(&table, &key), hash);
}

static void successive_ports_spread_over_the_table(void **state)
{
    (void)state;
    flow_init(&table, memory, COUNT_MAX, secret);
    uint32_t buckets[16] = {0};
    for (uint16_t port = 0; port < 16000; port++) {
        const struct flow_key key = {address_of_v4(1), address_of_v4(2), port, 9092};
        buckets[flow_hash(&table, &key) % 16]++;
    }
    for (uint32_t i = 0; i < 16; i++) {
        assert_in_range(buckets[i], 850, 1150);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_holds_what_a_naive_list_does),
        cmocka_unit_test(the_hash_depends_on_every_byte_of_the_key_and_on_the_secret),
        cmocka_unit_test(successive_ports_spread_over_the_table),
    };
    return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
