#include "dataplane/broker/produce.h"

#include "storage/log/producers.h"
#include "tests/dataplane/broker/rig.h"

enum { PRODUCER = 77 };

/* One record of a transaction. */
static struct bytes batch_from(const struct rig *rig, uint8_t buffer[256], int64_t producer_id,
                               int32_t sequence)
{
    struct batch_options options = batch_options_none();
    struct batch_builder builder;
    options.attributes = BATCH_TRANSACTIONAL;
    options.producer_id = producer_id;
    options.producer_epoch = 3;
    options.base_sequence = sequence;
    batch_builder_init(&builder, buffer, 256, &options);
    assert_true(batch_builder_add(&builder, rig_wall_ms(rig), (struct bytes){0}, (struct bytes){0},
                                  NULL, 0));
    return batch_builder_finish(&builder);
}

static struct bytes batch_of(const struct rig *rig, uint8_t buffer[256], int32_t sequence)
{
    return batch_from(rig, buffer, PRODUCER, sequence);
}

static void send_in_txn(struct client *client, int16_t version, int32_t sequence)
{
    uint8_t buffer[256];
    const struct bytes batch = batch_of(client->rig, buffer, sequence);
    client_send_txn_produce(client, version, "orders", 0, -1, "pay", batch);
}

static void answer_to(struct rig *rig, struct slow_header header, struct bytes body,
                      bool verify_only, int32_t index, int16_t error)
{
    struct add_partitions_to_txn_request request;
    struct add_partitions_to_txn_request_transaction transaction;
    assert_int_equal(header.kind, SLOW_REQUEST);
    assert_int_equal(header.api_key, API_ADD_PARTITIONS_TO_TXN);
    assert_int_equal(header.api_version, PRODUCE_ASK_VERSION);
    struct reader reader;
    reader_init(&reader, chain_of(&body));
    assert_int_equal(add_partitions_to_txn_request_decode(&reader, PRODUCE_ASK_VERSION, &request),
                     CODEC_OK);
    assert_true(
        add_partitions_to_txn_request_transaction_array_next(&request.transactions, &transaction));
    assert_true(
        chain_equals(transaction.transactional_id, (struct bytes){(const uint8_t *)"pay", 3}));
    assert_int_equal(transaction.producer_id, PRODUCER);
    assert_int_equal(transaction.producer_epoch, 3);
    assert_int_equal(transaction.verify_only, verify_only);
    assert_int_equal(transaction.topics.count, 1);
    struct add_partitions_to_txn_response_partition partition = {index, error};
    struct add_partitions_to_txn_response_topic topic =
        add_partitions_to_txn_response_topic_default;
    struct add_partitions_to_txn_response_transaction told =
        add_partitions_to_txn_response_transaction_default;
    struct add_partitions_to_txn_response response = add_partitions_to_txn_response_default;
    topic.name = text_chain("orders");
    topic.results_by_partition.items = &partition;
    topic.results_by_partition.count = 1;
    told.transactional_id = text_chain("pay");
    told.topic_results.items = &topic;
    told.topic_results.count = 1;
    response.results_by_transaction.items = &told;
    response.results_by_transaction.count = 1;
    uint8_t reply[1024];
    struct writer writer;
    writer_init(&writer, reply, sizeof(reply));
    assert_int_equal(add_partitions_to_txn_response_encode(&writer, PRODUCE_ASK_VERSION, &response),
                     CODEC_OK);
    header.kind = SLOW_REPLY;
    rig_control_answer(rig, 0, &header, (struct bytes){reply, writer_used(&writer)});
}

/* What the core asks the coordinator of a partition; answered with that error. */
static void answer_for(struct rig *rig, bool verify_only, int32_t index, int16_t error)
{
    struct slow_header header;
    uint8_t payload[4096];
    uint32_t len;
    rig_control_wait(rig, 0, &header, payload, sizeof(payload), &len);
    answer_to(rig, header, (struct bytes){payload, len}, verify_only, index, error);
}

static void answer(struct rig *rig, bool verify_only, int16_t error)
{
    answer_for(rig, verify_only, 0, error);
}

static void B51_a_transaction_begins_where_the_coordinator_says_so(void **state)
{
    (void)state;
    for (uint32_t cores = 1; cores <= 2; cores++) {
        struct rig *rig = rig_with_topic(cores, "orders", 1);
        struct client *client = client_connect(rig, 0);
        send_in_txn(client, 11, 0);
        answer(rig, true, ERROR_NONE);
        struct produced produced = client_receive_produced(client, 11);
        assert_int_equal(produced.error, ERROR_NONE);
        assert_int_equal(produced.base_offset, 0);
        send_in_txn(client, 11, 1); /* It is open: nobody is asked. */
        produced = client_receive_produced(client, 11);
        assert_int_equal(produced.error, ERROR_NONE);
        assert_int_equal(produced.base_offset, 1);
        client_free(client);
        rig_destroy(rig);
    }
}

static void B51_from_version_12_on_the_partition_becomes_part_of_it(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    send_in_txn(client, 12, 0);
    answer(rig, false, ERROR_NONE);
    assert_int_equal(client_receive_produced(client, 12).error, ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

static void B51_what_the_coordinator_refuses_is_told_in_the_producers_words(void **state)
{
    (void)state;
    static const struct {
        int16_t version;
        int16_t said;
        int16_t told;
    } cases[] = {
        {11, ERROR_TRANSACTION_ABORTABLE, ERROR_TRANSACTION_ABORTABLE},
        {10, ERROR_TRANSACTION_ABORTABLE, ERROR_INVALID_TXN_STATE},
        {11, ERROR_PRODUCER_FENCED, ERROR_INVALID_PRODUCER_EPOCH},
        {11, ERROR_CONCURRENT_TRANSACTIONS, ERROR_NOT_ENOUGH_REPLICAS},
        {12, ERROR_CONCURRENT_TRANSACTIONS, ERROR_CONCURRENT_TRANSACTIONS},
        {11, ERROR_NOT_COORDINATOR, ERROR_NOT_ENOUGH_REPLICAS},
        {11, ERROR_INVALID_PRODUCER_ID_MAPPING, ERROR_INVALID_PRODUCER_ID_MAPPING},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig *rig = rig_with_topic(1, "orders", 1);
        struct client *client = client_connect(rig, 0);
        send_in_txn(client, cases[i].version, 0);
        answer(rig, cases[i].version < 12, cases[i].said);
        assert_int_equal(client_receive_produced(client, cases[i].version).error, cases[i].told);
        client_free(client);
        rig_destroy(rig);
    }
}

/* The answers of so many, from offset 0 on. */
static void all_are_kept_in_order(struct client *client, int64_t count)
{
    for (int64_t offset = 0; offset < count; offset++) {
        const struct produced produced = client_receive_produced(client, 11);
        assert_int_equal(produced.error, ERROR_NONE);
        assert_int_equal(produced.base_offset, offset);
    }
}

/* What comes behind the question waits, and the answer opens the way for all. */
static void B7_batches_of_a_transaction_stay_in_order(void **state)
{
    (void)state;
    for (uint32_t cores = 1; cores <= 2; cores++) {
        struct rig *rig = rig_with_topic(cores, "orders", 1);
        struct client *client = client_connect(rig, 0);
        send_in_txn(client, 11, 0);
        rig_run_ms(rig, 2);
        for (int32_t sequence = 1; sequence < 5; sequence++) {
            send_in_txn(client, 11, sequence);
        }
        rig_run_ms(rig, 2);
        answer(rig, true, ERROR_NONE);
        all_are_kept_in_order(client, 5);
        client_free(client);
        rig_destroy(rig);
    }
}

/* They are all on their way before the first of them has to ask. */
static void B7_what_was_sent_at_once_stays_in_order_and_asks_once(void **state)
{
    (void)state;
    for (uint32_t cores = 1; cores <= 2; cores++) {
        struct rig *rig = rig_with_topic(cores, "orders", 1);
        struct client *client = client_connect(rig, 0);
        for (int32_t sequence = 0; sequence < 5; sequence++) {
            send_in_txn(client, 11, sequence);
        }
        answer(rig, true, ERROR_NONE);
        all_are_kept_in_order(client, 5);
        client_free(client);
        rig_destroy(rig);
    }
}

/* Of partitions 0 and 1. */
static void send_two_in_txn(struct client *client, const struct bytes batches[2])
{
    struct produce_request_partition partitions[2];
    for (int32_t i = 0; i < 2; i++) {
        partitions[i] =
            (struct produce_request_partition){.index = i, .records = chain_of(&batches[i])};
    }
    struct produce_request_topic named = produce_request_topic_default;
    struct produce_request request = produce_request_default;
    named.name = text_chain("orders");
    named.partition_data.items = partitions;
    named.partition_data.count = 2;
    request.transactional_id = text_chain("pay");
    request.acks = -1;
    request.timeout_ms = 5000;
    request.topic_data.items = &named;
    request.topic_data.count = 1;
    SEND(client, PRODUCE, produce, 11, &request);
}

/* Partition 1 is of the transaction, with that batch. */
static void take_in_other(struct rig *rig, struct client *client, struct bytes batch)
{
    client_send_txn_produce(client, 11, "orders", 1, -1, "pay", batch);
    answer_for(rig, true, 1, ERROR_NONE);
    assert_int_equal(client_receive_produced(client, 11).error, ERROR_NONE);
}

/* A request asks when all its batches are back, and one of them waits for the disk: the request
 * behind it, of one batch that has to ask, is back before. */
static void B7_a_request_asks_behind_those_before_it(void **state)
{
    (void)state;
    for (uint32_t cores = 1; cores <= 2; cores++) {
        struct rig *rig = rig_with_topic(cores, "orders", 2);
        struct client *client = client_connect(rig, 0);
        uint8_t room[3][256];
        const struct bytes batch = batch_of(rig, room[0], 0);
        const struct bytes both[2] = {batch_of(rig, room[1], 0), batch_of(rig, room[2], 1)};
        take_in_other(rig, client, batch);
        send_two_in_txn(client, both);
        send_in_txn(client, 11, 1);
        send_in_txn(client, 11, 2);
        answer(rig, true, ERROR_NONE);
        all_are_kept_in_order(client, 3);
        client_free(client);
        rig_destroy(rig);
    }
}

/* Its other batch waits for a disk that hangs, so that nobody is asked: the error for a batch of no
 * transaction would end its producer. */
static void what_nobody_was_asked_about_in_time_is_timed_out(void **state)
{
    (void)state;
    const struct sim_range flushes[] = {{UINT64_C(20000000000), UINT64_C(20000000000)},
                                        {1000, 1000}};
    for (uint32_t cores = 1; cores <= 2; cores++) {
        struct rig *rig = rig_with_topic(cores, "orders", 2);
        struct client *client = client_connect(rig, 0);
        uint8_t room[3][256];
        const struct bytes batch = batch_of(rig, room[0], 0);
        const struct bytes both[2] = {batch_of(rig, room[1], 0), batch_of(rig, room[2], 1)};
        assert_int_equal(client_put_record(client, "orders", 0, 1), 0); /* Its file is open. */
        take_in_other(rig, client, batch);
        sim_machine_set_flush(rig->machine, flushes[0]);
        send_two_in_txn(client, both);
        assert_int_equal(client_receive_produced(client, 11).error, ERROR_REQUEST_TIMED_OUT);
        sim_machine_set_flush(rig->machine, flushes[1]);
        rig_run_ms(rig, 25000);
        send_two_in_txn(client, both); /* Again, as producers do. */
        answer(rig, true, ERROR_NONE);
        const struct produced produced = client_receive_produced(client, 11);
        assert_int_equal(produced.error, ERROR_NONE);
        assert_int_equal(produced.base_offset, 1);
        client_free(client);
        rig_destroy(rig);
    }
}

/* So many more turns, and all that is asked is granted. */
static void grant(struct rig *rig, uint32_t turns)
{
    struct slow_header header;
    uint8_t payload[4096];
    uint32_t len;
    for (uint32_t i = 0; i < turns; i++) {
        rig_turn(rig);
        if (rig_control_next(rig, 0, &header, payload, sizeof(payload), &len)) {
            answer_to(rig, header, (struct bytes){payload, len}, true, 0, ERROR_NONE);
        }
    }
}

/* The first is answered while the other batch of the second is on its way to the disk: what comes
 * then is judged before a batch in front of it, which is still to be asked about. */
static void B7_what_is_judged_too_early_is_judged_again(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 4; seed++) {
        const struct rig_options options = {
            .cores = 1 + seed % 2, .seed = seed, .sim.write = {100000, 5000000}};
        struct rig *rig = rig_create(&options);
        rig_topic(rig, "orders", 2);
        rig_publish(rig);
        struct client *client = client_connect(rig, 0);
        uint8_t room[4][256];
        const struct bytes first = batch_of(rig, room[0], 0);
        const struct bytes other = batch_of(rig, room[1], 0);
        const struct bytes both[2] = {batch_of(rig, room[2], 1), batch_of(rig, room[3], 1)};
        take_in_other(rig, client, other);
        client_send_txn_produce(client, 11, "orders", 0, 1, "pay", first);
        send_two_in_txn(client, both);
        answer(rig, true, ERROR_NONE);
        const struct produced produced = client_receive_produced(client, 11);
        assert_int_equal(produced.error, ERROR_NONE);
        assert_int_equal(produced.base_offset, 0);
        send_in_txn(client, 11, 2);
        grant(rig, 5000);
        for (int64_t offset = 1; offset < 3; offset++) {
            const struct produced behind = client_receive_produced(client, 11);
            assert_int_equal(behind.error, ERROR_NONE);
            assert_int_equal(behind.base_offset, offset);
        }
        client_free(client);
        rig_destroy(rig);
    }
}

/* Its other batch, which comes back late, is in front of nothing: by then the one that it came
 * before is through, and nobody holds it up. */
static void B7_what_was_judged_too_early_is_judged_again_though_all_is_through(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 24; seed++) {
        const struct rig_options options = {
            .cores = 1 + seed % 2, .seed = seed, .sim.write = {100000, 5000000}};
        struct rig *rig = rig_create(&options);
        rig_topic(rig, "orders", 2);
        rig_publish(rig);
        struct client *client = client_connect(rig, 0);
        uint8_t room[6][256];
        const struct bytes begin[2] = {batch_of(rig, room[0], 0), batch_of(rig, room[1], 0)};
        const struct bytes second[2] = {batch_of(rig, room[2], 1), batch_of(rig, room[3], 1)};
        const struct bytes third[2] = {batch_of(rig, room[4], 2), batch_of(rig, room[5], 2)};
        take_in_other(rig, client, begin[1]);
        client_send_txn_produce(client, 11, "orders", 0, 1, "pay", begin[0]);
        send_two_in_txn(client, second);
        answer(rig, true, ERROR_NONE);
        assert_int_equal(client_receive_produced(client, 11).error, ERROR_NONE);
        send_two_in_txn(client, third);
        grant(rig, 5000);
        for (int64_t offset = 1; offset < 3; offset++) {
            const struct produced behind = client_receive_produced(client, 11);
            assert_int_equal(behind.error, ERROR_NONE);
            assert_int_equal(behind.base_offset, offset);
        }
        client_free(client);
        rig_destroy(rig);
    }
}

/* Nobody is left waiting for one that failed or went. */
static void what_is_held_up_goes_on_when_the_first_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    send_in_txn(client, 11, 0);
    send_in_txn(client, 11, 1);
    answer(rig, true, ERROR_INVALID_TXN_STATE);
    assert_int_equal(client_receive_produced(client, 11).error, ERROR_INVALID_TXN_STATE);
    answer(rig, true, ERROR_NONE); /* The first may come yet: none behind it is taken. */
    assert_int_equal(client_receive_produced(client, 11).error, ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    send_in_txn(client, 11, 0);
    answer(rig, true, ERROR_NONE);
    assert_int_equal(client_receive_produced(client, 11).error, ERROR_NONE);
    send_in_txn(client, 11, 5);
    send_in_txn(client, 11, 6);
    rig_run_ms(rig, 5);
    client_free(client);
    rig_run_ms(rig, 5);
    rig_destroy(rig);
}

/* The coordinator would be asked about one of them only. */
static void B51_batches_of_two_producers_begin_no_transaction(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 2);
    struct client *client = client_connect(rig, 0);
    uint8_t room[2][256];
    const struct bytes batches[2] = {batch_from(rig, room[0], PRODUCER, 0),
                                     batch_from(rig, room[1], PRODUCER + 1, 0)};
    send_two_in_txn(client, batches);
    assert_int_equal(client_receive_produced(client, 11).error, ERROR_INVALID_PRODUCER_ID_MAPPING);
    client_free(client);
    rig_destroy(rig);
}

static void H20_without_control_the_producer_tries_again(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    rig_control_go(rig);
    send_in_txn(client, 11, 0);
    assert_int_equal(client_receive_produced(client, 11).error, ERROR_NOT_ENOUGH_REPLICAS);
    rig_control_come(rig);
    rig_run_ms(rig, 5);
    send_in_txn(client, 11, 0);
    rig_run_ms(rig, 5);
    rig_control_go(rig); /* It was asked, and is gone. */
    assert_int_equal(client_receive_produced(client, 11).error, ERROR_NOT_ENOUGH_REPLICAS);
    client_free(client);
    rig_destroy(rig);
}

static void a_connection_that_goes_while_it_asks_leaves_nothing_behind(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    send_in_txn(client, 11, 0);
    rig_run_ms(rig, 5);
    client_free(client);
    rig_run_ms(rig, 5);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(B51_a_transaction_begins_where_the_coordinator_says_so),
        cmocka_unit_test(B51_from_version_12_on_the_partition_becomes_part_of_it),
        cmocka_unit_test(B51_what_the_coordinator_refuses_is_told_in_the_producers_words),
        cmocka_unit_test(B7_batches_of_a_transaction_stay_in_order),
        cmocka_unit_test(B7_what_was_sent_at_once_stays_in_order_and_asks_once),
        cmocka_unit_test(what_nobody_was_asked_about_in_time_is_timed_out),
        cmocka_unit_test(B7_a_request_asks_behind_those_before_it),
        cmocka_unit_test(B7_what_is_judged_too_early_is_judged_again),
        cmocka_unit_test(B7_what_was_judged_too_early_is_judged_again_though_all_is_through),
        cmocka_unit_test(what_is_held_up_goes_on_when_the_first_is_refused),
        cmocka_unit_test(B51_batches_of_two_producers_begin_no_transaction),
        cmocka_unit_test(H20_without_control_the_producer_tries_again),
        cmocka_unit_test(a_connection_that_goes_while_it_asks_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
