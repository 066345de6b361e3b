/* "Did you mean": the nearest known word. Pure; any thread. */
#ifndef DATAPLANE_PROFILE_SUGGEST_H
#define DATAPLANE_PROFILE_SUGGEST_H

#include "storage/base/bytes.h"

struct suggestion {
    struct bytes wanted;
    struct bytes best; /* View of an offered word; empty while nothing is near enough. */
    uint32_t distance;
};

static inline struct suggestion suggest(struct bytes wanted)
{
    return (struct suggestion){.wanted = wanted, .best = {0}, .distance = UINT32_MAX};
}

/* Keeps the word if it is nearer than the best so far and near enough to be meant: at most a third
 * of its letters differ (insertions, deletions, replacements, swapped neighbours; case counts as
 * nothing). The word must outlive the suggestion. */
void suggest_offer(struct suggestion *suggestion, const char *word);

#endif
