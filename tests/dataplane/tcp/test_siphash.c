#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/siphash.h"

/* The first vectors of the reference implementation: key 00..0f, message 00..(len-1). */
static const struct {
    size_t len;
    uint64_t want;
} vectors[] = {
    {0, 0x726fdb47dd0e0e31u}, {1, 0x74f839c593dc67fdu},  {7, 0xab0200f58b01d137u},
    {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u},
};

static void siphash_gives_the_published_vectors(void **state)
{
    (void)state;
    const struct siphash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};
    uint8_t message[16];
    for (uint8_t i = 0; i < sizeof(message); i++) {
        message[i] = i;
    }
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_true(siphash(&key, message, vectors[i].len) == vectors[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_published_vectors),
    };
    return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
