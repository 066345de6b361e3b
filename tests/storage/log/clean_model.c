#include "tests/storage/log/clean_model.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/record/record.h"

struct rig_options clean_options(uint64_t seed)
{
    struct rig_options options = rig_options(seed);
    options.config.cleanup_compact = true;
    options.config.cleanup_delete = false;
    options.config.segment_bytes = 16384;
    options.config.dirty_ratio_millionths = 10000;
    options.config.max_compaction_lag_ms = INT64_MAX;
    options.config.delete_retention_ms = 86400000;
    options.config.file_delete_delay_ms = 1000;
    options.config.clean_io_bytes = 8192;
    options.config.clean_backoff_ms = 500;
    return options;
}

void clean_run_begin(struct clean_run *run, const struct rig_options *options)
{
    memset(run, 0, sizeof(*run));
    random_init(&run->random, options->sim.seed);
    rig_create(&run->rig, options);
}

const struct rig_append *clean_tell(struct clean_run *run, const struct rig_batch *batch)
{
    const struct rig_append *slot = rig_append_wait(&run->rig, batch);
    const bool acknowledged = slot->answered && slot->append.status == LOG_OK;
    const int64_t base = acknowledged ? slot->append.base_offset : run->end;
    for (uint32_t i = 0; i < batch->records; i++) {
        assert_true(base + i < CLEAN_OFFSETS_MAX);
        run->told[base + i] =
            (struct clean_told){.number = slot->number,
                                .record = i,
                                .key = rig_key(batch, slot->number, i),
                                .tombstone = rig_tombstone(batch, slot->number, i),
                                .acknowledged = acknowledged};
    }
    run->end = acknowledged ? base + batch->records : run->end;
    return slot;
}

/* A random batch, of an idempotent producer or none. */
void clean_tell_something(struct clean_run *run, uint32_t keys)
{
    static const enum batch_codec codecs[] = {BATCH_CODEC_NONE, BATCH_CODEC_NONE,
                                              BATCH_CODEC_LZ4,  BATCH_CODEC_ZSTD,
                                              BATCH_CODEC_GZIP, BATCH_CODEC_SNAPPY};
    struct rig_batch batch = {.records = 1 + (uint32_t)random_below(&run->random, 12),
                              .value_bytes = 12 + (uint32_t)random_below(&run->random, 300),
                              .ack = APPEND_ACK_FLUSHED,
                              .codec = codecs[random_below(&run->random, ARRAY_SIZE(codecs))],
                              .keys = keys,
                              .tombstones = 5};
    if (random_one_in(&run->random, 2)) {
        batch.producer_id = 77;
        batch.sequence = run->sequence;
        run->sequence += (int32_t)batch.records;
    }
    const struct rig_append *slot = clean_tell(run, &batch);
    assert_true(!slot->answered || slot->append.status == LOG_OK);
}

/* ---- What is there -------------------------------------------------------------------------- */

static void check_record(const struct clean_run *run, const struct batch_header *header,
                         const struct record *record, struct clean_there *there)
{
    const int64_t offset = header->base_offset + record->offset_delta;
    assert_true(offset < CLEAN_OFFSETS_MAX);
    const struct clean_told *told = &run->told[offset];
    char key[16];
    (void)snprintf(key, sizeof(key), "k%u", told->key);
    assert_true(bytes_equal(record->key, bytes_of_string(key)));
    assert_int_equal(record->value.ptr == NULL, told->tombstone);
    if (!told->tombstone) {
        assert_true(record->value.len >= 12);
        assert_int_equal(load_be64(record->value.ptr), told->number);
        assert_int_equal(load_be32(record->value.ptr + 8), told->record);
    }
    assert_false(there->record[offset]);
    there->record[offset] = true;
    there->records++;
}

static void check_batch(const struct clean_run *run, struct bytes batch,
                        const struct batch_header *header, struct clean_there *there)
{
    static uint8_t plain[1 << 20];
    static struct inflate *inflate; /* Stays. */
    if (inflate == NULL) {
        inflate =
            inflate_init(aligned_alloc(64, round_up(inflate_memory_bytes(1 << 20), 64)), 1 << 20);
    }
    struct bytes records = {batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES};
    if (batch_codec(header) != BATCH_CODEC_NONE) {
        uint32_t len;
        assert_int_equal(inflate_all(inflate, batch_codec(header), chain_of(&records), plain,
                                     sizeof(plain), &len),
                         INFLATE_END);
        records = (struct bytes){plain, len};
    }
    struct record_cursor cursor = record_cursor_of(records, header->record_count);
    struct record record;
    enum record_status status;
    int64_t last = header->base_offset - 1;
    while ((status = record_next(&cursor, &record)) == RECORD_OK) {
        const int64_t offset = header->base_offset + record.offset_delta;
        assert_true(offset > last && offset <= batch_last_offset(header));
        last = offset;
        if (batch_is_control(header)) {
            there->marker[offset] = true;
        } else {
            check_record(run, header, &record, there);
        }
    }
    assert_int_equal(status, RECORD_END);
    there->batches++;
    there->batch[batch_last_offset(header)] = true;
    there->empty_batches += header->record_count == 0;
    there->horizons += (header->attributes & BATCH_DELETE_HORIZON) != 0;
}

/* Reads all of it, as a consumer does. */
void clean_read_everything(struct clean_run *run, struct clean_there *there)
{
    struct rig *rig = &run->rig;
    struct partition *p = rig->partitions[0];
    memset(there, 0, sizeof(*there));
    int64_t offset = partition_log_start(p);
    while (offset < partition_high_watermark(p)) {
        uint32_t len;
        enum log_status status;
        uint8_t *bytes = rig_read(rig, 0, offset, INT64_MAX, 64 << 10, &len, &status);
        assert_int_equal(status, LOG_OK);
        struct bytes rest = {bytes, len};
        struct bytes batch;
        struct batch_header header;
        bool any = false;
        while (batch_next(&rest, &header, &batch) == BATCH_OK) {
            assert_int_equal(batch_check_crc(chain_of(&batch), &header), BATCH_OK);
            assert_true(header.base_offset >= offset || !any);
            offset = batch_last_offset(&header) + 1;
            check_batch(run, batch, &header, there);
            any = true;
        }
        assert_true(any);
        free(bytes);
    }
    assert_int_equal(offset, partition_high_watermark(p));
}

/* Of each key the last acknowledged record; behind the cleaned point all. tombstones: they are
 * still to be there. */
void clean_check(struct clean_run *run, bool tombstones, bool compacted, struct clean_there *there)
{
    const int64_t clean = run->rig.partitions[0]->clean_offset;
    int64_t last[CLEAN_KEYS_MAX];
    memset(last, 0xff, sizeof(last));
    clean_read_everything(run, there);
    for (int64_t offset = 0; offset < CLEAN_OFFSETS_MAX; offset++) {
        if (run->told[offset].acknowledged || there->record[offset]) {
            last[run->told[offset].key] = offset;
        }
    }
    for (int64_t offset = 0; offset < CLEAN_OFFSETS_MAX; offset++) {
        const struct clean_told *told = &run->told[offset];
        if (!told->acknowledged) {
            assert_true(told->number != 0 || !there->record[offset]);
            continue;
        }
        if ((last[told->key] == offset && (!told->tombstone || tombstones)) ||
            (offset >= clean && compacted)) {
            if (!there->record[offset]) {
                (void)fprintf(stderr, "offset %ld of key %u is lost\n", (long)offset, told->key);
            }
            assert_true(there->record[offset]);
        }
        if (compacted && offset < clean) { /* Superseded below the cleaned point: gone. */
            bool later = false;
            for (int64_t i = offset + 1; i < clean; i++) {
                later = later || (run->told[i].acknowledged && run->told[i].key == told->key);
            }
            assert_true(!later || !there->record[offset]);
        }
    }
}

bool clean_running(const struct rig *rig)
{
    return rig->log->cleaner->partition != NULL;
}

/* Until nothing is dirty that may be cleaned. */
void clean_wait(struct rig *rig)
{
    const struct partition *p = rig->partitions[0];
    for (uint32_t i = 0;
         i < 400 && (p->clean_offset < p->sidecar.segment_base || clean_running(rig)); i++) {
        rig_run_ms(rig, 100);
    }
    assert_int_equal(p->clean_offset, p->sidecar.segment_base);
    assert_false(clean_running(rig));
}

void clean_check_files(struct rig *rig)
{
    const struct partition *p = rig->partitions[0];
    LIST_FOR_EACH(node, &p->segments)
    {
        const struct segment *s = CONTAINER_OF(node, struct segment, node);
        if (s != p->active) {
            rig_check_segment(rig, 0, s->base_offset);
        }
    }
}
