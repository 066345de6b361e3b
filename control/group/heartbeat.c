#include "control/group/migrate.h"
#include "control/group/regex.h"

/* As in Kafka when its log takes no record of that size. */
#define TOO_MANY_PARTITIONS CHAIN_TEXT("A member would have too many partitions for a record.")

enum { VERSION_WITH_OWN_ID = 1 }; /* ConsumerGroupHeartbeat: members make their ids, KIP-1082. */

/* A heartbeat on its way through. Nothing is changed before all of it was found good. */
struct beat {
    struct group_coordinator *coordinator;
    const struct group_event *event;
    const struct consumer_group_heartbeat_request *request;
    struct group_update *update;
    struct bytes group_id;
    struct bytes member_id;
    struct bytes instance_id; /* ptr NULL: none. */
    struct bytes regex;       /* ptr NULL: unchanged. */
    bool joins;
    bool tells_owned;
    struct partition_set owned;
    struct group *group;            /* NULL: it is to be made. */
    struct consumer_member *member; /* NULL: it is new. */
    bool replaces;                  /* The member is a static one that left under another id. */
    bool upgrades;                  /* The group has members of the classic protocol only. */
    struct group_upgrade upgrade;
    int16_t error;
    struct chain message;
};

static struct group_parked parked_of(const struct group_event *event)
{
    return (struct group_parked){true, event->token, event->version};
}

static bool refuse(struct beat *beat, int16_t error, struct chain message)
{
    beat->error = error;
    beat->message = message;
    return false;
}

/* --- what a request may say ---------------------------------------------------------------------
 * GroupCoordinatorService.throwIfConsumerGroupHeartbeatRequestIsInvalid
 */

/* A text that is there and says nothing. */
static bool is_blank(struct group_update *update, struct chain chain)
{
    const struct bytes text = update_text(update, chain);
    bool blank = text.ptr != NULL;
    for (uint32_t i = 0; blank && i < text.len; i++) {
        blank = text.ptr[i] <= ' ';
    }
    return blank;
}

static bool join_is_valid(struct beat *beat)
{
    const struct consumer_group_heartbeat_request *request = beat->request;
    if (request->rebalance_timeout_ms == -1) {
        return refuse(beat, ERROR_INVALID_REQUEST,
                      CHAIN_TEXT("A first heartbeat must have a rebalance timeout."));
    }
    if (request->topic_partitions.count != 0) {
        return refuse(beat, ERROR_INVALID_REQUEST,
                      CHAIN_TEXT("Who joins has no partitions and must say so."));
    }
    if (request->subscribed_topic_names.count < 0 &&
        chain_is_null(request->subscribed_topic_regex)) {
        return refuse(beat, ERROR_INVALID_REQUEST,
                      CHAIN_TEXT("Who joins must name topics or a regular expression."));
    }
    return true;
}

static bool assignor_is_valid(struct beat *beat)
{
    enum group_assignor assignor;
    const struct bytes name = update_text(beat->update, beat->request->server_assignor);
    if (name.ptr == NULL || consumer_assignor_parse(beat->coordinator->settings, name, &assignor)) {
        return true;
    }
    return refuse(beat, ERROR_UNSUPPORTED_ASSIGNOR,
                  arena_text(beat->update->arena, "There is no assignor %.*s.",
                             (int)min_u32(name.len, 250), (const char *)name.ptr));
}

static bool request_is_valid(struct beat *beat)
{
    const struct consumer_group_heartbeat_request *request = beat->request;
    const int32_t epoch = request->member_epoch;
    if ((beat->event->version >= VERSION_WITH_OWN_ID || epoch > 0 || epoch == EPOCH_LEAVE) &&
        is_blank(beat->update, request->member_id)) {
        return refuse(beat, ERROR_INVALID_REQUEST, CHAIN_TEXT("The member id is empty."));
    }
    if (is_blank(beat->update, request->group_id)) {
        return refuse(beat, ERROR_INVALID_REQUEST, CHAIN_TEXT("The group id is empty."));
    }
    if (is_blank(beat->update, request->instance_id)) {
        return refuse(beat, ERROR_INVALID_REQUEST, CHAIN_TEXT("The instance id is empty."));
    }
    if (is_blank(beat->update, request->rack_id)) {
        return refuse(beat, ERROR_INVALID_REQUEST, CHAIN_TEXT("The rack id is empty."));
    }
    if (epoch == EPOCH_LEAVE_STATIC && chain_is_null(request->instance_id)) {
        return refuse(beat, ERROR_INVALID_REQUEST,
                      CHAIN_TEXT("Only a member with an instance id leaves to come back."));
    }
    if (epoch < EPOCH_LEAVE_STATIC) {
        return refuse(beat, ERROR_INVALID_REQUEST, CHAIN_TEXT("There is no such member epoch."));
    }
    return (epoch != EPOCH_JOIN || join_is_valid(beat)) && assignor_is_valid(beat);
}

/* --- who it is ----------------------------------------------------------------------------------
 */

static bool group_is_not(struct beat *beat, const char *why)
{
    return refuse(beat, ERROR_GROUP_ID_NOT_FOUND,
                  arena_text(beat->update->arena, "Group %.*s %s.",
                             (int)min_u32(beat->group_id.len, 250),
                             (const char *)beat->group_id.ptr, why));
}

static bool has_room(struct beat *beat, uint32_t members, bool is_member)
{
    const uint32_t most =
        min_u32(beat->coordinator->settings->consumer_members_max, GROUP_MEMBERS_MAX);
    return is_member || members < most ||
           refuse(beat, ERROR_GROUP_MAX_SIZE_REACHED,
                  arena_text(beat->update->arena, "The group has %u members already.", most));
}

/* One without members changes its protocol like nothing, one with members is upgraded. */
static bool classic_group_take(struct beat *beat)
{
    struct group *group = beat->group;
    if (!beat->joins) {
        return group_is_not(beat, "is not a consumer group");
    }
    if (group->state == GROUP_EMPTY) {
        return true;
    }
    const int16_t error =
        group_upgrade_check(beat->coordinator, group, beat->update, &beat->upgrade);
    if (error != ERROR_NONE) {
        (void)group_is_not(beat, beat->upgrade.refused);
        beat->error = error;
        return false;
    }
    const struct group_member *member = member_find(beat->coordinator, group, beat->member_id);
    beat->upgrades = true;
    return has_room(beat, group->member_count, member != NULL && !member->pending);
}

static bool group_take(struct beat *beat)
{
    beat->group = group_find(beat->coordinator, beat->group_id);
    if (beat->group == NULL) {
        return beat->joins || group_is_not(beat, "not found");
    }
    if (beat->group->consumer == NULL) {
        return classic_group_take(beat);
    }
    return beat->request->member_epoch < 0 ||
           has_room(beat, beat->group->consumer->member_count,
                    consumer_member_find(beat->coordinator, beat->group, beat->member_id) != NULL);
}

static bool member_is_unknown(struct beat *beat)
{
    return refuse(beat, ERROR_UNKNOWN_MEMBER_ID,
                  arena_text(beat->update->arena, "The group has no member %.*s.",
                             (int)min_u32(beat->member_id.len, 250),
                             (const char *)beat->member_id.ptr));
}

/* A lower epoch is that of an answer that was lost, when it is the last one. */
static bool epoch_is_valid(struct beat *beat)
{
    const int32_t epoch = beat->request->member_epoch;
    const struct consumer_member *member = beat->member;
    if (epoch == EPOCH_JOIN || epoch == member->epoch ||
        (epoch < member->epoch && epoch == member->previous_epoch && beat->tells_owned &&
         partition_set_within(beat->owned, member->assigned))) {
        return true;
    }
    return refuse(beat, ERROR_FENCED_MEMBER_EPOCH,
                  arena_text(beat->update->arena,
                             "The member's epoch is %d, not %d: it must give up its partitions "
                             "and join again.",
                             member->epoch, epoch));
}

static bool instance_is_fenced(struct beat *beat, int16_t error)
{
    return refuse(beat, error,
                  arena_text(beat->update->arena, "The instance id belongs to member %.*s.",
                             (int)min_u32(beat->member->id.len, 250),
                             (const char *)beat->member->id.ptr));
}

/* In a group that will be upgraded. */
static bool upgraded_take(struct beat *beat)
{
    if (beat->instance_id.ptr == NULL) {
        return true;
    }
    const struct group_member *owner =
        member_by_instance(beat->coordinator, beat->group, beat->instance_id);
    const struct group_member *same = member_find(beat->coordinator, beat->group, beat->member_id);
    if (owner != NULL && same != NULL && !same->pending && same != owner) {
        return refuse(beat, ERROR_UNRELEASED_INSTANCE_ID,
                      CHAIN_TEXT("The instance id belongs to another member."));
    }
    beat->replaces = owner != NULL;
    return true;
}

static bool static_join(struct beat *beat)
{
    struct consumer_member *same =
        beat->group == NULL || beat->group->consumer == NULL
            ? NULL
            : consumer_member_find(beat->coordinator, beat->group, beat->member_id);
    if (beat->member == NULL) {
        beat->member = same;
        return true;
    }
    /* A classic one that is gone has said nothing. */
    if ((beat->member->classic == NULL && beat->member->epoch != EPOCH_LEAVE_STATIC) ||
        (same != NULL && same != beat->member)) {
        return instance_is_fenced(beat, ERROR_UNRELEASED_INSTANCE_ID);
    }
    beat->replaces = true;
    return true;
}

static bool member_take(struct beat *beat)
{
    if (beat->upgrades) {
        return upgraded_take(beat);
    }
    const bool has_group = beat->group != NULL && beat->group->consumer != NULL;
    if (beat->instance_id.ptr == NULL) {
        beat->member = has_group
                           ? consumer_member_find(beat->coordinator, beat->group, beat->member_id)
                           : NULL;
        if (beat->member == NULL) {
            return beat->joins || member_is_unknown(beat);
        }
        return beat->request->member_epoch < 0 || epoch_is_valid(beat);
    }
    beat->member =
        has_group ? consumer_member_by_instance(beat->coordinator, beat->group, beat->instance_id)
                  : NULL;
    if (beat->joins) {
        return static_join(beat);
    }
    if (beat->member == NULL) {
        return member_is_unknown(beat);
    }
    if (!bytes_equal(beat->member->id, beat->member_id)) {
        return instance_is_fenced(beat, ERROR_FENCED_INSTANCE_ID);
    }
    return beat->request->member_epoch < 0 || epoch_is_valid(beat);
}

static bool regex_is_valid(struct beat *beat)
{
    const bool has_group = beat->group != NULL && beat->group->consumer != NULL;
    const struct consumer_regex *known =
        has_group && beat->regex.len > 0 ? consumer_regex_find(beat->group, beat->regex) : NULL;
    if (beat->regex.len == 0 || (known != NULL && known->members > 0)) {
        return true;
    }
    struct regex_error error;
    struct regex *compiled = regex_new((const char *)beat->regex.ptr, beat->regex.len, &error);
    regex_free(compiled);
    if (compiled != NULL) {
        return true;
    }
    return refuse(beat, ERROR_INVALID_REGULAR_EXPRESSION,
                  arena_text(beat->update->arena,
                             "SubscribedTopicRegex `%.*s` is not a valid regular expression: %s at "
                             "byte %u.",
                             (int)min_u32(beat->regex.len, 500), (const char *)beat->regex.ptr,
                             error.what, error.at));
}

static uint32_t longest(struct chain told, struct bytes known)
{
    return chain_is_null(told) ? known.len : (uint32_t)told.len;
}

/* Whether what is to be written of the member fits into one record. */
static bool member_fits(struct beat *beat)
{
    enum { NAME_BYTES = 5, MEMBER_BYTES = 64 }; /* Beside their texts. */
    const struct consumer_group_heartbeat_request *request = beat->request;
    const struct consumer_member none = {0};
    const struct consumer_member *known = beat->member == NULL ? &none : beat->member;
    const struct bytes regex = known->regex == NULL ? bytes_of_string("") : known->regex->text;
    uint64_t bytes = (uint64_t)MEMBER_BYTES + beat->group_id.len + beat->member_id.len +
                     beat->event->client_id.len + beat->event->client_host.len +
                     longest(request->instance_id, known->instance_id) +
                     longest(request->rack_id, known->rack_id) +
                     longest(request->server_assignor, known->assignor) +
                     longest(request->subscribed_topic_regex, regex);
    struct string_array names = request->subscribed_topic_names;
    struct chain name;
    for (uint32_t i = 0; names.count < 0 && i < known->topics.count; i++) {
        bytes += (uint64_t)NAME_BYTES + known->topics.items[i].len;
    }
    while (string_array_next(&names, &name)) {
        bytes += (uint64_t)NAME_BYTES + name.len;
    }
    return bytes <= GROUP_RECORD_BYTES_MAX ||
           refuse(beat, ERROR_UNKNOWN_SERVER_ERROR,
                  CHAIN_TEXT("What the member says is too long for a record."));
}

static const struct consumer_member *member_of_upgrade(const struct beat *beat,
                                                       const struct group *upgraded)
{
    const struct list *members = &upgraded->consumer->members;
    for (struct list_node *at = members->head.next; at != &members->head; at = at->next) {
        const struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        if (beat->replaces ? member->instance_id.ptr != NULL &&
                                 bytes_equal(member->instance_id, beat->instance_id)
                           : bytes_equal(member->id, beat->member_id)) {
            return member;
        }
    }
    return NULL;
}

/* Whether what everybody is to have with it fits into records. */
static bool wish_fits(struct beat *beat)
{
    struct arena *arena = beat->update->arena;
    const struct consumer_group_heartbeat_request *request = beat->request;
    const bool names = request->subscribed_topic_names.count >= 0;
    const struct bytes assignor = update_text(beat->update, request->server_assignor);
    const struct consumer_member none = {0};
    const struct group *group = beat->group;
    const struct consumer_member *member = beat->member;
    if (consumer_targets_always_fit(beat->coordinator) ||
        (!beat->joins && !names && beat->regex.ptr == NULL)) {
        return true;
    }
    if (beat->upgrades) {
        group = group_upgrade_picture(arena, &beat->upgrade);
        member = member_of_upgrade(beat, group);
    } else if (group != NULL && group->consumer == NULL) {
        group = NULL;
    }
    const struct consumer_member *known = member == NULL ? &none : member;
    const struct bytes regex = known->regex == NULL ? bytes_of_string("") : known->regex->text;
    const struct consumer_wish wish = {
        .member = member,
        .id = beat->member_id,
        .instance_id = beat->instance_id.ptr == NULL ? known->instance_id : beat->instance_id,
        .topics = names ? text_list_read(arena, request->subscribed_topic_names) : known->topics,
        .regex = beat->regex.ptr == NULL ? regex : beat->regex,
        .assignor = assignor.ptr == NULL ? known->assignor : assignor,
    };
    return consumer_wish_fits(beat->coordinator, arena, group, &wish) ||
           refuse(beat, ERROR_UNKNOWN_SERVER_ERROR, TOO_MANY_PARTITIONS);
}

/* --- timers -------------------------------------------------------------------------------------
 */

static int32_t session_timeout_ms(const struct group_settings *settings, struct bytes group_id)
{
    const struct group_config *config = group_config_find(settings, group_id);
    return config == NULL || config->session_timeout_ms == 0 ? settings->consumer_session_timeout_ms
                                                             : config->session_timeout_ms;
}

static int32_t heartbeat_interval_ms(const struct group_settings *settings, struct bytes group_id)
{
    const struct group_config *config = group_config_find(settings, group_id);
    return config == NULL || config->heartbeat_interval_ms == 0
               ? settings->consumer_heartbeat_interval_ms
               : config->heartbeat_interval_ms;
}

void consumer_member_heard(struct group_coordinator *coordinator, struct consumer_member *member)
{
    const int32_t wait_ms = member->classic != NULL
                                ? member->classic->session_timeout_ms
                                : session_timeout_ms(coordinator->settings, member->group->id);
    group_timer_set(coordinator, &member->session,
                    coordinator->now_ms + (uint64_t)max_i64(wait_ms, 0));
}

void consumer_revocation_start(struct group_coordinator *coordinator,
                               struct consumer_member *member)
{
    member->revocation_epoch = member->epoch;
    group_timer_set(coordinator, &member->revocation,
                    coordinator->now_ms + (uint64_t)max_i64(member->rebalance_timeout_ms, 0));
}

void consumer_revocation_timeout(struct group_coordinator *coordinator,
                                 struct consumer_member *member, struct group_update *update)
{
    if (member->epoch == member->revocation_epoch) {
        consumer_member_fence(coordinator, member, update);
    }
}

void consumer_group_resume(struct group_coordinator *coordinator, struct group *group)
{
    struct consumer_group *consumer = group->consumer;
    struct list_node *at = consumer->members.head.next;
    while (at != &consumer->members.head) {
        struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        at = at->next;
        if (!member->is_written) { /* Only a target was left of it. */
            consumer_member_remove(coordinator, member);
            continue;
        }
        consumer->epoch = (int32_t)max_i64(consumer->epoch, member->epoch);
        consumer_member_heard(coordinator, member);
        if (member->classic != NULL) {
            mixed_waits_resume(coordinator, member);
        } else if (member->state == MEMBER_UNREVOKED && member->epoch != EPOCH_LEAVE_STATIC) {
            consumer_revocation_start(coordinator, member);
        }
    }
    consumer->epoch = (int32_t)max_i64(consumer->epoch, consumer->target_epoch);
}

/* --- out of the group ---------------------------------------------------------------------------
 */

/* It will be back within its session, and then has what it has now. */
static void static_leave(struct beat *beat)
{
    struct consumer_member *member = beat->member;
    const struct partition_set none = {0};
    member->epoch = EPOCH_LEAVE_STATIC;
    consumer_member_assign(beat->coordinator, member, member->assigned, none);
    group_timer_clear(beat->coordinator, &member->revocation);
    record_consumer_current(beat->update, member);
}

static void leave(struct beat *beat, struct consumer_group_heartbeat_response *answer)
{
    answer->member_id = update_chain(beat->update, beat->member_id);
    answer->member_epoch = beat->request->member_epoch;
    if (beat->request->member_epoch == EPOCH_LEAVE_STATIC) {
        static_leave(beat);
    } else {
        consumer_member_fence(beat->coordinator, beat->member, beat->update);
    }
}

/* --- in the group -------------------------------------------------------------------------------
 */

static void group_begin(struct beat *beat)
{
    if (beat->group == NULL) {
        beat->group = group_add(beat->coordinator, beat->group_id);
        consumer_group_make(beat->group);
    } else if (beat->upgrades) {
        group_upgrade(beat->coordinator, beat->group, &beat->upgrade, beat->update);
        beat->member =
            beat->replaces
                ? consumer_member_by_instance(beat->coordinator, beat->group, beat->instance_id)
                : consumer_member_find(beat->coordinator, beat->group, beat->member_id);
    } else if (beat->group->consumer == NULL) {
        record_group_gone(beat->update, beat->group);
        group_become_consumer(beat->coordinator, beat->group);
    }
}

static void member_begin(struct beat *beat)
{
    if (beat->member == NULL) {
        beat->member = consumer_member_new(beat->coordinator, beat->group, beat->member_id);
    } else if (beat->replaces) {
        consumer_member_replace(beat->coordinator, beat->member, beat->member_id, beat->update);
    }
}

/* NULL: not told, which leaves it as it is. */
static bool text_update_if(struct bytes *text, struct bytes to)
{
    return to.ptr != NULL && consumer_text_update(text, to);
}

static bool names_update(struct beat *beat)
{
    if (beat->request->subscribed_topic_names.count < 0) {
        return false;
    }
    const struct text_list names =
        text_list_read(beat->update->arena, beat->request->subscribed_topic_names);
    if (text_list_equal(names, beat->member->topics)) {
        return false;
    }
    text_list_keep(&beat->member->topics, names);
    return true;
}

static bool regex_update(struct beat *beat)
{
    struct consumer_member *member = beat->member;
    const struct bytes before = member->regex == NULL ? bytes_of_string("") : member->regex->text;
    if (beat->regex.ptr == NULL || bytes_equal(before, beat->regex)) {
        return false;
    }
    consumer_member_regex_set(member, beat->regex);
    return true;
}

static bool others_update(struct beat *beat)
{
    struct consumer_member *member = beat->member;
    const struct consumer_group_heartbeat_request *request = beat->request;
    const struct bytes none = bytes_of_string("");
    const struct bytes client_id = beat->event->client_id;
    const struct bytes client_host = beat->event->client_host;
    bool changed = !member->is_written || member->classic != NULL;
    consumer_member_classic_end(beat->coordinator, member);
    if (beat->instance_id.ptr != NULL && !bytes_equal(beat->instance_id, member->instance_id)) {
        consumer_member_instance_set(beat->coordinator, member, beat->instance_id);
        changed = true;
    }
    changed |= text_update_if(&member->rack_id, update_text(beat->update, request->rack_id));
    changed |=
        text_update_if(&member->assignor, update_text(beat->update, request->server_assignor));
    changed |= consumer_text_update(&member->client_id, client_id.ptr == NULL ? none : client_id);
    changed |=
        consumer_text_update(&member->client_host, client_host.ptr == NULL ? none : client_host);
    if (request->rebalance_timeout_ms != -1 &&
        request->rebalance_timeout_ms != member->rebalance_timeout_ms) {
        member->rebalance_timeout_ms = request->rebalance_timeout_ms;
        changed = true;
    }
    return changed;
}

/* What the member says of itself. True: it wants other topics than before; *bump: the group is to
 * have a new epoch for it. */
static bool member_update(struct beat *beat, bool *bump)
{
    struct consumer_member *member = beat->member;
    struct consumer_regex *regex = member->regex;
    const bool others = others_update(beat);
    const bool names = names_update(beat);
    const bool regex_changed = regex_update(beat);
    if (others || names || regex_changed) {
        member->is_written = true;
        record_consumer_member(beat->update, member);
    }
    if (regex_changed) {
        consumer_regex_release(beat->group, regex, beat->update);
    }
    /* One that is not resolved yet counts when it is, just below. */
    *bump = names || (regex_changed && (member->regex == NULL || member->regex->resolved));
    return names || regex_changed;
}

static void assignment_tell(struct beat *beat, struct consumer_group_heartbeat_response *answer)
{
    int32_t count;
    const struct partition_row *rows =
        partition_set_rows(beat->update->arena, beat->member->assigned, &count);
    struct consumer_group_heartbeat_response_topic *items =
        ARENA_ARRAY(beat->update->arena, struct consumer_group_heartbeat_response_topic, count);
    for (int32_t i = 0; i < count; i++) {
        items[i] =
            (struct consumer_group_heartbeat_response_topic){rows[i].topic, rows[i].partitions};
    }
    answer->has_assignment = true;
    answer->assignment.topic_partitions =
        (struct consumer_group_heartbeat_response_topic_array){.items = items, .count = count};
}

/* All that can be told was told: who asks so wants to hear everything, too. */
static bool is_full(const struct beat *beat)
{
    const struct consumer_group_heartbeat_request *request = beat->request;
    return request->rebalance_timeout_ms != -1 && beat->tells_owned &&
           (request->subscribed_topic_names.count >= 0 ||
            !chain_is_null(request->subscribed_topic_regex));
}

static void stay(struct beat *beat, struct consumer_group_heartbeat_response *answer)
{
    struct group_coordinator *coordinator = beat->coordinator;
    group_begin(beat);
    member_begin(beat);
    bool bump;
    const bool subscription_changed = member_update(beat, &bump);
    bump |= consumer_regexes_refresh(coordinator, beat->group, beat->update);
    consumer_epoch_update(coordinator, beat->group, bump || beat->group->consumer->epoch == 0,
                          beat->update);
    const enum consumer_reconciled reconciled =
        consumer_target_update(coordinator, beat->group, beat->update)
            ? consumer_member_reconcile(coordinator, beat->member, subscription_changed,
                                        beat->tells_owned ? &beat->owned : NULL, beat->update)
            : CONSUMER_TOO_LARGE;
    consumer_member_heard(coordinator, beat->member);
    if (reconciled == CONSUMER_TOO_LARGE) { /* There are more topics now, or it has to give up. */
        answer->error_code = ERROR_UNKNOWN_SERVER_ERROR;
        answer->error_message = TOO_MANY_PARTITIONS;
        return;
    }
    answer->member_id = update_chain(beat->update, beat->member->id);
    answer->member_epoch = beat->member->epoch;
    answer->heartbeat_interval_ms = heartbeat_interval_ms(coordinator->settings, beat->group->id);
    if (beat->joins || reconciled == CONSUMER_CHANGED || is_full(beat)) {
        assignment_tell(beat, answer);
    }
}

/* --- the step -----------------------------------------------------------------------------------
 */

static void owned_read(struct beat *beat)
{
    struct consumer_group_heartbeat_request_topic_array rows = beat->request->topic_partitions;
    struct consumer_group_heartbeat_request_topic row;
    uint32_t total = 0;
    while (consumer_group_heartbeat_request_topic_array_next(&rows, &row)) {
        total += (uint32_t)max_i64(row.partitions.count, 0);
    }
    beat->tells_owned = beat->request->topic_partitions.count >= 0;
    beat->owned.items = ARENA_ARRAY(beat->update->arena, struct topic_partition, total);
    rows = beat->request->topic_partitions;
    while (consumer_group_heartbeat_request_topic_array_next(&rows, &row)) {
        int32_t partition;
        while (i32_array_next(&row.partitions, &partition)) {
            beat->owned.items[beat->owned.count++] =
                (struct topic_partition){row.topic_id, partition};
        }
    }
    partition_set_sort(&beat->owned);
}

/* As Kafka prints an id: base64 without what a URL would have to escape. */
struct bytes consumer_random_id(struct arena *arena, struct uuid random)
{
    char *text = arena_take(arena, UUID_TEXT_CHARS + 1);
    random.bytes[0] &= 0x7f; /* A dash in front would look like an option. */
    uuid_format(random, text);
    return bytes_of_string(text);
}

static void beat_read(struct beat *beat)
{
    const struct consumer_group_heartbeat_request *request = beat->request;
    beat->joins = request->member_epoch == EPOCH_JOIN;
    beat->group_id = update_text(beat->update, request->group_id);
    beat->member_id = update_text(beat->update, request->member_id);
    if (beat->joins && beat->member_id.len == 0) {
        beat->member_id = consumer_random_id(beat->update->arena, beat->event->random);
    }
    beat->instance_id = update_text(beat->update, request->instance_id);
    beat->regex = update_text(beat->update, request->subscribed_topic_regex);
    owned_read(beat);
}

void consumer_heartbeat_step(struct group_coordinator *coordinator, const struct group_event *event,
                             struct group_update *update)
{
    const struct group_parked to = parked_of(event);
    struct beat beat = {.coordinator = coordinator,
                        .event = event,
                        .request = event->consumer_heartbeat,
                        .update = update};
    struct consumer_group_heartbeat_response *answer = arena_take(update->arena, sizeof(*answer));
    *answer = consumer_group_heartbeat_response_default;
    const bool valid = request_is_valid(&beat);
    if (valid) {
        beat_read(&beat);
    }
    const bool leaves = beat.request->member_epoch < 0;
    if (!valid || !group_take(&beat) || !member_take(&beat) ||
        (!leaves && !(member_fits(&beat) && regex_is_valid(&beat) && wish_fits(&beat)))) {
        answer->error_code = beat.error;
        answer->error_message = beat.message;
    } else if (leaves) {
        leave(&beat, answer);
    } else {
        stay(&beat, answer);
    }
    update_reply(update, GROUP_CONSUMER_HEARTBEAT, &to, answer);
}

int16_t consumer_epoch_check(const struct group_coordinator *coordinator, const struct group *group,
                             struct bytes member_id, int32_t epoch, bool *is_classic)
{
    const struct consumer_member *member = consumer_member_find(coordinator, group, member_id);
    *is_classic = member != NULL && member->classic != NULL;
    if (member == NULL) {
        return ERROR_UNKNOWN_MEMBER_ID;
    }
    if (member->epoch == epoch) {
        return ERROR_NONE;
    }
    return *is_classic ? ERROR_ILLEGAL_GENERATION : ERROR_STALE_MEMBER_EPOCH;
}
