#include "tests/dataplane/broker/rig.h"

static void a_stop_answers_what_is_in_progress_and_refuses_the_rest(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(2, "orders", 2);
    struct client *parked = client_connect(rig, 0);
    client_send_fetch(parked,
                      &(struct fetch_spec){
                          .version = 4, .topic = "orders", .partition = 1, .max_wait_ms = 100000});
    client_expect_silence(parked, 3);
    for (uint32_t core = 0; core < 2; core++) {
        broker_stop(rig->cores[core].broker);
    }
    assert_int_equal(client_receive_fetched(parked, 4).partition_error, ERROR_NONE);
    client_expect_closed(parked);
    struct client *late = client_connect(rig, 0);
    rig_turn(rig);
    assert_true(sim_peer_closed(late->peer));
    rig_run_ms(rig, 2);
    for (uint32_t core = 0; core < 2; core++) {
        assert_true(broker_stopped(rig->cores[core].broker));
    }
    client_free(parked);
    client_free(late);
    rig_destroy(rig);
}

static void the_log_is_finished_when_asked(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    struct client *client = client_connect(rig, 0);
    (void)client_put_record(client, "orders", 0, 1);
    client_free(client);
    broker_stop(rig->cores[0].broker);
    rig_run_ms(rig, 2);
    broker_finish_log(rig->cores[0].broker);
    for (uint32_t ms = 0; ms < 2000 && broker_log_finished(rig->cores[0].broker) == LOG_PENDING;
         ms++) {
        rig_run_ms(rig, 1);
    }
    assert_int_equal(broker_log_finished(rig->cores[0].broker), LOG_OK);
    rig_destroy(rig);
}

static void an_idle_broker_has_nothing_to_do_for_long(void **state)
{
    (void)state;
    struct rig *rig = rig_with_topic(1, "orders", 1);
    rig_run_ms(rig, 5);
    assert_int_equal(broker_next_deadline_ns(rig->cores[0].broker), UINT64_MAX);
    struct client *client = client_connect(rig, 0);
    client_send_fetch(client,
                      &(struct fetch_spec){.version = 4, .topic = "orders", .max_wait_ms = 300});
    rig_run_ms(rig, 5);
    const uint64_t deadline_ns = broker_next_deadline_ns(rig->cores[0].broker);
    assert_true(deadline_ns > sim_machine_now_ns(rig->machine));
    assert_true(deadline_ns <= sim_machine_now_ns(rig->machine) + 300000000);
    client_free(client);
    rig_destroy(rig);
}

static void every_stage_has_a_name(void **state)
{
    (void)state;
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        assert_string_not_equal(broker_stage_name((enum broker_stage)stage), "unknown");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_answers_what_is_in_progress_and_refuses_the_rest),
        cmocka_unit_test(the_log_is_finished_when_asked),
        cmocka_unit_test(an_idle_broker_has_nothing_to_do_for_long),
        cmocka_unit_test(every_stage_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
