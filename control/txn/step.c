#include "control/txn/coordinator.h"

static txn_event_step *const steps[] = {
    [TXN_INIT] = txn_init_step,
    [TXN_ADD_PARTITIONS] = txn_add_step,
    [TXN_ADD_OFFSETS] = txn_add_offsets_step,
    [TXN_END] = txn_end_step,
    [TXN_DESCRIBE] = txn_describe_step,
    [TXN_LIST] = txn_list_step,
    [TXN_MARKERS_WRITTEN] = txn_written_step,
    [TXN_TIME] = txn_time_step,
    [TXN_EXPIRE] = txn_expire_step,
    [TXN_RESUME] = txn_resume_step,
};

void txn_step(struct txn_coordinator *coordinator, const struct txn_event *event,
              struct txn_update *update)
{
    *update = (struct txn_update){.arena = update->arena};
    coordinator->wall_ms = event->wall_ms;
    steps[event->kind](coordinator, event, update);
}
