/* Each kind of wrong, planted in a history that is right, is found, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "storage/base/random.h"
#include "tests/history/history.h"

enum { PARTITIONS = 3, VALUES_MAX = 200000, WHOLE = 0, OTHER = 1, UNCOMMITTED = 2 };

/* What a test plants; 0: not. Values are those of the first transaction of an outcome. */
struct plan {
    uint64_t seed;
    uint32_t count;
    uint32_t lost;    /* This value is not in the log, and was not handed to anybody. */
    uint32_t hidden;  /* It is not in the log only. */
    uint32_t skipped; /* The observer of everything was not handed it. */
    uint32_t twice;
    uint32_t aborted; /* It is in the log. */
    uint32_t swapped[2];
    uint32_t moved_as[2]; /* The first one is of the second one's input. */
};

struct written {
    uint32_t transaction;
    uint32_t partition;
    uint32_t input;
    enum history_outcome outcome;
    bool there;
    int64_t offset;
};

struct made {
    struct history *history;
    struct written *values; /* By number. */
    uint32_t count;
    int64_t ends[PARTITIONS];
    uint32_t kinds; /* Of faults, a bit each. */
    char words[200];
};

static void remember(void *context, enum history_fault fault, const char *words)
{
    struct made *made = context;
    made->kinds |= 1u << fault;
    (void)snprintf(made->words, sizeof(made->words), "%s: %s", history_fault_name(fault), words);
}

static void transaction_make(struct made *made, struct random *random)
{
    static const enum history_outcome outcomes[] = {HISTORY_COMMITTED, HISTORY_COMMITTED,
                                                    HISTORY_ABORTED, HISTORY_IN_DOUBT};
    const enum history_outcome outcome = outcomes[random_below(random, 4)];
    const bool there =
        outcome == HISTORY_COMMITTED || (outcome == HISTORY_IN_DOUBT && random_one_in(random, 2));
    const uint32_t transaction = history_transaction(made->history, true);
    history_outcome(made->history, transaction, outcome);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        for (uint64_t i = 1 + random_below(random, 3); i > 0; i--) {
            const uint32_t number = history_write(made->history, transaction, p);
            struct written *it = &made->values[number];
            *it = (struct written){transaction, p, 0, outcome, there, 0};
            made->count = number;
            made->ends[p] += 1 + (int64_t)random_below(random, 2);
            it->offset = made->ends[p];
            if (there) {
                it->input = history_input(made->history, p);
            }
        }
    }
}

/* Transactions one after the other, and an observer of everything. */
static struct made make(const struct plan *plan)
{
    static struct written values[VALUES_MAX];
    memset(values, 0, sizeof(values));
    struct made made = {.history = history_create(), .values = values};
    struct random random;
    random_init(&random, plan->seed);
    history_observer(made.history, WHOLE, true, true);
    history_observer(made.history, OTHER, true, false);
    history_observer(made.history, UNCOMMITTED, false, false);
    for (uint32_t i = 0; i < plan->count; i++) {
        transaction_make(&made, &random);
    }
    return made;
}

static void hand_out(struct made *made, const struct plan *plan)
{
    if (plan->swapped[0] != 0) {
        const int64_t offset = made->values[plan->swapped[0]].offset;
        made->values[plan->swapped[0]].offset = made->values[plan->swapped[1]].offset;
        made->values[plan->swapped[1]].offset = offset;
    }
    if (plan->moved_as[0] != 0) {
        made->values[plan->moved_as[0]].input = made->values[plan->moved_as[1]].input;
    }
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        for (int64_t offset = 0; offset <= made->ends[p]; offset++) {
            for (uint32_t i = 1; i <= made->count; i++) {
                const struct written *it = &made->values[i];
                const bool there = (it->there && i != plan->lost) || i == plan->aborted;
                if (it->partition != p || it->offset != offset || !there) {
                    continue;
                }
                history_write_of(made->history, i, it->input);
                if (i != plan->skipped) {
                    history_poll(made->history, WHOLE, p, HISTORY_ERA_LAST, offset, i);
                }
                if (i != plan->hidden) {
                    history_log(made->history, p, offset, i);
                }
            }
        }
    }
    if (plan->twice != 0) {
        const uint32_t p = made->values[plan->twice].partition;
        history_poll(made->history, WHOLE, p, HISTORY_ERA_LAST, made->ends[p] + 1, plan->twice);
        history_log(made->history, p, made->ends[p] + 1, plan->twice);
    }
}

/* The n-th value of that outcome, from 1 on. */
static uint32_t value_of(const struct made *made, enum history_outcome outcome, bool there,
                         uint32_t n)
{
    for (uint32_t i = 1; i <= made->count; i++) {
        if (made->values[i].outcome == outcome && made->values[i].there == there && --n == 0) {
            return i;
        }
    }
    fail();
    return 0;
}

static uint32_t committed(const struct made *made, uint32_t n)
{
    return value_of(made, HISTORY_COMMITTED, true, n);
}

static void finds(struct made *made, uint32_t kinds)
{
    (void)history_check(made->history, remember, made);
    if (made->kinds != kinds) {
        print_error("found %x, wanted %x; the last: %s\n", made->kinds, kinds, made->words);
    }
    assert_int_equal(made->kinds, kinds);
    history_destroy(made->history);
}

static uint32_t bit(enum history_fault fault)
{
    return 1u << fault;
}

static const struct plan right = {.seed = 1, .count = 60};

static void nothing_is_found_where_nothing_is_wrong(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const struct plan plan = {.seed = seed, .count = seed == 0 ? 0 : 60};
        struct made made = make(&plan);
        hand_out(&made, &plan);
        finds(&made, 0);
    }
}

static void a_lost_record_is_found(void **state)
{
    (void)state;
    struct plan plan = right;
    struct made made = make(&plan);
    plan.lost = committed(&made, 2);
    hand_out(&made, &plan);
    finds(&made, bit(HISTORY_LOST) | bit(HISTORY_NOT_MOVED));
}

static void an_unseen_record_is_found(void **state)
{
    (void)state;
    struct plan plan = right;
    struct made made = make(&plan);
    plan.skipped = committed(&made, 7);
    hand_out(&made, &plan);
    finds(&made, bit(HISTORY_UNSEEN));
}

static void a_record_that_was_read_and_is_gone_is_found(void **state)
{
    (void)state;
    struct made made = make(&right);
    hand_out(&made, &right);
    const uint32_t value = value_of(&made, HISTORY_IN_DOUBT, false, 1);
    const struct written *it = &made.values[value];
    history_poll(made.history, OTHER, it->partition, HISTORY_ERA_LAST, it->offset, value);
    finds(&made, bit(HISTORY_VANISHED));
}

static void half_a_transaction_is_found(void **state)
{
    (void)state;
    struct plan plan = right;
    struct made made = make(&plan);
    plan.hidden = value_of(&made, HISTORY_IN_DOUBT, true, 1);
    hand_out(&made, &plan);
    finds(&made, bit(HISTORY_TORN) | bit(HISTORY_VANISHED) | bit(HISTORY_NOT_MOVED));
}

static void a_record_that_is_there_twice_is_found(void **state)
{
    (void)state;
    struct plan plan = right;
    struct made made = make(&plan);
    plan.twice = committed(&made, 3);
    hand_out(&made, &plan);
    /* And so it stands before what it stands behind. */
    finds(&made, bit(HISTORY_DUPLICATE) | bit(HISTORY_MOVED_TWICE) | bit(HISTORY_WRITE_CYCLE));
}

static void a_record_of_an_aborted_transaction_is_found(void **state)
{
    (void)state;
    struct plan plan = right;
    struct made made = make(&plan);
    plan.aborted = value_of(&made, HISTORY_ABORTED, false, 1);
    hand_out(&made, &plan);
    finds(&made, bit(HISTORY_ABORTED_READ));
}

static void an_aborted_one_is_read_by_who_reads_uncommitted(void **state)
{
    (void)state;
    for (uint32_t observer = OTHER; observer <= UNCOMMITTED; observer++) {
        struct made made = make(&right);
        hand_out(&made, &right);
        const uint32_t value = value_of(&made, HISTORY_ABORTED, false, 1);
        const struct written *it = &made.values[value];
        history_poll(made.history, observer, it->partition, HISTORY_ERA_LAST, it->offset, value);
        finds(&made, observer == UNCOMMITTED ? 0 : bit(HISTORY_ABORTED_READ));
    }
}

static void an_offset_with_two_values_is_found(void **state)
{
    (void)state;
    struct made made = make(&right);
    hand_out(&made, &right);
    const struct written *it = &made.values[committed(&made, 3)];
    const uint32_t aborted = value_of(&made, HISTORY_ABORTED, false, 1);
    history_poll(made.history, UNCOMMITTED, it->partition, HISTORY_ERA_LAST, it->offset, aborted);
    finds(&made, bit(HISTORY_DIVERGENT));
}

static void what_a_power_cut_took_may_be_something_else(void **state)
{
    (void)state;
    struct made made = make(&right);
    hand_out(&made, &right);
    const struct written *it = &made.values[committed(&made, 3)];
    const uint32_t aborted = value_of(&made, HISTORY_ABORTED, false, 1);
    history_poll(made.history, UNCOMMITTED, it->partition, 0, it->offset, aborted);
    finds(&made, 0);
}

static void a_way_back_is_found(void **state)
{
    (void)state;
    for (uint32_t again = 0; again < 2; again++) {
        struct made made = make(&right);
        hand_out(&made, &right);
        const uint32_t value = committed(&made, 4);
        const struct written *it = &made.values[value];
        if (again == 1) {
            history_seek(made.history, WHOLE, it->partition);
        }
        history_poll(made.history, WHOLE, it->partition, HISTORY_ERA_LAST, it->offset, value);
        finds(&made, again == 1 ? 0 : bit(HISTORY_NON_MONOTONIC));
    }
}

/* Two transactions, the order of their records turned round in one partition. */
static void a_circle_of_writes_is_found(void **state)
{
    (void)state;
    for (uint32_t exclusive = 0; exclusive < 2; exclusive++) {
        struct history *history = history_create();
        struct made made = {.history = history};
        for (uint32_t i = 0; i < 4; i++) {
            (void)history_transaction(history, exclusive == 1);
            history_outcome(history, i + 1, HISTORY_COMMITTED);
        }
        /* The first hangs on the circle, the last is behind it. */
        static const uint32_t order[2][4] = {{1, 2, 3, 4}, {3, 2, 4, 0}};
        for (uint32_t p = 0; p < 2; p++) {
            for (uint32_t i = 0; i < 4 && order[p][i] != 0; i++) {
                history_log(history, p, i, history_write(history, order[p][i], p));
            }
        }
        assert_int_equal(history_check(history, remember, &made), exclusive == 1 ? 2 : 0);
        assert_int_equal(made.kinds, exclusive == 1 ? bit(HISTORY_WRITE_CYCLE) : 0);
        history_destroy(history);
    }
}

static void inputs_that_are_moved_twice_or_not_at_all_are_found(void **state)
{
    (void)state;
    struct plan plan = right;
    struct made made = make(&plan);
    uint32_t other = 2;
    plan.moved_as[0] = committed(&made, 1);
    while (made.values[committed(&made, other)].partition !=
           made.values[plan.moved_as[0]].partition) {
        other++;
    }
    plan.moved_as[1] = committed(&made, other);
    hand_out(&made, &plan);
    finds(&made, bit(HISTORY_NOT_MOVED) | bit(HISTORY_MOVED_TWICE));
}

static void inputs_that_change_places_are_found(void **state)
{
    (void)state;
    struct history *history = history_create();
    struct made made = {.history = history};
    const uint32_t transaction = history_transaction(history, true);
    for (uint32_t i = 0; i < 2; i++) {
        (void)history_input(history, 0);
        const uint32_t value = history_write(history, transaction, 0);
        history_write_of(history, value, 2 - i);
        history_log(history, 0, i, value);
    }
    assert_int_equal(history_check(history, remember, &made), 1);
    const uint32_t nowhere = history_write(history, transaction, 0);
    history_write_of(history, nowhere, 3);
    history_log(history, 0, 9, nowhere);
    assert_int_equal(history_check(history, remember, &made), 2);
    history_destroy(history);
}

static void the_log_may_be_what_was_handed_last(void **state)
{
    (void)state;
    struct history *history = history_create();
    struct made made = {.history = history};
    history_observer(history, 0, true, false);
    const uint32_t transaction = history_transaction(history, false);
    history_outcome(history, transaction, HISTORY_COMMITTED);
    const uint32_t one = history_write(history, transaction, 0);
    const uint32_t other = history_write(history, transaction, 1);
    history_poll(history, 0, 0, 0, 5, one);
    history_poll(history, 0, 1, 0, 7, other);
    history_log_of(history, 0);
    assert_int_equal(history_check(history, remember, &made), 0);
    history_seek(history, 0, 1);
    history_log_of(history, 0);
    assert_int_equal(history_check(history, remember, &made), 2);
    assert_int_equal(made.kinds, bit(HISTORY_LOST) | bit(HISTORY_VANISHED));
    history_destroy(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_found_where_nothing_is_wrong),
        cmocka_unit_test(a_lost_record_is_found),
        cmocka_unit_test(an_unseen_record_is_found),
        cmocka_unit_test(a_record_that_was_read_and_is_gone_is_found),
        cmocka_unit_test(half_a_transaction_is_found),
        cmocka_unit_test(a_record_that_is_there_twice_is_found),
        cmocka_unit_test(a_record_of_an_aborted_transaction_is_found),
        cmocka_unit_test(an_aborted_one_is_read_by_who_reads_uncommitted),
        cmocka_unit_test(an_offset_with_two_values_is_found),
        cmocka_unit_test(what_a_power_cut_took_may_be_something_else),
        cmocka_unit_test(a_way_back_is_found),
        cmocka_unit_test(a_circle_of_writes_is_found),
        cmocka_unit_test(inputs_that_are_moved_twice_or_not_at_all_are_found),
        cmocka_unit_test(inputs_that_change_places_are_found),
        cmocka_unit_test(the_log_may_be_what_was_handed_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
