#include "tests/dataplane/broker/rig.h"

static struct fetched step(struct client *client, int16_t version, const char *topic,
                           int32_t partition, int64_t offset, int32_t session, int32_t epoch)
{
    return client_fetch(client, &(struct fetch_spec){.version = version,
                                                     .topic = topic,
                                                     .partition = partition,
                                                     .offset = offset,
                                                     .session_id = session,
                                                     .session_epoch = epoch});
}

static void B28_an_incremental_answer_tells_only_what_changed(void **state)
{
    (void)state;
    for (int16_t version = 7; version <= 18; version++) {
        struct rig *rig = rig_with_topic(2, "orders", 2);
        struct client *client = client_connect(rig, 0);
        struct client *producer = client_connect(rig, 1);
        (void)client_put_record(producer, "orders", 0, 1);
        struct fetched fetched = step(client, version, "orders", 0, 0, 0, 0);
        const int32_t id = fetched.session_id;
        assert_true(id > 0);
        assert_int_equal(fetched.record_count, 1);
        /* The partition moves on, another one comes. */
        fetched = step(client, version, "orders", 0, 1, id, 1);
        assert_int_equal(fetched.session_id, id);
        assert_int_equal(fetched.partitions, 0);
        fetched = step(client, version, "orders", 1, 0, id, 2);
        assert_int_equal(fetched.partitions, 1); /* New in the session. */
        fetched = step(client, version, NULL, 0, 0, id, 3);
        assert_int_equal(fetched.partitions, 0);
        (void)client_put_record(producer, "orders", 1, 2);
        fetched = step(client, version, NULL, 0, 0, id, 4);
        assert_int_equal(fetched.partitions, 1);
        assert_int_equal(fetched.record_count, 1);
        /* Partitions that came with different requests are told under one topic. */
        (void)client_put_record(producer, "orders", 0, 3);
        fetched = step(client, version, NULL, 0, 0, id, 5);
        assert_int_equal(fetched.topics, 1);
        assert_int_equal(fetched.partitions, 2);
        client_free(client);
        client_free(producer);
        rig_destroy(rig);
    }
}

static void B28_a_parked_incremental_fetch_wakes(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *client = client_connect(rig, 0);
    struct client *producer = client_connect(rig, 1);
    const int32_t id = step(client, 12, "orders", 0, 0, 0, 0).session_id;
    (void)step(client, 12, "orders", 1, 0, id, 1);
    for (int32_t i = 0; i < 6; i++) {
        const int32_t partition = i % 2;
        client_send_fetch(client, &(struct fetch_spec){.version = 12,
                                                       .topic = i == 0 ? NULL : "orders",
                                                       .partition = 1 - partition,
                                                       .offset = (i + 1) / 2,
                                                       .max_wait_ms = 100000,
                                                       .session_id = id,
                                                       .session_epoch = i + 2});
        client_expect_silence(client, 3);
        (void)client_put_record(producer, "orders", partition, i);
        const struct fetched fetched = client_receive_fetched(client, 12);
        assert_int_equal(fetched.partitions, 1);
        assert_int_equal(fetched.first_offset, i / 2);
        assert_int_equal(fetched.record_count, 1);
    }
    client_free(client);
    client_free(producer);
    rig_destroy(rig);
}

static void B28_wrong_ids_and_epochs_are_errors_of_the_whole(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    const int32_t id = step(client, 12, "orders", 0, 0, 0, 0).session_id;
    assert_int_equal(step(client, 12, NULL, 0, 0, id ^ 64, 1).error,
                     ERROR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(step(client, 12, NULL, 0, 0, id, 2).error, ERROR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(step(client, 13, NULL, 0, 0, id, 1).error, ERROR_FETCH_SESSION_TOPIC_ID_ERROR);
    const struct fetched fetched = step(client, 12, NULL, 0, 0, id, 2);
    assert_int_equal(fetched.error, ERROR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(fetched.session_id, 0);
    assert_int_equal(step(client, 12, NULL, 0, 0, id, 1).error, ERROR_NONE);
    assert_int_equal(step(client, 12, NULL, 0, 0, id, 1).error, ERROR_INVALID_FETCH_SESSION_EPOCH);
    client_free(client);
    rig_destroy(rig);
}

static void B28_a_full_fetch_ends_the_session_it_names(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 1);
    struct client *client = client_connect(rig, 0);
    struct client *elsewhere = client_connect(rig, 1);
    const int32_t first = step(client, 12, "orders", 0, 0, 0, 0).session_id;
    const int32_t second = step(client, 12, "orders", 0, 0, first, 0).session_id;
    assert_int_not_equal(first, second);
    assert_int_equal(step(client, 12, NULL, 0, 0, first, 1).error,
                     ERROR_FETCH_SESSION_ID_NOT_FOUND);
    /* H26: also from a connection on another core; the id names the core. */
    const int32_t third = step(elsewhere, 12, "orders", 0, 0, second, 0).session_id;
    assert_int_equal(third & 63, 1);
    rig_run_ms(rig, 2);
    assert_int_equal(step(client, 12, NULL, 0, 0, second, 1).error,
                     ERROR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(step(elsewhere, 12, "orders", 0, 0, third, -1).session_id, 0);
    assert_int_equal(step(elsewhere, 12, NULL, 0, 0, third, 1).error,
                     ERROR_FETCH_SESSION_ID_NOT_FOUND);
    client_free(client);
    client_free(elsewhere);
    rig_destroy(rig);
}

static void B28_forgotten_partitions_leave_and_the_last_one_ends_the_session(void **state)
{
    (void)state;
    for (int16_t version = 12; version <= 13; version++) {
        struct rig *rig = rig_with_topic(1, "orders", 2);
        struct client *client = client_connect(rig, 0);
        const int32_t id = step(client, version, "orders", 0, 0, 0, 0).session_id;
        (void)step(client, version, "orders", 1, 0, id, 1);
        static const int32_t first = 0;
        static const int32_t second = 1;
        for (int32_t i = 0; i < 2; i++) {
            struct fetch_request_forgotten_topic forgotten = fetch_request_forgotten_topic_default;
            struct fetch_request request = fetch_request_default;
            forgotten.topic = text_chain("orders");
            forgotten.topic_id = version >= 13 ? rig_find(rig, "orders")->id : (struct uuid){0};
            forgotten.partitions =
                (struct i32_array){.items = i == 0 ? &first : &second, .count = 1};
            request.session_id = id;
            request.session_epoch = 2 + i;
            request.forgotten_topics_data.items = &forgotten;
            request.forgotten_topics_data.count = 1;
            request.rack_id = text_chain("");
            SEND(client, FETCH, fetch, version, &request);
            const struct fetched fetched = client_receive_fetched(client, version);
            assert_int_equal(fetched.error, ERROR_NONE);
            assert_int_equal(fetched.session_id, i == 0 ? id : 0);
            assert_int_equal(fetched.partitions, 0);
        }
        assert_int_equal(step(client, version, NULL, 0, 0, id, 4).error,
                         ERROR_FETCH_SESSION_ID_NOT_FOUND);
        client_free(client);
        rig_destroy(rig);
    }
}

static void B28_without_a_free_slot_there_is_no_session(void **state)
{
    (void)state;
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1, .fetch_sessions = 2});
    rig_topic(rig, "orders", 1);
    rig_publish(rig);
    struct client *client = client_connect(rig, 0);
    const int32_t first = step(client, 12, "orders", 0, 0, 0, 0).session_id;
    const int32_t second = step(client, 12, "orders", 0, 0, 0, 0).session_id;
    assert_true(first > 0 && second > 0);
    const struct fetched none = step(client, 12, "orders", 0, 0, 0, 0);
    assert_int_equal(none.error, ERROR_NONE);
    assert_int_equal(none.session_id, 0);
    /* One that has been idle for two minutes makes room. */
    rig_run_ms(rig, 121000);
    assert_int_equal(step(client, 12, NULL, 0, 0, second, 1).error, ERROR_NONE);
    assert_true(step(client, 12, "orders", 0, 0, 0, 0).session_id > 0);
    assert_int_equal(step(client, 12, NULL, 0, 0, first, 1).error,
                     ERROR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(step(client, 12, NULL, 0, 0, second, 2).error, ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

static void B28_partitions_that_gave_data_go_behind_the_others(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 2);
    struct client *client = client_connect(rig, 0);
    const int32_t id = step(client, 12, "orders", 0, 0, 0, 0).session_id;
    (void)step(client, 12, "orders", 1, 0, id, 1);
    uint8_t buffer[4000];
    for (uint32_t i = 0; i < 8; i++) {
        const struct bytes batch =
            batch_make(rig, &(struct batch_spec){.value_bytes = 1000}, buffer, sizeof(buffer));
        assert_int_equal(client_produce(client, 9, "orders", (int32_t)(i % 2), 1, batch).error,
                         ERROR_NONE);
    }
    uint32_t from[2] = {0};
    for (int32_t i = 0; i < 4; i++) {
        struct fetch_request request = fetch_request_default;
        struct fetch_response response;
        struct fetch_response_topic topic;
        struct fetch_response_partition partition;
        request.max_bytes = 1100;
        request.session_id = id;
        request.session_epoch = 2 + i;
        request.rack_id = text_chain("");
        CALL(client, FETCH, fetch, 12, &request, &response);
        assert_true(fetch_response_topic_array_next(&response.responses, &topic));
        while (fetch_response_partition_array_next(&topic.partitions, &partition)) {
            from[partition.partition_index] += partition.records.len > 0;
        }
    }
    assert_int_equal(from[0], 2);
    assert_int_equal(from[1], 2);
    client_free(client);
    rig_destroy(rig);
}

static void B14_a_session_by_id_meets_a_topic_made_anew(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    const int32_t by_id = step(client, 13, "orders", 0, 0, 0, 0).session_id;
    const int32_t by_name = step(client, 12, "orders", 0, 0, 0, 0).session_id;
    rig_remove(rig, "orders");
    rig_publish(rig);
    struct fetched fetched = step(client, 13, NULL, 0, 0, by_id, 1);
    assert_int_equal(fetched.partition_error, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(fetched.aborted, 0);
    rig_topic(rig, "orders", 1);
    rig_publish(rig);
    fetched = step(client, 13, NULL, 0, 0, by_id, 2);
    assert_int_equal(fetched.partition_error, ERROR_INCONSISTENT_TOPIC_ID);
    assert_int_equal(fetched.aborted, -1);
    /* An id that never was of a topic has no name to go by. */
    assert_int_equal(step(client, 13, "nowhere", 0, 0, 0, -1).partition_error,
                     ERROR_UNKNOWN_TOPIC_ID);
    assert_int_equal(step(client, 12, NULL, 0, 0, by_name, 1).error, ERROR_NONE);
    (void)client_put_record(client, "orders", 0, 1);
    assert_int_equal(step(client, 12, NULL, 0, 0, by_name, 2).record_count, 1);
    client_free(client);
    rig_destroy(rig);
}

static void a_session_whose_first_answer_nobody_gets_is_gone(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    client_send_fetch(
        client, &(struct fetch_spec){.version = 12, .topic = "orders", .max_wait_ms = 100000});
    rig_run_ms(rig, 2);
    client_free(client);
    rig_run_ms(rig, 2);
    assert_int_equal(rig->cores[0].statistics.counters.fetch_sessions_now, 0);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B28_an_incremental_answer_tells_only_what_changed),
        cmocka_unit_test(B28_a_parked_incremental_fetch_wakes),
        cmocka_unit_test(B28_wrong_ids_and_epochs_are_errors_of_the_whole),
        cmocka_unit_test(B28_a_full_fetch_ends_the_session_it_names),
        cmocka_unit_test(B28_forgotten_partitions_leave_and_the_last_one_ends_the_session),
        cmocka_unit_test(B28_without_a_free_slot_there_is_no_session),
        cmocka_unit_test(B28_partitions_that_gave_data_go_behind_the_others),
        cmocka_unit_test(B14_a_session_by_id_meets_a_topic_made_anew),
        cmocka_unit_test(a_session_whose_first_answer_nobody_gets_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
