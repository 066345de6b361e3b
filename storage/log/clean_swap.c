/* A compacted group takes the place of its segments, on the housekeeping thread.
 *
 * Its files are whole and synced. Names change one by one, in this order, and recovery
 * (recovery_swap.c) knows what each stage means:
 *   .cleaned -> .swap, directory synced   before: the old ones count; after: the new ones
 *   old -> .deleted, the oldest first     the new ones are finished by a start
 *   .swap -> final, the log first
 *   directory synced                      the old ones may be unlinked
 * A rename that fails before the first sync is over takes all back; after it, it is tried again.
 */
#include <errno.h>

#include "storage/log/clean.h"

static const enum segment_file files[] = {SEGMENT_LOG, SEGMENT_INDEX, SEGMENT_TIME_INDEX,
                                          SEGMENT_TXN_INDEX};

static int rename_one(struct job *job, struct file_system *fs, int64_t base, enum segment_file file,
                      enum segment_mark from, enum segment_mark to)
{
    char from_path[PATH_BYTES];
    char to_path[PATH_BYTES];
    path_segment(job->partition, base, file, from, from_path);
    path_segment(job->partition, base, file, to, to_path);
    const int error = file_rename(fs, from_path, to_path);
    return error == -ENOENT ? 0 : error; /* Not every segment has every file. */
}

static int sync_names(struct job *job, struct file_system *fs)
{
    char path[PATH_BYTES];
    return job_sync_directory(job, fs, path_partition(job->partition, path));
}

int clean_unlink_output(struct job *job, struct file_system *fs)
{
    const struct clean_work *work = &job->log->cleaner->work;
    static const enum segment_mark marks[] = {SEGMENT_SWAP, SEGMENT_CLEANED};
    char path[PATH_BYTES];
    int first_error = 0;
    for (size_t m = 0; m < ARRAY_SIZE(marks); m++) {
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
            path_segment(job->partition, work->output.base_offset, files[i], marks[m], path);
            const int error = file_unlink(fs, path);
            if (error != 0 && error != -ENOENT && first_error == 0) {
                first_error = error;
            }
        }
    }
    return first_error;
}

/* Up to the point from which on the new ones count. */
static int commit(struct job *job, struct file_system *fs)
{
    const int64_t base = job->log->cleaner->work.output.base_offset;
    int error = 0;
    for (size_t i = 0; i < ARRAY_SIZE(files) && error == 0; i++) {
        error = rename_one(job, fs, base, files[i], SEGMENT_CLEANED, SEGMENT_SWAP);
    }
    return error == 0 ? sync_names(job, fs) : error;
}

/* Rename number step behind that point; false: there are no more. */
static bool step_of(const struct cleaner *cleaner, uint32_t step, int64_t *base,
                    enum segment_file *file, bool *leaving)
{
    const struct clean_work *work = &cleaner->work;
    const uint32_t per_segment = ARRAY_SIZE(files);
    const uint32_t leave = (work->group_end - work->group_first) * per_segment;
    *leaving = step < leave;
    *file = files[step % per_segment];
    *base = *leaving ? cleaner->sources[work->group_first + step / per_segment].base_offset
                     : work->output.base_offset;
    return step < leave + per_segment;
}

void clean_swap_run(struct job *job, struct file_system *fs)
{
    const struct cleaner *cleaner = job->log->cleaner;
    struct clean_work *work = &job->log->cleaner->work;
    if (!work->committed) {
        job->error = job_doubts(job) ? -EIO : commit(job, fs);
        if (job->error != 0) {
            const int error = clean_unlink_output(job, fs);
            (void)error; /* Tried once more at the end. */
            return;
        }
        work->committed = true;
        work->swap_step = 0;
    }
    int64_t base;
    enum segment_file file;
    bool leaving;
    while (step_of(cleaner, work->swap_step, &base, &file, &leaving)) {
        job->error = leaving ? rename_one(job, fs, base, file, SEGMENT_LIVE, SEGMENT_DELETED)
                             : rename_one(job, fs, base, file, SEGMENT_SWAP, SEGMENT_LIVE);
        if (job->error != 0) {
            return;
        }
        work->swap_step++;
    }
    job->error = sync_names(job, fs);
    work->finished = job->error == 0;
}
