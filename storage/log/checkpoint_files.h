/* The small text files of a data directory, in Kafka's formats: bytes in, values out.
 *
 *   recovery-point-offset-checkpoint, replication-offset-checkpoint, log-start-offset-checkpoint,
 *   cleaner-offset-checkpoint:  0 \n count \n then lines "topic partition offset"
 *   leader-epoch-checkpoint:    0 \n count \n then lines "epoch start-offset"
 *   partition.metadata:         "version: 0\ntopic_id: <22 characters>"
 *   meta.properties:            Java properties, version=1, cluster.id, node.id, directory.id
 *
 * (CheckpointFile.java, OffsetCheckpointFile.java, LeaderEpochCheckpointFile.java,
 * PartitionMetadataFile.java, MetaProperties.java.) Readers are strict: anything unexpected is an
 * error with its line number; an entirely empty checkpoint is an empty list, as in Kafka. Writers
 * produce the bytes only; the caller writes a temporary file, flushes and renames. Pure; any
 * thread.
 */
#ifndef STORAGE_LOG_CHECKPOINT_FILES_H
#define STORAGE_LOG_CHECKPOINT_FILES_H

#include "storage/base/text.h"
#include "storage/base/uuid.h"

enum checkpoint_status {
    CHECKPOINT_OK,
    CHECKPOINT_END,      /* No more entries, and as many were there as the file says. */
    CHECKPOINT_BAD_LINE, /* A line that is not what must stand there. */
    CHECKPOINT_FOREIGN,  /* A version this program does not know. */
    CHECKPOINT_COUNT,    /* More or fewer entries than the second line says. */
    CHECKPOINT_MISSING,  /* A required key is absent. */
};

/* Reads the entries of a checkpoint one by one. An error may come after entries were read: apply
 * them only when CHECKPOINT_END was seen. */
struct checkpoint_reader {
    struct bytes rest;
    uint32_t line; /* Number of the last line read, from 1. */
    uint32_t left; /* Entries still expected. */
};

/* CHECKPOINT_OK, _BAD_LINE or _FOREIGN. reader->line is the line in question. */
MUST_USE enum checkpoint_status checkpoint_open(struct checkpoint_reader *reader,
                                                struct bytes file);

struct checkpoint_offset {
    struct bytes topic; /* View into the file. */
    int32_t partition;
    int64_t offset;
};

struct checkpoint_epoch {
    int32_t epoch;
    int64_t start_offset;
};

MUST_USE enum checkpoint_status checkpoint_next_offset(struct checkpoint_reader *reader,
                                                       struct checkpoint_offset *entry);
/* Epochs and start offsets are at least 0; that both grow is the epoch cache's matter. */
MUST_USE enum checkpoint_status checkpoint_next_epoch(struct checkpoint_reader *reader,
                                                      struct checkpoint_epoch *entry);

/* Writing: the first two lines, then one line per entry. The text says by `full` if it did not fit.
 */
void checkpoint_write_head(struct text *text, uint32_t count);
void checkpoint_write_offset(struct text *text, const struct checkpoint_offset *entry);
void checkpoint_write_epoch(struct text *text, const struct checkpoint_epoch *entry);

/* partition.metadata. Kafka writes no newline at the end; one is accepted. A zero id is refused. */
MUST_USE enum checkpoint_status partition_metadata_parse(struct bytes file, struct uuid *topic_id,
                                                         uint32_t *line);
void partition_metadata_write(struct text *text, struct uuid topic_id);

enum { META_CLUSTER_ID_BYTES = 128 };

struct meta_properties {
    char
        cluster_id[META_CLUSTER_ID_BYTES]; /* NUL-terminated; any text in Kafka, normally a uuid. */
    int32_t node_id;
    bool has_directory_id;
    struct uuid directory_id;
};

/* Java's property syntax: comments, '=' ':' or blank between key and value, escapes, continued
 * lines. Keys this program does not know are ignored, as Kafka does. *line is the line in question,
 * 0 when a key is missing. */
MUST_USE enum checkpoint_status
meta_properties_parse(struct bytes file, struct meta_properties *properties, uint32_t *line);
void meta_properties_write(struct text *text, const struct meta_properties *properties);

/* A few words for messages. */
const char *checkpoint_status_name(enum checkpoint_status status);

#endif
