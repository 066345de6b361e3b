#include "tools/metadata_json.h"

#include <stdlib.h>

#include "storage/record/record.h"

json_t *metadata_json_text(struct chain text)
{
    if (chain_is_null(text)) {
        return json_null();
    }
    if (text.len == 0) {
        return json_string("");
    }
    uint8_t *room = malloc(text.len);
    ASSERT(room != NULL && "no memory");
    const struct bytes flat = chain_flat(text, room);
    json_t *json = json_stringn((const char *)flat.ptr, flat.len);
    free(room);
    return json;
}

json_t *metadata_json_uuid(struct uuid id)
{
    char text[UUID_TEXT_CHARS + 1];
    uuid_format(id, text);
    return json_string(text);
}

json_t *metadata_json(struct bytes value)
{
    struct reader reader;
    int16_t key;
    int16_t version;
    reader_init(&reader, chain_of(&value));
    if (metadata_frame_decode(&reader, &key, &version) != CODEC_OK) {
        return NULL;
    }
    for (const struct metadata_json_record *at = metadata_json_records; at->name != NULL; at++) {
        if (at->key == key) {
            json_t *data = at->read(&reader, version);
            return data == NULL ? NULL
                                : json_pack("{s:s, s:i, s:o}", "type", at->name, "version",
                                            (int)version, "data", data);
        }
    }
    return NULL;
}

/* The body of a control record starts with its version, which is a field of it, too. */
static json_t *control_body(const char *name, struct bytes value)
{
    for (const struct metadata_json_record *at = metadata_json_records; at->name != NULL; at++) {
        if (at->key < 0 && strcmp(at->name, name) == 0 && value.len >= 2) {
            const int16_t version = (int16_t)load_be16(value.ptr);
            struct reader reader;
            reader_init(&reader, chain_of(&value));
            return version >= at->version_min && version <= at->version_max
                       ? at->read(&reader, version)
                       : NULL;
        }
    }
    return NULL;
}

json_t *metadata_json_control(struct bytes key, struct bytes value)
{
    static const struct {
        const char *name;
        const char *body; /* Of the schema. */
    } types[] = {
        [RECORD_CONTROL_ABORT] = {"ABORT", NULL},
        [RECORD_CONTROL_COMMIT] = {"COMMIT", NULL},
        [RECORD_CONTROL_LEADER_CHANGE] = {"LEADER_CHANGE", "LEADER_CHANGE_MESSAGE"},
        [RECORD_CONTROL_SNAPSHOT_HEADER] = {"SNAPSHOT_HEADER", "SNAPSHOT_HEADER_RECORD"},
        [RECORD_CONTROL_SNAPSHOT_FOOTER] = {"SNAPSHOT_FOOTER", "SNAPSHOT_FOOTER_RECORD"},
        [RECORD_CONTROL_KRAFT_VERSION] = {"KRAFT_VERSION", "KRAFT_VERSION_RECORD"},
        [RECORD_CONTROL_KRAFT_VOTERS] = {"KRAFT_VOTERS", "VOTERS_RECORD"},
    };
    int16_t type;
    if (!record_control_key_parse(key, &type)) {
        return NULL;
    }
    if ((size_t)type >= ARRAY_SIZE(types)) {
        return json_pack("{s:s, s:i}", "type", "UNKNOWN", "number", (int)type);
    }
    json_t *json = json_pack("{s:s}", "type", types[type].name);
    int32_t epoch;
    if (types[type].body != NULL) {
        json_t *data = control_body(types[type].body, value);
        (void)json_object_set_new(json, "data", data); /* Refuses NULL. */
    } else if (record_txn_marker_parse(value, &epoch)) {
        (void)json_object_set_new(json, "data", json_pack("{s:i}", "coordinatorEpoch", (int)epoch));
    }
    return json;
}
