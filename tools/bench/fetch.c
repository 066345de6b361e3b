/* fetch and the check of what was produced: partitions are read from their start, batch by batch
 * compared with the pool. */
#include <stdlib.h>

#include "storage/base/list.h"
#include "storage/record/batch.h"
#include "tools/bench/requests.h"
#include "tools/bench/run.h"

enum { EVENTS_MAX = 64, FETCH_WAIT_MS = 500, ANSWER_SLACK_BYTES = 64 << 10 };

/* One connection reading one partition. */
struct reading {
    struct peer peer;
    uint32_t partition;
    int64_t start, next, end;
};

static void fetch_send(const struct run *run, struct reading *reading)
{
    struct peer_request *request = peer_begin(&reading->peer);
    requests_fetch(request, run->options->topic, reading->partition, reading->next,
                   (uint32_t)run->options->fetch_bytes, FETCH_WAIT_MS);
    request->intended_ns = usage_now_ns();
    peer_end(&reading->peer);
}

static void fail(struct report *report, const struct reading *reading, const char *what)
{
    report->verify_failed = true;
    (void)snprintf(report->verify_note, sizeof(report->verify_note),
                   "partition %u, offset %lld: %s", reading->partition, (long long)reading->next,
                   what);
}

/* Walks the whole batches of an answer. Returns the bytes used; sets next. */
static uint64_t batches_walk(const struct run *run, struct reading *reading, struct bytes records)
{
    uint64_t used = 0;
    struct batch_header header;
    while (records.len > BATCH_HEADER_BYTES) {
        if (batch_parse(chain_of(&records), &header) != BATCH_OK) {
            break; /* The last one may be cut off. */
        }
        const struct bytes batch = {records.ptr, header.size_bytes};
        const int64_t end = header.base_offset + header.last_offset_delta + 1;
        if (end > reading->next) {
            if (header.base_offset != reading->next) {
                fail(run->report, reading, "offsets are not dense");
            }
            if (run->options->verify && !payload_same(&run->payload, batch)) {
                fail(run->report, reading, "the bytes are not those that were sent");
            }
            run->report->verified_bytes += run->options->verify ? batch.len : 0;
            run->report->records += (uint64_t)header.record_count;
            reading->next = end;
            used += batch.len;
        }
        records.ptr += header.size_bytes;
        records.len -= header.size_bytes;
    }
    return used;
}

static bool reading_open(const struct run *run, struct reading *reading, uint32_t partition,
                         uint32_t window)
{
    const struct bench_options *options = run->options;
    reading->partition = partition;
    if (!peer_open(&reading->peer, options->bootstrap, window,
                   (uint32_t)(2 * (options->fetch_bytes + options->batch_bytes) +
                              ANSWER_SLACK_BYTES + options->record_bytes))) {
        return false;
    }
    reading->start = requests_list_offset(&reading->peer, options->topic, partition, -2);
    reading->end = requests_list_offset(&reading->peer, options->topic, partition, -1);
    reading->next = reading->start;
    return reading->start >= 0 && reading->end >= 0;
}

/* Takes one fetch answer; false on failure. */
static bool answer_take(const struct run *run, struct reading *reading, struct bytes frame,
                        const struct peer_request *request, uint64_t *bytes)
{
    struct report *report = run->report;
    int16_t error = 0;
    int64_t high_watermark = 0;
    struct bytes records;
    if (!requests_fetch_answer(frame, &error, &high_watermark, &records)) {
        (void)fprintf(stderr, "bench: a fetch answer cannot be decoded\n");
        return false;
    }
    if (error != 0) {
        report->first_error = report->errors++ == 0 ? error : report->first_error;
        return true;
    }
    *bytes = batches_walk(run, reading, records);
    histogram_record(&report->latency_ns, usage_now_ns() - request->intended_ns);
    report->requests++;
    report->payload_bytes += *bytes;
    return true;
}

/* Retention goes on while the records are read again: true when it has taken what was to be next.
 */
static bool retention_passed(const struct run *run, struct reading *reading)
{
    const int64_t start =
        requests_list_offset(&reading->peer, run->options->topic, reading->partition, -2);
    if (start <= reading->next) {
        return false;
    }
    reading->next = start;
    return true;
}

bool run_verify(struct run *run)
{
    struct report *scratch = calloc(1, sizeof(*scratch)); /* The check leaves the figures alone. */
    struct run check = {.options = run->options, .payload = run->payload, .report = scratch};
    bool ok = scratch != NULL;
    struct bench_options options = *run->options;
    options.fetch_bytes = max_u64(4 << 20, options.batch_bytes);
    check.options = &options;
    for (uint32_t i = 0; ok && i < options.partitions; i++) {
        struct reading reading = {.peer.fd = -1};
        ok = reading_open(&check, &reading, i, 1);
        while (ok && reading.next < reading.end && !scratch->verify_failed) {
            fetch_send(&check, &reading);
            const struct peer_request *request = &reading.peer.requests[0];
            struct bytes frame;
            uint64_t bytes = 0;
            ok = peer_call(&reading.peer, &frame) &&
                 answer_take(&check, &reading, frame, request, &bytes);
            if (ok && bytes == 0 && !retention_passed(&check, &reading)) {
                fail(scratch, &reading, "no data below the end");
            }
        }
        peer_close(&reading.peer);
    }
    if (ok) {
        run->report->verified_bytes = scratch->verified_bytes;
    }
    if (ok && scratch->verify_failed) {
        run->report->verify_failed = true;
        memcpy(run->report->verify_note, scratch->verify_note, sizeof(scratch->verify_note));
    }
    free(scratch);
    return ok;
}

/* Writes total_bytes into the topic, outside the measured time. */
static bool topic_fill(struct run *run)
{
    struct bench_options options = *run->options;
    struct report *scratch = calloc(1, sizeof(*scratch));
    options.kind = BENCH_PRODUCE;
    options.warm_up_seconds = 0;
    options.seconds = 600;
    options.in_flight = 5;
    options.connections = 1;
    struct run fill = {.options = &options, .payload = run->payload, .report = scratch};
    const bool ok = scratch != NULL && run_produce(&fill) && scratch->errors == 0;
    free(scratch);
    return ok;
}

static bool readings_turn(struct run *run)
{
    struct peer *ready[EVENTS_MAX];
    const uint32_t count = peers_wait(ready, EVENTS_MAX, 100);
    for (uint32_t i = 0; i < count; i++) {
        struct reading *reading = CONTAINER_OF(ready[i], struct reading, peer);
        struct bytes frame;
        struct peer_request *request = NULL;
        if (!peer_receive(&reading->peer)) {
            (void)fprintf(stderr, "bench: the broker closed a connection\n");
            return false;
        }
        while (peer_next_answer(&reading->peer, &frame, &request)) {
            uint64_t bytes = 0;
            if (!answer_take(run, reading, frame, request, &bytes)) {
                return false;
            }
            if (reading->next >= reading->end) {
                reading->next = reading->start;
            }
            fetch_send(run, reading);
        }
        if (!peer_flush(&reading->peer)) {
            return false;
        }
    }
    return true;
}

static void figures_restart(struct run *run)
{
    const uint64_t verified = run->report->verified_bytes;
    const char *kind = run->report->kind;
    memset(run->report, 0, sizeof(*run->report));
    run->report->kind = kind;
    run->report->verified_bytes = verified;
    usage_read(&run->report->before, run->options);
}

bool run_fetch(struct run *run)
{
    const struct bench_options *options = run->options;
    struct reading *readings = calloc(options->connections, sizeof(*readings));
    bool ok = readings != NULL && topic_fill(run);
    for (uint32_t i = 0; readings != NULL && i < options->connections; i++) {
        readings[i].peer.fd = -1;
        ok = ok && reading_open(run, &readings[i], (uint32_t)(i % options->partitions), 1);
        if (ok) {
            fetch_send(run, &readings[i]);
            ok = peer_flush(&readings[i].peer);
        }
    }
    const uint64_t warm_ns = usage_now_ns() + options->warm_up_seconds * 1000000000u;
    while (ok && usage_now_ns() < warm_ns) {
        ok = readings_turn(run);
    }
    ok = ok && !run->report->verify_failed;
    figures_restart(run);
    const uint64_t end_ns = usage_now_ns() + options->seconds * 1000000000u;
    while (ok && usage_now_ns() < end_ns && !run->report->verify_failed) {
        ok = readings_turn(run);
    }
    usage_read(&run->report->after, options);
    for (uint32_t i = 0; readings != NULL && i < options->connections; i++) {
        if (readings[i].peer.requests != NULL) {
            peer_close(&readings[i].peer);
        }
    }
    free(readings);
    return ok;
}
