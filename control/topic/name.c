#include "control/topic/name.h"

#include <stdio.h>

#include "control/arena.h"
#include "storage/log/segment_name.h"

bool topic_name_valid(struct bytes name, char reason[TOPIC_NAME_REASON_BYTES])
{
    const enum topic_name_status status = topic_name_check(name);
    const int shown = (int)min_u32(name.len, 400);
    const char *text = (const char *)name.ptr;
    switch (status) {
    case TOPIC_NAME_OK: return true;
    case TOPIC_NAME_EMPTY:
        (void)snprintf(reason, TOPIC_NAME_REASON_BYTES,
                       "Topic name is invalid: the empty string is not allowed");
        break;
    case TOPIC_NAME_DOTS:
        (void)snprintf(reason, TOPIC_NAME_REASON_BYTES,
                       "Topic name is invalid: '.' or '..' is not allowed");
        break;
    case TOPIC_NAME_TOO_LONG:
        (void)snprintf(reason, TOPIC_NAME_REASON_BYTES,
                       "Topic name is invalid: the length of '%.*s' is longer than the max allowed "
                       "length %d",
                       shown, text, TOPIC_NAME_BYTES_MAX);
        break;
    case TOPIC_NAME_BAD_CHAR:
        (void)snprintf(reason, TOPIC_NAME_REASON_BYTES,
                       "Topic name is invalid: '%.*s' contains one or more characters other than "
                       "ASCII alphanumerics, '.', '_' and '-'",
                       shown, text);
        break;
    }
    return false;
}

static bool collides(struct bytes a, struct bytes b)
{
    if (a.len != b.len) {
        return false;
    }
    for (uint32_t i = 0; i < a.len; i++) {
        const uint8_t x = a.ptr[i] == '.' ? '_' : a.ptr[i];
        const uint8_t y = b.ptr[i] == '.' ? '_' : b.ptr[i];
        if (x != y) {
            return false;
        }
    }
    return true;
}

/* Names that collide share everything up to the first '.' or '_', so they stand in the two ranges
 * that begin with that and either character: nothing else has to be looked at. */
const struct image_topic *topic_name_collision(const struct image *image, struct bytes name)
{
    uint32_t prefix = 0;
    while (prefix < name.len && name.ptr[prefix] != '.' && name.ptr[prefix] != '_') {
        prefix++;
    }
    if (prefix == name.len) {
        return NULL;
    }
    char start[TOPIC_NAME_BYTES_MAX + 1];
    memcpy(start, name.ptr, min_u32(prefix + 1, sizeof(start)));
    static const char marks[] = {'.', '_'};
    for (uint32_t i = 0; i < ARRAY_SIZE(marks); i++) {
        start[prefix] = marks[i];
        const struct bytes from = {(const uint8_t *)start, prefix + 1};
        for (uint32_t at = image_topic_position(image, from); at < image->topic_count; at++) {
            const struct image_topic *topic = image->topics[at];
            if (topic->name.len < from.len || memcmp(topic->name.ptr, start, from.len) != 0) {
                break;
            }
            if (collides(topic->name, name)) {
                return topic;
            }
        }
    }
    return NULL;
}

bool topic_name_internal(struct bytes name)
{
    return bytes_equal(name, bytes_of_string("__consumer_offsets")) ||
           bytes_equal(name, bytes_of_string("__transaction_state")) ||
           bytes_equal(name, bytes_of_string("__share_group_state"));
}
