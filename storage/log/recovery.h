/* Start of a data directory: take its lock, read what is there, repair what a crash left.
 *
 * Blocking; runs on ordinary threads before the cores start, one directory or partition per call,
 * several at a time. Reads nothing before it holds the directory's lock (H3), reads only behind the
 * checkpoints (H13), and durably zeroes everything behind the cut (H4).
 */
#ifndef STORAGE_LOG_RECOVERY_H
#define STORAGE_LOG_RECOVERY_H

#include "storage/io/file.h"
#include "storage/log/log.h"

struct data_directory {
    char path[1024];
    struct uuid directory_id;
    char cluster_id[64];
    int32_t node_id;
    int lock_fd; /* Also registered with every ring, so the lock outlives the process until its
                    last write has ended. */
    bool clean;  /* The last stop was clean. */
};

enum directory_status {
    DIRECTORY_OK,
    DIRECTORY_IN_USE,         /* Another process, or late writes of a dead one, hold the lock. */
    DIRECTORY_FOREIGN_FORMAT, /* meta.properties of another version. */
    DIRECTORY_WRONG_CLUSTER,  /* cluster.id or node.id differ from the first directory's. */
    DIRECTORY_NOT_EMPTY,      /* No meta.properties, but files that are not ours. */
    DIRECTORY_IO_ERROR,
};

/* Whether data_directory_open would refuse what lies there, and why; changes nothing, needs no
 * lock. Fills in the identity found; an absent or empty directory is fine and has none. */
MUST_USE enum directory_status data_directory_check(struct file_system *fs, const char *path,
                                                    const char *cluster_id, int32_t node_id,
                                                    struct data_directory *directory, char *reason,
                                                    size_t reason_bytes);

/* Creates the directory when absent, locks it, reads or writes meta.properties. cluster_id: the one
 * wanted, or "" when this is the first directory: an existing one is kept, a new one is made from
 * seed. lock_wait_ms: how long to wait for late writes of a dead process. reason: filled with one
 * sentence and the remedy on failure. */
MUST_USE enum directory_status data_directory_open(struct file_system *fs, const char *path,
                                                   const char *cluster_id, int32_t node_id,
                                                   uint64_t seed, uint32_t lock_wait_ms,
                                                   struct data_directory *directory, char *reason,
                                                   size_t reason_bytes);
void data_directory_close(struct file_system *fs, struct data_directory *directory);

/* Writes Kafka's recovery-point-offset-checkpoint and log-start-offset-checkpoint, then leaves the
 * mark of a clean stop (.kafka_cleanshutdown), durably: called once every core's log_finish is
 * back. data_directory_open reads it into `clean` and removes it. */
MUST_USE enum directory_status data_directory_mark_clean(struct file_system *fs,
                                                         const struct data_directory *directory);

/* One partition directory found. */
struct found_partition {
    char name[TOPIC_NAME_BYTES_MAX + 12]; /* <topic>-<n> */
    struct partition_id id;               /* From partition.metadata and the name. */
    bool has_id;                          /* partition.metadata says it. */
    int id_error;                         /* -errno: that file is there and could not be read. */
};

/* Lists the partition directories; finishes half-done deletions. The array is allocated and given
 * to the caller (free). Returns the count or -errno. */
MUST_USE int64_t data_directory_list(struct file_system *fs, const struct data_directory *directory,
                                     struct found_partition **found);

struct recovery_report {
    uint64_t read_bytes; /* Data read and checked. */
    uint64_t cut_bytes;  /* Bytes behind the last good batch that were not zero. */
    uint32_t segment_count;
    bool rebuilt_index;
};

/* Recovers one partition. *out is allocated and given to log_adopt or recovered_partition_free.
 * LOG_OK, LOG_IO_ERROR, LOG_CORRUPT ... */
MUST_USE enum log_status partition_recover(struct file_system *fs,
                                           const struct data_directory *directory,
                                           const struct found_partition *found,
                                           struct recovered_partition **out,
                                           struct recovery_report *report);
void recovered_partition_free(struct recovered_partition *recovered);
/* The largest leader epoch the log has seen, -1 none. */
int32_t recovered_partition_epoch(const struct recovered_partition *recovered);
/* Nothing was ever in its log. It may lie there as the making of it left it when the process was
 * killed, after a flush that failed: nobody knows whether any of it is durable. */
bool recovered_partition_fresh(const struct recovered_partition *recovered);

/* An unknown partition directory is set aside as <name>.<uuid>-stray, never deleted (H18). */
MUST_USE enum log_status data_directory_set_stray(struct file_system *fs,
                                                  const struct data_directory *directory,
                                                  const struct found_partition *found);

#endif
