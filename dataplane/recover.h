/* Start of the data directories: lock, list, recover all partitions on ordinary threads.
 *
 * Runs beside the start of DPDK (H13). What is found is told to control; what its first snapshot
 * knows is adopted by the cores' logs, the rest is set aside, and nothing is deleted (H18).
 *
 * Threads: all calls from one ordinary thread, before the cores run.
 */
#ifndef DATAPLANE_RECOVER_H
#define DATAPLANE_RECOVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/journal.h"
#include "dataplane/slowpath/session.h"
#include "dataplane/slowpath/snapshot.h"
#include "storage/log/recovery.h"

enum {
    RECOVER_THREADS_MAX = 8,
};

struct recover_partition {
    struct found_partition found;
    uint16_t directory;
    enum log_status status;
    struct recovered_partition *recovered; /* NULL: not recovered, or given to a log. */
    struct recovery_report report;
};

struct recover {
    struct file_system *fs;
    struct journal *journal;
    uint32_t directory_count;
    struct data_directory directories[LOG_DIRECTORIES_MAX];
    bool failed[LOG_DIRECTORIES_MAX]; /* Could not be opened: its partitions are fenced. */
    struct recover_partition *partitions;
    uint64_t partition_count;
    _Atomic uint64_t next; /* Which partition the next free thread takes. */
    uint32_t thread_count;
    pthread_t threads[RECOVER_THREADS_MAX];
    uint64_t began_ns;
};

struct recover_options {
    struct file_system *fs;  /* Borrowed until recover_close. */
    struct journal *journal; /* Borrowed likewise. */
    uint32_t directory_count;
    const char *const *directory_paths;
    int32_t node_id;
    uint64_t seed;
    uint32_t lock_wait_ms;
};

enum recover_status {
    RECOVER_OK,
    RECOVER_REFUSED, /* Would fail in the same way again: format, cluster, lock. */
    RECOVER_FAILED,  /* None of the directories can be read. */
};

/* Opens and locks all directories. One that cannot be read, beside others that can, is marked
 * failed. On failure everything is closed again and reason holds a sentence with the remedy. */
MUST_USE enum recover_status recover_open(struct recover *recover,
                                          const struct recover_options *options, char *reason,
                                          size_t reason_bytes);

/* Lists and recovers every partition, on thread_count threads; recover_wait helps and joins them.
 * 0: all is done in recover_wait, by the caller (simulation). */
void recover_begin(struct recover *recover, uint32_t thread_count);
void recover_wait(struct recover *recover);

/* Fills what a session's first words say of the data directories and what lies in them, into room
 * for LOG_DIRECTORIES_MAX directories and recover->partition_count partitions. After recover_wait,
 * before recover_adopt. */
void recover_tell(const struct recover *recover, struct session_setup *setup,
                  struct session_directory *directories, struct session_partition *partitions);

/* Gives every recovered partition that the snapshot knows to the log of its core, and sets the
 * others aside as stray. */
void recover_adopt(struct recover *recover, const struct snapshot *snapshot,
                   struct log *const *logs, uint32_t core_count);

/* Lets go of directories and memory. clean: every log finished; the directories get the mark of a
 * clean stop. */
void recover_close(struct recover *recover, bool clean);

#endif
