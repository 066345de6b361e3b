#include "storage/base/uuid.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct uuid uuid_random(struct random *random)
{
    struct uuid id;
    do {
        random_fill(random, id.bytes, sizeof(id.bytes));
        id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40); /* RFC 4122 4.4: version 4. */
        id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    } while (id.bytes[0] >> 2 == 62); /* The dash. */
    return id;
}

void uuid_format(struct uuid id, char text[UUID_TEXT_CHARS + 1])
{
    uint32_t bits = 0;
    uint32_t count = 0;
    char *at = text;
    for (uint32_t i = 0; i < sizeof(id.bytes); i++) {
        bits = (bits << 8) | id.bytes[i];
        count += 8;
        while (count >= 6) {
            count -= 6;
            *at++ = alphabet[(bits >> count) & 63];
        }
    }
    *at++ = alphabet[(bits << (6 - count)) & 63]; /* 128 bits: two are left for the last one. */
    *at = '\0';
}

static int32_t digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool uuid_parse(struct bytes text, struct uuid *id)
{
    if (text.len != UUID_TEXT_CHARS) {
        return false;
    }
    struct uuid result;
    uint32_t bits = 0;
    uint32_t count = 0;
    uint32_t used = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        const int32_t digit = digit_of(text.ptr[i]);
        if (digit < 0) {
            return false;
        }
        bits = (bits << 6) | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            result.bytes[used++] = (uint8_t)(bits >> count);
        }
    }
    if ((bits & 15) != 0) {
        return false;
    }
    *id = result;
    return true;
}
