/* Why something failed, in one sentence for the person at the terminal, with the remedy if known.
 *
 * One per client; every function that fails fills it. Not thread-safe. */
#ifndef TOOLS_CLIENT_PROBLEM_H
#define TOOLS_CLIENT_PROBLEM_H

#include "storage/base/check.h"

enum problem_kind {
    PROBLEM_NONE,
    PROBLEM_UNREACHABLE, /* No connection could be made: nothing was asked. */
    PROBLEM_LOST,        /* The connection broke, or nothing came in time: unknown what happened. */
    PROBLEM_PROTOCOL,    /* The peer speaks no Kafka, or no version in common. */
    PROBLEM_KAFKA,       /* An error code of Kafka; see code. */
    PROBLEM_LOCAL,       /* On this side: memory, a value that cannot be sent. */
};

enum { PROBLEM_TEXT_BYTES = 768 };

struct problem {
    enum problem_kind kind;
    int16_t code; /* enum error_code. */
    char text[PROBLEM_TEXT_BYTES];
};

/* All of these return false, so that a function can end with them. */
__attribute__((format(printf, 3, 4))) bool
problem_set(struct problem *problem, enum problem_kind kind, const char *format, ...);

/* "WHAT: NAME: meaning (message of the broker). Remedy". subject is the topic or key the remedy
 * names; message may be empty. */
bool problem_kafka(struct problem *problem, int16_t code, const char *what, const char *subject,
                   const char *message);

/* True when the same thing may work a moment later. A lost connection counts only where repeating
 * is harmless. Topics that do not exist are not waited for. */
bool problem_may_pass(const struct problem *problem, bool repeatable);

#endif
