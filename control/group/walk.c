#include <stdlib.h>

#include "control/group/consumer.h"

/* What takes several steps. A walk stands at a place, and goes on from there however the group has
 * changed: offsets that come are behind it and not told, and who goes pushes it on. So each offset
 * is told once, as it was at some time between the request and its answer. */

void walk_add(struct group_coordinator *coordinator, const struct group_walk *walk)
{
    struct group_walk *own = malloc(sizeof(*own));
    ASSERT(own != NULL);
    *own = *walk;
    own->group_id = text_copy(walk->group_id);
    list_push_back(&coordinator->walks, &own->in_coordinator);
}

void walk_begin(const struct group_coordinator *coordinator, struct group_walk *walk)
{
    walk->begun = true;
    if (walk->lists) {
        walk->group = group_behind(coordinator, &coordinator->group_list.head);
        walk->made_max = coordinator->groups_made;
        return;
    }
    walk->group = group_find(coordinator, walk->group_id);
    walk->next =
        walk->group == NULL ? NULL : offset_behind(walk->group, &walk->group->offsets.head);
    walk->made_max = coordinator->offsets_made;
}

void walk_free(struct group_walk *walk)
{
    list_remove(&walk->in_coordinator);
    text_free(&walk->group_id);
    free(walk);
}

void walks_past_group(struct group_coordinator *coordinator, const struct group *group)
{
    LIST_FOR_EACH(node, &coordinator->walks)
    {
        struct group_walk *walk = CONTAINER_OF(node, struct group_walk, in_coordinator);
        if (walk->group == group) {
            walk->group = walk->lists ? group_behind(coordinator, &group->in_coordinator) : NULL;
            walk->next = NULL;
        }
    }
}

void walks_past_offset(struct group_coordinator *coordinator, const struct group_offset *at)
{
    LIST_FOR_EACH(node, &coordinator->walks)
    {
        struct group_walk *walk = CONTAINER_OF(node, struct group_walk, in_coordinator);
        if (walk->next == at) {
            walk->next = offset_behind(at->group, &at->in_group);
        }
    }
}

static struct group_walk *walk_find(const struct group_coordinator *coordinator, uint64_t token)
{
    for (struct list_node *at = coordinator->walks.head.next; at != &coordinator->walks.head;
         at = at->next) {
        struct group_walk *walk = CONTAINER_OF(at, struct group_walk, in_coordinator);
        if (walk->to.token == token) {
            return walk;
        }
    }
    return NULL;
}

static void fetch_more(struct group_coordinator *coordinator, const struct group_event *event,
                       struct group_walk *walk, struct group_update *update)
{
    struct offset_fetch_response_group *answer = arena_take(update->arena, sizeof(*answer));
    *answer = offset_fetch_response_group_default;
    answer->group_id = update_chain(update, walk->group_id);
    offsets_fetch(coordinator, event, walk, update, answer);
    if (walk->next != NULL) {
        update_reply_more(update, GROUP_OFFSET_FETCH, &walk->to, answer);
        return;
    }
    update_reply(update, GROUP_OFFSET_FETCH, &walk->to, answer);
    walk_free(walk);
}

static void list_more(struct group_coordinator *coordinator, const struct group_event *event,
                      struct group_walk *walk, struct group_update *update)
{
    struct list_groups_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = list_groups_response_default;
    groups_list(coordinator, event, walk, update, answer);
    if (walk->group != NULL) {
        update_reply_more(update, GROUP_LIST, &walk->to, answer);
        return;
    }
    update_reply(update, GROUP_LIST, &walk->to, answer);
    walk_free(walk);
}

void more_step(struct group_coordinator *coordinator, const struct group_event *event,
               struct group_update *update)
{
    struct group_walk *walk = walk_find(coordinator, event->token);
    if (walk == NULL) {
        return;
    }
    if (!walk->begun) {
        walk_begin(coordinator, walk);
    }
    if (walk->lists) {
        list_more(coordinator, event, walk, update);
    } else {
        fetch_more(coordinator, event, walk, update);
    }
}
