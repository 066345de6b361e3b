#include "control/serve/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* What a request's user is told of its parts: errors and answers as they are when the last one has
 * its own. */
struct seen {
    uint32_t finished;
    uint32_t count;
    int16_t errors[4];
    void *answers[4];
};

struct whole {
    struct parts all;
    struct seen *seen;
};

static bool whole_finish(struct parts *all)
{
    struct seen *seen = CONTAINER_OF(all, struct whole, all)->seen;
    seen->finished++;
    seen->count = all->count;
    for (uint32_t i = 0; i < all->count; i++) {
        seen->errors[i] = all->parts[i].error;
        seen->answers[i] = all->parts[i].answer;
    }
    return true;
}

static struct part *begun[4];
static uint32_t begun_count;
static struct list seat;

static void part_waits(struct part *part, uint64_t *taken)
{
    *taken += 10;
    begun[begun_count++] = part;
    list_push_back(&seat, &part->node);
}

/* Parts of odd number fail at once; the last one is told how much was taken so far. */
static uint64_t taken_at_last;
static void odd_part_fails(struct part *part, uint64_t *taken)
{
    taken_at_last = *taken;
    if (part->index % 2 == 1) {
        part_fail(part, ERROR_NOT_COORDINATOR);
    } else {
        part_waits(part, taken);
    }
}

static void run(struct seen *seen, uint32_t count, void (*each)(struct part *, uint64_t *))
{
    struct whole *whole = calloc(1, sizeof(*whole));
    assert_non_null(whole);
    *seen = (struct seen){.finished = 0};
    whole->seen = seen;
    begun_count = 0;
    list_init(&seat);
    parts_init(&whole->all, NULL, calloc(1, sizeof(struct peer_request)), whole_finish);
    assert_true(parts_make(&whole->all, count));
    parts_run(&whole->all, true, each);
}

static void the_last_part_answered_ends_the_request_whichever_it_is(void **state)
{
    (void)state;
    struct seen seen;
    int words[3];
    run(&seen, 3, part_waits);
    assert_int_equal(begun_count, 3);
    part_answer(begun[2], &words[2], ledger_entry_new());
    part_fail(begun[0], ERROR_GROUP_ID_NOT_FOUND);
    assert_int_equal(seen.finished, 0);
    assert_ptr_equal(list_first(&seat), &begun[1]->node);
    part_answer(begun[1], &words[1], ledger_entry_new());
    assert_int_equal(seen.finished, 1);
    assert_true(list_empty(&seat));
    assert_int_equal(seen.errors[0], ERROR_GROUP_ID_NOT_FOUND);
    assert_null(seen.answers[0]);
    assert_ptr_equal(seen.answers[1], &words[1]);
    assert_ptr_equal(seen.answers[2], &words[2]);
}

static void a_request_without_parts_is_answered_at_once(void **state)
{
    (void)state;
    struct seen seen;
    run(&seen, 0, part_waits);
    assert_int_equal(seen.finished, 1);
    assert_int_equal(seen.count, 0);
}

static void a_part_that_fails_while_it_runs_does_not_end_the_others(void **state)
{
    (void)state;
    struct seen seen;
    run(&seen, 4, odd_part_fails);
    assert_int_equal(begun_count, 2);
    assert_int_equal(taken_at_last, 20);
    assert_int_equal(seen.finished, 0);
    parts_fail(&seat, ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(seen.finished, 1);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(seen.errors[i], ERROR_NOT_COORDINATOR);
    }
    run(&seen, 1, odd_part_fails);
    part_fail(begun[0], ERROR_NONE);
    assert_int_equal(seen.finished, 1);
}

static void parts_that_nobody_waits_for_go_without_an_answer(void **state)
{
    (void)state;
    struct seen seen;
    run(&seen, 2, part_waits);
    part_answer(begun[0], NULL, ledger_entry_new());
    parts_drop(&seat);
    assert_true(list_empty(&seat));
    assert_int_equal(seen.finished, 0);
}

static void too_many_parts_are_not_made(void **state)
{
    (void)state;
    struct whole *whole = calloc(1, sizeof(*whole));
    assert_non_null(whole);
    parts_init(&whole->all, NULL, NULL, whole_finish);
    assert_false(parts_make(&whole->all, PARTS_MAX + 1));
    assert_true(whole->all.too_many);
    assert_int_equal(whole->all.count, 0);
    parts_free(&whole->all);
}

static void a_failed_write_is_told_as_kafka_tells_it(void **state)
{
    (void)state;
    static const int16_t told[][2] = {
        {ERROR_UNKNOWN_TOPIC_OR_PARTITION, ERROR_COORDINATOR_NOT_AVAILABLE},
        {ERROR_NOT_ENOUGH_REPLICAS, ERROR_COORDINATOR_NOT_AVAILABLE},
        {ERROR_REQUEST_TIMED_OUT, ERROR_COORDINATOR_NOT_AVAILABLE},
        {ERROR_NOT_LEADER_OR_FOLLOWER, ERROR_NOT_COORDINATOR},
        {ERROR_FENCED_LEADER_EPOCH, ERROR_NOT_COORDINATOR},
        {ERROR_UNKNOWN_LEADER_EPOCH, ERROR_NOT_COORDINATOR},
        {ERROR_NOT_COORDINATOR, ERROR_NOT_COORDINATOR},
        {ERROR_KAFKA_STORAGE_ERROR, ERROR_NOT_COORDINATOR},
        {ERROR_MESSAGE_TOO_LARGE, ERROR_UNKNOWN_SERVER_ERROR},
        {ERROR_CORRUPT_MESSAGE, ERROR_UNKNOWN_SERVER_ERROR},
    };
    for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
        assert_int_equal(part_error_of_write(told[i][0]), told[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_part_answered_ends_the_request_whichever_it_is),
        cmocka_unit_test(a_request_without_parts_is_answered_at_once),
        cmocka_unit_test(a_part_that_fails_while_it_runs_does_not_end_the_others),
        cmocka_unit_test(parts_that_nobody_waits_for_go_without_an_answer),
        cmocka_unit_test(too_many_parts_are_not_made),
        cmocka_unit_test(a_failed_write_is_told_as_kafka_tells_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
