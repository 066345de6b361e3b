#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/progress.h"

/* What a command writes on stderr while a test runs. */
static int kept;
static FILE *written;

static int setup(void **state)
{
    (void)state;
    written = tmpfile();
    kept = dup(STDERR_FILENO);
    return written != NULL && dup2(fileno(written), STDERR_FILENO) >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    return fclose(written);
}

static const char *text(void)
{
    static char room[1000];
    rewind(written);
    const size_t got = fread(room, 1, sizeof(room) - 1, written);
    room[got] = '\0';
    return room;
}

/* As on a terminal, begun so long ago. */
static struct progress begun(uint64_t seconds)
{
    struct progress progress;
    progress_begin(&progress, "records");
    assert_false(progress.terminal); /* A file is none. */
    progress.terminal = true;
    progress.start_ms -= seconds * 1000;
    return progress;
}

static void what_takes_less_than_two_seconds_says_nothing(void **state)
{
    (void)state;
    struct progress progress = begun(1);
    progress_tick(&progress, 1, 10, 0);
    progress_end(&progress);
    assert_string_equal(text(), "");
}

static void from_the_second_second_on_one_line_says_how_far_it_is(void **state)
{
    (void)state;
    struct progress progress = begun(3);
    progress_tick(&progress, 5, 10, 3 << 20);
    assert_string_equal(text(), "\r\033[K5 of 10 records, 3 MiB, 3 s");
}

static void an_unknown_total_and_no_bytes_are_left_out(void **state)
{
    (void)state;
    struct progress progress = begun(3);
    progress_tick(&progress, 5, 0, 0);
    assert_string_equal(text(), "\r\033[K5 records, 3 s");
}

static void it_does_not_flicker_and_goes_away_at_the_end(void **state)
{
    (void)state;
    struct progress progress = begun(3);
    progress_tick(&progress, 0, 0, 0);
    progress_tick(&progress, 1, 0, 0); /* At once: not told. */
    progress.told_ms -= 250;
    progress_tick(&progress, 2, 0, 0);
    progress_end(&progress);
    assert_string_equal(text(), "\r\033[K0 records, 3 s\r\033[K2 records, 3 s\r\033[K");
}

static void a_log_file_gets_none_of_it(void **state)
{
    (void)state;
    struct progress progress;
    progress_begin(&progress, "records");
    progress.start_ms -= 10000;
    progress_tick(&progress, 5, 10, 0);
    progress_end(&progress);
    assert_string_equal(text(), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_takes_less_than_two_seconds_says_nothing),
        TEST(from_the_second_second_on_one_line_says_how_far_it_is),
        TEST(an_unknown_total_and_no_bytes_are_left_out),
        TEST(it_does_not_flicker_and_goes_away_at_the_end),
        TEST(a_log_file_gets_none_of_it),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
