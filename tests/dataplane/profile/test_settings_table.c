#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "dataplane/profile/settings_table.h"

static void the_reference_in_the_readme_is_the_table(void **state)
{
    (void)state;
    char *want = NULL;
    size_t want_len = 0;
    FILE *out = open_memstream(&want, &want_len);
    assert_non_null(out);
    settings_reference(out);
    assert_int_equal(fclose(out), 0);

    char path[512];
    (void)snprintf(path, sizeof(path), "%s/hw-profiles/README.md", getenv("SOURCE_ROOT"));
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    static char readme[65536];
    const size_t len = fread(readme, 1, sizeof(readme) - 1, in);
    readme[len] = '\0';
    assert_int_equal(fclose(in), 0);
    if (strstr(readme, want) == NULL) {
        (void)printf("# hw-profiles/README.md must hold this table:\n%s", want);
    }
    assert_non_null(strstr(readme, want));
    free(want);
}

static void every_key_is_found_by_its_name_and_has_its_own_place(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < settings_table_count; i++) {
        const char *name = settings_table[i].name;
        const struct bytes view = bytes_of_string(name);
        assert_ptr_equal(settings_key_find(view), &settings_table[i]);
        for (uint32_t other = 0; other < i; other++) {
            assert_true(settings_table[other].offset != settings_table[i].offset);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_in_the_readme_is_the_table),
        cmocka_unit_test(every_key_is_found_by_its_name_and_has_its_own_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
