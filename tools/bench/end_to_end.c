/* e2e: one connection produces on schedule, another waits in a long poll; latency is from when a
 * record was due to leave until the consumer has it whole. Both spin on this thread. */
#include <sched.h>
#include <stdlib.h>

#include "storage/record/batch.h"
#include "tools/bench/requests.h"
#include "tools/bench/run.h"

enum { ANSWER_BYTES_MAX = 4 << 20, WAIT_MS = 500, DRAIN_NS = 2000000000 };

struct end_to_end {
    struct run *run;
    struct peer producer, consumer;
    int64_t first_offset, next_offset;
    uint64_t due_count, started_ns, interval_ns_x1024, measure_from;
    bool stopping;
};

static uint64_t due_ns(const struct end_to_end *both, uint64_t number)
{
    return both->started_ns + ((number * both->interval_ns_x1024) >> 10);
}

static bool produce_due(struct end_to_end *both, uint64_t now_ns)
{
    const struct bench_options *options = both->run->options;
    while (!both->stopping && due_ns(both, both->due_count) <= now_ns &&
           peer_has_room(&both->producer)) {
        struct peer_request *request = peer_begin(&both->producer);
        requests_produce(request, options->topic, 0,
                         both->run->payload.batches[both->due_count % PAYLOAD_BATCHES],
                         (int16_t)options->acks);
        peer_end(&both->producer);
        both->due_count++;
    }
    if (!peer_flush(&both->producer) || !peer_receive(&both->producer)) {
        return false;
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

static void records_take(struct end_to_end *both, struct bytes records)
{
    struct report *report = both->run->report;
    struct batch_header header;
    const uint64_t now_ns = usage_now_ns();
    while (records.len > 0 && batch_parse(chain_of(&records), &header) == BATCH_OK) {
        if (header.base_offset == both->next_offset) {
            const uint64_t number = (uint64_t)(header.base_offset - both->first_offset);
            if (number >= both->measure_from) {
                histogram_record(&report->latency_ns, now_ns - due_ns(both, number));
                report->requests++;
                report->records++;
                report->payload_bytes += header.size_bytes;
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

static bool loop(struct end_to_end *both)
{
    const struct bench_options *options = both->run->options;
    const uint64_t warm_ns = both->started_ns + options->warm_up_seconds * 1000000000u;
    const uint64_t end_ns = warm_ns + options->seconds * 1000000000u;
    for (;;) {
        const uint64_t now_ns = usage_now_ns();
        if (both->measure_from == UINT64_MAX && now_ns >= warm_ns) {
            both->measure_from = both->due_count;
            usage_read(&both->run->report->before, options);
        }
        if (!both->stopping && now_ns >= end_ns) {
            both->stopping = true;
            both->run->report->offered = both->due_count - both->measure_from;
            usage_read(&both->run->report->after, options);
        }
        if (!produce_due(both, now_ns) || !consume(both)) {
            (void)fprintf(stderr, "bench: a connection broke or gave an error\n");
            return false;
        }
        (void)
            sched_yield(); /* The kernel's threads that finish the broker's writes may wait here. */
        const uint64_t read = (uint64_t)(both->next_offset - both->first_offset);
        if (both->stopping && (read == both->due_count || now_ns > end_ns + DRAIN_NS)) {
            return true;
        }
    }
}

bool run_end_to_end(struct run *run)
{
    const struct bench_options *options = run->options;
    struct end_to_end both = {.run = run, .measure_from = UINT64_MAX};
    both.interval_ns_x1024 = (1000000000ull << 10) / max_u64(1, options->rate_per_s);
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
        both.started_ns = usage_now_ns() + 10000000;
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
