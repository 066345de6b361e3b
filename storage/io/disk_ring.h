/* The production twin of disk.h: one disk over one ring. What is here is for those who set a core
 * up and run its loop; the log engine knows disk.h only.
 *
 * Threads: created by any one thread before ring_start; then from the ring's thread.
 */
#ifndef STORAGE_IO_DISK_RING_H
#define STORAGE_IO_DISK_RING_H

#include "storage/base/histogram.h"
#include "storage/io/disk.h"
#include "storage/io/ring.h"

/* How DISK_WRITE_DURABLE is done (H12; figures: tests/bench/bench_disk.c). */
enum disk_durable_way {
    DISK_DURABLE_DSYNC,  /* One RWF_DSYNC write. */
    DISK_DURABLE_LINKED, /* A write, then fdatasync by a kernel worker. */
};

struct disk_options {
    uint32_t operation_count_max;
    uint32_t slot_count;     /* At most the ring's file_count_max. */
    uint32_t flush_delay_us; /* For labs: a flush or durable write is done that late at least,
                                counted from its submit. */
    enum disk_durable_way durable_way;
};

/* memory (borrowed) is where every buffer lies; it is registered with the ring where the memlock
 * limit allows, see ring_features. NULL only for want of memory. */
struct disk *disk_create(struct ring *ring, uint8_t *memory, uint64_t memory_bytes,
                         const struct disk_options *options);
/* Nothing may be under way. */
void disk_destroy(struct disk *disk);

/* Takes one event of RING_OWNER_DISK. */
void disk_complete(struct disk *disk, const struct ring_event *event, uint64_t now_ns);

/* Once a turn: tells the time and hands back what waited for the injected delay. Returns how many
 * operations can be fetched with disk_done. */
uint32_t disk_advance(struct disk *disk, uint64_t now_ns);
/* When disk_advance has something to hand back; UINT64_MAX: never. */
uint64_t disk_next_deadline_ns(const struct disk *disk);

/* Of one kind of operation. */
struct disk_kind_counters {
    uint64_t operations; /* Ended, errors included. */
    uint64_t bytes;
    uint64_t errors;
    struct histogram latency_ns; /* Submit to done, as the turn's clock sees it. */
};

struct disk_counters {
    struct disk_kind_counters kinds[4]; /* By enum disk_op_kind. */
    uint64_t continued;                 /* Short transfers that went on. */
    uint64_t retried;                   /* EAGAIN, EINTR. */
    uint64_t under_way;
};

const struct disk_counters *disk_counters(const struct disk *disk);

#endif
