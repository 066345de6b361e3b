#include "control/group/assign.h"
#include "control/group/consumer.h"

/* --- which assignor -----------------------------------------------------------------------------
 */

const char *consumer_assignor_name(enum group_assignor assignor)
{
    return assignor == GROUP_RANGE ? "range" : "uniform";
}

bool consumer_assignor_parse(const struct group_settings *settings, struct bytes name,
                             enum group_assignor *assignor)
{
    for (uint32_t i = 0; i < settings->assignor_count; i++) {
        if (bytes_equal(name, bytes_of_string(consumer_assignor_name(settings->assignors[i])))) {
            *assignor = settings->assignors[i];
            return true;
        }
    }
    return false;
}

enum group_assignor consumer_assignor(const struct group_coordinator *coordinator,
                                      const struct group *group)
{
    const struct group_settings *settings = coordinator->settings;
    const struct list *members = &group->consumer->members;
    uint32_t votes[GROUP_ASSIGNORS] = {0};
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        const struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        enum group_assignor wish;
        if (member->assignor.ptr != NULL &&
            consumer_assignor_parse(settings, member->assignor, &wish)) {
            votes[wish]++;
        }
    }
    enum group_assignor best = settings->assignors[0];
    for (uint32_t i = 1; i < settings->assignor_count; i++) {
        if (votes[settings->assignors[i]] > votes[best]) {
            best = settings->assignors[i];
        }
    }
    return best;
}

/* --- targets ------------------------------------------------------------------------------------
 */

struct targets {
    const struct group_coordinator *coordinator;
    const struct group *group;
    struct arena *arena;
    struct topic_list topics;
    struct assign assign;
    struct consumer_member **members; /* As in assign. */
};

static bool same_wishes(const struct consumer_member *a, const struct consumer_member *b)
{
    return a->regex == b->regex && text_list_equal(a->topics, b->topics);
}

/* Places of the topics it wants; both lists are in the order of ids. */
static void wishes_place(const struct targets *targets, const struct consumer_member *member,
                         struct assign_member *to)
{
    const struct topic_list wanted =
        consumer_member_topics(targets->coordinator, targets->arena, member);
    uint32_t *places = ARENA_ARRAY(targets->arena, uint32_t, wanted.count);
    uint32_t place = 0;
    for (uint32_t i = 0; i < wanted.count; i++) {
        while (targets->topics.items[place] != wanted.items[i]) {
            place++;
        }
        places[i] = place;
    }
    to->topics = places;
    to->topic_count = wanted.count;
}

/* What it was to have, where that still exists. */
static void owners_mark(struct targets *targets, const struct consumer_member *member,
                        uint32_t index)
{
    uint32_t place = 0;
    for (uint32_t i = 0; i < member->target.count; i++) {
        const struct topic_partition *at = &member->target.items[i];
        while (place < targets->topics.count &&
               memcmp(&targets->topics.items[place]->id, &at->topic, sizeof(at->topic)) < 0) {
            place++;
        }
        if (place < targets->topics.count &&
            uuid_equal(targets->topics.items[place]->id, at->topic) &&
            (uint32_t)at->partition < targets->assign.topics[place].partition_count) {
            targets->assign.topics[place].owners[at->partition] = index;
        }
    }
}

static void targets_begin(struct targets *targets)
{
    const struct consumer_group *consumer = targets->group->consumer;
    struct assign_topic *topics =
        ARENA_ARRAY(targets->arena, struct assign_topic, targets->topics.count);
    struct assign_member *members =
        ARENA_ARRAY(targets->arena, struct assign_member, consumer->member_count);
    targets->members =
        ARENA_ARRAY(targets->arena, struct consumer_member *, consumer->member_count);
    for (uint32_t i = 0; i < targets->topics.count; i++) {
        topics[i].partition_count = (uint32_t)targets->topics.items[i]->partition_count;
        topics[i].owners = ARENA_ARRAY(targets->arena, uint32_t, topics[i].partition_count);
        for (uint32_t k = 0; k < topics[i].partition_count; k++) {
            topics[i].owners[k] = ASSIGN_NOBODY;
        }
    }
    targets->assign = (struct assign){targets->arena, topics, targets->topics.count, members, 0};
    uint32_t count = 0;
    for (struct list_node *at = consumer->members.head.next; at != &consumer->members.head;
         at = at->next) {
        struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        targets->members[count] = member;
        members[count] =
            (struct assign_member){.id = member->id, .instance_id = member->instance_id};
        if (count > 0 && same_wishes(targets->members[count - 1], member)) {
            members[count].topics = members[count - 1].topics;
            members[count].topic_count = members[count - 1].topic_count;
        } else {
            wishes_place(targets, member, &members[count]);
        }
        owners_mark(targets, member, count);
        count++;
    }
    targets->assign.member_count = count;
}

/* The sets of all members, each in order: topics and partitions are walked in order. */
static struct partition_set *targets_collect(const struct targets *targets)
{
    const struct assign *assign = &targets->assign;
    struct partition_set *sets =
        ARENA_ARRAY(targets->arena, struct partition_set, assign->member_count);
    for (uint32_t pass = 0; pass < 2; pass++) { /* How many; then which. */
        for (uint32_t i = 0; i < assign->topic_count; i++) {
            for (uint32_t k = 0; k < assign->topics[i].partition_count; k++) {
                const uint32_t owner = assign->topics[i].owners[k];
                if (owner == ASSIGN_NOBODY) {
                    continue;
                }
                if (pass == 1) {
                    sets[owner].items[sets[owner].count] =
                        (struct topic_partition){targets->topics.items[i]->id, (int32_t)k};
                }
                sets[owner].count++;
            }
        }
        for (uint32_t i = 0; pass == 0 && i < assign->member_count; i++) {
            sets[i].items = ARENA_ARRAY(targets->arena, struct topic_partition, sets[i].count);
            sets[i].count = 0;
        }
    }
    return sets;
}

static const struct partition_set *targets_work_out(struct targets *targets)
{
    targets->topics = consumer_group_topics(targets->coordinator, targets->arena, targets->group);
    targets_begin(targets);
    if (consumer_assignor(targets->coordinator, targets->group) == GROUP_RANGE) {
        assign_range(&targets->assign);
    } else {
        assign_uniform(&targets->assign);
    }
    return targets_collect(targets);
}

static bool targets_fit(const struct targets *targets, const struct partition_set *sets)
{
    for (uint32_t i = 0; i < targets->assign.member_count; i++) {
        if (partition_set_bytes(sets[i]) > PARTITION_BYTES_MAX) {
            return false;
        }
    }
    return true;
}

bool consumer_target_update(struct group_coordinator *coordinator, struct group *group,
                            struct group_update *update)
{
    struct targets targets = {.coordinator = coordinator, .group = group, .arena = update->arena};
    if (group->consumer->epoch <= group->consumer->target_epoch) {
        return true;
    }
    const struct partition_set *sets = targets_work_out(&targets);
    if (!targets_fit(&targets, sets)) {
        return false;
    }
    for (uint32_t i = 0; i < targets.assign.member_count; i++) {
        struct consumer_member *member = targets.members[i];
        if (!member->has_target || !partition_set_equal(member->target, sets[i])) {
            member->has_target = true;
            partition_set_keep(&member->target, sets[i]);
            record_consumer_target(update, member);
        }
    }
    group->consumer->target_epoch = group->consumer->epoch;
    record_consumer_target_epoch(update, group);
    return true;
}

/* --- whether they would fit ---------------------------------------------------------------------
 */

bool consumer_targets_always_fit(const struct group_coordinator *coordinator)
{
    const struct group_topics *topics = coordinator->all_topics;
    return topics == NULL ||
           partition_bytes(topics->count, topics->partition_count) <= PARTITION_BYTES_MAX;
}

/* The group as it would be; only what targets are worked out from. */
struct picture {
    const struct group_coordinator *coordinator;
    struct arena *arena;
    const struct group *from; /* NULL: there is none yet. */
    struct consumer_group *to;
};

static struct consumer_regex *regex_draw(const struct picture *picture, struct bytes text)
{
    const struct list *drawn = &picture->to->regexes;
    for (struct list_node *at = drawn->head.next; at != &drawn->head; at = at->next) {
        struct consumer_regex *regex = CONTAINER_OF(at, struct consumer_regex, in_group);
        if (bytes_equal(regex->text, text)) {
            return regex;
        }
    }
    const struct consumer_regex *known =
        picture->from == NULL ? NULL : consumer_regex_find(picture->from, text);
    struct consumer_regex *regex = arena_take(picture->arena, sizeof(*regex));
    regex->text = text;
    regex->members = 1; /* Or more. */
    regex->resolved = true;
    regex->topics = known != NULL && known->resolved
                        ? known->topics
                        : consumer_regex_matches(picture->coordinator, picture->arena, text);
    list_push_back(&picture->to->regexes, &regex->in_group);
    return regex;
}

static void member_draw(const struct picture *picture, const struct consumer_member *member,
                        const struct consumer_wish *wish)
{
    struct consumer_member *drawn = arena_take(picture->arena, sizeof(*drawn));
    struct bytes regex = {0};
    if (member != NULL) {
        drawn->id = member->id;
        drawn->instance_id = member->instance_id;
        drawn->topics = member->topics;
        drawn->assignor = member->assignor;
        drawn->target = member->target;
        regex = member->regex == NULL ? regex : member->regex->text;
    }
    if (member == wish->member) {
        drawn->id = wish->id;
        drawn->instance_id = wish->instance_id;
        drawn->topics = wish->topics;
        drawn->assignor = wish->assignor;
        regex = wish->regex;
    }
    drawn->regex = regex.len == 0 ? NULL : regex_draw(picture, regex);
    list_push_back(&picture->to->members, &drawn->in_group);
    picture->to->member_count++;
}

bool consumer_wish_fits(const struct group_coordinator *coordinator, struct arena *arena,
                        const struct group *group, const struct consumer_wish *wish)
{
    struct consumer_group consumer = {0};
    const struct group drawn = {.consumer = &consumer};
    const struct picture picture = {coordinator, arena, group, &consumer};
    struct targets targets = {.coordinator = coordinator, .group = &drawn, .arena = arena};
    if (consumer_targets_always_fit(coordinator)) {
        return true;
    }
    list_init(&consumer.members);
    list_init(&consumer.regexes);
    for (struct list_node *at = group == NULL ? NULL : group->consumer->members.head.next;
         at != NULL && at != &group->consumer->members.head; at = at->next) {
        member_draw(&picture, CONTAINER_OF(at, struct consumer_member, in_group), wish);
    }
    if (wish->member == NULL) {
        member_draw(&picture, NULL, wish);
    }
    return targets_fit(&targets, targets_work_out(&targets));
}
