/* DeleteRecords: the log start moves at once, and durably before it is answered (B34). */
#include "storage/log/checkpoint.h"

enum log_status log_delete_records(struct log *log, struct partition *p,
                                   struct log_operation *operation)
{
    ASSERT_HOT(p->log == log);
    const int64_t offset = operation->offset == -1 ? p->written : operation->offset;
    operation->node = (struct list_node){0};
    operation->partition = p;
    operation->status = LOG_PENDING;
    if (p->phase != PHASE_RUNNING || log->finish != NULL) {
        return log->finish != NULL ? LOG_CLOSED : partition_state(p);
    }
    if (offset < 0 || offset > p->written) {
        return LOG_OFFSET_OUT_OF_RANGE;
    }
    if (offset > p->log_start) {
        p->log_start = offset;
        if (epoch_cache_truncate_start(&p->epochs, offset)) {
            p->epochs_dirty = true;
        }
        log_announce(p);
    }
    list_push_back(&p->start_operations, &operation->node);
    partition_touch(p);
    log_kick(p);
    return LOG_PENDING;
}

/* What waits and is not being written comes back with the reason why the partition does not run. */
void records_fail_waiting(struct partition *p)
{
    LIST_FOR_EACH(node, &p->start_operations)
    {
        if (!p->sidecar_writing) {
            list_remove(node);
            log_operation_end(p->log, CONTAINER_OF(node, struct log_operation, node),
                              partition_state(p));
        }
    }
}

/* The mark is rewritten when no checkpoint is about to replace it. */
void records_progress(struct partition *p)
{
    if (list_empty(&p->start_operations) || p->sidecar_writing ||
        (p->checkpoint_job != NULL && p->checkpoint_job->checkpoint.posted) ||
        (p->roll_job != NULL && p->roll_job->checkpoint.posted)) {
        return;
    }
    checkpoint_log_start(p);
}
