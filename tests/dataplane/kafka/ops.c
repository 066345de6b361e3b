#include "tests/dataplane/kafka/ops.h"

const struct message_ops *message_ops_find(const char *name)
{
    for (uint32_t i = 0; i < message_ops_count; i++) {
        if (strcmp(message_ops[i].name, name) == 0) {
            return &message_ops[i];
        }
    }
    return NULL;
}

void *fill_take(struct fill *fill, size_t size)
{
    void *memory = scratch_take(&fill->memory, size);
    ASSERT(memory != NULL);
    return memory;
}

/* Edges are as likely as the rest. */
int64_t fill_number(struct fill *fill, int64_t min, int64_t max)
{
    switch (random_below(&fill->random, 5)) {
    case 0: return min;
    case 1: return max;
    case 2: return 0;
    case 3: return (int64_t)random_below(&fill->random, 100);
    default: break;
    }
    const uint64_t span = (uint64_t)max - (uint64_t)min;
    const uint64_t value = random_u64(&fill->random);
    return (int64_t)((uint64_t)min + (span == UINT64_MAX ? value : value % (span + 1)));
}

struct uuid fill_uuid(struct fill *fill)
{
    struct uuid id = {{0}};
    if (!random_one_in(&fill->random, 4)) {
        random_fill(&fill->random, id.bytes, sizeof(id.bytes));
    }
    return id;
}

struct chain fill_text(struct fill *fill, bool nullable, bool is_ascii)
{
    if (nullable && random_one_in(&fill->random, 3)) {
        return CHAIN_NULL;
    }
    /* Now and then longer than one byte of varint can say. */
    const uint64_t bound = random_one_in(&fill->random, 16) ? 300 : 9;
    const uint32_t len = (uint32_t)random_below(&fill->random, bound);
    if (len == 0) {
        return CHAIN_EMPTY;
    }
    uint8_t *text = fill_take(fill, len);
    random_fill(&fill->random, text, len);
    for (uint32_t i = 0; is_ascii && i < len; i++) {
        text[i] = (uint8_t)(' ' + text[i] % 95);
    }
    struct bytes *piece = fill_take(fill, sizeof(*piece));
    *piece = (struct bytes){text, len};
    return chain_of(piece);
}

int32_t fill_count(struct fill *fill, bool nullable)
{
    return (int32_t)random_below(&fill->random, nullable ? 5 : 4) - (nullable ? 1 : 0);
}

void dump_text(FILE *file, struct chain text)
{
    if (chain_is_null(text)) {
        fputs("null", file);
        return;
    }
    fputc('"', file);
    for (; text.len > 0; text = chain_skip(text, 1)) {
        const uint8_t byte = *chain_first(text).ptr;
        if (byte == '"' || byte == '\\' || byte < ' ' || byte > '~') {
            fprintf(file, "\\u%04x", byte);
        } else {
            fputc(byte, file);
        }
    }
    fputc('"', file);
}

/* Standard base64, as Jackson writes binary nodes. */
void dump_blob(FILE *file, struct chain blob)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (chain_is_null(blob)) {
        fputs("null", file);
        return;
    }
    fputc('"', file);
    while (blob.len > 0) {
        uint8_t three[3] = {0};
        const uint32_t count = min_u32(blob.len, 3);
        chain_copy(blob, three, count);
        blob = chain_skip(blob, count);
        const uint32_t bits = (uint32_t)three[0] << 16 | (uint32_t)three[1] << 8 | three[2];
        fputc(digits[bits >> 18], file);
        fputc(digits[bits >> 12 & 63], file);
        fputc(count > 1 ? digits[bits >> 6 & 63] : '=', file);
        fputc(count > 2 ? digits[bits & 63] : '=', file);
    }
    fputc('"', file);
}

void dump_records(FILE *file, struct chain records)
{
    if (chain_is_null(records)) {
        fputs("null", file);
    } else {
        fprintf(file, "%u", records.len); /* Kafka's converters print only the size. */
    }
}

void dump_uuid(FILE *file, struct uuid id)
{
    char text[UUID_TEXT_CHARS + 1];
    uuid_format(id, text);
    fprintf(file, "\"%s\"", text);
}

void dump_number(FILE *file, int64_t number)
{
    fprintf(file, "%lld", (long long)number);
}

void dump_bool(FILE *file, bool value)
{
    fputs(value ? "true" : "false", file);
}

void dump_name(FILE *file, const char *name, bool *is_first)
{
    fprintf(file, "%s\"%s\":", *is_first ? "" : ",", name);
    *is_first = false;
}
