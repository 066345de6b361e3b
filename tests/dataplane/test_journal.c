#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/journal.h"

static const uint64_t SECOND_NS = 1000 * 1000 * 1000;

static struct {
    int ends[2];
    struct journal *journal;
    char text[1 << 17];
} out;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(pipe2(out.ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(out.ends[0], F_SETFL, O_NONBLOCK), 0);
    out.journal = journal_create(out.ends[1], "test", 2, JOURNAL_INFO);
    assert_non_null(out.journal);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    journal_destroy(out.journal);
    close(out.ends[0]);
    close(out.ends[1]);
    return 0;
}

static const char *written(void)
{
    const ssize_t len = read(out.ends[0], out.text, sizeof(out.text) - 1);
    out.text[len < 0 ? 0 : len] = '\0';
    return out.text;
}

static uint32_t line_count(const char *text)
{
    uint32_t count = 0;
    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}

static void a_line_of_a_core_is_written_by_the_drain(void **state)
{
    (void)state;
    struct journal_port *port = journal_port(out.journal, 1);
    journal_time(port, SECOND_NS, 1770091506789);
    assert_false(journal_waiting(port));
    journal_write(port, JOURNAL_WARNING, "disk_slow", "directory=%d late_ms=%d", 3, 17);
    assert_true(journal_waiting(port));
    assert_string_equal(written(), "");
    assert_int_equal(journal_drain(out.journal), 1);
    assert_string_equal(written(), "time=2026-02-03T04:05:06.789Z level=warn process=test core=1 "
                                   "event=disk_slow directory=3 late_ms=17\n");
    assert_false(journal_waiting(port));
}

static void lines_below_the_level_cost_nothing(void **state)
{
    (void)state;
    journal_write(journal_port(out.journal, 0), JOURNAL_DEBUG, "detail", "x=%d", 1);
    journal_say(out.journal, JOURNAL_DEBUG, "detail", "x=%d", 1);
    assert_int_equal(journal_drain(out.journal), 0);
    assert_string_equal(written(), "");
}

static void an_ordinary_thread_writes_at_once(void **state)
{
    (void)state;
    journal_say(out.journal, JOURNAL_INFO, "started", "%s", "");
    assert_non_null(strstr(written(), " level=info process=test event=started\n"));
}

static void a_long_line_is_cut_and_stays_one_line(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    journal_write(journal_port(out.journal, 0), JOURNAL_INFO, "long", "text=%s", text);
    journal_say(out.journal, JOURNAL_INFO, "long", "text=%s", text);
    assert_int_equal(journal_drain(out.journal), 1);
    assert_int_equal(line_count(written()), 2);
    assert_true(strlen(out.text) < 2 * (JOURNAL_LINE_BYTES_MAX + 128));
}

static void a_flood_is_limited_and_the_loss_is_told(void **state)
{
    (void)state;
    struct journal_port *port = journal_port(out.journal, 0);
    journal_time(port, SECOND_NS, 0);
    for (int i = 0; i < 1000; i++) {
        journal_write(port, JOURNAL_INFO, "flood", "i=%d", i);
        (void)journal_drain(out.journal);
    }
    assert_int_equal(line_count(written()), JOURNAL_BURST_LINES);
    assert_int_equal(journal_lost(port), 1000 - JOURNAL_BURST_LINES);
    journal_time(port, 2 * SECOND_NS, 1000);
    journal_write(port, JOURNAL_INFO, "after", "i=%d", 1);
    assert_int_equal(journal_drain(out.journal), 1);
    assert_non_null(strstr(written(), "event=after i=1 lines_lost=936\n"));
    journal_write(port, JOURNAL_INFO, "after", "i=%d", 2);
    assert_int_equal(journal_drain(out.journal), 1);
    assert_null(strstr(written(), "lines_lost"));
}

static void ordinary_threads_are_limited_too(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        journal_say(out.journal, JOURNAL_INFO, "flood", "i=%d", i);
    }
    assert_in_range(line_count(written()), JOURNAL_BURST_LINES,
                    JOURNAL_BURST_LINES + JOURNAL_LINES_PER_SECOND * 10);
    do { /* Until another one is due, 30 ms later. */
        journal_say(out.journal, JOURNAL_INFO, "after", "%s", "");
    } while (written()[0] == '\0');
    assert_non_null(strstr(out.text, "event=after lines_lost="));
}

static void the_level_can_be_changed_while_running(void **state)
{
    (void)state;
    struct journal_port *port = journal_port(out.journal, 1);
    journal_set_level(out.journal, JOURNAL_DEBUG);
    journal_write(port, JOURNAL_DEBUG, "detail", "x=%d", 1);
    journal_say(out.journal, JOURNAL_DEBUG, "detail", "x=%d", 2);
    assert_int_equal(journal_drain(out.journal), 1);
    assert_int_equal(line_count(written()), 2);
    journal_set_level(out.journal, JOURNAL_ERROR);
    journal_write(port, JOURNAL_WARNING, "detail", "x=%d", 3);
    journal_say(out.journal, JOURNAL_WARNING, "detail", "x=%d", 4);
    assert_int_equal(journal_drain(out.journal), 0);
    assert_string_equal(written(), "");
}

static void a_reader_who_stops_reading_stops_nobody(void **state)
{
    (void)state;
    assert_int_equal(fcntl(out.ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(out.ends[1], out.text, 4096) > 0) { /* As much as a pipe holds. */
    }
    assert_int_equal(fcntl(out.ends[1], F_SETFL, 0), 0);
    journal_say(out.journal, JOURNAL_INFO, "unread", "i=%d", 1);
    struct journal_port *port = journal_port(out.journal, 0);
    journal_write(port, JOURNAL_INFO, "kept", "i=%d", 1);
    assert_int_equal(journal_drain(out.journal), 0);
    assert_true(journal_waiting(port));
    (void)written();
    assert_int_equal(journal_drain(out.journal), 1);
}

static void a_quoted_value_is_one_word_of_printable_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        size_t room;
        const char *want;
    } cases[] = {
        {"plain words", 11, 64, "\"plain words\""},
        {"a\"b\\c", 5, 64, "\"a\\\"b\\\\c\""},
        {"\n\x7f\xff\0", 4, 64, "\"\\x0a\\x7f\\xff\\x00\""},
        {"", 0, 3, "\"\""},
        {"cut short", 9, 9, "\"cut\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char to[64];
        assert_string_equal(journal_quote(to, cases[i].room, cases[i].text, cases[i].len),
                            cases[i].want);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_line_of_a_core_is_written_by_the_drain),
        TEST(lines_below_the_level_cost_nothing),
        TEST(an_ordinary_thread_writes_at_once),
        TEST(a_long_line_is_cut_and_stays_one_line),
        TEST(a_flood_is_limited_and_the_loss_is_told),
        TEST(ordinary_threads_are_limited_too),
        TEST(the_level_can_be_changed_while_running),
        TEST(a_reader_who_stops_reading_stops_nobody),
        TEST(a_quoted_value_is_one_word_of_printable_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
