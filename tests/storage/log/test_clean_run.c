/* The two passes of a compaction: whatever the sizes, the bounds and the troubles. */
#include <errno.h>
#include <stdio.h>

#include "tests/storage/log/clean_model.h"

static void fill(struct clean_run *run, uint32_t batches, uint32_t keys)
{
    for (uint32_t i = 0; i < batches; i++) {
        clean_tell_something(run, keys);
    }
}

static uint64_t failures(const struct clean_run *run)
{
    return log_counters(run->rig.log)->clean_failures;
}

/* A map of 64 KiB holds some 2,450 keys: one pass cannot do it. */
static void what_does_not_fit_into_the_map_is_done_in_passes(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    struct rig_options options = clean_options(3);
    options.config.clean_map_bytes = 1;
    options.config.clean_load_percent = 1;
    options.config.dirty_ratio_millionths = 0;
    clean_run_begin(&run, &options);
    fill(&run, 120, CLEAN_KEYS_MAX); /* 27 of 64 keys at a time. */
    clean_wait(&run.rig);
    assert_true(log_counters(run.rig.log)->cleanings > 3);
    clean_check(&run, true, false, &there);
    assert_true(there.records < (uint32_t)run.end * 9 / 10);
    rig_destroy(&run.rig);
}

/* The first guess at the map's size is by the bytes there are: 27 keys here. */
static void a_batch_of_many_keys_in_few_bytes_is_compacted(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    struct rig_options options = clean_options(14);
    options.config.clean_load_percent = 1;
    options.config.segment_bytes = 4096;
    options.config.dirty_ratio_millionths = 0;
    clean_run_begin(&run, &options);
    for (uint32_t i = 0; i < 12; i++) {
        const struct rig_batch batch = {.records = 120,
                                        .value_bytes = 12,
                                        .ack = APPEND_ACK_FLUSHED,
                                        .codec = BATCH_CODEC_ZSTD,
                                        .keys = CLEAN_KEYS_MAX};
        assert_int_equal(clean_tell(&run, &batch)->append.status, LOG_OK);
        rig_run_ms(&run.rig, 500);
    }
    clean_wait(&run.rig);
    assert_int_equal(log_counters(run.rig.log)->uncleanable_partitions, 0);
    assert_true(run.rig.partitions[0]->clean_offset > 0);
    clean_check(&run, true, true, &there);
    rig_destroy(&run.rig);
}

static void batches_larger_than_the_buffers_go_through(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    struct rig_options options = clean_options(4);
    options.config.segment_bytes = 256 << 10;
    options.config.clean_io_bytes = 1;
    clean_run_begin(&run, &options);
    for (uint32_t i = 0; i < 16; i++) {
        const struct rig_batch batch = {.records = 3,
                                        .value_bytes = i % 3 == 0 ? 40000 : 500,
                                        .ack = APPEND_ACK_FLUSHED,
                                        .codec = i % 2 == 0 ? BATCH_CODEC_NONE : BATCH_CODEC_ZSTD,
                                        .keys = 4};
        assert_int_equal(clean_tell(&run, &batch)->append.status, LOG_OK);
    }
    clean_wait(&run.rig);
    clean_check(&run, true, true, &there);
    assert_true(run.rig.partitions[0]->clean_offset > 0);
    clean_check_files(&run.rig);
    rig_destroy(&run.rig);
}

/* Compacts what was told with compaction held back. Bytes of the log before, and bytes read. */
static void clean_at_once(struct clean_run *run, uint64_t *bytes, uint64_t *read)
{
    struct partition *p = run->rig.partitions[0];
    *bytes = p->data_bytes;
    p->config.clean_enabled = true;
    clean_wait(&run->rig);
    *read = log_counters(run->rig.log)->clean_read_bytes;
}

static struct rig_options held_back(uint64_t seed)
{
    struct rig_options options = clean_options(seed);
    options.config.clean_enabled = false;
    options.config.segment_bytes = 128 << 10;
    options.config.index_interval_bytes = 1;
    options.config.clean_io_bytes = 1;
    return options;
}

/* Batches of which no multiple fits into the window, and no index to pass over any. */
static void each_pass_reads_every_byte_once(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    struct rig_options options = held_back(6);
    options.config.index_interval_bytes = 1 << 20;
    clean_run_begin(&run, &options);
    const struct rig_batch batch = {
        .records = 3, .value_bytes = 2500, .ack = APPEND_ACK_FLUSHED, .keys = 4};
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(clean_tell(&run, &batch)->append.status, LOG_OK);
    }
    const uint64_t blocks = 2ull * BLOCK * run.rig.partitions[0]->segment_count;
    uint64_t bytes;
    uint64_t read;
    clean_at_once(&run, &bytes, &read);
    clean_check(&run, true, true, &there);
    assert_in_range(read, bytes, 2 * bytes + blocks); /* The last block of each, in each pass. */
    rig_destroy(&run.rig);
}

enum index_damage { INDEX_WHOLE, INDEX_POSITIONS, INDEX_OFFSETS, INDEX_DAMAGES };

/* Positions in the midst of batches, or offsets far too low. */
static void damage_index(struct sim_machine *machine, enum index_damage damage)
{
    static const char index[] = "/data0/orders-0/00000000000000000000.index";
    const int64_t size = sim_machine_file_size(machine, index);
    for (uint32_t i = 0; damage != INDEX_WHOLE && i < size / OFFSET_INDEX_ENTRY_BYTES; i++) {
        const uint64_t at = (uint64_t)i * OFFSET_INDEX_ENTRY_BYTES;
        uint8_t low[4];
        store_be32(low, i);
        assert_int_equal(damage == INDEX_POSITIONS
                             ? sim_machine_flip_bit(machine, index, at + 7, 3)
                             : sim_machine_poke(machine, index, low, sizeof(low), at),
                         0);
    }
}

/* In the second pass only what may have to stay is looked for, by the index. One that leads into
 * the midst of batches, or past something live, is not followed. */
static void what_is_dead_is_not_read_again(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    uint64_t bytes;
    uint64_t read[INDEX_DAMAGES];
    for (enum index_damage damage = INDEX_WHOLE; damage < INDEX_DAMAGES; damage++) {
        const struct rig_options options = held_back(7);
        clean_run_begin(&run, &options);
        fill(&run, 40, 5);
        clean_tell_something(&run, CLEAN_KEYS_MAX); /* Keys nobody writes again. */
        fill(&run, 360, 5);
        damage_index(run.rig.machine, damage);
        clean_at_once(&run, &bytes, &read[damage]);
        clean_check(&run, true, true, &there);
        assert_int_equal(log_counters(run.rig.log)->uncleanable_partitions, 0);
        rig_destroy(&run.rig);
    }
    print_message("# of %llu bytes %llu read, %llu and %llu with a damaged index\n",
                  (unsigned long long)bytes, (unsigned long long)read[INDEX_WHOLE],
                  (unsigned long long)read[INDEX_POSITIONS],
                  (unsigned long long)read[INDEX_OFFSETS]);
    assert_true(read[INDEX_WHOLE] < bytes * 5 / 4);
    assert_true(read[INDEX_WHOLE] < read[INDEX_POSITIONS]);
    assert_true(read[INDEX_WHOLE] < read[INDEX_OFFSETS]);
}

/* Compacts, and appends to another partition meanwhile. The most that one slice read, and how many
 * turns it waited for. */
static uint64_t clean_beside(struct clean_run *run, bool beside, uint32_t *waited)
{
    const struct rig_batch batch = {
        .partition = 1, .records = 1, .value_bytes = 100, .ack = APPEND_ACK_WRITTEN, .keys = 1};
    const struct log *log = run->rig.log;
    const struct cleaner *cleaner = log->cleaner;
    const struct rig_append *slot = NULL;
    uint64_t most = 0;
    run->rig.partitions[0]->config.clean_enabled = true;
    while (log_counters(log)->cleanings == 0) {
        if (beside && (slot == NULL || !slot->lent)) {
            slot = rig_append(&run->rig, &batch);
        }
        const uint64_t before = log_counters(log)->clean_read_bytes;
        assert_true(rig_turn(&run->rig));
        most = max_u64(most, log_counters(log)->clean_read_bytes - before);
        *waited += cleaner->phase == CLEAN_MAPPING && !cleaner->out;
    }
    return most;
}

static void beside_others_it_takes_small_steps_and_pauses(void **state)
{
    (void)state;
    enum { GENTLE_BYTES = 256 << 10 };
    static struct clean_run run;
    static struct clean_there there;
    for (uint32_t beside = 0; beside < 2; beside++) {
        struct rig_options options = clean_options(19);
        options.partitions = 2;
        options.arena_bytes = 16 << 20;
        options.config.clean_enabled = false;
        options.config.segment_bytes = 4 << 20;
        options.config.clean_io_bytes = 1 << 20;
        clean_run_begin(&run, &options);
        for (uint32_t i = 0; i < 90; i++) {
            const struct rig_batch batch = {
                .records = 3, .value_bytes = 40000, .ack = APPEND_ACK_FLUSHED, .keys = 4};
            assert_int_equal(clean_tell(&run, &batch)->append.status, LOG_OK);
        }
        rig_run_ms(&run.rig, 200);
        uint32_t waited = 0;
        const uint64_t most = clean_beside(&run, beside == 1, &waited);
        if (beside == 0) {
            assert_in_range(most, 4 * GENTLE_BYTES, 16 * GENTLE_BYTES);
            assert_int_equal(waited, 0);
        } else {
            assert_in_range(most, 1, 2 * GENTLE_BYTES);
            assert_true(waited > 0);
        }
        clean_check(&run, true, true, &there);
        rig_destroy(&run.rig);
    }
}

static void a_limit_of_bytes_a_second_is_kept(void **state)
{
    (void)state;
    static struct clean_run run;
    struct rig_options options = clean_options(5);
    options.config.clean_bytes_per_second = 20000;
    clean_run_begin(&run, &options);
    run.rig.options.config.clean_bytes_per_second = 20000;
    fill(&run, 60, 9);
    const struct partition *p = run.rig.partitions[0];
    const struct log_counters *counters = log_counters(run.rig.log);
    const uint64_t from_ns = sim_machine_now_ns(run.rig.machine);
    while (p->clean_offset < p->sidecar.segment_base || clean_running(&run.rig)) {
        rig_run_ms(&run.rig, 100);
    }
    const uint64_t bytes = counters->clean_read_bytes + counters->clean_written_bytes;
    const uint64_t took_ns = sim_machine_now_ns(run.rig.machine) - from_ns;
    assert_true(bytes > 100000); /* Virtual time. */
    assert_true(took_ns >= (bytes - 70000) / 20000 * SEC_NS);
    rig_destroy(&run.rig);
}

static void a_full_device_stops_it_and_it_goes_on_when_there_is_room(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        const struct rig_options options = clean_options(seed);
        clean_run_begin(&run, &options);
        run.rig.partitions[0]->config.clean_enabled = false;
        fill(&run, 80, 20);
        sim_device_set_capacity(run.rig.machine, 0, (seed - 1) * 9000, ENOSPC);
        run.rig.partitions[0]->config.clean_enabled = true;
        for (uint32_t i = 0; i < 100 && failures(&run) == 0; i++) {
            rig_run_ms(&run.rig, 100);
        }
        assert_true(failures(&run) > 0);
        clean_check(&run, true, false, &there);
        sim_device_set_capacity(run.rig.machine, 0, UINT64_MAX, ENOSPC);
        clean_wait(&run.rig);
        clean_check(&run, true, true, &there);
        assert_int_equal(log_counters(run.rig.log)->uncleanable_partitions, 0);
        rig_destroy(&run.rig);
    }
}

static void any_failed_operation_of_it_loses_nothing(void **state)
{
    (void)state;
    static const enum sim_operation operations[] = {SIM_CREATE, SIM_OPEN, SIM_WRITE, SIM_FLUSH,
                                                    SIM_TRUNCATE};
    static struct clean_run run;
    static struct clean_there there;
    uint32_t failed = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(operations) * 6; i++) {
        const struct rig_options options = clean_options(i);
        clean_run_begin(&run, &options);
        run.rig.partitions[0]->config.clean_enabled = false;
        fill(&run, 50, 20);
        const struct sim_fault fault = {.operation = operations[i % ARRAY_SIZE(operations)],
                                        .error = EIO,
                                        .skip = i / ARRAY_SIZE(operations) * 2,
                                        .count = 1,
                                        .path = ".cleaned"};
        sim_machine_add_fault(run.rig.machine, &fault);
        run.rig.partitions[0]->config.clean_enabled = true;
        clean_wait(&run.rig);
        failed += failures(&run) > 0;
        clean_check(&run, true, true, &there);
        sim_machine_clear_faults(run.rig.machine);
        rig_kill(&run.rig);
        assert_true(rig_start(&run.rig));
        clean_check(&run, true, false, &there);
        rig_destroy(&run.rig);
    }
    assert_true(failed > 8);
}

static void a_damaged_segment_is_not_compacted_and_is_not_touched(void **state)
{
    (void)state;
    static struct clean_run run;
    const struct rig_options options = clean_options(9);
    clean_run_begin(&run, &options);
    run.rig.partitions[0]->config.clean_enabled = false;
    fill(&run, 60, 9);
    const uint32_t segments = run.rig.partitions[0]->segment_count;
    assert_int_equal(
        sim_machine_flip_bit(run.rig.machine, "/data0/orders-0/00000000000000000000.log", 9000, 3),
        0);
    run.rig.partitions[0]->config.clean_enabled = true;
    rig_run_ms(&run.rig, 10000);
    assert_int_equal(log_counters(run.rig.log)->uncleanable_partitions, 1);
    assert_int_equal(log_counters(run.rig.log)->clean_failures, 1); /* Not tried again. */
    assert_int_equal(log_counters(run.rig.log)->cleanings, 0);
    assert_int_equal(run.rig.partitions[0]->segment_count, segments);
    assert_int_equal(
        sim_machine_file_size(run.rig.machine, "/data0/orders-0/00000000000000000000.log.cleaned"),
        -ENOENT);
    rig_destroy(&run.rig);
}

static void count_cleaned(void *context, const char *name, bool directory)
{
    uint32_t *count = context;
    *count += !directory && strstr(name, ".cleaned") != NULL;
}

static uint32_t cleaned_files(const struct clean_run *run)
{
    uint32_t count = 0;
    assert_int_equal(sim_machine_list(run->rig.machine, "/data0/orders-0", count_cleaned, &count),
                     0);
    return count;
}

static void empty_segment(struct clean_run *run, const struct segment *s)
{
    static const char *const suffixes[] = {"log", "index", "timeindex"};
    char path[128];
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        (void)snprintf(path, sizeof(path), "/data0/orders-0/%020ld.%s", (long)s->base_offset,
                       suffixes[i]);
        assert_int_equal(file_replace(run->rig.fs, path, "", 0, true), 0);
    }
    for (int64_t offset = s->base_offset; offset < segment_end(s); offset++) {
        run->told[offset].acknowledged = false;
    }
}

/* Kafka's cleaner leaves such. A .cleaned file that stays would make a start drop a later swap. */
static void segments_without_a_batch_leave_nothing_behind(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct rig_options options = clean_options(seed);
        clean_run_begin(&run, &options);
        run.rig.partitions[0]->config.clean_enabled = false;
        fill(&run, 160, 20);
        uint32_t number = 0;
        LIST_FOR_EACH(node, &run.rig.partitions[0]->segments)
        {
            const struct segment *s = CONTAINER_OF(node, struct segment, node);
            if (number == 1 || (number == 2 && seed % 2 == 0) || number == 4) {
                empty_segment(&run, s);
            }
            number++;
        }
        assert_true(number > 5);
        run.rig.options.config.clean_enabled = false;
        rig_kill(&run.rig);
        assert_true(rig_start(&run.rig));
        /* Those before them fit no more into one with others: [full, empty] and [empty, empty]. */
        run.rig.partitions[0]->config.segment_bytes = seed % 2 == 0 ? 8192 : 16384;
        run.rig.partitions[0]->config.clean_enabled = true;
        clean_wait(&run.rig);
        assert_int_equal(cleaned_files(&run), 0);
        clean_check(&run, true, true, &there);
        rig_kill(&run.rig);
        assert_true(rig_start(&run.rig));
        clean_check(&run, true, false, &there);
        rig_destroy(&run.rig);
    }
}

static void where_its_leftovers_stay_nothing_more_is_compacted(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    const struct rig_options options = clean_options(10);
    const struct sim_fault faults[] = {
        {.operation = SIM_WRITE, .error = EIO, .skip = 3, .count = 1, .path = ".cleaned"},
        {.operation = SIM_UNLINK, .error = EIO, .path = ".cleaned"}};
    clean_run_begin(&run, &options);
    run.rig.partitions[0]->config.clean_enabled = false;
    fill(&run, 60, 9);
    sim_machine_add_fault(run.rig.machine, &faults[0]);
    sim_machine_add_fault(run.rig.machine, &faults[1]);
    run.rig.partitions[0]->config.clean_enabled = true;
    rig_run_ms(&run.rig, 8000);
    assert_int_equal(log_counters(run.rig.log)->uncleanable_partitions, 1);
    assert_true(cleaned_files(&run) > 0);
    clean_check(&run, true, false, &there);
    sim_machine_clear_faults(run.rig.machine);
    rig_kill(&run.rig);
    assert_true(rig_start(&run.rig));
    clean_wait(&run.rig);
    assert_int_equal(cleaned_files(&run), 0);
    clean_check(&run, true, true, &there);
    rig_destroy(&run.rig);
}

/* cleanup.policy empty: neither is done, and records are deleted on demand. */
static void without_a_policy_everything_stays(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    struct rig_options options = clean_options(15);
    options.config.cleanup_compact = false;
    options.config.cleanup_delete = false;
    options.config.retention_ms = 1;
    options.config.retention_bytes = 1;
    clean_run_begin(&run, &options);
    fill(&run, 80, 9);
    const struct partition *p = run.rig.partitions[0];
    const uint32_t segments = p->segment_count;
    rig_run_ms(&run.rig, 30000);
    assert_int_equal(log_counters(run.rig.log)->clean_read_bytes, 0);
    assert_int_equal(p->segment_count, segments);
    assert_int_equal(partition_log_start(p), 0);
    clean_read_everything(&run, &there);
    assert_int_equal(there.records, run.end);
    struct log_operation operation = {.offset = run.end / 2};
    assert_int_equal(log_delete_records(run.rig.log, run.rig.partitions[0], &operation),
                     LOG_PENDING);
    while (operation.status == LOG_PENDING && rig_turn(&run.rig)) {
        (void)log_operation_done(run.rig.log);
    }
    rig_run_ms(&run.rig, 10000);
    assert_true(p->segment_count < segments);
    rig_destroy(&run.rig);
}

static void a_tombstone_goes_when_its_time_is_over(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    struct rig_options options = clean_options(12);
    options.config.delete_retention_ms = 20000;
    clean_run_begin(&run, &options);
    fill(&run, 60, 30);
    clean_wait(&run.rig);
    clean_check(&run, true, true, &there);
    assert_true(there.horizons > 0);
    rig_run_ms(&run.rig, 25000); /* The horizon alone makes nothing dirty: as in Kafka. */
    clean_check(&run, true, true, &there);
    const int64_t old = run.rig.partitions[0]->clean_offset;
    fill(&run, 40, 30);
    clean_wait(&run.rig);
    clean_check(&run, false, false, &there);
    for (int64_t offset = 0; offset < old; offset++) {
        assert_true(!there.record[offset] || !run.told[offset].tombstone);
    }
    rig_destroy(&run.rig);
}

/* The last batches of producers keep their places: a repeat is answered, sequences go on, also
 * where only the log tells of them. */
static void check_producer(const struct rig_options *options, uint32_t batches)
{
    static struct clean_run run;
    static struct clean_there there;
    clean_run_begin(&run, options);
    struct rig_batch batch = {
        .records = 2, .value_bytes = 300, .ack = APPEND_ACK_FLUSHED, .keys = 3, .producer_id = 500};
    fill(&run, batches / 2, 3);
    const int64_t first = run.end;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(clean_tell(&run, &batch)->append.status, LOG_OK);
        batch.sequence += 2;
    }
    const struct rig_append *last = &run.rig.appends[batches / 2 + 2];
    fill(&run, batches, 3);
    run.rig.partitions[0]->config.clean_enabled = true;
    clean_wait(&run.rig);
    assert_true(run.rig.partitions[0]->clean_offset > first + 6);
    clean_check(&run, true, true, &there);
    assert_true(there.batch[first + 5]);
    rig_kill(&run.rig);
    assert_true(rig_start(&run.rig));
    const struct rig_append *again = rig_repeat(&run.rig, last, APPEND_ACK_FLUSHED);
    rig_settle(&run.rig);
    assert_int_equal(again->append.status, LOG_OK);
    assert_int_equal(again->append.base_offset, first + 4);
    assert_int_equal(clean_tell(&run, &batch)->append.status, LOG_OK);
    rig_destroy(&run.rig);
}

static void idempotent_producers_go_on_after_it(void **state)
{
    (void)state;
    struct rig_options options = clean_options(13);
    check_producer(&options, 60);
    options = held_back(13); /* What is dead around it is not read again. */
    check_producer(&options, 200);
}

/* One transaction of some batches; what an aborted one said does not count. */
static void transact(struct clean_run *run, int64_t producer_id, int32_t *sequence, bool commit)
{
    const int64_t from = run->end;
    for (uint32_t i = 0; i < 3; i++) {
        const struct rig_batch batch = {.records = 2,
                                        .value_bytes = 200,
                                        .ack = APPEND_ACK_FLUSHED,
                                        .producer_id = producer_id,
                                        .sequence = *sequence,
                                        .attributes = BATCH_TRANSACTIONAL,
                                        .codec = i == 1 ? BATCH_CODEC_LZ4 : BATCH_CODEC_NONE,
                                        .keys = 20};
        assert_int_equal(clean_tell(run, &batch)->append.status, LOG_OK);
        *sequence += 2;
    }
    for (int64_t offset = from; offset < run->end && !commit; offset++) {
        run->told[offset].acknowledged = false;
    }
    const struct rig_marker marker = {
        .ack = APPEND_ACK_FLUSHED, .producer_id = producer_id, .commit = commit};
    const struct rig_append *slot = rig_mark(&run->rig, &marker);
    while (slot->lent) {
        assert_true(rig_turn(&run->rig));
    }
    assert_int_equal(slot->append.status, LOG_OK);
    run->end = slot->append.base_offset + 1;
}

/* Below the cleaned point nothing of an aborted one is left; who is told of one finds its marker.
 */
static void check_transactions(struct clean_run *run, struct clean_there *there)
{
    static struct aborted_txn aborted[256];
    struct partition *p = run->rig.partitions[0];
    clean_check(run, true, false, there);
    for (int64_t offset = 0; offset < p->clean_offset; offset++) {
        assert_true(run->told[offset].acknowledged || !there->record[offset]);
    }
    const uint32_t count = partition_aborted(p, 0, INT64_MAX, aborted, ARRAY_SIZE(aborted));
    for (uint32_t i = 0; i < count; i++) {
        assert_true(there->marker[aborted[i].last_offset]);
    }
}

static void transactions_are_respected(void **state)
{
    (void)state;
    static struct clean_run run;
    static struct clean_there there;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct rig_options options = clean_options(seed);
        options.config.delete_retention_ms = 3000;
        int32_t sequences[3] = {0};
        clean_run_begin(&run, &options);
        uint32_t aborts = 0;
        for (uint32_t round = 0; round < 4; round++) {
            for (uint32_t i = 0; i < 20; i++) {
                const uint32_t who = (uint32_t)random_below(&run.random, 3);
                const bool commit = random_one_in(&run.random, 2);
                aborts += !commit;
                transact(&run, 900 + who, &sequences[who], commit);
            }
            clean_wait(&run.rig);
            check_transactions(&run, &there);
            rig_run_ms(&run.rig, 5000);
        }
        /* Those whose markers are gone are forgotten. */
        assert_true(partition_aborted(run.rig.partitions[0], 0, INT64_MAX, NULL, 0) < aborts);
        rig_kill(&run.rig);
        assert_true(rig_start(&run.rig));
        check_transactions(&run, &there);
        rig_destroy(&run.rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_into_the_map_is_done_in_passes),
        cmocka_unit_test(a_batch_of_many_keys_in_few_bytes_is_compacted),
        cmocka_unit_test(batches_larger_than_the_buffers_go_through),
        cmocka_unit_test(each_pass_reads_every_byte_once),
        cmocka_unit_test(what_is_dead_is_not_read_again),
        cmocka_unit_test(beside_others_it_takes_small_steps_and_pauses),
        cmocka_unit_test(a_limit_of_bytes_a_second_is_kept),
        cmocka_unit_test(a_full_device_stops_it_and_it_goes_on_when_there_is_room),
        cmocka_unit_test(any_failed_operation_of_it_loses_nothing),
        cmocka_unit_test(a_damaged_segment_is_not_compacted_and_is_not_touched),
        cmocka_unit_test(segments_without_a_batch_leave_nothing_behind),
        cmocka_unit_test(where_its_leftovers_stay_nothing_more_is_compacted),
        cmocka_unit_test(without_a_policy_everything_stays),
        cmocka_unit_test(a_tombstone_goes_when_its_time_is_over),
        cmocka_unit_test(idempotent_producers_go_on_after_it),
        cmocka_unit_test(transactions_are_respected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
