#include "control/group/assign.h"

#include <stdlib.h>

#include "control/text.h"

/* --- range --------------------------------------------------------------------------------------
 */

struct ranked {
    const struct assign_member *member;
    uint32_t place;
};

/* Static members first, by instance; then the others by id. */
static int ranked_order(const void *a, const void *b)
{
    const struct assign_member *one = ((const struct ranked *)a)->member;
    const struct assign_member *two = ((const struct ranked *)b)->member;
    if ((one->instance_id.ptr == NULL) != (two->instance_id.ptr == NULL)) {
        return one->instance_id.ptr == NULL ? 1 : -1;
    }
    return one->instance_id.ptr == NULL ? text_order(one->id, two->id)
                                        : text_order(one->instance_id, two->instance_id);
}

/* What is left of a topic while members take their rows. */
struct rows {
    uint32_t members;
    uint32_t taken; /* Members that have theirs. */
    uint32_t next;  /* The first partition that nobody has. */
};

static void row_take(struct assign_topic *topic, struct rows *rows, uint32_t place)
{
    const uint32_t quota = topic->partition_count / rows->members +
                           (rows->taken < topic->partition_count % rows->members);
    for (uint32_t i = 0; i < quota; i++) {
        topic->owners[rows->next++] = place;
    }
    rows->taken++;
}

static void owners_clear(struct assign_topic *topic)
{
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        topic->owners[i] = ASSIGN_NOBODY;
    }
}

void assign_range(struct assign *assign)
{
    struct rows *rows = ARENA_ARRAY(assign->arena, struct rows, assign->topic_count);
    struct ranked *ranked = ARENA_ARRAY(assign->arena, struct ranked, assign->member_count);
    for (uint32_t i = 0; i < assign->topic_count; i++) {
        owners_clear(&assign->topics[i]);
    }
    for (uint32_t i = 0; i < assign->member_count; i++) {
        const struct assign_member *member = &assign->members[i];
        ranked[i] = (struct ranked){member, i};
        for (uint32_t k = 0; k < member->topic_count; k++) {
            rows[member->topics[k]].members++;
        }
    }
    if (assign->member_count > 1) {
        qsort(ranked, assign->member_count, sizeof(ranked[0]), ranked_order);
    }
    for (uint32_t i = 0; i < assign->member_count; i++) {
        const struct assign_member *member = ranked[i].member;
        for (uint32_t k = 0; k < member->topic_count; k++) {
            const uint32_t topic = member->topics[k];
            row_take(&assign->topics[topic], &rows[topic], ranked[i].place);
        }
    }
}

/* --- uniform, where all want the same -----------------------------------------------------------
 */

static bool wants(const struct assign_member *member, uint32_t topic)
{
    uint32_t low = 0;
    uint32_t high = member->topic_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (member->topics[middle] < topic) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < member->topic_count && member->topics[low] == topic;
}

/* Nobody has what it does not want; counts is what each has. */
static void unwanted_take(struct assign *assign, uint32_t *counts)
{
    for (uint32_t i = 0; i < assign->topic_count; i++) {
        struct assign_topic *topic = &assign->topics[i];
        for (uint32_t k = 0; k < topic->partition_count; k++) {
            const uint32_t owner = topic->owners[k];
            if (owner >= assign->member_count || !wants(&assign->members[owner], i)) {
                topic->owners[k] = ASSIGN_NOBODY;
            } else {
                counts[owner]++;
            }
        }
    }
}

/* How many each may have: those that have most already get what cannot be divided. */
static void quotas_make(const struct assign *assign, const uint32_t *counts, uint32_t *quotas,
                        uint32_t total)
{
    const uint32_t share = total / assign->member_count;
    uint32_t extra = total % assign->member_count;
    for (uint32_t i = 0; i < assign->member_count; i++) {
        const bool has_more = counts[i] > share && extra > 0;
        quotas[i] = share + has_more;
        extra -= has_more;
    }
    for (uint32_t i = 0; extra > 0; i++) {
        if (quotas[i] == share) {
            quotas[i]++;
            extra--;
        }
    }
}

static void same_assign(struct assign *assign, const uint32_t *counts)
{
    const struct assign_member *any = &assign->members[0];
    uint32_t *quotas = ARENA_ARRAY(assign->arena, uint32_t, assign->member_count);
    uint32_t total = 0;
    for (uint32_t i = 0; i < any->topic_count; i++) {
        total += assign->topics[any->topics[i]].partition_count;
    }
    quotas_make(assign, counts, quotas, total);
    for (uint32_t i = 0; i < any->topic_count; i++) { /* What exceeds a quota is free. */
        struct assign_topic *topic = &assign->topics[any->topics[i]];
        for (uint32_t k = 0; k < topic->partition_count; k++) {
            const uint32_t owner = topic->owners[k];
            if (owner != ASSIGN_NOBODY && quotas[owner] == 0) {
                topic->owners[k] = ASSIGN_NOBODY;
            } else if (owner != ASSIGN_NOBODY) {
                quotas[owner]--;
            }
        }
    }
    uint32_t member = 0;
    for (uint32_t i = 0; i < any->topic_count; i++) {
        struct assign_topic *topic = &assign->topics[any->topics[i]];
        for (uint32_t k = 0; k < topic->partition_count; k++) {
            if (topic->owners[k] != ASSIGN_NOBODY) {
                continue;
            }
            while (quotas[member] == 0) {
                member++;
            }
            quotas[member]--;
            topic->owners[k] = member;
        }
    }
}

/* --- uniform, where each wants something else ---------------------------------------------------
 */

enum { BALANCE_ROUNDS_MAX = 16 }; /* Kafka: MAX_ITERATION_COUNT. */

struct wanted_topic {
    uint32_t place;
    uint32_t partition_count;
    uint32_t *wanters; /* A heap while its partitions are given out: who has least is first. */
    uint32_t wanter_count;
};

/* The more partitions for each who wants them the earlier; then those that fewer want. */
static int wanted_order(const void *a, const void *b)
{
    const struct wanted_topic *one = a;
    const struct wanted_topic *two = b;
    const uint64_t left = (uint64_t)one->partition_count * two->wanter_count;
    const uint64_t right = (uint64_t)two->partition_count * one->wanter_count;
    if (left != right) {
        return left > right ? -1 : 1;
    }
    if (one->wanter_count != two->wanter_count) {
        return one->wanter_count < two->wanter_count ? -1 : 1;
    }
    return one->place < two->place ? -1 : one->place > two->place;
}

static bool has_less(const uint32_t *counts, uint32_t a, uint32_t b)
{
    return counts[a] != counts[b] ? counts[a] < counts[b] : a < b;
}

static void heap_down(const struct wanted_topic *topic, const uint32_t *counts, uint32_t at)
{
    uint32_t *heap = topic->wanters;
    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= topic->wanter_count) {
            return;
        }
        if (child + 1 < topic->wanter_count && has_less(counts, heap[child + 1], heap[child])) {
            child++;
        }
        if (!has_less(counts, heap[child], heap[at])) {
            return;
        }
        const uint32_t moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

static struct wanted_topic *topics_wanted(struct assign *assign, uint32_t *count)
{
    struct wanted_topic *all = ARENA_ARRAY(assign->arena, struct wanted_topic, assign->topic_count);
    for (uint32_t i = 0; i < assign->member_count; i++) {
        for (uint32_t k = 0; k < assign->members[i].topic_count; k++) {
            all[assign->members[i].topics[k]].wanter_count++;
        }
    }
    for (uint32_t i = 0; i < assign->topic_count; i++) {
        all[i].place = i;
        all[i].partition_count = assign->topics[i].partition_count;
        all[i].wanters = ARENA_ARRAY(assign->arena, uint32_t, all[i].wanter_count);
        all[i].wanter_count = 0;
    }
    for (uint32_t i = 0; i < assign->member_count; i++) {
        for (uint32_t k = 0; k < assign->members[i].topic_count; k++) {
            struct wanted_topic *topic = &all[assign->members[i].topics[k]];
            topic->wanters[topic->wanter_count++] = i;
        }
    }
    *count = 0;
    for (uint32_t i = 0; i < assign->topic_count; i++) {
        if (all[i].wanter_count > 0) {
            all[(*count)++] = all[i];
        }
    }
    if (*count > 1) {
        qsort(all, *count, sizeof(all[0]), wanted_order);
    }
    return all;
}

static void free_give(struct assign *assign, const struct wanted_topic *wanted, uint32_t *counts)
{
    struct assign_topic *topic = &assign->topics[wanted->place];
    for (uint32_t i = wanted->wanter_count / 2; i-- > 0;) {
        heap_down(wanted, counts, i);
    }
    for (uint32_t k = 0; k < topic->partition_count; k++) {
        if (topic->owners[k] == ASSIGN_NOBODY) {
            topic->owners[k] = wanted->wanters[0];
            counts[wanted->wanters[0]]++;
            heap_down(wanted, counts, 0);
        }
    }
}

/* Each of its partitions goes to who has least while that is better. False: none did. */
static bool topic_balance(struct assign *assign, const struct wanted_topic *wanted,
                          uint32_t *counts)
{
    struct assign_topic *topic = &assign->topics[wanted->place];
    bool moved = false;
    for (uint32_t i = wanted->wanter_count / 2; i-- > 0;) {
        heap_down(wanted, counts, i);
    }
    for (uint32_t k = 0; k < topic->partition_count; k++) {
        const uint32_t from = topic->owners[k];
        const uint32_t to = wanted->wanters[0];
        if (counts[from] > counts[to] + 1) {
            topic->owners[k] = to;
            counts[to]++;
            counts[from]--;
            moved = true;
            for (uint32_t i = wanted->wanter_count / 2; i-- > 0;) { /* Two have changed. */
                heap_down(wanted, counts, i);
            }
        }
    }
    return moved;
}

static void mixed_assign(struct assign *assign, uint32_t *counts)
{
    uint32_t count;
    const struct wanted_topic *wanted = topics_wanted(assign, &count);
    for (uint32_t i = 0; i < count; i++) {
        free_give(assign, &wanted[i], counts);
    }
    bool moved = true;
    for (uint32_t round = 0; round < BALANCE_ROUNDS_MAX && moved; round++) {
        moved = false;
        for (uint32_t i = 0; i < count; i++) {
            moved = topic_balance(assign, &wanted[i], counts) || moved;
        }
    }
}

static bool all_want_the_same(const struct assign *assign)
{
    const struct assign_member *any = &assign->members[0];
    for (uint32_t i = 1; i < assign->member_count; i++) {
        const struct assign_member *member = &assign->members[i];
        if (member->topic_count != any->topic_count ||
            (any->topic_count > 0 &&
             memcmp(member->topics, any->topics, any->topic_count * sizeof(any->topics[0])) != 0)) {
            return false;
        }
    }
    return true;
}

void assign_uniform(struct assign *assign)
{
    uint32_t *counts = ARENA_ARRAY(assign->arena, uint32_t, assign->member_count);
    unwanted_take(assign, counts);
    if (assign->member_count == 0) {
        return;
    }
    if (all_want_the_same(assign)) {
        same_assign(assign, counts);
    } else {
        mixed_assign(assign, counts);
    }
}
