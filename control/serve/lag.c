#include "control/serve/lag.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/control_state.h"

enum {
    CALLS_AT_ONCE = 32, /* Of SLOW_CALLS_MAX, so that appends need not wait. */
    WALKED_PER_TURN = 256,
};

#define NS_OF_S 1000000000ULL

enum phase {
    PHASE_WAIT,
    PHASE_TOPICS, /* Where partitions end. */
    PHASE_GROUPS, /* What is committed. */
};

struct lag_call {
    struct call call;
    struct lag *lag;
    uint32_t position;
    bool out;
};

struct lag {
    struct control *control;
    enum phase phase;
    uint64_t begin_at_ns;
    struct lag_report *building;
    struct lag_report *newest; /* NULL: none yet. */
    bool taken;
    /* PHASE_TOPICS: the last one of the report is asked about. */
    bool topics_told;
    uint32_t partition; /* The next of that topic. */
    uint32_t calls_out;
    struct lag_call calls[CALLS_AT_ONCE];
    /* PHASE_GROUPS */
    uint32_t seat;
    bool seat_begun;
    bool group_told;
};

struct lag *lag_create(struct control *control)
{
    struct lag *lag = calloc(1, sizeof(*lag));
    if (lag != NULL) {
        lag->control = control;
    }
    return lag;
}

void lag_over(struct lag *lag)
{
    if (lag->building != NULL) {
        lag_report_release(lag->building);
        lag->building = NULL;
    }
    memset(lag->calls, 0, sizeof(lag->calls));
    lag->calls_out = 0;
    lag->phase = PHASE_WAIT;
}

void lag_destroy(struct lag *lag)
{
    lag_over(lag);
    if (lag->newest != NULL) {
        lag_report_release(lag->newest);
    }
    free(lag);
}

struct lag_report *lag_take(struct lag *lag)
{
    if (lag->taken || lag->newest == NULL) {
        return NULL;
    }
    lag->taken = true;
    lag_report_hold(lag->newest);
    return lag->newest;
}

static uint64_t interval_ns(const struct lag *lag)
{
    const struct control_setup *setup = &lag->control->setup;
    return setup->looks_at_lag ? setup->settings->metrics_interval_seconds * NS_OF_S : 0;
}

static void address_tell(const struct control *control, struct lag_report *report)
{
    const struct settings *settings = control->setup.settings;
    const bool advertised = settings->network_advertised.host[0] != '\0';
    struct host_port told = advertised ? settings->network_advertised : settings->network_listen;
    const bool any =
        told.host[0] == '\0' || strcmp(told.host, "0.0.0.0") == 0 || strcmp(told.host, "::") == 0;
    if (!any) {
        if (!advertised || told.port == 0) {
            told.port = peer_hello(control->peer)->listen.port;
        }
        char text[268];
        (void)snprintf(report->address, sizeof(report->address), "%s",
                       host_port_format(&told, text));
    }
}

/* ---- Where partitions end ------------------------------------------------------------------- */

static void begin(struct lag *lag)
{
    const struct control *control = lag->control;
    const struct settings *settings = control->setup.settings;
    const uint32_t partitions = control->store.image.partition_count;
    const struct lag_limits limits = {
        .partitions_max = min_u32((uint32_t)settings->metrics_partitions_max, partitions),
        .rows_max = (uint32_t)settings->metrics_group_rows_max};
    lag->begin_at_ns = control->now_ns + interval_ns(lag);
    lag->building = lag_report_new(&limits, control->now_ns, control->wall_ms);
    if (lag->building != NULL) {
        lag->building->node_id = control->store.image.node_id;
        address_tell(control, lag->building);
        lag->phase = PHASE_TOPICS;
        lag->topics_told = false;
        lag->partition = 0;
    }
}

static void position_done(struct call *call)
{
    struct lag_call *mine = call->owner;
    struct lag *lag = mine->lag;
    mine->out = false;
    lag->calls_out--;
    if (call->error_code == ERROR_NONE) {
        lag_report_position(lag->building, mine->position, call->base_offset, call->end_offset);
    }
}

static void position_ask(struct lag *lag, const struct partition_id *id, uint32_t position)
{
    struct lag_call *free_call = lag->calls;
    while (free_call->out) {
        free_call++;
    }
    lag->calls_out++;
    *free_call = (struct lag_call){.call = {.kind = CALL_BOUNDS,
                                            .id = *id,
                                            .leader_epoch = -1,
                                            .done = position_done,
                                            .owner = free_call},
                                   .lag = lag,
                                   .position = position,
                                   .out = true};
    call_start(lag->control->calls, &free_call->call);
}

/* Another one into the report; false: that was the last. */
static bool topic_begin(struct lag *lag)
{
    struct lag_report *report = lag->building;
    const struct image *image = &lag->control->store.image;
    uint32_t at = 0;
    if (report->topic_count > 0) {
        const struct bytes name = report->topics[report->topic_count - 1].name;
        at = image_topic_position(image, name);
        at += at < image->topic_count && bytes_equal(image->topics[at]->name, name);
    }
    for (; at < image->topic_count; at++) {
        const struct image_topic *topic = image->topics[at];
        lag->partition = 0;
        if (lag_report_topic(report, topic->name, &topic->id, topic->partition_count) != LAG_NONE) {
            return true;
        }
    }
    return false;
}

static uint32_t topics_ask(struct lag *lag)
{
    const struct lag_report *report = lag->building;
    uint32_t work = 0;
    while (lag->calls_out < CALLS_AT_ONCE && work < WALKED_PER_TURN && !lag->topics_told) {
        const struct lag_topic *topic =
            report->topic_count == 0 ? NULL : &report->topics[report->topic_count - 1];
        work++;
        if (topic == NULL || lag->partition == topic->count) {
            lag->topics_told = !topic_begin(lag);
            continue;
        }
        const struct partition_id id = {topic->id, lag->partition};
        position_ask(lag, &id, topic->first + lag->partition++);
    }
    if (lag->topics_told && lag->calls_out == 0) {
        lag->phase = PHASE_GROUPS;
        lag->seat = 0;
        lag->seat_begun = false;
    }
    return work;
}

/* ---- What is committed ---------------------------------------------------------------------- */

static void seen_take(struct lag *lag, const struct group_seen *seen)
{
    if (seen->topic.ptr == NULL) {
        lag->group_told = lag_report_group(lag->building, seen->group, seen->state, seen->members);
    } else if (lag->group_told) {
        lag_report_row(lag->building, lag->newest, seen->topic, seen->partition, seen->committed);
    } else {
        lag->building->rows_omitted++;
    }
}

static void finish(struct lag *lag)
{
    lag->building->took_ns = lag->control->now_ns - lag->building->at_ns;
    if (lag->newest != NULL) {
        lag_report_release(lag->newest);
    }
    lag->newest = lag->building;
    lag->building = NULL;
    lag->taken = false;
    lag->phase = PHASE_WAIT;
}

static uint32_t groups_walk(struct lag *lag)
{
    struct groups *groups = lag->control->groups;
    uint32_t work = 0;
    while (work < WALKED_PER_TURN && lag->seat < groups_seat_count(groups)) {
        struct group_seat *seat = groups_seat(groups, lag->seat);
        struct group_seen seen;
        const bool ready = seat->ledger.state == LEDGER_READY;
        if (ready && !lag->seat_begun) {
            group_look_begin(seat->coordinator);
            lag->seat_begun = true;
        }
        work++;
        if (ready && group_look_next(seat->coordinator, &seen)) {
            seen_take(lag, &seen);
        } else {
            lag->seat++;
            lag->seat_begun = false;
            lag->group_told = false;
        }
    }
    if (lag->seat >= groups_seat_count(groups)) {
        finish(lag);
    }
    return work;
}

/* ---- The turn ------------------------------------------------------------------------------- */

uint32_t lag_turn(struct lag *lag)
{
    const struct control *control = lag->control;
    if (interval_ns(lag) == 0) {
        return 0;
    }
    if (lag->phase == PHASE_WAIT && control->phase == CONTROL_READY &&
        control->now_ns >= lag->begin_at_ns) {
        begin(lag);
    }
    switch (lag->phase) {
    case PHASE_WAIT: return 0;
    case PHASE_TOPICS: return topics_ask(lag);
    case PHASE_GROUPS: return groups_walk(lag);
    }
    return 0;
}

uint64_t lag_deadline_ns(const struct lag *lag)
{
    if (interval_ns(lag) == 0 || lag->control->phase != CONTROL_READY) {
        return UINT64_MAX;
    }
    switch (lag->phase) {
    case PHASE_WAIT: return lag->begin_at_ns;
    case PHASE_TOPICS:
        return lag->calls_out == CALLS_AT_ONCE || (lag->topics_told && lag->calls_out > 0)
                   ? UINT64_MAX
                   : 0;
    case PHASE_GROUPS: return 0;
    }
    return UINT64_MAX;
}
