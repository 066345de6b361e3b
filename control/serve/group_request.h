/* Requests about groups on their way through: taken apart by group, each part run through the seat
 * of its group, and put together again when the last part is answered. */
#ifndef CONTROL_SERVE_GROUP_REQUEST_H
#define CONTROL_SERVE_GROUP_REQUEST_H

#include "control/serve/groups.h"

/* True: an API of groups. */
bool group_request_is(int16_t api_key);

/* request is given; it is answered at once or later. */
void group_request_run(struct groups *groups, struct peer_request *request);

/* More of its parts are run, as many as a turn has room for. True: all are, and the request may be
 * gone. */
MUST_USE bool group_request_go_on(struct parts *all);
/* The part says more, as far as walk_max lets it. */
void group_part_go_on(struct part *part, uint32_t walk_max);
/* A turn's worth of the answer; true: it is sent, and the request is gone. */
bool group_answer_go_on(struct parts *all);

/* The replies of a step may leave, or its records could not be written. entry is given. */
void group_entry_settle(struct ledger_entry *entry, int16_t error_code);

#endif
