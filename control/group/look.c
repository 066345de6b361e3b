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

struct group *group_behind(const struct group_coordinator *coordinator,
                           const struct list_node *node)
{
    const struct list *list = &coordinator->group_list;
    return node->next == &list->head ? NULL
                                     : CONTAINER_OF(node->next, struct group, in_coordinator);
}

static void look_at(struct group_place *place, struct group *group)
{
    *place = (struct group_place){.group = group};
}

void look_at_first(const struct group_coordinator *coordinator, struct group_place *place)
{
    look_at(place, group_behind(coordinator, &coordinator->group_list.head));
}

void look_inside(struct group_place *place)
{
    place->inside = true;
    place->offset = offset_behind(place->group, &place->group->offsets.head);
}

void look_past_group(const struct group_coordinator *coordinator, const struct group *group,
                     struct group_place *place)
{
    if (place->group == group) {
        look_at(place, group_behind(coordinator, &group->in_coordinator));
    }
}

static void look_past_offset(const struct group_offset *at, struct group_place *place)
{
    if (place->offset == at) {
        place->offset = offset_behind(at->group, &at->in_group);
    }
}

void looks_past_group(struct group_coordinator *coordinator, const struct group *group)
{
    look_past_group(coordinator, group, &coordinator->look);
    look_past_group(coordinator, group, &coordinator->sweep.at);
}

void looks_past_offset(struct group_coordinator *coordinator, const struct group_offset *at)
{
    look_past_offset(at, &coordinator->look);
    look_past_offset(at, &coordinator->sweep.at);
}

void group_look_begin(struct group_coordinator *coordinator)
{
    look_at_first(coordinator, &coordinator->look);
}

bool group_look_next(struct group_coordinator *coordinator, struct group_seen *seen)
{
    struct group_place *place = &coordinator->look;
    struct group *group;
    while ((group = place->group) != NULL) {
        *seen = (struct group_seen){
            .group = group->id, .state = group_shown_state(group), .members = group_members(group)};
        if (!place->inside) {
            look_inside(place);
            return true;
        }
        const struct group_offset *at = place->offset;
        if (at == NULL) {
            look_past_group(coordinator, group, place);
            continue;
        }
        look_past_offset(at, place);
        if (at->committed && !offset_is_gone(coordinator, at)) {
            seen->topic = at->topic;
            seen->partition = at->partition;
            seen->committed = at->value.offset;
            return true;
        }
    }
    return false;
}
