/* e2e: one connection produces on schedule, another waits in a long poll; latency is from when a
 * record was due to leave until the consumer has it whole. Both spin on this thread. */
#include <sched.h>
#include <stdlib.h>

#include "storage/record/batch.h"
#include "tools/bench/requests.h"
#include "tools/bench/run.h"
#include "tools/bench/schedule.h"

enum { ANSWER_BYTES_MAX = 4 << 20, WAIT_MS = 500, DRAIN_S_MAX = 30, START_IN_NS = 10000000 };

struct end_to_end {
    struct run *run;
    struct peer producer, consumer;
    int64_t first_offset, next_offset;
    struct schedule schedule; /* Request n is the record at first_offset + n. */
    uint64_t measure_from;    /* The first that was due in the measured time. */
    bool measuring, stopping;
};

/* Sends what is due; with a full window the schedule waits, and latency tells. */
static bool produce_due(struct end_to_end *both, uint64_t now_ns)
{
    const struct bench_options *options = both->run->options;
    struct schedule *schedule = &both->schedule;
    while (schedule_is_due(schedule, now_ns) && peer_has_room(&both->producer)) {
        struct peer_request *request = peer_begin(&both->producer);
        requests_produce(request, options->topic, 0,
                         both->run->payload.batches[schedule->sent % PAYLOAD_BATCHES],
                         (int16_t)options->acks);
        peer_end(&both->producer);
        schedule->sent++;
    }
    if (!peer_flush(&both->producer) || !peer_receive(&both->producer)) {
        return false;
    }
    while (options->acks == 0 && peer_next_sent(&both->producer) != NULL) {
    }
    struct bytes frame;
    struct peer_request *request = NULL;
    while (peer_next_answer(&both->producer, &frame, &request)) {
        int16_t error = 0;
        int64_t base_offset = 0;
        if (!requests_produce_answer(frame, &error, &base_offset)) {
            return false;
        }
        if (error != 0) {
            both->run->report->first_error = error;
            both->run->report->errors++;
        }
    }
    return true;
}

static void record_count(struct end_to_end *both, uint64_t number, uint32_t bytes, uint64_t now_ns)
{
    struct report *report = both->run->report;
    histogram_record(&report->latency_ns, now_ns - schedule_due_ns(&both->schedule, number));
    if (both->stopping) {
        return; /* Late: its latency counts, but it was not achieved in the measured time. */
    }
    report->requests++;
    report->records++;
    report->payload_bytes += bytes;
}

static void records_take(struct end_to_end *both, struct bytes records)
{
    struct report *report = both->run->report;
    struct batch_header header;
    const uint64_t now_ns = usage_now_ns();
    while (records.len > 0 && batch_parse(chain_of(&records), &header) == BATCH_OK) {
        if (header.base_offset == both->next_offset) {
            const uint64_t number = (uint64_t)(header.base_offset - both->first_offset);
            if (number >= both->measure_from) {
                record_count(both, number, header.size_bytes, now_ns);
            }
            const struct bytes batch = {records.ptr, header.size_bytes};
            if (payload_same(&both->run->payload, batch)) {
                report->verified_bytes += batch.len;
            } else {
                report->verify_failed = true;
                (void)snprintf(report->verify_note, sizeof(report->verify_note),
                               "offset %lld: wrong bytes", (long long)header.base_offset);
            }
            both->next_offset++;
        }
        records.ptr += header.size_bytes;
        records.len -= header.size_bytes;
    }
}

static void fetch_send(struct end_to_end *both)
{
    struct peer_request *request = peer_begin(&both->consumer);
    requests_fetch(request, both->run->options->topic, 0, both->next_offset,
                   (uint32_t)both->run->options->fetch_bytes, WAIT_MS);
    peer_end(&both->consumer);
}

static bool consume(struct end_to_end *both)
{
    struct bytes frame;
    struct peer_request *request = NULL;
    if (!peer_receive(&both->consumer)) {
        return false;
    }
    while (peer_next_answer(&both->consumer, &frame, &request)) {
        int16_t error = 0;
        int64_t high_watermark = 0;
        struct bytes records;
        if (!requests_fetch_answer(frame, &error, &high_watermark, &records) || error != 0) {
            return false;
        }
        records_take(both, records);
        fetch_send(both);
    }
    return peer_flush(&both->consumer);
}

/* The measured time begins and ends. */
static void measure(struct end_to_end *both, uint64_t warm_ns, uint64_t now_ns)
{
    const struct bench_options *options = both->run->options;
    struct report *report = both->run->report;
    if (!both->measuring && now_ns >= warm_ns) {
        both->measuring = true;
        usage_read(&report->before, options);
    }
    if (!both->stopping && now_ns >= both->schedule.end_ns) {
        both->stopping = true;
        report->offered =
            schedule_due_before(&both->schedule, both->schedule.end_ns) - both->measure_from;
        usage_read(&report->after, options);
    }
}

/* All that was due was sent, and all that was not refused was read. */
static bool all_read(const struct end_to_end *both)
{
    const uint64_t read = (uint64_t)(both->next_offset - both->first_offset);
    return schedule_is_done(&both->schedule) &&
           read + both->run->report->errors >= both->schedule.sent;
}

static bool loop(struct end_to_end *both)
{
    const struct bench_options *options = both->run->options;
    const uint64_t started_ns = usage_now_ns() + START_IN_NS;
    const uint64_t warm_ns = started_ns + options->warm_up_seconds * 1000000000u;
    schedule_init(&both->schedule, options->rate_per_s, started_ns,
                  warm_ns + options->seconds * 1000000000u);
    both->measure_from = schedule_due_before(&both->schedule, warm_ns);
    for (;;) {
        const uint64_t now_ns = usage_now_ns();
        measure(both, warm_ns, now_ns);
        if (!produce_due(both, now_ns) || !consume(both)) {
            (void)fprintf(stderr, "bench: a connection broke or gave an error\n");
            return false;
        }
        (void)
            sched_yield(); /* The kernel's threads that finish the broker's writes may wait here. */
        if (both->stopping && all_read(both)) {
            return true;
        }
        if (now_ns > both->schedule.end_ns + DRAIN_S_MAX * 1000000000ull) {
            (void)fprintf(stderr, "bench: %d s after the end records are still unread\n",
                          DRAIN_S_MAX);
            return false;
        }
    }
}

bool run_end_to_end(struct run *run)
{
    const struct bench_options *options = run->options;
    struct end_to_end both = {.run = run};
    bool ok = peer_open(&both.producer, options->bootstrap, (uint32_t)options->in_flight,
                        ANSWER_BYTES_MAX);
    ok = ok && peer_open(&both.consumer, options->bootstrap, 1, ANSWER_BYTES_MAX) &&
         requests_create_topic(&both.producer, options);
    if (ok) {
        both.first_offset = requests_list_offset(&both.producer, options->topic, 0, -1);
        both.next_offset = both.first_offset;
        ok = both.first_offset >= 0;
    }
    if (ok) {
        fetch_send(&both);
        ok = loop(&both);
    }
    if (both.producer.requests != NULL) {
        peer_close(&both.producer);
    }
    if (both.consumer.requests != NULL) {
        peer_close(&both.consumer);
    }
    return ok;
}
