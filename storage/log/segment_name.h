/* Names of files and directories in a data directory (Kafka's LogFileUtils.java, LocalLog.java,
 * Topic.java). Pure; any thread. */
#ifndef STORAGE_LOG_SEGMENT_NAME_H
#define STORAGE_LOG_SEGMENT_NAME_H

#include "storage/base/bytes.h"
#include "storage/base/uuid.h"

enum {
    SEGMENT_NAME_BYTES = 64, /* 20 digits, the longest suffixes and a NUL. */
    TOPIC_NAME_BYTES_MAX = 249,
    PARTITION_DIR_BYTES = 256, /* The longest directory name and a NUL. */
};

enum segment_file {
    SEGMENT_LOG,        /* .log */
    SEGMENT_INDEX,      /* .index */
    SEGMENT_TIME_INDEX, /* .timeindex */
    SEGMENT_TXN_INDEX,  /* .txnindex */
    SEGMENT_SNAPSHOT,   /* .snapshot */
    SEGMENT_PRODUCERS,  /* .producers: ours, beside a .snapshot */
    SEGMENT_FILES,
};

/* The state a second suffix tells. */
enum segment_mark {
    SEGMENT_LIVE,    /* No second suffix. */
    SEGMENT_DELETED, /* .deleted: to be removed. */
    SEGMENT_CLEANED, /* .cleaned: unfinished output of compaction. */
    SEGMENT_SWAP,    /* .swap: finished output on its way in. */
    SEGMENT_MARKS,
};

struct segment_name {
    int64_t base_offset;
    enum segment_file file;
    enum segment_mark mark;
};

/* Writes e.g. "00000000000000000042.log" and a NUL. base_offset >= 0. */
void segment_name_format(struct segment_name name, char text[SEGMENT_NAME_BYTES]);

/* False when the text is not such a name: exactly 20 digits within int64 and known suffixes. */
MUST_USE bool segment_name_parse(struct bytes text, struct segment_name *name);

enum partition_dir_mark {
    PARTITION_DIR_LIVE,   /* <topic>-<n> */
    PARTITION_DIR_DELETE, /* <topic>-<n>.<32 hex digits>-delete, the topic perhaps cut short */
    PARTITION_DIR_STRAY,  /* ...-stray, likewise */
    PARTITION_DIR_FUTURE, /* ...-future */
};

struct partition_dir {
    struct bytes topic; /* View into the parsed text. May be cut short when marked. */
    int32_t partition;
    enum partition_dir_mark mark;
};

/* Writes the directory's name and a NUL, and returns its length; 0 when a live or future name would
 * be longer than a file name may be. unique becomes 32 hex digits in marked names; names marked
 * delete or stray are kept within 255 bytes by cutting the topic. */
uint32_t partition_dir_format(const struct partition_dir *dir, struct uuid unique,
                              char text[PARTITION_DIR_BYTES]);

/* False when the text is not the name of a partition's directory: a valid topic name, a dash, a
 * number without needless zeros, and the suffix if any. */
MUST_USE bool partition_dir_parse(struct bytes text, struct partition_dir *dir);

enum topic_name_status {
    TOPIC_NAME_OK,
    TOPIC_NAME_EMPTY,
    TOPIC_NAME_DOTS,     /* "." or ".." */
    TOPIC_NAME_TOO_LONG, /* Over 249. */
    TOPIC_NAME_BAD_CHAR, /* Not ASCII letters, digits, '.', '_', '-'. */
};

MUST_USE enum topic_name_status topic_name_check(struct bytes name);

/* True for the topics only brokers write: __consumer_offsets, __transaction_state,
 * __share_group_state. */
bool topic_name_is_internal(struct bytes name);

#endif
