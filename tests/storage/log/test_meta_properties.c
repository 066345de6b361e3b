#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/log/checkpoint_files.h"

#define REST "node.id=1\nversion=1\n"

static void java_properties_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *cluster;
    } cases[] = {
        {"#\n#Thu Jan 01 00:00:00 UTC 1970\ncluster.id=abc\n" REST, "abc"},
        {"cluster.id = abc\n" REST, "abc"},
        {"cluster.id:abc\n" REST, "abc"},
        {"cluster.id abc\n" REST, "abc"},
        {"  \t cluster.id\t:\f abc\n" REST, "abc"},
        {"cluster.id=abc \n" REST, "abc "},
        {"cluster.id=a=b:c\n" REST, "a=b:c"},
        {"cluster.id==abc\n" REST, "=abc"},
        {"cluster.id=a\\=b\\:c\\\\\n" REST, "a=b:c\\"},
        {"cluster.id=a\\\n    b\\\n c\n" REST, "abc"},
        {"cluster.id=a\\u0041\\u00e4\\u20ac\n" REST, "aA\xc3\xa4\xe2\x82\xac"},
        {"cluster.id=\\t\\x\n" REST, "\tx"},
        {"clust\\u0065r.id=abc\n" REST, "abc"},
        {"cluster\\.id=abc\n" REST, "abc"},
        {"! comment\r\ncluster.id=abc\r\n\r\n" REST, "abc"},
        {"cluster.id=old\ncluster.id=abc\n" REST, "abc"},
        {"unknown.key=x\nother\ncluster.id=abc\n" REST, "abc"},
        {REST "cluster.id=abc", "abc"},
        {REST "cluster.id=abc\\", "abc"},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct meta_properties properties;
        uint32_t line;
        const enum checkpoint_status got =
            meta_properties_parse(bytes_of_string(cases[i].file), &properties, &line);
        if (got != CHECKPOINT_OK || strcmp(properties.cluster_id, cases[i].cluster) != 0) {
            fail_msg("case %u: %u at %u, \"%s\"", i, got, line, properties.cluster_id);
        }
        assert_int_equal(properties.node_id, 1);
        assert_false(properties.has_directory_id);
    }
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum checkpoint_status want;
        uint32_t line;
    } cases[] = {
        {"", CHECKPOINT_MISSING, 0},
        {"# only comments\n", CHECKPOINT_MISSING, 0},
        {"node.id=1\nversion=1\n", CHECKPOINT_MISSING, 0},
        {"cluster.id=a\nversion=1\n", CHECKPOINT_MISSING, 0},
        {"cluster.id=a\nnode.id=1\n", CHECKPOINT_MISSING, 0},
        {"\nversion=2\n", CHECKPOINT_FOREIGN, 2},
        {"version=0\nbroker.id=3\n", CHECKPOINT_FOREIGN, 1},
        {"version=one\n", CHECKPOINT_BAD_LINE, 1},
        {"#\n\nnode.id=-1\n", CHECKPOINT_BAD_LINE, 3},
        {"node.id=2147483648\n", CHECKPOINT_BAD_LINE, 1},
        {"cluster.id=\n", CHECKPOINT_BAD_LINE, 1},
        {"cluster.id=a\\u00g0\n", CHECKPOINT_BAD_LINE, 1},
        {"cluster.id=a\\u00\n", CHECKPOINT_BAD_LINE, 1},
        {"cluster.id=a\\u0000\n", CHECKPOINT_BAD_LINE, 1},
        {"directory.id=abc\n", CHECKPOINT_BAD_LINE, 1},
        {"directory.id=AAAAAAAAAAAAAAAAAAAAAA\n", CHECKPOINT_BAD_LINE, 1},
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct meta_properties properties;
        uint32_t line = 99;
        const enum checkpoint_status got =
            meta_properties_parse(bytes_of_string(cases[i].file), &properties, &line);
        if (got != cases[i].want || line != cases[i].line) {
            fail_msg("case %u: %u at %u", i, got, line);
        }
    }
    static char endless[4096] = "cluster.id=";
    memset(endless + 11, 'x', sizeof(endless) - 12);
    struct meta_properties properties;
    uint32_t line;
    assert_int_equal(meta_properties_parse(bytes_of_string(endless), &properties, &line),
                     CHECKPOINT_BAD_LINE);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const char *const clusters[] = {"Zk8mP1", " leading", "a=b:c#d!e\\f", "tab\tnew\nline",
                                           "umlaut\xc3\xa4"};
    for (uint32_t i = 0; i < ARRAY_SIZE(clusters); i++) {
        struct meta_properties properties = {.node_id = 42, .has_directory_id = i % 2 == 0};
        strcpy(properties.cluster_id, clusters[i]);
        properties.directory_id.bytes[3] = 9;
        char buffer[512];
        struct text text;
        text_init(&text, buffer, sizeof(buffer));
        meta_properties_write(&text, &properties);
        struct meta_properties back;
        uint32_t line;
        assert_int_equal(meta_properties_parse(text_view(&text), &back, &line), CHECKPOINT_OK);
        assert_string_equal(back.cluster_id, clusters[i]);
        assert_int_equal(back.node_id, 42);
        assert_int_equal(back.has_directory_id, properties.has_directory_id);
        assert_true(!back.has_directory_id ||
                    uuid_equal(back.directory_id, properties.directory_id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(java_properties_are_understood),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
