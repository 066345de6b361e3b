/* Walks a segment file batch by batch, as recovery and lookups do: lengths, offsets, checksums.
 * Internal to storage/log. Blocking: not for cores. */
#ifndef STORAGE_LOG_RECOVERY_SCAN_H
#define STORAGE_LOG_RECOVERY_SCAN_H

#include "storage/io/file_ahead.h"
#include "storage/log/engine.h"

/* Reads a file through one aligned buffer. With `ahead`, what comes next is read into the rest of
 * it while what it holds is worked on; it then has room for several reads and the largest view. */
struct scan_window {
    struct file_system *fs;
    int fd;
    uint8_t *buffer;       /* Borrowed; page aligned. */
    uint32_t buffer_bytes; /* Of whole blocks, at least two. */
    uint64_t file_bytes;   /* Nothing is read behind it. */
    uint64_t from;         /* What the buffer holds: [from, from + len) of the file ... */
    uint32_t len;
    uint32_t start;      /* ... lies from here on. */
    uint64_t read_bytes; /* All reads together. */
    int error;
    uint32_t step_bytes;      /* Of one read, whole blocks; 0: what the buffer takes. */
    struct file_ahead *ahead; /* Borrowed; NULL: nothing is read ahead. */
    uint64_t ahead_to;        /* What begins from here on is not read ahead. */
    uint32_t pending;         /* So much is being read, behind what the buffer holds. */
};

/* Waits for what is being read ahead: before the buffer or the file goes. */
void scan_settle(struct scan_window *window);

/* At least min(want, rest of the file, buffer less a block) bytes from offset, as a view; fewer
 * only at the end of the file or after an error. */
struct bytes scan_view(struct scan_window *window, uint64_t offset, uint32_t want);

struct scan {
    struct scan_window window;
    uint64_t position;          /* Of the next batch. */
    int64_t next_offset;        /* Batches must not start before it, */
    int64_t offset_max;         /* nor end behind this; 0: anywhere. */
    struct batch_header header; /* Of the batch found last ... */
    uint64_t batch_position;    /* ... and where it starts. */
    bool old_magic;             /* It is a message of format 0 or 1. */
    bool check_crc;
};

/* The next whole, valid batch. False: at the cut (scan->position), or window.error is set. */
MUST_USE bool scan_next(struct scan *scan);

/* Opens for direct I/O, buffered where the file system has none (H15). */
MUST_USE int file_open_direct(struct file_system *fs, const char *path, unsigned mode);

/* Removes a directory and the files in it. */
MUST_USE int directory_remove(struct file_system *fs, const char *path);

#endif
