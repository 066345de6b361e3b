#include "tests/storage/log/rig_model.h"

#include "storage/log/producers.h"

static uint32_t model_find(const struct txn_model *model, int64_t producer_id)
{
    uint32_t at = 0;
    while (at < model->open_count && model->open[at].producer_id != producer_id) {
        at++;
    }
    return at;
}

void model_batch(struct txn_model *model, const struct batch_header *header, struct bytes batch)
{
    struct marker marker;
    if (!batch_is_transactional(header)) {
        return;
    }
    const uint32_t at = model_find(model, header->producer_id);
    if (!batch_is_control(header)) {
        if (at == model->open_count) {
            assert_true(at < ARRAY_SIZE(model->open));
            model->open[at].producer_id = header->producer_id;
            model->open[at].first_offset = header->base_offset;
            model->open_count++;
        }
        return;
    }
    assert_true(producers_marker(chain_of(&batch), &marker));
    if (at == model->open_count) {
        return;
    }
    const int64_t first = model->open[at].first_offset;
    memmove(&model->open[at], &model->open[at + 1],
            (model->open_count - at - 1) * sizeof(model->open[0]));
    model->open_count--;
    if (!marker.commit) {
        assert_true(model->aborted_count < ARRAY_SIZE(model->aborted));
        model->aborted[model->aborted_count++] = (struct aborted_txn){
            header->producer_id, first, header->base_offset,
            model->open_count > 0 ? model->open[0].first_offset : header->base_offset + 1};
    }
}

void model_check(const struct txn_model *model, const struct partition *p)
{
    static struct aborted_txn told[RIG_APPENDS];
    const int64_t end = partition_high_watermark(p);
    if (partition_log_start(p) > 0) {
        return; /* The log does not tell everything any more. */
    }
    assert_int_equal(partition_last_stable(p),
                     model->open_count > 0 ? model->open[0].first_offset : end);
    const uint32_t all = partition_aborted(p, 0, INT64_MAX, told, ARRAY_SIZE(told));
    assert_true(all >= model->aborted_count && all <= ARRAY_SIZE(told));
    for (uint32_t i = 0; i < all; i++) {
        if (i >= model->aborted_count) {
            assert_true(told[i].last_offset >= end); /* Its marker is not written yet. */
            continue;
        }
        assert_int_equal(told[i].producer_id, model->aborted[i].producer_id);
        assert_int_equal(told[i].first_offset, model->aborted[i].first_offset);
        assert_int_equal(told[i].last_offset, model->aborted[i].last_offset);
        assert_int_equal(told[i].last_stable_offset, model->aborted[i].last_stable_offset);
    }
}
