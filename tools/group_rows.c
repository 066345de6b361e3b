#include <stdlib.h>

#include "tools/client/consumer.h"
#include "tools/group.h"

enum { POLL_MS = 500, POLLS_MAX = 20 };

int64_t group_row_lag(const struct group_row *row)
{
    return row->committed < 0 || row->end < 0 ? -1 : max_i64(0, row->end - row->committed);
}

int64_t group_row_lag_ms(const struct group_row *row)
{
    const int64_t lag = group_row_lag(row);
    if (lag <= 0) {
        return lag;
    }
    return row->committed_ms < 0 || row->newest_ms < 0
               ? -1
               : max_i64(0, row->newest_ms - row->committed_ms);
}

/* ---- Which partitions ------------------------------------------------------------------------ */

static int row_compare(const void *a, const void *b)
{
    const struct group_row *one = a;
    const struct group_row *two = b;
    const int order = strcmp(one->topic, two->topic);
    return order != 0 ? order
                      : (one->partition > two->partition) - (one->partition < two->partition);
}

static struct group_row *row_find(struct group_rows *rows, uint32_t sorted, const char *topic,
                                  int32_t partition)
{
    const struct group_row key = {.topic = topic, .partition = partition};
    return sorted == 0 ? NULL : bsearch(&key, rows->items, sorted, sizeof(key), row_compare);
}

static struct group_row row_of(const char *topic, int32_t partition)
{
    return (struct group_row){.topic = topic,
                              .partition = partition,
                              .committed = -1,
                              .start = -1,
                              .end = -1,
                              .newest_ms = -1,
                              .committed_ms = -1};
}

/* offsets are sorted. */
static void rows_collect(struct arena *arena, const struct groups_offset *offsets, uint32_t count,
                         const struct groups_described *described, struct group_rows *rows)
{
    size_t most = count;
    for (uint32_t i = 0; i < described->member_count; i++) {
        most += described->members[i].place_count;
    }
    rows->items = ARENA_ARRAY(arena, struct group_row, most);
    rows->count = count;
    for (uint32_t i = 0; i < count; i++) {
        rows->items[i] = row_of(offsets[i].topic, offsets[i].partition);
        rows->items[i].committed = offsets[i].offset;
    }
    for (uint32_t i = 0; i < described->member_count; i++) {
        const struct groups_member *member = &described->members[i];
        for (uint32_t j = 0; j < member->place_count; j++) {
            const struct groups_place *place = &member->places[j];
            struct group_row *row = row_find(rows, count, place->topic, place->partition);
            if (row == NULL) {
                row = &rows->items[rows->count++];
                *row = row_of(place->topic, place->partition);
            }
            row->member = member->id;
        }
    }
    if (rows->count > 0) {
        qsort(rows->items, rows->count, sizeof(*rows->items), row_compare);
    }
}

/* ---- What lies in them ----------------------------------------------------------------------- */

/* Rows of one topic. */
struct stretch {
    struct group_row *rows;
    uint32_t count;
};

static bool is_led(const struct client_topic *topic, int32_t partition)
{
    return partition >= 0 && (uint32_t)partition < topic->partition_count &&
           topic->partitions[partition].exists && topic->partitions[partition].leader >= 0;
}

static bool ends_ask(struct client *client, struct arena *arena, const struct client_topic *topic,
                     struct stretch stretch)
{
    int64_t *start = ARENA_ARRAY(arena, int64_t, topic->partition_count);
    int64_t *end = ARENA_ARRAY(arena, int64_t, topic->partition_count);
    int64_t *newest = ARENA_ARRAY(arena, int64_t, topic->partition_count);
    if (!client_offsets(client, topic, CLIENT_OFFSET_EARLIEST, start) ||
        !client_offsets(client, topic, CLIENT_OFFSET_LATEST, end) ||
        !client_newest(client, topic, newest)) {
        return false;
    }
    for (uint32_t i = 0; i < stretch.count; i++) {
        struct group_row *row = &stretch.rows[i];
        if (is_led(topic, row->partition)) {
            row->start = start[row->partition];
            row->end = end[row->partition];
            row->newest_ms = newest[row->partition];
        }
    }
    return true;
}

struct first_records {
    struct consumer *consumer;
    struct stretch stretch;
};

/* The first record of each partition is enough. */
static bool first_take(void *context, const struct consumer_record *record)
{
    const struct first_records *first = context;
    for (uint32_t i = 0; i < first->stretch.count; i++) {
        struct group_row *row = &first->stretch.rows[i];
        if (row->partition == record->partition && row->committed_ms < 0) {
            row->committed_ms = record->timestamp_ms;
        }
    }
    for (uint32_t i = 0; i < first->consumer->partition_count; i++) {
        struct consumer_partition *partition = &first->consumer->partitions[i];
        if (partition->index == record->partition) {
            partition->stop = 0;
        }
    }
    return true;
}

static void consumer_aim(struct consumer *consumer, struct stretch stretch)
{
    for (uint32_t i = 0; i < consumer->partition_count; i++) {
        struct consumer_partition *partition = &consumer->partitions[i];
        for (uint32_t j = 0; j < stretch.count; j++) {
            const struct group_row *row = &stretch.rows[j];
            if (row->partition == partition->index) {
                partition->next = max_i64(row->committed, row->start);
                partition->stop = row->end;
            }
        }
    }
}

/* Times of the first records that are not committed. Where none is there to be read in a few
 * rounds, as behind a committed offset of a compacted topic, the time stays unknown. */
static bool times_ask(struct client *client, struct arena *arena, struct stretch stretch)
{
    int32_t *wanted = ARENA_ARRAY(arena, int32_t, stretch.count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < stretch.count; i++) {
        if (group_row_lag(&stretch.rows[i]) > 0) {
            wanted[count++] = stretch.rows[i].partition;
        }
    }
    struct consumer consumer = {0};
    struct first_records first = {&consumer, stretch};
    const struct consumer_sink sink = {first_take, &first};
    bool ok =
        count == 0 || consumer_open(&consumer, client, stretch.rows[0].topic, wanted, count,
                                    (struct consumer_start){.from = CONSUMER_FROM_END}, false);
    if (ok && count > 0) {
        consumer_aim(&consumer, stretch);
        for (uint32_t i = 0; ok && i < POLLS_MAX && !consumer_done(&consumer); i++) {
            ok = consumer_poll(&consumer, POLL_MS, &sink);
        }
    }
    if (count > 0) {
        consumer_close(&consumer);
    }
    return ok;
}

static const struct client_topic *topic_find(const struct client_topic *topics, uint32_t count,
                                             const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(topics[i].name, name) == 0 && topics[i].error == 0) {
            return &topics[i];
        }
    }
    return NULL; /* It was deleted. */
}

static bool rows_fill(struct client *client, struct arena *arena, const struct client_topic *topics,
                      uint32_t topic_count, const struct group_rows *rows)
{
    for (uint32_t i = 0; i < rows->count;) {
        struct stretch stretch = {&rows->items[i], 0};
        while (i < rows->count && strcmp(rows->items[i].topic, stretch.rows[0].topic) == 0) {
            stretch.count++;
            i++;
        }
        const struct client_topic *topic = topic_find(topics, topic_count, stretch.rows[0].topic);
        if (topic != NULL &&
            (!ends_ask(client, arena, topic, stretch) || !times_ask(client, arena, stretch))) {
            return false;
        }
    }
    return true;
}

bool group_rows_ask(struct client *client, struct arena *arena, const char *group,
                    const struct groups_described *described, struct group_rows *rows)
{
    struct client_topic *topics;
    struct groups_offset *offsets;
    uint32_t topic_count;
    uint32_t count;
    if (!client_topics(client, &topics, &topic_count)) {
        return false;
    }
    bool ok = groups_offsets(client, arena, group, topics, topic_count, &offsets, &count);
    if (ok) {
        rows_collect(arena, offsets, count, described, rows);
        ok = rows_fill(client, arena, topics, topic_count, rows);
    }
    client_topics_free(topics, topic_count);
    return ok;
}
