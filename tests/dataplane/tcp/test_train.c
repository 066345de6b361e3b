#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/dataplane/tcp/seen.h"

enum { STEPS = 6000, BURST = 12, PIECES = 40 };

static const struct rig_peer with_timestamps = {.timestamps = true};

/* Where the peer is in its stream. */
struct stream {
    uint32_t next;
    uint32_t ack;
    uint32_t tsval;
    uint32_t window;
};

/* The next data, mostly; with any good ACK, and now and then something odd. */
static void put_some(struct stream *stream, uint32_t *seed)
{
    const struct tcp_connection *c = rig.connection;
    const uint32_t odd = rig_draw(seed, 60);
    const uint32_t lens[] = {rig_draw(seed, 120), rig_draw(seed, 1400), 1448, 1};
    const uint32_t ahead =
        rig_draw(seed, 3) == 0 ? rig_draw(seed, c->snd_nxt - stream->ack + 1) : 0;
    struct segment segment = {.flags =
                                  rig_draw(seed, 2) == 0 ? SEGMENT_ACK : SEGMENT_ACK | SEGMENT_PSH,
                              .window = stream->window,
                              .len = odd == 0 ? 0 : lens[rig_draw(seed, 4)],
                              .has_timestamp = odd != 1,
                              .tsval = stream->tsval + (rig_draw(seed, 4) == 0),
                              .tsecr = rig.our_tsval};
    stream->tsval = segment.tsval;
    stream->ack += ahead;
    segment.ack = stream->ack - rig.our_isn;
    uint32_t sequence = stream->next - RIG_PEER_ISN;
    sequence += odd == 2 ? rig_draw(seed, 3000) : 0;
    sequence -= odd == 3 ? min_u32(rig_draw(seed, 3000), sequence - 1) : 0;
    segment.tsval -= odd == 4 ? 5 : 0;
    segment.ack += odd == 5 ? c->snd_nxt + 1 - stream->ack : 0;
    segment.ack -= odd == 6 ? 100 : 0;
    if (odd == 0 || odd > 6) {
        stream->next += segment.len;
    }
    rig_put_quietly(&segment, sequence);
}

static void play(bool together, struct seen *seen)
{
    uint32_t seed = 9;
    rig_prepare();
    rig.setup.piece_count_max = PIECES;
    rig_open(&with_timestamps);
    rig_data(1, 10);
    for (uint32_t i = 0; i < STEPS; i++) {
        if (rig_draw(&seed, 4) == 0 && rig_try_send(1 + rig_draw(&seed, 4000))) {
            rig_pump();
        }
        rig.holding = rig_draw(&seed, 8) == 0 ? !rig.holding : rig.holding;
        if (rig_draw(&seed, 8) == 0) {
            rig_release_held();
            rig_pump();
        }
        rig_pass(rig_draw(&seed, 3) == 0 ? rig_draw(&seed, 20) : 0);
        const struct tcp_connection *c = rig.connection;
        struct stream stream = {c->rcv_nxt, c->snd_una, c->ts_recent, c->snd_wnd >> c->snd_scale};
        rig.gathering = together;
        for (uint32_t left = 1 + rig_draw(&seed, BURST); left > 0; left--) {
            put_some(&stream, &seed);
        }
        rig_burst();
        rig.gathering = false;
        rig_pump();
        assert_null(rig.trouble);
        assert_non_null(rig.connection);
        while (rig_take() != NULL) {
        }
        seen_look(&seen[i]);
    }
    assert_true(rig.received > 1000000 && rig.connection->bytes_acked > 100000);
    assert_true(tcp_counters(rig.tcp)[TCP_IN_NO_PIECE] > 0);
    rig_release_held();
    assert_null(rig_end());
}

static void whether_segments_come_together_makes_no_difference(void **state)
{
    static struct seen seen[2][STEPS];
    (void)state;
    play(false, seen[0]);
    play(true, seen[1]);
    const char *difference = seen_difference(seen[0], seen[1], STEPS);
    if (difference != NULL) {
        fail_msg("%s", difference);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(whether_segments_come_together_makes_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
