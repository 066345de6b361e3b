#include "storage/log/segment_name.h"

#include "storage/base/text.h"

enum {
    OFFSET_DIGITS = 20,
    FILE_NAME_BYTES_MAX = 255, /* NAME_MAX, and the length Kafka keeps to. */
    UNIQUE_CHARS = 32,
};

static const char *const file_suffixes[SEGMENT_FILES] = {".log",      ".index",    ".timeindex",
                                                         ".txnindex", ".snapshot", ".producers"};
static const char *const mark_suffixes[SEGMENT_MARKS] = {"", ".deleted", ".cleaned", ".swap"};
static const char *const dir_suffixes[] = {"", "-delete", "-stray", "-future"};

static bool equals(struct bytes text, const char *string)
{
    return bytes_equal(text, bytes_of_string(string));
}

static bool starts_with(struct bytes text, const char *prefix)
{
    const uint32_t len = (uint32_t)strlen(prefix);
    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

static bool ends_with(struct bytes text, const char *suffix)
{
    const uint32_t len = (uint32_t)strlen(suffix);
    return text.len >= len && memcmp(text.ptr + text.len - len, suffix, len) == 0;
}

void segment_name_format(struct segment_name name, char text[SEGMENT_NAME_BYTES])
{
    ASSERT(name.base_offset >= 0 && name.file < SEGMENT_FILES && name.mark < SEGMENT_MARKS);
    struct text builder;
    text_init(&builder, text, SEGMENT_NAME_BYTES);
    text_u64_padded(&builder, (uint64_t)name.base_offset, OFFSET_DIGITS);
    text_string(&builder, file_suffixes[name.file]);
    text_string(&builder, mark_suffixes[name.mark]);
    ASSERT(!builder.full);
}

bool segment_name_parse(struct bytes text, struct segment_name *name)
{
    int64_t offset;
    if (text.len <= OFFSET_DIGITS || text.ptr[0] == '-' ||
        !text_parse_i64((struct bytes){text.ptr, OFFSET_DIGITS}, &offset)) {
        return false;
    }
    const struct bytes suffix = {text.ptr + OFFSET_DIGITS, text.len - OFFSET_DIGITS};
    for (enum segment_file file = 0; file < SEGMENT_FILES; file++) {
        if (!starts_with(suffix, file_suffixes[file])) {
            continue;
        }
        const uint32_t used = (uint32_t)strlen(file_suffixes[file]);
        const struct bytes rest = {suffix.ptr + used, suffix.len - used};
        for (enum segment_mark mark = 0; mark < SEGMENT_MARKS; mark++) {
            if (equals(rest, mark_suffixes[mark])) {
                *name = (struct segment_name){offset, file, mark};
                return true;
            }
        }
    }
    return false;
}

uint32_t partition_dir_format(const struct partition_dir *dir, struct uuid unique,
                              char text[PARTITION_DIR_BYTES])
{
    char tail[64];
    struct text builder;
    text_init(&builder, tail, sizeof(tail));
    text_char(&builder, '-');
    text_i64(&builder, dir->partition);
    if (dir->mark != PARTITION_DIR_LIVE) {
        text_char(&builder, '.');
        text_hex(&builder, (struct bytes){unique.bytes, sizeof(unique.bytes)});
        text_string(&builder, dir_suffixes[dir->mark]);
    }
    const uint32_t tail_len = (uint32_t)builder.len;
    uint32_t topic_len = dir->topic.len;
    if (topic_len > FILE_NAME_BYTES_MAX - tail_len) {
        if (dir->mark != PARTITION_DIR_DELETE && dir->mark != PARTITION_DIR_STRAY) {
            return 0;
        }
        topic_len = FILE_NAME_BYTES_MAX - tail_len;
    }
    memcpy(text, dir->topic.ptr, topic_len);
    memcpy(text + topic_len, tail, tail_len + 1);
    return topic_len + tail_len;
}

/* Where the last such byte stands; text.len when there is none. */
static uint32_t find_last(struct bytes text, uint8_t byte)
{
    const uint8_t *found = text.len == 0 ? NULL : memrchr(text.ptr, byte, text.len);
    return found == NULL ? text.len : (uint32_t)(found - text.ptr);
}

/* "<topic>-<n>" */
static bool parse_plain(struct bytes text, struct partition_dir *dir)
{
    const uint32_t dash = find_last(text, '-');
    if (dash == text.len) {
        return false;
    }
    const struct bytes topic = {text.ptr, dash};
    const struct bytes digits = {text.ptr + dash + 1, text.len - dash - 1};
    uint64_t number;
    if (topic_name_check(topic) != TOPIC_NAME_OK || !text_parse_u64(digits, &number) ||
        number > INT32_MAX || (digits.len > 1 && digits.ptr[0] == '0')) {
        return false;
    }
    dir->topic = topic;
    dir->partition = (int32_t)number;
    return true;
}

bool partition_dir_parse(struct bytes text, struct partition_dir *dir)
{
    struct partition_dir found = {.mark = PARTITION_DIR_LIVE};
    for (enum partition_dir_mark mark = PARTITION_DIR_DELETE; mark <= PARTITION_DIR_FUTURE;
         mark++) {
        if (ends_with(text, dir_suffixes[mark])) {
            found.mark = mark;
            const uint32_t suffix_len = (uint32_t)strlen(dir_suffixes[mark]);
            const uint32_t dot = find_last(text, '.');
            if (dot + 1 + suffix_len >= text.len) { /* No dot, or nothing unique behind it. */
                return false;
            }
            text.len = dot;
            break;
        }
    }
    if (!parse_plain(text, &found)) {
        return false;
    }
    *dir = found;
    return true;
}

enum topic_name_status topic_name_check(struct bytes name)
{
    if (name.len == 0) {
        return TOPIC_NAME_EMPTY;
    }
    if (equals(name, ".") || equals(name, "..")) {
        return TOPIC_NAME_DOTS;
    }
    if (name.len > TOPIC_NAME_BYTES_MAX) {
        return TOPIC_NAME_TOO_LONG;
    }
    for (uint32_t i = 0; i < name.len; i++) {
        const uint8_t c = name.ptr[i];
        const uint8_t letter = c | 0x20;
        if (!(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' &&
            c != '-') {
            return TOPIC_NAME_BAD_CHAR;
        }
    }
    return TOPIC_NAME_OK;
}

bool topic_name_is_internal(struct bytes name)
{
    return equals(name, "__consumer_offsets") || equals(name, "__transaction_state") ||
           equals(name, "__share_group_state");
}
