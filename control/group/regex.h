/* Regular expressions of subscriptions: RE2's syntax and meaning, as Kafka takes them (KIP-848).
 *
 * The only way to libre2, and in C. Time is linear in the text whatever the pattern says, memory of
 * a compiled one is bounded. Heap; one thread each; no state besides.
 */
#ifndef CONTROL_GROUP_REGEX_H
#define CONTROL_GROUP_REGEX_H

#ifdef __cplusplus
extern "C" {
#else
#include <stdbool.h>
#endif
#include <stdint.h>

enum { REGEX_BYTES_MAX = 1 << 20 }; /* About what a compiled one may take, its caches included. */

struct regex;

/* Why a pattern is none. */
struct regex_error {
    char what[128]; /* "missing closing )" */
    uint32_t at;    /* Bytes before the part that is wrong. */
};

/* NULL: it is no pattern, and *error says why. The pattern is UTF-8, not terminated. */
struct regex *regex_new(const char *pattern, uint32_t len, struct regex_error *error);
void regex_free(struct regex *regex);

/* The whole text, from its begin to its end. */
bool regex_matches(const struct regex *regex, const char *text, uint32_t len);

#ifdef __cplusplus
}
#endif
#endif
