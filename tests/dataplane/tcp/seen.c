#include "tests/dataplane/tcp/seen.h"

#include <stdio.h>

/* Of the connection. */
#define SEEN_FIELDS(OF)     \
    OF(snd_una)             \
    OF(snd_nxt)             \
    OF(snd_wnd)             \
    OF(snd_wl1)             \
    OF(snd_wl2)             \
    OF(rcv_nxt)             \
    OF(rcv_edge)            \
    OF(ts_recent)           \
    OF(ts_recent_ns)        \
    OF(unacked)             \
    OF(unacked_segments)    \
    OF(ack_now)             \
    OF(quick_acks)          \
    OF(mode)                \
    OF(retries)             \
    OF(held)                \
    OF(held_pieces)         \
    OF(pipe)                \
    OF(congestion.cwnd)     \
    OF(congestion.ssthresh) \
    OF(rtt.smoothed_ns)     \
    OF(segments_in)         \
    OF(segments_out)        \
    OF(bulk)                \
    OF(heard_ns)

static uint64_t sum_of(const uint64_t *values, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum = sum * 31 + values[i];
    }
    return sum;
}

#define VALUE(field) c->field,
#define NAME(field)  #field,

void seen_look(struct seen *seen)
{
    const struct tcp_connection *c = rig.connection;
    *seen =
        (struct seen){{SEEN_FIELDS(VALUE) rig.received, sum_of(tcp_counters(rig.tcp), TCP_COUNTERS),
                       sum_of(c->deadlines, TIMERS)}};
}

const char *seen_difference(const struct seen *first, const struct seen *second, uint32_t steps)
{
    static const char *const names[SEEN_MAX] = {SEEN_FIELDS(NAME) "received", "counters", "timers"};
    static char text[200];
    for (uint32_t i = 0; i < steps; i++) {
        for (uint32_t j = 0; j < SEEN_MAX; j++) {
            if (first[i].of[j] != second[i].of[j]) {
                (void)snprintf(text, sizeof(text), "step %u: %s is %llu and %llu", i, names[j],
                               (unsigned long long)first[i].of[j],
                               (unsigned long long)second[i].of[j]);
                return text;
            }
        }
    }
    return NULL;
}
