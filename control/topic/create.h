/* CreateTopics (B13, B15), and topics that come into being because a client asked for them. */
#ifndef CONTROL_TOPIC_CREATE_H
#define CONTROL_TOPIC_CREATE_H

#include "control/step.h"

/* With the broker's defaults. False: it may not be, or is there already; nothing was changed. */
bool topic_create_automatically(struct step *step, struct bytes name);

struct coordinator_topic;
/* An internal topic, which is not there. False: it may not be made now. */
bool topic_create_internal(struct step *step, const struct coordinator_topic *topic);

#endif
