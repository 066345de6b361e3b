/* A 128-bit id, as Kafka writes topic, directory and incarnation ids: printed as URL-safe base64
 * without padding, 22 characters (Uuid.java). Pure; any thread. */
#ifndef STORAGE_BASE_UUID_H
#define STORAGE_BASE_UUID_H

#include "storage/base/bytes.h"
#include "storage/base/random.h"

enum { UUID_TEXT_CHARS = 22 };

/* Big-endian, as on the wire. All zero means "none" (Kafka's Uuid.ZERO_UUID). */
struct uuid {
    uint8_t bytes[16];
};

static inline bool uuid_is_zero(struct uuid id)
{
    static const struct uuid zero;
    return memcmp(id.bytes, zero.bytes, sizeof(id.bytes)) == 0;
}

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

/* A version 4 id that does not start with a dash, which would look like an option on a command
 * line. */
struct uuid uuid_random(struct random *random);

/* Writes 22 characters and a NUL. */
void uuid_format(struct uuid id, char text[UUID_TEXT_CHARS + 1]);

/* False when text is not exactly 22 characters of the alphabet, the unused low bits zero. */
MUST_USE bool uuid_parse(struct bytes text, struct uuid *id);

#endif
