/* Latency histogram: log-linear buckets, at most 1/64 relative error, fixed size.
 *
 * Values below 128 have a bucket each; above that every power of two is split into 64 equal ones,
 * up to 2^42 (73 minutes in ns); larger values count in the last bucket, and max stays exact.
 * All-zero is a valid empty histogram. Not thread-safe and without atomics: one writer; a reader on
 * another thread may see a value a little old.
 */
#ifndef STORAGE_BASE_HISTOGRAM_H
#define STORAGE_BASE_HISTOGRAM_H

#include "storage/base/check.h"

enum {
    HISTOGRAM_STEPS_LOG2 = 6, /* 64 buckets per power of two. */
    HISTOGRAM_VALUE_LOG2 = 42,
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_LOG2 - HISTOGRAM_STEPS_LOG2 + 1) << HISTOGRAM_STEPS_LOG2,
};

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t sum;
    uint64_t max;
};

void histogram_record(struct histogram *histogram, uint64_t value);
void histogram_record_many(struct histogram *histogram, uint64_t value, uint64_t times);

/* Equal values that follow one another, kept back to be recorded together. All-zero is empty. */
struct histogram_run {
    uint64_t value;
    uint64_t times;
};

/* Records what was kept back. */
void histogram_run_end(struct histogram_run *run, struct histogram *histogram);

/* In a turn most requests took as long as the one before. */
static inline void histogram_run_add(struct histogram_run *run, struct histogram *histogram,
                                     uint64_t value, uint64_t times)
{
    if (UNLIKELY(run->value != value)) {
        histogram_run_end(run, histogram);
        run->value = value;
    }
    run->times += times;
}

/* The value that so many percent of the values do not exceed: 50000 is the median, 99900 p99.9,
 * 99990 p99.99, 100000 the maximum. It is the upper edge of a bucket and never above max;
 * 0 when the histogram is empty. */
uint64_t histogram_percentile(const struct histogram *histogram, uint32_t percent_x1000);

/* The number of values at most `value`, exact where value is an upper edge (Prometheus `le`). */
uint64_t histogram_count_up_to(const struct histogram *histogram, uint64_t value);

/* The bucket a value counts in, and the largest value that counts in a bucket. */
uint32_t histogram_bucket(uint64_t value);
uint64_t histogram_bucket_max(uint32_t bucket);

#endif
