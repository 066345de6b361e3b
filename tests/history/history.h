/* What a history of transactions may not show, in the manner of Jepsen's checkers for Kafka.
 *
 * A history is what clients did and saw: transactions with what they wrote and what they were told
 * of their end, what observers were handed, and what the partitions hold for a committed reader in
 * the end. Each attempt to write has a value of its own. Values, transactions and inputs count from
 * 1 on; partitions and observers are below HISTORY_PARTITIONS and HISTORY_OBSERVERS.
 *
 * Threads: none. Memory that is not there ends the process.
 */
#ifndef TESTS_HISTORY_HISTORY_H
#define TESTS_HISTORY_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

enum { HISTORY_PARTITIONS = 64, HISTORY_OBSERVERS = 8 };

static const uint32_t HISTORY_ERA_LAST = UINT32_MAX;

enum history_outcome { HISTORY_IN_DOUBT, HISTORY_COMMITTED, HISTORY_ABORTED };

enum history_fault {
    HISTORY_LOST,          /* Written by a committed transaction, and not in the log. */
    HISTORY_UNSEEN,        /* In the log, and not handed to an observer that read all of it. */
    HISTORY_VANISHED,      /* Handed to a committed observer, and not in the log. */
    HISTORY_TORN,          /* A transaction in doubt of which the log holds a part. */
    HISTORY_DUPLICATE,     /* A value that the log holds twice. */
    HISTORY_ABORTED_READ,  /* One of an aborted transaction, in the log or read as committed. */
    HISTORY_DIVERGENT,     /* One offset, two values. */
    HISTORY_NON_MONOTONIC, /* An observer was led back in a partition. */
    HISTORY_WRITE_CYCLE,   /* Transactions of which each wrote before the next, in a circle. */
    HISTORY_NOT_MOVED,     /* An input of which the log holds no transform. */
    HISTORY_MOVED_TWICE,   /* One of which it holds two. */
    HISTORY_OUT_OF_ORDER,  /* One behind another that came later in its partition. */
    HISTORY_FAULTS,
};

struct history;

struct history *history_create(void);
void history_destroy(struct history *history);

/* exclusive: nobody else may write to its partitions until it has ended, for instance as their
 * owner in a group. Only those can be asked for an order: Kafka's transactions lock nothing, and
 * two at one time may well write before each other. */
uint32_t history_transaction(struct history *history, bool exclusive);
void history_outcome(struct history *history, uint32_t transaction, enum history_outcome outcome);
/* A partition in which newer values replace older ones: what is missing there says nothing. */
void history_compacted(struct history *history, uint32_t partition);
/* transaction 0: none, then nobody is told whether it is there. */
uint32_t history_write(struct history *history, uint32_t transaction, uint32_t partition);
/* A value that transforms that input; one that does not exist is out of order. */
void history_write_of(struct history *history, uint32_t value, uint32_t input);
/* Something to transform. Those of one partition come in their order. */
uint32_t history_input(struct history *history, uint32_t partition);

/* committed: read_committed. whole: it reads everything to its end. */
void history_observer(struct history *history, uint32_t observer, bool committed, bool whole);
/* It begins anew there. */
void history_seek(struct history *history, uint32_t observer, uint32_t partition);
/* era: what was handed without being committed, in an older one than the last, may have been taken
 * back and its offset given to another value (a power cut). */
void history_poll(struct history *history, uint32_t observer, uint32_t partition, uint32_t era,
                  int64_t offset, uint32_t value);

/* What is in the log, in any order. */
void history_log(struct history *history, uint32_t partition, int64_t offset, uint32_t value);
/* The log is what a committed observer was handed since it began anew everywhere. */
void history_log_of(struct history *history, uint32_t observer);

const char *history_fault_name(enum history_fault fault);
/* Tells each fault, in words; returns how many. */
typedef void (*history_tell)(void *context, enum history_fault fault, const char *words);
uint32_t history_check(struct history *history, history_tell tell, void *context);

#endif
