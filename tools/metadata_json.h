/* Records of the metadata log as JSON, with the names Kafka's own dump tool prints. */
#ifndef TOOLS_METADATA_JSON_H
#define TOOLS_METADATA_JSON_H

#include <jansson.h>

#include "dataplane/kafka/messages.h"

/* {"type", "version", "data"} of a record's value, frame included; given. NULL when the bytes are
 * no record that the schema knows. */
json_t *metadata_json(struct bytes value);

/* {"type", "data"} of a control record; NULL when its key says none. A body that the schema does
 * not know leaves "data" out. */
json_t *metadata_json_control(struct bytes key, struct bytes value);

/* One kind of record. Generated; the key is -1 for control records; ended by a NULL name. */
struct metadata_json_record {
    const char *name; /* "TOPIC_RECORD" */
    int16_t key;
    int16_t version_min;
    int16_t version_max;
    json_t *(*read)(struct reader *reader, int16_t version);
};
extern const struct metadata_json_record metadata_json_records[];

/* For the generated code. */
json_t *metadata_json_text(struct chain text);
json_t *metadata_json_uuid(struct uuid id);

#endif
