/* A log engine on a simulated machine, for the tests of storage/log: start, crash, recover, and a
 * model of what was handed in and acknowledged to hold against what can be read. */
#ifndef TESTS_STORAGE_LOG_RIG_H
#define TESTS_STORAGE_LOG_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/log/log.h"
#include "storage/log/recovery.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_housekeeping.h"
#include "tests/sim/sim_machine.h"
#include "tests/storage/log/kafka_config.h"

enum {
    RIG_PARTITIONS = 4,
    RIG_DIRECTORIES = 2,
    RIG_APPENDS = 512,
};

/* One batch handed in, and what became of it. */
struct rig_append {
    struct append append;
    struct bytes piece;
    uint8_t *bytes; /* Allocated; NULL: free. */
    uint32_t partition;
    uint32_t records;
    int64_t number;
    bool lent;
    bool answered;
};

struct rig_options {
    struct sim_options sim;
    struct partition_config config;
    uint64_t arena_bytes;
    uint32_t partitions;
    uint32_t directories;
    uint32_t open_files;
    uint32_t producers;
    uint32_t disk_operations;
    uint32_t partition_count_max; /* 0: 16. */
    bool separate_devices;
    bool no_transactions;
};

struct rig {
    struct rig_options options;
    struct sim_machine *machine;
    struct sim_process *process;
    struct file_system *fs;
    struct disk *disk;
    struct housekeeping_port *housekeeping;
    struct housekeeping_port *validation;
    uint8_t *arena;
    struct log *log;
    struct log_shared log_shared;
    struct data_directory directories[RIG_DIRECTORIES];
    uint32_t devices[RIG_DIRECTORIES];
    struct partition *partitions[RIG_PARTITIONS];
    struct log_operation operations[RIG_PARTITIONS];
    struct recovery_report reports[RIG_PARTITIONS];
    int32_t epochs[RIG_PARTITIONS];
    struct rig_append appends[RIG_APPENDS];
    uint32_t append_count;
    int64_t numbers; /* Gives each batch its contents. */
    bool clean;
    int64_t wall_ms;
    uint32_t starts;
    uint32_t advanced; /* Told of so often. */
};

struct rig_options rig_options(uint64_t seed);

/* Makes the machine, starts the process and creates the partitions. */
void rig_create(struct rig *rig, const struct rig_options *options);
void rig_destroy(struct rig *rig);

/* Starts a process: recovers what is there. False: it died on the way. */
bool rig_start(struct rig *rig);
/* The process dies; what it had is forgotten. */
void rig_kill(struct rig *rig);
void rig_power_cut(struct rig *rig);
/* log_finish and the end of the process. */
void rig_stop(struct rig *rig);

/* One turn of the core, then the machine goes on a step. False: the process is dead. */
bool rig_turn(struct rig *rig);
/* Turns until nothing is under way, or the process is dead. */
void rig_settle(struct rig *rig);
/* Turns for that much virtual time. */
void rig_run_ms(struct rig *rig, uint64_t ms);

/* Hands in a batch; contents follow from its number. Returns the slot. */
struct rig_batch {
    uint32_t partition;
    uint32_t records;
    uint32_t value_bytes;
    enum append_ack ack;
    int64_t producer_id; /* 0: none. */
    int16_t producer_epoch;
    int32_t sequence;
    int64_t timestamp_ms; /* 0: now. */
    enum batch_codec codec;
    uint16_t attributes;
    bool unverified;     /* Transactional, and the coordinator was not asked. */
    int64_t asked_end;   /* ... or was, when the log ended there; 0: just now. */
    bool epoch_each;     /* Of a client of transaction.version 2. */
    uint32_t keys;       /* So many different ones, as rig_key says; 0: one. */
    uint32_t tombstones; /* Every so manieth record of the rig has no value; 0: none. */
};
/* Which key the record of a batch has; true: it has no value. */
uint32_t rig_key(const struct rig_batch *batch, int64_t number, uint32_t record);
bool rig_tombstone(const struct rig_batch *batch, int64_t number, uint32_t record);
struct rig_append *rig_append(struct rig *rig, const struct rig_batch *batch);
/* The same, and waits for its answer. */
struct rig_append *rig_append_wait(struct rig *rig, const struct rig_batch *batch);
/* Hands in a transaction's marker. */
struct rig_marker {
    uint32_t partition;
    enum append_ack ack;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    bool commit;
    bool epoch_each; /* Of a client of transaction.version 2. */
};
struct rig_append *rig_mark(struct rig *rig, const struct rig_marker *marker);
/* Hands the same bytes in again. */
struct rig_append *rig_repeat(struct rig *rig, const struct rig_append *original,
                              enum append_ack ack);
/* Simplest form: one record of that size into partition 0. */
struct rig_append *rig_put(struct rig *rig, uint32_t value_bytes, enum append_ack ack);

/* Reads [offset, upper) of the partition as one run of batches; *len bytes are at the result, to be
 * freed. Waits. */
uint8_t *rig_read(struct rig *rig, uint32_t partition, int64_t offset, int64_t upper,
                  uint32_t bytes_max, uint32_t *len, enum log_status *status);

/* The next such operation on a file with that in its path fails with EIO. */
void rig_fail_once(struct rig *rig, enum sim_operation operation, const char *path);
/* Another core is told of a failed flush of the first directory's device, and tells it. */
void rig_other_core_fails(struct rig *rig);

/* The whole file, to be freed; NULL when there is none. */
uint8_t *rig_file(struct rig *rig, const char *path, uint32_t *len);

/* What Kafka's DumpLogSegments demands of a segment that is not written to any more: the file ends
 * with its last batch, every .index entry is a batch's last offset at that batch, every .timeindex
 * entry a batch's last offset with its largest timestamp, both growing (H9). */
void rig_check_segment(struct rig *rig, uint32_t partition, int64_t base_offset);

/* Reads everything and holds it against the model: offsets dense, batches right, every acknowledged
 * batch there at its offset, none twice, every producer's sequences in order; the last stable
 * offset and the aborted transactions are those of the log. */
void rig_check(struct rig *rig);
/* The same after a restart: what was not acknowledged may or may not be there. flushed_only: only
 * acks=all must have survived (power cut). */
void rig_check_after(struct rig *rig, bool flushed_only);

#endif
