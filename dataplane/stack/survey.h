/* What one core's stack has to tell, for `millrace net`: everything that is counted, and the
 * connections, page by page.
 *
 * Whoever asks lends a page; the core fills it in a few turns (SURVEY_SLOTS_OF_TURN at a time), so
 * that 10,000 connections hold nobody up. Pages are not of one moment: a connection that is opened
 * meanwhile may be missing.
 *
 * Pure; the core's.
 */
#ifndef DATAPLANE_STACK_SURVEY_H
#define DATAPLANE_STACK_SURVEY_H

#include "dataplane/stack/stack.h"

enum {
    SURVEY_ROWS = 128,
    SURVEY_ROWS_OF_TURN = 16,    /* Connections told in one turn. */
    SURVEY_SLOTS_OF_TURN = 2048, /* Places looked at for them. */
    SURVEY_END = UINT32_MAX,
};

struct survey {
    uint32_t slot; /* Where to go on; SURVEY_END: all were told. Asked for with 0 at first. */
    uint32_t count;
    struct tcp_info rows[SURVEY_ROWS];
    /* Of the page's last turn. */
    struct stack_counters stack;
    struct nic_counters nic;
    struct nic_capabilities capabilities;
    struct tcp_usage usage;
    struct tcp_setup setup;
    uint32_t states[TCP_STATES];
    uint64_t tcp[TCP_COUNTERS];
    uint64_t net[NET_COUNTERS];
    struct net_own v4;
    struct net_own v6;
    uint32_t neighbors;
};

/* Goes on filling the page. True when it is complete: full, or slot is SURVEY_END. */
MUST_USE bool survey_turn(struct survey *survey, struct stack *stack);

#endif
