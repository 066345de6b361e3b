#include "storage/base/histogram.h"

uint32_t histogram_bucket(uint64_t value)
{
    const uint32_t steps = 1u << HISTOGRAM_STEPS_LOG2;
    if (value < 2 * steps) {
        return (uint32_t)value;
    }
    if (value >> HISTOGRAM_VALUE_LOG2 != 0) {
        return HISTOGRAM_BUCKETS - 1;
    }
    const uint32_t log2 = 63 - (uint32_t)__builtin_clzll(value);
    const uint32_t shift = log2 - HISTOGRAM_STEPS_LOG2;
    return (shift << HISTOGRAM_STEPS_LOG2) + (uint32_t)(value >> shift);
}

uint64_t histogram_bucket_max(uint32_t bucket)
{
    const uint32_t steps = 1u << HISTOGRAM_STEPS_LOG2;
    ASSERT_HOT(bucket < HISTOGRAM_BUCKETS);
    if (bucket < 2 * steps) {
        return bucket;
    }
    const uint32_t shift = (bucket >> HISTOGRAM_STEPS_LOG2) - 1;
    const uint64_t step = (bucket & (steps - 1)) + steps;
    return ((step + 1) << shift) - 1;
}

void histogram_record_many(struct histogram *histogram, uint64_t value, uint64_t times)
{
    histogram->counts[histogram_bucket(value)] += times;
    histogram->count += times;
    histogram->sum += value * times;
    if (times > 0 && value > histogram->max) {
        histogram->max = value;
    }
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram_record_many(histogram, value, 1);
}

void histogram_run_end(struct histogram_run *run, struct histogram *histogram)
{
    if (run->times > 0) {
        histogram_record_many(histogram, run->value, run->times);
        run->times = 0;
    }
}

uint64_t histogram_percentile(const struct histogram *histogram, uint32_t percent_x1000)
{
    ASSERT(percent_x1000 <= 100000);
    /* The rank is rounded up: p100 is the last value, p50 of one value is that value. */
    const unsigned __int128 product = (unsigned __int128)histogram->count * percent_x1000;
    const uint64_t rank = (uint64_t)((product + 99999) / 100000);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        seen += histogram->counts[i];
        if (seen >= rank && seen > 0) {
            return min_u64(histogram_bucket_max(i), histogram->max);
        }
    }
    return histogram->max;
}

uint64_t histogram_count_up_to(const struct histogram *histogram, uint64_t value)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && histogram_bucket_max(i) <= value; i++) {
        count += histogram->counts[i];
    }
    return value >= histogram->max ? histogram->count : count;
}
