#include "dataplane/tcp/syn.h"

static const uint64_t ms_ns = 1000000;
static const uint64_t cookie_period_ns = (uint64_t)64 * 1000000000;
static const uint64_t cookie_noted_ns = 1000000000; /* A sibling's clock may be as much ahead. */

/* What a cookie can say of the peer's MSS: the largest not above it. Of frames of 9000 bytes IPv6
 * leaves 8940; IPv4 could have 20 more. */
static const uint16_t cookie_mss[8] = {216, 536, 1200, 1360, 1440, 1460, 4312, 8940};

enum {
    COOKIE_PERIODS = 2, /* It is believed for 64 to 128 seconds. */
    COOKIE_TS_BITS = 5, /* In the timestamp: scale (4 bits, 15: none), SACK. */
    COOKIE_TS_MASK = (1 << COOKIE_TS_BITS) - 1,
    COOKIE_NO_SCALE = 15,
};

static uint32_t half_value(const struct tcp *tcp, const struct half_open *half)
{
    return (uint32_t)FLOW_HALF_OPEN << FLOW_KIND_BITS | pool_index(&tcp->half_opens, half);
}

static const uint8_t ecn_asked = SEGMENT_ECE | SEGMENT_CWR;

static void half_drop(struct tcp *tcp, struct half_open *half)
{
    tcp_flow_end(tcp, half->hash, half_value(tcp, half));
    wheel_cancel(&tcp->wheel, &half->timer);
    tcp->listeners[half->listener].half_open--;
    pool_give(&tcp->half_opens, half);
}

static struct listener *listener_of(struct tcp *tcp, uint16_t port, uint8_t *index)
{
    for (uint32_t i = 0; i < TCP_LISTENERS_MAX; i++) {
        if (tcp->listeners[i].open && tcp->listeners[i].port == port) {
            *index = (uint8_t)i;
            return &tcp->listeners[i];
        }
    }
    return NULL;
}

/* A half-open entry as the SYN describes it; also what a cookie gives back. */
static struct half_open half_of(const struct tcp *tcp, const struct arrival *arrival)
{
    const struct segment *segment = &arrival->segment;
    return (struct half_open){.key = arrival->key,
                              .hash = arrival->hash,
                              .irs = segment->sequence,
                              .ts_recent = segment->tsval,
                              .window = segment->window,
                              .mss = connection_mss(tcp, &arrival->key, segment->mss),
                              .wscale = segment->wscale,
                              .has_wscale = segment->has_wscale,
                              .timestamps = segment->has_timestamp,
                              .sack = segment->sack_permitted,
                              .ecn = tcp->setup.ecn != TCP_ECN_NEVER &&
                                     (segment->flags & ecn_asked) == ecn_asked};
}

static void syn_ack_send(struct tcp *tcp, const struct half_open *half, uint32_t tsval,
                         uint64_t now_ns)
{
    struct segment segment = {
        .sequence = half->iss,
        .ack = half->irs + 1,
        .flags = (uint8_t)(SEGMENT_SYN | SEGMENT_ACK | (half->ecn ? SEGMENT_ECE : 0)),
        .window = min_u32(tcp->setup.receive_bytes_min, UINT16_MAX),
        .mss = net_mss(tcp->net, &half->key.remote),
        .sack_permitted = half->sack,
        .has_wscale = half->has_wscale,
        .wscale = tcp_window_scale(tcp),
        .has_timestamp = half->timestamps,
        .tsval = tsval,
        .tsecr = half->ts_recent,
    };
    tcp_answer(tcp, &half->key, &segment, now_ns);
}

static void half_send(struct tcp *tcp, const struct half_open *half, uint64_t now_ns)
{
    syn_ack_send(tcp, half, tcp_now_ms(now_ns) + tcp_ts_offset(tcp, &half->key), now_ns);
}

/* ---- Cookies ---- */

static uint32_t cookie_make(const struct tcp *tcp, const struct flow_key *key, uint32_t irs,
                            uint64_t period, uint32_t mss_index)
{
    struct {
        struct flow_key key;
        uint32_t irs;
        uint64_t period;
        uint64_t mss_index;
    } input;
    memset(&input, 0, sizeof(input));
    input.key = *key;
    input.irs = irs;
    input.period = period;
    input.mss_index = mss_index;
    const uint32_t hash = (uint32_t)siphash(&tcp->cookie_key, &input, sizeof(input)) & 0x1fffffff;
    return mss_index << 29 | hash;
}

/* The timestamp is lowered to carry the options; it stays behind the clock (as RFC 7323 wants). */
static uint32_t cookie_tsval(const struct tcp *tcp, const struct half_open *half, uint64_t now_ns)
{
    const uint32_t scale = half->has_wscale ? half->wscale : (uint32_t)COOKIE_NO_SCALE;
    const uint32_t now = tcp_now_ms(now_ns) + tcp_ts_offset(tcp, &half->key);
    uint32_t value = (now & ~(uint32_t)COOKIE_TS_MASK) | scale << 1 | (half->sack ? 1u : 0u);
    if (seq_lt(now, value)) {
        value -= 1u << COOKIE_TS_BITS;
    }
    return value;
}

static void cookie_send(struct tcp *tcp, struct half_open *half, uint64_t now_ns)
{
    uint32_t index = 0;
    while (index < 7 && cookie_mss[index + 1] <= half->mss) {
        index++;
    }
    if (!half->timestamps) { /* Nowhere to keep them. */
        half->has_wscale = false;
        half->sack = false;
    }
    half->ecn = false; /* Nowhere to keep that either. */
    half->iss = cookie_make(tcp, &half->key, half->irs, now_ns / cookie_period_ns, index);
    tcp->cookie_sent_ns = max_u64(now_ns, 1);
    if (tcp->setup.siblings != NULL) {
        tcp->setup.siblings->cookie_sent(tcp->setup.siblings_context, tcp->cookie_sent_ns);
    }
    tcp->counters[TCP_COOKIES_SENT]++;
    syn_ack_send(tcp, half, cookie_tsval(tcp, half, now_ns), now_ns);
}

bool syn_cookies_out(const struct tcp *tcp, uint64_t now_ns)
{
    const struct tcp_siblings *siblings = tcp->setup.siblings;
    const uint64_t sent_ns = siblings == NULL
                                 ? tcp->cookie_sent_ns
                                 : siblings->cookie_sent_ns(tcp->setup.siblings_context);
    return sent_ns != 0 && now_ns <= sent_ns + COOKIE_PERIODS * cookie_period_ns + cookie_noted_ns;
}

static bool cookie_check(struct tcp *tcp, const struct arrival *arrival, struct half_open *half,
                         uint64_t now_ns)
{
    const struct segment *segment = &arrival->segment;
    const uint32_t cookie = segment->ack - 1;
    /* A sibling that made it may have begun the next period already. */
    const uint64_t newest = (now_ns + cookie_noted_ns) / cookie_period_ns;
    const uint64_t period = now_ns / cookie_period_ns;
    if (!syn_cookies_out(tcp, now_ns)) {
        return false; /* Nothing to try. */
    }
    *half = half_of(tcp, arrival);
    half->irs = segment->sequence - 1;
    half->iss = cookie;
    half->mss = cookie_mss[cookie >> 29];
    half->has_wscale = false;
    half->sack = false;
    half->ecn = false;
    if (segment->has_timestamp) {
        const uint32_t bits = segment->tsecr & COOKIE_TS_MASK;
        half->sack = (bits & 1) != 0;
        half->has_wscale = bits >> 1 != COOKIE_NO_SCALE;
        half->wscale = (uint8_t)(half->has_wscale ? bits >> 1 : 0);
    }
    const uint64_t oldest = period - min_u64(period, COOKIE_PERIODS - 1);
    for (uint64_t made = newest + 1; made-- > oldest;) {
        if (cookie_make(tcp, &half->key, half->irs, made, cookie >> 29) == cookie) {
            tcp->counters[TCP_COOKIES_TAKEN]++;
            return true;
        }
    }
    tcp->counters[TCP_COOKIES_BAD]++;
    return false;
}

/* ---- The third segment ---- */

static struct tcp_connection *promote(struct tcp *tcp, const struct half_open *half,
                                      uint64_t now_ns)
{
    struct tcp_connection *c = connection_make(tcp, &half->key, half->hash);
    if (c == NULL) {
        tcp->counters[TCP_SYN_DROPPED]++;
        return NULL;
    }
    c->listener = half->listener;
    c->iss = half->iss;
    c->snd_una = half->iss + 1;
    c->snd_nxt = c->snd_una;
    c->snd_end = c->snd_una;
    c->snd_wnd = half->window;
    c->snd_wnd_max = half->window;
    c->snd_wl1 = half->irs;
    c->snd_wl2 = half->iss;
    c->rcv_nxt = half->irs + 1;
    c->last_ack_sent = c->rcv_nxt;
    c->rcv_edge = c->rcv_nxt + min_u32(c->rcv_buffer, UINT16_MAX);
    c->mss = half->mss;
    c->timestamps = half->timestamps;
    c->sack = half->sack;
    ecn_begin(c, half->ecn, half->iss + 1);
    c->rcv_scale = half->has_wscale ? tcp_window_scale(tcp) : 0;
    c->snd_scale = half->has_wscale ? half->wscale : 0;
    c->ts_recent = half->ts_recent;
    c->ts_recent_ns = now_ns;
    if (half->sent_ns != 0 && half->retries == 0) {
        rtt_sample(&c->rtt, now_ns - half->sent_ns, tcp->setup.rto_min_ms * ms_ns,
                   tcp->setup.rto_max_ms * ms_ns, now_ns);
    }
    connection_establish(c, now_ns);
    return c;
}

static void syn_begin(struct tcp *tcp, const struct arrival *arrival, uint32_t iss, uint64_t now_ns)
{
    uint8_t index = 0;
    struct listener *listener = listener_of(tcp, arrival->key.local_port, &index);
    struct half_open half = half_of(tcp, arrival);
    struct half_open *kept = NULL;
    if (tcp->connections.used == tcp->connections.capacity) {
        tcp->counters[TCP_SYN_DROPPED]++; /* It will try again. */
        return;
    }
    if (listener->half_open < listener->backlog) {
        kept = pool_take(&tcp->half_opens);
    }
    if (kept == NULL) {
        cookie_send(tcp, &half, now_ns);
        return;
    }
    if (!tcp_flow_begin(tcp, half.hash, half_value(tcp, kept))) {
        pool_give(&tcp->half_opens, kept);
        tcp->counters[TCP_SYN_DROPPED]++;
        return;
    }
    *kept = half;
    kept->timer.kind = FLOW_HALF_OPEN;
    kept->listener = index;
    kept->iss = iss != 0 ? iss : tcp_isn(tcp, &kept->key, now_ns);
    kept->sent_ns = now_ns;
    listener->half_open++;
    wheel_arm(&tcp->wheel, &kept->timer, now_ns + tcp->setup.rto_initial_ms * ms_ns);
    half_send(tcp, kept, now_ns);
}

/* LISTEN and CLOSED (3.10.7.1, 3.10.7.2). */
struct tcp_connection *syn_input(struct tcp *tcp, const struct arrival *arrival, uint32_t iss,
                                 uint64_t now_ns)
{
    const uint8_t flags = arrival->segment.flags;
    uint8_t index = 0;
    const bool listening = listener_of(tcp, arrival->key.local_port, &index) != NULL;
    if (flags & SEGMENT_RST) {
        return NULL;
    }
    if (listening && (flags & (SEGMENT_ACK | SEGMENT_SYN)) == SEGMENT_ACK) {
        struct half_open half;
        if (cookie_check(tcp, arrival, &half, now_ns)) {
            half.listener = index;
            return promote(tcp, &half, now_ns);
        }
    }
    if (!listening || (flags & SEGMENT_ACK)) {
        tcp->counters[TCP_IN_NO_FLOW]++;
        tcp_reset_stray(tcp, arrival, now_ns);
    } else if (flags & SEGMENT_SYN) {
        syn_begin(tcp, arrival, iss, now_ns);
    }
    return NULL;
}

static void half_acknowledge(struct tcp *tcp, const struct half_open *half, uint64_t now_ns)
{
    if (!rate_take(&tcp->stray_acks, now_ns, RESETS_PER_SECOND, RESETS_PER_SECOND / 10)) {
        tcp->counters[TCP_OUT_LIMITED]++;
        return;
    }
    /* What the SYN-ACK said; scaled, as in every segment that is none. */
    const uint8_t scale = half->has_wscale ? tcp_window_scale(tcp) : 0;
    struct segment segment = {.sequence = half->iss + 1,
                              .ack = half->irs + 1,
                              .flags = SEGMENT_ACK,
                              .window = min_u32(tcp->setup.receive_bytes_min, UINT16_MAX) >> scale,
                              .has_timestamp = half->timestamps,
                              .tsval = tcp_now_ms(now_ns) + tcp_ts_offset(tcp, &half->key),
                              .tsecr = half->ts_recent};
    tcp->counters[TCP_OUT_CHALLENGE]++;
    tcp_answer(tcp, &half->key, &segment, now_ns);
}

struct tcp_connection *syn_half_open_input(struct tcp *tcp, struct half_open *half,
                                           const struct arrival *arrival, uint64_t now_ns)
{
    const struct segment *segment = &arrival->segment;
    const uint32_t offset = segment->sequence - (half->irs + 1);
    const uint32_t window = min_u32(tcp->setup.receive_bytes_min, UINT16_MAX);
    if (segment->flags & SEGMENT_RST) {
        tcp->counters[TCP_IN_RST]++;
        if (offset == 0) { /* RFC 5961 3.2. */
            half_drop(tcp, half);
        } else if (offset < window) {
            half_acknowledge(tcp, half, now_ns);
        }
        return NULL;
    }
    if (segment->flags & SEGMENT_SYN) {
        if (segment->sequence == half->irs && !(segment->flags & SEGMENT_ACK)) {
            half_send(tcp, half, now_ns); /* Ours was lost. */
        } else {
            half_acknowledge(tcp, half, now_ns);
        }
        return NULL;
    }
    if (!(segment->flags & SEGMENT_ACK)) {
        return NULL;
    }
    if (half->timestamps && segment->has_timestamp &&
        seq_lt(segment->tsval, half->ts_recent)) { /* PAWS. */
        tcp->counters[TCP_IN_PAWS]++;
        half_acknowledge(tcp, half, now_ns);
        return NULL;
    }
    if (offset >= window) {
        tcp->counters[TCP_IN_OUT_OF_WINDOW]++;
        half_acknowledge(tcp, half, now_ns);
        return NULL;
    }
    if (segment->ack != half->iss + 1) { /* 3.10.7.4, fifth. */
        tcp->counters[TCP_IN_BAD_ACK]++;
        tcp_reset_stray(tcp, arrival, now_ns);
        return NULL;
    }
    const struct half_open copy = *half;
    if (tcp->connections.used == tcp->connections.capacity) {
        tcp->counters[TCP_SYN_DROPPED]++; /* It stays half-open; the peer's data asks again. */
        return NULL;
    }
    half_drop(tcp, half);
    return promote(tcp, &copy, now_ns);
}

void syn_timer_fire(struct tcp *tcp, struct half_open *half, uint64_t now_ns)
{
    if (half->retries >= tcp->setup.syn_retries) {
        half_drop(tcp, half);
        return;
    }
    half->retries++;
    wheel_arm(&tcp->wheel, &half->timer,
              now_ns + (tcp->setup.rto_initial_ms * ms_ns << half->retries));
    half_send(tcp, half, now_ns);
}

void syn_drop_listener(struct tcp *tcp, uint32_t listener)
{
    for (uint32_t i = 0; i < tcp->half_opens.capacity; i++) {
        struct half_open *half = pool_at(&tcp->half_opens, i);
        if (tcp->half_opens.slots[i].generation % 2 == 1 && half->listener == listener) {
            half_drop(tcp, half);
        }
    }
}
