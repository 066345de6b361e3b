#include "control/metadata/store.h"

enum metadata_status metadata_open(struct store *store, struct file_system *files,
                                   const char *parent, int32_t node_id,
                                   _Atomic uint32_t *flushes_failed, int64_t wall_ms)
{
    memset(store, 0, sizeof(*store));
    image_init(&store->image, node_id);
    enum metadata_status status =
        metadata_log_open(&store->log, files, parent, node_id, flushes_failed);
    const struct metadata_reader reader = {image_replay, &store->image};
    if (status == METADATA_OK) {
        status = metadata_log_load(&store->log, &reader);
    }
    if (status == METADATA_OK) {
        status = metadata_log_lead(&store->log, wall_ms);
    }
    if (status != METADATA_OK) {
        image_free(&store->image);
        metadata_log_close(&store->log);
        return status;
    }
    store->open = true;
    return METADATA_OK;
}

void metadata_close(struct store *store)
{
    if (store->open) {
        metadata_log_close(&store->log);
    }
    image_free(&store->image);
    changes_free(&store->staged);
    changes_free(&store->state);
    store->open = false;
}

void metadata_apply(struct store *store)
{
    struct bytes record;
    char reason[METADATA_REASON_BYTES];
    while (changes_next(&store->staged, &store->replayed, &record)) {
        const enum metadata_status status =
            image_replay(&store->image, record, reason, sizeof(reason));
        ASSERT(status == METADATA_OK);
    }
}

enum metadata_status metadata_commit(struct store *store, int64_t wall_ms)
{
    ASSERT(store->replayed == store->staged.used);
    if (store->staged.count == 0) {
        return METADATA_OK;
    }
    const enum metadata_status status = metadata_log_commit(&store->log, &store->staged, wall_ms);
    if (status != METADATA_OK) {
        store->failures++;
        store->stale = true;
        (void)metadata_reload(store);
        return status;
    }
    store->commits++;
    changes_reset(&store->staged);
    store->replayed = 0;
    return METADATA_OK;
}

bool metadata_reload(struct store *store)
{
    changes_reset(&store->staged);
    store->replayed = 0;
    if (!store->stale) {
        return true;
    }
    char reason[METADATA_REASON_BYTES]; /* Of the failed commit: it says more than a reload's. */
    memcpy(reason, store->log.reason, sizeof(reason));
    struct image fresh;
    image_init(&fresh, store->image.node_id);
    const struct metadata_reader reader = {image_replay, &fresh};
    const enum metadata_status status = metadata_log_load(&store->log, &reader);
    store->stale = status != METADATA_OK;
    if (store->stale) {
        image_free(&fresh);
    } else {
        image_carry_over(&fresh, &store->image);
        image_free(&store->image);
        store->image = fresh;
    }
    memcpy(store->log.reason, reason, sizeof(reason));
    return !store->stale;
}

void metadata_checkpoint_turn(struct store *store)
{
    if (!store->open || store->stale || store->staged.count > 0 ||
        !metadata_log_wants_checkpoint(&store->log)) {
        return;
    }
    changes_reset(&store->state);
    image_write(&store->image, &store->state);
    if (metadata_log_checkpoint(&store->log, &store->state) == METADATA_OK) {
        store->checkpoints++;
    } else {
        store->failures++;
    }
}
