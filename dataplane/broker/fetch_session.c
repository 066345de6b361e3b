#include "dataplane/broker/fetch.h"
#include "dataplane/broker/hash.h"

enum {
    SESSION_CORE_BITS = 6, /* Which core, in the id's lowest bits (H26). */
};
_Static_assert((int)MAIL_CORES_MAX <= 1 << SESSION_CORE_BITS, "a session id names its core");

/* ---- Items ---------------------------------------------------------------------------------- */

static uint32_t item_hash(const struct broker *broker, const struct fetch *fetch,
                          const struct uuid *id, struct bytes name, int32_t partition)
{
    const uint64_t which =
        (uint64_t)(uint32_t)partition << 32 | pool_index(&broker->fetches, fetch);
    const struct bytes named =
        uuid_is_zero(*id) ? name : (struct bytes){id->bytes, sizeof(id->bytes)};
    return (uint32_t)hash_named(named, broker->hash_key + hash_mix(which));
}

static struct bytes topic_name(const struct fetch_topic *topic)
{
    return (struct bytes){topic->name, topic->name_len};
}

struct fetch_item *fetch_item_find(struct broker *broker, const struct fetch *fetch,
                                   const struct uuid *id, struct bytes name, int32_t partition)
{
    const uint32_t hash = item_hash(broker, fetch, id, name, partition);
    struct fetch_item *item = broker->item_table[hash & broker->item_mask];
    for (; item != NULL; item = item->hash_next) {
        if (item->hash == hash && item->fetch == fetch && item->partition == partition &&
            uuid_equal(item->topic->id, *id) &&
            (item->topic->by_id || bytes_equal(topic_name(item->topic), name))) {
            return item;
        }
    }
    return NULL;
}

static struct fetch_topic *topic_create(struct broker *broker, const struct uuid *id,
                                        struct bytes name)
{
    if (name.len > TOPIC_NAME_BYTES_MAX) {
        return NULL;
    }
    struct fetch_topic *topic = pool_take(&broker->fetch_topics);
    if (topic != NULL) {
        *topic = (struct fetch_topic){
            .id = *id, .name_len = (uint8_t)name.len, .by_id = !uuid_is_zero(*id)};
        if (name.len > 0) {
            memcpy(topic->name, name.ptr, name.len);
        }
    }
    return topic;
}

static void topic_release(struct broker *broker, struct fetch_topic *topic)
{
    if (topic->refs == 0 || --topic->refs == 0) {
        pool_give(&broker->fetch_topics, topic);
    }
}

struct fetch_item *fetch_item_add(struct broker *broker, struct fetch *fetch,
                                  struct fetch_topic **topic, const struct uuid *id,
                                  struct bytes name, int32_t partition)
{
    if (*topic == NULL && (*topic = topic_create(broker, id, name)) == NULL) {
        return NULL;
    }
    struct fetch_item *item = pool_take(&broker->fetch_items);
    if (item == NULL) {
        if ((*topic)->refs == 0) {
            topic_release(broker, *topic);
            *topic = NULL;
        }
        return NULL;
    }
    const uint32_t hash = item_hash(broker, fetch, id, name, partition);
    struct fetch_item **bucket = &broker->item_table[hash & broker->item_mask];
    *item = (struct fetch_item){
        .fetch = fetch,
        .topic = *topic,
        .hash_next = *bucket,
        .hash = hash,
        .partition = partition,
        .told_high_watermark = -1,
        .told_log_start = -1,
    };
    *bucket = item;
    (*topic)->refs++;
    list_push_back(&fetch->items, &item->node);
    fetch->item_count++;
    if (fetch->session_id != 0) {
        broker->session_items++;
    }
    return item;
}

void fetch_item_remove(struct broker *broker, struct fetch_item *item)
{
    struct fetch *fetch = item->fetch;
    struct fetch_item **at = &broker->item_table[item->hash & broker->item_mask];
    while (*at != item) {
        at = &(*at)->hash_next;
    }
    *at = item->hash_next;
    list_remove(&item->node);
    fetch->item_count--;
    if (fetch->session_id != 0) {
        broker->session_items--;
    }
    topic_release(broker, item->topic);
    pool_give(&broker->fetch_items, item);
}

/* ---- Fetches -------------------------------------------------------------------------------- */

struct fetch *fetch_create(struct broker *broker)
{
    struct fetch *fetch = pool_take(&broker->fetches);
    if (fetch != NULL) {
        memset(fetch, 0, sizeof(*fetch));
        list_init(&fetch->items);
    }
    return fetch;
}

static void session_unlink(struct broker *broker, struct fetch *fetch)
{
    struct fetch **at =
        &broker->session_table[hash_mix((uint32_t)fetch->session_id) & broker->session_mask];
    while (*at != fetch) {
        at = &(*at)->session_next;
    }
    *at = fetch->session_next;
    list_remove(&fetch->node);
    broker->session_count--;
    counter_set(&broker->counters->fetch_sessions_now, broker->session_count);
}

void fetch_free(struct broker *broker, struct fetch *fetch)
{
    ASSERT(fetch->request == NULL && !list_linked(&fetch->timer_node));
    if (fetch->session_id != 0 && !fetch->closed) {
        session_unlink(broker, fetch);
    }
    while (!list_empty(&fetch->items)) {
        fetch_item_remove(broker, CONTAINER_OF(list_first(&fetch->items), struct fetch_item, node));
    }
    pool_give(&broker->fetches, fetch);
}

/* ---- Sessions ------------------------------------------------------------------------------- */

struct fetch *session_find(struct broker *broker, int32_t session_id)
{
    struct fetch *fetch =
        broker->session_table[hash_mix((uint32_t)session_id) & broker->session_mask];
    while (fetch != NULL && fetch->session_id != session_id) {
        fetch = fetch->session_next;
    }
    return fetch;
}

/* The session that Kafka would give up for one of item_count partitions (FetchSessionCache). */
static struct fetch *session_to_evict(struct broker *broker, uint32_t item_count)
{
    const uint64_t idle_ns = ns_of_ms(FETCH_SESSION_IDLE_MS_MAX);
    struct fetch *smallest = NULL;
    LIST_FOR_EACH(node, &broker->sessions)
    {
        struct fetch *fetch = CONTAINER_OF(node, struct fetch, node);
        if (fetch->request != NULL) {
            continue;
        }
        if (broker->now_ns - fetch->used_ns > idle_ns) {
            return fetch;
        }
        if (broker->now_ns - fetch->created_ns > idle_ns && fetch->item_count < item_count &&
            (smallest == NULL || fetch->item_count < smallest->item_count)) {
            smallest = fetch;
        }
    }
    return smallest;
}

static bool session_room(const struct broker *broker, uint32_t item_count)
{
    const uint32_t slots = broker->snapshot->settings.fetch_session_count_max / broker->core_count;
    const uint32_t own_slots = broker->limits.fetch_count / 2;
    return broker->session_count < min_u32(slots, own_slots) &&
           broker->session_items + item_count <= broker->limits.fetch_item_count / 2;
}

static int32_t session_new_id(struct broker *broker)
{
    int32_t id;
    do {
        id = (int32_t)(((uint32_t)broker_random(broker) << SESSION_CORE_BITS | broker->core) &
                       INT32_MAX);
    } while (id == 0 || session_find(broker, id) != NULL);
    return id;
}

void session_open(struct broker *broker, struct fetch *fetch, bool uses_ids)
{
    if (!session_room(broker, fetch->item_count)) {
        struct fetch *evicted = session_to_evict(broker, fetch->item_count);
        if (evicted != NULL) {
            count(&broker->counters->fetch_sessions_evicted);
            fetch_free(broker, evicted);
        }
        if (!session_room(broker, fetch->item_count)) {
            return; /* The client goes on with full fetches. */
        }
    }
    fetch->session_id = session_new_id(broker);
    fetch->session_epoch = 1;
    fetch->uses_ids = uses_ids;
    fetch->created_ns = broker->now_ns;
    fetch->used_ns = broker->now_ns;
    struct fetch **bucket =
        &broker->session_table[hash_mix((uint32_t)fetch->session_id) & broker->session_mask];
    fetch->session_next = *bucket;
    *bucket = fetch;
    list_push_back(&broker->sessions, &fetch->node);
    broker->session_count++;
    broker->session_items += fetch->item_count;
    count(&broker->counters->fetch_sessions_created);
    counter_set(&broker->counters->fetch_sessions_now, broker->session_count);
}

void session_used(struct broker *broker, struct fetch *fetch)
{
    fetch->used_ns = broker->now_ns;
    list_remove(&fetch->node);
    list_push_back(&broker->sessions, &fetch->node);
}

static void session_close_here(struct broker *broker, int32_t session_id)
{
    struct fetch *fetch = session_find(broker, session_id);
    if (fetch == NULL) {
        return;
    }
    if (fetch->request != NULL) {
        session_unlink(broker, fetch);
        fetch->closed = true; /* Freed when its request is over. */
        return;
    }
    fetch_free(broker, fetch);
}

void session_close(struct broker *broker, int32_t session_id)
{
    const uint32_t core = (uint32_t)session_id & ((1u << SESSION_CORE_BITS) - 1);
    if (core == broker->core) {
        session_close_here(broker, session_id);
        return;
    }
    if (session_id <= 0 || core >= broker->core_count || broker->closes_free == 0) {
        return; /* Evicted when it has been idle for long enough. */
    }
    const uint32_t slot = (uint32_t)__builtin_ctzll(broker->closes_free);
    broker->closes_free &= ~(UINT64_C(1) << slot);
    broker->closes[slot] =
        (struct session_close){.mail = {.kind = MAIL_SESSION_CLOSE}, .session_id = session_id};
    mail_post(broker->setup.mailbox, core, &broker->closes[slot].mail);
}

void session_mail(struct broker *broker, struct session_close *close)
{
    if (close->mail.kind == MAIL_SESSION_CLOSED) {
        broker->closes_free |= UINT64_C(1) << (close - broker->closes);
        return;
    }
    session_close_here(broker, close->session_id);
    const uint16_t home = close->mail.from;
    close->mail.kind = MAIL_SESSION_CLOSED;
    mail_post(broker->setup.mailbox, home, &close->mail);
}

/* ---- What is told --------------------------------------------------------------------------- */

bool session_must_tell(const struct fetch *fetch, const struct fetch_item *item)
{
    return fetch->full || item->got_bytes > 0 || item->error != ERROR_NONE || item->diverging ||
           item->told_high_watermark != item->high_watermark ||
           item->told_log_start != item->log_start;
}

void session_told(struct fetch *fetch)
{
    struct list last; /* What gave data goes behind the others: fairness. */
    list_init(&last);
    LIST_FOR_EACH(node, &fetch->items)
    {
        struct fetch_item *item = CONTAINER_OF(node, struct fetch_item, node);
        if (!fetch->full && item->got_bytes > 0) {
            list_remove(node);
            list_push_back(&last, node);
        }
        item->told_high_watermark = item->error == ERROR_NONE ? item->high_watermark : -1;
        item->told_log_start = item->log_start;
    }
    list_append_all(&fetch->items, &last);
    fetch->answered = true;
}
