/* Segment files as the offline tools read them: whole, through a mapping. */
#ifndef TOOLS_LOG_FILES_H
#define TOOLS_LOG_FILES_H

#include "storage/log/segment_name.h"
#include "storage/record/batch.h"

enum { LOG_PATH_BYTES = 4096 };

/* A file in memory; read only. */
struct log_map {
    struct bytes bytes;
    void *mapping; /* NULL for an empty file. */
};

/* False with errno. */
MUST_USE bool log_map_open(const char *path, struct log_map *map);
void log_map_close(struct log_map *map);

/* The .log beside a file of the same segment; false with errno. */
MUST_USE bool log_map_beside(const char *path, int64_t base_offset, enum segment_file file,
                             struct log_map *map);

/* True when all bytes are zero. */
bool log_all_zero(struct bytes bytes);

/* How the batches of a .log file end. */
enum log_end {
    LOG_END_CLEAN, /* With the file. */
    LOG_END_ZEROS, /* Zeros follow: an active segment, or one of a killed process. */
    LOG_END_TORN,  /* Something else follows. */
};

/* Walks the batches of a .log. */
struct log_walk {
    struct bytes rest;
    uint32_t position; /* Of the batch that was given out last; then of what follows it. */
    uint32_t next;
};

static inline struct log_walk log_walk_of(struct bytes file)
{
    return (struct log_walk){.rest = file};
}

/* The next batch; false at the end. Checks lengths and magic, not the checksum. */
MUST_USE bool log_walk_next(struct log_walk *walk, struct batch_header *header,
                            struct bytes *batch);

/* What follows the last batch given out, once log_walk_next said false. */
enum log_end log_walk_end(const struct log_walk *walk);

/* The file's name without directories. */
const char *log_base_name(const char *path);

/* The kind of a file by its name; false when it is no file of a segment. */
MUST_USE bool log_kind(const char *path, struct segment_name *name);

/* The last partition directory of a walk, or any other directory: calls `take` with each entry's
 * path in order of names. False with errno, or when take says false. */
MUST_USE bool log_each_entry(const char *directory,
                             bool (*take)(void *context, const char *path, bool is_directory),
                             void *context);

#endif
