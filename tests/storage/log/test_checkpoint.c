/* Checkpoints bound what the next start reads (H13): they are taken in time, and end. */
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/checkpoint.h"
#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static void a_checkpoint_ends_with_its_flush_though_nothing_is_written_after(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(3);
    rig_create(&rig, &options);
    struct partition *p = rig.partitions[0];
    (void)rig_append_wait(&rig, &(struct rig_batch){.records = 1, .value_bytes = 100000});
    assert_true(partition_flushed(p) < partition_end(p));
    assert_true(checkpoint_begin(p));
    rig_settle(&rig);
    assert_false(p->checkpointing);
    assert_int_equal(p->unread_bytes, 0);
    rig_stop(&rig); /* Which such a checkpoint would hold up for ever. */
    assert_true(rig_start(&rig));
    rig_check_after(&rig, false);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_ends_with_its_flush_though_nothing_is_written_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
