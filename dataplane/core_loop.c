#include "dataplane/core_loop.h"

#include <time.h>

#include "dataplane/limits.h"

static const uint64_t MS_NS = 1000 * 1000;

/* ---- The phases of a turn. Each has a budget and returns the work done. ---------------------- */

/* What the service thread wants: a new snapshot, the next stage of life. */
static NOINLINE uint32_t turn_orders(struct core *core);

/* turn_port looks what is there. */
static void port_told(struct core *core, const struct ring_op *op)
{
    if (op == &core->port_op) {
        core->port_watched = false;
        statistic_add(core->statistics, STATISTIC_port_wakeups, 1);
    }
}

/* Completions of disks and sockets. Disk operations are only collected; what sockets bring goes to
 * the broker, which only queues it. */
static NOINLINE uint32_t turn_events(struct core *core)
{
    struct ring_event event;
    uint32_t work = 0;
    while (work < TURN_EVENTS_MAX && ring_next_event(core->ring, &event)) {
        switch ((enum ring_owner)event.op->owner) {
        case RING_OWNER_DISK: disk_complete(core->disk, &event, core->now_ns); break;
        case RING_OWNER_SOCKET: sock_complete(core->sock, &event, core->now_ns); break;
        case RING_OWNER_LOOP:
            if (event.op != &core->bell_op) {
                port_told(core, event.op);
                break;
            }
            link_bell_clear(core->world, core->bell);
            if ((event.flags & RING_MORE) == 0) {
                ring_poll_multishot(core->ring, &core->bell_op, core->bell);
            }
            break;
        }
        work++;
    }
    return work;
}

/* Frames from the port -> TCP -> the broker, which only queues it. */
static NOINLINE uint32_t turn_port(struct core *core)
{
    return core->stack == NULL ? 0 : stack_receive_turn(core->stack, TURN_PORT_MAX, core->now_ns);
}

/* Finished writes and reads -> acknowledgements and fetched data. */
static NOINLINE uint32_t turn_log(struct core *core)
{
    uint32_t work = disk_advance(core->disk, core->now_ns);
    work += log_done_turn(core->log, core->now_ns, core->wall_ms, TURN_LOG_MAX);
    work += broker_log_turn(core->broker, TURN_LOG_MAX);
    return work;
}

/* Requests of other cores' connections for our partitions, and their answers to ours. */
static NOINLINE uint32_t turn_mail(struct core *core)
{
    return broker_mail_turn(core->broker, TURN_MAIL_MAX);
}

/* Frames -> handlers. */
static NOINLINE uint32_t turn_frames(struct core *core)
{
    return broker_frame_turn(core->broker, TURN_FRAMES_MAX);
}

/* Answers of the control process. */
static NOINLINE uint32_t turn_slow(struct core *core)
{
    return broker_slow_turn(core->broker, TURN_SLOW_MAX);
}

/* Parked fetches, idle connections, retention, checkpoints. */
static NOINLINE uint32_t turn_timers(struct core *core)
{
    uint32_t work = broker_timer_turn(core->broker, TURN_TIMERS_MAX);
    work += log_timer_turn(core->log, core->now_ns, core->wall_ms);
    return work;
}

/* One gathered write per partition for everything appended this turn. The kernel hands writes to
 * the device at the end of a call, and sends take their time: they do not share one. */
static NOINLINE uint32_t turn_commit(struct core *core)
{
    const uint32_t work = log_submit_turn(core->log, core->now_ns);
    ring_hand_over(core->ring);
    return work;
}

/* One gathered send per connection for everything answered this turn. */
static NOINLINE uint32_t turn_send(struct core *core)
{
    uint32_t work = broker_send_turn(core->broker);
    if (core->stack != NULL) {
        work += stack_send_turn(core->stack, TURN_PORT_MAX, core->now_ns);
    } else {
        work += sock_turn(core->sock, core->now_ns);
    }
    return work;
}

static void attention(struct core *core)
{
    if (mail_wake_take(core->mailbox)) {
        ring_wake(core->ring);
    }
}

/* Mail of this turn goes out; cores that sleep are woken, once each. */
static NOINLINE uint32_t turn_mail_out(struct core *core)
{
    for (uint64_t sleepers = mail_flush(core->mailbox); sleepers != 0; sleepers &= sleepers - 1) {
        ring_wake(core->cores[__builtin_ctzll(sleepers)]->ring);
    }
    uint64_t given = core->stack == NULL ? 0 : stack_given(core->stack); /* Frames of theirs. */
    for (; given != 0; given &= given - 1) {
        attention(core->cores[__builtin_ctzll(given)]);
    }
    return 0;
}

static bool doze_goes_on(struct core *core);
static void doze_begin(struct core *core);

/* ---- THE LOOP ------------------------------------------------------------------------------- */

uint32_t core_turn(struct core *core, uint64_t now_ns, int64_t wall_ms)
{
    core->now_ns = now_ns; /* One turn sees one instant. */
    core->wall_ms = wall_ms;
    if (core->nic != NULL && core->nic->capture != NULL) {
        core->nic->capture->now_ns = now_ns;
    }
    if (core->doze_until_ns != 0 && doze_goes_on(core)) {
        return 0; /* Most turns of a core that polls. */
    }
    uint32_t work = 0;

    journal_time(core->journal, now_ns, wall_ms);
    broker_turn_begin(core->broker, now_ns, wall_ms);
    work += turn_orders(core);
    work += turn_events(core); /* First: completions free room. */
    work += turn_port(core);
    work += turn_log(core);
    work += turn_mail(core);
    work += turn_frames(core);
    work += turn_slow(core);
    work += turn_timers(core);
    work += turn_commit(core);
    work += turn_send(core);
    work += turn_mail_out(core);
    (void)ring_submit(core->ring); /* One system call for what else the turn queued. */
    channel_flush(core->channel);  /* Control is woken for all of the turn. */
    if (work == 0 && core->idle != CORE_IDLE_ECO) {
        doze_begin(core);
    }
    return work;
}

/* THE CLOCK READ: the only one of a core, once a turn. */
static void clock_read(uint64_t *now_ns, int64_t *wall_ms)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    *now_ns = (uint64_t)now.tv_sec * 1000 * MS_NS + (uint64_t)now.tv_nsec;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *wall_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / (1000 * 1000);
}

static void turn_measure(struct core *core, uint64_t now_ns);
static void core_rest(struct core *core, uint32_t work);

void core_run(void *argument)
{
    struct core *core = argument;
    uint64_t now_ns;
    int64_t wall_ms;

    ASSERT(ring_start(core->ring) == 0);
    core->bell_op = (struct ring_op){.owner = RING_OWNER_LOOP};
    ring_poll_multishot(core->ring, &core->bell_op, core->bell);
    atomic_store_explicit(&core->stage, CORE_RUNNING, memory_order_release);
    do {
        clock_read(&now_ns, &wall_ms);
        turn_measure(core, now_ns);
        core_rest(core, core_turn(core, now_ns, wall_ms));
    } while (core_stage_reached(core) != CORE_ENDED);
}

/* ---- Rest: poll, pause, sleep --------------------------------------------------------------- */

static uint64_t next_deadline_ns(const struct core *core)
{
    uint64_t deadline_ns = core->now_ns + SLEEP_MS_MAX * MS_NS;
    deadline_ns = min_u64(deadline_ns, broker_next_deadline_ns(core->broker));
    deadline_ns = min_u64(deadline_ns, log_next_deadline_ns(core->log));
    deadline_ns = min_u64(deadline_ns, disk_next_deadline_ns(core->disk));
    return min_u64(deadline_ns, core->stack != NULL ? stack_next_deadline_ns(core->stack)
                                                    : sock_next_deadline_ns(core->sock));
}

static bool watch_waiting(const struct core *core);

static bool orders_waiting(const struct core *core)
{
    return atomic_load_explicit(&core->snapshot_offered, memory_order_acquire) != core->snapshot ||
           atomic_load_explicit(&core->stage_wanted, memory_order_acquire) >
               atomic_load_explicit(&core->stage, memory_order_relaxed) ||
           watch_waiting(core);
}

static void statistics_publish(struct core *core);

/* A device's interrupt speaks of frames that come after it was asked for. False: some have come. */
static bool port_arm(struct core *core)
{
    if (core->stack == NULL) {
        return true;
    }
    struct nic *nic = core->nic;
    core->port_tells = nic->capabilities.wake_fd >= 0;
    if (!core->port_tells || nic->ops->arm == NULL) {
        return true;
    }
    core->port_tells = nic->ops->arm(nic);
    return !stack_look(core->stack);
}

static void port_disarm(struct core *core)
{
    if (core->stack != NULL && core->nic->capabilities.wake_fd >= 0 &&
        core->nic->ops->disarm != NULL) {
        core->nic->ops->disarm(core->nic);
    }
}

/* Has a frame that arrives end the sleep. A port that cannot is asked again soon: the sooner, the
 * later the last one came. Returns how long the sleep may last. */
static uint64_t port_watch(struct core *core, uint64_t sleep_ns)
{
    if (core->stack == NULL || core->nic->capabilities.silent) {
        return sleep_ns;
    }
    if (!core->port_tells) {
        const uint64_t nap_ns = (core->now_ns - core->idle_since_ns) / 16;
        return min_u64(sleep_ns, min_u64(max_u64(nap_ns, PORT_NAP_US_MIN * UINT64_C(1000)),
                                         PORT_NAP_US_MAX * UINT64_C(1000)));
    }
    if (!core->port_watched) {
        core->port_watched = true;
        core->port_op = (struct ring_op){.owner = RING_OWNER_LOOP};
        ring_poll_once(core->ring, &core->port_op, core->nic->capabilities.wake_fd);
    }
    return sleep_ns;
}

/* A core that polls and has found nothing to do looks, until its next deadline, only where news
 * come from: whoever would wake it, had it gone to sleep, finds it saying that it sleeps, and a
 * wake-up is then a word in memory. */
static NOINLINE void doze_begin(struct core *core)
{
    const uint64_t deadline_ns = next_deadline_ns(core);
    if (deadline_ns > core->now_ns && mail_sleep_begin(core->mailbox) &&
        (core->stack == NULL || stack_quiet(core->stack)) && !orders_waiting(core)) {
        core->doze_until_ns = deadline_ns;
    } else {
        mail_sleep_end(core->mailbox);
    }
}

static NOINLINE void doze_end(struct core *core)
{
    core->doze_until_ns = 0;
    mail_sleep_end(core->mailbox);
}

static NOINLINE bool doze_goes_on(struct core *core)
{
    if (LIKELY(core->now_ns < core->doze_until_ns && ring_quiet(core->ring) &&
               channel_quiet(core->channel) && (core->stack == NULL || !stack_look(core->stack)))) {
        return true;
    }
    doze_end(core);
    return false;
}

/* Sleeps until something comes in or the next deadline. Whoever wants this core's attention first
 * leaves what it has and then looks whether the core sleeps; the core says that it sleeps and then
 * looks at everything once more: nothing is missed. */
static NOINLINE void core_sleep(struct core *core)
{
    if (core->doze_until_ns != 0) {
        doze_end(core);
    }
    const uint64_t deadline_ns = next_deadline_ns(core);
    if (deadline_ns <= core->now_ns) {
        return;
    }
    statistics_publish(core);
    const bool mail_quiet = mail_sleep_begin(core->mailbox);
    const bool channel_quiet = channel_sleep(core->channel);
    const bool stack_has_all = core->stack == NULL || stack_quiet(core->stack);
    if (mail_quiet && channel_quiet && stack_has_all && !orders_waiting(core)) {
        if (port_arm(core)) {
            statistic_add(core->statistics, STATISTIC_sleeps, 1);
            (void)ring_wait(core->ring, port_watch(core, deadline_ns - core->now_ns));
        }
        port_disarm(core);
    }
    channel_wake(core->channel);
    mail_sleep_end(core->mailbox);
}

/* A spell without work has ended. Polling pays where the next work mostly comes soon; where it does
 * not, it only uses CPU before the sleep that comes anyway. */
static void poll_adapt(struct core *core)
{
    if (core->now_ns - core->idle_since_ns < IDLE_POLL_US * UINT64_C(1000)) {
        core->poll_ns = max_u64(2 * core->poll_ns, IDLE_POLL_LEAST_US * UINT64_C(1000));
        core->poll_ns = min_u64(core->poll_ns, IDLE_POLL_US * UINT64_C(1000));
    } else {
        core->poll_ns /= 2;
    }
}

bool core_polls(const struct core *core)
{
    const uint64_t idle_ns = core->now_ns - core->idle_since_ns;
    if (core->idle != CORE_IDLE_BALANCED) {
        return core->idle == CORE_IDLE_LATENCY;
    }
    return idle_ns < core->poll_ns ||
           (idle_ns < IDLE_POLL_APPENDS_US * UINT64_C(1000) &&
            log_counters(core->log)->appends_waiting >= IDLE_POLL_APPENDS);
}

static void core_rest(struct core *core, uint32_t work)
{
    core->turn_began_ns = work > 0 ? core->now_ns : 0;
    if (work > 0) {
        if (core->idle_since_ns != 0) {
            poll_adapt(core);
        }
        core->idle_since_ns = 0;
        return;
    }
    if (core->idle_since_ns == 0) {
        core->idle_since_ns = core->now_ns;
    }
    if (core_polls(core)) {
        __builtin_ia32_pause();
        return;
    }
    core_sleep(core);
}

/* ---- Orders --------------------------------------------------------------------------------- */

static bool snapshot_turn(struct core *core)
{
    const struct snapshot *offered =
        atomic_load_explicit(&core->snapshot_offered, memory_order_acquire);
    bool work = false;
    if (offered != core->snapshot) {
        core->snapshot_before = core->snapshot;
        core->snapshot = offered;
        broker_set_snapshot(core->broker, offered);
        if (core->sock != NULL) {
            sock_accept_anew(core->sock);
        }
        work = true;
    }
    if (atomic_load_explicit(&core->snapshot_done, memory_order_relaxed) != core->snapshot &&
        broker_applied_snapshot(core->broker) == core->snapshot &&
        (core->snapshot_before == NULL ||
         !broker_uses_snapshot(core->broker, core->snapshot_before))) {
        core->snapshot_before = NULL;
        core->failure_count = apply_failures(core->snapshot, core->log, core->index,
                                             core->core_count, core->failures, CORE_FAILURES_MAX);
        atomic_store_explicit(&core->snapshot_done, core->snapshot, memory_order_release);
        statistic_set(core->statistics, STATISTIC_snapshot_version, core->snapshot->version);
        link_bell_ring(core->world, core->service_bell);
        work = true;
    }
    return work;
}

static void stage_report(struct core *core, enum core_stage stage)
{
    atomic_store_explicit(&core->stage, stage, memory_order_release);
    link_bell_ring(core->world, core->service_bell);
}

static void listening_start(struct core *core)
{
    if (core->stack != NULL) {
        const bool room = stack_listen(core->stack, 0, (uint16_t)core->listener);
        ASSERT(room); /* It is the only one. */
    } else {
        sock_listen(core->sock, 0, core->listener);
    }
    core->listener = -1;
}

static void listening_stop(struct core *core)
{
    if (core->stack != NULL) {
        stack_stop_listening(core->stack);
    } else {
        sock_stop_listening(core->sock);
    }
}

static bool connections_over(const struct core *core)
{
    if (core->stack != NULL) {
        return stack_counters(core->stack)->open == 0;
    }
    return sock_stopped_listening(core->sock) && sock_counters(core->sock)->open == 0;
}

/* The ring holds the port's descriptor as long as it watches it, and lets go of it only some time
 * after the process: a tap would be there for that long. True when it has let go. */
static bool port_unwatch(struct core *core)
{
    if (core->port_watched && core->port_cancel_op.owner != RING_OWNER_LOOP) {
        core->port_cancel_op = (struct ring_op){.owner = RING_OWNER_LOOP};
        ring_cancel(core->ring, &core->port_cancel_op, &core->port_op);
    }
    return !core->port_watched;
}

/* Goes through the stages as they are ordered; each is reported once it is complete. */
static bool stage_turn(struct core *core, enum core_stage wanted)
{
    switch (core_stage_reached(core)) {
    case CORE_RUNNING:
        if (!core->draining) {
            core->draining = true;
            listening_stop(core);
            broker_stop(core->broker);
        }
        if (broker_stopped(core->broker) && connections_over(core)) {
            stage_report(core, CORE_DRAINING);
            return true;
        }
        return false;
    case CORE_DRAINING:
        if (wanted < CORE_FINISHING) {
            return false;
        }
        broker_finish_log(core->broker);
        stage_report(core, CORE_FINISHING);
        return true;
    case CORE_FINISHING:
        if (wanted < CORE_ENDED || broker_log_finished(core->broker) == LOG_PENDING ||
            !port_unwatch(core)) {
            return false;
        }
        atomic_store_explicit(&core->finish_status, broker_log_finished(core->broker),
                              memory_order_relaxed);
        statistics_publish(core);
        stage_report(core, CORE_ENDED);
        return true;
    case CORE_STARTING:
    case CORE_ENDED: break;
    }
    return false;
}

static bool watch_waiting(const struct core *core)
{
    return atomic_load_explicit(&core->survey_wanted, memory_order_acquire) !=
               atomic_load_explicit(&core->survey_done, memory_order_relaxed) ||
           atomic_load_explicit(&core->capture_wanted, memory_order_acquire) !=
               atomic_load_explicit(&core->capture_used, memory_order_relaxed);
}

/* Whoever looks at the port is served a little in each turn. */
static NOINLINE void watch_turn(struct core *core)
{
    struct survey *survey = atomic_load_explicit(&core->survey_wanted, memory_order_acquire);
    struct capture *wanted = atomic_load_explicit(&core->capture_wanted, memory_order_acquire);
    struct capture *used = atomic_load_explicit(&core->capture_used, memory_order_relaxed);
    if (survey != atomic_load_explicit(&core->survey_done, memory_order_relaxed) &&
        (survey == NULL || survey_turn(survey, core->stack))) {
        atomic_store_explicit(&core->survey_done, survey, memory_order_release);
        link_bell_ring(core->world, core->watch_bell);
    }
    if (wanted == used) {
        return;
    }
    if (used != NULL) {
        capture_detach(used, core->nic);
    }
    if (wanted != NULL) {
        wanted->now_ns = core->now_ns;
        capture_attach(wanted, core->nic);
    }
    atomic_store_explicit(&core->capture_used, wanted, memory_order_release);
    link_bell_ring(core->world, core->watch_bell);
}

static uint32_t turn_orders(struct core *core)
{
    uint32_t work = 0;
    channel_turn(core->channel);
    work += snapshot_turn(core);
    if (watch_waiting(core)) {
        watch_turn(core);
        work++;
    }
    if (core->listener >= 0 && core->snapshot != NULL) { /* Nothing to serve before. */
        listening_start(core);
    }
    const uint32_t wanted = atomic_load_explicit(&core->stage_wanted, memory_order_acquire);
    if (wanted > CORE_RUNNING) {
        work += stage_turn(core, (enum core_stage)wanted);
    }
    return work;
}

void core_poke(struct core *core)
{
    attention(core);
}

void core_offer_snapshot(struct core *core, const struct snapshot *snapshot)
{
    atomic_store_explicit(&core->snapshot_offered, snapshot, memory_order_release);
    attention(core);
}

bool core_snapshot_done(const struct core *core, const struct snapshot *snapshot)
{
    return atomic_load_explicit(&core->snapshot_done, memory_order_acquire) == snapshot;
}

void core_ask_survey(struct core *core, struct survey *survey)
{
    ASSERT(core->stack != NULL);
    atomic_store_explicit(&core->survey_wanted, survey, memory_order_release);
    attention(core);
}

bool core_survey_done(const struct core *core, const struct survey *survey)
{
    return atomic_load_explicit(&core->survey_done, memory_order_acquire) == survey;
}

void core_order_capture(struct core *core, struct capture *capture)
{
    ASSERT(core->stack != NULL);
    atomic_store_explicit(&core->capture_wanted, capture, memory_order_release);
    attention(core);
}

const struct capture *core_capture_used(const struct core *core)
{
    return atomic_load_explicit(&core->capture_used, memory_order_acquire);
}

void core_order_stage(struct core *core, enum core_stage stage)
{
    atomic_store_explicit(&core->stage_wanted, stage, memory_order_release);
    attention(core);
}

enum core_stage core_stage_reached(const struct core *core)
{
    return (enum core_stage)atomic_load_explicit(&core->stage, memory_order_acquire);
}

/* ---- Counting ------------------------------------------------------------------------------- */

static void statistics_of_sock(struct core_statistics *to, const struct sock_counters *from)
{
    statistic_set(to, STATISTIC_sockets, from->open);
    statistic_set(to, STATISTIC_sockets_accepted, from->accepted);
    statistic_set(to, STATISTIC_sockets_refused, from->refused);
    statistic_set(to, STATISTIC_sockets_timed_out, from->timed_out);
    statistic_set(to, STATISTIC_sockets_reset, from->reset);
    statistic_set(to, STATISTIC_accept_paused, from->accept_paused);
    statistic_set(to, STATISTIC_received_bytes, from->received_bytes);
    statistic_set(to, STATISTIC_sent_bytes, from->sent_bytes);
    statistic_set(to, STATISTIC_receives, from->receives);
    statistic_set(to, STATISTIC_sends, from->sends);
    statistic_set(to, STATISTIC_receive_starved, from->starved);
}

static void statistics_of_port(struct core_statistics *to, const struct nic_counters *from)
{
    statistic_set(to, STATISTIC_port_in_frames, from->in_frames);
    statistic_set(to, STATISTIC_port_in_bytes, from->in_bytes);
    statistic_set(to, STATISTIC_port_in_dropped, from->in_dropped);
    statistic_set(to, STATISTIC_port_in_other_vlan, from->in_other_vlan);
    statistic_set(to, STATISTIC_port_out_frames, from->out_frames);
    statistic_set(to, STATISTIC_port_out_bytes, from->out_bytes);
    statistic_set(to, STATISTIC_port_out_copied_bytes, from->out_copied_bytes);
    statistic_set(to, STATISTIC_port_out_full, from->out_full);
    statistic_set(to, STATISTIC_port_out_refused, from->out_refused);
}

struct statistic_source {
    enum statistic to;
    uint32_t from;
};

static void statistics_of_tcp(struct core_statistics *to, const struct tcp *tcp)
{
    static const struct statistic_source of_tcp[] = {
        {STATISTIC_tcp_in_segments, TCP_IN_SEGMENTS},
        {STATISTIC_tcp_in_fast, TCP_IN_FAST},
        {STATISTIC_tcp_in_bad_header, TCP_IN_BAD_HEADER},
        {STATISTIC_tcp_in_no_flow, TCP_IN_NO_FLOW},
        {STATISTIC_tcp_in_out_of_window, TCP_IN_OUT_OF_WINDOW},
        {STATISTIC_tcp_in_paws, TCP_IN_PAWS},
        {STATISTIC_tcp_in_bad_ack, TCP_IN_BAD_ACK},
        {STATISTIC_tcp_in_duplicates, TCP_IN_DUPLICATE},
        {STATISTIC_tcp_in_out_of_order, TCP_IN_OUT_OF_ORDER},
        {STATISTIC_tcp_in_no_memory, TCP_IN_NO_PIECE},
        {STATISTIC_tcp_in_resets, TCP_IN_RST},
        {STATISTIC_tcp_out_segments, TCP_OUT_SEGMENTS},
        {STATISTIC_tcp_out_resets, TCP_OUT_RST},
        {STATISTIC_tcp_out_challenge_acks, TCP_OUT_CHALLENGE},
        {STATISTIC_tcp_out_limited, TCP_OUT_LIMITED},
        {STATISTIC_tcp_retransmits, TCP_OUT_RETRANSMITS},
        {STATISTIC_tcp_retransmit_timeouts, TCP_RETRANSMIT_TIMEOUTS},
        {STATISTIC_tcp_tail_probes, TCP_TAIL_PROBES},
        {STATISTIC_tcp_fast_recoveries, TCP_FAST_RECOVERIES},
        {STATISTIC_tcp_undone, TCP_UNDONE},
        {STATISTIC_tcp_timed_out, TCP_TIMEOUTS},
        {STATISTIC_tcp_mtu_reduced, TCP_MTU_REDUCED},
        {STATISTIC_tcp_in_marked, TCP_IN_MARKED},
        {STATISTIC_tcp_ecn_reduced, TCP_ECN_REDUCED},
        {STATISTIC_tcp_syn_dropped, TCP_SYN_DROPPED},
        {STATISTIC_tcp_syn_cookies_sent, TCP_COOKIES_SENT},
        {STATISTIC_tcp_syn_cookies_taken, TCP_COOKIES_TAKEN},
        {STATISTIC_tcp_syn_cookies_bad, TCP_COOKIES_BAD},
    };
    static const struct statistic_source of_states[] = {
        {STATISTIC_tcp_syn_sent, TCP_SYN_SENT},
        {STATISTIC_tcp_syn_received, TCP_SYN_RECEIVED},
        {STATISTIC_tcp_established, TCP_ESTABLISHED},
        {STATISTIC_tcp_fin_wait_1, TCP_FIN_WAIT_1},
        {STATISTIC_tcp_fin_wait_2, TCP_FIN_WAIT_2},
        {STATISTIC_tcp_close_wait, TCP_CLOSE_WAIT},
        {STATISTIC_tcp_closing, TCP_CLOSING},
        {STATISTIC_tcp_last_ack, TCP_LAST_ACK},
    };
    const uint64_t *counters = tcp_counters(tcp);
    const uint32_t *states = tcp_states(tcp);
    const struct tcp_usage usage = tcp_usage(tcp);
    for (size_t i = 0; i < ARRAY_SIZE(of_tcp); i++) {
        statistic_set(to, of_tcp[i].to, counters[of_tcp[i].from]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(of_states); i++) {
        statistic_set(to, of_states[i].to, states[of_states[i].from]);
    }
    statistic_set(to, STATISTIC_tcp_half_open, usage.half_open);
    statistic_set(to, STATISTIC_tcp_time_wait, usage.time_wait);
    statistic_set(to, STATISTIC_tcp_pinned_bytes, usage.pinned_bytes);
    statistic_set(to, STATISTIC_tcp_records, usage.records);
    statistic_set(to, STATISTIC_tcp_pieces, usage.pieces);
}

static void statistics_of_net(struct core_statistics *to, const uint64_t *from)
{
    statistic_set(to, STATISTIC_ip_in_bad_header,
                  from[NET_IN_SHORT] + from[NET_IN_BAD_HEADER] + from[NET_IN_BAD_OPTIONS] +
                      from[NET_IN_BAD_SOURCE]);
    statistic_set(to, STATISTIC_ip_in_bad_checksum, from[NET_IN_BAD_CHECKSUM]);
    statistic_set(to, STATISTIC_ip_in_truncated, from[NET_IN_TRUNCATED]);
    statistic_set(to, STATISTIC_ip_in_fragments, from[NET_IN_FRAGMENT]);
    statistic_set(to, STATISTIC_ip_in_other, from[NET_IN_PROTOCOL]);
    statistic_set(to, STATISTIC_ip_in_icmp, from[NET_IN_ICMP]);
    statistic_set(to, STATISTIC_ip_in_arp, from[NET_IN_ARP]);
    statistic_set(to, STATISTIC_ip_in_nd, from[NET_IN_ND]);
    statistic_set(to, STATISTIC_ip_out_unresolved, from[NET_OUT_UNRESOLVED]);
    statistic_set(to, STATISTIC_ip_out_no_frame, from[NET_OUT_NO_FRAME]);
    statistic_set(to, STATISTIC_ip_out_no_route, from[NET_OUT_NO_ROUTE]);
    statistic_set(to, STATISTIC_ip_address_conflicts, from[NET_CONFLICTS]);
    statistic_set(to, STATISTIC_tcp_in_bad_checksum, from[NET_IN_TCP_CHECKSUM]);
}

static void statistics_of_stack(struct core_statistics *to, const struct core *core)
{
    statistics_of_port(to, &core->nic->counters);
    statistics_of_tcp(to, stack_tcp(core->stack));
    statistics_of_net(to, tcp_net(stack_tcp(core->stack))->counters);
    const struct stack_counters *from = stack_counters(core->stack);
    statistic_set(to, STATISTIC_port_in_foreign, from->foreign);
    statistic_set(to, STATISTIC_sockets, from->open);
    statistic_set(to, STATISTIC_sockets_accepted, from->accepted);
    statistic_set(to, STATISTIC_sockets_refused, from->refused);
    statistic_set(to, STATISTIC_sockets_timed_out, from->timed_out);
    statistic_set(to, STATISTIC_sockets_reset, from->reset);
    statistic_set(to, STATISTIC_received_bytes, from->received_bytes);
    statistic_set(to, STATISTIC_sent_bytes, tcp_counters(stack_tcp(core->stack))[TCP_OUT_BYTES]);
    statistic_set(to, STATISTIC_receives, from->receives);
    statistic_set(to, STATISTIC_sends, from->sends);
    statistic_set(to, STATISTIC_receive_starved, core->nic->counters.in_dropped);
    statistic_set(to, STATISTIC_receive_buffers_free, stack_buffers_free(core->stack));
    const struct spread_counters *spread = stack_spread_counters(core->stack);
    if (spread != NULL) {
        statistic_set(to, STATISTIC_frames_given, spread->given_frames);
        statistic_set(to, STATISTIC_frames_taken, spread->taken_frames);
        statistic_set(to, STATISTIC_frames_given_dropped, spread->dropped);
    }
}

static void statistics_of_log(struct core_statistics *to, const struct log_counters *from)
{
    statistic_set(to, STATISTIC_log_appended_bytes, from->appended_bytes);
    statistic_set(to, STATISTIC_log_appended_batches, from->appended_batches);
    statistic_set(to, STATISTIC_log_appended_records, from->appended_records);
    statistic_set(to, STATISTIC_log_written_bytes, from->written_bytes);
    statistic_set(to, STATISTIC_log_zeroed_bytes, from->zeroed_bytes);
    statistic_set(to, STATISTIC_log_writes, from->write_count);
    statistic_set(to, STATISTIC_log_flushes, from->flush_count);
    statistic_set(to, STATISTIC_log_read_bytes, from->read_bytes);
    statistic_set(to, STATISTIC_log_arena_hit_bytes, from->arena_hit_bytes);
    statistic_set(to, STATISTIC_log_refused_batches, from->refused_batches);
    statistic_set(to, STATISTIC_log_io_errors, from->io_errors);
    statistic_set(to, STATISTIC_log_bad_index_entries, from->bad_index_entries);
    statistic_set(to, STATISTIC_log_arena_used_bytes, from->arena_used_bytes);
    statistic_set(to, STATISTIC_log_open_files, from->open_files);
    statistic_set(to, STATISTIC_log_producers, from->producers);
    statistic_set(to, STATISTIC_log_partitions_fenced, from->partitions_fenced);
    statistic_set(to, STATISTIC_log_cleanings, from->cleanings);
    statistic_set(to, STATISTIC_log_clean_failures, from->clean_failures);
    statistic_set(to, STATISTIC_log_clean_segments, from->cleaned_segments);
    statistic_set(to, STATISTIC_log_clean_read_bytes, from->clean_read_bytes);
    statistic_set(to, STATISTIC_log_clean_written_bytes, from->clean_written_bytes);
    statistic_set(to, STATISTIC_log_uncleanable_partitions, from->uncleanable_partitions);
}

/* A directory that died is told to the service thread, which tells control. */
static void directories_look(struct core *core)
{
    uint32_t fenced = 0;
    for (uint32_t i = 0; i < core->directory_count; i++) {
        fenced |= (uint32_t)log_directory_fenced(core->log, (uint16_t)i) << i;
    }
    if (fenced != atomic_load_explicit(&core->directories_fenced, memory_order_relaxed)) {
        atomic_store_explicit(&core->directories_fenced, fenced, memory_order_release);
        link_bell_ring(core->world, core->service_bell);
    }
}

/* The parts count for themselves; here it becomes visible outside. */
static void statistics_publish(struct core *core)
{
    struct core_statistics *to = core->statistics;
    const struct mail_counters *mail = mail_counters(core->mailbox);
    statistic_set(to, STATISTIC_mail_posted, mail->posted);
    statistic_set(to, STATISTIC_mail_received, mail->received);
    statistic_set(to, STATISTIC_mail_ring_full, mail->ring_full);
    statistic_set(to, STATISTIC_mail_wakeups, mail->wakeups);
    statistic_set(to, STATISTIC_journal_lost, journal_lost(core->journal));
    if (core->stack != NULL) {
        statistics_of_stack(to, core);
    } else {
        statistics_of_sock(to, sock_counters(core->sock));
        statistic_set(to, STATISTIC_receive_buffers_free,
                      ring_buffers_free(core->ring, RECEIVE_GROUP));
    }
    statistics_of_log(to, log_counters(core->log));
    directories_look(core);
    core->statistics_due_ns = core->now_ns + STATISTICS_EVERY_MS * MS_NS;
}

/* A turn lasts from one clock read to the next. */
static void turn_measure(struct core *core, uint64_t now_ns)
{
    struct core_statistics *to = core->statistics;
    statistic_add(to, STATISTIC_turns, 1);
    if (core->turn_began_ns != 0) {
        const uint64_t turn_ns = now_ns - core->turn_began_ns;
        histogram_record(&to->turn_ns, turn_ns);
        statistic_add(to, STATISTIC_turns_busy, 1);
        statistic_add(to, STATISTIC_turns_busy_ns, turn_ns);
        statistic_add(to, STATISTIC_turns_late, turn_ns > TURN_LATE_MS * MS_NS);
    }
    if (now_ns >= core->statistics_due_ns) {
        statistics_publish(core);
    }
}
