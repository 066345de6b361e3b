#include <ctype.h>
#include <strings.h>

#include "control/group/consumer.h"

/* --- describe -----------------------------------------------------------------------------------
 */

static struct chain text_or_empty(struct group_update *update, struct bytes text)
{
    return update_chain(update, text.ptr == NULL ? bytes_of("") : text);
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
        items[answer->members.count++] = (struct describe_groups_response_member){
            .member_id = update_chain(update, member->id),
            .group_instance_id = update_chain(update, member->instance_id),
            .client_id = text_or_empty(update, member->client_id),
            .client_host = text_or_empty(update, member->client_host),
            .member_metadata = text_or_empty(update, metadata),
            .member_assignment = text_or_empty(update, member->assignment),
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
        answer->group_state = update_chain(update, bytes_of(group_state_name(group->state)));
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

/* No filter takes all. */
static bool filters_take(struct group_update *update, struct string_array filters, const char *name)
{
    if (filters.count <= 0) {
        return true;
    }
    struct chain filter;
    while (string_array_next(&filters, &filter)) {
        if (filter_is(update_text(update, filter), name)) {
            return true;
        }
    }
    return false;
}

static const char *group_type(const struct group *group)
{
    return group->consumer != NULL ? "consumer" : "classic";
}

void list_step(struct group_coordinator *coordinator, const struct group_event *event,
               struct group_update *update)
{
    const struct group_parked to = {true, event->token, event->version};
    struct list_groups_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = list_groups_response_default;
    struct list_groups_response_group *items =
        ARENA_ARRAY(update->arena, struct list_groups_response_group, coordinator->groups.count);
    for (struct list_node *at = coordinator->group_list.head.next;
         at != &coordinator->group_list.head; at = at->next) {
        const struct group *group = CONTAINER_OF(at, struct group, in_coordinator);
        const char *state =
            group->consumer != NULL ? consumer_group_state(group) : group_state_name(group->state);
        if (filters_take(update, event->list->types_filter, group_type(group)) &&
            filters_take(update, event->list->states_filter, state)) {
            items[answer->groups.count++] = (struct list_groups_response_group){
                .group_id = update_chain(update, group->id),
                .protocol_type = group->consumer != NULL
                                     ? CHAIN_TEXT("consumer")
                                     : text_or_empty(update, group->protocol_type),
                .group_state = update_chain(update, bytes_of(state)),
                .group_type = update_chain(update, bytes_of(group_type(group))),
            };
        }
    }
    answer->groups.items = items;
    update_reply(update, GROUP_LIST, &to, answer);
}

/* --- delete -------------------------------------------------------------------------------------
 */

void delete_step(struct group_coordinator *coordinator, const struct group_event *event,
                 struct group_update *update)
{
    const struct group_parked to = {true, event->token, event->version};
    struct group *group = group_find(coordinator, event->group_id);
    struct delete_groups_response_result *answer = arena_take(update->arena, sizeof(*answer));
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
