#include <ctype.h>
#include <strings.h>

#include "control/group/consumer.h"

/* --- describe -----------------------------------------------------------------------------------
 */

static struct chain text_or_empty(struct group_update *update, struct bytes text)
{
    return update_chain(update, text.ptr == NULL ? bytes_of_string("") : text);
}

/* What members can do shows only while it holds. */
static void members_describe(const struct group *group, struct group_update *update,
                             struct describe_groups_response_group *answer)
{
    struct describe_groups_response_member *items =
        ARENA_ARRAY(update->arena, struct describe_groups_response_member, group->member_count);
    for (struct list_node *at = group->members.head.next; at != &group->members.head;
         at = at->next) {
        const struct group_member *member = CONTAINER_OF(at, struct group_member, in_group);
        if (member->pending) {
            continue;
        }
        const struct bytes metadata = group->state == GROUP_STABLE
                                          ? member_metadata(member, group->protocol_name)
                                          : (struct bytes){0};
        const struct bytes assignment =
            member->target.ptr != NULL ? member->target : member->assignment;
        items[answer->members.count++] = (struct describe_groups_response_member){
            .member_id = update_chain(update, member->id),
            .group_instance_id = update_chain(update, member->instance_id),
            .client_id = text_or_empty(update, member->client_id),
            .client_host = text_or_empty(update, member->client_host),
            .member_metadata = text_or_empty(update, metadata),
            .member_assignment = text_or_empty(update, assignment),
        };
    }
    answer->members.items = items;
}

void describe_step(struct group_coordinator *coordinator, const struct group_event *event,
                   struct group_update *update)
{
    const struct group_parked to = {true, event->token, event->version};
    const struct group *group = group_find(coordinator, event->group_id);
    struct describe_groups_response_group *answer = arena_take(update->arena, sizeof(*answer));
    (void)update_walked(update, event, 1 + (group == NULL ? 0 : group_members(group)));
    *answer = describe_groups_response_group_default;
    answer->group_id = text_or_empty(update, event->group_id);
    if (group == NULL || group->consumer != NULL) {
        answer->group_state = CHAIN_TEXT("Dead");
        if (event->version >= 6) {
            answer->error_code = ERROR_GROUP_ID_NOT_FOUND;
            answer->error_message = arena_text(
                update->arena,
                group == NULL ? "Group %.*s not found." : "Group %.*s is not a classic group.",
                (int)min_u32(event->group_id.len, 250), (const char *)event->group_id.ptr);
        }
    } else {
        answer->group_state = update_chain(update, bytes_of_string(group_state_name(group->state)));
        answer->protocol_type = text_or_empty(update, group->protocol_type);
        if (group->state == GROUP_STABLE) {
            answer->protocol_data = text_or_empty(update, group->protocol_name);
        }
        members_describe(group, update, answer);
    }
    update_reply(update, GROUP_DESCRIBE, &to, answer);
}

/* --- list ---------------------------------------------------------------------------------------
 */

/* Without case and blanks around. */
static bool filter_is(struct bytes filter, const char *name)
{
    while (filter.len > 0 && isspace(filter.ptr[0])) {
        filter.ptr++;
        filter.len--;
    }
    while (filter.len > 0 && isspace(filter.ptr[filter.len - 1])) {
        filter.len--;
    }
    return filter.len == strlen(name) &&
           strncasecmp((const char *)filter.ptr, name, filter.len) == 0;
}

/* Which of the names are asked for, a bit each; no filter asks for all. Filters may be as many as
 * fit into a request: they are looked at once, not for each group. */
static uint32_t names_asked(struct group_update *update, struct string_array filters,
                            const char *const *names, uint32_t count)
{
    uint32_t asked = filters.count <= 0 ? UINT32_MAX : 0;
    struct chain filter;
    while (string_array_next(&filters, &filter)) {
        char room[64];
        struct bytes text = {(const uint8_t *)room, (uint32_t)filter.len};
        if (filter.len <= sizeof(room)) {
            chain_copy(filter, room, filter.len);
        } else {
            text = update_text(update, filter);
        }
        for (uint32_t i = 0; i < count; i++) {
            asked |= filter_is(text, names[i]) ? 1U << i : 0;
        }
    }
    return asked;
}

enum { TYPE_CLASSIC, TYPE_CONSUMER, GROUP_TYPES };
static const char *const group_types[GROUP_TYPES] = {"classic", "consumer"};

static uint32_t group_type(const struct group *group)
{
    return group->consumer != NULL ? TYPE_CONSUMER : TYPE_CLASSIC;
}

static struct list_groups_response_group group_list(const struct group *group,
                                                    struct group_update *update)
{
    const char *state = group_shown_name(group_shown_state(group));
    return (struct list_groups_response_group){
        .group_id = update_chain(update, group->id),
        .protocol_type = group->consumer != NULL ? CHAIN_TEXT("consumer")
                                                 : text_or_empty(update, group->protocol_type),
        .group_state = update_chain(update, bytes_of_string(state)),
        .group_type = update_chain(update, bytes_of_string(group_types[group_type(group)])),
    };
}

void groups_list(const struct group_coordinator *coordinator, const struct group_event *event,
                 struct group_walk *walk, struct group_update *update,
                 struct list_groups_response *answer)
{
    const uint32_t most = coordinator->groups.count;
    const uint32_t room = event->walk_max == 0 ? most : min_u32(most, event->walk_max);
    struct list_groups_response_group *items =
        ARENA_ARRAY(update->arena, struct list_groups_response_group, room);
    struct group *group = walk->group;
    bool on = true;
    while (group != NULL && group->made <= walk->made_max && on) {
        const bool is_asked = (walk->types >> group_type(group) & 1) != 0 &&
                              (walk->states >> group_shown_state(group) & 1) != 0;
        if (is_asked) {
            items[answer->groups.count++] = group_list(group, update);
        }
        on = update_walked(update, event, 1);
        group = group_behind(coordinator, &group->in_coordinator);
    }
    walk->group = group != NULL && group->made <= walk->made_max ? group : NULL;
    answer->groups.items = items;
}

void list_step(struct group_coordinator *coordinator, const struct group_event *event,
               struct group_update *update)
{
    const char *states[GROUP_SHOWN_STATES];
    for (uint32_t i = 0; i < GROUP_SHOWN_STATES; i++) {
        states[i] = group_shown_name((enum group_shown)i);
    }
    struct group_walk walk = {
        .to = {true, event->token, event->version},
        .lists = true,
        .states = names_asked(update, event->list->states_filter, states, GROUP_SHOWN_STATES),
        .types = names_asked(update, event->list->types_filter, group_types, GROUP_TYPES)};
    struct list_groups_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = list_groups_response_default;
    if (event->walk_max != 0 && coordinator->groups.count > event->walk_max) {
        walk_add(coordinator, &walk);
        update_reply_more(update, GROUP_LIST, &walk.to, answer);
        return;
    }
    walk_begin(coordinator, &walk);
    groups_list(coordinator, event, &walk, update, answer);
    update_reply(update, GROUP_LIST, &walk.to, answer);
}

/* --- delete -------------------------------------------------------------------------------------
 */

void delete_step(struct group_coordinator *coordinator, const struct group_event *event,
                 struct group_update *update)
{
    const struct group_parked to = {true, event->token, event->version};
    struct group *group = group_find(coordinator, event->group_id);
    struct delete_groups_response_result *answer = arena_take(update->arena, sizeof(*answer));
    (void)update_walked(update, event, 1 + (group == NULL ? 0 : group->offset_count));
    *answer = delete_groups_response_result_default;
    answer->group_id = text_or_empty(update, event->group_id);
    if (group == NULL) {
        answer->error_code = ERROR_GROUP_ID_NOT_FOUND;
    } else if (!group_is_empty(group)) {
        answer->error_code = ERROR_NON_EMPTY_GROUP;
    } else {
        group_offsets_drop(coordinator, group, update);
        record_group_gone(update, group);
        group_remove(coordinator, group);
    }
    update_reply(update, GROUP_DELETE, &to, answer);
}
