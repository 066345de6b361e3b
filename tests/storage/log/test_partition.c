/* A partition's facts. */
#include "storage/log/engine.h"
#include "tests/storage/log/rig.h"

static struct rig rig;

static void rig_make(void)
{
    const struct rig_options options = rig_options(1);
    rig_create(&rig, &options);
}

static void a_configuration_becomes_the_rules_of_validation(void **state)
{
    (void)state;
    rig_make();
    struct partition *p = rig.partitions[0];
    struct partition_config config = kafka_config();
    config.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
    config.timestamp_before_max_ms = 11;
    config.timestamp_after_max_ms = 12;
    config.max_message_bytes = 13;
    config.segment_bytes = 14;
    config.cleanup_compact = true;
    config.compression = BATCH_CODEC_LZ4;
    config.compression_level = 3;
    partition_configure(p, &config);
    assert_true(p->rules.log_append_time);
    assert_int_equal(p->rules.timestamp_before_max_ms, 11);
    assert_int_equal(p->rules.timestamp_after_max_ms, 12);
    assert_int_equal(p->rules.message_bytes_max, 13);
    assert_int_equal(p->rules.segment_bytes_max, 14);
    assert_true(p->rules.compacted);
    assert_true(p->rules.codec_fixed);
    assert_int_equal(p->rules.codec, BATCH_CODEC_LZ4);
    assert_int_equal(p->rules.codec_level, 3);
    config.compression = -1; /* The producer's own. */
    partition_configure(p, &config);
    assert_false(p->rules.codec_fixed);
    config = kafka_config();
    partition_configure(p, &config);
    rig_destroy(&rig);
}

static void a_state_says_why_it_does_not_run(void **state)
{
    (void)state;
    static const struct {
        enum partition_phase phase;
        enum log_status want;
    } cases[] = {
        {PHASE_RUNNING, LOG_OK},         {PHASE_DRAINING, LOG_NO_SPACE},
        {PHASE_REPAIRING, LOG_NO_SPACE}, {PHASE_BROKEN, LOG_NO_SPACE},
        {PHASE_FENCED, LOG_FENCED},      {PHASE_CLOSING, LOG_CLOSED},
        {PHASE_CLOSED, LOG_CLOSED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct partition p = {.phase = (uint8_t)cases[i].phase, .failure = LOG_NO_SPACE};
        assert_int_equal(partition_state(&p), cases[i].want);
    }
}

/* B31: epoch 6 from 0 on, 8 from 2 on; the leader is in 10 and has appended nothing. */
static void the_end_of_an_epoch_is_where_the_next_begins(void **state)
{
    (void)state;
    static const struct {
        int32_t asked;
        int32_t epoch;
        int64_t end;
    } cases[] = {{-1, -1, -1}, {4, 4, 0}, {6, 6, 2},   {7, 6, 2},
                 {8, 8, 4},    {9, 8, 4}, {10, 10, 4}, {11, -1, -1}};
    rig_make();
    struct partition *p = rig.partitions[0];
    const int32_t first = partition_leader_epoch(p); /* The rig's, at its first start. */
    for (uint32_t i = 0; i < 4; i++) {
        if (i == 2) {
            partition_set_leader_epoch(p, first + 2);
        }
        const struct rig_batch batch = {.records = 1, .value_bytes = 10};
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    }
    partition_set_leader_epoch(p, first + 4);
    assert_int_equal(first, 6);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int32_t epoch;
        int64_t end;
        partition_epoch_end(p, cases[i].asked, &epoch, &end);
        if (epoch != cases[i].epoch || end != cases[i].end) {
            fail_msg("epoch %d: %d, %ld", cases[i].asked, epoch, (long)end);
        }
    }
    rig_destroy(&rig);
}

static void producers_are_told_as_far_as_there_is_room(void **state)
{
    (void)state;
    rig_make();
    for (uint32_t i = 0; i < 5; i++) {
        const struct rig_batch batch = {
            .records = i + 1, .value_bytes = 10, .producer_id = 100 + i, .producer_epoch = 2};
        assert_int_equal(rig_append_wait(&rig, &batch)->append.status, LOG_OK);
    }
    struct partition_producer told[5];
    memset(told, 0xff, sizeof(told));
    assert_int_equal(partition_producers(rig.partitions[0], told, 3), 5);
    for (int32_t i = 0; i < 3; i++) { /* In the order of their arrival. */
        assert_int_equal(told[i].producer_id, 100 + i);
        assert_int_equal(told[i].producer_epoch, 2);
        assert_int_equal(told[i].last_sequence, i);
        assert_int_equal(told[i].current_txn_start_offset, -1);
    }
    assert_int_equal(told[3].producer_id, -1);
    assert_int_equal(partition_last_stable(rig.partitions[0]), 15);
    rig_destroy(&rig);
}

/* H13: what a start would read counts for the core as long as checkpoints can make it less. */
static void unread_bytes_are_the_cores_while_checkpoints_succeed(void **state)
{
    (void)state;
    rig_make();
    struct partition *p = rig.partitions[0];
    partition_set_unread(p, 500);
    assert_int_equal(rig.log->unread_bytes, 500);
    partition_checkpointed(p, LOG_NO_SPACE);
    assert_int_equal(rig.log->unread_bytes, 0);
    partition_set_unread(p, 700);
    assert_int_equal(p->unread_bytes, 700);
    assert_int_equal(rig.log->unread_bytes, 0);
    partition_checkpointed(p, LOG_OK);
    assert_int_equal(rig.log->unread_bytes, 700);
    partition_set_unread(p, 0);
    assert_int_equal(rig.log->unread_bytes, 0);
    rig_destroy(&rig);
}

static void partitions_of_one_topic_spread_over_the_table(void **state)
{
    (void)state;
    enum { PARTITIONS = 4096, BUCKETS = 256 };
    static uint32_t count[BUCKETS];
    struct partition_id id = {.index = 0};
    memset(id.topic_id.bytes, 0x42, 16);
    for (; id.index < PARTITIONS; id.index++) {
        count[partition_hash(&id) % BUCKETS]++;
    }
    for (uint32_t i = 0; i < BUCKETS; i++) {
        assert_in_range(count[i], 1, 4 * PARTITIONS / BUCKETS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configuration_becomes_the_rules_of_validation),
        cmocka_unit_test(a_state_says_why_it_does_not_run),
        cmocka_unit_test(the_end_of_an_epoch_is_where_the_next_begins),
        cmocka_unit_test(producers_are_told_as_far_as_there_is_room),
        cmocka_unit_test(unread_bytes_are_the_cores_while_checkpoints_succeed),
        cmocka_unit_test(partitions_of_one_topic_spread_over_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
