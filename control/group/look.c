#include "control/group/consumer.h"

static enum group_shown classic_shown(enum group_state state)
{
    switch (state) {
    case GROUP_EMPTY: return GROUP_SHOWN_EMPTY;
    case GROUP_PREPARING: return GROUP_SHOWN_PREPARING;
    case GROUP_COMPLETING: return GROUP_SHOWN_COMPLETING;
    case GROUP_STABLE: return GROUP_SHOWN_STABLE;
    }
    return GROUP_SHOWN_EMPTY;
}

enum group_shown group_shown_state(const struct group *group)
{
    return group->consumer == NULL ? classic_shown(group->state) : consumer_group_shown(group);
}

uint32_t group_members(const struct group *group)
{
    return group->consumer == NULL ? group->member_count : group->consumer->member_count;
}

static struct group *group_behind(const struct group_coordinator *coordinator,
                                  const struct list_node *node)
{
    const struct list *list = &coordinator->group_list;
    return node->next == &list->head ? NULL
                                     : CONTAINER_OF(node->next, struct group, in_coordinator);
}

static void look_at(struct group_coordinator *coordinator, struct group *group)
{
    coordinator->look_group = group;
    coordinator->look_inside = false;
    coordinator->look_offset = NULL;
}

void group_look_begin(struct group_coordinator *coordinator)
{
    look_at(coordinator, group_behind(coordinator, &coordinator->group_list.head));
}

void look_past_group(struct group_coordinator *coordinator, const struct group *group)
{
    if (coordinator->look_group == group) {
        look_at(coordinator, group_behind(coordinator, &group->in_coordinator));
    }
}

void look_past_offset(struct group_coordinator *coordinator, const struct group_offset *at)
{
    if (coordinator->look_offset == at) {
        coordinator->look_offset = offset_behind(at->group, &at->in_group);
    }
}

bool group_look_next(struct group_coordinator *coordinator, struct group_seen *seen)
{
    struct group *group;
    while ((group = coordinator->look_group) != NULL) {
        *seen = (struct group_seen){
            .group = group->id, .state = group_shown_state(group), .members = group_members(group)};
        if (!coordinator->look_inside) {
            coordinator->look_inside = true;
            coordinator->look_offset = offset_behind(group, &group->offsets.head);
            return true;
        }
        const struct group_offset *at = coordinator->look_offset;
        if (at == NULL) {
            look_past_group(coordinator, group);
            continue;
        }
        look_past_offset(coordinator, at);
        if (at->committed) {
            seen->topic = at->topic;
            seen->partition = at->partition;
            seen->committed = at->value.offset;
            return true;
        }
    }
    return false;
}
