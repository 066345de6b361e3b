#include "tests/tools/command_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORDS_MAX = 64, LINE_BYTES = 2000 };

struct command_said said;

int command_bench_setup(void **state)
{
    return client_bench_setup(state);
}

int command_bench_teardown(void **state)
{
    (void)state;
    fake_broker_free(broker);
    return 0;
}

static FILE *redirect(int fd, int *kept)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    *kept = dup(fd);
    assert_true(*kept >= 0 && dup2(fileno(file), fd) == fd);
    return file;
}

static void restore(int fd, int kept)
{
    assert_int_equal(dup2(kept, fd), fd);
    (void)close(kept);
}

static void read_back(FILE *file, char *text)
{
    rewind(file);
    const size_t got = fread(text, 1, COMMAND_TEXT_BYTES - 1, file);
    text[got] = '\0';
    (void)fclose(file);
}

int command_run_alone(const char *line, const char *input)
{
    char copy[LINE_BYTES];
    char *words[WORDS_MAX + 1] = {0};
    int count = 0;
    int kept[3];
    assert_true(strlen(line) < sizeof(copy));
    memcpy(copy, line, strlen(line) + 1);
    for (char *at = strtok(copy, " "); at != NULL && count < WORDS_MAX; at = strtok(NULL, " ")) {
        words[count++] = at;
    }
    (void)fflush(NULL);
    FILE *in = redirect(STDIN_FILENO, &kept[0]);
    FILE *out = redirect(STDOUT_FILENO, &kept[1]);
    FILE *err = redirect(STDERR_FILENO, &kept[2]);
    if (input != NULL) {
        assert_int_equal(fputs(input, in) < 0, 0);
        (void)fflush(in);
    }
    assert_int_equal(lseek(STDIN_FILENO, 0, SEEK_SET), 0);
    said.status = cli_run(count, words);
    (void)fflush(NULL);
    restore(STDIN_FILENO, kept[0]);
    restore(STDOUT_FILENO, kept[1]);
    restore(STDERR_FILENO, kept[2]);
    read_back(out, said.out);
    read_back(err, said.err);
    (void)fclose(in);
    return said.status;
}

int command_run(const char *line, const char *input)
{
    char whole[LINE_BYTES];
    (void)snprintf(whole, sizeof(whole), "%s --bootstrap %s", line, broker->bootstrap);
    if (!broker->running) {
        fake_broker_start(broker);
    }
    (void)command_run_alone(whole, input);
    fake_broker_stop(broker); /* What was seen can be read. */
    return said.status;
}
