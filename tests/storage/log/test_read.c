#include <errno.h>
#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static void fill(struct rig *rig, uint32_t count, uint32_t value_bytes_max, uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    for (uint32_t i = 0; i < count; i++) {
        const struct rig_batch batch = {.records = 1 + (uint32_t)random_below(&random, 4),
                                        .value_bytes =
                                            12 + (uint32_t)random_below(&random, value_bytes_max),
                                        .ack = APPEND_ACK_WRITTEN};
        (void)rig_append(rig, &batch);
        if (i % 8 == 7) {
            assert_true(rig_turn(rig));
        }
    }
    rig_settle(rig);
}

static void restart(struct rig *rig)
{
    rig_kill(rig);
    assert_true(rig_start(rig));
}

static void everything_is_read_from_disk_after_a_restart(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct rig_options options = rig_options(seed);
        options.config.segment_bytes = seed % 2 ? 300000 : 1 << 30;
        options.arena_bytes = seed % 3 == 0 ? 1 << 20 : 8 << 20;
        rig_create(&rig, &options);
        fill(&rig, 300, 12000, seed);
        const int64_t end = partition_end(rig.partitions[0]);
        restart(&rig);
        assert_int_equal(partition_end(rig.partitions[0]), end);
        rig_check_after(&rig, false);
        assert_true(log_counters(rig.log)->read_bytes > 0);
        rig_destroy(&rig);
    }
}

static void any_offset_is_found_in_the_batch_that_holds_it(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(3);
    options.config.segment_bytes = 200000;
    options.arena_bytes = 2 << 20;
    rig_create(&rig, &options);
    fill(&rig, 400, 3000, 3);
    for (uint32_t round = 0; round < 2; round++) {
        const int64_t end = partition_end(rig.partitions[0]);
        struct random random;
        random_init(&random, round);
        for (uint32_t i = 0; i < 200; i++) {
            const int64_t offset = (int64_t)random_below(&random, (uint64_t)end);
            uint32_t len;
            enum log_status status;
            uint8_t *bytes = rig_read(&rig, 0, offset, INT64_MAX, 1, &len, &status);
            assert_int_equal(status, LOG_OK);
            struct bytes rest = {bytes, len};
            struct batch_header header;
            struct bytes batch;
            assert_int_equal(batch_next(&rest, &header, &batch), BATCH_OK);
            assert_int_equal(batch_check_crc(chain_of(&batch), &header), BATCH_OK);
            assert_true(header.base_offset <= offset && batch_last_offset(&header) >= offset);
            assert_int_equal(rest.len, 0); /* One whole batch, no more. */
            free(bytes);
        }
        restart(&rig);
    }
    rig_destroy(&rig);
}

/* A wrong entry of an index file leads to a batch it does not name: headers are followed then. */
static void flipped_bits_of_an_index_lose_nothing(void **state)
{
    (void)state;
    static struct rig rig;
    static const char file[] = "/data0/orders-0/00000000000000000000.index";
    struct rig_options options = rig_options(11);
    options.arena_bytes = 2 << 20;
    rig_create(&rig, &options);
    fill(&rig, 150, 6000, 11);
    const int64_t end = partition_end(rig.partitions[0]);
    rig_stop(&rig);
    assert_true(rig_start(&rig));
    for (uint32_t i = 0; i < 40; i++) {
        rig_run_ms(&rig, 12000); /* Idle: nothing of it is in memory. */
        const int64_t offset = end / 2 + end * (i % 8) / 20;
        uint8_t index[4096];
        const int64_t got = sim_machine_peek(rig.machine, file, index, sizeof(index), 0);
        assert_true(got > 8);
        uint64_t at = 4 + i % 4; /* A byte of the position that is asked for. */
        while (at + 8 < (uint64_t)got && load_be32(index + (at / 8 + 1) * 8) <= offset) {
            at += 8;
        }
        uint32_t len;
        enum log_status status;
        assert_int_equal(sim_machine_flip_bit(rig.machine, file, at, i), 0);
        uint8_t *bytes = rig_read(&rig, 0, offset, INT64_MAX, 1, &len, &status);
        struct batch_header header;
        const struct bytes view = {bytes, len};
        assert_int_equal(status, LOG_OK);
        assert_int_equal(batch_parse(chain_of(&view), &header), BATCH_OK);
        assert_in_range(offset, header.base_offset, batch_last_offset(&header));
        free(bytes);
        assert_int_equal(sim_machine_flip_bit(rig.machine, file, at, i), 0);
    }
    assert_true(log_counters(rig.log)->bad_index_entries > 0);
    rig_destroy(&rig);
}

static void a_read_ends_at_its_upper_offset(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(4);
    rig_create(&rig, &options);
    for (uint32_t i = 0; i < 50; i++) { /* Batches of two. */
        (void)rig_append(&rig, &(struct rig_batch){.records = 2, .value_bytes = 900});
    }
    rig_settle(&rig);
    for (uint32_t round = 0; round < 2; round++) {
        for (int64_t upper = 2; upper <= 100; upper += 2) {
            uint32_t len;
            enum log_status status;
            uint8_t *bytes = rig_read(&rig, 0, 0, upper, 1 << 20, &len, &status);
            assert_int_equal(status, LOG_OK);
            struct bytes rest = {bytes, len};
            struct batch_header header;
            struct bytes batch;
            int64_t next = 0;
            while (batch_next(&rest, &header, &batch) == BATCH_OK) {
                next = batch_last_offset(&header) + 1;
            }
            assert_int_equal(rest.len, 0);
            assert_int_equal(next, upper);
            free(bytes);
        }
        restart(&rig);
    }
    rig_destroy(&rig);
}

static void bounds_and_sizes_are_kafkas(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(5);
    rig_create(&rig, &options);
    (void)rig_append(&rig, &(struct rig_batch){.records = 1, .value_bytes = 5000});
    (void)rig_append(&rig, &(struct rig_batch){.records = 1, .value_bytes = 50});
    rig_settle(&rig);
    struct partition *p = rig.partitions[0];
    struct log_read read = {.offset = 3, .upper_offset = INT64_MAX, .bytes_max = 100};
    assert_int_equal(log_read(rig.log, p, &read), LOG_OFFSET_OUT_OF_RANGE);
    read.offset = -1;
    assert_int_equal(log_read(rig.log, p, &read), LOG_OFFSET_OUT_OF_RANGE);
    read.offset = 2; /* The end: nothing, and no error (B27). */
    assert_int_equal(log_read(rig.log, p, &read), LOG_OK);
    assert_int_equal(read.bytes, 0);
    read.offset = 0; /* Does not fit: nothing (B26). */
    assert_int_equal(log_read(rig.log, p, &read), LOG_OK);
    assert_int_equal(read.bytes, 0);
    read.whole_batch = true;
    assert_int_equal(log_read(rig.log, p, &read), LOG_OK);
    assert_true(read.bytes > 5000 && read.bytes < 5200);
    for (uint32_t i = 0; i < read.extent_count; i++) {
        log_extent_release(rig.log, read.extents[i].hold);
    }
    read.whole_batch = false; /* The second batch cut short, as Kafka does. */
    read.bytes_max = 5110;
    assert_int_equal(log_read(rig.log, p, &read), LOG_OK);
    assert_int_equal(read.bytes, 5110);
    for (uint32_t i = 0; i < read.extent_count; i++) {
        log_extent_release(rig.log, read.extents[i].hold);
    }
    uint32_t bytes;
    assert_int_equal(partition_readable(p, 0, INT64_MAX, UINT32_MAX, &bytes), LOG_OK);
    assert_int_equal(bytes, partition_size_bytes(p));
    assert_int_equal(partition_readable(p, 1, INT64_MAX, UINT32_MAX, &bytes), LOG_OK);
    assert_true(bytes > 50 && bytes < 200);
    assert_int_equal(partition_readable(p, 2, INT64_MAX, UINT32_MAX, &bytes), LOG_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(partition_readable(p, 3, INT64_MAX, UINT32_MAX, &bytes),
                     LOG_OFFSET_OUT_OF_RANGE);
    rig_destroy(&rig);
}

static void consumers_never_see_what_is_not_written(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(6);
    rig_create(&rig, &options);
    (void)rig_put(&rig, 100, APPEND_ACK_WRITTEN);
    rig_settle(&rig);
    (void)rig_put(&rig, 100, APPEND_ACK_WRITTEN); /* In the arena, on its way. */
    struct partition *p = rig.partitions[0];
    assert_int_equal(partition_end(p), 2);
    assert_int_equal(partition_high_watermark(p), 1); /* H1. */
    uint32_t bytes;
    assert_int_equal(partition_readable(p, 1, INT64_MAX, UINT32_MAX, &bytes), LOG_OK);
    assert_int_equal(bytes, 0);
    struct log_read read = {.offset = 0, .upper_offset = INT64_MAX, .bytes_max = 1 << 20};
    assert_int_equal(log_read(rig.log, p, &read), LOG_OK);
    assert_int_equal(read.extent_count, 1);
    struct bytes rest = read.extents[0].bytes;
    struct batch_header header;
    struct bytes batch;
    assert_int_equal(batch_next(&rest, &header, &batch), BATCH_OK);
    assert_int_equal(rest.len, 0);
    log_extent_release(rig.log, read.extents[0].hold);
    rig_settle(&rig);
    rig_destroy(&rig);
}

static void lent_bytes_stay_as_they_are_under_pressure(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(7);
    options.arena_bytes = 1 << 20;
    rig_create(&rig, &options);
    fill(&rig, 20, 2000, 7);
    struct log_read read = {.offset = 0, .upper_offset = INT64_MAX, .bytes_max = 20000};
    assert_int_equal(log_read(rig.log, rig.partitions[0], &read), LOG_OK);
    assert_true(read.bytes > 0);
    static uint8_t copy[20000];
    uint32_t len = 0;
    for (uint32_t i = 0; i < read.extent_count; i++) {
        memcpy(copy + len, read.extents[i].bytes.ptr, read.extents[i].bytes.len);
        len += read.extents[i].bytes.len;
    }
    fill(&rig, 300, 9000, 8); /* More than the arena holds. */
    len = 0;
    for (uint32_t i = 0; i < read.extent_count; i++) {
        assert_memory_equal(copy + len, read.extents[i].bytes.ptr, read.extents[i].bytes.len);
        len += read.extents[i].bytes.len;
        log_extent_release(rig.log, read.extents[i].hold);
    }
    rig_check(&rig);
    rig_destroy(&rig);
}

static void damage_on_the_device_is_told_and_not_sent(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(8);
    rig_create(&rig, &options);
    fill(&rig, 30, 2000, 8);
    rig_stop(&rig);
    const uint8_t wrong[4] = {0x7f, 0xff, 0xff, 0xff};
    assert_int_equal(sim_machine_poke(rig.machine, "/data0/orders-0/00000000000000000000.log",
                                      wrong, 4, BATCH_AT_LENGTH),
                     0);
    assert_true(rig_start(&rig));
    uint32_t len;
    enum log_status status;
    free(rig_read(&rig, 0, 0, INT64_MAX, 1000, &len, &status));
    assert_int_equal(status, LOG_CORRUPT);
    free(rig_read(&rig, 0, partition_end(rig.partitions[0]), INT64_MAX, 1000, &len, &status));
    assert_int_equal(status, LOG_OK);
    rig_destroy(&rig);
}

static void a_failed_read_is_an_error_once(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(9);
    rig_create(&rig, &options);
    fill(&rig, 30, 2000, 9);
    restart(&rig);
    const struct sim_fault fault = {
        .operation = SIM_READ, .error = EIO, .count = 1, .path = ".log"};
    sim_machine_add_fault(rig.machine, &fault);
    uint32_t len;
    enum log_status status;
    free(rig_read(&rig, 0, 0, INT64_MAX, 1000, &len, &status));
    assert_int_equal(status, LOG_IO_ERROR);
    free(rig_read(&rig, 0, 0, INT64_MAX, 1000, &len, &status));
    assert_int_equal(status, LOG_OK);
    rig_check_after(&rig, false);
    rig_destroy(&rig);
}

static void a_reader_that_follows_needs_no_lookups(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(10);
    options.arena_bytes = 4 << 20;
    rig_create(&rig, &options);
    fill(&rig, 500, 9000, 10);
    restart(&rig);
    struct sim_counters before = *sim_machine_counters(rig.machine);
    rig_check_after(&rig, false);
    const struct sim_counters after = *sim_machine_counters(rig.machine);
    assert_true(after.file_calls - before.file_calls < 20); /* Jobs: opening, hardly more. */
    const uint64_t size = partition_size_bytes(rig.partitions[0]);
    assert_true(after.reads - before.reads <= 2 * (size >> 20) + 4); /* In large pieces. */
    rig_destroy(&rig);
}

/* One read from the start of the log, and what the disk was asked for until it was quiet again. */
static uint64_t bytes_read_for(struct rig *rig, bool sequential)
{
    restart(rig); /* Nothing is in memory. */
    struct log_read read = {
        .upper_offset = INT64_MAX, .bytes_max = 64 << 10, .sequential = sequential};
    const uint64_t before = log_counters(rig->log)->read_bytes;
    enum log_status status = log_read(rig->log, rig->partitions[0], &read);
    while (status == LOG_PENDING) {
        assert_true(rig_turn(rig));
        status = log_read_done(rig->log) == &read ? read.status : LOG_PENDING;
    }
    assert_int_equal(status, LOG_OK);
    assert_true(read.bytes > 0);
    for (uint32_t i = 0; i < read.extent_count; i++) {
        log_extent_release(rig->log, read.extents[i].hold);
    }
    rig_settle(rig);
    return log_counters(rig->log)->read_bytes - before;
}

static void what_follows_is_read_ahead_within_bounds_and_only_where_it_is_wanted(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(11);
    options.arena_bytes = 32 << 20;
    rig_create(&rig, &options);
    fill(&rig, 500, 15000, 11);
    assert_true(partition_size_bytes(rig.partitions[0]) > 8 << 20);
    assert_in_range(bytes_read_for(&rig, false), 1, 64 << 10);
    assert_int_equal(bytes_read_for(&rig, true), 3 << 20); /* The MiB it stands in, two more. */
    /* What was read ahead is handed out at once. */
    int64_t offset = 0;
    const struct sim_counters before = *sim_machine_counters(rig.machine);
    for (uint32_t i = 0; i < 100; i++) {
        struct log_read read = {
            .offset = offset, .upper_offset = INT64_MAX, .bytes_max = 1, .whole_batch = true};
        assert_int_equal(log_read(rig.log, rig.partitions[0], &read), LOG_OK);
        assert_true(read.bytes > 0);
        struct batch_header header;
        for (uint32_t k = 0; k < read.extent_count; k++) {
            log_extent_release(rig.log, read.extents[k].hold);
        }
        assert_int_equal(batch_parse_header(chain_of(&read.extents[0].bytes), &header), BATCH_OK);
        offset = batch_last_offset(&header) + 1;
    }
    assert_true(offset > 0);
    assert_int_equal(sim_machine_counters(rig.machine)->reads, before.reads);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read_from_disk_after_a_restart),
        cmocka_unit_test(any_offset_is_found_in_the_batch_that_holds_it),
        cmocka_unit_test(flipped_bits_of_an_index_lose_nothing),
        cmocka_unit_test(a_read_ends_at_its_upper_offset),
        cmocka_unit_test(bounds_and_sizes_are_kafkas),
        cmocka_unit_test(consumers_never_see_what_is_not_written),
        cmocka_unit_test(lent_bytes_stay_as_they_are_under_pressure),
        cmocka_unit_test(damage_on_the_device_is_told_and_not_sent),
        cmocka_unit_test(a_failed_read_is_an_error_once),
        cmocka_unit_test(a_reader_that_follows_needs_no_lookups),
        cmocka_unit_test(what_follows_is_read_ahead_within_bounds_and_only_where_it_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
