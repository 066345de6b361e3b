#include "tests/tools/command_bench.h"

#include <stdlib.h>
#include <unistd.h>

/* What the broker has, as `consume` prints it. */
static const char *stored(const char *format)
{
    char line[200];
    (void)snprintf(line, sizeof(line), "consume orders --partition 0 --exit --format %s", format);
    assert_int_equal(command_run(line, NULL), CLI_OK);
    return said.out;
}

static void mistakes_are_told_and_nothing_is_sent(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *want;
    } table[] = {
        {"produce", "TOPIC"},
        {"produce orders --compression brotli", "brotli"},
        {"produce orders --acks 2", "--acks"},
        {"produce orders --header =x", "--header"},
        {"produce orders --partition x", "--partition"},
        {"produce orders --partition -1", "--partition"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        assert_int_equal(command_run(table[i].line, "a\n"), CLI_USAGE);
        assert_non_null(strstr(said.err, table[i].want));
    }
    assert_int_equal(broker->requests[API_PRODUCE], 0);
}

static void each_line_is_a_record_also_the_last_without_an_end(void **state)
{
    (void)state;
    assert_int_equal(command_run("produce orders --partition 0", "one\n\nthree"), CLI_OK);
    assert_string_equal(stored("[%s]"), "[one][][three]");
}

static void no_input_is_no_record(void **state)
{
    (void)state;
    assert_int_equal(command_run("produce orders --partition 0", ""), CLI_OK);
    assert_int_equal(broker->requests[API_PRODUCE], 0);
}

static void what_stands_before_the_separator_is_the_key(void **state)
{
    (void)state;
    assert_int_equal(command_run("produce orders --partition 0 -k ::", "a::b::c\nplain\n::x\n"),
                     CLI_OK);
    assert_string_equal(stored("[%k|%s]"), "[a|b::c][|plain][|x]");
    assert_string_equal(stored("%K,"), "1,-1,0,"); /* No key is not an empty key. */
}

static void an_empty_value_is_null_when_that_was_said(void **state)
{
    (void)state;
    assert_int_equal(command_run("produce orders --partition 0 -k : --null", "a:\nb:x\n"), CLI_OK);
    assert_string_equal(stored("%S,"), "-1,1,");
}

static void headers_are_those_of_each_record(void **state)
{
    (void)state;
    assert_int_equal(
        command_run("produce orders --partition 0 -H who=me -H what=it=this", "a\nb\n"), CLI_OK);
    assert_string_equal(stored("%h;"), "who=me,what=it=this;who=me,what=it=this;");
}

static void a_file_is_one_record(void **state)
{
    (void)state;
    char path[] = "/tmp/millrace-produce-XXXXXX";
    char line[200];
    const int fd = mkstemp(path);
    assert_int_equal(write(fd, "a\nb\n", 4), 4);
    (void)close(fd);
    (void)snprintf(line, sizeof(line), "produce orders --partition 0 --key k --file %s", path);
    assert_int_equal(command_run(line, NULL), CLI_OK);
    assert_string_equal(stored("%k=%s"), "k=a\nb\n");
    (void)unlink(path);
    assert_int_equal(command_run(line, NULL), CLI_FAILED);
    assert_non_null(strstr(said.err, path));
}

static void every_codec_arrives(void **state)
{
    (void)state;
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
        char line[100];
        (void)snprintf(line, sizeof(line), "produce orders --partition 0 --not-idempotent -z %s",
                       codecs[i]);
        assert_int_equal(command_run(line, "x\n"), CLI_OK);
    }
    assert_string_equal(stored("%s"), "xxxxx");
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, command_bench_setup, command_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mistakes_are_told_and_nothing_is_sent),
        TEST(each_line_is_a_record_also_the_last_without_an_end),
        TEST(no_input_is_no_record),
        TEST(what_stands_before_the_separator_is_the_key),
        TEST(an_empty_value_is_null_when_that_was_said),
        TEST(headers_are_those_of_each_record),
        TEST(a_file_is_one_record),
        TEST(every_codec_arrives),
    };
    return cmocka_run_group_tests_name("produce", tests, NULL, NULL);
}
