#include "storage/log/checkpoint_files.h"

#include "storage/log/segment_name.h"

/* The next line without its newline; false when no whole line is left. */
static bool next_line(struct checkpoint_reader *reader, struct bytes *line)
{
    const uint8_t *end =
        reader->rest.len == 0 ? NULL : memchr(reader->rest.ptr, '\n', reader->rest.len);
    if (end == NULL) {
        return false;
    }
    reader->line++;
    *line = (struct bytes){reader->rest.ptr, (uint32_t)(end - reader->rest.ptr)};
    reader->rest.ptr += line->len + 1;
    reader->rest.len -= line->len + 1;
    return true;
}

static bool parse_i32(struct bytes text, int32_t *value)
{
    int64_t wide;
    if (!text_parse_i64(text, &wide) || wide < INT32_MIN || wide > INT32_MAX) {
        return false;
    }
    *value = (int32_t)wide;
    return true;
}

enum checkpoint_status checkpoint_open(struct checkpoint_reader *reader, struct bytes file)
{
    *reader = (struct checkpoint_reader){.rest = file};
    struct bytes line;
    int32_t number;
    if (file.len == 0) {
        return CHECKPOINT_OK;
    }
    if (!next_line(reader, &line)) {
        reader->line = 1;
        return CHECKPOINT_BAD_LINE;
    }
    if (!parse_i32(line, &number)) {
        return CHECKPOINT_BAD_LINE;
    }
    if (number != 0) {
        return CHECKPOINT_FOREIGN;
    }
    if (!next_line(reader, &line)) {
        reader->line = 2;
        return CHECKPOINT_BAD_LINE;
    }
    if (!parse_i32(line, &number) || number < 0) {
        return CHECKPOINT_BAD_LINE;
    }
    reader->left = (uint32_t)number;
    return CHECKPOINT_OK;
}

/* The next entry's line, or why there is none. */
static enum checkpoint_status next_entry(struct checkpoint_reader *reader, struct bytes *line)
{
    if (reader->rest.len == 0) {
        return reader->left == 0 ? CHECKPOINT_END : CHECKPOINT_COUNT;
    }
    if (!next_line(reader, line)) {
        reader->line++;
        return CHECKPOINT_BAD_LINE; /* No newline: the line may be cut. */
    }
    if (reader->left == 0) {
        return CHECKPOINT_COUNT;
    }
    reader->left--;
    return CHECKPOINT_OK;
}

/* Cuts off what stands before the first blank; false when there is none. */
static bool next_field(struct bytes *line, struct bytes *field)
{
    const uint8_t *end = line->len == 0 ? NULL : memchr(line->ptr, ' ', line->len);
    if (end == NULL) {
        return false;
    }
    *field = (struct bytes){line->ptr, (uint32_t)(end - line->ptr)};
    line->ptr += field->len + 1;
    line->len -= field->len + 1;
    return true;
}

enum checkpoint_status checkpoint_next_offset(struct checkpoint_reader *reader,
                                              struct checkpoint_offset *entry)
{
    struct bytes line;
    struct bytes partition;
    const enum checkpoint_status status = next_entry(reader, &line);
    if (status != CHECKPOINT_OK) {
        return status;
    }
    if (!next_field(&line, &entry->topic) || topic_name_check(entry->topic) != TOPIC_NAME_OK ||
        !next_field(&line, &partition) || !parse_i32(partition, &entry->partition) ||
        entry->partition < 0 || !text_parse_i64(line, &entry->offset) || entry->offset < 0) {
        return CHECKPOINT_BAD_LINE;
    }
    return CHECKPOINT_OK;
}

enum checkpoint_status checkpoint_next_epoch(struct checkpoint_reader *reader,
                                             struct checkpoint_epoch *entry)
{
    struct bytes line;
    struct bytes epoch;
    const enum checkpoint_status status = next_entry(reader, &line);
    if (status != CHECKPOINT_OK) {
        return status;
    }
    if (!next_field(&line, &epoch) || !parse_i32(epoch, &entry->epoch) || entry->epoch < 0 ||
        !text_parse_i64(line, &entry->start_offset) || entry->start_offset < 0) {
        return CHECKPOINT_BAD_LINE;
    }
    return CHECKPOINT_OK;
}

void checkpoint_write_head(struct text *text, uint32_t count)
{
    text_string(text, "0\n");
    text_u64(text, count);
    text_char(text, '\n');
}

void checkpoint_write_offset(struct text *text, const struct checkpoint_offset *entry)
{
    text_bytes(text, entry->topic);
    text_char(text, ' ');
    text_i64(text, entry->partition);
    text_char(text, ' ');
    text_i64(text, entry->offset);
    text_char(text, '\n');
}

void checkpoint_write_epoch(struct text *text, const struct checkpoint_epoch *entry)
{
    text_i64(text, entry->epoch);
    text_char(text, ' ');
    text_i64(text, entry->start_offset);
    text_char(text, '\n');
}

/* True when the text starts so; it is cut off then. */
static bool skip_prefix(struct bytes *text, const char *prefix)
{
    const uint32_t len = (uint32_t)strlen(prefix);
    if (text->len < len || memcmp(text->ptr, prefix, len) != 0) {
        return false;
    }
    text->ptr += len;
    text->len -= len;
    return true;
}

enum checkpoint_status partition_metadata_parse(struct bytes file, struct uuid *topic_id,
                                                uint32_t *line)
{
    struct checkpoint_reader reader = {.rest = file};
    struct bytes first;
    int32_t version;
    *line = 1;
    if (!next_line(&reader, &first) || !skip_prefix(&first, "version: ") ||
        !parse_i32(first, &version)) {
        return CHECKPOINT_BAD_LINE;
    }
    if (version != 0) {
        return CHECKPOINT_FOREIGN;
    }
    *line = 2;
    struct bytes second = reader.rest;
    if (second.len > 0 && second.ptr[second.len - 1] == '\n') {
        second.len--;
    }
    struct uuid id;
    if (!skip_prefix(&second, "topic_id: ") || !uuid_parse(second, &id) || uuid_is_zero(id)) {
        return CHECKPOINT_BAD_LINE;
    }
    *topic_id = id;
    return CHECKPOINT_OK;
}

void partition_metadata_write(struct text *text, struct uuid topic_id)
{
    char id[UUID_TEXT_CHARS + 1];
    uuid_format(topic_id, id);
    text_string(text, "version: 0\ntopic_id: ");
    text_string(text, id);
}

const char *checkpoint_status_name(enum checkpoint_status status)
{
    switch (status) {
    case CHECKPOINT_OK: return "ok";
    case CHECKPOINT_END: return "end";
    case CHECKPOINT_BAD_LINE: return "malformed line";
    case CHECKPOINT_FOREIGN: return "foreign version";
    case CHECKPOINT_COUNT: return "wrong number of entries";
    case CHECKPOINT_MISSING: return "a required key is missing";
    }
    return "unknown";
}
