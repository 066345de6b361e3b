#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "dataplane/slowpath/fragment.h"

enum {
    RING_BYTES = 512 * 1024,
    LEN_MAX = 1024 * 1024,
};

struct pair {
    struct byte_ring_memory *memory;
    struct fragment_writer writer;
    struct fragment_reader reader;
};

static void pair_make(struct pair *pair)
{
    const uint64_t size = byte_ring_size(RING_BYTES);
    pair->memory = aligned_alloc(RING_LINE_BYTES, round_up(size, RING_LINE_BYTES));
    assert_non_null(pair->memory);
    byte_ring_format(pair->memory, RING_BYTES);
    assert_true(fragment_writer_init(&pair->writer, pair->memory, size));
    assert_true(fragment_reader_init(&pair->reader, pair->memory, size, true, LEN_MAX));
}

static void payload_fill(uint8_t *payload, uint32_t len, uint32_t seed)
{
    for (uint32_t i = 0; i < len; i++) {
        payload[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
    }
}

static struct slow_header reply_header(uint64_t number)
{
    return (struct slow_header){.kind = SLOW_REPLY, .request_number = number};
}

/* Receives one message; returns how many pieces it came in. */
static uint32_t receive_whole(struct pair *pair, uint64_t number, uint8_t *to, uint32_t len)
{
    uint32_t pieces = 0;
    struct slow_fragment fragment = {0};
    for (uint32_t offset = 0; !fragment.last; pieces++) {
        assert_int_equal(fragment_receive(&pair->reader, &fragment), BYTE_RING_OK);
        assert_int_equal(fragment.header.request_number, number);
        assert_int_equal(fragment.total_len, len);
        assert_int_equal(fragment.offset, offset);
        if (fragment.payload.len > 0) {
            memcpy(to + offset, fragment.payload.ptr, fragment.payload.len);
        }
        offset += fragment.payload.len;
        fragment_release(&pair->reader);
    }
    return pieces;
}

static void messages_of_every_length_arrive_whole_and_in_order(void **state)
{
    (void)state;
    const uint32_t frag = SLOW_FRAGMENT_BYTES_MAX;
    const uint32_t lens[] = {0, 1, 7, frag - 1, frag, frag + 1, 3 * frag, 10 * frag + 5};
    static uint8_t sent[LEN_MAX];
    static uint8_t got[LEN_MAX];
    struct pair pair;
    pair_make(&pair);
    for (uint32_t round = 0; round < 80; round++) { /* Over the ring's end at many places. */
        const uint32_t len = lens[round % ARRAY_SIZE(lens)];
        const struct slow_header header = reply_header(round);
        payload_fill(sent, len, round);
        const struct bytes piece = {sent, len};
        assert_true(fragment_send_whole(&pair.writer, &header, chain_of(&piece), 0));
        memset(got, 0, len);
        const uint32_t pieces = receive_whole(&pair, round, got, len);
        assert_int_equal(pieces, len == 0 ? 1 : (len + frag - 1) / frag);
        assert_memory_equal(got, sent, len);
    }
    free(pair.memory);
}

static void a_message_without_room_is_refused_as_a_whole(void **state)
{
    (void)state;
    static uint8_t payload[LEN_MAX];
    struct pair pair;
    pair_make(&pair);
    const struct bytes piece = {payload, RING_BYTES};
    const struct slow_header header = reply_header(1);
    assert_false(fragment_send_whole(&pair.writer, &header, chain_of(&piece), 0));
    struct slow_fragment fragment;
    assert_int_equal(fragment_receive(&pair.reader, &fragment), BYTE_RING_EMPTY);
    free(pair.memory);
}

static void what_is_reserved_stays_free(void **state)
{
    (void)state;
    struct pair pair;
    pair_make(&pair);
    static uint8_t payload[4096];
    const struct bytes piece = {payload, sizeof(payload)};
    const struct slow_header header = reply_header(1);
    uint32_t sent = 0;
    while (fragment_send_whole(&pair.writer, &header, chain_of(&piece), SLOW_RESERVED_BYTES)) {
        sent++;
    }
    assert_in_range(sent, 10, RING_BYTES / sizeof(payload));
    assert_true(byte_ring_room(&pair.writer.ring) >= SLOW_RESERVED_BYTES);
    assert_true(fragment_send_whole(&pair.writer, &header, chain_of(&piece), 0));
    free(pair.memory);
}

static void a_long_message_streams_through_a_short_ring(void **state)
{
    (void)state;
    static uint8_t sent[LEN_MAX];
    static uint8_t got[LEN_MAX];
    struct pair pair;
    pair_make(&pair);
    payload_fill(sent, LEN_MAX, 5);
    const struct bytes piece = {sent, LEN_MAX};
    struct chain rest = chain_of(&piece);
    const struct slow_header header = reply_header(9);
    uint32_t offset = 0;
    uint32_t received = 0;
    while (received < LEN_MAX) {
        int64_t count = 0;
        while (rest.len > 0 && count >= 0) {
            count = fragment_send_piece(&pair.writer, &header, rest, offset, LEN_MAX);
            rest = chain_skip(rest, count > 0 ? (uint32_t)count : 0);
            offset += count > 0 ? (uint32_t)count : 0;
        }
        struct slow_fragment fragment;
        assert_int_equal(fragment_receive(&pair.reader, &fragment), BYTE_RING_OK);
        assert_int_equal(fragment.offset, received);
        memcpy(got + received, fragment.payload.ptr, fragment.payload.len);
        received += fragment.payload.len;
        assert_int_equal(fragment.last, received == LEN_MAX);
        fragment_release(&pair.reader);
    }
    assert_memory_equal(got, sent, LEN_MAX);
    free(pair.memory);
}

/* Puts raw bytes into the ring as the other process could. */
static void raw_send(struct pair *pair, const struct fragment_wire *wire,
                     const struct slow_header *header, uint32_t payload_len)
{
    uint8_t message[sizeof(*wire) + sizeof(*header) + 64] = {0};
    uint32_t len = 0;
    memcpy(message, wire, sizeof(*wire));
    len += sizeof(*wire);
    if (header != NULL) {
        memcpy(message + len, header, sizeof(*header));
        len += sizeof(*header);
    }
    len += payload_len;
    uint8_t *to;
    assert_int_equal(byte_ring_claim(&pair->writer.ring, len, &to), BYTE_RING_OK);
    memcpy(to, message, len);
    byte_ring_publish(&pair->writer.ring, len);
}

static void a_lie_of_the_other_side_breaks_the_ring_for_good(void **state)
{
    (void)state;
    const struct slow_header good = reply_header(1);
    struct slow_header kind = good;
    struct slow_header principal = good;
    struct slow_header client = good;
    struct slow_header error = good;
    kind.kind = SLOW_REQUEST; /* Not what goes to a core. */
    principal.principal_len = SLOW_PRINCIPAL_BYTES_MAX + 1;
    client.client_id_len = SLOW_CLIENT_ID_BYTES_MAX + 1;
    error.error_code = 1; /* Of a reply. */
    /* clang-format off */
    const struct { struct fragment_wire wire; const struct slow_header *header; uint32_t len; }
    cases[] = {
        {{0, 0}, NULL, 0},          /* No header. */
        {{4, 0}, &good, 0},         /* A first piece without payload of a message that has some. */
        {{4, 0}, &good, 5},         /* More than the whole. */
        {{4, 1}, &good, 3},         /* Starts behind its start. */
        {{LEN_MAX + 1, 0}, &good, 8},
        {{4, 0}, &kind, 4},
        {{4, 0}, &principal, 4},
        {{4, 0}, &client, 4},
        {{4, 0}, &error, 4},
    };
    /* clang-format on */
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct pair pair;
        struct slow_fragment fragment;
        pair_make(&pair);
        raw_send(&pair, &cases[i].wire, cases[i].header, cases[i].len);
        assert_int_equal(fragment_receive(&pair.reader, &fragment), BYTE_RING_BROKEN);
        assert_true(fragment_send_whole(&pair.writer, &good, (struct chain){0}, 0));
        assert_int_equal(fragment_receive(&pair.reader, &fragment), BYTE_RING_BROKEN);
        free(pair.memory);
    }
}

static void a_second_piece_must_continue_the_first(void **state)
{
    (void)state;
    const struct slow_header good = reply_header(1);
    const struct fragment_wire wrong[] = {{10, 4}, {10, 6}, {9, 5}, {10, 0}};
    for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct pair pair;
        struct slow_fragment fragment;
        pair_make(&pair);
        raw_send(&pair, &(struct fragment_wire){10, 0}, &good, 5);
        assert_int_equal(fragment_receive(&pair.reader, &fragment), BYTE_RING_OK);
        assert_false(fragment.last);
        fragment_release(&pair.reader);
        raw_send(&pair, &wrong[i], NULL, 5);
        assert_int_equal(fragment_receive(&pair.reader, &fragment), BYTE_RING_BROKEN);
        free(pair.memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_every_length_arrive_whole_and_in_order),
        cmocka_unit_test(a_message_without_room_is_refused_as_a_whole),
        cmocka_unit_test(what_is_reserved_stays_free),
        cmocka_unit_test(a_long_message_streams_through_a_short_ring),
        cmocka_unit_test(a_lie_of_the_other_side_breaks_the_ring_for_good),
        cmocka_unit_test(a_second_piece_must_continue_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
