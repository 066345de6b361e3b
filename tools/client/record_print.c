#include "tools/client/record_print.h"

#include <stdlib.h>

static int hex_digit(char c)
{
    const char *const digits = "0123456789abcdef";
    const char lower = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    const char *at = lower != '\0' ? strchr(digits, lower) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Reads what follows a backslash; how many characters it took, 0 when it is none. */
static int escape_read(const char *at, char *out)
{
    switch (*at) {
    case 'n': *out = '\n'; return 1;
    case 'r': *out = '\r'; return 1;
    case 't': *out = '\t'; return 1;
    case '\\': *out = '\\'; return 1;
    case 'x':
        if (hex_digit(at[1]) < 0 || hex_digit(at[2]) < 0) {
            return 0;
        }
        *out = (char)(hex_digit(at[1]) * 16 + hex_digit(at[2]));
        return 3;
    default: return 0;
    }
}

bool record_format_check(const char *format, const char **bad)
{
    for (const char *at = format; *at != '\0'; at++) {
        char out;
        *bad = at;
        if (*at == '%') {
            at++;
            if (*at == '\0' || strchr("tpoTkKsSh%", *at) == NULL) {
                return false;
            }
        } else if (*at == '\\') {
            const int used = escape_read(at + 1, &out);
            if (used == 0) {
                return false;
            }
            at += used;
        }
    }
    return true;
}

static void bytes_print(FILE *out, struct bytes bytes)
{
    if (bytes.len > 0) {
        (void)fwrite(bytes.ptr, 1, bytes.len, out);
    }
}

static void headers_print(FILE *out, struct bytes headers)
{
    struct record_header header;
    for (bool first = true; record_header_next(&headers, &header); first = false) {
        (void)fputs(first ? "" : ",", out);
        bytes_print(out, header.name);
        (void)fputc('=', out);
        if (header.value.ptr == NULL) {
            (void)fputs("NULL", out);
        }
        bytes_print(out, header.value);
    }
}

static long long size_of(struct bytes bytes)
{
    return bytes.ptr == NULL ? -1 : (long long)bytes.len;
}

static void field_print(FILE *out, char field, const struct consumer_record *record)
{
    switch (field) {
    case 't': (void)fputs(record->topic, out); break;
    case 'p': (void)fprintf(out, "%d", record->partition); break;
    case 'o': (void)fprintf(out, "%lld", (long long)record->offset); break;
    case 'T': (void)fprintf(out, "%lld", (long long)record->timestamp_ms); break;
    case 'k': bytes_print(out, record->key); break;
    case 'K': (void)fprintf(out, "%lld", size_of(record->key)); break;
    case 's': bytes_print(out, record->value); break;
    case 'S': (void)fprintf(out, "%lld", size_of(record->value)); break;
    case 'h': headers_print(out, record->headers); break;
    default: (void)fputc('%', out); break;
    }
}

void record_print(FILE *out, const char *format, const struct consumer_record *record)
{
    for (const char *at = format; *at != '\0'; at++) {
        char c = *at;
        if (c == '%') {
            field_print(out, *++at, record);
            continue;
        }
        if (c == '\\') {
            at += escape_read(at + 1, &c);
        }
        (void)fputc(c, out);
    }
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *base64(struct bytes bytes)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc(((size_t)bytes.len + 2) / 3 * 4 + 1);
    if (text == NULL) {
        return NULL;
    }
    size_t used = 0;
    for (uint32_t i = 0; i < bytes.len; i += 3) {
        const uint32_t left = bytes.len - i;
        const uint32_t bits = (uint32_t)bytes.ptr[i] << 16 |
                              (left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)bytes.ptr[i + 2] : 0);
        text[used++] = letters[bits >> 18];
        text[used++] = letters[bits >> 12 & 63];
        text[used++] = left > 1 ? letters[bits >> 6 & 63] : '=';
        text[used++] = left > 2 ? letters[bits & 63] : '=';
    }
    json_t *json = json_stringn(text, used);
    free(text);
    return json;
}

void record_json_bytes(json_t *object, const char *name, struct bytes bytes)
{
    if (bytes.ptr == NULL) {
        (void)json_object_set_new(object, name, json_null());
        return;
    }
    json_t *text = json_stringn((const char *)bytes.ptr, bytes.len); /* NULL when not UTF-8. */
    if (text != NULL) {
        (void)json_object_set_new(object, name, text);
        return;
    }
    char other[64];
    (void)snprintf(other, sizeof(other), "%s_base64", name);
    (void)json_object_set_new(object, other, base64(bytes));
}

json_t *record_json_headers(struct bytes headers)
{
    json_t *list = json_array();
    struct record_header header;
    while (record_header_next(&headers, &header)) {
        json_t *one = json_object();
        record_json_bytes(one, "key", header.name);
        record_json_bytes(one, "value", header.value);
        (void)json_array_append_new(list, one);
    }
    return list;
}

json_t *record_json(const struct consumer_record *record)
{
    json_t *json = json_object();
    (void)json_object_set_new(json, "topic", json_string(record->topic));
    (void)json_object_set_new(json, "partition", json_integer(record->partition));
    (void)json_object_set_new(json, "offset", json_integer(record->offset));
    (void)json_object_set_new(json, "timestamp", json_integer(record->timestamp_ms));
    (void)json_object_set_new(json, "timestamp_type",
                              json_string(record->log_append_time ? "append" : "create"));
    record_json_bytes(json, "key", record->key);
    record_json_bytes(json, "value", record->value);
    (void)json_object_set_new(json, "headers", record_json_headers(record->headers));
    return json;
}
