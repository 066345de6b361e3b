#include "control/group/consumer.h"

/* Towards its target in three steps, by CurrentAssignmentBuilder.java: what it is not to have any
 * more is named to it; when it has given that up it enters the epoch of the target; and it gets
 * what is new as soon as nobody else has it. */

struct step {
    struct group_coordinator *coordinator;
    struct consumer_member *member;
    const struct partition_set *owned; /* NULL: not told. */
    struct arena *arena;
    struct topic_list wanted;
    /* What comes out. */
    enum consumer_member_state state;
    int32_t epoch;
    int32_t previous_epoch;
    struct partition_set assigned;
    struct partition_set revoking;
};

/* Who does not say what it has may have all of it. */
static bool still_has(const struct step *step, struct partition_set set)
{
    return step->owned == NULL || partition_set_meets(*step->owned, set);
}

static struct partition_set only_wanted(const struct step *step, struct partition_set set)
{
    struct partition_set kept = {ARENA_ARRAY(step->arena, struct topic_partition, set.count), 0};
    for (uint32_t i = 0; i < set.count; i++) {
        if (topic_list_has(step->wanted, set.items[i].topic)) {
            kept.items[kept.count++] = set.items[i];
        }
    }
    return kept;
}

/* Takes out of set what others have. A partition has one owner only, so what the member itself has
 * yet to give up is its own to get back. */
static bool unreleased_take(const struct step *step, struct partition_set *set)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct consumer_member *owner =
            consumer_owner_of(step->coordinator, step->member->group, &set->items[i]);
        if (owner == NULL || owner == step->member) {
            set->items[kept++] = set->items[i];
        }
    }
    const bool any = kept < set->count;
    set->count = kept;
    return any;
}

static void epoch_enter(struct step *step, int32_t epoch)
{
    step->previous_epoch = step->epoch;
    step->epoch = epoch;
}

static void next_compute(struct step *step)
{
    const struct consumer_member *member = step->member;
    const int32_t target_epoch = member->group->consumer->target_epoch;
    const struct partition_set target = only_wanted(step, member->target);
    const struct partition_set kept = partition_set_and(step->arena, member->assigned, target);
    const struct partition_set lost = partition_set_minus(step->arena, member->assigned, kept);
    struct partition_set fresh = partition_set_minus(step->arena, target, kept);
    const bool waits = unreleased_take(step, &fresh);
    if (lost.count > 0 && still_has(step, lost)) {
        step->state = MEMBER_UNREVOKED;
        step->assigned = kept;
        step->revoking = lost;
        epoch_enter(step, member->epoch);
        return;
    }
    step->state = waits ? MEMBER_UNRELEASED : MEMBER_STABLE;
    step->assigned = partition_set_or(step->arena, kept, fresh);
    step->revoking = (struct partition_set){0};
    epoch_enter(step, target_epoch);
}

/* No new target, but it does not want some of its topics any more. */
static void subscription_apply(struct step *step)
{
    const struct consumer_member *member = step->member;
    const struct partition_set kept = only_wanted(step, member->assigned);
    if (kept.count == member->assigned.count) {
        return;
    }
    const struct partition_set lost = partition_set_minus(step->arena, member->assigned, kept);
    const struct partition_set revoking = partition_set_or(step->arena, member->revoking, lost);
    step->assigned = kept;
    if (still_has(step, revoking)) {
        step->state = MEMBER_UNREVOKED;
        step->revoking = revoking;
    }
}

static void step_compute(struct step *step, bool subscription_changed)
{
    const struct consumer_member *member = step->member;
    const int32_t target_epoch = member->group->consumer->target_epoch;
    const bool is_there = member->state == MEMBER_STABLE && member->epoch == target_epoch;
    const bool holds_back = member->state == MEMBER_UNREVOKED && still_has(step, member->revoking);
    if (!is_there && !holds_back) {
        next_compute(step);
    } else if (subscription_changed) {
        subscription_apply(step);
    }
}

static void step_apply(const struct step *step, struct group_update *update)
{
    struct consumer_member *member = step->member;
    const bool places = !partition_set_equal(step->assigned, member->assigned) ||
                        !partition_set_equal(step->revoking, member->revoking);
    member->state = step->state;
    member->epoch = step->epoch;
    member->previous_epoch = step->previous_epoch;
    if (places) {
        consumer_member_assign(step->coordinator, member, step->assigned, step->revoking);
    }
    record_consumer_current(update, member);
    if (member->classic != NULL) {
        return; /* It is waited for otherwise. */
    }
    if (member->state == MEMBER_UNREVOKED) {
        consumer_revocation_start(step->coordinator, member);
    } else {
        group_timer_clear(step->coordinator, &member->revocation);
    }
}

enum consumer_reconciled consumer_member_reconcile(struct group_coordinator *coordinator,
                                                   struct consumer_member *member,
                                                   bool subscription_changed,
                                                   const struct partition_set *owned,
                                                   struct group_update *update)
{
    const int32_t target_epoch = member->group->consumer->target_epoch;
    if (!subscription_changed && member->state == MEMBER_STABLE && member->epoch == target_epoch) {
        return CONSUMER_AS_BEFORE;
    }
    struct step step = {.coordinator = coordinator,
                        .member = member,
                        .owned = owned,
                        .arena = update->arena,
                        .wanted = consumer_member_topics(coordinator, update->arena, member),
                        .state = member->state,
                        .epoch = member->epoch,
                        .previous_epoch = member->previous_epoch,
                        .assigned = member->assigned,
                        .revoking = member->revoking};
    step_compute(&step, subscription_changed);
    const bool changed = !partition_set_equal(step.assigned, member->assigned);
    if (!changed && step.state == member->state && step.epoch == member->epoch &&
        step.previous_epoch == member->previous_epoch &&
        partition_set_equal(step.revoking, member->revoking)) {
        return CONSUMER_AS_BEFORE;
    }
    if (partition_set_bytes(step.assigned) + partition_set_bytes(step.revoking) >
        PARTITION_BYTES_MAX) {
        return CONSUMER_TOO_LARGE;
    }
    step_apply(&step, update);
    return changed ? CONSUMER_CHANGED : CONSUMER_AS_BEFORE;
}
