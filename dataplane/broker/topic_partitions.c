/* DescribeTopicPartitions (B15): topics in pages by name, from the snapshot. */
#include "dataplane/broker/handlers.h"
#include "dataplane/broker/operations_allowed.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/topics.h"

/* What a page holds: topics [0, count) of a sorted list, cut at the cursor on both sides. */
struct page {
    const struct bytes *names; /* NULL: all topics of the snapshot, from `first` on. */
    uint32_t first;
    uint32_t count;
    uint32_t start_index;     /* Of the first topic: the cursor's partition. */
    uint32_t last_partitions; /* How many of the last topic. */
    bool cut;                 /* There is a next page. */
    struct bytes next_name;
    uint32_t next_index;
};

static int bytes_order(struct bytes a, struct bytes b)
{
    const uint32_t len = min_u32(a.len, b.len);
    const int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Heap sort: in place, no recursion, no worst case. */
static void sift_down(struct bytes *names, uint32_t at, uint32_t count)
{
    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && bytes_order(names[child + 1], names[child]) > 0) {
            child++;
        }
        if (bytes_order(names[child], names[at]) <= 0) {
            return;
        }
        const struct bytes swapped = names[at];
        names[at] = names[child];
        names[child] = swapped;
        at = child;
    }
}

static void names_sort(struct bytes *names, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;) {
        sift_down(names, i, count);
    }
    for (uint32_t end = count; end-- > 1;) {
        const struct bytes swapped = names[0];
        names[0] = names[end];
        names[end] = swapped;
        sift_down(names, 0, end);
    }
}

/* The names asked for from the cursor's on, sorted, each once. NULL when scratch is too small. */
static struct bytes *names_make(struct broker *broker, const struct request *request,
                                struct bytes cursor, uint32_t *count)
{
    struct describe_topic_partitions_request_topic_array topics =
        request->body_of.topic_partitions.topics;
    struct describe_topic_partitions_request_topic topic;
    struct bytes *names =
        scratch_take(&broker->scratch, (size_t)(uint32_t)topics.count * sizeof(*names));
    if (names == NULL) {
        return NULL;
    }
    uint32_t taken = 0;
    while (describe_topic_partitions_request_topic_array_next(&topics, &topic)) {
        uint8_t *copy = scratch_take(&broker->scratch, topic.name.len);
        if (copy == NULL) {
            return NULL;
        }
        const struct bytes name = chain_flat(topic.name, copy);
        if (bytes_order(name, cursor) >= 0) {
            names[taken++] = name;
        }
    }
    names_sort(names, taken);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < taken; i++) {
        if (kept == 0 || !bytes_equal(names[kept - 1], names[i])) {
            names[kept++] = names[i];
        }
    }
    *count = kept;
    return names;
}

/* NULL: there is none of that name, or it is only being made. */
static const struct snapshot_topic *page_topic(const struct broker *broker, const struct page *page,
                                               uint32_t at, struct bytes *name)
{
    const struct snapshot_topic *topic;
    if (page->names == NULL) {
        topic = &broker->snapshot->topics[page->first + at];
        *name = topic->name;
    } else {
        *name = page->names[at];
        topic = snapshot_topic_by_name(broker->snapshot, *name);
    }
    return topic != NULL && snapshot_topic_coming(topic) ? NULL : topic;
}

/* Nobody has asked for it by its name: then nothing is told of it. */
static bool page_omits(const struct broker *broker, const struct page *page, uint32_t at)
{
    struct bytes name;
    return page->names == NULL && page_topic(broker, page, at, &name) == NULL;
}

/* Cuts the page after `limit` partitions. */
static void page_cut(const struct broker *broker, struct page *page, uint32_t limit)
{
    const uint32_t count = page->count;
    for (uint32_t at = 0; at < count; at++) {
        struct bytes name;
        const struct snapshot_topic *topic = page_topic(broker, page, at, &name);
        const uint32_t partitions = topic == NULL ? 0 : snapshot_topic_told(topic);
        const uint32_t start = at == 0 ? min_u32(page->start_index, partitions) : 0;
        if (limit == 0) {
            page->count = at;
            page->cut = true;
            page->next_name = name;
            page->next_index = 0;
            return;
        }
        page->last_partitions = min_u32(partitions - start, limit);
        limit -= page->last_partitions;
        if (start + page->last_partitions < partitions) {
            page->count = at + 1;
            page->cut = true;
            page->next_name = name;
            page->next_index = start + page->last_partitions;
            return;
        }
    }
}

static void encode_partition(const struct snapshot *snapshot, struct writer *writer,
                             const struct snapshot_partition *partition, uint32_t index)
{
    const int32_t node = snapshot->broker.node_id;
    const bool led = snapshot_partition_led(partition);
    struct describe_topic_partitions_response_partition out =
        describe_topic_partitions_response_partition_default;
    out.error_code = ERROR_NONE;
    out.partition_index = (int32_t)index;
    out.leader_id = led ? node : -1;
    out.leader_epoch = partition->leader_epoch;
    out.replica_nodes = (struct i32_array){.items = &node, .count = 1};
    out.isr_nodes = out.replica_nodes;
    out.eligible_leader_replicas = (struct i32_array){.count = 0};
    out.last_known_elr = (struct i32_array){.count = 0};
    out.offline_replicas = (struct i32_array){.items = &node, .count = led ? 0 : 1};
    describe_topic_partitions_response_partition_encode(writer, 0, &out);
}

static void encode_topic(struct broker *broker, struct writer *writer, const struct page *page,
                         uint32_t at)
{
    struct bytes name;
    const struct snapshot_topic *topic = page_topic(broker, page, at, &name);
    struct describe_topic_partitions_response_topic out =
        describe_topic_partitions_response_topic_default;
    uint32_t from = 0;
    uint32_t count = 0;
    out.name = name.len == 0 ? CHAIN_EMPTY : chain_of(&name);
    out.topic_authorized_operations = TOPIC_OPERATIONS;
    if (topic == NULL) {
        out.error_code = topic_name_check(name) == TOPIC_NAME_OK ? ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                                                 : ERROR_INVALID_TOPIC_EXCEPTION;
        out.is_internal = topic_name_is_internal(name);
    } else {
        const uint32_t told = snapshot_topic_told(topic);
        from = at == 0 ? min_u32(page->start_index, told) : 0;
        count = at + 1 == page->count ? page->last_partitions : told - from;
        out.topic_id = topic->id;
        out.is_internal = topic->internal;
    }
    describe_topic_partitions_response_topic_encode_begin(writer, 0, &out, (int32_t)count);
    for (uint32_t i = from; i < from + count; i++) {
        encode_partition(broker->snapshot, writer, &topic->partitions[i], i);
    }
    describe_topic_partitions_response_topic_encode_end(writer, 0, &out);
}

/* The first topic whose name is not below the cursor's. */
static uint32_t first_topic(const struct snapshot *snapshot, struct bytes cursor)
{
    uint32_t low = 0;
    uint32_t high = snapshot->topic_count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (bytes_order(snapshot->topics[middle].name, cursor) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool page_make(struct broker *broker, const struct request *request, struct page *page)
{
    const struct describe_topic_partitions_request *body = &request->body_of.topic_partitions;
    struct bytes cursor = {0};
    struct bytes first = {0};
    *page = (struct page){0};
    if (body->has_cursor) {
        uint8_t *copy = scratch_take(&broker->scratch, body->cursor.topic_name.len);
        if (copy == NULL) {
            return false;
        }
        cursor = chain_flat(body->cursor.topic_name, copy);
    }
    if (body->topics.count == 0) {
        page->first = first_topic(broker->snapshot, cursor);
        page->count = broker->snapshot->topic_count - page->first;
    } else {
        page->names = names_make(broker, request, cursor, &page->count);
        if (page->names == NULL) {
            return false;
        }
    }
    if (page->count > 0) {
        (void)page_topic(broker, page, 0, &first);
    }
    if (body->has_cursor && bytes_equal(first, cursor)) {
        page->start_index = (uint32_t)body->cursor.partition_index;
    }
    page_cut(broker, page,
             (uint32_t)max_i64(min_i64(body->response_partition_limit,
                                       broker->snapshot->settings.partition_page_max),
                               1));
    return true;
}

static void page_build(struct broker *broker, struct request *request, struct writer *writer)
{
    struct describe_topic_partitions_response response = describe_topic_partitions_response_default;
    struct page page;
    if (!page_make(broker, request, &page)) {
        writer_fail(writer, CODEC_FULL);
        return;
    }
    uint32_t told = page.count;
    for (uint32_t at = 0; at < page.count; at++) {
        told -= page_omits(broker, &page, at);
    }
    describe_topic_partitions_response_encode_begin(writer, 0, &response, (int32_t)told);
    for (uint32_t at = 0; at < page.count; at++) {
        if (!page_omits(broker, &page, at)) {
            encode_topic(broker, writer, &page, at);
        }
    }
    if (page.cut) {
        response.has_next_cursor = true;
        response.next_cursor.topic_name =
            page.next_name.len == 0 ? CHAIN_EMPTY : chain_of(&page.next_name);
        response.next_cursor.partition_index = (int32_t)page.next_index;
    }
    describe_topic_partitions_response_encode_end(writer, 0, &response);
}

/* Every topic asked for with the same error: the request contradicts itself. */
static void refused_build(struct broker *broker, struct request *request, struct writer *writer)
{
    struct describe_topic_partitions_request_topic_array topics =
        request->body_of.topic_partitions.topics;
    struct describe_topic_partitions_request_topic topic;
    struct describe_topic_partitions_response response = describe_topic_partitions_response_default;
    (void)broker;
    describe_topic_partitions_response_encode_begin(writer, 0, &response, topics.count);
    while (describe_topic_partitions_request_topic_array_next(&topics, &topic)) {
        struct describe_topic_partitions_response_topic out =
            describe_topic_partitions_response_topic_default;
        out.error_code = request->error;
        out.name = topic.name;
        describe_topic_partitions_response_topic_encode(writer, 0, &out);
    }
    describe_topic_partitions_response_encode_end(writer, 0, &response);
}

/* The cursor's topic must be one of those asked for. */
static bool cursor_valid(const struct describe_topic_partitions_request *body)
{
    struct describe_topic_partitions_request_topic_array topics = body->topics;
    struct describe_topic_partitions_request_topic topic;
    uint8_t cursor[TOPIC_NAME_BYTES_MAX];
    const struct chain name = body->cursor.topic_name;
    if (!body->has_cursor) {
        return true;
    }
    if (body->cursor.partition_index < 0 || name.len > sizeof(cursor)) {
        return false;
    }
    if (topics.count == 0) {
        return true;
    }
    chain_copy(name, cursor, name.len);
    while (describe_topic_partitions_request_topic_array_next(&topics, &topic)) {
        if (chain_equals(topic.name, (struct bytes){cursor, name.len})) {
            return true;
        }
    }
    return false;
}

bool topic_partitions_start(struct broker *broker, struct request *request)
{
    struct describe_topic_partitions_request *body = &request->body_of.topic_partitions;
    struct reader reader;
    (void)broker;
    reader_init(&reader, request->body);
    if (describe_topic_partitions_request_decode(&reader, request->version, body) != CODEC_OK) {
        return false;
    }
    if (!cursor_valid(body)) {
        request->error = ERROR_INVALID_REQUEST;
        request_done(request, refused_build);
        return true;
    }
    request_done(request, page_build);
    return true;
}
