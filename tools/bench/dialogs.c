#include "tools/bench/dialogs.h"

#include <stdlib.h>

#include "dataplane/kafka/errors.h"

enum { EVENTS_MAX = 256, DRAIN_MS_MAX = 30000 };

bool dialogs_open(struct dialogs *dialogs, uint32_t answer_bytes_max)
{
    const struct bench_options *options = dialogs->run->options;
    dialogs->peers = calloc(options->connections, sizeof(*dialogs->peers));
    for (uint64_t i = 0; dialogs->peers != NULL && i < options->connections; i++) {
        if (!peer_open(&dialogs->peers[i], options->bootstrap, (uint32_t)options->in_flight,
                       answer_bytes_max)) {
            return false;
        }
    }
    return dialogs->peers != NULL;
}

void dialogs_close(struct dialogs *dialogs)
{
    for (uint64_t i = 0; dialogs->peers != NULL && i < dialogs->run->options->connections; i++) {
        if (dialogs->peers[i].requests != NULL) {
            peer_close(&dialogs->peers[i]);
        }
    }
    free(dialogs->peers);
    dialogs->peers = NULL;
}

void dialogs_count(struct dialogs *dialogs, uint64_t begun_ns)
{
    struct report *report = dialogs->run->report;
    if (dialogs->measuring) {
        histogram_record(&report->latency_ns, usage_now_ns() - begun_ns);
        report->requests++;
    }
}

bool dialogs_coordinator_comes(int16_t error_code)
{
    return error_code == ERROR_COORDINATOR_LOAD_IN_PROGRESS ||
           error_code == ERROR_COORDINATOR_NOT_AVAILABLE || error_code == ERROR_NOT_COORDINATOR;
}

bool dialogs_failed(const char *what, int16_t error_code)
{
    (void)fprintf(stderr, "bench: %s failed: %s\n", what, error_name(error_code));
    return false;
}

/* *open: so many requests have no answer yet. */
static bool send_all(struct dialogs *dialogs, uint64_t *open)
{
    *open = 0;
    for (uint32_t i = 0; i < dialogs->run->options->connections; i++) {
        struct peer *peer = &dialogs->peers[i];
        while (peer_has_room(peer) && dialogs->next(dialogs, i)) {
        }
        if (!peer_flush(peer)) {
            (void)fprintf(stderr, "bench: the broker closed a connection\n");
            return false;
        }
        *open += peer->begun - peer->answered;
    }
    return true;
}

static bool take_all(struct dialogs *dialogs)
{
    struct peer *ready[EVENTS_MAX];
    const uint32_t count = peers_wait(ready, EVENTS_MAX, 1);
    for (uint32_t i = 0; i < count; i++) {
        struct bytes frame;
        struct peer_request *request = NULL;
        if (!peer_receive(ready[i])) {
            (void)fprintf(stderr, "bench: the broker closed a connection\n");
            return false;
        }
        while (peer_next_answer(ready[i], &frame, &request)) {
            if (!dialogs->answer(dialogs, (uint32_t)(ready[i] - dialogs->peers), request, frame)) {
                return false;
            }
        }
    }
    return true;
}

/* However slow the machine is, something is counted while something is under way. */
static bool measured_enough(const struct dialogs *dialogs, uint64_t now_ns, uint64_t end_ns,
                            uint64_t open)
{
    return now_ns >= end_ns && (dialogs->run->report->requests > 0 || open == 0 ||
                                now_ns > end_ns + DRAIN_MS_MAX * 1000000ull);
}

bool dialogs_run(struct dialogs *dialogs)
{
    const struct bench_options *options = dialogs->run->options;
    uint64_t begin_ns = usage_now_ns() + options->warm_up_seconds * 1000000000u;
    uint64_t end_ns = UINT64_MAX;
    uint64_t open = UINT64_MAX; /* Before the first look. */
    do {
        const uint64_t now_ns = usage_now_ns();
        if (!dialogs->measuring && !dialogs->stopping && !dialogs->warming && now_ns >= begin_ns) {
            dialogs->measuring = true;
            usage_read(&dialogs->run->report->before, options);
            end_ns = now_ns + options->seconds * 1000000000u;
        }
        if (dialogs->measuring && measured_enough(dialogs, now_ns, end_ns, open)) {
            end_ns = now_ns;
            dialogs->measuring = false;
            dialogs->stopping = true;
            usage_read(&dialogs->run->report->after, options);
        }
        if (dialogs->stopping && now_ns > end_ns + DRAIN_MS_MAX * 1000000ull) {
            (void)fprintf(stderr, "bench: %d s after the end requests are still without answer\n",
                          DRAIN_MS_MAX / 1000);
            return false;
        }
        if (!send_all(dialogs, &open) || !take_all(dialogs)) {
            return false;
        }
    } while (!dialogs->stopping || open > 0);
    return true;
}
