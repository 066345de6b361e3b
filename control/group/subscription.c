#include <stdlib.h>

#include <xxhash.h>

#include "control/group/consumer.h"
#include "control/group/regex.h"

/* --- topics by name and id ----------------------------------------------------------------------
 */

const struct group_topic *topic_by_name(const struct group_topics *topics, struct bytes name)
{
    uint32_t low = 0;
    uint32_t high = topics == NULL ? 0 : topics->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = text_order(topics->items[middle].name, name);
        if (order == 0) {
            return &topics->items[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct group_topic *topic_by_id(const struct group_topics *topics, struct uuid id)
{
    uint32_t low = 0;
    uint32_t high = topics == NULL ? 0 : topics->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct group_topic *topic = &topics->items[topics->by_id[middle]];
        const int order = memcmp(&topic->id, &id, sizeof(id));
        if (order == 0) {
            return topic;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static int by_id(const void *a, const void *b)
{
    const struct group_topic *one = *(const struct group_topic *const *)a;
    const struct group_topic *two = *(const struct group_topic *const *)b;
    return memcmp(&one->id, &two->id, sizeof(one->id));
}

/* Sorts and takes out what is there twice. */
static struct topic_list list_finish(struct topic_list list)
{
    if (list.count < 2) {
        return list;
    }
    qsort(list.items, list.count, sizeof(list.items[0]), by_id);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < list.count; i++) {
        if (list.items[i] != list.items[kept - 1]) {
            list.items[kept++] = list.items[i];
        }
    }
    list.count = kept;
    return list;
}

static void list_add(const struct group_coordinator *coordinator, struct topic_list *list,
                     struct text_list names)
{
    for (uint32_t i = 0; i < names.count; i++) {
        const struct group_topic *topic = topic_by_name(coordinator->all_topics, names.items[i]);
        if (topic != NULL) {
            list->items[list->count++] = topic;
        }
    }
}

static struct text_list regex_topics(const struct consumer_regex *regex)
{
    return regex != NULL && regex->resolved ? regex->topics : (struct text_list){0};
}

struct topic_list consumer_member_topics(const struct group_coordinator *coordinator,
                                         struct arena *arena, const struct consumer_member *member)
{
    const struct text_list matched = regex_topics(member->regex);
    struct topic_list list = {
        ARENA_ARRAY(arena, const struct group_topic *, member->topics.count + matched.count), 0};
    list_add(coordinator, &list, member->topics);
    list_add(coordinator, &list, matched);
    return list_finish(list);
}

/* The next member whose names are not those of the one before: most want the same. */
static const struct consumer_member *next_other(const struct consumer_group *consumer,
                                                const struct consumer_member *before)
{
    struct list_node *at = before == NULL ? consumer->members.head.next : before->in_group.next;
    for (; at != &consumer->members.head; at = at->next) {
        const struct consumer_member *member = CONTAINER_OF(at, struct consumer_member, in_group);
        if (before == NULL || !text_list_equal(before->topics, member->topics)) {
            return member;
        }
        before = member;
    }
    return NULL;
}

struct topic_list consumer_group_topics(const struct group_coordinator *coordinator,
                                        struct arena *arena, const struct group *group)
{
    const struct consumer_group *consumer = group->consumer;
    uint32_t most = 0;
    const struct consumer_member *member = NULL;
    while ((member = next_other(consumer, member)) != NULL) {
        most += member->topics.count;
    }
    for (struct list_node *at = consumer->regexes.head.next; at != &consumer->regexes.head;
         at = at->next) {
        most += regex_topics(CONTAINER_OF(at, struct consumer_regex, in_group)).count;
    }
    struct topic_list list = {ARENA_ARRAY(arena, const struct group_topic *, most), 0};
    while ((member = next_other(consumer, member)) != NULL) {
        list_add(coordinator, &list, member->topics);
    }
    for (struct list_node *at = consumer->regexes.head.next; at != &consumer->regexes.head;
         at = at->next) {
        const struct consumer_regex *regex = CONTAINER_OF(at, struct consumer_regex, in_group);
        if (regex->members > 0) {
            list_add(coordinator, &list, regex_topics(regex));
        }
    }
    return list_finish(list);
}

bool topic_list_has(struct topic_list list, struct uuid id)
{
    const struct group_topic wanted = {.id = id};
    const struct group_topic *at = &wanted;
    return list.count > 0 &&
           bsearch(&at, list.items, list.count, sizeof(list.items[0]), by_id) != NULL;
}

bool consumer_group_wants(const struct group *group, struct bytes topic)
{
    const struct consumer_group *consumer = group->consumer;
    const struct consumer_member *member = NULL;
    while ((member = next_other(consumer, member)) != NULL) {
        if (text_list_has(member->topics, topic)) {
            return true;
        }
    }
    for (struct list_node *at = consumer->regexes.head.next; at != &consumer->regexes.head;
         at = at->next) {
        const struct consumer_regex *regex = CONTAINER_OF(at, struct consumer_regex, in_group);
        if (regex->members > 0 && text_list_has(regex_topics(regex), topic)) {
            return true;
        }
    }
    return false;
}

/* --- the hash of what is known of the topics ----------------------------------------------------
 * As Kafka computes it (Utils.java: computeTopicHash, computeGroupHash), for a group may be read by
 * either: XXH3 of numbers in little endian and of texts in UTF-16, each with its length behind it.
 */

struct hashed {
    uint8_t *to;
    size_t used;
};

static void hash_put(struct hashed *hashed, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        hashed->to[hashed->used++] = (uint8_t)(value >> (8 * i));
    }
}

/* The chars of a Java string. */
static uint32_t hash_put_text(struct hashed *hashed, struct bytes text)
{
    uint32_t chars = 0;
    for (uint32_t i = 0; i < text.len;) {
        const uint8_t lead = text.ptr[i];
        const uint32_t more = lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        uint32_t point = more == 0 ? lead : lead & (0x3fu >> more);
        for (uint32_t k = 1; k <= more && i + k < text.len; k++) {
            point = point << 6 | (text.ptr[i + k] & 0x3fu);
        }
        if (point > 0xffff) {
            hash_put(hashed, 0xd800 + ((point - 0x10000) >> 10), 2);
            point = 0xdc00 + (point & 0x3ff);
            chars++;
        }
        hash_put(hashed, point, 2);
        chars++;
        i += 1 + more;
    }
    hash_put(hashed, chars, 4);
    return chars;
}

static uint32_t text_chars_of(struct bytes text)
{
    uint32_t chars = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        chars += (text.ptr[i] & 0xc0) != 0x80;
        chars += text.ptr[i] >= 0xf0;
    }
    return chars;
}

static uint64_t topic_hash(struct arena *arena, const struct group_topic *topic, struct bytes rack)
{
    const size_t partitions = (size_t)topic->partition_count;
    const size_t rack_bytes = rack.ptr == NULL ? 0 : 8 + (size_t)rack.len * 4;
    struct hashed hashed = {
        arena_take(arena, 32 + (size_t)topic->name.len * 4 + partitions * (4 + rack_bytes)), 0};
    hash_put(&hashed, 0, 1); /* The version of this hash. */
    hash_put(&hashed, load_be64(topic->id.bytes), 8);
    hash_put(&hashed, load_be64(topic->id.bytes + 8), 8);
    hash_put_text(&hashed, topic->name);
    hash_put(&hashed, (uint64_t)topic->partition_count, 4);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        hash_put(&hashed, (uint64_t)i, 4);
        if (rack.ptr != NULL) {
            hash_put(&hashed, text_chars_of(rack), 4);
            hash_put_text(&hashed, rack);
        }
    }
    return XXH3_64bits(hashed.to, hashed.used);
}

static int by_name(const void *a, const void *b)
{
    const struct group_topic *one = *(const struct group_topic *const *)a;
    const struct group_topic *two = *(const struct group_topic *const *)b;
    return text_order(one->name, two->name);
}

int64_t consumer_group_hash(const struct group_coordinator *coordinator, struct arena *arena,
                            const struct group *group)
{
    const struct topic_list list = consumer_group_topics(coordinator, arena, group);
    if (list.count == 0) {
        return 0;
    }
    struct hashed hashed = {arena_take(arena, (size_t)list.count * 8), 0};
    qsort(list.items, list.count, sizeof(list.items[0]), by_name);
    for (uint32_t i = 0; i < list.count; i++) {
        hash_put(&hashed, topic_hash(arena, list.items[i], coordinator->all_topics->rack), 8);
    }
    return (int64_t)XXH3_64bits(hashed.to, hashed.used);
}

/* --- regular expressions ------------------------------------------------------------------------
 */

/* Patterns were checked when they came; what a record brings that is none matches nothing. */
struct text_list consumer_regex_matches(const struct group_coordinator *coordinator,
                                        struct arena *arena, struct bytes text)
{
    const struct group_topics *topics = coordinator->all_topics;
    struct regex_error error;
    struct regex *compiled = regex_new((const char *)text.ptr, text.len, &error);
    struct text_list list = {ARENA_ARRAY(arena, struct bytes, topics->count), 0};
    for (uint32_t i = 0; compiled != NULL && i < topics->count; i++) {
        const struct bytes name = topics->items[i].name;
        if (regex_matches(compiled, (const char *)name.ptr, name.len)) {
            list.items[list.count++] = name;
        }
    }
    regex_free(compiled);
    return list;
}

/* True: other topics than before. */
static bool regex_resolve(const struct group_coordinator *coordinator, const struct group *group,
                          struct consumer_regex *regex, struct group_update *update)
{
    regex->stale = false;
    const struct text_list list = consumer_regex_matches(coordinator, update->arena, regex->text);
    const bool changed = !text_list_equal(list, regex->topics);
    if (!changed && regex->resolved) {
        return false;
    }
    regex->resolved = true;
    text_list_keep(&regex->topics, list);
    record_consumer_regex(update, group, regex, coordinator->all_topics->version,
                          coordinator->wall_ms);
    return changed;
}

static bool any_is_stale(const struct consumer_group *consumer)
{
    for (struct list_node *at = consumer->regexes.head.next; at != &consumer->regexes.head;
         at = at->next) {
        const struct consumer_regex *regex = CONTAINER_OF(at, struct consumer_regex, in_group);
        if (regex->members > 0 && regex->stale) {
            return true;
        }
    }
    return false;
}

/* There is reason to look at all of them once more. */
static bool regexes_due(const struct group_coordinator *coordinator,
                        const struct consumer_group *consumer)
{
    const int64_t created = coordinator->all_topics->created;
    const uint64_t age_ms = coordinator->now_ms - consumer->regexes_at_ms;
    return consumer->regexes_created == REGEXES_NEVER_RESOLVED ||
           (((age_ms > REGEX_REFRESH_MS_MIN && consumer->regexes_created != created) ||
             age_ms > (uint64_t)coordinator->settings->regex_refresh_ms) &&
            !any_is_stale(consumer));
}

bool consumer_regexes_refresh(struct group_coordinator *coordinator, struct group *group,
                              struct group_update *update)
{
    struct consumer_group *consumer = group->consumer;
    const struct group_topics *topics = coordinator->all_topics;
    if (topics == NULL || list_empty(&consumer->regexes)) {
        return false;
    }
    const bool all = regexes_due(coordinator, consumer);
    uint32_t names_left = REGEX_NAMES_PER_STEP;
    bool changed = false;
    for (struct list_node *at = consumer->regexes.head.next; at != &consumer->regexes.head;
         at = at->next) {
        struct consumer_regex *regex = CONTAINER_OF(at, struct consumer_regex, in_group);
        regex->stale = regex->stale || all;
        const bool again = regex->resolved && regex->stale && names_left > 0;
        if (regex->members > 0 && (!regex->resolved || again)) {
            names_left -= again ? min_u32(names_left, topics->count) : 0;
            changed = regex_resolve(coordinator, group, regex, update) || changed;
        }
    }
    if (all) {
        consumer->regexes_created = topics->created;
        consumer->regexes_at_ms = coordinator->now_ms;
    }
    return changed;
}
