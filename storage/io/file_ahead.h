/* One read of a file under way while the one who wants it does something else, the sleeping way:
 * for jobs that read more than they work on (file.h).
 *
 * The production twin is file_ahead.c, a thread that reads; in simulation the read happens at once
 * or when it is fetched, as the seed wills.
 *
 * Threads: one at a time.
 */
#ifndef STORAGE_IO_FILE_AHEAD_H
#define STORAGE_IO_FILE_AHEAD_H

#include "storage/io/file.h"

struct file_ahead;

/* NULL: no memory, or no thread to be had. fs is borrowed until stop. The thread runs where, and
 * with the priority with which, the caller's does. */
struct file_ahead *file_ahead_start(struct file_system *fs);

/* As file_read; what it returns, finish does. Nothing is under way. Memory and descriptor are lent
 * until finish or stop. */
void file_ahead_begin(struct file_ahead *ahead, int fd, void *to, uint64_t size, uint64_t offset);

/* Waits for the read begun last, which is not yet fetched. */
MUST_USE int64_t file_ahead_finish(struct file_ahead *ahead);

/* Waits for what is under way. NULL: nothing happens. */
void file_ahead_stop(struct file_ahead *ahead);

#endif
