#include "dataplane/stack/survey.h"

static void rest_fill(struct survey *survey, struct stack *stack)
{
    const struct tcp *tcp = stack_tcp(stack);
    const struct net *net = tcp_net(tcp);
    const struct nic *nic = stack_nic(stack);
    survey->stack = *stack_counters(stack);
    survey->nic = nic->counters;
    survey->capabilities = nic->capabilities;
    survey->usage = tcp_usage(tcp);
    survey->setup = *tcp_setup_used(tcp);
    memcpy(survey->states, tcp_states(tcp), sizeof(survey->states));
    memcpy(survey->tcp, tcp_counters(tcp), sizeof(survey->tcp));
    memcpy(survey->net, net->counters, sizeof(survey->net));
    survey->v4 = net->v4;
    survey->v6 = net->v6;
    survey->neighbors = net->neighbors.used;
}

bool survey_turn(struct survey *survey, struct stack *stack)
{
    const uint32_t rows = min_u32(SURVEY_ROWS - survey->count, SURVEY_ROWS_OF_TURN);
    survey->count += tcp_survey(stack_tcp(stack), &survey->slot, SURVEY_SLOTS_OF_TURN,
                                survey->rows + survey->count, rows);
    if (survey->slot != SURVEY_END && survey->count < SURVEY_ROWS) {
        return false;
    }
    rest_fill(survey, stack);
    return true;
}
