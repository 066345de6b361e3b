#include "tests/dataplane/broker/rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/broker/dispatch.h"
#include "dataplane/broker/state.h"

static uint8_t payload[1 << 20];

static void ask(struct client *client)
{
    struct list_config_resources_request request = list_config_resources_request_default;
    SEND(client, LIST_CONFIG_RESOURCES, list_config_resources, 1, &request);
}

static int16_t answer_error(struct client *client)
{
    struct list_config_resources_response response;
    RECEIVE(client, LIST_CONFIG_RESOURCES, list_config_resources, 1, &response);
    return response.error_code;
}

/* The next request that control gets; wishes for producer ids are served by the rig. */
static struct slow_header next_request(struct rig *rig, uint32_t *len)
{
    struct slow_header header;
    rig_control_wait(rig, 0, &header, payload, sizeof(payload), len);
    assert_int_equal(header.kind, SLOW_REQUEST);
    return header;
}

static void reply(struct rig *rig, struct slow_header header, int16_t error)
{
    struct list_config_resources_response response = list_config_resources_response_default;
    uint8_t body[64];
    struct writer writer;
    response.error_code = error;
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(list_config_resources_response_encode(&writer, 1, &response), CODEC_OK);
    header.kind = SLOW_REPLY;
    header.error_count = writer.errors;
    rig_control_answer(rig, 0, &header, (struct bytes){body, writer_used(&writer)});
}

static struct rig *rig_ready(void)
{
    struct rig *rig = rig_with_topic(1, "t", 1);
    rig_run_ms(rig, 1);
    return rig;
}

static void a_request_goes_to_control_with_who_asks_and_comes_back(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    ask(client);
    const struct slow_header header = next_request(rig, &len);
    assert_int_equal(header.api_key, API_LIST_CONFIG_RESOURCES);
    assert_int_equal(header.api_version, 1);
    assert_int_equal(header.peer.port, 40000);
    assert_int_equal(header.principal_len, 14);
    assert_memory_equal(header.principal, "User:ANONYMOUS", 14);
    assert_memory_equal(header.client_id, "tester", header.client_id_len);
    reply(rig, header, ERROR_NONE);
    assert_int_equal(answer_error(client), ERROR_NONE);
    assert_int_equal(client->received, 1);
    client_free(client);
    rig_destroy(rig);
}

static uint64_t errors_counted(const struct rig *rig, int16_t key)
{
    return rig->cores[0].statistics.errors_by_api[dispatch_index(dispatch_find(key))];
}

static void errors_in_controls_answers_are_counted_too(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    for (uint32_t i = 0; i < 2; i++) {
        ask(client);
        reply(rig, next_request(rig, &len), i == 0 ? ERROR_NONE : ERROR_INVALID_REQUEST);
        (void)answer_error(client);
        assert_int_equal(errors_counted(rig, API_LIST_CONFIG_RESOURCES), i);
    }
    client_free(client);
    rig_destroy(rig);
}

static void H20_control_away_is_answered_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    rig_control_go(rig);
    const uint64_t since_ms = rig_now_ms(rig);
    ask(client);
    assert_int_equal(answer_error(client), ERROR_REQUEST_TIMED_OUT);
    assert_true(rig_now_ms(rig) - since_ms < 5);
    assert_int_equal(client_put_record(client, "t", 0, 1), 0); /* FAST goes on. */
    client_free(client);
    rig_destroy(rig);
}

static void H20_control_late_is_answered_after_30_seconds_and_never_asked_again(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    ask(client);
    const struct slow_header header = next_request(rig, &len);
    rig_run_ms(rig, 29000);
    assert_false(client_answered(client));
    rig_run_ms(rig, 1500);
    assert_int_equal(answer_error(client), ERROR_REQUEST_TIMED_OUT);
    reply(rig, header, ERROR_NONE); /* Too late: nobody waits. */
    client_expect_silence(client, 5);
    assert_int_equal(rig->cores[0].statistics.counters.slow_stale, 1);
    client_free(client);
    rig_destroy(rig);
}

/* How many requests are found by their number; at most one in each list. */
static uint32_t numbered(const struct rig *rig)
{
    const struct broker *broker = rig->cores[0].broker;
    uint32_t found = 0;
    for (uint32_t i = 0; i < SLOW_NUMBERS; i++) {
        uint32_t here = 0;
        LIST_FOR_EACH(node, &broker->slow_numbers[i])
        {
            here++;
        }
        assert_true(here <= 1);
        found += here;
    }
    return found;
}

/* Each has its own list to be looked for in, and leaves it whatever becomes of it. */
static void requests_are_found_without_looking_at_the_others(void **state)
{
    (void)state;
    enum { CLIENTS = 12 };
    struct rig *rig = rig_ready();
    struct client *clients[CLIENTS];
    struct slow_header headers[CLIENTS];
    uint32_t len;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = client_connect(rig, 0);
        ask(clients[i]);
        headers[i] = next_request(rig, &len);
        assert_int_equal(numbered(rig), i + 1);
    }
    for (uint32_t i = CLIENTS; i > 4; i--) {
        reply(rig, headers[i - 1], ERROR_NONE);
        assert_int_equal(answer_error(clients[i - 1]), ERROR_NONE);
        assert_int_equal(numbered(rig), i - 1);
    }
    client_free(clients[0]); /* It is gone, and its answer finds nobody. */
    rig_run_ms(rig, 5);
    assert_int_equal(numbered(rig), 3);
    rig_run_ms(rig, 31000);
    assert_int_equal(answer_error(clients[1]), ERROR_REQUEST_TIMED_OUT);
    assert_int_equal(numbered(rig), 0);
    for (uint32_t i = 1; i < CLIENTS; i++) {
        client_free(clients[i]);
    }
    rig_destroy(rig);
}

static void join(struct client *client)
{
    struct join_group_request request = join_group_request_default;
    request.group_id = text_chain("g");
    SEND(client, JOIN_GROUP, join_group, 5, &request);
}

static void H20_what_waits_for_others_waits_as_long_as_control_is_heard_of(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    struct join_group_response response;
    uint32_t len;
    join(client);
    (void)next_request(rig, &len);
    const struct slow_header alive = {.kind = SLOW_ALIVE};
    for (uint32_t i = 0; i < 6; i++) {
        rig_run_ms(rig, 20000);
        rig_control_answer(rig, 0, &alive, (struct bytes){0});
    }
    assert_false(client_answered(client));
    rig_run_ms(rig, 29000);
    assert_false(client_answered(client));
    rig_run_ms(rig, 2000);
    RECEIVE(client, JOIN_GROUP, join_group, 5, &response);
    assert_int_equal(response.error_code, ERROR_NOT_COORDINATOR);
    join(client);
    (void)next_request(rig, &len);
    rig_control_go(rig);
    RECEIVE(client, JOIN_GROUP, join_group, 5, &response);
    assert_int_equal(response.error_code, ERROR_NOT_COORDINATOR);
    client_free(client);
    rig_destroy(rig);
}

static void H21_a_connection_has_one_request_at_control_at_a_time(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *greedy = client_connect(rig, 0);
    struct client *other = client_connect(rig, 0);
    struct slow_header header;
    uint32_t len;
    for (uint32_t i = 0; i < 50; i++) {
        ask(greedy);
    }
    const struct slow_header first = next_request(rig, &len);
    rig_run_ms(rig, 100);
    ask(other);
    const struct slow_header second = next_request(rig, &len);
    assert_int_not_equal(second.connection.slot, first.connection.slot);
    rig_run_ms(rig, 100);
    assert_false(rig_control_next(rig, 0, &header, payload, sizeof(payload), &len));
    reply(rig, first, ERROR_NONE);
    assert_int_equal(answer_error(greedy), ERROR_NONE);
    const struct slow_header third = next_request(rig, &len);
    assert_int_equal(third.connection.slot, first.connection.slot);
    client_free(greedy);
    client_free(other);
    rig_destroy(rig);
}

static void H17_a_new_session_ends_what_the_old_one_took(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    ask(client);
    (void)next_request(rig, &len);
    rig_control_go(rig);
    assert_int_equal(answer_error(client), ERROR_REQUEST_TIMED_OUT);
    rig_control_come(rig);
    rig_run_ms(rig, 2);
    ask(client);
    reply(rig, next_request(rig, &len), ERROR_NONE);
    assert_int_equal(answer_error(client), ERROR_NONE);
    client_free(client);
    rig_destroy(rig);
}

static void H19_an_answer_for_a_connection_that_is_gone_finds_nobody(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *first = client_connect(rig, 0);
    uint32_t len;
    ask(first);
    const struct slow_header header = next_request(rig, &len);
    client_free(first);
    struct client *second = client_connect(rig, 0); /* In the same slot. */
    ask(second);
    const struct slow_header other = next_request(rig, &len);
    assert_int_equal(other.connection.slot, header.connection.slot);
    reply(rig, header, ERROR_INVALID_REQUEST);
    client_expect_silence(second, 5);
    reply(rig, other, ERROR_NONE);
    assert_int_equal(answer_error(second), ERROR_NONE);
    client_free(second);
    rig_destroy(rig);
}

static void control_may_leave_the_error_to_the_core(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    ask(client);
    struct slow_header header = next_request(rig, &len);
    header.kind = SLOW_ERROR;
    header.error_code = ERROR_KAFKA_STORAGE_ERROR;
    rig_control_answer(rig, 0, &header, (struct bytes){0});
    assert_int_equal(answer_error(client), ERROR_KAFKA_STORAGE_ERROR);
    client_free(client);
    rig_destroy(rig);
}

static void B7_slow_and_fast_answers_keep_their_order(void **state)
{
    (void)state;
    struct rig *rig = rig_ready();
    struct client *client = client_connect(rig, 0);
    const struct api_versions_request versions = api_versions_request_default;
    struct api_versions_response response;
    uint32_t len;
    ask(client);
    SEND(client, API_VERSIONS, api_versions, 0, &versions);
    const struct slow_header header = next_request(rig, &len);
    client_expect_silence(client, 5);
    reply(rig, header, ERROR_NONE);
    assert_int_equal(answer_error(client), ERROR_NONE);
    RECEIVE(client, API_VERSIONS, api_versions, 0, &response);
    assert_int_equal(client->received, 2);
    client_free(client);
    rig_destroy(rig);
}

/* ---- Output memory -------------------------------------------------------------------------- */

enum { LONG_BYTES = 20000 };

static void little_output(struct broker_limits *limits)
{
    limits->output_bytes = 64 << 10;
}

static struct rig *rig_of_little_output(void)
{
    struct rig *rig = rig_create(&(struct rig_options){.seed = 1, .limit = little_output});
    rig_topic(rig, "orders", 40);
    rig_publish(rig);
    return rig;
}

/* An answer of about so many bytes. */
static void reply_long(struct rig *rig, struct slow_header header, uint32_t bytes)
{
    static uint8_t body[64 << 10];
    static struct list_config_resources_response_resource resources[1000];
    struct list_config_resources_response response = list_config_resources_response_default;
    struct writer writer;
    const uint32_t each = 100;
    response.config_resources.items = resources;
    response.config_resources.count = (int32_t)(bytes / each);
    for (uint32_t i = 0; i < bytes / each; i++) {
        static const char name[101] = "a-name-of-a-hundred-bytes-less-three-......................."
                                      ".............................";
        static const struct bytes text = {(const uint8_t *)name, each - 3};
        resources[i] = list_config_resources_response_resource_default;
        resources[i].resource_name = chain_of(&text);
    }
    writer_init(&writer, body, sizeof(body));
    assert_int_equal(list_config_resources_response_encode(&writer, 1, &response), CODEC_OK);
    header.kind = SLOW_REPLY;
    header.error_count = 0;
    rig_control_answer(rig, 0, &header, (struct bytes){body, writer_used(&writer)});
}

/* Clients that read nothing take all of the output memory. */
static void output_fill(struct rig *rig, struct client **deaf, uint32_t count)
{
    struct metadata_request all = metadata_request_default;
    all.topics.count = -1;
    for (uint32_t i = 0; i < count; i++) {
        deaf[i] = client_connect(rig, 0);
        rig_turn(rig);
        sim_peer_stall(deaf[i]->peer, true);
        SEND(deaf[i], METADATA, metadata, 9, &all);
    }
    rig_run_ms(rig, 2);
    assert_true(rig->cores[0].statistics.counters.output_waited > 0);
}

static void an_answer_without_memory_holds_up_no_others(void **state)
{
    (void)state;
    enum { DEAF = 100 };
    struct rig *rig = rig_of_little_output();
    struct client *deaf[DEAF];
    struct client *clients[4];
    struct slow_header headers[4];
    uint32_t len;
    output_fill(rig, deaf, DEAF);
    for (uint32_t i = 0; i < 4; i++) {
        clients[i] = client_connect(rig, 0);
        ask(clients[i]);
        headers[i] = next_request(rig, &len);
    }
    const uint64_t before_ms = rig_now_ms(rig);
    reply(rig, headers[0], ERROR_NONE);
    assert_int_equal(answer_error(clients[0]), ERROR_NONE); /* Small ones need none. */
    assert_true(rig_now_ms(rig) - before_ms < 5);
    reply_long(rig, headers[1], LONG_BYTES);
    reply_long(rig, headers[2], LONG_BYTES);
    reply(rig, headers[3], ERROR_NONE);
    assert_int_equal(answer_error(clients[3]), ERROR_NONE); /* Behind two that find no room. */
    assert_true(rig_now_ms(rig) - before_ms < SLOW_STARVED_MS_MAX + 10);
    assert_int_equal(answer_error(clients[1]), ERROR_REQUEST_TIMED_OUT);
    assert_int_equal(answer_error(clients[2]), ERROR_REQUEST_TIMED_OUT);
    assert_int_equal(rig->cores[0].statistics.counters.slow_starved, 2);
    for (uint32_t i = 0; i < DEAF; i++) {
        client_free(deaf[i]);
    }
    ask(clients[1]);
    reply_long(rig, next_request(rig, &len), LONG_BYTES);
    assert_int_equal(answer_error(clients[1]), ERROR_NONE);
    for (uint32_t i = 0; i < 4; i++) {
        client_free(clients[i]);
    }
    rig_destroy(rig);
}

static void long_answers_do_not_wait_for_each_others_memory(void **state)
{
    (void)state;
    struct rig *rig = rig_of_little_output();
    struct client *clients[3];
    struct slow_header headers[3];
    uint32_t len;
    for (uint32_t i = 0; i < 3; i++) {
        clients[i] = client_connect(rig, 0);
        ask(clients[i]);
        headers[i] = next_request(rig, &len);
    }
    for (uint32_t i = 0; i < 3; i++) { /* Together nearly all there is. */
        reply_long(rig, headers[i], LONG_BYTES);
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct list_config_resources_response response;
        RECEIVE(clients[i], LIST_CONFIG_RESOURCES, list_config_resources, 1, &response);
        assert_int_equal(response.config_resources.count, LONG_BYTES / 100);
        client_free(clients[i]);
    }
    rig_destroy(rig);
}

static void an_answer_beyond_all_memory_is_an_error_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_of_little_output();
    struct client *client = client_connect(rig, 0);
    uint32_t len;
    ask(client);
    reply_long(rig, next_request(rig, &len), 2 * LONG_BYTES);
    assert_int_equal(answer_error(client), ERROR_UNKNOWN_SERVER_ERROR);
    client_free(client);
    rig_destroy(rig);
}

/* ---- Answers in pieces ---------------------------------------------------------------------- */

enum { PIECE_BYTES = 20000, PIECES = 10 };

/* An answer of PIECES pieces, more than there is output memory. Returns its bytes. */
static uint32_t pieces_make(uint8_t *body, uint32_t capacity, int32_t *count)
{
    static struct list_config_resources_response_resource resources[3000];
    struct list_config_resources_response response = list_config_resources_response_default;
    static char names[ARRAY_SIZE(resources)][80];
    static struct bytes texts[ARRAY_SIZE(resources)];
    struct writer writer;
    for (uint32_t i = 0; i < ARRAY_SIZE(resources); i++) {
        texts[i].ptr = (const uint8_t *)names[i];
        texts[i].len =
            (uint32_t)snprintf(names[i], sizeof(names[i]), "topic-%056u", i * 2654435761u);
        resources[i] = list_config_resources_response_resource_default;
        resources[i].resource_name = chain_of(&texts[i]);
    }
    *count = ARRAY_SIZE(resources);
    response.config_resources.items = resources;
    response.config_resources.count = *count;
    writer_init(&writer, body, capacity);
    assert_int_equal(list_config_resources_response_encode(&writer, 1, &response), CODEC_OK);
    assert_true(writer_used(&writer) > (PIECES - 1) * PIECE_BYTES);
    return writer_used(&writer);
}

/* Sends the piece at `from`. */
static void piece_send(struct rig *rig, struct slow_header header, struct bytes body, uint32_t from)
{
    const uint32_t len = min_u32(PIECE_BYTES, body.len - from);
    header.kind = SLOW_REPLY;
    header.error_count = 0;
    header.more_bytes = body.len - from - len;
    rig_control_answer(rig, 0, &header, (struct bytes){body.ptr + from, len});
}

/* The next message to control is of that kind, about that request. */
static void expect_told(struct rig *rig, enum slow_kind kind, uint64_t number)
{
    struct slow_header header;
    uint32_t len;
    rig_control_wait(rig, 0, &header, payload, sizeof(payload), &len);
    assert_int_equal(header.kind, kind);
    assert_int_equal(header.request_number, number);
    assert_int_equal(len, 0);
}

struct pieces {
    struct rig *rig;
    struct client *client;
    struct slow_header header;
    uint8_t memory[256 << 10];
    struct bytes body;
    int32_t count;
};

/* A client has been sent the first piece, and control asked for the second. */
static int pieces_up(void **state)
{
    struct pieces *pieces = calloc(1, sizeof(*pieces));
    uint32_t len;
    pieces->rig = rig_of_little_output();
    pieces->client = client_connect(pieces->rig, 0);
    pieces->body.ptr = pieces->memory;
    pieces->body.len = pieces_make(pieces->memory, sizeof(pieces->memory), &pieces->count);
    ask(pieces->client);
    pieces->header = next_request(pieces->rig, &len);
    piece_send(pieces->rig, pieces->header, pieces->body, 0);
    expect_told(pieces->rig, SLOW_MORE, pieces->header.request_number);
    *state = pieces;
    return 0;
}

static int pieces_down(void **state)
{
    struct pieces *pieces = *state;
    client_free(pieces->client);
    rig_destroy(pieces->rig);
    free(pieces);
    return 0;
}

static void a_long_answer_comes_in_pieces_and_needs_the_memory_of_one(void **state)
{
    struct pieces *pieces = *state;
    struct rig *rig = pieces->rig;
    struct client *other = client_connect(rig, 0);
    struct list_config_resources_response response;
    uint32_t len;
    assert_true(pieces->body.len > 2 * rig->cores[0].broker->limits.output_bytes);
    for (uint32_t from = PIECE_BYTES; from < pieces->body.len; from += PIECE_BYTES) {
        ask(other); /* Answers to others pass between the pieces. */
        reply(rig, next_request(rig, &len), ERROR_NONE);
        assert_int_equal(answer_error(other), ERROR_NONE);
        piece_send(rig, pieces->header, pieces->body, from);
        if (from + PIECE_BYTES < pieces->body.len) {
            expect_told(rig, SLOW_MORE, pieces->header.request_number);
        }
    }
    RECEIVE(pieces->client, LIST_CONFIG_RESOURCES, list_config_resources, 1, &response);
    assert_int_equal(response.config_resources.count, pieces->count);
    assert_int_equal(pieces->client->answer_len, pieces->body.len + 5);
    assert_memory_equal(pieces->client->answer + 5, pieces->body.ptr, pieces->body.len);
    ask(pieces->client); /* The connection goes on. */
    reply(rig, next_request(rig, &len), ERROR_NONE);
    assert_int_equal(answer_error(pieces->client), ERROR_NONE);
    client_free(other);
}

static void a_client_that_reads_nothing_is_sent_one_piece(void **state)
{
    struct pieces *pieces = *state;
    struct slow_header header;
    uint32_t len;
    sim_peer_stall(pieces->client->peer, true);
    piece_send(pieces->rig, pieces->header, pieces->body, PIECE_BYTES);
    rig_run_ms(pieces->rig, 100);
    assert_false(rig_control_next(pieces->rig, 0, &header, payload, sizeof(payload), &len));
    sim_peer_stall(pieces->client->peer, false);
    expect_told(pieces->rig, SLOW_MORE, pieces->header.request_number);
}

static void control_that_goes_in_the_middle_costs_the_connection(void **state)
{
    struct pieces *pieces = *state;
    rig_control_go(pieces->rig);
    client_expect_closed(pieces->client);
    assert_int_equal(pieces->rig->cores[0].statistics.counters.slow_cut_off, 1);
}

static void control_that_comes_back_does_not_go_on_with_an_old_answer(void **state)
{
    struct pieces *pieces = *state;
    sim_peer_stall(pieces->client->peer, true); /* Nobody waits for control just now. */
    piece_send(pieces->rig, pieces->header, pieces->body, PIECE_BYTES);
    rig_run_ms(pieces->rig, 5);
    rig_control_go(pieces->rig);
    rig_run_ms(pieces->rig, 2);
    rig_control_come(pieces->rig);
    rig_run_ms(pieces->rig, 2);
    sim_peer_stall(pieces->client->peer, false);
    client_expect_closed(pieces->client);
}

static void an_error_in_the_middle_costs_the_connection(void **state)
{
    struct pieces *pieces = *state;
    struct slow_header header = pieces->header;
    header.kind = SLOW_ERROR;
    header.error_code = ERROR_REQUEST_TIMED_OUT;
    rig_control_answer(pieces->rig, 0, &header, (struct bytes){0});
    client_expect_closed(pieces->client);
}

static void a_piece_of_the_wrong_place_costs_the_connection(void **state)
{
    struct pieces *pieces = *state;
    piece_send(pieces->rig, pieces->header, pieces->body, 2 * PIECE_BYTES);
    client_expect_closed(pieces->client);
}

static void a_piece_that_does_not_come_costs_the_connection_after_30_seconds(void **state)
{
    struct pieces *pieces = *state;
    rig_run_ms(pieces->rig, 29000);
    assert_int_equal(pieces->rig->cores[0].statistics.counters.slow_cut_off, 0);
    rig_run_ms(pieces->rig, 1500);
    client_expect_closed(pieces->client);
}

static void control_hears_that_a_long_answer_has_no_reader(void **state)
{
    struct pieces *pieces = *state;
    struct rig *rig = pieces->rig;
    uint32_t len;
    client_free(pieces->client);
    expect_told(rig, SLOW_DROPPED, pieces->header.request_number);
    /* And of one whose client left before the first piece. */
    pieces->client = client_connect(rig, 0);
    ask(pieces->client);
    const struct slow_header header = next_request(rig, &len);
    client_free(pieces->client);
    piece_send(rig, header, pieces->body, 0);
    expect_told(rig, SLOW_DROPPED, header.request_number);
    pieces->client = client_connect(rig, 0);
}

#define PIECES_TEST(name) cmocka_unit_test_setup_teardown(name, pieces_up, pieces_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_to_control_with_who_asks_and_comes_back),
        cmocka_unit_test(errors_in_controls_answers_are_counted_too),
        cmocka_unit_test(H20_control_away_is_answered_at_once),
        cmocka_unit_test(H20_control_late_is_answered_after_30_seconds_and_never_asked_again),
        cmocka_unit_test(requests_are_found_without_looking_at_the_others),
        cmocka_unit_test(H20_what_waits_for_others_waits_as_long_as_control_is_heard_of),
        cmocka_unit_test(H21_a_connection_has_one_request_at_control_at_a_time),
        cmocka_unit_test(H17_a_new_session_ends_what_the_old_one_took),
        cmocka_unit_test(H19_an_answer_for_a_connection_that_is_gone_finds_nobody),
        cmocka_unit_test(control_may_leave_the_error_to_the_core),
        cmocka_unit_test(B7_slow_and_fast_answers_keep_their_order),
        cmocka_unit_test(an_answer_without_memory_holds_up_no_others),
        cmocka_unit_test(long_answers_do_not_wait_for_each_others_memory),
        cmocka_unit_test(an_answer_beyond_all_memory_is_an_error_at_once),
        PIECES_TEST(a_long_answer_comes_in_pieces_and_needs_the_memory_of_one),
        PIECES_TEST(a_client_that_reads_nothing_is_sent_one_piece),
        PIECES_TEST(control_that_goes_in_the_middle_costs_the_connection),
        PIECES_TEST(control_that_comes_back_does_not_go_on_with_an_old_answer),
        PIECES_TEST(an_error_in_the_middle_costs_the_connection),
        PIECES_TEST(a_piece_of_the_wrong_place_costs_the_connection),
        PIECES_TEST(a_piece_that_does_not_come_costs_the_connection_after_30_seconds),
        PIECES_TEST(control_hears_that_a_long_answer_has_no_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
