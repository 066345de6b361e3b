#include "dataplane/broker/operation.h"

#include "dataplane/broker/error_map.h"
#include "dataplane/broker/hosted.h"
#include "dataplane/broker/list_offsets.h"
#include "dataplane/broker/request.h"

HOT_INLINE void operation_init(struct request *request, struct operation *operation,
                               enum operation_kind kind)
{
    memset(operation, 0, offsetof(struct operation, list));
    operation->request = request;
    operation->kind = kind;
    operation->home = (uint16_t)request->broker->core;
    operation->mail.leader_epoch = -1;
    operation->current_epoch = -1;
    *request->operations_end = operation;
    request->operations_end = &operation->next;
}

LINK_INLINE struct operation *operation_first(struct request *request, enum operation_kind kind)
{
    ASSERT_HOT(request->operations == NULL);
    operation_init(request, &request->first, kind);
    return &request->first;
}

struct operation *operation_add(struct request *request, enum operation_kind kind)
{
    if (request->operations == NULL) {
        return operation_first(request, kind);
    }
    struct operation *operation = pool_take(&request->broker->operations);
    if (operation != NULL) {
        operation_init(request, operation, kind);
    }
    return operation;
}

void operation_free(struct broker *broker, struct operation *operation)
{
    if (operation->kind == OPERATION_PRODUCERS && operation->producers.to != NULL) {
        region_give(&broker->output, (const uint8_t *)operation->producers.to,
                    operation->producers.capacity * (uint32_t)sizeof(struct partition_producer));
    }
    if (operation != &operation->request->first) {
        pool_give(&broker->operations, operation);
    }
}

/* ---- Home ----------------------------------------------------------------------------------- */

static void operation_run(struct broker *broker, struct operation *operation);

HOT_INLINE void submit(struct broker *broker, struct operation *operation)
{
    const struct partition_id *id = &operation->mail.partition;
    const uint32_t owner = snapshot_partition_core(&id->topic_id, id->index, broker->core_count);
    operation->request->pending++;
    operation->back = false;
    if (owner == broker->core) {
        count(&broker->counters->mail_local);
        operation_run(broker, operation);
    } else {
        count(&broker->counters->mail_remote);
        operation->mail.kind = MAIL_OPERATION;
        mail_post(broker->setup.mailbox, owner, &operation->mail);
    }
}

void operation_submit(struct broker *broker, struct operation *operation)
{
    submit(broker, operation);
}

static NOINLINE void several_submit(struct request *request)
{
    request->pending++; /* Ours, so that it is not done before all are out. */
    for (struct operation *operation = request->operations; operation != NULL;
         operation = operation->next) {
        if (operation->kind != OPERATION_NONE) {
            operation_submit(request->broker, operation);
        }
    }
    if (request_returned(request)) {
        request->back(request->broker, request);
    }
}

void operations_submit(struct request *request, request_back *back)
{
    request->back = back;
    several_submit(request);
}

LINK_INLINE void operation_submit_one(struct request *request, request_back *back)
{
    request->back = back;
    if (LIKELY(request->first.kind != OPERATION_NONE)) {
        submit(request->broker, &request->first);
    } else {
        several_submit(request);
    }
}

static void operation_returned(struct operation *operation)
{
    struct request *request = operation->request;
    operation->back = true;
    if (request_returned(request) && request->state == REQUEST_RUNNING) {
        request->back(request->broker, request);
    }
}

/* ---- Owner ---------------------------------------------------------------------------------- */

static void operation_answer(struct broker *broker, struct operation *operation)
{
    if (operation->home == broker->core) {
        operation_returned(operation);
    } else {
        broker->foreign--;
        operation->mail.kind = MAIL_OPERATION_DONE;
        mail_post(broker->setup.mailbox, operation->home, &operation->mail);
    }
}

void append_times_record(struct broker *broker)
{
    struct append_run *run = &broker->append_run;
    const uint64_t *stage = run->stage_ns;
    if (stage[0] <= stage[1] && stage[1] <= stage[2] && stage[2] <= stage[3]) {
        stage_record(broker, STAGE_APPEND, stage[1] - stage[0], run->times);
        stage_record(broker, STAGE_SUBMIT, stage[2] - stage[1], run->times);
        stage_record(broker, STAGE_DURABLE, stage[3] - stage[2], run->times);
    }
    run->times = 0;
}

static inline void append_times_note(struct broker *broker, const struct append *append)
{
    struct append_run *run = &broker->append_run;
    if (UNLIKELY(memcmp(run->stage_ns, append->stage_ns, sizeof(run->stage_ns)) != 0)) {
        append_times_record(broker);
        memcpy(run->stage_ns, append->stage_ns, sizeof(run->stage_ns));
    }
    run->times++;
}

static inline void append_finish(struct broker *broker, struct operation *operation)
{
    const struct append *append = &operation->append;
    if (LIKELY(append->status == LOG_OK)) {
        operation->error = ERROR_NONE;
        operation->message = NULL;
        count(&broker->counters->produce_batches);
        counter_add(&broker->counters->produce_bytes, append->batch.len);
        append_times_note(broker, append);
    } else {
        operation->error = error_of_append(append);
        operation->message = error_message_of_append(append);
        count(&broker->counters->produce_errors);
    }
    operation_answer(broker, operation);
}

/* False when the log has no room for it now. */
static bool append_try(struct broker *broker, struct hosted *hosted, struct operation *operation)
{
    const enum log_status status = log_append(broker->log, hosted->partition, &operation->append);
    if (status == LOG_BUSY) {
        return false;
    }
    if (status != LOG_PENDING) {
        operation->append.status = status;
        append_finish(broker, operation);
    }
    return true;
}

static void append_run(struct broker *broker, struct hosted *hosted, struct operation *operation)
{
    operation->append.owner = operation;
    if (list_empty(&hosted->busy) && append_try(broker, hosted, operation)) {
        return;
    }
    count(&broker->counters->log_busy);
    list_push_back(&hosted->busy, &operation->node); /* Behind those before it: order is kept. */
    if (!list_linked(&hosted->busy_node)) {
        list_push_back(&broker->busy_hosted, &hosted->busy_node);
    }
}

/* Queries and the like have no order among each other: they wait in one list. */
static enum log_status query_try(struct broker *broker, struct hosted *hosted,
                                 struct operation *operation)
{
    if (operation->kind == OPERATION_LIST_OFFSETS) {
        return log_query(broker->log, hosted->partition, &operation->list.query);
    }
    return log_delete_records(broker->log, hosted->partition, &operation->delete_records);
}

static void query_finish(struct broker *broker, struct operation *operation, enum log_status status)
{
    operation->error = error_of_log(status);
    if (operation->kind == OPERATION_LIST_OFFSETS && status == LOG_OK) {
        list_offsets_found(operation);
    }
    operation_answer(broker, operation);
}

static void query_run(struct broker *broker, struct hosted *hosted, struct operation *operation)
{
    const enum log_status status = query_try(broker, hosted, operation);
    if (status == LOG_BUSY) {
        list_push_back(&broker->busy_queries, &operation->node);
    } else if (status != LOG_PENDING) {
        query_finish(broker, operation, status);
    }
}

static void producers_run(struct broker *broker, struct hosted *hosted, struct operation *operation)
{
    operation->producers.count = partition_producers(hosted->partition, operation->producers.to,
                                                     operation->producers.capacity);
    operation_answer(broker, operation);
}

/* All but appends, which are most. */
static NOINLINE void other_run(struct broker *broker, struct hosted *hosted,
                               struct operation *operation)
{
    switch (operation->kind) {
    case OPERATION_LIST_OFFSETS:
        if (list_offsets_at_once(hosted->partition, operation)) {
            operation_answer(broker, operation);
        } else {
            operation->list.query.owner = operation;
            query_run(broker, hosted, operation);
        }
        return;
    case OPERATION_EPOCH_END:
        partition_epoch_end(hosted->partition, operation->epoch_end.requested,
                            &operation->epoch_end.epoch, &operation->epoch_end.end_offset);
        operation_answer(broker, operation);
        return;
    case OPERATION_DELETE_RECORDS:
        operation->delete_records.owner = operation;
        query_run(broker, hosted, operation);
        return;
    case OPERATION_PRODUCERS: producers_run(broker, hosted, operation); return;
    case OPERATION_APPEND:
    case OPERATION_NONE: break;
    }
    ASSERT(false);
}

static inline void operation_run(struct broker *broker, struct operation *operation)
{
    struct hosted *hosted =
        hosted_check(broker, &operation->mail.partition, operation->mail.leader_epoch,
                     &operation->error, &operation->current_epoch);
    if (UNLIKELY(hosted == NULL)) {
        operation_answer(broker, operation);
    } else if (LIKELY(operation->kind == OPERATION_APPEND)) {
        append_run(broker, hosted, operation);
    } else {
        other_run(broker, hosted, operation);
    }
}

void operation_mail(struct broker *broker, struct operation *operation)
{
    if (operation->mail.kind == MAIL_OPERATION_DONE) {
        ASSERT(operation->home == broker->core);
        operation_returned(operation);
    } else {
        broker->foreign++;
        operation_run(broker, operation);
    }
}

/* ---- What the log is done with -------------------------------------------------------------- */

void operation_append_done(struct broker *broker, struct append *append)
{
    append_finish(broker, append->owner);
}

void operation_query_done(struct broker *broker, struct log_query *query)
{
    query_finish(broker, query->owner, query->status);
}

void operation_log_done(struct broker *broker, struct log_operation *operation)
{
    if (operation == &broker->finish) {
        broker->finished = operation->status;
    } else if (operation->owner == broker) {
        hosted_operation_done(broker, operation);
    } else {
        query_finish(broker, operation->owner, operation->status);
    }
}

static struct operation *operation_of_node(struct list_node *node)
{
    return CONTAINER_OF(node, struct operation, node);
}

static uint32_t hosted_retry(struct broker *broker, struct hosted *hosted, uint32_t budget)
{
    uint32_t done = 0;
    while (!list_empty(&hosted->busy) && done < budget) {
        struct list_node *node = list_pop_front(&hosted->busy);
        if (!append_try(broker, hosted, operation_of_node(node))) {
            list_push_front(&hosted->busy, node);
            break;
        }
        done++;
    }
    if (list_empty(&hosted->busy)) {
        list_remove(&hosted->busy_node);
    }
    return done;
}

uint32_t operations_retry(struct broker *broker, uint32_t budget)
{
    uint32_t done = 0;
    LIST_FOR_EACH(node, &broker->busy_hosted)
    {
        if (done >= budget) {
            break;
        }
        done += hosted_retry(broker, CONTAINER_OF(node, struct hosted, busy_node), budget - done);
    }
    struct list again;
    list_init(&again);
    list_append_all(&again, &broker->busy_queries);
    struct list_node *node;
    while ((node = list_pop_front(&again)) != NULL) {
        operation_run(broker, operation_of_node(node)); /* Checks afresh; waits again if it must. */
        done++;
    }
    return done;
}

bool operations_waiting(const struct broker *broker)
{
    return !list_empty(&broker->busy_hosted) || !list_empty(&broker->busy_queries);
}

void operations_fail(struct broker *broker, struct hosted *hosted, enum log_status status)
{
    struct list_node *node;
    if (list_linked(&hosted->busy_node)) {
        list_remove(&hosted->busy_node);
    }
    while ((node = list_pop_front(&hosted->busy)) != NULL) {
        struct operation *operation = operation_of_node(node);
        operation->append.status = status;
        append_finish(broker, operation);
    }
}
