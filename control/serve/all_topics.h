/* The topics of the metadata image and what is set on groups, as the coordinator of consumer groups
 * takes them (control/group/group.h). Heap; one thread.
 */
#ifndef CONTROL_SERVE_ALL_TOPICS_H
#define CONTROL_SERVE_ALL_TOPICS_H

#include "control/group/group.h"
#include "control/metadata/image.h"

/* All zero is one of an image without topics. */
struct all_topics {
    struct group_topics told;
    struct arena arena; /* Of what is told; names are copies. */
    uint64_t visible_changes;
    uint32_t partition_count; /* Of all topics. */
};

/* Up to date: versions rise when there is another topic, or one has grown or gone. Valid until the
 * next refresh. */
const struct group_topics *all_topics_refresh(struct all_topics *topics, const struct image *image);
void all_topics_free(struct all_topics *topics);

/* Resources of type 32; all of it lives in the arena. */
void group_configs_read(struct arena *arena, const struct image *image,
                        struct group_settings *settings);

#endif
