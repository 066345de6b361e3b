#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/profile/suggest.h"

static const char *const words[] = {"cores.count", "cores.cpus", "network.listen",
                                    "up",          "down",       "topic"};

static const struct {
    const char *wanted;
    const char *best; /* "" when nothing is near. */
} cases[] = {
    {"cores.cout", "cores.count"},
    {"cores.conut", "cores.count"},
    {"Cores.Cpus", "cores.cpus"},
    {"network.lsiten", "network.listen"},
    {"dwon", "down"},
    {"topics", "topic"},
    {"upp", "up"},
    {"partition", ""},
    {"", ""},
};

static void the_nearest_word_is_found_and_strangers_are_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct bytes wanted = {(const uint8_t *)cases[i].wanted,
                                     (uint32_t)strlen(cases[i].wanted)};
        struct suggestion suggestion = suggest(wanted);
        for (size_t w = 0; w < ARRAY_SIZE(words); w++) {
            suggest_offer(&suggestion, words[w]);
        }
        const struct bytes best = bytes_of_string(cases[i].best);
        assert_true(bytes_equal(suggestion.best, best));
    }
}

static void a_word_too_long_is_left_out(void **state)
{
    (void)state;
    char word[200];
    memset(word, 'a', sizeof(word));
    word[199] = '\0';
    struct suggestion suggestion = suggest((struct bytes){(const uint8_t *)word, 199});
    suggest_offer(&suggestion, word);
    assert_int_equal(suggestion.best.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_word_is_found_and_strangers_are_not),
        cmocka_unit_test(a_word_too_long_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
