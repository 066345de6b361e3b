#include "tests/storage/log/rig.h"

#include <stdlib.h>
#include <zlib.h>

#include "storage/io/file.h"

static void an_appended_batch_is_acknowledged_and_read_back(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    const struct rig_append *a = rig_append_wait(
        &rig, &(struct rig_batch){.records = 3, .value_bytes = 100, .ack = APPEND_ACK_WRITTEN});
    assert_int_equal(a->append.status, LOG_OK);
    assert_int_equal(a->append.base_offset, 0);
    const struct rig_append *b = rig_append_wait(
        &rig, &(struct rig_batch){.records = 2, .value_bytes = 5000, .ack = APPEND_ACK_FLUSHED});
    assert_int_equal(b->append.status, LOG_OK);
    assert_int_equal(b->append.base_offset, 3);
    assert_int_equal(partition_high_watermark(rig.partitions[0]), 5);
    assert_int_equal(partition_flushed(rig.partitions[0]), 5);
    rig_check(&rig);
    rig_destroy(&rig);
}

static void what_moves_is_told_where_it_is_watched(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    const struct rig_batch batch = {.records = 1, .value_bytes = 100, .ack = APPEND_ACK_WRITTEN};
    rig_create(&rig, &options);
    (void)rig_append_wait(&rig, &batch);
    assert_int_equal(rig.advanced, 0);
    partition_watch(rig.partitions[0], true);
    (void)rig_append_wait(&rig, &batch);
    assert_int_equal(rig.advanced, 1);
    partition_watch(rig.partitions[0], false);
    (void)rig_append_wait(&rig, &batch);
    assert_int_equal(rig.advanced, 1);
    rig_destroy(&rig);
}

static void many_batches_of_all_sizes_are_read_back(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const struct rig_options options = rig_options(seed);
        rig_create(&rig, &options);
        struct random random;
        random_init(&random, seed);
        for (uint32_t i = 0; i < 200; i++) {
            const uint32_t bytes = (uint32_t)random_below(&random, 1u << random_below(&random, 18));
            (void)rig_put(&rig, bytes + 12,
                          random_one_in(&random, 2) ? APPEND_ACK_WRITTEN : APPEND_ACK_FLUSHED);
            if (random_one_in(&random, 3)) {
                assert_true(rig_turn(&rig));
            }
        }
        rig_settle(&rig);
        for (uint32_t i = 0; i < 200; i++) {
            assert_true(rig.appends[i].answered);
            assert_int_equal(rig.appends[i].append.status, LOG_OK);
            assert_int_equal(rig.appends[i].append.base_offset, i);
        }
        rig_check(&rig);
        rig_destroy(&rig);
    }
}

static void a_restart_finds_everything(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const struct rig_options options = rig_options(seed);
        rig_create(&rig, &options);
        for (uint32_t i = 0; i < 50; i++) {
            (void)rig_put(&rig, 12 + 300 * i, i % 2 ? APPEND_ACK_WRITTEN : APPEND_ACK_FLUSHED);
        }
        rig_settle(&rig);
        if (seed % 2) {
            rig_stop(&rig);
        } else {
            rig_kill(&rig);
        }
        assert_true(rig_start(&rig));
        assert_int_equal(rig.clean, seed % 2);
        assert_int_equal(partition_end(rig.partitions[0]), 50);
        assert_int_equal(rig.epochs[0], 6);
        rig_check_after(&rig, false);
        const struct rig_append *a = rig_append_wait(
            &rig, &(struct rig_batch){.records = 1, .value_bytes = 50, .ack = APPEND_ACK_FLUSHED});
        assert_int_equal(a->append.status, LOG_OK);
        assert_int_equal(a->append.base_offset, 50);
        rig_check(&rig);
        rig_destroy(&rig);
    }
}

enum { OLD_BYTES = 36 };

/* A message of format 1 with an empty key and an empty value (Kafka's LegacyRecord). */
static void old_message(uint8_t at[OLD_BYTES], int64_t offset)
{
    memset(at, 0, OLD_BYTES);
    store_be64(at, (uint64_t)offset);
    store_be32(at + 8, OLD_BYTES - 12);
    at[16] = 1;
    store_be64(at + 18, 1000); /* The time; lengths of key and value stay 0. */
    store_be32(at + 12, (uint32_t)crc32(0, at + 16, OLD_BYTES - 16));
}

static void B33_batches_of_old_formats_are_found_and_served_as_they_are(void **state)
{
    (void)state;
    static struct rig rig;
    static _Alignas(4096) uint8_t block[4096];
    const struct rig_options options = rig_options(7);
    rig_create(&rig, &options);
    (void)rig_append_wait(&rig, &(struct rig_batch){.records = 1, .ack = APPEND_ACK_FLUSHED});
    rig_settle(&rig);
    memset(block, 0, sizeof(block));
    for (int64_t i = 0; i < 3; i++) {
        old_message(block + i * OLD_BYTES, i);
    }
    const int fd = file_open(rig.fs, "/data0/orders-0/00000000000000000000.log", FILE_WRITE);
    assert_true(fd >= 0);
    assert_int_equal(file_write(rig.fs, fd, block, sizeof(block), 0), sizeof(block));
    file_close(rig.fs, fd);
    rig_kill(&rig);
    for (int64_t end = 3; end < 5; end++) {
        assert_true(rig_start(&rig));
        assert_int_equal(partition_end(rig.partitions[0]), end);
        for (int64_t from = 0; from < 3; from++) {
            uint32_t len;
            enum log_status status;
            uint8_t *bytes = rig_read(&rig, 0, from, 3, 1 << 20, &len, &status);
            assert_int_equal(status, LOG_OK);
            assert_int_equal(len, (3 - from) * OLD_BYTES);
            assert_memory_equal(bytes, block + from * OLD_BYTES, len);
            free(bytes);
        }
        /* What is new goes behind them, in the format of today. */
        const struct rig_append *a =
            rig_append_wait(&rig, &(struct rig_batch){.records = 1, .ack = APPEND_ACK_FLUSHED});
        assert_int_equal(a->append.status, LOG_OK);
        assert_int_equal(a->append.base_offset, end);
        rig_kill(&rig);
    }
    assert_true(rig_start(&rig));
    rig_destroy(&rig);
}

/* Without a directory id its partitions would count as not placed yet. */
static void a_directory_without_an_id_is_given_one(void **state)
{
    (void)state;
    static struct rig rig;
    static const char file[] = "/data0/meta.properties";
    const struct rig_options options = rig_options(4);
    rig_create(&rig, &options);
    rig_stop(&rig);
    uint32_t len;
    uint8_t *content = rig_file(&rig, file, &len);
    assert_non_null(content);
    const uint8_t *key = memmem(content, len, "directory.id", 12);
    assert_non_null(key);
    assert_int_equal(sim_machine_flip_bit(rig.machine, file, (uint64_t)(key - content), 0), 0);
    free(content);
    assert_true(rig_start(&rig));
    const struct uuid given = rig.directories[0].directory_id;
    assert_false(uuid_is_zero(given));
    rig_stop(&rig);
    assert_true(rig_start(&rig));
    assert_true(uuid_equal(rig.directories[0].directory_id, given));
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_appended_batch_is_acknowledged_and_read_back),
        cmocka_unit_test(what_moves_is_told_where_it_is_watched),
        cmocka_unit_test(many_batches_of_all_sizes_are_read_back),
        cmocka_unit_test(a_restart_finds_everything),
        cmocka_unit_test(a_directory_without_an_id_is_given_one),
        cmocka_unit_test(B33_batches_of_old_formats_are_found_and_served_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
