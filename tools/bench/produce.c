/* produce, small, latency: batches of the pool go out on every connection, partition by partition.
 *
 * Closed loop: every connection keeps its window full. Open loop: request n is due at start + n /
 * rate, whichever connection has room takes it, and latency counts from when it was due, so a
 * stalled broker cannot hide behind a waiting client. */
#include <stdlib.h>
#include <unistd.h>

#include "tools/bench/requests.h"
#include "tools/bench/run.h"
#include "tools/bench/schedule.h"

enum {
    ANSWER_BYTES_MAX = 1 << 20,
    EVENTS_MAX = 256,
    DRAIN_MS_MAX = 30000,
    OFFSETS_AGAIN_US = 10000,
    OFFSETS_STALL_MS_MAX = 5000
};

/* What is known of one partition: acks must be dense between the first and the last offset. Without
 * acks these are asked for, before and after. */
struct partition_seen {
    int64_t first, end;
    uint64_t records;
};

struct producer {
    struct run *run;
    struct peer *peers;
    struct partition_seen *seen;
    bool open_loop, measuring, stopping;
    uint64_t begun_requests;
    struct schedule schedule; /* Of the open loop; its times are those of the run. */
    uint32_t next_peer;
    struct peer background; /* fd -1: none. */
    uint64_t background_next_ns, background_interval_ns;
    struct payload background_payload;
};

static void request_next(struct producer *producer, struct peer *peer, uint64_t intended_ns)
{
    const struct bench_options *options = producer->run->options;
    const struct payload *payload = &producer->run->payload;
    const uint64_t number = producer->begun_requests++;
    struct peer_request *request = peer_begin(peer);
    requests_produce(request, options->topic, (uint32_t)(number % options->partitions),
                     payload->batches[number / options->partitions % PAYLOAD_BATCHES],
                     (int16_t)options->acks);
    request->intended_ns = intended_ns;
    request->records = payload->records_per_batch;
    peer_end(peer);
}

/* Answered, or without acks handed over. */
static void request_count(struct producer *producer, const struct peer_request *request)
{
    struct report *report = producer->run->report;
    producer->seen[request->partition].records += request->records;
    if (!producer->measuring) {
        return;
    }
    histogram_record(&report->latency_ns, usage_now_ns() - request->intended_ns);
    if (producer->stopping) {
        return; /* Late: its latency counts, but it was not achieved in the measured time. */
    }
    report->requests++;
    report->records += request->records;
    report->payload_bytes += request->body.len;
}

static void answer_count(struct producer *producer, const struct peer_request *request,
                         int16_t error, int64_t base_offset)
{
    struct report *report = producer->run->report;
    if (error != 0) {
        if (producer->measuring) { /* A young topic may still look for its leaders. */
            report->first_error = report->errors++ == 0 ? error : report->first_error;
        }
        return;
    }
    struct partition_seen *seen = &producer->seen[request->partition];
    const int64_t end = base_offset + request->records;
    seen->first = seen->records == 0 ? base_offset : min_i64(seen->first, base_offset);
    seen->end = max_i64(seen->end, end);
    request_count(producer, request);
}

/* Sends what the socket takes. */
static bool flush(struct producer *producer, struct peer *peer)
{
    const struct peer_request *request;
    if (!peer_flush(peer)) {
        (void)fprintf(stderr, "bench: the broker closed a connection\n");
        return false;
    }
    while (producer->run->options->acks == 0 && (request = peer_next_sent(peer)) != NULL) {
        request_count(producer, request);
    }
    return true;
}

static bool answers_take(struct producer *producer, struct peer *peer)
{
    struct bytes frame;
    struct peer_request *request = NULL;
    if (!peer_receive(peer)) {
        (void)fprintf(stderr, "bench: the broker closed a connection\n");
        return false;
    }
    while (peer_next_answer(peer, &frame, &request)) {
        int16_t error = 0;
        int64_t base_offset = -1;
        if (!requests_produce_answer(frame, &error, &base_offset)) {
            (void)fprintf(stderr, "bench: an answer cannot be decoded\n");
            return false;
        }
        if (peer == &producer->background) {
            continue;
        }
        answer_count(producer, request, error, base_offset);
    }
    return true;
}

static bool window_fill(struct producer *producer, uint64_t now_ns)
{
    for (uint64_t i = 0; i < producer->run->options->connections; i++) {
        struct peer *peer = &producer->peers[i];
        while (!producer->stopping && peer_has_room(peer)) {
            request_next(producer, peer, now_ns);
        }
        if (!flush(producer, peer)) {
            return false;
        }
    }
    return true;
}

/* Sends all that is due; with every window full the schedule waits, and latency tells. What was due
 * before the end is sent after it, or a stall at the end would go unseen. */
static bool schedule_fill(struct producer *producer, uint64_t now_ns)
{
    const struct bench_options *options = producer->run->options;
    uint64_t full = 0;
    struct schedule *schedule = &producer->schedule;
    while (schedule_is_due(schedule, now_ns) && full < options->connections) {
        struct peer *peer = &producer->peers[producer->next_peer];
        producer->next_peer = (uint32_t)((producer->next_peer + 1) % options->connections);
        if (!peer_has_room(peer)) {
            full++;
            continue;
        }
        full = 0;
        request_next(producer, peer, schedule_due_ns(schedule, schedule->sent++));
        if (!flush(producer, peer)) {
            return false;
        }
    }
    for (uint64_t i = 0; i < options->connections; i++) {
        if (!flush(producer, &producer->peers[i])) {
            return false;
        }
    }
    return true;
}

static bool background_fill(struct producer *producer, uint64_t now_ns)
{
    struct peer *peer = &producer->background;
    if (peer->fd < 0) {
        return true;
    }
    while (!producer->stopping && producer->background_next_ns <= now_ns && peer_has_room(peer)) {
        struct peer_request *request = peer_begin(peer);
        requests_produce(request, "bench-background", 0,
                         producer->background_payload.batches[peer->begun % PAYLOAD_BATCHES], 1);
        peer_end(peer);
        producer->background_next_ns += producer->background_interval_ns;
    }
    return peer_flush(peer);
}

static bool events_take(struct producer *producer, int wait_ms)
{
    struct peer *ready[EVENTS_MAX];
    const uint32_t count = peers_wait(ready, EVENTS_MAX, wait_ms);
    for (uint32_t i = 0; i < count; i++) {
        if (!answers_take(producer, ready[i])) {
            return false;
        }
    }
    return true;
}

static bool all_answered(const struct producer *producer)
{
    if (producer->open_loop && !schedule_is_done(&producer->schedule)) {
        return false;
    }
    for (uint64_t i = 0; i < producer->run->options->connections; i++) {
        if (producer->peers[i].answered != producer->peers[i].begun) {
            return false;
        }
    }
    return producer->background.fd < 0 ||
           producer->background.answered == producer->background.begun;
}

/* The measured time begins and ends. */
static void measure(struct producer *producer, uint64_t warm_ns, uint64_t now_ns)
{
    const struct bench_options *options = producer->run->options;
    struct report *report = producer->run->report;
    struct schedule *schedule = &producer->schedule;
    if (!producer->measuring && !producer->stopping && now_ns >= warm_ns) {
        usage_read(&report->before, options);
        producer->measuring = true;
    }
    if (producer->measuring && !producer->stopping &&
        (now_ns >= schedule->end_ns ||
         (options->total_bytes > 0 && report->payload_bytes >= options->total_bytes))) {
        usage_read(&report->after, options);
        schedule->end_ns = min_u64(schedule->end_ns, now_ns);
        if (producer->open_loop) {
            report->offered = schedule_due_before(schedule, schedule->end_ns) -
                              schedule_due_before(schedule, warm_ns);
        }
        producer->stopping = true;
    }
    /* What is still in flight belongs to the schedule, not to the bandwidth. */
    producer->measuring = producer->measuring && (producer->open_loop || !producer->stopping);
}

static bool loop(struct producer *producer)
{
    const struct bench_options *options = producer->run->options;
    const uint64_t started_ns = usage_now_ns();
    const uint64_t warm_ns = started_ns + options->warm_up_seconds * 1000000000u;
    schedule_init(&producer->schedule, options->rate_per_s, started_ns,
                  warm_ns + options->seconds * 1000000000u);
    for (;;) {
        const uint64_t now_ns = usage_now_ns();
        measure(producer, warm_ns, now_ns);
        if (!(producer->open_loop ? schedule_fill(producer, now_ns)
                                  : window_fill(producer, now_ns)) ||
            !background_fill(producer, now_ns) ||
            !events_take(producer, producer->open_loop ? 0 : 1)) {
            return false;
        }
        if (producer->stopping && all_answered(producer)) {
            return true;
        }
        if (producer->stopping && now_ns > producer->schedule.end_ns + DRAIN_MS_MAX * 1000000ull) {
            (void)fprintf(stderr, "bench: %d s after the end requests are still without answer\n",
                          DRAIN_MS_MAX / 1000);
            return false;
        }
    }
}

static bool background_open(struct producer *producer)
{
    const struct bench_options *options = producer->run->options;
    if (options->background_bytes_per_s == 0) {
        return true;
    }
    struct bench_options topic = *options;
    topic.topic = "bench-background";
    topic.partitions = 1;
    if (!payload_create(&producer->background_payload, 100 << 10, 1024, options->seed + 1,
                        producer->run->payload.timestamp_ms) ||
        !peer_open(&producer->background, options->bootstrap, 64, ANSWER_BYTES_MAX) ||
        !requests_create_topic(&producer->background, &topic)) {
        return false;
    }
    producer->background_interval_ns = 1000000000u *
                                       (uint64_t)producer->background_payload.batches[0].len /
                                       options->background_bytes_per_s;
    producer->background_next_ns = usage_now_ns();
    return true;
}

/* Asks for the end of the partition until it is reached, or stays where it is for long. */
static bool end_ask(struct peer *admin, const struct bench_options *options, uint32_t partition,
                    struct partition_seen *seen)
{
    uint64_t moved_ns = usage_now_ns();
    int64_t end = -1;
    do {
        end = requests_list_offset(admin, options->topic, partition, -1);
        if (end != seen->end) {
            moved_ns = usage_now_ns();
            seen->end = end;
        }
    } while (end >= 0 && (uint64_t)(end - seen->first) < seen->records &&
             usage_now_ns() < moved_ns + OFFSETS_STALL_MS_MAX * 1000000ull &&
             usleep(OFFSETS_AGAIN_US) == 0);
    return end >= 0;
}

/* The offsets that acks would have told. At the end all that was sent is there, or comes. */
static bool offsets_ask(struct producer *producer, bool at_end)
{
    const struct bench_options *options = producer->run->options;
    struct peer admin;
    bool good = peer_open(&admin, options->bootstrap, 1, ANSWER_BYTES_MAX);
    for (uint64_t i = 0; good && i < options->partitions; i++) {
        struct partition_seen *seen = &producer->seen[i];
        good = end_ask(&admin, options, (uint32_t)i, seen);
        seen->first = at_end ? seen->first : seen->end;
    }
    if (admin.requests != NULL) {
        peer_close(&admin);
    }
    return good;
}

/* Acks said so many records; they must be exactly the offsets between the first and the last. */
static void check_dense(struct producer *producer)
{
    struct report *report = producer->run->report;
    for (uint64_t i = 0; i < producer->run->options->partitions; i++) {
        const struct partition_seen *seen = &producer->seen[i];
        if (report->errors == 0 && seen->records > 0 &&
            (uint64_t)(seen->end - seen->first) != seen->records) {
            report->verify_failed = true;
            (void)snprintf(report->verify_note, sizeof(report->verify_note),
                           "partition %llu: %llu records %s, offsets %lld to %lld",
                           (unsigned long long)i, (unsigned long long)seen->records,
                           producer->run->options->acks == 0 ? "sent" : "acked",
                           (long long)seen->first, (long long)seen->end);
        }
    }
}

static bool producer_open(struct producer *producer)
{
    const struct bench_options *options = producer->run->options;
    producer->peers = calloc(options->connections, sizeof(struct peer));
    producer->seen = calloc(options->partitions, sizeof(struct partition_seen));
    if (producer->peers == NULL || producer->seen == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < options->connections; i++) {
        struct peer *peer = &producer->peers[i];
        if (!peer_open(peer, options->bootstrap, (uint32_t)options->in_flight, ANSWER_BYTES_MAX) ||
            (i == 0 && !requests_create_topic(peer, options))) {
            return false;
        }
    }
    return background_open(producer);
}

bool run_produce(struct run *run)
{
    struct producer producer = {.run = run, .background.fd = -1};
    producer.open_loop = run->options->kind == BENCH_LATENCY;
    const bool ask = run->options->acks == 0;
    const bool ok = producer_open(&producer) && (!ask || offsets_ask(&producer, false)) &&
                    loop(&producer) && (!ask || offsets_ask(&producer, true));
    if (ok) {
        check_dense(&producer);
    }
    for (uint64_t i = 0; producer.peers != NULL && i < run->options->connections; i++) {
        if (producer.peers[i].requests != NULL) {
            peer_close(&producer.peers[i]);
        }
    }
    if (producer.background.fd >= 0) {
        peer_close(&producer.background);
        payload_destroy(&producer.background_payload);
    }
    free(producer.peers);
    free(producer.seen);
    return ok;
}
