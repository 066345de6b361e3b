#include "tests/history/history.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/check.h"

struct items {
    void *items;
    uint32_t count;
};

struct transaction {
    enum history_outcome outcome;
    bool exclusive;
    uint32_t writes; /* Values, but for those of compacted partitions. */
    uint32_t there;  /* Of these, in the log. */
    uint32_t before; /* In the order of writes: how many come right before it and are left. */
    uint32_t after;  /* Likewise behind it. */
    bool left;
};

struct value {
    uint32_t transaction; /* 0: none. */
    uint32_t partition;
    uint32_t input; /* 0: none. */
    uint32_t times; /* In the log. */
    bool seen;      /* By all that read everything. */
};

struct entry {
    uint32_t observer; /* HISTORY_OBSERVERS: the log. */
    uint32_t partition;
    uint32_t era;
    uint32_t value;
    int64_t offset;
    bool begins; /* Nothing is handed: it begins anew. */
};

struct input {
    uint32_t partition;
    uint32_t times; /* Its transforms in the log. */
};

struct observer {
    bool committed;
    bool whole;
};

struct edge {
    uint32_t from;
    uint32_t to;
};

struct history {
    struct items transactions;
    struct items values;
    struct items inputs;
    struct items polls;
    struct items log;
    struct observer observers[HISTORY_OBSERVERS];
    bool compacted[HISTORY_PARTITIONS];
    history_tell tell;
    void *context;
    uint32_t faults;
};

static void *grow(struct items *items, size_t size)
{
    if ((items->count & (items->count - 1)) == 0) {
        items->items =
            realloc(items->items, (items->count == 0 ? 1 : 2 * (size_t)items->count) * size);
        ASSERT(items->items != NULL);
    }
    void *it = (uint8_t *)items->items + items->count * size;
    memset(it, 0, size);
    items->count++;
    return it;
}

struct history *history_create(void)
{
    struct history *history = calloc(1, sizeof(*history));
    ASSERT(history != NULL);
    return history;
}

void history_destroy(struct history *history)
{
    if (history == NULL) {
        return;
    }
    free(history->transactions.items);
    free(history->values.items);
    free(history->inputs.items);
    free(history->polls.items);
    free(history->log.items);
    free(history);
}

/* ---- What was done and seen ----------------------------------------------------------------- */

static struct transaction *transaction_at(const struct history *history, uint32_t number)
{
    ASSERT(number > 0 && number <= history->transactions.count);
    return &((struct transaction *)history->transactions.items)[number - 1];
}

static struct value *value_at(const struct history *history, uint32_t number)
{
    ASSERT(number > 0 && number <= history->values.count);
    return &((struct value *)history->values.items)[number - 1];
}

uint32_t history_transaction(struct history *history, bool exclusive)
{
    struct transaction *it = grow(&history->transactions, sizeof(*it));
    it->exclusive = exclusive;
    return history->transactions.count;
}

void history_outcome(struct history *history, uint32_t transaction, enum history_outcome outcome)
{
    transaction_at(history, transaction)->outcome = outcome;
}

void history_compacted(struct history *history, uint32_t partition)
{
    ASSERT(partition < HISTORY_PARTITIONS);
    history->compacted[partition] = true;
}

uint32_t history_write(struct history *history, uint32_t transaction, uint32_t partition)
{
    ASSERT(partition < HISTORY_PARTITIONS && transaction <= history->transactions.count);
    struct value *it = grow(&history->values, sizeof(*it));
    it->transaction = transaction;
    it->partition = partition;
    return history->values.count;
}

void history_write_of(struct history *history, uint32_t value, uint32_t input)
{
    value_at(history, value)->input = input;
}

uint32_t history_input(struct history *history, uint32_t partition)
{
    struct input *it = grow(&history->inputs, sizeof(*it));
    it->partition = partition;
    return history->inputs.count;
}

void history_observer(struct history *history, uint32_t observer, bool committed, bool whole)
{
    ASSERT(observer < HISTORY_OBSERVERS);
    history->observers[observer] = (struct observer){committed, whole};
}

static void entry_add(struct items *items, const struct entry *entry)
{
    ASSERT(entry->partition < HISTORY_PARTITIONS);
    struct entry *it = grow(items, sizeof(*it));
    *it = *entry;
}

void history_seek(struct history *history, uint32_t observer, uint32_t partition)
{
    ASSERT(observer < HISTORY_OBSERVERS);
    entry_add(&history->polls,
              &(struct entry){.observer = observer, .partition = partition, .begins = true});
}

void history_poll(struct history *history, uint32_t observer, uint32_t partition, uint32_t era,
                  int64_t offset, uint32_t value)
{
    ASSERT(observer < HISTORY_OBSERVERS && value > 0 && value <= history->values.count);
    entry_add(&history->polls, &(struct entry){.observer = observer,
                                               .partition = partition,
                                               .era = era,
                                               .offset = offset,
                                               .value = value});
}

void history_log(struct history *history, uint32_t partition, int64_t offset, uint32_t value)
{
    ASSERT(value > 0 && value <= history->values.count);
    entry_add(&history->log, &(struct entry){.observer = HISTORY_OBSERVERS,
                                             .partition = partition,
                                             .era = HISTORY_ERA_LAST,
                                             .offset = offset,
                                             .value = value});
}

void history_log_of(struct history *history, uint32_t observer)
{
    const struct entry *polls = history->polls.items;
    uint32_t from[HISTORY_PARTITIONS] = {0};
    for (uint32_t i = 0; i < history->polls.count; i++) {
        if (polls[i].observer == observer && polls[i].begins) {
            from[polls[i].partition] = i;
        }
    }
    history->log.count = 0;
    free(history->log.items);
    history->log.items = NULL;
    for (uint32_t i = 0; i < history->polls.count; i++) {
        const struct entry *it = &polls[i];
        if (it->observer == observer && !it->begins && i >= from[it->partition]) {
            history_log(history, it->partition, it->offset, it->value);
        }
    }
}

/* ---- Faults --------------------------------------------------------------------------------- */

const char *history_fault_name(enum history_fault fault)
{
    static const char *const names[HISTORY_FAULTS] = {
        "lost",      "unseen",        "vanished",    "torn",      "duplicate",   "aborted read",
        "divergent", "non-monotonic", "write cycle", "not moved", "moved twice", "out of order"};
    return names[fault];
}

__attribute__((format(printf, 3, 4))) static void
found(struct history *history, enum history_fault fault, const char *format, ...)
{
    char words[200];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    history->faults++;
    history->tell(history->context, fault, words);
}

static int by_place(const void *one, const void *other)
{
    const struct entry *a = one;
    const struct entry *b = other;
    if (a->partition != b->partition) {
        return a->partition < b->partition ? -1 : 1;
    }
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static void log_count(struct history *history)
{
    const struct entry *log = history->log.items;
    for (uint32_t i = 0; i < history->transactions.count; i++) {
        struct transaction *it = transaction_at(history, i + 1);
        it->writes = it->there = 0;
    }
    for (uint32_t i = 0; i < history->values.count; i++) {
        value_at(history, i + 1)->times = 0;
    }
    for (uint32_t i = 0; i < history->log.count; i++) {
        struct value *value = value_at(history, log[i].value);
        if (value->partition != log[i].partition) {
            found(history, HISTORY_DIVERGENT, "value %u was written to %u, and lies in %u",
                  log[i].value, value->partition, log[i].partition);
        }
        value->times++;
    }
}

/* What there must be, and what may be there once only. */
static void values_check(struct history *history)
{
    for (uint32_t i = 0; i < history->values.count; i++) {
        const struct value *it = value_at(history, i + 1);
        if (it->times > 1) {
            found(history, HISTORY_DUPLICATE, "value %u: %u times", i + 1, it->times);
        }
        if (it->transaction == 0 || history->compacted[it->partition]) {
            continue;
        }
        struct transaction *transaction = transaction_at(history, it->transaction);
        transaction->writes++;
        transaction->there += it->times > 0;
        if (transaction->outcome == HISTORY_COMMITTED && it->times == 0) {
            found(history, HISTORY_LOST, "transaction %u: value %u in partition %u",
                  it->transaction, i + 1, it->partition);
        }
    }
    for (uint32_t i = 0; i < history->transactions.count; i++) {
        const struct transaction *it = transaction_at(history, i + 1);
        if (it->outcome == HISTORY_IN_DOUBT && it->there > 0 && it->there < it->writes) {
            found(history, HISTORY_TORN, "transaction %u: %u of %u values", i + 1, it->there,
                  it->writes);
        }
    }
}

static void unseen_check(struct history *history, uint32_t observer)
{
    const struct entry *polls = history->polls.items;
    const struct entry *log = history->log.items;
    for (uint32_t i = 0; i < history->log.count; i++) {
        value_at(history, log[i].value)->seen = false;
    }
    for (uint32_t i = 0; i < history->polls.count; i++) {
        if (!polls[i].begins && polls[i].observer == observer) {
            value_at(history, polls[i].value)->seen = true;
        }
    }
    for (uint32_t i = 0; i < history->log.count; i++) {
        if (!value_at(history, log[i].value)->seen) {
            found(history, HISTORY_UNSEEN, "value %u at %u:%" PRId64 ", by observer %u",
                  log[i].value, log[i].partition, log[i].offset, observer);
        }
    }
}

static void aborted_check(struct history *history, const struct items *entries)
{
    const struct entry *items = entries->items;
    for (uint32_t i = 0; i < entries->count; i++) {
        const struct entry *it = &items[i];
        if (it->begins ||
            (it->observer < HISTORY_OBSERVERS && !history->observers[it->observer].committed)) {
            continue;
        }
        const struct value *value = value_at(history, it->value);
        if (value->transaction != 0 &&
            transaction_at(history, value->transaction)->outcome == HISTORY_ABORTED) {
            found(history, HISTORY_ABORTED_READ, "value %u of transaction %u at %u:%" PRId64,
                  it->value, value->transaction, it->partition, it->offset);
        } else if (value->transaction != 0 && value->times == 0 &&
                   !history->compacted[it->partition]) {
            found(history, HISTORY_VANISHED, "value %u of transaction %u, handed at %u:%" PRId64,
                  it->value, value->transaction, it->partition, it->offset);
        }
    }
}

/* ---- Places --------------------------------------------------------------------------------- */

/* What a committed reader was handed stays; so it belongs to the last era. */
static bool is_lasting(const struct history *history, const struct entry *entry)
{
    return entry->observer == HISTORY_OBSERVERS ||
           (history->observers[entry->observer].committed &&
            value_at(history, entry->value)->transaction != 0);
}

static int by_era(const void *one, const void *other)
{
    const struct entry *a = one;
    const struct entry *b = other;
    const int place = by_place(one, other);
    if (place != 0 || a->era == b->era) {
        return place != 0 ? place : (a->value > b->value) - (a->value < b->value);
    }
    return a->era < b->era ? -1 : 1;
}

static void divergent_check(struct history *history)
{
    struct items all = {0};
    const struct items *from[] = {&history->log, &history->polls};
    for (uint32_t i = 0; i < 2; i++) {
        const struct entry *items = from[i]->items;
        for (uint32_t j = 0; j < from[i]->count; j++) {
            if (!items[j].begins) {
                entry_add(&all, &items[j]);
                struct entry *it = &((struct entry *)all.items)[all.count - 1];
                it->era = is_lasting(history, it) ? HISTORY_ERA_LAST : it->era;
            }
        }
    }
    if (all.count > 0) {
        qsort(all.items, all.count, sizeof(struct entry), by_era);
    }
    const struct entry *items = all.items;
    for (uint32_t i = 1; i < all.count; i++) {
        if (by_place(&items[i - 1], &items[i]) == 0 && items[i - 1].era == items[i].era &&
            items[i - 1].value != items[i].value) {
            found(history, HISTORY_DIVERGENT, "%u:%" PRId64 ": value %u and value %u",
                  items[i].partition, items[i].offset, items[i - 1].value, items[i].value);
        }
    }
    free(all.items);
}

static void monotonic_check(struct history *history)
{
    const struct entry *polls = history->polls.items;
    int64_t last[HISTORY_OBSERVERS][HISTORY_PARTITIONS];
    memset(last, 0xff, sizeof(last));
    for (uint32_t i = 0; i < history->polls.count; i++) {
        const struct entry *it = &polls[i];
        int64_t *before = &last[it->observer][it->partition];
        if (!it->begins && it->offset <= *before) {
            found(history, HISTORY_NON_MONOTONIC, "observer %u: %u:%" PRId64 " behind %" PRId64,
                  it->observer, it->partition, it->offset, *before);
        }
        *before = it->begins ? -1 : it->offset;
    }
}

/* ---- The order of writes -------------------------------------------------------------------- */

static struct items edges_of(const struct history *history)
{
    struct items edges = {0};
    const struct entry *log = history->log.items; /* In its order. */
    uint32_t before[HISTORY_PARTITIONS] = {0};
    for (uint32_t i = 0; i < history->log.count; i++) {
        const uint32_t number = value_at(history, log[i].value)->transaction;
        if (number == 0 || !transaction_at(history, number)->exclusive) {
            continue;
        }
        uint32_t *last = &before[log[i].partition];
        if (*last != 0 && *last != number) {
            struct edge *edge = grow(&edges, sizeof(*edge));
            *edge = (struct edge){*last, number};
        }
        *last = number;
    }
    return edges;
}

/* Takes out what has nobody in front, or behind; how many that were. */
static uint32_t edges_cut(struct history *history, const struct items *edges)
{
    const struct edge *items = edges->items;
    uint32_t cut = 0;
    for (uint32_t i = 0; i < history->transactions.count; i++) {
        struct transaction *it = transaction_at(history, i + 1);
        it->before = it->after = 0;
    }
    for (uint32_t i = 0; i < edges->count; i++) {
        struct transaction *from = transaction_at(history, items[i].from);
        struct transaction *to = transaction_at(history, items[i].to);
        from->after += to->left;
        to->before += from->left;
    }
    for (uint32_t i = 0; i < history->transactions.count; i++) {
        struct transaction *it = transaction_at(history, i + 1);
        if (it->left && (it->before == 0 || it->after == 0)) {
            it->left = false;
            cut++;
        }
    }
    return cut;
}

/* Whoever has nobody in front goes, until nobody does: along an acyclic order all of them. */
static void order_take(struct history *history, const struct items *edges)
{
    const struct edge *items = edges->items;
    uint32_t *heads = calloc((size_t)history->transactions.count + 1, sizeof(*heads));
    uint32_t *next = calloc((size_t)edges->count + 1, sizeof(*next));
    struct items queue = {0};
    ASSERT(heads != NULL && next != NULL);
    for (uint32_t i = 0; i < edges->count; i++) {
        next[i] = heads[items[i].from];
        heads[items[i].from] = i + 1;
        transaction_at(history, items[i].to)->before++;
    }
    for (uint32_t i = 1; i <= history->transactions.count; i++) {
        if (transaction_at(history, i)->before == 0) {
            *(uint32_t *)grow(&queue, sizeof(uint32_t)) = i;
        }
    }
    for (uint32_t at = 0; at < queue.count; at++) {
        const uint32_t number = ((uint32_t *)queue.items)[at];
        transaction_at(history, number)->left = false;
        for (uint32_t edge = heads[number]; edge != 0; edge = next[edge - 1]) {
            if (--transaction_at(history, items[edge - 1].to)->before == 0) {
                *(uint32_t *)grow(&queue, sizeof(uint32_t)) = items[edge - 1].to;
            }
        }
    }
    free(queue.items);
    free(next);
    free(heads);
}

static void cycle_check(struct history *history)
{
    struct items edges = edges_of(history);
    for (uint32_t i = 0; i < history->transactions.count; i++) {
        struct transaction *it = transaction_at(history, i + 1);
        it->left = true;
        it->before = 0;
    }
    order_take(history, &edges);
    while (edges_cut(history, &edges) > 0) {
        /* What only hangs on a circle goes, too. */
    }
    const struct edge *items = edges.items;
    for (uint32_t i = 0; i < edges.count; i++) {
        if (transaction_at(history, items[i].from)->left &&
            transaction_at(history, items[i].to)->left) {
            found(history, HISTORY_WRITE_CYCLE, "transaction %u wrote before transaction %u",
                  items[i].from, items[i].to);
        }
    }
    free(edges.items);
}

/* ---- Transforms of inputs ------------------------------------------------------------------- */

static struct input *input_of(const struct history *history, const struct entry *entry)
{
    const uint32_t number = value_at(history, entry->value)->input;
    return number == 0 || number > history->inputs.count
               ? NULL
               : &((struct input *)history->inputs.items)[number - 1];
}

static void moves_check(struct history *history)
{
    const struct entry *log = history->log.items; /* In its order. */
    uint32_t last[HISTORY_PARTITIONS] = {0};      /* Input, by its partition. */
    struct input *inputs = history->inputs.items;
    for (uint32_t i = 0; i < history->inputs.count; i++) {
        inputs[i].times = 0;
    }
    for (uint32_t i = 0; i < history->log.count; i++) {
        const uint32_t number = value_at(history, log[i].value)->input;
        struct input *input = input_of(history, &log[i]);
        if (input == NULL) {
            if (number != 0) {
                found(history, HISTORY_OUT_OF_ORDER, "value %u is of no input", log[i].value);
            }
            continue;
        }
        if (input->times++ > 0) {
            found(history, HISTORY_MOVED_TWICE, "input %u: value %u at %u:%" PRId64, number,
                  log[i].value, log[i].partition, log[i].offset);
        } else if (number < last[input->partition]) {
            found(history, HISTORY_OUT_OF_ORDER,
                  "input %u: value %u at %u:%" PRId64 " behind input %u", number, log[i].value,
                  log[i].partition, log[i].offset, last[input->partition]);
        }
        last[input->partition] = number;
    }
    for (uint32_t i = 0; i < history->inputs.count; i++) {
        if (inputs[i].times == 0) {
            found(history, HISTORY_NOT_MOVED, "input %u of partition %u", i + 1,
                  inputs[i].partition);
        }
    }
}

uint32_t history_check(struct history *history, history_tell tell, void *context)
{
    history->tell = tell;
    history->context = context;
    history->faults = 0;
    if (history->log.count > 0) {
        qsort(history->log.items, history->log.count, sizeof(struct entry), by_place);
    }
    log_count(history);
    values_check(history);
    for (uint32_t observer = 0; observer < HISTORY_OBSERVERS; observer++) {
        if (history->observers[observer].whole) {
            unseen_check(history, observer);
        }
    }
    aborted_check(history, &history->log);
    aborted_check(history, &history->polls);
    divergent_check(history);
    monotonic_check(history);
    cycle_check(history);
    moves_check(history);
    return history->faults;
}
