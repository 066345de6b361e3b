#include "dataplane/broker/broker.h"

#include "dataplane/broker/call.h"
#include "dataplane/broker/connection.h"
#include "dataplane/broker/fetch.h"
#include "dataplane/broker/hosted.h"
#include "dataplane/broker/log_dirs.h"
#include "dataplane/broker/operation.h"
#include "dataplane/broker/prefetch.h"
#include "dataplane/broker/produce.h"
#include "dataplane/broker/request.h"
#include "dataplane/broker/slow.h"
#include "dataplane/broker/stream.h"

const char *broker_stage_name(enum broker_stage stage)
{
    static const char *const names[STAGE_COUNT] = {
        [STAGE_RECEIVE] = "receive", [STAGE_PARSE] = "parse",     [STAGE_APPEND] = "append",
        [STAGE_SUBMIT] = "submit",   [STAGE_DURABLE] = "durable", [STAGE_RESPOND] = "respond",
    };
    return stage < STAGE_COUNT ? names[stage] : "unknown";
}

/* ---- Memory --------------------------------------------------------------------------------- */

struct broker_limits broker_limits_default(uint32_t request_bytes_max, uint64_t arena_bytes,
                                           uint32_t receive_buffer_count)
{
    const uint64_t stash_bytes = 16 * 1024 * 1024;
    return (struct broker_limits){
        .connection_count = 16384,
        .request_count = 16384,
        .requests_of_connection = 64,
        .piece_count = receive_buffer_count + 16384, /* Lent ones, and those copied out of them. */
        .receive_buffer_count = receive_buffer_count,
        .operation_count = 32768,
        .partition_count = 16384,
        .partition_total = 65536,
        .fetch_count = 16384, /* One per parked consumer, and as many sessions. */
        .fetch_item_count = 65536,
        .fetch_topic_count = 65536,
        .fetch_read_count = 4096,
        .frame_bytes = request_bytes_max + stash_bytes + 2 * FRAME_UNIT_BYTES,
        .stash_bytes = stash_bytes,
        .output_bytes = 64 * 1024 * 1024,
        .response_bytes = 32 * 1024 * 1024,
        .scratch_bytes = 8 * 1024 * 1024,
        .unsent_bytes = 4 * 1024 * 1024,
        .pinned_bytes = arena_bytes / 2,
    };
}

static uint32_t table_slots(uint32_t count)
{
    uint32_t slots = 16;
    while (slots < count) {
        slots *= 2;
    }
    return slots;
}

/* Walks the memory's parts twice with the same code: once to sum them up, once to hand them out. */
struct layout {
    uint8_t *base; /* NULL: only sums. */
    uint64_t used;
};

static void *layout_take(struct layout *layout, uint64_t size)
{
    void *at = layout->base == NULL ? NULL : layout->base + layout->used;
    layout->used += round_up(size, 64);
    return at;
}

static void layout_pool(struct layout *layout, struct pool *pool, size_t object_bytes,
                        uint32_t capacity)
{
    void *memory = layout_take(layout, pool_memory_bytes((uint32_t)object_bytes, capacity));
    if (memory != NULL) {
        pool_init(pool, memory, (uint32_t)object_bytes, capacity);
    }
}

static void layout_stock(struct layout *layout, struct stock *stock, size_t object_bytes,
                         uint32_t capacity)
{
    void *memory = layout_take(layout, stock_memory_bytes((uint32_t)object_bytes, capacity));
    if (memory != NULL) {
        stock_init(stock, memory, (uint32_t)object_bytes, capacity);
    }
}

static void layout_region(struct layout *layout, struct region *region, uint64_t size,
                          uint32_t unit_bytes)
{
    void *memory = layout_take(layout, region_bytes(size, unit_bytes));
    if (memory != NULL) {
        region_init(region, memory, size, unit_bytes);
    }
}

static void layout_pools(struct layout *layout, const struct broker_limits *limits,
                         struct broker *broker)
{
    layout_pool(layout, &broker->connections, sizeof(struct connection), limits->connection_count);
    layout_stock(layout, &broker->requests, sizeof(struct request), limits->request_count);
    layout_stock(layout, &broker->pieces, sizeof(struct piece), limits->piece_count);
    layout_pool(layout, &broker->operations, sizeof(struct operation), limits->operation_count);
    layout_pool(layout, &broker->hosted_pool, sizeof(struct hosted), limits->partition_count);
    layout_pool(layout, &broker->fetches, sizeof(struct fetch), limits->fetch_count);
    layout_pool(layout, &broker->fetch_items, sizeof(struct fetch_item), limits->fetch_item_count);
    layout_pool(layout, &broker->fetch_topics, sizeof(struct fetch_topic),
                limits->fetch_topic_count);
    layout_pool(layout, &broker->fetch_reads, sizeof(struct fetch_read), limits->fetch_read_count);
    /* A fetch has a leg per core at most; those being released outlive it. */
    layout_pool(layout, &broker->legs, sizeof(struct leg), limits->fetch_count * 2);
    layout_pool(layout, &broker->calls, sizeof(struct call), SLOW_CALLS_MAX);
}

static void layout_all(struct layout *layout, const struct broker_limits *limits,
                       struct broker *broker)
{
    const uint32_t hosted_slots = table_slots(limits->partition_count);
    const uint32_t item_slots = table_slots(limits->fetch_item_count);
    const uint32_t session_slots = table_slots(limits->fetch_count);
    layout_pools(layout, limits, broker);
    layout_region(layout, &broker->frame_memory, limits->frame_bytes - limits->stash_bytes,
                  FRAME_UNIT_BYTES);
    layout_region(layout, &broker->stash, limits->stash_bytes, STASH_UNIT_BYTES);
    layout_region(layout, &broker->output, limits->output_bytes, OUTPUT_UNIT_BYTES);
    layout_region(layout, &broker->call_memory, SLOW_CALL_BYTES_MAX, SLOW_CALL_UNIT_BYTES);
    broker->scratch.base = layout_take(layout, limits->scratch_bytes);
    broker->build = layout_take(layout, limits->response_bytes);
    broker->splices = layout_take(layout, limits->fetch_read_count * sizeof(struct splice));
    broker->splice_reads =
        layout_take(layout, limits->fetch_read_count * sizeof(struct fetch_read *));
    broker->hosted_table = layout_take(layout, hosted_slots * sizeof(struct hosted *));
    broker->item_table = layout_take(layout, item_slots * sizeof(struct fetch_item *));
    broker->session_table = layout_take(layout, session_slots * sizeof(struct fetch *));
    broker->sizes_bytes = layout_take(layout, limits->partition_total * sizeof(int64_t));
    broker->sizes_directories = layout_take(layout, limits->partition_total * sizeof(uint16_t));
    broker->sizes = layout_take(layout, MAIL_CORES_MAX * sizeof(struct sizes_query));
    broker->closes = layout_take(layout, SESSION_CLOSES_MAX * sizeof(struct session_close));
    broker->created = layout_take(layout, AUTO_CREATE_RECENT * sizeof(struct created_topic));
    broker->slow_numbers = layout_take(layout, SLOW_NUMBERS * sizeof(struct list));
    broker->hosted_mask = hosted_slots - 1;
    broker->item_mask = item_slots - 1;
    broker->session_mask = session_slots - 1;
    broker->splices_max = limits->fetch_read_count;
    broker->scratch.size = limits->scratch_bytes;
}

uint64_t broker_memory_bytes(const struct broker_limits *limits)
{
    struct layout layout = {0};
    struct broker sums; /* Only to be laid out; nothing of it is kept. */
    layout.used = round_up(sizeof(sums), 64);
    layout_all(&layout, limits, &sums);
    return layout.used;
}

static void broker_lists_init(struct broker *broker)
{
    struct list *const lists[] = {
        &broker->runnable,      &broker->to_send,         &broker->holding,
        &broker->idle,          &broker->memory_waiting,  &broker->output_waiting,
        &broker->hosted,        &broker->opening,         &broker->deleting,
        &broker->failing,       &broker->busy_hosted,     &broker->busy_queries,
        &broker->busy_reads,    &broker->producing,       &broker->sessions,
        &broker->parked,        &broker->slow_waiting,    &broker->slow_sent,
        &broker->sizes_waiting, &broker->large_receiving, &broker->ordinary_waiting,
        &broker->owed,          &broker->calls_waiting,   &broker->slow_long,
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(lists); i++) {
        list_init(lists[i]);
    }
}

struct broker *broker_create(void *memory, const struct broker_setup *setup)
{
    struct layout layout = {.base = memory};
    struct broker *broker = layout_take(&layout, sizeof(*broker));
    ASSERT((uintptr_t)memory % 64 == 0);
    ASSERT(setup->core < setup->core_count && setup->core_count <= MAIL_CORES_MAX);
    broker->setup = *setup;
    broker->limits = setup->limits;
    broker->core = setup->core;
    broker->core_count = setup->core_count;
    broker->log = setup->log;
    broker->statistics = setup->statistics;
    broker->counters = &setup->statistics->counters;
    broker->random = setup->seed;
    broker->parse_runs_left = setup->clock_ns == NULL ? UINT64_MAX : 1;
    broker->hash_key = broker_random(broker);
    broker->closes_free = UINT64_MAX;
    broker->finished = LOG_PENDING;
    broker_lists_init(broker);
    layout_all(&layout, &setup->limits, broker);
    for (uint32_t i = 0; i < SLOW_NUMBERS; i++) {
        list_init(&broker->slow_numbers[i]);
    }
    return broker;
}

/* ---- Metadata ------------------------------------------------------------------------------- */

/* Of a request as a whole, and what the frame memory has room for. */
static uint32_t frame_bytes_max(const struct broker *broker)
{
    const struct region *region = &broker->frame_memory;
    const uint64_t room = (uint64_t)region->unit_count * region->unit_bytes - LARGE_RUNS_BYTES;
    return (uint32_t)min_u64(broker->snapshot->settings.request_bytes_max, room);
}

void broker_set_snapshot(struct broker *broker, const struct snapshot *snapshot)
{
    broker->snapshot = snapshot;
    broker->snapshot_serial++;
    broker->frame_bytes_max = frame_bytes_max(broker);
    broker->applying = snapshot;
    broker->apply_topic = 0;
    broker->apply_sweep = false;
    broker->apply_round++;
}

const struct snapshot *broker_applied_snapshot(const struct broker *broker)
{
    return broker->applied;
}

bool broker_uses_snapshot(const struct broker *broker, const struct snapshot *snapshot)
{
    return broker->snapshot == snapshot || broker->applied == snapshot ||
           broker->applying == snapshot || broker->sizes_snapshot == snapshot;
}

/* ---- Turns ---------------------------------------------------------------------------------- */

void broker_turn_begin(struct broker *broker, uint64_t now_ns, int64_t wall_ms)
{
    broker->now_ns = now_ns;
    broker->wall_ms = wall_ms;
}

uint32_t broker_log_turn(struct broker *broker, uint32_t budget)
{
    struct log *log = broker->log;
    struct append *append;
    struct log_read *read;
    struct log_query *query;
    struct log_operation *operation;
    struct partition *partition;
    uint32_t done = 0;
    while (done < budget && (append = log_append_done(log)) != NULL) {
        prefetch_appended(log_append_next(log));
        if (append->internal) {
            call_append_done(broker, append);
        } else {
            operation_append_done(broker, append);
        }
        done++;
    }
    while (done < budget && (read = log_read_done(log)) != NULL) {
        if (read->owner == broker) {
            call_read_done(broker, read);
        } else {
            leg_read_done(broker, read);
        }
        done++;
    }
    while (done < budget && (query = log_query_done(log)) != NULL) {
        operation_query_done(broker, query);
        done++;
    }
    while (done < budget && (operation = log_operation_done(log)) != NULL) {
        operation_log_done(broker, operation);
        done++;
    }
    while (done < budget && (partition = log_advanced(log)) != NULL) {
        struct hosted *hosted = *partition_owner_slot(partition);
        if (hosted != NULL && !list_empty(&hosted->waiters)) {
            legs_advance(broker, hosted);
        } else {
            partition_watch(partition, false);
        }
        done++;
    }
    if (operations_waiting(broker)) {
        done += operations_retry(broker, budget);
    }
    if (!list_empty(&broker->busy_reads)) {
        done += leg_reads_retry(broker);
    }
    return done;
}

/* All but operations, which are most. */
static NOINLINE void mail_other(struct broker *broker, struct mail_message *mail)
{
    switch ((enum mail_kind)mail->kind) {
    case MAIL_OPERATION:
    case MAIL_OPERATION_DONE: break;
    case MAIL_LEG: leg_run(broker, CONTAINER_OF(mail, struct leg, mail)); return;
    case MAIL_LEG_DONE: leg_back(broker, CONTAINER_OF(mail, struct leg, mail)); return;
    case MAIL_LEG_UNPARK: {
        struct leg *leg = CONTAINER_OF(mail, struct leg, unpark);
        const uint32_t home = mail->from;
        leg_unpark(broker, leg);
        mail->kind = MAIL_LEG_UNPARKED;
        mail_post(broker->setup.mailbox, home, mail);
        return;
    }
    case MAIL_LEG_UNPARKED: leg_unpark_back(broker, CONTAINER_OF(mail, struct leg, unpark)); return;
    case MAIL_SIZES:
    case MAIL_SIZES_DONE: sizes_mail(broker, CONTAINER_OF(mail, struct sizes_query, mail)); return;
    case MAIL_SESSION_CLOSE:
    case MAIL_SESSION_CLOSED:
        session_mail(broker, CONTAINER_OF(mail, struct session_close, mail));
        return;
    }
    ASSERT(false);
}

uint32_t broker_mail_turn(struct broker *broker, uint32_t budget)
{
    struct mail_message *mail;
    uint32_t done = 0;
    while (done < budget && (mail = mail_receive(broker->setup.mailbox)) != NULL) {
        if (LIKELY(mail->kind == MAIL_OPERATION || mail->kind == MAIL_OPERATION_DONE)) {
            operation_mail(broker, CONTAINER_OF(mail, struct operation, mail));
        } else {
            mail_other(broker, mail);
        }
        done++;
    }
    return done;
}

/* It goes on by itself, and gives its buffers back: nobody has to be waited for. */
static bool goes_on(const struct connection *connection)
{
    return list_linked(&connection->run_node) ||
           (connection->request_count > 0 &&
            connection->overlap_count == connection->request_count);
}

static bool buffers_scarce(const struct broker *broker)
{
    return broker->buffers_held > broker->limits.receive_buffer_count / 2;
}

/* Where receive buffers grow scarce, what cannot go on yet moves out of them, oldest first. Where
 * there is no room for it either, those that wait for their peers, or for long, have to go. */
static void buffers_relieve(struct broker *broker)
{
    LIST_FOR_EACH(node, &broker->holding)
    {
        struct connection *connection = CONTAINER_OF(node, struct connection, holding_node);
        if (!buffers_scarce(broker)) {
            return;
        }
        if (!stream_unload(connection) && !goes_on(connection)) {
            list_remove(node);
            stream_drop(connection);
            count(&broker->counters->connections_overload_closed);
            connection_abort(connection);
        }
    }
}

enum { FRAMES_PER_VISIT = 16 };

uint32_t broker_frame_turn(struct broker *broker, uint32_t budget)
{
    struct list now;
    struct list_node *node;
    uint32_t done = 0;
    if (broker->snapshot == NULL) {
        return 0; /* Nothing is known yet; what has come waits. */
    }
    if (list_empty(&broker->runnable) && !buffers_scarce(broker)) {
        return 0;
    }
    list_init(&now);
    list_append_all(&now, &broker->runnable);
    while (done < budget && (node = list_pop_front(&now)) != NULL) {
        done += connection_run(CONTAINER_OF(node, struct connection, run_node), FRAMES_PER_VISIT);
    }
    while ((node = list_pop_front(&now)) != NULL) {
        list_push_back(&broker->runnable, node);
    }
    buffers_relieve(broker);
    return done;
}

uint32_t broker_slow_turn(struct broker *broker, uint32_t budget)
{
    return slow_turn(broker, budget);
}

/* Under load the same times come turn after turn: what is kept back of them is told now and then.
 */
static void times_record(struct broker *broker)
{
    struct broker_statistics *statistics = broker->statistics;
    if (LIKELY(broker->now_ns < broker->times_due_ns)) {
        return;
    }
    broker->times_due_ns = broker->now_ns + ns_of_ms(TIMES_RECORD_MS);
    append_times_record(broker);
    for (uint32_t i = 0; i < STAGE_COUNT; i++) {
        histogram_run_end(&broker->stage_runs[i], &statistics->stages[i]);
    }
    histogram_run_end(&broker->produce_run, &statistics->produce_ns);
    histogram_run_end(&broker->fetch_run, &statistics->fetch_ns);
}

uint32_t broker_timer_turn(struct broker *broker, uint32_t budget)
{
    times_record(broker);
    counter_set(&broker->counters->requests_now, broker->requests.used);
    uint32_t done = hosted_apply_turn(broker, budget);
    done += fetch_timer_turn(broker);
    done += produce_timer_turn(broker);
    return done + connections_check(broker);
}

uint32_t broker_send_turn(struct broker *broker)
{
    struct list now;
    struct list_node *node;
    uint32_t done = 0;
    list_init(&now);
    if (broker->output_tried_gives != broker->output.gives) {
        broker->output_tried_gives = broker->output.gives;
        list_append_all(&now, &broker->output_waiting);
    }
    list_append_all(&now, &broker->to_send);
    while ((node = list_pop_front(&now)) != NULL) {
        done += connection_send(CONTAINER_OF(node, struct connection, send_node));
    }
    return done;
}

uint64_t broker_next_deadline_ns(const struct broker *broker)
{
    if (!list_empty(&broker->to_send) || operations_waiting(broker) ||
        !list_empty(&broker->busy_reads) ||
        (!list_empty(&broker->runnable) && broker->snapshot != NULL)) {
        return 0;
    }
    uint64_t deadline = fetch_deadline_ns(broker);
    deadline = min_u64(deadline, produce_deadline_ns(broker));
    deadline = min_u64(deadline, slow_deadline_ns(broker));
    deadline = min_u64(deadline, hosted_deadline_ns(broker));
    return min_u64(deadline, connections_deadline_ns(broker));
}

/* ---- Stop ----------------------------------------------------------------------------------- */

void broker_stop(struct broker *broker)
{
    broker->stopping = true;
    LIST_FOR_EACH(node, &broker->idle)
    {
        connection_finish(CONTAINER_OF(node, struct connection, idle_node));
    }
}

bool broker_stopped(const struct broker *broker)
{
    return broker->stopping && broker->connections.used == 0 && broker->requests.used == 0 &&
           broker->foreign == 0 && broker->calls_lent == 0;
}

void broker_finish_log(struct broker *broker)
{
    if (!broker->finishing) {
        broker->finishing = true;
        broker->finish = (struct log_operation){.owner = broker};
        const enum log_status status = log_finish(broker->log, &broker->finish);
        broker->finished = status;
        broker->finishing = status != LOG_BUSY;
    }
}

enum log_status broker_log_finished(const struct broker *broker)
{
    return broker->finished;
}

/* ---- For tests and gdb ---------------------------------------------------------------------- */

void broker_invariants(const struct broker *broker)
{
    uint32_t connections = 0;
    LIST_FOR_EACH(node, &broker->idle)
    {
        connection_invariants(CONTAINER_OF(node, struct connection, idle_node));
        connections++;
    }
    ASSERT(connections == broker->connections.used);
    uint32_t hosted = 0;
    LIST_FOR_EACH(node, &broker->hosted)
    {
        const struct hosted *at = CONTAINER_OF(node, struct hosted, all_node);
        ASSERT(at->state == HOSTED_OPEN || list_linked(&at->change_node));
        ASSERT(list_empty(&at->busy) == !list_linked(&at->busy_node));
        hosted++;
    }
    ASSERT(hosted == broker->hosted_pool.used);
    uint32_t sessions = 0;
    uint32_t items = 0;
    LIST_FOR_EACH(node, &broker->sessions)
    {
        items += CONTAINER_OF(node, struct fetch, node)->item_count;
        sessions++;
    }
    ASSERT(sessions == broker->session_count && items <= broker->session_items);
    ASSERT(broker->pinned_bytes == 0 || broker->fetch_reads.used > 0);
}

bool broker_pools_full(const struct broker *broker)
{
    return broker->connections.used == 0 && broker->requests.used == 0 &&
           broker->pieces.used == 0 && broker->operations.used == 0 &&
           broker->fetches.used == broker->session_count &&
           broker->fetch_items.used == broker->session_items && broker->fetch_reads.used == 0 &&
           broker->legs.used == 0 && broker->calls.used == 0 && broker->buffers_held == 0 &&
           broker->foreign == 0 &&
           broker->frame_memory.units_left == broker->frame_memory.unit_count &&
           broker->stash.units_left == broker->stash.unit_count &&
           broker->output.units_left == broker->output.unit_count && broker->pinned_bytes == 0;
}
