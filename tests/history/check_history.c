/* check_history: judges a history that a test has written down.
 *
 *     check_history FILE
 *
 * A line each, of numbers (history.h), those of transactions, inputs and values as they come:
 *
 *     T outcome                                  a transaction; 0 in doubt, 1 committed, 2 aborted
 *     I partition                                an input
 *     W transaction partition input              a value; input 0: of none
 *     O observer whole                           a committed observer
 *     P observer partition offset value          it was handed something
 *     L partition offset value                   the log in the end
 *
 * For each fault it prints its kind, a tab, and what it is. The status is 1 where there is one, 2
 * when the file is not such a history.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/history/history.h"

struct reading {
    struct history *history;
    uint32_t transactions;
    uint32_t inputs;
    uint32_t values;
};

static bool line_take(struct reading *reading, const char *line)
{
    struct history *history = reading->history;
    char kind;
    int64_t n[4] = {0};
    const int count = sscanf(line, "%c %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &kind, &n[0],
                             &n[1], &n[2], &n[3]) -
                      1;
    const bool is_partition_1 = count > 1 && n[1] >= 0 && n[1] < HISTORY_PARTITIONS;
    const bool is_partition_0 = count > 0 && n[0] >= 0 && n[0] < HISTORY_PARTITIONS;
    const bool is_observer = count > 0 && n[0] >= 0 && n[0] < HISTORY_OBSERVERS;
    if (kind == 'T' && count == 1 && n[0] >= 0 && n[0] <= HISTORY_ABORTED) {
        reading->transactions = history_transaction(history, true);
        history_outcome(history, reading->transactions, (enum history_outcome)n[0]);
    } else if (kind == 'I' && count == 1 && is_partition_0) {
        reading->inputs = history_input(history, (uint32_t)n[0]);
    } else if (kind == 'W' && count == 3 && is_partition_1 && n[0] > 0 &&
               n[0] <= reading->transactions && n[2] >= 0 && n[2] <= UINT32_MAX) {
        reading->values = history_write(history, (uint32_t)n[0], (uint32_t)n[1]);
        history_write_of(history, reading->values, (uint32_t)n[2]);
    } else if (kind == 'O' && count == 2 && is_observer) {
        history_observer(history, (uint32_t)n[0], true, n[1] != 0);
    } else if (kind == 'P' && count == 4 && is_observer && is_partition_1 && n[3] > 0 &&
               n[3] <= reading->values) {
        history_poll(history, (uint32_t)n[0], (uint32_t)n[1], HISTORY_ERA_LAST, n[2],
                     (uint32_t)n[3]);
    } else if (kind == 'L' && count == 3 && is_partition_0 && n[2] > 0 && n[2] <= reading->values) {
        history_log(history, (uint32_t)n[0], n[1], (uint32_t)n[2]);
    } else {
        return false;
    }
    return true;
}

static void tell(void *context, enum history_fault fault, const char *words)
{
    (void)context;
    (void)printf("%s\t%s\n", history_fault_name(fault), words);
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (file == NULL) {
        (void)fprintf(stderr, "usage: check_history FILE\n");
        return 2;
    }
    struct reading reading = {.history = history_create()};
    char line[200];
    uint64_t number = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        number++;
        if (!line_take(&reading, line)) {
            (void)fprintf(stderr, "%s:%" PRIu64 ": not of a history: %s", argv[1], number, line);
            return 2;
        }
    }
    (void)fclose(file);
    const uint32_t faults = history_check(reading.history, tell, NULL);
    history_destroy(reading.history);
    (void)printf("%u transactions, %u values, %u inputs: %u faults\n", reading.transactions,
                 reading.values, reading.inputs, faults);
    return faults > 0 ? 1 : 0;
}
