/* A step: one request's effect, worked out from what is known, without doing any of it.
 *
 * In: the request and the image. Out: the answer's struct and the changes that would make it true.
 * The control loop makes the changes durable and visible, then sends the answer. Steps are pure:
 * all they say is a function of what is here.
 */
#ifndef CONTROL_STEP_H
#define CONTROL_STEP_H

#include "control/arena.h"
#include "control/config/resolve.h"
#include "dataplane/kafka/errors.h"
#include "dataplane/slowpath/channel.h"

/* A topic or partitions that the step creates, or found in the making: files may still fail, then
 * this answer changes. */
struct step_created {
    struct uuid topic_id;
    bool by_others; /* An earlier request creates it: this answer only shares its end. */
    uint32_t first_partition;
    int16_t *error_code; /* Of its item in the answer. */
    struct chain *error_message;
};

/* An answer that is encoded as it is worked out. Heap. */
struct step_body {
    uint8_t *ptr;
    uint32_t len;
    uint32_t capacity;
    uint32_t errors; /* Error codes in it that are not NONE. */
};

struct step {
    /* In. All borrowed. */
    struct config_view view; /* The image and the settings. */
    int16_t version;
    struct reader body;
    struct random *random;
    struct arena *arena; /* Everything of the answer lives here. */
    struct changes *changes;
    const struct slow_header *header; /* Who asks. */
    uint16_t listen_port;
    const char *logger_level; /* Of the root logger: "INFO" ... */
    /* Out. */
    bool malformed;      /* The body cannot be read. */
    int16_t whole_error; /* Not 0: all that was asked gets this error, made by the core. */
    void *answer;
    /* Of a description, instead of answer: it grows slice by slice, and when there is more to work
       out, `again` asks for another run. Given to the caller. */
    struct step_body body_out;
    void *progress;
    bool again;
    struct step_created *created;
    uint32_t created_count;
    const char *logger_level_wanted; /* NULL: unchanged. A constant. */
};

static inline const struct image *step_image(const struct step *step)
{
    return step->view.image;
}

/* An error of one item. */
struct step_error {
    int16_t code;
    struct chain message; /* CHAIN_NULL: none. */
};

static inline struct step_error step_good(void)
{
    return (struct step_error){ERROR_NONE, CHAIN_NULL};
}

#define STEP_ERROR(step, code, ...) \
    ((struct step_error){(code), arena_text((step)->arena, __VA_ARGS__)})

/* An error that needs no more words than its number has. */
#define STEP_PLAIN_ERROR(step, code) STEP_ERROR(step, code, "%s", error_text(code))

/* How a text of the request prints in a message: "%.*s" with SHOWN(bytes). */
#define SHOWN(bytes) (int)min_u32((bytes).len, 250), (const char *)(bytes).ptr

enum {
    PARTITIONS_OF_REQUEST_MAX = 10000, /* Kafka: MAX_PARTITIONS_PER_BATCH. */
    /* Ours: one request may neither take the machine's memory nor hold up those behind it. */
    KEYS_OF_RESOURCE_MAX = 1000,
    STEP_SLICE_BYTES = 256 * 1024, /* Of memory: then a description lets others in. */
};

#define KEYS_OF_RESOURCE_TEXT "A resource may have at most 1000 settings."

/* Each request's step. */
typedef void step_run(struct step *step);

step_run create_topics_step;
step_run delete_topics_step;
step_run create_partitions_step;
step_run describe_configs_step;
step_run alter_configs_step;
step_run incremental_alter_configs_step;
step_run list_config_resources_step;
step_run elect_leaders_step;
step_run alter_reassignments_step;
step_run list_reassignments_step;
step_run find_coordinator_step;

#endif
