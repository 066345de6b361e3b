#include "tests/storage/log/rig.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "storage/log/index_format.h"
#include "storage/log/producers.h"
#include "storage/record/record.h"
#include "tests/storage/log/rig_model.h"

#define WALL_START_MS INT64_C(1700000000000)

struct rig_options rig_options(uint64_t seed)
{
    return (struct rig_options){.sim = {.seed = seed, .boundaries_unrecorded = true},
                                .config = kafka_config(),
                                .arena_bytes = 8 << 20,
                                .partitions = 1,
                                .directories = 1,
                                .open_files = 64,
                                .producers = 256,
                                .disk_operations = 256};
}

static void directory_path(uint32_t index, char path[64])
{
    (void)snprintf(path, 64, "/data%u", index);
}

static struct partition_spec spec_of(const struct rig *rig, uint32_t index)
{
    struct partition_spec spec = {.topic_name = {(const uint8_t *)"orders", 6},
                                  .directory = (uint16_t)(index % rig->options.directories),
                                  .leader_epoch = 5 + (int32_t)rig->starts,
                                  .config = rig->options.config};
    memset(spec.id.topic_id.bytes, 0x42, 16);
    spec.id.index = index;
    return spec;
}

static bool alive(const struct rig *rig)
{
    return rig->process != NULL && sim_process_alive(rig->process);
}

static int64_t wall_ms(const struct rig *rig)
{
    return WALL_START_MS + (int64_t)(sim_machine_now_ns(rig->machine) / 1000000);
}

static bool open_directories(struct rig *rig)
{
    rig->clean = true;
    for (uint32_t i = 0; i < rig->options.directories; i++) {
        char path[64];
        char reason[256] = "";
        directory_path(i, path);
        struct data_directory *directory = &rig->directories[i];
        const enum directory_status status =
            data_directory_open(rig->fs, path, "", 1, rig->options.sim.seed + i, 1000, directory,
                                reason, sizeof(reason));
        if (!alive(rig)) {
            return false;
        }
        if (status != DIRECTORY_OK) {
            (void)fprintf(stderr, "%s\n", reason);
        }
        assert_int_equal(status, DIRECTORY_OK);
        rig->clean = rig->clean && directory->clean;
    }
    return true;
}

static void make_log(struct rig *rig)
{
    const struct rig_options *o = &rig->options;
    rig->disk = sim_disk_create(rig->process, rig->arena, o->arena_bytes, o->open_files + 8,
                                o->disk_operations);
    for (uint32_t i = 0; i < o->directories; i++) { /* H3. */
        assert_true(disk_add_file(rig->disk, rig->directories[i].lock_fd, false) >= 0);
    }
    rig->housekeeping = sim_housekeeping_create(rig->process, 32);
    rig->validation = sim_housekeeping_create(rig->process, 32);
    struct log_setup setup = {.disk = rig->disk,
                              .housekeeping = rig->housekeeping,
                              .validation = rig->validation,
                              .arena = rig->arena,
                              .arena_bytes = o->arena_bytes,
                              .seed = o->sim.seed,
                              .partition_count_max =
                                  o->partition_count_max == 0 ? 16 : o->partition_count_max,
                              .producer_count_max = o->producers,
                              .open_file_count_max = o->open_files,
                              .segment_count_max = 200 + 2 * o->partition_count_max,
                              /* The default is made for a broker's life: half of a start. */
                              .aborted_count_max = 8192,
                              .batch_bytes_max = 2 << 20,
                              .inflate_window_max = 1 << 20,
                              .transactions = !o->no_transactions,
                              .directory_count = o->directories,
                              .shared = &rig->log_shared};
    for (uint32_t i = 0; i < o->directories; i++) {
        setup.directory_paths[i] = rig->directories[i].path;
        setup.flush_fds[i] = rig->directories[i].lock_fd;
    }
    rig->log = log_create(&setup);
    assert_non_null(rig->log);
    (void)log_done_turn(rig->log, sim_machine_now_ns(rig->machine), wall_ms(rig), 1);
}

static bool recover(struct rig *rig)
{
    for (uint32_t d = 0; d < rig->options.directories; d++) {
        struct found_partition *found = NULL;
        const int64_t count = data_directory_list(rig->fs, &rig->directories[d], &found);
        for (int64_t i = 0; i < count && alive(rig); i++) {
            assert_true(found[i].has_id || found[i].id.index < RIG_PARTITIONS);
            const uint32_t index = found[i].id.index;
            struct recovered_partition *recovered = NULL;
            const enum log_status status = partition_recover(
                rig->fs, &rig->directories[d], &found[i], &recovered, &rig->reports[index]);
            if (!alive(rig)) {
                recovered_partition_free(recovered);
                break;
            }
            assert_int_equal(status, LOG_OK);
            rig->epochs[index] = recovered_partition_epoch(recovered);
            const struct partition_spec spec = spec_of(rig, index);
            assert_int_equal(log_adopt(rig->log, recovered, &spec, &rig->partitions[index]),
                             LOG_OK);
        }
        free(found);
        if (!alive(rig)) {
            return false;
        }
        assert_true(count >= 0);
    }
    return true;
}

static bool create_missing(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->options.partitions; i++) {
        if (rig->partitions[i] != NULL) {
            continue;
        }
        const struct partition_spec spec = spec_of(rig, i);
        struct log_operation *operation = &rig->operations[i];
        assert_int_equal(log_open(rig->log, &spec, operation), LOG_PENDING);
        while (operation->status == LOG_PENDING && rig_turn(rig)) {
            struct log_operation *done = log_operation_done(rig->log);
            assert_true(done == NULL || done == operation);
        }
        if (!alive(rig)) {
            return false;
        }
        assert_int_equal(operation->status, LOG_OK);
        rig->partitions[i] = operation->partition;
    }
    return true;
}

bool rig_start(struct rig *rig)
{
    rig->process = sim_process_start(rig->machine);
    rig->fs = sim_process_files(rig->process);
    memset(rig->partitions, 0, sizeof(rig->partitions));
    rig->starts++;
    if (!open_directories(rig)) {
        return false;
    }
    make_log(rig);
    return recover(rig) && create_missing(rig);
}

static void forget_process(struct rig *rig)
{
    if (rig->process != NULL) {
        sim_process_end(rig->process);
        rig->process = NULL;
    }
    log_destroy(rig->log);
    rig->log = NULL;
    memset(rig->partitions, 0, sizeof(rig->partitions));
    for (uint32_t i = 0; i < rig->append_count; i++) {
        rig->appends[i].lent = false;
    }
}

void rig_kill(struct rig *rig)
{
    forget_process(rig);
}

void rig_power_cut(struct rig *rig)
{
    sim_machine_power_cut(rig->machine);
    forget_process(rig);
}

void rig_create(struct rig *rig, const struct rig_options *options)
{
    memset(rig, 0, sizeof(*rig));
    rig->options = *options;
    rig->machine = sim_machine_create(&options->sim);
    for (uint32_t i = 0; options->separate_devices && i < options->directories; i++) {
        char path[64];
        directory_path(i, path);
        rig->devices[i] = sim_machine_add_device(rig->machine, path);
    }
    void *arena = NULL;
    assert_int_equal(posix_memalign(&arena, BLOCK, options->arena_bytes), 0);
    rig->arena = arena;
    assert_true(rig_start(rig));
}

static void pools_are_full(struct rig *rig)
{
    struct log *log = rig->log;
    assert_int_equal(log->io_stock.used, 0);
    assert_int_equal(log->commit_stock.used, 0);
    assert_int_equal(log->job_pool.used, 0);
    assert_int_equal(log->member_pool.used, 0);
    assert_int_equal(log->arena.held_bytes, 0);
    assert_int_equal(log->arena.free_bytes + log->arena.cache_bytes, rig->options.arena_bytes);
    assert_true(arena_invariants(&log->arena));
    assert_true(producer_pool_invariants(&log->producer_pool));
}

void rig_stop(struct rig *rig)
{
    struct log_operation operation = {0};
    assert_int_equal(log_finish(rig->log, &operation), LOG_PENDING);
    while (operation.status == LOG_PENDING && rig_turn(rig)) {
        (void)log_operation_done(rig->log);
    }
    assert_true(alive(rig));
    assert_int_equal(operation.status, LOG_OK);
    rig_settle(rig);
    pools_are_full(rig);
    for (uint32_t i = 0; i < rig->options.directories; i++) {
        assert_int_equal(data_directory_mark_clean(rig->fs, &rig->directories[i]), DIRECTORY_OK);
    }
    forget_process(rig);
}

void rig_destroy(struct rig *rig)
{
    if (alive(rig)) {
        rig_settle(rig);
        pools_are_full(rig);
        assert_int_equal(log_counters(rig->log)->appends_waiting, 0);
        assert_int_equal(sim_machine_counters(rig->machine)->overlapped_writes, 0); /* H2. */
    }
    forget_process(rig);
    for (uint32_t i = 0; i < rig->append_count; i++) {
        free(rig->appends[i].bytes);
    }
    sim_machine_destroy(rig->machine);
    free(rig->arena);
}

/* ---- Turns ---------------------------------------------------------------------------------- */

static void take_answers(struct rig *rig)
{
    struct append *append;
    while ((append = log_append_done(rig->log)) != NULL) {
        struct rig_append *answered = append->owner;
        assert_true(answered->lent);
        assert_int_not_equal(append->status, LOG_PENDING);
        answered->lent = false;
        answered->answered = true;
    }
    while (log_advanced(rig->log) != NULL) {
        rig->advanced++;
    }
}

bool rig_turn(struct rig *rig)
{
    const uint64_t now_ns = sim_machine_now_ns(rig->machine);
    rig->wall_ms = wall_ms(rig);
    (void)log_done_turn(rig->log, now_ns, rig->wall_ms, 64);
    (void)log_timer_turn(rig->log, now_ns, rig->wall_ms);
    (void)log_submit_turn(rig->log, now_ns);
    if (!alive(rig)) {
        return false; /* What a dead process says does not count. */
    }
    take_answers(rig);
    sim_machine_advance(rig->machine, now_ns); /* What was submitted enters. */
    const uint64_t next_ns = min_u64(sim_machine_next_ns(rig->machine), now_ns + 20 * MS_NS);
    if (sim_machine_next_ns(rig->machine) == next_ns) {
        (void)sim_machine_step(rig->machine);
    } else {
        sim_machine_advance(rig->machine, next_ns);
    }
    return alive(rig);
}

static bool busy(const struct rig *rig)
{
    const struct log *log = rig->log;
    for (uint32_t i = 0; i < rig->append_count; i++) {
        if (rig->appends[i].lent) {
            return true;
        }
    }
    return log->io_stock.used > 0 || log->job_pool.used > 0 || log->commit_stock.used > 0 ||
           log->closing_count > 0 || !list_empty(&log->dirty) || !list_empty(&log->work) ||
           !list_empty(&log->starved);
}

void rig_settle(struct rig *rig)
{
    uint32_t turns = 0;
    while (rig_turn(rig) && (busy(rig) || sim_machine_next_ns(rig->machine) != UINT64_MAX)) {
        turns++;
        assert_true(turns < 2000000); /* Else something is lost. */
        if (!busy(rig) && turns > 100000) {
            break;
        }
    }
}

void rig_run_ms(struct rig *rig, uint64_t ms)
{
    const uint64_t until_ns = sim_machine_now_ns(rig->machine) + ms * MS_NS;
    while (sim_machine_now_ns(rig->machine) < until_ns && rig_turn(rig)) {
    }
}

/* ---- Batches -------------------------------------------------------------------------------- */

static void value_of(uint8_t *to, uint32_t len, int64_t number, uint32_t record)
{
    struct random random;
    random_init(&random, (uint64_t)number * 1000 + record);
    random_fill(&random, to, len);
    if (len >= 12) {
        store_be64(to, (uint64_t)number);
        store_be32(to + 8, record);
    }
}

uint32_t rig_key(const struct rig_batch *batch, int64_t number, uint32_t record)
{
    uint64_t state = (uint64_t)number * 1000 + record;
    return batch->keys == 0 ? 0 : (uint32_t)(random_mix(&state) % batch->keys);
}

bool rig_tombstone(const struct rig_batch *batch, int64_t number, uint32_t record)
{
    uint64_t state = (uint64_t)number * 1000 + record + 500;
    return batch->tombstones != 0 && random_mix(&state) % batch->tombstones == 0;
}

static struct bytes build(struct rig *rig, const struct rig_batch *batch, int64_t number,
                          uint8_t **bytes)
{
    const uint32_t record_bytes = record_size_max(8, batch->value_bytes);
    const uint32_t capacity = BATCH_HEADER_BYTES + batch->records * record_bytes + 64;
    struct batch_options options = batch_options_none();
    options.attributes = batch->attributes;
    if (batch->producer_id != 0) {
        options.producer_id = batch->producer_id;
        options.producer_epoch = batch->producer_epoch;
        options.base_sequence = batch->sequence;
    }
    *bytes = malloc(capacity);
    uint8_t *value = malloc(batch->value_bytes + 1u);
    assert_non_null(*bytes);
    assert_non_null(value);
    struct batch_builder builder;
    batch_builder_init(&builder, *bytes, capacity, &options);
    for (uint32_t i = 0; i < batch->records; i++) {
        value_of(value, batch->value_bytes, number, i);
        const bool none = rig_tombstone(batch, number, i);
        const struct bytes view = {none ? NULL : value, none ? 0 : batch->value_bytes};
        char key[16];
        const int key_bytes = snprintf(key, sizeof(key), "k%u", rig_key(batch, number, i));
        const int64_t timestamp_ms = batch->timestamp_ms == 0 ? wall_ms(rig) : batch->timestamp_ms;
        assert_true(batch_builder_add(
            &builder, timestamp_ms,
            (struct bytes){(const uint8_t *)key, batch->keys == 0 ? 1 : (uint32_t)key_bytes}, view,
            NULL, 0));
    }
    free(value);
    if (batch->codec == BATCH_CODEC_NONE) {
        return batch_builder_finish(&builder);
    }
    struct bytes compressed;
    const uint32_t bound = capacity + capacity / 4 + 4096;
    uint8_t *to = malloc(bound);
    assert_non_null(to);
    assert_true(
        batch_builder_finish_compressed(&builder, batch->codec, INT32_MIN, to, bound, &compressed));
    free(*bytes);
    *bytes = to;
    return compressed;
}

static struct rig_append *hand_in(struct rig *rig, struct rig_append *slot, enum append_ack ack)
{
    const struct append given = slot->append;
    slot->append = (struct append){.batch = chain_of(&slot->piece),
                                   .ack = ack,
                                   .internal = given.internal,
                                   .api_version = 9,
                                   .txn = given.txn,
                                   .owner = slot};
    slot->lent = true;
    slot->answered = false;
    rig->wall_ms = wall_ms(rig); /* As on a core: completions first, then requests. */
    (void)log_done_turn(rig->log, sim_machine_now_ns(rig->machine), rig->wall_ms, 64);
    const enum log_status status =
        log_append(rig->log, rig->partitions[slot->partition], &slot->append);
    if (!alive(rig)) {
        return slot;
    }
    if (status != LOG_PENDING) {
        slot->lent = false;
        slot->answered = true;
    }
    return slot;
}

static struct rig_append *take_slot(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->append_count; i++) {
        if (rig->appends[i].bytes == NULL) {
            return &rig->appends[i];
        }
    }
    assert_true(rig->append_count < RIG_APPENDS);
    return &rig->appends[rig->append_count++];
}

struct rig_append *rig_append(struct rig *rig, const struct rig_batch *batch)
{
    struct rig_append *slot = take_slot(rig);
    memset(slot, 0, sizeof(*slot));
    slot->number = ++rig->numbers;
    slot->partition = batch->partition;
    slot->records = batch->records;
    slot->piece = build(rig, batch, slot->number, &slot->bytes);
    slot->append.txn.verified = !batch->unverified;
    slot->append.txn.asked_at = batch->asked_end == 0 ? INT64_MAX : batch->asked_end;
    slot->append.txn.epoch_each = batch->epoch_each;
    return hand_in(rig, slot, batch->ack);
}

struct rig_append *rig_mark(struct rig *rig, const struct rig_marker *marker)
{
    struct rig_append *slot = take_slot(rig);
    memset(slot, 0, sizeof(*slot));
    slot->number = -2; /* Nothing that is read is held against it. */
    slot->partition = marker->partition;
    slot->records = 1;
    slot->bytes = malloc(PRODUCERS_MARKER_BYTES);
    assert_non_null(slot->bytes);
    const struct marker value = {marker->commit, marker->coordinator_epoch};
    slot->piece = producers_marker_batch(slot->bytes, marker->producer_id, marker->producer_epoch,
                                         &value, wall_ms(rig));
    slot->append.internal = true;
    slot->append.txn.epoch_each = marker->epoch_each;
    return hand_in(rig, slot, marker->ack);
}

struct rig_append *rig_append_wait(struct rig *rig, const struct rig_batch *batch)
{
    struct rig_append *slot = rig_append(rig, batch);
    uint32_t turns = 0;
    while (slot->lent && rig_turn(rig)) {
        assert_true(turns++ < 1000000);
    }
    return slot;
}

struct rig_append *rig_repeat(struct rig *rig, const struct rig_append *original,
                              enum append_ack ack)
{
    struct rig_append *slot = take_slot(rig);
    memset(slot, 0, sizeof(*slot));
    slot->number = original->number;
    slot->partition = original->partition;
    slot->records = original->records;
    slot->bytes = malloc(original->piece.len);
    assert_non_null(slot->bytes);
    memcpy(slot->bytes, original->piece.ptr, original->piece.len);
    slot->piece = (struct bytes){slot->bytes, original->piece.len};
    return hand_in(rig, slot, ack);
}

struct rig_append *rig_put(struct rig *rig, uint32_t value_bytes, enum append_ack ack)
{
    return rig_append(rig,
                      &(struct rig_batch){.records = 1, .value_bytes = value_bytes, .ack = ack});
}

/* ---- Failures -------------------------------------------------------------------------------- */

void rig_fail_once(struct rig *rig, enum sim_operation operation, const char *path)
{
    struct sim_fault fault = {.operation = operation, .error = EIO, .count = 1};
    (void)snprintf(fault.path, sizeof(fault.path), "%s", path);
    sim_machine_add_fault(rig->machine, &fault);
}

void rig_other_core_fails(struct rig *rig)
{
    struct disk *disk = sim_disk_create(rig->process, NULL, 0, 1, 1);
    struct disk_op flush = {.kind = DISK_FLUSH,
                            .slot = disk_add_file(disk, rig->directories[0].lock_fd, false)};
    rig_fail_once(rig, SIM_FLUSH, ".lock");
    disk_submit(disk, &flush);
    while (disk_done(disk) == NULL) {
        assert_true(rig_turn(rig));
    }
    assert_int_equal(flush.result, -EIO);
    atomic_fetch_add(&rig->log_shared.flushes_failed[0], 1);
}

/* ---- Reading back --------------------------------------------------------------------------- */

static enum log_status read_once(struct rig *rig, uint32_t partition, struct log_read *read)
{
    uint32_t turns = 0;
    enum log_status status;
    do { /* LOG_BUSY: again. */
        status = log_read(rig->log, rig->partitions[partition], read);
        while (status == LOG_PENDING && rig_turn(rig)) {
            struct log_read *done = log_read_done(rig->log);
            if (done != NULL) {
                assert_ptr_equal(done, read);
                status = read->status;
            }
            assert_true(turns++ < 1000000);
        }
    } while (status == LOG_BUSY && rig_turn(rig));
    return status;
}

uint8_t *rig_read(struct rig *rig, uint32_t partition, int64_t offset, int64_t upper,
                  uint32_t bytes_max, uint32_t *len, enum log_status *status)
{
    static struct log_read read;
    memset(&read, 0, sizeof(read));
    read.offset = offset;
    read.upper_offset = upper;
    read.bytes_max = bytes_max;
    read.whole_batch = true;
    read.sequential = true;
    uint8_t *bytes = NULL;
    *len = 0;
    do { /* A batch larger than memory comes in parts. */
        *status = read_once(rig, partition, &read);
        bytes = realloc(bytes, *len + read.bytes + 1u);
        assert_non_null(bytes);
        uint32_t sum = 0;
        for (uint32_t i = 0; *status == LOG_OK && i < read.extent_count; i++) {
            memcpy(bytes + *len + sum, read.extents[i].bytes.ptr, read.extents[i].bytes.len);
            sum += read.extents[i].bytes.len;
            log_extent_release(rig->log, read.extents[i].hold);
        }
        assert_true(*status != LOG_OK || sum == read.bytes);
        *len += sum;
        read.skip = *len;
        read.bytes_max = 0;
    } while (*status == LOG_OK && *len < read.batch_bytes);
    return bytes;
}

uint8_t *rig_file(struct rig *rig, const char *path, uint32_t *len)
{
    const int64_t size = sim_machine_file_size(rig->machine, path);
    if (size < 0) {
        return NULL;
    }
    uint8_t *bytes = malloc((size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(sim_machine_peek(rig->machine, path, bytes, (uint64_t)size, 0), size);
    *len = (uint32_t)size;
    return bytes;
}

/* The batch of the log whose last offset that is; NULL: none. */
static const uint8_t *batch_ending_at(struct bytes log, int64_t last_offset,
                                      struct batch_header *header)
{
    struct bytes rest = log;
    struct bytes batch;
    while (batch_next(&rest, header, &batch) == BATCH_OK) {
        if (batch_last_offset(header) == last_offset) {
            return batch.ptr;
        }
    }
    return NULL;
}

static uint8_t *segment_file(struct rig *rig, uint32_t partition, int64_t base,
                             enum segment_file file, uint32_t *len)
{
    char name[SEGMENT_NAME_BYTES];
    char path[256];
    segment_name_format((struct segment_name){base, file, SEGMENT_LIVE}, name);
    (void)snprintf(path, sizeof(path), "/data%u/orders-%u/%s", partition % rig->options.directories,
                   partition, name);
    return rig_file(rig, path, len);
}

void rig_check_segment(struct rig *rig, uint32_t partition, int64_t base_offset)
{
    uint32_t len[3];
    uint8_t *log = segment_file(rig, partition, base_offset, SEGMENT_LOG, &len[0]);
    uint8_t *index = segment_file(rig, partition, base_offset, SEGMENT_INDEX, &len[1]);
    uint8_t *times = segment_file(rig, partition, base_offset, SEGMENT_TIME_INDEX, &len[2]);
    assert_non_null(log);
    assert_non_null(index);
    assert_non_null(times);
    const struct bytes bytes = {log, len[0]};
    struct bytes rest = bytes;
    struct batch_header header;
    struct bytes batch;
    int64_t largest = -1;
    while (batch_next(&rest, &header, &batch) == BATCH_OK) {
        assert_int_equal(batch_check_crc(chain_of(&batch), &header), BATCH_OK);
        largest = max_i64(largest, header.record_count > 0 ? header.max_timestamp_ms : -1);
    }
    assert_int_equal(rest.len, 0);
    const struct bytes offsets = {index, len[1]};
    assert_int_equal(len[1] % OFFSET_INDEX_ENTRY_BYTES, 0);
    assert_int_equal(offset_index_valid_bytes(offsets, len[0]), len[1]);
    for (uint32_t i = 0; i < offset_index_entries(offsets); i++) {
        const struct offset_index_entry entry = offset_index_read(offsets, base_offset, i);
        assert_ptr_equal(batch_ending_at(bytes, entry.offset, &header), log + entry.position);
    }
    assert_true(len[0] < 60000 || offset_index_entries(offsets) > 2);
    const struct bytes stamps = {times, len[2]};
    assert_int_equal(len[2] % TIME_INDEX_ENTRY_BYTES, 0);
    assert_int_equal(time_index_valid_bytes(stamps), len[2]);
    for (uint32_t i = 0; i < time_index_entries(stamps); i++) {
        const struct time_index_entry entry = time_index_read(stamps, base_offset, i);
        assert_non_null(batch_ending_at(bytes, entry.offset, &header));
        assert_int_equal(header.max_timestamp_ms, entry.timestamp_ms);
    }
    assert_int_equal(time_index_last(stamps, base_offset).timestamp_ms, largest);
    free(log);
    free(index);
    free(times);
}

struct seen {
    int64_t base_offset;
    int64_t number;
};

static int64_t number_of(const struct batch_header *header, struct bytes batch)
{
    if (batch_codec(header) != BATCH_CODEC_NONE) {
        return -1;
    }
    struct record_cursor cursor = record_cursor_of(
        (struct bytes){batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES},
        header->record_count);
    struct record record;
    if (record_next(&cursor, &record) != RECORD_OK || record.value.len < 12) {
        return -1;
    }
    return (int64_t)load_be64(record.value.ptr);
}

/* Every byte of the batch but what the broker stamps is as it was handed in, unless it has another
 * codec now. */
static void same_bytes(struct bytes stored, struct bytes sent)
{
    if (((stored.ptr[BATCH_AT_ATTRIBUTES + 1] ^ sent.ptr[BATCH_AT_ATTRIBUTES + 1]) &
         BATCH_CODEC_MASK) != 0) {
        return;
    }
    assert_int_equal(stored.len, sent.len);
    assert_memory_equal(stored.ptr + BATCH_AT_MAGIC, sent.ptr + BATCH_AT_MAGIC,
                        sent.len - BATCH_AT_MAGIC);
}

static const struct rig_append *find_number(const struct rig *rig, uint32_t partition,
                                            int64_t number)
{
    for (uint32_t i = 0; i < rig->append_count; i++) {
        if (rig->appends[i].number == number && rig->appends[i].partition == partition) {
            return &rig->appends[i];
        }
    }
    return NULL;
}

static uint32_t walk(struct rig *rig, uint32_t partition, struct seen *seen, uint32_t capacity,
                     struct txn_model *model)
{
    struct partition *p = rig->partitions[partition];
    int64_t offset = partition_log_start(p);
    uint32_t count = 0;
    while (offset < partition_high_watermark(p)) {
        uint32_t len;
        enum log_status status;
        uint8_t *bytes = rig_read(rig, partition, offset, INT64_MAX, 64 << 10, &len, &status);
        assert_int_equal(status, LOG_OK);
        assert_true(len > 0);
        struct bytes rest = {bytes, len};
        struct batch_header header;
        struct bytes batch;
        bool any = false;
        while (batch_next(&rest, &header, &batch) == BATCH_OK) {
            assert_int_equal(batch_check_crc(chain_of(&batch), &header), BATCH_OK);
            assert_true(header.leader_epoch >= 0);
            if (!any) {
                assert_true(header.base_offset <= offset && batch_last_offset(&header) >= offset);
            } else {
                assert_int_equal(header.base_offset, offset); /* Dense. */
            }
            any = true;
            offset = batch_last_offset(&header) + 1;
            model_batch(model, &header, batch);
            const int64_t number = number_of(&header, batch);
            const struct rig_append *sent = find_number(rig, partition, number);
            if (sent != NULL && sent->bytes != NULL) {
                same_bytes(batch, sent->piece);
            }
            assert_true(count < capacity);
            seen[count++] = (struct seen){header.base_offset, number};
        }
        assert_true(any);
        free(bytes);
    }
    assert_int_equal(offset, partition_high_watermark(p));
    return count;
}

static void check_partition(struct rig *rig, uint32_t partition, bool after, bool flushed_only)
{
    static struct seen seen[4 * RIG_APPENDS];
    static struct txn_model model;
    model.open_count = 0;
    model.aborted_count = 0;
    const uint32_t count = walk(rig, partition, seen, ARRAY_SIZE(seen), &model);
    model_check(&model, rig->partitions[partition]);
    for (uint32_t i = 0; i < count; i++) { /* None twice. */
        for (uint32_t j = 0; j < i && seen[i].number > 0; j++) {
            assert_int_not_equal(seen[i].number, seen[j].number);
        }
    }
    for (uint32_t i = 0; i < rig->append_count; i++) {
        const struct rig_append *a = &rig->appends[i];
        if (a->partition != partition || !a->answered || a->append.status != LOG_OK ||
            (after && flushed_only && a->append.ack != APPEND_ACK_FLUSHED) ||
            a->append.base_offset < partition_log_start(rig->partitions[partition])) {
            continue;
        }
        bool found = false;
        for (uint32_t j = 0; j < count; j++) {
            found = found || (seen[j].base_offset == a->append.base_offset &&
                              (seen[j].number == a->number || seen[j].number < 0));
        }
        if (!found) {
            (void)fprintf(stderr,
                          "seed %lu partition %u: acknowledged batch %ld at offset %ld is lost\n",
                          (unsigned long)rig->options.sim.seed, partition, (long)a->number,
                          (long)a->append.base_offset);
        }
        assert_true(found);
    }
}

void rig_check(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->options.partitions; i++) {
        check_partition(rig, i, false, false);
    }
    assert_true(arena_invariants(&rig->log->arena));
}

void rig_check_after(struct rig *rig, bool flushed_only)
{
    for (uint32_t i = 0; i < rig->options.partitions; i++) {
        check_partition(rig, i, true, flushed_only);
    }
}
