#include <stdlib.h>

#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

enum { BATCHES = 120 };

struct known {
    int64_t offset;
    int64_t timestamp_ms;
};

static struct known records[BATCHES * 4];
static uint32_t record_count;

static void fill(struct rig *rig, uint64_t seed, bool sorted, enum batch_codec codec)
{
    struct random random;
    random_init(&random, seed);
    record_count = 0;
    const int64_t start_ms = INT64_C(1699999000000);
    for (uint32_t i = 0; i < BATCHES; i++) {
        const struct rig_batch batch = {
            .records = 1 + (uint32_t)random_below(&random, 4),
            .value_bytes = 12 + (uint32_t)random_below(&random, 3000),
            .codec = codec,
            .timestamp_ms =
                start_ms + (sorted ? (int64_t)i * 100 : (int64_t)random_below(&random, 12000))};
        const struct rig_append *a = rig_append_wait(rig, &batch);
        assert_int_equal(a->append.status, LOG_OK);
        for (uint32_t r = 0; r < batch.records; r++) {
            records[record_count++] = (struct known){a->append.base_offset + r, batch.timestamp_ms};
        }
    }
    rig_settle(rig);
}

static struct log_query ask(struct rig *rig, enum log_query_kind kind, int64_t timestamp_ms,
                            int64_t upper)
{
    struct log_query query = {.kind = kind, .timestamp_ms = timestamp_ms, .upper_offset = upper};
    enum log_status status = log_query(rig->log, rig->partitions[0], &query);
    while (status == LOG_PENDING && rig_turn(rig)) {
        struct log_query *done = log_query_done(rig->log);
        status = done == NULL ? LOG_PENDING : done->status;
    }
    assert_int_equal(status, LOG_OK);
    return query;
}

static void check(struct rig *rig, int64_t timestamp_ms, int64_t upper)
{
    const int64_t start = partition_log_start(rig->partitions[0]);
    const struct known *first = NULL;
    for (uint32_t i = 0; i < record_count && first == NULL; i++) {
        if (records[i].timestamp_ms >= timestamp_ms && records[i].offset >= start) {
            first = &records[i];
        }
    }
    if (first != NULL && first->offset >= upper) {
        first = NULL;
    }
    const struct log_query query = ask(rig, LOG_QUERY_TIMESTAMP, timestamp_ms, upper);
    assert_int_equal(query.offset, first == NULL ? -1 : first->offset);
    assert_int_equal(query.timestamp_ms, first == NULL ? -1 : first->timestamp_ms);
    assert_int_equal(query.leader_epoch >= 0, first != NULL);
}

static void check_many(struct rig *rig, uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    for (uint32_t i = 0; i < 60; i++) {
        const int64_t timestamp_ms =
            INT64_C(1699999000000) - 100 + (int64_t)random_below(&random, 12300);
        check(rig, timestamp_ms, INT64_MAX);
        check(rig, timestamp_ms, (int64_t)random_below(&random, record_count));
    }
    check(rig, 0, INT64_MAX);
    const struct known *largest = &records[0];
    for (uint32_t i = 0; i < record_count; i++) {
        largest = records[i].timestamp_ms > largest->timestamp_ms ? &records[i] : largest;
    }
    const struct log_query query = ask(rig, LOG_QUERY_MAX_TIMESTAMP, 0, INT64_MAX);
    assert_int_equal(query.timestamp_ms, largest->timestamp_ms);
    assert_int_equal(query.offset, largest->offset);
}

static void the_first_record_at_a_time_is_found(void **state)
{
    (void)state;
    static struct rig rig;
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct rig_options options = rig_options(seed);
        options.config.segment_bytes = seed % 3 ? 80000 : 1 << 30;
        rig_create(&rig, &options);
        fill(&rig, seed, seed % 2 == 0,
             seed % 4 == 1 ? (enum batch_codec)(1 + seed / 4 % 4) : BATCH_CODEC_NONE);
        check_many(&rig, seed);
        rig_run_ms(&rig, 12000); /* Sealed: the indexes are in the files only. */
        check_many(&rig, seed + 1);
        rig_kill(&rig);
        assert_true(rig_start(&rig));
        check_many(&rig, seed + 2);
        rig_destroy(&rig);
    }
}

/* The indexes only say where to look: a wrong entry is found out by the batches it names. */
static void flipped_bits_of_indexes_change_no_answer(void **state)
{
    (void)state;
    static struct rig rig;
    static const char *const files[] = {"/data0/orders-0/00000000000000000000.index",
                                        "/data0/orders-0/00000000000000000000.timeindex"};
    struct rig_options options = rig_options(5);
    options.config.segment_bytes = 1 << 30;
    rig_create(&rig, &options);
    fill(&rig, 5, false, BATCH_CODEC_NONE);
    rig_run_ms(&rig, 12000);
    for (size_t file = 0; file < ARRAY_SIZE(files); file++) {
        const int64_t size = sim_machine_file_size(rig.machine, files[file]);
        assert_true(size > 24);
        for (uint32_t i = 0; i < 60; i++) {
            const uint64_t at = (uint64_t)i * 7 % (uint64_t)size;
            assert_int_equal(sim_machine_flip_bit(rig.machine, files[file], at, i), 0);
            check_many(&rig, i);
            assert_int_equal(sim_machine_flip_bit(rig.machine, files[file], at, i), 0);
        }
    }
    assert_true(log_counters(rig.log)->bad_index_entries > 0);
    rig_destroy(&rig);
}

/* The last entry of a rolled segment's .timeindex says whether a lookup needs to look into it. */
static void a_flipped_bit_of_the_last_time_survives_no_start(void **state)
{
    (void)state;
    static struct rig rig;
    static const char path[] = "/data0/orders-0/00000000000000000000.timeindex";
    for (uint32_t byte = 0; byte < 12; byte++) {
        for (uint32_t bit = 0; bit < 8; bit += 7) {
            struct rig_options options = rig_options(byte);
            options.config.segment_bytes = 80000;
            rig_create(&rig, &options);
            fill(&rig, byte, byte % 2 == 0, BATCH_CODEC_NONE);
            rig_run_ms(&rig, 12000);
            rig_kill(&rig);
            uint32_t len;
            uint32_t cured_len;
            uint8_t *before = rig_file(&rig, path, &len);
            assert_true(len >= 12);
            assert_int_equal(sim_machine_flip_bit(rig.machine, path, len - 12 + byte, bit), 0);
            assert_true(rig_start(&rig));
            check_many(&rig, byte);
            uint8_t *cured = rig_file(&rig, path, &cured_len);
            assert_int_equal(cured_len, len);
            assert_memory_equal(cured, before, len);
            free(before);
            free(cured);
            rig_kill(&rig);
            rig_destroy(&rig);
        }
    }
}

/* The same bit in the log itself costs its batch only. */
static void a_flipped_bit_of_the_batch_it_names_ends_no_log(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(1);
    options.config.segment_bytes = 80000;
    rig_create(&rig, &options);
    fill(&rig, 2, true, BATCH_CODEC_NONE);
    rig_run_ms(&rig, 12000);
    rig_kill(&rig);
    uint32_t len;
    uint8_t *log = rig_file(&rig, "/data0/orders-0/00000000000000000000.log", &len);
    uint32_t at = 0; /* The last batch: timestamps grow. */
    struct batch_header header;
    for (uint32_t next = 0; next < len; next += header.size_bytes) {
        const struct bytes view = {log + next, len - next};
        assert_int_equal(batch_parse_header(chain_of(&view), &header), BATCH_OK);
        at = next;
    }
    free(log);
    assert_int_equal(
        sim_machine_flip_bit(rig.machine, "/data0/orders-0/00000000000000000000.log", at + 40, 3),
        0);
    assert_true(rig_start(&rig));
    assert_int_equal(partition_end(rig.partitions[0]), record_count);
    rig_kill(&rig);
    rig_destroy(&rig);
}

static void an_empty_log_knows_no_time(void **state)
{
    (void)state;
    static struct rig rig;
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
    assert_int_equal(ask(&rig, LOG_QUERY_TIMESTAMP, 5, INT64_MAX).offset, -1);
    assert_int_equal(ask(&rig, LOG_QUERY_MAX_TIMESTAMP, 5, INT64_MAX).offset, -1);
    assert_int_equal(ask(&rig, LOG_QUERY_MAX_TIMESTAMP, 5, INT64_MAX).timestamp_ms, -1);
    rig_destroy(&rig);
}

/* Retention takes files while somebody asks: what is left answers. */
static void segments_that_are_leaving_are_not_asked(void **state)
{
    (void)state;
    static struct rig rig;
    struct rig_options options = rig_options(3);
    options.config.segment_bytes = 80000;
    rig_create(&rig, &options);
    fill(&rig, 3, true, BATCH_CODEC_NONE);
    struct partition *p = rig.partitions[0];
    options.config.retention_bytes = 1;
    partition_configure(p, &options.config);
    while (!p->leaving) {
        assert_true(rig_turn(&rig));
    }
    assert_true(partition_log_start(p) > 0);
    check(&rig, 0, INT64_MAX);
    check(&rig, records[record_count / 2].timestamp_ms, INT64_MAX);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_record_at_a_time_is_found),
        cmocka_unit_test(flipped_bits_of_indexes_change_no_answer),
        cmocka_unit_test(a_flipped_bit_of_the_last_time_survives_no_start),
        cmocka_unit_test(a_flipped_bit_of_the_batch_it_names_ends_no_log),
        cmocka_unit_test(an_empty_log_knows_no_time),
        cmocka_unit_test(segments_that_are_leaving_are_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
