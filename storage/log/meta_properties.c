/* The meta.properties half of storage/log/checkpoint_files.h: java.util.Properties in small. */
#include "storage/log/checkpoint_files.h"

enum { LOGICAL_BYTES_MAX = 1024 };

/* Reads natural lines and joins continued ones. */
struct line_reader {
    struct bytes rest;
    uint32_t line;  /* Number of the natural line read last. */
    uint32_t start; /* Number of the first line of the logical one. */
    uint32_t len;
    uint8_t logical[LOGICAL_BYTES_MAX];
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

/* The next natural line without its end, which is \n, \r or \r\n. */
static bool natural_line(struct line_reader *reader, struct bytes *line)
{
    if (reader->rest.len == 0) {
        return false;
    }
    uint32_t len = 0;
    while (len < reader->rest.len && reader->rest.ptr[len] != '\n' &&
           reader->rest.ptr[len] != '\r') {
        len++;
    }
    *line = (struct bytes){reader->rest.ptr, len};
    uint32_t used = len;
    if (used < reader->rest.len) {
        const bool pair = reader->rest.ptr[used] == '\r' && used + 1 < reader->rest.len &&
                          reader->rest.ptr[used + 1] == '\n';
        used += pair ? 2 : 1;
    }
    reader->rest.ptr += used;
    reader->rest.len -= used;
    reader->line++;
    while (line->len > 0 && is_blank(*line->ptr)) {
        line->ptr++;
        line->len--;
    }
    return true;
}

/* True when the line ends in an odd number of backslashes. */
static bool is_continued(struct bytes line)
{
    uint32_t count = 0;
    while (count < line.len && line.ptr[line.len - 1 - count] == '\\') {
        count++;
    }
    return count % 2 == 1;
}

/* The next logical line that is neither blank nor a comment. CHECKPOINT_OK, _END, _BAD_LINE. */
static enum checkpoint_status logical_line(struct line_reader *reader)
{
    struct bytes line;
    do {
        if (!natural_line(reader, &line)) {
            return CHECKPOINT_END;
        }
    } while (line.len == 0 || *line.ptr == '#' || *line.ptr == '!');
    reader->start = reader->line;
    reader->len = 0;
    for (;;) {
        const bool more = is_continued(line);
        const uint32_t len = line.len - (more ? 1 : 0);
        if (len > LOGICAL_BYTES_MAX - reader->len) {
            return CHECKPOINT_BAD_LINE;
        }
        memcpy(reader->logical + reader->len, line.ptr, len);
        reader->len += len;
        if (!more || !natural_line(reader, &line)) {
            return CHECKPOINT_OK;
        }
    }
}

/* Four hex digits. */
static bool parse_hex(const uint8_t *from, uint32_t *value)
{
    *value = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const uint8_t c = from[i];
        const uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                               : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                               : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                      : 16;
        if (digit == 16) {
            return false;
        }
        *value = *value << 4 | digit;
    }
    return true;
}

/* UTF-8 of a UTF-16 unit; never more bytes than the six of its escape. */
static uint32_t put_unit(uint8_t *to, uint32_t unit)
{
    if (unit < 0x80) {
        to[0] = (uint8_t)unit;
        return 1;
    }
    if (unit < 0x800) {
        to[0] = (uint8_t)(0xc0 | unit >> 6);
        to[1] = (uint8_t)(0x80 | (unit & 0x3f));
        return 2;
    }
    to[0] = (uint8_t)(0xe0 | unit >> 12);
    to[1] = (uint8_t)(0x80 | (unit >> 6 & 0x3f));
    to[2] = (uint8_t)(0x80 | (unit & 0x3f));
    return 3;
}

/* Replaces the escapes in place. */
static bool unescape(uint8_t *text, uint32_t *len)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < *len; i++) {
        if (text[i] != '\\' || i + 1 == *len) {
            text[used++] = text[i];
            continue;
        }
        const uint8_t c = text[++i];
        uint32_t unit;
        switch (c) {
        case 't': text[used++] = '\t'; break;
        case 'n': text[used++] = '\n'; break;
        case 'r': text[used++] = '\r'; break;
        case 'f': text[used++] = '\f'; break;
        case 'u':
            if (*len - i < 5 || !parse_hex(text + i + 1, &unit)) {
                return false;
            }
            used += put_unit(text + used, unit);
            i += 4;
            break;
        default: text[used++] = c; break;
        }
    }
    *len = used;
    return true;
}

/* Splits the logical line; both views lie in it. */
static bool split(struct line_reader *reader, struct bytes *key, struct bytes *value)
{
    uint8_t *text = reader->logical;
    uint32_t end = 0;
    while (end < reader->len && text[end] != '=' && text[end] != ':' && !is_blank(text[end])) {
        end += text[end] == '\\' ? 2 : 1;
    }
    end = min_u32(end, reader->len);
    uint32_t start = end;
    while (start < reader->len && is_blank(text[start])) {
        start++;
    }
    if (start < reader->len && (text[start] == '=' || text[start] == ':')) {
        start++;
        while (start < reader->len && is_blank(text[start])) {
            start++;
        }
    }
    uint32_t value_len = reader->len - start;
    if (!unescape(text, &end) || !unescape(text + start, &value_len)) {
        return false;
    }
    *key = (struct bytes){text, end};
    *value = (struct bytes){text + start, value_len};
    return true;
}

static bool is_key(struct bytes key, const char *name)
{
    return bytes_equal(key, bytes_of_string(name));
}

/* Which of the required keys were seen. */
enum { SEEN_VERSION = 1, SEEN_CLUSTER = 2, SEEN_NODE = 4, SEEN_ALL = 7 };

static enum checkpoint_status take_property(struct meta_properties *properties, uint32_t *seen,
                                            struct bytes key, struct bytes value)
{
    int64_t number;
    if (is_key(key, "version")) {
        *seen |= SEEN_VERSION;
        if (!text_parse_i64(value, &number)) {
            return CHECKPOINT_BAD_LINE;
        }
        return number == 1 ? CHECKPOINT_OK : CHECKPOINT_FOREIGN;
    }
    if (is_key(key, "cluster.id")) {
        *seen |= SEEN_CLUSTER;
        if (value.len == 0 || value.len >= META_CLUSTER_ID_BYTES ||
            memchr(value.ptr, '\0', value.len) != NULL) {
            return CHECKPOINT_BAD_LINE;
        }
        memcpy(properties->cluster_id, value.ptr, value.len);
        properties->cluster_id[value.len] = '\0';
    } else if (is_key(key, "node.id")) {
        *seen |= SEEN_NODE;
        if (!text_parse_i64(value, &number) || number < 0 || number > INT32_MAX) {
            return CHECKPOINT_BAD_LINE;
        }
        properties->node_id = (int32_t)number;
    } else if (is_key(key, "directory.id")) {
        properties->has_directory_id = true;
        if (!uuid_parse(value, &properties->directory_id) ||
            uuid_is_zero(properties->directory_id)) {
            return CHECKPOINT_BAD_LINE;
        }
    }
    return CHECKPOINT_OK;
}

enum checkpoint_status meta_properties_parse(struct bytes file, struct meta_properties *properties,
                                             uint32_t *line)
{
    struct line_reader reader = {.rest = file};
    uint32_t seen = 0;
    *properties = (struct meta_properties){0};
    for (;;) {
        enum checkpoint_status status = logical_line(&reader);
        if (status == CHECKPOINT_END) {
            *line = 0;
            return seen == SEEN_ALL ? CHECKPOINT_OK : CHECKPOINT_MISSING;
        }
        struct bytes key;
        struct bytes value;
        if (status == CHECKPOINT_OK) {
            status = split(&reader, &key, &value) ? take_property(properties, &seen, key, value)
                                                  : CHECKPOINT_BAD_LINE;
        }
        if (status != CHECKPOINT_OK) {
            *line = reader.start;
            return status;
        }
    }
}

/* As java.util.Properties.store escapes a value. */
static void write_value(struct text *text, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        switch (*at) {
        case '\t': text_string(text, "\\t"); break;
        case '\n': text_string(text, "\\n"); break;
        case '\r': text_string(text, "\\r"); break;
        case '\f': text_string(text, "\\f"); break;
        case ' ': text_string(text, at == value ? "\\ " : " "); break;
        case '\\':
        case '=':
        case ':':
        case '#':
        case '!':
            text_char(text, '\\');
            text_char(text, *at);
            break;
        default: text_char(text, *at); break;
        }
    }
    text_char(text, '\n');
}

void meta_properties_write(struct text *text, const struct meta_properties *properties)
{
    text_string(text, "cluster.id=");
    write_value(text, properties->cluster_id);
    if (properties->has_directory_id) {
        char id[UUID_TEXT_CHARS + 1];
        uuid_format(properties->directory_id, id);
        text_string(text, "directory.id=");
        write_value(text, id);
    }
    text_string(text, "node.id=");
    text_i64(text, properties->node_id);
    text_string(text, "\nversion=1\n");
}
