#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/base/siphash.h"

/* The first vectors of the reference implementation: key 00..0f, message 00..(len-1). */
static const struct {
    size_t len;
    uint64_t want;
} vectors[] = {
    {0, 0x726fdb47dd0e0e31u}, {1, 0x74f839c593dc67fdu},  {7, 0xab0200f58b01d137u},
    {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u},
};

static const struct siphash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};

static void siphash_gives_the_published_vectors(void **state)
{
    (void)state;
    uint8_t message[16];
    for (uint8_t i = 0; i < sizeof(message); i++) {
        message[i] = i;
    }
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_true(siphash(&key, message, vectors[i].len) == vectors[i].want);
    }
}

/* From vectors.h of the reference. */
static void with_128_bits_too(void **state)
{
    (void)state;
    static const struct {
        uint32_t len;
        uint8_t hash[16];
    } cases[] = {
        {0,
         {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
          0x93}},
        {1,
         {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
          0x45}},
    };
    const uint8_t input[1] = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t hash[2];
        siphash_128(&key, input, cases[i].len, hash);
        assert_memory_equal(hash, cases[i].hash, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_published_vectors),
        cmocka_unit_test(with_128_bits_too),
    };
    return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
