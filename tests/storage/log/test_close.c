#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "storage/log/jobs.h"
#include "tests/storage/log/rig.h"

#ifdef __SANITIZE_ADDRESS__
enum { PARTITIONS = 1000, APPENDED_TO = 100 };
#else
enum { PARTITIONS = 3000, APPENDED_TO = 300 };
#endif

static void an_idle_partition_holds_next_to_nothing(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.config.segment_bytes = 200000;
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 120; i++) {
        (void)rig_append_wait(&rig, &(struct rig_batch){.records = 1,
                                                        .value_bytes = 4500,
                                                        .producer_id = 1000 + i,
                                                        .ack = APPEND_ACK_FLUSHED});
    }
    struct log *log = rig.log;
    assert_true(log->arena.free_bytes < options.arena_bytes);
    rig_run_ms(&rig, 15000); /* H8. */
    assert_int_equal(log->arena.free_bytes, options.arena_bytes);
    assert_int_equal(log->handle_pool.used, 0);
    assert_int_equal(log->chunk_pool.used, 0);
    assert_int_equal(log_counters(log)->open_files, 0);
    assert_true(rig.partitions[0]->sidecar.sealed);
    const size_t own = sizeof(struct partition) + 4 * sizeof(struct segment) +
                       sizeof(struct index_chunk) + sizeof(struct epoch_block);
    assert_true(own <= 16 << 10);
    const struct segment *active = rig.partitions[0]->active;
    char path[128];
    (void)snprintf(path, sizeof(path), "/data0/orders-0/%020ld.log", (long)active->base_offset);
    assert_int_equal(sim_machine_file_size(rig.machine, path), active->size); /* H9. */
    rig_check_segment(&rig, 0, active->base_offset);
    assert_true(active->base_offset > 0); /* It was nearly full: the next file was ready. */
    assert_true(sim_machine_file_size(rig.machine, "/data0/orders-0/millrace.next") < 0);
    const struct rig_append *a = rig_append_wait(
        &rig, &(struct rig_batch){.records = 1, .value_bytes = 10, .ack = APPEND_ACK_FLUSHED});
    assert_int_equal(a->append.status, LOG_OK); /* And wakes up again. */
    rig_check(&rig);
    rig_destroy(&rig);
}

static void thousands_of_partitions_share_one_log(void **state)
{
    (void)state;
    static struct rig rig;
    static struct log_operation operations[PARTITIONS];
    static struct rig_append appends[APPENDED_TO];
    struct rig_options options = rig_options(1);
    options.partition_count_max = PARTITIONS + 1;
    options.open_files = 128;
    options.arena_bytes = 4 << 20;
    rig_create(&rig, &options);
    struct rig_append *model = rig_append_wait(
        &rig, &(struct rig_batch){.records = 1, .value_bytes = 100, .ack = APPEND_ACK_WRITTEN});
    uint32_t opened = 0;
    for (uint32_t i = 0; i < PARTITIONS;) {
        struct partition_spec spec = {.topic_name = {(const uint8_t *)"many", 4},
                                      .config = options.config};
        spec.id.topic_id.bytes[0] = 7;
        spec.id.index = i;
        const enum log_status status = log_open(rig.log, &spec, &operations[i]);
        assert_true(status == LOG_PENDING || status == LOG_BUSY);
        i += status == LOG_PENDING;
        if (status == LOG_BUSY) {
            assert_true(rig_turn(&rig));
        }
    }
    while (opened < PARTITIONS && rig_turn(&rig)) {
        struct log_operation *done;
        while ((done = log_operation_done(rig.log)) != NULL) {
            assert_int_equal(done->status, LOG_OK);
            opened++;
        }
    }
    for (uint32_t i = 0; i < APPENDED_TO; i++) {
        appends[i].piece = model->piece;
        appends[i].append = (struct append){.batch = chain_of(&appends[i].piece),
                                            .ack = APPEND_ACK_WRITTEN,
                                            .api_version = 9,
                                            .owner = &appends[i]};
        appends[i].lent = true;
        assert_int_equal(log_append(rig.log, operations[i].partition, &appends[i].append),
                         LOG_PENDING);
    }
    rig_settle(&rig);
    for (uint32_t i = 0; i < APPENDED_TO; i++) {
        assert_int_equal(appends[i].append.status, LOG_OK);
    }
    assert_true(log_counters(rig.log)->open_files <= 128 + 64);
    rig_run_ms(&rig, 25000);
    assert_int_equal(rig.log->arena.free_bytes, options.arena_bytes);
    assert_int_equal(rig.log->handle_pool.used, 0);
    assert_int_equal(rig.log->unread_bytes, 0);
    rig_destroy(&rig);
}

static void a_deleted_partition_leaves_nothing_behind(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct rig_options options = rig_options(seed);
        options.config.segment_bytes = 60000;
        options.config.file_delete_delay_ms = 3000;
        options.partitions = 2;
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 30; i++) {
            (void)rig_append(&rig, &(struct rig_batch){.partition = i % 2,
                                                       .records = 1,
                                                       .value_bytes = 9000,
                                                       .ack = APPEND_ACK_FLUSHED});
            if (i % 5 == 4) {
                rig_run_ms(&rig, seed % 3);
            }
        }
        struct log_read read = {.offset = 0, .upper_offset = INT64_MAX, .bytes_max = 1000};
        const bool holding = log_read(rig.log, rig.partitions[0], &read) == LOG_OK;
        struct log_operation operation = {0};
        assert_int_equal(log_delete(rig.log, rig.partitions[0], &operation), LOG_PENDING);
        while (operation.status == LOG_PENDING && rig_turn(&rig)) {
            (void)log_operation_done(rig.log);
        }
        assert_int_equal(operation.status, LOG_OK);
        for (uint32_t i = 0; i < 30; i += 2) { /* Nobody waits for ever. */
            assert_true(rig.appends[i].answered);
            assert_true(rig.appends[i].append.status == LOG_OK ||
                        rig.appends[i].append.status == LOG_CLOSED);
        }
        const struct partition_id id = {
            .topic_id = {{0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,
                          0x42, 0x42, 0x42, 0x42}},
            .index = 0};
        assert_null(log_find(rig.log, &id));
        assert_true(sim_machine_file_size(rig.machine, "/data0/orders-0/partition.metadata") < 0);
        for (uint32_t i = 0; holding && i < read.extent_count; i++) {
            log_extent_release(rig.log, read.extents[i].hold);
        }
        rig_run_ms(&rig, 6000);
        struct found_partition *found;
        assert_int_equal(data_directory_list(rig.fs, &rig.directories[0], &found), 1);
        assert_int_equal(found[0].id.index, 1);
        free(found);
        rig.partitions[0] = rig.partitions[1];
        rig_destroy(&rig);
    }
}

static void finishing_answers_what_was_handed_in_and_refuses_more(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rig_options options = rig_options(seed);
        options.config.segment_bytes = 60000;
        options.partitions = 2;
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 20; i++) {
            (void)rig_append(&rig, &(struct rig_batch){.partition = i % 2,
                                                       .records = 1,
                                                       .value_bytes = 9000,
                                                       .ack = APPEND_ACK_FLUSHED});
        }
        struct log_operation operation = {0};
        assert_int_equal(log_finish(rig.log, &operation), LOG_PENDING);
        const struct rig_append *late = rig_put(&rig, 10, APPEND_ACK_WRITTEN);
        assert_int_equal(late->append.status, LOG_CLOSED);
        while (operation.status == LOG_PENDING && rig_turn(&rig)) {
            (void)log_operation_done(rig.log);
        }
        assert_int_equal(operation.status, LOG_OK);
        for (uint32_t i = 0; i < 20; i++) {
            assert_int_equal(rig.appends[i].append.status, LOG_OK);
        }
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        for (uint32_t i = 0; i < 2; i++) {
            assert_int_equal(rig.reports[i].cut_bytes, 0);
            assert_false(rig.reports[i].rebuilt_index);
            rig_check_segment(&rig, i, rig.partitions[i]->active->base_offset);
        }
        rig_check_after(&rig, false);
        rig_destroy(&rig);
    }
}

static void what_was_reserved_for_a_batch_that_was_refused_does_not_stay(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    struct rig_batch batch = {.records = 1,
                              .value_bytes = 9000,
                              .ack = APPEND_ACK_FLUSHED,
                              .producer_id = 1000,
                              .attributes = BATCH_TRANSACTIONAL};
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    rig_run_ms(&rig, 30000); /* Idle, so it is sealed. */
    batch.producer_id++;
    batch.unverified = true;
    assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_TXN_UNVERIFIED);
    assert_true(rig.partitions[0]->active->reserved > rig.partitions[0]->active->size);
    rig_stop(&rig);
    rig_check_segment(&rig, 0, 0);
    rig_destroy(&rig);
}

/* What is checked beside the core has left no trace in the log yet: in one without a segment, or
 * one that was sealed. */
static void finishing_waits_for_batches_that_are_being_checked(void **state)
{
    (void)state;
    static struct rig rig;
    static const struct {
        int8_t compression;
        uint32_t value_bytes;
    } cases[] = {{BATCH_CODEC_GZIP, 100}, {-1, INLINE_BATCH_BYTES_MAX}};
    for (uint32_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
        struct rig_options options = rig_options(1);
        options.config.compression = cases[i / 2].compression;
        options.config.compression_level = INT32_MIN;
        options.config.max_message_bytes = 2 << 20;
        rig_create(&rig, &options);
        if (i % 2 == 1) {
            (void)rig_put(&rig, 10, APPEND_ACK_FLUSHED);
            rig_run_ms(&rig, IDLE_NS / MS_NS + 1000);
            assert_true(rig.partitions[0]->sidecar.sealed);
        }
        const struct rig_append *a = rig_put(&rig, cases[i / 2].value_bytes, APPEND_ACK_FLUSHED);
        struct log_operation operation = {0};
        assert_int_equal(log_finish(rig.log, &operation), LOG_PENDING);
        while (operation.status == LOG_PENDING && rig_turn(&rig)) {
            (void)log_operation_done(rig.log);
        }
        assert_int_equal(operation.status, LOG_OK);
        assert_int_equal(a->append.status, LOG_OK);
        rig_power_cut(&rig);
        assert_true(rig_start(&rig));
        rig_check_after(&rig, false);
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_partition_holds_next_to_nothing),
        cmocka_unit_test(thousands_of_partitions_share_one_log),
        cmocka_unit_test(a_deleted_partition_leaves_nothing_behind),
        cmocka_unit_test(finishing_answers_what_was_handed_in_and_refuses_more),
        cmocka_unit_test(what_was_reserved_for_a_batch_that_was_refused_does_not_stay),
        cmocka_unit_test(finishing_waits_for_batches_that_are_being_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
