#include <stdlib.h>

#include "control/group/consumer.h"

/* What takes offsets away without being asked by a client: the end of their topic, and time. All
 * groups and their offsets are walked, a part in each step. What is committed between a topic's end
 * and the walk is of another topic of that name, and stays. */

/* --- deleted topics -----------------------------------------------------------------------------
 */

static struct group_deletion *deletion_find(const struct group_coordinator *coordinator,
                                            struct bytes topic)
{
    struct table_node *node =
        table_first(&coordinator->deletions, table_hash(topic, coordinator->seed));
    for (; node != NULL; node = table_next(node)) {
        struct group_deletion *deletion = CONTAINER_OF(node, struct group_deletion, node);
        if (bytes_equal(deletion->topic, topic)) {
            return deletion;
        }
    }
    return NULL;
}

static void deletion_note(struct group_coordinator *coordinator, struct bytes topic)
{
    struct group_deletion *deletion = deletion_find(coordinator, topic);
    if (deletion == NULL) {
        deletion = calloc(1, sizeof(*deletion));
        ASSERT(deletion != NULL);
        deletion->topic = text_copy(topic);
        list_push_back(&coordinator->deletion_list, &deletion->in_coordinator);
        table_add(&coordinator->deletions, &deletion->node, table_hash(topic, coordinator->seed));
    }
    deletion->order = coordinator->record_order;
    deletion->sweep = coordinator->sweep.number + 1; /* One under way may be past some of it. */
}

static void deletion_free(struct group_coordinator *coordinator, struct group_deletion *deletion)
{
    table_remove(&coordinator->deletions, &deletion->node);
    list_remove(&deletion->in_coordinator);
    text_free(&deletion->topic);
    free(deletion);
}

void deletions_free(struct group_coordinator *coordinator)
{
    LIST_FOR_EACH(node, &coordinator->deletion_list)
    {
        deletion_free(coordinator, CONTAINER_OF(node, struct group_deletion, in_coordinator));
    }
    table_free(&coordinator->deletions);
}

/* Of the last record of it that counts. */
static uint64_t offset_last_order(const struct group_offset *at)
{
    return at->committed
               ? at->value.order
               : CONTAINER_OF(at->open.head.prev, struct open_offset, in_offset)->value.order;
}

bool offset_is_gone(const struct group_coordinator *coordinator, const struct group_offset *at)
{
    if (coordinator->deletions.count == 0) {
        return false;
    }
    const struct group_deletion *deletion = deletion_find(coordinator, at->topic);
    return deletion != NULL && offset_last_order(at) <= deletion->order;
}

void txn_clear_step(struct group_coordinator *coordinator, const struct group_event *event,
                    struct group_update *update)
{
    const struct txn_offset_commit_request *request = event->txn_commit;
    const struct group *group = group_find(coordinator, update_text(update, request->group_id));
    struct txn_offset_commit_request_topic_array topics = request->topics;
    struct txn_offset_commit_request_topic topic;
    while (group != NULL && txn_offset_commit_request_topic_array_next(&topics, &topic)) {
        const struct bytes name = update_text(update, topic.name);
        struct txn_offset_commit_request_partition partition;
        while (txn_offset_commit_request_partition_array_next(&topic.partitions, &partition)) {
            struct group_offset *at =
                offset_find(coordinator, group, name, partition.partition_index);
            if (at != NULL && offset_is_gone(coordinator, at)) {
                record_offset_gone(update, at);
                offset_drop(coordinator, at);
            }
        }
    }
}

/* --- expiry -------------------------------------------------------------------------------------
 */

/* From when the retention counts; WALL_NONE: nothing of this group expires now. */
static int64_t expiry_base_ms(const struct group *group, const struct offset_value *value)
{
    if (group->protocol_type.ptr == NULL) { /* Consumer groups, too. */
        return value->commit_ms;
    }
    if (group->state == GROUP_EMPTY) {
        return group->state_since_ms == WALL_NONE ? value->commit_ms : group->state_since_ms;
    }
    const bool is_known =
        group->state == GROUP_STABLE && group_of_consumers(group) && group->topics_known;
    return is_known ? value->commit_ms : WALL_NONE;
}

/* -1: for ever. */
static int64_t retention_ms(const struct group_settings *settings, const struct group *group)
{
    const struct group_config *config = group_config_find(settings, group->id);
    return config == NULL || config->offset_retention_ms == 0 ? settings->offset_retention_ms
                                                              : config->offset_retention_ms;
}

static bool offset_is_expired(const struct group_coordinator *coordinator,
                              const struct group_offset *at, int64_t kept_ms)
{
    const struct group *group = at->group;
    if (!at->committed || !list_empty(&at->open) || group_wants_topic(group, at->topic)) {
        return false;
    }
    const int64_t base_ms = expiry_base_ms(group, &at->value);
    if (base_ms == WALL_NONE) {
        return false;
    }
    return at->value.expire_ms != WALL_NONE ? coordinator->wall_ms >= at->value.expire_ms
                                            : coordinator->wall_ms - base_ms >= kept_ms;
}

/* --- the walk -----------------------------------------------------------------------------------
 */

static void offset_sweep(struct group_coordinator *coordinator, struct group_offset *at,
                         struct group_update *update)
{
    const int64_t kept_ms = retention_ms(coordinator->settings, at->group);
    const bool is_gone = offset_is_gone(coordinator, at);
    if (is_gone || (coordinator->sweep.expires && kept_ms >= 0 &&
                    offset_is_expired(coordinator, at, kept_ms))) {
        coordinator->expirations += !is_gone;
        record_offset_gone(update, at);
        offset_drop(coordinator, at);
    }
}

/* Behind its offsets. */
static void group_sweep(struct group_coordinator *coordinator, struct group *group,
                        struct group_update *update)
{
    if (coordinator->sweep.expires && retention_ms(coordinator->settings, group) >= 0 &&
        group_is_empty(group) && list_empty(&group->offsets)) {
        record_group_gone(update, group);
        group_remove(coordinator, group);
    } else {
        look_past_group(coordinator, group, &coordinator->sweep.at);
    }
}

static void sweep_begin(struct group_coordinator *coordinator)
{
    coordinator->sweep.on = true;
    coordinator->sweep.number++;
    coordinator->sweep.expires = coordinator->sweep.expiry_due;
    coordinator->sweep.expiry_due = false;
    look_at_first(coordinator, &coordinator->sweep.at);
}

static void sweep_end(struct group_coordinator *coordinator)
{
    coordinator->sweep.on = false;
    LIST_FOR_EACH(node, &coordinator->deletion_list)
    {
        struct group_deletion *deletion = CONTAINER_OF(node, struct group_deletion, in_coordinator);
        if (deletion->sweep <= coordinator->sweep.number) {
            deletion_free(coordinator, deletion);
        }
    }
}

bool group_coordinator_sweeps(const struct group_coordinator *coordinator)
{
    return coordinator->sweep.on || coordinator->sweep.expiry_due ||
           coordinator->deletions.count > 0;
}

void sweep_step(struct group_coordinator *coordinator, const struct group_event *event,
                struct group_update *update)
{
    struct group_place *place = &coordinator->sweep.at;
    if (!group_coordinator_sweeps(coordinator)) {
        return;
    }
    if (!coordinator->sweep.on) {
        sweep_begin(coordinator);
    }
    while (place->group != NULL) {
        struct group_offset *at = place->offset;
        if (!place->inside) {
            look_inside(place);
        } else if (at == NULL) {
            group_sweep(coordinator, place->group, update);
        } else {
            place->offset = offset_behind(at->group, &at->in_group);
            offset_sweep(coordinator, at, update);
        }
        if (!update_walked(update, event, 1)) {
            return;
        }
    }
    sweep_end(coordinator);
}

void topic_deleted_step(struct group_coordinator *coordinator, const struct group_event *event,
                        struct group_update *update)
{
    if (coordinator->offsets.count > 0) {
        deletion_note(coordinator, event->topic);
        sweep_step(coordinator, event, update);
    }
}

void expire_step(struct group_coordinator *coordinator, const struct group_event *event,
                 struct group_update *update)
{
    coordinator->sweep.expiry_due = true;
    sweep_step(coordinator, event, update);
}
