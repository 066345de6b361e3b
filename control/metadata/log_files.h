/* Names and small files of the metadata log's directory. */
#ifndef CONTROL_METADATA_LOG_FILES_H
#define CONTROL_METADATA_LOG_FILES_H

#include "control/metadata/log.h"

#define LOG_DIRECTORY_NAME "__cluster_metadata-0"

enum {
    LOG_NAME_BYTES = 64,
    LOG_NAMES_MAX = 256, /* Of one kind in a directory; a healthy one holds one or two. */
};

struct checkpoint_name {
    int64_t end_offset;
    int32_t epoch;
};

/* Both sorted, ascending. */
struct log_names {
    int64_t segments[LOG_NAMES_MAX];
    uint32_t segment_count;
    struct checkpoint_name checkpoints[LOG_NAMES_MAX];
    uint32_t checkpoint_count;
};

/* The path of a file in the log's directory. */
void log_path(const struct metadata_log *log, char path[METADATA_PATH_BYTES], const char *name);

/* Of its last file, of a directory, of a small file as a whole: one that fails is told to the
 * cores. 0 or -errno. */
MUST_USE int log_sync(const struct metadata_log *log);
MUST_USE int log_sync_directory(const struct metadata_log *log, const char *path);
MUST_USE int log_replace(const struct metadata_log *log, const char *path, struct bytes content);

void log_segment_name_write(char name[LOG_NAME_BYTES], int64_t base);
void log_checkpoint_name_write(char name[LOG_NAME_BYTES], const struct checkpoint_name *checkpoint);

/* Whether a name is one of the log's, strictly: digits and suffix, nothing else. */
MUST_USE bool log_segment_name_parse(const char *name, int64_t *base);
MUST_USE bool log_checkpoint_name_parse(const char *name, struct checkpoint_name *checkpoint);

/* 0 or -errno; -EFBIG when there are more than LOG_NAMES_MAX of a kind. */
MUST_USE int log_names_list(const struct metadata_log *log, struct log_names *names);

void log_file_remove(const struct metadata_log *log, const char *name);

/* quorum-state (QuorumStateData.json). Read: 0 and *epoch untouched when it is absent or damaged,
 * because the batches' own epochs say enough. */
MUST_USE int quorum_state_read(const struct metadata_log *log, int32_t *epoch);
MUST_USE int quorum_state_write(const struct metadata_log *log);

#endif
