/* A simulated machine: file systems with volatile device caches, processes, virtual time.
 *
 * Stands below the twins of storage/io (sim_file.c, sim_disk.c, sim_housekeeping.c), so that the
 * production log engine runs on it unchanged. Everything is decided by the seed: in which order
 * writes land, how long things take, which unflushed sectors a power cut keeps. Any number of
 * machines may live in one process; they share nothing.
 *
 * The device model is stated in storage/README.md. In short:
 * - A sector of 512 bytes is old or new, never between; a block of 4 KiB may tear between sectors.
 * - A write that is done may sit in the device's cache; a power cut keeps any subset of unflushed
 *   sectors, each in any of the versions written since its last flush.
 * - A write's buffer is read at any moment between submit and done.
 * - kill -9 loses nothing that is done; writes under way land later, or never.
 * - Names are durable after the sync of their directory, sizes and extents after the sync of their
 *   file; before, a power cut keeps any subset that respects the order within a directory or file.
 *
 * Crashes: at a crash the process is dead at once. Code of it that still runs (the crash came from
 * inside a call) sees -EIO from every file call and no completion, and changes nothing. The harness
 * looks at sim_process_alive after each step and must ignore what a dead process says.
 *
 * Threads: none; one machine is used from one thread at a time.
 */
#ifndef TESTS_SIM_SIM_MACHINE_H
#define TESTS_SIM_SIM_MACHINE_H

#include "storage/io/file.h"

struct sim_machine;
struct sim_process;

struct sim_range {
    uint64_t min_ns;
    uint64_t max_ns;
};

/* Zero everywhere but in seed is a good default. */
struct sim_options {
    uint64_t seed;
    uint64_t start_ns;          /* Virtual time at creation; 0: one second. */
    struct sim_range write;     /* Submit to done. 0: 5 to 200 us, now and then ten times that. */
    struct sim_range read;      /* 0: 5 to 200 us. */
    struct sim_range flush;     /* 0: 50 to 2000 us. */
    struct sim_range call;      /* One blocking file call. 0: 1 to 100 us. */
    struct sim_range pause;     /* Of a helper thread between two jobs, now and then. 0: none. */
    uint64_t late_max_ns;       /* How long writes of a dead process land on. 0: 60 ms. */
    bool flush_covers_device;   /* What disk_flush_covers_device says, and does. */
    bool garbage;               /* In-flight sectors that held zeros may become garbage. */
    bool boundaries_unrecorded; /* Count boundaries, but keep no list of them. */
};

struct sim_machine *sim_machine_create(const struct sim_options *options);
/* Frees everything, processes too. */
void sim_machine_destroy(struct sim_machine *machine);

/* ---- Time ----------------------------------------------------------------------------------- */

uint64_t sim_machine_now_ns(const struct sim_machine *machine);
/* When the next thing happens by itself (a write lands, a job runs ...); UINT64_MAX: never. */
uint64_t sim_machine_next_ns(const struct sim_machine *machine);
/* Moves to the next such moment and lets one thing happen. False when there is none. */
bool sim_machine_step(struct sim_machine *machine);
/* Lets everything up to until_ns happen; time is until_ns then. */
void sim_machine_advance(struct sim_machine *machine, uint64_t until_ns);
/* From now on flushes and syncs take this long: a device that has become slow. */
void sim_machine_set_flush(struct sim_machine *machine, struct sim_range flush);
/* A draw from the machine's own randomness. */
uint64_t sim_machine_random(struct sim_machine *machine);

/* ---- Processes ------------------------------------------------------------------------------ */

struct sim_process *sim_process_start(struct sim_machine *machine);
struct file_system *sim_process_files(struct sim_process *process);
bool sim_process_alive(const struct sim_process *process);
/* Virtual time its blocking calls outside of jobs took so far; the harness may advance by it. */
uint64_t sim_process_spent_ns(const struct sim_process *process);
/* kill -9. Its disks and ports stay valid memory, and mute, until sim_process_end. */
void sim_process_kill(struct sim_process *process);
/* Ends it (as a kill where it is alive) and frees it with its disks and ports. */
void sim_process_end(struct sim_process *process);

/* ---- Crashes -------------------------------------------------------------------------------- */

enum sim_crash {
    SIM_CRASH_KILL,     /* kill -9 of the process at the boundary. */
    SIM_CRASH_KILL_ALL, /* kill -9 of every process. */
    SIM_CRASH_POWER,
};

/* Power goes and comes back: all processes are dead, the files are what survived. */
void sim_machine_power_cut(struct sim_machine *machine);

/* A moment at which the world outside the process changes: one before each such change. */
enum sim_operation {
    SIM_ANY, /* In faults only: each of the following. */
    SIM_READ,
    SIM_WRITE, /* Boundary: each landing of a part of a disk write, each file_write. */
    SIM_FLUSH, /* Boundary: the end of a disk flush, each file_sync. */
    SIM_DONE,  /* Boundary only: a disk operation is handed back. */
    SIM_OPEN,
    SIM_CREATE,
    SIM_TRUNCATE,
    SIM_RESERVE,
    SIM_RENAME,
    SIM_UNLINK,
    SIM_MAKE_DIRECTORY,
    SIM_REMOVE_DIRECTORY,
    SIM_SYNC_DIRECTORY,
    SIM_LIST,
    SIM_LOCK,
    SIM_SPACE,
    SIM_OPERATIONS,
};

struct sim_boundary {
    enum sim_operation operation;
    uint32_t process; /* 0, 1 ... in the order started. */
    uint64_t offset;
    uint64_t len;
    char path[112]; /* The end of it where it is longer. */
};

/* Boundaries passed since creation. */
uint64_t sim_machine_boundary_count(const struct sim_machine *machine);
/* View until the next boundary; NULL when unrecorded. index < count. */
const struct sim_boundary *sim_machine_boundary(const struct sim_machine *machine, uint64_t index);
/* Crashes before boundary `index` (counted since creation) takes effect; one crash at a time is
 * armed. UINT64_MAX disarms. */
void sim_machine_crash_at(struct sim_machine *machine, uint64_t index, enum sim_crash crash);

/* ---- Faults --------------------------------------------------------------------------------- */

/* A data directory on its own block device. Device 0 holds everything else. Returns its number. */
uint32_t sim_machine_add_device(struct sim_machine *machine, const char *path);
/* error (ENOSPC, EDQUOT) is what an operation gets that would take more than bytes together. */
void sim_device_set_capacity(struct sim_machine *machine, uint32_t device, uint64_t bytes,
                             int error);
void sim_device_set_read_only(struct sim_machine *machine, uint32_t device, bool read_only);
/* Every operation on a dead device fails with EIO, open files included. */
void sim_device_set_dead(struct sim_machine *machine, uint32_t device, bool dead);

struct sim_fault {
    enum sim_operation operation; /* SIM_DONE never matches. */
    int error;                    /* EIO ... */
    uint32_t skip;                /* Matching operations to let pass first. */
    uint32_t count;               /* How many fail then; 0: all. */
    char path[64];                /* Part of the path, "" any: ".log", "orders-0/" ... */
};

/* A failed write may have written any part; after a failed flush nothing it should have covered
 * will ever be made durable by a later flush. */
void sim_machine_add_fault(struct sim_machine *machine, const struct sim_fault *fault);
void sim_machine_clear_faults(struct sim_machine *machine);

/* ---- The files as the device has them: no faults, no boundaries ----------------------------- */

/* Tells the names in a directory, sorted. 0, or -ENOENT when there is no such directory. */
int sim_machine_list(struct sim_machine *machine, const char *path,
                     void (*each)(void *context, const char *name, bool directory), void *context);
/* Size in bytes, or -ENOENT. */
int64_t sim_machine_file_size(struct sim_machine *machine, const char *path);
/* Reads what a read would return now. Bytes copied or -ENOENT. */
int64_t sim_machine_peek(struct sim_machine *machine, const char *path, void *to, uint64_t size,
                         uint64_t offset);
/* Changes stored bytes behind everybody's back, durably: bit rot, hostile files. Inside the file's
 * size. 0 or -ENOENT. */
int sim_machine_poke(struct sim_machine *machine, const char *path, const void *from, uint64_t size,
                     uint64_t offset);
int sim_machine_flip_bit(struct sim_machine *machine, const char *path, uint64_t offset,
                         uint32_t bit);

struct sim_counters {
    uint64_t reads; /* Of disks. */
    uint64_t writes;
    uint64_t written_bytes;
    uint64_t flushes;
    uint64_t flushes_of_written; /* ... of a file that has been written and not flushed. */
    uint64_t file_calls;
    uint64_t
        overlapped_writes; /* Submitted over a block that another write is under way to (H2). */
    uint64_t late_writes;  /* Landed after their process was dead (H3). */
    uint64_t lost_sectors; /* A power cut kept an older version. */
    uint64_t torn_blocks;  /* ... of some sectors of a block. */
    uint64_t garbage_sectors;
    uint64_t failed_operations; /* By faults, capacity, dead devices. */
    uint64_t power_cuts;
    uint64_t kills;
};

const struct sim_counters *sim_machine_counters(const struct sim_machine *machine);

/* A hash of all names and contents as reads see them: two runs of one seed agree. */
uint64_t sim_machine_digest(struct sim_machine *machine);

/* ASSERTs what must always hold of the model. */
void sim_machine_invariants(const struct sim_machine *machine);

#endif
