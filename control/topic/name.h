/* Which names a topic may have (B13; Kafka's Topic.java). Pure. */
#ifndef CONTROL_TOPIC_NAME_H
#define CONTROL_TOPIC_NAME_H

#include "control/metadata/image.h"

enum {
    TOPIC_NAME_REASON_BYTES = 600,
};

/* False: reason says why, in Kafka's words. */
MUST_USE bool topic_name_valid(struct bytes name, char reason[TOPIC_NAME_REASON_BYTES]);

/* The topic whose name is the same once '.' is '_', or NULL. */
const struct image_topic *topic_name_collision(const struct image *image, struct bytes name);

/* Topics that only coordinators write. */
bool topic_name_internal(struct bytes name);

#endif
